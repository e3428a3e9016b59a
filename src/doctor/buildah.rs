//! buildah, and podman, which builds with it.

use serde::Deserialize;

use super::docker::{as_grave, by_builder};
use super::emulation::{Where, emulation, machine_of};
use super::program::Needed;
use super::{Image, Machine, Part, State, Wanted, folder, reason};
use crate::backend::Command;
use crate::parallel::side_by_side;

/// What `buildah info` and `podman info` say.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Info {
    host: Host,
    store: Store,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Host {
    arch: String,
    os: String,
    kernel: String,
    /// buildah's word.
    rootless: bool,
    /// podman's.
    security: Security,
    service_is_remote: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Security {
    rootless: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Store {
    #[serde(rename = "GraphRoot", alias = "graphRoot")]
    root: String,
    #[serde(rename = "GraphDriverName", alias = "graphDriverName")]
    driver: String,
}

/// The backends buildah and podman.
pub(super) fn check(wanted: &Wanted<'_>, machine: &dyn Machine) -> Vec<Part> {
    let program = wanted.backend.as_str();
    let (tried, install) = match program {
        "podman" => (
            (4, 3),
            "install it (https://podman.io/docs/installation), or choose another with `--backend`",
        ),
        _ => (
            (1, 28),
            "install it (https://github.com/containers/buildah/blob/main/install.md), or choose another with `--backend`",
        ),
    };
    let needed = Needed {
        name: program,
        command: Command::new(program, ["--version"]),
        least: None,
        tried: Some(tried),
        install,
    };
    let (part, _) = needed.look(machine);
    let is_there = part.state != State::Failure;
    let mut parts = vec![part];
    if !is_there {
        return parts;
    }
    let builders = match program {
        "podman" => by_builder(&wanted.images),
        // It is always here, whatever a builder says.
        _ => vec![(None, wanted.images.iter().collect())],
    };
    let asked = side_by_side(&builders, |(connection, images)| {
        let parts = store(wanted, machine, *connection, images);
        parts
            .into_iter()
            .map(|part| as_grave(part, images))
            .collect::<Vec<_>>()
    });
    parts.extend(asked.into_iter().flatten());
    parts
}

fn store(
    wanted: &Wanted<'_>,
    machine: &dyn Machine,
    connection: Option<&str>,
    images: &[&Image],
) -> Vec<Part> {
    let program = wanted.backend.as_str();
    let mut args: Vec<&str> = Vec::new();
    if let Some(connection) = connection {
        args.extend(["--connection", connection]);
    }
    let mut info = args.clone();
    info.push("info");
    if program == "podman" {
        info.extend(["--format", "json"]);
    }
    let name = connection.unwrap_or_default();
    let said = match machine.ask(&Command::new(program, info)) {
        Ok(said) => said,
        Err(error) => return vec![refused(machine, (program, name), &reason(&error))],
    };
    let info: Info = match serde_json::from_str(&said) {
        Ok(info) => info,
        Err(error) => {
            let seen = format!("`{program} info` makes no sense: {error}");
            let part = Part::new("store", name, State::Failure, seen);
            return vec![part.text(format!("see what `{program} info` prints"))];
        }
    };
    let seen = format!("{} in {}", info.store.driver, info.store.root);
    let mut parts = vec![Part::new("store", name, State::Ok, seen)];
    let kernel = machine.kernel();
    let here = !info.host.service_is_remote && !kernel.release.is_empty();
    let here = here && (info.host.kernel.is_empty() || info.host.kernel == kernel.release);
    if here && (info.host.rootless || info.host.security.rootless) {
        parts.extend(ids(machine, program));
    }
    let place = match here {
        true => Where::Here,
        false => Where::There {
            own: machine_of(wanted.map, &info.host.os, &info.host.arch),
            platforms: None,
        },
    };
    parts.extend(emulation(wanted, name, images, &place));
    parts.push(match here {
        true => {
            let clean = match program {
                "buildah" => "buildah prune",
                _ => "podman system prune",
            };
            folder(machine, name, &info.store.root, clean)
        }
        false => {
            let seen = "the disk of another machine cannot be seen from here";
            Part::new("space", name, State::Skipped, seen)
                .text("`podman system df` says what it uses")
        }
    });
    parts
}

/// Why it does not say what it has.
fn refused(machine: &dyn Machine, (program, name): (&str, &str), said: &str) -> Part {
    let part = Part::new("store", name, State::Failure, said);
    let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
    if has(&["subuid", "subgid", "newuidmap"]) {
        return with_ids(part, machine);
    }
    if program == "podman" && has(&["Cannot connect to Podman", "podman machine"]) {
        return part.command("podman machine init && podman machine start");
    }
    if program == "podman" && has(&["connection"]) && !name.is_empty() {
        return part
            .text("`podman system connection list` lists connections; this makes one")
            .command(format!(
                "podman system connection add {name} ssh://USER@HOST"
            ));
    }
    part.text(format!("see what `{program} info` prints"))
}

fn with_ids(part: Part, machine: &dyn Machine) -> Part {
    let user = machine.env("USER").unwrap_or_else(|| "$USER".to_string());
    part.text("and install newuidmap (on Debian `apt-get install uidmap`) where it is missing")
        .command(format!(
            "sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {user}"
        ))
}

/// Whether somebody who is not root has users enough for what images hold: without a range of them only files of one user can be
/// unpacked.
fn ids(machine: &dyn Machine, program: &str) -> Option<Part> {
    let args = ["unshare", "cat", "/proc/self/uid_map"];
    let said = match machine.ask(&Command::new(program, args)) {
        Ok(said) => said,
        Err(error) => {
            // Before the last there are warnings that say the same.
            let said = reason(&error);
            let last = said.lines().last().unwrap_or_default();
            let part = Part::new("users", "", State::Failure, last);
            return Some(with_ids(part, machine));
        }
    };
    let sizes = said
        .lines()
        .filter_map(|line| line.split_whitespace().nth(2));
    let many: u64 = sizes.filter_map(|size| size.parse::<u64>().ok()).sum();
    Some(match many {
        0 => Part::new(
            "users",
            "",
            State::Skipped,
            format!("how many there are cannot be told: {said}"),
        ),
        1 => {
            let seen = "this user has no subordinate users (/etc/subuid): images with files of several cannot be unpacked";
            with_ids(Part::new("users", "", State::Failure, seen), machine)
        }
        many => Part::new(
            "users",
            "",
            State::Ok,
            format!("{many} for what images hold"),
        ),
    })
}
