//! `build`, `push`, `manifest` and `release` with programs of the test's own in the place of docker: what is run, what is said,
//! and how it ends.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot set up its folder should panic"
)]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value as Json;
use support::{Run, Scratch, crossfile};

const SETTINGS: &str = "image = \"acme/nginx\"\narches = [\"amd64\", \"arm32v7\"]\n";

/// Notes its arguments, one line for each call, and answers as docker would.
const DOCKER: &str = r#"#!/bin/sh
dir=$(dirname "$0")
line=docker
for arg in "$@"; do line="$line $arg"; done
echo "$line" >>"$dir/log"
case "$*" in
    --version) ;;
    *"manifest rm"*) echo "No such manifest" >&2; exit 1 ;;
    *"manifest push"*) echo sha256:index ;;
    *"manifest inspect"* | *"imagetools inspect --raw"*) cat "$dir/index.json" ;;
    *" push "* | "push "*)
        for arg in "$@"; do tag=$arg; done
        echo "${tag##*:}: digest: sha256:$(printf %s "$tag" | cksum | cut -d' ' -f1) size: 1" ;;
    *"image inspect"*) echo 1234567 ;;
    *) [ ! -e "$dir/hook" ] || . "$dir/hook" ;;
esac
"#;

const INDEX: &str = r#"{"manifests": [
    {"platform": {"os": "linux", "architecture": "amd64"}},
    {"platform": {"os": "linux", "architecture": "arm", "variant": "v7"}}]}"#;

/// A project with a template, and a docker of the test's own.
fn project(settings: &str) -> Scratch {
    let scratch = Scratch::with(&[
        ("project/crossfile.toml", settings),
        (
            "project/Dockerfile.cross",
            "FROM __BASEIMAGE_ARCH__/alpine\n",
        ),
        ("bin/index.json", INDEX),
    ]);
    program(&scratch, "docker", DOCKER);
    scratch
}

fn program(scratch: &Scratch, name: &str, text: &str) {
    let path = format!("bin/{name}");
    scratch.write(&path, text);
    fs::set_permissions(scratch.join(&path), fs::Permissions::from_mode(0o755)).unwrap();
}

/// Indexes are the backend's own here, unless a test says otherwise: the programs of these tests note what they are asked.
fn command(scratch: &Scratch, args: &[&str]) -> Command {
    let makes_indexes = ["plan", "build", "push", "manifest", "release"];
    let said = args.iter().any(|arg| arg.starts_with("--index"));
    let own = match args
        .first()
        .is_some_and(|name| makes_indexes.contains(name))
        && !said
    {
        true => &["--index", "backend"][..],
        false => &[],
    };
    let mut command = crossfile();
    let system = std::env::var("PATH").unwrap_or_default();
    command
        .args(args)
        .args(own)
        .current_dir(scratch.join("project"))
        .env(
            "PATH",
            format!("{}:{system}", scratch.join("bin").display()),
        )
        .env("XDG_CACHE_HOME", scratch.join("cache"));
    command
}

fn run(scratch: &Scratch, args: &[&str]) -> Run {
    Run::from(command(scratch, args).output().unwrap())
}

/// What docker was asked, without the question whether it is there.
fn log(scratch: &Scratch) -> Vec<String> {
    let lines = fs::read_to_string(scratch.join("bin/log")).unwrap_or_default();
    let lines = lines.lines().filter(|line| *line != "docker --version");
    lines.map(str::to_string).collect()
}

