//! What looks like a placeholder and is still there in what was generated.

use std::ops::Range;

use super::{Findings, Sheet, finding, other_dialect};
use crate::config::Config;
use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::template::{Dialect, Names, leftovers, nearly};

pub(super) fn check(
    sheet: &Sheet<'_>,
    dialect: Dialect,
    config: &Config,
    known: &[Diagnostic],
    findings: &mut Findings,
) {
    let text = sheet.traced.text();
    let names = &config.names;
    for (span, is_known) in leftovers(text, names) {
        let token = &text[span.clone()];
        if config.passthrough.contains(token) {
            continue;
        }
        let Some(place) = sheet.place(&span) else {
            continue;
        };
        let told = |other: &Diagnostic| {
            let (a, b) = (place.span(), other.place.span());
            other.place.source() == place.source() && a.start < b.end && b.start < a.end
        };
        let message = format!("`{token}` is still there in what is generated");
        let is_told = known.iter().any(told) || findings.has_other(&place, &message);
        if is_told || escaped(&place, token) {
            continue;
        }
        let from_value = place.text() != token;
        let help = match from_value {
            true => "it comes out of a value, and values are not expanded again: put the words into the template".to_string(),
            false if is_known => format!(
                "the file is of the dialect {dialect}: write it as {} has it, or say the other dialect with `# crossfile: dialect={}`",
                dialect,
                other_dialect(dialect)
            ),
            false => format!(
                "define it, or let it through with `passthrough = [\"{token}\"]`{}",
                near(token, names)
            ),
        };
        let severity = match is_known || from_value {
            true => Severity::Error,
            // It may be a macro of C: `__GNUC__`.
            false => Severity::Warning,
        };
        let mut problem = finding(Code::LeftoverToken, place, message).help(help);
        problem.severity = severity;
        findings.add(sheet.cell, problem);
    }
    for (span, meant) in nearly(text, names) {
        if let Some(place) = sheet.place(&span) {
            let message = format!("`{}` is still there in what is generated", &text[span]);
            let mut problem = finding(Code::LeftoverToken, place, message)
                .help(format!("did you mean `{meant}`?"));
            problem.severity = Severity::Warning;
            findings.add(sheet.cell, problem);
        }
    }
    check_other_tools(sheet, text, findings);
}

fn near(token: &str, names: &Names) -> String {
    let name = token.trim_matches('_').to_lowercase();
    let placeholder = names
        .closest(&name)
        .and_then(|near| names.get(near)?.placeholder());
    placeholder.map_or(String::new(), |near| format!("; did you mean `{near}`?"))
}

/// A backslash in the template says that the braces are meant to stay.
fn escaped(place: &crate::diagnostic::Place, token: &str) -> bool {
    let text = place.source().text();
    let line = text[..place.span().start]
        .rfind('\n')
        .map_or(0, |at| at + 1);
    let end = text[line..].find('\n').map_or(text.len(), |at| line + at);
    text[line..end].contains(&format!("\\{token}"))
        || text[..place.span().start].contains("{{{{raw")
}

/// `%%NAME%%`, balena's form.
fn check_other_tools(sheet: &Sheet<'_>, text: &str, findings: &mut Findings) {
    let mut at = 0;
    while let Some(start) = text[at..].find("%%").map(|found| at + found) {
        let body = &text[start + 2..];
        let end = body.find(|c: char| !c.is_ascii_uppercase() && c != '_');
        let end = end.unwrap_or(body.len());
        at = start + 2;
        if end < 2 || !body[end..].starts_with("%%") {
            continue;
        }
        let span: Range<usize> = start..start + 2 + end + 2;
        at = span.end;
        let token = &text[span.clone()];
        if let Some(place) = sheet.place(&span) {
            let message = format!("`{token}` is still there in what is generated");
            let name = &body[..end];
            let help = format!("balena's placeholders are written `__{name}__` here");
            let mut problem = finding(Code::LeftoverToken, place, message).help(help);
            problem.severity = Severity::Warning;
            findings.add(sheet.cell, problem);
        }
    }
}
