//! Base images by the digests of the lock: text in, text out. Nothing but the words that name images is changed.

use std::ops::Range;

use super::images::images;
use crate::config::{Cell, Config};
use crate::context::Context;
use crate::lock::{FILE_NAME, Lock};

/// A word to be replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Edit {
    /// Where it stands.
    pub(crate) span: Range<usize>,
    /// What takes its place.
    pub(crate) text: String,
}

/// A word that cannot be replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unpinned {
    /// Where it stands.
    pub(crate) span: Range<usize>,
    /// Why.
    pub(crate) message: String,
    /// What to do.
    pub(crate) help: &'static str,
}

/// The words of a cell's Dockerfile that get a digest, in the order of the text. The name stays as it is written, with its
/// tag: docker, BuildKit and buildah read both, and so do tools that bring digests up to date.
///
/// # Errors
/// What the lock does not have.
pub(crate) fn pins(
    text: &str,
    lock: &Lock,
    config: &Config,
    cell: &Cell,
    context: &Context,
) -> Result<Vec<Edit>, Vec<Unpinned>> {
    let mut edits = Vec::new();
    let mut problems = Vec::new();
    for image in images(text, config, cell, context) {
        let written = &image.written;
        let problem = |message: String, help: &'static str| Unpinned {
            span: image.span.clone(),
            message,
            help,
        };
        let reference = match &image.reference {
            Ok(reference) => reference,
            Err(why) => {
                let message = format!("`{written}` cannot be pinned: {}", why.message());
                problems.push(problem(message, why.help()));
                continue;
            }
        };
        if reference.digest.is_some() {
            continue;
        }
        let Some(pin) = lock.pin(&reference.to_string(), &image.arch) else {
            let message = format!("`{written}` is not in {FILE_NAME} for `{}`", image.arch);
            let help = "`crossfile bases --lock` asks its registry and writes it down";
            problems.push(problem(message, help));
            continue;
        };
        if text[image.span.clone()].contains('\n') {
            let message = format!("`{written}` cannot be pinned: it is written on two lines");
            problems.push(problem(message, "write it on one"));
            continue;
        }
        let name = pin.instead.as_ref().map_or(written, |own| &own.reference);
        edits.push(Edit {
            span: image.span,
            text: format!("{name}@{}", pin.digest),
        });
    }
    match problems.is_empty() {
        true => Ok(edits),
        false => Err(problems),
    }
}

