//! What the settings say about an image, with names filled in.

use std::collections::{BTreeMap, HashMap};
use std::path::{Component, Path, PathBuf};

use super::{Build, Destination, Options};
use crate::config::{Cell, Config, ImageSettings, Setting};
use crate::context::{Context, Slot};
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::document::Located;
use crate::expand::Pattern;
use crate::project::{BuildFile, Product};
use crate::reference::check as check_reference;
use crate::value::Value;
use crate::ways::{way_or_path, with_slashes};

/// The settings in which names are filled in, parsed once.
pub(super) type Patterns = HashMap<(String, Place), Result<Pattern, ()>>;

/// Fills names into the settings of one product.
pub(super) struct Fill<'a> {
    pub(super) config: &'a Config,
    pub(super) patterns: &'a mut Patterns,
    pub(super) problems: &'a mut Vec<Diagnostic>,
}

impl Fill<'_> {
    pub(super) fn text(
        &mut self,
        setting: &Located<String>,
        cell: &Cell,
        context: &Context,
        more: &[(&str, &str)],
    ) -> Option<String> {
        let key = (setting.value.clone(), setting.place.clone());
        let config = self.config;
        let problems = &mut *self.problems;
        let pattern = self.patterns.entry(key).or_insert_with(|| {
            let names: Vec<&str> = more.iter().map(|(name, _)| *name).collect();
            let parsed = Pattern::parse(setting, config, &names);
            // Told once.
            parsed.map_err(|found| problems.extend(found))
        });
        let pattern = pattern.as_ref().ok()?;
        let mut context = context.clone();
        for (name, value) in more {
            context.set(*name, Slot::Value(Value::Text((*value).to_string())));
        }
        match pattern.render(cell, &context) {
            Ok(text) => Some(text),
            Err(problem) => {
                let known =
                    |known: &Diagnostic| known.code == problem.code && known.place == problem.place;
                if !self.problems.iter().any(known) {
                    self.problems.push(*problem);
                }
                None
            }
        }
    }

    /// A text that has to be one for all architectures of a point.
    pub(super) fn same_for_all(
        &mut self,
        setting: &Located<String>,
        point: &[(&BuildFile, Context)],
    ) -> Option<String> {
        let mut first: Option<(String, &BuildFile)> = None;
        for (file, context) in point {
            let text = self.text(setting, &file.cell, context, &[])?;
            match &first {
                None => first = Some((text, file)),
                Some((known, _)) if *known == text => {}
                Some((known, other)) => {
                    let message = format!(
                        "this is `{known}` for `{}` and `{text}` for `{}`: an index has one name for all",
                        other.cell.arch, file.cell.arch
                    );
                    let help = "what differs between architectures belongs into `arch-tag`";
                    let problem = Diagnostic::error(Code::BadValue, setting.place.clone(), message);
                    self.problems.push(problem.help(help));
                    return None;
                }
            }
        }
        first.map(|(text, _)| text)
    }

    /// Annotations, which are the same for all architectures of a point.
    pub(super) fn annotations(
        &mut self,
        point: &[(&BuildFile, Context)],
    ) -> Option<BTreeMap<String, String>> {
        let config = self.config;
        let mut known: Option<(BTreeMap<String, String>, &BuildFile)> = None;
        for (file, context) in point {
            let own = self.table("annotation", &config.annotations, &file.cell, context)?;
            let Some((first, other)) = &known else {
                known = Some((own, file));
                continue;
            };
            if let Some((name, value)) = own
                .iter()
                .find(|(name, value)| first.get(*name) != Some(value))
            {
                let before = first.get(name).map_or("", String::as_str);
                let message = format!(
                    "the annotation `{name}` is `{before}` for `{}` and `{value}` for `{}`: an index has one for all",
                    other.cell.arch, file.cell.arch
                );
                let place = config.annotations[name].place.clone();
                self.problems
                    .push(Diagnostic::error(Code::BadValue, place, message));
                return None;
            }
        }
        known.map(|(annotations, _)| annotations)
    }

    /// Refuses what is no reference.
    pub(super) fn reference(&mut self, text: &str, place: &Place) -> Option<String> {
        match check_reference(text) {
            Ok(()) => Some(text.to_string()),
            Err(message) => {
                let help = "a name is lower case, as `registry.example.com/acme/nginx`; a tag has letters, digits, `.`, `_` and `-`, 128 at most";
                let problem = Diagnostic::error(Code::BadValue, place.clone(), message).help(help);
                if !self.problems.contains(&problem) {
                    self.problems.push(problem);
                }
                None
            }
        }
    }

    pub(super) fn list(
        &mut self,
        list: Option<&Vec<Located<String>>>,
        cell: &Cell,
        context: &Context,
    ) -> Option<Vec<String>> {
        let mut texts = Vec::new();
        for item in list.into_iter().flatten() {
            texts.push(self.text(item, cell, context, &[])?);
        }
        Some(texts)
    }

    pub(super) fn table(
        &mut self,
        what: &str,
        table: &BTreeMap<String, Located<Setting>>,
        cell: &Cell,
        context: &Context,
    ) -> Option<BTreeMap<String, String>> {
        let mut texts = BTreeMap::new();
        for (name, setting) in table {
            let place = &setting.place;
            let problem = match &setting.value.slot {
                Slot::Value(value) => match value.text() {
                    Some(text) if setting.value.from_env => {
                        texts.insert(name.clone(), text);
                        continue;
                    }
                    Some(text) => {
                        let text = Located::new(text, place.clone());
                        let text = self.text(&text, cell, context, &[])?;
                        texts.insert(name.clone(), text);
                        continue;
                    }
                    None => "it is a list or a table".to_string(),
                },
                Slot::Absent(why) => why.clone(),
            };
            let message = format!("the {what} `{name}` has no value: {problem}");
            let problem = Diagnostic::error(Code::NoValue, place.clone(), message);
            if !self.problems.contains(&problem) {
                self.problems.push(problem);
            }
            return None;
        }
        Some(texts)
    }

    /// The build context.
    pub(super) fn folder(
        &mut self,
        product: &Product,
        cell: &Cell,
        context: &Context,
        settings: &ImageSettings,
    ) -> Option<PathBuf> {
        let Some(said) = &settings.context else {
            return Some(product.context.clone());
        };
        let text = self.text(said, cell, context, &[])?;
        // A context may be an address, which is nobody's folder.
        if text.contains("://") {
            return Some(PathBuf::from(text));
        }
        let beside = said.place.source().path().parent();
        Some(beside.unwrap_or(&product.context).join(text))
    }

    pub(super) fn build(
        &mut self,
        product: &Product,
        file: &BuildFile,
        context: &Context,
        settings: &ImageSettings,
        options: &Options<'_>,
    ) -> Option<Build> {
        let cell = &file.cell;
        let folder = self.folder(product, cell, context, settings)?;
        let target = match &settings.target {
            Some(target) => Some(self.text(target, cell, context, &[])?),
            None => None,
        };
        let mut flags = BTreeMap::new();
        for (backend, list) in &settings.flags {
            flags.insert(backend.clone(), self.list(Some(list), cell, context)?);
        }
        let none = ImageSettings::default();
        let settings = match options.names_only {
            true => &none,
            false => settings,
        };
        Some(Build {
            targets: Vec::new(),
            tags: Vec::new(),
            dockerfile: relative(&options.folder, &file.dockerfile),
            context: relative(&options.folder, &folder),
            destination: Destination::Store,
            target,
            args: self.table("build argument", &settings.build_args, cell, context)?,
            labels: self.table("label", &settings.labels, cell, context)?,
            cache_from: self.list(settings.cache_from.as_ref(), cell, context)?,
            cache_to: self.list(settings.cache_to.as_ref(), cell, context)?,
            secrets: self.list(settings.secrets.as_ref(), cell, context)?,
            flags,
            index: None,
        })
    }
}

/// The build context of each Dockerfile of a product; nothing where what the settings say of it is wrong, which goes to `problems`.
#[cfg(feature = "registry")]
pub(crate) fn contexts(product: &Product, problems: &mut Vec<Diagnostic>) -> Vec<Option<PathBuf>> {
    let config = &product.config;
    let stem = crate::expand::stem(&product.source);
    let cells: Vec<Cell> = product.files.iter().map(|file| file.cell.clone()).collect();
    let mut patterns = Patterns::new();
    let contexts = config.contexts(&cells).into_iter();
    let folders = contexts.map(|(cell, context)| {
        let mut fill = Fill {
            config,
            patterns: &mut patterns,
            problems: &mut *problems,
        };
        let context = context.with_stem(&stem);
        fill.folder(product, &cell, &context, &config.image(&cell))
    });
    folders.collect()
}

/// The way from the folder of a plan to a path, with `/` on every system; the path itself where it is elsewhere.
pub(super) fn relative(folder: &Path, path: &Path) -> String {
    if !path.is_absolute() {
        return path.to_string_lossy().into_owned();
    }
    let mut whole = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                whole.pop();
            }
            part => whole.push(part),
        }
    }
    with_slashes(&way_or_path(folder, &whole))
}
