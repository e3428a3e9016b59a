//! Keys of the other tables.

use super::{NONE, STRINGS};
use crate::keys::{Fallback, Key, Keys, Kind, Known, Others};

/// The keys of `[verify]`.
pub const VERIFY: Keys = Keys {
    named: &[
        Key {
            name: "allow",
            kind: STRINGS,
            default: Fallback::Value("[]"),
            doc: "Paths inside of images where programs of other architectures are ordinary, besides those that are known: emulators, \
                  test data, prebuilt addons for many platforms. `*` is any part of a name, `**` any folders.",
            example: "[verify]\nallow = [\"opt/vendor/*/bin/**\"]\n",
        },
        Key {
            name: "programs",
            kind: Kind::Bool,
            default: Fallback::Value("true"),
            doc: "Whether the layers are read for programs of other architectures.",
            example: "[verify]\nprograms = false\n",
        },
    ],
    others: None,
};

pub(super) const REGISTRIES: Keys = Keys {
    named: &[],
    others: Some(Others {
        placeholder: "HOST",
        known: Known::Nothing,
        kind: Kind::Table(&REGISTRY),
    }),
};

/// The keys of `[registry.HOST]`.
pub const REGISTRY: Keys = Keys {
    named: &[
        Key {
            name: "plain-http",
            kind: Kind::Bool,
            default: Fallback::Text("`true` for registries on loopback, else `false`"),
            doc: "Whether it is spoken to in plain HTTP, in the place of HTTPS.",
            example: "[registry.\"registry.local:5000\"]\nplain-http = true\n",
        },
        Key {
            name: "mirror",
            kind: Kind::String,
            default: NONE,
            doc: "Another registry that is asked first for base images, by its host and port.",
            example: "[registry.\"docker.io\"]\nmirror = \"mirror.local:5000\"\n",
        },
    ],
    others: None,
};

pub(super) const COLUMNS: Keys = Keys {
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

/// The keys of `[bases]`.
pub const BASES: Keys = Keys {
    named: &[Key {
        name: "fallbacks",
        kind: Kind::Table(&FALLBACKS),
        default: NONE,
        doc: "For an architecture those whose base images are taken where there is none for it, the first that is there. \
              A namespace of Docker Hub in the reference is the other's then: `arm32v6/alpine` for `arm32v7/alpine`.",
        example: "[bases.fallbacks]\narm32v7 = [\"arm32v6\"]\n",
    }],
    others: None,
};

pub(super) const FALLBACKS: Keys = Keys {
    named: &[],
    others: Some(Others {
        placeholder: "ARCH",
        known: Known::Arches,
        kind: Kind::List(&Kind::Arch),
    }),
};

/// The keys of `[handlers]`.
pub const HANDLERS: Keys = Keys {
    named: &[
        Key {
            name: "from",
            kind: Kind::List(&Kind::Word(&["machine", "debian", "url"])),
            default: Fallback::Text("`machine`, then `debian`, then `url` where there is one"),
            doc: "Where handlers are looked for, in order: `machine` is `/usr/bin` and `/usr/local/bin` of the machine that asks, where what \
                  lies there runs on `host`; `debian` is a package from `mirror`; `url` is what `url` says.",
            example: "[handlers]\nfrom = [\"debian\"]\n",
        },
        Key {
            name: "url",
            kind: Kind::String,
            default: NONE,
            doc: "An address of a handler: a plain program, or one packed by gzip, xz or zstd, in a tar or not. Names are filled in as in a \
                  template; `{{qemu_arch}}` is QEMU's name of what is emulated, and `{{host_qemu_arch}}` and `{{host_debian_arch}}` are names \
                  of the `host`.",
            example: "[handlers]\nurl = \"https://github.com/multiarch/qemu-user-static/releases/download/v7.2.0-1/{{host_qemu_arch}}_qemu-{{qemu_arch}}-static.tar.gz\"\n",
        },
        Key {
            name: "mirror",
            kind: Kind::String,
            default: Fallback::Value(r#""https://deb.debian.org/debian""#),
            doc: "The archive of Debian packages: a mirror, one of Ubuntu's, or a state of `snapshot.debian.org`, which never changes. Plain \
                  HTTP is spoken to this machine alone, and where `plain-http = true` stands under `[registry.\"HOST\"]`.",
            example: "[handlers]\nmirror = \"https://snapshot.debian.org/archive/debian/20260901T000000Z\"\n",
        },
        Key {
            name: "suite",
            kind: Kind::String,
            default: Fallback::Value(r#""trixie""#),
            doc: "The release of the archive.",
            example: "[handlers]\nsuite = \"bookworm\"\n",
        },
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
