//! Cells: the points of architectures × matrix axes, and the values of every name at each.

use crate::arch::ArchName;
use std::collections::BTreeSet;

use crate::config::{Config, Var};
use crate::context::{Context, Slot};
use crate::diagnostic::{Code, Diagnostic, Place, closest};
use crate::document::Located;
use crate::value::Value;

/// One point of architectures × axes: what one generated file is for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cell {
    /// The architecture.
    pub arch: ArchName,
    /// The value on each axis, in the order of the axes.
    pub axes: Vec<(String, Value)>,
}

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

impl Cell {
    fn matches(&self, pairs: &[(String, String)]) -> bool {
        pairs.iter().all(|(key, wanted)| match key.as_str() {
            "arch" => self.arch.as_str() == wanted,
            _ => {
                let axis = self.axes.iter().find(|(name, _)| name == key);
                axis.is_some_and(|(_, value)| value.text().as_ref() == Some(wanted))
            }
        })
    }
}

impl Config {
    /// The architectures that `--arch` chooses: of a project that lists its own only those, else any of the table. None
    /// asked for is all.
    ///
    /// # Errors
    /// Names that are no architecture of the project.
    pub fn choose(&self, asked: &[Located<String>]) -> Result<Vec<ArchName>, Vec<Diagnostic>> {
        let mut chosen = Vec::new();
        let mut problems = Vec::new();
        for name in asked {
            match self.map.get(&name.value) {
                None => problems.push(self.map.unknown_arch(name)),
                Some(entry) if self.arches_are_given && !self.arches.contains(&entry.name) => {
                    problems.push(self.not_of_the_project(name));
                }
                Some(entry) => chosen.push(entry.name.clone()),
            }
        }
        match (problems.is_empty(), asked.is_empty()) {
            (true, true) => Ok(self.arches.clone()),
            (true, false) => Ok(chosen),
            (false, _) => Err(problems),
        }
    }

    /// The problem of an architecture of the table that the project does not list.
    pub(crate) fn not_of_the_project(&self, name: &Located<String>) -> Diagnostic {
        let list: Vec<_> = self.arches.iter().map(ArchName::as_str).collect();
        let message = format!("`{}` is not one of the project's architectures", name.value);
        let help = format!(
            "add it to `arches` in crossfile.toml; there are: {}",
            list.join(", ")
        );
        Diagnostic::error(Code::UnknownArch, name.place.clone(), message).help(help)
    }

    /// The cells of the project for the given architectures, in their order within each combination of the axes.
    pub fn cells(&self, arches: &[ArchName]) -> Vec<Cell> {
        let mut cells = self.all_cells(arches);
        let excluded = |cell: &Cell| {
            self.excludes
                .iter()
                .any(|exclude| cell.matches(&exclude.pairs))
        };
        cells.retain(|cell| !excluded(cell));
        cells
    }

