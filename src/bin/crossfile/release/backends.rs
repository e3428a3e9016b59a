//! Finds a backend by its name, and asks the programs of this machine what they can do.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[cfg(feature = "registry")]
use crossfile::backend::WithRegistry;
use crossfile::backend::{
    Backend, Buildah, Buildctl, Buildx, Command, Docker, External, IndexTool, NAMES,
};
use crossfile::diagnostic::closest;
use crossfile::run::{self, ExecError};
use crossfile::{Code, Diagnostic, Located, Place, Platform, Product};

use super::args::{IndexBy, WithArgs};
use super::interrupts;
use super::work::Asked;
use crate::output::Output;

/// A backend that was found.
pub(crate) struct Opened {
    backend: Box<dyn Backend>,
    /// What its programs said that may matter.
    pub(super) warnings: Vec<Diagnostic>,
}

impl Opened {
    pub(crate) fn backend(&self) -> &dyn Backend {
        self.backend.as_ref()
    }

    /// The backend that the command line says, else the settings, else docker. `asked` is given where programs may be run: then
    /// the backend is what it is on this machine.
    pub(crate) fn new(
        with: &WithArgs,
        said: Option<Located<String>>,
        products: &[Product],
        asked: Option<&Asked<'_>>,
        output: &Output,
    ) -> Result<Opened, Vec<Diagnostic>> {
        let name = chosen(with, said);
        let ask = Asking {
            folder: output.folder.clone(),
            patience: asked.map_or(PATIENCE, |asked| asked.patience),
            cancelled: interrupts(),
        };
        let mut warnings = Vec::new();
        // Where nothing is built and our own client makes the index, the backend's programs need not be there.
        let asked = asked.filter(|asked| asked.builds || with.index == IndexBy::Backend);
        let backend: Box<dyn Backend> = match (name.value.as_str(), asked) {
            ("docker", None) => Box::new(Docker),
            ("docker", Some(_)) => {
                ask.is_there("docker", &name)?;
                Box::new(Docker)
            }
            ("buildx", None) => Box::new(Buildx::default()),
            ("buildx", Some(_)) => Box::new(buildx(&ask, &name, products)?),
            ("buildctl", None) => Box::new(Buildctl::default()),
            ("buildctl", Some(_)) => {
                ask.is_there("buildctl", &name)?;
                if asked.is_some_and(|asked| asked.builds) {
                    workers(&ask, &name, products, &mut warnings)?;
                }
                Box::new(Buildctl {
                    index_tool: index_tool(&ask),
                    skopeo: ask.says("skopeo", &["--version"]).is_ok(),
                })
            }
            ("buildah" | "podman", _) => {
                let backend = match name.value.as_str() {
                    "podman" => Buildah::podman(),
                    _ => Buildah::default(),
                };
                let mut skopeo = true;
                if asked.is_some() {
                    ask.is_there(backend.name(), &name)?;
                    skopeo = ask.says("skopeo", &["--version"]).is_ok();
                }
                Box::new(if skopeo {
                    backend
                } else {
                    backend.without_skopeo()
                })
            }
            (other, _) => external(other, &name, ask)?,
        };
        let backend = match with.index {
            IndexBy::Backend => backend,
            #[cfg(feature = "registry")]
            IndexBy::Registry => Box::new(WithRegistry::new(backend)),
        };
        Ok(Opened { backend, warnings })
    }
}

/// The backend that the command line says, else the settings, else docker.
pub(crate) fn chosen(with: &WithArgs, said: Option<Located<String>>) -> Located<String> {
    let argument = with.backend.as_deref().map(|name| {
        let place = Place::argument(&format!("--backend {name}"));
        let place = Place::new(place.source(), 10..10 + name.len());
        Located::new(name.to_string(), place)
    });
    let docker = || Located::new("docker".to_string(), Place::argument("--backend docker"));
    argument.or(said).unwrap_or_else(docker)
}

/// The backend that the settings of products say, which has to be one unless the command line says it.
pub(crate) fn said(
    backend: Option<&str>,
    products: &[Product],
) -> Result<Option<Located<String>>, Box<Diagnostic>> {
    let mut said = products
        .iter()
        .filter_map(|product| product.config.backend.as_ref());
    let first = said.next();
    let other = said.find(|other| first.is_some_and(|first| first.value != other.value));
    let (Some(first), Some(other), None) = (first, other, backend) else {
        return Ok(first.cloned());
    };
    let message = format!(
        "`{}` is said here, and `{}` for another part of the project",
        other.value, first.value
    );
    Err(Box::new(
        Diagnostic::error(Code::BadValue, other.place.clone(), message)
            .related(first.place.clone(), "the other is here")
            .help("build one at a time, or say `--backend`"),
    ))
}

