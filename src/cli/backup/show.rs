//! A backup's report, for people and for programs.

use crate::cli::context::Context;
use crate::cli::recovery_key::RecoveryKey;
use crate::cli::ui::lang::Lang;
use crate::cli::ui::output::{Table, to_stderr};
use crate::cli::ui::recorded;
use crate::cli::ui::shown::{Shown, shell_word};
use crate::cli::ui::text::{find, find_optional, message};
use crate::cli::ui::units::{bytes, count, time};
use crate::cli::ui::words;
use azekura::answer::backup::{Backup, BackupMedium, ClosedMedium, RecoveryKeyFile, SetOpened, Streaming};
use azekura::answer::{Clipped, facts, name};
use azekura::event::FindingKind;
use azekura::format::manifest::Finding;
use azekura::job::backup::Report;
use azekura::set::writer::{Closed, Opened};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Findings that are shown; the manifest and `--json` have more.
const SHOWN_FINDINGS: usize = 20;

/// What the user should know beside the result: findings, and how the set came to be open.
pub fn talk(report: &Report, context: &Context) {
    match report.opened {
        Opened::Known => {}
        Opened::New => context.talk(&message!("talk.new-set", name = report.set_name)),
        Opened::NewWithoutCatalog => context.warn(&message!("talk.new-set-without-catalog", name = report.set_name)),
    }
    if report.quarantine {
        context.talk(&message!("talk.quarantine"));
    }
    if report.adopted_objects > 0 {
        context.talk(&message!("talk.adopted", count = count(report.adopted_objects)));
    }
    for a in &report.alarms {
        context.warn(&words::alarm(a));
        a.paths.iter().for_each(|p| to_stderr(&format!("  {}\n", p.shown())));
    }
    if !report.alarms.is_empty() {
        context.warn(&match &report.hold_failed {
            None => message!("talk.held"),
            Some(_) => message!("talk.not-held"),
        });
    }
    let total = report.count("findings").max(report.findings.len() as u64);
    if total == 0 {
        return;
    }
    to_stderr(&format!("{}\n", message!("talk.findings", count = count(total))));
    for f in report.findings.iter().take(SHOWN_FINDINGS) {
        to_stderr(&format!("  {}\n", finding(f)));
    }
    if total > SHOWN_FINDINGS as u64 {
        to_stderr(&format!("  {}\n", message!("talk.more-findings", count = count(total - SHOWN_FINDINGS as u64))));
    }
}

fn finding(f: &Finding) -> String {
    if f.kind == FindingKind::ClockSetBack.name() {
        return message!("talk.clock-set-back", time = time(&f.detail, Lang::spoken())).to_string();
    }
    let kind = find_optional(&format!("finding.{}", f.kind)).unwrap_or_else(|| f.kind.shown());
    let detail = if f.detail.is_empty() { String::new() } else { format!(" ({})", recorded::cause(&f.detail)) };
    format!("{kind}: {}{detail}", f.path.shown())
}

pub fn text(report: &Report, to: &Path, key: Option<&RecoveryKey>) -> String {
    let n = |name| count(report.count(name));
    let mut table = Table::default();
    table.row(find("label.set"), message!("backup.set", name = report.set_name, id = report.set).to_string());
    table.row(
        find("label.generation"),
        message!("backup.generation", number = report.generation, time = time(&report.time, Lang::spoken())).to_string(),
    );
    let (entries, files, size) = (n("entries"), n("files"), bytes(report.count("bytes")));
    table.row(find("label.content"), message!("backup.content", entries = entries, files = files, bytes = size).to_string());
    let changes =
        message!("backup.changes", new = n("new"), changed = n("changed"), unchanged = n("unchanged"), gone = n("gone"));
    table.row(find("label.changes"), changes.to_string());
    let added = message!("backup.added", bytes = bytes(report.added_bytes), objects = count(report.added_objects));
    table.row(find("label.added"), added.to_string());
    if let Some(s) = report.streaming.filter(|s| s.nanoseconds > 0) {
        let (rate, lowest) = (bytes(s.bytes_per_second()), s.lowest_packs * 100 / s.buffer_packs.max(1));
        let fed = message!("backup.streaming", rate = rate, count = count(s.under_runs), lowest = lowest);
        table.row(find("label.drive"), fed.to_string());
    }
    table.row(find("label.read-back"), words::read_back(report.read_back).to_string());
    table.row(find("label.result"), words::verdict(report.verdict, report.read_back).to_string());
    if report.count("findings") > 0 {
        table.row(find("label.findings"), n("findings"));
    }
    if let Some(key) = key {
        table.row(find("label.recovery-key"), key.path.shown());
    }
    for c in &report.closed {
        let closed = message!("backup.closed", number = c.place, code = c.check_code);
        table.row(find("label.medium"), closed.to_string());
    }
    if report.place > 1 {
        table.row(find("label.medium"), message!("backup.medium", number = report.place).to_string());
    }
    table.row(find("label.check-code"), message!("backup.check-code", code = report.check_code).to_string());
    let medium = shell_word(to.as_os_str());
    format!("{}\n{}\n", table.text(), message!("backup.next", medium = medium, code = report.check_code))
}

/// What was done, as it is printed.
pub fn answer(report: &Report, key: Option<&RecoveryKey>) -> Backup {
    let (place, place_hex) = name(report.medium.path.as_os_str().as_bytes());
    Backup {
        set: Clipped::of(report.set),
        set_name: report.set_name.as_str().into(),
        quarantine: report.quarantine,
        set_opened: Some(match report.opened {
            Opened::Known => SetOpened::Known,
            Opened::New => SetOpened::New,
            Opened::NewWithoutCatalog => SetOpened::NewWithoutCatalog,
        }),
        generation: report.generation,
        time: report.time.as_str().into(),
        verdict: report.verdict,
        read_back: report.read_back,
        check_code: Clipped::of(report.check_code),
        statistics: words::statistics(&report.statistics),
        findings: report.findings.iter().map(finding_answer).collect(),
        alarms: report.alarms.iter().map(words::alarm_answer).collect(),
        added_bytes: report.added_bytes,
        added_objects: report.added_objects,
        adopted_objects: report.adopted_objects,
        medium: Some(BackupMedium { file_system: Clipped::of(&report.medium.file_system), place, place_hex }),
        place: Some(report.place),
        closed_media: report.closed.iter().map(closed).collect(),
        streaming: report.streaming.map(|s| Streaming {
            buffer_packs: s.buffer_packs,
            lowest_packs: s.lowest_packs,
            under_runs: s.under_runs,
            bytes: s.bytes,
            nanoseconds: s.nanoseconds,
        }),
        recovery_key: key.map(|k| {
            let (path, path_hex) = name(k.path.as_os_str().as_bytes());
            RecoveryKeyFile { path, path_hex, recipients: k.recipients.iter().map(|r| r.as_str().into()).collect() }
        }),
    }
}

fn closed(c: &Closed) -> ClosedMedium {
    ClosedMedium {
        place: c.place,
        generation: c.generation,
        check_code: Clipped::of(c.check_code),
        objects: c.objects,
        bytes: c.bytes,
    }
}

fn finding_answer(f: &Finding) -> facts::Finding {
    let (path, path_hex) = name(&f.path);
    facts::Finding { kind: f.kind.as_str().into(), path, path_hex, detail: f.detail.as_str().into() }
}
