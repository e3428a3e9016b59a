//! Disk space where builds are made.

use std::path::Path;

use super::{Part, State};

/// Less than this is little: a base image with a compiler unpacks to one or two GiB.
const LITTLE: u64 = 2 << 30;

/// Less than this does not hold a base image.
const NONE: u64 = 256 << 20;

/// Judges what is free in a folder; `free` is how many bytes are, or why nobody knows.
pub fn space(name: &str, folder: &Path, free: Result<&u64, String>) -> Part {
    let folder = folder.display();
    let (state, seen) = match free {
        Ok(free) => {
            let state = match *free {
                free if free < NONE => State::Failure,
                free if free < LITTLE => State::Warning,
                _ => State::Ok,
            };
            (state, format!("{} free in {folder}", human(*free)))
        }
        Err(why) => (State::Skipped, format!("{folder} cannot be seen: {why}")),
    };
    Part::new("space", name, state, seen)
}

/// Bytes as disks are measured by those who fill them.
fn human(bytes: u64) -> String {
    let tenths = |unit: u64| {
        let tenths = (u128::from(bytes) * 10) / u128::from(unit);
        format!("{}.{}", tenths / 10, tenths % 10)
    };
    match bytes {
        bytes if bytes >= 1 << 30 => format!("{} GiB", tenths(1 << 30)),
        _ => format!("{} MiB", tenths(1 << 20)),
    }
}
