//! Reports after an incident: an authority reads them, and whoever broke in would like to have written them. Sessions are made by hand
//! here, so that each says one thing; `tests/reports.sh` makes a real one and prints it.

use serde_json::{Value, json};
use sha2::Digest;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const SET: &str = "00112233445566778899aabbccddeeff";

struct Session {
    dir: tempfile::TempDir,
    last: Option<String>,
    lines: u64,
}

fn sha256(bytes: &[u8]) -> String {
    sha2::Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

impl Session {
    /// A session that has begun, and nothing else.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("session/results")).unwrap();
        let mut session = Self { dir, last: None, lines: 0 };
        session.line(json!({
            "event": "started", "by": "鈴木", "witness": "佐藤", "place": "院長室", "host": "pc", "tool": "azekura 0.1.0",
            "program_sha256": "ab", "medium": { "set": SET, "set_name": "本院", "medium": "01", "writable": false }, "files": {},
        }));
        session
    }

    fn folder(&self) -> PathBuf {
        self.dir.path().join("session")
    }

    fn record(&self) -> PathBuf {
        self.folder().join("record.jsonl")
    }

    fn line(&mut self, mut event: Value) {
        event["time"] = format!("2026-11-02T00:{:02}:00Z", self.lines).into();
        event["previous"] = self.last.clone().map_or(Value::Null, Value::from);
        let text = event.to_string();
        self.last = Some(sha256(text.as_bytes()));
        self.lines += 1;
        let before = fs::read_to_string(self.record()).unwrap_or_default();
        fs::write(self.record(), format!("{before}{text}\n")).unwrap();
    }

    /// What a command answered.
    fn answer(&mut self, command: &str, exit: u8, result: Value) {
        let document =
            json!({ "schema_version": 1, "tool": "azekura 0.1.0", "command": command, "exit_code": exit, "result": result });
        let name = format!("results/{:04}-{command}.json", self.lines + 1);
        fs::write(self.folder().join(&name), document.to_string()).unwrap();
        let digest = sha256(document.to_string().as_bytes());
        self.line(
            json!({ "event": "command", "command": command, "arguments": [], "exit_code": exit, "files": { name: digest } }),
        );
    }

    /// A verification, a search for signs, a restore of generation 2 and a comparison of what was restored: all good.
    fn story(&mut self, scan: Value) {
        let generation = |n: u64| {
            json!({ "generation": n, "time": "2026-10-30T16:30:00Z", "check_code": format!("AAAA-BBBB-CCCC-000{n}"), "verdict": "good",
                    "read_back": "direct", "trusted": true, "objects": 3, "bytes": 9, "damaged_objects": 0 })
        };
        self.answer("verify", 0, json!({
            "set": SET, "set_name": "本院", "good": true, "root_key": "cd", "generations": [generation(1), generation(2)], "faults": [],
            "damage": [], "objects": 6, "bytes": 18, "read_back": "direct", "expected": { "found": true, "generation": 2, "newer": 0 },
        }));
        let row = |n: u64, clean: bool| {
            json!({ "generation": n, "time": "2026-10-30T16:30:00Z", "check_code": format!("AAAA-BBBB-CCCC-000{n}"), "trusted": true,
                    "verdict": "good", "clean": clean, "changes": [], "alarms": [], "hits": u64::from(!clean), "unhashed": 0,
                    "damaged": null })
        };
        self.answer("generations", 5, json!({
            "indicators": { "looked_for": 3, "passed_over": 0 }, "set": SET, "set_name": "本院", "last_clean": 2, "generations": [row(1, true), row(2, true), row(3, false)],
            "first": [{ "indicator": "*.locked", "generation": 3, "path": "ehr/<img src=x onerror=alert(1)>\u{202e}\u{1b}[2J" }], "faults": [],
        }));
        let mut restore = json!({
            "set": SET, "set_name": "本院", "generation": 2, "time": "2026-10-30T16:30:00Z", "trusted": true, "faults": [], "dry_run": false,
            "to": "/back", "entries": 4, "files": 3, "bytes": 9, "not_restored": 0, "shortfalls": 0, "entries_lost": 0, "findings": [],
            "not_found": [], "media": [], "packs": [],
        });
        if !scan.is_null() {
            restore["scan"] = scan;
        }
        self.answer("restore", 0, restore);
        self.compare("/back/ehr", 0);
    }

    fn compare(&mut self, tree: &str, missing: u64) {
        self.answer("compare", 0, json!({
            "set": SET, "set_name": "本院", "generation": 2, "time": "2026-10-30T16:30:00Z", "with_generation": null, "trusted": true,
            "faults": [], "sources": [{ "name": "ehr", "rules": "plain", "tree": tree }], "not_compared": [], "counts": {
                "identical": 3, "added": 0, "updated": 0, "outside_rules": 0, "missing": missing, "renamed": 0, "not_verified": 0 },
            "metadata": 0, "entries_lost": 0, "differences": [],
        }));
    }

    fn run(&self, lang: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_azekura"));
        command.env_clear().env("HOME", self.dir.path()).env("TZ", "UTC").current_dir(self.dir.path());
        fs::write(self.dir.path().join("config.toml"), "").unwrap();
        command.args(["--config", "config.toml", "--lang", lang, "report"]).args(arguments);
        command.output().unwrap()
    }

    fn json(&self, arguments: &[&str]) -> (i32, Value) {
        let out = self.run("ja", &[arguments, &["--session", "session", "--json"]].concat());
        let document: Value = serde_json::from_slice(&out.stdout).unwrap_or_else(|e| panic!("{e}: {out:?}"));
        (out.status.code().unwrap(), document["result"].clone())
    }

    /// The page, and the exit code.
    fn page(&self, lang: &str, arguments: &[&str]) -> (i32, String) {
        let _ = fs::remove_file(self.dir.path().join("page.html"));
        let out = self.run(lang, &[arguments, &["--session", "session", "--out", "page.html"]].concat());
        let page = fs::read_to_string(self.dir.path().join("page.html")).unwrap_or_else(|e| panic!("{e}: {out:?}"));
        (out.status.code().unwrap(), page)
    }
}

