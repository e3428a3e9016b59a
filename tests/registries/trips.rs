//! What is asked of a registry, counted.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::ask::get_manifest;
use crate::lab::{ALL, Docker, Lab};
use crate::proxy::{Exchange, Proxy, round_trips};
use crate::sources;

/// The most requests that were on the way at one time.
fn most_at_once(exchanges: &[Exchange]) -> usize {
    let counts = exchanges.iter().map(|one| {
        let then = exchanges.iter().filter(|other| {
            other.start <= one.start && other.end.is_none_or(|end| end > one.start)
        });
        then.count()
    });
    counts.max().unwrap_or_default()
}

#[test]
fn seven_repositories_become_an_index_in_six_round_trips_and_no_blob_is_moved() {
    let Some(lab) = Lab::new("trips") else {
        return;
    };
    let proxy = Proxy::with_delay(&lab.registry, Duration::from_millis(25), Duration::ZERO);
    let tag = format!("{}/{}:1", proxy.host(), lab.repository());
    lab.manifest(&[&tag], &sources(&proxy.host(), ALL))
        .succeeds();
    lab.has("1", ALL);
    let exchanges = proxy.exchanges();
    assert!(round_trips(&exchanges) <= 6, "{exchanges:#?}");
    let index = get_manifest(&lab.registry, lab.repository(), "1").json();
    let mut layers = BTreeSet::new();
    for entry in index["manifests"].as_array().unwrap() {
        let digest = entry["digest"].as_str().unwrap();
        let image = get_manifest(&lab.registry, lab.repository(), digest).json();
        layers.insert(image["layers"][0]["digest"].as_str().unwrap().to_string());
    }
    for exchange in &exchanges {
        // Mounted by their names.
        let read =
            exchange.method == "GET" && layers.iter().any(|layer| exchange.path.contains(layer));
        let sent = exchange.path.contains("/blobs/") && exchange.sent > 0;
        assert!(!read && !sent, "{exchange:?}");
    }
    // The tag is the last.
    let last = exchanges
        .iter()
        .max_by_key(|exchange| exchange.start)
        .unwrap();
    assert!(
        last.method == "PUT" && last.path.ends_with("/manifests/1"),
        "{last:?}"
    );
    let others = exchanges
        .iter()
        .filter(|exchange| exchange.path != last.path);
    assert!(others.clone().all(|other| other.end.unwrap() <= last.start));
}

#[test]
fn many_images_are_looked_at_side_by_side_with_a_bound() {
    let Some(lab) = Lab::new("many") else {
        return;
    };
    let proxy = Proxy::with_delay(&lab.registry, Duration::from_millis(25), Duration::ZERO);
    let timed = |references: &[String]| {
        let mut args = vec!["inspect"];
        args.extend(references.iter().map(String::as_str));
        let start = Instant::now();
        let run = lab.crossfile(Docker::Old, &args).succeeds();
        let said = run.stdout.matches("sha256:").count();
        (start.elapsed(), said, proxy.exchanges())
    };
    // The client's own bound is 64.
    let all: Vec<String> = (0..16)
        .flat_map(|_| sources(&proxy.host(), ALL))
        .take(96)
        .collect();
    let (_, _, one) = timed(&all[..1]);
    let (_, said, many) = timed(&all);
    assert!(said >= all.len(), "{said}");
    let most = most_at_once(&many);
    assert!((16..=64).contains(&most), "{most} at once");
    // One image takes some round trips, and each wave of as many as go side by side takes as many.
    let waves = all.len().div_ceil(64);
    let (one, many) = (round_trips(&one), round_trips(&many));
    assert!(
        many <= (waves + 1) * one,
        "{many} round trips for all, {one} for one"
    );
}

#[test]
fn what_is_there_is_not_moved_again() {
    let Some(lab) = Lab::new("again") else {
        return;
    };
    let proxy = Proxy::new(&lab.registry);
    let tag = format!("{}/{}:1", proxy.host(), lab.repository());
    let mut args = vec!["manifest", "--to", "oci:out", "--tag", "1"];
    let sources = sources(&lab.registry, ALL);
    args.extend(sources.iter().map(String::as_str));
    lab.crossfile(Docker::Old, &args).succeeds();
    let layout = ["oci:out:1".to_string()];
    lab.manifest(&[&tag], &layout).succeeds();
    let sent = |exchanges: Vec<Exchange>| exchanges.iter().map(|one| one.sent).sum::<u64>();
    assert!(sent(proxy.exchanges()) > 5_000_000);
    lab.manifest(&[&tag], &layout).succeeds();
    // Manifests alone.
    assert!(sent(proxy.exchanges()) < 20_000);
}
