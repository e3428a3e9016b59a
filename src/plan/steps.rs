//! From images to steps: what is done in one go, what needs what, how steps are called.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::fill::relative;
use super::make::{Image, Maker};
use super::{
    Build, Destination, Goal, Index, IndexSource, Proof, Push, Step, StepId, Target, Task, Verify,
};
use crate::project::{BuildFile, Product};

impl Maker<'_> {
    /// Gives steps of one name numbers: `a/b` of one axis and `a`, `b` of two look alike. What a step needs stands before it, with
    /// the same name as the last of that name.
    pub(super) fn tell_apart(&mut self) {
        let mut taken: BTreeSet<StepId> = BTreeSet::new();
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
            let (old, label) = (step.id.clone(), step.label.clone());
            let mut number = 1;
            while !taken.insert(step.id.clone()) {
                number += 1;
                step.id = StepId(format!("{old}#{number}"));
                step.label = format!("{label}#{number}");
            }
            now.insert(old, step.id.clone());
        }
    }

    pub(super) fn steps(
        &mut self,
        product: &Product,
        first: &BuildFile,
        images: Vec<Image<'_>>,
        (tags, incomplete, annotations): (&[String], bool, BTreeMap<String, String>),
    ) {
        let prefix = self.prefix(product, first);
        let capabilities = self.options.capabilities;
        let goal = self.options.goal;
        let kept = capabilities.keeps_several || !capabilities.keeps_images;
        let pushed_at_once = goal == Goal::Release && capabilities.pushes_while_building;
        let together = capabilities.several_platforms
            && in_one_go(&images)
            // A builder that makes the index itself would leave them out.
            && annotations.is_empty()
            && !incomplete
            && (kept || pushed_at_once || goal == Goal::Index)
            && !self.options.by_digest
            && self.options.digests.is_none()
            && !self.options.names_only;
        let mut pushed: Vec<StepId> = Vec::new();
        let mut sources: Vec<IndexSource> = Vec::new();
        let of = |optional: bool| -> Vec<Target> {
            let images = images.iter().filter(|image| image.optional == optional);
            images.map(|image| image.target.clone()).collect()
        };
        let (targets, optional) = (of(false), of(true));
        let by_digest = goal == Goal::Push && self.options.by_digest;
        let builds =
            goal != Goal::Index && (goal != Goal::Push || !capabilities.keeps_images || by_digest);
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
        } else if by_digest {
            self.note("pushing by digest builds the images".to_string());
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
                let mut build = Build {
                    targets: targets.clone(),
                    tags: tags.to_vec(),
                    destination,
                    ..image.build
                };
                self.cache(&mut build, &label);
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
                self.verify(product, tags, (&targets, &optional), &needs, true);
            }
            return;
        }
        for image in images {
            let label = format!("{prefix}{}", image.target.arch);
            let mut needs = Vec::new();
            let mut last = None;
            if builds {
                let id = StepId(format!("build:{label}"));
                let mut build = Build {
                    targets: vec![image.target.clone()],
                    tags: image.references.clone(),
                    destination: match image.by_digest {
                        true => Destination::Digest,
                        false => destination,
                    },
                    index: tags.first().filter(|_| by_digest).cloned(),
                    ..image.build
                };
                self.cache(&mut build, &label);
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
            let mut source = image.references.first().map(|reference| IndexSource {
                reference: reference.clone(),
                target: Some(image.target.clone()),
                by_digest: image.by_digest,
                step: last,
                optional: image.optional,
            });
            if let (Some(own), Some(digests), Some(tag)) =
                (&mut source, self.options.digests, tags.first())
            {
                match digests.own(tag, &image.target.arch, &own.reference) {
                    Some(Ok(reference)) => {
                        own.reference = reference.to_string();
                        own.by_digest = false;
                    }
                    Some(Err(problem)) => {
                        self.problems.push(problem);
                        source = None;
                    }
                    None if image.optional => {
                        self.note(format!(
                            "{tag} goes out without `{}`: no digest of it is there",
                            image.target.arch
                        ));
                        source = None;
                    }
                    None => {
                        self.problems.push(digests.missing(tag, &image.target.arch));
                        source = None;
                    }
                }
            }
            sources.extend(source);
        }
        if incomplete || !matches!(goal, Goal::Index | Goal::Release) {
            return;
        }
        let label = match tags.first() {
            Some(tag) => short(tag).to_string(),
            None => return,
        };
        let id = StepId(format!("index:{}", tags[0]));
        let mut index = Index::new(tags.to_vec(), sources);
        index.annotations = annotations;
        let settings = &product.config.verify;
        let allow = settings.allow.iter().map(|glob| glob.value.clone());
        index.proof = settings.programs.then(|| Proof::new(allow.collect()));
        self.push(id.clone(), &label, pushed, None, Task::Index(index));
        self.verify(product, tags, (&targets, &optional), &[id], false);
    }

    /// Gives a build its parts of the folders of caches.
    fn cache(&self, build: &mut Build, label: &str) {
        let plain = |c: char| match c.is_ascii_alphanumeric() || "._-".contains(c) {
            true => c,
            false => '-',
        };
        let name: String = label.chars().map(plain).collect();
        let options = self.options;
        if let (Some(folder), true) = (&options.cache_from, build.cache_from.is_empty()) {
            build.cache_from = vec![format!("type=local,src={folder}/{name}")];
        }
        if let (Some(folder), true) = (&options.cache_to, build.cache_to.is_empty()) {
            build.cache_to = vec![format!("type=local,dest={folder}/{name},mode=max")];
        }
    }

    fn verify(
        &mut self,
        product: &Product,
        tags: &[String],
        (targets, optional): (&[Target], &[Target]),
        needs: &[StepId],
        programs: bool,
    ) {
        if !self.options.capabilities.verifies {
            self.note("no program is here that could read the index back".to_string());
            return;
        }
        let settings = &product.config.verify;
        let allow: Vec<String> = settings
            .allow
            .iter()
            .map(|glob| glob.value.clone())
            .collect();
        for (at, tag) in tags.iter().enumerate() {
            let verify = Verify {
                reference: tag.clone(),
                targets: targets.to_vec(),
                may_have: optional.to_vec(),
                // All tags lead to one index.
                programs: programs && settings.programs && at == 0,
                allow: match programs && at == 0 {
                    true => allow.clone(),
                    false => Vec::new(),
                },
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

    pub(super) fn note(&mut self, note: String) {
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