const ALL: [&[&str]; 4] =
    [&["incident"], &["reconnect"], &["authenticity"], &["readopt", "--generation", "2", "--by", "院長", "--witness", "佐藤"]];

/// Marks of facts and of rows, with the lines of the record that vouch for them.
fn marks(report: &Value) -> Vec<(String, String, Vec<u64>)> {
    let lines = |v: &Value| v.as_array().into_iter().flatten().filter_map(|s| s["line"].as_u64()).collect();
    let mut all = Vec::new();
    for section in report["sections"].as_array().unwrap() {
        for fact in section["facts"].as_array().into_iter().flatten() {
            all.push((fact["fact"].as_str().unwrap().into(), fact["mark"].as_str().unwrap().into(), lines(&fact["sources"])));
        }
        for row in section["rows"].as_array().into_iter().flatten().filter(|r| r["mark"].is_string()) {
            let name = format!("{}.row", section["section"].as_str().unwrap());
            all.push((name, row["mark"].as_str().unwrap().into(), lines(&row["source"])));
        }
    }
    all
}

fn mark_of(report: &Value, fact: &str) -> String {
    marks(report).into_iter().find(|(name, ..)| name == fact).unwrap_or_else(|| panic!("no {fact}: {report:#}")).1
}

#[test]
fn what_nobody_recorded_is_not_verified() {
    let session = Session::new();
    for report in ALL {
        let (exit, json) = session.json(report);
        assert_eq!(exit, 0);
        for (fact, mark, lines) in marks(&json) {
            // The first line says who began, and on which medium; no more can be good.
            assert!(mark == "unknown" || lines == [1], "{report:?}: {fact} is {mark} by {lines:?}");
        }
        let (_, page) = session.page("ja", report);
        assert!(page.contains("未確認"));
    }
    let (_, json) = session.json(&["incident"]);
    for fact in ["last_clean", "verified", "paper", "root_key", "listed", "key_kept"] {
        assert_eq!(mark_of(&json, fact), "unknown", "{fact}");
    }
}

#[test]
fn a_good_mark_needs_every_fact() {
    let whole = |scan: Value| {
        let mut session = Session::new();
        session.story(scan);
        session.json(ALL[3]).1
    };
    let clean = json!({ "command": ["clamscan"], "engine": "ClamAV 1.4", "signatures": 27000, "signature_date": "2026-11-01", "exit_code": 0, "result": "clean", "found": [] });
    let report = whole(clean.clone());
    for fact in ["generation", "restored", "seal", "compared", "before_signs", "scan", "whole"] {
        assert_eq!(mark_of(&report, fact), "good", "{fact}");
    }
    let report = whole(Value::Null);
    assert_eq!([mark_of(&report, "scan"), mark_of(&report, "whole")], ["unknown", "unknown"]);
    let mut found = clean;
    found["result"] = "found".into();
    found["found"] = json!([{ "path": "x" }]);
    assert_eq!(mark_of(&whole(found), "whole"), "bad");
}

/// A scan that found nothing, by a scanner that says what it is.
fn scanned() -> Value {
    json!({ "command": ["clamscan"], "engine": "ClamAV 1.4", "signatures": 27000, "signature_date": "2026-11-01", "exit_code": 0,
            "result": "clean", "found": [] })
}

/// All marks of the four reports; a fact that several reports have stands once for each.
fn all_marks(session: &Session) -> Vec<(String, String, Vec<u64>)> {
    ALL.iter().flat_map(|report| marks(&session.json(report).1)).collect()
}

