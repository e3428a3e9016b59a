//! The stages of a Dockerfile: what each is made from and takes from, and which of them a build needs.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::{Expanded, Instruction, Word, expanded};

/// The stages of a Dockerfile, by their number.
#[derive(Clone, Debug, Default)]
pub struct Stages {
    names: Vec<String>,
    /// For each stage the stage that it is made from.
    from: Vec<Option<usize>>,
    /// For each stage those that it copies or mounts something from.
    takes: Vec<Vec<usize>>,
    /// The images that stages are made from or take something from, with the number of the stage.
    images: Vec<(usize, TakenImage)>,
}

/// An image that a Dockerfile names, and no stage.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TakenImage {
    /// Its reference.
    pub reference: Expanded,
    /// Where the reference stands, without quotes around it.
    pub span: Range<usize>,
    /// What `--platform` says. `COPY --from` and mounts take the image of the target platform, whatever their stage is for.
    pub platform: Option<Expanded>,
}

impl Stages {
    /// Reads the stages. `known` are the variables that a `FROM` may use.
    pub fn of(
        text: &str,
        instructions: &[Instruction],
        known: &BTreeMap<String, String>,
    ) -> Stages {
        let mut stages = Stages::default();
        for instruction in instructions {
            if instruction.name == "FROM" {
                stages.begin(text, instruction, known);
            } else {
                stages.take(text, instruction, known);
            }
        }
        stages
    }

    fn begin(&mut self, text: &str, from: &Instruction, known: &BTreeMap<String, String>) {
        let words: Vec<&Word> = from.arguments().collect();
        let number = self.names.len();
        let mut base = None;
        if let Some(word) = words.first() {
            let reference = expanded(&word.text, known);
            base = self.number(&reference.text);
            if base.is_none() {
                let platform = from.flag("platform");
                self.images.push((
                    number,
                    TakenImage {
                        reference,
                        span: bare(text, word.span.clone()),
                        platform: platform.map(|(value, _)| expanded(value, known)),
                    },
                ));
            }
        }
        let named = words
            .get(1)
            .is_some_and(|word| word.text.eq_ignore_ascii_case("as"));
        let name = words.get(2).filter(|_| named);
        self.names
            .push(name.map_or(String::new(), |word| word.text.to_ascii_lowercase()));
        self.from.push(base);
        self.takes.push(Vec::new());
    }

    fn take(&mut self, text: &str, instruction: &Instruction, known: &BTreeMap<String, String>) {
        let Some(number) = self.names.len().checked_sub(1) else {
            return;
        };
        for (flag, _, word) in instruction.flags() {
            let span = match (instruction.name.as_str(), flag) {
                ("COPY" | "ADD", "from") => value(text, word, flag),
                ("RUN", "mount") => mounted(text, value(text, word, flag)),
                _ => None,
            };
            let Some(span) = span else { continue };
            let reference = expanded(&text[span.clone()], known);
            match self.number(&reference.text) {
                Some(stage) => self.takes[number].push(stage),
                None => self.images.push((
                    number,
                    TakenImage {
                        reference,
                        span,
                        platform: None,
                    },
                )),
            }
        }
    }

    /// The stage of a name or number: of a name the last one before that has it.
    fn number(&self, name: &str) -> Option<usize> {
        let name = name.to_ascii_lowercase();
        let known = self.names.iter().rposition(|known| *known == name);
        known
            .filter(|_| !name.is_empty())
            .or_else(|| name.parse().ok().filter(|at| *at < self.names.len()))
    }

    /// The stage that a stage is made from.
    pub fn base(&self, stage: usize) -> Option<usize> {
        self.from.get(stage).copied().flatten()
    }

    /// The stage that is built: the one of this name or number, else the last.
    pub fn target(&self, target: Option<&str>) -> Option<usize> {
        let named = target.and_then(|target| self.number(target));
        named.or(self.names.len().checked_sub(1))
    }

    /// A stage, and those that it is made from with `FROM`.
    pub fn line(&self, stage: Option<usize>) -> BTreeSet<usize> {
        std::iter::successors(stage, |stage| self.base(*stage)).collect()
    }

