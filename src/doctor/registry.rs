//! What registries say to those who want to push.

use std::path::Path;

use super::{Part, State};
use crate::registry::{CredentialsSource, ErrorKind, RegistryError, Trial};

/// Who reads which files: docker knows nothing of podman's.
#[derive(Clone, Copy, Debug)]
pub struct Reads<'a> {
    /// The program that pushes.
    pub program: &'a str,
    /// The command that logs in.
    pub login: &'a str,
    /// docker's own file, where the program reads no other.
    pub only: Option<&'a Path>,
}

/// A registry that does not answer.
pub fn unreachable(host: &str, error: &RegistryError) -> Part {
    let seen = match &error.kind {
        ErrorKind::Cancelled => "no answer in time".to_string(),
        _ => error.to_string(),
    };
    let part = Part::new("registry", host, State::Failure, seen);
    let text = match &error.kind {
        ErrorKind::Cancelled => "is there a proxy (HTTPS_PROXY) between, or a firewall?",
        ErrorKind::Broken(_) => {
            "is the name right, the registry running, the net there? A proxy is named by HTTPS_PROXY"
        }
        // Some have the cure in them.
        ErrorKind::Refused(said) if said.contains("SSL_CERT_FILE") => {
            "put its authority there; builders have a store of their own for that"
        }
        ErrorKind::Refused(said) if said.contains("crossfile.toml") => {
            return part.text("speak to it as it speaks");
        }
        ErrorKind::Refused(_) => "is the name in `image` right, and does the net lead there?",
        _ => "is this a registry? `image` in crossfile.toml names it",
    };
    part.text(text)
}

/// A registry that answers.
pub fn reached(host: &str, wants_credentials: bool) -> Part {
    let seen = match wants_credentials {
        true => "it answers, and asks who is there",
        false => "it answers",
    };
    Part::new("registry", host, State::Ok, seen)
}

/// Where the credentials for a repository come from. Neither who they are for nor what they are is shown. `may_write` is whether the
/// repository takes images with them, where that was asked.
pub fn credentials(
    repository: &str,
    found: &Result<Option<CredentialsSource>, String>,
    (wants, may_write): (bool, Option<bool>),
    reads: &Reads<'_>,
) -> Part {
    let part = |state: State, seen: &str| Part::new("credentials", repository, state, seen);
    let host = repository.split('/').next().unwrap_or_default();
    let login = format!("{} {host}", reads.login);
    match found {
        Err(what) if what.contains("is not installed") => part(State::Failure, what)
            .text("install the helper, or take it out of `credsStore` and `credHelpers` and log in anew")
            .command(login),
        Err(what) => part(State::Failure, what).command(login),
        Ok(Some(source)) => {
            let seen = match &source.helper {
                Some(helper) => format!("{helper} has some, which {} names", source.file.display()),
                None => format!("{} has some", source.file.display()),
            };
            let unread = reads.only.is_some_and(|only| source.file != only);
            match (unread, wants) {
                (true, true) => {
                    let seen = format!("{seen}, which {} does not read", reads.program);
                    part(State::Failure, &seen).command(login)
                }
                _ => part(State::Ok, &seen),
            }
        }
        Ok(None) if may_write == Some(true) => part(State::Ok, "there are none, and none are asked for"),
        // Whether any are asked for, the registry says.
        Ok(None) => part(State::Warning, "there are none").command(login),
    }
}

/// Whether a repository takes images.
pub fn write(repository: &str, trial: &Result<Trial, RegistryError>, login: &str) -> Part {
    let part = |state: State, seen: &str| Part::new("write", repository, state, seen);
    let host = repository.split('/').next().unwrap_or_default();
    let error = match trial {
        Ok(Trial::TakenBack) => {
            return part(
                State::Ok,
                "it takes images: an upload was begun and taken back",
            );
        }
        Ok(Trial::Left) => {
            return part(
                State::Ok,
                "it takes images: an upload was begun, which it forgets by itself",
            );
        }
        Err(error) => error,
    };
    if let ErrorKind::Credentials(_) = &error.kind {
        return part(State::Skipped, "without the credentials it cannot be asked");
    }
    let seen = match &error.kind {
        ErrorKind::Cancelled => "no answer in time".to_string(),
        _ => error.to_string(),
    };
    let part = part(State::Failure, &seen);
    match &error.kind {
        ErrorKind::Unauthorized(_) => part.command(format!("{login} {host}")),
        ErrorKind::Denied(_) => part.text("ask whoever owns the repository for the right to push, or log in as somebody who has it"),
        ErrorKind::Status(405, _) => part.text("the registry is read-only, or a mirror: push to another, with `image` in crossfile.toml"),
        ErrorKind::Status(404, _) => part.text("make the repository there first, or name another with `image` in crossfile.toml"),
        ErrorKind::Status(429, _) => part.text("it lets nobody in for a while: wait, or log in"),
        ErrorKind::Cancelled | ErrorKind::Broken(_) => part.text("ask again; is there a proxy (HTTPS_PROXY) between, or a firewall?"),
        _ => part.text("whoever runs the registry knows what that means; another is named with `image` in crossfile.toml"),
    }
}
