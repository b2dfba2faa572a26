//! Errors of the command line, explained like any other error instead of in clap's English.

use crate::cli::ui::exit::Exit;
use crate::cli::ui::explain::CommandError;
use crate::cli::ui::text::{Message, message};
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// What to do with clap's answer.
pub enum ParseEnd {
    /// Help or version: wanted, and printed on standard output.
    Print(String),
    Fail(CommandError),
}

pub fn answer(error: &clap::Error) -> ParseEnd {
    let get = |kind| error.get(kind).map(plain).unwrap_or_default();
    let argument = get(ContextKind::InvalidArg);
    let message = match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => return ParseEnd::Print(error.render().to_string()),
        ErrorKind::UnknownArgument => message!("error.usage.unknown", argument = argument),
        ErrorKind::InvalidSubcommand => message!("error.usage.command", command = get(ContextKind::InvalidSubcommand)),
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => message!("error.usage.no-command"),
        ErrorKind::MissingRequiredArgument => message!("error.usage.required", argument = argument),
        ErrorKind::ArgumentConflict => match error.get(ContextKind::PriorArg).map(plain) {
            Some(prior) if prior != argument => message!("error.usage.conflict", argument = argument, prior = prior),
            _ => message!("error.usage.twice", argument = argument),
        },
        ErrorKind::InvalidUtf8 => message!("error.usage.utf8"),
        ErrorKind::InvalidValue if get(ContextKind::InvalidValue).is_empty() => {
            message!("error.usage.no-value", argument = argument)
        }
        ErrorKind::TooFewValues | ErrorKind::WrongNumberOfValues => message!("error.usage.no-value", argument = argument),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation | ErrorKind::TooManyValues | ErrorKind::NoEquals => {
            message!("error.usage.value", argument = argument, value = get(ContextKind::InvalidValue))
        }
        // clap may add kinds; its own words are better than none.
        _ => message!("error.usage.other", text = error.to_string().lines().next().unwrap_or_default()),
    };
    let explained = CommandError::usage(message, hint(error));
    // Our own parsers say what a value has to look like; clap's say it in English only.
    let cause = std::error::Error::source(error).and_then(|e| e.downcast_ref::<Message>()).cloned();
    ParseEnd::Fail(match cause {
        Some(cause) => explained.cause(cause),
        None => explained,
    })
}

/// One next action: what was probably meant, else the values there are, else the help.
fn hint(error: &clap::Error) -> Message {
    let suggestion = [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg, ContextKind::SuggestedValue];
    let suggested = suggestion.iter().find_map(|kind| error.get(*kind)).map(plain);
    if let Some(suggestion) = suggested.filter(|s| !s.is_empty()) {
        return message!("hint.usage.suggested", suggestion = suggestion);
    }
    match error.get(ContextKind::ValidValue).map(plain).filter(|v| !v.is_empty()) {
        Some(values) => message!("hint.usage.values", values = values),
        None => message!("hint.usage.help"),
    }
}

fn plain(value: &ContextValue) -> String {
    match value {
        ContextValue::Strings(all) => all.join(", "),
        ContextValue::String(one) => one.clone(),
        ContextValue::Number(n) => n.to_string(),
        ContextValue::StyledStr(text) => text.to_string(),
        ContextValue::StyledStrs(all) => all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        _ => String::new(),
    }
}

impl CommandError {
    /// A complaint about the command line.
    pub fn usage(message: Message, hint: Message) -> Self {
        Self { message, causes: Vec::new(), hint, exit: Exit::Usage }
    }
}
