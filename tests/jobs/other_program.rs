//! A generation that another program wrote: a newer one, a broken one, or an intruder's with the keys of the set. Every signature holds.
//! What can be restored is; what cannot is named; and nothing that contradicts itself lies in the target.

use crate::cbor::Item::{self, Array, Bytes, Map, Raw, Text, Uint};
use crate::other_writer::{PackPlace, RawRecord, file, file_entry, folder, hospital, link, with_index, write_generation};
use crate::tools::{noise, objects, overwrite};
use crate::world::{Hospital, tree};
use azekura::event::{FindingKind, NoObserver};
use azekura::format::entry::Entry;
use azekura::format::manifest::Manifest;
use azekura::format::object::ObjectKind;
use azekura::format::pack::{Extent, Index};
use azekura::generation::{Generation, GenerationError};
use azekura::job::compare::{self, Class, ComparedWith, Reason, compare};
use azekura::job::inspect::diff::{Change, DiffOptions, diff};
use azekura::job::inspect::find::{FindOptions, find};
use azekura::job::inspect::history::{PathOptions, PathState, of_path};
use azekura::job::inspect::prove::{self, ProveError, prove};
use azekura::job::inspect::rehearse::rehearse;
use azekura::job::inspect::{InspectError, RefusedEntries};
use azekura::job::rebuild::rebuild;
use azekura::job::restore::{self, RestoreError};
use azekura::medium::Directory;
use azekura::pipeline::encryptor::Identity;
use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

const CONTENT: &[u8] = b"hello, world\n";

/// What a restore of everything reports of each path, and what lies in the target afterwards.
fn restored(h: &Hospital) -> (restore::Report, BTreeMap<String, FindingKind>, Vec<String>) {
    let _ = fs::remove_dir_all(h.path("restored"));
    let report = h.try_restore(&h.restore_options("restored")).expect("a restore");
    let found: BTreeMap<_, _> = report.findings.iter().map(|f| (String::from_utf8_lossy(&f.path).into_owned(), f.kind)).collect();
    let there = tree(&h.path("restored")).into_iter().map(|(path, _)| path.display().to_string()).filter(|p| !p.is_empty());
    (report, found, there.collect())
}

/// Runs the program, as a script does; its exit status.
fn exit_of(h: &Hospital, arguments: &[&str]) -> Option<i32> {
    let key = h.path("key");
    let text: String = h.identity.texts().iter().map(|t| format!("{}\n", **t)).collect();
    fs::write(&key, text).expect("a key");
    let mut program = Command::new(env!("CARGO_BIN_EXE_azekura"));
    program.env("AZEKURA_STATE", h.path("state")).env("LANG", "C");
    let (from, identity) = (h.medium(), key);
    let output = program.args(arguments).arg("--from").arg(from).arg("--identity").arg(identity).output().expect("the program");
    output.status.code()
}

fn hello(place: &PackPlace, path: &str) -> RawRecord {
    file(path, CONTENT, vec![place.extent(0, 0, CONTENT.len() as u64)])
}

/// Records that are refused alone, each with whether a newer program may know it.
fn refused_records(place: &PackPlace) -> Vec<(RawRecord, bool)> {
    let one = |name: &str| hello(place, &format!("s/{name}"));
    let extent = |offset: u64, length: u64| {
        Array(vec![Array(vec![Uint(place.object), Uint(place.frames[0].into()), Uint(offset), Uint(length)])])
    };
    let with_extents = |name: &str, extents: Item| RawRecord { extents, ..one(name) };
    vec![
        (one("b critical key").with(40, Uint(1)), true),
        (one("b last critical key").with(63, Text("later".into())), true),
        (one("b state").with(19, Uint(3)), true),
        (one("b type").with(1, Uint(7)).without(11).without(12).without(13), true),
        (one("b newer, and wrong").with(2, Text("rw".into())).with(40, Uint(1)), true),
        (one("c missing key").without(4), false),
        (one("c mode").with(2, Uint(0o10000)), false),
        (one("c owner of another type").with(3, Text("root".into())), false),
        (one("c a target").with(14, Bytes(b"x".to_vec())), false),
        (one("c time").with(7, Array(vec![Uint(0), Uint(1_000_000_000)])), false),
        (one("c hole").with(17, Array(vec![Array(vec![Uint(13), Uint(1)])])), false),
        (one("c digest").with(12, Bytes(vec![0; 31])), false),
        (one("c link to itself").with(10, Bytes(b"s/c link to itself".to_vec())), false),
        (one("c link out").with(10, Bytes(b"../etc/passwd".to_vec())), false),
        (one("c link to nothing").with(10, Bytes(b"s/a never".to_vec())), false),
        (with_extents("c extent too short", extent(0, 12)), false),
        (with_extents("c extent of nothing", extent(0, 0)), false),
        (with_extents("c extents of text", Array(vec![Text("x".into())])), false),
        (one("c xattrs").with(16, Array(vec![Array(vec![Bytes(b"b".to_vec()), Bytes(Vec::new())]); 2])), false),
    ]
}

