//! The client of registries, against the registry in memory: what it asks, what it tries again, what it says.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot set up its registry should panic"
)]

mod support;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Cursor, Read as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crossfile::registry::fake::{FakeRegistry, Fault, Guard};
use crossfile::registry::{
    Anonymous, Client, ClientOptions, Credentials, Descriptor, Digest, Document, ErrorKind,
    Keychain, MediaType, Method, Opened, Reference, RegistryError, RegistryOptions, Repository,
    Trial, Which,
};
use support::snapshots;

/// One kind of credentials for every registry.
struct Known(Credentials);

impl Keychain for Known {
    fn credentials(&self, _: &str, _: &str) -> Result<Option<Credentials>, String> {
        Ok(Some(self.0.clone()))
    }
}

fn reference(text: &str) -> Reference {
    text.parse().unwrap()
}

fn client(fake: &FakeRegistry) -> Client {
    Client::new(
        fake.transport(),
        Arc::new(Anonymous),
        ClientOptions::default(),
    )
}

fn known(fake: &FakeRegistry, credentials: Credentials) -> Client {
    let keychain = Arc::new(Known(credentials));
    Client::new(fake.transport(), keychain, ClientOptions::default())
}

fn me() -> Credentials {
    Credentials::password("me", "hunter2")
}

fn tag(text: &str) -> Which {
    Which::Tag(text.to_string())
}

/// What was asked, without the hosts where all are the same.
fn requests(fake: &FakeRegistry) -> Vec<String> {
    let requests = fake.requests();
    let requests = requests.iter();
    requests
        .map(|line| {
            line.replace("https://r.test/v2/", "")
                .replace("sha256%3A", "sha256:")
        })
        .collect()
}

const INDEX: &str = r#"{"schemaVersion":2,"manifests":[]}"#;

fn with_index() -> (FakeRegistry, Digest) {
    let fake = FakeRegistry::new();
    let digest = fake.put_manifest("r.test/a", Some("1"), MediaType::OCI_INDEX, INDEX);
    (fake, digest)
}

fn descriptor(bytes: &[u8]) -> Descriptor {
    Descriptor::new("", Digest::of(bytes), bytes.len() as u64)
}

/// Bytes that are large enough to be streamed.
fn large() -> Vec<u8> {
    (0..3 << 20).map(|at: u32| (at % 251) as u8).collect()
}

fn read(repository: &dyn Repository, blob: &Descriptor) -> Result<Vec<u8>, RegistryError> {
    let mut bytes = Vec::new();
    let read = repository.blob(blob)?.read_to_end(&mut bytes);
    read.map_err(|error| RegistryError::from_io(error, "not", "named"))?;
    Ok(bytes)
}

fn opens(bytes: &[u8]) -> impl Fn() -> Result<Opened, RegistryError> {
    let bytes = bytes.to_vec();
    move || Ok(Box::new(Cursor::new(bytes.clone())) as Opened)
}

