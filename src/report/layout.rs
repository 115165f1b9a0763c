//! Columns of text for a terminal, laid out by comfy-table.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Width};

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

impl Tone {
    /// Select Graphic Rendition (ECMA-48), and the character that stands for it while columns are measured: invisible
    /// operators have no width, and [`escape::terminal`] lets none of them through from evidence.
    fn codes(self) -> Option<(&'static str, char)> {
        match self {
            Tone::Plain => None,
            Tone::Header => Some(("1", '\u{2061}')),
            Tone::Alarm => Some(("1;31", '\u{2062}')),
            Tone::Warning => Some(("33", '\u{2063}')),
            Tone::Faint => Some(("2", '\u{2064}')),
        }
    }

    fn of_mark(mark: char) -> Option<&'static str> {
        [Tone::Header, Tone::Alarm, Tone::Warning, Tone::Faint]
            .into_iter()
            .filter_map(Tone::codes)
            .find(|(_, own)| *own == mark)
            .map(|(code, _)| code)
    }
}

/// What the screen that a report is for can do. Without a terminal: no colour, lines of any length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Screen {
    pub color: bool,
    /// Columns of the terminal. `None` if there is none: nothing is wrapped then.
    pub width: Option<u16>,
}

impl Screen {
    /// The text in its colour. It must be free of control characters, see [`escape::terminal`].
    pub fn tone(self, tone: Tone, text: &str) -> String {
        match tone.codes() {
            Some((code, _)) if self.color && !text.is_empty() => format!("\x1b[{code}m{text}\x1b[0m"),
            _ => text.to_owned(),
        }
    }

    /// A line of text, safe for a terminal, with one blank in front; on a screen it is wrapped and hangs by two.
    pub fn paragraph(self, tone: Tone, text: &str) -> String {
        let text = escape::terminal(text);
        let indent = 1 + text.chars().take_while(|c| *c == ' ').count();
        let Some(width) = self.width.filter(|width| usize::from(*width) >= indent + 2 + usize::from(NARROWEST)) else {
            return format!(" {}\n", self.tone(tone, &text));
        };
        let mut table = comfy_table::Table::new();
        table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(width);
        table.add_row([piece(text.trim_start_matches(' ').to_owned())]);
        if let Some(column) = table.column_mut(0) {
            column.set_padding((u16::try_from(indent + 2).unwrap_or(3), 0));
        }
        let mut out = String::new();
        for (at, line) in table.lines().enumerate() {
            let line = line.trim();
            let blanks = " ".repeat(if at == 0 { indent } else { indent + 2 });
            out.push_str(&format!("{blanks}{}\n", self.tone(tone, line)));
        }
        out
    }
}

/// A column is not wrapped to fewer columns of the terminal than this.
const NARROWEST: u16 = 17;
/// A piece of text is broken after this many characters in any case: the layout counts columns in 16 bits.
const LONGEST: usize = 16_000;

/// A table without lines: a header, then rows; columns as wide as their widest cell, two blanks between, one in front.
/// On a screen the last column, and those named to [`Table::wrapping`], are wrapped to fit.
pub struct Table {
    columns: Vec<(String, Align)>,
    wrapping: Vec<usize>,
    rows: Vec<Vec<(String, Tone)>>,
}

impl Table {
    pub fn new(columns: &[(&str, Align)]) -> Self {
        Table {
            columns: columns.iter().map(|(name, align)| (escape::terminal(name).into_owned(), *align)).collect(),
            wrapping: vec![columns.len().saturating_sub(1)],
            rows: Vec::new(),
        }
    }

