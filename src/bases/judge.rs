//! Whether what was found fits what is asked for.

use super::Found;
use crate::arch::Platform;
use crate::arch::matcher::Matcher;

/// Why there is no image for a platform.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// There is nothing of this name and tag.
    Missing,
    /// It is a single image for this platform.
    OtherPlatform(Platform),
    /// It is an index with images for these platforms.
    NotInIndex(Vec<Platform>),
    /// Variables have no value, as the text says.
    Unknown(String),
    /// It is no reference, or its `--platform` is no platform, as the text says.
    NoReference(String),
    /// The registry cannot be asked, in its own words.
    Failed(String),
}

impl Fault {
    pub(super) fn word(&self) -> &'static str {
        match self {
            Fault::Missing => "missing",
            Fault::OtherPlatform(_) => "wrong arch",
            Fault::NotInIndex(_) => "no platform",
            Fault::Unknown(_) => "unknown",
            Fault::NoReference(_) => "no reference",
            Fault::Failed(_) => "failed",
        }
    }
}

/// The image for a platform among what was found, by its digest and with its own platform.
///
/// Lower variants run too, as containerd's rules have it (`linux/arm/v6` for v7); other architectures do not count, though
/// some run.
pub(super) fn judge(asked: &Platform, found: &Found) -> Result<(String, Platform), Fault> {
    let matcher = Matcher::only(asked);
    let same = |platform: &Platform| {
        let (own, other) = (asked.normalize(), platform.normalize());
        (own.os, own.architecture) == (other.os, other.architecture)
    };
    match found {
        Found::Missing => Err(Fault::Missing),
        Found::Image { digest, platform } => {
            // Many configurations say no variant, and such an image is taken as it is.
            let bare = platform.variant.is_empty() && platform.os_version.is_empty();
            match same(platform) && (bare || matcher.matches(platform)) {
                true if bare => Ok((digest.clone(), asked.clone())),
                true => Ok((digest.clone(), platform.clone())),
                false => Err(Fault::OtherPlatform(platform.clone())),
            }
        }
        Found::Index { entries, .. } => {
            let fitting = entries.iter().map(|(platform, _)| platform);
            let best = matcher.best(fitting.filter(|platform| same(platform)));
            let entry = best.and_then(|best| entries.iter().find(|(platform, _)| platform == best));
            match entry {
                Some((platform, digest)) => Ok((digest.clone(), platform.clone())),
                None => {
                    let has = entries.iter().map(|(platform, _)| platform.clone());
                    Err(Fault::NotInIndex(has.collect()))
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(text: &str) -> Platform {
        let mut parts = text.split('/');
        let mut next = || parts.next().unwrap_or_default();
        Platform::new(next(), next(), next())
    }

    fn image(of: &str) -> Found {
        Found::Image {
            digest: "image".to_string(),
            platform: platform(of),
        }
    }

    fn index(of: &[&str]) -> Found {
        let entries = of.iter();
        Found::Index {
            digest: "index".to_string(),
            entries: entries
                .map(|text| (platform(text), format!("of {text}")))
                .collect(),
        }
    }

    fn judged(asked: &str, found: &Found) -> String {
        match judge(&platform(asked), found) {
            Ok((digest, platform)) => format!("{digest}: {platform}"),
            Err(fault) => fault.word().to_string(),
        }
    }

    #[test]
    fn of_an_index_the_best_entry_of_the_same_architecture_is_taken() {
        let all = index(&[
            "linux/amd64",
            "linux/arm/v6",
            "linux/arm/v7",
            "linux/arm64/v8",
        ]);
        assert_eq!(
            judged("linux/arm/v7", &all),
            "of linux/arm/v7: linux/arm/v7"
        );
        assert_eq!(
            judged("linux/arm64/v8", &all),
            "of linux/arm64/v8: linux/arm64/v8"
        );
        assert_eq!(
            judged("linux/arm64", &all),
            "of linux/arm64/v8: linux/arm64/v8"
        );
        let lower = index(&["linux/386", "linux/arm/v5", "linux/arm/v6"]);
        assert_eq!(
            judged("linux/arm/v7", &lower),
            "of linux/arm/v6: linux/arm/v6"
        );
        assert_eq!(judged("linux/amd64", &lower), "no platform");
        assert_eq!(judged("linux/arm64/v8", &lower), "no platform");
        let higher = index(&["linux/arm/v7"]);
        assert_eq!(judged("linux/arm/v6", &higher), "no platform");
        assert_eq!(judged("windows/amd64", &all), "no platform");
    }

    #[test]
    fn of_a_single_image_the_configuration_tells() {
        assert_eq!(
            judged("linux/arm/v7", &image("linux/arm/v6")),
            "image: linux/arm/v6"
        );
        assert_eq!(judged("linux/arm/v6", &image("linux/arm/v7")), "wrong arch");
        assert_eq!(
            judged("linux/arm64/v8", &image("linux/amd64")),
            "wrong arch"
        );
        assert_eq!(judged("linux/amd64", &image("linux/386")), "wrong arch");
        // No variant is said: docker takes the image, and so do we.
        assert_eq!(
            judged("linux/arm/v6", &image("linux/arm")),
            "image: linux/arm/v6"
        );
        assert_eq!(judged("linux/amd64", &Found::Missing), "missing");
    }
}