#[test]
fn a_manifest_is_read_in_one_request_and_checked() {
    let (fake, digest) = with_index();
    let client = client(&fake);
    let a = client.repository(&reference("r.test/a"));
    let document = a.manifest(&tag("1")).unwrap().unwrap();
    assert_eq!(document.digest, digest);
    assert_eq!(document.media_type, MediaType::OCI_INDEX);
    assert_eq!(document.bytes, INDEX.as_bytes());
    assert_eq!(
        a.manifest(&Which::Digest(digest.clone())).unwrap(),
        Some(document)
    );
    assert_eq!(a.manifest(&tag("none")).unwrap(), None);
    assert!(a.has_manifest(&digest).unwrap());
    assert!(!a.has_manifest(&Digest::of(b"")).unwrap());
    assert_eq!(
        requests(&fake)[..3],
        [
            "GET a/manifests/1".to_string(),
            format!("GET a/manifests/{digest}"),
            "GET a/manifests/none".to_string()
        ]
    );
    let sent = &fake.sent()[0];
    assert_eq!(sent.header("accept"), Some(MediaType::ACCEPT));
    let agent = format!("crossfile/{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(sent.header("user-agent"), Some(agent.as_str()));
    assert_eq!(sent.header("authorization"), None);
}

#[test]
fn what_is_served_as_nothing_in_particular_says_itself_what_it_is() {
    let fake = FakeRegistry::new();
    let text = format!(
        r#"{{"mediaType":"{}","manifests":[]}}"#,
        MediaType::DOCKER_LIST
    );
    for said in ["", "application/json; charset=utf-8", "text/plain"] {
        fake.put_manifest("r.test/a", Some("1"), said, text.as_str());
        let a = client(&fake).repository(&reference("r.test/a"));
        let document = a.manifest(&tag("1")).unwrap().unwrap();
        assert_eq!(document.media_type, MediaType::DOCKER_LIST, "{said}");
    }
}

#[test]
fn registries_are_spoken_to_where_they_are_and_as_they_like() {
    let fake = FakeRegistry::new();
    let mut options = ClientOptions::default();
    for (registry, plain) in [("plain.test", true), ("127.0.0.1:5443", false)] {
        let special = RegistryOptions::default().with_plain_http(plain);
        options.registries.insert(registry.to_string(), special);
    }
    let client = Client::new(fake.transport(), Arc::new(Anonymous), options);
    for image in [
        "alpine",
        "ghcr.io/a/b",
        "127.0.0.1:5000/a",
        "localhost/a",
        "plain.test/a",
        "127.0.0.1:5443/a",
    ] {
        let reference = reference(image);
        let repository = client.repository(&reference);
        assert_eq!(repository.manifest(&reference.which()).unwrap(), None);
    }
    assert_eq!(
        fake.requests(),
        [
            "GET https://registry-1.docker.io/v2/library/alpine/manifests/latest",
            "GET https://ghcr.io/v2/a/b/manifests/latest",
            "GET http://127.0.0.1:5000/v2/a/manifests/latest",
            "GET http://localhost/v2/a/manifests/latest",
            "GET http://plain.test/v2/a/manifests/latest",
            "GET https://127.0.0.1:5443/v2/a/manifests/latest",
        ]
    );
}

#[test]
fn a_token_is_fetched_once_the_registry_asks_and_kept() {
    let (fake, _) = with_index();
    fake.put_manifest("r.test/b", Some("1"), MediaType::OCI_INDEX, INDEX);
    fake.guard(Guard::bearer("me", "hunter2"));
    let client = known(&fake, me());
    let a = client.repository(&reference("r.test/a"));
    let b = client.repository(&reference("r.test/b"));
    for repository in [&a, &a, &b] {
        assert!(repository.manifest(&tag("1")).unwrap().is_some());
    }
    assert_eq!(
        requests(&fake),
        [
            "GET a/manifests/1",
            "GET https://r.test/token?service=r.test&scope=repository%3Aa%3Apull",
            "GET a/manifests/1",
            "GET a/manifests/1",
            // How to ask is known now.
            "GET https://r.test/token?service=r.test&scope=repository%3Ab%3Apull",
            "GET b/manifests/1",
        ]
    );
}

#[test]
fn a_token_to_write_serves_to_read_and_is_asked_for_at_once_where_that_is_known() {
    let (fake, _) = with_index();
    fake.guard(Guard::bearer("me", "hunter2"));
    let client = known(&fake, me());
    let a = client.repository_to_write(&reference("r.test/a"));
    a.manifest(&tag("1")).unwrap();
    let document = Document::new(MediaType::OCI_INDEX, INDEX.into());
    a.put_manifest(&tag("2"), &document).unwrap();
    let same = client.repository(&reference("r.test/a"));
    same.manifest(&tag("2")).unwrap().unwrap();
    assert_eq!(
        requests(&fake),
        [
            "GET a/manifests/1",
            "GET https://r.test/token?service=r.test&scope=repository%3Aa%3Apull%2Cpush",
            "GET a/manifests/1",
            "PUT a/manifests/2",
            "GET a/manifests/2",
        ]
    );
}

#[test]
fn every_kind_of_credentials_opens_the_registry() {
    let identity = Credentials::Identity("identity-secret".to_string());
    for (guard, credentials) in [
        (Guard::basic("me", "hunter2"), me()),
        (Guard::bearer("me", "hunter2"), me()),
        (
            Guard::bearer("me", "hunter2").with_identity("identity-secret"),
            identity,
        ),
    ] {
        let (fake, _) = with_index();
        fake.guard(guard);
        let client = known(&fake, credentials);
        let a = client.repository(&reference("r.test/a"));
        assert!(a.manifest(&tag("1")).unwrap().is_some());
    }
    let (fake, _) = with_index();
    fake.guard(Guard::bearer("me", "hunter2").with_anonymous_pull());
    let a = client(&fake).repository(&reference("r.test/a"));
    assert!(a.manifest(&tag("1")).unwrap().is_some());
    let document = Document::new(MediaType::OCI_INDEX, INDEX.into());
    let denied = a.put_manifest(&tag("2"), &document).unwrap_err();
    assert!(
        matches!(denied.kind, ErrorKind::Unauthorized(_)),
        "{denied}"
    );
}

#[test]
fn a_token_of_the_registry_itself_is_sent_as_it_is() {
    let (fake, _) = with_index();
    fake.guard(Guard::bearer("me", "hunter2"));
    let client = known(&fake, Credentials::Registry("raw-secret".to_string()));
    let a = client.repository(&reference("r.test/a"));
    let error = a.manifest(&tag("1")).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Unauthorized(_)), "{error}");
    let sent = fake.sent();
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[1].header("authorization"), Some("Bearer raw-secret"));
}

#[test]
fn a_token_that_is_refused_is_renewed_also_in_the_middle_of_an_upload() {
    let (fake, _) = with_index();
    fake.guard(Guard::bearer("me", "hunter2"));
    let client = known(&fake, me());
    let a = client.repository(&reference("r.test/a"));
    assert!(a.manifest(&tag("1")).unwrap().is_some());
    fake.revoke_tokens();
    assert!(a.manifest(&tag("1")).unwrap().is_some());

    let bytes = b"some layer";
    let open = || {
        fake.revoke_tokens();
        opens(bytes)()
    };
    let opened = AtomicUsize::new(0);
    let once = || match opened.fetch_add(1, Ordering::SeqCst) {
        0 => open(),
        _ => opens(bytes)(),
    };
    a.put_blob(&descriptor(bytes), &once).unwrap();
    assert_eq!(fake.blob("r.test/a", &Digest::of(bytes)).unwrap(), bytes);
    assert_eq!(opened.load(Ordering::SeqCst), 2);
}

