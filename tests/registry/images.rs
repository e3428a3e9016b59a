//! Small images for tests, in any repository.

use std::io::Cursor;

use crossfile::registry::{Descriptor, Digest, Document, MediaType, Opened, Repository, Which};

/// The parts of an image.
pub(crate) struct Image {
    pub(crate) platform: &'static str,
    pub(crate) docker: bool,
    /// What the one layer holds; two images with the same share it.
    pub(crate) layer: Vec<u8>,
    pub(crate) os_version: &'static str,
}

impl Image {
    pub(crate) fn new(platform: &'static str) -> Image {
        Image {
            platform,
            docker: false,
            layer: format!("layer of {platform}").into_bytes(),
            os_version: "",
        }
    }

    pub(crate) fn config(&self) -> Vec<u8> {
        let mut parts = self.platform.split('/');
        let mut config = serde_json::json!({
            "os": parts.next(), "architecture": parts.next(), "created": "2026-11-01T10:00:00Z",
            "rootfs": {"type": "layers", "diff_ids": [Digest::of(&self.layer)]},
        });
        if let Some(variant) = parts.next() {
            config["variant"] = variant.into();
        }
        if !self.os_version.is_empty() {
            config["os.version"] = self.os_version.into();
        }
        config.to_string().into_bytes()
    }

    pub(crate) fn manifest(&self) -> Document {
        let (manifest, config, layer) = match self.docker {
            true => (
                MediaType::DOCKER_MANIFEST,
                MediaType::DOCKER_CONFIG,
                "application/vnd.docker.image.rootfs.diff.tar.gzip",
            ),
            false => (
                MediaType::OCI_MANIFEST,
                MediaType::OCI_CONFIG,
                "application/vnd.oci.image.layer.v1.tar",
            ),
        };
        let blob = |kind: &str, bytes: &[u8]| serde_json::json!({"mediaType": kind, "digest": Digest::of(bytes), "size": bytes.len()});
        let text = serde_json::json!({
            "schemaVersion": 2, "mediaType": manifest,
            "config": blob(config, &self.config()), "layers": [blob(layer, &self.layer)],
        });
        Document::new(manifest, text.to_string().into_bytes())
    }

    /// Stores it whole.
    pub(crate) fn put(&self, repository: &dyn Repository, tag: &str) -> Document {
        for bytes in [self.config(), self.layer.clone()] {
            put_blob(repository, &bytes);
        }
        let manifest = self.manifest();
        repository
            .put_manifest(&Which::Tag(tag.to_string()), &manifest)
            .unwrap();
        manifest
    }
}

pub(crate) fn put_blob(repository: &dyn Repository, bytes: &[u8]) -> Descriptor {
    let blob = Descriptor::new("", Digest::of(bytes), bytes.len() as u64);
    let open = || Ok(Box::new(Cursor::new(bytes.to_vec())) as Opened);
    repository.put_blob(&blob, &open).unwrap();
    blob
}

/// The attestation of an image, as BuildKit stores it.
pub(crate) fn attestation(repository: &dyn Repository, subject: &Digest) -> Descriptor {
    let config = put_blob(repository, br#"{"architecture":"unknown","os":"unknown"}"#);
    let statement = put_blob(
        repository,
        format!(r#"{{"subject":"{subject}"}}"#).as_bytes(),
    );
    let text = serde_json::json!({
        "schemaVersion": 2, "mediaType": MediaType::OCI_MANIFEST,
        "config": {"mediaType": MediaType::OCI_CONFIG, "digest": config.digest, "size": config.size},
        "layers": [{"mediaType": "application/vnd.in-toto+json", "digest": statement.digest, "size": statement.size,
            "annotations": {"in-toto.io/predicate-type": "https://slsa.dev/provenance/v0.2"}}],
    });
    let manifest = Document::new(MediaType::OCI_MANIFEST, text.to_string().into_bytes());
    repository
        .put_manifest(&Which::Digest(manifest.digest.clone()), &manifest)
        .unwrap();
    let mut entry = manifest.descriptor();
    entry.platform = Some(crossfile::Platform::new("unknown", "unknown", ""));
    entry.annotations.insert(
        "vnd.docker.reference.type".to_string(),
        "attestation-manifest".to_string(),
    );
    entry.annotations.insert(
        "vnd.docker.reference.digest".to_string(),
        subject.to_string(),
    );
    entry
}

/// Stores an index over entries as they are.
pub(crate) fn put_index(
    repository: &dyn Repository,
    tag: &str,
    entries: &[Descriptor],
) -> Document {
    let text = serde_json::json!({"schemaVersion": 2, "mediaType": MediaType::OCI_INDEX, "manifests": entries});
    let index = Document::new(MediaType::OCI_INDEX, text.to_string().into_bytes());
    repository
        .put_manifest(&Which::Tag(tag.to_string()), &index)
        .unwrap();
    index
}

/// An image as an index names it.
pub(crate) fn entry(manifest: &Document, platform: &str) -> Descriptor {
    let mut entry = manifest.descriptor();
    let mut parts = platform.split('/');
    let mut part = || parts.next().unwrap_or_default();
    entry.platform = Some(crossfile::Platform::new(part(), part(), part()));
    entry
}
