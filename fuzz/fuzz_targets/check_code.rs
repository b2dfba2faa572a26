//! Short texts: a check code as a person types it, the names of an object's file and folder, an id.
#![no_main]

use azekura::format::check_code::WrittenCode;
use azekura::format::object::{Id, file_name, folder_name, parse_file_name, parse_folder_name};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(code) = text.parse::<WrittenCode>() {
        let digits = code.to_string().replace('-', "");
        assert!((16..=51).contains(&digits.len()));
        assert_eq!(digits.parse(), Ok(code));
        let typed = text.chars().filter(|c| !matches!(c, ' ' | '-')).count();
        assert_eq!(typed, digits.len(), "every digit counts");
    }
    if let Some((number, kind)) = parse_file_name(text) {
        assert_eq!(file_name(number, kind), text, "an object has one name");
    }
    if let Some(thousands) = parse_folder_name(text) {
        assert_eq!(folder_name(thousands), text, "a folder of thousands has one name");
    }
    if let Ok(id) = text.parse::<Id>() {
        assert_eq!(id.to_string(), text, "an id has one spelling");
    }
});
