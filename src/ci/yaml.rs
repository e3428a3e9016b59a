//! YAML as people write it: a small tree, written in blocks, with comments. Nothing reads it here: the services do.
//!
//! A text stands bare only where every reader, of YAML 1.1 or 1.2, takes it for that text; else it is quoted.

/// Something to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Map(Vec<Entry>),
    List(Vec<Node>),
    /// A text, quoted where that is needed.
    Text(String),
    /// What is no text, or must stand as it is: `true`, `30`, `pull_request` without a value.
    Raw(&'static str),
    /// A text of several lines, in a block where that keeps it.
    Lines(String),
}

/// A key with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    key: String,
    value: Node,
    above: Option<&'static str>,
    behind: Option<String>,
    apart: bool,
}

pub(super) fn entry(key: &str, value: impl Into<Node>) -> Entry {
    Entry {
        key: key.to_string(),
        value: value.into(),
        above: None,
        behind: None,
        apart: false,
    }
}

impl Entry {
    /// With a comment in the line above.
    pub(super) fn above(self, comment: &'static str) -> Entry {
        Entry {
            above: Some(comment),
            ..self
        }
    }

    /// With a comment behind it.
    pub(super) fn behind(self, comment: &str) -> Entry {
        Entry {
            behind: Some(comment.to_string()),
            ..self
        }
    }

    /// With an empty line before it.
    pub(super) fn apart(self) -> Entry {
        Entry {
            apart: true,
            ..self
        }
    }
}

impl From<&str> for Node {
    fn from(text: &str) -> Node {
        Node::Text(text.to_string())
    }
}

impl From<String> for Node {
    fn from(text: String) -> Node {
        Node::Text(text)
    }
}

impl From<bool> for Node {
    fn from(value: bool) -> Node {
        Node::Raw(if value { "true" } else { "false" })
    }
}

impl From<Vec<Entry>> for Node {
    fn from(entries: Vec<Entry>) -> Node {
        Node::Map(entries)
    }
}

impl From<Vec<Node>> for Node {
    fn from(items: Vec<Node>) -> Node {
        Node::List(items)
    }
}

/// A list of texts.
pub(super) fn texts<T: AsRef<str>>(items: impl IntoIterator<Item = T>) -> Node {
    let items = items.into_iter();
    Node::List(items.map(|item| Node::from(item.as_ref())).collect())
}

/// Commands: one line, or a block of several.
pub(super) fn lines<T: AsRef<str>>(lines: &[T]) -> Node {
    let lines: Vec<&str> = lines.iter().map(AsRef::as_ref).collect();
    let text = lines.join("\n");
    match text.contains('\n') {
        true => Node::Lines(text + "\n"),
        false => Node::Text(text),
    }
}

/// The whole document.
pub(super) fn write(entries: &[Entry]) -> String {
    let mut out = String::new();
    map(&mut out, entries, 0, false);
    out
}

/// `inline`: the first key goes on in the line that is begun.
fn map(out: &mut String, entries: &[Entry], indent: usize, inline: bool) {
    for (at, entry) in entries.iter().enumerate() {
        if !(inline && at == 0) {
            if entry.apart {
                out.push('\n');
            }
            if let Some(comment) = entry.above {
                for line in comment.lines() {
                    out.push_str(&format!("{:indent$}# {line}\n", ""));
                }
            }
            out.push_str(&" ".repeat(indent));
        }
        out.push_str(&scalar(&entry.key));
        out.push(':');
        value(out, &entry.value, indent, entry.behind.as_deref());
    }
}

fn value(out: &mut String, node: &Node, indent: usize, behind: Option<&str>) {
    let comment = behind.map(|text| format!(" # {text}")).unwrap_or_default();
    match node {
        Node::Map(entries) if !entries.is_empty() => {
            out.push_str(&format!("{comment}\n"));
            map(out, entries, indent + 2, false);
        }
        Node::List(items) if !items.is_empty() => {
            out.push_str(&format!("{comment}\n"));
            list(out, items, indent + 2);
        }
        Node::Raw("") => out.push_str(&format!("{comment}\n")),
        Node::Lines(text) if is_block(text) => {
            out.push_str(&format!(" |{comment}\n"));
            block(out, text, indent + 2);
        }
        other => out.push_str(&format!(" {}{comment}\n", in_line(other))),
    }
}

