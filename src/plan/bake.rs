//! The builds of a plan as a file for `docker buildx bake`.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{Build, Destination, Plan, Step, Task};

/// The form of docker-bake.json: docs.docker.com/build/bake/reference.
#[derive(Debug, Serialize)]
pub struct Bake {
    group: BTreeMap<String, Group>,
    target: BTreeMap<String, BakeTarget>,
}

#[derive(Debug, Serialize)]
struct Group {
    targets: Vec<String>,
}

#[derive(Debug, Serialize)]
struct BakeTarget {
    context: String,
    dockerfile: String,
    platforms: Vec<String>,
    tags: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    args: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
    #[serde(rename = "cache-from", skip_serializing_if = "Vec::is_empty")]
    cache_from: Vec<String>,
    #[serde(rename = "cache-to", skip_serializing_if = "Vec::is_empty")]
    cache_to: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    secret: Vec<String>,
    output: Vec<String>,
}

/// The builds of a plan. Indexes over images that are built one by one are none of bake's business.
pub fn bake(plan: &Plan) -> Bake {
    let mut names: BTreeSet<String> = BTreeSet::new();
    let mut order = Vec::new();
    let mut targets = BTreeMap::new();
    for step in &plan.steps {
        if let Task::Build(build) = &step.task {
            let name = name(step, &mut names);
            order.push(name.clone());
            targets.insert(name, target(build));
        }
    }
    Bake {
        group: BTreeMap::from([("default".to_string(), Group { targets: order })]),
        target: targets,
    }
}

/// A target's name has letters, digits, `_` and `-`.
fn name(step: &Step, names: &mut BTreeSet<String>) -> String {
    let plain = |c: char| match c.is_ascii_alphanumeric() || c == '_' {
        true => c,
        false => '-',
    };
    let plain: String = step.label.chars().map(plain).collect();
    let mut name = plain.clone();
    let mut number = 2;
    while !names.insert(name.clone()) {
        name = format!("{plain}-{number}");
        number += 1;
    }
    name
}

/// bake fills in `${…}`: a dollar sign that is one is written twice.
fn literal(text: &str) -> String {
    text.replace("${", "$${").replace("%{", "%%{")
}

fn target(build: &Build) -> BakeTarget {
    let all = |list: &[String]| list.iter().map(|text| literal(text)).collect();
    let table = |table: &BTreeMap<String, String>| {
        let pairs = table.iter();
        pairs
            .map(|(name, value)| (literal(name), literal(value)))
            .collect()
    };
    BakeTarget {
        context: literal(&build.context),
        dockerfile: literal(&beside(&build.context, &build.dockerfile)),
        platforms: build
            .targets
            .iter()
            .map(|target| target.platform.clone())
            .collect(),
        tags: match build.destination {
            Destination::Digest => Vec::new(),
            _ => all(&build.tags),
        },
        target: build.target.as_deref().map(literal),
        args: table(&build.args),
        labels: table(&build.labels),
        cache_from: all(&build.cache_from),
        cache_to: all(&build.cache_to),
        secret: all(&build.secrets),
        output: vec![match build.destination {
            Destination::Registry => "type=registry".to_string(),
            Destination::Store => "type=docker".to_string(),
            Destination::Digest => format!("type=image,{}", by_digest(&build.tags)),
        }],
    }
}

/// The fields of BuildKit's exporter for an image that gets no tag.
pub(crate) fn by_digest(names: &[String]) -> String {
    let name = names.join(",");
    let name = match names.len() {
        1 => format!("name={name}"),
        _ => format!("\"name={name}\""),
    };
    format!("{name},push-by-digest=true,name-canonical=true,push=true")
}

/// The way from a context to a Dockerfile: bake looks for it in the context.
fn beside(context: &str, dockerfile: &str) -> String {
    if dockerfile.starts_with('/') || context.contains("://") {
        return dockerfile.to_string();
    }
    let parts = |path: &str| -> Vec<String> {
        let parts = path
            .split('/')
            .filter(|part| !part.is_empty() && *part != ".");
        parts.map(str::to_string).collect()
    };
    let (from, to) = (parts(context), parts(dockerfile));
    let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    // Where the way up from a folder leads, only its own path says.
    if from[shared..].iter().any(|part| part == "..") {
        return dockerfile.to_string();
    }
    let up = from[shared..].iter().map(|_| "..".to_string());
    let way: Vec<String> = up.chain(to[shared..].iter().cloned()).collect();
    way.join("/")
}
