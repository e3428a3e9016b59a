//! Laying a file over the table: value by value, and then a check of the whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::entry::{ArchName, DERIVED_SCHEMES, Entry, Scheme, SchemeValue};
use super::keys;
use super::map::{Ambiguity, ArchMap, STRUCTURAL_NAMES};
use super::platform::Platform;
use crate::diagnostic::{Code, Diagnostic, Source, closest};
use crate::document::{Fields, Located, Node, NodeValue, Table, TrueOrStrings, parse_toml};
use crate::naming::{check_template_name, is_word};

/// The version of the file format that this crossfile reads.
const SCHEMA: i64 = 1;

impl ArchMap {
    /// This table with `source` laid over it, row by row and value by value. New rows come after the old ones.
    ///
    /// `remove = true` drops a row, a scheme or an ambiguity; `remove = ["debian"]` drops values of a row.
    ///
    /// # Errors
    /// Every problem of the file and every clash of the result, with both places.
    pub fn with_overlay(&self, source: &Arc<Source>) -> Result<ArchMap, Vec<Diagnostic>> {
        let document = parse_toml(source)?;
        let mut map = self.clone();
        let mut problems = Vec::new();
        let mut fields = Fields::new(&document, &keys::ARCH_MAP, &mut problems);
        if let Some(schema) = fields.integer("schema")
            && schema.value != SCHEMA
        {
            let message = format!("this crossfile reads schema {SCHEMA}, not {}", schema.value);
            let problem = Diagnostic::error(Code::BadValue, schema.place, message);
            fields.problems.push(problem);
        }
        let schemes = fields.table("scheme");
        let ambiguous = fields.table("ambiguous");
        let rows = fields.table("arch");
        fields.finish();

        for (name, node) in schemes.iter().flat_map(|table| table.iter()) {
            map.lay_scheme(name, node, &mut problems);
        }
        for (name, node) in rows.iter().flat_map(|table| table.iter()) {
            map.lay_row(name, node, &mut problems);
        }
        for (name, node) in ambiguous.iter().flat_map(|table| table.iter()) {
            map.lay_ambiguity(name, node, &mut problems);
        }
        map.check(&mut problems);
        match problems.is_empty() {
            true => Ok(map),
            false => Err(problems),
        }
    }

    fn lay_scheme(&mut self, name: &Located<String>, node: &Node, problems: &mut Vec<Diagnostic>) {
        let Some(table) = table_of(name, node, problems) else {
            return;
        };
        for (key, _) in table
            .iter()
            .filter(|(key, _)| self.get(&key.value).is_some())
        {
            let message = format!(
                "`{}` is an architecture, and this declares a scheme",
                key.value
            );
            let scheme = &name.value;
            let help = format!(
                "its name in the scheme goes into its row: `[arch.{}]` `{scheme} = \"…\"`",
                key.value
            );
            let place = key.place.clone();
            problems.push(Diagnostic::error(Code::UnknownKey, place, message).help(help));
        }
        let arches: Vec<&str> = self
            .entries
            .iter()
            .map(|entry| entry.name.as_str())
            .collect();
        let table = &table.without(&arches);
        let mut fields = Fields::new(table, &keys::SCHEME, problems);
        let remove = fields.bool("remove");
        let title = fields.string("title");
        let names = fields.strings("names");
        let source = fields.string("source");
        fields.finish();
        if remove.is_some_and(|remove| remove.value) {
            self.schemes.retain(|scheme| scheme.name != name.value);
            for entry in &mut self.entries {
                entry.values.remove(&name.value);
            }
            return;
        }
        if let Some(names) = &names {
            for template_name in names {
                if let Err(problem) = check_template_name(template_name) {
                    problems.push(problem);
                }
            }
        }
        let index = self.scheme_index(name, problems);
        let scheme = &mut self.schemes[index];
        if let Some(title) = title {
            scheme.title = title.value;
        }
        if let Some(names) = names {
            scheme.template_names = names.into_iter().map(|name| name.value).collect();
        }
        scheme.source = source.map(|source| source.value).or(scheme.source.take());
    }

