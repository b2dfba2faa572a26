//! Jobs that look at generations without restoring them.

pub mod generations;
pub mod history;
pub mod prove;
pub mod rehearse;
pub mod stamp;
pub mod verify;
