use super::*;
use crate::format::seal::ReadBack;
use crate::host::ledger::{LedgerEvent, LedgerLine};
use crate::host::nights::SourceNight;

const NOON: i64 = 1_795_521_600;

fn sealed(hours_ago: i64, verdict: Verdict) -> SealedNight {
    let time = chrono::DateTime::from_timestamp(NOON - hours_ago * 3600, 0).unwrap();
    SealedNight {
        set: "00".into(),
        set_name: "clinic".into(),
        medium: "CL-01".into(),
        generation: 1,
        check_code: "JHFB".into(),
        time: time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        verdict,
        read_back: ReadBack::Direct,
        sources: vec![SourceNight {
            name: "ehr".into(),
            origin: None,
            verdict,
            alarms: Vec::new(),
            is_incomplete: false,
            findings: Vec::new(),
        }],
        clock: None,
        memory: Vec::new(),
        foreign: None,
    }
}

fn night(exit: u8, sealed: Option<SealedNight>) -> Night {
    let end = Some(NightEnd { time: String::new(), exit, sealed, why: None, hint: None, noted_alarm: None });
    Night { begun: "2026-11-23T01:30:00Z".into(), process: 7, sources: vec!["ehr".into()], configured: false, end }
}

fn running_night() -> Night {
    Night { end: None, ..night(0, None) }
}

/// One disk, and the generation on it.
fn usual_book() -> LedgerContent {
    book(&[registered("CL-01"), written("CL-01")])
}

fn problems(nights: &[Night]) -> Vec<Problem> {
    judge(nights, 0, &usual_book(), Expected { sources: &[ExpectedSource::usual("ehr")], pools: &[] }, NOON, |_| false).problems
}

#[test]
fn only_a_young_good_generation_is_good() {
    assert_eq!(problems(&[night(0, Some(sealed(10, Verdict::Good)))]), []);
    assert_eq!(problems(&[]), [Problem::NoBackup]);
    let old = problems(&[night(0, Some(sealed(27, Verdict::Good)))]);
    assert!(matches!(&old[..], [Problem::SourceOld { .. }]), "{old:?}");
    let ahead = problems(&[night(0, Some(sealed(-1, Verdict::Good)))]);
    assert!(matches!(&ahead[..], [Problem::SourceOld { .. }]), "a clock that was set back: {ahead:?}");
    // All alarms, and no good one before.
    let alarms = problems(&[night(4, Some(sealed(34, Verdict::Alarm))), night(4, Some(sealed(10, Verdict::Alarm)))]);
    assert!(matches!(&alarms[..], [Problem::SourceAlarm { .. }, Problem::SourceNever { .. }]), "{alarms:?}");
}

/// A hold that could not be entered, a source that is not backed up any more, and nights after the alarm that an older program
/// has sealed: only two people end it.
#[test]
fn no_later_generation_ends_an_alarm() {
    let alarmed = || night(4, Some(sealed(34, Verdict::Alarm)));
    let later = SealedNight { generation: 2, ..sealed(10, Verdict::Good) };
    let found = |book: &LedgerContent| {
        let expected = Expected { sources: &[ExpectedSource::usual("ehr")], pools: &[] };
        judge(&[alarmed(), night(0, Some(later.clone()))], 0, book, expected, NOON, |_| false)
    };
    let [medium, check_code, verdict] = ["CL-01", "JHFB", "good"].map(str::to_owned);
    let second = LedgerEvent::Written { medium, generation: 2, check_code, verdict, from_cache: false };
    let open = found(&book(&[registered("CL-01"), second.clone()]));
    assert!(matches!(&open.problems[..], [Problem::AlarmsOpen { alarms: 1, oldest }] if oldest.generation == 1), "{open:?}");
    assert!(open.has_open_alarm());
    let harmless = |generation| {
        let [set, by, witness, why] = ["00", "A", "B", "looked at"].map(str::to_owned);
        LedgerEvent::Harmless { set, generation, by, witness, why }
    };
    let looked_at = |generation| found(&book(&[registered("CL-01"), second.clone(), harmless(generation)]));
    assert!(looked_at(2).has_open_alarm(), "another one");
    assert_eq!(looked_at(1).problems, []);
}

