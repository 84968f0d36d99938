//! The supervisor: starts one process as leader of a session, waits for it, and ends whatever
//! is left of its tree, also when the host dies.
//!
//! It runs as a small process of its own with one thread, so it may fork and prepare the child
//! between fork and exec, which the addon inside Node must never do.

use std::fs;
use std::io::{self, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions};

use crate::protocol::{Report, StartRequest, frame, read_content};

/// From SIGTERM to SIGKILL when the host has died: every run of it must be gone within 2 s.
const GRACE_AFTER_HOST: Duration = Duration::from_secs(1);

/// How long the rest of a tree may take to go after SIGKILL.
const SWEEP_LIMIT: Duration = Duration::from_secs(5);

/// Highest number from which on descriptors are kept while they are put into their places.
const PARKING: RawFd = 200;

/// Entry of the helper. Standard input is the socket to the host.
pub fn main() -> ExitCode {
    match supervise() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn supervise() -> io::Result<()> {
    let mut socket = UnixStream::from(rustix::io::fcntl_dupfd_cloexec(io::stdin(), parking())?);
    let (request, descriptors) = receive(&socket)?;
    // Orphans of the tree become children of this process, so that they can be found and ended.
    // Where the kernel has no such thing, the process group is all there is.
    let _ = rustix::process::set_child_subreaper(Pid::from_raw(1));

    let mut child = match start(&request, descriptors) {
        Ok(child) => child,
        Err(error) => {
            let message = explain(&request, &error);
            return send(&mut socket, &Report::Failed { message });
        }
    };
    drop(request);
    let started = send(&mut socket, &Report::Started { pid: child.id() });
    let status = if started.is_ok() { wait(&mut child, &socket)? } else { None };
    let status = match status {
        Some(status) => status,
        None => end(&mut child)?, // the host is gone
    };
    let (cpu_ms, peak_rss_bytes) = usage();
    // The report goes first: the host need not wait for stragglers to learn the exit code.
    let exited = Report::Exited { code: status.code(), signal: status.signal(), cpu_ms, peak_rss_bytes };
    let _ = send(&mut socket, &exited);
    sweep();
    Ok(())
}

/// Where descriptors are kept: above those of the process, and within the limit of open files.
fn parking() -> RawFd {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let half = limit.map_or(PARKING, |limit| RawFd::try_from(limit / 2).unwrap_or(PARKING));
    half.clamp(4, PARKING)
}

fn send(socket: &mut UnixStream, report: &Report) -> io::Result<()> {
    socket.write_all(&frame(report)?)
}

/// Receives the request and the descriptors that came with its first bytes.
fn receive(socket: &UnixStream) -> io::Result<(StartRequest, Vec<OwnedFd>)> {
    let mut prefix = [0; 4];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(64))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = rustix::net::recvmsg(
        socket,
        &mut [io::IoSliceMut::new(&mut prefix)],
        &mut ancillary,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    if received.bytes != prefix.len() {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "no request"));
    }
    let mut descriptors = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            descriptors.extend(received);
        }
    }
    let request: StartRequest = read_content(socket, prefix)?;
    if request.descriptors != descriptors.len() || descriptors.len() < 3 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "descriptors are missing"));
    }
    Ok((request, descriptors))
}

/// Starts the process. Its descriptors from 3 on are put into their places here, before the
/// fork; 0 to 2 are left to `Command`.
fn start(request: &StartRequest, descriptors: Vec<OwnedFd>) -> io::Result<Child> {
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
    // SAFETY: this process has one thread, and the closure only makes system calls.
    unsafe {
        command.pre_exec(move || {
            rustix::process::setsid()?;
            // If this supervisor is killed, the process must not go on unwatched. Set after the
            // fork by the child itself; the check covers a supervisor that died before.
            rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
            if rustix::process::getppid() != Some(supervisor) {
                return Err(io::Error::from(rustix::io::Errno::SRCH));
            }
            Ok(())
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
    let Ok(open) = fs::read_dir("/proc/self/fd") else { return };
    for number in open.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()) {
        if number >= first {
            // SAFETY: as above; a number that is not open any more is an error without effect.
            unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
        }
    }
}

/// Names what could not be started, and for the usual reasons what to do.
fn explain(request: &StartRequest, error: &io::Error) -> String {
    let program = &request.program;
    match rustix::io::Errno::from_io_error(error) {
        Some(rustix::io::Errno::TOOBIG) => {
            let largest = request.variables.iter().max_by_key(|(name, value)| name.len() + value.len());
            let (name, bytes) = largest.map_or(("", 0), |(name, value)| (name.as_str(), value.len()));
            format!(
                "spawn {program} E2BIG: the environment is too large; its largest variable is \
                 {name} with {bytes} bytes, and Linux allows 131,071 for one"
            )
        }
        Some(rustix::io::Errno::NOENT) => {
            format!(
                "spawn {program} ENOENT: the program or the directory {} does not exist",
                request.directory
            )
        }
        _ => format!("spawn {program}: {error}"),
    }
}

/// Waits for the process to end. `None` when the host went away first.
fn wait(child: &mut Child, socket: &UnixStream) -> io::Result<Option<ExitStatus>> {
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
fn end(child: &mut Child) -> io::Result<ExitStatus> {
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
fn sweep() {
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
fn usage() -> (u64, u64) {
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