#[test]
fn what_is_wrong_with_one_record_costs_that_entry_and_what_is_below_it() {
    let h = hospital();
    let bad: Vec<(RawRecord, bool)> = write_generation(&h, |mut w| {
        let place = w.pack(&[CONTENT]);
        let mut bad = refused_records(&place);
        bad.sort_by(|a, b| a.0.path.cmp(&b.0.path));
        let mut records = vec![folder("s"), hello(&place, "s/a good")];
        records.extend(bad.iter().map(|(record, _)| record.clone()));
        // Below a folder that is refused, and below something that only a newer program knows.
        records.extend([
            folder("s/d folder").with(2, Uint(0o10000)),
            hello(&place, "s/d folder/file"),
            folder("s/d folder/inner"),
            hello(&place, "s/d folder/inner/file"),
            folder("s/e newer").with(1, Uint(9)),
            hello(&place, "s/e newer/file"),
            folder("s/z good"),
            // What a reader must take: flags that it does not know, keys that it may skip, long forms.
            hello(&place, "s/z good/file").with(18, Uint(0x8000_0000)).with(64, Map(vec![(Uint(0), Uint(1))])),
            hello(&place, "s/z good/long form").with(2, Raw(vec![0x1B, 0, 0, 0, 0, 0, 0, 1, 0xA4])),
        ]);
        w.seal(&records);
        bad
    });
    let (report, found, there) = restored(&h);
    assert_eq!(there, ["s", "s/a good", "s/z good", "s/z good/file", "s/z good/long form"]);
    let mut expected: BTreeMap<String, FindingKind> = bad
        .iter()
        .map(|(r, newer)| {
            let kind = if *newer { FindingKind::Newer } else { FindingKind::Refused };
            (String::from_utf8_lossy(&r.path).into_owned(), kind)
        })
        .collect();
    expected.insert("s/d folder".into(), FindingKind::Refused);
    expected.insert("s/e newer".into(), FindingKind::Newer);
    for below in ["s/d folder/file", "s/d folder/inner", "s/d folder/inner/file", "s/e newer/file"] {
        expected.insert(below.into(), FindingKind::NotRestored);
    }
    assert_eq!(found, expected);
    assert_eq!((report.not_restored, report.entries_lost), (expected.len() as u64, 0));
    assert_eq!(fs::read(h.path("restored/s/z good/file")).expect("content"), CONTENT);
    // A dry run says the same, and the exit status is that of damage.
    let plan = restore::Options { dry_run: true, ..h.restore_options("plan") };
    assert_eq!(h.try_restore(&plan).expect("a plan").not_restored, report.not_restored);
    let to = h.path("by the program");
    assert_eq!(exit_of(&h, &["restore", "--to", to.to_str().expect("text")]), Some(5));
    // A part of it: what is selected lies below what is refused.
    let paths = vec![b"s/d folder/inner/file".to_vec(), b"s/z good".to_vec()];
    let part = h.try_restore(&restore::Options { paths, ..h.restore_options("part") }).expect("a restore");
    assert_eq!(part.findings.iter().map(|f| &f.path[..]).collect::<Vec<_>>(), [&b"s/d folder/inner/file"[..]]);
    let names: Vec<_> = tree(&h.path("part")).into_iter().map(|(p, _)| p.display().to_string()).collect();
    assert_eq!(names, ["", "s", "s/z good", "s/z good/file", "s/z good/long form"]);
}