#[test]
fn a_failure_stays_until_something_good_is_sealed() {
    let good = || night(0, Some(sealed(10, Verdict::Good)));
    let failed = problems(&[good(), night(6, None)]);
    assert!(matches!(&failed[..], [Problem::NightFailed { exit: 6, .. }]), "{failed:?}");
    assert_eq!(problems(&[night(6, None), good()]), []);
    // Another backup of this host, of something else, makes up for nothing.
    let pacs = Night { sources: vec!["pacs".into()], ..night(1, None) };
    let failed = problems(&[pacs, good()]);
    assert!(matches!(&failed[..], [Problem::NightFailed { exit: 1, .. }]), "{failed:?}");
    // Nobody knows any more what it was to back up.
    let lost = || Night { sources: Vec::new(), ..night(1, None) };
    let mut of_pacs = sealed(9, Verdict::Good);
    of_pacs.sources[0].name = "pacs".into();
    let failed = problems(&[good(), lost(), night(0, Some(of_pacs))]);
    assert!(matches!(&failed[..], [Problem::NightFailed { .. }]), "{failed:?}");
    assert_eq!(problems(&[lost(), good()]), []);
    let cut_off = Night { end: None, ..good() };
    assert!(matches!(&problems(&[good(), cut_off.clone()])[..], [Problem::NightCutOff { .. }]));
    let sources = [ExpectedSource::usual("ehr")];
    let expected = Expected { sources: &sources, pools: &[] };
    let running = judge(&[good(), cut_off], 0, &usual_book(), expected, NOON, |process| process == 7);
    assert_eq!((running.problems, running.running.is_some()), (Vec::new(), true));
    // Another one, of another set, has ended meanwhile.
    let other = Night { process: 8, ..good() };
    let running = judge(&[running_night(), other], 0, &usual_book(), expected, NOON, |process| process == 7);
    assert_eq!((running.problems, running.running.is_some()), (Vec::new(), true));
    let again = judge(&[running_night(), night(6, None)], 0, &usual_book(), expected, NOON, |_| true);
    assert_eq!(again.running, None, "its number belongs to a later run");
}

/// As long as the configuration has it take its turn, somebody has to put another disk in its place.
#[test]
fn a_medium_that_cannot_take_its_turn_is_told() {
    let registered = |medium: &str| LedgerEvent::Registered {
        medium: medium.into(),
        set: "00".into(),
        pool: None,
        device: None,
        kind: None,
        mounted: false,
    };
    let lost = LedgerEvent::Moved {
        medium: "CL-01".into(),
        to: String::new(),
        by: "A".into(),
        witness: None,
        off_site: false,
        out_of_use: Some(OutOfUse::Lost),
        set: None,
    };
    let events = [registered("CL-01"), registered("CL-02"), lost, LedgerEvent::Full { medium: "CL-02".into() }];
    let mut book = LedgerContent::default();
    book.lines.extend((1..).zip(events).map(|(line, event)| LedgerLine { line, time: String::new(), event }));
    let told = |media: &[&str]| {
        let pools = [pool(media)];
        let nights = [night(0, Some(sealed(10, Verdict::Good)))];
        judge(&nights, 0, &book, Expected { sources: &[], pools: &pools }, NOON, |_| false).problems
    };
    let out_of_use = Problem::OutOfUse { medium: "CL-01".into(), why: OutOfUse::Lost };
    assert_eq!(told(&["CL-01", "CL-02", "CL-03"]), [out_of_use, Problem::Full { medium: "CL-02".into() }]);
    assert_eq!(told(&["CL-03", "CL-04"]), []);
}

fn pool(media: &[&str]) -> Pool {
    let media = media.iter().map(|m| (*m).to_owned()).collect();
    // The nights of these tests are the days of their lines.
    let night_of = |time: &str| time[8..10].parse().expect("a day");
    Pool { name: "disks".into(), media, turn_nights: 2, stay_nights: 3, mount: None, max_age_seconds: None, night_of }
}

