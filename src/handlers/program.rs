//! Whether some bytes are a handler: a static program for the architecture that it is to run on.

use object::Endianness;
use object::elf::{FileHeader32, FileHeader64, PT_INTERP, PT_LOAD};
use object::read::elf::{FileHeader, ProgramHeader};

use crate::arch::{ArchMap, Entry};
use crate::registry::verify::{Machine, Machines, machine};

/// What keeps bytes from being a handler that runs on `host`.
pub(super) fn check(bytes: &[u8], map: &ArchMap, host: &Entry) -> Result<(), String> {
    let Some(found) = machine(bytes) else {
        return Err(match bytes.is_empty() {
            true => "it is empty".to_string(),
            false => "it is no ELF program".to_string(),
        });
    };
    let machines = Machines::new(map);
    let wanted = host.platform.normalize().architecture;
    match machines.architecture(found) {
        Some(architecture) if architecture == wanted => {}
        Some(other) => return Err(format!("it is a program for {other}, and not for {wanted}")),
        None => return Err(format!("it is a program for {found}, and not for {wanted}")),
    }
    match found {
        Machine::Elf { bits: 32, .. } => check_parts::<FileHeader32<Endianness>>(bytes),
        Machine::Elf { .. } => check_parts::<FileHeader64<Endianness>>(bytes),
        _ => Err("it is no ELF program".to_string()),
    }
}

/// Nothing loads its libraries inside of an image, and a download may have ended early.
fn check_parts<H: FileHeader<Endian = Endianness>>(bytes: &[u8]) -> Result<(), String> {
    let broken = |_| "its ELF header makes no sense".to_string();
    let header = H::parse(bytes).map_err(broken)?;
    let endian = header.endian().map_err(broken)?;
    let parts = header.program_headers(endian, bytes).map_err(broken)?;
    let kind = |part: &H::ProgramHeader| part.p_type(endian);
    if parts.iter().any(|part| kind(part) == PT_INTERP) {
        return Err(
            "it is not static: inside of an image its loader and libraries are not there"
                .to_string(),
        );
    }
    let mut loaded = parts.iter().filter(|part| kind(part) == PT_LOAD).peekable();
    if loaded.peek().is_none() {
        return Err("it is an ELF file, and no program".to_string());
    }
    match loaded.all(|part| part.data(endian, bytes).is_ok()) {
        true => Ok(()),
        false => Err("it is cut short".to_string()),
    }
}