/// A shown command without its quotes and its environment, which the log does not have.
fn bare(shown: &str) -> String {
    let words = shlex::split(shown).unwrap();
    let words = words.iter().skip_while(|word| word.contains('='));
    words.cloned().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_dry_run_prints_what_runs() {
    let settings = format!("{SETTINGS}[build-args]\nTEXT = \"it's $HOME\"\n");
    let scratch = project(&settings);
    let dry = run(&scratch, &["release", "--dry-run", "--jobs", "1"]).succeeds();
    assert!(log(&scratch).is_empty(), "a dry run runs nothing");
    assert!(
        !scratch.exists("project/Dockerfile.amd64"),
        "and writes nothing"
    );
    run(&scratch, &["release", "--jobs", "1"]).succeeds();
    let mut printed: Vec<String> = dry.stdout.lines().map(bare).collect();
    let mut real = log(&scratch);
    // Side by side, steps of different architectures have no order among each other.
    printed.sort();
    real.sort();
    assert_eq!(printed, real);
}

#[test]
fn a_release_says_what_became_of_each_step() {
    let scratch = project(SETTINGS);
    let release = run(&scratch, &["release", "-v"]).succeeds();
    let steps: Vec<Vec<&str>> = release
        .stdout
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    let verbs: Vec<&str> = steps.iter().map(|step| step[0]).collect();
    assert_eq!(verbs, ["build", "push", "build", "push", "index", "verify"]);
    assert!(release.stdout.contains("1.2 MB"), "{}", release.stdout);
    assert!(
        release.stdout.contains("sha256:index"),
        "{}",
        release.stdout
    );
    assert!(
        release
            .stderr
            .contains("arm32v7      | $ docker push acme/nginx:arm32v7-latest"),
        "{}",
        release.stderr
    );
    assert!(scratch.exists("project/Dockerfile.arm32v7"));
    // A second run does the same again, and nothing is left behind.
    run(&scratch, &["release", "-q"]).succeeds();
    let left = fs::read_dir(scratch.join("cache/crossfile/run"))
        .unwrap()
        .count();
    assert_eq!(left, 0);
}

#[test]
fn push_takes_what_build_made_and_manifest_what_push_did() {
    let scratch = project(SETTINGS);
    run(&scratch, &["build"]).succeeds();
    assert!(log(&scratch).iter().all(|line| !line.contains("push")));
    run(&scratch, &["push"]).succeeds();
    let pushes = log(&scratch)
        .iter()
        .filter(|line| line.starts_with("docker push"))
        .count();
    assert_eq!(pushes, 2);
    assert!(log(&scratch).iter().all(|line| !line.contains("manifest")));
    run(&scratch, &["manifest"]).succeeds();
    let create = "docker manifest create acme/nginx:latest acme/nginx:amd64-latest acme/nginx:arm32v7-latest";
    assert!(log(&scratch).contains(&create.to_string()));
    let builds = log(&scratch)
        .iter()
        .filter(|line| line.contains(" build "))
        .count();
    assert_eq!(builds, 2);
}

#[test]
fn an_index_of_other_images_needs_no_project() {
    let scratch = project(SETTINGS);
    fs::remove_file(scratch.join("project/crossfile.toml")).unwrap();
    fs::remove_file(scratch.join("project/Dockerfile.cross")).unwrap();
    let args = [
        "manifest",
        "--tag",
        "127.0.0.1:5000/a:1",
        "127.0.0.1:5000/a:x",
        "127.0.0.1:5000/a:y",
    ];
    run(&scratch, &args).succeeds();
    assert_eq!(
        log(&scratch),
        [
            "docker manifest rm 127.0.0.1:5000/a:1",
            "docker manifest create --insecure 127.0.0.1:5000/a:1 127.0.0.1:5000/a:x 127.0.0.1:5000/a:y",
            "docker manifest push --purge --insecure 127.0.0.1:5000/a:1",
            "docker manifest inspect --insecure 127.0.0.1:5000/a:1",
        ]
    );
}

#[test]
fn a_failure_is_told_with_the_command_and_its_last_lines() {
    let scratch = project(SETTINGS);
    scratch.write(
        "bin/hook",
        "case \"$*\" in *arm/v7*) echo 'no space left' >&2; exit 3;; esac\n",
    );
    let release = run(&scratch, &["release", "--keep-going"]);
    assert_eq!(release.status, 2);
    assert!(
        release.stderr.contains("arm32v7      | no space left"),
        "{}",
        release.stderr
    );
    let error = "error: build:arm32v7 failed: exit code 3: BUILDX_NO_DEFAULT_ATTESTATIONS=1 docker build --platform linux/arm/v7";
    assert!(release.stderr.contains(error), "{}", release.stderr);
    assert!(log(&scratch).contains(&"docker push acme/nginx:amd64-latest".to_string()));
    assert!(log(&scratch).iter().all(|line| !line.contains("manifest")));

    let json = run(&scratch, &["release", "--format", "json", "-q"]);
    assert_eq!(json.status, 2);
    let report: Json = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(report["version"], 1);
    assert_eq!(report["done"], false);
    let failed = report["steps"].as_array().unwrap();
    let failed = failed
        .iter()
        .find(|step| step["id"] == "build:arm32v7")
        .unwrap();
    assert_eq!(failed["status"], "failed");
    assert_eq!(failed["last"], serde_json::json!(["no space left"]));
}

#[test]
fn an_index_of_the_wrong_platforms_is_no_success() {
    let scratch = project(SETTINGS);
    scratch.write("bin/index.json", INDEX.replace("v7", "v6"));
    let release = run(&scratch, &["release"]);
    assert_eq!(release.status, 2);
    let error =
        "error: verify:acme/nginx:latest failed: the index lacks linux/arm/v7 and has linux/arm/v6";
    assert!(release.stderr.contains(error), "{}", release.stderr);
}

#[test]
fn an_index_goes_out_without_an_optional_architecture_that_failed() {
    let scratch = project(&format!("{SETTINGS}[arch.arm32v7]\noptional = true\n"));
    scratch.write("bin/hook", "case \"$*\" in *arm/v7*) exit 3;; esac\n");
    let only = r#"{"manifests": [{"platform": {"os": "linux", "architecture": "amd64"}}]}"#;
    scratch.write("bin/index.json", only);
    let release = run(&scratch, &["release"]).succeeds();
    assert!(
        release.stdout.contains("failed, optional"),
        "{}",
        release.stdout
    );
    let create = "docker manifest create acme/nginx:latest acme/nginx:amd64-latest";
    assert!(log(&scratch).contains(&create.to_string()));
}

#[test]
fn somebody_elses_dockerfile_stops_a_build() {
    let scratch = project(SETTINGS);
    scratch.write("project/Dockerfile.amd64", "FROM mine\n");
    let build = run(&scratch, &["build"]);
    assert_eq!(build.status, 2);
    assert!(build.stderr.contains("[foreign]"), "{}", build.stderr);
    assert!(log(&scratch).is_empty());
    assert_eq!(scratch.read("project/Dockerfile.amd64"), "FROM mine\n");
}

#[test]
fn a_program_that_is_not_there_is_named_before_anything_is_written() {
    let scratch = project(SETTINGS);
    let mut command = command(&scratch, &["release", "--backend", "buildctl"]);
    let release = Run::from(command.env("PATH", scratch.join("bin")).output().unwrap());
    assert_eq!(release.status, 2);
    let error = "there is no program `buildctl` on PATH";
    assert!(release.stderr.contains(error), "{}", release.stderr);
    assert!(!scratch.exists("project/Dockerfile.amd64"));
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn interrupt(child: &Child) {
    let status = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    let status = status.unwrap();
    assert!(status.success(), "{status}");
}

fn is_alive(pid: &str) -> bool {
    let status = Command::new("kill")
        .args(["-0", pid])
        .stderr(Stdio::null())
        .status();
    status.unwrap().success()
}

#[test]
fn ctrl_c_ends_what_was_started_with_all_that_it_started() {
    let scratch = project(SETTINGS);
    // A child of the program's own, as BuildKit's and buildah's have.
    scratch.write("bin/hook", "sleep 60 & echo $! >\"$dir/pid.$$\"; wait\n");
    let mut child = command(&scratch, &["release", "--jobs", "2"])
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let pids = || {
        let files = fs::read_dir(scratch.join("bin"))
            .unwrap()
            .map(Result::unwrap);
        let files = files.filter(|file| file.file_name().to_string_lossy().starts_with("pid."));
        let pids = files.map(|file| fs::read_to_string(file.path()).unwrap_or_default());
        pids.filter(|pid| pid.ends_with('\n')).collect::<Vec<_>>()
    };
    wait_until("the builds begin", || pids().len() == 2);
    interrupt(&child);
    let start = Instant::now();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130));
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "it took {:?}",
        start.elapsed()
    );
    for pid in pids() {
        wait_until("what was started ends", || !is_alive(pid.trim()));
    }
    assert!(log(&scratch).iter().all(|line| !line.contains("push")));
}

