//! JSON whose objects keep the order in which they were made: that of `serde_json` hangs on a feature that any other
//! crate may switch on.

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::document::{Node, NodeValue};

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json {
    Bool(bool),
    Number(i64),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// An object.
    pub(super) fn object<const N: usize>(fields: [(&str, Json); N]) -> Json {
        let fields = fields.into_iter();
        Json::Object(
            fields
                .map(|(name, value)| (name.to_string(), value))
                .collect(),
        )
    }

    /// A list of texts.
    pub(super) fn texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> Json {
        Json::List(texts.into_iter().map(Json::from).collect())
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Json {
        Json::Text(text.to_string())
    }
}

impl From<&Node> for Json {
    fn from(node: &Node) -> Json {
        match &node.value {
            NodeValue::Bool(value) => Json::Bool(*value),
            NodeValue::Integer(number) => Json::Number(*number),
            NodeValue::String(text) | NodeValue::Datetime(text) | NodeValue::Float(text) => {
                Json::Text(text.clone())
            }
            NodeValue::Null => Json::Text(String::new()),
            NodeValue::Array(items) => Json::List(items.iter().map(Json::from).collect()),
            NodeValue::Table(table) => {
                let fields = table.iter();
                Json::Object(
                    fields
                        .map(|(key, node)| (key.value.clone(), node.into()))
                        .collect(),
                )
            }
        }
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Json::Bool(value) => serializer.serialize_bool(*value),
            Json::Number(number) => serializer.serialize_i64(*number),
            Json::Text(text) => serializer.serialize_str(text),
            Json::List(items) => serializer.collect_seq(items),
            Json::Object(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (name, value) in fields {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
        }
    }
}
