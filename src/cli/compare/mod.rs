//! `azekura compare`

mod page;

use crate::cli::context::Context;
use crate::cli::environment::absolute;
use crate::cli::sources::split;
use crate::cli::ui::csv::{Csv, hex};
use crate::cli::ui::exit::Exit;
use crate::cli::ui::explain::{CommandError, io_reason};
use crate::cli::ui::lang::Lang;
use crate::cli::ui::output::Outcome;
use crate::cli::ui::printable::{Printable, path_name};
use crate::cli::ui::table::{Columns, Table};
use crate::cli::ui::text::{Message, find, message};
use crate::cli::ui::units::{bytes, count, time};
use crate::cli::ui::words;
use azekura::answer::compare::{Classes, Compare, ComparedSource, FileDifference, FileSeen, NotCompared};
use azekura::answer::{Clipped, exact, name};
use azekura::format::manifest::Rules;
use azekura::format::object::Id;
use azekura::job::compare::{
    Class, ComparedWith, Difference, FileSummary, NamedTree, Options, Reason, Report, SourceComparison, compare,
};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Files of one class that are shown; `--csv` and `--json` have all.
const SHOWN: usize = 20;

/// A difference, and the rules of its source.
type Shown = (Difference, Rules);

/// What is worst comes first.
const SHOWN_FIRST: [Class; 6] =
    [Class::OutsideRules, Class::Missing, Class::NotVerified, Class::Renamed, Class::Updated, Class::Added];

#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(value_name = "TREE", required_unless_present = "with_generation", conflicts_with = "with_generation")]
    trees: Vec<OsString>,
    #[arg(long, value_name = "MEDIUM")]
    from: Option<PathBuf>,
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    generation: Option<u64>,
    #[arg(long, value_name = "M", value_parser = clap::value_parser!(u64).range(1..))]
    with_generation: Option<u64>,
    #[arg(long, value_name = "ID", value_parser = crate::cli::ui::values::set_id)]
    set: Option<Id>,
    #[arg(long)]
    exact: bool,
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    #[arg(long, conflicts_with = "with_generation")]
    one_file_system: bool,
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

pub fn run(args: Args, context: &Context) -> Result<Outcome, CommandError> {
    let from = context.medium(args.from.as_deref())?;
    let identity = context.identity(args.identity.as_deref())?;
    let trees: Vec<NamedTree> =
        args.trees.iter().map(|t| split(t)).map(|(name, path)| NamedTree { name, path: absolute(&path) }).collect();
    let mut csv = args.csv.map(|path| csv(&path, &trees)).transpose()?;
    args.html.iter().try_for_each(|path| check_outside(path, &trees))?;
    let most = if args.html.is_some() { page::LISTED } else { SHOWN };
    let with = match args.with_generation {
        Some(n) => ComparedWith::Generation(n),
        None => {
            let skip = [from.join("AZEKURA")].into_iter().chain(context.state_path().ok()).collect();
            ComparedWith::Trees { trees, one_file_system: args.one_file_system, skip }
        }
    };
    let options = Options {
        set: args.set,
        generation: args.generation,
        exact: args.exact,
        ..Options::new(from, with, context.environment.large_temporary.clone())
    };
    let mut shown: Vec<Vec<Shown>> = vec![Vec::new(); SHOWN_FIRST.len()];
    let mut all = Vec::new();
    let report = {
        let progress = context.progress();
        let env = context.env(args.threads.map(usize::from));
        compare(&options, &identity, &env, &progress, &mut |d, rules| {
            if let Some(csv) = &mut csv {
                csv.row(csv_row(&d, rules, args.exact));
            }
            if context.wants_document() {
                all.push(difference(&d));
            }
            if let Some(list) = SHOWN_FIRST.iter().position(|c| *c == d.class).map(|i| &mut shown[i])
                && list.len() < most
            {
                list.push((d, rules));
            }
        })?
    };
    csv.map(Csv::finish).transpose()?;
    let answer = answer(&report, all);
    talk(&answer, context);
    if let Some(out) = &args.html {
        page::write(out, &answer, &shown, context)?;
    }
    let text = list(&shown, &answer) + &text(&answer);
    Ok(Outcome::new(exit(&answer), text, &answer))
}

