//! `crossfile generate`: the one stream of outcomes, written, checked, compared or printed.

mod json;

use std::fmt::Write;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossfile::ways::way_or_path;
use crossfile::{
    Code, Diagnostic, DriftInputs, Expansion, Outcome, Overrides, Place, Project, Selection,
    Status, WriteOptions, Written, diff,
};

use crate::args::{Format, GenerateArgs};
use crate::git::Git;
use crate::keep::{Kept, keep, sentences};
use crate::output::{Exit, Output, count};
use json::JsonResult;

pub(crate) fn run(args: &GenerateArgs, output: &Output) -> io::Result<Exit> {
    let output = &output.with_format(args.format);
    let overrides = match args.select.overrides(args.no_header, args.no_qemu) {
        Ok(overrides) => Overrides {
            locked: args.locked.then_some(true),
            ..overrides
        },
        Err(problem) => {
            let problems = [problem];
            output.diagnostics(&problems);
            if args.format == Format::Json {
                let diagnostics = problems
                    .iter()
                    .map(|p| p.to_json(&|path| output.show(path)));
                output.json(&JsonResult {
                    version: 1,
                    files: Vec::new(),
                    diagnostics: diagnostics.collect(),
                })?;
            }
            return Ok(Exit::Error);
        }
    };
    let paths: Vec<PathBuf> = args
        .paths
        .iter()
        .map(|path| output.complete(path))
        .collect();
    let selection = Selection {
        arches: args.select.arches(),
        out_dir: args.out_dir.as_ref().map(|folder| output.complete(folder)),
    };

    let inputs = output.inputs();
    let project = Project::open(&paths, &overrides, &inputs);
    let expansion = project.expand(&selection);
    let git = Git::default();
    let told = (args.check || args.diff) && !output.quiet && !expansion.stopped;
    let past = DriftInputs {
        overrides: &overrides,
        inputs: &inputs,
        history: Some(&git),
        most: MOST_TOLD,
    };
    let drift = match told {
        true => project.drift(&expansion, &past),
        false => Vec::new(),
    };
    let writes = !(args.check || args.diff || args.stdout);
    let kept = match writes && !expansion.stopped {
        true => keep(&project, &expansion, (args.force, args.prune), &past),
        false => Vec::new(),
    };
    let mode = Mode {
        args,
        output,
        nothing: nothing(&project),
        expansion: &expansion,
        drift,
        kept,
        near: match expansion.templates {
            0 if !expansion.stopped => project.near_templates(&overrides, &inputs),
            _ => Vec::new(),
        },
    };
    match (args.check, args.diff, args.stdout) {
        (true, _, _) => mode.check(),
        (_, true, _) => mode.diff(),
        (_, _, true) => mode.print(),
        _ => mode.write(),
    }
}

/// What is said of a project without a template.
pub(crate) fn nothing(project: &Project) -> &'static str {
    match project.names_dockerfiles() {
        true => {
            "nothing is generated: there is no template, and the settings name Dockerfiles that are written by hand"
        }
        false => NOTHING,
    }
}

const NOTHING: &str = "found no template: a file that fits `templates` in crossfile.toml (by default Dockerfile*.cross and *.Dockerfile.cross) and holds a placeholder";

/// Of how many changed files the single lines are told: who has more drift than that runs `generate` first.
const MOST_TOLD: usize = 100;

struct Mode<'a> {
    args: &'a GenerateArgs,
    output: &'a Output,
    expansion: &'a Expansion,
    /// Why files differ, line by line.
    drift: Vec<Diagnostic>,
    /// What was put into git's store before it is overwritten.
    kept: Vec<Kept>,
    /// Where no template was found: what comes near to one.
    near: Vec<Diagnostic>,
    /// What is said there.
    nothing: &'static str,
}

