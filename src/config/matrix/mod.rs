//! `[matrix]`: axes with their values, the points that they make, and what is said for some of them.
//!
//! Axes multiply to points in the order of the file. An axis is a list, the keys of a file (each entry brings values of its
//! own), or the items of a list that a point has. Then [`Rule`]s add points (`[[matrix.include]]`) and say things for those
//! that fit (`[[matrix.cell]]`). Points and architectures make the cells; what `[[matrix.exclude]]` fits is none.

mod axis;
mod select;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::arch::{ArchMap, ArchName};
use crate::config::read::image_settings;
use crate::config::values::lay_vars;
use crate::config::{ImageSettings, Inputs, Var, keys};
use crate::diagnostic::{Code, Diagnostic, Place, closest};
use crate::document::{Fields, Located, Node, NodeValue, Table};
use crate::value::Value;
use axis::Entry;
pub(crate) use select::Selector;

/// An axis of the matrix.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    pub(crate) name: Located<String>,
    /// Every value that a point has on it, in the order of the points.
    pub(crate) values: Vec<Value>,
    /// Their texts, by which they are told apart.
    texts: HashSet<Option<String>>,
    /// What a file says for its values.
    entries: Vec<(Value, Entry)>,
}

/// A value on every axis.
#[derive(Clone, Debug, Default)]
pub(crate) struct Point {
    /// In the order of the axes.
    pub(crate) axes: Vec<(String, Value)>,
    /// The architectures that it is made for; nothing for all of the project.
    pub(crate) arches: Option<Vec<ArchName>>,
    /// Values of its own.
    pub(crate) vars: BTreeMap<String, Var>,
    /// The same for one architecture.
    pub(crate) arch_vars: BTreeMap<ArchName, BTreeMap<String, Var>>,
}

impl Point {
    pub(crate) fn allows(&self, arch: &ArchName) -> bool {
        let listed = self.arches.as_ref();
        listed.is_none_or(|arches| arches.contains(arch))
    }

    pub(crate) fn text(&self, axis: &str) -> Option<String> {
        let found = self.axes.iter().find(|(name, _)| name == axis);
        found.and_then(|(_, value)| value.text())
    }
}

/// What is said for the cells that fit: `[[matrix.include]]` and `[[matrix.cell]]`.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) place: Place,
    pub(crate) selector: Selector,
    /// The architectures of the points that fit.
    pub(crate) arches: Option<Vec<Located<String>>>,
    pub(crate) vars: BTreeMap<String, Var>,
    pub(crate) image: ImageSettings,
}

/// The matrix of a project. Without one there is a single point, which is on no axis.
#[derive(Clone, Debug)]
pub(crate) struct Matrix {
    pub(crate) axes: Vec<Axis>,
    pub(crate) points: Vec<Point>,
    pub(crate) excludes: Vec<Selector>,
    pub(crate) rules: Vec<Rule>,
    /// The names that the matrix itself makes use of: axes that bring values or select cells, lists that are axes.
    pub(crate) used: BTreeSet<String>,
    /// The files that axes are read from.
    pub(crate) files: Vec<Located<String>>,
    pub(crate) warnings: Vec<Diagnostic>,
}

impl Default for Matrix {
    fn default() -> Matrix {
        Matrix {
            axes: Vec::new(),
            points: vec![Point::default()],
            excludes: Vec::new(),
            rules: Vec::new(),
            used: BTreeSet::new(),
            files: Vec::new(),
            warnings: Vec::new(),
        }
    }
}

/// What reading the matrix takes from the rest of the settings.
pub(crate) struct Around<'a> {
    pub(crate) map: &'a ArchMap,
    /// The variables of the project: a list among them can be an axis.
    pub(crate) vars: &'a BTreeMap<String, Var>,
    pub(crate) inputs: &'a dyn Inputs,
}

