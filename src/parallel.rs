//! Waiting for several answers at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// How many threads wait at most, those of nested calls together. A client has a bound of its own for what is under way.
const MOST: usize = 128;

/// How many there are.
static THREADS: AtomicUsize = AtomicUsize::new(0);

/// One of the threads, as long as it runs.
struct Place;

impl Place {
    fn take() -> Option<Place> {
        let more = |count: usize| (count < MOST).then_some(count + 1);
        let taken = THREADS.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        taken.is_ok().then_some(Place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        THREADS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Does something with each item, side by side, and gives the results in the order of the items.
///
/// Threads of their own, since rayon's are as many as there are processors, and these only wait.
pub fn side_by_side<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    if let [item] = items {
        return vec![work(item)];
    }
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<(usize, R)>> = Mutex::new(Vec::with_capacity(items.len()));
    thread::scope(|scope| {
        let next_ones = || {
            while let Some((at, item)) = {
                let at = next.fetch_add(1, Ordering::Relaxed);
                items.get(at).map(|item| (at, item))
            } {
                let result = work(item);
                let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                results.push((at, result));
            }
        };
        for _ in 1..items.len() {
            let Some(place) = Place::take() else { break };
            let work = move || {
                let _place = place;
                next_ones();
            };
            // A thread that the system does not give is one less.
            if thread::Builder::new().spawn_scoped(scope, work).is_err() {
                break;
            }
        }
        next_ones();
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_the_order_of_their_items() {
        let items: Vec<usize> = (0..100).collect();
        let doubled = side_by_side(&items, |item| item * 2);
        assert_eq!(
            doubled,
            items.iter().map(|item| item * 2).collect::<Vec<_>>()
        );
        assert!(side_by_side(&[] as &[u8], |byte| *byte).is_empty());
    }
}
