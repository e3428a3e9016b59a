//! Every code of a message has an explanation, whose example shows it and whose cure makes it go away; `docs/codes.md` is
//! made from them with what the command really printed. `CROSSFILE_BLESS=1 cargo test --test codes` writes the page anew.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot run a shell should panic, and says when it is skipped"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use crossfile::arch::Platform;
use crossfile::bases::{Found, Lookup, Survey, Use};
use crossfile::lock::Lock;
use crossfile::{
    Code, Diagnostic, Explanation, NoInputs, Overrides, Project, Selection, Source, explanations,
};
use support::{Run, Scratch};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/codes.md");

#[test]
fn every_code_is_explained_once() {
    let mut explained: Vec<Code> = explanations().iter().map(|found| found.code).collect();
    explained.sort();
    let mut all = Code::ALL.to_vec();
    all.sort();
    assert_eq!(explained, all);
    // The library leaves out what is no code; nothing in the file may be.
    let file = include_str!("../src/codes.toml");
    let tables: toml::Table = file.parse().unwrap();
    let tables: BTreeSet<&str> = tables.keys().map(String::as_str).collect();
    assert_eq!(tables, all.iter().map(|code| code.as_str()).collect());
    for found in explanations() {
        assert!(
            found.why.ends_with('.') && found.how.ends_with('.'),
            "{}",
            found.code
        );
    }
}

fn write(scratch: &Scratch, files: &BTreeMap<String, String>) {
    files
        .iter()
        .for_each(|(path, text)| scratch.write(path, text));
}

/// A shell command in the scratch folder, `crossfile` on its path and git with an identity of nobody.
fn shell(scratch: &Scratch, command: &str) -> Run {
    let folder = Path::new(env!("CARGO_BIN_EXE_crossfile")).parent().unwrap();
    let output = Command::new("bash")
        .args(["-c", command])
        .current_dir(scratch.path())
        .env_clear()
        .env(
            "PATH",
            format!("{}:{}", folder.display(), std::env::var("PATH").unwrap()),
        )
        .envs(support::git_identity())
        .output();
    Run::from(output.unwrap())
}

/// The registries of an example; any other cannot be asked.
struct Registries<'a>(&'a Explanation);

impl Lookup for Registries<'_> {
    fn look_up(&self, reference: &str) -> Result<Found, String> {
        if let Some(image) = self.0.registry.get(reference) {
            let entries = image.iter().map(|(platform, digest)| {
                let platform: Platform = platform.parse().unwrap();
                (platform, digest.clone())
            });
            let digest = format!("sha256:{}", "0".repeat(64));
            let entries = entries.collect();
            return Ok(Found::Index { digest, entries });
        }
        match reference.starts_with("registry.invalid/") {
            true => Err("registry.invalid/acme: there is no such host".to_string()),
            false => Ok(Found::Missing),
        }
    }
}

/// `crossfile bases` with registries that are a map: what it says, without its table.
fn bases(scratch: &Scratch, found: &Explanation, arguments: &[String]) -> Run {
    let overrides = Overrides {
        locked: Some(false),
        ..Overrides::default()
    };
    let folder = scratch.path().canonicalize().unwrap();
    let selection = Selection::default();
    let project = Project::open(std::slice::from_ref(&folder), &overrides, &NoInputs);
    let expansion = project.expand(&selection);
    let (products, _) = project.products(&expansion, &selection);
    let survey = Survey::of(&products, &Registries(found));
    let origin = |used: &Use| project.origin(&used.source, &used.cell, used.span());
    let mut diagnostics = survey.diagnostics(&origin);
    if arguments.iter().any(|argument| argument == "--check") {
        let path = folder.join("crossfile.lock");
        let source = Source::new(&path, scratch.read("crossfile.lock"));
        let lock = Lock::parse(&source).unwrap();
        let changes = survey.changes(&path, &lock, true);
        diagnostics.extend(changes.iter().map(|change| change.diagnostic(&source)));
    }
    let name = |path: &Path| path.strip_prefix(&folder).unwrap().display().to_string();
    let mut errors = diagnostics.iter().filter(|found| found.is_error());
    let status = match (
        errors.clone().all(|found| found.code.is_finding()),
        errors.next(),
    ) {
        (_, None) => 0,
        (true, _) => 1,
        (false, _) => 2,
    };
    let stdout = diagnostics
        .iter()
        .map(|found| Diagnostic::render(found, &name));
    Run {
        status,
        stdout: stdout.collect(),
        stderr: String::new(),
    }
}