/// Reads `[matrix]`.
pub(crate) fn read_matrix(
    table: &Table,
    around: &Around<'_>,
    problems: &mut Vec<Diagnostic>,
) -> Matrix {
    let mut fields = Fields::new(table, &keys::MATRIX, problems);
    let include = fields.node("include");
    let cell = fields.node("cell");
    let exclude = fields.node("exclude");
    let others = fields.others();
    fields.finish();
    let mut matrix = Matrix::default();
    for (name, node) in others {
        axis::add(&mut matrix, name, node, around, problems);
    }
    let names: Vec<String> = matrix
        .axes
        .iter()
        .map(|axis| axis.name.value.clone())
        .collect();
    for item in tables("include", include, problems) {
        if let Some(rule) = rule(item, &names, &keys::INCLUDE, around, problems) {
            let (added, complete) = matrix.add_points(&rule, problems);
            if complete && added == 0 && !rule.says_something() {
                let message = "the axes make this already, and nothing is said for it";
                matrix.warn(&rule.place, message);
            }
            matrix.rules.push(rule);
        }
    }
    for item in tables("cell", cell, problems) {
        if let Some(rule) = rule(item, &names, &keys::CELL, around, problems) {
            let fits = |point: &Point| rule.selector.fits_point(point);
            if matrix.warn_of_strange_values(&rule.selector) {
                // That says it.
            } else if !matrix.points.iter().any(fits) {
                matrix.warn(&rule.place, "this fits no cell of the matrix");
            } else if !rule.says_something() {
                matrix.warn(&rule.place, "nothing is said for these cells");
            }
            matrix.rules.push(rule);
        }
    }
    for (item, table) in tables("exclude", exclude, problems) {
        let (selector, fields) =
            select::read(item, table, &names, &keys::EXCLUDE, around.map, problems);
        let problems = fields.problems;
        match selector {
            Some(selector) if selector.is_empty() && table.iter().next().is_none() => {
                let message = "this says nothing, and would leave out every cell";
                let problem = Diagnostic::error(Code::BadValue, item.place.clone(), message);
                let help = "name values of axes, or architectures: `arch = \"arm32v7\"`";
                problems.push(problem.help(help));
            }
            Some(selector) => matrix.excludes.push(selector),
            None => {}
        }
    }
    let rules = matrix.rules.iter().map(|rule| &rule.selector);
    let axes = rules.chain(&matrix.excludes).flat_map(Selector::axes);
    let axes: Vec<String> = axes.map(str::to_string).collect();
    matrix.used.extend(axes);
    matrix.apply_rules();
    matrix
}

/// The tables of a list of tables, each with its node.
fn tables<'a>(
    key: &str,
    node: Option<&'a Node>,
    problems: &mut Vec<Diagnostic>,
) -> impl Iterator<Item = (&'a Node, &'a Table)> + use<'a> {
    let mut found = Vec::new();
    let wanted = format!("tables: `[[matrix.{key}]]`");
    match node.map(|node| (&node.value, node)) {
        None => {}
        Some((NodeValue::Array(items), _)) => {
            for item in items {
                match &item.value {
                    NodeValue::Table(table) => found.push((item, table)),
                    _ => problems.push(item.expected(key, &wanted)),
                }
            }
        }
        Some((_, node)) => problems.push(node.expected(key, &wanted)),
    }
    found.into_iter()
}

/// Reads a rule of either kind.
fn rule(
    (item, table): (&Node, &Table),
    axes: &[String],
    keys: &'static crate::keys::Keys,
    around: &Around<'_>,
    problems: &mut Vec<Diagnostic>,
) -> Option<Rule> {
    let (selector, mut fields) = select::read(item, table, axes, keys, around.map, problems);
    let arches = fields.strings("arches");
    let image = image_settings(&mut fields, around.inputs);
    let var_table = fields.table("vars");
    fields.finish();
    let mut vars = BTreeMap::new();
    if let Some(table) = var_table {
        lay_vars(&mut vars, table, around.inputs, problems);
    }
    let selector = selector?;
    if let (Some(arches), Some(_)) = (table.get("arches"), &selector.arches) {
        let message =
            "`arch` says for which cells this holds, and `arches` for which the points are made";
        problems.push(
            Diagnostic::error(Code::BadValue, arches.place.clone(), message)
                .help("say one of them"),
        );
    }
    Some(Rule {
        place: item.place.clone(),
        selector,
        arches,
        vars,
        image,
    })
}

impl Rule {
    fn says_something(&self) -> bool {
        self.arches.is_some() || !self.vars.is_empty() || !self.image.is_empty()
    }
}

