//! `azekura status`: the copies there are, by the ledger, and what they lack.

use super::context::Context;
use super::media::ledger::{book, exit};
use crate::cli::ui::exit::Exit;
use crate::cli::ui::explain::Explained;
use crate::cli::ui::lang::Lang;
use crate::cli::ui::output::{Columns, Outcome};
use crate::cli::ui::shown::Shown;
use crate::cli::ui::text::{Message, find, message};
use crate::cli::ui::units::{count, time};
use azekura::host::ledger::MediumKind;
use azekura::job::incident::hold::standing;
use azekura::job::media::copies::{Copy, Lack, copies, count_321, lacks, lacks_321};
use serde_json::{Value, json};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(long = "321")]
    rule_321: bool,
}

pub fn run(args: &Args, context: &Context) -> Result<Outcome, Explained> {
    let (_, book) = book(context)?;
    let copies = copies(&book);
    let mut lacks = lacks(&copies);
    let mut text = table(&copies);
    let mut json = json!({ "copies": copies.iter().map(copy_json).collect::<Vec<_>>() });
    if args.rule_321 {
        lacks.extend(lacks_321(&copies));
        let (number, kinds, off_site) = count_321(&copies);
        let counted = message!("status.321", copies = count(number), kinds = count(kinds), off_site = count(off_site));
        text.push_str(&format!("{counted}\n"));
        json["rule_321"] = json!({ "copies": number, "kinds": kinds, "off_site": off_site });
    }
    lacks.iter().for_each(|lack| context.warn(&warning(lack)));
    json["lacks"] = lacks.iter().map(lack_json).collect();
    if lacks.is_empty() && standing(&book).is_none() {
        text.push_str(&format!("{}\n", find("status.good")));
    }
    let hold = standing(&book);
    if let Some(hold) = &hold {
        let since = time(&hold.since, Lang::spoken());
        context.warn(&message!("hold.stands", since = since, who = hold.by, why = hold.why));
    }
    json["hold"] = hold.is_some().into();
    let held = if hold.is_some() { Exit::Alarm } else { Exit::Good };
    let lacking = if lacks.is_empty() { Exit::Good } else { Exit::Incomplete };
    Ok(Outcome { exit: exit(&book).max(lacking).max(held), text, json })
}

fn table(copies: &[Copy]) -> String {
    if copies.is_empty() {
        return format!("{}\n", find("status.none"));
    }
    let headings =
        ["label.medium", "label.kind", "label.place", "label.generation", "label.written", "label.check-code", "label.at-host"];
    let mut columns = Columns::new(headings.map(find));
    for c in copies {
        let place = c.place.as_deref().map_or_else(|| find("status.unknown"), |p| p.shown());
        let at_host = if c.attached { "status.attached" } else { "status.away" };
        columns.row([
            c.medium.shown(),
            kind(c.kind),
            if c.off_site { message!("status.off-site", place = place).to_string() } else { place },
            c.generation.shown(),
            time(&c.time, Lang::spoken()),
            c.check_code.shown(),
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

fn warning(lack: &Lack) -> Message {
    match lack {
        Lack::Attached { medium } => message!("status.lack.attached", name = medium),
        Lack::Few { copies } => message!("status.lack.few", count = copies),
        Lack::OneKind { kind: one } => message!("status.lack.one-kind", kind = kind(Some(*one))),
        Lack::NoneOffSite => message!("status.lack.none-off-site"),
        Lack::SharedPlace { place, media } => message!("status.lack.shared-place", place = place, media = media.join(", ")),
        Lack::PlaceUnknown { medium } => message!("status.lack.place-unknown", name = medium),
    }
}

fn copy_json(c: &Copy) -> Value {
    json!({
        "medium": c.medium,
        "kind": c.kind,
        "place": c.place,
        "off_site": c.off_site,
        "time": c.time,
        "generation": c.generation,
        "check_code": c.check_code,
        "attached": c.attached,
    })
}

fn lack_json(lack: &Lack) -> Value {
    match lack {
        Lack::Attached { medium } => json!({ "lack": "attached", "medium": medium }),
        Lack::Few { copies } => json!({ "lack": "few", "copies": copies }),
        Lack::OneKind { kind } => json!({ "lack": "one-kind", "kind": kind }),
        Lack::NoneOffSite => json!({ "lack": "none-off-site" }),
        Lack::SharedPlace { place, media } => json!({ "lack": "shared-place", "place": place, "media": media }),
        Lack::PlaceUnknown { medium } => json!({ "lack": "place-unknown", "medium": medium }),
    }
}
