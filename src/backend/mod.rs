//! Backends: programs that build images, push them and make indexes, each as a translation from steps to actions.
//!
//! A [`Backend`] runs nothing. It says what it can do, and lowers a [`Step`] to [`Action`]s: commands as data, with what each
//! yields.

mod buildah;
mod buildctl;
mod buildx;
mod docker;
mod external;
mod registry;

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

pub use crate::plan::Capabilities;
use crate::plan::{Destination, IndexSource, Step, StepId, Task};

pub use buildah::Buildah;
pub use buildctl::Buildctl;
pub use buildctl::IndexTool;
pub use buildx::Buildx;
pub use docker::Docker;
pub use external::{Ask, External};
pub use registry::{IndexAction, RegistryAction, SourceAction, VerifyAction, WithRegistry};

/// The backends that are there without any program of the user's own.
pub const NAMES: &[&str] = &["docker", "buildx", "buildctl", "buildah", "podman"];

impl<B: Backend + ?Sized> Backend for Box<B> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn capabilities(&self) -> Capabilities {
        (**self).capabilities()
    }

    fn lower(&self, step: &Step) -> Result<Vec<Action>, Unsupported> {
        (**self).lower(step)
    }
}

/// A program that does what a plan says.
pub trait Backend: Sync {
    /// Its name.
    fn name(&self) -> &str;

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// The actions of a step, done one after the other.
    ///
    /// # Errors
    /// The step asks for what the backend cannot do.
    fn lower(&self, step: &Step) -> Result<Vec<Action>, Unsupported>;
}

/// Something that a step asks for and the backend cannot do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unsupported {
    /// The step.
    pub step: StepId,
    /// What it cannot do, as the end of a sentence: `push by digest`.
    pub capability: String,
    /// The way out.
    pub help: String,
}

impl Unsupported {
    /// What cannot be done for a step.
    pub fn new(step: &Step, capability: impl Into<String>, help: impl Into<String>) -> Unsupported {
        Unsupported {
            step: step.id.clone(),
            capability: capability.into(),
            help: help.into(),
        }
    }
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: cannot {}", self.step, self.capability)
    }
}

impl std::error::Error for Unsupported {}

/// Something to do, as data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Action {
    /// A program to run.
    Command(Command),
    /// Something asked of a registry, without a program.
    Registry(RegistryAction),
}

impl Action {
    /// The command that does it: for what is asked of a registry that of crossfile.
    pub fn command(&self) -> Cow<'_, Command> {
        match self {
            Action::Command(command) => Cow::Borrowed(command),
            Action::Registry(action) => Cow::Owned(action.command()),
        }
    }

    /// Whether it yields a key.
    pub(crate) fn yields(&self, key: &str) -> bool {
        match self {
            Action::Command(command) => command.yields.iter().any(|yielded| yielded.key == key),
            Action::Registry(RegistryAction::Index(_)) => key == "digest",
            Action::Registry(RegistryAction::Verify(_)) => false,
        }
    }
}

/// A program with its arguments. No shell is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Command {
    /// The program: a name to be found on PATH, or a path.
    pub program: String,
    /// Its arguments.
    pub args: Vec<Value>,
    /// Environment variables over those that are there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<(String, String)>,
    /// What it reads from its standard input; nothing is an empty one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stdin: Option<String>,
    /// What is taken from it for later steps.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub yields: Vec<Yield>,
    /// Whether it may fail: it clears away what may not be there.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub may_fail: bool,
    /// Whether it only asks something for the summary: a script leaves it out.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub only_reports: bool,
    /// What it has to print.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expect>,
}

impl Command {
    /// A program with arguments.
    pub fn new(
        program: impl Into<String>,
        args: impl IntoIterator<Item = impl Into<Value>>,
    ) -> Command {
        Command {
            program: program.into(),
            args: args.into_iter().map(Into::into).collect(),
            ..Command::default()
        }
    }

    fn arg(&mut self, arg: impl Into<Value>) -> &mut Command {
        self.args.push(arg.into());
        self
    }

    fn flag(&mut self, name: &str, value: impl Into<Value>) -> &mut Command {
        self.args.push(name.into());
        self.args.push(value.into());
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Command {
        self.env.push((name.to_string(), value.to_string()));
        self
    }

    fn yields(mut self, key: &str, from: Find) -> Command {
        self.yields.push(Yield::new(key, from));
        self
    }

    fn may_fail(mut self) -> Command {
        self.may_fail = true;
        self
    }

    /// Asks something that nothing depends on.
    fn only_reports(mut self) -> Command {
        self.only_reports = true;
        self.may_fail()
    }
}

impl From<RegistryAction> for Action {
    fn from(action: RegistryAction) -> Action {
        Action::Registry(action)
    }
}

impl From<Command> for Action {
    fn from(command: Command) -> Action {
        Action::Command(command)
    }
}

/// An argument, parts of which may be known only when it is needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Value {
    /// A text.
    Text(String),
    /// What an action of a step yielded.
    Output {
        /// The step.
        step: String,
        /// Which of its outputs.
        key: String,
    },
    /// A file of the run's own folder, which goes when all is done.
    Scratch {
        /// The file's name.
        scratch: String,
    },
    /// Parts, joined.
    Joined(Vec<Value>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.to_string())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(text)
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Value {
        Value::Text(text.clone())
    }
}