    /// The position of a scheme, made where it is new.
    fn scheme_index(&mut self, name: &Located<String>, problems: &mut Vec<Diagnostic>) -> usize {
        let known = self
            .schemes
            .iter()
            .position(|scheme| scheme.name == name.value);
        if let Some(index) = known {
            return index;
        }
        if !is_word(&name.value, '-') || DERIVED_SCHEMES.contains(&name.value.as_str()) {
            let message = format!("`{}` cannot name a scheme", name.value);
            problems.push(
                Diagnostic::error(Code::BadName, name.place.clone(), message)
                    .help("a scheme is lower-case letters, digits and single `-`, as `rust-musl`"),
            );
        }
        self.schemes.push(Scheme {
            name: name.value.clone(),
            title: name.value.clone(),
            template_names: vec![format!("{}_arch", name.value.replace('-', "_"))],
            source: None,
            place: name.place.clone(),
        });
        self.schemes.len() - 1
    }

    fn lay_row(&mut self, name: &Located<String>, node: &Node, problems: &mut Vec<Diagnostic>) {
        let Some(table) = table_of(name, node, problems) else {
            return;
        };
        let mut fields = Fields::new(table, &keys::ROW, problems);
        let remove = fields.true_or_strings("remove", "schemes");
        let base = fields.string("base");
        let boards = fields.string("boards");
        let aliases = fields.strings("aliases").unwrap_or_default();
        let values = fields.others();
        fields.finish();
        let removed = match remove {
            None => Vec::new(),
            Some(TrueOrStrings::Strings(schemes)) => schemes,
            Some(TrueOrStrings::True) => {
                if self.get(&name.value).is_none() {
                    problems.push(self.unknown_arch(name));
                }
                self.entries
                    .retain(|entry| entry.name.as_str() != name.value);
                // What was based on the row stands on its own from now on.
                for entry in &mut self.entries {
                    entry.base.take_if(|base| base.as_str() == name.value);
                }
                return;
            }
        };
        let mut entry = match self.get(&name.value) {
            Some(entry) => Entry {
                place: name.place.clone(),
                ..entry.clone()
            },
            None => Entry {
                name: ArchName::new(&name.value),
                platform: Platform::default(),
                base: None,
                aliases: Vec::new(),
                boards: None,
                place: name.place.clone(),
                values: BTreeMap::new(),
            },
        };
        for scheme in removed {
            if entry.values.remove(&scheme.value).is_none() {
                let message = format!("`{}` has no `{}` to remove", entry.name, scheme.value);
                problems.push(Diagnostic::error(Code::BadValue, scheme.place, message));
            }
        }
        entry.base = base.map(|base| ArchName::new(&base.value)).or(entry.base);
        entry.boards = boards.map(|boards| boards.value).or(entry.boards);
        for alias in aliases {
            if !entry.aliases.contains(&alias.value) {
                entry.aliases.push(alias.value);
            }
        }
        for (key, node) in values {
            self.lay_value(&mut entry, key, node, problems);
        }
        if !is_word(&name.value, '-') {
            let message = format!("`{}` cannot name an architecture", name.value);
            problems.push(
                Diagnostic::error(Code::BadName, name.place.clone(), message)
                    .help("use lower-case letters, digits and single `-`, as `windows-amd64`"),
            );
        }
        match self.entries.iter_mut().find(|old| old.name == entry.name) {
            Some(old) => *old = entry,
            None => self.entries.push(entry),
        }
    }

