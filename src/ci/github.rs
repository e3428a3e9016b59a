//! A workflow of GitHub Actions.
//!
//! What comes from the settings reaches a script by the environment alone, and an expression in it is a text:
//! nothing that somebody writes into crossfile.toml is evaluated by GitHub.

use super::yaml::{Entry, Node, entry, lines, texts, write as yaml};
use super::{Job, Login, Pipeline, Tools, runners};

/// The actions that are used, each by its commit. The version is for people, and for programs that propose newer ones.
const CHECKOUT: Action = Action {
    uses: "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1",
    version: "v7.0.1",
};
const CACHE: Action = Action {
    uses: "actions/cache@27d5ce7f107fe9357f9df03efb73ab90386fccae",
    version: "v5.0.5",
};
const UPLOAD: Action = Action {
    uses: "actions/upload-artifact@bbbca2ddaa5d8feaa63e36b76fdaad77386f024f",
    version: "v7.0.0",
};
const DOWNLOAD: Action = Action {
    uses: "actions/download-artifact@3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c",
    version: "v8.0.1",
};

struct Action {
    uses: &'static str,
    version: &'static str,
}

const DIGESTS: &str = "$RUNNER_TEMP/digests";
const PUSHES: &str = "github.event_name != 'pull_request'";

/// A text in which GitHub finds no expression.
fn literal(text: &str) -> String {
    text.replace("${{", "${{ '${{' }}")
}

pub(super) fn write(pipeline: &Pipeline) -> String {
    let filter = |names: &[String]| texts(names.iter().map(|name| pattern(name)));
    let mut push = Vec::new();
    if !pipeline.branches.is_empty() {
        push.push(entry("branches", filter(&pipeline.branches)));
    }
    if !pipeline.git_tags.is_empty() {
        push.push(entry("tags", filter(&pipeline.git_tags)));
    }
    let mut on = Vec::new();
    if !push.is_empty() {
        on.push(entry("push", push));
    }
    on.push(entry("pull_request", Node::Raw("")));
    yaml(&[
        entry("name", "crossfile"),
        entry("on", on).apart(),
        entry("permissions", Node::Map(Vec::new())).apart(),
        // Runners with Windows would take another.
        entry("defaults", vec![entry("run", vec![entry("shell", "bash")])]).apart(),
        entry(
            "concurrency",
            vec![
                entry("group", "crossfile-${{ github.ref }}"),
                entry(
                    "cancel-in-progress",
                    "${{ github.event_name == 'pull_request' }}",
                ),
            ],
        )
        .apart()
        .above("One run at a time: a tag moves last, and to the newer index."),
        entry(
            "jobs",
            vec![
                entry("check", check(pipeline)),
                entry("build", build(pipeline)).apart(),
                entry("merge", merge(pipeline)).apart(),
            ],
        )
        .apart(),
    ])
}

