//! What the program says to people after a night, and to whoever types: the cause, in the reader's language, once.

mod machine;
#[path = "machine/practice.rs"]
mod practice;

use practice::Practice;
use serde_json::Value;
use std::fs;
use std::process::{Command, Output};

/// Results and messages together.
fn all(out: &Output) -> String {
    String::from_utf8([&out.stdout[..], &out.stderr].concat()).expect("UTF-8")
}

impl Practice {
    /// The first source, and more of them, each with a name and whatever else it has.
    fn configure_more(&self, more: &[(&str, String)]) {
        let more: String = more.iter().map(|(name, what)| format!("[[source]]\nname = \"{name}\"\n{what}\n")).collect();
        self.configure(&format!("[[source]]\npath = \"{}\"\n{more}", self.text("chart")));
    }

    fn said(&self, arguments: &[&str], lang: &str) -> String {
        all(&self.run(&[arguments, &["--lang", lang]].concat(), true))
    }

    /// A bit of a pack is another one.
    fn damage(&self) {
        let packs = walkdir::WalkDir::new(self.path("disk")).into_iter().flatten().map(|e| e.into_path());
        let pack = packs.into_iter().find(|p| p.extension().is_some_and(|e| e == "pack")).expect("a pack");
        let mut bytes = fs::read(&pack).expect("a pack");
        bytes[100] ^= 1;
        fs::remove_file(&pack).expect("a pack");
        fs::write(&pack, bytes).expect("a pack");
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("state/nights.jsonl")).expect("the log")
    }
}

/// Each source has its own cause, and whoever reads the log learns no name of a file.
#[test]
fn status_says_why_a_source_is_incomplete() {
    let practice = Practice::new();
    let command = |script: &str| format!("command = [\"/bin/sh\", \"-c\", \"{script}\"]");
    practice.write("pacs/dump.sql", "");
    let stale = format!("path = \"{}\"\nfresh_hours = 2", practice.text("old"));
    let sources =
        [("images", format!("path = \"{}\"", practice.text("pacs"))), ("orca", command("echo half; exit 1")), ("old", stale)];
    practice.configure_more(&sources);
    fs::create_dir(practice.path("old")).expect("a folder");
    practice.write("old/secret name", "1");
    let file = fs::File::options().write(true).open(practice.path("old/secret name")).expect("a file");
    let then = chrono::DateTime::parse_from_rfc3339("2026-01-05T03:00:00Z").expect("a time");
    file.set_modified(then.into()).expect("a time");
    assert_eq!(practice.exit(&["backup", "--init"]), 3);
    let (_, status) = practice.answer(&["status"]);
    let problems = status["problems"].as_array().expect("problems");
    let causes_of = |source: &str| {
        let of_it = problems.iter().find(|p| p["problem"] == "source-incomplete" && p["source"] == source);
        of_it.map(|p| (p["causes"].clone(), p["text"].as_str().expect("a text").to_owned()))
    };
    assert!(causes_of("chart").is_none());
    for (source, kind, en, ja) in [
        ("images", "empty-dump", "dumps without content: 1", "中身のないダンプ 1 件"),
        ("orca", "command-failed", "its command failed", "コマンドが失敗"),
        ("old", "source-stale", "nothing new since 2026-01-05", "2026-01-05(月) 12"),
    ] {
        let (causes, text) = causes_of(source).expect("it is incomplete");
        assert_eq!(
            (&causes[0]["finding"], &causes[0]["count"], causes.as_array().map(Vec::len)),
            (&kind.into(), &1.into(), Some(1))
        );
        assert!(text.contains(en), "{text}");
        assert!(practice.said(&["status"], "ja").contains(ja), "{ja}");
    }
    assert!(!practice.log().contains("secret"));
    // As an earlier version has written it.
    let older = |line: &str| {
        let mut line: Value = serde_json::from_str(line).expect("JSON");
        for source in line.pointer_mut("/sealed/sources").and_then(Value::as_array_mut).into_iter().flatten() {
            source.as_object_mut().expect("a source").remove("findings");
        }
        format!("{line}\n")
    };
    fs::write(practice.path("state/nights.jsonl"), practice.log().lines().map(older).collect::<String>()).expect("the log");
    assert!(practice.said(&["status"], "en").contains("incomplete for orca: something was unreadable"));
}

