//! Errors and warnings as data: what is wrong, where, and what to do.
//!
//! Every layer makes [`Diagnostic`]s from [`Place`]s; only [`Diagnostic::render`] turns one into text.
//! A `Place` holds the text it points into, so a message without a file, a line and a column cannot be built.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde::Serialize;

/// A text that messages can point into: a template, a configuration file, or an argument of the command line.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    /// A source named `path` (a file's path, or a description such as `command line`) holding `text`.
    pub fn new(path: impl Into<PathBuf>, text: impl Into<String>) -> Arc<Source> {
        Arc::new(Source {
            path: path.into(),
            text: text.into(),
        })
    }

    /// The name that messages show.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Line and column of a byte offset, both from 1; the column counts characters.
    pub fn line_column(&self, offset: usize) -> (usize, usize) {
        let offset = self.clamp(offset);
        let before = &self.text[..offset];
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
        (line, before[start..].chars().count() + 1)
    }

    /// The byte offset of a line and column counted as [`Source::line_column`] counts; past the end is the end.
    pub fn offset(&self, line: usize, column: usize) -> usize {
        let mut start = 0;
        for _ in 1..line {
            match self.text[start..].find('\n') {
                Some(newline) => start += newline + 1,
                None => return self.text.len(),
            }
        }
        self.text[start..]
            .char_indices()
            .nth(column.saturating_sub(1))
            .map_or(self.text.len(), |(index, _)| start + index)
    }

    /// The nearest character boundary at or below `offset`, inside the text.
    fn clamp(&self, offset: usize) -> usize {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        offset
    }
}

/// A span of bytes in a [`Source`].
#[derive(Clone, PartialEq, Eq)]
pub struct Place {
    source: Arc<Source>,
    span: Range<usize>,
}

impl Place {
    /// The bytes `span` of `source`. A span that leaves the text is cut back to it.
    pub fn new(source: &Arc<Source>, span: Range<usize>) -> Place {
        let start = source.clamp(span.start);
        Place {
            source: Arc::clone(source),
            span: start..source.clamp(span.end).max(start),
        }
    }

    /// A file as a whole, for what cannot be pinned to a line (it cannot be read, say).
    pub fn file(path: impl Into<PathBuf>) -> Place {
        Place::new(&Source::new(path, ""), 0..0)
    }

    /// An argument of the command line, as a text to point into.
    pub fn argument(text: &str) -> Place {
        Place::new(&Source::new("command line", text), 0..text.len())
    }

    /// The text that the span lies in.
    pub fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// The span, in bytes.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// The text under the span.
    pub fn text(&self) -> &str {
        &self.source.text[self.span.clone()]
    }

    /// Line and column of the span's start, from 1.
    pub fn line_column(&self) -> (usize, usize) {
        self.source.line_column(self.span.start)
    }

    /// The source cut to the lines that the span touches, with their first line's number and the span moved to fit.
    fn excerpt(&self) -> (&str, usize, Range<usize>) {
        let text = &self.source.text;
        let start = text[..self.span.start].rfind('\n').map_or(0, |n| n + 1);
        let end = text[self.span.end..]
            .find('\n')
            .map_or(text.len(), |n| self.span.end + n);
        let line = self.line_column().0;
        (
            &text[start..end],
            line,
            self.span.start - start..self.span.end - start,
        )
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.line_column();
        write!(f, "{}:{line}:{column}", self.source.path.display())
    }
}

/// How much a diagnostic matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Severity {
    /// Worth knowing; nothing is wrong.
    Note,
    /// Probably a mistake; the work goes on.
    Warning,
    /// The work this concerns was not done.
    Error,
}

impl Severity {
    /// The lower-case word that messages show.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// Declares [`Code`]: each kind of diagnostic once, with its stable name and one line of meaning.
macro_rules! codes {
    ($($variant:ident $name:literal $meaning:literal),+ $(,)?) => {
        /// What kind of problem a diagnostic reports, under a name that never changes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Code {
            $(#[doc = $meaning] $variant),+
        }

        impl Code {
            /// Every code, in the order of this list.
            pub const ALL: &'static [Code] = &[$(Code::$variant),+];

            /// The code's name, as messages show it.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $name),+ }
            }

            /// One line that says what the code stands for.
            pub fn meaning(self) -> &'static str {
                match self { $(Code::$variant => $meaning),+ }
            }
        }
    };
}

