//! The tokens of one registry: each is fetched once, by whoever needs it first.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::super::ErrorKind;
use super::{Scopes, Secret};

/// A token and until when it is good.
#[derive(Clone, Debug)]
pub(in super::super) struct Token {
    pub(in super::super) value: Secret,
    /// Whether it was given to nobody in particular.
    pub(in super::super) is_anonymous: bool,
    until: Instant,
}

impl Token {
    /// A token asked for at `asked` that is good for so many seconds.
    pub(in super::super) fn new(value: String, asked: Instant, seconds: Option<u64>) -> Token {
        // 60 seconds is what a token is good for where nothing is said, and no less is to be said. A year is long enough.
        let seconds = seconds.unwrap_or(60).clamp(60, 365 * 24 * 3600);
        // It must not expire on its way.
        let until = asked + Duration::from_secs(seconds - 10);
        Token {
            value: Secret(value),
            is_anonymous: false,
            until,
        }
    }

    fn is_good(&self, now: Instant) -> bool {
        now < self.until
    }
}

/// The tokens that are known and those that are being fetched.
#[derive(Debug, Default)]
pub(in super::super) struct Tokens {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    known: Vec<(Scopes, Token)>,
    fetched: BTreeMap<Scopes, Arc<Flight>>,
}

/// A token that somebody fetches while others wait for it.
#[derive(Debug, Default)]
struct Flight {
    landed: Mutex<Option<Result<Token, ErrorKind>>>,
    done: Condvar,
}

/// Nothing panics while it holds one of these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Flight {
    fn land(&self, result: Result<Token, ErrorKind>) {
        let mut landed = lock(&self.landed);
        if landed.is_none() {
            *landed = Some(result);
        }
        self.done.notify_all();
    }

    fn wait(&self) -> Result<Token, ErrorKind> {
        let mut landed = lock(&self.landed);
        loop {
            if let Some(result) = &*landed {
                return result.clone();
            }
            landed = self
                .done
                .wait(landed)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Wakes those who wait, whatever becomes of the thread that fetches.
struct Landing<'a> {
    tokens: &'a Tokens,
    scopes: &'a Scopes,
    flight: Arc<Flight>,
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        lock(&self.tokens.inner).fetched.remove(self.scopes);
        self.flight
            .land(Err(ErrorKind::Broken("no token came".to_string())));
    }
}

impl Tokens {
    /// Forgets a token that is of no use any more.
    pub(in super::super) fn forget(&self, refused: &Secret) {
        let mut inner = lock(&self.inner);
        inner.known.retain(|(_, token)| token.value != *refused);
    }

    /// A token for these scopes or more, and whether it is new. `fetch` is called unless there is one; who asks for the same
    /// scopes meanwhile waits for its result.
    pub(in super::super) fn get(
        &self,
        scopes: &Scopes,
        fetch: impl FnOnce() -> Result<Token, ErrorKind>,
    ) -> Result<(Token, bool), ErrorKind> {
        let flight = {
            let mut inner = lock(&self.inner);
            let now = Instant::now();
            let known = &mut inner.known;
            known.retain(|(_, token)| token.is_good(now));
            if let Some((_, token)) = known.iter().find(|(known, _)| known.cover(scopes)) {
                return Ok((token.clone(), false));
            }
            match inner.fetched.get(scopes) {
                Some(flight) => Err(flight.clone()),
                None => {
                    let flight = Arc::new(Flight::default());
                    inner.fetched.insert(scopes.clone(), flight.clone());
                    Ok(flight)
                }
            }
        };
        let flight = match flight {
            Ok(flight) => flight,
            Err(flight) => return flight.wait().map(|token| (token, true)),
        };
        let landing = Landing {
            tokens: self,
            scopes,
            flight,
        };
        let result = fetch();
        if let Ok(token) = &result {
            let mut inner = lock(&self.inner);
            inner.known.push((scopes.clone(), token.clone()));
        }
        landing.flight.land(result.clone());
        drop(landing);
        result.map(|token| (token, true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    fn token(value: &str, seconds: u64) -> Token {
        Token::new(value.to_string(), Instant::now(), Some(seconds))
    }

    #[test]
    fn one_fetches_and_others_wait() {
        let (tokens, fetched) = (Tokens::default(), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let fetch = || {
                        thread::sleep(Duration::from_millis(50));
                        fetched.fetch_add(1, Ordering::SeqCst);
                        Ok(token("one", 60))
                    };
                    let (got, _) = tokens.get(&Scopes::pull("a"), fetch).unwrap();
                    assert_eq!(got.value.0, "one");
                });
            }
        });
        assert_eq!(fetched.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_token_serves_what_it_covers_until_it_is_refused_or_old() {
        let tokens = Tokens::default();
        let get = |scopes: &Scopes, value: &str| {
            let (got, new) = tokens.get(scopes, || Ok(token(value, 60))).unwrap();
            (got.value, new)
        };
        let (first, new) = get(&Scopes::push("a"), "first");
        assert!(new);
        assert_eq!(get(&Scopes::pull("a"), "no"), (first.clone(), false));
        assert!(get(&Scopes::pull("b"), "other").1);
        tokens.forget(&first);
        let (second, new) = get(&Scopes::pull("a"), "second");
        assert_eq!((second.0.as_str(), new), ("second", true));

        let now = Instant::now();
        let token = Token::new("x".to_string(), now, Some(300));
        assert!(token.is_good(now + Duration::from_secs(289)));
        assert!(!token.is_good(now + Duration::from_secs(291)));
        // Less than a minute is not believed, as docker does not.
        assert!(Token::new(String::new(), now, Some(0)).is_good(now + Duration::from_secs(49)));
        Token::new(String::new(), now, Some(u64::MAX));
    }

    #[test]
    fn a_failure_is_shared_and_not_kept() {
        let tokens = Tokens::default();
        let scopes = Scopes::pull("a");
        let failed = tokens.get(&scopes, || Err(ErrorKind::Cancelled));
        assert!(failed.is_err());
        assert!(tokens.get(&scopes, || Ok(token("x", 60))).is_ok());
    }
}
