//! Cells: the points of architectures × matrix axes, and the values of every name at each.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::arch::ArchName;

use crate::config::{Config, ImageSettings, Point, Var};
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

/// How a cell's values on the axes are told from another's.
fn key(axes: &[(String, Value)]) -> Vec<Option<String>> {
    axes.iter().map(|(_, value)| value.text()).collect()
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

    /// The cells of the project for the given architectures, in their order within each point of the axes.
    pub fn cells(&self, arches: &[ArchName]) -> Vec<Cell> {
        let points = self.matrix.points.iter();
        points
            .flat_map(|point| self.cells_of(point, arches))
            .collect()
    }

    fn cells_of(&self, point: &Point, arches: &[ArchName]) -> Vec<Cell> {
        let arches = arches.iter().filter(|arch| point.allows(arch));
        let cells = arches.map(|arch| Cell {
            arch: arch.clone(),
            axes: point.axes.clone(),
        });
        let excludes = &self.matrix.excludes;
        let kept = cells.filter(|cell| !excludes.iter().any(|exclude| exclude.fits(cell)));
        kept.collect()
    }

    /// Warns of names that the command line sets and nothing of the project defines or uses: most likely a slip.
    pub(crate) fn unused<'a>(&self, used: impl Iterator<Item = &'a str>) -> Vec<Diagnostic> {
        let used: BTreeSet<&str> = used.collect();
        let known = |name: &str| {
            used.contains(name)
                || self.vars.contains_key(name)
                || self.columns.contains_key(name)
                || self.matrix.axes.iter().any(|axis| axis.name.value == name)
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
        let axis = |name: &&String| {
            self.matrix
                .axes
                .iter()
                .any(|axis| &axis.name.value == *name)
        };
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
    pub fn chosen_cells(&self, arches: &[ArchName]) -> Vec<Cell> {
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

    /// Where a name's value for a cell is said, the nearest place first. Nothing for a built-in name and on an axis.
    pub(crate) fn said_at(&self, name: &str, cell: &Cell) -> Option<&Place> {
        let own = self.arch.get(&cell.arch);
        let own = own.and_then(|settings| settings.vars.get(name));
        let var = self.set.get(name).or(own);
        if let Some(var) = var {
            return Some(&var.place);
        }
        let key = key(&cell.axes);
        let points = self.matrix.points.iter();
        let point = points
            .into_iter()
            .find(|point| self::key(&point.axes) == key);
        let of_cell = point.and_then(|point| {
            let own = point.arch_vars.get(&cell.arch);
            own.and_then(|vars| vars.get(name)).or(point.vars.get(name))
        });
        if let Some(var) = of_cell {
            return Some(&var.place);
        }
        if let Some(column) = self.columns.get(name) {
            let value = column.values.get(&cell.arch).or(column.default.as_ref());
            return value.map(|value| &value.place);
        }
        self.vars.get(name).map(|var| &var.place)
    }

    /// Takes the lists of architectures of single points together with the project's. What a rule lists has to be the
    /// project's; of what a file lists, the project's are taken. A project that lists none has those of its points.
    pub(super) fn settle_arches(&mut self, problems: &mut Vec<Diagnostic>) {
        for rule in &self.matrix.rules {
            for name in rule.arches.iter().flatten() {
                match self.map.get(&name.value) {
                    None => problems.push(self.map.unknown_arch(name)),
                    Some(entry) if self.arches_are_given && !self.arches.contains(&entry.name) => {
                        problems.push(self.not_of_the_project(name));
                    }
                    Some(_) => {}
                }
            }
        }
        let points = &mut self.matrix.points;
        if self.arches_are_given {
            for point in points {
                if let Some(own) = &mut point.arches {
                    let all = self.arches.iter().filter(|arch| own.contains(arch));
                    *own = all.cloned().collect();
                }
            }
        } else if points.iter().any(|point| point.arches.is_some()) {
            let mut all: Vec<ArchName> = Vec::new();
            for point in points {
                let own = point.arches.get_or_insert_with(|| self.arches.clone());
                let new: Vec<_> = own.iter().filter(|arch| !all.contains(arch)).collect();
                all.extend(new.into_iter().cloned());
            }
            self.arches = all;
            self.arches_are_given = true;
        }
    }

    /// Warns of an exclude that fits no cell: it excludes nothing. Refuses those that together leave nothing to make.
    pub(super) fn check_matrix(&mut self, problems: &mut Vec<Diagnostic>) {
        let excludes = std::mem::take(&mut self.matrix.excludes);
        // Without the excludes, so that two that fit the same cell are both right.
        let cells = self.cells(&self.arches);
        for exclude in &excludes {
            let arches = exclude.arches.iter().flatten();
            let strange: Vec<String> = arches
                .filter(|arch| !self.arches.contains(arch))
                .map(|arch| format!("`{arch}`"))
                .collect();
            if self.matrix.warn_of_strange_values(exclude) {
                continue;
            }
            let message = match strange.is_empty() {
                false => format!("the project does not make {}", strange.join(", ")),
                true if !cells.iter().any(|cell| exclude.fits(cell)) => {
                    "this matches no cell of the matrix".to_string()
                }
                true => continue,
            };
            let place = exclude.place.clone();
            self.warnings
                .push(Diagnostic::warning(Code::Unused, place, message));
        }
        self.matrix.excludes = excludes;
        if let Some(last) = self.matrix.excludes.last()
            && !cells.is_empty()
            && self.cells(&self.arches).is_empty()
        {
            let message = "nothing is left to make: every cell of the matrix is left out";
            problems.push(Diagnostic::error(
                Code::BadValue,
                last.place.clone(),
                message,
            ));
        }
        self.warnings.append(&mut self.matrix.warnings);
    }

    /// How the image of a cell is named and built: what is said for the project, for its cells and for its
    /// architecture, each laid over what is said before.
    pub fn image(&self, cell: &Cell) -> ImageSettings {
        let mut image = self.image.clone();
        let rules = self.matrix.rules.iter();
        for rule in rules.filter(|rule| rule.selector.fits(cell)) {
            image.lay(&rule.image);
        }
        if let Some(settings) = self.arch.get(&cell.arch) {
            image.lay(&settings.image);
        }
        image
    }

    /// How the index over the architectures of a point is named: what is said for single architectures does not count.
    pub(crate) fn index_image(&self, cell: &Cell) -> ImageSettings {
        let mut image = self.image.clone();
        let rules = self.matrix.rules.iter();
        for rule in rules.filter(|rule| rule.selector.arches.is_none() && rule.selector.fits(cell))
        {
            image.lay(&rule.image);
        }
        image
    }

    /// The values of all names for a cell, `stem` excepted. Nothing for an architecture that the table does not have, and
    /// for values that no cell has on the axes.
    pub fn context(&self, cell: &Cell) -> Option<Context> {
        let mut found = self.contexts(std::slice::from_ref(cell)).into_iter();
        found.next().map(|(_, context)| context)
    }

    /// The cells with the values of all names for each. What cells have in common is worked out and kept once.
    pub fn contexts(&self, cells: &[Cell]) -> Vec<(Cell, Context)> {
        let points: HashMap<Vec<Option<String>>, &Point> = match cells {
            // One is found faster than all are sorted.
            [cell] => {
                let wanted = key(&cell.axes);
                let mut points = self.matrix.points.iter();
                let point = points.find(|point| key(&point.axes) == wanted);
                point.map(|point| (wanted, point)).into_iter().collect()
            }
            _ => {
                let points = self.matrix.points.iter();
                points.map(|point| (key(&point.axes), point)).collect()
            }
        };
        let others = self.names_of_points();
        let mut bases: BTreeMap<ArchName, Option<Context>> = BTreeMap::new();
        let mut base = |arch: &ArchName| {
            let base = bases.entry(arch.clone());
            base.or_insert_with(|| self.base(arch)).clone()
        };
        let mut arches: HashMap<*const Point, Arc<Vec<Context>>> = HashMap::new();
        let mut found = Vec::with_capacity(cells.len());
        for cell in cells {
            let Some(point) = points.get(&key(&cell.axes)).copied() else {
                continue;
            };
            let siblings = arches.entry(std::ptr::from_ref(point)).or_insert_with(|| {
                let siblings = self.cells_of(point, &self.arches);
                let contexts = siblings.iter().filter_map(|cell| {
                    let mut context = base(&cell.arch)?;
                    self.lay_point(&mut context, point, &others);
                    Some(context)
                });
                Arc::new(contexts.collect())
            });
            let sibling = siblings.iter().find(|context| *context.arch() == cell.arch);
            let mut context = match sibling {
                Some(sibling) => sibling.clone(),
                // Asked for, and not of the project.
                None => {
                    let Some(mut context) = base(&cell.arch) else {
                        continue;
                    };
                    self.lay_point(&mut context, point, &others);
                    context
                }
            };
            context.share_arches(siblings);
            found.push((cell.clone(), context));
        }
        found
    }

    /// The names that points have values of: absent where a point has none.
    fn names_of_points(&self) -> BTreeSet<&str> {
        let points = self.matrix.points.iter();
        let names = points.flat_map(|point| {
            let vars = point.arch_vars.values().flat_map(BTreeMap::keys);
            point.vars.keys().chain(vars)
        });
        names.map(String::as_str).collect()
    }

    /// Lays what a point says over the values of its architecture, and under what is said for the architecture and on the
    /// command line.
    fn lay_point(&self, context: &mut Context, point: &Point, others: &BTreeSet<&str>) {
        let own = self.arch.get(context.arch());
        let is_over = |name: &str| {
            self.set.contains_key(name) || own.is_some_and(|own| own.vars.contains_key(name))
        };
        let mut over = BTreeMap::new();
        for (name, value) in &point.axes {
            // On an axis `--set` chooses cells; the others keep their own value.
            if own.is_none_or(|own| !own.vars.contains_key(name)) {
                over.insert(name.clone(), Slot::Value(value.clone()));
            }
        }
        let arch_vars = point.arch_vars.get(context.arch());
        let vars = point.vars.iter().chain(arch_vars.into_iter().flatten());
        for (name, var) in vars.filter(|(name, _)| !is_over(name)) {
            over.insert(name.clone(), var.slot.clone());
        }
        for name in others {
            if !over.contains_key(*name) && context.get(name).is_none() {
                let why = "only other cells of the matrix define it".to_string();
                over.insert((*name).to_string(), Slot::Absent(why));
            }
        }
        context.lay(over);
    }

    /// The values of all names for an architecture, those of the axes and points excepted.
    fn base(&self, arch: &ArchName) -> Option<Context> {
        let entry = self.map.get(arch.as_str())?;
        let mut context = Context::of_arch(&self.map, entry);
        let (native, emulated) = self.emulation(arch);
        context.set_emulation(native, emulated);
        let text = |text: &str| Slot::Value(Value::Text(text.to_string()));
        context.set("host_arch", text(self.host.as_str()));
        for (name, var) in &self.vars {
            context.set(name, var.slot.clone());
        }
        for (name, column) in &self.columns {
            let slot = column.values.get(arch).or(column.default.as_ref());
            let missing = || Slot::Absent(format!("[columns.{name}] has neither it nor `default`"));
            let slot = slot.map(|slot| slot.value.clone());
            context.set(name, slot.unwrap_or_else(missing));
        }
        let on_axis = |name: &str| self.matrix.axes.iter().any(|axis| axis.name.value == name);
        // A variable that only some architectures have is absent for the others.
        for (other, settings) in &self.arch {
            for (name, var) in &settings.vars {
                if other == arch {
                    context.set(name, var.slot.clone());
                } else if context.get(name).is_none() && !on_axis(name) {
                    let why = format!("only `{other}` and others of [arch] define it");
                    context.set(name, Slot::Absent(why));
                }
            }
        }
        for (name, var) in self.set.iter().filter(|(name, _)| !on_axis(name)) {
            context.set(name, var.slot.clone());
        }
        Some(context)
    }
}
