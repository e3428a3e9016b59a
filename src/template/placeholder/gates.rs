//! Gates: markers that keep a line for emulated architectures, in the five forms found in use.

use std::ops::Range;

use super::token_end;
use crate::dockerfile::INSTRUCTIONS;

/// The five forms of the gate found in use. One file uses one form; what one form calls a gate is another's leftover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GateForm {
    /// `__CROSS_COPY x`, anywhere in a line: the classic one.
    Prefix,
    /// `__CROSS__COPY x`, anywhere in a line.
    DoublePrefix,
    /// `__CROSS_COPY__ x`, around an instruction.
    Closed,
    /// `#__CROSS_COPY x` at the start of a line: the template stays a valid Dockerfile.
    Comment,
    /// `CROSS_BUILD_COPY x` at the start of a line: Kubernetes.
    Build,
}

impl GateForm {
    pub(super) fn example(self) -> &'static str {
        match self {
            GateForm::Prefix => "__CROSS_COPY",
            GateForm::DoublePrefix => "__CROSS__COPY",
            GateForm::Closed => "__CROSS_COPY__",
            GateForm::Comment => "#__CROSS_COPY",
            GateForm::Build => "CROSS_BUILD_COPY",
        }
    }
}

/// A gate in the text: the marker, and what of it stays when the line stays.
#[derive(Debug)]
pub(super) struct Gate {
    pub(super) form: GateForm,
    pub(super) marker: Range<usize>,
    pub(super) kept: Range<usize>,
}

/// The gate that begins at byte `at`, told by its own shape.
pub(super) fn gate_at(text: &str, at: usize) -> Option<Gate> {
    let rest = &text[at..];
    let gate = |form, length: usize, kept: Range<usize>| Gate {
        form,
        marker: at..at + length,
        kept: at + kept.start..at + kept.end,
    };
    if rest.starts_with("#__CROSS_") && starts_line(text, at) {
        return Some(gate(GateForm::Comment, 9, 9..9));
    }
    if let Some(after) = rest.strip_prefix("CROSS_BUILD_") {
        let known = instruction(after).is_some_and(|word| after[word..].starts_with([' ', '\t']));
        return (known && starts_line(text, at)).then(|| gate(GateForm::Build, 12, 12..12));
    }
    let after = rest.strip_prefix("__CROSS_")?;
    // Either prefix may stand right before a placeholder: the underscores in a row tell `__CROSS_` + `__X__` (two
    // more) from `__CROSS__` + `__X__` (three more).
    let underscores = after.bytes().take_while(|&byte| byte == b'_').count();
    let double = match underscores {
        // Not in a sentence: `# __CROSS__ is the gate`.
        1 => starts_line(text, at) || after[1..].starts_with(|c: char| !c.is_whitespace()),
        3 => token_end(&after[1..]).is_some(),
        _ => false,
    };
    if double {
        return Some(gate(GateForm::DoublePrefix, 9, 9..9));
    }
    match instruction(after) {
        Some(word) if after[word..].starts_with("__") => {
            Some(gate(GateForm::Closed, 8 + word + 2, 8..8 + word))
        }
        _ => Some(gate(GateForm::Prefix, 8, 8..8)),
    }
}

/// The length of the instruction that `text` begins with.
fn instruction(text: &str) -> Option<usize> {
    let word = text.bytes().take_while(u8::is_ascii_uppercase).count();
    INSTRUCTIONS.contains(&&text[..word]).then_some(word)
}

fn starts_line(text: &str, at: usize) -> bool {
    let line = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    text[line..at]
        .bytes()
        .all(|byte| byte == b' ' || byte == b'\t')
}

/// Every gate of the text.
pub(super) fn gates(text: &str) -> impl Iterator<Item = Gate> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let found = text[at..].find("CROSS_")? + at;
            // A gate's marker begins at most three bytes (`#__`) before the word.
            let gate = [3, 2, 0].iter().find_map(|before| {
                let start = found.checked_sub(*before)?;
                text.is_char_boundary(start).then(|| gate_at(text, start))?
            });
            at = gate
                .as_ref()
                .map_or(found + 6, |gate| gate.marker.end.max(found + 6));
            if gate.is_some() {
                return gate;
            }
        }
    })
}