#[test]
fn jobs_that_only_look_name_what_is_refused() {
    let h = hospital();
    let mut numbers = Vec::new();
    for content in [CONTENT, b"good day, world\n"] {
        numbers.push(write_generation(&h, |mut w| {
            let place = w.pack(&[content]);
            let all = vec![place.extent(0, 0, content.len() as u64)];
            w.seal(&[
                folder("s"),
                file("s/a", content, all.clone()),
                file("s/bad", CONTENT, all.clone()).with(2, Uint(0o10000)),
                file("s/newer", CONTENT, all).with(40, Uint(1)),
            ])
        }));
    }
    let (one, two) = (numbers[0], numbers[1]);
    let names = |refused: &RefusedEntries| -> Vec<(u64, String, bool)> {
        refused.first.iter().map(|(n, e)| (*n, String::from_utf8_lossy(&e.path).into_owned(), e.is_newer())).collect()
    };
    let both = |n| [(n, "s/bad".to_owned(), false), (n, "s/newer".to_owned(), true)];
    let set = None;
    h.with_env(|env| {
        let options = FindOptions { from: h.medium(), set, generation: None, patterns: vec!["a".into()] };
        let report = find(&options, &h.identity, env).expect("a search");
        assert_eq!(report.found.len(), 2);
        assert_eq!(names(&report.refused), [both(one), both(two)].concat());

        let mut changes = Vec::new();
        let options = DiffOptions { from: h.medium(), set, before: one, after: two };
        let refused = diff(&options, &h.identity, env, |d| changes.push((d.change, d.path))).expect("a diff");
        let path = |p: &[u8]| p.to_vec();
        let expected = [(Change::Content, path(b"s/a")), (Change::Unknown, path(b"s/bad")), (Change::Unknown, path(b"s/newer"))];
        assert_eq!(changes, expected);
        assert_eq!(refused.count, 4);

        let options = PathOptions { from: h.medium(), set, path: path(b"s/bad") };
        let report = of_path(&options, &h.identity, env, &NoObserver).expect("a history");
        assert!(!report.is_sound() && report.versions.iter().all(|v| matches!(v.state, PathState::Unknown { .. })));

        let report = rehearse(&h.medium(), set, &h.identity, env, &NoObserver).expect("a rehearsal");
        assert_eq!((report.entries, names(&report.refused)), (4, both(two).to_vec()));

        let options = |path: &[u8]| prove::Options { from: h.medium(), set, generation: None, path: path.to_vec() };
        assert!(prove(&options(b"s/a"), &h.identity, env, &NoObserver).is_ok());
        let refused = prove(&options(b"s/newer"), &h.identity, env, &NoObserver);
        assert!(matches!(refused, Err(ProveError::Refused { refused, .. }) if refused.is_newer()));

        let with = ComparedWith::Generation(one);
        let options = compare::Options { generation: Some(two), ..compare::Options::new(h.medium(), with, h.dir.path()) };
        let mut differences = Vec::new();
        let report = compare(&options, &h.identity, env, &NoObserver, &mut |d, _| differences.push((d.class, d.reason, d.path)));
        assert_eq!(report.expect("a comparison").counts.of(Class::NotVerified), 2);
        let expected = [
            // Both records have one time.
            (Class::OutsideRules, Reason::TimeKept, path(b"s/a")),
            (Class::NotVerified, Reason::Refused, path(b"s/bad")),
            (Class::NotVerified, Reason::Refused, path(b"s/newer")),
        ];
        assert_eq!(differences, expected);
    });
    assert_eq!(exit_of(&h, &["find", "a"]), Some(5));
    assert_eq!(exit_of(&h, &["diff", &one.to_string(), &two.to_string()]), Some(5));
    assert_eq!(exit_of(&h, &["history", "s/bad"]), Some(5));
    assert_eq!(exit_of(&h, &["history", "s/a"]), Some(0));
}

