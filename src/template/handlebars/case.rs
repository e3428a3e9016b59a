//! `{{case "TARGETARCH" url sha256}}`: a shell's `case` that sets a variable per name for each architecture, and
//! `{{words "TARGETARCH"}}`, the words of one branch for a loop over `arches`.
//!
//! The lines of a `case` are indented as the first is, and continued with the escape character where they stand in an
//! instruction and not in a heredoc. What instruction that is only the whole rendered text tells: the helper prints marks, and
//! [`breaks`] finds out what stands in their place.

use std::collections::HashMap;
use std::sync::Arc;

use handlebars::template::{Parameter, TemplateElement};
use handlebars::{
    Context, Handlebars, Helper, HelperDef, JsonRender, RenderContext, RenderError, ScopedJson,
    Template,
};
use serde_json::Value as Json;

use super::helpers::{ABSENT, HELP, current_arch, failure, text};
use crate::arch::cases::{Branch, Subject, branches};
use crate::arch::{ArchMap, ArchName};
use crate::context::ARCH_KEY;
use crate::dockerfile::{INSTRUCTIONS, escape, instructions};

/// Stands for a line break in what a `case` prints; how the line before it ends, and how the next begins, is known only when
/// all around it is rendered. Unicode keeps the code points for a program's own use.
const BREAK: char = '\u{fdd2}';
/// The same before a line that is a level deeper.
const DEEPER: char = '\u{fdd3}';

/// What one level of a `case` is indented by.
const STEP: &str = "    ";

/// Readies the calls of a tree: names become texts, so that they are looked up per architecture. Returns whether there are any.
pub(super) fn prepare(template: &mut Template) -> bool {
    let mut found = false;
    for element in &mut template.elements {
        match element {
            TemplateElement::Expression(call) | TemplateElement::HtmlExpression(call) => {
                let name = call.name.as_name().unwrap_or_default();
                if !["case", "words"].contains(&name) {
                    continue;
                }
                found = true;
                for param in call.params.iter_mut().skip(1) {
                    let name = param.as_name().unwrap_or_default().to_string();
                    *param = Parameter::Literal(name.into());
                }
            }
            TemplateElement::HelperBlock(call) => {
                let branches = [&mut call.template, &mut call.inverse];
                for branch in branches.into_iter().flatten() {
                    found |= prepare(branch);
                }
            }
            _ => {}
        }
    }
    found
}

/// The line breaks of a rendered text's `case`s, in order: with the escape character where the line has to be continued for
/// the next to belong to the same instruction, and with the blanks that the first line of the `case` begins with.
pub(super) fn breaks(text: &str) -> Vec<String> {
    if !text.contains([BREAK, DEEPER]) {
        return Vec::new();
    }
    let escape = escape(text);
    let mut found: Vec<(usize, &str, String)> = Vec::new();
    let mut whole = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let ending = match line.ends_with("\r\n") {
            true => "\r\n",
            false => "\n",
        };
        let first = line.split([BREAK, DEEPER]).next().unwrap_or_default();
        let before = first.split("case \"").next().unwrap_or_default();
        let blanks = &before[..before.len() - before.trim_start().len()];
        // Behind something else the lines that follow are one level deeper than its line.
        let margin = match before.trim().is_empty() {
            true => blanks.to_string(),
            false => format!("{blanks}{STEP}"),
        };
        for char in line.chars() {
            match char {
                BREAK | DEEPER => {
                    let step = if char == DEEPER { STEP } else { "" };
                    whole.push(' ');
                    found.push((whole.len(), ending, format!("{margin}{step}")));
                    whole.push(escape);
                    whole.push_str(ending);
                }
                char => whole.push(char),
            }
        }
    }
    let all = instructions(&whole);
    let mut next = 0;
    let breaks = found.into_iter().map(|(at, ending, margin)| {
        while all.get(next).is_some_and(|own| own.span.end <= at) {
            next += 1;
        }
        let own = all.get(next).filter(|own| own.span.start <= at);
        let own = own.filter(|own| INSTRUCTIONS.contains(&own.name.as_str()));
        // Elsewhere in it is a heredoc.
        let continued = own.is_some_and(|own| own.lines.iter().any(|line| line.contains(&at)));
        match continued {
            true => format!(" {escape}{ending}{margin}"),
            false => format!("{ending}{margin}"),
        }
    });
    breaks.collect()
}

