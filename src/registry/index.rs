//! What an index looks like: one order, one spelling, one form, so that the same images give the same bytes on every machine.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;

use super::{Descriptor, Document, ImageIndex, MediaType};
use crate::arch::Platform;

/// Architectures that come first, since a client that understands no platforms takes the first entry.
const FIRST: &[&str] = &["amd64", "arm64"];

/// The order of entries: Linux first, amd64 then arm64, then the rest by name, variants descending (a client that takes the first that
/// it can run should get the best), newer versions of Windows before older ones.
fn order(left: &Platform, right: &Platform) -> Ordering {
    let rank = |platform: &Platform| {
        let place = FIRST
            .iter()
            .position(|first| *first == platform.architecture);
        (
            platform.os != "linux",
            platform.os.clone(),
            place.unwrap_or(FIRST.len()),
            platform.architecture.clone(),
        )
    };
    let level = |platform: &Platform| {
        let digits = platform.variant.trim_start_matches('v').split('.');
        let numbers: Vec<u32> = digits
            .map(|part| part.parse().unwrap_or_default())
            .collect();
        (numbers, platform.variant.clone())
    };
    let version = |platform: &Platform| {
        let numbers = platform
            .os_version
            .split('.')
            .map(|part| part.parse().unwrap_or_default());
        (numbers.collect::<Vec<u64>>(), platform.os_version.clone())
    };
    // Where levels are above a base without a name, as amd64/v3 over amd64, the base is what everybody can run: it comes first there.
    let levels = |platform: &Platform| match platform.variant.is_empty() {
        true => (0, Reverse(Default::default())),
        false => (1, Reverse(level(platform))),
    };
    rank(left)
        .cmp(&rank(right))
        .then_with(|| levels(left).cmp(&levels(right)))
        .then_with(|| version(right).cmp(&version(left)))
        .then_with(|| left.os_features.cmp(&right.os_features))
}

/// Puts entries into the order of an index: attestations right after the image that they are about, others behind all images.
pub(super) fn sort(entries: &mut Vec<Descriptor>) {
    let (mut others, mut images): (Vec<Descriptor>, Vec<Descriptor>) = std::mem::take(entries)
        .into_iter()
        .partition(Descriptor::is_of_no_platform);
    let none = Platform::default();
    images.sort_by(|left, right| {
        let platform = |entry: &Descriptor| entry.platform.clone().unwrap_or_else(|| none.clone());
        order(&platform(left), &platform(right)).then_with(|| left.digest.cmp(&right.digest))
    });
    others.sort_by(|left, right| left.digest.cmp(&right.digest));
    for image in images {
        let about = image.digest.to_string();
        entries.push(image);
        let (own, rest) = others
            .into_iter()
            .partition(|other| other.attests() == Some(&about));
        others = rest;
        entries.extend::<Vec<Descriptor>>(own);
    }
    entries.extend(others);
}

/// An index over entries that are in order. It is a Docker manifest list where all of it came from Docker's formats: then every client of
/// those images can read it, too. `oci` says that it is none all the same.
pub(super) fn document(
    entries: Vec<Descriptor>,
    annotations: BTreeMap<String, String>,
    oci: bool,
) -> Result<Document, String> {
    let docker = |entry: &Descriptor| {
        entry.media_type == MediaType::DOCKER_MANIFEST && entry.annotations.is_empty()
    };
    let media_type = match !oci && annotations.is_empty() && entries.iter().all(docker) {
        true => MediaType::DOCKER_LIST,
        false => MediaType::OCI_INDEX,
    };
    let index = ImageIndex {
        schema_version: 2,
        media_type: Some(media_type.to_string()),
        artifact_type: None,
        manifests: entries,
        subject: None,
        annotations,
    };
    let bytes = serde_json::to_vec_pretty(&index).map_err(|error| error.to_string())?;
    Ok(Document::new(media_type, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Digest;

    fn entry(platform: &str) -> Descriptor {
        let mut entry =
            Descriptor::new(MediaType::OCI_MANIFEST, Digest::of(platform.as_bytes()), 1);
        let mut parts = platform.split('/');
        let mut part = || parts.next().unwrap_or_default();
        entry.platform = Some(Platform::new(part(), part(), part()));
        entry
    }

    #[test]
    fn entries_come_in_one_order() {
        let mut windows = entry("windows/amd64");
        windows.platform.as_mut().unwrap().os_version = "10.0.17763.1".to_string();
        let mut newer = windows.clone();
        newer.platform.as_mut().unwrap().os_version = "10.0.20348.1".to_string();
        let mut proof = entry("unknown/unknown");
        let subject = entry("linux/arm/v7").digest;
        proof.annotations.insert(
            "vnd.docker.reference.type".to_string(),
            "attestation-manifest".to_string(),
        );
        proof.annotations.insert(
            "vnd.docker.reference.digest".to_string(),
            subject.to_string(),
        );
        let mut entries: Vec<Descriptor> = vec![windows, proof, newer];
        for platform in [
            "linux/s390x",
            "linux/arm/v5",
            "linux/arm64/v8",
            "linux/arm/v7",
            "linux/amd64/v3",
            "linux/386",
            "linux/amd64",
        ] {
            entries.push(entry(platform));
        }
        sort(&mut entries);
        let shown: Vec<String> = entries
            .iter()
            .map(|entry| entry.platform.as_ref().unwrap().format_all())
            .collect();
        assert_eq!(
            shown,
            [
                "linux/amd64",
                "linux/amd64/v3",
                "linux/arm64/v8",
                "linux/386",
                "linux/arm/v7",
                "unknown/unknown",
                "linux/arm/v5",
                "linux/s390x",
                "windows(10.0.20348.1)/amd64",
                "windows(10.0.17763.1)/amd64",
            ]
        );
        let before = entries.clone();
        entries.reverse();
        sort(&mut entries);
        assert_eq!(entries, before);
    }

    #[test]
    fn an_index_is_a_docker_list_where_all_is_dockers() {
        let mut docker = entry("linux/amd64");
        docker.media_type = MediaType::DOCKER_MANIFEST.to_string();
        let list = document(vec![docker.clone()], BTreeMap::new(), false).unwrap();
        assert_eq!(list.media_type, MediaType::DOCKER_LIST);
        let mixed = document(
            vec![docker.clone(), entry("linux/arm64/v8")],
            BTreeMap::new(),
            false,
        )
        .unwrap();
        assert_eq!(mixed.media_type, MediaType::OCI_INDEX);
        let asked = document(vec![docker.clone()], BTreeMap::new(), true).unwrap();
        assert_eq!(asked.media_type, MediaType::OCI_INDEX);
        let noted = document(
            vec![docker],
            BTreeMap::from([("a".to_string(), "b".to_string())]),
            false,
        )
        .unwrap();
        assert_eq!(noted.media_type, MediaType::OCI_INDEX);
    }
}
