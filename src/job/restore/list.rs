//! A list of what is needed first, made in haste on whatever computer still runs: which patients are on the ward, which tables hold the
//! bookings.

/// Lines that mean something, as they stand in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List(Vec<Vec<u8>>);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ListError {
    #[error("it is longer than {} MiB", List::MOST_BYTES >> 20)]
    TooLong,
    #[error("line {line}: there are more than {} lines that name something", List::MOST)]
    TooMany { line: usize },
    /// UTF-16, or no text at all: it would be taken for names that nothing has.
    #[error("line {line}: is not UTF-8 text")]
    NotText { line: usize },
    #[error("line {line}: names nothing")]
    NoName { line: usize },
    /// An empty list must not mean everything.
    #[error("no line names anything")]
    Empty,
}

impl List {
    /// What a list may have at most. A hospital has fewer patients, and whoever needs more than that needs a folder.
    pub const MOST: usize = 1_000_000;
    pub const MOST_BYTES: usize = 64 << 20;

    /// One name on each line. A line that begins with `#` is a comment; blank lines, carriage returns and a byte order mark do not
    /// matter. A `#` elsewhere, and blanks around a name, belong to the name: some names have them.
    pub fn parse(bytes: &[u8]) -> Result<Self, ListError> {
        if bytes.len() > Self::MOST_BYTES {
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
            if names.len() == Self::MOST {
                return Err(ListError::TooMany { line });
            }
            names.push(text.to_vec());
        }
        if names.is_empty() { Err(ListError::Empty) } else { Ok(Self(names)) }
    }

    pub fn names(&self) -> &[Vec<u8>] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with Notepad, copied from a mail, with names in Shift_JIS.
    #[test]
    fn a_list_may_come_from_anywhere() {
        let list = List::parse("\u{feff}# 病棟3\r\n0001234\r\n\r\n  \nehr/dump/booking.sql\nss mix/a#b \n".as_bytes()).unwrap();
        assert_eq!(list.names(), [b"0001234".to_vec(), b"ehr/dump/booking.sql".to_vec(), b"ss mix/a#b ".to_vec()]);
        assert_eq!(List::parse(b"x/\x83J\x83\x8b").unwrap().names(), [b"x/\x83J\x83\x8b".to_vec()]);
    }

    #[test]
    fn a_list_that_says_something_else_than_it_seems_is_refused_with_its_line() {
        assert_eq!(List::parse(b"# all\n\n"), Err(ListError::Empty));
        assert_eq!(List::parse(b""), Err(ListError::Empty));
        assert_eq!(List::parse(b"a\n//\n"), Err(ListError::NoName { line: 2 }));
        assert_eq!(List::parse(b"a\nb\0c\n"), Err(ListError::NotText { line: 2 }));
        assert_eq!(List::parse(b"\xff\xfe1\x002\x00"), Err(ListError::NotText { line: 1 }));
        let many = "1\n".repeat(List::MOST + 1);
        assert_eq!(List::parse(many.as_bytes()), Err(ListError::TooMany { line: List::MOST + 1 }));
        assert_eq!(List::parse(many.strip_suffix("1\n").unwrap().as_bytes()).unwrap().names().len(), List::MOST);
        assert_eq!(List::parse(&vec![b'1'; List::MOST_BYTES + 1]), Err(ListError::TooLong));
    }
}