fn talk(answer: &Compare, context: &Context) {
    answer.faults.first.iter().for_each(|f| context.warn(&Message::plain(&f.text)));
}

/// The list must not lie in what is compared: nothing is ever written there.
fn check_outside(path: &Path, trees: &[NamedTree]) -> Result<(), CommandError> {
    let folder = absolute(path).parent().and_then(|p| p.canonicalize().ok());
    let contains = |t: &NamedTree| folder.as_ref().zip(t.path.canonicalize().ok()).is_some_and(|(f, t)| f.starts_with(t));
    if trees.iter().any(contains) {
        return Err(CommandError::new(message!("error.compare.csv-in-tree", path = path), Exit::Usage));
    }
    Ok(())
}

fn csv(path: &Path, trees: &[NamedTree]) -> Result<Csv, CommandError> {
    check_outside(path, trees)?;
    let headings = [
        "label.class",
        "label.path",
        "label.former-path",
        "label.reason",
        "label.size-before",
        "label.size-after",
        "label.blake3-before",
        "label.blake3-after",
        "label.stored-blake3-before",
        "label.stored-blake3-after",
    ];
    Csv::create(&absolute(path), &headings)
}

/// The worst that was met.
fn exit(answer: &Compare) -> Exit {
    let counts = &answer.counts;
    let is_bad = !answer.trusted || !answer.faults.is_empty() || answer.entries_lost > 0;
    let differs = answer.exact && !answer.is_same_content();
    if is_bad || differs || counts.outside_rules > 0 || counts.missing > 0 {
        Exit::Damage
    } else if counts.not_verified > 0 || is_other_metadata(answer) {
        Exit::Incomplete
    } else {
        Exit::Good
    }
}

/// Any difference counts, and only attributes differ.
fn is_other_metadata(answer: &Compare) -> bool {
    answer.exact && answer.metadata > 0
}

/// What came of it; it says so where it is not about all sources of the generation.
fn result(answer: &Compare) -> Message {
    let of_compared = result_of_compared(answer);
    match answer.not_compared.len() {
        0 => of_compared,
        left => message!("compare.not-all", result = of_compared.to_string(), count = count(left)),
    }
}

fn result_of_compared(answer: &Compare) -> Message {
    match (exit(answer), answer.exact) {
        (Exit::Good, false) if answer.without_rules > 0 => message!("compare.no-rules", count = count(answer.without_rules)),
        (Exit::Good, false) => message!("compare.good"),
        (Exit::Good, true) => message!("compare.exact-good"),
        (Exit::Incomplete, _) if answer.counts.not_verified > 0 => message!("compare.not-verified"),
        (Exit::Incomplete, _) => message!("compare.exact-metadata"),
        (_, false) => message!("compare.bad"),
        (_, true) => message!("compare.exact-bad"),
    }
}

fn class(class: Class) -> String {
    find(match class {
        Class::Identical => "class.identical",
        Class::Added => "class.added",
        Class::Updated => "class.updated",
        Class::OutsideRules => "class.outside-rules",
        Class::Missing => "class.missing",
        Class::Renamed => "class.renamed",
        Class::NotVerified => "class.not-verified",
    })
}

/// As [`class`], but where a source has no rules, nothing was changed by the rules; and in an exact comparison no rules
/// count.
fn class_of(of: Class, rules: Rules, is_exact: bool) -> String {
    match of {
        Class::Updated if rules == Rules::Plain => find("class.updated-plain"),
        Class::OutsideRules if is_exact => find("class.different"),
        of => class(of),
    }
}

/// How many files have each class, by what the class is called. Classes that cannot be are left out.
fn class_counts(answer: &Compare) -> Vec<(String, u64)> {
    let is_plain = |s: &ComparedSource| s.rules == Rules::Plain;
    let (with, without) = (!answer.sources.first.iter().all(is_plain), answer.sources.first.iter().any(is_plain));
    let n = &answer.counts;
    let by_rules = n.updated.saturating_sub(answer.without_rules);
    let mut rows = Vec::new();
    for c in Class::ALL {
        match c {
            Class::Updated if answer.exact => {}
            Class::Updated => {
                rows.extend((with || by_rules > 0).then(|| (class(c), by_rules)));
                let plain = || (class_of(c, Rules::Plain, false), answer.without_rules);
                rows.extend((without || answer.without_rules > 0).then(plain));
            }
            c => rows.push((class_of(c, Rules::Plain, answer.exact), n.of(c))),
        }
    }
    rows
}

