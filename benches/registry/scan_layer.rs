//! Reads a layer from a file and says how long it took and how much memory: `scan_layer scan|inflate FILE PLATFORM`.
//!
//! `inflate` only decompresses (gzip), on one thread and without a digest: what `scan` cannot be faster than by much.

use std::fs::File;
use std::io::{BufReader, Read};
use std::time::Instant;

use crossfile::ArchMap;
use crossfile::registry::verify::{Image, Machines, Rules, Scan};
use crossfile::registry::{Descriptor, Digest, Opened, Verified};

type Failed = Box<dyn std::error::Error>;

#[expect(clippy::print_stdout, reason = "its figures are what it is run for")]
fn main() -> Result<(), Failed> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [what, file, platform, digest @ ..] = &*arguments else {
        return Err("scan_layer scan|inflate FILE PLATFORM [DIGEST]".into());
    };
    let begun = Instant::now();
    if what == "inflate" {
        let file = BufReader::with_capacity(1 << 17, File::open(file)?);
        let mut decoder = flate2::bufread::MultiGzDecoder::new(file);
        let mut room = vec![0; 1 << 18];
        let mut size = 0;
        loop {
            match decoder.read(&mut room)? {
                0 => break,
                read => size += read,
            }
        }
        println!("inflated {size} bytes in {:.2?}", begun.elapsed());
        return Ok(());
    }
    // Without a digest the content is not checked.
    let digest: Option<Digest> = digest.first().map(|text| text.parse()).transpose()?;
    let media_type = "application/vnd.oci.image.layer.v1.tar+gzip";
    let size = File::open(file)?.metadata()?.len();
    let named = digest.clone().unwrap_or_else(|| Digest::of(b""));
    let layers = [Descriptor::new(media_type, named, size)];
    let platform = platform.parse()?;
    let machines = Machines::new(&ArchMap::builtin());
    let rules = Rules::new(&[]).map_err(|(glob, why)| format!("{glob}: {why}"))?;
    let images = [Image::new(&platform, &layers)];
    let scan = Scan::new(&machines, &rules);
    let results = scan.images(&images, &|layer| {
        // The file is there: it was asked for its size.
        let file: Opened = match File::open(file) {
            Ok(file) => Box::new(file),
            Err(_) => Box::new(std::io::empty()),
        };
        Ok(match &digest {
            Some(digest) => Box::new(Verified::new(file, digest, layer.size)),
            None => file,
        })
    });
    for programs in results {
        let programs = programs?;
        let (seen, foreign) = (programs.seen, programs.foreign.len());
        println!(
            "{seen} programs, {foreign} foreign, in {:.2?}",
            begun.elapsed()
        );
        for foreign in programs.foreign.iter().take(5) {
            println!("  {foreign}");
        }
    }
    Ok(())
}
