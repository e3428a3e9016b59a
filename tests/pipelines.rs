//! The pipelines that `crossfile ci` writes, run as their services run them: every line of every script, by the shell and in the
//! order of the service, with the crossfile just built, against a real registry and a real BuildKit.
//!
//! What stands for the service is in `pipelines/machine.rs`, with everything that is not real in it. Each test ends with a comparison
//! of the lines that it ran with the lines that the file has: none may be left out.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that cannot set up its project should panic, and says when it is skipped"
)]

#[path = "pipelines/buildkit.rs"]
mod buildkit;
#[path = "pipelines/github.rs"]
mod github;
#[path = "pipelines/gitlab.rs"]
mod gitlab;
#[path = "engines/lab.rs"]
mod lab;
#[path = "pipelines/machine.rs"]
mod machine;
mod support;
#[path = "pipelines/travis.rs"]
mod travis;
#[path = "pipelines/yaml.rs"]
mod yaml;

use lab::{Docker, Lab};
use machine::{Event, Ran, Site};
use support::Scratch;

const ARCHES: &[&str] = &["amd64", "arm32v7", "arm64v8", "s390x"];

/// Something that stands for a service: runs a pipeline for an event.
type Service = fn(&Site, &Event, &mut Ran) -> Result<(), String>;

/// A project whose pipeline runs for a pull request, which must leave nothing in the registry, then for a commit, which makes an
/// index that runs everywhere, then for another, which has caches; and one whose files drifted, which must not get to a builder.
fn runs(name: &str, service: Service, folder: &str, docker: Docker, more: &str, by_digest: bool) {
    let Some(lab) = Lab::new(name) else {
        return;
    };
    let word = name.to_string();
    lab.settings(ARCHES, more);
    lab.template(&word);
    let service_name = name.split('-').next().unwrap();
    let site = Site::new(&lab, docker, folder);
    site.crossfile(&["generate"]).succeeds();
    site.crossfile(&["ci", service_name]).succeeds();
    let again = site.crossfile(&["ci", service_name]).succeeds();
    assert!(
        again.stderr.contains("is right already"),
        "{}",
        again.stderr
    );

    let mut ran = Ran::default();
    service(&site, &Event::PullRequest, &mut ran).unwrap();
    assert_eq!(tags(&lab), None, "a pull request pushed something");
    assert!(
        !ran.text().contains("--password-stdin") || service_name != "github",
        "a pull request logged in"
    );

    service(&site, &Event::Push, &mut ran).unwrap();
    lab.has("latest", ARCHES);
    lab.runs(Docker::New, "latest", ARCHES, &word);
    let pushed = tags(&lab).unwrap();
    match by_digest {
        true => assert_eq!(pushed, ["latest"]),
        false => assert_eq!(pushed.len(), ARCHES.len() + 1, "{pushed:?}"),
    }
    let before = lab.entries("latest");
    service(&site, &Event::Push, &mut ran).unwrap();
    if by_digest {
        // What is the same comes out of the cache that the run before handed on, byte for byte.
        assert_eq!(lab.entries("latest"), before);
    }
    ran.is_everything(&site.pipeline(service_name), service_name);

    site.append("Dockerfile.s390x", "# by hand\n");
    let mut drifted = Ran::default();
    let failure = service(&site, &Event::Push, &mut drifted).unwrap_err();
    assert!(failure.contains("changed  Dockerfile.s390x"), "{failure}");
    assert!(!drifted.text().contains("crossfile push"));

    site.crossfile(&["generate"]).succeeds();
    site.append_pipeline(service_name, "# by hand\n");
    let failure = service(&site, &Event::Push, &mut Ran::default()).unwrap_err();
    assert!(failure.contains("changed "), "{failure}");
}

/// The tags of the image in the registry; nothing where it knows no such image.
fn tags(lab: &Lab) -> Option<Vec<String>> {
    let reference = format!("docker://{}", lab.image);
    let args = ["list-tags", "--tls-verify=false", &reference];
    let run = lab.program(Docker::Old, "skopeo", &args);
    if run.status != 0 {
        assert!(run.stderr.contains("404 (Not Found)"), "{}", run.stderr);
        return None;
    }
    let listed: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let tags = listed["Tags"].as_array().unwrap().iter();
    Some(tags.map(|tag| tag.as_str().unwrap().to_string()).collect())
}

#[test]
fn github_pushes_by_digest() {
    runs("github-digest", github::run, "", Docker::New, "", true);
}

#[test]
fn github_pushes_by_tags_where_docker_builds() {
    let more = "backend = \"docker\"\n[arch.s390x]\noptional = true\n";
    runs("github-tags", github::run, "", Docker::Old, more, false);
}

#[test]
fn github_works_in_a_folder() {
    runs(
        "github-folder",
        github::run,
        "it's/an \"app\"",
        Docker::New,
        "",
        true,
    );
}

#[test]
fn gitlab_pushes_by_digest() {
    runs("gitlab-digest", gitlab::run, "", Docker::New, "", true);
}

#[test]
fn gitlab_works_in_a_folder_and_pushes_by_tags() {
    let more = "arch-tag = \"{{tag}}-{{arch}}\"\n";
    runs(
        "gitlab-folder",
        gitlab::run,
        "it's an app",
        Docker::New,
        more,
        false,
    );
}

#[test]
fn travis_pushes_by_tags() {
    let more = "[arch.s390x]\noptional = true\n";
    runs("travis-tags", travis::run, "", Docker::New, more, false);
}

#[test]
fn the_action_installs_registers_and_runs() {
    let top = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let action = yaml::read(&std::fs::read_to_string(top.join("action.yml")).unwrap());
    let scratch = Scratch::with(&[
        (
            "sub dir/Dockerfile.cross",
            "FROM __BASEIMAGE_ARCH__/alpine\n",
        ),
        (
            "sub dir/crossfile.toml",
            "image = \"acme/app\"\narches = [\"amd64\", \"s390x\"]\n",
        ),
    ]);
    let mut ran = Ran::default();
    let inputs = [
        ("working-directory", "sub dir"),
        ("args", "plan --matrix"),
        // This machine's own: nothing is changed by it.
        ("qemu", "amd64"),
    ];
    let outputs = github::action(&scratch, &action, &inputs, &mut ran).unwrap();
    let matrix: serde_json::Value = serde_json::from_str(outputs["stdout"].trim()).unwrap();
    assert_eq!(matrix["include"][1]["arch"], "s390x");
    assert!(
        outputs["bin"].ends_with("/crossfile/bin/crossfile"),
        "{outputs:?}"
    );

    let own = env!("CARGO_BIN_EXE_crossfile");
    for (inputs, wanted) in [
        (
            vec![("bin", own), ("args", "generate --check")],
            Err("missing"),
        ),
        (vec![("version", "0.1.0"), ("args", "")], Ok(())),
    ] {
        let done = github::action(&scratch, &action, &inputs, &mut ran);
        match (done, wanted) {
            (Ok(_), Ok(())) => {}
            (Err(failure), Err(part)) => assert!(failure.contains(part), "{failure}"),
            (done, wanted) => panic!("{done:?} and not {wanted:?}"),
        }
    }
    ran.is_everything(&action, "action");
}
