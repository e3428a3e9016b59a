//! Who asks: the header field that a registry wants, and the tokens for it.

use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::super::ErrorKind;
use super::super::auth::{Challenge, Scopes, Secret, Token};
use super::super::credentials::Credentials;
use super::super::transport::{Body, Method};
use super::request::Call;
use super::retry::{Again, Failure, passes, retry_after};
use super::url::{Url, field};
use super::words::words;
use super::{Inner, Registry};

/// The most that a token service may answer, in bytes.
const MOST: u64 = 1 << 20;

/// What the client calls itself to token services.
const CLIENT: &str = "crossfile";

/// Who asks.
pub(super) struct Authorization {
    /// The header field.
    pub(super) header: Secret,
    /// The token in it, where that is what is in it.
    pub(super) token: Option<Secret>,
    /// Whether it was made for this request: another one would be no better.
    pub(super) is_new: bool,
    /// Whether nobody in particular asks.
    pub(super) is_anonymous: bool,
    /// What is not to be shown, should somebody quote it.
    pub(super) hidden: Vec<Secret>,
}

/// A token service's answer.
#[derive(Deserialize)]
struct Given {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

fn no_credentials(registry: &Registry) -> ErrorKind {
    ErrorKind::Unauthorized(none_found(&registry.name))
}

/// What is said where nobody in particular asks.
pub(super) fn none_found(registry: &str) -> String {
    format!("no credentials for {registry} were found: log in, as by `docker login {registry}`")
}

impl Inner {
    /// Who asks, as far as it is known how a registry wants to be told.
    pub(super) fn authorization(
        &self,
        registry: &Registry,
        repository: &str,
        scopes: &Scopes,
    ) -> Result<Option<Authorization>, Failure> {
        let challenge = registry.learnt().challenge.clone();
        match challenge {
            None => Ok(None),
            Some(Challenge::Basic) => {
                let basic = self.basic(registry, repository);
                basic.map(Some).map_err(Failure::last)
            }
            Some(Challenge::Bearer { realm, service }) => {
                let service = service.as_deref();
                let fetch = || self.token(registry, repository, (&realm, service), scopes);
                let token = registry.tokens.get(scopes, fetch);
                let (token, is_new) = token.map_err(Failure::last)?;
                Ok(Some(Authorization {
                    header: Secret(format!("Bearer {}", token.value.0)),
                    token: Some(token.value.clone()),
                    is_new,
                    is_anonymous: token.is_anonymous,
                    hidden: vec![token.value],
                }))
            }
        }
    }

    fn credentials(
        &self,
        registry: &Registry,
        repository: &str,
    ) -> Result<Option<Credentials>, ErrorKind> {
        let found = self.keychain.credentials(&registry.name, repository);
        found.map_err(|what| match self.transport.is_cancelled() {
            true => ErrorKind::Cancelled,
            false => ErrorKind::Credentials(what),
        })
    }

    fn basic(&self, registry: &Registry, repository: &str) -> Result<Authorization, ErrorKind> {
        let credentials = self.credentials(registry, repository)?;
        match &credentials {
            Some(Credentials::Password { username, password }) => {
                let encoded = encoded(username, password);
                Ok(Authorization {
                    header: Secret(format!("Basic {encoded}")),
                    token: None,
                    is_new: true,
                    is_anonymous: false,
                    hidden: vec![Secret(password.clone()), Secret(encoded)],
                })
            }
            Some(Credentials::Identity(_) | Credentials::Registry(_)) => {
                let what = format!(
                    "the credentials for {} are a token, and it wants a name and a password",
                    registry.name
                );
                Err(ErrorKind::Unauthorized(what))
            }
            None => Err(no_credentials(registry)),
        }
    }

