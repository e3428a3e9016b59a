//! Credential helpers: programs that ask the keyring of the system.
//!
//! Source: docker/docker-credential-helpers, README.md, "Development".

use std::io::{self, Read, Write as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::Credentials;

/// How long a helper may take. It may ask a person.
const LIMIT: Duration = Duration::from_secs(30);

/// How often a running helper is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// How long what a helper printed may take to arrive once it has ended: something that it started may hold the pipe for ever.
const GRACE: Duration = Duration::from_secs(1);

/// The most that a helper may print, in bytes.
const MOST: u64 = 1 << 20;

/// Asks credential helpers by their names.
pub trait Helpers: Send + Sync {
    /// What the helper `name` knows of a server: `ghcr.io`, `https://index.docker.io/v1/`; nothing where it knows none.
    ///
    /// # Errors
    /// It cannot be asked, or fails. The text names the helper, and no secret.
    fn get(&self, name: &str, server: &str) -> Result<Option<Credentials>, String>;
}

/// Runs `docker-credential-NAME get`, each in a process group of its own.
#[derive(Clone)]
pub struct HelperPrograms {
    cancelled: Arc<dyn Fn() -> bool + Send + Sync>,
    limit: Duration,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(default)]
    username: String,
    #[serde(default)]
    secret: String,
}

impl HelperPrograms {
    /// Runs helpers until everything is called off.
    pub fn new(cancelled: Arc<dyn Fn() -> bool + Send + Sync>) -> HelperPrograms {
        HelperPrograms {
            cancelled,
            limit: LIMIT,
        }
    }

    /// Gives a helper another time than 30 seconds.
    #[must_use]
    pub fn with_limit(mut self, limit: Duration) -> HelperPrograms {
        self.limit = limit;
        self
    }

    /// Waits for a helper's end, and ends it with all that it started when it takes too long.
    fn wait(&self, child: &mut Child) -> Result<ExitStatus, String> {
        let start = Instant::now();
        loop {
            match child.try_wait() {
                Ok(Some(status)) => return Ok(status),
                Ok(None) => {}
                Err(error) => return Err(error.to_string()),
            }
            let late = start.elapsed() > self.limit;
            if late || (self.cancelled)() {
                end(child);
                // It is gone: nothing is left to be learnt from how.
                let _ = child.wait();
                return Err(match late {
                    true => format!("no answer within {} s", self.limit.as_secs_f32()),
                    false => "called off".to_string(),
                });
            }
            thread::sleep(LOOK);
        }
    }

    fn run(&self, program: &str, server: &str) -> Result<Option<Credentials>, String> {
        let mut command = Command::new(program);
        command
            .arg("get")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        #[cfg(unix)]
        {
            use std::os::unix::process::CommandExt;
            command.process_group(0);
        }
        let mut child = command.spawn().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => "it is not installed".to_string(),
            _ => error.to_string(),
        })?;
        if let Some(mut input) = child.stdin.take() {
            // A helper that reads nothing closes it: what it makes of that, its answer says. A name fits into any pipe.
            let _ = input.write_all(server.as_bytes());
        }
        let printed = child.stdout.take().map(collect);
        let status = self.wait(&mut child)?;
        let printed = printed.map(Printed::take).unwrap_or_default();
        if !status.success() {
            let text = String::from_utf8_lossy(&printed);
            let text = text.lines().next().unwrap_or_default().trim();
            if text.to_lowercase().contains("credentials not found") {
                return Ok(None);
            }
            // Whatever looks like an answer may hold the secret.
            return Err(match text.is_empty() || text.contains(['{', '"']) {
                true => format!("it fails with {status}"),
                false => super::super::client::plain(text),
            });
        }
        let answer = serde_json::from_slice::<Answer>(&printed)
            .map_err(|_| "its answer makes no sense".to_string())?;
        Ok(match (answer.username.as_str(), answer.secret.is_empty()) {
            (_, true) => None,
            ("<token>", _) => Some(Credentials::Identity(answer.secret)),
            _ => Some(Credentials::password(answer.username, answer.secret)),
        })
    }
}

impl Helpers for HelperPrograms {
    fn get(&self, name: &str, server: &str) -> Result<Option<Credentials>, String> {
        let program = format!("docker-credential-{name}");
        if name.contains(['/', '\\']) {
            return Err(format!("`{program}` is no name of a credential helper"));
        }
        self.run(&program, server)
            .map_err(|what| format!("the credential helper {program}, asked for {server}: {what}"))
    }
}

