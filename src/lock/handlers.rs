//! The part of `crossfile.lock` that is about QEMU's handlers.

use super::read::HELP_HANDLERS;
use super::{Lock, quoted};
use crate::diagnostic::{Code, Diagnostic};
use crate::document::{Fields, Node, NodeValue, Table};
use crate::keys::{Fallback, Key, Keys, Kind, Known, Others};

/// The table that they stand in. No reference of an image is so short.
pub(super) const TABLE: &str = "qemu";

/// A handler as it was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LockedHandler {
    /// Its SHA-256 checksum, in small hexadecimal digits.
    pub sha256: String,
    /// Its size in bytes.
    pub size: u64,
    /// The kind of place that it came from: `machine`, `debian` or `url`.
    pub source: String,
    /// The version, where that is known.
    pub version: Option<String>,
    /// The path or the address.
    pub from: String,
}

impl LockedHandler {
    /// A handler of a checksum and a size, from somewhere.
    pub fn new(
        sha256: impl Into<String>,
        size: u64,
        source: impl Into<String>,
        from: impl Into<String>,
    ) -> LockedHandler {
        LockedHandler {
            sha256: sha256.into(),
            size,
            source: source.into(),
            version: None,
            from: from.into(),
        }
    }

    /// The same, of a version.
    #[must_use]
    pub fn of_version(mut self, version: Option<String>) -> LockedHandler {
        self.version = version;
        self
    }

    pub(super) fn to_text(&self) -> String {
        let version = self.version.as_deref();
        let version = version.map_or(String::new(), |version| {
            format!(", version = {}", quoted(version))
        });
        format!(
            "{{ sha256 = {}, size = {}, source = {}{version}, from = {} }}",
            quoted(&self.sha256),
            self.size,
            quoted(&self.source),
            quoted(&self.from)
        )
    }
}

impl Lock {
    /// The handlers by the architecture that they run on and QEMU's name of what they emulate.
    pub fn handlers(&self) -> impl Iterator<Item = (&str, &str, &LockedHandler)> {
        self.handlers.iter().flat_map(|(host, handlers)| {
            let handlers = handlers.iter();
            handlers.map(move |(qemu, handler)| (host.as_str(), qemu.as_str(), handler))
        })
    }

    /// The handler that runs on `host` and emulates what QEMU calls `qemu`.
    pub fn handler(&self, host: &str, qemu: &str) -> Option<&LockedHandler> {
        self.handlers.get(host)?.get(qemu)
    }

    /// Locks a handler.
    pub fn insert_handler(&mut self, host: &str, qemu: &str, handler: LockedHandler) {
        let handlers = self.handlers.entry(host.to_string()).or_default();
        handlers.insert(qemu.to_string(), handler);
    }

    /// The same lock with the handlers of another.
    #[must_use]
    pub fn with_handlers_of(mut self, other: &Lock) -> Lock {
        self.handlers.clone_from(&other.handlers);
        self
    }
}

const NONE: Fallback = Fallback::Text("none");

/// The keys of `[qemu]`.
pub(super) const QEMU: Keys = Keys {
    named: &[],
    others: Some(Others {
        placeholder: "HOST",
        known: Known::Arches,
        kind: Kind::Table(&HOST),
    }),
};

const HOST: Keys = Keys {
    named: &[],
    others: Some(Others {
        placeholder: "QEMU",
        known: Known::Nothing,
        kind: Kind::Table(&HANDLER),
    }),
};

const fn string(name: &'static str, doc: &'static str) -> Key {
    Key {
        name,
        kind: Kind::String,
        default: NONE,
        doc,
        example: "",
    }
}

const HANDLER: Keys = Keys {
    named: &[
        string("sha256", "The checksum."),
        Key {
            name: "size",
            kind: Kind::Integer,
            default: NONE,
            doc: "The size in bytes.",
            example: "",
        },
        string("source", "The kind of place that it came from."),
        string("version", "The version, where that is known."),
        string("from", "The path or the address."),
    ],
    others: None,
};

pub(super) fn read(lock: &mut Lock, node: &Node, problems: &mut Vec<Diagnostic>) {
    let NodeValue::Table(table) = &node.value else {
        problems.push(node.expected(TABLE, "a table"));
        return;
    };
    for (host, node) in table.iter() {
        let NodeValue::Table(table) = &node.value else {
            problems.push(node.expected(&host.value, "a table"));
            continue;
        };
        for (qemu, node) in table.iter() {
            let NodeValue::Table(table) = &node.value else {
                problems.push(node.expected(&qemu.value, "a table"));
                continue;
            };
            if let Some(handler) = handler(node, table, problems) {
                lock.insert_handler(&host.value, &qemu.value, handler);
            }
        }
    }
}

fn handler(node: &Node, table: &Table, problems: &mut Vec<Diagnostic>) -> Option<LockedHandler> {
    let mut fields = Fields::new(table, &HANDLER, problems);
    let sha256 = fields.string("sha256");
    let size = fields.integer("size");
    let source = fields.string("source");
    let version = fields.string("version");
    let from = fields.string("from");
    fields.finish();
    let (Some(sha256), Some(size), Some(source), Some(from)) = (sha256, size, source, from) else {
        let mut needed = HANDLER.names().filter(|name| *name != "version");
        // Of another type it was told already.
        if let Some(missing) = needed.find(|name| table.get(name).is_none()) {
            let message = format!("`{missing}` is missing");
            let problem = Diagnostic::error(Code::BadValue, node.place.clone(), message);
            problems.push(problem.help(HELP_HANDLERS));
        }
        return None;
    };
    let small_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let is_sum = sha256.value.len() == 64 && sha256.value.bytes().all(small_hex);
    let Ok(bytes) = u64::try_from(size.value) else {
        let message = format!("`{}` is no size", size.value);
        let problem = Diagnostic::error(Code::BadValue, size.place, message);
        problems.push(problem.help(HELP_HANDLERS));
        return None;
    };
    if !is_sum {
        let message = format!("`{}` is no SHA-256 checksum", sha256.value);
        let problem = Diagnostic::error(Code::BadValue, sha256.place, message);
        problems.push(problem.help(HELP_HANDLERS));
        return None;
    }
    let handler = LockedHandler::new(sha256.value, bytes, source.value, from.value);
    Some(handler.of_version(version.map(|version| version.value)))
}
