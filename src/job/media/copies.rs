//! The copies of the data that the ledger knows, and what they lack of the 3-2-1 rule: three copies of the data, on two
//! kinds of media, one of them off site. The data in use, on the host's own disks, is the first copy.
//!
//! Source of the rule: US-CERT, Data Backup Options (2012).

use super::whereabouts::attached_at;
use crate::host::ledger::{LedgerContent, MediumAccount, MediumKind};
use std::collections::{BTreeMap, BTreeSet};

/// A medium with generations on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataCopy {
    /// What people call the medium.
    pub medium: String,
    /// `None`: the medium was registered before the ledger recorded it.
    pub kind: Option<MediumKind>,
    /// The location that it was last moved to.
    pub location: Option<String>,
    /// The location is out of the house.
    pub off_site: bool,
    /// When it was last written to, RFC 3339 in UTC.
    pub time: String,
    /// The newest generation on it.
    pub generation: u64,
    /// The check code of that generation.
    pub check_code: String,
    /// It was attached, and since then neither seen to be gone nor moved; or it is seen to be attached now.
    pub attached: bool,
    /// That it left is known from a person alone.
    pub left_by_word: bool,
}

/// Something that makes the copies less safe than they could be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopyRisk {
    /// Whoever controls the host can reach the medium.
    Attached {
        /// What people call the medium.
        medium: String,
    },
    /// Fewer than three copies.
    Few {
        /// How many there are, with the data in use.
        copies: u64,
    },
    /// All copies are on one kind of media.
    OneKind {
        /// Which.
        kind: MediumKind,
    },
    /// No copy is off site.
    NoneOffSite,
    /// One fire destroys several copies.
    SharedLocation {
        /// Where they are.
        location: String,
        /// What people call them.
        media: Vec<String>,
    },
    /// The ledger does not say where the medium is.
    LocationUnknown {
        /// What people call the medium.
        medium: String,
    },
}

/// The copies, sorted by name. What is lost, broken or disposed of is none. One that the ledger has elsewhere is looked for:
/// somebody may have attached it by hand, and nobody has told the ledger.
pub fn copies(book: &LedgerContent) -> Vec<DataCopy> {
    let media = book.media();
    let is_seen = |name: &str| media.get(name).is_some_and(|m| matches!(attached_at(m, book, &[]), Ok(Some(_))));
    let told = told_copies(book).into_iter();
    told.map(|copy| DataCopy { attached: copy.attached || is_seen(&copy.medium), ..copy }).collect()
}

/// The copies as the ledger has them.
fn told_copies(book: &LedgerContent) -> Vec<DataCopy> {
    let copy = |m: MediumAccount| {
        let (time, generation, check_code) = m.written?;
        let (location, off_site, attached, left_by_word) = (m.location, m.off_site, m.at_host, m.left_by_word);
        Some(DataCopy { medium: m.name, kind: m.kind, location, off_site, time, generation, check_code, attached, left_by_word })
    };
    book.media().into_values().filter(|m| m.out_of_use.is_none()).filter_map(copy).collect()
}

/// The risks of the copies, whatever rule applies. What is not used any more is none of them, and has generations on it all
/// the same.
pub fn risks(copies: &[DataCopy], book: &LedgerContent) -> Vec<CopyRisk> {
    let attached = copies.iter().filter(|c| c.attached).map(|c| c.medium.clone());
    let unused = book.media().into_values().filter(|m| m.out_of_use.is_some() && m.at_host).map(|m| m.name);
    attached.chain(unused).map(|medium| CopyRisk::Attached { medium }).collect()
}

/// Counts copies, kinds of media and copies off site, with the data in use.
pub fn count_321(copies: &[DataCopy]) -> (u64, u64, u64) {
    // A medium of unknown kind does not count as another kind.
    let kinds: BTreeSet<MediumKind> = copies.iter().filter_map(|c| c.kind).chain([MediumKind::Disk]).collect();
    (copies.len() as u64 + 1, kinds.len() as u64, copies.iter().filter(|c| c.off_site).count() as u64)
}

/// The risks that the 3-2-1 rule excludes.
pub fn risks_321(copies: &[DataCopy]) -> Vec<CopyRisk> {
    let (number, kinds, off_site) = count_321(copies);
    let mut risks = Vec::new();
    if number < 3 {
        risks.push(CopyRisk::Few { copies: number });
    }
    if kinds < 2 {
        risks.push(CopyRisk::OneKind { kind: MediumKind::Disk });
    }
    if off_site == 0 {
        risks.push(CopyRisk::NoneOffSite);
    }
    let mut locations: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for c in copies {
        match &c.location {
            Some(location) => locations.entry(location).or_default().push(c.medium.clone()),
            None => risks.push(CopyRisk::LocationUnknown { medium: c.medium.clone() }),
        }
    }
    let shared = locations.into_iter().filter(|(_, media)| media.len() > 1);
    risks.extend(shared.map(|(location, media)| CopyRisk::SharedLocation { location: location.to_owned(), media }));
    risks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy(medium: &str, kind: MediumKind, location: Option<&str>, off_site: bool) -> DataCopy {
        DataCopy {
            medium: medium.into(),
            kind: Some(kind),
            location: location.map(Into::into),
            off_site,
            time: "2026-11-23T01:30:00Z".into(),
            generation: 7,
            check_code: "JHFB".into(),
            attached: false,
            left_by_word: false,
        }
    }

    #[test]
    fn the_rule_is_met() {
        let all = [copy("CL-01", MediumKind::Disk, Some("金庫"), false), copy("T-01", MediumKind::Tape, Some("分院"), true)];
        assert_eq!((count_321(&all), risks_321(&all)), ((3, 2, 1), Vec::new()));
    }

    #[test]
    fn each_risk_is_named() {
        assert_eq!(
            risks_321(&[]),
            [CopyRisk::Few { copies: 1 }, CopyRisk::OneKind { kind: MediumKind::Disk }, CopyRisk::NoneOffSite]
        );
        let disks = ["CL-01", "CL-02", "CL-03"].map(|name| copy(name, MediumKind::Disk, Some("金庫"), false));
        assert_eq!(
            risks_321(&disks),
            [
                CopyRisk::OneKind { kind: MediumKind::Disk },
                CopyRisk::NoneOffSite,
                CopyRisk::SharedLocation { location: "金庫".into(), media: ["CL-01", "CL-02", "CL-03"].map(Into::into).into() }
            ]
        );
        let unknown = [DataCopy { kind: None, ..copy("CL-01", MediumKind::Disk, Some("金庫"), false) }];
        assert_eq!(count_321(&unknown), (2, 1, 0));
        let lost = [copy("CL-01", MediumKind::Tape, None, true), copy("CL-02", MediumKind::Disk, Some("棚"), false)];
        assert_eq!(risks_321(&lost), [CopyRisk::LocationUnknown { medium: "CL-01".into() }]);
    }
}
