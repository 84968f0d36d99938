//! The page's charts: what they are made of.

use std::fmt::Write as _;
use std::time::Duration;

use super::chart::{Chart, Shape, nice, nice_count};
use super::html::Html;
use super::page::{Page, section};
use super::text;
use crate::numbers;
use crate::observer::Phase;
use crate::process::Sample;

/// Shortest time, in milliseconds, over which the use of the CPU is averaged: the system counts it
/// in hundredths of a second.
const CPU_WINDOW_MS: u64 = 200;

impl Page<'_> {
    /// Seconds from the connector's start to its end.
    fn worked(&self) -> f64 {
        let Some(started) = self.recording.started else { return 0.0 };
        let ended = self.recording.phases.iter().find(|(phase, _)| *phase == Phase::Cleanup);
        ended.map_or(self.recording.elapsed, |(_, at)| *at).saturating_sub(started).as_secs_f64()
    }

    /// Seconds since the connector's start.
    fn since_start(&self, at: Duration) -> f64 {
        at.saturating_sub(self.recording.started.unwrap_or_default()).as_secs_f64()
    }

    /// What the processes used.
    pub(super) fn resources(&self, html: &mut Html) {
        section(html, "Memory and CPU");
        let samples = self.recording.samples.points();
        if samples.is_empty() {
            let why = if self.recording.started.is_none() {
                "No process was started.\n"
            } else {
                "The connector ended before anything was measured.\n"
            };
            html.raw("<p>").raw(why).raw("</p></section>\n");
            return;
        }
        let until = self.worked().max(samples.last().map_or(0.0, seconds_of));
        self.memory(html, samples, until);
        Self::cpu(html, samples, until);
        html.raw("</section>\n");
    }

    #[expect(clippy::cast_precision_loss, reason = "for people")]
    fn memory(&self, html: &mut Html, samples: &[Sample], until: f64) {
        let points: Vec<_> =
            samples.iter().map(|sample| (seconds_of(sample), sample.rss_bytes as f64)).collect();
        let (at, most) = peak(&points);
        let processes = samples.iter().map(|sample| sample.processes).max().unwrap_or(1);
        let limit = self.facts.limits.memory_mb.map(|megabytes| megabytes as f64 * 1_048_576.0);
        let mut summary = format!("Largest after {}: {}", duration(at), text::bytes(most));
        if processes > 1 {
            let _ = write!(summary, ", in up to {processes} processes"); // a String takes everything
        }
        summary.push('.');
        let top = limit.map_or(most, |limit| if limit < most * 4.0 { limit.max(most) } else { most });
        Chart {
            id: "memory",
            class: "memory",
            title: "Resident memory of all processes",
            summary,
            shape: Shape::Area,
            points,
            until,
            bottom: 0.0,
            top: nice(top / 1_048_576.0) * 1_048_576.0,
            limit: limit
                .filter(|limit| *limit <= top)
                .map(|limit| (limit, format!("limit: {} (memoryLimitMb)", text::bytes(limit)))),
            marks: &[],
            label: text::bytes,
        }
        .write(html);
    }

    fn cpu(html: &mut Html, samples: &[Sample], until: f64) {
        let points = cpu_shares(samples);
        if points.is_empty() {
            return;
        }
        let (at, most) = peak(&points);
        let used = samples.last().map_or(0, |sample| sample.cpu_ms);
        let at = if at > 0.0 { format!("after {}", duration(at)) } else { "at the start".to_owned() };
        let summary = format!(
            "Most {at}: {most:.0} % of one core. In all {} of CPU time until the last measurement.",
            text::duration(Duration::from_millis(used))
        );
        Chart {
            id: "cpu",
            class: "cpu",
            title: "CPU, in percent of one core",
            summary,
            shape: Shape::Area,
            points,
            until,
            bottom: 0.0,
            top: nice(most.max(100.0)),
            limit: None,
            marks: &[],
            label: |value| format!("{value:.0} %"),
        }
        .write(html);
    }

    /// What the connector loaded.
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    pub(super) fn progress(&self, html: &mut Html) {
        let Self { recording, facts, .. } = self;
        section(html, "Rows and dates");
        let until = self.worked();
        let by_time = |points: &[(Duration, u64)]| -> Vec<(f64, f64)> {
            let points = points.iter().map(|(at, number)| (self.since_start(*at), *number as f64));
            std::iter::once((0.0, 0.0)).chain(points).collect()
        };
        let until = [recording.rows.points().last(), recording.output.points().last()]
            .into_iter()
            .flatten()
            .map(|(at, _)| self.since_start(*at))
            .fold(until, f64::max);
        let counted = |html: &mut Html, id, title, what, points: &[(Duration, u64)]| {
            let all = points.last().map_or(0, |point| point.1);
            Chart {
                id,
                class: "rows",
                title,
                summary: format!("{} in the end.", numbers::counted(all, what)),
                shape: Shape::Steps,
                points: by_time(points),
                until,
                bottom: 0.0,
                top: nice_count(all as f64),
                limit: None,
                marks: &[],
                label: text::short,
            }
            .write(html);
        };
        let rows = recording.rows.points();
        if !rows.is_empty() {
            counted(html, "rows", "Rows, as the connector counts them", "row", rows);
        }
        self.dates(html, until);
        if rows.is_empty() && recording.dates.points().is_empty() {
            html.raw("<p>The connector reported neither rows nor dates.</p>\n");
            let output = recording.output.points();
            if !facts.is_read {
                html.raw("<p>Its stdout went straight to a descriptor of the host\u{2019}s, where it is not seen.</p>\n");
            } else if output.len() > 1 {
                counted(html, "lines", "Lines printed", "line", output);
            }
        }
        html.raw("</section>\n");
    }

    fn dates(&self, html: &mut Html, until: f64) {
        let dates = self.recording.dates.points();
        let (Some(first), Some(last)) = (dates.first(), dates.last()) else { return };
        let last_day = text::date(last.1);
        if dates.len() == 1 {
            html.raw("<p>Loaded up to ").text(&last_day).raw(", reported ");
            html.text(&text::duration(Duration::from_secs_f64(self.since_start(last.0))));
            html.raw(" after the connector\u{2019}s start.</p>\n");
            return;
        }
        let (low, high) =
            dates.iter().fold((first.1, first.1), |(low, high), (_, day)| (low.min(*day), high.max(*day)));
        Chart {
            id: "dates",
            class: "memory",
            title: "Dates that were loaded",
            summary: format!("From {} to {}; at last {last_day}.", text::date(low), text::date(high)),
            shape: Shape::Dots,
            points: dates.iter().map(|(at, day)| (self.since_start(*at), *day)).collect(),
            until,
            bottom: low,
            top: if high - low < 4.0 { low + 4.0 } else { high },
            limit: None,
            marks: &[],
            label: text::date,
        }
        .write(html);
    }
}

