//! One row of the table, and the schemes that are its columns.

use std::borrow::{Borrow, Cow};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::arch::platform::Platform;
use crate::diagnostic::Place;

/// The key of a row: `amd64`, `arm32v7`, `windows-amd64`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ArchName(Arc<str>);

impl ArchName {
    /// A key, not looked up anywhere.
    pub fn new(name: &str) -> Self {
        ArchName(name.into())
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ArchName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Borrow<str> for ArchName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl Serialize for ArchName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// What one scheme calls one architecture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum SchemeValue {
    /// One word.
    Text(String),
    /// A number, as ELF machine numbers are.
    Number(i64),
    /// Several words for the same thing, the canonical one first. Never empty.
    List(Vec<String>),
}

impl SchemeValue {
    /// The one word to print.
    pub fn canonical(&self) -> Cow<'_, str> {
        match self {
            SchemeValue::Text(text) => Cow::Borrowed(text),
            SchemeValue::Number(number) => Cow::Owned(number.to_string()),
            SchemeValue::List(list) => Cow::Borrowed(list.first().map_or("", String::as_str)),
        }
    }

    /// Whether `name` is one of the words, upper and lower case alike.
    pub fn contains(&self, name: &str) -> bool {
        match self {
            SchemeValue::Text(text) => text.eq_ignore_ascii_case(name),
            SchemeValue::Number(number) => number.to_string() == name,
            SchemeValue::List(list) => list.iter().any(|item| item.eq_ignore_ascii_case(name)),
        }
    }
}

/// One architecture: its platform and what every scheme calls it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Entry {
    /// The row's key.
    pub name: ArchName,
    /// The platform that an image index gets, spelled so that every client finds it (`linux/arm64/v8`).
    pub platform: Platform,
    /// The row that a look-up prefers where both bear the name asked for: `amd64` for `amd64v3`.
    pub base: Option<ArchName>,
    /// Names that mean this row to everybody.
    pub aliases: Vec<String>,
    /// Machines that people know the architecture by.
    pub boards: Option<String>,
    /// Where the row begins.
    pub place: Place,
    pub(crate) values: BTreeMap<String, (SchemeValue, Place)>,
}

/// Schemes that are read off the platform or the key and never stored.
pub const DERIVED_SCHEMES: &[&str] = &["arch", "os", "architecture", "variant", "annotate"];

impl Entry {
    /// What `scheme` calls this architecture; nothing where it has no name for it, or where no such scheme is.
    ///
    /// `arch`, `os`, `architecture`, `variant` and `annotate` are schemes too, derived from key and platform.
    /// `annotate` is the flags that `docker manifest annotate` takes.
    pub fn get(&self, scheme: &str) -> Option<Cow<'_, str>> {
        let platform = &self.platform;
        let derived = match scheme {
            "arch" => self.name.as_str(),
            "os" => platform.os.as_str(),
            "architecture" => platform.architecture.as_str(),
            "variant" => platform.variant.as_str(),
            "annotate" => return Some(Cow::Owned(annotate_flags(platform))),
            _ => return self.value(scheme).map(SchemeValue::canonical),
        };
        (!derived.is_empty()).then_some(Cow::Borrowed(derived))
    }

    /// The stored value of `scheme`, with all its words.
    pub fn value(&self, scheme: &str) -> Option<&SchemeValue> {
        self.values.get(scheme).map(|(value, _)| value)
    }

    /// The stored values by scheme, in the order of the schemes' names.
    pub fn values(&self) -> impl Iterator<Item = (&str, &SchemeValue)> {
        let values = self.values.iter();
        values.map(|(scheme, (value, _))| (scheme.as_str(), value))
    }
}

fn annotate_flags(platform: &Platform) -> String {
    let mut flags = format!("--os {} --arch {}", platform.os, platform.architecture);
    if !platform.variant.is_empty() {
        flags.push_str(" --variant ");
        flags.push_str(&platform.variant);
    }
    flags
}

/// A naming convention: one column of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Scheme {
    /// The key of the column, such as `rust-musl`.
    pub name: String,
    /// Whose convention it is, in a few words.
    pub title: String,
    /// The names under which templates reach it, such as `rust_musl_arch`. None where it is nothing for a template.
    pub template_names: Vec<String>,
    /// Where the values come from.
    pub source: Option<String>,
    /// Where the scheme is declared or first used.
    pub place: Place,
}
