//! One file or folder for each job of a user: a function, its Options, its Report.
//!
//! **Invariant:** nothing here prints, prompts, reads the environment or asks for the time; [`Env`](crate::env::Env)
//! brings it.

pub mod backup;
pub mod compare;
pub mod incident;
pub mod inspect;
pub mod media;
pub mod rebuild;
pub mod restore;
pub mod status;
