//! Whether a machine is ready for a release, part by part, with what mends each part.
//!
//! [`machine`] asks the programs of a backend through the trait [`Machine`] and judges their answers; what they reach, as daemons and
//! builders, is asked through them. [`clock`], [`space`] and `registry` judge single answers. Nothing here changes anything.

mod buildah;
mod builder;
mod buildkit;
mod clock;
mod docker;
mod emulation;
mod program;
#[cfg(feature = "registry")]
pub mod registry;
mod space;

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Serialize;

pub use builder::Classic;
pub use clock::clock;
pub use emulation::{Local, Runs, has_stage};
pub use space::space;

use crate::arch::{ArchMap, ArchName};
use crate::backend::Command;
use crate::run::ExecError;

/// How a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum State {
    /// As it should be.
    Ok,
    /// A release would go through, or may.
    Warning,
    /// A release would fail.
    Failure,
    /// Not looked at; `seen` says why.
    Skipped,
}

/// What was looked at, and what was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Part {
    /// What kind of thing it is: `daemon`.
    pub part: &'static str,
    /// Which of them: `unix:///var/run/docker.sock`; nothing where there is one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// How it is.
    pub state: State,
    /// What was seen, in one line.
    pub seen: String,
    /// What mends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mend: Option<Mend>,
}

/// What mends a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Mend {
    /// What to do, in words; nothing where the command says it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// The command that does it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// What can be done without asking: it takes nothing away, and nobody else would miss what was before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub safe: Option<Fix>,
}

/// Something that is done without asking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Fix {
    /// Have the kernel run programs of these architectures by the QEMU that is here.
    Register(Vec<ArchName>),
    /// Bring generated files up to date.
    Generate,
}

impl Part {
    /// A part that was looked at.
    pub fn new(
        part: &'static str,
        name: impl Into<String>,
        state: State,
        seen: impl AsRef<str>,
    ) -> Part {
        Part {
            part,
            name: one_line(&name.into()),
            state,
            seen: one_line(seen.as_ref()),
            mend: None,
        }
    }

    /// The same with a command that mends it.
    #[must_use]
    pub fn command(mut self, command: impl Into<String>) -> Part {
        self.mend_mut().command = Some(one_line(&command.into()));
        self
    }

    /// The same with words that say what mends it.
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Part {
        self.mend_mut().text = one_line(&text.into());
        self
    }

    /// The same with what may be done without asking.
    #[must_use]
    pub fn safe(mut self, fix: Fix) -> Part {
        self.mend_mut().safe = Some(fix);
        self
    }

    fn mend_mut(&mut self) -> &mut Mend {
        self.mend.get_or_insert(Mend {
            text: String::new(),
            command: None,
            safe: None,
        })
    }
}

/// Whether a release would go through, as far as it was looked at.
pub fn is_ready(parts: &[Part]) -> bool {
    parts.iter().all(|part| part.state != State::Failure)
}

/// The machine that is looked at.
pub trait Machine: Sync {
    /// What a program prints.
    ///
    /// # Errors
    /// It is not there, failed, or gave no answer in time.
    fn ask(&self, command: &Command) -> Result<String, ExecError>;

    /// A variable of the environment.
    fn env(&self, name: &str) -> Option<String>;

    /// What its clock says.
    fn now(&self) -> SystemTime;

    /// How many bytes are free where a folder is.
    ///
    /// # Errors
    /// There is no such folder, or it may not be looked at.
    fn free(&self, folder: &Path) -> io::Result<u64>;

    /// Its kernel's version and its name, by which a daemon that is in a virtual machine or a container is told.
    fn kernel(&self) -> Kernel;
}

/// What tells one machine from another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Kernel {
    /// As `uname -r` prints it; nothing where it is not Linux.
    pub release: String,
    /// As `uname -n` prints it.
    pub name: String,
}

impl Kernel {
    /// A kernel by its version and its machine's name.
    pub fn new(release: impl Into<String>, name: impl Into<String>) -> Kernel {
        Kernel {
            release: release.into(),
            name: name.into(),
        }
    }
}

/// What is to be built, as far as it matters to machines.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Wanted<'a> {
    /// The table.
    pub map: &'a ArchMap,
    /// The backend: one of [`NAMES`](crate::backend::NAMES).
    pub backend: String,
    /// Whether the backend's own tool makes the indexes.
    pub own_index: bool,
    /// What is built, each image for each machine that may build it.
    pub images: Vec<Image>,
    /// Whether the settings ask for several platforms in one go.
    pub at_once: bool,
    /// What this machine's kernel runs.
    pub local: Local,
    /// Whether programs of other backends are told of, too.
    pub all: bool,
}

