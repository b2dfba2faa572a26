//! `azekura status`: the copies there are, by the ledger, and what they lack.

use super::context::Context;
use super::media::ledger::{book, exit};
use crate::cli::ui::exit::Exit;
use crate::cli::ui::explain::CommandError;
use crate::cli::ui::lang::Lang;
use crate::cli::ui::output::Outcome;
use crate::cli::ui::printable::Printable;
use crate::cli::ui::recorded;
use crate::cli::ui::table::Columns;
use crate::cli::ui::text::{Message, find, message};
use crate::cli::ui::units::{count, time};
use azekura::answer::status::{self as answer, LackName, Rule321, Status};
use azekura::host::ledger::MediumKind;
use azekura::job::incident::hold::active_hold;
use azekura::job::media::copies::{CopyRisk, DataCopy, copies, count_321, risks, risks_321};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(long = "321")]
    rule_321: bool,
}

pub fn run(args: &Args, context: &Context) -> Result<Outcome, CommandError> {
    let (_, book) = book(context)?;
    let copies = copies(&book);
    let mut lacks = risks(&copies);
    let mut rule_321 = None;
    if args.rule_321 {
        lacks.extend(risks_321(&copies));
        let (copies, kinds, off_site) = count_321(&copies);
        rule_321 = Some(Rule321 { copies, kinds, off_site });
    }
    let hold = active_hold(&book);
    let answer = Status {
        copies: copies.iter().map(copy).collect(),
        lacks: lacks.iter().map(lack).collect(),
        hold: hold.is_some(),
        rule_321,
    };
    answer.lacks.first.iter().for_each(|lack| context.warn(&warning(lack)));
    if let Some(hold) = &hold {
        let since = time(&hold.since, Lang::spoken());
        context.warn(&message!("hold.stands", since = since, who = hold.by, why = recorded::why(&hold.why)));
    }
    let held = if answer.hold { Exit::Alarm } else { Exit::Good };
    let lacking = if answer.lacks.is_empty() { Exit::Good } else { Exit::Incomplete };
    Ok(Outcome::new(exit(&book).max(lacking).max(held), text(&answer), &answer))
}

fn text(answer: &Status) -> String {
    let mut text = table(&answer.copies.first);
    if let Some(Rule321 { copies, kinds, off_site }) = answer.rule_321 {
        let counted = message!("status.321", copies = count(copies), kinds = count(kinds), off_site = count(off_site));
        text.push_str(&format!("{counted}\n"));
    }
    if answer.lacks.is_empty() && !answer.hold {
        text.push_str(&format!("{}\n", find("status.good")));
    }
    text
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
        let at_host = if c.attached { "status.attached" } else { "status.away" };
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

fn warning(lack: &answer::Lack) -> Message {
    let medium = lack.medium.as_deref().unwrap_or_default();
    match lack.lack {
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
