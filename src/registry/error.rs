//! What can go wrong with a registry, with the request that it went wrong with.

use std::fmt;
use std::io;

/// A request that did not do what it should.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RegistryError {
    /// The registry and repository: `ghcr.io/acme/nginx`; a layout's folder.
    pub repository: String,
    /// What was asked: `GET manifests/latest`.
    pub request: String,
    /// What went wrong.
    pub kind: ErrorKind,
}

/// What went wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There is no such manifest or blob.
    NotFound,
    /// The registry asks who we are, and takes no credentials that we have. With its own words.
    Unauthorized(String),
    /// The registry knows who we are and lets us not. With its own words.
    Denied(String),
    /// Another status than expected, with the registry's own words.
    Status(u16, String),
    /// No connection, or one that broke, after all attempts.
    Broken(String),
    /// The other side is not who it should be.
    Refused(String),
    /// The content is not what its digest or size says.
    Content(String),
    /// The answer makes no sense.
    Malformed(String),
    /// The credentials could not be read.
    Credentials(String),
    /// The file system refused something.
    System(String),
    /// Everything was called off.
    Cancelled,
}

impl RegistryError {
    /// An error of a request.
    pub fn new(
        repository: impl Into<String>,
        request: impl Into<String>,
        kind: ErrorKind,
    ) -> RegistryError {
        RegistryError {
            repository: repository.into(),
            request: request.into(),
            kind,
        }
    }

    /// The error of reading a content: that of the registry it came from where that is what it is, else one of this repository
    /// and request.
    pub fn from_io(error: io::Error, repository: &str, request: &str) -> RegistryError {
        let kind = match error.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
                ErrorKind::Content(error.to_string())
            }
            _ => ErrorKind::System(error.to_string()),
        };
        match error.downcast::<RegistryError>() {
            Ok(named) => named,
            Err(_) => RegistryError::new(repository, request, kind),
        }
    }
}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RegistryError {
            repository,
            request,
            kind,
        } = self;
        let with = |text: &str| match text.is_empty() {
            true => String::new(),
            false => format!(": {text}"),
        };
        match kind {
            ErrorKind::NotFound => write!(
                f,
                "{repository} has no {}",
                request.split(' ').next_back().unwrap_or(request)
            ),
            ErrorKind::Unauthorized(said) => write!(
                f,
                "{repository} wants credentials for {request}{}",
                with(said)
            ),
            ErrorKind::Denied(said) => write!(f, "{repository} denies {request}{}", with(said)),
            ErrorKind::Status(status, said) => write!(
                f,
                "{repository} answers {request} with {status}{}",
                with(said)
            ),
            ErrorKind::Cancelled => f.write_str("called off"),
            ErrorKind::Broken(what)
            | ErrorKind::Refused(what)
            | ErrorKind::Content(what)
            | ErrorKind::Malformed(what)
            | ErrorKind::Credentials(what)
            | ErrorKind::System(what) => {
                write!(f, "{repository}, {request}{}", with(what))
            }
        }
    }
}

impl std::error::Error for RegistryError {}
