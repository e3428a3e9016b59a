//! `crossfile qemu fetch` with a mirror on loopback: what is asked, what is put where, and what is refused.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot set up its mirror should panic"
)]

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use sha2::{Digest, Sha256};
use support::{Run, Scratch, crossfile};

const X86_64: u16 = 62;
const AARCH64: u16 = 183;

/// A small program of 64 bits: a header, what it loads, and perhaps a part that names a loader. `mark` tells programs apart.
fn program(machine: u16, dynamic: bool, mark: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    bytes.extend(2u16.to_le_bytes());
    bytes.extend(machine.to_le_bytes());
    bytes.extend(1u32.to_le_bytes());
    bytes.extend(0x40_0000u64.to_le_bytes());
    bytes.extend(64u64.to_le_bytes());
    bytes.extend(0u64.to_le_bytes());
    bytes.extend(0u32.to_le_bytes());
    let parts: &[u32] = if dynamic { &[3, 1] } else { &[1] };
    for half in [64, 56, u16::try_from(parts.len()).unwrap(), 64, 0, 0] {
        bytes.extend(half.to_le_bytes());
    }
    let at = (64 + 56 * parts.len()) as u64;
    let size = mark.len() as u64;
    for kind in parts {
        bytes.extend(kind.to_le_bytes());
        bytes.extend(5u32.to_le_bytes());
        for word in [at, 0x40_0000, 0x40_0000, size, size, 0x1000] {
            bytes.extend(word.to_le_bytes());
        }
    }
    bytes.extend(mark.as_bytes());
    bytes
}

fn handler(mark: &str) -> Vec<u8> {
    program(X86_64, false, mark)
}

fn sum(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let options = lzma_rust2::XzOptions::with_preset(1);
    let mut writer = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

/// Files and, behind `->`, links.
fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o755);
        match path.split_once(" -> ") {
            Some((path, to)) => {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_size(0);
                builder.append_link(&mut header, path, to).unwrap();
            }
            None => {
                header.set_size(bytes.len() as u64);
                builder.append_data(&mut header, path, *bytes).unwrap();
            }
        }
    }
    builder.into_inner().unwrap()
}

fn deb(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = ar::Builder::new(Vec::new());
    let members: [(&str, Vec<u8>); 3] = [
        ("debian-binary", b"2.0\n".to_vec()),
        ("control.tar.xz", xz(&tar(&[]))),
        ("data.tar.xz", xz(&tar(files))),
    ];
    for (name, bytes) in members {
        let header = ar::Header::new(name.as_bytes().to_vec(), bytes.len() as u64);
        builder.append(&header, bytes.as_slice()).unwrap();
    }
    builder.into_inner().unwrap()
}

/// What is answered to a path.
#[derive(Clone)]
enum Answer {
    File(Vec<u8>),
    /// It says that it is whole, and ends before.
    Cut(Vec<u8>),
    Moved(String),
    /// It never ends.
    Stalled,
    /// A file is written before it is answered: by somebody else, meanwhile.
    Meanwhile(std::path::PathBuf, String, Vec<u8>),
}

#[derive(Default)]
struct State {
    answers: BTreeMap<String, Answer>,
    asked: Vec<String>,
}

/// A server of files on loopback, as long as the test.
#[derive(Clone)]
struct Mirror {
    address: String,
    state: Arc<Mutex<State>>,
}

impl Mirror {
    fn new() -> Mirror {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mirror = Mirror {
            address: format!("http://{}", listener.local_addr().unwrap()),
            state: Arc::default(),
        };
        let state = Arc::clone(&mirror.state);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, state) = (stream.unwrap(), Arc::clone(&state));
                thread::spawn(move || serve(stream, &state));
            }
        });
        mirror
    }

    fn put(&self, path: &str, answer: Answer) {
        let mut state = self.state.lock().unwrap();
        state.answers.insert(path.to_string(), answer);
    }

    fn file(&self, path: &str, bytes: impl Into<Vec<u8>>) {
        self.put(path, Answer::File(bytes.into()));
    }

    /// What was asked since the last time.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().asked)
    }

    /// An archive of Debian packages of amd64.
    fn archive(&self, packages: &[(&str, &str, Vec<u8>)]) {
        let mut list = String::from(
            "Package: qemu-guest-agent\nVersion: 9\nFilename: x\nSize: 1\nSHA256: 00\n\n",
        );
        for (name, version, bytes) in packages {
            let filename = format!("pool/main/q/qemu/{name}_{version}_amd64.deb");
            list.push_str(&format!(
                "Package: {name}\nVersion: {version}\nDescription: x\nFilename: {filename}\nSize: {}\nSHA256: {}\n\n",
                bytes.len(),
                sum(bytes)
            ));
            self.file(&format!("/debian/{filename}"), bytes.clone());
        }
        self.list(&xz(list.as_bytes()));
    }

    fn list(&self, list: &[u8]) {
        let folder = "main/binary-amd64";
        self.file(
            "/debian/dists/trixie/Release",
            format!(
                "Suite: stable\nAcquire-By-Hash: yes\nComponents: main\nSHA256:\n {} {} {folder}/Packages.xz\n",
                sum(list),
                list.len()
            ),
        );
        self.file(
            &format!("/debian/dists/trixie/{folder}/by-hash/SHA256/{}", sum(list)),
            list,
        );
    }

    /// With handlers for arm and aarch64 as Debian 12 has them.
    fn with_debian(version: &str) -> Mirror {
        let mirror = Mirror::new();
        mirror.archive(&[("qemu-user-static", version, static_package(version))]);
        mirror
    }

    fn settings(&self) -> String {
        format!(
            "arches = [\"amd64\", \"arm32v7\", \"arm64v8\"]\n[handlers]\nfrom = [\"debian\"]\nmirror = \"{}/debian\"\n",
            self.address
        )
    }
}

fn static_package(version: &str) -> Vec<u8> {
    let [arm, aarch64] = ["arm", "aarch64"].map(|qemu| handler(&format!("{qemu} {version}")));
    deb(&[
        ("./usr/bin/qemu-aarch64-static", aarch64.as_slice()),
        ("./usr/bin/qemu-arm-static", arm.as_slice()),
        ("./usr/bin/qemu-sparc-static", b"#!/bin/sh\n"),
    ])
}