#[test]
fn a_registry_that_wants_more_than_others_is_learnt() {
    let (fake, _) = with_index();
    fake.guard(Guard::bearer("me", "hunter2").with_scope("catalog"));
    let client = known(&fake, me());
    for asked in [5, 1] {
        fake.forget_requests();
        let a = client.repository(&reference("r.test/a"));
        assert!(a.manifest(&tag("1")).unwrap().is_some());
        assert_eq!(fake.requests().len(), asked, "{:#?}", fake.requests());
    }
    fake.revoke_tokens();
    fake.forget_requests();
    let a = client.repository(&reference("r.test/a"));
    assert!(a.manifest(&tag("1")).unwrap().is_some());
    assert_eq!(fake.requests().len(), 3);
}

#[test]
fn who_stores_a_blob_needs_one_token() {
    let fake = FakeRegistry::new();
    fake.guard(Guard::bearer("me", "hunter2"));
    let a = known(&fake, me()).repository(&reference("r.test/a"));
    a.put_blob(&descriptor(b"layer"), &opens(b"layer")).unwrap();
    let requests = fake.requests();
    let tokens = requests.iter().filter(|line| line.contains("/token?"));
    assert_eq!(tokens.count(), 1, "{requests:#?}");
}

#[test]
fn many_who_need_the_same_token_fetch_it_once() {
    let (fake, _) = with_index();
    fake.guard(Guard::bearer("me", "hunter2"));
    fake.fault(
        Method::Get,
        "/token",
        1,
        Fault::Slow(Duration::from_millis(100)),
    );
    let client = known(&fake, me());
    thread::scope(|scope| {
        for _ in 0..8 {
            let a = client.repository(&reference("r.test/a"));
            scope.spawn(move || assert!(a.manifest(&tag("1")).unwrap().is_some()));
        }
    });
    let requests = fake.requests();
    let tokens = requests.iter().filter(|line| line.contains("/token?"));
    assert_eq!(tokens.count(), 1);
}

#[test]
fn credentials_go_to_no_other_host() {
    let fake = FakeRegistry::new();
    let bytes = large();
    fake.put_blob("r.test/a", bytes.clone());
    fake.guard(Guard::bearer("me", "hunter2"));
    fake.redirect_blobs("storage.test");
    // The rest of what breaks off is asked of the registry again, and redirected once more.
    fake.fault(Method::Get, "storage.test", 1, Fault::Truncated(5000));
    let client = known(&fake, me());
    let a = client.repository(&reference("r.test/a"));
    assert!(read(&*a, &descriptor(&bytes)).unwrap() == bytes);
    let sent = fake.sent();
    let stored: Vec<_> = sent
        .iter()
        .filter(|sent| sent.url.contains("storage.test"))
        .collect();
    assert_eq!(stored.len(), 2);
    assert!(
        stored
            .iter()
            .all(|sent| sent.header("authorization").is_none())
    );
    assert_eq!(stored[1].header("range"), Some("bytes=5000-"));

    // An upload that goes on elsewhere, too.
    fake.forget_requests();
    let small = descriptor(b"small");
    let place = "https://elsewhere.test/v2/a/blobs/uploads/9?_state=kept";
    fake.fault(
        Method::Post,
        "/uploads/",
        1,
        Fault::Upload(place.to_string()),
    );
    fake.fault(
        Method::Put,
        "elsewhere.test",
        1,
        Fault::Answer(201, String::new()),
    );
    a.put_blob(&small, &opens(b"small")).unwrap();
    let sent = fake.sent();
    let last = sent.last().unwrap();
    assert!(last.url.starts_with(place), "{}", last.url);
    assert_eq!(last.header("authorization"), None);

    // Not in plain HTTP; a registry that only does not know that it is behind TLS is understood.
    let place = "http://elsewhere.test/v2/a/blobs/uploads/9".to_string();
    fake.fault(Method::Post, "/uploads/", 1, Fault::Upload(place));
    let error = a.put_blob(&small, &opens(b"small")).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Refused(_)), "{error}");
    let place = "http://r.test/v2/a/blobs/uploads/9".to_string();
    fake.fault(Method::Post, "/uploads/", 1, Fault::Upload(place));
    fake.fault(
        Method::Put,
        "https://r.test/",
        1,
        Fault::Answer(201, String::new()),
    );
    a.put_blob(&small, &opens(b"small")).unwrap();
}

#[test]
fn what_passes_is_tried_again_and_what_does_not_is_not() {
    for fault in [
        Fault::Status(408),
        Fault::Status(429),
        Fault::Status(500),
        Fault::Status(502),
        Fault::Status(503),
        Fault::Status(504),
        Fault::BreakBefore,
        Fault::BreakAfter,
        Fault::Truncated(3),
        Fault::CutShort(3),
    ] {
        let (fake, _) = with_index();
        fake.fault(Method::Get, "/manifests/", 4, fault.clone());
        let a = client(&fake).repository(&reference("r.test/a"));
        assert!(a.manifest(&tag("1")).unwrap().is_some(), "{fault:?}");
        assert_eq!(fake.requests().len(), 5, "{fault:?}");
        let longest = [500, 1000, 2000, 4000].map(Duration::from_millis);
        let pauses = fake.pauses();
        assert_eq!(pauses.len(), 4);
        for (pause, longest) in pauses.iter().zip(longest) {
            assert!(*pause <= longest, "{pause:?} {longest:?}");
        }

        fake.forget_requests();
        fake.fault(Method::Get, "/manifests/", 5, fault.clone());
        assert!(a.manifest(&tag("1")).is_err(), "{fault:?}");
        assert_eq!(fake.requests().len(), 5, "{fault:?}");
    }
    for status in [400, 403, 405, 410, 416, 422, 501] {
        let (fake, _) = with_index();
        fake.fault(Method::Get, "/manifests/", 1, Fault::Status(status));
        let a = client(&fake).repository(&reference("r.test/a"));
        assert!(a.manifest(&tag("1")).is_err(), "{status}");
        assert_eq!(fake.requests().len(), 1, "{status}");
    }
}