/// The answer of a line of the story, with one thing changed; null takes the member away.
fn story_with(line: usize, pointer: &str, value: Value) -> Session {
    let (mut whole, mut session) = (Session::new(), Session::new());
    whole.story(scanned());
    for number in 2..=5 {
        let name = fs::read_dir(whole.folder().join("results")).unwrap().map(|e| e.unwrap().path());
        let path =
            name.into_iter().find(|p| p.file_name().unwrap().to_str().unwrap().starts_with(&format!("000{number}"))).unwrap();
        let mut document: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        if number == line {
            let (parent, member) = pointer.rsplit_once('/').unwrap();
            let parent = document.pointer_mut(parent).unwrap();
            match parent {
                Value::Object(object) if value == "absent" => drop(object.remove(member)),
                parent => parent[member] = value.clone(),
            }
        }
        let command = document["command"].as_str().unwrap().to_owned();
        let exit = u8::try_from(document["exit_code"].as_u64().unwrap()).unwrap();
        session.answer(&command, exit, document["result"].clone());
    }
    session
}

/// What has to stand in the record of re-adoption when one thing of the story is another.
#[test]
fn whatever_is_bad_or_not_known_is_no_good_mark() {
    let huge = json!(u64::MAX);
    let cases: [(usize, &str, Value, &str, &str); 40] = [
        (2, "/result/good", json!(false), "seal", "bad"),
        (2, "/result/good", json!("yes"), "seal", "unknown"),
        (2, "/result/good", json!("absent"), "seal", "unknown"),
        (2, "/result/read_back", json!("cached"), "seal", "partly"),
        (2, "/result/read_back", json!("dreamt"), "seal", "unknown"),
        (2, "/result/objects_elsewhere", json!(4), "seal", "partly"),
        (2, "/result/objects", json!(0), "seal", "unknown"),
        (2, "/result/generations", json!([]), "seal", "unknown"),
        (2, "/result/generations/1/trusted", json!(false), "seal", "bad"),
        (2, "/result/generations/1/damaged_objects", huge.clone(), "seal", "bad"),
        (2, "/result/generations/1/time", json!("2026-10-29T16:30:00Z"), "generation", "unknown"),
        (2, "/result/generations/1/check_code", json!("ZZZZ-ZZZZ-ZZZZ-ZZZZ"), "generation", "unknown"),
        (2, "/result/expected/found", json!(false), "seal", "bad"),
        (2, "/result/faults", json!([{ "fault": "forked" }]), "seal", "bad"),
        (2, "/result/set", json!("ffffffffffffffffffffffffffffffff"), "seal", "unknown"),
        (3, "/result/indicators", Value::Null, "before_signs", "unknown"),
        (3, "/result/indicators", Value::Null, "indicators", "unknown"),
        (3, "/result/indicators/looked_for", json!(0), "indicators", "unknown"),
        (3, "/result/indicators/passed_over", json!(2), "indicators", "partly"),
        (3, "/result/generations/1/unhashed", json!(7), "before_signs", "partly"),
        (3, "/result/generations/1/damaged", json!("cut"), "before_signs", "unknown"),
        (3, "/result/generations/1/damaged", json!("cut"), "indicators", "unknown"),
        (3, "/result/generations/0/hits", json!(1), "before_signs", "bad"),
        (3, "/result/last_clean", json!(1), "before_signs", "unknown"),
        (3, "/result/faults", json!([{ "fault": "forked" }]), "before_signs", "unknown"),
        (3, "/result/quarantine", json!(true), "before_signs", "bad"),
        (3, "/result/set", json!("ffffffffffffffffffffffffffffffff"), "before_signs", "unknown"),
        (4, "/result/quarantine", json!(true), "restored", "bad"),
        (4, "/result/has_alarm", json!(true), "before_signs", "bad"),
        (4, "/result/entries", json!(0), "restored", "unknown"),
        (4, "/result/not_restored", huge.clone(), "restored", "bad"),
        (4, "/result/to", json!("absent"), "to", "unknown"),
        (4, "/result/scan/engine", Value::Null, "scan", "partly"),
        (4, "/result/scan/found_count", json!(1), "scan", "bad"),
        (4, "/result/scan/signatures", json!(true), "scan", "good"),
        (5, "/result/counts/missing", huge.clone(), "compared", "bad"),
        (
            5,
            "/result/counts",
            json!({ "identical": 3, "added": huge, "updated": 1, "outside_rules": 0, "missing": 0, "renamed": 0, "not_verified": 0 }),
            "compared",
            "bad",
        ),
        (5, "/result/sources/0/tree", json!("/back/../live/ehr"), "compared", "unknown"),
        (5, "/result/sources/0/tree", json!("absent"), "compared", "unknown"),
        (5, "/result/time", json!("2026-10-29T16:30:00Z"), "compared", "unknown"),
    ];
    for (line, pointer, value, fact, mark) in cases {
        let session = story_with(line, pointer, value.clone());
        let (_, report) = session.json(ALL[3]);
        assert_eq!(mark_of(&report, fact), mark, "{fact} of {pointer} {value}");
        assert!(fact == "to" || mark == "good" || mark_of(&report, "whole") != "good", "{pointer} {value}");
        for report in ALL {
            assert!(session.page("ja", report).1.contains("</html>"), "{pointer} {value}");
        }
    }
    // What it could be held against, two ways of changing more than fit a number.
    let mut session = story_with(5, "/result/counts/outside_rules", json!(1));
    assert_eq!(mark_of(&session.json(ALL[3]).1, "compared"), "bad");
    session.compare("/back/ehr", u64::MAX);
    assert_eq!(mark_of(&session.json(ALL[3]).1, "compared"), "bad");
}

