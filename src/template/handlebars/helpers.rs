//! The helpers that templates may call, each declared once: its signature, which the checker enforces, and its code.
//!
//! A helper that prints never prints an absent value; a helper that tests takes it for false. Helpers of the
//! handlebars crate that would break either rule, or print to a log, are replaced or removed.

use handlebars::{
    Context, Handlebars, Helper, HelperDef, HelperResult, JsonRender, JsonTruthy, Output,
    PathAndJson, RenderContext, RenderError, RenderErrorReason, Renderable, ScopedJson,
    StringOutput,
};
use serde_json::Value as Json;

use crate::context::ARCH_KEY;
use crate::template::handlebars::marks::is_blank;
use crate::template::handlebars::tags::MAX_DEPTH;

/// Whether a helper is written `{{#name}}…{{/name}}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Only as a block.
    Block,
    /// Only as an expression or in parentheses.
    Inline,
}

/// The `key=value` arguments that a helper takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keys {
    /// These and no others.
    Only(&'static [&'static str]),
    /// Architectures and `default`; with a parameter, that parameter's values and `default`.
    Choices,
}

/// What a helper does with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    /// Any value, absent ones too: it is a test.
    Test,
    /// A value with a text.
    Text,
    /// A list.
    List,
    /// A list of values with a text.
    Texts,
    /// Fields.
    Table,
    /// Literal names of architectures.
    ArchNames,
    /// A literal file name.
    FileName,
    /// The literal subject of a `case`, then names of which each architecture has a value.
    Names,
}

/// A helper's signature.
#[derive(Debug)]
pub(crate) struct Signature {
    pub(crate) name: &'static str,
    pub(crate) form: Form,
    pub(crate) least: usize,
    pub(crate) most: usize,
    pub(crate) takes: Takes,
    pub(crate) keys: Keys,
    /// How it is called, for messages.
    pub(crate) usage: &'static str,
}

const MANY: usize = usize::MAX;

/// Every helper, in the order of the documentation.
#[rustfmt::skip]
pub(crate) const HELPERS: &[Signature] = &[
    Signature { name: "if", form: Form::Block, least: 1, most: 1, takes: Takes::Test, keys: Keys::Only(&[]), usage: "{{#if name}}…{{else}}…{{/if}}" },
    Signature { name: "unless", form: Form::Block, least: 1, most: 1, takes: Takes::Test, keys: Keys::Only(&[]), usage: "{{#unless name}}…{{/unless}}" },
    Signature { name: "only", form: Form::Block, least: 1, most: MANY, takes: Takes::ArchNames, keys: Keys::Only(&[]), usage: "{{#only \"arm32v6\" \"arm32v7\"}}…{{/only}}" },
    Signature { name: "except", form: Form::Block, least: 1, most: MANY, takes: Takes::ArchNames, keys: Keys::Only(&[]), usage: "{{#except \"s390x\"}}…{{/except}}" },
    Signature { name: "each", form: Form::Block, least: 1, most: 1, takes: Takes::List, keys: Keys::Only(&[]), usage: "{{#each list}}{{this}}{{/each}}" },
    Signature { name: "with", form: Form::Block, least: 1, most: 1, takes: Takes::Table, keys: Keys::Only(&[]), usage: "{{#with table}}{{field}}{{/with}}" },
    Signature { name: "raw", form: Form::Block, least: 0, most: 0, takes: Takes::Test, keys: Keys::Only(&[]), usage: "{{{{raw}}}}…{{{{/raw}}}}" },
    Signature { name: "pick", form: Form::Inline, least: 0, most: 1, takes: Takes::Text, keys: Keys::Choices, usage: "{{pick amd64=\"x64\" arm64v8=\"arm64\" default=\"…\"}}" },
    Signature { name: "case", form: Form::Inline, least: 2, most: MANY, takes: Takes::Names, keys: Keys::Only(&[]), usage: "{{case \"TARGETARCH\" url sha256}}" },
    Signature { name: "words", form: Form::Inline, least: 1, most: 1, takes: Takes::Names, keys: Keys::Only(&[]), usage: "{{words \"TARGETARCH\"}}" },
    Signature { name: "eq", form: Form::Inline, least: 2, most: 2, takes: Takes::Test, keys: Keys::Only(&[]), usage: "(eq a b)" },
    Signature { name: "ne", form: Form::Inline, least: 2, most: 2, takes: Takes::Test, keys: Keys::Only(&[]), usage: "(ne a b)" },
    Signature { name: "in", form: Form::Inline, least: 2, most: MANY, takes: Takes::Test, keys: Keys::Only(&[]), usage: "(in name \"a\" \"b\") or (in name list)" },
    Signature { name: "and", form: Form::Inline, least: 2, most: MANY, takes: Takes::Test, keys: Keys::Only(&[]), usage: "(and a b)" },
    Signature { name: "or", form: Form::Inline, least: 2, most: MANY, takes: Takes::Test, keys: Keys::Only(&[]), usage: "(or a b)" },
    Signature { name: "not", form: Form::Inline, least: 1, most: 1, takes: Takes::Test, keys: Keys::Only(&[]), usage: "(not a)" },
    Signature { name: "replace", form: Form::Inline, least: 3, most: 3, takes: Takes::Text, keys: Keys::Only(&[]), usage: "{{replace text \"from\" \"to\"}}" },
    Signature { name: "quote", form: Form::Inline, least: 1, most: 1, takes: Takes::Text, keys: Keys::Only(&[]), usage: "{{quote text}}" },
    Signature { name: "join", form: Form::Inline, least: 2, most: 2, takes: Takes::Texts, keys: Keys::Only(&[]), usage: "{{join list \" \"}}" },
    Signature { name: "include", form: Form::Inline, least: 1, most: 1, takes: Takes::FileName, keys: Keys::Only(&["indent"]), usage: "{{include \"file\" indent=4}}" },
];

