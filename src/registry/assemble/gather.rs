//! Reading the images that go into an index, and working it out.

use std::sync::Arc;
use std::thread;

use super::ahead::{Ahead, Mount, Mounted, mounts};
use super::judge::Judge;
use super::publish::repositories;
use super::read::{Found, Image, own_platform, read};
use super::{Child, Gathered, Options, Outcome, Problem, ProblemKind, Source, Target};
use crate::arch::Platform;
use crate::parallel::side_by_side;
use crate::registry::index;
use crate::registry::{Descriptor, Repository};

/// How many connections are made ahead at most.
const READY: usize = 32;

/// Reads the images that go into an index, all at once, and works out the index. Nothing is written.
///
/// # Errors
/// Everything that is wrong with the sources.
pub fn gather(sources: &[Source], options: &Options) -> Result<Gathered, Vec<Problem>> {
    gather_for(sources, options, &[])
}

/// The same for targets to which it will be published. Once every source is known to be there, registries that have the images already
/// take them over while configurations are read, which spares waiting for that later. No name leads to them until the index is
/// published; where something is wrong they stay behind, as after any push that was broken off.
///
/// # Errors
/// Everything that is wrong with the sources.
pub fn gather_for(
    sources: &[Source],
    options: &Options,
    targets: &[Target],
) -> Result<Gathered, Vec<Problem>> {
    let repositories = repositories(targets);
    for to in &repositories {
        let foreign = |source: &&Source| source.repository.name() != to.name();
        // Each image has two blobs at least.
        let requests = 2 * sources.iter().filter(foreign).count();
        if requests > 0 {
            let to = Arc::clone(to);
            // Nobody waits for it: a target that does not answer is found out where it matters, and so is a thread that there is not.
            let _ = thread::Builder::new().spawn(move || to.prepare(requests.min(READY)));
        }
    }
    work_out(sources, options, &repositories)
}

fn work_out(
    sources: &[Source],
    options: &Options,
    repositories: &[Arc<dyn Repository>],
) -> Result<Gathered, Vec<Problem>> {
    let numbered: Vec<(usize, &Source)> = sources.iter().enumerate().collect();
    let found = side_by_side(&numbered, |(at, source)| read(*at, source));
    let (platforms, ahead) = ask(sources, &found, repositories);
    let (children, left_out) = judge(sources, options, found, platforms)?;
    let mut entries: Vec<Descriptor> = children.iter().map(|child| child.entry.clone()).collect();
    index::sort(&mut entries);
    let made = index::document(entries.clone(), options.annotations.clone(), options.oci);
    let index =
        made.map_err(|what| vec![Problem::new("the index", ProblemKind::NotAnImage(what))])?;
    Ok(Gathered {
        index,
        entries,
        left_out,
        children,
        ahead,
    })
}

/// Whether an index may go out without a source that there is this problem with.
fn is_left_out(source: &Source, problem: &Problem) -> bool {
    source.optional && *problem.kind == ProblemKind::Missing
}

/// The platforms of all images, in their order; and what repositories took over meanwhile.
fn ask(
    sources: &[Source],
    found: &[Outcome<Found>],
    repositories: &[Arc<dyn Repository>],
) -> (Vec<Outcome<Platform>>, Ahead) {
    let is_whole = found
        .iter()
        .zip(sources)
        .all(|(found, source)| match found {
            Ok(_) => true,
            Err(problem) => is_left_out(source, problem),
        });
    // What more waits for comes first.
    let mut tasks: Vec<Task<'_>> = Vec::new();
    if is_whole {
        let sure = found.iter().zip(sources);
        let sure = sure.filter_map(|(found, source)| Some((found.as_ref().ok()?, source)));
        let sure: Vec<&Image> = sure
            .flat_map(|(found, source)| found.sure(source))
            .collect();
        for to in repositories {
            tasks.extend(mounts(to, &sure).into_iter().map(Task::Mount));
        }
    }
    let images = found.iter().flatten().flat_map(|found| &found.images);
    tasks.extend(images.map(Task::Read));
    let mut platforms = Vec::new();
    let mut ahead = Ahead::default();
    for done in side_by_side(&tasks, |task| task.perform(sources)) {
        match done {
            Done::Read(platform) => platforms.push(platform),
            Done::Mounted(mounted) => ahead.note(mounted),
        }
    }
    (platforms, ahead)
}

/// The images that go into the index, and the names of the sources that it goes out without.
fn judge(
    sources: &[Source],
    options: &Options,
    found: Vec<Outcome<Found>>,
    platforms: Vec<Outcome<Platform>>,
) -> Result<(Vec<Child>, Vec<String>), Vec<Problem>> {
    let mut platforms = platforms.into_iter();
    let mut children: Vec<Child> = Vec::new();
    let mut left_out = Vec::new();
    let mut problems = Vec::new();
    for (source, found) in sources.iter().zip(found) {
        let judged = found.and_then(|found: Found| {
            let own = platforms.by_ref().take(found.images.len()).collect();
            Judge { source, options }.judge(found, own)
        });
        match judged {
            Ok(judged) => children.extend(judged),
            Err(problem) if is_left_out(source, &problem) => left_out.push(source.name.clone()),
            Err(problem) => problems.push(problem),
        }
    }
    let children = without_twins(children, sources, &mut problems);
    if children.is_empty() && problems.is_empty() {
        problems.push(Problem::new("the index", ProblemKind::Empty));
    }
    match problems.is_empty() {
        true => Ok((children, left_out)),
        false => Err(problems),
    }
}

/// What is waited for at once.
enum Task<'a> {
    /// The platform of an image.
    Read(&'a Image),
    /// Something to do meanwhile.
    Mount(Mount<'a>),
}

enum Done {
    Read(Outcome<Platform>),
    Mounted(Mounted),
}

impl Task<'_> {
    fn perform(&self, sources: &[Source]) -> Done {
        match self {
            Task::Read(image) => Done::Read(own_platform(&sources[image.child.source], image)),
            Task::Mount(mount) => Done::Mounted(mount.perform()),
        }
    }
}

/// Leaves one of those that are the same. Two images for one platform are a fault: clients would pull whichever comes first.
fn without_twins(
    children: Vec<Child>,
    sources: &[Source],
    problems: &mut Vec<Problem>,
) -> Vec<Child> {
    let mut kept: Vec<Child> = Vec::new();
    for child in children {
        let same = |known: &&Child| match child.entry.is_of_no_platform() {
            true => {
                known.entry.digest == child.entry.digest
                    && known.entry.attests() == child.entry.attests()
            }
            false => {
                known.entry.platform == child.entry.platform && !known.entry.is_of_no_platform()
            }
        };
        match kept.iter().find(same) {
            None => kept.push(child),
            Some(known) if known.entry.digest == child.entry.digest => {}
            Some(known) => {
                let platform = child.entry.platform.clone().unwrap_or_default();
                let other = sources[known.source].name.clone();
                problems.push(Problem::new(
                    &sources[child.source].name,
                    ProblemKind::Twice(platform, other),
                ));
            }
        }
    }
    kept
}