fn list(out: &mut String, items: &[Node], indent: usize) {
    for item in items {
        out.push_str(&format!("{:indent$}-", ""));
        match item {
            Node::Map(entries) if !entries.is_empty() => {
                out.push(' ');
                map(out, entries, indent + 2, true);
            }
            Node::List(items) if !items.is_empty() => {
                out.push('\n');
                list(out, items, indent + 2);
            }
            other => value(out, other, indent, None),
        }
    }
}

fn in_line(node: &Node) -> String {
    match node {
        Node::Map(_) => "{}".to_string(),
        Node::List(_) => "[]".to_string(),
        Node::Text(text) | Node::Lines(text) => scalar(text),
        Node::Raw(text) => (*text).to_string(),
    }
}

fn block(out: &mut String, text: &str, indent: usize) {
    for line in text.lines() {
        match line.is_empty() {
            true => out.push('\n'),
            false => out.push_str(&format!("{:indent$}{line}\n", "")),
        }
    }
}

/// Whether a block keeps a text: one final line end, no line at the top that begins with a blank, and nothing that no stream of
/// YAML may hold as it is.
fn is_block(text: &str) -> bool {
    let ends_once = text.ends_with('\n') && !text.ends_with("\n\n");
    let first = text.lines().next().unwrap_or_default();
    let plain = |c: char| c == '\n' || is_printable(c);
    ends_once && !first.is_empty() && !first.starts_with([' ', '\t']) && text.chars().all(plain)
}

/// Source: YAML 1.2.2, 5.1 "Character Set", without what YAML 1.1 takes for line ends, and without the byte-order mark.
fn is_printable(c: char) -> bool {
    let odd = ['\u{85}', '\u{2028}', '\u{2029}', '\u{feff}'];
    c == '\t'
        || (c >= ' '
            && c != '\u{7f}'
            && !('\u{80}'..='\u{9f}').contains(&c)
            && !odd.contains(&c)
            && !('\u{fffe}'..='\u{ffff}').contains(&c))
}

/// A text in one line: bare, or in double quotes.
fn scalar(text: &str) -> String {
    if is_bare(text) {
        return text.to_string();
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_printable(c) => out.push(c),
            c if u32::from(c) <= 0xff => out.push_str(&format!("\\x{:02X}", u32::from(c))),
            c if u32::from(c) <= 0xffff => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push_str(&format!("\\U{:08X}", u32::from(c))),
        }
    }
    out.push('"');
    out
}

/// Words that some reader takes for no text.
const WORDS: &[&str] = &[
    "y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf",
];

