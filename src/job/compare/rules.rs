//! Which class a change has, by what its source's rules allow.

use super::difference::{Class, FileSummary, Reason};
use crate::format::rules::Allowed;

/// Classifies a file that is on both sides. `prefix` is the digest of the file's first bytes, as many as it had before,
/// if it still has that many. `differs_in_flag`: its name now ends in another flag.
pub(super) fn classify(
    allowed: Allowed,
    before: &FileSummary,
    after: &FileSummary,
    prefix: Option<[u8; 32]>,
    differs_in_flag: bool,
) -> (Class, Reason) {
    if (before.size, before.blake3) == (after.size, after.blake3) {
        return if differs_in_flag { (Class::Updated, Reason::Flag) } else { (Class::Identical, Reason::None) };
    }
    match allowed {
        Allowed::Anything => (Class::Updated, Reason::Content),
        Allowed::Growth if after.size < before.size => (Class::OutsideRules, Reason::Cut),
        Allowed::Growth if after.size > before.size && prefix.is_some() && prefix == before.blake3 => {
            (Class::Updated, Reason::Grown)
        }
        Allowed::Growth | Allowed::Nothing => (Class::OutsideRules, Reason::Content),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::entry::EntryKind;

    #[test]
    fn growth_is_allowed_only_behind_the_old_bytes() {
        let summary = |content: &[u8]| FileSummary {
            kind: EntryKind::File,
            size: content.len() as u64,
            blake3: Some(*blake3::hash(content).as_bytes()),
        };
        let classify = |after: &[u8]| {
            let prefix = after.get(..4).map(|s| *blake3::hash(s).as_bytes());
            super::classify(Allowed::Growth, &summary(b"line"), &summary(after), prefix, false)
        };
        assert_eq!(classify(b"line"), (Class::Identical, Reason::None));
        assert_eq!(classify(b"lines"), (Class::Updated, Reason::Grown));
        assert_eq!(classify(b"lin"), (Class::OutsideRules, Reason::Cut));
        assert_eq!(classify(b"lane"), (Class::OutsideRules, Reason::Content));
        assert_eq!(classify(b"lanes"), (Class::OutsideRules, Reason::Content));
    }
}
