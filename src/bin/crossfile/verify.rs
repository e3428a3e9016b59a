//! `crossfile verify`: is an index right, down to the programs in its layers?

use std::io;
use std::path::PathBuf;

use crossfile::plan::{Goal, Task};
use crossfile::registry::repair::repair;
use crossfile::registry::verify::{Options, Rules, Verification, verify};
use crossfile::registry::{Location, Places, RegistryError, Which};
use crossfile::{ArchMap, Diagnostic, Platform};
use serde::Serialize;

use crate::args::SelectArgs;
use crate::output::{Exit, Output, count};
use crate::registry::{SpeakArgs, Speaker};
use crate::release::{self, ResultFormat};

#[derive(Debug, clap::Args)]
pub(crate) struct VerifyArgs {
    /// An index or image: a reference, or a folder in the OCI image layout as `oci:DIR:NAME`. Without one those of the project here
    #[arg(value_name = "REF")]
    reference: Option<String>,

    #[command(flatten)]
    select: SelectArgs,

    /// The platforms that it has to have, and no others, separated by commas: `linux/amd64` or keys of the table, `arm32v7`
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        requires = "reference"
    )]
    expect: Vec<String>,

    /// Platforms that it may have, too
    #[arg(long, value_name = "LIST", value_delimiter = ',', requires = "expect")]
    may_have: Vec<String>,

    /// Paths in images where programs of other architectures are ordinary, besides those that are known; may be repeated
    #[arg(long, value_name = "GLOB")]
    allow: Vec<String>,

    /// Do not read the layers for programs of other architectures
    #[arg(long)]
    skip_programs: bool,

    /// Rewrite misspelt platforms, as `armv8`, in a new index under the same tag
    #[arg(long, requires = "reference")]
    repair: bool,

    /// With --repair: only show what would change
    #[arg(long, requires = "repair")]
    dry_run: bool,

    /// How to print the result
    #[arg(long, value_enum, default_value_t)]
    format: ResultFormat,

    #[command(flatten)]
    speak: SpeakArgs,
}

/// An index with what it has to be.
struct Asked {
    reference: String,
    location: Location,
    options: Options,
}

#[derive(Serialize)]
struct Json {
    version: u32,
    right: bool,
    indexes: Vec<Verification>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing: Vec<String>,
}

pub(crate) fn run(args: &VerifyArgs, output: &Output) -> io::Result<Exit> {
    let asked = match &args.reference {
        Some(reference) => one(args, reference),
        None => of_project(args, output),
    };
    let speaker = asked.and_then(|asked| Ok((asked, Speaker::new(args.speak, output)?)));
    let (asked, speaker) = match speaker {
        Ok(both) => both,
        Err(problems) => {
            output.diagnostics(&problems);
            return Ok(Exit::Error);
        }
    };
    let places = speaker.places();
    let mut found = Vec::new();
    let mut missing = Vec::new();
    let mut failed = false;
    for own in asked {
        let verified = match args.repair {
            true => mend(&own, args.dry_run, places, output),
            false => Ok(()),
        };
        let verified = verified.and_then(|()| {
            let repository = places.open(&own.location)?;
            verify(
                &own.reference,
                repository.as_ref(),
                &own.location.which(),
                &own.options,
                &|| speaker.is_cancelled(),
            )
        });
        match verified {
            Ok(Some(verification)) => found.push(verification),
            Ok(None) => missing.push(own.reference.clone()),
            Err(error) => {
                output.error(&error.to_string());
                failed = true;
            }
        }
    }
    if speaker.is_cancelled() {
        return Ok(Exit::Interrupted);
    }
    let right = missing.is_empty()
        && found
            .iter()
            .all(|verification| verification.findings.is_empty());
    if args.format == ResultFormat::Json {
        output.json(&Json {
            version: 1,
            right: right && !failed,
            indexes: found,
            missing,
        })?;
    } else {
        for verification in &found {
            output.result(text(verification))?;
        }
        for reference in &missing {
            output.result(format!("{reference}: it is not there\n"))?;
        }
    }
    Ok(match (failed, right) {
        (true, _) => Exit::Error,
        (false, true) => Exit::Clean,
        (false, false) => Exit::No,
    })
}

fn text(verification: &Verification) -> String {
    let Verification {
        reference, digest, ..
    } = verification;
    let notes: String = verification
        .notes
        .iter()
        .map(|note| format!("  note: {note}\n"))
        .collect();
    if verification.findings.is_empty() {
        let mut text = format!(
            "{reference}: right  {digest}\n  {}\n",
            verification.platforms.join(", ")
        );
        text.push_str(&format!(
            "  {} are there",
            count(verification.blobs, "blob")
        ));
        if let Some(programs) = verification.programs {
            text.push_str(&format!(
                "; {} looked at",
                count(usize::try_from(programs).unwrap_or(usize::MAX), "program")
            ));
        }
        return text + "\n" + &notes;
    }
    let mut text = format!("{reference}: wrong  {digest}\n");
    for finding in &verification.findings {
        text.push_str(&format!("  {finding}\n"));
    }
    if verification.has_foreign_programs() {
        text.push_str("  where such programs are ordinary, say so: `--allow GLOB`, or `allow` under `[verify]` in crossfile.toml\n");
    }
    text + &notes
}

