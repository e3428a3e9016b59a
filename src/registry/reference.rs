//! Where an image is: registry, repository, tag or digest.

use std::str::FromStr;

use super::Digest;
use crate::reference::Parts;

/// A complete reference whose digest was looked at.
pub type Reference = Parts<Digest>;

impl Reference {
    /// The tag or digest by which the image is asked for.
    pub fn which(&self) -> super::Which {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => super::Which::Digest(digest.clone()),
            (None, Some(tag)) => super::Which::Tag(tag.clone()),
            (None, None) => super::Which::Tag("latest".to_string()),
        }
    }

    /// The registry and repository.
    pub fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// The same repository with a digest in the place of tag and digest.
    #[must_use]
    pub fn with_digest(&self, digest: &Digest) -> Reference {
        Reference {
            tag: None,
            digest: Some(digest.clone()),
            ..self.clone()
        }
    }
}

impl FromStr for Reference {
    type Err = String;

    fn from_str(text: &str) -> Result<Reference, String> {
        let parts: Parts = text.parse()?;
        let digest = parts.digest.map(|digest| digest.parse::<Digest>());
        Ok(Reference {
            registry: parts.registry,
            repository: parts.repository,
            tag: parts.tag,
            digest: digest.transpose().map_err(|error| error.to_string())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str) -> String {
        text.parse::<Reference>()
            .map_or_else(|error| error, |reference| reference.to_string())
    }

    #[test]
    fn short_references_are_completed_as_docker_does() {
        let digest = Digest::of(b"");
        assert_eq!(whole("alpine"), "docker.io/library/alpine:latest");
        assert_eq!(
            whole("arm32v7/alpine:3.22"),
            "docker.io/arm32v7/alpine:3.22"
        );
        assert_eq!(whole("index.docker.io/a/b"), "docker.io/a/b:latest");
        assert_eq!(whole("localhost/a"), "localhost/a:latest");
        assert_eq!(whole("127.0.0.1:5000/a:b"), "127.0.0.1:5000/a:b");
        assert_eq!(
            whole(&format!("alpine@{digest}")),
            format!("docker.io/library/alpine@{digest}")
        );
        assert_eq!(
            whole(&format!("alpine:3@{digest}")),
            format!("docker.io/library/alpine:3@{digest}")
        );
        for wrong in ["", "a b", "Alpine", "alpine@sha256:12", "alpine:", "a//b"] {
            assert!(wrong.parse::<Reference>().is_err(), "{wrong}");
        }
    }
}
