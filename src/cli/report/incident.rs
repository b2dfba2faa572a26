//! The incident report (インシデント報告書): what happened when, what is affected, up to where it is clean, and who has to be
//! notified by when.

use super::builder::{CellValue, ReportBuilder, Row};
use super::shared::{ROWS, chain, comparisons, generation, people, searched, when};
use crate::cli::media::attached::{media as interval_media, witness};
use crate::cli::ui::printable::Printable;
use crate::cli::ui::text::{Message, message};
use crate::cli::ui::units::{bytes, count, day_in_japan};
use crate::cli::ui::{recorded, words};
use azekura::answer::exact;
use azekura::answer::generations::{Changes, CleanGeneration};
use azekura::answer::media::{LedgerLine, SealedOn};
use azekura::answer::session::answers::{of_backup, of_hold, of_ledger, of_media};
use azekura::answer::session::traces::Traces;
use azekura::answer::session::{FactSource, Mark, Session, SessionAnswer, judge};
use azekura::report::due::Due;
use azekura::report::page::{Style, TableKind};
use chrono::{DateTime, FixedOffset};
use std::collections::{BTreeMap, BTreeSet};

pub fn build(session: &Session, discovered: Option<i64>) -> ReportBuilder {
    let mut builder = ReportBuilder::new("page.title.incident");
    people(&mut builder, session);
    due(&mut builder, discovered);
    last_clean(&mut builder, session);
    affected(&mut builder, session);
    quarantine(&mut builder, session);
    comparisons(&mut builder, session, "page.section.counts");
    chain(&mut builder, session);
    cipher(&mut builder, session);
    media(&mut builder, session);
    attached(&mut builder, session);
    timeline(&mut builder, session);
    by_hand(&mut builder);
    builder.signatures(&["page.role.author", "page.role.witness", "page.role.officer", "page.role.director"]);
    builder
}

/// Who has to be notified, and by when, counted as the page says.
fn due(builder: &mut ReportBuilder, discovered: Option<i64>) {
    builder.section("page.section.due");
    let day = discovered.and_then(day_in_japan);
    let due = day.and_then(Due::of);
    let rows: Vec<Vec<CellValue>> = match (day, due) {
        (Some(day), Some(due)) => [
            (message!("page.due.known"), day),
            (message!("page.due.preliminary-first"), due.preliminary.0),
            (message!("page.due.preliminary-last"), due.preliminary.1),
            (message!("page.due.final"), due.last),
        ]
        .map(|(what, day)| vec![CellValue::Said(what), CellValue::Day(day)])
        .into(),
        _ => Vec::new(),
    };
    builder.list(&["page.head.what", "page.head.date"], &rows, 0);
    builder.words(&message!("page.due.rule"));
    let headings = [
        ("page.head.addressee", Style::What),
        ("page.head.told", Style::Tick),
        ("page.head.told-on", Style::Plain),
        ("page.head.told-by", Style::Plain),
        ("page.head.receipt", Style::Plain),
    ];
    let whom = ["page.to.ppc", "page.to.mhlw", "page.to.police", "page.to.prefecture"];
    builder.form(TableKind::Form, &headings, &whom, 0);
}

fn last_clean(builder: &mut ReportBuilder, session: &Session) {
    builder.section("page.section.last-clean");
    let all = Traces::all(session);
    if all.is_empty() {
        let facts = ["page.fact.last-clean", "page.fact.indicators"];
        builder.facts(facts.map(|what| (what, CellValue::Nothing, Mark::Unknown, Vec::new())).into());
    }
    let mut first = Vec::new();
    for traces in &all {
        builder.facts(last_clean_of(session, traces));
        for (c, answer) in traces.searches() {
            first.extend(c.first.first.iter().map(|f| {
                let path = exact(&f.path, f.path_hex.as_deref());
                vec![
                    CellValue::Text(f.indicator.to_string()),
                    CellValue::Count(f.generation),
                    CellValue::Name(path),
                    CellValue::Sources(vec![answer.source.clone()]),
                ]
            }));
        }
    }
    if !first.is_empty() {
        let more = first.len().saturating_sub(ROWS) as u64;
        first.truncate(ROWS);
        builder.list(&["page.head.indicator", "page.head.generation", "page.head.path", "page.head.source"], &first, more);
    }
    builder.caution("page.clean-proves-nothing");
}