#[test]
fn a_registry_says_when_to_come_back() {
    let (fake, _) = with_index();
    for said in ["7", "86400"] {
        let fault = Fault::RetryAfter(429, said.to_string());
        fake.fault(Method::Get, "/manifests/", 1, fault);
    }
    let a = client(&fake).repository(&reference("r.test/a"));
    assert!(a.manifest(&tag("1")).unwrap().is_some());
    assert_eq!(fake.pauses(), [7, 60].map(Duration::from_secs));
}

#[test]
fn wrong_content_is_asked_for_once_more_and_never_handed_on() {
    for fault in [Fault::WrongBytes, Fault::WrongDigest] {
        let (fake, digest) = with_index();
        let a = client(&fake).repository(&reference("r.test/a"));
        for which in [tag("1"), Which::Digest(digest.clone())] {
            fake.fault(Method::Get, "/manifests/", 1, fault.clone());
            let document = a.manifest(&which).unwrap().unwrap();
            assert_eq!(document.digest, digest);
            fake.fault(Method::Get, "/manifests/", 2, fault.clone());
            let error = a.manifest(&which).unwrap_err();
            assert!(matches!(error.kind, ErrorKind::Content(_)), "{error}");
        }
    }
    let fake = FakeRegistry::new();
    fake.put_blob("r.test/a", "a configuration");
    let a = client(&fake).repository(&reference("r.test/a"));
    let blob = descriptor(b"a configuration");
    for fault in [Fault::WrongBytes, Fault::Truncated(3), Fault::CutShort(3)] {
        fake.fault(Method::Get, "/blobs/", 1, fault);
        assert_eq!(read(&*a, &blob).unwrap(), b"a configuration");
    }
    let error = read(&*a, &descriptor(b"nothing")).unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
}

#[test]
fn a_manifest_of_more_than_four_megabytes_is_not_read() {
    let fake = FakeRegistry::new();
    let bytes = vec![b' '; (4 << 20) + 1];
    fake.put_manifest("r.test/a", Some("1"), MediaType::OCI_INDEX, bytes);
    let a = client(&fake).repository(&reference("r.test/a"));
    let error = a.manifest(&tag("1")).unwrap_err();
    assert!(
        error.to_string().contains("4194304 are the most"),
        "{error}"
    );
}

#[test]
fn a_blob_is_read_on_where_the_connection_broke() {
    let bytes = large();
    let blob = descriptor(&bytes);
    for ranges in [true, false] {
        let fake = FakeRegistry::new();
        fake.put_blob("r.test/a", bytes.clone());
        if !ranges {
            fake.without_ranges();
        }
        // A part that is cut short counts its bytes from where it begins.
        fake.fault(Method::Get, "/blobs/", 1, Fault::Truncated(100_000));
        fake.fault(Method::Get, "/blobs/", 1, Fault::BreakBefore);
        fake.fault(Method::Get, "/blobs/", 1, Fault::Status(503));
        fake.fault(Method::Get, "/blobs/", 1, Fault::CutShort(200_000));
        let a = client(&fake).repository(&reference("r.test/a"));
        assert!(read(&*a, &blob).unwrap() == bytes, "{ranges}");
        let sent = fake.sent();
        let from: Vec<_> = sent.iter().map(|sent| sent.header("range")).collect();
        let last = match ranges {
            true => "bytes=300000-",
            false => "bytes=200000-",
        };
        assert_eq!(
            from,
            [
                None,
                Some("bytes=100000-"),
                Some("bytes=100000-"),
                Some("bytes=100000-"),
                Some(last)
            ]
        );
    }
}

#[test]
fn a_blob_that_keeps_breaking_or_is_another_ends_in_an_error() {
    let bytes = large();
    let blob = descriptor(&bytes);
    let fake = FakeRegistry::new();
    fake.put_blob("r.test/a", bytes.clone());
    let a = client(&fake).repository(&reference("r.test/a"));
    fake.fault(Method::Get, "/blobs/", 50, Fault::Truncated(10));
    let error = read(&*a, &blob).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Broken(_)), "{error}");
    assert_eq!(fake.requests().len(), 5);

    // Where there is progress, attempts are counted anew.
    let fake = FakeRegistry::new();
    fake.put_blob("r.test/a", bytes.clone());
    let a = client(&fake).repository(&reference("r.test/a"));
    fake.fault(Method::Get, "/blobs/", 4, Fault::Truncated(0));
    fake.fault(Method::Get, "/blobs/", 1, Fault::Truncated(1_500_000));
    fake.fault(Method::Get, "/blobs/", 3, Fault::Truncated(0));
    assert!(read(&*a, &blob).unwrap() == bytes);

    let fake = FakeRegistry::new();
    fake.put_blob("r.test/a", bytes);
    let a = client(&fake).repository(&reference("r.test/a"));
    fake.fault(Method::Get, "/blobs/", 1, Fault::WrongBytes);
    let error = read(&*a, &blob).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Content(_)), "{error}");
    // An index that lies about a size is told before anything is read.
    let lie = Descriptor::new("", blob.digest.clone(), blob.size + 1);
    let error = a.blob(&lie).err().unwrap();
    assert!(
        error
            .to_string()
            .contains("3145728 bytes long, and 3145729 were said"),
        "{error}"
    );
    let lie = Descriptor::new("", blob.digest, 5);
    assert!(a.blob(&lie).is_err());
}

