//! Watching a tree until it is gone: its end by itself, words of the host, the host's own end,
//! too much memory. Whatever comes first is the cause; all of it takes one path.

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags};

use super::attributes::Attributes;
use super::memory::Meter;
use super::tree::Tree;
use crate::protocol::{Cause, Command, Report, frame, read_content};

/// From SIGTERM to SIGKILL when the host has died: every run of it must be gone within 2 s.
const GRACE_AFTER_HOST: Duration = Duration::from_secs(1);

/// Longest pause between two looks at everything.
const PAUSE: Duration = Duration::from_secs(1);

/// The same while something is expected that no descriptor tells of: the end of a process where
/// there is no pidfd, or the end of the rest of a tree.
const SHORT_PAUSE: Duration = Duration::from_millis(20);

/// The way to the host.
#[derive(Debug)]
pub struct Host {
    socket: UnixStream,
    /// The socket may have been handed on to another process; this is the host itself.
    pidfd: Option<OwnedFd>,
}

impl Host {
    /// The host at the other end, with this process id.
    ///
    /// # Errors
    /// When it is gone.
    pub fn new(socket: UnixStream, pid: u32) -> io::Result<Self> {
        let pid = Pid::from_raw(pid.cast_signed());
        let pidfd = pid.and_then(|pid| rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok());
        // Asked for after it is held: while the host is this process's parent, its id is its own.
        if pid.is_some() && rustix::process::getppid() != pid {
            return Err(io::Error::from(rustix::io::Errno::SRCH));
        }
        Ok(Self { socket, pidfd })
    }

    /// Tells the host.
    pub fn send(&mut self, report: &Report) -> io::Result<()> {
        self.socket.write_all(&frame(report)?)
    }

    /// Tells the host, if it takes it at once: one that was stopped must not hold the watch up.
    fn send_if_taken(&mut self, report: &Report) {
        let mut socket = [PollFd::new(&self.socket, PollFlags::OUT)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        // a socket counts as writable while it has room for far more than this
        if matches!(rustix::event::poll(&mut socket, Some(&now)), Ok(1))
            && socket[0].revents() == PollFlags::OUT
        {
            let _ = self.send(report);
        }
    }

    /// What the host says; none when it is gone.
    fn hear(&mut self) -> Option<Command> {
        let mut prefix = [0; 4];
        self.socket.read_exact(&mut prefix).ok()?;
        read_content(&self.socket, prefix).ok()
    }
}

/// A tree on its way to the end.
#[derive(Debug)]
pub struct Watch {
    tree: Tree,
    meter: Meter,
    cause: Cause,
    /// When SIGKILL is due.
    kill_at: Option<Instant>,
    host_is_there: bool,
    /// Whom the filter of the tree asks.
    attributes: Option<Attributes>,
}

impl Watch {
    /// Watches a tree that has just been started.
    pub fn new(tree: Tree, meter: Meter, attributes: Option<Attributes>) -> Self {
        Self { tree, meter, cause: Cause::Itself, kill_at: None, host_is_there: true, attributes }
    }

    /// Watches to the end, and tells the host of it.
    ///
    /// # Errors
    /// When the system does not say how the process is.
    pub fn run(mut self, host: &mut Host) -> io::Result<()> {
        let mut reported = false;
        loop {
            if let Some(ending) = self.tree.ending()? {
                if !reported {
                    reported = true;
                    if self.cause == Cause::Itself && self.meter.has_killed() {
                        self.cause = Cause::Memory;
                    }
                    let exited =
                        Report::Exited { code: ending.code, signal: ending.signal, cause: self.cause };
                    let _ = host.send(&exited);
                }
                // What was asked to end has its time; what a process leaves behind has none.
                let has_time = self.kill_at.is_some_and(|kill_at| Instant::now() < kill_at);
                if !has_time || !self.tree.has_others() {
                    break;
                }
            }
            if self.meter.sample(&self.tree) {
                self.begin(Cause::Memory, Duration::ZERO);
            }
            if let Some(sample) = self.meter.due() {
                host.send_if_taken(&Report::Sample(sample));
            }
            if self.kill_at.is_some_and(|kill_at| Instant::now() >= kill_at) {
                self.tree.kill();
            }
            self.tree.reap_orphans();
            self.wait(host, reported)?;
        }
        let left = self.tree.finish();
        let _ = host.send(&Report::Finished(self.meter.finish(left)));
        Ok(())
    }

    /// Waits for the next thing to happen.
    fn wait(&mut self, host: &mut Host, reported: bool) -> io::Result<()> {
        let pidfd = if reported { None } else { self.tree.pidfd() };
        let mut pause = if pidfd.is_some() { PAUSE } else { SHORT_PAUSE };
        let now = Instant::now();
        pause = pause.min(self.meter.next().saturating_duration_since(now));
        if let Some(kill_at) = self.kill_at {
            // after SIGKILL there is nothing to wait for but the end
            let left = kill_at.saturating_duration_since(now);
            pause = pause.min(if left.is_zero() { SHORT_PAUSE } else { left });
        }
        let mut watched = Vec::with_capacity(3);
        if self.host_is_there {
            watched.push(PollFd::new(&host.socket, PollFlags::IN | PollFlags::RDHUP));
            watched.extend(host.pidfd.as_ref().map(|pidfd| PollFd::new(pidfd, PollFlags::IN)));
        }
        let of_host = watched.len();
        watched.extend(pidfd.map(|pidfd| PollFd::from_borrowed_fd(pidfd, PollFlags::IN)));
        let of_tree = watched.len();
        watched.extend(self.attributes.as_ref().map(|attributes| PollFd::new(attributes, PollFlags::IN)));
        let timeout =
            Timespec { tv_sec: pause.as_secs().cast_signed(), tv_nsec: i64::from(pause.subsec_nanos()) };
        match rustix::event::poll(&mut watched, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let happened = |index: usize| watched.get(index).is_some_and(|fd| !fd.revents().is_empty());
        let said = of_host > 0 && happened(0);
        let died = of_host > 1 && happened(1);
        let asked = watched.get(of_tree).map_or(PollFlags::empty(), PollFd::revents);
        drop(watched);
        if !asked.is_empty() {
            let goes_on = asked.contains(PollFlags::IN)
                && self.attributes.as_ref().is_some_and(|attributes| attributes.answer().is_ok());
            if !goes_on {
                self.attributes = None; // nobody is left who could ask
            }
        }
        match if said { host.hear() } else { None } {
            Some(Command::Terminate { grace_ms }) => {
                self.begin(Cause::Stopped, Duration::from_millis(grace_ms));
            }
            None if said || died => {
                self.host_is_there = false;
                self.begin(Cause::HostGone, GRACE_AFTER_HOST);
            }
            None => {}
        }
        Ok(())
    }

    /// SIGTERM, and SIGKILL after `grace`. Once begun, SIGKILL can only come sooner.
    fn begin(&mut self, cause: Cause, grace: Duration) {
        // who has ended before, and has only not been looked at since, has ended by itself
        let is_first = self.cause == Cause::Itself && !matches!(self.tree.ending(), Ok(Some(_)));
        let at = Instant::now() + grace;
        if self.kill_at.is_none() && !grace.is_zero() {
            self.tree.terminate();
        }
        if is_first {
            self.cause = cause;
        }
        self.kill_at = Some(self.kill_at.map_or(at, |before| before.min(at)));
        if grace.is_zero() {
            self.meter.look(&self.tree);
            self.tree.kill();
        }
    }
}
