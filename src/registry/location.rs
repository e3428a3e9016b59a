//! Where an image is, in a registry or a folder.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use super::{Client, Layout, Reference, RegistryError, Repository, Which};

/// An image's place.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Location {
    /// In a registry.
    Registry(Reference),
    /// In a folder in the OCI image layout, written `oci:DIR`, `oci:DIR:NAME` or `oci:DIR@DIGEST`, as skopeo and buildah have it. Without a name it
    /// is the only image there.
    Layout {
        /// The folder.
        folder: PathBuf,
        /// The image in it; the empty name is the only one.
        which: Which,
    },
}

impl Location {
    /// The image in its repository.
    pub fn which(&self) -> Which {
        match self {
            Location::Registry(reference) => reference.which(),
            Location::Layout { which, .. } => which.clone(),
        }
    }
}

impl FromStr for Location {
    type Err = String;

    fn from_str(text: &str) -> Result<Location, String> {
        let Some(rest) = text.strip_prefix("oci:") else {
            return text.parse().map(Location::Registry);
        };
        let (folder, which) = match (rest.split_once('@'), rest.split_once(':')) {
            (Some((folder, digest)), _) if !folder.contains(':') => {
                let digest = digest.parse().map_err(|error| format!("{error}"))?;
                (folder, Which::Digest(digest))
            }
            (_, Some((folder, name))) => (folder, Which::Tag(name.to_string())),
            _ => (rest, Which::Tag(String::new())),
        };
        match folder {
            "" => Err(format!(
                "`{text}` names no folder: write `oci:DIR` or `oci:DIR:NAME`"
            )),
            folder => Ok(Location::Layout {
                folder: PathBuf::from(folder),
                which,
            }),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::Registry(reference) => reference.fmt(f),
            Location::Layout { folder, which } => {
                write!(f, "oci:{}", folder.display())?;
                match which {
                    Which::Tag(name) if name.is_empty() => Ok(()),
                    Which::Tag(name) => write!(f, ":{name}"),
                    Which::Digest(digest) => write!(f, "@{digest}"),
                }
            }
        }
    }
}

/// Opens repositories: those of registries by a client, and layouts below a folder.
#[derive(Clone, Debug)]
pub struct Places {
    folder: PathBuf,
    client: Client,
}

impl Places {
    /// Layouts are relative to `folder`.
    pub fn new(folder: &Path, client: Client) -> Places {
        Places {
            folder: folder.to_path_buf(),
            client,
        }
    }

    /// The repository of an image that is read. Mirrors are left out: what they have may be older.
    ///
    /// # Errors
    /// A folder is no layout.
    pub fn open(&self, location: &Location) -> Result<Arc<dyn Repository>, RegistryError> {
        match location {
            Location::Registry(reference) => Ok(self.client.repository_itself(reference)),
            Location::Layout { folder, .. } => Ok(Arc::new(Layout::open_as(
                &self.folder.join(folder),
                &folder.display().to_string(),
            )?)),
        }
    }

    /// The repository of an image that is written: a layout that is not there is made.
    ///
    /// # Errors
    /// A folder holds something else, or cannot be made.
    pub fn create(&self, location: &Location) -> Result<Arc<dyn Repository>, RegistryError> {
        match location {
            Location::Registry(reference) => Ok(self.client.repository_to_write(reference)),
            Location::Layout { folder, .. } => Ok(Arc::new(Layout::create_as(
                &self.folder.join(folder),
                &folder.display().to_string(),
            )?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_told_from_references() {
        let shown = |text: &str| match text.parse::<Location>() {
            Ok(Location::Layout { folder, which }) => format!("{} | {which}", folder.display()),
            Ok(Location::Registry(reference)) => reference.to_string(),
            Err(error) => error,
        };
        assert_eq!(shown("oci:out"), "out | ");
        assert_eq!(shown("oci:a/b:1.27"), "a/b | 1.27");
        assert_eq!(shown("oci:out:acme/nginx:1.27"), "out | acme/nginx:1.27");
        let digest = super::super::Digest::of(b"");
        assert_eq!(
            shown(&format!("oci:out@{digest}")),
            format!("out | {digest}")
        );
        assert_eq!(shown("alpine"), "docker.io/library/alpine:latest");
        assert_eq!(
            shown("oci:"),
            "`oci:` names no folder: write `oci:DIR` or `oci:DIR:NAME`"
        );
        for text in ["oci:out", "oci:out:1"] {
            assert_eq!(text.parse::<Location>().unwrap().to_string(), text);
        }
    }
}
