//! The reference page of a file's keys, in Markdown.

use std::fmt::Write;

use super::File;
use crate::keys::{Fallback, Key, Keys, Kind};

const CONFIG: &str = include_str!("config.md");
const ARCH_MAP: &str = include_str!("arch-map.md");

pub(super) fn page(file: File) -> String {
    let (introduction, source) = match file {
        File::Config => (CONFIG, "src/config/keys/"),
        File::ArchMap => (ARCH_MAP, "src/arch/keys.rs"),
    };
    let mut page = format!(
        "<!-- Generated from {source} by src/schema/page.rs. Do not edit; to make it again: \
         CROSSFILE_BLESS=1 cargo test --test schema -->\n{introduction}\n## Keys\n\n"
    );
    let top = file.keys();
    let mut sections = Vec::new();
    collect(top, "", file, &mut sections);
    page.push_str("| key | type | default |\n| --- | --- | --- |\n");
    for section in &sections {
        let (path, anchor) = (&section.path, anchor(&section.path));
        let (kind, default) = (named(section.key.kind), default(section.key));
        let _ = writeln!(page, "| [`{path}`](#{anchor}) | {kind} | {default} |");
    }
    for section in &sections {
        let Section { path, key } = section;
        let _ = write!(page, "\n## `{path}`\n\n{}\n\n", key.doc);
        let _ = writeln!(page, "- type: {}", named(key.kind));
        let _ = writeln!(page, "- default: {}", default(key));
        if let Some(also) = also(file, key, path) {
            let _ = writeln!(page, "- also in: {also}");
        }
        if let Some(shared) = shared(file, key) {
            let _ = writeln!(page, "- takes too, for that architecture alone: {shared}");
        }
        let _ = write!(page, "\n```toml\n{}```\n", key.example);
    }
    page
}

/// A key and how to reach it.
struct Section {
    path: String,
    key: &'static Key,
}

/// The keys in the order of the page: each before those of its table. What the top has too is told there.
fn collect(keys: &'static Keys, path: &str, file: File, sections: &mut Vec<Section>) {
    for key in keys.named {
        if !path.is_empty() && file.keys().named.contains(key) {
            continue;
        }
        let path = format!("{path}{}", key.name);
        sections.push(Section {
            path: path.clone(),
            key,
        });
        below(key.kind, &path, file, sections);
    }
}

fn below(kind: Kind, path: &str, file: File, sections: &mut Vec<Section>) {
    match kind {
        Kind::Table(keys) => {
            collect(keys, &format!("{path}."), file, sections);
            if let Some(others) = &keys.others {
                let path = format!("{path}.{}", others.placeholder);
                below(others.kind, &path, file, sections);
            }
        }
        Kind::List(item) => below(*item, path, file, sections),
        Kind::ListOrTable(_, keys) => collect(keys, &format!("{path}."), file, sections),
        _ => {}
    }
}

/// The tables of single names, such as `arch.ARCH`, whose keys the top has too.
fn tables_of_one(file: File) -> impl Iterator<Item = (&'static Key, String, &'static Keys)> {
    file.keys().named.iter().filter_map(|key| {
        let Kind::Table(keys) = key.kind else {
            return None;
        };
        let others = keys.others.as_ref()?;
        match others.kind {
            Kind::Table(inner) => {
                Some((key, format!("[{}.{}]", key.name, others.placeholder), inner))
            }
            _ => None,
        }
    })
}

/// Where else a key of the top may stand.
fn also(file: File, key: &Key, path: &str) -> Option<String> {
    if path.contains('.') {
        return None;
    }
    let mut tables = tables_of_one(file);
    let (_, name, _) = tables.find(|(_, _, keys)| keys.named.contains(key))?;
    Some(format!("`{name}`"))
}

/// The keys of the top that a table of single names takes too.
fn shared(file: File, key: &Key) -> Option<String> {
    let (_, _, keys) = tables_of_one(file).find(|(table, _, _)| *table == key)?;
    let top = file.keys();
    let names = keys.named.iter().filter(|key| top.named.contains(key));
    let names: Vec<_> = names
        .map(|key| format!("[`{}`](#{})", key.name, anchor(key.name)))
        .collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// The name that GitHub and others give a heading.
fn anchor(path: &str) -> String {
    let kept = path
        .chars()
        .filter(|c| c.is_alphanumeric() || *c == '-' || *c == '_');
    kept.collect::<String>().to_lowercase()
}

fn default(key: &Key) -> String {
    match key.default {
        Fallback::Value(value) => format!("`{value}`"),
        Fallback::Text(text) => text.to_string(),
    }
}

fn named(kind: Kind) -> String {
    match kind {
        Kind::Bool => "true or false".to_string(),
        Kind::Integer => "whole number".to_string(),
        Kind::String => "string".to_string(),
        Kind::Word(words) => {
            let words: Vec<_> = words.iter().map(|word| format!("`\"{word}\"`")).collect();
            words.join(" or ")
        }
        Kind::Arch => "architecture".to_string(),
        Kind::Scheme => "scheme".to_string(),
        Kind::List(item) => format!("list of {}", plural(*item)),
        Kind::OneOrList(item) => format!("{}, or list of {}", named(*item), plural(*item)),
        Kind::ListOrTable(item, _) => format!("list of {}, or table", plural(*item)),
        Kind::TrueOrList(item) => format!("`true`, or list of {}", plural(*item)),
        Kind::Scalar => "string, whole number, true or false".to_string(),
        Kind::Plain => "value".to_string(),
        Kind::Value => "value, or `{ env = \"NAME\", default = … }`".to_string(),
        Kind::Words => "word, whole number or list of words".to_string(),
        Kind::Table(keys) => match &keys.others {
            Some(others) => format!("table; `{}`: {}", others.placeholder, named(others.kind)),
            None => "table".to_string(),
        },
    }
}

fn plural(kind: Kind) -> String {
    match kind {
        Kind::String => "strings".to_string(),
        Kind::Arch => "architectures".to_string(),
        Kind::Scheme => "schemes".to_string(),
        Kind::Table(_) => "tables".to_string(),
        Kind::Scalar => "strings, whole numbers, true or false".to_string(),
        other => named(other),
    }
}
