//! Instructions as BuildKit reads them: continuations, comments inside them, heredocs, JSON forms, other escapes.

use crossfile::dockerfile::{Instruction, instructions};

fn shown(text: &str) -> Vec<String> {
    let show = |instruction: &Instruction| {
        let words: Vec<&str> = instruction
            .words
            .iter()
            .map(|word| word.text.as_str())
            .collect();
        let end = match instruction.unfinished {
            Some(_) => " …",
            None => "",
        };
        format!("{} [{}]{end}", instruction.name, words.join("|"))
    };
    for instruction in instructions(text) {
        for word in &instruction.words {
            assert!(
                text[word.span.clone()].contains(&word.text),
                "{word:?} is not where it says"
            );
        }
    }
    instructions(text).iter().map(show).collect()
}

#[test]
fn comments_and_blank_lines_do_not_end_a_continued_instruction() {
    let text = "# syntax=docker/dockerfile:1\n\n# c\nfrom a \\ \n  # why\n\n  AS b\nRUN x\n";
    assert_eq!(shown(text), ["FROM [a|AS|b]", "RUN [x]"]);
}

#[test]
fn a_continuation_swallows_the_instruction_behind_it() {
    let text = "RUN apk add \\\nCMD [\"x\"]\n";
    assert_eq!(shown(text), ["RUN [apk|add|CMD|[\"x\"]]"]);
    assert_eq!(instructions(text)[0].lines.len(), 2);
}

#[test]
fn the_file_may_end_before_the_instruction() {
    assert_eq!(shown("RUN a \\\n\n# c\n"), ["RUN [a] …"]);
    assert_eq!(shown("RUN a \\"), ["RUN [a] …"]);
    assert_eq!(shown("RUN a"), ["RUN [a]"]);
}

#[test]
fn heredocs_are_no_instructions() {
    let text = "RUN <<EOF cat && <<-'X' cat\nFROM no\nEOF\nFROM no\n\tX\nCOPY <<a.b /x\nFROM no\na.b\nFROM yes\n";
    assert_eq!(
        shown(text),
        [
            "RUN [<<EOF|cat|&&|<<-'X'|cat]",
            "COPY [<<a.b|/x]",
            "FROM [yes]"
        ]
    );
    assert_eq!(
        shown("RUN cat <<< EOF\nFROM a\n"),
        ["RUN [cat|<<<|EOF]", "FROM [a]"]
    );
}

#[test]
fn the_escape_directive_is_followed() {
    let text = "# escape=`\nFROM a\nCOPY c:\\ d:\\\nRUN dir `\n  /b\n";
    assert_eq!(
        shown(text),
        ["FROM [a]", "COPY [c:\\|d:\\]", "RUN [dir|/b]"]
    );
}

#[test]
fn json_forms_and_flags() {
    let text =
        "COPY --from=b --chown=1 [\"a b\", \"/c\"]\nCOPY [ not json ] /\nLABEL a=\"x y\" 'b c'\n";
    assert_eq!(
        shown(text),
        [
            "COPY [--from=b|--chown=1|a b|/c]",
            "COPY [[|not|json|]|/]",
            "LABEL [a=\"x y\"|b c]"
        ]
    );
    let copy = &instructions(text)[0];
    assert_eq!(copy.flag("from").map(|(value, _)| value), Some("b"));
    let sources: Vec<&str> = copy
        .sources()
        .iter()
        .map(|word| word.text.as_str())
        .collect();
    assert_eq!(sources, ["a b"]);
}

#[test]
fn windows_line_endings() {
    assert_eq!(
        shown("FROM a\r\nRUN b \\\r\n  c\r\n"),
        ["FROM [a]", "RUN [b|c]"]
    );
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in "(FROM a|RUN <<E|E|COPY \\[\"a\"|\\\\|`|# escape=`|#|\"|'|\n|\r\n| |é){0,40}") {
        let found = instructions(&text);
        for instruction in &found {
            proptest::prop_assert!(instruction.span.end <= text.len());
        }
    }
}