    fn lay_value(
        &mut self,
        entry: &mut Entry,
        key: &Located<String>,
        node: &Node,
        problems: &mut Vec<Diagnostic>,
    ) {
        let scheme = key.value.as_str();
        let value = match &node.value {
            NodeValue::String(text) if !text.is_empty() => SchemeValue::Text(text.clone()),
            NodeValue::String(_) => {
                let message = format!("`{scheme}` is empty");
                problems.push(
                    Diagnostic::error(Code::BadValue, node.place.clone(), message)
                        .help("leave the key out where a scheme has no name for an architecture"),
                );
                return;
            }
            NodeValue::Integer(number) => SchemeValue::Number(*number),
            NodeValue::Array(items) => {
                let mut words = Vec::new();
                for item in items {
                    match &item.value {
                        NodeValue::String(text) if !text.is_empty() => words.push(text.clone()),
                        _ => problems.push(item.expected(scheme, "words")),
                    }
                }
                SchemeValue::List(words)
            }
            _ => {
                problems.push(node.expected(scheme, "a word, a whole number or a list of words"));
                return;
            }
        };
        if scheme == "platform" {
            match self.strict_platform(&value.canonical()) {
                Ok(platform) => entry.platform = platform,
                Err(message) => {
                    let problem = Diagnostic::error(Code::BadPlatform, node.place.clone(), message);
                    problems.push(problem);
                }
            }
        } else if !self.schemes.iter().any(|known| known.name == scheme) {
            let known = self.schemes.iter().map(|known| known.name.as_str());
            if let Some(near) = closest(scheme, known.chain(keys::ROW.names())) {
                let message = format!("`{scheme}` is not a scheme of the table");
                let help = format!(
                    "did you mean `{near}`? a new scheme is declared with `[scheme.{scheme}]`"
                );
                let place = key.place.clone();
                problems.push(Diagnostic::error(Code::UnknownKey, place, message).help(help));
                return;
            }
            self.scheme_index(key, problems);
        }
        let stored = (value, node.place.clone());
        entry.values.insert(scheme.to_string(), stored);
    }

    /// Parses a platform of the table, which has to be spelled as it goes into an index: a word that means another
    /// architecture, and variants that clients do not match, are refused.
    fn strict_platform(&self, text: &str) -> Result<Platform, String> {
        let platform: Platform = text.parse().map_err(|error| format!("{error}"))?;
        if platform.to_string() != text {
            return Err(format!("`{text}` is not canonical: write `{platform}`"));
        }
        let (architecture, variant) = (&platform.architecture, &platform.variant);
        match self.identity(architecture) {
            Some(known) if &known.platform.architecture != architecture => {
                let meant = &known.platform;
                Err(format!(
                    "an index does not call it `{architecture}`: write `{meant}`"
                ))
            }
            _ if variant.starts_with("arm") => {
                let meant = variant.trim_start_matches("arm");
                Err(format!(
                    "nobody pulls the variant `{variant}`: write `{meant}`"
                ))
            }
            _ if architecture == "amd64" && variant == "v1" => {
                Err("some clients do not match `v1`: leave the variant out".to_string())
            }
            _ => Ok(platform),
        }
    }

    fn lay_ambiguity(
        &mut self,
        name: &Located<String>,
        node: &Node,
        problems: &mut Vec<Diagnostic>,
    ) {
        let Some(table) = table_of(name, node, problems) else {
            return;
        };
        let mut fields = Fields::new(table, &keys::AMBIGUITY, problems);
        let remove = fields.bool("remove");
        let means = fields.strings("means");
        let why = fields.string("why");
        fields.finish();
        if remove.is_some_and(|remove| remove.value) {
            self.ambiguous.remove(&name.value);
            return;
        }
        let means = means.unwrap_or_default();
        for choice in &means {
            if self.get(&choice.value).is_none() {
                problems.push(self.unknown_arch(choice));
            }
        }
        let means = means.iter().map(|choice| ArchName::new(&choice.value));
        let ambiguity = Ambiguity {
            means: means.collect(),
            why: why.map_or_else(String::new, |why| why.value),
            place: name.place.clone(),
        };
        self.ambiguous.insert(name.value.to_lowercase(), ambiguity);
    }

