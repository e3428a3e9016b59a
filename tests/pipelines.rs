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
    runs_with(name, service, folder, docker, more, by_digest, false);
}

/// `handlers`: the Dockerfiles copy handlers of QEMU's, which are locked, and lie in no commit.
fn runs_with(
    name: &str,
    service: Service,
    folder: &str,
    docker: Docker,
    more: &str,
    by_digest: bool,
    handlers: bool,
) {
    let Some(lab) = Lab::new(name) else {
        return;
    };
    let word = name.to_string();
    lab.settings(ARCHES, more);
    lab.template(&word);
    if handlers {
        let copy = "{{#if cross}}\nCOPY qemu-{{qemu_arch}}-static /usr/bin/\n{{/if}}\nRUN echo";
        let template = lab.scratch.read("Dockerfile.cross");
        lab.scratch
            .write("Dockerfile.cross", template.replace("RUN echo", copy));
    }
    let service_name = name.split('-').next().unwrap();
    let site = Site::new(&lab, docker, folder);
    site.crossfile(&["generate"]).succeeds();
    if handlers {
        site.crossfile(&["qemu", "fetch"]).succeeds();
        site.remove_handlers();
    }
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
    assert_eq!(handlers, ran.text().contains("crossfile qemu fetch"));
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

/// Settings whose texts are anything but plain, and a folder of such a name.
const ODD: &str = r#"
image = "acme/app"
arches = ["amd64", "arm64v8"]
[ci]
install = ["echo '${{ github.token }}' }} # : \"x\"", "  indented\n${{ x }}\n", "- [a]: *b"]
branches = ["a#b", "it's", "yes", "rel/**", "!x+"]
[ci.github.runners]
amd64 = ["${{ secrets.X }}", "a: b #c", "no"]
arm64v8 = "'\"\\ ${{ matrix.arch }}"
[ci.gitlab]
image = "a: b #c"
[ci.gitlab.runners]
amd64 = "- '\" #"
"#;

const ODD_FOLDER: &str = "it's a: #1 $HOME \"x\" `id`";

fn odd() -> Scratch {
    let scratch = Scratch::new();
    scratch.program("git", &["init", "-q", "."]).succeeds();
    scratch.write(&format!("{ODD_FOLDER}/crossfile.toml"), ODD);
    scratch.write(
        &format!("{ODD_FOLDER}/Dockerfile.cross"),
        "FROM __BASEIMAGE_ARCH__/alpine\n",
    );
    scratch
}

#[test]
fn what_settings_say_is_never_evaluated_by_github() {
    let scratch = odd();
    scratch.run_in(ODD_FOLDER, &["ci", "github"]).succeeds();
    let text = scratch.read(".github/workflows/crossfile.yml");
    let workflow = yaml::read(&text);
    let names = [("runner.os", "Linux"), ("runner.arch", "X64")];
    let names = names.map(|(name, value)| (name.to_string(), value.into()));
    let names = names.into_iter().collect();
    // With no other name known, whatever else were an expression would fail here.
    let filled = |value: &serde_json::Value| github::fill(value.as_str().unwrap(), &names);
    let points = &workflow["jobs"]["build"]["strategy"]["matrix"]["include"];
    let labels = points[0]["runner"].as_array().unwrap();
    let labels: Vec<String> = labels.iter().map(filled).collect();
    assert_eq!(labels, ["${{ secrets.X }}", "a: b #c", "no"]);
    assert_eq!(filled(&points[1]["runner"]), "'\"\\ ${{ matrix.arch }}");
    let jobs = workflow["jobs"].as_object().unwrap();
    for job in jobs.values() {
        assert_eq!(job["defaults"]["run"]["working-directory"], ODD_FOLDER);
        assert_eq!(
            filled(&job["steps"][2]["run"]),
            "mkdir -p \"$HOME/.crossfile/bin\"\necho '${{ github.token }}' }} # : \"x\"\n  indented\n${{ x }}\n- [a]: *b\necho \"$HOME/.crossfile/bin\" >>\"$GITHUB_PATH\"\n"
        );
    }
    let on = &workflow["on"]["push"]["branches"];
    assert_eq!(
        on,
        &serde_json::json!(["a#b", "it's", "yes", "rel/**", "\\!x\\+"])
    );
    let check = scratch.run_in(ODD_FOLDER, &["ci", "github", "--check"]);
    assert_eq!((check.status, check.stdout.as_str()), (0, ""));
    // Outside of it, too, with the way there.
    let check = scratch.run(&["ci", "github", "--check", ODD_FOLDER]);
    assert_eq!(
        (check.status, check.stdout.as_str()),
        (0, ""),
        "{}",
        check.stderr
    );
}

#[test]
fn what_settings_say_reaches_shells_and_gitlab_as_it_is() {
    let scratch = odd();
    for service in ["gitlab", "travis"] {
        scratch.run_in(ODD_FOLDER, &["ci", service]).succeeds();
    }
    let gitlab = yaml::read(&scratch.read(".gitlab-ci.yml"));
    assert_eq!(gitlab["default"]["image"], "a: b #c");
    assert_eq!(gitlab["build amd64"]["tags"][0], "- '\" #");
    let before = gitlab["default"]["before_script"].as_array().unwrap();
    let travis = yaml::read(&scratch.read(".travis.yml"));
    assert_eq!(travis["install"][2], "  indented\n${{ x }}\n");
    for change in [before.last().unwrap(), &travis["before_install"][1]] {
        let script = format!("{}\nbasename \"$PWD\"", change.as_str().unwrap());
        let run = scratch.program("sh", &["-euc", &script]).succeeds();
        assert_eq!(run.stdout.trim_end(), ODD_FOLDER);
    }
    // Each pattern is an expression that takes the name and nothing else.
    let rules = gitlab["workflow"]["rules"].as_array().unwrap();
    let rules: Vec<&str> = rules
        .iter()
        .map(|rule| rule["if"].as_str().unwrap())
        .collect();
    assert_eq!(rules[1], r"$CI_COMMIT_BRANCH =~ /^a\x{23}b$/");
    assert_eq!(rules[2], r"$CI_COMMIT_BRANCH =~ /^it\x{27}s$/");
    assert_eq!(rules[4], r"$CI_COMMIT_BRANCH =~ /^rel\/.*$/");
}

#[test]
fn a_pipeline_depends_on_nothing_but_the_project() {
    let settings = "image = \"{{registry}}/app\"\narches = [\"amd64\", \"arm64v8\"]\n\
        build-args = { REVISION = { env = \"GITHUB_SHA\" } }\nlabels = { revision = { env = \"GITHUB_SHA\" } }\n\
        [vars]\nregistry = { env = \"REGISTRY\", default = \"ghcr.io/acme\" }\n";
    let project = Scratch::with(&[
        ("a/crossfile.toml", settings),
        ("a/Dockerfile.cross", "FROM __BASEIMAGE_ARCH__/alpine\n"),
        ("a/.git/HEAD", ""),
    ]);
    for service in ["github", "gitlab", "travis"] {
        let plain = project.run_in("a", &["ci", service, "--stdout"]).succeeds();
        assert!(plain.stdout.contains("ghcr.io"), "{}", plain.stdout);
        let mut command = support::crossfile();
        command.args(["ci", service, "--stdout", "a"]);
        command.current_dir(project.path());
        command.envs([("REGISTRY", "quay.io/else"), ("GITHUB_SHA", "4c1f")]);
        let other = support::Run::from(command.output().unwrap()).succeeds();
        assert_eq!(plain.stdout, other.stdout, "{service}");
    }
}

#[test]
fn github_fetches_handlers() {
    let name = "github-handlers";
    runs_with(name, github::run, "", Docker::New, "", true, true);
}

#[test]
fn gitlab_fetches_handlers_in_a_folder() {
    let name = "gitlab-handlers";
    runs_with(name, gitlab::run, "an app", Docker::New, "", true, true);
}

#[test]
fn travis_fetches_handlers() {
    let name = "travis-handlers";
    runs_with(name, travis::run, "", Docker::New, "", false, true);
}

const BUILDCTL: &str = "backend = \"buildctl\"\n";

#[test]
fn github_brings_buildctl() {
    runs(
        "github-buildctl",
        github::run,
        "",
        Docker::New,
        BUILDCTL,
        true,
    );
}

#[test]
fn gitlab_brings_buildctl() {
    runs(
        "gitlab-buildctl",
        gitlab::run,
        "",
        Docker::New,
        BUILDCTL,
        true,
    );
}

#[test]
fn travis_brings_buildctl() {
    runs(
        "travis-buildctl",
        travis::run,
        "",
        Docker::New,
        BUILDCTL,
        false,
    );
}

#[test]
fn github_brings_buildah() {
    let more = "backend = \"buildah\"\n";
    runs("github-buildah", github::run, "", Docker::New, more, false);
}

#[test]
fn gitlab_brings_buildah() {
    let more = "backend = \"buildah\"\n";
    runs("gitlab-buildah", gitlab::run, "", Docker::New, more, false);
}

#[test]
fn travis_brings_buildah() {
    let more = "backend = \"buildah\"\n";
    runs("travis-buildah", travis::run, "", Docker::New, more, false);
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
        ("args", "plan\n--matrix\n"),
        // This machine's own: nothing is changed by it.
        ("qemu", "amd64\namd64"),
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
        // A name is looked for on PATH, and a path is a path.
        (vec![("bin", "true"), ("args", "")], Ok(())),
        (
            vec![("bin", "./no-such-program"), ("args", "")],
            Err("bin: ./no-such-program is no program\n"),
        ),
        (
            vec![("bin", "no-such-program"), ("args", "")],
            Err("bin: no-such-program is not on PATH\n"),
        ),
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
