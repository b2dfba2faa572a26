//! Signatures on seals, and the keys that make them.
//!
//! Each seal names the public key of the next one, and the key that signed it is destroyed ([`SealKeys`]): an intruder on
//! the host can forge later seals, but no earlier ones.

pub mod chain;
pub mod ed25519;
mod key;

pub use key::{FILE_BYTES, KeyError, SealKeys};

use crate::format::digests::BothDigests;
use crate::format::object::Object;
use crate::format::seal::{Seal, Signed, encode_list};
use crate::format::succession::{SignedSuccession, Succession};
use crate::format::{Malformed, limit};
use ed25519_dalek::{Signer, SigningKey};
use std::fmt;
use zeroize::Zeroizing;

/// An Ed25519 key that signs seals. Wipes itself; `Debug` shows nothing.
pub struct SealKey(SigningKey);

impl SealKey {
    /// The key with this seed, as RFC 8032 derives it.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The public half: `root_key` of a label or `next` of the previous seal.
    pub fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealKey(…)")
    }
}

/// A seal, signed.
#[derive(Debug, Clone)]
pub struct NewSeal {
    /// Head and list, for the medium.
    pub bytes: Vec<u8>,
    /// Digests of the head.
    pub head: BothDigests,
}

/// Signs a seal over a list of objects. Both were decoded and verified again: facts that make no well-formed seal are an
/// error, and so is a list that is too long.
pub fn sign(seal: &Seal, objects: &[Object], key: &SealKey) -> Result<NewSeal, Malformed> {
    let body = seal.encode_body();
    let signature = key.0.sign(&body).to_bytes();
    let head = Seal::with_signature(body, &signature);
    let again = Seal::decode(&head)?;
    let list = encode_list(objects);
    if again.seal != *seal || !verify(&again, &head, &key.public()) || seal.decode_list(&list)? != objects {
        return Err(Malformed::new("seal", "it does not decode to what was encoded"));
    }
    let digests = BothDigests::of(&head);
    let bytes = [head, list].concat();
    Malformed::limit("seal", bytes.len() as u64, limit::SEAL_BYTES)?;
    Ok(NewSeal { bytes, head: digests })
}

/// Signs a succession with the key that was derived from the recovery identity. Returns its bytes for the medium.
pub fn sign_succession(succession: &Succession, key: &SealKey) -> Vec<u8> {
    let body = succession.encode_body();
    let signature = key.0.sign(&body).to_bytes();
    Seal::with_signature(body, &signature)
}

/// Derives the succession key from the secret of a recovery identity, 32 bytes (section 9).
pub fn succession_key(secret: &[u8; 32]) -> SealKey {
    let seed = Zeroizing::new(blake3::derive_key("azekura 1 succession", secret));
    SealKey::from_seed(&seed)
}

/// Whether the signature of `signed`, which was decoded from `bytes`, is valid under `public`, by the rule of [`ed25519`].
pub fn verify(signed: &Signed, bytes: &[u8], public: &[u8; 32]) -> bool {
    bytes.get(..signed.body_bytes).is_some_and(|body| ed25519::verify(public, body, &signed.signature))
}

/// The same for a succession.
pub fn verify_succession(signed: &SignedSuccession, bytes: &[u8], public: &[u8; 32]) -> bool {
    bytes.get(..signed.body_bytes).is_some_and(|body| ed25519::verify(public, body, &signed.signature))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::digests::Digests;
    use crate::format::merkle::MerkleTree;
    use crate::format::object::{Id, ObjectKind, hex, unhex};
    use crate::format::seal::{ReadBack, Verdict};
    use proptest::prelude::*;
    use std::process::Command;

    fn objects() -> Vec<Object> {
        vec![Object {
            number: 0,
            kind: ObjectKind::Manifest,
            length: 9,
            digests: Some(Digests { blake3: [6; 32], sha256: None }),
        }]
    }

    pub(super) fn seal() -> Seal {
        Seal {
            set: Id([1; 16]),
            label: [7; 32],
            generation: 1,
            time: "2026-11-23T03:31:54Z".to_owned(),
            earlier: 0,
            heads: MerkleTree::default().root(),
            previous: None,
            succession: None,
            first: 0,
            count: 1,
            list: BothDigests::of(&encode_list(&objects())),
            record_count: 3,
            records: [4; 32],
            read_back: ReadBack::Direct,
            verdict: Verdict::Good,
            next: [5; 32],
        }
    }

    /// RFC 8032, section 7.1, test 1.
    #[test]
    fn keys_are_those_of_rfc_8032() {
        let seed = unhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60").unwrap();
        let key = SealKey::from_seed(&seed);
        assert_eq!(hex(&key.public()), "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
        assert_eq!(
            hex(&key.0.sign(b"").to_bytes()),
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
        );
        assert_eq!(format!("{key:?}"), "SealKey(…)");
    }

    #[test]
    fn only_the_right_key_and_text_verify() {
        let key = SealKey::from_seed(&[9; 32]);
        let bytes = sign(&seal(), &objects(), &key).unwrap().bytes;
        let signed = Seal::decode(&bytes).unwrap();
        assert!(verify(&signed, &bytes, &key.public()));
        assert!(!verify(&signed, &bytes, &SealKey::from_seed(&[8; 32]).public()));
        assert!(!verify(&signed, &bytes, &[0; 32]), "a key of small order");
        assert!(!verify(&signed, &bytes[..10], &key.public()));
        for at in 0..signed.body_bytes {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            assert!(!verify(&signed, &bad, &key.public()), "flip at {at}");
        }
        let torn = Seal { time: "2026\nobjects".to_owned(), ..seal() };
        assert!(sign(&torn, &objects(), &key).is_err(), "a seal that does not decode is not signed");
    }

    /// The recipe in `docs/format.md`.
    #[test]
    fn openssl_verifies_a_seal() {
        if Command::new("openssl").arg("version").output().is_err() {
            crate::machine::skipped("openssl verifies a seal: openssl is missing");
            return;
        }
        let key = SealKey::from_seed(&[9; 32]);
        let bytes = sign(&seal(), &objects(), &key).unwrap().bytes;
        let signed = Seal::decode(&bytes).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| std::fs::write(dir.path().join(name), bytes).unwrap();
        file("key.der", &[&unhex::<12>("302a300506032b6570032100").unwrap()[..], &key.public()].concat());
        file("body", &bytes[..signed.body_bytes]);
        file("sig", &signed.signature);
        let out = Command::new("openssl")
            .args("pkeyutl -verify -pubin -keyform DER -inkey key.der -rawin -in body -sigfile sig".split(' '))
            .current_dir(dir.path())
            .output()
            .unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    }

    proptest! {
        #[test]
        fn verifying_never_panics(body in 0usize..2000, signature: [u8; 32], public: [u8; 32]) {
            let bytes = sign(&seal(), &objects(), &SealKey::from_seed(&[9; 32])).unwrap().bytes;
            let mut both = [0; 64];
            both[..32].copy_from_slice(&signature);
            let signed = Signed { seal: seal(), signature: both, body_bytes: body, head_bytes: body };
            prop_assert!(!verify(&signed, &bytes, &public));
        }
    }
}
