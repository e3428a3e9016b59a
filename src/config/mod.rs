//! A project's settings: `crossfile.toml`, laid in layers, read against the architecture table.
//!
//! Files become [`Layer`]s, layers one [`Table`], the table a [`Config`], checked as a whole. Nothing here looks at the
//! disk, the environment or the command line: files, an environment look-up and [`Overrides`] are handed in.

mod cells;
mod ci;
pub mod keys;
mod locking;
mod matrix;
mod names;
mod read;
mod tables;
mod values;
mod wording;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use crate::arch::{ArchMap, ArchName};
use crate::context::Slot;
use crate::diagnostic::{Diagnostic, Place, Source};
use crate::document::{Located, Table, parse_toml};
use crate::template::{Dialect, Names};
use crate::value::Value;

pub use cells::Cell;
pub(crate) use locking::Locking;
pub(crate) use matrix::{Axis, Matrix, Point};
pub(crate) use wording::{among, describe};

/// The name of a project's settings file.
pub const FILE_NAME: &str = "crossfile.toml";

/// The architectures of a project that names none.
pub const DEFAULT_ARCHES: &[&str] = &["amd64", "arm32v7", "arm64v8"];

/// The machine that builds, where a project does not say. Never detected: output is the same everywhere.
pub const DEFAULT_HOST: &str = "amd64";

/// File names that may be templates, where a project does not say.
pub const DEFAULT_TEMPLATES: &[&str] = &["Dockerfile*.cross", "*.Dockerfile.cross"];

/// One settings file.
#[derive(Clone, Debug)]
pub struct Layer {
    /// The file.
    pub source: Arc<Source>,
    table: Table,
}

impl Layer {
    /// Parses a settings file; what its keys mean is looked at when the layers are laid together.
    ///
    /// # Errors
    /// Every syntax error of the file.
    pub fn parse(source: &Arc<Source>) -> Result<Layer, Vec<Diagnostic>> {
        Ok(Layer {
            source: Arc::clone(source),
            table: parse_toml(source)?,
        })
    }
}

/// What the command line says over the settings files.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--host`.
    pub host: Option<Located<String>>,
    /// `--set NAME=VALUE`, in order: the last of a name wins.
    pub set: Vec<(Located<String>, Value)>,
    /// `--no-header`.
    pub no_header: bool,
    /// `--no-qemu`.
    pub no_qemu: bool,
    /// Whether base images get the digests of the lock, whatever the settings say.
    pub locked: Option<bool>,
}

/// What a project reads from outside its settings files.
pub trait Inputs: Sync {
    /// An environment variable's value.
    fn env(&self, name: &str) -> Option<String>;

    /// The text of a file that a setting names, `path` being complete.
    ///
    /// # Errors
    /// The file cannot be read.
    fn file(&self, path: &std::path::Path) -> Result<Arc<Source>, Diagnostic>;
}

/// No environment and no files.
#[derive(Clone, Copy, Debug)]
pub struct NoInputs;

impl Inputs for NoInputs {
    fn env(&self, _: &str) -> Option<String> {
        None
    }

    fn file(&self, path: &std::path::Path) -> Result<Arc<Source>, Diagnostic> {
        let error = std::io::Error::from(std::io::ErrorKind::NotFound);
        Err(Diagnostic::io(path, "read the file", &error))
    }
}

/// A column: the project's own word per architecture.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) place: Place,
    pub(crate) default: Option<Located<Slot>>,
    pub(crate) values: BTreeMap<ArchName, Located<Slot>>,
    /// Whether the environment was asked for one of the values.
    pub(crate) from_env: bool,
}

/// A variable's value and where it is given.
#[derive(Clone, Debug)]
pub(crate) struct Var {
    pub(crate) slot: Slot,
    /// Whether the environment was asked.
    pub(crate) from_env: bool,
    pub(crate) place: Place,
}

/// A value of the settings in which names are filled in.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Setting {
    /// The value.
    pub slot: Slot,
    /// Whether the environment was asked: then it is taken as it is, and nothing is filled in.
    pub from_env: bool,
}

