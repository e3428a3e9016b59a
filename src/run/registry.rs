//! What is asked of registries, done with crossfile's own client.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::{Events, ExecError, Performed, Resolved, resolve_command, text_of};
use crate::arch::Platform;
use crate::backend::{IndexAction, RegistryAction, VerifyAction};
use crate::registry::assemble::{self, Options, Problem, ProblemKind, Source, Target, gather_for};
use crate::registry::verify::{self, Rules, verify};
use crate::registry::{Descriptor, ErrorKind, Location, Places, RegistryError, Which};

/// Performs what is asked of registries.
pub struct Registries<'a> {
    /// Opens their repositories.
    pub places: &'a Places,
    /// Whether everything is to end.
    pub cancelled: &'a (dyn Fn() -> bool + Sync),
}

impl Registries<'_> {
    /// Does one thing. Lines say what is found out and done.
    ///
    /// # Errors
    /// Everything that went wrong, or is wrong with an index.
    pub fn perform(
        &self,
        action: &RegistryAction,
        events: &dyn Events,
    ) -> Result<Performed, ExecError> {
        let output = |step: &str, key: &str| events.output(step, key);
        // There are no files of the run in it.
        let command = resolve_command(&action.command(), std::path::Path::new(""), &output)?;
        events.command(&command);
        match action {
            RegistryAction::Index(index) => self.index(index, &command, events),
            RegistryAction::Verify(verify) => self.verify(verify, &command, events),
        }
    }

    fn index(
        &self,
        action: &IndexAction,
        command: &Resolved,
        events: &dyn Events,
    ) -> Result<Performed, ExecError> {
        let output = |step: &str, key: &str| events.output(step, key);
        let mut sources = Vec::new();
        for image in &action.sources {
            let name = text_of(&image.reference, std::path::Path::new(""), &output)?;
            let location: Location = parsed(command, &name)?;
            let repository = self
                .places
                .open(&location)
                .map_err(|error| failed(command, &error))?;
            let mut source = Source::new(&name, repository, location.which());
            source.platform = image
                .platform
                .as_deref()
                .map(|platform| parsed(command, platform))
                .transpose()?;
            source.optional = image.optional;
            sources.push(source);
        }
        let mut targets = Vec::new();
        for location in targets_of(action, command)? {
            let repository = self
                .places
                .create(&location)
                .map_err(|error| failed(command, &error))?;
            targets.push(Target::new(
                location.to_string(),
                repository,
                location.which(),
            ));
        }
        let options = Options {
            annotations: action.annotations.iter().cloned().collect(),
            attestations: !action.without_attestations,
            oci: action.to.is_some(),
        };
        let gathered = gather_for(&sources, &options, &targets)
            .map_err(|problems| all_failed(command, &problems))?;
        for left_out in &gathered.left_out {
            events.line(&format!(
                "{left_out} is not there: the index goes out without it"
            ));
        }
        let published = gathered
            .stage(&targets)
            .map_err(|problems| all_failed(command, &problems))?;
        if action.prove {
            self.prove(action, &gathered, &targets, command)?;
        }
        if (self.cancelled)() {
            return Err(ExecError::Cancelled);
        }
        gathered
            .tag(&targets)
            .map_err(|problems| all_failed(command, &problems))?;
        events.line(&done(&gathered, &published));
        let digest = gathered.index.digest.to_string();
        Ok(Performed {
            outputs: BTreeMap::from([("digest".to_string(), digest)]),
        })
    }

    /// Proves an index by its digest, so that no tag leads to a wrong one.
    fn prove(
        &self,
        action: &IndexAction,
        gathered: &assemble::Gathered,
        targets: &[Target],
        command: &Resolved,
    ) -> Result<(), ExecError> {
        let Some(target) = targets.first() else {
            return Ok(());
        };
        let repository = target.repository.as_ref();
        let which = Which::Digest(gathered.index.digest.clone());
        let put = repository.put_manifest(&which, &gathered.index);
        put.map_err(|error| failed(command, &error))?;
        let options = verify::Options {
            programs: Some(rules(&action.allow)?),
            ..verify::Options::default()
        };
        let verified = verify(&target.name, repository, &which, &options, self.cancelled);
        let Some(verified) = verified.map_err(|error| failed(command, &error))? else {
            let problems = vec![format!(
                "{} lacks the index that was just put there",
                repository.name()
            )];
            return Err(ExecError::Registry {
                command: command.to_string(),
                problems,
            });
        };
        if verified.findings.is_empty() {
            return Ok(());
        }
        let mut problems: Vec<String> = verified.findings.iter().map(ToString::to_string).collect();
        problems.push("the tags stay where they are".to_string());
        Err(ExecError::Registry {
            command: command.to_string(),
            problems,
        })
    }

    fn verify(
        &self,
        action: &VerifyAction,
        command: &Resolved,
        events: &dyn Events,
    ) -> Result<Performed, ExecError> {
        let location: Location = parsed(command, &action.reference)?;
        let repository = self
            .places
            .open(&location)
            .map_err(|error| failed(command, &error))?;
        let platforms = |list: &[String]| {
            list.iter()
                .map(|platform| parsed(command, platform))
                .collect::<Result<Vec<Platform>, _>>()
        };
        let programs = match action.skip_programs {
            true => None,
            false => Some(rules(&action.allow)?),
        };
        let options = verify::Options {
            needed: platforms(&action.needed)?,
            may_have: platforms(&action.may_have)?,
            programs,
        };
        let verified = verify(
            &action.reference,
            repository.as_ref(),
            &location.which(),
            &options,
            self.cancelled,
        );
        let verified = verified.map_err(|error| failed(command, &error))?;
        let Some(verified) = verified else {
            let problems = vec![format!("{} is not there", action.reference)];
            return Err(ExecError::Registry {
                command: command.to_string(),
                problems,
            });
        };
        if !verified.findings.is_empty() {
            let problems = verified.findings.iter().map(ToString::to_string).collect();
            return Err(ExecError::Registry {
                command: command.to_string(),
                problems,
            });
        }
        for note in &verified.notes {
            events.line(note);
        }
        events.line(&format!("right: {}", verified.platforms.join(", ")));
        Ok(Performed {
            outputs: BTreeMap::from([("digest".to_string(), verified.digest.to_string())]),
        })
    }
}

