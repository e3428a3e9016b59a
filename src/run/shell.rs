//! A plan's actions as a shell script that runs on its own.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::{quoted, scratch_name};
use crate::backend::{Action, Command, Expect, Find, Value};
use crate::plan::{Plan, Step};

/// The script, in POSIX shell. `actions` are those of each step.
pub fn shell(plan: &Plan, actions: &[Vec<Action>]) -> String {
    let mut used = BTreeSet::new();
    let mut has_scratch = false;
    for action in actions.iter().flatten() {
        for arg in &action.command().args {
            look(arg, &mut used, &mut has_scratch);
        }
    }
    let mut script = String::from("#!/bin/sh\n# Made by crossfile plan --format shell.\nset -eu\n");
    if has_scratch {
        script.push_str("scratch=$(mktemp -d)\ntrap 'rm -rf \"$scratch\"' EXIT\n");
    }
    for (step, actions) in plan.steps.iter().zip(actions) {
        // Writing to a text cannot fail.
        let _ = write!(script, "\n# {}", comment(&step.id.0));
        if let Some(builder) = &step.builder {
            let _ = write!(script, " on {}", comment(builder));
        }
        script.push('\n');
        for action in actions {
            let command = action.command();
            if command.only_reports {
                continue;
            }
            push_command(&mut script, step, &command, &used);
        }
    }
    // What a shell is to leave alone stands in single quotes, which shellcheck remarks on.
    let own = |line: &&str| line.starts_with("trap ") || line.contains("=$(");
    let mut lines = script.lines().filter(|line| !own(line));
    let has_dollar = lines.any(|line| line.contains('\'') && line.contains(['$', '`']));
    match has_dollar {
        true => script.replacen("set -eu\n", "# shellcheck disable=SC2016\nset -eu\n", 1),
        false => script,
    }
}

/// A text in a comment: what ends a line would end the comment.
fn comment(text: &str) -> String {
    text.replace(char::is_control, " ")
}

/// Notes which outputs an argument uses, and whether it names a file of the run's own.
fn look(value: &Value, used: &mut BTreeSet<(String, String)>, has_scratch: &mut bool) {
    match value {
        Value::Text(_) => {}
        Value::Scratch { .. } => *has_scratch = true,
        Value::Output { step, key } => {
            used.insert((step.clone(), key.clone()));
        }
        Value::Joined(parts) => parts.iter().for_each(|part| look(part, used, has_scratch)),
    }
}

fn push_command(
    script: &mut String,
    step: &Step,
    command: &Command,
    used: &BTreeSet<(String, String)>,
) {
    let mut line = String::new();
    for (name, value) in &command.env {
        let _ = write!(line, "{name}={} ", quoted(value));
    }
    // With `=` a word at the front would be a variable.
    match command.program.contains('=') {
        true => line.push_str(&format!("'{}'", command.program.replace('\'', "'\\''"))),
        false => line.push_str(&quoted(&command.program)),
    }
    for arg in &command.args {
        let _ = write!(line, " {}", word(arg));
    }
    if let Some(stdin) = &command.stdin {
        line = format!("printf %s {} | {line}", quoted(stdin));
    }
    if command.may_fail {
        line.push_str(" || true");
    }
    if let Some(Expect::Platforms { needed, .. }) = &command.expect
        && !needed.is_empty()
    {
        let needed = comment(&needed.join(", "));
        let _ = writeln!(script, "# It has to have {needed}.");
    }
    let mut captured = false;
    let mut after = String::new();
    for wanted in &command.yields {
        if !used.contains(&(step.id.0.clone(), wanted.key.clone())) {
            continue;
        }
        let name = variable(&step.id.0, &wanted.key);
        let file = |file: &str| format!("\"$scratch\"/{}", quoted(&scratch_name(file)));
        match &wanted.from {
            Find::Stdout => line = format!("{name}=$({line})"),
            Find::LastLine => line = format!("{name}=$({line} | tail -n 1)"),
            Find::After(text) => {
                let pattern = format!("s/.*{}\\([^ ]*\\).*/\\1/p", escaped(text));
                line = format!("{name}=$({line} | sed -n {})", quoted(&pattern));
            }
            Find::File(path) => {
                let _ = writeln!(after, "{name}=$(cat {})", file(path));
                continue;
            }
            Find::Json {
                file: path,
                pointer,
            } => {
                let field = pointer.rsplit('/').next().unwrap_or_default();
                let pattern = format!("s/.*\"{}\": *\"\\([^\"]*\\)\".*/\\1/p", escaped(field));
                let _ = writeln!(
                    after,
                    "{name}=$(sed -n {} {} | head -n 1)",
                    quoted(&pattern),
                    file(path)
                );
                continue;
            }
        }
        captured = true;
        break;
    }
    debug_assert!(!captured || after.is_empty());
    script.push_str(&line);
    script.push('\n');
    script.push_str(&after);
}

/// A text in a regular expression of sed.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for char in text.chars() {
        if r"\.*[]^$/".contains(char) {
            escaped.push('\\');
        }
        escaped.push(char);
    }
    escaped
}

fn word(value: &Value) -> String {
    match value {
        Value::Text(text) => quoted(text),
        Value::Scratch { scratch } => format!("\"$scratch\"/{}", quoted(&scratch_name(scratch))),
        Value::Output { step, key } => format!("\"${{{}}}\"", variable(step, key)),
        Value::Joined(parts) => parts.iter().map(word).collect(),
    }
}

/// The variable of a step's output.
fn variable(step: &str, key: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    format!("{step}_{key}").chars().map(plain).collect()
}
