//! `crossfile qemu fetch`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crossfile::handlers::{
    Cache, Event, FetchedHandler, Fetching, FileStatus, Mode, Needs, Report, fetch, machine_folders,
};
use crossfile::{
    ArchName, Config, Diagnostic, Located, Overrides, Place, Project, Selection, root_of,
};
use serde::Serialize;

use super::{Failure, resolved};
use crate::args::SelectArgs;
use crate::complete;
use crate::git::Git;
use crate::output::{Exit, Output, count, human};
use crate::project::Loaded;
use crate::release::{ResultFormat, nothing};

#[derive(Debug, clap::Args)]
pub(super) struct FetchArgs {
    /// For these architectures; without, for all that are emulated
    #[arg(value_name = "ARCH", add = complete::arch_names())]
    arches: Vec<String>,

    #[arg(long, value_name = "ARCH", add = complete::arches(), help = "The machine that builds, and that the handlers run on [default: what crossfile.toml says]")]
    host: Option<String>,

    /// Give a name a value, over everything that files say; may be repeated
    #[arg(long, value_name = "NAME=VALUE", add = complete::settings())]
    set: Vec<String>,

    /// Take what there is now, whatever crossfile.lock says, and lock it
    #[arg(long, conflicts_with_all = ["check", "dry_run"])]
    update: bool,

    /// Replace files that differ; the cache keeps what they held
    #[arg(long, conflicts_with_all = ["check", "dry_run"])]
    force: bool,

    /// Write nothing and ask nobody; exit 1 if a handler is missing or not the one that is locked
    #[arg(long, conflicts_with = "dry_run")]
    check: bool,

    /// Write nothing and ask nobody; say what would be fetched
    #[arg(long)]
    dry_run: bool,

    /// How to print the result
    #[arg(long, value_enum, default_value_t)]
    format: ResultFormat,
}

impl FetchArgs {
    fn mode(&self) -> Mode {
        match (self.check, self.dry_run) {
            (true, _) => Mode::Check,
            (_, true) => Mode::DryRun,
            _ => Mode::Fetch,
        }
    }
}

/// What was looked at and what became of it.
#[derive(Default)]
struct Done {
    /// The architectures whose Dockerfiles were looked at.
    arches: Vec<ArchName>,
    report: Report,
    /// Everything that is wrong.
    diagnostics: Vec<Diagnostic>,
}

pub(super) fn run(args: &FetchArgs, output: &Output) -> Result<Exit, Failure> {
    let mut done = Done::default();
    match work(args, output, &mut done) {
        Ok(()) => {}
        Err(Failure::Problems(problems)) => done.diagnostics.extend(problems),
        Err(failure) => return Err(failure),
    }
    if done.report.cancelled {
        output.progress("nothing was written");
        return Ok(Exit::Interrupted);
    }
    done.print(args, output)?;
    Ok(done.exit(args))
}

fn work(args: &FetchArgs, output: &Output, done: &mut Done) -> Result<(), Failure> {
    let select = SelectArgs {
        arch: Vec::new(),
        host: args.host.clone(),
        set: args.set.clone(),
    };
    let overrides = select.overrides(false, false);
    let overrides = overrides.map_err(|problem| Failure::Problems(vec![problem]))?;
    // Digests of base images say nothing about handlers, and need not be locked yet.
    let overrides = Overrides {
        locked: Some(false),
        ..overrides
    };
    let config = crossfile::config_of(&output.folder, &Overrides::default(), &output.inputs());
    let config = config.map_err(Failure::Problems)?;
    resolved(&args.arches, &config.map)?;
    let mut asked: Vec<ArchName> = Vec::new();
    for word in &args.arches {
        let rows = resolved(std::slice::from_ref(word), &config.map)?;
        // QEMU's `arm` is all that the project has of it.
        let own = rows.iter().filter(|row| config.arches.contains(row));
        let own: Vec<ArchName> = own.cloned().collect();
        let meant = if own.is_empty() { rows } else { own };
        asked.extend(
            meant
                .into_iter()
                .filter(|row| !asked.contains(row))
                .collect::<Vec<_>>(),
        );
    }
    let selection = Selection {
        arches: asked.iter().map(argument).collect(),
        out_dir: None,
    };
    let folder = output.folder.clone();
    let loaded = Loaded::of(vec![folder], &overrides, &selection, output);
    let loaded = loaded.map_err(Failure::Problems)?;
    done.diagnostics.extend(loaded.problems);
    if done.diagnostics.iter().any(Diagnostic::is_error) {
        return Ok(());
    }
    if loaded.products.is_empty() {
        let mut problems = vec![nothing(&loaded.paths)];
        let near = loaded.project.near_templates(&overrides, &output.inputs());
        problems.extend(near);
        return Err(Failure::Problems(problems));
    }
    let registries = crate::release::registries(&loaded.products).map_err(Failure::Problems)?;
    let web = crate::registry::web(&registries, output).map_err(Failure::Problems)?;
    let needs = needs(&loaded.project, &loaded.products, &asked);
    done.arches = needs.arches;
    done.diagnostics.extend(needs.problems);
    // Without a folder of the user's own it is one of this run.
    let passing;
    let cache = match crate::release::cache(&output.inputs()) {
        Some(folder) => Cache::new(folder.join("crossfile/handlers")),
        None => {
            passing = tempfile::tempdir()?;
            Cache::passing(passing.path())
        }
    };
    let machine = machine_folders();
    let watch = |event: &Event<'_>| {
        if let Event::Download { address, size } = event {
            let size = size.map_or(String::new(), |size| format!(" ({})", human(size)));
            output.progress(&format!("fetching {address}{size}"));
        }
    };
    let inputs = output.inputs();
    done.report = fetch(
        &needs.needs,
        &Fetching {
            mode: args.mode(),
            update: args.update,
            force: args.force,
            web: &web,
            cache: &cache,
            machine: &machine,
            inputs: &inputs,
            watch: &watch,
        },
    );
    let found = std::mem::take(&mut done.report.diagnostics);
    done.diagnostics.extend(found);
    Ok(())
}

