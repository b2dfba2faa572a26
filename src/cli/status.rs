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
use azekura::job::incident::hold::active_hold;
use azekura::job::media::copies::{CopyRisk, DataCopy, copies, count_321, risks, risks_321};
use serde_json::{Value, json};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(long = "321")]
    rule_321: bool,
}

pub fn run(args: &Args, context: &Context) -> Result<Outcome, Explained> {
    let (_, book) = book(context)?;
    let copies = copies(&book);
    let mut lacks = risks(&copies);
    let mut text = table(&copies);
    let mut json = json!({ "copies": copies.iter().map(copy_json).collect::<Vec<_>>() });
    if args.rule_321 {
        lacks.extend(risks_321(&copies));
        let (number, kinds, off_site) = count_321(&copies);
        let counted = message!("status.321", copies = count(number), kinds = count(kinds), off_site = count(off_site));
        text.push_str(&format!("{counted}\n"));
        json["rule_321"] = json!({ "copies": number, "kinds": kinds, "off_site": off_site });
    }
    lacks.iter().for_each(|lack| context.warn(&warning(lack)));
    json["lacks"] = lacks.iter().map(lack_json).collect();
    if lacks.is_empty() && active_hold(&book).is_none() {
        text.push_str(&format!("{}\n", find("status.good")));
    }
    let hold = active_hold(&book);
    if let Some(hold) = &hold {
        let since = time(&hold.since, Lang::spoken());
        context.warn(&message!("hold.stands", since = since, who = hold.by, why = hold.why));
    }
    json["hold"] = hold.is_some().into();
    let held = if hold.is_some() { Exit::Alarm } else { Exit::Good };
    let lacking = if lacks.is_empty() { Exit::Good } else { Exit::Incomplete };
    Ok(Outcome { exit: exit(&book).max(lacking).max(held), text, json })
}

fn table(copies: &[DataCopy]) -> String {
    if copies.is_empty() {
        return format!("{}\n", find("status.none"));
    }
    let headings =
        ["label.medium", "label.kind", "label.place", "label.generation", "label.written", "label.check-code", "label.at-host"];
    let mut columns = Columns::new(headings.map(find));
    for c in copies {
        let place = c.location.as_deref().map_or_else(|| find("status.unknown"), |p| p.shown());
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

fn warning(lack: &CopyRisk) -> Message {
    match lack {
        CopyRisk::Attached { medium } => message!("status.lack.attached", name = medium),
        CopyRisk::Few { copies } => message!("status.lack.few", count = copies),
        CopyRisk::OneKind { kind: one } => message!("status.lack.one-kind", kind = kind(Some(*one))),
        CopyRisk::NoneOffSite => message!("status.lack.none-off-site"),
        CopyRisk::SharedLocation { location, media } => {
            message!("status.lack.shared-place", place = location, media = media.join(", "))
        }
        CopyRisk::LocationUnknown { medium } => message!("status.lack.place-unknown", name = medium),
    }
}

fn copy_json(c: &DataCopy) -> Value {
    json!({
        "medium": c.medium,
        "kind": c.kind,
        "place": c.location,
        "off_site": c.off_site,
        "time": c.time,
        "generation": c.generation,
        "check_code": c.check_code,
        "attached": c.attached,
    })
}

fn lack_json(lack: &CopyRisk) -> Value {
    match lack {
        CopyRisk::Attached { medium } => json!({ "lack": "attached", "medium": medium }),
        CopyRisk::Few { copies } => json!({ "lack": "few", "copies": copies }),
        CopyRisk::OneKind { kind } => json!({ "lack": "one-kind", "kind": kind }),
        CopyRisk::NoneOffSite => json!({ "lack": "none-off-site" }),
        CopyRisk::SharedLocation { location, media } => json!({ "lack": "shared-place", "place": location, "media": media }),
        CopyRisk::LocationUnknown { medium } => json!({ "lack": "place-unknown", "medium": medium }),
    }
}
