//! The supervisor: starts one process as leader of a session, waits for it, and ends whatever
//! is left of its tree, also when the host dies.
//!
//! It runs as a small process of its own with one thread, so it may fork and prepare the child
//! between fork and exec, which the addon inside Node must never do.

mod policy;
mod start;
mod tree;

use std::io::{self, Write};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitCode;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use rustix::process::Pid;

use crate::protocol::{Report, StartRequest, frame, read_content};
use start::{parking, start};
use tree::{end, sweep, usage, wait};

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