    /// Checks the table as a whole and rebuilds the index of identities.
    fn check(&mut self, problems: &mut Vec<Diagnostic>) {
        let mut platforms: BTreeMap<Platform, usize> = BTreeMap::new();
        let mut identities: BTreeMap<String, usize> = BTreeMap::new();
        for (index, entry) in self.entries.iter().enumerate() {
            if entry.platform == Platform::default() {
                // A platform that is there and cannot be read was reported already.
                if !entry.values.contains_key("platform") {
                    let message = format!("`{}` has no platform", entry.name);
                    let help =
                        "say `platform = \"os/architecture\"` or `\"os/architecture/variant\"`";
                    let place = entry.place.clone();
                    problems.push(Diagnostic::error(Code::BadPlatform, place, message).help(help));
                }
                continue;
            }
            if let Some(other) = platforms.insert(entry.platform.normalize(), index) {
                let what = format!("`{}` as a platform", entry.platform);
                problems.push(clash(&what, entry, &self.entries[other]));
            }
            let words = ["docker", "namespace"].iter().filter_map(|s| entry.get(s));
            let aliases = entry.aliases.iter().map(|alias| alias.as_str().into());
            let key = std::iter::once(entry.name.as_str().into());
            for word in key.chain(words).chain(aliases) {
                let word = word.to_lowercase();
                let what = format!("the name `{word}`");
                let other = identities
                    .insert(word, index)
                    .filter(|&other| other != index);
                if let Some(other) = other {
                    problems.push(clash(&what, entry, &self.entries[other]));
                }
            }
            if let Some(base) = &entry.base
                && self
                    .get(base.as_str())
                    .is_none_or(|base| base.base.is_some())
            {
                let message = format!(
                    "`{}` is based on `{base}`, which is no row of its own",
                    entry.name
                );
                let place = entry.place.clone();
                problems.push(Diagnostic::error(Code::UnknownArch, place, message));
            }
        }
        // An ambiguous name may be a row's key (`mips`), and then only the key is exact; a choice that was
        // removed is no choice any more.
        let entries = &self.entries;
        for ambiguity in self.ambiguous.values_mut() {
            ambiguity
                .means
                .retain(|choice| entries.iter().any(|entry| &entry.name == choice));
        }
        self.ambiguous
            .retain(|_, ambiguity| ambiguity.means.len() > 1);
        self.identities = identities;
        self.check_template_names(problems);
    }

    fn check_template_names(&self, problems: &mut Vec<Diagnostic>) {
        let mut seen: BTreeMap<&str, &Scheme> = BTreeMap::new();
        for scheme in &self.schemes {
            for name in &scheme.template_names {
                let clash = format!("`{name}` is the template name of two things");
                if STRUCTURAL_NAMES.contains(&name.as_str()) {
                    let help = "it is built in: choose another with `names = [\"…\"]`";
                    let place = scheme.place.clone();
                    problems.push(Diagnostic::error(Code::NameClash, place, clash).help(help));
                } else if let Some(other) = seen.insert(name, scheme) {
                    problems.push(
                        Diagnostic::error(Code::NameClash, scheme.place.clone(), clash)
                            .related(other.place.clone(), format!("also of `{}`", other.name)),
                    );
                }
            }
        }
    }
}

fn clash(what: &str, entry: &Entry, other: &Entry) -> Diagnostic {
    let message = format!("`{}` and `{}` both claim {what}", other.name, entry.name);
    Diagnostic::error(Code::ArchClash, entry.place.clone(), message)
        .related(other.place.clone(), format!("`{}` is here", other.name))
}

fn table_of<'a>(
    name: &Located<String>,
    node: &'a Node,
    problems: &mut Vec<Diagnostic>,
) -> Option<&'a Table> {
    match &node.value {
        NodeValue::Table(table) => Some(table),
        _ => {
            problems.push(node.expected(&name.value, "a table"));
            None
        }
    }
}