fn serve(mut stream: TcpStream, state: &Mutex<State>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    loop {
        let Some(Ok(first)) = lines.next() else {
            return;
        };
        while lines.next().unwrap().is_ok_and(|line| !line.is_empty()) {}
        let path = first.split(' ').nth(1).unwrap().to_string();
        let answer = {
            let mut state = state.lock().unwrap();
            state.asked.push(path.clone());
            state.answers.get(&path).cloned()
        };
        let head = |status: &str, size: usize, more: &str| {
            format!("HTTP/1.1 {status}\r\ncontent-length: {size}\r\n{more}\r\n").into_bytes()
        };
        let (bytes, ends) = match answer {
            Some(Answer::Meanwhile(path, text, bytes)) => {
                std::fs::write(path, text).unwrap();
                ([head("200 OK", bytes.len(), ""), bytes].concat(), false)
            }
            Some(Answer::File(bytes)) => ([head("200 OK", bytes.len(), ""), bytes].concat(), false),
            Some(Answer::Cut(bytes)) => {
                let half = bytes[..bytes.len() / 2].to_vec();
                ([head("200 OK", bytes.len(), ""), half].concat(), true)
            }
            Some(Answer::Moved(to)) => {
                (head("302 Found", 0, &format!("location: {to}\r\n")), false)
            }
            Some(Answer::Stalled) => {
                stream.write_all(&head("200 OK", 10, "")).unwrap();
                let _ = stream.read(&mut [0; 1]);
                return;
            }
            None => (head("404 Not Found", 0, ""), false),
        };
        if stream.write_all(&bytes).is_err() || ends {
            return;
        }
    }
}

const CLASSIC: &str = "FROM __BASEIMAGE_ARCH__/alpine:3.22\n__CROSS_COPY qemu-__QEMU_ARCH__-static /usr/bin/\nRUN true\n";

/// A folder with projects and a cache.
struct Lab {
    scratch: Scratch,
}

impl Lab {
    fn new() -> Lab {
        Lab {
            scratch: Scratch::new(),
        }
    }

    /// A project of the classic template.
    fn classic(mirror: &Mirror) -> Lab {
        let lab = Lab::new();
        lab.write("p/crossfile.toml", mirror.settings());
        lab.write("p/Dockerfile.cross", CLASSIC);
        lab
    }

    fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        self.scratch.write(path, text);
    }

    fn command(&self, folder: &str, args: &[&str]) -> std::process::Command {
        let mut command = crossfile();
        command
            .args(["qemu", "fetch"])
            .args(args)
            .current_dir(self.scratch.join(folder))
            .env("XDG_CACHE_HOME", self.scratch.join("cache"));
        command
    }

    fn fetch(&self, args: &[&str]) -> Run {
        self.fetch_in("p", args)
    }

    fn fetch_in(&self, folder: &str, args: &[&str]) -> Run {
        Run::from(self.command(folder, args).output().unwrap())
    }

    /// The files of a folder but those that people wrote.
    fn made(&self, folder: &str) -> Vec<String> {
        let known = ["crossfile.toml", "Dockerfile.cross", ".dockerignore"];
        let files = support::files_below(&self.scratch.join(folder)).into_keys();
        files
            .filter(|file| !known.contains(&file.as_str()))
            .collect()
    }
}

#[track_caller]
fn says(run: &Run, status: i32, texts: &[&str]) {
    let all = format!("{}{}", run.stdout, run.stderr);
    assert_eq!(run.status, status, "{all}");
    for text in texts {
        assert!(all.contains(text), "no `{text}` in\n{all}");
    }
}

#[test]
fn handlers_of_a_package_are_put_and_locked_and_not_asked_for_again() {
    let mirror = Mirror::with_debian("1:7.2");
    let lab = Lab::classic(&mirror);
    let run = lab.fetch(&[]);
    says(
        &run,
        0,
        &[
            "wrote qemu-arm-static (for arm32v7, from http://",
            "(1:7.2)",
            "wrote crossfile.lock",
            "2 handlers: 2 put",
        ],
    );
    assert_eq!(
        lab.made("p"),
        ["crossfile.lock", "qemu-aarch64-static", "qemu-arm-static"]
    );
    assert_eq!(lab.scratch.bytes("p/qemu-arm-static"), handler("arm 1:7.2"));
    let mode = |path: &str| {
        std::fs::metadata(lab.scratch.join(path))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(mode("p/qemu-arm-static"), 0o555);
    let asked = mirror.asked();
    assert_eq!(asked.len(), 3, "{asked:?}");
    assert!(
        asked[2].ends_with("qemu-user-static_1:7.2_amd64.deb"),
        "{asked:?}"
    );
    let lock = lab.scratch.read("p/crossfile.lock");
    let line = format!(
        "arm = {{ sha256 = \"{}\", size = {}, source = \"debian\", version = \"1:7.2\", from = \"",
        sum(&handler("arm 1:7.2")),
        handler("arm 1:7.2").len()
    );
    assert!(
        lock.contains("[qemu.amd64]\n") && lock.contains(&line),
        "{lock}"
    );

    let before = std::fs::metadata(lab.scratch.join("p/qemu-arm-static")).unwrap();
    let run = lab.fetch(&[]);
    says(
        &run,
        0,
        &["qemu-arm-static is right already", "2 handlers: 2 right"],
    );
    let after = std::fs::metadata(lab.scratch.join("p/qemu-arm-static")).unwrap();
    assert_eq!(
        (before.ino(), before.mtime_nsec()),
        (after.ino(), after.mtime_nsec())
    );
    says(&lab.fetch(&["--check"]), 0, &[]);
    assert_eq!(lab.scratch.read("p/crossfile.lock"), lock);

    // A mode that was lost comes back.
    let path = lab.scratch.join("p/qemu-arm-static");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    says(
        &lab.fetch(&["--check"]),
        1,
        &["cannot be executed", "[changed-handler]"],
    );
    says(&lab.fetch(&[]), 0, &["made qemu-arm-static executable"]);
    assert_eq!(mode("p/qemu-arm-static"), 0o555);
    assert_eq!(mirror.asked(), [""; 0]);
}

#[test]
fn a_second_project_gets_it_from_the_cache_and_a_damaged_cache_is_mended() {
    let mirror = Mirror::with_debian("1:7.2");
    let lab = Lab::classic(&mirror);
    says(&lab.fetch(&[]), 0, &[]);
    mirror.asked();
    for file in ["crossfile.toml", "Dockerfile.cross", "crossfile.lock"] {
        lab.write(&format!("q/{file}"), lab.scratch.read(&format!("p/{file}")));
    }
    says(&lab.fetch_in("q", &[]), 0, &["2 handlers: 2 put"]);
    assert_eq!(mirror.asked(), [""; 0]);
    // One content, at one place of the disk, or sharing its bytes there.
    assert_eq!(lab.scratch.bytes("q/qemu-arm-static"), handler("arm 1:7.2"));

    // Without a lock nobody knows what to take, but the package is there.
    for file in ["crossfile.toml", "Dockerfile.cross"] {
        lab.write(&format!("r/{file}"), lab.scratch.read(&format!("p/{file}")));
    }
    says(&lab.fetch_in("r", &[]), 0, &["2 handlers: 2 put"]);
    let asked = mirror.asked();
    assert!(
        asked.len() == 2 && !asked.iter().any(|path| path.ends_with(".deb")),
        "{asked:?}"
    );

    // Somebody edits a file that is linked: the cache's is damaged, too.
    std::fs::remove_file(lab.scratch.join("q/qemu-arm-static")).unwrap();
    let cached = format!("cache/crossfile/handlers/{}", sum(&handler("arm 1:7.2")));
    // Other editors do not even try: the mode does not let them.
    let path = lab.scratch.join(&cached);
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o555
    );
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::write(&path, "edited").unwrap();
    // Every project notices whose file is the same one, or has one that is a clone.
    let [linked, status] = match lab.scratch.bytes("p/qemu-arm-static") == b"edited" {
        true => ["is not the handler that is locked", "1"],
        false => ["2 right", "0"],
    };
    says(&lab.fetch(&["--check"]), status.parse().unwrap(), &[linked]);
    says(&lab.fetch_in("q", &[]), 0, &["wrote qemu-arm-static"]);
    assert_eq!(lab.scratch.bytes("q/qemu-arm-static"), handler("arm 1:7.2"));
    assert_eq!(lab.scratch.bytes(&cached), handler("arm 1:7.2"));
}