    /// Fetches a token.
    fn token(
        &self,
        registry: &Registry,
        repository: &str,
        (realm, service): (&str, Option<&str>),
        scopes: &Scopes,
    ) -> Result<Token, ErrorKind> {
        let credentials = self.credentials(registry, repository)?;
        let asked = Instant::now();
        if let Some(Credentials::Registry(token)) = credentials {
            // Until when it is good, nobody says.
            return Ok(Token::new(token, asked, Some(u64::MAX)));
        }
        let realm = Url::parse(realm)
            .ok_or_else(|| ErrorKind::Malformed("its token service has no address".to_string()))?;
        let host = realm.authority.clone();
        // In plain HTTP a password goes to the registry's own host, and to this machine.
        let is_near = realm.authority == registry.base.authority
            || crate::reference::is_loopback(&realm.authority);
        if !realm.tls && (registry.base.tls || !is_near) {
            let what = format!("its token service {host} is not secured by TLS");
            return Err(ErrorKind::Refused(what));
        }
        let secrets = credentials.iter();
        let mut hidden: Vec<Secret> = secrets
            .flat_map(|known| {
                let secret = known.secret();
                [
                    Secret(secret.to_string()),
                    Secret(field("", secret).trim_start_matches('=').to_string()),
                ]
            })
            .collect();
        let (call, form, authorization) = match &credentials {
            Some(Credentials::Identity(token)) => {
                let (call, form) = with_identity(realm, service, scopes, token);
                (call, Some(form), None)
            }
            Some(Credentials::Password { username, password }) => {
                let encoded = encoded(username, password);
                let header = format!("Basic {encoded}");
                hidden.push(Secret(encoded));
                (with_password(realm, service, scopes), None, Some(header))
            }
            _ => (with_password(realm, service, scopes), None, None),
        };
        let given = self.attempts(|| {
            let body = match &form {
                Some(form) => Body::Bytes(form.as_bytes()),
                None => Body::Empty,
            };
            let mut answer = self.exchange(&call, body, authorization.as_deref())?;
            let status = answer.response.status;
            if status == 200 {
                return answer.whole(MOST);
            }
            let after = retry_after(&answer.response);
            let said = words(&mut answer.response.body, &hidden);
            let said = match said.is_empty() {
                true => host.clone(),
                false => format!("{host}: {said}"),
            };
            Err(match status {
                400 | 401 | 403 => Failure::last(ErrorKind::Unauthorized(said)),
                status if passes(status) => Failure {
                    kind: ErrorKind::Status(status, said),
                    again: Again::Later(after),
                },
                status => Failure::last(ErrorKind::Status(status, said)),
            })
        });
        let given = given.map_err(|kind| match kind {
            // The other words name it already.
            ErrorKind::Broken(what) => ErrorKind::Broken(format!("token service {host}: {what}")),
            ErrorKind::Refused(what) => ErrorKind::Refused(format!("token service {host}: {what}")),
            other => other,
        })?;
        let nonsense = || ErrorKind::Malformed(format!("{host} gives no token"));
        let given = serde_json::from_slice::<Given>(&given).map_err(|_| nonsense())?;
        let token = [given.token, given.access_token].into_iter().flatten();
        let token = token.into_iter().find(|token| !token.is_empty());
        let mut token = Token::new(token.ok_or_else(nonsense)?, asked, given.expires_in);
        token.is_anonymous = credentials.is_none();
        Ok(token)
    }
}

fn encoded(username: &str, password: &str) -> String {
    STANDARD.encode(format!("{username}:{password}"))
}

fn call(method: Method, url: Url) -> Call<'static> {
    Call {
        method,
        url,
        headers: Vec::new(),
        scopes: Scopes::default(),
        expected: &[200],
        // A request that counts may be waiting for it.
        counts: false,
    }
}

/// Source: distribution, `docs/spec/auth/token.md`.
fn with_password(mut realm: Url, service: Option<&str>, scopes: &Scopes) -> Call<'static> {
    if let Some(service) = service {
        realm = realm.with("service", service);
    }
    for scope in scopes.texts() {
        realm = realm.with("scope", &scope);
    }
    call(Method::Get, realm)
}

/// Source: distribution, `docs/spec/auth/oauth.md`.
fn with_identity(
    realm: Url,
    service: Option<&str>,
    scopes: &Scopes,
    token: &str,
) -> (Call<'static>, String) {
    let fields = [
        field("grant_type", "refresh_token"),
        field("service", service.unwrap_or_default()),
        field("client_id", CLIENT),
        field("scope", &scopes.to_string()),
        field("refresh_token", token),
    ];
    let mut call = call(Method::Post, realm);
    let form = "application/x-www-form-urlencoded".to_string();
    call.headers.push(("content-type", form));
    (call, fields.join("&"))
}
