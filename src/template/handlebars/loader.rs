//! From text to a checked registry: scanning, parsing on past faults, checking, and partials on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use handlebars::template::{Parameter, Subexpression, TemplateElement};
use handlebars::{Handlebars, Template, TemplateError};

use super::blocks::balance;
use super::case;
use super::check::{Checker, Frame};
use super::helpers::{CHOOSE_PARTIAL, STRICT_VALUE, signature, variant};
use super::tags::{Scan, Tag, TagKind, first_word, scan};
use super::{MAIN, block_without_sign, is_go};
use crate::arch::ArchName;
use crate::diagnostic::{Code, Diagnostic, Place, Source};
use crate::template::Language;

/// After so many refusals the crate's parser is not asked again: each time it reads the whole text.
const MOST_REFUSALS: usize = 20;

/// A registry in the making.
pub(super) struct Loader<'a> {
    pub(super) language: &'a Language<'a>,
    /// Whether the template is what an annotated one was compiled to.
    pub(super) annotated: bool,
    /// Whether a text writes a `case`.
    pub(super) has_cases: bool,
    pub(super) registry: Handlebars<'static>,
    pub(super) texts: BTreeMap<String, Text>,
    pub(super) used: BTreeSet<String>,
    pub(super) problems: Vec<Diagnostic>,
    pub(super) warnings: Vec<Diagnostic>,
    /// The line of the template that names its dialect.
    pub(super) declaration: Range<usize>,
    /// The names of the partials that are being loaded, outermost first.
    pub(super) chain: Vec<String>,
    /// The architectures that have files of their own, by the partial's name as it is written.
    pub(super) variants: BTreeMap<String, Vec<ArchName>>,
    /// What was checked already: a partial is checked once for each shape of what surrounds it.
    pub(super) visited: Vec<(String, Vec<Frame>, usize)>,
}

/// A text that was read once: the template or a partial.
pub(super) struct Text {
    pub(super) source: Arc<Source>,
    tags: Vec<Tag>,
    /// The syntax tree as written; the registry has it with strict arguments. Nothing where there is none to check.
    tree: Option<Template>,
}

