//! docker's `config.json` and podman's `auth.json`.
//!
//! Source: docker, `cli/config/configfile` and `cli/config/credentials`; containers-auth.json(5).

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;

use super::{Credentials, Helpers, Keychain};

/// What docker calls its own registry in files and to helpers.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// Reads credentials from files, when they are first asked for. What a file says first counts; a file that is not there says nothing.
pub struct DockerConfig {
    files: Vec<PathBuf>,
    helpers: Arc<dyn Helpers>,
    read: OnceLock<Result<Vec<File>, String>>,
    /// What helpers said, by helper and server: running one may take long, or ask for a fingerprint.
    said: Mutex<BTreeMap<(String, String), Said>>,
}

/// Where credentials were found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CredentialsSource {
    /// The file that has them, or that names who has them.
    pub file: PathBuf,
    /// The program that was asked for them.
    pub helper: Option<String>,
}

type Said = Arc<OnceLock<Result<Option<Credentials>, String>>>;

#[derive(Deserialize)]
struct File {
    #[serde(skip)]
    path: PathBuf,
    auths: Option<BTreeMap<String, Option<Entry>>>,
    #[serde(rename = "credHelpers")]
    helpers: Option<BTreeMap<String, String>>,
    #[serde(rename = "credsStore")]
    store: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
    registrytoken: Option<String>,
}

impl fmt::Debug for DockerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DockerConfig")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

impl DockerConfig {
    /// Reads these files, and runs helpers that they name. The first file counts most.
    pub fn new(files: Vec<PathBuf>, helpers: Arc<dyn Helpers>) -> DockerConfig {
        DockerConfig {
            files,
            helpers,
            read: OnceLock::new(),
            said: Mutex::default(),
        }
    }

    fn read(&self) -> Result<&[File], String> {
        let read = self.read.get_or_init(|| {
            let files = self.files.iter().map(read_file);
            files.filter_map(Result::transpose).collect()
        });
        read.as_deref().map_err(Clone::clone)
    }

    fn ask(&self, helper: &str, registry: &str) -> Result<Option<Credentials>, String> {
        let server = match registry {
            "docker.io" => DOCKER_HUB,
            other => other,
        };
        let key = (helper.to_string(), server.to_string());
        let said = {
            // Nothing panics while it holds the lock.
            let mut all = self.said.lock().unwrap_or_else(PoisonError::into_inner);
            all.entry(key).or_default().clone()
        };
        said.get_or_init(|| self.helpers.get(helper, server))
            .clone()
    }
}

impl DockerConfig {
    /// Where the credentials for a repository come from; nothing where there are none.
    ///
    /// # Errors
    /// They could not be read. The text names the file or program, and no secret.
    pub fn source(
        &self,
        registry: &str,
        repository: &str,
    ) -> Result<Option<CredentialsSource>, String> {
        let found = self.find(registry, repository)?;
        Ok(found.map(|(_, source)| source))
    }

    fn find(
        &self,
        registry: &str,
        repository: &str,
    ) -> Result<Option<(Credentials, CredentialsSource)>, String> {
        let scopes = scopes(registry, repository);
        for file in self.read()? {
            let source = |helper: Option<&str>| CredentialsSource {
                file: file.path.clone(),
                helper: helper.map(|name| format!("docker-credential-{name}")),
            };
            let helpers = file.helpers.iter().flatten();
            let helpers: Vec<_> = helpers.map(|(key, name)| (canonical(key), name)).collect();
            let helper = scopes.iter().find_map(|scope| {
                let found = helpers.iter().rfind(|(key, _)| key.as_ref() == Some(scope));
                found.map(|(_, name)| name.as_str())
            });
            // A helper of this registry comes before the store of all.
            for helper in helper.into_iter().chain(file.store.as_deref()) {
                if helper.is_empty() {
                    continue;
                }
                if let Some(found) = self.ask(helper, registry)? {
                    return Ok(Some((found, source(Some(helper)))));
                }
            }
            let auths = file.auths.iter().flatten();
            let auths: Vec<_> = auths
                .filter_map(|(key, entry)| Some((key, canonical(key)?, entry.as_ref()?)))
                .collect();
            for scope in &scopes {
                // Of two names of Docker Hub the longer one, docker's own.
                for (key, _, entry) in auths.iter().rev().filter(|(_, known, _)| known == scope) {
                    let found = entry.credentials();
                    let found = found
                        .map_err(|what| format!("{}: {what} of `{key}`", file.path.display()))?;
                    if let Some(found) = found {
                        return Ok(Some((found, source(None))));
                    }
                }
            }
        }
        Ok(None)
    }
}

