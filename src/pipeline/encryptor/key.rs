//! Keys as people keep them: recipients on the host, identities on paper or on a USB key in the safe, passphrases.

use crate::format::label::Fingerprint;
use crate::format::typed::without_dividers;
use age::secrecy::{ExposeSecret, SecretString};
use std::fmt;
use std::io::{Read, Write};
use zeroize::{Zeroize, Zeroizing};

/// A longer identity file is refused.
pub const IDENTITY_FILE_BYTES: usize = 64 << 10;
/// Fewest characters of a passphrase that protects a key (the ministry's guideline).
pub const PASSPHRASE_CHARACTERS: usize = 13;
/// scrypt's cost as a power of two: 2^18 takes about a second and 256 MiB. Also the default of the `age` command.
pub const DEFAULT_WORK_FACTOR: u8 = 18;
/// A file with a higher cost is refused: 2^22 takes 4 GiB. Also the limit of the `age` command.
pub const MAX_WORK_FACTOR: u8 = 22;

/// Why recipients were refused. The texts are not repeated: one of them may be a secret key given by mistake. Recipients are
/// counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecipientError {
    /// The list is empty: what is encrypted to nobody could never be restored.
    #[error("no recipient is given")]
    None,
    /// Treat the key as exposed: it was typed or stored on this host.
    #[error("recipient {place} is a secret key, which must never be on this host")]
    Secret {
        /// Its place in the list, from 1.
        place: usize,
    },
    /// Mistyped, of another kind (SSH, plugin), or a point of the curve that gives no secret.
    #[error("recipient {place} is not an age X25519 recipient (age1…)")]
    Invalid {
        /// Its place in the list, from 1.
        place: usize,
    },
}

/// Public keys of those who can decrypt: the nightly host needs no more. Never empty.
#[derive(Clone)]
pub struct Recipients {
    keys: Vec<age::x25519::Recipient>,
    texts: Vec<String>,
}

impl Recipients {
    /// Recipients in the given order, without repetitions.
    pub fn parse<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Result<Self, RecipientError> {
        let mut keys = Vec::new();
        for (text, place) in texts.into_iter().zip(1..) {
            let typed = typed_key(text.as_ref());
            if typed.starts_with("AGESECRETKEY") {
                return Err(RecipientError::Secret { place });
            }
            let digits = typed.strip_prefix("AGEL").ok_or(RecipientError::Invalid { place })?;
            let text = format!("age1{}", digits.to_ascii_lowercase());
            let key: age::x25519::Recipient = text.parse().map_err(|_| RecipientError::Invalid { place })?;
            if !contributes(&text) {
                return Err(RecipientError::Invalid { place });
            }
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        Self::of(keys).ok_or(RecipientError::None)
    }

    fn of(keys: Vec<age::x25519::Recipient>) -> Option<Self> {
        let texts = keys.iter().map(ToString::to_string).collect();
        (!keys.is_empty()).then_some(Self { keys, texts })
    }

    pub(super) fn keys(&self) -> &[age::x25519::Recipient] {
        &self.keys
    }

    /// As in a manifest: `age1…`.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }

    /// As in a label.
    pub fn fingerprints(&self) -> Vec<String> {
        self.texts.iter().map(|t| Fingerprint::of(t).to_string()).collect()
    }
}

impl fmt::Debug for Recipients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.texts).finish()
    }
}

/// A key as somebody typed it, in capitals. Bech32 has no `O`, `I` and `1` behind its separator, so letters and digits that
/// look alike are told apart; its checksum finds all else. The separator is `L` here.
fn typed_key(text: &str) -> Zeroizing<String> {
    let digit = |c: char| match c.to_ascii_uppercase() {
        'O' => '0',
        'I' | '1' => 'L',
        digit => digit,
    };
    // No character gets longer: a string that grows leaves copies of the secret behind.
    let mut key = Zeroizing::new(String::with_capacity(text.len()));
    key.extend(without_dividers(text).map(digit));
    key
}

/// A secret key, the digits of which may be on several lines.
struct TypedSecret {
    /// Where it begins.
    line: usize,
    text: Zeroizing<String>,
}

impl TypedSecret {
    const PREFIX: &str = "AGE-SECRET-KEY-1";
    /// The prefix, 32 bytes in digits of 5 bits, and 6 digits of checksum.
    const LENGTH: usize = Self::PREFIX.len() + 58;

    fn begin(line: usize, digits: &str) -> Result<Self, IdentityError> {
        let mut key = Self { line, text: Zeroizing::new(String::with_capacity(Self::LENGTH)) };
        key.text.push_str(Self::PREFIX);
        key.go_on(digits)?;
        Ok(key)
    }

    fn is_whole(&self) -> bool {
        self.text.len() == Self::LENGTH
    }

    fn go_on(&mut self, digits: &str) -> Result<(), IdentityError> {
        if self.text.len() + digits.len() > Self::LENGTH {
            return Err(IdentityError::Line { line: self.line });
        }
        self.text.push_str(digits);
        Ok(())
    }