/// An architecture as an argument, to point at.
fn argument(arch: &ArchName) -> Located<String> {
    Located::new(arch.to_string(), Place::argument(arch.as_str()))
}

/// Without arguments what the host runs itself needs no handler.
fn needs(project: &Project, products: &[crossfile::Product], asked: &[ArchName]) -> Needs {
    let wanted = |config: &Config, arch: &ArchName| match asked.is_empty() {
        true => config.is_emulated(arch),
        false => asked.contains(arch),
    };
    Needs::of(project, products, &wanted)
}

impl Done {
    /// A file that would not be found, or a check that says no, is 1; what was asked for and not done is 2.
    fn exit(&self, args: &FetchArgs) -> Exit {
        let mut errors = self.diagnostics.iter().filter(|found| found.is_error());
        let is_done = |found: &Diagnostic| {
            found.code.is_finding() && (args.check || found.code == crossfile::Code::MissingHandler)
        };
        match (errors.clone().all(is_done), errors.next()) {
            (_, None) => Exit::Clean,
            (true, Some(_)) => Exit::No,
            (false, Some(_)) => Exit::Error,
        }
    }

    fn print(&self, args: &FetchArgs, output: &Output) -> std::io::Result<()> {
        if args.format == ResultFormat::Json {
            return output.json(&self.json(output));
        }
        for handler in &self.report.handlers {
            for file in &handler.files {
                if let Some(line) = line(handler, file, args.mode(), output) {
                    output.progress(&line);
                }
            }
        }
        for (path, kept) in &self.report.kept {
            let path = output.show(path);
            output.progress(&format!("what {path} held is kept as {}", kept.display()));
        }
        for lock in &self.report.locks {
            output.progress(&format!("wrote {}", output.show(lock)));
        }
        match args.check {
            // What a check says is its result.
            true => output.findings(&self.diagnostics, crate::args::Format::Text)?,
            false => output.diagnostics(&self.diagnostics),
        }
        self.not_ignored(output);
        if let Some(summary) = self.summary() {
            output.progress(&summary);
        }
        Ok(())
    }

    /// Says which of the files that were put there git would take into a commit.
    fn not_ignored(&self, output: &Output) {
        let mut by_root: BTreeMap<PathBuf, Vec<&Path>> = BTreeMap::new();
        let files = self.report.handlers.iter().flat_map(|found| &found.files);
        for file in files.filter(|file| file.status == FileStatus::Put) {
            let root = root_of(&file.path);
            if root.join(".git").exists() {
                by_root.entry(root).or_default().push(&file.path);
            }
        }
        for (root, files) in by_root {
            let Some(ignored) = Git::ignored(&root, &files) else {
                continue;
            };
            let open = files.iter().filter(|file| !ignored.contains(**file));
            let open: BTreeSet<String> = open.map(|file| output.show(file)).collect();
            if !open.is_empty() {
                let names: Vec<String> = open.into_iter().collect();
                output.progress(&format!(
                    "git does not ignore {}: a line `qemu-*-static` in .gitignore keeps such files out of commits",
                    names.join(", ")
                ));
            }
        }
    }

