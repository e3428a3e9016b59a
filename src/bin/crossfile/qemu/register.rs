//! `crossfile qemu register`.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::atomic::Ordering;

use crossfile::backend::{Action, Command};
use crossfile::emulation::{Binfmt, Handler, HandlerError, Mounted, Needed, Registration, survey};
use crossfile::run::{Events, ExecError, Processes, Resolved, Runner};
use crossfile::{ArchName, Entry};

use super::{Failure, Subject, is_file};
use crate::complete;
use crate::output::{Exit, Output};

#[derive(Debug, clap::Args)]
pub(super) struct RegisterArgs {
    /// These architectures
    #[arg(value_name = "ARCH", add = complete::arch_names())]
    arches: Vec<String>,

    /// Take registrations of crossfile's and QEMU's names away again
    #[arg(long)]
    unregister: bool,

    /// Have a container image do it, in the place of the QEMU of this machine: `docker`, or `podman`
    #[arg(long, value_name = "PROGRAM", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    with: Option<String>,

    /// The image of `--with`: tonistiigi/binfmt, multiarch/qemu-user-static, linuxkit/binfmt, or one of theirs from elsewhere
    #[arg(
        long,
        value_name = "IMAGE",
        requires = "with",
        default_value = "tonistiigi/binfmt"
    )]
    image: String,

    /// Print what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
}

impl RegisterArgs {
    /// These architectures, by the QEMU of this machine.
    pub(super) fn of(arches: &[String]) -> RegisterArgs {
        RegisterArgs {
            arches: arches.to_vec(),
            unregister: false,
            with: None,
            image: String::new(),
            dry_run: false,
        }
    }
}

pub(super) fn run(args: &RegisterArgs, output: &Output) -> Result<Exit, Failure> {
    let subject = Subject::new(&args.arches, output)?;
    let entries = wanted(&subject);
    if entries.is_empty() {
        output.progress("none of these needs QEMU on this machine");
        return Ok(Exit::Clean);
    }
    if let Some(program) = &args.with {
        return with(program, args, &subject, &entries, output);
    }
    let binfmt = Mounted::default();
    if !binfmt.is_there() {
        if args.unregister {
            output.progress("binfmt_misc is not mounted: nothing is registered");
            return Ok(Exit::Clean);
        }
        match args.dry_run {
            true => output.result("mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc\n")?,
            false => {
                binfmt
                    .mount()
                    .map_err(|error| refused("binfmt_misc cannot be mounted", &error))?;
                output.progress("mounted binfmt_misc");
            }
        }
    }
    let (enabled, known) = super::entries(&binfmt)?;
    if binfmt.is_there() && !enabled && !args.unregister {
        match args.dry_run {
            true => output.result("echo 1 > /proc/sys/fs/binfmt_misc/status\n")?,
            false => {
                let switched = binfmt.enable();
                switched.map_err(|error| refused("binfmt_misc cannot be switched on", &error))?;
                output.progress("switched binfmt_misc on");
            }
        }
    }
    match args.unregister {
        true => unregister(args, &subject, &entries, &binfmt, &known, output),
        false => register(args, &subject, &entries, &binfmt, &known, output),
    }
}

/// The rows of the table that it is about: those asked for, or those of the project, else all that QEMU knows; one for each QEMU.
fn wanted(subject: &Subject) -> Vec<&Entry> {
    let mut qemus: BTreeMap<String, &Entry> = BTreeMap::new();
    let asked = |name: &ArchName| subject.arches.is_empty() || subject.arches.contains(name);
    for entry in subject.config.map.entries() {
        let foreign = asked(&entry.name) && !subject.native.contains(&entry.name);
        if let Some(qemu) = entry.get("qemu").filter(|_| foreign) {
            qemus.entry(qemu.into_owned()).or_insert(entry);
        }
    }
    let mut entries: Vec<&Entry> = qemus.into_values().collect();
    entries.sort_by_key(|entry| {
        subject
            .config
            .map
            .entries()
            .iter()
            .position(|known| known.name == entry.name)
    });
    entries
}

/// Whether the kernel knows no file system of that name.
#[cfg(unix)]
fn is_unknown(error: &std::io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::NODEV.raw_os_error())
}

#[cfg(not(unix))]
fn is_unknown(_: &std::io::Error) -> bool {
    false
}