/// Records that no reader may use, for the whole stream cannot be what was written.
#[test]
fn what_is_wrong_with_the_stream_ends_the_restore() {
    type Bend = fn(&PackPlace) -> Vec<RawRecord>;
    let cases: [(&str, Bend); 12] = [
        ("no path", |p| vec![folder("s"), hello(p, "s/a").without(0)]),
        ("a path as text", |p| vec![folder("s"), hello(p, "s/a").with(0, Text("s/a".into()))]),
        ("a path with ..", |p| vec![folder("s"), hello(p, "s/../a")]),
        ("a path with a zero byte", |p| vec![folder("s"), hello(p, "s/a\0b")]),
        ("paths out of order", |p| vec![folder("s"), hello(p, "s/b"), hello(p, "s/a")]),
        ("a path twice", |p| vec![folder("s"), hello(p, "s/a"), hello(p, "s/a")]),
        ("outside of every source", |p| vec![folder("s"), hello(p, "t")]),
        ("a name that begins like a source's", |p| vec![folder("s"), hello(p, "st/a")]),
        ("without a parent", |p| vec![folder("s"), hello(p, "s/f/a")]),
        ("below a file", |p| vec![folder("s"), hello(p, "s/a"), hello(p, "s/a/b")]),
        ("a key that is text", |p| {
            let core = Map(vec![(Text("path".into()), Bytes(b"s/a".to_vec()))]);
            vec![folder("s"), RawRecord { core, ..hello(p, "s/a") }]
        }),
        ("null in a value that is skipped", |p| vec![folder("s"), hello(p, "s/a").with(99, Array(vec![Raw(vec![0xF6])]))]),
    ];
    for (what, records) in cases {
        let h = hospital();
        write_generation(&h, |mut w| {
            let place = w.pack(&[CONTENT]);
            w.seal(&records(&place))
        });
        let failed = h.try_restore(&h.restore_options("restored")).expect_err(what);
        let RestoreError::Generation(e) = &failed else { panic!("{what}: {failed:?}") };
        assert!(matches!(e, GenerationError::Entries(_)) && e.is_damage(), "{what}: {e:?}");
        assert!(!h.path("restored/a").exists() && !h.path("a").exists(), "{what}");
    }
    // Another count, length or digest than the manifest's.
    let bends: [fn(&mut Manifest); 2] = [|m| m.entries.count += 1, |m| m.entries.blake3[0] ^= 1];
    for bend in bends {
        let h = hospital();
        write_generation(&h, |mut w| {
            w.bend_manifest = Box::new(bend);
            w.seal(&[folder("s")])
        });
        let failed = h.try_restore(&h.restore_options("restored")).expect_err("another stream");
        assert!(matches!(failed, RestoreError::Generation(GenerationError::NotTheEntries)), "{failed:?}");
    }
}

/// Few links are looked up one by one, many in a table: both give the same.
#[test]
fn a_further_name_that_contradicts_the_first_one_is_refused() {
    for others in [0, 40] {
        let h = hospital();
        write_generation(&h, |mut w| {
            let place = w.pack(&[CONTENT]);
            let first = file_entry("s/a", CONTENT, vec![place.extent(0, 0, 13)]);
            let mut records = vec![folder("s"), RawRecord::of(&first)];
            let firsts: Vec<_> = (0..others).map(|i| format!("s/b{i:02}")).collect();
            records.extend(firsts.iter().map(|path| hello(&place, path)));
            let further = |path: &str| RawRecord::of(&link(path, &first));
            records.extend([
                further("s/c good"),
                // Only the names' owners for people, times, attributes and inode may differ.
                further("s/c good, another time")
                    .with(7, Array(vec![Uint(1), Uint(2)]))
                    .with(9, Uint(99))
                    .with(5, Bytes(b"x".to_vec())),
                further("s/d another content").with(12, Bytes(vec![1; 32])),
                further("s/d another sha256").with(13, Bytes(vec![1; 32])),
                further("s/d another mode").with(2, Uint(0o600)),
                further("s/d another owner").with(3, Uint(7)),
                further("s/d another type").with(1, Uint(3)).without(11).without(12).without(13),
                RawRecord {
                    extents: Array(vec![
                        Array([place.object, 0, 0, 1].map(Uint).to_vec()),
                        Array([place.object, 0, 1, 12].map(Uint).to_vec()),
                    ]),
                    ..further("s/d other extents")
                },
                further("s/d state").with(19, Uint(2)),
                further("s/d to a further name").with(10, Bytes(b"s/c good".to_vec())),
                further("s/d to nothing").with(10, Bytes(b"s/aa".to_vec())),
                further("s/d to what is refused").with(10, Bytes(b"s/d another mode".to_vec())),
                further("s/d to a folder").with(10, Bytes(b"s".to_vec())),
            ]);
            records.iter_mut().filter(|r| r.path == b"s/d another type").for_each(|r| r.extents = Array(Vec::new()));
            records.extend(firsts.iter().map(|path| {
                RawRecord::of(&link(&path.replace("/b", "/e"), &file_entry(path, CONTENT, vec![place.extent(0, 0, 13)])))
            }));
            records.sort_by(|a, b| a.path.cmp(&b.path));
            w.seal(&records)
        });
        let (_, found, there) = restored(&h);
        assert!(found.iter().all(|(path, kind)| path.starts_with("s/d") && *kind == FindingKind::Refused), "{found:?}");
        assert_eq!(found.len(), 11, "{found:?}");
        assert!(there.iter().all(|path| !path.starts_with("s/d")), "{there:?}");
        assert_eq!(there.len(), 4 + 2 * others, "{there:?}");
        use std::os::unix::fs::MetadataExt;
        let links = |path: &str| fs::metadata(h.path("restored").join(path)).expect("a file").nlink();
        assert_eq!(links("s/a"), 3);
        assert!(others == 0 || links("s/b07") == 2);
        // Found by a search, too.
        let paths = vec![b"s/d another mode".to_vec(), b"s/c good".to_vec()];
        let part = h.try_restore(&restore::Options { paths, ..h.restore_options("part") }).expect("a restore");
        assert_eq!(
            part.findings.iter().map(|f| (&f.path[..], f.kind)).collect::<Vec<_>>(),
            [(&b"s/d another mode"[..], FindingKind::Refused)]
        );
        assert_eq!(fs::read(h.path("part/s/c good")).expect("a copy of its own"), CONTENT);
    }
}

