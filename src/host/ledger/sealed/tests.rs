use super::*;
use crate::host::ledger::{Ledger, LedgerEvent};

/// The days of October and November.
fn at(day: u64, minute: u64) -> String {
    format!("2026-{:02}-{:02}T01:{minute:02}:00Z", 10 + day / 31, if day < 31 { day + 1 } else { day - 30 })
}

/// A night of a disk: it comes, a generation is written, it goes.
fn night(ledger: &Ledger, day: u64, medium: &str) {
    let (medium, device, port) = (Some(medium.to_owned()), medium.to_owned(), None);
    let plugged = LedgerEvent::Plugged { medium: medium.clone(), device: device.clone(), port: port.clone() };
    ledger.write(&at(day, 1), plugged).unwrap();
    let (generation, check_code, verdict) = (day + 1, "JHFB".into(), "good".into());
    ledger
        .write(&at(day, 3), LedgerEvent::Written { medium: device.clone(), generation, check_code, verdict, from_cache: false })
        .unwrap();
    ledger.write(&at(day, 4), LedgerEvent::Unplugged { medium, device, port }).unwrap();
}

fn registered(ledger: &Ledger, medium: &str) {
    let (set, pool, device) = ("00".repeat(16), Some("disks".into()), Some(medium.into()));
    let event = LedgerEvent::Registered { medium: medium.into(), set, pool, device, kind: None, mounted: true };
    ledger.write(&at(0, 0), event).unwrap();
}

/// The ledger of 60 nights with two disks that take turns, and the text that the 60th has sealed.
fn sixty() -> (tempfile::TempDir, Ledger, SealedAttachments) {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::of(dir.path());
    ["CL-01", "CL-02"].iter().for_each(|m| registered(&ledger, m));
    (0..60).for_each(|day| night(&ledger, day, ["CL-01", "CL-02"][day as usize % 2]));
    let sealed = SealedAttachments::of(&ledger.read().unwrap(), "院内サーバー", &at(60, 2), &at(25, 2));
    (dir, ledger, sealed)
}

/// Writes the ledger anew with other lines, and makes all digests fit.
fn forge(dir: &tempfile::TempDir, ledger: &Ledger, change: impl FnOnce(&mut Vec<LedgerLine>)) -> LedgerToCompare {
    let mut lines = ledger.read().unwrap().lines;
    change(&mut lines);
    for name in ["ledger.jsonl", "ledger.end"] {
        std::fs::remove_file(dir.path().join(name)).unwrap();
    }
    lines.into_iter().for_each(|l| ledger.write(&l.time, l.event).unwrap());
    let book = ledger.read().unwrap();
    assert!(book.broken.is_empty(), "whoever changes it makes the digests fit");
    LedgerToCompare::of(&book)
}

#[test]
fn a_text_comes_back_and_covers_the_last_35_days() {
    let (_dir, ledger, sealed) = sixty();
    let bytes = sealed.encode();
    assert_eq!(SealedAttachments::decode(&bytes), Some(Ok(sealed.clone())));
    assert_eq!((sealed.lines, sealed.attachments.len(), sealed.left_out), (182, 35, 0));
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.starts_with("azekura attached 1\nhost 院内サーバー\ntime 2026-11-30T01:02:00Z\nledger 182 "), "{text}");
    assert!(text.ends_with("interval 2026-11-29T01:01:00Z udev 2026-11-29T01:04:00Z udev 1\nmedium CL-02\n"), "{text}");
    assert_eq!(LedgerToCompare::of(&ledger.read().unwrap()).compare(&sealed), []);
    night(&ledger, 60, "CL-01");
    assert_eq!(LedgerToCompare::of(&ledger.read().unwrap()).compare(&sealed), [], "what comes later changes nothing");
}

/// After a summer without nights the text goes back to the last one.
#[test]
fn nothing_is_lost_between_two_generations() {
    let (_dir, ledger, _) = sixty();
    let sealed = SealedAttachments::of(&ledger.read().unwrap(), "host", "2027-06-01T01:00:00Z", "2027-04-27T01:00:00Z");
    assert_eq!(sealed.since, at(59, 3));
    assert_eq!(sealed.attachments.len(), 1);
}

#[test]
fn whoever_edits_an_interval_and_makes_the_digests_fit_is_found() {
    let (dir, ledger, sealed) = sixty();
    let edited = forge(&dir, &ledger, |lines| {
        let line = lines.iter_mut().rfind(|l| matches!(l.event, LedgerEvent::Unplugged { .. })).unwrap();
        line.time = line.time.replace("01:04:00", "01:03:59");
    });
    let changes = edited.compare(&sealed);
    assert_eq!(changes[0], LedgerChange::Lines { lines: 182 });
    let last = sealed.attachments.last().unwrap();
    let now = Attachment { left: Some((at(59, 3).replace("03:00Z", "03:59Z"), Witness::Udev)), ..last.clone() };
    assert_eq!(changes[1..], [LedgerChange::Changed { sealed: last.clone(), now }]);
}

