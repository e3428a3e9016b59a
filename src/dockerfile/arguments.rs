//! Variables outside of stages: what `$NAME` means in a `FROM`.
//!
//! Source: BuildKit, frontend/dockerfile/shell/lex.go (forms of variables) and dockerfile2llb/platform.go (its own arguments).

use std::collections::BTreeMap;

use super::Instruction;
use crate::arch::Platform;

/// What BuildKit gives a stage that asks for it. Source: Dockerfile reference, "Automatic platform ARGs in the global scope".
pub const AUTOMATIC: &[&str] = &[
    "TARGETPLATFORM",
    "TARGETOS",
    "TARGETARCH",
    "TARGETVARIANT",
    "BUILDPLATFORM",
    "BUILDOS",
    "BUILDARCH",
    "BUILDVARIANT",
];

/// The values of [`AUTOMATIC`] for a build of `target` on `build`.
pub fn automatic(target: &Platform, build: &Platform) -> BTreeMap<String, String> {
    let values = [target, build].into_iter().flat_map(|platform| {
        let platform = platform.normalize();
        let whole = platform.to_string();
        [whole, platform.os, platform.architecture, platform.variant]
    });
    let names = AUTOMATIC.iter().map(|name| (*name).to_string());
    names.zip(values).collect()
}

/// The variables that a `FROM` may use: those in `given` that hold without being declared, and what `ARG`s before the first
/// `FROM` say, of which `build_args` go over the defaults. A name without a value is left out.
pub fn arguments(
    instructions: &[Instruction],
    given: BTreeMap<String, String>,
    build_args: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let mut known = given;
    let global = instructions
        .iter()
        .take_while(|found| found.name != "FROM")
        .filter(|found| found.name == "ARG");
    for word in global.flat_map(|found| &found.words) {
        let (name, default) = match word.text.split_once('=') {
            Some((name, value)) => (name, Some(value.trim_matches(['"', '\'']))),
            None => (word.text.as_str(), None),
        };
        let value = match (build_args.get(name), default) {
            (Some(value), _) => value.clone(),
            (None, Some(default)) => {
                let default = expanded(default, &known);
                if !default.unknown.is_empty() {
                    known.remove(name);
                    continue;
                }
                default.text
            }
            (None, None) => continue,
        };
        known.insert(name.to_string(), value);
    }
    known
}

/// A text with its variables filled in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expanded {
    /// The text; variables without a value stay, as `$NAME`.
    pub text: String,
    /// The variables without a value.
    pub unknown: Vec<String>,
}

impl Expanded {
    fn leave(&mut self, name: &str) {
        self.text.push('$');
        self.text.push_str(name);
        if !self.unknown.iter().any(|known| known == name) {
            self.unknown.push(name.to_string());
        }
    }

    fn add(&mut self, other: Expanded) {
        self.text.push_str(&other.text);
        self.unknown.extend(other.unknown);
    }
}

/// Fills in `$NAME`, `${NAME}`, and of the forms with a modifier `:-`, `-`, `:+` and `+`.
///
/// ```
/// use std::collections::BTreeMap;
/// use crossfile::dockerfile::expanded;
///
/// let known = BTreeMap::from([("TAG".to_string(), "3.22".to_string())]);
/// assert_eq!(expanded("${BASE:-alpine}:$TAG", &known).text, "alpine:3.22");
/// assert_eq!(expanded("$BASE:$TAG", &known).unknown, ["BASE"]);
/// ```
pub fn expanded(text: &str, known: &BTreeMap<String, String>) -> Expanded {
    let mut out = Expanded::default();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('$') {
        out.text.push_str(before);
        let (name, modifier, after) = match behind.strip_prefix('{').map(braced) {
            Some(Some((inner, after))) => {
                let end = name_length(inner);
                (&inner[..end], &inner[end..], after)
            }
            // Nothing closes the brace.
            Some(None) => {
                out.leave(behind);
                return out;
            }
            None => {
                let end = name_length(behind);
                (&behind[..end], "", &behind[end..])
            }
        };
        rest = after;
        let value = known.get(name).map(String::as_str);
        let full = value.filter(|value| !value.is_empty());
        let (colon, form) = match modifier.strip_prefix(':') {
            Some(form) => (true, form),
            None => (false, modifier),
        };
        let has = if colon { full } else { value };
        match (form.chars().next(), has) {
            (None, Some(value)) if !colon => out.text.push_str(value),
            (Some('-' | '?'), Some(value)) => out.text.push_str(value),
            (Some('-'), None) | (Some('+'), Some(_)) => out.add(expanded(&form[1..], known)),
            (Some('+'), None) => {}
            _ => out.leave(name),
        }
    }
    out.text.push_str(rest);
    out
}

fn name_length(text: &str) -> usize {
    text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(text.len())
}

/// What stands up to the brace that closes an open one, and what stands behind it.
fn braced(text: &str) -> Option<(&str, &str)> {
    let mut open = 0;
    for (at, c) in text.char_indices() {
        match c {
            '{' => open += 1,
            '}' if open == 0 => return Some((&text[..at], &text[at + 1..])),
            '}' => open -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dockerfile::instructions;

    fn known(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| ((*name).to_string(), (*value).to_string()))
            .collect()
    }

    #[test]
    fn forms_of_variables() {
        let known = known(&[("A", "a"), ("E", "")]);
        let text = |text: &str| {
            let found = expanded(text, &known);
            format!("{} {:?}", found.text, found.unknown)
        };
        assert_eq!(text("x$A-${A}y"), "xa-ay []");
        assert_eq!(text("${E:-d}${E-d}${N-d}${N:-${A}}"), "dda []");
        assert_eq!(text("${A:+s}${E:+s}${E+s}${N+s}."), "ss. []");
        assert_eq!(text("$N/${N}/${M:?why}"), "$N/$N/$M [\"N\", \"M\"]");
        assert_eq!(text("${A:?why}"), "a []");
        assert_eq!(text("${A%%x}"), "$A [\"A\"]");
        assert_eq!(text("${A"), "${A [\"{A\"]");
    }

    #[test]
    fn build_arguments_go_over_the_defaults_of_what_is_declared() {
        let found = instructions(
            "ARG A=1 B=\"$A.x\"\nARG C\nARG D\nARG E=$C\nARG TARGETARCH=s390x\nFROM x\nARG F=2\n",
        );
        let given = automatic(
            &Platform::new("linux", "arm64", "v8"),
            &Platform::new("linux", "amd64", ""),
        );
        assert_eq!(given["TARGETPLATFORM"], "linux/arm64");
        assert_eq!(given["BUILDVARIANT"], "");
        let args = arguments(&found, given, &known(&[("A", "9"), ("D", "d"), ("Z", "z")]));
        let get = |name: &str| args.get(name).map(String::as_str);
        assert_eq!((get("A"), get("B")), (Some("9"), Some("9.x")));
        assert_eq!((get("C"), get("D"), get("E")), (None, Some("d"), None));
        assert_eq!((get("F"), get("Z")), (None, None));
        assert_eq!(get("TARGETARCH"), Some("s390x"));
        assert_eq!(get("BUILDARCH"), Some("amd64"));
    }
}
