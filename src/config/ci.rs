//! `[ci]`: what pipelines are told.

use std::collections::BTreeMap;

use super::{CiSettings, Login, ServiceSettings, keys};
use crate::arch::{ArchMap, ArchName};
use crate::diagnostic::{Code, Diagnostic};
use crate::document::{Fields, Located, NodeValue, Table};
use crate::keys::Keys;

pub(super) fn ci_settings(
    table: Option<&Table>,
    map: &ArchMap,
    problems: &mut Vec<Diagnostic>,
) -> CiSettings {
    let Some(table) = table else {
        return CiSettings::default();
    };
    let mut fields = Fields::new(table, &keys::CI, problems);
    let install = fields.string_or_strings("install");
    let branches = fields.strings("branches");
    let git_tags = fields.strings("git-tags");
    let logins = fields.table("login");
    let github = fields.table("github");
    let gitlab = fields.table("gitlab");
    let travis = fields.table("travis");
    fields.finish();
    for name in branches.iter().chain(&git_tags).flatten() {
        check_ref(name, problems);
    }
    let mut settings = CiSettings {
        install,
        branches,
        git_tags,
        logins: logins_of(logins, problems),
        github: service(github, &keys::GITHUB, map, problems),
        gitlab: service(gitlab, &keys::GITLAB, map, problems),
        travis: service(travis, &keys::TRAVIS, map, problems),
    };
    for line in settings.install.iter_mut().flatten() {
        if line.value.trim().is_empty() {
            let message = "this is no command";
            problems.push(Diagnostic::error(
                Code::BadValue,
                line.place.clone(),
                message,
            ));
        }
        // A final newline is YAML's affair.
        line.value.truncate(line.value.trim_end().len());
    }
    settings
}

/// A name of git, with `*`. Source: git-check-ref-format(1).
fn check_ref(name: &Located<String>, problems: &mut Vec<Diagnostic>) {
    let text = name.value.as_str();
    let bad = |c: char| c.is_control() || " ~^:?[\\".contains(c);
    let wrong = text.is_empty()
        || text.contains(bad)
        || ["..", "@{", "//", "${{"]
            .iter()
            .any(|part| text.contains(part))
        || text.starts_with('/')
        || text.ends_with(['/', '.']);
    if wrong {
        let message = format!("`{text}` is no name of a branch or tag, nor a pattern of such");
        problems.push(
            Diagnostic::error(Code::BadValue, name.place.clone(), message)
                .help("write it as git does: `main`, `release/*`"),
        );
    }
}

fn logins_of(table: Option<&Table>, problems: &mut Vec<Diagnostic>) -> BTreeMap<String, Login> {
    let mut logins = BTreeMap::new();
    for (host, node) in table.iter().flat_map(|table| table.iter()) {
        let NodeValue::Table(table) = &node.value else {
            problems.push(node.expected(&host.value, "a table"));
            continue;
        };
        let mut fields = Fields::new(table, &keys::LOGIN, problems);
        let user = fields.string("user");
        let password = fields.string("password");
        fields.finish();
        for name in [&user, &password].into_iter().flatten() {
            let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
            let good = name.value.starts_with(letter)
                && name.value.chars().all(|c| letter(c) || c.is_ascii_digit());
            if !good {
                // It may be the secret itself: then it is not to be shown again.
                let message = "a value here is no name of a secret: letters, digits and `_`";
                let place = crate::diagnostic::Place::file(name.place.source().path());
                problems.push(
                    Diagnostic::error(
                        Code::BadValue,
                        place,
                        format!("`ci.login.\"{}\"`: {message}", host.value),
                    )
                    .help("keep the secret itself with the CI service, and write its name here"),
                );
            }
        }
        let login = Login {
            user: user.map(|user| user.value),
            password: password.map(|password| password.value),
        };
        logins.insert(host.value.clone(), login);
    }
    logins
}

/// The machines of Travis CI, by their `arch`. Source: docs.travis-ci.com, "Building on Multiple CPU Architectures".
const TRAVIS: &[&str] = &["amd64", "arm64", "arm64-graviton2", "ppc64le", "s390x"];

fn service(
    table: Option<&Table>,
    declared: &'static Keys,
    map: &ArchMap,
    problems: &mut Vec<Diagnostic>,
) -> ServiceSettings {
    let Some(table) = table else {
        return ServiceSettings::default();
    };
    let mut fields = Fields::new(table, declared, problems);
    let runners = fields.table("runners");
    let image = match declared.get("image") {
        Some(_) => fields.string("image"),
        None => None,
    };
    fields.finish();
    let mut settings = ServiceSettings {
        runners: BTreeMap::new(),
        image,
    };
    for (name, node) in runners.iter().flat_map(|table| table.iter()) {
        if map.get(&name.value).is_none() {
            problems.push(map.unknown_arch(name));
        }
        let labels = match &node.value {
            NodeValue::String(text) => Some(vec![Located::new(text.clone(), node.place.clone())]),
            _ => node.strings(&name.value, problems),
        };
        let Some(labels) = labels else { continue };
        // Travis has machines of its own alone.
        let unknown = |label: &&Located<String>| !TRAVIS.contains(&label.value.as_str());
        if declared == &keys::TRAVIS
            && let Some(label) = labels
                .iter()
                .skip(1)
                .chain(labels.iter().find(unknown))
                .next()
        {
            let message = format!(
                "`{}` is no machine of Travis CI, or one too many",
                label.value
            );
            problems.push(
                Diagnostic::error(Code::BadValue, label.place.clone(), message)
                    .help(format!("one of: {}", TRAVIS.join(", "))),
            );
            continue;
        }
        let empty = labels.is_empty() || labels.iter().any(|label| label.value.trim().is_empty());
        if empty {
            let message = "this names no runner";
            problems.push(Diagnostic::error(
                Code::BadValue,
                node.place.clone(),
                message,
            ));
            continue;
        }
        settings.runners.insert(ArchName::new(&name.value), labels);
    }
    settings
}
