//! From products to steps.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::fill::{Fill, Patterns, relative};
use super::{
    Build, Capabilities, Destination, Goal, Index, IndexSource, Plan, Push, Step, StepId, Target,
    Task, Verify,
};
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
        }
    }
}

/// One image: a cell with all that is said about it.
struct Image<'a> {
    file: &'a BuildFile,
    target: Target,
    /// The reference for each tag of the index; the name alone where it is pushed by digest.
    references: Vec<String>,
    by_digest: bool,
    builder: Option<String>,
    optional: bool,
    /// Whether the project says how it is called: then it has to be made on its own.
    has_own_name: bool,
    build: Build,
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

struct Maker<'a> {
    options: &'a Options<'a>,
    /// Whether there is more than one product, whose labels have to be told apart.
    several: bool,
    plan: Plan,
    problems: Vec<Diagnostic>,
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

    /// Gives steps of one name numbers: `a/b` of one axis and `a`, `b` of two look alike. What a step needs stands before it, with
    /// the same name as the last of that name.
    fn tell_apart(&mut self) {
        let mut count: HashMap<StepId, usize> = HashMap::new();
        let mut now: HashMap<StepId, StepId> = HashMap::new();
        for step in &mut self.plan.steps {
            for need in &mut step.needs {
                if let Some(renamed) = now.get(need) {
                    *need = renamed.clone();
                }
            }
            if let Task::Index(index) = &mut step.task {
                for source in index
                    .sources
                    .iter_mut()
                    .filter_map(|source| source.step.as_mut())
                {
                    if let Some(renamed) = now.get(source) {
                        *source = renamed.clone();
                    }
                }
            }
            let number = count.entry(step.id.clone()).or_insert(0);
            *number += 1;
            let old = step.id.clone();
            if *number > 1 {
                step.id = StepId(format!("{old}#{number}"));
                step.label = format!("{}#{number}", step.label);
            }
            now.insert(old, step.id.clone());
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
        for tag in &said {
            let Some(text) = fill.same_for_all(tag, point) else {
                continue;
            };
            if let Some(reference) = fill.reference(&format!("{image}:{text}"), &tag.place)
                && !tags.iter().any(|(known, _)| *known == text)
            {
                self.taken_by(&reference, &tag.place, &product.source, (first, true));
                tags.push((text, tag.place.clone()));
            }
            fill = Fill {
                config,
                patterns,
                problems: &mut self.problems,
            };
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
        self.steps(product, first, images, (&tags, incomplete));
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
        let by_digest = pattern.value.is_empty();
        if by_digest && self.options.goal != Goal::Release {
            let message = "images without tags of their own are pushed by digest: only a release knows which they are";
            let problem = Diagnostic::error(Code::BadValue, pattern.place.clone(), message);
            let help = "give `arch-tag` a pattern, or use `crossfile release`";
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

    fn steps(
        &mut self,
        product: &Product,
        first: &BuildFile,
        images: Vec<Image<'_>>,
        (tags, incomplete): (&[String], bool),
    ) {
        let prefix = self.prefix(product, first);
        let capabilities = self.options.capabilities;
        let goal = self.options.goal;
        let kept = capabilities.keeps_several || !capabilities.keeps_images;
        let pushed_at_once = goal == Goal::Release && capabilities.pushes_while_building;
        let together = capabilities.several_platforms
            && in_one_go(&images)
            && !incomplete
            && (kept || pushed_at_once || goal == Goal::Index);
        let mut pushed: Vec<StepId> = Vec::new();
        let mut sources: Vec<IndexSource> = Vec::new();
        let of = |optional: bool| -> Vec<Target> {
            let images = images.iter().filter(|image| image.optional == optional);
            images.map(|image| image.target.clone()).collect()
        };
        let (targets, optional) = (of(false), of(true));
        let builds = goal != Goal::Index && (goal != Goal::Push || !capabilities.keeps_images);
        let pushes_itself = !capabilities.keeps_images
            || (goal == Goal::Release && capabilities.pushes_while_building);
        let destination = match pushes_itself {
            true => Destination::Registry,
            false => Destination::Store,
        };
        if builds && pushes_itself && goal == Goal::Build {
            self.note(format!(
                "{} keeps no images: building pushes them",
                self.options.backend
            ));
        } else if builds && goal == Goal::Push {
            self.note(format!(
                "{} keeps no images: pushing builds them",
                self.options.backend
            ));
        }
        let separate = matches!(goal, Goal::Push | Goal::Release) && !pushes_itself;
        if together && goal == Goal::Index {
            self.note(format!(
                "a release with {} builds all platforms in one go, which makes the index: images of single architectures are there only where they were built with `--arch`",
                self.options.backend
            ));
        }
        if together && goal != Goal::Index {
            let builder = images.first().and_then(|image| image.builder.clone());
            let label = format!("{prefix}all");
            let mut needs = Vec::new();
            if builds && let Some(image) = images.into_iter().next() {
                let build = Build {
                    targets: targets.clone(),
                    tags: tags.to_vec(),
                    destination,
                    ..image.build
                };
                let id = StepId(format!("build:{label}"));
                needs.push(id.clone());
                self.push(
                    id,
                    &label,
                    Vec::new(),
                    builder.clone(),
                    Task::Build(Box::new(build)),
                );
            }
            if separate {
                let id = StepId(format!("push:{label}"));
                let push = Push {
                    targets: targets.clone(),
                    tags: tags.to_vec(),
                };
                self.push(id.clone(), &label, needs, builder, Task::Push(push));
                needs = vec![id];
            }
            if goal == Goal::Release {
                self.verify(tags, (&targets, &optional), &needs);
            }
            return;
        }
        for image in images {
            let label = format!("{prefix}{}", image.target.arch);
            let mut needs = Vec::new();
            let mut last = None;
            if builds {
                let id = StepId(format!("build:{label}"));
                let build = Build {
                    targets: vec![image.target.clone()],
                    tags: image.references.clone(),
                    destination: match image.by_digest {
                        true => Destination::Digest,
                        false => destination,
                    },
                    ..image.build
                };
                let task = Task::Build(Box::new(build));
                self.push(id.clone(), &label, Vec::new(), image.builder.clone(), task);
                self.last_is_optional(image.optional);
                needs.push(id.clone());
                last = Some(id);
            }
            if separate && !image.by_digest {
                let id = StepId(format!("push:{label}"));
                let push = Push {
                    targets: vec![image.target.clone()],
                    tags: image.references.clone(),
                };
                self.push(
                    id.clone(),
                    &label,
                    needs,
                    image.builder.clone(),
                    Task::Push(push),
                );
                self.last_is_optional(image.optional);
                last = Some(id);
            }
            pushed.extend(last.clone());
            // All of its tags are one image.
            sources.extend(image.references.first().map(|reference| IndexSource {
                reference: reference.clone(),
                target: Some(image.target.clone()),
                by_digest: image.by_digest,
                step: last,
                optional: image.optional,
            }));
        }
        if incomplete || !matches!(goal, Goal::Index | Goal::Release) {
            return;
        }
        let label = match tags.first() {
            Some(tag) => short(tag).to_string(),
            None => return,
        };
        let id = StepId(format!("index:{}", tags[0]));
        let index = Index {
            tags: tags.to_vec(),
            sources,
        };
        self.push(id.clone(), &label, pushed, None, Task::Index(index));
        self.verify(tags, (&targets, &optional), &[id]);
    }

    fn verify(
        &mut self,
        tags: &[String],
        (targets, optional): (&[Target], &[Target]),
        needs: &[StepId],
    ) {
        if !self.options.capabilities.verifies {
            self.note("no program is here that could read the index back".to_string());
            return;
        }
        for tag in tags {
            let verify = Verify {
                reference: tag.clone(),
                targets: targets.to_vec(),
                may_have: optional.to_vec(),
            };
            let id = StepId(format!("verify:{tag}"));
            self.push(id, short(tag), needs.to_vec(), None, Task::Verify(verify));
        }
    }

    fn push(
        &mut self,
        id: StepId,
        label: &str,
        needs: Vec<StepId>,
        builder: Option<String>,
        task: Task,
    ) {
        self.plan.steps.push(Step {
            id,
            label: label.to_string(),
            needs,
            builder,
            optional: false,
            task,
        });
    }

    fn last_is_optional(&mut self, optional: bool) {
        if let Some(step) = self.plan.steps.last_mut() {
            step.optional = optional;
        }
    }

    fn note(&mut self, note: String) {
        if !self.plan.notes.contains(&note) {
            self.plan.notes.push(note);
        }
    }

    /// What tells a product's labels, and those of a point of the matrix, from others: `app/3.22/`.
    fn prefix(&self, product: &Product, first: &BuildFile) -> String {
        let mut prefix = String::new();
        if self.several {
            let source = relative(&self.options.folder, &product.source);
            let name = source.strip_suffix(".cross").unwrap_or(&source);
            let name = name.strip_suffix("/Dockerfile").unwrap_or(name);
            prefix = format!("{name}/");
        }
        for (_, value) in &first.cell.axes {
            prefix.push_str(&value.text().unwrap_or_default());
            prefix.push('/');
        }
        prefix
    }
}

/// Whether images can be built by one command: they differ in nothing but their platform.
fn in_one_go(images: &[Image<'_>]) -> bool {
    let Some(first) = images.first() else {
        return false;
    };
    let same = |image: &Image<'_>| {
        let one_file = image.file.dockerfile == first.file.dockerfile
            || (image.file.text.is_some() && image.file.text == first.file.text);
        let build = Build {
            dockerfile: first.build.dockerfile.clone(),
            ..image.build.clone()
        };
        one_file
            && image.builder == first.builder
            && build == first.build
            && !image.optional
            && !image.has_own_name
    };
    images.len() > 1 && images.iter().all(same)
}

/// A reference without its registry and folders: `nginx:latest`.
fn short(reference: &str) -> &str {
    reference.rsplit('/').next().unwrap_or(reference)
}
