//! The flat list of names that a project's templates may use, each defined once.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::values::beside;
use crate::config::{Axis, Config, Var, keys};
use crate::context::Slot;
use crate::diagnostic::{Code, Diagnostic};
use crate::document::Located;
use crate::naming::check_template_name;
use crate::template::{Name, NameKind, Names, Shape};

/// Builds the list; two things of one name are a problem with both places.
pub(crate) fn names(
    config: &Config,
    pins: &mut Vec<Diagnostic>,
    problems: &mut Vec<Diagnostic>,
) -> Names {
    let mut names = builtin(config);
    for axis in &config.matrix.axes {
        define(
            &mut names,
            &axis.name,
            &NameKind::Axis,
            Shape::Scalar,
            problems,
        );
    }
    for (name, column) in &config.columns {
        let located = Located::new(name.clone(), column.place.clone());
        let slots = column.values.values().chain(&column.default);
        let slots = slots.map(|slot| &slot.value);
        define(
            &mut names,
            &located,
            &NameKind::Column,
            shape(slots),
            problems,
        );
    }
    for (name, var) in &config.vars {
        lay(&mut names, name, of_one(var), &[], problems);
    }
    lay_points(&mut names, config, problems);
    // What is said for one architecture goes over the cell, and the command line over everything.
    for (name, var) in config.arch.values().flat_map(|settings| &settings.vars) {
        lay(&mut names, name, of_one(var), &[NameKind::Axis], problems);
    }
    for axis in &config.matrix.axes {
        let name = &axis.name.value;
        let over = config
            .arch
            .values()
            .filter_map(|settings| settings.vars.get(name));
        let over = over.filter_map(|var| match &var.slot {
            Slot::Value(value) => value.text(),
            Slot::Absent(_) => None,
        });
        let values = axis.values.iter().filter_map(|value| value.text());
        names.set_values(name, values.chain(over).collect());
    }
    for (name, var) in &config.set {
        match config
            .matrix
            .axes
            .iter()
            .find(|axis| &axis.name.value == name)
        {
            Some(axis) => check_pin(axis, var, pins),
            None => lay(&mut names, name, of_one(var), &[NameKind::Column], problems),
        }
    }
    names
}

/// A variable with the shape of its one value.
fn of_one(var: &Var) -> (&Var, Shape) {
    (var, shape(std::iter::once(&var.slot)))
}

/// Adds the variables of the points, each once: a file brings the same names for every one.
fn lay_points(names: &mut Names, config: &Config, problems: &mut Vec<Diagnostic>) {
    let mut found: BTreeMap<&str, (&Var, Shape)> = BTreeMap::new();
    for point in &config.matrix.points {
        let vars = point.arch_vars.values().flatten();
        for (name, var) in point.vars.iter().chain(vars) {
            let shape = shape(std::iter::once(&var.slot));
            match found.get_mut(name.as_str()) {
                None => {
                    found.insert(name, (var, shape));
                }
                Some((_, known)) if *known == shape => {}
                Some((_, known)) => *known = std::mem::replace(known, Shape::Any).union(shape),
            }
        }
    }
    for (name, (var, shape)) in found {
        let before = problems.len();
        lay(names, name, (var, shape), &[], problems);
        let of_file = |file: &&Located<String>| *var.place.source().path() == *beside(file);
        if let (Some(problem), Some(_)) = (
            problems.get_mut(before),
            config.matrix.files.iter().find(of_file),
        ) {
            problem.help = Some(
                "give the file's values one name: `{ file = \"…\", as = \"entry\" }`, or call the axis something else"
                    .to_string(),
            );
        }
    }
}

/// Adds a variable, or lets it go over what is there of one of the kinds `over` or another variable.
fn lay(
    names: &mut Names,
    name: &str,
    (var, shape): (&Var, Shape),
    over: &[NameKind],
    problems: &mut Vec<Diagnostic>,
) {
    let known = names
        .get(name)
        .map(|name| (name.kind.clone(), name.shape.clone()));
    match known {
        Some((kind, known)) if kind == NameKind::Var || over.contains(&kind) => {
            let given = var.place.source().is_argument();
            if given && matches!(known, Shape::List(_) | Shape::Table(_)) {
                let message = format!("`{name}` is a list or a table, and this is one value");
                let help = "change it in crossfile.toml";
                let place = var.place.clone();
                problems.push(Diagnostic::error(Code::BadValue, place, message).help(help));
            } else {
                names.widen(name, shape);
            }
        }
        _ => {
            let located = Located::new(name.to_string(), var.place.clone());
            define(names, &located, &NameKind::Var, shape, problems);
        }
    }
}