/// How an image is named and built. Generating does not use it.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ImageSettings {
    /// The image's name without a tag: `registry.example.com/acme/nginx`.
    pub image: Option<Located<String>>,
    /// The tags of the index.
    pub tags: Option<Vec<Located<String>>>,
    /// The pattern of one architecture's tag.
    pub arch_tag: Option<Located<String>>,
    /// The build context, relative to the file that says it.
    pub context: Option<Located<String>>,
    /// Build arguments.
    pub build_args: BTreeMap<String, Located<Setting>>,
    /// Labels of the image.
    pub labels: BTreeMap<String, Located<Setting>>,
    /// The stage to build.
    pub target: Option<Located<String>>,
    /// Where builds take their cache from.
    pub cache_from: Option<Vec<Located<String>>>,
    /// Where builds put their cache.
    pub cache_to: Option<Vec<Located<String>>>,
    /// Secrets by reference: `id=NAME,src=FILE` or `id=NAME,env=VARIABLE`.
    pub secrets: Option<Vec<Located<String>>>,
    /// Further arguments of the build command, by backend.
    pub flags: BTreeMap<String, Vec<Located<String>>>,
}

impl ImageSettings {
    /// Lays other settings over these.
    pub(crate) fn lay(&mut self, over: &ImageSettings) {
        fn lay<T: Clone>(under: &mut Option<T>, over: &Option<T>) {
            if over.is_some() {
                under.clone_from(over);
            }
        }
        lay(&mut self.image, &over.image);
        lay(&mut self.tags, &over.tags);
        lay(&mut self.arch_tag, &over.arch_tag);
        lay(&mut self.context, &over.context);
        lay(&mut self.target, &over.target);
        lay(&mut self.cache_from, &over.cache_from);
        lay(&mut self.cache_to, &over.cache_to);
        lay(&mut self.secrets, &over.secrets);
        self.build_args.extend(over.build_args.clone());
        self.labels.extend(over.labels.clone());
        self.flags.extend(over.flags.clone());
    }

    /// Whether nothing is said.
    pub(crate) fn is_empty(&self) -> bool {
        let single = [&self.image, &self.arch_tag, &self.context, &self.target];
        let lists = [&self.tags, &self.cache_from, &self.cache_to, &self.secrets];
        single.into_iter().all(Option::is_none)
            && lists.into_iter().all(Option::is_none)
            && self.build_args.is_empty()
            && self.labels.is_empty()
            && self.flags.is_empty()
    }

    /// Every text in which names are filled in.
    pub(crate) fn patterns(&self) -> impl Iterator<Item = String> {
        let single = [&self.image, &self.arch_tag, &self.context, &self.target];
        let lists = [&self.tags, &self.cache_from, &self.cache_to, &self.secrets];
        let single = single.into_iter().flatten();
        let lists = lists.into_iter().flatten().flatten();
        let flags = self.flags.values().flatten();
        let texts = single.chain(lists).chain(flags);
        let slots = self.build_args.values().chain(self.labels.values());
        let values = slots.filter_map(|slot| match &slot.value.slot {
            Slot::Value(value) => value.text(),
            Slot::Absent(_) => None,
        });
        texts.map(|text| text.value.clone()).chain(values)
    }
}

/// What `[arch.NAME]` says for one architecture.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ArchSettings {
    /// Its image settings, laid over the project's.
    pub image: ImageSettings,
    /// Where its file goes.
    pub output: Option<Located<String>>,
    /// Whether its file has a header.
    pub header: Option<bool>,
    /// Whether it may be emulated.
    pub qemu: Option<bool>,
    /// A Dockerfile written by hand: nothing is generated.
    pub dockerfile: Option<Located<String>>,
    /// Whether an index may go out without it.
    pub optional: bool,
    /// The machines that build it.
    pub builders: Vec<Located<String>>,
    pub(crate) vars: BTreeMap<String, Var>,
}

/// What `[verify]` says.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct VerifySettings {
    /// Paths where programs of other architectures are ordinary.
    pub allow: Vec<Located<String>>,
    /// Whether layers are read for programs.
    pub programs: bool,
}

impl Default for VerifySettings {
    fn default() -> VerifySettings {
        VerifySettings {
            allow: Vec::new(),
            programs: true,
        }
    }
}

/// What `[ci]` says.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct CiSettings {
    /// Commands that bring crossfile to a runner.
    pub install: Option<Vec<Located<String>>>,
    /// Patterns of branches that are released.
    pub branches: Option<Vec<Located<String>>>,
    /// Patterns of git's tags that are released.
    pub git_tags: Option<Vec<Located<String>>>,
    /// The names of the secrets for registries, by host.
    pub logins: BTreeMap<String, Login>,
    /// What holds for GitHub Actions.
    pub github: ServiceSettings,
    /// What holds for GitLab CI/CD.
    pub gitlab: ServiceSettings,
    /// What holds for Travis CI.
    pub travis: ServiceSettings,
}

