//! Checks every name and every call of a parsed template before anything is rendered.
//!
//! The checker walks the public syntax tree of the handlebars crate next to the [`Tag`]s of the same text, which
//! supply the places, and tracks the shape of `this` through blocks, loops and partials. It finds what strict
//! rendering misses: unknown names in `#if` and `#each`, wrong arguments, and names of branches not taken.

mod calls;
mod paths;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use handlebars::Template;
use handlebars::template::{
    BlockParam, DecoratorTemplate, HelperTemplate, Parameter, TemplateElement,
};

use crate::diagnostic::{Code, Diagnostic, Place, Source};
use crate::document::Located;
use crate::template::Language;
use crate::template::handlebars::helpers::{Form, Takes, signature};
use crate::template::handlebars::tags::{Tag, TagKind, is_word_char};
use crate::template::handlebars::{LITERAL, WORD};
use crate::template::names::Shape;
use calls::shape_of_literal;

/// What `this` is in a block, a loop or a partial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    shape: Shape,
    /// Block parameters and the arguments of a partial.
    params: BTreeMap<String, Shape>,
    /// Whether `@index`, `@first` and `@last` exist.
    looping: bool,
    /// How the block was opened, for messages.
    opened: String,
}

impl Frame {
    pub(crate) fn root() -> Frame {
        Frame {
            shape: Shape::Arch,
            params: BTreeMap::new(),
            looping: false,
            opened: String::new(),
        }
    }
}

/// A partial that the text includes.
pub(crate) struct Inclusion {
    /// The name as the crate will look it up, and where it stands.
    pub(crate) name: Located<String>,
    pub(crate) frames: Vec<Frame>,
    /// How many blocks and partials are around what it includes.
    pub(crate) depth: usize,
}

pub(crate) struct Checker<'a> {
    pub(crate) language: &'a Language<'a>,
    pub(crate) source: &'a Arc<Source>,
    pub(crate) frames: Vec<Frame>,
    pub(crate) used: &'a mut BTreeSet<String>,
    pub(crate) problems: &'a mut Vec<Diagnostic>,
    pub(crate) inclusions: Vec<Inclusion>,
    /// How many blocks and partials are around the current tag.
    depth: usize,
    tags: std::slice::Iter<'a, Tag>,
    /// The bytes of the current tag that are not yet accounted for.
    rest: Range<usize>,
}

impl<'a> Checker<'a> {
    pub(crate) fn new(
        language: &'a Language<'a>,
        source: &'a Arc<Source>,
        tags: &'a [Tag],
        (frames, depth): (Vec<Frame>, usize),
        used: &'a mut BTreeSet<String>,
        problems: &'a mut Vec<Diagnostic>,
    ) -> Self {
        Checker {
            language,
            source,
            frames,
            used,
            problems,
            inclusions: Vec::new(),
            depth,
            tags: tags.iter(),
            rest: 0..0,
        }
    }

    pub(crate) fn template(&mut self, template: &Template) {
        for element in &template.elements {
            match element {
                TemplateElement::RawString(_) => {}
                TemplateElement::Expression(call) | TemplateElement::HtmlExpression(call) => {
                    self.next(&[TagKind::Expression]);
                    self.expression(call);
                }
                TemplateElement::HelperBlock(call) => {
                    let tag = self.next(&[TagKind::Open, TagKind::RawBlock]);
                    self.depth += 1;
                    self.block(call);
                    self.depth -= 1;
                    if tag != Some(TagKind::RawBlock) {
                        self.next(&[TagKind::Close]);
                    }
                }
                TemplateElement::PartialExpression(call) => {
                    self.next(&[TagKind::Partial]);
                    self.partial(call);
                }
                // Decorators were refused by their tags, comments say nothing.
                _ => {}
            }
        }
    }

    /// Moves to the next tag of one of `kinds`.
    fn next(&mut self, kinds: &[TagKind]) -> Option<TagKind> {
        let tag = self.tags.by_ref().find(|tag| kinds.contains(&tag.kind))?;
        self.rest = tag.inner.clone();
        Some(tag.kind)
    }

