//! Every line of a generated file is traced to the line of the template, or of a partial, that makes it.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot read its fixture should panic"
)]

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crossfile::{
    Config, Diagnostic, Layer, NoInputs, Overrides, Parsed, Partials, Source, Template, Traced,
    expand,
};

/// Partials by name.
struct Fixed(&'static [(&'static str, &'static str)]);

impl Partials for Fixed {
    fn load(&self, name: &str) -> Result<Option<Arc<Source>>, Diagnostic> {
        let found = self.0.iter().find(|(known, _)| *known == name);
        Ok(found.map(|(name, text)| Source::new(*name, *text)))
    }

    fn names(&self) -> Vec<String> {
        self.0.iter().map(|(name, _)| name.to_string()).collect()
    }
}

const SETTINGS: &str = "[vars]\nempty = \"\"\nlist = [\"a\", \"b\"]\nlines = \"x\\ny\"\n";

fn config() -> Config {
    let layer = Layer::parse(&Source::new("crossfile.toml", SETTINGS)).unwrap();
    Config::read(&[layer], &Overrides::default(), &NoInputs).unwrap()
}

fn template(text: &str, config: &Config, partials: &dyn Partials) -> Template {
    let source = Source::new("Dockerfile.cross", text);
    match expand::parse(&source, config, partials).unwrap() {
        Parsed::Template(template) => template,
        other => panic!("{other:?}"),
    }
}

/// Each line of the text with the file and line that it comes from.
fn origins(traced: &Traced) -> String {
    let mut shown = String::new();
    let mut start = 0;
    for line in traced.text().split_inclusive('\n') {
        let body = line.trim_end();
        let indent = body.len() - body.trim_start().len();
        let place = traced.place(start + indent..start + body.len());
        let place = place.map_or("nowhere".to_string(), |place| {
            let (line, column) = place.line_column();
            let file = place.source().path().display().to_string();
            format!("{file}:{line}:{column}")
        });
        let line_text = line.trim_end_matches(['\n', '\r']);
        let _ = writeln!(shown, "{place:<24}|{line_text}");
        start += line.len();
    }
    shown
}

fn trace(arch: usize, text: &str, partials: &dyn Partials) -> String {
    let config = config();
    let context = config.context(&config.cells(&config.arches)[arch]).unwrap();
    let template = template(text, &config, partials);
    let traced = template.trace(&context).unwrap();
    assert_eq!(traced.text(), template.render(&context).unwrap());
    origins(&traced)
}

#[test]
fn placeholders_and_gates() {
    let text = "# syntax=docker/dockerfile:1\nFROM __DOCKER_ARCH__/alpine\n\n__CROSS_COPY qemu-__QEMU_ARCH__-static /\nRUN a\n";
    assert_eq!(
        trace(0, text, &Fixed(&[])),
        "\
Dockerfile.cross:1:1    |# syntax=docker/dockerfile:1
Dockerfile.cross:2:1    |FROM amd64/alpine
Dockerfile.cross:3:1    |
Dockerfile.cross:5:1    |RUN a
"
    );
    let emulated = trace(1, text, &Fixed(&[]));
    assert!(emulated.contains("Dockerfile.cross:4:9    |COPY qemu-arm-static /\n"));
}

const PARTIALS: &[(&str, &str)] = &[
    (
        "packages",
        "RUN apk add \\\n{{#each list}}\n    {{this}}{{#unless @last}} \\\\{{/unless}}\n{{/each}}\n",
    ),
    ("inner.sh", "set -e\n\necho {{arch}}\n"),
];

#[test]
fn handlebars_with_all_that_moves_lines() {
    let text = r#"# crossfile: dialect=handlebars
{{! a comment that says FROM }}
FROM {{docker_arch}}/alpine
{{#if cross}}
COPY qemu-{{qemu_arch}}-static /
{{else if native}}
RUN \{{.Id}} native
{{/if}}

{{~#each list}}

LABEL {{this}}=1
{{/each}}
{{> packages}}
  {{> packages}}
RUN <<EOF
    {{include "inner.sh" indent=4}}
EOF
{{{{raw}}}}
LABEL raw={{raw}}
{{{{/raw}}}}
RUN {{lines}}{{empty}}
  CMD {{pick amd64="a" default="b"}}"#;
    let (native, emulated) = (
        trace(0, text, &Fixed(PARTIALS)),
        trace(1, text, &Fixed(PARTIALS)),
    );
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        insta::assert_snapshot!(
            "trace__handlebars",
            format!("native\n{native}\nemulated\n{emulated}")
        );
    });
}

#[test]
fn marks_in_the_text_itself_lose_the_origin_and_nothing_else() {
    let text = "FROM {{docker_arch}}/alpine\nLABEL a=\u{fdd0}0:0:0:1\u{fdd1}\n";
    let shown = trace(0, text, &Fixed(&[]));
    assert!(
        shown.starts_with("Dockerfile.cross:1:1    |FROM amd64/alpine\n"),
        "{shown}"
    );
}

/// Every template of the repository that can be rendered: what is traced is what is rendered, and no line of a
/// template's own text is said to come from another line.
#[test]
fn all_templates_of_the_cases() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut count = 0;
    let files = walkdir::WalkDir::new(top.join("tests/cases")).into_iter();
    let others = walkdir::WalkDir::new(top.join("templates")).into_iter();
    for file in files.chain(others).map(Result::unwrap) {
        let path = file.path();
        // Partials are joined in ways of their own; of one case the whole point is one endless line of them.
        if path
            .components()
            .any(|part| part.as_os_str() == "partials-many-times")
        {
            continue;
        }
        if !file.file_name().to_string_lossy().contains("ockerfile") {
            continue;
        }
        let Ok(text) = std::fs::read_to_string(path) else {
            continue;
        };
        let Some(config) = config_beside(path) else {
            continue;
        };
        let folder = path.parent().unwrap();
        let folders = vec![folder.to_path_buf(), folder.join("templates")];
        let source = Source::new(path, text);
        let partials = crossfile::PartialFolders(folders);
        let Ok(Parsed::Template(template)) = expand::parse(&source, &config, &partials) else {
            continue;
        };
        for cell in config.cells(&config.arches) {
            let Some(context) = config.context(&cell) else {
                continue;
            };
            let context = context.with_stem("Dockerfile");
            let Ok(plain) = template.render(&context) else {
                continue;
            };
            let traced = template.trace(&context).unwrap();
            assert_eq!(traced.text(), plain, "{}", path.display());
            check_lines(&traced, path);
            count += 1;
        }
    }
    assert!(count > 200, "only {count} files were traced");
}

/// A line without a placeholder or tag has to stand in its origin as it is.
fn check_lines(traced: &Traced, path: &Path) {
    let mut start = 0;
    for line in traced.text().split_inclusive('\n') {
        let body = line.trim();
        let indent = line.len() - line.trim_start().len();
        let range = start + indent..start + indent + body.len();
        start += line.len();
        if body.is_empty() {
            continue;
        }
        let place = traced
            .place(range)
            .unwrap_or_else(|| panic!("{}: {body:?} comes from nowhere", path.display()));
        let text = place.source().text();
        let span = place.span();
        let from = text[..span.start].rfind('\n').map_or(0, |at| at + 1);
        let to = text[span.end..]
            .find('\n')
            .map_or(text.len(), |at| span.end + at);
        let lines = &text[from..to];
        // Directives change parts of lines that stand below them.
        let changed = ["__", "{{", "CROSS_"]
            .iter()
            .any(|sign| lines.contains(sign))
            || text[..from].contains("#: ");
        assert!(
            // A partial without a final line break is joined to what follows it.
            changed
                || lines.contains(body.trim_start_matches('\u{feff}'))
                || body.starts_with(lines.trim()),
            "{}: {body:?} is said to come from {lines:?}",
            path.display()
        );
    }
}

fn config_beside(path: &Path) -> Option<Config> {
    let folder = path.parent()?;
    let names = ["settings.toml", "crossfile.toml"];
    let settings: Option<PathBuf> = names
        .iter()
        .map(|name| folder.join(name))
        .find(|path| path.is_file());
    let layers: Vec<Layer> = match settings {
        Some(path) => {
            let text = std::fs::read_to_string(&path).ok()?;
            vec![Layer::parse(&Source::new(path, text)).ok()?]
        }
        None => Vec::new(),
    };
    let inputs = crossfile::DiskInputs::default();
    Config::read(&layers, &Overrides::default(), &inputs).ok()
}
