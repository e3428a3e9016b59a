//! Who may do what: basic credentials, or tokens as Docker's token service gives them.
//!
//! Source: distribution, `docs/spec/auth/token.md` and `oauth.md`.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::transport::{Method, Request};
use super::answer::Answer;
use super::serve::{Address, decoded};
use super::{State, serve};

/// Repositories with what may be done to them: `pull`, `push`.
pub(super) type Rights = BTreeSet<(String, String)>;

/// What a registry asks of those who come.
#[derive(Clone)]
pub struct Guard {
    user: String,
    password: String,
    bearer: bool,
    identity: Option<String>,
    anonymous_pull: bool,
    expires_in: Option<u64>,
    realm: Option<String>,
    more: Option<(String, String)>,
}

impl Guard {
    /// A name and a password with every request.
    pub fn basic(user: &str, password: &str) -> Guard {
        Guard {
            user: user.to_string(),
            password: password.to_string(),
            bearer: false,
            identity: None,
            anonymous_pull: false,
            expires_in: None,
            realm: None,
            more: None,
        }
    }

    /// Tokens, which `/token` of the same host gives for a name and a password.
    pub fn bearer(user: &str, password: &str) -> Guard {
        Guard {
            bearer: true,
            ..Guard::basic(user, password)
        }
    }

    /// Takes an identity token, too.
    #[must_use]
    pub fn with_identity(mut self, token: &str) -> Guard {
        self.identity = Some(token.to_string());
        self
    }

    /// Lets everybody read.
    #[must_use]
    pub fn with_anonymous_pull(mut self) -> Guard {
        self.anonymous_pull = true;
        self
    }

    /// Says that tokens are good for so many seconds.
    #[must_use]
    pub fn with_expiry(mut self, seconds: u64) -> Guard {
        self.expires_in = Some(seconds);
        self
    }

    /// Gives tokens at another address.
    #[must_use]
    pub fn with_realm(mut self, realm: &str) -> Guard {
        self.realm = Some(realm.to_string());
        self
    }

    /// Wants the right to read another repository with every request.
    #[must_use]
    pub fn with_scope(mut self, repository: &str) -> Guard {
        self.more = Some((repository.to_string(), "pull".to_string()));
        self
    }

    fn takes(&self, authorization: &str) -> bool {
        let right = STANDARD.encode(format!("{}:{}", self.user, self.password));
        authorization == format!("Basic {right}")
    }
}

fn authorization<'a>(request: &'a Request<'_>) -> Option<&'a str> {
    let mut fields = request.headers.iter();
    fields
        .find(|(name, _)| *name == "authorization")
        .map(|(_, value)| value.as_str())
}

/// The refusal of a request that may not be made.
pub(super) fn check(
    state: &State,
    request: &Request<'_>,
    address: &Address<'_>,
    repository: &str,
) -> Option<Answer> {
    let guard = state.guard.as_ref()?;
    let actions: &[&str] = match request.method {
        Method::Get | Method::Head => &["pull"],
        // As distribution's registry wants it (registry/handlers/app.go, `appendAccessRecords`).
        Method::Delete => &["delete"],
        _ => &["pull", "push"],
    };
    let refusal = Answer::error(401, "UNAUTHORIZED", "authentication required");
    let given = authorization(request);
    if !guard.bearer {
        let challenge = r#"Basic realm="fake""#;
        return match given {
            Some(given) if guard.takes(given) => None,
            _ => Some(refusal.header("www-authenticate", challenge)),
        };
    }
    let rights = given
        .and_then(|given| given.strip_prefix("Bearer "))
        .map(|token| state.tokens.get(token));
    let may = |rights: &Rights| {
        let mut actions = actions.iter();
        actions.all(|action| rights.contains(&(repository.to_string(), (*action).to_string())))
            && guard.more.as_ref().is_none_or(|more| rights.contains(more))
    };
    if let Some(Some(rights)) = &rights
        && may(rights)
    {
        return None;
    }
    let realm = match &guard.realm {
        Some(realm) => realm.clone(),
        None => format!("{}://{}/token", address.scheme, address.host),
    };
    let why = match rights {
        None => "",
        Some(None) => r#",error="invalid_token""#,
        Some(Some(_)) => r#",error="insufficient_scope""#,
    };
    let more = match &guard.more {
        Some((repository, action)) => format!(" repository:{repository}:{action}"),
        None => String::new(),
    };
    let challenge = format!(
        r#"Bearer realm="{realm}",service="{}",scope="repository:{repository}:{}{more}"{why}"#,
        address.host,
        actions.join(",")
    );
    Some(refusal.header("www-authenticate", challenge))
}

/// Whether whoever asks may read another repository, for a mount.
pub(super) fn may_pull(state: &State, request: &Request<'_>, repository: &str) -> bool {
    match &state.guard {
        Some(guard) if guard.bearer => {}
        _ => return true,
    }
    let token = authorization(request).and_then(|given| given.strip_prefix("Bearer "));
    let rights = token.and_then(|token| state.tokens.get(token));
    let wanted = (repository.to_string(), "pull".to_string());
    rights.is_some_and(|rights| rights.contains(&wanted))
}

/// Gives a token.
pub(super) fn token(
    state: &mut State,
    request: &Request<'_>,
    address: &Address<'_>,
    body: &[u8],
) -> Answer {
    let Some(guard) = state.guard.clone() else {
        return Answer::error(404, "NOT_FOUND", "no tokens here");
    };
    let wrong = || Answer::error(401, "UNAUTHORIZED", "incorrect username or password");
    let form = String::from_utf8_lossy(body);
    let posted = request.method == Method::Post;
    let fields = match posted {
        true => serve::fields(&form),
        false => serve::fields(address.query),
    };
    let known = match (posted, authorization(request)) {
        (true, _) => {
            let given = fields.iter().find(|(name, _)| *name == "refresh_token");
            match given.map(|(_, value)| decoded(value)) {
                Some(given) if guard.identity.as_ref() == Some(&given) => true,
                _ => return wrong(),
            }
        }
        (false, None) => false,
        (false, Some(given)) if guard.takes(given) => true,
        (false, Some(_)) => return wrong(),
    };
    let mut rights = Rights::new();
    let scopes = fields.iter().filter(|(name, _)| *name == "scope");
    let scopes: Vec<String> = scopes.map(|(_, value)| decoded(value)).collect();
    for scope in scopes.iter().flat_map(|scopes| scopes.split(' ')) {
        let mut parts = scope.splitn(3, ':');
        let (Some("repository"), Some(repository), Some(actions)) =
            (parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        for action in actions.split(',') {
            if known || (guard.anonymous_pull && action == "pull") {
                rights.insert((repository.to_string(), action.to_string()));
            }
        }
    }
    let token = format!("token-{}", state.next());
    state.tokens.insert(token.clone(), rights);
    let name = match posted {
        true => "access_token",
        false => "token",
    };
    let mut answer = serde_json::json!({ name: token });
    if let Some(seconds) = guard.expires_in {
        answer["expires_in"] = seconds.into();
    }
    Answer::with(200, std::sync::Arc::new(answer.to_string().into_bytes()))
        .header("content-type", "application/json")
}
