//! Every code block of the README and of `docs/` is run: `console` blocks in order, in one scratch folder per page, their
//! output compared; `toml` blocks read as settings; `rust` blocks compiled, as doc tests of the library.
//!
//! `CROSSFILE_BLESS=1 cargo test --test docs` writes what the commands print into the pages.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot run a shell should panic, and says when it is skipped"
)]

mod support;

use std::collections::BTreeSet;
use std::fs;

use crossfile::{ArchMap, Config, Layer, NoInputs, Overrides, Source};
use support::page::Page;

/// Made from declarations, and compared with them by tests of their own: nothing in them is typed by a reader.
const GENERATED: &[&str] = &["docs/config.md", "docs/arch-map.md", "docs/codes.md"];

/// A list of the other pages, without a block.
const INDEX: &str = "docs/README.md";

/// The first line of a `toml` block that is a table of architectures and not settings.
const ARCH_MAP: &str = "# arches.toml\n";

fn all() -> Vec<Page> {
    let folder = fs::read_dir(Page::top().join("docs")).unwrap();
    let names: BTreeSet<String> = folder
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".md"))
        .map(|name| format!("docs/{name}"))
        .chain(["README.md".to_string()])
        .collect();
    names.iter().map(|name| Page::open(name)).collect()
}

/// The pages with blocks that a reader would type.
fn pages() -> Vec<Page> {
    let listed = |page: &Page| GENERATED.contains(&page.name.as_str()) || page.name == INDEX;
    all().into_iter().filter(|page| !listed(page)).collect()
}

#[test]
fn every_command_prints_what_the_page_says() {
    let git = std::process::Command::new("git").arg("--version").output();
    let mut differences = Vec::new();
    for page in pages() {
        let uses_git = page.text.contains("\n$ git ");
        if uses_git && git.is_err() {
            println!("skipped: {} uses git, which is not installed", page.name);
            continue;
        }
        let played = page.play();
        assert!(played.commands > 0, "{} has no command", page.name);
        if std::env::var_os("CROSSFILE_BLESS").is_some() {
            fs::write(Page::top().join(&page.name), played.text).unwrap();
        } else {
            differences.extend(played.differences);
        }
    }
    assert!(
        differences.is_empty(),
        "{}\nto write it into the pages: CROSSFILE_BLESS=1 cargo test --test docs",
        differences.join("\n")
    );
}

#[test]
fn every_block_is_in_a_language_that_is_checked() {
    let library = fs::read_to_string(Page::top().join("src/lib.rs")).unwrap();
    for page in pages() {
        let blocks = page.blocks();
        assert!(!blocks.is_empty(), "{} has no block", page.name);
        for block in blocks {
            let checked = match (page.name.as_str(), block.language.as_str()) {
                (_, "console" | "toml") => true,
                // Played where there is a kernel to change, or engines: tests/emulation.rs, tests/engines.rs.
                ("docs/emulation.md", "console kernel") => true,
                ("docs/articles.md", "console engines") => true,
                (name, "rust") => {
                    library.contains(&format!("#[doc = include_str!(\"../{name}\")]"))
                }
                // The script that crossfile replaces, the set-up that `.ci/run` runs, and the command that would put
                // crossfile on this machine's PATH.
                ("README.md", "bash" | "sh" | "text") => true,
                // Builds of many minutes, of which `.ci/run` does two architectures.
                ("docs/packaging.md", "sh") => true,
                _ => false,
            };
            assert!(
                checked,
                "{}:{}: nothing checks a block in `{}`",
                page.name, block.line, block.language
            );
        }
    }
}

#[test]
fn every_toml_block_is_read() {
    // The README's blocks name files, and are read by tests/readme.rs.
    for page in pages().iter().filter(|page| page.name != "README.md") {
        for block in page.blocks_in("toml") {
            let place = format!("{}:{}", page.name, block.line);
            let source = Source::new(place.as_str(), block.text.as_str());
            if block.text.starts_with(ARCH_MAP) {
                let map = ArchMap::builtin().with_overlay(&source);
                assert!(map.is_ok(), "{place}: {map:?}");
                continue;
            }
            let layer = Layer::parse(&source).unwrap_or_else(|wrong| panic!("{place}: {wrong:?}"));
            let config = Config::read(&[layer], &Overrides::default(), &NoInputs)
                .unwrap_or_else(|wrong| panic!("{place}: {wrong:?}"));
            assert_eq!(config.warnings, [], "{place}");
        }
    }
}

#[test]
fn the_index_has_every_page() {
    let index = Page::open(INDEX);
    for page in all() {
        let Some(name) = page.name.strip_prefix("docs/") else {
            continue;
        };
        let there = page.name == INDEX || index.text.contains(&format!("]({name})"));
        assert!(there, "{INDEX} does not link to {name}");
    }
}

#[test]
fn every_link_leads_somewhere() {
    for page in all() {
        let folder = Page::top().join(&page.name);
        let folder = folder.parent().unwrap();
        for rest in prose(&page.text).split("](").skip(1) {
            let target = rest.split(')').next().unwrap();
            if target.contains("://") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = match file {
                "" => Page::top().join(&page.name),
                _ => folder.join(file),
            };
            assert!(path.exists(), "{}: {target} is not there", page.name);
            if !anchor.is_empty() {
                let text = fs::read_to_string(path).unwrap();
                let headings = prose(&text);
                let mut headings = headings.lines().filter(|line| line.starts_with('#'));
                assert!(
                    headings.any(|heading| slug(heading) == anchor),
                    "{}: {target} has no such heading",
                    page.name
                );
            }
        }
    }
}

/// The text without its blocks.
fn prose(text: &str) -> String {
    let parts = text.split("\n```").step_by(2);
    parts.collect::<Vec<_>>().join("\n")
}

/// What GitHub makes of a heading for links.
fn slug(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    words
        .chars()
        .filter(kept)
        .collect::<String>()
        .replace(' ', "-")
}