#[test]
fn a_removed_and_an_added_interval_are_named() {
    let (dir, ledger, sealed) = sixty();
    let removed = forge(&dir, &ledger, |lines| {
        lines.retain(|l| l.time[..10] != *"2026-11-29");
    });
    let gone = sealed.attachments.last().unwrap().clone();
    let lines = LedgerChange::Lines { lines: 182 };
    assert_eq!(removed.compare(&sealed), [lines.clone(), LedgerChange::Removed { sealed: gone }]);
    let added = forge(&dir, &ledger, |lines| {
        let mut come = lines[lines.len() - 3].clone();
        let mut go = lines[lines.len() - 1].clone();
        (come.time, go.time) = ("2026-11-28T10:00:00Z".into(), "2026-11-28T11:00:00Z".into());
        lines.extend([come, go]);
    });
    let changes = added.compare(&sealed);
    assert!(
        changes.iter().any(|c| matches!(c, LedgerChange::Added { now } if now.since == "2026-11-28T10:00:00Z")),
        "{changes:#?}"
    );
}

/// An interval was open when it was sealed. That it has ended since is no change; that it had ended before is one.
#[test]
fn an_open_interval_may_end_later_and_not_before() {
    let (dir, ledger, _) = sixty();
    let plugged = LedgerEvent::Plugged { medium: Some("CL-01".into()), device: "CL-01".into(), port: None };
    ledger.write(&at(60, 1), plugged).unwrap();
    let sealed = SealedAttachments::of(&ledger.read().unwrap(), "host", &at(60, 2), &at(25, 2));
    assert_eq!(sealed.attachments.last().unwrap().left, None);
    let gone = |minute| {
        let event = LedgerEvent::Unplugged { medium: Some("CL-01".into()), device: "CL-01".into(), port: None };
        LedgerLine { line: 0, time: format!("2026-11-30T01:{minute:02}:30Z"), event }
    };
    // Another line is edited in both, or no interval would be compared.
    let edited = |minute| {
        let book = forge(&dir, &ledger, |lines| {
            lines[2].time = lines[2].time.replace("01:01:00", "01:01:01");
            lines.retain(|l| l.time[..] != *"2026-11-30T01:01:30Z");
            lines.push(gone(minute));
        });
        book.compare(&sealed).len()
    };
    assert_eq!(edited(1), 2);
    assert_eq!(edited(4), 1);
}

#[test]
fn a_text_has_room_for_its_newest_intervals() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::of(dir.path());
    let name = "媒".repeat(80);
    registered(&ledger, &name);
    let mut book = ledger.read().unwrap();
    for n in 0..5_000u64 {
        let time = format!("2026-10-{:02}T{:02}:{:02}:00Z", n / 1_440 + 1, n / 60 % 24, n % 60);
        let (medium, device) = (Some(name.clone()), name.clone());
        let event = match n % 2 {
            0 => LedgerEvent::Plugged { medium, device, port: None },
            _ => LedgerEvent::Unplugged { medium, device, port: None },
        };
        book.lines.push(LedgerLine { line: n + 2, time, event });
    }
    let sealed = SealedAttachments::of(&book, "host", "2026-10-05T00:00:00Z", &at(0, 0));
    let bytes = sealed.encode();
    assert!(bytes.len() as u64 <= TEXT_BYTES, "{}", bytes.len());
    assert!(sealed.left_out > 0 && sealed.attachments.len() > 1_000, "{}", sealed.left_out);
    assert_eq!(sealed.attachments.last().unwrap().since, "2026-10-04T11:18:00Z");
    assert_eq!(SealedAttachments::decode(&bytes), Some(Ok(sealed)));
}

/// A name from the ledger that nobody may be shown as it is does not make a text that nobody can read.
#[test]
fn any_name_makes_a_text_that_can_be_read() {
    for name in ["", " ", "a\nmedium b", "\u{202E}x", &"長".repeat(200), "ends with ", "\0"] {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::of(dir.path());
        registered(&ledger, name);
        let sealed = SealedAttachments::of(&ledger.read().unwrap(), name, &at(0, 1), &at(0, 0));
        assert_eq!(SealedAttachments::decode(&sealed.encode()), Some(Ok(sealed)), "{name:?}");
    }
}

/// A medium is hostile: any bytes are refused or read, and nothing panics.
#[test]
fn any_bytes_are_refused_or_read() {
    let (_dir, _, sealed) = sixty();
    let good = sealed.encode();
    let mut chance = 3u64;
    let mut next = |n: usize| {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (chance >> 33) as usize % n
    };
    for _ in 0..20_000 {
        let mut bytes = good.clone();
        for _ in 0..=next(4) {
            let at = next(bytes.len().max(1));
            if bytes.is_empty() {
                break;
            }
            match next(4) {
                0 => bytes[at] = next(256) as u8,
                1 => drop(bytes.drain(at..(at + next(40)).min(bytes.len()))),
                2 => bytes.truncate(at + 1),
                _ => {
                    let piece = bytes[at..(at + next(60)).min(bytes.len())].to_vec();
                    bytes.splice(at..at, piece);
                }
            }
        }
        if let Some(Ok(read)) = SealedAttachments::decode(&bytes) {
            assert_eq!(read.encode(), bytes, "only one text says the same");
        }
    }
    assert_eq!(SealedAttachments::decode(b"hello"), None);
    let newer = SealedAttachments::decode(b"azekura attached 2\nanything");
    assert!(matches!(newer, Some(Err(Malformed::Newer { found: 2, .. }))), "{newer:?}");
    let many = String::from_utf8(good).unwrap().replace("intervals 35", "intervals 9000000000");
    assert!(matches!(SealedAttachments::decode(many.as_bytes()), Some(Err(_))));
}
