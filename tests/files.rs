//! What generating does to the disk: modes, links, folders, and who may write where.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot set up its folder should panic"
)]

mod support;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::time::Duration;

use support::Scratch;

const TEMPLATE: &str = "FROM __BASEIMAGE_ARCH__/alpine\n";

fn project() -> Scratch {
    Scratch::with(&[
        ("Dockerfile.cross", TEMPLATE),
        ("crossfile.toml", "arches = [\"amd64\"]\nheader = false\n"),
    ])
}

fn mode(scratch: &Scratch, path: &str) -> u32 {
    fs::metadata(scratch.join(path))
        .unwrap()
        .permissions()
        .mode()
        & 0o7777
}

#[test]
fn an_existing_files_mode_is_kept_and_a_new_one_has_the_usual() {
    let scratch = project();
    scratch.write("Dockerfile.amd64", "old\n");
    fs::set_permissions(
        scratch.join("Dockerfile.amd64"),
        fs::Permissions::from_mode(0o750),
    )
    .unwrap();
    scratch.run(&["generate"]).succeeds();
    assert_eq!(scratch.read("Dockerfile.amd64"), "FROM amd64/alpine\n");
    assert_eq!(mode(&scratch, "Dockerfile.amd64"), 0o750);

    scratch.write("plain", "x");
    fs::remove_file(scratch.join("Dockerfile.amd64")).unwrap();
    scratch.run(&["generate"]).succeeds();
    assert_eq!(mode(&scratch, "Dockerfile.amd64"), mode(&scratch, "plain"));
}

#[test]
fn a_file_that_is_right_is_not_touched() {
    let scratch = project();
    scratch.run(&["generate"]).succeeds();
    let before = fs::metadata(scratch.join("Dockerfile.amd64")).unwrap();
    std::thread::sleep(Duration::from_millis(20));
    scratch.run(&["generate"]).succeeds();
    let after = fs::metadata(scratch.join("Dockerfile.amd64")).unwrap();
    assert_eq!(
        (before.ino(), before.modified().unwrap()),
        (after.ino(), after.modified().unwrap())
    );
}

/// Times say nothing: a file that is newer than its template and wrong is wrong.
#[test]
fn bytes_decide_not_times() {
    let scratch = project();
    scratch.run(&["generate"]).succeeds();
    std::thread::sleep(Duration::from_millis(20));
    scratch.write("Dockerfile.amd64", "FROM amd64/debian\n");
    assert_eq!(scratch.run(&["generate", "--check"]).status, 1);
    fs::File::open(scratch.join("Dockerfile.cross"))
        .unwrap()
        .set_modified(std::time::SystemTime::now())
        .unwrap();
    scratch.write("Dockerfile.amd64", "FROM amd64/alpine\n");
    assert_eq!(scratch.run(&["generate", "--check"]).status, 0);
}

#[test]
fn no_temporary_file_is_left() {
    let scratch = project();
    scratch.run(&["generate"]).succeeds();
    let names: Vec<_> = scratch.files().into_keys().collect();
    assert_eq!(
        names,
        ["Dockerfile.amd64", "Dockerfile.cross", "crossfile.toml"]
    );
}

#[test]
fn an_output_that_is_a_link_inside_is_written_through() {
    let scratch = project();
    scratch.write("real/file", "old\n");
    symlink("real/file", scratch.join("Dockerfile.amd64")).unwrap();
    scratch.run(&["generate"]).succeeds();
    assert!(scratch.join("Dockerfile.amd64").is_symlink());
    assert_eq!(scratch.read("real/file"), "FROM amd64/alpine\n");
}

#[test]
fn nothing_is_written_through_links_that_lead_out() {
    let outside = Scratch::with(&[("file", "precious\n")]);
    let scratch = project();
    symlink(outside.join("file"), scratch.join("Dockerfile.amd64")).unwrap();
    let run = scratch.run(&["generate"]);
    assert_eq!(run.status, 2);
    assert!(run.stderr.contains("leads out of"), "{}", run.stderr);
    assert_eq!(outside.read("file"), "precious\n");

    let scratch = project();
    scratch.write(
        "crossfile.toml",
        "arches = [\"amd64\"]\noutput = \"sub/Dockerfile.{{arch}}\"\n",
    );
    symlink(outside.path(), scratch.join("sub")).unwrap();
    assert_eq!(scratch.run(&["generate"]).status, 2);
    assert!(!outside.exists("Dockerfile.amd64"));
}