/// Without a folder of the user's own nothing is taken from one that all users share, and nothing is left there.
#[test]
fn without_a_home_the_cache_lasts_as_long_as_the_run() {
    let mirror = Mirror::with_debian("1");
    let lab = Lab::classic(&mirror);
    // What somebody prepared: a file for the checksum, and a link in the place of the folder.
    let evil = format!("tmp/crossfile/handlers/{}", sum(&handler("arm 1")));
    lab.write(&evil, handler("arm 1"));
    let fetch = |args: &[&str]| {
        let mut command = lab.command("p", args);
        command.env_remove("HOME").env_remove("XDG_CACHE_HOME");
        command.env("TMPDIR", lab.scratch.join("tmp"));
        Run::from(command.output().unwrap())
    };
    says(&fetch(&[]), 0, &["2 put"]);
    let found = std::fs::metadata(lab.scratch.join("p/qemu-arm-static")).unwrap();
    assert_eq!(found.nlink(), 1);
    assert_eq!(lab.made("tmp"), [evil.strip_prefix("tmp/").unwrap()]);
    // There is nowhere to keep what a file holds.
    std::fs::remove_file(lab.scratch.join("p/qemu-arm-static")).unwrap();
    lab.write("p/qemu-arm-static", "mine");
    says(
        &fetch(&["--force"]),
        2,
        &[
            "there is no cache to keep what it holds in",
            "[changed-handler]",
        ],
    );
    assert_eq!(lab.scratch.read("p/qemu-arm-static"), "mine");
}

#[test]
fn a_chain_that_does_not_hold_writes_nothing() {
    let path = "/debian/pool/main/q/qemu/qemu-user-static_1_amd64.deb";
    type Fault = Box<dyn Fn(&Mirror)>;
    let faults: [(&str, Fault); 5] = [
        (
            "the list that names it says",
            Box::new(|mirror: &Mirror| mirror.file(path, static_package("2"))),
        ),
        (
            "the answer breaks off after",
            Box::new(|mirror: &Mirror| mirror.put(path, Answer::Cut(static_package("1")))),
        ),
        (
            "there is no such file",
            Box::new(|mirror: &Mirror| drop(mirror.state.lock().unwrap().answers.remove(path))),
        ),
        (
            "the list that names it says",
            Box::new(|mirror: &Mirror| {
                let mut state = mirror.state.lock().unwrap();
                let (_, list) = state
                    .answers
                    .iter_mut()
                    .find(|(path, _)| path.contains("by-hash"))
                    .unwrap();
                let Answer::File(bytes) = list else { panic!() };
                bytes[20] ^= 1;
            }),
        ),
        (
            "this has no checksums of lists",
            Box::new(|mirror: &Mirror| {
                mirror.file("/debian/dists/trixie/Release", "<html>log in</html>");
            }),
        ),
    ];
    for (what, fault) in faults {
        let mirror = Mirror::with_debian("1");
        fault(&mirror);
        let lab = Lab::classic(&mirror);
        let run = lab.fetch(&[]);
        says(
            &run,
            2,
            &[
                what,
                "[no-handler]",
                "qemu-arm-static for `arm32v7`, to run on `amd64`",
                "2 handlers: 2 missing",
            ],
        );
        assert_eq!(
            lab.made("."),
            ["p/Dockerfile.cross", "p/crossfile.toml"],
            "{what}"
        );
    }
}

#[test]
fn only_a_static_program_for_the_host_is_a_handler() {
    let cut = handler("arm")[..120].to_vec();
    for (bytes, what) in [
        (
            program(AARCH64, false, "arm"),
            "it is a program for arm64, and not for amd64",
        ),
        (program(X86_64, true, "arm"), "it is not static"),
        (b"#!/bin/sh\nexec qemu\n".to_vec(), "it is no ELF program"),
        (Vec::new(), "it is empty"),
        (cut, "it is cut short"),
    ] {
        let mirror = Mirror::new();
        mirror.file("/qemu-arm-static", bytes);
        let lab = Lab::new();
        let settings = format!(
            "arches = [\"arm32v7\"]\n[handlers]\nfrom = [\"url\"]\nurl = \"{}/qemu-{{{{qemu_arch}}}}-static\"\n",
            mirror.address
        );
        lab.write("p/crossfile.toml", settings);
        lab.write("p/Dockerfile.cross", CLASSIC);
        says(
            &lab.fetch(&[]),
            2,
            &[what, "[no-handler]", "/qemu-arm-static: "],
        );
        assert_eq!(lab.made("p"), [""; 0], "{what}");
    }
    // On a host that runs it, the first one is.
    let mirror = Mirror::new();
    mirror.file(
        "/aarch64/qemu-x86_64-static",
        program(AARCH64, false, "x86_64"),
    );
    let lab = Lab::new();
    let settings = format!(
        "arches = [\"amd64\"]\nhost = \"arm64v8\"\n[handlers]\nfrom = [\"url\"]\nurl = \"{}/{{{{host_qemu_arch}}}}/qemu-{{{{qemu_arch}}}}-static\"\n",
        mirror.address
    );
    lab.write("p/crossfile.toml", settings);
    lab.write("p/Dockerfile.cross", CLASSIC);
    says(&lab.fetch(&[]), 0, &["1 put"]);
    assert!(
        lab.scratch
            .read("p/crossfile.lock")
            .contains("[qemu.arm64v8]\nx86_64 = ")
    );
}

