//! Errors and warnings as data: what is wrong, where, and what to do.
//!
//! Every layer makes [`Diagnostic`]s from [`Place`]s; only [`Diagnostic::render`] turns one into text.
//! A `Place` holds the text it points into, so a message without a file, a line and a column cannot be built.

mod render;
mod source;

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

pub use source::{Place, Source};

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

            /// The code of this name.
            pub fn parse(name: &str) -> Option<Code> {
                Code::ALL.iter().copied().find(|code| code.as_str() == name)
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
    TooLarge "too-large" "A file is larger than crossfile reads as settings or as a Handlebars template.",
    NotUtf8 "not-utf8" "A template or configuration file is not UTF-8 text.",
    TomlSyntax "toml-syntax" "A TOML file does not follow the grammar.",
    JsonSyntax "json-syntax" "A JSON file does not follow the grammar.",
    UnknownKey "unknown-key" "A configuration file has a key that crossfile does not know.",
    WrongType "wrong-type" "A configuration value has the wrong type.",
    BadValue "bad-value" "A configuration value or argument cannot be used as it stands.",
    UnknownArch "unknown-arch" "An architecture is not in the table.",
    UnknownScheme "unknown-scheme" "A naming convention is not in the table.",
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
    JoinedLines "joined-lines" "A partial without a final line break is included on a line of its own.",
    PartialNotFound "partial-not-found" "A template includes a file that does not exist.",
    PartialCycle "partial-cycle" "Partials include each other in a circle.",
    TooDeep "too-deep" "A template nests deeper than crossfile allows.",
    NotATemplate "not-a-template" "A file has no placeholder, so there is nothing to expand.",
    OutputClash "output-clash" "Two generated files would be written to one path.",
    OutputOutside "output-outside" "A generated file would leave the project's folder.",
    Foreign "foreign" "A file that crossfile did not write stands where a generated one belongs.",
    Unused "unused" "Something is declared and never used.",
    LeftoverToken "leftover-token" "Something that looks like a placeholder is still there in a generated file.",
    DanglingContinuation "dangling-continuation" "A dropped line leaves the line before it continued into what follows.",
    BeforeFrom "before-from" "An instruction comes before the first `FROM`.",
    NoFrom "no-from" "A generated Dockerfile has no `FROM`.",
    MissingStage "missing-stage" "A stage is named that only other architectures have.",
    ForeignBase "foreign-base" "A base image is of another architecture.",
    BaseGap "base-gap" "A column of base images leaves an architecture out.",
    BadVariant "bad-variant" "A platform is written out that nobody can pull.",
    LateHandler "late-handler" "QEMU's handler is copied after the first `RUN`.",
    UndeclaredArg "undeclared-arg" "A stage uses an argument of BuildKit's that it does not declare.",
    MissingHandler "missing-handler" "QEMU's handler is copied from a build context that does not hold it.",
    ChangedHandler "changed-handler" "A handler is not what the lock says.",
    NoHandler "no-handler" "A handler could not be got from anywhere.",
    Drift "drift" "A generated file differs from what its template makes.",
    Stale "stale" "A generated file is older than what it is made from.",
    ShellConfig "shell-config" "A line of a shell config cannot be read without executing it.",
    NoImage "no-image" "Something is to be built, and nothing says how the image is called.",
    TagClash "tag-clash" "Two images would get one name.",
    Unsupported "unsupported" "A backend cannot do what a plan asks of it.",
    MissingBase "missing-base" "A base image is not there for an architecture.",
    UnknownBase "unknown-base" "Which base image is meant cannot be said.",
    MovedBase "moved-base" "A base image is not what the lock says.",
    Registry "registry" "A registry could not be asked.",
    NotLocked "not-locked" "A base image is to be pinned, and the lock does not have it.",
    EditedByHand "edited-by-hand" "A generated file was changed, and not its template.",
}

impl Code {
    /// Whether it answers a question (`lint`, `--check`) with no, rather than saying that something was not done. A
    /// finding may be allowed by a project; an error may not.
    pub fn is_finding(self) -> bool {
        matches!(
            self,
            Code::LeftoverToken
                | Code::DanglingContinuation
                | Code::BeforeFrom
                | Code::NoFrom
                | Code::UndeclaredArg
                | Code::MissingStage
                | Code::ForeignBase
                | Code::BaseGap
                | Code::MissingBase
                | Code::UnknownBase
                | Code::MovedBase
                | Code::BadVariant
                | Code::LateHandler
                | Code::MissingHandler
                | Code::ChangedHandler
                | Code::Foreign
                | Code::Drift
                | Code::Stale
                | Code::EditedByHand
        )
    }
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
}

/// The problem of a word that is no code, where one was to be.
pub fn unknown_code(word: &str, place: Place, severity: Severity) -> Diagnostic {
    let message = format!("`{word}` is no code of a message");
    let help = match closest(word, Code::ALL.iter().map(|code| code.as_str())) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "the codes are listed by `crossfile explain`".to_string(),
    };
    Diagnostic::new(severity, Code::BadValue, place, message).help(help)
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