/// A command says that all is well, and ends as one that failed.
#[test]
fn the_answer_of_a_command_that_failed_is_no_good_mark() {
    let mut whole = Session::new();
    whole.story(scanned());
    for line in 2..=5 {
        let mut session = Session::new();
        for number in 2..=5 {
            let command = ["verify", "generations", "restore", "compare"][number - 2];
            let text = fs::read(whole.folder().join(format!("results/000{number}-{command}.json"))).unwrap();
            let document: Value = serde_json::from_slice(&text).unwrap();
            let exit = u8::try_from(document["exit_code"].as_u64().unwrap()).unwrap();
            session.answer(command, if number == line { 130 } else { exit }, document["result"].clone());
        }
        assert_eq!(mark_of(&session.json(ALL[3]).1, "whole"), "unknown", "line {line}");
        let good: Vec<_> = all_marks(&session)
            .into_iter()
            .filter(|(name, mark, at)| mark == "good" && *at == [line as u64] && name != "to")
            .collect();
        assert!(good.iter().all(|(name, ..)| name == "generation"), "line {line}: {good:?}");
    }
}

/// Somebody searched well and found; somebody else searched for nothing afterwards, and "found nothing".
#[test]
fn a_sign_that_was_found_stands() {
    let mut session = Session::new();
    session.story(scanned());
    let row = |n: u64| {
        json!({ "generation": n, "time": "2026-10-30T16:30:00Z", "check_code": format!("AAAA-BBBB-CCCC-000{n}"),
        "trusted": true, "verdict": "good", "clean": true, "changes": [], "alarms": [], "hits": 0, "unhashed": 0, "damaged": null })
    };
    session.answer(
        "generations",
        0,
        json!({ "indicators": null, "set": SET, "set_name": "本院", "last_clean": 3,
        "generations": [row(1), row(2), row(3)], "first": [], "faults": [] }),
    );
    let (_, report) = session.json(&["incident"]);
    let last = report["sections"].as_array().unwrap().iter().find(|s| s["section"] == "last_clean").unwrap()["facts"][0].clone();
    assert!(last["value"].as_str().unwrap().starts_with("世代 2 "), "{last}");
    assert_eq!(last["mark"], "good");
    assert!(session.page("ja", &["incident"]).1.contains("<br>照合番号 AAAA-BBBB-CCCC-0002"), "no line ends within a code");
    let (_, page) = session.page("ja", &["incident"]);
    assert!(page.contains("*.locked") && !page.contains("侵害指標のある世代はない"));
    let rows = report["sections"].as_array().unwrap().iter().find(|s| s["section"] == "affected").unwrap()["rows"].clone();
    assert_eq!((&rows[0]["generation"], &rows[0]["hits"]), (&json!(3), &json!(1)), "no change was counted, and still it is told");
}

#[test]
fn without_indicators_nothing_is_said_of_them() {
    let mut session = Session::new();
    let row = json!({ "generation": 1, "time": "2026-10-30T16:30:00Z", "check_code": "AAAA-BBBB-CCCC-0001", "trusted": true,
        "verdict": "good", "clean": true, "changes": [], "alarms": [], "hits": 0, "unhashed": 0, "damaged": null });
    session.answer(
        "generations",
        0,
        json!({ "indicators": null, "set": SET, "set_name": "本院", "last_clean": 1,
        "generations": [row], "first": [], "faults": [] }),
    );
    let (_, report) = session.json(&["incident"]);
    assert_eq!([mark_of(&report, "last_clean"), mark_of(&report, "indicators")], ["unknown", "unknown"]);
    assert!(session.page("ja", &["incident"]).1.contains("侵害指標は探していない(未確認)"));
    assert!(session.page("en", &["incident"]).1.contains("Indicators were not searched for"));
}

/// The newest verification is bad; whoever broke in takes its answer away, or makes it something that nobody understands.
#[test]
fn a_bad_answer_that_is_taken_away_does_not_bring_back_a_good_one() {
    let mut session = Session::new();
    session.story(scanned());
    session.answer("verify", 5, json!({ "set": SET, "set_name": "本院", "good": "no" }));
    let (exit, json) = session.json(&["incident"]);
    assert_eq!((exit, mark_of(&json, "verified").as_str()), (0, "unknown"));
    assert!(session.page("ja", &["incident"]).1.contains("6 行目: azekura verify の結果がないか、読み取れません"));
    fs::remove_file(session.folder().join("results/0006-verify.json")).unwrap();
    let (exit, json) = session.json(ALL[3]);
    assert_eq!((exit, mark_of(&json, "verified").as_str(), mark_of(&json, "whole").as_str()), (5, "unknown", "unknown"));
    // One that could not be run says nothing.
    let mut session = Session::new();
    session.story(scanned());
    let name = "results/0006-verify.json";
    let document = json!({ "schema_version": 1, "command": "verify", "exit_code": 2, "error": { "id": "usage" } }).to_string();
    fs::write(session.folder().join(name), &document).unwrap();
    session
        .line(json!({ "event": "command", "command": "verify", "exit_code": 2, "files": { name: sha256(document.as_bytes()) } }));
    assert_eq!(mark_of(&session.json(ALL[3]).1, "verified"), "good");
    // The last line is bound by the paper alone; its answer is of another mind.
    let record = fs::read_to_string(session.record()).unwrap();
    fs::write(session.record(), record.replace("\"exit_code\":2", "\"exit_code\":0")).unwrap();
    assert_eq!(mark_of(&session.json(ALL[3]).1, "verified"), "unknown");
}

