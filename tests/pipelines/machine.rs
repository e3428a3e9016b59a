//! A machine that runs a pipeline's scripts, and what is not real about it.
//!
//! Real are: the shells, the scripts as they stand in the file, the crossfile just built, docker with buildx, dockerd and its BuildKit,
//! the registry, the kernel's emulation. Stand-ins, each a script that comes first on PATH:
//!
//! - `cargo` takes exactly the `cargo install` that a pipeline or the action has, and puts the crossfile just built where it
//!   would put the one from crates.io;
//! - `sudo` runs what it is told: the tests run as root, or need it not;
//! - `apt-get` takes `update` and `install` of packages that pipelines name, and installs nothing: what provides
//!   the engines has them installed. So `crossfile qemu register` is real, and finds everything registered;
//! - `docker` makes of `buildx create --driver docker-container`, which would pull an image, a builder of the driver `remote` (see
//!   `buildkit.rs`), and hands everything else on. The container of `moby/buildkit` is such a builder too, and what is copied out of
//!   it for `buildctl` a script that has buildx do what it is told: no buildctl can be had here.

use std::collections::BTreeSet;
use std::env::var;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value as Json;

use crate::buildkit;
use crate::lab::{Docker, Lab};
use crate::support::{Run, Scratch, crossfile};

/// Why a pipeline runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    PullRequest,
    Push,
}

/// The commands that were run, as they stand in the file.
#[derive(Debug, Default)]
pub(crate) struct Ran(BTreeSet<String>);

impl Ran {
    pub(crate) fn add(&mut self, script: &str) {
        self.0.insert(script.trim_end().to_string());
    }

    pub(crate) fn text(&self) -> String {
        self.0.iter().cloned().collect::<Vec<_>>().join("\n")
    }

    /// That every script of a file was run, and nothing else.
    #[track_caller]
    pub(crate) fn is_everything(&self, file: &Json, what: &str) {
        let mut all = BTreeSet::new();
        scripts(file, &mut all);
        assert!(all.len() >= 3, "{all:?}");
        assert_eq!(self.0, all, "the scripts of {what}");
    }
}

/// The keys whose values are scripts: of GitHub, then of GitLab and Travis.
const SCRIPTS: &[&str] = &[
    "run",
    "script",
    "before_script",
    "after_script",
    "before_install",
    "install",
    "after_success",
    "after_failure",
    "deploy",
];

fn scripts(node: &Json, all: &mut BTreeSet<String>) {
    match node {
        Json::Array(items) => items.iter().for_each(|item| scripts(item, all)),
        Json::Object(entries) => {
            for (key, value) in entries {
                match value {
                    Json::String(text) if SCRIPTS.contains(&key.as_str()) => {
                        all.insert(text.trim_end().to_string());
                    }
                    Json::Array(items) if SCRIPTS.contains(&key.as_str()) => {
                        let texts = items.iter().map(|item| item.as_str().unwrap());
                        all.extend(texts.map(|text| text.trim_end().to_string()));
                    }
                    other => scripts(other, all),
                }
            }
        }
        _ => {}
    }
}

/// A repository with a pipeline, and what outlives a job.
pub(crate) struct Site<'a> {
    lab: &'a Lab,
    docker: Docker,
    /// The repository.
    repository: Scratch,
    folder: String,
    /// Caches by their keys and artifacts by their names, for all runs.
    pub(crate) kept: Scratch,
    bin: Scratch,
    _client: Scratch,
}

/// What is copied for `buildctl` out of the image: where BUILDKIT_HOST leads to the container, buildx does what it is told.
const BUILDCTL: &str = r#"[ "$BUILDKIT_HOST" = docker-container://crossfile-buildkit ] || exit 1
case "$*" in
--version) echo 'buildctl of a test'; exit;;
'debug workers'*) echo 'linux/amd64,linux/arm64,linux/arm/v7,linux/s390x'; exit;;
'build --frontend dockerfile.v0 '*) shift 3;;
*) echo "buildctl $*: not known here" >&2; exit 1;;
esac
while [ $# -gt 0 ]; do
  case "$1 $2" in
  '--local context='*) context=${2#context=};;
  '--local dockerfile='*) folder=${2#dockerfile=};;
  '--opt filename='*) file=${2#filename=};;
  '--opt platform='*) platform=${2#platform=};;
  '--import-cache '*) from=$2;;
  '--export-cache '*) to=$2;;
  '--output '*) output=$2;;
  '--metadata-file '*) metadata=$2;;
  *) echo "buildctl $1 $2: not known here" >&2; exit 1;;
  esac
  shift 2