/// The first name lies below a folder that is refused. Its content is good, and its further name has it.
#[test]
fn a_further_name_outside_of_a_refused_folder_gets_its_content() {
    let h = hospital();
    write_generation(&h, |mut w| {
        let place = w.pack(&[CONTENT]);
        let first = file_entry("s/a/file", CONTENT, vec![place.extent(0, 0, 13)]);
        w.seal(&[folder("s"), folder("s/a").with(2, Uint(0o10000)), RawRecord::of(&first), RawRecord::of(&link("s/b", &first))])
    });
    let (_, found, there) = restored(&h);
    let expected = [("s/a", FindingKind::Refused), ("s/a/file", FindingKind::NotRestored), ("s/b", FindingKind::Shortfall)];
    assert_eq!(found, expected.map(|(path, kind)| (path.to_owned(), kind)).into());
    assert_eq!(there, ["s", "s/b"]);
}

/// Somebody who can make two contents with one BLAKE3 cannot make them with one SHA-256 too, and the other way round.
#[test]
fn each_digest_of_a_record_is_compared() {
    let h = hospital();
    // Small files are compared in memory, large ones on the disk.
    let large: Vec<u8> = (0..5 << 20).map(|i: u32| (i / 777) as u8).collect();
    let parts: Vec<&[u8]> = large.chunks(1 << 20).collect();
    write_generation(&h, |mut w| {
        let small = w.pack(&[CONTENT]);
        let place = w.pack(&parts);
        // One extent, over the borders of frames.
        let all = vec![place.extent(0, 0, large.len() as u64)];
        let wrong = Bytes(vec![1; 32]);
        w.seal(&[
            folder("s"),
            hello(&small, "s/a"),
            hello(&small, "s/b blake3").with(12, wrong.clone()),
            hello(&small, "s/b sha256").with(13, wrong.clone()),
            hello(&small, "s/b without sha256").without(13),
            file("s/large", &large, all.clone()),
            file("s/large blake3", &large, all.clone()).with(12, wrong.clone()),
            file("s/large sha256", &large, all.clone()).with(13, wrong),
        ])
    });
    let (_, found, there) = restored(&h);
    let bad = ["s/b blake3", "s/b sha256", "s/large blake3", "s/large sha256"];
    assert_eq!(found, bad.map(|path| (path.to_owned(), FindingKind::NotRestored)).into());
    assert_eq!(there, ["s", "s/a", "s/b without sha256", "s/large"]);
    assert_eq!(fs::read(h.path("restored/s/large")).expect("content"), large);
}