/// A pattern of branches, of which only `*` is special.
fn pattern(name: &str) -> String {
    let mut out = String::new();
    for (at, c) in name.chars().enumerate() {
        if "+?[]".contains(c) || (c == '!' && at == 0) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn uses(action: &Action, with: Vec<Entry>) -> Node {
    Node::Map(vec![
        entry("uses", action.uses).behind(action.version),
        entry("with", with),
    ])
}

/// What is kept from run to run. A release from a tag of git takes nothing that another run left.
fn cache(with: Vec<Entry>) -> Node {
    Node::Map(vec![
        entry("if", "github.ref_type != 'tag'"),
        entry("uses", CACHE.uses).behind(CACHE.version),
        entry("with", with),
    ])
}

fn run(name: &str, commands: &[String]) -> Node {
    Node::Map(vec![entry("name", name), entry("run", lines(commands))])
}

fn run_if(name: &str, condition: &str, commands: &[String]) -> Node {
    Node::Map(vec![
        entry("name", name),
        entry("if", condition),
        entry("run", lines(commands)),
    ])
}

/// What every job begins with.
fn begin(pipeline: &Pipeline) -> Vec<Node> {
    let key = match pipeline.install {
        None => env!("CARGO_PKG_VERSION"),
        Some(_) => "${{ hashFiles('.github/workflows/crossfile.yml') }}",
    };
    let mut install: Vec<String> = pipeline
        .install()
        .iter()
        .map(|line| literal(line))
        .collect();
    install.push("echo \"$HOME/.crossfile/bin\" >>\"$GITHUB_PATH\"".to_string());
    vec![
        uses(&CHECKOUT, vec![entry("persist-credentials", false)]),
        cache(vec![
            entry("path", "~/.crossfile"),
            entry(
                "key",
                format!("crossfile-{key}-${{{{ runner.os }}}}-${{{{ runner.arch }}}}"),
            ),
        ]),
        run("Install crossfile", &install),
    ]
}

fn job(
    pipeline: &Pipeline,
    name: &str,
    minutes: &'static str,
    (runner, packages): (&str, bool),
    more: Vec<Entry>,
    steps: Vec<Node>,
) -> Vec<Entry> {
    let mut permissions = vec![entry("contents", "read")];
    if packages {
        permissions
            .push(entry("packages", "write").behind("the token of the run pushes the images"));
    }
    let mut entries = vec![entry("name", name)];
    entries.extend(more);
    entries.push(entry("runs-on", runner));
    entries.push(entry("timeout-minutes", Node::Raw(minutes)));
    entries.push(entry("permissions", permissions));
    if !pipeline.folder.is_empty() {
        let run = vec![entry("working-directory", pipeline.folder.as_str())];
        entries.push(entry("defaults", vec![entry("run", run)]));
    }
    entries.push(entry("steps", steps));
    entries
}

fn check(pipeline: &Pipeline) -> Vec<Entry> {
    let mut steps = begin(pipeline);
    let names = [
        "Generated files are what the templates make",
        "Lint",
        "This file is what crossfile.toml makes",
    ];
    let checks = pipeline.checks(true);
    for (name, command) in names.iter().zip(checks) {
        steps.push(run(name, &[command]));
    }
    let runner = (runners::first(pipeline.service), false);
    job(pipeline, "Check", "15", runner, Vec::new(), steps)
}

fn build(pipeline: &Pipeline) -> Vec<Entry> {
    let some_optional = pipeline.jobs.iter().any(|job| job.optional);
    let include = pipeline
        .jobs
        .iter()
        .map(|job| point(job, pipeline, some_optional));
    let matrix = vec![entry("include", include.collect::<Vec<Node>>())];
    let strategy = vec![entry("fail-fast", false), entry("matrix", matrix)];
    let mut more = vec![entry("needs", "check"), entry("strategy", strategy)];
    if some_optional {
        more.push(entry("continue-on-error", "${{ matrix.optional }}"));
    }
    let mut env = vec![entry("CROSSFILE_ARCH", "${{ matrix.arch }}")];
    env.extend(
        pipeline
            .tools
            .variables(false)
            .iter()
            .map(|(name, value)| entry(name, *value)),
    );
    more.push(entry("env", env));

    let mut steps = begin(pipeline);
    if pipeline.caches {
        steps.push(cache(vec![
            entry("path", "~/.crossfile-cache/new"),
            entry(
                "key",
                "crossfile-build-${{ matrix.arch }}-${{ github.run_id }}",
            ),
            entry("restore-keys", "crossfile-build-${{ matrix.arch }}-"),
        ]));
        steps.push(run(
            "Take the last run's cache",
            &Pipeline::TURN_CACHE.map_strings(),
        ));
    }
    if pipeline.is_emulated() {
        let commands = [
            format!("sudo {}", Pipeline::APT_UPDATE),
            format!("sudo {} qemu-user-static", Pipeline::APT_INSTALL),
            "sudo \"$(command -v crossfile)\" qemu register \"$CROSSFILE_ARCH\"".to_string(),
        ];
        steps.push(run_if(
            "Have QEMU run its programs",
            "matrix.emulated",
            &commands,
        ));
    }
    if pipeline.tools == Tools::Buildctl {
        let commands = [Pipeline::START_BUILDX, Pipeline::USE_BUILDX];
        steps.push(run_if(
            "Start a builder that pushes nothing",
            "github.event_name == 'pull_request'",
            &commands.map_strings(),
        ));
    }
    steps.extend(tools(pipeline));
    if pipeline.handlers {
        steps.push(run("Fetch QEMU's handlers", &[Pipeline::FETCH.to_string()]));
    }
    steps.extend(logins(pipeline, Some(PUSHES)));
    match pipeline.push_builds() {
        true => {
            steps.push(run_if(
                "Build",
                "github.event_name == 'pull_request'",
                &[pipeline.build()],
            ));
            let name = match pipeline.by_digest {
                true => "Build and push by digest",
                false => "Build and push",
            };
            steps.push(run_if(name, PUSHES, &[pipeline.push(DIGESTS)]));
        }
        false => {
            steps.push(run("Build", &[pipeline.build()]));
            steps.push(run_if("Push", PUSHES, &[pipeline.push(DIGESTS)]));
        }
    }
    if pipeline.by_digest {
        let mut upload = vec![
            entry("name", "Hand the digests on"),
            entry("if", PUSHES),
            entry("uses", UPLOAD.uses).behind(UPLOAD.version),
        ];
        upload.push(entry(
            "with",
            vec![
                entry("name", "digests-${{ matrix.arch }}"),
                entry("path", "${{ runner.temp }}/digests/*.json"),
                entry("if-no-files-found", "error"),
                // A job that runs again has pushed again.
                entry("overwrite", true),
                entry("retention-days", Node::Raw("1")),
            ],
        ));
        steps.push(Node::Map(upload));
    }
    let runner = ("${{ matrix.runner }}", pushes_to_github(pipeline));
    job(
        pipeline,
        "Build ${{ matrix.arch }}",
        "120",
        runner,
        more,
        steps,
    )
}

/// What makes the backend work.
fn tools(pipeline: &Pipeline) -> Option<Node> {
    Some(match pipeline.tools {
        Tools::Nothing => return None,
        Tools::Buildx => run(
            "Start BuildKit",
            &[
                Pipeline::START_BUILDX.to_string(),
                Pipeline::USE_BUILDX.to_string(),
            ],
        ),
        Tools::Buildctl => run_if(
            "Start BuildKit",
            PUSHES,
            &Pipeline::START_BUILDKIT.map_strings(),
        ),
        Tools::Package(name) => run(&format!("Install {name}"), &package(name)),
    })
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

fn point(job: &Job, pipeline: &Pipeline, some_optional: bool) -> Node {
    let labels: Vec<String> = job
        .runner
        .labels
        .iter()
        .map(|label| literal(label))
        .collect();
    let runner = match labels.as_slice() {
        [label] => Node::from(label.as_str()),
        several => texts(several),
    };
    let mut entries = vec![entry("arch", literal(&job.arch)), entry("runner", runner)];
    if pipeline.is_emulated() {
        entries.push(entry("emulated", job.runner.qemu.is_some()));
    }
    if some_optional {
        entries.push(entry("optional", job.optional));
    }
    Node::Map(entries)
}

fn merge(pipeline: &Pipeline) -> Vec<Entry> {
    let more = vec![entry("needs", "build"), entry("if", PUSHES)];
    let mut steps = begin(pipeline);
    if pipeline.by_digest {
        steps.push(uses(
            &DOWNLOAD,
            vec![
                entry("pattern", "digests-*"),
                entry("path", "${{ runner.temp }}/digests"),
                entry("merge-multiple", true),
            ],
        ));
    }
    if let Tools::Package(_) = pipeline.tools {
        steps.extend(tools(pipeline));
    }
    steps.extend(logins(pipeline, None));
    let names = ["Make the index", "Prove it"];
    for (name, command) in names.iter().zip(pipeline.merge(DIGESTS)) {
        steps.push(run(name, &[command]));
    }
    let runner = (runners::first(pipeline.service), pushes_to_github(pipeline));
    job(
        pipeline,
        "Make and prove the index",
        "30",
        runner,
        more,
        steps,
    )
}

/// Whether the token of the run pushes.
fn pushes_to_github(pipeline: &Pipeline) -> bool {
    let is_token = |login: &Login| match &login.password {
        None => true,
        Some(name) => name == "GITHUB_TOKEN",
    };
    pipeline.logins.iter().any(is_token)
}

fn logins(pipeline: &Pipeline, condition: Option<&str>) -> Vec<Node> {
    let step = |login: &Login| {
        let secret = |name: &str| format!("${{{{ secrets.{name} }}}}");
        let user = match &login.user {
            Some(name) => secret(name),
            None => "${{ github.actor }}".to_string(),
        };
        let password = secret(login.password.as_deref().unwrap_or("GITHUB_TOKEN"));
        let mut entries = vec![entry("name", format!("Log in to {}", login.host))];
        entries.extend(condition.map(|condition| entry("if", condition)));
        let env = vec![
            entry("REGISTRY_USER", user),
            entry("REGISTRY_PASSWORD", password),
        ];
        entries.push(entry("env", env));
        let command = Pipeline::login(login, "REGISTRY_USER", "REGISTRY_PASSWORD");
        entries.push(entry("run", lines(&[command])));
        Node::Map(entries)
    };
    pipeline.logins.iter().map(step).collect()
}

/// Commands as texts of their own.
trait Strings {
    fn map_strings(&self) -> Vec<String>;
}

impl Strings for [&str] {
    fn map_strings(&self) -> Vec<String> {
        self.iter().map(|line| (*line).to_string()).collect()
    }
}
