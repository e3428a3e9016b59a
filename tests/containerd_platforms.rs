//! containerd's own test vectors, run against `crossfile::arch`.
//!
//! The fixture is taken from containerd/platforms at 09756f59 and bashbrew at d662ff01 (`source` in the file says so).

#![allow(
    clippy::unwrap_used,
    reason = "a test's helpers may panic as the test itself may"
)]

use crossfile::arch::host::cpu_variant;
use crossfile::arch::matcher::{Matcher, windows_compatible};
use crossfile::arch::platform::{ParsePlatformError, Platform};
use serde_json::Value;

fn vectors() -> Value {
    serde_json::from_str(include_str!("data/containerd_platform_vectors.json")).unwrap()
}

/// One list of the fixture, of exactly this length: an emptied list must not pass.
#[track_caller]
fn list(vectors: &Value, name: &str, count: usize) -> Vec<Value> {
    let list = vectors[name].as_array().unwrap().clone();
    assert_eq!(list.len(), count, "`{name}`");
    list
}

fn texts(value: &Value) -> Vec<&str> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|text| text.as_str().unwrap())
        .collect()
}

fn amd64() -> Platform {
    Platform::new("linux", "amd64", "")
}

fn parse(text: &str) -> Platform {
    Platform::parse(text, &amd64()).unwrap()
}

/// Fills in what stands for the host. `variant` is what containerd gives to a lone operating system.
fn fill(text: &str, host: &Platform, variant: &str) -> String {
    let filled = text
        .replace("$GOOS", &host.os)
        .replace("$GOARCH", &host.architecture)
        .replace("$VARIANT", variant);
    filled.trim_end_matches('/').to_owned()
}

fn platform(value: &Value, host: &Platform, variant: &str) -> Platform {
    let text = |name: &str| fill(value[name].as_str().unwrap(), host, variant);
    Platform {
        os: text("os"),
        architecture: text("arch"),
        variant: text("variant"),
        os_version: text("osversion"),
        os_features: texts(&value["osfeatures"])
            .into_iter()
            .map(str::to_owned)
            .collect(),
    }
}

#[test]
fn parses_and_formats_for_every_host() {
    let hosts = [
        ("linux/amd64", ""),
        ("linux/arm/v6", "v6"),
        ("linux/arm/v7", ""),
        ("linux/arm64/v8", ""),
    ];
    for (host, variant) in hosts {
        let host = parse(host);
        let (mut skipped, mut matched) = (0, 0);
        for case in list(&vectors(), "parse", 29) {
            let input = case["input"].as_str().unwrap();
            let parsed = Platform::parse(input, &host);
            if case["skip"] == Value::Bool(true) {
                assert_eq!(parsed, Err(ParsePlatformError::Wildcard(input.into())));
                skipped += 1;
                continue;
            }
            let parsed = parsed.unwrap();
            let expected = platform(&case["expected"], &host, variant);
            assert_eq!(parsed, expected, "`{input}` on `{host}`");

            let matcher = Matcher::ordered([parsed.clone()]);
            assert!(matcher.matches(&expected), "`{input}` on `{host}`");
            for candidate in case["matches"].as_array().unwrap() {
                let candidate = platform(candidate, &host, variant);
                assert!(matcher.matches(&candidate), "`{input}` and `{candidate:?}`");
                assert_eq!(candidate.normalize(), parsed.normalize());
                matched += 1;
            }

            let format = |platform: &Platform| match case["format_fn"].as_str().unwrap() {
                "Format" => platform.to_string(),
                "FormatAll" => platform.format_all(),
                other => panic!("`{other}`"),
            };
            let formatted = fill(case["formatted"].as_str().unwrap(), &host, variant);
            assert_eq!(format(&parsed), formatted, "`{input}` on `{host}`");
            assert_eq!(
                format(&Platform::parse(&formatted, &host).unwrap()),
                formatted
            );
        }
        assert_eq!((skipped, matched), (3, 12), "`{host}`");
    }
}

