//! Differences as `git apply` takes them.

use std::io::Write;

use similar::TextDiff;

use crate::outcome::Outcome;

/// How far git looks for a NUL byte to tell a binary file.
const BINARY_PROBE: usize = 8000;

/// The difference between what a file holds and what it should hold, in git's unified format: new and deleted files
/// too. `path` is the file's path from the folder that the patch is to be applied in, with `/`. Empty where the file
/// is right. Bytes, since what stands on the disk may be no text.
pub fn unified(outcome: &Outcome, path: &str) -> Vec<u8> {
    let mut out = Vec::new();
    // Writing into memory does not fail.
    let _ = write_unified(&mut out, outcome, path);
    out
}

fn write_unified(out: &mut Vec<u8>, outcome: &Outcome, path: &str) -> std::io::Result<()> {
    let wanted = outcome.wanted.as_ref().map(String::as_bytes);
    let found = outcome.found.as_deref();
    if wanted == found {
        return Ok(());
    }
    let (old, new) = (quote(&format!("a/{path}")), quote(&format!("b/{path}")));
    writeln!(out, "diff --git {old} {new}")?;
    match (found, wanted) {
        (None, _) => writeln!(out, "new file mode 100644")?,
        (_, None) => writeln!(out, "deleted file mode 100644")?,
        _ => {}
    }
    let (before, after) = (found.unwrap_or_default(), wanted.unwrap_or_default());
    if before[..before.len().min(BINARY_PROBE)].contains(&0) {
        return writeln!(out, "Binary files {old} and {new} differ");
    }
    if before.is_empty() && after.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "--- {}",
        if found.is_some() { &old } else { "/dev/null" }
    )?;
    writeln!(
        out,
        "+++ {}",
        if wanted.is_some() { &new } else { "/dev/null" }
    )?;
    // similar takes a bare `\r` for a line ending; to git, and to Docker, only `\n` is one.
    let before: Vec<&[u8]> = before.split_inclusive(|byte| *byte == b'\n').collect();
    let after: Vec<&[u8]> = after.split_inclusive(|byte| *byte == b'\n').collect();
    let diff = TextDiff::from_slices(&before, &after);
    for hunk in diff.unified_diff().context_radius(3).iter_hunks() {
        writeln!(out, "{}", hunk.header())?;
        for change in hunk.iter_changes() {
            write!(out, "{}", change.tag())?;
            out.extend_from_slice(change.value());
            if !change.value().ends_with(b"\n") {
                out.extend_from_slice(b"\n\\ No newline at end of file\n");
            }
        }
    }
    Ok(())
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
            _ => quoted.push_str(&format!("\\{byte:03o}")),
        }
    }
    quoted.push('"');
    quoted
}
