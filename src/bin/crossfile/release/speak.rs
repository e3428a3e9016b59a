//! The runner of this machine: its programs, and registries.

use std::collections::BTreeMap;
use std::time::Duration;

use crossfile::backend::Action;
use crossfile::config::RegistrySettings;
#[cfg(feature = "registry")]
use crossfile::run;
use crossfile::run::{Events, ExecError, Performed, Processes, Runner};
use crossfile::{Code, Diagnostic, Place, Product};

use super::args::DoArgs;
use crate::output::Output;
#[cfg(feature = "registry")]
use crate::registry::Speaker;

/// How registries are spoken to, by host.
pub(crate) type Registries = BTreeMap<String, RegistrySettings>;

/// What the settings of all products say, which has to be one.
pub(crate) fn registries(products: &[Product]) -> Result<Registries, Vec<Diagnostic>> {
    let mut all = Registries::new();
    for product in products {
        for (host, own) in &product.config.registries {
            match all.insert(host.clone(), own.clone()) {
                Some(known) if known != *own => {
                    let place = Place::file(&product.source);
                    let message = format!(
                        "the registry `{host}` is spoken to in another way for another part of the project"
                    );
                    let problem = Diagnostic::error(Code::BadValue, place, message);
                    return Err(vec![problem.help("say `[registry]` once, in the crossfile.toml above both, or build one at a time")]);
                }
                _ => {}
            }
        }
    }
    Ok(all)
}

/// The client for registries, where this crossfile has one.
pub(super) struct Speaking {
    #[cfg(feature = "registry")]
    speaker: Speaker,
}

impl Speaking {
    #[cfg(feature = "registry")]
    pub(super) fn new(
        registries: &Registries,
        how: &DoArgs,
        output: &Output,
    ) -> Result<Speaking, Vec<Diagnostic>> {
        let speaker = Speaker::with(registries, how.speak, output)?;
        Ok(Speaking { speaker })
    }

    #[cfg(not(feature = "registry"))]
    pub(super) fn new(_: &Registries, _: &DoArgs, _: &Output) -> Result<Speaking, Vec<Diagnostic>> {
        Ok(Speaking {})
    }
}

/// Runs programs, and asks registries.
pub(super) struct Machine<'a> {
    processes: Processes<'a>,
    #[cfg_attr(
        not(feature = "registry"),
        expect(dead_code, reason = "there is no client to ask")
    )]
    speaking: &'a Speaking,
}

impl<'a> Machine<'a> {
    pub(super) fn new(processes: Processes<'a>, speaking: &'a Speaking) -> Machine<'a> {
        Machine {
            processes,
            speaking,
        }
    }
}

impl Runner for Machine<'_> {
    fn run(&self, action: &Action, events: &dyn Events) -> Result<Performed, ExecError> {
        match action {
            #[cfg(feature = "registry")]
            Action::Registry(action) => {
                let cancelled = || self.processes.is_cancelled();
                let registries = run::Registries {
                    places: self.speaking.speaker.places(),
                    cancelled: &cancelled,
                };
                registries.perform(action, events)
            }
            action => self.processes.run(action, events),
        }
    }

    fn is_cancelled(&self) -> bool {
        self.processes.is_cancelled()
    }

    fn pause(&self, time: Duration) {
        self.processes.pause(time);
    }
}
