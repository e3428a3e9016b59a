//! `crossfile init` and what a tree of fixtures cannot hold: links, modes, folders that cannot be written to.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot set up its folder should panic"
)]

mod support;

use std::process::Command;

use crossfile::init::read_build_config;
use crossfile::{ArchMap, Source};
use proptest::prelude::*;
use support::Scratch;

/// What a value may be made of. There is no way to call a program from here, should something be misread.
fn value() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a", "b c", "\"", "\"", "'", "'", "\\\\", "\\\"", "$A", "${A}", "\\$", "$ ", "#", "\\\n",
        "=", ":", "{x,y}", "*", "!", "ü", "%", "-", ".",
    ]);
    let pieces = prop::collection::vec(piece, 0..7).prop_map(|pieces| pieces.concat());
    prop_oneof![
        pieces.clone(),
        pieces.prop_map(|text| format!("\"{text}\""))
    ]
}

/// What is taken is what a shell takes it for.
#[test]
fn a_value_is_what_a_shell_makes_of_it() {
    if Command::new("sh").args(["-c", ":"]).output().is_err() {
        eprintln!("skipped: no sh to compare with");
        return;
    }
    let taken = std::cell::Cell::new(0);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let same = |value: String| {
        let text = format!("A='q r'\nIMAGE_NAME={value}\nTARGET_ARCHES=amd64\n");
        let source = Source::new("build.config", text.as_str());
        let Ok(config) = read_build_config(&source, &ArchMap::builtin()) else {
            return Ok(());
        };
        taken.set(taken.get() + 1);
        let script = format!("PATH=/nonexistent\n{text}printf %s \"$IMAGE_NAME\"");
        let run = Command::new("sh").args(["-c", &script]).output().unwrap();
        prop_assert_eq!(String::from_utf8_lossy(&run.stderr), "", "{:?}", text);
        let wanted = String::from_utf8_lossy(&run.stdout).into_owned();
        prop_assert_eq!(config.image.unwrap_or_default(), wanted, "{:?}", text);
        Ok(())
    };
    runner.run(&value(), same).unwrap();
    assert!(taken.get() >= 50, "only {} were taken", taken.get());
}

#[cfg(unix)]
mod links {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::Scratch;

    #[test]
    fn nothing_is_written_through_a_link_that_leaves_the_folder() {
        for name in [
            "Dockerfile.cross",
            "crossfile.toml",
            ".gitignore",
            ".dockerignore",
        ] {
            for target in ["outside", "nothing-yet"] {
                let scratch = Scratch::with(&[("outside", "mine\n"), ("app/x", "")]);
                symlink(format!("../{target}"), scratch.join("app").join(name)).unwrap();
                let before = scratch.files();
                let run = scratch.run(&["init", "app"]);
                assert_eq!(run.status, 2, "{name} to {target}: {}", run.stderr);
                assert!(run.stderr.contains("[output-outside]"), "{}", run.stderr);
                assert_eq!(scratch.files(), before, "{name} to {target}");
                assert!(!scratch.exists("nothing-yet"));
            }
        }
    }

    #[test]
    fn a_link_in_the_folder_is_followed_and_stays() {
        let scratch = Scratch::with(&[("app/ignored", "/target\n")]);
        symlink("ignored", scratch.join("app/.gitignore")).unwrap();
        scratch.run(&["init", "app"]).succeeds();
        assert_eq!(scratch.read("app/ignored"), "/target\nqemu-*-static\n");
        let link = scratch.join("app/.gitignore").symlink_metadata().unwrap();
        assert!(link.is_symlink());
    }

    #[test]
    fn the_folder_itself_may_be_a_link() {
        let scratch = Scratch::with(&[("real/x", "")]);
        symlink("real", scratch.join("app")).unwrap();
        scratch.run(&["init", "app"]).succeeds();
        assert!(scratch.exists("real/Dockerfile.cross"));
        // What is not there yet, below a link, is in no other place than below what the link leads to.
        scratch.run(&["init", "app/new/er"]).succeeds();
        assert!(scratch.exists("real/new/er/Dockerfile.cross"));
    }

    #[test]
    fn an_ignore_file_keeps_its_mode() {
        let scratch = Scratch::with(&[(".gitignore", "x\n")]);
        let path = scratch.join(".gitignore");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        scratch.run(&["init"]).succeeds();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    }
}

/// The order of the steps: a config with a problem leaves no folder behind.
#[test]
fn a_bad_config_makes_no_folder() {
    let scratch = Scratch::with(&[("build.config", "REPO=$(id)\n")]);
    let run = scratch.run(&["init", "--from", "build.config", "app"]);
    assert_eq!(run.status, 2);
    assert!(!scratch.exists("app"));
}

#[test]
fn a_config_is_not_executed() {
    let scratch = Scratch::with(&[(
        "build.config",
        "REPO=a`touch made`\nIMAGE_NAME=\"$(touch made)\"\ntouch made\n",
    )]);
    let run = scratch.run(&["init", "--from", "build.config"]);
    assert_eq!(run.status, 2);
    assert_eq!(scratch.files().len(), 1);
}

/// A second run writes nothing at all, so that not even the times of files change.
#[test]
fn a_second_run_leaves_every_file_alone() {
    let scratch = Scratch::new();
    scratch.run(&["init"]).succeeds();
    let times = || -> Vec<_> {
        let files = scratch.files();
        let names = files.keys();
        names
            .map(|name| scratch.join(name).metadata().unwrap().modified().unwrap())
            .collect()
    };
    let before = times();
    scratch.run(&["init"]).succeeds();
    assert_eq!(times(), before);
    assert_eq!(before.len(), 4);
}
