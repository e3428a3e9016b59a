//! Whether what is built runs where it is built.

use std::collections::{BTreeMap, BTreeSet};

use super::{Fix, Image, Part, State, Wanted};
use crate::arch::{ArchMap, ArchName, Platform};
use crate::dockerfile::{Stages, instructions};
use crate::emulation::{Emulation, Row};

/// What the kernel of this machine runs.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Local {
    /// Each architecture; nothing where this machine is no Linux.
    pub rows: Vec<Row>,
    /// Those whose QEMU is here and may be registered by whoever asks.
    pub registrable: BTreeSet<ArchName>,
    /// Those whose QEMU is here.
    pub interpreters: BTreeSet<ArchName>,
}

impl Local {
    /// What a kernel runs, by its rows.
    pub fn new(rows: Vec<Row>) -> Local {
        Local {
            rows,
            ..Local::default()
        }
    }
}

/// Where something is built.
pub(super) enum Where {
    /// By this machine's kernel.
    Here,
    /// Elsewhere: on a machine of this architecture, where that is known, that builds these platforms, where it says so.
    There {
        own: Option<ArchName>,
        platforms: Option<Vec<String>>,
    },
}

/// Which programs the build of a stage runs, by the `RUN`s of its stages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Runs {
    /// Whether there are programs of the target's architecture: of a stage that is not for the platform that builds.
    pub target: bool,
    /// Other platforms, whose programs run whatever the target is: those that `--platform` says by name.
    pub platforms: BTreeSet<String>,
}

/// What the programs of a stage are for.
#[derive(Clone)]
enum For {
    Host,
    Target,
    Named(String),
}

impl Runs {
    /// What BuildKit runs: it builds what is needed alone.
    pub fn of(text: &str, target: Option<&str>) -> Runs {
        Runs::read(text, target, false)
    }

    /// What runs where every stage up to the target is built, needed or not.
    pub(super) fn of_all(text: &str, target: Option<&str>) -> Runs {
        Runs::read(text, target, true)
    }

    fn read(text: &str, target: Option<&str>, all: bool) -> Runs {
        let instructions = instructions(text);
        let stages = Stages::of(text, &instructions, &BTreeMap::new());
        let last = stages.target(target);
        let needed = match all {
            true => last.map(|last| (0..=last).collect()).unwrap_or_default(),
            false => stages.needed(last),
        };
        let mut runs = Runs::default();
        let mut made: Vec<For> = Vec::new();
        for instruction in &instructions {
            match instruction.name.as_str() {
                "FROM" => {
                    let said = instruction.flag("platform");
                    let said = said.map(|(platform, _)| match platform {
                        own if own.contains("BUILDPLATFORM") => For::Host,
                        own => match normal(own).filter(|_| !own.contains('$')) {
                            Some(named) => For::Named(named),
                            None => For::Target,
                        },
                    });
                    let base = stages.base(made.len()).and_then(|base| made.get(base));
                    made.push(said.or_else(|| base.cloned()).unwrap_or(For::Target));
                }
                "RUN" => {
                    let stage = made.len().checked_sub(1);
                    match stage
                        .filter(|stage| needed.contains(stage))
                        .map(|at| &made[at])
                    {
                        Some(For::Target) => runs.target = true,
                        Some(For::Named(platform)) => {
                            runs.platforms.insert(platform.clone());
                        }
                        Some(For::Host) | None => {}
                    }
                }
                _ => {}
            }
        }
        runs
    }
}

/// Whether a Dockerfile has a stage of a name, whose case is of no matter, or of a number.
pub fn has_stage(text: &str, target: &str) -> bool {
    let instructions = instructions(text);
    let stages = instructions.iter().filter(|own| own.name == "FROM");
    let names: Vec<Option<&str>> = stages
        .map(|from| {
            let words: Vec<_> = from.arguments().collect();
            let named = words.get(1)?.text.eq_ignore_ascii_case("as");
            let name = words.get(2).filter(|_| named)?;
            Some(name.text.as_str())
        })
        .collect();
    let is_named = |name: &Option<&str>| name.is_some_and(|name| name.eq_ignore_ascii_case(target));
    let is_number = |number: usize| number < names.len();
    names.iter().any(is_named) || target.parse().is_ok_and(is_number)
}

