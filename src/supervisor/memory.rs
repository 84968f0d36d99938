//! What a tree of processes uses: resident memory by sampling, CPU time when it has ended, and
//! whether the kernel ran out of memory meanwhile.

use std::fs;
use std::time::{Duration, Instant};

use super::cgroup::Group;
use super::processes::{cpu_ms, resident_bytes};
use super::tree::Tree;
use crate::protocol::{Sample, Usage};

/// Between two samples where there is a limit: at 100 ms a connector that fills memory as fast as
/// it can got half as much again as it might have.
const SAMPLE_FOR_LIMIT: Duration = Duration::from_millis(20);

/// Between two samples that only look for the peak.
const SAMPLE_FOR_PEAK: Duration = Duration::from_millis(200);

/// Samples the memory of one tree.
#[derive(Debug)]
pub struct Meter {
    limit: Option<u64>,
    group: Option<Group>,
    next: Instant,
    kills_before: Option<u64>,
    peak: u64,
    peak_processes: u32,
    /// Between two samples for the host, and when the next one is due.
    told: Option<(Duration, Instant)>,
    latest: Sample,
}

impl Meter {
    /// A meter for a tree that has just been started.
    pub fn new(limit: Option<u64>, group: Option<Group>, tell_every: Option<Duration>) -> Self {
        let now = Instant::now();
        Self {
            limit,
            group,
            next: now + SAMPLE_FOR_LIMIT,
            kills_before: kills_for_memory(),
            peak: 0,
            peak_processes: 0,
            told: tell_every.map(|every| (every, now)),
            latest: Sample::default(),
        }
    }

    /// Whether the kernel has ended the tree for its limit.
    pub fn has_killed(&self) -> bool {
        self.group.as_ref().is_some_and(Group::has_killed)
    }

    /// When the next sample is due.
    pub fn next(&self) -> Instant {
        self.next
    }

    /// Takes a sample if one is due. Gives whether the tree has more than it may have.
    pub fn sample(&mut self, tree: &Tree) -> bool {
        let now = Instant::now();
        if now < self.next {
            return false;
        }
        self.next = now + if self.limit.is_some() { SAMPLE_FOR_LIMIT } else { SAMPLE_FOR_PEAK };
        let total = self.look(tree);
        self.limit.is_some_and(|limit| total > limit)
    }

    /// The last sample, where the host wants one and it is due.
    pub fn due(&mut self, tree: &Tree) -> Option<Sample> {
        let (every, due) = self.told?;
        let now = Instant::now();
        if now < due || self.latest.processes == 0 {
            return None;
        }
        self.told = Some((every, now + every));
        // what is below the tree's own processes has been waited for by this one
        let own: u64 = tree.members().into_iter().filter_map(cpu_ms).sum();
        Some(Sample { cpu_ms: own + children_usage().0, ..self.latest })
    }

    /// What the tree has now, in bytes.
    pub fn look(&mut self, tree: &Tree) -> u64 {
        let sizes: Vec<u64> = tree.members().into_iter().filter_map(resident_bytes).collect();
        let total: u64 = sizes.iter().sum();
        let processes = u32::try_from(sizes.len()).unwrap_or(u32::MAX);
        if total > self.peak {
            self.peak = total;
            self.peak_processes = processes;
        }
        self.latest = Sample { rss_bytes: total, processes, ..self.latest };
        total
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
