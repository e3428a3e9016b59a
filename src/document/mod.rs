//! A TOML or JSON file as a tree in which every value knows its place.
//!
//! [`parse_toml`] and [`parse_json`] make [`Node`]s; [`Fields`] reads the keys of one table and collects every
//! problem, unknown keys among them, instead of stopping at the first as a derived deserializer does.
//! The order of a table is the order of the file, whatever the features of the crates below.

mod fields;
mod json;

use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use crate::diagnostic::{Code, Diagnostic, Place, Source};

pub use fields::{Fields, TrueOrStrings};
pub use json::parse_json;

/// A value together with where it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub place: Place,
}

impl<T> Located<T> {
    /// A value and its place.
    pub fn new(value: T, place: Place) -> Self {
        Located { value, place }
    }
}

/// One value of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Where the value stands.
    pub place: Place,
    /// The value.
    pub value: NodeValue,
}

/// The kinds of value that TOML and JSON know, numbers kept as they were written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NodeValue {
    /// A string.
    String(String),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction or exponent, as text: `1.10` is not `1.1` in a version.
    Float(String),
    /// True or false.
    Bool(bool),
    /// A TOML date or time, as text.
    Datetime(String),
    /// JSON's `null`.
    Null,
    /// A list.
    Array(Vec<Node>),
    /// A table.
    Table(Table),
}

/// The entries of a table in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    entries: Vec<(Located<String>, Node)>,
}

impl Table {
    /// The entries, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = (&Located<String>, &Node)> {
        self.entries.iter().map(|(key, node)| (key, node))
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        let found = self.entries.iter().find(|(name, _)| name.value == key);
        found.map(|(_, node)| node)
    }

    /// The table without some keys.
    #[must_use]
    pub fn without(&self, keys: &[&str]) -> Table {
        let others = self
            .entries
            .iter()
            .filter(|(key, _)| !keys.contains(&key.value.as_str()));
        Table {
            entries: others.cloned().collect(),
        }
    }

    /// Lays `over` on this table: tables merge, anything else is replaced. A table that names an environment
    /// variable (`{ env = … }`) is one value and is replaced whole.
    pub fn merge(&mut self, over: Table) {
        for (key, node) in over.entries {
            match self
                .entries
                .iter_mut()
                .find(|(name, _)| name.value == key.value)
            {
                None => self.entries.push((key, node)),
                Some((name, old)) => match (&mut old.value, node.value) {
                    (NodeValue::Table(old), NodeValue::Table(new)) if new.get("env").is_none() => {
                        old.merge(new);
                    }
                    (_, value) => {
                        *name = key;
                        *old = Node {
                            place: node.place,
                            value,
                        };
                    }
                },
            }
        }
    }
}

impl Node {
    /// What the value is, for messages: `a string`, `a list` …
    pub fn kind(&self) -> &'static str {
        match self.value {
            NodeValue::String(_) => "a string",
            NodeValue::Integer(_) => "a number",
            NodeValue::Float(_) => "a number with a fraction",
            NodeValue::Bool(_) => "true or false",
            NodeValue::Datetime(_) => "a date",
            NodeValue::Null => "null",
            NodeValue::Array(_) => "a list",
            NodeValue::Table(_) => "a table",
        }
    }

    /// The strings of a list of strings; what is none is a problem.
    pub fn strings(
        &self,
        key: &str,
        problems: &mut Vec<Diagnostic>,
    ) -> Option<Vec<Located<String>>> {
        let NodeValue::Array(items) = &self.value else {
            problems.push(self.expected(key, "a list of strings"));
            return None;
        };
        let mut strings = Vec::new();
        for item in items {
            match &item.value {
                NodeValue::String(text) => {
                    strings.push(Located::new(text.clone(), item.place.clone()));
                }
                _ => problems.push(item.expected(key, "strings")),
            }
        }
        Some(strings)
    }

    /// The error for a value that is not what its key takes.
    pub fn expected(&self, key: &str, wanted: &str) -> Diagnostic {
        let message = format!("`{key}` takes {wanted}, not {}", self.kind());
        let error = Diagnostic::error(Code::WrongType, self.place.clone(), message);
        match (&self.value, wanted) {
            (NodeValue::String(text), "a list of strings") => {
                let items = text.split([' ', ',']).filter(|item| !item.is_empty());
                let items: Vec<String> = items.map(quoted).collect();
                error.help(format!("write `{key} = [{}]`", items.join(", ")))
            }
            (NodeValue::Integer(_) | NodeValue::Float(_), "a string") => {
                error.help(format!("put it in quotes: \"{}\"", self.place.text()))
            }
            _ => error,
        }
    }
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

/// Parses TOML. All syntax errors are reported, each with its place.
pub fn parse_toml(source: &Arc<Source>) -> Result<Table, Vec<Diagnostic>> {
    let (table, errors) = DeTable::parse_recoverable(source.text());
    if errors.is_empty() {
        return Ok(toml_table(table.into_inner(), source));
    }
    let diagnostics = errors.iter().map(|error| {
        let span = error.span().unwrap_or(0..0);
        let place = Place::new(source, span);
        let message = error.message().replace('\n', ", ");
        let unquoted = [
            "string values must be quoted",
            "invalid float",
            "invalid integer",
        ];
        let unquoted = unquoted.iter().any(|start| message.starts_with(start));
        let help = unquoted.then(|| quotes_for(&place));
        Diagnostic::error(Code::TomlSyntax, place, message).maybe_help(help)
    });
    Err(diagnostics.collect())
}

/// What to write for a value that lacks its quotes: `version = 1.2.3`.
fn quotes_for(place: &Place) -> String {
    let text = place.source().text();
    let start = text[..place.span().start]
        .rfind('\n')
        .map_or(0, |at| at + 1);
    let line = text[start..].lines().next().unwrap_or_default();
    match line.split_once('=').map(|(_, value)| value.trim()) {
        Some(value) if !value.is_empty() && !value.contains(['"', '\'', '#', '[', '{']) => {
            format!("put the value in quotes: \"{value}\"")
        }
        _ => "put the value in quotes".to_string(),
    }
}

fn toml_table(table: DeTable<'_>, source: &Arc<Source>) -> Table {
    let mut entries: Vec<_> = table
        .into_iter()
        .map(|(key, value)| {
            let place = Place::new(source, key.span());
            let key = Located::new(key.into_inner().into_owned(), place);
            let place = Place::new(source, value.span());
            let value = toml_value(value.into_inner(), source);
            (key, Node { place, value })
        })
        .collect();
    // The crate hands out keys sorted or as written, by a feature that any other crate may switch on.
    entries.sort_by_key(|(key, _)| key.place.span().start);
    Table { entries }
}

fn toml_value(value: DeValue<'_>, source: &Arc<Source>) -> NodeValue {
    match value {
        DeValue::String(text) => NodeValue::String(text.into_owned()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| NodeValue::Float(number.to_string()), NodeValue::Integer),
        DeValue::Float(number) => NodeValue::Float(number.as_str().to_string()),
        DeValue::Boolean(value) => NodeValue::Bool(value),
        DeValue::Datetime(date) => NodeValue::Datetime(date.to_string()),
        DeValue::Array(items) => {
            let items = items.into_iter().map(|item| Node {
                place: Place::new(source, item.span()),
                value: toml_value(item.into_inner(), source),
            });
            NodeValue::Array(items.collect())
        }
        DeValue::Table(table) => NodeValue::Table(toml_table(table, source)),
    }
}
