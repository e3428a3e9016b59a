//! `docker build`, `docker push` and `docker manifest`.

use super::{
    Action, Backend, Capabilities, Command, Expect, Find, Unsupported, build_flags, platforms,
};
use crate::plan::{Index, Step, Target, Task, Verify};
use crate::reference::is_loopback;

/// Docker's own commands. Each architecture is built for itself: only the containerd image store could do more.
#[derive(Clone, Debug, Default)]
pub struct Docker;

/// The systems and architectures that `docker manifest annotate` takes: `validOSArches` in docker/cli,
/// cli/command/manifest/util.go, at 28.2.
const ANNOTATES: &[&str] = &[
    "darwin/386",
    "darwin/amd64",
    "darwin/arm",
    "darwin/arm64",
    "dragonfly/amd64",
    "freebsd/386",
    "freebsd/amd64",
    "freebsd/arm",
    "linux/386",
    "linux/amd64",
    "linux/arm",
    "linux/arm64",
    "linux/mips64",
    "linux/mips64le",
    "linux/ppc64le",
    "linux/riscv64",
    "linux/s390x",
    "netbsd/386",
    "netbsd/amd64",
    "netbsd/arm",
    "openbsd/386",
    "openbsd/amd64",
    "openbsd/arm",
    "plan9/386",
    "plan9/amd64",
    "solaris/amd64",
    "windows/386",
    "windows/amd64",
];

/// `docker`, speaking to the engine that a builder names: an address or a context.
pub(super) fn docker(builder: Option<&str>) -> Command {
    let mut command = Command::new("docker", Vec::<String>::new());
    match builder {
        Some(address) if address.contains("://") => {
            command.flag("--host", address);
        }
        Some(context) => {
            command.flag("--context", context);
        }
        None => {}
    }
    command
}

/// How large an image is that the engine has.
pub(super) fn size(builder: Option<&str>, tag: Option<&String>) -> Option<Action> {
    let mut command = docker(builder);
    command.arg("image").arg("inspect");
    command.flag("--format", "{{.Size}}").arg(tag?);
    Some(command.yields("size", Find::Stdout).only_reports().into())
}

/// `docker push` for each tag.
pub(super) fn push(builder: Option<&str>, tags: &[String]) -> Vec<Action> {
    let actions = tags.iter().map(|tag| {
        let mut command = docker(builder);
        command.arg("push").arg(tag);
        let said = format!("{}: digest: ", tag.rsplit(':').next().unwrap_or_default());
        command.yields("digest", Find::After(said)).into()
    });
    actions.collect()
}

/// `docker manifest` for each tag: the local list of an earlier run is removed, since the client would go on with it
/// (docker/cli#954), and the one of this run goes when it is pushed.
pub(super) fn manifest(step: &Step, index: &Index) -> Result<Vec<Action>, Unsupported> {
    for target in index
        .sources
        .iter()
        .filter_map(|source| source.target.as_ref())
    {
        let (os, architecture, _) = target.parts();
        let pair = format!("{os}/{architecture}");
        if !ANNOTATES.contains(&pair.as_str()) {
            return Err(Unsupported::new(
                step,
                format!(
                    "make an index with `{}`: `docker manifest annotate` refuses {pair}",
                    target.arch
                ),
                "use `--backend buildx` or `--backend buildah`, or leave the architecture out with `--arch`",
            ));
        }
    }
    // Clients before 20.10 ask for it.
    let docker = |args: &[&str]| {
        let mut command =
            Command::new("docker", ["manifest"]).env("DOCKER_CLI_EXPERIMENTAL", "enabled");
        for arg in args {
            command.arg(*arg);
        }
        command
    };
    let mut actions: Vec<Action> = Vec::new();
    for tag in &index.tags {
        let mut remote = index.sources.iter().map(|source| source.reference.as_str());
        let insecure = is_loopback(tag) || remote.any(is_loopback);
        actions.push(docker(&["rm", tag]).may_fail().into());
        let mut create = docker(&["create"]);
        if insecure {
            create.arg("--insecure");
        }
        create.arg(tag);
        for source in &index.sources {
            create.arg(super::source(source));
        }
        actions.push(create.into());
        for source in &index.sources {
            let Some(target) = &source.target else {
                continue;
            };
            let (os, architecture, variant) = target.parts();
            let mut annotate = docker(&["annotate", tag]);
            annotate.arg(super::source(source));
            annotate.flag("--os", os).flag("--arch", architecture);
            if let Some(variant) = variant {
                annotate.flag("--variant", variant);
            }
            actions.push(annotate.into());
        }
        let mut push = docker(&["push", "--purge"]);
        if insecure {
            push.arg("--insecure");
        }
        push.arg(tag);
        actions.push(push.yields("digest", Find::LastLine).into());
    }
    Ok(actions)
}

/// `docker manifest inspect`.
fn inspect(verify: &Verify) -> Action {
    let mut command =
        Command::new("docker", ["manifest", "inspect"]).env("DOCKER_CLI_EXPERIMENTAL", "enabled");
    if is_loopback(&verify.reference) {
        command.arg("--insecure");
    }
    command.arg(&verify.reference);
    expecting(command, verify)
}

/// A command that prints an index, with what has to be in it.
pub(super) fn expecting(mut command: Command, verify: &Verify) -> Action {
    let platforms = |targets: &[Target]| -> Vec<String> {
        let platforms = targets.iter().map(|target| target.platform.clone());
        platforms.collect()
    };
    command.expect = Some(Expect::Platforms {
        needed: platforms(&verify.targets),
        optional: platforms(&verify.may_have),
    });
    command.into()
}

impl Backend for Docker {
    fn name(&self) -> &str {
        "docker"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            cache_to: false,
            ..Capabilities::default()
        }
    }

    fn lower(&self, step: &Step) -> Result<Vec<Action>, Unsupported> {
        let builder = step.builder.as_deref();
        match &step.task {
            Task::Build(build) => {
                // Newer clients build with BuildKit, whose attestations make an index of each image: `docker manifest`
                // takes none.
                let mut command = docker(builder).env("BUILDX_NO_DEFAULT_ATTESTATIONS", "1");
                if !build.secrets.is_empty() {
                    command = command.env("DOCKER_BUILDKIT", "1");
                }
                command.arg("build").flag("--platform", platforms(build));
                command.flag("-f", &build.dockerfile);
                for tag in &build.tags {
                    command.flag("-t", tag);
                }
                build_flags(&mut command, build);
                for flag in build.flags.get("docker").into_iter().flatten() {
                    command.arg(flag);
                }
                command.arg(&build.context);
                let size = size(builder, build.tags.first());
                Ok([command.into()].into_iter().chain(size).collect())
            }
            Task::Push(tags) => Ok(push(builder, &tags.tags)),
            Task::Index(index) => manifest(step, index),
            Task::Verify(verify) => Ok(vec![inspect(verify)]),
        }
    }
}
