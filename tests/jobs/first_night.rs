//! Back up to a disk, prove it, get it back.

use crate::world::{Hospital, tree};

#[test]
fn what_was_backed_up_comes_back() {
    let h = Hospital::new();
    h.write("a/hello", "hello");
    h.write("a/empty", "");
    let noise: Vec<u8> = (0..7_000_000u32).flat_map(|i| (i.wrapping_mul(2_654_435_761)).to_le_bytes()).take(9_000_000).collect();
    h.write("large", &noise);
    h.write("middle", &noise[..700_000]);
    for i in 0..3000 {
        h.write(&format!("small/{}/{i}", i % 70), format!("record {i} of the patient"));
    }
    let report = h.backup();
    assert_eq!(report.generation, 1);
    assert_eq!(report.findings, []);
    let verified = h.verify();
    assert!(verified.is_good(), "{verified:?}");
    assert_eq!(tree(&h.source()), tree(&h.restore("restored")));
}

#[test]
fn a_night_without_changes_reads_nothing_and_adds_next_to_nothing() {
    let h = Hospital::new();
    for i in 0..2000 {
        h.write(&format!("small/{}/{i}", i % 70), format!("record {i} of the patient"));
    }
    h.backup();
    let second = h.backup();
    assert_eq!(second.generation, 2);
    assert_eq!(second.count("bytes read"), 0);
    assert_eq!((second.count("new"), second.count("changed"), second.count("gone")), (0, 0, 0));
    assert!(second.added_bytes < 4096, "{}", second.added_bytes);
    assert!(h.verify().is_good());
    assert_eq!(tree(&h.source()), tree(&h.restore("restored")));
}
