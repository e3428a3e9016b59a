//! The documents of images: descriptors, manifests, indexes, configurations, in the forms of OCI and Docker.
//!
//! Read leniently, since registries hold what many tools wrote; written in one order of fields, so that the same index is the
//! same bytes on every machine. `oci-spec`'s types refuse some of what is out there, and know no Docker media types.
//!
//! Source: OCI image specification 1.1, descriptor.md, manifest.md, image-index.md, config.md; Docker, `image-manifest-v2-2`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Digest;
use crate::arch::Platform;

/// The media types that are spoken.
pub struct MediaType;

impl MediaType {
    /// An OCI image index.
    pub const OCI_INDEX: &'static str = "application/vnd.oci.image.index.v1+json";
    /// An OCI image manifest.
    pub const OCI_MANIFEST: &'static str = "application/vnd.oci.image.manifest.v1+json";
    /// An OCI image configuration.
    pub const OCI_CONFIG: &'static str = "application/vnd.oci.image.config.v1+json";
    /// A Docker manifest list.
    pub const DOCKER_LIST: &'static str =
        "application/vnd.docker.distribution.manifest.list.v2+json";
    /// A Docker image manifest.
    pub const DOCKER_MANIFEST: &'static str =
        "application/vnd.docker.distribution.manifest.v2+json";
    /// A Docker image configuration.
    pub const DOCKER_CONFIG: &'static str = "application/vnd.docker.container.image.v1+json";
    /// All manifests and indexes, as an Accept header has them.
    pub const ACCEPT: &'static str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";
}

/// What a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An index or a manifest list.
    Index,
    /// The manifest of one image, or of something else in an image's form.
    Image,
}

/// A manifest or index as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Document {
    /// The media type that it was served with, or says itself.
    pub media_type: String,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Their digest.
    pub digest: Digest,
}

impl Document {
    /// Bytes of a media type.
    pub fn new(media_type: impl Into<String>, bytes: Vec<u8>) -> Document {
        let digest = Digest::of(&bytes);
        Document {
            media_type: media_type.into(),
            bytes,
            digest,
        }
    }

    /// Bytes whose digest is known and was compared.
    pub fn with_digest(media_type: impl Into<String>, bytes: Vec<u8>, digest: Digest) -> Document {
        Document {
            media_type: media_type.into(),
            bytes,
            digest,
        }
    }

    /// What it is, by its media type, else by its fields; nothing where it is neither.
    pub fn kind(&self) -> Option<Kind> {
        match self.media_type.as_str() {
            MediaType::OCI_INDEX | MediaType::DOCKER_LIST => return Some(Kind::Index),
            MediaType::OCI_MANIFEST | MediaType::DOCKER_MANIFEST => return Some(Kind::Image),
            _ => {}
        }
        let fields: BTreeMap<String, serde_json::Value> =
            serde_json::from_slice(&self.bytes).ok()?;
        match (
            fields.contains_key("manifests"),
            fields.contains_key("config"),
        ) {
            (true, _) => Some(Kind::Index),
            (_, true) => Some(Kind::Image),
            _ => None,
        }
    }

    /// Its fields as an index.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn index(&self) -> Result<ImageIndex, String> {
        parse(&self.bytes, "index")
    }

    /// Its fields as an image.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn image(&self) -> Result<ImageManifest, String> {
        parse(&self.bytes, "manifest")
    }

    /// What an index would say of it.
    pub fn descriptor(&self) -> Descriptor {
        Descriptor::new(
            self.media_type.clone(),
            self.digest.clone(),
            self.bytes.len() as u64,
        )
    }
}

fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8], what: &str) -> Result<T, String> {
    serde_json::from_slice(bytes).map_err(|error| format!("this is no {what}: {error}"))
}

/// A content by its digest, with what is said of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Descriptor {
    /// What the content is.
    #[serde(default, deserialize_with = "or_default")]
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// The platform that an index says it runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Where else the content is.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "or_default"
    )]
    pub urls: Vec<String>,
    /// Annotations.
    #[serde(
        default,
        skip_serializing_if = "is_empty",
        deserialize_with = "or_default"
    )]
    pub annotations: BTreeMap<String, String>,
    /// What an artifact is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The content itself, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
}

