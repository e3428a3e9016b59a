//! Completions as shells get them: the real ones where they are installed, and for every shell the question that its
//! script asks.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot run a shell should panic, and says when it is skipped"
)]

mod support;

use std::path::Path;
use std::process::Command;

use support::{Scratch, crossfile};

/// A project with a table, settings and a template of its own.
fn project() -> Scratch {
    Scratch::with(&[
        (
            "Dockerfile.cross",
            "FROM __DOCKER_ARCH__/alpine:__VERSION__\n",
        ),
        ("notes.txt", ""),
        ("app/x", ""),
        (
            "arches.toml",
            "[arch.toaster]\nplatform = \"linux/toaster\"\n[scheme.tini]\ntitle = \"tini\"\n",
        ),
        (
            "crossfile.toml",
            "arch-map = \"arches.toml\"\narches = [\"amd64\", \"arm64v8\", \"toaster\"]\n[vars]\nversion = \"1\"\n[matrix]\nflavor = [\"slim\", \"full\"]\n",
        ),
    ])
}

/// What a shell prints for `script`, with `crossfile` on its PATH; nothing where it is not installed.
fn shell(scratch: &Scratch, program: &str, script: &str) -> Option<String> {
    let folder = Path::new(env!("CARGO_BIN_EXE_crossfile")).parent().unwrap();
    let path = std::env::var("PATH").unwrap();
    let quiet = if program == "zsh" { "-f" } else { "-i" };
    let mut command = Command::new(program);
    if program != "bash" {
        command.arg(quiet);
    }
    let output = command
        .args(["-c", script])
        .current_dir(scratch.path())
        .env("PATH", format!("{}:{path}", folder.display()))
        .env("HOME", scratch.path())
        .output();
    let Ok(output) = output else {
        println!("skipped: {program} is not installed");
        return None;
    };
    assert!(
        output.status.success(),
        "{program}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(String::from_utf8(output.stdout).unwrap())
}

/// Lines of half-written commands with what completes the last word.
const LINES: &[(&[&str], &[&str])] = &[
    (&["gener"], &["generate"]),
    (&["generate", "--arch", "a"], &["amd64", "arm64v8"]),
    (&["generate", "--arch", "amd64,to"], &["amd64,toaster"]),
    (&["generate", "--host", "toa"], &["toaster"]),
    (&["generate", "--set", "ver"], &["version="]),
    (
        &["generate", "--set", "fl"],
        &["flavor=slim", "flavor=full"],
    ),
    (
        &["arch", "show", "armv7h"],
        &["armv7h", "armv7hl", "armv7hnl"],
    ),
    (&["arch", "resolve", "x", "--to", "ti"], &["tini"]),
    (&["arch", "resolve", "x", "--from", "deb"], &["debian"]),
    (&["lint", "D"], &["Dockerfile.cross"]),
];

fn words(printed: &str) -> Vec<String> {
    let words = printed
        .lines()
        .map(|line| line.split('\t').next().unwrap_or_default().to_string());
    words.filter(|word| !word.is_empty()).collect()
}

#[test]
fn bash() {
    let scratch = project();
    for (line, wanted) in LINES {
        let script = format!(
            "source <(crossfile completions bash)\n\
             COMP_WORDS=(crossfile {}); COMP_CWORD={}; COMP_TYPE=9\n\
             _clap_complete_crossfile crossfile '{}' x 2>/dev/null\n\
             printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            line.join(" "),
            line.len(),
            line.last().unwrap(),
        );
        let Some(printed) = shell(&scratch, "bash", &script) else {
            return;
        };
        assert_eq!(words(&printed), *wanted, "{line:?}");
    }
}

#[test]
fn zsh() {
    let scratch = project();
    for (line, wanted) in LINES {
        // The script hands its answers to `_describe` by the name of an array.
        let script = format!(
            "compdef() {{ : }}\n\
             _describe() {{ print -l -- ${{(P)3}} }}\n\
             source <(crossfile completions zsh)\n\
             words=(crossfile {}); CURRENT={}\n\
             _clap_dynamic_completer_crossfile",
            line.join(" "),
            line.len() + 1,
        );
        let Some(printed) = shell(&scratch, "zsh", &script) else {
            return;
        };
        let found: Vec<String> = words(&printed)
            .iter()
            .map(|word| word.split(':').next().unwrap().to_string())
            .collect();
        assert_eq!(found, *wanted, "{line:?}");
    }
}

#[test]
fn fish() {
    let scratch = project();
    for (line, wanted) in LINES {
        let script = format!(
            "crossfile completions fish | source; complete -C 'crossfile {}'",
            line.join(" ")
        );
        let Some(printed) = shell(&scratch, "fish", &script) else {
            return;
        };
        let mut found = words(&printed);
        let mut wanted: Vec<String> = wanted.iter().map(|word| word.to_string()).collect();
        found.sort();
        wanted.sort();
        assert_eq!(found, wanted, "{line:?}");
    }
}

/// The question that each script asks, also those of shells that are not installed here.
#[test]
fn every_shell_asks_the_program() {
    let scratch = project();
    for name in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = scratch.run(&["completions", name]).succeeds().stdout;
        assert!(script.contains("CROSSFILE_COMPLETE"), "{name}: {script}");
        // Nothing of this machine: the program is found on the PATH.
        assert!(!script.contains("target/"), "{name}: {script}");
        let mut command = crossfile();
        command
            .env("CROSSFILE_COMPLETE", name)
            .env("_CLAP_COMPLETE_INDEX", "3")
            .env("_CLAP_IFS", "\n")
            .args(["--", "crossfile", "generate", "--arch", "toa"])
            .current_dir(scratch.path());
        let output = command.output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(printed.starts_with("toaster"), "{name}: {printed}");
        assert_eq!(output.stderr, b"", "{name}");
    }
}

/// In a project with an error the built-in table completes, without a word about the error.
#[test]
fn a_broken_project_completes_by_the_built_in_table() {
    let scratch = Scratch::with(&[("crossfile.toml", "arches = \"amd64\"\n")]);
    let output = crossfile()
        .env("CROSSFILE_COMPLETE", "fish")
        .args(["--", "crossfile", "generate", "--arch", "s39"])
        .current_dir(scratch.path())
        .output()
        .unwrap();
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .starts_with("s390x")
    );
    assert_eq!(output.stderr, b"");
}
