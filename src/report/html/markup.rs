//! Pieces of HTML. Everything that comes from outside passes through [`text`].

use crate::report::escape;
use crate::report::when::six_digits;

/// Text for content and attributes: no markup, and nothing that reorders or hides it.
pub(super) fn text(raw: &str) -> String {
    escape::xml(raw)
}

/// A cell: its HTML, and whether it is a figure.
pub(super) enum Cell {
    Words(String),
    Figure(String),
    /// Names its row.
    Head(String),
}

/// A cell of text.
pub(super) fn words(raw: &str) -> Cell {
    Cell::Words(text(raw))
}

/// The cell that names its row by a path.
pub(super) fn path(raw: &str) -> Cell {
    Cell::Head(format!("<span class=\"path\">{}</span>", text(raw)))
}

/// A cell of a number or a time.
pub(super) fn figure(raw: &str) -> Cell {
    Cell::Figure(text(raw))
}

/// A table that scrolls on its own where the page is narrow. Empty if it has no rows: then `none` is said.
pub(super) fn table(caption: &str, heads: &[&str], rows: &[Vec<Cell>], none: &str) -> String {
    if rows.is_empty() {
        return paragraph(none);
    }
    let heads: String = heads.iter().map(|head| format!("<th scope=\"col\">{}</th>", text(head))).collect();
    let row = |cells: &Vec<Cell>| {
        let cells: String = cells
            .iter()
            .map(|cell| match cell {
                Cell::Words(html) => format!("<td>{html}</td>"),
                Cell::Figure(html) => format!("<td class=\"figure\">{html}</td>"),
                Cell::Head(html) => format!("<th scope=\"row\">{html}</th>"),
            })
            .collect();
        format!("<tr>{cells}</tr>\n")
    };
    let rows: String = rows.iter().map(row).collect();
    format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"{caption}\">\n<table>\n\
         <caption>{caption}</caption>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n</div>\n",
        caption = text(caption)
    )
}

/// A paragraph of text.
pub(super) fn paragraph(raw: &str) -> String {
    if raw.is_empty() { String::new() } else { format!("<p>{}</p>\n", text(raw)) }
}

/// A list of sentences; nothing if there are none.
pub(super) fn list<S: AsRef<str>>(items: impl IntoIterator<Item = S>) -> String {
    let items: String = items.into_iter().map(|item| format!("<li>{}</li>\n", text(item.as_ref()))).collect();
    if items.is_empty() { items } else { format!("<ul>\n{items}</ul>\n") }
}

/// A share of a width as a coordinate: "12.3%". The same on every machine.
pub(super) fn percent(share: f64) -> String {
    let share = if share.is_finite() { share.clamp(-10.0, 10.0) } else { 0.0 };
    format!("{:.3}%", share * 100.0)
}

/// A number as in the JSON lines; empty if it is not known.
pub(super) fn number(number: Option<f64>) -> String {
    number.and_then(six_digits).map_or_else(String::new, |number| number.to_string())
}

/// A link to a finding, if it is told in full.
pub(super) fn link(id: &str, told: bool) -> String {
    let shown = text(id);
    if told { format!("<a href=\"#{shown}\">{shown}</a>") } else { shown }
}

/// A level as a badge that also says it.
pub(super) fn level(name: &str) -> String {
    let class = match name {
        "high" => "high",
        "medium" => "medium",
        _ => "low",
    };
    format!("<span class=\"level {class}\">{}</span>", text(name))
}