/// `--set AXIS=VALUE` chooses the cells of one value: it has to be on the axis.
fn check_pin(axis: &Axis, var: &Var, problems: &mut Vec<Diagnostic>) {
    let text = match &var.slot {
        Slot::Value(value) => value.text().unwrap_or_default(),
        Slot::Absent(_) => String::new(),
    };
    let values: Vec<String> = axis
        .values
        .iter()
        .filter_map(|value| value.text())
        .collect();
    if !values.contains(&text) {
        let message = format!("`{text}` is not on the axis `{}`", axis.name.value);
        problems.push(
            Diagnostic::error(Code::BadValue, var.place.clone(), message)
                .related(axis.name.place.clone(), "the axis is here")
                .help(format!("it has: {}", values.join(", "))),
        );
    }
}

/// The names that every project has.
fn builtin(config: &Config) -> Names {
    let mut names = Names::default();
    let mut add = |name: &str, kind, shape| {
        // The table refuses schemes of these names, so none is there yet.
        let _ = names.insert(Name::new(name, kind, shape));
    };
    add("arch", NameKind::Builtin, Shape::Scalar);
    for scheme in config.map.schemes() {
        for name in &scheme.template_names {
            add(name, NameKind::Scheme(scheme.name.clone()), Shape::Scalar);
        }
    }
    for name in ["os", "architecture", "variant", "host_arch", "stem"] {
        add(name, NameKind::Builtin, Shape::Scalar);
    }
    add("cross", NameKind::Builtin, Shape::Condition);
    add("native", NameKind::Builtin, Shape::Condition);
    add(
        "arches",
        NameKind::Builtin,
        Shape::List(Box::new(Shape::Arch)),
    );
    // What the table does not have, no architecture is called.
    let all = |scheme: &str| {
        let entries = config.map.entries().iter();
        let values: BTreeSet<String> = entries
            .filter_map(|entry| Some(entry.get(scheme)?.into_owned()))
            .collect();
        Vec::from_iter(values)
    };
    for scheme in config.map.schemes() {
        for name in &scheme.template_names {
            names.set_values(name, all(&scheme.name));
        }
    }
    for name in ["os", "architecture", "variant"] {
        names.set_values(name, all(name));
    }
    names
}

fn shape<'a>(slots: impl Iterator<Item = &'a Slot>) -> Shape {
    let shapes = slots.filter_map(|slot| match slot {
        Slot::Value(value) => Some(Shape::of(value)),
        Slot::Absent(_) => None,
    });
    shapes.reduce(Shape::union).unwrap_or(Shape::Scalar)
}

fn define(
    names: &mut Names,
    located: &Located<String>,
    kind: &NameKind,
    shape: Shape,
    problems: &mut Vec<Diagnostic>,
) {
    if let Err(problem) = check_template_name(located) {
        problems.push(problem);
        return;
    }
    let mut name = Name::new(&located.value, kind.clone(), shape);
    name.place = Some(located.place.clone());
    if let Err(other) = names.insert(name) {
        problems.push(clash(located, kind, other));
    }
}

fn clash(name: &Located<String>, kind: &NameKind, other: &Name) -> Diagnostic {
    let message = format!(
        "`{}` is {} and cannot be {} too",
        name.value,
        describe(&other.kind),
        describe(kind)
    );
    let error = Diagnostic::error(Code::NameClash, name.place.clone(), message);
    let setting = matches!(kind, NameKind::Var)
        && !name.place.source().is_argument()
        && keys::CROSSFILE.get(&name.value).is_some();
    let error = error.help(match setting {
        true => format!(
            "for the setting `{}`, put it above the first table: behind `[vars]` it is a variable",
            name.value
        ),
        false => "rename one of them".to_string(),
    });
    match &other.place {
        Some(other) => error.related(other.clone(), "it is defined here"),
        None => error,
    }
}

fn describe(kind: &NameKind) -> String {
    match kind {
        NameKind::Builtin => "a built-in name".to_string(),
        NameKind::Scheme(scheme) => format!("the name of the scheme `{scheme}`"),
        NameKind::Axis => "an axis of the matrix".to_string(),
        NameKind::Column => "a column".to_string(),
        NameKind::Var => "a variable".to_string(),
    }
}
