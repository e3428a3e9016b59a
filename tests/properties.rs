//! What holds for every input: nothing panics, bytes are kept, a second run changes nothing, a diff is a patch.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot set up its folder should panic"
)]

mod support;

use crossfile::{
    ArchMap, Config, Dialect, Layer, NoInputs, NoPartials, Overrides, Parsed, Source, expand,
};
use proptest::prelude::*;
use support::Scratch;

fn settings(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn config(text: &str) -> Config {
    let layer = Layer::parse(&Source::new("crossfile.toml", text)).unwrap();
    Config::read(&[layer], &Overrides::default(), &NoInputs).unwrap()
}

fn one_of(texts: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::sample::select(texts).prop_map(str::to_string)
}

/// Text as it stands in Dockerfiles, with everything that a template language may stumble over but no tag.
fn plain_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-z /:.=-]{1,8}",
        2 => one_of(&["\n", "\r\n", "\n\n", " \\\n", "\t", "  "]),
        1 => one_of(&["{", "}", "}}", "$", "${X}", "\\", "ü→", "<&>\"'`"]),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// Pieces of the dialects, right and wrong.
fn soup() -> impl Strategy<Value = String> {
    let tag = one_of(&[
        "{{arch}}",
        "{{",
        "}}",
        "{{#if cross}}",
        "{{else}}",
        "{{/if}}",
        "{{#each arches}}",
        "{{this}}",
        "{{/each}}",
        "{{> p}}",
        "{{{{raw}}}}",
        "{{{{/raw}}}}",
        "{{!",
        "{{!--",
        "--}}",
        "\\{{",
        "\\\\{{arch}}",
        "{{~arch~}}",
        "{{{arch}}}",
        "{{&arch}}",
        "{{.Id}}",
        "{{#*inline \"x\"}}",
        "{{pick amd64=\"x\" default=\"y\"}}",
        "{{replace arch \"a\" \"b\"}}",
        "(eq",
        ")",
        "\"",
        "'",
        "|x|",
        "{{#only \"amd64\"}}",
        "{{/only}}",
        "{{@root.arch}}",
        "{{../arch}}",
        "{{[arch]}}",
        "{{^}}",
        "{{*x}}",
        "{{else if cross}}",
        "__ARCH__",
        "__CROSS_",
        "__CROSS__",
        "#__CROSS_",
        "__CROSS_COPY__",
        "\nCROSS_BUILD_COPY ",
        "__X__",
        "_",
        "# crossfile: dialect=handlebars\n",
        "# syntax=x\n",
        "\u{feff}",
        "\n",
        "\r\n",
        " ",
        "ü",
        "\0",
    ]);
    prop::collection::vec(tag, 0..16).prop_map(|tags| tags.concat())
}

proptest! {
    #![proptest_config(settings(1500))]

    #[test]
    fn no_text_makes_a_template_panic(text in soup()) {
        let config = config("");
        let source = Source::new("Dockerfile.cross", text);
        match expand::parse(&source, &config, &NoPartials) {
            Ok(Parsed::Template(template)) => {
                for cell in config.cells(&config.arches) {
                    let _ = template.render(&config.context(&cell).unwrap().with_stem("x"));
                }
            }
            Ok(_) => {}
            Err(problems) => {
                prop_assert!(!problems.is_empty());
                for problem in problems {
                    prop_assert!(!problem.render(&|path| path.display().to_string()).is_empty());
                }
            }
        }
    }

    #[test]
    fn no_text_makes_settings_or_a_table_panic(text in "(\\PC|\n){0,60}", key in "[a-z-]{1,8}", value in "[\\[\\]{}\"a-z0-9.,= ]{0,12}") {
        for text in [text, format!("{key} = {value}\n[{key}]\n{value} = {key}\n[arch.amd64]\n{key} = {value}\n")] {
            let source = Source::new("x.toml", text);
            if let Ok(layer) = Layer::parse(&source) {
                let _ = Config::read(&[layer], &Overrides::default(), &NoInputs);
            }
            let _ = ArchMap::builtin().with_overlay(&source);
        }
    }

    /// Tags are replaced and every other byte stays: line endings, blanks at line ends, the missing final newline.
    #[test]
    fn handlebars_keeps_every_byte_around_its_tags(parts in prop::collection::vec(plain_text(), 1..6)) {
        // A lone backslash before a tag is the escape, and two are one: keep it out of this property.
        let parts: Vec<String> = parts.iter().map(|part| part.trim_end_matches(['\\', '{']).trim_start_matches('}').to_string()).collect();
        let template = parts.join("{{arch}}");
        prop_assume!(template.contains("{{arch}}") && !parts.concat().contains("{{"));
        let config = config("arches = [\"amd64\"]\ndialect = \"handlebars\"\n");
        let source = Source::new("Dockerfile.cross", template.as_str());
        let Parsed::Template(parsed) = expand::parse(&source, &config, &NoPartials).unwrap() else {
            panic!("{template:?}");
        };
        prop_assert_eq!(parsed.dialect(), Dialect::Handlebars);
        let cell = &config.cells(&config.arches)[0];
        let rendered = parsed.render(&config.context(cell).unwrap()).unwrap();
        prop_assert_eq!(rendered, template.replace("{{arch}}", "amd64"));
    }
}