/// The record binds the bytes, and they are the answer of something else, or end otherwise than the line says.
#[test]
fn an_answer_that_does_not_fit_its_line_is_not_used() {
    for (command, exit, mark) in [("verify", 0, "good"), ("verify", 5, "unknown"), ("restore", 0, "unknown")] {
        let mut session = Session::new();
        session.story(scanned());
        let text = fs::read_to_string(session.folder().join("results/0002-verify.json")).unwrap();
        let mut document: Value = serde_json::from_str(&text).unwrap();
        (document["command"], document["exit_code"]) = (command.into(), exit.into());
        let (name, document) = ("results/0006-verify.json", document.to_string());
        fs::write(session.folder().join(name), &document).unwrap();
        let files = json!({ name: sha256(document.as_bytes()) });
        session.line(json!({ "event": "command", "command": "verify", "arguments": [], "exit_code": 0, "files": files }));
        assert_eq!(mark_of(&session.json(&["incident"]).1, "verified"), mark, "{command} {exit}");
    }
}

/// A chain that was found not to be that of the paper: looked at again without the paper it is no better.
#[test]
fn a_verification_that_went_wrong_stays_on_the_page() {
    let mut session = story_with(2, "/result/expected", json!({ "found": false }));
    let mut good = Session::new();
    good.story(Value::Null);
    let text = fs::read(good.folder().join("results/0002-verify.json")).unwrap();
    let mut document: Value = serde_json::from_slice(&text).unwrap();
    document["result"]["expected"] = Value::Null;
    session.answer("verify", 0, document["result"].clone());
    for report in ALL {
        let told: Vec<String> =
            marks(&session.json(report).1).into_iter().filter(|(name, ..)| name == "paper").map(|m| m.1).collect();
        assert_eq!(told, ["unknown", "bad"], "{report:?}");
    }
}

#[test]
fn an_infected_state_that_was_kept_is_told() {
    let mut session = Session::new();
    let kept = |findings: u64| {
        json!({ "set": "ffffffffffffffffffffffffffffffff", "set_name": "隔離", "quarantine": true, "generation": 1,
        "time": "2026-11-02T01:00:00Z", "verdict": if findings > 0 { "incomplete" } else { "good" }, "read_back": "direct",
        "check_code": "QQQQ-QQQQ-QQQQ-QQQQ", "statistics": { "files": 9, "bytes": 99, "findings": findings } })
    };
    assert_eq!(mark_of(&session.json(&["incident"]).1, "quarantine"), "unknown");
    session.answer("backup", 0, kept(0));
    assert_eq!(mark_of(&session.json(&["incident"]).1, "quarantine"), "good");
    let (_, page) = session.page("ja", &["incident"]);
    assert!(
        page.contains("感染状態の隔離保存") && page.contains("感染状態を隔離して保存(隔離 世代 1、照合番号 QQQQ-QQQQ-QQQQ-QQQQ)")
    );
    assert!(session.page("en", &["incident"]).1.contains("Infected state stored in quarantine"));
    let mut session = Session::new();
    session.answer("backup", 3, kept(2));
    assert_eq!(mark_of(&session.json(&["incident"]).1, "quarantine"), "partly");
    // What is restored out of it is the infected state.
    session.story(scanned());
    let (mut other, name) = (Session::new(), "results/0004-restore.json");
    other.story(scanned());
    let mut restore: Value = serde_json::from_slice(&fs::read(other.folder().join(name)).unwrap()).unwrap();
    restore["result"]["set"] = "ffffffffffffffffffffffffffffffff".into();
    session.answer("restore", 0, restore["result"].clone());
    let whole: Vec<String> =
        marks(&session.json(ALL[3]).1).into_iter().filter(|(name, ..)| name == "whole").map(|m| m.1).collect();
    assert_eq!(whole, ["good", "bad"]);
    assert!(session.page("ja", ALL[3]).1.contains("複数の媒体セットから復元されている"), "whoever signs is told which");
    other.answer("compare", 5, json!({}));
    assert!(!other.page("ja", ALL[3]).1.contains("複数の媒体セット"));
}

