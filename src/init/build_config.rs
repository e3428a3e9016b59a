//! `build.config` of docker-multiarch-builder, the classic shell tool: from its variables to a `crossfile.toml`.

use std::sync::Arc;

use super::shell::{self, Text, Variable};
use crate::arch::{ArchMap, ArchName};
use crate::diagnostic::{Code, Diagnostic, Place, Severity, Source};
use crate::document::Located;
use crate::read::too_large;

/// The most bytes that a file may have: real ones have some hundred.
const MOST: usize = 1 << 16;

/// The variables that the classic tool reads.
const TAKEN: &[&str] = &["REPO", "IMAGE_NAME", "IMAGE_VERSION", "TARGET_ARCHES"];

/// What a `build.config` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BuildConfig {
    /// `REPO/IMAGE_NAME`.
    pub image: Option<String>,
    /// `IMAGE_VERSION`.
    pub tag: Option<String>,
    /// `TARGET_ARCHES`, by their keys in the table.
    pub arches: Vec<ArchName>,
    /// What is left out, and what is not said.
    pub notes: Vec<Diagnostic>,
}

/// Reads a `build.config` without executing it.
///
/// # Errors
/// Every problem of the file: what would have to be executed, and architectures that the table does not know or cannot tell
/// apart.
///
/// ```
/// use crossfile::init::read_build_config;
/// use crossfile::{ArchMap, Source};
///
/// let text = "REPO=acme\nIMAGE_NAME=\"$REPO-nginx\"\nIMAGE_VERSION='1.27'\nTARGET_ARCHES=\"x86_64 arm64v8\"\n";
/// let config = read_build_config(&Source::new("build.config", text), &ArchMap::builtin()).unwrap();
/// assert_eq!(config.image.as_deref(), Some("acme/acme-nginx"));
/// assert!(config.settings().ends_with("arches = [\"amd64\", \"arm64v8\"]\n"));
/// ```
pub fn read_build_config(
    source: &Arc<Source>,
    map: &ArchMap,
) -> Result<BuildConfig, Vec<Diagnostic>> {
    // A value may name others, and grow by doubling.
    if source.text().len() > MOST {
        let place = Place::file(source.path());
        return Err(vec![too_large(
            place,
            source.text().len() as u64,
            MOST as u64,
        )]);
    }
    let (variables, mut problems) = shell::read(source);
    for name in &TAKEN[..3] {
        let found = variables.iter().find(|found| found.name.value == *name);
        let text = found.and_then(|found| found.text.as_ref());
        if let (Some(found), Some(text)) = (found, text)
            && text.value().contains(|c: char| c.is_control() || c == ' ')
        {
            let message = format!("`{name}` has characters that no image name or tag has");
            let place = found.name.place.clone();
            let help = "an image name or tag is one word of letters, digits, `.`, `_`, `-` and `/`";
            problems.push(Diagnostic::error(Code::BadValue, place, message).help(help));
        }
    }
    let text = |name: &str| -> Option<&Text> {
        let found = variables.iter().find(|found| found.name.value == name);
        found.and_then(|found| found.text.as_ref())
    };
    let value = |name: &str| text(name).map(Text::value).filter(|text| !text.is_empty());
    let is_set = |name: &&&str| variables.iter().any(|found| found.name.value == **name);
    if problems.is_empty() && TAKEN.iter().filter(is_set).count() == 0 {
        let message = "no variable of the classic builder is set here";
        let help = format!("the file is to set {}", list(TAKEN));
        let place = Place::file(source.path());
        problems.push(Diagnostic::error(Code::ShellConfig, place, message).help(help));
    }
    let mut arches = Vec::new();
    if let Some(list) = text("TARGET_ARCHES") {
        arches = resolve(&list.words(source), map, &mut problems);
        if list.words(source).is_empty() {
            let found = variables.iter().find(|v| v.name.value == "TARGET_ARCHES");
            let place = found.map_or(Place::file(source.path()), |v| v.name.place.clone());
            let message = "`TARGET_ARCHES` names no architecture";
            let help = "write names separated by blanks: `TARGET_ARCHES=\"amd64 arm64v8\"`";
            problems.push(Diagnostic::error(Code::BadValue, place, message).help(help));
        }
    }
    if !problems.is_empty() {
        problems.sort_by_key(|problem| problem.place.span().start);
        return Err(problems);
    }
    let image = value("IMAGE_NAME").map(|name| match value("REPO") {
        Some(repo) => format!("{}/{name}", repo.trim_end_matches('/')),
        None => name,
    });
    Ok(BuildConfig {
        image,
        tag: value("IMAGE_VERSION"),
        arches,
        notes: notes(source, &variables, &value),
    })
}

