//! The declared keys, the reader, the JSON Schemas and the reference pages say the same.
//!
//! `CROSSFILE_BLESS=1 cargo test --test schema` writes `docs/config.md`, `docs/arch-map.md` and `docs/schema/` anew.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot read its fixture should panic"
)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crossfile::config::{self, DEFAULT_ARCHES, DEFAULT_HOST, DEFAULT_TEMPLATES};
use crossfile::document::{Fields, parse_toml};
use crossfile::keys::{Fallback, Key, Keys, Kind, Known};
use crossfile::schema::File;
use crossfile::{ArchMap, Code, Config, Diagnostic, Dialect, Inputs, Layer, Overrides, Source};
use jsonschema::Validator;
use serde_json::Value as Json;
use support::{Scratch, files_below};

const FILES: [File; 2] = [File::Config, File::ArchMap];

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

// -------------------------------------------------------------------------------------------------- what is committed

fn committed(path: &str, text: &str) {
    let path = top().join(path);
    if std::env::var_os("CROSSFILE_BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == text,
        "{} is not what the keys make: CROSSFILE_BLESS=1 cargo test --test schema",
        path.display()
    );
}

#[test]
fn the_committed_schemas_are_what_the_command_prints() {
    let scratch = Scratch::new();
    let print = |args: &[&str]| scratch.run(args).succeeds().stdout;
    committed("docs/schema/crossfile.json", &print(&["schema"]));
    committed("docs/schema/arch-map.json", &print(&["schema", "arch-map"]));
    assert_eq!(print(&["schema", "config"]), print(&["schema"]));
}

#[test]
fn the_committed_pages_are_what_the_keys_make() {
    committed("docs/config.md", &File::Config.page());
    committed("docs/arch-map.md", &File::ArchMap.page());
}

#[test]
fn the_schemas_are_schemas() {
    for file in FILES {
        let schema: Json = serde_json::from_str(&file.json_schema()).unwrap();
        jsonschema::draft7::meta::validate(&schema).unwrap();
    }
}

#[test]
fn links_of_the_pages_lead_to_headings() {
    for file in FILES {
        let page = file.page();
        let anchor = |heading: &str| heading.replace(['`', '.'], "").to_lowercase();
        let headings: Vec<String> = page
            .lines()
            .filter_map(|line| line.strip_prefix("## "))
            .map(anchor)
            .collect();
        let links: Vec<&str> = page
            .split("](#")
            .skip(1)
            .map(|rest| rest.split(')').next().unwrap())
            .collect();
        assert!(links.len() >= 10);
        for link in links {
            let found = headings.iter().filter(|heading| *heading == link);
            assert_eq!(found.count(), 1, "{file:?}: #{link}");
        }
    }
}

// ------------------------------------------------------------------------------------------------------------ reading

/// Files below a folder, and those that the examples name; no environment.
struct Files(Option<PathBuf>);

impl Inputs for Files {
    fn env(&self, _: &str) -> Option<String> {
        None
    }

    fn file(&self, path: &Path) -> Result<Arc<Source>, Diagnostic> {
        let text = match (&self.0, path.extension()) {
            (Some(folder), _) => fs::read_to_string(folder.join(path))
                .map_err(|error| Diagnostic::io(path, "read the file", &error))?,
            // An axis without values would be an error.
            (None, _) if path.ends_with("versions.json") => {
                r#"{"a": {"version": "1.0", "variants": ["b"]}}"#.to_string()
            }
            (None, Some(ending)) if ending == "json" => "{}".to_string(),
            (None, _) => String::new(),
        };
        Ok(Source::new(path, text))
    }
}

/// What the reader says of a text.
fn read(file: File, source: &Arc<Source>, inputs: &Files) -> Vec<Diagnostic> {
    match file {
        File::ArchMap => ArchMap::builtin()
            .with_overlay(source)
            .err()
            .unwrap_or_default(),
        _ => match Layer::parse(source) {
            Ok(layer) => Config::read(&[layer], &Overrides::default(), inputs)
                .err()
                .unwrap_or_default(),
            Err(problems) => problems,
        },
    }
}

/// Whether a problem is about keys and types, as opposed to what a value means.
fn is_shape(problem: &Diagnostic) -> bool {
    matches!(problem.code, Code::UnknownKey | Code::WrongType)
}

fn show(problems: &[Diagnostic]) -> String {
    let show = |problem: &Diagnostic| problem.render(&|path| path.display().to_string());
    problems.iter().map(show).collect()
}

