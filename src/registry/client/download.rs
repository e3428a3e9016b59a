//! A blob being read, over as many connections as it takes.

use std::io::{self, Read};
use std::sync::Arc;

use super::super::transport::{Body, Method};
use super::super::{Descriptor, ErrorKind, Opened, RegistryError, Verified};
use super::Registry;
use super::remote::{Remote, of_size};
use super::retry::{Attempts, Failure};

/// After this many bytes without a break the attempts are counted anew.
const PROGRESS: u64 = 1 << 20;

/// A blob being read. Where the connection breaks it is asked for from there on.
struct Download {
    remote: Remote,
    registry: Arc<Registry>,
    blob: Descriptor,
    body: Opened,
    /// How much has been read.
    at: u64,
    /// How much had been when the connection last broke.
    broke_at: u64,
    attempts: Attempts,
}

/// A checked download, whose errors say what was read.
struct Named {
    inner: Verified<Download>,
    remote: Remote,
    path: String,
}

impl Remote {
    /// Opens a blob of any size.
    pub(super) fn open(
        &self,
        registry: &Arc<Registry>,
        blob: &Descriptor,
    ) -> Result<Opened, Failure> {
        let download = Download {
            body: self.open_from(registry, blob, None)?,
            remote: self.clone(),
            registry: registry.clone(),
            blob: blob.clone(),
            at: 0,
            broke_at: 0,
            attempts: Attempts::default(),
        };
        Ok(Box::new(Named {
            inner: Verified::new(download, &blob.digest, blob.size),
            remote: self.clone(),
            path: format!("blobs/{}", blob.digest),
        }))
    }

    /// Opens a blob, again from some byte on where it broke there.
    fn open_from(
        &self,
        registry: &Registry,
        blob: &Descriptor,
        broke: Option<u64>,
    ) -> Result<Opened, Failure> {
        let at = broke.unwrap_or(0);
        let mut call = self.call(registry, Method::Get, &format!("blobs/{}", blob.digest))?;
        if at > 0 {
            call.headers.push(("range", format!("bytes={at}-")));
            call.expected = &[200, 206];
        }
        // It takes the place of one that counted, and may be read by one that does.
        call.counts = broke.is_none();
        let answer = self.once(registry, &call, Body::Empty)?;
        let header = |name: &str| answer.response.header(name);
        if answer.response.status == 206 {
            let (start, whole) = header("content-range")
                .and_then(range)
                .ok_or_else(|| malformed("it does not say which part it sends"))?;
            if start != at {
                return Err(malformed("it sends another part than was asked for"));
            }
            if let Some(whole) = whole {
                of_size(whole, blob.size)?;
            }
            return Ok(answer.into_body());
        }
        if let Some(whole) = header("content-length").and_then(|size| size.parse().ok()) {
            of_size(whole, blob.size)?;
        }
        let mut body = answer.into_body();
        // It began anew: what is known is passed over.
        match io::copy(&mut (&mut body).take(at), &mut io::sink()) {
            Ok(passed) if passed == at => Ok(body),
            Ok(_) => Err(Failure::broken("it ends before the place it broke at")),
            Err(error) => Err(Failure::broken(error.to_string())),
        }
    }
}

fn malformed(what: &str) -> Failure {
    Failure::last(ErrorKind::Malformed(what.to_string()))
}

/// The first byte and the whole size of a `Content-Range`.
///
/// Source: RFC 9110, section 14.4.
fn range(text: &str) -> Option<(u64, Option<u64>)> {
    let (part, whole) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (start, _) = part.split_once('-')?;
    Some((start.trim().parse().ok()?, whole.trim().parse().ok()))
}

impl Download {
    /// Opens the rest, or ends in the error.
    fn resume(&mut self, failure: Failure) -> Result<(), ErrorKind> {
        if self.at - self.broke_at >= PROGRESS {
            self.attempts.reset();
        }
        self.broke_at = self.at;
        let mut failure = failure;
        loop {
            self.attempts.after(failure, &self.remote.inner)?;
            match self
                .remote
                .open_from(&self.registry, &self.blob, Some(self.at))
            {
                Ok(body) => {
                    self.body = body;
                    return Ok(());
                }
                Err(again) => failure = again,
            }
        }
    }
}

impl Read for Download {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let whole = self.at >= self.blob.size;
            let what = match self.body.read(buffer) {
                Ok(0) if !whole => format!("the connection ends after {} bytes", self.at),
                Ok(read) => {
                    self.at += read as u64;
                    return Ok(read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // All of it is there.
                Err(_) if whole => return Ok(0),
                Err(error) => format!("the connection breaks after {} bytes: {error}", self.at),
            };
            self.resume(Failure::broken(what)).map_err(|kind| {
                let path = format!("blobs/{}", self.blob.digest);
                io::Error::other(self.remote.error(Method::Get, &path, kind))
            })?;
        }
    }
}

impl Read for Named {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer).map_err(|error| {
            let is_named = error
                .get_ref()
                .is_some_and(|inner| inner.is::<RegistryError>());
            if is_named {
                return error;
            }
            let kind = ErrorKind::Content(error.to_string());
            let named = self.remote.error(Method::Get, &self.path, kind);
            io::Error::new(error.kind(), named)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_are_read() {
        assert_eq!(range("bytes 5-9/10"), Some((5, Some(10))));
        assert_eq!(range("bytes 5-9/*"), Some((5, None)));
        assert_eq!(range("bytes */10"), None);
        assert_eq!(range("items 5-9/10"), None);
    }
}
