//! `crossfile plan`, `build`, `push`, `manifest` and `release`: one plan, printed or done.

mod args;
mod backends;
mod scratch;

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crossfile::backend::Unsupported;
use crossfile::plan::{Goal, Index, IndexSource, Options, Plan, Step, StepId, Task, Verify};
use crossfile::run::{Processes, Schedule, lower, resolve};
use crossfile::{Code, Diagnostic, Located, Place, Project, Selection, Status, WriteOptions};

use crate::args::SelectArgs;
use crate::output::{Exit, Output, count};
use crate::progress::Progress;
pub(crate) use args::{BuildArgs, ManifestArgs, PlanArgs, ResultFormat};
use args::{DoArgs, PlanFormat, WhatArgs, WithArgs};
use backends::Opened;
use scratch::Scratch;

/// What only asks a registry is tried again after these.
const WAITS: &[Duration] = &[
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];

/// What a command made of the project, or how it ended before.
type Made<T> = Result<T, Vec<Diagnostic>>;

pub(crate) fn plan(args: &PlanArgs, output: &Output) -> io::Result<Exit> {
    let made = work_out(&args.what, &args.tag, Goal::Release, output, None);
    let Worked {
        plan,
        opened,
        problems,
    } = match made {
        Ok(worked) => worked,
        Err(problems) => return failed(&problems, output),
    };
    output.diagnostics(&problems);
    let actions = match lower(&plan, opened.backend()) {
        Ok(actions) => actions,
        Err(refused) => return failed(&refusals(&plan.backend, &refused), output),
    };
    match args.format {
        PlanFormat::Text => output.result(crossfile::plan::text(&plan))?,
        PlanFormat::Shell => output.result(crossfile::run::shell(&plan, &actions))?,
        PlanFormat::Json => output.json(&plan)?,
        PlanFormat::Bake => output.json(&crossfile::plan::bake(&plan))?,
    }
    for note in &plan.notes {
        output.progress(&format!("note: {note}"));
    }
    Ok(Exit::Clean)
}

pub(crate) fn run(args: &BuildArgs, goal: Goal, output: &Output) -> io::Result<Exit> {
    let interrupted = interrupts();
    let cancelled = || interrupted.load(Ordering::SeqCst);
    let asked = Asked {
        writes: !args.how.dry_run,
        builds: true,
        cancelled: &cancelled,
    };
    match work_out(&args.what, &args.tag, goal, output, Some(&asked)) {
        _ if cancelled() => Ok(Exit::Interrupted),
        Ok(worked) => do_it(&worked, &args.how, output, &cancelled),
        Err(problems) => failed(&problems, output),
    }
}

pub(crate) fn manifest(args: &ManifestArgs, output: &Output) -> io::Result<Exit> {
    let interrupted = interrupts();
    let cancelled = || interrupted.load(Ordering::SeqCst);
    let asked = Asked {
        writes: false,
        builds: false,
        cancelled: &cancelled,
    };
    let worked = match args.sources.is_empty() {
        false => of_sources(args, output, &asked),
        true => {
            let what = WhatArgs {
                paths: vec![PathBuf::from(".")],
                select: SelectArgs {
                    arch: args.select.arch.clone(),
                    host: args.select.host.clone(),
                    set: args.select.set.clone(),
                },
                with: WithArgs {
                    backend: args.with.backend.clone(),
                    index: args.with.index,
                },
            };
            work_out(&what, &args.tag, Goal::Index, output, Some(&asked))
        }
    };
    match worked {
        _ if cancelled() => Ok(Exit::Interrupted),
        Ok(worked) => do_it(&worked, &args.how, output, &cancelled),
        Err(problems) => failed(&problems, output),
    }
}

/// Set once Ctrl-C was pressed, or the system asked to end.
fn interrupts() -> Arc<AtomicBool> {
    static INTERRUPTED: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    let interrupted = INTERRUPTED.get_or_init(|| {
        let interrupted = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&interrupted);
        // Programs get ten seconds to end. A handler that cannot be set leaves the system's own.
        let _ = ctrlc::set_handler(move || flag.store(true, Ordering::SeqCst));
        interrupted
    });
    Arc::clone(interrupted)
}

