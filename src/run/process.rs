//! Programs of this machine, each in a process group of its own: whoever calls off the run ends what they started, too.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use super::{Events, ExecError, Performed, Resolved, Runner, check, resolve_command, scratch_file};
use crate::backend::{Action, Command, Find};

/// How often a running program is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// How long a program may take to end after it was asked to.
const GRACE: Duration = Duration::from_secs(10);

/// How many of its last lines a failed program is remembered by.
const LAST: usize = 20;

/// Runs programs in a folder.
pub struct Processes<'a> {
    /// Where they run.
    folder: PathBuf,
    /// The run's own folder, for files that they hand on.
    scratch: PathBuf,
    /// Whether everything is to end.
    cancelled: &'a (dyn Fn() -> bool + Sync),
    /// How long a program may take to end after it was asked to.
    grace: Duration,
    /// The most bytes that are kept of what a program prints.
    most: usize,
}

impl<'a> Processes<'a> {
    /// Runs programs in `folder`, with `scratch` for what they leave for each other.
    pub fn new(
        folder: impl Into<PathBuf>,
        scratch: impl Into<PathBuf>,
        cancelled: &'a (dyn Fn() -> bool + Sync),
    ) -> Processes<'a> {
        Processes {
            folder: folder.into(),
            scratch: scratch.into(),
            cancelled,
            grace: GRACE,
            most: usize::MAX,
        }
    }

    /// The same for programs that are only asked something: one that prints more than `most` bytes is ended, and none has longer
    /// than `grace` to end.
    pub(super) fn bounded(mut self, most: usize, grace: Duration) -> Processes<'a> {
        (self.most, self.grace) = (most, grace);
        self
    }

    fn command(&self, command: &Command, events: &dyn Events) -> Result<Performed, ExecError> {
        let output = |step: &str, key: &str| events.output(step, key);
        let resolved = resolve_command(command, &self.scratch, &output)?;
        events.command(&resolved);
        if self.is_cancelled() {
            return Err(ExecError::Cancelled);
        }
        // What is looked at is not shown, and neither is what clears away.
        let shown = Shown {
            results: command.expect.is_none() && !command.may_fail,
            errors: !command.may_fail,
        };
        // A build may print more than anybody wants to keep.
        let keeps = command.expect.is_some() || !command.yields.is_empty();
        let stdin = command.stdin.as_deref();
        let printed = self.program(&resolved, (stdin, keeps), &shown, events)?;
        let failed = !printed.status.success();
        if failed && !command.may_fail {
            return Err(ExecError::Failed {
                command: resolved.to_string(),
                code: printed.status.code(),
                last: printed.last,
            });
        }
        let unexpected = |what: String| ExecError::Unexpected {
            command: resolved.to_string(),
            what,
        };
        if let Some(expect) = &command.expect
            && let Some(fault) = check::fault(expect, &printed.stdout)
        {
            return Err(unexpected(fault));
        }
        let mut outputs = BTreeMap::new();
        for wanted in command.yields.iter().filter(|_| !failed) {
            match found(&wanted.from, &printed.stdout, &self.scratch) {
                Ok(found) => {
                    outputs.insert(wanted.key.clone(), found);
                }
                // Nothing depends on it.
                Err(_) if command.only_reports => {}
                Err(what) => return Err(unexpected(format!("no {}: {what}", wanted.key))),
            }
        }
        Ok(Performed { outputs })
    }

    fn program(
        &self,
        resolved: &Resolved,
        (stdin, keeps): (Option<&str>, bool),
        shown: &Shown,
        events: &dyn Events,
    ) -> Result<Printed, ExecError> {
        let system = |doing: &str, error: &std::io::Error| ExecError::System {
            what: format!("cannot {doing} `{}`: {error}", resolved.program),
        };
        let mut process = Process::new(&resolved.program);
        process
            .args(&resolved.args)
            .envs(resolved.env.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.folder)
            .stdin(match stdin {
                Some(_) => Stdio::piped(),
                None => Stdio::null(),
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        #[cfg(unix)]
        {
            use std::os::unix::process::CommandExt;
            process.process_group(0);
        }
        let mut child = match process.spawn() {
            Ok(child) => child,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(ExecError::NotFound {
                    program: resolved.program.clone(),
                });
            }
            Err(error) => return Err(system("run", &error)),
        };
        let input = child.stdin.take();
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let last: Mutex<Vec<String>> = Mutex::new(Vec::new());
        let line = |text: &str, shown: bool| {
            if shown {
                events.line(text);
            }
            // A thread that panicked while it held the lock has left whole lines.
            let mut last = last
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            if last.len() == LAST {
                last.remove(0);
            }
            last.push(text.to_string());
        };
        let ended: OnceLock<Instant> = OnceLock::new();
        let flooded = AtomicBool::new(false);
        let pipes = (
            stdout.map(|stream| Pipe::new(stream, &ended)),
            stderr.map(|stream| Pipe::new(stream, &ended)),
        );
        let bounds = Bounds {
            most: self.most,
            flooded: &flooded,
        };
        let (status, stdout) = thread::scope(|scope| {
            let (stdout, stderr) = pipes;
            let out =
                scope.spawn(|| read(stdout, keeps, &bounds, |text| line(text, shown.results)));
            let err = scope.spawn(|| read(stderr, false, &bounds, |text| line(text, shown.errors)));
            let write = scope.spawn(move || {
                if let (Some(mut input), Some(text)) = (input, stdin) {
                    // A program that reads nothing closes it: what it makes of that, its exit code says.
                    let _ = input.write_all(text.as_bytes());
                }
            });
            let status = self.wait(&mut child, &flooded);
            let _ = ended.set(Instant::now());
            let stdout = out.join().unwrap_or_default();
            let _ = (err.join(), write.join());
            (status, stdout)
        });
        let status = status.map_err(|error| system("wait for", &error))?;
        if flooded.load(Ordering::SeqCst) {
            return Err(ExecError::System {
                what: format!(
                    "`{}` printed more than {} bytes, and was ended",
                    resolved.program, self.most
                ),
            });
        }
        match self.is_cancelled() {
            true => Err(ExecError::Cancelled),
            false => Ok(Printed {
                status,
                stdout,
                last: last
                    .into_inner()
                    .unwrap_or_else(std::sync::PoisonError::into_inner),
            }),
        }
    }

    /// Waits for a program, and ends it with all that it started when everything is called off.
    fn wait(&self, child: &mut Child, flooded: &AtomicBool) -> std::io::Result<ExitStatus> {
        let mut asked: Option<Instant> = None;
        loop {
            if let Some(status) = child.try_wait()? {
                if asked.is_some() {
                    // Who was started by it and did not listen.
                    end(child, true);
                }
                return Ok(status);
            }
            match asked {
                None if self.is_cancelled() || flooded.load(Ordering::SeqCst) => {
                    end(child, false);
                    asked = Some(Instant::now());
                }
                Some(since) if since.elapsed() > self.grace => end(child, true),
                _ => {}
            }
            thread::sleep(LOOK);
        }
    }
}

