//! Images that were pushed under their digests alone, written down for whoever makes the index of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::{Destination, Plan, StepId, Task, VERSION};
use crate::diagnostic::{Code, Diagnostic, Place, Source};
use crate::document::{Fields, Located, NodeValue, Table, parse_json};
use crate::keys::{Fallback, Key, Keys, Kind};
use crate::reference;

/// An image that was pushed: one of [`Digests`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Pushed {
    /// The first name of its index.
    pub index: String,
    /// The architecture that it is for.
    pub arch: String,
    /// Where it is: `registry.example.com/acme/nginx@sha256:…`.
    pub reference: String,
}

/// Images by what they are for.
///
/// ```
/// use crossfile::Source;
/// use crossfile::plan::Digests;
///
/// let digest = "a".repeat(64);
/// let text = format!(r#"{{"version": 1, "images": [{{"index": "acme/nginx:1", "arch": "s390x", "reference": "acme/nginx@sha256:{digest}"}}]}}"#);
/// let digests = Digests::read(&[Source::new("s390x.json", text)]).unwrap();
/// assert_eq!(digests.get("acme/nginx:1", "s390x"), Some(&*format!("acme/nginx@sha256:{digest}")));
/// ```
#[derive(Clone, Debug)]
pub struct Digests {
    images: BTreeMap<(String, String), Located<String>>,
    /// Where they are missed.
    place: Place,
}

const STRING: Key = Key {
    name: "index",
    kind: Kind::String,
    default: Fallback::Text("none"),
    doc: "A text.",
    example: "",
};

const IMAGE: Keys = Keys {
    named: &[
        STRING,
        Key {
            name: "arch",
            ..STRING
        },
        Key {
            name: "reference",
            ..STRING
        },
    ],
    others: None,
};

const FILE: Keys = Keys {
    named: &[
        Key {
            name: "version",
            kind: Kind::Integer,
            ..STRING
        },
        Key {
            name: "images",
            kind: Kind::List(&Kind::Table(&IMAGE)),
            ..STRING
        },
    ],
    others: None,
};

/// Who writes such files, whatever is wrong with one.
const HELP: &str = "`crossfile push --by-digest FILE` writes it";

impl Digests {
    /// Reads what was written for several machines, one text each.
    ///
    /// # Errors
    /// Every problem of the texts, and two images for one place in an index.
    pub fn read(sources: &[Arc<Source>]) -> Result<Digests, Vec<Diagnostic>> {
        let place = sources.first().map(|source| Place::file(source.path()));
        let mut digests = Digests {
            images: BTreeMap::new(),
            place: place.unwrap_or_else(|| Place::argument("--digests")),
        };
        let mut problems = Vec::new();
        for source in sources {
            match parse_json(source) {
                Ok(table) => digests.add(&table, source, &mut problems),
                Err(found) => problems.extend(found),
            }
        }
        match problems.is_empty() {
            true => Ok(digests),
            false => Err(problems),
        }
    }

    fn add(&mut self, table: &Table, source: &Arc<Source>, problems: &mut Vec<Diagnostic>) {
        let mut fields = Fields::new(table, &FILE, problems);
        let version = fields.integer("version");
        let images = fields.node("images");
        fields.finish();
        let known = version
            .as_ref()
            .is_some_and(|version| version.value == i64::from(VERSION));
        let list = images.and_then(|node| match &node.value {
            NodeValue::Array(list) => Some(list),
            _ => None,
        });
        let (true, Some(list)) = (known, list) else {
            let place = version.map_or_else(|| Place::file(source.path()), |said| said.place);
            let message = format!("this is no list of images of the version {VERSION}");
            problems.push(Diagnostic::error(Code::BadValue, place, message).help(HELP));
            return;
        };
        for node in list {
            match &node.value {
                NodeValue::Table(table) => self.image(table, &node.place, problems),
                _ => problems.push(node.expected("images", "a list of objects")),
            }
        }
    }

