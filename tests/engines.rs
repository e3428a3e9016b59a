//! What builders, registries and clients make of a release: asked of real ones, which `tests/engines/provision` starts.
//!
//! Every test has names of its own in the registry, so that all may run at once, and again. Without engines each says that
//! it is skipped.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that cannot set up its project should panic, and says when it is skipped"
)]

#[path = "engines/doctor.rs"]
mod doctor;
#[path = "engines/lab.rs"]
mod lab;
mod support;

use std::collections::BTreeMap;
use std::env::var;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value as Json;

use lab::{ALL, Docker, Lab, THREE, machine, reported, steps};
use support::page::Page;
use support::{Run, Scratch};

// A release to seven architectures by one engine, proved by another.

#[test]
fn docker_releases_to_seven_architectures() {
    let Some(lab) = Lab::new("docker") else {
        return;
    };
    lab.settings(ALL, "tags = [\"1\", \"latest\"]\n");
    lab.template("docker");
    let release = ["release", "--format", "json"];
    let run = lab.backend(Docker::Old, &release).succeeds();
    // A step goes by the first of its tags.
    lab.reports(&run, "1", ALL, "push");
    for tag in ["1", "latest"] {
        lab.has(tag, ALL);
    }
    // All of an architecture's tags are one image.
    assert_eq!(lab.raw("s390x-1"), lab.raw("s390x-latest"));
    lab.runs(Docker::New, "latest", ALL, "docker");
}

#[test]
fn buildx_releases_to_seven_architectures_one_by_one() {
    let Some(lab) = Lab::new("buildx") else {
        return;
    };
    lab.settings(ALL, "");
    lab.template("buildx");
    let release = ["release", "--backend", "buildx", "--format", "json"];
    let run = lab.backend(Docker::New, &release).succeeds();
    let index = reported(&run, &format!("index:{}:latest", lab.image));
    assert_eq!(index, lab.digest("latest"));
    let amd64 = reported(&run, "build:amd64");
    assert_eq!(amd64, lab.digest("amd64-latest"));
    lab.has("latest", ALL);
    lab.runs(Docker::Old, "latest", ALL, "buildx");
}

#[test]
fn buildx_releases_to_seven_architectures_in_one_go() {
    let Some(lab) = Lab::new("buildx-at-once") else {
        return;
    };
    let release = |more: &str, tag: &str| {
        lab.settings(ALL, more);
        let args = [
            "release",
            "--backend",
            "buildx",
            "--tag",
            tag,
            "--format",
            "json",
        ];
        let run = lab.backend(Docker::New, &args).succeeds();
        let done: Vec<String> = steps(&run).into_keys().collect();
        let wanted = [
            "build:all".to_string(),
            format!("verify:{}:{tag}", lab.image),
        ];
        assert_eq!(done, wanted);
        lab.has(tag, ALL);
    };
    lab.scratch.write("docker/Dockerfile", lab.for_all("plain"));
    release("dockerfile = \"docker/Dockerfile\"\n", "plain");
    lab.runs(Docker::Old, "plain", ALL, "plain");

    let template = lab.for_all("{{stem}}-made");
    lab.scratch.write("Dockerfile.cross", template);
    release("output = \"Dockerfile\"\n", "made");
    lab.runs(Docker::Old, "made", ALL, "Dockerfile-made");
}

#[test]
fn buildah_releases_to_seven_architectures_one_by_one() {
    let Some(lab) = Lab::new("buildah") else {
        return;
    };
    lab.settings(ALL, "backend = \"buildah\"\n");
    lab.template("buildah");
    let release = ["release", "--format", "json"];
    let run = lab.backend(Docker::Old, &release).succeeds();
    lab.reports(&run, "latest", ALL, "push");
    lab.has("latest", ALL);
    lab.runs(Docker::New, "latest", ALL, "buildah");
}

