//! `azekura verify`

use super::caged::{self, Needs};
use super::context::Context;
use crate::cli::environment::is_running;
use crate::cli::noted::{note_alarms, note_read, tell_what_backup_does, tell_whose, written_with};
use crate::cli::ui::exit::Exit;
use crate::cli::ui::explain::CommandError;
use crate::cli::ui::output::Outcome;
use crate::cli::ui::printable::Printable;
use crate::cli::ui::recorded::cause;
use crate::cli::ui::table::{Columns, Table};
use crate::cli::ui::text::{Message, find, message};
use crate::cli::ui::units::{bytes, count};
use crate::cli::ui::words;
use azekura::answer::verify::{DamageTouches, ExpectedSeal, TouchedFile, TouchedGeneration, VerifiedGeneration, Verify};
use azekura::answer::{exact, name};
use azekura::event::chain_text;
use azekura::format::check_code::WrittenCode;
use azekura::format::object::{Id, hex};
use azekura::format::seal::ReadBack;
use azekura::host::ledger::Ledger;
use azekura::job::inspect::InspectError;
use azekura::job::inspect::damaged_files::{DamagedFile, DamagedFiles, DamagedGeneration, damaged_files};
use azekura::job::inspect::verify::{CheckedGeneration, Expected, HostRecord, Options, Report, remember_damage, verify};
use azekura::job::media::found::{MediumRead, Unrecorded};
use azekura::job::media::recognised::{copies_at, may_be_begun_copy};
use azekura::set::open::OpenSet;
use std::path::{Path, PathBuf};

/// Files that are shown; `--json` has the first thousand.
const SHOWN: usize = 50;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(value_name = "MEDIUM")]
    medium: Option<PathBuf>,
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
    #[arg(long, value_name = "CODE", value_parser = crate::cli::ui::values::check_code)]
    expect: Option<WrittenCode>,
    #[arg(long, value_name = "ID", value_parser = crate::cli::ui::values::set_id)]
    set: Option<Id>,
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

pub fn run(args: &Args, context: &Context) -> Result<Outcome, CommandError> {
    let from = context.medium(args.medium.as_deref())?;
    let identity = context.optional_identity(args.identity.as_deref())?;
    // The cage reaches neither the log of nights nor the keys.
    let unrecorded = Unrecorded::of(context.state_dir().ok().as_deref(), is_running);
    caged::enter(context, &Needs { medium: Some(&from), catalog: true, ledger: true, ..Needs::default() });
    let set = OpenSet::open_with_code(&from, args.set, args.expect.as_ref(), context.loader())?.id;
    let known = known_or_none(context, set, &from, &unrecorded);
    let options = Options { from: from.clone(), set: args.set, expect: args.expect, known };
    let report = {
        let progress = context.progress();
        verify(&options, &context.env(args.threads.map(usize::from)), &progress)?
    };
    let mut answer = answer(&report);
    talk(&answer, context);
    if let Some(identity) = identity.filter(|_| !report.damage.is_empty()) {
        // What was found stands, whatever becomes of the search for names.
        match damaged_files(&from, report.set, &report.damage, &identity, &context.env(None)) {
            Ok(found) => answer.touched = Some(touched(&found)),
            Err(InspectError::Interrupted) => return Err(InspectError::Interrupted.into()),
            Err(e) => context.warn(&message!("verify.no-names", why = cause(&chain_text(&e)))),
        }
    }
    let is_remembered = remember(context, &report).unwrap_or_else(|e| {
        context.warn(&message!("verify.not-remembered"));
        context.warn(&e.message);
        false
    });
    let read = MediumRead::of(&report, &from, &unrecorded);
    note_read(context, &read);
    let has_new_alarm = note_alarms(context, &read);
    if let Some(Expected::Found { newer, .. }) = report.known.filter(|_| read.is_newer_than_host()) {
        context.warn(&message!("verify.state-set-back", count = count(newer)));
    }
    if !report.is_good() {
        tell_what_backup_does(context, report.set, is_remembered);
    }
    let exit = match report.is_good() {
        true if read.is_newer_than_host() => Exit::Damage,
        true if has_new_alarm => Exit::Alarm,
        true if report.read_back == ReadBack::Cached => Exit::Incomplete,
        true => Exit::Good,
        false if report.is_only_newer() || report.is_only_empty() => Exit::Medium,
        false => Exit::Damage,
    };
    if report.expected == Some(Expected::NotFound) {
        tell_whose(args.expect.and_then(|code| written_with(context, &code)), context);
    }
    let text = text(&answer, report.is_only_newer());
    Ok(Outcome::new(exit, names(&answer) + &text, &answer))
}

