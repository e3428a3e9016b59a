//! Keys of the matrix.

use super::image::with_image;
use super::{NONE, VAR};
use crate::keys::{Fallback, Key, Keys, Kind, Known, Others};

/// The keys of `[matrix]`.
pub const MATRIX: Keys = Keys {
    named: &[
        Key {
            name: "include",
            kind: Kind::List(&Kind::Table(&INCLUDE)),
            default: NONE,
            doc: "Cells that the axes do not make: each table has a value for every axis, and says what `cell` says.",
            example: "[matrix]\nversion = [\"3.21\", \"3.22\"]\n[[matrix.include]]\nversion = \"edge\"\narches = [\"amd64\", \"arm64v8\"]\n",
        },
        Key {
            name: "cell",
            kind: Kind::List(&Kind::Table(&CELL)),
            default: NONE,
            doc: "What holds for some cells: those where all of a table's values hold. Of several tables that fit, a later one \
                  goes over an earlier one.",
            example: "[matrix]\nversion = [\"3.21\", \"3.22\"]\n[[matrix.cell]]\nversion = \"3.22\"\ntags = [\"3.22\", \"latest\"]\n",
        },
        Key {
            name: "exclude",
            kind: Kind::List(&Kind::Table(&EXCLUDE)),
            default: NONE,
            doc: "Cells that are left out: those where all of a table's values hold.",
            example: "[matrix]\nflavor = [\"slim\", \"full\"]\n[[matrix.exclude]]\nflavor = \"full\"\narch = \"arm32v7\"\n",
        },
    ],
    others: Some(Others {
        placeholder: "AXIS",
        known: Known::Nothing,
        kind: Kind::ListOrTable(&Kind::Scalar, &AXIS),
    }),
};

/// The keys of an axis that is no list.
pub const AXIS: Keys = Keys {
    named: &[
        Key {
            name: "file",
            kind: Kind::String,
            default: NONE,
            doc: "A file whose keys are the values on the axis: JSON where the name ends in `.json`, else TOML. What a key's table \
                  holds are names for the templates of its cells. A list `arches` in it, or a table `arches` with a table for \
                  each architecture, says which architectures they are for; an architecture's table holds names for its cells, \
                  and `supported = false` in it leaves the architecture out. A key that is `null` is none. docker-library's \
                  `versions.json` files are of this kind.",
            example: "[matrix]\nrelease = { file = \"versions.json\" }\n",
        },
        Key {
            name: "as",
            kind: Kind::String,
            default: Fallback::Text("none: each is a name of its own"),
            doc: "The one name, of a table, that has all of an entry's values: `{{entry.version}}`. Values whose names no template \
                  could write, such as `dindCommit`, are reached only so.",
            example: "[matrix]\nrelease = { file = \"versions.json\", as = \"entry\" }\n",
        },
        Key {
            name: "each",
            kind: Kind::String,
            default: NONE,
            doc: "A list among the values that an axis before it brings, or among the variables: its items are the values on the axis.",
            example: "[matrix]\nrelease = { file = \"versions.json\" }\nsuite = { each = \"variants\" }\n",
        },
    ],
    others: None,
};

const CELL_ARCHES: Key = Key {
    name: "arches",
    kind: Kind::List(&Kind::Arch),
    default: Fallback::Text("those of the project"),
    doc: "The architectures of these cells. Of a project that lists its own they have to be among those.",
    example: "[matrix]\nversion = [\"3.21\", \"3.22\"]\n[[matrix.cell]]\nversion = \"3.21\"\narches = [\"amd64\"]\n",
};

const CELL_VARS: Key = Key {
    name: "vars",
    kind: Kind::Table(&VAR),
    default: NONE,
    doc: "Variables of these cells. They go over `[vars]` and `vars-file`, and under `[arch.NAME]`.",
    example: "[matrix]\nversion = [\"3.21\", \"3.22\"]\n[[matrix.cell]]\nversion = \"3.21\"\nvars = { packages = [\"curl\"] }\n",
};

const CELL_AXES: Option<Others> = Some(Others {
    placeholder: "AXIS",
    known: Known::Nothing,
    kind: Kind::OneOrList(&Kind::Scalar),
});

/// The keys of `[[matrix.include]]`.
pub const INCLUDE: Keys = Keys {
    named: with_image![CELL_ARCHES, CELL_VARS,],
    others: CELL_AXES,
};

/// The keys of `[[matrix.cell]]`.
pub const CELL: Keys = Keys {
    named: with_image![
        Key {
            name: "arch",
            kind: Kind::OneOrList(&Kind::Arch),
            default: Fallback::Text("all architectures"),
            doc: "The architectures that this holds for.",
            example: "[matrix]\nversion = [\"3.21\", \"3.22\"]\n[[matrix.cell]]\nversion = \"3.21\"\narch = \"arm32v7\"\nvars = { cflags = \"-O1\" }\n",
        },
        CELL_ARCHES,
        CELL_VARS,
    ],
    others: CELL_AXES,
};

/// The keys of `[[matrix.exclude]]`.
pub const EXCLUDE: Keys = Keys {
    named: &[Key {
        name: "arch",
        kind: Kind::OneOrList(&Kind::Arch),
        default: Fallback::Text("all architectures"),
        doc: "The architectures that are left out.",
        example: "[matrix]\nflavor = [\"slim\", \"full\"]\n[[matrix.exclude]]\narch = \"arm32v7\"\nflavor = \"full\"\n",
    }],
    others: CELL_AXES,
};
