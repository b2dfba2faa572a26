//! Who can open an age file, as far as its header tells: one stanza for each recipient.
//!
//! A stanza does not say whose it is. But an intruder on the host who encrypts to a recipient of their own, too, adds
//! one.

use age_core::format::{FileKey, Stanza};
use std::cell::Cell;

/// How many stanzas of each type are in the header of an age file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stanzas {
    /// Type `X25519`: recipients `age1…`.
    pub x25519: usize,
    /// Type `mlkem768x25519`: recipients `age1pq1…`.
    pub mlkem768x25519: usize,
    /// Types that end with `-grease`: noise that some writers add, so that readers get used to types that they do not
    /// know.
    pub grease: usize,
    /// Everything else.
    pub other: usize,
}

impl Stanzas {
    fn count(stanzas: &[Stanza]) -> Self {
        let mut count = Self::default();
        for stanza in stanzas {
            match stanza.tag.as_str() {
                "X25519" => count.x25519 += 1,
                "mlkem768x25519" => count.mlkem768x25519 += 1,
                tag if tag.ends_with("-grease") => count.grease += 1,
                _ => count.other += 1,
            }
        }
        count
    }

    /// Whether a file for these recipients, given as in a manifest (key 11), has these stanzas: exactly one for each,
    /// of its type, and at most one more that ends with `-grease`. If not, somebody else may be able to open the file.
    pub fn are_of<T: AsRef<str>>(&self, recipients: &[T]) -> bool {
        let hybrid = recipients.iter().filter(|r| r.as_ref().starts_with("age1pq1")).count();
        // `1` is no digit of Bech32: after another prefix, the recipient is of a type that this format does not have.
        let plain = recipients.iter().filter(|r| r.as_ref().strip_prefix("age1").is_some_and(|key| !key.contains('1'))).count();
        plain + hybrid == recipients.len()
            && (self.x25519, self.mlkem768x25519, self.other) == (plain, hybrid, 0)
            && self.grease <= 1
    }
}

/// An identity that opens nothing and counts what it is shown: the crate shows each identity all stanzas of a header,
/// and does not tell them otherwise.
#[derive(Default)]
pub(super) struct Counter(Cell<Stanzas>);

impl Counter {
    /// Right once the crate has found the file key with an identity behind this one.
    pub fn counted(&self) -> Stanzas {
        self.0.get()
    }
}

impl age::Identity for Counter {
    fn unwrap_stanza(&self, _: &Stanza) -> Option<Result<FileKey, age::DecryptError>> {
        None
    }

