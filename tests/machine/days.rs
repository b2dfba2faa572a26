//! Nights that follow each other in a moment.

use azekura::host::ledger::Ledger;
use std::path::Path;

/// Everything that the ledger of this state directory has was a day earlier. The program has no clock that a test could set.
pub fn a_day_passes(state: &Path) {
    let ledger = Ledger::of(state);
    let lines = ledger.read().expect("the ledger").lines;
    for name in ["ledger.jsonl", "ledger.end", "holds.jsonl"] {
        let _ = std::fs::remove_file(state.join(name));
    }
    for line in lines {
        let at = chrono::DateTime::parse_from_rfc3339(&line.time).expect("a time") - chrono::TimeDelta::days(1);
        ledger.write(&at.to_utc().to_rfc3339_opts(chrono::SecondsFormat::Secs, true), line.event).expect("a line");
    }
}
