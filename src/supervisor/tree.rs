//! The tree of processes below the supervisor: waiting for its main process, and ending the rest.

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions};

/// From SIGTERM to SIGKILL when the host has died: every run of it must be gone within 2 s.
const GRACE_AFTER_HOST: Duration = Duration::from_secs(1);

/// How long the rest of a tree may take to go after SIGKILL.
const SWEEP_LIMIT: Duration = Duration::from_secs(5);

/// Waits for the process to end. `None` when the host went away first.
pub fn wait(child: &mut Child, socket: &UnixStream) -> io::Result<Option<ExitStatus>> {
    // Without pidfd (before Linux 5.3, or refused by a sandbox), the process is asked for often.
    let pidfd = Pid::from_raw(child.id().cast_signed())
        .and_then(|pid| rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok());
    let pause = if pidfd.is_some() { Duration::from_secs(1) } else { Duration::from_millis(20) };
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        reap_orphans(child.id());
        let mut watched = vec![PollFd::new(socket, PollFlags::IN | PollFlags::RDHUP)];
        if let Some(pidfd) = &pidfd {
            watched.push(PollFd::from_borrowed_fd(pidfd.as_fd(), PollFlags::IN));
        }
        let timeout =
            Timespec { tv_sec: pause.as_secs().cast_signed(), tv_nsec: i64::from(pause.subsec_nanos()) };
        match rustix::event::poll(&mut watched, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        if !watched[0].revents().is_empty() {
            return child.try_wait(); // the host sends nothing: it has closed the socket
        }
    }
}

/// Ends the process of a host that is gone: SIGTERM first, so that it can let go of locks.
pub fn end(child: &mut Child) -> io::Result<ExitStatus> {
    let group = Pid::from_raw(child.id().cast_signed());
    let deadline = Instant::now() + GRACE_AFTER_HOST;
    if let Some(group) = group {
        let _ = rustix::process::kill_process_group(group, Signal::TERM);
    }
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if Instant::now() >= deadline {
            child.kill()?;
            return child.wait();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Takes the exit status of orphans that have ended, so that they do not stay as zombies.
fn reap_orphans(main: u32) {
    for pid in children().into_iter().filter(|pid| pid.as_raw_pid().cast_unsigned() != main) {
        let _ = rustix::process::waitpid(Some(pid), WaitOptions::NOHANG);
    }
}

/// Kills what is left of the tree until nothing is: what forks meanwhile is found in the next
/// round.
pub fn sweep() {
    let deadline = Instant::now() + SWEEP_LIMIT;
    while Instant::now() < deadline {
        for pid in children() {
            let _ = rustix::process::kill_process(pid, Signal::KILL);
        }
        loop {
            match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
                Ok(None) => break,
                Err(_) => return, // ECHILD: nothing is left
            }
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The processes whose parent is this one.
fn children() -> Vec<Pid> {
    let own = rustix::process::getpid().as_raw_pid();
    // One short file where the kernel has it; otherwise every process is asked for its parent.
    if let Ok(list) = fs::read_to_string(format!("/proc/self/task/{own}/children")) {
        return list.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect();
    }
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    processes
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| parent_of(*pid) == Some(own))
        .filter_map(Pid::from_raw)
        .collect()
}

fn parent_of(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name is in parentheses and may hold anything; the parent is the second field after it.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// CPU time in milliseconds and largest resident size in bytes of the children that have ended.
pub fn usage() -> (u64, u64) {
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
