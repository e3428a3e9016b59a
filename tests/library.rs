//! crossfile as another tool uses it: its own settings, its own partials, no disk, no command.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot read its own text should panic"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crossfile::{
    Code, Config, Diagnostic, Expander, Inputs, Layer, Overrides, Parsed, Partials, Project,
    Selection, Source, Status, WriteOptions, expand,
};

/// Files and an environment in memory.
#[derive(Default)]
struct Memory(BTreeMap<&'static str, &'static str>);

impl Inputs for Memory {
    fn env(&self, name: &str) -> Option<String> {
        (name == "SHA").then(|| "abc".to_string())
    }

    fn file(&self, path: &Path) -> Result<Arc<Source>, Diagnostic> {
        let text = path.to_str().and_then(|path| self.0.get(path));
        let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
        let text = text.ok_or_else(|| Diagnostic::io(path, "read the file", &missing))?;
        Ok(Source::new(path, *text))
    }
}

impl Partials for Memory {
    fn load(&self, name: &str) -> Result<Option<Arc<Source>>, Diagnostic> {
        Ok(self.0.get(name).map(|text| Source::new(name, *text)))
    }

    fn names(&self) -> Vec<String> {
        self.0.keys().map(|name| (*name).to_string()).collect()
    }
}

fn config(text: &str, inputs: &dyn Inputs) -> Result<Config, Vec<Diagnostic>> {
    let layer = Layer::parse(&Source::new("crossfile.toml", text))?;
    Config::read(&[layer], &Overrides::default(), inputs)
}

#[test]
fn everything_from_memory() {
    let memory = Memory(BTreeMap::from([
        (
            "versions.json",
            r#"{ "version": "3.22", "packages": ["curl", "git"] }"#,
        ),
        ("install", "RUN apk add {{join packages \" \"}} # {{sha}}\n"),
    ]));
    let text = "arches = [\"amd64\", \"arm32v6\"]\nvars-file = \"versions.json\"\n[vars]\nsha = { env = \"SHA\" }\n";
    let config = config(text, &memory).unwrap();
    let source = Source::new(
        "app/Dockerfile.cross",
        "FROM {{arch}}/alpine:{{version}}\n{{> install}}\n",
    );
    let Parsed::Template(template) = expand::parse(&source, &config, &memory).unwrap() else {
        panic!("it is a template");
    };
    assert!(template.names().contains("packages"));
    let expander = Expander::new(&config, &config.arches);
    let rendered = expander
        .expand(Path::new("app/Dockerfile.cross"), &template)
        .unwrap();
    let paths: Vec<_> = rendered
        .iter()
        .map(|file| file.path.to_str().unwrap())
        .collect();
    assert_eq!(paths, ["app/Dockerfile.amd64", "app/Dockerfile.arm32v6"]);
    let template_of = crossfile::template_of(&rendered[1].text);
    assert_eq!(template_of, Some("Dockerfile.cross"));
    assert!(
        rendered[1]
            .text
            .ends_with("FROM arm32v6/alpine:3.22\nRUN apk add curl git # abc\n")
    );
}

#[test]
fn problems_are_data() {
    let problems = config("arches = [\"armv7l\"]\nhots = 1\n", &Memory::default()).unwrap_err();
    let codes: Vec<Code> = problems.iter().map(|problem| problem.code).collect();
    assert_eq!(codes, [Code::UnknownArch, Code::UnknownKey]);
    assert_eq!(problems[0].place.text(), "\"armv7l\"");
    assert_eq!(problems[1].place.line_column(), (2, 1));
    assert_eq!(problems[1].help.as_deref(), Some("did you mean `host`?"));
}

#[test]
fn a_tree_on_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("Dockerfile.cross"), "FROM __ARCH__\n").unwrap();
    let paths: [PathBuf; 1] = [folder.path().to_path_buf()];
    let project = Project::open(&paths, &Overrides::default(), &Memory::default());
    assert_eq!(project.candidates().count(), 1);
    let expansion = project.expand(&Selection::default());
    let statuses: Vec<Status> = expansion
        .outcomes
        .iter()
        .map(|outcome| outcome.status)
        .collect();
    assert_eq!(statuses, [Status::Missing; 3]);

    let options = |cancelled| WriteOptions {
        force: false,
        prune: false,
        cancelled,
    };
    let stopped = expansion.write(&options(&|| true));
    assert_eq!(stopped.done, []);
    let written = expansion.write(&options(&|| false));
    assert_eq!(written.done.len(), 3);
    assert_eq!(written.problems, []);
    assert!(project.expand(&Selection::default()).is_clean());
}

/// Codes are names that people write into settings and searches: short, unique, and never renamed by accident.
#[test]
fn codes_are_unique_names() {
    let mut names: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Code::ALL.len());
    for code in Code::ALL {
        assert!(
            code.as_str()
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'-' || byte.is_ascii_digit())
        );
        assert!(code.meaning().ends_with('.'));
    }
}
