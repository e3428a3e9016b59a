//! An axis: a list of values, the keys of a file, or the items of a list that each point has.

use std::collections::{BTreeMap, HashSet};

use crate::arch::{ArchMap, ArchName};
use crate::config::matrix::{Around, Axis, Matrix, Point};
use crate::config::values::vars_file;
use crate::config::{Var, keys};
use crate::context::Slot;
use crate::diagnostic::{Code, Diagnostic, Place, closest};
use crate::document::{Fields, Located, Node, NodeValue, Table};
use crate::naming::check_template_name;
use crate::value::Value;

/// The field of an entry that says its architectures: a list, or a table of values for each.
const ARCHES: &str = "arches";

/// Multiplies the points by an axis.
pub(super) fn add(
    matrix: &mut Matrix,
    name: &Located<String>,
    node: &Node,
    around: &Around<'_>,
    problems: &mut Vec<Diagnostic>,
) {
    let mut axis = Axis::new(name);
    let before = problems.len();
    match &node.value {
        NodeValue::Array(items) => {
            let listed = listed(&name.value, items, problems);
            listed.iter().for_each(|value| axis.note(value));
            match listed.is_empty() {
                true if items.is_empty() => problems.push(no_values(name, node)),
                true => {}
                false => multiply(matrix, &axis, |_| {
                    let values = listed.iter();
                    values.map(|value| (value.clone(), None)).collect()
                }),
            }
        }
        NodeValue::Table(table) => {
            let mut fields = Fields::new(table, &keys::AXIS, problems);
            let file = fields.string("file");
            let table_name = fields.string("as");
            let each = fields.string("each");
            fields.finish();
            match (file, each) {
                (Some(file), None) => {
                    let entries = vars_file(&file, around.inputs, problems);
                    let entries = read_entries(&entries, table_name.as_ref(), around.map, problems);
                    if entries.is_empty() && problems.len() == before {
                        problems.push(no_values(name, node));
                    }
                    matrix.files.push(file);
                    matrix.used.insert(name.value.clone());
                    // Nothing by nothing would hide the problems of what comes after.
                    axis.entries.clone_from(&entries);
                    if !entries.is_empty() {
                        multiply(matrix, &axis, |_| {
                            let entries = entries.iter();
                            entries
                                .map(|(value, entry)| (value.clone(), Some(entry)))
                                .collect()
                        });
                    }
                }
                (None, Some(path)) => {
                    let found = items_of_points(matrix, &path, around, problems);
                    let first = path.value.split('.').next().unwrap_or_default();
                    matrix.used.insert(first.to_string());
                    let mut found = found.into_iter();
                    multiply(matrix, &axis, |_| {
                        let values = found.next().unwrap_or_default();
                        values.into_iter().map(|value| (value, None)).collect()
                    });
                }
                _ if problems.len() == before => {
                    let message = format!("the axis `{}` has no values", name.value);
                    let help = "write a list, `{ file = \"versions.json\" }`, or `{ each = \"name of a list\" }`";
                    problems.push(
                        Diagnostic::error(Code::BadValue, node.place.clone(), message).help(help),
                    );
                }
                _ => {}
            }
        }
        _ => {
            let key = keys::CROSSFILE.get(&name.value).is_some();
            let help = match key {
                true => {
                    "it is a setting of the project: put it above the first `[table]`".to_string()
                }
                false => format!("write `{} = [\"…\"]`", name.value),
            };
            problems.push(node.expected(&name.value, "a list of values").help(help));
        }
    }
    // With a problem, the axis is known all the same: what names it elsewhere is right.
    for value in matrix.points.iter().filter_map(|point| {
        let last = point.axes.last()?;
        (last.0 == name.value).then_some(&last.1)
    }) {
        axis.note(value);
    }
    matrix.axes.push(axis);
}

fn no_values(name: &Located<String>, node: &Node) -> Diagnostic {
    let message = format!(
        "the axis `{}` has no values: nothing would be made",
        name.value
    );
    Diagnostic::error(Code::BadValue, node.place.clone(), message)
}