/// Asks a program's whole process group to end, or ends it.
#[cfg(unix)]
fn end(child: &mut Child, now: bool) {
    use rustix::process::{Pid, Signal, kill_process_group};
    let signal = match now {
        true => Signal::KILL,
        false => Signal::TERM,
    };
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // It may have ended in between.
        let _ = kill_process_group(pid, signal);
    }
}

#[cfg(not(unix))]
fn end(child: &mut Child, _: bool) {
    // It may have ended in between.
    let _ = child.kill();
}

/// What a program prints, up to its end: what it left running may keep the other end open for ever.
struct Pipe<'a, S> {
    stream: S,
    ended: &'a OnceLock<Instant>,
}

impl<'a, S> Pipe<'a, S> {
    fn new(stream: S, ended: &'a OnceLock<Instant>) -> Pipe<'a, S> {
        Pipe { stream, ended }
    }
}

#[cfg(unix)]
impl<S: Read + std::os::fd::AsFd> Read for Pipe<'_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let wait = Timespec {
            tv_sec: 0,
            tv_nsec: 100_000_000,
        };
        loop {
            // Looked at before the pipe: what was printed before the end is read to its end.
            let ended = self.ended.get();
            if ended.is_some_and(|ended| ended.elapsed() > GRACE) {
                return Ok(0);
            }
            let mut fds = [PollFd::new(&self.stream, PollFlags::IN)];
            match poll(&mut fds, Some(&wait)) {
                Ok(0) if ended.is_some() => return Ok(0),
                Ok(0) => {}
                Err(error) if error == rustix::io::Errno::INTR => {}
                _ => return self.stream.read(buffer),
            }
        }
    }
}

