//! Layers that are broken, and layers that somebody made to do harm.

use std::io::Read;

use super::*;
use crate::registry::verify::layer::KEPT;

fn error(layer: Vec<u8>) -> String {
    let digest = Digest::of(&layer);
    let error = scan("linux/arm64", vec![layer]).unwrap_err().to_string();
    let start = format!("layer {digest}: ");
    let what = error.strip_prefix(&start);
    what.unwrap_or_else(|| panic!("{error} names no layer"))
        .to_string()
}

#[test]
fn what_is_wrong_with_a_layer_is_said() {
    let tar = Tar::new().file("bin/a", &arm64()).bytes();
    let gz = gzip(&tar);
    let cut = |bytes: &[u8], by: usize| bytes[..bytes.len() - by].to_vec();
    assert_eq!(
        error(cut(&tar, 1024 + 500)),
        "its tar is broken: unexpected EOF during skip"
    );
    assert!(error(cut(&gz, 9)).starts_with("its gzip is broken: "));
    assert!(error(cut(&gz, 20)).starts_with("its gzip is broken: "));
    let mut wrong = gz.clone();
    let crc = wrong.len() - 8;
    wrong[crc] ^= 1;
    assert!(error(wrong).starts_with("its gzip is broken: "));
    assert!(error(cut(&zstd(&tar), 5)).starts_with("its zstd is broken: "));
    assert!(error([gz, b"more".to_vec()].concat()).starts_with("its gzip is broken: "));
    assert_eq!(
        error(b"BZh91AY".to_vec()),
        "it is bzip2, and layers are tar, gzip or zstd"
    );
    assert!(error(vec![b'x'; 2000]).starts_with("its tar is broken: "));
    assert!(error(gzip(b"text")).starts_with("its tar is broken: "));
}

#[test]
fn other_content_than_the_digest_says_is_what_is_wrong_whatever_it_leads_to() {
    let tar = Tar::new().file("bin/a", &arm64()).bytes();
    // Padding behind the end is read as well.
    for mut bytes in [gzip(&tar), [tar, vec![0; 3 << 20]].concat()] {
        let mut blobs = Blobs::default();
        let descriptor = blobs.put(bytes.clone());
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        let found = Digest::of(&bytes);
        blobs.0.insert(descriptor.digest.clone(), bytes.clone());
        let digest = &descriptor.digest;
        let layers = [descriptor.clone()];
        let error = scan_blobs("linux/arm64", &blobs, &layers).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("layer {digest}: reading it fails: the content is {found} and not {digest}")
        );
        bytes.truncate(last);
        blobs.0.insert(digest.clone(), bytes);
        let error = scan_blobs("linux/arm64", &blobs, &layers).unwrap_err();
        assert!(
            error.to_string().contains(&format!("ends after {last} of")),
            "{error}"
        );
        blobs.0.clear();
        let error = scan_blobs("linux/arm64", &blobs, &layers).unwrap_err();
        assert!(matches!(error, ScanError::Registry(_)), "{error}");
    }
}

/// What is read is not what was sent, and can make no sense long before its end.
#[test]
fn the_digest_counts_where_nothing_can_be_read() {
    let mut bytes = gzip(&Tar::new().file("bin/a", &arm64()).bytes());
    bytes.resize(5 << 20, 7);
    let mut blobs = Blobs::default();
    let descriptor = blobs.put(bytes.clone());
    bytes[20] ^= 1;
    blobs.0.insert(descriptor.digest.clone(), bytes);
    let error = scan_blobs("linux/arm64", &blobs, &[descriptor]).unwrap_err();
    assert!(
        error
            .to_string()
            .contains(": reading it fails: the content is "),
        "{error}"
    );
}

#[test]
fn headers_are_not_read_into_memory_whatever_their_size() {
    for kind in [
        tar::EntryType::XHeader,
        tar::EntryType::GNULongName,
        tar::EntryType::GNULongLink,
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(1 << 40);
        header.set_cksum();
        let mut first = header.as_bytes().to_vec();
        first.extend(vec![b'a'; 3 << 20]);
        let mut large = Tar::new().file("bin/large", &vec![1; 3 << 20]).bytes();
        large.truncate(large.len() - 1024);
        for before in [Vec::new(), large, sparse()] {
            assert_eq!(
                error(gzip(&[before, first.clone()].concat())),
                "its tar is broken: a header of more than 1 MiB"
            );
        }
    }
    // A file is no header, and what follows the end neither.
    let large = Tar::new().file("bin/large", &vec![1; 3 << 20]);
    let mut large = large.file("bin/a", &amd64()).bytes();
    large.resize(large.len() + (3 << 20), 0);
    assert_eq!(foreign(vec![gzip(&large)]), ["1 bin/a"]);
    let long = "d/".repeat(2500);
    let layer = Tar::new().file(&format!("{long}a"), b"").bytes();
    let said = "its tar is broken: a path of 5001 bytes, and no system takes more than 4096";
    assert_eq!(error(layer), said);
}

