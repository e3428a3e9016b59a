//! Registries, spoken to directly: images and indexes are read, copied, joined and proved without a daemon or a local store.
//!
//! A [`Repository`] is one place of images: [`Client::repository`] gives those of registries, [`Layout`] is a folder in the
//! OCI image layout. What is done with them is written for any: [`assemble`] makes indexes, [`inspect`] reads them,
//! [`verify`] proves them.
//!
//! What always holds: bytes are kept as they are and checked against their digest; a tag moves last. Nothing here reads the
//! environment or prints: [`Client`] is given its [`Transport`] and credentials.
//!
//! The rules are those of the OCI distribution specification 1.1 and image specification 1.1, and Docker's registry documentation
//! (`distribution/docs/spec/auth`).

pub mod assemble;
mod auth;
mod client;
mod credentials;
mod digest;
mod error;
#[cfg(any(test, feature = "testing"))]
pub mod fake;
pub mod hosts;
mod http;
mod index;
pub mod inspect;
mod layout;
mod listing;
mod location;
mod media;
mod reference;
pub mod repair;
mod repository;
mod spelling;
mod transport;
pub mod verify;
mod web;

pub use client::{Client, ClientOptions, Greeting, RegistryOptions, Trial, printable};
pub use credentials::{
    Anonymous, Credentials, CredentialsSource, DockerConfig, HelperPrograms, Helpers, Keychain,
    default_files,
};
pub use digest::{Digest, ParseDigestError, Verified};
pub use error::{ErrorKind, RegistryError};
pub use http::{Cancelled, Http, HttpOptions, Proxies};
pub use layout::Layout;
pub use location::{Location, Places};
pub use media::{
    Descriptor, Document, ImageConfig, ImageIndex, ImageManifest, Kind, MediaType, Rootfs,
};
pub use reference::Reference;
pub use repository::{Opened, Repository, Which};
pub use spelling::{Spelling, is_lost, spelling};
pub use transport::{Body, Method, Request, Response, Transport, TransportError};
pub use web::{Web, WebError};