fn crossfile(scratch: &Scratch, found: &Explanation, arguments: &[String]) -> Run {
    if !found.registry.is_empty() {
        return bases(scratch, found, arguments);
    }
    shell(scratch, &format!("crossfile {}", arguments.join(" ")))
}

/// What the example prints, once it is seen that its cure cures it.
fn shown(found: &Explanation) -> String {
    let scratch = Scratch::new();
    write(&scratch, &found.wrong);
    for command in &found.prepare {
        shell(&scratch, command).succeeds();
    }
    let wrong = crossfile(&scratch, found, &found.run);
    // What lint and bases find is their result, everything else is a diagnostic.
    let printed = match found.run[0].as_str() {
        "lint" | "bases" => wrong.stdout.clone(),
        "qemu" if found.run.iter().any(|word| word == "--check") => wrong.stdout.clone(),
        _ => wrong.stderr.clone(),
    };
    let code = format!("[{}]", found.code);
    let line = printed.lines().find(|line| line.ends_with(&code));
    let line = line.unwrap_or_else(|| panic!("{} is not shown:\n{printed}", found.code));
    let severity = format!(": {}: ", found.severity.as_str());
    assert!(line.contains(&severity), "{}: {line}", found.code);
    let status = match found.kind() {
        "error" => 2,
        // `generate` refuses what lint finds.
        "finding" if found.code == Code::Foreign => 2,
        "finding" => 1,
        _ => 0,
    };
    assert_eq!(wrong.status, status, "{}\n{printed}", found.code);

    write(&scratch, &found.cure);
    for command in &found.mend {
        shell(&scratch, command).succeeds();
    }
    let cured = crossfile(&scratch, found, &found.run_cured);
    let after = format!("{}{}", cured.stdout, cured.stderr);
    assert!(
        !after.contains(&code),
        "{} is still there:\n{after}",
        found.code
    );
    assert_eq!(cured.status, 0, "{}\n{after}", found.code);

    // The message itself: up to what is said of the run as a whole.
    let mut message = Vec::new();
    let summary = [
        "to write ",
        "to overwrite ",
        "nothing was written",
        "1 handler: ",
    ];
    for line in printed.lines() {
        if summary.iter().any(|start| line.starts_with(start)) || line.starts_with("1 template: ") {
            break;
        }
        message.push(line);
    }
    message.join("\n")
}

#[test]
fn the_page_shows_what_is_printed() {
    let git = Command::new("git").arg("--version").output().is_ok();
    if !git {
        println!("skipped: git is not installed");
        return;
    }
    let mut page = String::from(
        "# Codes\n\nEvery message ends in a code in brackets, as `[unknown-name]`. `crossfile explain CODE` prints what stands here.\n\
         A *finding* answers the question of `lint` or `generate --check` with no (exit code 1); an *error* says that something\n\
         was not done (exit code 2); *warnings* and *notes* stop nothing. Findings and warnings can be allowed by their code:\n\
         `[lint] allow = [\"CODE\"]` in crossfile.toml, or a comment `# crossfile: allow=CODE` at the line or above it.\n\n\
         This page is made from `src/codes.toml` by `CROSSFILE_BLESS=1 cargo test --test codes`, which runs every example and its cure.\n",
    );
    let all = explanations();
    let mut groups: Vec<&str> = Vec::new();
    for found in &all {
        if groups.last() != Some(&found.group.as_str()) {
            assert!(
                !groups.contains(&found.group.as_str()),
                "{} is in two places",
                found.group
            );
            groups.push(&found.group);
            page.push_str(&format!("\n**{}**:", found.group));
        }
        page.push_str(&format!(" [{0}](#{0})", found.code));
    }
    page.push('\n');
    let mut group = "";
    for found in &all {
        if found.group != group {
            group = &found.group;
            page.push_str(&format!("\n## {group}\n"));
        }
        page.push_str(&section(found));
    }
    if std::env::var_os("CROSSFILE_BLESS").is_some() {
        std::fs::write(PAGE, &page).unwrap();
    }
    let there = std::fs::read_to_string(PAGE).unwrap();
    assert!(
        there == page,
        "docs/codes.md is out of date: CROSSFILE_BLESS=1 cargo test --test codes"
    );
}

