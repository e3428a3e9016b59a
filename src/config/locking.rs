//! What settings say of base images: what may take their place, and whether they are locked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Config, FILE_NAME, Inputs, Layer, Overrides, keys};
use crate::arch::{ArchMap, ArchName};
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::document::{Fields, Located, Table};
use crate::lock::{self, Lock};

/// Whether base images get the digests of a lock, and of which.
#[derive(Clone, Debug, Default)]
pub(crate) struct Locking {
    /// Where it is asked for; nothing where it is not.
    asked: Option<Place>,
    /// Whether only the command line asks for it.
    pub(crate) by_flag: bool,
    /// The lock; nothing before it is read.
    lock: Option<Result<Arc<Lock>, Vec<Diagnostic>>>,
}

impl Locking {
    pub(super) fn new(locked: Option<Located<bool>>, overrides: &Overrides) -> Locking {
        let said = locked.filter(|locked| locked.value);
        let asked = match (overrides.locked, said) {
            (Some(false), _) => None,
            (_, Some(said)) => Some((said.place, false)),
            (Some(true), None) => Some((Place::argument("--locked"), true)),
            (None, None) => None,
        };
        Locking {
            by_flag: asked.as_ref().is_some_and(|(_, by_flag)| *by_flag),
            asked: asked.map(|(place, _)| place),
            lock: None,
        }
    }
}

impl Config {
    /// Reads the lock where one is asked for. `root` is where it lies for a project without settings.
    pub(crate) fn read_lock(&mut self, root: Option<&Path>, inputs: &dyn Inputs) {
        if let (None, Some(root)) = (&self.lock_file, root) {
            self.lock_file = Some(root.join(lock::FILE_NAME));
        }
        let (Some(asked), None, Some(path)) =
            (&self.locking.asked, &self.locking.lock, &self.lock_file)
        else {
            return;
        };
        let lock = match inputs.file(path) {
            Ok(source) => Lock::parse(&source).map(Arc::new),
            Err(problem) => {
                let message = format!("{} cannot be read", lock::FILE_NAME);
                Err(vec![
                    Diagnostic::error(Code::NotLocked, asked.clone(), message)
                        .related(problem.place, problem.message)
                        .help("write it with `crossfile bases --lock`"),
                ])
            }
        };
        // What is generated may not be written over it.
        self.files.push(path.clone());
        self.locking.lock = Some(lock);
    }

    /// The lock whose digests base images get; nothing where they get none.
    ///
    /// # Errors
    /// A lock is asked for, and cannot be read.
    pub fn lock(&self) -> Result<Option<&Lock>, Vec<Diagnostic>> {
        match (&self.locking.lock, &self.locking.asked) {
            (None, None) => Ok(None),
            (Some(Ok(lock)), _) => Ok(Some(lock)),
            (Some(Err(problems)), _) => Err(problems.clone()),
            (None, Some(asked)) => {
                let message = format!("nothing says where {} is", lock::FILE_NAME);
                Err(vec![Diagnostic::error(
                    Code::NotLocked,
                    asked.clone(),
                    message,
                )])
            }
        }
    }
}

/// The lock beside the nearest settings.
pub(super) fn beside(layers: &[Layer]) -> Option<PathBuf> {
    let path = layers.last()?.source.path();
    (path.file_name()? == FILE_NAME).then(|| path.with_file_name(lock::FILE_NAME))
}

/// What `[bases] fallbacks` says.
pub(super) fn fallbacks(
    table: Option<&Table>,
    map: &ArchMap,
    problems: &mut Vec<Diagnostic>,
) -> BTreeMap<ArchName, Vec<ArchName>> {
    let mut fallbacks = BTreeMap::new();
    let Some(table) = table else {
        return fallbacks;
    };
    let mut fields = Fields::new(table, &keys::BASES, problems);
    let lists = fields.table("fallbacks");
    fields.finish();
    for (name, node) in lists.iter().flat_map(|table| table.iter()) {
        if map.get(&name.value).is_none() {
            problems.push(map.unknown_arch(name));
        }
        let Some(list) = node.strings(&name.value, problems) else {
            continue;
        };
        let mut own: Vec<ArchName> = Vec::new();
        for other in list {
            let wrong = match map.get(&other.value) {
                None => Some(map.unknown_arch(&other)),
                Some(_) if other.value == name.value => {
                    let message = format!("`{}` cannot take its own place", other.value);
                    Some(Diagnostic::error(Code::BadValue, other.place, message))
                }
                Some(entry) if own.contains(&entry.name) => {
                    let message = format!("`{}` stands in the list twice", other.value);
                    let problem = Diagnostic::error(Code::BadValue, other.place, message);
                    Some(problem.help("leave one out"))
                }
                Some(entry) => {
                    own.push(entry.name.clone());
                    None
                }
            };
            problems.extend(wrong);
        }
        fallbacks.insert(ArchName::new(&name.value), own);
    }
    fallbacks
}
