//! From laid layers to a [`Config`]: every key, its type, and every name it refers to.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use crate::arch::{ArchMap, ArchName};
use crate::config::ci::ci_settings;
use crate::config::matrix::{Around, Matrix, read_matrix};
use crate::config::tables::{handler_settings, lint_allow, registry_settings, verify_settings};
use crate::config::values::{asks_env, beside, column, lay_vars, slot, vars_file};
use crate::config::{
    ArchSettings, Config, DEFAULT_ARCHES, DEFAULT_HOST, DEFAULT_TEMPLATES, ImageSettings, Inputs,
    Layer, Locking, Overrides, Setting, Var, keys, locking, names,
};
use crate::context::Slot;
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::document::{Fields, Located, NodeValue, Table};
use crate::template::{Dialect, Names};

pub(crate) fn read(
    layers: &[Layer],
    overrides: &Overrides,
    inputs: &dyn Inputs,
) -> Result<Config, Vec<Diagnostic>> {
    let mut problems = Vec::new();
    let mut document = Table::default();
    for layer in layers {
        document.merge(layer.table.clone());
    }
    let mut fields = Fields::new(&document, &keys::CROSSFILE, &mut problems);

    let map_files = fields.string_or_strings("arch-map").unwrap_or_default();
    let map = arch_map(&map_files, inputs, fields.problems);
    let image = image_settings(&mut fields, inputs);
    let arches = fields.strings("arches");
    let host = fields.string("host");
    let native = fields.strings("native");
    let qemu = fields.bool("qemu");
    let header = fields.bool("header");
    let output = fields.string("output");
    let backend = fields.string("backend");
    let dockerfile = fields.string("dockerfile");
    let templates = fields.strings("templates");
    let partials = fields.string_or_strings("partials").unwrap_or_default();
    let dialect = fields.string("dialect");
    let passthrough = fields.strings("passthrough");
    let files = fields.string_or_strings("vars-file").unwrap_or_default();
    let var_table = fields.table("vars");
    let column_table = fields.table("columns");
    let matrix = fields.table("matrix");
    let locked = fields.bool("locked");
    let bases = fields.table("bases");
    let handlers = fields.table("handlers");
    let lint = fields.table("lint");
    let annotations = slots("annotations", &mut fields, inputs);
    let verify = fields.table("verify");
    let registries = fields.table("registry");
    let ci = fields.table("ci");
    let arch_table = fields.table("arch");
    fields.finish();

    let arches_are_given = arches.is_some();
    if let (Some([]), Some(node)) = (arches.as_deref(), document.get("arches")) {
        let message = "`arches` is empty: nothing would be made";
        problems.push(Diagnostic::error(
            Code::BadValue,
            node.place.clone(),
            message,
        ));
    }
    let arches = match arches {
        Some(arches) => arch_names(&arches, &map, &mut problems),
        None => DEFAULT_ARCHES
            .iter()
            .map(|name| ArchName::new(name))
            .collect(),
    };
    let host = overrides.host.clone().or(host);
    if let Some(host) = host.as_ref().filter(|host| map.get(&host.value).is_none()) {
        problems.push(map.unknown_arch(host));
    }
    let host = ArchName::new(host.as_ref().map_or(DEFAULT_HOST, |host| &host.value));
    let native = match native {
        Some(native) => arch_names(&native, &map, &mut problems)
            .into_iter()
            .collect(),
        None => map.native_of(&host),
    };
    let dialect = dialect.and_then(|dialect| {
        Dialect::parse(&dialect.value, dialect.place)
            .map_err(|problem| problems.push(problem))
            .ok()
    });

    // Later files go over earlier ones, and the files over [vars].
    let mut vars = BTreeMap::new();
    if let Some(table) = var_table {
        lay_vars(&mut vars, table, inputs, &mut problems);
    }
    for file in &files {
        let table = vars_file(file, inputs, &mut problems);
        lay_vars(&mut vars, &table, inputs, &mut problems);
    }
    let mut columns = BTreeMap::new();
    for (name, node) in column_table.iter().flat_map(|table| table.iter()) {
        if let Some(column) = column(name, node, &map, inputs, &mut problems) {
            columns.insert(name.value.clone(), column);
        }
    }
    let around = Around {
        map: &map,
        vars: &vars,
        inputs,
    };
    let matrix = match matrix {
        Some(table) => read_matrix(table, &around, &mut problems),
        None => Matrix::default(),
    };
    let mut arch = BTreeMap::new();
    for (name, node) in arch_table.iter().flat_map(|table| table.iter()) {
        if map.get(&name.value).is_none() {
            problems.push(map.unknown_arch(name));
        }
        match &node.value {
            NodeValue::Table(table) => {
                let settings = arch_settings(table, inputs, &mut problems);
                arch.insert(ArchName::new(&name.value), settings);
            }
            _ => problems.push(node.expected(&name.value, "a table")),
        }
    }
    let set = overrides.set.iter().map(|(name, value)| {
        let slot = Slot::Value(value.clone());
        let place = name.place.clone();
        let from_env = false;
        (
            name.value.clone(),
            Var {
                slot,
                from_env,
                place,
            },
        )
    });

    let named = files.iter().chain(&map_files).chain(&matrix.files);
    let named: Vec<PathBuf> = named.map(beside).collect();
    let lint_allow = lint_allow(lint, &mut problems);
    let verify = verify_settings(verify, &mut problems);
    let handlers = handler_settings(handlers, &mut problems);
    let registries = registry_settings(registries, &mut problems);
    let ci = ci_settings(ci, &map, &mut problems);
    let fallbacks = locking::fallbacks(bases, &map, &mut problems);
    let mut config = Config {
        arches,
        arches_are_given,
        host,
        native,
        qemu: qemu.is_none_or(|qemu| qemu.value) && !overrides.no_qemu,
        header: header.is_none_or(|header| header.value) && !overrides.no_header,
        output,
        backend,
        dockerfile,
        templates: templates.unwrap_or_else(default_templates),
        partials: partials.iter().map(beside).collect(),
        dialect,
        passthrough: passthrough_set(passthrough, &mut problems),
        image,
        lint_allow,
        annotations,
        verify,
        handlers,
        registries,
        ci,
        fallbacks,
        lock_file: locking::beside(layers),
        locking: Locking::new(locked, overrides),
        arch,
        names: Names::default(),
        warnings: Vec::new(),
        files: layers
            .iter()
            .map(|layer| layer.source.path().to_path_buf())
            .chain(named)
            .collect(),
        pins: Vec::new(),
        passing: BTreeSet::new(),
        columns,
        vars,
        set: set.collect(),
        matrix,
        map,
    };
    config.settle_arches(&mut problems);
    config.read_lock(None, inputs);
    if overrides.no_qemu {
        config
            .arch
            .values_mut()
            .for_each(|settings| settings.qemu = None);
    }
    if overrides.no_header {
        config
            .arch
            .values_mut()
            .for_each(|settings| settings.header = None);
    }
    let mut pins = Vec::new();
    config.names = names::names(&config, &mut pins, &mut problems);
    config.pins = pins;
    config.passing = config.passing_names(overrides.host.is_some());
    config.check_matrix(&mut problems);
    // By file and line: the order in which they are mended.
    problems.sort_by_key(|problem| {
        (
            problem.place.source().path().to_path_buf(),
            problem.place.span().start,
        )
    });
    match problems.is_empty() {
        true => Ok(config),
        false => Err(problems),
    }
}

