//! What a registry says about a failure, in its own words.

use std::io::{self, Read};

use serde::Deserialize;
use serde_json::Value;

use super::super::auth::Secret;

/// The most of an answer that is read for its words, in bytes.
const MOST: u64 = 64 * 1024;

/// The most of a text that is shown, in characters.
const SHOWN: usize = 200;

/// The errors of a registry.
///
/// Source: OCI distribution specification 1.1, "Error Codes".
#[derive(Deserialize)]
struct Errors {
    errors: Vec<Said>,
}

#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    code: Value,
    #[serde(default)]
    message: Value,
    #[serde(default)]
    detail: Value,
}

/// A text without what a terminal would act on: control characters, and marks that turn the direction of writing.
pub fn printable(text: &str) -> String {
    let acts = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.replace(acts, "\u{fffd}")
}

/// A text of a registry, without secrets and what a terminal would act on.
pub(super) fn shown(text: &str, hidden: &[Secret]) -> String {
    let text = hidden
        .iter()
        .fold(text.to_string(), |text, secret| secret.taken_from(&text));
    plain(&text)
}

/// Reads the words of an answer; nothing where it has none. Should it quote what it was sent, that is hidden. Reading it to its
/// end keeps the connection.
pub(super) fn words(body: &mut dyn Read, hidden: &[Secret]) -> String {
    // Before it is made shorter: a part of a secret is not found any more.
    let plain = |text: &str| shown(text, hidden);
    let mut bytes = Vec::new();
    // What arrived says enough.
    let _ = body.take(MOST).read_to_end(&mut bytes);
    if let Ok(errors) = serde_json::from_slice::<Errors>(&bytes) {
        let said: Vec<String> = errors
            .errors
            .iter()
            .take(3)
            .map(|said| one(said, &plain))
            .collect();
        let said: Vec<String> = said.into_iter().filter(|said| !said.is_empty()).collect();
        if !said.is_empty() {
            return said.join("; ");
        }
    }
    // Token services have forms of their own.
    if let Ok(Value::Object(fields)) = serde_json::from_slice(&bytes) {
        let names = ["error_description", "details", "message", "error"];
        let found = names.iter().find_map(|name| fields.get(*name)?.as_str());
        if let Some(text) = found {
            return plain(text);
        }
    }
    let text = String::from_utf8_lossy(&bytes);
    match text.trim_start().starts_with('<') {
        // A page of some server in between: its title says what there is to say.
        true => plain(between(&text, "<title>", "</title>").unwrap_or_default()),
        false => plain(&text),
    }
}

/// Reads an answer that nobody wants, so that its connection can be used again.
pub(super) fn drain(body: &mut dyn Read) {
    // A connection that breaks here is of no more use, and of no harm.
    let _ = io::copy(&mut body.take(MOST), &mut io::sink());
}

fn one(said: &Said, plain: &dyn Fn(&str) -> String) -> String {
    let text = |value: &Value| plain(value.as_str().unwrap_or_default());
    let (code, message, detail) = (text(&said.code), text(&said.message), text(&said.detail));
    let mut words = match (code.as_str(), message.as_str()) {
        ("", message) => message.to_string(),
        (code, "") => code.to_string(),
        (code, message) => format!("{code}: {message}"),
    };
    if !detail.is_empty() && !message.contains(&detail) {
        words.push_str(&format!(" ({detail})"));
    }
    words
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(start)?;
    rest.split_once(end).map(|(inner, _)| inner)
}

/// A text from elsewhere on one line, without control characters and not too long.
pub(in super::super) fn plain(text: &str) -> String {
    let words = text.split(|char: char| char.is_whitespace() || char.is_control());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    let text = words.join(" ");
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        words(&mut text.as_bytes(), &[])
    }

    #[test]
    fn every_kind_of_answer_is_put_into_words() {
        for (text, expected) in [
            (
                r#"{"errors":[{"code":"DENIED","message":"no access","detail":"ask Bob"},{"code":"X"}]}"#,
                "DENIED: no access (ask Bob); X",
            ),
            (
                r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{"Tag":"x"}}]}"#,
                "MANIFEST_UNKNOWN: manifest unknown",
            ),
            (
                r#"{"errors":[{"code":1,"message":"a\u001b[31mb"}]}"#,
                "a [31mb",
            ),
            (
                r#"{"details":"incorrect username or password"}"#,
                "incorrect username or password",
            ),
            (
                r#"{"error":"invalid_grant","error_description":"gone"}"#,
                "gone",
            ),
            (r#"{"errors":[]}"#, r#"{"errors":[]}"#),
            ("404 page not found\n", "404 page not found"),
            (
                "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>",
                "502 Bad Gateway",
            ),
            ("<html>", ""),
            ("", ""),
        ] {
            assert_eq!(said(text), expected, "{text}");
        }
        let long = said(&"ä".repeat(500));
        assert_eq!(long.chars().count(), 201);
        let (hidden, cut) = (Secret("hunter2".to_string()), "a".repeat(196));
        let quoted = words(&mut format!("{cut}hunter2").as_bytes(), &[hidden]);
        assert_eq!(quoted, format!("{cut}…"));
    }
}
