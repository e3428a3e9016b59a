//! Checks every name and every call of a parsed template before anything is rendered.
//!
//! The checker walks the public syntax tree of the handlebars crate next to the [`Tag`]s of the same text, which
//! supply the places, and tracks the shape of `this` through blocks, loops and partials. It finds what strict
//! rendering misses: unknown names in `#if` and `#each`, wrong arguments, and names of branches not taken.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use handlebars::Template;
use handlebars::template::{
    BlockParam, DecoratorTemplate, HelperTemplate, Parameter, TemplateElement,
};
use serde_json::Value as Json;

use crate::diagnostic::{Code, Diagnostic, Place, Source, closest};
use crate::document::Located;
use crate::template::Language;
use crate::template::handlebars::helpers::{Form, HELPERS, Keys, Signature, Takes, signature};
use crate::template::handlebars::tags::{Tag, TagKind, is_word_char};
use crate::template::names::Shape;

/// What `this` is in a block, a loop or a partial.
#[derive(Clone)]
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
}

pub(crate) struct Checker<'a> {
    pub(crate) language: &'a Language<'a>,
    pub(crate) source: &'a Arc<Source>,
    pub(crate) frames: Vec<Frame>,
    pub(crate) used: &'a mut BTreeSet<String>,
    pub(crate) problems: &'a mut Vec<Diagnostic>,
    pub(crate) inclusions: Vec<Inclusion>,
    tags: std::slice::Iter<'a, Tag>,
    /// The bytes of the current tag that are not yet accounted for.
    rest: Range<usize>,
}

impl<'a> Checker<'a> {
    pub(crate) fn new(
        language: &'a Language<'a>,
        source: &'a Arc<Source>,
        tags: &'a [Tag],
        frames: Vec<Frame>,
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
                    self.block(call);
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
        let bare = call.params.is_empty() && call.hash.is_empty();
        if bare && signature(&name).is_none() {
            let place = self.find(&name);
            if let Some(shape) = self.path(&name, &place) {
                self.printed(&name, &shape, place);
            }
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
        };
        let message = format!("`{name}` cannot be printed: it is {}", describe(shape));
        self.problem(Code::BadArgument, place, message).help = Some(help);
    }