/// The class of those of which there are more than are shown. Where updated files are with and without rules, both.
fn class_of_more(answer: &Compare, of: Class) -> String {
    match of {
        Class::Updated => {
            let names = class_counts(answer).into_iter().map(|(name, _)| name);
            let updated = [class(of), class_of(of, Rules::Plain, false)];
            names.filter(|name| updated.contains(name)).collect::<Vec<_>>().join(" / ")
        }
        of => class_of(of, Rules::Plain, answer.exact),
    }
}

fn reason(reason: Reason) -> String {
    let message = match reason {
        Reason::None => return String::new(),
        Reason::Content => message!("changed.content"),
        Reason::TimeKept => message!("changed.time-kept"),
        Reason::Grown => message!("changed.grown"),
        Reason::Cut => message!("changed.cut"),
        Reason::Flag => message!("changed.flag"),
        Reason::Type => message!("changed.type"),
        Reason::Target => message!("changed.target"),
        Reason::Unreadable { errno: 0 } => message!("changed.unreadable"),
        Reason::Unreadable { errno } => {
            let error = std::io::Error::from_raw_os_error(errno.cast_signed());
            message!("changed.unreadable-because", reason = io_reason(&error))
        }
        Reason::Changing => message!("changed.changing"),
        Reason::NoContent => message!("changed.no-content"),
        Reason::NoRecord => message!("changed.no-record"),
        Reason::Refused => message!("changed.refused"),
    };
    message.to_string()
}

pub fn rules(rules: Rules) -> String {
    find(match rules {
        Rules::Plain => "rules.plain",
        Rules::SsMix2 => "rules.ss-mix2",
        Rules::AppendOnly => "rules.append-only",
    })
}

/// What is not identical, as much of it as fits.
fn list(shown: &[Vec<Shown>], answer: &Compare) -> String {
    if shown.iter().all(Vec::is_empty) {
        return String::new();
    }
    let mut columns = Columns::new(["label.class", "label.path", "label.reason"].map(find));
    for (of, differences) in SHOWN_FIRST.iter().zip(shown) {
        for (d, rules) in differences.iter().take(SHOWN) {
            let path = match &d.former {
                Some(former) => message!("compare.from-to", former = former, path = d.path).to_string(),
                None => d.path.printable(),
            };
            columns.row([class_of(d.class, *rules, answer.exact), path, reason(d.reason)]);
        }
        let more = answer.counts.of(*of) - differences.len().min(SHOWN) as u64;
        if more > 0 {
            columns.row([class_of_more(answer, *of), message!("compare.more", count = count(more)).to_string(), String::new()]);
        }
    }
    format!("{}\n", columns.text())
}

fn text(answer: &Compare) -> String {
    let mut table = Table::default();
    table.row(find("label.set"), message!("backup.set", name = answer.set_name, id = answer.set).to_string());
    let generation =
        |number, at: &str| message!("backup.generation", number = number, time = time(at, Lang::spoken())).to_string();
    table.row(find("label.generation"), generation(answer.generation, &answer.time));
    if let Some((number, at)) = answer.with_generation.zip(answer.with_time.as_deref()) {
        table.row(find("label.with"), generation(number, at));
    }
    for s in &answer.sources.first {
        table.row(find("label.source"), source(s).to_string());
    }
    for s in &answer.not_compared.first {
        let name = exact(&s.name, s.name_hex.as_deref());
        table.row(find("label.not-compared"), message!("compare.not-compared", name = name).to_string());
    }
    for (name, files) in class_counts(answer) {
        table.row(name, count(files));
    }
    table.row(find("label.metadata"), count(answer.metadata));
    let (same, added, missing) = (count(answer.folders), count(answer.folders_added), count(answer.folders_missing));
    table.row(find("label.folders"), message!("compare.folders", same = same, added = added, missing = missing).to_string());
    table.row(find("label.read"), bytes(answer.bytes_read));
    if answer.entries_lost > 0 {
        table.row(find("label.entries-lost"), count(answer.entries_lost));
    }
    table.row(find("label.result"), result(answer).to_string());
    table.text()
}

