//! JSON, in the order of the file and each value with its place.
//!
//! serde_json judges the text, since it takes nothing but JSON; jsonc-parser, which knows places and would take more, reads what
//! is right.

use std::sync::Arc;

use jsonc_parser::ast::{Object, Value};
use jsonc_parser::common::{Range, Ranged};
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use super::{Located, Node, NodeValue, Table};
use crate::diagnostic::{Code, Diagnostic, Place, Source};

/// The byte-order mark, which no JSON may begin with and some editors write.
const BOM: char = '\u{feff}';

/// Parses JSON whose top is an object.
pub fn parse_json(source: &Arc<Source>) -> Result<Table, Vec<Diagnostic>> {
    let whole = source.text();
    let text = whole.strip_prefix(BOM).unwrap_or(whole);
    let mut reader = Reader {
        source,
        shift: whole.len() - text.len(),
        problems: Vec::new(),
    };
    if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(text) {
        let before: usize = text
            .split_inclusive('\n')
            .take(error.line().saturating_sub(1))
            .map(str::len)
            .sum();
        let at = (before + error.column().saturating_sub(1)).min(text.len());
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or_default();
        return Err(vec![reader.syntax(at..at, message)]);
    }
    let parsed = parse_to_ast(text, &CollectOptions::default(), &ParseOptions::default());
    match parsed {
        Ok(parsed) => match &parsed.value {
            Some(Value::Object(object)) => {
                let table = reader.table(object);
                match reader.problems.is_empty() {
                    true => Ok(table),
                    false => Err(reader.problems),
                }
            }
            _ => Err(vec![Diagnostic::error(
                Code::WrongType,
                reader.place(0..0),
                "the file holds no object: names and values are wanted",
            )]),
        },
        Err(error) => {
            let range = error.range();
            let message = error.kind().to_string().to_lowercase();
            Err(vec![reader.syntax(range.start..range.end, message)])
        }
    }
}

struct Reader<'a> {
    source: &'a Arc<Source>,
    /// How far the parsed text is into the file.
    shift: usize,
    problems: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn place(&self, range: std::ops::Range<usize>) -> Place {
        Place::new(
            self.source,
            range.start + self.shift..range.end + self.shift,
        )
    }

    fn place_of(&self, range: Range) -> Place {
        self.place(range.start..range.end)
    }

    fn syntax(&self, range: std::ops::Range<usize>, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(Code::JsonSyntax, self.place(range), message)
    }

    fn table(&mut self, object: &Object<'_>) -> Table {
        let mut table = Table::default();
        let mut names = std::collections::HashMap::new();
        for property in &object.properties {
            let name = property.name.as_str().to_string();
            let place = self.place_of(property.name.range());
            if let Some(first) = names.insert(name.clone(), place.clone()) {
                let message = format!("`{name}` stands in this object twice");
                let problem = Diagnostic::error(Code::JsonSyntax, place, message)
                    .related(first, "the first is here")
                    .help("leave one out");
                self.problems.push(problem);
                continue;
            }
            let value = self.node(&property.value);
            table.entries.push((Located::new(name, place), value));
        }
        table
    }

    fn node(&mut self, value: &Value<'_>) -> Node {
        let place = self.place_of(value.range());
        let value = match value {
            Value::NullKeyword(_) => NodeValue::Null,
            Value::BooleanLit(literal) => NodeValue::Bool(literal.value),
            Value::NumberLit(literal) => literal.value.parse().map_or_else(
                |_| NodeValue::Float(literal.value.to_string()),
                NodeValue::Integer,
            ),
            Value::StringLit(literal) => NodeValue::String(literal.value.to_string()),
            Value::Array(array) => {
                NodeValue::Array(array.elements.iter().map(|item| self.node(item)).collect())
            }
            Value::Object(object) => NodeValue::Table(self.table(object)),
        };
        Node { place, value }
    }
}
