//! `crossfile ci`: the pipeline of a CI service, written, checked, compared or printed; and `plan --matrix`.

use std::io;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use crossfile::ci::{Matrix, Pipeline, Service, Subject};
use crossfile::plan::{Capabilities, Options, Plan};
use crossfile::ways::way_or_path;
use crossfile::write::Inside;
use crossfile::{
    Code, Config, Diagnostic, DiskInputs, Located, Outcome, Overrides, Place, Product, Project,
    Selection, Status, diff,
};

use crate::git::Git;
use crate::keep::{Kept, sentences};
use crate::output::{Exit, Output};
use crate::project::Loaded;
use crate::release::{self, WhatArgs};

#[derive(Debug, clap::Args)]
pub(crate) struct CiArgs {
    /// The service
    #[arg(value_enum)]
    service: ServiceName,

    /// The folder that the pipeline works in
    #[arg(value_name = "PATH", default_value = ".")]
    path: PathBuf,

    /// Overwrite a pipeline that does not bear crossfile's header
    #[arg(long, conflicts_with_all = ["check", "diff", "stdout"])]
    force: bool,

    /// Write nothing; say whether the pipeline is right, and exit 1 if it is not
    #[arg(long, group = "ci-mode")]
    check: bool,

    /// Write nothing; print what would change as a patch, and exit 1 if it is not empty
    #[arg(long, group = "ci-mode")]
    diff: bool,