/// What is asked of the index that the command line names.
fn one(args: &VerifyArgs, reference: &str) -> Result<Vec<Asked>, Vec<Diagnostic>> {
    let location = Speaker::location("", reference).map_err(|problem| vec![problem])?;
    let options = Options {
        needed: platforms("--expect ", &args.expect)?,
        may_have: platforms("--may-have ", &args.may_have)?,
        programs: match args.skip_programs {
            true => None,
            false => Some(rules(&args.allow)?),
        },
    };
    Ok(vec![Asked {
        reference: reference.to_string(),
        location,
        options,
    }])
}

fn platforms(flag: &str, list: &[String]) -> Result<Vec<Platform>, Vec<Diagnostic>> {
    let map = ArchMap::builtin();
    let platforms = list
        .iter()
        .map(|text| crate::registry::platform(&map, flag, text));
    platforms
        .collect::<Result<Vec<_>, _>>()
        .map_err(|problem| vec![*problem])
}

fn rules(allow: &[String]) -> Result<Rules, Vec<Diagnostic>> {
    Rules::new(allow).map_err(|(pattern, what)| {
        let place = crossfile::Place::argument(&format!("--allow {pattern}"));
        let message = format!("this is no pattern of paths: {what}");
        vec![Diagnostic::error(crossfile::Code::BadValue, place, message)]
    })
}

/// What is asked of the indexes of the project.
fn of_project(args: &VerifyArgs, output: &Output) -> Result<Vec<Asked>, Vec<Diagnostic>> {
    let select = &args.select;
    if let [first, ..] = select.arch.as_slice() {
        let place = crossfile::Place::argument(&format!("--arch {first}"));
        let message = "an index is proved whole";
        let problem = Diagnostic::error(crossfile::Code::BadValue, place, message);
        return Err(vec![problem.help("leave `--arch` out")]);
    }
    let plan = release::plan_of(vec![PathBuf::from(".")], select, Goal::Index, output)?;
    let map = ArchMap::builtin();
    let mut asked = Vec::new();
    for step in &plan.steps {
        let Task::Verify(own) = &step.task else {
            continue;
        };
        let location = Speaker::location("", &own.reference).map_err(|problem| vec![problem])?;
        let read = |targets: &[crossfile::plan::Target]| {
            let texts = targets
                .iter()
                .map(|target| crate::registry::platform(&map, "", &target.platform));
            texts
                .collect::<Result<Vec<_>, _>>()
                .map_err(|problem| vec![*problem])
        };
        let allow: Vec<String> = own.allow.iter().chain(&args.allow).cloned().collect();
        let options = Options {
            needed: read(&own.targets)?,
            may_have: read(&own.may_have)?,
            programs: match own.programs && !args.skip_programs {
                true => Some(rules(&allow)?),
                false => None,
            },
        };
        asked.push(Asked {
            reference: own.reference.clone(),
            location,
            options,
        });
    }
    Ok(asked)
}

/// Rewrites misspelt platforms, after showing them.
fn mend(asked: &Asked, dry: bool, places: &Places, output: &Output) -> Result<(), RegistryError> {
    let repository = places.open(&asked.location)?;
    let which = asked.location.which();
    let problem = |what: String| {
        let kind = crossfile::registry::ErrorKind::Malformed(what);
        RegistryError::new(repository.name(), format!("repair {which}"), kind)
    };
    let Some(document) = repository.manifest(&which)? else {
        return Ok(());
    };
    let mended = repair(&document).map_err(problem)?;
    if mended.changes.is_empty() {
        output.progress(&format!("{}: there is nothing to repair", asked.reference));
        return Ok(());
    }
    for change in &mended.changes {
        output.notice(&format!(
            "{}: {} -> {}  {}",
            asked.reference, change.before, change.after, change.digest
        ));
    }
    if dry {
        return Ok(());
    }
    let Which::Tag(_) = which else {
        let what = format!(
            "a digest names what it is and cannot name something else: give the tag, or make the new index with `crossfile manifest --tag REF {}`",
            asked.reference
        );
        return Err(problem(what));
    };
    repository.put_manifest(&which, &mended.index)?;
    output.progress(&format!(
        "{}: {} -> {}",
        asked.reference, document.digest, mended.index.digest
    ));
    Ok(())
}
