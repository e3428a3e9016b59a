//! Why a generated file differs: `--check` names the template's line and, with git's help, who changed what.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot set up its repository should panic, and says when it is skipped"
)]

mod support;

use support::{Run, Scratch, snapshots};

const TEMPLATE: &str = "\
# syntax=docker/dockerfile:1
FROM {{docker_arch}}/alpine:{{version}}
{{#if cross}}
COPY qemu-{{qemu_arch}}-static /usr/bin/
{{/if}}
{{> packages}}
EXPOSE 80
CMD [\"nginx\"]
";

/// A repository with a template, its partial and settings, and the files generated from them, committed.
struct Repository(Scratch);

impl Repository {
    fn new() -> Option<Repository> {
        let scratch = Scratch::new();
        if scratch.try_program("git", &["init", "-q", "."]).is_none() {
            println!("skipped: git is not installed");
            return None;
        }
        let repository = Repository(scratch);
        repository.0.write("app/Dockerfile.cross", TEMPLATE);
        repository
            .0
            .write("templates/packages.hbs", "RUN apk add \\\n    nginx\n");
        repository
            .0
            .write("crossfile.toml", "[vars]\nversion = \"3.21\"\n");
        repository.0.run(&["generate", "-q"]).succeeds();
        repository.commit("begin");
        Some(repository)
    }

    fn git(&self, arguments: &[&str]) -> Run {
        let identity = ["-c", "user.name=n", "-c", "user.email=n@example.com"];
        let all: Vec<&str> = identity.iter().chain(arguments).copied().collect();
        self.0.program("git", &all).succeeds()
    }

    fn commit(&self, message: &str) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", message]);
    }

    fn edit(&self, path: &str, from: &str, to: &str) {
        let text = self.0.read(path);
        assert!(text.contains(from), "{path} has no {from:?}");
        self.0.write(path, text.replace(from, to));
    }

    /// What `--check` says, commits' names masked.
    fn check(&self, name: &str) {
        let args = ["generate", "--check"];
        let mut text = self.0.run(&args).transcript(&args);
        let log = self
            .git(&["log", "--reverse", "--format=%h %H", "--abbrev=8"])
            .stdout;
        for (number, line) in log.lines().enumerate() {
            let short = line.split(' ').next().unwrap();
            text = text.replace(short, &format!("[commit {number}]"));
        }
        snapshots().bind(|| insta::assert_snapshot!(format!("drift__{name}"), text));
    }
}

#[test]
fn edited_by_hand_and_not_committed() {
    let Some(repository) = Repository::new() else {
        return;
    };
    repository.edit("app/Dockerfile.amd64", "3.21", "3.22");
    repository.edit("app/Dockerfile.arm64v8", "3.21", "3.22");
    repository.edit(
        "app/Dockerfile.arm32v7",
        "EXPOSE 80\n",
        "EXPOSE 80\nRUN extra\nRUN more\n",
    );
    repository.check("by-hand");
    // The index and nothing else of the repository is touched by looking.
    assert_eq!(
        repository
            .git(&["status", "--porcelain"])
            .stdout
            .lines()
            .count(),
        3
    );
}

#[test]
fn edited_by_hand_and_committed() {
    let Some(repository) = Repository::new() else {
        return;
    };
    repository.edit("app/Dockerfile.arm64v8", "EXPOSE 80\n", "");
    repository.commit("a line taken out");
    repository.0.write("unrelated", "x");
    repository.commit("something else");
    repository.check("by-hand-committed");
}

#[test]
fn the_template_was_changed() {
    let Some(repository) = Repository::new() else {
        return;
    };
    repository.edit("app/Dockerfile.cross", "EXPOSE 80", "EXPOSE 8080");
    repository.edit("app/Dockerfile.cross", "# syntax=docker/dockerfile:1\n", "");
    repository.commit("not generated");
    repository.edit(
        "templates/packages.hbs",
        "    nginx\n",
        "    nginx \\\n    curl\n",
    );
    repository.check("template");
}

#[test]
fn a_value_was_changed() {
    let Some(repository) = Repository::new() else {
        return;
    };
    repository.edit("crossfile.toml", "3.21", "3.23");
    repository.check("value");
}

#[test]
fn both_were_changed() {
    let Some(repository) = Repository::new() else {
        return;
    };
    repository.edit("app/Dockerfile.amd64", "alpine:3.21", "alpine:edge");
    repository.edit("app/Dockerfile.amd64", "nginx\"", "nginx\", \"-g\"");
    repository.edit("crossfile.toml", "3.21", "3.23");
    repository.check("both");
}

#[test]
fn a_value_is_told_where_it_is_said_for_the_architecture() {
    let Some(repository) = Repository::new() else {
        return;
    };
    let settings = "arches = [\"amd64\", \"arm64v8\"]\n[vars]\nversion = \"3.2\"\n[columns.tool]\namd64 = \"x\"\n\
                    arm64v8 = \"y\"\n[arch.amd64]\nvars = { level = \"1\" }\n[arch.arm64v8]\nvars = { level = \"2\" }\n";
    repository.0.write("said/crossfile.toml", settings);
    let template =
        "FROM __DOCKER_ARCH__/alpine:__VERSION__\nENV TOOL=__TOOL__\nENV LEVEL=__LEVEL__\n";
    repository.0.write("said/Dockerfile.cross", template);
    repository.0.run(&["generate"]).succeeds();
    repository.commit("values");
    let file = "said/Dockerfile.arm64v8";
    // The new value begins with the old one.
    repository.edit(file, "alpine:3.2\n", "alpine:3.22\n");
    repository.edit(file, "TOOL=y", "TOOL=z");
    repository.edit(file, "LEVEL=2", "LEVEL=3");
    repository.check("where-values-are-said");
}

/// The code of each message of `--check`, with the line of the file that it is about.
fn codes(run: &Run) -> Vec<String> {
    let headings = run.stderr.lines().filter(|line| line.contains(": error: "));
    let code = |line: &str| {
        let number = line.split("line ").nth(1).unwrap_or_default();
        let number = number.split(' ').next().unwrap_or_default().to_string();
        let code = line.rsplit('[').next().unwrap_or_default();
        format!("{number} {}", code.trim_end_matches(']'))
    };
    headings.map(code).collect()
}

/// A repository of one architecture, generated and committed.
fn small() -> Option<Repository> {
    let repository = Repository::new()?;
    let folder = "small/";
    repository.0.write(
        &format!("{folder}crossfile.toml"),
        "arches = [\"amd64\"]\n[vars]\nlevel = { env = \"LEVEL\", default = \"0\" }\n",
    );
    repository.0.write(
        &format!("{folder}Dockerfile.cross"),
        "FROM __DOCKER_ARCH__/alpine\nRUN one\nRUN two\nENV LEVEL=__LEVEL__\n__CROSS_RUN gated\n",
    );
    repository.0.run(&["generate", "small"]).succeeds();
    repository.commit("small");
    Some(repository)
}

#[test]
fn a_stale_file_stays_stale_whatever_else_happened_to_it() {
    let Some(repository) = small() else { return };
    repository.edit("small/Dockerfile.cross", "one", "ONE");
    repository.commit("the template alone");
    let check = |repository: &Repository| codes(&repository.0.run(&["generate", "--check"]));
    assert_eq!(check(&repository), ["3 stale"]);
    repository.edit("small/Dockerfile.amd64", "two", "HAND");
    assert_eq!(check(&repository), ["3 stale", "4 edited-by-hand"]);
    repository.commit("the file by hand");
    assert_eq!(check(&repository), ["3 stale", "4 edited-by-hand"]);
}

#[test]
fn a_clone_that_begins_too_late_blames_nobody() {
    let Some(repository) = small() else { return };
    repository.edit("small/Dockerfile.cross", "one", "ONE");
    repository.commit("the template alone");
    let clone = Scratch::new();
    let from = format!("file://{}", repository.0.path().display());
    let to = clone.path().join("clone");
    let arguments = [
        "clone",
        "--quiet",
        "--depth",
        "1",
        &from,
        to.to_str().unwrap(),
    ];
    repository.git(&arguments).succeeds();
    let run = support::crossfile()
        .args(["generate", "--check"])
        .current_dir(&to)
        .output();
    assert_eq!(codes(&Run::from(run.unwrap())), ["3 drift"]);
}

#[test]
fn line_ends_of_the_checkout_are_nobodys_edit() {
    let Some(repository) = small() else { return };
    repository.git(&["config", "core.autocrlf", "true"]);
    repository.git(&["rm", "-rq", "--cached", "."]).succeeds();
    repository.git(&["reset", "-q", "--hard"]).succeeds();
    let text = std::fs::read_to_string(repository.0.path().join("small/Dockerfile.amd64"));
    assert!(text.unwrap().contains("two\r\n"));
    repository.edit("small/Dockerfile.cross", "one", "ONE");
    repository.edit("small/Dockerfile.amd64", "two", "HAND");
    let run = repository.0.run(&["generate", "small", "--check"]);
    assert_eq!(codes(&run), ["3 stale", "4 edited-by-hand"]);
}

#[test]
fn what_this_run_says_otherwise_is_nobodys_edit() {
    let Some(repository) = small() else { return };
    let check = |arguments: &[&str]| {
        let all = [&["generate", "small", "--check"], arguments].concat();
        codes(&repository.0.run(&all))
    };
    assert_eq!(check(&["--set", "level=3"]), ["5 stale"]);
    assert_eq!(check(&["--host", "arm64v8"]), [" stale"]);
    assert_eq!(check(&["--no-header"]), ["1 stale"]);
    let environment = support::crossfile()
        .args(["generate", "small", "--check"])
        .current_dir(repository.0.path())
        .env("LEVEL", "5")
        .output();
    // The commit was made with another environment, and nothing says with which.
    assert_eq!(codes(&Run::from(environment.unwrap())), ["5 drift"]);
}

#[test]
fn without_a_commit_only_the_line_is_told() {
    let Some(repository) = Repository::new() else {
        return;
    };
    repository.git(&["rm", "-q", "--cached", "app/Dockerfile.amd64"]);
    repository.git(&["commit", "-q", "-m", "not in git any more"]);
    repository.edit("app/Dockerfile.amd64", "80", "81");
    repository.check("untracked");
}

/// What is set on the command line now is no edit of a file that was made without it.
#[test]
fn values_of_the_command_line_are_nobodys_edit() {
    let Some(repository) = Repository::new() else {
        return;
    };
    let check = repository
        .0
        .run(&["generate", "--check", "--set", "version=9"]);
    assert_eq!(check.status, 1);
    assert!(check.stderr.contains("[stale]"), "{}", check.stderr);
    assert!(!check.stderr.contains("by hand"), "{}", check.stderr);
    // Nor is it where the committed files were made with it.
    let set = ["generate", "--set", "version=9"];
    repository.0.run(&set).succeeds();
    repository.commit("set");
    repository.edit("app/Dockerfile.amd64", "EXPOSE 80", "EXPOSE 81");
    let check = repository
        .0
        .run(&["generate", "--check", "--set", "version=9"]);
    assert!(
        check
            .stderr
            .contains("line 6 of Dockerfile.amd64 was edited by hand"),
        "{}",
        check.stderr
    );
    assert!(!check.stderr.contains("[stale]"), "{}", check.stderr);
}

#[test]
fn a_diff_stays_a_patch() {
    let Some(repository) = Repository::new() else {
        return;
    };
    repository.edit("app/Dockerfile.amd64", "3.21", "3.22");
    let diff = repository.0.run(&["generate", "--diff"]);
    assert_eq!(diff.status, 1);
    assert!(
        diff.stderr.contains("was edited by hand since"),
        "{}",
        diff.stderr
    );
    repository.0.write("patch", &diff.stdout);
    repository.git(&["apply", "patch"]);
    repository.0.run(&["generate", "--check"]).succeeds();
}

#[test]
fn programs_are_told_too() {
    let Some(repository) = Repository::new() else {
        return;
    };
    repository.edit("app/Dockerfile.amd64", "3.21", "3.22");
    std::fs::remove_file(repository.0.join("app/Dockerfile.arm64v8")).unwrap();
    let json = repository
        .0
        .run(&["generate", "--check", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    let drift = &json["diagnostics"][0];
    assert_eq!(drift["code"], "edited-by-hand");
    assert_eq!(drift["file"], "app/Dockerfile.cross");
    assert_eq!(drift["line"], 2);
    assert_eq!(drift["related"][0]["file"], "app/Dockerfile.amd64");
    assert_eq!(drift["related"][0]["line"], 3);
    assert_eq!(drift["related"][1]["file"], "crossfile.toml");

    // Annotations are put at paths from the top of the repository, wherever the command runs.
    let github = repository
        .0
        .run_in("app", &["generate", "--check", "--format", "github"]);
    assert_eq!(github.status, 1);
    let annotations: Vec<&str> = github
        .stdout
        .lines()
        .filter(|line| line.starts_with("::error "))
        .collect();
    assert_eq!(annotations.len(), 2, "{}", github.stdout);
    assert!(annotations[0].starts_with("::error file=app/Dockerfile.cross,line=2,col=1,"));
    assert!(
        annotations[1].starts_with("::error file=app/Dockerfile.cross,title=crossfile stale::")
    );
}

/// What `git show` has for each file that a run says it kept.
fn kept(repository: &Repository, run: &Run) -> Vec<(String, String)> {
    let lines = run
        .stderr
        .lines()
        .filter(|line| line.contains("is in no commit: git show "));
    lines
        .map(|line| {
            let object = line.rsplit(' ').next().unwrap();
            let path = line.split(' ').nth(1).unwrap().to_string();
            (path, repository.git(&["show", object]).stdout)
        })
        .collect()
}

#[test]
fn what_was_edited_by_hand_can_be_seen_after_it_was_overwritten() {
    let Some(repository) = Repository::new() else {
        return;
    };
    repository.edit("app/Dockerfile.amd64", "80", "81");
    let edited = repository.0.read("app/Dockerfile.amd64");
    // Out of date, and nobody's work.
    repository.edit("crossfile.toml", "3.21", "3.22");
    let run = repository.0.run(&["generate"]).succeeds();
    assert_eq!(
        kept(&repository, &run),
        [("app/Dockerfile.amd64".to_string(), edited)],
        "{}",
        run.stderr
    );
    // A generated file that is not committed yet is made again without a word.
    repository.edit("app/Dockerfile.cross", "EXPOSE 80", "EXPOSE 8080");
    repository.commit("as it should be");
    repository.edit("crossfile.toml", "3.22", "3.23");
    let run = repository.0.run(&["generate"]).succeeds();
    assert_eq!(kept(&repository, &run), [], "{}", run.stderr);
}

#[test]
fn what_force_and_prune_take_away_can_be_seen_too() {
    let Some(repository) = Repository::new() else {
        return;
    };
    let mine = "FROM s390x/alpine\nRUN mine\n";
    repository.0.write("app/Dockerfile.s390x", mine);
    repository.0.write(
        "crossfile.toml",
        "arches = [\"amd64\", \"s390x\"]\n[vars]\nversion = \"3.21\"\n",
    );
    let orphan = repository.0.read("app/Dockerfile.arm64v8");
    repository.edit("app/Dockerfile.arm32v7", "EXPOSE 80", "EXPOSE 80\nRUN mine");
    let edited = repository.0.read("app/Dockerfile.arm32v7");
    let run = repository
        .0
        .run(&["generate", "--force", "--prune"])
        .succeeds();
    assert_eq!(
        kept(&repository, &run),
        [
            ("app/Dockerfile.s390x".to_string(), mine.to_string()),
            ("app/Dockerfile.arm32v7".to_string(), edited),
        ],
        "{}",
        run.stderr
    );
    assert!(!repository.0.exists("app/Dockerfile.arm64v8"));
    // That one is in a commit.
    assert_eq!(
        repository
            .git(&["show", "HEAD:app/Dockerfile.arm64v8"])
            .stdout,
        orphan
    );
}
