//! Every template in `templates/` is a test case: what it expands to is kept, byte for byte, in `snapshots/`.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot read its fixture should panic"
)]

mod support;

use std::fs;
use std::path::Path;

use support::{Scratch, snapshots};

#[test]
fn every_starter_expands() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
    let mut starters: Vec<_> = fs::read_dir(&top)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    starters.sort();
    assert!(starters.len() >= 2);
    for starter in starters {
        let name = starter.file_name().unwrap().to_str().unwrap();
        let scratch = Scratch::new();
        let out = scratch.path().to_str().unwrap();
        let run = scratch
            .run(&["generate", starter.to_str().unwrap(), "--out-dir", out])
            .succeeds();
        assert!(!run.stderr.contains("warning"), "{name}: {}", run.stderr);
        let files = scratch.files();
        assert!(files.len() >= 3, "{name} makes {} files", files.len());
        for (path, bytes) in files {
            let snapshot = format!("starter__{name}__{}.txt", path.replace('.', "-"));
            snapshots().bind(|| insta::assert_binary_snapshot!(&snapshot, bytes));
        }
    }
}
