//! Keys of `[ci]`: what pipelines are told.

use super::{NONE, STRINGS};
use crate::keys::{Fallback, Key, Keys, Kind, Known, Others};

/// The keys of `[ci]`.
pub const CI: Keys = Keys {
    named: &[
        Key {
            name: "install",
            kind: Kind::OneOrList(&Kind::String),
            default: Fallback::Text("`cargo install` of the version that writes the pipeline"),
            doc: "Commands of the shell that bring `crossfile` to a runner. `$HOME/.crossfile/bin` is on the path, and `$HOME/.crossfile` is kept \
                  from run to run.",
            example: "[ci]\ninstall = \"cargo install --locked --root \\\"$HOME/.crossfile\\\" --git https://git.example.com/crossfile crossfile\"\n",
        },
        Key {
            name: "branches",
            kind: STRINGS,
            default: Fallback::Value(r#"["main"]"#),
            doc: "The branches whose commits are released. `*` is any part of a name without `/`, `**` any part.",
            example: "[ci]\nbranches = [\"main\", \"release/*\"]\n",
        },
        Key {
            name: "git-tags",
            kind: STRINGS,
            default: Fallback::Value(r#"["v*"]"#),
            doc: "The tags of git that are released, in the same form. The tags of the image are those of `tags`.",
            example: "[ci]\ngit-tags = [\"v*\", \"nightly\"]\n",
        },
        Key {
            name: "login",
            kind: Kind::Table(&LOGINS),
            default: NONE,
            doc: "Which secrets of the CI service open a registry, by its host.",
            example: "[ci.login.\"docker.io\"]\nuser = \"HUB_USER\"\npassword = \"HUB_TOKEN\"\n",
        },
        Key {
            name: "github",
            kind: Kind::Table(&GITHUB),
            default: NONE,
            doc: "What is said for GitHub Actions alone.",
            example: "[ci.github.runners]\narm32v7 = [\"self-hosted\", \"ARM\"]\n",
        },
        Key {
            name: "gitlab",
            kind: Kind::Table(&GITLAB),
            default: NONE,
            doc: "What is said for GitLab CI/CD alone.",
            example: "[ci.gitlab]\nimage = \"registry.example.com/acme/rust-and-docker\"\n",
        },
        Key {
            name: "travis",
            kind: Kind::Table(&TRAVIS),
            default: NONE,
            doc: "What is said for Travis CI alone.",
            example: "[ci.travis.runners]\narm32v7 = \"arm64\"\n",
        },
    ],
    others: None,
};

const LOGINS: Keys = Keys {
    named: &[],
    others: Some(Others {
        placeholder: "HOST",
        known: Known::Nothing,
        kind: Kind::Table(&LOGIN),
    }),
};

/// The keys of `[ci.login.HOST]`.
pub const LOGIN: Keys = Keys {
    named: &[
        Key {
            name: "user",
            kind: Kind::String,
            default: Fallback::Text(
                "what the service itself offers for its own registry, else `REGISTRY_USER`",
            ),
            doc: "The name of the secret or variable that holds the user's name.",
            example: "[ci.login.\"docker.io\"]\nuser = \"HUB_USER\"\npassword = \"HUB_TOKEN\"\n",
        },
        Key {
            name: "password",
            kind: Kind::String,
            default: Fallback::Text(
                "what the service itself offers for its own registry, else `REGISTRY_PASSWORD`",
            ),
            doc: "The name of the secret or variable that holds the password, or a token. Never the password itself.",
            example: "[ci.login.\"docker.io\"]\nuser = \"HUB_USER\"\npassword = \"HUB_TOKEN\"\n",
        },
    ],
    others: None,
};

const RUNNERS_OF: Others = Others {
    placeholder: "ARCH",
    known: Known::Arches,
    kind: Kind::OneOrList(&Kind::String),
};

/// The keys of a table of runners by architecture.
pub const RUNNERS: Keys = Keys {
    named: &[],
    others: Some(RUNNERS_OF),
};

/// The keys of `[ci.github]`.
pub const GITHUB: Keys = Keys {
    named: &[Key {
        name: "runners",
        kind: Kind::Table(&RUNNERS),
        default: Fallback::Text("`ubuntu-24.04` and `ubuntu-24.04-arm`"),
        doc: "The labels of the runner that builds an architecture, and that runs its programs without QEMU.",
        example: "[ci.github.runners]\narm32v7 = [\"self-hosted\", \"ARM\"]\n",
    }],
    others: None,
};

/// The keys of `[ci.gitlab]`.
pub const GITLAB: Keys = Keys {
    named: &[
        Key {
            name: "runners",
            kind: Kind::Table(&RUNNERS),
            default: Fallback::Text("`saas-linux-small-amd64` and `saas-linux-small-arm64`"),
            doc: "The tags of the runner that builds an architecture, and that runs its programs without QEMU.",
            example: "[ci.gitlab.runners]\narm64v8 = \"saas-linux-medium-arm64\"\n",
        },
        Key {
            name: "image",
            kind: Kind::String,
            default: Fallback::Value(r#""rust:1-trixie""#),
            doc: "The image that jobs run in: one of Debian or Ubuntu, with what `install` needs.",
            example: "[ci.gitlab]\nimage = \"registry.example.com/acme/rust-and-docker\"\n",
        },
    ],
    others: None,
};

/// The keys of `[ci.travis]`.
pub const TRAVIS: Keys = Keys {
    named: &[Key {
        name: "runners",
        kind: Kind::Table(&RUNNERS),
        default: Fallback::Text("`amd64`, `arm64`, `ppc64le` and `s390x`"),
        doc: "The `arch` of the machine that builds an architecture, and that runs its programs without QEMU.",
        example: "[ci.travis.runners]\narm32v7 = \"arm64\"\n",
    }],
    others: None,
};
