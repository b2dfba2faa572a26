//! A time from outside for a seal, with Debian's openssl as the authority and as the one who checks it.

use crate::machine::{object_file, skipped};
use crate::tools::{forge, objects, set_folder};
use crate::world::Hospital;
use azekura::format::object::ObjectKind;
use azekura::format::seal::Seal;
use azekura::format::stamp::{Reply, TimeStampRequest};
use azekura::job::inspect::stamp::{Options, StampError, TimeStampRequestFile, export_request, import_reply};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An authority in a folder: openssl, a certificate authority and a certificate that may put times to things.
struct Authority {
    dir: PathBuf,
}

const CONFIG: &str = "\
[req]
distinguished_name = name
prompt = no
[name]
CN = test
[ca]
basicConstraints = critical, CA:TRUE
[tsa]
extendedKeyUsage = critical, timeStamping
[rules]
serial = serial
crypto_device = builtin
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1, millisecs:500
tsa_name = yes
ordering = yes
clock_precision_digits = 3
ess_cert_id_chain = no
ess_cert_id_alg = sha256
";

impl Authority {
    /// Nothing where there is no openssl, and says so.
    fn open(h: &Hospital) -> Option<Self> {
        if Command::new("openssl").arg("version").output().is_err() {
            skipped("no time stamp was asked for: openssl is missing");
            return None;
        }
        let dir = h.path("authority");
        fs::create_dir(&dir).expect("a folder");
        let a = Self { dir };
        a.file("config", CONFIG);
        a.file("serial", "0A\n");
        let key = "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -config config";
        a.openssl(&format!("{key} -x509 -days 30 -extensions ca -subj /CN=ca -keyout ca.key -out ca.pem"));
        a.openssl(&format!("{key} -subj /CN=tsa -keyout tsa.key -out tsa.csr"));
        let issue = "x509 -req -in tsa.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30";
        a.openssl(&format!("{issue} -extfile config -extensions tsa -out tsa.pem"));
        Some(a)
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.dir.join(name), content).expect("a file");
    }

    fn run(&self, arguments: &str, paths: &[&Path]) -> (bool, String) {
        let out = Command::new("openssl").args(arguments.split(' ')).args(paths).current_dir(&self.dir).output();
        let out = out.expect("openssl");
        (out.status.success(), String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned())
    }

    fn openssl(&self, arguments: &str) {
        let (good, said) = self.run(arguments, &[]);
        assert!(good, "openssl {arguments}: {said}");
    }

    fn reply(&self, request: &[u8]) -> Vec<u8> {
        self.file("request.tsq", request);
        self.openssl(
            "ts -reply -config config -section rules -queryfile request.tsq -signer tsa.pem -inkey tsa.key -out reply.tsr",
        );
        fs::read(self.dir.join("reply.tsr")).expect("a reply")
    }

    fn verifies(&self, what: &str, file: &Path, reply: &Path) -> bool {
        let (good, said) = self.run(&format!("ts -verify -CAfile ca.pem {what}"), &[file, Path::new("-in"), reply]);
        assert_eq!(good, said.contains("Verification: OK"), "{said}");
        good
    }
}

fn night() -> Hospital {
    let h = Hospital::new();
    h.write("chart", "a record");
    h.backup();
    h
}

fn asked(h: &Hospital, generation: Option<u64>) -> TimeStampRequestFile {
    let options = Options { from: h.medium(), set: None, generation, folder: h.path("stamps") };
    h.with_env(|w| export_request(&options, w)).expect("a request")
}