#[test]
fn two_runs_in_one_folder_do_not_get_into_each_others_way() {
    let scratch = project(SETTINGS);
    scratch.write(
        "bin/hook",
        "case \"$*\" in *build*) while [ ! -e \"$dir/go\" ]; do sleep 0.05; done;; esac\n",
    );
    let mut first = command(&scratch, &["build", "-q"]).spawn().unwrap();
    wait_until("the first begins", || !log(&scratch).is_empty());
    let second = run(&scratch, &["build"]);
    scratch.write("bin/go", "");
    assert_eq!(second.status, 2);
    assert!(
        second.stderr.contains("another crossfile is building here"),
        "{}",
        second.stderr
    );
    assert!(first.wait().unwrap().success());
}

/// A backend of the user's own: the first step fails, unless it is told that it may.
const BACKEND: &str = r#"#!/usr/bin/env python3
import json, sys
request = json.load(sys.stdin)
actions = {}
for step in request["steps"]:
    arch = step.get("targets", [{}])[0].get("arch", "")
    if step["kind"] == "build":
        actions[step["id"]] = [{"command": {
            "program": "sh",
            "args": ["-c", "echo sha256:$1 > $2; echo building $1", "sh", arch, {"scratch": arch}],
            "yields": [{"key": "digest", "from": {"file": arch}}]}}]
    elif step["kind"] == "index":
        digests = [{"step": source["step"], "key": "digest"} for source in step["sources"]]
        actions[step["id"]] = [{"command": {"program": "echo", "args": ["index", *digests, ["joined ", digests[0]]]}}]
    else:
        actions[step["id"]] = []
