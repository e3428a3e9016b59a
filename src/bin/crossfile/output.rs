//! What the command prints: results to standard output, diagnostics and progress to standard error.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;

use crossfile::ways::way_or_path;
use crossfile::{Diagnostic, DiskInputs, Severity};
use serde::Serialize;

use crate::args::Format;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done and clean.
    Clean,
    /// A question answered no.
    No,
    /// An error.
    Error,
    /// Ended by Ctrl-C.
    Interrupted,
}

impl Exit {
    /// What a shell makes of a program that Ctrl-C ended: 128 and the number of the signal.
    pub(crate) const INTERRUPTED: u8 = 130;
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::Clean => 0,
            Exit::No => 1,
            Exit::Error => 2,
            Exit::Interrupted => Exit::INTERRUPTED,
        })
    }
}

/// Where and how to print.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    pub(crate) quiet: bool,
    pub(crate) verbose: bool,
    /// The working directory, read once.
    pub(crate) folder: PathBuf,
    /// Diagnostics as annotations of GitHub Actions, which reads them from standard output.
    github: bool,
}

impl Output {
    pub(crate) fn new(quiet: bool, verbose: bool) -> io::Result<Output> {
        Ok(Output {
            quiet,
            verbose,
            folder: std::env::current_dir()?,
            github: false,
        })
    }

    /// The same for a command that was given a format.
    pub(crate) fn with_format(&self, format: Format) -> Output {
        Output {
            github: format == Format::Github,
            ..self.clone()
        }
    }

    /// What a project reads from outside: files of the disk, and the environment as it is now.
    pub(crate) fn inputs(&self) -> DiskInputs {
        let text = |(name, value): (OsString, OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        DiskInputs {
            env: std::env::vars_os().filter_map(text).collect(),
        }
    }

    /// Prints a result.
    pub(crate) fn result(&self, text: impl AsRef<[u8]>) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_ref())?;
        stdout.flush()
    }

    /// Prints a JSON result.
    pub(crate) fn json(&self, value: &impl Serialize) -> io::Result<()> {
        self.result(json(value)?)
    }

    /// Prints what is about to happen and has to be seen.
    pub(crate) fn notice(&self, text: &str) {
        let _ = writeln!(anstream::stderr(), "{text}");
    }

    /// Prints what happened, unless asked to be quiet.
    pub(crate) fn progress(&self, text: &str) {
        if !self.quiet {
            // Whoever does not listen is not told.
            let _ = writeln!(anstream::stderr(), "{text}");
        }
    }

    /// Prints an error that has no place in a file.
    pub(crate) fn error(&self, text: &str) {
        // Whoever does not listen is not told.
        let _ = writeln!(anstream::stderr(), "error: {text}");
    }

    /// Prints diagnostics: all, or errors only when asked to be quiet.
    pub(crate) fn diagnostics(&self, diagnostics: &[Diagnostic]) {
        let least = if self.quiet {
            Severity::Error
        } else {
            Severity::Note
        };
        for diagnostic in diagnostics.iter().filter(|d| d.severity >= least) {
            // Whoever does not listen is not told: what is asked for is done all the same.
            let _ = match self.github {
                true => write!(anstream::stdout(), "{}", self.annotation(diagnostic)),
                false => {
                    let text = diagnostic.render_styled(&|path| self.show(path));
                    write!(anstream::stderr(), "{text}")
                }
            };
        }
    }

    /// Prints diagnostics that are a command's result: all, or those that are more than warnings when asked to be quiet.
    pub(crate) fn findings(&self, diagnostics: &[Diagnostic], format: Format) -> io::Result<()> {
        let least = match self.quiet {
            true => Severity::Error,
            false => Severity::Note,
        };
        let mut stdout = anstream::stdout().lock();
        for diagnostic in diagnostics.iter().filter(|found| found.severity >= least) {
            let text = match format {
                Format::Github => self.annotation(diagnostic),
                _ => diagnostic.render_styled(&|path| self.show(path)),
            };
            stdout.write_all(text.as_bytes())?;
        }
        stdout.flush()
    }

    /// GitHub reads paths from the top of the repository, wherever a command runs.
    fn annotation(&self, diagnostic: &Diagnostic) -> String {
        diagnostic.render_github(&|path| {
            let root = crossfile::root_of(path);
            match root.join(".git").exists() {
                true => way_or_path(&root, path).display().to_string(),
                false => self.show(path),
            }
        })
    }

    /// A path as seen from the working directory.
    pub(crate) fn show(&self, path: &Path) -> String {
        if !path.is_absolute() {
            return path.display().to_string();
        }
        way_or_path(&self.folder, path).display().to_string()
    }

    /// The complete path of an argument.
    pub(crate) fn complete(&self, path: &Path) -> PathBuf {
        let joined = self.folder.join(path);
        let has_parents = joined.components().any(|part| part == Component::ParentDir);
        match has_parents {
            // What `..` leads to depends on links: only the system knows.
            true => joined.canonicalize().unwrap_or(joined),
            false => joined.components().collect(),
        }
    }
}

/// A value as JSON for people and programs, its fields in the order of their declaration.
pub(crate) fn json(value: &impl Serialize) -> io::Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

/// Rows in aligned columns, the last one as long as it likes.
pub(crate) fn columns(rows: &[Vec<String>]) -> String {
    columns_within(rows, usize::MAX)
}

/// The same, in which what is wider than that sticks out of its column.
pub(crate) fn columns_within(rows: &[Vec<String>], widest: usize) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let widths = cells.map(|cell| cell.chars().count());
        widths.filter(|width| *width <= widest).max().unwrap_or(0)
    };
    let most = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..most).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let last = column + 1 == row.len();
            let shown = if cell.is_empty() && !last { "-" } else { cell };
            let _ = write!(line, "{shown:<width$}  ", width = widths[column]);
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// A number of things: `1 file`, `2 files`.
pub(crate) fn count(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}

/// A number of bytes for people.
pub(crate) fn human(bytes: u64) -> String {
    let units = ["kB", "MB", "GB"];
    let mut unit = "B";
    // For people: a rounded number does.
    #[expect(
        clippy::cast_precision_loss,
        reason = "one digit behind the point is shown"
    )]
    let mut number = bytes as f64;
    for next in units {
        if number < 1000.0 {
            break;
        }
        number /= 1000.0;
        unit = next;
    }
    match unit {
        "B" => format!("{bytes} B"),
        _ => format!("{number:.1} {unit}"),
    }
}
