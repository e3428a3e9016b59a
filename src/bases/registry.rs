//! Looking base images up in registries.

use std::io::Read;
use std::sync::Arc;

use super::{Found, Lookup};
use crate::arch::Platform;
use crate::registry::{
    Document, ErrorKind, ImageConfig, Kind, MediaType, Reference, RegistryError, Repository, Which,
};

/// The most that the configuration of an image may have. Docker's own are some kilobytes.
const MOST: u64 = 4 << 20;

/// Looks images up in the repositories that it is given.
pub struct RegistryLookup<F> {
    open: F,
}

impl<F> RegistryLookup<F>
where
    F: Fn(&Reference) -> Arc<dyn Repository> + Sync,
{
    /// `open` gives the repository of a reference.
    pub fn new(open: F) -> RegistryLookup<F> {
        RegistryLookup { open }
    }
}

impl<F> Lookup for RegistryLookup<F>
where
    F: Fn(&Reference) -> Arc<dyn Repository> + Sync,
{
    fn look_up(&self, reference: &str) -> Result<Found, String> {
        let reference: Reference = reference.parse()?;
        let repository = (self.open)(&reference);
        look_up(repository.as_ref(), &reference.which()).map_err(|error| error.to_string())
    }
}

/// What a tag or digest of a repository leads to. An index is one request, a single image two.
///
/// # Errors
/// The repository cannot be asked, or has something that is no image.
pub fn look_up(repository: &dyn Repository, which: &Which) -> Result<Found, RegistryError> {
    let Some(document) = repository.manifest(which)? else {
        return Ok(Found::Missing);
    };
    let wrong = |what: String| {
        let request = format!("GET manifests/{which}");
        RegistryError::new(repository.name(), request, ErrorKind::Malformed(what))
    };
    match document.kind() {
        Some(Kind::Image) => Ok(Found::Image {
            platform: platform(repository, &document)?,
            digest: document.digest.to_string(),
        }),
        Some(Kind::Index) => {
            let mut entries = Vec::new();
            for entry in document.index().map_err(wrong)?.manifests {
                if entry.is_of_no_platform() {
                    continue;
                }
                let platform = match entry.platform {
                    Some(platform) => platform,
                    // An index need not say it: then the image does.
                    None if [MediaType::OCI_MANIFEST, MediaType::DOCKER_MANIFEST]
                        .contains(&entry.media_type.as_str()) =>
                    {
                        let which = Which::Digest(entry.digest.clone());
                        match repository.manifest(&which)? {
                            Some(image) => platform(repository, &image)?,
                            None => continue,
                        }
                    }
                    None => continue,
                };
                entries.push((platform, entry.digest.to_string()));
            }
            Ok(Found::Index {
                digest: document.digest.to_string(),
                entries,
            })
        }
        None => Err(wrong(format!("`{}` is no image", document.media_type))),
    }
}

