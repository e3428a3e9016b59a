//! Small tables of the settings: what lint allows, how indexes are proved, how registries are spoken to.

use std::collections::BTreeMap;

use super::{RegistrySettings, VerifySettings, keys};
use crate::diagnostic::{Code, Diagnostic, Severity, unknown_code};
use crate::document::{Fields, Located, NodeValue, Table};

/// The codes that `[lint]` allows. An error cannot be allowed.
pub(super) fn lint_allow(
    table: Option<&Table>,
    problems: &mut Vec<Diagnostic>,
) -> Vec<Located<String>> {
    let Some(table) = table else {
        return Vec::new();
    };
    let mut fields = Fields::new(table, &keys::LINT, problems);
    let allow = fields.strings("allow").unwrap_or_default();
    fields.finish();
    for name in &allow {
        if Code::parse(&name.value).is_none() {
            problems.push(unknown_code(
                &name.value,
                name.place.clone(),
                Severity::Error,
            ));
        }
    }
    allow
}

pub(super) fn verify_settings(
    table: Option<&Table>,
    problems: &mut Vec<Diagnostic>,
) -> VerifySettings {
    let Some(table) = table else {
        return VerifySettings::default();
    };
    let mut fields = Fields::new(table, &keys::VERIFY, problems);
    let allow = fields.strings("allow").unwrap_or_default();
    let programs = fields.bool("programs");
    fields.finish();
    for pattern in &allow {
        if let Err(error) = globset::Glob::new(&pattern.value) {
            let message = format!("this is no pattern of paths: {}", error.kind());
            let place = pattern.place.clone();
            problems.push(Diagnostic::error(Code::BadValue, place, message));
        }
    }
    VerifySettings {
        allow,
        programs: programs.is_none_or(|programs| programs.value),
    }
}

pub(super) fn registry_settings(
    table: Option<&Table>,
    problems: &mut Vec<Diagnostic>,
) -> BTreeMap<String, RegistrySettings> {
    let mut registries = BTreeMap::new();
    for (host, node) in table.iter().flat_map(|table| table.iter()) {
        let NodeValue::Table(table) = &node.value else {
            problems.push(node.expected(&host.value, "a table"));
            continue;
        };
        let mut fields = Fields::new(table, &keys::REGISTRY, problems);
        let plain_http = fields.bool("plain-http").map(|plain| plain.value);
        let mirror = fields.string("mirror");
        fields.finish();
        for named in [Some(host), mirror.as_ref()].into_iter().flatten() {
            if named.value.is_empty() || named.value.contains(['/', ' ']) {
                let message = format!("`{}` is no registry", named.value);
                let help = "write its host, and its port where it has one: `registry.local:5000`";
                let place = named.place.clone();
                problems.push(Diagnostic::error(Code::BadValue, place, message).help(help));
            }
        }
        registries.insert(
            host.value.clone(),
            RegistrySettings {
                plain_http,
                mirror: mirror.map(|mirror| mirror.value),
            },
        );
    }
    registries
}
