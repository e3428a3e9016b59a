//! One request: who asks, where redirects lead, and what the answer means.

use std::io::Read;

use super::super::ErrorKind;
use super::super::auth::{Asked, Scopes};
use super::super::http::NO_TLS;
use super::super::transport::{Body, Method, Request, Response, TransportError};
use super::retry::{Again, Failure, passes, retry_after};
use super::slots::Slot;
use super::token::Authorization;
use super::token::none_found;
use super::url::Url;
use super::words::{drain, words};
use super::{Inner, Registry};

/// How many redirects are followed.
const REDIRECTS: usize = 5;

/// A request.
pub(super) struct Call<'a> {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: Vec<(&'static str, String)>,
    /// What it needs to be allowed.
    pub(super) scopes: Scopes,
    /// The statuses that are no failure.
    pub(super) expected: &'a [u16],
    /// Whether it counts among those that run side by side. What is asked for while another request is being sent does not: all of
    /// these might wait for each other.
    pub(super) counts: bool,
}

/// An answer whose body is still to be read.
pub(super) struct Answer {
    pub(super) response: Response,
    /// Who answered, after redirects.
    pub(super) url: Url,
    _slot: Option<Slot>,
}

impl Answer {
    /// The body, to be read beside other requests.
    pub(super) fn into_body(self) -> Box<dyn Read + Send> {
        self.response.body
    }

    /// The body, which is not to be longer than `most`.
    pub(super) fn whole(mut self, most: u64) -> Result<Vec<u8>, Failure> {
        let said = self.response.header("content-length");
        let said = said.and_then(|said| said.parse::<u64>().ok());
        let long = |size: &str| {
            let what = format!("it is {size} bytes long, and {most} are the most that are read");
            Failure::last(ErrorKind::Content(what))
        };
        if let Some(said) = said.filter(|said| *said > most) {
            return Err(long(&said.to_string()));
        }
        let mut bytes = Vec::new();
        let read = (&mut self.response.body)
            .take(most + 1)
            .read_to_end(&mut bytes);
        let count = bytes.len() as u64;
        match (read, said) {
            (Err(error), _) => {
                let what = format!("the answer breaks off after {count} bytes: {error}");
                Err(Failure::broken(what))
            }
            (_, Some(said)) if count < said => {
                let what = format!("the answer ends after {count} of {said} bytes");
                Err(Failure::broken(what))
            }
            _ if count > most => Err(long(&format!("more than {most}"))),
            _ => Ok(bytes),
        }
    }

    fn asked(&self) -> Option<Asked> {
        let fields = self.response.headers.iter();
        let challenges = fields.filter(|(name, _)| name == "www-authenticate");
        Asked::read(challenges.map(|(_, value)| value.as_str()))
    }
}

impl Inner {
    /// Asks a registry once, learning from it how it wants to be asked.
    pub(super) fn once(
        &self,
        registry: &Registry,
        repository: &str,
        call: &Call<'_>,
        mut body: Body<'_>,
    ) -> Result<Answer, Failure> {
        let is_own = call.url.same_origin(&registry.base);
        let mut scopes = {
            let learnt = registry.learnt();
            let more = learnt.scopes.get(&call.scopes);
            more.unwrap_or(&call.scopes).clone()
        };
        let mut extended = false;
        loop {
            let authorization = match is_own {
                true => self.authorization(registry, repository, &scopes)?,
                false => None,
            };
            let header = authorization.as_ref().map(|known| known.header.0.as_str());
            let answer = self.exchange(call, same(&mut body), header);
            let mut answer = answer.map_err(|failure| helped(failure, registry))?;
            let refused =
                answer.response.status == 401 && is_own && answer.url.same_origin(&registry.base);
            let asked = match refused {
                true => answer.asked(),
                false => None,
            };
            let Some(asked) = asked else {
                return meant(answer, call, registry, authorization.as_ref());
            };
            if let Some(known) = &authorization {
                let more = !extended && !scopes.cover(&asked.scopes);
                if known.is_new && !more {
                    return meant(answer, call, registry, authorization.as_ref());
                }
                if let Some(token) = &known.token {
                    registry.tokens.forget(token);
                }
                if known.is_new {
                    extended = true;
                    scopes = scopes.and(&asked.scopes);
                    let mut learnt = registry.learnt();
                    learnt.scopes.insert(call.scopes.clone(), scopes.clone());
                }
            }
            registry.learnt().challenge = Some(asked.challenge);
            if matches!(body, Body::Reader(..)) {
                let hidden = authorization.as_ref();
                let hidden = hidden.map_or(&[][..], |known| &known.hidden);
                // What was sent is spent. Whoever has it opens it again.
                return Err(Failure {
                    kind: ErrorKind::Unauthorized(words(&mut answer.response.body, hidden)),
                    again: Again::Later(Some(std::time::Duration::ZERO)),
                });
            }
            drain(&mut answer.response.body);
        }
    }

