//! Look-ups: from whatever word a person or a tool has to one row of the table.
//!
//! [`ArchMap::resolve`] takes only words that mean one architecture to everybody, [`ArchMap::resolve_from`] answers
//! in one scheme, [`ArchMap::platform`] takes platforms. Each returns one row or an error with the choices; none guesses.

use std::str::FromStr;

use thiserror::Error;

use crate::arch::entry::{ArchName, DERIVED_SCHEMES, Entry};
use crate::arch::map::ArchMap;
use crate::arch::platform::Platform;
use crate::diagnostic::{Code, Diagnostic, Place, closest};

/// Why a look-up has no answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// Nobody calls an architecture so.
    #[error("`{name}` is not a name of an architecture")]
    Unknown {
        /// The word asked for.
        name: String,
        /// A known word like it.
        near: Option<String>,
        /// Schemes in which it is a name, with the rows it names there.
        schemes: Vec<(String, Vec<ArchName>)>,
    },
    /// The word means different architectures to different people.
    #[error("`{name}` is ambiguous: {why}")]
    Ambiguous {
        /// The word asked for.
        name: String,
        /// What it may mean.
        choices: Vec<ArchName>,
        /// Who means what.
        why: String,
    },
    /// A scheme has one word for several architectures.
    #[error(
        "`{name}` in the scheme `{scheme}` names several architectures: {}",
        list(choices)
    )]
    Several {
        /// The word asked for.
        name: String,
        /// The scheme asked in.
        scheme: String,
        /// What remains after Linux and base variants were preferred.
        choices: Vec<ArchName>,
    },
    /// A scheme has no such word.
    #[error("the scheme `{scheme}` has no name `{name}`")]
    NotInScheme {
        /// The word asked for.
        name: String,
        /// The scheme asked in.
        scheme: String,
        /// A word of the scheme like it.
        near: Option<String>,
    },
    /// There is no such scheme.
    #[error("`{name}` is not a scheme")]
    UnknownScheme {
        /// The scheme asked for.
        name: String,
        /// A scheme like it.
        near: Option<String>,
    },
    /// A scheme has no name for an architecture.
    #[error("the scheme `{scheme}` has no name for `{arch}`")]
    NoValue {
        /// The architecture.
        arch: ArchName,
        /// The scheme.
        scheme: String,
    },
    /// A text with a `/` is not a platform that images are built for.
    #[error("`{input}` is not a platform{reason}")]
    BadPlatform {
        /// The text given.
        input: String,
        /// What is wrong with it, beginning with `: `, or nothing.
        reason: String,
        /// Platforms that are meant.
        choices: Vec<String>,
    },
}

fn list<T: ToString>(items: &[T]) -> String {
    let items: Vec<_> = items
        .iter()
        .map(|item| format!("`{}`", item.to_string()))
        .collect();
    items.join(", ")
}

impl ResolveError {
    /// What to do about it where the command has an option `--from SCHEME` that says whose name it is.
    pub fn help_with_from(&self) -> Option<String> {
        match self {
            ResolveError::Ambiguous { name, choices, .. } => {
                let key = match choices.iter().any(|choice| choice.as_str() == name) {
                    true => format!(", the key `{name}` itself with `--from arch`"),
                    false => String::new(),
                };
                Some(format!(
                    "choose one of {}{key}, or say whose name it is with `--from SCHEME`",
                    list(choices)
                ))
            }
            ResolveError::Unknown { schemes, .. } => match schemes.first() {
                Some((scheme, arches)) if arches.len() == 1 => Some(format!(
                    "in the scheme `{scheme}` it is `{}`: say so with `--from {scheme}`",
                    arches[0]
                )),
                _ => self.help(),
            },
            _ => self.help(),
        }
    }

    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            ResolveError::Unknown { schemes, .. } if !schemes.is_empty() => {
                let (scheme, arches) = &schemes[0];
                Some(match arches.as_slice() {
                    [one] => format!("in the scheme `{scheme}` it is `{one}`: write that"),
                    many => format!("in the scheme `{scheme}` it is one of {}", list(many)),
                })
            }
            ResolveError::Unknown { near, .. } | ResolveError::NotInScheme { near, .. } => {
                near.as_ref().map(|near| format!("did you mean `{near}`?"))
            }
            ResolveError::UnknownScheme {
                near: Some(near), ..
            } => Some(format!("did you mean `{near}`?")),
            ResolveError::UnknownScheme { near: None, .. } => {
                Some("the schemes are listed by `crossfile arch show amd64`".to_string())
            }
            ResolveError::Ambiguous { choices, .. } => {
                Some(format!("choose one of {}", list(choices)))
            }
            ResolveError::Several { .. } => Some("name one of them".to_string()),
            ResolveError::NoValue { arch, .. } => Some(format!(
                "what it is called elsewhere: `crossfile arch show {arch}`"
            )),
            ResolveError::BadPlatform { choices, .. } if choices.is_empty() => None,
            ResolveError::BadPlatform { choices, .. } => Some(match choices.as_slice() {
                [one] => format!("write `{one}`"),
                many => format!("choose one of {}", list(many)),
            }),
        }
    }
}