fn section(found: &Explanation) -> String {
    let mut text = format!(
        "\n### {}\n\n*{}: {}*\n\n{}\n",
        found.code,
        found.kind(),
        found.code.meaning().trim_end_matches('.'),
        found.why
    );
    text.push_str(&files(&found.wrong));
    let commands = found.prepare.iter().cloned();
    let run = format!("crossfile {}", found.run.join(" "));
    let commands: String = commands
        .chain([run])
        .map(|command| format!("$ {command}\n"))
        .collect();
    text.push_str(&format!(
        "\n```text\n{commands}{}\n```\n\n{}\n",
        shown(found),
        found.how
    ));
    text.push_str(&files(&found.cure));
    let mut commands: Vec<String> = found.mend.clone();
    if found.run_cured != found.run {
        commands.push(format!("crossfile {}", found.run_cured.join(" ")));
    }
    if !commands.is_empty() {
        let commands: String = commands
            .iter()
            .map(|command| format!("$ {command}\n"))
            .collect();
        text.push_str(&format!("\n```text\n{commands}```\n"));
    }
    text
}

fn files(files: &BTreeMap<String, String>) -> String {
    let block = |(path, text): (&String, &String)| {
        let language = match path.rsplit('.').next() {
            Some("toml" | "lock") => "toml",
            Some("json") => "json",
            _ => "dockerfile",
        };
        format!("\n`{path}`:\n\n```{language}\n{text}```\n")
    };
    files.iter().map(block).collect()
}

#[test]
fn the_command_explains() {
    let scratch = Scratch::new();
    let plain = scratch.run(&["explain", "unknown-name"]).succeeds();
    assert_eq!(
        scratch.run(&["explain", "[Unknown-Name]"]).succeeds(),
        plain
    );
    assert!(
        plain.stdout.starts_with("unknown-name (error)\n"),
        "{}",
        plain.stdout
    );
    assert!(
        plain
            .stdout
            .contains("    FROM __DOKCER_ARCH__/alpine:3.22\n"),
        "{}",
        plain.stdout
    );
    let list = scratch.run(&["explain"]).succeeds().stdout;
    assert_eq!(list.lines().count(), Code::ALL.len());
    let wrong = scratch.run(&["explain", "unknown-nam"]);
    assert_eq!(wrong.status, 2);
    assert!(
        wrong.stderr.contains("did you mean `unknown-name`?"),
        "{}",
        wrong.stderr
    );
    let json = scratch
        .run(&["explain", "drift", "--format", "json"])
        .succeeds()
        .stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&json["version"], &json["kind"]),
        (&1.into(), &"finding".into())
    );
    let list = scratch
        .run(&["explain", "--format", "json"])
        .succeeds()
        .stdout;
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    assert_eq!(list["version"], 1);
    let all = list["codes"].as_array().unwrap();
    assert_eq!(all.len(), Code::ALL.len());
    // Everything that the example takes, so that a program can run it.
    let io = all.iter().find(|found| found["code"] == "io").unwrap();
    assert_eq!(
        (&io["prepare"][0], &io["mend"][0], &io["run_cured"][0]),
        (
            &"mkdir Dockerfile.amd64".into(),
            &"rmdir Dockerfile.amd64".into(),
            &"generate".into()
        )
    );
}
