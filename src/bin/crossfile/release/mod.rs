//! `crossfile plan`, `build`, `push`, `manifest` and `release`: one plan, printed or done.

mod args;
mod backends;
mod handed;
mod scratch;
mod sources;
mod speak;
mod work;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use clap::ValueEnum;
use crossfile::backend::{Action, Unsupported};
use crossfile::plan::{Digests, Goal, StepId};
use crossfile::run::{ExecError, Processes, Schedule, StepStatus, lower, resolve};
use crossfile::{Code, Diagnostic, Inputs, Place};

use crate::output::{Exit, Output};
use crate::progress::Progress;
pub(crate) use args::{
    BuildArgs, ManifestArgs, PlanArgs, PushArgs, ReleaseArgs, ResultFormat, WhatArgs,
};
use args::{DoArgs, PlanFormat};
pub(crate) use backends::{Opened, chosen, said};
use handed::Handed;
use scratch::Scratch;
#[cfg(feature = "registry")]
pub(crate) use scratch::cache;
#[cfg(feature = "registry")]
pub(crate) use speak::registries;
pub(crate) use work::Asked;
pub(crate) use work::nothing;
#[cfg(feature = "registry")]
pub(crate) use work::plan_of;
use work::{More, Worked, for_sources, of_sources, tags_of, work_out};

/// What only asks a registry is tried again after these.
const WAITS: &[Duration] = &[
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];

/// Who makes an index where `docker manifest` cannot.
#[cfg(feature = "registry")]
const OTHER_INDEX: &str =
    "leave `--index backend` out: crossfile makes the index itself; or say `--backend buildx`";
#[cfg(not(feature = "registry"))]
const OTHER_INDEX: &str = "say `--backend buildx`";

