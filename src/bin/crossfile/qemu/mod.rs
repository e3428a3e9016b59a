//! `crossfile qemu`: programs of other architectures on this machine.

#[cfg(feature = "registry")]
mod fetch;
mod register;
mod status;

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

use clap::Subcommand;
use crossfile::doctor::Local;
use crossfile::emulation::{Binfmt, Handler, Mounted, Registration, survey};
use crossfile::{ArchMap, ArchName, Config, Diagnostic, Entry, Overrides, Place};

#[cfg(feature = "registry")]
use fetch::FetchArgs;

use crate::complete;
use crate::output::{Exit, Output};
use crate::release::ResultFormat;
use register::RegisterArgs;

#[derive(Debug, clap::Args)]
pub(crate) struct QemuArgs {
    #[command(subcommand)]
    command: QemuCommand,
}

#[derive(Debug, Subcommand)]
enum QemuCommand {
    /// Say which architectures this machine runs, and by which interpreter
    ///
    /// Shows the project's architectures, where its settings say some, else all that QEMU knows.
    Status {
        /// These architectures
        #[arg(value_name = "ARCH", add = complete::arch_names())]
        arches: Vec<String>,
        /// How to print it
        #[arg(long, value_enum, default_value_t)]
        format: ResultFormat,
    },
    /// Put QEMU's handlers where the templates copy them from: `qemu-NAME-static` in the build context
    ///
    /// They come from this machine, from a Debian package, or from an address of the settings ([handlers] in crossfile.toml), and are
    /// held to the checksums in crossfile.lock. What is right is left alone.
    ///
    /// Examples:
    ///   crossfile qemu fetch
    ///   crossfile qemu fetch arm64v8 s390x
    ///   crossfile qemu fetch --check
    ///   crossfile qemu fetch --update
    #[cfg(feature = "registry")]
    #[command(verbatim_doc_comment)]
    Fetch(FetchArgs),
    /// Have the kernel run programs of other architectures by QEMU; needs root
    ///
    /// Registers the project's architectures, where its settings say some, else all whose QEMU is here. What runs already stays as it is.
    /// Registrations last until the machine is started anew.
    ///
    /// Examples:
    ///   sudo crossfile qemu register
    ///   sudo crossfile qemu register arm64v8 s390x
    ///   sudo crossfile qemu register --unregister arm64v8
    ///   crossfile qemu register --with docker
    #[command(verbatim_doc_comment)]
    Register(RegisterArgs),
}

pub(crate) fn run(args: &QemuArgs, output: &Output) -> io::Result<Exit> {
    let done = match &args.command {
        QemuCommand::Status { arches, format } => status::run(arches, *format, output),
        #[cfg(feature = "registry")]
        QemuCommand::Fetch(args) => fetch::run(args, output),
        QemuCommand::Register(args) => register::run(args, output),
    };
    match done {
        Ok(exit) => Ok(exit),
        Err(Failure::Problems(problems)) => {
            output.diagnostics(&problems);
            Ok(Exit::Error)
        }
        Err(Failure::Said(what)) => {
            output.error(&what);
            Ok(Exit::Error)
        }
        Err(Failure::Print(error)) => Err(error),
    }
}

/// Why a command ended.
enum Failure {
    Problems(Vec<Diagnostic>),
    Said(String),
    Print(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::Print(error)
    }
}

/// What a command is about.
struct Subject {
    config: Arc<Config>,
    /// What was asked for, or what the project says. Nothing where neither says any.
    arches: Vec<ArchName>,
    /// What this machine runs as its own.
    native: BTreeSet<ArchName>,
}

impl Subject {
    fn new(arches: &[String], output: &Output) -> Result<Subject, Failure> {
        let config = crossfile::config_of(&output.folder, &Overrides::default(), &output.inputs());
        let config = config.map_err(Failure::Problems)?;
        let mut known = resolved(arches, &config.map)?;
        if arches.is_empty() && config.arches_are_given {
            known.clone_from(&config.arches);
        }
        let native = own(&config).map_err(Failure::Said)?;
        Ok(Subject {
            config,
            arches: known,
            native,
        })
    }
}

