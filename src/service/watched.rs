//! Everybody who watches a run.

use crate::observer::{Batch, Observer, Phase, Step, StreamKind, Whole};
use crate::process::Sample;
use crate::report::Recorder;
use crate::run::Course;
use crate::state::StateRun;

/// An observer whose run is also remembered, where somebody wants that.
#[derive(Debug)]
pub(super) struct Watched<'a, O> {
    /// Whoever watches.
    pub observer: &'a O,
    /// Whoever remembers it for the page.
    pub recorder: Option<Recorder>,
    /// When its phases began.
    pub course: Option<&'a Course>,
    /// The state of the run, whose checkpoint is kept as it goes on.
    pub state: Option<&'a StateRun>,
}

impl<O: Observer> Observer for Watched<'_, O> {
    async fn output(&self, stream: StreamKind, batches: Vec<Batch>) {
        self.observer.output(stream, batches).await;
    }

    fn wants_messages(&self) -> bool {
        self.observer.wants_messages()
    }

    async fn messages(&self, arrays: Vec<String>) {
        self.observer.messages(arrays).await;
    }

    async fn whole(&self, whole: Whole) {
        self.observer.whole(whole).await;
    }

    async fn started(&self, pid: u32) {
        self.observer.started(pid).await;
    }

    fn passes(&self, stream: StreamKind, batches: &[Batch]) {
        if let Some(recorder) = &self.recorder {
            recorder.lines(stream, batches);
        }
        if let Some(state) = self.state {
            state.passes(stream, batches);
        }
        self.observer.passes(stream, batches);
    }

    fn sampled(&self, sample: Sample) {
        if let Some(recorder) = &self.recorder {
            recorder.sample(sample);
        }
        self.observer.sampled(sample);
    }

    async fn usage(&self, sample: Sample) {
        self.observer.usage(sample).await;
    }

    async fn phase(&self, phase: Phase) {
        if let Some(recorder) = &self.recorder {
            recorder.phase(phase);
        }
        if let Some(course) = self.course {
            course.begins(phase);
        }
        self.observer.phase(phase).await;
    }

    async fn step(&self, step: Step) {
        if let Some(recorder) = &self.recorder {
            recorder.step(&step);
        }
        self.observer.step(step).await;
    }
}
