//! The tree of processes below the supervisor, and the three ways in which it is kept together:
//! a PID namespace; this process as the parent of all orphans; or only the process group.
//!
//! No signal may reach a process that has got the id of one that is gone. The main process is not
//! reaped before the very end, so that its id and its group's stay its own; a child of this
//! process keeps its id until it is reaped here; and everything deeper is signalled by pidfd,
//! after a look at whether it still belongs to the tree.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitOptions};

use super::namespace::PidNamespace;
use super::processes::{children_of, descendants, stat};
use crate::protocol::{Containment, Namespace, Supervision};

/// How long a tree may take to go after SIGKILL.
const SWEEP_LIMIT: Duration = Duration::from_secs(5);

/// How long processes that were killed may take to be counted.
const ACCOUNTING_LIMIT: Duration = Duration::from_millis(200);

const SHORT: Duration = Duration::from_micros(300);

/// How a process has ended.
#[derive(Debug, Clone, Copy)]
pub struct Ending {
    /// Exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// The number of the signal that ended it.
    pub signal: Option<i32>,
}

/// What keeps the tree together.
#[derive(Debug)]
pub enum Keeper {
    /// The kernel: what is in the namespace ends with it.
    Namespace(PidNamespace),
    /// This process, whose child every orphan of the tree becomes.
    Subreaper,
    /// Nothing but the process group; who has left that is lost.
    Group,
}

impl Keeper {
    /// The best there is, within what was asked for, and what is missing.
    pub fn choose(supervision: &Supervision) -> (Self, Containment) {
        let partly = |reason: &str| Containment {
            bounded: false,
            namespace: false,
            descendants: true,
            reason: Some(reason.to_owned()),
        };
        let group = |reason: &str| {
            let missing = Containment { reason: Some(reason.to_owned()), ..Containment::default() };
            (Self::Group, missing)
        };
        if supervision.portable {
            return group("the portable fallback was asked for");
        }
        // Orphans of the tree become children of this process, also those of a namespace that
        // could not be made.
        if let Err(error) = rustix::process::set_child_subreaper(Pid::from_raw(1)) {
            return group(&format!("this process cannot take in orphans: {error}"));
        }
        if supervision.namespace == Namespace::Off {
            return (Self::Subreaper, partly("no PID namespace was asked for"));
        }
        match PidNamespace::create() {
            Ok(namespace) => {
                let bounded = namespace.bounded;
                let containment = Containment { namespace: true, descendants: true, bounded, reason: None };
                (Self::Namespace(namespace), containment)
            }
            Err(reason) => (Self::Subreaper, partly(&format!("no PID namespace: {reason}"))),
        }
    }

    /// The namespace, where there is one.
    pub fn namespace(&self) -> Option<&PidNamespace> {
        match self {
            Self::Namespace(namespace) => Some(namespace),
            _ => None,
        }
    }

    /// Ends what was made for a process that did not start.
    pub fn discard(self) {
        if let Self::Namespace(namespace) = self {
            namespace.end();
            let _ = rustix::process::waitpid(Some(namespace.init), WaitOptions::empty());
        }
    }
}

/// The main process and everything that comes from it.
#[derive(Debug)]
pub struct Tree {
    main: Pid,
    pidfd: Option<OwnedFd>,
    keeper: Keeper,
}

impl Tree {
    /// The tree of a child of this process that leads a process group.
    pub fn new(main: Pid, keeper: Keeper) -> Self {
        let pidfd = match keeper {
            Keeper::Group => None,
            // missing before Linux 5.3, or refused by a sandbox
            _ => rustix::process::pidfd_open(main, PidfdFlags::empty()).ok(),
        };
        Self { main, pidfd, keeper }
    }