/// The rows of the table that words mean, each once.
fn resolved(words: &[String], map: &ArchMap) -> Result<Vec<ArchName>, Failure> {
    let mut known: Vec<ArchName> = Vec::new();
    let mut problems = Vec::new();
    for name in words {
        let found = match map.get(name) {
            Some(entry) => Ok(entry),
            None => map.resolve(name),
        };
        let mut rows: Vec<&ArchName> = Vec::new();
        match found {
            Ok(entry) => rows.push(&entry.name),
            Err(error) => {
                // QEMU has one `arm` for what the table tells apart.
                let is_qemus = |entry: &&Entry| entry.get("qemu").is_some_and(|own| own == **name);
                rows.extend(
                    map.entries()
                        .iter()
                        .filter(is_qemus)
                        .map(|entry| &entry.name),
                );
                if rows.is_empty() {
                    problems.push(error.at(Place::argument(name)));
                }
            }
        }
        for row in rows {
            if !known.contains(row) {
                known.push(row.clone());
            }
        }
    }
    match problems.is_empty() {
        true => Ok(known),
        false => Err(Failure::Problems(problems)),
    }
}

/// What this machine's kernel runs, for the settings of a project.
pub(crate) fn local(config: &Config) -> Result<Local, String> {
    if !cfg!(target_os = "linux") {
        return Ok(Local::default());
    }
    let native = own(config)?;
    let binfmt = Mounted::default();
    let entries = match binfmt.is_there() {
        true => binfmt
            .entries()
            .map_err(|error| format!("binfmt_misc cannot be read: {error}"))?,
        false => (false, Vec::new()),
    };
    let registrations: &[Registration] = match entries {
        (true, ref all) => all,
        (false, _) => &[],
    };
    let is_native = |arch: &ArchName| native.contains(arch);
    let mut local = Local::new(survey(&config.map, &is_native, registrations, &is_file));
    for entry in config.map.entries() {
        if Handler::of(entry, &is_file).is_ok() {
            local.interpreters.insert(entry.name.clone());
        }
    }
    if is_root() {
        local.registrable.clone_from(&local.interpreters);
    }
    Ok(local)
}

#[cfg(unix)]
fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[cfg(not(unix))]
fn is_root() -> bool {
    false
}

/// Registers architectures; whether all are. What went wrong is told.
pub(crate) fn register(arches: &[String], output: &Output) -> bool {
    let args = RegisterArgs::of(arches);
    match register::run(&args, output) {
        Ok(exit) => exit == Exit::Clean,
        Err(Failure::Problems(problems)) => {
            output.diagnostics(&problems);
            false
        }
        Err(Failure::Said(what)) => {
            output.error(&what);
            false
        }
        // Whoever does not listen is not told.
        Err(Failure::Print(_)) => true,
    }
}

/// What this machine runs as its own, as a project knows it: such as 32-bit ARM on some of 64 bits.
fn own(config: &Config) -> Result<BTreeSet<ArchName>, String> {
    let native = machine(&config.map)?;
    Ok(match native.contains(&config.host) {
        true => native.union(&config.native).cloned().collect(),
        false => native,
    })
}

/// What this machine runs as its own.
fn machine(map: &ArchMap) -> Result<BTreeSet<ArchName>, String> {
    let host = crossfile::arch::host::detect(&crate::host::evidence());
    let host = host.map_err(|error| error.to_string())?;
    let entry = map.platform(&host.platform.to_string());
    let entry = entry.map_err(|error| error.to_string())?;
    Ok(map.native_of(&entry.name))
}

/// The kernel's entries; none where it cannot be asked. The first says whether it can, and is switched on.
fn entries(binfmt: &Mounted) -> Result<(bool, Vec<Registration>), Failure> {
    match binfmt.is_there() {
        true => binfmt
            .entries()
            .map_err(|error| Failure::Said(format!("binfmt_misc cannot be read: {error}"))),
        false => Ok((false, Vec::new())),
    }
}

fn is_file(path: &str) -> bool {
    Path::new(path).is_file()
}