fn failed(problems: &[Diagnostic], output: &Output) -> io::Result<Exit> {
    output.diagnostics(problems);
    Ok(Exit::Error)
}

/// What cannot be done, each once with all the steps that ask for it.
fn refusals(backend: &str, refused: &[Unsupported]) -> Vec<Diagnostic> {
    let mut found: Vec<(&Unsupported, Vec<String>)> = Vec::new();
    for unsupported in refused {
        let same = |(known, _): &&mut (&Unsupported, Vec<String>)| {
            known.capability == unsupported.capability && known.help == unsupported.help
        };
        let step = unsupported.step.to_string();
        match found.iter_mut().find(same) {
            Some((_, steps)) => steps.push(step),
            None => found.push((unsupported, vec![step])),
        }
    }
    let problem = |(unsupported, steps): &(&Unsupported, Vec<String>)| {
        let place = Place::argument(&format!("--backend {backend}"));
        let capability = &unsupported.capability;
        let message = format!("{}: {backend} cannot {capability}", steps.join(", "));
        let problem = Diagnostic::error(Code::Unsupported, place, message);
        match unsupported.help.as_str() {
            "" => problem,
            help => problem.help(help),
        }
    };
    found.iter().map(problem).collect()
}

/// What a command that runs programs may do.
struct Asked<'a> {
    /// Whether generated files are brought up to date before anything is built from them.
    writes: bool,
    /// Whether anything may be built: then builders are asked.
    builds: bool,
    cancelled: &'a (dyn Fn() -> bool + Sync),
}

/// A plan with what does it.
struct Worked {
    plan: Plan,
    opened: Opened,
    /// Warnings.
    problems: Vec<Diagnostic>,
}

/// Expands the project, brings its files up to date and works out the plan. `asked` is given where programs may be run.
fn work_out(
    what: &WhatArgs,
    tags: &[String],
    goal: Goal,
    output: &Output,
    asked: Option<&Asked<'_>>,
) -> Made<Worked> {
    let overrides = what
        .select
        .overrides(false, false)
        .map_err(|problem| vec![problem])?;
    let paths: Vec<PathBuf> = what
        .paths
        .iter()
        .map(|path| output.complete(path))
        .collect();
    let selection = Selection {
        arches: what.select.arches(),
        out_dir: None,
    };
    let inputs = output.inputs();
    let project = Project::open(&paths, &overrides, &inputs);
    let expansion = project.expand(&selection);
    if expansion.failed() {
        return Err(expansion.problems);
    }
    let (products, found) = project.products(&expansion, &selection);
    let mut problems = expansion.problems.clone();
    problems.extend(found);
    if products.is_empty() && !problems.iter().any(Diagnostic::is_error) {
        problems.push(nothing(&paths));
    }
    if problems.iter().any(Diagnostic::is_error) {
        return Err(problems);
    }
    let mut said = products
        .iter()
        .filter_map(|product| product.config.backend.as_ref());
    let first = said.next();
    let other = said.find(|other| first.is_some_and(|first| first.value != other.value));
    if let (Some(first), Some(other), None) = (first, other, &what.with.backend) {
        let message = format!(
            "`{}` is said here, and `{}` for another part of the project",
            other.value, first.value
        );
        problems.push(
            Diagnostic::error(Code::BadValue, other.place.clone(), message)
                .related(first.place.clone(), "the other is here")
                .help("build one at a time, or say `--backend`"),
        );
        return Err(problems);
    }
    let said = first.cloned();
    let opened = Opened::new(what.with.backend.as_deref(), said, &products, asked, output)?;
    problems.extend(opened.warnings.iter().cloned());
    let tags = tags.iter().map(|tag| {
        let place = Place::argument(&format!("--tag {tag}"));
        let place = Place::new(place.source(), 6..6 + tag.len());
        Located::new(tag.clone(), place)
    });
    let capabilities = opened.backend().capabilities();
    let mut options = Options::new(opened.backend().name(), &capabilities);
    options.goal = goal;
    options.tags = tags.collect();
    options.folder.clone_from(&output.folder);
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
    })
}