#[test]
fn buildah_releases_to_seven_architectures_in_one_go() {
    let Some(lab) = Lab::new("buildah-at-once") else {
        return;
    };
    let release = |more: &str, tag: &str| {
        lab.settings(ALL, more);
        let args = ["release", "--backend", "buildah", "--tag", tag];
        lab.backend(Docker::Old, &args).succeeds();
        lab.has(tag, ALL);
    };
    lab.scratch.write("docker/Dockerfile", lab.for_all("plain"));
    release("dockerfile = \"docker/Dockerfile\"\n", "plain");
    lab.runs(Docker::New, "plain", ALL, "plain");

    let template = lab.for_all("{{stem}}-made");
    lab.scratch.write("Dockerfile.cross", template);
    release("output = \"Dockerfile\"\n", "made");
    lab.runs(Docker::Old, "made", ALL, "Dockerfile-made");
}

/// A registry's index of images that two engines built, each those that it was told to.
fn two_engines(client: Docker, name: &str) {
    let Some(lab) = Lab::new(name) else {
        return;
    };
    let (old, new) = (
        var(Docker::Old.variable("")).unwrap(),
        var(Docker::New.variable("")).unwrap(),
    );
    let builders = [
        ("amd64", &old),
        ("arm32v7", &new),
        ("arm64v8", &new),
        ("s390x", &old),
    ];
    let mut more = String::new();
    for (arch, socket) in builders {
        more.push_str(&format!("[arch.{arch}]\nbuilder = \"{socket}\"\n"));
    }
    let arches = builders.map(|(arch, _)| arch);
    lab.settings(&arches, &more);
    lab.template("two");
    // Whoever forgot to say whom to speak to would speak to nobody.
    let lab = lab.with_env("DOCKER_HOST", "tcp://127.0.0.1:1");
    lab.backend(client, &["release"]).succeeds();
    let mut lab = lab;
    lab.env.retain(|(name, _)| name != "DOCKER_HOST");
    assert_eq!(
        lab.images(Docker::Old),
        ["amd64-latest", "s390x-latest"],
        "20.10"
    );
    assert_eq!(
        lab.images(Docker::New),
        ["arm32v7-latest", "arm64v8-latest"],
        "26.1"
    );
    lab.has("latest", &arches);
    lab.runs(Docker::Old, "latest", &arches, "two");
    lab.runs(Docker::New, "latest", &arches, "two");
}

#[test]
fn two_engines_share_a_release() {
    two_engines(Docker::New, "two");
}

#[test]
fn two_engines_share_a_release_by_an_old_client() {
    two_engines(Docker::Old, "two-old");
}

// Each part of the way as a command of its own.

/// `build`, `push` and `manifest`, looked at in between; then an index under another name, from anywhere.
fn step_by_step(docker: Docker, backend: &str) {
    let Some(lab) = Lab::new(&format!("steps-{backend}")) else {
        return;
    };
    lab.settings(THREE, &format!("backend = \"{backend}\"\n"));
    lab.template("steps");
    let tags = THREE.iter().map(|arch| format!("{arch}-latest"));
    let tags: Vec<String> = tags.collect();

    lab.backend(docker, &["build"]).succeeds();
    for tag in &tags {
        assert_eq!(lab.raw(tag), None, "building pushed {tag}");
    }
    let generated = lab.scratch.files();
    lab.backend(docker, &["push"]).succeeds();
    for tag in &tags {
        assert!(lab.raw(tag).is_some(), "pushing did not push {tag}");
    }
    assert_eq!(lab.raw("latest"), None, "pushing made the index");
    lab.backend(docker, &["manifest"]).succeeds();
    lab.has("latest", THREE);
    assert_eq!(lab.scratch.files(), generated, "only building generates");

    // There is no project here.
    let sources: Vec<String> = tags
        .iter()
        .map(|tag| format!("{}:{tag}", lab.image))
        .collect();
    let elsewhere = format!("{}:elsewhere", lab.image);
    let mut args = vec!["manifest", "--backend", backend, "--tag", &elsewhere];
    args.extend(sources.iter().map(String::as_str));
    let mut command = lab.command(docker, env!("CARGO_BIN_EXE_crossfile"));
    let empty = Scratch::new();
    let run = command.args(args).current_dir(empty.path()).output();
    Run::from(run.unwrap()).succeeds();
    lab.has("elsewhere", THREE);
    assert!(empty.files().is_empty());

    let other = match docker {
        Docker::Old => Docker::New,
        Docker::New => Docker::Old,
    };
    lab.runs(other, "latest", THREE, "steps");
    lab.runs(other, "elsewhere", THREE, "steps");
}