/// Replaces every point by one for each of the values that `values` gives it.
fn multiply<'e>(
    matrix: &mut Matrix,
    axis: &Axis,
    mut values: impl FnMut(&Point) -> Vec<(Value, Option<&'e Entry>)>,
) {
    let points = std::mem::take(&mut matrix.points);
    for point in points {
        for (value, entry) in values(&point) {
            let mut point = point.clone();
            point.axes.push((axis.name.value.clone(), value));
            if let Some(entry) = entry {
                entry.lay_on(&mut point);
            }
            matrix.points.push(point);
        }
    }
}

/// The values of a list, each a word and none twice.
fn listed(name: &str, items: &[Node], problems: &mut Vec<Diagnostic>) -> Vec<Value> {
    let mut values: Vec<Value> = Vec::new();
    let mut texts: HashSet<String> = HashSet::new();
    for item in items {
        match Value::from_node(name, item) {
            Err(problem) => problems.push(problem),
            Ok(value) => match value.text() {
                None => {
                    let near = closest(name, keys::MATRIX.names()).filter(|_| {
                        // `[[matrix.cells]]`
                        matches!(item.value, NodeValue::Table(_))
                    });
                    let help = near.map(|near| format!("did you mean `[[matrix.{near}]]`?"));
                    problems.push(item.expected(name, "a list of words").maybe_help(help));
                }
                Some(text) if texts.contains(&text) => {
                    let message = format!("`{}` stands on the axis twice", item.place.text());
                    let place = item.place.clone();
                    problems.push(Diagnostic::error(Code::BadValue, place, message));
                }
                Some(text) => {
                    texts.insert(text);
                    values.push(value);
                }
            },
        }
    }
    values
}

/// What an entry of a file says for its points.
#[derive(Clone, Debug, Default)]
pub(super) struct Entry {
    arches: Option<Vec<ArchName>>,
    vars: BTreeMap<String, Var>,
    arch_vars: BTreeMap<ArchName, BTreeMap<String, Var>>,
}

impl Entry {
    pub(super) fn lay_on(&self, point: &mut Point) {
        if self.arches.is_some() {
            point.arches.clone_from(&self.arches);
        }
        point.vars.extend(self.vars.clone());
        for (arch, vars) in &self.arch_vars {
            let own = point.arch_vars.entry(arch.clone()).or_default();
            own.extend(vars.clone());
        }
    }
}

/// The entries of a file by their keys. `null` is none: docker-library's files say so of versions that are not there.
fn read_entries(
    table: &Table,
    table_name: Option<&Located<String>>,
    map: &ArchMap,
    problems: &mut Vec<Diagnostic>,
) -> Vec<(Value, Entry)> {
    let mut entries = Vec::new();
    for (key, node) in table.iter() {
        match &node.value {
            NodeValue::Null => {}
            NodeValue::Table(fields) => {
                let entry = read_entry(fields, table_name, map, problems);
                entries.push((Value::Text(key.value.clone()), entry));
            }
            _ => problems.push(
                node.expected(&key.value, "a table")
                    .help("each key of the file is a value on the axis, and its table has the values of its cells"),
            ),
        }
    }
    entries
}