fn validator(file: File) -> Validator {
    jsonschema::draft7::new(&serde_json::from_str(&file.json_schema()).unwrap()).unwrap()
}

/// TOML as an editor hands it to a schema: JSON has no dates.
fn json(value: &toml::Value) -> Json {
    match value {
        toml::Value::Datetime(date) => date.to_string().into(),
        toml::Value::Array(items) => items.iter().map(json).collect(),
        toml::Value::Table(table) => table
            .iter()
            .map(|(key, value)| (key.clone(), json(value)))
            .collect(),
        toml::Value::String(text) => text.as_str().into(),
        toml::Value::Integer(number) => (*number).into(),
        toml::Value::Float(number) => (*number).into(),
        toml::Value::Boolean(value) => (*value).into(),
    }
}

fn toml(text: &str) -> Json {
    json(&toml::Value::Table(text.parse().unwrap()))
}

// -------------------------------------------------------------------------------------------------------------- types

/// A key and how to write a document that gives it a value: the names on the way, `[]` for a list of tables.
struct Site {
    path: Vec<&'static str>,
    kind: Kind,
}

impl Site {
    /// A document that says `sample` there.
    fn document(&self, sample: &str) -> String {
        let mut path = self.path.clone();
        let mut text = sample.to_string();
        while path.len() > 1 {
            match path.pop().unwrap() {
                "[]" => text = format!("[{text}]"),
                // What selects cells may name axes only: those of the samples are some.
                name if path == ["matrix"] && ["include", "cell", "exclude"].contains(&name) => {
                    let axes: String = ["a", "env", "default", "more", "sample"]
                        .map(|axis| format!("{axis} = [\"x\"], "))
                        .concat();
                    text = format!("{{ {axes}{name} = {text} }}");
                }
                name => text = format!("{{ {name} = {text} }}"),
            }
        }
        format!("{} = {text}\n", path[0])
    }
}

/// Every place of a file that takes a value: declared keys, and one of each free name.
fn sites(file: File) -> Vec<Site> {
    fn walk(keys: &'static Keys, path: &[&'static str], sites: &mut Vec<Site>) {
        let others = keys.others.as_ref().map(|others| {
            let name = match others.known {
                Known::Arches => "amd64",
                Known::Schemes => "nix",
                _ => "sample",
            };
            (name, others.kind)
        });
        let named = keys.named.iter().map(|key| (key.name, key.kind));
        for (name, kind) in named.chain(others) {
            let path = [path, &[name]].concat();
            below(kind, &path, sites);
            sites.push(Site { path, kind });
        }
    }
    fn below(kind: Kind, path: &[&'static str], sites: &mut Vec<Site>) {
        match kind {
            Kind::Table(keys) => walk(keys, path, sites),
            Kind::List(item) => below(*item, &[path, &["[]"]].concat(), sites),
            _ => {}
        }
    }
    let mut sites = Vec::new();
    walk(file.keys(), &[], &mut sites);
    sites
}

/// A value of every type, right and wrong ones.
const SAMPLES: &[&str] = &[
    "\"x\"",
    "3",
    "1.5",
    "true",
    "false",
    "2026-01-31",
    "[]",
    "[\"x\"]",
    "[3]",
    "[1.5]",
    "[true]",
    "[[\"x\"]]",
    "[\"x\", { a = 3 }]",
    "[{ a = \"x\" }]",
    "[{ a = 1.5 }]",
    "{}",
    "{ a = \"x\" }",
    "{ a = 1.5 }",
    "{ a = [\"x\"] }",
    "{ a = { a = \"x\" } }",
    "{ env = \"X\" }",
    "{ env = \"X\", default = [\"x\"] }",
    "{ env = \"X\", default = 1.5 }",
    "{ env = \"X\", more = \"x\" }",
    "{ env = 3 }",
    "{ a = { env = \"X\" } }",
    "{ a = { env = \"X\", more = 3 } }",
    "\"placeholder\"",
];

