//! Doctor and reality: where doctor says ready a release goes through, and where it names a failure the release ends in it.

use serde_json::Value as Json;

use crate::lab::{Docker, Lab, THREE};
use crate::support::Run;

// The words of templates differ: engines share what they built, and what one test takes away another may be about to use.

/// What doctor says: whether it is ready, and its parts.
#[track_caller]
fn looked(run: &Run) -> (bool, Vec<Json>) {
    let json: Json = serde_json::from_str(&run.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}{}", run.stdout, run.stderr));
    let ready = json["ready"].as_bool().unwrap();
    assert_eq!(run.status, i32::from(!ready), "{json}");
    (ready, json["parts"].as_array().unwrap().clone())
}

/// The parts of a kind that are in a state.
fn parts<'a>(parts: &'a [Json], part: &str, state: &str) -> Vec<&'a str> {
    let parts = parts.iter();
    let found = parts.filter(|own| own["part"] == part && own["state"] == state);
    found.map(|own| own["seen"].as_str().unwrap()).collect()
}

/// That a machine is ready, and that a release goes through on it.
#[track_caller]
fn is_ready(lab: &Lab, docker: Docker, more: &[&str]) -> Vec<Json> {
    let args = [&["doctor", "--format", "json"][..], more].concat();
    let (ready, parts) = looked(&lab.crossfile(docker, &args));
    assert!(ready, "{parts:#?}");
    let args = [&["release"][..], more].concat();
    lab.crossfile(docker, &args).succeeds();
    lab.has("latest", THREE);
    parts
}

/// That a machine is not ready, and that a release fails on it.
#[track_caller]
fn fails(lab: &Lab, docker: Docker, more: &[&str]) -> Vec<Json> {
    let args = [&["doctor", "--format", "json"][..], more].concat();
    let (ready, parts) = looked(&lab.crossfile(docker, &args));
    assert!(!ready, "{parts:#?}");
    for part in parts.iter().filter(|part| part["state"] == "failure") {
        assert!(part["mend"].is_object(), "{part}");
    }
    let args = [&["release"][..], more].concat();
    let release = lab.crossfile(docker, &args);
    assert_eq!(release.status, 2, "{}{}", release.stdout, release.stderr);
    assert_eq!(lab.raw("latest"), None);
    parts
}

#[test]
fn a_release_goes_through_where_docker_is_ready() {
    let Some(lab) = Lab::new("doctor-docker") else {
        return;
    };
    lab.settings(THREE, "");
    lab.template("doctor-docker");
    let seen = is_ready(&lab, Docker::Old, &[]);
    assert!(parts(&seen, "daemon", "ok")[0].starts_with("Engine 20.10"));
    let emulation = parts(&seen, "emulation", "ok");
    assert!(
        emulation[0].contains("arm32v7, s390x by QEMU"),
        "{emulation:?}"
    );
    assert_eq!(parts(&seen, "space", "ok").len(), 1);
    assert_eq!(parts(&seen, "clock", "ok").len(), 2);
    assert_eq!(parts(&seen, "write", "ok").len(), 1);
    // What was begun there is gone: a registry that is asked for its uploads knows none, and the tags are those of the release.
    let tags = lab.program(
        Docker::Old,
        "skopeo",
        &[
            "list-tags",
            "--tls-verify=false",
            &format!("docker://{}", lab.image),
        ],
    );
    let tags: Json = serde_json::from_str(&tags.succeeds().stdout).unwrap();
    assert_eq!(tags["Tags"].as_array().unwrap().len(), THREE.len() + 1);
}

#[test]
fn a_release_goes_through_where_buildx_is_ready() {
    let Some(lab) = Lab::new("doctor-buildx") else {
        return;
    };
    lab.settings(THREE, "backend = \"buildx\"\n");
    lab.template("doctor-buildx");
    let seen = is_ready(&lab, Docker::New, &[]);
    assert!(parts(&seen, "daemon", "ok")[0].contains("containerd image store"));
    assert!(parts(&seen, "builder", "ok")[0].starts_with("driver docker: default running"));
}

#[test]
fn a_release_goes_through_where_buildah_is_ready() {
    let Some(lab) = Lab::new("doctor-buildah") else {
        return;
    };
    lab.settings(THREE, "");
    lab.template("doctor-buildah");
    let seen = is_ready(&lab, Docker::Old, &["--backend", "buildah"]);
    assert!(parts(&seen, "store", "ok")[0].starts_with("vfs in "));
}

