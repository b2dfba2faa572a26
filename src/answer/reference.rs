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
        answer::<super::generations::Generations>("generations"),
        answer::<super::generations::Clean>("generations --clean"),
        answer::<super::verify::Verify>("verify"),
    ]
}

/// Facts that stand once on the page, and answers refer to.
fn shared() -> Vec<Described> {
    vec![answer::<Fault>("Fault"), answer::<Damage>("Damage"), answer::<Finding>("Finding"), answer::<Alarm>("Alarm")]
}

/// The name of an answer's file in `docs/schema/`.
pub fn file_name(command: &str) -> String {
    format!("{}.json", command.replace(" --", "."))
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

/// One row for each member, and for those of the objects in it.
fn members(page: &mut String, root: &Value, schema: &Value, prefix: &str) {
    let required: BTreeSet<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        let shape = Shape::of(root, member);
        let own = described(member);
        let meaning = if own.is_empty() { shape.description.clone() } else { own };
        let absent = if required.contains(&name[..]) { "" } else { ", or absent" };
        let _ = writeln!(page, "| `{prefix}{name}` | {}{absent} | {} |", shape.text(), meaning.replace('|', "\\|"));
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
        if schema["type"] == "array" {
            let item = Self::of(root, &schema["items"]);
            return Self { lists: item.lists + 1, ..item };
        }
        let (name, is_nullable) = match &schema["type"] {
            Value::Array(types) => (types.iter().find_map(|t| t.as_str().filter(|t| *t != "null")), types.iter().any(|t| t == "null")),
            other => (other.as_str(), false),
        };
        let values = schema["enum"].as_array().or(schema["oneOf"].as_array());
        let values: Vec<String> = values
            .into_iter()
            .flatten()
            .filter_map(|v| v.as_str().or(v["const"].as_str()))
            .map(|v| format!("`{v}`"))
            .collect();
        let name = match name.unwrap_or("any") {
            _ if !values.is_empty() => values.join(", "),
            "integer" => "number".to_owned(),
            "boolean" => "bool".to_owned(),
            other => other.to_owned(),
        };
        let inner = schema["properties"].is_object().then_some(schema);
        Self { name, lists: 0, is_nullable, inner, description: described(schema) }
    }

    fn text(&self) -> String {
        let list = "list of ".repeat(self.lists);
        format!("{list}{}{}", self.name, if self.is_nullable { " or null" } else { "" })
    }
}
