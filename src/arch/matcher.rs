//! Which platforms a machine can run, and which of them it should take.
//!
//! A [`Matcher`] is made from one platform or a list. Candidates, such as the entries of an image index, go through
//! [`Matcher::matches`], [`Matcher::compare`] and [`Matcher::best`]. Both sides are normalized inside.
//!
//! What always holds: [`Matcher::compare`] compares one rank per candidate, so it is a total order with ties and safe
//! for `sort_by` on any input.
//!
//! The rules are those of containerd/platforms at 09756f59 (`compare.go`, `platforms.go`,
//! `platform_windows_compat.go`). Three differ on purpose:
//! - a numbered variant above v99 has no lower levels, so that a huge number costs nothing;
//! - Windows rules apply to `Windows` too, not only to `windows`;
//! - every `win32k` is left out of the comparison, not only the first.

use std::cmp::{Ordering, Reverse};
use std::iter::once;

use super::platform::Platform;

/// Windows Server 2022 and 2025, by build. Between these, and up to the host, containers run.
const WINDOWS_LTSC_BUILDS: [u16; 2] = [20348, 26100];

/// Above this a numbered variant is a name and no level.
const HIGHEST_LEVEL: u32 = 99;

/// Tells which platforms fit, and which fits best.
///
/// A fitting platform has the same os, architecture and variant as one of the targets, no os feature that the target
/// lacks, and on Windows an os version that the target can run. An os version counts only on Windows.
///
/// ```
/// use crossfile::arch::matcher::Matcher;
/// use crossfile::arch::platform::Platform;
///
/// let index = [
///     Platform::new("linux", "amd64", ""),
///     Platform::new("linux", "arm", "v6"),
///     Platform::new("linux", "arm", "v7"),
/// ];
/// let pi = Matcher::only(&Platform::new("linux", "arm", "v7"));
/// assert!(pi.matches(&index[1]));
/// assert_eq!(pi.best(&index), Some(&index[2]));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matcher {
    rule: Rule,
    targets: Vec<Target>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// The first target that fits ranks the candidate.
    Ordered,
    /// All targets are as good.
    Any,
    /// Only os, os version and os features must fit; the one target's own architecture ranks first.
    Os,
}

/// Lower is better: a place, then how many features are used.
type Rank = (usize, Reverse<usize>);

impl Matcher {
    /// What `platform` runs by itself: its own kind and the older ones, newest first. `amd64` also runs `386`, `arm64`
    /// also runs 32-bit `arm`. An `arm64` variant that is not v8, v8.0 to v8.9, v9 or v9.0 to v9.7 fits nothing.
    ///
    /// Source: containerd/platforms `Only`.
    pub fn only(platform: &Platform) -> Self {
        Self::ordered(runnable(&platform.normalize()))
    }

    /// Only `platform`'s own kind. Source: containerd/platforms `OnlyStrict`.
    pub fn only_strict(platform: &Platform) -> Self {
        Self::ordered(once(platform.clone()))
    }

    /// Every architecture on `platform`'s os, its own ranked first. As in its source, `win32k` counts as a feature here.
    ///
    /// Source: containerd/platforms `OnlyOS`.
    pub fn only_os(platform: &Platform) -> Self {
        Self::with(Rule::Os, once(platform.clone()))
    }

    /// Any of these, none ranked above another. Source: containerd/platforms `Any`.
    pub fn any(platforms: impl IntoIterator<Item = Platform>) -> Self {
        Self::with(Rule::Any, platforms)
    }

    /// Any of these, the earlier ones ranked first. Source: containerd/platforms `Ordered`.
    pub fn ordered(platforms: impl IntoIterator<Item = Platform>) -> Self {
        Self::with(Rule::Ordered, platforms)
    }

    fn with(rule: Rule, platforms: impl IntoIterator<Item = Platform>) -> Self {
        Self {
            rule,
            targets: platforms
                .into_iter()
                .map(|platform| Target::new(&platform))
                .collect(),
        }
    }

    /// Whether the candidate fits.
    pub fn matches(&self, candidate: &Platform) -> bool {
        let candidate = candidate.normalize();
        self.targets.iter().any(|target| match self.rule {
            Rule::Os => target.fits_os(&candidate),
            Rule::Ordered | Rule::Any => target.fits(&candidate),
        })
    }

    /// `Less` when `left` is to be preferred, `Equal` when neither is. One that fits comes before one that does not;
    /// of two that fit equally well, the one with more os features; of two that do not fit, the one that would fit
    /// without its os features. For a stable sort.
    ///
    /// Source: the `Less` of containerd/platforms' match comparers.
    pub fn compare(&self, left: &Platform, right: &Platform) -> Ordering {
        self.rank(left).cmp(&self.rank(right))
    }

    /// The candidate to take: of those that fit, the one that sorts first; of equals, the one met first.
    pub fn best<'a>(
        &self,
        candidates: impl IntoIterator<Item = &'a Platform>,
    ) -> Option<&'a Platform> {
        candidates
            .into_iter()
            .filter(|candidate| self.matches(candidate))
            .min_by_key(|candidate| self.rank(candidate))
    }

    fn rank(&self, candidate: &Platform) -> Rank {
        // Counted as given: containerd does not normalize here either.
        let features = Reverse(candidate.os_features.len());
        let mut candidate = candidate.normalize();
        let misfit = self.targets.len();
        if self.rule == Rule::Os && !self.targets.iter().any(|target| target.fits_os(&candidate)) {
            return (usize::MAX, Reverse(0));
        }
        if let Some(place) = self.place(&candidate) {
            return (place, features);
        }
        candidate.os_features.clear();
        (
            misfit + self.place(&candidate).unwrap_or(misfit),
            Reverse(0),
        )
    }

    /// The place of the first target that fits wholly.
    fn place(&self, normalized: &Platform) -> Option<usize> {
        let place = self
            .targets
            .iter()
            .position(|target| target.fits(normalized))?;
        Some(if self.rule == Rule::Any { 0 } else { place })
    }
}

