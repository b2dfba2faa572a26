//! Builds a report: what is put on the page goes into the JSON too, so that both say the same.

use crate::cli::ui::lang::Lang;
use crate::cli::ui::printable::Printable;
use crate::cli::ui::text::{Message, find, message};
use crate::cli::ui::units::{count, paper_day, paper_time};
use azekura::answer::report::{self, Section};
use azekura::answer::session::{FactSource, Mark};
use azekura::report::page::{Cell, Element, Page, Style, Table, TableKind};
use chrono::NaiveDate;
use serde_json::Value;
use std::collections::BTreeMap;

/// The value of a cell.
#[derive(Debug, Clone)]
pub enum CellValue {
    Nothing,
    Text(String),
    /// A digest, a number to compare, a path.
    Code(String),
    /// A name with its exact bytes.
    Name(Vec<u8>),
    Count(u64),
    /// RFC 3339, UTC.
    Time(String),
    Day(NaiveDate),
    /// Words of ours.
    Said(Message),
    Mark(Mark),
    Sources(Vec<FactSource>),
}

impl CellValue {
    pub fn optional<T>(value: Option<T>, fact: impl Fn(T) -> Self) -> Self {
        value.map_or(Self::Nothing, fact)
    }

    fn json(&self) -> Value {
        match self {
            Self::Nothing => Value::Null,
            Self::Text(t) | Self::Code(t) | Self::Time(t) => t.clone().into(),
            Self::Name(n) => String::from_utf8_lossy(n).into(),
            Self::Day(d) => d.to_string().into(),
            Self::Count(n) => (*n).into(),
            Self::Said(m) => m.to_string().into(),
            Self::Mark(m) => m.name().into(),
            Self::Sources(s) => serde_json::to_value(s.iter().map(source_answer).collect::<Vec<_>>()).unwrap_or_default(),
        }
    }

    fn cell(&self) -> Cell {
        match self {
            Self::Nothing => Cell::default(),
            Self::Text(t) => Cell::new(t.printable(), Style::Plain),
            Self::Code(t) => Cell::new(t.printable(), Style::Code),
            Self::Name(n) => Cell::new(n.printable(), Style::Code),
            Self::Count(n) => Cell::new(count(*n), Style::Number),
            Self::Time(t) => Cell::new(paper_time(t, Lang::spoken()).printable(), Style::Time),
            Self::Day(d) => Cell::new(paper_day(*d, Lang::spoken()), Style::Time),
            // A line of its own for a code that is compared with paper. Only words of ours have line ends: those in
            // names are escaped.
            Self::Said(m) => Cell { lines: m.to_string().lines().map(str::to_owned).collect(), style: Style::Plain },
            Self::Mark(m) => Cell::new(find(mark_key(*m)), Style::Mark),
            Self::Sources(s) => Cell { lines: s.iter().map(source).collect(), style: Style::Source },
        }
    }
}

fn mark_key(mark: Mark) -> &'static str {
    match mark {
        Mark::Good => "page.mark.good",
        Mark::Partly => "page.mark.partly",
        Mark::Bad => "page.mark.bad",
        Mark::Unknown => "page.mark.unknown",
    }
}

fn source_answer(s: &FactSource) -> report::FactSource {
    report::FactSource { line: s.line, file: s.file.as_str().into() }
}

fn source(s: &FactSource) -> String {
    match s.file.is_empty() {
        true => message!("page.source.line", line = s.line),
        false => message!("page.source.file", line = s.line, file = s.file),
    }
    .to_string()
}

