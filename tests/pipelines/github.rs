//! GitHub Actions, as far as our workflows and our action need it: expressions, the order of jobs, the four actions.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value as Json;

use crate::machine::{Event, Machine, Ran, Site, copy, stand_ins};
use crate::support::Scratch;

/// What expressions may ask for.
type Names = BTreeMap<String, Json>;

/// Runs a workflow: `check`, then `build` for each entry of its matrix, then `merge`.
pub(crate) fn run(site: &Site, event: &Event, ran: &mut Ran) -> Result<(), String> {
    let workflow = site.pipeline("github");
    let mut names = Names::new();
    let event = match event {
        Event::PullRequest => "pull_request",
        Event::Push => "push",
    };
    for (name, value) in [
        ("github.event_name", event),
        ("github.ref_type", "branch"),
        ("github.actor", "octocat"),
        ("github.run_id", "1"),
        ("runner.os", "Linux"),
        ("runner.arch", "X64"),
        ("secrets.GITHUB_TOKEN", "a-token"),
        ("secrets.REGISTRY_USER", "user"),
        ("secrets.REGISTRY_PASSWORD", "pass'word\"$HOME"),
    ] {
        names.insert(name.to_string(), Json::from(value));
    }
    assert_eq!(workflow["defaults"]["run"]["shell"], "bash");
    let jobs = workflow["jobs"].as_object().unwrap();
    assert_eq!(jobs.keys().collect::<Vec<_>>(), ["build", "check", "merge"]);
    assert_eq!(jobs["build"]["needs"], "check");
    assert_eq!(jobs["merge"]["needs"], "build");
    let artifacts = Scratch::new();
    for job in ["check", "build", "merge"] {
        let job = &jobs[job];
        if !holds(job.get("if"), &names) {
            continue;
        }
        let points = match job["strategy"]["matrix"]["include"].as_array() {
            Some(points) => points.clone(),
            None => vec![Json::Null],
        };
        for point in points {
            let mut names = names.clone();
            for (name, value) in point.as_object().into_iter().flatten() {
                names.insert(format!("matrix.{name}"), value.clone());
            }
            // Every runner is asked for by a label that is there.
            let runner = text(&job["runs-on"], &names);
            assert!(runner.starts_with("ubuntu-24.04"), "{runner}");
            one(site, job, &names, &artifacts, ran)?;
        }
    }
    Ok(())
}

fn one(
    site: &Site,
    job: &Json,
    names: &Names,
    artifacts: &Scratch,
    ran: &mut Ran,
) -> Result<(), String> {
    let mut machine = site.machine();
    let mut names = names.clone();
    let temp = machine.temp();
    names.insert("runner.temp".into(), temp.to_str().unwrap().into());
    machine.env.extend([
        ("RUNNER_TEMP".to_string(), temp.display().to_string()),
        ("GITHUB_ACTIONS".to_string(), "true".to_string()),
        ("CI".to_string(), "true".to_string()),
    ]);
    machine.env.extend(environment(&job["env"], &names));
    let mut saves = Vec::new();
    for step in job["steps"].as_array().unwrap() {
        if !holds(step.get("if"), &names) {
            continue;
        }
        let with = |name: &str| text(&step["with"][name], &names);
        match step["uses"].as_str().and_then(|uses| uses.split_once('@')) {
            Some((action, commit)) => {
                assert_eq!(commit.len(), 40, "{commit}");
                match action {
                    // The machine has the repository.
                    "actions/checkout" => assert_eq!(step["with"]["persist-credentials"], false),
                    "actions/cache" => {
                        let path = machine.path_of(&with("path"));
                        let key = with("key");
                        let prefix = step["with"]
                            .get("restore-keys")
                            .map(|_| with("restore-keys"));
                        let found = site.kept.join(prefix.as_ref().unwrap_or(&key));
                        if found.is_dir() {
                            copy(&found, &path);
                        }
                        saves.push((path, found));
                    }
                    "actions/upload-artifact" => {
                        let pattern = with("path");
                        let folder = pattern.strip_suffix("/*.json").unwrap();
                        let to = artifacts.join(&with("name"));
                        copy(Path::new(folder), &to);
                        assert!(fs::read_dir(to).unwrap().count() == 1);
                    }
                    "actions/download-artifact" => {
                        assert_eq!(with("pattern"), "digests-*");
                        for artifact in fs::read_dir(artifacts.path()).unwrap() {
                            copy(&artifact.unwrap().path(), Path::new(&with("path")));
                        }
                    }
                    other => panic!("{other} is not known here"),
                }
            }
            None => {
                step_run(&mut machine, step, &job["defaults"]["run"], &mut names, ran)?;
            }
        }
    }
    for (from, to) in saves {
        if from.is_dir() {
            let _ = fs::remove_dir_all(&to);
            copy(&from, &to);
        }
    }
    Ok(())
}

