//! Every starter in `templates/` is a test case: `init` writes it, and what it expands to is kept, byte for byte, in
//! `snapshots/`.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot read its fixture should panic"
)]

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use crossfile::init::{STARTERS, TEMPLATE, starter};
use support::{Scratch, files_below, snapshots};

#[test]
fn every_starter_expands() {
    assert!(STARTERS.len() >= 6);
    for starter in STARTERS {
        let name = starter.name;
        let scratch = Scratch::new();
        scratch.run(&["init", "--template", name]).succeeds();
        let begun = scratch.files();
        let run = scratch.run(&["generate"]).succeeds();
        assert!(!run.stderr.contains("warning"), "{name}: {}", run.stderr);
        scratch.run(&["generate", "--check"]).succeeds();
        let mut files = scratch.files();
        files.retain(|path, _| !begun.contains_key(path));
        assert!(!files.is_empty(), "{name} makes nothing");
        for (path, bytes) in files {
            let snapshot = format!("starter__{name}__{}.txt", path.replace('.', "-"));
            snapshots().bind(|| insta::assert_binary_snapshot!(&snapshot, bytes));
        }
    }
}

/// A handler is a binary, which nobody wants in a starter: whoever copies one hears that it is not there yet, and no more
/// once it is.
#[test]
fn lint_says_nothing_of_a_starter_but_that_handlers_are_not_there_yet() {
    for starter in STARTERS {
        let name = starter.name;
        let scratch = Scratch::new();
        scratch.run(&["init", "--template", name]).succeeds();
        let copies = starter.file(TEMPLATE).unwrap().contains("qemu-");
        let run = scratch.run(&["lint"]).succeeds();
        let said = run.stdout.lines().filter(|line| line.ends_with(']'));
        let said: Vec<&str> = said.collect();
        assert_eq!(said.len(), usize::from(copies), "{name}: {}", run.stdout);
        let only_handlers = said.iter().all(|line| line.ends_with("[missing-handler]"));
        assert!(only_handlers, "{name}: {}", run.stdout);
        for handler in ["arm", "aarch64", "s390x"] {
            scratch.write(&format!("qemu-{handler}-static"), "");
        }
        assert_eq!(scratch.run(&["lint"]).succeeds().stdout, "", "{name}");
    }
}

#[test]
fn the_table_of_starters_has_every_file() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
    let mut there = files_below(&top);
    // What somebody generated there to look at.
    there.retain(|_, bytes| crossfile::template_of(&String::from_utf8_lossy(bytes)).is_none());
    let mut known: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for starter in STARTERS {
        for (file, text) in starter.files {
            known.insert(format!("{}/{file}", starter.name), text.as_bytes().to_vec());
        }
    }
    let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&known), names(&there));
    assert_eq!(known, there);
}

#[test]
fn every_starter_says_what_it_is_for() {
    for starter in STARTERS {
        let name = starter.name;
        let settings = starter.file("crossfile.toml").unwrap();
        assert!(settings.starts_with("# "), "{name}");
        let about = starter.about();
        assert!((20..=100).contains(&about.len()), "{name}: {about}");
        assert!(
            settings.contains("\n# After a change: crossfile generate\n"),
            "{name}"
        );
    }
}

/// `case` is taken at its word: a shell runs it for the platforms as BuildKit names them.
#[test]
fn the_one_dockerfile_for_all_platforms_tells_them_apart() {
    let scratch = Scratch::new();
    scratch
        .run(&["init", "--template", "multi-platform"])
        .succeeds();
    scratch.run(&["generate"]).succeeds();
    let dockerfile = scratch.read("Dockerfile");
    let run = dockerfile.split("\nRUN ").nth(1).unwrap();
    let case = run.split(" \\\n && wget").next().unwrap();
    for (architecture, variant, wanted) in [
        ("amd64", "", Some("linux-x64")),
        ("arm", "v7", Some("linux-arm")),
        ("arm64", "", Some("linux-arm64")),
        ("386", "", Some("linux-ia32")),
        ("arm", "v6", None),
        ("amd64", "v3", Some("linux-x64")),
        ("s390x", "", None),
    ] {
        let set = format!("TARGETARCH={architecture}; TARGETVARIANT={variant}");
        let script = format!("{set}; {case} && echo $esbuild_arch");
        let Some(run) = scratch.try_program("sh", &["-c", &script]) else {
            eprintln!("skipped: no sh to run the `case` of the starter with");
            return;
        };
        match wanted {
            Some(word) => assert_eq!(run.succeeds().stdout.trim(), word),
            None => {
                assert_eq!(run.status, 1, "{architecture}/{variant}");
                assert!(run.stderr.contains("nothing for"), "{}", run.stderr);
            }
        }
    }
}

/// Both starters that download the same thing name the same bytes.
#[test]
fn checksums_agree() {
    let table = |name: &str| -> toml::Table {
        let settings = starter(name).unwrap().file("crossfile.toml").unwrap();
        settings.parse().unwrap()
    };
    let (download, platforms) = (table("download"), table("multi-platform"));
    assert_eq!(
        download["vars"]["esbuild_version"],
        platforms["vars"]["esbuild_version"]
    );
    for column in ["esbuild_arch", "esbuild_sha256"] {
        for (arch, word) in platforms["columns"][column].as_table().unwrap() {
            assert_eq!(&download["columns"][column][arch], word);
        }
    }
}
