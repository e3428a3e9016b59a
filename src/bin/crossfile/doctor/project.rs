//! What is to be released, and the parts of it that are the project's own: files, plan, base images.

use std::sync::Arc;
#[cfg(feature = "registry")]
use std::time::Duration;

use crossfile::backend::{Backend, Buildctl, NAMES};
use crossfile::doctor::{self, Classic, Fix, Image, Part, Runs, State, Wanted, is_ready};
use crossfile::plan::{Goal, Options, Plan, Task};
use crossfile::run::lower;
use crossfile::{
    Code, Config, Diagnostic, DriftInputs, Located, Overrides, Place, Product, Selection, Status,
    WriteOptions, Written,
};

use super::DoctorArgs;
use super::builds;
use super::machine::{Here, PATIENCE};
use crate::git::Git;
use crate::keep::{Kept, keep};
use crate::output::{Output, count};
use crate::project::Loaded;
use crate::release::{Asked, Opened, chosen, interrupts, said};

/// How long registries may take for all base images.
#[cfg(feature = "registry")]
const BASES: Duration = Duration::from_secs(30);

/// What is looked at.
pub(super) struct Subject<'a> {
    pub(super) args: &'a DoctorArgs,
    pub(super) output: &'a Output,
    pub(super) loaded: Loaded,
    /// The settings of the project, or of the folder where there is none.
    config: Arc<Config>,
    said: Option<Located<String>>,
    backend: Located<String>,
    /// What is done where every program can do what it can at its best, or why nothing can be.
    pub(super) plan: Option<Result<Plan, Vec<Diagnostic>>>,
}

