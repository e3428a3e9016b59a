//! Registries, spoken to over a [`Transport`].
//!
//! A [`Client`] knows what holds for all requests: how each registry wants to be asked, which tokens there are, how many
//! requests may run side by side, when one is tried again. `request` brings one request to its answer, `token` fetches tokens,
//! `remote` is a [`Repository`](super::Repository) of such requests, `download` and `upload` move blobs, `readiness` asks whether they could be.
//!
//! What always holds: credentials go to the registry that they are for and to its token service, and to no other host.

mod download;
mod readiness;
mod remote;
mod request;
pub(super) mod retry;
mod slots;
mod token;
mod upload;
pub(super) mod url;
mod words;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use readiness::{Greeting, Trial};
use remote::Remote;
pub(super) use words::plain;
pub use words::printable;

use super::auth::{Challenge, Scopes, Tokens};
use super::credentials::Keychain;
use super::transport::Transport;
use super::{Digest, Reference, Repository};
use slots::Slots;
use url::Url;

/// How registries are spoken to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientOptions {
    /// What is special about a registry, by its name in references: `docker.io`, `127.0.0.1:5000`.
    pub registries: BTreeMap<String, RegistryOptions>,
    /// Whether those of which nothing is said there are spoken to in plain HTTP. By default those on this machine are.
    pub plain_http: Option<bool>,
    /// The most requests that are made side by side.
    pub side_by_side: usize,
    /// The most blobs that are sent besides them. These share what the net carries, and are to end before anybody loses patience.
    pub uploads: usize,
    /// The longest wait before each further attempt. Some part of it is waited, by chance.
    pub retry_waits: Vec<Duration>,
    /// What the client calls itself.
    pub user_agent: String,
}

/// What is special about a registry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RegistryOptions {
    /// Whether it is spoken to in plain HTTP. By default those on this machine are.
    pub plain_http: Option<bool>,
    /// Another registry that has the same repositories, asked first for what is read: `mirror.gcr.io`.
    pub mirror: Option<String>,
}

impl Default for ClientOptions {
    fn default() -> ClientOptions {
        ClientOptions {
            registries: BTreeMap::new(),
            plain_http: None,
            side_by_side: 64,
            uploads: 16,
            retry_waits: [500, 1000, 2000, 4000].map(Duration::from_millis).to_vec(),
            user_agent: concat!("crossfile/", env!("CARGO_PKG_VERSION")).to_string(),
        }
    }
}

impl RegistryOptions {
    /// Plain HTTP, or TLS, whatever the host.
    #[must_use]
    pub fn with_plain_http(mut self, plain: bool) -> RegistryOptions {
        self.plain_http = Some(plain);
        self
    }

    /// A mirror to read from.
    #[must_use]
    pub fn with_mirror(mut self, mirror: impl Into<String>) -> RegistryOptions {
        self.mirror = Some(mirror.into());
        self
    }
}

/// Speaks to registries. Clones share connections, tokens and bounds.
///
/// ```no_run
/// use std::sync::Arc;
/// use crossfile::registry::{Anonymous, Client, ClientOptions, Http, HttpOptions, Reference, Repository};
///
/// let transport = Arc::new(Http::new(HttpOptions::default())?);
/// let client = Client::new(transport, Arc::new(Anonymous), ClientOptions::default());
/// let reference: Reference = "alpine:3.22".parse()?;
/// let document = client.repository(&reference).manifest(&reference.which())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("options", &self.inner.options)
            .finish_non_exhaustive()
    }
}

struct Inner {
    transport: Arc<dyn Transport>,
    keychain: Arc<dyn Keychain>,
    options: ClientOptions,
    slots: Arc<Slots>,
    /// For what sends blobs.
    uploads: Arc<Slots>,
    registries: Mutex<BTreeMap<String, Arc<Registry>>>,
}

/// A registry, with what was learnt about it.
struct Registry {
    /// Its name in references.
    name: String,
    /// Its address: `https://ghcr.io/v2/`.
    base: Url,
    learnt: Mutex<Learnt>,
    tokens: Tokens,
}

#[derive(Default)]
struct Learnt {
    challenge: Option<Challenge>,
    /// What a registry wants beyond the scopes of the specification.
    scopes: BTreeMap<Scopes, Scopes>,
    /// Uploads that were begun and not used, by repository and blob: what a mount that was not done leaves.
    uploads: BTreeMap<(String, Digest), Url>,
    /// Whether connections were made ahead once.
    is_prepared: bool,
}

impl Registry {
    fn learnt(&self) -> MutexGuard<'_, Learnt> {
        // Nothing panics while it holds the lock.
        self.learnt.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An address of this registry: `acme/nginx/manifests/latest`.
    fn url(&self, path: &str) -> Option<Url> {
        self.base.join(path)
    }
}

impl Client {
    /// A client that speaks through `transport` and is known by what `keychain` has.
    pub fn new(
        transport: Arc<dyn Transport>,
        keychain: Arc<dyn Keychain>,
        options: ClientOptions,
    ) -> Client {
        Client {
            inner: Arc::new(Inner {
                transport,
                keychain,
                slots: Slots::new(options.side_by_side),
                uploads: Slots::new(options.uploads.min(options.side_by_side)),
                options,
                registries: Mutex::default(),
            }),
        }
    }

    /// The repository that a reference is in, to read from, and to write to where that is allowed.
    pub fn repository(&self, reference: &Reference) -> Arc<dyn Repository> {
        Arc::new(self.remote(reference, false))
    }

    /// The same, past any mirror: for what is written back, joined or proved, a mirror's older state would be a fault.
    pub fn repository_itself(&self, reference: &Reference) -> Arc<dyn Repository> {
        let registry = self.inner.registry(&reference.registry);
        let repository = reference.repository.clone();
        Arc::new(Remote::new(
            self.inner.clone(),
            registry,
            None,
            repository,
            false,
        ))
    }

    /// The same, of which it is known that it will be written to: it asks for the right to write from the beginning, which
    /// saves fetching a second token, and reads no mirror, which would not know what was written.
    pub fn repository_to_write(&self, reference: &Reference) -> Arc<dyn Repository> {
        Arc::new(self.remote(reference, true))
    }

    fn remote(&self, reference: &Reference, writes: bool) -> Remote {
        let registry = self.inner.registry(&reference.registry);
        let options = self.inner.options.registries.get(&reference.registry);
        let mirror = options.and_then(|options| options.mirror.as_deref());
        let mirror = mirror.filter(|_| !writes);
        let mirror = mirror.map(|mirror| self.inner.registry(mirror));
        let repository = reference.repository.clone();
        Remote::new(self.inner.clone(), registry, mirror, repository, writes)
    }
}

impl Inner {
    fn registry(&self, name: &str) -> Arc<Registry> {
        let mut registries = self
            .registries
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let known = registries.entry(name.to_string());
        let registry = known.or_insert_with(|| {
            let options = self.options.registries.get(name);
            let plain = options.and_then(|options| options.plain_http);
            let plain = plain.or(self.options.plain_http);
            let plain = plain.unwrap_or_else(|| crate::reference::is_loopback(name));
            let host = match name {
                // Docker Hub has another name in references than on the net.
                "docker.io" => "registry-1.docker.io",
                other => other,
            };
            Arc::new(Registry {
                name: name.to_string(),
                base: Url::registry(!plain, host),
                learnt: Mutex::default(),
                tokens: Tokens::default(),
            })
        });
        registry.clone()
    }
}
