//! Whoever watches a run: what it is told, in words that everybody who tells it knows.

mod phase;
mod steps;
mod stream;

pub use phase::Phase;
pub use steps::Step;
pub use stream::{Batch, BatchKind, Sink, StreamKind, Whole};

use crate::protocol::Sample;

/// Whoever watches a run.
pub trait Observer: Send + Sync {
    /// Takes batches. The stream waits until the future is done: that is the back-pressure.
    fn output(&self, stream: StreamKind, batches: Vec<Batch>) -> impl Future<Output = ()> + Send {
        let _ = (stream, batches);
        async {}
    }
    /// Whether [`Observer::messages`] is to be called; where not, nothing is split for it.
    fn wants_messages(&self) -> bool {
        false
    }
    /// Takes messages, each text a JSON array of them, wherever the stream itself goes. The
    /// stream waits for this as well.
    fn messages(&self, arrays: Vec<String>) -> impl Future<Output = ()> + Send {
        let _ = arrays;
        async {}
    }
    /// Takes what only a library's caller may have whole: credentials that it has to save. Each text
    /// comes first as everybody else may have it.
    fn whole(&self, whole: Whole) -> impl Future<Output = ()> + Send {
        let _ = whole;
        async {}
    }
    /// What the run's processes use, where the options ask for it.
    fn usage(&self, sample: Sample) -> impl Future<Output = ()> + Send {
        let _ = sample;
        async {}
    }
    /// The process has started, and leads a session and process group of its own.
    fn started(&self, pid: u32) -> impl Future<Output = ()> + Send {
        let _ = pid;
        async {}
    }
    /// Sees all output of a stream that is read here, wherever it goes; must not block.
    fn passes(&self, stream: StreamKind, batches: &[Batch]) {
        let _ = (stream, batches);
    }
    /// Sees every sample of what the processes use; must not block.
    fn sampled(&self, sample: Sample) {
        let _ = sample;
    }
    /// A step begins that takes time before the connector can start; also each second of waiting.
    fn step(&self, step: Step) -> impl Future<Output = ()> + Send {
        let _ = step;
        async {}
    }
    /// A phase of the run begins.
    fn phase(&self, phase: Phase) -> impl Future<Output = ()> + Send {
        let _ = phase;
        async {}
    }
}

/// Nobody.
impl Observer for () {}
