//! `buildctl build`, BuildKit's own client.

use super::{
    Action, Backend, Buildah, Capabilities, Command, Find, Unsupported, buildx, docker, file_name,
    platforms, scratch,
};
use crate::plan::{Build, Destination, Step, Task};

/// Whose tool makes indexes: BuildKit's client has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum IndexTool {
    /// `docker buildx imagetools`.
    #[default]
    Imagetools,
    /// `docker manifest`.
    DockerManifest,
    /// `buildah manifest`.
    Buildah,
    /// None of them is there.
    None,
}

/// BuildKit, spoken to at an address or at `BUILDKIT_HOST`. It keeps nothing: building pushes.
#[derive(Clone, Debug, Default)]
pub struct Buildctl {
    /// What makes the indexes of images that are built one by one.
    pub index_tool: IndexTool,
    /// Whether skopeo reads indexes where none of the tools is there to do so.
    pub skopeo: bool,
}

impl Buildctl {
    fn build(&self, step: &Step, build: &Build) -> Result<Vec<Action>, Unsupported> {
        let flags = build.flags.get("buildctl").map_or(&[][..], Vec::as_slice);
        let (global, flags) = Buildctl::global_flags(flags);
        let attests = flags.iter().any(|flag| flag.contains("attest:"));
        if attests && self.index_tool == IndexTool::DockerManifest {
            return Err(Unsupported::new(
                step,
                "make an index of attested images: `docker manifest` takes none",
                "install the plugin buildx, or leave the attestations out",
            ));
        }
        let mut command = Command::new("buildctl", global);
        if let Some(address) = &step.builder {
            command.flag("--addr", address);
        }
        command.arg("build").flag("--frontend", "dockerfile.v0");
        let (folder, name) = match build.dockerfile.rsplit_once('/') {
            Some(("", name)) => ("/", name),
            Some((folder, name)) => (folder, name),
            None => (".", build.dockerfile.as_str()),
        };
        command.flag("--local", format!("context={}", build.context));
        command.flag("--local", format!("dockerfile={folder}"));
        command.flag("--opt", format!("filename={name}"));
        command.flag("--opt", format!("platform={}", platforms(build)));
        for (name, value) in &build.args {
            command.flag("--opt", format!("build-arg:{name}={value}"));
        }
        for (name, value) in &build.labels {
            command.flag("--opt", format!("label:{name}={value}"));
        }
        if let Some(target) = &build.target {
            command.flag("--opt", format!("target={target}"));
        }
        for from in &build.cache_from {
            command.flag("--import-cache", from);
        }
        for to in &build.cache_to {
            command.flag("--export-cache", to);
        }
        for secret in &build.secrets {
            command.flag("--secret", secret);
        }
        let mut output = Output::new(&build.tags);
        if build.destination == Destination::Digest {
            output.set("push-by-digest", "true");
            output.set("name-canonical", "true");
        }
        for flag in todays(step, &flags, &mut output)? {
            command.arg(flag);
        }
        command.flag("--output", output.text());
        let file = file_name(step, "json");
        command.flag("--metadata-file", scratch(&file));
        let pointer = "/containerimage.digest".to_string();
        let command = command.yields("digest", Find::Json { file, pointer });
        Ok(vec![command.into()])
    }
}

/// The value of `--output`: fields of CSV, quoted where they hold commas.
struct Output(Vec<(String, String)>);

impl Output {
    fn new(tags: &[String]) -> Output {
        let field = |name: &str, value: &str| (name.to_string(), value.to_string());
        let fields = vec![
            field("type", "image"),
            field("name", &tags.join(",")),
            field("push", "true"),
        ];
        Output(fields)
    }

    fn set(&mut self, name: &str, value: &str) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = value.to_string(),
            None => self.0.push((name.to_string(), value.to_string())),
        }
    }

    fn text(&self) -> String {
        let fields = self.0.iter().map(|(name, value)| {
            let field = format!("{name}={value}");
            match field.contains([',', '"']) {
                true => format!("\"{}\"", field.replace('"', "\"\"")),
                false => field,
            }
        });
        fields.collect::<Vec<_>>().join(",")
    }
}