pub(crate) fn plan(args: &PlanArgs, output: &Output) -> io::Result<Exit> {
    if let Some(service) = args.matrix {
        if let Some(problem) = service_as_path(args, output) {
            return failed(&[problem], output);
        }
        return crate::ci::matrix(&args.what, &tags_of(&args.tag), service, output);
    }
    let more = More::default();
    let made = work_out(&args.what, &args.tag, &more, Goal::Release, output, None);
    let Worked {
        plan,
        opened,
        problems,
        ..
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

/// That the service of `--matrix SERVICE`, which needs a `=`, was read as a path.
fn service_as_path(args: &PlanArgs, output: &Output) -> Option<Diagnostic> {
    let known = |path: &&PathBuf| {
        let name = path.to_str().unwrap_or_default();
        crate::ci::ServiceName::from_str(name, false).is_ok() && !output.complete(path).exists()
    };
    let name = args.what.paths.iter().find(known)?.display().to_string();
    let message = format!("{name}: no such file");
    let problem = Diagnostic::error(Code::BadValue, Place::argument(&name), message);
    Some(problem.help(format!("did you mean `--matrix={name}`?")))
}

pub(crate) fn release(args: &ReleaseArgs, output: &Output) -> io::Result<Exit> {
    #[cfg(feature = "registry")]
    let bases = !args.skip_bases && !args.build.how.dry_run;
    #[cfg(not(feature = "registry"))]
    let bases = false;
    go(&args.build, None, Goal::Release, bases, output)
}

pub(crate) fn build(args: &BuildArgs, output: &Output) -> io::Result<Exit> {
    go(args, None, Goal::Build, false, output)
}

pub(crate) fn push(args: &PushArgs, output: &Output) -> io::Result<Exit> {
    let file = args.by_digest.as_ref();
    let file = file.map(|file| output.complete(file));
    go(&args.build, file.as_deref(), Goal::Push, false, output)
}

fn go(
    args: &BuildArgs,
    by_digest: Option<&Path>,
    goal: Goal,
    bases: bool,
    output: &Output,
) -> io::Result<Exit> {
    let interrupted = interrupts();
    let cancelled = || interrupted.load(Ordering::SeqCst);
    let asked = Asked {
        writes: !args.how.dry_run,
        builds: true,
        bases,
        patience: backends::PATIENCE,
        #[cfg(feature = "registry")]
        speak: args.how.speak,
        cancelled: &cancelled,
    };
    let handed = match by_digest.filter(|_| !args.how.dry_run) {
        Some(file) => match Handed::new(file, output) {
            Ok(handed) => Some(handed),
            Err(problems) => return failed(&problems, output),
        },
        None => None,
    };
    let more = More {
        by_digest: by_digest.is_some(),
        cache_from: args.cache_from.clone(),
        cache_to: args.cache_to.clone(),
        ..More::default()
    };
    match work_out(&args.what, &args.tag, &more, goal, output, Some(&asked)) {
        _ if cancelled() => Ok(Exit::Interrupted),
        Ok(worked) => do_it(&worked, &args.how, handed.as_ref(), output, &cancelled),
        Err(problems) => failed(&problems, output),
    }
}

pub(crate) fn manifest(args: &ManifestArgs, output: &Output) -> io::Result<Exit> {
    let interrupted = interrupts();
    let cancelled = || interrupted.load(Ordering::SeqCst);
    let asked = Asked {
        writes: false,
        builds: false,
        bases: false,
        patience: backends::PATIENCE,
        #[cfg(feature = "registry")]
        speak: args.how.speak,
        cancelled: &cancelled,
    };
    let alone = args.sources.is_empty() && args.optional.is_empty();
    let worked = match alone {
        false => of_sources(args, output, &asked),
        true => {
            if let Some(flag) = for_sources(args) {
                let message = format!("`{flag}` is for sources, and none are given");
                let problem = Diagnostic::error(Code::BadValue, Place::argument(&flag), message)
                    .help("name the images of the index, or say it in crossfile.toml");
                return failed(&[problem], output);
            }
            let what = WhatArgs {
                paths: vec![PathBuf::from(".")],
                select: args.select.clone(),
                locked: false,
                with: args.with.clone(),
            };
            match digests(&args.digests, output) {
                Ok(digests) => {
                    let more = More {
                        digests,
                        ..More::default()
                    };
                    work_out(&what, &args.tag, &more, Goal::Index, output, Some(&asked))
                }
                Err(problems) => Err(problems),
            }
        }
    };
    match worked {
        _ if cancelled() => Ok(Exit::Interrupted),
        // It takes single images alone, and what is pushed by digest is an index of the image and its attestations.
        Ok(worked)
            if !args.digests.is_empty()
                && args.with.has_own_index()
                && worked.opened.backend().name() == "docker" =>
        {
            let message = "`docker manifest` cannot take what is pushed by digest: such an image has attestations beside it";
            let problem = Diagnostic::error(
                Code::Unsupported,
                Place::argument("--index backend"),
                message,
            );
            failed(&[problem.help(OTHER_INDEX)], output)
        }
        Ok(worked) => do_it(&worked, &args.how, None, output, &cancelled),
        Err(problems) => failed(&problems, output),
    }
}

/// What `push --by-digest` wrote: files, and all files `*.json` of folders.
fn digests(paths: &[PathBuf], output: &Output) -> Result<Option<Digests>, Vec<Diagnostic>> {
    if paths.is_empty() {
        return Ok(None);
    }
    let io = |path: &Path, error: &io::Error| {
        vec![Diagnostic::io(
            path,
            "read what was pushed by digest",
            error,
        )]
    };
    let mut files = Vec::new();
    for path in paths {
        let path = output.complete(path);
        if !path.is_dir() {
            files.push(path);
            continue;
        }
        let mut own = Vec::new();
        for entry in std::fs::read_dir(&path).map_err(|error| io(&path, &error))? {
            let file = entry.map_err(|error| io(&path, &error))?.path();
            if file
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                own.push(file);
            }
        }
        if own.is_empty() {
            let message = "there is no file `*.json` in this folder";
            let problem = Diagnostic::error(Code::Io, Place::file(&path), message);
            return Err(vec![
                problem.help("`crossfile push --by-digest FILE` writes one"),
            ]);
        }
        own.sort();
        files.extend(own);
    }
    let mut sources = Vec::new();
    for file in files {
        sources.push(
            output
                .inputs()
                .file(&file)
                .map_err(|problem| vec![problem])?,
        );
    }
    Digests::read(&sources).map(Some)
}

/// Whether a step failed for a program that is not there, or for the engine behind it that does not run: docker's words, podman's and
/// BuildKit's.
fn lacks_a_program(status: &StepStatus) -> bool {
    const WORDS: &[&str] = &[
        "cannot connect to the docker daemon",
        "failed to connect to the docker api",
        "cannot connect to podman",
        "unable to connect to podman",
        "failed to list workers",
        "no such builder",
    ];
    match status {
        StepStatus::Failed(ExecError::NotFound { .. }) => true,
        StepStatus::Failed(ExecError::Failed { last, .. }) => {
            let last = last.join("\n").to_lowercase();
            WORDS.iter().any(|words| last.contains(words))
        }
        _ => false,
    }
}

/// Set once Ctrl-C was pressed, or the system asked to end.
pub(crate) fn interrupts() -> Arc<AtomicBool> {
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
        // Of buildx it is the builder that can or cannot, and another is soon made.
        let makes_builders = backend == "buildx" && capability.contains("under its digest");
        if makes_builders {
            let message = format!(
                "{}: this builder of buildx cannot {capability}: its driver is `docker`",
                steps.join(", ")
            );
            return Diagnostic::error(Code::Unsupported, place, message)
                .help("`docker buildx create --driver docker-container --use` makes one that can; or give `arch-tag` a pattern, and push without `--by-digest`");
        }
        let message = format!("{}: {backend} cannot {capability}", steps.join(", "));
        let problem = Diagnostic::error(Code::Unsupported, place, message);
        match unsupported.help.as_str() {
            "" => problem,
            help => problem.help(help),
        }
    };
    found.iter().map(problem).collect()
}

