//! Which architectures a machine runs.

use serde::Serialize;

use super::{Pattern, Registration};
use crate::arch::{ArchMap, ArchName};

/// How a machine runs the programs of an architecture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "runs", rename_all = "kebab-case")]
pub enum Emulation {
    /// As its own.
    Native,
    /// By an interpreter.
    Emulated {
        /// The entry of `binfmt_misc`.
        registration: String,
        /// The interpreter.
        interpreter: String,
        /// The flags of the entry.
        flags: String,
        /// Whether containers need no interpreter inside.
        fixed: bool,
        /// Whether the interpreter is there. With the flag `F` the kernel has it open, whatever became of the file.
        missing: bool,
    },
    /// Not at all, though there is an entry: it is switched off.
    Disabled {
        /// The entry.
        registration: String,
    },
    /// Not at all.
    No,
}

impl Emulation {
    /// Whether programs run.
    pub fn runs(&self) -> bool {
        match self {
            Emulation::Native => true,
            Emulation::Emulated { fixed, missing, .. } => *fixed || !missing,
            Emulation::Disabled { .. } | Emulation::No => false,
        }
    }
}

/// An architecture with how it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The architecture.
    pub arch: ArchName,
    /// QEMU's name of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qemu: Option<String>,
    /// How it runs.
    #[serde(flatten)]
    pub emulation: Emulation,
}

/// Tells of each architecture of a table that Linux runs on how a machine runs it. `native` says what it runs as its own, `there` whether a
/// file is there.
pub fn survey(
    map: &ArchMap,
    native: &dyn Fn(&ArchName) -> bool,
    registrations: &[Registration],
    there: &dyn Fn(&str) -> bool,
) -> Vec<Row> {
    let mut rows = Vec::new();
    for entry in map.entries() {
        if entry.platform.os != "linux" {
            continue;
        }
        let text = |scheme: &str| entry.get(scheme).map(std::borrow::Cow::into_owned);
        let pattern = text("binfmt-magic")
            .zip(text("binfmt-mask"))
            .and_then(|(magic, mask)| Pattern::new(&magic, &mask).ok());
        let emulation = match pattern {
            _ if native(&entry.name) => Emulation::Native,
            Some(pattern) => emulation(&pattern.example(), registrations, there),
            None => Emulation::No,
        };
        rows.push(Row {
            arch: entry.name.clone(),
            qemu: text("qemu"),
            emulation,
        });
    }
    rows
}

fn emulation(
    head: &[u8],
    registrations: &[Registration],
    there: &dyn Fn(&str) -> bool,
) -> Emulation {
    let fitting = || {
        registrations
            .iter()
            .filter(|entry| entry.pattern.fits(head))
    };
    if let Some(entry) = fitting().find(|entry| entry.enabled) {
        return Emulation::Emulated {
            registration: entry.name.clone(),
            interpreter: entry.interpreter.clone(),
            flags: entry.flags.clone(),
            fixed: entry.is_fixed(),
            missing: !there(&entry.interpreter),
        };
    }
    match fitting().next() {
        Some(entry) => Emulation::Disabled {
            registration: entry.name.clone(),
        },
        None => Emulation::No,
    }
}
