//! Partials: finding their files, those for single architectures among them, and what is wrong with including them.

use std::sync::Arc;

use super::MOST;
use super::check::Inclusion;
use super::helpers::{partial_name, variant};
use super::loader::Loader;
use super::tags::MAX_DEPTH;
use crate::arch::ArchName;
use crate::diagnostic::{Code, Diagnostic, Place, Source, closest};
use crate::dockerfile::lines;
use crate::read::too_large;
use crate::template::{BOM, annotated};

impl Loader<'_> {
    /// Loads what a tag includes: the partial, and the files that it has for single architectures.
    pub(super) fn include(&mut self, inclusion: Inclusion) {
        let place = inclusion.name.place;
        let raw = inclusion.name.value;
        // What an architecture has of its own may be made of what all have.
        let own = self.chain.last().cloned().unwrap_or_default();
        let in_own = |arch: &ArchName| own == variant(&raw, arch.as_str());
        let arches = match self.language.arches.iter().any(in_own) {
            true => Vec::new(),
            false => self.arches_of(&raw),
        };
        let mut names = Vec::new();
        let every = self.language.arches.iter();
        let lacking: Vec<&ArchName> = every.filter(|arch| !arches.contains(arch)).collect();
        // Where each architecture has a file, none for all is needed.
        let all = arches.is_empty() || !lacking.is_empty();
        match all.then(|| self.language.partials.load(partial_name(&raw))) {
            Some(Ok(None)) if !arches.is_empty() => {
                let name = partial_name(&raw);
                // A project that lists none may be asked for any.
                let list = match lacking.len() {
                    0..=5 => {
                        let list: Vec<String> =
                            lacking.iter().map(|arch| format!("`{arch}`")).collect();
                        list.join(", ")
                    }
                    more => format!("{more} architectures"),
                };
                let message = format!("there is no partial `{name}` for {list}");
                let help = format!("write `{name}` for those that have no file of their own");
                let problem = Diagnostic::error(Code::PartialNotFound, place.clone(), message);
                self.problems.push(problem.help(help));
            }
            Some(_) => names.push(raw.clone()),
            None => {}
        }
        names.extend(arches.iter().map(|arch| variant(&raw, arch.as_str())));
        for name in names {
            let place = place.clone();
            if self.chain.contains(&name) {
                let chain = self.chain.iter().chain([&name]).map(String::as_str);
                let chain: Vec<_> = chain.collect();
                let message = format!("partials include each other: {}", chain.join(" → "));
                let problem = Diagnostic::error(Code::PartialCycle, place, message);
                self.problems
                    .push(problem.help("take one of these inclusions out"));
                continue;
            }
            if inclusion.depth > MAX_DEPTH {
                let message =
                    format!("partials and the blocks around them nest deeper than {MAX_DEPTH}");
                let problem = Diagnostic::error(Code::TooDeep, place, message);
                self.problems.push(problem);
                continue;
            }
            let call = place.clone();
            if let Some(partial) = self.find_partial(&name, place) {
                self.warn_of_joined_lines(&call, &partial);
                self.refuse_directives(&partial);
                self.chain.push(name.clone());
                let before = self.problems.len();
                self.load(&name, &partial, inclusion.frames.clone(), inclusion.depth);
                self.chain.pop();
                // What a partial lacks, its caller may have forgotten to hand over.
                for problem in &mut self.problems[before..] {
                    let own = Arc::ptr_eq(problem.place.source(), &partial);
                    if own && problem.code == Code::UnknownName && problem.related.is_empty() {
                        let what =
                            "it is included from here: a value may be handed over, `name=\"…\"`";
                        problem.related.push((call.clone(), what.to_string()));
                    }
                }
            }
        }
    }

    /// The architectures that have a file of their own for a partial.
    pub(super) fn arches_of(&mut self, raw: &str) -> Vec<ArchName> {
        if let Some(known) = self.variants.get(raw) {
            return known.clone();
        }
        let there = |arch: &&ArchName| {
            let found = self.language.partials.load(&variant(raw, arch.as_str()));
            // One that cannot be read is there: loading it says why not.
            !matches!(found, Ok(None))
        };
        let arches: Vec<ArchName> = self.language.arches.iter().filter(there).cloned().collect();
        self.variants.insert(raw.to_string(), arches.clone());
        arches
    }

    /// What an annotated template includes is Handlebars: a directive in it would be a comment and do nothing.
    fn refuse_directives(&mut self, partial: &Arc<Source>) {
        if !self.annotated {
            return;
        }
        if let Some(sign) = annotated::first_sign(partial.text()) {
            let place = Place::new(partial, sign);
            let message = "a directive does nothing in a file that is included";
            self.problems.push(
                Diagnostic::error(Code::MixedDialects, place, message)
                    .help("what is included is Handlebars: write `{{#only \"arm32v7\"}}…{{/only}}`, `{{name}}`"),
            );
        }
    }

    /// A tag alone on its line takes the line break with it: what it includes has to bring one.
    fn warn_of_joined_lines(&mut self, call: &Place, partial: &Source) {
        let text = call.source().text();
        let line = lines(text).find(|line| line.contains(&call.span().start));
        let line = line.map_or("", |line| &text[line]);
        let alone = line.trim().starts_with("{{>")
            && line.trim().ends_with("}}")
            && line.matches("{{").count() == 1;
        // Of an annotated template an inclusion is always whole lines.
        let compiled = self.annotated && self.chain.is_empty();
        if ((alone && line.ends_with('\n')) || compiled)
            && !partial.text().is_empty()
            && !partial.text().ends_with('\n')
        {
            let message = format!(
                "{} does not end in a line break: the next line is joined to its last",
                file_name(partial)
            );
            let help = "end the file with a line break";
            self.warnings
                .push(Diagnostic::warning(Code::JoinedLines, call.clone(), message).help(help));
        }
    }

    fn find_partial(&mut self, name: &str, place: Place) -> Option<Arc<Source>> {
        if let Some(text) = self.texts.get(name) {
            return Some(Arc::clone(&text.source));
        }
        let file = partial_name(name);
        match self.language.partials.load(file) {
            Ok(Some(source)) if source.text().len() > MOST => {
                let (bytes, most) = (source.text().len() as u64, MOST as u64);
                let problem = too_large(Place::file(source.path()), bytes, most);
                self.problems
                    .push(problem.related(place, "it is included here"));
                None
            }
            // A byte-order mark is for the top of a file.
            Ok(Some(source)) => Some(match source.text().strip_prefix(BOM) {
                Some(text) => Source::new(source.path(), text),
                None => source,
            }),
            Ok(None) => {
                let message = format!("there is no partial `{file}`");
                let near = self.language.partials.names();
                let help = match closest(file, near.iter().map(String::as_str)) {
                    _ if file.contains("..") => {
                        "a partial's path goes down from its folder: put the file into `templates/`"
                            .to_string()
                    }
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!(
                        "looked for `{file}` and `{file}.hbs` in the template's folder, those of `partials` in crossfile.toml, and `templates/`"
                    ),
                };
                let problem = Diagnostic::error(Code::PartialNotFound, place, message);
                self.problems.push(problem.help(help));
                None
            }
            Err(problem) => {
                self.problems
                    .push(problem.related(place, "it is included here"));
                None
            }
        }
    }
}

fn file_name(source: &Source) -> std::borrow::Cow<'_, str> {
    source
        .path()
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
}
