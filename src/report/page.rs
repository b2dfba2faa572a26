//! A page of a report: A4, black on white, with nothing in it that a browser would fetch or run.
//!
//! One frame and one stylesheet for all reports. What a mark says is said by its sign, never by a colour; a heading of a table comes again
//! on each sheet; a long name wraps. Texts come worded; HTML sees no markup in them.

use maud::{DOCTYPE, Markup, PreEscaped, html};

/// How a cell is set, and all of its column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    #[default]
    Plain,
    /// What a fact is about: the row's heading.
    What,
    /// ○, △, × or a word.
    Mark,
    /// Where the fact is recorded.
    Source,
    Number,
    Time,
    Code,
    /// A box to tick by hand.
    Tick,
    /// Room for a seal.
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

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cell {
    /// One a line.
    pub lines: Vec<String>,
    pub style: Style,
}

impl Cell {
    pub fn new(text: impl Into<String>, style: Style) -> Self {
        Self { lines: vec![text.into()], style }
    }
}

/// How a table is to be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableKind {
    Facts,
    List,
    /// To be filled by hand.
    Form,
    /// Names, dates and seals: never parted.
    Signatures,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    pub kind: TableKind,
    pub headings: Vec<Cell>,
    pub rows: Vec<Vec<Cell>>,
    /// That there is more than is shown.
    pub more: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Element {
    Heading(String),
    Paragraph(String),
    /// What a reader must not overlook.
    Caution(String),
    Table(Table),
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// `ja` or `en`.
    pub lang: String,
    pub title: String,
    /// Whose it is, when it was made.
    pub under: Vec<String>,
    /// Why this report proves nothing or not all; empty where everything holds.
    pub alarm: Vec<String>,
    pub parts: Vec<Element>,
    pub foot: Vec<String>,
}

const STYLE: &str = include_str!("page.css");

impl Page {
    /// The page as HTML.
    pub fn html(&self) -> String {
        html! {
            (DOCTYPE)
            html lang=(self.lang) {
                head {
                    meta charset="utf-8";
                    // The policy forbids the browser to fetch or run anything.
                    meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                    title { (self.title) }
                    style { (PreEscaped(STYLE)) }
                }
                body {
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
                }
            }
        }
        .into_string()
            + "\n"
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
