//! Pipelines of CI services, written from a project's settings.
//!
//! [`Pipeline::new`] works out what is the same for all services: who builds which architecture, whether images go by their digests,
//! which registries are opened. [`Pipeline::text`] writes it for one. The text depends on the settings and on crossfile's version
//! alone, never on the machine, its environment or the time.

mod github;
mod gitlab;
mod matrix;
mod runners;
mod travis;
mod yaml;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use crate::arch::ArchName;
use crate::config::{CiSettings, Config, ServiceSettings};
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::dockerfile::instructions;
use crate::document::Located;
use crate::lint::is_handler;
use crate::outcome::{Outcome, Status};
use crate::plan::{Plan, Task};
use crate::project::Product;
use crate::read;
use crate::reference::Parts;
use crate::write::Look;

pub use matrix::{Cell as MatrixCell, Matrix};
pub use runners::Runner;

/// A CI service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Service {
    /// GitHub Actions.
    Github,
    /// GitLab CI/CD.
    Gitlab,
    /// Travis CI.
    Travis,
}

impl Service {
    /// Where it looks for its pipeline, from the top of the repository.
    pub fn file(self) -> &'static str {
        match self {
            Service::Github => ".github/workflows/crossfile.yml",
            Service::Gitlab => ".gitlab-ci.yml",
            Service::Travis => ".travis.yml",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Service::Github => "GitHub",
            Service::Gitlab => "GitLab",
            Service::Travis => "Travis CI",
        }
    }

    fn settings(self, ci: &CiSettings) -> &ServiceSettings {
        match self {
            Service::Github => &ci.github,
            Service::Gitlab => &ci.gitlab,
            Service::Travis => &ci.travis,
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Service::Github => "github",
            Service::Gitlab => "gitlab",
            Service::Travis => "travis",
        })
    }
}

/// The builds of one architecture.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Job {
    /// The architecture.
    pub arch: String,
    /// Who builds it.
    pub runner: Runner,
    /// Whether the index may go out without it.
    pub optional: bool,
}

/// A registry that is opened before anything is pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Login {
    host: String,
    /// The names of the secrets; nothing where the service has some of its own for it.
    user: Option<String>,
    password: Option<String>,
}

/// What a backend needs beside docker, which every machine of a service has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tools {
    /// Nothing that a pipeline can bring.
    Nothing,
    /// A builder for buildx.
    Buildx,
    /// A BuildKit, and its own client.
    Buildctl,
    /// A package of this name.
    Package(&'static str),
}

impl Tools {
    fn of(backend: &str) -> Tools {
        match backend {
            "buildx" => Tools::Buildx,
            "buildctl" => Tools::Buildctl,
            "buildah" => Tools::Package("buildah"),
            "podman" => Tools::Package("podman"),
            _ => Tools::Nothing,
        }
    }

    /// The variables that builds need, of which the last two are for machines on which everything is in a container.
    fn variables(self, in_container: bool) -> &'static [(&'static str, &'static str)] {
        match (self, in_container) {
            (Tools::Buildctl, _) => &[("BUILDKIT_HOST", "docker-container://crossfile-buildkit")],
            (Tools::Package(_), true) => {
                &[("BUILDAH_ISOLATION", "chroot"), ("STORAGE_DRIVER", "vfs")]
            }
            _ => &[],
        }
    }
}

/// What a project is built by.
#[derive(Clone, Debug)]
pub struct Pipeline {
    service: Service,
    /// The way from the top of the repository to the project; empty where they are one.
    folder: String,
    jobs: Vec<Job>,
    logins: Vec<Login>,
    /// Whether images are pushed under their digests alone.
    by_digest: bool,
    /// What commands that build get: `--backend buildx`.
    flags: String,
    /// What that backend needs.
    tools: Tools,
    /// Whether some Dockerfile copies a handler of QEMU's from its context.
    handlers: bool,
    /// Whether the builder's cache can be kept in a folder.
    caches: bool,
    install: Option<Vec<String>>,
    branches: Vec<String>,
    git_tags: Vec<String>,
    image: String,
}

/// What a pipeline is made of.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Subject<'a> {
    /// The settings of the folder that it works in.
    pub config: &'a Config,
    /// What is built there.
    pub products: &'a [Product],
    /// The plan of that, for names.
    pub plan: &'a Plan,
    /// The backend that the settings say.
    pub backend: Option<&'a Located<String>>,
    /// The way from the top of the repository to that folder, with `/`; empty where they are one.
    pub folder: &'a str,
}

