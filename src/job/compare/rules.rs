//! Which class a change has, by what its source's rules allow.

use super::{Class, Reason, Seen};
use crate::format::rules::Allowed;

/// The class of a file that is on both sides. `start` is the digest of the first bytes, as many as there were before, where that many are
/// there; `is_flagged`: its name has another flag.
pub fn judge(allowed: Allowed, before: &Seen, after: &Seen, start: Option<[u8; 32]>, is_flagged: bool) -> (Class, Reason) {
    if (before.size, before.blake3) == (after.size, after.blake3) {
        return if is_flagged { (Class::Updated, Reason::Flag) } else { (Class::Identical, Reason::None) };
    }
    match allowed {
        Allowed::Anything => (Class::Updated, Reason::Content),
        Allowed::Growth if after.size < before.size => (Class::OutsideRules, Reason::Cut),
        Allowed::Growth if after.size > before.size && start.is_some() && start == before.blake3 => {
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
    fn growth_is_lawful_only_behind_the_old_bytes() {
        let seen = |content: &[u8]| Seen {
            kind: EntryKind::File,
            size: content.len() as u64,
            blake3: Some(*blake3::hash(content).as_bytes()),
        };
        let judge = |after: &[u8]| {
            let start = after.get(..4).map(|s| *blake3::hash(s).as_bytes());
            super::judge(Allowed::Growth, &seen(b"line"), &seen(after), start, false)
        };
        assert_eq!(judge(b"line"), (Class::Identical, Reason::None));
        assert_eq!(judge(b"lines"), (Class::Updated, Reason::Grown));
        assert_eq!(judge(b"lin"), (Class::OutsideRules, Reason::Cut));
        assert_eq!(judge(b"lane"), (Class::OutsideRules, Reason::Content));
        assert_eq!(judge(b"lanes"), (Class::OutsideRules, Reason::Content));
    }
}