done
exec docker buildx build --builder crossfile-buildkit --provenance=false --file "$folder/$file" --platform "$platform" \
  ${from:+--cache-from "$from"} ${to:+--cache-to "$to"} --output "$output" --metadata-file "$metadata" "$context"
"#;

impl<'a> Site<'a> {
    /// A repository with the project of a lab in a folder.
    pub(crate) fn new(lab: &'a Lab, docker: Docker, folder: &str) -> Site<'a> {
        let repository = Scratch::new();
        for (path, bytes) in lab.scratch.files() {
            repository.write(&Path::new(folder).join(path).to_string_lossy(), bytes);
        }
        repository.program("git", &["init", "-q", "."]).succeeds();
        let port = match docker {
            Docker::New => {
                let socket = var(docker.variable("")).unwrap();
                buildkit::listen(Path::new(socket.trim_start_matches("unix://")))
            }
            Docker::Old => 1,
        };
        let real = var(docker.variable("_CLI")).unwrap();
        let bin = stand_ins();
        let client = Scratch::new();
        script(&client, "buildctl", BUILDCTL);
        let buildctl = client.join("buildctl");
        let buildctl = buildctl.display();
        script(
            &bin,
            "docker",
            &format!(
                "case \"$*\" in\n\
                 'buildx create --name crossfile --driver docker-container'*)\n\
                 exec {real} buildx create --name crossfile --driver remote tcp://127.0.0.1:{port};;\n\
                 'start crossfile-buildkit') exit 1;;\n\
                 'exec crossfile-buildkit buildctl debug workers') exit;;\n\
                 'run --detach --privileged --name crossfile-buildkit moby/buildkit:v'*)\n\
                 exec {real} buildx create --name crossfile-buildkit --driver remote tcp://127.0.0.1:{port};;\n\
                 'cp crossfile-buildkit:/usr/bin/buildctl '*) cp {buildctl} \"$3/\"; exit;;\n\
                 esac\nexec {real} \"$@\"\n"
            ),
        );
        Site {
            lab,
            docker,
            repository,
            folder: folder.to_string(),
            kept: Scratch::new(),
            bin,
            _client: client,
        }
    }

    /// crossfile in the project.
    pub(crate) fn crossfile(&self, args: &[&str]) -> Run {
        let folder = self.repository.join(&self.folder);
        Run::from(crossfile().args(args).current_dir(folder).output().unwrap())
    }

    fn file(service: &str) -> &'static str {
        match service {
            "github" => ".github/workflows/crossfile.yml",
            "gitlab" => ".gitlab-ci.yml",
            _ => ".travis.yml",
        }
    }

    pub(crate) fn pipeline(&self, service: &str) -> Json {
        crate::yaml::read(&self.repository.read(Site::file(service)))
    }

    /// What git ignores goes to no runner.
    pub(crate) fn remove_handlers(&self) {
        let folder = self.repository.join(&self.folder);
        let mut count = 0;
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if name.starts_with("qemu-") {
                fs::remove_file(path).unwrap();
                count += 1;
            }
        }
        assert!(count > 0);
    }

    /// Adds to a file of the project.
    pub(crate) fn append(&self, file: &str, text: &str) {
        let path = Path::new(&self.folder).join(file);
        let path = path.to_string_lossy();
        self.repository
            .write(&path, self.repository.read(&path) + text);
    }

    pub(crate) fn append_pipeline(&self, service: &str, text: &str) {
        let file = Site::file(service);
        self.repository
            .write(file, self.repository.read(file) + text);
    }

    /// A machine with nothing on it but a copy of the repository.
    pub(crate) fn machine(&self) -> Machine {
        let machine = Machine::new(self.bin.path());
        copy(self.repository.path(), &machine.workspace());
        copy(
            Path::new(&var(self.docker.variable("_CONFIG")).unwrap()),
            &machine.home.join("docker-config"),
        );
        // What the lab has for every command, the home aside.
        let own = self.lab.env.iter().filter(|(name, _)| name != "HOME");
        let mut env: Vec<(String, String)> = own.cloned().collect();
        let config = machine.home.join("docker-config");
        env.push((
            "DOCKER_CONFIG".into(),
            config.to_string_lossy().into_owned(),
        ));
        env.push(("DOCKER_HOST".into(), var(self.docker.variable("")).unwrap()));
        Machine { env, ..machine }
    }
}

