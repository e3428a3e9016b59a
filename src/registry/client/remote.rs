//! A repository of a registry.

use std::io::Cursor;
use std::sync::Arc;

use serde::Deserialize;

use super::super::auth::Scopes;
use super::super::transport::{Body, Method};
use super::super::{
    Descriptor, Digest, Document, ErrorKind, MediaType, Opened, RegistryError, Repository, Which,
};
use super::request::{Answer, Call};
use super::retry::Failure;
use super::{Inner, Registry};
use crate::parallel::side_by_side;

/// The most bytes of a manifest.
///
/// Source: OCI distribution specification 1.1, "Pushing Manifests".
const MANIFEST: u64 = 4 << 20;

/// Up to this size a blob is read and checked before any of it is handed on, so that a wrong one can be asked for again.
const SMALL: u64 = 1 << 20;

/// A repository of a registry.
#[derive(Clone)]
pub(super) struct Remote {
    pub(super) inner: Arc<Inner>,
    pub(super) registry: Arc<Registry>,
    mirror: Option<Arc<Registry>>,
    pub(super) repository: String,
    writes: bool,
    /// Whether it writes at the first attempt or not at all.
    hasty: bool,
}

/// The field of a manifest that says what it is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Typed {
    #[serde(default)]
    media_type: String,
}

impl Remote {
    pub(super) fn new(
        inner: Arc<Inner>,
        registry: Arc<Registry>,
        mirror: Option<Arc<Registry>>,
        repository: String,
        writes: bool,
    ) -> Remote {
        Remote {
            inner,
            registry,
            mirror,
            repository,
            writes,
            hasty: false,
        }
    }

    /// Writes something, as often as it takes.
    pub(super) fn attempts<T>(
        &self,
        mut attempt: impl FnMut() -> Result<T, Failure>,
    ) -> Result<T, ErrorKind> {
        match self.hasty {
            true => attempt().map_err(|failure| failure.kind),
            false => self.inner.attempts(attempt),
        }
    }

    pub(super) fn error(&self, method: Method, path: &str, kind: ErrorKind) -> RegistryError {
        RegistryError::new(self.name(), format!("{method} {path}"), kind)
    }