/// The worst few, and where the others are.
#[test]
fn many_sources_do_not_fill_the_screen() {
    let practice = Practice::new();
    let names = ["a", "b", "c", "d", "e"];
    let more: Vec<_> = names.iter().map(|name| (*name, format!("path = \"{}\"", practice.text(name)))).collect();
    practice.configure_more(&more);
    assert_eq!(practice.exit(&["backup", "--init"]), 3);
    let warned = |arguments: &[&str]| {
        let said = practice.said(arguments, "en");
        let of_source = |l: &&str| l.starts_with("Warning: Generation 1 is incomplete for ") && l.contains(": it is missing.");
        (said.lines().filter(of_source).count(), said.contains("azekura status --all"), said)
    };
    let (shown, more, said) = warned(&["status"]);
    // The sources were never backed up either: two more of each kind.
    assert_eq!((shown, more), (3, true), "{said}");
    assert!(said.contains("Warning: 4 more of the same kinds."), "{said}");
    let (shown, more, said) = warned(&["status", "--all"]);
    assert_eq!((shown, more), (5, false), "{said}");
    assert_eq!(practice.answer(&["status"]).1["problems"].as_array().map(Vec::len), Some(10));
}

/// cron's language is not that of the clerk.
#[test]
fn what_a_night_said_is_read_in_the_readers_language() {
    let practice = Practice::new();
    // Nothing came after the night that may contradict it.
    assert_eq!(practice.exit(&["backup", "--init"]), 0);
    fs::rename(practice.path("disk"), practice.path("in the safe")).expect("the disk");
    let night = practice.run(&["backup", "--lang", "ja"], true);
    assert_eq!(night.status.code(), Some(6), "{night:?}");
    let here = practice.dir.path().to_str().expect("UTF-8");
    assert!(practice.log().replace(here, "").is_ascii(), "words of the format alone");
    let said = practice.said(&["status"], "en");
    assert!(said.replace(here, "").is_ascii(), "{said}");
    let night = String::from_utf8(night.stderr).expect("UTF-8");
    let of = |heading: &str| night.lines().find_map(|l| l.strip_prefix(heading)).expect("a line").to_owned();
    let said = practice.said(&["status"], "ja");
    assert!(said.contains(&of("エラー: ")) && said.contains(&of("次にすること: ")), "{said}");
    assert!(!said.contains("。 "), "no blank between two sentences: {said}");
    // What earlier versions have written stays as it is.
    let sentence = |l: &str| {
        let mut line: Value = serde_json::from_str(l).expect("JSON");
        if line["why"].is_object() {
            (line["why"], line["hint"]) = ("媒体がありません。".into(), "接続してください。".into());
        }
        format!("{line}\n")
    };
    fs::write(practice.path("state/nights.jsonl"), practice.log().lines().map(sentence).collect::<String>()).expect("the log");
    assert_eq!(practice.exit(&["status"]), 1);
    let said = practice.said(&["status"], "en");
    assert!(said.contains("媒体がありません。") && said.contains("Hint: 接続してください。"), "{said}");
}

/// Whoever reads it in the morning has typed nothing.
#[test]
fn a_night_that_was_stopped_is_started_again_by_its_unit() {
    let practice = Practice::new();
    practice.good_night();
    let here = practice.text("");
    let script = format!("touch {here}begun; exec sleep 60");
    practice.configure_more(&[("slow", format!("command = [\"/bin/sh\", \"-c\", \"{script}\"]"))]);
    let mut night = practice.night_that_stays();
    let stopped = Command::new("kill").args(["-TERM", &night.id().to_string()]).status().expect("kill");
    assert!(stopped.success());
    assert_eq!(night.wait().expect("an end").code(), Some(130));
    let said = practice.said(&["status"], "en");
    let hint = said.lines().find(|l| l.starts_with("Hint: ")).expect("a next action");
    assert!(hint.contains("systemctl start azekura.service") && hint.contains("already on clinic"), "{hint}");
    assert!(!said.contains("same command"), "{said}");
}

/// The next action stands alone on its line.
#[test]
fn the_next_action_names_the_disk() {
    let practice = Practice::new();
    practice.good_night();
    practice.let_days_pass(3);
    assert!(practice.said(&["status"], "en").contains("Hint: Check the nightly job and the clock, attach clinic, and run"));
    practice.damage();
    assert_eq!(practice.exit(&["verify", &practice.text("disk")]), 5);
    let (_, status) = practice.answer(&["status"]);
    assert!(
        status["next"].as_str().is_some_and(|next| next.contains("azekura media move clinic --out-of-use broken")),
        "{status}"
    );
}