    fn image(&mut self, table: &Table, place: &Place, problems: &mut Vec<Diagnostic>) {
        let mut fields = Fields::new(table, &IMAGE, problems);
        let index = fields.string("index");
        let arch = fields.string("arch");
        let reference = fields.string("reference");
        fields.finish();
        let (Some(index), Some(arch), Some(reference)) = (index, arch, reference) else {
            let message = "an image has an `index`, an `arch` and a `reference`";
            problems.push(Diagnostic::error(Code::BadValue, place.clone(), message).help(HELP));
            return;
        };
        let split = reference.value.split_once('@');
        let is_right = split.is_some_and(|(name, digest)| {
            reference::check(name).is_ok() && crate::lock::is_digest(digest)
        });
        if !is_right {
            let message = format!("`{}` is no image by its digest", reference.value);
            problems.push(
                Diagnostic::error(Code::BadValue, reference.place, message)
                    .help("write `registry.example.com/acme/nginx@sha256:…`"),
            );
            return;
        }
        let key = (index.value, arch.value);
        match self.images.get(&key) {
            Some(known) if known.value != reference.value => {
                let message = format!("another image of {} for `{}`", key.0, key.1);
                problems.push(
                    Diagnostic::error(Code::BadValue, reference.place, message)
                        .related(known.place.clone(), "the other is here")
                        .help("take the files of one run alone"),
                );
            }
            _ => {
                self.images.insert(key, reference);
            }
        }
    }

    /// The image of an index for an architecture.
    pub fn get(&self, index: &str, arch: &str) -> Option<&str> {
        let found = self.images.get(&(index.to_string(), arch.to_string()));
        found.map(|reference| reference.value.as_str())
    }

    /// The image of an index for an architecture, if it is of the repository `name`. What a machine hands on must not put images of
    /// somebody else into the index.
    pub(super) fn own(
        &self,
        index: &str,
        arch: &str,
        name: &str,
    ) -> Option<Result<&str, Diagnostic>> {
        let found = self.images.get(&(index.to_string(), arch.to_string()))?;
        let is_own = found
            .value
            .split_once('@')
            .is_some_and(|(own, _)| own == name);
        if is_own {
            return Some(Ok(&found.value));
        }
        let message = format!("the image of {index} for `{arch}` is to be one of `{name}`");
        let problem = Diagnostic::error(Code::BadValue, found.place.clone(), message);
        Some(Err(problem.help(format!(
            "write `{name}@sha256:…`; `crossfile push --by-digest FILE` writes it so with the same `image`"
        ))))
    }

    /// That an image is missing.
    pub(super) fn missing(&self, index: &str, arch: &str) -> Diagnostic {
        let message = format!("no image of {index} for `{arch}` is written down here");
        Diagnostic::error(Code::NoImage, self.place.clone(), message)
            .help("push it with `crossfile push --by-digest FILE`; or say `optional = true` for the architecture")
    }
}

/// What was pushed by digest: the steps of a plan with the digests that they yielded.
fn pushed(plan: &Plan, digest: &dyn Fn(&StepId) -> Option<String>) -> Vec<Pushed> {
    let mut images = Vec::new();
    for step in &plan.steps {
        let Task::Build(build) = &step.task else {
            continue;
        };
        let (Destination::Digest, Some(index)) = (build.destination, &build.index) else {
            continue;
        };
        let (Some(target), Some(name), Some(digest)) =
            (build.targets.first(), build.tags.first(), digest(&step.id))
        else {
            continue;
        };
        images.push(Pushed {
            index: index.clone(),
            arch: target.arch.clone(),
            reference: format!("{name}@{digest}"),
        });
    }
    images
}

/// The form of the file.
#[derive(Serialize)]
struct Written {
    version: u32,
    images: Vec<Pushed>,
}

impl Plan {
    /// The text that [`Digests::read`] takes, of what was pushed by digest. `digest` says what a step yielded.
    ///
    /// # Errors
    /// serde_json's, of which none can happen here.
    pub fn digests(
        &self,
        digest: &dyn Fn(&StepId) -> Option<String>,
    ) -> Result<String, serde_json::Error> {
        let written = Written {
            version: VERSION,
            images: pushed(self, digest),
        };
        serde_json::to_string_pretty(&written).map(|text| text + "\n")
    }
}
