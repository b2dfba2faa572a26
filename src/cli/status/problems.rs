//! What speaks against "good", in words.

use super::causes;
use crate::cli::environment::now;
use crate::cli::media::ledger::ledger_fault;
use crate::cli::ui::exit::Exit;
use crate::cli::ui::lang::Lang;
use crate::cli::ui::recorded;
use crate::cli::ui::text::{Message, message};
use crate::cli::ui::units::{count, time};
use crate::cli::ui::words::{self, hold_line};
use azekura::answer::status::{Problem, ProblemName, StatusVerdict};
use azekura::host::consistency::Misfit;
use azekura::host::ledger::LedgerContent;
use azekura::host::nights::ClockDoubt;
use azekura::job::incident::hold::Hold;
use azekura::job::media::whereabouts::attached_at;
use azekura::job::status::{Problem as Judged, Severity};
use azekura::medium::is_mounted;

/// All problems, the worst first: a changed ledger, a hold, then those of the judgement. `due`: the medium that the next backup
/// goes to, where that is known.
pub fn of_all(judged: &[Judged], hold: Option<&Hold>, book: &LedgerContent, due: Option<&str>) -> Vec<Problem> {
    let ledger = ledger_fault(book).map(|text| failure(ProblemName::LedgerChanged, &text, &message!("status.do.ledger-changed")));
    let hold_problem = hold.map(|hold| {
        let text = hold_line(hold);
        Problem { time: Some(hold.since.as_str().into()), ..failure(ProblemName::Hold, &text, &message!("status.do.hold")) }
    });
    let is_quiet = hold.is_some() || judged.iter().any(Judged::is_open_alarm);
    let due = due.map_or_else(|| message!("status.the-medium"), Message::plain);
    ledger.into_iter().chain(hold_problem).chain(judged.iter().map(|judged| worded(judged, is_quiet, book, &due))).collect()
}

/// Which of them to begin with: the worst. That a source is old follows from a failed night or an incomplete backup, where
/// there is one, and goes away with it.
pub fn to_solve(problems: &[Problem]) -> Option<&Problem> {
    let worst = problems.first()?;
    let is_cause = |p: &&Problem| match p.problem {
        ProblemName::NightFailed | ProblemName::NightCutOff => true,
        ProblemName::SourceIncomplete | ProblemName::SourceAlarm => p.source == worst.source,
        _ => false,
    };
    // By a wrong clock everything is old, and nothing is fresh.
    let clock = || problems.iter().find(|p| p.problem == ProblemName::ClockWrong);
    match worst.problem {
        ProblemName::SourceOld => clock().or_else(|| problems.iter().find(is_cause)).or(Some(worst)),
        ProblemName::SourceIncomplete => clock().or(Some(worst)),
        _ => Some(worst),
    }
}

fn failure(problem: ProblemName, text: &Message, next: &Message) -> Problem {
    Problem {
        problem,
        severity: StatusVerdict::Failure,
        source: None,
        generation: None,
        time: None,
        medium: None,
        causes: None,
        text: text.to_string().into(),
        next: next.to_string().into(),
    }
}

fn worded(judged: &Judged, is_quiet: bool, book: &LedgerContent, due: &Message) -> Problem {
    let severity = match judged.severity() {
        Severity::Good => StatusVerdict::Good,
        Severity::Attention => StatusVerdict::Attention,
        Severity::Failure => StatusVerdict::Failure,
    };
    let of_media = || of_media(judged, book).or_else(|| of_state(judged));
    let problem = of_source(judged, due).or_else(of_media).unwrap_or_else(|| of_night(judged, is_quiet, due));
    Problem { severity, ..problem }
}

