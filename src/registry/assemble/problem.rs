//! Why an index cannot be made.

use std::fmt;

use crate::arch::Platform;
use crate::registry::RegistryError;

/// What is wrong with a source or a target.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The source or target.
    pub name: String,
    /// What is wrong with it; boxed, since results carry it.
    pub kind: Box<ProblemKind>,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProblemKind {
    /// It cannot be read or written.
    Registry(RegistryError),
    /// It is not there.
    Missing,
    /// It is something else than a container image or an index of some.
    NotAnImage(String),
    /// Neither its configuration nor anybody else says which of these it is for.
    Open(Platform, Vec<Platform>),
    /// An entry says a platform under which clients do not find it; the right spelling.
    Misspelt(Platform, Platform),
    /// It was said to be for one platform and is for another.
    OtherPlatform {
        /// What was said.
        said: Platform,
        /// What it is.
        found: Platform,
    },
    /// An index has no image for the platform that was said.
    Lacks(Platform, Vec<Platform>),
    /// Another source is for the same platform.
    Twice(Platform, String),
    /// There is nothing to make an index of.
    Empty,
    /// An image of it is not where it should be.
    Gone(String),
}

impl Problem {
    pub(super) fn new(name: &str, kind: ProblemKind) -> Problem {
        Problem {
            name: name.to_string(),
            kind: Box::new(kind),
        }
    }

    /// What to do about it; nothing where the message says all.
    pub fn help(&self) -> Option<String> {
        let name = &self.name;
        match self.kind.as_ref() {
            ProblemKind::Open(_, choices) => {
                let choices: Vec<String> = choices.iter().map(|choice| format!("`{choice}={name}`")).collect();
                Some(format!("say which: {}", choices.join(", ")))
            }
            ProblemKind::Misspelt(_, right) => Some(format!("say what it is: `{right}={name}`; or mend the index with `crossfile verify --repair {name}`")),
            ProblemKind::Missing => Some("push it first; or say that the index may go out without it: `optional = true` for its architecture, `--optional`".to_string()),
            ProblemKind::Twice(..) => Some("leave one of them out; where an index holds several, say the platform: `PLATFORM=REFERENCE`".to_string()),
            _ => None,
        }
    }
}

fn list(platforms: &[Platform]) -> String {
    let platforms: Vec<String> = platforms.iter().map(Platform::format_all).collect();
    platforms.join(", ")
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match self.kind.as_ref() {
            ProblemKind::Registry(error) => write!(f, "{error}"),
            ProblemKind::Missing => write!(f, "{name} is not there"),
            ProblemKind::NotAnImage(what) => write!(f, "{name} is no container image: {what}"),
            ProblemKind::Open(platform, choices) => {
                write!(
                    f,
                    "{name} says that it is for `{platform}`, which leaves open {}",
                    list(choices)
                )
            }
            ProblemKind::Misspelt(platform, right) => {
                write!(
                    f,
                    "{name} has an entry for `{platform}`, which no client finds: it is written `{right}`"
                )
            }
            ProblemKind::OtherPlatform { said, found } => {
                write!(f, "{name} is for `{found}`, and not for `{said}`")
            }
            ProblemKind::Lacks(platform, has) if has.is_empty() => {
                write!(f, "{name} has no image for `{platform}`, nor for any other")
            }
            ProblemKind::Lacks(platform, has) => write!(
                f,
                "{name} has no image for `{platform}`; it has {}",
                list(has)
            ),
            ProblemKind::Twice(platform, other) => write!(
                f,
                "{name} and {other} are both for `{}`",
                platform.format_all()
            ),
            ProblemKind::Empty => write!(
                f,
                "{name}: none of the images is there, and an index of nothing would hide what is there now"
            ),
            ProblemKind::Gone(what) => {
                write!(f, "{name} lacks {what}: the tags stay where they are")
            }
        }
    }
}
