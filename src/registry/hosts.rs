//! Which entry of an index each kind of machine pulls.

use super::Descriptor;
use crate::arch::{Matcher, Platform};

/// The entry that containerd, BuildKit and Docker take on a machine, by its place.
///
/// Source: containerd/platforms `Only`; of entries that are as good the first.
pub fn containerd(entries: &[Descriptor], host: &Platform) -> Option<usize> {
    let matcher = Matcher::only(host);
    let platform = |at: usize| entries[at].platform.as_ref();
    let fits = |at: &usize| platform(*at).is_some_and(|platform| matcher.matches(platform));
    let mut fitting: Vec<usize> = (0..entries.len()).filter(fits).collect();
    fitting.sort_by(|left, right| match (platform(*left), platform(*right)) {
        (Some(left), Some(right)) => matcher.compare(left, right),
        _ => std::cmp::Ordering::Equal,
    });
    fitting.first().copied()
}

/// Variants that run each other's programs, from the newest to the oldest.
const COMPATIBLE: &[(&str, &[&str])] = &[("arm", &["v8", "v7", "v6", "v5"]), ("arm64", &["v8"])];

/// The entry that podman, buildah, skopeo and CRI-O take on a machine, by its place. They compare texts: no spelling but the plain one is
/// found.
///
/// Source: containers/image at df7e80d2, `WantedPlatforms`, `MatchesPlatform` and `chooseInstance`. An entry without a platform is the last
/// choice there, too.
pub fn podman(entries: &[Descriptor], host: &Platform) -> Option<usize> {
    // What the detection of the processor says: a version on ARM, nothing elsewhere.
    let (architecture, own) = match host.architecture.as_str() {
        "arm64" => ("arm64", "v8"),
        "arm" => ("arm", host.variant.as_str()),
        architecture => (architecture, ""),
    };
    let order = COMPATIBLE.iter().find(|(known, _)| *known == architecture);
    let order = order.map_or(&[][..], |(_, variants)| variants);
    let from = order.iter().position(|variant| *variant == own);
    let mut variants: Vec<&str> = from.map_or(&[][..], |from| &order[from..]).to_vec();
    variants.push("");
    let place = |entry: &Descriptor| match &entry.platform {
        None => Some(usize::MAX),
        Some(platform) => variants.iter().position(|variant| {
            platform.os == host.os
                && platform.architecture == architecture
                && platform.variant == *variant
        }),
    };
    let candidates = entries.iter().enumerate();
    let candidates = candidates.filter_map(|(at, entry)| Some((place(entry)?, at)));
    candidates.min().map(|(_, at)| at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::{Digest, MediaType};

    fn entries(platforms: &[&str]) -> Vec<Descriptor> {
        let entry = |text: &&str| {
            let mut entry =
                Descriptor::new(MediaType::OCI_MANIFEST, Digest::of(text.as_bytes()), 1);
            let mut parts = text.split('/');
            let mut part = || parts.next().unwrap_or_default();
            entry.platform = (*text != "-").then(|| Platform::new(part(), part(), part()));
            entry
        };
        platforms.iter().map(entry).collect()
    }

    fn host(text: &str) -> Platform {
        let mut parts = text.split('/');
        let mut part = || parts.next().unwrap_or_default();
        Platform::new(part(), part(), part())
    }

    #[test]
    fn machines_take_the_best_that_they_can_run() {
        let list = entries(&[
            "linux/amd64",
            "linux/amd64/v3",
            "linux/arm64/v8",
            "linux/arm/v7",
            "linux/arm/v6",
        ]);
        let both = |machine: &str| {
            (
                containerd(&list, &host(machine)),
                podman(&list, &host(machine)),
            )
        };
        assert_eq!(both("linux/amd64"), (Some(0), Some(0)));
        assert_eq!(both("linux/amd64/v3"), (Some(1), Some(0)));
        assert_eq!(both("linux/arm64/v8"), (Some(2), Some(2)));
        assert_eq!(both("linux/arm/v7"), (Some(3), Some(3)));
        assert_eq!(both("linux/arm/v6"), (Some(4), Some(4)));
        assert_eq!(both("linux/arm/v5"), (None, None));
        assert_eq!(both("linux/s390x"), (None, None));
        assert_eq!(both("windows/amd64"), (None, None));
    }

    #[test]
    fn wrong_spellings_are_lost() {
        let lost = |entry: &str, machine: &str| {
            let list = entries(&[entry]);
            (
                containerd(&list, &host(machine)),
                podman(&list, &host(machine)),
            )
        };
        assert_eq!(lost("linux/arm64/armv8", "linux/arm64"), (None, None));
        assert_eq!(lost("linux/amd64/v1", "linux/amd64"), (Some(0), None));
        // containerd takes bare arm for v7; podman takes it wherever there is nothing better.
        assert_eq!(lost("linux/arm", "linux/arm/v6"), (None, Some(0)));
        assert_eq!(lost("linux/arm", "linux/arm/v7"), (Some(0), Some(0)));
        assert_eq!(lost("-", "linux/arm/v7"), (None, Some(0)));
        // 32-bit programs of a 64-bit machine.
        assert_eq!(lost("linux/arm/v7", "linux/arm64"), (Some(0), None));
    }
}