/// Whether a value is of a declared type: what reader and schema are held to.
fn fits(kind: Kind, value: &toml::Value) -> bool {
    let list = |item: Kind| {
        let items = value.as_array();
        items.is_some_and(|items| items.iter().all(|value| fits(item, value)))
    };
    match kind {
        Kind::Bool => value.is_bool(),
        Kind::Integer => value.is_integer(),
        Kind::String | Kind::Arch | Kind::Scheme => value.is_str(),
        Kind::Word(words) => value.as_str().is_some_and(|word| words.contains(&word)),
        Kind::List(item) => list(*item),
        Kind::ListOrTable(item, keys) => {
            (value.is_array() && fits(Kind::List(item), value))
                || (value.is_table() && fits(Kind::Table(keys), value))
        }
        Kind::OneOrList(item) => fits(*item, value) || list(*item),
        Kind::TrueOrList(item) => value.as_bool() == Some(true) || list(*item),
        Kind::Scalar => {
            value.is_str() || value.is_integer() || value.is_bool() || value.is_datetime()
        }
        Kind::Plain => match value {
            toml::Value::Table(table) => table.values().all(|value| fits(Kind::Plain, value)),
            _ => fits(Kind::Scalar, value) || list(Kind::Plain),
        },
        Kind::Value => match value.get("env") {
            Some(_) => fits(Kind::Table(&config::keys::ENV), value),
            None => fits(Kind::Plain, value),
        },
        Kind::Words => value.is_str() || value.is_integer() || list(Kind::String),
        Kind::Table(keys) => value.as_table().is_some_and(|table| {
            table.iter().all(|(name, value)| {
                let others = keys.others.as_ref().map(|others| others.kind);
                let kind = keys.get(name).map(|key| key.kind).or(others);
                kind.is_some_and(|kind| fits(kind, value))
            })
        }),
        _ => panic!("say here what {kind:?} takes"),
    }
}