    fn end(self) -> Result<age::x25519::Identity, IdentityError> {
        self.text.parse().map_err(|_| IdentityError::Line { line: self.line })
    }
}

/// Whether a recipient's point contributes to the key agreement. With one of the few points that do not, the `age` crate
/// would panic at the first pack.
fn contributes(text: &str) -> bool {
    use ring::agreement::{EphemeralPrivateKey, UnparsedPublicKey, X25519, agree_ephemeral};
    let point = age_core::primitives::bech32_decode(text, |_| (), |_| Ok(()), |_, bytes| Ok(bytes.collect::<Vec<u8>>()));
    let Ok(point) = point else { return false };
    // A failing random source is not the recipient's fault. Encryption will report it.
    let Ok(trial) = EphemeralPrivateKey::generate(&X25519, &ring::rand::SystemRandom::new()) else { return true };
    agree_ephemeral(trial, &UnparsedPublicKey::new(&X25519, point), |_| ()).is_ok()
}

/// A passphrase that protects an identity. Wipes itself; `Debug` shows nothing.
pub struct Passphrase(SecretString);

/// The passphrase is too short.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a passphrase of {characters} characters is too short; {PASSPHRASE_CHARACTERS} are the least")]
pub struct PassphraseTooShort {
    /// Characters that it has.
    pub characters: usize,
}

impl Passphrase {
    /// A new passphrase.
    pub fn chosen(text: Zeroizing<String>) -> Result<Self, PassphraseTooShort> {
        match text.chars().count() {
            characters if characters < PASSPHRASE_CHARACTERS => Err(PassphraseTooShort { characters }),
            _ => Ok(Self::entered(text)),
        }
    }

    /// A passphrase that protects something already. It may have any length.
    pub fn entered(text: Zeroizing<String>) -> Self {
        // A copy of exactly its size: shrinking would leave the secret behind in the freed memory.
        Self(SecretString::from(text.as_str().to_owned()))
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(…)")
    }
}

/// Why an identity file was refused. Nothing of its text is repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// It is hardly an identity file; it was not looked at further.
    #[error("the identity file has more than {IDENTITY_FILE_BYTES} bytes")]
    TooLarge,
    /// It has only comments and empty lines, or nothing.
    #[error("the identity file contains no key")]
    NoKey,
    /// No key of the file is used then, also not those of the other lines.
    #[error("line {line} of the identity file is not an age secret key (AGE-SECRET-KEY-1…)")]
    Line {
        /// Counted from 1; in an encrypted file, of its content.
        line: usize,
    },
    /// Ask for the passphrase, and parse the file again with it.
    #[error("the identity file is encrypted and needs a passphrase")]
    PassphraseNeeded,
    /// Mistyped, or the passphrase of another file. It can be entered again as often as necessary.
    #[error("the passphrase does not open the identity file")]
    PassphraseWrong,
    /// Another identity would be needed to open it; this program does not do that.
    #[error("the identity file is encrypted to a key, not with a passphrase")]
    NotPassphrase,
    /// To try the passphrase would take too much memory and time. It was not tried.
    #[error("the identity file asks for a work factor of {required}; {MAX_WORK_FACTOR} is the limit")]
    WorkFactor {
        /// The exponent in the file: each step doubles memory and time.
        required: u8,
    },
    /// Its armor, header or content was changed. A copy of the file may be whole; the passphrase may be right.
    #[error("the encrypted identity file is damaged")]
    Damaged,
}

/// One or more secret keys. They wipe themselves; `Debug` shows nothing. Never empty.
pub struct Identity {
    keys: Vec<age::x25519::Identity>,
}

impl Identity {
    /// One new key from the operating system's random source.
    pub fn generate() -> Self {
        Self { keys: vec![age::x25519::Identity::generate()] }
    }

    /// Reads an identity file: lines with keys and comments, or such a file encrypted with a passphrase (binary or armored).
    pub fn parse(file: &[u8], passphrase: Option<&Passphrase>) -> Result<Self, IdentityError> {
        if file.len() > IDENTITY_FILE_BYTES {
            return Err(IdentityError::TooLarge);
        }
        if is_encrypted(file) {
            let passphrase = passphrase.ok_or(IdentityError::PassphraseNeeded)?;
            return Self::parse_text(&decrypt_with_passphrase(file, passphrase)?);
        }
        Self::parse_text(file)
    }

    fn parse_text(text: &[u8]) -> Result<Self, IdentityError> {
        let (mut keys, mut last) = (Vec::new(), None::<TypedSecret>);
        for (bytes, line) in text.split(|b| *b == b'\n').zip(1..) {
            let text = str::from_utf8(bytes).map_err(|_| IdentityError::Line { line })?;
            let typed = typed_key(text);
            if typed.is_empty() || typed.starts_with('#') {
                continue;
            }
            match (typed.strip_prefix("AGESECRETKEYL"), &mut last) {
                (Some(digits), _) => {
                    let before = last.replace(TypedSecret::begin(line, digits)?);
                    keys.extend(before.map(TypedSecret::end).transpose()?);
                }
                (None, Some(begun)) if !begun.is_whole() => begun.go_on(&typed)?,
                _ => return Err(IdentityError::Line { line }),
            }
        }
        keys.extend(last.map(TypedSecret::end).transpose()?);
        if keys.is_empty() { Err(IdentityError::NoKey) } else { Ok(Self { keys }) }
    }