fn is_bare(text: &str) -> bool {
    let mut chars = text.chars();
    let begins = match (chars.next(), chars.next()) {
        // `.5` is a number, `.inf` too, and `~` alone is nothing.
        (Some('.'), Some(second)) => second.is_ascii_alphabetic(),
        (Some('~'), second) => second == Some('/'),
        (Some(first), _) => first.is_ascii_alphabetic() || "$/_".contains(first),
        (None, _) => false,
    };
    let inner = |c: char| c.is_ascii_graphic() || c == ' ';
    // `on:` of GitHub is a key that every reader there takes for a text.
    let lower = text.trim_start_matches('.').to_ascii_lowercase();
    let word = text != "on" && WORDS.contains(&lower.as_str());
    begins
        && text.chars().all(inner)
        && !word
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.contains(" #")
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test that cannot read what was written should panic"
)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_stand_bare_where_nobody_takes_them_for_more() {
        for (text, wanted) in [
            (
                "crossfile build --arch \"$ARCH\"",
                "crossfile build --arch \"$ARCH\"",
            ),
            ("${{ matrix.arch }}", "${{ matrix.arch }}"),
            ("yes", "\"yes\""),
            ("Off", "\"Off\""),
            ("1.27", "\"1.27\""),
            ("", "\"\""),
            ("a: b", "\"a: b\""),
            ("a #b", "\"a #b\""),
            ("- a", "\"- a\""),
            ("*", "\"*\""),
            ("a\"b\\c\n\u{1}\u{2028}", "\"a\\\"b\\\\c\\n\\x01\\u2028\""),
            (".docker", ".docker"),
            (".inf", "\".inf\""),
            (".5", "\".5\""),
            ("~/.crossfile", "~/.crossfile"),
            ("~", "\"~\""),
            ("größe", "\"größe\""),
        ] {
            assert_eq!(scalar(text), wanted);
        }
    }

    /// What a program that had no part in this reads.
    fn read(text: &str) -> Node {
        use saphyr::{LoadableYamlNode, ScalarOwned, YamlOwned};
        fn node(yaml: &YamlOwned) -> Node {
            match yaml {
                YamlOwned::Value(ScalarOwned::String(text)) => Node::Text(text.clone()),
                YamlOwned::Sequence(items) => Node::List(items.iter().map(node).collect()),
                YamlOwned::Mapping(entries) => Node::Map(
                    entries
                        .iter()
                        .map(|(key, value)| match node(key) {
                            Node::Text(key) => entry(&key, node(value)),
                            other => panic!("{other:?}"),
                        })
                        .collect(),
                ),
                other => panic!("{other:?}"),
            }
        }
        let documents = YamlOwned::load_from_str(text).unwrap();
        assert_eq!(documents.len(), 1);
        node(&documents[0])
    }

    fn nasty() -> impl Strategy<Value = String> {
        let parts = prop::sample::select(vec![
            "${{",
            "}}",
            ": ",
            " #",
            "'",
            "\"",
            "\\",
            "\n",
            " ",
            "- ",
            "yes",
            "null",
            "~",
            "1.0",
            "0x1",
            "|",
            ">",
            "&a",
            "*a",
            "!!int ",
            "%",
            "@",
            "`",
            "{",
            "]",
            ",",
            "?",
            "\t",
            "\r",
            "\u{85}",
            "\u{feff}",
            "\u{1}",
            "é",
            "\u{1f600}",
            "---",
            "...",
            "a",
            "$HOME",
        ]);
        let made = prop::collection::vec(parts, 0..6).prop_map(|parts| parts.concat());
        prop_oneof![made, any::<String>()]
    }

    proptest! {
        #[test]
        fn every_text_is_read_back(texts in prop::collection::vec(nasty(), 1..5)) {
            let items: Vec<Node> = texts.iter().map(|text| Node::Text(text.clone())).collect();
            let blocks: Vec<Node> = texts.iter().map(|text| Node::Lines(text.clone())).collect();
            // A key is a line, and the writer gives none twice.
            let keys: Vec<Entry> = texts.iter().enumerate()
                .map(|(at, text)| entry(&format!("{at}{text}"), Node::Text(text.clone())))
                .collect();
            let tree = |blocks: Vec<Node>| vec![
                entry("texts", items.clone()),
                entry("blocks", blocks).behind("v1"),
                entry("keys", keys.clone()),
            ];
            prop_assert_eq!(read(&write(&tree(blocks))), Node::Map(tree(items.clone()).into_iter().map(|entry| Entry { behind: None, ..entry }).collect()));
        }
    }

    #[test]
    fn a_tree_is_written_in_blocks() {
        let tree = [
            entry("name", "crossfile").above("Why."),
            entry("on", vec![entry("pull_request", Node::Raw(""))]).apart(),
            entry("empty", Node::List(Vec::new())),
            entry(
                "steps",
                vec![
                    Node::Map(vec![
                        entry("uses", "a@b").behind("v1"),
                        entry("run", lines(&["a", "b"])),
                    ]),
                    lines(&["one", "", " two"]),
                    lines(&[" one", "two"]),
                    Node::List(vec!["x".into()]),
                ],
            ),
        ];
        let wanted = "# Why.\nname: crossfile\n\non:\n  pull_request:\nempty: []\nsteps:\n  - uses: a@b # v1\n    run: |\n      a\n      b\n  - |\n    one\n\n     two\n  - \" one\\ntwo\\n\"\n  -\n    - x\n";
        assert_eq!(write(&tree), wanted);
    }
}
