//! What is there, compared with the lock. Asks nobody and writes nothing.

use super::fetch::{Locks, Work};
use super::needs::Need;
use super::report::FileStatus;
use crate::arch::ArchName;
use crate::diagnostic::{Code, Diagnostic, Place, Severity};
use crate::document::{NodeValue, parse_toml};
use crate::lock::FILE_NAME;

/// What the files are, compared with the lock.
pub(super) fn judge(work: &mut Work<'_>) {
    let expected = work.expected.as_ref();
    for ((_, standing), status) in work.needs.iter().zip(&mut work.statuses) {
        let Some(standing) = standing else { continue };
        *status = match (&standing.sum, expected) {
            (None, _) => FileStatus::Missing,
            (Some(_), None) => FileStatus::NotLocked,
            (Some(sum), Some(expected)) if *sum != expected.sha256 => FileStatus::Differs,
            _ if !standing.executable => FileStatus::NotExecutable,
            _ => FileStatus::Right,
        };
    }
}

/// The way of a handler from the context's top, for messages.
pub(super) fn way(need: &Need) -> String {
    let way = need.target.strip_prefix(&need.context);
    crate::ways::with_slashes(way.unwrap_or(&need.target))
}

pub(super) fn finding(code: Code, place: Place, message: String) -> Diagnostic {
    Diagnostic::new(Severity::Error, code, place, message)
}

pub(super) fn check(work: &mut Work<'_>, locks: &Locks, problems: &mut Vec<Diagnostic>) {
    judge(work);
    for ((need, standing), status) in work.needs.iter().zip(&work.statuses) {
        let (way, place) = (way(need), need.place.clone());
        let expected = work.expected.as_ref();
        let sum = standing
            .as_ref()
            .and_then(|standing| standing.sum.as_deref());
        let fetches = format!("`crossfile qemu fetch {}` puts it there", arches(need));
        problems.push(match (status, expected, sum) {
            (FileStatus::Missing, ..) => {
                let message = format!("`{way}` is not in the build context");
                finding(Code::MissingHandler, place, message).help(fetches)
            }
            (FileStatus::NotLocked, ..) => {
                let message = format!(
                    "`{way}` is there, and {FILE_NAME} has no checksum to compare it with"
                );
                let help = format!("`crossfile qemu fetch {}` writes it", arches(need));
                finding(Code::ChangedHandler, place, message).help(help)
            }
            (FileStatus::NotExecutable, ..) => {
                let message = format!("`{way}` cannot be executed by everybody in an image");
                let place = Place::file(&need.target);
                finding(Code::ChangedHandler, place, message)
                    .related(need.place.clone(), "it is copied here")
                    .help(format!("`crossfile qemu fetch {}` makes it so, or `chmod 755`", arches(need)))
            }
            (FileStatus::Differs, Some(expected), Some(sum)) => {
                let message = format!(
                    "`{way}` is not the handler that is locked: the checksum is {sum}, and {} is locked",
                    expected.sha256
                );
                finding(Code::ChangedHandler, locked_at(need, locks), message)
                    .related(place, "it is copied here")
                    .help(format!(
                        "`crossfile qemu fetch --force {}` puts the locked one there",
                        arches(need)
                    ))
            }
            _ => continue,
        });
    }
}

pub(super) fn arches(need: &Need) -> String {
    let names: Vec<&str> = need.arches.iter().map(ArchName::as_str).collect();
    names.join(" ")
}

/// Where the lock has a handler.
pub(super) fn locked_at(need: &Need, locks: &Locks) -> Place {
    let source = locks
        .get(&need.lock)
        .and_then(|(source, _)| source.as_ref());
    let place = source.and_then(|source| {
        let table = parse_toml(source).ok()?;
        let NodeValue::Table(table) = &table.get("qemu")?.value else {
            return None;
        };
        let NodeValue::Table(table) = &table.get(need.host().as_str())?.value else {
            return None;
        };
        Some(table.get(&need.qemu)?.place.clone())
    });
    place.unwrap_or_else(|| Place::file(&need.lock))
}
