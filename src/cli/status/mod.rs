//! `azekura status`: how the backups stand, by this host's own records; the copies there are, and what they lack.

mod causes;
mod problems;

use super::context::Context;
use super::judged::judgement;
use super::media::ledger::book;
use crate::cli::ui::exit::Exit;
use crate::cli::ui::explain::CommandError;
use crate::cli::ui::lang::Lang;
use crate::cli::ui::output::Outcome;
use crate::cli::ui::printable::Printable;
use crate::cli::ui::table::Columns;
use crate::cli::ui::text::{Message, find, message};
use crate::cli::ui::units::{count, time};
use azekura::answer::status::{self as answer, LackName, ProblemName, Rule321, Status, StatusVerdict};
use azekura::host::ledger::{LedgerContent, MediumKind};
use azekura::host::nights::SealedNight;
use azekura::job::incident::hold::active_hold;
use azekura::job::media::copies::{CopyRisk, DataCopy, copies, count_321, risks, risks_321};
use azekura::job::status::SourceStatus;
use std::path::Path;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(long = "321")]
    rule_321: bool,
    #[arg(long)]
    all: bool,
}

/// Warnings of one kind that are shown without `--all`: the worst of them.
const SHOWN: usize = 3;

pub fn run(args: &Args, context: &Context) -> Result<Outcome, CommandError> {
    let (_, book) = book(context)?;
    let judgement = judgement(context, &book)?;
    let copies = copies(&book);
    let mut lacks = risks(&copies, &book);
    let mut rule_321 = None;
    if args.rule_321 {
        lacks.extend(risks_321(&copies));
        let (copies, kinds, off_site) = count_321(&copies);
        rule_321 = Some(Rule321 { copies, kinds, off_site });
    }
    let hold = active_hold(&book);
    let is_quiet = hold.is_some() || judgement.has_open_alarm();
    // Without a pool, the medium that was written last is the one.
    let due = match context.pool_of(None) {
        Some(pool) => pool.pool().due(&book).map(|(due, _)| due.to_owned()),
        None => judgement.last.as_ref().map(|last| last.medium.clone()),
    };
    let problems = problems::of_all(&judgement.problems, hold.as_ref(), &book, due.as_deref());
    let lacks: Vec<answer::Lack> = lacks.iter().map(lack).collect();
    // Under a hold or an open alarm, the medium that was written last stays where it is.
    let stays = judgement.last.as_ref().filter(|_| is_quiet).map(|last| last.medium.as_str());
    let missing = if lacks.is_empty() { StatusVerdict::Good } else { StatusVerdict::Attention };
    let answer = Status {
        verdict: problems.iter().map(|p| p.severity).fold(missing, StatusVerdict::max),
        sources: judgement.sources.iter().map(source).collect(),
        last: judgement.last.as_ref().map(last),
        running: judgement.running.as_deref().map(Into::into),
        next: match judgement.running.is_some() && book.is_sound() && !is_quiet {
            true => Some(find("status.do.running").into()),
            false => problems::to_solve(&problems)
                .map(|p| p.next.clone())
                .or_else(|| Some(warning(lacks.first()?, stays).to_string().into())),
        },
        contact: context.config.contact.as_deref().map(Into::into),
        problems: problems.into_iter().collect(),
        copies: copies.iter().map(copy).collect(),
        lacks: lacks.into_iter().collect(),
        hold: hold.is_some(),
        rule_321,
    };
    // Said already: the ledger as it was read, and the hold as every command says it first.
    let is_news = |p: &&answer::Problem| !matches!(p.problem, ProblemName::LedgerChanged | ProblemName::Hold);
    let problems: Vec<&answer::Problem> = answer.problems.first.iter().filter(is_news).collect();
    let is_shown = |at: usize| args.all || problems[..at].iter().filter(|p| p.problem == problems[at].problem).count() < SHOWN;
    let (shown, left_out): (Vec<usize>, Vec<usize>) = (0..problems.len()).partition(|at| is_shown(*at));
    // A ledger that was changed comes before everything that it may say wrongly: also that no hold is active.
    let shown = shown.iter().map(|at| match book.is_sound() {
        true => message!("status.problem-and-next", text = problems[*at].text, next = problems[*at].next),
        false => Message::plain(&problems[*at].text),
    });
    let more = (!left_out.is_empty()).then(|| message!("status.more", count = left_out.len()));
    let warnings = shown.chain(more).chain(answer.lacks.first.iter().map(|l| warning(l, stays))).collect();
    let said = text(&answer, context.config_file().as_deref());
    Ok(Outcome { warnings, ..Outcome::new(exit(&answer, is_quiet, &book), said, &answer) })
}

/// What a monitor has to know first comes first: a changed ledger, a hold or an open alarm, then the verdict.
fn exit(answer: &Status, is_quiet: bool, book: &LedgerContent) -> Exit {
    match answer.verdict {
        _ if !book.is_sound() => Exit::Damage,
        _ if is_quiet => Exit::Alarm,
        StatusVerdict::Failure => Exit::Failed,
        StatusVerdict::Attention => Exit::Incomplete,
        StatusVerdict::Good => Exit::Good,
    }
}

