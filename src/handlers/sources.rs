//! Where handlers come from: the machine, an archive of packages, an address. What is offered is judged here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use super::cache::{Cache, sha256};
use super::debian::{Archive, Packages, Program, Reader, Stop};
use super::needs::Need;
use super::report::Event;
use super::{packed, program};
use crate::arch::Entry;
use crate::config::{Config, HandlerSource};
use crate::context::Slot;
use crate::diagnostic::Diagnostic;
use crate::expand::{Pattern, stem};
use crate::lock::LockedHandler;
use crate::parallel::side_by_side;
use crate::registry::{Web, WebError};
use crate::value::Value;

/// The most that is downloaded from an address of the settings.
const MOST: u64 = 256 << 20;

/// The names that `url` may use besides those of the project.
const URL_NAMES: [&str; 3] = ["qemu_arch", "host_qemu_arch", "host_debian_arch"];

/// A handler that is looked for.
pub(super) struct Hunt<'a> {
    pub(super) need: &'a Need,
    /// What it has to be, where that is locked.
    pub(super) expected: Option<LockedHandler>,
    /// What was found. The cache has it.
    pub(super) got: Option<LockedHandler>,
    /// What was found and is not what is locked.
    pub(super) others: Vec<LockedHandler>,
    /// Where it was looked for, and why it is not from there.
    pub(super) tried: Vec<String>,
}

/// Why the search ended.
pub(super) enum Ended {
    Cancelled,
    Problems(Vec<Diagnostic>),
}

/// Looks for handlers.
pub(super) struct Finder<'a> {
    pub(super) web: &'a Web,
    pub(super) cache: &'a Cache,
    /// The folders of the machine that programs are in.
    pub(super) machine: &'a [PathBuf],
    pub(super) watch: &'a (dyn Fn(&Event<'_>) + Sync),
    /// What archives answered.
    pub(super) archives: BTreeMap<Archive, Result<Packages, Stop>>,
}

