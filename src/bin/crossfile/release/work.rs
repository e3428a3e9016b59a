//! From arguments to a plan and what does it.

use std::path::PathBuf;
use std::time::Duration;

use crossfile::plan::{Digests, Goal, Options, Plan, Step, StepId, Task, Verify};
use crossfile::{Code, Diagnostic, Located, Overrides, Place, Project, Status, WriteOptions};

#[cfg(feature = "registry")]
use super::args::WithArgs;
use super::args::{ManifestArgs, WhatArgs};
use super::backends::{Opened, said};
use super::{sources, speak};
#[cfg(feature = "registry")]
use crate::args::SelectArgs;
use crate::output::{Output, count};
use crate::project::Loaded;

/// What a command made of the project, or how it ended before.
pub(super) type Made<T> = Result<T, Vec<Diagnostic>>;

/// What a command that runs programs may do.
pub(crate) struct Asked<'a> {
    /// Whether generated files are brought up to date before anything is built from them.
    pub(crate) writes: bool,
    /// Whether anything may be built: then builders are asked.
    pub(crate) builds: bool,
    /// Whether registries are asked for the base images first.
    pub(crate) bases: bool,
    /// How long a program may take to say what it can do.
    pub(crate) patience: Duration,
    /// How registries are spoken to.
    #[cfg(feature = "registry")]
    pub(crate) speak: crate::registry::SpeakArgs,
    pub(crate) cancelled: &'a (dyn Fn() -> bool + Sync),
}

/// What else a plan is told.
#[derive(Default)]
pub(super) struct More {
    /// Whether images are pushed under their digests alone.
    pub(super) by_digest: bool,
    /// The images that were pushed so.
    pub(super) digests: Option<Digests>,
    /// Where caches are taken from and put, where the settings do not say it.
    pub(super) cache_from: Option<String>,
    pub(super) cache_to: Option<String>,
    /// Whether only names are asked for.
    pub(super) names_only: bool,
}

/// A plan with what does it.
pub(super) struct Worked {
    pub(super) plan: Plan,
    pub(super) opened: Opened,
    /// Warnings.
    pub(super) problems: Vec<Diagnostic>,
    /// How registries are spoken to.
    pub(super) registries: speak::Registries,
}

/// Expands the project, brings its files up to date and works out the plan. `asked` is given where programs may be run.
pub(super) fn work_out(
    what: &WhatArgs,
    tags: &[String],
    more: &More,
    goal: Goal,
    output: &Output,
    asked: Option<&Asked<'_>>,
) -> Made<Worked> {
    let locked = what.locked.then_some(true);
    let Loaded {
        paths,
        project,
        expansion,
        products,
        mut problems,
        ..
    } = Loaded::read(&what.paths, &what.select, locked, output)?;
    let unpinned = expansion.outcomes.iter();
    let unpinned = unpinned.filter(|outcome| goal != Goal::Index && outcome.loses_locks());
    problems.extend(unpinned.map(|outcome| {
        let message = "this file has the digests of crossfile.lock, and would lose them";
        Diagnostic::error(Code::NotLocked, Place::file(&outcome.path), message)
            .help("say `--locked`, or `locked = true` in crossfile.toml; without digests: `crossfile generate` first")
    }));
    if products.is_empty() && !problems.iter().any(Diagnostic::is_error) {
        problems.push(nothing(&paths));
    }
    if problems.iter().any(Diagnostic::is_error) {
        return Err(problems);
    }
    let said = match said(what.with.backend.as_deref(), &products) {
        Ok(said) => said,
        Err(problem) => {
            problems.push(*problem);
            return Err(problems);
        }
    };
    let registries = speak::registries(&products)?;
    let opened = Opened::new(&what.with, said, &products, asked, output)?;
    problems.extend(opened.warnings.iter().cloned());
    if let Some(asked) = asked.filter(|asked| asked.bases) {
        problems.extend(bases(&products, &project, asked, output)?);
    }
    let capabilities = opened.backend().capabilities();
    let mut options = Options::new(opened.backend().name(), &capabilities);
    options.goal = goal;
    options.tags = tags_of(tags);
    options.folder.clone_from(&output.folder);
    options.by_digest = more.by_digest;
    options.digests = more.digests.as_ref();
    options.cache_from.clone_from(&more.cache_from);
    options.cache_to.clone_from(&more.cache_to);
    options.names_only = more.names_only;
    let plan = Plan::make(&products, &options)?;
    // Whether pushing builds, too, is the backend's affair.
    let builds = plan
        .steps
        .iter()
        .any(|step| matches!(step.task, Task::Build(_)));
    if let Some(asked) = asked.filter(|asked| asked.writes && builds) {
        let written = expansion.write(&WriteOptions {
            force: false,
            prune: false,
            cancelled: asked.cancelled,
        });
        if written.problems.iter().any(Diagnostic::is_error) {
            problems.extend(written.problems);
            return Err(problems);
        }
        if !written.done.is_empty() {
            output.progress(&format!("{} generated", count(written.done.len(), "file")));
        }
    } else if builds {
        // What would stop the run stops the plan.
        let foreign = expansion.outcomes.iter();
        let foreign = foreign.filter(|outcome| outcome.status == Status::Foreign);
        problems.extend(foreign.map(|outcome| {
            let message = "this file is not crossfile's, and would stop a build";
            Diagnostic::warning(Code::Foreign, Place::file(&outcome.path), message)
                .help("see what would change with `crossfile generate --diff`")
        }));
    }
    Ok(Worked {
        plan,
        opened,
        problems,
        registries,
    })
}

