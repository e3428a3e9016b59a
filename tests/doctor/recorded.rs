//! Answers of programs as they were recorded, and what they mean. Where no program was there to record, the source is named.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crossfile::backend::{Command, Value};
use crossfile::doctor::{
    Classic, Image, Kernel, Local, Machine, Part, Runs, Wanted, is_ready, machine,
};
use crossfile::emulation::{Emulation, Row};
use crossfile::run::ExecError;
use crossfile::{ArchMap, ArchName};

use crate::support::snapshots;

/// What a program answers.
#[derive(Clone)]
enum Answer {
    Says(String),
    Fails(String),
    Hangs,
}

/// A machine whose programs answer what was recorded. What was not asked there is not installed.
struct Recorded {
    answers: BTreeMap<String, Answer>,
    env: BTreeMap<String, String>,
    kernel: Kernel,
    free: u64,
}

const KERNEL: &str = "6.18.44-fc-v669";

/// When the engines were recorded.
const NOW: u64 = 1_795_284_151;

impl Recorded {
    fn new(answers: &[(&str, Answer)]) -> Recorded {
        let answers = answers.iter();
        Recorded {
            answers: answers
                .map(|(command, answer)| ((*command).to_string(), answer.clone()))
                .collect(),
            env: BTreeMap::from([("USER".to_string(), "me".to_string())]),
            kernel: Kernel::new(KERNEL, "vm"),
            free: 30 << 30,
        }
    }
}

impl Machine for Recorded {
    fn ask(&self, command: &Command) -> Result<String, ExecError> {
        let args = command.args.iter().map(|arg| match arg {
            Value::Text(text) => text.clone(),
            other => panic!("{other:?}"),
        });
        let line = std::iter::once(command.program.clone()).chain(args);
        let line = line.collect::<Vec<_>>().join(" ");
        match self.answers.get(&line) {
            Some(Answer::Says(text)) => Ok(text.clone()),
            Some(Answer::Fails(text)) => Err(ExecError::Failed {
                command: line,
                code: Some(1),
                last: text.lines().map(str::to_string).collect(),
            }),
            Some(Answer::Hangs) => Err(ExecError::System {
                what: format!("`{}` gave no answer in 10 seconds", command.program),
            }),
            None if self
                .answers
                .keys()
                .any(|known| known.split(' ').next() == Some(&command.program)) =>
            {
                // It is there, and knows no such thing.
                Err(ExecError::Failed {
                    command: line,
                    code: Some(1),
                    last: Vec::new(),
                })
            }
            None => Err(ExecError::NotFound {
                program: command.program.clone(),
            }),
        }
    }

    fn env(&self, name: &str) -> Option<String> {
        self.env.get(name).cloned()
    }

    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(NOW)
    }

    fn free(&self, folder: &Path) -> io::Result<u64> {
        match folder.starts_with("/var/lib") || folder.starts_with("/tmp") {
            true => Ok(self.free),
            false => Err(io::Error::from(io::ErrorKind::NotFound)),
        }
    }

    fn kernel(&self) -> Kernel {
        self.kernel.clone()
    }
}

fn says(text: &str) -> Answer {
    Answer::Says(text.to_string())
}

fn fails(text: &str) -> Answer {
    Answer::Fails(text.to_string())
}

/// A kernel that runs amd64 and i386 as its own and arm32v7 by QEMU. QEMU for s390x is there, and not registered.
fn local() -> Local {
    let map = ArchMap::builtin();
    let row = |arch: &str, emulation: Emulation| Row {
        arch: name(&map, arch),
        qemu: None,
        emulation,
    };
    let arm = Emulation::Emulated {
        registration: "qemu-arm".to_string(),
        interpreter: "/usr/bin/qemu-arm-static".to_string(),
        flags: "F".to_string(),
        fixed: true,
        missing: false,
    };
    let riscv = Emulation::Emulated {
        registration: "qemu-riscv64".to_string(),
        interpreter: "/usr/bin/qemu-riscv64-static".to_string(),
        flags: String::new(),
        fixed: false,
        missing: false,
    };
    let mut local = Local::new(vec![
        row("amd64", Emulation::Native),
        row("arm32v7", arm),
        row("riscv64", riscv),
        row("s390x", Emulation::No),
        row("ppc64le", Emulation::No),
    ]);
    local.interpreters = BTreeSet::from([name(&map, "s390x")]);
    local
}

