//! Errors as a person needs them: what happened, why, what to do next; and the exit code that follows.
//!
//! One file per room of the library. Each `match` names every variant, so that a new one does not compile until
//! somebody has decided what its reader should do. The texts are `error.X` in the catalogue, and `hint.X` is the one
//! next action.

mod backup;
mod compare;
mod copy;
mod data;
pub mod host;
mod keys;
mod medium;
mod proof;
mod restore;

use super::exit::Exit;
use super::printable::Printable;
use super::recorded;
use super::text::{Message, find, message};
use azekura::answer::Failure;
use std::fmt::Write;
use std::io;

/// An error of a command, explained: message, causes, the next action, the exit code.
#[derive(Debug)]
pub struct CommandError {
    pub message: Message,
    /// From the nearest to the farthest.
    pub causes: Vec<Message>,
    pub hint: Message,
    pub exit: Exit,
}

impl CommandError {
    /// `message` has a key `error.X`; its hint is `hint.X`.
    pub fn new(message: Message, exit: Exit) -> Self {
        Self { hint: message.hint(), message, causes: Vec::new(), exit }
    }

    pub fn cause(mut self, cause: Message) -> Self {
        self.causes.push(cause);
        self
    }

    /// Puts `self` before another error, which is its cause. The exit code and the hint are those of the other, which
    /// is more specific.
    pub fn because(self, other: Self) -> Self {
        let (hint, exit) = (other.hint.clone(), other.exit);
        Self { hint, exit, ..self.reasoned(other) }
    }

    /// Puts `self` before another error, which is its cause; its exit code and hint stay.
    pub fn reasoned(mut self, other: Self) -> Self {
        self.causes.push(other.message);
        self.causes.extend(other.causes);
        self
    }

    /// The command succeeded, but its result cannot be written to standard output.
    pub fn from_output(error: &io::Error) -> Self {
        Self::new(message!("error.output"), Exit::Failed).cause(io_reason(error))
    }

    /// For the terminal.
    pub fn text(&self) -> String {
        let mut text = format!("{} {}\n", find("heading.error"), self.message);
        if !self.causes.is_empty() {
            let _ = writeln!(text, "{}", find("heading.causes"));
        }
        for (cause, n) in self.causes.iter().zip(1..) {
            let _ = writeln!(text, "  {n}. {cause}");
        }
        let _ = writeln!(text, "{} {}", find("heading.hint"), self.hint);
        text
    }

    /// For programs.
    pub fn failure(&self) -> Failure {
        Failure {
            id: self.message.key().trim_start_matches("error.").into(),
            message: self.message.to_string().into(),
            causes: self.causes.iter().map(|c| c.to_string().into()).collect(),
            hint: self.hint.to_string().into(),
        }
    }
}

/// Why a call to the system failed, in the language chosen where the catalogue has the reason.
pub fn io_reason(error: &io::Error) -> Message {
    let known = error.raw_os_error().and_then(|n| Message::optional(format!("reason.errno.{n}")));
    known.unwrap_or_else(|| reason(error))
}

/// A cause in the words of a library.
pub fn reason(error: &dyn std::fmt::Display) -> Message {
    message!("reason.plain", text = recorded::cause(&error.to_string()))
}

/// The step that failed, as the library names it (`"opening the folder"`), in the language chosen.
fn step(what: &str) -> String {
    Message::optional(format!("step.{}", what.replace(' ', "-"))).map_or_else(|| what.printable(), |m| m.to_string())
}
