//! GitLab CI/CD, as far as our pipelines need it: `extends`, `default`, stages, the cache, artifacts.

use std::fs;

use serde_json::{Map, Value as Json};

use crate::machine::{Event, Ran, Site, copy};
use crate::support::Scratch;

pub(crate) fn run(site: &Site, event: &Event, ran: &mut Ran) -> Result<(), String> {
    let pipeline = site.pipeline("gitlab");
    let source = match event {
        Event::PullRequest => "merge_request_event",
        Event::Push => "push",
    };
    let artifacts = Scratch::new();
    for stage in pipeline["stages"].as_array().unwrap() {
        let mut jobs = 0;
        for (name, own) in pipeline.as_object().unwrap() {
            let is_job = !name.starts_with('.')
                && !["stages", "workflow", "default"].contains(&name.as_str());
            if !is_job {
                continue;
            }
            let job = extended(&pipeline, own);
            if job["stage"] != *stage || !applies(&job, source) {
                continue;
            }
            jobs += 1;
            one(site, name, &job, source, &artifacts, ran)?;
        }
        assert!(jobs > 0 || source == "merge_request_event", "{stage}");
    }
    Ok(())
}

/// A job with what it extends, and the defaults.
fn extended(pipeline: &Json, job: &Json) -> Map<String, Json> {
    let mut all = match job["extends"].as_str() {
        Some(name) => extended(pipeline, &pipeline[name]),
        None => pipeline["default"].as_object().unwrap().clone(),
    };
    for (key, value) in job.as_object().unwrap() {
        match (all.get_mut(key), value) {
            (Some(Json::Object(under)), Json::Object(over)) => under.extend(over.clone()),
            _ => {
                all.insert(key.clone(), value.clone());
            }
        }
    }
    all
}

fn applies(job: &Map<String, Json>, source: &str) -> bool {
    match job.get("rules") {
        None => true,
        Some(rules) => {
            assert_eq!(
                rules[0]["if"],
                "$CI_PIPELINE_SOURCE != \"merge_request_event\""
            );
            source != "merge_request_event"
        }
    }
}

fn one(
    site: &Site,
    name: &str,
    job: &Map<String, Json>,
    source: &str,
    artifacts: &Scratch,
    ran: &mut Ran,
) -> Result<(), String> {
    let machine = site.machine();
    let project = machine.workspace();
    let slug = name.replace(' ', "-");
    let mut env = vec![
        ("CI".to_string(), "true".to_string()),
        ("CI_PIPELINE_SOURCE".to_string(), source.to_string()),
        ("CI_PROJECT_DIR".to_string(), project.display().to_string()),
    ];
    if source != "merge_request_event" {
        // Protected variables do not reach a merge request.
        env.push(("REGISTRY_USER".to_string(), "user".to_string()));
        let password = "pass'word\"$HOME";
        env.push(("REGISTRY_PASSWORD".to_string(), password.to_string()));
    }
    for (name, value) in job
        .get("variables")
        .and_then(Json::as_object)
        .into_iter()
        .flatten()
    {
        // The service that they lead to is the engine of the test, without certificates.
        if name.starts_with("DOCKER_") {
            continue;
        }
        env.push((name.clone(), value.as_str().unwrap().replace("$$", "$")));
    }
    assert_eq!(job["cache"]["key"], "crossfile-$CI_JOB_NAME_SLUG");
    assert_eq!(job["cache"]["paths"][0], ".crossfile/");
    let kept = site.kept.join(&format!("crossfile-{slug}"));
    if kept.is_dir() {
        copy(&kept, &project.join(".crossfile"));
    }
    if artifacts.join("all").is_dir() {
        copy(&artifacts.join("all"), &project.join(".crossfile-digests"));
    }
    let mut items = |key: &str| {
        let list = job[key].as_array().unwrap().iter();
        let list: Vec<&str> = list.map(|item| item.as_str().unwrap()).collect();
        list.iter().for_each(|item| ran.add(item));
        list.join("\n")
    };
    // Source: docs.gitlab.com, "Shells supported by GitLab Runner": one script, `set -eo pipefail` in bash.
    let script = format!("{}\n{}\n", items("before_script"), items("script"));
    let after = items("after_script");
    let shell = ["bash", "-eo", "pipefail"];
    let done = machine.run(&shell, &script, &project, &env);
    if done.is_ok() {
        // What builds see of the folder is what the repository has.
        assert!(!project.join(".crossfile").exists());
    }
    let after = machine.run(&shell, &after, &project, &env);
    done?;
    after?;
    let _ = fs::remove_dir_all(&kept);
    copy(&project.join(".crossfile"), &kept);
    if job.contains_key("artifacts") && project.join(".crossfile-digests").is_dir() {
        assert_eq!(job["artifacts"]["paths"][0], ".crossfile-digests/");
        copy(&project.join(".crossfile-digests"), &artifacts.join("all"));
    }
    Ok(())
}