    /// The place of `word` in what is left of the current tag; the whole rest where it is not found.
    fn find(&mut self, word: &str) -> Place {
        let text = &self.source.text()[self.rest.clone()];
        let boundary = |c: Option<char>| c.is_none_or(|c| !is_word_char(c));
        let found = text.match_indices(word).find(|(at, _)| {
            boundary(text[..*at].chars().next_back())
                && boundary(text[at + word.len()..].chars().next())
        });
        match found {
            Some((at, _)) if !word.is_empty() => {
                let start = self.rest.start + at;
                self.rest.start = start + word.len();
                Place::new(self.source, start..start + word.len())
            }
            _ => Place::new(self.source, self.rest.clone()),
        }
    }

    fn problem(&mut self, code: Code, place: Place, message: String) -> &mut Diagnostic {
        self.problems.push(Diagnostic::error(code, place, message));
        let last = self.problems.len() - 1;
        &mut self.problems[last]
    }

    fn expression(&mut self, call: &HelperTemplate) {
        let name = call.name.as_name().unwrap_or_default().to_string();
        if [LITERAL, WORD].contains(&name.as_str()) {
            return;
        }
        let bare = call.params.is_empty() && call.hash.is_empty();
        if name.is_empty() {
            let place = Place::new(self.source, self.rest.clone());
            let message = "a call in parentheses is an argument, not a tag".to_string();
            self.problem(Code::BadArgument, place, message).help =
                Some("test it: `{{#if (…)}}`, or leave the parentheses out".to_string());
            return;
        }
        if bare && signature(&name).is_none() {
            let place = self.find(&name);
            if let Some(shape) = self.path(&name, &place) {
                self.printed(&name, &shape, place);
            }
            return;
        }
        let test = signature(&name).filter(|helper| helper.takes == Takes::Test);
        if let Some(helper) = test.filter(|helper| helper.form == Form::Inline) {
            let place = self.find(&name);
            let message = format!("`{name}` is a test: its answer is not for printing");
            let help = format!(
                "use it in a condition: `{{{{#if {}}}}}…{{{{/if}}}}`",
                helper.usage
            );
            self.problem(Code::BadArgument, place, message).help = Some(help);
            return;
        }
        self.call(&name, call, Form::Inline);
    }

    /// Refuses to print what has no text.
    fn printed(&mut self, name: &str, shape: &Shape, place: Place) {
        let help = match shape {
            Shape::Scalar | Shape::Any => return,
            Shape::Condition => format!("test it: `{{{{#if {name}}}}}…{{{{/if}}}}`"),
            Shape::List(_) => {
                format!(
                    "loop over it: `{{{{#each {name}}}}}{{{{this}}}}{{{{/each}}}}`, or `{{{{join {name} \" \"}}}}`"
                )
            }
            Shape::Table(_) | Shape::Arch => "name one of its fields".to_string(),
            Shape::Mixed => "give all items of a list the same form".to_string(),
        };
        let message = format!("`{name}` cannot be printed: it is {}", describe(shape));
        self.problem(Code::BadArgument, place, message).help = Some(help);
    }

    fn block(&mut self, call: &HelperTemplate) {
        let name = call.name.as_name().unwrap_or_default().to_string();
        if name == WORD {
            if let Some(template) = &call.template {
                self.template(template);
            }
            return;
        }
        let shape = self.call(&name, call, Form::Block);
        let inner = match (name.as_str(), shape) {
            ("each", Some(Shape::List(item))) => Some(*item),
            ("with", Some(shape)) => Some(shape),
            ("each" | "with", None | Some(_)) => Some(Shape::Any),
            _ => None,
        };
        let entered = inner.map(|shape| self.enter(&name, call, shape)).is_some();
        if let Some(template) = &call.template {
            self.template(template);
        }
        if entered {
            self.frames.pop();
        }
        let Some(inverse) = &call.inverse else {
            return;
        };
        self.next(&[TagKind::Else]);
        // `{{else if x}}` is a block of its own as the only element of the inverse.
        match inverse.elements.as_slice() {
            [TemplateElement::HelperBlock(chained)] if !self.rest.is_empty() => self.block(chained),
            _ => self.template(inverse),
        }
    }

