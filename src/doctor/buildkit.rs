//! BuildKit, by way of Docker's plugin buildx or of its own client.

use super::docker::{Daemon, GROWN, as_grave, by_builder, client, count, daemon};
use super::emulation::{Where, emulation};
use super::program::Needed;
use super::{Image, Machine, Part, State, Wanted, folder, reason};
use crate::backend::Command;
use crate::parallel::side_by_side;

/// Source: docker/buildx#605.
const BUILDX: (u32, u32) = (0, 6);

/// Source: moby/buildkit#2095.
const BUILDCTL: (u32, u32) = (0, 9);

const NO_METADATA: &str = "has no `--metadata-file`";

/// What `docker buildx inspect` says of a builder.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Builder {
    pub(super) name: String,
    pub(super) driver: String,
    /// Why it cannot be asked.
    pub(super) error: String,
    pub(super) nodes: Vec<Node>,
}

/// A machine of a builder.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) endpoint: String,
    pub(super) status: String,
    pub(super) error: String,
    pub(super) platforms: Vec<String>,
}

impl Builder {
    /// Reads what versions since 0.6 print: fields of the builder, then those of each node.
    pub(super) fn read(text: &str) -> Builder {
        let mut builder = Builder::default();
        let mut in_nodes = false;
        for line in text.lines() {
            let Some((name, value)) = line.split_once(':') else {
                continue;
            };
            let value = value.trim().to_string();
            match (name, in_nodes, builder.nodes.last_mut()) {
                ("Nodes", ..) => in_nodes = true,
                ("Name", false, _) => builder.name = value,
                ("Driver", false, _) => builder.driver = value,
                ("Error" | "Err", false, _) => builder.error = value,
                ("Name", true, _) => builder.nodes.push(Node::default()),
                ("Endpoint", true, Some(node)) => node.endpoint = value,
                ("Status", true, Some(node)) => node.status = value,
                ("Error" | "Err", true, Some(node)) => node.error = value,
                ("Platforms", true, Some(node)) => {
                    let platforms = value.split(',').map(str::trim);
                    let platforms = platforms.filter(|platform| !platform.is_empty());
                    node.platforms = platforms.map(str::to_string).collect();
                }
                _ => {}
            }
        }
        builder
    }

    fn platforms(&self) -> Option<Vec<String>> {
        let platforms = self.nodes.iter().flat_map(|node| node.platforms.clone());
        let platforms: Vec<String> = platforms.collect();
        (!platforms.is_empty()).then_some(platforms)
    }

    /// Whether what it does is done by an engine.
    fn needs_daemon(&self) -> bool {
        // It has no driver where its engine does not answer.
        matches!(self.driver.as_str(), "" | "docker" | "docker-container")
    }

    fn part(&self) -> Part {
        let nodes = self.nodes.iter();
        let nodes: Vec<String> = nodes
            .map(|node| match node.status.as_str() {
                "" => node.endpoint.clone(),
                status => format!("{} {status}", node.endpoint),
            })
            .collect();
        let mut seen = format!("driver {}: {}", self.driver, nodes.join(", "));
        if let Some(platforms) = self.platforms() {
            seen.push_str(&format!(", for {}", platforms.join(", ")));
        }
        let failed = self.nodes.iter().find(|node| !node.error.is_empty());
        if let Some(node) = failed {
            let seen = format!("{seen}: {}", node.error);
            let part = Part::new("builder", &self.name, State::Failure, seen);
            return part.command(format!("docker buildx inspect --bootstrap {}", self.name));
        }
        let idle = |node: &Node| matches!(node.status.as_str(), "inactive" | "stopped");
        let seen = match self.nodes.iter().any(idle) {
            true => format!("{seen}; the first build starts it"),
            false => seen,
        };
        Part::new("builder", &self.name, State::Ok, seen)
    }
}