#[test]
fn debian_13_has_links_to_another_package() {
    let mirror = Mirror::new();
    let compat = deb(&[
        ("./usr/bin/qemu-aarch64-static -> qemu-aarch64", b""),
        ("./usr/bin/qemu-arm-static -> qemu-arm", b""),
    ]);
    let (arm, aarch64) = (handler("arm 10"), handler("aarch64 10"));
    let user = deb(&[
        ("./usr/bin/qemu-aarch64", aarch64.as_slice()),
        ("./usr/bin/qemu-arm", arm.as_slice()),
    ]);
    mirror.archive(&[
        ("qemu-user", "10", user),
        ("qemu-user-static", "10", compat),
    ]);
    let lab = Lab::classic(&mirror);
    says(
        &lab.fetch(&[]),
        0,
        &["2 handlers: 2 put", "qemu-user_10_amd64.deb"],
    );
    assert_eq!(lab.scratch.bytes("p/qemu-aarch64-static"), aarch64);
    let packages = mirror
        .asked()
        .into_iter()
        .filter(|path| path.ends_with(".deb"));
    assert_eq!(packages.count(), 2);
}

#[test]
fn a_newer_version_is_taken_when_asked_for() {
    let mirror = Mirror::with_debian("1");
    let lab = Lab::classic(&mirror);
    says(&lab.fetch(&[]), 0, &[]);
    let lock = lab.scratch.read("p/crossfile.lock");
    mirror.archive(&[("qemu-user-static", "2", static_package("2"))]);
    // What is there and in the cache is as good as ever.
    says(&lab.fetch(&[]), 0, &["2 right"]);
    std::fs::remove_dir_all(lab.scratch.join("cache")).unwrap();
    std::fs::remove_file(lab.scratch.join("p/qemu-arm-static")).unwrap();
    let (old, new) = (sum(&handler("arm 1")), sum(&handler("arm 2")));
    let run = lab.fetch(&[]);
    says(
        &run,
        2,
        &[
            "[changed-handler]",
            "is not the one that is locked any more",
            &old,
            &new,
            "--update arm32v7",
            "crossfile.lock:6:",
            "(2)",
        ],
    );
    assert!(!lab.scratch.exists("p/qemu-arm-static"));
    assert_eq!(lab.scratch.read("p/crossfile.lock"), lock);
    let run = lab.fetch(&["--update"]);
    says(
        &run,
        0,
        &[
            "wrote qemu-arm-static",
            "replaced qemu-aarch64-static",
            "what qemu-aarch64-static held is kept as",
            "wrote crossfile.lock",
        ],
    );
    assert_eq!(
        lab.scratch.bytes("p/qemu-aarch64-static"),
        handler("aarch64 2")
    );
    let kept = format!("cache/crossfile/handlers/{}", sum(&handler("aarch64 1")));
    assert_eq!(lab.scratch.bytes(&kept), handler("aarch64 1"));
    assert!(lab.scratch.read("p/crossfile.lock").contains(&new));
    // Of another checkout of the project the old file is replaced without a word of force: the cache has it.
    lab.write("p/qemu-aarch64-static", handler("aarch64 1"));
    says(&lab.fetch(&[]), 0, &["replaced qemu-aarch64-static"]);
}

#[test]
fn what_somebody_else_put_there_is_not_lost() {
    let mirror = Mirror::with_debian("1");
    let lab = Lab::classic(&mirror);
    lab.write("p/qemu-arm-static", "mine");
    let run = lab.fetch(&[]);
    says(
        &run,
        2,
        &[
            "another file stands where qemu-arm-static belongs",
            "[changed-handler]",
            &sum(b"mine"),
            &sum(&handler("arm 1")),
            "`--force` replaces it",
            "1 put, 1 differs",
        ],
    );
    assert_eq!(lab.scratch.read("p/qemu-arm-static"), "mine");
    assert!(!lab.scratch.read("p/crossfile.lock").contains("arm ="));
    says(
        &lab.fetch(&["--check"]),
        1,
        &["has no checksum to compare it with"],
    );
    says(
        &lab.fetch(&["--force"]),
        0,
        &[
            "replaced qemu-arm-static",
            "what qemu-arm-static held is kept as",
        ],
    );
    assert_eq!(
        lab.scratch
            .read(&format!("cache/crossfile/handlers/{}", sum(b"mine"))),
        "mine"
    );
    // The same where it is locked.
    std::fs::remove_dir_all(lab.scratch.join("cache")).unwrap();
    std::fs::remove_file(lab.scratch.join("p/qemu-arm-static")).unwrap();
    lab.write("p/qemu-arm-static", "mine");
    mirror.asked();
    says(&lab.fetch(&[]), 2, &["another file stands"]);
    assert_eq!(mirror.asked(), [""; 0]);
    says(
        &lab.fetch(&["--check"]),
        1,
        &["is not the handler that is locked", "crossfile.lock:6:"],
    );
    // A folder is no file, and a link that leaves the context is not followed.
    std::fs::remove_file(lab.scratch.join("p/qemu-arm-static")).unwrap();
    std::fs::create_dir(lab.scratch.join("p/qemu-arm-static")).unwrap();
    says(
        &lab.fetch(&["--force"]),
        2,
        &["no regular file stands here", "1 right, 1 failed"],
    );
    std::fs::remove_dir(lab.scratch.join("p/qemu-arm-static")).unwrap();
    lab.write("elsewhere", "mine");
    std::os::unix::fs::symlink("nothing", lab.scratch.join("p/qemu-arm-static")).unwrap();
    says(&lab.fetch(&["--force"]), 2, &["this link leads to nothing"]);
    std::fs::remove_file(lab.scratch.join("p/qemu-arm-static")).unwrap();
    std::os::unix::fs::symlink("../elsewhere", lab.scratch.join("p/qemu-arm-static")).unwrap();
    says(&lab.fetch(&["--force"]), 2, &["leads out of the project"]);
    assert_eq!(lab.scratch.read("elsewhere"), "mine");
}

