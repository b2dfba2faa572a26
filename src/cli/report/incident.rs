//! The incident report (インシデント報告書): what happened when, what is affected, up to where it is clean, and by when whom to tell.

use super::draft::{Draft, Fact};
use super::shared::{ROWS, chain, comparisons, generation, people, when};
use crate::cli::backup::show::alarm;
use crate::cli::shown::Shown;
use crate::cli::text::{Message, message};
use crate::cli::units::{count, day_in_japan};
use azekura::format::watch::Alarm;
use azekura::job::report::answers::{Clean, CleanLine, LedgerLine, exact, of_clean, of_hold, of_ledger, of_media};
use azekura::job::report::{Answer, Mark, Session, Source};
use azekura::report::due::Due;
use azekura::report::page::{Kind, Style};

pub fn draft(session: &Session, discovered: Option<i64>) -> Draft {
    let mut draft = Draft::new("page.title.incident");
    people(&mut draft, session);
    due(&mut draft, discovered);
    last_clean(&mut draft, session);
    affected(&mut draft, session);
    comparisons(&mut draft, session, "page.section.counts");
    chain(&mut draft, session);
    cipher(&mut draft, session);
    media(&mut draft, session);
    timeline(&mut draft, session);
    by_hand(&mut draft);
    draft.signatures(&["page.role.author", "page.role.witness", "page.role.officer", "page.role.director"]);
    draft
}

/// By when, counted as the page says; and whom.
fn due(draft: &mut Draft, discovered: Option<i64>) {
    draft.section("page.section.due");
    let day = discovered.and_then(day_in_japan);
    let due = day.and_then(Due::of);
    let rows: Vec<Vec<Fact>> = match (day, due) {
        (Some(day), Some(due)) => [
            (message!("page.due.known"), day),
            (message!("page.due.preliminary-first"), due.preliminary.0),
            (message!("page.due.preliminary-last"), due.preliminary.1),
            (message!("page.due.final"), due.last),
        ]
        .map(|(what, day)| vec![Fact::Said(what), Fact::Day(day)])
        .into(),
        _ => Vec::new(),
    };
    draft.list(&["page.head.what", "page.head.date"], &rows, 0);
    draft.words(&message!("page.due.rule"));
    let headings = [
        ("page.head.addressee", Style::What),
        ("page.head.told", Style::Tick),
        ("page.head.told-on", Style::Plain),
        ("page.head.told-by", Style::Plain),
        ("page.head.receipt", Style::Plain),
    ];
    let whom = ["page.to.ppc", "page.to.mhlw", "page.to.police", "page.to.prefecture"];
    draft.form(Kind::Form, &headings, &whom, 0);
}

fn last_clean(draft: &mut Draft, session: &Session) {
    draft.section("page.section.last-clean");
    let cleans = session.newest(of_clean, |c| &c.set);
    if cleans.is_empty() {
        draft.facts(vec![("page.fact.last-clean", Fact::Nothing, Mark::Unknown, Vec::new())]);
    }
    let mut first = Vec::new();
    for (c, answer) in cleans {
        let line = c.last_clean.and_then(|n| c.generations.first.iter().find(|g| g.generation == n));
        let (fact, mark, mut sources) = match line {
            Some(g) => generation(session, &c.set, g.generation, &g.time),
            None => (Fact::Said(message!("page.no-clean")), Mark::Bad, Vec::new()),
        };
        let is_sound = c.faults.is_empty() && line.is_none_or(|g| g.clean && g.trusted);
        if !sources.contains(&answer.source) {
            sources.push(answer.source.clone());
        }
        draft.facts(vec![("page.fact.last-clean", fact, if is_sound { mark } else { Mark::Unknown }, sources)]);
        first.extend(c.first.first.iter().map(|f| {
            let path = exact(&f.path, f.path_hex.as_deref());
            vec![
                Fact::Text(f.indicator.clone()),
                Fact::Count(f.generation),
                Fact::Name(path),
                Fact::Sources(vec![answer.source.clone()]),
            ]
        }));
    }
    if !first.is_empty() {
        first.truncate(ROWS);
        draft.list(&["page.head.indicator", "page.head.generation", "page.head.path", "page.head.source"], &first, 0);
    }
    draft.caution("page.clean-proves-nothing");
}