#[test]
fn reader_and_schema_take_the_declared_type_and_no_other() {
    let mut wrong = Vec::new();
    for file in FILES {
        let validator = validator(file);
        let sites = sites(file);
        assert!(sites.len() >= 18);
        for site in sites {
            let (mut taken, mut refused) = (0, 0);
            for sample in SAMPLES {
                let text = site.document(sample);
                let document: toml::Table = text.parse().unwrap();
                let value: toml::Table = format!("x = {sample}").parse().unwrap();
                let fits = fits(site.kind, &value["x"]);
                *(if fits { &mut taken } else { &mut refused }) += 1;

                let problems = read(
                    file,
                    &Source::new("sample.toml", text.as_str()),
                    &Files(None),
                );
                // Which words there are is a matter of values to the reader.
                let reads = match site.kind {
                    Kind::Word(_) | Kind::List(Kind::Word(_)) => problems.is_empty(),
                    _ => !problems.iter().any(is_shape),
                };
                if reads != fits {
                    let said = show(&problems);
                    wrong.push(format!(
                        "{file:?}, the reader, which takes it: {reads}: {text}{said}"
                    ));
                }
                // JSON has no dates: to a schema one is a string.
                let validates = validator.is_valid(&json(&toml::Value::Table(document)));
                if validates != fits && *sample != "2026-01-31" {
                    wrong.push(format!(
                        "{file:?}, the schema, which takes it: {validates}: {text}"
                    ));
                }
            }
            assert!(
                taken > 0 && refused > 0,
                "{:?}: {taken}, {refused}",
                site.path
            );
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn an_undeclared_key_is_refused_by_reader_and_schema() {
    for file in FILES {
        let validator = validator(file);
        let tables = sites(file).into_iter().filter_map(|site| match site.kind {
            Kind::Table(keys) if keys.others.is_none() => Some(site.document("{ quux = \"x\" }")),
            _ => None,
        });
        let texts: Vec<String> = tables.chain(["quux = \"x\"\n".to_string()]).collect();
        assert!(texts.len() >= 3);
        for text in texts {
            let problems = read(file, &Source::new("x.toml", text.as_str()), &Files(None));
            let unknown = problems.iter().any(|p| p.code == Code::UnknownKey);
            assert!(unknown, "{text}{}", show(&problems));
            assert!(!validator.is_valid(&toml(&text)), "{text}");
        }
    }
}

/// Every declaration, each with the file that it is of.
fn keys() -> Vec<(File, &'static Key)> {
    fn walk(keys: &'static Keys, found: &mut Vec<&'static Key>) {
        for key in keys.named {
            found.push(key);
            below(key.kind, found);
        }
        if let Some(others) = &keys.others {
            below(others.kind, found);
        }
    }
    fn below(kind: Kind, found: &mut Vec<&'static Key>) {
        match kind {
            Kind::Table(keys) => walk(keys, found),
            Kind::List(item) => below(*item, found),
            _ => {}
        }
    }
    let mut all = Vec::new();
    for file in FILES {
        let mut found = Vec::new();
        walk(file.keys(), &mut found);
        all.extend(found.into_iter().map(|key| (file, key)));
    }
    let env = config::keys::ENV.named.iter();
    all.extend(env.map(|key| (File::Config, key)));
    all
}

#[test]
fn examples_use_their_key_and_are_right() {
    for (file, key) in keys() {
        let source = Source::new("example.toml", key.example);
        let problems = read(file, &source, &Files(None));
        assert!(problems.is_empty(), "{}: {}", key.name, show(&problems));
        assert!(key.example.contains(key.name), "{}", key.name);
        let document = toml(key.example);
        let valid = validator(file).validate(&document);
        valid.unwrap_or_else(|error| panic!("{}: {error}", key.name));
    }
}

#[test]
fn documentation_is_written_like_the_rest() {
    for (_, key) in keys() {
        assert!(
            key.doc.ends_with('.') && !key.doc.contains("  "),
            "{}",
            key.doc
        );
        assert!(key.example.ends_with('\n'), "{}", key.name);
        let default: &str = match key.default {
            Fallback::Value(text) | Fallback::Text(text) => text,
            _ => "",
        };
        assert!(
            !default.is_empty() && !default.ends_with('.'),
            "{}",
            key.name
        );
    }
}

#[test]
fn defaults_are_of_the_declared_type_and_what_the_code_does() {
    let stated = |name: &str| {
        let key = config::keys::CROSSFILE.get(name).unwrap();
        let Fallback::Value(text) = key.default else {
            panic!("{name}");
        };
        let table: toml::Table = format!("x = {text}").parse().unwrap();
        json(&table["x"])
    };
    assert_eq!(stated("arches"), Json::from(DEFAULT_ARCHES));
    assert_eq!(stated("host"), Json::from(DEFAULT_HOST));
    assert_eq!(stated("templates"), Json::from(DEFAULT_TEMPLATES));
    let config = Config::read(&[], &Overrides::default(), &Files(None)).unwrap();
    assert_eq!(stated("qemu"), Json::from(config.qemu));
    assert_eq!(stated("header"), Json::from(config.header));
    assert!(config.passthrough.is_empty() && config.lint_allow.is_empty());
    for (_, key) in keys() {
        if let Fallback::Value(text) = key.default {
            let table: toml::Table = format!("x = {text}").parse().unwrap();
            assert!(fits(key.kind, &table["x"]), "{}", key.name);
        }
    }
    let dialect = config::keys::CROSSFILE.get("dialect").unwrap();
    let words: Vec<&str> = Dialect::ALL.iter().map(|d| d.as_str()).collect();
    let Kind::Word(declared) = dialect.kind else {
        panic!("{:?}", dialect.kind);
    };
    assert_eq!(declared, words);
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "`allwo` is not declared so")]
fn a_key_that_is_not_declared_cannot_be_asked_for() {
    let table = parse_toml(&Source::new("x.toml", "")).unwrap();
    Fields::new(&table, &config::keys::LINT, &mut Vec::new()).strings("allwo");
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "`allow` is not declared so")]
fn a_key_cannot_be_asked_for_as_another_type() {
    let table = parse_toml(&Source::new("x.toml", "")).unwrap();
    Fields::new(&table, &config::keys::LINT, &mut Vec::new()).string("allow");
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "nobody reads `allow`")]
fn a_declared_key_has_to_be_asked_for() {
    let table = parse_toml(&Source::new("x.toml", "")).unwrap();
    Fields::new(&table, &config::keys::LINT, &mut Vec::new()).finish();
}

#[test]
fn lint_allow_is_read() {
    let source = Source::new("crossfile.toml", "[lint]\nallow = [\"missing-handler\"]\n");
    let layer = Layer::parse(&source).unwrap();
    let config = Config::read(&[layer], &Overrides::default(), &Files(None)).unwrap();
    let allowed: Vec<&str> = config.lint_allow.iter().map(|code| &*code.value).collect();
    assert_eq!(allowed, ["missing-handler"]);
    assert_eq!(config.lint_allow[0].place.text(), "\"missing-handler\"");
}

// -------------------------------------------------------------------------------------------------------- real files

/// Files whose shape the reader refuses and the schema cannot, and why.
const BEYOND_SCHEMAS: &[(&str, &str)] = &[];

/// Files that are no TOML.
const NO_TOML: &[&str] = &[
    "config/err-tab/in/settings.toml",
    "config/err-toml/in/settings.toml",
    "mistakes/err-tab-in-toml/in/settings.toml",
];

