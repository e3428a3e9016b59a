//! Which tag closes which, found before there is a tree: so that every block is closed by its own name, nothing nests
//! too deep, and one missing tag does not hide the rest of a file's errors.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use super::tags::{MAX_DEPTH, Tag, TagKind, first_word};
use crate::diagnostic::{Code, Diagnostic, Place, Source};

/// What a text's blocks come to.
#[derive(Debug, Default)]
pub(super) struct Balance {
    pub(super) problems: Vec<Diagnostic>,
    /// The tags to leave out for the others to balance.
    pub(super) dropped: BTreeSet<usize>,
    /// A loop is among what is left out, so that names inside cannot be judged.
    pub(super) scope_lost: bool,
    /// The text nests deeper than the parser's stack would hold.
    pub(super) too_deep: bool,
}

struct Opener<'t> {
    index: usize,
    tag: &'t Tag,
    name: &'t str,
    elses: Vec<usize>,
    /// How many `{{else if …}}` it has: each nests in the one before.
    chained: usize,
    /// Refused already: it opens nothing, and its closer goes with it.
    refused: bool,
}

/// Finds the blocks. `refused` are tags that were reported already; those that look like openers take their closers
/// with them.
pub(super) fn balance(
    source: &Arc<Source>,
    tags: &[Tag],
    escaped: &[Range<usize>],
    refused: &BTreeSet<usize>,
) -> Balance {
    let mut walk = Walk {
        source,
        escaped,
        open: Vec::new(),
        balance: Balance::default(),
    };
    for (index, tag) in tags.iter().enumerate() {
        walk.tag(index, tag, refused.contains(&index));
    }
    for opener in std::mem::take(&mut walk.open) {
        walk.never_closed(&opener, None);
    }
    walk.balance
}

struct Walk<'t> {
    source: &'t Arc<Source>,
    escaped: &'t [Range<usize>],
    open: Vec<Opener<'t>>,
    balance: Balance,
}

impl<'t> Walk<'t> {
    fn tag(&mut self, index: usize, tag: &'t Tag, refused: bool) {
        let text = self.source.text();
        let inner = &text[tag.inner.clone()];
        if paren_depth(inner) > MAX_DEPTH {
            self.too_deep(tag, "parentheses", None);
        }
        match tag.kind {
            _ if refused && !opens_block(&text[tag.span.clone()], tag) => {
                self.balance.dropped.insert(index);
            }
            TagKind::Open | TagKind::Decorator | TagKind::Expression
                if refused || tag.kind == TagKind::Open =>
            {
                self.open.push(Opener {
                    index,
                    tag,
                    name: first_word(inner),
                    elses: Vec::new(),
                    chained: 0,
                    refused,
                });
                self.measure(tag);
            }
            TagKind::Else => match self.open.last_mut() {
                Some(opener) => {
                    opener.elses.push(index);
                    opener.chained += usize::from(!inner.is_empty());
                    self.measure(tag);
                }
                None => self.stray_else(index, tag),
            },
            TagKind::Close => self.close(index, tag),
            _ => {}
        }
    }

    fn problem(&mut self, tag: &Tag, message: String) -> Diagnostic {
        let place = Place::new(self.source, tag.span.clone());
        Diagnostic::error(Code::TemplateSyntax, place, message)
    }

    fn measure(&mut self, tag: &Tag) {
        let depth: usize = self.open.iter().map(|opener| 1 + opener.chained).sum();
        if depth > MAX_DEPTH {
            self.too_deep(
                tag,
                "blocks",
                Some("move the inner part into a partial: `{{> name}}`"),
            );
        }
    }

    fn too_deep(&mut self, tag: &Tag, what: &str, help: Option<&str>) {
        // Once is enough: every further level would say the same.
        if !std::mem::replace(&mut self.balance.too_deep, true) {
            let place = Place::new(self.source, tag.span.clone());
            let message = format!("{what} nest deeper than {MAX_DEPTH}");
            let problem = Diagnostic::error(Code::TooDeep, place, message);
            self.balance
                .problems
                .push(problem.maybe_help(help.map(str::to_string)));
        }
    }

    fn stray_else(&mut self, index: usize, tag: &Tag) {
        let whole = &self.source.text()[tag.span.clone()];
        let inner = &self.source.text()[tag.inner.clone()];
        let name = inner.strip_prefix("if ").unwrap_or(inner).trim();
        let problem = self.problem(tag, format!("`{whole}` stands in no block"));
        let problem = match whole.starts_with("{{^") && !name.is_empty() {
            true => problem.help(format!("write `{{{{#unless {name}}}}}…{{{{/unless}}}}`")),
            false => problem,
        };
        self.balance.problems.push(problem);
        self.balance.dropped.insert(index);
    }

    fn close(&mut self, index: usize, tag: &'t Tag) {
        let text = self.source.text();
        let name = first_word(&text[tag.inner.clone()]);
        let whole = &text[tag.span.clone()];
        let Some(position) = self.open.iter().rposition(|opener| opener.name == name) else {
            let problem = match self.open.pop() {
                Some(opener) => {
                    let message = format!("`{whole}` cannot close `{{{{#{}}}}}`", opener.name);
                    let place = Place::new(self.source, opener.tag.span.clone());
                    self.drop(&opener);
                    self.problem(tag, message)
                        .related(place, "this block is open here")
                        .help(format!("write `{{{{/{}}}}}`", opener.name))
                }
                None => self.problem(tag, format!("`{whole}` closes nothing")),
            };
            self.balance.problems.push(problem);
            self.balance.dropped.insert(index);
            return;
        };
        // Blocks inside that are still open are the fault, not this tag.
        for inner in self.open.split_off(position + 1) {
            self.never_closed(&inner, Some(tag));
        }
        if let Some(opener) = self.open.pop().filter(|opener| opener.refused) {
            self.drop(&opener);
            self.balance.dropped.insert(index);
        }
    }

    fn never_closed(&mut self, opener: &Opener<'_>, until: Option<&Tag>) {
        self.drop(opener);
        if opener.refused {
            return;
        }
        let name = opener.name;
        let close = format!("\\{{{{/{name}}}}}");
        // A line of a Dockerfile ends in a backslash, and before a tag that backslash is an escape.
        let text = self.source.text();
        let help = match self
            .escaped
            .iter()
            .any(|range| text[range.clone()] == close)
        {
            true => {
                format!("`{close}` is an escape: write `\\{close}` for a backslash before the tag")
            }
            false => format!("add `{{{{/{name}}}}}` where the block ends"),
        };
        let message = format!("`{{{{#{name}}}}}` is never closed");
        let mut problem = self.problem(opener.tag, message).help(help);
        if let Some(until) = until {
            let place = Place::new(self.source, until.span.clone());
            let what = format!(
                "`{}` ends the block around it here",
                &text[until.span.clone()]
            );
            problem = problem.related(place, what);
        }
        self.balance.problems.push(problem);
    }

    fn drop(&mut self, opener: &Opener<'_>) {
        self.balance.dropped.insert(opener.index);
        self.balance.dropped.extend(&opener.elses);
        self.balance.scope_lost |= matches!(opener.name, "each" | "with");
    }
}

/// Whether a refused tag was meant to open a block: `{{#*inline}}`, `{{#> x}}`, or `{{if x}}` without its `#`.
fn opens_block(whole: &str, tag: &Tag) -> bool {
    whole.starts_with("{{#")
        || tag.kind == TagKind::Expression && super::block_without_sign(whole, tag)
}

fn paren_depth(content: &str) -> usize {
    let mut depth = 0usize;
    let mut deepest = 0;
    for byte in content.bytes() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}
