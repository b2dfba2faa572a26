//! Sections that several reports have.

use super::draft::{Draft, Fact, Row};
use crate::cli::lang::Lang;
use crate::cli::shown::Shown;
use crate::cli::text::{Message, message};
use crate::cli::units::{bytes, count, paper_time};
use azekura::job::report::answers::{Compare, of_compare, of_verify};
use azekura::job::report::restored::{Restored, check_code};
use azekura::job::report::{Answer, Mark, Session, Source, judge};

/// Rows of one list on paper.
pub const ROWS: usize = 200;

pub fn when(rfc3339: &str) -> String {
    paper_time(rfc3339, Lang::spoken())
}

/// The beginning of the session, as a place of evidence.
fn beginning(session: &Session) -> Vec<Source> {
    session.started.iter().map(|s| Source { line: s.line, file: String::new() }).collect()
}

/// Who did it, before whom, where, with what, and on which medium.
pub fn people(draft: &mut Draft, session: &Session) {
    draft.section("page.section.people");
    let at = beginning(session);
    let s = session.started.clone().unwrap_or_default();
    let row = |what, fact: Fact, mark| -> Row { (what, fact, mark, at.clone()) };
    let said = |what, text: &str| match text {
        "" => row(what, Fact::Nothing, Mark::Unknown),
        text => row(what, Fact::Text(text.to_owned()), Mark::Good),
    };
    let device = s.device.as_deref().unwrap_or_default();
    let protected = match s.writable {
        Some(false) => row("page.fact.protected", Fact::Said(message!("page.protected.yes")), Mark::Good),
        Some(true) => row("page.fact.protected", Fact::Said(message!("page.protected.no")), Mark::Bad),
        None => row("page.fact.protected", Fact::Nothing, Mark::Unknown),
    };
    let begun = if s.time.is_empty() { Fact::Nothing } else { Fact::Time(s.time.clone()) };
    draft.facts(vec![
        said("page.fact.by", &s.by),
        said("page.fact.witness", &s.witness),
        said("page.fact.place", &s.place),
        row("page.fact.begun", begun, Mark::Good),
        said("page.fact.host", &s.host),
        said("page.fact.tool", &s.tool),
        row("page.fact.program", Fact::Code(s.program_sha256.clone()), Mark::Good),
        said("page.fact.medium", s.medium.as_deref().unwrap_or_default()),
        said("page.fact.device", device),
        protected,
    ]);
}

fn of_one(answer: &Answer) -> Vec<Source> {
    vec![answer.source.clone()]
}

/// Whether the chain of seals is whole, by whose key, and whether paper says the same: the newest verification of each set.
pub fn chain(draft: &mut Draft, session: &Session) {
    draft.section("page.section.chain");
    let verified = session.newest(of_verify, |v| &v.set);
    let nothing = |what| -> Row { (what, Fact::Nothing, Mark::Unknown, Vec::new()) };
    if verified.is_empty() {
        let facts = ["page.fact.verified", "page.fact.paper", "page.fact.root-key"];
        return draft.facts(facts.map(nothing).into());
    }
    for (v, answer) in verified {
        let last = v.generations.first.last().map_or(0, |g| g.generation);
        let said = message!(
            "page.verified",
            name = v.set_name,
            generation = last,
            objects = count(v.objects),
            bytes = bytes(v.bytes),
            faults = count(v.faults.len()),
            damage = count(v.damage.len())
        );
        let paper = match &v.expected {
            None => Fact::Nothing,
            Some(e) => Fact::optional(e.generation, |n| Fact::Said(message!("page.paper.found", generation = n))),
        };
        let key = Fact::optional(v.root_key.clone(), Fact::Code);
        // A label says of itself whose it is: only what stood on paper binds the chain to the hospital.
        let key_mark = if v.root_key.is_some() { judge::expected(v.expected.as_ref()) } else { Mark::Unknown };
        draft.facts(vec![
            ("page.fact.verified", Fact::Said(said), judge::verify(v), of_one(answer)),
            ("page.fact.paper", paper, judge::expected(v.expected.as_ref()), of_one(answer)),
            ("page.fact.root-key", key, key_mark, of_one(answer)),
        ]);
    }
    draft.words(&message!("page.root-key-on-paper"));
}