impl<'a> Subject<'a> {
    /// A project at the top of its repository.
    pub fn new(config: &'a Config, products: &'a [Product], plan: &'a Plan) -> Subject<'a> {
        Subject {
            config,
            products,
            plan,
            backend: None,
            folder: "",
        }
    }
}

impl Pipeline {
    /// Works out who does what.
    ///
    /// # Errors
    /// Everything that the service cannot do.
    pub fn new(service: Service, subject: &Subject<'_>) -> Result<Pipeline, Vec<Diagnostic>> {
        let config = subject.config;
        let mut problems = Vec::new();
        let name = subject
            .backend
            .map_or("buildx", |backend| backend.value.as_str());
        let is_buildkit = ["buildx", "buildctl"].contains(&name);
        let said = arch_tags(subject.products);
        let by_digest = service != Service::Travis
            && is_buildkit
            && said.iter().all(|tag| tag.value.is_empty());
        if let (false, Some(tag)) = (by_digest, said.iter().find(|tag| tag.value.is_empty())) {
            let message = match service {
                Service::Travis => {
                    "Travis CI hands no files from job to job: digests would be lost".to_string()
                }
                _ => format!("{name} pushes no images without tags, or others here have tags"),
            };
            problems.push(
                Diagnostic::error(Code::Unsupported, tag.place.clone(), message)
                    .help("give `arch-tag` a pattern, as `\"{{arch}}-{{tag}}\"`"),
            );
        }
        let jobs = match jobs(service, subject) {
            Ok(jobs) => jobs,
            Err(found) => {
                problems.extend(found);
                Vec::new()
            }
        };
        let logins = match logins(service, subject) {
            Ok(logins) => logins,
            Err(problem) => {
                problems.push(*problem);
                Vec::new()
            }
        };
        let folder = subject.folder;
        if folder.contains("${{") || folder.chars().any(char::is_control) {
            let message = "no pipeline can work in a folder of this name";
            problems.push(Diagnostic::error(
                Code::BadValue,
                Place::file(folder),
                message,
            ));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let texts = |list: &Option<Vec<Located<String>>>| -> Option<Vec<String>> {
            let list = list.as_ref()?;
            Some(list.iter().map(|text| text.value.clone()).collect())
        };
        let own_cache = |product: &Product| {
            let mut files = product.files.iter();
            files.any(|file| {
                let image = product.config.image(&file.cell);
                image.cache_from.is_none() || image.cache_to.is_none()
            })
        };
        let settings = service.settings(&config.ci);
        let image = settings.image.as_ref();
        Ok(Pipeline {
            service,
            folder: folder.to_string(),
            jobs,
            logins,
            by_digest,
            flags: match subject.backend {
                Some(_) => String::new(),
                None => format!(" --backend {name}"),
            },
            tools: Tools::of(name),
            handlers: subject.products.iter().any(copies_handlers),
            caches: is_buildkit && subject.products.iter().any(own_cache),
            install: texts(&config.ci.install),
            branches: texts(&config.ci.branches).unwrap_or_else(|| vec!["main".to_string()]),
            git_tags: texts(&config.ci.git_tags).unwrap_or_else(|| vec!["v*".to_string()]),
            image: image.map_or("rust:1-trixie".to_string(), |image| image.value.clone()),
        })
    }

    /// The pipeline as its service reads it, header included.
    pub fn text(&self) -> String {
        let body = match self.service {
            Service::Github => github::write(self),
            Service::Gitlab => gitlab::write(self),
            Service::Travis => travis::write(self),
        };
        format!("{}\n{body}", self.header())
    }

    /// What has to be set up once at the service, and what is taken for granted: sentences for whoever had it written.
    pub fn set_up(&self) -> Vec<String> {
        let mut said = Vec::new();
        if self.install.is_none() {
            said.push(format!(
                "it installs crossfile {} from crates.io; `[ci] install` in crossfile.toml says another way",
                env!("CARGO_PKG_VERSION")
            ));
        }
        let title = self.service.title();
        for login in &self.logins {
            let host = &login.host;
            said.push(match (&login.user, &login.password) {
                (Some(user), Some(password)) => {
                    format!("to set up once at {title}: the secrets `{user}` and `{password}`, which open {host}")
                }
                _ => format!("{title} itself opens {host}: no secret has to be set up for it"),
            });
            if is_loopback(host) {
                said.push(format!(
                    "no machine of {title} reaches {host}: `image` in crossfile.toml names this machine's registry"
                ));
            }
        }
        let names = |what: &str, names: &[String]| match names {
            [] => None,
            names => Some(format!("{what} `{}`", names.join("`, `"))),
        };
        let branches = names("commits to the branches", &self.branches);
        let tags = names("the tags", &self.git_tags);
        let released: Vec<String> = branches.into_iter().chain(tags).collect();
        said.push(match released.is_empty() {
            true => "nothing is released: `[ci]` names no branch and no tag of git".to_string(),
            false => format!("released are {}", released.join(" and ")),
        });
        if self.handlers {
            let sentence = "QEMU's handlers are fetched before each build: commit crossfile.lock, as `crossfile qemu fetch` wrote it";
            said.push(sentence.to_string());
        }
        if !self.by_digest && self.jobs.iter().any(|job| job.optional) {
            let sentence = "images go by tags: where the build of an optional architecture fails, its image of an earlier run stays in the index";
            said.push(sentence.to_string());
        }
        said
    }

    fn header(&self) -> String {
        // The way from the pipeline to the settings, as in every generated file.
        let up = "../".repeat(self.service.file().matches('/').count());
        let settings = match self.folder.as_str() {
            "" => "crossfile.toml".to_string(),
            folder => format!("{folder}/crossfile.toml"),
        };
        format!("{BEFORE}{up}{settings}{AFTER}{}", self.command())
    }

    /// The command that writes it.
    fn command(&self) -> String {
        match self.folder.as_str() {
            "" => format!("crossfile ci {}", self.service),
            folder => format!("crossfile ci {} {}", self.service, quoted(folder)),
        }
    }

    // What follows are the commands that all services run.

    fn install(&self) -> Vec<String> {
        let version = env!("CARGO_PKG_VERSION");
        let own = self.install.clone().unwrap_or_else(|| {
            // Not in the repository: its rust-toolchain.toml and .cargo/config.toml are for other programs.
            vec![format!(
                "(cd \"$HOME\" && cargo install --locked --root \"$HOME/.crossfile\" crossfile@{version})"
            )]
        });
        let mut lines = vec!["mkdir -p \"$HOME/.crossfile/bin\"".to_string()];
        lines.extend(own);
        lines
    }

    /// What proves that generated files are right. The last runs at the top of the repository.
    fn checks(&self, github: bool) -> Vec<String> {
        let format = if github { " --format github" } else { "" };
        vec![
            format!("crossfile generate --check{format}"),
            format!("crossfile lint{format}"),
            format!("{} --check", self.command_from_within()),
        ]
    }

    /// The command that writes it, run in the folder of the project.
    fn command_from_within(&self) -> String {
        format!("crossfile ci {}", self.service)
    }

    const APT_UPDATE: &str = "apt-get update";
    const APT_INSTALL: &str = "apt-get install --yes --no-install-recommends";
    /// A machine of one's own may have the builder of the run before.
    const START_BUILDX: &str = "docker buildx inspect crossfile >/dev/null 2>&1 || docker buildx create --name crossfile --driver docker-container";
    const USE_BUILDX: &str = "docker buildx use crossfile";

    /// BuildKit in a container, and its client out of the same image.
    const START_BUILDKIT: [&str; 3] = [
        "docker start crossfile-buildkit >/dev/null 2>&1 || docker run --detach --privileged --name crossfile-buildkit moby/buildkit:v0.23.2",
        "timeout 60 sh -c 'until docker exec crossfile-buildkit buildctl debug workers >/dev/null 2>&1; do sleep 1; done'",
        "docker cp crossfile-buildkit:/usr/bin/buildctl \"$HOME/.crossfile/bin/\"",
    ];

    /// What a package of buildah or podman leaves to recommendations, and a build needs: a runtime, and a network without root.
    const WITH_BUILDAH: &str = "crun slirp4netns uidmap";

    /// Puts the handlers of `$CROSSFILE_ARCH` where its Dockerfiles copy them from; where they copy none, it does nothing.
    const FETCH: &str = "crossfile qemu fetch \"$CROSSFILE_ARCH\"";

    /// What was put away by the last run becomes what is taken from: so the cache holds what one run used, and no more.
    const TURN_CACHE: &[&str] = &[
        "rm -rf \"$HOME/.crossfile-cache/old\"",
        "if [ -d \"$HOME/.crossfile-cache/new\" ]; then mv \"$HOME/.crossfile-cache/new\" \"$HOME/.crossfile-cache/old\"; fi",
    ];

    fn cache_flags(&self) -> &'static str {
        match self.caches {
            true => {
                " --cache-from \"$HOME/.crossfile-cache/old\" --cache-to \"$HOME/.crossfile-cache/new\""
            }
            false => "",
        }
    }

