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
    /// Another set on the same disk was written later: one fire destroys both, and they count once.
    pub is_passed: bool,
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
        let (medium, kind, is_passed) = (m.name, m.kind, false);
        Some(DataCopy { medium, kind, location, off_site, time, generation, check_code, attached, left_by_word, is_passed })
    };
    let media: Vec<MediumAccount> =
        book.media().into_values().filter(|m| m.out_of_use.is_none() && m.written.is_some()).collect();
    let passed: BTreeSet<String> = passed_on_their_disks(&media).into_iter().collect();
    let copies = media.into_iter().filter_map(copy);
    copies.map(|copy| DataCopy { is_passed: passed.contains(&copy.medium), ..copy }).collect()
}

/// Of several sets on one disk, the names of those that were not written last. Media of a pool and copies are disks of their own,
/// although a dock may give them one name; of others, what is in the same hardware, or where none is known at the same path, is one
/// disk.
fn passed_on_their_disks(media: &[MediumAccount]) -> Vec<String> {
    let disk = |m: &MediumAccount| (m.pool.is_none() && !m.is_copy).then(|| m.device.clone().or(m.at.clone())).flatten();
    let order = |m: &MediumAccount| (m.written.as_ref().map(|(time, _, _)| time.clone()), m.name.clone());
    let is_passed = |m: &&MediumAccount| {
        let of_disk = disk(m);
        of_disk.is_some() && media.iter().any(|other| disk(other) == of_disk && order(other) > order(m))
    };
    media.iter().filter(is_passed).map(|m| m.name.clone()).collect()
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
    let copies = || copies.iter().filter(|c| !c.is_passed);
    // A medium of unknown kind does not count as another kind.
    let kinds: BTreeSet<MediumKind> = copies().filter_map(|c| c.kind).chain([MediumKind::Disk]).collect();
    (copies().count() as u64 + 1, kinds.len() as u64, copies().filter(|c| c.off_site).count() as u64)
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
    for c in copies.iter().filter(|c| !c.is_passed) {
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
            is_passed: false,
        }
    }

    #[test]
    fn sets_on_one_disk_are_one_copy() {
        let medium = |name: &str, written: &str, device: Option<&str>, pool: Option<&str>| MediumAccount {
            name: name.into(),
            device: device.map(Into::into),
            pool: pool.map(Into::into),
            at: Some("/mnt".into()),
            written: Some((written.into(), 1, String::new())),
            ..MediumAccount::default()
        };
        let (old, new) = ("2026-11-01T01:00:00Z", "2026-12-01T01:00:00Z");
        let passed = |a: MediumAccount, b: MediumAccount| passed_on_their_disks(&[a, b]);
        assert_eq!(passed(medium("a", new, Some("USB 1"), None), medium("b", old, Some("USB 1"), None)), ["b"]);
        assert_eq!(passed(medium("a", old, None, None), medium("b", new, None, None)), ["a"], "in one folder");
        assert_eq!(passed(medium("a", old, Some("USB 1"), None), medium("b", new, Some("USB 2"), None)), [""; 0]);
        let in_dock = |name, written| medium(name, written, Some("dock"), Some("daily"));
        assert_eq!(passed(in_dock("a", old), in_dock("b", new)), [""; 0]);
        let copied = MediumAccount { is_copy: true, ..medium("b", new, Some("dock"), None) };
        assert_eq!(passed(medium("a", old, Some("dock"), None), copied), [""; 0]);
        let once =
            [DataCopy { is_passed: true, ..copy("a", MediumKind::Disk, None, false) }, copy("b", MediumKind::Disk, None, false)];
        assert_eq!((count_321(&once).0, risks_321(&once).len()), (2, 4));
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
