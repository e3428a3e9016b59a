//! `crossfile inspect`: what an index holds.

use std::fmt::Write as _;
use std::io;

use crossfile::registry::inspect::{Image, Inspection, Pulled, inspect};
use crossfile::registry::{ErrorKind, Location, RegistryError, printable};
use crossfile::{ArchMap, Platform};
use serde::Serialize;

use crate::output::{Exit, Output, columns};
use crate::registry::{SpeakArgs, Speaker};
use crate::release::ResultFormat;

#[derive(Debug, clap::Args)]
pub(crate) struct InspectArgs {
    /// Indexes or images: references, or folders in the OCI image layout as `oci:DIR:NAME`
    #[arg(value_name = "REF", required = true)]
    references: Vec<String>,

    /// Print the bytes of the index, or of the image's manifest, as they are
    #[arg(long, conflicts_with_all = ["format", "hosts"])]
    raw: bool,

    /// Say which entry each kind of machine pulls, and which entries none does
    #[arg(long)]
    hosts: bool,

    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    format: ResultFormat,

    #[command(flatten)]
    speak: SpeakArgs,
}

#[derive(Serialize)]
struct Json<'a> {
    version: u32,
    images: Vec<JsonImage<'a>>,
}

#[derive(Serialize)]
struct JsonImage<'a> {
    #[serde(flatten)]
    inspection: &'a Inspection,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hosts: Vec<Pulled>,
}

pub(crate) fn run(args: &InspectArgs, output: &Output) -> io::Result<Exit> {
    let speaker = match Speaker::new(args.speak, output) {
        Ok(speaker) => speaker,
        Err(problems) => {
            output.diagnostics(&problems);
            return Ok(Exit::Error);
        }
    };
    let mut locations = Vec::new();
    let mut failed = false;
    for reference in &args.references {
        match Speaker::location("", reference) {
            Ok(location) => locations.push((reference.as_str(), location)),
            Err(problem) => {
                output.diagnostics(&[problem]);
                failed = true;
            }
        }
    }
    if failed {
        return Ok(Exit::Error);
    }
    let places = speaker.places();
    let look =
        |(reference, location): &(&str, Location)| -> Result<Option<Inspection>, RegistryError> {
            inspect(
                reference,
                places.open(location)?.as_ref(),
                &location.which(),
            )
        };
    let mut found = Vec::new();
    for ((reference, _), inspected) in locations
        .iter()
        .zip(crossfile::parallel::side_by_side(&locations, look))
    {
        match inspected {
            Ok(Some(inspection)) => found.push(inspection),
            Ok(None) => {
                output.error(&format!("{reference} is not there"));
                failed = true;
            }
            // Told once, by the exit code.
            Err(error) if error.kind == ErrorKind::Cancelled => failed = true,
            Err(error) => {
                output.error(&error.to_string());
                failed = true;
            }
        }
    }
    if speaker.is_cancelled() {
        return Ok(Exit::Interrupted);
    }
    let hosts = match args.hosts {
        true => hosts(),
        false => Vec::new(),
    };
    match (args.raw, args.format) {
        (true, _) => {
            for inspection in &found {
                output.result(&inspection.raw)?;
            }
        }
        (false, ResultFormat::Json) => {
            let images = found.iter().map(|inspection| JsonImage {
                inspection,
                hosts: inspection.pulled(&hosts),
            });
            output.json(&Json {
                version: 1,
                images: images.collect(),
            })?;
        }
        (false, ResultFormat::Text) => {
            for (at, inspection) in found.iter().enumerate() {
                if at > 0 {
                    output.result("\n")?;
                }
                output.result(text(inspection, &hosts))?;
            }
        }
    }
    Ok(match failed {
        true => Exit::Error,
        false => Exit::Clean,
    })
}

