//! What a settings file may say, as data: its keys, their types, and what to tell people about them.
//!
//! [`crate::config::keys`] and [`crate::arch::keys`] declare the keys of the two files. The reader
//! ([`crate::document::Fields`]) takes no key that is not declared; the JSON Schemas and the reference pages
//! ([`crate::schema`]) are made from the same declarations.

/// The keys of one table.
#[derive(Debug, PartialEq, Eq)]
pub struct Keys {
    /// The keys with fixed names, in the order of the reference.
    pub named: &'static [Key],
    /// What a key of any other name is. Without it, such a key is an error.
    pub others: Option<Others>,
}

/// The keys of a table whose names its author chooses.
#[derive(Debug, PartialEq, Eq)]
pub struct Others {
    /// What stands for the name in documentation, such as `NAME`.
    pub placeholder: &'static str,
    /// The names that are known beforehand.
    pub known: Known,
    /// The type of their values.
    pub kind: Kind,
}

/// Names that an editor can offer. A project may have further ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Known {
    /// None: names are the project's own.
    Nothing,
    /// The rows of the architecture table.
    Arches,
    /// The schemes of the architecture table.
    Schemes,
}

/// One key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// The type of its value.
    pub kind: Kind,
    /// What holds where the key is absent.
    pub default: Fallback,
    /// What it means, in Markdown.
    pub doc: &'static str,
    /// A complete file that uses the key.
    pub example: &'static str,
}

/// What holds where a key is absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fallback {
    /// A value, as TOML.
    Value(&'static str),
    /// What Markdown text says.
    Text(&'static str),
}

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// True or false.
    Bool,
    /// A whole number.
    Integer,
    /// A string.
    String,
    /// One of a few words.
    Word(&'static [&'static str]),
    /// The key of a row of the architecture table.
    Arch,
    /// The name of a scheme of the architecture table.
    Scheme,
    /// A list.
    List(&'static Kind),
    /// One, or a list.
    OneOrList(&'static Kind),
    /// A list, or a table.
    ListOrTable(&'static Kind, &'static Keys),
    /// `true`, or a list.
    TrueOrList(&'static Kind),
    /// A string, a whole number, or true or false.
    Scalar,
    /// Anything that TOML can say, numbers with a fraction excepted.
    Plain,
    /// The same, or `{ env = "NAME", default = … }`.
    Value,
    /// What a scheme calls an architecture: a word, a whole number, or words of which the first is canonical.
    Words,
    /// A table.
    Table(&'static Keys),
}

impl Keys {
    /// The declaration of a key with a fixed name.
    pub fn get(&self, name: &str) -> Option<&'static Key> {
        self.named.iter().find(|key| key.name == name)
    }

    /// The fixed names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.named.iter().map(|key| key.name)
    }
}
