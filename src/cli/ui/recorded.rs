//! Translates texts that were recorded in English: lines of the ledger and of the operation log, and the library's
//! errors.
//!
//! **Invariant:** nothing is lost. A text that is not known here is shown as it was written. A test finds keys that no
//! text has any more.

use super::printable::Printable;
use super::text::{Message, find, find_optional, message};

/// An error of the library, or a finding's detail: each part between colons is translated by itself.
pub fn cause(text: &str) -> String {
    text.split(": ").map(part).collect::<Vec<_>>().join(": ")
}

fn part(text: &str) -> String {
    let errno = text.rsplit_once(" (os error ").and_then(|(_, n)| n.strip_suffix(')'));
    let key = match errno {
        Some(n) => format!("reason.errno.{n}"),
        None => format!("said.{}", text.replace(' ', "-")),
    };
    let number = |start: &str| text.strip_prefix(start).filter(|n| n.bytes().all(|b| b.is_ascii_digit()));
    let counted = |what: &str| text.strip_suffix(what).filter(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    if let Some(n) = counted(" folders") {
        return message!("recorded.folders", number = n).to_string();
    }
    if let Some(n) = counted(" entries") {
        return message!("recorded.entries", number = n).to_string();
    }
    match (number("line "), number("segment ")) {
        (Some(n), _) => message!("recorded.line", number = n).to_string(),
        (_, Some(n)) => message!("recorded.segment", number = n).to_string(),
        _ => find_optional(&key).unwrap_or_else(|| text.printable()),
    }
}

/// An error of the TOML parser in a configuration.
pub fn toml(text: &str) -> Message {
    let field = |start: &str| text.strip_prefix(start).and_then(|rest| rest.split('`').next());
    match (field("unknown field `"), field("missing field `")) {
        (Some(field), _) => message!("reason.toml.unknown", field = field),
        (_, Some(field)) => message!("reason.toml.missing", field = field),
        _ => message!("reason.toml.other", text = text),
    }
}

/// Why there is a hold: the words of the person who put it on, or the tripwires of a backup (`set S generation N:
/// header, noise`).
pub fn why(text: &str) -> String {
    text.split("; ").map(|one| raised(one).unwrap_or_else(|| one.printable())).collect::<Vec<_>>().join("; ")
}

fn raised(text: &str) -> Option<String> {
    let number_of = |generation: &str| {
        let (set, number) = generation.rsplit_once(" generation ")?;
        number.bytes().all(|b| b.is_ascii_digit()).then(|| (set.printable(), number.to_owned()))
    };
    let text = text.strip_prefix("set ")?;
    let Some((generation, tripwires)) = text.rsplit_once(": ") else {
        let (set, number) = number_of(text)?;
        return Some(message!("hold.alarm-unnamed", set = set, number = number).to_string());
    };
    let (set, number) = number_of(generation)?;
    let signs = tripwires.split(", ").map(|t| find_optional(&format!("tripwire.{t}"))).collect::<Option<Vec<_>>>()?;
    Some(message!("hold.alarm", set = set, number = number, signs = signs.join(&find("hold.and"))).to_string())
}

/// Why nothing was written to the medium that was due.
pub fn refused(due: &str, found: &str) -> Message {
    match found {
        "a blank medium" => return message!("media.event.refused-blank", due = due),
        "not prepared yet" => return message!("media.event.refused-unprepared", due = due),
        "no disk mounted" => return message!("media.event.refused-not-mounted", due = due),
        _ => {}
    }
    match found.rsplit_once(": ") {
        Some((name, "out of turn")) => message!("media.event.refused-turn", due = due, name = name),
        Some((name, "damaged" | "not what was written")) => message!("media.event.refused-damaged", due = due, name = name),
        Some((name, "erased")) => message!("media.event.refused-erased", due = due, name = name),
        Some((name, "blank, or another disk in its dock")) => {
            message!("media.event.refused-dock", due = due, name = name)
        }
        Some((name, why @ ("lost" | "broken" | "disposed"))) => {
            message!(
                "media.event.refused-out-of-use",
                due = due,
                name = name,
                why = find(match why {
                    "lost" => "media.lost",
                    "broken" => "media.broken",
                    _ => "media.disposed",
                })
            )
        }
        Some((name, "its set was lost on the host")) => message!("media.event.refused-set", due = due, name = name),
        Some((name, "of no pool")) => message!("media.event.refused-no-pool", due = due, name = name),
        Some((name, "of another pool")) => message!("media.event.refused-pool", due = due, name = name),
        Some((name, "a hold stands" | "a hold is active")) => message!("media.event.refused-hold", due = due, name = name),
        Some((set, "not in the ledger")) => {
            message!("media.event.refused-unknown", due = due, set = set.trim_start_matches("set "))
        }
        Some((name, nights)) if nights.ends_with(" nights overdue") => {
            message!("media.event.refused-late", due = due, name = name, count = nights.trim_end_matches(" nights overdue"))
        }
        _ => message!("media.event.refused", found = found),
    }
}

/// A line of the operation log.
pub fn logged(operation: &str, detail: &str) -> String {
    let said = match operation {
        "backup" => backup(detail),
        "media scrub" => scrub(detail),
        "catalog rebuild" => rebuild(detail),
        _ => None,
    };
    said.map_or_else(|| detail.printable(), |m| m.to_string())
}

fn backup(detail: &str) -> Option<Message> {
    let (set, rest) = detail.strip_prefix("set ")?.split_once(" generation ")?;
    let (number, rest) = rest.split_once(' ')?;
    let (verdict, code) = rest.split_once(" check code ")?;
    let verdict = find(match verdict {
        "good" => "log.good",
        "incomplete" => "log.incomplete",
        "alarm" => "log.alarm",
        _ => return None,
    });
    Some(message!("log.backup", set = set, number = number, verdict = verdict, code = code))
}

fn scrub(detail: &str) -> Option<Message> {
    let (set, rest) = detail.strip_prefix("set ")?.split_once(", medium ")?;
    let (number, rest) = rest.split_once(" at ")?;
    let (rest, verdict) = rest.rsplit_once(": ")?;
    let (path, rest) = rest.rsplit_once(": ")?;
    let (bytes, damaged) = rest.strip_suffix(" damaged")?.split_once(" bytes read, ")?;
    let verdict = find(match verdict {
        "good" => "log.good",
        "copy-forward" => "log.copy-forward",
        "suspect" => "log.suspect",
        _ => return None,
    });
    let said =
        message!("log.scrub", set = set, number = number, path = path, bytes = bytes, damaged = damaged, verdict = verdict);
    Some(said)
}

fn rebuild(detail: &str) -> Option<Message> {
    let (set, rest) = detail.strip_prefix("set ")?.split_once(" generations ")?;
    let (generations, packs) = rest.split_once(" packs ")?;
    Some(message!("log.rebuild", set = set, generations = generations, packs = packs))
}

#[cfg(test)]
mod tests {
    use super::*;
    use azekura::job::media::rotation::FoundMedium;

    #[test]
    fn every_refusal_of_the_ledger_has_words() {
        let medium = || "CL-01".to_owned();
        let all = [
            FoundMedium::OutOfTurn { medium: medium() },
            FoundMedium::Overstayed { medium: medium(), nights: 2 },
            FoundMedium::NotMounted,
            FoundMedium::Unprepared { bare: false },
            FoundMedium::NoPool { medium: medium() },
            FoundMedium::OutOfUse { medium: medium(), why: azekura::host::ledger::OutOfUse::Lost },
            FoundMedium::BlankInDock { medium: medium() },
            FoundMedium::Blank { wiped: None },
            FoundMedium::Blank { wiped: Some(medium()) },
            FoundMedium::Unregistered { set: azekura::format::object::Id([7; 16]) },
            FoundMedium::OtherPool { medium: medium() },
            FoundMedium::SetLost { medium: medium() },
            FoundMedium::Damaged { medium: medium() },
            FoundMedium::Mismatched { medium: medium() },
            FoundMedium::Held { medium: medium(), since: String::new(), why: String::new() },
        ];
        for found in all {
            let said = refused("CL-02", &found.text());
            assert!(said.key() != "media.event.refused" && said.to_string().contains("CL-02"), "{found:?}");
        }
        assert_eq!(refused("CL-02", "something").key(), "media.event.refused");
    }

    #[test]
    fn words_of_a_person_stay_and_those_of_a_tripwire_are_translated() {
        assert_eq!(why("脅迫文"), "脅迫文");
        assert_eq!(why("set up: again"), "set up: again");
        let both = why("set honin generation 4: header, noise; 脅迫文");
        assert!(both.contains("honin") && !both.contains("header, noise") && both.ends_with("; 脅迫文"), "{both}");
    }

    #[test]
    fn lines_of_the_operation_log_are_understood() {
        for (operation, detail) in [
            ("backup", "set 00ff generation 3 good check code AAAA-BBBB-CCCC-DDDD"),
            ("media scrub", "set 00ff, medium 1 at /mnt/a: b: 12 bytes read, 1 damaged: copy-forward"),
            ("catalog rebuild", "set 00ff generations 3 packs 4"),
        ] {
            let said = logged(operation, detail);
            assert!(said != detail && said.contains("00ff"), "{said}");
        }
        assert_eq!(logged("backup", "something else"), "something else");
    }

    #[test]
    fn a_cause_is_translated_part_by_part() {
        assert_eq!(cause("chart/a: Permission denied (os error 13)"), "chart/a: permission denied (EACCES)");
        assert_eq!(cause("nothing of ours"), "nothing of ours");
    }
}