#[test]
fn without_a_contact_status_says_how_to_name_one() {
    let practice = Practice::new();
    let head = fs::read_to_string(practice.path("head")).expect("the head");
    practice.write("head", &head.replace("contact = \"Ext. 123\"\n", ""));
    practice.configure(&format!("[[source]]\npath = \"{}\"\n", practice.text("chart")));
    for (lang, start) in [("en", "Call: nobody is named."), ("ja", "連絡先: 登録されていません。")] {
        let said = practice.said(&["status"], lang);
        let line = said.lines().find(|l| l.starts_with(start)).unwrap_or_else(|| panic!("{said}"));
        assert!(line.contains(&practice.text("config")) && line.contains("contact = \""), "{line}");
    }
    assert!(practice.answer(&["status"]).1["contact"].is_null());
}

/// Before the arguments are understood, and without any.
#[test]
fn help_and_usage_errors_are_in_the_language_of_the_configuration() {
    let practice = Practice::new();
    practice.write("ja", "language = \"ja\"\n");
    practice.write("broken", "language = \"ja\"\n[[source");
    let said = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_azekura"));
        all(&command.args(arguments).env_clear().env("HOME", practice.dir.path()).output().expect("the program"))
    };
    let config = practice.text("ja");
    assert!(said(&["--config", &config, "verify", "--bogus"]).starts_with("エラー:"));
    assert!(said(&["backup", "--help", &format!("--config={config}")]).contains("使い方"));
    assert!(said(&["--config", &config, "--lang", "en", "verify", "--bogus"]).starts_with("Error:"));
    for other in ["broken", "nothing", "chart"] {
        assert!(said(&["--config", &practice.text(other), "verify", "--bogus"]).starts_with("Error:"), "{other}");
    }
    // The usual one. Root has another.
    if !machine::is_root() {
        fs::create_dir_all(practice.path(".config/azekura")).expect("a folder");
        fs::copy(practice.path("ja"), practice.path(".config/azekura/config.toml")).expect("a file");
        assert!(said(&["verify", "--bogus"]).starts_with("エラー:"));
    }
}

/// A digit that was misread is no tampering. What the medium itself says comes first.
#[test]
fn a_code_that_does_not_fit_is_read_again_first() {
    let practice = Practice::new();
    practice.good_night();
    let disk = practice.text("disk");
    let verified = |code: &str| {
        let out = practice.run(&["verify", &disk, "--expect", code, "--lang", "en"], true);
        (out.status.code(), all(&out))
    };
    let (_, status) = practice.answer(&["status"]);
    let code = status["last"]["check_code"].as_str().expect("a code");
    assert_eq!(verified(code).0, Some(0));
    let misread = if code.starts_with('7') { code.replacen('7', "1", 1) } else { format!("7{}", &code[1..]) };
    let (exit, said) = verified(&misread);
    assert_eq!(exit, Some(5), "{said}");
    assert!(said.contains("type it once more") && !said.contains("damage, tampering"), "{said}");
    let restore = ["restore", "--from", &disk, "--to", &practice.text("to"), "--identity", &practice.text("key")];
    let out = practice.run(&[&restore[..], &["--expect", &misread, "--lang", "en"]].concat(), true);
    assert!(all(&out).contains("Hint: Read the code on paper again, and type it once more."), "{out:?}");
    // The ledger keeps nothing of it.
    practice.put_away();
    practice.assert_status(0, "good", &[]);
    practice.damage();
    let (exit, said) = verified(&misread);
    assert_eq!(exit, Some(5));
    assert!(!said.contains("type it once more"), "{said}");
}