/// The rows of the table that the words mean, and a problem for each word that means none, or one that was named before.
fn resolve(
    words: &[Located<String>],
    map: &ArchMap,
    problems: &mut Vec<Diagnostic>,
) -> Vec<ArchName> {
    let mut arches: Vec<ArchName> = Vec::new();
    for word in words {
        match map.resolve(&word.value) {
            Ok(entry) if arches.contains(&entry.name) => {
                let message = format!("`{}` names `{}` again", word.value, entry.name);
                let problem = Diagnostic::error(Code::BadValue, word.place.clone(), message);
                problems.push(problem.help("leave one out"));
            }
            Ok(entry) => arches.push(entry.name.clone()),
            Err(error) => {
                let mut problem = error.at(word.place.clone());
                if word.value.contains(',') {
                    problem.help = Some(format!(
                        "the names are separated by blanks: `{}`",
                        word.value.replace(',', " ")
                    ));
                    problems.push(problem);
                    continue;
                }
                problems.push(problem);
            }
        }
    }
    arches
}

fn notes(
    source: &Arc<Source>,
    variables: &[Variable],
    value: &dyn Fn(&str) -> Option<String>,
) -> Vec<Diagnostic> {
    let note = |place: Place, message: String| {
        Diagnostic::new(Severity::Note, Code::Unused, place, message)
    };
    let others = variables
        .iter()
        .filter(|found| !found.used && !TAKEN.contains(&found.name.value.as_str()));
    let others = others.map(|found| {
        let message = format!("`{}` is left out", found.name.value);
        let help = match found.name.value.as_str() {
            // The classic tool downloads handlers for them, of one version.
            "QEMU_VERSION" | "QEMU_ARCHES" => {
                "`crossfile qemu fetch` gets QEMU's handlers; for one version see `[handlers] url`"
            }
            _ => "where the template needs it, put it into `[vars]` of crossfile.toml",
        };
        note(found.name.place.clone(), message).help(help)
    });
    let missing: Vec<&str> = TAKEN
        .iter()
        .copied()
        .filter(|name| value(name).is_none())
        .collect();
    let missing = (!missing.is_empty()).then(|| {
        let message = format!("there is no value of {}", list(&missing));
        note(Place::file(source.path()), message)
            .help("what is not said is left out of crossfile.toml")
    });
    others.chain(missing).collect()
}

fn list(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

impl BuildConfig {
    /// The `crossfile.toml` that says the same.
    pub fn settings(&self) -> String {
        let mut parts = Vec::new();
        if let Some(image) = &self.image {
            parts.push(format!(
                "# The image's name, without a tag.\nimage = {}\n",
                quoted(image)
            ));
        }
        if let Some(tag) = &self.tag {
            parts.push(format!(
                "# Its tags. The image of one architecture has its name before them, as in `amd64-latest`.\ntags = [{}]\n",
                quoted(tag)
            ));
        }
        if !self.arches.is_empty() {
            let arches: Vec<String> = self
                .arches
                .iter()
                .map(|arch| quoted(arch.as_str()))
                .collect();
            parts.push(format!(
                "# One Dockerfile is made for each of these. `crossfile arch list` prints all names.\narches = [{}]\n",
                arches.join(", ")
            ));
        }
        parts.join("\n")
    }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_string()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<BuildConfig, Vec<Diagnostic>> {
        read_build_config(&Source::new("build.config", text), &ArchMap::builtin())
    }

    #[test]
    fn quotes_are_right_for_toml() {
        let config =
            read("REPO='a\"b'\nIMAGE_NAME=\"c\\\\d'\"\nIMAGE_VERSION=1\nTARGET_ARCHES=amd64\n");
        let settings = config.unwrap().settings();
        let table: toml::Table = settings.parse().unwrap();
        assert_eq!(table["image"].as_str(), Some("a\"b/c\\d'"));
    }

    #[test]
    fn a_tag_of_several_lines_is_none() {
        let problems = read("IMAGE_VERSION='1\nhost = \"s390x\"'\n").unwrap_err();
        assert_eq!(problems[0].code, Code::BadValue);
    }

    #[test]
    fn all_arches_are_looked_up() {
        let problems = read("TARGET_ARCHES=\"armhf amd64 nonsense x86_64\"\n").unwrap_err();
        let codes: Vec<_> = problems.iter().map(|problem| problem.code).collect();
        assert_eq!(
            codes,
            [Code::AmbiguousArch, Code::UnknownArch, Code::BadValue]
        );
        let columns: Vec<_> = problems.iter().map(|p| p.place.line_column().1).collect();
        assert_eq!(columns, [16, 28, 37]);
    }
}
