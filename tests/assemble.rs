//! Indexes made, read and proved, in folders and in a registry in memory.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot set up its images should panic"
)]

#[path = "registry/images.rs"]
mod images;
mod support;

use std::collections::BTreeSet;
use std::sync::Arc;

use crossfile::Platform;
use crossfile::registry::assemble::{
    Gathered, Options, Problem, Source, Target, gather, gather_for,
};
use crossfile::registry::fake::{FakeRegistry, Fault};
use crossfile::registry::inspect::inspect;
use crossfile::registry::verify::{self, verify};
use crossfile::registry::{
    Anonymous, Client, ClientOptions, Layout, MediaType, Method, Reference, Repository, Which,
};
use images::{Image, attestation, entry, put_index};
use support::snapshots;

struct Folder {
    _folder: tempfile::TempDir,
    layout: Arc<Layout>,
}

fn folder() -> Folder {
    let folder = tempfile::tempdir().unwrap();
    let layout = Arc::new(Layout::create(folder.path()).unwrap());
    Folder {
        _folder: folder,
        layout,
    }
}

fn tag(name: &str) -> Which {
    Which::Tag(name.to_string())
}

impl Folder {
    fn source(&self, name: &str) -> Source {
        let layout: Arc<dyn Repository> = self.layout.clone();
        Source::new(name, layout, tag(name))
    }

    fn source_for(&self, name: &str, platform: &str) -> Source {
        let mut source = self.source(name);
        source.platform = Some(platform.parse::<Platform>().unwrap());
        source
    }

    fn target(&self, name: &str) -> Target {
        let layout: Arc<dyn Repository> = self.layout.clone();
        Target::new(name, layout, tag(name))
    }
}

fn shown(gathered: &Gathered) -> Vec<String> {
    let platform =
        |entry: &crossfile::registry::Descriptor| entry.platform.as_ref().unwrap().format_all();
    gathered.entries.iter().map(platform).collect()
}

