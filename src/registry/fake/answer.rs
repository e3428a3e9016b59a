//! What the registry answers, before it becomes a [`Response`].

use std::io::{self, Read};
use std::sync::Arc;

use super::super::transport::Response;

/// An answer whose body is known.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Arc<Vec<u8>>,
    /// Where the body begins and ends.
    pub(super) span: (usize, usize),
    /// Whether the connection breaks at its end.
    pub(super) breaks: bool,
    /// Whether it is the answer to a HEAD.
    pub(super) head: bool,
}

impl Answer {
    pub(super) fn new(status: u16) -> Answer {
        Answer::with(status, Arc::default())
    }

    pub(super) fn with(status: u16, body: Arc<Vec<u8>>) -> Answer {
        let span = (0, body.len());
        Answer {
            status,
            headers: vec![("content-length", span.1.to_string())],
            body,
            span,
            breaks: false,
            head: false,
        }
    }

    /// An error with the registry's words, as the distribution specification has them.
    pub(super) fn error(status: u16, code: &str, message: &str) -> Answer {
        let text = format!(r#"{{"errors":[{{"code":"{code}","message":"{message}"}}]}}"#);
        Answer::with(status, Arc::new(text.into_bytes())).header("content-type", "application/json")
    }

    #[must_use]
    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Answer {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn into_response(self) -> Response {
        let headers = self.headers.into_iter();
        let body: Box<dyn Read + Send> = match self.head {
            true => Box::new(io::empty()),
            false => Box::new(Content {
                bytes: self.body,
                at: self.span.0,
                end: self.span.1,
                breaks: self.breaks,
            }),
        };
        Response {
            status: self.status,
            headers: headers
                .map(|(name, value)| (name.to_string(), value))
                .collect(),
            body,
        }
    }
}

struct Content {
    bytes: Arc<Vec<u8>>,
    at: usize,
    end: usize,
    breaks: bool,
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = self.bytes.get(self.at..self.end).unwrap_or_default();
        if rest.is_empty() && self.breaks {
            return Err(io::Error::new(
                io::ErrorKind::ConnectionReset,
                "connection reset",
            ));
        }
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.at += count;
        Ok(count)
    }
}