#[test]
fn a_link_to_nothing_is_not_written_through() {
    let scratch = project();
    symlink("nowhere", scratch.join("Dockerfile.amd64")).unwrap();
    assert_eq!(scratch.run(&["generate"]).status, 2);
    assert!(!scratch.exists("nowhere"));
}

#[test]
fn folders_behind_links_are_not_walked_and_templates_behind_links_stay_inside() {
    let outside = Scratch::with(&[("Dockerfile.cross", TEMPLATE)]);
    let scratch = project();
    symlink(outside.path(), scratch.join("linked")).unwrap();
    symlink(
        outside.join("Dockerfile.cross"),
        scratch.join("out.Dockerfile.cross"),
    )
    .unwrap();
    symlink("Dockerfile.cross", scratch.join("in.Dockerfile.cross")).unwrap();
    let run = scratch.run(&["generate"]).succeeds();
    assert_eq!(
        run.stdout,
        "wrote Dockerfile.amd64\nwrote in.Dockerfile.amd64\n"
    );
    assert!(
        run.stderr
            .contains("out.Dockerfile.cross: warning: this link leads out"),
        "{}",
        run.stderr
    );
    assert!(!outside.exists("Dockerfile.amd64"));
}

#[test]
fn a_pipe_of_a_templates_name_is_passed_over() {
    let scratch = project();
    scratch
        .program("mkfifo", &["pipe.Dockerfile.cross"])
        .succeeds();
    let run = scratch.run(&["generate"]).succeeds();
    assert_eq!(run.stdout, "wrote Dockerfile.amd64\n");
}

#[test]
fn a_folder_in_a_files_place_is_an_error_and_stops_no_other_template() {
    let scratch = project();
    scratch.write("Dockerfile.amd64/x", "x");
    scratch.write("other.Dockerfile.cross", TEMPLATE);
    let run = scratch.run(&["generate"]);
    assert_eq!(
        (run.status, run.stdout.as_str()),
        (2, "wrote other.Dockerfile.amd64\n")
    );
    assert!(
        run.stderr
            .contains("Dockerfile.amd64: error: something that is no regular file"),
        "{}",
        run.stderr
    );
}

/// Root may write anywhere, so this says nothing when the tests are run by root.
#[cfg(unix)]
#[test]
fn what_is_no_file_is_not_read_as_one() {
    let scratch = Scratch::new();
    scratch.write("Dockerfile.cross", "FROM __DOCKER_ARCH__/alpine\n");
    scratch.write("crossfile.toml/x", "");
    let folder = scratch.run(&["generate"]);
    assert_eq!(folder.status, 2);
    assert!(
        folder
            .stderr
            .starts_with("crossfile.toml: error: cannot read the file: "),
        "{}",
        folder.stderr
    );
    std::fs::remove_dir_all(scratch.path().join("crossfile.toml")).unwrap();
    scratch.write("crossfile.toml", "vars-file = \"pipe\"\n");
    let pipe = std::process::Command::new("mkfifo")
        .arg(scratch.path().join("pipe"))
        .status();
    assert!(pipe.unwrap().success());
    // Reading it would wait for a writer that never comes.
    let pipe = scratch.run(&["generate"]);
    assert_eq!(pipe.status, 2);
    assert!(
        pipe.stderr
            .starts_with("pipe: error: this is no regular file [io]\n"),
        "{}",
        pipe.stderr
    );
}

#[test]
fn a_folder_that_may_not_be_written_to_is_an_error() {
    let scratch = project();
    fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o555)).unwrap();
    let writable = fs::write(scratch.join("probe"), "").is_ok();
    let run = scratch.run(&["generate"]);
    fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o755)).unwrap();
    if writable {
        eprintln!("skipped: this user may write to a read-only folder");
        return;
    }
    assert_eq!(run.status, 2);
    assert!(
        run.stderr.contains("cannot write the file"),
        "{}",
        run.stderr
    );
}

