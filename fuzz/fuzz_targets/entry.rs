//! One record: all of it, and its head; alone, and in a stream.
#![no_main]

use azekura::format::entry::{ContentState, Core, Entry, EntryHead, Record, check_path, compare_paths, split_record};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let head = EntryHead::at(bytes);
    let Ok(Record { entry, core_bytes }) = Record::decode(bytes) else {
        assert!(Entry::decode(bytes).is_err());
        return;
    };
    let entry = match entry {
        Ok(entry) => entry,
        Err(refused) => {
            check_path(&refused.path).expect("what is refused has a path by which it is named");
            assert_eq!(Entry::decode(bytes), Err(refused.why));
            return;
        }
    };
    let mut further = entry.clone();
    further.core.link_to = Some(std::mem::replace(&mut further.core.path, b"further".to_vec()));
    assert_eq!(entry.inode_digest(), further.inode_digest(), "another name of the same file");
    let core = &entry.core;
    let head = head.expect("a valid record has a valid head");
    assert_eq!((head.path, head.kind, head.core_bytes), (&core.path[..], Some(core.kind), core_bytes));
    assert_eq!((head.mtime, head.ctime, head.inode, head.size), (core.mtime, core.ctime, core.inode, core.size));
    assert_eq!(
        (head.link_to, head.has_sha256),
        (core.link_to.as_deref(), core.digests.is_some_and(|d| d.either().sha256.is_some()))
    );
    assert_eq!(head.good, core.state == ContentState::Good);

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
    let (record, rest) = split_record(&again).expect("a valid length").expect("a whole record");
    assert!(rest.is_empty());
    assert_eq!(Entry::decode(record).expect("an encoded record can be decoded").0, entry);
});