#[test]
fn offline_it_says_what_would_do() {
    let mirror = Mirror::with_debian("1");
    let lab = Lab::classic(&mirror);
    says(&lab.fetch(&[]), 0, &[]);
    // Nobody listens on the port of a server that is gone.
    let gone = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let settings = format!(
        "arches = [\"arm32v7\", \"s390x\"]\n[handlers]\nfrom = [\"machine\", \"debian\"]\nmirror = \"http://{gone}/debian\"\n"
    );
    lab.write("p/crossfile.toml", settings.replace("\"machine\", ", ""));
    says(&lab.fetch(&["arm32v7"]), 0, &["1 right"]);
    std::fs::remove_file(lab.scratch.join("p/qemu-arm-static")).unwrap();
    says(&lab.fetch(&["arm32v7"]), 0, &["1 put"]);
    std::fs::remove_dir_all(lab.scratch.join("cache")).unwrap();
    std::fs::remove_file(lab.scratch.join("p/qemu-arm-static")).unwrap();
    let run = lab.fetch(&[]);
    let (known, cached) = (
        sum(&handler("arm 1")),
        format!("cache/crossfile/handlers/{}", sum(&handler("arm 1"))),
    );
    says(
        &run,
        2,
        &[
            "qemu-arm-static for `arm32v7`",
            "qemu-s390x-static for `s390x`",
            &format!("http://{gone}/debian/dists/trixie/Release: "),
            &known,
            &cached,
            "its checksum is not locked yet",
            "[no-handler]",
        ],
    );
    assert_eq!(run.stderr.matches("fetching").count(), 1, "{}", run.stderr);
    // What it asks for is enough.
    lab.write(&cached, handler("arm 1"));
    says(&lab.fetch(&["arm32v7"]), 0, &["1 put"]);
    says(
        &lab.fetch(&["--dry-run"]),
        0,
        &[
            "would write qemu-s390x-static",
            "qemu-arm-static is right already",
        ],
    );
    assert!(!lab.scratch.exists("p/qemu-s390x-static"));
}

#[test]
fn addresses_of_the_settings_lead_to_programs_and_to_packed_ones() {
    let mirror = Mirror::new();
    let [arm, aarch64, s390x, riscv64] = ["arm", "aarch64", "s390x", "riscv64"].map(handler);
    mirror.file("/arm", arm.clone());
    mirror.file(
        "/aarch64",
        gzip(&tar(&[
            ("q/README", b"x"),
            ("q/qemu-aarch64-static", &aarch64),
        ])),
    );
    mirror.file("/s390x", gzip(&s390x));
    mirror.put("/riscv64", Answer::Moved("/moved/riscv64".to_string()));
    mirror.file("/moved/riscv64", xz(&riscv64));
    let lab = Lab::new();
    let settings = format!(
        "arches = [\"arm32v7\", \"arm64v8\", \"s390x\", \"riscv64\", \"ppc64le\"]\n[vars]\nrelease = \"\"\n[handlers]\nfrom = [\"url\"]\nurl = \"{}{{{{release}}}}/{{{{qemu_arch}}}}\"\n",
        mirror.address
    );
    lab.write("p/crossfile.toml", settings);
    lab.write("p/Dockerfile.cross", CLASSIC);
    says(
        &lab.fetch(&[]),
        2,
        &[
            "5 handlers: 4 put, 1 missing",
            "/ppc64le: there is no such file",
        ],
    );
    for (name, bytes) in [
        ("arm", arm),
        ("aarch64", aarch64),
        ("s390x", s390x),
        ("riscv64", riscv64),
    ] {
        assert_eq!(lab.scratch.bytes(&format!("p/qemu-{name}-static")), bytes);
    }
    // The rules of registries hold: no plain HTTP over the net, no way from TLS to it, and no user in an address.
    lab.write("q/Dockerfile.cross", CLASSIC);
    lab.write(
        "q/crossfile.toml",
        "arches = [\"arm32v7\"]\n[handlers]\nfrom = [\"url\"]\nurl = \"http://mirror.invalid/x\"\n",
    );
    says(
        &lab.fetch_in("q", &[]),
        2,
        &["mirror.invalid would be spoken to in plain HTTP"],
    );
    lab.write("q/crossfile.toml", "arches = [\"arm32v7\"]\n[handlers]\nfrom = [\"url\", \"tape\"]\nmirror = \"ftp://x\"\nsuite = \"\"\n");
    says(
        &lab.fetch_in("q", &[]),
        2,
        &[
            "nothing says which `url`",
            "`tape` is nothing that handlers come from",
            "`ftp://x` is no address",
            "`` is no release",
        ],
    );
    lab.write(
        "q/crossfile.toml",
        "[handlers]\nurl = \"https://me:secret@x.invalid/\"\n",
    );
    says(
        &lab.fetch_in("q", &[]),
        2,
        &["the address has a user in it"],
    );
}

