//! One layer: the programs in it that are for other platforms, and what it hides of the layers below.
//!
//! What is kept of a layer is bounded whatever is in it: at most [`PATHS`] hashes of eight bytes and [`KEPT`] paths.
//!
//! Source: OCI image specification 1.1, layer.md, "Representing Changes".

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::ops::Bound;
use std::sync::Arc;

use tar::{Archive, Entry, EntryType};

use super::machine::{HEAD, Machine, Machines, SHORTEST, machine};
use super::paths::{Hidden, Hiding, clean, folders, split};
use super::rules::Rules;
use super::stream::{CalledOff, Decoded, Fault, with_layer};
use crate::arch::Platform;
use crate::registry::Opened;

/// So many paths of foreign programs, and of links that may lead to some, are kept of a layer. Further ones are counted.
pub(super) const KEPT: usize = 10_000;

/// And so many bytes of them.
const KEPT_BYTES: usize = 2 << 20;

/// A layer of more paths is refused: what it hides could not be known within 64 MiB, which is what reading a layer may take.
const PATHS: usize = 1_800_000;

/// The longest path that Linux takes (`PATH_MAX`).
const LONGEST: usize = 4096;

/// The largest header of an entry: names and extended attributes (pax). Linux takes 64 KiB for one of those.
const HEADER: u64 = 1 << 20;

/// What is kept of a layer.
#[derive(Debug, Default)]
pub(super) struct LayerSummary {
    /// The programs that are foreign to one of the platforms asked for, by path.
    pub(super) foreign: BTreeMap<Arc<[u8]>, Found>,
    /// Hard links to files of lower layers.
    pub(super) links: BTreeMap<Arc<[u8]>, Vec<u8>>,
    /// Foreign programs beyond those kept.
    pub(super) more: u64,
    /// Programs of any machine.
    pub(super) seen: u64,
    pub(super) hidden: Hidden,
}

/// A foreign program.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) machine: Machine,
    /// The path of the file that this one is a hard link of; its own where it is none.
    pub(super) origin: Arc<[u8]>,
}

/// What programs are looked for.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) machines: &'a Machines,
    pub(super) rules: &'a Rules,
    /// The platforms of the images that have the layer.
    pub(super) platforms: &'a [&'a Platform],
}

impl LayerSummary {
    /// Reads a layer to its end.
    pub(super) fn read(
        opened: Opened,
        wanted: Wanted<'_>,
        called_off: CalledOff<'_>,
    ) -> Result<LayerSummary, Fault> {
        with_layer(opened, called_off, |decoded| walk(decoded, wanted))
    }
}

fn walk(decoded: Decoded<'_>, wanted: Wanted<'_>) -> io::Result<LayerSummary> {
    let place = decoded.place();
    let mut layer = Reading {
        wanted,
        summary: LayerSummary::default(),
        hiding: Hiding::default(),
        head: vec![0; HEAD],
        kept: 0,
    };
    let mut archive = Archive::new(decoded);
    let entries = archive.entries()?;
    // The library reads a header as long as it says that it is. The bound lets it leave an entry's content behind, and read so much more.
    place.allow(Some(HEADER));
    for entry in entries {
        let mut entry = entry?;
        place.allow(Some(stored_size(&mut entry)?.saturating_add(HEADER)));
        layer.entry(&mut entry)?;
    }
    place.allow(None);
    // What follows an archive's end is no part of it, but counts for the checks of gzip and zstd.
    io::copy(&mut archive.into_inner(), &mut io::sink())?;
    layer.summary.hidden = layer.hiding.finish();
    Ok(layer.summary)
}

/// How much of an archive an entry's content takes. A sparse file is larger than that, by as much as it wants.
fn stored_size<R: Read>(entry: &mut Entry<'_, R>) -> io::Result<u64> {
    if !entry.header().entry_type().is_gnu_sparse() {
        return Ok(entry.size());
    }
    let size = entry.header().entry_size()?;
    let pax = entry.pax_extensions()?.into_iter().flatten().flatten();
    let mut sizes = pax.filter(|field| field.key() == Ok("size"));
    let said = sizes.find_map(|field| field.value().ok()?.parse().ok());
    Ok(said.unwrap_or(size))
}

/// A layer that is being read.
struct Reading<'a> {
    wanted: Wanted<'a>,
    summary: LayerSummary,
    hiding: Hiding,
    head: Vec<u8>,
    /// How many bytes the paths have that are kept.
    kept: usize,
}

