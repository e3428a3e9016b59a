//! From needs to files: what is locked, what is there, what is got, and what is written.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::cache::{Cache, Put, make_executable};
use super::check::{arches, check, finding, judge, locked_at};
use super::needs::Need;
use super::place::{Standing, look};
use super::report::{FetchedFile, FetchedHandler, Fetching, FileStatus, Mode, Report};
use super::sources::{Ended, Finder, Hunt, by_settings};
use crate::config::{HandlerSource, Inputs};
use crate::diagnostic::{Code, Diagnostic, Place, Source};
use crate::discover::root_of;
use crate::lock::{Lock, LockedHandler};
use crate::write::{Held, Inside, write};

/// A lock, and its text where there is one.
pub(super) type Locks = BTreeMap<PathBuf, (Option<Arc<Source>>, Lock)>;

/// A handler that is worked on.
pub(super) struct Work<'a> {
    pub(super) needs: Vec<(&'a Need, Option<Standing>)>,
    pub(super) expected: Option<LockedHandler>,
    pub(super) got: Option<LockedHandler>,
    pub(super) statuses: Vec<FileStatus>,
}

impl<'a> Work<'a> {
    fn first(&self) -> Option<&'a Need> {
        self.needs.first().map(|(need, _)| *need)
    }

    /// Whether something stands in a place that cannot be looked at.
    fn is_blocked(&self) -> bool {
        self.needs.iter().any(|(_, standing)| standing.is_none())
    }

    fn standing(&self) -> impl Iterator<Item = &Standing> {
        self.needs
            .iter()
            .filter_map(|(_, standing)| standing.as_ref())
    }
}

/// Sees to it that the files are there, or says which are not.
pub fn fetch(needs: &[Need], fetching: &Fetching<'_>) -> Report {
    let mut report = Report::default();
    let locks = match locks(needs, fetching.inputs) {
        Ok(locks) => locks,
        Err(problems) => {
            report.diagnostics = problems;
            return report;
        }
    };
    let mut works = works(needs, &locks, &mut report.diagnostics);
    match fetching.mode {
        Mode::Check => {
            for work in &mut works {
                check(work, &locks, &mut report.diagnostics);
            }
        }
        Mode::DryRun => works.iter_mut().for_each(judge),
        Mode::Fetch => {
            let mut run = Run {
                fetching,
                locks,
                report: &mut report,
            };
            run.get(&mut works);
            if !run.report.cancelled {
                run.put(&mut works);
            }
        }
    }
    let handlers = works.into_iter();
    report.handlers = handlers
        .filter_map(|work| fetched(work, fetching.machine))
        .collect();
    report
}

fn fetched(work: Work<'_>, machine: &[PathBuf]) -> Option<FetchedHandler> {
    let first = work.first()?;
    let settings = &first.config.handlers;
    let places = settings.from.iter().flat_map(|source| match source {
        HandlerSource::Machine => machine
            .iter()
            .map(|folder| folder.join(first.name()).display().to_string())
            .collect(),
        HandlerSource::Debian => vec![format!("{} {}", settings.mirror, settings.suite)],
        HandlerSource::Url => settings.url.iter().map(|url| url.value.clone()).collect(),
    });
    let places = places.collect();
    let files = work.needs.iter().zip(&work.statuses);
    Some(FetchedHandler {
        qemu: first.qemu.clone(),
        host: first.host().clone(),
        places,
        handler: work.got.or(work.expected),
        files: files
            .map(|((need, _), status)| FetchedFile {
                path: need.target.clone(),
                arches: need.arches.clone(),
                status: *status,
            })
            .collect(),
    })
}

