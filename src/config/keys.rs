//! Every key of `crossfile.toml`.

use crate::keys::{Fallback, Key, Keys, Kind, Known, Others};

const NONE: Fallback = Fallback::Text("none");
const STRINGS: Kind = Kind::List(&Kind::String);

// ------------------------------------------------------------------- keys that hold for a project and for one architecture

const QEMU: Key = Key {
    name: "qemu",
    kind: Kind::Bool,
    default: Fallback::Value("true"),
    doc: "Whether emulated architectures get the lines that QEMU needs. With `false` every architecture is treated as native.",
    example: "qemu = false\n",
};

const HEADER: Key = Key {
    name: "header",
    kind: Kind::Bool,
    default: Fallback::Value("true"),
    doc: "Whether a generated file begins with the line that names its template. Without that line crossfile cannot tell \
          its files from others: it overwrites whatever stands at an output path, and finds no orphans.",
    example: "header = false\n",
};

const OUTPUT: Key = Key {
    name: "output",
    kind: Kind::String,
    default: Fallback::Text(
        "the template's name without `.cross`, then `.` and the value on each axis of the matrix, then `.{{arch}}`",
    ),
    doc: "Where a generated file goes, relative to its template. Names are filled in as in a template. The path \
          has to stay inside the project, and no two files may share one.",
    example: "output = \"build/{{arch}}/{{stem}}\"\n",
};

const IMAGE: Key = Key {
    name: "image",
    kind: Kind::String,
    default: NONE,
    doc: "The image's name, without a tag. Names are filled in as in a template.",
    example: "image = \"registry.example.com/acme/nginx\"\n",
};