#[test]
fn docker_builds_pushes_and_indexes_step_by_step() {
    step_by_step(Docker::Old, "docker");
}

#[test]
fn buildx_builds_pushes_and_indexes_step_by_step() {
    step_by_step(Docker::New, "buildx");
}

#[test]
fn buildah_builds_pushes_and_indexes_step_by_step() {
    step_by_step(Docker::Old, "buildah");
}

/// What is built in one go is one thing for `push`, too.
fn at_once_step_by_step(docker: Docker, backend: &str) {
    let Some(lab) = Lab::new(&format!("steps-at-once-{backend}")) else {
        return;
    };
    let more = format!("backend = \"{backend}\"\ndockerfile = \"Dockerfile\"\n");
    lab.settings(THREE, &more);
    lab.scratch.write("Dockerfile", lab.for_all("steps"));
    lab.backend(docker, &["build"]).succeeds();
    assert_eq!(lab.raw("latest"), None, "building pushed");
    lab.backend(docker, &["push"]).succeeds();
    lab.has("latest", THREE);
    lab.runs(Docker::Old, "latest", THREE, "steps");
}

#[test]
fn buildx_builds_at_once_and_pushes_later() {
    at_once_step_by_step(Docker::New, "buildx");
}

#[test]
fn buildah_builds_at_once_and_pushes_later() {
    at_once_step_by_step(Docker::Old, "buildah");
}

// What a dry run prints is what runs.

/// Variables that commands are given.
const GIVEN: &[&str] = &[
    "BUILDX_NO_DEFAULT_ATTESTATIONS",
    "DOCKER_BUILDKIT",
    "DOCKER_CLI_EXPERIMENTAL",
];

/// Puts programs before the real ones that note how they were called.
fn recorded(lab: &mut Lab, docker: Docker) {
    let log = lab.home.join("log").display().to_string();
    for program in ["docker", "buildah", "skopeo"] {
        let found = lab.program(docker, "sh", &["-c", &format!("command -v {program}")]);
        let found = found.succeeds().stdout;
        let script = format!(
            "#!/bin/sh\n{{\nfor name in {names}; do\n\teval \"value=\\${{$name-}}\"\n\t\
             [ -z \"$value\" ] || printf '%s\\0' \"$name=$value\"\ndone\n\
             printf '%s\\0' {program} \"$@\"\necho\n}} >>{log}\nexec {real} \"$@\"\n",
            names = GIVEN.join(" "),
            real = found.trim(),
        );
        let path = format!("recorders/{program}");
        lab.home.write(&path, script);
        let executable = PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(lab.home.join(&path), executable).unwrap();
    }
    lab.first.push(lab.home.join("recorders"));
}

/// The calls since the last time, without those that only ask what there is.
fn calls(lab: &Lab) -> Vec<Vec<String>> {
    let log = lab.home.read("log");
    std::fs::remove_file(lab.home.join("log")).unwrap();
    let calls = log.lines().map(|line| {
        let words = line.trim_end_matches('\0').split('\0');
        words.map(str::to_string).collect::<Vec<String>>()
    });
    let asks = |call: &Vec<String>| {
        let call: Vec<&str> = call.iter().map(String::as_str).collect();
        matches!(
            call[1..],
            ["--version" | "version" | "info", ..] | ["buildx", "version" | "inspect", ..]
        )
    };
    calls.filter(|call| !asks(call)).collect()
}