/// The names of the secrets that open a registry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Login {
    /// That of the user's name.
    pub user: Option<String>,
    /// That of the password.
    pub password: Option<String>,
}

/// What `[ci.SERVICE]` says.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ServiceSettings {
    /// The runner of an architecture, by its labels.
    pub runners: BTreeMap<ArchName, Vec<Located<String>>>,
    /// The image that jobs run in.
    pub image: Option<Located<String>>,
}

/// What `[registry.HOST]` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RegistrySettings {
    /// Whether it is spoken to in plain HTTP; nothing where it is not said.
    pub plain_http: Option<bool>,
    /// The registry that is asked in its place.
    pub mirror: Option<String>,
}

/// The archive that handlers are taken from, where a project does not say.
pub const DEFAULT_MIRROR: &str = "https://deb.debian.org/debian";

/// The release of that archive.
pub const DEFAULT_SUITE: &str = "trixie";

/// Where a handler may come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandlerSource {
    /// The machine that asks.
    Machine,
    /// An archive of Debian packages.
    Debian,
    /// An address of the settings.
    Url,
}

/// What `[handlers]` says.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HandlerSettings {
    /// Where handlers are looked for, in order.
    pub from: Vec<HandlerSource>,
    /// An address with names to fill in.
    pub url: Option<Located<String>>,
    /// The archive's address, without a slash at its end.
    pub mirror: String,
    /// The archive's release.
    pub suite: String,
}

impl Default for HandlerSettings {
    fn default() -> HandlerSettings {
        HandlerSettings {
            from: vec![HandlerSource::Machine, HandlerSource::Debian],
            url: None,
            mirror: DEFAULT_MIRROR.to_string(),
            suite: DEFAULT_SUITE.to_string(),
        }
    }
}

/// The settings that hold in one folder.
///
/// ```
/// use crossfile::{Config, Layer, NoInputs, Overrides, Source};
///
/// let outer = Source::new("crossfile.toml", "arches = [\"amd64\", \"s390x\"]\n[vars]\nversion = \"1\"\n");
/// let inner = Source::new("app/crossfile.toml", "[vars]\nversion = \"2\"\n");
/// let layers = [Layer::parse(&outer).unwrap(), Layer::parse(&inner).unwrap()];
/// let config = Config::read(&layers, &Overrides::default(), &NoInputs).unwrap();
///
/// let cells = config.cells(&config.arches);
/// assert_eq!(cells.len(), 2);
/// assert_eq!(config.context(&cells[1]).unwrap().text("version").as_deref(), Some("2"));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The architecture table, with the project's own laid over it.
    pub map: Arc<ArchMap>,
    /// The architectures to make, in order.
    pub arches: Vec<ArchName>,
    /// Whether the project says `arches` itself. If not, any of the table may be asked for.
    pub arches_are_given: bool,
    /// The machine that builds.
    pub host: ArchName,
    /// What the host runs without QEMU.
    pub native: BTreeSet<ArchName>,
    /// Whether emulated architectures get the lines that QEMU needs.
    pub qemu: bool,
    /// Whether generated files say what they were made from.
    pub header: bool,
    /// The pattern of generated files' paths, relative to the template.
    pub output: Option<Located<String>>,
    /// The patterns of templates' names, each with the folder it is relative to where it has a `/`.
    pub templates: Vec<Located<String>>,
    /// Further folders of partials.
    pub partials: Vec<PathBuf>,
    /// The dialect of the project's templates.
    pub dialect: Option<Dialect>,
    /// Placeholders that are let through.
    pub passthrough: BTreeSet<String>,
    /// How the image is named and built.
    pub image: ImageSettings,
    /// What builds.
    pub backend: Option<Located<String>>,
    /// A Dockerfile that is no template and serves all architectures, or, with names in it, one for each.
    pub dockerfile: Option<Located<String>>,
    /// For an architecture those whose base images may take its own's place, in order.
    pub fallbacks: BTreeMap<ArchName, Vec<ArchName>>,
    /// Where base images are locked: beside the nearest settings, else in the project's root. Nothing where neither is known.
    pub lock_file: Option<PathBuf>,
    /// Whether base images get the digests that are locked.
    pub(crate) locking: Locking,
    /// `[lint] allow`: the codes of findings that are not reported.
    pub lint_allow: Vec<Located<String>>,
    /// Annotations of the index.
    pub annotations: BTreeMap<String, Located<Setting>>,
    /// How an index is proved.
    pub verify: VerifySettings,
    /// Where QEMU's handlers are fetched from.
    pub handlers: HandlerSettings,
    /// How registries are spoken to, by host.
    pub registries: BTreeMap<String, RegistrySettings>,
    /// What pipelines are told.
    pub ci: CiSettings,
    /// What is said for single architectures.
    pub arch: BTreeMap<ArchName, ArchSettings>,
    /// The names that templates may use.
    pub names: Names,
    /// What is odd about the settings and stops nothing.
    pub warnings: Vec<Diagnostic>,
    /// The files that the settings were read from: each `crossfile.toml`, then what they name.
    pub files: Vec<PathBuf>,
    /// Values that `--set` gives for an axis and that are not on it.
    pub(crate) pins: Vec<Diagnostic>,
    /// The names whose values are this run's only: set on the command line or read from the environment.
    pub(crate) passing: BTreeSet<String>,
    pub(crate) columns: BTreeMap<String, Column>,
    pub(crate) vars: BTreeMap<String, Var>,
    /// Variables of the command line, over everything.
    pub(crate) set: BTreeMap<String, Var>,
    pub(crate) matrix: Matrix,
}