    /// A request for something of this repository.
    pub(super) fn call(
        &self,
        registry: &Registry,
        method: Method,
        path: &str,
    ) -> Result<Call<'static>, Failure> {
        let reads = matches!(method, Method::Get | Method::Head);
        let scopes = match reads && !self.writes {
            true => Scopes::pull(&self.repository),
            false => Scopes::push(&self.repository),
        };
        let url = registry.url(&format!("{}/{path}", self.repository));
        let url = url.ok_or_else(|| {
            let what = format!("`{}` is no address of a registry", registry.name);
            Failure::last(ErrorKind::Malformed(what))
        })?;
        Ok(Call {
            method,
            url,
            headers: Vec::new(),
            scopes,
            expected: &[200],
            counts: true,
        })
    }

    pub(super) fn once(
        &self,
        registry: &Registry,
        call: &Call<'_>,
        body: Body<'_>,
    ) -> Result<Answer, Failure> {
        self.inner.once(registry, &self.repository, call, body)
    }

    /// Reads from the mirror, where there is one, and from the registry where that does not do.
    fn read<T>(
        &self,
        method: Method,
        path: &str,
        attempt: impl Fn(&Arc<Registry>) -> Result<T, Failure>,
    ) -> Result<T, RegistryError> {
        // A mirror that is in trouble is not waited for.
        if let Some(mirror) = &self.mirror
            && let Ok(read) = attempt(mirror)
        {
            return Ok(read);
        }
        self.inner
            .attempts(|| attempt(&self.registry))
            .map_err(|kind| self.error(method, path, kind))
    }

    /// The size of a blob, asked for with the right to write where one is needed next.
    pub(super) fn size(&self, digest: &Digest, writes: bool) -> Result<Option<u64>, RegistryError> {
        let path = format!("blobs/{digest}");
        let found = self.inner.attempts(|| {
            let mut call = self.call(&self.registry, Method::Head, &path)?;
            if writes {
                call.scopes = Scopes::push(&self.repository);
            }
            let answer = self.once(&self.registry, &call, Body::Empty)?;
            let size = answer.response.header("content-length");
            size.and_then(|size| size.parse().ok()).ok_or_else(|| {
                let what = "it does not say how long it is".to_string();
                Failure::last(ErrorKind::Malformed(what))
            })
        });
        match found {
            Ok(size) => Ok(Some(size)),
            Err(ErrorKind::NotFound) => Ok(None),
            Err(kind) => Err(self.error(Method::Head, &path, kind)),
        }
    }

    fn document(&self, registry: &Registry, which: &Which) -> Result<Document, Failure> {
        let mut call = self.call(registry, Method::Get, &format!("manifests/{which}"))?;
        call.headers.push(("accept", MediaType::ACCEPT.to_string()));
        let answer = self.once(registry, &call, Body::Empty)?;
        let header = |name: &str| answer.response.header(name).map(str::to_string);
        let (said_type, said_digest) = (header("content-type"), header("docker-content-digest"));
        let bytes = answer.whole(MANIFEST)?;
        // Of some algorithm that is not known, nothing can be said.
        let said = said_digest.and_then(|digest| digest.trim().parse::<Digest>().ok());
        let wanted = match which {
            Which::Digest(digest) => Some(digest),
            Which::Tag(_) => None,
        };
        for digest in [wanted, said.as_ref()].into_iter().flatten() {
            check(digest, &bytes)?;
        }
        let media_type = media_type(said_type.as_deref(), &bytes);
        Ok(match wanted {
            Some(digest) => Document::with_digest(media_type, bytes, digest.clone()),
            None => Document::new(media_type, bytes),
        })
    }

    fn small(
        &self,
        registry: &Registry,
        blob: &Descriptor,
        path: &str,
    ) -> Result<Vec<u8>, Failure> {
        let call = self.call(registry, Method::Get, path)?;
        let answer = self.once(registry, &call, Body::Empty)?;
        let said = answer.response.header("content-length");
        let said = said.and_then(|said| said.parse::<u64>().ok());
        if let Some(said) = said {
            of_size(said, blob.size)?;
        }
        let bytes = answer.whole(blob.size)?;
        of_size(bytes.len() as u64, blob.size)?;
        check(&blob.digest, &bytes)?;
        Ok(bytes)
    }
}

/// Fails where a content has another size than said.
pub(super) fn of_size(found: u64, said: u64) -> Result<(), Failure> {
    match found == said {
        true => Ok(()),
        false => {
            let what = format!("it is {found} bytes long, and {said} were said");
            Err(Failure::once(ErrorKind::Content(what)))
        }
    }
}

fn check(digest: &Digest, bytes: &[u8]) -> Result<(), Failure> {
    match digest.is_of(bytes) {
        true => Ok(()),
        false => {
            let what = format!("its content is {} and not {digest}", Digest::of(bytes));
            Err(Failure::once(ErrorKind::Content(what)))
        }
    }
}

/// What a manifest was served as; where that is nothing in particular, what it says itself.
fn media_type(said: Option<&str>, bytes: &[u8]) -> String {
    let said = said.unwrap_or_default();
    let said = said.split(';').next().unwrap_or_default().trim();
    match said {
        "" | "application/json" | "application/octet-stream" | "text/plain" => {
            let typed = serde_json::from_slice::<Typed>(bytes);
            typed.map(|typed| typed.media_type).unwrap_or_default()
        }
        said => said.to_string(),
    }
}

impl Repository for Remote {
    fn name(&self) -> String {
        format!("{}/{}", self.registry.name, self.repository)
    }

