//! The values that a project gives its names: from configuration, files, the environment or the command line.
//!
//! A [`Value`] always has one text on every machine: there is no null, which would print as nothing, and no float,
//! whose `1.10` would print as `1.1`.

use std::collections::BTreeMap;

use crate::diagnostic::{Code, Diagnostic};
use crate::document::{Node, NodeValue};

/// A value that templates can print, test or loop over.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Value {
    /// Text.
    Text(String),
    /// A whole number.
    Number(i64),
    /// True or false.
    Bool(bool),
    /// A list, in order.
    List(Vec<Value>),
    /// Named values.
    Table(BTreeMap<String, Value>),
}

impl Value {
    /// The value of a document's node. `null` in a table is left out: it stands for no value.
    ///
    /// # Errors
    /// Floats, and `null` elsewhere: neither has one text.
    pub fn from_node(key: &str, node: &Node) -> Result<Value, Diagnostic> {
        Ok(match &node.value {
            NodeValue::String(text) | NodeValue::Datetime(text) => Value::Text(text.clone()),
            NodeValue::Integer(number) => Value::Number(*number),
            NodeValue::Bool(value) => Value::Bool(*value),
            NodeValue::Float(text) => {
                let message =
                    format!("`{key}` is a number with a fraction, which has several spellings");
                let help = format!("put it in quotes: \"{text}\"");
                let place = node.place.clone();
                return Err(Diagnostic::error(Code::WrongType, place, message).help(help));
            }
            NodeValue::Null => {
                let message = format!("`{key}` holds `null`, which has no text");
                return Err(
                    Diagnostic::error(Code::WrongType, node.place.clone(), message)
                        .help("leave the item out"),
                );
            }
            NodeValue::Array(items) => {
                let items = items.iter().map(|item| Value::from_node(key, item));
                Value::List(items.collect::<Result<_, _>>()?)
            }
            NodeValue::Table(table) => {
                let mut values = BTreeMap::new();
                for (name, node) in table.iter() {
                    if node.value != NodeValue::Null {
                        let path = format!("{key}.{}", name.value);
                        values.insert(name.value.clone(), Value::from_node(&path, node)?);
                    }
                }
                Value::Table(values)
            }
        })
    }

    /// The value of a text from outside, where everything is text: `true`, `false` and whole numbers are what they
    /// look like, so that `--set debug=false` is false in a condition. What is printed is the same text.
    pub fn from_text(text: &str) -> Value {
        match (text, text.parse::<i64>()) {
            ("true", _) => Value::Bool(true),
            ("false", _) => Value::Bool(false),
            (_, Ok(number)) if number.to_string() == text => Value::Number(number),
            _ => Value::Text(text.to_string()),
        }
    }

    /// The text that a template prints; lists and tables have none.
    pub fn text(&self) -> Option<String> {
        match self {
            Value::Text(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(value) => Some(value.to_string()),
            Value::List(_) | Value::Table(_) => None,
        }
    }

    /// The value as JSON.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Value::Text(text) => text.as_str().into(),
            Value::Number(number) => (*number).into(),
            Value::Bool(value) => (*value).into(),
            Value::List(items) => items.iter().map(Value::to_json).collect(),
            Value::Table(values) => values
                .iter()
                .map(|(name, value)| (name.clone(), value.to_json()))
                .collect(),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.to_string())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(text)
    }
}
