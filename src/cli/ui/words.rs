//! Words for facts that several commands tell.

use super::recorded;
use super::text::{Message, message};
use azekura::format::object::file_name;
use azekura::format::seal::{ReadBack, Verdict};
use azekura::job::inspect::verify::{Damage, DamageKind};
use azekura::seal::chain::{Fault, FaultKind};

pub fn read_back(how: ReadBack) -> Message {
    match how {
        ReadBack::Direct => message!("read-back.direct"),
        ReadBack::Dropped => message!("read-back.dropped"),
        ReadBack::Cached => message!("read-back.cached"),
    }
}

/// "Success" is said only of what was read back from the medium and not from a cache.
pub fn verdict(verdict: Verdict, how: ReadBack) -> Message {
    match (verdict, how) {
        (Verdict::Good, ReadBack::Direct | ReadBack::Dropped) => message!("verdict.good"),
        (Verdict::Good, ReadBack::Cached) => message!("verdict.unverified"),
        (Verdict::Incomplete, _) => message!("verdict.incomplete"),
        (Verdict::Alarm, _) => message!("verdict.alarm"),
        (Verdict::Continued, _) => message!("verdict.continued"),
    }
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
        FaultKind::Signature => message!("fault.signature", object = object),
        FaultKind::SignedByLaterKey { generation } => message!("fault.later-key", object = object, generation = generation),
        FaultKind::Log => message!("fault.log", object = object),
    }
}

/// As JSON names a fault.
pub fn fault_name(what: &FaultKind) -> &'static str {
    match what {
        FaultKind::Label => "label",
        FaultKind::Unreadable { .. } => "unreadable",
        FaultKind::Missing => "missing",
        FaultKind::OutOfPlace => "out-of-place",
        FaultKind::Forked => "forked",
        FaultKind::Signature => "signature",
        FaultKind::SignedByLaterKey { .. } => "signed-by-later-key",
        FaultKind::Log => "log",
    }
}

pub fn fault_json(fault_: &Fault) -> serde_json::Value {
    serde_json::json!({
        "object": fault_.object,
        "kind": fault_.kind.name(),
        "fault": fault_name(&fault_.what),
        "text": fault(fault_).to_string(),
    })
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

pub fn damage_json(d: &Damage) -> serde_json::Value {
    let kind = match d.what {
        DamageKind::Missing => "missing",
        DamageKind::Length(_) => "length",
        DamageKind::Digest => "digest",
        DamageKind::Unreadable(_) => "unreadable",
        DamageKind::Kind(_) => "kind",
    };
    serde_json::json!({
        "object": d.object.number,
        "name": file_name(d.object.number, d.object.kind),
        "generation": d.generation,
        "damage": kind,
        "text": damage(d).to_string(),
    })
}

/// A manifest's statistics, whose names may hold spaces.
pub fn statistics_json(statistics: &[(String, u64)]) -> serde_json::Value {
    let named = statistics.iter().map(|(name, value)| (name.replace(' ', "_"), (*value).into()));
    named.collect::<serde_json::Map<_, _>>().into()
}
