//! Messages and answers for facts that several commands share.

use super::lang::Lang;
use super::printable::Printable;
use super::recorded;
use super::text::{Message, find_optional, message};
use super::units::{bytes, count, time};
use azekura::answer::facts::{self, DamageName, FACTS, FaultName, PathName, RefusalName};
use azekura::answer::{List, NamedCounts, exact, name};
use azekura::format::entry::RefusedEntry;
use azekura::format::object::file_name;
use azekura::format::seal::{ReadBack, Verdict};
use azekura::format::watch::Alarm;
use azekura::host::ledger::OutOfUse;
use azekura::job::incident::hold::Hold;
use azekura::job::inspect::RefusedEntries;
use azekura::job::inspect::verify::{Damage, DamageKind};
use azekura::seal::chain::{Fault, FaultKind};

/// A span of time as a person would say it: `4.2 s`, `12 min 5 s`, `3 h 20 min`.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..60 => message!("unit.seconds", seconds = format!("{seconds:.1}")),
        60..3600 => message!("unit.minutes", minutes = whole / 60, seconds = whole % 60),
        _ => message!("unit.hours", hours = whole / 3600, minutes = whole % 3600 / 60),
    }
    .to_string()
}

/// What desktop systems have left on a medium: no fault.
pub fn litter<'n>(names: impl IntoIterator<Item = &'n str>) -> impl Iterator<Item = Message> {
    names.into_iter().map(|name| message!("verify.litter", name = name))
}

/// Paths that are on the medium in another Unicode form than they were typed in.
pub fn otherwise_spelled<'n>(paths: impl IntoIterator<Item = &'n Vec<u8>>) -> impl Iterator<Item = Message> {
    paths.into_iter().map(|path| {
        let (path, hex) = name(path);
        message!("talk.otherwise-spelled", path = exact(&path, hex.as_deref()))
    })
}

/// Why a medium is not used any more.
pub fn out_of_use(why: OutOfUse) -> Message {
    match why {
        OutOfUse::Lost => message!("media.lost"),
        OutOfUse::Broken => message!("media.broken"),
        OutOfUse::Disposed => message!("media.disposed"),
    }
}

pub fn read_back(how: ReadBack) -> Message {
    match how {
        ReadBack::Direct => message!("read-back.direct"),
        ReadBack::Dropped => message!("read-back.dropped"),
        ReadBack::Cached => message!("read-back.cached"),
    }
}

/// Says "success" only where objects were read back from the medium and not from a cache.
pub fn verdict(verdict: Verdict, how: ReadBack) -> Message {
    match (verdict, how) {
        (Verdict::Good, ReadBack::Direct | ReadBack::Dropped) => message!("verdict.good"),
        (Verdict::Good, ReadBack::Cached) => message!("verdict.unverified"),
        (Verdict::Incomplete, _) => message!("verdict.incomplete"),
        (Verdict::Alarm, _) => message!("verdict.alarm"),
        (Verdict::Continued, _) => message!("verdict.continued"),
        (Verdict::Checkpoint, _) => message!("verdict.checkpoint"),
    }
}

/// That a hold is active: the same words everywhere.
pub fn hold_line(hold: &Hold) -> Message {
    let since = time(&hold.since, Lang::spoken());
    let people: Vec<&str> = std::iter::once(&hold.by).chain(&hold.added_by).map(String::as_str).collect();
    message!("hold.stands", since = since, who = people.join(", "), why = recorded::why(&hold.why))
}

/// What is wrong with a chain of seals.
pub fn fault(fault: &Fault) -> Message {
    let (object, kind) = (fault.object, fault.kind);
    match &fault.what {
        FaultKind::Label => message!("fault.label"),
        FaultKind::Unreadable { why } => message!("fault.unreadable", object = object, why = recorded::cause(why)),
        FaultKind::Missing => message!("fault.missing", object = object, kind = kind),
        FaultKind::OutOfPlace => message!("fault.out-of-place", object = object),
        FaultKind::Forked => message!("fault.forked", object = object),
        FaultKind::Rival => message!("fault.rival", object = object),
        FaultKind::Signature => message!("fault.signature", object = object),
        FaultKind::SignedByLaterKey { generation } => message!("fault.later-key", object = object, generation = generation),
        FaultKind::Succession => message!("fault.succession", object = object),
        FaultKind::List => message!("fault.list", object = object),
        FaultKind::NewerKind => message!("fault.newer-kind", object = object, kind = kind),
        FaultKind::Newer { version } => message!("fault.newer", object = object, kind = kind, version = version),
    }
}

