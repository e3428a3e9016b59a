//! A project with names of its own in the registry, and the engines to work on it with: what every test that needs
//! `tests/engines/provision` is made of.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "each test binary uses a part of this; a test that cannot set up its project should panic, and says when it is skipped"
)]

use std::collections::BTreeMap;
use std::env::var;
use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value as Json;

use crate::support::page::Stage;
use crate::support::{Run, Scratch};

/// The longest that anything may take, in seconds: a build for seven architectures takes five.
pub(crate) const BOUND: &str = "180";

/// Key in the table, platform, what `uname -m` says under emulation, and the machine in the header of an ELF file.
///
/// A 32-bit program sees the kernel's machine on an x86, and QEMU's ARM is always the newest.
pub(crate) const MACHINES: &[(&str, &str, &str, &str)] = &[
    ("amd64", "linux/amd64", "x86_64", "3e 00"),
    ("i386", "linux/386", "x86_64", "03 00"),
    ("arm32v6", "linux/arm/v6", "armv7l", "28 00"),
    ("arm32v7", "linux/arm/v7", "armv7l", "28 00"),
    ("arm64v8", "linux/arm64", "aarch64", "b7 00"),
    ("ppc64le", "linux/ppc64le", "ppc64le", "15 00"),
    ("s390x", "linux/s390x", "s390x", "00 16"),
];

pub(crate) const ALL: &[&str] = &[
    "amd64", "i386", "arm32v6", "arm32v7", "arm64v8", "ppc64le", "s390x",
];

pub(crate) const THREE: &[&str] = &["amd64", "arm32v7", "s390x"];

/// Which `docker` is the first on PATH, and whom it speaks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Docker {
    /// 20.10: the classic builder, and one platform for each tag.
    Old,
    /// 26.1: BuildKit, buildx and the containerd image store.
    New,
}

/// A project with names of its own in the registry, and an environment that nothing else is in.
pub(crate) struct Lab {
    pub(crate) scratch: Scratch,
    /// Stores, lists and links to programs, outside of the project.
    pub(crate) home: Scratch,
    pub(crate) registry: String,
    /// `127.0.0.1:5005/engines/NAME-…`.
    pub(crate) image: String,
    pub(crate) env: Vec<(String, String)>,
    /// Folders before all others on PATH.
    pub(crate) first: Vec<PathBuf>,
}

impl Lab {
    pub(crate) fn new(name: &str) -> Option<Lab> {
        if var("CROSSFILE_ENGINES").is_err() {
            eprintln!("skipped: no engines (tests/engines/provision)");
            return None;
        }
        let registry = var("CROSSFILE_REGISTRY").unwrap();
        // Nothing here is for the registries of others.
        assert!(registry.starts_with("127.0.0.1:"), "{registry}");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let own = format!("{name}-{}-{}", std::process::id(), now.as_micros());
        let home = Scratch::new();
        let path = home.path().display().to_string();
        home.write(
            "storage.conf",
            format!("[storage]\ndriver = \"vfs\"\ngraphroot = \"{path}/store\"\nrunroot = \"{path}/run\"\n"),
        );
        for (docker, folder) in [(Docker::Old, "20"), (Docker::New, "26")] {
            std::fs::create_dir(home.join(folder)).unwrap();
            let client = var(docker.variable("_CLI")).unwrap();
            symlink(client, home.join(folder).join("docker")).unwrap();
        }
        let env = [
            ("HOME", path.clone()),
            ("CONTAINERS_STORAGE_CONF", format!("{path}/storage.conf")),
            ("STORAGE_DRIVER", "vfs".to_string()),
            ("BUILDAH_ISOLATION", "chroot".to_string()),
        ];
        Some(Lab {
            scratch: Scratch::new(),
            home,
            image: format!("{registry}/engines/{own}"),
            registry,
            env: env.map(|(name, value)| (name.to_string(), value)).into(),
            first: Vec::new(),
        })
    }

