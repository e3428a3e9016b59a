//! What must hold for platforms beyond containerd's vectors: error texts, the JSON form, and that no input panics.

#![allow(
    clippy::unwrap_used,
    reason = "a test's helpers may panic as the test itself may"
)]

use std::cmp::Ordering;

use crossfile::arch::host::cpu_variant;
use crossfile::arch::matcher::Matcher;
use crossfile::arch::platform::{ParsePlatformError, Platform};

fn amd64() -> Platform {
    Platform::new("linux", "amd64", "")
}

fn parse(text: &str) -> Platform {
    Platform::parse(text, &amd64()).unwrap()
}

#[test]
fn errors_name_the_text_and_the_remedy() {
    let message = |input: &str| input.parse::<Platform>().unwrap_err().to_string();
    for (input, expected) in [
        (
            "linux/*",
            "`linux/*` has a wildcard; write one platform, such as `linux/amd64`",
        ),
        (
            "linux",
            "`linux` names only half a platform; write `os/architecture[/variant]`",
        ),
        (
            "arm64",
            "`arm64` names only half a platform; write `os/architecture[/variant]`",
        ),
        (
            "amd46",
            "`amd46` is neither a known operating system nor a known architecture; write `os/architecture[/variant]`",
        ),
        (
            "amd64(1)",
            "`amd64(1)` is neither a known operating system nor a known architecture; write `os/architecture[/variant]`",
        ),
        (
            "linux/arm/",
            "`linux/arm/` has an empty part; write `os/architecture[/variant]`",
        ),
        (
            "/arm",
            "`/arm` has an empty part; write `os/architecture[/variant]`",
        ),
        (
            "a.b/arm",
            "`a.b` in `a.b/arm` is not an operating system; write letters, digits, `_` and `-`, then perhaps `(version+feature)`",
        ),
        (
            "linux/x y",
            "`x y` in `linux/x y` is not an architecture or variant; write letters, digits, `_`, `.` and `-`",
        ),
        (
            "linux/a/b/c",
            "`linux/a/b/c` has more than three parts; write `os/architecture[/variant]`",
        ),
        (
            "os(5%)/arm",
            "`5%` in `os(5%)/arm` has a broken percent escape; write a literal `%` as `%25`",
        ),
        (
            "os(+%g0)/arm",
            "`%g0` in `os(+%g0)/arm` has a broken percent escape; write a literal `%` as `%25`",
        ),
        (
            "os(%FF)/arm",
            "`%FF` in `os(%FF)/arm` decodes to bytes that are not utf-8; escape utf-8 bytes only",
        ),
        (
            "os(1++a)/arm",
            "`os(1++a)/arm` has an empty os feature; remove the extra `+`",
        ),
    ] {
        assert_eq!(message(input), expected);
    }
    for input in [
        "os(/arm",
        "os)/arm",
        "os(1)2/arm",
        "os((1))/arm",
        "(1)/arm",
        "os\n/arm",
        "os(1 )/arm",
        "ös/arm",
    ] {
        assert!(
            matches!(input.parse::<Platform>(), Err(ParsePlatformError::Os(..))),
            "`{input}`"
        );
    }
    assert_eq!(parse("linux(+)/arm/7"), Platform::new("linux", "arm", "v7"));
}

#[test]
fn json_is_the_oci_object() {
    let full = parse("windows(10.0.17763+win32k)/arm64/v8");
    let json = r#"{"architecture":"arm64","os":"windows","os.version":"10.0.17763","os.features":["win32k"],"variant":"v8"}"#;
    assert_eq!(serde_json::to_string(&full).unwrap(), json);
    assert_eq!(serde_json::from_str::<Platform>(json).unwrap(), full);
    assert_eq!(
        serde_json::to_string(&amd64()).unwrap(),
        r#"{"architecture":"amd64","os":"linux"}"#
    );
    let odd = r#"{"architecture":"amd64","os":"linux","variant":null,"features":["sse4"]}"#;
    assert_eq!(serde_json::from_str::<Platform>(odd).unwrap(), amd64());
    assert_eq!(
        serde_json::from_str::<Platform>("{}").unwrap(),
        Platform::default()
    );
}

