//! YAML as JSON, read by a program that had no part in writing it.

use saphyr::{LoadableYamlNode, ScalarOwned, YamlOwned};
use serde_json::{Map, Value as Json};

/// The one document of a text.
pub(crate) fn read(text: &str) -> Json {
    let documents =
        YamlOwned::load_from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(documents.len(), 1, "{text}");
    json(&documents[0])
}

fn json(node: &YamlOwned) -> Json {
    match node {
        YamlOwned::Value(ScalarOwned::Null) => Json::Null,
        YamlOwned::Value(ScalarOwned::Boolean(value)) => Json::from(*value),
        YamlOwned::Value(ScalarOwned::Integer(value)) => Json::from(*value),
        YamlOwned::Value(ScalarOwned::String(text)) => Json::from(text.as_str()),
        YamlOwned::Sequence(items) => items.iter().map(json).collect(),
        YamlOwned::Mapping(entries) => {
            let mut map = Map::new();
            for (key, value) in entries {
                let key = json(key);
                let key = key
                    .as_str()
                    .unwrap_or_else(|| panic!("{key} is no name"))
                    .to_string();
                assert!(
                    map.insert(key.clone(), json(value)).is_none(),
                    "{key} is there twice"
                );
            }
            Json::Object(map)
        }
        other => panic!("{other:?} is not written by us"),
    }
}
