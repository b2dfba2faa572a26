//! `azekura generations --clean`: what speaks against each generation, and the last one before the first trace.

use super::Args;
use crate::cli::caged::{self, Needs};
use crate::cli::context::Context;
use crate::cli::ui::exit::Exit;
use crate::cli::ui::explain::{CommandError, io_reason, reason};
use crate::cli::ui::lang::Lang;
use crate::cli::ui::output::Outcome;
use crate::cli::ui::printable::Printable;
use crate::cli::ui::table::Columns;
use crate::cli::ui::text::{Message, find, message};
use crate::cli::ui::units::{count, time};
use crate::cli::ui::{recorded, words};
use azekura::answer::generations::{self as answer, Changes, Clean, CleanGeneration, FirstAppearance};
use azekura::answer::{exact, name};
use azekura::format::seal::Verdict;
use azekura::format::watch::Measures;
use azekura::job::incident::clean::{GenerationTraces, IndicatorHit, Options, Report, clean};
use azekura::job::incident::indicators::Indicators;
use std::fs::File;

pub fn run(args: &Args, context: &Context) -> Result<Outcome, CommandError> {
    let identity = context.identity(args.identity.as_deref())?;
    let from = context.medium(args.medium.as_deref())?;
    let list = args.ioc.as_deref().map(|path| (path, File::open(path)));
    caged::enter(context, &Needs { medium: Some(&from), ..Needs::default() });
    let indicators = list.map(|(path, list)| {
        let failed = |e| CommandError::new(message!("error.ioc", path = path), Exit::Usage).cause(e);
        let read = list.and_then(|mut list| Indicators::read(&mut list));
        read.map_err(|e| failed(io_reason(&e)))?.map_err(|e| failed(reason(&e)))
    });
    let options = Options { from, set: args.set, indicators: indicators.transpose()? };
    let report = {
        let progress = context.progress();
        clean(&options, &identity, &context.env(None), &progress)?
    };
    let answer = answer(&report, options.indicators.as_ref());
    talk(&answer, context);
    let is_good = report.faults.is_empty() && report.generations.iter().all(GenerationTraces::is_clean);
    let exit = if is_good { Exit::Good } else { Exit::Damage };
    Ok(Outcome::new(exit, text(&answer), &answer))
}

/// What speaks against each generation.
fn talk(answer: &Clean, context: &Context) {
    answer.faults.first.iter().for_each(|f| context.warn(&Message::plain(&f.text)));
    for g in &answer.generations.first {
        for a in &g.alarms.first {
            context.warn(&message!("clean.alarm", number = g.generation, alarm = words::alarm(a)));
        }
        if let Some(why) = &g.harmless {
            context.warn(&message!("clean.harmless", number = g.generation, why = why));
        }
        if let Some(why) = &g.damaged {
            context.warn(&message!("clean.damage", number = g.generation, why = recorded::cause(why)));
        }
        if g.unhashed > 0 {
            context.warn(&message!("clean.unhashed", number = g.generation, count = count(g.unhashed)));
        }
    }
    if let Some(indicators) = answer.indicators.filter(|i| i.passed_over > 0) {
        context.warn(&message!("clean.passed-over", count = count(indicators.passed_over)));
    }
    for f in &answer.first.first {
        let path = exact(&f.path, f.path_hex.as_deref());
        context.warn(&message!("clean.first", indicator = f.indicator, number = f.generation, path = path));
    }
}

fn answer(r: &Report, indicators: Option<&Indicators>) -> Clean {
    Clean {
        set: r.set.to_string().into(),
        set_name: r.set_name.as_str().into(),
        quarantine: Some(r.quarantine),
        last_clean: r.last_clean,
        generations: r.generations.iter().map(generation).collect(),
        indicators: indicators.map(|i| answer::Indicators { looked_for: i.len() as u64, passed_over: i.passed_over() }),
        first: r.first_hits.iter().map(first).collect(),
        faults: r.faults.iter().map(words::fault_answer).collect(),
    }
}

fn generation(row: &GenerationTraces) -> CleanGeneration {
    CleanGeneration {
        generation: row.generation,
        time: row.time.as_str().into(),
        check_code: row.check_code.to_string().into(),
        trusted: row.trusted,
        verdict: row.verdict,
        clean: row.is_clean(),
        changes: row.changes.iter().map(changes).collect(),
        alarms: row.alarms.iter().map(words::alarm_answer).collect(),
        harmless: row.harmless.as_deref().map(Into::into),
        hits: row.hits,
        unhashed: row.unhashed,
        damaged: row.damaged.as_deref().map(Into::into),
    }
}

fn changes((source, m): &(Vec<u8>, Measures)) -> Changes {
    let (source, source_hex) = name(source);
    Changes {
        source,
        source_hex,
        files: m.files,
        new: m.new,
        changed: m.changed,
        gone: m.gone,
        forbidden: m.forbidden,
        noisy: m.noisy,
        misfit: m.misfit,
        strange: m.strange,
        canaries: m.canaries,
        finished: m.finished,
    }
}

fn first(f: &IndicatorHit) -> FirstAppearance {
    let (path, path_hex) = name(&f.path);
    FirstAppearance { indicator: f.indicator.as_str().into(), generation: f.generation, path, path_hex }
}

fn sum(generation: &CleanGeneration, of: impl Fn(&Changes) -> u64) -> u64 {
    generation.changes.first.iter().map(of).sum()
}

fn text(answer: &Clean) -> String {
    let headings =
        ["label.generation", "label.time", "label.new", "label.changed", "label.gone", "label.odd", "label.ioc", "label.result"];
    let mut columns = Columns::new(headings.map(find));
    for g in &answer.generations.first {
        let known = |n: u64| if g.changes.is_empty() { find("status.unknown") } else { count(n) };
        let result = match () {
            () if !g.trusted => find("generations.not-trusted"),
            () if g.hits > 0 => find("clean.hit"),
            () if !g.alarms.is_empty() && g.harmless.is_none() => find("clean.alarmed"),
            () if g.damaged.is_some() => find("clean.damaged"),
            () if g.harmless.is_some() => find("clean.declared-harmless"),
            () if g.verdict == Verdict::Incomplete => find("clean.none-incomplete"),
            () => find("clean.none"),
        };
        columns.row([
            g.generation.printable(),
            time(&g.time, Lang::spoken()),
            known(sum(g, |c| c.new)),
            known(sum(g, |c| c.changed)),
            known(sum(g, |c| c.gone)),
            known(sum(g, |c| c.noisy + c.misfit + c.forbidden + c.canaries)),
            if answer.indicators.is_some() { count(g.hits) } else { find("status.unknown") },
            result,
        ]);
    }
    let is_incomplete = |number| {
        let all = &answer.generations.first;
        all.iter().any(|g| g.generation == number && g.verdict == Verdict::Incomplete)
    };
    let last = match answer.last_clean {
        Some(number) if is_incomplete(number) => message!("clean.last-incomplete", number = number),
        Some(number) => message!("clean.last", number = number),
        None => message!("clean.no-last"),
    };
    let heading = message!("backup.set", name = answer.set_name, id = answer.set);
    format!("{heading}\n{}{last}\n{}\n", columns.text(), find("clean.proves-nothing"))
}