/// `config`: the configuration, which may name whom to call.
fn text(answer: &Status, config: Option<&Path>) -> String {
    let verdict = match answer.verdict {
        StatusVerdict::Good => "status.verdict.good",
        StatusVerdict::Attention => "status.verdict.attention",
        StatusVerdict::Failure => "status.verdict.failure",
    };
    let when = |t: &str| time(t, Lang::spoken());
    let last = match &answer.last {
        Some(l) => message!("status.last", number = l.generation, time = when(&l.time), code = l.check_code, medium = l.medium),
        None => message!("status.last-none"),
    };
    let mut text = format!("{}\n{last}\n", find(verdict));
    if let Some(since) = &answer.running {
        text.push_str(&format!("{}\n", message!("status.running", since = when(since))));
    }
    text.push_str(&source_table(&answer.sources.first));
    text.push_str(&table(&answer.copies.first));
    if let Some(Rule321 { copies, kinds, off_site }) = answer.rule_321 {
        let counted = message!("status.321", copies = count(copies), kinds = count(kinds), off_site = count(off_site));
        text.push_str(&format!("{counted}\n"));
    }
    if let Some(next) = &answer.next {
        text.push_str(&format!("{} {}\n", find("heading.hint"), next.printable()));
    }
    let contact = match (&answer.contact, config) {
        (Some(contact), _) => message!("status.contact", contact = contact),
        (None, Some(config)) => message!("status.no-contact", path = config),
        (None, None) => message!("status.no-contact-no-file"),
    };
    format!("{text}{contact}\n")
}

fn source_table(sources: &[answer::SourceStatus]) -> String {
    if sources.is_empty() {
        return String::new();
    }
    let mut columns = Columns::new(["label.source", "label.newest-good", "label.time"].map(find));
    for s in sources {
        columns.row([
            s.source.printable(),
            s.generation.map_or_else(|| find("status.no-good"), |n| n.printable()),
            s.time.as_deref().map(|t| time(t, Lang::spoken())).unwrap_or_default(),
        ]);
    }
    columns.text()
}

fn source(s: &SourceStatus) -> answer::SourceStatus {
    let good = s.good.as_ref();
    answer::SourceStatus {
        source: s.name.as_str().into(),
        generation: good.map(|g| g.generation),
        time: good.map(|g| g.time.as_str().into()),
    }
}

fn last(l: &SealedNight) -> answer::LastBackup {
    answer::LastBackup {
        set: l.set.as_str().into(),
        set_name: l.set_name.as_str().into(),
        generation: l.generation,
        time: l.time.as_str().into(),
        check_code: l.check_code.as_str().into(),
        medium: l.medium.as_str().into(),
        verdict: l.verdict,
        read_back: l.read_back,
    }
}

fn table(copies: &[answer::Copy]) -> String {
    if copies.is_empty() {
        return format!("{}\n", find("status.none"));
    }
    let headings =
        ["label.medium", "label.kind", "label.place", "label.generation", "label.written", "label.check-code", "label.at-host"];
    let mut columns = Columns::new(headings.map(find));
    for c in copies {
        let place = c.place.as_deref().map_or_else(|| find("status.unknown"), |p| p.printable());
        let at_host = match c.attached {
            true => "status.attached",
            false if c.left_by_word => "status.away-by-word",
            false => "status.away",
        };
        columns.row([
            c.medium.printable(),
            kind(c.kind),
            if c.off_site { message!("status.off-site", place = place).to_string() } else { place },
            c.generation.printable(),
            time(&c.time, Lang::spoken()),
            c.check_code.printable(),
            find(at_host),
        ]);
    }
    columns.text()
}

fn kind(kind: Option<MediumKind>) -> String {
    match kind {
        Some(MediumKind::Disk) => find("status.disk"),
        Some(MediumKind::Tape) => find("status.tape"),
        None => find("status.unknown"),
    }
}

/// `stays`: the medium that has to stay attached.
fn warning(lack: &answer::Lack, stays: Option<&str>) -> Message {
    let medium = lack.medium.as_deref().unwrap_or_default();
    match lack.lack {
        LackName::Attached if stays == Some(medium) => message!("status.lack.attached-evidence", name = medium),
        LackName::Attached => message!("status.lack.attached", name = medium),
        LackName::Few => message!("status.lack.few", count = lack.copies.unwrap_or_default()),
        LackName::OneKind => message!("status.lack.one-kind", kind = kind(lack.kind)),
        LackName::NoneOffSite => message!("status.lack.none-off-site"),
        LackName::SharedPlace => {
            let media = lack.media.iter().flat_map(|m| &m.first).map(|m| &m[..]).collect::<Vec<_>>().join(", ");
            message!("status.lack.shared-place", place = lack.place.as_deref().unwrap_or_default(), media = media)
        }
        LackName::PlaceUnknown => message!("status.lack.place-unknown", name = medium),
    }
}

fn copy(c: &DataCopy) -> answer::Copy {
    answer::Copy {
        medium: c.medium.as_str().into(),
        kind: c.kind,
        place: c.location.as_deref().map(Into::into),
        off_site: c.off_site,
        time: c.time.as_str().into(),
        generation: c.generation,
        check_code: c.check_code.as_str().into(),
        attached: c.attached,
        left_by_word: c.left_by_word,
    }
}

fn lack(lack: &CopyRisk) -> answer::Lack {
    let none = |name| answer::Lack { lack: name, medium: None, copies: None, kind: None, place: None, media: None };
    match lack {
        CopyRisk::Attached { medium } => answer::Lack { medium: Some(medium.as_str().into()), ..none(LackName::Attached) },
        CopyRisk::Few { copies } => answer::Lack { copies: Some(*copies), ..none(LackName::Few) },
        CopyRisk::OneKind { kind } => answer::Lack { kind: Some(*kind), ..none(LackName::OneKind) },
        CopyRisk::NoneOffSite => none(LackName::NoneOffSite),
        CopyRisk::SharedLocation { location, media } => answer::Lack {
            place: Some(location.as_str().into()),
            media: Some(media.iter().map(|m| m.as_str().into()).collect()),
            ..none(LackName::SharedPlace)
        },
        CopyRisk::LocationUnknown { medium } => {
            answer::Lack { medium: Some(medium.as_str().into()), ..none(LackName::PlaceUnknown) }
        }
    }
}