/// Whether a Windows host of one build runs a container of another, when both have the same major and minor version.
///
/// A host before Windows Server 2022 (20348) needs the same build. Later hosts run what is not newer than themselves
/// and not older than the last long-term release before them.
///
/// Source: containerd/platforms `checkWindowsHostAndContainerCompat`.
pub fn windows_compatible(host_build: u16, container_build: u16) -> bool {
    let [first, ..] = WINDOWS_LTSC_BUILDS;
    if host_build < first {
        return host_build == container_build;
    }
    let oldest = WINDOWS_LTSC_BUILDS
        .into_iter()
        .rfind(|release| *release < host_build)
        .unwrap_or(first);
    (oldest..=host_build).contains(&container_build)
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Target {
    platform: Platform,
    /// Only for Windows, and only when its os version can be read.
    windows: Option<WindowsVersion>,
}

impl Target {
    fn new(platform: &Platform) -> Self {
        let platform = platform.normalize();
        let windows = (platform.os == "windows")
            .then(|| WindowsVersion::parse(&platform.os_version))
            .flatten();
        Self { platform, windows }
    }

    fn fits(&self, candidate: &Platform) -> bool {
        let windows = self.platform.os == "windows";
        self.platform.architecture == candidate.architecture
            && self.platform.variant == candidate.variant
            && self.fits_os_version(candidate)
            // Images for the Windows desktop interface were matched before the feature was, and still must be.
            && self.has_features(candidate, |feature| windows && feature == "win32k")
    }

    fn fits_os(&self, candidate: &Platform) -> bool {
        self.fits_os_version(candidate) && self.has_features(candidate, |_| false)
    }

    fn fits_os_version(&self, candidate: &Platform) -> bool {
        if self.platform.os != candidate.os {
            return false;
        }
        match self.windows {
            Some(host) if !candidate.os_version.is_empty() => {
                WindowsVersion::parse(&candidate.os_version)
                    .is_some_and(|container| host.runs(container))
            }
            _ => true,
        }
    }

    fn has_features(&self, candidate: &Platform, ignored: impl Fn(&str) -> bool) -> bool {
        candidate
            .os_features
            .iter()
            .all(|feature| ignored(feature) || self.platform.os_features.contains(feature))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct WindowsVersion {
    major: u8,
    minor: u8,
    build: u16,
}

impl WindowsVersion {
    /// Reads `major.minor.build[.revision]`. `None` when it is not that, and for 0.0.0, which containerd treats alike.
    fn parse(text: &str) -> Option<Self> {
        // `u8::from_str` takes a leading `+`; a version does not have one.
        let mut numbers = text
            .split('.')
            .map(|part| (!part.starts_with('+')).then_some(part));
        let version = Self {
            major: numbers.next()??.parse().ok()?,
            minor: numbers.next()??.parse().ok()?,
            build: numbers.next()??.parse().ok()?,
        };
        (version != Self::default()).then_some(version)
    }

    fn runs(self, container: Self) -> bool {
        (self.major, self.minor) == (container.major, container.minor)
            && windows_compatible(self.build, container.build)
    }
}

/// A normalized platform and all that it also runs, best first. Source: containerd/platforms `platformVector`.
fn runnable(platform: &Platform) -> Vec<Platform> {
    let sibling = |architecture: &str, variant: String| Platform {
        architecture: architecture.to_owned(),
        variant,
        ..platform.clone()
    };
    match platform.architecture.as_str() {
        "amd64" => once(platform.clone())
            .chain(levels_below(&platform.variant, 1).map(|variant| sibling("amd64", variant)))
            .chain(once(sibling("386", String::new())))
            .collect(),
        "arm" => once(platform.clone())
            .chain(levels_below(&platform.variant, 5).map(|variant| sibling("arm", variant)))
            .collect(),
        "arm64" => {
            let arm64 = arm64_variants(&platform.variant);
            if arm64.is_empty() {
                return Vec::new();
            }
            let arm = runnable(&sibling("arm", "v8".to_owned()));
            arm64
                .into_iter()
                .map(|variant| sibling("arm64", variant))
                .chain(arm)
                .collect()
        }
        _ => vec![platform.clone()],
    }
}

/// The levels under `v7` and the like, down to the lowest.
fn levels_below(variant: &str, lowest: u32) -> impl Iterator<Item = String> + use<> {
    let level = variant
        .strip_prefix('v')
        .unwrap_or(variant)
        .parse::<u32>()
        .ok();
    let level = level
        .filter(|level| *level <= HIGHEST_LEVEL)
        .unwrap_or(lowest);
    (lowest..level).rev().map(|level| format!("v{level}"))
}

/// The extensions that an arm64 processor has, newest first; none for an unknown variant. Armv9.n includes Armv8.(n+5).
fn arm64_variants(variant: &str) -> Vec<String> {
    let (nine, eight) = match variant.as_bytes() {
        b"" | b"v8" => (None, 0),
        [b'v', b'8', b'.', minor @ b'0'..=b'9'] => (None, minor - b'0'),
        b"v9" => (Some(0), 5),
        [b'v', b'9', b'.', minor @ b'0'..=b'7'] => (Some(minor - b'0'), (minor - b'0' + 5).min(9)),
        _ => return Vec::new(),
    };
    let names = |major: u8, minor: u8| {
        (0..=minor)
            .rev()
            .map(move |minor| format!("v{major}.{minor}"))
    };
    nine.into_iter()
        .flat_map(|minor| names(9, minor))
        .chain(names(8, eight))
        .collect()
}