impl Config {
    /// Lays the layers together, outermost first, and reads the result.
    ///
    /// # Errors
    /// Every problem of the settings, each with its place.
    pub fn read(
        layers: &[Layer],
        overrides: &Overrides,
        inputs: &dyn Inputs,
    ) -> Result<Config, Vec<Diagnostic>> {
        let config = Config::read_for_folder(layers, overrides, inputs)?;
        match config.pins.is_empty() {
            true => Ok(config),
            false => Err(config.pins),
        }
    }

    /// The same for one folder of several: values that `--set` gives for an axis may be on that of another.
    pub(crate) fn read_for_folder(
        layers: &[Layer],
        overrides: &Overrides,
        inputs: &dyn Inputs,
    ) -> Result<Config, Vec<Diagnostic>> {
        read::read(layers, overrides, inputs)
    }

    /// Whether findings of a code are not to be reported.
    pub fn allows(&self, code: crate::diagnostic::Code) -> bool {
        let names = self.lint_allow.iter();
        names.into_iter().any(|name| name.value == code.as_str())
    }

    /// Every name that settings outside of templates use: in image names, tags, build arguments and output paths.
    pub(crate) fn names_in_settings(&self) -> BTreeSet<String> {
        let per_arch = self.arch.values().map(|settings| &settings.image);
        let per_arch = per_arch.chain(self.matrix.rules.iter().map(|rule| &rule.image));
        let mut texts: Vec<String> = Vec::new();
        for image in std::iter::once(&self.image).chain(per_arch) {
            texts.extend(image.patterns());
        }
        let outputs = self
            .arch
            .values()
            .filter_map(|settings| settings.output.as_ref());
        texts.extend(
            outputs
                .chain(&self.output)
                .map(|output| output.value.clone()),
        );
        texts.extend(self.handlers.url.iter().map(|url| url.value.clone()));
        texts.extend(
            self.annotations
                .values()
                .filter_map(|setting| match &setting.value.slot {
                    Slot::Value(value) => value.text(),
                    Slot::Absent(_) => None,
                }),
        );
        let words = texts
            .iter()
            .map(|text| crate::template::words_in_tags(text));
        let words = words.flatten();
        words.chain(self.matrix.used.iter().cloned()).collect()
    }

    /// Whether the host runs an architecture by QEMU, and images get what that needs.
    pub fn is_emulated(&self, arch: &ArchName) -> bool {
        self.emulation(arch).1
    }

    /// Whether lines for QEMU stay for an architecture, and whether the host runs it itself. Neither holds for what
    /// QEMU has no emulator for, such as Windows.
    pub(crate) fn emulation(&self, arch: &ArchName) -> (bool, bool) {
        let settings = self.arch.get(arch).and_then(|settings| settings.qemu);
        if !settings.unwrap_or(self.qemu) {
            return (true, false);
        }
        let entry = self.map.get(arch.as_str());
        let has_emulator = entry.is_some_and(|entry| entry.get("qemu").is_some());
        let native = self.native.contains(arch);
        (native, !native && has_emulator)
    }
}