impl Keychain for DockerConfig {
    fn credentials(&self, registry: &str, repository: &str) -> Result<Option<Credentials>, String> {
        let found = self.find(registry, repository)?;
        Ok(found.map(|(credentials, _)| credentials))
    }
}

fn read_file(path: &PathBuf) -> Result<Option<File>, String> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(format!("cannot read {}: {error}", path.display())),
    };
    // An empty file is what `touch` and a full disk leave; docker takes it, too.
    if text.trim_ascii().is_empty() {
        return Ok(None);
    }
    let file = serde_json::from_slice::<File>(&text);
    // The message may quote a value, which may be a secret.
    let mut file = file.map_err(|error| {
        format!(
            "{} is not as docker writes it: line {}, column {}",
            path.display(),
            error.line(),
            error.column()
        )
    })?;
    file.path.clone_from(path);
    Ok(Some(file))
}

impl Entry {
    fn credentials(&self) -> Result<Option<Credentials>, String> {
        let some = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        if let Some(token) = some(&self.registrytoken) {
            return Ok(Some(Credentials::Registry(token)));
        }
        if let Some(token) = some(&self.identitytoken) {
            return Ok(Some(Credentials::Identity(token)));
        }
        let (username, password) = match some(&self.auth) {
            Some(auth) => decoded(&auth).ok_or("cannot read the `auth`")?,
            None => match (some(&self.username), some(&self.password)) {
                (Some(username), Some(password)) => (username, password),
                _ => return Ok(None),
            },
        };
        Ok(match (username.as_str(), password.is_empty()) {
            (_, true) => None,
            ("<token>", _) => Some(Credentials::Identity(password)),
            _ => Some(Credentials::Password { username, password }),
        })
    }
}

fn decoded(auth: &str) -> Option<(String, String)> {
    // Written by hand it often lacks its padding.
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let bytes = GeneralPurpose::new(&STANDARD, config).decode(auth.trim());
    let text = String::from_utf8(bytes.ok()?).ok()?;
    let (username, password) = text.split_once(':')?;
    // Old versions of docker padded with zeros.
    let password = password.trim_end_matches('\0');
    Some((username.to_string(), password.to_string()))
}

/// The keys under which a repository's credentials may be, the closest first.
fn scopes(registry: &str, repository: &str) -> Vec<String> {
    let mut scope = format!("{registry}/{repository}");
    let mut scopes = vec![scope.clone()];
    while let Some(slash) = scope.rfind('/') {
        scope.truncate(slash);
        scopes.push(scope.clone());
    }
    scopes
}

