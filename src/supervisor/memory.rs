//! What a tree of processes uses: resident memory by sampling, CPU time when it has ended, and
//! whether the kernel ran out of memory meanwhile.

use std::fs;
use std::time::{Duration, Instant};

use super::cgroup::Group;
use super::processes::resident_bytes;
use super::tree::Tree;
use crate::protocol::{Sample, Usage};

/// Between two samples where there is a limit: at 100 ms a connector that fills memory as fast as
/// it can got half as much again as it might have.
const SAMPLE_FOR_LIMIT: Duration = Duration::from_millis(20);

/// Between two samples that only look for the peak.
const SAMPLE_FOR_PEAK: Duration = Duration::from_millis(200);

/// Longest time between two samples of which the host is told, unless it asked for a longer one.
const TOLD_AFTER: Duration = Duration::from_secs(1);

/// Up to that it is this part of the run's age, so that short runs show something and long ones
/// cost nothing.
const TOLD_PER_AGE: u32 = 200;

/// Samples the memory of one tree.
#[derive(Debug)]
pub struct Meter {
    limit: Option<u64>,
    group: Option<Group>,
    next: Instant,
    telling: Option<Telling>,
    kills_before: Option<u64>,
    peak: u64,
    peak_processes: u32,
}

impl Meter {
    /// A meter for a tree that has just been started. With `tell_every`, [`Meter::due`] gives
    /// samples.
    pub fn new(limit: Option<u64>, group: Option<Group>, tell_every: Option<Duration>) -> Self {
        let now = Instant::now();
        let telling =
            tell_every.map(|every| Telling { every, begun: now, due: now, sample: Sample::default() });
        Self {
            limit,
            group,
            next: now + SAMPLE_FOR_LIMIT,
            telling,
            kills_before: kills_for_memory(),
            peak: 0,
            peak_processes: 0,
        }
    }

    /// Whether the kernel has ended the tree for its limit.
    pub fn has_killed(&self) -> bool {
        self.group.as_ref().is_some_and(Group::has_killed)
    }

    /// When the next sample is due.
    pub fn next(&self) -> Instant {
        self.telling.as_ref().map_or(self.next, |telling| self.next.min(telling.due))
    }

    /// Takes a sample if one is due. Gives whether the tree has more than it may have.
    pub fn sample(&mut self, tree: &Tree) -> bool {
        let now = Instant::now();
        if now < self.next() {
            return false;
        }
        self.next = now + if self.limit.is_some() { SAMPLE_FOR_LIMIT } else { SAMPLE_FOR_PEAK };
        let total = self.look(tree);
        self.limit.is_some_and(|limit| total > limit)
    }

    /// What the tree has now, in bytes.
    pub fn look(&mut self, tree: &Tree) -> u64 {
        let members = tree.members();
        let sizes: Vec<u64> = members.iter().copied().filter_map(resident_bytes).collect();
        let total: u64 = sizes.iter().sum();
        let processes = u32::try_from(sizes.len()).unwrap_or(u32::MAX);
        if total > self.peak {
            self.peak = total;
            self.peak_processes = processes;
        }
        if let Some(Telling { sample, .. }) = &mut self.telling {
            sample.rss_bytes = sample.rss_bytes.max(total);
            sample.processes = processes;
            // what a process had used is missing between its end and its parent's knowing of it
            sample.cpu_ms = sample.cpu_ms.max(tree.cpu_ms(&members));
        }
        total
    }

    /// What to tell the host, if it is time.
    pub fn due(&mut self) -> Option<Sample> {
        let telling = self.telling.as_mut()?;
        let now = Instant::now();
        // what has ended and waits for its parent has no memory any more
        if now < telling.due || telling.sample.rss_bytes == 0 {
            return None;
        }
        let age = now - telling.begun;
        telling.due = now + (age / TOLD_PER_AGE).min(TOLD_AFTER).max(telling.every);
        let at_ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        let told = Sample { at_ms, ..telling.sample };
        telling.sample = Sample { cpu_ms: told.cpu_ms, ..Sample::default() };
        Some(told)
    }

    /// What all was used, when the tree is gone.
    pub fn finish(self, left: u32) -> Usage {
        let of_group = self.group.as_ref().and_then(Group::peak).unwrap_or(0);
        let (cpu_ms, largest) = children_usage();
        let out_of_memory = matches!(
            (self.kills_before, kills_for_memory()),
            (Some(before), Some(after)) if after > before
        );
        Usage {
            cpu_ms,
            peak_rss_bytes: self.peak.max(largest).max(of_group),
            peak_processes: self.peak_processes.max(1),
            out_of_memory,
            left,
        }
    }
}

/// The samples of which the host is told.
#[derive(Debug)]
struct Telling {
    /// Shortest time between two of them.
    every: Duration,
    begun: Instant,
    /// When the next one is.
    due: Instant,
    /// What was seen since the last one.
    sample: Sample,
}

/// How many processes the kernel has killed because memory ran out: in this process's own group
/// where that can be told, otherwise in the whole system.
fn kills_for_memory() -> Option<u64> {
    let group = fs::read_to_string("/proc/self/cgroup").ok().and_then(|groups| {
        groups.lines().find_map(|line| {
            let mut parts = line.splitn(3, ':').skip(1);
            let (controllers, path) = (parts.next()?, parts.next()?);
            match controllers {
                "" => count(&format!("/sys/fs/cgroup{path}/memory.events"), "oom_kill"),
                "memory" => count(&format!("/sys/fs/cgroup/memory{path}/memory.oom_control"), "oom_kill"),
                _ => None,
            }
        })
    });
    group.or_else(|| count("/proc/vmstat", "oom_kill"))
}

/// The number behind a name in a file of such lines.
fn count(file: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

/// CPU time in milliseconds and largest resident size in bytes of the children that have ended.
fn children_usage() -> (u64, u64) {
    // SAFETY: getrusage fills the struct it is given, and all zeroes is a valid value of it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage);
        usage
    };
    let milliseconds = |time: libc::timeval| time.tv_sec * 1000 + time.tv_usec / 1000;
    let cpu = milliseconds(usage.ru_utime) + milliseconds(usage.ru_stime);
    let kibibyte = 1024; // Linux counts in KiB
    (cpu.unsigned_abs(), usage.ru_maxrss.unsigned_abs() * kibibyte)
}
