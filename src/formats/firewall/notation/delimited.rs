//! Columns with a delimiter, quoted as RFC 4180 has it, in one line.

use std::borrow::Cow;

use smallvec::SmallVec;

/// The cells of one line.
pub(crate) type Cells<'a> = SmallVec<[Cow<'a, [u8]>; 32]>;

/// Splits a line. A cell in quotes may hold the delimiter and `""` for a quote; a quote elsewhere is a character.
pub(crate) fn cells(line: &[u8], delimiter: u8) -> Cells<'_> {
    let mut cells = Cells::new();
    let mut rest = line;
    loop {
        let blanks = if delimiter == b' ' { 0 } else { rest.iter().take_while(|byte| **byte == b' ').count() };
        if rest.get(blanks) == Some(&b'"')
            && let Some((cell, after)) = quoted(rest.get(blanks + 1..).unwrap_or_default(), delimiter)
        {
            cells.push(cell);
            match after {
                Some(after) => rest = after,
                None => return cells,
            }
            continue;
        }
        match memchr::memchr(delimiter, rest) {
            Some(end) => {
                cells.push(Cow::Borrowed(rest.get(..end).unwrap_or_default()));
                rest = rest.get(end + 1..).unwrap_or_default();
            }
            None => {
                cells.push(Cow::Borrowed(rest));
                return cells;
            }
        }
    }
}

/// A cell, and what follows the delimiter after it.
type Quoted<'a> = (Cow<'a, [u8]>, Option<&'a [u8]>);

/// The cell up to its closing quote, and what follows the delimiter after it, if there is one. `None` if it is not closed
/// before a delimiter or the end.
fn quoted(text: &[u8], delimiter: u8) -> Option<Quoted<'_>> {
    let mut from = 0;
    let mut doubled = false;
    loop {
        let at = from + memchr::memchr(b'"', text.get(from..)?)?;
        match text.get(at + 1) {
            Some(b'"') => {
                doubled = true;
                from = at + 2;
            }
            next if next.is_none() || next == Some(&delimiter) => {
                let cell = text.get(..at)?;
                let cell = if doubled { Cow::Owned(undoubled(cell)) } else { Cow::Borrowed(cell) };
                return Some((cell, next.and(text.get(at + 2..))));
            }
            _ => from = at + 1,
        }
    }
}

fn undoubled(cell: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(cell.len());
    let mut quote = false;
    for byte in cell {
        if *byte == b'"' && quote {
            quote = false;
            continue;
        }
        quote = *byte == b'"';
        plain.push(*byte);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_agree_with_the_csv_crate() {
        for line in
            ["", "a", "a,b", ",", "a,,b,", "\"a,b\",c", "\"a \"\"b\"\" c\",d", "\"\"", "\"a\"", "1,\"x\",\"\",2"]
        {
            let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(line.as_bytes());
            let expected: Vec<Vec<u8>> = match reader.byte_records().next() {
                Some(record) => record.unwrap().iter().map(<[u8]>::to_vec).collect(),
                None => vec![Vec::new()],
            };
            let got: Vec<Vec<u8>> = cells(line.as_bytes(), b',').into_iter().map(Cow::into_owned).collect();
            assert_eq!(got, expected, "{line}");
        }
        assert_eq!(cells(b"say \"hi\", x", b',').len(), 2);
        assert_eq!(cells(b"\"unclosed, x", b',').len(), 2);
    }
}
