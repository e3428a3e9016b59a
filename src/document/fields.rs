//! Reading the keys of one table: each is asked for once, by a declaration, and what nobody asked for is reported.

use super::{Located, Node, NodeValue, Table};
use crate::diagnostic::{Code, Diagnostic, closest};
use crate::keys::{Keys, Kind};

/// Reads the declared keys of one table; a key that is not declared is reported by [`Fields::finish`].
///
/// Declarations and reading cannot drift apart: a debug build panics where a key is asked for that is not declared with
/// that type, and where a declared key was never asked for.
pub struct Fields<'a, 'p> {
    table: &'a Table,
    keys: &'static Keys,
    asked: Vec<&'static str>,
    /// What went wrong so far.
    pub problems: &'p mut Vec<Diagnostic>,
}

impl<'a, 'p> Fields<'a, 'p> {
    /// Starts reading `table`; problems go to `problems`.
    pub fn new(table: &'a Table, keys: &'static Keys, problems: &'p mut Vec<Diagnostic>) -> Self {
        Fields {
            table,
            keys,
            asked: Vec::new(),
            problems,
        }
    }

    /// The value of `key`, whatever it is.
    pub fn node(&mut self, key: &'static str) -> Option<&'a Node> {
        self.ask(key, |_| true)
    }

    fn ask(&mut self, key: &'static str, fits: impl FnOnce(&Kind) -> bool) -> Option<&'a Node> {
        debug_assert!(
            self.keys.get(key).is_some_and(|key| fits(&key.kind)),
            "`{key}` is not declared so"
        );
        self.asked.push(key);
        self.table.get(key)
    }

    fn typed<T>(
        &mut self,
        key: &'static str,
        fits: impl FnOnce(&Kind) -> bool,
        wanted: &str,
        read: impl FnOnce(&'a Node) -> Option<T>,
    ) -> Option<Located<T>> {
        let node = self.ask(key, fits)?;
        match read(node) {
            Some(value) => Some(Located::new(value, node.place.clone())),
            None => {
                self.problems.push(node.expected(key, wanted));
                None
            }
        }
    }

    /// A string.
    pub fn string(&mut self, key: &'static str) -> Option<Located<String>> {
        let fits = |kind: &Kind| matches!(kind, Kind::String | Kind::Word(_) | Kind::Arch);
        self.typed(key, fits, "a string", |node| match &node.value {
            NodeValue::String(text) => Some(text.clone()),
            _ => None,
        })
    }

    /// True or false.
    pub fn bool(&mut self, key: &'static str) -> Option<Located<bool>> {
        let fits = |kind: &Kind| matches!(kind, Kind::Bool);
        self.typed(key, fits, "true or false", |node| match node.value {
            NodeValue::Bool(value) => Some(value),
            _ => None,
        })
    }

    /// A whole number.
    pub fn integer(&mut self, key: &'static str) -> Option<Located<i64>> {
        let fits = |kind: &Kind| matches!(kind, Kind::Integer);
        self.typed(key, fits, "a whole number", |node| match node.value {
            NodeValue::Integer(value) => Some(value),
            _ => None,
        })
    }

    /// A table.
    pub fn table(&mut self, key: &'static str) -> Option<&'a Table> {
        let fits = |kind: &Kind| matches!(kind, Kind::Table(_));
        let located = self.typed(key, fits, "a table", |node| match &node.value {
            NodeValue::Table(table) => Some(table),
            _ => None,
        });
        located.map(|located| located.value)
    }

    /// A list of strings.
    pub fn strings(&mut self, key: &'static str) -> Option<Vec<Located<String>>> {
        self.strings_where(key, "a list of strings", |kind| match kind {
            Kind::List(item) => matches!(item, Kind::String | Kind::Word(_) | Kind::Arch),
            _ => false,
        })
    }

    fn strings_where(
        &mut self,
        key: &'static str,
        wanted: &str,
        fits: impl FnOnce(&Kind) -> bool,
    ) -> Option<Vec<Located<String>>> {
        let list = self.typed(key, fits, wanted, |node| match &node.value {
            NodeValue::Array(_) => Some(node),
            _ => None,
        })?;
        list.value.strings(key, self.problems)
    }

    /// A string, or a list of strings.
    pub fn string_or_strings(&mut self, key: &'static str) -> Option<Vec<Located<String>>> {
        let fits = |kind: &Kind| matches!(kind, Kind::OneOrList(Kind::String | Kind::Arch));
        match self.table.get(key) {
            Some(Node {
                value: NodeValue::String(text),
                place,
            }) => {
                self.ask(key, fits);
                Some(vec![Located::new(text.clone(), place.clone())])
            }
            _ => self.strings_where(key, "a string, or a list of strings", fits),
        }
    }

    /// `true`, which is no list, or a list of strings.
    pub fn true_or_strings(&mut self, key: &'static str, of: &str) -> Option<TrueOrStrings> {
        let fits = |kind: &Kind| matches!(kind, Kind::TrueOrList(_));
        match self.table.get(key).map(|node| (&node.value, node)) {
            Some((NodeValue::Array(_), _)) => {
                let wanted = format!("a list of {of}");
                self.strings_where(key, &wanted, fits)
                    .map(TrueOrStrings::Strings)
            }
            _ => {
                let wanted = format!("`true` or a list of {of}");
                let located = self.typed(key, fits, &wanted, |node| match node.value {
                    NodeValue::Bool(true) => Some(TrueOrStrings::True),
                    _ => None,
                });
                located.map(|located| located.value)
            }
        }
    }

    /// The entries whose keys are not declared, for a table that takes others too.
    pub fn others(&self) -> impl Iterator<Item = (&'a Located<String>, &'a Node)> + use<'a> {
        let keys = self.keys;
        let entries = self.table.iter();
        entries.filter(move |(key, _)| keys.get(&key.value).is_none())
    }

    /// Reports each key that is not declared, with the declared key that is most like it; nothing where the table
    /// takes other keys too.
    pub fn finish(self) {
        for name in self.keys.names() {
            debug_assert!(self.asked.contains(&name), "nobody reads `{name}`");
        }
        if self.keys.others.is_some() {
            return;
        }
        for (key, _) in self.others() {
            let message = format!("`{}` is not a key here", key.value);
            let help = closest(&key.value, self.keys.names())
                .map(|name| format!("did you mean `{name}`?"))
                .unwrap_or_else(|| {
                    let names: Vec<_> = self.keys.names().collect();
                    format!("known here: {}", names.join(", "))
                });
            self.problems
                .push(Diagnostic::error(Code::UnknownKey, key.place.clone(), message).help(help));
        }
    }
}

/// What a key says that takes `true` or a list.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrueOrStrings {
    /// `true`.
    True,
    /// A list.
    Strings(Vec<Located<String>>),
}