/// What a program prints, collected beside it.
struct Printed {
    bytes: Arc<Mutex<Vec<u8>>>,
    ended: mpsc::Receiver<()>,
}

fn collect(stream: impl Read + Send + 'static) -> Printed {
    let bytes = Arc::new(Mutex::new(Vec::new()));
    let (end, ended) = mpsc::channel();
    let into = bytes.clone();
    thread::spawn(move || {
        let mut stream = stream.take(MOST);
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = stream.read(&mut buffer) {
            let mut into = into.lock().unwrap_or_else(PoisonError::into_inner);
            into.extend_from_slice(&buffer[..read]);
        }
        // Whoever waited may have gone.
        let _ = end.send(());
    });
    Printed { bytes, ended }
}

impl Printed {
    fn take(self) -> Vec<u8> {
        // What arrived until then is what there is.
        let _ = self.ended.recv_timeout(GRACE);
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *bytes)
    }
}

#[cfg(unix)]
fn end(child: &mut Child) {
    use rustix::process::{Pid, Signal, kill_process_group};
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // It may have ended in between.
        let _ = kill_process_group(pid, Signal::KILL);
    }
}

#[cfg(not(unix))]
fn end(child: &mut Child) {
    // It may have ended in between.
    let _ = child.kill();
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    /// Runs a script in the place of a helper.
    fn run(script: &str, limit: Duration) -> Result<Option<Credentials>, String> {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("docker-credential-test");
        // Written by another process: one of ours that is started meanwhile would keep the file open, and it could not be run.
        let write = format!("cat >{0} && chmod +x {0}", program.display());
        let mut shell = Command::new("sh")
            .args(["-c", &write])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = shell.stdin.take().unwrap();
        write!(input, "#!/bin/sh\n{script}\n").unwrap();
        drop(input);
        assert!(shell.wait().unwrap().success());
        HelperPrograms::new(Arc::new(|| false))
            .with_limit(limit)
            .run(program.to_str().unwrap(), "x.io")
    }

    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn a_helper_is_asked_for_the_server() {
        let script = r#"read -r s; echo "{\"Username\":\"$1-$s\",\"Secret\":\"pw\"}""#;
        // A line that does not end is a line for `read`, which says that it did not end.
        let found = run(script, LONG).unwrap();
        assert_eq!(found, Some(Credentials::password("get-x.io", "pw")));
        let token = r#"echo '{"Username":"<token>","Secret":"id"}'"#;
        let found = run(token, LONG).unwrap();
        assert_eq!(found, Some(Credentials::Identity("id".to_string())));
        let none = "echo credentials not found in native keychain; exit 1";
        assert_eq!(run(none, LONG), Ok(None));
    }

    #[test]
    fn a_helper_that_fails_says_why_and_shows_no_secret() {
        let fails = run("echo 'the keyring is locked'; exit 1", LONG);
        assert_eq!(fails.unwrap_err(), "the keyring is locked");
        let leaks = run(r#"echo '{"Secret":"hunter2"}'; exit 3"#, LONG);
        assert_eq!(leaks.unwrap_err(), "it fails with exit status: 3");
        let nonsense = run("echo 'hunter2'", LONG);
        assert_eq!(nonsense.unwrap_err(), "its answer makes no sense");
        let programs = HelperPrograms::new(Arc::new(|| false));
        assert_eq!(
            programs.get("that-is-not-there", "x.io").unwrap_err(),
            "the credential helper docker-credential-that-is-not-there, asked for x.io: it is not installed"
        );
        assert!(programs.get("../x", "x.io").is_err());
    }

    #[test]
    fn a_helper_that_hangs_is_ended_with_what_it_started() {
        let start = Instant::now();
        let hangs = run("sleep 60 & sleep 60", Duration::from_millis(200));
        assert_eq!(hangs.unwrap_err(), "no answer within 0.2 s");
        // What holds the pipe open after the end does not hold us for long.
        let held = run(r#"sleep 20 & echo '{"Username":"a","Secret":"b"}'"#, LONG);
        assert_eq!(held, Ok(Some(Credentials::password("a", "b"))));
        assert!(start.elapsed() < Duration::from_secs(10));
        let programs = HelperPrograms::new(Arc::new(|| true));
        assert_eq!(programs.run("yes", "x.io").unwrap_err(), "called off");
    }
}
