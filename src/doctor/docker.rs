//! Docker's engines.

use std::collections::BTreeMap;
use std::thread;
use std::time::SystemTime;

use serde::Deserialize;

use super::emulation::{Where, emulation, machine_of, normal};
use super::program::{Needed, Version, version};
use super::{Image, Machine, Part, State, Wanted, builder, clock, folder, one_line, reason};
use crate::arch::ArchName;
use crate::backend::Command;
use crate::parallel::side_by_side;
use crate::run::ExecError;

/// The first version whose clients and engines take `--platform` and `docker manifest` without being told to experiment.
pub(super) const GROWN: Version = (20, 10);

/// What `docker info` says.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Info {
    server_version: String,
    server_errors: Option<Vec<String>>,
    #[serde(rename = "OSType")]
    os_type: String,
    architecture: String,
    kernel_version: String,
    name: String,
    system_time: String,
    docker_root_dir: String,
    driver_status: Option<Vec<Vec<String>>>,
    experimental_build: bool,
}

/// An engine that answers.
pub(super) struct Daemon {
    info: Info,
    /// Where it is reached.
    pub(super) endpoint: String,
    /// Whether it runs on this machine's kernel.
    pub(super) here: bool,
    /// Whether it sees the files that we see.
    sees_files: bool,
    asked: (SystemTime, SystemTime),
}

impl Daemon {
    /// Whether it keeps images in containerd's store.
    pub(super) fn has_containerd_store(&self) -> bool {
        let status = self.info.driver_status.iter().flatten().flatten();
        status
            .into_iter()
            .any(|word| word.contains("io.containerd.snapshotter"))
    }

    pub(super) fn arch(&self, wanted: &Wanted<'_>) -> Option<ArchName> {
        machine_of(wanted.map, &self.info.os_type, &self.info.architecture)
    }

    /// What an engine says of itself, its clock and its disk.
    pub(super) fn parts(&self, wanted: &Wanted<'_>, machine: &dyn Machine) -> Vec<Part> {
        let info = &self.info;
        let platform = match self.arch(wanted).and_then(|arch| {
            let entry = wanted.map.get(arch.as_str())?;
            Some(entry.platform.to_string())
        }) {
            Some(platform) => platform,
            None => format!("{}/{}", info.os_type, info.architecture),
        };
        let store = match self.has_containerd_store() {
            true => ", containerd image store",
            false => "",
        };
        let seen = format!("Engine {}, {platform}{store}", info.server_version);
        let name = self.endpoint.as_str();
        let mut parts = Vec::new();
        let found = version(&info.server_version);
        match found {
            Some((found, _)) if found < GROWN && !info.experimental_build => {
                let seen = format!(
                    "{seen}: before 20.10 it takes `--platform` only with experimental features"
                );
                let part = Part::new("daemon", name, State::Failure, seen);
                let text =
                    "use a newer one, or say `{\"experimental\": true}` in /etc/docker/daemon.json";
                parts.push(part.text(text).command("sudo systemctl restart docker"));
            }
            _ => parts.push(Part::new("daemon", name, State::Ok, seen)),
        }
        if let Some(time) = clock::read(&info.system_time) {
            parts.push(clock(name, time, self.asked));
        }
        parts.push(match self.sees_files {
            true => folder(machine, name, &info.docker_root_dir, "docker system prune"),
            false => {
                let seen = "the disk of a daemon elsewhere cannot be seen from here";
                let part = Part::new("space", name, State::Skipped, seen);
                part.text("`docker system df` says what it uses")
            }
        });
        parts
    }

    /// Images for another system than the engine's.
    fn wrong_system(&self, images: &[&Image]) -> Option<Part> {
        let os = self.info.os_type.as_str();
        let wrong = images.iter().find(|image| {
            let own = image.platform.split('/').next().unwrap_or_default();
            !os.is_empty() && own != os
        })?;
        let state = match images.iter().all(|image| image.optional) {
            true => State::Warning,
            false => State::Failure,
        };
        let seen = format!(
            "it has {os} containers, and {} is to be built",
            wrong.platform
        );
        let part = Part::new("platform", self.endpoint.as_str(), state, seen);
        Some(part.text("switch Docker Desktop to the other containers, or name a `builder` for that architecture in crossfile.toml"))
    }
}

/// `docker`, speaking to the engine that a builder names.
pub(super) fn docker_to(builder: Option<&str>, args: &[&str]) -> Command {
    let mut all: Vec<String> = match builder {
        Some(address) if address.contains("://") => vec!["--host".into(), address.into()],
        Some(context) => vec!["--context".into(), context.into()],
        None => Vec::new(),
    };
    all.extend(args.iter().map(|arg| (*arg).to_string()));
    Command::new("docker", all)
}