/// Something that an action makes known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Yield {
    /// Its name for later steps: `digest`.
    pub key: String,
    /// Where it is found.
    pub from: Find,
}

impl Yield {
    /// An output by its name.
    pub fn new(key: &str, from: Find) -> Yield {
        Yield {
            key: key.to_string(),
            from,
        }
    }
}

/// Where an action's output is found. A trailing line break is no part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Find {
    /// All of its standard output.
    Stdout,
    /// The last line of its standard output.
    LastLine,
    /// What follows a text in its standard output, up to the next blank.
    After(String),
    /// A file of the run's own folder.
    File(String),
    /// A field of a JSON file of the run's own folder, by its JSON pointer.
    Json {
        /// The file.
        file: String,
        /// The field: `/containerimage.digest`.
        pointer: String,
    },
}

/// What an action has to print.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Expect {
    /// An index or a Docker manifest list, with these platforms and no others, attestations aside. With none it has to be an
    /// index.
    Platforms {
        /// The platforms that it has to have.
        needed: Vec<String>,
        /// Platforms that it may have, too.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        optional: Vec<String>,
    },
}

/// An image of an index: by its tag, or by the digest that its step yields.
fn source(source: &IndexSource) -> Value {
    match (&source.step, source.by_digest) {
        (Some(step), true) => Value::Joined(vec![
            format!("{}@", source.reference).into(),
            Value::Output {
                step: step.0.clone(),
                key: "digest".to_string(),
            },
        ]),
        _ => (&source.reference).into(),
    }
}

/// A name of letters, digits and `-` that no other text has: where letters had to go, a number tells them apart (FNV-1a, which is
/// the same everywhere).
fn plain_name(text: &str) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let name: String = text
        .chars()
        .map(|c| if plain(c) { c } else { '-' })
        .collect();
    if name == text {
        return name;
    }
    let number = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |number, byte| {
            (number ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    format!("{name}-{number:016x}")
}

/// A name for a file of the run's own folder.
fn file_name(step: &Step, ending: &str) -> String {
    let name = step.id.0.split_once(':');
    let (kind, label) = name.unwrap_or(("step", &step.id.0));
    format!("{kind}-{}.{ending}", plain_name(label))
}

fn scratch(name: &str) -> Value {
    Value::Scratch {
        scratch: name.to_string(),
    }
}

/// Arguments of a build that several programs call the same.
fn build_flags(command: &mut Command, build: &crate::plan::Build) {
    for (name, value) in &build.args {
        command.flag("--build-arg", format!("{name}={value}"));
    }
    for (name, value) in &build.labels {
        command.flag("--label", format!("{name}={value}"));
    }
    if let Some(target) = &build.target {
        command.flag("--target", target);
    }
    for from in &build.cache_from {
        command.flag("--cache-from", from);
    }
    for to in &build.cache_to {
        command.flag("--cache-to", to);
    }
    for secret in &build.secrets {
        command.flag("--secret", secret);
    }
}

/// The platforms of a build in one argument.
fn platforms(build: &crate::plan::Build) -> String {
    let platforms: Vec<&str> = build
        .targets
        .iter()
        .map(|target| target.platform.as_str())
        .collect();
    platforms.join(",")
}

/// Refuses what a step asks for and a backend says that it cannot do.
pub(crate) fn check(step: &Step, can: &Capabilities) -> Result<(), Unsupported> {
    let cannot = |what: &str, help: &str| Err(Unsupported::new(step, what, help));
    let build = match &step.task {
        Task::Build(build) => build,
        Task::Index(_) if !can.indexes => {
            return cannot(
                "make an index",
                "use another backend, as `--backend docker`",
            );
        }
        Task::Index(index) if !can.shapes_indexes => {
            let with = "leave it out, or make the index with `--index registry`";
            let layout = |source: &IndexSource| source.reference.starts_with("oci:");
            if !index.annotations.is_empty() {
                return cannot("annotate an index", with);
            }
            if index.without_attestations {
                return cannot("leave attestations out of an index", with);
            }
            if index.to.is_some() || index.sources.iter().any(layout) {
                return cannot("make an index of or in a folder", with);
            }
            return Ok(());
        }
        _ => return Ok(()),
    };
    if build.targets.len() > 1 && !can.several_platforms {
        return cannot(
            "build several platforms in one go",
            "build each architecture on its own",
        );
    }
    if build.destination == Destination::Digest && !can.pushes_by_digest {
        return cannot(
            "push an image under its digest alone",
            "give `arch-tag` a pattern; BuildKit's own builders can, as `docker buildx create` makes them",
        );
    }
    if !build.secrets.is_empty() && !can.secrets {
        return cannot(
            "mount secrets",
            "use another backend, as `--backend buildx`",
        );
    }
    if !build.cache_to.is_empty() && !can.cache_to {
        return cannot(
            "put its cache somewhere",
            "take `cache-to` out, or use another backend, as `--backend buildx`",
        );
    }
    Ok(())
}