fn read_entry(
    fields: &Table,
    table_name: Option<&Located<String>>,
    map: &ArchMap,
    problems: &mut Vec<Diagnostic>,
) -> Entry {
    let mut entry = Entry::default();
    let mut own: Vec<(&Located<String>, &Table)> = Vec::new();
    match fields.get(ARCHES).map(|node| (&node.value, node)) {
        None | Some((NodeValue::Null, _)) => {}
        Some((NodeValue::Array(items), _)) => {
            let mut arches = Vec::new();
            for item in items {
                match &item.value {
                    NodeValue::String(text) => {
                        let name = Located::new(text.clone(), item.place.clone());
                        match map.get(text) {
                            Some(known) => arches.push(known.name.clone()),
                            None => problems.push(map.unknown_arch(&name)),
                        }
                    }
                    _ => problems.push(item.expected(ARCHES, "names of architectures")),
                }
            }
            entry.arches = Some(arches);
        }
        Some((NodeValue::Table(table), _)) => {
            let mut arches = Vec::new();
            for (key, node) in table.iter() {
                // Such files list more than there are rows: `src`, `freebsd-amd64`.
                let (Some(known), NodeValue::Table(values)) = (map.get(&key.value), &node.value)
                else {
                    continue;
                };
                let supported = values.get("supported").map(|node| &node.value);
                if supported != Some(&NodeValue::Bool(false)) {
                    arches.push(known.name.clone());
                    own.push((key, values));
                }
            }
            entry.arches = Some(arches);
        }
        Some((_, node)) => {
            problems.push(node.expected(ARCHES, "a list of architectures, or a table of them"));
        }
    }
    match table_name {
        None => {
            entry.vars = flat(&fields.without(&[ARCHES]), problems);
            for (arch, values) in own {
                let vars = flat(values, problems);
                entry.arch_vars.insert(ArchName::new(&arch.value), vars);
            }
        }
        Some(name) => {
            if let Some(var) = whole(name, fields, problems) {
                entry.vars.insert(name.value.clone(), var);
            }
            for (arch, values) in own {
                let mut merged = fields.clone();
                merged.merge(values.clone());
                if let Some(var) = whole(name, &merged, problems) {
                    let vars = BTreeMap::from([(name.value.clone(), var)]);
                    entry.arch_vars.insert(ArchName::new(&arch.value), vars);
                }
            }
        }
    }
    entry
}

/// Fields as names of their own. One that no template could name is passed over: the file is another tool's.
fn flat(fields: &Table, problems: &mut Vec<Diagnostic>) -> BTreeMap<String, Var> {
    let mut vars = BTreeMap::new();
    for (key, node) in fields.iter() {
        if node.value == NodeValue::Null || check_template_name(key).is_err() {
            continue;
        }
        match Value::from_node(&key.value, node) {
            Ok(value) => {
                vars.insert(key.value.clone(), var(value, &key.place));
            }
            Err(problem) => problems.push(problem),
        }
    }
    vars
}

/// All fields as one table of this name.
fn whole(name: &Located<String>, fields: &Table, problems: &mut Vec<Diagnostic>) -> Option<Var> {
    let node = Node {
        place: name.place.clone(),
        value: NodeValue::Table(fields.clone()),
    };
    match Value::from_node(&name.value, &node) {
        Ok(value) => Some(var(value, &name.place)),
        Err(problem) => {
            problems.push(problem);
            None
        }
    }
}

fn var(value: Value, place: &Place) -> Var {
    Var {
        slot: Slot::Value(value),
        from_env: false,
        place: place.clone(),
    }
}

/// For each point the items of the list that `path` leads to among its values, else among the project's.
fn items_of_points(
    matrix: &Matrix,
    path: &Located<String>,
    around: &Around<'_>,
    problems: &mut Vec<Diagnostic>,
) -> Vec<Vec<Value>> {
    let mut segments = path.value.split('.');
    let first = segments.next().unwrap_or_default();
    let rest: Vec<&str> = segments.collect();
    let mut told = false;
    let mut items = Vec::new();
    for point in &matrix.points {
        let var = point.vars.get(first).or_else(|| around.vars.get(first));
        let value = var.and_then(|var| match &var.slot {
            Slot::Value(value) => Some(value),
            Slot::Absent(_) => None,
        });
        let value = rest.iter().fold(value, |value, field| match value {
            Some(Value::Table(fields)) => fields.get(*field),
            _ => None,
        });
        let words = match value {
            Some(Value::List(items)) if items.iter().all(|item| item.text().is_some()) => items,
            _ => {
                if !std::mem::replace(&mut told, true) {
                    let at = point.axes.last().and_then(|(_, value)| value.text());
                    let at = at.map_or(String::new(), |at| format!(" of `{at}`"));
                    let message = format!("`{}` is no list of words{at}", path.value);
                    let help =
                        "an axis goes through a list that an axis before it, or `[vars]`, brings";
                    problems.push(
                        Diagnostic::error(Code::BadValue, path.place.clone(), message).help(help),
                    );
                }
                items.push(Vec::new());
                continue;
            }
        };
        let mut distinct: Vec<Value> = Vec::new();
        for word in words {
            if !distinct.contains(word) {
                distinct.push(word.clone());
            }
        }
        items.push(distinct);
    }
    items
}