/// What an engine is called here.
fn called(builder: Option<&str>, machine: &dyn Machine) -> String {
    if let Some(address) = builder.filter(|address| address.contains("://")) {
        return one_line(address);
    }
    let mut args = vec!["context", "inspect"];
    args.extend(builder);
    args.extend(["--format", "{{.Endpoints.docker.Host}}"]);
    let said = machine.ask(&Command::new("docker", args));
    let said = said.unwrap_or_default();
    match (said.trim(), builder) {
        ("", Some(context)) => context.to_string(),
        // Clients before 19.03 have no contexts.
        ("", None) => machine.env("DOCKER_HOST").map_or_else(
            || "unix:///var/run/docker.sock".to_string(),
            |named| one_line(&named),
        ),
        (endpoint, _) => one_line(endpoint),
    }
}

/// Asks an engine what it is.
pub(super) fn daemon(
    builder: Option<&str>,
    machine: &dyn Machine,
) -> Result<Box<Daemon>, Box<Part>> {
    // Side by side: where one hangs, the other does.
    let (endpoint, said, asked) = thread::scope(|scope| {
        let endpoint = scope.spawn(|| called(builder, machine));
        let before = machine.now();
        let said = machine.ask(&docker_to(builder, &["info", "--format", "{{json .}}"]));
        let asked = (before, machine.now());
        (endpoint.join().unwrap_or_default(), said, asked)
    });
    let failed = |what: &str| Err(Box::new(unreachable((builder, &endpoint), what, machine)));
    let text = match &said {
        Ok(said) => said.clone(),
        // Some versions end with 1 when the engine does not answer, and print the same.
        Err(ExecError::Failed { last, .. }) if !last.is_empty() => last.join("\n"),
        Err(error) => return failed(&error.to_string()),
    };
    let mut lines = text.lines().filter(|line| line.starts_with('{'));
    let info = lines.next().map(serde_json::from_str::<Info>);
    let info = match info {
        Some(Ok(info)) => info,
        Some(Err(error)) => return failed(&format!("`docker info` makes no sense: {error}")),
        None if said.is_err() => return failed(&text),
        None => return failed(&format!("`docker info` makes no sense: {text}")),
    };
    if let Some(error) = info.server_errors.iter().flatten().next() {
        return failed(error);
    }
    if info.server_version.is_empty() {
        // Clients since 23.0 say why beside the result.
        let version = docker_to(builder, &["version", "--format", "{{.Server.Version}}"]);
        let why = machine.ask(&version).map_err(|error| reason(&error));
        return failed(
            &why.err()
                .unwrap_or_else(|| "it does not answer".to_string()),
        );
    }
    let kernel = machine.kernel();
    let local = endpoint.starts_with("unix://") && !kernel.release.is_empty();
    let here = local && info.kernel_version == kernel.release;
    Ok(Box::new(Daemon {
        here,
        // In a container of the same kernel other files are seen.
        sees_files: here && info.name == kernel.name,
        info,
        endpoint,
        asked,
    }))
}

/// Why an engine does not answer, and what may be done about it.
fn unreachable(
    (builder, endpoint): (Option<&str>, &str),
    said: &str,
    machine: &dyn Machine,
) -> Part {
    let part = Part::new("daemon", endpoint, State::Failure, said);
    let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
    let user = machine.env("USER").filter(|user| user != "root");
    let named = machine.env("DOCKER_HOST").filter(|_| builder.is_none());
    if has(&["permission denied"]) && endpoint.starts_with("unix://") {
        let user = user.unwrap_or_else(|| "$USER".to_string());
        return part
            .text("whoever may speak to it is root there; log in anew afterwards")
            .command(format!("sudo usermod -aG docker {user}"));
    }
    if has(&["resolve docker endpoint", "context not found"]) {
        let context = builder.unwrap_or("NAME");
        return part
            .text("`docker context ls` lists contexts; this makes one")
            .command(format!(
                "docker context create {context} --docker host=ssh://USER@HOST"
            ));
    }
    if has(&["gave no answer"]) {
        return part.text("it hangs: look at its log, and start it anew");
    }
    if has(&["is too old", "is too new", "API version"]) {
        return part.text("install a client and an engine of versions that go together");
    }
    if let Some(host) = endpoint.strip_prefix("ssh://") {
        let host = host.split('/').next().unwrap_or_default();
        return part
            .text("this has to work without a question")
            .command(format!("ssh {host} docker version"));
    }
    if let Some(named) = named {
        return part.text(format!(
            "DOCKER_HOST says `{named}`: start the engine there, or leave the variable out with `unset DOCKER_HOST`"
        ));
    }
    if builder.is_some() || endpoint.starts_with("tcp://") {
        return part.text("start the engine there, or name another `builder` in crossfile.toml");
    }
    if !has(&[
        "Cannot connect",
        "Is the docker daemon running",
        "does not answer",
    ]) {
        return part.text("see what `docker info` prints");
    }
    if machine.kernel().release.is_empty() {
        return part.text("start Docker Desktop");
    }
    part.command("sudo systemctl start docker")
}