    /// How many files there are of each kind; nothing where it was not found out.
    fn summary(&self) -> Option<String> {
        let files = || {
            let handlers = self.report.handlers.iter();
            handlers.flat_map(|found| &found.files)
        };
        if files().next().is_none() {
            let arches: Vec<&str> = self.arches.iter().map(ArchName::as_str).collect();
            let failed = self.diagnostics.iter().any(Diagnostic::is_error);
            return (!failed).then(|| match arches.is_empty() {
                true => "nothing to fetch: no architecture of the project is emulated".to_string(),
                false => format!(
                    "nothing to fetch: no Dockerfile for {} copies a handler from its context",
                    arches.join(", ")
                ),
            });
        }
        let mut kinds: Vec<(&str, usize)> = Vec::new();
        for file in files() {
            let kind = file.status.as_str();
            match kinds.iter_mut().find(|(known, _)| *known == kind) {
                Some((_, number)) => *number += 1,
                None => kinds.push((kind, 1)),
            }
        }
        let kinds: Vec<String> = kinds
            .iter()
            .map(|(kind, number)| format!("{number} {kind}"))
            .collect();
        let number = count(files().count(), "handler");
        Some(format!("{number}: {}", kinds.join(", ")))
    }

    /// Every handler with its files, what was written, and what there is to say.
    fn json(&self, output: &Output) -> impl Serialize {
        let show = |path: &Path| output.show(path);
        let file = |file: &crossfile::handlers::FetchedFile| JsonFile {
            path: show(&file.path),
            arches: file.arches.iter().map(ToString::to_string).collect(),
            status: file.status.as_str(),
        };
        let handler = |found: &FetchedHandler| JsonHandler {
            name: format!("qemu-{}-static", found.qemu),
            qemu: found.qemu.clone(),
            host: found.host.to_string(),
            sha256: found.handler.as_ref().map(|own| own.sha256.clone()),
            size: found.handler.as_ref().map(|own| own.size),
            source: found.handler.as_ref().map(|own| own.source.clone()),
            version: found.handler.as_ref().and_then(|own| own.version.clone()),
            from: found.handler.as_ref().map(|own| own.from.clone()),
            files: found.files.iter().map(file).collect(),
        };
        Json {
            version: 1,
            handlers: self.report.handlers.iter().map(handler).collect(),
            kept: self
                .report
                .kept
                .iter()
                .map(|(path, kept)| JsonKept {
                    path: show(path),
                    kept: kept.display().to_string(),
                })
                .collect(),
            locks: self.report.locks.iter().map(|lock| show(lock)).collect(),
            diagnostics: self
                .diagnostics
                .iter()
                .map(|found| found.to_json(&show))
                .collect::<Vec<_>>(),
        }
    }
}

/// What became of a file, for people. What is wrong is told by a diagnostic.
fn line(
    handler: &FetchedHandler,
    file: &crossfile::handlers::FetchedFile,
    mode: Mode,
    output: &Output,
) -> Option<String> {
    let path = output.show(&file.path);
    let arches: Vec<&str> = file.arches.iter().map(ArchName::as_str).collect();
    let arches = arches.join(", ");
    let from = handler.handler.as_ref();
    let from = from.map_or(String::new(), |own| match &own.version {
        Some(version) => format!(", from {} ({version})", own.from),
        None => format!(", from {}", own.from),
    });
    let size = handler.handler.as_ref();
    let size = size.map_or(String::new(), |own| format!(", {}", human(own.size)));
    Some(match (file.status, mode) {
        (FileStatus::Put, _) => format!("wrote {path} (for {arches}{from}{size})"),
        (FileStatus::Replaced, _) => format!("replaced {path} (for {arches}{from}{size})"),
        (FileStatus::MadeExecutable, _) => format!("made {path} executable"),
        (FileStatus::Right, _) => format!("{path} is right already"),
        (FileStatus::Missing, Mode::DryRun) => match &handler.handler {
            Some(_) => format!("would write {path} (for {arches}{from})"),
            None => {
                let places = handler.places.join(", ");
                format!("would write {path} (for {arches}), and lock what is found at {places}")
            }
        },
        (FileStatus::NotExecutable, Mode::DryRun) => format!("would make {path} executable"),
        (FileStatus::NotLocked, Mode::DryRun) => {
            format!("would compare {path} with what is found, and lock it (for {arches})")
        }
        (FileStatus::Differs, Mode::DryRun) => {
            format!("{path} is not the one that is locked (for {arches}{from})")
        }
        _ => return None,
    })
}

#[derive(Serialize)]
struct Json<D> {
    version: u32,
    handlers: Vec<JsonHandler>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    kept: Vec<JsonKept>,
    /// The locks that were written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    locks: Vec<String>,
    diagnostics: Vec<D>,
}

#[derive(Serialize)]
struct JsonHandler {
    name: String,
    qemu: String,
    host: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    files: Vec<JsonFile>,
}

#[derive(Serialize)]
struct JsonFile {
    path: String,
    arches: Vec<String>,
    status: &'static str,
}

#[derive(Serialize)]
struct JsonKept {
    path: String,
    kept: String,
}
