//! What must hold of everything that is shown, told apart from how the program does it.

/// Characters that act or do not show: controls (general category Cc), controls of direction (UAX #9), of no width, tags,
/// separators of lines.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(u32::from(c),
            0xad | 0x61c | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x2064 | 0x2066..=0x2069 | 0xfeff | 0xfff9..=0xfffb
            | 0xe0000..=0xe007f)
}

/// Text for people or for line-wise readers holds nothing that acts but the ends of its lines, and tabs.
pub(crate) fn assert_inert(what: &str, text: &str) {
    if let Some((at, c)) = text.char_indices().find(|(_, c)| acts(*c) && !matches!(c, '\n' | '\t')) {
        let from = text[..at].rfind('\n').map_or(0, |at| at + 1);
        let line: String = text[from..].chars().take(400).collect();
        panic!("{what}: {c:?} in {line:?}");
    }
}

/// The same of CSV, none of whose cells a spreadsheet takes for a formula (OWASP, CSV injection).
pub(crate) fn assert_inert_csv(what: &str, bytes: &[u8]) {
    let text = std::str::from_utf8(bytes).expect("UTF-8");
    assert_inert(what, text);
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes);
    let mut columns = None;
    for row in reader.records() {
        let row = row.expect("a row");
        let width = *columns.get_or_insert(row.len());
        assert_eq!(row.len(), width, "{what}: a row of another width: {row:?}");
        for cell in &row {
            let first = cell.trim_start().chars().next().unwrap_or(' ');
            let is_formula =
                matches!(first, '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠') && cell.parse::<f64>().is_err();
            assert!(!is_formula, "{what}: a formula: {cell:?}");
        }
    }
}
