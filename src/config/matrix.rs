//! `[matrix]`: axes with their values, and the combinations that are left out.

use crate::config::{Axis, Exclude, keys};
use crate::diagnostic::{Code, Diagnostic};
use crate::document::{Fields, Node, NodeValue, Table};
use crate::value::Value;

pub(crate) fn read_matrix(
    table: &Table,
    problems: &mut Vec<Diagnostic>,
) -> (Vec<Axis>, Vec<Exclude>) {
    let mut fields = Fields::new(table, &keys::MATRIX, problems);
    let excludes = fields.node("exclude");
    let others = fields.others();
    fields.finish();
    let mut axes: Vec<Axis> = Vec::new();
    for (name, node) in others {
        let NodeValue::Array(items) = &node.value else {
            let help = format!("write `{} = [\"…\"]`", name.value);
            problems.push(node.expected(&name.value, "a list of values").help(help));
            // The axis is known all the same: an exclude that names it is right.
            let name = name.clone();
            axes.push(Axis {
                name,
                values: Vec::new(),
            });
            continue;
        };
        let mut values: Vec<Value> = Vec::new();
        for item in items {
            match Value::from_node(&name.value, item) {
                Ok(value) if value.text().is_none() => {
                    problems.push(item.expected(&name.value, "a list of words"));
                }
                Ok(value) if values.contains(&value) => {
                    let message = format!("`{}` stands on the axis twice", item.place.text());
                    let place = item.place.clone();
                    problems.push(Diagnostic::error(Code::BadValue, place, message));
                }
                Ok(value) => values.push(value),
                Err(problem) => problems.push(problem),
            }
        }
        if items.is_empty() {
            let message = format!(
                "the axis `{}` has no values: nothing would be made",
                name.value
            );
            problems.push(Diagnostic::error(
                Code::BadValue,
                node.place.clone(),
                message,
            ));
        }
        let name = name.clone();
        axes.push(Axis { name, values });
    }
    let excludes = match excludes {
        None => Vec::new(),
        Some(Node {
            value: NodeValue::Array(items),
            ..
        }) => items
            .iter()
            .filter_map(|item| exclude(item, &axes, problems))
            .collect(),
        Some(node) => {
            problems.push(node.expected("exclude", "tables: `[[matrix.exclude]]`"));
            Vec::new()
        }
    };
    (axes, excludes)
}

fn exclude(item: &Node, axes: &[Axis], problems: &mut Vec<Diagnostic>) -> Option<Exclude> {
    let NodeValue::Table(table) = &item.value else {
        problems.push(item.expected("exclude", "tables: `[[matrix.exclude]]`"));
        return None;
    };
    let mut fields = Fields::new(table, &keys::EXCLUDE, problems);
    let arch = fields.string("arch");
    let others = fields.others();
    fields.finish();
    let mut pairs = Vec::from_iter(arch.map(|arch| ("arch".to_string(), arch.value)));
    for (key, node) in others {
        let known = axes.iter().any(|axis| axis.name.value == key.value);
        let text = Value::from_node(&key.value, node)
            .ok()
            .and_then(|value| value.text());
        match (known, text) {
            (true, Some(text)) => pairs.push((key.value.clone(), text)),
            (true, None) => problems.push(node.expected(&key.value, "one value of its axis")),
            (false, _) => {
                let names = axes
                    .iter()
                    .map(|axis| axis.name.value.as_str())
                    .chain(["arch"]);
                let names: Vec<_> = names.collect();
                let message = format!("`{}` is not an axis of the matrix", key.value);
                problems.push(
                    Diagnostic::error(Code::UnknownKey, key.place.clone(), message)
                        .help(format!("the axes are: {}", names.join(", "))),
                );
            }
        }
    }
    let place = item.place.clone();
    Some(Exclude { place, pairs })
}