#[test]
fn a_blob_is_uploaded_unless_it_is_there() {
    for bytes in [Vec::new(), b"some layer".to_vec(), large()] {
        let fake = FakeRegistry::new();
        let a = client(&fake).repository(&reference("r.test/a"));
        let blob = descriptor(&bytes);
        a.put_blob(&blob, &opens(&bytes)).unwrap();
        assert!(fake.blob("r.test/a", &blob.digest).unwrap() == bytes);
        assert_eq!(
            requests(&fake),
            [
                format!("HEAD a/blobs/{}", blob.digest),
                "POST a/blobs/uploads/".to_string(),
                format!("PUT a/blobs/uploads/1?_state=kept&digest={}", blob.digest),
            ]
        );
        assert_eq!(a.blob_size(&blob.digest).unwrap(), Some(bytes.len() as u64));
        fake.forget_requests();
        a.put_blob(&blob, &|| panic!("it is there")).unwrap();
        assert_eq!(fake.requests().len(), 1);
    }
}

#[test]
fn an_upload_that_breaks_is_begun_anew() {
    let bytes = large();
    let blob = descriptor(&bytes);
    for (method, fault, opened) in [
        (Method::Post, Fault::BreakAfter, 1),
        (Method::Post, Fault::Status(503), 1),
        (Method::Put, Fault::BreakInBody(100_000), 2),
        (Method::Put, Fault::Status(500), 2),
        // It was stored, which is seen.
        (Method::Put, Fault::BreakAfter, 1),
        (Method::Put, Fault::Status(404), 2),
    ] {
        let fake = FakeRegistry::new();
        fake.fault(method, "/uploads/", 1, fault.clone());
        let a = client(&fake).repository(&reference("r.test/a"));
        let count = AtomicUsize::new(0);
        let open = || {
            count.fetch_add(1, Ordering::SeqCst);
            opens(&bytes)()
        };
        a.put_blob(&blob, &open).unwrap();
        assert!(fake.blob("r.test/a", &blob.digest).unwrap() == bytes);
        assert_eq!(count.load(Ordering::SeqCst), opened, "{method} {fault:?}");
    }
    let fake = FakeRegistry::new();
    fake.fault(Method::Put, "/uploads/", 50, Fault::BreakInBody(10));
    let a = client(&fake).repository(&reference("r.test/a"));
    let error = a.put_blob(&blob, &opens(&bytes)).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Broken(_)), "{error}");
    assert!(fake.blob("r.test/a", &blob.digest).is_none());
}

#[test]
fn a_source_that_is_wrong_is_read_once_more_and_never_stored() {
    let fake = FakeRegistry::new();
    let a = client(&fake).repository(&reference("r.test/a"));
    let blob = descriptor(b"right");
    let count = AtomicUsize::new(0);
    let open = || match count.fetch_add(1, Ordering::SeqCst) {
        0 => opens(b"wrong")(),
        _ => opens(b"right")(),
    };
    a.put_blob(&blob, &open).unwrap();
    for wrong in [&b"wrong"[..], b"right and more", b"rig", b""] {
        let fake = FakeRegistry::new();
        let a = client(&fake).repository(&reference("r.test/a"));
        let error = a.put_blob(&blob, &opens(wrong)).unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Content(_)), "{error}");
        let put = |line: &&String| line.starts_with("PUT");
        assert!(fake.requests().iter().filter(put).count() <= 2);
        assert!(fake.blob("r.test/a", &Digest::of(wrong)).is_none());
    }
    let nothing = descriptor(b"");
    let nothing = Descriptor::new("", Digest::of(b"other"), nothing.size);
    assert!(a.put_blob(&nothing, &opens(b"")).is_err());
    // What the source itself says is kept.
    let missing = RegistryError::new("other.test/b", "GET blobs/x", ErrorKind::NotFound);
    let failed = descriptor(b"missing");
    let error = a.put_blob(&failed, &|| Err(missing.clone())).unwrap_err();
    assert_eq!(error, missing);
}

#[test]
fn a_blob_goes_from_one_registry_to_another_through_every_break() {
    let (bytes, fake) = (large(), FakeRegistry::new());
    fake.put_blob("from.test/a", bytes.clone());
    fake.fault(Method::Get, "from.test", 1, Fault::Truncated(0));
    fake.fault(Method::Get, "from.test", 1, Fault::Truncated(700_000));
    fake.fault(Method::Put, "to.test", 1, Fault::BreakInBody(100_000));
    // One at a time: nobody waits for himself.
    let mut options = ClientOptions::default();
    options.side_by_side = 1;
    let client = Client::new(fake.transport(), Arc::new(Anonymous), options);
    let from = client.repository(&reference("from.test/a"));
    let to = client.repository(&reference("to.test/b"));
    let blob = descriptor(&bytes);
    assert!(!to.mount(&blob, &*from).unwrap());
    to.put_blob(&blob, &|| from.blob(&blob)).unwrap();
    assert!(fake.blob("to.test/b", &blob.digest).unwrap() == bytes);
}

