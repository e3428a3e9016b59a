//! Base images asked of a registry that is a map: what is asked, how it is judged, what is locked and what has moved.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot set up its project should panic"
)]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crossfile::arch::Platform;
use crossfile::bases::{Found, Lookup, Survey, Use};
use crossfile::lock::Lock;
use crossfile::{Code, Diagnostic, NoInputs, Overrides, Project, Selection, Severity, Source};
use support::Scratch;

fn digest(of: &str) -> String {
    let sum = of.bytes().fold(7u64, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(byte.into())
    });
    format!("sha256:{sum:064x}")
}

fn platform(text: &str) -> Platform {
    let mut parts = text.split('/');
    let mut next = || parts.next().unwrap_or_default();
    Platform::new(next(), next(), next())
}

/// Answers by reference. What it does not have is missing.
#[derive(Default)]
struct Map {
    known: BTreeMap<String, Result<Found, String>>,
    asked: Mutex<Vec<String>>,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
    slow: bool,
}

impl Map {
    /// `REFERENCE = PLATFORM…` is an index, `REFERENCE : PLATFORM` an image, `REFERENCE ! WORDS` an error.
    fn new(lines: &[&str]) -> Map {
        let mut map = Map::default();
        for line in lines {
            let (reference, rest) = line.split_once(' ').unwrap();
            let (kind, rest) = rest.split_once(' ').unwrap_or((rest, ""));
            let found = match kind {
                "=" => {
                    let entries = rest.split_whitespace();
                    let entry = |text| (platform(text), digest(&format!("{reference} {text}")));
                    Ok(Found::Index {
                        digest: digest(reference),
                        entries: entries.map(entry).collect(),
                    })
                }
                ":" => Ok(Found::Image {
                    digest: digest(reference),
                    platform: platform(rest),
                }),
                _ => Err(rest.to_string()),
            };
            map.known.insert(reference.to_string(), found);
        }
        map
    }
}

impl Lookup for Map {
    fn look_up(&self, reference: &str) -> Result<Found, String> {
        let now = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_once.fetch_max(now, Ordering::SeqCst);
        if self.slow {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        self.at_once.fetch_sub(1, Ordering::SeqCst);
        self.asked.lock().unwrap().push(reference.to_string());
        let known = self.known.get(reference).cloned();
        known.unwrap_or(Ok(Found::Missing))
    }
}

/// A project, what is asked for it, and what is said of it.
struct Asked {
    survey: Survey,
    diagnostics: Vec<Diagnostic>,
}

fn ask(scratch: &Scratch, map: &Map) -> Asked {
    let overrides = Overrides {
        locked: Some(false),
        ..Overrides::default()
    };
    let folder = scratch.path().canonicalize().unwrap();
    let project = Project::open(&[folder], &overrides, &NoInputs);
    let selection = Selection::default();
    let expansion = project.expand(&selection);
    assert!(!expansion.failed(), "{:?}", expansion.problems);
    let (products, problems) = project.products(&expansion, &selection);
    assert_eq!(problems, []);
    let survey = Survey::of(&products, map);
    let origin = |used: &Use| project.origin(&used.source, &used.cell, used.span());
    Asked {
        diagnostics: survey.diagnostics(&origin),
        survey,
    }
}

impl Asked {
    fn lines(&self) -> Vec<String> {
        let bases = self.survey.bases.iter();
        let line = |base: &crossfile::bases::Base| {
            let instead = base.image.as_ref().and_then(|image| image.instead.clone());
            let instead = instead.map_or(String::new(), |(reference, _)| format!(" {reference}"));
            let (reference, arch, status) = (&base.reference, &base.arch, base.status());
            format!("{reference} {arch} {status}{instead}")
        };
        bases.map(line).collect()
    }

    /// What is said, by files in the scratch folder.
    fn said(&self) -> String {
        let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
        self.diagnostics
            .iter()
            .map(|found| found.render(&name))
            .collect()
    }

