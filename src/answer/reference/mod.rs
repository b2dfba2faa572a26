//! `docs/json.md` and `docs/schema/`, made from the types of the answers.

mod order;

use super::Document;
use super::facts::{Alarm, Damage, Fault, Finding};
use crate::format::entry::EntryKind;
use crate::format::seal::{ReadBack, Verdict};
use order::Order;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fmt::Write;

/// What comes before the tables.
const PROLOGUE: &str = include_str!("prologue.md");

/// An answer: of which commands, and its schema.
pub struct Described {
    /// As a heading and a file name: `generations --clean` is `generations.clean`.
    pub command: &'static str,
    /// The commands that answer so, where they are others than the heading.
    of: &'static [&'static str],
    /// The JSON Schema of the answer, as the program writes it.
    pub schema: Schema,
    order: Order,
}

fn answer<T: JsonSchema + DeserializeOwned>(command: &'static str) -> Described {
    of::<T>(command, &[])
}

/// An answer that several commands give.
fn of<T: JsonSchema + DeserializeOwned>(command: &'static str, of: &'static [&'static str]) -> Described {
    Described { command, of, schema: schema::<T>(), order: Order::of::<T>() }
}

/// As the program writes it: what reading may leave out is required here.
fn schema<T: JsonSchema>() -> Schema {
    SchemaSettings::default().for_serialize().into_generator().into_root_schema_for::<T>()
}

const REPORTS: &[&str] = &["report.incident", "report.reconnect", "report.authenticity", "report.readopt"];

/// Every answer, in the order of the page.
pub fn answers() -> Vec<Described> {
    vec![
        answer::<super::init::Init>("init"),
        answer::<super::backup::Backup>("backup"),
        answer::<super::generations::Generations>("generations"),
        answer::<super::generations::Clean>("generations --clean"),
        answer::<super::find::Find>("find"),
        answer::<super::diff::Diff>("diff"),
        answer::<super::compare::Compare>("compare"),
        answer::<super::history::PathHistory>("history PATH"),
        answer::<super::history::PeriodHistory>("history --since"),
        answer::<super::restore::Restore>("restore"),
        answer::<super::verify::Verify>("verify"),
        of::<super::proof::Proof>("prove", &["prove", "check-proof"]),
        answer::<super::stamp::Export>("stamp.export"),
        answer::<super::stamp::Import>("stamp.import"),
        answer::<super::status::Status>("status"),
        of::<super::hold::HoldAnswer>("hold", &["hold.on", "hold.show", "hold.off", "hold.harmless"]),
        answer::<super::evidence::Start>("evidence.start"),
        of::<super::evidence::Record>("evidence.check", &["evidence.check", "evidence.export"]),
        of::<super::report::Report>("report", REPORTS),
        answer::<super::keys::New>("keys.new"),
        answer::<super::keys::Sheet>("keys.sheet"),
        answer::<super::keys::Rehearsed>("keys.rehearse"),
        answer::<super::keys::Recipients>("keys.show-recipient"),
        answer::<super::media::Init>("media.init"),
        answer::<super::media::Media>("media.list"),
        answer::<super::media::Due>("media.due"),
        of::<super::media::LedgerLine>("media.move", &["media.move", "media.accept"]),
        answer::<super::media::Labels>("media.label"),
        answer::<super::media::Log>("media.log"),
        answer::<super::media::Seen>("media.seen"),
        answer::<super::media::Copy>("media.copy"),
        answer::<super::media::Scrub>("media.scrub"),
        answer::<super::catalog::Rebuilt>("catalog.rebuild"),
        answer::<super::catalog::OperationLog>("catalog.log"),
        answer::<super::program::Completions>("completions"),
        answer::<super::program::Version>("version"),
        answer::<super::program::Man>("man"),
        answer::<super::program::Reference>("reference"),
    ]
}

/// Facts that are described once, and that answers refer to.
fn shared() -> Vec<Described> {
    vec![answer::<Fault>("Fault"), answer::<Damage>("Damage"), answer::<Finding>("Finding"), answer::<Alarm>("Alarm")]
}

/// Values that are described once, and that answers refer to.
fn shared_values() -> [(&'static str, Schema); 3] {
    [("Verdict", schema::<Verdict>()), ("ReadBack", schema::<ReadBack>()), ("EntryKind", schema::<EntryKind>())]
}

/// The name of an answer's file in `docs/schema/`.
pub fn file_name(command: &str) -> String {
    format!("{}.json", command.to_lowercase().replace(" --", ".").replace(' ', "."))
}

/// The text of a schema's file in `docs/schema/`.
pub fn schema_text(schema: &Schema) -> String {
    format!("{:#}\n", schema.as_value())
}

/// The schema of the document around every answer.
pub fn document() -> Schema {
    schema::<Document<Map<String, Value>>>()
}

/// `docs/json.md`.
pub fn page() -> String {
    let answers = answers();
    // A link stays on one line.
    let link = |a: &Described| format!("[{}](#{})", a.command.replace(' ', "\u{a0}"), anchor(a.command));
    let links = folded(&answers.iter().map(link).collect::<Vec<_>>().join(" · "), 120).replace('\u{a0}', " ");
    let mut page = PROLOGUE.replace("COMMANDS\n", &links);
    page.push_str("\n## The document\n");
    section(&mut page, &answer::<Document<Map<String, Value>>>(""));
    page.push_str("\n## Shared facts\n\nThe answers refer to these by name.\n");
    for fact in shared() {
        let _ = writeln!(page, "\n### {}", fact.command);
        section(&mut page, &fact);
    }
    for (name, schema) in shared_values() {
        value_section(&mut page, name, schema.as_value());
    }
    page.push_str("\n## The answers\n\nThe member `result` of the document, by the member `command`.\n");
    for answer in answers {
        let _ = writeln!(page, "\n### {}", answer.command);
        section(&mut page, &answer);
    }
    page
}

/// The anchor that a Markdown page has for a heading.
fn anchor(heading: &str) -> String {
    heading.to_lowercase().replace(' ', "-").replace('.', "")
}

/// Words in lines of at most so many characters.
fn folded(text: &str, columns: usize) -> String {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut().filter(|l| l.is_empty() || l.chars().count() + 1 + word.chars().count() <= columns) {
            Some(line) if line.is_empty() => *line = word.to_owned(),
            Some(line) => *line += &format!(" {word}"),
            None => lines.push(word.to_owned()),
        }
    }
    lines.join("\n") + "\n"
}

fn section(page: &mut String, of: &Described) {
    let commands: Vec<String> = of.of.iter().map(|c| format!("`{c}`")).collect();
    let commands = if commands.is_empty() { String::new() } else { format!("{}. ", commands.join(", ")) };
    let description = format!("{commands}{}", described(of.schema.as_value()));
    let _ = writeln!(page, "\n{}", folded(&description, 120));
    page.push_str("| member | type | meaning |\n|---|---|---|\n");
    members(page, of, of.schema.as_value(), &[], "");
}

fn value_section(page: &mut String, name: &str, schema: &Value) {
    let _ = writeln!(page, "\n### {name}\n\n{}\n", described(schema));
    page.push_str("| value | meaning |\n|---|---|\n");
    for (value, meaning) in values(schema) {
        let _ = writeln!(page, "| `{value}` | {meaning} |");
    }
}

/// Names of facts and values that are described once.
fn shared_names() -> BTreeSet<&'static str> {
    shared().iter().map(|s| s.command).chain(shared_values().map(|(name, _)| name)).collect()
}