fn dry_run(docker: Docker, backend: &str, at_once: bool) {
    let Some(mut lab) = Lab::new(&format!("dry-{backend}")) else {
        return;
    };
    let settings = r#"tags = ["1", "latest"]
[build-args]
PLAIN = "1.27"
ODD = '''it's "odd" ${X} $(date) \ * é'''
EMPTY = ""
[labels]
"org.example.title" = "two words"
"#;
    let more = match at_once {
        true => "dockerfile = \"Dockerfile\"\n",
        false => "",
    };
    lab.settings(THREE, &format!("backend = \"{backend}\"\n{more}{settings}"));
    match at_once {
        true => lab.scratch.write("Dockerfile", lab.for_all("dry")),
        false => lab.template("dry"),
    }
    recorded(&mut lab, docker);
    let before = lab.scratch.files();
    let dry = lab.backend(docker, &["release", "--jobs", "1", "--dry-run"]);
    let dry = dry.succeeds();
    assert_eq!(lab.scratch.files(), before, "a dry run wrote something");
    assert_eq!(
        calls(&lab),
        Vec::<Vec<String>>::new(),
        "a dry run ran something"
    );
    assert_eq!(lab.raw("latest"), None);
    // That was a call, too.
    calls(&lab);

    lab.backend(docker, &["release", "--jobs", "1"]).succeeds();
    let printed = dry.stdout.lines().map(|line| shlex::split(line).unwrap());
    let printed: Vec<Vec<String>> = printed.collect();
    let least = if at_once { 2 } else { 6 };
    assert!(printed.len() > least, "{printed:?}");
    // One after the other is the order of the plan.
    assert_eq!(calls(&lab), printed);
    lab.has("1", THREE);
    lab.has("latest", THREE);
}

#[test]
fn a_dry_run_prints_what_docker_is_told() {
    dry_run(Docker::Old, "docker", false);
}

#[test]
fn a_dry_run_prints_what_buildx_is_told() {
    dry_run(Docker::New, "buildx", false);
    dry_run(Docker::New, "buildx", true);
}

#[test]
fn a_dry_run_prints_what_buildah_is_told() {
    dry_run(Docker::Old, "buildah", false);
    dry_run(Docker::Old, "buildah", true);
}

// What fails, and what of it goes out.

/// A template that builds everywhere but on s390x.
fn break_s390x(lab: &Lab, word: &str) {
    lab.template(word);
    let template = lab.scratch.read("Dockerfile.cross");
    let broken = format!("{template}{{{{#only \"s390x\"}}}}\nRUN false\n{{{{/only}}}}\n");
    lab.scratch.write("Dockerfile.cross", broken);
}

fn failing(docker: Docker, backend: &str) {
    let Some(lab) = Lab::new(&format!("failing-{backend}")) else {
        return;
    };
    let more = format!("backend = \"{backend}\"\n");
    // The one that fails is the first.
    let arches = ["s390x", "amd64", "arm32v7"];
    lab.settings(&arches, &more);
    lab.template("first");
    lab.backend(docker, &["release"]).succeeds();
    lab.has("latest", &arches);
    let index = lab.raw("latest");
    let amd64 = lab.raw("amd64-latest");

    break_s390x(&lab, "second");
    let release = ["release", "--jobs", "1", "--format", "json"];
    let run = lab.backend(docker, &release);
    assert_eq!(run.status, 2, "{}", run.stderr);
    assert!(
        run.stderr.contains("error: build:s390x failed: exit code "),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("-f Dockerfile.s390x"), "{}", run.stderr);
    let mut found = steps(&run);
    assert_eq!(found.remove("build:s390x").as_deref(), Some("failed"));
    // One at a time: nothing had been begun, and nothing was.
    let rest: Vec<&String> = found
        .values()
        .filter(|status| *status != "skipped")
        .collect();
    assert!(rest.is_empty(), "{found:?}");
    assert_eq!(lab.raw("amd64-latest"), amd64);
    assert_eq!(lab.raw("latest"), index, "the index was moved");

    let mut on: Vec<&str> = release.to_vec();
    on.push("--keep-going");
    let run = lab.backend(docker, &on);
    assert_eq!(run.status, 2, "{}", run.stderr);
    let found = steps(&run);
    let status = |id: &str| found.get(id).map(String::as_str);
    assert_eq!(status("build:s390x"), Some("failed"));
    assert_eq!(status("build:amd64"), Some("done"));
    assert_eq!(status("build:arm32v7"), Some("done"));
    assert_eq!(
        status(&format!("index:{}:latest", lab.image)),
        Some("skipped")
    );
    assert_eq!(
        status(&format!("verify:{}:latest", lab.image)),
        Some("skipped")
    );
    assert_ne!(lab.raw("amd64-latest"), amd64, "the rest was not pushed");
    assert_eq!(lab.raw("latest"), index, "the index was moved");

    lab.settings(&arches, &format!("{more}[arch.s390x]\noptional = true\n"));
    let run = lab.backend(docker, &release);
    assert_eq!(run.status, 0, "{}", run.stderr);
    assert!(
        run.stderr.contains("warning: build:s390x failed"),
        "{}",
        run.stderr
    );
    let found = steps(&run);
    let failed = found.iter().filter(|(_, status)| *status == "failed");
    assert_eq!(
        failed.map(|(id, _)| id).collect::<Vec<_>>(),
        ["build:s390x"]
    );
    lab.has("latest", &arches[1..]);
    lab.runs(Docker::New, "latest", &arches[1..], "second");
}