    /// All that a build of a stage needs: it, what it is made from, and what these copy or mount something from.
    pub fn needed(&self, stage: Option<usize>) -> BTreeSet<usize> {
        let mut needed = BTreeSet::new();
        let mut open: Vec<usize> = stage.into_iter().collect();
        while let Some(stage) = open.pop() {
            if needed.insert(stage) {
                open.extend(self.base(stage));
                open.extend(self.takes.get(stage).into_iter().flatten());
            }
        }
        needed
    }

    /// The images that a build of a target takes something from, in the order of the text; `scratch` is none.
    pub fn images(&self, target: Option<&str>) -> impl Iterator<Item = &TakenImage> {
        let needed = self.needed(self.target(target));
        let images = self.images.iter();
        images
            .filter(move |(stage, image)| {
                needed.contains(stage) && image.reference.text != "scratch"
            })
            .map(|(_, image)| image)
    }
}

/// A range without the quotes around what it holds.
fn bare(text: &str, span: Range<usize>) -> Range<usize> {
    let raw = &text[span.clone()];
    let quoted = |quote: char| raw.len() > 1 && raw.starts_with(quote) && raw.ends_with(quote);
    match quoted('"') || quoted('\'') {
        true => span.start + 1..span.end - 1,
        false => span,
    }
}

/// Where the value of a flag stands.
fn value(text: &str, word: &Word, flag: &str) -> Option<Range<usize>> {
    let span = bare(text, word.span.clone());
    let behind = text[span.clone()].strip_prefix(&format!("--{flag}="))?;
    Some(bare(text, span.end - behind.len()..span.end))
}

/// Where the value of `from` stands among the options of a mount.
fn mounted(text: &str, options: Option<Range<usize>>) -> Option<Range<usize>> {
    let options = options?;
    let mut start = options.start;
    for option in text[options].split(',') {
        let end = start + option.len();
        let quoted = bare(text, start..end);
        let inner = &text[quoted.clone()];
        if let Some((key, value)) = inner.split_once('=')
            && key.trim().eq_ignore_ascii_case("from")
        {
            return Some(bare(text, quoted.end - value.len()..quoted.end));
        }
        start = end + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dockerfile::{arguments, instructions};

    fn images(text: &str, target: Option<&str>) -> Vec<String> {
        let found = instructions(text);
        let known = arguments(&found, BTreeMap::new(), &BTreeMap::new());
        let stages = Stages::of(text, &found, &known);
        let shown = |image: &TakenImage| {
            let platform = image.platform.as_ref().map(|platform| &platform.text);
            let at = &text[image.span.clone()];
            format!(
                "{at} is {} {}",
                image.reference.text,
                platform.map_or("", |text| text)
            )
        };
        stages.images(target).map(shown).collect()
    }

    const TEXT: &str = "ARG TAG=3.22\n\
        FROM --platform=$BUILDPLATFORM golang:1 AS build\n\
        COPY --from=\"acme/tools\" /a /a\n\
        FROM unused:1 AS debug\n\
        FROM 'alpine:$TAG' AS base\n\
        FROM base\n\
        COPY --from=Build /x /x\n\
        COPY --from=0 --chown=1:1 /x /x\n\
        RUN --mount=type=cache,target=/c --mount=target=/m,from=acme/x:${TAG},type=bind true\n\
        RUN --mount=type=bind,from=base true\n\
        FROM scratch\n\
        COPY --from=3 / /\n";

    #[test]
    fn images_are_those_of_the_stages_that_are_needed() {
        assert_eq!(
            images(TEXT, None),
            [
                "golang:1 is golang:1 $BUILDPLATFORM",
                "acme/tools is acme/tools ",
                "alpine:$TAG is alpine:3.22 ",
                "acme/x:${TAG} is acme/x:3.22 ",
            ]
        );
        assert_eq!(images(TEXT, Some("DEBUG")), ["unused:1 is unused:1 "]);
        assert_eq!(images(TEXT, Some("base")), ["alpine:$TAG is alpine:3.22 "]);
        assert_eq!(images("RUN true\n", None), [""; 0]);
    }

    #[test]
    fn a_stage_hides_an_image_only_behind_it() {
        let text = "FROM alpine AS alpine\nFROM alpine\nCOPY --from=later /a /a\n";
        assert_eq!(images(text, None), ["alpine is alpine ", "later is later "]);
    }
}
