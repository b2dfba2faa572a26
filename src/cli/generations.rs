//! `azekura generations`: the sets on a medium and their generations, from labels and seals alone.

use super::context::Context;
use super::exit::Exit;
use super::explain::Explained;
use super::lang::Lang;
use super::output::{Columns, Outcome};
use super::shown::Shown;
use super::text::{find, message};
use super::units::{bytes, time};
use super::words;
use azekura::format::check_code::CheckCode;
use azekura::format::object::Id;
use azekura::job::restore::RestoreError;
use azekura::medium::Directory;
use azekura::seal::chain::{Chain, Link};
use serde_json::{Value, json};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(value_name = "MEDIUM")]
    medium: Option<PathBuf>,
    #[arg(long, value_name = "ID")]
    set: Option<Id>,
}

pub fn run(args: &Args, context: &Context) -> Result<Outcome, Explained> {
    let from = context.medium(args.medium.as_deref())?;
    let sets = Directory::sets(&from)?;
    let mut ids: Vec<Id> = sets.found.iter().map(|s| s.id).collect();
    // A set whose label is damaged still has seals.
    ids.extend(sets.broken.iter().filter_map(azekura::medium::BrokenLabel::folder_id));
    if let Some(set) = args.set {
        ids = vec![set];
    }
    if ids.is_empty() {
        return Err(RestoreError::Blank { path: from }.into());
    }
    let mut outcome = Outcome::good(String::new(), json!({ "sets": [] }));
    let mut all = Vec::new();
    for id in ids {
        let medium = Directory::open(&from, id)?;
        let chain = Chain::read(&medium, id)?;
        if !outcome.text.is_empty() {
            outcome.text.push('\n');
        }
        outcome.text.push_str(&text(&chain));
        if !chain.faults.is_empty() {
            outcome.exit = Exit::Damage;
        }
        chain.faults.iter().for_each(|f| context.warn(&words::fault(f)));
        all.push(as_json(&chain));
    }
    outcome.json = json!({ "sets": all });
    Ok(outcome)
}

fn text(chain: &Chain) -> String {
    let name = chain.label.as_ref().map_or("?", |l| &l.name);
    let heading = message!("backup.set", name = name, id = chain.set).to_string();
    if chain.links.is_empty() {
        return format!("{heading}\n{}\n", find("generations.none"));
    }
    let headings = ["label.generation", "label.time", "label.added", "label.check-code", "label.result"].map(find);
    let mut columns = Columns::new(headings);
    for l in &chain.links {
        let result = match l.trusted {
            true => words::verdict(l.seal.verdict, l.seal.read_back).to_string(),
            false => find("generations.not-trusted"),
        };
        columns.row([
            l.seal.generation.shown(),
            time(&l.seal.time, Lang::spoken()),
            bytes(size(l)),
            CheckCode::of(&l.digest).to_string(),
            result,
        ]);
    }
    format!("{heading}\n{}", columns.text())
}

fn size(link: &Link) -> u64 {
    link.seal.objects.iter().map(|o| o.length).sum::<u64>() + link.length
}

fn as_json(chain: &Chain) -> Value {
    let generations: Vec<Value> = chain
        .links
        .iter()
        .map(|l| {
            json!({
                "generation": l.seal.generation,
                "time": l.seal.time,
                "check_code": CheckCode::of(&l.digest).to_string(),
                "verdict": l.seal.verdict.name(),
                "read_back": l.seal.read_back.name(),
                "trusted": l.trusted,
                "records": l.seal.record_count,
                "objects": l.seal.objects.len() + 1,
                "bytes": size(l),
            })
        })
        .collect();
    json!({
        "set": chain.set.to_string(),
        "set_name": chain.label.as_ref().map(|l| l.name.clone()),
        "generations": generations,
        "faults": chain.faults.iter().map(words::fault_json).collect::<Vec<_>>(),
        "leftover_objects": chain.leftovers.len(),
    })
}