/// The backups are good, and the disk that they are on should be in the safe.
#[test]
fn a_forgotten_swap_is_told_until_another_medium_is_written() {
    let told = |written: &[&str]| {
        let lines = (10..).zip(written).map(|(day, medium)| {
            let (medium, check_code, verdict) = ((*medium).to_owned(), "JHFB".into(), "good".into());
            let event = LedgerEvent::Written { medium, generation: 1, check_code, verdict, from_cache: false };
            LedgerLine { line: day, time: format!("2026-11-{day}T01:30:00Z"), event }
        });
        let mut book = book(&[registered("CL-01"), registered("CL-02")]);
        book.lines.extend(lines);
        let nights = [night(0, Some(sealed(10, Verdict::Good)))];
        let pools = [pool(&["CL-01", "CL-02"])];
        judge(&nights, 0, &book, Expected { sources: &[], pools: &pools }, NOON, |_| false).problems
    };
    let overdue = |nights| vec![Problem::NotSwapped { medium: "CL-01".into(), due: "CL-02".into(), nights }];
    assert_eq!(told(&["CL-01", "CL-01"]), []);
    assert_eq!(told(&["CL-01", "CL-01", "CL-01"]), overdue(1));
    assert_eq!(told(&["CL-01", "CL-01", "CL-01", "CL-01"]), overdue(2));
    assert_eq!(told(&["CL-01", "CL-01", "CL-01", "CL-02"]), []);
}

#[test]
fn a_generation_without_a_record_is_told_from_an_alarm_without_a_hold() {
    let ended = |exit| {
        let mut night = night(exit, Some(sealed(10, Verdict::Good)));
        night.end.as_mut().unwrap().why = Some(Words::Text("the disk is full".into()));
        problems(&[night])
    };
    assert!(matches!(&ended(8)[..], [Problem::Unrecorded { generation: 1, .. }]));
    assert!(matches!(&ended(4)[..], [Problem::FailedAfterwards { generation: 1, .. }]));
}

#[test]
fn a_source_that_nobody_backed_up_is_missed() {
    let sources = ["ehr", "pacs"].map(ExpectedSource::usual);
    let expected = Expected { sources: &sources, pools: &[] };
    let nights = [night(0, Some(sealed(10, Verdict::Good)))];
    let found = judge(&nights, 1, &usual_book(), expected, NOON, |_| false);
    assert_eq!(found.problems, [Problem::SourceNever { source: "pacs".into(), was_good: false }, Problem::LogTorn { lines: 1 }]);
}

/// What a later generation read back is its own; only who reads all of the medium past the cache knows of the others.
#[test]
fn a_cached_read_back_stays_until_its_medium_is_verified() {
    let medium = || "CL-01".to_owned();
    let written = |generation, from_cache| {
        let (check_code, verdict) = ("JHFB".into(), "good".into());
        LedgerEvent::Written { medium: medium(), generation, check_code, verdict, from_cache }
    };
    let verified = |generation| LedgerEvent::Verified { medium: medium(), generation, check_code: "JHFB".into() };
    let (set, kind) = ("00".into(), None);
    let registered = LedgerEvent::Registered { medium: medium(), set, pool: None, device: None, kind, mounted: false };
    let unknown_at = |events: &[LedgerEvent]| {
        let lines = (1..).zip([std::slice::from_ref(&registered), events].concat());
        let lines = lines.map(|(line, event)| LedgerLine { line, time: "2026-11-23T01:30:00Z".into(), event }).collect();
        let mut book = LedgerContent::default();
        book.lines = lines;
        let nights = [night(0, Some(sealed(10, Verdict::Good)))];
        let found =
            judge(&nights, 0, &book, Expected { sources: &[ExpectedSource::usual("ehr")], pools: &[] }, NOON, |_| false).problems;
        match &found[..] {
            // The last copy is lost.
            [] | [Problem::SourceNever { .. }] => None,
            [Problem::NotReadBack { generation, .. }] => Some(*generation),
            _ => panic!("{found:?}"),
        }
    };
    assert_eq!(unknown_at(&[written(1, false)]), None);
    assert_eq!(unknown_at(&[written(1, true), written(2, false)]), Some(1));
    assert_eq!(unknown_at(&[written(1, true), verified(1)]), None);
    assert_eq!(unknown_at(&[written(1, true), verified(1), written(2, true)]), Some(2));
    assert_eq!(unknown_at(&[written(1, true), written(2, true), verified(1)]), Some(2), "an older state of the medium");
    let (to, by, out_of_use) = (String::new(), "A".into(), Some(crate::host::ledger::OutOfUse::Lost));
    let lost = LedgerEvent::Moved { medium: medium(), to, by, witness: None, off_site: false, out_of_use, set: None };
    assert_eq!(unknown_at(&[written(1, true), lost]), None);
}