fn touched(found: &DamagedFiles) -> DamageTouches {
    let file = |f: &DamagedFile| {
        let (path, path_hex) = name(&f.path);
        TouchedFile { path, path_hex, object: f.object, first_generation: f.first, last_generation: f.last }
    };
    let generation = |g: &DamagedGeneration| TouchedGeneration {
        generation: g.generation,
        files: g.files,
        entries_lost: g.entries_lost,
        unknown: g.unknown.as_deref().map(Into::into),
    };
    DamageTouches {
        files: found.files.iter().map(file).collect(),
        more: found.is_cut,
        generations: found.generations.iter().map(generation).collect(),
    }
}

/// What damage touches: the generations, and the first files by name.
fn names(answer: &Verify) -> String {
    let Some(touched) = &answer.touched else { return String::new() };
    let mut lines = vec![match touched.generations.is_empty() {
        true => message!("verify.touches-nothing"),
        false => message!("verify.touches"),
    }];
    lines.extend(touched.generations.first.iter().map(|g| match &g.unknown {
        Some(why) => message!("verify.touched-unknown", number = g.generation, why = cause(why)),
        None if g.entries_lost > 0 => {
            message!("verify.touched-lost", number = g.generation, files = count(g.files), lost = count(g.entries_lost))
        }
        None => message!("verify.touched", number = g.generation, files = count(g.files)),
    }));
    let mut columns = Columns::new(["label.path", "label.generation", "label.object"].map(find));
    for f in touched.files.first.iter().take(SHOWN) {
        let generations = match f.first_generation == f.last_generation {
            true => count(f.first_generation),
            false => format!("{}–{}", f.first_generation, f.last_generation),
        };
        columns.row([exact(&f.path, f.path_hex.as_deref()).printable(), generations, f.object.to_string()]);
    }
    let lines: String = lines.iter().map(|l| format!("{l}\n")).collect();
    let more = match touched.more || touched.files.len() > SHOWN as u64 {
        true => format!("{}\n", message!("verify.touched-more")),
        false => String::new(),
    };
    let table = if touched.files.is_empty() { String::new() } else { columns.text() };
    format!("{lines}{table}{more}\n")
}

/// Makes the next backup store again what is damaged; whether there is anything.
fn remember(context: &Context, report: &Report) -> Result<bool, CommandError> {
    let has_damage = !report.damage.is_empty();
    let Some(mut catalog) = has_damage.then(|| context.catalog()).transpose()?.flatten() else { return Ok(false) };
    Ok(remember_damage(report.set, &report.damage, &mut catalog)? > 0)
}

/// What this host knows of the set. The medium is what it is, whatever becomes of the host's own record of it.
pub fn known_or_none(context: &Context, set: Id, at: &Path, unrecorded: &Unrecorded) -> HostRecord {
    let seals = known(context, set).unwrap_or_else(|e| {
        context.warn(&message!("verify.no-record"));
        context.warn(&e.message);
        Vec::new()
    });
    let book = context.state_dir().ok().and_then(|state| Ledger::of(&state).read().ok());
    let copies = book.as_ref().map_or_else(Vec::new, |book| copies_at(book, set, at));
    let may_be_begun_copy = book.is_some_and(|book| may_be_begun_copy(&book, set, at));
    HostRecord { seals, copies, may_be_begun_copy, at_rest: unrecorded.at_rest(set).filter(|_| !has_unsealed(context, set)) }
}

/// Whether this host has recorded objects that no seal covers yet, as far as anybody can tell.
fn has_unsealed(context: &Context, set: Id) -> bool {
    let unsealed = || {
        let Some(catalog) = context.catalog()? else { return Ok(true) };
        let Some(row) = catalog.set(set)? else { return Ok(true) };
        Ok::<_, CommandError>(!catalog.unsealed(row)?.is_empty())
    };
    unsealed().unwrap_or(true)
}

/// What this host knows of the set. A host that has never written it knows nothing.
fn known(context: &Context, set: Id) -> Result<Vec<(u64, [u8; 32])>, CommandError> {
    let Some(catalog) = context.catalog()? else { return Ok(Vec::new()) };
    let Some(row) = catalog.set(set)? else { return Ok(Vec::new()) };
    Ok(catalog.last_seals(row)?)
}