fn rules(allow: &[String]) -> Result<Rules, ExecError> {
    Rules::new(allow).map_err(|(pattern, what)| ExecError::System {
        what: format!("`{pattern}` is no pattern of paths: {what}"),
    })
}

/// Where an index goes: its tags' registries, or names in a layout.
fn targets_of(action: &IndexAction, command: &Resolved) -> Result<Vec<Location>, ExecError> {
    let Some(to) = &action.to else {
        return action.tags.iter().map(|tag| parsed(command, tag)).collect();
    };
    match action.tags.as_slice() {
        [] => Ok(vec![parsed(command, to)?]),
        tags => tags
            .iter()
            .map(|tag| parsed(command, &format!("{to}:{tag}")))
            .collect(),
    }
}

fn parsed<T: FromStr>(command: &Resolved, text: &str) -> Result<T, ExecError>
where
    T::Err: ToString,
{
    let parsed = text.parse::<T>();
    parsed.map_err(|error| ExecError::Registry {
        command: command.to_string(),
        problems: vec![error.to_string()],
    })
}

fn failed(command: &Resolved, error: &RegistryError) -> ExecError {
    match error.kind {
        ErrorKind::Cancelled => ExecError::Cancelled,
        _ => ExecError::Registry {
            command: command.to_string(),
            problems: vec![error.to_string()],
        },
    }
}

fn all_failed(command: &Resolved, problems: &[Problem]) -> ExecError {
    let cancelled = |problem: &Problem| match problem.kind.as_ref() {
        ProblemKind::Registry(error) => error.kind == ErrorKind::Cancelled,
        _ => false,
    };
    if problems.iter().any(cancelled) {
        return ExecError::Cancelled;
    }
    let told = |problem: &Problem| match problem.help() {
        Some(help) => format!("{problem}\n    help: {help}"),
        None => problem.to_string(),
    };
    ExecError::Registry {
        command: command.to_string(),
        problems: problems.iter().map(told).collect(),
    }
}

/// What was done, in a line.
fn done(gathered: &assemble::Gathered, published: &assemble::Published) -> String {
    let platforms = gathered
        .entries
        .iter()
        .filter_map(Descriptor::image_platform);
    let platforms: Vec<String> = platforms.map(Platform::format_all).collect();
    let mut text = platforms.join(", ");
    if published.mounted > 0 {
        text.push_str(&format!("; blobs mounted: {}", published.mounted));
    }
    if published.copied > 0 {
        text.push_str(&format!(
            "; blobs copied: {}, {} bytes",
            published.copied, published.copied_bytes
        ));
    }
    text
}
