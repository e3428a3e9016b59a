//! Who we are to a registry, as docker and podman keep it.
//!
//! A [`Keychain`] is asked once a registry wants to know; [`DockerConfig`] is the one that reads the files of docker and podman.
//! Secrets are in no message and in no debug text.

mod docker;
mod helper;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

pub use docker::{CredentialsSource, DockerConfig};
pub use helper::{HelperPrograms, Helpers};

/// What a registry knows us by.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credentials {
    /// A name and a password, or an access token in its place.
    Password {
        /// The name.
        username: String,
        /// The password.
        password: String,
    },
    /// An identity token, which the registry's token service takes for a token of its own.
    Identity(String),
    /// A token that the registry takes as it is.
    Registry(String),
}

impl Credentials {
    /// A name and a password.
    pub fn password(username: impl Into<String>, password: impl Into<String>) -> Credentials {
        Credentials::Password {
            username: username.into(),
            password: password.into(),
        }
    }

    /// What must not be shown.
    pub(super) fn secret(&self) -> &str {
        match self {
            Credentials::Password { password, .. } => password,
            Credentials::Identity(token) | Credentials::Registry(token) => token,
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Credentials::Password { username, .. } => write!(f, "Password({username:?}, …)"),
            Credentials::Identity(_) => f.write_str("Identity(…)"),
            Credentials::Registry(_) => f.write_str("Registry(…)"),
        }
    }
}

/// Where credentials come from.
pub trait Keychain: Send + Sync {
    /// The credentials for a repository of a registry, as references name them: `docker.io`, `library/alpine`; nothing where there
    /// are none.
    ///
    /// # Errors
    /// They could not be read. The text names the file or program, and no secret.
    fn credentials(&self, registry: &str, repository: &str) -> Result<Option<Credentials>, String>;
}

/// No credentials for anybody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Anonymous;

impl Keychain for Anonymous {
    fn credentials(&self, _: &str, _: &str) -> Result<Option<Credentials>, String> {
        Ok(None)
    }
}

/// The files that docker and podman read with this environment, docker's first.
///
/// Source: docker, `cli/config`; containers-auth.json(5).
pub fn default_files(env: &BTreeMap<String, String>) -> Vec<PathBuf> {
    let get = |name: &str| env.get(name).filter(|value| !value.is_empty());
    let below = |name: &str, rest: &str| get(name).map(|folder| Path::new(folder).join(rest));
    let docker = below("DOCKER_CONFIG", "config.json")
        .or_else(|| below("HOME", ".docker/config.json"))
        .or_else(|| below("USERPROFILE", ".docker/config.json"));
    let podman = match get("REGISTRY_AUTH_FILE") {
        // It stands in the place of the others.
        Some(file) => vec![PathBuf::from(file)],
        None => {
            let own = below("XDG_CONFIG_HOME", "containers/auth.json")
                .or_else(|| below("HOME", ".config/containers/auth.json"));
            let run = below("XDG_RUNTIME_DIR", "containers/auth.json");
            run.into_iter().chain(own).collect()
        }
    };
    docker.into_iter().chain(podman).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(env: &[(&str, &str)]) -> Vec<String> {
        let env = env.iter();
        let env = env.map(|(name, value)| ((*name).to_string(), (*value).to_string()));
        let files = default_files(&env.collect());
        files
            .iter()
            .map(|file| file.display().to_string())
            .collect()
    }

    #[test]
    fn the_files_are_those_of_docker_and_podman() {
        assert_eq!(
            files(&[("HOME", "/home/a"), ("XDG_RUNTIME_DIR", "/run/a")]),
            [
                "/home/a/.docker/config.json",
                "/run/a/containers/auth.json",
                "/home/a/.config/containers/auth.json"
            ]
        );
        assert_eq!(
            files(&[
                ("HOME", "/home/a"),
                ("DOCKER_CONFIG", "/cfg"),
                ("REGISTRY_AUTH_FILE", "/auth.json")
            ]),
            ["/cfg/config.json", "/auth.json"]
        );
        assert!(files(&[("HOME", "")]).is_empty());
    }

    #[test]
    fn debug_texts_have_no_secrets() {
        let all = [
            Credentials::password("me", "hunter2"),
            Credentials::Identity("hunter2".to_string()),
            Credentials::Registry("hunter2".to_string()),
        ];
        let text = format!("{all:?} {all:#?}");
        assert!(text.contains("me") && !text.contains("hunter2"), "{text}");
    }
}