fn refused(what: &str, error: &std::io::Error) -> Failure {
    Failure::Said(match error.kind() {
        ErrorKind::PermissionDenied => {
            format!(
                "{what}: this needs root\n  help: run it with sudo; or `--with docker`, which asks the daemon's root"
            )
        }
        _ if is_unknown(error) => format!(
            "{what}: this kernel has none\n  help: `sudo modprobe binfmt_misc`, where it is a module"
        ),
        _ => format!("{what}: {error}"),
    })
}

/// What an entry is called for: QEMU's name where it is for several of those asked for.
fn label(subject: &Subject, entry: &Entry) -> String {
    let asked = |name: &ArchName| subject.arches.is_empty() || subject.arches.contains(name);
    let same = |other: &&Entry| other.get("qemu") == entry.get("qemu") && asked(&other.name);
    let alike = subject.config.map.entries().iter().filter(same).count();
    match entry.get("qemu").filter(|_| alike > 1) {
        Some(qemu) => qemu.into_owned(),
        None => entry.name.to_string(),
    }
}

fn register(
    args: &RegisterArgs,
    subject: &Subject,
    entries: &[&Entry],
    binfmt: &Mounted,
    known: &[Registration],
    output: &Output,
) -> Result<Exit, Failure> {
    let mut failed = false;
    let mut found = false;
    for entry in entries {
        let label = label(subject, entry);
        let handler = match Handler::of(entry, &is_file) {
            Ok(handler) => handler,
            // Nobody asked for this one.
            Err(HandlerError::Missing(_)) if subject.arches.is_empty() => continue,
            Err(error) => {
                output.error(&format!(
                    "{label}: {error}\n  help: on Debian `apt-get install qemu-user-static`, or `crossfile qemu register --with docker {}`",
                    entry.name
                ));
                failed = true;
                continue;
            }
        };
        found = true;
        let own = &handler.registration;
        let replaces = match handler.needed(known) {
            Needed::Entry { replaces } => replaces,
            Needed::Nothing(runs) => {
                output.progress(&format!(
                    "{label}: runs already, by {} ({})",
                    runs.interpreter, runs.name
                ));
                continue;
            }
        };
        let line = own.line().map_err(Failure::Said)?;
        if args.dry_run {
            if replaces {
                output.result(format!("echo -1 > /proc/sys/fs/binfmt_misc/{}\n", own.name))?;
            }
            output.result(format!(
                "echo '{line}' > /proc/sys/fs/binfmt_misc/register\n"
            ))?;
            continue;
        }
        let what = format!("{label} cannot be registered");
        if replaces {
            binfmt
                .remove(&own.name)
                .map_err(|error| refused(&what, &error))?;
        }
        if let Err(error) = binfmt.add(&line) {
            // What ran until now is to run as before.
            let before = known.iter().find(|known| known.name == own.name);
            if let Some(before) = before.and_then(|before| before.line().ok()) {
                let _ = binfmt.add(&before);
            }
            return Err(refused(&what, &error));
        }
        output.progress(&format!(
            "{label}: registered {} as {}",
            own.interpreter, own.name
        ));
    }
    if !found && !failed {
        return Err(Failure::Said(
            "there is no QEMU on this machine\n  help: on Debian `apt-get install qemu-user-static`, or `crossfile qemu register --with docker`"
                .to_string(),
        ));
    }
    Ok(match failed {
        true => Exit::Error,
        false => Exit::Clean,
    })
}

fn unregister(
    args: &RegisterArgs,
    subject: &Subject,
    entries: &[&Entry],
    binfmt: &Mounted,
    known: &[Registration],
    output: &Output,
) -> Result<Exit, Failure> {
    if subject.arches.is_empty() {
        return Err(Failure::Said(
            "nothing says which: the system's own entries would go, too\n  help: name them, as in `crossfile qemu register --unregister arm64v8`"
                .to_string(),
        ));
    }
    for entry in entries {
        let label = label(subject, entry);
        let name = format!("qemu-{}", entry.get("qemu").unwrap_or_default());
        if !known.iter().any(|known| known.name == name) {
            output.progress(&format!("{label}: {name} is not registered"));
            continue;
        }
        if args.dry_run {
            output.result(format!("echo -1 > /proc/sys/fs/binfmt_misc/{name}\n"))?;
            continue;
        }
        let removed = binfmt.remove(&name);
        let what = format!("{name} cannot be taken away");
        removed.map_err(|error| refused(&what, &error))?;
        output.progress(&format!("{label}: took {name} away"));
    }
    Ok(Exit::Clean)
}