/// A doc comment's lines as one.
fn described(schema: &Value) -> String {
    schema["description"].as_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// One row for each member but the exact bytes of names, and below it those of the objects in it.
fn members(page: &mut String, of: &Described, schema: &Value, path: &[&str], prefix: &str) {
    let required: BTreeSet<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut all: Vec<(&String, &Value)> = schema["properties"].as_object().into_iter().flatten().collect();
    all.sort_by_key(|(name, _)| of.order.place(path, name));
    for (name, member) in all.into_iter().filter(|(name, _)| !name.ends_with("_hex")) {
        let shape = Shape::of(of.schema.as_value(), member);
        let own = described(member);
        let meaning = if own.is_empty() { shape.description.clone() } else { own };
        let meanings: String = shape.values.iter().map(|(value, meaning)| format!(" `{value}`: {meaning}")).collect();
        let text = shape.text(!required.contains(&name[..]));
        let _ = writeln!(page, "| `{prefix}{name}` | {text} | {meaning}{meanings} |");
        if let Some(inner) = shape.inner {
            let brackets = "[]".repeat(shape.lists);
            members(page, of, inner, &[path, &[&name[..]]].concat(), &format!("{prefix}{name}{brackets}."));
        }
    }
}

/// What a member's schema says of its type.
struct Shape<'a> {
    name: String,
    lists: usize,
    is_nullable: bool,
    /// The object whose members get rows of their own.
    inner: Option<&'a Value>,
    /// Values that are described here, each with its meaning.
    values: Vec<(&'a str, String)>,
    description: String,
}

impl<'a> Shape<'a> {
    fn of(root: &'a Value, schema: &'a Value) -> Self {
        if let Some(choices) = schema["anyOf"].as_array() {
            let is_null = |s: &&Value| s["type"] == "null";
            let some = choices.iter().find(|s| !is_null(s)).unwrap_or(schema);
            return Self { is_nullable: choices.iter().any(|s| is_null(&s)), ..Self::of(root, some) };
        }
        if let Some(name) = schema["$ref"].as_str().and_then(|r| r.strip_prefix("#/$defs/")) {
            let definition = &root["$defs"][name];
            let shape = Self { description: described(definition), ..Self::of(root, definition) };
            if shared_names().contains(name) {
                let link = format!("[{name}](#{})", anchor(name));
                return Self { name: link, inner: None, values: Vec::new(), ..shape };
            }
            return shape;
        }
        let is_type =
            |name: &str| schema["type"] == name || schema["type"].as_array().is_some_and(|all| all.iter().any(|t| t == name));
        if is_type("array") {
            let item = Self::of(root, &schema["items"]);
            return Self { lists: item.lists + 1, is_nullable: is_type("null"), ..item };
        }
        let name = match &schema["type"] {
            Value::Array(types) => types.iter().find_map(|t| t.as_str().filter(|t| *t != "null")),
            other => other.as_str(),
        };
        let values = values(schema);
        let is_described = values.iter().all(|(_, meaning)| !meaning.is_empty());
        let name = match name.unwrap_or("any") {
            _ if !values.is_empty() && !is_described => {
                values.iter().map(|(value, _)| format!("`{value}`")).collect::<Vec<_>>().join(", ")
            }
            _ if !values.is_empty() => "string".to_owned(),
            "integer" => "number".to_owned(),
            "boolean" => "bool".to_owned(),
            other => other.to_owned(),
        };
        Self {
            name,
            lists: 0,
            is_nullable: is_type("null"),
            inner: schema["properties"].is_object().then_some(schema),
            values: if is_described { values } else { Vec::new() },
            description: described(schema),
        }
    }

    /// `is_optional`: the member is absent where it would be null.
    fn text(&self, is_optional: bool) -> String {
        let list = "list of ".repeat(self.lists);
        let nothing = match (is_optional, self.is_nullable) {
            (true, _) => ", or absent",
            (false, true) => " or null",
            (false, false) => "",
        };
        format!("{list}{}{nothing}", self.name)
    }
}

/// The values that a schema of a text allows, where it allows only some, and what each means. Values without a doc
/// comment are in one list, the others apart.
fn values(schema: &Value) -> Vec<(&str, String)> {
    fn of(schema: &Value) -> impl Iterator<Item = (&str, String)> {
        let plain = schema["enum"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let single = schema["const"].as_str();
        plain.map(|value| (value, String::new())).chain(single.map(|value| (value, described(schema))))
    }
    let apart = schema["oneOf"].as_array().into_iter().flatten();
    of(schema).chain(apart.flat_map(of)).collect()
}
