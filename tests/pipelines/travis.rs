//! Travis CI, as far as our pipelines need it: stages, phases of a job, the cache.

use std::fs;

use serde_json::Value as Json;

use crate::machine::{Event, Ran, Site, copy};

pub(crate) fn run(site: &Site, event: &Event, ran: &mut Ran) -> Result<(), String> {
    let pipeline = site.pipeline("travis");
    for stage in pipeline["stages"].as_array().unwrap() {
        let (name, condition) = match stage {
            Json::String(name) => (name.as_str(), None),
            stage => (stage["name"].as_str().unwrap(), stage["if"].as_str()),
        };
        if let Some(condition) = condition {
            assert_eq!(condition, "type != pull_request");
            if *event == Event::PullRequest {
                continue;
            }
        }
        let jobs = pipeline["jobs"]["include"].as_array().unwrap().iter();
        let mut count = 0;
        for job in jobs.filter(|job| job["stage"] == name) {
            count += 1;
            one(site, &pipeline, job, *event, ran)?;
        }
        assert!(count > 0, "{name}");
    }
    Ok(())
}

fn one(
    site: &Site,
    pipeline: &Json,
    job: &Json,
    event: Event,
    ran: &mut Ran,
) -> Result<(), String> {
    let machine = site.machine();
    let pull_request = match event {
        Event::PullRequest => "7",
        Event::Push => "false",
    };
    let mut env = vec![
        ("CI".to_string(), "true".to_string()),
        ("TRAVIS_PULL_REQUEST".to_string(), pull_request.to_string()),
    ];
    if event == Event::Push {
        // No secrets reach a pull request.
        env.push(("REGISTRY_USER".to_string(), "user".to_string()));
        env.push((
            "REGISTRY_PASSWORD".to_string(),
            "pass'word\"$HOME".to_string(),
        ));
    }
    for word in shlex::split(job["env"].as_str().unwrap_or_default()).unwrap() {
        let (name, value) = word.split_once('=').unwrap();
        env.push((name.to_string(), value.to_string()));
    }
    let name = job["name"].as_str().unwrap();
    let folders = pipeline["cache"]["directories"].as_array().unwrap();
    let folders: Vec<&str> = folders
        .iter()
        .map(|folder| folder.as_str().unwrap())
        .collect();
    for folder in &folders {
        let kept = site.kept.join(&format!("{name}{folder}"));
        if kept.is_dir() {
            copy(&kept, &machine.path_of(folder));
        }
    }
    // Source: docs.travis-ci.com, "Job Lifecycle": a failure before `script` ends the job, one in it does not end the phase.
    let mut script = String::from("failed=0\n");
    for (phase, ending) in [
        ("before_install", "|| exit 1"),
        ("install", "|| exit 1"),
        ("before_script", "|| exit 1"),
        ("script", "|| failed=1"),
    ] {
        let items = job.get(phase).unwrap_or(&pipeline[phase]);
        for item in items.as_array().into_iter().flatten() {
            let item = item.as_str().unwrap();
            ran.add(item);
            let quoted = shlex::try_quote(item).unwrap();
            script.push_str(&format!("eval {quoted} {ending}\n"));
        }
    }
    script.push_str("exit $failed\n");
    machine.run(&["bash"], &script, &machine.workspace(), &env)?;
    for folder in &folders {
        let from = machine.path_of(folder);
        if from.is_dir() {
            let kept = site.kept.join(&format!("{name}{folder}"));
            let _ = fs::remove_dir_all(&kept);
            copy(&from, &kept);
        }
    }
    Ok(())
}