/// Tags with their places.
pub(super) fn tags_of(tags: &[String]) -> Vec<Located<String>> {
    let tags = tags.iter().map(|tag| {
        let place = Place::argument(&format!("--tag {tag}"));
        let place = Place::new(place.source(), 6..6 + tag.len());
        Located::new(tag.clone(), place)
    });
    tags.collect()
}

/// Asks for the base images. What is missing stops a release; what cannot be asked may be known to the builder all the same.
#[cfg(feature = "registry")]
fn bases(
    products: &[crossfile::Product],
    project: &Project,
    asked: &Asked<'_>,
    output: &Output,
) -> Made<Vec<Diagnostic>> {
    let survey = crate::bases::ask(products, asked.speak, None, output)?;
    let mut found = crate::bases::problems(&survey, project);
    for problem in found
        .iter_mut()
        .filter(|problem| !problem.code.is_finding())
    {
        problem.severity = crossfile::Severity::Warning;
    }
    match found.iter().any(Diagnostic::is_error) {
        true => Err(found),
        false => Ok(found),
    }
}

#[cfg(not(feature = "registry"))]
fn bases(
    _: &[crossfile::Product],
    _: &Project,
    _: &Asked<'_>,
    _: &Output,
) -> Made<Vec<Diagnostic>> {
    Ok(Vec::new())
}

/// The plan of a project, without asking any program.
#[cfg(feature = "registry")]
pub(crate) fn plan_of(
    paths: Vec<PathBuf>,
    select: &SelectArgs,
    goal: Goal,
    output: &Output,
) -> Result<Plan, Vec<Diagnostic>> {
    let what = WhatArgs {
        paths,
        select: select.clone(),
        locked: false,
        with: WithArgs::default(),
    };
    let more = More {
        names_only: true,
        ..More::default()
    };
    work_out(&what, &[], &more, goal, output, None).map(|worked| worked.plan)
}

pub(crate) fn nothing(paths: &[PathBuf]) -> Diagnostic {
    let place = Place::file(paths.first().cloned().unwrap_or_default());
    let message =
        "there is nothing to build here: no template, and no `dockerfile` in crossfile.toml";
    Diagnostic::error(Code::NoImage, place, message)
        .help("`crossfile init` writes a template to begin with; for one Dockerfile write `dockerfile = \"Dockerfile\"`")
}

/// The first argument that only counts beside sources.
pub(super) fn for_sources(args: &ManifestArgs) -> Option<String> {
    let to = args.to.as_ref().map(|to| format!("--to {to}"));
    let annotation = args.annotation.first();
    let annotation = annotation.map(|annotation| format!("--annotation {annotation}"));
    let without = args
        .no_attestations
        .then(|| "--no-attestations".to_string());
    let verify = args.verify.then(|| "--verify".to_string());
    to.or(annotation).or(without).or(verify)
}

/// The plan of `manifest` with sources.
pub(super) fn of_sources(args: &ManifestArgs, output: &Output, asked: &Asked<'_>) -> Made<Worked> {
    if args.tag.is_empty() && args.to.is_none() {
        let place = Place::argument(&args.sources.join(" "));
        let message = "nothing says how the index is called";
        let help = "write `--tag registry.example.com/acme/nginx:1.27`";
        return Err(vec![
            Diagnostic::error(Code::NoImage, place, message).help(help),
        ]);
    }
    let index = sources::index(args)?;
    let here = crossfile::config_of(&output.folder, &Overrides::default(), &output.inputs())?;
    let registries = here.registries.clone();
    // Where tags are names in a folder, that is what is proved.
    let proved: Vec<String> = match (&args.to, args.tag.as_slice()) {
        (None, tags) => tags.to_vec(),
        (Some(to), []) => vec![to.clone()],
        (Some(to), tags) => tags.iter().map(|tag| format!("{to}:{tag}")).collect(),
    };
    let opened = Opened::new(&args.with, None, &[], Some(asked), output)?;
    if args.verify && !opened.backend().capabilities().shapes_indexes {
        let message = "the backend's own tool proves nothing before the tag moves";
        let problem = Diagnostic::error(Code::Unsupported, Place::argument("--verify"), message);
        return Err(vec![
            problem.help("leave it out, or make the index with `--index registry`"),
        ]);
    }
    let id = StepId(format!("index:{}", proved[0]));
    let mut steps = vec![Step::new(
        id.clone(),
        &proved[0],
        Vec::new(),
        Task::Index(index),
    )];
    // Our own client has every image confirmed before the tag moves, and says nothing of what the images are: `crossfile verify` does.
    let is_proved = opened.backend().capabilities().shapes_indexes;
    for reference in proved.iter().filter(|_| !is_proved) {
        let verify = Verify::new(reference, Vec::new());
        let own = StepId(format!("verify:{reference}"));
        steps.push(Step::new(
            own,
            reference,
            vec![id.clone()],
            Task::Verify(verify),
        ));
    }
    Ok(Worked {
        plan: Plan::new(opened.backend().name(), steps),
        opened,
        problems: Vec::new(),
        registries,
    })
}