    /// Warns of names that the command line sets and nothing of the project defines or uses: most likely a slip.
    pub(crate) fn unused<'a>(&self, used: impl Iterator<Item = &'a str>) -> Vec<Diagnostic> {
        let used: BTreeSet<&str> = used.collect();
        let known = |name: &str| {
            used.contains(name)
                || self.vars.contains_key(name)
                || self.columns.contains_key(name)
                || self.axes.iter().any(|axis| axis.name.value == name)
        };
        let slips = self.set.iter().filter(|(name, _)| !known(name));
        let warning = |(name, var): (&String, &Var)| {
            let message = format!("no template uses `{name}`");
            let near = self
                .names
                .iter()
                .map(|other| other.name.as_str())
                .filter(|other| other != name);
            let help = closest(name, near).map(|near| format!("did you mean `{near}`?"));
            Diagnostic::warning(Code::Unused, var.place.clone(), message).maybe_help(help)
        };
        slips.map(warning).collect()
    }

    /// The names whose values another run need not have. An axis is not among them: all its values are known.
    pub(crate) fn passing_names(&self, host_is_given: bool) -> BTreeSet<String> {
        let axis = |name: &&String| self.axes.iter().any(|axis| &axis.name.value == *name);
        let set = self.set.keys().filter(|name| !axis(name)).cloned();
        let per_arch = self.arch.values().flat_map(|settings| &settings.vars);
        let vars = self
            .vars
            .iter()
            .chain(per_arch)
            .filter(|(_, var)| var.from_env);
        let columns = self.columns.iter().filter(|(_, column)| column.from_env);
        let host = host_is_given.then(|| "host_arch".to_string());
        set.chain(vars.map(|(name, _)| name.clone()))
            .chain(columns.map(|(name, _)| name.clone()))
            .chain(host)
            .collect()
    }

    /// The cells without those that `--set AXIS=VALUE` leaves out.
    pub(crate) fn chosen_cells(&self, arches: &[ArchName]) -> Vec<Cell> {
        let mut cells = self.cells(arches);
        let chosen = |cell: &Cell| {
            cell.axes.iter().all(
                |(name, value)| match self.set.get(name).map(|var| &var.slot) {
                    Some(Slot::Value(wanted)) => wanted.text() == value.text(),
                    _ => true,
                },
            )
        };
        cells.retain(chosen);
        cells
    }

    fn all_cells(&self, arches: &[ArchName]) -> Vec<Cell> {
        let mut points: Vec<Vec<(String, Value)>> = vec![Vec::new()];
        for axis in &self.axes {
            let extend = |point: Vec<(String, Value)>| {
                axis.values.iter().map(move |value| {
                    let mut point = point.clone();
                    point.push((axis.name.value.clone(), value.clone()));
                    point
                })
            };
            points = points.into_iter().flat_map(extend).collect();
        }
        let cell = |point: Vec<(String, Value)>| {
            arches.iter().map(move |arch| Cell {
                arch: arch.clone(),
                axes: point.clone(),
            })
        };
        points.into_iter().flat_map(cell).collect()
    }

    /// Where a name's value for a cell is said, the nearest place first. Nothing for a built-in name and on an axis.
    pub(crate) fn said_at(&self, name: &str, cell: &Cell) -> Option<&Place> {
        let own = self.arch.get(&cell.arch);
        let own = own.and_then(|settings| settings.vars.get(name));
        let var = self.set.get(name).or(own);
        if let Some(var) = var {
            return Some(&var.place);
        }
        if let Some(column) = self.columns.get(name) {
            let value = column.values.get(&cell.arch).or(column.default.as_ref());
            return value.map(|value| &value.place);
        }
        self.vars.get(name).map(|var| &var.place)
    }

    /// Warns of an exclude that no cell matches: it excludes nothing.
    pub(crate) fn check_excludes(&mut self) {
        let cells = self.all_cells(&self.arches);
        for exclude in &self.excludes {
            if !cells.iter().any(|cell| cell.matches(&exclude.pairs)) {
                let place = exclude.place.clone();
                let message = "this matches no cell of the matrix";
                self.warnings
                    .push(Diagnostic::warning(Code::Unused, place, message));
            }
        }
    }

    /// The values of all names for a cell, `stem` excepted. Nothing for an architecture that the table does not have.
    pub fn context(&self, cell: &Cell) -> Option<Context> {
        let mut context = self.context_of(cell)?;
        let arches = self.arches.iter().filter_map(|arch| {
            let cell = Cell {
                arch: arch.clone(),
                axes: cell.axes.clone(),
            };
            self.context_of(&cell)
        });
        context.set_arches(arches.collect());
        Some(context)
    }

    fn context_of(&self, cell: &Cell) -> Option<Context> {
        let entry = self.map.get(cell.arch.as_str())?;
        let mut context = Context::of_arch(&self.map, entry);
        let (native, emulated) = self.emulation(&cell.arch);
        context.set_emulation(native, emulated);
        let text = |text: &str| Slot::Value(Value::Text(text.to_string()));
        context.set("host_arch", text(self.host.as_str()));
        for (name, var) in &self.vars {
            context.set(name, var.slot.clone());
        }
        for (name, value) in &cell.axes {
            context.set(name, Slot::Value(value.clone()));
        }
        for (name, column) in &self.columns {
            let slot = column.values.get(&cell.arch).or(column.default.as_ref());
            let missing = || Slot::Absent(format!("[columns.{name}] has neither it nor `default`"));
            let slot = slot.map(|slot| slot.value.clone());
            context.set(name, slot.unwrap_or_else(missing));
        }
        // A variable that only some architectures have is absent for the others.
        for (arch, settings) in &self.arch {
            for (name, var) in &settings.vars {
                if arch == &cell.arch {
                    context.set(name, var.slot.clone());
                } else if context.get(name).is_none() {
                    let why = format!("only `{arch}` and others of [arch] define it");
                    context.set(name, Slot::Absent(why));
                }
            }
        }
        // On an axis `--set` chooses cells; the others keep their own value.
        let axis = |name: &str| self.axes.iter().any(|axis| axis.name.value == name);
        for (name, var) in self.set.iter().filter(|(name, _)| !axis(name)) {
            context.set(name, var.slot.clone());
        }
        Some(context)
    }
}