#[test]
fn ten_thousand_files() {
    let scratch = Scratch::new();
    for folder in 0..2000 {
        scratch.write(
            &format!("{}/{folder}/Dockerfile.cross", folder % 40),
            TEMPLATE,
        );
    }
    scratch.write(
        "crossfile.toml",
        "arches = [\"amd64\", \"i386\", \"arm32v6\", \"arm32v7\", \"arm64v8\"]\n",
    );
    let run = scratch.run(&["generate"]).succeeds();
    assert_eq!(run.stdout.lines().count(), 10_000);
    assert!(
        run.stderr.contains("2000 templates: 10000 written"),
        "{}",
        run.stderr
    );
    let run = scratch.run(&["generate", "--check"]).succeeds();
    assert!(
        run.stderr.contains("10000 files checked, all right"),
        "{}",
        run.stderr
    );
}

/// The same tree gives the same bytes wherever it lies and from wherever it is generated.
#[test]
fn the_same_input_gives_the_same_bytes() {
    let build = || {
        let scratch = Scratch::with(&[
            (
                "a/b/Dockerfile.cross",
                "FROM __BASEIMAGE_ARCH__/alpine\n__CROSS_COPY x y\n",
            ),
            ("crossfile.toml", "output = \"../out/{{stem}}.{{arch}}\"\n"),
        ]);
        fs::create_dir(scratch.join(".git")).unwrap();
        scratch
    };
    let (one, two) = (build(), build());
    one.run(&["generate"]).succeeds();
    two.run_in("a/b", &["generate", "."]).succeeds();
    assert_eq!(one.files(), two.files());
    assert!(
        one.read("a/out/Dockerfile.amd64")
            .starts_with("# Generated from ../b/Dockerfile.cross by")
    );
    let (apart, farther) = (build(), build());
    apart
        .run(&["generate", "--out-dir", "elsewhere"])
        .succeeds();
    farther
        .run(&["generate", "--out-dir", "quite/somewhere/else"])
        .succeeds();
    let file = "a/out/Dockerfile.arm32v7";
    assert_eq!(
        apart.read(&format!("elsewhere/{file}")),
        farther.read(&format!("quite/somewhere/else/{file}"))
    );
}

/// What a link leads to is what counts: a template, or another output, is never written over by way of one.
#[test]
fn a_link_to_a_template_is_a_clash() {
    let scratch = project();
    symlink("Dockerfile.cross", scratch.join("Dockerfile.amd64")).unwrap();
    for flags in [&["generate"][..], &["generate", "--force"]] {
        let run = scratch.run(flags);
        assert_eq!(run.status, 2);
        assert!(
            run.stderr.contains("would overwrite a template"),
            "{}",
            run.stderr
        );
    }
    assert_eq!(scratch.read("Dockerfile.cross"), TEMPLATE);

    let scratch = project();
    scratch.write(
        "crossfile.toml",
        "arches = [\"amd64\", \"arm64v8\"]\nheader = false\n",
    );
    scratch.write("one", "x");
    symlink("one", scratch.join("Dockerfile.amd64")).unwrap();
    symlink("one", scratch.join("Dockerfile.arm64v8")).unwrap();
    let run = scratch.run(&["generate"]);
    assert!(
        run.stderr.contains("two files would be one"),
        "{}",
        run.stderr
    );
    assert_eq!(scratch.read("one"), "x");
}

#[test]
fn a_file_that_cannot_be_written_keeps_all_of_its_template_from_being_written() {
    let scratch = project();
    scratch.write(
        "crossfile.toml",
        "arches = [\"amd64\", \"arm64v8\"]\nheader = false\n",
    );
    symlink("/etc/hostname", scratch.join("Dockerfile.arm64v8")).unwrap();
    let run = scratch.run(&["generate"]);
    assert_eq!((run.status, run.stdout.as_str()), (2, ""));
    assert!(!scratch.exists("Dockerfile.amd64"));
}

#[test]
fn a_pipe_in_a_files_place_is_an_error_and_not_waited_for() {
    let scratch = project();
    scratch.program("mkfifo", &["Dockerfile.amd64"]).succeeds();
    let run = scratch.run(&["generate"]);
    assert_eq!(run.status, 2);
    assert!(run.stderr.contains("no regular file"), "{}", run.stderr);
}

