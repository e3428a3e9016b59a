//! Plans done by a runner that only notes what it is given.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot set up its plan should panic"
)]

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crossfile::backend::{Action, Backend, Capabilities, Docker, Unsupported};
use crossfile::plan::{Goal, Options, Step, StepId};
use crossfile::run::{
    Events, ExecError, Performed, Report, Resolved, Runner, Schedule, StepReport, StepStatus,
    Watcher, resolve,
};
use crossfile::{NoInputs, Overrides, Plan, Project, Selection};

/// Notes each command; those that hold one of `failing` fail, the first `times` times.
#[derive(Default)]
struct Notes {
    commands: Mutex<Vec<String>>,
    failing: Vec<&'static str>,
    times: Mutex<BTreeMap<String, usize>>,
    running: AtomicUsize,
    most: AtomicUsize,
    waited: Mutex<Vec<Duration>>,
    /// Called off once that many commands have run.
    cancel_after: Option<usize>,
    /// What a command that fails says last; nothing in particular by default.
    says: Option<&'static str>,
}

impl Notes {
    fn failing(failing: &[&'static str]) -> Notes {
        Notes {
            failing: failing.to_vec(),
            ..Notes::default()
        }
    }

    fn lines(&self) -> Vec<String> {
        self.commands.lock().unwrap().clone()
    }

    fn count(&self, part: &str) -> usize {
        self.lines()
            .iter()
            .filter(|line| line.contains(part))
            .count()
    }
}

impl Runner for Notes {
    fn run(&self, action: &Action, events: &dyn Events) -> Result<Performed, ExecError> {
        if self.is_cancelled() {
            return Err(ExecError::Cancelled);
        }
        let now = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        let resolved = resolve(action, std::path::Path::new("/scratch"), &|step, key| {
            events.output(step, key)
        });
        let line = resolved.unwrap().to_string();
        // Long enough for others to be at work, too.
        thread::sleep(Duration::from_millis(20));
        self.running.fetch_sub(1, Ordering::SeqCst);
        self.commands.lock().unwrap().push(line.clone());
        let fails = self.failing.iter().any(|part| line.contains(part));
        let mut times = self.times.lock().unwrap();
        let left = times.get_mut(&line);
        let fails = fails
            && match left {
                Some(0) => false,
                Some(left) => {
                    *left -= 1;
                    true
                }
                None => true,
            };
        match fails {
            true => Err(ExecError::Failed {
                command: line,
                code: Some(1),
                last: vec![self.says.unwrap_or("it did not work").to_string()],
            }),
            false => Ok(Performed::default()),
        }
    }

    fn is_cancelled(&self) -> bool {
        let done = self.commands.lock().unwrap().len();
        self.cancel_after.is_some_and(|most| done >= most)
    }

    fn pause(&self, wait: Duration) {
        self.waited.lock().unwrap().push(wait);
    }
}

struct Silent;

impl Watcher for Silent {
    fn started(&self, _: &Step) {}
    fn command(&self, _: &Step, _: &Resolved) {}
    fn line(&self, _: &Step, _: &str) {}
    fn again(&self, _: &Step, _: &ExecError, _: Duration) {}
    fn finished(&self, _: &Step, _: &StepReport) {}
}

/// The plan of a project with these settings and one template.
fn plan(settings: &str, backend: &dyn Backend) -> Plan {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("crossfile.toml"), settings).unwrap();
    let template = "FROM __BASEIMAGE_ARCH__/alpine\n";
    std::fs::write(folder.path().join("Dockerfile.cross"), template).unwrap();
    let paths = [folder.path().to_path_buf()];
    let project = Project::open(&paths, &Overrides::default(), &NoInputs);
    let selection = Selection::default();
    let expansion = project.expand(&selection);
    let (products, problems) = project.products(&expansion, &selection);
    assert!(problems.is_empty(), "{problems:?}");
    let capabilities = backend.capabilities();
    let mut options = Options::new(backend.name(), &capabilities);
    options.goal = Goal::Release;
    options.folder = folder.path().to_path_buf();
    Plan::make(&products, &options).unwrap()
}

const SETTINGS: &str = "image = \"acme/nginx\"\narches = [\"amd64\", \"arm32v7\", \"arm64v8\"]\n";

struct How {
    jobs: usize,
    keep_going: bool,
}

const ONE: How = How {
    jobs: 1,
    keep_going: false,
};

fn run(plan: &Plan, runner: &Notes, how: &How) -> Report {
    let waits = [Duration::from_secs(1), Duration::from_secs(2)];
    let schedule = Schedule {
        plan,
        backend: &Docker,
        runner,
        watcher: &Silent,
        jobs: how.jobs,
        keep_going: how.keep_going,
        waits: &waits,
    };
    schedule.run().unwrap()
}