/// The backend buildx.
pub(super) fn buildx(wanted: &Wanted<'_>, machine: &dyn Machine) -> Vec<Part> {
    let (part, found) = client(machine);
    let is_there = part.state != State::Failure;
    let mut parts = vec![part];
    if !is_there {
        return parts;
    }
    let needed = Needed {
        name: "buildx",
        command: Command::new("docker", ["buildx", "version"]),
        least: Some((BUILDX, NO_METADATA)),
        tried: Some((0, 13)),
        install: "install the plugin (https://github.com/docker/buildx#installing), or choose another with `--backend`",
    };
    let (mut part, plugin) = needed.look(machine);
    if part.state == State::Failure && plugin.is_none() {
        let seen = format!("docker has no plugin `buildx`: {}", part.seen);
        part = Part::new("program", "buildx", State::Failure, seen).text(needed.install);
        let version = Command::new(
            "docker",
            ["version", "--format", "{{.Client.Experimental}}"],
        );
        let said = machine.ask(&version);
        // Without an engine it ends with 1, and prints it all the same.
        let said = said.unwrap_or_else(|error| reason(&error));
        if found.is_some_and(|found| found < GROWN) && !said.contains("true") {
            let seen =
                "clients before 20.10 hide their plugins without DOCKER_CLI_EXPERIMENTAL=enabled";
            let hidden = Part::new("experimental", "", State::Failure, seen);
            parts.push(hidden.command("export DOCKER_CLI_EXPERIMENTAL=enabled"));
        }
    }
    let is_there = part.state != State::Failure;
    parts.push(part);
    if !is_there {
        return parts;
    }
    let engine = daemon(None, machine);
    let builders = by_builder(&wanted.images);
    let asked = side_by_side(&builders, |(builder, images)| {
        builder_parts(wanted, machine, (*builder, images), engine.as_deref().ok())
    });
    let needs = asked.iter().any(|(needs, _)| *needs);
    match engine {
        Ok(engine) => parts.extend(engine.parts(wanted, machine)),
        Err(mut part) => {
            // Builders elsewhere do without.
            if !needs && part.state == State::Failure {
                part.state = State::Warning;
            }
            parts.push(*part);
        }
    }
    parts.extend(asked.into_iter().flat_map(|(_, parts)| parts));
    parts
}

/// What is to be said of a builder, and whether it needs the engine.
fn builder_parts(
    wanted: &Wanted<'_>,
    machine: &dyn Machine,
    (builder, images): (Option<&str>, &[&Image]),
    engine: Option<&Daemon>,
) -> (bool, Vec<Part>) {
    let mut args = vec!["buildx", "inspect"];
    args.extend(builder);
    let said = match machine.ask(&Command::new("docker", args)) {
        Ok(said) => Builder::read(&said),
        Err(error) => {
            let part = Part::new(
                "builder",
                builder.unwrap_or("the one that is chosen"),
                State::Failure,
                reason(&error),
            );
            let part = part
                .text("`docker buildx ls` lists builders; this makes one")
                .command(match builder {
                    Some(name) => {
                        format!("docker buildx create --name {name} --driver docker-container")
                    }
                    None => "docker buildx create --use --driver docker-container".to_string(),
                });
            return (builder.is_none(), vec![as_grave(part, images)]);
        }
    };
    if said.name.is_empty() {
        let part = Part::new(
            "builder",
            builder.unwrap_or_default(),
            State::Warning,
            "`docker buildx inspect` makes no sense",
        );
        return (true, vec![part.text("see what it prints")]);
    }
    if !said.error.is_empty() {
        let part = match engine {
            // That is a part of its own.
            None if said.needs_daemon() => Part::new(
                "builder",
                &said.name,
                State::Skipped,
                "it is the engine's own, which does not answer",
            ),
            _ => Part::new("builder", &said.name, State::Failure, &said.error)
                .text("`docker buildx ls` lists builders"),
        };
        return (said.needs_daemon(), vec![as_grave(part, images)]);
    }
    let mut parts = vec![as_grave(said.part(), images)];
    if wanted.at_once && said.driver == "docker" && count(images) > 1 {
        let store = engine.is_some_and(Daemon::has_containerd_store);
        parts.push(store_part(&said.name, store));
    }
    let is_engines = said.needs_daemon()
        && engine.is_some_and(|engine| {
            let own = [said.name.as_str(), "default", engine.endpoint.as_str()];
            said.nodes
                .iter()
                .all(|node| own.contains(&node.endpoint.as_str()))
        });
    let place = match engine {
        Some(engine) if is_engines && engine.here => Where::Here,
        _ => Where::There {
            own: engine
                .filter(|_| is_engines)
                .and_then(|engine| engine.arch(wanted)),
            platforms: said.platforms(),
        },
    };
    parts.extend(emulation(wanted, &said.name, images, &place));
    if !is_engines {
        let seen = "the disk of a builder elsewhere cannot be seen from here";
        let part = Part::new("space", &said.name, State::Skipped, seen);
        let what = format!(
            "`docker buildx du --builder {}` says what it uses",
            said.name
        );
        parts.push(part.text(what));
    }
    (said.needs_daemon(), parts)
}

/// Whether an engine's own builder can build several platforms in one go.
fn store_part(name: &str, has_containerd: bool) -> Part {
    match has_containerd {
        true => {
            let seen = "the containerd image store: several platforms are built in one go";
            Part::new("store", name, State::Ok, seen)
        }
        false => {
            let seen = "the classic image store: platforms are built one by one";
            let part = Part::new("store", name, State::Warning, seen);
            part.text("for one go say `{\"features\": {\"containerd-snapshotter\": true}}` in /etc/docker/daemon.json, or make a builder")
                .command("docker buildx create --use --driver docker-container")
        }
    }
}

