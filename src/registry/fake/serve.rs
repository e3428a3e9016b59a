//! The requests of the distribution specification, answered from memory.

use std::io::Read as _;
use std::sync::Arc;

use percent_encoding::percent_decode_str;

use super::super::transport::{Body, Method, Request, TransportError};
use super::super::{Digest, Document, Kind};
use super::answer::Answer;
use super::{FakeRegistry, State, Stored, guard};

/// A request's address in parts.
pub(super) struct Address<'a> {
    pub(super) scheme: &'a str,
    pub(super) host: &'a str,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
}

impl<'a> Address<'a> {
    fn of(url: &'a str) -> Option<Address<'a>> {
        let (scheme, rest) = url.split_once("://")?;
        let (host, rest) = rest.split_once('/').unwrap_or((rest, ""));
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        Some(Address {
            scheme,
            host,
            path,
            query,
        })
    }

    fn field(&self, name: &str) -> Option<String> {
        let fields = fields(self.query);
        let found = fields.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| decoded(value))
    }
}

/// The fields of a query or form, still encoded.
pub(super) fn fields(query: &str) -> Vec<(&str, &str)> {
    let fields = query.split('&').filter(|field| !field.is_empty());
    fields
        .map(|field| field.split_once('=').unwrap_or((field, "")))
        .collect()
}

pub(super) fn decoded(text: &str) -> String {
    let text = text.replace('+', " ");
    percent_decode_str(&text).decode_utf8_lossy().into_owned()
}

fn content(request: &mut Request<'_>) -> Result<Vec<u8>, TransportError> {
    match &mut request.body {
        Body::Empty => Ok(Vec::new()),
        Body::Bytes(bytes) => Ok(bytes.to_vec()),
        Body::Reader(reader, size) => {
            let mut bytes = Vec::new();
            let read = reader.take(*size).read_to_end(&mut bytes);
            match read {
                Ok(_) if bytes.len() as u64 == *size => Ok(bytes),
                Ok(_) => Err(TransportError::Broken("less than was said".to_string())),
                Err(error) => Err(TransportError::Broken(error.to_string())),
            }
        }
    }
}

impl FakeRegistry {
    pub(super) fn serve(&self, mut request: Request<'_>) -> Result<Answer, TransportError> {
        // Outside the lock: what is sent may come from this registry.
        let body = content(&mut request)?;
        let url = request.url;
        let Some(address) = Address::of(url) else {
            return Err(TransportError::Refused(format!("`{url}` is no address")));
        };
        let mut state = self.state();
        let mut answer = match address.path.strip_prefix("v2/") {
            _ if address.path == "token" => guard::token(&mut state, &request, &address, &body),
            _ if address.path.starts_with("stored/") => stored(&state, &request, &address),
            Some("") => Answer::new(200),
            Some(path) => registry(&mut state, &request, &address, path, &body),
            None => Answer::error(404, "NOT_FOUND", "no such page"),
        };
        answer.head = request.method == Method::Head;
        Ok(answer)
    }
}

/// What is behind the redirect of a blob.
fn stored(state: &State, request: &Request<'_>, address: &Address<'_>) -> Answer {
    let mut fields = request.headers.iter();
    if fields.any(|(name, _)| *name == "authorization") {
        return Answer::error(400, "InvalidArgument", "only one way to say who asks");
    }
    let place = address.path.strip_prefix("stored/");
    let Some((place, digest)) = place.and_then(|place| place.rsplit_once('/')) else {
        return Answer::error(404, "NOT_FOUND", "nothing here");
    };
    blob(state, request, place, digest)
}

fn registry(
    state: &mut State,
    request: &Request<'_>,
    address: &Address<'_>,
    path: &str,
    body: &[u8],
) -> Answer {
    let parts = ["/manifests/", "/blobs/uploads/", "/blobs/"];
    let found = parts
        .iter()
        .find_map(|part| path.split_once(part).map(|split| (*part, split)));
    let Some((part, (repository, last))) = found else {
        return Answer::error(404, "NOT_FOUND", "no such page");
    };
    if let Some(refusal) = guard::check(state, request, address, repository) {
        return refusal;
    }
    let place = format!("{}/{repository}", address.host);
    match (part, request.method) {
        ("/manifests/", Method::Get | Method::Head) => manifest(state, &place, last),
        ("/manifests/", Method::Put) => put_manifest(state, request, &place, last, body),
        ("/blobs/", Method::Get) if state.storage.is_some() => {
            let storage = state.storage.clone().unwrap_or_default();
            let place = format!("https://{storage}/stored/{place}/{last}?signature=secret");
            Answer::new(307).header("location", place)
        }
        ("/blobs/", Method::Get | Method::Head) => blob(state, request, &place, last),
        ("/blobs/uploads/", Method::Post) => begin(state, request, address, &place, repository),
        ("/blobs/uploads/", Method::Put) => put_blob(state, address, &place, last, body),
        ("/blobs/uploads/", Method::Delete) => take_back(state, &place, last),
        _ => Answer::error(405, "UNSUPPORTED", "the operation is unsupported"),
    }
}

fn take_back(state: &mut State, place: &str, last: &str) -> Answer {
    let number = last.split('?').next().unwrap_or_default().parse::<u64>();
    let known = number.ok().filter(|number| {
        let known = state.uploads.get(number);
        known.is_some_and(|known| known == place)
    });
    match known.and_then(|number| state.uploads.remove(&number)) {
        Some(_) => Answer::new(204),
        None => Answer::error(
            404,
            "BLOB_UPLOAD_UNKNOWN",
            "blob upload unknown to registry",
        ),
    }
}

