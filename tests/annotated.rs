//! The annotated dialect on made-up Dockerfiles: what is not asked to change does not, and nothing is lost on the way.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot parse its template should panic"
)]

use crossfile::dockerfile::instructions;
use crossfile::{Config, Layer, NoInputs, NoPartials, Overrides, Parsed, Source, Template, expand};
use proptest::prelude::*;

const SETTINGS: &str = "arches = [\"amd64\", \"arm32v7\", \"s390x\"]\n[vars]\npackages = [\"curl\", \"git\"]\nempty = \"\"\n";

fn config() -> Config {
    let layer = Layer::parse(&Source::new("crossfile.toml", SETTINGS)).unwrap();
    Config::read(&[layer], &Overrides::default(), &NoInputs).unwrap()
}

fn parse(config: &Config, text: &str) -> Result<Template, Vec<crossfile::Diagnostic>> {
    let text = format!("# crossfile: dialect=annotated\n{text}");
    let source = Source::new("Dockerfile.cross", text);
    match expand::parse(&source, config, &NoPartials)? {
        Parsed::Template(template) => Ok(template),
        _ => panic!("the dialect is said"),
    }
}

fn render(config: &Config, template: &Template, arch: usize) -> String {
    let cell = &config.cells(&config.arches)[arch];
    template.render(&config.context(cell).unwrap()).unwrap()
}

/// Lines of a Dockerfile, odd ones among them.
fn line() -> impl Strategy<Value = String> {
    let lines = [
        "FROM alpine AS x",
        "FROM --platform=$BUILDPLATFORM alpine",
        "RUN a \\",
        "    b \\",
        "    c",
        "  # comment",
        "#",
        "",
        "RUN <<EOF",
        "EOF",
        "RUN echo '{{.Id}}' {{x}} \\{{y}} {{{{raw}}}}",
        "RUN \\\\",
        "COPY [\"a\", \"b\"]",
        "ARG A",
        "ARG A=1 B=2",
        "ENV A 1 2",
        "ENV A=\"x y\" B=z",
        "LABEL l=1",
        "\tRUN tab",
        "RUN ü — ß",
        "{{/if}}",
        "}}",
        "CMD x ",
        "RUN x\r",
        "\u{f8ff} 0",
        "RUN {{\u{f8ff} 0}}",
    ];
    prop::sample::select(lines.to_vec()).prop_map(str::to_string)
}

fn directive() -> impl Strategy<Value = String> {
    let directives = [
        "#: cross",
        "#: native",
        "#: only arm32v7",
        "#: except amd64 s390x",
        "#: if eq arch \"amd64\"",
        "#: unless cross",
        "#: each packages as |p|",
        "#: from {{docker_arch}}/alpine",
        "#: arg A={{arch}}",
        "#: env A={{arch}} \\",
        "#: label l={{empty}}",
        "#: replace a {{arch}}",
        "#: replace \"x y\" z\\",
        "#: write RUN {{arch}} \\",
        "  #: write x",
        "#: begin only amd64",
        "#: begin each packages",
        "#: end",
        "#: nothing",
        "#: only {{x}}",
        "#: from {{x",
        "#:",
        "#: write {{#if cross}}y{{/if}}",
    ];
    prop::sample::select(directives.to_vec()).prop_map(str::to_string)
}

fn joined(lines: &[String], last: bool) -> String {
    lines.join("\n") + if last { "\n" } else { "" }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn a_dockerfile_without_directives_is_kept_to_the_byte(
        lines in prop::collection::vec(line(), 0..12),
        last in any::<bool>(),
    ) {
        let text = joined(&lines, last);
        let config = config();
        let template = parse(&config, &text).unwrap();
        prop_assert_eq!(render(&config, &template, 1), text);
    }

    #[test]
    fn gates_that_hold_take_nothing_but_themselves(
        lines in prop::collection::vec(line(), 0..12),
        at in any::<prop::sample::Index>(),
        last in any::<bool>(),
    ) {
        let text = joined(&lines, last);
        let config = config();
        let found = instructions(&text);
        prop_assume!(!found.is_empty());
        let start = found[at.index(found.len())].span.start;
        let start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let gated = [&text[..start], "#: only arm32v7\n#: unless native\n", &text[start..]].concat();
        let template = parse(&config, &gated).unwrap();
        prop_assert_eq!(render(&config, &template, 1), text);
    }

    #[test]
    fn anything_is_rendered_or_refused_with_places(
        lines in prop::collection::vec(prop_oneof![line(), directive()], 0..16),
        last in any::<bool>(),
    ) {
        let text = joined(&lines, last);
        let config = config();
        match parse(&config, &text) {
            Err(problems) => {
                prop_assert!(!problems.is_empty());
                for problem in problems {
                    prop_assert!(problem.is_error());
                    // Not one of them shows what the template is compiled to.
                    let shown = problem.render(&|path| path.display().to_string());
                    prop_assert!(!shown.contains("{{\u{f8ff} 0}}") || text.contains("{{\u{f8ff} 0}}"), "{}", shown);
                }
            }
            Ok(template) => {
                for cell in config.cells(&config.arches) {
                    let context = config.context(&cell).unwrap();
                    let rendered = template.render(&context).unwrap();
                    let traced = template.trace(&context).unwrap();
                    prop_assert_eq!(traced.text(), &rendered);
                    // Every line has a place in the template, which is its text where no directive made it.
                    let mut at = 0;
                    for line in rendered.split_inclusive('\n') {
                        let body = line.trim_end();
                        if !body.is_empty() {
                            prop_assert!(traced.place(at..at + body.len()).is_some(), "{}", body);
                        }
                        at += line.len();
                    }
                }
            }
        }
    }
}
