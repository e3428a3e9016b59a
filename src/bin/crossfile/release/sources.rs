//! The index that `manifest` makes of sources.

use crossfile::plan::{Index, IndexSource, Proof, Target};
use crossfile::{ArchMap, Code, Diagnostic, Place};

use super::args::ManifestArgs;

/// The index that the arguments ask for.
pub(super) fn index(args: &ManifestArgs) -> Result<Index, Vec<Diagnostic>> {
    let map = ArchMap::builtin();
    let mut problems = Vec::new();
    let mut sources = Vec::new();
    let said = args.sources.iter().map(|source| ("", source));
    let optional = args.optional.iter().map(|source| ("--optional ", source));
    for (flag, argument) in said.chain(optional) {
        match source(&map, flag, argument) {
            Ok(mut source) => {
                source.optional = !flag.is_empty();
                sources.push(source);
            }
            Err(problem) => problems.push(*problem),
        }
    }
    for tag in args.tag.iter().filter(|_| args.to.is_none()) {
        problems.extend(check("--tag ", 0, tag));
        if !tag.contains('/') && problems.is_empty() {
            let message = "with sources `--tag` is a whole reference";
            let problem = at("--tag ", tag, 0..tag.len(), message);
            problems.push(problem.help("write `--tag registry.example.com/acme/nginx:1.27`"));
        }
    }
    if let Some(to) = args
        .to
        .as_ref()
        .filter(|to| !to.starts_with("oci:") || to.len() == 4 || to[4..].contains(':'))
    {
        let message = "this is no folder in the OCI image layout";
        let problem = at("--to ", to, 0..to.len(), message);
        problems.push(
            problem.help("write `--to oci:DIR`; names of the index in it are said by `--tag`"),
        );
    }
    let mut index = Index::new(args.tag.clone(), sources);
    for annotation in &args.annotation {
        match annotation.split_once('=') {
            Some((name, value)) if !name.is_empty() => {
                index
                    .annotations
                    .insert(name.to_string(), value.to_string());
            }
            _ => {
                let message = format!("`{annotation}` gives no value");
                let problem = at("--annotation ", annotation, 0..annotation.len(), &message);
                problems.push(problem.help("write `--annotation NAME=VALUE`"));
            }
        }
    }
    index.to.clone_from(&args.to);
    index.without_attestations = args.no_attestations;
    index.proof = args.verify.then(|| Proof::new(args.allow.clone()));
    match problems.is_empty() {
        true => Ok(index),
        false => Err(problems),
    }
}

/// `[PLATFORM=]REFERENCE`.
fn source(map: &ArchMap, flag: &str, argument: &str) -> Result<IndexSource, Box<Diagnostic>> {
    // A reference has no `=`; a folder's name may.
    let split = argument
        .split_once('=')
        .filter(|(before, _)| !before.starts_with("oci:"));
    let (platform, reference) = match split {
        Some((platform, reference)) => (Some(platform), reference),
        None => (None, argument),
    };
    let start = argument.len() - reference.len();
    if let Some(problem) = check_in(flag, argument, start, reference) {
        return Err(Box::new(problem));
    }
    let mut source = IndexSource::new(reference);
    if let Some(platform) = platform {
        let entry = map.resolve(platform).map_err(|error| {
            let place = Place::argument(&format!("{flag}{argument}"));
            let place = Place::new(place.source(), flag.len()..flag.len() + platform.len());
            Box::new(error.at(place))
        })?;
        source.target = Some(Target::new(entry.name.as_str(), entry.platform.to_string()));
    }
    Ok(source)
}

fn at(flag: &str, argument: &str, span: std::ops::Range<usize>, message: &str) -> Diagnostic {
    let place = Place::argument(&format!("{flag}{argument}"));
    let span = flag.len() + span.start..flag.len() + span.end;
    Diagnostic::error(Code::BadValue, Place::new(place.source(), span), message)
}

fn check(flag: &str, start: usize, reference: &str) -> Option<Diagnostic> {
    check_in(flag, reference, start, reference)
}

/// What is wrong with a reference that stands at the end of an argument.
fn check_in(flag: &str, argument: &str, start: usize, reference: &str) -> Option<Diagnostic> {
    if let Some(folder) = reference.strip_prefix("oci:") {
        let folder = folder.split([':', '@']).next().unwrap_or_default();
        return folder.is_empty().then(|| {
            at(
                flag,
                argument,
                start..argument.len(),
                "this names no folder",
            )
        });
    }
    // A tag beside a digest is for people: the digest counts.
    let (name, digest) = match reference.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (reference, None),
    };
    let tagged = name
        .rsplit('/')
        .next()
        .is_some_and(|last| last.contains(':'));
    let judged = match digest {
        Some(digest) if tagged => format!(
            "{}@{digest}",
            &name[..name.rfind(':').unwrap_or(name.len())]
        ),
        _ => reference.to_string(),
    };
    let wrong = crossfile::reference::check(&judged).err()?;
    Some(at(flag, argument, start..argument.len(), &wrong))
}
