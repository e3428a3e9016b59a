//! A JSON Schema (draft 7) of a file's keys.
//!
//! It is about shapes: which keys there are and the types of their values. What a value has to be beyond that (a row of
//! the table, a name that is free) only the reader knows, since a project has names of its own.

use std::collections::BTreeMap;

use super::File;
use super::json::Json;
use crate::arch::ArchMap;
use crate::diagnostic::Source;
use crate::document::{Node, NodeValue, Table, parse_toml};
use crate::keys::{Fallback, Key, Keys, Kind, Known, Others};

pub(super) fn json_schema(file: File) -> String {
    let (title, about) = match file {
        File::Config => (
            "crossfile.toml",
            "Settings of a crossfile project. `docs/config.md` is the reference.",
        ),
        File::ArchMap => (
            "arch-map.toml",
            "A table of architecture names, or what a project lays over crossfile's own. `docs/arch-map.md` is the reference.",
        ),
    };
    let mut definitions = BTreeMap::new();
    let Json::Object(body) = table(file.keys(), &mut definitions) else {
        return String::new();
    };
    let mut fields = vec![
        (
            "$schema".to_string(),
            "http://json-schema.org/draft-07/schema#".into(),
        ),
        ("title".to_string(), title.into()),
        ("description".to_string(), about.into()),
    ];
    fields.extend(body);
    let definitions = definitions.into_iter();
    let definitions = definitions.map(|(name, schema)| (name.to_string(), schema));
    fields.push((
        "definitions".to_string(),
        Json::Object(definitions.collect()),
    ));
    let text = serde_json::to_string_pretty(&Json::Object(fields));
    // Nothing in it can fail to be written: keys are strings and numbers whole.
    text.unwrap_or_default() + "\n"
}

/// Schemas that are referred to by name, because they refer to themselves or stand in many places.
type Definitions = BTreeMap<&'static str, Json>;

fn defined(
    name: &'static str,
    definitions: &mut Definitions,
    schema: impl FnOnce(&mut Definitions) -> Json,
) -> Json {
    if !definitions.contains_key(name) {
        // Taken first: a schema that refers to itself must not be made again while it is made.
        definitions.insert(name, Json::Bool(true));
        let schema = schema(definitions);
        definitions.insert(name, schema);
    }
    let target = format!("#/definitions/{name}");
    Json::object([("$ref", Json::Text(target))])
}

fn table(keys: &'static Keys, definitions: &mut Definitions) -> Json {
    let mut properties: Vec<(String, Json)> = Vec::new();
    for key in keys.named {
        properties.push((key.name.to_string(), property(key, definitions)));
    }
    let others = match &keys.others {
        None => Json::Bool(false),
        Some(others) => {
            let schema = other(others, definitions);
            for (name, about) in known(others.known) {
                if keys.get(&name).is_none() {
                    properties.push((name, described(&about, schema.clone())));
                }
            }
            schema
        }
    };
    Json::object([
        ("type", "object".into()),
        ("properties", Json::Object(properties)),
        ("additionalProperties", others),
    ])
}

/// The schema of a value whose name is free: by reference where it stands under every known name.
fn other(others: &'static Others, definitions: &mut Definitions) -> Json {
    match others.kind {
        Kind::Table(keys) if others.known != Known::Nothing => {
            let name = match others.known {
                Known::Schemes => "scheme-table",
                _ => "arch-table",
            };
            defined(name, definitions, |definitions| table(keys, definitions))
        }
        kind => schema(kind, definitions),
    }
}

/// The names that an editor can offer, each with what it is.
fn known(known: Known) -> Vec<(String, String)> {
    let map = ArchMap::builtin();
    match known {
        Known::Nothing => Vec::new(),
        Known::Arches => {
            let entries = map.entries().iter();
            entries
                .map(|entry| {
                    let boards = entry.boards.iter().map(|boards| format!(": {boards}"));
                    let about = format!("`{}`{}", entry.platform, boards.collect::<String>());
                    (entry.name.to_string(), about)
                })
                .collect()
        }
        Known::Schemes => {
            let schemes = map.schemes().iter();
            schemes
                .map(|scheme| (scheme.name.clone(), scheme.title.clone()))
                .collect()
        }
    }
}

fn property(key: &'static Key, definitions: &mut Definitions) -> Json {
    let Json::Object(mut fields) = described(key.doc, schema(key.kind, definitions)) else {
        return Json::Bool(true);
    };
    if let Fallback::Value(text) = key.default
        && let Some(value) = value_in(&format!("{} = {text}", key.name), key.name)
    {
        fields.push(("default".to_string(), value));
    }
    if let Some(value) = value_in(key.example, key.name) {
        fields.push(("examples".to_string(), Json::List(vec![value])));
    }
    Json::Object(fields)
}

