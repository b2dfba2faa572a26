//! `azekura generations --clean`: what speaks against each generation, and the last one before the first sign.

use super::Args;
use crate::cli::backup::show::{alarm, alarm_json};
use crate::cli::context::Context;
use crate::cli::ui::exit::Exit;
use crate::cli::ui::explain::{Explained, io_reason, reason};
use crate::cli::ui::lang::Lang;
use crate::cli::ui::output::{Columns, Outcome};
use crate::cli::ui::recorded;
use crate::cli::ui::shown::{Shown, put_name};
use crate::cli::ui::text::{find, message};
use crate::cli::ui::units::{count, time};
use crate::cli::ui::words;
use azekura::format::watch::Measures;
use azekura::job::incident::clean::{First, Options, Report, Row, clean};
use azekura::job::incident::indicators::Indicators;
use serde_json::{Map, Value, json};

pub fn run(args: &Args, context: &Context) -> Result<Outcome, Explained> {
    let identity = context.identity(args.identity.as_deref())?;
    let indicators = args.ioc.as_deref().map(|path| {
        let failed = |e| Explained::new(message!("error.ioc", path = path), Exit::Usage).cause(e);
        let bytes = std::fs::read(path).map_err(|e| failed(io_reason(&e)))?;
        Indicators::parse(&bytes).map_err(|e| failed(reason(&e)))
    });
    let options = Options { from: context.medium(args.medium.as_deref())?, set: args.set, indicators: indicators.transpose()? };
    let report = {
        let progress = context.progress();
        clean(&options, &identity, &context.env(None), &progress)?
    };
    report.faults.iter().for_each(|f| context.warn(&words::fault(f)));
    for row in &report.rows {
        for a in &row.alarms {
            context.warn(&message!("clean.alarm", number = row.generation, alarm = alarm(a)));
        }
        if let Some(why) = &row.damaged {
            context.warn(&message!("clean.damage", number = row.generation, why = recorded::cause(why)));
        }
        if row.unhashed > 0 {
            context.warn(&message!("clean.unhashed", number = row.generation, count = count(row.unhashed)));
        }
    }
    if let Some(passed_over) = options.indicators.as_ref().map(Indicators::passed_over).filter(|n| *n > 0) {
        context.warn(&message!("clean.passed-over", count = count(passed_over)));
    }
    for f in &report.first {
        context.warn(&message!("clean.first", indicator = f.indicator, number = f.generation, path = f.path));
    }
    let is_good = report.faults.is_empty() && report.rows.iter().all(Row::is_clean);
    let exit = if is_good { Exit::Good } else { Exit::Damage };
    Ok(Outcome { exit, text: text(&report, options.indicators.as_ref()), json: as_json(&report, options.indicators.as_ref()) })
}

fn sum(row: &Row, of: impl Fn(&Measures) -> u64) -> u64 {
    row.changes.iter().map(|(_, m)| of(m)).sum()
}

fn text(r: &Report, indicators: Option<&Indicators>) -> String {
    let headings =
        ["label.generation", "label.time", "label.new", "label.changed", "label.gone", "label.odd", "label.ioc", "label.result"];
    let mut columns = Columns::new(headings.map(find));
    for row in &r.rows {
        let known = |n: u64| if row.changes.is_empty() { find("status.unknown") } else { count(n) };
        let result = match () {
            () if !row.trusted => find("generations.not-trusted"),
            () if row.hits > 0 => find("clean.hit"),
            () if !row.alarms.is_empty() => find("clean.alarmed"),
            () if row.damaged.is_some() => find("clean.damaged"),
            () => find("clean.none"),
        };
        columns.row([
            row.generation.shown(),
            time(&row.time, Lang::spoken()),
            known(sum(row, |m| m.new)),
            known(sum(row, |m| m.changed)),
            known(sum(row, |m| m.gone)),
            known(sum(row, |m| m.noisy + m.misfit + m.forbidden + m.canaries)),
            if indicators.is_some() { count(row.hits) } else { find("status.unknown") },
            result,
        ]);
    }
    let last = match r.last_clean {
        Some(number) => message!("clean.last", number = number),
        None => message!("clean.no-last"),
    };
    let heading = message!("backup.set", name = r.set_name, id = r.set);
    format!("{heading}\n{}{last}\n{}\n", columns.text(), find("clean.proves-nothing"))
}

fn as_json(r: &Report, indicators: Option<&Indicators>) -> Value {
    json!({
        "indicators": indicators.map(|i| json!({ "looked_for": i.len(), "passed_over": i.passed_over() })),
        "set": r.set.to_string(),
        "set_name": r.set_name,
        "quarantine": r.quarantine,
        "last_clean": r.last_clean,
        "generations": r.rows.iter().map(row_json).collect::<Vec<_>>(),
        "first": r.first.iter().map(first_json).collect::<Vec<_>>(),
        "faults": r.faults.iter().map(words::fault_json).collect::<Vec<_>>(),
    })
}

fn row_json(row: &Row) -> Value {
    let changes = row.changes.iter().map(|(source, m)| {
        let mut object = Map::new();
        put_name(&mut object, "source", source);
        let counts = [
            ("files", m.files),
            ("new", m.new),
            ("changed", m.changed),
            ("gone", m.gone),
            ("forbidden", m.forbidden),
            ("noisy", m.noisy),
            ("misfit", m.misfit),
            ("strange", m.strange),
            ("canaries", m.canaries),
            ("finished", m.finished),
        ];
        object.extend(counts.map(|(name, n)| (name.to_owned(), n.into())));
        Value::Object(object)
    });
    json!({
        "generation": row.generation,
        "time": row.time,
        "check_code": row.check_code.to_string(),
        "trusted": row.trusted,
        "verdict": row.verdict.name(),
        "clean": row.is_clean(),
        "changes": changes.collect::<Vec<_>>(),
        "alarms": row.alarms.iter().map(alarm_json).collect::<Vec<_>>(),
        "hits": row.hits,
        "unhashed": row.unhashed,
        "damaged": row.damaged,
    })
}

fn first_json(f: &First) -> Value {
    let mut object = Map::new();
    object.insert("indicator".into(), f.indicator.clone().into());
    object.insert("generation".into(), f.generation.into());
    put_name(&mut object, "path", &f.path);
    Value::Object(object)
}
