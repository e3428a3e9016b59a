//! The values of all names for one cell: what a template is rendered with.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use crate::arch::ArchName;
use crate::value::Value;

/// The key under which the JSON of a context holds its architecture: no name of a template can be spelled so.
pub(crate) const ARCH_KEY: &str = "@arch";

/// A name's value for one cell, or why it has none.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Slot {
    /// The value.
    Value(Value),
    /// No value, and why: false in a condition, an error when printed.
    Absent(String),
}

/// The values of all names for one cell.
///
/// ```
/// use crossfile::{ArchMap, Context};
///
/// let map = ArchMap::builtin();
/// let context = Context::of_arch(&map, map.get("arm32v6").unwrap());
/// assert_eq!(context.text("qemu_arch").as_deref(), Some("arm"));
/// assert_eq!(context.text("debian_arch"), None, "Debian has no ARMv6 port");
/// ```
#[derive(Clone, Debug)]
pub struct Context {
    arch: ArchName,
    emulated: bool,
    native: bool,
    /// Shared by all cells of the architecture.
    slots: Arc<BTreeMap<String, Slot>>,
    /// What goes over them. Shared by the clones that differ only in `stem`: there is one for each template.
    over: Arc<BTreeMap<String, Slot>>,
    stem: Option<Slot>,
    arches: Arc<Vec<Context>>,
}

impl Context {
    /// What crossfile itself knows of one architecture: its schemes and its platform, as if it were native.
    pub fn of_arch(map: &crate::arch::ArchMap, entry: &crate::arch::Entry) -> Context {
        let mut context = Context {
            arch: entry.name.clone(),
            emulated: false,
            native: true,
            slots: Arc::default(),
            over: Arc::default(),
            stem: None,
            arches: Arc::default(),
        };
        for name in ["arch", "os", "architecture", "variant"] {
            context.set_scheme(name, entry, name);
        }
        for scheme in map.schemes() {
            for name in &scheme.template_names {
                context.set_scheme(name, entry, &scheme.name);
            }
        }
        context
    }

    fn set_scheme(&mut self, name: &str, entry: &crate::arch::Entry, scheme: &str) {
        let slot = match entry.get(scheme) {
            Some(value) => Slot::Value(Value::Text(value.into_owned())),
            None => Slot::Absent(format!("the table has no `{scheme}` for it")),
        };
        self.set(name, slot);
    }

    /// Gives a name a value, or takes it away.
    pub fn set(&mut self, name: impl Into<String>, slot: Slot) {
        let slots = match self.over.is_empty() {
            true => &mut self.slots,
            false => &mut self.over,
        };
        Arc::make_mut(slots).insert(name.into(), slot);
    }

    /// Lays values over all that are there.
    pub(crate) fn lay(&mut self, over: BTreeMap<String, Slot>) {
        self.over = Arc::new(over);
    }

    /// The same values for a template whose name without `.cross` is `stem`.
    #[must_use]
    pub fn with_stem(&self, stem: &str) -> Context {
        Context {
            stem: Some(Slot::Value(stem.into())),
            ..self.clone()
        }
    }

    /// Says whether the host runs the architecture itself (`native`) or with QEMU (`emulated`). Neither holds for
    /// what no Linux host runs, such as Windows.
    pub fn set_emulation(&mut self, native: bool, emulated: bool) {
        self.native = native;
        self.emulated = emulated;
    }

    /// The contexts that `arches` loops over.
    pub fn set_arches(&mut self, arches: Vec<Context>) {
        self.arches = Arc::new(arches);
    }

    /// The same, for contexts that several have in common.
    pub(crate) fn share_arches(&mut self, arches: &Arc<Vec<Context>>) {
        self.arches = Arc::clone(arches);
    }

    /// The architectures that `arches` loops over.
    pub fn arches(&self) -> impl Iterator<Item = &ArchName> {
        self.arches.iter().map(Context::arch)
    }

    /// The architecture that this is the context of.
    pub fn arch(&self) -> &ArchName {
        &self.arch
    }

    /// Whether lines behind a gate stay: the name `cross`.
    pub fn is_emulated(&self) -> bool {
        self.emulated
    }

    /// Whether the host runs the architecture itself: the name `native`.
    pub fn is_native(&self) -> bool {
        self.native
    }

    /// What a name stands for here; nothing where no such name is.
    pub fn get(&self, name: &str) -> Option<&Slot> {
        match (name, &self.stem) {
            ("stem", Some(stem)) => Some(stem),
            _ => self.over.get(name).or_else(|| self.slots.get(name)),
        }
    }

    /// The architectures that have no value for a name, with the reason: this one, else those of `arches`. A name
    /// that is nobody's (a field of an item, say) is this one's, without a reason.
    pub(crate) fn lacking(&self, name: &str) -> Vec<(ArchName, String)> {
        let absent = |context: &Context| match context.get(name) {
            Some(Slot::Absent(why)) => Some((context.arch.clone(), why.clone())),
            _ => None,
        };
        if let Some(own) = absent(self) {
            return vec![own];
        }
        let others: Vec<_> = self.arches.iter().filter_map(absent).collect();
        match others.is_empty() {
            true => vec![(self.arch.clone(), String::new())],
            false => others,
        }
    }

    /// The text that a name prints; nothing where it has none.
    pub fn text(&self, name: &str) -> Option<String> {
        match self.get(name)? {
            Slot::Value(value) => value.text(),
            Slot::Absent(_) => None,
        }
    }

    /// The values of `names` as JSON, absent ones left out.
    pub(crate) fn to_json(&self, names: &BTreeSet<String>) -> Json {
        let mut map = Map::new();
        map.insert(ARCH_KEY.to_string(), self.arch.as_str().into());
        for name in names {
            let value = match (name.as_str(), self.get(name)) {
                ("cross", _) => Json::Bool(self.emulated),
                ("native", _) => Json::Bool(self.native),
                ("arches", _) => self
                    .arches
                    .iter()
                    .map(|arch| arch.element(self, names))
                    .collect(),
                (_, Some(Slot::Value(value))) => value.to_json(),
                (_, Some(Slot::Absent(_)) | None) => continue,
            };
            map.insert(name.clone(), value);
        }
        Json::Object(map)
    }

    /// This context as an element of the list `arches` of `whole`.
    fn element(&self, whole: &Context, names: &BTreeSet<String>) -> Json {
        let mut element = self.clone();
        element.stem.clone_from(&whole.stem);
        element.to_json(names)
    }
}