const TAGS: Key = Key {
    name: "tags",
    kind: STRINGS,
    default: Fallback::Value(r#"["latest"]"#),
    doc: "The tags of the image index: one index is made for each. Names are filled in as in a template; a tag is one for all \
          architectures.",
    example: "tags = [\"latest\", \"{{version}}\"]\n",
};

const ARCH_TAG: Key = Key {
    name: "arch-tag",
    kind: Kind::String,
    default: Fallback::Value(r#""{{arch}}-{{tag}}""#),
    doc: "The tag of one architecture's image, for each tag of the index, which is `{{tag}}` here. Other names are filled in as in \
          a template. With `\"\"` the images get no tags: a release pushes them under their digests alone, where the backend can.",
    example: "arch-tag = \"{{tag}}-{{debian_arch}}\"\n",
};

const CONTEXT: Key = Key {
    name: "context",
    kind: Kind::String,
    default: Fallback::Text(
        "the folder of the template, or that of the settings where `dockerfile` names one",
    ),
    doc: "The build context, relative to the file that says it. Names are filled in as in a template.",
    example: "context = \".\"\n",
};

const BUILD_ARGS: Key = Key {
    name: "build-args",
    kind: Kind::Table(&BUILD_ARG),
    default: NONE,
    doc: "Build arguments by name. Names are filled in as in a template. What is said for one architecture or for cells of the \
          matrix is laid over what is said for all.",
    example: "[build-args]\nVERSION = \"1.27.0\"\nREVISION = { env = \"GITHUB_SHA\", default = \"unknown\" }\n",
};

const LABELS: Key = Key {
    name: "labels",
    kind: Kind::Table(&BUILD_ARG),
    default: NONE,
    doc: "Labels of the image by name, filled in and laid over each other like build arguments.",
    example: "[labels]\n\"org.opencontainers.image.source\" = \"https://example.com/acme/nginx\"\n",
};

const TARGET: Key = Key {
    name: "target",
    kind: Kind::String,
    default: Fallback::Text("the last stage"),
    doc: "The stage to build.",
    example: "target = \"runtime\"\n",
};

const CACHE_FROM: Key = Key {
    name: "cache-from",
    kind: STRINGS,
    default: NONE,
    doc: "Where builds take their cache from, in the words of the backend: an image's name, or `type=registry,ref=NAME`. Names are \
          filled in as in a template.",
    example: "cache-from = [\"type=registry,ref=registry.example.com/acme/cache:{{arch}}\"]\n",
};

const CACHE_TO: Key = Key {
    name: "cache-to",
    kind: STRINGS,
    default: NONE,
    doc: "Where builds put their cache, in the words of the backend. Names are filled in as in a template.",
    example: "cache-to = [\"type=registry,ref=registry.example.com/acme/cache:{{arch}},mode=max\"]\n",
};

const SECRETS: Key = Key {
    name: "secrets",
    kind: STRINGS,
    default: NONE,
    doc: "Secrets that a build may mount: `id=NAME,src=FILE` or `id=NAME,env=VARIABLE`. They are handed to the builder by reference; \
          their values are in no plan and no output.",
    example: "secrets = [\"id=token,env=API_TOKEN\"]\n",
};

const FLAGS: Key = Key {
    name: "flags",
    kind: Kind::Table(&BACKEND_FLAGS),
    default: NONE,
    doc: "Further arguments of the build command, by backend.",
    example: "[flags]\nbuildx = [\"--provenance=false\"]\n",
};

const BACKEND_FLAGS: Keys = Keys {
    named: &[],
    others: Some(Others {
        placeholder: "BACKEND",
        known: Known::Nothing,
        kind: STRINGS,
    }),
};

const BUILD_ARG: Keys = Keys {
    named: &[],
    others: Some(Others {
        placeholder: "NAME",
        known: Known::Nothing,
        kind: Kind::Value,
    }),
};

const VARS: Key = Key {
    name: "vars",
    kind: Kind::Table(&VAR),
    default: NONE,
    doc: "Variables by name, for templates: `version` is `{{version}}` and `__VERSION__`. A name is lower-case letters, digits \
          and single `_`. A number with a fraction goes into quotes.",
    example: "[vars]\nversion = \"1.27.0\"\npackages = [\"curl\", \"git\"]\nchannel = { env = \"CHANNEL\", default = \"stable\" }\n",
};

const VAR: Keys = Keys {
    named: &[],
    others: Some(Others {
        placeholder: "NAME",
        known: Known::Nothing,
        kind: Kind::Value,
    }),
};

// ------------------------------------------------------------------------------------------------------- the whole file

/// The keys of a `crossfile.toml`.
pub const CROSSFILE: Keys = Keys {
    named: &[
        Key {
            name: "arches",
            kind: Kind::List(&Kind::Arch),
            default: Fallback::Value(r#"["amd64", "arm32v7", "arm64v8"]"#),
            doc: "The architectures to make files for, in order, by their keys in the table: `crossfile arch list` prints them. \
                  A project that lists none may be asked for any with `--arch`.",
            example: "arches = [\"amd64\", \"arm32v6\", \"arm64v8\"]\n",
        },
        Key {
            name: "host",
            kind: Kind::Arch,
            default: Fallback::Value(r#""amd64""#),
            doc: "The architecture of the machine that builds. It is never detected, so that every machine makes the same \
                  files; `--host` goes over it.",
            example: "host = \"arm64v8\"\n",
        },
        Key {
            name: "native",
            kind: Kind::List(&Kind::Arch),
            default: Fallback::Text("from `host`: itself, its variants, and `i386` on `amd64`"),
            doc: "The architectures that the host runs without QEMU.",
            example: "host = \"arm64v8\"\nnative = [\"arm64v8\", \"arm32v7\"]\n",
        },
        QEMU,
        HEADER,
        OUTPUT,
        Key {
            name: "backend",
            kind: Kind::String,
            default: Fallback::Value(r#""docker""#),
            doc: "What builds, pushes and makes indexes: docker, buildx, buildctl, buildah, podman, or the NAME of a program \
                  `crossfile-backend-NAME`. `--backend` goes over it.",
            example: "backend = \"buildx\"\n",
        },
        Key {
            name: "dockerfile",
            kind: Kind::String,
            default: NONE,
            doc: "A Dockerfile that is no template and serves all architectures, relative to the file that names it. Nothing is \
                  generated for it; it is built like the others.",
            example: "dockerfile = \"contrib/docker/Dockerfile\"\n",
        },
        Key {
            name: "templates",
            kind: STRINGS,
            default: Fallback::Value(r#"["Dockerfile*.cross", "*.Dockerfile.cross"]"#),
            doc: "Patterns of the files that may be templates. A pattern with a `/` is relative to the file that says it; one \
                  without fits names in any folder.",
            example: "templates = [\"images/*/Dockerfile.in\"]\n",
        },
        Key {
            name: "partials",
            kind: Kind::OneOrList(&Kind::String),
            default: Fallback::Text("the template's folder, and `templates/` there and above"),
            doc: "Further folders that partials are looked for in, after the template's own folder and before those called \
                  `templates/`. They are relative to the file that names them.",
            example: "partials = [\"docker/snippets\"]\n",
        },
        Key {
            name: "dialect",
            kind: Kind::Word(&["placeholder", "handlebars", "annotated"]),
            default: Fallback::Text("told by what is found in each template"),
            doc: "How the templates are written. A line `# crossfile: dialect=NAME` at the top of a template goes over it.",
            example: "dialect = \"handlebars\"\n",
        },
        Key {
            name: "passthrough",
            kind: STRINGS,
            default: Fallback::Value("[]"),
            doc: "Placeholders that are no names and stay as they are, written whole.",
            example: "passthrough = [\"__GNUC__\"]\n",
        },
        Key {
            name: "arch-map",
            kind: Kind::OneOrList(&Kind::String),
            default: NONE,
            doc: "Files that are laid over the built-in table of architectures, relative to the file that names them. What \
                  they may say is in [arch-map.md](arch-map.md).",
            example: "arch-map = \"arches.toml\"\n",
        },
        Key {
            name: "vars-file",
            kind: Kind::OneOrList(&Kind::String),
            default: NONE,
            doc: "Files of variables, laid over `[vars]` in order: JSON where the name ends in `.json`, else TOML. They are \
                  relative to the file that names them.",
            example: "vars-file = [\"versions.json\", \"local.toml\"]\n",
        },
        VARS,
        Key {
            name: "columns",
            kind: Kind::Table(&COLUMNS),
            default: NONE,
            doc: "The project's own words per architecture: `[columns.s6_arch]` is `{{s6_arch}}` and `__S6_ARCH__`.",
            example: "[columns.s6_arch]\namd64 = \"x86_64\"\narm32v7 = \"armhf\"\narm64v8 = \"aarch64\"\n",
        },
        Key {
            name: "matrix",
            kind: Kind::Table(&MATRIX),
            default: NONE,
            doc: "Axes by name, each with its values: a file is made for every combination with every architecture. An axis is \
                  a name for templates. `include`, `cell` and `exclude` cannot be axes.",
            example: "[matrix]\nflavor = [\"slim\", \"full\"]\n",
        },
        Key {
            name: "arch",
            kind: Kind::Table(&ARCHES),
            default: NONE,
            doc: "Settings for one architecture. They go over what is said for all.",
            example: "[arch.arm64v8]\nqemu = false\nvars = { cflags = \"-O2\" }\n",
        },
        Key {
            name: "lint",
            kind: Kind::Table(&LINT),
            default: NONE,
            doc: "Settings of `crossfile lint`.",
            example: "[lint]\nallow = [\"missing-handler\"]\n",
        },
        IMAGE,
        TAGS,
        ARCH_TAG,
        CONTEXT,
        BUILD_ARGS,
        LABELS,
        TARGET,
        CACHE_FROM,
        CACHE_TO,
        SECRETS,
        FLAGS,
    ],
    others: None,
};

const COLUMNS: Keys = Keys {
    named: &[],
    others: Some(Others {
        placeholder: "NAME",
        known: Known::Nothing,
        kind: Kind::Table(&COLUMN),
    }),
};

/// The keys of `[columns.NAME]`.
pub const COLUMN: Keys = Keys {
    named: &[Key {
        name: "default",
        kind: Kind::Value,
        default: Fallback::Text("none: an architecture without a value has none"),
        doc: "The value for architectures that have none of their own.",
        example: "[columns.base]\ndefault = \"alpine:3.22\"\narm32v6 = \"arm32v6/alpine:3.22\"\n",
    }],
    others: Some(Others {
        placeholder: "ARCH",
        known: Known::Arches,
        kind: Kind::Value,
    }),
};

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
    named: &[
        CELL_ARCHES,
        CELL_VARS,
        IMAGE,
        TAGS,
        ARCH_TAG,
        CONTEXT,
        BUILD_ARGS,
        LABELS,
        TARGET,
        CACHE_FROM,
        CACHE_TO,
        SECRETS,
        FLAGS,
    ],
    others: CELL_AXES,
};

/// The keys of `[[matrix.cell]]`.
pub const CELL: Keys = Keys {
    named: &[
        Key {
            name: "arch",
            kind: Kind::OneOrList(&Kind::Arch),
            default: Fallback::Text("all architectures"),
            doc: "The architectures that this holds for.",
            example: "[matrix]\nversion = [\"3.21\", \"3.22\"]\n[[matrix.cell]]\nversion = \"3.21\"\narch = \"arm32v7\"\nvars = { cflags = \"-O1\" }\n",
        },
        CELL_ARCHES,
        CELL_VARS,
        IMAGE,
        TAGS,
        ARCH_TAG,
        CONTEXT,
        BUILD_ARGS,
        LABELS,
        TARGET,
        CACHE_FROM,
        CACHE_TO,
        SECRETS,
        FLAGS,
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

const ARCHES: Keys = Keys {
    named: &[],
    others: Some(Others {
        placeholder: "NAME",
        known: Known::Arches,
        kind: Kind::Table(&ARCH),
    }),
};

/// The keys of `[arch.NAME]`.
pub const ARCH: Keys = Keys {
    named: &[
        QEMU,
        HEADER,
        OUTPUT,
        VARS,
        Key {
            name: "dockerfile",
            kind: Kind::String,
            default: NONE,
            doc: "A Dockerfile written by hand: nothing is generated for the architecture. It lies beside the template or beside \
                  the file that names it.",
            example: "arches = [\"amd64\", \"s390x\"]\n[arch.s390x]\ndockerfile = \"Dockerfile.s390x\"\n",
        },
        Key {
            name: "optional",
            kind: Kind::Bool,
            default: Fallback::Value("false"),
            doc: "Whether an image index may go out without the architecture, where its image cannot be built or pushed.",
            example: "[arch.s390x]\noptional = true\n",
        },
        Key {
            name: "builder",
            kind: Kind::OneOrList(&Kind::String),
            default: NONE,
            doc: "The machine that builds the architecture: for docker an address (`ssh://pi@raspberry`) or a context, for buildx \
                  a builder, for buildctl an address. Of a list each image takes the next.",
            example: "[arch.arm64v8]\nbuilder = \"tcp://arm64-builder:1234\"\n",
        },
        IMAGE,
        TAGS,
        ARCH_TAG,
        CONTEXT,
        BUILD_ARGS,
        LABELS,
        TARGET,
        CACHE_FROM,
        CACHE_TO,
        SECRETS,
        FLAGS,
    ],
    others: None,
};

/// The keys of `[lint]`.
pub const LINT: Keys = Keys {
    named: &[Key {
        name: "allow",
        kind: STRINGS,
        default: Fallback::Value("[]"),
        doc: "Codes of findings that are not reported.",
        example: "[lint]\nallow = [\"missing-handler\"]\n",
    }],
    others: None,
};

/// The keys of a value that is read from the environment: `{ env = "NAME", default = … }`.
pub const ENV: Keys = Keys {
    named: &[
        Key {
            name: "env",
            kind: Kind::String,
            default: NONE,
            doc: "The environment variable that holds the value. It makes the generated files differ where the variable does.",
            example: "[vars]\nchannel = { env = \"CHANNEL\" }\n",
        },
        Key {
            name: "default",
            kind: Kind::Plain,
            default: Fallback::Text("none: a name without a value is an error where it is printed"),
            doc: "The value where the variable is not set.",
            example: "[vars]\nchannel = { env = \"CHANNEL\", default = \"stable\" }\n",
        },
    ],
    others: None,
};