#[cfg(not(unix))]
impl<S: Read> Read for Pipe<'_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.stream.read(buffer)
    }
}

/// Which lines of a program are handed on.
struct Shown {
    results: bool,
    errors: bool,
}

/// What a program printed and how it ended.
struct Printed {
    status: ExitStatus,
    stdout: String,
    last: Vec<String>,
}

/// How much a program may print.
struct Bounds<'a> {
    most: usize,
    /// Set once it printed more.
    flooded: &'a AtomicBool,
}

/// Reads lines until the end and hands each on; of a line that was written over, the last state. Returns all of it where it is
/// to be kept. What goes beyond the bounds is read, so that the program can end, and forgotten.
fn read(
    stream: Option<impl Read>,
    keeps: bool,
    bounds: &Bounds<'_>,
    mut line: impl FnMut(&str),
) -> String {
    let mut count = 0_usize;
    let longest = u64::try_from(bounds.most).unwrap_or(u64::MAX);
    let mut whole = String::new();
    let Some(stream) = stream else {
        return whole;
    };
    let mut reader = BufReader::new(stream);
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        // A stream that breaks off has ended.
        let Ok(read) = (&mut reader).take(longest).read_until(b'\n', &mut bytes) else {
            return whole;
        };
        if read == 0 {
            return whole;
        }
        count = count.saturating_add(read);
        if count > bounds.most {
            bounds.flooded.store(true, Ordering::SeqCst);
            whole.clear();
            continue;
        }
        let text = String::from_utf8_lossy(&bytes);
        if keeps {
            whole.push_str(&text);
        }
        let shown = text.trim_end_matches(['\n', '\r']);
        let shown = shown.rsplit('\r').next().unwrap_or_default();
        line(shown);
    }
}

fn found(from: &Find, stdout: &str, scratch: &Path) -> Result<String, String> {
    let file = |name: &str| {
        let path = scratch_file(scratch, name);
        std::fs::read_to_string(path).map_err(|error| error.to_string())
    };
    let text = match from {
        Find::Stdout => stdout.to_string(),
        Find::LastLine => stdout
            .trim_end()
            .lines()
            .last()
            .unwrap_or_default()
            .to_string(),
        Find::After(text) => {
            let (_, behind) = stdout
                .rsplit_once(text.as_str())
                .ok_or_else(|| format!("it printed no `{text}`"))?;
            behind
                .split_whitespace()
                .next()
                .unwrap_or_default()
                .to_string()
        }
        Find::File(name) => file(name)?,
        Find::Json {
            file: name,
            pointer,
        } => {
            let json: serde_json::Value =
                serde_json::from_str(&file(name)?).map_err(|error| error.to_string())?;
            match json.pointer(pointer) {
                Some(serde_json::Value::String(text)) => text.clone(),
                Some(value) => value.to_string(),
                None => return Err(format!("`{pointer}` is not in {name}")),
            }
        }
    };
    match text.trim_end_matches(['\n', '\r']) {
        "" => Err("it is empty".to_string()),
        text => Ok(text.to_string()),
    }
}

impl Runner for Processes<'_> {
    fn run(&self, action: &Action, events: &dyn Events) -> Result<Performed, ExecError> {
        match action {
            Action::Command(command) => self.command(command, events),
            Action::Registry(_) => Err(ExecError::System {
                what: "this runner has no client for registries".to_string(),
            }),
        }
    }

    fn is_cancelled(&self) -> bool {
        (self.cancelled)()
    }

    fn pause(&self, wait: Duration) {
        let start = Instant::now();
        while start.elapsed() < wait && !self.is_cancelled() {
            thread::sleep(LOOK.min(wait));
        }
    }
}
