//! A scratch folder with a project in it, and the command run there: what every end-to-end test is made of.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test binary uses a part of this; a test that cannot set up its folder should panic"
)]

pub mod page;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder that lives as long as the test.
pub struct Scratch {
    folder: tempfile::TempDir,
}

/// What one run of the command did.
#[derive(Debug, PartialEq, Eq)]
pub struct Run {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Scratch {
    pub fn new() -> Scratch {
        let folder = tempfile::Builder::new()
            .prefix("crossfile-test-")
            .tempdir()
            .unwrap();
        Scratch { folder }
    }

    /// A folder with these files in it.
    pub fn with(files: &[(&str, &str)]) -> Scratch {
        let scratch = Scratch::new();
        for (path, text) in files {
            scratch.write(path, text);
        }
        scratch
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn join(&self, path: &str) -> PathBuf {
        self.path().join(path)
    }

    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn read(&self, path: &str) -> String {
        String::from_utf8(self.bytes(path)).unwrap()
    }

    pub fn bytes(&self, path: &str) -> Vec<u8> {
        fs::read(self.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    pub fn exists(&self, path: &str) -> bool {
        self.join(path).symlink_metadata().is_ok()
    }

    /// Every file below the folder with what it holds, `.git` left out.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        files_below(self.path())
    }

    /// Runs `crossfile` here, with an environment that says nothing.
    pub fn run(&self, args: &[&str]) -> Run {
        self.run_in(".", args)
    }

    pub fn run_in(&self, folder: &str, args: &[&str]) -> Run {
        Run::from(
            crossfile()
                .args(args)
                .current_dir(self.join(folder))
                .output()
                .unwrap(),
        )
    }

    /// Runs another program here, where it is installed.
    pub fn try_program(&self, program: &str, args: &[&str]) -> Option<Run> {
        let output = Command::new(program)
            .args(args)
            .current_dir(self.path())
            .output();
        output.ok().map(Run::from)
    }

    /// Runs another program here.
    pub fn program(&self, program: &str, args: &[&str]) -> Run {
        Run::from(
            Command::new(program)
                .args(args)
                .current_dir(self.path())
                .output()
                .unwrap(),
        )
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Run {
        Run {
            status: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Run {
    /// The run as a snapshot shows it.
    pub fn transcript(&self, args: &[&str]) -> String {
        let mut text = format!("$ crossfile {}\n", args.join(" "));
        text.push_str(&self.stdout);
        for line in self.stderr.lines() {
            let _ = writeln!(text, "stderr: {line}");
        }
        let _ = writeln!(text, "exit: {}", self.status);
        text
    }

    #[track_caller]
    pub fn succeeds(self) -> Run {
        assert_eq!(self.status, 0, "{}\n{}", self.stdout, self.stderr);
        self
    }
}

/// What git needs to commit the same on every machine.
pub fn git_identity() -> Vec<(&'static str, &'static str)> {
    vec![
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_CONFIG_SYSTEM", "/dev/null"),
        ("GIT_AUTHOR_NAME", "A"),
        ("GIT_AUTHOR_EMAIL", "a@example.com"),
        ("GIT_AUTHOR_DATE", "2026-01-01T00:00:00Z"),
        ("GIT_COMMITTER_NAME", "A"),
        ("GIT_COMMITTER_EMAIL", "a@example.com"),
        ("GIT_COMMITTER_DATE", "2026-01-01T00:00:00Z"),
    ]
}

/// The command under test.
pub fn crossfile() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crossfile"));
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

pub fn files_below(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = walkdir::WalkDir::new(folder).into_iter();
    entries
        .filter_entry(|entry| entry.file_name() != ".git")
        .map(Result::unwrap)
        .filter(|entry| !entry.file_type().is_dir())
        .map(|entry| {
            let path = entry.path().strip_prefix(folder).unwrap();
            let name = path.to_str().unwrap().replace('\\', "/");
            (name, fs::read(entry.path()).unwrap_or_default())
        })
        .collect()
}

/// Snapshots lie in `snapshots/` at the top, under the name of the test and nothing else.
pub fn snapshots() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings
}
