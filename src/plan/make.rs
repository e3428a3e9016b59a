//! From products to steps.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::fill::{Fill, Patterns, relative};
use super::{Build, Capabilities, Digests, Goal, Plan, Target};
use crate::config::Cell;
use crate::context::Context;
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::document::Located;
use crate::project::{BuildFile, Product};

/// What a plan is made for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options<'a> {
    /// The part of the way.
    pub goal: Goal,
    /// `--tag`: the tags in the place of those of the settings. Empty is those.
    pub tags: Vec<Located<String>>,
    /// The folder that paths are relative to: commands run there.
    pub folder: PathBuf,
    /// The backend's name.
    pub backend: &'a str,
    /// What it can do.
    pub capabilities: &'a Capabilities,
    /// Images are pushed under their digests alone, whatever `arch-tag` says, for an index that somebody else makes.
    pub by_digest: bool,
    /// For [`Goal::Index`]: images that were pushed so, in the place of those that have tags.
    pub digests: Option<&'a Digests>,
    /// A folder of caches to take from, for builds whose settings say no `cache-from`.
    pub cache_from: Option<String>,
    /// A folder to put caches into, for builds whose settings say no `cache-to`.
    pub cache_to: Option<String>,
    /// Only what images are called is asked for: what a build would get may be missing.
    pub names_only: bool,
}

impl<'a> Options<'a> {
    /// All of the way, with a backend, for paths as they are.
    pub fn new(backend: &'a str, capabilities: &'a Capabilities) -> Options<'a> {
        Options {
            goal: Goal::Release,
            tags: Vec::new(),
            folder: PathBuf::new(),
            backend,
            capabilities,
            by_digest: false,
            digests: None,
            cache_from: None,
            cache_to: None,
            names_only: false,
        }
    }
}

/// One image: a cell with all that is said about it.
pub(super) struct Image<'a> {
    pub(super) file: &'a BuildFile,
    pub(super) target: Target,
    /// The reference for each tag of the index; the name alone where it is pushed by digest.
    pub(super) references: Vec<String>,
    pub(super) by_digest: bool,
    pub(super) builder: Option<String>,
    pub(super) optional: bool,
    /// Whether the project says how it is called: then it has to be made on its own.
    pub(super) has_own_name: bool,
    pub(super) build: Build,
}

impl Plan {
    /// Works out the steps for products.
    ///
    /// # Errors
    /// Everything that is wrong: no image name, texts that are no references, two images of one name.
    pub fn make(products: &[Product], options: &Options<'_>) -> Result<Plan, Vec<Diagnostic>> {
        let mut maker = Maker {
            options,
            several: products.len() > 1,
            plan: Plan::new(options.backend, Vec::new()),
            problems: Vec::new(),
            taken: HashMap::new(),
            turns: HashMap::new(),
        };
        for product in products {
            maker.product(product);
        }
        maker.tell_apart();
        match maker.problems.is_empty() {
            true => Ok(maker.plan),
            false => Err(maker.problems),
        }
    }
}

pub(super) struct Maker<'a> {
    pub(super) options: &'a Options<'a>,
    /// Whether there is more than one product, whose labels have to be told apart.
    pub(super) several: bool,
    pub(super) plan: Plan,
    pub(super) problems: Vec<Diagnostic>,
    /// Who has a reference already.
    taken: HashMap<String, String>,
    /// How many images each list of builders has had.
    turns: HashMap<Vec<String>, usize>,
}