#[test]
fn formats_with_escapes() {
    let vectors = vectors();
    for case in list(&vectors, "format_all_encoding", 9) {
        let platform = platform(&case["platform"], &amd64(), "");
        let formatted = case["formatted"].as_str().unwrap();
        assert_eq!(platform.format_all(), formatted);
        assert_eq!(parse(formatted), platform);
    }
    for case in list(&vectors, "format_all_skips_empty", 1) {
        let platform = platform(&case["platform"], &amd64(), "");
        assert_eq!(platform.format_all(), case["formatted"].as_str().unwrap());
    }
}

#[test]
fn refuses_what_containerd_refuses() {
    for case in list(&vectors(), "parse_invalid", 6) {
        let input = case["input"].as_str().unwrap();
        assert!(
            Platform::parse(input, &amd64()).is_err(),
            "`{input}` ({})",
            case["why"]
        );
    }
}

#[test]
fn matchers_fit_and_refuse() {
    type Make = fn(&Platform) -> Matcher;
    let makers: [(&str, usize, usize, Make); 3] = [
        ("only", 13, 154, Matcher::only),
        ("only_strict", 13, 129, Matcher::only_strict),
        ("only_os", 3, 15, Matcher::only_os),
    ];
    let vectors = vectors();
    for (name, cases, pairs, make) in makers {
        let mut seen = 0;
        for case in list(&vectors, name, cases) {
            let target = case["platform"].as_str().unwrap();
            let matcher = make(&parse(target));
            for (key, fits) in [("match", true), ("no_match", false)] {
                for candidate in texts(&case[key]) {
                    assert_eq!(
                        matcher.matches(&parse(candidate)),
                        fits,
                        "{name} `{target}`: `{candidate}`"
                    );
                    seen += 1;
                }
            }
        }
        assert_eq!(seen, pairs, "{name}");
    }
}

#[track_caller]
fn assert_sorts(matcher: &Matcher, case: &Value) {
    let mut platforms: Vec<Platform> = texts(&case["input"]).into_iter().map(parse).collect();
    platforms.sort_by(|left, right| matcher.compare(left, right));
    let sorted: Vec<String> = platforms.iter().map(Platform::format_all).collect();
    assert_eq!(sorted, texts(&case["expected"]), "{}", case["platform"]);
}

#[test]
fn matchers_rank() {
    let vectors = vectors();
    for case in list(&vectors, "only_os_less", 3) {
        assert_sorts(
            &Matcher::only_os(&parse(case["platform"].as_str().unwrap())),
            &case,
        );
    }
    for case in list(&vectors, "compare_os_features", 6) {
        let target = parse(case["platform"].as_str().unwrap());
        assert_sorts(&Matcher::only(&target), &case);
        assert_sorts(&Matcher::only_strict(&target), &case);
        assert_sorts(&Matcher::ordered([target.clone()]), &case);
        assert_sorts(&Matcher::any([target]), &case);
    }
}

#[test]
fn the_best_is_the_first_that_fits() {
    let index: Vec<Platform> = [
        "linux/386",
        "linux/arm/v7",
        "linux/amd64/v2",
        "linux/amd64",
        "linux/arm64",
        "linux/arm/v5",
    ]
    .into_iter()
    .map(parse)
    .collect();
    let best = |matcher: &Matcher| matcher.best(&index).map(Platform::to_string);
    let only = |text: &str| best(&Matcher::only(&parse(text)));
    assert_eq!(only("linux/amd64").as_deref(), Some("linux/amd64"));
    assert_eq!(only("linux/amd64/v3").as_deref(), Some("linux/amd64/v2"));
    assert_eq!(only("linux/arm64/v9").as_deref(), Some("linux/arm64"));
    assert_eq!(only("linux/arm/v6").as_deref(), Some("linux/arm/v5"));
    assert_eq!(only("linux/s390x"), None);
    // Upstream's `Only` fits nothing, not even itself, for an arm64 variant it does not know.
    assert_eq!(only("linux/arm64/armv8"), None);
    let pair = [parse("linux/arm64"), parse("linux/386")];
    assert_eq!(
        best(&Matcher::ordered(pair.clone())).as_deref(),
        Some("linux/arm64")
    );
    assert_eq!(best(&Matcher::any(pair)).as_deref(), Some("linux/386"));
    assert_eq!(best(&Matcher::any([])), None);
    // Above v99 a number is a name, so that nobody can ask for four billion levels.
    assert_eq!(only("linux/amd64/v99").as_deref(), Some("linux/amd64/v2"));
    assert_eq!(only("linux/amd64/v100").as_deref(), Some("linux/386"));
    assert_eq!(
        only("linux/amd64/v4294967295").as_deref(),
        Some("linux/386")
    );
}

