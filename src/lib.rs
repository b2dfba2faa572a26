//! Azekura: sealed, encrypted, deduplicated generations on media that can be taken away.
//!
//! # What it does
//!
//! A *generation* is one complete backup. It is written to a *medium*: a folder on a removable disk, or a tape. A medium is only ever
//! appended to. Content is cut into *chunks*, and a chunk that the *medium set* has already is not stored again. The rest is packed and
//! encrypted to age *recipients*: the host that backs up has no key that opens a backup.
//!
//! Each generation is closed by a *seal*: a signed text that lists every object with its digest, names the previous seal, and announces
//! the next key; the used key is destroyed. So anyone can check a medium without a key, and a thief who takes the host today cannot
//! rewrite yesterday. 16 characters of a seal's digest, its *check code*, go on paper.
//!
//! # How to use it
//!
//! A job is a function that takes its options, an [`Env`] and an [`Observer`], and returns a report. The library never prints, prompts,
//! reads the environment or asks for the time: the [`Env`] brings what a job needs from outside. In the order in which one meets them:
//!
//! 1. [`Identity`]: the recovery key. Only its recipients go to the host.
//! 2. [`backup()`]: writes the next generation, and the first time begins a set.
//! 3. [`verify()`]: checks a medium, without a key.
//! 4. [`restore()`]: brings a generation back, or a part of it.
//! 5. [`job`] has the others: compare a tree with a generation, prove one record, search for traces of an intruder, copy a medium.
//!
//! ```
//! use azekura::backup::{NewSetOptions, SourceOptions};
//! use azekura::{Env, Identity, NoLoader, NoObserver, Time, backup, restore, verify};
//! use std::sync::atomic::AtomicBool;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let home = tempfile::tempdir()?;
//! # let home = home.path();
//! std::fs::create_dir_all(home.join("records"))?;
//! std::fs::create_dir_all(home.join("medium"))?;
//! std::fs::write(home.join("records/0001.hl7"), "MSH|^~\\&|")?;
//!
//! // What a job gets from outside.
//! let now = || {
//!     let since_1970 = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
//!     Time { seconds: since_1970.as_secs() as i64, nanoseconds: since_1970.subsec_nanos() }
//! };
//! let random = |bytes: &mut [u8]| getrandom::fill(bytes).expect("the system's secure source");
//! let interrupted = AtomicBool::new(false);
//! let env = Env { now: &now, random: &random, host: "host", interrupted: &interrupted, loader: &NoLoader, threads: 2 };
//!
//! // The identity belongs into a safe; the host gets its recipients.
//! let identity = Identity::generate();
//! let recipients = identity.recipients().texts().to_vec();
//!
//! let sources = vec![SourceOptions::new("records", home.join("records"))];
//! let mut options = backup::Options::new(home.join("state"), home.join("medium"), sources);
//! options.init = Some(NewSetOptions::new("clinic", recipients));
//! let sealed = backup(&options, &env, &NoObserver)?;
//! assert_eq!(sealed.generation, 1);
//!
//! // Without a key, against the check code on paper.
//! let mut options = verify::Options::new(home.join("medium"));
//! options.expect = Some(sealed.check_code.into());
//! assert!(verify(&options, &env, &NoObserver)?.is_good());
//!
//! // With the identity.
//! let options = restore::Options::new(home.join("medium"), home.join("restored"));
//! let restored = restore(&options, &identity, &env, &NoObserver)?;
//! assert_eq!(restored.not_restored, 0);
//! assert_eq!(std::fs::read(home.join("restored/records/0001.hl7"))?, std::fs::read(home.join("records/0001.hl7"))?);
//! # Ok(())
//! # }
//! ```
//!
//! # How it is built
//!
//! `docs/architecture.md` is the map. Arrows point right only:
//! `cli (bin) → answer → job · report → set · generation → seal · env → pipeline · medium · host · tripwire → format · event · buffer · interruption · lock · trust · user · cage → sha256`.

#![warn(missing_docs)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod answer;
pub mod buffer;
pub mod cage;
pub mod env;
pub mod event;
pub mod format;
pub mod generation;
pub mod host;
pub mod interruption;
pub mod job;
pub mod lock;
#[cfg(test)]
#[path = "../tests/machine/mod.rs"]
mod machine;
pub mod medium;
pub mod pipeline;
pub mod report;
pub mod seal;
pub mod set;
pub mod sha256;
pub mod tripwire;
pub mod trust;
pub mod user;

pub use env::Env;
pub use event::{Event, NoObserver, Observer};
pub use format::cbor::Time;
pub use format::check_code::CheckCode;
pub use job::backup::{self, backup};
pub use job::inspect::verify::{self, verify};
pub use job::restore::{self, restore};
pub use medium::loader::NoLoader;
pub use pipeline::encryptor::Identity;
