//! Parsers for values of arguments that are neither a number nor a path.

use super::text::{Message, message};
use azekura::format::check_code::WrittenCode;
use azekura::format::object::{Id, unhex};

pub fn check_code(typed: &str) -> Result<WrittenCode, Message> {
    typed.parse().map_err(|_| message!("value.check-code"))
}

/// A root key as the key sheet prints it, with or without spaces and hyphens between its groups.
pub fn root_key(typed: &str) -> Result<[u8; 32], Message> {
    let digits: String = typed.to_lowercase().chars().filter(|c| !matches!(c, ' ' | '-')).collect();
    unhex(&digits).ok_or_else(|| message!("value.root-key"))
}

pub fn set_id(typed: &str) -> Result<Id, Message> {
    typed.parse().map_err(|_| message!("value.set-id"))
}
