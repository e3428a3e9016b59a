//! Handlers of Debian packages, from an archive: `Release`, then `Packages`, then the package, each held to the checksum that the one
//! before has of it.
//!
//! The signature of `Release` is not looked at: that it is the archive's own is TLS's word alone, and the lock's from the second time on.
//!
//! Sources: deb822(5), deb(5), and wiki.debian.org/DebianRepository/Format.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read};

use super::cache::{Cache, is_sum, sha256};
use super::packed::{Cancelled, MOST, Packed, each, unpacked};
use super::report::Event;
use crate::registry::{Web, WebError};

/// The package that handlers are in, and the one that its links lead to since Debian 13.
const PACKAGES: [&str; 2] = ["qemu-user-static", "qemu-user"];

/// The most that is read of a list, and of a package. `main` of amd64 has 9 MB packed, qemu-user of Debian 13 71 MB.
const MOST_OF_A_LIST: u64 = 128 << 20;
const MOST_OF_A_PACKAGE: u64 = 512 << 20;

/// A part of an archive: one architecture of one release.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Archive {
    pub(super) mirror: String,
    pub(super) suite: String,
    /// Debian's name of the architecture.
    pub(super) arch: String,
}

/// A package of an archive.
#[derive(Clone, Debug)]
struct Package {
    version: String,
    address: String,
    size: u64,
    sha256: String,
}

/// The program that a package has.
pub(super) struct Program {
    pub(super) bytes: Vec<u8>,
    pub(super) version: String,
    /// The package's address.
    pub(super) from: String,
}

/// Why something was not got.
#[derive(Clone, Debug)]
pub(super) enum Stop {
    Cancelled,
    Failed(String),
}

/// The packages by their names.
pub(super) type Packages = BTreeMap<&'static str, Listed>;

#[derive(Clone, Debug)]
pub(super) struct Listed(Package);

/// How an archive is read.
pub(super) struct Reader<'a> {
    pub(super) web: &'a Web,
    pub(super) cache: &'a Cache,
    pub(super) watch: &'a (dyn Fn(&Event<'_>) + Sync),
}

impl Archive {
    /// The address of the release's list of lists.
    pub(super) fn release(&self) -> String {
        format!("{}/dists/{}/Release", self.mirror, self.suite)
    }
}

fn failed(what: impl Into<String>) -> Stop {
    Stop::Failed(what.into())
}