/// A week of nights would push the first trace off the page.
#[test]
fn what_happens_every_day_does_not_hide_the_story() {
    let mut session = Session::new();
    session.story(Value::Null);
    let line = |n: u64| json!({ "line": n, "time": format!("2026-10-31T{:02}:{:02}:00Z", n / 60, n % 60), "event": "attached", "medium": format!("CL-{n}") });
    session.answer("media.log", 0, json!({ "lines": (1..=300).map(line).collect::<Vec<_>>(), "broken": [] }));
    session.answer("hold.on", 0, json!({ "hold": { "since": "2026-10-30T18:00:00Z", "by": "当直", "why": "脅迫文" } }));
    let (_, page) = session.page("ja", &["incident"]);
    for told in ["侵害指標 *.locked が初めて現れる", "保全(ホールド)を開始(当直): 脅迫文", "CL-300 を接続"]
    {
        assert!(page.contains(told), "{told}");
    }
    assert!(!page.contains("CL-1 を接続"));
}

/// A ledger that somebody edited cannot say which medium was away.
#[test]
fn a_ledger_that_does_not_hold_vouches_for_no_medium() {
    let with = |broken: Value| {
        let mut session = Session::new();
        let medium = |left: Value, at_host: bool| {
            json!({ "name": "CL-02", "place": "倉庫", "off_site": false, "attached": null,
            "at_host": at_host, "left": left, "written": null })
        };
        let left = json!("2026-10-30T23:00:00Z");
        let media = [medium(left.clone(), false), medium(left, true), medium(Value::Null, false)];
        session.answer("media.list", 0, json!({ "media": media }));
        session.answer("media.log", 0, json!({ "lines": [], "broken": broken }));
        let told = marks(&session.json(&["incident"]).1).into_iter().filter(|(name, ..)| name == "media.row").map(|m| m.1);
        (told.collect::<Vec<_>>(), session.page("ja", &["incident"]).1.contains("つながらない行が 1 件"))
    };
    assert_eq!(with(json!([])), (vec!["good".into(), "unknown".into(), "unknown".into()], false));
    assert_eq!(with(json!([7])), (vec!["unknown".to_owned(); 3], true));
}

#[test]
fn a_proof_is_good_for_the_record_that_it_was_held_against() {
    let proved = |exit: u8, content: Value, state: &str| {
        let mut session = Session::new();
        session.answer(
            "check-proof",
            exit,
            json!({ "path": "ehr/1", "generation": 2, "time": "2026-10-30T16:30:00Z", "check_code": "AAAA-BBBB-CCCC-0002",
            "anchors": ["check-code"], "content": content, "state": state }),
        );
        mark_of(&session.json(&["authenticity"]).1, "proofs.row")
    };
    assert_eq!(proved(0, json!("same"), "good"), "good");
    assert_eq!(proved(5, json!("digest"), "good"), "bad");
    assert_eq!(proved(5, Value::Null, "good"), "unknown");
    assert_eq!(proved(0, Value::Null, "unreadable"), "partly");
}

/// What was compared before the restore, somewhere else or in a later and worse state does not vouch for it.
#[test]
fn a_comparison_of_something_else_vouches_for_nothing() {
    let mut session = Session::new();
    session.compare("/back/ehr", 0);
    session.story(Value::Null);
    assert_eq!(mark_of(&session.json(ALL[3]).1, "compared"), "good");
    session.compare("/backup/ehr", 7);
    assert_eq!(mark_of(&session.json(ALL[3]).1, "compared"), "good", "another folder whose name begins alike");
    session.compare("/back/ehr", 7);
    assert_eq!(mark_of(&session.json(ALL[3]).1, "compared"), "bad", "the newest counts");
    let (_, other) = session.json(&["readopt", "--generation", "3", "--by", "院長", "--witness", "佐藤"]);
    assert_eq!(mark_of(&other, "restored"), "unknown");
}

/// A generation that the medium does not have is nothing to declare, and what was lost is not signed for.
#[test]
fn what_was_not_restored_is_not_declared() {
    let mut session = Session::new();
    session.story(Value::Null);
    let readopt = |session: &Session, generation: &str| {
        let typed = ["readopt", "--generation", generation, "--by", "院長", "--witness", "佐藤", "--session", "session"];
        let out = session.run("en", &[&typed[..], &["--out", "declared.html"]].concat());
        let _ = fs::remove_file(session.dir.path().join("declared.html"));
        let said = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned();
        (out.status.code().expect("an end"), said)
    };
    let (exit, said) = readopt(&session, "99");
    assert!(exit == 2 && said.contains("no generation 99"), "{exit} {said}");
    let (exit, said) = readopt(&session, "2");
    assert!(exit == 0 && said.contains("sign it"), "{exit} {said}");
    let (exit, said) = readopt(&session, "1");
    assert!(exit == 0 && said.contains("not to be signed"), "nothing was restored of it: {exit} {said}");
    session.answer(
        "restore",
        5,
        json!({
            "set": SET, "set_name": "本院", "generation": 2, "time": "2026-10-30T16:30:00Z", "trusted": true, "faults": [],
            "dry_run": false, "to": "/again", "entries": 4, "files": 0, "bytes": 0, "not_restored": 3, "shortfalls": 0,
            "entries_lost": 0, "findings": [], "not_found": [], "media": [], "packs": [],
        }),
    );
    let (exit, said) = readopt(&session, "2");
    assert!(exit == 5 && said.contains("not to be signed") && !said.contains("print it"), "{exit} {said}");
    let (exit, report) = session.json(&["reconnect"]);
    assert_eq!(exit, 5, "{report}");
}

