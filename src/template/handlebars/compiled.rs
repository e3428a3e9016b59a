//! The helpers that only annotated templates have, as they are compiled: no template can write their names.

use handlebars::{
    Context, Handlebars, Helper, HelperDef, HelperResult, Output, RenderContext, Renderable,
    StringOutput,
};

use super::helpers::{failure, is_true, param, text, value};
use super::{LITERAL, Literals, WORD};

/// Registers both: the one that prints stretches of the template, and the one that makes words.
pub(super) fn register(registry: &mut Handlebars<'static>, literals: Literals) {
    let Literals { source, spans } = literals;
    let print = move |h: &Helper<'_>| {
        let number = param(h, 0)?.value().as_u64();
        let number = number.and_then(|number| usize::try_from(number).ok());
        let span = number.and_then(|number| spans.get(number));
        let span = span.ok_or_else(|| failure("there is no such stretch"))?;
        Ok(source.text()[span.clone()].into())
    };
    registry.register_helper(LITERAL, value(print));
    registry.register_helper(WORD, Box::new(OneWord));
}

/// A block as one word of a Dockerfile, in quotes where it needs them; without a block, a text as it is.
struct OneWord;

impl HelperDef for OneWord {
    fn call<'reg: 'rc, 'rc>(
        &self,
        h: &Helper<'rc>,
        registry: &'reg Handlebars<'reg>,
        context: &'rc Context,
        rc: &mut RenderContext<'reg, 'rc>,
        out: &mut dyn Output,
    ) -> HelperResult {
        let Some(template) = h.template() else {
            out.write(&text(h, 0)?)?;
            return Ok(());
        };
        let mut inner = StringOutput::new();
        template.render(registry, context, rc, &mut inner)?;
        let inner = inner.into_string()?;
        let always = is_true(param(h, 0)?);
        if !always && !inner.contains([' ', '\t', '"', '\'']) {
            out.write(&inner)?;
            return Ok(());
        }
        let escape = match text(h, 1)?.as_str() {
            "backtick" => '`',
            _ => '\\',
        };
        let mut word = String::from('"');
        for char in inner.chars() {
            if char == '"' || char == escape {
                word.push(escape);
            }
            word.push(char);
        }
        word.push('"');
        out.write(&word)?;
        Ok(())
    }
}