/// A pack that is what its seal lists, and no pack as the format has it: none of its content is used, wherever it would decode.
#[test]
fn a_pack_without_an_index_that_fits_is_not_used() {
    type Join = fn(Vec<u8>, Index) -> Vec<u8>;
    let cases: [(&str, bool, Join); 4] = [
        ("no index", false, |frames, _| frames),
        ("a frame's content is longer than listed", false, |frames, mut index| {
            index.frames[1].chunks[0].1 -= 1;
            with_index(frames, index)
        }),
        ("frames listed in other places", false, |frames, mut index| {
            index.frames[0].stored += 1;
            index.frames[1].stored -= 1;
            with_index(frames, index)
        }),
        ("another version", true, |frames, index| {
            let index_at = frames.len();
            let mut payload = with_index(frames, index);
            // The array's first item, behind the head of the skippable frame.
            payload[index_at + 9] = 2;
            payload
        }),
    ];
    for (what, is_newer, join) in cases {
        let h = hospital();
        write_generation(&h, |mut w| {
            let good = w.pack(&[CONTENT]);
            let bad = w.bent_pack(&[CONTENT, b"more of it"], join);
            let in_both = vec![good.extent(0, 0, 5), bad.extent(0, 5, 8)];
            w.seal(&[
                folder("s"),
                hello(&good, "s/a"),
                hello(&bad, "s/b"),
                file("s/c", b"more of it", vec![bad.extent(1, 0, 10)]),
                file("s/d", CONTENT, in_both),
            ])
        });
        let (report, found, there) = restored(&h);
        assert_eq!(found, ["s/b", "s/c", "s/d"].map(|path| (path.to_owned(), FindingKind::NotRestored)).into(), "{what}");
        assert_eq!(there, ["s", "s/a"], "{what}");
        let says_newer = report.findings.iter().all(|f| f.detail.contains("newer"));
        assert_eq!(says_newer, is_newer, "{what}: {:?}", report.findings);
    }
    // The entries themselves: nothing can be restored, and a newer pack is not called damaged.
    for (what, is_newer, join) in cases {
        let h = hospital();
        write_generation(&h, |mut w| {
            let records = [folder("s")];
            let stream: Vec<u8> = records.iter().flat_map(RawRecord::bytes).collect();
            let place = w.bent_pack(&[b"more", &stream], join);
            w.bend_manifest = Box::new(move |m| m.entries.extents = vec![place.extent(1, 0, m.entries.length)]);
            w.seal(&records)
        });
        let failed = h.with_env(|env| rehearse(&h.medium(), None, &h.identity, env, &NoObserver)).expect_err(what);
        let InspectError::Generation(e) = failed else { panic!("{what}") };
        assert_eq!(e.is_damage(), !is_newer, "{what}: {e:?}");
    }
}

#[test]
fn an_extent_that_names_nothing_is_damage_of_its_file() {
    let h = hospital();
    write_generation(&h, |mut w| {
        let place = w.pack(&[b"one", b"two", b"three"]);
        let other = w.pack(&[CONTENT]);
        let at = |frame: u32, offset: u32, length: u64| Extent { object: place.object, frame, offset, length };
        let frames = &place.frames;
        let elsewhere = |object: u64| vec![Extent { object, ..other.extent(0, 0, 13) }];
        // This generation's manifest, its seal, and the objects behind it.
        let behind: Vec<u64> = (other.object + 1..other.object + 5).collect();
        let mut records = vec![
            folder("s"),
            file("s/a across frames", b"netwothr", vec![at(frames[0], 1, 8)]),
            file("s/a to the end", b"twothree", vec![at(frames[1], 0, 8)]),
            file("s/b beyond the last frame", b"three!", vec![at(frames[2], 0, 6)]),
            file("s/b from beyond a frame's end", b"two", vec![at(frames[0], 4, 3)]),
            file("s/b from the end of a frame", b"two", vec![at(frames[0], 3, 3)]),
            file("s/b where no frame begins", b"wo", vec![at(frames[1] + 1, 0, 2)]),
        ];
        records.push(file("s/c a label", CONTENT, elsewhere(0)));
        records.extend(behind.iter().map(|n| file(&format!("s/c object {n:02}"), CONTENT, elsewhere(*n))));
        records.retain(|r| r.path != format!("s/c object {:02}", other.object + 1).into_bytes());
        w.seal(&records)
    });
    // The next generation has a pack under one of these numbers: this one's extents still name nothing there.
    write_generation(&h, |mut w| {
        w.pack(&[CONTENT]);
        w.seal(&[folder("s")])
    });
    let options = restore::Options { generation: Some(1), ..h.restore_options("restored") };
    let report = h.try_restore(&options).expect("a restore");
    assert!(report.findings.iter().all(|f| f.path.starts_with(b"s/b") || f.path.starts_with(b"s/c")), "{:?}", report.findings);
    assert_eq!(report.not_restored, 4 + 4, "{:?}", report.findings);
    let there: Vec<_> =
        tree(&h.path("restored")).into_iter().filter_map(|(p, content)| Some((p.display().to_string(), content?))).collect();
    let expected = [("s/a across frames", &b"netwothr"[..]), ("s/a to the end", b"twothree")];
    assert_eq!(there, expected.map(|(p, content)| (p.to_owned(), content.to_vec())));
}