fn locks(needs: &[Need], inputs: &dyn Inputs) -> Result<Locks, Vec<Diagnostic>> {
    let mut locks = Locks::new();
    let mut problems = Vec::new();
    for need in needs {
        if locks.contains_key(&need.lock) {
            continue;
        }
        let read = read_lock(&need.lock, inputs);
        match read {
            Ok(read) => drop(locks.insert(need.lock.clone(), read)),
            Err(found) => {
                problems.extend(found);
                locks.insert(need.lock.clone(), (None, Lock::default()));
            }
        }
    }
    match problems.is_empty() {
        true => Ok(locks),
        false => Err(problems),
    }
}

/// A lock as it is, which need not be there.
fn read_lock(
    path: &Path,
    inputs: &dyn Inputs,
) -> Result<(Option<Arc<Source>>, Lock), Vec<Diagnostic>> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok((None, Lock::default())),
        _ => {
            let source = inputs.file(path).map_err(|problem| vec![problem])?;
            let lock = Lock::parse(&source)?;
            Ok((Some(source), lock))
        }
    }
}

/// The handlers, each with all its files.
fn works<'a>(needs: &'a [Need], locks: &Locks, problems: &mut Vec<Diagnostic>) -> Vec<Work<'a>> {
    let mut works: Vec<Work<'a>> = Vec::new();
    for need in needs {
        let standing = look(need).map_err(|problem| problems.push(problem)).ok();
        let same = |work: &&mut Work<'_>| {
            work.first().is_some_and(|first| {
                (&first.lock, first.host(), &first.qemu) == (&need.lock, need.host(), &need.qemu)
            })
        };
        let status = match standing {
            Some(_) => FileStatus::Missing,
            None => FileStatus::Failed,
        };
        match works.iter_mut().find(same) {
            Some(work) => {
                work.needs.push((need, standing));
                work.statuses.push(status);
            }
            None => {
                let lock = locks.get(&need.lock);
                let expected =
                    lock.and_then(|(_, lock)| lock.handler(need.host().as_str(), &need.qemu));
                works.push(Work {
                    needs: vec![(need, standing)],
                    expected: expected.cloned(),
                    got: None,
                    statuses: vec![status],
                });
            }
        }
    }
    works
}

/// A run that changes things.
struct Run<'a, 'r> {
    fetching: &'a Fetching<'a>,
    locks: Locks,
    report: &'r mut Report,
}