/// Shows what a command prints.
struct Shown<'a>(&'a Output);

impl Events for Shown<'_> {
    fn output(&self, _: &str, _: &str) -> Option<String> {
        None
    }

    fn line(&self, line: &str) {
        self.0.progress(line);
    }

    fn command(&self, command: &Resolved) {
        self.0.progress(&format!("+ {command}"));
    }
}

/// Has an image register what it brings along.
fn with(
    program: &str,
    args: &RegisterArgs,
    subject: &Subject,
    entries: &[&Entry],
    output: &Output,
) -> Result<Exit, Failure> {
    let words = container(args, subject, entries).map_err(Failure::Said)?;
    if args.dry_run {
        let words = std::iter::once(program).chain(words.iter().map(String::as_str));
        let line = shlex::try_join(words).map_err(|error| Failure::Said(error.to_string()))?;
        output.result(format!("{line}\n"))?;
        return Ok(Exit::Clean);
    }
    let command = Command::new(program, words);
    let interrupted = crate::release::interrupts();
    let cancelled = || interrupted.load(Ordering::SeqCst);
    let runner = Processes::new(&output.folder, std::env::temp_dir(), &cancelled);
    match runner.run(&Action::Command(command), &Shown(output)) {
        Ok(_) if args.unregister => Ok(Exit::Clean),
        Ok(_) => judged(subject, entries, output),
        Err(ExecError::Cancelled) => Ok(Exit::Interrupted),
        Err(error) => Err(Failure::Said(error.to_string())),
    }
}

/// Looks whether an image did what it was started for: tonistiigi/binfmt says what failed, and exits with 0.
fn judged(subject: &Subject, entries: &[&Entry], output: &Output) -> Result<Exit, Failure> {
    let (enabled, known) = super::entries(&Mounted::default())?;
    let known = match enabled {
        true => known,
        false => Vec::new(),
    };
    let rows = survey(&subject.config.map, &|_| false, &known, &is_file);
    let lacking = rows
        .iter()
        .filter(|row| !row.emulation.runs() && entries.iter().any(|entry| entry.name == row.arch));
    let lacking: Vec<&str> = lacking.map(|row| row.arch.as_str()).collect();
    if !lacking.is_empty() {
        // No error: the daemon may be elsewhere, or in a virtual machine, with a kernel of its own.
        output.progress(&format!(
            "this machine's kernel does not run {}: that is right where the daemon has another kernel",
            lacking.join(", ")
        ));
    }
    Ok(Exit::Clean)
}

/// What the program gets. The images differ in what they are told.
fn container(
    args: &RegisterArgs,
    subject: &Subject,
    entries: &[&Entry],
) -> Result<Vec<String>, String> {
    let path = args.image.split(['@']).next().unwrap_or_default();
    let name = path.rsplit_once(':').filter(|(_, tag)| !tag.contains('/'));
    let name = name.map_or(path, |(name, _)| name);
    let is = |known: &str| name == known || name.ends_with(&format!("/{known}"));
    let own: Vec<String> = if is("tonistiigi/binfmt") {
        let mut names = Vec::new();
        for entry in entries {
            match entry.get("binfmt") {
                Some(name) => names.push(name.into_owned()),
                // Nobody asked for this one.
                None if subject.arches.is_empty() => {}
                None => return Err(format!("{path} has no QEMU for {}", entry.name)),
            }
        }
        let verb = match args.unregister {
            true => "--uninstall",
            false => "--install",
        };
        vec![verb.to_string(), names.join(",")]
    } else if is("multiarch/qemu-user-static") {
        match args.unregister {
            true => vec!["--reset".to_string()],
            false => ["--reset", "-p", "yes"].map(str::to_string).to_vec(),
        }
    } else if is("linuxkit/binfmt") && !args.unregister {
        Vec::new()
    } else {
        let undo = match args.unregister {
            true => " to take registrations away",
            false => "",
        };
        return Err(format!(
            "what to tell `{}`{undo} is not known\n  help: it is for tonistiigi/binfmt and multiarch/qemu-user-static{}",
            args.image,
            match args.unregister {
                true => "",
                false => ", and for linuxkit/binfmt, which is told nothing",
            }
        ));
    };
    let run = ["run", "--rm", "--privileged", args.image.as_str()];
    Ok(run.into_iter().map(str::to_string).chain(own).collect())
}