impl Reader<'_> {
    fn get(&self, address: &str, most: u64) -> Result<Vec<u8>, Stop> {
        self.web.get(address, most).map_err(|error| match error {
            WebError::Cancelled => Stop::Cancelled,
            error => failed(format!("{address}: {error}")),
        })
    }

    fn get_exactly(&self, address: &str, size: u64, sum: &str) -> Result<Vec<u8>, Stop> {
        let bytes = self.get(address, size)?;
        let found = sha256(&bytes);
        match found == sum {
            true => Ok(bytes),
            false => Err(failed(format!(
                "{address}: the checksum is {found}, and the list that names it says {sum}"
            ))),
        }
    }

    /// The packages that handlers may be in.
    pub(super) fn packages(&self, archive: &Archive) -> Result<Packages, Stop> {
        let address = archive.release();
        (self.watch)(&Event::Download {
            address: &address,
            size: None,
        });
        let bytes = self.get(&address, MOST_OF_A_LIST)?;
        let text = String::from_utf8_lossy(&bytes);
        let release = Release::read(&text);
        if release.lists.is_empty() {
            return Err(failed(format!("{address}: this has no checksums of lists")));
        }
        let mut found = Packages::new();
        let mut asked = false;
        // Ubuntu has them in `universe`.
        for component in &release.components {
            let folder = format!("{component}/binary-{}", archive.arch);
            let names = ["Packages.xz", "Packages.gz", "Packages"];
            let paths = names.map(|name| format!("{folder}/{name}"));
            let list = paths.iter().find_map(|path| {
                let (sum, size) = release.lists.get(path.as_str())?;
                Some((path, sum.as_str(), *size))
            });
            let Some((path, sum, size)) = list else {
                continue;
            };
            asked = true;
            let path = match release.by_hash {
                true => format!("{folder}/by-hash/SHA256/{sum}"),
                false => path.clone(),
            };
            let address = format!("{}/dists/{}/{path}", archive.mirror, archive.suite);
            (self.watch)(&Event::Download {
                address: &address,
                size: Some(size),
            });
            if size > MOST_OF_A_LIST {
                return Err(failed(format!("{address}: {size} bytes are too many")));
            }
            let bytes = self.get_exactly(&address, size, sum)?;
            let cancelled = || self.web.is_cancelled();
            let reader = unpacked(&bytes, &cancelled)
                .map_err(|error| failed(format!("{address}: {error}")))?;
            packages(reader, &archive.mirror, &mut found)
                .map_err(|what| failed(format!("{address}: {what}")))?;
            if found.contains_key(PACKAGES[0]) {
                break;
            }
        }
        if !asked {
            return Err(failed(format!(
                "{address}: it has no packages for {}",
                archive.arch
            )));
        }
        match found.is_empty() {
            true => Err(failed(format!(
                "{address}: it has no package `{}` for {}",
                PACKAGES[0], archive.arch
            ))),
            false => Ok(found),
        }
    }

    /// The bytes of a package, from the cache where it has them.
    fn package(&self, package: &Package) -> Result<Vec<u8>, Stop> {
        if let Some(bytes) = self.cache.get(&package.sha256) {
            return Ok(bytes);
        }
        (self.watch)(&Event::Download {
            address: &package.address,
            size: Some(package.size),
        });
        if package.size > MOST_OF_A_PACKAGE {
            let address = &package.address;
            return Err(failed(format!(
                "{address}: {} bytes are too many",
                package.size
            )));
        }
        let bytes = self.get_exactly(&package.address, package.size, &package.sha256)?;
        let kept = self.cache.put(&bytes);
        kept.map_err(|error| failed(format!("the cache cannot be written to: {error}")))?;
        Ok(bytes)
    }

    /// Takes the programs of some of QEMU's names out of packages, whose bytes are read once for all of them. Of what is not given to `take`
    /// the packages have nothing.
    pub(super) fn programs(
        &self,
        packages: &Packages,
        qemus: &BTreeSet<String>,
        take: &mut dyn FnMut(&str, Program),
    ) -> Result<(), Stop> {
        // What is still looked for, by the path in the package.
        let mut wanted: BTreeMap<String, String> = BTreeMap::new();
        for qemu in qemus {
            let name = match packages.contains_key(PACKAGES[0]) {
                true => format!("usr/bin/qemu-{qemu}-static"),
                false => format!("usr/bin/qemu-{qemu}"),
            };
            wanted.insert(name, qemu.clone());
        }
        for name in PACKAGES {
            let Some(Listed(package)) = packages.get(name) else {
                continue;
            };
            if wanted.is_empty() {
                break;
            }
            let bytes = self.package(package)?;
            let mut links: BTreeMap<String, String> = BTreeMap::new();
            let mut left = wanted.len();
            let mut entry = |path: &str, packed: Packed| {
                let Some(qemu) = wanted.get(path) else {
                    return true;
                };
                match packed {
                    Packed::File(bytes) => {
                        let program = Program {
                            bytes,
                            version: package.version.clone(),
                            from: package.address.clone(),
                        };
                        take(qemu, program);
                    }
                    Packed::Link(link) => {
                        let name = link.rsplit('/').next().unwrap_or_default();
                        links.insert(format!("usr/bin/{name}"), qemu.clone());
                    }
                }
                left -= 1;
                left > 0 && !self.web.is_cancelled()
            };
            let is_wanted = |path: &str| wanted.contains_key(path);
            let cancelled = || self.web.is_cancelled();
            contents(&bytes, &cancelled, &is_wanted, &mut entry)
                .map_err(|what| failed(format!("{}: {what}", package.address)))?;
            if self.web.is_cancelled() {
                return Err(Stop::Cancelled);
            }
            // Of a package without links nothing is left for the other one, whose programs are not static then.
            wanted = links;
        }
        Ok(())
    }
}

/// Goes through the files of a package.
fn contents(
    deb: &[u8],
    cancelled: Cancelled<'_>,
    wanted: &dyn Fn(&str) -> bool,
    take: &mut dyn FnMut(&str, Packed) -> bool,
) -> Result<(), String> {
    let broken = |error: std::io::Error| format!("this is no package: {error}");
    let mut archive = ar::Archive::new(deb);
    while let Some(member) = archive.next_entry() {
        let mut member = member.map_err(broken)?;
        let name = String::from_utf8_lossy(member.header().identifier()).into_owned();
        if !name.trim_end_matches('/').starts_with("data.tar") {
            continue;
        }
        let mut data = Vec::new();
        member
            .by_ref()
            .take(MOST)
            .read_to_end(&mut data)
            .map_err(broken)?;
        let tar = unpacked(&data, cancelled).map_err(broken)?;
        return each(tar, wanted, take).map_err(broken);
    }
    Err("this is no package: it has no `data.tar`".to_string())
}

/// What a `Release` says.
struct Release<'a> {
    components: Vec<&'a str>,
    by_hash: bool,
    /// The lists by their paths, each with its checksum and its size.
    lists: BTreeMap<&'a str, (String, u64)>,
}