/// A file's key as a scope; nothing where it is for something else than images.
fn canonical(key: &str) -> Option<String> {
    let address = ["https://", "http://"]
        .iter()
        .find_map(|scheme| key.strip_prefix(scheme));
    let (host, path) = {
        let key = address.unwrap_or(key).trim_end_matches('/');
        key.split_once('/').unwrap_or((key, ""))
    };
    let host = match host {
        "index.docker.io" | "registry-1.docker.io" => "docker.io",
        other => other,
    };
    match (path, address) {
        ("" | "v1" | "v2", _) => Some(host.to_string()),
        // Docker keeps other tokens of Docker Hub beside the credentials: `/v1/refresh-token`.
        (_, Some(_)) => None,
        (path, None) => Some(format!("{host}/{path}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// Helpers that know one server each, and one that fails.
    struct Known;

    impl Helpers for Known {
        fn get(&self, name: &str, server: &str) -> Result<Option<Credentials>, String> {
            match (name, server) {
                ("hub", DOCKER_HUB) => Ok(Some(Credentials::password("hub", "from-helper"))),
                ("broken", _) => Err("docker-credential-broken: no keyring".to_string()),
                _ => Ok(None),
            }
        }
    }

    fn asked(files: &[&str], registry: &str, repository: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let mut paths = vec![folder.path().join("missing.json")];
        for (number, text) in files.iter().enumerate() {
            let path = folder.path().join(format!("{number}.json"));
            fs::write(&path, text).unwrap();
            paths.push(path);
        }
        let keychain = DockerConfig::new(paths, Arc::new(Known));
        match keychain.credentials(registry, repository) {
            Ok(None) => "none".to_string(),
            Ok(Some(Credentials::Password { username, password })) => {
                format!("{username}:{password}")
            }
            Ok(Some(Credentials::Identity(token))) => format!("identity {token}"),
            Ok(Some(Credentials::Registry(token))) => format!("registry {token}"),
            Err(error) => error.replace(&format!("{}/", folder.path().display()), ""),
        }
    }

    #[test]
    fn every_form_of_credentials_is_read() {
        // `me:pass:word`
        let auth = r#"{"auths":{"ghcr.io":{"auth":"bWU6cGFzczp3b3Jk"}}}"#;
        assert_eq!(asked(&[auth], "ghcr.io", "a/b"), "me:pass:word");
        assert_eq!(asked(&[auth], "quay.io", "a/b"), "none");
        let plain = r#"{"auths":{"https://ghcr.io/v2/":{"username":"me","password":"pw"}}}"#;
        assert_eq!(asked(&[plain], "ghcr.io", "a/b"), "me:pw");
        let identity = r#"{"auths":{"x.io":{"auth":"bWU6cHc=","identitytoken":"id"}}}"#;
        assert_eq!(asked(&[identity], "x.io", "a"), "identity id");
        let raw = r#"{"auths":{"x.io":{"registrytoken":"raw"}}}"#;
        assert_eq!(asked(&[raw], "x.io", "a"), "registry raw");
        // What docker writes beside a store, and what empty files say.
        for nothing in [
            r#"{"auths":{"x.io":{}}}"#,
            r#"{"auths":null,"credHelpers":null,"HttpHeaders":{"a":"b"}}"#,
            "",
            "{}",
        ] {
            assert_eq!(asked(&[nothing], "x.io", "a"), "none", "{nothing}");
        }
    }

    #[test]
    fn docker_hub_has_many_names() {
        for key in [
            "https://index.docker.io/v1/",
            "index.docker.io",
            "docker.io",
            "registry-1.docker.io",
        ] {
            let file = format!(r#"{{"auths":{{"{key}":{{"auth":"bWU6cHc="}}}}}}"#);
            assert_eq!(asked(&[&file], "docker.io", "library/a"), "me:pw", "{key}");
        }
        let other = r#"{"auths":{"https://index.docker.io/v1/access-token":{"auth":"bWU6cHc"}}}"#;
        assert_eq!(asked(&[other], "docker.io", "library/a"), "none");
    }

    #[test]
    fn the_closest_scope_counts() {
        // `ns:1`, `all:2`
        let file = r#"{"auths":{"x.io/ns":{"auth":"bnM6MQ=="},"x.io":{"auth":"YWxsOjI="}}}"#;
        assert_eq!(asked(&[file], "x.io", "ns/repo"), "ns:1");
        assert_eq!(asked(&[file], "x.io", "nsx/repo"), "all:2");
        assert_eq!(asked(&[file], "x.io", "ns"), "ns:1");
    }

    #[test]
    fn a_helper_of_a_registry_comes_first_and_a_later_file_fills_in() {
        let docker = r#"{"credHelpers":{"docker.io":"hub"},"credsStore":"empty"}"#;
        let podman = r#"{"auths":{"docker.io":{"auth":"bWU6cHc="},"x.io":{"auth":"bWU6cHc="}}}"#;
        let files = [docker, podman];
        assert_eq!(asked(&files, "docker.io", "library/a"), "hub:from-helper");
        assert_eq!(asked(&files, "x.io", "a"), "me:pw");
        let broken = r#"{"credsStore":"broken","auths":{"x.io":{"auth":"bWU6cHc="}}}"#;
        assert_eq!(
            asked(&[broken], "x.io", "a"),
            "docker-credential-broken: no keyring"
        );
    }

    #[test]
    fn the_source_is_the_file_and_the_helper() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.json");
        let text = r#"{"credHelpers":{"docker.io":"hub"},"auths":{"x.io":{"auth":"bWU6cHc="}}}"#;
        fs::write(&file, text).unwrap();
        let keychain = DockerConfig::new(vec![file.clone()], Arc::new(Known));
        let helper = |registry: &str| {
            let found = keychain.source(registry, "library/a").unwrap()?;
            assert_eq!(found.file, file);
            Some(found.helper)
        };
        let hub = Some("docker-credential-hub".to_string());
        assert_eq!(helper("docker.io"), Some(hub));
        assert_eq!(helper("x.io"), Some(None));
        assert_eq!(helper("y.io"), None);
    }

    #[test]
    fn a_broken_file_is_named_and_not_quoted() {
        let wrong = r#"{"auths":{"x.io":"hunter2"}}"#;
        let error = asked(&[wrong], "x.io", "a");
        assert_eq!(
            error,
            "0.json is not as docker writes it: line 1, column 26"
        );
        let wrong = r#"{"auths":{"x.io":{"auth":"hunter2"}}}"#;
        assert_eq!(
            asked(&[wrong], "x.io", "a"),
            "0.json: cannot read the `auth` of `x.io`"
        );
    }
}
