//! Whether what a program printed is what its action expects.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::arch::Platform;
use crate::backend::Expect;

/// What is wrong with what was printed; nothing where it is right.
pub(super) fn fault(expect: &Expect, printed: &str) -> Option<String> {
    match expect {
        Expect::Platforms { needed, optional } => platforms(needed, optional, printed),
    }
}

fn platforms(needed: &[String], optional: &[String], printed: &str) -> Option<String> {
    let index: Json = match serde_json::from_str(printed) {
        Ok(index) => index,
        Err(error) => return Some(format!("this is no index: {error}")),
    };
    let Some(manifests) = index.get("manifests").and_then(Json::as_array) else {
        return Some("this is one image and no index".to_string());
    };
    // What is made of any images may have what it likes.
    if needed.is_empty() && optional.is_empty() {
        return None;
    }
    let mut found: BTreeSet<String> = BTreeSet::new();
    for platform in manifests.iter().filter_map(platform) {
        if !found.insert(platform.clone()) {
            return Some(format!("the index has {platform} twice"));
        }
    }
    let set = |list: &[String]| -> BTreeSet<String> {
        list.iter().map(|platform| normal(platform)).collect()
    };
    let needed = set(needed);
    let known: BTreeSet<String> = needed.union(&set(optional)).cloned().collect();
    let list = |platforms: Vec<&String>| -> String {
        let list: Vec<&str> = platforms.into_iter().map(String::as_str).collect();
        list.join(", ")
    };
    let lacking = list(needed.difference(&found).collect());
    let more = list(found.difference(&known).collect());
    match (lacking.is_empty(), more.is_empty()) {
        (true, true) => None,
        (false, true) => Some(format!("the index lacks {lacking}")),
        (true, false) => Some(format!("the index has {more}, too")),
        (false, false) => Some(format!("the index lacks {lacking} and has {more}")),
    }
}

/// The platform of an entry. Attestations have none.
fn platform(entry: &Json) -> Option<String> {
    let platform = entry.get("platform")?;
    let field = |name: &str| {
        platform
            .get(name)
            .and_then(Json::as_str)
            .unwrap_or_default()
    };
    let (os, architecture, variant) = (field("os"), field("architecture"), field("variant"));
    let unknown = os == "unknown" && architecture == "unknown";
    let text = match variant {
        "" => format!("{os}/{architecture}"),
        variant => format!("{os}/{architecture}/{variant}"),
    };
    (!unknown).then(|| normal(&text))
}

/// A platform in the form in which platforms are compared: `linux/arm64/v8` is `linux/arm64`.
fn normal(text: &str) -> String {
    match text.parse::<Platform>() {
        Ok(platform) => platform.normalize().to_string(),
        Err(_) => text.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_are_compared_as_clients_do() {
        let index = r#"{"manifests": [
            {"platform": {"os": "linux", "architecture": "arm64"}},
            {"platform": {"os": "linux", "architecture": "arm", "variant": "v7"}},
            {"platform": {"os": "unknown", "architecture": "unknown"}}]}"#;
        let expect = |needed: &[&str], optional: &[&str]| Expect::Platforms {
            needed: needed.iter().map(|text| (*text).to_string()).collect(),
            optional: optional.iter().map(|text| (*text).to_string()).collect(),
        };
        let wanted = |list: &[&str]| fault(&expect(list, &[]), index);
        assert_eq!(wanted(&["linux/arm64/v8", "linux/arm/v7"]), None);
        assert_eq!(wanted(&[]), None);
        assert_eq!(
            wanted(&["linux/arm64", "linux/s390x"]).as_deref(),
            Some("the index lacks linux/s390x and has linux/arm/v7")
        );
        let optional = ["linux/arm/v7", "linux/s390x"];
        assert_eq!(fault(&expect(&["linux/arm64"], &optional), index), None);
        let twice = index.replace("arm64", "arm\", \"variant\": \"v7");
        let twice = fault(&expect(&["linux/arm/v7"], &[]), &twice);
        assert_eq!(twice.as_deref(), Some("the index has linux/arm/v7 twice"));
        let one = fault(&expect(&[], &[]), r#"{"layers": []}"#);
        assert_eq!(one.as_deref(), Some("this is one image and no index"));
        assert!(fault(&expect(&[], &[]), "nothing").is_some());
    }
}