    fn enter(&mut self, name: &str, call: &HelperTemplate, shape: Shape) {
        let mut params = BTreeMap::new();
        match &call.block_param {
            Some(BlockParam::Single(Parameter::Name(item))) => {
                params.insert(item.clone(), shape.clone());
            }
            Some(BlockParam::Pair((Parameter::Name(item), Parameter::Name(index)))) => {
                params.insert(item.clone(), shape.clone());
                params.insert(index.clone(), Shape::Scalar);
            }
            _ => {}
        }
        let over = call
            .params
            .first()
            .and_then(Parameter::as_name)
            .unwrap_or("…");
        self.frames.push(Frame {
            shape,
            params,
            looping: name == "each",
            opened: format!("#{name} {over}"),
        });
    }

    fn partial(&mut self, call: &DecoratorTemplate) {
        let raw = call.name.as_name().unwrap_or_default().to_string();
        let name = raw.trim_matches(['\'', '"', '[', ']']).to_string();
        let place = self.find(&name);
        if raw.is_empty() || matches!(call.name, Parameter::Subexpression(_)) {
            let message = "a partial's name has to be written out".to_string();
            self.problem(Code::BadArgument, place, message).help =
                Some("write `{{> name}}`".to_string());
            return;
        }
        let mut frame = match call.params.as_slice() {
            [] => self.frames.last().cloned().unwrap_or_else(Frame::root),
            [param, ..] => {
                if matches!(param, Parameter::Literal(_)) {
                    let message = format!("`{name}` takes its arguments by name");
                    let place = Place::new(self.source, self.rest.clone());
                    self.problem(Code::BadArgument, place, message).help =
                        Some(format!("write `{{{{> {name} key=…}}}}`"));
                }
                let shape = match param.as_name().map(str::to_string) {
                    Some(path) => {
                        let place = self.find(&path);
                        self.path(&path, &place)
                    }
                    None => None,
                };
                Frame {
                    shape: shape.unwrap_or(Shape::Any),
                    params: BTreeMap::new(),
                    looping: false,
                    opened: format!("> {name}"),
                }
            }
        };
        let arguments: BTreeMap<_, _> = call.hash.iter().collect();
        for (key, value) in arguments {
            let shape = match value {
                Parameter::Path(_) => {
                    let path = value.as_name().unwrap_or_default().to_string();
                    let place = self.find(&path);
                    self.path(&path, &place)
                }
                Parameter::Literal(value) => {
                    self.fraction(value);
                    Some(shape_of_literal(value))
                }
                Parameter::Subexpression(expression) => match expression.as_element() {
                    TemplateElement::Expression(call) => {
                        let name = call.name.as_name().unwrap_or_default().to_string();
                        self.call(&name, call, Form::Inline);
                        Some(Shape::Any)
                    }
                    _ => None,
                },
                _ => None,
            };
            frame
                .params
                .insert(key.clone(), shape.unwrap_or(Shape::Any));
        }
        let mut frames = self.frames.clone();
        frames.push(frame);
        let name = Located::new(raw, place);
        let depth = self.depth + 1;
        self.inclusions.push(Inclusion {
            name,
            frames,
            depth,
        });
    }
}

fn describe(shape: &Shape) -> &'static str {
    match shape {
        Shape::Scalar => "one value",
        Shape::Condition => "a condition",
        Shape::List(_) => "a list",
        Shape::Table(_) => "a table",
        Shape::Arch => "an architecture",
        Shape::Mixed => "of several kinds",
        Shape::Any => "a value",
    }
}
