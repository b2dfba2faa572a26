//! A list of what is needed first: the patients on the ward, the tables with the bookings. It is made in haste, on
//! whatever computer still runs.

/// The names in a list, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameList(Vec<Vec<u8>>);

/// Why a list is refused. Lines are numbered from 1.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ListError {
    /// More than [`NameList::MAX_BYTES`].
    #[error("the list is longer than {} MiB", NameList::MAX_BYTES >> 20)]
    TooLong,
    /// More than [`NameList::MAX_NAMES`].
    #[error("line {line}: the list has more than {} names", NameList::MAX_NAMES)]
    TooMany {
        /// The first line that is too many.
        line: usize,
    },
    /// UTF-16, or no text at all. Its names would match nothing.
    #[error("line {line} is not UTF-8 text")]
    NotText {
        /// The first such line.
        line: usize,
    },
    /// A line of slashes.
    #[error("line {line} contains no name")]
    NoName {
        /// The first such line.
        line: usize,
    },
    /// An empty list must not mean everything.
    #[error("the list contains no name")]
    Empty,
}

impl NameList {
    /// The most names in a list. A hospital has fewer patients; for more names than that, name a folder.
    pub const MAX_NAMES: usize = 1_000_000;
    /// The greatest length of a list in bytes.
    pub const MAX_BYTES: usize = 64 << 20;

    /// Reads a list: one name on each line. A line that begins with `#` is a comment. Blank lines, a carriage return at
    /// a line's end and a byte order mark are ignored. A `#` elsewhere, and blanks around a name, belong to the name:
    /// some names have them.
    pub fn parse(bytes: &[u8]) -> Result<Self, ListError> {
        if bytes.len() > Self::MAX_BYTES {
            return Err(ListError::TooLong);
        }
        if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
            return Err(ListError::NotText { line: 1 });
        }
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut names: Vec<Vec<u8>> = Vec::new();
        for (line, text) in (1..).zip(bytes.split(|b| *b == b'\n')) {
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            if text.starts_with(b"#") || text.trim_ascii().is_empty() {
                continue;
            }
            if text.contains(&0) {
                return Err(ListError::NotText { line });
            }
            if text.iter().all(|b| *b == b'/') {
                return Err(ListError::NoName { line });
            }
            if names.len() == Self::MAX_NAMES {
                return Err(ListError::TooMany { line });
            }
            names.push(text.to_vec());
        }
        if names.is_empty() { Err(ListError::Empty) } else { Ok(Self(names)) }
    }

    /// The names, without comments and blank lines.
    pub fn names(&self) -> &[Vec<u8>] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lists made with Notepad, copied from a mail, and with names in Shift_JIS.
    #[test]
    fn lists_from_any_editor_are_read() {
        let list =
            NameList::parse("\u{feff}# 病棟3\r\n0001234\r\n\r\n  \nehr/dump/booking.sql\nss mix/a#b \n".as_bytes()).unwrap();
        assert_eq!(list.names(), [b"0001234".to_vec(), b"ehr/dump/booking.sql".to_vec(), b"ss mix/a#b ".to_vec()]);
        assert_eq!(NameList::parse(b"x/\x83J\x83\x8b").unwrap().names(), [b"x/\x83J\x83\x8b".to_vec()]);
    }

    #[test]
    fn a_list_that_could_be_misread_is_refused_with_its_line() {
        assert_eq!(NameList::parse(b"# all\n\n"), Err(ListError::Empty));
        assert_eq!(NameList::parse(b""), Err(ListError::Empty));
        assert_eq!(NameList::parse(b"a\n//\n"), Err(ListError::NoName { line: 2 }));
        assert_eq!(NameList::parse(b"a\nb\0c\n"), Err(ListError::NotText { line: 2 }));
        assert_eq!(NameList::parse(b"\xff\xfe1\x002\x00"), Err(ListError::NotText { line: 1 }));
        let many = "1\n".repeat(NameList::MAX_NAMES + 1);
        assert_eq!(NameList::parse(many.as_bytes()), Err(ListError::TooMany { line: NameList::MAX_NAMES + 1 }));
        assert_eq!(NameList::parse(many.strip_suffix("1\n").unwrap().as_bytes()).unwrap().names().len(), NameList::MAX_NAMES);
        assert_eq!(NameList::parse(&vec![b'1'; NameList::MAX_BYTES + 1]), Err(ListError::TooLong));
    }
}
