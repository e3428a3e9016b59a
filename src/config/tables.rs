//! Small tables of the settings: what lint allows, how indexes are proved, how registries are spoken to.

use std::collections::BTreeMap;

use super::{HandlerSettings, HandlerSource, RegistrySettings, VerifySettings, keys};
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

pub(super) fn handler_settings(
    table: Option<&Table>,
    problems: &mut Vec<Diagnostic>,
) -> HandlerSettings {
    let mut settings = HandlerSettings::default();
    let Some(table) = table else {
        return settings;
    };
    let mut fields = Fields::new(table, &keys::HANDLERS, problems);
    let from = fields.strings("from");
    settings.url = fields.string("url");
    let mirror = fields.string("mirror");
    let suite = fields.string("suite");
    fields.finish();
    let mut wrong = |said: &Located<String>, message: String, help: &str| {
        let problem = Diagnostic::error(Code::BadValue, said.place.clone(), message);
        problems.push(problem.help(help));
    };
    for address in settings.url.iter().chain(&mirror) {
        let text = address.value.as_str();
        let rest = text
            .strip_prefix("https://")
            .or_else(|| text.strip_prefix("http://"));
        let host = rest.and_then(|rest| rest.split('/').next());
        match host {
            None | Some("") => {
                let message = format!("`{text}` is no address");
                wrong(address, message, "write `https://HOST/PATH`");
            }
            // It would stand in the lock and in messages.
            Some(host) if host.contains('@') => {
                let message = "the address has a user in it".to_string();
                wrong(address, message, "leave `USER:PASSWORD@` out");
            }
            Some(_) => {}
        }
    }
    if let Some(suite) = &suite
        && (suite.value.is_empty() || suite.value.contains(char::is_whitespace))
    {
        let message = format!("`{}` is no release", suite.value);
        wrong(suite, message, "write its name, as `trixie`");
    }
    if let Some(mirror) = mirror {
        settings.mirror = mirror.value.trim_end_matches('/').to_string();
    }
    if let Some(suite) = suite {
        settings.suite = suite.value;
    }
    match from {
        None => settings
            .from
            .extend(settings.url.is_some().then_some(HandlerSource::Url)),
        Some(said) => {
            settings.from.clear();
            for word in &said {
                match word.value.as_str() {
                    "machine" => settings.from.push(HandlerSource::Machine),
                    "debian" => settings.from.push(HandlerSource::Debian),
                    "url" if settings.url.is_some() => settings.from.push(HandlerSource::Url),
                    "url" => {
                        let help = "write `url = \"https://…\"` under [handlers]";
                        wrong(word, "nothing says which `url`".to_string(), help);
                    }
                    other => {
                        let message = format!("`{other}` is nothing that handlers come from");
                        wrong(word, message, "write `machine`, `debian` or `url`");
                    }
                }
            }
        }
    }
    settings
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
