//! From text to a checked registry: scanning, parsing on past faults, checking, and partials on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use handlebars::template::{Parameter, Subexpression, TemplateElement};
use handlebars::{Handlebars, Template, TemplateError};

use super::check::{Checker, Frame};
use super::helpers::{STRICT_VALUE, signature};
use super::tags::{MAX_DEPTH, Scan, Tag, TagKind, check_blocks, first_word, scan};
use super::{MAIN, is_go};
use crate::diagnostic::{Code, Diagnostic, Place, Source, closest};
use crate::template::Language;

/// A registry in the making.
pub(super) struct Loader<'a> {
    pub(super) language: &'a Language<'a>,
    pub(super) registry: Handlebars<'static>,
    /// The syntax trees as written; the registry has them with strict arguments.
    pub(super) trees: BTreeMap<String, Template>,
    pub(super) sources: BTreeMap<String, Arc<Source>>,
    pub(super) used: BTreeSet<String>,
    pub(super) problems: Vec<Diagnostic>,
    pub(super) warnings: Vec<Diagnostic>,
    /// The names of the partials that are being loaded, outermost first.
    pub(super) chain: Vec<String>,
}

impl Loader<'_> {
    /// Parses and checks one text under `name`, then every partial that it includes.
    pub(super) fn load(&mut self, name: &str, source: &Arc<Source>, frames: Vec<Frame>) {
        let known = self.sources.contains_key(name);
        let mut scan = scan(source.text());
        if !known {
            self.sources.insert(name.to_string(), Arc::clone(source));
            self.warn_of_escapes(source, &scan);
            if !self.compile(name, source, &mut scan) {
                return;
            }
        }
        let Some(template) = self.trees.get(name) else {
            return;
        };
        let mut checker = Checker::new(
            self.language,
            source,
            &scan.tags,
            frames,
            &mut self.used,
            &mut self.problems,
        );
        checker.template(template);
        let inclusions = checker.inclusions;
        for inclusion in inclusions {
            let place = inclusion.name.place;
            let name = inclusion.name.value;
            if self.chain.contains(&name) {
                let chain: Vec<_> = self
                    .chain
                    .iter()
                    .chain([&name])
                    .map(String::as_str)
                    .collect();
                let message = format!("partials include each other: {}", chain.join(" → "));
                let problem = Diagnostic::error(Code::PartialCycle, place, message);
                self.problems.push(problem);
                continue;
            }
            if self.chain.len() >= MAX_DEPTH {
                let message = format!("partials nest deeper than {MAX_DEPTH}");
                self.problems
                    .push(Diagnostic::error(Code::TooDeep, place, message));
                continue;
            }
            if let Some(partial) = self.find_partial(&name, place) {
                self.chain.push(name.clone());
                self.load(&name, &partial, inclusion.frames);
                self.chain.pop();
            }
        }
    }

    /// `\{{name}}` stays `{{name}}`. Where the name is known a backslash before its value may have been meant, as at
    /// the end of a Dockerfile's line or in a Windows path.
    fn warn_of_escapes(&mut self, source: &Arc<Source>, scan: &Scan) {
        for range in &scan.escaped {
            let whole = &source.text()[range.clone()];
            let inner = whole.trim_start_matches(['\\', '{', '~', '#', '/', ' ']);
            let word = first_word(inner);
            if self.language.names.get(word).is_none() && signature(word).is_none() {
                continue;
            }
            let place = Place::new(source, range.clone());
            let message = format!("`{whole}` is an escape: it stays `{}`", &whole[1..]);
            let help = format!(
                "write `\\{whole}` for a backslash before the tag, or `{{{{{{{{raw}}}}}}}}…{{{{{{{{/raw}}}}}}}}` around text to be kept"
            );
            self.warnings
                .push(Diagnostic::warning(Code::EscapedTag, place, message).help(help));
        }
    }

    fn find_partial(&mut self, name: &str, place: Place) -> Option<Arc<Source>> {
        if let Some(source) = self.sources.get(name) {
            return Some(Arc::clone(source));
        }
        let file = name.trim_matches(['\'', '"', '[', ']']);
        match self.language.partials.load(file) {
            Ok(Some(source)) => Some(source),
            Ok(None) => {
                let message = format!("there is no partial `{file}`");
                let near = self.language.partials.names();
                let help = match closest(file, near.iter().map(String::as_str)) {
                    _ if file.contains("..") => {
                        "a partial's path goes down from its folder: put the file into `templates/`"
                            .to_string()
                    }
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!(
                        "looked for `{file}` and `{file}.hbs` in the template's folder and in `templates/`"
                    ),
                };
                let problem = Diagnostic::error(Code::PartialNotFound, place, message);
                self.problems.push(problem.help(help));
                None
            }
            Err(problem) => {
                self.problems
                    .push(problem.related(place, "it is included here"));
                None
            }
        }
    }

    /// Hands the text to the crate's parser. A tag that it refuses is reported, blanked out, and the rest parsed on,
    /// so that one message does not hide the next. Returns whether there is a tree to check.
    fn compile(&mut self, name: &str, source: &Arc<Source>, scan: &mut Scan) -> bool {
        let Scan {
            tags,
            unclosed,
            escaped,
        } = scan;
        let mut text = source.text().to_string();
        for range in unclosed.iter() {
            let place = Place::new(source, range.clone());
            self.problems.push(
                Diagnostic::error(Code::TemplateSyntax, place, "`{{` is never closed")
                    .help("close the tag with `}}`, or write `\\{{` for the braces themselves"),
            );
            blank(&mut text, range);
        }
        // The blocks that were refused: their closers go with them.
        let mut refused: Vec<&str> = Vec::new();
        tags.retain(|tag| {
            let inner = &source.text()[tag.inner.clone()];
            let problem = refuse(source, tag);
            let closes = tag.kind == TagKind::Close && refused.last() == Some(&first_word(inner));
            if problem.is_none() && !closes {
                return true;
            }
            if closes {
                refused.pop();
            } else if source.text()[tag.span.clone()].starts_with("{{#") {
                refused.push(first_word(inner));
            }
            self.problems.extend(problem);
            blank(&mut text, &tag.span);
            false
        });
        let unbalanced = check_blocks(source, tags, escaped);
        if !unbalanced.is_empty() {
            self.problems.extend(unbalanced);
            return false;
        }
        for tag in tags.iter().filter(|tag| tag.kind == TagKind::Partial) {
            single_quotes(&mut text, tag);
        }
        loop {
            let error = match name {
                MAIN => self.registry.register_template_string(MAIN, &text).err(),
                _ => self.registry.register_partial(name, &text).err(),
            };
            let Some(error) = error else {
                self.keep_tree(name);
                return true;
            };
            let tag = culprit(source, tags, &error);
            let span = tag.map_or(0..0, |index| tags[index].span.clone());
            let place = Place::new(source, span.clone());
            let word = tag.map_or("", |index| {
                first_word(&source.text()[tags[index].inner.clone()])
            });
            let usage = signature(word).map(|helper| format!("write {}", helper.usage));
            let message = "this is not a tag that Handlebars understands";
            let problem = Diagnostic::error(Code::TemplateSyntax, place, message);
            self.problems.push(problem.maybe_help(usage));
            match tag {
                // Without a block's opener its closer would be the next message.
                Some(index)
                    if !matches!(
                        tags[index].kind,
                        TagKind::Open | TagKind::Close | TagKind::Else
                    ) =>
                {
                    blank(&mut text, &span);
                    tags.remove(index);
                }
                _ => return false,
            }
        }
    }

    /// Keeps the tree for the checker, and has the registry's copy pass the arguments of partials through a helper
    /// that refuses absent values: the crate would hand them on as null, and null prints as nothing.
    fn keep_tree(&mut self, name: &str) {
        if let Some(tree) = self.registry.get_template(name).cloned() {
            let mut strict = tree.clone();
            strict_arguments(&mut strict);
            self.registry.register_template(name, strict);
            self.trees.insert(name.to_string(), tree);
        }
    }
}