#[test]
fn a_name_of_two_lines_is_refused() {
    let scratch = Scratch::with(&[("Dockerfile\nRUN evil.cross", TEMPLATE)]);
    let run = scratch.run(&["generate", "--arch", "amd64"]);
    assert_eq!(run.status, 2);
    assert!(
        run.stderr.contains("without control characters"),
        "{}",
        run.stderr
    );
    assert_eq!(scratch.files().len(), 1);
}

#[test]
fn a_folder_reached_twice_is_expanded_once() {
    let scratch = Scratch::with(&[("real/Dockerfile.cross", TEMPLATE)]);
    symlink("real", scratch.join("link")).unwrap();
    let run = scratch
        .run(&["generate", "--arch", "amd64", "link", "real"])
        .succeeds();
    assert_eq!(run.stdout, "wrote link/Dockerfile.amd64\n");
}

/// git takes bytes that are no text; a NUL makes a file binary, and then it says so.
#[test]
fn a_diff_of_what_is_no_text() {
    let scratch = project();
    scratch.program("git", &["init", "-q"]).succeeds();
    scratch.write("Dockerfile.amd64", b"caf\xe9\n");
    let mut command = support::crossfile();
    command
        .args(["generate", "--diff"])
        .current_dir(scratch.path());
    let patch = command.output().unwrap().stdout;
    assert!(patch.windows(6).any(|window| window == b"-caf\xe9\n"));
    scratch.write("patch", &patch);
    scratch.program("git", &["apply", "patch"]).succeeds();
    assert_eq!(scratch.read("Dockerfile.amd64"), "FROM amd64/alpine\n");

    scratch.write("Dockerfile.amd64", b"a\0b\n");
    let run = scratch.run(&["generate", "--diff"]);
    let last = "Binary files a/Dockerfile.amd64 and b/Dockerfile.amd64 differ\n";
    assert!(run.stdout.ends_with(last), "{}", run.stdout);
}

#[test]
fn a_diff_of_a_link_names_what_it_leads_to() {
    let scratch = project();
    scratch.program("git", &["init", "-q"]).succeeds();
    scratch.write("real/file", "old\n");
    symlink("real/file", scratch.join("Dockerfile.amd64")).unwrap();
    let run = scratch.run(&["generate", "--diff"]);
    scratch.write("patch", run.stdout);
    scratch.program("git", &["apply", "patch"]).succeeds();
    scratch.run(&["generate", "--check"]).succeeds();
}

/// Links are followed before a file is called a leftover: what was just written is none.
#[test]
fn what_is_written_through_links_is_no_orphan() {
    let scratch = Scratch::with(&[
        ("Dockerfile.cross", TEMPLATE),
        ("real/keep", ""),
        (
            "crossfile.toml",
            "arches = [\"amd64\"]\noutput = \"link/Dockerfile.{{arch}}\"\n",
        ),
    ]);
    symlink("real", scratch.join("link")).unwrap();
    scratch.run(&["generate"]).succeeds();
    scratch.run(&["generate", "--check"]).succeeds();
    let run = scratch.run(&["generate", "--prune"]).succeeds();
    assert_eq!(run.stdout, "");
    assert!(scratch.exists("real/Dockerfile.amd64"));
}

#[test]
fn a_template_reached_by_two_ways_keeps_its_files() {
    let scratch = Scratch::with(&[("x/Dockerfile.cross", TEMPLATE)]);
    symlink("x", scratch.join("y")).unwrap();
    scratch.run(&["generate", "x"]).succeeds();
    let run = scratch
        .run(&["generate", "y/Dockerfile.cross", "x", "--prune"])
        .succeeds();
    assert_eq!(run.stdout, "");
    assert!(scratch.exists("x/Dockerfile.amd64"));
}

#[test]
fn a_template_that_is_a_link_to_nothing_keeps_its_files() {
    let scratch = Scratch::with(&[("base", TEMPLATE)]);
    symlink("base", scratch.join("Dockerfile.cross")).unwrap();
    scratch.run(&["generate"]).succeeds();
    fs::remove_file(scratch.join("base")).unwrap();
    scratch.run(&["generate", "--prune"]);
    assert!(scratch.exists("Dockerfile.amd64"));
}
