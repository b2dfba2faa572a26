mod public_vectors;

use super::*;
use age::secrecy::ExposeSecret;
use proptest::prelude::*;
use std::io::{Cursor, Read, Seek, SeekFrom, Write};
use std::process::{Command, Stdio};
use zeroize::Zeroizing;

const S: usize = SEGMENT_BYTES;
const LENGTHS: [usize; 9] = [0, 1, S - 1, S, S + 1, 2 * S - 1, 2 * S, 2 * S + 1, 5 * 1024 * 1024 + 7];
/// From the `age` crate's own tests.
const SECRET: &str = "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33";
const PUBLIC: &str = "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa";

fn content(length: usize) -> Vec<u8> {
    let mut out = vec![0; length];
    blake3::Hasher::new().update(b"content").finalize_xof().fill(&mut out);
    out
}

fn encrypt(recipients: &Recipients, content: &[u8]) -> Vec<u8> {
    let mut e = Encryptor::begin(recipients, Vec::new()).unwrap();
    // Parts of an odd length, so that some cross the borders of segments.
    for piece in content.chunks(40_003) {
        e.write(piece);
    }
    let length = e.length();
    let file = e.finish();
    assert_eq!(file.len(), length);
    file
}

fn encrypt_by_crate(recipients: &Recipients, content: &[u8]) -> Vec<u8> {
    let e = age::Encryptor::with_recipients(recipients.keys().iter().map(|k| k as _)).unwrap();
    let mut out = Vec::with_capacity(content.len() + 4096 + content.len() / 4096);
    let mut w = e.wrap_output(&mut out).unwrap();
    w.write_all(content).unwrap();
    w.finish().unwrap();
    out
}

fn decrypt_by_crate(identity: &Identity, file: &[u8]) -> Vec<u8> {
    let d = age::Decryptor::new_buffered(file).unwrap();
    let mut out = Vec::with_capacity(file.len());
    d.decrypt(identity.keys().iter().map(|k| k as _)).unwrap().read_to_end(&mut out).unwrap();
    out
}

#[test]
fn this_module_and_the_age_crate_read_each_other() {
    let identity = Identity::generate();
    let recipients = identity.recipients();
    for length in LENGTHS {
        let content = content(length);
        let ours = encrypt(&recipients, &content);
        assert_eq!(decrypt_by_crate(&identity, &ours), content, "{length}");
        let theirs = encrypt_by_crate(&recipients, &content);
        for file in [ours, theirs] {
            assert_eq!(decrypt(&identity, &file, length as u64).unwrap(), content, "{length}");
            let mut read = Vec::new();
            Decryptor::open(&identity, Cursor::new(&file)).unwrap().read_to_end(&mut read).unwrap();
            assert_eq!(read, content, "{length}");
        }
    }
}

#[test]
fn a_file_begins_behind_the_content_of_the_buffer() {
    let identity = Identity::generate();
    let mut e = Encryptor::begin(&identity.recipients(), b"before".to_vec()).unwrap();
    e.write(b"content");
    let out = e.finish();
    let file = out.strip_prefix(b"before").unwrap();
    let mut read = b"kept".to_vec();
    decrypt_into(&identity, file, 7, &mut read).unwrap();
    assert_eq!(read, b"keptcontent");
}

#[test]
fn every_recipient_can_read_and_nobody_else() {
    let (a, b, c) = (Identity::generate(), Identity::generate(), Identity::generate());
    let texts = [a.recipients().texts()[0].clone(), b.recipients().texts()[0].clone()];
    let file = encrypt(&Recipients::parse(&texts).unwrap(), b"to two");
    assert_eq!(decrypt(&a, &file, 6).unwrap(), b"to two");
    assert_eq!(decrypt(&b, &file, 6).unwrap(), b"to two");
    assert!(matches!(decrypt(&c, &file, 6), Err(DecryptError::WrongKey)));
    assert!(matches!(decrypt(&a, b"PK\x03\x04", 6), Err(DecryptError::NotAge)));
    assert!(matches!(decrypt(&a, &file, 5), Err(DecryptError::TooLarge { size: 6, limit: 5 })));
    let both = format!("{}\n{}", c.texts()[0].as_str(), b.texts()[0].as_str());
    assert_eq!(decrypt(&Identity::parse(both.as_bytes(), None).unwrap(), &file, 6).unwrap(), b"to two");
}

