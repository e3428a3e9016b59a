use super::*;

fn values(text: &str) -> Vec<(String, String)> {
    let (variables, problems) = read(&Source::new("build.config", text));
    assert_eq!(problems, [], "{text}");
    let pairs = variables.into_iter();
    pairs
        .map(|found| (found.name.value, found.text.unwrap().value()))
        .collect()
}

fn value(text: &str) -> String {
    values(text).pop().unwrap().1
}

/// Each problem's line, column, text and message.
fn problems(text: &str) -> Vec<String> {
    let (_, problems) = read(&Source::new("build.config", text));
    let lines = problems.iter().map(|problem| {
        let (line, column) = problem.place.line_column();
        format!(
            "{line}:{column} {}: {}",
            problem.place.text(),
            problem.message
        )
    });
    lines.collect()
}

#[test]
fn words_are_quoted_as_in_a_shell() {
    assert_eq!(value("A=amd64"), "amd64");
    assert_eq!(value("A=\"amd64 arm64v8\""), "amd64 arm64v8");
    assert_eq!(value("A='a $B `c`'"), "a $B `c`");
    assert_eq!(value("A=a\"b\"'c'\\ d"), "abc d");
    assert_eq!(value("A=\"\\$x \\\"y\\\" \\z \\\\\""), "$x \"y\" \\z \\");
    assert_eq!(value("A=\"a \\\n b\""), "a  b");
    assert_eq!(value("A=a\\\nb"), "ab");
    assert_eq!(value("A=\"a\nb\""), "a\nb");
    assert_eq!(value("A="), "");
    assert_eq!(value("A=1$"), "1$");
    assert_eq!(value("A=a#b # c"), "a#b");
    assert_eq!(value("A=ä'ö'"), "äö");
}

#[test]
fn lines_and_comments() {
    let text = "#!/bin/sh\n# A=0\n\n  export A=1 B=2 # x\nexport A\nC=3; D=4\r\nA=5\n";
    let wanted = [("A", "5"), ("B", "2"), ("C", "3"), ("D", "4")];
    let wanted = wanted.map(|(name, value)| (name.to_string(), value.to_string()));
    assert_eq!(values(text), wanted);
}

#[test]
fn references_take_what_was_set_earlier() {
    assert_eq!(value("A=1\nB=$A.${A}_\"$A\"'$A'\nA=2\nC=$B$A"), "1.1_1$A2");
    assert_eq!(
        problems("A=$B\nB=1\nC=${B}${Bb}"),
        [
            "1:3 $B: `B` is not set earlier in the file",
            "3:7 ${Bb}: `Bb` is not set earlier in the file"
        ]
    );
}

#[test]
fn what_would_have_to_be_executed_is_a_problem() {
    for (text, at) in [
        ("A=$(date)", "1:3 $(date): "),
        ("A=\"v$(echo \")\")\"", "1:5 $(echo \")\"): "),
        ("A=`date`", "1:3 `date`: "),
        ("A=$((1 + 2))", "1:3 $((1 + 2)): "),
        ("A=${B:-y}", "1:3 ${B:-y}: "),
        ("A=${B:-${C}}", "1:3 ${B:-${C}}: "),
        ("A=$1", "1:3 $1: "),
        ("A=$'x'", "1:3 $'x': "),
        ("A=(a b)", "1:3 (a b): "),
        ("A+=b", "1:1 A+=b: "),
        ("A[0]=b", "1:1 A[0]=b: "),
        ("A=~/x", "1:3 ~: "),
        ("A=a|b", "1:4 |: "),
        ("A=a b", "1:5 b: "),
        ("A = a", "1:1 A: "),
        ("source x", "1:1 source: "),
        ("[ -z \"$A\" ] && A=1", "1:1 [: "),
        ("if true; then A=1; else A=2; fi", "1:1 if: "),
        ("f() {\n  A=1\n}", "1:1 f() {: "),
        ("function f {\n  A=1\n}", "1:1 function f {: "),
        ("case x in\n a) A=1;;\nesac", "1:1 case: "),
        ("A=\"b\n\n", "1:3 \"b: "),
        ("A='b", "1:3 'b: "),
        ("A=`b", "1:3 `b: "),
        ("A=$(b", "1:3 $(b: "),
        ("A=${b", "1:3 ${b: "),
    ] {
        let found = problems(text);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert!(found[0].starts_with(at), "{text}: {found:?}");
    }
}

#[test]
fn reading_goes_on_after_a_problem() {
    let text = "A=$(x)\nB=$A\nif [ x ]; then\n  for i in 1; do C=1; done\nfi\nD=$C\nE=`y`; F=$G\n";
    let found = problems(text);
    let places: Vec<_> = found.iter().map(|f| f.split(' ').next().unwrap()).collect();
    assert_eq!(places, ["1:3", "3:1", "7:3", "7:10"]);
}

#[test]
fn a_block_without_an_end_hides_nothing() {
    let found = problems("if x\nA=$(y)\n");
    assert_eq!(found.len(), 2, "{found:?}");
}

proptest::proptest! {
    #[test]
    fn no_input_panics_or_hangs(text in "[ \t\r\nA=\"'`$(){}\\[\\];&|#~\\\\ifdonecasä1]{0,60}") {
        let _ = read(&Source::new("build.config", text));
    }
}