/// The row of the table that a daemon's machine is, by what its kernel calls it.
pub(super) fn machine_of(map: &ArchMap, os: &str, machine: &str) -> Option<ArchName> {
    let platform = map.platform(&format!("{os}/{machine}")).ok();
    let platform = platform.or_else(|| {
        let words = map.entries().iter().filter(|entry| entry.platform.os == os);
        words
            .into_iter()
            .find(|entry| entry.get("uname").as_deref() == Some(machine))
    });
    platform.map(|entry| entry.name.clone())
}

/// A platform as all write it.
pub(super) fn normal(text: &str) -> Option<String> {
    let platform = text.trim_end_matches('*').parse::<Platform>().ok();
    platform.map(|platform| platform.normalize().to_string())
}

/// What of some images runs where they are built; `name` is what that place is called.
pub(super) fn emulation(
    wanted: &Wanted<'_>,
    name: &str,
    images: &[&Image],
    place: &Where,
) -> Vec<Part> {
    match place {
        Where::Here => here(wanted, name, images),
        Where::There { own, platforms } => there(wanted, name, images, (own, platforms)),
    }
}

/// The worst that images are: what may be left out is no failure.
fn grave(images: &[&Image]) -> State {
    match images.iter().all(|image| image.optional || !image.runs) {
        true => State::Warning,
        false => State::Failure,
    }
}

fn names(images: &[&Image]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for image in images {
        if !names.iter().any(|name| name == image.arch.as_str()) {
            names.push(image.arch.to_string());
        }
    }
    names
}

fn here(wanted: &Wanted<'_>, name: &str, images: &[&Image]) -> Vec<Part> {
    let mut parts = Vec::new();
    let (mut native, mut emulated, mut lacking) = (Vec::new(), Vec::new(), Vec::new());
    let mut open: BTreeMap<String, Vec<&Image>> = BTreeMap::new();
    for image in images {
        let rows = &wanted.local.rows;
        let row = rows.iter().find(|row| row.arch == image.arch);
        match row.map(|row| &row.emulation) {
            Some(Emulation::Native) => native.push(*image),
            Some(Emulation::Emulated { fixed: true, .. }) => emulated.push(*image),
            Some(Emulation::Emulated {
                missing: false,
                interpreter,
                ..
            }) => open.entry(interpreter.clone()).or_default().push(image),
            _ => lacking.push(*image),
        }
    }
    let mut seen = Vec::new();
    if !native.is_empty() {
        seen.push(format!("{} natively", names(&native).join(", ")));
    }
    if !emulated.is_empty() {
        seen.push(format!("{} by QEMU", names(&emulated).join(", ")));
    }
    if !seen.is_empty() {
        let seen = format!("this kernel runs {}", seen.join(", "));
        parts.push(Part::new("emulation", name, State::Ok, seen));
    }
    for (interpreter, images) in open {
        let names = names(&images);
        let seen = format!(
            "this kernel runs {} where {interpreter} is inside the image",
            names.join(", ")
        );
        let part = Part::new("emulation", name, State::Warning, seen);
        let text = "copy it with a gated line, or register it with the flag F";
        let names = names.join(" ");
        parts.push(part.text(text).command(format!(
            "sudo crossfile qemu register --unregister {names} && sudo crossfile qemu register {names}"
        )));
    }
    if !lacking.is_empty() {
        parts.push(lacks(wanted, name, &lacking));
    }
    parts
}

fn lacks(wanted: &Wanted<'_>, name: &str, lacking: &[&Image]) -> Part {
    let names = names(lacking);
    let mut seen = format!("this kernel does not run {}", names.join(", "));
    if lacking.iter().all(|image| !image.runs) {
        seen.push_str("; nothing of it is run while it is built");
    } else if lacking.iter().all(|image| image.optional || !image.runs) {
        seen.push_str(", which may be left out");
    }
    let part = Part::new("emulation", name, grave(lacking), seen);
    let has = |known: &BTreeSet<ArchName>| lacking.iter().all(|image| known.contains(&image.arch));
    let names = names.join(" ");
    if !has(&wanted.local.interpreters) {
        let text = "install QEMU (on Debian `apt-get install qemu-user-static`) and register it, or have a container do it";
        return part
            .text(text)
            .command(format!("crossfile qemu register --with docker {names}"));
    }
    let part = part.command(format!("sudo crossfile qemu register {names}"));
    match has(&wanted.local.registrable) {
        true => {
            let arches = lacking.iter().map(|image| image.arch.clone());
            let arches: BTreeSet<ArchName> = arches.collect();
            part.safe(Fix::Register(arches.into_iter().collect()))
        }
        false => part,
    }
}

