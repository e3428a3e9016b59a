//! Cells in messages.

use crate::arch::ArchName;
use crate::config::Cell;
use crate::value::Value;

/// Cells for messages: the first by its names, the others by their number.
pub(crate) fn describe(cells: &[Cell]) -> String {
    let Some(first) = cells.first() else {
        return "nothing".to_string();
    };
    let axes = first
        .axes
        .iter()
        .map(|(name, value)| format!(" with {name} `{}`", value.text().unwrap_or_default()));
    let first = format!("`{}`{}", first.arch, axes.collect::<String>());
    match cells.len() {
        1 => first,
        2 => format!("{first} and another"),
        more => format!("{first} and {} others", more - 1),
    }
}

/// How many cells or points a message names.
const MOST_NAMED: usize = 3;

/// What tells some cells from the others, for messages; nothing where they are all. Architectures where that says it all, else
/// points of the matrix, else single cells.
pub(crate) fn among(some: &[Cell], all: &[&Cell]) -> Option<String> {
    if some.len() == all.len() {
        return None;
    }
    let count = |arch: &ArchName| all.iter().filter(|cell| cell.arch == *arch).count();
    let mut arches: Vec<(&ArchName, usize)> = Vec::new();
    for cell in some {
        match arches.iter_mut().find(|(arch, _)| *arch == &cell.arch) {
            Some((_, own)) => *own += 1,
            None => arches.push((&cell.arch, 1)),
        }
    }
    if arches.iter().all(|(arch, own)| count(arch) == *own) {
        let list: Vec<String> = arches.iter().map(|(arch, _)| format!("`{arch}`")).collect();
        return Some(list.join(", "));
    }
    let mut points: Vec<(&[(String, Value)], usize)> = Vec::new();
    for cell in some {
        match points.last_mut() {
            Some((axes, own)) if *axes == cell.axes => *own += 1,
            _ => points.push((&cell.axes, 1)),
        }
    }
    let every = |axes: &[(String, Value)]| all.iter().filter(|cell| cell.axes == axes).count();
    let whole = points.len() < some.len() && points.iter().all(|(axes, own)| every(axes) == *own);
    let (names, count): (Vec<String>, usize) = match whole {
        true => {
            let names = points.iter().take(MOST_NAMED).map(|(axes, _)| values(axes));
            (names.collect(), points.len())
        }
        false => {
            let name = |cell: &Cell| format!("`{}` with {}", cell.arch, values(&cell.axes));
            (some.iter().take(MOST_NAMED).map(name).collect(), some.len())
        }
    };
    let more = match count - names.len() {
        0 => String::new(),
        1 => " and 1 more".to_string(),
        more => format!(" and {more} more"),
    };
    Some(names.join("; ") + &more)
}

/// Values on axes, for messages.
fn values(axes: &[(String, Value)]) -> String {
    let values = axes
        .iter()
        .map(|(name, value)| format!("{name} `{}`", value.text().unwrap_or_default()));
    values.collect::<Vec<_>>().join(", ")
}