/// A foreign program that says that it is a petabyte long, nearly all of it a hole.
fn sparse() -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::GNUSparse);
    header.set_path("bin/a").unwrap();
    header.set_size(700);
    let gnu = header.as_gnu_mut().unwrap();
    gnu.set_real_size(1 << 50);
    let octal = |field: &mut [u8; 12], value: u64| {
        field.copy_from_slice(format!("{value:011o}\0").as_bytes());
    };
    let large = |field: &mut [u8; 12], value: u64| {
        field[..4].copy_from_slice(&[0x80, 0, 0, 0]);
        field[4..].copy_from_slice(&value.to_be_bytes());
    };
    octal(&mut gnu.sparse[0].offset, 0);
    octal(&mut gnu.sparse[0].numbytes, 700);
    large(&mut gnu.sparse[1].offset, 1 << 50);
    octal(&mut gnu.sparse[1].numbytes, 0);
    header.set_cksum();
    let mut layer = header.as_bytes().to_vec();
    layer.extend(amd64());
    layer.resize(512 + 1024, 0);
    layer
}

#[test]
fn sparse_files_are_passed_over_by_what_the_archive_has_of_them() {
    let mut layer = sparse();
    layer.extend(Tar::new().file("bin/b", &amd64()).bytes());
    assert_eq!(foreign(vec![gzip(&layer)]), ["1 bin/a", "1 bin/b"]);
}

#[test]
fn a_window_of_zstd_that_takes_much_memory_is_refused_with_what_to_do() {
    let tar = Tar::new().file("bin/a", &amd64()).bytes();
    let with_window = |log: u32| {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        let log = zstd::zstd_safe::CParameter::WindowLog(log);
        encoder.set_parameter(log).unwrap();
        encoder.write_all(&tar).unwrap();
        encoder.finish().unwrap()
    };
    assert_eq!(foreign(vec![with_window(25)]), ["1 bin/a"]);
    assert_eq!(
        error(with_window(26)),
        "its zstd has a window of more than 32 MiB; compress it without `--long` and `--ultra`"
    );
}

/// An image of another architecture altogether, the commonest fault, and larger than anyone wants to read of.
#[test]
fn foreign_programs_beyond_those_kept_are_counted() {
    let mut tar = Tar::new();
    for number in 0..KEPT + 5 {
        tar = tar.file(&format!("bin/{number:05}"), &amd64()[..64]);
    }
    for number in 0..7 {
        tar = tar.file(&format!("testdata/{number}"), &amd64()[..64]);
    }
    let programs = scan("linux/arm64", vec![gzip(&tar.bytes())]).unwrap();
    assert_eq!(programs.foreign.len(), KEPT);
    assert_eq!(programs.more, 5);
    assert_eq!(programs.seen, KEPT as u64 + 12);
}

/// Content that comes in small pieces, as from a network.
#[test]
fn readers_that_give_little_at_a_time_are_read_to_their_end() {
    struct Slow(Cursor<Vec<u8>>, bool);
    impl Read for Slow {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(std::io::ErrorKind::Interrupted.into());
            }
            let most = buffer.len().min(7);
            self.0.read(&mut buffer[..most])
        }
    }
    let layer = gzip(&Tar::new().file("bin/a", &amd64()).bytes());
    let descriptor = [Descriptor::new(TAR, Digest::of(&layer), layer.len() as u64)];
    let platform = "linux/arm64".parse().unwrap();
    let (machines, rules) = (machines(), Rules::new(&[]).unwrap());
    let open = |_: &Descriptor| {
        let opened: Opened = Box::new(Slow(Cursor::new(layer.clone()), false));
        Ok(opened)
    };
    let images = [Image::new(&platform, &descriptor)];
    let results = Scan::new(&machines, &rules).images(&images, &open);
    assert_eq!(results[0].as_ref().unwrap().foreign.len(), 1);
}
