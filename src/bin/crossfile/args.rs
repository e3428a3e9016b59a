//! The command line, declared for clap. Help texts are the reference: README and man pages are checked against them.

use std::path::PathBuf;

#[cfg(feature = "registry")]
use crate::bases::BasesArgs;
use crate::ci::CiArgs;
use crate::complete::{self, CompletionsArgs};
use crate::doctor::DoctorArgs;
use crate::explain::ExplainArgs;
use crate::init::InitArgs;
#[cfg(feature = "registry")]
use crate::inspect::InspectArgs;
use crate::lint::LintArgs;
use crate::man::ManArgs;
use crate::qemu::QemuArgs;
use crate::release::{BuildArgs, ManifestArgs, PlanArgs, PushArgs, ReleaseArgs};
use crate::schema::SchemaArgs;
use crate::vars::VarsArgs;
#[cfg(feature = "registry")]
use crate::verify::VerifyArgs;
use clap::{Parser, Subcommand, ValueEnum};
use crossfile::config::DEFAULT_HOST;
use crossfile::{Diagnostic, Located, Overrides, Place, Value};

/// What a command's exit code says.
pub(crate) const EXIT_CODES: &[(&str, &str)] = &[
    ("0", "done and clean; warnings too"),
    (
        "1",
        "a question answered no: drift (--check, --diff), a finding (lint, bases, doctor)",
    ),
    (
        "2",
        "an error: bad usage, settings or template, something missing, a step that failed",
    ),
    ("130", "ended by Ctrl-C"),
];

/// The files that commands read.
pub(crate) const FILES: &[(&str, &str)] = &[
    (
        "Dockerfile.cross",
        "a template: a file whose name fits `templates` and that holds a placeholder",
    ),
    (
        "crossfile.toml",
        "a project's settings, at or above a template, up to the top of the repository",
    ),
    (
        "crossfile.lock",
        "base images by their digests, beside crossfile.toml; `bases --lock` writes it",
    ),
    (
        "arch-map.toml",
        "the table of architecture names, built in; `arch-map` names a project's own",
    ),
    (
        ".crossfileignore",
        "what git sees and crossfile should not, in the form of .gitignore",
    ),
];

fn after_help() -> String {
    let section = |title: &str, entries: &[(&str, &str)]| {
        let width = entries
            .iter()
            .map(|(term, _)| term.len())
            .max()
            .unwrap_or(0);
        let line = |(term, meaning): &(&str, &str)| format!("  {term:<width$}  {meaning}\n");
        format!("{title}:\n{}", entries.iter().map(line).collect::<String>())
    };
    format!(
        "{}\n{}",
        section("Exit codes", EXIT_CODES),
        section("Files", FILES)
    )
}

