//! A layer as it comes: read and checked on one thread, decompressed on another.
//!
//! The bytes are read to their very end whatever is in them, since that is where a reader finds that the digest is wrong; and where it is,
//! that is what is wrong with the layer, and not what the wrong bytes lead to.

use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Read};
use std::rc::Rc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use crate::registry::Opened;

/// Whether everything is called off.
pub(super) type CalledOff<'a> = &'a (dyn Fn() -> bool + Sync);

/// Why a layer cannot be read.
#[derive(Debug)]
pub(super) enum Fault {
    CalledOff,
    /// What is wrong with it.
    Broken(String),
}

/// So much is read at once, and so often before somebody takes it: a megabyte at most is on the way.
const CHUNK: usize = 128 * 1024;
const CHUNKS: usize = 8;

/// So much is decompressed at once. Decompressors are the faster the more room they have; more than this does not pay.
const ROOM: usize = 256 * 1024;

/// The largest window of zstd, as a power of two: 32 MiB. It is what the highest level of the Go library takes that BuildKit and
/// containerd have (klauspost/compress); `zstd --long` and `--ultra` take more.
const WINDOW: u32 = 25;

/// Reads a layer with `read`, which is given what is in it, decompressed.
pub(super) fn with_layer<T>(
    opened: Opened,
    called_off: CalledOff<'_>,
    read: impl FnOnce(Decoded<'_>) -> io::Result<T>,
) -> Result<T, Fault> {
    let (sender, receiver) = sync_channel(CHUNKS);
    let (read, source) = thread::scope(|scope| {
        let source = scope.spawn(move || send(opened, &sender, called_off));
        let mut chunks = Chunks::new(receiver);
        let read = chunks.decode(called_off, read);
        // Where that failed there may be more, which the digest counts.
        for _ in chunks.receiver {}
        match source.join() {
            Ok(source) => (read, source),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    });
    if called_off() {
        return Err(Fault::CalledOff);
    }
    source.map_err(|error| Fault::Broken(format!("reading it fails: {error}")))?;
    read
}

/// Reads to the end, and sends it on in chunks.
fn send(
    mut opened: Opened,
    sender: &SyncSender<Vec<u8>>,
    called_off: CalledOff<'_>,
) -> io::Result<()> {
    loop {
        let mut chunk = vec![0; CHUNK];
        let mut filled = 0;
        let mut at_end = false;
        while filled < CHUNK && !at_end {
            if called_off() {
                return Ok(());
            }
            match opened.read(&mut chunk[filled..]) {
                Ok(0) => at_end = true,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        chunk.truncate(filled);
        // The other side takes everything; where it is gone, it has failed and says why.
        if (filled > 0 && sender.send(chunk).is_err()) || at_end {
            return Ok(());
        }
    }
}

/// What is sent, as a reader.
struct Chunks {
    receiver: Receiver<Vec<u8>>,
    chunk: Vec<u8>,
    taken: usize,
}

impl BufRead for Chunks {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.taken == self.chunk.len() {
            self.taken = 0;
            // Nobody sends any more: the end.
            self.chunk = self.receiver.recv().unwrap_or_default();
        }
        Ok(&self.chunk[self.taken..])
    }

    fn consume(&mut self, amount: usize) {
        self.taken += amount;
    }
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut rest = self.fill_buf()?;
        let read = rest.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

/// Compressions that an image's layer does not have, which a file may have all the same.
const OTHERS: &[(&str, &[u8])] = &[
    ("bzip2", b"BZh"),
    ("xz", b"\xfd7zXZ\0"),
    ("lz4", b"\x04\x22\x4d\x18"),
    ("compress", b"\x1f\x9d"),
    ("zip", b"PK\x03\x04"),
];

impl Chunks {
    fn new(receiver: Receiver<Vec<u8>>) -> Chunks {
        Chunks {
            receiver,
            chunk: Vec::new(),
            taken: 0,
        }
    }

    /// Decompresses by the first bytes, as docker and containerd do, since media types are often wrong.
    ///
    /// Source: moby, `pkg/archive`, `DetectCompression`; RFC 8878, "Frame Format" and "Skippable Frames".
    fn decode<T>(
        &mut self,
        called_off: CalledOff<'_>,
        read: impl FnOnce(Decoded<'_>) -> io::Result<T>,
    ) -> Result<T, Fault> {
        let head = self.fill_buf().unwrap_or_default();
        let skippable = matches!(head, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]);
        let place = Rc::new(Place::default());
        let decoded = |reader| Decoded::new(reader, Rc::clone(&place), called_off);
        let (what, result) = if head.starts_with(b"\x1f\x8b\x08") {
            let decoder = flate2::bufread::MultiGzDecoder::new(&mut *self);
            ("gzip", read(decoded(Box::new(decoder))))
        } else if head.starts_with(b"\x28\xb5\x2f\xfd") || skippable {
            let mut decoder = match zstd::stream::read::Decoder::with_buffer(&mut *self) {
                Ok(decoder) => decoder,
                Err(error) => return Err(Fault::Broken(error.to_string())),
            };
            if let Err(error) = decoder.window_log_max(WINDOW) {
                return Err(Fault::Broken(error.to_string()));
            }
            ("zstd", read(decoded(Box::new(decoder))))
        } else if let Some((name, _)) = OTHERS.iter().find(|(_, magic)| head.starts_with(magic)) {
            let what = format!("it is {name}, and layers are tar, gzip or zstd");
            return Err(Fault::Broken(what));
        } else {
            ("tar", read(decoded(Box::new(&mut *self))))
        };
        let what = if place.failed.get() { what } else { "tar" };
        result.map_err(|error| match error.to_string() {
            // The library's words for a window that is too large.
            text if text.contains("requires too much memory") => Fault::Broken(format!(
                "its zstd has a window of more than {} MiB; compress it without `--long` and `--ultra`",
                (1_u64 << WINDOW) >> 20
            )),
            text => Fault::Broken(format!("its {what} is broken: {text}")),
        })
    }
}

/// The content of a layer. Where a bound is set, it fails rather than read further.
pub(super) struct Decoded<'a> {
    inner: BufReader<Box<dyn Read + 'a>>,
    place: Rc<Place>,
    called_off: CalledOff<'a>,
}

/// How far a [`Decoded`] is read, and how far it may be.
#[derive(Default)]
pub(super) struct Place {
    read: Cell<u64>,
    bound: Cell<Option<u64>>,
    /// Whether decompressing failed, and not what came after.
    failed: Cell<bool>,
}

impl Place {
    /// Lets so many further bytes be read; nothing is no bound.
    pub(super) fn allow(&self, further: Option<u64>) {
        self.bound
            .set(further.map(|further| self.read.get().saturating_add(further)));
    }
}

impl<'a> Decoded<'a> {
    fn new(inner: Box<dyn Read + 'a>, place: Rc<Place>, called_off: CalledOff<'a>) -> Decoded<'a> {
        Decoded {
            inner: BufReader::with_capacity(ROOM, inner),
            place,
            called_off,
        }
    }

    pub(super) fn place(&self) -> Rc<Place> {
        Rc::clone(&self.place)
    }
}

impl Read for Decoded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // What is decompressed has no end where somebody wants so.
        if (self.called_off)() {
            return Err(io::Error::other("called off"));
        }
        let place = &self.place;
        let left = place
            .bound
            .get()
            .map_or(u64::MAX, |bound| bound - place.read.get());
        let room = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        if room == 0 && !buffer.is_empty() {
            return Err(io::Error::other("a header of more than 1 MiB"));
        }
        let read = self.inner.read(&mut buffer[..room]);
        let read = read.inspect_err(|_| place.failed.set(true))?;
        place.read.set(place.read.get() + read as u64);
        Ok(read)
    }
}
