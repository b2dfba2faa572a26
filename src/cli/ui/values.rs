//! Values of arguments that are more than a number or a path.

use super::text::{Message, message};
use azekura::format::check_code::CheckCode;
use azekura::format::object::{Id, unhex};

pub fn check_code(typed: &str) -> Result<CheckCode, Message> {
    typed.parse().map_err(|_| message!("value.check-code"))
}

/// As the key sheet prints it; what the eye puts between its groups does not matter.
pub fn root_key(typed: &str) -> Result<[u8; 32], Message> {
    let digits: String = typed.to_lowercase().chars().filter(|c| !matches!(c, ' ' | '-')).collect();
    unhex(&digits).ok_or_else(|| message!("value.root-key"))
}

pub fn set_id(typed: &str) -> Result<Id, Message> {
    typed.parse().map_err(|_| message!("value.set-id"))
}