/// What was found, as it is printed and shown.
fn answer(report: &Report) -> Verify {
    let generation = |g: &CheckedGeneration| VerifiedGeneration {
        generation: g.generation,
        time: g.time.as_str().into(),
        check_code: g.check_code.to_string().into(),
        verdict: g.verdict,
        read_back: g.read_back,
        trusted: g.trusted,
        anchored: g.anchored,
        succession: g.succession,
        list_damaged: g.is_list_damaged,
        objects: g.objects,
        bytes: g.bytes,
        damaged_objects: g.damaged,
    };
    let expected = |e: Expected| match e {
        Expected::Found { generation, newer } => ExpectedSeal { found: true, generation: Some(generation), newer: Some(newer) },
        Expected::NotFound => ExpectedSeal { found: false, generation: None, newer: None },
    };
    Verify {
        set: report.set.to_string().into(),
        set_name: report.set_name.as_str().into(),
        good: report.is_good(),
        root_key: report.root_key.map(|key| hex(&key).into()),
        generations: report.generations.iter().map(generation).collect(),
        faults: report.faults.iter().map(words::fault_answer).collect(),
        damage: report.damage.iter().map(words::damage_answer).collect(),
        touched: None,
        foreign: report.foreign.iter().map(|name| name.as_str().into()).collect(),
        litter: report.litter.iter().map(|name| name.as_str().into()).collect(),
        place: Some(report.place),
        objects_elsewhere: Some(report.elsewhere),
        leftover_objects: report.leftovers.len() as u64,
        objects: report.objects,
        bytes: report.bytes,
        read_back: report.read_back,
        expected: report.expected.map(expected),
        known: report.known.map(expected),
    }
}

/// Warnings and messages beside the result.
fn talk(answer: &Verify, context: &Context) {
    context.warn_first(answer.faults.first.iter().map(|f| Message::plain(&f.text)));
    context.warn_first(answer.damage.first.iter().map(|d| Message::plain(&d.text)));
    context.warn_first(answer.foreign.first.iter().map(|name| message!("verify.foreign", name = name)));
    words::litter(answer.litter.first.iter().map(|name| &name[..])).for_each(|m| context.talk(&m));
    if answer.leftover_objects > 0 {
        // An object that cannot be read may be the seal of the generation that they belong to.
        let message = match answer.faults.is_empty() {
            true => message!("verify.leftovers", count = count(answer.leftover_objects)),
            false => message!("verify.unsealed", count = count(answer.leftover_objects)),
        };
        context.talk(&message);
    }
}

/// `is_newer`: nothing is wrong but that a newer program has written something.
fn text(answer: &Verify, is_newer: bool) -> String {
    let mut table = Table::default();
    table.row(find("label.set"), message!("backup.set", name = answer.set_name, id = answer.set).to_string());
    let closing = answer.generations.first.iter().filter(|g| g.verdict.is_closing()).count() as u64;
    let complete = count(answer.generations.len().saturating_sub(closing));
    let generations = match closing {
        0 => complete,
        parts => message!("verify.generations-parts", count = complete, parts = count(parts)).to_string(),
    };
    table.row(find("label.generations"), generations);
    let (objects, size) = (count(answer.objects), bytes(answer.bytes));
    table.row(find("label.checked"), message!("verify.checked", objects = objects, bytes = size).to_string());
    if let Some(place) = answer.place.filter(|place| *place > 1) {
        let elsewhere = answer.objects_elsewhere.unwrap_or_default();
        table.row(find("label.medium"), message!("verify.place", number = place, count = count(elsewhere)).to_string());
    }
    table.row(find("label.read-back"), words::read_back(answer.read_back).to_string());
    for (label, expected) in [("label.expected", &answer.expected), ("label.known", &answer.known)] {
        if let Some(e) = expected {
            table.row(find(label), compared(e).to_string());
        }
    }
    if let Some(last) = answer.generations.first.iter().rfind(|g| g.trusted || g.anchored) {
        table.row(find("label.check-code"), last.check_code.printable());
    }
    let result = if is_newer { message!("verify.newer") } else { result(answer) };
    table.row(find("label.result"), result.to_string());
    table.text()
}

fn compared(expected: &ExpectedSeal) -> Message {
    match (expected.generation, expected.newer) {
        (Some(generation), Some(0)) => message!("expected.newest", generation = generation),
        (Some(generation), Some(newer)) => message!("expected.older", generation = generation, newer = newer),
        _ => message!("expected.not-found"),
    }
}

/// Whether nothing is wrong but that no seal has the check code that was typed: it may have been misread.
fn is_other_code_alone(answer: &Verify) -> bool {
    let is_missed = |e: &Option<ExpectedSeal>| e.as_ref().is_some_and(|e| !e.found);
    let fits_itself = answer.faults.is_empty() && answer.damage.is_empty() && answer.foreign.is_empty();
    is_missed(&answer.expected) && !is_missed(&answer.known) && fits_itself && !answer.generations.is_empty()
}

fn result(answer: &Verify) -> Message {
    match (answer.good, answer.read_back) {
        (true, ReadBack::Direct | ReadBack::Dropped) => message!("verify.good"),
        (true, ReadBack::Cached) => message!("verify.cached"),
        (false, _) if is_other_code_alone(answer) => message!("verify.other-code"),
        (false, _) if answer.generations.is_empty() && answer.faults.is_empty() => message!("generations.none"),
        (false, _) => message!("verify.bad"),
    }
}
