//! What `{{case}}` writes, run by a shell: each architecture gets its own values, by every word that means it, and nothing else does.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot run a shell should panic"
)]

use std::process::Command;

use crossfile::arch::cases::{Subject, branches};
use crossfile::{
    ArchMap, ArchName, Config, Layer, NoInputs, NoPartials, Overrides, Parsed, Source, expand,
};

/// A value that a shell would take apart if it were not quoted.
fn value(arch: &str) -> String {
    format!("{arch} 'x' \"$(y)\" *;&#")
}

/// The Dockerfile's `RUN` without the instruction: what the shell gets.
fn script(arches: &[ArchName], subject: Subject, how: &str) -> String {
    let list: Vec<String> = arches
        .iter()
        .map(|arch| format!("{:?}", arch.as_str()))
        .collect();
    let column: String = arches
        .iter()
        .map(|arch| format!("{arch} = {:?}\n", value(arch.as_str())))
        .collect();
    let settings = format!("arches = [{}]\n[columns.own]\n{column}", list.join(", "));
    let layer = Layer::parse(&Source::new("crossfile.toml", settings)).unwrap();
    let config = Config::read(&[layer], &Overrides::default(), &NoInputs).unwrap();
    let subject = subject.as_str();
    let template = match how {
        "case" => format!("RUN {{{{case \"{subject}\" own}}}}; \\\n    printf %s \"$own\"\n"),
        _ => format!(
            "RUN own=; case \"$1\" in \\\n{{{{#each arches}}}}\n  {{{{words \"{subject}\"}}}}) own={{{{quote own}}}};; \\\n{{{{/each}}}}\nesac; printf %s \"$own\"\n"
        ),
    };
    let source = Source::new("Dockerfile.cross", template);
    let Parsed::Template(template) = expand::parse(&source, &config, &NoPartials).unwrap() else {
        panic!("no template");
    };
    let cells = config.cells(&config.arches);
    let text = template
        .render(&config.context(&cells[0]).unwrap())
        .unwrap();
    text.strip_prefix("RUN ").unwrap().to_string()
}

/// Runs a script on a system that says `word` of itself.
fn run(script: &str, word: &str) -> (Option<i32>, String) {
    let prelude = "uname() { [ \"$*\" = -m ] && echo \"$WORD\"; }\n\
                   dpkg() { [ \"$*\" = --print-architecture ] && echo \"$WORD\"; }\n\
                   apk() { [ \"$*\" = --print-arch ] && echo \"$WORD\"; }\nset -eu\n";
    // BuildKit says one word in two variables.
    let variant = word.find('v').filter(|at| word[..*at].starts_with("a"));
    let (arch, variant) = word.split_at(variant.unwrap_or(word.len()));
    let output = Command::new("sh")
        .args(["-c", &format!("{prelude}{script}"), "sh", word])
        .env("WORD", word)
        .env("TARGETARCH", arch)
        .env("TARGETVARIANT", variant)
        .output()
        .unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stdout).unwrap(),
    )
}

#[test]
fn each_architecture_gets_its_own_values() {
    let sets: [(&[&str], &[Subject]); 4] = [
        (
            &[
                "amd64", "arm32v7", "arm64v8", "i386", "ppc64le", "riscv64", "s390x",
            ],
            Subject::ALL,
        ),
        (
            &["arm32v5", "mips64le"],
            &[Subject::TargetArch, Subject::Uname, Subject::Dpkg],
        ),
        (
            &["arm32v6", "arm64v8"],
            &[Subject::TargetArch, Subject::Uname, Subject::Apk],
        ),
        (
            &["amd64v3", "amd64", "arm32v6", "arm32v7"],
            &[Subject::TargetArch],
        ),
    ];
    for (names, subjects) in sets {
        let arches: Vec<ArchName> = names.iter().map(|name| ArchName::new(name)).collect();
        for subject in subjects {
            let found = branches(&ArchMap::builtin(), *subject, &arches).unwrap();
            assert_eq!(found.len(), arches.len());
            for how in ["case", "words"] {
                let script = script(&arches, *subject, how);
                for branch in &found {
                    for word in &branch.words {
                        let expected = (Some(0), value(branch.arch.as_str()));
                        assert_eq!(run(&script, word), expected, "{word}\n{script}");
                    }
                }
            }
            let script = script(&arches, *subject, "case");
            for word in ["", "sparc", "arm", "amd64v9"] {
                assert_eq!(
                    run(&script, word),
                    (Some(1), String::new()),
                    "{word}\n{script}"
                );
            }
        }
    }
}