/// A long record contains bytes that look like records. When its beginning is lost, they are still what they were.
#[test]
fn bytes_within_a_long_record_are_never_taken_for_records() {
    let evil = file("s/b/evil", b"", Vec::new()).bytes();
    let xattr = |value| Array(vec![Array(vec![Bytes(b"user.x".to_vec()), Bytes(value)])]);
    // Frames of more than a segment of age's, which damage always costs as a whole.
    let blocks: Vec<Vec<u8>> = (0..5).map(|seed| [&evil[..], &noise(seed, 140_000)].concat()).collect();
    let long = folder("s/b").with(16, xattr(blocks.concat()));
    let further = folder("s/c").with(16, xattr(noise(9, 300_000)));
    let records = [folder("s"), long.clone(), folder("s/b/x"), further.clone(), folder("s/d"), folder("s/d/e")];
    let record = long.bytes();
    let first_copy = records[0].bytes().len() + record.windows(evil.len()).position(|w| w == evil).expect("a copy");
    let h = hospital();
    let (_, entries) = write_generation(&h, |mut w| {
        // Each copy but the first one begins a frame. The last of them goes on behind the record.
        w.stream_frames = vec![first_copy + blocks[0].len()];
        w.stream_frames.extend(blocks[1..4].iter().map(Vec::len));
        w.seal_entries(&records)
    });
    let (_, _, path) = objects(&h.medium()).into_iter().rfind(|o| o.1 == ObjectKind::Pack).expect("a pack");
    let whole = fs::read(&path).expect("a pack");
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).expect("a mode");
    assert_eq!(entries.frames.len(), 5);
    for lost in 0..5 {
        // Segments have 64 KiB and a tag of 16 bytes; before them is a header.
        let segments = entries.payload_bytes.div_ceil(65_536);
        let header = whole.len() as u64 - entries.payload_bytes - 16 * segments;
        let segment = (u64::from(entries.frames[lost]) + 70_000) / 65_536;
        overwrite(&path, header + segment * 65_552 + 9, b"damage");
        let (report, found, there) = restored(&h);
        fs::write(&path, &whole).expect("the pack");
        assert!(there.iter().all(|p| !p.contains("evil")), "frame {lost}: {there:?}");
        // The last frame has what is behind the record.
        let behind = ["s/b/x", "s/c", "s/d", "s/d/e"];
        assert!(behind.iter().all(|p| there.iter().any(|t| t == p) == (lost < 4)), "frame {lost}: {there:?}");
        assert!(found.values().any(|kind| *kind == FindingKind::EntriesLost), "frame {lost}: {found:?}");
        assert_eq!(report.entries_lost, [2, 1, 1, 1, 5][lost], "frame {lost}");
    }
}

