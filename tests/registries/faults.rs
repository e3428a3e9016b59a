//! A net and registries that are not to be relied on: whatever is done to a request, a run ends in success after further
//! attempts, or in a clear error with the old tag as it was.

use std::time::{Duration, Instant};

use crossfile::registry::Digest;

use crate::ask::{get_manifest, tagged};
use crate::lab::{Docker, Lab, THREE};
use crate::proxy::{Exchange, Fault, Proxy, Rule};
use crate::sources;
use crate::support::Run;

/// An index with a tag, and a new one that is to take its place, through a proxy.
struct Release {
    lab: Lab,
    proxy: Proxy,
    old: String,
    /// Of the first architecture.
    config: String,
    layer: String,
}

impl Release {
    fn new(name: &str) -> Option<Release> {
        let lab = Lab::new(&format!("fault-{name}"))?;
        let image = format!("{}:1", lab.image);
        lab.manifest(&[&image], &sources(&lab.registry, &["i386"]))
            .succeeds();
        let old = tagged(&lab.registry, lab.repository(), "1").unwrap();
        let image = get_manifest(&lab.registry, "amd64/busybox", "1").json();
        let digest = |blob: &serde_json::Value| blob["digest"].as_str().unwrap().to_string();
        Some(Release {
            proxy: Proxy::new(&lab.registry),
            old,
            config: digest(&image["config"]),
            layer: digest(&image["layers"][0]),
            lab,
        })
    }

    /// Where the index goes, and the path of its tag.
    fn tag(&self) -> (String, String) {
        let repository = self.lab.repository();
        (
            format!("{}/{repository}:1", self.proxy.host()),
            format!("/v2/{repository}/manifests/1"),
        )
    }

    /// Makes the new index, through the proxy.
    fn run(&self, rule: Rule) -> Run {
        self.proxy.rule(rule);
        let run = self
            .lab
            .manifest(&[&self.tag().0], &sources(&self.proxy.host(), THREE));
        let faulty = self.proxy.exchanges().into_iter();
        let faulty: Vec<Exchange> = faulty.filter(|exchange| exchange.faulty).collect();
        assert!(!faulty.is_empty(), "nothing was done to any request");
        run
    }

    /// That the new index is there and whole.
    #[track_caller]
    fn ends_well(&self, rule: Rule) {
        self.run(rule).succeeds();
        assert_ne!(
            tagged(&self.lab.registry, self.lab.repository(), "1"),
            Some(self.old.clone())
        );
        self.lab.has("1", THREE);
        self.lab
            .crossfile(Docker::Old, &["verify", &format!("{}:1", self.lab.image)])
            .succeeds();
    }

    /// That the run fails, saying these, and the tag is what it was.
    #[track_caller]
    fn ends_in(&self, rule: Rule, said: &[&str]) {
        let run = self.run(rule);
        assert_eq!(run.status, 2, "{}{}", run.stdout, run.stderr);
        for text in said {
            assert!(run.stderr.contains(text), "no {text} in {}", run.stderr);
        }
        let host = self.proxy.host();
        assert!(run.stderr.contains(&host), "{}", run.stderr);
        assert_eq!(
            tagged(&self.lab.registry, self.lab.repository(), "1"),
            Some(self.old.clone())
        );
    }

    /// Copies the images into a layout, through the proxy: their layers are read.
    fn copy(&self, rule: Rule) -> Run {
        self.proxy.rule(rule);
        let mut args = vec!["manifest", "--to", "oci:out", "--tag", "1"];
        let sources = sources(&self.proxy.host(), &["amd64", "s390x"]);
        args.extend(sources.iter().map(String::as_str));
        self.lab.crossfile(Docker::Old, &args)
    }

    #[track_caller]
    fn copies_well(&self, rule: Rule) {
        self.copy(rule).succeeds();
        self.lab
            .crossfile(Docker::Old, &["verify", "oci:out:1"])
            .succeeds();
        let blob = self.layer.replace(':', "/");
        let bytes = self.lab.scratch.bytes(&format!("out/blobs/{blob}"));
        assert_eq!(Digest::of(&bytes).to_string(), self.layer);
    }

    #[track_caller]
    fn copies_nothing(&self, rule: Rule, said: &[&str]) {
        let run = self.copy(rule);
        assert_eq!(run.status, 2, "{}{}", run.stdout, run.stderr);
        for text in said {
            assert!(run.stderr.contains(text), "no {text} in {}", run.stderr);
        }
        let verify = self.lab.crossfile(Docker::Old, &["verify", "oci:out:1"]);
        assert_ne!(verify.status, 0, "{}", verify.stdout);
        let blob = self.layer.replace(':', "/");
        assert!(!self.lab.scratch.exists(&format!("out/blobs/{blob}")));
    }
}

/// A request of each kind that making an index takes.
fn requests(release: &Release) -> Vec<(&'static str, String)> {
    vec![
        ("GET", "/v2/arm32v7/busybox/manifests/1".to_string()),
        // While configurations are read blobs are mounted: what comes after finds these.
        (
            "POST",
            format!("/v2/{}/blobs/uploads/", release.lab.repository()),
        ),
        ("GET", format!("/blobs/{}", release.config)),
        (
            "PUT",
            format!("/v2/{}/manifests/sha256:", release.lab.repository()),
        ),
        ("PUT", release.tag().1),
    ]
}

