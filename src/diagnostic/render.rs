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
