//! Every folder of `tests/cases/<behaviour>/<case>/` is a test: the tree `in/`, if there is one, the commands of the file `run`, the
//! files they make in `out/`, byte for byte, and everything they print in `snapshots/`.
//!
//! In a tree `dot-NAME` stands for `.NAME` and `settings.toml` for `crossfile.toml`, so that neither git nor crossfile,
//! run in this repository, takes our fixtures' settings for its own. A line of `run` is the
//! arguments of one command; `cd FOLDER` and `NAME=VALUE` before them are understood. `CROSSFILE_BLESS=1 cargo test
//! --test cases` writes `out/` anew.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot read its fixture should panic"
)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use support::{Run, Scratch, crossfile, files_below, snapshots};

#[test]
fn cases() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut failures = Vec::new();
    let mut count = 0;
    for behaviour in folders(&top) {
        for case in folders(&behaviour) {
            count += 1;
            if let Err(failure) = std::panic::catch_unwind(|| check(&case)) {
                let text = failure
                    .downcast_ref::<String>()
                    .cloned()
                    .unwrap_or_default();
                failures.push(format!(
                    "{}: {text}",
                    case.strip_prefix(&top).unwrap().display()
                ));
            }
        }
    }
    assert!(count >= 60, "only {count} cases were found");
    assert!(
        failures.is_empty(),
        "{} of {count} cases failed:\n{}",
        failures.len(),
        failures.join("\n\n")
    );
}

fn folders(folder: &Path) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    folders
}

fn check(case: &Path) {
    let scratch = Scratch::new();
    for (path, bytes) in files_below_if(&case.join("in")) {
        let path: Vec<_> = path.split('/').map(meant).collect();
        scratch.write(&path.join("/"), bytes);
    }
    let before = scratch.files();
    let script = fs::read_to_string(case.join("run")).unwrap();
    let mut transcript = String::new();
    for line in script.lines().filter(|line| !line.trim().is_empty()) {
        transcript.push_str(&run_line(&scratch, line));
    }
    let after = scratch.files();
    for path in before.keys().filter(|path| !after.contains_key(*path)) {
        transcript.push_str(&format!("removed: {path}\n"));
    }
    let made: BTreeMap<String, Vec<u8>> = after
        .into_iter()
        .filter(|(path, bytes)| before.get(path) != Some(bytes))
        .collect();
    let transcript = transcript.replace(&*scratch.path().to_string_lossy(), "[FOLDER]");

    let out = case.join("out");
    if std::env::var_os("CROSSFILE_BLESS").is_some() {
        let _ = fs::remove_dir_all(&out);
        for (path, bytes) in &made {
            let path = out.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }
    compare(&files_below_if(&out), &made);
    let mut name = case
        .components()
        .rev()
        .take(2)
        .map(|part| part.as_os_str().to_string_lossy());
    let (case, behaviour) = (name.next().unwrap(), name.next().unwrap());
    snapshots().bind(|| insta::assert_snapshot!(format!("{behaviour}__{case}"), transcript));
}

fn files_below_if(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    if folder.is_dir() {
        files_below(folder)
    } else {
        BTreeMap::new()
    }
}

/// The name that a fixture's file stands for.
fn meant(part: &str) -> String {
    match part.strip_prefix("dot-") {
        Some(name) => format!(".{name}"),
        None if part == "settings.toml" => "crossfile.toml".to_string(),
        None => part.to_string(),
    }
}

fn run_line(scratch: &Scratch, line: &str) -> String {
    let mut words = shlex::split(line).unwrap();
    let mut folder = String::from(".");
    if words[0] == "cd" {
        folder = words[1].clone();
        words.drain(..2);
    }
    let mut command = crossfile();
    while let Some((name, value)) = words[0].clone().split_once('=') {
        command.env(name, value);
        words.remove(0);
    }
    command.args(&words).current_dir(scratch.join(&folder));
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    Run::from(command.output().unwrap()).transcript(&words)
}

fn compare(wanted: &BTreeMap<String, Vec<u8>>, made: &BTreeMap<String, Vec<u8>>) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    for (path, bytes) in made {
        match wanted.get(path) {
            None => panic!("{path} was made and is not in out/:\n{}", text(bytes)),
            Some(wanted) if wanted == bytes => {}
            Some(wanted) => panic!(
                "{path} differs\nwanted: {:?}\nmade:   {:?}",
                text(wanted),
                text(bytes)
            ),
        }
    }
    for path in wanted.keys() {
        assert!(
            made.contains_key(path),
            "{path} is in out/ and was not made"
        );
    }
}