/// Images by the machine that builds them.
pub(super) fn by_builder(images: &[Image]) -> Vec<(Option<&str>, Vec<&Image>)> {
    let mut builders: Vec<(Option<&str>, Vec<&Image>)> = Vec::new();
    for image in images {
        let builder = image.builder.as_deref();
        match builders.iter_mut().find(|(known, _)| *known == builder) {
            Some((_, known)) => known.push(image),
            None => builders.push((builder, vec![image])),
        }
    }
    if builders.is_empty() {
        builders.push((None, Vec::new()));
    }
    builders
}

/// A part that matters no more than the images that it is for.
pub(super) fn as_grave(mut part: Part, images: &[&Image]) -> Part {
    let optional = !images.is_empty() && images.iter().all(|image| image.optional);
    if part.state == State::Failure && optional {
        part.state = State::Warning;
    }
    part
}

/// The client.
pub(super) fn client(machine: &dyn Machine) -> (Part, Option<Version>) {
    let needed = Needed {
        name: "docker",
        command: Command::new("docker", ["--version"]),
        least: None,
        tried: Some(GROWN),
        install: "install it (https://docs.docker.com/engine/install), or choose another with `--backend`",
    };
    let said = machine.ask(&needed.command);
    let is_podman = said.as_ref().is_ok_and(|said| is_podman(said));
    let (part, found) = needed.judge(said);
    if !is_podman {
        return (part, found);
    }
    let seen = "this is podman under another name: what it prints is not what docker prints";
    let part = Part::new("program", "docker", State::Failure, seen);
    let text = "say `--backend podman`, or `backend = \"podman\"` in crossfile.toml";
    // podman's versions are no versions of docker's.
    (part.text(text), None)
}

fn is_podman(said: &str) -> bool {
    said.to_lowercase().contains("podman")
}

/// The backend docker.
pub(super) fn docker(wanted: &Wanted<'_>, machine: &dyn Machine) -> Vec<Part> {
    let (part, found) = client(machine);
    let is_there = part.state != State::Failure;
    let mut parts = vec![part];
    if !is_there {
        return parts;
    }
    if wanted.own_index && found.is_some_and(|found| found < GROWN) {
        let seen = "clients before 20.10 want DOCKER_CLI_EXPERIMENTAL=enabled for `docker manifest`: crossfile sets it";
        parts.push(Part::new("experimental", "", State::Ok, seen));
    }
    let builders = by_builder(&wanted.images);
    let asked = side_by_side(&builders, |(builder, images)| {
        let daemon = match daemon(*builder, machine) {
            Ok(daemon) => daemon,
            Err(part) => return vec![as_grave(*part, images)],
        };
        let mut parts = daemon.parts(wanted, machine);
        if let Some(part) = daemon.wrong_system(images) {
            parts.push(part);
            return parts;
        }
        let place = match daemon.here {
            true => Where::Here,
            false => Where::There {
                own: daemon.arch(wanted),
                platforms: own_builder(*builder, machine),
            },
        };
        let mut images: Vec<Image> = images.iter().map(|image| (*image).clone()).collect();
        parts.extend(builder::look(
            machine,
            (*builder, &daemon.endpoint),
            &mut images,
        ));
        let images: Vec<&Image> = images.iter().collect();
        parts.extend(emulation(wanted, &daemon.endpoint, &images, &place));
        parts
    });
    parts.extend(asked.into_iter().flatten());
    parts
}

/// The platforms that an engine's own BuildKit names, where the client can ask for them.
fn own_builder(builder: Option<&str>, machine: &dyn Machine) -> Option<Vec<String>> {
    let said = machine
        .ask(&docker_to(builder, &["buildx", "inspect", "default"]))
        .ok()?;
    let mut platforms = said
        .lines()
        .filter_map(|line| line.strip_prefix("Platforms:"));
    let platforms = platforms.next()?.split(',').map(str::trim);
    let platforms: Vec<String> = platforms
        .filter(|platform| normal(platform).is_some())
        .map(str::to_string)
        .collect();
    (!platforms.is_empty()).then_some(platforms)
}

/// Images of several architectures by what they are called, for a message.
pub(super) fn count(images: &[&Image]) -> usize {
    let arches: BTreeMap<&str, ()> = images
        .iter()
        .map(|image| (image.arch.as_str(), ()))
        .collect();
    arches.len()
}
