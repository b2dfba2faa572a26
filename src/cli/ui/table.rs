//! Tables of text: labels with their values, and columns under headings. Widths are those of a terminal, where a
//! Japanese character takes two columns.

use super::units::pad;
use unicode_width::UnicodeWidthStr;

/// Lines of a label and its value, the values in one column.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<(String, String)>,
}

impl Table {
    pub fn row(&mut self, label: impl Into<String>, value: impl Into<String>) {
        self.rows.push((label.into(), value.into()));
    }

    pub fn text(&self) -> String {
        let columns = self.rows.iter().map(|(label, _)| label.width()).max().unwrap_or(0) + 2;
        self.rows.iter().map(|(label, value)| format!("{}{value}\n", pad(label, columns))).collect()
    }
}

/// Rows of several columns under headings.
#[derive(Debug)]
pub struct Columns {
    rows: Vec<Vec<String>>,
}

impl Columns {
    pub fn new<const N: usize>(headings: [String; N]) -> Self {
        Self { rows: vec![headings.into()] }
    }

    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into());
    }

    pub fn text(&self) -> String {
        let count = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> =
            (0..count).map(|i| self.rows.iter().filter_map(|r| r.get(i)).map(|c| c.width()).max().unwrap_or(0)).collect();
        let line = |row: &Vec<String>| {
            let cells: String = row.iter().zip(&widths).map(|(cell, width)| pad(cell, width + 2)).collect();
            format!("{}\n", cells.trim_end())
        };
        self.rows.iter().map(line).collect()
    }
}