#[test]
fn a_source_without_a_record_is_named_and_is_no_fault() {
    let h = hospital();
    write_generation(&h, |mut w| {
        w.sources = vec!["r", "s", "t/u"];
        // What kind of source it was is for people only.
        w.bend_cbor = Box::new(|manifest| manifest.bent(|m| *m.at(7).at(1) = m.at(7).at(1).with(2, Uint(77))));
        w.seal(&[folder("s")])
    });
    let (report, found, _) = restored(&h);
    assert_eq!((report.missing_sources, found.len()), (vec![b"r".to_vec(), b"t/u".to_vec()], 0));
    let rehearsed = h.with_env(|env| rehearse(&h.medium(), None, &h.identity, env, &NoObserver)).expect("a rehearsal");
    assert_eq!(rehearsed.missing_sources.len(), 2);
    let to = h.path("by the program");
    assert_eq!(exit_of(&h, &["restore", "--to", to.to_str().expect("text")]), Some(0));
}

/// An intruder on the host lets a key of their own open what is written from then on. The content is the hospital's all the same.
#[test]
fn whoever_else_can_read_the_set_is_told_of() {
    let h = hospital();
    let packs = write_generation(&h, |mut w| {
        let good = w.pack(&[CONTENT]);
        w.intruder = Some(Identity::generate().recipients().texts()[0].clone());
        let bad = w.pack(&[CONTENT]);
        w.seal(&[folder("s"), hello(&good, "s/a"), hello(&bad, "s/b")]);
        [good.object, bad.object]
    });
    let (report, found, there) = restored(&h);
    assert_eq!((found.len(), there.len()), (0, 3));
    // The pack of the content, that of the entries, and the manifest.
    assert_eq!(report.wrong_stanzas, [packs[1], packs[1] + 1, packs[1] + 2]);
    let rehearsed = h.with_env(|env| rehearse(&h.medium(), None, &h.identity, env, &NoObserver)).expect("a rehearsal");
    assert_eq!(rehearsed.wrong_stanzas, [packs[1] + 1, packs[1] + 2]);
    let to = h.path("by the program");
    assert_eq!(exit_of(&h, &["restore", "--to", to.to_str().expect("text")]), Some(5));
}

#[test]
fn a_newer_manifest_is_not_called_damaged() {
    let bends: [fn(Item) -> Item; 4] = [
        |m| m.with(0, Uint(2)),
        |m| m.with(19, Text("later".into())),
        |m| m.with(63, Uint(0)).with(6, Uint(1)),
        |m| m.bent(|m| *m.at(15) = m.at(15).with(5, Uint(0))),
    ];
    for bend in bends {
        let h = hospital();
        write_generation(&h, |mut w| {
            w.bend_cbor = Box::new(bend);
            w.seal(&[folder("s")])
        });
        let failed = h.try_restore(&h.restore_options("restored")).expect_err("a newer manifest");
        let RestoreError::Generation(e) = &failed else { panic!("{failed:?}") };
        assert!(matches!(e, GenerationError::Manifest(why) if why.is_newer()) && !e.is_damage(), "{e:?}");
    }
}

/// The host's copy of the entries comes from such a generation: the next backup takes nothing of it over as unchanged.
#[test]
fn a_backup_reads_again_what_is_refused() {
    for (bend, key) in [(Uint(0o10000), 2), (Uint(1), 40)] {
        let h = hospital();
        h.write("a", CONTENT);
        h.write("b", CONTENT);
        h.backup();
        // The entries of the last night, one of them bent, as another program would have written them.
        let generation = 1;
        let entries: Vec<Entry> = {
            let chain = h.chain();
            let set = chain.set;
            let medium = Directory::open(&h.medium(), set).expect("the set");
            let opened = Generation::open(&medium, &chain, Some(generation), &h.identity).expect("opened");
            opened.entries().map(|r| r.expect("a record").entry.expect("good")).collect()
        };
        write_generation(&h, |mut w| {
            w.sources = vec!["source"];
            let bent = |e: &Entry| {
                let record = RawRecord::of(e);
                if record.path == b"source/a" { record.with(key, bend.clone()) } else { record }
            };
            w.seal(&entries.iter().map(bent).collect::<Vec<_>>())
        });
        let rebuilt = h.with_env(|env| rebuild(&h.medium(), &h.path("state"), &h.identity, env, &NoObserver)).expect("rebuilt");
        assert_eq!(rebuilt[0].unreadable_entries.is_some(), key == 2, "{rebuilt:?}");
        h.backup();
        let target = h.restore("restored");
        assert_eq!(tree(&target).len(), 3);
    }
}
