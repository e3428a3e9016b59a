//! Who builds for docker: the classic builder, or BuildKit.
//!
//! Source: docker/cli, cmd/docker/docker.go: flags that only BuildKit has are hidden where a build would be the classic builder's. The
//! client looks at `DOCKER_BUILDKIT`, its plugins and what the engine would rather have.

use super::docker::{as_grave, docker_to};
use super::{Image, Machine, Part, State, reason};
use crate::dockerfile::{AUTOMATIC, Instruction, Stages, instructions, opens_heredoc};

/// What the classic builder makes of a Dockerfile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Classic {
    /// Whether it runs programs of the target's architecture: it builds every stage up to the target, needed or not.
    pub runs: bool,
    /// The first that it does not know: `RUN --mount`.
    pub unknown: Option<String>,
}

impl Classic {
    /// What it makes of a text, building a stage.
    pub fn of(text: &str, target: Option<&str>) -> Classic {
        let instructions = instructions(text);
        let stages = Stages::of(text, &instructions, &Default::default());
        let last = stages.target(target);
        let mut classic = Classic::default();
        let mut stage: Option<usize> = None;
        let mut global: Vec<&str> = Vec::new();
        for instruction in &instructions {
            match instruction.name.as_str() {
                "FROM" => stage = Some(stage.map_or(0, |stage| stage + 1)),
                "ARG" if stage.is_none() => {
                    global.extend(instruction.arguments().map(|word| word.text.as_str()));
                }
                _ => {}
            }
            if stage > last {
                break;
            }
            classic.unknown = classic.unknown.or_else(|| unknown(instruction, &global));
        }
        classic.runs = super::emulation::Runs::of_all(text, target).target;
        classic
    }
}

/// What only BuildKit knows of an instruction.
fn unknown(instruction: &Instruction, global: &[&str]) -> Option<String> {
    let name = instruction.name.as_str();
    let known: &[&str] = match name {
        "RUN" => &[],
        "COPY" => &["from", "chown"],
        "ADD" => &["chown"],
        "FROM" => {
            let (platform, _) = instruction.flag("platform")?;
            let declared = |name: &str| {
                let named = |own: &&str| own.split('=').next() == Some(name);
                global.iter().any(named)
            };
            let asked = AUTOMATIC.iter().find(|name| platform.contains(**name));
            let asked = asked.filter(|name| !declared(name))?;
            return Some(format!("FROM --platform=${asked}"));
        }
        _ => return None,
    };
    let flag = instruction.flags().map(|(flag, ..)| flag);
    let mut flags = flag.filter(|flag| !known.contains(flag));
    if let Some(flag) = flags.next() {
        return Some(format!("{name} --{flag}"));
    }
    let opens = instruction
        .arguments()
        .any(|word| opens_heredoc(&word.text));
    opens.then(|| format!("{name} <<"))
}

/// Which of the two it is for some images of one engine, and what it does not know. Those that the classic builder builds are changed
/// to what it runs.
pub(super) fn look(
    machine: &dyn Machine,
    (builder, endpoint): (Option<&str>, &str),
    images: &mut [Image],
) -> Vec<Part> {
    let mut parts = Vec::new();
    let (with, without): (Vec<&mut Image>, Vec<&mut Image>) =
        images.iter_mut().partition(|image| image.secrets);
    for (mut images, secrets) in [(without, false), (with, true)] {
        if images.is_empty() && (secrets || builder.is_some()) {
            continue;
        }
        let mut command = docker_to(builder, &["build", "--help"]);
        if secrets {
            // As the build itself is told.
            command = command.env("DOCKER_BUILDKIT", "1");
        }
        let said = match machine.ask(&command) {
            Ok(said) => said,
            Err(error) => {
                let why = reason(&error);
                // Anything else says nothing of builders.
                if why.contains("BuildKit is enabled but") {
                    let part = Part::new("builder", endpoint, State::Failure, why);
                    let part = part.text("install the plugin buildx (https://github.com/docker/buildx#installing), or say DOCKER_BUILDKIT=0 where nothing needs BuildKit");
                    parts.push(grave(part, &images));
                }
                continue;
            }
        };
        if !said.contains("--help") && !said.contains("--file") {
            continue;
        }
        if said.contains("--secret") {
            parts.push(Part::new("builder", endpoint, State::Ok, "BuildKit"));
            continue;
        }
        for image in &mut images {
            image.runs = image.classic.runs;
        }
        let refused = images
            .iter()
            .filter(|image| image.classic.unknown.is_some());
        let refused: Vec<&Image> = refused.map(|image| &**image).collect();
        let Some(what) = refused
            .first()
            .and_then(|image| image.classic.unknown.clone())
        else {
            let seen = "the classic builder, not BuildKit";
            parts.push(Part::new("builder", endpoint, State::Ok, seen));
            continue;
        };
        let seen = format!("the classic builder, which does not know `{what}`");
        let part = Part::new("builder", endpoint, State::Failure, seen);
        let part = part
            .text("it needs the plugin buildx from docker 23.0 on")
            .command("export DOCKER_BUILDKIT=1");
        parts.push(as_grave(part, &refused));
    }
    parts
}

fn grave(part: Part, images: &[&mut Image]) -> Part {
    let images: Vec<&Image> = images.iter().map(|image| &**image).collect();
    as_grave(part, &images)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_buildkit_knows_is_found_up_to_the_target() {
        for (text, target, unknown) in [
            ("FROM a\nRUN b\nCOPY --chown=1 --from=x a /\n", None, None),
            (
                "FROM --platform=$BUILDPLATFORM a\n",
                None,
                Some("FROM --platform=$BUILDPLATFORM"),
            ),
            (
                "ARG BUILDPLATFORM=linux/amd64\nFROM --platform=$BUILDPLATFORM a\n",
                None,
                None,
            ),
            ("FROM --platform=linux/amd64 a\n", None, None),
            (
                "FROM a\nRUN --mount=type=cache,target=/c b\n",
                None,
                Some("RUN --mount"),
            ),
            ("FROM a\nCOPY --link a /\n", None, Some("COPY --link")),
            ("FROM a\nRUN <<EOF\nb\nEOF\n", None, Some("RUN <<")),
            (
                "FROM a AS b\nRUN c\nFROM a\nRUN --mount=type=ssh c\n",
                Some("b"),
                None,
            ),
        ] {
            let found = Classic::of(text, target).unknown;
            assert_eq!(found.as_deref(), unknown, "{text}");
        }
    }

    #[test]
    fn stages_that_are_not_needed_are_built_all_the_same() {
        let text = "FROM alpine AS test\nRUN a\nFROM scratch\nCOPY a /\nFROM alpine\nRUN a\n";
        assert!(Classic::of(text, Some("1")).runs);
        assert!(!Classic::of("FROM scratch AS b\nFROM alpine\nRUN a\n", Some("b")).runs);
    }
}