/// How long a program may take to answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// Runs programs to ask them something.
#[derive(Clone)]
struct Asking {
    folder: std::path::PathBuf,
    patience: Duration,
    cancelled: Arc<AtomicBool>,
}

impl Asking {
    /// What a command prints.
    fn ask(&self, command: &Command) -> Result<String, ExecError> {
        let cancelled = || self.cancelled.load(Ordering::SeqCst);
        run::Asking::new(
            &self.folder,
            std::env::temp_dir(),
            self.patience,
            &cancelled,
        )
        .ask(command)
    }

    fn says(&self, program: &str, args: &[&str]) -> Result<String, ExecError> {
        self.ask(&Command::new(program, args.iter().copied()))
    }

    fn is_there(&self, program: &str, name: &Located<String>) -> Result<(), Vec<Diagnostic>> {
        match self.says(program, &["--version"]) {
            Err(ExecError::NotFound { .. }) => {
                let message = format!("there is no program `{program}` on PATH");
                let help = "install it, or choose another with `--backend`";
                let place = name.place.clone();
                let problem = Diagnostic::error(Code::Unsupported, place, message);
                Err(vec![problem.help(help)])
            }
            // Whatever else it says, it is there.
            _ => Ok(()),
        }
    }
}

/// What the builders of a project can do. With the driver `docker` only the containerd image store takes several platforms.
fn buildx(
    ask: &Asking,
    name: &Located<String>,
    products: &[Product],
) -> Result<Buildx, Vec<Diagnostic>> {
    ask.is_there("docker", name)?;
    let problem = |message: String, help: &str| {
        let problem = Diagnostic::error(Code::Unsupported, name.place.clone(), message);
        vec![problem.help(help)]
    };
    if ask.says("docker", &["buildx", "version"]).is_err() {
        let help = "install the plugin buildx, or choose another backend with `--backend`";
        return Err(problem("docker has no plugin `buildx`".to_string(), help));
    }
    let mut builders: BTreeSet<Option<&str>> = BTreeSet::new();
    for product in products {
        for file in &product.files {
            let arch = product.config.arch.get(&file.cell.arch);
            let own = arch.map_or(&[][..], |arch| &arch.builders);
            builders.extend(own.iter().map(|builder| Some(builder.value.as_str())));
            if own.is_empty() {
                builders.insert(None);
            }
        }
    }
    let status = ["info", "--format", "{{json .DriverStatus}}"];
    let store = ask.says("docker", &status).unwrap_or_default();
    let store = store.contains("io.containerd.snapshotter");
    let mut several = true;
    let mut by_digest = true;
    for builder in builders {
        let mut args = vec!["buildx", "inspect"];
        args.extend(builder);
        let found = ask.says("docker", &args).map_err(|error| {
            let who = builder.unwrap_or("the one that is chosen");
            let help = "`docker buildx ls` lists builders, `docker buildx create` makes one";
            problem(
                format!("the builder {who} cannot be asked: {}", reason(&error)),
                help,
            )
        })?;
        let driver = found.lines().find_map(|line| line.strip_prefix("Driver:"));
        if driver.map(str::trim) == Some("docker") {
            by_digest = false;
            several &= store;
        }
    }
    Ok(Buildx {
        several_platforms: several,
        pushes_by_digest: by_digest,
        keeps_several: store,
    })
}

