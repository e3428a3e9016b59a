//! Every name that a template may use, with where it comes from and its value for each cell.

use crate::config::{Cell, Config};
use crate::context::Slot;
use crate::template::{Name, Template};
use crate::value::Value;

/// A name with its values.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Variable {
    /// What it is, and where the project defines it.
    pub name: Name,
    /// Whether the template uses it; nothing where no template was asked about.
    pub used: Option<bool>,
    /// Its value, or why it has none, for each cell.
    pub values: Vec<(Cell, Slot)>,
}

/// Every name of the settings, the built-in ones first, with its values for the given cells. `template` is the one to ask
/// what it uses, and the name of its file without `.cross` is the value of `stem`.
///
/// ```
/// use crossfile::{Config, NoInputs, Overrides, Slot, Value, variables};
///
/// let config = Config::read(&[], &Overrides::default(), &NoInputs).unwrap();
/// let names = variables(&config, &config.cells(&config.arches), None);
/// let debian = names.iter().find(|variable| variable.name.name == "debian_arch").unwrap();
/// let (cell, value) = &debian.values[1];
/// assert_eq!((cell.arch.as_str(), value), ("arm32v7", &Slot::Value(Value::Text("armhf".into()))));
/// ```
pub fn variables(
    config: &Config,
    cells: &[Cell],
    template: Option<(&Template, &str)>,
) -> Vec<Variable> {
    let contexts = config.contexts(cells).into_iter();
    let contexts: Vec<_> = contexts
        .map(|(cell, context)| match template {
            Some((_, stem)) => (cell, context.with_stem(stem)),
            None => (cell, context),
        })
        .collect();
    let variable = |name: &Name| {
        let values = contexts.iter().map(|(cell, context)| {
            let slot = match name.name.as_str() {
                "cross" => Slot::Value(Value::Bool(context.is_emulated())),
                "native" => Slot::Value(Value::Bool(context.is_native())),
                "arches" => {
                    let arches = context.arches().map(|arch| arch.as_str().into());
                    Slot::Value(Value::List(arches.collect()))
                }
                name => context.get(name).cloned().unwrap_or_else(|| {
                    // Only `stem` has no value without a template.
                    Slot::Absent("it is the template's name without `.cross`".to_string())
                }),
            };
            (cell.clone(), slot)
        });
        Variable {
            used: template.map(|(template, _)| template.names().contains(&name.name)),
            values: values.collect(),
            name: name.clone(),
        }
    };
    config.names.iter().map(variable).collect()
}
