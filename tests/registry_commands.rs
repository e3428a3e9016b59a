//! What the commands print of images, in folders: no registry is needed.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot set up its images should panic"
)]

#[path = "registry/images.rs"]
mod images;
mod support;

use std::fmt::Write as _;

use crossfile::registry::{Layout, Repository, Which};
use images::{Image, attestation, entry, put_index};
use support::{Run, Scratch, crossfile, snapshots};

/// A program for a machine, as far as anybody looks: the head of an ELF file.
fn elf(bits: u8, machine: u16) -> Vec<u8> {
    let mut head = vec![0x7f, b'E', b'L', b'F', bits, 1, 1];
    head.resize(16, 0);
    head.extend(3_u16.to_le_bytes());
    head.extend(machine.to_le_bytes());
    head.extend(1_u32.to_le_bytes());
    head.resize(64, 0);
    head
}

const ARM: u16 = 40;
const X86_64: u16 = 62;
const AARCH64: u16 = 183;

fn layer(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o755);
        header.set_cksum();
        archive
            .append_data(&mut header, path, content.as_slice())
            .unwrap();
    }
    archive.into_inner().unwrap()
}

/// A folder with images of all sorts.
fn folder() -> Scratch {
    let scratch = Scratch::new();
    let layout = Layout::create(&scratch.join("images")).unwrap();
    let amd64 = Image {
        layer: layer(&[("bin/app", elf(2, X86_64))]),
        ..Image::new("linux/amd64")
    };
    let arm = Image {
        layer: layer(&[
            ("bin/app", elf(1, ARM)),
            ("usr/bin/qemu-x86_64-static", elf(2, X86_64)),
        ]),
        ..Image::new("linux/arm/v7")
    };
    let wrong = Image {
        layer: layer(&[
            ("bin/app", elf(1, ARM)),
            ("usr/local/bin/helper", elf(2, X86_64)),
        ]),
        ..Image::new("linux/arm/v7")
    };
    let amd64_manifest = amd64.put(&layout, "amd64");
    let arm_manifest = arm.put(&layout, "arm");
    let wrong = wrong.put(&layout, "wrong-arm");
    let proof = attestation(&layout, &amd64_manifest.digest);
    put_index(
        &layout,
        "right",
        &[
            entry(&amd64_manifest, "linux/amd64"),
            proof,
            entry(&arm_manifest, "linux/arm/v7"),
        ],
    );
    put_index(
        &layout,
        "wrong",
        &[
            entry(&amd64_manifest, "linux/amd64"),
            entry(&wrong, "linux/arm/v7"),
        ],
    );
    let arm64 = Image {
        layer: layer(&[("bin/app", elf(2, AARCH64))]),
        ..Image::new("linux/arm64")
    };
    let arm64 = arm64.put(&layout, "arm64");
    put_index(
        &layout,
        "classic",
        &[
            entry(&amd64_manifest, "linux/amd64"),
            entry(&arm64, "linux/arm64/armv8"),
        ],
    );
    scratch
}

fn run(scratch: &Scratch, args: &[&str]) -> Run {
    Run::from(
        crossfile()
            .args(args)
            .current_dir(scratch.path())
            .output()
            .unwrap(),
    )
}

/// Runs commands one after the other, and notes all that they print.
fn transcript(scratch: &Scratch, commands: &[&str]) -> String {
    let mut text = String::new();
    for command in commands {
        let args: Vec<&str> = command.split(' ').collect();
        let ran = run(scratch, &args);
        writeln!(text, "$ crossfile {command}\n{}", ran.stdout.trim_end()).unwrap();
        for line in ran.stderr.lines() {
            writeln!(text, "stderr: {line}").unwrap();
        }
        writeln!(text, "exit: {}", ran.status).unwrap();
    }
    text
}

#[test]
fn an_index_is_shown_and_proved() {
    let scratch = folder();
    let commands = [
        "inspect oci:images:right",
        "inspect --hosts oci:images:classic",
        "inspect --format json oci:images:right",
        "inspect --hosts oci:images:arm",
        "inspect oci:images:none oci:images oci:none:x",
        "verify oci:images:right",
        "verify --expect amd64,arm32v7 oci:images:right",
        "verify --expect amd64,s390x --may-have arm64v8 oci:images:right",
        "verify --expect armhf oci:images:right",
        "verify oci:images:wrong",
        "verify --skip-programs oci:images:wrong",
        "verify --allow usr/local/bin/h* oci:images:wrong",
        "verify --allow a[ oci:images:wrong",
        "verify --format json oci:images:wrong",
        "verify oci:images:none",
        "verify --format json oci:images:none",
    ];
    snapshots().bind(|| {
        insta::assert_snapshot!(
            "registry_commands.inspect_and_verify",
            transcript(&scratch, &commands)
        )
    });
}

#[test]
fn an_index_is_made_and_mended() {
    let scratch = folder();
    let commands = [
        "manifest --to oci:out --tag 1.27 --tag latest oci:images:amd64 arm32v7=oci:images:arm --optional s390x=oci:images:none",
        "inspect oci:out:latest",
        "manifest --to oci:out --tag 1.27 oci:images:arm oci:images:none linux/s390x=oci:images:amd64",
        "manifest --to oci:out --tag noted --annotation a=b --no-attestations oci:images:right",
        "inspect oci:out:noted",
        "manifest --to oci:out --tag noted --verify oci:images:wrong",
        "verify --skip-programs oci:out:noted",
        "manifest --to oci:out --tag noted --verify --allow usr/local/** oci:images:wrong",
        "manifest --to oci:out --tag classic oci:images:classic",
        "manifest --to oci:images/blobs --tag x oci:images:amd64",
        "verify --repair --dry-run oci:images:classic",
        "verify --repair oci:images:classic",
        "verify --repair oci:images:classic",
    ];
    let text = transcript(&scratch, &commands);
    // Times differ.
    let lines = text.lines().map(|line| match line.split_once(" s  -") {
        Some((before, after)) => format!(
            "{}TIME s  -{after}",
            before.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.')
        ),
        None => line.to_string(),
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    snapshots().bind(|| insta::assert_snapshot!("registry_commands.manifest_and_repair", text));
    // What is printed as it is has the digest that it should.
    let layout = Layout::open(&scratch.join("out")).unwrap();
    let document = layout
        .manifest(&Which::Tag("latest".to_string()))
        .unwrap()
        .unwrap();
    let raw = run(&scratch, &["inspect", "--raw", "oci:out:latest"]);
    assert_eq!(raw.stdout.as_bytes(), document.bytes);
}
