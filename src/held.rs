//! One change of what is in a folder at a time, by whichever thread or process.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
#[cfg(unix)]
use std::thread;
#[cfg(unix)]
use std::time::{Duration, Instant};

/// How long another program may take.
#[cfg(unix)]
const PATIENCE: Duration = Duration::from_secs(10);

/// How often it is looked whether it is done.
#[cfg(unix)]
const LOOK: Duration = Duration::from_millis(20);

/// Keeps the threads of this process apart where folders cannot be locked.
static PROCESS: Mutex<()> = Mutex::new(());

/// Held while what is in a folder is read and written anew: a layout's `index.json`, or a lock.
#[derive(Debug)]
pub struct Held {
    _lock: Kind,
}

#[derive(Debug)]
enum Kind {
    /// The folder's own lock, which leaves no file behind.
    Folder { _lock: File },
    /// This process's.
    Process { _lock: MutexGuard<'static, ()> },
}

impl Held {
    /// Waits until nobody else changes what is in a folder.
    ///
    /// # Errors
    /// Somebody does so for too long, or the folder is not there.
    pub fn of(folder: &Path) -> io::Result<Held> {
        let kind = match lock(folder)? {
            Some(lock) => Kind::Folder { _lock: lock },
            None => Kind::Process {
                _lock: PROCESS.lock().unwrap_or_else(PoisonError::into_inner),
            },
        };
        Ok(Held { _lock: kind })
    }
}

/// The lock on a folder; nothing where the file system has none, or the folder may not be opened.
#[cfg(unix)]
fn lock(folder: &Path) -> io::Result<Option<File>> {
    use rustix::fs::{FlockOperation, flock};
    use rustix::io::Errno;
    let file = match File::open(folder) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(None),
        Err(error) => return Err(error),
    };
    let began = Instant::now();
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Some(file)),
            Err(Errno::INTR) => {}
            Err(Errno::WOULDBLOCK) if began.elapsed() < PATIENCE => thread::sleep(LOOK),
            Err(Errno::WOULDBLOCK) => {
                let seconds = PATIENCE.as_secs();
                let what = format!("another program has it locked for {seconds} seconds");
                return Err(io::Error::other(what));
            }
            Err(Errno::NOSYS | Errno::NOTSUP | Errno::NOLCK | Errno::INVAL) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(not(unix))]
fn lock(_: &Path) -> io::Result<Option<File>> {
    Ok(None)
}
