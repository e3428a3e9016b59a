//! Requests and answers, and what brings them to a registry and back.

use std::fmt;
use std::io::Read;
use std::time::Duration;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Read.
    Get,
    /// Is it there?
    Head,
    /// Begin an upload, mount, fetch a token.
    Post,
    /// Send a part.
    Patch,
    /// Store.
    Put,
    /// Take back an upload that was begun.
    Delete,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Patch => "PATCH",
            Method::Put => "PUT",
            Method::Delete => "DELETE",
        })
    }
}

/// A request.
pub struct Request<'a> {
    /// What is asked.
    pub method: Method,
    /// The complete address.
    pub url: &'a str,
    /// Header fields. Names in small letters.
    pub headers: Vec<(&'static str, String)>,
    /// What is sent.
    pub body: Body<'a>,
}

/// What a request sends.
pub enum Body<'a> {
    /// Nothing.
    Empty,
    /// Bytes.
    Bytes(&'a [u8]),
    /// A content of so many bytes.
    Reader(&'a mut (dyn Read + Send), u64),
}

/// An answer, of whatever status.
pub struct Response {
    /// The status: 200.
    pub status: u16,
    /// Header fields. Names in small letters.
    pub headers: Vec<(String, String)>,
    /// The content; reading it fails where the connection breaks.
    pub body: Box<dyn Read + Send>,
}

impl Response {
    /// The first value of a header field, by its name in small letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.headers.iter();
        fields
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransportError {
    /// The connection could not be made, or broke. Another attempt may do.
    Broken(String),
    /// The other side is not who it should be, or speaks something else. Another attempt is of no use.
    Refused(String),
    /// Everything was called off.
    Cancelled,
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TransportError::Broken(what) | TransportError::Refused(what) => f.write_str(what),
            TransportError::Cancelled => f.write_str("called off"),
        }
    }
}

/// Brings requests to where they go. Redirects are followed by the client, which knows where credentials may go.
pub trait Transport: Send + Sync {
    /// Sends a request and waits for the head of the answer.
    ///
    /// # Errors
    /// There is no answer.
    fn send(&self, request: Request<'_>) -> Result<Response, TransportError>;

    /// Lets some time go by before a further attempt; less where everything is called off.
    fn pause(&self, time: Duration);

    /// Whether everything is called off.
    fn is_cancelled(&self) -> bool {
        false
    }
}
