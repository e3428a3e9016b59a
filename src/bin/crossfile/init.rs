//! `crossfile init`: writes what a project begins with.

use std::io;
use std::path::{Path, PathBuf};

use crossfile::config::FILE_NAME;
use crossfile::diagnostic::closest;
use crossfile::init::{self, DEFAULT_STARTER, STARTERS, Starter, Step, Wanted};
use crossfile::write::{self, Inside};
use crossfile::{ArchMap, Code, Diagnostic, Inputs, Place};

use crate::complete;
use crate::output::{Exit, Output, columns, count};

#[derive(Debug, clap::Args)]
pub(crate) struct InitArgs {
    /// The folder to write into; it is made if need be
    #[arg(value_name = "DIR", default_value = ".")]
    dir: PathBuf,

    #[arg(long, value_name = "NAME", add = complete::starters(), help = format!("The starter to write [default: {DEFAULT_STARTER}]"))]
    template: Option<String>,

    /// Write the settings that a build.config of docker-multiarch-builder says; it is read, not executed
    #[arg(long, value_name = "FILE", conflicts_with = "template")]
    from: Option<PathBuf>,

    /// Write nothing; print each starter and what it is for
    #[arg(long, conflicts_with_all = ["dir", "template", "from"])]
    list: bool,
}

pub(crate) fn run(args: &InitArgs, output: &Output) -> io::Result<Exit> {
    if args.list {
        let rows = STARTERS.iter();
        let rows = rows.map(|starter| vec![starter.name.to_string(), starter.about().to_string()]);
        output.result(columns(&rows.collect::<Vec<_>>()))?;
        return Ok(Exit::Clean);
    }
    let (jobs, mut notes) = match plan(args, output) {
        Ok(planned) => planned,
        Err(problems) => {
            output.diagnostics(&problems);
            return Ok(Exit::Error);
        }
    };
    let mut text = String::new();
    for job in &jobs {
        let written = job
            .step
            .bytes()
            .map(|bytes| write::write(&job.target, bytes));
        if let Some(Err(problem)) = written {
            notes.push(problem);
            break;
        }
        text.push_str(&said(job, output));
    }
    if !output.quiet {
        output.result(&text)?;
    }
    output.diagnostics(&notes);
    if notes.iter().any(Diagnostic::is_error) {
        return Ok(Exit::Error);
    }
    output.progress(&next(&args.dir));
    // `init NAME` makes a folder; who wrote a starter's name may have meant the starter.
    let name = args.dir.to_str().and_then(init::starter);
    if let Some(starter) = name.filter(|_| args.template.is_none() && args.from.is_none()) {
        let name = starter.name;
        output.progress(&format!(
            "`{name}` is the folder here; the starter of that name: crossfile init --template {name} DIR"
        ));
    }
    Ok(Exit::Clean)
}

/// A file of the new project, looked at.
struct Job {
    path: PathBuf,
    target: PathBuf,
    step: Step,
}

/// Works everything out: what to do about each file, and what there is to say about it.
fn plan(args: &InitArgs, output: &Output) -> Result<(Vec<Job>, Vec<Diagnostic>), Vec<Diagnostic>> {
    let one = |problem: Diagnostic| vec![problem];
    let starter = match &args.template {
        Some(name) => chosen(name).map_err(one)?,
        None => &STARTERS[0],
    };
    let build_config = match &args.from {
        None => None,
        Some(file) => {
            let source = output.inputs().file(&output.complete(file));
            let source = source.map_err(one)?;
            Some(init::read_build_config(&source, &ArchMap::builtin())?)
        }
    };
    let dir = output.complete(&args.dir);
    let mut inside = Inside::new(&dir);
    let template = look(&mut inside, &dir, init::TEMPLATE).map_err(one)?;
    let template = template.bytes.as_deref();
    let wanted = match &build_config {
        None => init::from_starter(starter, template),
        Some(build_config) => init::from_build_config(build_config, template),
    };
    let jobs = jobs(&wanted, &mut inside, &dir)?;
    let settings = jobs.iter().find(|job| {
        job.path.file_name() == Some(FILE_NAME.as_ref()) && matches!(job.step, Step::Keep)
    });
    if let (Some(job), true) = (settings, build_config.is_some()) {
        let message = "this file is there and differs: none of the settings would be taken";
        let problem = Diagnostic::error(Code::Foreign, Place::file(&job.path), message);
        return Err(vec![problem.help(
            "remove it, and say the same again; or name another folder: `crossfile init --from FILE DIR`",
        )]);
    }
    let notes = build_config.map(|build_config| build_config.notes);
    Ok((jobs, notes.unwrap_or_default()))
}

fn chosen(name: &str) -> Result<&'static Starter, Diagnostic> {
    init::starter(name).ok_or_else(|| {
        let argument = Place::argument(&format!("--template {name}"));
        let place = Place::new(argument.source(), 11..11 + name.len());
        let problem = Diagnostic::error(
            Code::BadValue,
            place,
            format!("there is no starter `{name}`"),
        );
        let help = match closest(name, STARTERS.iter().map(|starter| starter.name)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`crossfile init --list` prints them".to_string(),
        };
        problem.help(help)
    })
}

/// Looks at every file. All problems are known before anything is written.
fn jobs(wanted: &[Wanted], inside: &mut Inside, dir: &Path) -> Result<Vec<Job>, Vec<Diagnostic>> {
    let mut problems = Vec::new();
    let mut jobs = Vec::new();
    for file in wanted {
        match look(inside, dir, file.name()) {
            Ok(found) => jobs.push(Job {
                path: dir.join(file.name()),
                target: found.target,
                step: file.step(found.bytes.as_deref()),
            }),
            Err(problem) => problems.push(problem),
        }
    }
    match problems.is_empty() {
        true => Ok(jobs),
        false => Err(problems),
    }
}

fn look(inside: &mut Inside, dir: &Path, name: &str) -> Result<write::Look, Diagnostic> {
    // Below a file there is nothing either, and the write would complain of each path.
    if dir.exists() && !dir.is_dir() {
        let message = "a file stands where the folder is to be";
        let problem = Diagnostic::error(Code::Io, Place::file(dir), message);
        return Err(problem.help("name a folder, or one that does not exist yet"));
    }
    inside
        .look(&dir.join(name))
        .map_err(|problem| match problem.code {
            Code::OutputOutside => problem.help(
                "init writes into its folder only: remove the link, or write the file by hand",
            ),
            _ => problem.help("move it away"),
        })
}

/// What was done about a file.
fn said(job: &Job, output: &Output) -> String {
    let path = output.show(&job.path);
    match &job.step {
        Step::Write(_) => format!("wrote {path}\n"),
        Step::Add { added, .. } => {
            let lines = added.join("`, `");
            format!(
                "added {} to {path}: `{lines}`\n",
                count(added.len(), "line")
            )
        }
        Step::Same => format!("already there: {path}\n"),
        Step::Keep => format!("kept {path}: it is there and differs\n"),
    }
}

/// The command that comes next.
fn next(dir: &Path) -> String {
    let dir = dir.to_string_lossy();
    // A folder called `-x` is an option otherwise.
    let dir = match dir.starts_with('-') {
        true => format!("./{dir}").into(),
        false => dir,
    };
    match shlex::try_quote(&dir) {
        Ok(quoted) if dir != "." => format!("next: crossfile generate {quoted}"),
        _ => "next: crossfile generate".to_string(),
    }
}
