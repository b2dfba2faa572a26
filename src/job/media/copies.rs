//! The copies that there are by the ledger, and what the 3-2-1 rule says of them: three copies of the data, on two kinds of media, one of
//! them off site. The data in use, on the host's own disks, is the first copy.
//!
//! Source of the rule: US-CERT, Data Backup Options (2012).

use crate::host::ledger::{LedgerContent, MediumKind};
use std::collections::{BTreeMap, BTreeSet};

/// A medium with something on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    pub medium: String,
    /// Unknown of media that were taken in before the ledger kept it.
    pub kind: Option<MediumKind>,
    /// Where somebody took it last.
    pub place: Option<String>,
    pub off_site: bool,
    /// When something was written on it last, RFC 3339, UTC.
    pub time: String,
    pub generation: u64,
    pub check_code: String,
    /// It was attached, and neither seen to leave nor taken anywhere since.
    pub attached: bool,
}

/// What the copies lack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lack {
    /// It can be reached by whoever reaches the host.
    Attached {
        medium: String,
    },
    Few {
        copies: u64,
    },
    OneKind {
        kind: MediumKind,
    },
    NoneOffSite,
    /// One fire takes them all.
    SharedPlace {
        place: String,
        media: Vec<String>,
    },
    /// Nobody has written down where it is.
    PlaceUnknown {
        medium: String,
    },
}

/// The copies, by name.
pub fn copies(book: &LedgerContent) -> Vec<Copy> {
    let media = book.media().into_values();
    let copy = |m: crate::host::ledger::MediumAccount| {
        let (time, generation, check_code) = m.written?;
        let (place, off_site, attached) = (m.location, m.off_site, m.at_host);
        Some(Copy { medium: m.name, kind: m.kind, place, off_site, time, generation, check_code, attached })
    };
    media.filter_map(copy).collect()
}

/// What they lack whatever the rule.
pub fn lacks(copies: &[Copy]) -> Vec<Lack> {
    copies.iter().filter(|c| c.attached).map(|c| Lack::Attached { medium: c.medium.clone() }).collect()
}

/// Copies, kinds of media and copies off site, the data in use among them.
pub fn count_321(copies: &[Copy]) -> (u64, u64, u64) {
    let kinds: BTreeSet<MediumKind> = copies.iter().filter_map(|c| c.kind).chain([MediumKind::Disk]).collect();
    (copies.len() as u64 + 1, kinds.len() as u64, copies.iter().filter(|c| c.off_site).count() as u64)
}

/// What they lack by the 3-2-1 rule.
pub fn lacks_321(copies: &[Copy]) -> Vec<Lack> {
    let (number, kinds, off_site) = count_321(copies);
    let mut lacks = Vec::new();
    if number < 3 {
        lacks.push(Lack::Few { copies: number });
    }
    if kinds < 2 {
        lacks.push(Lack::OneKind { kind: MediumKind::Disk });
    }
    if off_site == 0 {
        lacks.push(Lack::NoneOffSite);
    }
    let mut places: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for c in copies {
        match &c.place {
            Some(place) => places.entry(place).or_default().push(c.medium.clone()),
            None => lacks.push(Lack::PlaceUnknown { medium: c.medium.clone() }),
        }
    }
    let shared = places.into_iter().filter(|(_, media)| media.len() > 1);
    lacks.extend(shared.map(|(place, media)| Lack::SharedPlace { place: place.to_owned(), media }));
    lacks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy(medium: &str, kind: MediumKind, place: Option<&str>, off_site: bool) -> Copy {
        Copy {
            medium: medium.into(),
            kind: Some(kind),
            place: place.map(Into::into),
            off_site,
            time: "2026-11-23T01:30:00Z".into(),
            generation: 7,
            check_code: "JHFB".into(),
            attached: false,
        }
    }

    #[test]
    fn the_rule_is_met() {
        let all = [copy("CL-01", MediumKind::Disk, Some("金庫"), false), copy("T-01", MediumKind::Tape, Some("分院"), true)];
        assert_eq!((count_321(&all), lacks_321(&all)), ((3, 2, 1), Vec::new()));
    }

    #[test]
    fn what_is_missing_is_told() {
        assert_eq!(lacks_321(&[]), [Lack::Few { copies: 1 }, Lack::OneKind { kind: MediumKind::Disk }, Lack::NoneOffSite]);
        let disks = ["CL-01", "CL-02", "CL-03"].map(|name| copy(name, MediumKind::Disk, Some("金庫"), false));
        assert_eq!(
            lacks_321(&disks),
            [
                Lack::OneKind { kind: MediumKind::Disk },
                Lack::NoneOffSite,
                Lack::SharedPlace { place: "金庫".into(), media: ["CL-01", "CL-02", "CL-03"].map(Into::into).into() }
            ]
        );
        // Of a medium that nobody knows the kind of, nobody can say that it is another kind.
        let unknown = [Copy { kind: None, ..copy("CL-01", MediumKind::Disk, Some("金庫"), false) }];
        assert_eq!(count_321(&unknown), (2, 1, 0));
        let lost = [copy("CL-01", MediumKind::Tape, None, true), copy("CL-02", MediumKind::Disk, Some("棚"), false)];
        assert_eq!(lacks_321(&lost), [Lack::PlaceUnknown { medium: "CL-01".into() }]);
    }
}