/// The last clean generation of a set, and what was looked for in it. Without indicators it is not known to be clean.
fn last_clean_of(session: &Session, traces: &Traces) -> Vec<Row> {
    let Some((c, answer)) = traces.newest() else { return Vec::new() };
    let line = traces.last_clean();
    let (fact, mark, mut sources) = match (line, c.generations.more) {
        (Some(g), _) => {
            let (fact, mark, sources) = generation(session, &c.set, g.generation, &g.time);
            (fact, mark.and(traces.before(g.generation)), sources)
        }
        (None, 0) if traces.first_trace().is_some() => (CellValue::Said(message!("page.no-clean")), Mark::Bad, Vec::new()),
        (None, _) => (CellValue::Nothing, Mark::Unknown, Vec::new()),
    };
    for source in traces.first_trace().map(|(_, a)| &a.source).into_iter().chain([&answer.source]) {
        if !sources.contains(source) {
            sources.push(source.clone());
        }
    }
    let mut rows = vec![("page.fact.last-clean", fact, mark, sources)];
    let in_it = line.map(|g| g.generation);
    rows.push(searched(Some(traces), in_it.unwrap_or(0), in_it.map_or(Mark::Unknown, |n| traces.searched(n))));
    rows
}

/// What each generation that bears a sign changed in its sources.
fn affected(builder: &mut ReportBuilder, session: &Session) {
    builder.section("page.section.affected");
    let mut rows = Vec::new();
    let mut alarms: Vec<(String, FactSource)> = Vec::new();
    let all = Traces::all(session);
    for traces in &all {
        let searches = traces.searches();
        let mut listed = BTreeSet::new();
        // The newest search first; generations that only an older one found stay on the page.
        for (c, answer) in searches.iter().rev() {
            for g in c.generations.first.iter().filter(|g| !g.is_clean()).filter(|g| listed.insert(g.generation)) {
                rows.extend(changes_of(g, answer));
                alarms.extend(alarms_of(g).map(|a| (a, answer.source.clone())));
            }
        }
    }
    if !all.is_empty() && rows.is_empty() {
        let looked = all.iter().all(|s| s.indicators().is_some_and(|(of, ..)| of.looked_for > 0));
        return builder.words(&if looked { message!("page.none-affected") } else { message!("page.no-alarm") });
    }
    let more = rows.len().saturating_sub(ROWS) as u64;
    rows.truncate(ROWS);
    let headings = [
        "page.head.generation",
        "page.head.of-source",
        "page.head.files",
        "label.new",
        "label.changed",
        "label.gone",
        "label.odd",
        "page.head.hits",
        "page.head.source",
    ];
    builder.list(&headings, &rows, more);
    if !alarms.is_empty() {
        let more = alarms.len().saturating_sub(ROWS) as u64;
        let rows: Vec<Vec<CellValue>> =
            alarms.into_iter().take(ROWS).map(|(a, s)| vec![CellValue::Text(a), CellValue::Sources(vec![s])]).collect();
        builder.list(&["page.head.alarm", "page.head.source"], &rows, more);
    }
}

/// A row for each source. Where nothing was counted, one row that says so: the generation has a sign nevertheless.
fn changes_of(g: &CleanGeneration, answer: &SessionAnswer) -> Vec<Vec<CellValue>> {
    let row = |name: CellValue, counts: [CellValue; 5]| {
        let [files, new, changed, gone, odd] = counts;
        let source = CellValue::Sources(vec![answer.source.clone()]);
        vec![CellValue::Count(g.generation), name, files, new, changed, gone, odd, CellValue::Count(g.hits), source]
    };
    if g.changes.is_empty() {
        let why = match () {
            () if !g.trusted => message!("generations.not-trusted"),
            () if g.damaged.is_some() => message!("clean.damaged"),
            () => message!("page.not-counted"),
        };
        return vec![row(CellValue::Said(why), [(); 5].map(|()| CellValue::Nothing))];
    }
    let of = |s: &Changes| {
        let odd = [s.noisy, s.misfit, s.forbidden, s.canaries].into_iter().fold(0, u64::saturating_add);
        row(
            CellValue::Name(exact(&s.source, s.source_hex.as_deref())),
            [s.files, s.new, s.changed, s.gone, odd].map(CellValue::Count),
        )
    };
    g.changes.first.iter().map(of).collect()
}

