//! The images that a cell's Dockerfile takes something from, each with the architecture it is taken for.
//!
//! Variables are what a build would have: BuildKit's own, and the `ARG`s before the first `FROM` with the build arguments of the
//! settings laid over their defaults.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::Pattern;
use crate::arch::Platform;
use crate::config::{Cell, Config, ImageSettings};
use crate::context::{Context, Slot};
use crate::dockerfile::{Stages, TakenImage, arguments, automatic, instructions};
use crate::document::Located;
use crate::reference::Parts;

/// An image that a Dockerfile takes something from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WantedImage {
    /// Where its reference stands.
    pub(crate) span: Range<usize>,
    /// The reference as it is written, with variables filled in.
    pub(crate) written: String,
    /// The complete reference.
    pub(crate) reference: Result<Parts, NoReference>,
    /// The architecture that it is taken for, by its key in the table; a platform that the table does not have by itself.
    pub(crate) arch: String,
    /// The platform of that.
    pub(crate) platform: Platform,
}

/// Why it cannot be said which image is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NoReference {
    /// Variables have no value.
    NoValue(Vec<String>),
    /// It is no reference, or `--platform` no platform.
    Wrong(String),
}

impl NoReference {
    /// The reason, for messages.
    pub(crate) fn message(&self) -> String {
        match self {
            NoReference::NoValue(names) => {
                let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
                match names.len() {
                    1 => format!("{} has no value", names[0]),
                    _ => format!("{} have no value", names.join(", ")),
                }
            }
            NoReference::Wrong(message) => message.clone(),
        }
    }

    /// What to do.
    pub(crate) fn help(&self) -> &'static str {
        match self {
            NoReference::NoValue(_) => {
                "give it a value: a default behind `ARG`, or one under [build-args] in crossfile.toml"
            }
            NoReference::Wrong(_) => {
                "a name is lower case, as `registry.example.com/acme/nginx`; a platform is `linux/arm64`"
            }
        }
    }
}

/// The images of a Dockerfile for a cell, in the order of the text.
pub(crate) fn images(
    text: &str,
    config: &Config,
    cell: &Cell,
    context: &Context,
) -> Vec<WantedImage> {
    let (Some(entry), Some(host)) = (
        config.map.get(cell.arch.as_str()),
        config.map.get(config.host.as_str()),
    ) else {
        return Vec::new();
    };
    let found = instructions(text);
    let settings = config.image(cell);
    let fill = |said: &Located<String>| {
        let pattern = Pattern::parse(said, config, &[]).ok()?;
        pattern.render(cell, context).ok()
    };
    let given = automatic(&entry.platform, &host.platform);
    let known = arguments(&found, given, &build_args(&settings, &fill));
    let stages = Stages::of(text, &found, &known);
    let target = settings.target.as_ref().and_then(&fill);
    let contexts = contexts(&settings);
    let images = stages.images(target.as_deref());
    let images = images.filter(|image| !contexts.contains(&image.reference.text));
    images
        .map(|image| wanted(image, config, (cell.arch.as_str(), &entry.platform)))
        .collect()
}

fn wanted(image: &TakenImage, config: &Config, own: (&str, &Platform)) -> WantedImage {
    let (arch, platform, wrong) = match &image.platform {
        None => (own.0.to_string(), own.1.clone(), None),
        Some(said) if !said.unknown.is_empty() => {
            let wrong = NoReference::NoValue(said.unknown.clone());
            (own.0.to_string(), own.1.clone(), Some(wrong))
        }
        Some(said) => match (config.map.platform(&said.text), said.text.parse()) {
            (Ok(entry), _) => (entry.name.to_string(), entry.platform.clone(), None),
            (Err(_), Ok(platform)) => (said.text.clone(), platform, None),
            (Err(_), Err(error)) => {
                let wrong = NoReference::Wrong(error.to_string());
                (own.0.to_string(), own.1.clone(), Some(wrong))
            }
        },
    };
    let written = &image.reference;
    let reference = match (written.unknown.as_slice(), wrong) {
        ([], None) => written.text.parse().map_err(NoReference::Wrong),
        ([], Some(wrong)) => Err(wrong),
        (unknown, _) => Err(NoReference::NoValue(unknown.to_vec())),
    };
    WantedImage {
        span: image.span.clone(),
        written: written.text.clone(),
        reference,
        arch,
        platform,
    }
}

/// The build arguments that have a value; what is wrong with others a plan says.
fn build_args(
    settings: &ImageSettings,
    fill: &dyn Fn(&Located<String>) -> Option<String>,
) -> BTreeMap<String, String> {
    let values = settings.build_args.iter().filter_map(|(name, setting)| {
        let Slot::Value(value) = &setting.value.slot else {
            return None;
        };
        let text = value.text()?;
        let text = match setting.value.from_env {
            true => text,
            false => fill(&Located::new(text, setting.place.clone()))?,
        };
        Some((name.clone(), text))
    });
    values.collect()
}

/// The names that `--build-context` gives to something else than an image of that name.
fn contexts(settings: &ImageSettings) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for flags in settings.flags.values() {
        let mut flags = flags.iter().map(|flag| flag.value.as_str());
        while let Some(flag) = flags.next() {
            let said = match flag.strip_prefix("--build-context") {
                Some("") => flags.next(),
                Some(said) => said.strip_prefix('='),
                None => None,
            };
            names.extend(said.and_then(|said| Some(said.split_once('=')?.0.to_string())));
        }
    }
    names
}