print(json.dumps({"version": 1, "capabilities": {"pushes-while-building": True, "verifies": False}, "actions": actions}))
"#;

#[test]
fn a_program_of_the_users_own_is_a_backend() {
    let scratch = project(SETTINGS);
    if Command::new("python3").arg("--version").output().is_err() {
        eprintln!("skipped: no python3");
        return;
    }
    program(&scratch, "crossfile-backend-own", BACKEND);
    let release = run(&scratch, &["release", "--backend", "own", "--jobs", "1"]).succeeds();
    assert!(
        release
            .stderr
            .contains("nginx:latest | index sha256:amd64 sha256:arm32v7 joined sha256:amd64"),
        "{}",
        release.stderr
    );
    assert!(log(&scratch).is_empty(), "docker is not asked");
    let script = run(&scratch, &["plan", "--backend", "own", "--format", "shell"]).succeeds();
    scratch.write("project/release.sh", &script.stdout);
    let by_hand = Command::new("sh")
        .arg("release.sh")
        .current_dir(scratch.join("project"))
        .output();
    let by_hand = Run::from(by_hand.unwrap()).succeeds();
    assert!(
        by_hand
            .stdout
            .ends_with("index sha256:amd64 sha256:arm32v7 joined sha256:amd64\n"),
        "{}",
        by_hand.stdout
    );

    assert!(
        release
            .stderr
            .contains("note: no program is here that could read the index back"),
        "{}",
        release.stderr
    );

    // What nobody yields is missed before anything runs, and so is a step without actions.
    let wrong = [
        (
            "\"key\": \"digest\"} for source",
            "\"key\": \"digset\"} for source",
            "use the `digset` of `build:amd64`",
        ),
        (
            "if step[\"kind\"] == \"build\":",
            "if step[\"kind\"] == \"none\":",
            "has no actions for it",
        ),
    ];
    for (right, wrong, message) in wrong {
        assert!(BACKEND.contains(right));
        program(
            &scratch,
            "crossfile-backend-wrong",
            &BACKEND.replace(right, wrong),
        );
        let refused = run(&scratch, &["plan", "--backend", "wrong"]);
        assert_eq!(refused.status, 2);
        assert!(refused.stderr.contains(message), "{}", refused.stderr);
    }

    program(
        &scratch,
        "crossfile-backend-bad",
        "#!/bin/sh\necho '{\"version\": 2}'\n",
    );
    let bad = run(&scratch, &["plan", "--backend", "bad"]);
    assert_eq!(bad.status, 2);
    assert!(
        bad.stderr.contains("answers in version 2, not 1"),
        "{}",
        bad.stderr
    );
}