/// Puts the breaks into a text.
pub(super) fn put(text: &str, breaks: &[String]) -> String {
    let mut parts = text.split([BREAK, DEEPER]);
    let mut out = parts.next().unwrap_or_default().to_string();
    for (index, part) in parts.enumerate() {
        out.push_str(breaks.get(index).map_or("\n", String::as_str));
        out.push_str(part);
    }
    out
}

/// Registers both helpers for a table of architectures.
pub(super) fn register(registry: &mut Handlebars<'static>, map: &ArchMap) {
    let map = Arc::new(map.clone());
    registry.register_helper("case", Box::new(Case(Arc::clone(&map))));
    registry.register_helper("words", Box::new(Words(map)));
}

/// An architecture and its values by name.
type Values = (ArchName, HashMap<String, Json>);

/// The project's architectures, each with its values.
fn arches(context: &Context, rc: &RenderContext<'_, '_>) -> Result<Vec<Values>, RenderError> {
    let list = rc.evaluate(context, "@root/arches")?;
    let Json::Array(items) = list.as_json() else {
        return Err(failure("there are no architectures to write a `case` for"));
    };
    let values = items.iter().filter_map(|item| {
        let fields = item.as_object()?;
        let arch = ArchName::new(fields.get(ARCH_KEY)?.as_str()?);
        let fields = fields
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()));
        Some((arch, fields.collect()))
    });
    Ok(values.collect())
}

fn found_branches(
    map: &ArchMap,
    h: &Helper<'_>,
    arches: &[ArchName],
) -> Result<(Subject, Vec<Branch>), RenderError> {
    let word = text(h, 0)?;
    let subject = Subject::parse(&word)
        .ok_or_else(|| failure(format!("`{word}` is nothing that a `case` can look at")))?;
    let found = branches(map, subject, arches).map_err(|error| {
        failure(format!(
            "{error}{HELP}look at something else, or make a Dockerfile for each architecture"
        ))
    })?;
    Ok((subject, found))
}

/// Writes the whole `case`.
struct Case(Arc<ArchMap>);

impl HelperDef for Case {
    fn call_inner<'reg: 'rc, 'rc>(
        &self,
        h: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        context: &'rc Context,
        rc: &mut RenderContext<'reg, 'rc>,
    ) -> Result<ScopedJson<'rc>, RenderError> {
        let arches = arches(context, rc)?;
        let keys: Vec<ArchName> = arches.iter().map(|(arch, _)| arch.clone()).collect();
        let (subject, branches) = found_branches(&self.0, h, &keys)?;
        let expression = subject.expression();
        let mut out = format!("case \"{expression}\" in");
        for (branch, (_, values)) in branches.iter().zip(&arches) {
            out.push(DEEPER);
            out.push_str(&format!("{})", branch.words.join(" | ")));
            for param in h.params().iter().skip(1) {
                let name = param.value().render();
                let value = values
                    .get(&name)
                    .ok_or_else(|| failure(format!("{ABSENT}{name}")))?
                    .render();
                if value.contains('\n') {
                    return Err(failure(format!("the value of `{name}` has several lines")));
                }
                let quoted = shlex::try_quote(&value).map_err(|error| {
                    failure(format!("a shell word cannot hold `{name}`: {error}"))
                })?;
                out.push_str(&format!(" {name}={quoted};"));
            }
            out.push(';');
        }
        let hint = subject.hint();
        out.push(DEEPER);
        out.push_str(&format!(
            "*) echo >&2 \"nothing for '{expression}' here{hint}\"; exit 1;;"
        ));
        out.push(BREAK);
        out.push_str("esac");
        Ok(ScopedJson::Derived(out.into()))
    }
}

/// The words of the architecture that a loop is at.
struct Words(Arc<ArchMap>);

impl HelperDef for Words {
    fn call_inner<'reg: 'rc, 'rc>(
        &self,
        h: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        context: &'rc Context,
        rc: &mut RenderContext<'reg, 'rc>,
    ) -> Result<ScopedJson<'rc>, RenderError> {
        let arches = arches(context, rc)?;
        let keys: Vec<ArchName> = arches.into_iter().map(|(arch, _)| arch).collect();
        let (_, branches) = found_branches(&self.0, h, &keys)?;
        let current = current_arch(context, rc)?;
        let own = branches
            .iter()
            .find(|branch| branch.arch.as_str() == current);
        let own = own.ok_or_else(|| {
            failure(format!(
                "`{current}` is not among the architectures of this `case`"
            ))
        })?;
        Ok(ScopedJson::Derived(own.words.join(" | ").into()))
    }
}