/// One Dockerfile template in, one right Dockerfile per architecture out
#[derive(Debug, Parser)]
#[command(name = "crossfile", version, max_term_width = 100, after_long_help = after_help())]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Print errors and asked-for results only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,

    /// Say more about what is done
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a template and settings to begin with; nothing that is there is overwritten
    ///
    /// Examples:
    ///   crossfile init
    ///   crossfile init --template download images/app
    ///   crossfile init --from build.config
    #[command(verbatim_doc_comment)]
    Init(InitArgs),
    /// Expand every template below each PATH
    ///
    /// Examples:
    ///   crossfile generate
    ///   crossfile generate --check
    ///   crossfile generate --arch amd64,arm64v8 --set version=1.2 images/app
    ///   crossfile generate --arch arm64v8 --stdout | docker build -f - .
    #[command(visible_alias = "gen", verbatim_doc_comment)]
    Generate(GenerateArgs),
    /// Say what building, pushing and indexing the project's images would do; run nothing
    ///
    /// Asks no program: a backend is taken to be able to do what it can do at its best. `--dry-run` of the other commands
    /// prints what would run on this machine.
    ///
    /// Examples:
    ///   crossfile plan
    ///   crossfile plan --backend buildx --format shell > release.sh
    ///   crossfile plan --format bake > docker-bake.json
    #[command(verbatim_doc_comment)]
    Plan(PlanArgs),
    /// Generate, then build the image of each architecture
    Build(BuildArgs),
    /// Push the images that `build` made
    Push(PushArgs),
    /// Make an index over images that are in a registry: of the project, or of each SOURCE
    ///
    /// Examples:
    ///   crossfile manifest
    ///   crossfile manifest --tag acme/nginx:1.27 acme/nginx:amd64-1.27 acme/nginx:arm64v8-1.27
    #[command(verbatim_doc_comment)]
    Manifest(ManifestArgs),
    /// Generate, build, push, make the index and check it
    ///
    /// Base images are asked for first (`crossfile bases`): what is missing stops it before anything is built.
    /// Each architecture is built and pushed for itself, side by side; the tag moves last, when all of them are there.
    /// A backend that builds several platforms in one go does so where their Dockerfiles are the same.
    ///
    /// Examples:
    ///   crossfile release
    ///   crossfile release --backend buildx --tag 1.27.1
    ///   crossfile release --dry-run
    #[command(verbatim_doc_comment)]
    Release(ReleaseArgs),
    /// Print what an index holds: platforms, sizes, attestations, and which entry each kind of machine pulls
    ///
    /// Examples:
    ///   crossfile inspect acme/nginx:1.27
    ///   crossfile inspect --hosts acme/nginx:1.27
    ///   crossfile inspect --raw oci:out:1.27
    #[cfg(feature = "registry")]
    #[command(verbatim_doc_comment)]
    Inspect(InspectArgs),
    /// Prove that an index is right: everything is there, for the platforms that it says, down to the programs in its layers
    ///
    /// Exits with 1 where something is wrong. `--repair` rewrites platforms that no client finds, as `arm64/armv8`.
    ///
    /// Examples:
    ///   crossfile verify
    ///   crossfile verify acme/nginx:1.27 --expect amd64,arm32v7,arm64v8
    ///   crossfile verify --repair acme/nginx:1.27
    #[cfg(feature = "registry")]
    #[command(verbatim_doc_comment)]
    Verify(VerifyArgs),
    /// Ask the registries whether every base image is there for every architecture that is built from it
    ///
    /// Base images are those of every `FROM`, `COPY --from` and `RUN --mount=from=` of the generated files, with variables
    /// filled in as a build would.
    ///
    /// Examples:
    ///   crossfile bases
    ///   crossfile bases --lock && crossfile generate --locked
    ///   crossfile bases --check
    #[cfg(feature = "registry")]
    #[command(verbatim_doc_comment)]
    Bases(BasesArgs),
    /// Say what is wrong, or probably wrong, with what the templates make; write nothing
    ///
    /// Exits with 1 for findings, with 0 for warnings alone, with 2 where settings or a template cannot be read.
    /// A finding is allowed by its code: `[lint] allow = ["CODE"]` in crossfile.toml, or a comment
    /// `# crossfile: allow=CODE` at its line or above it.
    Lint(LintArgs),
    /// Print every name that templates may use, with its value for each architecture
    Vars(VarsArgs),
    /// Look things up in the table of architecture names
    Arch(ArchArgs),
    /// Say whether a release would go through on this machine, part by part, with what mends each part
    ///
    /// Asks programs, daemons, builders, the kernel and registries, side by side and none for long; starts, changes and pushes nothing. To
    /// ask for the right to write, an upload is begun and taken back before anything is sent.
    /// Exits with 1 where a release would fail.
    ///
    /// Examples:
    ///   crossfile doctor
    ///   crossfile doctor --backend buildx --format json
    ///   sudo crossfile doctor --fix
    #[command(verbatim_doc_comment)]
    Doctor(DoctorArgs),
    /// Write the pipeline of a CI service that checks, builds each architecture on its own runner, pushes, indexes and verifies
    ///
    /// It is written to where the service looks for it, at the top of the repository. Settings are below `[ci]` in crossfile.toml.
    ///
    /// Examples:
    ///   crossfile ci github
    ///   crossfile ci gitlab --check
    ///   crossfile ci travis --diff images
    #[command(verbatim_doc_comment)]
    Ci(CiArgs),
    /// See to it that this machine runs programs of other architectures
    Qemu(QemuArgs),
    /// Say what the code of a message means, with an example and its cure
    Explain(ExplainArgs),
    /// Print a JSON Schema, for editors
    Schema(SchemaArgs),
    /// Print the script that has a shell complete commands, architectures, schemes and templates
    Completions(CompletionsArgs),
    /// Write manual pages
    Man(ManArgs),
}