/// The name under which partial arguments are made strict; no template can write it.
pub(crate) const STRICT_VALUE: &str = "\u{0}strict";

/// The name under which a partial is chosen by architecture; no template can write it.
pub(crate) const CHOOSE_PARTIAL: &str = "\u{0}partial";

/// The name of the partial that is used for one architecture in the place of another.
pub(crate) fn variant(name: &str, arch: &str) -> String {
    format!("{}.{arch}", partial_name(name))
}

/// The name of a partial without the quotes that it may be written in.
pub(crate) fn partial_name(raw: &str) -> &str {
    raw.trim_matches(['\'', '"', '[', ']'])
}

/// The marker of an error that is about an absent value: the name follows.
pub(crate) const ABSENT: &str = "\u{0}absent:";

/// Between an error's message and its help.
pub(crate) const HELP: char = '\u{0}';

pub(crate) fn signature(name: &str) -> Option<&'static Signature> {
    HELPERS.iter().find(|helper| helper.name == name)
}

/// Registers every helper and removes what the crate brings beyond them.
pub(crate) fn register(registry: &mut Handlebars<'static>) {
    for name in ["log", "lookup", "gt", "gte", "lt", "lte", "len"] {
        registry.unregister_helper(name);
    }
    registry.register_helper("if", Box::new(Gate(|h| Ok(is_true(param(h, 0)?)))));
    registry.register_helper("unless", Box::new(Gate(|h| Ok(!is_true(param(h, 0)?)))));
    registry.register_helper("only", Box::new(ArchGate { keep: true }));
    registry.register_helper("except", Box::new(ArchGate { keep: false }));
    registry.register_helper("pick", Box::new(Pick));
    registry.register_helper("include", Box::new(Include));
    registry.register_helper("eq", value(|h| Ok(same(param(h, 0)?, param(h, 1)?).into())));
    registry.register_helper(
        "ne",
        value(|h| Ok((!same(param(h, 0)?, param(h, 1)?)).into())),
    );
    registry.register_helper("in", value(is_in));
    registry.register_helper("and", value(|h| Ok(h.params().iter().all(is_true).into())));
    registry.register_helper("or", value(|h| Ok(h.params().iter().any(is_true).into())));
    registry.register_helper("not", value(|h| Ok((!is_true(param(h, 0)?)).into())));
    registry.register_helper("replace", value(replace));
    registry.register_helper("quote", value(quote));
    registry.register_helper("join", value(join));
    registry.register_helper(CHOOSE_PARTIAL, Box::new(ChoosePartial));
    registry.register_helper(STRICT_VALUE, value(|h| Ok(present(param(h, 0)?)?.clone())));
}

pub(super) fn failure(message: impl Into<String>) -> RenderError {
    RenderErrorReason::Other(message.into()).into()
}

pub(super) fn param<'h, 'rc>(
    h: &'h Helper<'rc>,
    index: usize,
) -> Result<&'h PathAndJson<'rc>, RenderError> {
    h.param(index)
        .ok_or_else(|| failure(format!("`{}` lacks an argument", h.name())))
}

pub(super) fn is_true(param: &PathAndJson<'_>) -> bool {
    !param.is_value_missing() && param.value().is_truthy(false)
}

