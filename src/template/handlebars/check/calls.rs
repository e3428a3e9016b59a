//! Calls: a helper's signature against what a tag gives it.

use std::collections::BTreeMap;

use handlebars::JsonRender;
use handlebars::template::{HelperTemplate, Parameter, TemplateElement};
use serde_json::Value as Json;

use super::{Checker, Inclusion, describe};
use crate::arch::cases::Subject;
use crate::arch::{Entry, ResolveError};
use crate::diagnostic::{Code, Place, closest};
use crate::dockerfile::{INSTRUCTIONS, instructions};
use crate::document::Located;
use crate::template::handlebars::helpers::{Form, HELPERS, Keys, Signature, Takes, signature};
use crate::template::names::{NameKind, Shape};

impl Checker<'_> {
    /// Checks a call against the helper's signature. Returns the shape of the first argument.
    pub(super) fn call(&mut self, name: &str, call: &HelperTemplate, form: Form) -> Option<Shape> {
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
        if let Some(test) = test_without_parentheses(helper, call) {
            // `{{#if eq a b}}`, or as other languages have it: `{{#if a or b}}`.
            let text = self.source.text()[self.rest.clone()].trim();
            let help = match test {
                0 => format!("put it into parentheses: `{{{{#{name} ({text})}}}}`"),
                _ => format!(
                    "a test stands first and in parentheses: `{{{{#{name} ({}…)}}}}`",
                    test_word(call, test)
                ),
            };
            let message = format!("`{name}` takes one value, or one test in parentheses");
            self.problem(Code::BadArgument, place, message).help = Some(help);
            return None;
        }
        if !(helper.least..=helper.most).contains(&call.params.len()) {
            let message = match call.params.len() {
                0 => format!("`{name}` is given no argument"),
                1 => format!("`{name}` is given one argument alone"),
                more => format!("`{name}` is given {more} arguments"),
            };
            let help = format!("write {}", helper.usage);
            self.problem(Code::BadArgument, place.clone(), message).help = Some(help);
        } else if helper.takes == Takes::Names {
            self.case(helper, call, &place);
        }
        if helper.takes == Takes::Names {
            return None;
        }
        // An architecture is compared with keys of the table: another word would never be equal.
        let compares = ["eq", "ne", "in"].contains(&name);
        let about_arch = compares && call.params.iter().any(names_arch);
        // Likewise a value of an axis.
        let axis = call
            .params
            .iter()
            .find_map(|param| self.axis(param))
            .filter(|_| compares);
        let mut first = None;
        for (index, param) in call.params.iter().enumerate() {
            if let (Some(axis), Parameter::Literal(value)) = (&axis, param) {
                self.on_axis(axis, &value.render());
                continue;
            }
            // `join` and `each` take a list first; the separator and the rest are plain.
            let takes = match (helper.takes, index) {
                (Takes::Texts, 1..) => Takes::Text,
                _ if about_arch && matches!(param, Parameter::Literal(_)) => Takes::ArchNames,
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

    /// `case` and `words`: what a shell looks at, then names that are read for every architecture.
    fn case(&mut self, helper: &Signature, call: &HelperTemplate, place: &Place) {
        let literal = |param: &Parameter| match param {
            Parameter::Literal(Json::String(text)) => Some(text.clone()),
            _ => None,
        };
        let subject = call.params.first().and_then(literal);
        if subject.as_deref().and_then(Subject::parse).is_none() {
            let known: Vec<String> = Subject::ALL
                .iter()
                .map(|subject| format!("\"{}\"", subject.as_str()))
                .collect();
            let place = match subject {
                Some(subject) => self.find(&subject),
                None => place.clone(),
            };
            let message = format!("`{}` begins with one of {}", helper.name, known.join(", "));
            let bare = call.params.first().and_then(Parameter::as_name);
            let help = match bare.filter(|bare| Subject::parse(bare).is_some()) {
                Some(bare) => format!("put it into quotes: `\"{bare}\"`"),
                None => format!("write {}", helper.usage),
            };
            self.problem(Code::BadArgument, place, message).help = Some(help);
            return;
        }
        if helper.name == "case"
            && let Some(instruction) = no_shell(self.source.text(), place.span().start)
        {
            let message = format!("`case` writes for a shell, and none reads `{instruction}`");
            let help = "it belongs into a `RUN` that is no list";
            self.problem(Code::BadArgument, place.clone(), message).help = Some(help.to_string());
        }
        self.used.insert("arches".to_string());
        for param in call.params.iter().skip(1) {
            let name = param.as_name().unwrap_or_default().to_string();
            let place = self.find(&name);
            let known = self
                .language
                .names
                .get(&name)
                .map(|name| name.shape.clone());
            match (param, known) {
                (Parameter::Path(_), Some(Shape::Scalar)) => {
                    self.used.insert(name);
                }
                (Parameter::Path(_), None) if !name.contains(['.', '/', '@']) => {
                    self.path(&name, &place);
                }
                (Parameter::Literal(Json::String(text)), _) => {
                    let place = self.find(text);
                    let message = format!("`{}` reads names, and this is a text", helper.name);
                    let help = format!("without quotes it is a name: `{text}`");
                    self.problem(Code::BadArgument, place, message).help = Some(help);
                }
                (_, known) => {
                    let kind = known.as_ref().map_or("no name", describe);
                    let message = format!(
                        "`{}` reads names that have one value, and this is {kind}",
                        helper.name
                    );
                    let help = "for more than that loop: `{{#each arches}}{{words \"TARGETARCH\"}}) …;;{{/each}}`";
                    self.problem(Code::BadArgument, place, message).help = Some(help.to_string());
                }
            }
        }
    }

    /// The name of the axis that an argument is the value of.
    fn axis(&self, param: &Parameter) -> Option<String> {
        let name = param.as_name()?;
        let name = name.strip_prefix("@root.").unwrap_or(name);
        let axis = self.language.names.get(name)?;
        (matches!(param, Parameter::Path(_)) && !axis.values.is_empty()).then(|| name.to_string())
    }

    /// Refuses a text that an axis does not have.
    fn on_axis(&mut self, axis: &str, text: &str) {
        let place = self.find(text);
        let Some(name) = self.language.names.get(axis) else {
            return;
        };
        let values = &name.values;
        if values.iter().any(|value| value == text) {
            return;
        }
        let (message, help) = match name.kind {
            NameKind::Axis => (
                format!("`{text}` is not on the axis `{axis}`"),
                Some(format!("it has: {}", values.join(", "))),
            ),
            _ => (
                format!("`{text}` is not what `{axis}` is for any architecture"),
                // An architecture's name in another scheme is the likeliest slip.
                match self.language.map.resolve(text) {
                    Ok(entry) => self.called(entry, axis),
                    // A word of several meanings is like none of them.
                    Err(ResolveError::Ambiguous { .. }) => None,
                    Err(_) => closest(text, values.iter().map(String::as_str)).map(str::to_string),
                }
                .map(|near| format!("did you mean `{near}`?")),
            ),
        };
        self.problem(Code::BadArgument, place, message).help = help;
    }

    /// What a name calls an architecture.
    fn called(&self, entry: &Entry, name: &str) -> Option<String> {
        let scheme = match &self.language.names.get(name)?.kind {
            NameKind::Scheme(scheme) => scheme.as_str(),
            _ => name,
        };
        entry.get(scheme).map(std::borrow::Cow::into_owned)
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
                if matches!(takes, Takes::List | Takes::Table) {
                    let place = Place::new(self.source, self.rest.clone());
                    let message = format!("`{}` cannot take the result of a call", helper.name);
                    let help = format!("write {}", helper.usage);
                    self.problem(Code::BadArgument, place, message).help = Some(help);
                }
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
            self.fraction(value);
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
                let depth = self.depth + 1;
                self.inclusions.push(Inclusion {
                    name,
                    frames,
                    depth,
                });
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

    /// Refuses a number with a fraction: `1.10` would be printed as `1.1`.
    pub(super) fn fraction(&mut self, value: &Json) {
        if value.is_f64() {
            let place = Place::new(self.source, self.rest.clone());
            let message = "a number with a fraction has several spellings".to_string();
            self.problem(Code::BadArgument, place, message).help =
                Some("put it in quotes".to_string());
        }
    }

    fn fits(&mut self, helper: &Signature, takes: Takes, name: &str, shape: &Shape, place: Place) {
        let good = matches!(
            (takes, shape),
            (_, Shape::Any)
                | (Takes::Test, _)
                | (Takes::List, Shape::List(_))
                | (Takes::Table, Shape::Table(_) | Shape::Arch)
                | (Takes::Text, Shape::Scalar)
        );
        let texts = |item: &Shape| matches!(item, Shape::Scalar | Shape::Any);
        let joins = takes == Takes::Texts && matches!(shape, Shape::List(item) if texts(item));
        if good || joins {
            return;
        }
        let kind = match (takes, shape) {
            (Takes::Texts, Shape::List(_)) => "a list of more than plain values",
            _ => describe(shape),
        };
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
                Keys::Choices if !call.params.is_empty() && key != "default" => {
                    if let Some(axis) = self.axis(&call.params[0]) {
                        self.rest = rest.clone();
                        self.on_axis(&axis, key);
                    }
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
}

/// The instruction that a place lies in, where no shell reads it.
fn no_shell(text: &str, at: usize) -> Option<String> {
    let all = instructions(text);
    let own = all.iter().find(|found| found.span.contains(&at))?;
    let shells = ["RUN", "CMD", "ENTRYPOINT", "HEALTHCHECK", "ONBUILD"];
    let in_heredoc = !own.lines.iter().any(|line| line.contains(&at));
    let is_list = || {
        let first = own.arguments().next();
        !in_heredoc && first.is_some_and(|word| word.text.starts_with('['))
    };
    let known = INSTRUCTIONS.contains(&own.name.as_str());
    let shell = shells.contains(&own.name.as_str());
    // A script in a heredoc of COPY is read by a shell, too.
    let bad = known && ((!shell && !in_heredoc) || (shell && is_list()));
    bad.then(|| own.name.clone())
}

/// Where the name of a test stands among the arguments of `if` or `unless`, which take one in parentheses only.
fn test_without_parentheses(helper: &Signature, call: &HelperTemplate) -> Option<usize> {
    let takes_one = helper.form == Form::Block && helper.takes == Takes::Test;
    let is_test = |param: &Parameter| {
        let name = param
            .as_name()
            .filter(|_| matches!(param, Parameter::Path(_)));
        let helper = name.and_then(signature);
        helper.is_some_and(|helper| helper.form == Form::Inline && helper.takes == Takes::Test)
    };
    let position = call.params.iter().position(is_test)?;
    (takes_one && call.params.len() > 1).then_some(position)
}

fn test_word(call: &HelperTemplate, position: usize) -> String {
    let word = call.params.get(position).and_then(Parameter::as_name);
    format!("{} ", word.unwrap_or_default())
}

/// Whether an argument is the key of an architecture.
fn names_arch(param: &Parameter) -> bool {
    let name = param
        .as_name()
        .map(|path| path.rsplit(['.', '/']).next().unwrap_or(path));
    matches!(param, Parameter::Path(_)) && matches!(name, Some("arch" | "host_arch"))
}

/// The shape of a value that a tag writes out.
pub(super) fn shape_of_literal(value: &Json) -> Shape {
    match value {
        Json::Array(items) => {
            let shapes = items.iter().map(shape_of_literal);
            Shape::List(Box::new(shapes.reduce(Shape::union).unwrap_or(Shape::Any)))
        }
        Json::Object(_) => Shape::Any,
        _ => Shape::Scalar,
    }
}