fn source(s: &ComparedSource) -> Message {
    let name = exact(&s.name, s.name_hex.as_deref());
    match s.tree.as_deref().map(|tree| exact(tree, s.tree_hex.as_deref())) {
        Some(tree) => message!("compare.source-at", name = name, rules = rules(s.rules), path = tree),
        None => message!("compare.source", name = name, rules = rules(s.rules)),
    }
}

fn csv_row(d: &Difference, rules: Rules, is_exact: bool) -> [String; 10] {
    let size = |s: &Option<FileSummary>| s.map(|s| s.size.to_string()).unwrap_or_default();
    let whole = |s: &Option<FileSummary>| hex(s.and_then(|s| s.content?.whole()));
    let stored = |s: &Option<FileSummary>| hex(s.and_then(|s| s.content?.stored()));
    [
        class_of(d.class, rules, is_exact),
        d.path.printable(),
        d.former.as_ref().map(Printable::printable).unwrap_or_default(),
        reason(d.reason),
        size(&d.before),
        size(&d.after),
        whole(&d.before),
        whole(&d.after),
        stored(&d.before),
        stored(&d.after),
    ]
}

fn difference(d: &Difference) -> FileDifference {
    let (path, path_hex) = name(&d.path);
    let (former_path, former_path_hex) = d.former.as_ref().map(|f| name(f)).unzip();
    let seen = |seen: &Option<FileSummary>| {
        let word = |digest: Option<[u8; 32]>| digest.map(|d| hex(Some(d)).into());
        seen.map(|s| FileSeen {
            kind: s.kind,
            size: s.size,
            blake3: word(s.content.and_then(|c| c.whole())),
            stored_blake3: word(s.content.and_then(|c| c.stored())),
        })
    };
    FileDifference {
        class: d.class.name().into(),
        reason: Some(d.reason.name()).filter(|r| !r.is_empty()).map(Into::into),
        path,
        path_hex,
        former_path,
        former_path_hex: former_path_hex.flatten(),
        before: seen(&d.before),
        after: seen(&d.after),
        errno: if let Reason::Unreadable { errno } = d.reason { Some(errno) } else { None },
    }
}

fn compared(s: &SourceComparison) -> ComparedSource {
    let (name, name_hex) = name(&s.name);
    let (tree, tree_hex) = s.path.as_ref().map(|p| path_name(p)).unzip();
    ComparedSource { name, name_hex, rules: s.rules, tree, tree_hex: tree_hex.flatten() }
}

fn answer(report: &Report, differences: Vec<FileDifference>) -> Compare {
    let counts = &report.counts;
    let not_compared = |bytes: &Vec<u8>| {
        let (name, name_hex) = name(bytes);
        NotCompared { name, name_hex }
    };
    Compare {
        set: Clipped::of(report.set),
        set_name: report.set_name.as_str().into(),
        generation: report.generation,
        time: report.time.as_str().into(),
        with_generation: report.with.as_ref().map(|(n, _)| *n),
        with_time: report.with.as_ref().map(|(_, time)| time.as_str().into()),
        trusted: report.trusted,
        exact: report.exact,
        faults: report.faults.iter().map(words::fault_answer).collect(),
        sources: report.sources.iter().map(compared).collect(),
        not_compared: report.not_compared.iter().map(not_compared).collect(),
        counts: Classes {
            identical: counts.of(Class::Identical),
            added: counts.of(Class::Added),
            updated: counts.of(Class::Updated),
            outside_rules: counts.of(Class::OutsideRules),
            missing: counts.of(Class::Missing),
            renamed: counts.of(Class::Renamed),
            not_verified: counts.of(Class::NotVerified),
        },
        without_rules: counts.without_rules,
        metadata: counts.metadata,
        folders: counts.folders,
        folders_added: counts.folders_added,
        folders_missing: counts.folders_missing,
        bytes_read: counts.bytes_read,
        entries_lost: report.entries_lost,
        differences: differences.into(),
    }
}