#[test]
fn each_form_of_a_copy_is_read() {
    let forms: &[(&str, &[&str])] = &[
        ("COPY qemu-arm-static /usr/bin/", &["qemu-arm-static"]),
        (
            "COPY ./bin/qemu-arm-static /usr/bin/",
            &["bin/qemu-arm-static"],
        ),
        (
            "COPY /bin/x/../qemu-arm-static /usr/bin/",
            &["bin/qemu-arm-static"],
        ),
        ("COPY qemu-*-static /usr/bin/", &["qemu-arm-static"]),
        ("ADD qemu-arm-static* /usr/bin/", &["qemu-arm-static"]),
        (
            "COPY a qemu-arm-static q/qemu-aarch64-static /usr/bin/",
            &["q/qemu-aarch64-static", "qemu-arm-static"],
        ),
        (
            "COPY --chown=0:0 [\"bin/qemu-arm-static\", \"/usr/bin/\"]",
            &["bin/qemu-arm-static"],
        ),
        (
            "ARG Q=arm\nCOPY qemu-${Q}-static /usr/bin/",
            &["qemu-arm-static"],
        ),
        ("COPY --from=qemu /usr/bin/qemu-arm-static /usr/bin/", &[]),
        ("ADD https://example.com/qemu-arm-static /usr/bin/", &[]),
        (
            "COPY foo/qemu-arm-static/ /usr/bin/",
            &["foo/qemu-arm-static"],
        ),
        ("ADD git@github.com:x/qemu-arm-static /usr/bin/", &[]),
        ("COPY . /", &[]),
        ("# COPY qemu-arm-static /usr/bin/", &[]),
    ];
    for (form, files) in forms {
        let lab = Lab::new();
        lab.write(
            "p/crossfile.toml",
            "arches = [\"amd64\", \"arm32v7\"]\ndockerfile = \"Dockerfile\"\n",
        );
        lab.write("p/Dockerfile", format!("FROM alpine\n{form}\n"));
        let run = lab.fetch(&["--dry-run", "--format", "json"]);
        says(&run, 0, &[]);
        let json: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        let handlers = json["handlers"].as_array().unwrap();
        let mut paths: Vec<&str> = handlers
            .iter()
            .map(|own| own["files"][0]["path"].as_str().unwrap())
            .collect();
        paths.sort_unstable();
        assert_eq!(paths, *files, "{form}");
        if files.is_empty() {
            says(
                &lab.fetch(&["--dry-run"]),
                0,
                &["nothing to fetch: no Dockerfile for arm32v7 copies a handler"],
            );
        }
    }
    for (form, what) in [
        (
            "COPY ../qemu-arm-static /usr/bin/",
            "this is outside of the build context",
        ),
        (
            "COPY qemu-s*-static /usr/bin/",
            "no handler of `arm32v7` fits `qemu-s*-static`",
        ),
        (
            "COPY */qemu-arm-static /usr/bin/",
            "in which folder the handler is to lie cannot be said",
        ),
    ] {
        let lab = Lab::new();
        lab.write(
            "p/crossfile.toml",
            "arches = [\"amd64\", \"arm32v7\"]\ndockerfile = \"Dockerfile\"\n",
        );
        lab.write("p/Dockerfile", format!("FROM alpine\n{form}\n"));
        says(
            &lab.fetch(&[]),
            1,
            &[what, "Dockerfile:2:6: error", "[missing-handler]"],
        );
    }
}

