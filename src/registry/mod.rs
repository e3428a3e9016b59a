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

mod digest;
mod error;
mod media;
mod reference;
mod repository;
mod transport;

pub use digest::{Digest, ParseDigestError, Verified};
pub use error::{ErrorKind, RegistryError};
pub use media::{
    Descriptor, Document, ImageConfig, ImageIndex, ImageManifest, Kind, MediaType, Rootfs,
};
pub use reference::Reference;
pub use repository::{Opened, Repository, Which};
pub use transport::{Body, Method, Request, Response, Transport, TransportError};
