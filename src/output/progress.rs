//! What the streams of one run and its supervision must know of each other.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::life::{Sign, Wait};

/// How far a run is, shared by its streams.
#[derive(Debug)]
pub struct Progress {
    ended: watch::Sender<bool>,
    abandoned: watch::Sender<bool>,
    activity: Mutex<Activity>,
    is_watched: bool,
}

#[derive(Debug)]
struct Activity {
    /// When the connector last showed that it goes on.
    last: Instant,
    /// Until when it has announced to wait.
    waits_until: Option<Instant>,
    /// Streams that wait for whoever takes the output: as long as one does, the connector is not
    /// silent but held up.
    delivering: usize,
    /// Since when one of them does.
    held_since: Instant,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            ended: watch::Sender::new(false),
            abandoned: watch::Sender::new(false),
            activity: Mutex::new(Activity {
                last: Instant::now(),
                waits_until: None,
                delivering: 0,
                held_since: Instant::now(),
            }),
            is_watched: false,
        }
    }
}

/// Longest time between two looks at a silent connector: of a time in which nobody could look, no
/// more than this counts.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How long output must be on its way before it holds the connector up: that of a heartbeat takes
/// less.
const LEAST_HELD: Duration = Duration::from_millis(250);

/// How many looks there are in a short limit.
const LOOKS: u32 = 8;

/// How long a connector has been silent, as far as somebody was there to listen. A machine that was
/// paused has kept the watch from looking, and the connector from printing.
#[derive(Debug)]
struct Silence {
    looked: Instant,
    counted: Duration,
}

impl Silence {
    /// Looks at `now`, after a pause that was to take `step`, for what has happened `since`.
    fn look(&mut self, now: Instant, step: Duration, since: Instant) {
        if since > self.looked {
            self.counted = Duration::ZERO;
        }
        let silent = now.saturating_duration_since(since.max(self.looked));
        self.counted += silent.min(step);
        self.looked = now;
    }
}

impl Progress {
    /// One whose streams are searched for signs of life, if `is_watched`.
    pub fn watched(is_watched: bool) -> Self {
        Self { is_watched, ..Self::default() }
    }

    /// Whether somebody waits for silence.
    pub(super) fn is_watched(&self) -> bool {
        self.is_watched
    }

    fn activity(&self) -> std::sync::MutexGuard<'_, Activity> {
        self.activity.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The process and its tree are gone: pipes need not be waited for any longer than they take
    /// to empty.
    pub fn end(&self) {
        self.ended.send_replace(true);
    }

    /// Waits for [`Progress::end`].
    pub async fn ended(&self) {
        // `self` holds the sender, so that this never fails
        let _ = self.ended.subscribe().wait_for(|ended| *ended).await;
    }

    /// Whoever takes the output is not waited for any more.
    pub fn abandon(&self) {
        self.abandoned.send_replace(true);
    }

    /// Whether output was given up.
    pub fn is_abandoned(&self) -> bool {
        *self.abandoned.borrow()
    }

    /// Something was read that shows this.
    pub(super) fn shows(&self, sign: Sign) {
        let now = Instant::now();
        let mut activity = self.activity();
        if sign.is_alive {
            activity.last = now;
        }
        match sign.wait {
            Some(Wait::For(time)) => {
                let until = now + time;
                activity.waits_until = Some(activity.waits_until.map_or(until, |before| before.max(until)));
            }
            Some(Wait::Over) => activity.waits_until = None,
            None => {}
        }
    }

    /// Hands output over, unless that was given up.
    pub(super) async fn deliver(&self, delivery: impl Future<Output = ()>) {
        let _delivering = Delivering::begin(self);
        let mut abandoned = self.abandoned.subscribe();
        tokio::select! {
            biased;
            _ = abandoned.wait_for(|abandoned| *abandoned) => {}
            () = delivery => {}
        }
    }