/// The value of an argument, which has to be there.
fn present<'h>(param: &'h PathAndJson<'_>) -> Result<&'h Json, RenderError> {
    if param.is_value_missing() {
        let name = param.relative_path().map_or("", String::as_str);
        return Err(failure(format!("{ABSENT}{name}")));
    }
    Ok(param.value())
}

pub(super) fn text(h: &Helper<'_>, index: usize) -> Result<String, RenderError> {
    Ok(present(param(h, index)?)?.render())
}

/// Whether two arguments are alike. A number and its text are: `--set` gives text where a file gives numbers.
fn same(a: &PathAndJson<'_>, b: &PathAndJson<'_>) -> bool {
    let missing = (a.is_value_missing(), b.is_value_missing());
    missing == (false, false) && alike(a.value(), b.value())
}

fn alike(a: &Json, b: &Json) -> bool {
    let scalar = |value: &Json| !value.is_array() && !value.is_object();
    match scalar(a) && scalar(b) {
        true => a.render() == b.render(),
        false => a == b,
    }
}

fn is_in(h: &Helper<'_>) -> Result<Json, RenderError> {
    let wanted = param(h, 0)?;
    if wanted.is_value_missing() {
        return Ok(false.into());
    }
    let found = h
        .params()
        .iter()
        .skip(1)
        .any(|choice| match choice.value() {
            _ if choice.is_value_missing() => false,
            Json::Array(items) => items.iter().any(|item| alike(wanted.value(), item)),
            value => alike(wanted.value(), value),
        });
    Ok(found.into())
}

fn replace(h: &Helper<'_>) -> Result<Json, RenderError> {
    let from = text(h, 1)?;
    if from.is_empty() {
        return Err(failure("`replace` cannot look for an empty text"));
    }
    Ok(text(h, 0)?.replace(&from, &text(h, 2)?).into())
}

fn quote(h: &Helper<'_>) -> Result<Json, RenderError> {
    let text = text(h, 0)?;
    match shlex::try_quote(&text) {
        Ok(quoted) => Ok(quoted.into()),
        Err(error) => Err(failure(format!(
            "a shell word cannot hold this text: {error}"
        ))),
    }
}

fn join(h: &Helper<'_>) -> Result<Json, RenderError> {
    match present(param(h, 0)?)? {
        Json::Array(items) => {
            let items: Vec<String> = items.iter().map(JsonRender::render).collect();
            Ok(items.join(&text(h, 1)?).into())
        }
        _ => Err(failure("`join` joins a list")),
    }
}

/// A helper that computes a value from its arguments alone.
struct ValueHelper<F>(F);

pub(super) fn value<F>(compute: F) -> Box<dyn HelperDef + Send + Sync>
where
    F: Fn(&Helper<'_>) -> Result<Json, RenderError> + Send + Sync + 'static,
{
    Box::new(ValueHelper(compute))
}

impl<F> HelperDef for ValueHelper<F>
where
    F: Fn(&Helper<'_>) -> Result<Json, RenderError> + Send + Sync,
{
    fn call_inner<'reg: 'rc, 'rc>(
        &self,
        h: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        _: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
    ) -> Result<ScopedJson<'rc>, RenderError> {
        (self.0)(h).map(ScopedJson::Derived)
    }
}

/// A block that stays by a test of its arguments.
struct Gate(fn(&Helper<'_>) -> Result<bool, RenderError>);

impl HelperDef for Gate {
    fn call<'reg: 'rc, 'rc>(
        &self,
        h: &Helper<'rc>,
        registry: &'reg Handlebars<'reg>,
        context: &'rc Context,
        rc: &mut RenderContext<'reg, 'rc>,
        out: &mut dyn Output,
    ) -> HelperResult {
        render_branch((self.0)(h)?, h, registry, context, rc, out)
    }
}

fn render_branch<'reg: 'rc, 'rc>(
    stays: bool,
    h: &Helper<'rc>,
    registry: &'reg Handlebars<'reg>,
    context: &'rc Context,
    rc: &mut RenderContext<'reg, 'rc>,
    out: &mut dyn Output,
) -> HelperResult {
    match if stays { h.template() } else { h.inverse() } {
        Some(template) => template.render(registry, context, rc, out),
        None => Ok(()),
    }
}