/// A generation uses what earlier ones stored: their damage is its own.
#[test]
fn the_damage_of_an_earlier_generation_is_counted() {
    let mut session = Session::new();
    session.story(Value::Null);
    let generation = |n: u64, damaged: u64| {
        json!({ "generation": n, "time": "2026-10-30T16:30:00Z", "check_code": format!("AAAA-BBBB-CCCC-000{n}"), "verdict": "good",
                "read_back": "direct", "trusted": true, "objects": 3, "bytes": 9, "damaged_objects": damaged })
    };
    session.answer(
        "verify",
        5,
        json!({
            "set": SET, "set_name": "本院", "good": false, "root_key": "cd", "generations": [generation(1, 1), generation(2, 0)],
            "faults": [], "damage": [], "objects": 6, "bytes": 18, "read_back": "direct",
        }),
    );
    let (_, report) = session.json(ALL[3]);
    let facts: Vec<&Value> =
        report["sections"].as_array().unwrap().iter().filter_map(|s| s["facts"].as_array()).flatten().collect();
    let seal = facts.iter().find(|f| f["fact"] == "seal").expect("the seal");
    assert!(seal["mark"] == "bad" && seal["value"].as_str().is_some_and(|v| v.contains("破損 1 個")), "{seal}");
}

#[test]
fn nobody_is_their_own_witness() {
    let mut session = Session::new();
    session.story(Value::Null);
    let out = session
        .run("en", &["readopt", "--generation", "2", "--by", "院長", "--witness", "院長 ", "--session", "session", "--json"]);
    assert_eq!(out.status.code(), Some(2), "{out:?}");
}

#[test]
fn an_edited_record_vouches_for_nothing_before_the_break() {
    let mut session = Session::new();
    session.story(Value::Null);
    let good = fs::read_to_string(session.record()).unwrap();
    for (from, to) in [("佐藤", "田中"), ("\"exit_code\":5", "\"exit_code\":0")] {
        fs::write(session.record(), good.replacen(from, to, 1)).unwrap();
        let edited = 1 + good[..good.find(from).unwrap()].matches('\n').count() as u64;
        for report in ALL {
            let (exit, json) = session.json(report);
            assert_eq!(exit, 5);
            for (fact, mark, lines) in marks(&json) {
                assert!(mark != "good" || lines.iter().all(|l| *l > edited + 1), "{report:?}: {fact} by {lines:?}");
            }
            let (exit, page) = session.page("ja", report);
            assert_eq!(exit, 5);
            let (alarm, heading) = (page.find("この証拠保全の記録は変更されています").unwrap(), page.find("<h2>").unwrap());
            assert!(alarm < heading, "said before anything else");
            assert!(!page.contains("田中"), "what was put in is not told");
        }
    }
}

#[test]
fn a_result_that_is_not_what_was_recorded_is_not_used() {
    let mut session = Session::new();
    session.story(Value::Null);
    assert_eq!(mark_of(&session.json(&["incident"]).1, "verified"), "good");
    let file = session.folder().join("results/0002-verify.json");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("\"objects\":6", "\"objects\":7")).unwrap();
    let (exit, json) = session.json(&["incident"]);
    assert_eq!((exit, mark_of(&json, "verified").as_str()), (5, "unknown"));
    assert_eq!(json["record"]["files"], json!(["results/0002-verify.json"]));
    assert_eq!(mark_of(&json, "last_clean"), "good", "what the record binds still stands");
}

/// Whoever can write into the folder can name anything in a record of his own.
#[test]
fn a_hostile_session_does_not_lead_out_of_its_folder_or_into_waiting() {
    let mut session = Session::new();
    let pipe = session.folder().join("results/0002-verify.json");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    std::os::unix::fs::symlink("/dev/zero", session.folder().join("results/0003-verify.json")).unwrap();
    for (n, name) in
        ["results/0002-verify.json", "results/0003-verify.json", "results/../../config.toml", "/dev/zero"].iter().enumerate()
    {
        session.line(json!({ "event": "command", "command": "verify", "exit_code": n, "files": { *name: "00" } }));
    }
    let long = "x".repeat(7 << 20);
    session.answer("verify", 0, json!({ "set": SET, "set_name": long, "good": true }));
    let (exit, json) = session.json(&["incident"]);
    assert_eq!((exit, mark_of(&json, "verified").as_str()), (5, "unknown"));
    assert_eq!(json["record"]["files"].as_array().unwrap().len(), 4);
}