    fn lock(&self, scratch: &Scratch, kept: Option<&Lock>) -> Lock {
        let path = scratch
            .path()
            .canonicalize()
            .unwrap()
            .join("crossfile.lock");
        assert!(self.survey.locks.contains(&path));
        self.survey.lock(&path, kept)
    }

    fn changes(&self, scratch: &Scratch, lock: &Lock, complete: bool) -> Vec<String> {
        let path = scratch
            .path()
            .canonicalize()
            .unwrap()
            .join("crossfile.lock");
        let changes = self.survey.changes(&path, lock, complete);
        let line = |change: &crossfile::bases::Change| {
            format!(
                "{} {} {}",
                change.kind.as_str(),
                change.reference,
                change.arch
            )
        };
        changes.iter().map(line).collect()
    }
}

#[test]
fn every_image_of_every_architecture_is_asked_for_once() {
    let scratch = Scratch::with(&[
        (
            "crossfile.toml",
            "arches = [\"amd64\", \"arm32v7\"]\n[build-args]\nTAG = \"{{tag}}\"\n[vars]\ntag = \"9\"\n[flags]\nbuildx = [\"--build-context\", \"extra=../extra\"]\n",
        ),
        (
            "Dockerfile.cross",
            "ARG TAG=latest\nARG NOTHING\nFROM --platform=$BUILDPLATFORM golang AS build\nFROM unused\nFROM __BASEIMAGE_ARCH__/alpine:$TAG\nCOPY --from=build / /\n\
             COPY --from=extra / /\nCOPY --from=$NOTHING / /\nRUN --mount=from=acme.example:5000/tools,target=/t true\n",
        ),
        ("app/crossfile.toml", "dockerfile = \"Dockerfile\"\n"),
        ("app/Dockerfile", "FROM golang\nCOPY --from=scratch / /\n"),
    ]);
    let map = Map::new(&[
        "docker.io/library/golang:latest = linux/amd64 linux/arm/v7 unknown/unknown",
        "docker.io/amd64/alpine:9 : linux/amd64",
        "docker.io/arm32v7/alpine:9 : linux/arm/v6",
        "acme.example:5000/tools:latest = linux/amd64 linux/arm64",
    ]);
    let asked = ask(&scratch, &map);
    assert_eq!(
        asked.lines(),
        [
            // A folder with settings of its own has a lock of its own.
            "docker.io/library/golang:latest amd64 present",
            "docker.io/library/golang:latest arm32v7 present",
            "$NOTHING amd64 unknown",
            "$NOTHING arm32v7 unknown",
            "acme.example:5000/tools:latest amd64 present",
            "acme.example:5000/tools:latest arm32v7 no platform",
            "docker.io/amd64/alpine:9 amd64 present",
            "docker.io/arm32v7/alpine:9 arm32v7 other variant",
            "docker.io/library/golang:latest amd64 present",
        ]
    );
    let mut questions = map.asked.into_inner().unwrap();
    questions.sort();
    let known: Vec<String> = map.known.into_keys().collect();
    assert_eq!(questions, known);
}

#[test]
fn what_is_wrong_is_told_at_its_place_in_the_template() {
    let scratch = Scratch::with(&[
        (
            "crossfile.toml",
            "arches = [\"amd64\", \"arm32v7\", \"s390x\"]\n[arch.s390x]\noptional = true\n",
        ),
        (
            "Dockerfile.cross",
            "ARG BASE\nFROM __BASEIMAGE_ARCH__/gone:1\nCOPY --from=single / /\nCOPY --from=index / /\nCOPY --from=$BASE / /\n\
             COPY --from=broken / /\nCOPY --from=none / /\n# crossfile: allow=missing-base\nCOPY --from=allowed / /\n",
        ),
    ]);
    let map = Map::new(&[
        "docker.io/s390x/gone:1 : linux/s390x",
        "docker.io/library/single:latest : linux/amd64",
        "docker.io/library/index:latest = linux/amd64 linux/386",
        "docker.io/library/broken:latest ! docker.io/library/broken denies GET manifests/latest: no",
    ]);
    insta_snapshot("findings", &ask(&scratch, &map).said());
}

#[test]
fn an_optional_architecture_stops_nothing() {
    let scratch = Scratch::with(&[
        (
            "crossfile.toml",
            "arches = [\"amd64\", \"s390x\"]\n[arch.s390x]\noptional = true\n",
        ),
        ("Dockerfile.cross", "FROM __BASEIMAGE_ARCH__/a\n"),
    ]);
    let asked = ask(
        &scratch,
        &Map::new(&["docker.io/amd64/a:latest : linux/amd64"]),
    );
    let said: Vec<_> = asked
        .diagnostics
        .iter()
        .map(|found| (found.code, found.severity))
        .collect();
    assert_eq!(said, [(Code::MissingBase, Severity::Warning)]);
}

const FALLBACKS: &str = "arches = [\"amd64\", \"arm32v7\"]\n[bases]\nfallbacks = { arm32v7 = [\"arm32v6\", \"arm32v5\"] }\n";

#[test]
fn another_architecture_takes_the_place_where_the_settings_say_so() {
    let scratch = Scratch::with(&[
        ("crossfile.toml", FALLBACKS),
        (
            "Dockerfile.cross",
            "FROM mirror.example/__BASEIMAGE_ARCH__/alpine:3\nCOPY --from=__BASEIMAGE_ARCH__/all / /\nCOPY --from=__BASEIMAGE_ARCH__/none / /\n",
        ),
    ]);
    let map = Map::new(&[
        "mirror.example/amd64/alpine:3 = linux/amd64",
        "mirror.example/arm32v6/alpine:3 = linux/arm/v6",
        "docker.io/amd64/all:latest = linux/amd64",
        "docker.io/arm32v7/all:latest = linux/arm/v7",
        "docker.io/arm32v6/all:latest = linux/arm/v6",
        "docker.io/amd64/none:latest = linux/amd64",
        "docker.io/arm32v5/none:latest = linux/arm/v7 linux/arm/v5",
    ]);
    let asked = ask(&scratch, &map);
    assert_eq!(
        asked.lines(),
        [
            "docker.io/amd64/all:latest amd64 present",
            "docker.io/amd64/none:latest amd64 present",
            "docker.io/arm32v7/all:latest arm32v7 present",
            "docker.io/arm32v7/none:latest arm32v7 fallback docker.io/arm32v5/none:latest",
            "mirror.example/amd64/alpine:3 amd64 present",
            "mirror.example/arm32v7/alpine:3 arm32v7 fallback mirror.example/arm32v6/alpine:3",
        ]
    );
    assert_eq!(asked.said(), "");
    // Nobody asks for what is not needed.
    let questions = map.asked.lock().unwrap();
    assert!(!questions.contains(&"docker.io/arm32v6/all:latest".to_string()));

    // Written down, a file pinned by it names the other image.
    let lock = asked.lock(&scratch, None);
    scratch.write("crossfile.lock", lock.to_text());
    scratch.run(&["generate", "--locked"]).succeeds();
    let v6 = digest("mirror.example/arm32v6/alpine:3 linux/arm/v6");
    let text = scratch.read("Dockerfile.arm32v7");
    let line = format!("FROM mirror.example/arm32v6/alpine:3@{v6}\n");
    assert!(text.contains(&line), "{text}");
    insta_snapshot("lock", &lock.to_text());
}

#[test]
fn what_takes_a_place_has_to_run_there() {
    let scratch = Scratch::with(&[
        ("crossfile.toml", FALLBACKS),
        (
            "Dockerfile.cross",
            "FROM __BASEIMAGE_ARCH__/a\nCOPY --from=__BASEIMAGE_ARCH__/b / /\n",
        ),
    ]);
    let map = Map::new(&[
        "docker.io/amd64/a:latest : linux/amd64",
        "docker.io/arm32v6/a:latest : linux/amd64",
        "docker.io/amd64/b:latest : linux/amd64",
        // It says that it is for what was asked for in the first place.
        "docker.io/arm32v6/b:latest : linux/arm/v7",
    ]);
    let asked = ask(&scratch, &map);
    assert_eq!(
        asked.lines()[2..],
        [
            "docker.io/arm32v7/a:latest arm32v7 missing",
            "docker.io/arm32v7/b:latest arm32v7 fallback docker.io/arm32v6/b:latest",
        ]
    );
    let help = "= help: `docker.io/arm32v6/a:latest` does not take its place: it is of `linux/amd64`; \
                `docker.io/arm32v5/a:latest`, which could take its place, is not there either\n";
    assert!(asked.said().contains(help), "{}", asked.said());
}

#[test]
fn a_lock_keeps_what_is_used_and_a_part_of_a_project_leaves_the_rest() {
    let scratch = Scratch::with(&[
        ("crossfile.toml", "arches = [\"amd64\", \"arm64v8\"]\n"),
        (
            "Dockerfile.cross",
            "FROM __BASEIMAGE_ARCH__/a AS x\nFROM x\nCOPY --from=b / /\n",
        ),
    ]);
    let before = [
        "docker.io/amd64/a:latest : linux/amd64",
        "docker.io/arm64v8/a:latest : linux/arm64",
        "docker.io/library/b:latest = linux/amd64 linux/arm64",
    ];
    let first = ask(&scratch, &Map::new(&before));
    let lock = first.lock(&scratch, None);
    assert_eq!(first.changes(&scratch, &lock, true), [""; 0]);
    let source = Source::new("crossfile.lock", lock.to_text());
    assert_eq!(Lock::parse(&source).unwrap(), lock);

    scratch.write(
        "Dockerfile.cross",
        "FROM __BASEIMAGE_ARCH__/a\nCOPY --from=c / /\n",
    );
    let after = ask(
        &scratch,
        &Map::new(&[
            "docker.io/amd64/a:latest = linux/amd64",
            "docker.io/library/c:latest = linux/amd64 linux/arm64",
        ]),
    );
    assert_eq!(
        after.changes(&scratch, &lock, true),
        [
            "moved docker.io/amd64/a:latest amd64",
            "gone docker.io/arm64v8/a:latest arm64v8",
            "unused docker.io/library/b:latest amd64",
            "unused docker.io/library/b:latest arm64v8",
            "new docker.io/library/c:latest amd64",
            "new docker.io/library/c:latest arm64v8",
        ]
    );
    assert_eq!(after.changes(&scratch, &lock, false).len(), 4);
    assert!(
        after
            .lock(&scratch, None)
            .get("docker.io/library/b:latest")
            .is_none()
    );
    let kept = after.lock(&scratch, Some(&lock));
    assert_eq!(
        kept.get("docker.io/library/b:latest"),
        lock.get("docker.io/library/b:latest")
    );
    assert!(kept.get("docker.io/library/c:latest").is_some());
    let moved = kept.get("docker.io/amd64/a:latest").unwrap();
    assert_eq!(moved.index, Some(digest("docker.io/amd64/a:latest")));

    let path = scratch
        .path()
        .canonicalize()
        .unwrap()
        .join("crossfile.lock");
    let changes = after.survey.changes(&path, &lock, true);
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    let said = changes
        .iter()
        .map(|change| change.diagnostic(&source).render(&name));
    insta_snapshot("changes", &said.collect::<String>());
}

#[test]
fn what_cannot_be_asked_is_no_change() {
    let scratch = Scratch::with(&[
        ("crossfile.toml", "arches = [\"amd64\"]\n"),
        ("Dockerfile.cross", "FROM __BASEIMAGE_ARCH__/a\n"),
    ]);
    let lock = ask(
        &scratch,
        &Map::new(&["docker.io/amd64/a:latest : linux/amd64"]),
    )
    .lock(&scratch, None);
    let down = ask(&scratch, &Map::new(&["docker.io/amd64/a:latest ! down"]));
    assert_eq!(down.changes(&scratch, &lock, true), [""; 0]);
    assert_eq!(down.diagnostics[0].code, Code::Registry);
}

#[test]
fn an_image_with_a_digest_is_asked_for_and_not_locked() {
    let pinned = format!("docker.io/library/a:1@{}", digest("x"));
    let scratch = Scratch::with(&[
        ("crossfile.toml", "arches = [\"amd64\", \"arm64v8\"]\n"),
        (
            "Dockerfile.cross",
            &format!("FROM a:1@{} AS __ARCH__\n", digest("x")),
        ),
    ]);
    let asked = ask(&scratch, &Map::new(&[&format!("{pinned} : linux/amd64")]));
    assert_eq!(
        asked.lines(),
        [
            format!("{pinned} amd64 present"),
            format!("{pinned} arm64v8 wrong arch")
        ]
    );
    assert!(asked.lock(&scratch, None).is_empty());
}

#[test]
fn questions_are_asked_side_by_side() {
    let froms: String = (0..24).map(|n| format!("COPY --from=i{n} / /\n")).collect();
    let scratch = Scratch::with(&[
        ("crossfile.toml", "arches = [\"amd64\"]\n"),
        (
            "Dockerfile.cross",
            &format!("FROM __BASEIMAGE_ARCH__/a\n{froms}"),
        ),
    ]);
    let map = Map {
        slow: true,
        ..Map::default()
    };
    let asked = ask(&scratch, &map);
    assert_eq!(asked.survey.bases.len(), 25);
    assert!(map.most_at_once.load(Ordering::SeqCst) > 1);
}

fn insta_snapshot(name: &str, text: &str) {
    support::snapshots().bind(|| insta::assert_snapshot!(format!("bases__{name}"), text));
}

/// The command against a registry on this machine, which has manifests by repository and tag.
#[cfg(feature = "registry")]
mod command {
    use std::collections::BTreeMap;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::sync::{Arc, Mutex};