fn registered(medium: &str) -> LedgerEvent {
    let (medium, set) = (medium.into(), "00".into());
    LedgerEvent::Registered { medium, set, pool: None, device: None, kind: None, mounted: false }
}

fn written(medium: &str) -> LedgerEvent {
    let (medium, check_code, verdict) = (medium.to_owned(), "JHFB".into(), "good".into());
    LedgerEvent::Written { medium, generation: 1, check_code, verdict, from_cache: false }
}

/// The lines have the days 1, 2, 3 … of November.
fn book(events: &[LedgerEvent]) -> LedgerContent {
    let line = |(day, event): (u64, &LedgerEvent)| LedgerLine {
        line: day,
        time: format!("2026-11-{day:02}T01:30:00Z"),
        event: event.clone(),
    };
    let mut book = LedgerContent::default();
    book.lines.extend((1..).zip(events).map(line));
    book
}

fn problems_with(nights: &[Night], book: &LedgerContent, pools: &[Pool]) -> Vec<Problem> {
    judge(nights, 0, book, Expected { sources: &[ExpectedSource::usual("ehr")], pools }, NOON, |_| false).problems
}

/// What was sealed on disks that are lost, broken or damaged is no backup any more.
#[test]
fn a_generation_counts_as_long_as_a_medium_has_it() {
    let lost = |medium: &str| LedgerEvent::Moved {
        medium: medium.into(),
        to: String::new(),
        by: "A".into(),
        witness: None,
        off_site: false,
        out_of_use: Some(OutOfUse::Lost),
        set: None,
    };
    let nights = [night(0, Some(sealed(10, Verdict::Good)))];
    let never = || Problem::SourceNever { source: "ehr".into(), was_good: true };
    let of =
        |more: &[LedgerEvent]| problems_with(&nights, &book(&[&[registered("CL-01"), written("CL-01")], more].concat()), &[]);
    assert_eq!(of(&[]), []);
    assert_eq!(of(&[lost("CL-01")]), [never()]);
    let copied = LedgerEvent::Copied {
        medium: "CL-11".into(),
        set: "00".into(),
        generation: 1,
        check_code: "JHFB".into(),
        device: None,
        kind: crate::host::ledger::MediumKind::Disk,
        from_cache: false,
    };
    assert_eq!(of(&[copied.clone(), lost("CL-01")]), []);
    assert_eq!(of(&[copied, lost("CL-01"), lost("CL-11")]), [never()]);
    let scrubbed = |damaged| LedgerEvent::Scrubbed { medium: "CL-01".into(), damaged };
    let damaged = || Problem::Damaged { medium: "CL-01".into(), objects: 2 };
    assert_eq!(of(&[scrubbed(2)]), [damaged(), never()]);
    assert_eq!(of(&[scrubbed(2), scrubbed(0)]), []);
    let behind = [registered("CL-01"), scrubbed(2), written("CL-01")];
    assert_eq!(problems_with(&nights, &book(&behind), &[]), [damaged()], "what came after it was stored again");
    let foreign = |found: &str| LedgerEvent::Foreign { medium: "CL-01".into(), found: found.into() };
    let found = Problem::Foreign { medium: "CL-01".into(), name: "a".into() };
    assert_eq!(of(&[foreign("a")]), [found]);
    assert_eq!(of(&[foreign("a"), scrubbed(0)]), []);
    assert_eq!(of(&[foreign("a"), written("CL-01")]), [], "the night has named what was still there");
}