    /// The build of a pull request, which pushes nothing. buildctl keeps no images, so that its builds push: buildx builds there.
    fn build(&self) -> String {
        let (flags, cache) = (&self.flags, self.cache_flags());
        let flags = match self.tools {
            Tools::Buildctl => " --backend buildx",
            _ => flags,
        };
        format!("crossfile build{flags} --arch \"$CROSSFILE_ARCH\"{cache}")
    }

    /// Whether what is pushed is built by the same command.
    fn push_builds(&self) -> bool {
        self.by_digest || self.tools == Tools::Buildctl
    }

    fn push(&self, folder: &str) -> String {
        let (flags, cache) = (&self.flags, self.cache_flags());
        match self.by_digest {
            true => format!(
                "crossfile push{flags} --arch \"$CROSSFILE_ARCH\"{cache} --by-digest \"{folder}/$CROSSFILE_ARCH.json\""
            ),
            false if self.push_builds() => {
                format!("crossfile push{flags} --arch \"$CROSSFILE_ARCH\"{cache}")
            }
            false => format!("crossfile push{flags} --arch \"$CROSSFILE_ARCH\""),
        }
    }

    fn merge(&self, folder: &str) -> Vec<String> {
        let manifest = match self.by_digest {
            true => format!("crossfile manifest --digests \"{folder}\""),
            false => "crossfile manifest".to_string(),
        };
        vec![manifest, "crossfile verify".to_string()]
    }

