//! Which cells something is said for: a value or several for some axes, and for the architecture.

use crate::arch::{ArchMap, ArchName};
use crate::config::cells::Cell;
use crate::config::matrix::Point;
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::document::{Fields, Located, Node, NodeValue, Table};
use crate::keys::Keys;
use crate::value::Value;

/// Fits the cells that have one of the values on each axis that it names, for one of the architectures.
#[derive(Clone, Debug)]
pub(crate) struct Selector {
    pub(crate) place: Place,
    /// Nothing for all.
    pub(crate) arches: Option<Vec<ArchName>>,
    axes: Vec<(String, Vec<Located<Value>>)>,
}

impl Selector {
    /// The values that it has for an axis.
    pub(crate) fn values(&self, axis: &str) -> Option<&[Located<Value>]> {
        let found = self.axes.iter().find(|(name, _)| name == axis);
        found.map(|(_, values)| values.as_slice())
    }

    /// Whether it says nothing, and so fits every cell.
    pub(crate) fn is_empty(&self) -> bool {
        self.axes.is_empty() && self.arches.is_none()
    }

    /// The axes that it looks at.
    pub(crate) fn axes(&self) -> impl Iterator<Item = &str> {
        self.axes.iter().map(|(name, _)| name.as_str())
    }

    /// Whether it fits a point, for some architecture.
    pub(crate) fn fits_point(&self, point: &Point) -> bool {
        self.fits_axes(|axis| point.text(axis))
    }

    /// Whether it fits a cell.
    pub(crate) fn fits(&self, cell: &Cell) -> bool {
        let arch = self.arches.as_ref();
        arch.is_none_or(|arches| arches.contains(&cell.arch))
            && self.fits_axes(|axis| {
                let found = cell.axes.iter().find(|(name, _)| name == axis);
                found.and_then(|(_, value)| value.text())
            })
    }

    fn fits_axes(&self, text: impl Fn(&str) -> Option<String>) -> bool {
        self.axes.iter().all(|(axis, wanted)| {
            let own = text(axis);
            wanted.iter().any(|value| value.value.text() == own)
        })
    }
}

/// Reads the selecting keys of a table. The others of `keys` are left to the caller.
pub(super) fn read<'a, 'p>(
    item: &Node,
    table: &'a Table,
    axes: &[String],
    keys: &'static Keys,
    map: &ArchMap,
    problems: &'p mut Vec<Diagnostic>,
) -> (Option<Selector>, Fields<'a, 'p>) {
    let mut good = true;
    let mut selected = Vec::new();
    let mut fields = Fields::new(table, keys, problems);
    let arches = match keys.get("arch") {
        Some(_) => fields.string_or_strings("arch"),
        None => None,
    };
    let arches = arches.map(|names| {
        let known = names
            .iter()
            .filter_map(|name| arch(name, map, fields.problems));
        known.collect()
    });
    for (key, node) in fields.others() {
        if !axes.contains(&key.value) {
            let known = axes.iter().map(String::as_str).chain(keys.names());
            let known: Vec<_> = known.collect();
            let message = format!("`{}` is not an axis of the matrix", key.value);
            let help = match keys.get("vars") {
                None if key.value == "arches" => {
                    "the architectures that are left out are `arch = [\"…\"]`".to_string()
                }
                Some(_) => format!(
                    "values of a cell go into `vars = {{ … }}`; known here: {}",
                    known.join(", ")
                ),
                None => format!("known here: {}", known.join(", ")),
            };
            let problem = Diagnostic::error(Code::UnknownKey, key.place.clone(), message);
            fields.problems.push(problem.help(help));
            good = false;
            continue;
        }
        let items = match &node.value {
            NodeValue::Array(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        let mut values = Vec::new();
        for item in items {
            match Value::from_node(&key.value, item) {
                Ok(value) if value.text().is_some() => {
                    values.push(Located::new(value, item.place.clone()));
                }
                Ok(_) => fields
                    .problems
                    .push(item.expected(&key.value, "a value of its axis, or a list of them")),
                Err(problem) => fields.problems.push(problem),
            }
        }
        good &= values.len() == items.len();
        selected.push((key.value.clone(), values));
    }
    let selector = good.then(|| Selector {
        place: item.place.clone(),
        arches,
        axes: selected,
    });
    (selector, fields)
}

fn arch(name: &Located<String>, map: &ArchMap, problems: &mut Vec<Diagnostic>) -> Option<ArchName> {
    match map.get(&name.value) {
        Some(entry) => Some(entry.name.clone()),
        None => {
            problems.push(map.unknown_arch(name));
            None
        }
    }
}
