//! A pipeline of GitLab CI/CD.
//!
//! Jobs run in a container, beside a daemon of Docker. What is kept from run to run has to lie in the project's folder, where
//! build contexts are, so it is moved out of there first and back at the end.

use super::yaml::{Entry, Node, entry, lines, texts, write as yaml};
use super::{Job, Login, Pipeline, Tools, quoted, runners};

const DIGESTS: &str = "$CI_PROJECT_DIR/.crossfile-digests";
const PUSHES: &str = "[ \"$CI_PIPELINE_SOURCE\" != merge_request_event ]";

pub(super) fn write(pipeline: &Pipeline) -> String {
    let mut rules = vec![rule(
        "$CI_PIPELINE_SOURCE == \"merge_request_event\"".to_string(),
    )];
    let names = |variable: &str, names: &[String]| -> Vec<Node> {
        let rule = |name: &String| rule(format!("${variable} =~ /^{}$/", regex(name)));
        names.iter().map(rule).collect()
    };
    rules.extend(names("CI_COMMIT_BRANCH", &pipeline.branches));
    rules.extend(names("CI_COMMIT_TAG", &pipeline.git_tags));
    let mut entries = vec![
        entry("stages", texts(["check", "build", "merge"])),
        entry("workflow", vec![entry("rules", rules)]).apart(),
        entry("default", defaults(pipeline)).apart(),
        entry("check", check(pipeline)).apart(),
        entry(".docker", docker(pipeline)).apart(),
        entry(".build", build(pipeline)).apart(),
    ];
    for own in &pipeline.jobs {
        let name = format!("build {}", own.arch);
        entries.push(entry(&name, job(own)).apart());
    }
    entries.push(entry("merge", merge(pipeline)).apart());
    yaml(&entries)
}

fn rule(condition: String) -> Node {
    Node::Map(vec![entry("if", condition)])
}

/// A pattern as a regular expression in which everything but letters and digits is spelled by its number.
fn regex(name: &str) -> String {
    let mut out = String::new();
    let mut chars = name.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '*' if chars.next_if_eq(&'*').is_some() => out.push_str(".*"),
            '*' => out.push_str("[^\\/]*"),
            '/' => out.push_str("\\/"),
            '.' => out.push_str("\\."),
            c if c.is_ascii_alphanumeric() || c == '-' || c == '_' => out.push(c),
            c => out.push_str(&format!("\\x{{{:x}}}", u32::from(c))),
        }
    }
    out
}

fn defaults(pipeline: &Pipeline) -> Vec<Entry> {
    let mut before = vec![
        "mkdir -p .crossfile/home .crossfile/cache".to_string(),
        "mv .crossfile/home \"$HOME/.crossfile\"".to_string(),
        "mv .crossfile/cache \"$HOME/.crossfile-cache\"".to_string(),
        "rmdir .crossfile".to_string(),
        "export PATH=\"$HOME/.crossfile/bin:$PATH\"".to_string(),
    ];
    before.extend(pipeline.install());
    if !pipeline.folder.is_empty() {
        before.push(format!("cd -- {}", quoted(&pipeline.folder)));
    }
    let after = [
        "mkdir -p .crossfile",
        "mv \"$HOME/.crossfile\" .crossfile/home",
        "mv \"$HOME/.crossfile-cache\" .crossfile/cache",
    ];
    let cache = vec![
        entry("key", "crossfile-$CI_JOB_NAME_SLUG"),
        entry("paths", texts([".crossfile/"])),
    ];
    vec![
        entry("image", pipeline.image.as_str()),
        entry("tags", texts([runners::first(pipeline.service)])),
        entry("timeout", "2 hours"),
        entry("cache", cache),
        entry("before_script", commands(&before)),
        entry("after_script", texts(after)),
    ]
}

/// Each is one item of the list, and may have several lines.
fn commands(commands: &[String]) -> Node {
    let items = commands.iter().map(|command| {
        let own: Vec<&str> = command.lines().collect();
        lines(&own)
    });
    Node::List(items.collect())
}

fn check(pipeline: &Pipeline) -> Vec<Entry> {
    vec![
        entry("stage", "check"),
        entry("script", commands(&pipeline.checks(false))),
    ]
}

/// What speaks to Docker.
fn docker(pipeline: &Pipeline) -> Vec<Entry> {
    let mut variables = vec![
        entry("DOCKER_HOST", "tcp://docker:2376"),
        entry("DOCKER_TLS_CERTDIR", "/certs"),
        entry("DOCKER_TLS_VERIFY", "1"),
        entry("DOCKER_CERT_PATH", "/certs/client"),
        entry("DEBIAN_FRONTEND", "noninteractive"),
    ];
    variables.extend(
        pipeline
            .tools
            .variables(true)
            .iter()
            .map(|(name, value)| entry(name, *value)),
    );
    vec![
        entry("services", texts(["docker:28-dind"])),
        entry("variables", variables),
    ]
}