/// Notes its arguments, says what it builds, and leaves the digest where it is asked to.
const BUILDCTL: &str = r#"#!/bin/sh
dir=$(dirname "$0")
line=buildctl
for arg in "$@"; do line="$line $arg"; done
echo "$line" >>"$dir/log"
case "$*" in
    *"debug workers"*) printf 'ID\tPLATFORMS\nabc\tlinux/amd64,linux/amd64/v2\n' ;;
    *--metadata-file*)
        for arg in "$@"; do file=$arg; done
        echo '{"containerimage.digest": "sha256:abc"}' >"$file" ;;
esac
"#;

#[test]
fn buildkit_is_asked_what_it_builds_before_it_builds() {
    let scratch = project(&format!(
        "{SETTINGS}[arch.arm32v7]\nbuilder = \"tcp://pi:1234\"\n"
    ));
    program(&scratch, "buildctl", BUILDCTL);
    let release = run(
        &scratch,
        &["release", "--backend", "buildctl", "--jobs", "1"],
    )
    .succeeds();
    let warning = "the BuildKit at tcp://pi:1234 does not say that it builds linux/arm/v7";
    assert!(release.stderr.contains(warning), "{}", release.stderr);
    assert!(
        !release.stderr.contains("linux/amd64\n"),
        "{}",
        release.stderr
    );
    assert!(release.stdout.contains("sha256:abc"), "{}", release.stdout);
    let lines = log(&scratch);
    assert!(
        lines.contains(&"buildctl debug workers".to_string()),
        "{lines:#?}"
    );
    assert!(
        lines.contains(&"buildctl --addr tcp://pi:1234 debug workers".to_string()),
        "{lines:#?}"
    );
    let built = lines
        .iter()
        .find(|line| line.contains("platform=linux/arm/v7"))
        .unwrap();
    let wanted = "buildctl --addr tcp://pi:1234 build --frontend dockerfile.v0 --local context=. --local dockerfile=. --opt filename=Dockerfile.arm32v7 --opt platform=linux/arm/v7 --output type=image,name=acme/nginx:arm32v7-latest,push=true --metadata-file ";
    assert!(built.starts_with(wanted), "{built}");

    program(
        &scratch,
        "buildctl",
        "#!/bin/sh\n[ \"$1\" = --version ] || { echo 'connection refused' >&2; exit 1; }\n",
    );
    let gone = run(&scratch, &["release", "--backend", "buildctl"]);
    assert_eq!(gone.status, 2);
    assert!(
        gone.stderr.contains("BuildKit cannot be asked"),
        "{}",
        gone.stderr
    );
}

#[test]
fn a_push_that_builds_generates_first() {
    let scratch = project(SETTINGS);
    program(&scratch, "buildctl", BUILDCTL);
    let push = run(&scratch, &["push", "--backend", "buildctl"]).succeeds();
    assert!(
        push.stderr
            .contains("note: buildctl keeps no images: pushing builds them"),
        "{}",
        push.stderr
    );
    assert!(scratch.exists("project/Dockerfile.amd64"));
    // One that does not build leaves the files alone.
    let scratch = project(SETTINGS);
    run(&scratch, &["push"]).succeeds();
    assert!(!scratch.exists("project/Dockerfile.amd64"));
}

#[test]
fn flags_of_an_old_buildctl_are_todays() {
    let scratch = project(
        "image = \"acme/nginx\"\narches = [\"amd64\"]\n[flags]\nbuildctl = [\"--frontend-opt\", \"no-cache=\", \"--exporter=image\", \"--exporter-opt\", \"compression=zstd\", \"--progress=plain\", \"--tlsdir\", \"certs\"]\n",
    );
    let script = run(
        &scratch,
        &["plan", "--backend", "buildctl", "--format", "shell"],
    )
    .succeeds();
    let line = script
        .stdout
        .lines()
        .find(|line| line.starts_with("buildctl"))
        .unwrap();
    assert!(line.starts_with("buildctl --tlsdir certs build "), "{line}");
    assert!(
        line.contains(" --opt no-cache= --progress=plain --output type=image,name=acme/nginx:amd64-latest,push=true,compression=zstd "),
        "{line}"
    );

    // An index over what was not pushed would be one over what was there before.
    for flags in [
        "--exporter=docker",
        "--exporter-opt=push=false",
        "--exporter-opt",
    ] {
        let settings = format!(
            "image = \"acme/nginx\"\narches = [\"amd64\"]\n[flags]\nbuildctl = [\"{flags}\"]\n"
        );
        let refused = run(&project(&settings), &["plan", "--backend", "buildctl"]);
        assert_eq!(refused.status, 2, "{flags}");
        assert!(
            refused.stderr.contains("[unsupported]"),
            "{}",
            refused.stderr
        );
    }
}

