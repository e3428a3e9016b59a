//! The kernel's `binfmt_misc`, as a folder.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::Registration;

/// Where the kernel shows its entries.
const FOLDER: &str = "/proc/sys/fs/binfmt_misc";

/// What the kernel hands to which interpreter.
pub trait Binfmt {
    /// Whether it can be asked: without it no foreign program runs.
    fn is_there(&self) -> bool;

    /// Makes it be there.
    ///
    /// # Errors
    /// The kernel has none, or this needs root.
    fn mount(&self) -> io::Result<()>;

    /// Whether it is switched on as a whole, and its entries by magic, the newest first: the first that fits is the one that counts.
    ///
    /// # Errors
    /// It cannot be read.
    fn entries(&self) -> io::Result<(bool, Vec<Registration>)>;

    /// Switches it on as a whole.
    ///
    /// # Errors
    /// This needs root.
    fn enable(&self) -> io::Result<()>;

    /// Adds an entry. One of that name must not be there.
    ///
    /// # Errors
    /// The kernel does not take it, or this needs root.
    fn add(&self, line: &str) -> io::Result<()>;

    /// Takes an entry away.
    ///
    /// # Errors
    /// There is none, or this needs root.
    fn remove(&self, name: &str) -> io::Result<()>;
}

/// The one of this machine.
#[derive(Clone, Debug)]
pub struct Mounted {
    folder: PathBuf,
}

impl Default for Mounted {
    fn default() -> Mounted {
        Mounted::at(FOLDER)
    }
}

impl Mounted {
    /// One that is mounted elsewhere.
    pub fn at(folder: impl Into<PathBuf>) -> Mounted {
        Mounted {
            folder: folder.into(),
        }
    }

    fn write(&self, file: &Path, text: &str) -> io::Result<()> {
        // In one piece: the kernel takes each write for itself.
        let mut file = fs::OpenOptions::new().write(true).open(file)?;
        let written = file.write(text.as_bytes())?;
        match written == text.len() {
            true => Ok(()),
            false => Err(io::Error::new(
                ErrorKind::WriteZero,
                "the kernel took a part of it",
            )),
        }
    }
}

impl Binfmt for Mounted {
    fn is_there(&self) -> bool {
        self.folder.join("register").exists()
    }

    fn mount(&self) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        {
            use rustix::mount::{MountFlags, mount};
            let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
            Ok(mount(
                "binfmt_misc",
                &self.folder,
                "binfmt_misc",
                flags,
                None,
            )?)
        }
        #[cfg(not(target_os = "linux"))]
        Err(io::Error::new(
            ErrorKind::Unsupported,
            "only Linux has binfmt_misc",
        ))
    }

    fn entries(&self) -> io::Result<(bool, Vec<Registration>)> {
        let status = fs::read_to_string(self.folder.join("status"))?;
        let mut entries = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            if ["register", "status"].contains(&&*name) {
                continue;
            }
            match fs::read_to_string(entry.path()) {
                Ok(text) => entries.extend(Registration::parse(&name, &text)),
                // It was taken away meanwhile.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        // In the order of the folder, which is that in which the kernel searches.
        // Source: fs/binfmt_misc.c adds entries to the front of its list, fs/libfs.c to the front of the folder; seen on Linux 6.18.
        Ok((status.trim() == "enabled", entries))
    }

    fn enable(&self) -> io::Result<()> {
        self.write(&self.folder.join("status"), "1")
    }

    fn add(&self, line: &str) -> io::Result<()> {
        self.write(&self.folder.join("register"), line)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.write(&self.folder.join(name), "-1")
    }
}
