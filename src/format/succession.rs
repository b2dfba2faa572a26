//! Section 19: the statement that names another next seal key, when the host that had it is lost.

use super::digests::BothDigests;
use super::object::{Id, hex};
use super::text::TextLines;
use super::{Malformed, limit};

/// A succession, without its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Succession {
    /// The medium set.
    pub set: Id,
    /// Of the head of the last seal.
    pub previous: BothDigests,
    /// Public key that verifies the seal after it.
    pub next: [u8; 32],
}

/// A succession as it is on the medium. The signature has not been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedSuccession {
    /// What it says.
    pub succession: Succession,
    /// Ed25519, over the body.
    pub signature: [u8; 64],
    /// How many of the first bytes are signed.
    pub body_bytes: usize,
}

impl Succession {
    /// The bytes to sign.
    pub fn encode_body(&self) -> Vec<u8> {
        let (blake3, sha256) = (hex(&self.previous.blake3), hex(&self.previous.sha256));
        let next = hex(&self.next);
        format!("azekura succession 1\nset {}\nprevious {blake3} {sha256}\nnext ed25519 {next}\n", self.set).into_bytes()
    }

    /// Decodes a succession, without checking its signature.
    pub fn decode(bytes: &[u8]) -> Result<SignedSuccession, Malformed> {
        Malformed::limit("succession", bytes.len() as u64, limit::LABEL_BYTES)?;
        let mut lines = TextLines::begin("succession", bytes)?;
        let set = lines.hex("set").map(Id)?;
        let [blake3, sha256] = lines.fields("previous")?;
        let previous = BothDigests { blake3: lines.to_hex(blake3)?, sha256: lines.to_hex(sha256)? };
        let next = lines.ed25519("next")?;
        let body_bytes = bytes.len() - lines.remaining();
        let signature = lines.ed25519("signature")?;
        lines.end()?;
        Ok(SignedSuccession { succession: Self { set, previous, next }, signature, body_bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_refused_for_its_length() {
        let succession = Succession { set: Id([1; 16]), previous: BothDigests::of(b"head"), next: [2; 32] };
        let mut bytes = crate::format::seal::Seal::with_signature(succession.encode_body(), &[3; 64]);
        assert!(Succession::decode(&bytes).is_ok_and(|signed| signed.succession == succession));
        bytes.resize(limit::LABEL_BYTES as usize + 1, b'\n');
        assert!(matches!(Succession::decode(&bytes), Err(Malformed::TooLarge { .. })));
    }
}