#[test]
fn openssl_reads_the_request_and_verifies_the_reply_that_was_kept() {
    let h = night();
    let Some(authority) = Authority::open(&h) else { return };
    let first = asked(&h, None);
    let (good, said) = authority.run("ts -query -text -in", &[&first.request]);
    assert!(good && said.contains("Hash Algorithm: sha256") && said.contains("Certificate required: yes"), "{said}");

    let reply = authority.reply(&first.bytes);
    let kept = import_reply(&h.path("stamps"), &reply).expect("a reply");
    assert_eq!((kept.generation, kept.check_code, &kept.request), (1, first.check_code, &first.request));
    assert_eq!(fs::read(&kept.reply).expect("a reply"), reply);
    // With the fractions that certificates do not have.
    assert!(kept.stamp.time.len() > 20 && kept.stamp.time.contains('.'), "{}", kept.stamp.time);
    assert_eq!((&kept.stamp.policy[..], kept.stamp.serial.len()), ("1.2.3.4.1", 2));
    // By the request, by the seal that was kept, and by the one on the medium.
    let on_medium = object_file(&set_folder(&h.medium()), h.chain().links[0].number, ObjectKind::Seal);
    let on_medium = head_of(&h, &on_medium);
    assert_eq!(fs::read(&on_medium).expect("a head"), fs::read(&kept.seal).expect("a head"));
    assert!(authority.verifies("-queryfile", &kept.request, &kept.reply));
    for seal in [&kept.seal, &on_medium] {
        assert!(authority.verifies("-data", seal, &kept.reply));
    }
    // One bit of the seal, and it is no longer what was stamped.
    let mut changed = fs::read(&kept.seal).expect("a seal");
    changed[100] ^= 1;
    authority.file("changed.seal", &changed);
    assert!(!authority.verifies("-data", &authority.dir.join("changed.seal"), &kept.reply));
}

/// Before the first stamp's certificate runs out, a second one is laid beside it.
#[test]
fn a_later_stamp_lies_beside_the_earlier_one() {
    let h = night();
    let Some(authority) = Authority::open(&h) else { return };
    let mut replies = Vec::new();
    for n in 1..=3 {
        let a = asked(&h, Some(1));
        assert!(a.request.to_string_lossy().ends_with(&format!("-{n}.tsq")), "{:?}", a.request);
        replies.push((authority.reply(&a.bytes), a));
    }
    // They come back in any order.
    for (reply, a) in replies.iter().rev() {
        let kept = import_reply(&h.path("stamps"), reply).expect("a reply");
        assert_eq!(kept.request, a.request);
        assert!(matches!(import_reply(&h.path("stamps"), reply), Err(StampError::Exists { .. })), "none is written twice");
    }
    for (reply, a) in &replies {
        assert_eq!(&fs::read(a.request.with_extension("tsr")).expect("a reply"), reply);
        assert!(authority.verifies("-data", &a.seal, &a.request.with_extension("tsr")));
    }
}

