//! A registry in memory behind [`Transport`], for tests: no sockets, no waiting, and faults on demand.
//!
//! It answers on every host, each with repositories of its own, and is as strict as distribution's registry where a client may
//! rely on it: a manifest is refused while its blobs or children are missing, a blob while its digest is another.
//! A place is named `HOST/REPOSITORY`, with the host that requests go to: `registry-1.docker.io/library/alpine`.

mod answer;
mod fault;
mod guard;
mod serve;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use fault::Fault;
pub use guard::Guard;

use super::transport::{Method, Request, Response, Transport, TransportError};
use super::{Digest, Document};
use answer::Answer;

/// A registry in memory. Clones are the same registry.
#[derive(Clone, Default)]
pub struct FakeRegistry {
    state: Arc<Mutex<State>>,
}

/// A request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sent {
    /// What was asked.
    pub method: Method,
    /// The complete address.
    pub url: String,
    /// Header fields.
    pub headers: Vec<(&'static str, String)>,
}

impl Sent {
    /// A header field.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.headers.iter();
        fields
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.as_str())
    }
}

#[derive(Default)]
struct State {
    repositories: BTreeMap<String, Stored>,
    uploads: BTreeMap<u64, String>,
    faults: Vec<fault::Planned>,
    guard: Option<Guard>,
    tokens: BTreeMap<String, guard::Rights>,
    sent: Vec<Sent>,
    pauses: Vec<Duration>,
    /// The host that blobs are redirected to.
    storage: Option<String>,
    no_ranges: bool,
    count: u64,
    running: usize,
    most: usize,
    cancelled: bool,
}

/// The content of a repository.
#[derive(Default)]
struct Stored {
    manifests: BTreeMap<Digest, Document>,
    tags: BTreeMap<String, Digest>,
    blobs: BTreeMap<Digest, Arc<Vec<u8>>>,
}

impl State {
    fn next(&mut self) -> u64 {
        self.count += 1;
        self.count
    }
}

impl FakeRegistry {
    /// An empty registry, open to all.
    pub fn new() -> FakeRegistry {
        FakeRegistry::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a client is given.
    pub fn transport(&self) -> Arc<dyn Transport> {
        Arc::new(self.clone())
    }

    /// Asks for credentials from now on.
    pub fn guard(&self, guard: Guard) {
        self.state().guard = Some(guard);
    }

    /// Takes back every token that was given.
    pub fn revoke_tokens(&self) {
        self.state().tokens.clear();
    }

    /// Redirects those who read blobs to `https://HOST/`, where an `Authorization` is an error.
    pub fn redirect_blobs(&self, host: &str) {
        self.state().storage = Some(host.to_string());
    }

    /// Ignores `Range` from now on.
    pub fn without_ranges(&self) {
        self.state().no_ranges = true;
    }

    /// Calls everything off.
    pub fn cancel(&self) {
        self.state().cancelled = true;
    }

    /// Does something else the next `times` times that this is asked of an address with `contains` in it. Of two faults for one
    /// request, the one that was said first comes first.
    pub fn fault(&self, method: Method, contains: &str, times: usize, fault: Fault) {
        self.state().faults.push(fault::Planned {
            method,
            contains: contains.to_string(),
            times,
            fault,
        });
    }

    /// The requests so far: `GET https://ghcr.io/v2/acme/nginx/manifests/latest`.
    pub fn requests(&self) -> Vec<String> {
        let state = self.state();
        let lines = state.sent.iter();
        lines
            .map(|sent| format!("{} {}", sent.method, sent.url))
            .collect()
    }

    /// The requests so far, with their header fields.
    pub fn sent(&self) -> Vec<Sent> {
        self.state().sent.clone()
    }

    /// Forgets the requests and pauses so far.
    pub fn forget_requests(&self) {
        let mut state = self.state();
        state.sent.clear();
        state.pauses.clear();
    }

    /// How long a client wanted to wait before each further attempt.
    pub fn pauses(&self) -> Vec<Duration> {
        self.state().pauses.clone()
    }

    /// The most requests that ran at the same time.
    pub fn most_at_once(&self) -> usize {
        self.state().most
    }

    /// The tags of a place with what they point to.
    pub fn tags(&self, place: &str) -> BTreeMap<String, Digest> {
        let state = self.state();
        let stored = state.repositories.get(place);
        stored.map(|stored| stored.tags.clone()).unwrap_or_default()
    }

    /// A manifest by its tag or digest.
    pub fn manifest(&self, place: &str, which: &str) -> Option<Document> {
        self.state().repositories.get(place)?.manifest(which)
    }

    /// A blob.
    pub fn blob(&self, place: &str, digest: &Digest) -> Option<Vec<u8>> {
        let state = self.state();
        let blob = state.repositories.get(place)?.blobs.get(digest)?;
        Some(blob.to_vec())
    }

    /// Stores a manifest, with a tag or without, whether its parts are there or not.
    pub fn put_manifest(
        &self,
        place: &str,
        tag: Option<&str>,
        media_type: &str,
        bytes: impl Into<Vec<u8>>,
    ) -> Digest {
        let document = Document::new(media_type, bytes.into());
        let digest = document.digest.clone();
        let mut state = self.state();
        let stored = state.repositories.entry(place.to_string()).or_default();
        stored.manifests.insert(digest.clone(), document);
        if let Some(tag) = tag {
            stored.tags.insert(tag.to_string(), digest.clone());
        }
        digest
    }

    /// Stores a blob.
    pub fn put_blob(&self, place: &str, bytes: impl Into<Vec<u8>>) -> Digest {
        let bytes = bytes.into();
        let digest = Digest::of(&bytes);
        let mut state = self.state();
        let stored = state.repositories.entry(place.to_string()).or_default();
        stored.blobs.insert(digest.clone(), Arc::new(bytes));
        digest
    }

    /// Serves other bytes for a blob than its digest says.
    pub fn replace_blob(&self, place: &str, digest: &Digest, bytes: impl Into<Vec<u8>>) {
        let mut state = self.state();
        let stored = state.repositories.entry(place.to_string()).or_default();
        stored.blobs.insert(digest.clone(), Arc::new(bytes.into()));
    }

    /// Removes a manifest or blob. Tags that point to it stay.
    pub fn remove(&self, place: &str, digest: &Digest) {
        if let Some(stored) = self.state().repositories.get_mut(place) {
            stored.manifests.remove(digest);
            stored.blobs.remove(digest);
        }
    }
}

impl Stored {
    fn manifest(&self, which: &str) -> Option<Document> {
        let digest = match self.tags.get(which) {
            Some(digest) => digest.clone(),
            None => which.parse().ok()?,
        };
        self.manifests.get(&digest).cloned()
    }
}

impl Transport for FakeRegistry {
    fn send(&self, request: Request<'_>) -> Result<Response, TransportError> {
        let fault = {
            let mut state = self.state();
            if state.cancelled {
                return Err(TransportError::Cancelled);
            }
            state.sent.push(Sent {
                method: request.method,
                url: request.url.to_string(),
                headers: request.headers.clone(),
            });
            state.running += 1;
            state.most = state.most.max(state.running);
            fault::next(&mut state.faults, request.method, request.url)
        };
        let answer = fault::through(fault, request, |request| self.serve(request));
        self.state().running -= 1;
        answer.map(Answer::into_response)
    }