impl Reading<'_> {
    fn entry<R: Read>(&mut self, entry: &mut Entry<'_, R>) -> io::Result<()> {
        let kind = entry.header().entry_type();
        if kind.is_pax_global_extensions() {
            return Ok(());
        }
        let (path, is_folder) = {
            let name = entry.path_bytes();
            // Archives older than POSIX's have folders as files whose names end so; Go reads them likewise.
            (clean(&name), kind.is_dir() || name.ends_with(b"/"))
        };
        if path.len() > LONGEST {
            let what = format!(
                "a path of {} bytes, and no system takes more than {LONGEST}",
                path.len()
            );
            return Err(io::Error::other(what));
        }
        let (folder, name) = split(&path);
        match name.strip_prefix(b".wh.") {
            _ if path.is_empty() => return Ok(()),
            Some(b".wh..opq") => self.hiding.opaque(folder),
            Some(name) => {
                let mut gone = folder.to_vec();
                if !gone.is_empty() {
                    gone.push(b'/');
                }
                gone.extend_from_slice(name);
                self.hiding.whiteout(&gone);
            }
            None => {
                self.replace(&path, is_folder);
                self.hiding.entry(&path, is_folder);
                if !is_folder {
                    self.file(&path, kind, entry)?;
                }
            }
        }
        match self.hiding.len() > PATHS {
            true => Err(io::Error::other(format!("more than {PATHS} paths"))),
            false => Ok(()),
        }
    }

    /// Forgets what an entry takes the place of in the same layer: the last one counts.
    fn replace(&mut self, path: &[u8], is_folder: bool) {
        remove(&mut self.summary.foreign, path, is_folder);
        remove(&mut self.summary.links, path, is_folder);
    }

    fn file<R: Read>(
        &mut self,
        path: &[u8],
        kind: EntryType,
        entry: &mut Entry<'_, R>,
    ) -> io::Result<()> {
        if kind.is_hard_link() {
            let target = clean(&entry.link_name_bytes().unwrap_or_default());
            return self.link(path, target);
        }
        let has_content = kind.is_file() || kind.is_contiguous() || kind.is_gnu_sparse();
        if !has_content || entry.size() < SHORTEST as u64 {
            return Ok(());
        }
        let Some(machine) = self.machine(entry)? else {
            return Ok(());
        };
        self.summary.seen += 1;
        let Wanted {
            machines,
            platforms,
            ..
        } = self.wanted;
        let is_foreign = |platform: &&Platform| machines.is_foreign(platform, machine);
        if platforms.iter().any(is_foreign) && self.has_room(path) {
            let path: Arc<[u8]> = path.into();
            let origin = Arc::clone(&path);
            let found = Found { machine, origin };
            self.summary.foreign.insert(path, found);
        }
        Ok(())
    }

    fn machine(&mut self, file: &mut impl Read) -> io::Result<Option<Machine>> {
        // Most files are told by their first bytes to be no program.
        let mut read = fill(file, &mut self.head[..64])?;
        if self.head.starts_with(b"MZ") {
            read += fill(file, &mut self.head[read..])?;
        }
        Ok(machine(&self.head[..read]))
    }

    fn link(&mut self, path: &[u8], target: Vec<u8>) -> io::Result<()> {
        if let Some(found) = self.summary.foreign.get(&*target) {
            let found = found.clone();
            if self.has_room(path) {
                self.summary.foreign.insert(path.into(), found);
            }
            return Ok(());
        }
        let target = match self.summary.links.get(&*target) {
            Some(below) => below.clone(),
            // A file of this layer that is no foreign program.
            None if self.hiding.has_file(&target) => return Ok(()),
            None => target,
        };
        if self.has_room(path) {
            self.summary.links.insert(path.into(), target);
        }
        Ok(())
    }

    /// Whether a further path may be kept. What may not is counted, unless nobody would hear of it.
    fn has_room(&mut self, path: &[u8]) -> bool {
        let has_room = self.summary.foreign.len() + self.summary.links.len() < KEPT
            && self.kept + path.len() <= KEPT_BYTES;
        if has_room {
            self.kept += path.len();
        }
        if !has_room && !self.wanted.rules.allows(&String::from_utf8_lossy(path)) {
            self.summary.more += 1;
        }
        has_room
    }
}

fn remove<T>(paths: &mut BTreeMap<Arc<[u8]>, T>, path: &[u8], is_folder: bool) {
    if paths.is_empty() {
        return;
    }
    paths.remove(path);
    for folder in folders(path) {
        paths.remove(folder);
    }
    if !is_folder {
        let below = [path, b"/"].concat();
        let under = paths.range::<[u8], _>((Bound::Included(below.as_slice()), Bound::Unbounded));
        let under = under.take_while(|(path, _)| path.starts_with(&below));
        let under: Vec<_> = under.map(|(path, _)| Arc::clone(path)).collect();
        for path in under {
            paths.remove(&path);
        }
    }
}

/// Reads until a buffer is full or there is no more.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..])? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}
