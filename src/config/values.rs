//! Values of settings: plain ones, ones from the environment, and whole files of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::arch::{ArchMap, ArchName};
use crate::config::{Column, Inputs, Var, keys};
use crate::context::Slot;
use crate::diagnostic::Diagnostic;
use crate::document::{Fields, Located, Node, NodeValue, Table, parse_json, parse_toml};
use crate::value::Value;

/// Reads one value: anything that TOML can say, or `{ env = "NAME", default = … }`.
///
/// A variable that is not set leaves the name without a value, which is an error only where it is printed.
pub(crate) fn slot(
    key: &str,
    node: &Node,
    inputs: &dyn Inputs,
    problems: &mut Vec<Diagnostic>,
) -> Option<Slot> {
    let table = match &node.value {
        NodeValue::Table(table) if table.get("env").is_some() => table,
        _ => return value(key, node, problems).map(Slot::Value),
    };
    let mut fields = Fields::new(table, &keys::ENV, problems);
    let name = fields.string("env");
    let default = fields.node("default");
    fields.finish();
    let name = name?.value;
    match (inputs.env(&name), default) {
        (Some(text), _) => Some(Slot::Value(Value::from_text(&text))),
        (None, Some(default)) => value(key, default, problems).map(Slot::Value),
        (None, None) => Some(Slot::Absent(format!(
            "the environment variable `{name}` is not set"
        ))),
    }
}

/// Whether a value is `{ env = … }`.
pub(crate) fn asks_env(node: &Node) -> bool {
    matches!(&node.value, NodeValue::Table(table) if table.get("env").is_some())
}

fn value(key: &str, node: &Node, problems: &mut Vec<Diagnostic>) -> Option<Value> {
    Value::from_node(key, node)
        .map_err(|problem| problems.push(problem))
        .ok()
}

/// Lays the variables of a table over those already there.
pub(crate) fn lay_vars(
    vars: &mut BTreeMap<String, Var>,
    table: &Table,
    inputs: &dyn Inputs,
    problems: &mut Vec<Diagnostic>,
) {
    for (name, node) in table.iter() {
        if let NodeValue::Null = node.value {
            continue;
        }
        if let Some(slot) = slot(&name.value, node, inputs, problems) {
            let var = Var {
                slot,
                from_env: asks_env(node),
                place: name.place.clone(),
            };
            vars.insert(name.value.clone(), var);
        }
    }
}

/// The complete path of a file that a setting names: it is relative to the file that names it.
pub(crate) fn beside(file: &Located<String>) -> PathBuf {
    let folder = file.place.source().path().parent();
    folder.unwrap_or(Path::new("")).join(&file.value)
}

/// Reads a file of variables, TOML or JSON by its ending.
pub(crate) fn vars_file(
    file: &Located<String>,
    inputs: &dyn Inputs,
    problems: &mut Vec<Diagnostic>,
) -> Table {
    let path = beside(file);
    let table = inputs
        .file(&path)
        .map_err(|problem| vec![problem.related(file.place.clone(), "it is asked for here")])
        .and_then(
            |source| match path.extension().and_then(|ending| ending.to_str()) {
                Some("json") => parse_json(&source),
                _ => parse_toml(&source),
            },
        );
    table.unwrap_or_else(|found| {
        problems.extend(found);
        Table::default()
    })
}

/// Reads `[columns.NAME]`: a value per architecture, and `default` for the others.
pub(crate) fn column(
    name: &Located<String>,
    node: &Node,
    map: &ArchMap,
    inputs: &dyn Inputs,
    problems: &mut Vec<Diagnostic>,
) -> Option<Column> {
    let NodeValue::Table(table) = &node.value else {
        problems.push(node.expected(&name.value, "a table").help(
            "a column has a value per architecture: `amd64 = \"…\"`; one value for all is a var",
        ));
        return None;
    };
    let mut column = Column {
        place: name.place.clone(),
        default: None,
        values: BTreeMap::new(),
        from_env: table.iter().any(|(_, node)| asks_env(node)),
    };
    let mut fields = Fields::new(table, &keys::COLUMN, problems);
    let default = fields.node("default");
    let others = fields.others();
    fields.finish();
    column.default = default.and_then(|node| {
        let slot = slot(&name.value, node, inputs, problems)?;
        Some(Located::new(slot, node.place.clone()))
    });
    for (key, node) in others {
        let slot = slot(&name.value, node, inputs, problems);
        if map.get(&key.value).is_none() {
            problems.push(map.unknown_arch(key));
        } else if let Some(slot) = slot {
            let slot = Located::new(slot, node.place.clone());
            column.values.insert(ArchName::new(&key.value), slot);
        }
    }
    Some(column)
}
