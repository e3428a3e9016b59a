//! Templates: bytes in, a checked template out, rendered once per cell.
//!
//! [`Template::parse`] tells the dialect, finds every unknown name and every wrong call, and reads each file once;
//! [`Template::render`] is pure. A template that parsed can fail to render only where a name has no value.

mod annotated;
mod dialect;
mod handlebars;
mod names;
mod placeholder;
mod trace;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::arch::{ArchMap, ArchName};
use crate::context::Context;
use crate::diagnostic::{Code, Diagnostic, Place, Severity, Source};
use crate::read::too_large;

pub use dialect::Dialect;
pub use names::{Name, NameKind, Names, Shape};
pub use trace::Traced;

/// Where partials come from.
pub trait Partials: Sync {
    /// The text of the partial called `name`; nothing where there is none.
    ///
    /// # Errors
    /// A partial that is there and cannot be read.
    fn load(&self, name: &str) -> Result<Option<Arc<Source>>, Diagnostic>;

    /// The names that could be loaded, for suggestions.
    fn names(&self) -> Vec<String>;
}

/// No partials at all.
#[derive(Clone, Copy, Debug)]
pub struct NoPartials;

impl Partials for NoPartials {
    fn load(&self, _: &str) -> Result<Option<Arc<Source>>, Diagnostic> {
        Ok(None)
    }

    fn names(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Partials in folders: `{{> name}}` is the first file `name` or `name.hbs` found in them.
#[derive(Clone, Debug)]
pub struct PartialFolders(pub Vec<PathBuf>);

impl PartialFolders {
    /// The files that a partial may be, the first before the others. A name that leaves its folder has none.
    pub(crate) fn files(&self, name: &str) -> Vec<PathBuf> {
        let inside = Path::new(name)
            .components()
            .all(|part| matches!(part, std::path::Component::Normal(_)));
        let folders = self.0.iter().filter(|_| inside);
        let files =
            folders.flat_map(|folder| [folder.join(name), folder.join(format!("{name}.hbs"))]);
        files.collect()
    }
}

impl Partials for PartialFolders {
    fn load(&self, name: &str) -> Result<Option<Arc<Source>>, Diagnostic> {
        let files = self.files(name);
        let found = files.iter().find(|path| path.is_file());
        found.map(|path| crate::read::source(path)).transpose()
    }

    fn names(&self) -> Vec<String> {
        let folders = self.0.iter().filter_map(|folder| folder.read_dir().ok());
        let files = folders.flatten().filter_map(Result::ok);
        let mut names: Vec<String> = files
            .filter(|file| file.file_type().is_ok_and(|kind| kind.is_file()))
            .filter_map(|file| file.file_name().into_string().ok())
            .map(|name| name.trim_end_matches(".hbs").to_string())
            .collect();
        names.sort();
        names
    }
}

/// All that a template may refer to.
pub struct Language<'a> {
    /// The architectures that `only`, `except` and `pick` may name.
    pub map: &'a ArchMap,
    /// Those that a template may be rendered for: a partial may have a file of its own for each.
    pub arches: &'a [ArchName],
    /// The names that may be used.
    pub names: &'a Names,
    /// Placeholders that are let through as they are: `__GNUC__`.
    pub passthrough: &'a BTreeSet<String>,
    /// The dialect, where the project says it. The file's own word goes before.
    pub dialect: Option<Dialect>,
    /// The partials that may be included.
    pub partials: &'a dyn Partials,
}

/// What a file turned out to be.
#[derive(Debug)]
#[non_exhaustive]
pub enum Parsed {
    /// A template.
    Template(Template),
    /// An ordinary file: it holds nothing that crossfile would replace. The note says so and what comes nearest.
    NotATemplate(Diagnostic),
}

/// A parsed and checked template.
///
/// ```
/// use std::collections::BTreeSet;
/// use crossfile::{ArchMap, Context, Language, Name, NameKind, Names, NoPartials, Parsed, Shape, Source, Template};
///
/// let map = ArchMap::builtin();
/// let mut names = Names::default();
/// names.insert(Name::new("debian_arch", NameKind::Scheme("debian".into()), Shape::Scalar)).unwrap();
/// let language = Language {
///     map: &map,
///     arches: &[],
///     names: &names,
///     passthrough: &BTreeSet::new(),
///     dialect: None,
///     partials: &NoPartials,
/// };
/// let source = Source::new("fetch.sh.cross", "curl https://example.com/tool_{{debian_arch}}.deb\n");
/// let Parsed::Template(template) = Template::parse(&source, &language).unwrap() else { panic!() };
/// let context = Context::of_arch(&map, map.get("arm32v7").unwrap());
/// assert_eq!(template.render(&context).unwrap(), "curl https://example.com/tool_armhf.deb\n");
/// ```
#[derive(Debug)]
pub struct Template {
    dialect: Dialect,
    body: Body,
    names: BTreeSet<String>,
    /// Warnings about the file; it can be rendered all the same.
    pub warnings: Vec<Diagnostic>,
    /// The byte-order mark of the file, or nothing.
    mark: &'static str,
}

#[derive(Debug)]
enum Body {
    Placeholder(placeholder::Placeholder),
    Handlebars(Box<handlebars::HandlebarsTemplate>),
    Annotated(Box<annotated::Annotated>),
}

/// Whether a text holds a sign of a dialect, by the file's own word or by what is found.
pub(crate) fn is_template(text: &str, names: &Names) -> bool {
    let source = Source::new("", text);
    matches!(dialect::declared(&source), Ok(Some(_)) | Err(_))
        || dialect::detect(text, names).is_some()
}

/// What looks like a placeholder, a gate or a tag in a text that was rendered, each with whether its name is known.
pub(crate) fn leftovers(text: &str, names: &Names) -> Vec<(std::ops::Range<usize>, bool)> {
    let mut found = placeholder::leftovers(text, names);
    found.extend(handlebars::known_tags(text, names).map(|span| (span, true)));
    found.sort_by_key(|(span, _)| span.start);
    found
}

/// What is nearly a placeholder or a gate, with what was meant, in a text that was rendered.
pub(crate) fn nearly(text: &str, names: &Names) -> Vec<(std::ops::Range<usize>, String)> {
    let gates = text.match_indices("__CROSS ").filter_map(|(start, found)| {
        let after = &text[start + found.len()..];
        let word = after.split([' ', '\t']).next().unwrap_or_default();
        let is_instruction = crate::dockerfile::INSTRUCTIONS.contains(&word);
        is_instruction.then(|| {
            (
                start..start + found.len() + word.len(),
                format!("__CROSS_{word}"),
            )
        })
    });
    placeholder::in_small_letters(text, names)
        .chain(gates)
        .collect()
}

/// The names that a text's placeholders and tags may mean: every word in them, known or not.
pub(crate) fn words_in_tags(text: &str) -> BTreeSet<String> {
    let words = handlebars::words(text).map(str::to_string);
    words.chain(placeholder::words(text)).collect()
}

/// A name that was to be printed and has no value for the cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The name.
    pub name: String,
    /// Where it would have been printed.
    pub place: Place,
}

