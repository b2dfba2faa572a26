//! Section 3: the label.

use super::object::{Id, hex, unhex};
use super::{Malformed, VERSION, limit};
use serde::{Deserialize, Serialize};

/// Identifies a medium: the first object on it, not encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The medium set.
    pub set: Id,
    /// Name of the set.
    pub name: String,
    /// The medium.
    pub medium: Id,
    /// Number of the medium within its set, from 1.
    pub place: u64,
    /// Number of the first object on the medium: of the label itself.
    pub first_object: u64,
    /// RFC 3339, UTC.
    pub created: String,
    /// First 16 hexadecimal digits of the BLAKE3 of each recipient.
    pub recipients: Vec<String>,
    /// Public key that verifies the first seal.
    pub root_key: [u8; 32],
    /// Name and version of the program that wrote it.
    pub tool: String,
    /// The set is in quarantine: it keeps a state that may be contaminated, as evidence, and is used only when it is named.
    pub quarantine: bool,
}

#[derive(Serialize, Deserialize)]
struct LabelText {
    azekura: u64,
    set: String,
    name: String,
    medium: String,
    place: u64,
    first_object: u64,
    created: String,
    recipients: Vec<String>,
    root_key: String,
    tool: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    quarantine: bool,
}

/// The field that every version has.
#[derive(Deserialize)]
struct VersionOnly {
    azekura: u64,
}

impl Label {
    /// The label as it is stored: JSON.
    pub fn encode(&self) -> Vec<u8> {
        let text = LabelText {
            azekura: VERSION,
            set: self.set.to_string(),
            name: self.name.clone(),
            medium: self.medium.to_string(),
            place: self.place,
            first_object: self.first_object,
            created: self.created.clone(),
            recipients: self.recipients.clone(),
            root_key: hex(&self.root_key),
            tool: self.tool.clone(),
            quarantine: self.quarantine,
        };
        let mut out = serde_json::to_vec_pretty(&text).unwrap_or_else(|_| unreachable!("text and numbers always encode"));
        out.push(b'\n');
        out
    }

    /// Decodes a label and checks what the format promises of it.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let wrong = |why: String| Malformed::new("label", why);
        Malformed::limit("label", bytes.len() as u64, limit::LABEL_BYTES)?;
        let version: VersionOnly = serde_json::from_slice(bytes).map_err(|e| wrong(e.to_string()))?;
        match version.azekura {
            // A label that lost only its last byte is still valid JSON.
            VERSION if bytes.last() != Some(&b'\n') => return Err(wrong("it does not end with a line feed".into())),
            VERSION => {}
            0 => return Err(wrong("there is no version 0".into())),
            found => return Err(Malformed::Newer { what: "label", found }),
        }
        let text: LabelText = serde_json::from_slice(bytes).map_err(|e| wrong(e.to_string()))?;
        if text.place == 0 {
            return Err(wrong("places are counted from 1".into()));
        }
        Malformed::limit("object number", text.first_object, limit::OBJECT_NUMBER)?;
        Ok(Self {
            set: text.set.parse()?,
            name: text.name,
            medium: text.medium.parse()?,
            place: text.place,
            first_object: text.first_object,
            created: text.created,
            recipients: text.recipients,
            root_key: unhex(&text.root_key).ok_or_else(|| wrong("root_key is not 64 hexadecimal digits".into()))?,
            tool: text.tool,
            quarantine: text.quarantine,
        })
    }
}

/// How a label names a recipient: the first 16 hexadecimal digits of its BLAKE3.
pub fn fingerprint(recipient: &str) -> String {
    hex(&blake3::hash(recipient.as_bytes()).as_bytes()[..8])
}