/// A path may be 1 MiB long, and a scanner may say much.
#[test]
fn a_long_name_does_not_take_its_answer_away() {
    let mut session = Session::new();
    let long = "院".repeat(300_000);
    session.answer(
        "history",
        0,
        json!({
            "set": SET, "set_name": "本院", "since": "2026-10-01T15:00:00Z", "until": null, "faults": [],
            "before": null, "generations": [{ "generation": 1, "time": "2026-10-30T16:30:00Z" }], "created": 1, "changed": 0, "gone": 0,
            "older": null, "older_bytes": null,
            "happened": [{ "what": "created", "generation": 1, "time": "2026-10-30T16:30:00Z", "path": long, "before": null, "after": null }],
        }),
    );
    let (exit, json) = session.json(&["authenticity"]);
    assert_eq!((exit, mark_of(&json, "created").as_str()), (0, "good"));
    assert_eq!(mark_of(&json, "older"), "unknown", "nothing was there before");
    assert!(session.page("ja", &["authenticity"]).1.len() < 64 << 10);
    // Another period than the one that was asked for.
    assert_eq!(mark_of(&session.json(&["authenticity", "--since", "2026-10-02"]).1, "created"), "good");
    assert_eq!(mark_of(&session.json(&["authenticity", "--since", "2026-10-03"]).1, "created"), "unknown");
}

#[test]
fn names_are_neither_markup_nor_control_characters() {
    let mut session = Session::new();
    session.story(Value::Null);
    session.line(json!({ "event": "command", "command": "<script>alert(1)</script>", "exit_code": 0, "files": {} }));
    for lang in ["ja", "en"] {
        let (_, page) = session.page(lang, &["incident"]);
        assert!(page.contains("ehr/&lt;img src=x onerror=alert(1)&gt;\\x{202e}\\x{1b}[2J"), "{page}");
        assert!(!page.contains("<img") && !page.contains("<script") && !page.contains(['\u{202e}', '\u{1b}']));
    }
}

#[test]
fn due_dates_are_counted_from_the_day_in_japan() {
    let session = Session::new();
    let dates = |discovered: &str| -> Vec<String> {
        let (_, json) = session.json(&["incident", "--discovered", discovered]);
        let due = json["sections"].as_array().unwrap().iter().find(|s| s["section"] == "due").unwrap().clone();
        due["rows"].as_array().unwrap().iter().map(|r| r["date"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(dates("2026-12-30"), ["2026-12-30", "2027-01-01", "2027-01-03", "2027-02-27"]);
    // Half past midnight in Japan is the day before in UTC.
    assert_eq!(dates("2026-10-31T15:30:00Z")[0], "2026-11-01");
    assert_eq!(dates("2026-11-01T00:30")[0], "2026-11-01");
    let (_, page) = session.page("ja", &["incident", "--discovered", "2026-12-30"]);
    assert!(page.contains("2027-02-27(土)") && page.contains("1 日目"));
    assert_eq!(session.run("ja", &["incident", "--session", "session", "--json", "--discovered", "昨日"]).status.code(), Some(2));
}

#[test]
fn a_report_is_kept_in_the_session_that_it_was_made_in() {
    let mut session = Session::new();
    session.story(Value::Null);
    let azekura = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_azekura"));
        command
            .env_clear()
            .env("HOME", session.dir.path())
            .env("AZEKURA_EVIDENCE", session.folder())
            .current_dir(session.dir.path());
        fs::write(session.dir.path().join("config.toml"), "").unwrap();
        command.args(["--config", "config.toml"]).args(arguments).output().unwrap()
    };
    assert!(azekura(&["report", "incident", "--out", "a.html"]).status.success());
    let page = fs::read(session.dir.path().join("a.html")).unwrap();
    let kept = "reports/0006-report.incident.html";
    assert_eq!(fs::read(session.folder().join(kept)).unwrap(), page);
    let record = fs::read_to_string(session.record()).unwrap();
    let last: Value = serde_json::from_str(record.lines().last().unwrap()).unwrap();
    assert_eq!(last["files"][kept], sha256(&page));

    let again = azekura(&["report", "incident", "--out", "a.html"]);
    assert_eq!(again.status.code(), Some(1), "nothing is written over");
    assert_eq!(fs::read(session.dir.path().join("a.html")).unwrap(), page);
    assert!(azekura(&["evidence", "export", "session", "--out", "out"]).status.success());
    assert_eq!(fs::read(session.dir.path().join("out").join(kept)).unwrap(), page);
    assert!(fs::read_to_string(session.dir.path().join("out/SHA256SUMS")).unwrap().contains(kept));
    fs::write(session.folder().join(kept), "better").unwrap();
    assert_eq!(azekura(&["evidence", "check", "session"]).status.code(), Some(5));
}

#[test]
fn without_a_session_there_is_no_report() {
    let session = Session::new();
    assert_eq!(session.run("en", &["incident", "--out", "page.html"]).status.code(), Some(2));
    assert_eq!(session.run("en", &["incident", "--session", "nowhere", "--out", "page.html"]).status.code(), Some(2));
    assert!(!Path::new(&session.dir.path().join("page.html")).exists());
}
