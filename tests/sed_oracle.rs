//! The placeholder dialect against the real thing: the classic script's sed commands, run by GNU sed on templates made
//! up at random from the pieces that meet in real ones, for every architecture of the table.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot run sed should panic"
)]

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crossfile::{
    ArchMap, Config, Layer, NoInputs, NoPartials, Overrides, Parsed, Source, Template, expand,
};
use proptest::prelude::*;

const CASES: u32 = 96;

fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => Just("__BASEIMAGE_ARCH__"),
        4 => Just("__QEMU_ARCH__"),
        4 => Just("__CROSS_"),
        2 => prop_oneof![Just("_"), Just("__"), Just("___"), Just("CROSS_"), Just("QEMU_ARCH"), Just("ARCH__")],
        4 => prop_oneof![Just("COPY "), Just("RUN "), Just("FROM "), Just("/alpine:3.22"), Just("# ")],
        3 => prop_oneof![Just(" \\"), Just("\\ "), Just("\t"), Just("\r"), Just("ü"), Just("$X ${Y} {{.Id}} &|\\1")],
        5 => Just("\n"),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn sed(text: &str, namespace: &str, qemu: &str, native: bool) -> Option<String> {
    let gate = if native {
        "/__CROSS_/d"
    } else {
        "s/__CROSS_//g"
    };
    let mut child = Command::new("sed")
        .env("LC_ALL", "C")
        .args(["-e", &format!("s|__BASEIMAGE_ARCH__|{namespace}|g")])
        .args(["-e", &format!("s|__QEMU_ARCH__|{qemu}|g"), "-e", gate])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    child.stdin.take()?.write_all(text.as_bytes()).ok()?;
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    Some(String::from_utf8(output.stdout).unwrap())
}

fn gnu_sed() -> bool {
    let version = Command::new("sed").arg("--version").output();
    version.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("GNU sed"))
}

fn config() -> Config {
    let map = ArchMap::builtin();
    let arches: Vec<_> = map
        .entries()
        .iter()
        .map(|entry| format!("\"{}\"", entry.name))
        .collect();
    let text = format!("arches = [{}]\n", arches.join(", "));
    let layer = Layer::parse(&Source::new("crossfile.toml", text)).unwrap();
    Config::read(&[layer], &Overrides::default(), &NoInputs).unwrap()
}

#[test]
fn what_sed_makes() {
    if !gnu_sed() {
        eprintln!("skipped: GNU sed is not on PATH");
        return;
    }
    let config = config();
    let cells = config.cells(&config.arches);
    assert_eq!(cells.len(), ArchMap::builtin().entries().len());
    let accepted = AtomicU32::new(0);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: CASES,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    runner
        .run(&pieces(), |text| {
            let source = Source::new("Dockerfile.cross", text.as_str());
            // What is refused (an unknown token, gates of two forms) has no bytes to compare.
            let Ok(Parsed::Template(template)) = expand::parse(&source, &config, &NoPartials)
            else {
                return Ok(());
            };
            // The classic script knows two names and the gate; `__ARCH__`, say, it would leave.
            let classic = ["baseimage_arch", "qemu_arch", "cross"];
            let others = template
                .names()
                .iter()
                .any(|name| !classic.contains(&name.as_str()));
            if others || double_or_comment_gate(&text) {
                return Ok(());
            }
            accepted.fetch_add(1, Ordering::Relaxed);
            for cell in &cells {
                compare(&config, cell, &template, &text)?;
            }
            Ok(())
        })
        .unwrap();
    let accepted = accepted.into_inner();
    assert!(
        accepted >= CASES / 4,
        "only {accepted} of {CASES} texts were templates"
    );
    for text in [
        "__BASEIMAGE_ARCH__\n",
        "__CROSS_COPY qemu-__QEMU_ARCH__-static /\n\nx",
        "# __CROSS_ \\\n__CROSS___QEMU_ARCH__",
    ] {
        let source = Source::new("Dockerfile.cross", text);
        let Ok(Parsed::Template(template)) = expand::parse(&source, &config, &NoPartials) else {
            panic!("{text:?} is a template");
        };
        for cell in &cells {
            compare(&config, cell, &template, text).unwrap();
        }
    }
}

/// Gates that are not the classic form: what sed makes of them (`_COPY`, `#COPY`) is what they exist to avoid.
fn double_or_comment_gate(text: &str) -> bool {
    text.match_indices("__CROSS_").any(|(at, gate)| {
        let after = &text[at + gate.len()..];
        let underscores = after.bytes().take_while(|&byte| byte == b'_').count();
        underscores == 1 || underscores == 3 || text[..at].ends_with('#')
    })
}

fn compare(
    config: &Config,
    cell: &crossfile::Cell,
    template: &Template,
    text: &str,
) -> Result<(), TestCaseError> {
    let context = config.context(cell).unwrap();
    let value = |name: &str| context.text(name);
    let uses = |name: &str| template.names().contains(name);
    let (namespace, qemu) = (value("baseimage_arch"), value("qemu_arch"));
    let lacks =
        (namespace.is_none() && uses("baseimage_arch")) || (qemu.is_none() && uses("qemu_arch"));
    let rendered = template.render(&context);
    if lacks {
        // Only a gated line that goes may hold a name without a value.
        prop_assert!(rendered.is_err() || text.contains("__CROSS_"));
        return Ok(());
    }
    let wanted = sed(
        text,
        &namespace.unwrap_or_default(),
        &qemu.unwrap_or_default(),
        !context.is_emulated(),
    );
    prop_assert_eq!(
        rendered.unwrap(),
        wanted.unwrap(),
        "{} {:?}",
        cell.arch,
        text
    );
    Ok(())
}
