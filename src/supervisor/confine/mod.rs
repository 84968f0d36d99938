//! What the process may do: prepared before the fork, put in force between fork and exec, proved
//! by trying, and reported as it was found.
//!
//! Between fork and exec there are system calls only. What came of them goes through a socket, since
//! an error there has room for one number.

mod calls;
mod canary;
mod capabilities;
mod landlock;
mod plan;
mod seccomp;

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags,
};
use rustix::process::{Resource, Rlimit, Signal, setrlimit};

use crate::policy::{Demand, Enforced, Layer, Measured, PerLayer, Policy};
use plan::Plan;

/// A policy that cannot be had.
#[derive(Debug)]
pub struct Refusal {
    /// The layer.
    pub layer: Layer,
    /// What is wrong with it.
    pub reason: String,
}

/// What is tried between fork and exec: first the mechanisms, then a canary for each layer.
const PRIVILEGES: usize = 0;
const LANDLOCK: usize = 1;
const SECCOMP: usize = 2;
/// The filter asks the supervisor.
const ASKING: usize = 3;
const CANARIES: usize = 4;
const TRIES: usize = CANARIES + Layer::ALL.len();

/// Nothing was tried.
const UNTRIED: i32 = -1;
/// It is in force, or refused what it must refuse.
const GOOD: i32 = 0;
/// A canary that went through; other numbers are error numbers.
const OPEN: i32 = i32::MAX;

/// Layers that Landlock has a part in.
const BY_LANDLOCK: [Layer; 4] = [Layer::Files, Layer::Signals, Layer::UnixSockets, Layer::TcpPorts];
/// Layers that are not whole without the filter: of the files, mode and times.
const BY_SECCOMP: [Layer; 4] = [Layer::Files, Layer::SystemCalls, Layer::UnixSockets, Layer::TcpPorts];

/// What will be put in force.
#[derive(Debug)]
pub struct Confinement {
    plan: Option<Plan>,
    found: [i32; TRIES],
    /// Hears of calls about mode and times of files.
    listener: Option<OwnedFd>,
    /// The supervisor's end, and the child's.
    results: (UnixStream, UnixStream),
}

/// What was found, and what goes on while the process lives.
#[derive(Debug, Default)]
pub struct Found {
    /// Each layer, as it is.
    pub layers: Option<PerLayer<Measured>>,
    /// Whom the filter asks.
    pub listener: Option<OwnedFd>,
}

impl Confinement {
    /// Prepares what a policy asks for. Without one the process only leaves no core file.
    ///
    /// # Errors
    /// A layer that is required and that this system does not have.
    pub fn prepare(policy: Option<&Policy>, in_namespace: bool) -> Result<Self, Refusal> {
        let plan = policy.map(|policy| Plan::new(policy, in_namespace)).transpose()?;
        let results = UnixStream::pair()
            .map_err(|error| Refusal { layer: Layer::Privileges, reason: format!("socketpair: {error}") })?;
        Ok(Self { plan, found: [UNTRIED; TRIES], listener: None, results })
    }

    /// The first half, in the child: what has to come before the signal for a parent's death.
    pub fn give_up_privileges(&mut self) -> io::Result<()> {
        // A core file would hold the secrets of the run.
        setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
        let Some(plan) = &self.plan else { return Ok(()) };
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
        capabilities::no_new_privileges()?; // all else builds on it
        if plan.demands[Layer::Privileges] == Demand::Off {
            return Ok(());
        }
        let outcome = capabilities::drop_all();
        self.found[PRIVILEGES] = number_of(&outcome);
        self.stop_if(|plan| plan.is_required(&[Layer::Privileges]), outcome)
    }

    /// The second half: nothing that is not granted works after it.
    pub fn restrict(&mut self) -> io::Result<()> {
        let done = self.restrict_and_prove();
        self.tell();
        done
    }