#[test]
fn architectures_are_those_that_are_emulated_or_asked_for() {
    let lab = Lab::new();
    lab.write("p/crossfile.toml", "arches = [\"amd64\", \"i386\", \"arm32v6\", \"arm64v8\", \"s390x\"]\n[arch.s390x]\nqemu = false\n");
    lab.write("p/Dockerfile.cross", CLASSIC);
    let dry = |args: &[&str]| {
        let run = lab.fetch(&[&["--dry-run"], args].concat());
        let lines = run
            .stderr
            .lines()
            .filter(|line| line.starts_with("would write"));
        lines
            .map(|line| line.split(' ').nth(2).unwrap().to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(dry(&[]), ["qemu-aarch64-static", "qemu-arm-static"]);
    assert_eq!(dry(&["aarch64"]), ["qemu-aarch64-static"]);
    assert_eq!(
        dry(&["linux/arm/v6", "arm64"]),
        ["qemu-aarch64-static", "qemu-arm-static"]
    );
    // QEMU's name means what the project has of it.
    assert_eq!(dry(&["arm"]), ["qemu-arm-static"]);
    assert_eq!(
        dry(&["--host", "arm64v8"]),
        ["qemu-arm-static", "qemu-i386-static", "qemu-x86_64-static"]
    );
    says(
        &lab.fetch(&["s390x"]),
        0,
        &["nothing to fetch: no Dockerfile for s390x"],
    );
    says(&lab.fetch(&["riscv64"]), 2, &["riscv64"]);
    says(&lab.fetch(&["armhf"]), 2, &["[ambiguous-arch]"]);
    lab.write("p/crossfile.toml", "arches = [\"amd64\"]\n");
    says(
        &lab.fetch(&[]),
        0,
        &["nothing to fetch: no architecture of the project is emulated"],
    );
    lab.write("empty/x", "");
    says(
        &lab.fetch_in("empty", &[]),
        2,
        &["there is nothing to build here"],
    );
}

#[test]
fn every_template_has_its_own_context() {
    let mirror = Mirror::with_debian("1");
    let lab = Lab::new();
    lab.write("p/crossfile.toml", mirror.settings());
    lab.write("p/one/Dockerfile.cross", CLASSIC);
    lab.write(
        "p/two/Dockerfile.cross",
        CLASSIC.replace("qemu-__", "bin/qemu-__"),
    );
    lab.write("p/three/Dockerfile.cross", CLASSIC);
    lab.write("p/three/crossfile.toml", "context = \"../{{arch}}\"\n");
    lab.write("p/arm32v7/x", "");
    lab.write("p/arm64v8/x", "");
    let run = lab.fetch(&["arm32v7"]);
    says(&run, 0, &["3 handlers: 3 put"]);
    let run = lab.fetch(&[]);
    says(&run, 0, &["6 handlers: 3 right, 3 put"]);
    let made = lab.made("p");
    for file in [
        "one/qemu-arm-static",
        "two/bin/qemu-arm-static",
        "arm32v7/qemu-arm-static",
        "arm64v8/qemu-aarch64-static",
    ] {
        assert!(made.contains(&file.to_string()), "{made:?}");
    }
    assert!(
        !made.contains(&"arm64v8/qemu-arm-static".to_string()),
        "{made:?}"
    );
    let packages = mirror
        .asked()
        .into_iter()
        .filter(|path| path.ends_with(".deb"));
    assert_eq!(packages.count(), 1);
}

#[test]
fn what_an_ignore_file_leaves_out_is_told() {
    let mirror = Mirror::with_debian("1");
    for (ignore, left_out) in [
        ("*\n", true),
        ("*\n!qemu-*-static\n", false),
        ("# all\n**\n!bin\n", true),
        ("qemu-*\n!qemu-arm-static\n!qemu-aarch64-static\n", false),
        ("!qemu-*-static\n*-static\n", true),
        ("*.md\n", false),
    ] {
        let lab = Lab::classic(&mirror);
        lab.write("p/.dockerignore", ignore);
        let run = lab.fetch(&[]);
        match left_out {
            true => {
                let line = ignore
                    .lines()
                    .position(|line| line.contains("*") && !line.starts_with('!'))
                    .unwrap()
                    + 1;
                says(
                    &run,
                    1,
                    &[
                        &format!(
                            ".dockerignore:{line}:1: error: this leaves `qemu-aarch64-static`, `qemu-arm-static` out"
                        ),
                        "`!qemu-*-static`",
                        "Dockerfile.cross:2:",
                    ],
                );
            }
            false => says(&run, 0, &["2 put"]),
        }
        assert!(lab.scratch.exists("p/qemu-arm-static"));
    }
    // BuildKit takes the file beside the Dockerfile in the place of the other.
    let lab = Lab::classic(&mirror);
    lab.write("p/.dockerignore", "*\n");
    lab.write("p/Dockerfile.arm32v7.dockerignore", "*.md\n");
    let run = lab.fetch(&[]);
    says(&run, 1, &["this leaves `qemu-aarch64-static` out"]);
}

#[test]
fn the_lock_keeps_what_is_not_about_handlers_and_bases_keep_what_is() {
    let mirror = Mirror::with_debian("1");
    let lab = Lab::new();
    lab.write("p/crossfile.toml", mirror.settings());
    lab.write(
        "p/Dockerfile.cross",
        "FROM scratch\n__CROSS_COPY qemu-__QEMU_ARCH__-static /usr/bin/\n",
    );
    let digest = format!("sha256:{}", "0".repeat(64));
    let images = format!(
        "# Base images by their digests. Written by `crossfile bases --lock`; do not edit.\nschema = 1\n\n[\"docker.io/library/alpine:3.22\"]\namd64 = \"{digest}\"\n"
    );
    lab.write("p/crossfile.lock", &images);
    says(&lab.fetch(&[]), 0, &["wrote crossfile.lock"]);
    let lock = lab.scratch.read("p/crossfile.lock");
    assert!(
        lock.starts_with(&format!("{images}\n# QEMU's handlers by their checksums.")),
        "{lock}"
    );
    let run = lab.scratch.run_in("p", &["bases", "--lock"]);
    says(&run, 0, &["wrote crossfile.lock"]);
    let after = lab.scratch.read("p/crossfile.lock");
    assert!(
        !after.contains("alpine") && after.contains("[qemu.amd64]\naarch64 = "),
        "{after}"
    );
    says(&lab.fetch(&["--check"]), 0, &[]);
    says(&lab.scratch.run_in("p", &["bases", "--check"]), 0, &[]);
    // What cannot be read stops it, and nothing is lost.
    lab.write("p/crossfile.lock", after.replace("size = ", "size = -"));
    says(&lab.fetch(&[]), 2, &["is no size", "crossfile.lock:5:"]);
    lab.write("p/crossfile.lock", format!("{after}<<<<<<< ours\n"));
    says(&lab.fetch(&[]), 2, &["two branches were merged"]);
    says(
        &lab.scratch.run_in("p", &["bases", "--lock"]),
        0,
        &["its checksums of handlers are gone"],
    );
}

#[test]
fn ctrl_c_leaves_nothing_behind() {
    let mirror = Mirror::with_debian("1");
    mirror.put(
        "/debian/pool/main/q/qemu/qemu-user-static_1_amd64.deb",
        Answer::Stalled,
    );
    let lab = Lab::classic(&mirror);
    let child = lab
        .command("p", &[])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while !mirror
        .state
        .lock()
        .unwrap()
        .asked
        .iter()
        .any(|path| path.ends_with(".deb"))
    {
        thread::sleep(Duration::from_millis(10));
    }
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    let run = Run::from(child.wait_with_output().unwrap());
    says(&run, 130, &["nothing was written"]);
    assert_eq!(lab.made("."), ["p/Dockerfile.cross", "p/crossfile.toml"]);
}

#[test]
fn git_is_asked_whether_it_would_take_them() {
    let mirror = Mirror::with_debian("1");
    let lab = Lab::classic(&mirror);
    let git = lab.scratch.program("git", &["init", "-q", "p"]);
    assert_eq!(git.status, 0, "{}", git.stderr);
    lab.write("p/.gitignore", "qemu-arm-*\n");
    says(
        &lab.fetch(&[]),
        0,
        &["git does not ignore qemu-aarch64-static: a line"],
    );
}

const PACKAGE: &str = "/debian/pool/main/q/qemu/qemu-user-static_1_amd64.deb";

#[test]
fn what_others_write_meanwhile_is_not_lost() {
    let other = |sum: &str, host: &str, qemu: &str| {
        format!(
            "schema = 1\n\n[qemu.{host}]\n{qemu} = {{ sha256 = \"{sum}\", size = 1, source = \"url\", from = \"https://x.invalid/\" }}\n"
        )
    };
    let meanwhile = |path: &str, text: &str| {
        let mirror = Mirror::with_debian("1");
        let lab = Lab::classic(&mirror);
        let path = lab.scratch.join(path);
        mirror.put(
            PACKAGE,
            Answer::Meanwhile(path, text.to_string(), static_package("1")),
        );
        (lab.fetch(&[]), lab)
    };
    // Another handler is locked beside this run's.
    let zeros = "0".repeat(64);
    let (run, lab) = meanwhile("p/crossfile.lock", &other(&zeros, "amd64", "s390x"));
    says(&run, 0, &["2 put", "wrote crossfile.lock"]);
    let lock = lab.scratch.read("p/crossfile.lock");
    for line in ["s390x = ", "aarch64 = ", "arm = "] {
        assert!(lock.contains(line), "{lock}");
    }
    // The same one, which is another file: neither is taken in silence.
    let (run, lab) = meanwhile("p/crossfile.lock", &other(&zeros, "amd64", "arm"));
    says(
        &run,
        2,
        &[
            "somebody else locked another qemu-arm-static meanwhile",
            "crossfile.lock:4:",
            "1 put",
        ],
    );
    let lock = lab.scratch.read("p/crossfile.lock");
    assert!(
        lock.contains(&zeros) && lock.contains("aarch64 = "),
        "{lock}"
    );
    assert!(!lab.scratch.exists("p/qemu-arm-static"));
    // What cannot be read any more is left alone.
    let (run, lab) = meanwhile("p/crossfile.lock", "<<<<<<< ours\n");
    says(&run, 2, &["two branches were merged", "2 missing"]);
    assert_eq!(lab.made("p"), ["crossfile.lock"]);
    // A file that appears is one that stands there.
    let (run, lab) = meanwhile("p/qemu-arm-static", "mine");
    says(
        &run,
        2,
        &[
            "another file stands where qemu-arm-static belongs",
            "1 put, 1 differs",
        ],
    );
    assert_eq!(lab.scratch.read("p/qemu-arm-static"), "mine");
}

#[test]
fn projects_that_share_a_context_agree() {
    let mirror = Mirror::with_debian("1");
    let lab = Lab::new();
    for name in ["one", "two"] {
        lab.write(
            &format!("p/{name}/crossfile.toml"),
            format!("context = \"../shared\"\n{}", mirror.settings()),
        );
        lab.write(&format!("p/{name}/Dockerfile.cross"), CLASSIC);
    }
    lab.write("p/shared/x", "");
    says(
        &lab.fetch(&[]),
        0,
        &["wrote one/crossfile.lock", "wrote two/crossfile.lock"],
    );
    assert_eq!(
        lab.scratch.read("p/one/crossfile.lock"),
        lab.scratch.read("p/two/crossfile.lock")
    );
    says(&lab.fetch(&["--check"]), 0, &[]);
    lab.write(
        "p/two/crossfile.toml",
        format!(
            "host = \"arm64v8\"\ncontext = \"../shared\"\n{}",
            mirror.settings()
        ),
    );
    says(
        &lab.fetch(&["arm32v7"]),
        2,
        &[
            "is to run on `arm64v8`, and another project with the same build context says `amd64`",
            "two/Dockerfile.cross:2:",
            "one/Dockerfile.cross:2:",
        ],
    );
}

#[test]
fn a_link_does_not_lead_a_context_out_of_the_project() {
    let mirror = Mirror::with_debian("1");
    let lab = Lab::new();
    lab.write(
        "p/crossfile.toml",
        format!("context = \"ctx\"\n{}", mirror.settings()),
    );
    lab.write("p/Dockerfile.cross", CLASSIC);
    lab.write("out/x", "");
    std::os::unix::fs::symlink("../out", lab.scratch.join("p/ctx")).unwrap();
    says(
        &lab.fetch(&[]),
        1,
        &["a link leads from the build context out of the project"],
    );
    assert_eq!(lab.made("out"), ["x"]);
    // Written out it is meant.
    lab.write(
        "p/crossfile.toml",
        format!("context = \"../out\"\n{}", mirror.settings()),
    );
    says(&lab.fetch(&[]), 0, &["2 put"]);
}

#[test]
fn what_is_secret_in_an_address_is_shown_nowhere() {
    let mirror = Mirror::new();
    mirror.file("/arm?token=s3cret", handler("arm"));
    let lab = Lab::new();
    let settings = |url: &str| {
        lab.write(
            "p/crossfile.toml",
            format!("arches = [\"arm32v7\"]\n[vars]\ntok = {{ env = \"TOK\", default = \"s3cret\" }}\n[handlers]\nfrom = [\"url\"]\nurl = \"{url}\"\n"),
        );
    };
    lab.write("p/Dockerfile.cross", CLASSIC);
    let silent = |run: &Run| {
        let all = format!("{}{}", run.stdout, run.stderr);
        assert!(!all.contains("s3cret"), "{all}");
    };
    let address = &mirror.address;
    let authority = address.strip_prefix("http://").unwrap();
    settings(&format!("{address}/{{{{qemu_arch}}}}?token={{{{tok}}}}"));
    let run = lab.fetch(&["--format", "json"]);
    says(&run, 0, &[&format!("{address}/arm\"")]);
    silent(&run);
    let lock = lab.scratch.read("p/crossfile.lock");
    assert!(
        lock.contains(&format!("from = \"{address}/arm\"")),
        "{lock}"
    );
    std::fs::remove_file(lab.scratch.join("p/crossfile.lock")).unwrap();
    std::fs::remove_file(lab.scratch.join("p/qemu-arm-static")).unwrap();
    for (url, what) in [
        (
            format!("{address}/none?token={{{{tok}}}}"),
            "there is no such file",
        ),
        (
            format!("http://me:{{{{tok}}}}{{{{at}}}}{authority}/arm"),
            "the address has a user in it",
        ),
        (
            "http://127.0.0.1:1/x?token={{tok}}".to_string(),
            "127.0.0.1:1/x: ",
        ),
    ] {
        settings(&url);
        let text = lab.scratch.read("p/crossfile.toml");
        lab.write(
            "p/crossfile.toml",
            text.replace("[vars]\n", "[vars]\nat = \"@\"\n"),
        );
        let run = lab.fetch(&[]);
        says(&run, 2, &[what]);
        silent(&run);
    }
}

#[test]
fn one_program_is_not_two() {
    let mirror = Mirror::new();
    mirror.file("/one", handler("arm"));
    let lab = Lab::new();
    let url = format!("{}/one", mirror.address);
    lab.write(
        "p/crossfile.toml",
        format!(
            "arches = [\"arm32v7\", \"arm64v8\"]\n[handlers]\nfrom = [\"url\"]\nurl = \"{url}\"\n"
        ),
    );
    lab.write("p/Dockerfile.cross", CLASSIC);
    says(
        &lab.fetch(&[]),
        2,
        &["write `{{qemu_arch}}` into `url`", "2 missing"],
    );
    let both = [
        ("qemu-arm-static", handler("arm")),
        ("qemu-aarch64-static", handler("aarch64")),
    ];
    let both = both
        .each_ref()
        .map(|(name, bytes)| (*name, bytes.as_slice()));
    mirror.file("/one", gzip(&tar(&both)));
    says(&lab.fetch(&[]), 0, &["2 put"]);
    assert_eq!(
        lab.scratch.bytes("p/qemu-aarch64-static"),
        handler("aarch64")
    );
}

#[test]
fn below_a_project_it_says_where_the_template_is() {
    let mirror = Mirror::with_debian("1");
    let lab = Lab::classic(&mirror);
    lab.write("p/.git/x", "");
    lab.write("p/sub/x", "");
    says(
        &lab.fetch_in("p/sub", &[]),
        2,
        &[
            "there is nothing to build here",
            "../Dockerfile.cross: note: there is a template here",
        ],
    );
}
