//! From text to a checked registry: scanning, parsing on past faults, checking, and partials on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use handlebars::template::{Parameter, Subexpression, TemplateElement};
use handlebars::{Handlebars, Template, TemplateError};

use super::blocks::balance;
use super::case;
use super::check::{Checker, Frame, Inclusion};
use super::helpers::{CHOOSE_PARTIAL, STRICT_VALUE, partial_name, signature, variant};
use super::tags::{MAX_DEPTH, Scan, Tag, TagKind, first_word, scan};
use super::{MAIN, MOST, block_without_sign, is_go};
use crate::arch::ArchName;
use crate::diagnostic::{Code, Diagnostic, Place, Source, closest};
use crate::dockerfile::lines;
use crate::read::too_large;
use crate::template::{BOM, Language, annotated};

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

    /// Loads what a tag includes: the partial, and the files that it has for single architectures.
    fn include(&mut self, inclusion: Inclusion) {
        let place = inclusion.name.place;
        let raw = inclusion.name.value;
        // What an architecture has of its own may be made of what all have.
        let own = self.chain.last().cloned().unwrap_or_default();
        let in_own = |arch: &ArchName| own == variant(&raw, arch.as_str());
        let arches = match self.language.arches.iter().any(in_own) {
            true => Vec::new(),
            false => self.arches_of(&raw),
        };
        let mut names = Vec::new();
        let every = self.language.arches.iter();
        let lacking: Vec<&ArchName> = every.filter(|arch| !arches.contains(arch)).collect();
        // Where each architecture has a file, none for all is needed.
        let all = arches.is_empty() || !lacking.is_empty();
        match all.then(|| self.language.partials.load(partial_name(&raw))) {
            Some(Ok(None)) if !arches.is_empty() => {
                let name = partial_name(&raw);
                // A project that lists none may be asked for any.
                let list = match lacking.len() {
                    0..=5 => {
                        let list: Vec<String> =
                            lacking.iter().map(|arch| format!("`{arch}`")).collect();
                        list.join(", ")
                    }
                    more => format!("{more} architectures"),
                };
                let message = format!("there is no partial `{name}` for {list}");
                let help = format!("write `{name}` for those that have no file of their own");
                let problem = Diagnostic::error(Code::PartialNotFound, place.clone(), message);
                self.problems.push(problem.help(help));
            }
            Some(_) => names.push(raw.clone()),
            None => {}
        }
        names.extend(arches.iter().map(|arch| variant(&raw, arch.as_str())));
        for name in names {
            let place = place.clone();
            if self.chain.contains(&name) {
                let chain = self.chain.iter().chain([&name]).map(String::as_str);
                let chain: Vec<_> = chain.collect();
                let message = format!("partials include each other: {}", chain.join(" → "));
                let problem = Diagnostic::error(Code::PartialCycle, place, message);
                self.problems
                    .push(problem.help("take one of these inclusions out"));
                continue;
            }
            if inclusion.depth > MAX_DEPTH {
                let message =
                    format!("partials and the blocks around them nest deeper than {MAX_DEPTH}");
                let problem = Diagnostic::error(Code::TooDeep, place, message);
                self.problems.push(problem);
                continue;
            }
            let call = place.clone();
            if let Some(partial) = self.find_partial(&name, place) {
                self.warn_of_joined_lines(&call, &partial);
                self.refuse_directives(&partial);
                self.chain.push(name.clone());
                let before = self.problems.len();
                self.load(&name, &partial, inclusion.frames.clone(), inclusion.depth);
                self.chain.pop();
                // What a partial lacks, its caller may have forgotten to hand over.
                for problem in &mut self.problems[before..] {
                    let own = Arc::ptr_eq(problem.place.source(), &partial);
                    if own && problem.code == Code::UnknownName && problem.related.is_empty() {
                        let what =
                            "it is included from here: a value may be handed over, `name=\"…\"`";
                        problem.related.push((call.clone(), what.to_string()));
                    }
                }
            }
        }
    }

    /// The architectures that have a file of their own for a partial.
    fn arches_of(&mut self, raw: &str) -> Vec<ArchName> {
        if let Some(known) = self.variants.get(raw) {
            return known.clone();
        }
        let there = |arch: &&ArchName| {
            let found = self.language.partials.load(&variant(raw, arch.as_str()));
            // One that cannot be read is there: loading it says why not.
            !matches!(found, Ok(None))
        };
        let arches: Vec<ArchName> = self.language.arches.iter().filter(there).cloned().collect();
        self.variants.insert(raw.to_string(), arches.clone());
        arches
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

    /// What an annotated template includes is Handlebars: a directive in it would be a comment and do nothing.
    fn refuse_directives(&mut self, partial: &Arc<Source>) {
        if !self.annotated {
            return;
        }
        if let Some(sign) = annotated::first_sign(partial.text()) {
            let place = Place::new(partial, sign);
            let message = "a directive does nothing in a file that is included";
            self.problems.push(
                Diagnostic::error(Code::MixedDialects, place, message)
                    .help("what is included is Handlebars: write `{{#only \"arm32v7\"}}…{{/only}}`, `{{name}}`"),
            );
        }
    }

    /// A tag alone on its line takes the line break with it: what it includes has to bring one.
    fn warn_of_joined_lines(&mut self, call: &Place, partial: &Source) {
        let text = call.source().text();
        let line = lines(text).find(|line| line.contains(&call.span().start));
        let line = line.map_or("", |line| &text[line]);
        let alone = line.trim().starts_with("{{>")
            && line.trim().ends_with("}}")
            && line.matches("{{").count() == 1;
        // Of an annotated template an inclusion is always whole lines.
        let compiled = self.annotated && self.chain.is_empty();
        if ((alone && line.ends_with('\n')) || compiled)
            && !partial.text().is_empty()
            && !partial.text().ends_with('\n')
        {
            let message = format!(
                "{} does not end in a line break: the next line is joined to its last",
                file_name(partial)
            );
            let help = "end the file with a line break";
            self.warnings
                .push(Diagnostic::warning(Code::JoinedLines, call.clone(), message).help(help));
        }
    }

    fn find_partial(&mut self, name: &str, place: Place) -> Option<Arc<Source>> {
        if let Some(text) = self.texts.get(name) {
            return Some(Arc::clone(&text.source));
        }
        let file = partial_name(name);
        match self.language.partials.load(file) {
            Ok(Some(source)) if source.text().len() > MOST => {
                let (bytes, most) = (source.text().len() as u64, MOST as u64);
                let problem = too_large(Place::file(source.path()), bytes, most);
                self.problems
                    .push(problem.related(place, "it is included here"));
                None
            }
            // A byte-order mark is for the top of a file.
            Ok(Some(source)) => Some(match source.text().strip_prefix(BOM) {
                Some(text) => Source::new(source.path(), text),
                None => source,
            }),
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
                        "looked for `{file}` and `{file}.hbs` in the template's folder, those of `partials` in crossfile.toml, and `templates/`"
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

fn file_name(source: &Source) -> std::borrow::Cow<'_, str> {
    source
        .path()
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
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