    /// Wraps these columns, too, by their place from 0.
    #[must_use]
    pub fn wrapping(mut self, columns: &[usize]) -> Self {
        self.wrapping.extend(columns);
        self
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
    pub fn render(&self, screen: Screen, none: &str) -> String {
        let mut table = comfy_table::Table::new();
        table.load_style(NOTHING);
        let header = self.columns.iter().map(|(name, _)| marked(name, Tone::Header, screen));
        table.set_header(header.map(piece));
        for row in &self.rows {
            table.add_row(row.iter().map(|(cell, tone)| piece(marked(cell, *tone, screen))));
        }
        if let Some(width) = screen.width {
            table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        }
        let widths = table.column_max_content_widths();
        for (at, column) in table.column_iter_mut().enumerate() {
            if self.columns.get(at).is_some_and(|(_, align)| *align == Align::Right) {
                column.set_cell_alignment(CellAlignment::Right);
            }
            let least =
                widths.get(at).copied().unwrap_or_default().min(NARROWEST).saturating_add(column.padding_width());
            column.set_constraint(if screen.width.is_some() && self.wrapping.contains(&at) {
                ColumnConstraint::LowerBoundary(Width::Fixed(least))
            } else {
                ColumnConstraint::ContentWidth
            });
        }
        let mut out = String::new();
        for line in table.lines() {
            out.push_str(&painted(&line));
            out.push('\n');
        }
        if self.rows.is_empty() {
            out.push_str(&format!(" {none}\n"));
        }
        out
    }
}

/// The text with a mark behind every character that is not a blank, so that a break anywhere keeps colours whole.
fn marked(text: &str, tone: Tone, screen: Screen) -> String {
    let Some((_, mark)) = tone.codes().filter(|_| screen.color) else { return text.to_owned() };
    let mut out = String::with_capacity(text.len() * 4);
    for c in text.chars() {
        out.push(c);
        if c != ' ' {
            out.push(mark);
        }
    }
    out
}

/// A cell; text beyond what the layout can count goes on in a line of its own.
fn piece(text: String) -> comfy_table::Cell {
    if text.len() <= LONGEST {
        return comfy_table::Cell::new_owned(text);
    }
    let characters: Vec<char> = text.chars().collect();
    let lines: Vec<String> = characters.chunks(LONGEST).map(|line| line.iter().collect()).collect();
    comfy_table::Cell::new_owned(lines.join("\n"))
}

/// A line of the layout with its marks made colour, without blanks at its end.
fn painted(line: &str) -> String {
    let mut characters: Vec<(char, Option<&'static str>)> = Vec::with_capacity(line.len());
    for c in line.trim_end_matches(' ').chars() {
        match (Tone::of_mark(c), characters.last_mut()) {
            (None, _) => characters.push((c, None)),
            (code, Some(last)) => last.1 = code,
            (Some(_), None) => {}
        }
    }
    let mut out = String::with_capacity(line.len());
    let mut open = None;
    for (at, (c, code)) in characters.iter().enumerate() {
        // A blank within a cell is of its colour; columns are two blanks apart.
        let next = characters.get(at + 1).and_then(|(_, code)| *code);
        let code = if *c == ' ' { open.filter(|_| open == next) } else { *code };
        if code != open {
            if open.is_some() {
                out.push_str("\x1b[0m");
            }
            if let Some(code) = code {
                out.push_str(&format!("\x1b[{code}m"));
            }
            open = code;
        }
        out.push(*c);
    }
    if open.is_some() {
        out.push_str("\x1b[0m");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_the_width_of_letters() {
        let mut table = Table::new(&[("NAME", Align::Left), ("N", Align::Right), ("REST", Align::Left)]);
        table.row(["日本", "1 204", "x"]);
        table.row(["é", "7", ""]);
        assert_eq!(table.render(Screen::default(), "none"), " NAME      N  REST\n 日本  1 204  x\n é         7\n");
    }

    #[test]
    fn no_rows_still_have_a_header() {
        let table = Table::new(&[("NAME", Align::Left)]);
        assert_eq!(table.render(Screen::default(), "(none)"), " NAME\n (none)\n");
    }

    #[test]
    fn colour_does_not_move_columns_and_hostile_cells_have_none() {
        let mut table = Table::new(&[("A", Align::Left), ("B", Align::Left)]);
        table.toned([("\x1b[31mx", Tone::Alarm), ("y", Tone::Plain)]);
        let plain = table.render(Screen::default(), "");
        let painted = table.render(Screen { color: true, width: None }, "");
        assert_eq!(plain, " A          B\n \\x1b[31mx  y\n");
        assert_eq!(painted, " \x1b[1mA\x1b[0m          \x1b[1mB\x1b[0m\n \x1b[1;31m\\x1b[31mx\x1b[0m  y\n");
    }

    const NARROW: Screen = Screen { color: false, width: Some(60) };

    fn wide() -> Table {
        let mut table = Table::new(&[("NAME", Align::Left), ("N", Align::Right), ("REST", Align::Left)]);
        table.row(["ep-001", "1 204", "seven ports of one host and eight hosts on one port, all of them refused"]);
        table.row(["ep-002", "7", "short"]);
        table
    }

    #[test]
    fn the_last_column_hangs_under_itself_on_a_screen() {
        assert_eq!(
            wide().render(NARROW, ""),
            " NAME        N  REST\n ep-001  1 204  seven ports of one host and eight hosts on\n                one port, all of them refused\n \
             ep-002      7  short\n"
        );
        let mut long = Table::new(&[("A", Align::Left), ("B", Align::Left)]);
        long.row(["x", &"4".repeat(70)]);
        let rendered = long.render(NARROW, "");
        assert!(rendered.lines().all(|line| line.len() <= 60), "{rendered}");
        assert_eq!(rendered.matches('4').count(), 70, "nothing is cut");
    }

    #[test]
    fn without_a_screen_nothing_is_wrapped() {
        let text = "word ".repeat(3000);
        let mut table = Table::new(&[("A", Align::Left)]);
        table.row([text.trim_end()]);
        assert_eq!(table.render(Screen::default(), "").lines().nth(1).map(str::len), Some(1 + 3000 * 5 - 1));
        assert_eq!(Screen::default().paragraph(Tone::Plain, &text).lines().count(), 1);
    }

    #[test]
    fn a_screen_too_narrow_keeps_a_readable_last_column() {
        let screen = Screen { color: false, width: Some(10) };
        let longest = wide().render(screen, "").lines().map(str::len).max();
        assert_eq!(longest.map(|length| length <= 16 + usize::from(NARROWEST)), Some(true));
    }

    #[test]
    fn every_line_of_a_wrapped_cell_has_its_colour_and_no_other_cell() {
        let mut table = Table::new(&[("A", Align::Left), ("B", Align::Left)]).wrapping(&[0]);
        let words = "alarm words that go on for longer than the column is wide enough for them";
        table.toned([(words, Tone::Alarm), ("plain words that go on for longer than the column is wide", Tone::Plain)]);
        let painted = table.render(Screen { color: true, ..NARROW }, "");
        let plain = table.render(NARROW, "");
        assert_eq!(painted.replace("\x1b[1;31m", "").replace("\x1b[1m", "").replace("\x1b[0m", ""), plain);
        for line in painted.lines().skip(1) {
            let (alarm, rest) = line.split_once("\x1b[0m").unwrap();
            assert!(alarm.starts_with(" \x1b[1;31m") && !rest.contains('\x1b'), "{painted:?}");
        }
    }

    #[test]
    fn paragraphs_hang_by_two() {
        let text = "  Rivals of one finding: what was seen is less probable under another hypothesis";
        let wrapped = NARROW.paragraph(Tone::Plain, text);
        assert_eq!(
            wrapped,
            "   Rivals of one finding: what was seen is less probable\n     under another hypothesis\n"
        );
        assert_eq!(NARROW.paragraph(Tone::Plain, "short"), " short\n");
        assert!(!NARROW.paragraph(Tone::Plain, "a\nF-9999 forged").contains("\nF"));
    }

    #[test]
    fn cells_beyond_what_can_be_counted_lose_nothing() {
        let mut table = Table::new(&[("A", Align::Left), ("B", Align::Left)]);
        table.row([&"x".repeat(200_000), "y"]);
        for screen in [Screen::default(), Screen { color: true, width: Some(80) }] {
            assert_eq!(table.render(screen, "").matches('x').count(), 200_000);
        }
    }
}