impl<'a> Release<'a> {
    fn read(text: &'a str) -> Release<'a> {
        let mut release = Release {
            components: vec!["main"],
            by_hash: false,
            lists: BTreeMap::new(),
        };
        let mut field = "";
        for line in text.lines() {
            if line.starts_with([' ', '\t']) {
                let mut words = line.split_whitespace();
                if let ("SHA256", Some(sum), Some(size), Some(path)) =
                    (field, words.next(), words.next(), words.next())
                    && let (Some(sum), Ok(size)) = (checksum(sum), size.parse())
                {
                    release.lists.insert(path, (sum, size));
                }
                continue;
            }
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            field = name;
            match name {
                "Components" => release.components = value.split_whitespace().collect(),
                "Acquire-By-Hash" => release.by_hash = value.trim() == "yes",
                _ => {}
            }
        }
        release
    }
}

/// Reads the packages that are of interest from a list.
fn packages(list: impl Read, mirror: &str, found: &mut Packages) -> Result<(), String> {
    let mut fields: BTreeMap<String, String> = BTreeMap::new();
    let mut lines = BufReader::new(list).split(b'\n');
    loop {
        let line = match lines.next() {
            Some(line) => Some(line.map_err(|error| error.to_string())?),
            None => None,
        };
        let line = line.map(|line| String::from_utf8_lossy(&line).trim_end().to_string());
        match &line {
            Some(line) if !line.is_empty() => {
                // Further lines of a field are of none that is needed.
                if let Some((name, value)) = line.split_once(": ")
                    && ["Package", "Version", "Filename", "Size", "SHA256"].contains(&name)
                {
                    fields.insert(name.to_string(), value.trim().to_string());
                }
            }
            _ => {
                let own = std::mem::take(&mut fields);
                let name = own.get("Package").map(String::as_str);
                if let Some(name) = PACKAGES.into_iter().find(|known| Some(*known) == name)
                    && !found.contains_key(name)
                {
                    let package = package(&own, mirror);
                    let package = package.ok_or_else(|| {
                        format!("the package `{name}` has no address, size or checksum")
                    })?;
                    found.insert(name, Listed(package));
                }
            }
        }
        if line.is_none() {
            return Ok(());
        }
    }
}

/// A checksum of a list, in small digits. Anything else is none: it becomes the name of a file.
fn checksum(text: &str) -> Option<String> {
    let sum = text.to_ascii_lowercase();
    is_sum(&sum).then_some(sum)
}

fn package(fields: &BTreeMap<String, String>, mirror: &str) -> Option<Package> {
    let filename = fields.get("Filename")?;
    Some(Package {
        version: fields.get("Version")?.clone(),
        address: format!("{mirror}/{}", filename.trim_start_matches("./")),
        size: fields.get("Size")?.parse().ok()?,
        sha256: checksum(fields.get("SHA256")?)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_read() {
        let sum = "D".repeat(64);
        let text = format!(
            "Origin: Debian\nAcquire-By-Hash: yes\nComponents: main contrib\nMD5Sum:\n abc 1 main/x\nSHA256:\n {sum}  22 main/y\n ../../x 1 main/z\n"
        );
        let release = Release::read(&text);
        assert_eq!(release.components, ["main", "contrib"]);
        assert!(release.by_hash);
        let lists: Vec<_> = release.lists.into_iter().collect();
        assert_eq!(lists, [("main/y", ("d".repeat(64), 22))]);
    }

    #[test]
    fn packages_are_found_in_a_list() {
        let list = format!(
            "Package: qemu\nVersion: 1\n\nPackage: qemu-user-static\nVersion: 1:7+b1\nDescription: a\n Package: x\nFilename: pool/q.deb\nSize: 7\nSHA256: {}\n",
            "AB".repeat(32)
        );
        let mut found = Packages::new();
        packages(list.as_bytes(), "https://m/debian", &mut found).unwrap();
        let Listed(package) = &found["qemu-user-static"];
        assert_eq!(package.address, "https://m/debian/pool/q.deb");
        assert_eq!((package.version.as_str(), package.size), ("1:7+b1", 7));
        assert_eq!(package.sha256, "ab".repeat(32));
        assert_eq!(found.len(), 1);
        let broken = "Package: qemu-user\nVersion: 1\n";
        assert!(packages(broken.as_bytes(), "m", &mut found).is_err());
        // Nothing else is a checksum, whose file would be read.
        let broken = format!("{broken}Filename: x\nSize: 1\nSHA256: /dev/zero\n");
        assert!(packages(broken.as_bytes(), "m", &mut found).is_err());
    }
}
