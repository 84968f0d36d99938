//! The supervisor: starts one process as leader of a session, waits for it, and ends whatever
//! is left of its tree, also when the host dies.
//!
//! It runs as a small process of its own with one thread, so it may fork and prepare the child
//! between fork and exec, which the addon inside Node must never do.

mod cgroup;
mod memory;
mod namespace;
mod policy;
mod processes;
mod start;
mod tree;
mod watch;

use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::Duration;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use rustix::process::{DumpableBehavior, Pid};

use crate::protocol::{MAX_DESCRIPTORS, MAX_HELD, Opening, Report, StartRequest, read_content};
use cgroup::Group;
use memory::Meter;
use start::{parking, start};
use tree::{Keeper, Tree};
use watch::{Host, Watch};

/// Entry of the helper. Standard input is the socket to the host.
pub fn main() -> ExitCode {
    match supervise() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn supervise() -> io::Result<()> {
    let mut socket = UnixStream::from(rustix::io::fcntl_dupfd_cloexec(io::stdin(), parking())?);
    let (opening, descriptors, _held) = receive(&socket)?;
    let Opening { supervision, host, .. } = opening;
    let (keeper, containment) = Keeper::choose(&supervision);
    // From here on this process knows secrets: nobody of the same user may look into it, and it
    // leaves no core file. (Before, its files in /proc had to be its user's own.)
    let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let mut prefix = [0; 4];
    socket.read_exact(&mut prefix)?;
    let request: StartRequest = read_content(&socket, prefix)?;
    let mut host = Host::new(socket, host)?;

    let group = match supervision.memory_limit_bytes {
        Some(limit) if !supervision.portable => Group::delegated(limit),
        _ => None,
    };
    let group_door = group.as_ref().and_then(|group| group.door().ok());
    let started = start(&request, descriptors, keeper.namespace(), group_door, !supervision.portable);
    let main = match started {
        Ok(child) => child.id(),
        Err(error) => {
            keeper.discard();
            return host.send(&Report::Failed { message: explain(&request, &error) });
        }
    };
    drop(request);
    let pid = Pid::from_raw(main.cast_signed()).ok_or(rustix::io::Errno::SRCH)?;
    let sample_every = supervision.sample_every_ms.map(Duration::from_millis);
    let meter = Meter::new(supervision.memory_limit_bytes, group, sample_every);
    let watch = Watch::new(Tree::new(pid, keeper), meter);
    // A host that is gone is noticed by watching, in which all ends well.
    let _ = host.send(&Report::Started { pid: main, containment });
    watch.run(&mut host)
}

/// Receives the first frame and the descriptors that came with its first bytes: those of the
/// process, and those to hold.
fn receive(socket: &UnixStream) -> io::Result<(Opening, Vec<OwnedFd>, Vec<OwnedFd>)> {
    let mut prefix = [0; 4];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS + MAX_HELD))];
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
    let opening: Opening = read_content(socket, prefix)?;
    if opening.descriptors < 3 || opening.descriptors + opening.held != descriptors.len() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "descriptors are missing"));
    }
    let held = descriptors.split_off(opening.descriptors);
    Ok((opening, descriptors, held))
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