/// The infected state, as far as it was kept.
fn quarantine(builder: &mut ReportBuilder, session: &Session) {
    builder.section("page.section.quarantine");
    let mut rows: Vec<Row> = Vec::new();
    for (b, answer) in session.all(of_backup).filter(|(b, _)| b.quarantine).take(ROWS) {
        let said = message!(
            "page.quarantine",
            name = b.set_name,
            number = b.generation,
            time = when(&b.time),
            code = b.check_code,
            files = count(b.statistics.of("files")),
            bytes = bytes(b.statistics.of("bytes")),
            findings = count(b.statistics.of("findings"))
        );
        let mark = answer.supported_mark(judge::quarantine(b), &[0, 3, 4]);
        rows.push(("page.fact.quarantine", CellValue::Said(said), mark, vec![answer.source.clone()]));
    }
    if rows.is_empty() {
        rows.push(("page.fact.quarantine", CellValue::Nothing, Mark::Unknown, Vec::new()));
    }
    builder.facts(rows);
}

fn alarms_of(g: &CleanGeneration) -> impl Iterator<Item = String> {
    g.alarms.first.iter().map(|a| message!("clean.alarm", number = g.generation, alarm = words::alarm(a)).to_string())
}

/// What protects the content of a lost medium. Makes no claim about lists of ciphers that this program does not know.
fn cipher(builder: &mut ReportBuilder, session: &Session) {
    builder.section("page.section.cipher");
    let at: Vec<FactSource> =
        session.started.iter().filter(|s| s.set.is_some()).map(|s| FactSource { line: s.line, file: String::new() }).collect();
    let used = if at.is_empty() { CellValue::Nothing } else { CellValue::Said(message!("page.cipher.used")) };
    let nothing = |what| (what, CellValue::Said(message!("page.by-hand")), Mark::Unknown, Vec::new());
    builder.facts(vec![
        ("page.fact.cipher", used, Mark::Good, at),
        nothing("page.fact.listed"),
        nothing("page.fact.key-kept"),
        nothing("page.fact.key-safe"),
    ]);
    builder.words(&message!("page.cipher.keys"));
}

/// Which media were away, by the newest ledger in the session.
fn media(builder: &mut ReportBuilder, session: &Session) {
    builder.section("page.section.media");
    let mut rows = Vec::new();
    let mut more = 0;
    let broken = session.all(of_ledger).filter(|(l, _)| !l.broken.is_empty()).last();
    let is_broken = broken.is_some();
    if let Some((m, answer)) = session.all(of_media).last() {
        more = m.media.len().saturating_sub(ROWS as u64);
        rows.extend(m.media.first.iter().take(ROWS).map(|m| {
            let place = CellValue::optional(m.place.as_deref(), |p| CellValue::Text(p.to_owned()));
            let written = CellValue::optional(m.written.as_ref(), |w| {
                CellValue::Said(message!("page.generation", number = w.generation, time = when(&w.time), code = w.check_code))
            });
            let mark = if m.left.is_some() && !m.at_host && !is_broken { Mark::Good } else { Mark::Unknown };
            let mark = answer.supported_mark(mark, &[0]);
            let left = CellValue::optional(m.left.as_deref(), |t| CellValue::Time(t.to_owned()));
            vec![
                CellValue::Text(m.name.to_string()),
                place,
                written,
                left,
                CellValue::Mark(mark),
                CellValue::Sources(vec![answer.source.clone()]),
            ]
        }));
    }
    let headings =
        ["label.medium", "page.head.kept-at", "page.head.written", "page.head.left", "page.head.mark", "page.head.source"];
    builder.list(&headings, &rows, more);
    if let Some((ledger, answer)) = broken {
        builder.words(&message!("page.ledger-broken", count = count(ledger.broken.len()), line = answer.source.line));
    }
    builder.words(&message!("page.media-rule"));
}