fn duration(seconds: f64) -> String {
    text::duration(Duration::from_secs_f64(seconds.clamp(0.0, 1e9)))
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn seconds_of(sample: &Sample) -> f64 {
    sample.at_ms as f64 / 1000.0
}

/// The highest point.
fn peak(points: &[(f64, f64)]) -> (f64, f64) {
    points.iter().copied().fold((0.0, 0.0), |most, point| if point.1 > most.1 { point } else { most })
}

/// Percent of one core, by time.
#[expect(clippy::cast_precision_loss, reason = "for people")]
fn cpu_shares(samples: &[Sample]) -> Vec<(f64, f64)> {
    let mut points: Vec<(f64, f64)> = Vec::new();
    let mut before = Sample::default();
    for (index, sample) in samples.iter().enumerate() {
        let passed = sample.at_ms.saturating_sub(before.at_ms);
        let is_last = index + 1 == samples.len();
        if passed < CPU_WINDOW_MS && !(is_last && points.is_empty() && passed > 0) {
            continue;
        }
        let share = sample.cpu_ms.saturating_sub(before.cpu_ms) as f64 / passed as f64 * 100.0;
        if points.is_empty() {
            points.push((0.0, share)); // from the start, not from the first measurement
        }
        points.push((seconds_of(sample), share));
        before = *sample;
    }
    points
}
