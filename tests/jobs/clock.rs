//! A host's clock that is wrong.

use crate::world::{Hospital, tree};
use azekura::format::seal::{ReadBack, Verdict};
use azekura::host::nights::{NightLine, NightLog, SealedNight};
use std::sync::atomic::Ordering;

/// A dead battery, a slip of the hand: the night is sealed, and somebody hears of the clock.
#[test]
fn a_clock_that_is_far_off_costs_no_night_and_is_told() {
    let h = Hospital::new();
    h.write("a", "1");
    let now = h.clock.load(Ordering::Relaxed);
    let night = |seconds: i64| {
        h.clock.store(seconds, Ordering::Relaxed);
        h.write(&format!("at {seconds}"), "a");
        let report = h.backup();
        let kinds: Vec<String> = report.findings.iter().map(|f| f.kind.clone()).collect();
        let verdict = if kinds.is_empty() { Verdict::Good } else { Verdict::Incomplete };
        assert_eq!(report.verdict, verdict, "{seconds}");
        kinds.join(" ")
    };
    assert_eq!(night(now), "");
    assert_eq!(night(30), "clock-wrong clock-set-back");
    assert_eq!(night(1_300_000_000), "clock-wrong", "2011");
    assert_eq!(night(now + 86_400), "", "it is right again");
    assert_eq!(night(4_102_444_800), "clock-wrong", "2100");
    assert_eq!(night(now + 172_800), "", "what cannot be says nothing of the clock tonight");
    assert_eq!(night(now + 259_200), "");
    assert_eq!(night(now + 259_200 - 3600), "clock-set-back");
    assert!(h.verify().is_good());
    assert_eq!(tree(&h.source()), tree(&h.restore("restored")));
    // The newest seal that the host knows of may be on another medium.
    let ended = NightLine::Ended {
        begun: "2089-01-01T00:00:00Z".into(),
        process: 1,
        time: "2089-01-01T00:00:00Z".into(),
        exit: 0,
        sealed: Some(Box::new(SealedNight {
            set: "0".into(),
            set_name: "other".into(),
            medium: "MO-02".into(),
            generation: 1,
            check_code: String::new(),
            time: "2089-01-01T00:00:00Z".into(),
            verdict: Verdict::Good,
            read_back: ReadBack::Direct,
            sources: Vec::new(),
            clock: None,
            memory: Vec::new(),
            foreign: None,
        })),
        why: None,
        hint: None,
        noted_alarm: None,
    };
    NightLog::of(&h.path("state")).write(&ended).expect("a line");
    assert_eq!(night(now + 345_600), "clock-set-back");
}
