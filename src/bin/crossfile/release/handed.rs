//! The file of `push --by-digest`, made ready before anything is built.

use std::fs;
use std::path::{Path, PathBuf};

use crossfile::plan::Digests;
use crossfile::{Code, Diagnostic, Inputs, Place, write};

use crate::output::Output;

/// The file's place: nothing stands there, and a file can be made.
pub(super) struct Handed {
    file: PathBuf,
}

impl Handed {
    /// Takes away what an earlier run wrote, for a run that fails must leave nothing that `manifest --digests` would release; and
    /// tries whether a file can be made, for everything is pushed when it is.
    pub(super) fn new(file: &Path, output: &Output) -> Result<Handed, Vec<Diagnostic>> {
        let foreign = |message: &str| {
            let problem = Diagnostic::error(Code::Foreign, Place::file(file), message);
            vec![problem.help(
                "name a file that is not there yet, or one that `crossfile push --by-digest` wrote",
            )]
        };
        // A link or a pipe would be replaced, not written to.
        match fs::symlink_metadata(file) {
            Ok(metadata) if !metadata.is_file() => {
                return Err(foreign("something that is no regular file stands here"));
            }
            Ok(_) => {
                let source = output.inputs().file(file);
                if source.map_or(true, |source| Digests::read(&[source]).is_err()) {
                    return Err(foreign(
                        "this file is no list of images that were pushed by digest, and stays",
                    ));
                }
            }
            Err(_) => {}
        }
        write::probe(file).map_err(|problem| vec![problem])?;
        if file.exists() {
            write::remove(file).map_err(|problem| vec![problem])?;
        }
        Ok(Handed {
            file: file.to_path_buf(),
        })
    }

    /// Writes the file.
    pub(super) fn write(&self, text: String) -> Result<(), Diagnostic> {
        write::write(&self.file, text)
    }
}
