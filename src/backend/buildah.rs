//! `buildah build`, `push` and `manifest`; podman has them too.

use super::docker::expecting;
use super::{
    Action, Backend, Capabilities, Command, Find, Unsupported, Value, build_flags, file_name,
    platforms, scratch,
};
use crate::plan::{Build, Index, Push, Step, Task, Verify};
use crate::reference::is_loopback;

/// buildah, or podman, which takes the same commands.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Buildah {
    program: &'static str,
    /// Whether skopeo is there to read what is in a registry.
    skopeo: bool,
}

impl Default for Buildah {
    fn default() -> Buildah {
        Buildah {
            program: "buildah",
            skopeo: true,
        }
    }
}

impl Buildah {
    /// podman in its place.
    pub fn podman() -> Buildah {
        Buildah {
            program: "podman",
            skopeo: true,
        }
    }

    /// The same without skopeo, whose place the program's own `manifest inspect` takes.
    #[must_use]
    pub fn without_skopeo(self) -> Buildah {
        Buildah {
            skopeo: false,
            ..self
        }
    }

    fn command(&self, step: &Step, args: &[&str]) -> Command {
        let mut command = Command::new(self.program, Vec::<String>::new());
        // podman has machines elsewhere; buildah is always here.
        if let (Some(connection), "podman") = (&step.builder, self.program) {
            command.flag("--connection", connection);
        }
        for arg in args {
            command.arg(*arg);
        }
        command
    }

    fn build(&self, step: &Step, build: &Build) -> Vec<Action> {
        let mut actions = Vec::new();
        let mut command = self.command(step, &["build"]);
        if build.targets.len() > 1 {
            // A list takes what is built besides what it has: begin with none.
            let list = local_list(&build.tags);
            let clear = self.command(step, &["manifest", "rm", &list]).may_fail();
            actions.push(clear.into());
            command.flag("--manifest", list);
        }
        command.flag("--platform", platforms(build));
        command.flag("-f", &build.dockerfile);
        if build.targets.len() == 1 {
            for tag in &build.tags {
                command.flag("-t", tag);
            }
        }
        build_flags(&mut command, build);
        insecure(&mut command, &build.tags);
        for flag in build.flags.get(self.program).into_iter().flatten() {
            command.arg(flag);
        }
        command.arg(&build.context);
        actions.push(command.into());
        if let ([_], Some(tag)) = (build.targets.as_slice(), build.tags.first()) {
            let args = ["images", "--noheading", "--format", "{{.Size}}", tag];
            let size = self.command(step, &args).yields("size", Find::LastLine);
            actions.push(size.only_reports().into());
        }
        actions
    }

    fn push(&self, step: &Step, push: &Push) -> Vec<Action> {
        let file = file_name(step, "digest");
        let list = local_list(&push.tags);
        let actions = push.tags.iter().map(|tag| {
            let several = push.targets.len() > 1;
            let mut command = match several {
                true => self.command(step, &["manifest", "push", "--all"]),
                false => self.command(step, &["push"]),
            };
            insecure(&mut command, std::slice::from_ref(tag));
            command.flag("--digestfile", scratch(&file));
            command.arg(if several { &list } else { tag });
            command.arg(format!("docker://{tag}"));
            command.yields("digest", Find::File(file.clone())).into()
        });
        actions.collect()
    }

    fn index(&self, step: &Step, index: &Index) -> Vec<Action> {
        let list = local_list(&index.tags);
        let clear = self.command(step, &["manifest", "rm", &list]).may_fail();
        let create = self.command(step, &["manifest", "create", &list]);
        let mut actions: Vec<Action> = vec![clear.into(), create.into()];
        for source in &index.sources {
            let mut add = self.command(step, &["manifest", "add"]);
            if source.target.is_none() {
                // It may be an index: without this only the image for this machine would be taken.
                add.arg("--all");
            }
            insecure(&mut add, std::slice::from_ref(&source.reference));
            if let Some(target) = &source.target {
                let (os, architecture, variant) = target.parts();
                add.flag("--os", os).flag("--arch", architecture);
                if let Some(variant) = variant {
                    add.flag("--variant", variant);
                }
            }
            let parts = vec!["docker://".into(), super::source(source)];
            let from = match source.by_digest {
                true => Value::Joined(parts),
                false => format!("docker://{}", source.reference).into(),
            };
            add.arg(&list).arg(from);
            actions.push(add.into());
        }
        let file = file_name(step, "digest");
        for tag in &index.tags {
            let mut push = self.command(step, &["manifest", "push", "--all"]);
            insecure(&mut push, std::slice::from_ref(tag));
            push.flag("--digestfile", scratch(&file));
            push.arg(&list).arg(format!("docker://{tag}"));
            let push = push.yields("digest", Find::File(file.clone()));
            actions.push(push.into());
        }
        actions
    }

    /// skopeo's own, for backends that have nothing of the kind.
    pub(super) fn skopeo(verify: &Verify) -> Action {
        let mut command = Command::new("skopeo", ["inspect", "--raw"]);
        insecure(&mut command, std::slice::from_ref(&verify.reference));
        command.arg(format!("docker://{}", verify.reference));
        expecting(command, verify)
    }

    /// `manifest inspect` would show a local list of the name first, and buildah's speaks only TLS: skopeo is the better one.
    fn inspect(&self, step: &Step, verify: &Verify) -> Action {
        if self.skopeo {
            return Buildah::skopeo(verify);
        }
        let mut command = self.command(step, &["manifest", "inspect"]);
        if self.program == "podman" {
            insecure(&mut command, std::slice::from_ref(&verify.reference));
        }
        command.arg(&verify.reference);
        expecting(command, verify)
    }
}

/// The name of a list in the local store, where no image can have it.
fn local_list(tags: &[String]) -> String {
    let tag = tags.first().map_or("index", String::as_str);
    format!("localhost/crossfile/{}", super::plain_name(tag))
}

/// A registry on this machine is spoken to in plain HTTP.
fn insecure(command: &mut Command, references: &[String]) {
    if references.iter().any(|reference| is_loopback(reference)) {
        command.arg("--tls-verify=false");
    }
}

impl Backend for Buildah {
    fn name(&self) -> &str {
        self.program
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            several_platforms: true,
            keeps_several: true,
            // buildah's own `manifest inspect` shows a list that is here, and speaks only TLS.
            verifies: self.skopeo || self.program == "podman",
            ..Capabilities::default()
        }
    }

    fn lower(&self, step: &Step) -> Result<Vec<Action>, Unsupported> {
        if let (Some(builder), "buildah", Task::Build(_)) =
            (&step.builder, self.program, &step.task)
        {
            return Err(Unsupported::new(
                step,
                format!("build on `{builder}`: it builds where it runs"),
                "use another backend, or take `builder` out",
            ));
        }
        match &step.task {
            Task::Build(build) => Ok(self.build(step, build)),
            Task::Push(push) => Ok(self.push(step, push)),
            Task::Index(index) => Ok(self.index(step, index)),
            Task::Verify(verify) => Ok(vec![self.inspect(step, verify)]),
        }
    }
}