/// Flags of the client itself, which stand before `build`; whether each takes a value.
const GLOBAL: &[(&str, bool)] = &[
    ("--debug", false),
    ("--log-format", true),
    ("--timeout", true),
    ("--tlscacert", true),
    ("--tlscert", true),
    ("--tlsdir", true),
    ("--tlskey", true),
    ("--tlsservername", true),
    ("--wait", false),
];

impl Buildctl {
    /// Further flags of a project: those of the client itself, as `--tlsdir`, and those of `build`.
    pub fn global_flags(flags: &[String]) -> (Vec<String>, Vec<String>) {
        let (mut global, mut others) = (Vec::new(), Vec::new());
        let mut flags = flags.iter();
        while let Some(flag) = flags.next() {
            let name = flag.split('=').next().unwrap_or_default();
            match GLOBAL.iter().find(|(known, _)| *known == name) {
                Some((_, takes_value)) => {
                    global.push(flag.clone());
                    if *takes_value && !flag.contains('=') {
                        global.extend(flags.next().cloned());
                    }
                }
                None => others.push(flag.clone()),
            }
        }
        (global, others)
    }
}

/// Arguments as today's client has them: `--frontend-opt` is `--opt`, and `--exporter` with its options is `--output`
/// (replaced in moby/buildkit#807, removed in #2783). What would send the image elsewhere than to its registry is refused: an
/// index would be made over what an earlier run left there.
fn todays(step: &Step, flags: &[String], output: &mut Output) -> Result<Vec<String>, Unsupported> {
    let refused = |what: String| {
        let help = "say `image`, `tags` and `arch-tag`: what is built is pushed there";
        Err(Unsupported::new(step, what, help))
    };
    let mut kept = Vec::new();
    let mut flags = flags.iter();
    while let Some(flag) = flags.next() {
        let (name, value) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(value.to_string())),
            None => (flag.as_str(), None),
        };
        if !["--frontend-opt", "--exporter", "--exporter-opt"].contains(&name) {
            kept.push(flag.clone());
            continue;
        }
        let Some(value) = value.or_else(|| flags.next().cloned()) else {
            return refused(format!("take `{name}` without a value"));
        };
        match name {
            "--frontend-opt" => kept.extend(["--opt".to_string(), value]),
            "--exporter" if value == "image" => {}
            "--exporter" => return refused(format!("export as `{value}`")),
            _ => {
                let (name, value) = value.split_once('=').unwrap_or((&value, "true"));
                if ["type", "name", "push", "dest", "output"].contains(&name) {
                    return refused(format!("take `--exporter-opt {name}={value}`"));
                }
                output.set(name, value);
            }
        }
    }
    Ok(kept)
}

impl Backend for Buildctl {
    fn name(&self) -> &str {
        "buildctl"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            several_platforms: true,
            keeps_images: false,
            pushes_while_building: true,
            pushes_by_digest: true,
            indexes: self.index_tool != IndexTool::None,
            verifies: match self.index_tool {
                IndexTool::Imagetools | IndexTool::DockerManifest => true,
                IndexTool::Buildah | IndexTool::None => self.skopeo,
            },
            ..Capabilities::default()
        }
    }

    fn lower(&self, step: &Step) -> Result<Vec<Action>, Unsupported> {
        let none = || {
            Unsupported::new(
                step,
                "make an index: neither docker nor buildah is there to do it",
                "install one of them",
            )
        };
        match (&step.task, self.index_tool) {
            (Task::Build(build), _) => self.build(step, build),
            (Task::Push(_), _) => Err(Unsupported::new(
                step,
                "push what it did not just build: it keeps no images",
                "building pushes",
            )),
            (Task::Index(index), IndexTool::Imagetools) => Ok(buildx::imagetools(index)),
            (Task::Index(index), IndexTool::DockerManifest) => docker::manifest(step, index),
            (Task::Verify(verify), IndexTool::Imagetools) => Ok(vec![buildx::inspect(verify)]),
            (_, IndexTool::DockerManifest) => super::Docker.lower(step),
            (_, IndexTool::Buildah) => Buildah::default().lower(step),
            (Task::Verify(verify), IndexTool::None) if self.skopeo => {
                Ok(vec![Buildah::skopeo(verify)])
            }
            (_, IndexTool::None) => Err(none()),
        }
    }
}