/// A fact: its name as a key of the catalogue, what is recorded of it, its mark, and where it is recorded.
pub type Row = (&'static str, CellValue, Mark, Vec<FactSource>);

/// A report that is being built.
#[derive(Debug)]
pub struct ReportBuilder {
    page: Page,
    sections: Vec<Section>,
    has_bad: bool,
}

/// The last part of a catalogue's key, as JSON names a member.
fn member(key: &str) -> String {
    key.rsplit('.').next().unwrap_or(key).replace('-', "_")
}

impl ReportBuilder {
    pub fn new(title: &'static str) -> Self {
        let page = Page { lang: Lang::spoken().name().into(), title: find(title), ..Page::default() };
        Self { page, sections: Vec::new(), has_bad: false }
    }

    /// A line under the title.
    pub fn under(&mut self, text: &Message) {
        self.page.under.push(text.to_string());
    }

    /// A line of the warning above everything else.
    pub fn alarm(&mut self, text: &Message) {
        self.page.alarm.push(text.to_string());
    }

    pub fn foot(&mut self, text: &Message) {
        self.page.foot.push(text.to_string());
    }

    pub fn section(&mut self, heading: &'static str) {
        self.section_of(heading, find(heading));
    }

    /// A section of which there may be several: `key` names it in JSON.
    pub fn section_of(&mut self, key: &'static str, heading: String) {
        self.page.parts.push(Element::Heading(heading));
        self.sections.push(Section { section: member(key).into(), facts: None, rows: None, rows_more: None });
    }

    pub fn words(&mut self, text: &Message) {
        self.page.parts.push(Element::Paragraph(text.to_string()));
    }

    pub fn caution(&mut self, key: &'static str) {
        self.page.parts.push(Element::Caution(find(key)));
    }

    /// Facts, one a row: what, what is recorded of it, a mark, and where it is recorded. A fact without a source is
    /// unknown.
    pub fn facts(&mut self, facts: Vec<Row>) {
        let mut rows = Vec::new();
        for (what, fact, mark, sources) in facts {
            let mark = if sources.is_empty() { Mark::Unknown } else { mark };
            self.has_bad |= mark == Mark::Bad;
            let recorded = report::Fact {
                fact: member(what).into(),
                value: fact.json(),
                mark: mark.name().into(),
                sources: sources.iter().map(source_answer).collect(),
            };
            self.sections.last_mut().into_iter().for_each(|s| s.facts.get_or_insert_default().first.push(recorded.clone()));
            let value = Cell { style: if fact.cell().style == Style::Code { Style::Code } else { Style::Plain }, ..fact.cell() };
            rows.push(vec![
                Cell::new(find(what), Style::What),
                value,
                CellValue::Mark(mark).cell(),
                CellValue::Sources(sources).cell(),
            ]);
        }
        let headings = vec![
            Cell::new(find("page.head.what"), Style::What),
            Cell::new(find("page.head.recorded"), Style::Plain),
            Cell::new(find("page.head.mark"), Style::Mark),
            Cell::new(find("page.head.source"), Style::Source),
        ];
        self.page.parts.push(Element::Table(Table { kind: TableKind::Facts, headings, rows, more: None }));
    }

    /// A list. `more` rows are not shown. A list without rows says so.
    pub fn list(&mut self, headings: &[&'static str], rows: &[Vec<CellValue>], more: u64) {
        if rows.is_empty() {
            return self.words(&message!("page.no-rows"));
        }
        for row in rows {
            self.has_bad |= row.iter().any(|cell| matches!(cell, CellValue::Mark(Mark::Bad)));
            let object: BTreeMap<String, Value> = headings.iter().zip(row).map(|(h, f)| (member(h), f.json())).collect();
            self.sections.last_mut().into_iter().for_each(|s| s.rows.get_or_insert_default().first.push(object.clone()));
        }
        if more > 0
            && let Some(section) = self.sections.last_mut()
        {
            section.rows_more = Some(more);
        }
        let style = |column: usize| rows.iter().filter_map(|r| r.get(column)).map(|f| f.cell().style).max_by_key(|s| *s as u8);
        let plain = |style| if style == Style::Code { Style::Plain } else { style };
        let headings =
            headings.iter().enumerate().map(|(i, h)| Cell::new(find(h), plain(style(i).unwrap_or_default()))).collect();
        let rows = rows.iter().map(|r| r.iter().map(CellValue::cell).collect()).collect();
        let more = (more > 0).then(|| message!("page.more", count = count(more)).to_string());
        self.page.parts.push(Element::Table(Table { kind: TableKind::List, headings, rows, more }));
    }

    /// Rows to be filled by hand: the first column is printed, `blank` rows have nothing in it.
    pub fn form(&mut self, kind: TableKind, headings: &[(&'static str, Style)], rows: &[&'static str], blank: usize) {
        let first = |text: String| {
            let rest = headings.iter().skip(1).map(|(_, style)| match style {
                Style::Stamp => Cell::new(find("page.stamp"), Style::Stamp),
                Style::Tick => Cell::new("□", Style::Tick),
                style => Cell { lines: Vec::new(), style: *style },
            });
            std::iter::once(Cell::new(text, headings.first().map_or(Style::Plain, |(_, style)| *style))).chain(rest).collect()
        };
        let printed = rows.iter().map(|key| first(find(key)));
        let rows = printed.chain(std::iter::repeat_n((), blank).map(|()| first(String::new()))).collect();
        let headings = headings.iter().map(|(key, style)| Cell::new(find(key), *style)).collect();
        self.page.parts.push(Element::Table(Table { kind, headings, rows, more: None }));
    }

    /// Names, dates and seals.
    pub fn signatures(&mut self, roles: &[&'static str]) {
        self.section("page.section.signatures");
        let headings = [
            ("page.head.role", Style::What),
            ("page.head.name", Style::Plain),
            ("page.head.date", Style::Plain),
            ("page.head.stamp", Style::Stamp),
        ];
        self.form(TableKind::Signatures, &headings, roles, 0);
    }

    /// Whether anything on the page is marked ×.
    pub fn has_bad(&self) -> bool {
        self.has_bad
    }

    pub fn html(&self) -> String {
        self.page.html()
    }

    /// The sections that record something.
    pub fn sections(&self) -> Vec<Section> {
        let is_empty = |s: &Section| s.facts.is_none() && s.rows.is_none() && s.rows_more.is_none();
        self.sections.iter().filter(|s| !is_empty(s)).cloned().collect()
    }
}
