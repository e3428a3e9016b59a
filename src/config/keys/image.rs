//! How an image is named and built: keys of a project, of one architecture and of cells alike.

use super::{NONE, STRINGS};
use crate::keys::{Fallback, Key, Keys, Kind, Known, Others};

/// The keys of something that an image is made for: its own, then these.
macro_rules! with_image {
    ($($own:expr),* $(,)?) => {
        &[
            $($own,)*
            $crate::config::keys::image::IMAGE,
            $crate::config::keys::image::TAGS,
            $crate::config::keys::image::ARCH_TAG,
            $crate::config::keys::image::CONTEXT,
            $crate::config::keys::image::BUILD_ARGS,
            $crate::config::keys::image::LABELS,
            $crate::config::keys::image::TARGET,
            $crate::config::keys::image::CACHE_FROM,
            $crate::config::keys::image::CACHE_TO,
            $crate::config::keys::image::SECRETS,
            $crate::config::keys::image::FLAGS,
        ]
    };
}

pub(super) use with_image;

pub(super) const IMAGE: Key = Key {
    name: "image",
    kind: Kind::String,
    default: NONE,
    doc: "The image's name, without a tag. Names are filled in as in a template.",
    example: "image = \"registry.example.com/acme/nginx\"\n",
};

pub(super) const TAGS: Key = Key {
    name: "tags",
    kind: STRINGS,
    default: Fallback::Value(r#"["latest"]"#),
    doc: "The tags of the image index: one index is made for each. Names are filled in as in a template; a tag is one for all \
          architectures.",
    example: "tags = [\"latest\", \"{{version}}\"]\n",
};

pub(super) const ARCH_TAG: Key = Key {
    name: "arch-tag",
    kind: Kind::String,
    default: Fallback::Value(r#""{{arch}}-{{tag}}""#),
    doc: "The tag of one architecture's image, for each tag of the index, which is `{{tag}}` here. Other names are filled in as in \
          a template. With `\"\"` the images get no tags: a release pushes them under their digests alone, where the backend can.",
    example: "arch-tag = \"{{tag}}-{{debian_arch}}\"\n",
};

pub(super) const CONTEXT: Key = Key {
    name: "context",
    kind: Kind::String,
    default: Fallback::Text(
        "the folder of the template, or that of the settings where `dockerfile` names one",
    ),
    doc: "The build context, relative to the file that says it. Names are filled in as in a template.",
    example: "context = \".\"\n",
};

pub(super) const BUILD_ARGS: Key = Key {
    name: "build-args",
    kind: Kind::Table(&BUILD_ARG),
    default: NONE,
    doc: "Build arguments by name. Names are filled in as in a template. What is said for one architecture or for cells of the \
          matrix is laid over what is said for all.",
    example: "[build-args]\nVERSION = \"1.27.0\"\nREVISION = { env = \"GITHUB_SHA\", default = \"unknown\" }\n",
};

pub(super) const LABELS: Key = Key {
    name: "labels",
    kind: Kind::Table(&BUILD_ARG),
    default: NONE,
    doc: "Labels of the image by name, filled in and laid over each other like build arguments.",
    example: "[labels]\n\"org.opencontainers.image.source\" = \"https://example.com/acme/nginx\"\n",
};

pub(super) const TARGET: Key = Key {
    name: "target",
    kind: Kind::String,
    default: Fallback::Text("the last stage"),
    doc: "The stage to build.",
    example: "target = \"runtime\"\n",
};

pub(super) const CACHE_FROM: Key = Key {
    name: "cache-from",
    kind: STRINGS,
    default: NONE,
    doc: "Where builds take their cache from, in the words of the backend: an image's name, or `type=registry,ref=NAME`. Names are \
          filled in as in a template.",
    example: "cache-from = [\"type=registry,ref=registry.example.com/acme/cache:{{arch}}\"]\n",
};

pub(super) const CACHE_TO: Key = Key {
    name: "cache-to",
    kind: STRINGS,
    default: NONE,
    doc: "Where builds put their cache, in the words of the backend. Names are filled in as in a template.",
    example: "cache-to = [\"type=registry,ref=registry.example.com/acme/cache:{{arch}},mode=max\"]\n",
};

pub(super) const SECRETS: Key = Key {
    name: "secrets",
    kind: STRINGS,
    default: NONE,
    doc: "Secrets that a build may mount: `id=NAME,src=FILE` or `id=NAME,env=VARIABLE`. They are handed to the builder by reference; \
          their values are in no plan and no output.",
    example: "secrets = [\"id=token,env=API_TOKEN\"]\n",
};

pub(super) const FLAGS: Key = Key {
    name: "flags",
    kind: Kind::Table(&BACKEND_FLAGS),
    default: NONE,
    doc: "Further arguments of the build command, by backend.",
    example: "[flags]\nbuildx = [\"--provenance=false\"]\n",
};

pub(super) const BACKEND_FLAGS: Keys = Keys {
    named: &[],
    others: Some(Others {
        placeholder: "BACKEND",
        known: Known::Nothing,
        kind: STRINGS,
    }),
};

pub(super) const BUILD_ARG: Keys = Keys {
    named: &[],
    others: Some(Others {
        placeholder: "NAME",
        known: Known::Nothing,
        kind: Kind::Value,
    }),
};
