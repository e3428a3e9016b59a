//! The rules that keys of the table and names of templates follow.

use crate::diagnostic::{Code, Diagnostic};
use crate::document::Located;

/// Lower-case letters and digits in words joined by single `joiner`s, beginning with a letter.
pub(crate) fn is_word(text: &str, joiner: char) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.split(joiner).all(|part| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        })
}

/// Checks a name that templates will use: `s6_arch`, reachable as `{{s6_arch}}` and `__S6_ARCH__`.
pub(crate) fn check_template_name(name: &Located<String>) -> Result<(), Diagnostic> {
    if is_word(&name.value, '_') && !name.value.starts_with("cross_") {
        return Ok(());
    }
    let message = format!("`{}` cannot be a template name", name.value);
    let error = Diagnostic::error(Code::BadName, name.place.clone(), message);
    let folded = name.value.to_lowercase().replace(['-', ' ', '.'], "_");
    Err(match is_word(&folded, '_') {
        _ if folded.starts_with("cross_") => error.help(
            "in a placeholder template `__CROSS_` begins a gate: choose a name that does not begin with `cross_`",
        ),
        true => error.help(format!("write `{folded}`: names are lower case with single `_`")),
        false => error.help("names are lower-case letters, digits and single `_`, as `s6_arch`"),
    })
}