/// Why a template cannot be rendered for a cell.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RenderFailure {
    /// A name has no value.
    Missing(Missing),
    /// Anything else.
    Other(Box<Diagnostic>),
}

impl Template {
    /// Parses and checks a file's text.
    ///
    /// # Errors
    /// Everything that is wrong with the file and the partials it includes.
    pub fn parse(source: &Arc<Source>, language: &Language<'_>) -> Result<Parsed, Vec<Diagnostic>> {
        // A byte-order mark is no part of the first line: it is set aside and comes first in every result.
        let (source, mark) = match source.text().strip_prefix(BOM) {
            Some(text) => (&Source::new(source.path(), text), BOM),
            None => (source, ""),
        };
        let text = source.text();
        let declared = dialect::declared(source).map_err(|problem| vec![problem])?;
        let skip = declared
            .as_ref()
            .map_or(0..0, |declared| declared.line.clone());
        let declared = declared.map(|declared| declared.dialect);
        let dialect = declared.or_else(|| {
            dialect::detect(text, language.names).map(|found| language.dialect.unwrap_or(found))
        });
        let Some(dialect) = dialect else {
            return Ok(Parsed::NotATemplate(not_a_template(source, language)));
        };
        if dialect != Dialect::Placeholder && text.len() > handlebars::MOST {
            let (bytes, most) = (text.len() as u64, handlebars::MOST as u64);
            return Err(vec![too_large(Place::file(source.path()), bytes, most)]);
        }
        let body = match dialect {
            Dialect::Placeholder => {
                placeholder::Placeholder::parse(source, skip, language.names, language.passthrough)
                    .map(Body::Placeholder)?
            }
            Dialect::Handlebars => {
                let template = handlebars::HandlebarsTemplate::parse(source, skip, language)?;
                Body::Handlebars(Box::new(template))
            }
            Dialect::Annotated => {
                let template = annotated::Annotated::parse(source, &skip, language)?;
                Body::Annotated(Box::new(template))
            }
        };
        let names = match &body {
            Body::Placeholder(body) => body.names(),
            Body::Handlebars(body) => body.names(),
            Body::Annotated(body) => body.names(),
        };
        let mut warnings = match &body {
            Body::Placeholder(_) => Vec::new(),
            Body::Handlebars(body) => body.warnings().to_vec(),
            Body::Annotated(body) => body.warnings().to_vec(),
        };
        // A file that says its own dialect may well hold the other's signs.
        if declared.is_none() {
            match dialect::late_declaration(source) {
                Some(late) => warnings.push(late),
                None => warnings.extend(mixed_dialects(source, dialect, language.names)),
            }
        }
        Ok(Parsed::Template(Template {
            dialect,
            body,
            names,
            warnings,
            mark,
        }))
    }

