//! Columns of text for a terminal.

use unicode_width::UnicodeWidthStr;

use super::escape;

/// How a cell stands in its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    Left,
    Right,
}

/// What a piece of text is, for colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Plain,
    Header,
    Alarm,
    Warning,
    Faint,
}

/// Whether to colour, and with what (SGR, ECMA-48).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Paint {
    pub color: bool,
}

impl Paint {
    pub fn tone(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Plain => return text.to_owned(),
            Tone::Header => "1",
            Tone::Alarm => "1;31",
            Tone::Warning => "33",
            Tone::Faint => "2",
        };
        if self.color && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// A table without lines: a header, then rows; columns as wide as their widest cell, two blanks between, one in front.
pub struct Table {
    columns: Vec<(String, Align)>,
    rows: Vec<Vec<(String, Tone)>>,
}

impl Table {
    pub fn new(columns: &[(&str, Align)]) -> Self {
        Table { columns: columns.iter().map(|(name, align)| ((*name).to_owned(), *align)).collect(), rows: Vec::new() }
    }

    /// Adds a row. Cells are made safe for a terminal here, once for all reports.
    pub fn row<I, S>(&mut self, cells: I)
    where
        I: IntoIterator<Item = S>,
        S: AsRef<str>,
    {
        self.toned(cells.into_iter().map(|cell| (cell, Tone::Plain)));
    }

    /// Adds a row of which cells have a tone.
    pub fn toned<I, S>(&mut self, cells: I)
    where
        I: IntoIterator<Item = (S, Tone)>,
        S: AsRef<str>,
    {
        let cells = cells.into_iter().map(|(cell, tone)| (escape::terminal(cell.as_ref()).into_owned(), tone));
        self.rows.push(cells.collect());
    }

    /// The table, every line ended. Without rows the header is followed by `none`.
    pub fn render(&self, paint: Paint, none: &str) -> String {
        let width_of = |at: usize, name: &str| {
            let cells = self.rows.iter().filter_map(|row| row.get(at)).map(|(cell, _)| cell.width());
            cells.chain([escape::terminal(name).width()]).max().unwrap_or_default()
        };
        let widths: Vec<usize> = self.columns.iter().enumerate().map(|(at, (name, _))| width_of(at, name)).collect();
        let mut out = String::new();
        let header = self.columns.iter().map(|(name, _)| (escape::terminal(name).into_owned(), Tone::Header));
        let header: Vec<(String, Tone)> = header.collect();
        self.line(&header, &widths, paint, &mut out);
        for row in &self.rows {
            self.line(row, &widths, paint, &mut out);
        }
        if self.rows.is_empty() {
            out.push_str(&format!(" {none}\n"));
        }
        out
    }

    fn line(&self, cells: &[(String, Tone)], widths: &[usize], paint: Paint, out: &mut String) {
        let last = cells.iter().rposition(|(cell, _)| !cell.is_empty());
        let Some(last) = last else { return out.push('\n') };
        for (at, (cell, tone)) in cells.iter().enumerate().take(last + 1) {
            out.push_str(if at == 0 { " " } else { "  " });
            let width = widths.get(at).copied().unwrap_or_default();
            let blanks = " ".repeat(width.saturating_sub(cell.width()));
            let align = self.columns.get(at).map_or(Align::Left, |(_, align)| *align);
            let painted = paint.tone(*tone, cell);
            match align {
                Align::Right => out.push_str(&format!("{blanks}{painted}")),
                Align::Left if at == last => out.push_str(&painted),
                Align::Left => out.push_str(&format!("{painted}{blanks}")),
            }
        }
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_the_width_of_letters() {
        let mut table = Table::new(&[("NAME", Align::Left), ("N", Align::Right), ("REST", Align::Left)]);
        table.row(["日本", "1 204", "x"]);
        table.row(["é", "7", ""]);
        assert_eq!(table.render(Paint::default(), "none"), " NAME      N  REST\n 日本  1 204  x\n é         7\n");
    }

    #[test]
    fn no_rows_still_have_a_header() {
        let table = Table::new(&[("NAME", Align::Left)]);
        assert_eq!(table.render(Paint::default(), "(none)"), " NAME\n (none)\n");
    }

    #[test]
    fn colour_does_not_move_columns_and_hostile_cells_have_none() {
        let mut table = Table::new(&[("A", Align::Left), ("B", Align::Left)]);
        table.toned([("\x1b[31mx", Tone::Alarm), ("y", Tone::Plain)]);
        let plain = table.render(Paint::default(), "");
        let painted = table.render(Paint { color: true }, "");
        assert_eq!(plain, " A          B\n \\x1b[31mx  y\n");
        assert_eq!(painted, " \x1b[1mA\x1b[0m          \x1b[1mB\x1b[0m\n \x1b[1;31m\\x1b[31mx\x1b[0m  y\n");
    }
}