#[test]
fn a_blob_is_mounted_where_the_registry_can() {
    let fake = FakeRegistry::new();
    let blob = descriptor(b"some layer");
    fake.put_blob("r.test/from", "some layer");
    fake.guard(Guard::bearer("me", "hunter2"));
    let client = known(&fake, me());
    let from = client.repository(&reference("r.test/from"));
    let to = client.repository(&reference("r.test/to"));
    assert!(to.mount(&blob, &*from).unwrap());
    assert!(fake.blob("r.test/to", &blob.digest).is_some());
    assert_eq!(
        requests(&fake)[1..],
        [
            "GET https://r.test/token?service=r.test&scope=repository%3Afrom%3Apull&scope=repository%3Ato%3Apull%2Cpush".to_string(),
            format!("POST to/blobs/uploads/?mount={}&from=from", blob.digest),
        ]
    );

    // What cannot be mounted is an upload that was begun, and goes on.
    fake.forget_requests();
    let other = descriptor(b"other");
    assert!(!to.mount(&other, &*from).unwrap());
    to.put_blob(&other, &opens(b"other")).unwrap();
    let requests = requests(&fake);
    assert_eq!(requests.len(), 3, "{requests:#?}");
    assert!(requests[2].starts_with("PUT to/blobs/uploads/"));
    for status in [401, 403, 404, 405] {
        fake.fault(Method::Post, "mount=", 2, Fault::Status(status));
        assert!(!to.mount(&descriptor(b"x"), &*from).unwrap(), "{status}");
        fake.fault(Method::Post, "never", 1, Fault::BreakBefore);
    }
}

#[test]
fn a_manifest_is_stored_under_tag_or_digest_and_its_digest_compared() {
    let fake = FakeRegistry::new();
    let a = client(&fake).repository(&reference("r.test/a"));
    let document = Document::new(MediaType::OCI_INDEX, INDEX.into());
    let by_digest = Which::Digest(document.digest.clone());
    a.put_manifest(&by_digest, &document).unwrap();
    assert!(fake.tags("r.test/a").is_empty());
    for fault in [Fault::BreakAfter, Fault::BreakBefore, Fault::Status(502)] {
        fake.fault(Method::Put, "/manifests/", 1, fault);
        a.put_manifest(&tag("1"), &document).unwrap();
    }
    assert_eq!(fake.tags("r.test/a")["1"], document.digest);
    fake.fault(Method::Put, "/manifests/", 2, Fault::WrongDigest);
    let error = a.put_manifest(&tag("1"), &document).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Content(_)), "{error}");
}

#[test]
fn no_more_is_asked_side_by_side_than_is_allowed() {
    let (fake, _) = with_index();
    fake.fault(
        Method::Get,
        "/manifests/",
        24,
        Fault::Slow(Duration::from_millis(20)),
    );
    let mut options = ClientOptions::default();
    options.side_by_side = 3;
    let client = Client::new(fake.transport(), Arc::new(Anonymous), options);
    thread::scope(|scope| {
        for _ in 0..12 {
            let a = client.clone().repository(&reference("r.test/a"));
            scope.spawn(move || a.manifest(&tag("1")).unwrap().unwrap());
        }
    });
    assert_eq!(fake.most_at_once(), 3);
}

#[test]
fn when_everything_is_called_off_nothing_more_is_asked() {
    let (fake, _) = with_index();
    let a = client(&fake).repository(&reference("r.test/a"));
    let bytes = large();
    fake.put_blob("r.test/a", bytes.clone());
    fake.fault(Method::Get, "/blobs/", 1, Fault::Truncated(2_000_000));
    let mut opened = a.blob(&descriptor(&bytes)).unwrap();
    fake.cancel();
    fake.forget_requests();
    assert_eq!(
        a.manifest(&tag("1")).unwrap_err().kind,
        ErrorKind::Cancelled
    );
    let mut read = Vec::new();
    let error = opened.read_to_end(&mut read).unwrap_err();
    let error = RegistryError::from_io(error, "not", "named");
    assert_eq!(error.kind, ErrorKind::Cancelled);
    assert!(fake.requests().is_empty());
}

#[test]
fn a_mirror_is_read_and_not_relied_on() {
    let fake = FakeRegistry::new();
    let digest = fake.put_manifest("mirror.test/a", Some("1"), MediaType::OCI_INDEX, INDEX);
    fake.put_manifest("r.test/a", Some("2"), MediaType::OCI_INDEX, INDEX);
    let mut options = ClientOptions::default();
    let special = RegistryOptions::default().with_mirror("mirror.test");
    options.registries = BTreeMap::from([("r.test".to_string(), special)]);
    let client = Client::new(fake.transport(), Arc::new(Anonymous), options);
    let a = client.repository(&reference("r.test/a"));
    assert_eq!(a.name(), "r.test/a");
    assert!(a.manifest(&tag("1")).unwrap().is_some());
    assert!(a.manifest(&tag("2")).unwrap().is_some());
    assert!(a.has_manifest(&digest).unwrap());
    fake.fault(Method::Get, "mirror.test", 1, Fault::Status(503));
    assert!(a.manifest(&tag("2")).unwrap().is_some());
    let writes = client.repository_to_write(&reference("r.test/a"));
    assert!(writes.manifest(&tag("2")).unwrap().is_some());
    assert_eq!(
        fake.requests(),
        [
            "GET https://mirror.test/v2/a/manifests/1".to_string(),
            "GET https://mirror.test/v2/a/manifests/2".to_string(),
            "GET https://r.test/v2/a/manifests/2".to_string(),
            format!("HEAD https://r.test/v2/a/manifests/{digest}"),
            "GET https://mirror.test/v2/a/manifests/2".to_string(),
            "GET https://r.test/v2/a/manifests/2".to_string(),
            "GET https://r.test/v2/a/manifests/2".to_string(),
        ]
    );
    assert!(fake.pauses().is_empty());
}