/// What was held against a generation: all comparisons, as long as they are few.
pub fn comparisons(draft: &mut Draft, session: &Session, heading: &'static str) {
    draft.section(heading);
    let all: Vec<_> = session.all(of_compare).collect();
    let rows: Vec<Vec<Fact>> = all.iter().take(ROWS).map(|(c, answer)| comparison(c, answer)).collect();
    let headings = [
        "page.head.generation",
        "page.head.tree",
        "class.identical",
        "class.outside-rules",
        "class.missing",
        "class.not-verified",
        "page.head.other",
        "page.head.mark",
        "page.head.source",
    ];
    draft.list(&headings, &rows, all.len().saturating_sub(ROWS) as u64);
}

fn comparison(c: &Compare, answer: &Answer) -> Vec<Fact> {
    let n = &c.counts;
    let mut trees: Vec<&str> = c.sources.first.iter().take(8).filter_map(|s| s.tree.as_deref()).collect();
    trees.dedup();
    let tree = match c.with_generation {
        Some(with) => Fact::Said(message!("page.with-generation", number = with)),
        None => Fact::Code(trees.join(", ")),
    };
    vec![
        Fact::Count(c.generation),
        tree,
        Fact::Count(n.identical),
        Fact::Count(n.outside_rules),
        Fact::Count(n.missing),
        Fact::Count(n.not_verified),
        Fact::Count(n.added + n.updated + n.renamed),
        Fact::Mark(judge::compare(c)),
        Fact::Sources(of_one(answer)),
    ]
}

pub fn counts(c: &Compare) -> Message {
    let n = &c.counts;
    message!(
        "page.compared",
        identical = count(n.identical),
        outside = count(n.outside_rules),
        missing = count(n.missing),
        unread = count(n.not_verified),
        other = count(n.added + n.updated + n.renamed)
    )
}

/// A generation with its check code, as far as a command told it.
pub fn generation(session: &Session, set: &str, number: u64, time: &str) -> (Fact, Mark, Vec<Source>) {
    let code = check_code(session, set, number);
    let said = match &code {
        Some(code) => message!("page.generation", number = number, time = when(time), code = code.fact),
        None => message!("page.generation-no-code", number = number, time = when(time)),
    };
    let (mark, sources) = code.map_or((Mark::Unknown, Vec::new()), |c| (Mark::Good, c.sources));
    (Fact::Said(said), mark, sources)
}

/// Everything that is known of one restore.
pub fn restore_rows(session: &Session, r: &Restored) -> Vec<Row> {
    let restore = r.restore;
    let here = || of_one(r.answer);
    let (of, of_mark, of_sources) = generation(session, &restore.set, restore.generation, &restore.time);
    let done = message!(
        "page.restored",
        entries = count(restore.entries),
        files = count(restore.files),
        bytes = bytes(restore.bytes),
        lost = count(restore.not_restored + restore.entries_lost),
        shortfalls = count(restore.shortfalls)
    );
    let compared = Fact::optional(r.compare, |(c, _)| Fact::Said(counts(c)));
    let sources = |answer: Option<&Answer>| answer.map(of_one).unwrap_or_default();
    let scan = Fact::optional(restore.scan.as_ref(), |s| {
        let text = |t: &Option<String>| t.as_deref().unwrap_or("-").shown();
        let (engine, signatures, date) = (text(&s.engine), text(&s.signatures.0), text(&s.signature_date));
        Fact::Said(message!("page.scanned", engine = engine, signatures = signatures, date = date, found = count(s.found.len())))
    });
    let signs = Fact::optional(r.clean, |(c, _)| match c.last_clean {
        Some(last) => Fact::Said(message!("page.last-clean-is", number = last)),
        None => Fact::Said(message!("page.no-clean")),
    });
    let line = r.verify.and_then(|(v, _)| v.generations.first.iter().find(|g| g.generation == restore.generation));
    let sealed = Fact::optional(line, |g| Fact::Said(message!("page.seal-read", damaged = count(g.damaged_objects))));
    vec![
        ("page.fact.generation", of, of_mark, of_sources),
        ("page.fact.to", Fact::optional(restore.to.clone(), Fact::Code), Mark::Good, here()),
        ("page.fact.restored", Fact::Said(done), judge::restore(restore), here()),
        ("page.fact.seal", sealed, r.seal(), sources(r.verify.map(|(_, a)| a))),
        ("page.fact.compared", compared, r.compared(), sources(r.compare.map(|(_, a)| a))),
        ("page.fact.before-signs", signs, r.before_signs(), sources(r.clean.map(|(_, a)| a))),
        ("page.fact.scan", scan, r.scanned(), if restore.scan.is_some() { here() } else { Vec::new() }),
    ]
}