fn name(map: &ArchMap, arch: &str) -> ArchName {
    map.get(arch).unwrap().name.clone()
}

struct Case {
    machine: Recorded,
    backend: &'static str,
    images: Vec<Image>,
    change: fn(&mut Wanted<'_>),
}

fn case(backend: &'static str, arches: &[&str], answers: &[(&str, Answer)]) -> Case {
    let map = ArchMap::builtin();
    let images = arches.iter().map(|arch| {
        let entry = map.get(arch).unwrap();
        Image::new(entry.name.clone(), entry.platform.to_string())
    });
    Case {
        machine: Recorded::new(answers),
        backend,
        images: images.collect(),
        change: |_| {},
    }
}

impl Case {
    fn on(mut self, builder: &str) -> Case {
        for image in &mut self.images {
            image.builder = Some(builder.to_string());
        }
        self
    }

    fn with(mut self, change: fn(&mut Wanted<'_>)) -> Case {
        self.change = change;
        self
    }

    fn env(mut self, name: &str, value: &str) -> Case {
        self.machine.env.insert(name.to_string(), value.to_string());
        self
    }

    fn parts(&self) -> Vec<Part> {
        let map = ArchMap::builtin();
        let mut wanted = Wanted::new(&map, self.backend, local());
        wanted.images.clone_from(&self.images);
        (self.change)(&mut wanted);
        machine(&wanted, &self.machine)
    }
}

/// Parts as a person reads them.
fn shown(parts: &[Part]) -> String {
    let mut text = String::new();
    for part in parts {
        let _ = writeln!(
            text,
            "{:?} {} [{}] {}",
            part.state, part.part, part.name, part.seen
        );
        if let Some(mend) = &part.mend {
            let command = mend.command.as_deref().unwrap_or("-");
            let _ = writeln!(
                text,
                "    mend: {} | {command}{}",
                mend.text,
                if mend.safe.is_some() { " | safe" } else { "" }
            );
        }
    }
    let _ = writeln!(text, "ready: {}", is_ready(parts));
    text
}

const VERSION20: (&str, &str) = (
    "docker --version",
    "Docker version 20.10.24+dfsg1, build 297e128\n",
);
const VERSION26: (&str, &str) = (
    "docker --version",
    "Docker version 26.1.5+dfsg1, build a72d7cd\n",
);
const CONTEXT: &str = "docker context inspect --format {{.Endpoints.docker.Host}}";
const INFO: &str = "docker info --format {{json .}}";
const HELP: &str = "docker build --help";

/// Client 20.10.24 with its own engine, what is looked at of it.
const HELP_CLASSIC: &str = "\
Usage:  docker build [OPTIONS] PATH | URL | -

Options:
  -f, --file string             Name of the Dockerfile (Default is 'PATH/Dockerfile')
      --squash                  Squash newly built layers into a single new layer
";

/// The same with `DOCKER_BUILDKIT=1`.
const HELP_BUILDKIT: &str = "\
Usage:  docker build [OPTIONS] PATH | URL | -

Options:
  -f, --file string             Name of the Dockerfile (Default is 'PATH/Dockerfile')
      --secret stringArray      Secret file to expose to the build (only if BuildKit enabled): id=mysecret,src=/local/secret
";

const SOCKET: &str = "unix:///var/run/docker.sock\n";

/// Engine 20.10.24, what is looked at of it.
const INFO20: &str = r#"{"Driver":"overlay2","DriverStatus":[["Backing Filesystem","extfs"],["Supports d_type","true"]],"SystemTime":"2026-11-21T18:02:31.537337332Z","KernelVersion":"6.18.44-fc-v669","OperatingSystem":"Debian GNU/Linux 12 (bookworm)","OSType":"linux","Architecture":"x86_64","DockerRootDir":"/var/lib/docker","Name":"vm","ExperimentalBuild":false,"ServerVersion":"20.10.24+dfsg1","Warnings":null,"ClientInfo":{"Debug":false,"Context":"default","Plugins":[],"Warnings":null}}
"#;

/// Engine 26.1.5 with the containerd image store.
const INFO26: &str = r#"{"Driver":"overlayfs","DriverStatus":[["driver-type","io.containerd.snapshotter.v1"]],"SystemTime":"2026-11-21T18:02:31.888366906Z","KernelVersion":"6.18.44-fc-v669","OSType":"linux","Architecture":"x86_64","DockerRootDir":"/var/lib/docker","Name":"vm","ExperimentalBuild":false,"ServerVersion":"26.1.5+dfsg1"}
"#;

/// Client 26.1.5 whose engine does not answer: it ends with 0.
const EMPTY26: &str = r#"{"ID":"","Containers":0,"DriverStatus":null,"SystemTime":"","KernelVersion":"","OSType":"","Architecture":"","DockerRootDir":"","Name":"","ExperimentalBuild":false,"ServerVersion":"","ClientInfo":{"Debug":false,"Version":"26.1.5+dfsg1","Context":"default","Plugins":[],"Warnings":null}}
"#;

const PLUGIN: (&str, &str) = (
    "docker buildx version",
    "github.com/docker/buildx 0.13.1+ds1 0.13.1+ds1-3\n",
);

const INSPECT: &str = "\
Name:   default
Driver: docker

Nodes:
Name:             default
Endpoint:         default
Status:           running
BuildKit version: v0.0.0+unknown
Platforms:        linux/amd64, linux/amd64/v2, linux/arm64, linux/s390x
Labels:
 org.mobyproject.buildkit.worker.hostname:             vm
";

/// buildx 0.13.1 whose engine does not answer.
const INSPECT_NONE: &str = "\
Name:          default
Driver:        
Last Activity: 2026-11-21 18:17:52 +0000 UTC
Error:         Cannot connect to the Docker daemon at tcp://127.0.0.1:1. Is the docker daemon running?
";

/// From docs/reference/buildx_inspect.md of docker/buildx.
const FLEET: &str = "\
Name:          fleet
Driver:        remote
Last Activity: 2026-11-21 18:17:52 +0000 UTC

Nodes:
Name:                  fleet0
Endpoint:              tcp://amd64:1234
Status:                running
BuildKit version:      v0.17.3
Platforms:             linux/amd64*, linux/386

Name:                  fleet1
Endpoint:              tcp://arm:1234
Status:                running
BuildKit version:      v0.17.3
Platforms:             linux/arm64, linux/arm/v7*
";

fn docker20(info: Answer) -> Vec<(&'static str, Answer)> {
    vec![
        (VERSION20.0, says(VERSION20.1)),
        (CONTEXT, says(SOCKET)),
        (INFO, info),
    ]
}

fn buildx26(info: Answer, inspect: Answer) -> Vec<(&'static str, Answer)> {
    vec![
        (VERSION26.0, says(VERSION26.1)),
        (PLUGIN.0, says(PLUGIN.1)),
        (CONTEXT, says(SOCKET)),
        (INFO, info),
        ("docker buildx inspect", inspect),
    ]
}

fn errors(error: &str) -> Answer {
    let json = serde_json::json!({"ServerErrors": [error], "ClientInfo": {"Debug": false}});
    fails(&format!("{json}\nerrors pretty printing info"))
}

fn all(cases: Vec<(&str, Case)>) -> String {
    let mut text = String::new();
    for (name, case) in cases {
        let _ = writeln!(text, "== {name}\n{}", shown(&case.parts()));
    }
    text
}

#[test]
fn docker() {
    let old = |info: Answer| case("docker", &["amd64", "arm32v7"], &docker20(info));
    let mut little = old(says(INFO20));
    little.machine.free = 1 << 30;
    let mut nothing = old(says(INFO20));
    nothing.machine.free = 1 << 20;
    let mut inside = old(says(INFO20));
    inside.machine.kernel.name = "container".to_string();
    let mut mac = old(says(
        &INFO20
            .replace(KERNEL, "6.10.14-linuxkit")
            .replace("x86_64", "aarch64"),
    ));
    mac.machine.kernel = Kernel::default();
    let mut off = old(fails(
        "Cannot connect to the Docker daemon at unix:///Users/me/.docker/run/docker.sock. Is the docker daemon running?",
    ));
    off.machine.kernel = Kernel::default();
    let cases = vec![
        ("20.10, all is well", old(says(INFO20))),
        ("little space", little),
        ("no space", nothing),
        ("inside a container, with the socket of the host", inside),
        (
            "clock ahead by an hour",
            old(says(&INFO20.replace("T18:02", "T19:02"))),
        ),
        (
            "20.10, not running",
            old(errors(
                "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
            )),
        ),
        (
            "20.10, no permission",
            old(errors(
                "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: Get \"http://%2Fvar%2Frun%2Fdocker.sock/v1.24/info\": dial unix /var/run/docker.sock: connect: permission denied",
            )),
        ),
        ("DOCKER_HOST is wrong", {
            let mut answers = docker20(errors(
                "error during connect: Get \"http://nohost.invalid:2375/v1.24/info\": dial tcp: lookup nohost.invalid on 10.255.255.53:53: no such host",
            ));
            answers[1].1 = says("tcp://nohost.invalid:2375\n");
            case("docker", &["amd64"], &answers).env("DOCKER_HOST", "tcp://nohost.invalid:2375")
        }),
        ("26.1, not running", {
            let mut answers = buildx26(says(EMPTY26), says(INSPECT_NONE));
            answers.push(("docker version --format {{.Server.Version}}", fails("Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?")));
            case("docker", &["amd64"], &answers)
        }),
        ("it hangs", old(Answer::Hangs)),
        (
            "versions that do not go together",
            old(errors(
                "Error response from daemon: client version 1.41 is too old. Minimum supported API version is 1.44, please upgrade your client to a newer version",
            )),
        ),
        (
            "19.03, not experimental",
            old(says(&INFO20.replace("20.10.24+dfsg1", "19.03.15"))),
        ),
        (
            "19.03, experimental",
            old(says(&INFO20.replace("20.10.24+dfsg1", "19.03.15").replace(
                "\"ExperimentalBuild\":false",
                "\"ExperimentalBuild\":true",
            ))),
        ),
        ("the classic builder, and a Dockerfile of BuildKit's", {
            let mut answers = docker20(says(INFO20));
            answers.push((HELP, says(HELP_CLASSIC)));
            case("docker", &["amd64"], &answers).with(|wanted| {
                for image in &mut wanted.images {
                    image.classic =
                        Classic::of("FROM a\nRUN --mount=type=cache,target=/c b\n", None);
                }
            })
        }),
        ("the classic builder builds stages that are not needed", {
            let mut answers = docker20(says(INFO20));
            answers.push((HELP, says(HELP_CLASSIC)));
            case("docker", &["s390x"], &answers).with(|wanted| {
                for image in &mut wanted.images {
                    let text = "FROM a AS test\nRUN b\nFROM a\nCOPY a /\n";
                    image.runs = Runs::of(text, None).target;
                    image.classic = Classic::of(text, None);
                }
            })
        }),
        ("BuildKit leaves them out", {
            let mut answers = docker20(says(INFO20));
            answers.push((HELP, says(HELP_BUILDKIT)));
            case("docker", &["s390x"], &answers).with(|wanted| {
                for image in &mut wanted.images {
                    let text = "FROM a AS test\nRUN b\nFROM a\nCOPY a /\n";
                    image.runs = Runs::of(text, None).target;
                    image.classic = Classic::of(text, None);
                }
            })
        }),
        ("BuildKit is asked for, and its plugin is not there", {
            let mut answers = docker20(says(INFO20));
            answers.push((HELP, fails("ERROR: BuildKit is enabled but the buildx component is missing or broken.\n       Install the buildx component to build images with BuildKit:\n       https://docs.docker.com/go/buildx/")));
            case("docker", &["amd64"], &answers)
        }),
        ("what an engine says is for no terminal", {
            let mut answers = docker20(says(
                &INFO20.replace("20.10.24+dfsg1", "20.10.24\\u001b[2J\\ndaemon"),
            ));
            answers[1].1 = says("tcp://u:secret@host:2375\nmore\u{1b}[2J\n");
            case("docker", &["amd64"], &answers)
        }),
        ("a client of 19.03 makes the index", {
            let mut answers = docker20(says(INFO20));
            answers[0].1 = says("Docker version 19.03.15, build 99e3ed8919\n");
            case("docker", &["amd64"], &answers).with(|wanted| wanted.own_index = true)
        }),
        ("not here", case("docker", &["amd64"], &[])),
        (
            "podman's docker",
            case(
                "docker",
                &["amd64"],
                &[(VERSION20.0, says("podman version 4.3.1\n"))],
            ),
        ),
        (
            "answers that make no sense",
            old(says("<html>hello</html>\n")),
        ),
        ("another type", old(says("{\"ServerVersion\": 20}\n"))),
        ("no answer at all", old(says(""))),
        (
            "a text that a terminal would act on",
            old(fails("\u{1b}[31mred\u{7}\nand more")),
        ),
        ("Docker Desktop on an ARM Mac", mac),
        ("Docker Desktop is off", off),
        (
            "Windows containers",
            old(says(
                &INFO20.replace("\"OSType\":\"linux\"", "\"OSType\":\"windows\""),
            )),
        ),
        (
            "s390x is not registered",
            case("docker", &["amd64", "s390x"], &docker20(says(INFO20))),
        ),
        (
            "s390x is not registered, and root asks",
            case("docker", &["s390x"], &docker20(says(INFO20))).with(|wanted| {
                wanted
                    .local
                    .registrable
                    .clone_from(&wanted.local.interpreters)
            }),
        ),
        (
            "ppc64le has no QEMU here",
            case("docker", &["ppc64le"], &docker20(says(INFO20))),
        ),
        (
            "riscv64 needs its QEMU inside",
            case("docker", &["riscv64"], &docker20(says(INFO20))),
        ),
        (
            "s390x may be left out",
            case("docker", &["amd64", "s390x"], &docker20(says(INFO20)))
                .with(|wanted| wanted.images[1].optional = true),
        ),
        (
            "s390x runs nothing",
            case("docker", &["amd64", "s390x"], &docker20(says(INFO20)))
                .with(|wanted| wanted.images[1].runs = false),
        ),
        ("a builder by ssh", {
            let mut answers = docker20(says(INFO20));
            answers.push((
                "docker --host ssh://pi@raspberrypi info --format {{json .}}",
                says(
                    &INFO20
                        .replace("x86_64", "armv7l")
                        .replace(KERNEL, "6.1.0-rpi"),
                ),
            ));
            case("docker", &["arm32v7", "arm32v6", "arm64v8"], &answers).on("ssh://pi@raspberrypi")
        }),
        ("a builder by ssh that refuses", {
            let mut answers = docker20(says(INFO20));
            answers.push(("docker --host ssh://pi@raspberrypi info --format {{json .}}", errors("error during connect: Get \"http://docker.example.com/v1.24/info\": command [ssh -l pi -- raspberrypi docker system dial-stdio] has exited with exit status 255, please make sure the URL is valid, and Docker 18.09 or later is installed on the remote host: stderr=ssh: connect to host raspberrypi port 22: Connection refused")));
            case("docker", &["arm32v7"], &answers).on("ssh://pi@raspberrypi")
        }),
        (
            "the same for what may be left out",
            case("docker", &["arm32v7"], &docker20(says(INFO20)))
                .on("ssh://pi@raspberrypi")
                .with(|wanted| wanted.images[0].optional = true),
        ),
        ("a context that is not there", {
            let mut answers = docker20(says(INFO20));
            answers.push(("docker --context pi info --format {{json .}}", fails("Failed to initialize: unable to resolve docker endpoint: context \"pi\": context not found: open /root/.docker/contexts/meta/ca37/meta.json: no such file or directory")));
            case("docker", &["arm32v7"], &answers).on("pi")
        }),
    ];
    snapshots().bind(|| insta::assert_snapshot!("doctor.docker", all(cases)));
}

#[test]
fn buildx() {
    let new = |info: Answer, inspect: Answer| {
        case("buildx", &["amd64", "arm32v7"], &buildx26(info, inspect))
    };
    let none = |inspect: Answer| {
        let mut answers = buildx26(says(EMPTY26), inspect);
        answers.push(("docker version --format {{.Server.Version}}", fails("Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?")));
        answers
    };
    let cases = vec![
        (
            "26.1 with the containerd image store",
            new(says(INFO26), says(INSPECT)).with(|wanted| wanted.at_once = true),
        ),
        (
            "the classic image store, one by one",
            new(says(INFO20), says(INSPECT)),
        ),
        (
            "the classic image store, in one go",
            new(says(INFO20), says(INSPECT)).with(|wanted| wanted.at_once = true),
        ),
        ("no plugin", {
            let mut answers = docker20(says(INFO20));
            answers.push((
                PLUGIN.0,
                fails("docker: 'buildx' is not a docker command.\nSee 'docker --help'"),
            ));
            case("buildx", &["amd64"], &answers)
        }),
        // Source: docker/cli at 19.03, cli-plugins/manager: plugins need experimental features.
        ("a client of 19.03 that hides it", {
            let mut answers = docker20(says(INFO20));
            answers[0].1 = says("Docker version 19.03.15, build 99e3ed8919\n");
            answers.push((
                PLUGIN.0,
                fails("docker: 'buildx' is not a docker command.\nSee 'docker --help'"),
            ));
            answers.push((
                "docker version --format {{.Client.Experimental}}",
                says("false\n"),
            ));
            case("buildx", &["amd64"], &answers)
        }),
        ("an old plugin", {
            let mut answers = buildx26(says(INFO26), says(INSPECT));
            answers[1].1 =
                says("github.com/docker/buildx v0.5.1 11057da37336192bfc57d81e02359ba7ba848e4a\n");
            case("buildx", &["amd64"], &answers)
        }),
        (
            "the engine does not answer",
            case("buildx", &["amd64"], &none(says(INSPECT_NONE))),
        ),
        ("the engine does not answer, and no builder needs it", {
            let mut answers = none(says(INSPECT_NONE));
            answers.push(("docker buildx inspect fleet", says(FLEET)));
            case(
                "buildx",
                &["amd64", "arm32v7", "arm64v8", "s390x"],
                &answers,
            )
            .on("fleet")
        }),
        ("no such builder", {
            let mut answers = buildx26(says(INFO26), says(INSPECT));
            answers.push((
                "docker buildx inspect nope",
                fails("ERROR: no builder \"nope\" found"),
            ));
            case("buildx", &["arm32v7"], &answers).on("nope")
        }),
        (
            "a builder that is not started",
            new(
                says(INFO20),
                says(
                    &INSPECT
                        .replace("default", "mine")
                        .replace("Driver: docker", "Driver: docker-container")
                        .replace(
                            "Endpoint:         mine",
                            "Endpoint:         unix:///var/run/docker.sock",
                        )
                        .replace("running", "inactive")
                        .replace("Platforms: ", "Nothing: "),
                ),
            ),
        ),
        (
            "a node that failed",
            new(
                says(INFO20),
                says(&INSPECT.replace(
                    "Status:           running",
                    "Error:            failed to find driver \"kubernetes\"",
                )),
            ),
        ),
        (
            "an answer that makes no sense",
            new(says(INFO26), says("hello\n")),
        ),
        (
            "all others, too",
            new(says(INFO26), says(INSPECT)).with(|wanted| wanted.all = true),
        ),
    ];
    snapshots().bind(|| insta::assert_snapshot!("doctor.buildx", all(cases)));
}

#[test]
fn buildctl() {
    const VERSION: (&str, &str) = (
        "buildctl --version",
        "buildctl github.com/moby/buildkit v0.11.6 2951a28cd7085eb18979b1f710678623d94ed578\n",
    );
    // Source: moby/buildkit, cmd/buildctl/debug/workers.go.
    const WORKERS: &str = "ID\t\t\t\tPLATFORMS\nzf0w9ygq3z1bzw5\tlinux/amd64,linux/amd64/v2,linux/arm64,linux/arm/v7\n";
    let here = |workers: Answer| {
        let answers = [
            (VERSION.0, says(VERSION.1)),
            ("buildctl debug workers", workers),
        ];
        case("buildctl", &["amd64", "arm32v7"], &answers)
    };
    let there = |workers: Answer| {
        let answers = [
            (VERSION.0, says(VERSION.1)),
            ("buildctl --addr tcp://builder:1234 debug workers", workers),
        ];
        case("buildctl", &["amd64", "arm32v7", "s390x"], &answers).on("tcp://builder:1234")
    };
    let cases = vec![
        ("here", here(says(WORKERS))),
        ("there", there(says(WORKERS))),
        ("no worker", here(says("ID\tPLATFORMS\n"))),
        (
            "not running",
            here(fails(
                "error: failed to list workers: Unavailable: connection error: desc = \"transport: Error while dialing dial unix /run/buildkit/buildkitd.sock: connect: no such file or directory\"",
            )),
        ),
        (
            "no permission",
            here(fails(
                "error: failed to list workers: Unavailable: connection error: desc = \"transport: Error while dialing dial unix /run/buildkit/buildkitd.sock: connect: permission denied\"",
            )),
        ),
        (
            "BUILDKIT_HOST is wrong",
            here(fails(
                "error: failed to list workers: Unavailable: connection error",
            ))
            .env("BUILDKIT_HOST", "tcp://127.0.0.1:1"),
        ),
        (
            "an old client",
            case(
                "buildctl",
                &["amd64"],
                &[(
                    VERSION.0,
                    says(
                        "buildctl github.com/moby/buildkit v0.8.3 81c2cbd8a418918d62b71e347a00034189eea455\n",
                    ),
                )],
            ),
        ),
        (
            "nobody makes the index",
            here(says(WORKERS)).with(|wanted| wanted.own_index = true),
        ),
        ("not here", case("buildctl", &["amd64"], &[])),
    ];
    snapshots().bind(|| insta::assert_snapshot!("doctor.buildctl", all(cases)));
}

#[test]
fn buildah_and_podman() {
    const BUILDAH: (&str, &str) = (
        "buildah --version",
        "buildah version 1.28.2 (image-spec 1.1.0-rc2, runtime-spec 1.0.2-dev)\n",
    );
    const PODMAN: (&str, &str) = ("podman --version", "podman version 4.3.1\n");
    const BUILDAH_INFO: &str = r#"{"host": {"OCIRuntime": "crun", "arch": "amd64", "kernel": "6.18.44-fc-v669", "os": "linux", "rootless": false, "variant": ""},
        "store": {"GraphDriverName": "vfs", "GraphRoot": "/var/lib/containers/storage", "RunRoot": "/run/containers/storage"}}"#;
    const PODMAN_INFO: &str = r#"{"host": {"arch": "amd64", "kernel": "6.18.44-fc-v669", "os": "linux", "serviceIsRemote": false, "security": {"rootless": false}},
        "store": {"graphDriverName": "overlay", "graphRoot": "/var/lib/containers/storage"}, "registries": {}}"#;
    let buildah = |info: Answer, map: &str| {
        let answers = [
            (BUILDAH.0, says(BUILDAH.1)),
            ("buildah info", info),
            ("buildah unshare cat /proc/self/uid_map", says(map)),
        ];
        case("buildah", &["amd64", "s390x"], &answers)
    };
    let podman = |info: Answer| {
        let answers = [
            (PODMAN.0, says(PODMAN.1)),
            ("podman info --format json", info),
        ];
        case("podman", &["amd64", "arm32v7"], &answers)
    };
    let rootless = BUILDAH_INFO.replace("\"rootless\": false", "\"rootless\": true");
    let mut full = buildah(says(BUILDAH_INFO), "");
    full.machine.free = 0;
    let cases = vec![
        ("buildah as root", buildah(says(BUILDAH_INFO), "")),
        (
            "buildah as somebody",
            buildah(
                says(&rootless),
                "         0       1000          1\n         1     100000      65536\n",
            ),
        ),
        (
            "buildah without subuid",
            buildah(says(&rootless), "         0      65534          1\n"),
        ),
        (
            "buildah without newuidmap",
            buildah(
                fails(
                    "Error during unshare(...): cannot set up namespace using \"newuidmap\": exit status 1: newuidmap: write to uid_map failed",
                ),
                "",
            ),
        ),
        ("buildah, and no space", full),
        ("buildah, and no sense", buildah(says("hello"), "")),
        ("no buildah", case("buildah", &["amd64"], &[])),
        ("podman", podman(says(PODMAN_INFO))),
        // Source: containers/podman, cmd/podman/registry and pkg/bindings/connection.go.
        (
            "podman without a machine",
            podman(fails(
                "Cannot connect to Podman. Please verify your connection to the Linux system using `podman system connection list`, or try `podman machine init` and `podman machine start` to manage a new Linux VM\nError: unable to connect to Podman socket: failed to connect: dial tcp 127.0.0.1:60000: connect: connection refused",
            )),
        ),
        (
            "podman's machine",
            podman(says(
                &PODMAN_INFO
                    .replace("\"serviceIsRemote\": false", "\"serviceIsRemote\": true")
                    .replace("amd64", "arm64"),
            )),
        ),
        (
            "an old podman",
            case(
                "podman",
                &["amd64"],
                &[
                    (PODMAN.0, says("podman version 3.0.1\n")),
                    ("podman info --format json", says(PODMAN_INFO)),
                ],
            ),
        ),
        ("a connection that is not there", {
            let answers = [
                (PODMAN.0, says(PODMAN.1)),
                (
                    "podman --connection pi info --format json",
                    fails(
                        "Error: failed to resolve active destination: \"pi\" service destination not found, connection",
                    ),
                ),
            ];
            case("podman", &["arm32v7"], &answers).on("pi")
        }),
    ];
    snapshots().bind(|| insta::assert_snapshot!("doctor.buildah", all(cases)));
}

#[test]
fn every_failure_names_its_mend() {
    for name in ["docker", "buildx", "buildctl", "buildah"] {
        let path = format!(
            "{}/snapshots/doctor.{name}.snap",
            env!("CARGO_MANIFEST_DIR")
        );
        let text = std::fs::read_to_string(path).unwrap();
        let mut lines = text.lines().peekable();
        let mut failures = 0;
        while let Some(line) = lines.next() {
            if line.starts_with("Failure ") {
                failures += 1;
                let next = lines.peek().copied().unwrap_or_default();
                assert!(next.starts_with("    mend: "), "{name}: {line}");
            }
        }
        assert!(failures > 3, "{name}");
    }
}