    /// `docker login` with what two variables hold.
    fn login(login: &Login, user: &str, password: &str) -> String {
        // Without a host it is Docker Hub.
        let host = match login.host.as_str() {
            "docker.io" => String::new(),
            host => format!("{} ", quoted(host)),
        };
        format!(
            "printf '%s' \"${password}\" | docker login {host}--username \"${user}\" --password-stdin"
        )
    }

    fn is_emulated(&self) -> bool {
        self.jobs.iter().any(|job| job.runner.qemu.is_some())
    }
}

const BEFORE: &str = "# Generated from ";
const AFTER: &str = " by crossfile. Do not edit; to make it again: ";

/// The command that wrote a pipeline, where crossfile did.
fn written_by(text: &str) -> Option<&str> {
    let line = text.lines().next()?.strip_prefix(BEFORE)?;
    let (_, command) = line.split_once(AFTER)?;
    command.starts_with("crossfile ci ").then_some(command)
}

/// Whether a text is a pipeline that crossfile wrote.
pub fn is_ours(text: &str) -> bool {
    written_by(text).is_some()
}

/// Whether a registry is this machine's own.
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']');
    let address = address.parse::<std::net::IpAddr>();
    name == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// A word of the shell.
fn quoted(word: &str) -> String {
    // What a shell cannot hold was refused before.
    shlex::try_quote(word).map_or_else(|_| String::new(), |word| word.into_owned())
}

/// Whether a Dockerfile of a product copies a handler from its build context, as `crossfile qemu fetch` reads it.
fn copies_handlers(product: &Product) -> bool {
    product.files.iter().any(|file| {
        let text = match &file.text {
            Some(text) => text.to_string(),
            // One that cannot be read is an error of those who build it.
            None => match read::source(&file.dockerfile) {
                Ok(source) => source.text().to_string(),
                Err(_) => return false,
            },
        };
        instructions(&text).iter().any(|instruction| {
            matches!(instruction.name.as_str(), "COPY" | "ADD")
                && instruction.flag("from").is_none()
                && instruction
                    .sources()
                    .into_iter()
                    .any(|word| is_handler(word) && !word.text.contains("://"))
        })
    })
}