/// A fault as commands answer it.
pub fn fault_answer(found: &Fault) -> facts::Fault {
    let name = match found.what {
        FaultKind::Label => FaultName::Label,
        FaultKind::Unreadable { .. } => FaultName::Unreadable,
        FaultKind::Missing => FaultName::Missing,
        FaultKind::OutOfPlace => FaultName::OutOfPlace,
        FaultKind::Forked => FaultName::Forked,
        FaultKind::Rival => FaultName::Rival,
        FaultKind::Signature => FaultName::Signature,
        FaultKind::SignedByLaterKey { .. } => FaultName::SignedByLaterKey,
        FaultKind::Succession => FaultName::Succession,
        FaultKind::List => FaultName::List,
        FaultKind::Newer { .. } | FaultKind::NewerKind => FaultName::Newer,
    };
    facts::Fault { object: found.object, kind: found.kind, fault: name, text: fault(found).to_string().into() }
}

/// What is wrong with an object.
pub fn damage(d: &Damage) -> Message {
    let (object, generation) = (file_name(d.object.number, d.object.kind), d.generation);
    match &d.what {
        DamageKind::Missing => message!("damage.missing", object = object, generation = generation),
        DamageKind::Length(found) => {
            message!("damage.length", object = object, generation = generation, found = found, expected = d.object.length)
        }
        DamageKind::Digest => message!("damage.digest", object = object, generation = generation),
        DamageKind::Unreadable(why) => {
            message!("damage.unreadable", object = object, generation = generation, why = recorded::cause(why))
        }
        DamageKind::Kind(found) => message!("damage.kind", object = object, generation = generation, found = found),
    }
}

/// A damaged object as commands answer it.
pub fn damage_answer(d: &Damage) -> facts::Damage {
    let name = match d.what {
        DamageKind::Missing => DamageName::Missing,
        DamageKind::Length(_) => DamageName::Length,
        DamageKind::Digest => DamageName::Digest,
        DamageKind::Unreadable(_) => DamageName::Unreadable,
        DamageKind::Kind(_) => DamageName::Kind,
    };
    facts::Damage {
        object: d.object.number,
        name: file_name(d.object.number, d.object.kind).into(),
        generation: d.generation,
        damage: name,
        text: damage(d).to_string().into(),
    }
}

/// Says of each source that was not there when the generation was made that it has no entries.
pub fn missing_sources(sources: &[PathName]) -> Vec<Message> {
    sources.iter().map(|s| message!("restore.missing-source", name = exact(&s.path, s.path_hex.as_deref()))).collect()
}

/// Says of each object that it is not encrypted to exactly the recipients of the set.
pub fn wrong_stanzas(objects: &[u64]) -> Vec<Message> {
    objects.iter().map(|object| message!("restore.wrong-stanzas", object = object)).collect()
}

/// Entries that are refused, as commands answer them: how many there are, and the first ones.
pub fn refused_answer(refused: &RefusedEntries) -> (u64, List<facts::Refused, FACTS>) {
    let answer = |(generation, entry): &(u64, RefusedEntry)| {
        let (path, path_hex) = name(&entry.path);
        let reason = if entry.is_newer() { RefusalName::Newer } else { RefusalName::Damaged };
        facts::Refused { generation: *generation, path, path_hex, reason, detail: entry.why.to_string().into() }
    };
    (refused.count, refused.first.iter().map(answer).collect())
}

/// The statistics of a manifest, whose names may contain spaces, as commands answer them.
pub fn statistics(statistics: &[(String, u64)]) -> NamedCounts {
    NamedCounts(statistics.iter().map(|(name, value)| (name.replace(' ', "_"), *value)).collect())
}

/// A tripwire that was raised, and by how much.
pub fn alarm(a: &facts::Alarm) -> Message {
    let source = exact(&a.source, a.source_hex.as_deref());
    let sign = find_optional(&format!("tripwire.{}", a.tripwire)).unwrap_or_else(|| a.tripwire.printable());
    let amount = |n| {
        if matches!(&a.tripwire[..], "shrunk" | "dedup") || a.tripwire == "noise" && n > (1 << 20) { bytes(n) } else { count(n) }
    };
    if a.limit == 1 {
        return message!("alarm.raised-none", source = source, sign = sign, measured = amount(a.measured));
    }
    message!("alarm.raised", source = source, sign = sign, measured = amount(a.measured), limit = amount(a.limit))
}

/// A tripwire that was raised, as commands answer it.
pub fn alarm_answer(a: &Alarm) -> facts::Alarm {
    let (source, source_hex) = name(&a.source);
    facts::Alarm {
        tripwire: a.tripwire.as_str().into(),
        source,
        source_hex,
        measured: a.measured,
        limit: a.limit,
        open_since: None,
        open_since_set: None,
        paths: a.paths.iter().map(|p| PathName::of(p)).collect(),
    }
}
