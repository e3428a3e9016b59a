//! Interpreters to register.

use thiserror::Error;

use super::{Pattern, Registration};
use crate::arch::Entry;

/// Where an interpreter is looked for, with the flags that go with it. `P` tells QEMU the program's own name, which Debian's
/// interpreters of that name expect.
const PLACES: &[(&str, &str, &str)] = &[
    ("/usr/libexec/qemu-binfmt/", "-binfmt-P", "POF"),
    ("/usr/bin/qemu-", "-static", "F"),
    ("/usr/local/bin/qemu-", "-static", "F"),
    ("/usr/bin/qemu-", "", "F"),
    ("/usr/local/bin/qemu-", "", "F"),
];

/// An entry that makes the programs of an architecture run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handler {
    /// The entry.
    pub registration: Registration,
}

/// Why there is none.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HandlerError {
    /// The table does not say how its programs begin.
    #[error("the table says no `{0}` for it")]
    Unknown(&'static str),
    /// What the table says of that makes no sense.
    #[error("{0}")]
    Malformed(String),
    /// No interpreter is there.
    #[error("there is no qemu-{0}-static, as /usr/bin/qemu-{0}-static")]
    Missing(String),
}

impl Handler {
    /// The entry for an architecture, whose interpreter is the first of the usual places that is there.
    ///
    /// # Errors
    /// There is no interpreter, or the table does not say enough.
    pub fn of(entry: &Entry, there: &dyn Fn(&str) -> bool) -> Result<Handler, HandlerError> {
        let text = |scheme: &'static str| {
            let text = entry.get(scheme).map(std::borrow::Cow::into_owned);
            text.ok_or(HandlerError::Unknown(scheme))
        };
        let qemu = text("qemu")?;
        let pattern = Pattern::new(&text("binfmt-magic")?, &text("binfmt-mask")?);
        let pattern = pattern.map_err(HandlerError::Malformed)?;
        let places = PLACES
            .iter()
            .map(|(before, after, flags)| (format!("{before}{qemu}{after}"), flags));
        let found = places.into_iter().find(|(path, _)| there(path));
        let Some((interpreter, flags)) = found else {
            return Err(HandlerError::Missing(qemu));
        };
        Ok(Handler {
            registration: Registration {
                name: format!("qemu-{qemu}"),
                interpreter,
                flags: flags.to_string(),
                pattern,
                enabled: true,
            },
        })
    }

}