    fn restrict_and_prove(&mut self) -> io::Result<()> {
        let Some(plan) = &mut self.plan else { return Ok(()) };
        let target = if plan.in_namespace { 1 } else { plan.supervisor };
        let could_signal = canary::signal(target).is_ok();
        if let Ok((_, ruleset)) = &plan.landlock {
            let outcome = plan.name_itself(ruleset).and_then(|()| ruleset.restrict_self());
            self.found[LANDLOCK] = number_of(&outcome);
            self.stop_if(Plan::needs_landlock, outcome)?;
        }
        let Some(plan) = &mut self.plan else { return Ok(()) };
        if !plan.program.is_empty() || !plan.asking.is_empty() {
            let outcome = match plan.ask(self.found[LANDLOCK] == GOOD) {
                Some(Ok(listener)) => {
                    self.found[ASKING] = GOOD;
                    self.listener = Some(listener);
                    Ok(())
                }
                asked => {
                    self.found[ASKING] = asked.map_or(UNTRIED, |asked| number_of(&asked.map(drop)));
                    seccomp::install(&mut plan.program)
                }
            };
            self.found[SECCOMP] = number_of(&outcome);
            let is_malformed = matches!(self.found[SECCOMP], libc::EINVAL | libc::EFAULT);
            self.stop_if(|plan| is_malformed || plan.is_required(&BY_SECCOMP), outcome)?;
        }
        self.prove(target, could_signal)
    }

    /// Lets everything in force refuse something.
    fn prove(&mut self, target: i32, could_signal: bool) -> io::Result<()> {
        let Some(plan) = &self.plan else { return Ok(()) };
        let has_landlock = self.found[LANDLOCK] == GOOD;
        let has_filter = self.found[SECCOMP] == GOOD;
        let wants = |layer: Layer| plan.demands[layer] != Demand::Off;
        let version = plan.landlock.as_ref().map_or(0, |(version, _)| *version);
        let mut found = PerLayer::all(UNTRIED);
        let mut note = |layer: Layer, tried: canary::Tried, expected: i32| {
            let outcome = if tried == Err(expected) { GOOD } else { OPEN };
            if found[layer] != OPEN {
                found[layer] = outcome;
            }
        };
        if has_landlock
            && wants(Layer::Files)
            && let Some(sentinel) = &plan.sentinel
        {
            note(Layer::Files, canary::open(sentinel, libc::O_WRONLY), libc::EACCES);
            if plan.reads {
                note(Layer::Files, canary::open(sentinel, libc::O_RDONLY), libc::EACCES);
            }
        }
        if has_landlock && wants(Layer::Signals) && landlock::has_scopes(version) && could_signal {
            note(Layer::Signals, canary::signal(target), libc::EPERM);
        }
        if has_landlock
            && wants(Layer::TcpPorts)
            && landlock::has_ports(version)
            && let Some(tried) = canary::connect(plan.unlisted_port)
        {
            note(Layer::TcpPorts, tried, libc::EACCES);
        }
        if has_filter && wants(Layer::UnixSockets) {
            note(Layer::UnixSockets, canary::unix_socket(), libc::EPERM);
        }
        if has_filter && wants(Layer::SystemCalls) {
            let signal = Signal::KILL.as_raw();
            note(Layer::SystemCalls, canary::parent_death_signal(signal), libc::EPERM);
        }
        for layer in Layer::ALL {
            self.found[CANARIES + layer as usize] = found[layer];
        }
        let is_open = Layer::ALL.into_iter().any(|layer| found[layer] == OPEN);
        // a wall that is not there is worse than none, whether or not it was required
        if is_open { Err(io::Error::from_raw_os_error(libc::EPERM)) } else { Ok(()) }
    }

    fn stop_if(&mut self, is_fatal: impl FnOnce(&Plan) -> bool, outcome: io::Result<()>) -> io::Result<()> {
        match (&self.plan, outcome) {
            (Some(plan), Err(error)) if is_fatal(plan) => {
                self.tell();
                Err(error)
            }
            _ => Ok(()),
        }
    }

