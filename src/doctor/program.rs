//! Programs, and whether they are new enough.

use super::{Machine, Part, State, Wanted, reason};
use crate::backend::{Command, NAMES};
use crate::run::ExecError;

/// A version, as far as it is compared.
pub(super) type Version = (u32, u32);

/// The first version in a text: `20.10` of `Docker version 20.10.24+dfsg1, build 297e128`.
pub(super) fn version(text: &str) -> Option<(Version, String)> {
    let words = text.split(|c: char| c.is_whitespace() || c == ',');
    words.into_iter().find_map(|word| {
        let word = word.strip_prefix('v').unwrap_or(word);
        let mut numbers = word.split('.').map(|part| {
            let end = part.find(|c: char| !c.is_ascii_digit());
            part[..end.unwrap_or(part.len())].parse::<u32>().ok()
        });
        let (major, minor) = (numbers.next()??, numbers.next()??);
        Some(((major, minor), word.to_string()))
    })
}

/// A program that is needed.
pub(super) struct Needed<'a> {
    /// What it is called.
    pub(super) name: &'a str,
    /// What makes it say its version.
    pub(super) command: Command,
    /// Before this version it lacks what crossfile calls; why.
    pub(super) least: Option<(Version, &'a str)>,
    /// Before this version crossfile was not tried with it.
    pub(super) tried: Option<Version>,
    /// What installs it.
    pub(super) install: &'a str,
}

impl Needed<'_> {
    /// Looks whether it is there; gives its version where that can be told.
    pub(super) fn look(&self, machine: &dyn Machine) -> (Part, Option<Version>) {
        self.judge(machine.ask(&self.command))
    }

    /// The same of what it said.
    pub(super) fn judge(&self, said: Result<String, ExecError>) -> (Part, Option<Version>) {
        let part = |state: State, seen: String| Part::new("program", self.name, state, seen);
        let said = match said {
            Ok(said) => said,
            Err(ExecError::NotFound { program }) => {
                let seen = format!("there is no program `{program}` on PATH");
                return (part(State::Failure, seen).text(self.install), None);
            }
            Err(error) => {
                return (
                    part(State::Failure, reason(&error)).text(self.install),
                    None,
                );
            }
        };
        let Some((found, shown)) = version(&said) else {
            let seen = format!("it does not say its version: {said}");
            return (part(State::Warning, seen), None);
        };
        let text = |(major, minor): Version| format!("{major}.{minor}");
        let part = match (self.least, self.tried) {
            (Some((least, why)), _) if found < least => {
                let seen = format!("{shown} is older than {}, and {why}", text(least));
                part(State::Failure, seen).text(self.install)
            }
            (_, Some(tried)) if found < tried => {
                let seen = format!("{shown}; crossfile is tried with {} and later", text(tried));
                part(State::Warning, seen).text("install a newer one")
            }
            _ => part(State::Ok, shown),
        };
        (part, Some(found))
    }
}

/// Programs of other backends: nothing depends on them.
pub(super) fn others(wanted: &Wanted<'_>, machine: &dyn Machine) -> Vec<Part> {
    let mut others: Vec<(&str, Command)> = Vec::new();
    for name in NAMES.iter().chain(&["skopeo"]) {
        let own = match wanted.backend.as_str() {
            "buildx" => *name == "docker" || *name == "buildx",
            backend => *name == backend,
        };
        if own {
            continue;
        }
        let command = match *name {
            "buildx" => Command::new("docker", ["buildx", "version"]),
            name => Command::new(name, ["--version"]),
        };
        others.push((name, command));
    }
    crate::parallel::side_by_side(&others, |(name, command)| {
        let (state, seen) = match machine.ask(command) {
            Ok(said) => {
                let shown = version(&said).map(|(_, shown)| shown);
                (State::Ok, shown.unwrap_or(said))
            }
            Err(ExecError::NotFound { .. }) => (State::Skipped, "it is not here".to_string()),
            Err(error) => (State::Skipped, reason(&error)),
        };
        let seen = format!("{seen}; {} does without", wanted.backend);
        Part::new("program", *name, state, seen)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_programs_say() {
        for (said, found) in [
            (
                "Docker version 20.10.24+dfsg1, build 297e128\n",
                Some((20, 10)),
            ),
            (
                "github.com/docker/buildx 0.13.1+ds1 0.13.1+ds1-3\n",
                Some((0, 13)),
            ),
            (
                "github.com/docker/buildx v0.29.1-desktop.1 9872040\n",
                Some((0, 29)),
            ),
            (
                "buildctl github.com/moby/buildkit v0.11.6 2951a28\n",
                Some((0, 11)),
            ),
            (
                "buildah version 1.28.2 (image-spec 1.1.0-rc2, runtime-spec 1.0.2-dev)\n",
                Some((1, 28)),
            ),
            ("podman version 4.3.1\n", Some((4, 3))),
            ("docker version dev\n", None),
            ("", None),
            ("1\n", None),
            ("v.\n", None),
        ] {
            assert_eq!(version(said).map(|(version, _)| version), found, "{said}");
        }
    }
}
