//! `crossfile bases`: is every base image there for every architecture, and is it what was locked?

mod json;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crossfile::bases::{Base, Change, RegistryLookup, Survey, Use};
use crossfile::lock::{self, Lock};
use crossfile::registry::Reference;
use crossfile::write::{Held, Inside, write};
use crossfile::{Code, Diagnostic, Inputs, Place, Product, Project, Source, root_of};

use crate::args::{Format, SelectArgs};
use crate::complete;
use crate::output::{Exit, Output, columns, count};
use crate::project::Loaded;
use crate::registry::{SpeakArgs, Speaker};
use crate::release::nothing;

#[derive(Debug, clap::Args)]
pub(crate) struct BasesArgs {
    /// Folders whose projects are looked at, or single templates
    #[arg(value_name = "PATH", default_value = ".", add = complete::templates())]
    paths: Vec<PathBuf>,

    #[command(flatten)]
    select: SelectArgs,

    /// Write the digest of each image for each architecture into crossfile.lock, unless one is missing
    #[arg(long, conflicts_with = "check")]
    lock: bool,

    /// Compare with crossfile.lock, and exit 1 if something moved, is gone, is not locked, or is not used any more
    #[arg(long)]
    check: bool,

    /// How to print the result
    #[arg(long, value_enum, default_value_t)]
    format: Format,

    #[command(flatten)]
    speak: SpeakArgs,
}

pub(crate) fn run(args: &BasesArgs, output: &Output) -> io::Result<Exit> {
    let mut report = Report::default();
    if let Err(problems) = work(args, output, &mut report) {
        report.diagnostics.extend(problems);
    }
    if report.interrupted {
        return Ok(Exit::Interrupted);
    }
    report.print(args, output)?;
    Ok(exit(&report.diagnostics))
}

/// Asks for the base images of products, as their settings say, for no longer than `limit`.
///
/// # Errors
/// The settings do not say how.
pub(crate) fn ask(
    products: &[Product],
    speak: SpeakArgs,
    limit: Option<Duration>,
    output: &Output,
) -> Result<Survey, Vec<Diagnostic>> {
    let settings = crate::release::registries(products)?;
    let client = Speaker::within(&settings, speak, (limit, Duration::ZERO), output)?.client();
    let lookup = RegistryLookup::new(move |reference: &Reference| client.repository(reference));
    Ok(Survey::of(products, &lookup))
}

/// What is wrong with base images, at its places in the templates.
pub(crate) fn problems(survey: &Survey, project: &Project) -> Vec<Diagnostic> {
    survey.diagnostics(&|used: &Use| project.origin(&used.source, &used.cell, used.span()))
}

fn exit(diagnostics: &[Diagnostic]) -> Exit {
    let mut errors = diagnostics.iter().filter(|found| found.is_error());
    let is_finding = |found: &Diagnostic| found.code.is_finding();
    match (errors.clone().all(is_finding), errors.next()) {
        (_, None) => Exit::Clean,
        (true, Some(_)) => Exit::No,
        (false, Some(_)) => Exit::Error,
    }
}

/// What was found, and what was done.
#[derive(Default)]
struct Report {
    survey: Survey,
    changes: Vec<(PathBuf, Change)>,
    diagnostics: Vec<Diagnostic>,
    /// The locks, with whether each was written anew.
    locks: Vec<(PathBuf, bool)>,
    asked: bool,
    interrupted: bool,
}

fn work(args: &BasesArgs, output: &Output, report: &mut Report) -> Result<(), Vec<Diagnostic>> {
    // What is asked for is what the templates say, and the lock may not be there yet.
    let loaded = Loaded::read(&args.paths, &args.select, Some(false), output)?;
    let (paths, products) = (&loaded.paths, &loaded.products);
    report.diagnostics.extend(loaded.problems);
    if report.diagnostics.iter().any(Diagnostic::is_error) {
        return Ok(());
    }
    if products.is_empty() {
        return Err(vec![nothing(paths)]);
    }
    // Of a part of a project nothing is left out of the lock: others may use it.
    let whole = args.select.arches().is_empty() && args.select.set.is_empty();
    let complete = |lock: &Path| {
        let mut folders = paths.iter().filter(|path| path.is_dir());
        let folder = lock.parent();
        whole && folders.any(|path| folder.is_some_and(|folder| folder.starts_with(path)))
    };
    let locks = products
        .iter()
        .filter_map(|product| product.config.lock_file.clone());
    let mut known: BTreeMap<PathBuf, (Arc<Source>, Lock)> = BTreeMap::new();
    let mut unread: Vec<Diagnostic> = Vec::new();
    for path in locks {
        let needed = args.check || (args.lock && !complete(&path) && path.exists());
        if needed && !known.contains_key(&path) {
            match read(&path, &output.inputs()) {
                Ok(lock) => drop(known.insert(path, lock)),
                Err(problems) if unread.iter().any(|known| problems.contains(known)) => {}
                Err(problems) => unread.extend(problems),
            }
        }
    }
    if !unread.is_empty() {
        return Err(unread);
    }
    report.survey = ask(products, args.speak, None, output)?;
    if crate::release::interrupts().load(Ordering::SeqCst) {
        report.interrupted = true;
        return Ok(());
    }
    report.asked = true;
    report
        .diagnostics
        .extend(problems(&report.survey, &loaded.project));
    if args.check {
        for (path, (source, lock)) in &known {
            for change in report.survey.changes(path, lock, complete(path)) {
                report.diagnostics.push(change.diagnostic(source));
                report.changes.push((path.clone(), change));
            }
        }
    }
    if args.lock && exit(&report.diagnostics) == Exit::Clean {
        for path in &report.survey.locks {
            let folder = path.parent().unwrap_or(Path::new("."));
            let held = Held::of(folder)
                .map_err(|error| vec![Diagnostic::io(folder, "lock the folder", &error)])?;
            // While the registry was asked somebody else may have written it: what this run is not about stays as it is by now.
            let now = output.inputs().file(path);
            let now = now.ok().map(|source| (Lock::parse(&source), source));
            let lock = match (known.contains_key(path), now) {
                (true, Some((Ok(now), _))) => report.survey.lock(path, Some(&now)),
                (true, Some((Err(problems), _))) => return Err(problems),
                (_, None) => report.survey.lock(path, None),
                (false, Some((Ok(now), _))) => {
                    report.survey.lock(path, None).with_handlers_of(&now)
                }
                (false, Some((Err(_), source))) => {
                    // Writing it anew is the cure; what is lost by that is said.
                    if source.text().contains("\n[qemu.") {
                        output.progress(&format!(
                            "{} could not be read, and its checksums of handlers are gone: `crossfile qemu fetch` writes them anew",
                            output.show(path)
                        ));
                    }
                    report.survey.lock(path, None)
                }
            };
            let text = lock.to_text();
            let look = Inside::new(&root_of(path)).look(path);
            let look = look.map_err(|problem| vec![problem])?;
            let differs = look.bytes.as_deref() != Some(text.as_bytes());
            if differs {
                write(&look.target, text).map_err(|problem| vec![problem])?;
            }
            drop(held);
            report.locks.push((path.clone(), differs));
        }
    }
    Ok(())
}