/// A keychain whose file is broken.
struct Broken;

impl Keychain for Broken {
    fn credentials(&self, _: &str, _: &str) -> Result<Option<Credentials>, String> {
        Err("config.json is not as docker writes it: line 3, column 4".to_string())
    }
}

#[test]
fn every_error_says_what_was_asked_and_what_was_said() {
    let mut said = String::new();
    let mut note = |what: &str, error: RegistryError| {
        writeln!(said, "# {what}\n{error}\n").unwrap();
    };
    let asks = |fake: &FakeRegistry, keychain: Arc<dyn Keychain>, image: &str| {
        let reference = reference(image);
        let client = Client::new(fake.transport(), keychain, ClientOptions::default());
        let asked = client.repository(&reference).manifest(&reference.which());
        asked.unwrap_err()
    };
    let nobody: Arc<dyn Keychain> = Arc::new(Anonymous);
    let mine: Arc<dyn Keychain> = Arc::new(Known(me()));
    let faulty = |fault: &Fault, keychain: &Arc<dyn Keychain>, image: &str| {
        let fake = FakeRegistry::new();
        fake.fault(Method::Get, "", 9, fault.clone());
        asks(&fake, keychain.clone(), image)
    };
    let guarded = |guard: Guard, keychain: &Arc<dyn Keychain>| {
        let fake = FakeRegistry::new();
        fake.guard(guard);
        asks(&fake, keychain.clone(), "r.test/a:1")
    };
    let page = "<html><title>502 Bad Gateway</title></html>".to_string();
    let tls = "Client sent an HTTP request to an HTTPS server.\n".to_string();
    note("a status", faulty(&Fault::Status(400), &nobody, "alpine"));
    note(
        "unavailable",
        faulty(&Fault::Status(503), &nobody, "r.test/a"),
    );
    note(
        "a page",
        faulty(&Fault::Answer(502, page), &nobody, "r.test/a"),
    );
    note(
        "silence",
        faulty(&Fault::Answer(501, String::new()), &nobody, "r.test/a"),
    );
    note("denied", faulty(&Fault::Status(403), &nobody, "r.test/a"));
    note("broken", faulty(&Fault::BreakBefore, &nobody, "r.test/a"));
    note(
        "plain HTTP to TLS",
        faulty(&Fault::Answer(400, tls), &nobody, "127.0.0.1:5000/a"),
    );
    let no_tls = Fault::Refused("it speaks no TLS".to_string());
    note("TLS to plain HTTP", faulty(&no_tls, &nobody, "r.test/a"));
    let down = Fault::Redirect("http://r.test/x?signature=hunter2".to_string());
    note("a redirect from TLS", faulty(&down, &nobody, "r.test/a"));
    let round = Fault::Redirect("/v2/".to_string());
    note("redirects without end", faulty(&round, &nobody, "r.test/a"));
    note(
        "no credentials",
        guarded(Guard::basic("you", "secret"), &nobody),
    );
    note(
        "wrong credentials",
        guarded(Guard::basic("you", "secret"), &mine),
    );
    note(
        "no token for nobody",
        guarded(Guard::bearer("you", "secret"), &nobody),
    );
    note(
        "wrong password",
        guarded(Guard::bearer("you", "secret"), &mine),
    );
    let plain = Guard::bearer("me", "hunter2").with_realm("http://auth.test/token");
    note("a token service in plain HTTP", guarded(plain, &mine));
    let broken: Arc<dyn Keychain> = Arc::new(Broken);
    note(
        "a broken file",
        guarded(Guard::basic("me", "hunter2"), &broken),
    );

    let (fake, digest) = with_index();
    fake.fault(Method::Get, "/manifests/", 2, Fault::WrongBytes);
    note(
        "wrong content",
        asks(&fake, nobody.clone(), &format!("r.test/a@{digest}")),
    );
    let a = client(&fake).repository(&reference("r.test/a"));
    let missing = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"digest":"{}","size":1}}]}}"#,
        Digest::of(b"missing")
    );
    let index = Document::new(MediaType::OCI_INDEX, missing.into_bytes());
    note(
        "a child is missing",
        a.put_manifest(&tag("1"), &index).unwrap_err(),
    );
    note("no such blob", a.blob(&descriptor(b"none")).err().unwrap());
    let layer = descriptor(b"layer");
    note(
        "wrong source",
        a.put_blob(&layer, &opens(b"other")).unwrap_err(),
    );
    fake.fault(Method::Put, "/uploads/", 9, Fault::Status(500));
    note(
        "an upload",
        a.put_blob(&layer, &opens(b"layer")).unwrap_err(),
    );
    assert!(!said.contains("hunter2"), "{said}");
    snapshots().bind(|| insta::assert_snapshot!("registry_client__errors", said));
}