impl Matrix {
    fn warn(&mut self, place: &Place, message: &str) {
        let warning = Diagnostic::warning(Code::Unused, place.clone(), message);
        self.warnings.push(warning);
    }

    /// Warns of values that no point has. Returns whether there are any.
    pub(crate) fn warn_of_strange_values(&mut self, selector: &Selector) -> bool {
        let mut found = Vec::new();
        for axis in &self.axes {
            let values = selector.values(&axis.name.value).into_iter().flatten();
            for value in values.filter(|value| !axis.texts.contains(&value.value.text())) {
                let text = value.value.text().unwrap_or_default();
                let message = format!("`{text}` is not on the axis `{}`", axis.name.value);
                let known: Vec<String> = axis.values.iter().filter_map(Value::text).collect();
                let help = match closest(&text, known.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("it has: {}", known.join(", ")),
                };
                let place = value.place.clone();
                found.push(Diagnostic::warning(Code::Unused, place, message).help(help));
            }
        }
        let any = !found.is_empty();
        self.warnings.extend(found);
        any
    }

    /// Adds the points that a rule names and that are not there. Returns how many, and whether it names every axis.
    fn add_points(&mut self, rule: &Rule, problems: &mut Vec<Diagnostic>) -> (usize, bool) {
        let mut points = vec![Vec::new()];
        for axis in &self.axes {
            let name = &axis.name.value;
            let Some(values) = rule.selector.values(name) else {
                let message = format!("a cell to include needs a value on the axis `{name}`");
                let help = format!(
                    "add `{name} = \"…\"`; what is to hold for cells of the axes goes into `[[matrix.cell]]`"
                );
                let place = rule.place.clone();
                problems.push(Diagnostic::error(Code::BadValue, place, message).help(help));
                return (0, false);
            };
            let longer = |point: Vec<(String, Value)>| {
                values.iter().map(move |value| {
                    let mut point = point.clone();
                    point.push((name.clone(), value.value.clone()));
                    point
                })
            };
            points = points.into_iter().flat_map(longer).collect();
        }
        let mut added = 0;
        for axes in points {
            let text = |axes: &[(String, Value)]| -> Vec<Option<String>> {
                axes.iter().map(|(_, value)| value.text()).collect()
            };
            let known = |point: &Point| text(&point.axes) == text(&axes);
            if self.points.iter().any(known) {
                continue;
            }
            for (axis, (_, value)) in self.axes.iter_mut().zip(&axes) {
                axis.note(value);
            }
            added += 1;
            let mut point = Point::default();
            for (axis, (_, value)) in self.axes.iter().zip(&axes) {
                let own = axis
                    .entries
                    .iter()
                    .find(|(known, _)| known.text() == value.text());
                own.into_iter()
                    .for_each(|(_, entry)| entry.lay_on(&mut point));
            }
            self.points.push(Point { axes, ..point });
        }
        (added, true)
    }

    /// Gives every point what the rules say for it, in their order.
    fn apply_rules(&mut self) {
        for rule in &self.rules {
            let fitting = self.points.iter_mut();
            for point in fitting.filter(|point| rule.selector.fits_point(point)) {
                if let Some(arches) = &rule.arches {
                    let names = arches.iter().map(|name| ArchName::new(&name.value));
                    point.arches = Some(names.collect());
                }
                let own = |vars: &mut BTreeMap<String, Var>| {
                    let pairs = rule.vars.iter();
                    vars.extend(pairs.map(|(name, var)| (name.clone(), var.clone())));
                };
                match &rule.selector.arches {
                    None => {
                        own(&mut point.vars);
                        // Over what was said before for single architectures, too.
                        for vars in point.arch_vars.values_mut() {
                            vars.retain(|name, _| !rule.vars.contains_key(name));
                        }
                    }
                    Some(arches) => {
                        for arch in arches {
                            own(point.arch_vars.entry(arch.clone()).or_default());
                        }
                    }
                }
            }
        }
    }
}

impl Axis {
    fn new(name: &Located<String>) -> Axis {
        Axis {
            name: name.clone(),
            values: Vec::new(),
            texts: HashSet::new(),
            entries: Vec::new(),
        }
    }

    /// Adds a value that is not on it yet.
    fn note(&mut self, value: &Value) {
        if self.texts.insert(value.text()) {
            self.values.push(value.clone());
        }
    }
}
