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

    /// What is missing for containers to run its programs.
    pub fn needed<'a>(&self, known: &'a [Registration]) -> Needed<'a> {
        let head = self.registration.pattern.example();
        let counts = |known: &&Registration| known.enabled && known.pattern.fits(&head);
        match known.iter().find(counts).filter(|known| known.is_fixed()) {
            Some(known) => Needed::Nothing(known),
            None => Needed::Entry {
                replaces: known
                    .iter()
                    .any(|known| known.name == self.registration.name),
            },
        }
    }
}

/// What is missing for programs to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needed<'a> {
    /// Nothing: this entry runs them.
    Nothing(&'a Registration),
    /// The handler's entry.
    Entry {
        /// Whether there is one of its name, which is to be taken away first.
        replaces: bool,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::ArchMap;

    fn handler(there: &str) -> Result<Handler, HandlerError> {
        let map = ArchMap::builtin();
        Handler::of(map.get("arm32v7").unwrap(), &|path| path == there)
    }

    #[test]
    fn flags_go_with_the_place_of_the_interpreter() {
        for (path, flags) in [
            ("/usr/libexec/qemu-binfmt/arm-binfmt-P", "POF"),
            ("/usr/bin/qemu-arm-static", "F"),
            ("/usr/local/bin/qemu-arm", "F"),
        ] {
            let own = handler(path).unwrap().registration;
            assert_eq!((&*own.interpreter, &*own.flags), (path, flags));
            assert_eq!(own.name, "qemu-arm");
        }
        assert_eq!(
            handler("/usr/bin/qemu-armeb-static"),
            Err(HandlerError::Missing("arm".to_string()))
        );
    }

    #[test]
    fn only_the_entry_that_the_kernel_takes_counts() {
        let own = handler("/usr/bin/qemu-arm-static").unwrap();
        let entry = |name: &str, flags: &str, enabled| Registration {
            name: name.to_string(),
            flags: flags.to_string(),
            enabled,
            ..own.registration.clone()
        };
        let fixed = entry("rosetta", "CF", true);
        let known = [fixed.clone()];
        assert_eq!(own.needed(&known), Needed::Nothing(&fixed));
        for (newest, replaces) in [
            (entry("other", "", true), false),
            (entry("qemu-arm", "P", true), true),
        ] {
            let known = [newest, fixed.clone()];
            assert_eq!(own.needed(&known), Needed::Entry { replaces });
        }
        let known = [entry("qemu-arm", "F", false)];
        assert_eq!(own.needed(&known), Needed::Entry { replaces: true });
        assert_eq!(own.needed(&[]), Needed::Entry { replaces: false });
    }
}