codes! {
    Io "io" "A file or folder could not be read or written.",
    NotUtf8 "not-utf8" "A template or configuration file is not UTF-8 text.",
    TomlSyntax "toml-syntax" "A TOML file does not follow the grammar.",
    JsonSyntax "json-syntax" "A JSON file does not follow the grammar.",
    UnknownKey "unknown-key" "A configuration file has a key that crossfile does not know.",
    WrongType "wrong-type" "A configuration value has the wrong type.",
    BadValue "bad-value" "A configuration value or argument cannot be used as it stands.",
    UnknownArch "unknown-arch" "An architecture is not in the table.",
    AmbiguousArch "ambiguous-arch" "A name means different architectures to different people.",
    ArchClash "arch-clash" "Two rows of the architecture table claim the same name or platform.",
    BadPlatform "bad-platform" "A platform is not one that images are built for.",
    BadName "bad-name" "A template name breaks the naming rule.",
    NameClash "name-clash" "Two things of a project have the same template name.",
    UnknownName "unknown-name" "A template uses a name that nothing defines.",
    NoValue "no-value" "A template prints a name that has no value for one of the architectures.",
    UnknownHelper "unknown-helper" "A template calls a helper that does not exist.",
    BadArgument "bad-argument" "A helper is called with arguments it does not take.",
    TemplateSyntax "template-syntax" "A template does not follow its dialect's grammar.",
    MixedGates "mixed-gates" "A template uses two forms of the emulation gate.",
    MixedDialects "mixed-dialects" "A template of one dialect holds the names of another.",
    EscapedTag "escaped-tag" "A backslash before a tag makes text of it, though its name is known.",
    PartialNotFound "partial-not-found" "A template includes a file that does not exist.",
    PartialCycle "partial-cycle" "Partials include each other in a circle.",
    TooDeep "too-deep" "A template nests deeper than crossfile allows.",
    NotATemplate "not-a-template" "A file has no placeholder, so there is nothing to expand.",
    OutputClash "output-clash" "Two generated files would be written to one path.",
    OutputOutside "output-outside" "A generated file would leave the project's folder.",
    Foreign "foreign" "A file that crossfile did not write stands where a generated one belongs.",
    Unused "unused" "Something is declared and never used.",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One problem: what, where, and what to do about it.
///
/// ```
/// use crossfile::diagnostic::{Code, Diagnostic, Place, Source};
///
/// let source = Source::new("Dockerfile.cross", "FROM __DOCKR_ARCH__/alpine\n");
/// let problem = Diagnostic::error(Code::UnknownName, Place::new(&source, 5..19), "`__DOCKR_ARCH__` is not defined")
///     .help("did you mean `__DOCKER_ARCH__`?");
/// assert_eq!(
///     problem.render(&|path| path.display().to_string()),
///     "Dockerfile.cross:1:6: error: `__DOCKR_ARCH__` is not defined [unknown-name]
///   |
/// 1 | FROM __DOCKR_ARCH__/alpine
///   |      ^^^^^^^^^^^^^^
///   |
///   = help: did you mean `__DOCKER_ARCH__`?
/// "
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The kind of problem.
    pub code: Code,
    /// How much it matters.
    pub severity: Severity,
    /// What is wrong: lower case, no full stop, the user's own text in backticks.
    pub message: String,
    /// Where.
    pub place: Place,
    /// Other places that belong to the story, each with what it is.
    pub related: Vec<(Place, String)>,
    /// What to do.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A diagnostic of the given severity.
    pub fn new(severity: Severity, code: Code, place: Place, message: impl Into<String>) -> Self {
        Diagnostic {
            code,
            severity,
            message: message.into(),
            place,
            related: Vec::new(),
            help: None,
        }
    }

    /// An error.
    pub fn error(code: Code, place: Place, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, place, message)
    }

    /// A warning.
    pub fn warning(code: Code, place: Place, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, place, message)
    }

    /// A file that could not be used at all, with the operating system's reason.
    pub fn io(path: impl Into<PathBuf>, doing: &str, error: &std::io::Error) -> Self {
        let path = path.into();
        let message = format!("cannot {doing}: {error}");
        Self::error(Code::Io, Place::file(path), message)
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds what to do, where there is something to say.
    #[must_use]
    pub fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }

    /// Adds another place that belongs to the story.
    #[must_use]
    pub fn related(mut self, place: Place, what: impl Into<String>) -> Self {
        self.related.push((place, what.into()));
        self
    }

    /// Whether this is an error rather than a warning or a note.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// The diagnostic as plain text of several lines: place, severity and message first, then the source line
    /// with the span marked, then the related places and the help. `display` says how a path is shown.
    pub fn render(&self, display: &dyn Fn(&Path) -> String) -> String {
        let severity = self.severity.as_str();
        self.render_with(display, severity, &Renderer::plain())
    }

    /// Like [`Diagnostic::render`], coloured with ANSI escapes.
    pub fn render_styled(&self, display: &dyn Fn(&Path) -> String) -> String {
        let colour = match self.severity {
            Severity::Error => 31,
            Severity::Warning => 33,
            Severity::Note => 36,
        };
        let severity = format!("\u{1b}[1;{colour}m{}\u{1b}[0m", self.severity.as_str());
        self.render_with(display, &severity, &Renderer::styled())
    }

    fn render_with(
        &self,
        display: &dyn Fn(&Path) -> String,
        severity: &str,
        renderer: &Renderer,
    ) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
            Severity::Note => Level::NOTE,
        };
        let location = location(&self.place, display);
        let mut out = format!("{location}: {severity}: {} [{}]\n", self.message, self.code);
        push_snippet(&mut out, &self.place, level, self.help.as_deref(), renderer);
        for (place, what) in &self.related {
            out.push_str(&format!(
                "{}: note: {what}\n",
                self::location(place, display)
            ));
            push_snippet(&mut out, place, Level::NOTE, None, renderer);
        }
        out
    }
}

