//! Starting the process: its descriptors in their places, its session, its lifeline.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::Signal;

use super::confine::Confinement;
use super::namespace::PidNamespace;
use crate::protocol::StartRequest;

/// Highest number from which on descriptors are kept while they are put into their places.
const PARKING: RawFd = 200;

/// Where descriptors are kept: above those of the process, and within the limit of open files.
pub fn parking() -> RawFd {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let half = limit.map_or(PARKING, |limit| RawFd::try_from(limit / 2).unwrap_or(PARKING));
    half.clamp(4, PARKING)
}

/// Starts the process. Its descriptors from 3 on are put into their places here, before the
/// fork; 0 to 2 are left to `Command`. It comes into a control group by the group's door.
pub fn start(
    request: &StartRequest,
    descriptors: Vec<OwnedFd>,
    namespace: Option<&PidNamespace>,
    group_door: Option<File>,
    dies_with_supervisor: bool,
    confinement: &Arc<Mutex<Confinement>>,
) -> io::Result<Child> {
    let mut parked = Vec::with_capacity(descriptors.len());
    for descriptor in descriptors {
        parked.push(rustix::io::fcntl_dupfd_cloexec(&descriptor, parking())?);
    }
    if parked.len() > parking().unsigned_abs() as usize {
        return Err(io::Error::other("stdio has more entries than the limit of open files allows"));
    }
    let mut parked = parked.into_iter();
    let mut standard = || parked.next().ok_or_else(|| io::Error::other("descriptors are missing"));
    let (stdin, stdout, stderr) = (standard()?, standard()?, standard()?);
    let mut placed = Vec::new();
    for (target, descriptor) in (3..).zip(parked) {
        placed.push(place(&descriptor, target)?);
    }
    close_on_exec_from(placed.last().map_or(3, |last| last.as_raw_fd() + 1));

    let mut command = Command::new(&request.program);
    command
        .args(&request.args)
        .current_dir(&request.directory)
        .env_clear()
        .envs(request.variables.iter().map(|(name, value)| (name, value)))
        .stdin(stdin)
        .stdout(stdout)
        .stderr(stderr);
    let supervisor = rustix::process::getpid();
    let mut group_door = group_door;
    let mut enter = namespace.map(|namespace| namespace.entrance(&request.directory)).transpose()?;
    let is_inside = namespace.is_some();
    let confinement = confinement.clone();
    // SAFETY: this process has one thread, and the closure only makes system calls.
    unsafe {
        command.pre_exec(move || {
            if let Some(door) = &mut group_door {
                door.write_all(b"0")?;
            }
            if let Some(enter) = &mut enter {
                enter()?;
            }
            rustix::process::setsid()?;
            let mut confinement = confinement.lock().unwrap_or_else(PoisonError::into_inner);
            confinement.give_up_privileges()?;
            if dies_with_supervisor {
                // If this supervisor is killed, the process must not go on unwatched. Set after
                // the fork by the child itself; the check covers a supervisor that died before.
                // In a namespace the parent cannot be seen, and its first process sees to that.
                rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
                if !is_inside && rustix::process::getppid() != Some(supervisor) {
                    return Err(io::Error::from(rustix::io::Errno::SRCH));
                }
            }
            confinement.restrict()
        });
    }
    command.spawn()
}

/// Puts a descriptor at exactly this number, open across exec.
fn place(descriptor: &OwnedFd, target: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: the numbers from 3 to parking() are unused here: the socket and all received
    // descriptors have been moved above them, so nothing that is owned is closed.
    let placed = unsafe {
        if libc::dup2(descriptor.as_raw_fd(), target) < 0 {
            return Err(io::Error::last_os_error());
        }
        OwnedFd::from_raw_fd(target)
    };
    Ok(placed)
}

/// Lets no descriptor from this number on reach the process: hosts leak theirs.
fn close_on_exec_from(first: RawFd) {
    // SAFETY: only flags of this process's descriptors change.
    let marked = unsafe {
        libc::syscall(libc::SYS_close_range, first.cast_unsigned(), u32::MAX, libc::CLOSE_RANGE_CLOEXEC)
    };
    if marked == 0 {
        return;
    }
    // before Linux 5.11, or refused by a sandbox
    for number in open_descriptors().into_iter().filter(|number| *number >= first) {
        // SAFETY: as above; a number that is not open any more is an error without effect.
        unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
}

/// The numbers that are open; where the system does not tell, all that may be.
pub fn open_descriptors() -> Vec<RawFd> {
    if let Ok(open) = fs::read_dir("/dev/fd") {
        return open.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    }
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let most = limit.and_then(|limit| RawFd::try_from(limit).ok()).unwrap_or(RawFd::MAX);
    (0..most.min(65_536)).collect()
}
