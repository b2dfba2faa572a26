//! Values of arguments that are more than a number or a path.

use super::text::{Message, message};
use azekura::format::check_code::CheckCode;
use azekura::format::object::Id;

pub fn check_code(typed: &str) -> Result<CheckCode, Message> {
    typed.parse().map_err(|_| message!("value.check-code"))
}

pub fn set_id(typed: &str) -> Result<Id, Message> {
    typed.parse().map_err(|_| message!("value.set-id"))
}
