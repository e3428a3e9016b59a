//! The flat list of names that a project's templates may use, each defined once.

use crate::config::Config;
use crate::context::Slot;
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::document::Located;
use crate::naming::check_template_name;
use crate::template::{Name, NameKind, Names, Shape};

/// Builds the list; two things of one name are a problem with both places.
pub(crate) fn names(config: &Config, problems: &mut Vec<Diagnostic>) -> Names {
    let mut names = builtin(config);
    for axis in &config.axes {
        define(
            &mut names,
            &axis.name,
            NameKind::Axis,
            Shape::Scalar,
            problems,
        );
    }
    for (name, column) in &config.columns {
        let located = Located::new(name.clone(), column.place.clone());
        let slots = column.values.values().chain(&column.default);
        define(
            &mut names,
            &located,
            NameKind::Column,
            shape(slots),
            problems,
        );
    }
    let per_arch = config.arch.values().flat_map(|settings| &settings.vars);
    let vars = config.vars.iter().chain(per_arch).chain(&config.set);
    for (name, var) in vars {
        let known = names.get(name).map(|name| name.kind.clone());
        let shape = shape(std::iter::once(&var.slot));
        let set = config
            .set
            .get(name)
            .is_some_and(|set| set.place == var.place);
        match known {
            Some(NameKind::Var) => names.widen(name, shape),
            // The command line goes over a column, for every architecture.
            Some(NameKind::Column) if set => names.widen(name, shape),
            _ => {
                let located = Located::new(name.clone(), var.place.clone());
                define(&mut names, &located, NameKind::Var, shape, problems);
            }
        }
    }
    names
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
    kind: NameKind,
    shape: Shape,
    problems: &mut Vec<Diagnostic>,
) {
    if let Err(problem) = check_template_name(located) {
        problems.push(problem);
        return;
    }
    let mut name = Name::new(&located.value, kind, shape);
    name.place = Some(located.place.clone());
    if let Err((name, other)) = names.insert(name) {
        problems.push(clash(&name, other, located.place.clone()));
    }
}

fn clash(name: &Name, other: &Name, place: Place) -> Diagnostic {
    let message = format!(
        "`{}` is {} and cannot be {} too",
        name.name,
        describe(&other.kind),
        describe(&name.kind)
    );
    let error = Diagnostic::error(Code::NameClash, place, message).help("rename one of them");
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