/// When each medium was attached, by the newest `media log --attached` in the session, and what the seals say of it.
fn attached(builder: &mut ReportBuilder, session: &Session) {
    builder.section("page.section.attached");
    let asked = || session.all(of_ledger).filter_map(|(l, answer)| Some((l, l.attached.as_ref()?, answer)));
    let mut rows = Vec::new();
    let mut more = 0;
    if let Some((_, attached, answer)) = asked().last() {
        let all = &attached.first;
        let newest = &all[all.len().saturating_sub(ROWS)..];
        more = attached.len() - newest.len() as u64;
        rows.extend(newest.iter().map(|a| {
            let told = |who| CellValue::Text(witness(who));
            let until = match &a.until {
                Some(until) => CellValue::Time(until.to_string()),
                None => CellValue::Said(message!("media.attached.still")),
            };
            vec![
                CellValue::Text(interval_media(a)),
                CellValue::Time(a.since.to_string()),
                told(a.came),
                until,
                CellValue::optional(a.left, told),
                CellValue::Sources(vec![answer.source.clone()]),
            ]
        }));
    }
    let headings = ["label.medium", "label.attached-since", "label.told-by", "label.left", "label.told-by", "page.head.source"];
    builder.list(&headings, &rows, more);
    let compared = asked().filter_map(|(l, _, answer)| Some((l.sealed.as_ref()?, answer)));
    let is_bad = |sealed: &SealedOn| !sealed.findings.is_empty();
    // A comparison that found something is not undone by a later one, which may be of another medium.
    let said = match compared.max_by_key(|(sealed, answer)| (is_bad(sealed), answer.source.line)) {
        Some((sealed, answer)) if is_bad(sealed) => {
            message!("page.attached.bad", count = count(sealed.findings.len()), line = answer.source.line)
        }
        Some((sealed, answer)) => match &sealed.time {
            Some(time) => {
                message!("page.attached.good", count = count(sealed.texts), time = when(time), line = answer.source.line)
            }
            None => message!("page.attached.not-compared"),
        },
        None => message!("page.attached.not-compared"),
    };
    builder.words(&said);
    builder.words(&message!("page.attached.rule"));
}

/// Something that happened at a time.
struct Moment {
    time: String,
    said: Message,
    source: FactSource,
    /// A sign, a hold, what was done against the intruder: stays on the page however much else happened.
    is_story: bool,
}

impl Moment {
    fn new(time: &str, said: Message, source: &FactSource, is_story: bool) -> Self {
        Self { time: time.to_owned(), said, source: source.clone(), is_story }
    }

    /// The time as a value: texts of one time may differ in length.
    fn at(&self) -> Option<DateTime<FixedOffset>> {
        DateTime::parse_from_rfc3339(&self.time).ok()
    }
}

/// All events with a time, in the order of the times. The times are those of the clocks of the hosts that wrote them.
fn timeline(builder: &mut ReportBuilder, session: &Session) {
    builder.section("page.section.timeline");
    let mut all = moments(session);
    all.sort_by(|a, b| (a.at(), &a.time, a.source.line).cmp(&(b.at(), &b.time, b.source.line)));
    let mut seen = BTreeSet::new();
    all.retain(|m| seen.insert((m.time.clone(), m.said.to_string())));
    let more = all.len().saturating_sub(ROWS);
    // Where the list is too long, everyday events are left out first, the oldest before the others.
    let mut left_out: BTreeSet<usize> = (0..all.len()).filter(|i| !all[*i].is_story).take(more).collect();
    left_out.extend((0..all.len()).filter(|i| all[*i].is_story).take(more - left_out.len()));
    let kept = all.into_iter().enumerate().filter(|(i, _)| !left_out.contains(i));
    let rows: Vec<Vec<CellValue>> =
        kept.map(|(_, m)| vec![CellValue::Time(m.time), CellValue::Said(m.said), CellValue::Sources(vec![m.source])]).collect();
    if more > 0 {
        builder.words(&message!("page.earlier", count = count(more as u64)));
    }
    builder.list(&["page.head.time", "page.head.event", "page.head.source"], &rows, 0);
}

fn moments(session: &Session) -> Vec<Moment> {
    let mut all: Vec<Moment> = Vec::new();
    for traces in Traces::all(session) {
        generations(&traces, &mut all);
    }
    for (ledger, answer) in session.all(of_ledger) {
        let lines = ledger.lines.first.iter().filter_map(|l| Some((l, of_line(l)?)));
        all.extend(
            lines.map(|(l, (said, is_story))| Moment::new(l.time.as_deref().unwrap_or_default(), said, &answer.source, is_story)),
        );
    }
    // A ledger of one medium does not have it.
    for (hold, answer) in session.all(of_hold).filter_map(|(h, a)| Some((h.hold.as_ref()?, a))) {
        all.push(Moment::new(
            &hold.since,
            message!("page.event.hold", who = hold.by, why = recorded::why(&hold.why)),
            &answer.source,
            true,
        ));
    }
    for (b, answer) in session.all(of_backup).filter(|(b, _)| b.quarantine) {
        let said = message!("page.event.quarantine", name = b.set_name, number = b.generation, code = b.check_code);
        all.push(Moment::new(&b.time, said, &answer.source, true));
    }
    if let Some(s) = &session.started {
        let said = message!("page.event.started", who = s.by, witness = s.witness, place = s.location);
        all.push(Moment::new(&s.time, said, &FactSource { line: s.line, file: String::new() }, true));
    }
    for run in &session.runs {
        let command = run.command.replace('.', " ");
        let said = match run.exit_code {
            Some(code) => message!("page.event.ran", command = command, code = code),
            None => message!("page.event.ran-unknown", command = command),
        };
        all.push(Moment::new(&run.time, said, &run.source, false));
    }
    all
}

