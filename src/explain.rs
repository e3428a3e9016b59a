//! What each code of a message means, with an example and its cure: read from `codes.toml`, which a test runs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::diagnostic::{Code, Severity};

/// The explanations as text.
const CODES: &str = include_str!("codes.toml");

/// A code explained.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// The code.
    pub code: Code,
    /// The group that the documentation puts it in.
    pub group: String,
    /// How the example shows it.
    pub severity: Severity,
    /// Why it is said, and what the reader should know.
    pub why: String,
    /// Shell commands before the example's own.
    pub prepare: Vec<String>,
    /// The arguments of the command that shows it.
    pub run: Vec<String>,
    /// Files that show it, by their paths.
    pub wrong: BTreeMap<String, String>,
    /// The cure in a sentence or two.
    pub how: String,
    /// The files that change, by their paths.
    pub cure: BTreeMap<String, String>,
    /// Shell commands that belong to the cure.
    pub mend: Vec<String>,
    /// The arguments of the command that is then right, where they are others.
    pub run_cured: Vec<String>,
    /// What the registries of the example have: by reference the digest for each platform.
    pub registry: BTreeMap<String, BTreeMap<String, String>>,
}

/// A table of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    group: String,
    #[serde(default = "error")]
    severity: Word,
    why: String,
    #[serde(default)]
    prepare: Vec<String>,
    #[serde(default = "generate")]
    run: Vec<String>,
    how: String,
    #[serde(default)]
    mend: Vec<String>,
    wrong: BTreeMap<String, String>,
    cure: Cure,
    #[serde(default)]
    registry: BTreeMap<String, BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct Cure {
    run: Option<Vec<String>>,
    #[serde(flatten)]
    files: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Note,
    Warning,
    Error,
}

fn error() -> Word {
    Word::Error
}

fn generate() -> Vec<String> {
    vec!["generate".to_string()]
}

/// Every code's explanation, in the order of the file. A code without one is missing: a test sees to it that none is.
///
/// ```
/// let explanations = crossfile::explanations();
/// let unknown = explanations.iter().find(|explanation| explanation.code.as_str() == "unknown-name").unwrap();
/// assert!(unknown.why.contains("crossfile vars"));
/// ```
pub fn explanations() -> Vec<Explanation> {
    // The text is a constant of this program, which a test parses.
    let entries: toml::Table = CODES.parse().unwrap_or_default();
    let mut found: Vec<Explanation> = entries
        .into_iter()
        .filter_map(|(name, value)| Some(explanation(Code::parse(&name)?, value.try_into().ok()?)))
        .collect();
    // The crate's tables are sorted by name, or not, by a feature.
    found.sort_by_key(|explanation| CODES.find(&format!("\n[{}]\n", explanation.code)));
    found
}

fn explanation(code: Code, entry: Entry) -> Explanation {
    Explanation {
        code,
        group: entry.group,
        severity: match entry.severity {
            Word::Note => Severity::Note,
            Word::Warning => Severity::Warning,
            Word::Error => Severity::Error,
        },
        why: entry.why,
        prepare: entry.prepare,
        run_cured: entry.cure.run.unwrap_or_else(|| entry.run.clone()),
        run: entry.run,
        wrong: entry.wrong,
        how: entry.how,
        cure: entry.cure.files,
        mend: entry.mend,
        registry: entry.registry,
    }
}

impl Explanation {
    /// What it is to the command: `error`, `finding`, `warning` or `note`.
    pub fn kind(&self) -> &'static str {
        match self.severity {
            Severity::Error if self.code.is_finding() => "finding",
            severity => severity.as_str(),
        }
    }

    /// The explanation as text for a terminal.
    pub fn text(&self) -> String {
        let mut text = format!(
            "{} ({})\n{}\n\n{}\n",
            self.code,
            self.kind(),
            self.code.meaning(),
            self.why
        );
        text.push_str("\nFor example:\n");
        push_files(&mut text, &self.wrong);
        for command in &self.prepare {
            text.push_str(&format!("\n    $ {command}"));
        }
        text.push_str(&format!("\n    $ crossfile {}\n", self.run.join(" ")));
        text.push_str(&format!("\n{}\n", self.how));
        push_files(&mut text, &self.cure);
        for command in &self.mend {
            text.push_str(&format!("\n    $ {command}"));
        }
        if !self.mend.is_empty() || self.run_cured != self.run {
            text.push_str(&format!("\n    $ crossfile {}\n", self.run_cured.join(" ")));
        }
        text
    }

    /// The explanation, to be printed as a JSON object.
    pub fn to_json(&self) -> impl Serialize + use<'_> {
        JsonExplanation {
            code: self.code.as_str(),
            group: &self.group,
            kind: self.kind(),
            meaning: self.code.meaning(),
            why: &self.why,
            wrong: &self.wrong,
            prepare: &self.prepare,
            run: &self.run,
            how: &self.how,
            cure: &self.cure,
            mend: &self.mend,
            run_cured: &self.run_cured,
            registry: &self.registry,
        }
    }
}

#[derive(Serialize)]
struct JsonExplanation<'a> {
    code: &'a str,
    group: &'a str,
    kind: &'a str,
    meaning: &'a str,
    why: &'a str,
    wrong: &'a BTreeMap<String, String>,
    prepare: &'a [String],
    run: &'a [String],
    how: &'a str,
    cure: &'a BTreeMap<String, String>,
    mend: &'a [String],
    run_cured: &'a [String],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    registry: &'a BTreeMap<String, BTreeMap<String, String>>,
}

fn push_files(text: &mut String, files: &BTreeMap<String, String>) {
    for (path, content) in files {
        text.push_str(&format!("\n  {path}\n"));
        for line in content.lines() {
            text.push_str(&format!("    {line}\n"));
        }
    }
}
