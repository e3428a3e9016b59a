//! Every key of an architecture table: `arch-map.toml` and what a project lays over it.

use crate::keys::{Fallback, Key, Keys, Kind, Known, Others};

const NONE: Fallback = Fallback::Text("none");

/// The keys of an architecture table.
pub const ARCH_MAP: Keys = Keys {
    named: &[
        Key {
            name: "schema",
            kind: Kind::Integer,
            default: Fallback::Value("1"),
            doc: "The version of the file's format. This crossfile reads 1.",
            example: "schema = 1\n",
        },
        Key {
            name: "scheme",
            kind: Kind::Table(&SCHEMES),
            default: NONE,
            doc: "Naming conventions: the columns of the table. A scheme that only a row uses is declared by that.",
            example: "[scheme.tini]\ntitle = \"tini's releases\"\n[arch.arm64v8]\ntini = \"arm64\"\n",
        },
        Key {
            name: "arch",
            kind: Kind::Table(&ROWS),
            default: NONE,
            doc: "Architectures: the rows of the table. A new row needs a `platform`; of a row that is there, only what is said \
                  changes. Besides the keys below, a row takes a value for each scheme: a word, a whole number, or a list \
                  of words of which the first is the canonical one.",
            example: "[arch.toaster]\nplatform = \"linux/toaster\"\nuname = [\"toaster\", \"toast\"]\n",
        },
        Key {
            name: "ambiguous",
            kind: Kind::Table(&AMBIGUITIES),
            default: NONE,
            doc: "Names that mean different architectures to different people. Without `--from SCHEME` they are refused, and the \
                  choices are shown.",
            example: "[ambiguous.mips64el]\nmeans = [\"mips64le\", \"mipsle\"]\nwhy = \"two vendors disagree\"\n",
        },
    ],
    others: None,
};

const SCHEMES: Keys = Keys {
    named: &[],
    others: Some(Others {
        placeholder: "NAME",
        known: Known::Schemes,
        kind: Kind::Table(&SCHEME),
    }),
};

/// The keys of `[scheme.NAME]`.
pub const SCHEME: Keys = Keys {
    named: &[
        Key {
            name: "title",
            kind: Kind::String,
            default: Fallback::Text("the scheme's name"),
            doc: "Whose convention it is, in a few words.",
            example: "[scheme.tini]\ntitle = \"tini's releases\"\n",
        },
        Key {
            name: "names",
            kind: Kind::List(&Kind::String),
            default: Fallback::Text("the scheme's name with `_arch`, `-` being `_`"),
            doc: "The names under which templates reach it; `[]` for none.",
            example: "[scheme.tini]\nnames = [\"tini_suffix\"]\n",
        },
        Key {
            name: "source",
            kind: Kind::String,
            default: NONE,
            doc: "Where the values come from.",
            example: "[scheme.tini]\nsource = \"the list of assets of a release\"\n",
        },
        Key {
            name: "remove",
            kind: Kind::Bool,
            default: Fallback::Value("false"),
            doc: "Drops the scheme and its value in every row.",
            example: "[scheme.nix]\nremove = true\n",
        },
    ],
    others: None,
};

const ROWS: Keys = Keys {
    named: &[],
    others: Some(Others {
        placeholder: "NAME",
        known: Known::Arches,
        kind: Kind::Table(&ROW),
    }),
};

/// The keys of `[arch.NAME]`, values of schemes aside.
pub const ROW: Keys = Keys {
    named: &[
        Key {
            name: "base",
            kind: Kind::Arch,
            default: NONE,
            doc: "The row that a look-up prefers where both bear the name asked for. It has no base itself.",
            example: "[arch.amd64v4]\nplatform = \"linux/amd64/v4\"\nbase = \"amd64\"\n",
        },
        Key {
            name: "aliases",
            kind: Kind::List(&Kind::String),
            default: NONE,
            doc: "Names that mean this row to everybody. They are added to those that a row has.",
            example: "[arch.arm64v8]\naliases = [\"pi5\"]\n",
        },
        Key {
            name: "boards",
            kind: Kind::String,
            default: NONE,
            doc: "Machines that people know the architecture by.",
            example: "[arch.arm64v8]\nboards = \"Raspberry Pi 5\"\n",
        },
        Key {
            name: "remove",
            kind: Kind::TrueOrList(&Kind::Scheme),
            default: NONE,
            doc: "Drops the row, or its values for the schemes listed.",
            example: "[arch.mips]\nremove = true\n[arch.riscv64]\nremove = [\"nix\"]\n",
        },
    ],
    others: Some(Others {
        placeholder: "SCHEME",
        known: Known::Schemes,
        kind: Kind::Words,
    }),
};

const AMBIGUITIES: Keys = Keys {
    named: &[],
    others: Some(Others {
        placeholder: "NAME",
        known: Known::Nothing,
        kind: Kind::Table(&AMBIGUITY),
    }),
};

/// The keys of `[ambiguous.NAME]`.
pub const AMBIGUITY: Keys = Keys {
    named: &[
        Key {
            name: "means",
            kind: Kind::List(&Kind::Arch),
            default: Fallback::Value("[]"),
            doc: "The architectures that it may mean, the commonest first. A name with fewer than two is ambiguous no more.",
            example: "[ambiguous.pi]\nmeans = [\"arm64v8\", \"arm32v7\", \"arm32v6\"]\nwhy = \"it depends on the model\"\n",
        },
        Key {
            name: "why",
            kind: Kind::String,
            default: Fallback::Value(r#""""#),
            doc: "Who means what, for the message.",
            example: "[ambiguous.pi]\nmeans = [\"arm64v8\", \"arm32v6\"]\nwhy = \"it depends on the model\"\n",
        },
        Key {
            name: "remove",
            kind: Kind::Bool,
            default: Fallback::Value("false"),
            doc: "Takes the ambiguity out of the table.",
            example: "[ambiguous.armel]\nremove = true\n",
        },
    ],
    others: None,
};
