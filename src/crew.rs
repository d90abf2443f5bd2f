//! Threads that help looking at the mails of a batch, deciding them and making their commits ready, made once for all
//! mailboxes: a thread that begins has its memory to gather anew and its caches to fill.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, LazyLock, Mutex, PoisonError};

type Job = Box<dyn FnOnce() + Send>;

static CREW: LazyLock<Crew> = LazyLock::new(Crew::new);

struct Crew {
    jobs: Mutex<Sender<Job>>,
    count: usize,
}

impl Crew {
    fn new() -> Crew {
        let (jobs, waiting) = channel::<Job>();
        let waiting = Arc::new(Mutex::new(waiting));
        let wanted = std::thread::available_parallelism().map_or(2, usize::from).saturating_sub(1);
        let serve = |waiting: Arc<Mutex<Receiver<Job>>>| {
            move || {
                loop {
                    let job = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok(job) = job else { return };
                    // What died is missing in its round, which says so.
                    let _ = catch_unwind(AssertUnwindSafe(job));
                }
            }
        };
        let begun = (0..wanted)
            .filter(|_| std::thread::Builder::new().name("crew".into()).spawn(serve(Arc::clone(&waiting))).is_ok());
        Crew { count: begun.count(), jobs: Mutex::new(jobs) }
    }
}

/// Work that is shared: whoever is free takes the next piece.
struct Round<T, R, F> {
    pieces: Vec<Mutex<Option<T>>>,
    results: Vec<Mutex<Option<R>>>,
    next: AtomicUsize,
    done: Mutex<usize>,
    all_done: Condvar,
    work: F,
}

impl<T, R, F: Fn(T) -> R> Round<T, R, F> {
    fn help(&self) {
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            let (Some(piece), Some(result)) = (self.pieces.get(index), self.results.get(index)) else { return };
            let piece = piece.lock().unwrap_or_else(PoisonError::into_inner).take();
            let _counted = Counted { done: &self.done, all_done: &self.all_done };
            if let Some(piece) = piece {
                let made = (self.work)(piece);
                *result.lock().unwrap_or_else(PoisonError::into_inner) = Some(made);
            }
        }
    }
}

/// Counts a piece as done, also when its work died.
struct Counted<'a> {
    done: &'a Mutex<usize>,
    all_done: &'a Condvar,
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        *self.done.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.all_done.notify_all();
    }
}

/// The results in the order of the pieces; none where the work died. This thread works, too, so that it goes on while
/// the others are busy with another round.
pub(crate) fn each<T, R, F>(pieces: Vec<T>, work: F) -> Vec<Option<R>>
where
    T: Send + 'static,
    R: Send + 'static,
    F: Fn(T) -> R + Send + Sync + 'static,
{
    let count = pieces.len();
    let round = Arc::new(Round {
        pieces: pieces.into_iter().map(|piece| Mutex::new(Some(piece))).collect(),
        results: (0..count).map(|_| Mutex::new(None)).collect(),
        next: AtomicUsize::new(0),
        done: Mutex::new(0),
        all_done: Condvar::new(),
        work,
    });
    for _ in 1..(CREW.count + 1).min(count) {
        let round = Arc::clone(&round);
        // Without help this thread does all of it.
        let _ = CREW.jobs.lock().unwrap_or_else(PoisonError::into_inner).send(Box::new(move || round.help()));
    }
    while catch_unwind(AssertUnwindSafe(|| round.help())).is_err() {}
    let mut done = round.done.lock().unwrap_or_else(PoisonError::into_inner);
    while *done < count {
        done = round.all_done.wait(done).unwrap_or_else(PoisonError::into_inner);
    }
    drop(done);
    round.results.iter().map(|result| result.lock().unwrap_or_else(PoisonError::into_inner).take()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A mail whose look dies must not take the others with it, nor stop the mailbox for ever.
    #[test]
    fn what_dies_is_missing_alone() {
        for _ in 0..20 {
            let results = each((0..50).collect(), |number: u32| {
                assert!(number % 10 != 3, "dies");
                number * 2
            });
            let wanted: Vec<Option<u32>> = (0..50).map(|number| (number % 10 != 3).then_some(number * 2)).collect();
            assert_eq!(results, wanted);
        }
        assert_eq!(each(Vec::<u32>::new(), |number| number), []);
    }
}
