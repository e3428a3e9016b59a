//! What goes wrong, and when.

use std::io::Read as _;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::super::Digest;
use super::super::transport::{Body, Method, Request, TransportError};
use super::answer::Answer;

/// What happens in the place of a right answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// This status, with an `errors` array.
    Status(u16),
    /// This status with a `Retry-After`.
    RetryAfter(u16, String),
    /// This status, with a text for a body.
    Answer(u16, String),
    /// A redirect there.
    Redirect(String),
    /// An upload that goes on there.
    Upload(String),
    /// The connection breaks before anything is done.
    BreakBefore,
    /// The connection breaks when so many bytes of the request's body were read. Nothing is done.
    BreakInBody(u64),
    /// It is done, and the connection breaks before the answer.
    BreakAfter,
    /// The connection breaks after so many bytes of the answer's body.
    Truncated(usize),
    /// The answer's body ends after so many bytes, as if it were complete.
    CutShort(usize),
    /// The answer's body has another first byte.
    WrongBytes,
    /// The answer says another digest.
    WrongDigest,
    /// The other side is not who it should be.
    Refused(String),
    /// It takes this long.
    Slow(Duration),
}

pub(super) struct Planned {
    pub(super) method: Method,
    pub(super) contains: String,
    pub(super) times: usize,
    pub(super) fault: Fault,
}

/// The fault that a request meets.
pub(super) fn next(planned: &mut [Planned], method: Method, url: &str) -> Option<Fault> {
    let mut planned = planned.iter_mut();
    let found = planned.find(|planned| {
        planned.times > 0 && planned.method == method && url.contains(&planned.contains)
    })?;
    found.times -= 1;
    Some(found.fault.clone())
}

/// Serves a request through a fault.
pub(super) fn through(
    fault: Option<Fault>,
    request: Request<'_>,
    serve: impl Fn(Request<'_>) -> Result<Answer, TransportError>,
) -> Result<Answer, TransportError> {
    let broken = || TransportError::Broken("the connection broke".to_string());
    let words = |status: u16| Answer::error(status, "UNAVAILABLE", "come back later");
    let Some(fault) = fault else {
        return serve(request);
    };
    match fault {
        Fault::Status(status) => Ok(words(status)),
        Fault::RetryAfter(status, after) => Ok(words(status).header("retry-after", after)),
        Fault::Answer(status, text) => {
            Ok(Answer::with(status, Arc::new(text.into_bytes()))
                .header("content-type", "text/plain"))
        }
        Fault::Redirect(place) => Ok(Answer::new(307).header("location", place)),
        Fault::Upload(place) => Ok(Answer::new(202).header("location", place)),
        Fault::BreakBefore => Err(broken()),
        Fault::BreakInBody(bytes) => {
            if let Body::Reader(reader, _) = request.body {
                // What is read is lost with the connection.
                let _ = std::io::copy(&mut reader.take(bytes), &mut std::io::sink());
            }
            Err(broken())
        }
        Fault::BreakAfter => serve(request).and_then(|_| Err(broken())),
        Fault::Truncated(bytes) => serve(request).map(|mut answer| {
            answer.span.1 = answer.span.1.min(answer.span.0 + bytes);
            answer.breaks = true;
            answer
        }),
        Fault::CutShort(bytes) => serve(request).map(|mut answer| {
            answer.span.1 = answer.span.1.min(answer.span.0 + bytes);
            answer
        }),
        Fault::WrongBytes => serve(request).map(|mut answer| {
            let mut bytes = answer.body.to_vec();
            if let Some(first) = bytes.get_mut(answer.span.0) {
                *first ^= 1;
            }
            answer.body = Arc::new(bytes);
            answer
        }),
        Fault::WrongDigest => serve(request).map(|answer| {
            answer.header(
                "docker-content-digest",
                Digest::of(b"something else").as_str(),
            )
        }),
        Fault::Refused(what) => Err(TransportError::Refused(what)),
        Fault::Slow(time) => {
            thread::sleep(time);
            serve(request)
        }
    }
}
