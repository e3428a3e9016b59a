//! Every key of `crossfile.toml`.

mod ci;
mod image;
mod matrix;
mod tables;

use crate::keys::{Fallback, Key, Keys, Kind, Known, Others};

pub use ci::*;
use image::{BUILD_ARG, with_image};
pub use matrix::*;
pub use tables::*;

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
    named: with_image![
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
            doc: "A Dockerfile that is no template and serves all architectures, relative to the file that names it; or, with \
                  names in it as in `Dockerfile.{{arch}}`, one for each. Nothing is generated for it; it is built like the others.",
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
            name: "locked",
            kind: Kind::Bool,
            default: Fallback::Value("false"),
            doc: "Whether base images are written with the digests of `crossfile.lock`, as `generate --locked` does. `crossfile bases --lock` \
                  writes that file, beside the nearest `crossfile.toml`.",
            example: "locked = true\n",
        },
        Key {
            name: "bases",
            kind: Kind::Table(&BASES),
            default: NONE,
            doc: "Settings for base images.",
            example: "[bases]\nfallbacks = { arm32v7 = [\"arm32v6\"] }\n",
        },
        Key {
            name: "handlers",
            kind: Kind::Table(&HANDLERS),
            default: NONE,
            doc: "Where `crossfile qemu fetch` takes QEMU's handlers from. What is said here is for the emulators `qemu-NAME-static` that \
                  templates copy from the build context.",
            example: "[handlers]\nfrom = [\"debian\"]\nsuite = \"bookworm\"\n",
        },
        Key {
            name: "lint",
            kind: Kind::Table(&LINT),
            default: NONE,
            doc: "Settings of `crossfile lint`.",
            example: "[lint]\nallow = [\"missing-handler\"]\n",
        },
        Key {
            name: "annotations",
            kind: Kind::Table(&BUILD_ARG),
            default: NONE,
            doc: "Annotations of the image index by name, filled in like build arguments; one for all architectures.",
            example: "[annotations]\n\"org.opencontainers.image.source\" = \"https://example.com/acme/nginx\"\n",
        },
        Key {
            name: "verify",
            kind: Kind::Table(&VERIFY),
            default: NONE,
            doc: "Settings of `crossfile verify`, and of the last step of a release.",
            example: "[verify]\nallow = [\"opt/vendor/*/bin/**\"]\n",
        },
        Key {
            name: "ci",
            kind: Kind::Table(&CI),
            default: NONE,
            doc: "What [pipelines](pipelines.md) are told that `crossfile ci` writes.",
            example: "[ci]\nbranches = [\"main\"]\n",
        },
        Key {
            name: "registry",
            kind: Kind::Table(&REGISTRIES),
            default: NONE,
            doc: "How single registries are spoken to, by their host and port.",
            example: "[registry.\"registry.local:5000\"]\nplain-http = true\n",
        },
    ],
    others: None,
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
    named: with_image![
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
    ],
    others: None,
};