    /// Waits until the connector has been silent for so long.
    pub async fn silent_for(&self, limit: Duration) {
        let mut silence = Silence { looked: Instant::now(), counted: Duration::ZERO };
        while silence.counted < limit {
            let step = (limit / LOOKS).min(LOOK_EVERY).min(limit.saturating_sub(silence.counted));
            tokio::time::sleep(step).await;
            let now = Instant::now();
            silence.look(now, step, self.last_sign(now, LEAST_HELD.min(limit / 2)));
        }
    }

    /// When there was the last sign of life; now, where the connector waits, or is held up for
    /// `least_held`.
    fn last_sign(&self, now: Instant, least_held: Duration) -> Instant {
        let activity = self.activity();
        if activity.delivering > 0 && now.saturating_duration_since(activity.held_since) >= least_held {
            return now;
        }
        activity.waits_until.map_or(activity.last, |until| activity.last.max(until.min(now)))
    }
}

/// Held while output is on its way.
struct Delivering<'a>(&'a Progress);

impl<'a> Delivering<'a> {
    fn begin(progress: &'a Progress) -> Self {
        let mut activity = progress.activity();
        if activity.delivering == 0 {
            activity.held_since = Instant::now();
        }
        activity.delivering += 1;
        drop(activity);
        Self(progress)
    }
}

impl Drop for Delivering<'_> {
    fn drop(&mut self) {
        self.0.activity().delivering -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connector_that_is_held_up_is_not_silent() {
        let progress = Progress::default();
        let limit = Duration::from_millis(1);
        let (release, held) = tokio::sync::oneshot::channel::<()>();
        let silence = async {
            progress.silent_for(limit).await;
            release.is_closed()
        };
        // ends only when the delivery is over, which ends when it is let go
        let delivery = progress.deliver(async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            drop(held);
        });
        let (let_go, ()) = tokio::join!(silence, delivery);
        assert!(let_go, "silence was noticed while output was on its way");
    }

    #[test]
    fn time_in_which_nobody_could_look_does_not_count() {
        let begun = Instant::now();
        let at = |ms: u64| begun + Duration::from_millis(ms);
        let step = Duration::from_millis(500);
        let mut silence = Silence { looked: begun, counted: Duration::ZERO };
        let mut look = |now: u64, since: u64| {
            silence.look(at(now), step, at(since));
            silence.counted.as_millis()
        };
        assert_eq!(look(500, 0), 500);
        assert_eq!(look(900, 0), 900);
        // paused for an hour
        assert_eq!(look(3_600_900, 0), 1400);
        assert_eq!(look(3_601_400, 0), 1900);
        assert_eq!(look(3_601_900, 3_601_800), 100);
        // an announced wait that goes on: its sign of life is now
        assert_eq!(look(3_602_400, 3_602_400), 0);
    }

    #[tokio::test]
    async fn an_announced_wait_is_not_silence_until_it_is_over() {
        let progress = Progress::watched(true);
        let long = Duration::from_secs(3600);
        let limit = Duration::from_millis(1);
        progress.shows(Sign { is_alive: false, wait: Some(Wait::For(long)) });
        progress.shows(Sign { is_alive: true, wait: Some(Wait::For(limit)) });
        let now = Instant::now();
        assert_eq!(progress.last_sign(now, limit), now);
        let over = async {
            progress.shows(Sign { is_alive: true, wait: Some(Wait::Over) });
        };
        tokio::join!(progress.silent_for(limit), over);
        progress.shows(Sign { is_alive: false, wait: Some(Wait::For(limit)) });
        progress.silent_for(limit).await;
    }

    #[tokio::test]
    async fn output_that_was_given_up_is_not_waited_for() {
        let progress = Progress::default();
        tokio::join!(progress.deliver(std::future::pending()), async { progress.abandon() });
        progress.deliver(std::future::pending()).await;
        assert!(progress.is_abandoned());
    }
}