impl ResolveError {
    /// The error as a diagnostic about the word at `place`.
    pub fn at(&self, place: Place) -> Diagnostic {
        let code = match self {
            ResolveError::Ambiguous { .. } | ResolveError::Several { .. } => Code::AmbiguousArch,
            ResolveError::BadPlatform { .. } => Code::BadPlatform,
            ResolveError::NoValue { .. } => Code::NoValue,
            ResolveError::UnknownScheme { .. } => Code::UnknownScheme,
            _ => Code::UnknownArch,
        };
        Diagnostic::error(code, place, self.to_string()).maybe_help(self.help())
    }
}

impl ArchMap {
    /// The row that `name` means to everybody: a key, an official-image name, a safe alias or a platform.
    /// Upper and lower case are alike.
    ///
    /// # Errors
    /// [`ResolveError::Ambiguous`] for names such as `armhf`, [`ResolveError::BadPlatform`] for a text with a `/`
    /// that [`ArchMap::platform`] refuses, [`ResolveError::Unknown`] for all else.
    pub fn resolve(&self, name: &str) -> Result<&Entry, ResolveError> {
        if name.contains('/') {
            return self.platform(name);
        }
        let folded = name.to_lowercase();
        if let Some(ambiguity) = self.ambiguous().get(&folded) {
            return Err(ResolveError::Ambiguous {
                name: name.to_string(),
                choices: ambiguity.means.clone(),
                why: ambiguity.why.clone(),
            });
        }
        self.identity(&folded).ok_or_else(|| {
            let schemes = self.schemes().iter().filter_map(|scheme| {
                let rows = self.candidates(name, &scheme.name);
                let rows: Vec<_> = rows.iter().map(|entry| entry.name.clone()).collect();
                (!rows.is_empty()).then(|| (scheme.name.clone(), rows))
            });
            ResolveError::Unknown {
                name: name.to_string(),
                near: closest(&folded, self.identities().map(|(name, _)| name)).map(str::to_string),
                schemes: schemes.collect(),
            }
        })
    }

    /// The row that `name` means in one scheme. Rows for Linux go before others, then a row's base before the row
    /// (so `arm64v8` before `arm64v9` for Debian's `arm64`).
    ///
    /// # Errors
    /// [`ResolveError::Several`] where more than one row remains (QEMU's `arm`), [`ResolveError::NotInScheme`],
    /// [`ResolveError::UnknownScheme`].
    pub fn resolve_from(&self, name: &str, scheme: &str) -> Result<&Entry, ResolveError> {
        self.check_scheme(scheme)?;
        if scheme == "platform" {
            return self.platform(name);
        }
        let candidates = self.candidates(name, scheme);
        match candidates.as_slice() {
            [one] => Ok(one),
            [] => {
                let words: Vec<_> = self
                    .entries()
                    .iter()
                    .filter_map(|e| e.get(scheme))
                    .collect();
                let near = closest(name, words.iter().map(AsRef::as_ref));
                Err(ResolveError::NotInScheme {
                    name: name.to_string(),
                    scheme: scheme.to_string(),
                    near: near.map(str::to_string),
                })
            }
            several => Err(ResolveError::Several {
                name: name.to_string(),
                scheme: scheme.to_string(),
                choices: several.iter().map(|entry| entry.name.clone()).collect(),
            }),
        }
    }

    /// What `scheme` calls the architecture of a row.
    ///
    /// # Errors
    /// [`ResolveError::NoValue`] where the scheme has no name for it, [`ResolveError::UnknownScheme`].
    pub fn name_in(&self, entry: &Entry, scheme: &str) -> Result<String, ResolveError> {
        self.check_scheme(scheme)?;
        match entry.get(scheme) {
            Some(value) => Ok(value.into_owned()),
            None => Err(ResolveError::NoValue {
                arch: entry.name.clone(),
                scheme: scheme.to_string(),
            }),
        }
    }

    /// The row of a platform. What containerd takes is taken (`linux/x86_64`, `linux/arm64`, `linux/arm/7`), but
    /// only for platforms of the table: containerd lets `linux/x64` through as an architecture of its own.
    ///
    /// # Errors
    /// [`ResolveError::BadPlatform`] with the platform that is meant.
    pub fn platform(&self, input: &str) -> Result<&Entry, ResolveError> {
        let bad = |reason: String, choices: Vec<String>| ResolveError::BadPlatform {
            input: input.to_string(),
            reason,
            choices,
        };
        let parsed = Platform::from_str(input).map_err(|error| {
            let choices = self
                .resolve_word(input)
                .map(|entry| entry.platform.to_string());
            bad(format!(": {error}"), choices.into_iter().collect())
        })?;
        // containerd reads `linux/armhf` as ARMv7 and `linux/armel` as ARMv6, which is not what everyone means.
        let mut parts = input.split('/').skip(1);
        let architecture = parts.next().unwrap_or_default().to_lowercase();
        if let Some(ambiguity) = self.ambiguous().get(&architecture)
            && parsed.architecture != architecture
        {
            let rows = ambiguity
                .means
                .iter()
                .filter_map(|name| self.get(name.as_str()));
            let choices = rows.map(|entry| entry.platform.to_string()).collect();
            return Err(bad(format!(": {}", ambiguity.why), choices));
        }
        let wanted = parsed.normalize();
        let same = |entry: &&Entry| {
            let platform = entry.platform.normalize();
            (&platform.os, &platform.architecture, &platform.variant)
                == (&wanted.os, &wanted.architecture, &wanted.variant)
        };
        if let Some(entry) = self.entries().iter().find(same) {
            return Ok(entry);
        }
        Err(self.explain_platform(&wanted, &bad))
    }