#[test]
fn a_reply_to_something_else_is_not_kept() {
    let h = night();
    h.write("chart", "another record");
    h.backup();
    let Some(authority) = Authority::open(&h) else { return };
    let a = asked(&h, Some(1));
    let folder = h.path("stamps");
    let request = TimeStampRequest::decode(&a.bytes).expect("a request");
    assert_eq!(request.encode(), a.bytes);
    let kept = || -> Vec<String> {
        let names = fs::read_dir(a.seal.parent().expect("a folder")).expect("a folder");
        let mut names: Vec<String> = names.map(|e| e.expect("an entry").file_name().into_string().expect("text")).collect();
        names.sort();
        names
    };
    let before = kept();

    // Over other bytes; asked for by somebody else; nothing that was asked for at all.
    let other = TimeStampRequest { sha256: [7; 32], ..request };
    assert!(matches!(import_reply(&folder, &authority.reply(&other.encode())), Err(StampError::Unknown { .. })));
    let other = TimeStampRequest { nonce: request.nonce ^ 1, ..request };
    assert!(matches!(import_reply(&folder, &authority.reply(&other.encode())), Err(StampError::Nonce)));
    assert!(matches!(import_reply(&h.path("elsewhere"), &authority.reply(&a.bytes)), Err(StampError::Unknown { .. })));
    // The authority refuses: our request with another algorithm's number in it.
    let mut sha512 = a.bytes.clone();
    let at = sha512.windows(5).position(|w| w == [0x03, 0x04, 0x02, 0x01, 0x05]).expect("the algorithm's number");
    sha512[at + 3] = 3;
    let refused = import_reply(&folder, &authority.reply(&sha512));
    assert!(matches!(refused, Err(StampError::Refused { status: 2, .. })), "{refused:?}");

    // No byte but those under the signature's own care can change what is read: flipped, it is refused or says the same.
    let reply = authority.reply(&a.bytes);
    let Ok(Reply::Granted(good)) = Reply::decode(&reply) else { panic!("granted") };
    for at in 0..reply.len() {
        let mut bent = reply.clone();
        bent[at] ^= 0x55;
        if let Ok(Reply::Granted(stamp)) = Reply::decode(&bent) {
            let fits = stamp.sha256 == request.sha256 && stamp.nonce == Some(request.nonce);
            let path = authority.dir.join("bent.tsr");
            fs::write(&path, &bent).expect("a reply");
            // What only the signature covers is left to openssl.
            assert!(stamp == good || !fits || !authority.verifies("-queryfile", &a.request, &path), "byte {at}");
        }
        assert!(Reply::decode(&reply[..at]).is_err(), "the first {at} bytes");
    }

    // The seal that was kept was replaced in the meantime.
    let seal = fs::read(&a.seal).expect("a seal");
    fs::write(&a.seal, [&seal[..], b"\n"].concat()).expect("a forgery");
    assert!(matches!(import_reply(&folder, &reply), Err(StampError::OtherSeal { .. })));
    let options = Options { from: h.medium(), set: None, generation: Some(1), folder: folder.clone() };
    assert!(matches!(h.with_env(|w| export_request(&options, w)), Err(StampError::OtherSeal { .. })));
    fs::write(&a.seal, seal).expect("the seal");
    assert_eq!(kept(), before);
    import_reply(&folder, &reply).expect("a reply");
}

/// The head of the seal in a file, in a file of its own.
fn head_of(h: &Hospital, seal: &Path) -> PathBuf {
    let bytes = fs::read(seal).expect("a seal");
    let head = Seal::decode(&bytes).expect("a seal").head_bytes;
    let to = h.path("head on the medium");
    fs::write(&to, &bytes[..head]).expect("a head");
    to
}

/// A stamp over a seal that hangs on nothing would give a forged generation a time.
#[test]
fn no_stamp_is_asked_for_over_a_seal_that_cannot_be_trusted() {
    let h = night();
    h.write("chart", "another record");
    h.backup();
    let (_, _, seal) = objects(&h.medium()).into_iter().rfind(|o| o.1 == ObjectKind::Seal).expect("a seal");
    forge(&seal);
    let options = Options { from: h.medium(), set: None, generation: Some(2), folder: h.path("stamps") };
    let refused = h.with_env(|w| export_request(&options, w));
    assert!(matches!(refused, Err(StampError::Untrusted { generation: 2 })), "{refused:?}");
    assert!(!h.path("stamps").exists());
    asked(&h, Some(1));
}

/// Another genuine seal lies where the stamped one was, or the stamped one where another belongs: the reply is not kept beside it.
#[test]
fn a_stamp_is_kept_beside_its_own_seal_only() {
    let (h, other) = (night(), night());
    let Some(authority) = Authority::open(&h) else { return };
    let a = asked(&h, None);
    let reply = authority.reply(&a.bytes);
    let good = fs::read(&a.seal).expect("a seal");
    fs::write(&a.seal, fs::read(asked(&other, None).seal).expect("a seal")).expect("another set's");
    assert!(matches!(import_reply(&h.path("stamps"), &reply), Err(StampError::OtherSeal { .. })));
    fs::write(&a.seal, good).expect("the seal");
    for (path, name) in [(&a.seal, "00000099.head"), (&a.request, "00000099-1.tsq")] {
        fs::rename(path, path.with_file_name(name)).expect("renamed");
    }
    assert!(matches!(import_reply(&h.path("stamps"), &reply), Err(StampError::OtherSeal { .. })));
}