/// Asks every BuildKit what it builds. One that does not answer would fail each build.
fn workers(
    ask: &Asking,
    name: &Located<String>,
    products: &[Product],
    warnings: &mut Vec<Diagnostic>,
) -> Result<(), Vec<Diagnostic>> {
    let mut known: BTreeMap<Vec<String>, Option<String>> = BTreeMap::new();
    let mut told: BTreeSet<(String, String)> = BTreeSet::new();
    for (product, file) in products.iter().flat_map(|product| {
        let files = product.files.iter();
        files.map(move |file| (product, file))
    }) {
        let arch = product.config.arch.get(&file.cell.arch);
        let is_optional = arch.is_some_and(|arch| arch.optional);
        let settings = product.config.image(&file.cell);
        let flags = settings.flags.get("buildctl").into_iter().flatten();
        let flags: Vec<String> = flags.map(|flag| flag.value.clone()).collect();
        let (global, _) = Buildctl::global_flags(&flags);
        let own = arch.map_or(&[][..], |arch| &arch.builders);
        let mut addresses: Vec<Option<&str>> = own
            .iter()
            .map(|builder| Some(builder.value.as_str()))
            .collect();
        if addresses.is_empty() {
            addresses.push(None);
        }
        let entry = product.config.map.get(file.cell.arch.as_str());
        let platform = entry.and_then(|entry| entry.get("platform"));
        let platform = platform.unwrap_or_default().into_owned();
        for address in addresses {
            let who = match address {
                Some(address) => format!("the BuildKit at {address}"),
                None => "BuildKit".to_string(),
            };
            let mut args = global.clone();
            if let Some(address) = address {
                args.extend(["--addr".to_string(), address.to_string()]);
            }
            args.extend(["debug".to_string(), "workers".to_string()]);
            let place = || name.place.clone();
            let said = match known.entry(args.clone()) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(free) => {
                    let said = ask.ask(&Command::new("buildctl", args));
                    let said = said.map_err(|error| {
                        let message = format!("{who} cannot be asked: {}", reason(&error));
                        let help = "start buildkitd, and say where: `builder` in crossfile.toml, or BUILDKIT_HOST";
                        match is_optional {
                            true => Diagnostic::warning(Code::Unsupported, place(), message).help(help),
                            false => Diagnostic::error(Code::Unsupported, place(), message).help(help),
                        }
                    });
                    match said {
                        Ok(said) => free.insert(Some(said)),
                        Err(problem) if is_optional => {
                            warnings.push(problem);
                            free.insert(None)
                        }
                        Err(problem) => return Err(vec![problem]),
                    }
                }
            };
            let normal = |text: &str| {
                let platform = text.parse::<Platform>().ok();
                platform.map(|platform| platform.normalize().to_string())
            };
            let Some(said) = said else { continue };
            let mut words = said.split(|c: char| c == ',' || c.is_whitespace());
            let wanted = normal(&platform);
            // It may build more than it says: arm/v5, or what was registered since it was started.
            if !words.any(|word| word.contains('/') && normal(word) == wanted)
                && told.insert((who.clone(), platform.clone()))
            {
                let message = format!("{who} does not say that it builds {platform}");
                let help = "an emulator for it may be missing there";
                warnings.push(Diagnostic::warning(Code::Unsupported, place(), message).help(help));
            }
        }
    }
    Ok(())
}

/// Why a program gave no answer, with the last that it said.
fn reason(error: &ExecError) -> String {
    match error {
        ExecError::Failed { last, .. } if !last.is_empty() => {
            format!("{error}\n{}", last.join("\n"))
        }
        _ => error.to_string(),
    }
}

/// Whose tool makes indexes for buildctl.
fn index_tool(ask: &Asking) -> IndexTool {
    if ask.says("docker", &["buildx", "version"]).is_ok() {
        IndexTool::Imagetools
    } else if ask.says("docker", &["--version"]).is_ok() {
        IndexTool::DockerManifest
    } else if ask.says("buildah", &["--version"]).is_ok() {
        IndexTool::Buildah
    } else {
        IndexTool::None
    }
}

/// A program of the user's own. It says what it can do, so it is run for a plan, too.
fn external(
    other: &str,
    name: &Located<String>,
    ask: Asking,
) -> Result<Box<dyn Backend>, Vec<Diagnostic>> {
    let problem = |message: String, help: String| {
        let place = name.place.clone();
        vec![Diagnostic::error(Code::Unsupported, place, message).help(help)]
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let program = External::program(other);
    let unknown = || {
        let help = match closest(other, NAMES.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!(
                "there are: {}; any other name stands for a program `crossfile-backend-NAME` on PATH",
                NAMES.join(", ")
            ),
        };
        problem(format!("there is no backend `{other}`"), help)
    };
    if other.is_empty() || !other.chars().all(plain) {
        return Err(unknown());
    }
    // Without a request it may well complain, but it is there.
    if let Err(ExecError::NotFound { .. }) = ask.says(&program, &[]) {
        return Err(unknown());
    }
    let asking = move |command: &Command| ask.ask(command).map_err(|error| reason(&error));
    let external = External::open(other, asking);
    let external =
        external.map_err(|error| problem(error, "docs/backends.md has its form".to_string()))?;
    Ok(Box::new(external))
}
