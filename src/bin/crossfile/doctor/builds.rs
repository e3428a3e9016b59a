//! What builds read and what generating writes: contexts, stages, secrets, and the folders of generated files.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use crossfile::doctor::{Part, State, has_stage};
use crossfile::plan::{Build, Plan, Step, Task};
use crossfile::{Product, Status};

use super::project::Subject;

/// What would stop the builds of a plan before anything of them is built.
pub(super) fn builds(subject: &Subject<'_>, plan: &Plan) -> Vec<Part> {
    let texts = texts(&subject.loaded.products);
    let mut parts: Vec<Part> = Vec::new();
    let builds = plan.steps.iter().filter_map(|step| match &step.task {
        Task::Build(build) => Some((step, build)),
        _ => None,
    });
    for (step, build) in builds {
        let found = [
            context(subject, step, build),
            target(subject, step, build, &texts),
        ];
        let found = found.into_iter().flatten();
        let secrets = build.secrets.iter();
        let secrets = secrets.filter_map(|secret| self::secret(subject, step, secret));
        for part in found.chain(secrets) {
            // Architectures share what is said for all of them.
            if !parts.contains(&part) {
                parts.push(part);
            }
        }
    }
    parts
}

/// What may be left out is no failure.
fn grave(step: &Step) -> State {
    match step.optional {
        true => State::Warning,
        false => State::Failure,
    }
}

fn context(subject: &Subject<'_>, step: &Step, build: &Build) -> Option<Part> {
    // An address is for the builder to reach.
    if build.context.contains("://") {
        return None;
    }
    let folder = subject.output.folder.join(&build.context);
    let what = match (folder.is_dir(), folder.exists()) {
        (true, _) => return None,
        (_, true) => "is no folder",
        (_, false) => "is not there",
    };
    let seen = format!("the build context `{}` {what}", build.context);
    let part = Part::new("context", "", grave(step), seen);
    Some(
        part.text(
            "name a folder that is there: `context` in crossfile.toml, relative to that file",
        ),
    )
}

fn target(
    subject: &Subject<'_>,
    step: &Step,
    build: &Build,
    texts: &BTreeMap<PathBuf, String>,
) -> Option<Part> {
    let target = build.target.as_deref()?;
    let path = subject.output.folder.join(&build.dockerfile);
    let text = texts.get(&straight(&path))?;
    if has_stage(text, target) {
        return None;
    }
    let seen = format!("{} has no stage `{target}`", build.dockerfile);
    let part = Part::new("target", "", grave(step), seen);
    Some(part.text("name a stage that a `FROM … AS` names: `target` in crossfile.toml"))
}

/// A secret is read before the build begins.
///
/// Source: moby/buildkit, session/secrets/secretsprovider/store.go: a secret with neither `src` nor `env` is the variable of its name,
/// else the file; a variable that is not set is empty.
fn secret(subject: &Subject<'_>, step: &Step, said: &str) -> Option<Part> {
    let fields = said.split(',').filter_map(|field| field.split_once('='));
    let fields: BTreeMap<String, &str> = fields
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value))
        .collect();
    let field = |name: &str| fields.get(name).copied();
    let id = field("id")?;
    let env = subject.output.inputs().env;
    let source = field("src").or_else(|| field("source"));
    let (variable, file) = match (field("env"), source, field("type")) {
        (Some(variable), ..) => (Some(variable), None),
        (None, Some(variable), Some("env")) => (Some(variable), None),
        (None, Some(file), _) => (None, Some(file)),
        (None, None, _) if env.contains_key(id) => return None,
        (None, None, _) => (None, Some(id)),
    };
    if let Some(variable) = variable.filter(|variable| !env.contains_key(*variable)) {
        let seen = format!(
            "the secret `{id}` is of the variable {variable}, which is not set: it would be empty"
        );
        let part = Part::new("secrets", "", State::Warning, seen);
        return Some(part.command(format!("export {variable}=…")));
    }
    let file = file?;
    let path = subject.output.folder.join(file);
    let what = match std::fs::metadata(&path) {
        Ok(found) if found.is_file() => match std::fs::File::open(&path) {
            Ok(_) => return None,
            Err(error) => format!("cannot be read: {error}"),
        },
        Ok(_) => "is no file".to_string(),
        Err(_) => "is not there".to_string(),
    };
    let seen = format!("the secret `{id}` is in `{file}`, which {what}");
    let part = Part::new("secrets", "", grave(step), seen);
    Some(part.text("put it there, or name another source: `secrets` in crossfile.toml, relative to the folder that crossfile runs in"))
}

/// The text of each Dockerfile. One that cannot be read is told of elsewhere.
fn texts(products: &[Product]) -> BTreeMap<PathBuf, String> {
    let files = products.iter().flat_map(|product| &product.files);
    let texts = files.filter_map(|file| {
        let text = file.text.as_deref().map(str::to_string);
        let text = text.or_else(|| std::fs::read_to_string(&file.dockerfile).ok());
        Some((straight(&file.dockerfile), text?))
    });
    texts.collect()
}

/// A path without `.` and `..`, links not followed: as plans write it.
fn straight(path: &Path) -> PathBuf {
    let mut whole = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                whole.pop();
            }
            part => whole.push(part),
        }
    }
    whole
}

/// The first generated file that cannot be written where it has to be.
pub(super) fn unwritable(subject: &Subject<'_>) -> Option<Part> {
    let outcomes = subject.loaded.expansion.outcomes.iter();
    let mut written =
        outcomes.filter(|own| matches!(own.status, Status::Missing | Status::Changed));
    let (path, why) = written.find_map(|own| {
        let folder = own.target.parent()?;
        let folder = folder.ancestors().find(|folder| folder.exists())?;
        Some((&own.path, refusal(folder)?))
    })?;
    let seen = format!(
        "{} is to be generated, and cannot be: {why}",
        subject.output.show(path)
    );
    let part = Part::new("files", "", State::Failure, seen);
    Some(part.text("let it be written there, or say another `output` in crossfile.toml"))
}

/// Why no file can be made in a folder.
fn refusal(folder: &Path) -> Option<String> {
    if !folder.is_dir() {
        return Some(format!("{} is no folder", folder.display()));
    }
    #[cfg(unix)]
    {
        use rustix::fs::{Access, access};
        let asked = access(folder, Access::WRITE_OK | Access::EXEC_OK);
        asked.err().map(|error| {
            let error = std::io::Error::from(error);
            format!("{} cannot be written to: {error}", folder.display())
        })
    }
    // What the rights of a folder come to elsewhere, only the write shows.
    #[cfg(not(unix))]
    None
}
