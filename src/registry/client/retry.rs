//! What is tried again, when, and how often.

use std::time::{Duration, SystemTime};

use super::super::ErrorKind;
use super::super::transport::Response;
use super::Inner;

/// The most that a registry may make us wait.
const LONGEST: Duration = Duration::from_secs(60);

/// An attempt that failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) kind: ErrorKind,
    pub(super) again: Again,
}

/// Whether a further attempt may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// It would end the same way.
    No,
    /// A cache on the way may be wrong. Twice it is not the cache.
    Once,
    /// Later; when, the registry may have said.
    Later(Option<Duration>),
}

impl Failure {
    pub(super) fn last(kind: ErrorKind) -> Failure {
        Failure {
            kind,
            again: Again::No,
        }
    }

    pub(super) fn once(kind: ErrorKind) -> Failure {
        Failure {
            kind,
            again: Again::Once,
        }
    }

    pub(super) fn broken(what: impl Into<String>) -> Failure {
        Failure {
            kind: ErrorKind::Broken(what.into()),
            again: Again::Later(None),
        }
    }
}

/// Whether an answer of this status may be another one later.
pub(in crate::registry) fn passes(status: u16) -> bool {
    matches!(status, 408 | 429 | 500 | 502 | 503 | 504)
}

/// How long a registry wants us to wait: in seconds, or until a date, which is compared with the answer's own, whose clock is
/// the same.
///
/// Source: RFC 9110, section 10.2.3.
pub(in crate::registry) fn retry_after(response: &Response) -> Option<Duration> {
    let said = response.header("retry-after")?.trim();
    if let Ok(seconds) = said.parse::<u64>() {
        return Some(Duration::from_secs(seconds).min(LONGEST));
    }
    let date = |text: &str| httpdate::parse_http_date(text).ok();
    let now: SystemTime = date(response.header("date")?)?;
    let wait = date(said)?.duration_since(now).unwrap_or_default();
    Some(wait.min(LONGEST))
}

/// How many attempts were made and what they were used for.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    failed: usize,
    once: bool,
}

impl Attempts {
    /// Lets time go by for a further attempt, or ends in the error.
    pub(super) fn after(&mut self, failure: Failure, inner: &Inner) -> Result<(), ErrorKind> {
        if inner.transport.is_cancelled() {
            return Err(ErrorKind::Cancelled);
        }
        let after = match failure.again {
            Again::No => return Err(failure.kind),
            Again::Once if self.once => return Err(failure.kind),
            Again::Once => {
                self.once = true;
                return Ok(());
            }
            Again::Later(after) => after,
        };
        let Some(most) = inner.options.retry_waits.get(self.failed) else {
            return Err(counted(failure.kind, self.failed + 1));
        };
        self.failed += 1;
        // Any part of the time, so that many who failed together do not come back together.
        let wait = after.unwrap_or_else(|| most.mul_f64(fastrand::f64()));
        inner.transport.pause(wait);
        match inner.transport.is_cancelled() {
            true => Err(ErrorKind::Cancelled),
            false => Ok(()),
        }
    }

    /// Counts from the beginning: there was progress.
    pub(super) fn reset(&mut self) {
        self.failed = 0;
    }
}

/// An error that says how often it was met.
fn counted(kind: ErrorKind, times: usize) -> ErrorKind {
    let with = |text: String| match times {
        1 => text,
        _ if text.is_empty() => format!("{times} times"),
        _ => format!("{text} ({times} times)"),
    };
    match kind {
        ErrorKind::Broken(text) => ErrorKind::Broken(with(text)),
        ErrorKind::Status(status, text) => ErrorKind::Status(status, with(text)),
        other => other,
    }
}

impl Inner {
    /// Tries until it is done, or of no more use.
    pub(super) fn attempts<T>(
        &self,
        mut attempt: impl FnMut() -> Result<T, Failure>,
    ) -> Result<T, ErrorKind> {
        let mut attempts = Attempts::default();
        loop {
            match attempt() {
                Ok(done) => return Ok(done),
                Err(failure) => attempts.after(failure, self)?,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(headers: &[(&str, &str)]) -> Option<u64> {
        let headers = headers.iter();
        let response = Response {
            status: 429,
            headers: headers
                .map(|(name, value)| ((*name).to_string(), (*value).to_string()))
                .collect(),
            body: Box::new(std::io::empty()),
        };
        retry_after(&response).map(|wait| wait.as_secs())
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_no_more_than_a_minute() {
        let (now, later) = (
            ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
            ("retry-after", "Sun, 06 Nov 1994 08:49:42 GMT"),
        );
        assert_eq!(after(&[("retry-after", "7")]), Some(7));
        assert_eq!(after(&[("retry-after", "86400")]), Some(60));
        assert_eq!(after(&[now, later]), Some(5));
        let past = ("retry-after", "Sun, 06 Nov 1994 08:49:30 GMT");
        assert_eq!(after(&[now, past]), Some(0));
        assert_eq!(after(&[later]), None);
        assert_eq!(after(&[("retry-after", "soon")]), None);
        assert_eq!(after(&[]), None);
    }
}
