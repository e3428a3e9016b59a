//! `{{case "TARGETARCH" url sha256}}`: a shell's `case` that sets a variable per name for each architecture, and
//! `{{words "TARGETARCH"}}`, the words of one branch for a loop over `arches`.
//!
//! The lines of a `case` are indented as the tag is, and continued with the escape character where the tag stands in an
//! instruction and not in a heredoc. Both are known from the template's text alone, so they are put into the syntax tree.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;

use handlebars::template::{HelperTemplate, Parameter, TemplateElement};
use handlebars::{
    Context, Handlebars, Helper, HelperDef, JsonRender, RenderContext, RenderError, ScopedJson,
    Template,
};
use serde_json::Value as Json;

use super::Site;
use super::helpers::{ABSENT, HELP, current_arch, failure, text};
use crate::arch::cases::{Branch, Subject, branches};
use crate::arch::{ArchMap, ArchName};
use crate::context::ARCH_KEY;
use crate::diagnostic::Source;
use crate::dockerfile::{INSTRUCTIONS, escape, instructions, lines};

/// Arguments that the syntax tree gets: no template can write such keys.
const MARGIN: &str = "\u{0}margin";
const END: &str = "\u{0}end";

/// What one level of a `case` is indented by.
const STEP: &str = "    ";

/// Readies the calls of a tree: names become texts, so that they are looked up per architecture, and each call learns where it
/// stands. Returns whether there are any.
///
/// `sites` are the places of an annotated template where lines are written.
pub(super) fn prepare(
    template: &mut Template,
    source: &Source,
    sites: Option<&(Vec<Site>, char)>,
) -> bool {
    let mut found = false;
    let mapping: Vec<_> = template.mapping.iter().map(|at| (at.0, at.1)).collect();
    for (element, (line, column)) in template.elements.iter_mut().zip(mapping) {
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
                place(call, source, source.offset(line, column), sites);
            }
            TemplateElement::HelperBlock(call) => {
                let branches = [&mut call.template, &mut call.inverse];
                for branch in branches.into_iter().flatten() {
                    found |= prepare(branch, source, sites);
                }
            }
            _ => {}
        }
    }
    found
}

fn place(call: &mut HelperTemplate, source: &Source, at: usize, sites: Option<&(Vec<Site>, char)>) {
    let whole = source.text();
    let site = sites.and_then(|(sites, escape)| {
        let site = sites.iter().find(|site| site.span.contains(&at))?;
        Some((site, *escape))
    });
    let (margin, end) = match site {
        // What an annotated template writes is always part of an instruction.
        Some((site, escape)) => {
            let before = &whole[site.span.start..at];
            let own = &before[..before.len() - before.trim_start().len()];
            let blanks = format!("{}{own}", site.blanks);
            (margin(&blanks, before), Some(escape))
        }
        None => {
            let line = lines(whole).find(|line| line.contains(&at)).unwrap_or(0..0);
            let before = &whole[line.start..at.min(line.end)];
            let blanks = &before[..before.len() - before.trim_start().len()];
            (margin(blanks, before), continues(whole, at, &whole[line]))
        }
    };
    let end = end.map_or(String::new(), |escape| format!(" {escape}"));
    call.hash
        .insert(MARGIN.to_string(), Parameter::Literal(margin.into()));
    call.hash
        .insert(END.to_string(), Parameter::Literal(end.into()));
}

/// Behind something else the lines that follow are one level deeper than its line.
fn margin(blanks: &str, before: &str) -> String {
    match before.trim().is_empty() {
        true => blanks.to_string(),
        false => format!("{blanks}{STEP}"),
    }
}

/// The escape character, where a line at this place has to be continued for the next to belong to the same instruction.
fn continues(text: &str, at: usize, line: &str) -> Option<char> {
    let escape = escape(text);
    let all = instructions(text);
    let own = all.iter().find(|found| found.span.contains(&at));
    match own.filter(|own| INSTRUCTIONS.contains(&own.name.as_str())) {
        // Elsewhere in it is a heredoc.
        Some(own) => own
            .lines
            .iter()
            .any(|line| line.contains(&at))
            .then_some(escape),
        // A script, or a partial that is part of an instruction: its own line tells.
        None => line.trim_end().ends_with(escape).then_some(escape),
    }
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
        let hidden = |key: &str| {
            h.hash_get(key)
                .map_or(String::new(), |value| value.render())
        };
        let (margin, end) = (hidden(MARGIN), hidden(END));
        let expression = subject.expression();
        let mut out = format!("case \"{expression}\" in{end}\n");
        let mut line = |text: &str, end: &str| {
            // Writing to a text cannot fail.
            let _ = writeln!(out, "{margin}{text}{end}");
        };
        for (branch, (_, values)) in branches.iter().zip(&arches) {
            let mut body = format!("{STEP}{})", branch.words.join(" | "));
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
                body.push_str(&format!(" {name}={quoted};"));
            }
            line(&format!("{body};"), &end);
        }
        let hint = subject.hint();
        line(
            &format!("{STEP}*) echo >&2 \"nothing for '{expression}' here{hint}\"; exit 1;;"),
            &end,
        );
        out.push_str(&margin);
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