impl Mode<'_> {
    fn write(&self) -> io::Result<Exit> {
        let interrupted = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&interrupted);
        // Between two files is a good moment to stop; whoever asks twice is not kept waiting. A handler that cannot
        // be set leaves the system's own.
        let _ = ctrlc::set_handler(move || {
            if flag.swap(true, Ordering::SeqCst) {
                // A signal handler has nobody to return to.
                std::process::exit(i32::from(Exit::INTERRUPTED));
            }
        });
        let written = self.expansion.write(&WriteOptions {
            force: self.args.force,
            prune: self.args.prune,
            cancelled: &|| interrupted.load(Ordering::SeqCst),
        });
        let mut problems = self.expansion.problems.clone();
        problems.extend(written.problems.iter().cloned());
        self.output.diagnostics(&problems);
        match self.args.format {
            Format::Json => self.output.json(&self.json(&problems, Some(&written)))?,
            Format::Text | Format::Github => self.report(&written)?,
        }
        Ok(match () {
            () if interrupted.load(Ordering::SeqCst) => Exit::Interrupted,
            () if problems.iter().any(Diagnostic::is_error) => Exit::Error,
            () => Exit::Clean,
        })
    }

    /// Lists what was written, and says how many files were right already.
    fn report(&self, written: &Written) -> io::Result<()> {
        let mut text = String::new();
        for (path, status) in &written.done {
            let verb = if *status == Status::Orphaned {
                "removed"
            } else {
                "wrote"
            };
            let _ = writeln!(text, "{verb} {}", self.output.show(path));
        }
        let same = self.with(Status::Same);
        if self.output.verbose {
            for outcome in &same {
                let _ = writeln!(text, "same {}", self.output.show(&outcome.path));
            }
        }
        if !self.output.quiet {
            self.output.result(&text)?;
        }
        for sentence in sentences(&self.kept, &|path| self.output.show(path)) {
            self.output.progress(&sentence);
        }
        let orphans = self.with(Status::Orphaned);
        if !orphans.is_empty() && !self.args.prune {
            for orphan in &orphans {
                let path = self.output.show(&orphan.path);
                self.output
                    .progress(&format!("no template makes {path} any more"));
            }
            self.output
                .progress(&format!("to remove: {}", self.command("--prune")));
        }
        if self.expansion.stopped {
            self.output.progress("nothing was written");
        } else if self.expansion.templates == 0 {
            self.output.progress(self.nothing);
            self.output.diagnostics(&self.near);
        } else {
            let removed = written
                .done
                .iter()
                .filter(|(_, status)| *status == Status::Orphaned)
                .count();
            let mut text = format!(
                "{}: {} written, {} already right",
                count(self.expansion.templates, "template"),
                written.done.len() - removed,
                same.len()
            );
            if removed > 0 {
                let _ = write!(text, ", {removed} removed");
            }
            match self.expansion.failed_templates {
                0 => {}
                failed => {
                    let _ = write!(text, "; {} failed", count(failed, "template"));
                }
            }
            self.output.progress(&text);
        }
        Ok(())
    }

    fn check(&self) -> io::Result<Exit> {
        self.output.diagnostics(&self.expansion.problems);
        if self.args.format == Format::Json {
            self.output.json(&self.json(&self.with_drift(), None))?;
            return Ok(self.answer());
        }
        if self.expansion.stopped {
            // What would be at a path is open while two files claim it.
            return Ok(self.answer());
        }
        let mut text = String::new();
        let wrong = self
            .expansion
            .outcomes
            .iter()
            .filter(|o| o.status != Status::Same);
        for outcome in wrong {
            let path = self.output.show(&outcome.path);
            let _ = writeln!(text, "{:<8} {path}", outcome.status.as_str());
        }
        self.output.result(&text)?;
        self.tell_drift();
        let refused = self.expansion.refused();
        let free = |outcome: &&Outcome| !refused.contains(outcome.template.as_path());
        let outdated = [Status::Missing, Status::Changed];
        let outdated = outdated.iter().flat_map(|status| self.with(*status));
        if outdated.filter(free).count() > 0 {
            let command = self.command("");
            self.output
                .progress(&format!("to write what is missing or changed: {command}"));
        }
        if !self.with(Status::Orphaned).is_empty() {
            let command = self.command("--prune");
            self.output
                .progress(&format!("to remove what is orphaned: {command}"));
        }
        if !self.with(Status::Foreign).is_empty() {
            let command = self.command("--force");
            self.output.progress(&format!(
                "to overwrite what is foreign (see --diff first), and write the rest: {command}"
            ));
        }
        if self.expansion.templates == 0 {
            self.output.progress(self.nothing);
            self.output.diagnostics(&self.near);
        } else if self.answer() == Exit::Clean {
            let files = count(self.expansion.outcomes.len(), "file");
            self.output.progress(&format!("{files} checked, all right"));
        }
        Ok(self.answer())
    }

    fn diff(&self) -> io::Result<Exit> {
        self.output.diagnostics(&self.expansion.problems);
        if self.args.format == Format::Json {
            self.output.json(&self.json(&self.with_drift(), None))?;
            return Ok(self.answer());
        }
        let patches = self
            .expansion
            .outcomes
            .iter()
            .map(|outcome| self.patch(outcome));
        self.output.result(patches.collect::<Vec<_>>().concat())?;
        self.tell_drift();
        Ok(self.answer())
    }

    /// git reads a patch's paths from the top of the repository, wherever it is applied; outside of one, from the
    /// folder it is applied in. It patches no links, so the file that one leads to is named.
    fn patch(&self, outcome: &Outcome) -> Vec<u8> {
        if outcome.status == Status::Same {
            return Vec::new();
        }
        let root = crossfile::root_of(&outcome.target);
        let folder = &self.output.folder;
        let base = match root.join(".git").exists() {
            true => &root,
            false if outcome.target.starts_with(folder) => folder,
            false => &root,
        };
        let path = way_or_path(base, &outcome.target);
        let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
        diff::unified(outcome, &parts.join("/"))
    }

    fn print(&self) -> io::Result<Exit> {
        self.output.diagnostics(&self.expansion.problems);
        if self.args.format == Format::Json {
            self.output
                .json(&self.json(&self.expansion.problems, None))?;
        } else {
            // A clash leaves open which of two files would be at a path: none is shown.
            let shown = if self.expansion.stopped {
                0
            } else {
                usize::MAX
            };
            let files = self.expansion.outcomes.iter().take(shown);
            let files: Vec<_> = files
                .filter_map(|outcome| Some((outcome, outcome.wanted.as_ref()?)))
                .collect();
            let mut text = String::new();
            for (outcome, wanted) in &files {
                // One file is printed as it is, to be piped on; more get titles, as head(1) prints them.
                if files.len() > 1 {
                    let gap = if text.is_empty() { "" } else { "\n" };
                    let _ = writeln!(text, "{gap}==> {} <==", self.output.show(&outcome.path));
                }
                text.push_str(wanted);
            }
            self.output.result(&text)?;
        }
        Ok(match self.expansion.failed() {
            true => Exit::Error,
            false => Exit::Clean,
        })
    }

    /// Says why files differ.
    fn tell_drift(&self) {
        self.output.diagnostics(&self.drift);
        if self.args.format == Format::Github {
            self.output.diagnostics(&self.other_drift());
        }
        let untold = self.with(Status::Changed).len().saturating_sub(MOST_TOLD);
        if untold > 0 && !self.output.quiet {
            let files = count(untold, "changed file");
            self.output
                .progress(&format!("the lines of {files} more are not told"));
        }
    }

    fn with_drift(&self) -> Vec<Diagnostic> {
        let problems = self.expansion.problems.iter();
        problems.chain(&self.drift).cloned().collect()
    }

    /// Files that are not right as a whole, for annotations: a list is not read there.
    fn other_drift(&self) -> Vec<Diagnostic> {
        let outcomes = self.expansion.outcomes.iter();
        let problem = |outcome: &Outcome| {
            let name = self.output.show(&outcome.path);
            let (code, path, message) = match outcome.status {
                Status::Missing => (Code::Stale, &outcome.template, format!("{name} is missing")),
                Status::Orphaned => (
                    Code::Drift,
                    &outcome.path,
                    "no template makes this file any more".to_string(),
                ),
                Status::Foreign => (
                    Code::Foreign,
                    &outcome.path,
                    "this file is not crossfile's and stands where a generated one belongs".into(),
                ),
                _ => return None,
            };
            Some(Diagnostic::error(code, Place::file(path), message))
        };
        outcomes.filter_map(problem).collect()
    }

    fn with(&self, status: Status) -> Vec<&Outcome> {
        let outcomes = self.expansion.outcomes.iter();
        outcomes
            .filter(|outcome| outcome.status == status)
            .collect()
    }

    fn answer(&self) -> Exit {
        if self.expansion.failed() {
            Exit::Error
        } else if self.expansion.is_clean() {
            Exit::Clean
        } else {
            Exit::No
        }
    }

    /// The command line that was given, as one that writes, with a flag more.
    fn command(&self, flag: &str) -> String {
        let left_out = [
            "--check",
            "--diff",
            "--stdout",
            "-q",
            "--quiet",
            "-v",
            "--verbose",
            "--format=json",
            "--format=github",
        ];
        let mut words = vec!["crossfile".to_string()];
        let mut named = false;
        let mut value_left_out = false;
        for arg in std::env::args_os().skip(1) {
            let arg = arg.to_string_lossy().into_owned();
            let is_value = std::mem::take(&mut value_left_out);
            if is_value || left_out.contains(&arg.as_str()) {
                continue;
            }
            if arg == "--format" {
                value_left_out = true;
                continue;
            }
            let subcommand = !named && ["generate", "gen"].contains(&arg.as_str());
            words.push(
                shlex::try_quote(&arg)
                    .map(Into::into)
                    .unwrap_or(arg.clone()),
            );
            // Right behind the subcommand: further back there may be a `--`.
            if subcommand && !flag.is_empty() {
                words.push(flag.to_string());
            }
            named |= subcommand;
        }
        words.join(" ")
    }
}