/// What each generation that bears a sign changed in its sources.
fn affected(draft: &mut Draft, session: &Session) {
    draft.section("page.section.affected");
    let mut rows = Vec::new();
    let mut alarms: Vec<(String, Source)> = Vec::new();
    let mut looked = false;
    for (c, answer) in session.newest(of_clean, |c| &c.set) {
        looked = true;
        for g in c.generations.first.iter().filter(|g| !g.clean) {
            for s in &g.changes.first {
                let source = exact(&s.source, s.source_hex.as_deref());
                rows.push(vec![
                    Fact::Count(g.generation),
                    Fact::Name(source),
                    Fact::Count(s.files),
                    Fact::Count(s.new),
                    Fact::Count(s.changed),
                    Fact::Count(s.gone),
                    Fact::Count(s.noisy + s.misfit + s.forbidden + s.canaries),
                    Fact::Sources(vec![answer.source.clone()]),
                ]);
            }
            alarms.extend(alarms_of(g).map(|a| (a, answer.source.clone())));
        }
    }
    if looked && rows.is_empty() {
        return draft.words(&message!("page.none-affected"));
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
        "page.head.source",
    ];
    draft.list(&headings, &rows, more);
    if !alarms.is_empty() {
        let more = alarms.len().saturating_sub(ROWS) as u64;
        let rows: Vec<Vec<Fact>> =
            alarms.into_iter().take(ROWS).map(|(a, s)| vec![Fact::Text(a), Fact::Sources(vec![s])]).collect();
        draft.list(&["page.head.alarm", "page.head.source"], &rows, more);
    }
}

fn alarms_of(g: &CleanLine) -> impl Iterator<Item = String> {
    g.alarms.first.iter().map(|a| {
        let source = exact(&a.source, a.source_hex.as_deref());
        let raised =
            alarm(&Alarm { tripwire: a.tripwire.clone(), source, measured: a.measured, limit: a.limit, paths: Vec::new() });
        message!("clean.alarm", number = g.generation, alarm = raised).to_string()
    })
}

/// What protects the content of a medium that is lost. Nothing is claimed of lists that this program does not know.
fn cipher(draft: &mut Draft, session: &Session) {
    draft.section("page.section.cipher");
    let at: Vec<Source> =
        session.started.iter().filter(|s| s.set.is_some()).map(|s| Source { line: s.line, file: String::new() }).collect();
    let used = if at.is_empty() { Fact::Nothing } else { Fact::Said(message!("page.cipher.used")) };
    let nothing = |what| (what, Fact::Said(message!("page.by-hand")), Mark::Unknown, Vec::new());
    draft.facts(vec![
        ("page.fact.cipher", used, Mark::Good, at),
        nothing("page.fact.listed"),
        nothing("page.fact.key-kept"),
        nothing("page.fact.key-safe"),
    ]);
    draft.words(&message!("page.cipher.keys"));
}

/// Which media were away: the newest ledger that was shown.
fn media(draft: &mut Draft, session: &Session) {
    draft.section("page.section.media");
    let mut rows = Vec::new();
    let mut more = 0;
    if let Some((m, answer)) = session.all(of_media).last() {
        more = m.media.len().saturating_sub(ROWS as u64);
        rows.extend(m.media.first.iter().take(ROWS).map(|m| {
            let place = m.place.clone().map_or(Fact::Nothing, Fact::Text);
            let written = Fact::optional(m.written.as_ref(), |w| {
                Fact::Said(message!("page.generation", number = w.generation, time = when(&w.time), code = w.check_code))
            });
            let mark = if m.left.is_some() && !m.at_host { Mark::Good } else { Mark::Unknown };
            let left = Fact::optional(m.left.clone(), Fact::Time);
            vec![Fact::Text(m.name.clone()), place, written, left, Fact::Mark(mark), Fact::Sources(vec![answer.source.clone()])]
        }));
    }
    let headings =
        ["label.medium", "page.head.kept-at", "page.head.written", "page.head.left", "page.head.mark", "page.head.source"];
    draft.list(&headings, &rows, more);
    draft.words(&message!("page.media-rule"));
}

/// Something that happened at a time.
type Moment = (String, Message, Source);

