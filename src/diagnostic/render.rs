//! Diagnostics as text for people and as JSON for programs.

use std::path::Path;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde::Serialize;

use super::{Diagnostic, Place, Severity};

impl Diagnostic {
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

    /// The diagnostic as one line that GitHub Actions makes an annotation of, at its place in the file: a workflow command
    /// (`::error file=…,line=…::message`). `display` gives paths from the top of the repository.
    pub fn render_github(&self, display: &dyn Fn(&Path) -> String) -> String {
        let command = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "notice",
        };
        let mut properties = Vec::new();
        let source = self.place.source();
        if !source.is_argument() {
            properties.push(format!("file={}", property(&display(source.path()))));
        }
        if !source.is_argument() && !source.text().is_empty() {
            let (line, column) = self.place.line_column();
            let (last, end) = source.line_column(self.place.span().end);
            properties.push(format!("line={line}"));
            // GitHub takes columns of one line only.
            match last == line {
                true => properties.push(format!("col={column},endColumn={}", end.max(column + 1))),
                false => properties.push(format!("endLine={last}")),
            }
        }
        properties.push(format!("title=crossfile {}", property(self.code.as_str())));
        let mut message = self.message.clone();
        for (place, what) in &self.related {
            message.push_str(&format!("\n{}: {what}", location(place, display)));
        }
        if let Some(help) = &self.help {
            message.push_str(&format!("\nhelp: {help}"));
        }
        format!("::{command} {}::{}\n", properties.join(","), data(&message))
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
    let path = display(place.source().path());
    if place.source().text().is_empty() {
        return path;
    }
    let (line, column) = place.line_column();
    format!("{path}:{line}:{column}")
}

/// The escapes of GitHub's workflow commands (actions/toolkit, packages/core/src/command.ts).
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

fn push_snippet(
    out: &mut String,
    place: &Place,
    level: Level<'_>,
    help: Option<&str>,
    renderer: &Renderer,
) {
    if place.source().text().is_empty() {
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
        let position = (!place.source().text().is_empty()).then(|| place.line_column());
        JsonPlace {
            file: display(place.source().path()),
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