#[test]
fn no_secret_is_in_any_text() {
    const SECRETS: [&str; 5] = [
        "hunter2",
        "bWU6aHVudGVyMg",
        "identity-secret",
        "raw-secret",
        "token-1",
    ];
    let mut texts = String::new();
    let identity = Credentials::Identity("identity-secret".to_string());
    let raw = Credentials::Registry("raw-secret".to_string());
    for credentials in [me(), identity, raw] {
        for guard in [Guard::basic("me", "other"), Guard::bearer("me", "other")] {
            let fake = FakeRegistry::new();
            fake.guard(guard);
            let client = known(&fake, credentials.clone());
            let a = client.repository(&reference("r.test/a"));
            let error = a.manifest(&tag("1")).unwrap_err();
            write!(texts, "{error} {error:?}").unwrap();
            // A registry and a token service that quote what they were sent.
            let echo = match &credentials {
                Credentials::Password { .. } => "you sent hunter2 bWU6aHVudGVyMg==",
                Credentials::Identity(_) => "you sent identity-secret",
                _ => "you sent raw-secret",
            };
            for status in [400, 403] {
                for place in ["/token", "/manifests/"] {
                    let echo = Fault::Answer(status, echo.to_string());
                    for method in [Method::Get, Method::Post] {
                        fake.fault(method, place, 1, echo.clone());
                    }
                    let error = a.manifest(&tag("1")).unwrap_err();
                    write!(texts, "{error} {error:?}").unwrap();
                }
            }
            write!(texts, "{client:?} {credentials:?}").unwrap();
        }
    }
    assert!(texts.contains("you sent …"), "{texts}");
    for secret in SECRETS {
        assert!(!texts.contains(secret), "{secret}: {texts}");
    }
}

#[test]
fn the_right_to_write_is_asked_for_and_nothing_is_left() {
    let fake = FakeRegistry::new();
    let trial = client(&fake).may_write(&reference("ghcr.io/acme/nginx"), &|| false);
    assert_eq!(trial.unwrap(), Trial::TakenBack);
    assert_eq!(
        fake.requests(),
        [
            "POST https://ghcr.io/v2/acme/nginx/blobs/uploads/",
            "DELETE https://ghcr.io/v2/acme/nginx/blobs/uploads/1?_state=kept"
        ]
    );
    // Whoever has none of it keeps what was begun for a while.
    fake.fault(Method::Delete, "uploads", 1, Fault::Status(405));
    let trial = client(&fake).may_write(&reference("ghcr.io/acme/nginx"), &|| false);
    assert_eq!(trial.unwrap(), Trial::Left);
    // Once it is called off nothing is begun, and what may have been begun is not begun again.
    let before = fake.requests().len();
    let late = client(&fake).may_write(&reference("ghcr.io/acme/nginx"), &|| true);
    assert_eq!(late.unwrap_err().kind, ErrorKind::Cancelled);
    assert_eq!(fake.requests().len(), before);
    fake.fault(Method::Post, "uploads", 1, Fault::Status(503));
    let busy = client(&fake).may_write(&reference("ghcr.io/acme/nginx"), &|| false);
    assert!(matches!(busy.unwrap_err().kind, ErrorKind::Status(503, _)));
    assert_eq!(fake.requests().len(), before + 1);
    fake.fault(Method::Post, "uploads", 1, Fault::Status(405));
    let refused = client(&fake).may_write(&reference("ghcr.io/acme/nginx"), &|| false);
    let refused = refused.unwrap_err();
    assert!(
        matches!(refused.kind, ErrorKind::Status(405, _)),
        "{refused}"
    );
}

#[test]
fn whoever_may_only_read_may_not_write() {
    let fake = FakeRegistry::new();
    fake.guard(Guard::bearer("me", "hunter2").with_anonymous_pull());
    let image = reference("ghcr.io/acme/nginx");
    let refused = client(&fake).may_write(&image, &|| false).unwrap_err();
    assert!(
        matches!(refused.kind, ErrorKind::Unauthorized(_)),
        "{refused}"
    );
    assert_eq!(
        known(&fake, me()).may_write(&image, &|| false),
        Ok(Trial::TakenBack)
    );
    let wrong = Credentials::password("me", "wrong");
    let refused = known(&fake, wrong)
        .may_write(&image, &|| false)
        .unwrap_err();
    assert!(
        matches!(refused.kind, ErrorKind::Unauthorized(_)),
        "{refused}"
    );
    assert!(!refused.to_string().contains("wrong"), "{refused}");
}

#[test]
fn a_registry_is_greeted_by_nobody_in_particular() {
    let fake = FakeRegistry::new();
    let greeting = known(&fake, me()).greet("ghcr.io").unwrap();
    assert!(!greeting.wants_credentials);
    assert_eq!(fake.requests(), ["GET https://ghcr.io/v2/"]);
    assert_eq!(fake.sent()[0].header("authorization"), None);
    fake.fault(Method::Get, "/v2/", 1, Fault::Status(401));
    assert!(client(&fake).greet("ghcr.io").unwrap().wants_credentials);
    fake.fault(Method::Get, "/v2/", 1, Fault::Status(418));
    let odd = client(&fake).greet("ghcr.io").unwrap_err();
    assert!(matches!(odd.kind, ErrorKind::Status(418, _)), "{odd}");
}
