//! How a platform is written into an index, so that every client finds it.
//!
//! Clients compare what is written with what they are on, and few of them agree on more than this: 32-bit ARM with its version, 64-bit
//! ARM with `v8`, the base level of every other architecture without a variant. Compared: containerd, BuildKit, regclient,
//! go-containerregistry, bashbrew, containers/image.

use crate::arch::Platform;

/// What an index should say in the place of a platform.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Spelling {
    /// It is as it should be.
    Right,
    /// Another spelling of the same: some clients, or all, do not find it as it is.
    Instead(Platform),
    /// It leaves open which of these it is.
    Open(Vec<Platform>),
}

/// Variants that name what an architecture is without one.
const BASE_LEVELS: &[(&str, &str)] = &[
    ("amd64", "v1"),
    ("ppc64le", "power8"),
    ("riscv64", "rva20u64"),
];

/// The right spelling of a platform.
pub fn spelling(platform: &Platform) -> Spelling {
    let mut right = Platform {
        os_features: platform.os_features.clone(),
        ..platform.normalize()
    };
    right.os_version.clone_from(&platform.os_version);
    // Those of `--variant armv8` and the like, which some recipes tell people to write.
    let plain = platform.variant.to_ascii_lowercase();
    let plain = plain.strip_prefix("arm").unwrap_or(&plain);
    let plain = match plain.strip_prefix('v') {
        None if plain.starts_with(|c: char| c.is_ascii_digit()) => format!("v{plain}"),
        _ => plain.to_string(),
    };
    match right.architecture.as_str() {
        "arm"
            if platform.variant.is_empty() && platform.architecture.eq_ignore_ascii_case("arm") =>
        {
            let choice = |variant: &str| Platform {
                variant: variant.to_string(),
                ..right.clone()
            };
            return Spelling::Open(["v7", "v6", "v5"].map(choice).to_vec());
        }
        "arm" if !plain.is_empty() => right.variant = plain,
        "arm64" => {
            right.variant = match plain.as_str() {
                "" => "v8".to_string(),
                _ => plain,
            }
        }
        architecture => {
            let base = BASE_LEVELS
                .iter()
                .any(|(known, level)| *known == architecture && *level == right.variant);
            if base {
                right.variant.clear();
            }
        }
    }
    // Registries hold `arm64` without a variant in great numbers, and every client finds it.
    let bare_arm64 =
        platform.architecture == "arm64" && platform.variant.is_empty() && right.variant == "v8";
    let written = Platform {
        variant: right.variant.clone(),
        ..platform.clone()
    };
    match right == *platform || bare_arm64 && written == right {
        true => Spelling::Right,
        false => Spelling::Instead(right),
    }
}

/// The platform as crossfile writes it: the one right spelling. `Err` has the choices where it is open.
pub(super) fn spelled(platform: &Platform) -> Result<Platform, Vec<Platform>> {
    match spelling(platform) {
        Spelling::Right if platform.architecture == "arm64" && platform.variant.is_empty() => {
            Ok(Platform {
                variant: "v8".to_string(),
                ..platform.clone()
            })
        }
        Spelling::Right => Ok(platform.clone()),
        Spelling::Instead(right) => Ok(right),
        Spelling::Open(choices) => Err(choices),
    }
}

/// Whether no client at all finds a platform as it is written.
pub fn is_lost(platform: &Platform) -> bool {
    match platform.architecture.as_str() {
        "arm64" => platform.variant.starts_with("arm"),
        "arm" => platform.variant.is_empty() || platform.variant.starts_with("arm"),
        architecture => BASE_LEVELS.contains(&(architecture, platform.variant.as_str())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(text: &str) -> Platform {
        let mut parts = text.split('/');
        let mut part = || parts.next().unwrap_or_default();
        Platform::new(part(), part(), part())
    }

    fn said(text: &str) -> String {
        match spelling(&platform(text)) {
            Spelling::Right => "right".to_string(),
            Spelling::Instead(right) => right.to_string(),
            Spelling::Open(choices) => choices
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" "),
        }
    }

    #[test]
    fn each_platform_has_one_right_spelling() {
        for right in [
            "linux/amd64",
            "linux/amd64/v3",
            "linux/arm/v5",
            "linux/arm/v7",
            "linux/arm64/v8",
            "linux/arm64",
            "linux/arm64/v9",
            "linux/s390x",
            "linux/riscv64",
            "windows/amd64",
            "linux/mips64le",
            "linux/loong64",
        ] {
            assert_eq!(said(right), "right", "{right}");
        }
        assert_eq!(said("linux/arm64/armv8"), "linux/arm64/v8");
        assert_eq!(said("linux/arm64/8"), "linux/arm64/v8");
        assert_eq!(said("linux/aarch64"), "linux/arm64/v8");
        assert_eq!(said("linux/arm/armv7"), "linux/arm/v7");
        assert_eq!(said("linux/arm/7"), "linux/arm/v7");
        assert_eq!(said("linux/armhf"), "linux/arm/v7");
        assert_eq!(said("linux/amd64/v1"), "linux/amd64");
        assert_eq!(said("linux/x86_64"), "linux/amd64");
        assert_eq!(said("linux/ppc64le/power8"), "linux/ppc64le");
        assert_eq!(said("linux/riscv64/rva20u64"), "linux/riscv64");
        assert_eq!(said("linux/arm"), "linux/arm/v7 linux/arm/v6 linux/arm/v5");
        assert_eq!(
            spelled(&platform("linux/arm64")),
            Ok(platform("linux/arm64/v8"))
        );
    }

    #[test]
    fn what_windows_needs_stays() {
        let windows = Platform {
            os_version: "10.0.20348.1".to_string(),
            os_features: vec!["win32k".to_string()],
            ..platform("windows/amd64/v1")
        };
        let right = Platform {
            variant: String::new(),
            ..windows.clone()
        };
        assert_eq!(spelling(&windows), Spelling::Instead(right));
    }
}