fn nothing(paths: &[PathBuf]) -> Diagnostic {
    let place = Place::file(paths.first().cloned().unwrap_or_default());
    let message =
        "there is nothing to build here: no template, and no `dockerfile` in crossfile.toml";
    Diagnostic::error(Code::NoImage, place, message)
        .help("`crossfile init` writes a template to begin with; for one Dockerfile write `dockerfile = \"Dockerfile\"`")
}

/// The plan of `manifest` with sources.
fn of_sources(args: &ManifestArgs, output: &Output, asked: &Asked<'_>) -> Made<Worked> {
    if args.tag.is_empty() {
        let place = Place::argument(&args.sources.join(" "));
        let message = "nothing says how the index is called";
        let help = "write `--tag registry.example.com/acme/nginx:1.27`";
        return Err(vec![
            Diagnostic::error(Code::NoImage, place, message).help(help),
        ]);
    }
    let mut problems = Vec::new();
    for (flag, reference) in args
        .tag
        .iter()
        .map(|tag| ("--tag ", tag))
        .chain(args.sources.iter().map(|source| ("", source)))
    {
        if let Err(message) = crossfile::reference::check(reference) {
            let place = Place::argument(&format!("{flag}{reference}"));
            let place = Place::new(place.source(), flag.len()..flag.len() + reference.len());
            problems.push(Diagnostic::error(Code::BadValue, place, message));
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let opened = Opened::new(args.with.backend.as_deref(), None, &[], Some(asked), output)?;
    let sources = args.sources.iter().map(|source| IndexSource::new(source));
    let index = Index::new(args.tag.clone(), sources.collect());
    let id = StepId(format!("index:{}", args.tag[0]));
    let mut steps = vec![Step::new(
        id.clone(),
        &args.tag[0],
        Vec::new(),
        Task::Index(index),
    )];
    for tag in &args.tag {
        let verify = Task::Verify(Verify::new(tag, Vec::new()));
        let own = StepId(format!("verify:{tag}"));
        steps.push(Step::new(own, tag, vec![id.clone()], verify));
    }
    Ok(Worked {
        plan: Plan::new(opened.backend().name(), steps),
        opened,
        problems: Vec::new(),
    })
}

fn do_it(
    worked: &Worked,
    how: &DoArgs,
    output: &Output,
    cancelled: &(dyn Fn() -> bool + Sync),
) -> io::Result<Exit> {
    let Worked {
        plan,
        opened,
        problems,
    } = worked;
    output.diagnostics(problems);
    for note in &plan.notes {
        output.progress(&format!("note: {note}"));
    }
    let scratch = match Scratch::new(output, how.dry_run) {
        Ok(scratch) => scratch,
        Err(problem) => return failed(&[problem], output),
    };
    if how.dry_run {
        return match lower(plan, opened.backend()) {
            Ok(actions) => {
                let mut lines = String::new();
                for action in actions.iter().flatten() {
                    // What is known only later is shown by its name.
                    let later = |step: &str, key: &str| Some(format!("<{key} of {step}>"));
                    if let Ok(resolved) = resolve(action, scratch.path(), &later) {
                        lines.push_str(&format!("{resolved}\n"));
                    }
                }
                output.result(lines)?;
                Ok(Exit::Clean)
            }
            Err(refused) => failed(&refusals(&plan.backend, &refused), output),
        };
    }
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let progress = Progress::new(plan, output, how.format);
    let runner = Processes::new(&output.folder, scratch.path(), cancelled);
    let schedule = Schedule {
        plan,
        backend: opened.backend(),
        runner: &runner,
        watcher: &progress,
        jobs: how.jobs.map_or(processors, usize::from),
        keep_going: how.keep_going,
        waits: WAITS,
    };
    let report = match schedule.run() {
        Ok(report) => report,
        Err(refused) => return failed(&refusals(&plan.backend, &refused), output),
    };
    progress.summary(&report)?;
    Ok(match () {
        () if report.is_cancelled() || cancelled() => Exit::Interrupted,
        () if report.is_good(plan) => Exit::Clean,
        () => Exit::Error,
    })
}
