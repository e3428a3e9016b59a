//! The client for registries, made from this machine's environment and credentials.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crossfile::config::RegistrySettings;
use crossfile::registry::{
    Cancelled, Client, ClientOptions, DockerConfig, HelperPrograms, Http, HttpOptions, Location,
    Places, Proxies, RegistryOptions, Web, default_files,
};
use crossfile::{ArchMap, Code, Diagnostic, Overrides, Place, Platform};

use crate::output::Output;

/// How the registries of a command are spoken to.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(crate) struct SpeakArgs {
    /// Speak plain HTTP to registries
    #[arg(long, conflicts_with = "tls")]
    pub(crate) plain_http: bool,

    /// Speak HTTPS to registries, on loopback too
    #[arg(long)]
    pub(crate) tls: bool,
}

/// Speaks to registries.
pub(crate) struct Speaker {
    client: Client,
    places: Places,
    keychain: Arc<DockerConfig>,
    cancelled: Arc<AtomicBool>,
}

impl Speaker {
    /// For a command without a project: settings are those of the folder that it runs in, where it has some.
    pub(crate) fn new(args: SpeakArgs, output: &Output) -> Result<Speaker, Vec<Diagnostic>> {
        let config = crossfile::config_of(&output.folder, &Overrides::default(), &output.inputs())?;
        Speaker::with(&config.registries, args, output)
    }

    /// For a project's settings.
    pub(crate) fn with(
        registries: &BTreeMap<String, RegistrySettings>,
        args: SpeakArgs,
        output: &Output,
    ) -> Result<Speaker, Vec<Diagnostic>> {
        Speaker::within(registries, args, (None, Duration::ZERO), output)
    }

    /// The same for whoever wants to know soon: after `limit` everything is called off, and little is tried again. What was begun has
    /// `linger` longer to be brought to an end, after Ctrl-C too.
    pub(crate) fn within(
        registries: &BTreeMap<String, RegistrySettings>,
        args: SpeakArgs,
        (limit, linger): (Option<Duration>, Duration),
        output: &Output,
    ) -> Result<Speaker, Vec<Diagnostic>> {
        let cancelled = crate::release::interrupts();
        let flag = Arc::clone(&cancelled);
        let began = Instant::now();
        let since: OnceLock<Instant> = OnceLock::new();
        let called_off: Cancelled = Arc::new(move || {
            let late = limit.is_some_and(|limit| began.elapsed() > limit);
            (late || flag.load(Ordering::SeqCst))
                && since.get_or_init(Instant::now).elapsed() >= linger
        });
        let env = output.inputs().env;
        let mut options = ClientOptions::default();
        if limit.is_some() {
            options.retry_waits.truncate(1);
        }
        options.plain_http = match (args.plain_http, args.tls) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => None,
        };
        for (host, said) in registries {
            let mut own = RegistryOptions::default();
            own.plain_http = options.plain_http.or(said.plain_http);
            own.mirror.clone_from(&said.mirror);
            options.registries.insert(host.clone(), own);
        }
        let helpers = HelperPrograms::new(Arc::clone(&called_off));
        let keychain = Arc::new(DockerConfig::new(default_files(&env), Arc::new(helpers)));
        let http = http(called_off, &env)?;
        let client = Client::new(Arc::new(http), keychain.clone(), options);
        Ok(Speaker {
            places: Places::new(&output.folder, client.clone()),
            client,
            keychain,
            cancelled,
        })
    }

    /// The client.
    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }

    /// Who knows where credentials are.
    pub(crate) fn keychain(&self) -> &DockerConfig {
        &self.keychain
    }

    /// Opens repositories.
    pub(crate) fn places(&self) -> &Places {
        &self.places
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::SeqCst)
    }

    /// Reads an argument as an image's place. `flag` stands before it on the command line.
    pub(crate) fn location(flag: &str, text: &str) -> Result<Location, Diagnostic> {
        text.parse().map_err(|what: String| {
            let place = Place::argument(&format!("{flag}{text}"));
            let place = Place::new(place.source(), flag.len()..flag.len() + text.len());
            Diagnostic::error(Code::BadValue, place, what)
        })
    }
}

/// What reaches the net, through the proxies of the environment.
fn http(called_off: Cancelled, env: &BTreeMap<String, String>) -> Result<Http, Vec<Diagnostic>> {
    let mut options = HttpOptions::default();
    options.cancelled = called_off;
    options.proxies = Proxies::from_env(env);
    Http::new(options).map_err(|what| {
        let place = Place::file("the environment");
        vec![Diagnostic::error(Code::BadValue, place, what)]
    })
}

/// Reads plain files of the net. The settings say which hosts are spoken to in plain HTTP.
pub(crate) fn web(
    registries: &BTreeMap<String, RegistrySettings>,
    output: &Output,
) -> Result<Web, Vec<Diagnostic>> {
    let cancelled = crate::release::interrupts();
    let called_off: Cancelled = Arc::new(move || cancelled.load(Ordering::SeqCst));
    let http = http(called_off, &output.inputs().env)?;
    let plain = registries
        .iter()
        .filter(|(_, said)| said.plain_http == Some(true));
    let plain = plain.map(|(host, _)| host.to_ascii_lowercase()).collect();
    Ok(Web::new(Arc::new(http), plain))
}

/// The platform of a text: `linux/arm/v7`, or a key or alias of the table.
pub(crate) fn platform(map: &ArchMap, flag: &str, text: &str) -> Result<Platform, Box<Diagnostic>> {
    let found = map.resolve(text).map(|entry| entry.platform.clone());
    found.map_err(|error| {
        let place = Place::argument(&format!("{flag}{text}"));
        let place = Place::new(place.source(), flag.len()..flag.len() + text.len());
        Box::new(error.at(place))
    })
}