fn status<'r>(report: &'r Report, id: &str) -> &'r StepStatus {
    let step = report.steps.iter().find(|step| step.id.0 == id);
    &step.unwrap_or_else(|| panic!("no step {id}")).status
}

fn skipped(because: &str) -> StepStatus {
    StepStatus::Skipped(Some(StepId(because.to_string())))
}

#[test]
fn everything_is_done_once_and_the_tag_moves_last() {
    let plan = plan(SETTINGS, &Docker);
    let runner = Notes::default();
    let report = run(&plan, &runner, &ONE);
    assert!(report.is_good(&plan));
    let lines = runner.lines();
    let at = |part: &str| {
        let found = lines.iter().position(|line| line.contains(part));
        found.unwrap_or_else(|| panic!("{part} is not in {lines:#?}"))
    };
    for arch in ["amd64", "arm32v7", "arm64v8"] {
        assert_eq!(runner.count(&format!("-f Dockerfile.{arch}")), 1);
        assert!(
            at(&format!("build --platform linux/{}", &platform(arch)))
                < at(&format!("push acme/nginx:{arch}"))
        );
        assert!(at(&format!("push acme/nginx:{arch}")) < at("manifest create"));
    }
    assert!(at("manifest create") < at("manifest push"));
    assert!(at("manifest push") < at("manifest inspect"));
}

fn platform(arch: &str) -> &'static str {
    match arch {
        "amd64" => "amd64",
        "arm32v7" => "arm/v7",
        _ => "arm64",
    }
}

#[test]
fn a_builder_has_no_more_than_its_jobs_and_others_have_theirs() {
    let local = plan(SETTINGS, &Docker);
    let runner = Notes::default();
    run(&local, &runner, &ONE);
    assert_eq!(runner.most.load(Ordering::SeqCst), 1);
    let runner = Notes::default();
    run(&local, &runner, &How { jobs: 3, ..ONE });
    assert!(runner.most.load(Ordering::SeqCst) > 1);

    // One job each, and three builders.
    let settings = format!(
        "{SETTINGS}[arch.arm32v7]\nbuilder = \"pi\"\n[arch.arm64v8]\nbuilder = \"graviton\"\n"
    );
    let fleet = plan(&settings, &Docker);
    let runner = Notes::default();
    run(&fleet, &runner, &ONE);
    assert!(runner.most.load(Ordering::SeqCst) > 1);
    assert_eq!(runner.count("--context pi build"), 1);
    assert_eq!(runner.count("--context graviton push"), 1);
}

#[test]
fn of_several_builders_each_image_takes_the_next() {
    let settings = "image = \"acme/nginx\"\ntags = [\"{{version}}\"]\narches = [\"arm64v8\"]\n[matrix]\nversion = [\"1\", \"2\", \"3\"]\n[arch.arm64v8]\nbuilder = [\"a\", \"b\"]\n";
    let folder_plan = plan_of_matrix(settings);
    let builders: Vec<_> = folder_plan
        .steps
        .iter()
        .filter(|step| step.id.0.starts_with("build:"))
        .map(|step| step.builder.clone().unwrap())
        .collect();
    assert_eq!(builders, ["a", "b", "a"]);
}

fn plan_of_matrix(settings: &str) -> Plan {
    plan(settings, &Docker)
}

#[test]
fn a_failure_stops_what_depends_on_it_and_what_was_not_begun() {
    let plan = plan(SETTINGS, &Docker);
    let runner = Notes::failing(&["-f Dockerfile.amd64"]);
    let report = run(&plan, &runner, &ONE);
    assert!(!report.is_good(&plan));
    assert!(matches!(
        status(&report, "build:amd64"),
        StepStatus::Failed(_)
    ));
    assert_eq!(*status(&report, "push:amd64"), skipped("build:amd64"));
    assert_eq!(runner.count("push"), 0, "{:#?}", runner.lines());
    assert_eq!(runner.count("manifest"), 0);
    // A build has one attempt.
    assert_eq!(runner.count("-f Dockerfile.amd64"), 1);
}

#[test]
fn with_keep_going_the_rest_is_done_and_no_tag_moves() {
    let plan = plan(SETTINGS, &Docker);
    let runner = Notes::failing(&["-f Dockerfile.amd64"]);
    let how = How {
        jobs: 2,
        keep_going: true,
    };
    let report = run(&plan, &runner, &how);
    assert_eq!(*status(&report, "push:arm64v8"), StepStatus::Done);
    assert_eq!(*status(&report, "push:arm32v7"), StepStatus::Done);
    assert_eq!(
        *status(&report, "index:acme/nginx:latest"),
        skipped("push:amd64")
    );
    assert_eq!(
        *status(&report, "verify:acme/nginx:latest"),
        skipped("index:acme/nginx:latest")
    );
    assert_eq!(runner.count("manifest"), 0);
}