#[test]
fn the_files_of_the_cases_are_judged_alike() {
    let cases = top().join("tests/cases");
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    let mut broken = Vec::new();
    let mut wrong = Vec::new();
    for path in files_below(&cases).keys() {
        if !path.ends_with("/settings.toml") {
            continue;
        }
        let folder = cases.join(path).parent().unwrap().to_path_buf();
        let mut files = vec![(File::Config, path.clone())];
        let text = fs::read_to_string(cases.join(path)).unwrap();
        if let Ok(table) = text.parse::<toml::Table>() {
            let maps = match table.get("arch-map") {
                Some(toml::Value::Array(maps)) => maps.clone(),
                one => one.cloned().into_iter().collect(),
            };
            let maps = maps.iter().filter_map(|map| map.as_str());
            let maps = maps.map(|map| folder.join(map)).filter(|map| map.exists());
            files.extend(maps.map(|map| {
                let map = map.strip_prefix(&cases).unwrap();
                (File::ArchMap, map.to_str().unwrap().to_string())
            }));
        }
        for (file, path) in files {
            let text = fs::read_to_string(cases.join(&path)).unwrap();
            let Ok(document) = text.parse::<toml::Table>() else {
                broken.push(path);
                continue;
            };
            let name = Path::new(&path).file_name().unwrap();
            let source = Source::new(name, text.as_str());
            let problems = read(file, &source, &Files(Some(folder.clone())));
            // What is said of another file, a table or a file of variables, is not this one's fault.
            let own = |problem: &&Diagnostic| problem.place.source().path() == Path::new(name);
            let refused = problems.iter().filter(own).any(is_shape);
            let errors: Vec<String> = validator(file)
                .iter_errors(&json(&toml::Value::Table(document)))
                .map(|error| format!("  {error} at {}", error.instance_path()))
                .collect();
            let excepted = BEYOND_SCHEMAS.iter().any(|(known, _)| *known == path);
            if refused == errors.is_empty() && !excepted {
                let said = show(&problems);
                wrong.push(format!(
                    "{path}: refused: {refused}\n{said}{}",
                    errors.join("\n")
                ));
            }
            match refused {
                true => bad.push(path),
                false => good.push(path),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(broken, NO_TOML);
    for (path, reason) in BEYOND_SCHEMAS {
        assert!(bad.iter().any(|bad| bad == path), "{path}: {reason}");
    }
    assert!(good.len() >= 80 && bad.len() >= 4, "{} {bad:?}", good.len());
}

#[test]
fn our_own_files_validate() {
    let mut files = vec![
        (File::ArchMap, top().join("arch-map.toml")),
        (File::Config, top().join("crossfile.toml")),
    ];
    for starter in fs::read_dir(top().join("templates")).unwrap() {
        files.push((File::Config, starter.unwrap().path().join("crossfile.toml")));
    }
    assert!(files.len() >= 4);
    for (file, path) in files {
        let text = fs::read_to_string(&path).unwrap();
        let document = toml(&text);
        let errors: Vec<String> = validator(file)
            .iter_errors(&document)
            .map(|error| format!("{error} at {}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{}: {errors:?}", path.display());
    }
}

#[test]
fn the_blocks_of_the_pages_are_right() {
    for file in FILES {
        let page = file.page();
        let blocks: Vec<&str> = page
            .split("\n```toml\n")
            .skip(1)
            .map(|rest| rest.split_once("```").unwrap().0)
            .collect();
        assert!(blocks.len() >= 10);
        for block in blocks {
            let problems = read(file, &Source::new("block.toml", block), &Files(None));
            assert!(problems.is_empty(), "{block}{}", show(&problems));
            assert!(validator(file).is_valid(&toml(block)), "{block}");
        }
    }
}

#[test]
fn editors_can_offer_what_the_table_has() {
    let schema: BTreeMap<String, Json> = serde_json::from_str(&File::Config.json_schema()).unwrap();
    let map = ArchMap::builtin();
    let names: Vec<&str> = map.entries().iter().map(|e| e.name.as_str()).collect();
    let offered = &schema["definitions"]["arch"]["anyOf"][0]["enum"];
    assert_eq!(offered, &Json::from(names));
    let schema: BTreeMap<String, Json> =
        serde_json::from_str(&File::ArchMap.json_schema()).unwrap();
    let names: Vec<&str> = map.schemes().iter().map(|s| s.name.as_str()).collect();
    let offered = &schema["definitions"]["scheme"]["anyOf"][0]["enum"];
    assert_eq!(offered, &Json::from(names));
}
