//! The runs of one runner: their turns, and how to reach them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

use crate::cancellation::{Cancellation, StopReason};
use crate::error::{Code, Result, RunnerError};

/// What the runs of one runner share. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Control(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// None: as many runs as there are.
    turns: Option<Arc<Semaphore>>,
    runs: Mutex<Runs>,
}

#[derive(Debug, Default)]
struct Runs {
    next: u64,
    known: HashMap<u64, (String, Cancellation)>,
}

/// A run that can be cancelled, for as long as this is held.
#[derive(Debug)]
pub struct Registered {
    /// Where it is asked to stop.
    pub cancellation: Cancellation,
    control: Control,
    number: u64,
}

/// A place in the line for a turn. It is taken when the run is called for, not when its task first
/// runs: tasks begin in any order.
pub struct Place(Standing);

enum Standing {
    Free,
    Ready(OwnedSemaphorePermit),
    Waiting(Pin<Box<dyn Future<Output = Result<OwnedSemaphorePermit, AcquireError>> + Send>>),
}

impl std::fmt::Debug for Place {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Place")
    }
}

impl Place {
    /// Waits for the turn: first come, first served.
    ///
    /// # Errors
    /// The error of a run that is asked to stop meanwhile; it gives up its place.
    pub async fn turn(self, cancellation: &Cancellation) -> Result<Turn> {
        cancellation.check()?;
        match self.0 {
            Standing::Free => Ok(Turn(None)),
            Standing::Ready(permit) => Ok(Turn(Some(permit))),
            Standing::Waiting(permit) => {
                let wait = async {
                    permit.await.map_err(|cause| RunnerError::new(Code::Internal, cause.to_string()))
                };
                cancellation.or_stop(wait).await.map(|permit| Turn(Some(permit)))
            }
        }
    }
}

/// A run's turn: until it is dropped, another run may have to wait.
#[derive(Debug)]
pub struct Turn(#[expect(dead_code, reason = "held for its drop")] Option<OwnedSemaphorePermit>);

impl Control {
    /// With at most so many runs at the same time.
    pub fn new(max_concurrent_runs: Option<usize>) -> Self {
        let turns = max_concurrent_runs.map(|count| Arc::new(Semaphore::new(count)));
        Self(Arc::new(Shared { turns, runs: Mutex::default() }))
    }

    fn runs(&self) -> MutexGuard<'_, Runs> {
        self.0.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a run known, and gives it the last place in the line. Equal ids are allowed.
    pub fn register(&self, run_id: &str) -> (Registered, Place) {
        let cancellation = Cancellation::default();
        let mut runs = self.runs();
        let number = runs.next;
        runs.next += 1;
        runs.known.insert(number, (run_id.to_owned(), cancellation.clone()));
        (Registered { cancellation, control: self.clone(), number }, self.place())
    }

    /// Asks every run of this id to stop, and gives their number. Asking again with a shorter
    /// grace makes it harder.
    pub fn cancel(&self, run_id: &str, grace: Option<Duration>) -> usize {
        let asked: Vec<_> = {
            let runs = self.runs();
            let of_id = runs.known.values().filter(|(id, _)| id == run_id);
            of_id.map(|(_, cancellation)| cancellation.clone()).collect()
        };
        for cancellation in &asked {
            cancellation.request(StopReason::Cancelled, grace);
        }
        asked.len()
    }

    /// Goes to the end of the line.
    fn place(&self) -> Place {
        let Some(turns) = &self.0.turns else { return Place(Standing::Free) };
        let mut permit = Box::pin(turns.clone().acquire_owned());
        // asking once is what takes the place
        match permit.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(permit)) => Place(Standing::Ready(permit)),
            _ => Place(Standing::Waiting(permit)),
        }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.control.runs().known.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn turns_come_in_the_order_of_the_calls_and_who_gives_up_holds_nobody_up() {
        let control = Control::new(Some(1));
        let (run, place) = control.register("first");
        let first = place.turn(&run.cancellation).await.unwrap();
        drop(run);
        let order = Arc::new(Mutex::new(Vec::new()));
        let runs: Vec<_> = (0..4).map(|number| (number, control.register(&number.to_string()))).collect();
        assert_eq!(control.cancel("1", None), 1);
        assert_eq!(control.cancel("nobody", None), 0);
        let mut waiting = Vec::new();
        for (number, (run, place)) in runs.into_iter().rev() {
            let order = order.clone();
            waiting.push(tokio::spawn(async move {
                let turn = place.turn(&run.cancellation).await;
                order.lock().unwrap().push((number, turn.is_ok()));
                drop(turn);
            }));
            tokio::task::yield_now().await; // they begin in another order
        }
        while order.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        drop(first);
        for task in waiting {
            task.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), [(1, false), (0, true), (2, true), (3, true)]);
        assert_eq!(control.runs().known.len(), 0);
    }

    #[tokio::test]
    async fn runs_of_equal_ids_are_all_cancelled_and_those_that_ended_are_not() {
        let control = Control::new(None);
        let [(one, _), (two, _), (other, _)] = ["a", "a", "b"].map(|id| control.register(id));
        assert_eq!(control.clone().cancel("a", None), 2);
        assert!(one.cancellation.requested().is_some() && two.cancellation.requested().is_some());
        assert_eq!(other.cancellation.requested(), None);
        drop((one, two));
        assert_eq!(control.cancel("a", None), 0);
    }
}