fn of_source(judged: &Judged, due: &Message) -> Option<Problem> {
    let about = |source: &String, generation, of: Problem| Problem { source: Some(source.as_str().into()), generation, ..of };
    Some(match judged {
        Judged::SourceNever { source, was_good } => {
            let (text, next) = match was_good {
                true => (message!("status.problem.source-nowhere", source = source), message!("status.do.source-nowhere")),
                false => {
                    let text = message!("status.problem.source-never", source = source);
                    (text, message!("status.do.source-never", source = source))
                }
            };
            about(source, None, failure(ProblemName::SourceNever, &text, &next))
        }
        Judged::SourceOld { source, time: sealed, max_age_seconds } => {
            let (when, hours) = (time(sealed, Lang::spoken()), count(max_age_seconds.unsigned_abs() / 3600));
            let (text, next) = match is_ahead(sealed) {
                true => {
                    (message!("status.problem.source-ahead", source = source, time = when), message!("status.do.source-ahead"))
                }
                false => {
                    let text = message!("status.problem.source-old", source = source, time = when, hours = hours);
                    (text, message!("status.do.source-old", medium = due))
                }
            };
            let old = failure(ProblemName::SourceOld, &text, &next);
            Problem { time: Some(sealed.as_str().into()), ..about(source, None, old) }
        }
        Judged::SourceIncomplete { source, generation, findings } => {
            let text = match findings.is_empty() {
                true => message!("status.problem.source-incomplete", source = source, number = generation),
                false => {
                    let why = causes::line(findings);
                    message!("status.problem.source-incomplete-why", source = source, number = generation, why = why)
                }
            };
            let next = message!("status.do.source-incomplete", source = source);
            let causes = (!findings.is_empty()).then(|| findings.iter().map(causes::answer).collect());
            let incomplete = Problem { causes, ..failure(ProblemName::SourceIncomplete, &text, &next) };
            about(source, Some(*generation), incomplete)
        }
        Judged::SourceAlarm { source, generation } => {
            let text = message!("status.problem.source-alarm", source = source, number = generation);
            about(source, Some(*generation), failure(ProblemName::SourceAlarm, &text, &message!("status.do.source-alarm")))
        }
        Judged::NoBackup
        | Judged::AlarmsOpen { .. }
        | Judged::NightFailed { .. }
        | Judged::NightCutOff { .. }
        | Judged::Unrecorded { .. }
        | Judged::FailedAfterwards { .. }
        | Judged::NotReadBack { .. }
        | Judged::Damaged { .. }
        | Judged::Mismatched { .. }
        | Judged::PoolOld { .. }
        | Judged::NotInLedger { .. }
        | Judged::Full { .. }
        | Judged::OutOfUse { .. }
        | Judged::NotSwapped { .. }
        | Judged::LedgerTorn { .. }
        | Judged::StillAttached { .. }
        | Judged::LogTorn { .. }
        | Judged::ClockWrong { .. }
        | Judged::Foreign { .. }
        | Judged::Misfit(_) => return None,
    })
}

