//! What may happen to any unit whatever it is told to do: it fails, it was reset, it is slow.

use super::{Command, Sense, operation};
use std::collections::VecDeque;
use std::time::Duration;

/// Commands of one kind fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    pub operation: u8,
    pub sense: Sense,
    /// How many still succeed before.
    pub after: u32,
    /// How many fail then.
    pub count: u32,
    /// Whether the command is carried out nevertheless: then only its answer is wrong.
    pub is_done: bool,
}

impl Fault {
    /// A `count` that never ends.
    pub const ALWAYS: u32 = u32::MAX;
}

#[derive(Default)]
pub struct Mishaps {
    pub faults: Vec<Fault>,
    /// How long every command takes.
    pub delay: Duration,
    attentions: VecDeque<Sense>,
}

/// What becomes of a command.
#[derive(Debug, PartialEq, Eq)]
pub enum Fate {
    Succeeds,
    Fails(Sense),
    /// It is carried out, and then said to have failed.
    FailsWhenDone(Sense),
}

impl Mishaps {
    /// Announces that something has happened: the next command is not carried out, but answered with this. That it happened more than
    /// once is not told.
    pub fn attend(&mut self, sense: Sense) {
        if !self.attentions.contains(&sense) {
            self.attentions.push_back(sense);
        }
    }

    /// REQUEST SENSE: what would be announced.
    pub fn request_sense(&mut self, command: &Command) -> Vec<u8> {
        let sense = self.attentions.pop_front().unwrap_or(Sense::NONE);
        command.limited(sense.bytes().to_vec(), 4, 1)
    }

    pub fn befall(&mut self, command: &Command) -> Fate {
        let operation = command.operation();
        let is_asked_any_time = matches!(operation, operation::INQUIRY | operation::REQUEST_SENSE);
        if !is_asked_any_time && let Some(attention) = self.attentions.pop_front() {
            return Fate::Fails(attention);
        }
        let Some(fault) = self.faults.iter_mut().find(|f| f.operation == operation && f.count > 0) else {
            return Fate::Succeeds;
        };
        if fault.after > 0 {
            fault.after -= 1;
            return Fate::Succeeds;
        }
        if fault.count != Fault::ALWAYS {
            fault.count -= 1;
        }
        if fault.is_done { Fate::FailsWhenDone(fault.sense) } else { Fate::Fails(fault.sense) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scsi::command;

    const WRITE: &[u8] = &[operation::WRITE_6];
    const SENSE: Sense = Sense::MEDIUM_ERROR_WRITING;

    #[test]
    fn a_fault_strikes_one_kind_of_command_when_and_as_often_as_it_should() {
        let mut mishaps = Mishaps::default();
        mishaps.faults.push(Fault { operation: operation::WRITE_6, sense: SENSE, after: 1, count: 2, is_done: false });
        mishaps.faults.push(Fault { operation: operation::WRITE_6, sense: SENSE, after: 0, count: Fault::ALWAYS, is_done: true });
        assert_eq!(mishaps.befall(&command(&[operation::READ_6])), Fate::Succeeds);
        assert_eq!(mishaps.befall(&command(WRITE)), Fate::Succeeds);
        assert_eq!(mishaps.befall(&command(WRITE)), Fate::Fails(SENSE));
        assert_eq!(mishaps.befall(&command(WRITE)), Fate::Fails(SENSE));
        for _ in 0..3 {
            assert_eq!(mishaps.befall(&command(WRITE)), Fate::FailsWhenDone(SENSE));
        }
    }

    #[test]
    fn an_attention_is_told_once_and_not_to_those_who_only_ask_who_is_there() {
        let mut mishaps = Mishaps::default();
        mishaps.attend(Sense::RESET);
        mishaps.attend(Sense::MEDIUM_MAY_HAVE_CHANGED);
        mishaps.attend(Sense::RESET);
        assert_eq!(mishaps.befall(&command(&[operation::INQUIRY])), Fate::Succeeds);
        assert_eq!(mishaps.befall(&command(WRITE)), Fate::Fails(Sense::RESET));
        let ask = command(&[operation::REQUEST_SENSE, 0, 0, 0, 18]);
        assert_eq!(mishaps.befall(&ask), Fate::Succeeds);
        assert_eq!(mishaps.request_sense(&ask), Sense::MEDIUM_MAY_HAVE_CHANGED.bytes());
        assert_eq!(mishaps.request_sense(&ask), Sense::NONE.bytes());
    }
}
