//! A build configuration of Travis CI.
//!
//! Jobs hand no files on, so images go by the tags of their architectures. A command of `script` that fails does not stop the
//! next: what belongs together is one command.

use super::yaml::{Entry, Node, entry, lines, texts, write as yaml};
use super::{Job, Login, Pipeline, Tools, quoted, runners};

const PUSHES: &str = "type != pull_request";

pub(super) fn write(pipeline: &Pipeline) -> String {
    let mut runs = vec!["type = pull_request".to_string()];
    runs.extend(
        pipeline
            .branches
            .iter()
            .map(|name| format!("branch =~ ^{}$", expression(name))),
    );
    runs.extend(
        pipeline
            .git_tags
            .iter()
            .map(|name| format!("tag =~ ^{}$", expression(name))),
    );
    let mut before = vec!["export PATH=\"$HOME/.crossfile/bin:$PATH\"".to_string()];
    if !pipeline.folder.is_empty() {
        before.push(format!("cd -- {}", quoted(&pipeline.folder)));
    }
    let mut include = vec![check(pipeline)];
    include.extend(pipeline.jobs.iter().map(|own| job(own, pipeline)));
    include.push(merge(pipeline));
    let mut jobs = vec![entry("include", include)];
    let optional: Vec<Node> = pipeline
        .jobs
        .iter()
        .filter(|job| job.optional)
        .map(|job| Node::Map(vec![entry("env", env(job))]))
        .collect();
    if !optional.is_empty() {
        jobs.push(entry("allow_failures", optional));
    }
    let stages = vec![
        Node::from("check"),
        Node::from("build"),
        Node::Map(vec![entry("name", "merge"), entry("if", PUSHES)]),
    ];
    let kept = ["$HOME/.crossfile", "$HOME/.crossfile-cache"];
    let kept = &kept[..if pipeline.caches { 2 } else { 1 }];
    yaml(&[
        entry("os", "linux"),
        entry("dist", "noble"),
        entry("language", "rust"),
        entry("rust", "stable"),
        entry("services", texts(["docker"])),
        entry("if", runs.join(" OR ")).apart(),
        entry("cache", vec![entry("directories", texts(kept))]).apart(),
        entry("before_install", texts(before)).apart(),
        entry("install", commands(&pipeline.install())),
        entry("stages", stages).apart(),
        entry("jobs", jobs).apart(),
    ])
}

fn commands(commands: &[String]) -> Node {
    let items = commands.iter().map(|command| {
        let own: Vec<&str> = command.lines().collect();
        lines(&own)
    });
    Node::List(items.collect())
}

fn entries(stage: &str, name: &str, arch: &str, more: Vec<Entry>) -> Node {
    let mut entries = vec![
        entry("stage", stage),
        entry("name", name),
        entry("arch", arch),
    ];
    entries.extend(more);
    Node::Map(entries)
}

fn check(pipeline: &Pipeline) -> Node {
    let script = vec![entry("script", commands(&pipeline.checks(false)))];
    let arch = runners::first(pipeline.service);
    entries("check", "generated files are right", arch, script)
}

/// A pattern as an expression of Ruby, in which other characters are spelled otherwise than for GitLab.
fn expression(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        match c {
            '*' | '/' | '.' | '-' | '_' => out.push(c),
            c if c.is_ascii_alphanumeric() => out.push(c),
            c if c.is_ascii() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c if u32::from(c) <= 0xffff => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
        }
    }
    let any = out.replace('.', "\\.").replace('/', "\\/");
    any.replace("**", "\u{0}")
        .replace('*', "[^\\/]*")
        .replace('\u{0}', ".*")
}

/// The variable that a job gets.
fn env(job: &Job) -> String {
    format!("CROSSFILE_ARCH={}", quoted(&job.arch))
}

fn job(job: &Job, pipeline: &Pipeline) -> Node {
    let mut before = Vec::new();
    if job.runner.qemu.is_some() {
        before.push(format!("sudo {}", Pipeline::APT_UPDATE));
        before.push(format!("sudo {} qemu-user-static", Pipeline::APT_INSTALL));
        before
            .push("sudo \"$(command -v crossfile)\" qemu register \"$CROSSFILE_ARCH\"".to_string());
    }
    match pipeline.tools {
        Tools::Nothing => {}
        Tools::Buildx => {
            before.push(Pipeline::START_BUILDX.to_string());
            before.push(Pipeline::USE_BUILDX.to_string());
        }
        Tools::Buildctl => {
            let variables = pipeline.tools.variables(false).iter();
            before.extend(variables.map(|(name, value)| format!("export {name}={value}")));
            before.push(format!(
                "if [ \"$TRAVIS_PULL_REQUEST\" = false ]; then\n  {}\nelse\n  {{ {}; }} &&\n  {}\nfi",
                Pipeline::START_BUILDKIT.map(|line| format!("{{ {line}; }}")).join(" &&\n  "),
                Pipeline::START_BUILDX,
                Pipeline::USE_BUILDX
            ));
        }
        Tools::Package(name) => before.extend(package(name)),
    }
    if pipeline.handlers {
        before.push(Pipeline::FETCH.to_string());
    }
    if pipeline.caches {
        before.extend(Pipeline::TURN_CACHE.iter().map(|line| (*line).to_string()));
    }
    let mut pushing = logins(pipeline);
    pushing.push(pipeline.push(""));
    let script = match pipeline.push_builds() {
        true => format!(
            "if [ \"$TRAVIS_PULL_REQUEST\" = false ]; then\n  {}\nelse\n  {}\nfi",
            pushing.join(" &&\n  "),
            pipeline.build()
        ),
        false => format!(
            "{} &&\nif [ \"$TRAVIS_PULL_REQUEST\" = false ]; then\n  {}\nfi",
            pipeline.build(),
            pushing.join(" &&\n  ")
        ),
    };
    let mut more = vec![entry("env", env(job))];
    if !before.is_empty() {
        more.push(entry("before_script", commands(&before)));
    }
    more.push(entry("script", commands(&[script])));
    let arch = job.runner.labels.first().map_or("", String::as_str);
    entries("build", &format!("build {}", job.arch), arch, more)
}

/// Of a package of the machine's distribution.
fn package(name: &str) -> [String; 2] {
    [
        format!("sudo {}", Pipeline::APT_UPDATE),
        format!(
            "sudo {} {name} {}",
            Pipeline::APT_INSTALL,
            Pipeline::WITH_BUILDAH
        ),
    ]
}

fn merge(pipeline: &Pipeline) -> Node {
    let mut script = logins(pipeline);
    script.extend(pipeline.merge(""));
    let mut more = Vec::new();
    if let Tools::Package(name) = pipeline.tools {
        more.push(entry("before_script", commands(&package(name))));
    }
    more.push(entry("script", commands(&[script.join(" &&\n")])));
    let arch = runners::first(pipeline.service);
    entries("merge", "index", arch, more)
}

fn logins(pipeline: &Pipeline) -> Vec<String> {
    let line = |login: &Login| {
        let user = login.user.as_deref().unwrap_or("REGISTRY_USER");
        let password = login.password.as_deref().unwrap_or("REGISTRY_PASSWORD");
        Pipeline::login(login, user, password)
    };
    pipeline.logins.iter().map(line).collect()
}