    /// How the template is written.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The names that the template uses.
    pub fn names(&self) -> &BTreeSet<String> {
        &self.names
    }

    /// The text for one cell.
    ///
    /// # Errors
    /// The names that have no value for it.
    pub fn render(&self, context: &Context) -> Result<String, Vec<RenderFailure>> {
        let text = match &self.body {
            Body::Placeholder(body) => body.render(context),
            Body::Handlebars(body) => body.render(context),
            Body::Annotated(body) => body.render(context),
        }?;
        Ok(match self.mark {
            "" => text,
            mark => format!("{mark}{text}"),
        })
    }

    /// The text for one cell, with the place in the template, or in one of its partials, that each byte comes from.
    /// Costs several times as much as [`Template::render`].
    ///
    /// # Errors
    /// The names that have no value for it.
    pub fn trace(&self, context: &Context) -> Result<Traced, Vec<RenderFailure>> {
        let mut traced = match &self.body {
            Body::Placeholder(body) => body.trace(context),
            Body::Handlebars(body) => body.trace(context),
            Body::Annotated(body) => body.trace(context),
        }?;
        if !self.mark.is_empty() {
            traced.insert(0, self.mark);
        }
        Ok(traced)
    }

    /// The partials that were read, by their paths.
    pub fn partials(&self) -> Vec<&std::path::Path> {
        match &self.body {
            Body::Placeholder(_) => Vec::new(),
            Body::Handlebars(body) => body.partials(),
            Body::Annotated(body) => body.partials(),
        }
    }
}

/// A byte-order mark: Windows editors write one, Docker skips it.
const BOM: &str = "\u{feff}";

const ORDINARY: &str = "no placeholder, gate or tag in it: an ordinary file, left alone";
const EMPTY: &str = "the file is empty";

/// The note on a file that is no template.
pub(crate) fn ordinary(path: &Path) -> Diagnostic {
    let place = Place::file(path);
    Diagnostic::new(Severity::Note, Code::NotATemplate, place, ORDINARY)
}

/// The same, or a warning where one slip may be all that keeps the file from being a template.
fn not_a_template(source: &Arc<Source>, language: &Language<'_>) -> Diagnostic {
    match dialect::near_miss(source, language.names) {
        Some((place, near)) => Diagnostic::warning(Code::NotATemplate, place, ORDINARY)
            .help(format!("did you mean `{near}`?")),
        None if source.text().trim().is_empty() => {
            let place = Place::file(source.path());
            Diagnostic::new(Severity::Note, Code::NotATemplate, place, EMPTY)
        }
        None => ordinary(source.path()),
    }
}

/// Warns of what another dialect would have replaced: it stays as it is.
fn mixed_dialects(source: &Arc<Source>, dialect: Dialect, names: &Names) -> Option<Diagnostic> {
    let text = source.text();
    let (span, other) = match dialect {
        Dialect::Placeholder => handlebars::first_sign(text, names)
            .map(|span| (span, Dialect::Handlebars))
            .or_else(|| annotated::first_sign(text).map(|span| (span, Dialect::Annotated))),
        Dialect::Handlebars => placeholder::first_sign(text, names)
            .map(|span| (span, Dialect::Placeholder))
            .or_else(|| annotated::first_sign(text).map(|span| (span, Dialect::Annotated))),
        Dialect::Annotated => {
            let text = annotated::without_directives(text);
            let handlebars = handlebars::first_sign(&text, names);
            handlebars
                .map(|span| (span, Dialect::Handlebars))
                .or_else(|| {
                    let span = placeholder::first_sign(&text, names)?;
                    Some((span, Dialect::Placeholder))
                })
        }
    }?;
    let place = Place::new(source, span);
    let message = format!(
        "`{}` is left as it is: the file is of the dialect {dialect}",
        place.text()
    );
    let help = format!(
        "write it as {dialect} has it, or say the other dialect with a first line `# crossfile: dialect={other}`; \
         where it is meant to stay, say `dialect={dialect}`"
    );
    Some(Diagnostic::warning(Code::MixedDialects, place, message).help(help))
}
