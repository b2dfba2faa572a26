//! `docs/json.md` and `docs/schema/`, made from the types of the answers.

use super::Document;
use super::facts::{Alarm, Damage, Fault, Finding};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fmt::Write;

/// What stands above the commands.
const PROLOGUE: &str = include_str!("reference.md");

/// An answer: of which commands, and its schema.
pub struct Described {
    /// As a heading and a file name: `generations --clean` is `generations.clean`.
    pub command: &'static str,
    pub schema: Schema,
}

fn answer<T: JsonSchema>(command: &'static str) -> Described {
    Described { command, schema: schema::<T>() }
}

/// As the program writes it: what reading may leave out is required here.
fn schema<T: JsonSchema>() -> Schema {
    SchemaSettings::default().for_serialize().into_generator().into_root_schema_for::<T>()
}

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
        answer::<super::proof::Prove>("prove"),
        answer::<super::proof::CheckProof>("check-proof"),
        answer::<super::stamp::Export>("stamp.export"),
        answer::<super::stamp::Import>("stamp.import"),
        answer::<super::status::Status>("status"),
        answer::<super::hold::HoldAnswer>("hold"),
        answer::<super::evidence::Start>("evidence.start"),
        answer::<super::evidence::Record>("evidence.check"),
        answer::<super::report::Report>("report"),
        answer::<super::keys::New>("keys.new"),
        answer::<super::keys::Sheet>("keys.sheet"),
        answer::<super::keys::Rehearsed>("keys.rehearse"),
        answer::<super::keys::Recipients>("keys.show-recipient"),
        answer::<super::media::Init>("media.init"),
        answer::<super::media::Media>("media.list"),
        answer::<super::media::Due>("media.due"),
        answer::<super::media::LedgerLine>("media.move"),
        answer::<super::media::Labels>("media.label"),
        answer::<super::media::Log>("media.log"),
        answer::<super::media::Copy>("media.copy"),
        answer::<super::media::Scrub>("media.scrub"),
        answer::<super::catalog::Rebuilt>("catalog.rebuild"),
        answer::<super::catalog::OperationLog>("catalog.log"),
        answer::<super::program::Completions>("completions"),
        answer::<super::program::Man>("man"),
        answer::<super::program::Reference>("reference"),
    ]
}

/// Facts that stand once on the page, and answers refer to.
fn shared() -> Vec<Described> {
    vec![answer::<Fault>("Fault"), answer::<Damage>("Damage"), answer::<Finding>("Finding"), answer::<Alarm>("Alarm")]
}

/// The name of an answer's file in `docs/schema/`.
pub fn file_name(command: &str) -> String {
    format!("{}.json", command.to_lowercase().replace(" --", ".").replace(' ', "."))
}

/// A schema as it lies in `docs/schema/`: of the whole document that `--json` prints is [`document`].
pub fn schema_text(schema: &Schema) -> String {
    format!("{:#}\n", schema.as_value())
}

/// The schema of the document around every answer.
pub fn document() -> Schema {
    schema::<Document<Map<String, Value>>>()
}

/// `docs/json.md`.
pub fn page() -> String {
    let mut page = PROLOGUE.to_owned();
    section(&mut page, "The document", document().as_value());
    let _ = writeln!(page, "\n## Shared facts\n\nAnswers refer to these by name.");
    for fact in shared() {
        section(&mut page, fact.command, fact.schema.as_value());
    }
    for answer in answers() {
        section(&mut page, answer.command, answer.schema.as_value());
    }
    page
}

fn section(page: &mut String, heading: &str, schema: &Value) {
    let level = if shared_names().contains(heading) { "###" } else { "##" };
    let _ = writeln!(page, "\n{level} {heading}\n\n{}", described(schema));
    let _ = writeln!(page, "\n| member | type | meaning |\n|---|---|---|");
    members(page, schema, schema, "");
}

fn shared_names() -> BTreeSet<&'static str> {
    shared().iter().map(|s| s.command).collect()
}