    /// Sends what was found to the supervisor. The socket has room for it.
    fn tell(&mut self) {
        let mut bytes = [0; TRIES * 4];
        for (place, found) in bytes.chunks_exact_mut(4).zip(self.found) {
            place.copy_from_slice(&found.to_le_bytes());
        }
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let listener = self.listener.as_ref().map(|listener| [listener.as_fd()]);
        if let Some(listener) = &listener {
            ancillary.push(SendAncillaryMessage::ScmRights(listener));
        }
        let bytes = [io::IoSlice::new(&bytes)];
        let _ = rustix::net::sendmsg(&self.results.1, &bytes, &mut ancillary, SendFlags::NOSIGNAL);
    }

    /// What the child has found, in the supervisor, after exec or its failure: each layer as it
    /// is. `started` is whether the exec was reached.
    ///
    /// # Errors
    /// The layer for which the child has stopped.
    pub fn outcome(self, started: bool) -> Result<Found, Refusal> {
        let (theirs, ours) = self.results;
        drop(ours);
        let Some(plan) = &self.plan else { return Ok(Found::default()) };
        let (found, listener) = hear(&theirs).unwrap_or(([UNTRIED; TRIES], None));
        let mut measured = PerLayer::<Measured>::default();
        for layer in Layer::ALL {
            if found[CANARIES + layer as usize] == OPEN {
                let reason = format!(
                    "it was put in force without an error, but what it has to refuse went through ({})",
                    plan.mechanism(layer)
                );
                return Err(Refusal { layer, reason });
            }
            measured[layer] = plan.measure(layer, &found);
        }
        let lacks = |layer: &Layer| {
            plan.demands[*layer] == Demand::Required && measured[*layer].enforced != Enforced::Full
        };
        if started {
            // the child has stopped for these before; nothing may go on if it has not
            if let Some(layer) = Layer::ALL.into_iter().find(lacks) {
                return Err(Refusal { layer, reason: measured[layer].reason.clone().unwrap_or_default() });
            }
            return Ok(Found { layers: Some(measured), listener });
        }
        // the child has stopped at the first that it could not do without
        let malformed = matches!(found[SECCOMP], libc::EINVAL | libc::EFAULT);
        let stopped = Layer::ALL.into_iter().find(|layer| {
            let at_filter = malformed && BY_SECCOMP.contains(layer) && plan.demands[*layer] != Demand::Off;
            (plan.demands[*layer] == Demand::Required || at_filter)
                && *layer != Layer::Processes
                && found.iter().any(|found| *found > GOOD)
                && measured[*layer].enforced != Enforced::Full
        });
        match stopped {
            Some(layer) => Err(Refusal { layer, reason: measured[layer].reason.clone().unwrap_or_default() }),
            None => Ok(Found { layers: Some(measured), listener }),
        }
    }
}

/// What a child has sent; nothing where it did not get so far.
fn hear(socket: &UnixStream) -> io::Result<([i32; TRIES], Option<OwnedFd>)> {
    let mut bytes = [0; TRIES * 4];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::WAITALL;
    let received =
        rustix::net::recvmsg(socket, &mut [io::IoSliceMut::new(&mut bytes)], &mut ancillary, flags)?;
    if received.bytes != TRIES * 4 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut found = [UNTRIED; TRIES];
    for (found, bytes) in found.iter_mut().zip(bytes.as_chunks::<4>().0) {
        *found = i32::from_le_bytes(*bytes);
    }
    let listener = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut listeners) => listeners.next(),
        _ => None,
    });
    Ok((found, listener))
}

fn number_of(outcome: &io::Result<()>) -> i32 {
    outcome.as_ref().map_or_else(|error| error.raw_os_error().unwrap_or(libc::EIO), |()| GOOD)
}