fn do_it(
    worked: &Worked,
    how: &DoArgs,
    handed: Option<&Handed>,
    output: &Output,
    cancelled: &(dyn Fn() -> bool + Sync),
) -> io::Result<Exit> {
    let Worked {
        plan,
        opened,
        problems,
        registries,
    } = worked;
    output.diagnostics(problems);
    for note in &plan.notes {
        output.progress(&format!("note: {note}"));
    }
    // What only asks registries hands no files on, and may run beside others.
    let alone = lower(plan, opened.backend()).is_ok_and(|actions| {
        let mut actions = actions.iter().flatten();
        actions.all(|action| matches!(action, Action::Registry(_)))
    });
    let scratch = match Scratch::new(output, how.dry_run || alone) {
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
    let processes = Processes::new(&output.folder, scratch.path(), cancelled);
    let speaking = match speak::Speaking::new(registries, how, output) {
        Ok(speaking) => speaking,
        Err(problems) => return failed(&problems, output),
    };
    let runner = speak::Machine::new(processes, &speaking);
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
    if report
        .steps
        .iter()
        .any(|step| lacks_a_program(&step.status))
    {
        output.progress("`crossfile doctor` says what is missing on this machine");
    }
    if let (Some(handed), true) = (handed, report.is_good(plan)) {
        let digest = |id: &StepId| {
            let step = report.steps.iter().find(|step| step.id == *id)?;
            step.outputs.get("digest").cloned()
        };
        let text = plan.digests(&digest)?;
        if let Err(problem) = handed.write(text) {
            return failed(&[problem], output);
        }
    }
    Ok(match () {
        () if report.is_cancelled() || cancelled() => Exit::Interrupted,
        () if report.is_good(plan) => Exit::Clean,
        () => Exit::Error,
    })
}
