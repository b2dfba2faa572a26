//! How the program that writes a source's files changes them. The rules serve to judge changes; storage does not depend on them.
//!
//! SS-MIX2 (JAMI, SS-MIX2 standardized storage, construction guidelines): content never changes in place. An update or a deletion
//! changes the flag at the end of the file's name (in the extended storage: of the name of its folder), and makes a new file
//! with a new time. The index database changes with every record; the transaction storage grows.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which rules a source has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Rules {
    /// Files change in any way.
    #[default]
    Plain,
    /// An SS-MIX2 storage: content never changes; an update or a deletion changes the flag at the end of the name.
    SsMix2,
    /// Files grow at their end and are never changed before it.
    AppendOnly,
}

impl Rules {
    /// All, in the order of their numbers in a manifest.
    pub const ALL: [Self; 3] = [Self::Plain, Self::SsMix2, Self::AppendOnly];

    /// In the configuration and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::SsMix2 => "ss-mix2",
            Self::AppendOnly => "append-only",
        }
    }
}

/// How a file's content may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowed {
    /// In any way.
    Anything,
    /// Only by more bytes at the end.
    Growth,
    /// Not at all.
    Nothing,
}

/// What `rules` allow a file; `below` is its path below the source's root.
pub fn allowed(rules: Rules, below: &[u8]) -> Allowed {
    match rules {
        Rules::Plain => Allowed::Anything,
        Rules::AppendOnly => Allowed::Growth,
        Rules::SsMix2 if below.split(|b| *b == b'/').any(is_index) => Allowed::Anything,
        Rules::SsMix2 if is_transaction(below) => Allowed::Growth,
        Rules::SsMix2 => Allowed::Nothing,
    }
}

fn is_index(name: &[u8]) -> bool {
    name.get(..8).is_some_and(|n| n.eq_ignore_ascii_case(b"SSMIXIDX"))
}

/// `<YYYY>/TR_….DAT`
fn is_transaction(below: &[u8]) -> bool {
    let mut names = below.rsplit(|b| *b == b'/');
    let (name, folder) = (names.next().unwrap_or_default(), names.next().unwrap_or_default());
    let ends = |n: usize| name[name.len() - n..].eq_ignore_ascii_case(b".DAT");
    folder.len() == 4
        && folder.iter().all(u8::is_ascii_digit)
        && name.len() > 7
        && name[..3].eq_ignore_ascii_case(b"TR_")
        && ends(4)
}

/// The position of the flag in a path of an SS-MIX2 storage: the last digit of the first name of the form
/// `<id>_<date>_<type>_<order>_<time, to the second at least>_<department>_<flag>`.
pub fn flag(path: &[u8]) -> Option<usize> {
    let mut start = 0;
    for name in path.split(|b| *b == b'/') {
        let mut fields = name.rsplit(|b| *b == b'_');
        let is_flag = matches!(fields.next(), Some([b'0'..=b'2']));
        let is_time = |f: &[u8]| f.len() >= 14 && f.iter().all(u8::is_ascii_digit);
        if is_flag && fields.nth(1).is_some_and(is_time) && fields.count() >= 3 {
            return Some(start + name.len() - 1);
        }
        start += name.len() + 1;
    }
    None
}

/// Whether two paths differ in their flag and in nothing else.
pub fn differ_in_flag(a: &[u8], b: &[u8]) -> bool {
    let at = flag(a);
    at == flag(b) && at.is_some_and(|at| a[..at] == b[..at] && a[at] != b[at] && a[at + 1..] == b[at + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAB: &[u8] = b"ss/999/901/9999013/20111220/OML-11/9999013_20111220_OML-11_000000011000354_20111220103059000_01_1";

    fn with_flag(path: &[u8], flag: u8) -> Vec<u8> {
        [&path[..path.len() - 1], &[flag]].concat()
    }

    #[test]
    fn the_flag_is_the_end_of_a_record_s_name_or_of_its_folder_s() {
        assert_eq!(flag(LAB), Some(LAB.len() - 1));
        assert!(differ_in_flag(LAB, &with_flag(LAB, b'2')) && differ_in_flag(LAB, &with_flag(LAB, b'0')));
        assert!(!differ_in_flag(LAB, LAB) && !differ_in_flag(LAB, &with_flag(LAB, b'3')));
        let folder = [LAB, b"/main_document.xml"].concat();
        assert_eq!(flag(&folder), Some(LAB.len() - 1));
        assert!(differ_in_flag(&folder, &[&with_flag(LAB, b'2')[..], b"/main_document.xml"].concat()));
        for other in [&b"ss/notes_1"[..], b"ss/a_b_c_d_e_f_1", b"ss/20111220103059000_01_1", b"ss/x_y_20111220103059000_01_1"] {
            assert_eq!(flag(other), None, "{}", String::from_utf8_lossy(other));
        }
    }

    #[test]
    fn the_index_may_change_and_transactions_may_grow() {
        let of = |below: &[u8]| allowed(Rules::SsMix2, below);
        assert_eq!(of(b"999/901/9999013/20111220/OML-11/x"), Allowed::Nothing);
        assert_eq!([of(b"SSMIXIDX.mdf"), of(b"db/ssmixidx/log")], [Allowed::Anything; 2]);
        assert_eq!(of(b"2025/TR_20250603000000000_00001.DAT"), Allowed::Growth);
        assert_eq!([of(b"TR_20250603000000000_00001.DAT"), of(b"2025/TR_.DAT"), of(b"2025/x.DAT")], [Allowed::Nothing; 3]);
    }
}