fn manifest(state: &State, place: &str, which: &str) -> Answer {
    let stored = state.repositories.get(place);
    match stored.and_then(|stored| stored.manifest(which)) {
        Some(document) => Answer::with(200, Arc::new(document.bytes))
            .header("content-type", document.media_type)
            .header("docker-content-digest", document.digest.as_str()),
        None => Answer::error(404, "MANIFEST_UNKNOWN", "manifest unknown"),
    }
}

/// The first part of a manifest that is not there.
fn missing(stored: &Stored, document: &Document) -> Option<Answer> {
    let unknown = |digest: &Digest, code: &str, what: &str| {
        Answer::error(400, code, &format!("{what} unknown to registry: {digest}"))
    };
    match document.kind() {
        Some(Kind::Index) => {
            let index = document.index().ok()?;
            let mut entries = index.manifests.iter();
            let entry = entries.find(|entry| !stored.manifests.contains_key(&entry.digest))?;
            Some(unknown(&entry.digest, "MANIFEST_UNKNOWN", "manifest"))
        }
        Some(Kind::Image) => {
            let image = document.image().ok()?;
            let mut blobs = std::iter::once(&image.config).chain(&image.layers);
            let blob = blobs
                .find(|blob| blob.urls.is_empty() && !stored.blobs.contains_key(&blob.digest))?;
            Some(unknown(&blob.digest, "MANIFEST_BLOB_UNKNOWN", "blob"))
        }
        None => Some(Answer::error(400, "MANIFEST_INVALID", "manifest invalid")),
    }
}

fn put_manifest(
    state: &mut State,
    request: &Request<'_>,
    place: &str,
    which: &str,
    body: &[u8],
) -> Answer {
    let mut fields = request.headers.iter();
    let media_type = fields.find(|(name, _)| *name == "content-type");
    let media_type = media_type
        .map(|(_, value)| value.as_str())
        .unwrap_or_default();
    let document = Document::new(media_type, body.to_vec());
    let stored = state.repositories.entry(place.to_string()).or_default();
    if let Some(refusal) = missing(stored, &document) {
        return refusal;
    }
    let mut document = document;
    match which.parse::<Digest>() {
        Ok(digest) if !digest.is_of(body) => {
            return Answer::error(400, "DIGEST_INVALID", "provided digest did not match");
        }
        Ok(digest) => document.digest = digest,
        Err(_) => {
            let digest = document.digest.clone();
            stored.tags.insert(which.to_string(), digest);
        }
    }
    let digest = document.digest.clone();
    stored.manifests.insert(digest.clone(), document);
    Answer::new(201).header("docker-content-digest", digest.as_str())
}

fn blob(state: &State, request: &Request<'_>, place: &str, digest: &str) -> Answer {
    let stored = state.repositories.get(place);
    let digest = digest.parse::<Digest>().ok();
    let bytes = stored.and_then(|stored| stored.blobs.get(&digest?));
    let Some(bytes) = bytes else {
        return Answer::error(404, "BLOB_UNKNOWN", "blob unknown to registry");
    };
    let size = bytes.len();
    let mut answer =
        Answer::with(200, bytes.clone()).header("content-type", "application/octet-stream");
    let mut fields = request.headers.iter();
    let range = fields.find(|(name, _)| *name == "range");
    let from = range
        .and_then(|(_, value)| value.strip_prefix("bytes=")?.strip_suffix('-'))
        .and_then(|from| from.parse::<usize>().ok());
    match from {
        Some(from) if !state.no_ranges && from < size => {
            answer.status = 206;
            answer.span.0 = from;
            answer
                .header("content-length", (size - from).to_string())
                .header("content-range", format!("bytes {from}-{}/{size}", size - 1))
        }
        Some(_) if !state.no_ranges => Answer::new(416),
        _ => answer,
    }
}

fn begin(
    state: &mut State,
    request: &Request<'_>,
    address: &Address<'_>,
    place: &str,
    repository: &str,
) -> Answer {
    if let (Some(digest), Some(from)) = (address.field("mount"), address.field("from"))
        && let Ok(digest) = digest.parse::<Digest>()
        && guard::may_pull(state, request, &from)
    {
        let source = state.repositories.get(&format!("{}/{from}", address.host));
        let bytes = source.and_then(|stored| stored.blobs.get(&digest).cloned());
        if let Some(bytes) = bytes {
            let stored = state.repositories.entry(place.to_string()).or_default();
            stored.blobs.insert(digest.clone(), bytes);
            return Answer::new(201).header("docker-content-digest", digest.as_str());
        }
    }
    let id = state.next();
    state.uploads.insert(id, place.to_string());
    // Relative and with a query, as distribution has it.
    let location = format!("/v2/{repository}/blobs/uploads/{id}?_state=kept");
    Answer::new(202).header("location", location)
}

fn put_blob(
    state: &mut State,
    address: &Address<'_>,
    place: &str,
    id: &str,
    body: &[u8],
) -> Answer {
    let id = id.parse::<u64>().ok();
    let known = id.and_then(|id| state.uploads.get(&id));
    let kept = address.field("_state").as_deref() == Some("kept");
    if known.is_none_or(|known| known != place) || !kept {
        return Answer::error(
            404,
            "BLOB_UPLOAD_UNKNOWN",
            "blob upload unknown to registry",
        );
    }
    let digest = address.field("digest").unwrap_or_default();
    match digest.parse::<Digest>() {
        Ok(digest) if digest.is_of(body) => {
            let stored = state.repositories.entry(place.to_string()).or_default();
            stored.blobs.insert(digest.clone(), Arc::new(body.to_vec()));
            if let Some(id) = id {
                state.uploads.remove(&id);
            }
            Answer::new(201).header("docker-content-digest", digest.as_str())
        }
        _ => Answer::error(400, "DIGEST_INVALID", "provided digest did not match"),
    }
}