fn of_media(judged: &Judged, book: &LedgerContent) -> Option<Problem> {
    Some(match judged {
        Judged::NotReadBack { generation, medium } => {
            let text = message!("status.problem.not-read-back", number = generation, medium = medium);
            let not_read_back = failure(ProblemName::NotReadBack, &text, &message!("status.do.not-read-back", medium = medium));
            Problem { generation: Some(*generation), medium: Some(medium.as_str().into()), ..not_read_back }
        }
        Judged::Foreign { medium, name } => {
            let text = message!("status.problem.foreign", medium = medium, name = name);
            let foreign = failure(ProblemName::Foreign, &text, &message!("status.do.foreign", medium = medium));
            Problem { medium: Some(medium.as_str().into()), ..foreign }
        }
        Judged::Damaged { medium, objects } => {
            let text = message!("status.problem.damaged", medium = medium, count = count(*objects));
            let damaged = failure(ProblemName::Damaged, &text, &message!("status.do.damaged", medium = medium));
            Problem { medium: Some(medium.as_str().into()), ..damaged }
        }
        Judged::Mismatched { medium, is_read, is_newer, time } => mismatched(medium, *is_read, *is_newer, time),
        Judged::Full { medium } => {
            let (text, next) = (message!("status.problem.full", medium = medium), message!("status.do.full", medium = medium));
            let full = failure(ProblemName::Full, &text, &next);
            Problem { medium: Some(medium.as_str().into()), ..full }
        }
        Judged::OutOfUse { medium, why } => {
            let text = message!("status.problem.out-of-use", medium = medium, why = words::out_of_use(*why));
            let gone = failure(ProblemName::OutOfUse, &text, &message!("status.do.out-of-use", medium = medium));
            Problem { medium: Some(medium.as_str().into()), ..gone }
        }
        Judged::NotSwapped { medium, due, nights } => {
            let text = message!("status.problem.not-swapped", medium = medium, due = due, count = nights);
            let stayed = failure(ProblemName::NotSwapped, &text, &message!("status.do.not-swapped", due = due));
            Problem { medium: Some(medium.as_str().into()), ..stayed }
        }
        Judged::StillAttached { medium } => {
            let text = message!("status.problem.still-attached", medium = medium);
            // Another medium may be mounted where this one was.
            let at = book.media().remove(medium).and_then(|m| attached_at(&m, book, &[]).ok()?).filter(|at| is_mounted(at));
            // Where unmounting is done, it is not what is left to do.
            let next = match at {
                Some(at) => message!("status.do.still-attached", medium = medium, place = at),
                None => message!("status.do.still-plugged", medium = medium),
            };
            let stays = failure(ProblemName::StillAttached, &text, &next);
            Problem { medium: Some(medium.as_str().into()), ..stays }
        }
        Judged::PoolOld { pool, due, time: written, max_age_seconds } => {
            let hours = count(max_age_seconds.unsigned_abs() / 3600);
            let text = match written {
                Some(t) if is_ahead(t) => message!("status.problem.pool-ahead", name = pool, time = time(t, Lang::spoken())),
                Some(t) => message!("status.problem.pool-old", name = pool, time = time(t, Lang::spoken()), hours = hours),
                None => message!("status.problem.pool-never", name = pool),
            };
            let next = match written.as_deref().is_some_and(is_ahead) {
                true => message!("status.do.pool-ahead"),
                false => message!("status.do.pool-old", due = due, name = pool),
            };
            let old = failure(ProblemName::PoolOld, &text, &next);
            Problem { time: written.as_deref().map(Into::into), medium: Some(due.as_str().into()), ..old }
        }
        Judged::NotInLedger { generation, medium } => {
            let text = message!("status.problem.not-in-ledger", number = generation, medium = medium);
            // Where two people have said why, there is nothing more to say.
            let next = match book.accepted() {
                Some(_) => message!("status.do.not-registered", name = medium),
                None => message!("status.do.ledger-changed"),
            };
            let lost = failure(ProblemName::NotInLedger, &text, &next);
            Problem { generation: Some(*generation), medium: Some(medium.as_str().into()), ..lost }
        }
        _ => return None,
    })
}

/// `since`: when something else than this host wrote was found on the medium.
fn mismatched(medium: &str, is_read: bool, is_newer: bool, since: &str) -> Problem {
    let when = time(since, Lang::spoken());
    let text = match is_newer {
        true => message!("status.problem.state-set-back", medium = medium, time = when),
        false => message!("status.problem.mismatched", medium = medium, time = when),
    };
    let next = match is_read {
        _ if is_newer => message!("status.do.state-set-back"),
        true => message!("status.do.mismatched-read", medium = medium),
        false => message!("status.do.mismatched", medium = medium),
    };
    let mismatched = failure(ProblemName::Mismatched, &text, &next);
    Problem { medium: Some(medium.into()), time: Some(since.into()), ..mismatched }
}

fn of_state(judged: &Judged) -> Option<Problem> {
    let Judged::Misfit(misfit) = judged else { return None };
    Some(match misfit {
        Misfit::NightsMissing { generations, time: newest } => {
            let (many, when) = (count(*generations), time(newest, Lang::spoken()));
            let text = message!("status.problem.nights-missing", count = many, time = when);
            let missing = failure(ProblemName::NightsMissing, &text, &message!("status.do.nights-missing"));
            Problem { time: Some(newest.as_str().into()), ..missing }
        }
        Misfit::CatalogLost => {
            failure(ProblemName::CatalogLost, &message!("status.problem.catalog-lost"), &message!("status.do.catalog-lost"))
        }
        Misfit::SetLost { medium } => {
            let (text, next) =
                (message!("status.problem.set-lost", medium = medium), message!("status.do.set-lost", name = medium));
            Problem { medium: Some(medium.as_str().into()), ..failure(ProblemName::SetLost, &text, &next) }
        }
        Misfit::MemoryLost { set } => {
            let text = message!("status.problem.memory-lost", set = set);
            failure(ProblemName::MemoryLost, &text, &message!("status.do.memory-lost"))
        }
        Misfit::HoldsLost { lines } => {
            let text = message!("status.problem.holds-lost", count = count(*lines));
            failure(ProblemName::HoldsLost, &text, &message!("status.do.holds-lost"))
        }
        Misfit::NotRegistered { medium } => {
            let text = message!("status.problem.not-registered", medium = medium);
            let missing = failure(ProblemName::NotRegistered, &text, &message!("status.do.not-registered", name = medium));
            Problem { medium: Some(medium.as_str().into()), ..missing }
        }
    })
}

