//! The table of architecture names, built in or with a project's own laid over it.
//!
//! An `ArchMap` that exists was checked as a whole: it has no two rows of one name or platform, and every reference in
//! it leads somewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use crate::arch::entry::{ArchName, Entry, Scheme};
use crate::arch::resolve::ResolveError;
use crate::diagnostic::{Code, Diagnostic, Place, Source};
use crate::document::Located;

/// The text of the table that crossfile ships.
pub const BUILTIN: &str = include_str!("../../arch-map.toml");

/// Template names that are no scheme's: a scheme may not take them.
pub(crate) const STRUCTURAL_NAMES: &[&str] = &[
    "arch",
    "arches",
    "os",
    "architecture",
    "variant",
    "host_arch",
    "stem",
    "cross",
    "native",
];

/// A name that means different architectures to different people.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Ambiguity {
    /// What it may mean, the commonest first.
    pub means: Vec<ArchName>,
    /// Who means what.
    pub why: String,
    /// Where this is said.
    pub place: Place,
}

/// The table of architecture names.
///
/// ```
/// use crossfile::ArchMap;
///
/// let map = ArchMap::builtin();
/// let pi = map.resolve("armv7l").unwrap();
/// assert_eq!(pi.name.as_str(), "arm32v7");
/// assert_eq!(pi.get("debian").unwrap(), "armhf");
/// assert_eq!(pi.platform.to_string(), "linux/arm/v7");
/// assert!(map.resolve("armhf").is_err(), "Debian and Alpine disagree on `armhf`");
/// assert_eq!(map.resolve_from("armhf", "alpine").unwrap().name.as_str(), "arm32v6");
/// ```
#[derive(Clone, Debug)]
pub struct ArchMap {
    pub(super) entries: Vec<Entry>,
    pub(super) schemes: Vec<Scheme>,
    pub(super) ambiguous: BTreeMap<String, Ambiguity>,
    pub(super) identities: BTreeMap<String, usize>,
}

impl ArchMap {
    /// The table that crossfile ships.
    pub fn builtin() -> Arc<ArchMap> {
        static MAP: OnceLock<Arc<ArchMap>> = OnceLock::new();
        let map = MAP.get_or_init(|| {
            let source = Source::new("arch-map.toml (built in)", BUILTIN);
            #[expect(
                clippy::expect_used,
                reason = "the text is a constant of this program and a test parses it"
            )]
            let map = ArchMap::parse(&source).expect("the built-in table is valid");
            Arc::new(map)
        });
        Arc::clone(map)
    }

    /// A table from nothing but `source`.
    ///
    /// # Errors
    /// Every problem of the file, each with its place.
    pub fn parse(source: &Arc<Source>) -> Result<ArchMap, Vec<Diagnostic>> {
        let empty = ArchMap {
            entries: Vec::new(),
            schemes: Vec::new(),
            ambiguous: BTreeMap::new(),
            identities: BTreeMap::new(),
        };
        empty.with_overlay(source)
    }

    /// The rows, in the order of the file.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The row of exactly this key.
    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.entries
            .iter()
            .find(|entry| entry.name.as_str() == name)
    }

    /// What a machine of one architecture runs without QEMU: itself, the rows that share its base (amd64v3 on amd64), and i386 on amd64.
    pub fn native_of(&self, host: &ArchName) -> BTreeSet<ArchName> {
        let base = |name: &ArchName| {
            let entry = self.get(name.as_str());
            entry
                .and_then(|entry| entry.base.clone())
                .unwrap_or_else(|| name.clone())
        };
        let host = base(host);
        let runs = |name: &ArchName| {
            let own = base(name);
            own == host || (host.as_str() == "amd64" && own.as_str() == "i386")
        };
        let names = self.entries.iter().map(|entry| entry.name.clone());
        names.filter(runs).collect()
    }

    /// The schemes, in the order of the file.
    pub fn schemes(&self) -> &[Scheme] {
        &self.schemes
    }

    /// The names that are refused without a scheme.
    pub fn ambiguous(&self) -> &BTreeMap<String, Ambiguity> {
        &self.ambiguous
    }

    /// Every name that means one row to everybody, in lower case, with the row.
    pub fn identities(&self) -> impl Iterator<Item = (&str, &Entry)> {
        let identities = self.identities.iter();
        identities.map(|(name, &index)| (name.as_str(), &self.entries[index]))
    }

    pub(crate) fn identity(&self, name: &str) -> Option<&Entry> {
        self.identities.get(name).map(|&index| &self.entries[index])
    }

    /// The error for a name that is no row's key, with the key that is meant where a look-up finds one.
    pub(crate) fn unknown_arch(&self, name: &Located<String>) -> Diagnostic {
        let message = format!("`{}` is not an architecture of the table", name.value);
        let error = Diagnostic::error(Code::UnknownArch, name.place.clone(), message);
        match self.resolve(&name.value) {
            Ok(entry) => error.help(format!("it is called `{}` here", entry.name)),
            Err(ResolveError::Ambiguous { choices, why, .. }) => {
                let choices: Vec<_> = choices.iter().map(|name| format!("`{name}`")).collect();
                error.help(format!("{why}: choose one of {}", choices.join(", ")))
            }
            Err(ResolveError::BadPlatform { choices, .. }) if !choices.is_empty() => {
                let rows = choices
                    .iter()
                    .filter_map(|platform| self.platform(platform).ok());
                let rows: Vec<_> = rows.map(|row| format!("`{}`", row.name)).collect();
                error.help(format!("it may be what is called {} here", rows.join(", ")))
            }
            Err(_) if name.value.contains(char::is_whitespace) => {
                error.help("separate architectures with commas")
            }
            Err(ResolveError::Unknown { schemes, .. }) if !schemes.is_empty() => {
                let (scheme, arches) = &schemes[0];
                let arches: Vec<_> = arches.iter().map(|name| format!("`{name}`")).collect();
                error.help(format!(
                    "what the scheme `{scheme}` calls so is {}",
                    arches.join(", ")
                ))
            }
            Err(problem) => error
                .help("the names are listed by `crossfile arch list`")
                .maybe_help(problem.help()),
        }
    }
}