#[test]
fn docker_fails_without_moving_the_index() {
    failing(Docker::Old, "docker");
}

#[test]
fn buildx_fails_without_moving_the_index() {
    failing(Docker::New, "buildx");
}

#[test]
fn buildah_fails_without_moving_the_index() {
    failing(Docker::Old, "buildah");
}

/// A client keeps lists of its own by their name, and would go on with what it knows of an earlier one.
fn stale_lists(docker: Docker, backend: &str, name: &str) {
    let Some(lab) = Lab::new(name) else {
        return;
    };
    lab.settings(THREE, &format!("backend = \"{backend}\"\n"));
    let index = format!("{}:latest", lab.image);
    let mut before: Option<BTreeMap<String, String>> = None;
    for word in ["one", "two"] {
        lab.template(word);
        lab.backend(docker, &["release"]).succeeds();
        let entries = lab.entries("latest");
        for (platform, digest) in before.iter().flatten() {
            assert_ne!(
                entries.get(platform),
                Some(digest),
                "{platform} is as it was"
            );
        }
        // buildx makes an index of each image, with what it attests: that is not in the list.
        for arch in THREE.iter().filter(|_| backend != "buildx") {
            let now = lab.digest(&format!("{arch}-latest"));
            let found = entries.get(machine(arch).1).map(String::as_str);
            assert_eq!(found, Some(now.as_str()), "{arch}");
        }
        if backend == "docker" {
            // What somebody began with and left: the next release is not to go on with it.
            let image = format!("{}:amd64-latest", lab.image);
            let left = ["manifest", "create", "--insecure", &index, &image];
            lab.docker(docker, &left);
        }
        before = Some(entries);
    }
    lab.runs(Docker::New, "latest", THREE, "two");
}

#[test]
fn docker_forgets_its_old_list() {
    stale_lists(Docker::Old, "docker", "stale-docker");
}

#[test]
fn a_new_docker_forgets_its_old_list() {
    stale_lists(Docker::New, "docker", "stale-new-docker");
}

#[test]
fn buildx_has_no_old_list() {
    stale_lists(Docker::New, "buildx", "stale-buildx");
}

#[test]
fn buildah_forgets_its_old_list() {
    stale_lists(Docker::Old, "buildah", "stale-buildah");
}

#[test]
fn a_new_docker_makes_an_index_of_what_it_would_attest() {
    let Some(lab) = Lab::new("attested") else {
        return;
    };
    lab.settings(THREE, "");
    lab.template("plain");
    // Without further ado BuildKit makes an index of each image, which `docker manifest` refuses.
    let buildx = ["release", "--backend", "buildx", "--tag", "attested"];
    lab.backend(Docker::New, &buildx).succeeds();
    let attested = lab.json("amd64-attested");
    assert!(attested["manifests"].is_array(), "{attested}");
    let run = lab.backend(Docker::New, &["release", "--tag", "plain"]);
    run.succeeds();
    for arch in THREE {
        let plain = lab.json(&format!("{arch}-plain"));
        assert!(plain["layers"].is_array(), "{plain}");
    }
    lab.has("attested", THREE);
    lab.has("plain", THREE);
    lab.runs(Docker::Old, "plain", THREE, "plain");

    // An index of indexes, for who can make one.
    let sources = THREE
        .iter()
        .map(|arch| format!("{}:{arch}-attested", lab.image));
    let sources: Vec<String> = sources.collect();
    let again = format!("{}:again", lab.image);
    let mut args = vec!["manifest", "--backend", "buildx", "--tag", &again];
    args.extend(sources.iter().map(String::as_str));
    lab.backend(Docker::New, &args).succeeds();
    assert_eq!(lab.entries("again"), lab.entries("attested"));
    // Their own attestations are no images, and buildah leaves them out.
    let again = format!("{}:buildah", lab.image);
    let args = [
        "manifest",
        "--backend",
        "buildah",
        "--tag",
        &again,
        &format!("{}:attested", lab.image),
    ];
    lab.backend(Docker::New, &args).succeeds();
    lab.has("buildah", THREE);
}