#[test]
fn windows_versions_and_win32k() {
    for case in list(&vectors(), "windows_compat", 12) {
        let build = |name: &str| u16::try_from(case[name].as_u64().unwrap()).unwrap();
        let (host, container) = (build("host_build"), build("container_build"));
        let runs = case["should_run"].as_bool().unwrap();
        assert_eq!(
            windows_compatible(host, container),
            runs,
            "{host} {container}"
        );
        let target = parse(&format!("windows(10.0.{host}.1)/amd64"));
        let candidate =
            |features| parse(&format!("windows(10.0.{container}.3091{features})/amd64"));
        for matcher in [
            Matcher::only(&target),
            Matcher::only_strict(&target),
            Matcher::any([target.clone()]),
        ] {
            assert_eq!(matcher.matches(&candidate("")), runs);
            assert_eq!(matcher.matches(&candidate("+win32k")), runs);
            assert!(!matcher.matches(&candidate("+gpu")));
        }
        assert_eq!(Matcher::only_os(&target).matches(&candidate("")), runs);
        assert!(!Matcher::only_os(&target).matches(&candidate("+win32k")));
    }
    let server = Matcher::only_strict(&parse("windows(10.0.20348)/amd64"));
    for (candidate, fits) in [
        ("windows", true),
        ("windows(11.0.20348)", false),
        ("windows(10.0)", false),
        ("windows(x)", false),
        ("windows(0.0.0)", false),
        ("windows(%2B10.0.20348)", false),
    ] {
        assert_eq!(
            server.matches(&parse(&format!("{candidate}/amd64"))),
            fits,
            "`{candidate}`"
        );
    }
    // A target version that cannot be read, or is all zero, sets no limit.
    for target in [
        "windows(new)/amd64",
        "windows(0.0.0)/amd64",
        "windows/amd64",
    ] {
        let matcher = Matcher::only_strict(&parse(target));
        assert!(
            matcher.matches(&parse("windows(10.0.1)/amd64")),
            "`{target}`"
        );
    }
    // No os but Windows has the exemption.
    assert!(!Matcher::only(&parse("linux/amd64")).matches(&parse("linux(+win32k)/amd64")));
}

#[test]
fn cpu_variants() {
    for case in list(&vectors(), "cpu_variant_from_arch", 10) {
        let found = cpu_variant(case["input"].as_str().unwrap());
        assert_eq!(found.is_err(), case["error"].as_bool().unwrap(), "{case}");
        assert_eq!(found.unwrap_or_default(), case["output"].as_str().unwrap());
    }
}

#[test]
fn bashbrew_same_target() {
    let named = |name: &str| match name {
        "amd64" => Platform::new("linux", "amd64", ""),
        "arm32v5" => Platform::new("linux", "arm", "v5"),
        "arm32v6" => Platform::new("linux", "arm", "v6"),
        "arm32v7" => Platform::new("linux", "arm", "v7"),
        "arm64v8" => Platform::new("linux", "arm64", "v8"),
        "windows-amd64" => Platform::new("windows", "amd64", ""),
        other => panic!("`{other}`"),
    };
    let vectors = &vectors()["bashbrew_is"];
    for (key, count, same) in [("true", 6, true), ("false", 7, false)] {
        for pair in list(vectors, key, count) {
            let (left, right) = (
                named(pair[0].as_str().unwrap()),
                parse(pair[1].as_str().unwrap()),
            );
            assert_eq!(left.same_target(&right), same, "{pair}");
            assert_eq!(right.same_target(&left), same, "{pair}");
        }
    }
    let strings = vectors["string"].as_object().unwrap();
    assert_eq!(strings.len(), 3);
    for (name, string) in strings {
        assert_eq!(named(name).to_string(), string.as_str().unwrap());
    }
}
