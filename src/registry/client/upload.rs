//! A blob being stored: sent in one piece, or taken over from another repository of the registry.
//!
//! Source: OCI distribution specification 1.1, "Pushing Blobs", "Mounting a blob from another repository".

use std::io::{self, Read};

use super::super::auth::Scopes;
use super::super::transport::{Body, Method};
use super::super::{Descriptor, ErrorKind, Opened, RegistryError, Repository as _, Verified};
use super::remote::Remote;
use super::request::Answer;
use super::retry::{Attempts, Failure};
use super::url::Url;
use super::words::drain;

/// Where uploads begin.
pub(super) const UPLOADS: &str = "blobs/uploads/";

/// Why a blob was not stored.
enum Unstored {
    /// What was to be stored could not be read.
    Source(RegistryError),
    /// The registry.
    Target(Failure),
}

impl From<Failure> for Unstored {
    fn from(failure: Failure) -> Unstored {
        Unstored::Target(failure)
    }
}

impl Remote {
    /// Stores a blob unless it is there.
    pub(super) fn upload(
        &self,
        blob: &Descriptor,
        open: &dyn Fn() -> Result<Opened, RegistryError>,
    ) -> Result<(), RegistryError> {
        let key = (self.repository.clone(), blob.digest.clone());
        let mut begun = self.registry.learnt().uploads.remove(&key);
        let mut attempts = Attempts::default();
        let mut reread = false;
        loop {
            // After a break, too: it may have been stored before the answer was lost.
            if self.size(&blob.digest, true)?.is_some() {
                return Ok(());
            }
            match self.send(blob, begun.take(), open) {
                Ok(()) => return Ok(()),
                // A cache on the way to the source may be wrong, once.
                Err(Unstored::Source(error))
                    if matches!(error.kind, ErrorKind::Content(_)) && !reread =>
                {
                    reread = true;
                }
                Err(Unstored::Source(error)) => return Err(error),
                Err(Unstored::Target(failure)) => {
                    let path = format!("blobs/{}", blob.digest);
                    attempts
                        .after(failure, &self.inner)
                        .map_err(|kind| self.error(Method::Put, &path, kind))?;
                }
            }
        }
    }

    /// Begins an upload, unless one is begun, and sends the content.
    fn send(
        &self,
        blob: &Descriptor,
        begun: Option<Url>,
        open: &dyn Fn() -> Result<Opened, RegistryError>,
    ) -> Result<(), Unstored> {
        let place = match begun {
            Some(place) => place,
            None => {
                let mut call = self.call(&self.registry, Method::Post, UPLOADS)?;
                call.expected = &[202];
                let answer = self.once(&self.registry, &call, Body::Empty)?;
                self.place(answer)?
            }
        };
        let opened = open().map_err(Unstored::Source)?;
        let mut source = Source::new(opened, blob);
        let mut call = self.call(&self.registry, Method::Put, UPLOADS)?;
        call.url = place.with("digest", blob.digest.as_str());
        let octets = "application/octet-stream".to_string();
        call.headers.push(("content-type", octets));
        call.expected = &[201, 204];
        let body = match blob.size {
            // Nothing would be read of it.
            0 => source.read(&mut [0]).map(|_| Body::Bytes(&[])),
            size => Ok(Body::Reader(&mut source, size)),
        };
        let sent = match body {
            Ok(body) => self.once(&self.registry, &call, body),
            Err(error) => Err(Failure::broken(error.to_string())),
        };
        if let Some(error) = source.failed {
            let name = format!("blob {}", blob.digest);
            let named = RegistryError::from_io(error, &self.name(), &name);
            return Err(Unstored::Source(named));
        }
        match sent {
            Ok(mut answer) => {
                drain(&mut answer.response.body);
                Ok(())
            }
            Err(failure) => Err(Unstored::Target(unlucky(failure))),
        }
    }

    /// Takes over a blob from another repository of the registry.
    pub(super) fn take_over(&self, blob: &Descriptor, from: &str) -> Result<bool, RegistryError> {
        let begun = self.attempts(|| {
            let mut call = self.call(&self.registry, Method::Post, UPLOADS)?;
            let url = call.url.with("mount", blob.digest.as_str());
            call.url = url.with("from", from);
            call.scopes = call.scopes.and(&Scopes::pull(from));
            call.expected = &[201, 202];
            let answer = self.once(&self.registry, &call, Body::Empty)?;
            Ok(match answer.response.status {
                201 => {
                    let mut answer = answer;
                    drain(&mut answer.response.body);
                    None
                }
                _ => Some(self.place(answer)),
            })
        });
        match begun {
            Ok(None) => Ok(true),
            Ok(Some(place)) => {
                // An upload was begun in the mount's place: whoever copies the blob now goes on with it.
                if let Ok(place) = place {
                    let key = (self.repository.clone(), blob.digest.clone());
                    self.registry.learnt().uploads.insert(key, place);
                }
                Ok(false)
            }
            // Whether it is only the mount that is refused, the copy will show.
            Err(
                ErrorKind::Unauthorized(_) | ErrorKind::Denied(_) | ErrorKind::Status(400..=499, _),
            ) => Ok(false),
            Err(kind) => Err(self.error(Method::Post, "blobs/uploads", kind)),
        }
    }

    /// Where an upload goes on.
    pub(super) fn place(&self, mut answer: Answer) -> Result<Url, Failure> {
        drain(&mut answer.response.body);
        let location = answer.response.header("location");
        let place = location.and_then(|location| answer.url.join(location));
        let mut place = place.ok_or_else(|| {
            let what = "it does not say where to upload".to_string();
            Failure::last(ErrorKind::Malformed(what))
        })?;
        if self.registry.base.tls && !place.tls {
            if place.authority != self.registry.base.authority {
                let what = format!("it wants uploads in plain HTTP, at {}", place.authority);
                return Err(Failure::last(ErrorKind::Refused(what)));
            }
            // A registry behind something that speaks TLS for it, and that it does not know of.
            place.tls = true;
        }
        Ok(place)
    }
}

/// What another attempt may do better with a new upload.
fn unlucky(failure: Failure) -> Failure {
    match &failure.kind {
        // The upload is gone, or something was lost on the way: the content was checked while it was sent.
        ErrorKind::Status(404 | 410 | 416, _) => Failure::once(failure.kind),
        ErrorKind::Status(400, said) if said.contains("DIGEST_INVALID") => {
            Failure::once(failure.kind)
        }
        _ => failure,
    }
}

/// A content being sent. Before its last bytes go, it is known to be the right one.
struct Source {
    inner: Verified<Opened>,
    left: u64,
    failed: Option<io::Error>,
}

impl Source {
    fn new(opened: Opened, blob: &Descriptor) -> Source {
        Source {
            inner: Verified::new(opened, &blob.digest, blob.size),
            left: blob.size,
            failed: None,
        }
    }

    fn next(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.left = self.left.saturating_sub(read as u64);
        if self.left == 0 && read > 0 {
            // At the end it is checked, and more than that it does not give.
            let _end = self.inner.read(&mut [0])?;
        }
        Ok(read)
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.next(buffer).map_err(|error| {
            let copy = io::Error::new(error.kind(), error.to_string());
            if error.kind() != io::ErrorKind::Interrupted {
                self.failed = Some(error);
            }
            copy
        })
    }
}