/// The built-in table with the project's files laid over it.
fn arch_map(
    files: &[Located<String>],
    inputs: &dyn Inputs,
    problems: &mut Vec<Diagnostic>,
) -> Arc<ArchMap> {
    let mut map = ArchMap::builtin();
    for file in files {
        let laid = inputs
            .file(&beside(file))
            .map_err(|problem| vec![problem.related(file.place.clone(), "it is asked for here")])
            .and_then(|source| map.with_overlay(&source));
        match laid {
            Ok(laid) => map = Arc::new(laid),
            Err(mut found) => {
                // Whoever only looks something up may not know that the project has a table.
                if let Some(first) = found.first_mut().filter(|first| first.code != Code::Io) {
                    let what = "the table is asked for here".to_string();
                    first.related.push((file.place.clone(), what));
                }
                problems.extend(found);
            }
        }
    }
    map
}

fn arch_names(
    names: &[Located<String>],
    map: &ArchMap,
    problems: &mut Vec<Diagnostic>,
) -> Vec<ArchName> {
    let mut known: Vec<ArchName> = Vec::new();
    for name in names {
        match map.get(&name.value) {
            None => problems.push(map.unknown_arch(name)),
            Some(entry) if known.contains(&entry.name) => {
                let message = format!("`{}` stands in the list twice", name.value);
                let place = name.place.clone();
                problems
                    .push(Diagnostic::error(Code::BadValue, place, message).help("leave one out"));
            }
            Some(entry) => known.push(entry.name.clone()),
        }
    }
    known
}