fn problems(found: Result<Gathered, Vec<Problem>>) -> String {
    let problems = found.err().expect("this should not do");
    let lines = problems.iter().map(|problem| match problem.help() {
        Some(help) => format!("{problem} [{help}]"),
        None => problem.to_string(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn quick() -> verify::Options {
    verify::Options::default()
}

#[test]
fn the_same_images_give_the_same_bytes_in_any_order() {
    let from = folder();
    for platform in [
        "linux/s390x",
        "linux/arm/v7",
        "linux/amd64",
        "linux/arm64/v8",
        "linux/arm/v6",
    ] {
        Image::new(platform).put(from.layout.as_ref(), platform);
    }
    let names = [
        "linux/s390x",
        "linux/arm/v7",
        "linux/amd64",
        "linux/arm64/v8",
        "linux/arm/v6",
    ];
    let sources: Vec<Source> = names.iter().map(|name| from.source(name)).collect();
    let made = gather(&sources, &Options::default()).unwrap();
    assert_eq!(
        shown(&made),
        [
            "linux/amd64",
            "linux/arm64/v8",
            "linux/arm/v7",
            "linux/arm/v6",
            "linux/s390x"
        ]
    );
    let backwards: Vec<Source> = sources.iter().rev().cloned().collect();
    assert_eq!(
        gather(&backwards, &Options::default())
            .unwrap()
            .index
            .digest,
        made.index.digest
    );
    // An index of the index is the index.
    let to = folder();
    made.publish(&[to.target("1"), to.target("latest")])
        .unwrap();
    let again = gather(&[to.source("1")], &Options::default()).unwrap();
    assert_eq!(again.index.bytes, made.index.bytes);
    // It was worked out once and must never change without a reason: other machines compare it.
    snapshots().bind(|| {
        insta::assert_snapshot!(
            "assemble.index",
            String::from_utf8(made.index.bytes.clone()).unwrap()
        );
    });
    // Everything is there, and all of it is right.
    for name in ["1", "latest"] {
        let verified = verify(name, to.layout.as_ref(), &tag(name), &quick(), &|| false)
            .unwrap()
            .unwrap();
        assert_eq!(verified.findings, []);
        assert_eq!(verified.platforms.len(), 5);
        assert_eq!(verified.blobs, 10);
    }
    // A second time there is nothing to do.
    let published = made.publish(&[to.target("1")]).unwrap();
    assert_eq!((published.copied, published.copied_bytes), (0, 0));
}

#[test]
fn platforms_come_from_the_configuration_or_from_whoever_knows_better() {
    let from = folder();
    let layout = from.layout.as_ref();
    Image::new("linux/arm").put(layout, "bare");
    Image::new("linux/arm64/armv8").put(layout, "misspelt");
    Image::new("linux/amd64/v1").put(layout, "base");
    Image {
        os_version: "10.0.20348.1",
        ..Image::new("windows/amd64")
    }
    .put(layout, "windows");
    let options = Options::default();
    assert_eq!(
        problems(gather(&[from.source("bare")], &options)),
        "bare says that it is for `linux/arm`, which leaves open linux/arm/v7, linux/arm/v6, linux/arm/v5 [say which: `linux/arm/v7=bare`, `linux/arm/v6=bare`, `linux/arm/v5=bare`]"
    );
    let sources = [
        from.source_for("bare", "linux/arm/v6"),
        from.source("misspelt"),
        from.source("base"),
        from.source_for("windows", "windows/amd64"),
    ];
    let made = gather(&sources, &options).unwrap();
    assert_eq!(
        shown(&made),
        [
            "linux/amd64",
            "linux/arm64/v8",
            "linux/arm/v6",
            "windows(10.0.20348.1)/amd64"
        ]
    );
    assert_eq!(
        problems(gather(&[from.source_for("base", "linux/s390x")], &options)),
        "base is for `linux/amd64/v1`, and not for `linux/s390x`"
    );
    // An image for ARMv6 is one for ARMv7, too; not the other way.
    Image::new("linux/arm/v6").put(layout, "v6");
    Image::new("linux/arm/v7").put(layout, "v7");
    assert_eq!(
        shown(&gather(&[from.source_for("v6", "linux/arm/v7")], &options).unwrap()),
        ["linux/arm/v7"]
    );
    assert_eq!(
        problems(gather(&[from.source_for("v7", "linux/arm/v6")], &options)),
        "v7 is for `linux/arm/v7`, and not for `linux/arm/v6`"
    );
}

#[test]
fn what_is_missing_stops_it_unless_it_is_optional() {
    let from = folder();
    Image::new("linux/amd64").put(from.layout.as_ref(), "amd64");
    let mut gone = from.source("s390x");
    let sources = [from.source("amd64"), gone.clone()];
    assert!(
        problems(gather(&sources, &Options::default()))
            .starts_with("s390x is not there [push it first;")
    );
    gone.optional = true;
    let made = gather(&[from.source("amd64"), gone.clone()], &Options::default()).unwrap();
    assert_eq!(made.left_out, ["s390x"]);
    assert_eq!(shown(&made), ["linux/amd64"]);
    assert!(
        problems(gather(&[gone], &Options::default())).contains("an index of nothing would hide")
    );
}

#[test]
fn attestations_stay_with_their_subject_or_are_left_out() {
    let from = folder();
    let layout = from.layout.as_ref();
    let mut tags = Vec::new();
    for platform in ["linux/amd64", "linux/arm64/v8"] {
        let manifest = Image::new(platform).put(layout, &format!("alone-{platform}"));
        put_index(
            layout,
            platform,
            &[
                entry(&manifest, platform),
                attestation(layout, &manifest.digest),
            ],
        );
        tags.push(platform);
    }
    let sources: Vec<Source> = tags
        .iter()
        .rev()
        .map(|name| from.source_for(name, name))
        .collect();
    let made = gather(&sources, &Options::default()).unwrap();
    assert_eq!(
        shown(&made),
        [
            "linux/amd64",
            "unknown/unknown",
            "linux/arm64/v8",
            "unknown/unknown"
        ]
    );
    assert_eq!(
        made.entries[1].attests(),
        Some(made.entries[0].digest.as_str())
    );
    let without = Options {
        attestations: false,
        ..Options::default()
    };
    assert_eq!(
        shown(&gather(&sources, &without).unwrap()),
        ["linux/amd64", "linux/arm64/v8"]
    );
    let to = folder();
    made.publish(&[to.target("1")]).unwrap();
    let seen = inspect("1", to.layout.as_ref(), &tag("1"))
        .unwrap()
        .unwrap();
    let attests = seen.entries[3].attests.as_ref().unwrap();
    assert_eq!(attests.subject, made.entries[2].digest.to_string());
    assert_eq!(attests.predicates, ["https://slsa.dev/provenance/v0.2"]);
    assert_eq!(
        verify("1", to.layout.as_ref(), &tag("1"), &quick(), &|| false)
            .unwrap()
            .unwrap()
            .findings,
        []
    );
}

#[test]
fn of_an_index_one_platform_can_be_taken() {
    let from = folder();
    let layout = from.layout.as_ref();
    let amd64 = Image::new("linux/amd64").put(layout, "a");
    let arm = Image::new("linux/arm/v7").put(layout, "b");
    put_index(
        layout,
        "both",
        &[entry(&amd64, "linux/amd64"), entry(&arm, "linux/arm/v7")],
    );
    let options = Options::default();
    assert_eq!(
        shown(&gather(&[from.source_for("both", "linux/arm/v7")], &options).unwrap()),
        ["linux/arm/v7"]
    );
    assert_eq!(
        problems(gather(&[from.source_for("both", "linux/s390x")], &options)),
        "both has no image for `linux/s390x`; it has linux/amd64, linux/arm/v7"
    );
    // The same image twice is one; another for the same platform is a fault.
    assert_eq!(
        shown(&gather(&[from.source("both"), from.source("a")], &options).unwrap()).len(),
        2
    );
    Image {
        layer: b"other".to_vec(),
        ..Image::new("linux/amd64")
    }
    .put(layout, "other");
    assert!(
        problems(gather(
            &[from.source("both"), from.source("other")],
            &options
        ))
        .starts_with("other and both are both for `linux/amd64` [")
    );
}

#[test]
fn entries_that_nobody_finds_are_not_handed_on() {
    let from = folder();
    let layout = from.layout.as_ref();
    let arm64 = Image::new("linux/arm64").put(layout, "a");
    put_index(layout, "classic", &[entry(&arm64, "linux/arm64/armv8")]);
    assert_eq!(
        problems(gather(&[from.source("classic")], &Options::default())),
        "classic has an entry for `linux/arm64/armv8`, which no client finds: it is written `linux/arm64/v8` [say what it is: `linux/arm64/v8=classic`; or mend the index with `crossfile verify --repair classic`]"
    );
    assert_eq!(
        shown(
            &gather(
                &[from.source_for("classic", "linux/arm64/v8")],
                &Options::default()
            )
            .unwrap()
        ),
        ["linux/arm64/v8"]
    );
    let seen = inspect("classic", layout, &tag("classic"))
        .unwrap()
        .unwrap();
    assert_eq!(
        seen.entries[0].faults,
        ["`linux/arm64/armv8` is found by few clients, or by none: it is written `linux/arm64/v8`"]
    );
    let hosts = [Platform::new("linux", "arm64", "")];
    assert_eq!(seen.pulled(&hosts)[0].containerd, None);
    assert_eq!(seen.unreachable(&hosts).len(), 1);
}

#[test]
fn dockers_formats_make_a_dockers_list() {
    let from = folder();
    let layout = from.layout.as_ref();
    Image {
        docker: true,
        ..Image::new("linux/amd64")
    }
    .put(layout, "a");
    Image {
        docker: true,
        ..Image::new("linux/arm64")
    }
    .put(layout, "b");
    let sources = [from.source("a"), from.source("b")];
    let made = gather(&sources, &Options::default()).unwrap();
    assert_eq!(made.index.media_type, MediaType::DOCKER_LIST);
    let noted = Options {
        annotations: [("a".to_string(), "b".to_string())].into(),
        ..Options::default()
    };
    let made = gather(&sources, &noted).unwrap();
    assert_eq!(made.index.media_type, MediaType::OCI_INDEX);
    assert_eq!(made.index.index().unwrap().annotations, noted.annotations);
}

#[test]
fn what_is_wrong_with_an_index_is_found() {
    let from = folder();
    let layout = from.layout.as_ref();
    let amd64 = Image::new("linux/amd64").put(layout, "a");
    let arm = Image::new("linux/arm/v6").put(layout, "b");
    let mut lying = entry(&amd64, "linux/amd64");
    lying.size += 1;
    let gone = entry(&Image::new("linux/s390x").manifest(), "linux/s390x");
    put_index(layout, "bad", &[lying, entry(&arm, "linux/arm64/v8"), gone]);
    let verified = verify("bad", layout, &tag("bad"), &quick(), &|| false)
        .unwrap()
        .unwrap();
    let found: Vec<String> = verified
        .findings
        .iter()
        .map(|finding| {
            let digest = finding
                .digest
                .as_ref()
                .map_or(String::new(), |digest| digest.short().to_string());
            finding.to_string().replace(&digest, "DIGEST")
        })
        .collect();
    let size = amd64.bytes.len();
    assert_eq!(found, [
        format!("linux/amd64 (DIGEST): its manifest has {size} bytes, and the index says {}", size + 1),
        "linux/arm64/v8 (DIGEST): the index says `linux/arm64/v8`, and its configuration `linux/arm/v6`".to_string(),
        "linux/s390x (DIGEST): its manifest is not there".to_string(),
    ]);
    let mut options = quick();
    options.needed = vec![
        Platform::new("linux", "amd64", ""),
        Platform::new("linux", "riscv64", ""),
    ];
    put_index(
        layout,
        "two",
        &[entry(&amd64, "linux/amd64"), entry(&arm, "linux/arm/v6")],
    );
    let verified = verify("two", layout, &tag("two"), &options, &|| false)
        .unwrap()
        .unwrap();
    let found: Vec<String> = verified.findings.iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        ["it lacks linux/riscv64", "it has linux/arm/v6, too"]
    );
    options.needed = vec![Platform::new("linux", "amd64", "")];
    options.may_have = vec![Platform::new("linux", "arm", "v6")];
    assert_eq!(
        verify("two", layout, &tag("two"), &options, &|| false)
            .unwrap()
            .unwrap()
            .findings,
        []
    );
}

#[test]
fn a_blob_that_is_not_there_is_found() {
    let from = folder();
    let layout = from.layout.as_ref();
    let image = Image::new("linux/amd64");
    images::put_blob(layout, &image.config());
    layout.put_manifest(&tag("a"), &image.manifest()).unwrap();
    let verified = verify("a", layout, &tag("a"), &quick(), &|| false)
        .unwrap()
        .unwrap();
    let digest = crossfile::registry::Digest::of(&image.layer);
    assert!(
        verified.findings[0]
            .to_string()
            .ends_with(&format!(": its blob {digest} is not there")),
        "{:?}",
        verified.findings
    );
    assert_eq!(verified.platforms, ["linux/amd64"]);
}

/// A registry with two images in repositories of their own, and an index of something else under the tag.
fn registry() -> (FakeRegistry, Client) {
    let fake = FakeRegistry::new();
    let client = Client::new(
        fake.transport(),
        Arc::new(Anonymous),
        ClientOptions::default(),
    );
    let at = |text: &str| client.repository(&text.parse::<Reference>().unwrap());
    Image::new("linux/amd64").put(at("r.example.com/a/x").as_ref(), "1");
    Image::new("linux/arm64").put(at("r.example.com/b/x").as_ref(), "1");
    let old = Image::new("linux/s390x").put(at("r.example.com/acme/x").as_ref(), "alone");
    put_index(
        at("r.example.com/acme/x").as_ref(),
        "1",
        &[entry(&old, "linux/s390x")],
    );
    fake.forget_requests();
    (fake, client)
}

fn release(client: &Client) -> Result<(), Vec<Problem>> {
    release_of(client, &["r.example.com/a/x:1", "r.example.com/b/x:1"])
}

/// As the command makes an index.
fn release_of(client: &Client, sources: &[&str]) -> Result<(), Vec<Problem>> {
    let source = |text: &&str| {
        let reference = text.parse::<Reference>().unwrap();
        Source::new(*text, client.repository(&reference), reference.which())
    };
    let target = "r.example.com/acme/x:1".parse::<Reference>().unwrap();
    let sources: Vec<Source> = sources.iter().map(source).collect();
    let targets = [Target::new(
        "r.example.com/acme/x:1",
        client.repository_to_write(&target),
        target.which(),
    )];
    let made = gather_for(&sources, &Options::default(), &targets)?;
    made.publish(&targets)?;
    Ok(())
}

#[test]
fn inside_a_registry_no_blob_is_moved() {
    let (fake, client) = registry();
    release(&client).unwrap();
    let requests = requests(&fake);
    let count = |begin: &str, part: &str| {
        let fits = |request: &&String| request.starts_with(begin) && request.contains(part);
        requests.iter().filter(fits).count()
    };
    // The configurations, which say the platforms.
    assert_eq!(count("GET", "/blobs/"), 2, "{requests:?}");
    assert_eq!(count("POST", "mount="), 4, "{requests:?}");
    assert!(
        requests.last().unwrap().ends_with("/manifests/1"),
        "{requests:?}"
    );
    // Nothing is asked for twice: the manifests, what they name, the images by their digests, and the tag.
    assert_eq!(requests.len(), 2 + 2 + 4 + 2 + 1, "{requests:?}");
}

/// Those that mean something: connections are made ahead, and nobody waits for that.
fn requests(fake: &FakeRegistry) -> Vec<String> {
    let mut requests = fake.requests();
    requests.retain(|request| !request.ends_with("/v2/"));
    requests
}

#[test]
fn nothing_is_written_before_every_source_is_known_to_be_there() {
    let (fake, client) = registry();
    let sources = ["r.example.com/a/x:1", "r.example.com/gone/x:1"];
    let problems = release_of(&client, &sources).unwrap_err();
    assert!(
        problems[0]
            .to_string()
            .starts_with("r.example.com/gone/x:1 is not there")
    );
    let writes = |request: &&String| !request.starts_with("GET") && !request.starts_with("HEAD");
    let requests = requests(&fake);
    assert_eq!(requests.iter().filter(writes).count(), 0, "{requests:?}");
}

#[test]
fn what_is_tried_ahead_is_tried_once() {
    let (fake, client) = registry();
    let slow = Fault::RetryAfter(503, "60".to_string());
    fake.fault(Method::Post, "mount=", 1000, slow);
    // The source is wrong: nobody waits for a mount to find that out.
    let mut source = Source::new(
        "wrong",
        client.repository(&"r.example.com/a/x:1".parse::<Reference>().unwrap()),
        tag("1"),
    );
    source.platform = Some(Platform::new("linux", "s390x", ""));
    let target = "r.example.com/acme/x:1".parse::<Reference>().unwrap();
    let target = Target::new("x", client.repository_to_write(&target), tag("1"));
    let told = problems(gather_for(&[source], &Options::default(), &[target]));
    assert_eq!(
        told,
        "wrong is for `linux/amd64`, and not for `linux/s390x`"
    );
    assert_eq!(fake.pauses(), []);
}

#[test]
fn only_images_that_are_asked_for_are_written_ahead() {
    let (fake, client) = registry();
    let at = |text: &str| client.repository(&text.parse::<Reference>().unwrap());
    let from = at("r.example.com/many/x");
    let platforms = ["linux/amd64", "linux/arm64", "linux/s390x"];
    let images = platforms.map(|platform| {
        Image::new(platform).put(from.as_ref(), platform.rsplit('/').next().unwrap())
    });
    let entries = images.map(|image| {
        let mut entry = entry(&image, "linux/amd64");
        entry.platform = None;
        entry
    });
    put_index(from.as_ref(), "1", &entries);
    fake.forget_requests();
    let mut source = Source::new("many", from, tag("1"));
    source.platform = Some(Platform::new("linux", "amd64", ""));
    let target = "r.example.com/acme/x:2".parse::<Reference>().unwrap();
    let targets = [Target::new(
        "x",
        client.repository_to_write(&target),
        tag("2"),
    )];
    let made = gather_for(&[source], &Options::default(), &targets).unwrap();
    made.publish(&targets).unwrap();
    let requests = requests(&fake);
    let puts = requests.iter().filter(|request| request.starts_with("PUT"));
    assert_eq!(puts.count(), 2, "{requests:?}");
}

#[test]
fn what_a_registry_does_not_mount_is_copied_once() {
    let (fake, client) = registry();
    fake.fault(Method::Post, "mount=", 100, Fault::Status(405));
    release(&client).unwrap();
    let requests = requests(&fake);
    let count = |part: &str| {
        requests
            .iter()
            .filter(|request| request.contains(part))
            .count()
    };
    assert_eq!(count("mount="), 4, "{requests:?}");
    assert_eq!(count("digest="), 4, "{requests:?}");
}

#[test]
fn whatever_fails_the_tag_is_the_old_index_or_the_new_one() {
    let (fake, client) = registry();
    release(&client).unwrap();
    let wanted = fake.tags("r.example.com/acme/x")["1"].clone();
    let asked: BTreeSet<String> = requests(&fake).into_iter().collect();
    assert!(asked.len() > 8, "{asked:?}");
    let faults = [
        Fault::Status(429),
        Fault::RetryAfter(503, "1".to_string()),
        Fault::Status(500),
        Fault::Status(403),
        Fault::Status(404),
        Fault::BreakBefore,
        Fault::BreakAfter,
        Fault::BreakInBody(10),
        Fault::Truncated(20),
        Fault::CutShort(20),
        Fault::WrongBytes,
        Fault::WrongDigest,
        Fault::Answer(200, "<html>".to_string()),
    ];
    let (mut good, mut bad) = (0, 0);
    for request in &asked {
        let (method, url) = request.split_once(' ').unwrap();
        let methods = [
            Method::Get,
            Method::Head,
            Method::Post,
            Method::Patch,
            Method::Put,
        ];
        let method = *methods
            .iter()
            .find(|known| known.to_string() == method)
            .unwrap();
        for fault in &faults {
            // Once, and for as long as anybody tries.
            for times in [1, 100] {
                let (fake, client) = registry();
                let old = fake.tags("r.example.com/acme/x")["1"].clone();
                fake.fault(method, url, times, fault.clone());
                let what = format!("{fault:?} {times} times at {request}");
                let released = release(&client);
                let now = fake.tags("r.example.com/acme/x")["1"].clone();
                match released {
                    Ok(()) => {
                        good += 1;
                        assert_eq!(now, wanted, "{what}");
                    }
                    Err(problems) => {
                        bad += 1;
                        // The one request of which nobody knows whether it was done is the last.
                        let last = method == Method::Put && url.ends_with("/manifests/1");
                        assert!(now == old || last, "{what}");
                        let told = problems
                            .iter()
                            .map(ToString::to_string)
                            .collect::<Vec<_>>()
                            .join("; ");
                        assert!(told.contains("r.example.com/"), "{what}: {told}");
                    }
                }
                // Either index is whole.
                let reader = Client::new(
                    fake.transport(),
                    Arc::new(Anonymous),
                    ClientOptions::default(),
                );
                let at = "r.example.com/acme/x:1".parse::<Reference>().unwrap();
                if times == 1 {
                    let verified = verify(
                        "x",
                        reader.repository(&at).as_ref(),
                        &at.which(),
                        &quick(),
                        &|| false,
                    );
                    assert_eq!(verified.unwrap().unwrap().findings, [], "{what}");
                }
            }
        }
    }
    assert!(good > 100 && bad > 100, "{good} {bad}");
}

#[test]
fn what_an_index_says_of_its_images_is_not_believed() {
    let from = folder();
    let layout = from.layout.as_ref();
    let amd64 = Image::new("linux/amd64").put(layout, "a");
    let options = Options::default();
    put_index(layout, "lie", &[entry(&amd64, "linux/s390x")]);
    let expected = "lie is for `linux/amd64`, and not for `linux/s390x`";
    assert_eq!(problems(gather(&[from.source("lie")], &options)), expected);
    let said = from.source_for("lie", "linux/s390x");
    assert_eq!(problems(gather(&[said], &options)), expected);
    let mut shorter = entry(&amd64, "linux/amd64");
    shorter.size = 7;
    put_index(layout, "short", &[shorter]);
    let told = problems(gather(&[from.source("short")], &options));
    assert!(told.contains("bytes long, and its index says 7"), "{told}");
    // The type is the manifest's own, whatever the index has there.
    let mut other = entry(&amd64, "linux/amd64");
    other.media_type = String::new();
    put_index(layout, "typeless", &[other]);
    let made = gather(&[from.source("typeless")], &options).unwrap();
    assert_eq!(made.entries[0].media_type, MediaType::OCI_MANIFEST);
    // Without a platform it is the configuration's.
    let mut without = entry(&amd64, "linux/amd64");
    without.platform = None;
    put_index(layout, "without", &[without]);
    assert_eq!(
        shown(&gather(&[from.source("without")], &options).unwrap()),
        ["linux/amd64"]
    );
}

#[test]
fn an_index_of_nothing_is_not_right() {
    let from = folder();
    let layout = from.layout.as_ref();
    put_index(layout, "empty", &[]);
    let verified = verify("empty", layout, &tag("empty"), &quick(), &|| false)
        .unwrap()
        .unwrap();
    assert_eq!(verified.findings[0].to_string(), "it has no image");
}

#[test]
fn an_image_for_a_lower_variant_is_right() {
    let from = folder();
    let layout = from.layout.as_ref();
    let v6 = Image::new("linux/arm/v6").put(layout, "v6");
    let v7 = Image::new("linux/arm/v7").put(layout, "v7");
    put_index(layout, "lower", &[entry(&v6, "linux/arm/v7")]);
    put_index(layout, "higher", &[entry(&v7, "linux/arm/v6")]);
    let found = |name: &str| {
        let verified = verify(name, layout, &tag(name), &quick(), &|| false).unwrap();
        verified.unwrap().findings.len()
    };
    assert_eq!((found("lower"), found("higher")), (0, 1));
}
