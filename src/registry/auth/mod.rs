//! How a registry wants to be told who asks: its challenges, and what a token is for.
//!
//! A registry is not asked beforehand. The first request that is refused says how, and that is kept for all that follow.
//!
//! Source: distribution, `docs/spec/auth/token.md`, `scope.md`, `oauth.md`; RFC 9110, section 11.

mod tokens;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

pub(super) use tokens::{Token, Tokens};

/// How a registry wants to know who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// Name and password with every request.
    Basic,
    /// A token of a token service.
    Bearer {
        /// The service's address.
        realm: String,
        /// What the registry is called there.
        service: Option<String>,
    },
}

/// A refusal's challenge, with the scope that it asks for and the reason that it gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) challenge: Challenge,
    pub(super) scopes: Scopes,
    pub(super) error: Option<String>,
}

impl Asked {
    /// Reads the values of `WWW-Authenticate`. Of what is offered, tokens are taken first.
    pub(super) fn read<'a>(values: impl Iterator<Item = &'a str>) -> Option<Asked> {
        let mut basic = None;
        for value in values {
            for challenge in http_auth::parse_challenges(value).unwrap_or_default() {
                let parameter = |name: &str| {
                    let mut parameters = challenge.params.iter();
                    let found = parameters.find(|(known, _)| known.eq_ignore_ascii_case(name));
                    found.map(|(_, value)| value.to_unescaped())
                };
                let asked = |challenge| Asked {
                    challenge,
                    scopes: Scopes::parse(&parameter("scope").unwrap_or_default()),
                    error: parameter("error"),
                };
                if challenge.scheme.eq_ignore_ascii_case("bearer")
                    && let Some(realm) = parameter("realm")
                {
                    let service = parameter("service");
                    return Some(asked(Challenge::Bearer { realm, service }));
                }
                if challenge.scheme.eq_ignore_ascii_case("basic") {
                    basic = Some(asked(Challenge::Basic));
                }
            }
        }
        basic
    }
}

/// What may be done: `repository:acme/nginx` with `pull`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Scopes(BTreeSet<(String, String)>);

impl Scopes {
    /// Reads from a repository.
    pub(super) fn pull(repository: &str) -> Scopes {
        Scopes::parse(&format!("repository:{repository}:pull"))
    }

    /// Writes to a repository.
    pub(super) fn push(repository: &str) -> Scopes {
        Scopes::parse(&format!("repository:{repository}:pull,push"))
    }

    fn parse(text: &str) -> Scopes {
        let scopes = text.split_whitespace();
        let scopes = scopes.filter_map(|scope| scope.rsplit_once(':'));
        let each = scopes.flat_map(|(resource, actions)| {
            let actions = actions.split(',').filter(|action| !action.is_empty());
            actions.map(move |action| (resource.to_string(), action.to_string()))
        });
        Scopes(each.collect())
    }

    /// These and others.
    pub(super) fn and(&self, others: &Scopes) -> Scopes {
        Scopes(self.0.union(&others.0).cloned().collect())
    }

    /// Whether whoever may do this may do the other.
    pub(super) fn cover(&self, others: &Scopes) -> bool {
        self.0.is_superset(&others.0)
    }

    /// One text for each resource: `repository:acme/nginx:pull,push`.
    pub(super) fn texts(&self) -> Vec<String> {
        let mut resources: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (resource, action) in &self.0 {
            resources.entry(resource).or_default().push(action);
        }
        let resources = resources.iter();
        resources
            .map(|(resource, actions)| format!("{resource}:{}", actions.join(",")))
            .collect()
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.texts().join(" "))
    }
}

/// A text that is not shown.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret(pub(super) String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl Secret {
    /// A text without this secret, should somebody have quoted it.
    pub(super) fn taken_from(&self, text: &str) -> String {
        match self.0.is_empty() {
            true => text.to_string(),
            false => text.replace(&self.0, "…"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(values: &[&str]) -> Option<(Challenge, String, Option<String>)> {
        let asked = Asked::read(values.iter().copied())?;
        Some((asked.challenge, asked.scopes.to_string(), asked.error))
    }

    fn bearer(realm: &str, service: Option<&str>) -> Challenge {
        Challenge::Bearer {
            realm: realm.to_string(),
            service: service.map(str::to_string),
        }
    }

    #[test]
    fn challenges_of_real_registries_are_read() {
        let hub = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/alpine:pull",error="invalid_token""#;
        assert_eq!(
            asked(&[hub]),
            Some((
                bearer("https://auth.docker.io/token", Some("registry.docker.io")),
                "repository:library/alpine:pull".to_string(),
                Some("invalid_token".to_string())
            ))
        );
        let nothing_more = r#"bearer realm="https://a/token""#;
        assert_eq!(
            asked(&[nothing_more]),
            Some((bearer("https://a/token", None), String::new(), None))
        );
        let basic = r#"Basic realm="Registry Realm""#;
        let found = asked(&[basic]).map(|(challenge, ..)| challenge);
        assert_eq!(found, Some(Challenge::Basic));
        // Both, as GitLab and Nexus say it: in two fields, or in one.
        let both = [basic, nothing_more];
        let found = asked(&both).map(|(challenge, ..)| challenge);
        assert_eq!(found, Some(bearer("https://a/token", None)));
        let one = r#"Basic realm="a", Bearer realm="https://a/token""#;
        let found = asked(&[one]).map(|(challenge, ..)| challenge);
        assert_eq!(found, Some(bearer("https://a/token", None)));
        for nothing in ["", "Negotiate", "Bearer", "Digest realm=\"x\"", "\"", "=,="] {
            assert_eq!(asked(&[nothing]), None, "{nothing}");
        }
    }

    #[test]
    fn scopes_are_joined_and_compared() {
        let both = Scopes::push("a/b").and(&Scopes::pull("c"));
        assert_eq!(
            both.texts(),
            ["repository:a/b:pull,push", "repository:c:pull"]
        );
        assert!(both.cover(&Scopes::pull("a/b")) && !both.cover(&Scopes::push("c")));
        assert!(both.cover(&Scopes::default()));
        let parsed = Scopes::parse("repository:host:5000/a:push,pull registry:catalog:*");
        assert_eq!(
            parsed.texts(),
            ["registry:catalog:*", "repository:host:5000/a:pull,push"]
        );
    }

    #[test]
    fn a_secret_is_not_shown() {
        let secret = Secret("hunter2".to_string());
        assert_eq!(format!("{secret:?}"), "…");
        assert_eq!(secret.taken_from("wrong: hunter2"), "wrong: …");
    }
}
