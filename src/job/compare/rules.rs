//! Which class a change has, by what its source's rules allow.

use super::difference::{Class, FileSummary, Reason};
use crate::format::rules::Allowed;

/// Classifies a file that is on both sides. `has_grown`: it begins with what it was before. `differs_in_flag`: its name
/// now ends in another flag.
pub(super) fn classify(
    allowed: Allowed,
    before: &FileSummary,
    after: &FileSummary,
    has_grown: bool,
    differs_in_flag: bool,
) -> (Class, Reason) {
    if (before.size, before.content) == (after.size, after.content) {
        return if differs_in_flag { (Class::Updated, Reason::Flag) } else { (Class::Identical, Reason::None) };
    }
    match allowed {
        Allowed::Anything => (Class::Updated, Reason::Content),
        Allowed::Growth if after.size < before.size => (Class::OutsideRules, Reason::Cut),
        Allowed::Growth if after.size > before.size && has_grown => (Class::Updated, Reason::Grown),
        Allowed::Growth | Allowed::Nothing => (Class::OutsideRules, Reason::Content),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::entry::{ContentId, EntryKind};

    #[test]
    fn growth_is_allowed_only_behind_the_old_bytes() {
        let summary = |content: &[u8]| FileSummary {
            kind: EntryKind::File,
            size: content.len() as u64,
            content: Some(ContentId::Whole(*blake3::hash(content).as_bytes())),
        };
        let classify = |after: &[u8]| {
            super::classify(Allowed::Growth, &summary(b"line"), &summary(after), after.starts_with(b"line"), false)
        };
        assert_eq!(classify(b"line"), (Class::Identical, Reason::None));
        assert_eq!(classify(b"lines"), (Class::Updated, Reason::Grown));
        assert_eq!(classify(b"lin"), (Class::OutsideRules, Reason::Cut));
        assert_eq!(classify(b"lane"), (Class::OutsideRules, Reason::Content));
        assert_eq!(classify(b"lanes"), (Class::OutsideRules, Reason::Content));
    }
}