#[test]
fn an_index_goes_out_without_what_is_optional() {
    let settings = format!("{SETTINGS}[arch.arm32v7]\noptional = true\n");
    let plan = plan(&settings, &Docker);
    let runner = Notes::failing(&["-f Dockerfile.arm32v7"]);
    let report = run(&plan, &runner, &ONE);
    assert!(report.is_good(&plan));
    assert!(matches!(
        status(&report, "build:arm32v7"),
        StepStatus::Failed(_)
    ));
    let create = runner
        .lines()
        .into_iter()
        .find(|line| line.contains("manifest create"));
    assert_eq!(
        create.as_deref(),
        Some(
            "DOCKER_CLI_EXPERIMENTAL=enabled docker manifest create acme/nginx:latest acme/nginx:amd64-latest acme/nginx:arm64v8-latest"
        )
    );

    // Without any image there is no index.
    let settings = "image = \"acme/nginx\"\narches = [\"amd64\"]\n[arch.amd64]\noptional = true\n";
    let alone = self::plan(settings, &Docker);
    let report = run(&alone, &Notes::failing(&["build"]), &ONE);
    assert_eq!(
        *status(&report, "index:acme/nginx:latest"),
        skipped("push:amd64")
    );
    assert!(!report.is_good(&alone));
}

#[test]
fn what_asks_a_registry_is_tried_again() {
    let plan = plan(SETTINGS, &Docker);
    let runner = Notes::failing(&["push acme/nginx:amd64-latest"]);
    let line = "docker push acme/nginx:amd64-latest".to_string();
    runner.times.lock().unwrap().insert(line, 2);
    let report = run(&plan, &runner, &ONE);
    assert!(report.is_good(&plan));
    assert_eq!(runner.count("push acme/nginx:amd64-latest"), 3);
    let waited = runner.waited.lock().unwrap().clone();
    assert_eq!(waited, [Duration::from_secs(1), Duration::from_secs(2)]);

    // Not for ever.
    let runner = Notes::failing(&["push acme/nginx:amd64-latest"]);
    let report = run(&plan, &runner, &ONE);
    assert!(!report.is_good(&plan));
    assert_eq!(runner.count("push acme/nginx:amd64-latest"), 3);
}

#[test]
fn a_definite_answer_is_not_asked_for_again() {
    let plan = plan(SETTINGS, &Docker);
    for answer in [
        "denied: requested access to the resource is denied",
        "unauthorized: authentication required",
        "An image does not exist locally with the tag: acme/nginx",
    ] {
        let runner = Notes {
            says: Some(answer),
            ..Notes::failing(&["push acme/nginx:amd64-latest"])
        };
        assert!(!run(&plan, &runner, &ONE).is_good(&plan));
        assert_eq!(runner.count("push acme/nginx:amd64-latest"), 1, "{answer}");
    }
}

#[test]
fn called_off_nothing_further_begins() {
    let plan = plan(SETTINGS, &Docker);
    let runner = Notes {
        cancel_after: Some(1),
        ..Notes::default()
    };
    let report = run(&plan, &runner, &ONE);
    assert_eq!(runner.lines().len(), 1);
    assert!(!report.is_good(&plan));
    assert_eq!(
        *status(&report, "verify:acme/nginx:latest"),
        skipped("index:acme/nginx:latest")
    );
}

/// Refuses indexes.
struct NoIndexes;

impl Backend for NoIndexes {
    fn name(&self) -> &str {
        "none"
    }

    fn capabilities(&self) -> Capabilities {
        Docker.capabilities()
    }

    fn lower(&self, step: &Step) -> Result<Vec<Action>, Unsupported> {
        match step.id.0.starts_with("index:") {
            true => Err(Unsupported::new(step, "make an index", "choose another")),
            false => Docker.lower(step),
        }
    }
}

#[test]
fn what_cannot_be_done_is_told_before_anything_runs() {
    let plan = plan(SETTINGS, &NoIndexes);
    let runner = Notes::default();
    let schedule = Schedule {
        plan: &plan,
        backend: &NoIndexes,
        runner: &runner,
        watcher: &Silent,
        jobs: 1,
        keep_going: false,
        waits: &[],
    };
    let refused = schedule.run().unwrap_err();
    assert_eq!(
        refused[0].to_string(),
        "index:acme/nginx:latest: cannot make an index"
    );
    assert!(runner.lines().is_empty());
}