fn read(path: &Path, inputs: &dyn Inputs) -> Result<(Arc<Source>, Lock), Vec<Diagnostic>> {
    if !path.exists() {
        let message = format!("there is no {} to compare with", lock::FILE_NAME);
        let problem = Diagnostic::error(Code::NotLocked, Place::file(path), message);
        return Err(vec![problem.help("write it with `crossfile bases --lock`")]);
    }
    let source = inputs.file(path).map_err(|problem| vec![problem])?;
    let lock = Lock::parse(&source)?;
    Ok((source, lock))
}

impl Report {
    fn print(&self, args: &BasesArgs, output: &Output) -> io::Result<()> {
        if args.format == Format::Json {
            return output.json(&self.json(output));
        }
        if args.format == Format::Text && !args.check {
            output.result(self.table())?;
        }
        if !self.asked {
            output
                .with_format(args.format)
                .diagnostics(&self.diagnostics);
            return Ok(());
        }
        output.findings(&self.diagnostics, args.format)?;
        for (path, is_new) in &self.locks {
            let path = output.show(path);
            match is_new {
                true => output.progress(&format!("wrote {path}")),
                false => output.progress(&format!("{path} is right already")),
            }
        }
        if args.lock && self.locks.is_empty() {
            output.progress("nothing was written");
        }
        output.progress(&self.summary());
        Ok(())
    }

    /// Each reference with what was found for each architecture.
    fn table(&self) -> String {
        let mut text = String::new();
        let mut bases = self.survey.bases.as_slice();
        let same = |a: &Base, b: &Base| (&a.reference, &a.lock) == (&b.reference, &b.lock);
        while let Some(first) = bases.first() {
            let end = bases.iter().position(|base| !same(base, first));
            let (own, others) = bases.split_at(end.unwrap_or(bases.len()));
            text.push_str(&format!("{}\n", first.reference));
            let rows: Vec<Vec<String>> = own.iter().map(row).collect();
            for line in columns(&rows).lines() {
                text.push_str(&format!("  {line}\n"));
            }
            bases = others;
        }
        text
    }

    /// How many there are of each kind.
    fn summary(&self) -> String {
        let mut kinds: Vec<(&str, usize)> = Vec::new();
        for change in &self.changes {
            let kind = change.1.kind.as_str();
            match kinds.iter_mut().find(|(known, _)| *known == kind) {
                Some((_, number)) => *number += 1,
                None => kinds.push((kind, 1)),
            }
        }
        for base in self.survey.bases.iter().filter(|_| self.changes.is_empty()) {
            match kinds.iter_mut().find(|(kind, _)| *kind == base.status()) {
                Some((_, number)) => *number += 1,
                None => kinds.push((base.status(), 1)),
            }
        }
        let list: Vec<String> = kinds
            .iter()
            .map(|(kind, number)| format!("{number} {kind}"))
            .collect();
        let bases = count(self.survey.bases.len(), "base");
        match list.is_empty() {
            true => "no base image is used".to_string(),
            false => format!("{bases}: {}", list.join(", ")),
        }
    }
}

fn row(base: &Base) -> Vec<String> {
    let image = base.image.as_ref();
    let digest = image.map_or(String::new(), |image| short(&image.digest));
    let note = match image {
        Some(image) => match &image.instead {
            Some((reference, _)) => format!("{reference}, {}", image.platform),
            None if base.status() == "other variant" => image.platform.to_string(),
            None => String::new(),
        },
        None => base.platform.to_string(),
    };
    vec![base.arch.clone(), base.status().to_string(), digest, note]
}

/// The algorithm with the first twelve digits.
fn short(digest: &str) -> String {
    let end = digest.find(':').map_or(0, |colon| colon + 1) + 12;
    digest.get(..end).unwrap_or(digest).to_string()
}