fn strict_arguments(template: &mut Template) {
    for element in &mut template.elements {
        match element {
            TemplateElement::PartialExpression(call) => {
                for value in call.hash.values_mut() {
                    if matches!(value, Parameter::Path(_)) {
                        let name = Parameter::Name(STRICT_VALUE.to_string());
                        let call =
                            Subexpression::new(name, vec![value.clone()], Default::default());
                        *value = Parameter::Subexpression(call);
                    }
                }
            }
            TemplateElement::HelperBlock(call) => {
                let branches = [&mut call.template, &mut call.inverse];
                branches.into_iter().flatten().for_each(strict_arguments);
            }
            _ => {}
        }
    }
}

/// The error for a tag that this dialect does not have, if it is one.
fn refuse(source: &Arc<Source>, tag: &Tag) -> Option<Diagnostic> {
    let inner = &source.text()[tag.inner.clone()];
    let whole = &source.text()[tag.span.clone()];
    let place = Place::new(source, tag.span.clone());
    if tag.kind == TagKind::Decorator {
        let message = format!("`{whole}` is not supported");
        return Some(
            Diagnostic::error(Code::TemplateSyntax, place, message)
                .help("put the text into a file of its own and include it: `{{> name}}`"),
        );
    }
    if tag.kind == TagKind::Expression && is_go(inner) {
        let message = format!("`{whole}` is a Go template, not a name");
        return Some(
            Diagnostic::error(Code::TemplateSyntax, place, message)
                .help(format!("write `\\{whole}` to have it as it is")),
        );
    }
    None
}

/// The tag that the crate's parser stumbled over.
fn culprit(source: &Arc<Source>, tags: &[Tag], error: &TemplateError) -> Option<usize> {
    let (line, column) = error.pos()?;
    let offset = source.offset(line, column);
    tags.iter()
        .rposition(|tag| tag.span.start <= offset)
        .or(if tags.is_empty() { None } else { Some(0) })
}

/// Overwrites a range with as many letters, line breaks kept, so that nothing behind it moves.
fn blank(text: &mut String, range: &Range<usize>) {
    let filler: String = text[range.clone()]
        .bytes()
        .map(|byte| if byte == b'\n' { '\n' } else { 'x' })
        .collect();
    text.replace_range(range.clone(), &filler);
}

/// Writes `{{> "name"}}` as `{{> 'name'}}`: the crate's grammar has only the latter.
fn single_quotes(text: &mut String, tag: &Tag) {
    let inner = &text[tag.inner.clone()];
    let Some(length) = inner.strip_prefix('"').and_then(|name| name.find('"')) else {
        return;
    };
    let name = format!("'{}'", &inner[1..=length]);
    let start = tag.inner.start;
    text.replace_range(start..start + name.len(), &name);
}
