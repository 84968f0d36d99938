//! What `/proc` tells of processes.

use std::fs;
use std::sync::OnceLock;

use rustix::process::Pid;

/// All descendants of these processes, without them.
pub fn descendants(of: &[Pid]) -> Vec<Pid> {
    let mut found: Vec<Pid> = Vec::new();
    let mut open: Vec<Pid> = of.to_vec();
    let table = if lists_children() { None } else { Some(every_parent()) };
    while let Some(parent) = open.pop() {
        let children = match &table {
            None => children_of(parent),
            Some(table) => {
                table.iter().filter(|(_, of)| *of == parent.as_raw_pid()).map(|(pid, _)| *pid).collect()
            }
        };
        for child in children {
            if !found.contains(&child) && !of.contains(&child) {
                found.push(child);
                open.push(child);
            }
        }
    }
    found
}

/// Whether the kernel has short lists of children (`CONFIG_PROC_CHILDREN`).
fn lists_children() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| {
        let own = rustix::process::getpid().as_raw_pid();
        fs::exists(format!("/proc/{own}/task/{own}/children")).unwrap_or(false)
    })
}

/// Each thread has a list of the children that it has started.
pub fn children_of(parent: Pid) -> Vec<Pid> {
    if !lists_children() {
        return descendants_of_one(parent);
    }
    let Ok(threads) = fs::read_dir(format!("/proc/{}/task", parent.as_raw_pid())) else { return Vec::new() };
    let mut children = Vec::new();
    for thread in threads.flatten() {
        if let Ok(list) = fs::read_to_string(thread.path().join("children")) {
            children.extend(list.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)));
        }
    }
    children
}

fn descendants_of_one(parent: Pid) -> Vec<Pid> {
    every_parent().into_iter().filter(|(_, of)| *of == parent.as_raw_pid()).map(|(pid, _)| pid).collect()
}

/// Every process with its parent.
fn every_parent() -> Vec<(Pid, i32)> {
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    processes
        .flatten()
        .filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?))
        .filter_map(|pid| Some((pid, stat(pid)?.parent)))
        .collect()
}

/// Some of a process's facts.
#[derive(Debug, Clone, Copy)]
pub struct Stat {
    /// Its parent's id.
    pub parent: i32,
    /// Its process group.
    pub group: i32,
    /// It has ended, and only waits for its parent.
    pub is_zombie: bool,
    /// Its own CPU time, in milliseconds.
    pub cpu_ms: u64,
    /// The CPU time of its children that have ended, and of theirs.
    pub children_cpu_ms: u64,
}

/// Facts of a process that is there.
pub fn stat(pid: Pid) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_pid())).ok()?;
    // The name is in parentheses and may hold anything.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let is_zombie = matches!(fields.next()?, "Z" | "X");
    let (parent, group) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    let mut times = fields.skip(8).map(|ticks| ticks.parse().unwrap_or(0) * 1000 / ticks_per_second());
    let mut both = || times.next().unwrap_or(0) + times.next().unwrap_or(0); // user's and system's
    Some(Stat { parent, group, is_zombie, cpu_ms: both(), children_cpu_ms: both() })
}

fn ticks_per_second() -> u64 {
    rustix::param::clock_ticks_per_second().max(1)
}

/// Resident memory of a process in bytes.
pub fn resident_bytes(pid: Pid) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{}/statm", pid.as_raw_pid())).ok()?;
    let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}
