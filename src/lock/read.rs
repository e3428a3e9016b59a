//! Reading `crossfile.lock`: every problem of the file, each with its place.

use std::sync::Arc;

use super::{Instead, Lock, LockedImage, Pin, SCHEMA, handlers, is_digest};
use crate::diagnostic::{Code, Diagnostic, Place, Source};
use crate::document::{Fields, Located, Node, NodeValue, Table, parse_toml};
use crate::keys::{Fallback, Key, Keys, Kind, Known, Others};
use crate::reference::Parts;

const NONE: Fallback = Fallback::Text("none");

const fn string(name: &'static str, doc: &'static str) -> Key {
    Key {
        name,
        kind: Kind::String,
        default: NONE,
        doc,
        example: "",
    }
}

const LOCK: Keys = Keys {
    named: &[
        Key {
            name: "schema",
            kind: Kind::Integer,
            default: NONE,
            doc: "The version of the file's form.",
            example: "schema = 1\n",
        },
        Key {
            name: handlers::TABLE,
            kind: Kind::Table(&handlers::QEMU),
            default: NONE,
            doc: "QEMU's handlers.",
            example: "",
        },
    ],
    others: Some(Others {
        placeholder: "REFERENCE",
        known: Known::Nothing,
        kind: Kind::Table(&IMAGE),
    }),
};

const IMAGE: Keys = Keys {
    named: &[string("index", "The digest of the index.")],
    others: Some(Others {
        placeholder: "ARCH",
        known: Known::Arches,
        kind: Kind::Plain,
    }),
};

const PIN: Keys = Keys {
    named: &[
        string("digest", "The digest of the image."),
        string("reference", "The image that was taken in its place."),
        string("platform", "The platform that this is for."),
    ],
    others: None,
};

/// What mends a lock, whatever is wrong with it.
const HELP: &str = "`crossfile bases --lock` writes it anew";

/// The same for its handlers.
pub(super) const HELP_HANDLERS: &str = "take the line out: `crossfile qemu fetch` writes it anew";

impl Lock {
    /// Reads the file's text.
    ///
    /// # Errors
    /// Every problem of the file.
    pub fn parse(source: &Arc<Source>) -> Result<Lock, Vec<Diagnostic>> {
        if let Some(at) = source.text().find("<<<<<<< ") {
            let place = Place::new(source, at..at + 7);
            let message = "two branches were merged here, and it was not settled which holds";
            return Err(vec![
                Diagnostic::error(Code::TomlSyntax, place, message).help(HELP),
            ]);
        }
        let table = parse_toml(source)?;
        let mut problems = Vec::new();
        let mut fields = Fields::new(&table, &LOCK, &mut problems);
        let schema = fields.integer("schema");
        let handlers = fields.node(handlers::TABLE);
        let images: Vec<_> = fields.others().collect();
        fields.finish();
        let said = table.get("schema").is_some();
        match schema {
            Some(schema) if schema.value == SCHEMA => {}
            Some(Located { value, place }) => {
                let message = format!("the form {value} is not known here, only {SCHEMA}");
                // What the rest means nobody knows.
                return Err(vec![
                    Diagnostic::error(Code::BadValue, place, message)
                        .help("a newer crossfile wrote the file: use that one"),
                ]);
            }
            None if said => {}
            None => {
                let message = format!("`schema = {SCHEMA}` is missing");
                let place = Place::file(source.path());
                problems.push(Diagnostic::error(Code::BadValue, place, message).help(HELP));
            }
        }
        let mut lock = Lock::default();
        if let Some(node) = handlers {
            handlers::read(&mut lock, node, &mut problems);
        }
        for (reference, node) in images {
            let whole = reference
                .value
                .parse::<Parts>()
                .map(|parts| parts.to_string());
            if whole.as_ref() != Ok(&reference.value) {
                let message = format!("`{}` is no complete reference", reference.value);
                let help = whole.map_or(HELP.to_string(), |whole| format!("write `{whole}`"));
                let place = reference.place.clone();
                problems.push(Diagnostic::error(Code::BadValue, place, message).help(help));
                continue;
            }
            match &node.value {
                NodeValue::Table(table) => {
                    let image = image(table, &mut problems);
                    lock.images.insert(reference.value.clone(), image);
                }
                _ => problems.push(node.expected(&reference.value, "a table")),
            }
        }
        match problems.is_empty() {
            true => Ok(lock),
            false => Err(problems),
        }
    }
}

fn image(table: &Table, problems: &mut Vec<Diagnostic>) -> LockedImage {
    let mut fields = Fields::new(table, &IMAGE, problems);
    let index = fields.string("index");
    let pins: Vec<_> = fields.others().collect();
    fields.finish();
    let mut image = LockedImage {
        index: index.and_then(|index| digest(index, problems)),
        ..LockedImage::default()
    };
    for (arch, node) in pins {
        if let Some(pin) = pin(&arch.value, node, problems) {
            image.pins.insert(arch.value.clone(), pin);
        }
    }
    image
}

fn pin(arch: &str, node: &Node, problems: &mut Vec<Diagnostic>) -> Option<Pin> {
    let table = match &node.value {
        NodeValue::String(text) => {
            let said = Located::new(text.clone(), node.place.clone());
            return digest(said, problems).map(Pin::new);
        }
        NodeValue::Table(table) => table,
        _ => {
            problems.push(node.expected(arch, "a digest, or a table"));
            return None;
        }
    };
    let mut fields = Fields::new(table, &PIN, problems);
    let said = fields.string("digest");
    let reference = fields.string("reference");
    let platform = fields.string("platform");
    fields.finish();
    let (Some(said), Some(reference), Some(platform)) = (said, reference, platform) else {
        let missing = PIN.names().find(|name| table.get(name).is_none());
        // Of another type it was told already.
        if let Some(missing) = missing {
            let message = format!("`{missing}` is missing");
            let place = node.place.clone();
            problems.push(Diagnostic::error(Code::BadValue, place, message).help(HELP));
        }
        return None;
    };
    let wrong = match reference.value.parse::<Parts>() {
        Ok(parts) => parts
            .digest
            .map(|_| "this has a digest of its own".to_string()),
        Err(message) => Some(message),
    };
    if let Some(message) = wrong {
        problems.push(Diagnostic::error(Code::BadValue, reference.place, message).help(HELP));
        return None;
    }
    Some(Pin {
        digest: digest(said, problems)?,
        instead: Some(Instead {
            reference: reference.value,
            platform: platform.value,
        }),
    })
}

fn digest(said: Located<String>, problems: &mut Vec<Diagnostic>) -> Option<String> {
    if is_digest(&said.value) {
        return Some(said.value);
    }
    let message = format!("`{}` is no digest", said.value);
    problems.push(Diagnostic::error(Code::BadValue, said.place, message).help(HELP));
    None
}
