//! Differences as `git apply` takes them.

use std::fmt::Write;

use similar::TextDiff;

use crate::outcome::Outcome;

/// The difference between what a file holds and what it should hold, in git's unified format: new and deleted files
/// too. `path` is the file's path from the folder that the patch is to be applied in, with `/`. Empty where the file
/// is right.
pub fn unified(outcome: &Outcome, path: &str) -> String {
    let wanted = outcome.wanted.as_deref();
    let found = outcome.found.as_deref();
    if wanted.map(str::as_bytes) == found {
        return String::new();
    }
    let (old, new) = (quote(&format!("a/{path}")), quote(&format!("b/{path}")));
    let mut out = format!("diff --git {old} {new}\n");
    match (found, wanted) {
        (None, _) => out.push_str("new file mode 100644\n"),
        (_, None) => out.push_str("deleted file mode 100644\n"),
        _ => {}
    }
    let Ok(before) = std::str::from_utf8(found.unwrap_or_default()) else {
        // git prints such a file as a binary patch; the text of one that is no text cannot be shown.
        let _ = writeln!(out, "Binary files {old} and {new} differ");
        return out;
    };
    let after = wanted.unwrap_or_default();
    if before.is_empty() && after.is_empty() {
        return out;
    }
    let from = if found.is_some() { &old } else { "/dev/null" };
    let to = if wanted.is_some() { &new } else { "/dev/null" };
    let _ = write!(out, "--- {from}\n+++ {to}\n");
    // similar takes a bare `\r` for a line ending; to git, and to Docker, only `\n` is one.
    let before: Vec<&str> = before.split_inclusive('\n').collect();
    let after: Vec<&str> = after.split_inclusive('\n').collect();
    let diff = TextDiff::from_slices(&before, &after);
    for hunk in diff.unified_diff().context_radius(3).iter_hunks() {
        let _ = writeln!(out, "{}", hunk.header());
        for change in hunk.iter_changes() {
            let _ = write!(out, "{}{}", change.tag(), change.value());
            if !change.value().ends_with('\n') {
                out.push_str("\n\\ No newline at end of file\n");
            }
        }
    }
    out
}

/// A path as git writes it in a patch: in quotes with escapes where it holds anything unusual.
fn quote(path: &str) -> String {
    let plain = |c: char| c.is_ascii_graphic() && c != '"' && c != '\\' || c == ' ';
    if path.chars().all(plain) {
        return path.to_string();
    }
    let mut quoted = String::from("\"");
    for byte in path.bytes() {
        match byte {
            b'"' | b'\\' => quoted.extend(['\\', char::from(byte)]),
            b' '..=b'~' => quoted.push(char::from(byte)),
            _ => {
                let _ = write!(quoted, "\\{byte:03o}");
            }
        }
    }
    quoted.push('"');
    quoted
}