// Plans that others do.

/// Values that more than one language would like to read something into.
const ODD: &str = r#"tags = ["odd"]
target = "final"
context = ".."
secrets = ["id=token,src=secret.txt"]
[build-args]
DOLLAR = '${X} $HOME $${Y} $$ %{if} %%{Z}'
QUOTES = '''it's "odd" \ back'''
JSON = '{"a": [1, "b"]}'
EMPTY = ""
NUMBER = 3
[labels]
"org.example.title" = '${X} %{Y} two words'
"#;

/// A project whose Dockerfile lies below its context, puts every argument into its configuration and uses a secret.
fn odd_project(lab: &Lab, backend: &str, more: &str, from: &str) {
    let registry = &lab.registry;
    let image = &lab.image;
    let settings =
        format!("arches = {THREE:?}\nimage = \"{image}\"\nbackend = \"{backend}\"\n{more}{ODD}");
    lab.scratch.write("docker/crossfile.toml", settings);
    lab.scratch.write("secret.txt", "hush");
    lab.scratch.write(
        "docker/Dockerfile.cross",
        format!(
            "FROM {registry}/{from}/busybox:1 AS final\nARG DOLLAR\nARG QUOTES\nARG JSON\nARG EMPTY\nARG NUMBER\n\
             LABEL dollar=\"$DOLLAR\" quotes=\"$QUOTES\" json=\"$JSON\" empty=\"$EMPTY\" number=\"$NUMBER\"\n\
             RUN --mount=type=secret,id=token test \"$(cat /run/secrets/token)\" = hush\n\
             LABEL stem={{{{stem}}}}\nFROM final AS later\nRUN false\n"
        ),
    );
}