    fn manifest(&self, which: &Which) -> Result<Option<Document>, RegistryError> {
        let path = format!("manifests/{which}");
        let read = self.read(Method::Get, &path, |registry| {
            self.document(registry, which)
        });
        match read {
            Ok(document) => Ok(Some(document)),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn has_manifest(&self, digest: &Digest) -> Result<bool, RegistryError> {
        let path = format!("manifests/{digest}");
        // What is to be there has to be in the registry itself, not in a mirror.
        let found = self.inner.attempts(|| {
            let mut call = self.call(&self.registry, Method::Head, &path)?;
            call.headers.push(("accept", MediaType::ACCEPT.to_string()));
            self.once(&self.registry, &call, Body::Empty)
        });
        match found {
            Ok(_) => Ok(true),
            Err(ErrorKind::NotFound) => Ok(false),
            Err(kind) => Err(self.error(Method::Head, &path, kind)),
        }
    }

    fn blob_size(&self, digest: &Digest) -> Result<Option<u64>, RegistryError> {
        self.size(digest, self.writes)
    }

    fn blob(&self, blob: &Descriptor) -> Result<Opened, RegistryError> {
        let path = format!("blobs/{}", blob.digest);
        if blob.size <= SMALL {
            let read = self.read(Method::Get, &path, |registry| {
                self.small(registry, blob, &path)
            });
            return read.map(|bytes| Box::new(Cursor::new(bytes)) as Opened);
        }
        self.read(Method::Get, &path, |registry| self.open(registry, blob))
    }

    fn put_manifest(&self, which: &Which, document: &Document) -> Result<(), RegistryError> {
        let path = format!("manifests/{which}");
        let put = self.attempts(|| {
            let mut call = self.call(&self.registry, Method::Put, &path)?;
            let media_type = document.media_type.clone();
            call.headers.push(("content-type", media_type));
            call.expected = &[200, 201, 202, 204];
            let body = Body::Bytes(&document.bytes);
            let answer = self.once(&self.registry, &call, body)?;
            let said = answer.response.header("docker-content-digest");
            let said = said.and_then(|said| said.trim().parse::<Digest>().ok());
            match said {
                Some(said) if !said.is_of(&document.bytes) => {
                    let what = format!("it was stored as {said} and is {}", document.digest);
                    Err(Failure::once(ErrorKind::Content(what)))
                }
                // The specification has 201. Some answer otherwise; a page of whatever stands before the registry does, too.
                None if answer.response.status != 201 => {
                    let what = "nothing says that it was stored: there is no Docker-Content-Digest";
                    Err(Failure::once(ErrorKind::Status(
                        answer.response.status,
                        what.to_string(),
                    )))
                }
                _ => {
                    let mut answer = answer;
                    super::words::drain(&mut answer.response.body);
                    Ok(())
                }
            }
        });
        put.map_err(|kind| self.error(Method::Put, &path, kind))
    }

    fn put_blob(
        &self,
        blob: &Descriptor,
        open: &dyn Fn() -> Result<Opened, RegistryError>,
    ) -> Result<(), RegistryError> {
        self.upload(blob, open)
    }

    fn mount(&self, blob: &Descriptor, from: &dyn Repository) -> Result<bool, RegistryError> {
        match from.location() {
            Some((registry, repository)) if registry == self.registry.name => {
                self.take_over(blob, repository)
            }
            _ => Ok(false),
        }
    }

    fn hasty(&self) -> Option<Arc<dyn Repository>> {
        Some(Arc::new(Remote {
            hasty: true,
            ..self.clone()
        }))
    }

    fn prepare(&self, requests: usize) {
        if std::mem::replace(&mut self.registry.learnt().is_prepared, true) {
            return;
        }
        let places: Vec<usize> = (0..requests).collect();
        side_by_side(&places, |at| {
            let Ok(mut call) = self.call(&self.registry, Method::Get, "") else {
                return;
            };
            // What every registry answers, at no cost of its own.
            let Some(url) = self.registry.url("") else {
                return;
            };
            call.url = url;
            // Others do not wait for these.
            call.counts = false;
            // One learns how it wants to be asked. The others only make connections, whatever the answer.
            let answer = match at {
                0 => self.once(&self.registry, &call, Body::Empty),
                _ => self.inner.exchange(&call, Body::Empty, None),
            };
            if let Ok(mut answer) = answer {
                super::words::drain(&mut answer.response.body);
            }
        });
    }

    fn location(&self) -> Option<(&str, &str)> {
        Some((&self.registry.name, &self.repository))
    }
}
