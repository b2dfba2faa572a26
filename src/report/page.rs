//! The frame of every page, and the pages of reports: A4, black on white, with nothing that a browser would fetch or run.
//!
//! One frame and one stylesheet for all. The meaning of a mark is in its sign, never in a colour; the headings of a table are
//! repeated on each sheet; a long name wraps. Texts are escaped, so no name becomes markup.

use maud::{DOCTYPE, Markup, PreEscaped, html};

/// The look of a cell and its column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    /// Text.
    #[default]
    Plain,
    /// The row's heading: what a fact is about.
    What,
    /// ○, △, × or a word.
    Mark,
    /// Where the fact is recorded.
    Source,
    /// Aligned to the right.
    Number,
    /// Never broken into two lines.
    Time,
    /// A digest, a path, a command.
    Code,
    /// A box to tick by hand.
    Tick,
    /// Space for a personal seal.
    Stamp,
}

impl Style {
    fn class(self) -> Option<&'static str> {
        Some(match self {
            Self::Plain => return None,
            Self::What => "what",
            Self::Mark => "mark",
            Self::Source => "source",
            Self::Number => "number",
            Self::Time => "time",
            Self::Code => "code",
            Self::Tick => "tick",
            Self::Stamp => "stamp",
        })
    }
}

/// A cell of a table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cell {
    /// Text, line by line.
    pub lines: Vec<String>,
    /// Its look.
    pub style: Style,
}

impl Cell {
    /// A cell of one line.
    pub fn new(text: impl Into<String>, style: Style) -> Self {
        Self { lines: vec![text.into()], style }
    }
}

/// The look of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableKind {
    /// A fact a row, with its heading.
    Facts,
    /// Many rows of the same columns.
    List,
    /// To be filled in by hand.
    Form,
    /// Names, dates and seals: never divided between two sheets.
    Signatures,
}

/// A table of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its look.
    pub kind: TableKind,
    /// One for each column.
    pub headings: Vec<Cell>,
    /// Each has a cell for each column.
    pub rows: Vec<Vec<Cell>>,
    /// A last row that says how much is not shown.
    pub more: Option<String>,
}

/// A part of a report between its header and its footer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Element {
    /// The heading of what follows.
    Heading(String),
    /// Plain text.
    Paragraph(String),
    /// Text in a box, which a reader must not overlook.
    Caution(String),
    /// A table.
    Table(Table),
}

/// A report.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// `ja` or `en`.
    pub lang: String,
    /// The heading of the first sheet.
    pub title: String,
    /// Lines below the title: the hospital, and when the report was made.
    pub under: Vec<String>,
    /// Why this report proves nothing or not everything: the first line, then details. Empty if all evidence is valid.
    pub alarm: Vec<String>,
    /// The content, in order.
    pub parts: Vec<Element>,
    /// Lines of the footer.
    pub foot: Vec<String>,
}

const STYLE: &str = include_str!("page.css");

/// The frame of every page. `own_style` adds to the stylesheet what only this page needs.
pub(super) fn frame(lang: &str, title: &str, own_style: &str, body: &Markup) -> String {
    let document = html! {
        (DOCTYPE)
        html lang=(lang) {
            head {
                meta charset="utf-8";
                // The policy forbids the browser to fetch or run anything.
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                title { (title) }
                style { (PreEscaped(STYLE)) (PreEscaped(own_style)) }
            }
            body { (body) }
        }
    };
    document.into_string() + "\n"
}

/// Text of strangers for a page: control characters become spaces.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

impl Page {
    /// The page as HTML.
    pub fn html(&self) -> String {
        let body = html! {
            header {
                h1 { (self.title) }
                @for line in &self.under { p { (line) } }
            }
            @if let Some((first, rest)) = self.alarm.split_first() {
                div.alarm role="alert" {
                    p { (first) }
                    @if !rest.is_empty() { ul { @for line in rest { li { (line) } } } }
                }
            }
            @for part in &self.parts { (part.markup()) }
            @if !self.foot.is_empty() { footer { @for line in &self.foot { p { (line) } } } }
        };
        frame(&self.lang, &self.title, "", &body)
    }
}

impl Element {
    fn markup(&self) -> Markup {
        match self {
            Self::Heading(text) => html! { h2 { (text) } },
            Self::Paragraph(text) => html! { p { (text) } },
            Self::Caution(text) => html! { p.caution { (text) } },
            Self::Table(table) => table.markup(),
        }
    }
}

impl Table {
    fn markup(&self) -> Markup {
        let class = match self.kind {
            TableKind::Facts => "facts",
            TableKind::List => "list",
            TableKind::Form => "form",
            TableKind::Signatures => "form sign",
        };
        html! {
            table class=(class) {
                thead { tr { @for cell in &self.headings { th class=[cell.style.class()] { (lines(cell)) } } } }
                tbody {
                    @for row in &self.rows { tr { @for cell in row { (cell.markup()) } } }
                    @if let Some(more) = &self.more { tr.more { td colspan=(self.headings.len()) { (more) } } }
                }
            }
        }
    }
}

impl Cell {
    fn markup(&self) -> Markup {
        match self.style {
            Style::What => html! { th scope="row" { (lines(self)) } },
            style => html! { td class=[style.class()] { (lines(self)) } },
        }
    }
}

fn lines(cell: &Cell) -> Markup {
    html! { @for (i, line) in cell.lines.iter().enumerate() { @if i > 0 { br; } (line) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> Page {
        let hostile = "<script>alert(1)</script> & \"x\"";
        let row = |style| vec![Cell::new(hostile, Style::What), Cell::new(hostile, style)];
        let table = |kind| {
            let rows = vec![row(Style::Plain), row(Style::Code)];
            Element::Table(Table { kind, headings: row(Style::Plain), rows, more: Some(hostile.into()) })
        };
        Page {
            lang: "ja\"><script>".into(),
            title: hostile.into(),
            under: vec![hostile.into()],
            alarm: vec![hostile.into(), hostile.into()],
            parts: vec![
                Element::Heading(hostile.into()),
                Element::Paragraph(hostile.into()),
                Element::Caution(hostile.into()),
                table(TableKind::Facts),
                table(TableKind::Signatures),
            ],
            foot: vec![hostile.into()],
        }
    }

    #[test]
    fn no_name_is_markup() {
        let html = page().html();
        assert!(!html.contains("<script") && !html.contains("& \"x"));
        assert_eq!(html.matches("&lt;script&gt;alert(1)").count(), 1 + 1 + 1 + 2 + 3 + 2 * 7 + 1);
    }

    #[test]
    fn nothing_is_fetched_or_run() {
        let html = page().html().replace("http-equiv", "");
        for word in ["http", "://", "src=", "href", "url(", "@import", "<script", "onload"] {
            assert!(!html.contains(word), "{word}");
        }
        assert!(html.contains("default-src 'none'") && html.contains("size: A4"));
    }

    #[test]
    fn an_alarm_stands_before_everything_else() {
        let html = page().html();
        assert!(html.find("class=\"alarm\"").unwrap() < html.find("<h2>").unwrap());
        let html = Page { alarm: Vec::new(), ..page() }.html();
        assert!(!html.contains("class=\"alarm\""));
    }
}