    /// Settings for architectures, with more lines after those that every project here has.
    pub(crate) fn settings(&self, arches: &[&str], more: &str) {
        let image = &self.image;
        let settings = format!("arches = {arches:?}\nimage = \"{image}\"\n{more}");
        self.scratch.write("crossfile.toml", settings);
    }

    /// A template that makes a Dockerfile for each architecture, which leaves a word and the platform in the image.
    pub(crate) fn template(&self, word: &str) {
        let registry = &self.registry;
        let text = format!(
            "FROM {registry}/{{{{baseimage_arch}}}}/busybox:1\n\
             RUN echo \"{word} {{{{platform}}}} $(uname -m)\" >/built\n"
        );
        self.scratch.write("Dockerfile.cross", text);
    }

    /// A Dockerfile for all platforms at once, by what the builder says.
    pub(crate) fn for_all(&self, word: &str) -> String {
        let registry = &self.registry;
        format!(
            "FROM {registry}/library/busybox:1\nARG TARGETPLATFORM\n\
             RUN echo \"{word} $TARGETPLATFORM $(uname -m)\" >/built\n"
        )
    }

    pub(crate) fn with_env(mut self, name: &str, value: &str) -> Lab {
        self.env.push((name.to_string(), value.to_string()));
        self
    }

    /// A command in the project, bounded in time.
    pub(crate) fn command(&self, docker: Docker, program: &str) -> Command {
        let mut command = self.unbounded(docker, "timeout");
        command.args(["--kill-after=10", BOUND, program]);
        command
    }

