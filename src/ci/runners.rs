//! Which runner of a service builds an architecture.

use super::Service;
use crate::arch::ArchName;
use crate::config::Config;
use crate::diagnostic::{Code, Diagnostic, Place};

/// The machines of each service, the first of them that which emulates: an architecture of the table, and how a job asks for it.
///
/// Sources: docs.github.com, "GitHub-hosted runners reference"; docs.gitlab.com, "Hosted runners on Linux"; docs.travis-ci.com,
/// "Building on Multiple CPU Architectures".
fn machines(service: Service) -> &'static [(&'static str, &'static str)] {
    match service {
        Service::Github => &[("amd64", "ubuntu-24.04"), ("arm64v8", "ubuntu-24.04-arm")],
        Service::Gitlab => &[
            ("amd64", "saas-linux-small-amd64"),
            ("arm64v8", "saas-linux-small-arm64"),
        ],
        Service::Travis => &[
            ("amd64", "amd64"),
            ("arm64v8", "arm64"),
            ("ppc64le", "ppc64le"),
            ("s390x", "s390x"),
        ],
    }
}

/// The runner of what is for no architecture.
pub(super) fn first(service: Service) -> &'static str {
    machines(service).first().map_or("", |machine| machine.1)
}

/// Who builds an architecture.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Runner {
    /// The labels, tags or the `arch` by which a job asks for it.
    pub labels: Vec<String>,
    /// What QEMU calls the architecture, where it has to run its programs there.
    pub qemu: Option<String>,
}

impl Runner {
    /// The runner that the settings say, else the service's own machine of the kind, else one that emulates.
    ///
    /// # Errors
    /// There is none: nothing emulates the architecture.
    pub fn of(service: Service, arch: &ArchName, config: &Config) -> Result<Runner, Diagnostic> {
        let settings = service.settings(&config.ci);
        if let Some(labels) = settings.runners.get(arch) {
            return Ok(Runner {
                labels: labels.iter().map(|label| label.value.clone()).collect(),
                qemu: None,
            });
        }
        let machines = machines(service);
        let native = machines.iter().find(|(machine, _)| {
            let own = config.map.native_of(&ArchName::new(machine));
            own.contains(arch)
        });
        if let Some((_, label)) = native {
            return Ok(Runner {
                labels: vec![(*label).to_string()],
                qemu: None,
            });
        }
        let entry = config.map.get(arch.as_str());
        match entry.and_then(|entry| entry.get("qemu")) {
            Some(qemu) => Ok(Runner {
                labels: vec![first(service).to_string()],
                qemu: Some(qemu.into_owned()),
            }),
            None => {
                let place = config.files.first().map(Place::file);
                let place = place.unwrap_or_else(|| Place::file("crossfile.toml"));
                let message = format!(
                    "no machine of {} builds `{arch}`, and QEMU does not emulate it",
                    service.title()
                );
                let help = format!(
                    "say a runner of your own: `[ci.{service}.runners]` with `{arch} = \"…\"`; or leave it out of `arches`"
                );
                Err(Diagnostic::error(Code::Unsupported, place, message).help(help))
            }
        }
    }
}
