//! `docker buildx build` and `docker buildx imagetools`.

use super::docker::{expecting, push, size};
use super::{
    Action, Backend, Capabilities, Command, Find, Unsupported, build_flags, file_name, platforms,
    scratch,
};
use crate::plan::{Build, Destination, Index, Step, Task, Verify, by_digest};

/// BuildKit by way of Docker's plugin.
#[derive(Clone, Debug)]
pub struct Buildx {
    /// Whether its builder builds several platforms in one go: all but the driver `docker` without the containerd image
    /// store.
    pub several_platforms: bool,
    /// Whether it pushes images under their digests alone: all but the driver `docker`.
    pub pushes_by_digest: bool,
    /// Whether the engine's store holds images of several platforms under one name: the containerd image store does.
    pub keeps_several: bool,
}

impl Default for Buildx {
    fn default() -> Buildx {
        Buildx {
            several_platforms: true,
            pushes_by_digest: true,
            keeps_several: true,
        }
    }
}

/// `docker buildx imagetools create`, which copies nothing and moves the tags last.
pub(super) fn imagetools(index: &Index) -> Vec<Action> {
    let mut command = Command::new("docker", ["buildx", "imagetools", "create"]);
    for tag in &index.tags {
        command.flag("-t", tag);
    }
    for source in &index.sources {
        command.arg(super::source(source));
    }
    let mut actions: Vec<Action> = vec![command.into()];
    // It prints no digest that could be relied on.
    if let Some(tag) = index.tags.first() {
        let args = [
            "buildx",
            "imagetools",
            "inspect",
            "--format",
            "{{printf \"%s\" .Manifest.Digest}}",
        ];
        let mut digest = Command::new("docker", args);
        digest.arg(tag);
        actions.push(
            digest
                .yields("digest", Find::LastLine)
                .only_reports()
                .into(),
        );
    }
    actions
}

/// `docker buildx imagetools inspect --raw`.
pub(super) fn inspect(verify: &Verify) -> Action {
    let args = ["buildx", "imagetools", "inspect", "--raw"];
    let mut command = Command::new("docker", args);
    command.arg(&verify.reference);
    expecting(command, verify)
}

impl Buildx {
    fn build(&self, step: &Step, build: &Build) -> Vec<Action> {
        let mut command = Command::new("docker", ["buildx", "build"]);
        if let Some(builder) = &step.builder {
            command.flag("--builder", builder);
        }
        command.flag("--platform", platforms(build));
        command.flag("-f", &build.dockerfile);
        let tags = build.tags.iter();
        for tag in tags.filter(|_| build.destination != Destination::Digest) {
            command.flag("-t", tag);
        }
        build_flags(&mut command, build);
        for flag in build.flags.get("buildx").into_iter().flatten() {
            command.arg(flag);
        }
        let file = file_name(step, "json");
        match build.destination {
            Destination::Store => command.arg("--load"),
            Destination::Registry => command.arg("--push"),
            Destination::Digest => {
                let output = format!("type=image,{}", by_digest(&build.tags));
                command.flag("--output", output)
            }
        };
        command.flag("--metadata-file", scratch(&file));
        command.arg(&build.context);
        let pointer = "/containerimage.digest".to_string();
        let command = match build.destination {
            Destination::Registry | Destination::Digest => {
                command.yields("digest", Find::Json { file, pointer })
            }
            Destination::Store => command,
        };
        let size = match build.destination {
            Destination::Store => size(None, build.tags.first()),
            Destination::Registry | Destination::Digest => None,
        };
        [command.into()].into_iter().chain(size).collect()
    }
}

impl Backend for Buildx {
    fn name(&self) -> &str {
        "buildx"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            several_platforms: self.several_platforms,
            pushes_by_digest: self.pushes_by_digest,
            keeps_several: self.keeps_several,
            pushes_while_building: true,
            ..Capabilities::default()
        }
    }

    fn lower(&self, step: &Step) -> Result<Vec<Action>, Unsupported> {
        match &step.task {
            Task::Build(build) => Ok(self.build(step, build)),
            // What was loaded is in the store of the engine.
            Task::Push(tags) => Ok(push(None, &tags.tags)),
            Task::Index(index) => Ok(imagetools(index)),
            Task::Verify(verify) => Ok(vec![inspect(verify)]),
        }
    }
}