/// A flipped bit or a cut anywhere is an error, and no content is returned.
#[test]
fn tampered_files_give_nothing() {
    let identity = Identity::generate();
    let content = content(2 * S);
    let file = encrypt(&identity.recipients(), &content);
    let refused = |bad: &[u8], what: &str| {
        let mut out = b"kept".to_vec();
        decrypt_into(&identity, bad, u64::MAX, &mut out).expect_err(what);
        assert_eq!(out, b"kept", "{what}");
        let Ok(mut d) = Decryptor::open(&identity, Cursor::new(bad)) else { return };
        let mut read = Vec::new();
        d.read_to_end(&mut read).expect_err(what);
        assert!(content.starts_with(&read) && read.len() % S == 0, "{what}: unauthenticated bytes");
    };
    let header = file.len() - 2 * (S + 16);
    for at in (0..header).chain([header, header + S, header + S + 15, header + S + 16, file.len() - 1]) {
        let mut bad = file.clone();
        bad[at] ^= 1;
        refused(&bad, &format!("flip at {at}"));
    }
    for length in (0..header + 20).chain([header + S, header + S + 16, header + S + 17, header + S + 32, file.len() - 1]) {
        refused(&file[..length], &format!("cut to {length}"));
    }
    let (first, second) = file[header..].split_at(S + 16);
    refused(&[&file[..header], second, first].concat(), "segments exchanged");
    refused(&[&file[..header], first, second, b"x"].concat(), "bytes behind the end");
}

/// A file to one recipient, with the stanza `first` before that of the recipient and `second` behind it.
fn by_hand(to: &Recipients, first: &str, second: &str) -> Vec<u8> {
    let file_key = age_core::format::FileKey::init_with_mut(|key| key.fill(7));
    let stanza = age::Recipient::wrap_file_key(&to.keys()[0], &file_key).unwrap().0.remove(0);
    let base64 = |bytes: &[u8]| data_encoding::BASE64_NOPAD.encode(bytes);
    let ours = format!("-> X25519 {}\n{}\n", stanza.args[0], base64(&stanza.body));
    let header = format!("age-encryption.org/v1\n{first}{ours}{second}---");
    let mac_key = age_core::primitives::hkdf(&[], b"header", file_key.expose_secret());
    let mac = ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &mac_key), header.as_bytes());
    let mut payload = b"content".to_vec();
    let tag = segment::PayloadKey::derive(&file_key, &[9; 16]).encrypt(0, true, &mut payload);
    [header.as_bytes(), format!(" {}\n", base64(mac.as_ref())).as_bytes(), &[9; 16], &payload, &tag].concat()
}

/// A body of whole lines ends with an empty one. Programs differ on headers without it; for this one they are damaged.
#[test]
fn a_stanza_without_its_last_line_is_refused() {
    let identity = Identity::generate();
    let to = identity.recipients();
    let full = "A".repeat(64);
    for (body, whole) in [
        ("\n".to_owned(), true),
        ("AAAA\n".to_owned(), true),
        (format!("{full}\n\n"), true),
        (format!("{full}\nAAAA\n"), true),
        (String::new(), false),
        (format!("{full}\n"), false),
        (format!("{full}\n{full}\n"), false),
    ] {
        let stanza = format!("-> later x\n{body}");
        for file in [by_hand(&to, &stanza, ""), by_hand(&to, "", &stanza), by_hand(&to, &stanza, &stanza)] {
            match decrypt(&identity, &file, 7) {
                Ok(content) => assert!(whole && content == b"content", "{body:?}"),
                Err(DecryptError::Damaged { part: DamagedPart::Header }) => assert!(!whole, "{body:?}"),
                Err(e) => panic!("{e:?}"),
            }
            assert_eq!(Decryptor::open(&identity, Cursor::new(&file)).is_ok(), whole, "{body:?}");
        }
    }
}

#[test]
fn an_endless_header_is_refused() {
    let mut file = b"age-encryption.org/v1\n".to_vec();
    while file.len() < 2 * HEADER_BYTES {
        file.extend_from_slice(b"-> X25519 aaaa\nAAAA\n");
    }
    let identity = Identity::generate();
    assert!(matches!(decrypt(&identity, &file, 1), Err(DecryptError::Damaged { part: DamagedPart::Header })));
}