fn there(
    wanted: &Wanted<'_>,
    name: &str,
    images: &[&Image],
    (own, platforms): (&Option<ArchName>, &Option<Vec<String>>),
) -> Vec<Part> {
    let native = own.as_ref().map(|own| wanted.map.native_of(own));
    let is_native = |image: &Image| {
        let known = native.as_ref();
        known.is_some_and(|native| native.contains(&image.arch))
    };
    let said: Option<BTreeSet<String>> = platforms.as_ref().map(|platforms| {
        let platforms = platforms.iter();
        platforms.filter_map(|platform| normal(platform)).collect()
    });
    let (mut good, mut bad, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
    for image in images {
        let listed = said.as_ref().map(|said| {
            let wanted = normal(&image.platform);
            wanted.is_some_and(|wanted| said.contains(&wanted))
        });
        match (is_native(image), listed) {
            (true, _) | (_, Some(true)) => good.push(*image),
            (_, Some(false)) => bad.push(*image),
            (_, None) => unknown.push(*image),
        }
    }
    let mut parts = Vec::new();
    if !good.is_empty() {
        let seen = format!("it builds {}", names(&good).join(", "));
        parts.push(Part::new("emulation", name, State::Ok, seen));
    }
    if !bad.is_empty() {
        // It may build more than it says: arm/v5, or what was registered since it was started.
        let seen = format!("it does not say that it builds {}", names(&bad).join(", "));
        let part = Part::new("emulation", name, State::Warning, seen);
        let text = "an emulator may be missing there: `crossfile qemu register` on that machine, and start its builder anew";
        parts.push(part.text(text));
    }
    if !unknown.is_empty() {
        let seen = format!(
            "whether {} runs there cannot be asked from here",
            names(&unknown).join(", ")
        );
        let part = Part::new("emulation", name, State::Skipped, seen);
        parts.push(part.text("`crossfile qemu status` on that machine says it"));
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_on_the_machine_that_builds_needs_no_emulator() {
        for (text, target, runs) in [
            ("FROM alpine\nRUN a\n", None, true),
            ("FROM alpine\nCOPY a /\n", None, false),
            (
                "FROM --platform=$BUILDPLATFORM go AS b\nRUN a\nFROM scratch\nCOPY --from=b /a /\n",
                None,
                false,
            ),
            (
                "FROM --platform=${BUILDPLATFORM} go AS b\nFROM b AS c\nRUN a\nFROM scratch\nCOPY --from=c /a /\n",
                None,
                false,
            ),
            (
                "FROM --platform=$BUILDPLATFORM go AS b\nRUN a\nFROM alpine\nCOPY --from=b /a /\nRUN b\n",
                None,
                true,
            ),
            // A stage that is not needed is not built.
            (
                "FROM alpine AS test\nRUN a\nFROM scratch\nCOPY a /\n",
                None,
                false,
            ),
            (
                "FROM alpine AS test\nRUN a\nFROM scratch\nCOPY a /\n",
                Some("test"),
                true,
            ),
            (
                "FROM --platform=$TARGETPLATFORM alpine\nRUN a\n",
                None,
                true,
            ),
            ("", None, false),
            ("RUN a\n", None, false),
        ] {
            assert_eq!(Runs::of(text, target).target, runs, "{text}");
            assert!(Runs::of(text, target).platforms.is_empty(), "{text}");
        }
    }

    #[test]
    fn what_a_platform_names_runs_for_it() {
        let text = "FROM --platform=linux/x86_64 go AS b\nRUN a\nFROM b AS c\nRUN a\nFROM scratch\nCOPY --from=c /a /\n";
        let runs = Runs::of(text, None);
        assert!(!runs.target);
        assert_eq!(runs.platforms, BTreeSet::from(["linux/amd64".to_string()]));
    }

    #[test]
    fn machines_are_known_by_the_words_of_their_kernels() {
        let map = ArchMap::builtin();
        let of =
            |os: &str, machine: &str| machine_of(&map, os, machine).map(|arch| arch.to_string());
        assert_eq!(of("linux", "x86_64").as_deref(), Some("amd64"));
        assert_eq!(of("linux", "aarch64").as_deref(), Some("arm64v8"));
        assert_eq!(of("linux", "armv7l").as_deref(), Some("arm32v7"));
        assert_eq!(of("windows", "x86_64").as_deref(), Some("windows-amd64"));
        assert_eq!(of("", ""), None);
        assert_eq!(of("linux", "toaster"), None);
    }
}
