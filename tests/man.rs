//! Manual pages: every command and flag of `--help` is in one, and the formatters have nothing to say.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot read its pages should panic, and says when it is skipped"
)]

mod support;

use std::collections::BTreeMap;

use support::Scratch;

fn pages() -> (Scratch, BTreeMap<String, String>) {
    let scratch = Scratch::new();
    scratch.run(&["man", "share/man1"]).succeeds();
    let pages = scratch.files().into_iter().map(|(path, bytes)| {
        let name = path.strip_prefix("share/man1/").unwrap().to_string();
        (name, String::from_utf8(bytes).unwrap())
    });
    let pages = pages.collect();
    (scratch, pages)
}

/// The commands, then the flags, that a help text lists.
fn listed(help: &str) -> (Vec<String>, Vec<String>) {
    let mut commands = Vec::new();
    let mut flags = Vec::new();
    let mut in_commands = false;
    for line in help.lines() {
        if !line.starts_with(' ') {
            in_commands = line == "Commands:";
        } else if in_commands && line.starts_with("  ") && !line.starts_with("   ") {
            commands.push(line.split_whitespace().next().unwrap().to_string());
        }
        let flag = line.split_whitespace().find(|word| word.starts_with("--"));
        if line.trim_start().starts_with('-') {
            // A value that may be left out is in brackets, without a blank before it.
            let flag = flag.and_then(|flag| flag.split('[').next());
            flags.extend(flag.map(|flag| flag.trim_end_matches(',').to_string()));
        }
    }
    commands.retain(|command| command != "help");
    (commands, flags)
}

#[test]
fn every_command_and_flag_has_its_place() {
    let (scratch, pages) = pages();
    let mut waiting: Vec<Vec<String>> = vec![Vec::new()];
    let mut count = 0;
    while let Some(command) = waiting.pop() {
        let mut args: Vec<&str> = command.iter().map(String::as_str).collect();
        let name = [&["crossfile"], args.as_slice()].concat().join("-") + ".1";
        let page = pages
            .get(&name)
            .unwrap_or_else(|| panic!("{name} is missing"));
        args.push("--help");
        let (commands, flags) = listed(&scratch.run(&args).succeeds().stdout);
        assert!(!flags.is_empty(), "{name}");
        for flag in flags {
            let written = flag.replace('-', "\\-");
            assert!(page.contains(&written), "{name} lacks {flag}");
        }
        for part in ["EXIT STATUS", "FILES", "SEE ALSO"] {
            assert!(
                page.lines()
                    .any(|line| line.starts_with(".SH") && line.contains(part)),
                "{name} lacks {part}"
            );
        }
        count += 1;
        waiting.extend(
            commands
                .into_iter()
                .map(|sub| [command.clone(), vec![sub]].concat()),
        );
    }
    assert_eq!(count, pages.len(), "{:?}", pages.keys());
}

#[test]
fn formatters_have_nothing_to_say() {
    let (scratch, pages) = pages();
    for (program, args) in [
        ("groff", vec!["-man", "-ww", "-z"]),
        ("mandoc", vec!["-Tlint", "-Werror"]),
    ] {
        for name in pages.keys() {
            let page = format!("share/man1/{name}");
            let all: Vec<&str> = args.iter().copied().chain([page.as_str()]).collect();
            let Some(run) = scratch.try_program(program, &all) else {
                println!("skipped: {program} is not installed");
                break;
            };
            assert_eq!(
                (run.stdout.as_str(), run.stderr.as_str()),
                ("", ""),
                "{program} {name}"
            );
        }
    }
}

#[test]
fn a_second_run_touches_nothing() {
    let (scratch, pages) = pages();
    let times = |name: &String| {
        let path = scratch.join(&format!("share/man1/{name}"));
        path.metadata().unwrap().modified().unwrap()
    };
    let before: Vec<_> = pages.keys().map(times).collect();
    scratch.write("share/man1/crossfile.1", "an older page");
    scratch.run(&["man", "share/man1"]).succeeds();
    assert_eq!(scratch.read("share/man1/crossfile.1"), pages["crossfile.1"]);
    let changed = pages
        .keys()
        .map(times)
        .zip(before)
        .filter(|(now, then)| now != then);
    assert_eq!(changed.count(), 1);
    let failed = scratch.run(&["man", "share/man1/crossfile.1"]);
    assert_eq!(failed.status, 2, "{}", failed.stderr);
    assert!(
        failed.stderr.contains("cannot write the file"),
        "{}",
        failed.stderr
    );
}