/// Every `arch-tag` that is said.
fn arch_tags(products: &[Product]) -> Vec<Located<String>> {
    let mut tags: Vec<Located<String>> = Vec::new();
    for product in products {
        for file in &product.files {
            if let Some(tag) = product.config.image(&file.cell).arch_tag
                && !tags.contains(&tag)
            {
                tags.push(tag);
            }
        }
    }
    tags
}

/// A job for each architecture, in the order of the settings.
fn jobs(service: Service, subject: &Subject<'_>) -> Result<Vec<Job>, Vec<Diagnostic>> {
    let mut jobs: Vec<Job> = Vec::new();
    let mut problems = Vec::new();
    for product in subject.products {
        for file in &product.files {
            let arch: &ArchName = &file.cell.arch;
            let own = product.config.arch.get(arch);
            let optional = own.is_some_and(|own| own.optional);
            if let Some(known) = jobs.iter_mut().find(|job| job.arch == arch.as_str()) {
                known.optional &= optional;
                continue;
            }
            match Runner::of(service, arch, subject.config) {
                Ok(runner) => jobs.push(Job {
                    arch: arch.to_string(),
                    runner,
                    optional,
                }),
                Err(problem) if problems.contains(&problem) => {}
                Err(problem) => problems.push(problem),
            }
        }
    }
    match problems.is_empty() {
        true => Ok(jobs),
        false => Err(problems),
    }
}

/// The registries of all images, and by which secrets each is opened. A pair of secrets opens one: what is for one registry is
/// nobody else's to see.
fn logins(service: Service, subject: &Subject<'_>) -> Result<Vec<Login>, Box<Diagnostic>> {
    let mut hosts: BTreeMap<String, ()> = BTreeMap::new();
    for step in &subject.plan.steps {
        let names = match &step.task {
            Task::Build(build) => &build.tags,
            Task::Index(index) => &index.tags,
            _ => continue,
        };
        for name in names {
            if let Ok(parts) = name.parse::<Parts>() {
                hosts.insert(parts.registry, ());
            }
        }
    }
    let known = &subject.config.ci.logins;
    let mut plain: Vec<String> = Vec::new();
    let mut logins = Vec::new();
    for host in hosts.into_keys() {
        let said = known.get(&host).cloned().unwrap_or_default();
        let own = match service {
            Service::Github => host == "ghcr.io",
            Service::Gitlab => host == "registry.gitlab.com",
            Service::Travis => false,
        };
        let is_own = own && said.user.is_none() && said.password.is_none();
        if !is_own && said.password.is_none() {
            plain.push(host.clone());
        }
        logins.push(match is_own {
            true => Login {
                host,
                user: None,
                password: None,
            },
            false => Login {
                host,
                user: Some(said.user.unwrap_or_else(|| "REGISTRY_USER".to_string())),
                password: Some(
                    said.password
                        .unwrap_or_else(|| "REGISTRY_PASSWORD".to_string()),
                ),
            },
        });
    }
    match plain.as_slice() {
        [] | [_] => Ok(logins),
        several => {
            let place = subject.config.files.first().map(Place::file);
            let place = place.unwrap_or_else(|| Place::file("crossfile.toml"));
            let message = format!(
                "images go to {}, and nothing says which secret opens which",
                several.join(" and ")
            );
            Err(Box::new(
                Diagnostic::error(Code::BadValue, place, message).help(format!(
                    "write `[ci.login.\"{}\"]` with the names of its `user` and `password`",
                    several[0]
                )),
            ))
        }
    }
}

/// A pipeline against what stands at its path. That of another folder is somebody else's: a repository has one.
pub fn outcome(path: PathBuf, settings: PathBuf, text: String, look: Look) -> Outcome {
    let status = match &look.bytes {
        None => Status::Missing,
        Some(bytes) if bytes == text.as_bytes() => Status::Same,
        Some(bytes) if written_by(&String::from_utf8_lossy(bytes)) == written_by(&text) => {
            Status::Changed
        }
        Some(_) => Status::Foreign,
    };
    Outcome {
        place: Place::file(&path),
        path,
        status,
        target: look.target,
        template: settings,
        cells: Vec::new(),
        wanted: Some(text),
        found: look.bytes,
    }
}