impl<'a> Subject<'a> {
    pub(super) fn read(
        args: &'a DoctorArgs,
        output: &'a Output,
    ) -> Result<Subject<'a>, Vec<Diagnostic>> {
        let what = &args.what;
        let locked = what.locked.then_some(true);
        let loaded = Loaded::read(&what.paths, &what.select, locked, output)?;
        if loaded.problems.iter().any(Diagnostic::is_error) {
            return Err(loaded.problems);
        }
        let products = &loaded.products;
        let config = match products.first() {
            Some(product) => Arc::clone(&product.config),
            None => {
                let folder = loaded.paths.iter().find(|path| path.is_dir());
                let folder = folder.unwrap_or(&output.folder);
                crossfile::config_of(folder, &Overrides::default(), &output.inputs())?
            }
        };
        let with = &what.with;
        let said = said(with.backend.as_deref(), products).map_err(|problem| vec![*problem])?;
        let said = said.or_else(|| config.backend.clone());
        let backend = chosen(with, said.clone());
        // A name that is none stops here; a program of the user's own says what it can do.
        let opened = Opened::new(with, said.clone(), products, None, output)?;
        let plan = (!products.is_empty()).then(|| plan(products, opened.backend(), output));
        Ok(Subject {
            args,
            output,
            loaded,
            config,
            said,
            backend,
            plan,
        })
    }

    pub(super) fn backend(&self) -> &str {
        &self.backend.value
    }

    pub(super) fn has_project(&self) -> bool {
        !self.loaded.products.is_empty()
    }

    pub(super) fn write(&self, options: &WriteOptions<'_>) -> Written {
        self.loaded.expansion.write(options)
    }

    /// Keeps what writing would lose, as `generate` does.
    pub(super) fn keep(&self) -> Vec<Kept> {
        // What is wrong with arguments was told when they were read.
        let overrides = self.overrides().unwrap_or_default();
        let git = Git::default();
        let inputs = self.output.inputs();
        let past = DriftInputs {
            overrides: &overrides,
            inputs: &inputs,
            history: Some(&git),
            most: 0,
        };
        let loaded = &self.loaded;
        keep(&loaded.project, &loaded.expansion, (false, false), &past)
    }

    fn overrides(&self) -> Option<Overrides> {
        let what = &self.args.what;
        let overrides = what.select.overrides(false, false).ok()?;
        Some(Overrides {
            locked: what.locked.then_some(true),
            ..overrides
        })
    }

    /// Looks at everything, side by side.
    pub(super) fn look(&self) -> Result<Vec<Part>, Vec<Diagnostic>> {
        let wanted = self.wanted()?;
        let here = Here::new(self.output);
        #[cfg(feature = "registry")]
        let registries = super::registry::Registries::new(self)?;
        let mut parts = Vec::new();
        std::thread::scope(|scope| {
            let machine = scope.spawn(|| doctor::machine(&wanted, &here));
            #[cfg(feature = "registry")]
            let registry = scope.spawn(|| registries.look());
            #[cfg(feature = "registry")]
            let bases = scope.spawn(|| self.bases());
            let files = self.files(&wanted);
            // A thread that panicked has said so.
            parts.extend(machine.join().unwrap_or_else(|_| broken("program")));
            // What the programs can do does not depend on files.
            let usable = is_ready(&parts);
            if NAMES.contains(&self.backend()) {
                parts.extend(files);
            } else {
                let seen = "it says what it can do; what it needs, only it knows";
                let program = crossfile::backend::External::program(self.backend());
                parts.push(Part::new("program", program, State::Ok, seen));
                parts.extend(files);
            }
            if let Some(plan) = &self.plan {
                parts.extend(self.plan_parts(plan, usable));
            }
            #[cfg(feature = "registry")]
            parts.extend(bases.join().unwrap_or_else(|_| broken("bases")));
            #[cfg(feature = "registry")]
            parts.extend(registry.join().unwrap_or_else(|_| broken("registry")));
        });
        if !self.has_project() {
            let seen = "there is no project here: nothing is generated or pushed";
            let part = Part::new("project", "", State::Skipped, seen);
            let overrides = self.overrides().unwrap_or_default();
            let project = &self.loaded.project;
            let near = project.near_templates(&overrides, &self.output.inputs());
            parts.push(match near.first() {
                Some(near) => {
                    let path = self.output.show(near.place.source().path());
                    let help = near.help.as_deref().unwrap_or_default();
                    part.text(format!("{path}: {}; {help}", near.message))
                }
                None => part,
            });
        }
        Ok(parts)
    }

    /// What is to be built, as far as it matters to machines.
    fn wanted(&self) -> Result<Wanted<'_>, Vec<Diagnostic>> {
        let map = &self.config.map;
        let local = crate::qemu::local(&self.config);
        let local = local.map_err(|what| {
            let place = Place::file("this machine");
            vec![Diagnostic::error(Code::Io, place, what)]
        })?;
        let mut wanted = Wanted::new(map, self.backend(), local);
        wanted.all = self.args.all;
        wanted.own_index = self.args.what.with.has_own_index();
        if let Some(Ok(plan)) = &self.plan {
            wanted.at_once = plan.steps.iter().any(|step| match &step.task {
                Task::Build(build) => build.targets.len() > 1,
                _ => false,
            });
        }
        for product in &self.loaded.products {
            wanted.images.extend(images(product));
        }
        if !self.has_project() {
            wanted.images.extend(self.asked_for()?);
        }
        Ok(wanted)
    }

    /// The architectures of a folder without templates: those asked for, or those that its settings say.
    fn asked_for(&self) -> Result<Vec<Image>, Vec<Diagnostic>> {
        let map = &self.config.map;
        let mut problems = Vec::new();
        let mut names = Vec::new();
        for arch in self.args.what.select.arches() {
            match map.resolve(&arch.value) {
                Ok(entry) => names.push(entry.name.clone()),
                Err(error) => problems.push(error.at(arch.place)),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        if names.is_empty() && self.config.arches_are_given {
            names.clone_from(&self.config.arches);
        }
        let entries = names.iter().filter_map(|name| map.get(name.as_str()));
        Ok(entries
            .map(|entry| Image::new(entry.name.clone(), entry.platform.to_string()))
            .collect())
    }

    /// Generated files, and what `lint` finds.
    fn files(&self, wanted: &Wanted<'_>) -> Vec<Part> {
        if !self.has_project() {
            return Vec::new();
        }
        let outcomes = &self.loaded.expansion.outcomes;
        let with = |status: Status| outcomes.iter().filter(move |own| own.status == status);
        let mut parts = Vec::new();
        let show = |path: &std::path::Path| self.output.show(path);
        for foreign in with(Status::Foreign) {
            let seen = format!(
                "{} is not crossfile's, and would stop a build",
                show(&foreign.path)
            );
            let part = Part::new("files", "", State::Failure, seen);
            parts.push(
                part.text("see what is in it; `--force` overwrites it")
                    .command("crossfile generate --diff"),
            );
        }
        for lost in outcomes.iter().filter(|own| own.loses_locks()) {
            let seen = format!(
                "{} has the digests of crossfile.lock, and would lose them",
                show(&lost.path)
            );
            let part = Part::new("files", "", State::Failure, seen);
            parts.push(part.text("say `--locked`, or `locked = true` in crossfile.toml"));
        }
        let (changed, missing) = (with(Status::Changed).count(), with(Status::Missing).count());
        if parts.is_empty() {
            parts.extend(builds::unwritable(self));
        }
        if parts.is_empty() {
            parts.push(match (changed, missing) {
                (0, 0) => Part::new("files", "", State::Ok, "what is generated is up to date"),
                (0, missing) => {
                    let seen =
                        format!("{} to be generated; a release does", count(missing, "file"));
                    Part::new("files", "", State::Ok, seen)
                }
                (changed, _) => {
                    let seen = format!(
                        "{} not as generated now; a release writes anew",
                        count(changed, "file")
                    );
                    let part = Part::new("files", "", State::Warning, seen);
                    let part = part.command("crossfile generate");
                    let mut written = outcomes
                        .iter()
                        .filter(|own| matches!(own.status, Status::Changed | Status::Missing));
                    let others = written.find_map(|own| owner(&own.target));
                    let kept = with(Status::Changed).all(|own| Git::tracks(&own.target));
                    match (others, kept) {
                        // Files of root's in somebody's folder would be in their way.
                        (Some(owner), _) => part
                            .text("the folder is another's, to whom the files should belong")
                            .command(format!("sudo -u '#{owner}' crossfile generate")),
                        (None, true) => part.safe(Fix::Generate),
                        // Nothing would have what somebody may have written there.
                        (None, false) => part.text(
                            "no commit has them: what was edited by hand is lost; `crossfile generate --diff` shows it",
                        ),
                    }
                }
            });
        }
        if let Some(Ok(plan)) = &self.plan {
            parts.extend(builds::builds(self, plan));
        }
        parts.extend(self.lint(wanted));
        parts
    }

    fn lint(&self, wanted: &Wanted<'_>) -> Vec<Part> {
        let lint = self.loaded.project.lint(&Selection {
            arches: self.args.what.select.arches(),
            out_dir: None,
        });
        let (handlers, others): (Vec<_>, Vec<_>) = lint
            .diagnostics
            .iter()
            .partition(|found| found.code == Code::MissingHandler);
        #[cfg(feature = "registry")]
        let mut parts = super::handlers::look(self, wanted);
        #[cfg(not(feature = "registry"))]
        let (mut parts, _) = (Vec::new(), wanted);
        if let Some(first) = handlers.first().filter(|_| parts.is_empty()) {
            let seen = format!(
                "{}: {}",
                self.output.show(first.place.source().path()),
                first.message
            );
            let part = Part::new("handlers", "", State::Failure, seen);
            let text =
                "or `qemu = false` in crossfile.toml: since Linux 4.8 nothing has to be copied";
            parts.push(part.text(text).command("crossfile qemu fetch"));
        }
        let errors = others.iter().filter(|found| found.is_error()).count();
        let warnings = others.len() - errors;
        parts.push(match (errors, warnings) {
            (0, 0) => Part::new("lint", "", State::Ok, "nothing to say"),
            (0, warnings) => Part::new("lint", "", State::Ok, count(warnings, "warning")),
            (errors, _) => Part::new("lint", "", State::Failure, count(errors, "finding"))
                .command("crossfile lint"),
        });
        parts
    }

    /// Whether what the settings ask for can be done by what is here. `usable` is whether the programs can be asked.
    fn plan_parts(&self, plan: &Result<Plan, Vec<Diagnostic>>, usable: bool) -> Vec<Part> {
        if let Err(problems) = plan {
            return told("plan", problems);
        }
        if !usable {
            let seen = "what the backend can do is not known before the failures above are mended";
            return vec![Part::new("plan", "", State::Skipped, seen)];
        }
        let interrupted = interrupts();
        let cancelled = || interrupted.load(std::sync::atomic::Ordering::SeqCst);
        let asked = Asked {
            writes: false,
            builds: true,
            bases: false,
            patience: PATIENCE,
            #[cfg(feature = "registry")]
            speak: self.args.speak,
            cancelled: &cancelled,
        };
        let products = &self.loaded.products;
        let with = &self.args.what.with;
        let opened = Opened::new(with, self.said.clone(), products, Some(&asked), self.output);
        let opened = match opened {
            Ok(opened) => opened,
            Err(problems) => return told("plan", &problems),
        };
        let made = match self::plan(products, opened.backend(), self.output) {
            Ok(made) => made,
            Err(problems) => return told("plan", &problems),
        };
        match lower(&made, opened.backend()) {
            Ok(_) => {
                let seen = format!(
                    "{}, from builds to the index",
                    count(made.steps.len(), "step")
                );
                vec![Part::new("plan", "", State::Ok, seen)]
            }
            Err(refused) => {
                let parts = refused.iter().map(|refused| {
                    let seen = format!(
                        "{}: {} cannot {}",
                        refused.step,
                        self.backend(),
                        refused.capability
                    );
                    let part = Part::new("plan", "", State::Failure, seen);
                    match refused.help.as_str() {
                        "" => part,
                        help => part.text(help),
                    }
                });
                parts.collect()
            }
        }
    }

    /// Whether the base images are there: without one a release stops before anything is built.
    #[cfg(feature = "registry")]
    fn bases(&self) -> Vec<Part> {
        if !self.has_project() {
            return Vec::new();
        }
        let survey = crate::bases::ask(
            &self.loaded.products,
            self.args.speak,
            Some(BASES),
            self.output,
        );
        let survey = match survey {
            Ok(survey) => survey,
            Err(problems) => return told("bases", &problems),
        };
        let problems = crate::bases::problems(&survey, &self.loaded.project);
        let (missing, unasked): (Vec<_>, Vec<_>) = problems
            .into_iter()
            .partition(|found| found.code.is_finding());
        let mut parts = Vec::new();
        for missing in &missing {
            let state = match missing.is_error() {
                true => State::Failure,
                false => State::Warning,
            };
            let part = Part::new("bases", "", state, &missing.message);
            parts.push(
                part.text(missing.help.clone().unwrap_or_default())
                    .command("crossfile bases"),
            );
        }
        for unasked in &unasked {
            // The builder may know it all the same: a release only warns.
            let part = Part::new("bases", "", State::Warning, &unasked.message);
            parts.push(match &unasked.help {
                Some(help) => part.text(help),
                None => part,
            });
        }
        if parts.is_empty() {
            let seen = "base images are there for every architecture";
            parts.push(Part::new("bases", "", State::Ok, seen));
        }
        parts
    }
}

/// Whose the folder of a file is, where whoever asks is root and it is not root's.
#[cfg(unix)]
fn owner(file: &std::path::Path) -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    let mut above = file.ancestors().skip(1);
    let found = above.find_map(|folder| folder.metadata().ok())?;
    let is_anothers = rustix::process::geteuid().is_root() && found.uid() != 0;
    is_anothers.then_some(found.uid())
}