/// Which of a project's files, and with what values. Every project command has these.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct SelectArgs {
    /// Only these architectures, by their key in the table, separated by commas (`crossfile arch list` has them)
    #[arg(long, value_name = "LIST", value_delimiter = ',', add = complete::project_arches())]
    pub(crate) arch: Vec<String>,

    #[arg(long, value_name = "ARCH", add = complete::arches(), help = format!("The machine that builds [default: {DEFAULT_HOST}, or what crossfile.toml says]"))]
    pub(crate) host: Option<String>,

    /// Give a name a value, over everything that files say; may be repeated. Of a matrix axis: only that value's files
    #[arg(long, value_name = "NAME=VALUE", add = complete::settings())]
    pub(crate) set: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct GenerateArgs {
    /// Folders to look in for Dockerfile*.cross and *.Dockerfile.cross, or single templates
    #[arg(value_name = "PATH", default_value = ".", add = complete::templates())]
    pub(crate) paths: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) select: SelectArgs,

    /// Write below this folder instead of beside the templates
    #[arg(long, value_name = "DIR")]
    pub(crate) out_dir: Option<PathBuf>,

    /// Leave out the line that says what a file was generated from
    #[arg(long)]
    pub(crate) no_header: bool,

    /// Write base images with the digests of crossfile.lock
    #[arg(long)]
    pub(crate) locked: bool,

    /// Treat every architecture as native: no lines for QEMU
    #[arg(long)]
    pub(crate) no_qemu: bool,

    /// Overwrite foreign files: those that differ and do not bear crossfile's header
    #[arg(long, conflicts_with_all = ["check", "diff", "stdout"])]
    pub(crate) force: bool,

    /// Remove orphans: files that bear crossfile's header and that no template makes any more
    #[arg(long, conflicts_with_all = ["check", "diff", "stdout"])]
    pub(crate) prune: bool,

    /// Write nothing; list the files that are not right, and exit 1 if there are any
    #[arg(long, group = "mode")]
    pub(crate) check: bool,

    /// Write nothing; print what would change as a patch, and exit 1 if it is not empty
    #[arg(long, group = "mode")]
    pub(crate) diff: bool,

    /// Write nothing; print the files
    #[arg(long, group = "mode")]
    pub(crate) stdout: bool,

    /// How to print the result
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    #[default]
    Text,
    /// For programs; carries `"version": 1`
    Json,
    /// Messages as annotations of GitHub Actions
    Github,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ArchArgs {
    #[command(subcommand)]
    pub(crate) command: ArchCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ArchCommand {
    /// Print the table
    List {
        /// How to print it
        #[arg(long, value_enum, default_value_t)]
        format: TableFormat,
    },
    /// Print all names of one architecture
    Show {
        /// A key, an alias or a platform
        #[arg(add = complete::arch_names())]
        name: String,
        /// Whose name it is, as `debian`
        #[arg(long, value_name = "SCHEME", add = complete::schemes())]
        from: Option<String>,
        /// How to print it
        #[arg(long, value_enum, default_value_t)]
        format: TableFormat,
    },
    /// Translate a name from one scheme to another
    Resolve {
        /// The name to look up
        #[arg(add = complete::arch_names())]
        name: String,
        /// Whose name it is; without it only names that mean one thing to everybody
        #[arg(long, value_name = "SCHEME", add = complete::schemes())]
        from: Option<String>,
        /// Whose name to print; `annotate` prints the flags of `docker manifest annotate`
        #[arg(long, value_name = "SCHEME", default_value = "arch", add = complete::schemes())]
        to: String,
        /// How to print it
        #[arg(long, value_enum, default_value_t)]
        format: TableFormat,
    },
    /// Print the architecture of this machine, and how that was found out
    Host {
        /// How to print it
        #[arg(long, value_enum, default_value_t)]
        format: TableFormat,
    },
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum TableFormat {
    /// For people and shell scripts
    #[default]
    Text,
    /// For programs; carries `"version": 1`
    Json,
    /// As in arch-map.toml
    Toml,
    /// For documentation
    Markdown,
}

impl SelectArgs {
    /// The settings that the command line lays over a project's.
    pub(crate) fn overrides(
        &self,
        no_header: bool,
        no_qemu: bool,
    ) -> Result<Overrides, Diagnostic> {
        let set = self.set.iter().map(|argument| set(argument));
        let host = self.host.as_ref().map(|host| {
            let place = Place::argument(&format!("--host {host}"));
            located(host, &place, 7)
        });
        Ok(Overrides {
            host,
            set: set.collect::<Result<_, _>>()?,
            no_header,
            no_qemu,
            locked: None,
        })
    }

    /// The architectures asked for, each with a place to point at.
    pub(crate) fn arches(&self) -> Vec<Located<String>> {
        let place = Place::argument(&format!("--arch {}", self.arch.join(",")));
        let mut start = 7;
        let mut arches: Vec<Located<String>> = Vec::new();
        for arch in &self.arch {
            let known = arches.iter().any(|known| &known.value == arch);
            if !arch.is_empty() && !known {
                arches.push(located(arch, &place, start));
            }
            start += arch.len() + 1;
        }
        arches
    }
}

fn located(text: &str, argument: &Place, start: usize) -> Located<String> {
    let place = Place::new(argument.source(), start..start + text.len());
    Located::new(text.to_string(), place)
}

/// Splits `NAME=VALUE`.
fn set(argument: &str) -> Result<(Located<String>, Value), Diagnostic> {
    let place = Place::argument(&format!("--set {argument}"));
    match argument.split_once('=') {
        Some((name, value)) => Ok((located(name, &place, 6), Value::from_text(value))),
        None => {
            let message = format!("`{argument}` gives no value");
            Err(Diagnostic::error(crossfile::Code::BadValue, place, message)
                .help("write `--set NAME=VALUE`; an empty value is `--set NAME=`"))
        }
    }
}
