//! Age files as another program makes them, or somebody who wants to read along.

use crate::tools::Dice;
use age_core::format::{FileKey, Stanza};
use std::collections::HashSet;
use std::io::Write;

/// Writes stanzas of its own into a header: type, arguments, bytes of the body.
#[derive(Clone)]
struct FurtherStanzas(Vec<(&'static str, Vec<&'static str>, usize)>);

impl age::Recipient for FurtherStanzas {
    fn wrap_file_key(&self, _: &FileKey) -> Result<(Vec<Stanza>, HashSet<String>), age::EncryptError> {
        let stanza = |(tag, args, length): &(&str, Vec<&str>, usize)| Stanza {
            tag: (*tag).into(),
            args: args.iter().map(ToString::to_string).collect(),
            body: vec![7; *length],
        };
        Ok((self.0.iter().map(stanza).collect(), HashSet::new()))
    }
}

/// Makes an age file of a plaintext.
pub type Encrypt = Box<dyn Fn(&[u8]) -> Vec<u8>>;

/// How the age files of a generation are made, and in words.
pub fn any_way(recipient: &str, dice: &mut Dice) -> (Encrypt, String) {
    let recipient: age::x25519::Recipient = recipient.parse().expect("a recipient");
    let point = "TEiF0ypqr+bpvcqXNyCVJpL7OuwPdVwPL7KQEbFDOCc";
    let further = match dice.below(12) {
        0 => vec![("X25519", vec![point], 32)],
        1 => vec![("joe-grease", vec!["x"], 5)],
        2 => vec![("a-grease", vec![], 0), ("b-grease", vec![], 48)],
        3 => vec![("mlkem768x25519", vec![point], 32)],
        4 => vec![("ssh-ed25519", vec!["Xyg06A", point], 32)],
        5 => vec![("X25519", vec!["short"], 32)],
        6 => vec![("grease", vec![], 3)],
        _ => Vec::new(),
    };
    let bend = if further.is_empty() { 1 + dice.below(6) } else { 0 };
    let at = dice.next();
    let said = format!("age files with {:?}, bend {bend}", further.iter().map(|s| s.0).collect::<Vec<_>>());
    let further = FurtherStanzas(further);
    let encrypt = move |plain: &[u8]| {
        let all: [&dyn age::Recipient; 2] = [&recipient, &further];
        let mut file = Vec::new();
        let mut writer =
            age::Encryptor::with_recipients(all.into_iter()).and_then(|e| Ok(e.wrap_output(&mut file)?)).expect("a header");
        writer.write_all(plain).expect("content");
        writer.finish().expect("an age file");
        let end_of_header = file.windows(5).position(|w| w == b"\n--- ").expect("a MAC") + 1;
        match bend {
            1 => file.push(0),
            2 => file.truncate(file.len() - 1),
            3 => drop(file.splice(..21, *b"age-encryption.org/v2")),
            4 => drop(file.splice(end_of_header..end_of_header, *b"-> X25519 x\n\n")),
            5 => {
                let at = end_of_header + (at % (file.len() - end_of_header) as u64) as usize;
                file[at] ^= 1;
            }
            6 => file = armor(&file),
            _ => {}
        }
        file
    };
    (Box::new(encrypt), said)
}

/// Age files as text.
pub fn armored(recipient: &str) -> Encrypt {
    let recipient: age::x25519::Recipient = recipient.parse().expect("a recipient");
    Box::new(move |plain| armor(&age::encrypt(&recipient, plain).expect("an age file")))
}

fn armor(file: &[u8]) -> Vec<u8> {
    let mut armored = age::armor::ArmoredWriter::wrap_output(Vec::new(), age::armor::Format::AsciiArmor).expect("armour");
    armored.write_all(file).expect("armour");
    armored.finish().expect("armour")
}