/// The machines of the table that there are images for.
fn hosts() -> Vec<Platform> {
    let map = ArchMap::builtin();
    let entries = map.entries().iter();
    let runs = |platform: &&Platform| matches!(platform.os.as_str(), "linux" | "windows");
    entries
        .map(|entry| &entry.platform)
        .filter(runs)
        .cloned()
        .collect()
}

fn text(inspection: &Inspection, hosts: &[Platform]) -> String {
    let mut text = String::new();
    let what = match inspection.is_index {
        true => "index",
        false => "image",
    };
    // Writing to a text cannot fail.
    let _ = writeln!(
        text,
        "{}  {what}  {}  {}",
        inspection.reference, inspection.digest, inspection.media_type
    );
    for (name, value) in &inspection.annotations {
        let _ = writeln!(text, "  {}={}", printable(name), printable(value));
    }
    let mut rows = vec![
        ["platform", "digest", "size", "layers", "created", ""]
            .map(str::to_string)
            .to_vec(),
    ];
    for image in &inspection.entries {
        rows.push(row(image, inspection));
    }
    text.push_str(&columns(&rows));
    for image in &inspection.entries {
        for fault in &image.faults {
            let _ = writeln!(text, "{}: {}", image.digest.short(), printable(fault));
        }
    }
    if hosts.is_empty() {
        return text;
    }
    text.push('\n');
    if !inspection.is_index {
        text.push_str(
            "this is one image, and no index: every machine pulls it, whether it runs it or not\n",
        );
        return text;
    }
    let mut rows = vec![
        ["machine", "docker, containerd", "podman, CRI-O"]
            .map(str::to_string)
            .to_vec(),
    ];
    let mut without = Vec::new();
    for pulled in inspection.pulled(hosts) {
        if pulled.containerd.is_none() && pulled.podman.is_none() {
            without.push(pulled.host);
            continue;
        }
        let shown = |entry: Option<String>| entry.unwrap_or_else(|| "nothing".to_string());
        rows.push(vec![
            pulled.host,
            shown(pulled.containerd),
            shown(pulled.podman),
        ]);
    }
    if rows.len() > 1 {
        text.push_str(&columns(&rows));
    }
    if !without.is_empty() {
        let _ = writeln!(text, "nothing for {}", without.join(", "));
    }
    for image in inspection.unreachable(hosts) {
        let platform = printable(image.platform.as_deref().unwrap_or("no platform"));
        let _ = writeln!(
            text,
            "{} ({platform}): no machine pulls it",
            image.digest.short()
        );
    }
    text
}

fn row(image: &Image, inspection: &Inspection) -> Vec<String> {
    let about = |subject: &str| {
        let subject = inspection
            .entries
            .iter()
            .find(|entry| entry.digest.as_str() == subject);
        subject
            .and_then(|entry| entry.platform.clone())
            .unwrap_or_else(|| "an image that is not here".to_string())
    };
    let (platform, note) = match &image.attests {
        None => (
            image.platform.clone().unwrap_or_else(|| "none".to_string()),
            String::new(),
        ),
        Some(attestation) => {
            let predicates = attestation
                .predicates
                .iter()
                .map(|predicate| kind(predicate));
            let mut predicates: Vec<&str> = predicates.collect();
            predicates.dedup();
            (
                "attestation".to_string(),
                format!(
                    "{} of {}",
                    predicates.join(", "),
                    about(&attestation.subject)
                ),
            )
        }
    };
    vec![
        printable(&platform),
        image.digest.to_string(),
        image.size.map_or("?".to_string(), crate::output::human),
        image
            .layers
            .map_or("?".to_string(), |layers| layers.to_string()),
        printable(image.created.as_deref().unwrap_or_default()),
        printable(&note),
    ]
}

/// What an attestation says, in a word.
fn kind(predicate: &str) -> &str {
    match predicate {
        _ if predicate.contains("slsa.dev/provenance") => "provenance",
        _ if predicate.contains("spdx.dev") => "SBOM (SPDX)",
        _ if predicate.contains("cyclonedx") => "SBOM (CycloneDX)",
        other => other,
    }
}
