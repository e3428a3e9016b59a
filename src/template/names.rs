//! The names a template may use: what each is, and the shape of its values.
//!
//! A template is checked against [`Names`] once, for all architectures; it is rendered with one
//! [`Context`](crate::context::Context) per cell, which holds the values of the same names.

use std::collections::BTreeMap;

use crate::diagnostic::{Place, closest};
use crate::value::Value;

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameKind {
    /// Built in: `arch`, `platform`, `stem` …
    Builtin,
    /// What a scheme of the table calls the architecture, such as `debian_arch`.
    Scheme(String),
    /// An axis of the project's matrix.
    Axis,
    /// A column: the project's own word per architecture.
    Column,
    /// A variable.
    Var,
}

/// What can be done with a name's values, known without any of them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shape {
    /// Can be printed.
    Scalar,
    /// Can be tested, not printed: `cross`, `native`.
    Condition,
    /// Can be looped over.
    List(Box<Shape>),
    /// Has fields.
    Table(BTreeMap<String, Shape>),
    /// Every name of an architecture: an element of `arches`.
    Arch,
    /// One of several kinds: cannot be printed, since a list or a table may be among them.
    Mixed,
    /// Not known before rendering.
    Any,
}

impl Shape {
    /// The shape of a value.
    pub fn of(value: &Value) -> Shape {
        match value {
            Value::Text(_) | Value::Number(_) | Value::Bool(_) => Shape::Scalar,
            Value::List(items) => {
                let shapes = items.iter().map(Shape::of);
                Shape::List(Box::new(shapes.reduce(Shape::union).unwrap_or(Shape::Any)))
            }
            Value::Table(values) => Shape::Table(
                values
                    .iter()
                    .map(|(name, value)| (name.clone(), Shape::of(value)))
                    .collect(),
            ),
        }
    }

    /// The shape of values that are of either shape. Fields that only some have are fields of all.
    #[must_use]
    pub fn union(self, other: Shape) -> Shape {
        match (self, other) {
            (Shape::List(a), Shape::List(b)) => Shape::List(Box::new(a.union(*b))),
            (Shape::Table(mut a), Shape::Table(b)) => {
                for (name, shape) in b {
                    let shape = match a.remove(&name) {
                        Some(old) => old.union(shape),
                        None => shape,
                    };
                    a.insert(name, shape);
                }
                Shape::Table(a)
            }
            (a, b) if a == b => a,
            (Shape::Any, known) | (known, Shape::Any) => known,
            _ => Shape::Mixed,
        }
    }
}

/// One name that a template may use.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Name {
    /// The name itself, as in `{{debian_arch}}`.
    pub name: String,
    /// What it stands for.
    pub kind: NameKind,
    /// What can be done with it.
    pub shape: Shape,
    /// Where the project defines it.
    pub place: Option<Place>,
    /// All values that it can have, where that is known: those of an axis, and those of a scheme for any architecture.
    pub values: Vec<String>,
}

impl Name {
    /// A name defined by crossfile itself.
    pub fn new(name: impl Into<String>, kind: NameKind, shape: Shape) -> Name {
        Name {
            name: name.into(),
            kind,
            shape,
            place: None,
            values: Vec::new(),
        }
    }

    /// The placeholder that prints the name, such as `__DEBIAN_ARCH__`; what can only be tested or looped over has none.
    pub fn placeholder(&self) -> Option<String> {
        match self.shape {
            Shape::Scalar => Some(format!("__{}__", self.name.to_uppercase())),
            _ => None,
        }
    }
}

/// The one flat list of names that a template may use.
#[derive(Clone, Debug, Default)]
pub struct Names {
    names: Vec<Name>,
    index: BTreeMap<String, usize>,
}

impl Names {
    /// Adds a name.
    ///
    /// # Errors
    /// The name is there already: the one that stays.
    pub fn insert(&mut self, name: Name) -> Result<(), &Name> {
        match self.index.get(&name.name) {
            Some(&index) => Err(&self.names[index]),
            None => {
                self.index.insert(name.name.clone(), self.names.len());
                self.names.push(name);
                Ok(())
            }
        }
    }

    /// The name, if there is one.
    pub fn get(&self, name: &str) -> Option<&Name> {
        self.index.get(name).map(|&index| &self.names[index])
    }

    /// Says what values a name can have.
    pub(crate) fn set_values(&mut self, name: &str, values: Vec<String>) {
        if let Some(&index) = self.index.get(name) {
            self.names[index].values = values;
        }
    }

    /// Lets a name be of either shape.
    pub(crate) fn widen(&mut self, name: &str, shape: Shape) {
        if let Some(&index) = self.index.get(name) {
            let known = &mut self.names[index].shape;
            *known = std::mem::replace(known, Shape::Any).union(shape);
        }
    }

    /// All names, the built-in ones first.
    pub fn iter(&self) -> impl Iterator<Item = &Name> {
        self.names.iter()
    }

    /// The known name most like `name`.
    pub fn closest(&self, name: &str) -> Option<&str> {
        // The project's own names are the likelier target of a typo: they go first, and the first of equals wins.
        let own = |name: &&Name| name.place.is_some();
        let mine = self.names.iter().filter(own);
        let others = self.names.iter().filter(|name| !own(name));
        closest(name, mine.chain(others).map(|name| name.name.as_str()))
    }
}