/// That the labels of a released image are the values of the settings.
#[track_caller]
fn has_odd_labels(lab: &Lab, tag: &str, arch: &str) {
    let (_, platform, ..) = machine(arch);
    let mut parts = platform.split('/').skip(1);
    let reference = format!("docker://{}:{tag}", lab.image);
    let mut args = vec!["--override-arch", parts.next().unwrap()];
    if let Some(variant) = parts.next() {
        args.extend(["--override-variant", variant]);
    }
    args.extend(["inspect", "--config", "--tls-verify=false", &reference]);
    let config = lab.program(Docker::Old, "skopeo", &args).succeeds().stdout;
    let config: Json = serde_json::from_str(&config).unwrap();
    let labels = &config["config"]["Labels"];
    let wanted = [
        ("dollar", "${X} $HOME $${Y} $$ %{if} %%{Z}"),
        ("quotes", r#"it's "odd" \ back"#),
        ("json", r#"{"a": [1, "b"]}"#),
        ("empty", ""),
        ("number", "3"),
        ("org.example.title", "${X} %{Y} two words"),
    ];
    for (name, value) in wanted {
        assert_eq!(labels[name], value, "{arch}: {name}");
    }
}

/// That bake reads out of a plan's file what the plan says.
#[track_caller]
fn bake_reads(lab: &Lab, backend: &str, wanted: usize) {
    let plan = |format: &str| {
        let args = ["plan", "--format", format];
        lab.backend(Docker::New, &args).succeeds().stdout
    };
    let file = lab.home.join("bake.json").display().to_string();
    lab.home.write("bake.json", plan("bake"));
    let args = ["buildx", "bake", "--print", "-f", &file];
    let read: Json = serde_json::from_str(&lab.docker(Docker::New, &args)).unwrap();
    let plan: Json = serde_json::from_str(&plan("json")).unwrap();
    let builds: Vec<&Json> = plan["steps"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|step| step["kind"] == "build")
        .collect();
    assert_eq!(builds.len(), wanted, "{plan}");
    let group = read["group"]["default"]["targets"].as_array().unwrap();
    assert_eq!(group.len(), wanted, "{read}");
    for (name, build) in group.iter().zip(builds) {
        let target = &read["target"][name.as_str().unwrap()];
        for (theirs, ours) in [
            ("context", "context"),
            ("tags", "tags"),
            ("args", "args"),
            ("labels", "labels"),
            ("target", "target"),
            ("secret", "secrets"),
        ] {
            assert_eq!(target[theirs], build[ours], "{backend}: {name}: {theirs}");
        }
        let targets = build["targets"].as_array().unwrap();
        let platforms: Vec<&Json> = targets.iter().map(|target| &target["platform"]).collect();
        let read: Vec<&Json> = target["platforms"].as_array().unwrap().iter().collect();
        assert_eq!(read, platforms);
        // bake looks for it in the context.
        let file = Path::new(target["context"].as_str().unwrap());
        let file = file.join(target["dockerfile"].as_str().unwrap());
        let file = file.strip_prefix(".").unwrap_or(&file);
        assert_eq!(file.to_str(), build["dockerfile"].as_str(), "{backend}");
    }
}

#[test]
fn bake_reads_what_a_plan_says() {
    for (backend, more, from, builds) in [
        ("docker", "", "{{baseimage_arch}}", 3),
        ("buildx", "", "{{baseimage_arch}}", 3),
        ("buildx", "output = \"Dockerfile\"\n", "library", 1),
    ] {
        let Some(lab) = Lab::new(&format!("bake-{backend}-{builds}")) else {
            return;
        };
        odd_project(&lab, backend, more, from);
        bake_reads(&lab, backend, builds);
        if backend == "docker" {
            continue;
        }
        // And it builds from it; a single index is only what is built in one go.
        lab.crossfile(Docker::New, &["generate"]).succeeds();
        let file = lab.home.join("bake.json").display().to_string();
        lab.docker(Docker::New, &["buildx", "bake", "-f", &file]);
        for arch in THREE {
            let tag = match builds {
                1 => "odd".to_string(),
                _ => format!("{arch}-odd"),
            };
            has_odd_labels(&lab, &tag, arch);
        }
    }
}

fn script(docker: Docker, backend: &str, more: &str, from: &str) {
    let Some(lab) = Lab::new(&format!("script-{backend}")) else {
        return;
    };
    odd_project(&lab, backend, more, from);
    let plan = lab.backend(docker, &["plan", "--format", "shell"]);
    lab.home.write("release", plan.succeeds().stdout);
    let script = lab.home.join("release").display().to_string();
    if lab.program(docker, "shellcheck", &["--version"]).status == 0 {
        let found = lab.program(docker, "shellcheck", &[script.as_str()]);
        assert_eq!(
            (found.status, found.stdout.as_str()),
            (0, ""),
            "{}",
            found.stderr
        );
    } else {
        eprintln!("skipped: shellcheck is not installed");
    }
    lab.crossfile(docker, &["generate"]).succeeds();
    lab.program(docker, "sh", &[&script]).succeeds();
    lab.has("odd", THREE);
    for arch in THREE {
        has_odd_labels(&lab, "odd", arch);
    }
}

#[test]
fn a_plan_is_a_script_for_docker() {
    script(Docker::Old, "docker", "", "{{baseimage_arch}}");
}

#[test]
fn a_plan_is_a_script_for_buildx() {
    script(Docker::New, "buildx", "", "{{baseimage_arch}}");
    script(
        Docker::New,
        "buildx",
        "output = \"Dockerfile\"\n",
        "library",
    );
}

#[test]
fn a_plan_is_a_script_for_buildah() {
    script(Docker::Old, "buildah", "", "{{baseimage_arch}}");
    script(
        Docker::Old,
        "buildah",
        "output = \"Dockerfile\"\n",
        "library",
    );
}

// Recipes that are known from elsewhere, as whole projects.

fn recipe(docker: Docker, name: &str) {
    let Some(lab) = Lab::new(&format!("recipe-{name}")) else {
        return;
    };
    let (_, repository) = lab.image.split_once('/').unwrap();
    let path = format!(
        "{}/tests/engines/recipes/{name}/run",
        env!("CARGO_MANIFEST_DIR")
    );
    let before = support::files_below(Path::new(&path).parent().unwrap());
    let mut command = lab.command(docker, &path);
    command
        .env("CROSSFILE", env!("CARGO_BIN_EXE_crossfile"))
        .env("CROSSFILE_REGISTRY", &lab.registry)
        .env("CROSSFILE_REPOSITORY", repository);
    let run = Run::from(command.output().unwrap()).succeeds();
    assert_eq!(
        run.stdout.lines().last(),
        Some("ok"),
        "{}{}",
        run.stdout,
        run.stderr
    );
    let after = support::files_below(Path::new(&path).parent().unwrap());
    assert_eq!(after, before, "a recipe works on a copy");
}

#[test]
fn recipe_docker_build_push_and_manifest() {
    recipe(Docker::Old, "docker-manifest");
}

#[test]
fn recipe_buildctl_for_each_architecture() {
    recipe(Docker::New, "buildctl-each");
}

#[test]
fn recipe_one_dockerfile_and_three_platforms() {
    recipe(Docker::New, "buildkit-platforms");
}

#[test]
fn recipe_buildx_and_imagetools() {
    recipe(Docker::New, "buildx-imagetools");
}

/// The starter with lines for QEMU, whose handler is fetched from this machine: in the image it runs, where nothing else for the machine is.
fn handlers_in_images(docker: Docker, name: &str) {
    let Some(lab) = Lab::new(name) else { return };
    lab.crossfile(docker, &["init", "--template", "classic"])
        .succeeds();
    let template = lab.scratch.read("Dockerfile.cross");
    let template = template
        .replace("FROM ", &format!("FROM {}/", lab.registry))
        .replace("alpine:3.22", "busybox:1")
        .replace(
            "RUN apk --no-cache add nginx",
            "RUN /usr/bin/qemu-__QEMU_ARCH__-static /bin/busybox uname -m >/built",
        );
    assert!(template.contains("__CROSS_COPY qemu-__QEMU_ARCH__-static /usr/bin/\n"));
    lab.scratch.write("Dockerfile.cross", template);
    lab.settings(
        &["arm32v7", "arm64v8"],
        "[handlers]\nfrom = [\"machine\"]\n",
    );
    let run = lab.crossfile(docker, &["build", "--backend", "docker"]);
    assert_ne!(run.status, 0, "{}", run.stderr);
    let run = lab.crossfile(docker, &["qemu", "fetch"]).succeeds();
    assert!(run.stderr.contains("2 handlers: 2 put"), "{}", run.stderr);
    lab.crossfile(docker, &["build", "--backend", "docker"])
        .succeeds();
    for (arch, qemu, machine) in [
        ("arm32v7", "arm", "armv7l"),
        ("arm64v8", "aarch64", "aarch64"),
    ] {
        let image = format!("{}:{arch}-latest", lab.image);
        let inside = format!("/usr/bin/qemu-{qemu}-static");
        let args = ["run", "--rm", "--platform"];
        let platform = match arch {
            "arm32v7" => "linux/arm/v7",
            _ => "linux/arm64",
        };
        let script = format!("cat /built; stat -c %a {inside}; sha256sum {inside}");
        let said = lab.docker(
            docker,
            &[
                &args[..],
                &[platform, &image, "/bin/busybox", "sh", "-c", &script],
            ]
            .concat(),
        );
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines[..2], [machine, "555"], "{said}");
        let sum = lines[2].split(' ').next().unwrap();
        assert!(lab.scratch.read("crossfile.lock").contains(sum), "{said}");
    }
}

#[test]
fn docker_builds_with_a_handler_that_was_fetched() {
    handlers_in_images(Docker::Old, "handlers");
}

#[test]
fn buildkit_builds_with_a_handler_that_was_fetched() {
    handlers_in_images(Docker::New, "handlers-new");
}

// The pages that people read.

#[test]
fn the_articles_step_by_step() {
    let Some(lab) = Lab::new("articles") else {
        return;
    };
    let page = Page::open("docs/articles.md");
    let played = page.play_on(&lab.stage(Docker::New));
    if var("CROSSFILE_BLESS").is_ok() {
        std::fs::write(Page::top().join(&page.name), played.text).unwrap();
        return;
    }
    assert!(
        played.differences.is_empty(),
        "{}",
        played.differences.join("\n")
    );
}
