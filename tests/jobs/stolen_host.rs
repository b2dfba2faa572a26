//! A thief carries the host away, state directory and all, and comes back to the medium. What was sealed before he came
//! cannot be read, nor rewritten without it being seen; what he adds does not match the paper in the safe.

use crate::machine::{object_file, put_object};
use crate::tools::{copy_folder, fast_folder, objects, picture, set_folder};
use crate::world::Hospital;
use azekura::format::check_code::CheckCode;
use azekura::format::digests::BothDigests;
use azekura::format::merkle::{MerkleTree, head_leaf};
use azekura::format::object::{Object, ObjectKind};
use azekura::format::seal::{Seal, Verdict, encode_list};
use azekura::generation::GenerationError;
use azekura::job::inspect::verify::Expected;
use azekura::job::restore::RestoreError;
use azekura::pipeline::encryptor::Identity;
use azekura::seal::chain::{FaultKind, SealLink};
use azekura::seal::{SealKey, SealKeys, sign};
use azekura::set::writer::WriteError;
use std::fs;
use std::path::{Path, PathBuf};

/// What the thief took after generation 5, and the medium that he forges.
struct Theft {
    h: Hospital,
    stolen: SealKeys,
    forged: PathBuf,
}

fn nights(count: u64) -> Hospital {
    let h = Hospital::within(fast_folder());
    for n in 1..=count {
        h.write("patients/1", format!("the record on day {n}"));
        h.backup();
    }
    h
}

impl Theft {
    fn after_five_nights() -> Self {
        let h = nights(5);
        copy_folder(&h.path("state"), &h.path("stolen/state"));
        let forged = h.path("forged");
        copy_folder(&h.medium(), &forged);
        let set = h.chain().set.to_string();
        let stolen = SealKeys::load(&h.path("stolen/state/sets").join(set).join("seal-keys")).expect("the keys were in the loot");
        assert_eq!(stolen.seal(), 6, "the key of generation 5 was destroyed");
        Self { h, stolen, forged }
    }

    fn seal(&self, generation: u64) -> SealLink {
        self.h.chain().generation(generation).expect("a generation").clone()
    }

    /// The tree over the heads of the seals up to a generation.
    fn heads(&self, last: u64) -> MerkleTree {
        let mut heads = MerkleTree::default();
        let chain = self.h.chain();
        let links = chain.links.iter().filter(|l| l.seal.generation <= last);
        links.for_each(|l| heads.push(head_leaf(&l.digest())));
        heads
    }

    fn put(&self, number: u64, kind: ObjectKind, bytes: &[u8]) {
        put_object(&set_folder(&self.forged), number, kind, bytes);
    }
}

/// A verdict is the least that somebody might want to be another.
fn altered(seal: &Seal) -> Seal {
    assert_eq!(seal.verdict, Verdict::Good);
    Seal { verdict: Verdict::Incomplete, ..seal.clone() }
}

#[test]
fn what_was_sealed_before_the_theft_cannot_be_sealed_again() {
    let t = Theft::after_five_nights();
    for generation in 1..=5 {
        let link = t.seal(generation);
        let number = link.number;
        let forged = sign(&altered(&link.seal), &link.objects, &t.stolen.current()).expect("a signature").bytes;
        let good = fs::read(object_file(&set_folder(&t.forged), number, ObjectKind::Seal)).expect("a seal");
        t.put(number, ObjectKind::Seal, &forged);
        let report = t.h.try_verify(&t.forged, None, None).expect("a verification");
        assert!(!report.is_good());
        let whats: Vec<_> = report.faults.iter().map(|f| (f.object, &f.what)).collect();
        let forged = (number, &FaultKind::SignedByLaterKey { generation: 6 });
        // Nothing vouches for the label when the first seal is forged.
        let expected = if generation == 1 { vec![(0, &FaultKind::Label), forged] } else { vec![forged] };
        assert_eq!(whats, expected, "generation {generation}");
        let trusted: Vec<_> = report.generations.iter().filter(|g| g.trusted).map(|g| g.generation).collect();
        assert_eq!(trusted, (1..generation).collect::<Vec<_>>());
        t.put(number, ObjectKind::Seal, &good);
    }
    assert!(t.h.try_verify(&t.forged, None, None).expect("a verification").is_good(), "all was put back");
}