/// The seals around the first trace: the last generation before it, those that bear one, and the newest.
fn generations(traces: &Traces, all: &mut Vec<Moment>) {
    let last_clean = traces.last_clean().map(|g| g.generation);
    let Some(newest) = traces.newest().and_then(|(c, _)| c.generations.first.last()).map(|g| g.generation) else { return };
    // A generation is listed once: as the search saw it that found most.
    let mut listed: BTreeMap<u64, (u64, &CleanGeneration, &SessionAnswer)> = BTreeMap::new();
    for (c, answer) in traces.searches() {
        let is_listed = |g: &&CleanGeneration| !g.is_clean() || Some(g.generation) == last_clean || g.generation == newest;
        for g in c.generations.first.iter().filter(is_listed) {
            let found = g.alarms.len().saturating_add(g.hits);
            if listed.get(&g.generation).is_none_or(|(before, ..)| found >= *before) {
                listed.insert(g.generation, (found, g, answer));
            }
        }
        for f in &c.first.first {
            if let Some(g) = c.generations.first.iter().find(|g| g.generation == f.generation) {
                let said = message!("page.event.first", indicator = f.indicator, number = f.generation);
                all.push(Moment::new(&g.time, said, &answer.source, true));
            }
        }
    }
    let name = traces.newest().map_or("", |(c, _)| &c.set_name);
    for (found, g, answer) in listed.into_values() {
        let said = match () {
            () if g.is_clean() => message!("page.event.sealed", number = g.generation, name = name),
            () if !g.has_trace() => message!("page.event.sealed-damaged", number = g.generation, name = name),
            () if found == 0 => message!("page.event.sealed-untrusted", number = g.generation, name = name),
            () => message!("page.event.sealed-signs", number = g.generation, name = name, count = count(found)),
        };
        all.push(Moment::new(&g.time, said, &answer.source, true));
    }
}

/// What a line of the ledger says on the time line, and whether it always stays there; nothing for most lines.
fn of_line(l: &LedgerLine) -> Option<(Message, bool)> {
    let name = l.medium.as_deref().unwrap_or_default();
    let by = l.by.as_deref().unwrap_or_default();
    match (&l.event[..], l.seen) {
        ("detached", Some(true)) => Some((message!("page.event.detached", name = name), false)),
        ("attached", _) => Some((message!("page.event.attached", name = name), false)),
        ("plugged", _) => Some((message!("page.event.plugged", name = l.device.as_deref().unwrap_or_default()), false)),
        ("unplugged", _) => Some((message!("page.event.unplugged", name = l.device.as_deref().unwrap_or_default()), false)),
        ("moved", _) => Some((message!("page.event.moved", name = name, who = by), false)),
        ("held", _) => {
            Some((message!("page.event.hold", who = by, why = recorded::why(l.why.as_deref().unwrap_or_default())), true))
        }
        ("harmless", _) => {
            let (witness, why) = (l.witness.as_deref().unwrap_or("-"), l.why.as_deref().unwrap_or_default());
            let number = l.generation.unwrap_or_default();
            Some((message!("page.event.harmless", number = number, who = by, witness = witness, why = why), true))
        }
        ("released", _) => {
            Some((message!("page.event.released", who = by, witness = l.witness.as_deref().unwrap_or("-").printable()), true))
        }
        ("refused", _) => Some((message!("page.event.refused"), true)),
        _ => None,
    }
}

/// What no medium can show, and the commission asks for.
fn by_hand(builder: &mut ReportBuilder) {
    builder.section("page.section.by-hand");
    let rows =
        ["page.hand.leak", "page.hand.persons", "page.hand.items", "page.hand.cause", "page.hand.lost", "page.hand.second"];
    builder.form(TableKind::Form, &[("page.head.what", Style::What), ("page.head.by-hand", Style::Plain)], &rows, 0);
}