    pub(super) fn keys(&self) -> &[age::x25519::Identity] {
        &self.keys
    }

    /// The public halves, in order.
    pub fn recipients(&self) -> Recipients {
        let mut keys = Vec::new();
        for key in self.keys.iter().map(|k| k.to_public()) {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        Recipients::of(keys).unwrap_or_else(|| unreachable!("an identity has a key"))
    }

    /// The secret keys as text, `AGE-SECRET-KEY-1…`.
    pub fn texts(&self) -> Vec<Zeroizing<String>> {
        self.keys.iter().map(|k| Zeroizing::new(k.to_string().expose_secret().to_owned())).collect()
    }

    /// An identity file as `age-keygen` writes it; `created` is its date, for people.
    pub fn file_text(&self, created: &str) -> Zeroizing<String> {
        // The greatest possible size: a string that grows leaves copies of the secret behind.
        let mut text = Zeroizing::new(String::with_capacity(self.keys.len() * 256 + created.len()));
        for (i, (key, secret)) in self.keys.iter().zip(self.texts()).enumerate() {
            if i == 0 {
                text.push_str("# created: ");
                text.extend(created.chars().map(|c| if c.is_control() { ' ' } else { c }));
                text.push('\n');
            }
            for part in ["# public key: ", &key.to_public().to_string(), "\n", &secret, "\n"] {
                text.push_str(part);
            }
        }
        text
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(…)")
    }
}

pub(super) fn is_encrypted(file: &[u8]) -> bool {
    let start = file.trim_ascii_start();
    start.starts_with(b"age-encryption.org/") || start.starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----")
}

/// An armored age file that `age -d` opens with the passphrase, and that `age -i` takes as an identity file.
/// `work_factor` is a power of two from 1 to [`MAX_WORK_FACTOR`], normally [`DEFAULT_WORK_FACTOR`].
pub fn encrypt_with_passphrase(text: &str, passphrase: &Passphrase, work_factor: u8) -> Result<String, super::EncryptError> {
    let failed = |e: std::io::Error| super::EncryptError { source: e.into() };
    let mut recipient = age::scrypt::Recipient::new(passphrase.0.clone());
    recipient.set_work_factor(work_factor.clamp(1, MAX_WORK_FACTOR));
    let encryptor =
        age::Encryptor::with_recipients(std::iter::once(&recipient as _)).map_err(|source| super::EncryptError { source })?;
    let armor = age::armor::ArmoredWriter::wrap_output(Vec::new(), age::armor::Format::AsciiArmor).map_err(failed)?;
    let mut writer = encryptor.wrap_output(armor).map_err(failed)?;
    writer.write_all(text.as_bytes()).map_err(failed)?;
    let armored = writer.finish().and_then(|armor| armor.finish()).map_err(failed)?;
    Ok(String::from_utf8(armored).unwrap_or_else(|_| unreachable!("armor is ASCII")))
}

/// The age file itself, where the file may be armored.
pub(super) fn without_armor(file: &[u8]) -> Result<Vec<u8>, IdentityError> {
    let mut binary = Vec::new();
    let read = age::armor::ArmoredReader::new(file.trim_ascii_start()).read_to_end(&mut binary);
    read.map_or(Err(IdentityError::Damaged), |_| Ok(binary))
}

pub(super) fn decrypt_with_passphrase(file: &[u8], passphrase: &Passphrase) -> Result<Zeroizing<Vec<u8>>, IdentityError> {
    let binary = without_armor(file)?;
    let decryptor = age::Decryptor::new_buffered(&binary[..]).map_err(|_| IdentityError::Damaged)?;
    if !decryptor.is_scrypt() {
        return Err(IdentityError::NotPassphrase);
    }
    let mut identity = age::scrypt::Identity::new(passphrase.0.clone());
    identity.set_max_work_factor(MAX_WORK_FACTOR);
    let mut reader = decryptor.decrypt(std::iter::once(&identity as _)).map_err(|e| match e {
        age::DecryptError::ExcessiveWork { required, .. } => IdentityError::WorkFactor { required },
        age::DecryptError::InvalidHeader | age::DecryptError::InvalidMac => IdentityError::Damaged,
        _ => IdentityError::PassphraseWrong,
    })?;
    // A buffer of fixed size: a vector that grows leaves copies of the secret behind.
    let mut text = Zeroizing::new(vec![0; file.len()]);
    let mut length = 0;
    loop {
        match reader.read(&mut text[length..]) {
            Ok(0) => break,
            Ok(n) => length += n,
            Err(_) => {
                text.zeroize();
                return Err(IdentityError::Damaged);
            }
        }
    }
    text.truncate(length);
    Ok(text)
}