impl Loader<'_> {
    /// Parses and checks one text under `name`, then every partial that it includes. `depth` is how many blocks and
    /// partials are around it.
    pub(super) fn load(
        &mut self,
        name: &str,
        source: &Arc<Source>,
        frames: Vec<Frame>,
        depth: usize,
    ) {
        let visit = (name.to_string(), frames.clone(), depth);
        if self.visited.contains(&visit) {
            return;
        }
        self.visited.push(visit);
        if !self.texts.contains_key(name) {
            let text = self.read(name, source);
            self.texts.insert(name.to_string(), text);
        }
        let Some(Text {
            tags,
            tree: Some(tree),
            ..
        }) = self.texts.get(name)
        else {
            return;
        };
        let mut checker = Checker::new(
            self.language,
            source,
            tags,
            (frames, depth),
            &mut self.used,
            &mut self.problems,
        );
        checker.template(tree);
        let inclusions = checker.inclusions;
        for inclusion in inclusions {
            self.include(inclusion);
        }
    }

    /// `\{{name}}` stays `{{name}}`. Where the name is known a backslash before its value may have been meant, as at
    /// the end of a Dockerfile's line or in a Windows path.
    fn warn_of_escapes(&mut self, source: &Arc<Source>, escaped: &[Range<usize>]) {
        for range in escaped {
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

    /// Hands a text to the crate's parser, without what it cannot take: everything is reported that can be, and what
    /// is left out is overwritten with as many letters, so that no place moves.
    fn read(&mut self, name: &str, source: &Arc<Source>) -> Text {
        let Scan {
            mut tags,
            unclosed,
            escaped,
        } = scan(source.text());
        self.warn_of_escapes(source, &escaped);
        let mut text = source.text().to_string();
        if name == MAIN && !self.declaration.is_empty() {
            comment_out(&mut text, &self.declaration);
        }
        for range in &unclosed {
            let place = Place::new(source, range.clone());
            // One brace of the two is the commonest slip, and the rest of the line has nothing to do with it.
            let braces = place.text().chars().take_while(|&c| c == '{').count();
            let one = place.text().find('}').filter(|_| braces == 2);
            let (place, help) = match one {
                Some(brace) => {
                    let end = range.start + brace + 1;
                    let tag = &source.text()[range.start..end];
                    let place = Place::new(source, range.start..end);
                    (place, format!("a tag ends with two braces: `{tag}}}`"))
                }
                None => (
                    place,
                    "close the tag with `}}`, or write `\\{{` for the braces themselves"
                        .to_string(),
                ),
            };
            self.problems.push(
                Diagnostic::error(Code::TemplateSyntax, place, "`{{` is never closed").help(help),
            );
            blank(&mut text, range);
        }
        let mut refused = BTreeSet::new();
        for (index, tag) in tags.iter().enumerate() {
            if let Some(problem) = refuse(source, tag) {
                self.problems.push(problem);
                refused.insert(index);
            }
        }
        let balance = balance(source, &tags, &escaped, &refused);
        self.problems.extend(balance.problems);
        let mut index = 0;
        tags.retain(|tag| {
            index += 1;
            let keep = !balance.dropped.contains(&(index - 1));
            if !keep {
                blank(&mut text, &tag.span);
            }
            keep
        });
        for tag in tags.iter().filter(|tag| tag.kind == TagKind::Partial) {
            single_quotes(&mut text, tag);
        }
        let parsed = !balance.too_deep && self.parse(name, source, &mut text, &mut tags);
        let tree = match parsed {
            true => self.keep_tree(name),
            false => None,
        };
        Text {
            source: Arc::clone(source),
            tags,
            tree: tree.filter(|_| !balance.scope_lost),
        }
    }

    /// Parses until the crate is content: a tag that it refuses is reported and left out, so that one message does
    /// not hide the next. Returns whether there is a tree.
    fn parse(
        &mut self,
        name: &str,
        source: &Arc<Source>,
        text: &mut String,
        tags: &mut Vec<Tag>,
    ) -> bool {
        for _ in 0..MOST_REFUSALS {
            let error = match name {
                MAIN => self.registry.register_template_string(MAIN, &*text).err(),
                _ => self.registry.register_partial(name, &*text).err(),
            };
            let Some(error) = error else {
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
            let help = match place.text() {
                text if text.contains("==") => Some("compare with `(eq a b)`: `{{#if (eq a b)}}`".to_string()),
                text if text.contains("!=") => Some("compare with `(ne a b)`: `{{#if (ne a b)}}`".to_string()),
                text if text.contains('|') && !text.contains(" as |") => {
                    Some("there are no filters: a helper stands first, as `{{replace text \"a\" \"b\"}}`".to_string())
                }
                _ => usage,
            };
            let problem = Diagnostic::error(Code::TemplateSyntax, place, message);
            self.problems.push(problem.maybe_help(help));
            let block = [TagKind::Open, TagKind::Close, TagKind::Else];
            match tag {
                // Without a block's opener its closer would be the next message.
                Some(index) if !block.contains(&tags[index].kind) => {
                    blank(text, &span);
                    tags.remove(index);
                }
                _ => return false,
            }
        }
        false
    }

    /// Keeps the tree for the checker, and has the registry's copy pass the arguments of partials through a helper
    /// that refuses absent values: the crate would hand them on as null, and null prints as nothing.
    fn keep_tree(&mut self, name: &str) -> Option<Template> {
        let tree = self.registry.get_template(name).cloned()?;
        let mut strict = tree.clone();
        self.strict_arguments(&mut strict, name);
        if case::prepare(&mut strict) {
            self.has_cases = true;
            case::register(&mut self.registry, self.language.map);
        }
        self.registry.register_template(name, strict);
        Some(tree)
    }

    fn strict_arguments(&mut self, template: &mut Template, of: &str) {
        for element in &mut template.elements {
            match element {
                TemplateElement::PartialExpression(call) => {
                    for value in call.hash.values_mut() {
                        if matches!(value, Parameter::Path(_)) {
                            *value = subexpression(STRICT_VALUE, value.clone());
                        }
                    }
                    let raw = call.name.as_name().unwrap_or_default().to_string();
                    let own = |arch: &ArchName| of == variant(&raw, arch.as_str());
                    let base = self.language.arches.iter().any(own);
                    if !raw.is_empty() && !base && !self.arches_of(&raw).is_empty() {
                        let name = Parameter::Literal(raw.into());
                        call.name = subexpression(CHOOSE_PARTIAL, name);
                    }
                }
                TemplateElement::HelperBlock(call) => {
                    let branches = [&mut call.template, &mut call.inverse];
                    for branch in branches.into_iter().flatten() {
                        self.strict_arguments(branch, of);
                    }
                }
                _ => {}
            }
        }
    }
}

fn subexpression(helper: &str, argument: Parameter) -> Parameter {
    let name = Parameter::Name(helper.to_string());
    Parameter::Subexpression(Subexpression::new(name, vec![argument], Default::default()))
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
    if tag.kind == TagKind::Expression
        && let Some(help) = other_languages_keyword(first_word(inner))
    {
        let message = format!("`{whole}` is another template language's");
        let problem = Diagnostic::error(Code::TemplateSyntax, place, message);
        return Some(problem.help(help));
    }
    if tag.kind == TagKind::Expression && block_without_sign(whole, tag) {
        let name = first_word(inner);
        let usage = signature(name).map(|helper| format!("write {}", helper.usage));
        let message = format!("`{name}` is a block");
        let problem = Diagnostic::error(Code::BadArgument, place, message);
        return Some(problem.maybe_help(usage));
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

/// What to write for a word that ends or branches blocks elsewhere. The crate reads any word that begins with `else` as
/// `else` and more.
fn other_languages_keyword(word: &str) -> Option<&'static str> {
    match word {
        "end" | "endif" | "endfor" | "endeach" | "endunless" | "fi" | "done" => {
            Some("a block ends with its name: `{{/if}}`, `{{/each}}`")
        }
        "elif" | "elsif" | "elseif" => Some("write `{{else if …}}`"),
        _ if word.starts_with("else") => Some("no name can begin with `else` here: choose another"),
        _ => None,
    }
}

/// The tag that the crate's parser stumbled over.
fn culprit(source: &Arc<Source>, tags: &[Tag], error: &TemplateError) -> Option<usize> {
    let (line, column) = error.pos()?;
    let offset = source.offset(line, column);
    tags.iter()
        .rposition(|tag| tag.span.start <= offset)
        .or(if tags.is_empty() { None } else { Some(0) })
}

/// Turns the line that names the dialect into a comment of the same length, which goes with its line break.
pub(super) fn comment_out(text: &mut String, line: &Range<usize>) {
    let length = text[line.clone()].trim_end_matches(['\n', '\r']).len();
    let comment = format!("{{{{!{}}}}}", "x".repeat(length.saturating_sub(5)));
    text.replace_range(line.start..line.start + length, &comment);
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