    fn pause(&self, time: Duration) {
        self.state().pauses.push(time);
    }

    fn is_cancelled(&self) -> bool {
        self.state().cancelled
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::super::transport::Body;
    use super::*;

    fn ask(fake: &FakeRegistry, method: Method, url: &str, body: &[u8]) -> (u16, String) {
        let request = Request {
            method,
            url,
            headers: vec![("content-type", "application/octet-stream".to_string())],
            body: match body {
                [] => Body::Empty,
                bytes => Body::Bytes(bytes),
            },
        };
        match fake.send(request) {
            Ok(mut response) => {
                let mut text = String::new();
                let read = response.body.read_to_string(&mut text);
                match response.header("location") {
                    Some(location) => (response.status, location.to_string()),
                    None if read.is_err() => (response.status, format!("{text} and breaks")),
                    None => (response.status, text),
                }
            }
            Err(error) => (0, error.to_string()),
        }
    }

    #[test]
    fn what_is_uploaded_can_be_read_and_nothing_refers_to_what_is_missing() {
        let fake = FakeRegistry::new();
        let base = "https://r.test/v2/acme/nginx";
        let digest = Digest::of(b"content");
        let manifest = format!(
            r#"{{"schemaVersion":2,"config":{{"digest":"{digest}","size":7}},"layers":[]}}"#
        );
        let latest = format!("{base}/manifests/latest");
        let (status, words) = ask(&fake, Method::Put, &latest, manifest.as_bytes());
        assert_eq!(status, 400);
        assert!(words.contains("MANIFEST_BLOB_UNKNOWN"), "{words}");

        let (status, location) = ask(&fake, Method::Post, &format!("{base}/blobs/uploads/"), b"");
        assert_eq!(status, 202);
        let place = format!("https://r.test{location}&digest={digest}");
        assert_eq!(ask(&fake, Method::Put, &place, b"other").0, 400);
        assert_eq!(ask(&fake, Method::Put, &place, b"content").0, 201);
        assert_eq!(ask(&fake, Method::Put, &latest, manifest.as_bytes()).0, 201);
        assert_eq!(
            ask(&fake, Method::Get, &latest, b""),
            (200, manifest.clone())
        );
        assert_eq!(
            fake.tags("r.test/acme/nginx")["latest"],
            Digest::of(manifest.as_bytes())
        );
        assert!(fake.tags("other.test/acme/nginx").is_empty());
    }

    #[test]
    fn faults_come_in_their_order_and_end() {
        let fake = FakeRegistry::new();
        let digest = fake.put_blob("r.test/a", "content");
        let url = format!("https://r.test/v2/a/blobs/{digest}");
        fake.fault(Method::Get, "/blobs/", 1, Fault::Status(500));
        fake.fault(Method::Get, "/blobs/", 1, Fault::BreakBefore);
        fake.fault(Method::Get, "/blobs/", 1, Fault::Truncated(3));
        fake.fault(Method::Get, "/blobs/", 1, Fault::CutShort(2));
        assert_eq!(ask(&fake, Method::Get, &url, b"").0, 500);
        assert_eq!(ask(&fake, Method::Get, &url, b"").0, 0);
        assert_eq!(
            ask(&fake, Method::Get, &url, b"").1,
            "con and breaks".to_string()
        );
        assert_eq!(ask(&fake, Method::Get, &url, b"").1, "co");
        assert_eq!(ask(&fake, Method::Get, &url, b"").1, "content");
        assert_eq!(fake.requests().len(), 5);
    }
}
