//! What the README's settings and numbers say is so. Its `console` blocks are run by tests/docs.rs, the Rust block is a
//! doc test, the `sh` block is run by `.ci/run`.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot read its fixture should panic"
)]

mod support;

use crossfile::{Config, Layer, NoInputs, Overrides, Source};
use support::page::Page;

const README: &str = include_str!("../README.md");

#[test]
fn the_settings_shown_are_settings() {
    let blocks = Page::open("README.md").blocks_in("toml");
    assert_eq!(blocks.len(), 2);
    let table = Source::new("arches.toml", blocks[1].text.as_str());
    let map = crossfile::ArchMap::builtin().with_overlay(&table).unwrap();
    assert_eq!(map.resolve("pi5").unwrap().get("tini").unwrap(), "arm64");
    assert!(map.get("toaster").is_some() && map.get("mips").is_none());
    // The files that the example names do not exist here; every key and value is read all the same.
    let text: String = blocks[0]
        .text
        .lines()
        .filter(|line| !line.starts_with("arch-map") && !line.starts_with("vars-file"))
        .map(|line| format!("{line}\n"))
        .collect();
    let layer = Layer::parse(&Source::new("crossfile.toml", text)).unwrap();
    let config = Config::read(&[layer], &Overrides::default(), &NoInputs).unwrap();
    assert_eq!(config.warnings, []);
    assert_eq!(config.cells(&config.arches).len(), 5);
}

#[test]
fn the_numbers_in_the_text_are_the_tables() {
    let map = crossfile::ArchMap::builtin();
    let sentence = format!(
        "one table of {} architectures in {} such vocabularies",
        map.entries().len(),
        map.schemes().len()
    );
    assert!(README.replace('\n', " ").contains(&sentence), "{sentence}");
    for scheme in map.schemes() {
        let known = scheme
            .template_names
            .iter()
            .any(|name| README.contains(&format!("`{name}`")));
        assert!(
            known || scheme.template_names.is_empty(),
            "the README does not name {:?}",
            scheme.template_names
        );
    }
}