impl Descriptor {
    /// A content of so many bytes.
    pub fn new(media_type: impl Into<String>, digest: Digest, size: u64) -> Descriptor {
        Descriptor {
            media_type: media_type.into(),
            digest,
            size,
            platform: None,
            urls: Vec::new(),
            annotations: BTreeMap::new(),
            artifact_type: None,
            data: None,
        }
    }

    /// The manifest that an attestation of BuildKit is about; nothing where this is none.
    ///
    /// Source: BuildKit, docs/attestations/attestation-storage.md.
    pub fn attests(&self) -> Option<&str> {
        let kind = self.annotations.get("vnd.docker.reference.type")?;
        let subject = self.annotations.get("vnd.docker.reference.digest")?;
        (kind == "attestation-manifest").then_some(subject.as_str())
    }

    /// Whether its platform is `unknown/unknown`, as attestations have it.
    pub fn is_of_no_platform(&self) -> bool {
        let unknown =
            |platform: &Platform| platform.os == "unknown" && platform.architecture == "unknown";
        self.attests().is_some() || self.platform.as_ref().is_some_and(unknown)
    }

    /// The platform that an index says of an image; nothing of what is none, such as an attestation.
    pub fn image_platform(&self) -> Option<&Platform> {
        let platform = self.platform.as_ref();
        platform.filter(|_| !self.is_of_no_platform())
    }
}

fn is_empty(map: &BTreeMap<String, String>) -> bool {
    map.is_empty()
}

/// `null` reads as nothing, as it does in Go.
fn or_default<'de, D: serde::Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// An index or a manifest list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ImageIndex {
    /// Always 2.
    #[serde(default)]
    pub schema_version: u32,
    /// What it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// What an artifact is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Its entries.
    #[serde(deserialize_with = "or_default")]
    pub manifests: Vec<Descriptor>,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Annotations.
    #[serde(
        default,
        skip_serializing_if = "is_empty",
        deserialize_with = "or_default"
    )]
    pub annotations: BTreeMap<String, String>,
}

/// The manifest of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ImageManifest {
    /// Always 2.
    #[serde(default)]
    pub schema_version: u32,
    /// What it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// What an artifact is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The configuration.
    pub config: Descriptor,
    /// The layers, lowest first.
    #[serde(default, deserialize_with = "or_default")]
    pub layers: Vec<Descriptor>,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Annotations.
    #[serde(
        default,
        skip_serializing_if = "is_empty",
        deserialize_with = "or_default"
    )]
    pub annotations: BTreeMap<String, String>,
}

impl ImageManifest {
    /// Whether it is a container image, by its configuration, and no artifact in an image's form.
    pub fn is_container(&self) -> bool {
        let config = self.config.media_type.as_str();
        matches!(config, MediaType::OCI_CONFIG | MediaType::DOCKER_CONFIG)
    }
}

/// The configuration of an image, as far as it is needed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct ImageConfig {
    /// The platform.
    #[serde(flatten)]
    pub platform: Platform,
    /// When it was made, as RFC 3339 has it.
    #[serde(default)]
    pub created: Option<String>,
    /// Its layers.
    #[serde(default, deserialize_with = "or_default")]
    pub rootfs: Rootfs,
}

/// The uncompressed layers of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Rootfs {
    /// Their digests, lowest first.
    #[serde(default, deserialize_with = "or_default")]
    pub diff_ids: Vec<String>,
}

impl ImageConfig {
    /// Reads a configuration.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(bytes: &[u8]) -> Result<ImageConfig, String> {
        parse(bytes, "image configuration")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_other_tools_wrote_is_read() {
        let config =
            br#"{"architecture":"arm","variant":"v6","os":"linux","rootfs":null,"extra":1}"#;
        let config = ImageConfig::read(config).unwrap();
        assert_eq!(config.platform.to_string(), "linux/arm/v6");
        let index = br#"{"schemaVersion":2,"manifests":null,"annotations":null}"#;
        assert_eq!(
            Document::new("", index.to_vec()).index().unwrap().manifests,
            []
        );
        assert_eq!(Document::new("", index.to_vec()).kind(), Some(Kind::Index));
        let none = Document::new("text/html", b"<html>".to_vec());
        assert_eq!(none.kind(), None);
        assert!(none.index().unwrap_err().starts_with("this is no index: "));
    }
}