/// A linear congruential generator: enough spread, and the same on every run.
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    fn soup(&mut self) -> String {
        const WORDS: [&str; 32] = [
            "linux",
            "windows",
            "macOS",
            "arm",
            "arm64",
            "amd64",
            "Aarch64",
            "armhf",
            "i386",
            "v",
            "5",
            "7",
            "8.0",
            "9.3",
            "10.0.20348",
            "win32k",
            "/",
            "/",
            "/",
            "(",
            ")",
            "+",
            "%",
            "%2B",
            "%20",
            "%00",
            "%C3%A9",
            "%FF",
            "..",
            "é",
            "*",
            "\n",
        ];
        let length = self.below(9);
        (0..length)
            .map(|_| WORDS[self.below(WORDS.len())])
            .collect()
    }

    /// Mostly well-formed, so that much of it parses.
    fn platform(&mut self) -> String {
        let mut pick = |words: &[&str]| words[self.below(words.len())].to_owned();
        let os = pick(&["linux", "Windows", "macos", "x-1"]);
        let options = pick(&[
            "",
            "()",
            "(1%2F2)",
            "(10.0.20348.1)",
            "(+b+a+b)",
            "(x+%20%0A+%C3%A9+%28)",
            "(+)",
            "(10.0.26100+win32k)",
        ]);
        let arch = pick(&[
            "/arm", "/arm64", "/x86_64", "/armhf", "/armel", "/..", "/s390x", "/i386",
        ]);
        let variant = pick(&[
            "",
            "",
            "/v8",
            "/7",
            "/v1",
            "/v9.3",
            "/9.0",
            "/..",
            "/v999999999",
        ]);
        os + &options + &arch + &variant
    }
}

#[test]
fn no_input_panics_and_what_parses_survives_the_round_trip() {
    let mut random = Lcg(1);
    let (mut parsed, mut refused) = (0, 0);
    for round in 0..40_000 {
        let text = if round % 2 == 0 {
            random.soup()
        } else {
            random.platform()
        };
        let bytes: Vec<u8> = (0..random.below(12))
            .map(|_| u8::try_from(random.below(256)).unwrap())
            .collect();
        let _ = Platform::parse(&String::from_utf8_lossy(&bytes), &amd64());
        let _ = cpu_variant(&text);
        let Ok(platform) = Platform::parse(&text, &amd64()) else {
            refused += 1;
            continue;
        };
        parsed += 1;
        let again = Platform::parse(&platform.format_all(), &amd64()).unwrap();
        // Formatting sorts the features and drops repeats; all else must be the same.
        let mut expected = platform.clone();
        expected.os_features = platform.normalize().os_features;
        assert_eq!(again, expected, "`{text}`");
        assert_eq!(
            platform.normalize().normalize(),
            platform.normalize(),
            "`{text}`"
        );
        let json = serde_json::to_string(&platform).unwrap();
        assert_eq!(serde_json::from_str::<Platform>(&json).unwrap(), platform);
    }
    assert!(parsed > 20_000 && refused > 10_000, "{parsed} {refused}");
}

#[test]
fn ranks_are_an_order() {
    let mut random = Lcg(2);
    for _ in 0..50 {
        let pool: Vec<Platform> = (0..40).map(|_| parse(&random.platform())).collect();
        let target = &pool[0];
        for matcher in [
            Matcher::only(target),
            Matcher::only_strict(target),
            Matcher::only_os(target),
            Matcher::any(pool[..3].to_vec()),
            Matcher::ordered(pool[..3].to_vec()),
        ] {
            let mut sorted = pool.clone();
            sorted.sort_by(|left, right| matcher.compare(left, right));
            // After a sort every earlier one must be no worse than every later one.
            for (at, left) in sorted.iter().enumerate() {
                assert!(
                    sorted[at..]
                        .iter()
                        .all(|right| matcher.compare(left, right) != Ordering::Greater)
                );
                assert!(
                    sorted[at..]
                        .iter()
                        .all(|right| matcher.matches(left) || !matcher.matches(right))
                );
            }
            let first = sorted.first().filter(|first| matcher.matches(first));
            assert_eq!(matcher.best(&pool), first);
        }
    }
}