#[test]
fn reads_after_seeking_return_the_right_bytes() {
    let identity = Identity::generate();
    let content = content(2 * S + 100);
    let file = encrypt(&identity.recipients(), &content);
    let mut d = Decryptor::open(&identity, Cursor::new(&file)).unwrap();
    assert_eq!(d.length().unwrap(), content.len() as u64);
    for (from, length) in [(2 * S, 100), (0, 10), (S - 5, 10), (S, S), (2 * S + 99, 1), (7, 2 * S)] {
        d.seek(SeekFrom::Start(from as u64)).unwrap();
        let mut read = vec![0; length];
        d.read_exact(&mut read).unwrap();
        assert_eq!(read, content[from..from + length], "{from}");
    }
    assert_eq!(d.seek(SeekFrom::End(-8)).unwrap(), content.len() as u64 - 8);
    assert_eq!(d.seek(SeekFrom::Current(108)).unwrap(), content.len() as u64 + 100);
    assert_eq!(d.read(&mut [0; 4]).unwrap(), 0, "behind the end");
    assert_eq!(d.seek(SeekFrom::Start(u64::MAX)).unwrap(), u64::MAX);
    assert_eq!(d.read(&mut [0; 4]).unwrap(), 0, "far behind the end");
    assert!(d.seek(SeekFrom::Current(1)).is_err());
    assert!(d.seek(SeekFrom::End(-(content.len() as i64) - 1)).is_err());
    // Cut at a border: the first segment is whole, but not marked as the last one.
    let mut d = Decryptor::open(&identity, Cursor::new(&file[..file.len() - 116])).unwrap();
    d.seek(SeekFrom::Start(1 << 40)).unwrap();
    assert_eq!(d.read(&mut [0; 4]).unwrap_err().kind(), std::io::ErrorKind::InvalidData);
    assert!(d.length().is_err());
}

#[test]
fn keys_are_read_and_written_as_age_keygen_does() {
    let identity = Identity::parse(format!("# a comment\r\n\r\n{SECRET}\r\n").as_bytes(), None).unwrap();
    assert_eq!(identity.recipients().texts(), [PUBLIC]);
    let file = identity.file_text("2026-11-23T03:31:54Z");
    assert_eq!(*file, format!("# created: 2026-11-23T03:31:54Z\n# public key: {PUBLIC}\n{SECRET}\n"));
    assert_eq!(format!("{identity:?}"), "Identity(…)");
    assert_eq!(identity.recipients().fingerprints()[0], blake3::hash(PUBLIC.as_bytes()).to_hex().as_str()[..16]);
    let error = |text: &str| Identity::parse(text.as_bytes(), None).unwrap_err();
    assert_eq!(error("# nothing\n"), IdentityError::NoKey);
    assert_eq!(error(&format!("{SECRET}\n{}", &SECRET[..40])), IdentityError::Line { line: 2 });
    assert_eq!(error(&" ".repeat(IDENTITY_FILE_BYTES + 1)), IdentityError::TooLarge);
}

