//! The supervisor: starts one process as leader of a session, waits for it, and ends whatever
//! is left of its tree, also when the host dies.
//!
//! It runs as a small process of its own with one thread, so it may fork and prepare the child
//! between fork and exec, which the addon inside Node must never do.

mod attributes;
mod cgroup;
mod confine;
mod memory;
mod namespace;
mod processes;
mod start;
mod tree;
mod watch;

use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use rustix::process::{DumpableBehavior, Pid};

use crate::protocol::policy::Layer;
use crate::protocol::{
    Containment, MAX_DESCRIPTORS, MAX_HELD, MAX_OPENED, Missing, Namespace, Opening, Report, StartRequest,
    Supervision, frame, read_content,
};
use attributes::Attributes;
use cgroup::Group;
use confine::{Confinement, Found};
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
    let socket = UnixStream::from(rustix::io::fcntl_dupfd_cloexec(io::stdin(), parking())?);
    let Ordered { request, supervision, descriptors, held: _held, keeper, containment, host } =
        match Ordered::of(&socket) {
            Ok(ordered) => ordered,
            Err(cause) => {
                let message = format!("the helper could not take its order: {cause}");
                return (&socket).write_all(&frame(&Report::Failed { message })?);
            }
        };
    let mut host = Host::new(socket, host)?;
    let missing = (supervision.namespace == Namespace::Required && !containment.namespace)
        .then(|| Missing::all_of(Layer::Processes, containment.reason.clone().unwrap_or_default()));
    let group = match supervision.memory_limit_bytes {
        Some(limit) if !supervision.portable => Group::delegated(limit),
        _ => None,
    };
    let started =
        start_confined(&request, descriptors, &keeper, missing, group.as_ref(), !supervision.portable);
    let (main, found) = match started {
        Ok(started) => started,
        Err(report) => {
            keeper.discard();
            return host.send(&report);
        }
    };
    let attributes = found.listener.zip(request.policy.as_ref());
    let attributes = attributes.map(|(listener, policy)| Attributes::new(listener, policy));
    drop(request);
    let pid = Pid::from_raw(main.cast_signed()).ok_or(rustix::io::Errno::SRCH)?;
    let sample_every = supervision.sample_every_ms.map(Duration::from_millis);
    let meter = Meter::new(supervision.memory_limit_bytes, group, sample_every);
    let watch = Watch::new(Tree::new(pid, keeper), meter, attributes);
    // A host that is gone is noticed by watching, in which all ends well.
    let _ = host.send(&Report::Started { pid: main, containment, layers: found.layers.map(Box::new) });
    watch.run(&mut host)
}

/// What the host has ordered, and what keeps its tree together.
struct Ordered {
    request: StartRequest,
    supervision: Supervision,
    /// Those of the process.
    descriptors: Vec<OwnedFd>,
    /// Those that are held until the tree is gone.
    held: Vec<OwnedFd>,
    keeper: Keeper,
    containment: Containment,
    /// The host's process id.
    host: u32,
}

impl Ordered {
    fn of(mut socket: &UnixStream) -> io::Result<Self> {
        let (opening, descriptors, mut held) = receive(socket)?;
        let Opening { supervision, host, .. } = opening;
        let (keeper, containment) = Keeper::choose(&supervision);
        // From here on this process knows secrets: nobody of the same user may look into it, and it
        // leaves no core file. (Before, its files in /proc had to be its user's own.)
        let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
        let mut prefix = [0; 4];
        socket.read_exact(&mut prefix)?;
        let mut request: StartRequest = read_content(socket, prefix)?;
        if let Some(policy) = &mut request.policy {
            let others = held.len().checked_sub(policy.opened.len());
            let others =
                others.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "places are missing"))?;
            policy.descriptors = held.split_off(others).into_iter().map(Arc::new).collect();
        }
        Ok(Self { request, supervision, descriptors, held, keeper, containment, host })
    }
}

/// Starts the process under its policy; gives its id and what was found of each layer. With something
/// `missing` already it only finds out what else is.
fn start_confined(
    request: &StartRequest,
    descriptors: Vec<OwnedFd>,
    keeper: &Keeper,
    missing: Option<Missing>,
    group: Option<&Group>,
    dies_with_supervisor: bool,
) -> Result<(u32, Found), Report> {
    let namespace = keeper.namespace();
    let confinement = Confinement::prepare(request.policy.as_ref(), namespace.is_some(), missing)
        .map_err(Report::Refused)?;
    let confinement = Arc::new(Mutex::new(confinement));
    let group_door = group.and_then(|group| group.door().ok());
    let started = start(request, descriptors, namespace, group_door, dies_with_supervisor, &confinement);
    let found = match Arc::into_inner(confinement).map(Mutex::into_inner) {
        Some(Ok(confinement)) => confinement.outcome(started.is_ok()),
        _ => Ok(Found::default()),
    };
    match (started, found) {
        (Ok(child), Ok(found)) => Ok((child.id(), found)),
        (Ok(mut child), Err(missing)) => {
            let _ = child.kill();
            let _ = child.wait();
            Err(Report::Refused(missing))
        }
        (Err(_), Err(missing)) => Err(Report::Refused(missing)),
        (Err(error), Ok(_)) => Err(Report::Failed { message: explain(request, &error) }),
    }
}

/// Receives the first frame and the descriptors that came with its first bytes: those of the
/// process, and those to hold.
fn receive(socket: &UnixStream) -> io::Result<(Opening, Vec<OwnedFd>, Vec<OwnedFd>)> {
    let mut prefix = [0; 4];
    let mut space =
        [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS + MAX_HELD + MAX_OPENED))];
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
        Some(rustix::io::Errno::NOENT) if !std::path::Path::new(&request.directory).is_dir() => {
            format!("spawn {program} ENOENT: the directory {} does not exist", request.directory)
        }
        Some(rustix::io::Errno::NOENT) if std::path::Path::new(program).exists() => {
            format!(
                "spawn {program} ENOENT: the program is there, but not the loader or interpreter that it \
                 names (its first line, or what readelf -l says)"
            )
        }
        Some(rustix::io::Errno::ACCESS)
            if request.policy.as_ref().is_some_and(|policy| policy.reads.is_some()) =>
        {
            format!(
                "spawn {program}: {error}; in isolation 'strict' a program whose loader or interpreter is not \
                 among the system's libraries needs it granted (isolation.read)"
            )
        }
        Some(rustix::io::Errno::NOENT) => format!("spawn {program} ENOENT: the program does not exist"),
        _ => format!("spawn {program}: {error}"),
    }
}
