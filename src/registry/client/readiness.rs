//! Whether a registry could be written to, asked without leaving anything there.
//!
//! Source: distribution, docs/spec/api.md, "Initiate Blob Upload" and "Canceling an Upload"; OCI distribution specification 1.1,
//! "Pushing Blobs".

use std::time::SystemTime;

use super::super::auth::Scopes;
use super::super::transport::{Body, Method};
use super::super::{ErrorKind, Reference, RegistryError};
use super::Client;
use super::remote::Remote;
use super::request::{Call, helped, meant};
use super::retry::Failure;
use super::words::drain;

/// A registry that answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Greeting {
    /// What its clock says.
    pub date: Option<SystemTime>,
    /// Whether it asks everybody who they are.
    pub wants_credentials: bool,
}

/// A registry that takes images from us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trial {
    /// The upload that was begun is taken back.
    TakenBack,
    /// It would not take the upload back, and forgets it by itself.
    Left,
}

impl Client {
    /// Whether a registry answers at all, as references name it. Nobody in particular asks.
    ///
    /// # Errors
    /// It does not, or not as a registry does.
    pub fn greet(&self, registry: &str) -> Result<Greeting, RegistryError> {
        let inner = &self.inner;
        let registry = inner.registry(registry);
        let greeted = inner.attempts(|| {
            let url = registry.url("").ok_or_else(|| {
                let what = format!("`{}` is no address of a registry", registry.name);
                Failure::last(ErrorKind::Malformed(what))
            })?;
            let call = Call {
                method: Method::Get,
                url,
                headers: Vec::new(),
                scopes: Scopes::default(),
                // Some hide it from those who may not see anything.
                expected: &[200, 401, 403, 404],
                counts: true,
            };
            let answer = inner.exchange(&call, Body::Empty, None);
            let answer = answer.map_err(|failure| helped(failure, &registry))?;
            let mut answer = meant(answer, &call, &registry, None)?;
            drain(&mut answer.response.body);
            let date = answer.response.header("date");
            Ok(Greeting {
                date: date.and_then(|date| httpdate::parse_http_date(date).ok()),
                wants_credentials: answer.response.status == 401,
            })
        });
        greeted.map_err(|kind| RegistryError::new(&registry.name, "GET /v2/", kind))
    }

    /// Whether a repository takes images from us: an upload is begun, and taken back before anything is sent.
    ///
    /// `cancelled` is whether everything is called off: then nothing is begun. What was begun is to be taken back all the same, so this
    /// client's transport should be called off only some time later.
    ///
    /// # Errors
    /// It does not.
    pub fn may_write(
        &self,
        reference: &Reference,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Trial, RegistryError> {
        let remote = self.remote(reference, true);
        let place = remote.begin(cancelled)?;
        Ok(match remote.take_back(place) {
            Ok(()) => Trial::TakenBack,
            // What this says of the right to write was said before. Some registries have no such request, some want the right to
            // delete for it.
            Err(_) => Trial::Left,
        })
    }
}

impl Remote {
    /// Asked once: an answer that was lost on the way may have begun an upload, and another attempt would begin a second.
    fn begin(&self, cancelled: &dyn Fn() -> bool) -> Result<super::url::Url, RegistryError> {
        let begun = match cancelled() {
            true => Err(Failure::last(ErrorKind::Cancelled)),
            false => self
                .call(&self.registry, Method::Post, super::upload::UPLOADS)
                .and_then(|mut call| {
                    call.expected = &[202];
                    let answer = self.once(&self.registry, &call, Body::Empty)?;
                    self.place(answer)
                }),
        };
        begun.map_err(|failure| self.error(Method::Post, super::upload::UPLOADS, failure.kind))
    }

    fn take_back(&self, place: super::url::Url) -> Result<(), Failure> {
        let mut call = self.call(&self.registry, Method::Delete, super::upload::UPLOADS)?;
        call.url = place;
        call.expected = &[200, 202, 204];
        let mut answer = self.once(&self.registry, &call, Body::Empty)?;
        drain(&mut answer.response.body);
        Ok(())
    }
}