impl Run<'_, '_> {
    /// Gets what is not there, into the cache.
    fn get(&mut self, works: &mut [Work<'_>]) {
        let mut hunted: Vec<usize> = Vec::new();
        for (at, work) in works.iter_mut().enumerate() {
            if work.is_blocked() {
                continue;
            }
            if self.fetching.update {
                hunted.push(at);
                continue;
            }
            let Some(expected) = work.expected.clone() else {
                hunted.push(at);
                continue;
            };
            // What would be refused need not be looked for.
            if self.refused(work, &expected) {
                continue;
            }
            match self.is_at_hand(work, &expected) {
                Ok(true) => work.got = Some(expected),
                Ok(false) => hunted.push(at),
                Err(problem) => self.report.diagnostics.push(problem),
            }
        }
        let hunts = hunted.iter().filter_map(|at| {
            let expected = works[*at].expected.clone();
            let expected = expected.filter(|_| !self.fetching.update);
            Some(Hunt::new(works[*at].first()?, expected))
        });
        let mut finder = Finder {
            web: self.fetching.web,
            cache: self.fetching.cache,
            machine: self.fetching.machine,
            watch: self.fetching.watch,
            archives: BTreeMap::new(),
        };
        for (config, mut hunts) in by_settings(hunts.collect()) {
            match finder.find(&config, &mut hunts) {
                Ok(()) => {}
                Err(Ended::Cancelled) => {
                    self.report.cancelled = true;
                    return;
                }
                Err(Ended::Problems(problems)) => {
                    self.report.diagnostics.extend(problems);
                    continue;
                }
            }
            for hunt in hunts {
                if hunt.got.is_none() {
                    let problem = self.not_got(&hunt);
                    self.report.diagnostics.push(problem);
                    continue;
                }
                let own = works.iter_mut().find(|work| {
                    work.first()
                        .is_some_and(|first| std::ptr::eq(first, hunt.need))
                });
                if let Some(work) = own {
                    work.got = hunt.got;
                }
            }
        }
    }

    /// Whether a handler need not be looked for: every file is right, or the cache has it, or gets it from a file that is right.
    fn is_at_hand(&self, work: &Work<'_>, expected: &LockedHandler) -> Result<bool, Diagnostic> {
        let right = |standing: &&Standing| standing.sum.as_ref() == Some(&expected.sha256);
        let all = work.standing().all(|standing| right(&standing));
        if all || self.fetching.cache.has(&expected.sha256) {
            return Ok(true);
        }
        let Some(bytes) = work
            .standing()
            .find(right)
            .and_then(|found| found.bytes.as_ref())
        else {
            return Ok(false);
        };
        self.keep(bytes)?;
        Ok(true)
    }

    fn keep(&self, bytes: &[u8]) -> Result<String, Diagnostic> {
        let cache = self.fetching.cache;
        cache.put(bytes).map_err(|error| {
            let path = cache.path(&super::cache::sha256(bytes));
            Diagnostic::io(&path, "write into the cache", &error)
        })
    }

    /// Refuses to replace files of which nobody else has what they hold.
    fn refused(&mut self, work: &mut Work<'_>, wanted: &LockedHandler) -> bool {
        let lasts = self.fetching.cache.lasts();
        // What is replaced is kept, so it needs a place.
        if lasts && (self.fetching.force || self.fetching.update) {
            return false;
        }
        let mut refused = false;
        for ((need, standing), status) in work.needs.iter().zip(&mut work.statuses) {
            let sum = standing
                .as_ref()
                .and_then(|standing| standing.sum.as_deref());
            let Some(sum) = sum.filter(|sum| *sum != wanted.sha256) else {
                continue;
            };
            if lasts && self.fetching.cache.has(sum) {
                continue;
            }
            *status = FileStatus::Differs;
            refused = true;
            let message = format!(
                "another file stands where {} belongs: its checksum is {sum}, and that of the handler is {}",
                need.name(),
                wanted.sha256
            );
            let problem = finding(Code::ChangedHandler, Place::file(&need.target), message);
            let problem = problem.related(need.place.clone(), "it is copied here");
            self.report.diagnostics.push(problem.help(match lasts {
                true => "`--force` replaces it, and keeps what it holds in the cache; or move it away",
                false => {
                    "move it away; there is no cache to keep what it holds in, as neither HOME nor XDG_CACHE_HOME says where"
                }
            }));
        }
        refused
    }

    /// Why a handler could not be got, and what would do.
    fn not_got(&self, hunt: &Hunt<'_>) -> Diagnostic {
        let need = hunt.need;
        let cache = self.fetching.cache;
        let tried = hunt.tried.iter().map(|tried| format!("\n- {tried}"));
        let tried: String = tried.collect();
        if let (Some(expected), Some(other)) = (&hunt.expected, hunt.others.first()) {
            let message = format!(
                "{} is not the one that is locked any more: the checksum of {} is {}, and {} is locked",
                need.name(),
                described(other),
                other.sha256,
                expected.sha256
            );
            let others = hunt.others.iter().skip(1);
            let others = others.map(|other| format!("\n- {}: {}", described(other), other.sha256));
            let others: String = others.collect();
            let help = format!(
                "where you trust the new one, `crossfile qemu fetch --update {}` takes it\nlocked: {} bytes, which came from {}{}{others}{tried}",
                arches(need),
                expected.size,
                described(expected),
                taken_as(cache, expected, "they")
            );
            let place = locked_at(need, &self.locks);
            return finding(Code::ChangedHandler, place, message)
                .related(need.place.clone(), "it is copied here")
                .help(help);
        }
        let message = format!(
            "{} for `{}`, to run on `{}`, was found nowhere",
            need.name(),
            arches(need),
            need.host()
        );
        let wanted = match &hunt.expected {
            Some(expected) => format!(
                "\nneeded: the file with the SHA-256 checksum {}, {} bytes, which came from {}{}",
                expected.sha256,
                expected.size,
                described(expected),
                taken_as(cache, expected, "it")
            ),
            None => format!(
                "\nneeded: a static {} for `{}`; its checksum is not locked yet",
                need.name(),
                need.host()
            ),
        };
        let from = &need.config.handlers.from;
        let install = match from.contains(&HandlerSource::Machine) {
            true => {
                "\nwithout the net: `apt-get install qemu-user-static` on Debian or Ubuntu puts it into /usr/bin"
            }
            false => "",
        };
        let help = format!("it was looked for here:{tried}{wanted}{install}");
        Diagnostic::error(Code::NoHandler, need.place.clone(), message).help(help)
    }

    /// Puts what was got into its places, and locks it. The locks are held meanwhile, and read again: that it took minutes
    /// to get here is time enough for somebody else to write them, or files.
    fn put(&mut self, works: &mut [Work<'_>]) {
        let held = self.held();
        let mut placed: BTreeMap<PathBuf, (String, Place)> = BTreeMap::new();
        let mut changed: BTreeSet<PathBuf> = BTreeSet::new();
        for work in works {
            let ready = self.look_again(work) && self.is_as_it_was(work, &held);
            let Some(got) = work.got.clone().filter(|_| ready) else {
                // What was not touched is as it was.
                let judged: Vec<FileStatus> = work.statuses.clone();
                judge(work);
                for (status, before) in work.statuses.iter_mut().zip(judged) {
                    if before == FileStatus::Differs {
                        *status = before;
                    }
                }
                continue;
            };
            if self.refused(work, &got) {
                continue;
            }
            let mut whole = true;
            for ((need, standing), status) in work.needs.iter().zip(&mut work.statuses) {
                let Some(standing) = standing else { continue };
                let one = match placed.get(&standing.target) {
                    Some((sum, other)) if *sum != got.sha256 => Err(two_of(need, other)),
                    _ => self.put_one(need, standing, &got),
                };
                match one {
                    Ok(done) => {
                        let own = (got.sha256.clone(), need.place.clone());
                        placed.insert(standing.target.clone(), own);
                        *status = done;
                    }
                    Err(problem) => {
                        *status = FileStatus::Failed;
                        whole = false;
                        self.report.diagnostics.push(problem);
                    }
                }
            }
            let Some(first) = work.first().filter(|_| whole) else {
                continue;
            };
            if let Some((_, lock)) = self.locks.get_mut(&first.lock)
                && lock.handler(first.host().as_str(), &first.qemu) != Some(&got)
            {
                lock.insert_handler(first.host().as_str(), &first.qemu, got);
                changed.insert(first.lock.clone());
            }
        }
        for path in changed {
            let Some((_, lock)) = self.locks.get(&path) else {
                continue;
            };
            let written = Inside::new(&root_of(&path))
                .look(&path)
                .and_then(|look| write(&look.target, lock.to_text()));
            match written {
                Ok(()) => self.report.locks.push(path),
                Err(problem) => self.report.diagnostics.push(problem),
            }
        }
    }

    /// Holds the folders of the locks, and reads these again. What cannot be is told, and nothing is written for it.
    fn held(&mut self) -> BTreeMap<PathBuf, Held> {
        let mut held = BTreeMap::new();
        for (path, known) in &mut self.locks {
            let folder = path.parent().unwrap_or(Path::new("."));
            match Held::of(folder) {
                Err(error) => {
                    let problem = Diagnostic::io(folder, "lock the folder", &error);
                    self.report.diagnostics.push(problem);
                }
                Ok(own) => match read_lock(path, self.fetching.inputs) {
                    Err(problems) => self.report.diagnostics.extend(problems),
                    Ok(now) => {
                        *known = now;
                        held.insert(path.clone(), own);
                    }
                },
            }
        }
        held
    }

    /// Looks at the files of a handler again; whether that can be done.
    fn look_again(&mut self, work: &mut Work<'_>) -> bool {
        for ((need, standing), status) in work.needs.iter_mut().zip(&mut work.statuses) {
            if standing.is_none() {
                continue;
            }
            *standing = look(need)
                .map_err(|problem| {
                    *status = FileStatus::Failed;
                    self.report.diagnostics.push(problem);
                })
                .ok();
        }
        !work.is_blocked()
    }

    /// Whether the lock, as it is now, has of a handler what it had.
    fn is_as_it_was(&mut self, work: &Work<'_>, held: &BTreeMap<PathBuf, Held>) -> bool {
        let Some((need, got)) = work.first().zip(work.got.as_ref()) else {
            return true;
        };
        // Why was told.
        if !held.contains_key(&need.lock) {
            return false;
        }
        let now = self.locks.get(&need.lock);
        let now = now.and_then(|(_, lock)| lock.handler(need.host().as_str(), &need.qemu));
        let Some(now) = now.filter(|now| *now != got && work.expected.as_ref() != Some(*now))
        else {
            return true;
        };
        // The same file from elsewhere is the same file.
        if now.sha256 == got.sha256 {
            return true;
        }
        let message = format!(
            "somebody else locked another {} meanwhile: its checksum is {}, and {} was fetched",
            need.name(),
            now.sha256,
            got.sha256
        );
        let problem = finding(Code::ChangedHandler, locked_at(need, &self.locks), message);
        let problem = problem.related(need.place.clone(), "it is copied here");
        self.report.diagnostics.push(problem.help(format!(
            "`crossfile qemu fetch {}` takes what is locked now",
            arches(need)
        )));
        false
    }

    fn put_one(
        &mut self,
        need: &Need,
        standing: &Standing,
        got: &LockedHandler,
    ) -> Result<FileStatus, Diagnostic> {
        let target = standing.target.as_path();
        let cannot = |what: &str, error: &std::io::Error| Diagnostic::io(target, what, error);
        let (status, put) = match &standing.sum {
            Some(sum) if *sum == got.sha256 => {
                if standing.executable {
                    return Ok(FileStatus::Right);
                }
                make_executable(target)
                    .map_err(|error| cannot("make the file executable", &error))?;
                return Ok(FileStatus::MadeExecutable);
            }
            Some(sum) => {
                let bytes = standing.bytes.as_deref().unwrap_or_default();
                if !self.fetching.cache.has(sum) {
                    self.keep(bytes)?;
                }
                let kept = self.fetching.cache.path(sum);
                self.report.kept.push((need.target.clone(), kept));
                (FileStatus::Replaced, Put::Over)
            }
            None => (FileStatus::Put, Put::New),
        };
        self.fetching
            .cache
            .place(&got.sha256, target, put)
            .map_err(|error| cannot("write the file", &error))?;
        Ok(status)
    }
}

/// Two projects put different handlers into one place.
fn two_of(need: &Need, other: &Place) -> Diagnostic {
    let message = format!(
        "two projects have this build context, and their locks another {} each",
        need.name()
    );
    finding(Code::ChangedHandler, need.place.clone(), message)
        .related(other.clone(), "the other one is copied here")
        .help("give each a `context` of its own, or lock the same: remove one of the locked handlers, and fetch again")
}

/// Where a file would be found that somebody else has.
fn taken_as(cache: &Cache, expected: &LockedHandler, it: &str) -> String {
    match cache.lasts() {
        true => format!(
            "; as {} {it} would be taken",
            cache.path(&expected.sha256).display()
        ),
        false => String::new(),
    }
}

/// Where a handler is from, with its version.
fn described(handler: &LockedHandler) -> String {
    match &handler.version {
        Some(version) => format!("{} ({version})", handler.from),
        None => handler.from.clone(),
    }
}