impl<'a> Wanted<'a> {
    /// Nothing to build yet, with a backend.
    pub fn new(map: &'a ArchMap, backend: impl Into<String>, local: Local) -> Wanted<'a> {
        Wanted {
            map,
            backend: backend.into(),
            own_index: false,
            images: Vec::new(),
            at_once: false,
            local,
            all: false,
        }
    }
}

/// An image that a machine is to build.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Image {
    /// Its architecture.
    pub arch: ArchName,
    /// Its platform: `linux/arm/v7`.
    pub platform: String,
    /// The machine; nothing for the one that is chosen.
    pub builder: Option<String>,
    /// Whether a release goes on without it.
    pub optional: bool,
    /// Whether its build runs programs of its architecture.
    pub runs: bool,
    /// What docker's classic builder makes of it, which knows less and builds more.
    pub classic: Classic,
    /// Whether secrets are mounted into its build.
    pub secrets: bool,
    /// Further arguments of the backend's program itself, as `--tlsdir`.
    pub flags: Vec<String>,
}

impl Image {
    /// An image for a platform that the chosen machine builds, running programs of it.
    pub fn new(arch: ArchName, platform: impl Into<String>) -> Image {
        Image {
            arch,
            platform: platform.into(),
            builder: None,
            optional: false,
            runs: true,
            classic: Classic {
                runs: true,
                unknown: None,
            },
            secrets: false,
            flags: Vec::new(),
        }
    }
}

/// Looks at the programs of a backend and at what they reach.
pub fn machine(wanted: &Wanted<'_>, machine: &dyn Machine) -> Vec<Part> {
    let mut parts = match wanted.backend.as_str() {
        "docker" => docker::docker(wanted, machine),
        "buildx" => buildkit::buildx(wanted, machine),
        "buildctl" => buildkit::buildctl(wanted, machine),
        "buildah" | "podman" => buildah::check(wanted, machine),
        _ => Vec::new(),
    };
    if wanted.all {
        parts.extend(program::others(wanted, machine));
    }
    parts
}

/// A text in one line of a bounded length, without what a terminal would act on, and without the passwords of addresses.
fn one_line(text: &str) -> String {
    /// The most characters that are shown of it.
    const MOST: usize = 400;
    let words = text.split(|c: char| c.is_whitespace() || c.is_control() || turns(c));
    let words = words.filter(|word| !word.is_empty());
    let words: Vec<Cow<'_, str>> = words.map(without_password).collect();
    let text = words.join(" ");
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Characters that show others in another order than they stand.
fn turns(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A word without whom its address is for: `tcp://host:2375` of `tcp://user:password@host:2375`. A user without a password is where an
/// address of ssh leads.
fn without_password(word: &str) -> Cow<'_, str> {
    let Some((before, rest)) = word.split_once("://") else {
        return word.into();
    };
    let end = rest
        .find(['/', '?', '#', '"', '\'', '`'])
        .unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let Some((user, host)) = authority.rsplit_once('@') else {
        return word.into();
    };
    match (before.ends_with("ssh"), user.split_once(':')) {
        (true, None) => word.into(),
        (true, Some((user, _))) => format!("{before}://{user}@{host}{path}").into(),
        (false, _) => format!("{before}://{host}{path}").into(),
    }
}

/// Why a program gave no answer, with the last that it said.
fn reason(error: &ExecError) -> String {
    match error {
        ExecError::Failed { last, .. } if !last.is_empty() => last.join("\n"),
        _ => error.to_string(),
    }
}

/// A folder of a store with what is free there.
fn folder(machine: &dyn Machine, name: &str, folder: &str, clean: &str) -> Part {
    let path = PathBuf::from(folder);
    let free = machine.free(&path);
    let part = space(name, &path, free.as_ref().map_err(ToString::to_string));
    match part.state {
        State::Warning | State::Failure => part.command(clean),
        _ => part,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_part_reaches_a_terminal_or_shows_a_password() {
        let part = Part::new("daemon", "a\nb\u{1b}[2J", State::Failure, "x\r\u{202e}y")
            .text("one\ntwo\u{9b}31m")
            .command("docker -H tcp://u:secret@h:1 \u{7}");
        assert_eq!(part.name, "a b [2J");
        assert_eq!(part.seen, "x y");
        let mend = part.mend.unwrap_or_else(|| panic!("there is a mend"));
        assert_eq!(mend.text, "one two 31m");
        assert_eq!(mend.command.as_deref(), Some("docker -H tcp://h:1"));
        for (said, shown) in [
            ("ssh://me@host", "ssh://me@host"),
            ("ssh://me:secret@host/x", "ssh://me@host/x"),
            ("`tcp://u@h:1`:", "`tcp://h:1`:"),
            ("\"http://u:p@h/v1/info\":", "\"http://h/v1/info\":"),
            ("unix:///run/a@b", "unix:///run/a@b"),
            ("me@host", "me@host"),
        ] {
            assert_eq!(one_line(said), shown);
        }
    }
}