    use crossfile::registry::{Digest, MediaType};

    use super::support::{Run, Scratch};

    type Contents = Arc<Mutex<BTreeMap<String, (&'static str, String)>>>;

    /// Answers as long as the test runs.
    struct Registry {
        address: String,
        contents: Contents,
    }

    impl Registry {
        fn new() -> Registry {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let contents = Contents::default();
            let served = Arc::clone(&contents);
            let address = listener.local_addr().unwrap().to_string();
            std::thread::spawn(move || {
                for stream in listener.incoming() {
                    let served = Arc::clone(&served);
                    std::thread::spawn(move || answer(&mut stream.unwrap(), &served));
                }
            });
            Registry { address, contents }
        }

        /// Puts an image of a platform under a tag, and gives its digest.
        fn image(&self, repository: &str, tag: &str, platform: &str, salt: &str) -> String {
            let (os, architecture) = platform.split_once('/').unwrap();
            let (architecture, variant) =
                architecture.split_once('/').unwrap_or((architecture, ""));
            let config = format!(
                "{{\"os\":\"{os}\",\"architecture\":\"{architecture}\",\"variant\":\"{variant}\",\"salt\":\"{salt}\"}}"
            );
            let digest = Digest::of(config.as_bytes());
            let (kind, size) = (MediaType::OCI_CONFIG, config.len());
            let manifest = format!(
                "{{\"schemaVersion\":2,\"config\":{{\"mediaType\":\"{kind}\",\"digest\":\"{digest}\",\"size\":{size}}},\"layers\":[]}}"
            );
            let own = Digest::of(manifest.as_bytes()).to_string();
            let mut contents = self.contents.lock().unwrap();
            let blob = format!("/v2/{repository}/blobs/{digest}");
            contents.insert(blob, ("application/octet-stream", config));
            for which in [tag, &own] {
                let path = format!("/v2/{repository}/manifests/{which}");
                contents.insert(path, (MediaType::OCI_MANIFEST, manifest.clone()));
            }
            own
        }
    }

    fn answer(stream: &mut TcpStream, contents: &Contents) {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) > 0 {
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let path = head.split(' ').nth(1).unwrap_or_default();
        let found = contents.lock().unwrap().get(path).cloned();
        let (status, kind, body) = match found {
            Some((kind, body)) => ("200 OK", kind, body),
            None => ("404 Not Found", "application/json", "{}".to_string()),
        };
        let length = body.len();
        let _ = write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
    }

    #[test]
    fn the_command_asks_locks_and_checks() {
        let registry = Registry::new();
        let address = registry.address.clone();
        let amd64 = registry.image("amd64/a", "1", "linux/amd64", "");
        let scratch = Scratch::with(&[
            ("crossfile.toml", "arches = [\"amd64\", \"arm32v7\"]\n"),
            (
                "Dockerfile.cross",
                &format!("FROM {address}/__DOCKER_ARCH__/a:1\n"),
            ),
        ]);
        let run = |args: &[&str]| -> Run { scratch.run(args) };

        let missing = run(&["bases", "--lock"]);
        assert_eq!(missing.status, 1, "{missing:?}");
        let said = "/arm32v7/a:1` is not there (for `arm32v7`) [missing-base]";
        assert!(missing.stdout.contains(said), "{}", missing.stdout);
        assert!(
            missing.stderr.contains("nothing was written"),
            "{}",
            missing.stderr
        );
        assert!(!scratch.exists("crossfile.lock"));
        assert_eq!(run(&["bases", "--check"]).status, 2);

        let v6 = registry.image("arm32v7/a", "1", "linux/arm/v6", "");
        let found = run(&["bases", "--format", "json"]).succeeds().stdout;
        let found: serde_json::Value = serde_json::from_str(&found).unwrap();
        assert_eq!(found["version"], 1);
        let arm = &found["bases"][1];
        assert_eq!(
            (&arm["status"], &arm["digest"], &arm["found"]),
            (
                &"other variant".into(),
                &v6.as_str().into(),
                &"linux/arm/v6".into()
            )
        );

        run(&["bases", "--lock"]).succeeds();
        let lock = scratch.read("crossfile.lock");
        assert!(lock.contains(&format!("amd64 = \"{amd64}\"\n")), "{lock}");
        let again = run(&["bases", "--lock"]).succeeds();
        assert!(
            again.stderr.contains("is right already"),
            "{}",
            again.stderr
        );
        run(&["bases", "--check"]).succeeds();
        run(&["generate", "--locked"]).succeeds();
        let text = scratch.read("Dockerfile.amd64");
        assert!(text.contains(&format!("/amd64/a:1@{amd64}\n")), "{text}");

        let moved = registry.image("amd64/a", "1", "linux/amd64", "newer");
        let check = run(&["bases", "--check"]);
        assert_eq!(check.status, 1);
        assert!(check.stdout.contains(&moved), "{}", check.stdout);
        assert_eq!(scratch.read("crossfile.lock"), lock);
        // A part of the project leaves the rest as it is.
        run(&["bases", "--lock", "--arch", "amd64"]).succeeds();
        assert_eq!(scratch.read("crossfile.lock"), lock.replace(&amd64, &moved));
        let github = run(&[
            "bases", "--check", "--arch", "arm32v7", "--format", "github",
        ]);
        assert_eq!((github.status, github.stdout.as_str()), (0, ""));
    }
}