/// He also rewrites everything that follows, so that it hangs together again, and throws away the record of day 3.
#[test]
fn a_whole_past_made_up_does_not_hang_on_what_came_before() {
    let t = Theft::after_five_nights();
    let own = [[3; 32], [4; 32], [5; 32]].map(|seed| SealKey::from_seed(&seed));
    for first_key in [&t.stolen.current(), &own[0]] {
        let mut previous = t.seal(2).head;
        let mut heads = t.heads(2);
        for generation in 3..=5 {
            let SealLink { mut seal, mut objects, number, .. } = t.seal(generation);
            (seal.previous, seal.heads) = (Some(previous), heads.root());
            for o in &mut objects {
                if generation == 3 && o.kind == ObjectKind::Pack {
                    let lie = b"nothing to see here";
                    *o = Object::of(o.number, o.kind, lie);
                    t.put(o.number, ObjectKind::Pack, lie);
                }
            }
            seal.list = BothDigests::of(&encode_list(&objects));
            let (key, next) = match generation {
                3 => (first_key, own[1].public()),
                4 => (&own[1], own[2].public()),
                _ => (&own[2], t.stolen.current().public()),
            };
            seal.next = next;
            let new = sign(&seal, &objects, key).expect("a signature");
            previous = new.head;
            heads.push(head_leaf(&new.head.blake3));
            t.put(number, ObjectKind::Seal, &new.bytes);
        }
        let report = t.h.try_verify(&t.forged, None, None).expect("a verification");
        assert!(!report.is_good());
        assert!(report.damage.is_empty(), "he was careful: {:?}", report.damage);
        let at = t.seal(3).number;
        assert_eq!(report.faults.iter().map(|f| f.object).collect::<Vec<_>>(), [at], "{:?}", report.faults);
        assert!(matches!(report.faults[0].what, FaultKind::Signature | FaultKind::SignedByLaterKey { generation: 6 }));
        assert_eq!(report.generations.iter().filter(|g| g.trusted).count(), 2);
    }
}

/// He can seal a generation 6, and until the host seals its own nobody can tell. Then the paper can, and so can the host.
#[test]
fn a_generation_forged_with_the_stolen_key_does_not_match_the_paper() {
    let mut t = Theft::after_five_nights();
    let SealLink { mut seal, mut objects, number, head, .. } = t.seal(5);
    (seal.previous, seal.heads, seal.earlier) = (Some(head), t.heads(5).root(), 5);
    seal.generation = 6;
    seal.first = number + 1;
    seal.time = "2026-11-24T03:31:54Z".into();
    seal.next = t.stolen.prepare_next().expect("a key");
    for o in &mut objects {
        let lie = format!("a lie in place of {}", o.number);
        *o = Object::of(o.number + seal.first - t.seal(5).seal.first, o.kind, lie.as_bytes());
        t.put(o.number, o.kind, lie.as_bytes());
    }
    seal.list = BothDigests::of(&encode_list(&objects));
    t.put(seal.number(), ObjectKind::Seal, &sign(&seal, &objects, &t.stolen.current()).expect("a signature").bytes);

    let paper_of_five = CheckCode::of(&t.seal(5).digest());
    let report = t.h.try_verify(&t.forged, Some(paper_of_five), None).expect("a verification");
    assert!(report.is_good(), "{report:?}");
    assert_eq!(report.expected, Some(Expected::Found { generation: 5, newer: 1 }), "one more than the paper knows");

    t.h.write("patients/1", "the record on day 6");
    let paper = t.h.backup().check_code;
    let known = t.h.chain().last().map(|l| (l.seal.generation, l.digest()));
    let by_paper = t.h.try_verify(&t.forged, Some(paper), None).expect("a verification");
    assert_eq!((by_paper.is_good(), by_paper.expected), (false, Some(Expected::NotFound)));
    let by_host = t.h.try_verify(&t.forged, None, known).expect("a verification");
    assert_eq!((by_host.is_good(), by_host.known), (false, Some(Expected::NotFound)));
    // The true medium matches both.
    let report = t.h.try_verify(&t.h.medium(), Some(paper), known).expect("a verification");
    assert!(report.is_good());
    assert_eq!(report.expected, Some(Expected::Found { generation: 6, newer: 0 }));
}

#[test]
fn a_set_that_was_rolled_back_or_cut_short_does_not_match_the_paper() {
    let h = nights(4);
    let chain = h.chain();
    let known = chain.last().map(|l| (l.seal.generation, l.digest()));
    let paper = known.map(|(_, digest)| CheckCode::of(&digest));
    let third = chain.generation(3).expect("a generation");
    let what =
        [("its last generation is gone", third.number + 1), ("its last seal is gone", objects(&h.medium()).len() as u64 - 1)];
    for (what, from) in what {
        let medium = h.path(what);
        copy_folder(&h.medium(), &medium);
        for (_, _, path) in objects(&medium).into_iter().filter(|o| o.0 >= from) {
            fs::remove_file(path).expect("a deletion");
        }
        let report = h.try_verify(&medium, None, None).expect("a verification");
        assert!(report.faults.is_empty() && report.damage.is_empty(), "{what}: what is left holds together");
        let report = h.try_verify(&medium, paper, known).expect("a verification");
        assert!(!report.is_good(), "{what}");
        assert_eq!((report.expected, report.known), (Some(Expected::NotFound), Some(Expected::NotFound)), "{what}");
        let older = h.try_verify(&medium, Some(CheckCode::of(&third.digest())), None).expect("a verification");
        assert_eq!(older.expected, Some(Expected::Found { generation: 3, newer: 0 }));
    }
    // Tonight's run does not go on with such a medium either, as if nothing were missing.
    for (_, _, path) in objects(&h.medium()).into_iter().filter(|o| o.0 > third.number) {
        fs::remove_file(path).expect("a deletion");
    }
    let refused = h.try_backup(&h.options());
    assert!(
        matches!(refused, Err(azekura::job::backup::BackupError::Write(WriteError::RolledBack { generation: 4 }))),
        "{refused:?}"
    );
}