/// From the sheet in the safe, on whatever keyboard is there.
#[test]
fn keys_are_read_as_people_type_them() {
    let wide = |text: &str| -> String {
        text.chars().map(|c| char::from_u32(c as u32 - '!' as u32 + '！' as u32).expect("full width")).collect()
    };
    let groups = |text: &str, between: &str| -> String {
        text.as_bytes().chunks(8).map(|c| str::from_utf8(c).expect("ASCII")).collect::<Vec<_>>().join(between)
    };
    let (prefix, digits) = SECRET.split_at(16);
    for typed in [
        SECRET.to_lowercase(),
        wide(SECRET),
        SECRET.replace('-', "ー"),
        SECRET.replace('-', ""),
        format!("{prefix}{}", groups(digits, " ")),
        format!("\u{feff}{prefix}\r\n{}\r\n", groups(digits, "-\n# a remark\n ")),
        format!("{prefix}{}", digits.replace('0', "O").replace('L', "1")),
        format!("{SECRET}\n{}", groups(SECRET, "\u{3000}")),
    ] {
        let identity = Identity::parse(typed.as_bytes(), None).unwrap_or_else(|e| panic!("{typed}: {e}"));
        assert_eq!(identity.recipients().texts(), [PUBLIC], "{typed}");
    }
    for typed in [PUBLIC.to_uppercase(), wide(PUBLIC), groups(PUBLIC, " "), groups(PUBLIC, "\n"), PUBLIC.replacen('1', "l", 1)] {
        assert_eq!(Recipients::parse([&typed]).expect("a recipient").texts(), [PUBLIC], "{typed}");
    }
    for secret in [wide(SECRET), groups(SECRET, " "), SECRET.to_lowercase()] {
        assert_eq!(Recipients::parse([secret]).unwrap_err(), RecipientError::Secret { place: 1 });
    }
    // A digit too many or too few, or another one, is none of these.
    for (typed, line) in [
        (format!("{SECRET}Q"), 1),
        (format!("{SECRET}\nQ"), 2),
        (format!("{}\n#\n{SECRET}", &SECRET[..70]), 1),
        (format!("{SECRET}\n{}", PUBLIC), 2),
        (SECRET[..73].to_owned(), 1),
    ] {
        assert_eq!(Identity::parse(typed.as_bytes(), None).unwrap_err(), IdentityError::Line { line }, "{typed}");
    }
}

#[test]
fn invalid_recipients_are_refused() {
    let error = |texts: &[&str]| Recipients::parse(texts).unwrap_err();
    assert_eq!(error(&[]), RecipientError::None);
    assert_eq!(error(&[PUBLIC, "age1nonsense"]), RecipientError::Invalid { place: 2 });
    assert_eq!(error(&[SECRET]), RecipientError::Secret { place: 1 });
    assert_eq!(error(&["ééééééééé"]), RecipientError::Invalid { place: 1 });
    // The point 0, which gives the same shared secret with every key.
    use age_core::primitives::{bech32_decode, bech32_encode};
    let zero = bech32_decode(PUBLIC, |_| (), |_| Ok(()), |prefix, _| Ok(bech32_encode(prefix, &[0; 32]))).unwrap();
    assert_eq!(error(&[&zero]), RecipientError::Invalid { place: 1 });
    assert_eq!(Recipients::parse([PUBLIC, &PUBLIC.to_uppercase()]).unwrap().texts(), [PUBLIC]);
}

#[test]
fn a_passphrase_protects_an_identity() {
    let secret = |t: &str| Zeroizing::new(t.to_owned());
    assert_eq!(Passphrase::chosen(secret("twelve chars")).unwrap_err().characters, 12);
    let good = Passphrase::chosen(secret("十三文字の合言葉を決めました")).unwrap();
    assert_eq!(format!("{good:?}"), "Passphrase(…)");
    let armored = encrypt_with_passphrase(&Identity::generate().file_text("today"), &good, 10).unwrap();
    let mut binary = Vec::new();
    age::armor::ArmoredReader::new(armored.as_bytes()).read_to_end(&mut binary).unwrap();
    for file in [armored.as_bytes(), &binary] {
        assert_eq!(Identity::parse(file, None).unwrap_err(), IdentityError::PassphraseNeeded);
        let wrong = Passphrase::entered(secret("wrong"));
        assert_eq!(Identity::parse(file, Some(&wrong)).unwrap_err(), IdentityError::PassphraseWrong);
        assert_eq!(Identity::parse(file, Some(&good)).unwrap().texts().len(), 1);
        assert_eq!(Identity::parse(&file[..file.len() - 60], Some(&good)).unwrap_err(), IdentityError::Damaged);
    }
    let to_key = encrypt(&Identity::generate().recipients(), b"x");
    assert_eq!(Identity::parse(&to_key, Some(&good)).unwrap_err(), IdentityError::NotPassphrase);
    let greedy = String::from_utf8_lossy(&binary[..60]).replace(" 10\n", " 40\n");
    assert!(greedy.contains(" 40\n"));
    let greedy = [greedy.as_bytes(), &binary[60..]].concat();
    assert_eq!(Identity::parse(&greedy, Some(&good)).unwrap_err(), IdentityError::WorkFactor { required: 40 });
}