/// `path`, or `path:line:column` where the source has text to point at.
fn location(place: &Place, display: &dyn Fn(&Path) -> String) -> String {
    let path = display(&place.source.path);
    if place.source.text.is_empty() {
        return path;
    }
    let (line, column) = place.line_column();
    format!("{path}:{line}:{column}")
}

fn push_snippet(
    out: &mut String,
    place: &Place,
    level: Level<'_>,
    help: Option<&str>,
    renderer: &Renderer,
) {
    if place.source.text.is_empty() {
        if let Some(help) = help {
            out.push_str(&format!("  = help: {help}\n"));
        }
        return;
    }
    let (text, line, span) = place.excerpt();
    let snippet = Snippet::source(text)
        .line_start(line)
        .annotation(AnnotationKind::Primary.span(span));
    let mut group = Group::with_level(level).element(snippet);
    if let Some(help) = help {
        group = group.element(Level::HELP.message(help));
    }
    out.push_str(&renderer.render(&[group]));
    out.push('\n');
}

#[derive(Serialize)]
struct JsonDiagnostic<'a> {
    code: &'static str,
    severity: Severity,
    message: &'a str,
    #[serde(flatten)]
    place: JsonPlace,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    related: Vec<JsonRelated<'a>>,
}

#[derive(Serialize)]
struct JsonRelated<'a> {
    message: &'a str,
    #[serde(flatten)]
    place: JsonPlace,
}

#[derive(Serialize)]
struct JsonPlace {
    file: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
}

impl JsonPlace {
    fn new(place: &Place, display: &dyn Fn(&Path) -> String) -> JsonPlace {
        let position = (!place.source.text.is_empty()).then(|| place.line_column());
        JsonPlace {
            file: display(&place.source.path),
            line: position.map(|(line, _)| line),
            column: position.map(|(_, column)| column),
        }
    }
}

impl Diagnostic {
    /// The diagnostic, to be printed as a JSON object: `code`, `severity`, `message`, `file`, `line`, `column`, `help`, `related`.
    pub fn to_json<'a>(&'a self, display: &dyn Fn(&Path) -> String) -> impl Serialize + use<'a> {
        let related = self.related.iter().map(|(place, message)| JsonRelated {
            message,
            place: JsonPlace::new(place, display),
        });
        JsonDiagnostic {
            code: self.code.as_str(),
            severity: self.severity,
            message: &self.message,
            place: JsonPlace::new(&self.place, display),
            help: self.help.as_deref(),
            related: related.collect(),
        }
    }
}

/// The known name most like `name`, if any is near enough to be what was meant.
///
/// Near is a similarity of 0.8 or more by Jaro-Winkler, which favours a shared beginning, after `-` and `_` and
/// upper and lower case are made the same. Of equals the first wins, so the answer follows the order given.
pub fn closest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let fold = |text: &str| text.to_lowercase().replace('-', "_");
    let folded = fold(name);
    let mut best: Option<(f64, &str)> = None;
    for candidate in known {
        let score = strsim::jaro_winkler(&folded, &fold(candidate));
        if score >= 0.8 && best.is_none_or(|(least, _)| score > least) {
            best = Some((score, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}