fn default_templates() -> Vec<Located<String>> {
    let place = Place::file("crossfile.toml (default)");
    let patterns = DEFAULT_TEMPLATES.iter();
    patterns
        .map(|pattern| Located::new(pattern.to_string(), place.clone()))
        .collect()
}

fn passthrough_set(
    tokens: Option<Vec<Located<String>>>,
    problems: &mut Vec<Diagnostic>,
) -> BTreeSet<String> {
    let mut set = BTreeSet::new();
    for token in tokens.unwrap_or_default() {
        let inner = token
            .value
            .strip_prefix("__")
            .and_then(|t| t.strip_suffix("__"));
        if inner.is_none_or(str::is_empty) {
            let message = format!("`{}` is not a placeholder", token.value);
            problems.push(
                Diagnostic::error(Code::BadValue, token.place, message)
                    .help("write it whole, as `__GNUC__`"),
            );
        } else {
            set.insert(token.value);
        }
    }
    set
}

pub(super) fn image_settings(fields: &mut Fields<'_, '_>, inputs: &dyn Inputs) -> ImageSettings {
    let image = fields.string("image");
    let tags = fields.strings("tags");
    let arch_tag = fields.string("arch-tag");
    let context = fields.string("context");
    let build_args = slots("build-args", fields, inputs);
    let labels = slots("labels", fields, inputs);
    let target = fields.string("target");
    let cache_from = fields.strings("cache-from");
    let cache_to = fields.strings("cache-to");
    let secrets = fields.strings("secrets");
    for secret in secrets.iter().flatten() {
        check_secret(secret, fields.problems);
    }
    let mut flags = BTreeMap::new();
    for (name, node) in fields.table("flags").iter().flat_map(|table| table.iter()) {
        if let Some(list) = node.strings(&name.value, fields.problems) {
            flags.insert(name.value.clone(), list);
        }
    }
    ImageSettings {
        image,
        tags,
        arch_tag,
        context,
        build_args,
        labels,
        target,
        cache_from,
        cache_to,
        secrets,
        flags,
    }
}

/// A table of values by name, each with its name's place.
fn slots(
    key: &'static str,
    fields: &mut Fields<'_, '_>,
    inputs: &dyn Inputs,
) -> BTreeMap<String, Located<Setting>> {
    let table = fields.table(key);
    let mut slots = BTreeMap::new();
    for (name, node) in table.iter().flat_map(|table| table.iter()) {
        if let Some(slot) = slot(&name.value, node, inputs, fields.problems) {
            let from_env = asks_env(node);
            let setting = Setting { slot, from_env };
            slots.insert(
                name.value.clone(),
                Located::new(setting, node.place.clone()),
            );
        }
    }
    slots
}

/// A secret is a reference: its value would end up in plans and process lists.
fn check_secret(secret: &Located<String>, problems: &mut Vec<Diagnostic>) {
    let mut parts = secret.value.split(',').map(|part| part.split_once('='));
    let known = |name: &str| ["id", "src", "source", "env", "type"].contains(&name);
    let good = parts.all(|part| part.is_some_and(|(name, _)| known(name)));
    let has_id = secret.value.split(',').any(|part| part.starts_with("id="));
    if !(good && has_id) {
        let message = format!("`{}` does not say a secret", secret.value);
        problems.push(
            Diagnostic::error(Code::BadValue, secret.place.clone(), message)
                .help("write `id=NAME,src=FILE` or `id=NAME,env=VARIABLE`"),
        );
    }
}

fn arch_settings(
    table: &Table,
    inputs: &dyn Inputs,
    problems: &mut Vec<Diagnostic>,
) -> ArchSettings {
    let mut fields = Fields::new(table, &keys::ARCH, problems);
    let image = image_settings(&mut fields, inputs);
    let output = fields.string("output");
    let header = fields.bool("header");
    let qemu = fields.bool("qemu");
    let dockerfile = fields.string("dockerfile");
    let optional = fields.bool("optional");
    let builders = fields.string_or_strings("builder");
    let var_table = fields.table("vars");
    fields.finish();
    let mut vars = BTreeMap::new();
    if let Some(table) = var_table {
        lay_vars(&mut vars, table, inputs, problems);
    }
    ArchSettings {
        image,
        output,
        header: header.map(|header| header.value),
        qemu: qemu.map(|qemu| qemu.value),
        dockerfile,
        optional: optional.is_some_and(|optional| optional.value),
        builders: builders.unwrap_or_default(),
        vars,
    }
}