/// A doc comment's lines as one.
fn described(schema: &Value) -> String {
    schema["description"].as_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Members that mean the same in every answer, unless it says otherwise.
const USUAL: &[(&str, &str)] = &[
    ("blake3", "BLAKE3 of the content, in hexadecimal."),
    ("by", "Who."),
    ("bytes", "Bytes."),
    ("check_code", "The check code of the seal."),
    ("chunks", "Chunks."),
    ("config", "The configuration file."),
    ("entries", "Entries of every type."),
    ("files", "Files."),
    ("generation", "The number of the generation."),
    ("generations", "Generations."),
    ("gid", "The number of the group."),
    ("host", "The host that wrote it."),
    ("mode", "Permissions and type, as `stat` has them."),
    ("mtime", "The time of the last change of the content."),
    ("name", "The name."),
    ("objects", "Objects."),
    ("packs", "Packs."),
    ("path", "The path."),
    ("pool", "The pool of the configuration."),
    ("priority", "1 to 9, restored in this order; null: after all others."),
    ("quarantine", "The set keeps a state that is suspected of contamination."),
    ("recipients", "Recipients (public keys)."),
    ("root_key", "The public key of the first seal, in hexadecimal."),
    ("set", "The id of the set."),
    ("set_name", "The name of the set."),
    ("sha256", "SHA-256, in hexadecimal."),
    ("since", "From when on."),
    ("size", "Bytes of the content."),
    ("source", "The name of the source."),
    ("state", "The state directory."),
    ("text", "What happened, for people, in the language chosen."),
    ("time", "When."),
    ("trusted", "The seal fits the chain."),
    ("uid", "The number of the user."),
    ("added", "Files or entries that were added."),
    ("attached", "When a run last found it."),
    ("changed", "Files that changed."),
    ("created", "Files that were created."),
    ("device", "As the hardware calls itself."),
    ("dry_run", "Nothing was written."),
    ("first_generation", "The first generation that has it so."),
    ("found", "It was found."),
    ("gone", "Files that went."),
    ("identical", "Files with the same content."),
    ("indicator", "The indicator."),
    ("kept_reply", "The reply, as it is kept."),
    ("kept_request", "The request, as it is kept."),
    ("kept_seal", "The seal, as it is kept."),
    ("last_generation", "The last generation that has it so."),
    ("lines", "Lines of the record."),
    ("medium", "The name of the medium."),
    ("off_site", "Out of the house."),
    ("removed", "Entries that were removed."),
    ("session", "The folder of the session."),
    ("sheet", "The file of the sheet."),
    ("tag", "The words of `--tag`, or null."),
    ("to", "Where it was taken."),
    ("type", "The type of the entry."),
    ("why", "Why."),
    ("witness", "The second person."),
    ("key_file", "The file of the key."),
    ("verdict", "What the seal says of its generation."),
];

/// One row for each member but the exact bytes of names, and for those of the objects in it.
fn members(page: &mut String, root: &Value, schema: &Value, prefix: &str) {
    let required: BTreeSet<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        if name.ends_with("_hex") {
            continue;
        }
        let shape = Shape::of(root, member);
        let usual = || USUAL.iter().find(|(n, _)| n == name).map(|(_, meaning)| (*meaning).to_owned());
        let own = Some(described(member)).filter(|d| !d.is_empty());
        let meaning = own.or_else(usual).unwrap_or_else(|| shape.description.clone());
        let text = shape.text(!required.contains(&name[..]));
        let _ = writeln!(page, "| `{prefix}{name}` | {text} | {meaning} |");
        if let Some(inner) = shape.inner {
            let brackets = "[]".repeat(shape.lists);
            members(page, root, inner, &format!("{prefix}{name}{brackets}."));
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
            if shared_names().contains(name) {
                let link = format!("[{name}](#{})", name.to_lowercase());
                return Self { name: link, lists: 0, is_nullable: false, inner: None, description: described(definition) };
            }
            return Self { description: described(definition), ..Self::of(root, definition) };
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
        let values: Vec<String> = values(schema).iter().map(|v| format!("`{v}`")).collect();
        let name = match name.unwrap_or("any") {
            _ if !values.is_empty() => values.join(", "),
            "integer" => "number".to_owned(),
            "boolean" => "bool".to_owned(),
            other => other.to_owned(),
        };
        let inner = schema["properties"].is_object().then_some(schema);
        Self { name, lists: 0, is_nullable: is_type("null"), inner, description: described(schema) }
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

/// The values that a schema of a text allows, where it allows only some. A value with a description of its own stands apart.
fn values(schema: &Value) -> Vec<&str> {
    let apart = schema["oneOf"].as_array().into_iter().flatten();
    std::iter::once(schema)
        .chain(apart)
        .flat_map(|s| s["enum"].as_array().into_iter().flatten().chain([&s["const"]]))
        .filter_map(Value::as_str)
        .collect()
}
