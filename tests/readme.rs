//! Everything that the README shows is run: each `console` block in order, in one scratch folder, its output compared;
//! each TOML block read as settings. The Rust block is a doc test, the `sh` block is run by `.ci/run`.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot run a shell should panic"
)]

mod support;

use std::process::Command;

use crossfile::{Config, Layer, NoInputs, Overrides, Source};
use support::Scratch;

const README: &str = include_str!("../README.md");

/// The blocks of a language, each with the line that it begins at.
fn blocks(language: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, String)> = None;
    let mut ours = false;
    for (index, line) in README.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(name)) => {
                ours = name == language;
                open = Some((index + 2, String::new()));
            }
            (Some(_), Some(_)) => {
                let block = open.take().unwrap();
                if ours {
                    blocks.push(block);
                }
            }
            (Some((_, text)), None) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None) => {}
        }
    }
    blocks
}

/// One command with what it is said to print.
struct Step {
    line: usize,
    command: String,
    output: String,
}

fn steps(first: usize, block: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for (index, line) in block.lines().enumerate() {
        if let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step {
                line: first + index,
                command: command.to_string(),
                output: String::new(),
            });
            continue;
        }
        let step = steps.last_mut().unwrap();
        match line.strip_prefix("> ") {
            Some(more) if step.output.is_empty() => {
                step.command.push('\n');
                step.command.push_str(more);
            }
            _ => {
                step.output.push_str(line);
                step.output.push('\n');
            }
        }
    }
    steps
}

#[test]
fn every_command_prints_what_the_readme_says() {
    let scratch = Scratch::new();
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_crossfile"));
    let path = format!(
        "{}:{}",
        program.parent().unwrap().display(),
        std::env::var("PATH").unwrap()
    );
    let mut count = 0;
    for (first, block) in blocks("console") {
        for step in steps(first, &block) {
            let output = Command::new("bash")
                .args(["-c", &format!("exec 2>&1\n{}", step.command)])
                .current_dir(scratch.path())
                .env("PATH", &path)
                .output()
                .unwrap();
            let printed = String::from_utf8(output.stdout).unwrap();
            assert_eq!(
                printed, step.output,
                "README.md:{}: $ {}",
                step.line, step.command
            );
            count += 1;
        }
    }
    assert!(count >= 18, "only {count} commands were found");
}

#[test]
fn the_settings_shown_are_settings() {
    let blocks = blocks("toml");
    assert_eq!(blocks.len(), 2);
    let table = Source::new("arches.toml", blocks[1].1.as_str());
    let map = crossfile::ArchMap::builtin().with_overlay(&table).unwrap();
    assert_eq!(map.resolve("pi5").unwrap().get("tini").unwrap(), "arm64");
    assert!(map.get("toaster").is_some() && map.get("mips").is_none());
    // The files that the example names do not exist here; every key and value is read all the same.
    let text: String = blocks[0]
        .1
        .lines()
        .filter(|line| !line.starts_with("arch-map") && !line.starts_with("vars-file"))
        .map(|line| format!("{line}\n"))
        .collect();
    let layer = Layer::parse(&Source::new("crossfile.toml", text)).unwrap();
    let config = Config::read(&[layer], &Overrides::default(), &NoInputs).unwrap();
    assert_eq!(config.warnings, []);
    assert_eq!(config.cells(&config.arches).len(), 5);
}

#[test]
fn the_numbers_in_the_text_are_the_tables() {
    let map = crossfile::ArchMap::builtin();
    let sentence = format!(
        "one table of {} architectures in {} such vocabularies",
        map.entries().len(),
        map.schemes().len()
    );
    assert!(README.replace('\n', " ").contains(&sentence), "{sentence}");
    for scheme in map.schemes() {
        let known = scheme
            .template_names
            .iter()
            .any(|name| README.contains(&format!("`{name}`")));
        assert!(
            known,
            "the README does not name {:?}",
            scheme.template_names
        );
    }
}