    fn unwrap_stanzas(&self, stanzas: &[Stanza]) -> Option<Result<FileKey, age::DecryptError>> {
        self.0.set(Stanzas::count(stanzas));
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::encryptor::{DamagedPart, DecryptError, Decryptor, Encryptor, Identity, Recipients, decrypt_into};
    use std::collections::HashSet;
    use std::io::{Cursor, Write};
    use std::process::{Command, Stdio};

    /// A stanza of any type, in the header of whoever knows the file key.
    struct Forged(&'static str);

    impl age::Recipient for Forged {
        fn wrap_file_key(&self, _: &FileKey) -> Result<(Vec<Stanza>, HashSet<String>), age::EncryptError> {
            let stanza = Stanza { tag: self.0.to_owned(), args: vec!["x".to_owned()], body: vec![7; 32] };
            Ok((vec![stanza], HashSet::new()))
        }
    }

    /// By the crate, which adds a stanza that ends with `-grease`.
    fn encrypt(recipients: &Recipients, forged: &[Forged]) -> Vec<u8> {
        let all = recipients.keys().iter().map(|k| k as &dyn age::Recipient).chain(forged.iter().map(|f| f as _));
        let mut out = Vec::new();
        let mut w = age::Encryptor::with_recipients(all).unwrap().wrap_output(&mut out).unwrap();
        w.write_all(b"content").unwrap();
        w.finish().unwrap();
        out
    }

    fn stanzas(identity: &Identity, file: &[u8]) -> Stanzas {
        let counted = Decryptor::open(identity, Cursor::new(file)).unwrap().stanzas();
        let mut content = Vec::new();
        assert_eq!(decrypt_into(identity, file, 7, &mut content).unwrap(), counted);
        assert_eq!(content, b"content");
        counted
    }

    fn recipients(identities: &[Identity]) -> Recipients {
        Recipients::parse(identities.iter().flat_map(|i| i.recipients().texts().to_vec())).unwrap()
    }

    #[test]
    fn every_recipient_has_one_stanza() {
        let identities = [(); 3].map(|()| Identity::generate());
        for n in 1..=3 {
            let to = recipients(&identities[..n]);
            let mut e = Encryptor::begin(&to, Vec::new()).unwrap();
            e.write(b"content");
            let file = e.finish();
            for identity in &identities[..n] {
                let found = stanzas(identity, &file);
                assert_eq!(found, Stanzas { x25519: n, grease: 1, ..Stanzas::default() });
                assert!(found.are_of(to.texts()));
                assert!(!found.are_of(&to.texts()[1..]), "somebody else");
                assert!(!found.are_of(&[to.texts(), &to.texts()[..1]].concat()), "somebody is missing");
            }
        }
        // An identity file with several keys, none of the first ones for this file.
        let texts: Vec<_> = identities.iter().flat_map(Identity::texts).map(|t| t.to_string()).collect();
        let many = Identity::parse(texts.join("\n").as_bytes(), None).unwrap();
        let file = encrypt(&recipients(&identities[2..]), &[]);
        assert_eq!(stanzas(&many, &file), Stanzas { x25519: 1, grease: 1, ..Stanzas::default() });
    }

    #[test]
    fn a_further_stanza_is_counted() {
        let both = [Identity::generate(), Identity::generate()];
        let (ours, to) = (&both[0], both[0].recipients());
        let one = Stanzas { x25519: 1, grease: 1, ..Stanzas::default() };
        let cases = [
            (encrypt(&recipients(&both), &[]), Stanzas { x25519: 2, ..one }),
            (encrypt(&to, &[Forged("mlkem768x25519")]), Stanzas { mlkem768x25519: 1, ..one }),
            (encrypt(&to, &[Forged("ssh-ed25519")]), Stanzas { other: 1, ..one }),
            (encrypt(&to, &[Forged("x25519")]), Stanzas { other: 1, ..one }),
            (encrypt(&to, &[Forged("grease")]), Stanzas { other: 1, ..one }),
            (encrypt(&to, &[Forged("-grease")]), Stanzas { grease: 2, ..one }),
        ];
        for (file, expected) in cases {
            let found = stanzas(ours, &file);
            assert_eq!(found, expected);
            assert!(!found.are_of(to.texts()), "{found:?}");
        }
        assert!(stanzas(ours, &encrypt(&to, &[])).are_of(to.texts()));
        // Without the file key nobody can add one: the header's MAC tells.
        let file = encrypt(&to, &[]);
        let at = file.windows(4).position(|w| w == b"\n---").unwrap() + 1;
        let forged = [&file[..at], b"-> later x\nAAAA\n", &file[at..]].concat();
        let refused = Decryptor::open(ours, Cursor::new(&forged)).err();
        assert!(matches!(refused, Some(DecryptError::Damaged { part: DamagedPart::Header })), "{refused:?}");
    }

    #[test]
    fn files_of_the_age_command_have_one_stanza_for_each_recipient() {
        if Command::new("age").arg("--version").output().is_err() {
            crate::machine::skipped("stanzas of files that age makes: age is missing");
            return;
        }
        let identities = [(); 3].map(|()| Identity::generate());
        for n in 1..=3 {
            let to = recipients(&identities[..n]);
            let mut age = Command::new("age");
            age.args(to.texts().iter().flat_map(|r| ["-r", r])).stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut age = age.spawn().unwrap();
            age.stdin.take().unwrap().write_all(b"content").unwrap();
            let out = age.wait_with_output().unwrap();
            assert!(out.status.success());
            let found = stanzas(&identities[n - 1], &out.stdout);
            assert_eq!((found.x25519, found.mlkem768x25519, found.other), (n, 0, 0));
            assert!(found.are_of(to.texts()));
        }
    }

    #[test]
    fn types_and_recipients_belong_together() {
        let (plain, hybrid) = ("age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa", "age1pq1qqqq");
        let counts = |x25519, mlkem768x25519, grease, other| Stanzas { x25519, mlkem768x25519, grease, other };
        assert!(counts(1, 0, 0, 0).are_of(&[plain]));
        assert!(counts(1, 0, 1, 0).are_of(&[plain]));
        assert!(counts(0, 2, 1, 0).are_of(&[hybrid, hybrid]));
        assert!(counts(1, 1, 0, 0).are_of(&[hybrid, plain]));
        assert!(!counts(1, 0, 0, 0).are_of(&[hybrid]));
        assert!(!counts(0, 1, 0, 0).are_of(&[plain]));
        assert!(!counts(1, 0, 2, 0).are_of(&[plain]));
        assert!(!counts(1, 0, 0, 1).are_of(&[plain]));
        assert!(!counts(1, 0, 0, 0).are_of(&["age1yubikey1qqqq"]));
        assert!(!counts(1, 0, 0, 0).are_of(&["ssh-ed25519 AAAA"]));
        assert!(!counts(0, 0, 1, 0).are_of(&[plain]));
    }
}