/// Waits for the daemon: it makes its certificates first.
const WAIT: &str = "timeout 60 sh -c 'until docker info >/dev/null 2>&1; do sleep 1; done'";

fn tools(tools: Tools, is_last: bool) -> Vec<String> {
    let more = match tools {
        Tools::Buildx | Tools::Buildctl if !is_last => " docker-buildx".to_string(),
        Tools::Package(name) => format!(" {name} {}", Pipeline::WITH_BUILDAH),
        _ => String::new(),
    };
    vec![
        Pipeline::APT_UPDATE.to_string(),
        format!("{} docker-cli{more}", Pipeline::APT_INSTALL),
        WAIT.to_string(),
    ]
}

fn build(pipeline: &Pipeline) -> Vec<Entry> {
    let mut script = tools(pipeline.tools, false);
    if pipeline.is_emulated() {
        script.push(format!(
            "if [ -n \"$CROSSFILE_QEMU\" ]; then\n  {} qemu-user-static\n  crossfile qemu register \"$CROSSFILE_ARCH\"\nfi",
            Pipeline::APT_INSTALL
        ));
    }
    match pipeline.tools {
        Tools::Buildx => {
            // buildx takes certificates from a context alone.
            script.push("docker context create crossfile-docker".to_string());
            script.push(format!("{} crossfile-docker", Pipeline::START_BUILDX));
            script.push(Pipeline::USE_BUILDX.to_string());
        }
        Tools::Buildctl => script.push(format!(
            "if {PUSHES}; then\n  {}\nelse\n  docker context create crossfile-docker\n  {} crossfile-docker\n  {}\nfi",
            Pipeline::START_BUILDKIT.join("\n  "),
            Pipeline::START_BUILDX,
            Pipeline::USE_BUILDX
        )),
        Tools::Package(_) | Tools::Nothing => {}
    }
    if pipeline.handlers {
        script.push(Pipeline::FETCH.to_string());
    }
    if pipeline.caches {
        script.extend(Pipeline::TURN_CACHE.iter().map(|line| (*line).to_string()));
    }
    let mut pushing = logins(pipeline);
    pushing.push(pipeline.push(DIGESTS));
    let pushing: Vec<String> = pushing.iter().map(|line| format!("  {line}")).collect();
    let pushing = pushing.join("\n");
    script.push(match pipeline.push_builds() {
        true => format!(
            "if {PUSHES}; then\n{pushing}\nelse\n  {}\nfi",
            pipeline.build()
        ),
        false => format!("{}\nif {PUSHES}; then\n{pushing}\nfi", pipeline.build()),
    });
    let mut entries = vec![
        entry("extends", ".docker"),
        entry("stage", "build"),
        entry("script", commands(&script)),
    ];
    if pipeline.by_digest {
        let artifacts = vec![
            entry("paths", texts([".crossfile-digests/"])),
            entry("expire_in", "1 day"),
        ];
        entries.push(entry("artifacts", artifacts));
    }
    entries
}

fn job(job: &Job) -> Vec<Entry> {
    let mut variables = vec![entry("CROSSFILE_ARCH", escaped(&job.arch))];
    if let Some(qemu) = &job.runner.qemu {
        variables.push(entry("CROSSFILE_QEMU", escaped(qemu)));
    }
    let mut entries = vec![
        entry("extends", ".build"),
        entry("tags", texts(&job.runner.labels)),
        entry("variables", variables),
    ];
    if job.optional {
        entries.push(entry("allow_failure", true));
    }
    entries
}

/// The value of a variable in which GitLab finds no other variable.
fn escaped(text: &str) -> String {
    text.replace('$', "$$")
}

fn merge(pipeline: &Pipeline) -> Vec<Entry> {
    let mut script = tools(pipeline.tools, true);
    script.extend(logins(pipeline));
    script.extend(pipeline.merge(DIGESTS));
    vec![
        entry("extends", ".docker"),
        entry("stage", "merge"),
        entry(
            "rules",
            vec![rule(
                "$CI_PIPELINE_SOURCE != \"merge_request_event\"".to_string(),
            )],
        ),
        entry("resource_group", "crossfile"),
        entry("script", commands(&script)),
    ]
}

fn logins(pipeline: &Pipeline) -> Vec<String> {
    let line = |login: &Login| {
        let user = login.user.as_deref().unwrap_or("CI_REGISTRY_USER");
        let password = login.password.as_deref().unwrap_or("CI_REGISTRY_PASSWORD");
        Pipeline::login(login, user, password)
    };
    pipeline.logins.iter().map(line).collect()
}