    /// The error for a well-formed platform that no row has.
    fn explain_platform(
        &self,
        wanted: &Platform,
        bad: &dyn Fn(String, Vec<String>) -> ResolveError,
    ) -> ResolveError {
        let of_os = |os: &str, row: &Entry| row.platform.os == os;
        let oses: Vec<&str> = self
            .entries()
            .iter()
            .map(|row| row.platform.os.as_str())
            .collect();
        if !oses.contains(&wanted.os.as_str()) {
            // `arm/v7` lacks its system: nearly always Linux.
            let linux = Platform::new("linux", wanted.os.as_str(), wanted.architecture.as_str());
            if oses.contains(&"linux")
                && let Ok(row) = self.platform(&linux.to_string())
            {
                let reason = ": the system is missing".to_string();
                return bad(reason, vec![row.platform.to_string()]);
            }
            let near = closest(&wanted.os, oses.iter().copied()).map(|os| {
                let meant = Platform::new(os, &wanted.architecture, &wanted.variant);
                let known = self.platform(&meant.to_string());
                known.map_or_else(|_| meant.to_string(), |row| row.platform.to_string())
            });
            let reason = format!(": no image is built for the system `{}`", wanted.os);
            return bad(reason, near.into_iter().collect());
        }
        let same_arch: Vec<&Entry> = self
            .entries()
            .iter()
            .filter(|row| {
                of_os(&wanted.os, row) && row.platform.architecture == wanted.architecture
            })
            .collect();
        if !same_arch.is_empty() {
            // `armv8` and `armv7` are written by old recipes (docker manifest takes anything) and pulled by nobody.
            let short = wanted.variant.trim_start_matches("arm");
            let meant = same_arch.iter().find(|row| row.platform.variant == short);
            let choices = match meant {
                Some(row) => vec![row.platform.to_string()],
                None => same_arch
                    .iter()
                    .map(|row| row.platform.to_string())
                    .collect(),
            };
            let reason = format!(": nobody pulls the variant `{}`", wanted.variant);
            return bad(reason, choices);
        }
        let reason = format!(
            ": no image is built for the architecture `{}`",
            wanted.architecture
        );
        let meant = self.resolve_word(&wanted.architecture).map(|row| {
            let rows = self.entries().iter();
            let same = |other: &&Entry| {
                of_os(&wanted.os, other) && other.platform.architecture == row.platform.architecture
            };
            match of_os(&wanted.os, row) {
                true => row.platform.to_string(),
                false => rows
                    .filter(same)
                    .map(|row| row.platform.to_string())
                    .next()
                    .unwrap_or_else(|| row.platform.to_string()),
            }
        });
        bad(reason, meant.into_iter().collect())
    }

    /// The row that a single word most likely means, for suggestions only.
    fn resolve_word(&self, word: &str) -> Option<&Entry> {
        let folded = word.to_lowercase();
        self.identity(&folded).or_else(|| {
            let near = closest(&folded, self.identities().map(|(name, _)| name))?;
            self.identity(near)
        })
    }

    fn check_scheme(&self, scheme: &str) -> Result<(), ResolveError> {
        let known = self.schemes().iter().map(|known| known.name.as_str());
        let known = known.chain(DERIVED_SCHEMES.iter().copied());
        if known.clone().any(|known| known == scheme) {
            return Ok(());
        }
        Err(ResolveError::UnknownScheme {
            name: scheme.to_string(),
            near: closest(scheme, known).map(str::to_string),
        })
    }

    /// The rows that a scheme calls `name`, Linux and base rows preferred.
    fn candidates(&self, name: &str, scheme: &str) -> Vec<&Entry> {
        let bears = |entry: &&Entry| match entry.value(scheme) {
            Some(value) => value.contains(name),
            None => entry
                .get(scheme)
                .is_some_and(|value| value.eq_ignore_ascii_case(name)),
        };
        let mut rows: Vec<&Entry> = self.entries().iter().filter(bears).collect();
        if rows.iter().any(|row| row.platform.os == "linux") {
            rows.retain(|row| row.platform.os == "linux");
        }
        let names: Vec<ArchName> = rows.iter().map(|row| row.name.clone()).collect();
        rows.retain(|row| row.base.as_ref().is_none_or(|base| !names.contains(base)));
        rows
    }
}