/// The architecture that is being rendered: that of the innermost loop over `arches`, else the cell's.
pub(super) fn current_arch(
    context: &Context,
    rc: &RenderContext<'_, '_>,
) -> Result<String, RenderError> {
    let mut path = format!("[{ARCH_KEY}]");
    for _ in 0..=MAX_DEPTH {
        if let Json::String(arch) = rc.evaluate(context, &path)?.as_json() {
            return Ok(arch.clone());
        }
        path.insert_str(0, "../");
    }
    Err(failure("no architecture is being rendered"))
}

/// A block that stays for some architectures.
struct ArchGate {
    keep: bool,
}

impl HelperDef for ArchGate {
    fn call<'reg: 'rc, 'rc>(
        &self,
        h: &Helper<'rc>,
        registry: &'reg Handlebars<'reg>,
        context: &'rc Context,
        rc: &mut RenderContext<'reg, 'rc>,
        out: &mut dyn Output,
    ) -> HelperResult {
        let arch = current_arch(context, rc)?;
        let mut listed = h.params().iter().map(|param| param.value().as_str());
        let stays = listed.any(|name| name == Some(&arch)) == self.keep;
        render_branch(stays, h, registry, context, rc, out)
    }
}

/// One of several values, by architecture or by the value of an argument.
struct Pick;

impl HelperDef for Pick {
    fn call_inner<'reg: 'rc, 'rc>(
        &self,
        h: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        context: &'rc Context,
        rc: &mut RenderContext<'reg, 'rc>,
    ) -> Result<ScopedJson<'rc>, RenderError> {
        let key = match h.param(0) {
            Some(param) => present(param)?.render(),
            None => current_arch(context, rc)?,
        };
        let choice = h.hash_get(&key).or_else(|| h.hash_get("default"));
        match choice {
            Some(choice) => Ok(ScopedJson::Derived(present(choice)?.clone())),
            None => Err(failure(format!(
                "`pick` has no value for `{key}` and no `default`{HELP}add `{key}=\"…\"` or `default=\"…\"`"
            ))),
        }
    }
}

/// The partial of this name for the architecture, else the one for all.
fn chosen(
    name: &str,
    registry: &Handlebars<'_>,
    context: &Context,
    rc: &RenderContext<'_, '_>,
) -> Result<String, RenderError> {
    let own = variant(name, &current_arch(context, rc)?);
    // What an architecture has of its own may include what all have.
    let in_own = rc.get_current_template_name() == Some(&own);
    Ok(match registry.has_template(&own) && !in_own {
        true => own,
        false => name.to_string(),
    })
}

/// The name of a partial that has files for single architectures.
struct ChoosePartial;

impl HelperDef for ChoosePartial {
    fn call_inner<'reg: 'rc, 'rc>(
        &self,
        h: &Helper<'rc>,
        registry: &'reg Handlebars<'reg>,
        context: &'rc Context,
        rc: &mut RenderContext<'reg, 'rc>,
    ) -> Result<ScopedJson<'rc>, RenderError> {
        let name = chosen(&text(h, 0)?, registry, context, rc)?;
        Ok(ScopedJson::Derived(name.into()))
    }
}

/// A partial rendered here, its lines after the first indented.
struct Include;

impl HelperDef for Include {
    fn call<'reg: 'rc, 'rc>(
        &self,
        h: &Helper<'rc>,
        registry: &'reg Handlebars<'reg>,
        context: &'rc Context,
        rc: &mut RenderContext<'reg, 'rc>,
        out: &mut dyn Output,
    ) -> HelperResult {
        let name = chosen(&text(h, 0)?, registry, context, rc)?;
        let template = registry
            .get_template(&name)
            .ok_or_else(|| failure(format!("`{name}` was not loaded")))?;
        let indent = match h.hash_get("indent") {
            Some(width) => width
                .value()
                .as_u64()
                .and_then(|width| usize::try_from(width).ok())
                .filter(|width| *width <= 200)
                .ok_or_else(|| failure("`indent` takes a number of blanks up to 200"))?,
            None => 0,
        };
        let caller = rc.get_current_template_name();
        let mut included = StringOutput::new();
        template.render(registry, context, rc, &mut included)?;
        rc.set_current_template_name(caller);
        let included = included.into_string()?;
        // The tag's own line goes on after it, so the file's final line break is the tag's.
        let body = included.strip_suffix('\n').unwrap_or(&included);
        let body = body.strip_suffix('\r').unwrap_or(body);
        let margin = " ".repeat(indent);
        for (index, line) in body.split_inclusive('\n').enumerate() {
            if index > 0 && !is_blank(line) {
                out.write(&margin)?;
            }
            out.write(line)?;
        }
        Ok(())
    }
}