#[test]
fn a_program_may_leave_something_running() {
    let scratch = project(SETTINGS);
    scratch.write("bin/hook", "sleep 30 & echo $! >>\"$dir/left\"\n");
    let start = Instant::now();
    run(&scratch, &["build"]).succeeds();
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "it took {:?}",
        start.elapsed()
    );
    for pid in scratch.read("bin/left").lines() {
        let _ = Command::new("kill").arg(pid).status();
    }
}

#[test]
fn asked_to_end_it_ends_what_it_started() {
    let scratch = project(SETTINGS);
    scratch.write("bin/hook", "echo $$ >\"$dir/pid.$$\"; exec sleep 60\n");
    let mut child = command(&scratch, &["build", "-q", "--jobs", "1"])
        .spawn()
        .unwrap();
    let pid = || {
        let files = fs::read_dir(scratch.join("bin"))
            .unwrap()
            .map(Result::unwrap);
        let mut files = files.filter(|file| file.file_name().to_string_lossy().starts_with("pid."));
        files
            .next()
            .map(|file| fs::read_to_string(file.path()).unwrap_or_default())
    };
    wait_until("the build begins", || {
        pid().is_some_and(|pid| pid.ends_with('\n'))
    });
    let status = Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status();
    let status = status.unwrap();
    assert!(status.success(), "{status}");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let pid = pid().unwrap();
    wait_until("the build ends", || !is_alive(pid.trim()));
}

#[test]
fn a_backend_that_does_not_answer_can_be_called_off() {
    let scratch = project(SETTINGS);
    program(
        &scratch,
        "crossfile-backend-hang",
        "#!/bin/sh\ntouch \"$(dirname \"$0\")/asked\"; exec sleep 60\n",
    );
    let mut child = command(&scratch, &["build", "-q", "--backend", "hang"])
        .spawn()
        .unwrap();
    wait_until("it is asked", || scratch.exists("bin/asked"));
    interrupt(&child);
    let start = Instant::now();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "it took {:?}",
        start.elapsed()
    );
}

#[test]
fn nobody_has_to_listen() {
    let scratch = project(SETTINGS);
    let Ok(full) = fs::File::options().write(true).open("/dev/full") else {
        eprintln!("skipped: no /dev/full");
        return;
    };
    let status = command(&scratch, &["release", "-v"])
        .stderr(full)
        .stdout(Stdio::null())
        .status();
    let status = status.unwrap();
    assert!(status.success(), "{status}");
}

