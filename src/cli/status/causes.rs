//! Why a source is incomplete, as the night has recorded it: kinds and counts, and no name of a file.

use crate::cli::ui::printable::Printable;
use crate::cli::ui::text::{Message, find_optional, message};
use crate::cli::ui::units::{Moment, count};
use azekura::answer::status::Cause;
use azekura::event::FindingKind;
use azekura::host::nights::{NightFinding, UNLISTED};

/// Kinds that are said in a line.
const SAID: usize = 3;

/// All of it in one line.
pub fn line(findings: &[NightFinding]) -> Message {
    let said = findings.iter().take(SAID).map(words);
    let line = said.reduce(|said, next| message!("status.cause.and", first = said, next = next));
    let line = line.unwrap_or_else(|| message!("status.cause.and-more", first = "", count = 0u64));
    match findings.len().saturating_sub(SAID) {
        0 => line,
        more => message!("status.cause.and-more", first = line, count = more),
    }
}

/// As `--json` has it.
pub fn answer(f: &NightFinding) -> Cause {
    Cause { finding: f.kind.as_str().into(), count: f.count, since: f.since.as_deref().map(Into::into) }
}

fn words(f: &NightFinding) -> Message {
    use FindingKind as K;
    let many = count(f.count);
    if f.kind == UNLISTED {
        return message!("status.cause.unlisted", count = many);
    }
    match f.kind.parse::<FindingKind>() {
        Ok(K::Unreadable) => message!("status.cause.unreadable", count = many),
        Ok(K::AttributesUnreadable) => message!("status.cause.attributes-unreadable", count = many),
        Ok(K::Vanished) => message!("status.cause.vanished", count = many),
        Ok(K::Changed) => message!("status.cause.changed", count = many),
        Ok(K::SourceEmpty) => message!("status.cause.source-empty"),
        Ok(K::SourceMissing) => message!("status.cause.source-missing"),
        Ok(K::SourceElsewhere) => message!("status.cause.source-elsewhere"),
        Ok(K::EmptyDump) => message!("status.cause.empty-dump", count = many),
        Ok(K::DumpCutOff) => message!("status.cause.dump-cut-off", count = many),
        Ok(K::NoDump) => message!("status.cause.no-dump", count = many),
        Ok(K::DumpShrank) => message!("status.cause.dump-shrank", count = many),
        Ok(K::SourceStale) => match &f.since {
            Some(since) => message!("status.cause.source-stale", time = Moment(since)),
            None => message!("status.cause.source-ahead"),
        },
        Ok(K::CheckFailed) => message!("status.cause.check-failed"),
        Ok(K::CommandFailed) => message!("status.cause.command-failed"),
        Ok(K::CanaryMissing) => message!("status.cause.canary-missing", count = many),
        Ok(K::MemoryLost) => message!("status.cause.memory-lost"),
        Ok(K::ClockSetBack) => message!("status.cause.clock-set-back"),
        Ok(K::ClockWrong) => message!("status.cause.clock-wrong"),
        _ => {
            let kind = find_optional(&format!("finding.{}", f.kind)).unwrap_or_else(|| f.kind.printable());
            message!("status.cause.other", kind = kind, count = many)
        }
    }
}