impl<'a> Hunt<'a> {
    pub(super) fn new(need: &'a Need, expected: Option<LockedHandler>) -> Hunt<'a> {
        Hunt {
            need,
            expected,
            got: None,
            others: Vec::new(),
            tried: Vec::new(),
        }
    }

    /// Takes what was found, if it is a handler and the one that is locked.
    fn offer(
        &mut self,
        bytes: &[u8],
        found: impl FnOnce(String, u64) -> LockedHandler,
        cache: &Cache,
    ) -> Result<(), Ended> {
        let found = found(sha256(bytes), bytes.len() as u64);
        let map = &self.need.config.map;
        let host = map.get(self.need.host().as_str());
        let judged = match host {
            Some(host) => program::check(bytes, map, host),
            None => Err("it is not known what it is to run on".to_string()),
        };
        if let Err(why) = judged {
            self.tried.push(format!("{}: {why}", found.from));
            return Ok(());
        }
        match &self.expected {
            Some(expected) if expected.sha256 != found.sha256 => self.others.push(found),
            expected => {
                cache.put(bytes).map_err(|error| {
                    let path = cache.path(&found.sha256);
                    Ended::Problems(vec![Diagnostic::io(&path, "write into the cache", &error)])
                })?;
                // Where it came from the first time stays in the lock.
                self.got = Some(expected.clone().unwrap_or(found));
            }
        }
        Ok(())
    }
}

impl Finder<'_> {
    /// Looks for handlers that the settings of one project are about, in each place that these name.
    pub(super) fn find(&mut self, config: &Config, hunts: &mut [Hunt<'_>]) -> Result<(), Ended> {
        let host = config.map.get(config.host.as_str()).cloned();
        for source in &config.handlers.from {
            let mut open: Vec<&mut Hunt<'_>> =
                hunts.iter_mut().filter(|hunt| hunt.got.is_none()).collect();
            if open.is_empty() {
                break;
            }
            match source {
                HandlerSource::Machine => self.on_machine(&mut open)?,
                HandlerSource::Debian => self.in_archive(config, host.as_ref(), &mut open)?,
                HandlerSource::Url => self.at_address(config, host.as_ref(), &mut open)?,
            }
            if self.web.is_cancelled() {
                return Err(Ended::Cancelled);
            }
        }
        Ok(())
    }

    /// What runs on another architecture than the settings' host is refused like any other program for another architecture.
    fn on_machine(&self, hunts: &mut [&mut Hunt<'_>]) -> Result<(), Ended> {
        for hunt in hunts {
            for folder in self.machine {
                let path = folder.join(hunt.need.name());
                if hunt.got.is_some() {
                    break;
                }
                let from = path.display().to_string();
                match std::fs::read(&path) {
                    Ok(bytes) => {
                        let found =
                            |sum, size| LockedHandler::new(sum, size, "machine", from.clone());
                        hunt.offer(&bytes, found, self.cache)?;
                    }
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                        hunt.tried.push(format!("{from}: it is not there"));
                    }
                    Err(error) => hunt.tried.push(format!("{from}: {error}")),
                }
            }
        }
        Ok(())
    }

    fn in_archive(
        &mut self,
        config: &Config,
        host: Option<&Entry>,
        hunts: &mut [&mut Hunt<'_>],
    ) -> Result<(), Ended> {
        let settings = &config.handlers;
        let Some(arch) = host.and_then(|host| host.get("debian")) else {
            for hunt in hunts {
                let host = &config.host;
                hunt.tried
                    .push(format!("{}: Debian is not for `{host}`", settings.mirror));
            }
            return Ok(());
        };
        let archive = Archive {
            mirror: settings.mirror.clone(),
            suite: settings.suite.clone(),
            arch: arch.into_owned(),
        };
        let reader = Reader {
            web: self.web,
            cache: self.cache,
            watch: self.watch,
        };
        let known = self.archives.entry(archive);
        let packages = known
            .or_insert_with_key(|archive| reader.packages(archive))
            .clone();
        let qemus: BTreeSet<String> = hunts.iter().map(|hunt| hunt.need.qemu.clone()).collect();
        let mut ended = None;
        let mut taken: BTreeSet<String> = BTreeSet::new();
        let done = packages.and_then(|packages| {
            reader.programs(&packages, &qemus, &mut |qemu, program| {
                let Program {
                    bytes,
                    version,
                    from,
                } = program;
                taken.insert(qemu.to_string());
                let own = hunts.iter_mut().find(|hunt| hunt.need.qemu == qemu);
                let offered = own.map(|hunt| {
                    let found = |sum, size| LockedHandler::new(sum, size, "debian", from);
                    let found = |sum, size| found(sum, size).of_version(Some(version));
                    hunt.offer(&bytes, found, self.cache)
                });
                if let Some(Err(end)) = offered {
                    ended = Some(end);
                }
            })
        });
        match (ended, done) {
            (Some(ended), _) => Err(ended),
            (None, Err(Stop::Cancelled)) => Err(Ended::Cancelled),
            (None, done) => {
                for hunt in hunts {
                    if taken.contains(&hunt.need.qemu) {
                        continue;
                    }
                    hunt.tried.push(match &done {
                        Err(Stop::Failed(what)) => what.clone(),
                        _ => format!(
                            "{} {}: the packages have no {}",
                            settings.mirror,
                            settings.suite,
                            hunt.need.name()
                        ),
                    });
                }
                Ok(())
            }
        }
    }

    fn at_address(
        &self,
        config: &Config,
        host: Option<&Entry>,
        hunts: &mut [&mut Hunt<'_>],
    ) -> Result<(), Ended> {
        let Some(url) = &config.handlers.url else {
            return Ok(());
        };
        let pattern = Pattern::parse(url, config, &URL_NAMES).map_err(Ended::Problems)?;
        let mut addresses: Vec<Asked> = Vec::new();
        for hunt in hunts.iter() {
            let need = hunt.need;
            let contexts = config.contexts(std::slice::from_ref(&need.cell));
            let Some((cell, context)) = contexts.into_iter().next() else {
                addresses.push(Asked::of(String::new(), &url.value, need.name()));
                continue;
            };
            let stem = stem(need.place.source().path());
            let mut context = context.with_stem(&stem);
            context.set("qemu_arch", Slot::Value(Value::Text(need.qemu.clone())));
            for (name, scheme) in [("host_qemu_arch", "qemu"), ("host_debian_arch", "debian")] {
                let slot = match host.and_then(|host| host.get(scheme)) {
                    Some(value) => Slot::Value(Value::Text(value.into_owned())),
                    None => Slot::Absent(format!("`{}` has none", config.host)),
                };
                context.set(name, slot);
            }
            let address = pattern.render(&cell, &context);
            let address = address.map_err(|problem| Ended::Problems(vec![*problem]))?;
            addresses.push(Asked::of(address, &url.value, need.name()));
        }
        let answers = side_by_side(&addresses, |asked| {
            (self.watch)(&Event::Download {
                address: &asked.shown,
                size: None,
            });
            self.ask(asked, &addresses)
        });
        for ((hunt, asked), answer) in hunts.iter_mut().zip(&addresses).zip(answers) {
            let shown = asked.shown.clone();
            match answer {
                Ok(bytes) => {
                    let found = |sum, size| LockedHandler::new(sum, size, "url", shown);
                    hunt.offer(&bytes, found, self.cache)?;
                }
                Err(WebError::Cancelled) => return Err(Ended::Cancelled),
                Err(error) => hunt.tried.push(format!("{shown}: {error}")),
            }
        }
        Ok(())
    }

    /// The program of an address.
    fn ask(&self, asked: &Asked, all: &[Asked]) -> Result<Vec<u8>, WebError> {
        let failed = |what: &str| Err(WebError::Failed(what.to_string()));
        if has_user(&asked.address) {
            return failed("the address has a user in it, which is not sent");
        }
        let bytes = self.web.get(&asked.address, MOST)?;
        let cancelled = || self.web.is_cancelled();
        let found = packed::program(&bytes, &asked.name, &cancelled).map_err(WebError::Failed)?;
        let is_others = |other: &Asked| other.address == asked.address && other.name != asked.name;
        match all.iter().find(|other| is_others(other)) {
            Some(other) if !found.is_named => failed(&format!(
                "this is one program, and would be {} as well: write `{{{{qemu_arch}}}}` into `url`",
                other.name
            )),
            _ => Ok(found.bytes),
        }
    }
}

/// An address that is asked.
struct Asked {
    address: String,
    /// The address as output and the lock have it: what is secret in it is not in a commit.
    shown: String,
    /// The program's name.
    name: String,
}

impl Asked {
    fn of(address: String, pattern: &str, name: String) -> Asked {
        // Where a user ends is not sure in an address that is none: then it is shown as it is written.
        let shown = match plain(&address).contains('@') {
            true => plain(pattern).to_string(),
            false => plain(&address).to_string(),
        };
        Asked {
            address,
            shown,
            name,
        }
    }
}

/// An address without its query: tokens stand there.
fn plain(address: &str) -> &str {
    address.split(['?', '#']).next().unwrap_or_default()
}

/// Whether an address has a user. Source: RFC 3986, section 3.2.
fn has_user(address: &str) -> bool {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next();
    authority.is_some_and(|authority| authority.contains('@'))
}

/// Handlers by the settings that say where they come from.
pub(super) fn by_settings<'a>(hunts: Vec<Hunt<'a>>) -> Vec<(Arc<Config>, Vec<Hunt<'a>>)> {
    let mut groups: Vec<(Arc<Config>, Vec<Hunt<'a>>)> = Vec::new();
    for hunt in hunts {
        let config = &hunt.need.config;
        match groups
            .iter_mut()
            .find(|(known, _)| Arc::ptr_eq(known, config))
        {
            Some((_, group)) => group.push(hunt),
            None => groups.push((Arc::clone(config), vec![hunt])),
        }
    }
    groups
}