/// Those of them that read.
fn reads(release: &Release) -> Vec<(&'static str, String)> {
    let mut requests = requests(release);
    requests.retain(|(method, _)| *method == "GET");
    requests
}

/// Does the same to each kind of request: once, with a success in the end, and every time, with an error.
fn each(name: &str, once: &Fault, always: &Fault, said: &[&str]) {
    let Some(release) = Release::new(name) else {
        return;
    };
    for (method, path) in requests(&release) {
        release.ends_in(Rule::new(method, &path, always.clone()), said);
        release.proxy.forget_rules();
    }
    for (method, path) in requests(&release) {
        release.ends_well(Rule::new(method, &path, once.clone()).times(1));
        release.proxy.forget_rules();
    }
}

#[test]
fn too_many_requests_are_made_later() {
    let Some(release) = Release::new("429") else {
        return;
    };
    let start = Instant::now();
    let (_, tag) = release.tag();
    release.ends_well(Rule::new("PUT", &tag, Fault::Status(429, Some(2))).times(1));
    assert!(
        start.elapsed() >= Duration::from_secs(2),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn too_many_requests_for_ever_are_an_error() {
    let said = ["answers", "with 429", "the proxy says 429", "5 times"];
    let (once, always) = (Fault::Status(429, None), Fault::Status(429, Some(0)));
    each("429-always", &once, &always, &said);
}

#[test]
fn a_registry_in_trouble_is_asked_again() {
    let Some(release) = Release::new("500") else {
        return;
    };
    for (method, path) in requests(&release) {
        release.ends_well(Rule::new(method, &path, Fault::Status(500, None)).times(2));
        release.proxy.forget_rules();
    }
}

#[test]
fn a_registry_in_trouble_for_ever_is_an_error() {
    let Some(release) = Release::new("500-always") else {
        return;
    };
    let said = ["answers", "with 500", "the proxy says 500", "5 times"];
    let (_, tag) = release.tag();
    release.ends_in(Rule::new("PUT", &tag, Fault::Status(500, None)), &said);
}

#[test]
fn broken_connections_are_made_again() {
    let Some(release) = Release::new("reset") else {
        return;
    };
    let (method, path) = &requests(&release)[0];
    release.ends_in(Rule::new(method, path, Fault::Refuse), &["5 times"]);
    release.proxy.forget_rules();
    for (method, path) in requests(&release) {
        release.ends_well(Rule::new(method, &path, Fault::Refuse).times(1));
        release.proxy.forget_rules();
    }
}

#[test]
fn what_is_reset_in_mid_body_is_read_again() {
    let Some(release) = Release::new("reset-body") else {
        return;
    };
    let reads = reads(&release);
    for (method, path) in &reads {
        release.ends_in(Rule::new(method, path, Fault::Reset(100)), &["5 times"]);
        release.proxy.forget_rules();
    }
    for (method, path) in &reads {
        release.ends_well(Rule::new(method, path, Fault::Reset(100)).times(1));
        release.proxy.forget_rules();
    }
}

#[test]
fn an_answer_that_is_lost_is_asked_for_again() {
    let Some(release) = Release::new("lost") else {
        return;
    };
    for (method, path) in requests(&release) {
        release.ends_well(Rule::new(method, &path, Fault::Lose).times(1));
        release.proxy.forget_rules();
    }
}

#[test]
fn what_ends_too_early_is_read_again() {
    let Some(release) = Release::new("truncated") else {
        return;
    };
    let (_, path) = &requests(&release)[0];
    release.ends_in(
        Rule::new("GET", path, Fault::Truncate(100)),
        &["100", "5 times"],
    );
    release.proxy.forget_rules();
    for (method, path) in reads(&release) {
        release.ends_well(Rule::new(method, &path, Fault::Truncate(100)).times(1));
        release.proxy.forget_rules();
    }
}

#[test]
fn what_is_not_of_its_digest_is_read_once_more() {
    let Some(release) = Release::new("garbled") else {
        return;
    };
    for (method, path) in reads(&release) {
        release.ends_in(
            Rule::new(method, &path, Fault::Garble),
            &["its content is sha256:"],
        );
        release.proxy.forget_rules();
    }
    for (method, path) in reads(&release) {
        release.ends_well(Rule::new(method, &path, Fault::Garble).times(1));
        release.proxy.forget_rules();
    }
}

#[test]
fn slow_answers_are_waited_for() {
    let Some(release) = Release::new("slow") else {
        return;
    };
    let (_, path) = requests(&release).swap_remove(0);
    release.proxy.rule(Rule::new(
        "GET",
        &path,
        Fault::Trickle(40, Duration::from_millis(50)),
    ));
    let (_, tag) = release.tag();
    release.ends_well(Rule::new("PUT", &tag, Fault::Stall(Duration::from_secs(3))).times(1));
}

// Layers, which are too large to be read before they are handed on.

/// Half of a layer.
const HALF: usize = 400_000;

#[test]
fn a_layer_that_breaks_off_is_read_on_from_there() {
    let Some(release) = Release::new("layer-reset") else {
        return;
    };
    let path = format!("/blobs/{}", release.layer);
    release.copies_well(Rule::new("GET", &path, Fault::Reset(HALF)).times(1));
    let received: u64 = release
        .proxy
        .exchanges()
        .iter()
        .filter(|exchange| exchange.method == "GET" && exchange.path.contains(&path))
        .map(|exchange| exchange.received)
        .sum();
    let answer = crate::ask::ask(
        &release.lab.registry,
        "GET",
        &format!("/v2/amd64/busybox{path}"),
        "",
        b"",
    );
    let whole = answer.body.len() as u64;
    // What was known was not sent again, but for what was on the way.
    assert!(received < whole + HALF as u64, "{received} of {whole}");
}

#[test]
fn a_layer_that_always_breaks_off_is_an_error() {
    let Some(release) = Release::new("layer-reset-always") else {
        return;
    };
    let path = format!("/blobs/{}", release.layer);
    release.copies_nothing(
        Rule::new("GET", &path, Fault::Reset(0)),
        &["5 times", &release.layer],
    );
}

#[test]
fn a_layer_that_ends_too_early_is_read_on_from_there() {
    let Some(release) = Release::new("layer-truncated") else {
        return;
    };
    let path = format!("/blobs/{}", release.layer);
    release.copies_well(Rule::new("GET", &path, Fault::Truncate(HALF)).times(1));
}

#[test]
fn a_layer_that_is_another_is_an_error() {
    let Some(release) = Release::new("layer-garbled") else {
        return;
    };
    let path = format!("/blobs/{}", release.layer);
    release.copies_nothing(
        Rule::new("GET", &path, Fault::Garble),
        &["the content is sha256:", &release.layer],
    );
}

#[test]
fn a_layer_that_is_another_once_is_read_again() {
    let Some(release) = Release::new("layer-garbled-once") else {
        return;
    };
    let path = format!("/blobs/{}", release.layer);
    let tag = format!("{}:1", release.lab.image);
    let from = sources(&release.proxy.host(), THREE);
    release.proxy.rule(Rule::new("GET", &path, Fault::Garble));
    // Of another name, so that nothing is mounted.
    let run = release.lab.manifest(&[&tag], &from);
    assert_eq!(run.status, 2, "{}", run.stderr);
    assert!(
        run.stderr.contains("the content is sha256:"),
        "{}",
        run.stderr
    );
    assert_eq!(
        tagged(&release.lab.registry, release.lab.repository(), "1"),
        Some(release.old.clone())
    );
    release.proxy.forget_rules();
    release
        .proxy
        .rule(Rule::new("GET", &path, Fault::Garble).times(1));
    release.lab.manifest(&[&tag], &from).succeeds();
    release.lab.has("1", THREE);
    release
        .lab
        .crossfile(Docker::Old, &["verify", &tag])
        .succeeds();
}

#[test]
fn a_layer_that_trickles_is_waited_for() {
    let Some(release) = Release::new("layer-slow") else {
        return;
    };
    let path = format!("/blobs/{}", release.layer);
    let fault = Fault::Trickle(16 * 1024, Duration::from_millis(20));
    release.copies_well(Rule::new("GET", &path, fault));
}

/// What is sent breaks off, too: from a layout into the registry.
#[test]
fn an_upload_that_breaks_off_is_sent_again() {
    let Some(release) = Release::new("upload") else {
        return;
    };
    let mut args = vec!["manifest", "--to", "oci:out", "--tag", "1"];
    let sources = sources(&release.lab.registry, THREE);
    args.extend(sources.iter().map(String::as_str));
    release.lab.crossfile(Docker::Old, &args).succeeds();

    let uploads = format!("/v2/{}/blobs/uploads/", release.lab.repository());
    let (tag, _) = release.tag();
    let index = ["oci:out:1".to_string()];
    release
        .proxy
        .rule(Rule::new("PUT", &uploads, Fault::Status(500, None)));
    let run = release.lab.manifest(&[&tag], &index);
    assert_eq!(run.status, 2, "{}", run.stderr);
    assert!(run.stderr.contains("5 times"), "{}", run.stderr);
    assert_eq!(
        tagged(&release.lab.registry, release.lab.repository(), "1"),
        Some(release.old.clone())
    );
    for fault in [Fault::Status(503, None), Fault::Refuse, Fault::Lose] {
        release.proxy.forget_rules();
        release
            .proxy
            .rule(Rule::new("PUT", &uploads, fault).after(1).times(2));
        // To a repository that has none of it.
        let tag = format!(
            "{}/{}/{}:1",
            release.proxy.host(),
            release.lab.repository(),
            release.proxy.exchanges().len()
        );
        release.lab.manifest(&[&tag], &index).succeeds();
        release
            .lab
            .crossfile(Docker::Old, &["verify", &tag])
            .succeeds();
    }
}