/// All that is recorded with its time, in the order of the times: they are those of the clocks of the hosts that wrote them.
fn timeline(draft: &mut Draft, session: &Session) {
    draft.section("page.section.timeline");
    let mut all: Vec<Moment> = Vec::new();
    for (c, answer) in session.newest(of_clean, |c| &c.set) {
        all.extend(generations(c, answer));
    }
    // The ledger has the hold too.
    if let Some((ledger, answer)) = session.all(of_ledger).last() {
        all.extend(ledger.lines.first.iter().filter_map(|l| Some((l.time.clone(), of_line(l)?, answer.source.clone()))));
    } else if let Some((hold, answer)) = session.all(of_hold).filter_map(|(h, a)| Some((h.hold.as_ref()?, a))).last() {
        let said = message!("page.event.hold", who = hold.by, why = hold.why);
        all.push((hold.since.clone(), said, answer.source.clone()));
    }
    if let Some(s) = &session.started {
        let said = message!("page.event.started", who = s.by, witness = s.witness, place = s.place);
        all.push((s.time.clone(), said, Source { line: s.line, file: String::new() }));
    }
    for run in &session.runs {
        let command = run.command.replace('.', " ");
        all.push((run.time.clone(), message!("page.event.ran", command = command, code = run.exit_code), run.source.clone()));
    }
    all.sort_by(|a, b| (&a.0, a.2.line).cmp(&(&b.0, b.2.line)));
    let more = all.len().saturating_sub(ROWS) as u64;
    // What is newest is what the incident is about.
    let rows: Vec<Vec<Fact>> = all
        .split_off(more as usize)
        .into_iter()
        .map(|(time, what, source)| vec![Fact::Time(time), Fact::Said(what), Fact::Sources(vec![source])])
        .collect();
    if more > 0 {
        draft.words(&message!("page.earlier", count = count(more)));
    }
    draft.list(&["page.head.time", "page.head.event", "page.head.source"], &rows, 0);
}

/// The seals around the first sign: the last generation before it, those that bear one, and the newest.
fn generations<'a>(c: &'a Clean, answer: &'a Answer) -> impl Iterator<Item = Moment> + 'a {
    let newest = c.generations.first.last().map(|g| g.generation);
    let is_told = move |g: &&CleanLine| !g.clean || Some(g.generation) == c.last_clean || Some(g.generation) == newest;
    let sealed = c.generations.first.iter().filter(is_told).map(|g| {
        let signs = g.alarms.len() + g.hits;
        let said = match g.clean {
            true => message!("page.event.sealed", number = g.generation, name = c.set_name),
            false => message!("page.event.sealed-signs", number = g.generation, name = c.set_name, count = count(signs)),
        };
        (g.time.clone(), said, answer.source.clone())
    });
    let first = c.first.first.iter().filter_map(|f| {
        let g = c.generations.first.iter().find(|g| g.generation == f.generation)?;
        let said = message!("page.event.first", indicator = f.indicator, number = f.generation);
        Some((g.time.clone(), said, answer.source.clone()))
    });
    sealed.chain(first)
}

/// What of the ledger belongs to the story.
fn of_line(l: &LedgerLine) -> Option<Message> {
    let name = l.medium.as_deref().unwrap_or_default();
    let by = l.by.as_deref().unwrap_or_default();
    match (&l.event[..], l.seen) {
        ("detached", Some(true)) => Some(message!("page.event.detached", name = name)),
        ("attached", _) => Some(message!("page.event.attached", name = name)),
        ("moved", _) => Some(message!("page.event.moved", name = name, who = by)),
        ("held", _) => Some(message!("page.event.hold", who = by, why = l.why.as_deref().unwrap_or_default())),
        ("released", _) => Some(message!("page.event.released", who = by, witness = l.witness.as_deref().unwrap_or("-").shown())),
        ("refused", _) => Some(message!("page.event.refused")),
        _ => None,
    }
}

/// What no medium can tell, and the commission asks for.
fn by_hand(draft: &mut Draft) {
    draft.section("page.section.by-hand");
    let rows =
        ["page.hand.leak", "page.hand.persons", "page.hand.items", "page.hand.cause", "page.hand.lost", "page.hand.second"];
    draft.form(Kind::Form, &[("page.head.what", Style::What), ("page.head.by-hand", Style::Plain)], &rows, 0);
}