proptest! {
    #![proptest_config(settings(24))]

    /// The whole way on a random tree: check after generate is clean, the second run writes nothing, and the patch
    /// of `--diff` makes of what was there exactly what generate makes.
    #[test]
    fn a_diff_is_a_patch_and_a_second_run_changes_nothing(
        texts in prop::collection::vec(plain_text(), 3),
        old in prop::collection::vec(prop::option::of(plain_text()), 3),
        header in any::<bool>(),
    ) {
        let folders = ["a", "b c", "d/ü\"e"];
        let header_line = "# Generated from Dockerfile.cross by crossfile. Do not edit; to make it again: crossfile generate\n";
        let build = || {
            let scratch = Scratch::new();
            scratch.program("git", &["init", "-q"]).succeeds();
            scratch.write("crossfile.toml", format!("arches = [\"amd64\", \"arm64v8\"]\nheader = {header}\n"));
            for ((folder, text), old) in folders.iter().zip(&texts).zip(&old) {
                scratch.write(&format!("{folder}/Dockerfile.cross"), format!("FROM __ARCH__\n{text}"));
                if let Some(old) = old {
                    scratch.write(&format!("{folder}/Dockerfile.amd64"), format!("{header_line}{old}"));
                    scratch.write(&format!("{folder}/Dockerfile.s390x"), format!("{header_line}{old}"));
                }
            }
            scratch
        };
        let patched = build();
        let diff = patched.run(&["generate", "--diff"]);
        prop_assert_eq!(diff.status, 1);
        patched.write(".git/patch", &diff.stdout);
        patched.program("git", &["apply", "--whitespace=nowarn", ".git/patch"]).succeeds();

        let generated = build();
        generated.run(&["generate", "--prune"]).succeeds();
        prop_assert_eq!(patched.files(), generated.files());
        let before = generated.files();
        generated.run(&["generate", "--check"]).succeeds();
        prop_assert_eq!(generated.run(&["generate", "--diff"]).stdout, "");
        let again = generated.run(&["generate"]).succeeds();
        prop_assert_eq!(again.stdout, "");
        prop_assert_eq!(generated.files(), before);
    }
}

/// A patch made in a subfolder names paths from the top of the repository, as git wants them.
#[test]
fn a_diff_made_in_a_subfolder_applies_there() {
    let scratch = Scratch::with(&[("sub/in/Dockerfile.cross", "FROM __ARCH__\n")]);
    scratch.program("git", &["init", "-q"]).succeeds();
    let diff = scratch.run_in("sub/in", &["generate", "--arch", "amd64", "--diff"]);
    scratch.write("patch", &diff.stdout);
    scratch
        .program("git", &["-C", "sub/in", "apply", "../../patch"])
        .succeeds();
    scratch
        .run_in("sub", &["generate", "--arch", "amd64", "--stdout", "in"])
        .succeeds();
    assert!(
        scratch
            .read("sub/in/Dockerfile.amd64")
            .ends_with("FROM amd64\n")
    );
}
