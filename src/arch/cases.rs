//! A shell's `case` over architectures: by which words each is told, as a build or a system says them.
//!
//! BuildKit gives `TARGETARCH` and `TARGETVARIANT`; the variant is empty for arm64 and set for 32-bit ARM, so neither alone
//! tells all. A system has words of its own: the kernel's, dpkg's, apk's. Where an architecture that is built for has lower
//! levels only (ARMv6 for ARMv7), those take its words too.

use std::collections::BTreeMap;

use thiserror::Error;

use super::{ArchMap, ArchName, Entry, Matcher, SchemeValue};

/// What a `case` looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Subject {
    /// BuildKit's `TARGETARCH` and `TARGETVARIANT`: the platform that is built for.
    TargetArch,
    /// `uname -m`: the kernel's word. It is the machine's and not the image's where the machine runs both.
    Uname,
    /// `dpkg --print-architecture`: Debian's word for the image.
    Dpkg,
    /// `apk --print-arch`: Alpine's word for the image.
    Apk,
}

/// Why there is no `case` for some architectures.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CaseError {
    /// The subject has no word for an architecture.
    #[error("`{subject}` has no word for `{arch}`")]
    NoWord {
        /// The subject as templates write it.
        subject: &'static str,
        /// The architecture.
        arch: ArchName,
    },
    /// Two architectures have the same word.
    #[error("`{subject}` cannot tell `{second}` from `{first}`: both are `{word}`")]
    Same {
        /// The subject as templates write it.
        subject: &'static str,
        /// The first of the two.
        first: ArchName,
        /// The second.
        second: ArchName,
        /// What both are called.
        word: String,
    },
}

/// One branch: an architecture and the words that mean it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Branch {
    /// The architecture.
    pub arch: ArchName,
    /// Its words, its own first.
    pub words: Vec<String>,
}

impl Subject {
    /// Every subject.
    pub const ALL: &'static [Subject] = &[
        Subject::TargetArch,
        Subject::Uname,
        Subject::Dpkg,
        Subject::Apk,
    ];

    /// The word that templates write.
    pub fn as_str(self) -> &'static str {
        match self {
            Subject::TargetArch => "TARGETARCH",
            Subject::Uname => "uname",
            Subject::Dpkg => "dpkg",
            Subject::Apk => "apk",
        }
    }

    /// The subject of this word.
    pub fn parse(word: &str) -> Option<Subject> {
        let mut all = Subject::ALL.iter().copied();
        all.find(|subject| subject.as_str() == word)
    }

    /// What a shell looks at. A stage without `ARG TARGETVARIANT` does not set it.
    pub fn expression(self) -> &'static str {
        match self {
            Subject::TargetArch => "$TARGETARCH${TARGETVARIANT-}",
            Subject::Uname => "$(uname -m)",
            Subject::Dpkg => "$(dpkg --print-architecture)",
            Subject::Apk => "$(apk --print-arch)",
        }
    }

    /// What to tell somebody for whose machine there is no branch.
    pub fn hint(self) -> &'static str {
        match self {
            Subject::TargetArch => " (does this stage have ARG TARGETARCH and ARG TARGETVARIANT?)",
            Subject::Uname | Subject::Dpkg | Subject::Apk => "",
        }
    }

    /// The words for an architecture, the usual one first.
    fn words(self, entry: &Entry) -> Vec<String> {
        let scheme = match self {
            Subject::TargetArch => {
                let word = |platform: &super::Platform| {
                    format!("{}{}", platform.architecture, platform.variant)
                };
                // Buildah sets the variant as it is given, BuildKit as containerd normalizes it.
                let mut words = vec![word(&entry.platform.normalize()), word(&entry.platform)];
                words.dedup();
                return words;
            }
            Subject::Uname => "uname",
            Subject::Dpkg => "debian",
            Subject::Apk => "alpine",
        };
        match entry.value(scheme) {
            None => Vec::new(),
            Some(SchemeValue::List(words)) => words.clone(),
            Some(value) => vec![value.canonical().into_owned()],
        }
    }
}

/// The branches for some architectures, in their order.
///
/// ```
/// use crossfile::arch::cases::{Subject, branches};
/// use crossfile::{ArchMap, ArchName};
///
/// let arches = ["amd64", "arm32v6", "arm64v8"].map(ArchName::new);
/// let found = branches(&ArchMap::builtin(), Subject::TargetArch, &arches).unwrap();
/// assert_eq!(found[1].words, ["armv6", "armv7", "armv8"]);
/// assert_eq!(found[2].words, ["arm64", "arm64v8", "arm64v9"]);
/// ```
///
/// # Errors
/// An architecture without a word, and two with the same.
pub fn branches(
    map: &ArchMap,
    subject: Subject,
    arches: &[ArchName],
) -> Result<Vec<Branch>, CaseError> {
    let entries: Vec<&Entry> = arches
        .iter()
        .filter_map(|arch| map.get(arch.as_str()))
        .collect();
    let mut owners: BTreeMap<String, ArchName> = BTreeMap::new();
    let mut branches: Vec<Branch> = Vec::new();
    for entry in &entries {
        let words = subject.words(entry);
        if words.is_empty() {
            return Err(CaseError::NoWord {
                subject: subject.as_str(),
                arch: entry.name.clone(),
            });
        }
        for word in &words {
            if let Some(first) = owners.insert(word.clone(), entry.name.clone()) {
                return Err(CaseError::Same {
                    subject: subject.as_str(),
                    first,
                    second: entry.name.clone(),
                    word: word.clone(),
                });
            }
        }
        branches.push(Branch {
            arch: entry.name.clone(),
            words,
        });
    }
    // Higher levels that are not built for run what is.
    for other in map.entries() {
        let runs = Matcher::only(&other.platform);
        let candidates = entries.iter().filter(|entry| {
            let (own, other) = (&entry.platform, &other.platform);
            own.os == other.os && own.architecture == other.architecture
        });
        let best = runs.best(candidates.map(|entry| &entry.platform));
        let Some(index) = entries
            .iter()
            .position(|entry| Some(&entry.platform) == best)
        else {
            continue;
        };
        for word in subject.words(other) {
            if !owners.contains_key(&word) {
                owners.insert(word.clone(), branches[index].arch.clone());
                branches[index].words.push(word);
            }
        }
    }
    Ok(branches)
}