/// A note is no finding, and is not counted as one here and left out there.
#[test]
fn findings_are_counted_once() {
    let practice = Practice::new();
    practice.configure(&format!(
        "[[source]]\nname = \"all\"\npath = \"{}\"\nexcludes = [\"/state\", \"/config\"]\n",
        practice.text("")
    ));
    let out = practice.run(&["backup", "--init", "--lang", "en"], true);
    let said = all(&out);
    assert_eq!(out.status.code(), Some(0), "{said}");
    assert!(said.contains("1 notes, which are no findings:\n") && !said.contains("1 findings"), "{said}");
    practice.write("chart/dump.sql", "");
    let out = practice.run(&["backup", "--lang", "en"], true);
    let said = all(&out);
    assert_eq!(out.status.code(), Some(3), "{said}");
    assert!(said.contains("1 findings:\n") && said.contains("1 notes"), "{said}");
    let row = said.lines().find(|l| l.starts_with("Findings")).expect("a row");
    assert_eq!(row.split_whitespace().last(), Some("1"));
    practice.write("chart/other.sql", "");
    let (_, answer) = practice.answer(&["backup"]);
    let notes = answer["findings"].as_array().expect("findings").iter().filter(|f| f["kind"] == "medium-in-source").count();
    // The first dump is still empty.
    assert_eq!((&answer["statistics"]["findings"], notes), (&2.into(), 1), "{answer}");
}

/// Nothing was lost, and one name was not found: one figure for each.
#[test]
fn a_name_that_is_not_there_is_no_loss() {
    let practice = Practice::new();
    practice.good_night();
    practice.write("list", "chart/a\nchart/other\n");
    let (disk, to, list) = (practice.text("disk"), practice.text("to"), practice.text("list"));
    let restore = ["restore", "--from", &disk, "--to", &to, "--identity", &practice.text("key"), "--only", &list, "--lang", "en"];
    let out = practice.run(&restore, true);
    let said = all(&out);
    assert_eq!(out.status.code(), Some(1), "{said}");
    let row = said.lines().find(|l| l.starts_with("Not in this generation  ")).unwrap_or_else(|| panic!("{said}"));
    assert_eq!(row.split_whitespace().last(), Some("1"));
    assert!(said.contains("1 of what was asked for is not in this generation") && practice.path("to/chart/a").exists(), "{said}");
}

/// What was lacking when the backup was made is told by the restore, and by its exit code: the files that are there fit.
#[test]
fn a_restore_says_what_the_backup_lacked() {
    let practice = Practice::new();
    practice.good_night();
    practice.write("chart/dump.sql", "");
    assert_eq!(practice.exit(&["backup"]), 3);
    let disk = practice.text("disk");
    let key = practice.text("key");
    let restored = |to: &str, more: &[&str]| {
        let to = practice.text(to);
        let restore = ["restore", "--from", &disk, "--to", &to, "--identity", &key, "--lang", "en"];
        let out = practice.run(&[&restore[..], more].concat(), true);
        (out.status.code(), all(&out))
    };
    let (exit, said) = restored("all", &[]);
    assert_eq!(exit, Some(3), "{said}");
    assert!(said.contains("generation 2 was incomplete when it was made") && said.contains("chart/dump.sql"), "{said}");
    assert!(!said.contains("restored; every file matches"), "{said}");
    let (exit, said) = restored("planned", &["--dry-run"]);
    assert!(exit == Some(3) && said.contains("chart/dump.sql"), "{exit:?} {said}");
    // Neither what is beside it nor the generation before lacked anything.
    for (to, more) in [("one", &["chart/a"][..]), ("before", &["--generation", "1"])] {
        let (exit, said) = restored(to, more);
        assert!(exit == Some(0) && !said.contains("incomplete"), "{exit:?} {said}");
    }
}

/// `init` warns of what is typed. A configuration that somebody wrote is told of in the first night with it, once.
#[test]
fn a_database_in_a_written_configuration_is_told_once() {
    let practice = Practice::new();
    fs::create_dir(practice.path("pacs/base")).expect("a folder");
    practice.write("pacs/PG_VERSION", "16\n");
    practice.write("chart/orca.sql.gz", "\x1f\x08");
    let config = fs::File::options().write(true).open(practice.path("config")).expect("the configuration");
    config.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(7200)).expect("a time");
    let night = || {
        let said = practice.said(&["backup", "--init"], "en");
        let told = |what: &str| said.matches(what).count();
        [told("is the data folder of a database"), told("orca.sql.gz is a compressed dump")]
    };
    assert_eq!(night(), [1, 1]);
    assert_eq!(night(), [0, 0]);
    practice.let_days_pass(1);
    assert_eq!(night(), [1, 1], "written after the last night");
}