#[test]
fn a_release_fails_where_doctor_says_why() {
    let Some(lab) = Lab::new("doctor-fails") else {
        return;
    };
    lab.template("doctor-fails");
    // Nobody listens there.
    lab.settings(THREE, "[arch.s390x]\nbuilder = \"tcp://127.0.0.1:1\"\n");
    let seen = fails(&lab, Docker::Old, &[]);
    assert!(parts(&seen, "daemon", "failure")[0].contains("Cannot connect"));
    assert_eq!(parts(&seen, "daemon", "ok").len(), 1);
    // The plugin is not there, and then the builder.
    lab.settings(THREE, "");
    let seen = fails(&lab, Docker::Old, &["--backend", "buildx"]);
    assert!(parts(&seen, "program", "failure")[0].contains("no plugin `buildx`"));
    lab.settings(THREE, "[arch.s390x]\nbuilder = \"of-nobody\"\n");
    let seen = fails(&lab, Docker::New, &["--backend", "buildx"]);
    assert!(parts(&seen, "builder", "failure")[0].contains("of-nobody"));
    let seen = fails(&lab, Docker::Old, &["--backend", "buildctl"]);
    assert!(parts(&seen, "program", "failure")[0].contains("no program `buildctl`"));
    // What the engine's own builder cannot do.
    lab.settings(THREE, "arch-tag = \"\"\n");
    let seen = fails(&lab, Docker::New, &["--backend", "buildx"]);
    assert!(parts(&seen, "plan", "failure")[0].contains("under its digest alone"));
    // A base image that is not there.
    lab.settings(THREE, "");
    let text = format!(
        "FROM {}/{{{{baseimage_arch}}}}/of-nobody:1\nRUN true\n",
        lab.registry
    );
    lab.scratch.write("Dockerfile.cross", text);
    let seen = fails(&lab, Docker::Old, &[]);
    assert_eq!(
        parts(&seen, "bases", "failure").len(),
        THREE.len(),
        "{seen:#?}"
    );
}

#[test]
fn a_release_fails_where_the_engine_is_not_there() {
    let Some(lab) = Lab::new("doctor-no-engine") else {
        return;
    };
    let lab = lab.with_env("DOCKER_HOST", "tcp://127.0.0.1:1");
    lab.settings(THREE, "");
    lab.template("doctor-no-engine");
    for (docker, backend) in [
        (Docker::Old, "docker"),
        (Docker::New, "docker"),
        (Docker::New, "buildx"),
    ] {
        let seen = fails(&lab, docker, &["--backend", backend]);
        let failed = parts(&seen, "daemon", "failure");
        assert!(failed[0].contains("Cannot connect"), "{backend} {failed:?}");
    }
}

#[test]
fn what_may_be_left_out_fails_neither() {
    let Some(lab) = Lab::new("doctor-optional") else {
        return;
    };
    lab.settings(
        THREE,
        "[arch.s390x]\nbuilder = \"tcp://127.0.0.1:1\"\noptional = true\n",
    );
    lab.template("doctor-optional");
    let (ready, seen) = looked(&lab.crossfile(Docker::Old, &["doctor", "--format", "json"]));
    assert!(ready, "{seen:#?}");
    assert_eq!(parts(&seen, "daemon", "warning").len(), 1);
    lab.crossfile(Docker::Old, &["release"]).succeeds();
    lab.has("latest", &["amd64", "arm32v7"]);
}

/// A kernel's list of its own, in which nothing is registered: `--fix` does so, and the machine's own is left alone.
#[test]
fn handlers_are_registered_where_that_is_safe() {
    let Some(lab) = Lab::new("doctor-fix") else {
        return;
    };
    lab.settings(&["amd64", "s390x"], "backend = \"buildah\"\n");
    lab.template("doctor-fix");
    let script = "mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc && exec \"$@\"";
    let inside = |args: &[&str]| {
        let all = [
            "-Urm",
            "sh",
            "-c",
            script,
            "sh",
            env!("CARGO_BIN_EXE_crossfile"),
        ];
        lab.program(Docker::Old, "unshare", &[&all[..], args].concat())
    };
    let (_, seen) = looked(&inside(&["doctor", "--format", "json"]));
    let lacks = parts(&seen, "emulation", "failure");
    assert_eq!(lacks, ["this kernel does not run s390x"]);
    let fixed = inside(&["doctor", "--fix", "--format", "json"]);
    let json: Json = serde_json::from_str(&fixed.stdout).unwrap();
    assert_eq!(json["fixed"][0], "crossfile qemu register s390x", "{json}");
    assert!(
        fixed
            .stderr
            .contains("fix: crossfile qemu register s390x\n")
    );
    let (_, seen) = looked(&fixed);
    let runs = parts(&seen, "emulation", "ok");
    assert_eq!(runs, ["this kernel runs amd64 natively, s390x by QEMU"]);
    // Of another's list nothing is left here.
    let (_, seen) = looked(&inside(&["doctor", "--format", "json"]));
    assert_eq!(parts(&seen, "emulation", "failure").len(), 1);
}