/// The programs that do less than their names say.
pub(crate) fn stand_ins() -> Scratch {
    let bin = Scratch::new();
    let version = env!("CARGO_PKG_VERSION");
    let own = env!("CARGO_BIN_EXE_crossfile");
    let top = env!("CARGO_MANIFEST_DIR");
    script(
        &bin,
        "cargo",
        &format!(
            "root=$4\ncase \"$*\" in\n\
             \"install --locked --root $root crossfile@{version}\") ;;\n\
             \"install --locked --root $root --version {version} crossfile\") ;;\n\
             \"install --locked --root $root --path {top}\") ;;\n\
             *) echo \"cargo $*: not known here\" >&2; exit 101;;\nesac\n\
             mkdir -p \"$root/bin\" && cp {own} \"$root/bin/crossfile\"\n"
        ),
    );
    script(&bin, "sudo", "exec \"$@\"\n");
    script(
        &bin,
        "apt-get",
        "case \"$*\" in\nupdate) exit;;\n'install --yes --no-install-recommends '*) shift 3;;\n\
         *) echo \"apt-get $*: not known here\" >&2; exit 100;;\nesac\n\
         for package; do case $package in qemu-user-static | docker-cli | docker-buildx | buildah | podman | crun | slirp4netns | uidmap) ;; *) echo \"no $package\" >&2; exit 100;; esac; done\n",
    );
    bin
}

fn script(bin: &Scratch, name: &str, body: &str) {
    use std::os::unix::fs::PermissionsExt;
    bin.write(name, format!("#!/bin/sh\n{body}"));
    fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).unwrap();
}

/// Where one job runs.
pub(crate) struct Machine {
    home: Scratch,
    bin: PathBuf,
    pub(crate) env: Vec<(String, String)>,
    /// Folders that come before all others on PATH.
    pub(crate) path: Vec<PathBuf>,
}

impl Machine {
    pub(crate) fn new(bin: &Path) -> Machine {
        let home = Scratch::new();
        fs::create_dir_all(home.join("work")).unwrap();
        fs::create_dir_all(home.join("home")).unwrap();
        fs::create_dir_all(home.join("temp")).unwrap();
        Machine {
            home,
            bin: bin.to_path_buf(),
            env: Vec::new(),
            path: Vec::new(),
        }
    }

    /// Where the repository is.
    pub(crate) fn workspace(&self) -> PathBuf {
        self.home.join("work")
    }

    pub(crate) fn temp(&self) -> PathBuf {
        self.home.join("temp")
    }

    /// `~/…` as a path, or one that is complete.
    pub(crate) fn path_of(&self, path: &str) -> PathBuf {
        match path
            .strip_prefix("~/")
            .or_else(|| path.strip_prefix("$HOME/"))
        {
            Some(rest) => self.home.join("home").join(rest),
            None => PathBuf::from(path),
        }
    }

    /// Runs a script, of which a file is made, and gives what it printed; as a failure where it fails.
    pub(crate) fn run(
        &self,
        shell: &[&str],
        script: &str,
        folder: &Path,
        env: &[(String, String)],
    ) -> Result<String, String> {
        let file = self.home.join("script.sh");
        fs::write(&file, script).unwrap();
        let mut path: Vec<PathBuf> = vec![self.bin.clone()];
        path.extend(self.path.iter().cloned());
        path.extend(std::env::split_paths(&var("PATH").unwrap()));
        let output = Command::new("timeout")
            .args(["--kill-after=10", crate::lab::BOUND])
            .args(shell)
            .arg(&file)
            .current_dir(folder)
            .env_clear()
            .env("PATH", std::env::join_paths(path).unwrap())
            .env("HOME", self.home.join("home"))
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .envs(env.iter().map(|(name, value)| (name, value)))
            .output()
            .unwrap();
        let run = Run::from(output);
        let said = format!("{}{}", run.stdout, run.stderr);
        match run.status {
            0 => Ok(said),
            status => Err(format!("exit {status} of:\n{script}\n{said}")),
        }
    }
}

/// Copies what is in a folder into another, over what is there.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    let status = Command::new("cp")
        .arg("-a")
        .arg(from.join("."))
        .arg(to)
        .status()
        .unwrap();
    assert!(status.success(), "{} to {}", from.display(), to.display());
}
