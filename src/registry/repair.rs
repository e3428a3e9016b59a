//! Mending the platforms of an index.

use serde_json::Value;

use super::spelling::spelled;
use super::{Descriptor, Digest, Document, Spelling, spelling};
use crate::arch::Platform;

/// A new index in the place of one with misspelt platforms.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Repair {
    /// The new index: the old one but for the platforms.
    pub index: Document,
    /// What changes, in the order of the entries.
    pub changes: Vec<Change>,
}

/// A platform that is rewritten.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// The image.
    pub digest: Digest,
    /// What the index says of it.
    pub before: Platform,
    /// What it should say.
    pub after: Platform,
}

/// Works out the index with every platform in its right spelling; with no changes it is right as it is. What leaves open which platform it is stays:
/// nobody but its maker knows.
///
/// # Errors
/// It is no index.
pub fn repair(document: &Document) -> Result<Repair, String> {
    let index = document.index()?;
    // As a tree, so that fields which nobody here knows stay.
    let mut tree: Value =
        serde_json::from_slice(&document.bytes).map_err(|error| error.to_string())?;
    let mut changes = Vec::new();
    for (at, entry) in index.manifests.iter().enumerate() {
        let Some(platform) = entry.image_platform() else {
            continue;
        };
        let Spelling::Instead(right) = spelling(platform) else {
            continue;
        };
        let said = tree
            .pointer_mut(&format!("/manifests/{at}/platform"))
            .and_then(Value::as_object_mut);
        let Some(said) = said else { continue };
        said.insert("os".to_string(), right.os.clone().into());
        said.insert(
            "architecture".to_string(),
            right.architecture.clone().into(),
        );
        match right.variant.as_str() {
            "" => {
                said.remove("variant");
            }
            variant => {
                said.insert("variant".to_string(), variant.into());
            }
        }
        changes.push(Change {
            digest: entry.digest.clone(),
            before: platform.clone(),
            after: right,
        });
    }
    without_twins(&mut tree, &index.manifests, &changes)?;
    if changes.is_empty() {
        return Ok(Repair {
            index: document.clone(),
            changes,
        });
    }
    let bytes = serde_json::to_vec_pretty(&tree).map_err(|error| error.to_string())?;
    Ok(Repair {
        index: Document::new(document.media_type.clone(), bytes),
        changes,
    })
}

/// Takes entries out that say the same as a mended one. Another image of the same platform is no matter of spelling: which of the two machines should
/// pull is for people to say.
fn without_twins(
    tree: &mut Value,
    entries: &[Descriptor],
    changes: &[Change],
) -> Result<(), String> {
    let Some(list) = tree.get_mut("manifests").and_then(Value::as_array_mut) else {
        return Ok(());
    };
    let mut gone = Vec::new();
    for (at, entry) in entries.iter().enumerate() {
        let Some(platform) = entry.image_platform() else {
            continue;
        };
        let Some(change) = changes.iter().find(|change| {
            change.after == spelled(platform).unwrap_or_default() && change.before != *platform
        }) else {
            continue;
        };
        if change.digest != entry.digest {
            return Err(format!(
                "it has `{}` and `{platform}` with different images: make the index anew of the right ones, with `crossfile manifest`",
                change.before
            ));
        }
        gone.push(at);
    }
    for at in gone.into_iter().rev() {
        list.remove(at);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::MediaType;

    #[test]
    fn only_misspelt_platforms_change() {
        let digest = Digest::of(b"");
        let entry = |platform: &str| {
            format!(
                r#"{{"mediaType":"m","digest":"{digest}","size":1,"unknown":[1],"platform":{platform}}}"#
            )
        };
        let text = format!(
            r#"{{"schemaVersion":2,"more":true,"manifests":[{},{},{},{}]}}"#,
            entry(r#"{"os":"linux","architecture":"arm64","variant":"armv8"}"#),
            entry(r#"{"os":"linux","architecture":"amd64"}"#),
            entry(r#"{"os":"linux","architecture":"arm"}"#),
            entry(
                r#"{"os":"windows","architecture":"amd64","variant":"v1","os.version":"10.0.1.2"}"#
            ),
        );
        let document = Document::new(MediaType::DOCKER_LIST, text.into_bytes());
        let mended = repair(&document).unwrap();
        let shown: Vec<String> = mended
            .changes
            .iter()
            .map(|change| format!("{} -> {}", change.before, change.after))
            .collect();
        assert_eq!(
            shown,
            [
                "linux/arm64/armv8 -> linux/arm64/v8",
                "windows/amd64/v1 -> windows/amd64"
            ]
        );
        let index = mended.index.index().unwrap();
        let platforms: Vec<String> = index
            .manifests
            .iter()
            .map(|entry| entry.platform.as_ref().unwrap().format_all())
            .collect();
        assert_eq!(
            platforms,
            [
                "linux/arm64/v8",
                "linux/amd64",
                "linux/arm",
                "windows(10.0.1.2)/amd64"
            ]
        );
        let tree: Value = serde_json::from_slice(&mended.index.bytes).unwrap();
        assert_eq!(tree["more"], Value::Bool(true));
        assert_eq!(tree["manifests"][0]["unknown"][0], 1);
        assert_eq!(mended.index.media_type, MediaType::DOCKER_LIST);
        assert_eq!(repair(&mended.index).unwrap().changes, []);
    }

    #[test]
    fn a_mended_entry_is_no_twin_of_another() {
        let index = |one: &[u8], other: &[u8]| {
            let entry = |variant: &str, image: &[u8]| {
                let digest = Digest::of(image);
                format!(
                    r#"{{"mediaType":"m","digest":"{digest}","size":1,"platform":{{"os":"linux","architecture":"arm64","variant":"{variant}"}}}}"#
                )
            };
            let text = format!(
                r#"{{"schemaVersion":2,"manifests":[{},{}]}}"#,
                entry("armv8", one),
                entry("v8", other)
            );
            repair(&Document::new(MediaType::DOCKER_LIST, text.into_bytes()))
        };
        let same = index(b"a", b"a").unwrap();
        assert_eq!(same.index.index().unwrap().manifests.len(), 1);
        let other = index(b"a", b"b").unwrap_err();
        assert!(other.contains("with different images"), "{other}");
    }
}