    /// A command in the project, for whoever sees to its end.
    pub(crate) fn unbounded(&self, docker: Docker, program: &str) -> Command {
        let folder = match docker {
            Docker::Old => "20",
            Docker::New => "26",
        };
        let mut path: Vec<PathBuf> = self.first.clone();
        path.push(self.home.join(folder));
        path.extend(std::env::split_paths(&var("PATH").unwrap()));
        let mut command = Command::new(program);
        command
            .current_dir(self.scratch.path())
            .env_clear()
            .env("PATH", std::env::join_paths(path).unwrap())
            .env("DOCKER_HOST", var(docker.variable("")).unwrap())
            .env("DOCKER_CONFIG", var(docker.variable("_CONFIG")).unwrap())
            .envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// What a page's blocks run on: an engine with the registry, in which `registry.example/acme` is the test's own.
    pub(crate) fn stage(&self, docker: Docker) -> Stage {
        let command = self.unbounded(docker, "true");
        let text = |text: &std::ffi::OsStr| text.to_str().unwrap().to_string();
        let mut env = BTreeMap::new();
        for (name, value) in command.get_envs() {
            env.insert(text(name), text(value.unwrap()));
        }
        let inherited = env.remove("PATH").unwrap();
        env.remove("HOME");
        self.home.write("bin/sudo", "#!/bin/sh\nexec \"$@\"\n");
        let sudo = self.home.join("bin/sudo");
        std::fs::set_permissions(sudo, Permissions::from_mode(0o755)).unwrap();
        let own = std::env::split_paths(&inherited).take(self.first.len() + 1);
        Stage {
            has: "engines",
            before: ["timeout", "--kill-after=10", BOUND]
                .map(str::to_string)
                .to_vec(),
            path: own.chain([self.home.join("bin")]).collect(),
            env: env.into_iter().collect(),
            names: vec![
                ("registry.example/acme", self.image.clone()),
                ("registry.example", self.registry.clone()),
            ],
        }
    }

    pub(crate) fn program(&self, docker: Docker, program: &str, args: &[&str]) -> Run {
        Run::from(self.command(docker, program).args(args).output().unwrap())
    }

    pub(crate) fn docker(&self, docker: Docker, args: &[&str]) -> String {
        self.program(docker, "docker", args).succeeds().stdout
    }

    pub(crate) fn crossfile(&self, docker: Docker, args: &[&str]) -> Run {
        self.program(docker, env!("CARGO_BIN_EXE_crossfile"), args)
    }

    /// crossfile with indexes by the backend's own tool.
    pub(crate) fn backend(&self, docker: Docker, args: &[&str]) -> Run {
        let args: Vec<&str> = args.iter().copied().chain(["--index", "backend"]).collect();
        self.crossfile(docker, &args)
    }

    /// The manifest of a tag of the image as the registry has it, read by a program that had no part in it.
    pub(crate) fn raw(&self, tag: &str) -> Option<String> {
        let reference = format!("docker://{}:{tag}", self.image);
        let args = ["inspect", "--raw", "--tls-verify=false", &reference];
        let run = self.program(Docker::Old, "skopeo", &args);
        (run.status == 0).then_some(run.stdout)
    }

    pub(crate) fn json(&self, tag: &str) -> Json {
        let raw = self.raw(tag);
        let raw = raw.unwrap_or_else(|| panic!("{tag} is not in the registry"));
        serde_json::from_str(&raw).unwrap()
    }

    /// The digest of a tag in the registry. An index has to have an image for this machine.
    pub(crate) fn digest(&self, tag: &str) -> String {
        let reference = format!("docker://{}:{tag}", self.image);
        let args = [
            "inspect",
            "--tls-verify=false",
            "--format={{.Digest}}",
            &reference,
        ];
        let run = self.program(Docker::Old, "skopeo", &args).succeeds();
        run.stdout.trim().to_string()
    }

    /// That what was reported of each push is what is in the registry.
    #[track_caller]
    pub(crate) fn reports(&self, run: &Run, tag: &str, arches: &[&str], step: &str) {
        for arch in arches {
            let found = reported(run, &format!("{step}:{arch}"));
            assert_eq!(found, self.digest(&format!("{arch}-{tag}")), "{arch}");
        }
        let index = reported(run, &format!("index:{}:{tag}", self.image));
        assert_eq!(index, self.digest(tag), "the index");
    }

    /// Platform and digest of what is in an index, attestations aside.
    #[track_caller]
    pub(crate) fn entries(&self, tag: &str) -> BTreeMap<String, String> {
        let index = self.json(tag);
        let manifests = index["manifests"].as_array();
        let manifests = manifests.unwrap_or_else(|| panic!("{tag} is no index: {index}"));
        let mut entries = BTreeMap::new();
        for entry in manifests {
            let platform = &entry["platform"];
            let text = |name: &str| platform[name].as_str().unwrap_or_default().to_string();
            let parts = [text("os"), text("architecture"), text("variant")];
            if parts[0] == "unknown" {
                continue;
            }
            let platform = normal(parts.join("/").trim_end_matches('/'));
            let digest = entry["digest"].as_str().unwrap().to_string();
            let before = entries.insert(platform.clone(), digest);
            assert_eq!(before, None, "{tag} has {platform} twice");
        }
        entries
    }

    /// That an index has the platforms of these architectures and no other.
    #[track_caller]
    pub(crate) fn has(&self, tag: &str, arches: &[&str]) {
        let mut wanted: Vec<String> = arches.iter().map(|arch| machine(arch).1.into()).collect();
        wanted.sort();
        let found: Vec<String> = self.entries(tag).into_keys().collect();
        assert_eq!(found, wanted, "{tag}");
    }

    /// That a client gets for each platform what was built for it, and that it runs.
    #[track_caller]
    pub(crate) fn runs(&self, docker: Docker, tag: &str, arches: &[&str], word: &str) {
        let reference = format!("{}:{tag}", self.image);
        for arch in arches {
            let (_, platform, uname, _) = machine(arch);
            let said = self.pulls(docker, &reference, arch, "cat /built");
            let built: Vec<&str> = said.trim().split(' ').collect();
            let built = (built[0], normal(built[1]), built[2]);
            assert_eq!(built, (word, platform.to_string(), uname), "{arch}");
        }
    }

    /// That a client gets an image of an architecture, and that it runs. Says what the script prints in it.
    #[track_caller]
    pub(crate) fn pulls(
        &self,
        docker: Docker,
        reference: &str,
        arch: &str,
        script: &str,
    ) -> String {
        let (_, platform, uname, elf) = machine(arch);
        if docker == Docker::Old {
            // There a tag is one image: what is there would be taken for all platforms.
            self.program(docker, "docker", &["rmi", "--force", reference]);
        }
        self.docker(
            docker,
            &["pull", "--quiet", "--platform", platform, reference],
        );
        let run = [
            "run",
            "--rm",
            "--pull=never",
            "--network=none",
            "--platform",
            platform,
        ];
        let script = format!("uname -m; od -An -tx1 -j18 -N2 /bin/busybox; {script}");
        let said = self.docker(
            docker,
            &[&run[..], &[reference, "sh", "-c", &script]].concat(),
        );
        let mut lines = said.lines().map(str::trim);
        assert_eq!(lines.next(), Some(uname), "{arch}");
        assert_eq!(lines.next(), Some(elf), "{arch}");
        lines.collect::<Vec<_>>().join("\n")
    }

    /// The images of the project that an engine has, by tag.
    pub(crate) fn images(&self, docker: Docker) -> Vec<String> {
        let args = ["image", "ls", "--format", "{{.Tag}}", &self.image];
        let mut tags: Vec<String> = self
            .docker(docker, &args)
            .lines()
            .map(str::to_string)
            .collect();
        tags.sort();
        tags
    }
}

impl Drop for Lab {
    /// The engines serve many runs: what was built here goes.
    fn drop(&mut self) {
        for docker in [Docker::Old, Docker::New] {
            // By name, for another test may have made the same image. What lost its tag to another platform has a digest.
            let name =
                r#"{{.Repository}}{{if eq .Tag "<none>"}}@{{.Digest}}{{else}}:{{.Tag}}{{end}}"#;
            let args = ["image", "ls", "--digests", "--format", name, &self.image];
            let output = self.command(docker, "docker").args(args).output();
            let names = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
            let names = names.unwrap_or_default();
            let names = names.lines();
            let remove = self
                .command(docker, "docker")
                .args(["rmi", "-f"])
                .args(names)
                .output();
            // An image that stays is in nobody's way.
            drop(remove);
        }
    }
}

impl Docker {
    pub(crate) fn variable(self, what: &str) -> String {
        match self {
            Docker::Old => format!("CROSSFILE_DOCKER20{what}"),
            Docker::New => format!("CROSSFILE_DOCKER26{what}"),
        }
    }
}

pub(crate) fn machine(arch: &str) -> (&'static str, &'static str, &'static str, &'static str) {
    let found = MACHINES.iter().find(|machine| machine.0 == arch);
    *found.unwrap_or_else(|| panic!("{arch}"))
}

/// `linux/arm64/v8` is `linux/arm64`: clients write the one or the other.
pub(crate) fn normal(platform: &str) -> String {
    platform.replace("linux/arm64/v8", "linux/arm64")
}

/// The digest that a step reported.
#[track_caller]
pub(crate) fn reported(run: &Run, id: &str) -> String {
    let report: Json = serde_json::from_str(&run.stdout).unwrap();
    let steps = report["steps"].as_array().unwrap();
    let step = steps.iter().find(|step| step["id"] == id);
    let step = step.unwrap_or_else(|| panic!("no {id} in {report}"));
    step["outputs"]["digest"]
        .as_str()
        .unwrap_or_default()
        .to_string()
}

/// What became of each step, by its name.
pub(crate) fn steps(run: &Run) -> BTreeMap<String, String> {
    let report: Json = serde_json::from_str(&run.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}{}", run.stdout, run.stderr));
    let steps = report["steps"].as_array().unwrap();
    let text = |step: &Json, name: &str| step[name].as_str().unwrap().to_string();
    steps
        .iter()
        .map(|step| (text(step, "id"), text(step, "status")))
        .collect()
}
