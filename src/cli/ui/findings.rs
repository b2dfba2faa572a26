//! Findings of a backup or a restore, and refused entries, as they are listed on standard error.

use super::lang::Lang;
use super::output::to_stderr;
use super::printable::Printable;
use super::recorded;
use super::text::{Message, find_optional, message};
use super::units::{bytes, count, time};
use azekura::answer::facts::{Finding, RefusalName, Refused};
use azekura::answer::{exact, name};
use azekura::event::FindingKind;
use azekura::format::manifest;

/// A finding of a manifest.
pub fn answer(f: &manifest::Finding) -> Finding {
    let (path, path_hex) = name(&f.path);
    Finding { kind: f.kind.as_str().into(), path, path_hex, detail: f.detail.as_str().into() }
}

/// What was lacking when a generation was made.
pub fn list_lacking(findings: &[Finding], total: u64, generation: u64) {
    let heading = message!("talk.lacking", count = count(total), number = generation);
    list_of(&heading, &findings.iter().collect::<Vec<_>>(), total);
}

/// Findings that are shown; `--json` has the first thousand, and a manifest may have more.
const SHOWN: usize = 20;

/// Lists the first of `total` findings, and the notes apart: nothing is missing because of them, and they are not counted.
pub fn list(findings: &[Finding], total: u64) {
    let is_note = |f: &&Finding| f.kind.parse().is_ok_and(|kind: FindingKind| kind.is_note());
    let (notes, findings): (Vec<&Finding>, Vec<&Finding>) = findings.iter().partition(is_note);
    list_of(&message!("talk.findings", count = count(total)), &findings, total);
    list_of(&message!("talk.notes", count = count(notes.len() as u64)), &notes, notes.len() as u64);
}

fn list_of(heading: &Message, findings: &[&Finding], total: u64) {
    if total == 0 {
        return;
    }
    to_stderr(&format!("{heading}\n"));
    for f in findings.iter().take(SHOWN) {
        to_stderr(&format!("  {}\n", finding(f)));
    }
    let more = total.saturating_sub(findings.len().min(SHOWN) as u64);
    if more > 0 {
        to_stderr(&format!("  {}\n", message!("talk.more-findings", count = count(more))));
    }
}

/// Lists the first of `total` entries that are refused.
pub fn list_refused(refused: &[Refused], total: u64) {
    if total == 0 {
        return;
    }
    to_stderr(&format!("{}\n", message!("talk.refused", count = count(total))));
    for r in refused.iter().take(SHOWN) {
        let reason = match r.reason {
            RefusalName::Damaged => message!("refused.damaged"),
            RefusalName::Newer => message!("refused.newer"),
        };
        let (path, detail) = (exact(&r.path, r.path_hex.as_deref()), recorded::cause(&r.detail));
        let line = message!("refused.line", reason = reason, path = path, generation = r.generation, detail = detail);
        to_stderr(&format!("  {line}\n"));
    }
    if total > SHOWN as u64 {
        to_stderr(&format!("  {}\n", message!("talk.more-findings", count = count(total - SHOWN as u64))));
    }
}

fn finding(f: &Finding) -> String {
    if f.kind == FindingKind::ClockSetBack.name() {
        return message!("talk.clock-set-back", time = time(&f.detail, Lang::spoken())).to_string();
    }
    if f.kind == FindingKind::ClockWrong.name() {
        return message!("talk.clock-wrong", time = time(&f.detail, Lang::spoken())).to_string();
    }
    let path = exact(&f.path, f.path_hex.as_deref());
    if let Some(entries) = f.detail.strip_suffix(" entries").filter(|_| f.kind == FindingKind::TakenOver.name()) {
        return message!("talk.taken-over", path = path, count = entries).to_string();
    }
    if let Some(hours) = f.detail.strip_suffix(" hours").filter(|_| f.kind == FindingKind::SourceStale.name()) {
        return message!("talk.source-stale", path = path, count = hours).to_string();
    }
    if f.kind == FindingKind::NoDump.name() {
        return message!("talk.no-dump", path = path).to_string();
    }
    let sizes = f.detail.strip_suffix(" bytes").and_then(|sizes| sizes.split_once(" of "));
    if let Some((now, before)) = sizes.filter(|_| f.kind == FindingKind::DumpShrank.name()) {
        let size = |n: &str| n.parse().map_or_else(|_| n.printable(), bytes);
        return message!("talk.dump-shrank", path = path, now = size(now), before = size(before)).to_string();
    }
    let kind = find_optional(&format!("finding.{}", f.kind)).unwrap_or_else(|| f.kind.printable());
    if f.path.is_empty() && f.detail.is_empty() {
        return kind;
    }
    let detail = if f.detail.is_empty() { String::new() } else { format!(" ({})", recorded::cause(&f.detail)) };
    format!("{kind}: {}{detail}", path.printable())
}