#[test]
fn what_a_killed_run_left_is_no_result_of_the_next() {
    let settings = "image = \"acme/nginx\"\narches = [\"amd64\"]\narch-tag = \"\"\n";
    let scratch = project(settings);
    program(&scratch, "buildctl", "#!/bin/sh\necho linux/amd64\n");
    let dry = run(&scratch, &["release", "--backend", "buildctl", "--dry-run"]).succeeds();
    let words = shlex::split(dry.stdout.lines().next().unwrap()).unwrap();
    let file = words.last().unwrap();
    fs::create_dir_all(std::path::Path::new(file).parent().unwrap()).unwrap();
    fs::write(file, r#"{"containerimage.digest": "sha256:stale"}"#).unwrap();
    let release = run(&scratch, &["release", "--backend", "buildctl"]);
    assert_eq!(release.status, 2);
    assert!(release.stderr.contains("no digest"), "{}", release.stderr);
    assert!(
        log(&scratch)
            .iter()
            .all(|line| !line.contains("imagetools create"))
    );
}

#[test]
fn steps_that_look_alike_are_told_apart() {
    let scratch = project(
        "image = \"acme/c\"\narches = [\"amd64\"]\ntags = [\"{{n}}\"]\n[matrix]\na = [\"x\", \"x/y\"]\nb = [\"y/z\", \"z\"]\n[[matrix.exclude]]\na = \"x\"\nb = \"z\"\n[[matrix.exclude]]\na = \"x/y\"\nb = \"y/z\"\n[[matrix.cell]]\na = \"x\"\nvars = { n = \"1\" }\n[[matrix.cell]]\na = \"x/y\"\nvars = { n = \"2\" }\n",
    );
    let only = r#"{"manifests": [{"platform": {"os": "linux", "architecture": "amd64"}}]}"#;
    scratch.write("bin/index.json", only);
    scratch.write(
        "project/crossfile.toml",
        scratch.read("project/crossfile.toml") + "",
    );
    let settings = scratch.read("project/crossfile.toml");
    scratch.write(
        "project/crossfile.toml",
        format!("output = \"Dockerfile.{{{{n}}}}\"\n{settings}"),
    );
    program(
        &scratch,
        "docker",
        &DOCKER.replace(
            "--version) ;;",
            "--version) ;;\n    *\"push acme/c:amd64-2\") echo denied >&2; exit 1 ;;",
        ),
    );
    let release = run(&scratch, &["release", "--keep-going", "--jobs", "1"]);
    assert_eq!(release.status, 2);
    let created: Vec<String> = log(&scratch)
        .into_iter()
        .filter(|line| line.contains("manifest create"))
        .collect();
    assert_eq!(created, ["docker manifest create acme/c:1 acme/c:amd64-1"]);
    assert!(
        release.stderr.contains("push:x/y/z/amd64#2 failed"),
        "{}",
        release.stderr
    );
}

#[test]
fn a_script_has_no_commands_but_its_own() {
    let scratch = project(
        "image = \"acme/nginx\"\narches = [\"amd64\"]\n[arch.amd64]\nbuilder = \"x\\ntouch pwned\"\n",
    );
    let script = run(&scratch, &["plan", "--format", "shell"]).succeeds();
    scratch.write("project/s.sh", &script.stdout);
    let path = format!("{}:/usr/bin:/bin", scratch.join("bin").display());
    let mut sh = Command::new("sh");
    sh.arg("s.sh")
        .env("PATH", path)
        .current_dir(scratch.join("project"));
    Run::from(sh.output().unwrap()).succeeds();
    assert!(!scratch.exists("project/pwned"), "{}", script.stdout);
}

/// A buildctl whose images have a digest that could be one.
fn by_digest(more: &str) -> Scratch {
    let scratch = project(&format!("{SETTINGS}backend = \"buildctl\"\n{more}"));
    let program_text = BUILDCTL.replace("sha256:abc", &format!("sha256:{}", "a".repeat(64)));
    program(&scratch, "buildctl", &program_text);
    scratch
}

fn failing_buildctl(scratch: &Scratch) {
    let text = "#!/bin/sh\ncase \"$*\" in *platform=*) exit 1 ;; *workers*) echo linux/amd64,linux/arm/v7 ;; esac\n";
    program(scratch, "buildctl", text);
}

#[test]
fn a_push_by_digest_that_fails_leaves_no_list_of_an_earlier_one() {
    let scratch = by_digest("");
    let push = ["push", "--by-digest", "out/pushed.json"];
    run(&scratch, &push).succeeds();
    run(&scratch, &push).succeeds();
    assert!(scratch.exists("project/out/pushed.json"));
    let dry = [&push[..], &["--dry-run"]].concat();
    run(&scratch, &dry).succeeds();
    assert!(
        scratch.exists("project/out/pushed.json"),
        "a dry run removes nothing"
    );
    failing_buildctl(&scratch);
    assert_eq!(run(&scratch, &push).status, 2);
    assert!(!scratch.exists("project/out/pushed.json"));
    assert_eq!(
        fs::read_dir(scratch.join("project/out")).unwrap().count(),
        0
    );
}

#[test]
fn a_push_by_digest_overwrites_nothing_of_others() {
    let scratch = by_digest("");
    std::os::unix::fs::symlink("crossfile.toml", scratch.join("project/link.json")).unwrap();
    for file in ["crossfile.toml", "Dockerfile.cross", "link.json", "."] {
        let before = fs::read(scratch.join("project/crossfile.toml")).unwrap();
        let push = run(&scratch, &["push", "--by-digest", file]);
        assert_eq!(push.status, 2, "{file}");
        assert!(push.stderr.contains("[foreign]"), "{}", push.stderr);
        assert_eq!(
            fs::read(scratch.join("project/crossfile.toml")).unwrap(),
            before
        );
    }
    // What cannot be made is known before anything is built.
    let push = run(&scratch, &["push", "--by-digest", "crossfile.toml/x.json"]);
    assert_eq!(push.status, 2);
    assert!(push.stderr.contains("[io]"), "{}", push.stderr);
    assert_eq!(log(&scratch), Vec::<String>::new());
}

#[test]
fn an_index_takes_no_image_of_another_repository_by_digest() {
    let scratch = by_digest("");
    run(&scratch, &["push", "--by-digest", "pushed.json"]).succeeds();
    let manifest = [
        "manifest",
        "--digests",
        "pushed.json",
        "--index",
        "backend",
        "--dry-run",
    ];
    run(&scratch, &manifest).succeeds();
    let right = fs::read_to_string(scratch.join("project/pushed.json")).unwrap();
    for other in ["evil.example/x@", "acme/other@", "acme/nginx:latest@"] {
        scratch.write(
            "project/pushed.json",
            right.replacen("acme/nginx@", other, 1),
        );
        let refused = run(&scratch, &manifest);
        assert_eq!(refused.status, 2, "{other}");
        assert!(
            refused.stderr.contains("[bad-value]")
                && refused.stderr.contains("is to be one of `acme/nginx`")
                && refused.stderr.contains("pushed.json:7:"),
            "{}",
            refused.stderr
        );
    }
}

#[test]
fn optional_architectures_that_were_asked_for_alone_have_to_be_done() {
    let scratch = by_digest("[arch.arm32v7]\noptional = true\n");
    failing_buildctl(&scratch);
    let push = [
        "push",
        "--arch",
        "arm32v7",
        "--by-digest",
        "pushed.json",
        "--format",
        "json",
    ];
    let failed = run(&scratch, &push);
    assert_eq!(failed.status, 2, "{}", failed.stderr);
    let report: Json = serde_json::from_str(&failed.stdout).unwrap();
    assert_eq!(report["done"], false);
    assert!(!scratch.exists("project/pushed.json"));
    assert_eq!(run(&scratch, &["push", "--arch", "arm32v7"]).status, 2);
}

#[test]
fn docker_manifest_is_not_asked_for_what_it_cannot_take() {
    let scratch = by_digest("");
    run(&scratch, &["push", "--by-digest", "pushed.json"]).succeeds();
    let manifest = ["manifest", "--digests", "pushed.json", "--backend"];
    let refused = run(&scratch, &[&manifest[..], &["docker"]].concat());
    assert_eq!(refused.status, 2);
    assert!(
        refused.stderr.contains("[unsupported]") && refused.stderr.contains("--backend buildx"),
        "{}",
        refused.stderr
    );
    assert!(log(&scratch).iter().all(|line| !line.contains("manifest")));
}

#[test]
fn a_builder_that_cannot_push_by_digest_is_named_with_the_way_to_another() {
    let scratch = project(SETTINGS);
    scratch.write(
        "bin/hook",
        "case \"$*\" in *inspect*) echo 'Driver: docker' ;; esac\n",
    );
    let args = ["push", "--backend", "buildx", "--by-digest", "pushed.json"];
    let refused = run(&scratch, &args);
    assert_eq!(refused.status, 2);
    let help = "docker buildx create --driver docker-container";
    assert!(
        refused.stderr.contains("this builder of buildx cannot") && refused.stderr.contains(help),
        "{}",
        refused.stderr
    );
}

#[test]
fn a_release_without_its_engine_ends_with_the_way_to_doctor() {
    let scratch = project(SETTINGS);
    let line = "`crossfile doctor` says what is missing on this machine\n";
    let daemon = "ERROR: Cannot connect to the Docker daemon at unix:///var/run/docker.sock.";
    scratch.write(
        "bin/hook",
        format!("echo '{daemon} Is the docker daemon running?' >&2; exit 1\n"),
    );
    let gone = run(&scratch, &["release"]);
    assert_eq!(gone.status, 2);
    assert!(gone.stderr.contains(line), "{}", gone.stderr);
    scratch.write("bin/hook", "echo 'no such file' >&2; exit 1\n");
    let other = run(&scratch, &["release"]);
    assert_eq!(other.status, 2);
    assert!(!other.stderr.contains(line), "{}", other.stderr);
}