/// A schema with a description. What stands beside a `$ref` is ignored, so a reference is wrapped.
fn described(about: &str, schema: Json) -> Json {
    let mut fields = vec![("description".to_string(), about.into())];
    match schema {
        Json::Object(own) if own.iter().all(|(name, _)| name != "$ref") => fields.extend(own),
        reference => fields.push(("allOf".to_string(), Json::List(vec![reference]))),
    }
    Json::Object(fields)
}

/// The value of the first key of this name in a TOML text, outer tables first.
fn value_in(text: &str, name: &str) -> Option<Json> {
    fn find<'a>(table: &'a Table, name: &str) -> Option<&'a Node> {
        let below = || {
            table.iter().find_map(|(_, node)| match &node.value {
                NodeValue::Table(table) => find(table, name),
                NodeValue::Array(items) => items.iter().find_map(|item| match &item.value {
                    NodeValue::Table(table) => find(table, name),
                    _ => None,
                }),
                _ => None,
            })
        };
        table.get(name).or_else(below)
    }
    let document = parse_toml(&Source::new("example", text)).ok()?;
    find(&document, name).map(Json::from)
}

fn schema(kind: Kind, definitions: &mut Definitions) -> Json {
    match kind {
        Kind::Bool => of_type("boolean"),
        Kind::Integer => of_type("integer"),
        Kind::String => of_type("string"),
        Kind::Word(words) => Json::object([
            ("type", "string".into()),
            ("enum", Json::texts(words.iter().copied())),
        ]),
        Kind::Arch => defined("arch", definitions, |_| name(Known::Arches)),
        Kind::Scheme => defined("scheme", definitions, |_| name(Known::Schemes)),
        Kind::List(item) => list(schema(*item, definitions)),
        Kind::OneOrList(item) => {
            let item = schema(*item, definitions);
            any_of([item.clone(), list(item)])
        }
        Kind::ListOrTable(item, keys) => {
            let items = list(schema(*item, definitions));
            any_of([items, table(keys, definitions)])
        }
        Kind::TrueOrList(item) => {
            let yes = Json::List(vec![Json::Bool(true)]);
            let yes = Json::object([("type", "boolean".into()), ("enum", yes)]);
            any_of([yes, list(schema(*item, definitions))])
        }
        Kind::Scalar => Json::object([("type", Json::texts(["string", "integer", "boolean"]))]),
        Kind::Plain => defined("plain", definitions, |definitions| {
            let plain = schema(Kind::Plain, definitions);
            any_of([
                schema(Kind::Scalar, definitions),
                list(plain.clone()),
                Json::object([("type", "object".into()), ("additionalProperties", plain)]),
            ])
        }),
        Kind::Value => defined("value", definitions, |definitions| {
            let plain = schema(Kind::Plain, definitions);
            let env = Json::object([("required", Json::texts(["env"]))]);
            any_of([
                schema(Kind::Scalar, definitions),
                list(plain.clone()),
                with_required(table(&crate::config::keys::ENV, definitions), "env"),
                Json::object([
                    ("type", "object".into()),
                    ("not", env),
                    ("additionalProperties", plain),
                ]),
            ])
        }),
        Kind::Words => {
            let word = || Json::object([("type", "string".into()), ("minLength", Json::Number(1))]);
            any_of([word(), of_type("integer"), list(word())])
        }
        Kind::Table(keys) => table(keys, definitions),
    }
}

fn of_type(name: &str) -> Json {
    Json::object([("type", name.into())])
}

fn list(item: Json) -> Json {
    Json::object([("type", "array".into()), ("items", item)])
}

fn any_of<const N: usize>(schemas: [Json; N]) -> Json {
    Json::object([("anyOf", Json::List(schemas.into()))])
}

fn with_required(schema: Json, name: &str) -> Json {
    let Json::Object(mut fields) = schema else {
        return schema;
    };
    fields.push(("required".to_string(), Json::texts([name])));
    Json::Object(fields)
}

/// A name that editors complete; a project's own pass.
fn name(of: Known) -> Json {
    let names = known(of);
    let names = Json::texts(names.iter().map(|(name, _)| name.as_str()));
    any_of([
        Json::object([("type", "string".into()), ("enum", names)]),
        of_type("string"),
    ])
}