/// A step with a script. What it writes to the files of the runner holds for those that follow.
fn step_run(
    machine: &mut Machine,
    step: &Json,
    defaults: &Json,
    names: &mut Names,
    ran: &mut Ran,
) -> Result<(), String> {
    let own = step["run"].as_str().unwrap();
    ran.add(own);
    let script = fill(own, names);
    let folder = step
        .get("working-directory")
        .unwrap_or(&defaults["working-directory"]);
    let folder = match folder {
        Json::Null => machine.workspace(),
        folder => machine.workspace().join(text(folder, names)),
    };
    let (path, output) = (machine.temp().join("PATH"), machine.temp().join("OUTPUT"));
    let mut env = environment(&step["env"], names);
    for (name, file) in [("GITHUB_PATH", &path), ("GITHUB_OUTPUT", &output)] {
        fs::write(file, "").unwrap();
        env.push((name.to_string(), file.display().to_string()));
    }
    // Source: docs.github.com, "jobs.<job_id>.steps[*].shell".
    let shell: &[&str] = match step["shell"].as_str() {
        // The workflow says so for all steps.
        None | Some("bash") => &["bash", "--noprofile", "--norc", "-eo", "pipefail"],
        Some(other) => panic!("{other}"),
    };
    let done = machine.run(shell, &script, &folder, &env);
    for line in fs::read_to_string(path).unwrap().lines() {
        machine.path.insert(0, line.into());
    }
    if let Some(id) = step["id"].as_str() {
        for (name, value) in outputs(&fs::read_to_string(output).unwrap()) {
            names.insert(format!("steps.{id}.outputs.{name}"), value.into());
        }
    }
    done.map(drop)
}

/// `NAME=VALUE`, and `NAME<<END` with lines up to that end.
fn outputs(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        match line.split_once("<<") {
            Some((name, end)) => {
                let value: Vec<&str> = lines.by_ref().take_while(|line| *line != end).collect();
                found.push((name.to_string(), value.join("\n")));
            }
            None => {
                let (name, value) = line.split_once('=').unwrap();
                found.push((name.to_string(), value.to_string()));
            }
        }
    }
    found
}

fn environment(env: &Json, names: &Names) -> Vec<(String, String)> {
    let entries = env.as_object().into_iter().flatten();
    entries
        .map(|(name, value)| (name.clone(), text(value, names)))
        .collect()
}

fn text(value: &Json, names: &Names) -> String {
    match value {
        Json::String(text) => fill(text, names),
        other => other.to_string(),
    }
}

/// Puts in what expressions stand for.
pub(crate) fn fill(text: &str, names: &Names) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${{") {
        out.push_str(before);
        // The end of an expression is the first that stands in no text of its own.
        let mut quoted = false;
        let end = after.char_indices().find(|(at, c)| {
            quoted ^= *c == '\'';
            !quoted && after[*at..].starts_with("}}")
        });
        let (end, _) = end.unwrap_or_else(|| panic!("no end: {text}"));
        out.push_str(&match value(after[..end].trim(), names) {
            Json::String(text) => text,
            other => other.to_string(),
        });
        rest = &after[end + 2..];
    }
    out + rest
}

/// Equality and inequality, names and texts: all that we write.
fn value(expression: &str, names: &Names) -> Json {
    for (operator, wanted) in [(" == ", true), (" != ", false)] {
        if let Some((left, right)) = expression.split_once(operator) {
            return Json::from((value(left, names) == value(right, names)) == wanted);
        }
    }
    match expression
        .strip_prefix('\'')
        .and_then(|rest| rest.strip_suffix('\''))
    {
        Some(text) => Json::from(text),
        None => {
            let known = names.get(expression);
            known
                .unwrap_or_else(|| panic!("{expression} is not known here"))
                .clone()
        }
    }
}

fn holds(condition: Option<&Json>, names: &Names) -> bool {
    match condition {
        None => true,
        Some(condition) => match value(condition.as_str().unwrap(), names) {
            Json::Bool(holds) => holds,
            Json::String(text) => !text.is_empty(),
            other => panic!("{other}"),
        },
    }
}

/// Runs a composite action with some inputs, and gives its outputs.
pub(crate) fn action(
    scratch: &Scratch,
    action: &Json,
    inputs: &[(&str, &str)],
    ran: &mut Ran,
) -> Result<BTreeMap<String, String>, String> {
    let bin = stand_ins();
    let mut machine = Machine::new(bin.path());
    copy(scratch.path(), &machine.workspace());
    let temp = machine.temp().display().to_string();
    machine.env.push(("RUNNER_TEMP".to_string(), temp));
    let mut names = Names::new();
    names.insert(
        "github.action_path".into(),
        env!("CARGO_MANIFEST_DIR").into(),
    );
    for (name, input) in action["inputs"].as_object().unwrap() {
        names.insert(format!("inputs.{name}"), input["default"].clone());
    }
    for (name, value) in inputs {
        let known = names.insert(format!("inputs.{name}"), (*value).into());
        assert!(known.is_some(), "there is no input {name}");
    }
    // A step that was not run has no outputs, and none is an error.
    for id in ["install.outputs.bin", "run.outputs.stdout"] {
        names.insert(format!("steps.{id}"), "".into());
    }
    for step in action["runs"]["steps"].as_array().unwrap() {
        // What is asked for reaches a script by its environment alone.
        assert!(!step["run"].as_str().unwrap().contains("${{"), "{step}");
        if holds(step.get("if"), &names) {
            step_run(&mut machine, step, &Json::Null, &mut names, ran)?;
        }
    }
    let outputs = action["outputs"].as_object().unwrap().iter();
    Ok(outputs
        .map(|(name, output)| (name.clone(), text(&output["value"], &names)))
        .collect())
}