impl Maker<'_> {
    fn product(&mut self, product: &Product) {
        let name = product.source.file_name().unwrap_or_default();
        let name = name.to_string_lossy();
        let stem = name.strip_suffix(".cross").unwrap_or(&name).to_string();
        let cells: Vec<Cell> = product.files.iter().map(|file| file.cell.clone()).collect();
        let contexts = product.config.contexts(&cells);
        let mut patterns = Patterns::new();
        let mut points: Vec<Vec<(&BuildFile, Context)>> = Vec::new();
        for (file, (_, context)) in product.files.iter().zip(contexts) {
            let context = context.with_stem(&stem);
            match points.last_mut() {
                Some(point) if point[0].0.cell.axes == file.cell.axes => {
                    point.push((file, context));
                }
                _ => points.push(vec![(file, context)]),
            }
        }
        for point in points {
            self.point(product, &point, &mut patterns);
        }
    }

    /// The images of one point of the matrix, and the indexes over them.
    fn point(
        &mut self,
        product: &Product,
        point: &[(&BuildFile, Context)],
        patterns: &mut Patterns,
    ) {
        let config = &product.config;
        let Some((first, _)) = point.first() else {
            return;
        };
        let before = self.problems.len();
        let goal = self.options.goal;
        let left_out = product.left_out.iter().filter(|cell| {
            cell.axes == first.cell.axes
                && !config
                    .arch
                    .get(&cell.arch)
                    .is_some_and(|arch| arch.optional)
        });
        let left_out: Vec<String> = left_out.map(|cell| format!("`{}`", cell.arch)).collect();
        let incomplete = !left_out.is_empty();
        let what = format!(
            "without {} the index would be incomplete",
            left_out.join(", ")
        );
        match goal {
            Goal::Index if incomplete => {
                let problem = Diagnostic::error(Code::BadValue, Place::argument("--arch"), what);
                let help = "leave `--arch` out: images that are in the registry already are taken from there; or say `optional = true` for those";
                if !self
                    .problems
                    .iter()
                    .any(|known| known.message == problem.message)
                {
                    self.problems.push(problem.help(help));
                }
                return;
            }
            Goal::Release if incomplete => self.note(format!(
                "{what}: it is not made; `crossfile manifest` does when all images are pushed"
            )),
            _ => {}
        }
        let index = config.index_image(&first.cell);
        let mut fill = Fill {
            config,
            patterns,
            problems: &mut self.problems,
        };
        let Some(image) = &index.image else {
            let place = Place::file(&product.source);
            let problem = Diagnostic::error(Code::NoImage, place, "nothing says the image's name");
            let help = "write `image = \"registry.example.com/acme/nginx\"` in crossfile.toml";
            self.problems.push(problem.help(help));
            return;
        };
        let Some(image) = fill.same_for_all(image, point) else {
            return;
        };
        let said = match self.options.tags.as_slice() {
            [] => index.tags.clone(),
            tags => Some(tags.to_vec()),
        };
        let said = said.unwrap_or_else(|| {
            let place = index.image.as_ref().map(|image| image.place.clone());
            let place = place.unwrap_or_else(|| Place::file(&product.source));
            vec![Located::new("latest".to_string(), place)]
        });
        if said.is_empty() {
            let place = index.image.as_ref().map(|image| image.place.clone());
            let place = place.unwrap_or_else(|| Place::file(&product.source));
            let message = "`tags` is empty: the image would have no name";
            let problem = Diagnostic::error(Code::NoImage, place, message);
            self.problems
                .push(problem.help("leave `tags` out for `latest`"));
            return;
        }
        let mut tags: Vec<(String, Place)> = Vec::new();
        let mut references: Vec<(String, Place)> = Vec::new();
        for tag in &said {
            let Some(text) = fill.same_for_all(tag, point) else {
                continue;
            };
            if let Some(reference) = fill.reference(&format!("{image}:{text}"), &tag.place)
                && !tags.iter().any(|(known, _)| *known == text)
            {
                references.push((reference, tag.place.clone()));
                tags.push((text, tag.place.clone()));
            }
        }
        let annotations = match self.options.names_only {
            true => None,
            false => fill.annotations(point),
        };
        let annotations = annotations.unwrap_or_default();
        for (reference, place) in references {
            self.taken_by(&reference, &place, &product.source, (first, true));
        }
        // With a clash of indexes those of their images are no news.
        let clashed = self.problems[before..].iter();
        if clashed
            .into_iter()
            .any(|problem| problem.code == Code::TagClash)
        {
            return;
        }
        let mut images = Vec::new();
        for (file, context) in point {
            let image = self.image(product, file, context, (&image, &tags), patterns);
            images.extend(image);
        }
        if self.problems.len() > before {
            return;
        }
        let tags: Vec<String> = tags
            .iter()
            .map(|(tag, _)| format!("{image}:{tag}"))
            .collect();
        self.steps(product, first, images, (&tags, incomplete, annotations));
    }

    /// Refuses a reference that another image has.
    fn taken_by(
        &mut self,
        reference: &str,
        place: &Place,
        source: &Path,
        (file, is_index): (&BuildFile, bool),
    ) {
        let cell = crate::config::describe(std::slice::from_ref(&file.cell));
        let source = relative(&self.options.folder, source);
        let axes = cell
            .split_once(" with ")
            .map_or(String::new(), |(_, axes)| format!(" with {axes}"));
        let who = match is_index {
            true => format!("the index{axes} of {source}"),
            false => format!("{cell} of {source}"),
        };
        if let Some(other) = self.taken.insert(reference.to_string(), who.clone()) {
            let message =
                format!("two images would be one: `{reference}` for {other} and for {who}");
            self.problems.push(
                Diagnostic::error(Code::TagClash, place.clone(), message).help(
                    "use more of what tells them apart in `image`, `tags` or `arch-tag`: the axes, `{{arch}}`",
                ),
            );
        }
    }

    fn image<'f>(
        &mut self,
        product: &Product,
        file: &'f BuildFile,
        context: &Context,
        (index, tags): (&str, &[(String, Place)]),
        patterns: &mut Patterns,
    ) -> Option<Image<'f>> {
        let config = &product.config;
        let cell = &file.cell;
        let settings = config.image(cell);
        let arch = config.arch.get(&cell.arch);
        let platform = config.map.get(cell.arch.as_str())?.get("platform")?;
        let target = Target::new(cell.arch.as_str(), platform.into_owned());
        let mut fill = Fill {
            config,
            patterns,
            problems: &mut self.problems,
        };
        let has_own_name = settings
            .arch_tag
            .as_ref()
            .is_some_and(|tag| !tag.value.is_empty());
        let image = match &settings.image {
            Some(image) => fill.text(image, cell, context, &[])?,
            None => index.to_string(),
        };
        let pattern = settings.arch_tag.clone().unwrap_or_else(|| {
            let place = settings.image.as_ref().map(|image| image.place.clone());
            let place = place.unwrap_or_else(|| Place::file(&product.source));
            Located::new("{{arch}}-{{tag}}".to_string(), place)
        });
        let options = self.options;
        let told = options.by_digest || options.digests.is_some() || options.names_only;
        let by_digest = pattern.value.is_empty() || told && !options.names_only;
        if by_digest && options.goal != Goal::Release && !told {
            let message = "images without tags of their own are pushed by digest: only a release knows which they are";
            let problem = Diagnostic::error(Code::BadValue, pattern.place.clone(), message);
            let help = "give `arch-tag` a pattern, or use `crossfile release`; or write them down with `crossfile push --by-digest FILE`, for `crossfile manifest --digests FILE`";
            if !fill
                .problems
                .iter()
                .any(|known| known.place == problem.place)
            {
                fill.problems.push(problem.help(help));
            }
            return None;
        }
        let mut references = Vec::new();
        if by_digest {
            references.push(fill.reference(&image, &pattern.place)?);
        }
        for (tag, _) in tags.iter().filter(|_| !by_digest) {
            let own = fill.text(&pattern, cell, context, &[("tag", tag)])?;
            references.push(fill.reference(&format!("{image}:{own}"), &pattern.place)?);
        }
        if tags.is_empty() {
            // What is wrong with the tags is told; what is wrong with this should not wait.
            fill.text(&pattern, cell, context, &[("tag", "tag")])?;
        }
        let build = fill.build(product, file, context, &settings, self.options)?;
        for reference in references.iter().filter(|_| !by_digest) {
            self.taken_by(reference, &pattern.place, &product.source, (file, false));
        }
        Some(Image {
            file,
            target,
            references,
            by_digest,
            has_own_name: has_own_name || image != index,
            builder: self.builder(arch.map_or(&[], |arch| &arch.builders)),
            optional: arch.is_some_and(|arch| arch.optional),
            build,
        })
    }

    /// Of several builders each image takes the next.
    fn builder(&mut self, builders: &[Located<String>]) -> Option<String> {
        let list: Vec<String> = builders
            .iter()
            .map(|builder| builder.value.clone())
            .collect();
        let turn = self.turns.entry(list.clone()).or_default();
        let builder = list.get(*turn % list.len().max(1)).cloned();
        *turn += 1;
        builder
    }
}