    /// Becomes readable when the main process has ended, where the system has such a thing.
    pub fn pidfd(&self) -> Option<BorrowedFd<'_>> {
        self.pidfd.as_ref().map(AsFd::as_fd)
    }

    /// How the main process has ended, if it has. It stays a zombie until [`Tree::finish`].
    pub fn ending(&self) -> io::Result<Option<Ending>> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        loop {
            match rustix::process::waitid(WaitId::Pid(self.main), options) {
                Ok(status) => {
                    return Ok(status.map(|status| Ending {
                        code: status.exit_status(),
                        signal: status.terminating_signal(),
                    }));
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// All processes of the tree, as far as they can be found.
    pub fn members(&self) -> Vec<Pid> {
        let mut members = match &self.keeper {
            Keeper::Namespace(namespace) => descendants(&[self.main, namespace.init]),
            Keeper::Subreaper => descendants(&[rustix::process::getpid()]),
            Keeper::Group => descendants(&[self.main]),
        };
        if !members.contains(&self.main) {
            members.push(self.main);
        }
        members
    }

    /// CPU time of the whole tree until now, in milliseconds; `members` are those that live.
    pub fn cpu_ms(&self, members: &[Pid]) -> u64 {
        let living =
            members.iter().filter_map(|pid| stat(*pid)).map(|stat| stat.cpu_ms + stat.children_cpu_ms);
        // those that ended after their parent did are children of the keeper
        let keepers =
            [Some(rustix::process::getpid()), self.keeper.namespace().map(|namespace| namespace.init)];
        let ended = keepers.into_iter().flatten().filter_map(stat).map(|stat| stat.children_cpu_ms);
        living.chain(ended).sum()
    }

    /// Whether anything but the main process is left.
    pub fn has_others(&self) -> bool {
        self.members()
            .into_iter()
            .any(|pid| pid != self.main && stat(pid).is_some_and(|stat| !stat.is_zombie))
    }

    /// SIGTERM, once, to every process of the tree.
    pub fn terminate(&mut self) {
        match &mut self.keeper {
            Keeper::Namespace(namespace) => namespace.terminate(),
            Keeper::Group => self.signal_group(Signal::TERM),
            Keeper::Subreaper => {
                let others = self.outside_group();
                self.signal_group(Signal::TERM);
                for (_, pidfd) in others {
                    let _ = rustix::process::pidfd_send_signal(&pidfd, Signal::TERM);
                }
            }
        }
    }

    /// SIGKILL to every process of the tree that can be found now.
    pub fn kill(&mut self) {
        match &mut self.keeper {
            Keeper::Namespace(namespace) => namespace.kill(),
            Keeper::Group => {}
            Keeper::Subreaper => {
                for pid in children_of(rustix::process::getpid()) {
                    let _ = rustix::process::kill_process(pid, Signal::KILL);
                }
            }
        }
        self.signal_group(Signal::KILL);
    }

    /// Takes the exit status of orphans that have ended, so that they do not stay as zombies.
    pub fn reap_orphans(&self) {
        if matches!(self.keeper, Keeper::Subreaper) {
            for pid in children_of(rustix::process::getpid()).into_iter().filter(|pid| *pid != self.main) {
                let _ = rustix::process::waitpid(Some(pid), WaitOptions::NOHANG);
            }
        }
    }

    /// Kills what is left, waits until nothing is, and says how many did not go.
    pub fn finish(mut self) -> u32 {
        let deadline = Instant::now() + SWEEP_LIMIT;
        self.kill();
        match &self.keeper {
            Keeper::Namespace(namespace) => {
                let is_reaped = reap(self.main, deadline);
                let accounts = (Instant::now() + ACCOUNTING_LIMIT).min(deadline);
                while !children_of(namespace.init).is_empty() && Instant::now() < accounts {
                    std::thread::sleep(SHORT);
                }
                namespace.end();
                u32::from(!(is_reaped && reap(namespace.init, deadline)))
            }
            Keeper::Subreaper => self.sweep(deadline),
            Keeper::Group => {
                // What the group had at this moment has its SIGKILL. Once the main process is
                // reaped, the group's id is not ours any more, and is only asked for.
                let mut is_gone = reap(self.main, deadline);
                while is_gone && rustix::process::test_kill_process_group(self.main).is_ok() {
                    is_gone = Instant::now() < deadline;
                    pause();
                }
                u32::from(!is_gone)
            }
        }
    }

    /// Kills the children of this process until there are none: what a child leaves behind when
    /// it dies becomes a child of this process, and is found in the next round.
    fn sweep(&mut self, deadline: Instant) -> u32 {
        let mut rounds = 0;
        loop {
            self.kill();
            self.reap_orphans();
            let children = children_of(rustix::process::getpid());
            if children.iter().all(|pid| *pid == self.main) && reap(self.main, deadline) {
                return 0;
            }
            if Instant::now() >= deadline {
                return u32::try_from(children.len()).unwrap_or(u32::MAX);
            }
            rounds += 1;
            // The first rounds follow at once: what forks all the time must not get ahead.
            if rounds > 100 {
                pause();
            }
        }
    }

    fn signal_group(&self, signal: Signal) {
        // The main process is not reaped, so that the id is still the group's.
        let _ = rustix::process::kill_process_group(self.main, signal);
    }

    /// Members that have left the process group, each held by a pidfd so that the signal cannot
    /// reach anybody else.
    fn outside_group(&self) -> Vec<(Pid, OwnedFd)> {
        let group = self.main.as_raw_pid();
        let held: Vec<_> = self
            .members()
            .into_iter()
            .filter_map(|pid| Some((pid, rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok()?)))
            .collect();
        // Asked for again after it is held: now its id can't be anybody else's.
        let members = self.members();
        held.into_iter()
            .filter(|(pid, _)| members.contains(pid) && stat(*pid).is_some_and(|stat| stat.group != group))
            .collect()
    }
}

/// Waits for a child that is about to end.
fn reap(child: Pid, deadline: Instant) -> bool {
    loop {
        match rustix::process::waitpid(Some(child), WaitOptions::NOHANG) {
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Ok(Some(_)) | Err(_) => return true,
        }
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(SHORT);
    }
}

fn pause() {
    std::thread::sleep(Duration::from_millis(2));
}