/// Where BuildKit listens where nothing is said.
const SOCKET: &str = "unix:///run/buildkit/buildkitd.sock";

/// The backend buildctl.
pub(super) fn buildctl(wanted: &Wanted<'_>, machine: &dyn Machine) -> Vec<Part> {
    let needed = Needed {
        name: "buildctl",
        command: Command::new("buildctl", ["--version"]),
        least: Some((BUILDCTL, NO_METADATA)),
        tried: None,
        install: "install BuildKit (https://github.com/moby/buildkit/releases), or choose another with `--backend`",
    };
    let (part, _) = needed.look(machine);
    let is_there = part.state != State::Failure;
    let mut parts = vec![part];
    if !is_there {
        return parts;
    }
    if wanted.own_index {
        parts.push(index_tool(machine));
    }
    let builders = by_builder(&wanted.images);
    let asked = side_by_side(&builders, |(builder, images)| {
        let named = builder.map(str::to_string);
        let address = named.or_else(|| machine.env("BUILDKIT_HOST"));
        let address = address.unwrap_or_else(|| SOCKET.to_string());
        workers(wanted, machine, (*builder, &address), images)
    });
    parts.extend(asked.into_iter().flatten());
    parts
}

fn workers(
    wanted: &Wanted<'_>,
    machine: &dyn Machine,
    (builder, address): (Option<&str>, &str),
    images: &[&Image],
) -> Vec<Part> {
    let mut args: Vec<String> = images
        .first()
        .map(|image| image.flags.clone())
        .unwrap_or_default();
    if let Some(address) = builder {
        args.extend(["--addr".to_string(), address.to_string()]);
    }
    args.extend(["debug".to_string(), "workers".to_string()]);
    let said = match machine.ask(&Command::new("buildctl", args)) {
        Ok(said) => said,
        Err(error) => {
            let said = reason(&error);
            let part = Part::new("worker", address, State::Failure, &said);
            let part = match said.contains("permission denied") {
                true => part.text("run it as root, or rootless: https://github.com/moby/buildkit/blob/master/docs/rootless.md"),
                false if address == SOCKET => part
                    .text("or say where it runs: `builder` in crossfile.toml, or BUILDKIT_HOST")
                    .command("sudo systemctl start buildkit"),
                false => part.text("start buildkitd there, or say where it runs: `builder` in crossfile.toml, or BUILDKIT_HOST"),
            };
            return vec![as_grave(part, images)];
        }
    };
    let words = said.split(|c: char| c == ',' || c.is_whitespace());
    let platforms =
        words.filter(|word| word.contains('/') && super::emulation::normal(word).is_some());
    let platforms: Vec<String> = platforms.map(str::to_string).collect();
    if platforms.is_empty() {
        let part = Part::new("worker", address, State::Failure, "it has no worker");
        let part = part.text(
            "start buildkitd with a worker: `--oci-worker=true`, or `--containerd-worker=true`",
        );
        return vec![as_grave(part, images)];
    }
    let seen = format!("its workers build {}", platforms.join(", "));
    let mut parts = vec![Part::new("worker", address, State::Ok, seen)];
    let here = address.starts_with("unix://") && !machine.kernel().release.is_empty();
    let place = match here {
        true => Where::Here,
        false => Where::There {
            own: None,
            platforms: Some(platforms),
        },
    };
    parts.extend(emulation(wanted, address, images, &place));
    parts.push(match here {
        true => folder(machine, address, "/var/lib/buildkit", "buildctl prune"),
        false => {
            let seen = "the disk of a BuildKit elsewhere cannot be seen from here";
            let part = Part::new("space", address, State::Skipped, seen);
            part.text("`buildctl du` says what it uses")
        }
    });
    parts
}

/// BuildKit's client makes no indexes: somebody else has to.
fn index_tool(machine: &dyn Machine) -> Part {
    let tools = [
        (
            "docker buildx imagetools",
            Command::new("docker", ["buildx", "version"]),
        ),
        ("docker manifest", Command::new("docker", ["--version"])),
        ("buildah manifest", Command::new("buildah", ["--version"])),
    ];
    let found = tools
        .iter()
        .find(|(_, command)| machine.ask(command).is_ok());
    match found {
        Some((name, _)) => Part::new("index", "", State::Ok, format!("`{name}` makes it")),
        None => {
            let seen = "neither docker nor buildah is there to make the index";
            let part = Part::new("index", "", State::Failure, seen);
            part.text("leave `--index backend` out: crossfile makes it itself")
        }
    }
}
