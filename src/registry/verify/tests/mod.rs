//! Layers made in memory, and what is found in them.

mod hostile;
mod layers;
mod machines;
mod model;
mod rules;

use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::sync::OnceLock;

use super::{Image, Machines, Programs, Rules, Scan, ScanError};
use crate::arch::{ArchMap, Platform};
use crate::registry::{Descriptor, Digest, ErrorKind, Opened, RegistryError, Verified};

/// The head of an ELF executable, and some more.
fn elf(bits: u8, big_endian: bool, machine: u16) -> Vec<u8> {
    elf_of(bits, big_endian, machine, 2, 0)
}

fn elf_of(bits: u8, big_endian: bool, machine: u16, kind: u16, flags: u32) -> Vec<u8> {
    let u16 = |value: u16| match big_endian {
        true => value.to_be_bytes(),
        false => value.to_le_bytes(),
    };
    let u32 = |value: u32| match big_endian {
        true => value.to_be_bytes(),
        false => value.to_le_bytes(),
    };
    let mut head = b"\x7fELF".to_vec();
    head.extend([bits / 32, 1 + u8::from(big_endian), 1]);
    head.resize(16, 0);
    head.extend(u16(kind));
    head.extend(u16(machine));
    head.extend(u32(1));
    // Entry point, program and section headers: three addresses.
    head.resize(24 + 3 * usize::from(bits / 8), 0);
    head.extend(u32(flags));
    head.resize(700, 0x5a);
    head
}

fn amd64() -> Vec<u8> {
    elf(64, false, 62)
}

fn arm64() -> Vec<u8> {
    elf(64, false, 183)
}

fn pe(machine: u16) -> Vec<u8> {
    let mut file = b"MZ".to_vec();
    file.resize(0x3c, 0);
    file.extend(0x80_u32.to_le_bytes());
    file.resize(0x80, 0);
    file.extend(b"PE\0\0");
    file.extend(machine.to_le_bytes());
    file.resize(600, 0);
    file
}

/// A layer being made.
struct Tar(tar::Builder<Vec<u8>>);

impl Tar {
    fn new() -> Tar {
        Tar(tar::Builder::new(Vec::new()))
    }

    fn add(mut self, kind: tar::EntryType, path: &str, link: Option<&str>, content: &[u8]) -> Tar {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o755);
        match link {
            Some(link) => self.0.append_link(&mut header, path, link).unwrap(),
            None => self.0.append_data(&mut header, path, content).unwrap(),
        }
        self
    }

    fn file(self, path: &str, content: &[u8]) -> Tar {
        self.add(tar::EntryType::Regular, path, None, content)
    }

    fn folder(self, path: &str) -> Tar {
        self.add(tar::EntryType::Directory, path, None, &[])
    }

    fn hard_link(self, path: &str, target: &str) -> Tar {
        self.add(tar::EntryType::Link, path, Some(target), &[])
    }

    fn symlink(self, path: &str, target: &str) -> Tar {
        self.add(tar::EntryType::Symlink, path, Some(target), &[])
    }

    /// A name that the library would not write.
    fn named(mut self, name: &[u8], content: &[u8]) -> Tar {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.set_entry_type(tar::EntryType::Regular);
        header.set_size(content.len() as u64);
        header.set_cksum();
        self.0.append(&header, content).unwrap();
        self
    }

    fn bytes(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

const TAR: &str = "application/vnd.oci.image.layer.v1.tar";

/// Blobs in memory.
#[derive(Default)]
struct Blobs(BTreeMap<Digest, Vec<u8>>);

impl Blobs {
    fn put(&mut self, bytes: Vec<u8>) -> Descriptor {
        let digest = Digest::of(&bytes);
        let descriptor = Descriptor::new(TAR, digest.clone(), bytes.len() as u64);
        self.0.insert(digest, bytes);
        descriptor
    }

    fn open(&self, descriptor: &Descriptor) -> Result<Opened, RegistryError> {
        let Some(bytes) = self.0.get(&descriptor.digest) else {
            let request = format!("GET blobs/{}", descriptor.digest);
            let error = RegistryError::new("example.com/app", request, ErrorKind::NotFound);
            return Err(error);
        };
        let bytes = Cursor::new(bytes.clone());
        Ok(Box::new(Verified::new(
            bytes,
            &descriptor.digest,
            descriptor.size,
        )))
    }
}

fn machines() -> Machines {
    Machines::new(&ArchMap::builtin())
}

fn scan(platform: &str, layers: Vec<Vec<u8>>) -> Result<Programs, ScanError> {
    let mut blobs = Blobs::default();
    let layers: Vec<Descriptor> = layers.into_iter().map(|layer| blobs.put(layer)).collect();
    scan_blobs(platform, &blobs, &layers)
}

fn scan_blobs(platform: &str, blobs: &Blobs, layers: &[Descriptor]) -> Result<Programs, ScanError> {
    let platform: Platform = platform.parse().unwrap();
    // Made once: there are many of these in the random stacks.
    static KNOWN: OnceLock<(Machines, Rules)> = OnceLock::new();
    let (machines, rules) = KNOWN.get_or_init(|| (machines(), Rules::new(&[]).unwrap()));
    let scan = Scan::new(machines, rules);
    let images = [Image::new(&platform, layers)];
    scan.images(&images, &|layer| blobs.open(layer)).remove(0)
}

/// The foreign programs of an image for arm64, each with the number of its layer.
fn foreign(layers: Vec<Vec<u8>>) -> Vec<String> {
    let programs = scan("linux/arm64", layers).unwrap();
    let said = |foreign: &super::Foreign| format!("{} {}", foreign.layer, foreign.path);
    programs.foreign.iter().map(said).collect()
}