/// A text with words replaced. Edits come in the order of the text and do not overlap.
pub(crate) fn apply(text: &str, edits: &[Edit]) -> String {
    let mut out = String::with_capacity(text.len() + edits.len() * 72);
    let mut at = 0;
    for edit in edits {
        out.push_str(&text[at..edit.span.start]);
        out.push_str(&edit.text);
        at = edit.span.end;
    }
    out.push_str(&text[at..]);
    out
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use proptest::prelude::*;

    use crate::config::{Config, Inputs, Layer, Overrides};
    use crate::diagnostic::{Diagnostic, Source};
    use crate::dockerfile::lines;
    use crate::expand::{Expander, parse};
    use crate::lock::{Lock, Pin};
    use crate::template::{NoPartials, Parsed};

    const IMAGES: &[&str] = &["a", "b:1", "c.example:5000/d/e:2", "arm64v8/f", "amd64/f"];

    /// A lock with every image, and no other file.
    struct Locked;

    impl Inputs for Locked {
        fn env(&self, _: &str) -> Option<String> {
            None
        }

        fn file(&self, path: &Path) -> Result<Arc<Source>, Diagnostic> {
            let mut lock = Lock::default();
            for image in IMAGES {
                let parts: crate::reference::Parts = image.parse().unwrap();
                for arch in ["amd64", "arm64v8"] {
                    lock.insert(&parts.to_string(), arch, Pin::new(digest(arch)));
                }
            }
            Ok(Source::new(path, lock.to_text()))
        }
    }

    fn digest(arch: &str) -> String {
        let digit = if arch == "amd64" { "1" } else { "2" };
        format!("sha256:{}", digit.repeat(64))
    }

    fn config(locked: bool) -> Config {
        let text = format!("arches = [\"amd64\", \"arm64v8\"]\nlocked = {locked}\n");
        let layer = Layer::parse(&Source::new("crossfile.toml", text)).unwrap();
        Config::read(&[layer], &Overrides::default(), &Locked).unwrap()
    }

    fn line() -> impl Strategy<Value = String> {
        let image = || {
            let names = IMAGES.iter().map(|name| (*name).to_string());
            let known: Vec<String> = names.chain(["__DOCKER_ARCH__/f".to_string()]).collect();
            proptest::sample::select(known)
        };
        prop_oneof![
            image().prop_map(|image| format!("FROM {image} AS s")),
            image().prop_map(|image| format!("from --platform=$BUILDPLATFORM  \"{image}\"\t")),
            image().prop_map(|image| format!("COPY --chown=1 --from={image} [\"x\", \"y\"]")),
            image().prop_map(|image| format!(
                "RUN --mount=from={image},target=/x \\\n  # FROM b:1\n  true"
            )),
            image().prop_map(|image| format!("RUN cat <<E\nFROM {image}\nE")),
            image().prop_map(|image| format!("# FROM {image}")),
            Just("COPY --from=s __ARCH__ é".to_string()),
            "[ -~]{0,12}",
        ]
    }

    proptest! {
        #[test]
        fn pinning_changes_nothing_but_the_words_that_name_images(
            found in proptest::collection::vec(line(), 1..12),
            ending in prop_oneof![Just("\n"), Just("\r\n")],
        ) {
            let text = format!("FROM __ARCH__/f{ending}{}", found.join(ending));
            let path = Path::new("Dockerfile.cross");
            let (plain, locked) = (config(false), config(true));
            let source = Source::new(path, text);
            let Ok(Parsed::Template(template)) = parse(&source, &plain, &NoPartials) else {
                return Ok(());
            };
            let of = |config: &Config| Expander::new(config, &config.arches).expand(path, &template);
            let (Ok(plain), Ok(pinned)) = (of(&plain), of(&locked)) else {
                return Ok(());
            };
            let expander = Expander::new(&locked, &locked.arches);
            for (plain, pinned) in plain.iter().zip(&pinned) {
                let mut without = pinned.text.clone();
                for arch in ["amd64", "arm64v8"] {
                    without = without.replace(&format!("@{}", digest(arch)), "");
                }
                prop_assert_eq!(&without, &plain.text);
                prop_assert_eq!(lines(&pinned.text).count(), lines(&plain.text).count());
                // What differs from the disk is told by this.
                let traced = expander.trace(path, &template, &pinned.cells[0]).unwrap();
                prop_assert_eq!(traced.text(), &pinned.text);
                for line in lines(traced.text()) {
                    let place = traced.place(line.clone());
                    let from_template = place.is_some_and(|place| place.span().end <= source.text().len());
                    prop_assert!(from_template || traced.text()[line].starts_with("# Generated"));
                }
            }
        }
    }

    #[test]
    fn what_is_behind_a_pin_keeps_its_origin() {
        let source = Source::new(
            "Dockerfile.cross",
            "FROM __DOCKER_ARCH__/f AS x\nRUN __ARCH__ y\n",
        );
        let config = config(true);
        let Ok(Parsed::Template(template)) = parse(&source, &config, &NoPartials) else {
            panic!("it has placeholders")
        };
        let path = Path::new("Dockerfile.cross");
        let expander = Expander::new(&config, &config.arches);
        let cells = config.cells(&config.arches);
        let traced = expander.trace(path, &template, &cells[0]).unwrap();
        let origin = |text: &str| {
            let at = traced.text().find(text).unwrap();
            traced
                .place(at..at + text.len())
                .unwrap()
                .text()
                .to_string()
        };
        assert_eq!(origin("amd64/f@sha256:11"), "__DOCKER_ARCH__/f");
        assert_eq!(origin(" AS x"), " AS x");
        assert_eq!(origin("1 AS"), "__DOCKER_ARCH__/f AS");
        assert_eq!(origin("amd64 y"), "__ARCH__ y");
    }
}