/// The `age` command reads files of this module.
#[test]
fn the_age_command_reads_files_of_this_module() {
    if Command::new("age").arg("--version").output().is_err() {
        crate::machine::skipped("age reads what we encrypt: age is missing");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let identity = Identity::generate();
    let key = dir.path().join("key.txt");
    std::fs::write(&key, identity.file_text("2026-11-23").as_bytes()).unwrap();
    for length in LENGTHS {
        let content = content(length);
        let pack = dir.path().join("a.pack");
        std::fs::write(&pack, encrypt(&identity.recipients(), &content)).unwrap();
        let out = Command::new("age").arg("-d").arg("-i").arg(&key).arg(&pack).stdin(Stdio::null()).output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        assert!(out.stdout == content, "{length}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_goes_in_comes_out(pieces in prop::collection::vec(0usize..100_000, 0..6), from in 0usize..200_000) {
        let identity = Identity::parse(SECRET.as_bytes(), None).unwrap();
        let all = content(pieces.iter().sum());
        let mut e = Encryptor::begin(&identity.recipients(), Vec::new()).unwrap();
        let mut rest = &all[..];
        for n in pieces {
            let (now, later) = rest.split_at(n);
            e.write(now);
            rest = later;
        }
        let file = e.finish();
        prop_assert_eq!(&decrypt(&identity, &file, u64::MAX).unwrap(), &all);
        let mut d = Decryptor::open(&identity, Cursor::new(&file)).unwrap();
        d.seek(SeekFrom::Start(from as u64)).unwrap();
        let mut tail = Vec::new();
        d.read_to_end(&mut tail).unwrap();
        prop_assert_eq!(&tail[..], all.get(from..).unwrap_or_default());
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), cut in 0usize..400) {
        let identity = Identity::parse(SECRET.as_bytes(), None).unwrap();
        let mut file = encrypt(&identity.recipients(), b"content");
        file.truncate(cut);
        file.extend_from_slice(&bytes);
        for file in [&file, &bytes] {
            let _ = decrypt(&identity, file, u64::MAX);
            let _ = Identity::parse(file, None);
            if let Ok(mut d) = Decryptor::open(&identity, Cursor::new(file)) {
                let _ = d.read_to_end(&mut Vec::new());
            }
        }
    }
}

/// Why this module encrypts the payload itself: `cargo test --release rates -- --ignored --nocapture`.
#[test]
#[ignore = "measures"]
fn rates_against_the_age_crate() {
    let identity = Identity::generate();
    let recipients = identity.recipients();
    let content = content(16 << 20);
    let file = encrypt(&recipients, &content);
    let mut out = Vec::with_capacity(content.len() + (1 << 20));
    let mut times = [const { Vec::new() }; 5];
    for _ in 0..15 {
        for (way, times) in times.iter_mut().enumerate() {
            let start = std::time::Instant::now();
            match way {
                0 => {
                    out.clear();
                    let mut e = Encryptor::begin(&recipients, std::mem::take(&mut out)).unwrap();
                    e.write(&content);
                    out = e.finish();
                }
                1 => {
                    out.clear();
                    let e = age::Encryptor::with_recipients(recipients.keys().iter().map(|k| k as _)).unwrap();
                    let mut w = e.wrap_output(&mut out).unwrap();
                    w.write_all(&content).unwrap();
                    w.finish().unwrap();
                }
                2 => {
                    out.clear();
                    decrypt_into(&identity, &file, u64::MAX, &mut out).unwrap();
                }
                3 => {
                    out.clear();
                    let d = age::Decryptor::new_buffered(&file[..]).unwrap();
                    d.decrypt(identity.keys().iter().map(|k| k as _)).unwrap().read_to_end(&mut out).unwrap();
                }
                _ => {
                    out.clear();
                    Decryptor::open(&identity, Cursor::new(&file)).unwrap().read_to_end(&mut out).unwrap();
                }
            }
            times.push(start.elapsed());
        }
    }
    for (name, mut times) in ["encrypt", "encrypt, crate", "decrypt", "decrypt, crate", "decrypt, reader"].into_iter().zip(times)
    {
        times.sort_unstable();
        let rate = |i: usize| content.len() as f64 / times[i].as_secs_f64() / 1e9;
        println!("{name:16} {:.3} GB/s median, {:.3} best", rate(times.len() / 2), rate(0));
    }
}