    fn block(&mut self, call: &HelperTemplate) {
        let name = call.name.as_name().unwrap_or_default().to_string();
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

    /// Checks a call against the helper's signature. Returns the shape of the first argument.
    fn call(&mut self, name: &str, call: &HelperTemplate, form: Form) -> Option<Shape> {
        let place = self.find(name);
        let Some(helper) = signature(name) else {
            self.unknown_helper(name, place, form);
            return None;
        };
        if helper.form != form {
            let message = match form {
                Form::Block => format!("`{name}` is not a block"),
                Form::Inline => format!("`{name}` is a block"),
            };
            let help = format!("write {}", helper.usage);
            self.problem(Code::BadArgument, place, message).help = Some(help);
            return None;
        }
        if !(helper.least..=helper.most).contains(&call.params.len()) {
            let message = format!("`{name}` is given {} arguments", call.params.len());
            let help = format!("write {}", helper.usage);
            self.problem(Code::BadArgument, place.clone(), message).help = Some(help);
        }
        let mut first = None;
        for (index, param) in call.params.iter().enumerate() {
            // `join` and `each` take a list first; the separator and the rest are plain.
            let takes = match (helper.takes, index) {
                (Takes::ListOrText, 1..) => Takes::Text,
                (takes, _) => takes,
            };
            let shape = self.parameter(helper, takes, param);
            if index == 0 {
                first = shape;
            }
        }
        self.keys(helper, call, place);
        first
    }

    fn unknown_helper(&mut self, name: &str, place: Place, form: Form) {
        let message = format!("`{name}` is not a helper");
        let help = match (self.language.names.get(name), form) {
            (Some(_), Form::Block) => Some(format!("write `{{{{#if {name}}}}}…{{{{/if}}}}`")),
            (Some(_), Form::Inline) => Some(format!("`{name}` is a name: it takes no arguments")),
            (None, _) => closest(name, HELPERS.iter().map(|helper| helper.name))
                .and_then(signature)
                .map(|near| format!("did you mean `{}`? it is written {}", near.name, near.usage)),
        };
        let help = help.or_else(|| {
            let known: Vec<_> = HELPERS.iter().map(|helper| helper.name).collect();
            Some(format!("known helpers: {}", known.join(", ")))
        });
        self.problem(Code::UnknownHelper, place, message).help = help;
    }

    fn parameter(&mut self, helper: &Signature, takes: Takes, param: &Parameter) -> Option<Shape> {
        let literal = match takes {
            Takes::ArchNames => Some("the name of an architecture in quotes"),
            Takes::FileName => Some("the name of a file in quotes"),
            _ => None,
        };
        match param {
            Parameter::Literal(value) => {
                self.literal(helper, takes, value);
                Some(shape_of_literal(value))
            }
            Parameter::Subexpression(expression) => {
                if let TemplateElement::Expression(call) = expression.as_element() {
                    let name = call.name.as_name().unwrap_or_default().to_string();
                    let bare = call.params.is_empty() && call.hash.is_empty();
                    if bare && signature(&name).is_none() {
                        let place = self.find(&name);
                        return self.path(&name, &place);
                    }
                    self.call(&name, call, Form::Inline);
                }
                Some(Shape::Any)
            }
            Parameter::Path(_) | Parameter::Name(_) => {
                let name = param.as_name().unwrap_or_default().to_string();
                let place = self.find(&name);
                if let Some(wanted) = literal {
                    let message = format!("`{}` takes {wanted}, not `{name}`", helper.name);
                    let help = format!("write {}", helper.usage);
                    self.problem(Code::BadArgument, place, message).help = Some(help);
                    return None;
                }
                let shape = self.path(&name, &place)?;
                self.fits(helper, takes, &name, &shape, place);
                Some(shape)
            }
            _ => None,
        }
    }

    fn literal(&mut self, helper: &Signature, takes: Takes, value: &Json) {
        let Some(text) = value.as_str() else {
            return;
        };
        match takes {
            Takes::ArchNames if self.language.map.get(text).is_none() => {
                let place = self.find(text);
                let name = Located::new(text.to_string(), place);
                self.problems.push(self.language.map.unknown_arch(&name));
            }
            Takes::FileName => {
                let name = Located::new(text.to_string(), self.find(text));
                let frames = self.frames.clone();
                self.inclusions.push(Inclusion { name, frames });
            }
            Takes::List | Takes::Table => {
                let place = self.find(text);
                let message = format!("`{}` cannot go through a text", helper.name);
                let help = format!("write {}", helper.usage);
                self.problem(Code::BadArgument, place, message).help = Some(help);
            }
            // Steps past the text, so that a name spelled like it is found behind it.
            _ => {
                self.find(text);
            }
        }
    }

    fn fits(&mut self, helper: &Signature, takes: Takes, name: &str, shape: &Shape, place: Place) {
        let good = matches!(
            (takes, shape),
            (_, Shape::Any)
                | (Takes::Test, _)
                | (Takes::List | Takes::ListOrText, Shape::List(_))
                | (Takes::Table, Shape::Table(_) | Shape::Arch)
                | (Takes::Text, Shape::Scalar)
        );
        if good {
            return;
        }
        let kind = describe(shape);
        let message = format!("`{}` cannot take `{name}`: it is {kind}", helper.name);
        let help = match (takes, shape) {
            (Takes::List, Shape::Table(_)) => {
                "a table has no order to rely on: make it a list".to_string()
            }
            _ => format!("write {}", helper.usage),
        };
        self.problem(Code::BadArgument, place, message).help = Some(help);
    }

    fn keys(&mut self, helper: &Signature, call: &HelperTemplate, place: Place) {
        // The crate keeps them in a hash map: sort, so that messages have one order.
        let keys: BTreeMap<_, _> = call.hash.iter().collect();
        if helper.keys == Keys::Choices && keys.is_empty() {
            let message = format!("`{}` has nothing to choose from", helper.name);
            let help = format!("write {}", helper.usage);
            self.problem(Code::BadArgument, place, message).help = Some(help);
            return;
        }
        for (key, value) in keys {
            let rest = self.rest.clone();
            let place = self.find(key);
            match helper.keys {
                Keys::Only(known) if !known.contains(&key.as_str()) => {
                    let message = format!("`{}` takes no `{key}=`", helper.name);
                    let help = format!("write {}", helper.usage);
                    self.problem(Code::BadArgument, place, message).help = Some(help);
                }
                Keys::Choices
                    if call.params.is_empty()
                        && key != "default"
                        && self.language.map.get(key).is_none() =>
                {
                    let name = Located::new(key.clone(), place);
                    self.problems.push(self.language.map.unknown_arch(&name));
                }
                _ => {}
            }
            self.parameter(helper, Takes::Text, value);
            self.rest = rest;
        }
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
                Parameter::Literal(value) => Some(shape_of_literal(value)),
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
        self.inclusions.push(Inclusion { name, frames });
    }

    /// The shape of what a path leads to; nothing, and a problem, where it leads nowhere.
    fn path(&mut self, raw: &str, place: &Place) -> Option<Shape> {
        let mut level = self.frames.len() - 1;
        let mut path = raw;
        if let Some(rest) = path.strip_prefix("@root") {
            level = 0;
            path = rest.trim_start_matches(['.', '/']);
        }
        let local = path.strip_prefix('@');
        path = local.unwrap_or(path);
        while let Some(rest) = path.strip_prefix("..") {
            if level == 0 {
                let message = format!("`{raw}` leaves the outermost level");
                self.problem(Code::UnknownName, place.clone(), message);
                return None;
            }
            level -= 1;
            path = rest.trim_start_matches(['.', '/']);
        }
        if local.is_some() {
            let known = ["index", "first", "last"].contains(&path);
            if known && self.frames[..=level].iter().any(|frame| frame.looping) {
                return Some(Shape::Scalar);
            }
            let message = match known {
                true => format!("`{raw}` exists in `#each` only"),
                false => format!("`{raw}` stands for nothing"),
            };
            self.problem(Code::UnknownName, place.clone(), message).help =
                Some("a loop over a list has `@index`, `@first` and `@last`".to_string());
            return None;
        }
        let explicit =
            path.starts_with("this") || path.starts_with("./") || level + 1 < self.frames.len();
        let segments = segments(path);
        let mut segments = segments.iter().map(String::as_str);
        let mut shape = self.frames[level].shape.clone();
        if let Some(first) = segments.next() {
            let param = self.frames[..=level]
                .iter()
                .rev()
                .find_map(|frame| frame.params.get(first));
            shape = match param {
                Some(param) if !explicit => param.clone(),
                _ => self.field(&shape, first, raw, level, place)?,
            };
        }
        for segment in segments {
            shape = self.field(&shape, segment, raw, level, place)?;
        }
        Some(shape)
    }

    fn field(
        &mut self,
        shape: &Shape,
        name: &str,
        raw: &str,
        level: usize,
        place: &Place,
    ) -> Option<Shape> {
        let language = self.language;
        let (known, field): (Vec<&str>, Option<Shape>) = match shape {
            Shape::Any => return Some(Shape::Any),
            Shape::Arch => {
                if let Some(known) = language.names.get(name) {
                    self.used.insert(name.to_string());
                    return Some(known.shape.clone());
                }
                (Vec::new(), None)
            }
            Shape::Table(fields) => (
                fields.keys().map(String::as_str).collect(),
                fields.get(name).cloned(),
            ),
            Shape::List(item) if name.bytes().all(|byte| byte.is_ascii_digit()) => {
                return Some((**item).clone());
            }
            Shape::List(_) | Shape::Scalar | Shape::Condition => (Vec::new(), None),
        };
        if field.is_some() {
            return field;
        }
        let opened = &self.frames[level].opened;
        let outside = level > 0 && language.names.get(name).is_some() && raw == name;
        let message = match shape {
            Shape::Arch => format!("`{name}` is not defined"),
            Shape::Table(_) => format!("`{name}` is not a field here"),
            _ if raw == name => format!("`{name}` is not in what `{opened}` goes through"),
            _ => format!("`{raw}` leads nowhere: {} has no `{name}`", describe(shape)),
        };
        let near = match shape {
            Shape::Arch => language.names.closest(name),
            _ => closest(name, known.iter().copied()),
        };
        let help = match (outside, near, shape) {
            (true, _, _) => Some(format!("inside `{opened}` write `@root.{name}`")),
            (_, Some(near), _) => Some(format!("did you mean `{near}`?")),
            (_, None, Shape::Arch) => Some(format!(
                "define `{name}` under [vars] or [columns] in crossfile.toml"
            )),
            (_, None, Shape::Table(_)) => Some(format!("its fields are: {}", known.join(", "))),
            _ => None,
        };
        self.problem(Code::UnknownName, place.clone(), message).help = help;
        None
    }
}

fn describe(shape: &Shape) -> &'static str {
    match shape {
        Shape::Scalar => "one value",
        Shape::Condition => "a condition",
        Shape::List(_) => "a list",
        Shape::Table(_) => "a table",
        Shape::Arch => "an architecture",
        Shape::Any => "a value",
    }
}

fn shape_of_literal(value: &Json) -> Shape {
    match value {
        Json::Array(items) => {
            let shapes = items.iter().map(shape_of_literal);
            Shape::List(Box::new(shapes.reduce(Shape::union).unwrap_or(Shape::Any)))
        }
        Json::Object(_) => Shape::Any,
        _ => Shape::Scalar,
    }
}

/// The parts of a path, `this` and `.` left out, brackets taken off.
fn segments(path: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        rest = rest.trim_start_matches(['.', '/']);
        if let Some(bracket) = rest.strip_prefix('[') {
            let end = bracket.find(']').unwrap_or(bracket.len());
            parts.push(bracket[..end].to_string());
            rest = bracket.get(end + 1..).unwrap_or_default();
            continue;
        }
        let end = rest.find(['.', '/']).unwrap_or(rest.len());
        if end > 0 && &rest[..end] != "this" {
            parts.push(rest[..end].to_string());
        }
        rest = &rest[end..];
    }
    parts
}