/// The ledger was deleted with a hold in it, and another one was begun.
#[test]
fn a_ledger_that_does_not_know_what_this_host_has_sealed_is_told() {
    let nights = [night(0, Some(sealed(10, Verdict::Good)))];
    let other = || LedgerEvent::Registered {
        medium: "CL-09".into(),
        set: "99".into(),
        pool: None,
        device: None,
        kind: None,
        mounted: false,
    };
    let lost = Problem::NotInLedger { generation: 1, medium: "CL-01".into() };
    assert_eq!(problems_with(&nights, &book(&[other()]), &[]), [lost]);
    let mut unrecorded = night(8, Some(sealed(10, Verdict::Good)));
    unrecorded.end.as_mut().unwrap().why = Some(Words::Text("the disk is full".into()));
    assert!(matches!(&problems_with(&[unrecorded], &book(&[other()]), &[])[..], [Problem::Unrecorded { .. }]));
    let mut torn = book(&[registered("CL-01"), written("CL-01")]);
    torn.torn_lately = 1;
    assert_eq!(problems_with(&nights, &torn, &[]), [Problem::LedgerTorn { lines: 1 }]);
}

/// The disks of the months lie in the bank: the nightly pool says nothing of them.
#[test]
fn each_pool_is_judged_where_there_are_several() {
    let nights = [night(0, Some(sealed(10, Verdict::Good)))];
    let months = || Pool { name: "months".into(), turn_nights: 1, ..pool(&["MO-01"]) };
    let nightly = || Pool { turn_nights: 99, ..pool(&["CL-01"]) };
    let of = |events: &[LedgerEvent], pools: &[Pool]| {
        let all = [&[registered("CL-01"), registered("MO-01")], events].concat();
        problems_with(&nights, &book(&all), pools)
    };
    // The 3rd and the 4th of November; the test's clock stands at the 24th.
    let both = [written("CL-01"), written("MO-01")];
    assert_eq!(of(&both, &[nightly(), months()]), []);
    let told = of(&both[..1], &[nightly(), months()]);
    assert!(matches!(&told[..], [Problem::PoolOld { time: None, .. }]), "{told:?}");
    let day = 24 * 3600;
    let told = of(&both, &[nightly(), Pool { max_age_seconds: Some(19 * day), ..months() }]);
    assert!(matches!(&told[..], [Problem::PoolOld { pool, time: Some(_), .. }] if pool == "months"), "{told:?}");
    assert_eq!(of(&both[..1], &[Pool { max_age_seconds: Some(day), ..nightly() }]), [], "an only pool");
}

/// The disks of the nights are not silent for a month because there are disks of the months.
#[test]
fn a_pool_without_a_limit_of_its_own_is_judged_by_its_own_rhythm() {
    let months = || Pool { name: "months".into(), turn_nights: 1, max_age_seconds: Some(99 * 24 * 3600), ..pool(&["MO-01"]) };
    let rest = || Pool { turn_nights: 99, ..pool(&["CL-01"]) };
    let told = |days: &[u64]| {
        let mut book = book(&[registered("CL-01"), registered("MO-01"), written("MO-01")]);
        book.lines.extend(days.iter().map(|day| LedgerLine {
            line: 4,
            time: format!("2026-11-{day:02}T01:30:00Z"),
            event: written("CL-01"),
        }));
        match &problems_with(&[night(0, Some(sealed(10, Verdict::Good)))], &book, &[rest(), months()])[..] {
            [] => None,
            [Problem::PoolOld { max_age_seconds, .. }] => Some(max_age_seconds / 3600),
            other => panic!("{other:?}"),
        }
    };
    // It is the 24th.
    assert_eq!(told(&[4, 5, 6]), None, "nobody knows its rhythm yet");
    assert_eq!(told(&[4, 5, 6, 7, 8]), Some(50));
    assert_eq!(told(&[19, 20, 21, 22, 23]), None);
    assert_eq!(told(&[1, 2, 3, 6, 7, 8, 9, 10, 13, 14, 15]), Some(146), "days of rest, twice");
    assert_eq!(told(&[1, 2, 3, 6, 7, 8, 9, 10, 13, 14, 20]), None);
    assert_eq!(told(&[1, 4, 7, 10]), Some(146));
}