/// The platform that an image's configuration says.
fn platform(repository: &dyn Repository, document: &Document) -> Result<Platform, RegistryError> {
    let wrong = |what: String| {
        let request = format!("GET manifests/{}", document.digest);
        RegistryError::new(repository.name(), request, ErrorKind::Malformed(what))
    };
    let image = document.image().map_err(wrong)?;
    if !image.is_container() {
        let what = format!(
            "this is no container image but `{}`",
            image.config.media_type
        );
        return Err(wrong(what));
    }
    if image.config.size > MOST {
        return Err(wrong(format!(
            "its configuration has {} bytes, and at most {MOST} are read",
            image.config.size
        )));
    }
    let mut bytes = Vec::new();
    let mut blob = repository.blob(&image.config)?.take(MOST + 1);
    blob.read_to_end(&mut bytes).map_err(|error| {
        let request = format!("GET blobs/{}", image.config.digest);
        RegistryError::new(
            repository.name(),
            request,
            ErrorKind::Broken(error.to_string()),
        )
    })?;
    let config = ImageConfig::read(&bytes).map_err(wrong)?;
    Ok(config.platform)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::registry::{Descriptor, Digest, Opened};

    /// Contents by tag and digest.
    #[derive(Clone, Default)]
    struct Memory {
        manifests: BTreeMap<Which, Document>,
        blobs: BTreeMap<Digest, Vec<u8>>,
    }

    impl Memory {
        fn put(&mut self, tag: &str, media_type: &str, text: String) -> Descriptor {
            let document = Document::new(media_type, text.into_bytes());
            let descriptor = document.descriptor();
            for which in [
                Which::Tag(tag.to_string()),
                Which::Digest(document.digest.clone()),
            ] {
                self.manifests.insert(which, document.clone());
            }
            descriptor
        }

        fn image(&mut self, tag: &str, config: &str, media_type: &str) -> Descriptor {
            let digest = Digest::of(config.as_bytes());
            self.blobs.insert(digest.clone(), config.into());
            let config = Descriptor::new(media_type, digest, config.len() as u64);
            let config = serde_json::to_string(&config).unwrap();
            let text = format!("{{\"schemaVersion\":2,\"config\":{config},\"layers\":[]}}");
            self.put(tag, MediaType::OCI_MANIFEST, text)
        }
    }

    impl Repository for Memory {
        fn name(&self) -> String {
            "memory/x".to_string()
        }
        fn manifest(&self, which: &Which) -> Result<Option<Document>, RegistryError> {
            Ok(self.manifests.get(which).cloned())
        }
        fn has_manifest(&self, _: &Digest) -> Result<bool, RegistryError> {
            Ok(false)
        }
        fn blob_size(&self, _: &Digest) -> Result<Option<u64>, RegistryError> {
            Ok(None)
        }
        fn blob(&self, blob: &Descriptor) -> Result<Opened, RegistryError> {
            let bytes = self.blobs[&blob.digest].clone();
            Ok(Box::new(std::io::Cursor::new(bytes)))
        }
        fn put_manifest(&self, _: &Which, _: &Document) -> Result<(), RegistryError> {
            Ok(())
        }
        fn put_blob(
            &self,
            _: &Descriptor,
            _: &dyn Fn() -> Result<Opened, RegistryError>,
        ) -> Result<(), RegistryError> {
            Ok(())
        }
        fn mount(&self, _: &Descriptor, _: &dyn Repository) -> Result<bool, RegistryError> {
            Ok(false)
        }
    }

    #[test]
    fn tags_lead_to_images_and_indexes() {
        let mut memory = Memory::default();
        let config = r#"{"os":"linux","architecture":"arm","variant":"v6"}"#;
        let image = memory.image("one", config, MediaType::DOCKER_CONFIG);
        memory.image("chart", "{}", "application/vnd.cncf.helm.config.v1+json");
        let attestation = r#"{"vnd.docker.reference.type":"attestation-manifest","vnd.docker.reference.digest":"sha256:1"}"#;
        let (media_type, digest, size) = (&image.media_type, &image.digest, image.size);
        let entry =
            format!("\"mediaType\":\"{media_type}\",\"digest\":\"{digest}\",\"size\":{size}");
        let amd64 = r#""platform":{"os":"linux","architecture":"amd64"}"#;
        let unknown = r#""platform":{"os":"unknown","architecture":"unknown"}"#;
        let text = format!(
            "{{\"schemaVersion\":2,\"manifests\":[{{{entry},{amd64}}},{{{entry}}},{{{entry},{unknown},\"annotations\":{attestation}}}]}}"
        );
        let index = memory.put("all", MediaType::OCI_INDEX, text);
        memory.put("page", "text/html", "<html>".to_string());

        let open = memory.clone();
        let lookup = RegistryLookup::new(move |reference: &Reference| {
            assert_eq!(reference.name(), "example.com/x");
            Arc::new(open.clone()) as Arc<dyn Repository>
        });
        let found = |tag: &str| lookup.look_up(&format!("example.com/x:{tag}"));
        let v6 = Platform::new("linux", "arm", "v6");
        assert_eq!(
            found("one"),
            Ok(Found::Image {
                digest: digest.to_string(),
                platform: v6.clone()
            })
        );
        assert_eq!(
            found("all"),
            Ok(Found::Index {
                digest: index.digest.to_string(),
                // What the index does not say, the image does; attestations are no images.
                entries: vec![
                    (Platform::new("linux", "amd64", ""), digest.to_string()),
                    (v6, digest.to_string())
                ]
            })
        );
        assert_eq!(found("none"), Ok(Found::Missing));
        let wrong = found("chart").unwrap_err();
        assert!(
            wrong.contains("memory/x") && wrong.contains("helm"),
            "{wrong}"
        );
        let wrong = found("page").unwrap_err();
        assert!(wrong.contains("`text/html` is no image"), "{wrong}");
    }
}
