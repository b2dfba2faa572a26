//! A backup's report, for people and for programs.

use crate::cli::context::Context;
use crate::cli::recovery_key::RecoveryKey;
use crate::cli::ui::lang::Lang;
use crate::cli::ui::output::to_stderr;
use crate::cli::ui::printable::{Printable, shell_word};
use crate::cli::ui::table::Table;
use crate::cli::ui::text::{find, message};
use crate::cli::ui::units::{bytes, count, time};
use crate::cli::ui::{findings, words};
use azekura::answer::backup::{Backup, BackupMedium, ClosedMedium, RecoveryKeyFile, SetOpened, Streaming};
use azekura::answer::{Clipped, exact, facts, name};
use azekura::format::watch::Alarm;
use azekura::job::backup::{AlarmOrigin, Report};
use azekura::set::writer::{Closed, Opened};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What the user should know beside the result: how the set came to be open, alarms, findings. `is_held`: the hold that
/// an alarm puts on could be put on.
pub fn talk(answer: &Backup, is_held: bool, context: &Context) {
    match answer.set_opened {
        Some(SetOpened::Known) | None => {}
        Some(SetOpened::New) => context.talk(&message!("talk.new-set", name = answer.set_name)),
        Some(SetOpened::NewWithoutCatalog) => context.warn(&message!("talk.new-set-without-catalog", name = answer.set_name)),
    }
    if answer.quarantine {
        context.talk(&message!("talk.quarantine"));
    }
    if answer.adopted_objects > 0 {
        context.talk(&message!("talk.adopted", count = count(answer.adopted_objects)));
    }
    for a in &answer.alarms.first {
        context.warn(&words::alarm(a));
        let paths = a.paths.first.iter().map(|p| exact(&p.path, p.path_hex.as_deref()));
        paths.for_each(|path| to_stderr(&format!("  {}\n", path.printable())));
        if let Some(generation) = a.open_since {
            let set = a.open_since_set.as_deref().unwrap_or(&answer.set_name);
            to_stderr(&format!("  {}\n", message!("talk.alarm-open", number = generation, set = set.printable())));
        }
    }
    let is_new = answer.alarms.first.iter().any(|a| a.open_since.is_none());
    match answer.alarms.is_empty() {
        true => {}
        false if !is_held => context.warn(&message!("talk.not-held")),
        false if is_new => context.warn(&message!("talk.held")),
        false => context.warn(&message!("talk.nothing-added")),
    }
    findings::list(&answer.findings.first, answer.statistics.of("findings"));
}

/// `to` is the medium as the user named it: the next command names it so, too. One that is not there any more cannot be
/// verified there.
pub fn text(answer: &Backup, to: &Path, is_there: bool) -> String {
    let n = |name| count(answer.statistics.of(name));
    let mut table = Table::default();
    table.row(find("label.set"), message!("backup.set", name = answer.set_name, id = answer.set).to_string());
    table.row(
        find("label.generation"),
        message!("backup.generation", number = answer.generation, time = time(&answer.time, Lang::spoken())).to_string(),
    );
    let (entries, files, size) = (n("entries"), n("files"), bytes(answer.statistics.of("bytes")));
    table.row(find("label.content"), message!("backup.content", entries = entries, files = files, bytes = size).to_string());
    let changes =
        message!("backup.changes", new = n("new"), changed = n("changed"), unchanged = n("unchanged"), gone = n("gone"));
    table.row(find("label.changes"), changes.to_string());
    let added = message!("backup.added", bytes = bytes(answer.added_bytes), objects = count(answer.added_objects));
    table.row(find("label.added"), added.to_string());
    if let Some(s) = answer.streaming.as_ref().filter(|s| s.nanoseconds > 0) {
        let (rate, lowest) = (bytes(s.bytes_per_second()), s.lowest_packs * 100 / s.buffer_packs.max(1));
        let fed = message!("backup.streaming", rate = rate, count = count(s.under_runs), lowest = lowest);
        table.row(find("label.drive"), fed.to_string());
    }
    table.row(find("label.read-back"), words::read_back(answer.read_back).to_string());
    table.row(find("label.result"), words::verdict(answer.verdict, answer.read_back).to_string());
    if answer.statistics.of("findings") > 0 {
        table.row(find("label.findings"), n("findings"));
    }
    if let Some(key) = &answer.recovery_key {
        table.row(find("label.recovery-key"), exact(&key.path, key.path_hex.as_deref()).printable());
    }
    for c in &answer.closed_media.first {
        let closed = message!("backup.closed", number = c.place, code = c.check_code);
        table.row(find("label.medium"), closed.to_string());
    }
    if let Some(place) = answer.place.filter(|place| *place > 1) {
        table.row(find("label.medium"), message!("backup.medium", number = place).to_string());
    }
    table.row(find("label.check-code"), message!("backup.check-code", code = answer.check_code).to_string());
    if !is_there {
        return table.text();
    }
    let medium = shell_word(to.as_os_str());
    format!("{}\n{}\n", table.text(), message!("backup.next", medium = medium, code = answer.check_code))
}

/// What was done, as it is printed.
pub fn answer(report: &Report, key: Option<&RecoveryKey>) -> Backup {
    let (place, place_hex) = name(report.medium.path.as_os_str().as_bytes());
    Backup {
        set: Clipped::of(report.set),
        set_name: report.set_name.as_str().into(),
        quarantine: report.quarantine,
        hold: false,
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
        findings: report.findings.iter().map(findings::answer).collect(),
        alarms: report.alarms.iter().zip(&report.origins).map(|(alarm, origin)| alarm_answer(alarm, origin, report)).collect(),
        added_bytes: report.added_bytes,
        added_objects: report.added_objects,
        adopted_objects: report.adopted_objects,
        medium: Some(BackupMedium { file_system: Clipped::of(report.medium.file_system), place, place_hex }),
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

fn alarm_answer(alarm: &Alarm, origin: &AlarmOrigin, report: &Report) -> facts::Alarm {
    let is_new = (origin.set, origin.generation) == (report.set, report.generation);
    let of_another = (origin.set != report.set).then(|| origin.set_name.as_str().into());
    facts::Alarm { open_since: (!is_new).then_some(origin.generation), open_since_set: of_another, ..words::alarm_answer(alarm) }
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