    /// Sends a request and follows redirects of what is read. The authorization goes to no other host than the first.
    pub(super) fn exchange(
        &self,
        call: &Call<'_>,
        mut body: Body<'_>,
        authorization: Option<&str>,
    ) -> Result<Answer, Failure> {
        let cancelled = || Failure::last(ErrorKind::Cancelled);
        let mut url = call.url.clone();
        for _ in 0..=REDIRECTS {
            if self.transport.is_cancelled() {
                return Err(cancelled());
            }
            let slot = match call.counts {
                true => {
                    let slots = match body {
                        Body::Reader(..) => &self.uploads,
                        Body::Empty | Body::Bytes(_) => &self.slots,
                    };
                    let slot = slots.take(|| self.transport.is_cancelled());
                    Some(slot.ok_or_else(cancelled)?)
                }
                false => None,
            };
            let mut headers = call.headers.clone();
            headers.push(("user-agent", self.options.user_agent.clone()));
            if let Some(authorization) = authorization.filter(|_| url.same_origin(&call.url)) {
                headers.push(("authorization", authorization.to_string()));
            }
            let address = url.to_string();
            let request = Request {
                method: call.method,
                url: &address,
                headers,
                body: same(&mut body),
            };
            let mut response = self.transport.send(request).map_err(|error| match error {
                TransportError::Broken(what) => Failure::broken(what),
                TransportError::Refused(what) => Failure::last(ErrorKind::Refused(what)),
                TransportError::Cancelled => cancelled(),
            })?;
            let reads = matches!(call.method, Method::Get | Method::Head);
            let moved = matches!(response.status, 301 | 302 | 303 | 307 | 308) && reads;
            let location = response.header("location").filter(|_| moved);
            let Some(location) = location else {
                return Ok(Answer {
                    response,
                    url,
                    _slot: slot,
                });
            };
            let next = url.join(location).ok_or_else(|| {
                // Not the address, which may hold a signature.
                Failure::last(ErrorKind::Malformed("it redirects to no address".into()))
            })?;
            if url.tls && !next.tls {
                let what = format!("it redirects from TLS to plain HTTP, to {}", next.authority);
                return Err(Failure::last(ErrorKind::Refused(what)));
            }
            drain(&mut response.body);
            url = next;
        }
        let what = format!("it redirects more than {REDIRECTS} times");
        Err(Failure::last(ErrorKind::Malformed(what)))
    }
}

/// The same body once more.
fn same<'a>(body: &'a mut Body<'_>) -> Body<'a> {
    match body {
        Body::Empty => Body::Empty,
        Body::Bytes(bytes) => Body::Bytes(bytes),
        Body::Reader(reader, size) => Body::Reader(*reader, *size),
    }
}

/// What to do about a registry that is spoken to in the wrong way.
fn advice(registry: &str, plain: bool) -> String {
    let flag = match plain {
        true => "--plain-http",
        false => "--tls",
    };
    format!(
        "say `{flag}`, or `plain-http = {plain}` under `[registry.\"{registry}\"]` of crossfile.toml"
    )
}

/// A failure to speak TLS, with what may be done about it.
pub(super) fn helped(mut failure: Failure, registry: &Registry) -> Failure {
    if let ErrorKind::Refused(what) = &mut failure.kind
        && what == NO_TLS
    {
        what.push_str("; where it is to be spoken to in plain HTTP, ");
        what.push_str(&advice(&registry.name, true));
    }
    failure
}

/// What the status of an answer means.
pub(super) fn meant(
    mut answer: Answer,
    call: &Call<'_>,
    registry: &Registry,
    authorization: Option<&Authorization>,
) -> Result<Answer, Failure> {
    let status = answer.response.status;
    if call.expected.contains(&status) {
        return Ok(answer);
    }
    let after = retry_after(&answer.response);
    let asked = answer.asked();
    let hidden = authorization.map_or(&[][..], |known| &known.hidden);
    let mut said = words(&mut answer.response.body, hidden);
    if said.is_empty() {
        // The answer to a HEAD has no body.
        said = asked.and_then(|asked| asked.error).unwrap_or_default();
        said = super::words::shown(&said, hidden);
    }
    let reads = matches!(call.method, Method::Get | Method::Head);
    let kind = match status {
        401 => {
            let comma = if said.is_empty() { "" } else { "; " };
            let name = &registry.name;
            said = match authorization.is_none_or(|authorization| authorization.is_anonymous) {
                true => format!("{said}{comma}{}", none_found(name)),
                false => format!(
                    "{said}{comma}the credentials for {name} were refused: log in again, as by `docker login {name}`"
                ),
            };
            ErrorKind::Unauthorized(said)
        }
        403 => ErrorKind::Denied(said),
        404 if reads => ErrorKind::NotFound,
        // Go's words, and nginx's.
        400 if !call.url.tls
            && ["to an HTTPS server", "to HTTPS port"]
                .iter()
                .any(|words| said.contains(words)) =>
        {
            let what = format!(
                "it was spoken to in plain HTTP and speaks TLS: {}",
                advice(&registry.name, false)
            );
            ErrorKind::Refused(what)
        }
        status => ErrorKind::Status(status, said),
    };
    Err(match passes(status) {
        true => Failure {
            kind,
            again: Again::Later(after),
        },
        false => Failure::last(kind),
    })
}