/// Whether a time is ahead of this host's clock.
fn is_ahead(rfc3339: &str) -> bool {
    chrono::DateTime::parse_from_rfc3339(rfc3339).is_ok_and(|time| time.timestamp() > now().seconds)
}

fn of_night(judged: &Judged, is_quiet: bool, due: &Message) -> Problem {
    let when = |begun: &String| time(begun, Lang::spoken());
    match judged {
        Judged::NightFailed { begun, exit, why, hint } => {
            let why = why.as_ref().map(|why| Message::recorded(why).to_string()).unwrap_or_default();
            let text = message!("status.problem.night-failed", time = when(begun), exit = u64::from(*exit), why = why);
            let next = match hint {
                // Whoever reads this did not type the command.
                _ if *exit == Exit::Interrupted.code() => message!("status.do.night-interrupted", medium = due),
                // What the run itself said to do is more exact. Under a hold or an open alarm it may ask for a medium.
                Some(hint) if !is_quiet => Message::recorded(hint),
                _ => message!("status.do.night-failed"),
            };
            let failed = failure(ProblemName::NightFailed, &text, &next);
            Problem { time: Some(begun.as_str().into()), ..failed }
        }
        Judged::NightCutOff { begun } => {
            let text = message!("status.problem.night-cut-off", time = when(begun));
            let cut_off = failure(ProblemName::NightCutOff, &text, &message!("status.do.night-cut-off", medium = due));
            Problem { time: Some(begun.as_str().into()), ..cut_off }
        }
        Judged::Unrecorded { generation, why } => {
            let text = message!("status.problem.unrecorded", number = generation, why = Message::recorded(why));
            let unrecorded = failure(ProblemName::Unrecorded, &text, &message!("status.do.unrecorded"));
            Problem { generation: Some(*generation), ..unrecorded }
        }
        Judged::FailedAfterwards { generation, why, is_held_since } => {
            let text = message!("status.problem.failed-afterwards", number = generation, why = Message::recorded(why));
            let next = match is_held_since {
                true => message!("status.do.failed-afterwards-held"),
                false => message!("status.do.failed-afterwards"),
            };
            let failed = failure(ProblemName::FailedAfterwards, &text, &next);
            Problem { generation: Some(*generation), ..failed }
        }
        Judged::AlarmsOpen { alarms, oldest } => {
            let (when, why) = (when(&oldest.time), recorded::why(&oldest.why));
            let text = message!("status.problem.alarms-open", count = count(*alarms), time = when, why = why);
            let open = failure(ProblemName::AlarmsOpen, &text, &message!("status.do.source-alarm"));
            let (generation, time) = (Some(oldest.generation), Some(oldest.time.as_str().into()));
            Problem { generation, time, ..open }
        }
        Judged::LedgerTorn { lines } => {
            let text = message!("status.problem.ledger-torn", count = count(*lines));
            failure(ProblemName::LedgerTorn, &text, &message!("status.do.ledger-torn"))
        }
        Judged::ClockWrong { generation, medium, time, doubt } => {
            let shown = when(time);
            let text = match doubt {
                None => message!("status.problem.clock-ahead", number = generation, medium = medium, time = shown),
                Some(ClockDoubt::Impossible) => {
                    message!("status.problem.clock-impossible", number = generation, medium = medium, time = shown)
                }
                Some(ClockDoubt::SetBack) => {
                    message!("status.problem.clock-set-back", number = generation, medium = medium, time = shown)
                }
            };
            let wrong = failure(ProblemName::ClockWrong, &text, &message!("status.do.clock-wrong"));
            let (time, medium) = (Some(time.as_str().into()), Some(medium.as_str().into()));
            Problem { generation: Some(*generation), time, medium, ..wrong }
        }
        Judged::LogTorn { lines } => {
            let text = message!("status.problem.log-torn", count = count(*lines));
            failure(ProblemName::LogTorn, &text, &message!("status.do.log-torn"))
        }
        // The others have been worded.
        _ => {
            failure(ProblemName::NoBackup, &message!("status.problem.no-backup"), &message!("status.do.no-backup", medium = due))
        }
    }
}