/// "Attach CL-02": and it is lost since, or lies in the bank.
#[test]
fn what_a_failed_run_said_to_do_is_forgotten_when_the_ledger_knows_better() {
    const END: &str = "2026-11-23T01:31:00Z";
    let hint = |event: Option<LedgerEvent>, time: &str| {
        let mut failed = night(6, None);
        let end = failed.end.as_mut().unwrap();
        (end.hint, end.time) = (Some(Words::Text("Attach CL-02.".into())), END.into());
        let mut book = book(&[registered("CL-01"), written("CL-01")]);
        book.lines.extend(event.map(|event| LedgerLine { line: 3, time: time.into(), event }));
        match &problems_with(&[night(0, Some(sealed(34, Verdict::Good))), failed], &book, &[])[0] {
            Problem::NightFailed { hint, .. } => hint.clone(),
            other => panic!("{other:?}"),
        }
    };
    let moved = LedgerEvent::Moved {
        medium: "CL-01".into(),
        to: "bank".into(),
        by: "A".into(),
        witness: None,
        off_site: true,
        out_of_use: None,
        set: None,
    };
    assert!(hint(None, "").is_some());
    assert_eq!(hint(Some(moved.clone()), END), None);
    assert!(hint(Some(moved), "2026-11-01T00:00:00Z").is_some(), "the run knew it");
    assert_eq!(hint(Some(registered("CL-02")), "2026-11-30T00:00:00Z"), None);
    let plugged = LedgerEvent::Plugged { medium: Some("CL-01".into()), device: "USB".into(), port: None };
    assert!(hint(Some(plugged), "2026-11-30T00:00:00Z").is_some(), "somebody does what it said");
}

/// One file of another folder, under the name of the records.
#[test]
fn a_name_alone_makes_no_source_good() {
    let origin = |path: &str| Some(path.to_owned());
    let mut other = sealed(10, Verdict::Good);
    other.sources[0].origin = origin("/tmp/ehr");
    let nights = [night(6, None), night(0, Some(other.clone()))];
    let expected = [ExpectedSource { origin: origin("/srv/ehr"), ..ExpectedSource::usual("ehr") }];
    let of =
        |nights: &[Night]| judge(nights, 0, &usual_book(), Expected { sources: &expected, pools: &[] }, NOON, |_| false).problems;
    let told = of(&nights);
    assert!(matches!(&told[..], [Problem::NightFailed { .. }, Problem::SourceNever { .. }]), "{told:?}");
    other.sources[0].origin = origin("/srv/ehr");
    assert_eq!(of(&[night(6, None), night(0, Some(other))]), []);
}

#[test]
fn a_night_of_a_source_that_the_configuration_no_longer_names_is_made_up_for() {
    let cut_off = |configured| Night { sources: vec!["ehr".into(), "slow".into()], configured, end: None, ..running_night() };
    let good = || night(0, Some(sealed(10, Verdict::Good)));
    assert_eq!(problems(&[cut_off(true), good()]), []);
    assert!(matches!(&problems(&[cut_off(false), good()])[..], [Problem::NightCutOff { .. }]), "somebody asked for it");
    assert!(matches!(&problems(&[good(), cut_off(true)])[..], [Problem::NightCutOff { .. }]));
}

/// It waited for nothing: "another run is writing".
#[test]
fn a_run_that_began_earlier_and_sealed_later_makes_up_for_it() {
    let ended = |time: &str, n: Night| {
        let mut n = n;
        n.end.as_mut().unwrap().time = time.into();
        n
    };
    let refused = ended("2026-11-23T01:31:00Z", night(1, None));
    let good = |time| ended(time, night(0, Some(sealed(10, Verdict::Good))));
    assert_eq!(problems(&[good("2026-11-23T01:40:00Z"), refused.clone()]), []);
    assert!(matches!(&problems(&[good("2026-11-23T01:30:30Z"), refused])[..], [Problem::NightFailed { .. }]));
}

/// The next action is that of the first one: nobody is to attach a clean disk because a source is old, too.
#[test]
fn an_alarm_is_told_before_what_asks_for_a_medium() {
    let told = problems(&[night(0, Some(sealed(34, Verdict::Good))), night(4, Some(sealed(30, Verdict::Alarm)))]);
    assert!(matches!(&told[..], [Problem::SourceAlarm { .. }, Problem::SourceOld { .. }]), "{told:?}");
    let told = problems(&[night(0, Some(sealed(34, Verdict::Good))), night(5, None)]);
    assert!(matches!(&told[..], [Problem::NightFailed { .. }, Problem::SourceOld { .. }]), "{told:?}");
}