#[cfg(not(unix))]
fn owner(_: &std::path::Path) -> Option<u32> {
    None
}

/// A part whose look went wrong by our own fault.
fn broken(part: &'static str) -> Vec<Part> {
    let seen = "crossfile broke while it looked: this is a fault of crossfile";
    vec![Part::new(part, "", State::Failure, seen)]
}

/// Problems as parts.
fn told(part: &'static str, problems: &[Diagnostic]) -> Vec<Part> {
    let parts = problems.iter().map(|problem| {
        let state = match problem.is_error() {
            true => State::Failure,
            false => State::Warning,
        };
        let part = Part::new(part, "", state, &problem.message);
        match &problem.help {
            Some(help) => part.text(help),
            None => part,
        }
    });
    parts.collect()
}

fn plan(
    products: &[Product],
    backend: &dyn Backend,
    output: &Output,
) -> Result<Plan, Vec<Diagnostic>> {
    let capabilities = backend.capabilities();
    let mut options = Options::new(backend.name(), &capabilities);
    options.goal = Goal::Release;
    options.folder.clone_from(&output.folder);
    Plan::make(products, &options)
}

/// The images of a product, each for every machine that may build it.
fn images(product: &Product) -> Vec<Image> {
    let mut images = Vec::new();
    for file in &product.files {
        let config = &product.config;
        let Some(entry) = config.map.get(file.cell.arch.as_str()) else {
            continue;
        };
        let settings = config.image(&file.cell);
        let arch = config.arch.get(&file.cell.arch);
        let mut image = Image::new(file.cell.arch.clone(), entry.platform.to_string());
        image.optional = arch.is_some_and(|arch| arch.optional);
        let target = settings.target.as_ref().map(|target| target.value.as_str());
        let text = file.text.as_deref().map(str::to_string);
        // A file that cannot be read is told of elsewhere; what it runs is taken to be something.
        let text = text.or_else(|| std::fs::read_to_string(&file.dockerfile).ok());
        let mut more = Vec::new();
        if let Some(text) = text {
            let runs = Runs::of(&text, target);
            image.runs = runs.target;
            image.classic = Classic::of(&text, target);
            // Programs of a platform that is named run whatever is built.
            for platform in &runs.platforms {
                match config.map.platform(platform) {
                    Ok(named) => more.push((named.name.clone(), platform.clone())),
                    Err(_) => image.runs = true,
                }
            }
        }
        image.secrets = settings.secrets.as_ref().is_some_and(|all| !all.is_empty());
        let flags = settings.flags.get("buildctl").into_iter().flatten();
        let flags: Vec<String> = flags.map(|flag| flag.value.clone()).collect();
        image.flags = Buildctl::global_flags(&flags).0;
        let builders = arch.map_or(&[][..], |arch| &arch.builders);
        let more = more.into_iter().map(|(arch, platform)| {
            let mut named = image.clone();
            (named.arch, named.platform, named.runs) = (arch, platform, true);
            named.classic.runs = true;
            named
        });
        let more: Vec<Image> = more.collect();
        for image in std::iter::once(image).chain(more) {
            match builders {
                [] => images.push(image),
                builders => images.extend(builders.iter().map(|builder| {
                    let mut image = image.clone();
                    image.builder = Some(builder.value.clone());
                    image
                })),
            }
        }
    }
    images
}