/// Every file below the folders, whole: data pages, free pages, write-ahead logs, whatever lies there.
fn files(folders: &[PathBuf]) -> Vec<(PathBuf, Vec<u8>)> {
    let below = |f: &PathBuf| walkdir::WalkDir::new(f).into_iter().map(|e| e.expect("an entry"));
    let plain = folders.iter().flat_map(below).filter(|e| e.file_type().is_file());
    plain.map(|e| (e.path().to_owned(), fs::read(e.path()).expect("a file"))).collect()
}

/// Where half a secret or more lies.
fn found(files: &[(PathBuf, Vec<u8>)], secret: &[u8]) -> Vec<PathBuf> {
    let halves = [&secret[..secret.len() / 2], &secret[secret.len() / 2..]];
    let holds = |bytes: &[u8]| halves.iter().any(|half| bytes.windows(half.len()).any(|w| w == *half));
    files.iter().filter(|(_, bytes)| holds(bytes)).map(|(path, _)| path.clone()).collect()
}

#[test]
fn nothing_that_was_stolen_opens_a_backup_or_signs_a_past_one() {
    let h = Hospital::within(fast_folder());
    let folders = [h.path("state"), h.medium()];
    let mut used: Vec<Vec<u8>> = Vec::new();
    for night in 1..=6 {
        h.write(
            "patients/Kuroda Haruko",
            format!("the record on day {night} says: the patient is to be told by her doctor alone"),
        );
        let keys = |h: &Hospital| {
            let set = fs::read_dir(h.path("state/sets")).ok()?.next()?.ok()?;
            let slot = fs::read(set.path().join("seal-keys")).ok()?;
            Some((slot[24..56].to_vec(), slot[56..88].to_vec()))
        };
        if let Some((current, next)) = keys(&h) {
            assert_eq!(next, [0; 32], "between runs no key is prepared");
            assert_eq!(found(&files(&folders), &current).len(), 1, "the search would find it");
            used.push(current);
        }
        // One night the catalog is open elsewhere, so that its write-ahead log stays.
        let _open =
            (night == 4).then(|| azekura::host::catalog::Catalog::open(&h.path("state/catalog.sqlite")).expect("a catalog"));
        h.backup();
        for seed in &used {
            assert_eq!(found(&files(&folders), seed), [] as [PathBuf; 0], "night {night}");
        }
    }
    assert_eq!(used.len(), 5);

    let all = files(&folders);
    for text in h.identity.texts() {
        assert_eq!(found(&all, text.trim_start_matches("AGE-SECRET-KEY-1").as_bytes()), [] as [PathBuf; 0]);
        assert_eq!(found(&all, b"AGE-SECRET-KEY-"), [] as [PathBuf; 0]);
    }
    // The host knows tonight's names. The medium shows none, and no content lies anywhere but in the source.
    let medium = files(&folders[1..]);
    for word in ["Kuroda Haruko", "told by her doctor"] {
        assert_eq!(found(&medium, word.as_bytes()), [] as [PathBuf; 0], "{word}");
    }
    assert_eq!(found(&all, b"told by her doctor"), [] as [PathBuf; 0]);
    assert_eq!(found(&files(&[h.source()]), b"told by her doctor").len(), 1, "the search would find it");

    // With everything that was there but the identity, and one of his own.
    let stranger = Identity::generate();
    for generation in 1..=6 {
        let options = azekura::job::restore::Options { generation: Some(generation), ..h.restore_options("loot") };
        let opened = h.with_env(|w| azekura::job::restore::restore(&options, &stranger, w, &azekura::event::NoObserver));
        assert!(matches!(opened, Err(RestoreError::Generation(GenerationError::WrongKey(_)))), "{opened:?}");
    }
    assert!(!Path::exists(&h.path("loot")), "nothing was made for what cannot be filled");
    assert_eq!(picture(&h.source()), picture(&h.restore("restored")), "with the identity it opens");
}

/// He comes back to the host and puts his own key in place of the hospital's, so that the next nights are encrypted to him alone.
#[test]
fn a_recipient_that_somebody_slipped_in_is_refused() {
    let h = nights(1);
    let info = h.path("state/sets").join(h.chain().set.to_string()).join("set.json");
    let good = fs::read_to_string(&info).expect("what the host knows");
    let text = |identity: &Identity| identity.recipients().texts()[0].clone();
    let (ours, his) = (text(&h.identity), text(&Identity::generate()));
    let alone = good.replace(&ours, &his);
    let beside = good.replace(&format!("\"{ours}\""), &format!("\"{ours}\", \"{his}\""));
    for forged in [alone, beside] {
        assert_ne!(forged, good);
        fs::write(&info, forged).expect("a forgery");
        let refused = h.try_backup(&h.options());
        assert!(
            matches!(refused, Err(azekura::job::backup::BackupError::Write(WriteError::OtherRecipients { .. }))),
            "{refused:?}"
        );
    }
    fs::write(&info, good).expect("put back");
    assert_eq!(h.backup().generation, 2);
}