    /// Write nothing; print the pipeline
    #[arg(long, group = "ci-mode")]
    stdout: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ServiceName {
    /// GitHub Actions: .github/workflows/crossfile.yml
    Github,
    /// GitLab CI/CD: .gitlab-ci.yml
    Gitlab,
    /// Travis CI: .travis.yml
    Travis,
}

impl From<ServiceName> for Service {
    fn from(name: ServiceName) -> Service {
        match name {
            ServiceName::Github => Service::Github,
            ServiceName::Gitlab => Service::Gitlab,
            ServiceName::Travis => Service::Travis,
        }
    }
}

pub(crate) fn run(args: &CiArgs, output: &Output) -> io::Result<Exit> {
    let service = Service::from(args.service);
    let made = match made(args, service, output) {
        Ok(made) => made,
        Err(problems) => {
            output.diagnostics(&problems);
            return Ok(Exit::Error);
        }
    };
    output.diagnostics(&made.problems);
    let outcome = &made.outcome;
    let shown = output.show(&outcome.path);
    let again = match way_or_path(&output.folder, &output.complete(&args.path)) {
        path if path.as_os_str().is_empty() || path == Path::new(".") => {
            format!("crossfile ci {service}")
        }
        path => {
            let path = path.display().to_string();
            let path = shlex::try_quote(&path).map_or(path.clone(), Into::into);
            format!("crossfile ci {service} {path}")
        }
    };
    let answer = match outcome.status {
        Status::Same => Exit::Clean,
        _ => Exit::No,
    };
    let tell = || {
        for sentence in &made.set_up {
            output.progress(sentence);
        }
    };
    if args.stdout {
        tell();
        output.result(outcome.wanted.as_deref().unwrap_or_default())?;
        return Ok(Exit::Clean);
    }
    if args.diff {
        let path = way_or_path(&made.root, &outcome.target);
        let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
        output.result(diff::unified(outcome, &parts.join("/")))?;
        return Ok(answer);
    }
    if args.check {
        if answer == Exit::No {
            output.result(format!("{:<8} {shown}\n", outcome.status.as_str()))?;
            output.progress(&match outcome.status {
                Status::Foreign => {
                    format!("this file is not the pipeline of this folder; to overwrite it: {again} --force")
                }
                _ => format!("to write it: {again}"),
            });
        }
        return Ok(answer);
    }
    if outcome.status == Status::Same {
        output.progress(&format!("{shown} is right already"));
        return Ok(Exit::Clean);
    }
    if outcome.status == Status::Foreign && !args.force {
        let found = outcome.found.as_deref().unwrap_or_default();
        let message = match crossfile::ci::is_ours(&String::from_utf8_lossy(found)) {
            true => {
                "this is the pipeline of another folder, and a repository has one: it is left as it is"
            }
            false => "this file is not crossfile's: it is left as it is",
        };
        let problem =
            Diagnostic::error(Code::Foreign, Place::file(&outcome.path), message).help(format!(
                "see what would change with `{again} --diff`; overwrite with `{again} --force`"
            ));
        output.diagnostics(&[problem]);
        return Ok(Exit::Error);
    }
    let kept = keep(&made);
    let text = outcome.wanted.as_deref().unwrap_or_default();
    if let Err(problem) = crossfile::write::write(&outcome.target, text) {
        output.diagnostics(&[problem]);
        return Ok(Exit::Error);
    }
    if !output.quiet {
        output.result(format!("wrote {shown}\n"))?;
    }
    for sentence in sentences(&kept, &|path| output.show(path)) {
        output.progress(&sentence);
    }
    tell();
    Ok(Exit::Clean)
}

/// Puts into git's store what no commit holds and a write would lose.
fn keep(made: &Made) -> Vec<Kept> {
    let outcome = &made.outcome;
    let (Some(bytes), true) = (&outcome.found, made.root.join(".git").exists()) else {
        return Vec::new();
    };
    let target = outcome.target.as_path();
    if Git::tracks(target) && !Git::differing(&made.root).contains(target) {
        return Vec::new();
    }
    let object = Git::store(&made.root, bytes);
    let path = outcome.path.clone();
    object
        .map(|object| Kept { path, object })
        .into_iter()
        .collect()
}

/// A pipeline, and where it belongs.
struct Made {
    root: PathBuf,
    outcome: Outcome,
    /// What is said of it once.
    set_up: Vec<String>,
    /// Warnings.
    problems: Vec<Diagnostic>,
}

fn made(args: &CiArgs, service: Service, output: &Output) -> Result<Made, Vec<Diagnostic>> {
    let path = output.complete(&args.path);
    if !path.is_dir() {
        let message = "a pipeline works in a folder, and this is none";
        return Err(vec![Diagnostic::error(
            Code::Io,
            Place::file(&path),
            message,
        )]);
    }
    // The same path for the root, by whatever links the folder is reached.
    let path = path.canonicalize().unwrap_or(path);
    let root = crossfile::root_of(&path);
    let way = way_or_path(&root, &path);
    let parts: Vec<String> = way
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .filter(|part| part != ".")
        .collect();
    let folder = parts.join("/");
    // What is written must not depend on whose environment it is written in: variables have their defaults.
    let inputs = DiskInputs::default();
    let overrides = Overrides::default();
    let selection = Selection::default();
    let project = Project::open(std::slice::from_ref(&path), &overrides, &inputs);
    let expansion = project.expand(&selection);
    if expansion.failed() {
        return Err(without_environment(expansion.problems));
    }
    let (products, mut problems) = project.products(&expansion, &selection);
    if products.is_empty() && !problems.iter().any(Diagnostic::is_error) {
        problems.push(release::nothing(std::slice::from_ref(&path)));
    }
    if problems.iter().any(Diagnostic::is_error) {
        return Err(problems);
    }
    // Settings above may name a Dockerfile that is theirs: that is no project of this folder.
    if let Some(product) = products
        .iter()
        .find(|product| !product.source.starts_with(&path))
    {
        let folder = product.config.files.last();
        let folder = folder.and_then(|file| file.parent());
        let folder = folder.map_or_else(|| root.clone(), Path::to_path_buf);
        let message = format!(
            "nothing is built in this folder: {} lies above it",
            output.show(&product.source)
        );
        let place = Place::file(&path);
        let way = output.show(&folder);
        let help = format!("run `crossfile ci {service}` in {way}");
        return Err(vec![
            Diagnostic::error(Code::NoImage, place, message).help(help),
        ]);
    }
    let backend = release::said(None, &products).map_err(|problem| vec![*problem])?;
    let config = crossfile::config_of(&path, &overrides, &inputs)?;
    let plan = names(&products, &[], &root).map_err(without_environment)?;
    let subject = subject(&config, &products, &plan, backend.as_ref(), &folder);
    let pipeline = Pipeline::new(service, &subject)?;
    let file = root.join(service.file());
    let look = Inside::new(&root)
        .look(&file)
        .map_err(|problem| vec![problem])?;
    let settings = path.join(crossfile::config::FILE_NAME);
    Ok(Made {
        outcome: crossfile::ci::outcome(file, settings, pipeline.text(), look),
        set_up: pipeline.set_up(),
        root,
        problems,
    })
}

fn subject<'a>(
    config: &'a Config,
    products: &'a [Product],
    plan: &'a Plan,
    backend: Option<&'a Located<String>>,
    folder: &'a str,
) -> Subject<'a> {
    let mut subject = Subject::new(config, products, plan);
    subject.backend = backend;
    subject.folder = folder;
    subject
}

