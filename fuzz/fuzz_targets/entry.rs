//! One record, in full and at a glance.
#![no_main]

use azekura::format::entry::{Core, Entry, EntryHead, ContentState, check_path, compare_paths};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let glance = EntryHead::at(bytes);
    let Ok((entry, core_bytes)) = Entry::decode(bytes) else { return };
    let core = &entry.core;
    let seen = glance.expect("what can be read can be glanced at");
    assert_eq!((seen.path, seen.kind, seen.core_bytes), (&core.path[..], core.kind, core_bytes));
    assert_eq!((seen.mtime, seen.ctime, seen.inode, seen.size), (core.mtime, core.ctime, core.inode, core.size));
    assert_eq!((seen.link_to, seen.has_sha256), (core.link_to.as_deref(), core.sha256.is_some()));
    assert_eq!(seen.good, core.state == ContentState::Good);

    check_path(&core.path).expect("a record's path is a plain one");
    assert!(compare_paths(&core.path, &core.path).is_eq());
    let below = [&core.path[..], b"/a"].concat();
    assert!(compare_paths(&core.path, &below).is_lt(), "a folder comes before what is in it");

    let mut again = Vec::new();
    let range = entry.encode(&mut again);
    assert!(range.end <= 4 + core_bytes, "the encoding is the shortest");
    let mut alone = Vec::new();
    Core::encode(core, &mut alone);
    assert_eq!(again[range], alone);
    assert_eq!(Entry::decode(&again[4..]).expect("what was encoded can be decoded").0, entry);
});