/// Says of values that are missing why they are.
fn without_environment(problems: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let told = |problem: Diagnostic| match problem.code {
        Code::NoValue => {
            let help = "a pipeline is written without looking at the environment: say a `default` beside `env`";
            problem.help(help)
        }
        _ => problem,
    };
    problems.into_iter().map(told).collect()
}

/// What images are called, each built on its own.
fn names(
    products: &[Product],
    tags: &[Located<String>],
    folder: &Path,
) -> Result<Plan, Vec<Diagnostic>> {
    let capabilities = Capabilities::default();
    let mut options = Options::new("docker", &capabilities);
    options.names_only = true;
    options.tags = tags.to_vec();
    options.folder = folder.to_path_buf();
    Plan::make(products, &options)
}

/// The service that a path spells, where it leads to nothing.
fn named(path: &Path, output: &Output) -> Option<String> {
    let name = path.to_str()?;
    let is_service = ServiceName::from_str(name, false).is_ok();
    (is_service && !output.complete(path).exists()).then(|| name.to_string())
}

/// `crossfile plan --matrix`.
pub(crate) fn matrix(
    what: &WhatArgs,
    tags: &[Located<String>],
    service: ServiceName,
    output: &Output,
) -> io::Result<Exit> {
    let matrix = || -> Result<(Matrix, Vec<Diagnostic>), Vec<Diagnostic>> {
        if let Some(service) = what.paths.iter().find_map(|path| named(path, output)) {
            let place = Place::argument(service.as_str());
            let message = format!("`{service}` is no file or folder");
            let help = format!("a service stands behind `=`: `--matrix={service}`");
            return Err(vec![Diagnostic::error(Code::Io, place, message).help(help)]);
        }
        let loaded = Loaded::read(&what.paths, &what.select, None, output)?;
        let Loaded {
            paths,
            products,
            mut problems,
            ..
        } = loaded;
        if products.is_empty() && !problems.iter().any(Diagnostic::is_error) {
            problems.push(release::nothing(&paths));
        }
        if problems.iter().any(Diagnostic::is_error) {
            return Err(problems);
        }
        let config = crossfile::config_of(&output.folder, &Overrides::default(), &output.inputs())?;
        let plan = names(&products, tags, &output.folder)?;
        let subject = Subject::new(&config, &products, &plan);
        let show = |path: &Path| output.show(path);
        Ok((Matrix::new(service.into(), &subject, &show)?, problems))
    };
    match matrix() {
        Ok((matrix, problems)) => {
            output.diagnostics(&problems);
            let line = serde_json::to_string(&matrix)? + "\n";
            output.result(line)?;
            Ok(Exit::Clean)
        }
        Err(problems) => {
            output.diagnostics(&problems);
            Ok(Exit::Error)
        }
    }
}
