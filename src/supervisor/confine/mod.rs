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

use crate::protocol::Missing;
use crate::protocol::policy::{Demand, Enforced, Layer, Measured, PerLayer, Policy};
use plan::Plan;

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
    /// What is known to be missing before anything is tried. The process does not start then, and only
    /// tries what else is.
    hopeless: Vec<Missing>,
    /// The error of the first mechanism that nothing starts without. What comes after it is tried all
    /// the same, so that whoever reads of it learns of everything at once.
    fatal: Option<io::Error>,
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
    /// Rules that this system does not take as they are.
    pub fn prepare(
        policy: Option<&Policy>,
        in_namespace: bool,
        missing: Option<Missing>,
    ) -> Result<Self, Vec<Missing>> {
        let mut hopeless: Vec<_> = missing.into_iter().collect();
        let made = policy.map(|policy| Plan::new(policy, in_namespace)).transpose();
        let paired = UnixStream::pair()
            .map_err(|error| Missing::all_of(Layer::Privileges, format!("socketpair: {error}")));
        let (plan, results) = match made.and_then(|plan| Ok((plan, paired?))) {
            Ok(both) => both,
            Err(missing) => {
                hopeless.push(missing);
                return Err(hopeless);
            }
        };
        hopeless.extend(plan.iter().flat_map(Plan::what_cannot_be));
        Ok(Self { plan, found: [UNTRIED; TRIES], hopeless, fatal: None, listener: None, results })
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
        self.is_fatal_if(|plan| plan.is_required(&[Layer::Privileges]), outcome);
        Ok(())
    }

    /// The second half: nothing that is not granted works after it.
    pub fn restrict(&mut self) -> io::Result<()> {
        let is_open = self.restrict_and_prove();
        self.tell();
        match self.fatal.take() {
            Some(error) => Err(error),
            // a wall that is not there is worse than none, whether or not it was required
            None if is_open => Err(io::Error::from_raw_os_error(libc::EPERM)),
            None if !self.hopeless.is_empty() => Err(io::Error::from_raw_os_error(libc::ECANCELED)),
            None => Ok(()),
        }
    }

    /// Gives whether something went through that must not.
    fn restrict_and_prove(&mut self) -> bool {
        let Some(plan) = &mut self.plan else { return false };
        let target = if plan.in_namespace { 1 } else { plan.supervisor };
        let could_signal = canary::signal(target).is_ok();
        if let Ok((_, ruleset)) = &plan.landlock {
            let outcome = plan.name_itself(ruleset).and_then(|()| ruleset.restrict_self());
            self.found[LANDLOCK] = number_of(&outcome);
            self.is_fatal_if(Plan::needs_landlock, outcome);
        }
        let Some(plan) = &mut self.plan else { return false };
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
            self.is_fatal_if(|plan| is_malformed || plan.is_required(&BY_SECCOMP), outcome);
        }
        self.prove(target, could_signal)
    }

    /// Lets everything in force refuse something. Gives whether something was not refused.
    fn prove(&mut self, target: i32, could_signal: bool) -> bool {
        let Some(plan) = &self.plan else { return false };
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
        Layer::ALL.into_iter().any(|layer| found[layer] == OPEN)
    }

    fn is_fatal_if(&mut self, is_fatal: impl FnOnce(&Plan) -> bool, outcome: io::Result<()>) {
        if let (Some(plan), Err(error)) = (&self.plan, outcome)
            && is_fatal(plan)
        {
            self.fatal.get_or_insert(error);
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
    /// All layers for which the child has stopped.
    pub fn outcome(self, started: bool) -> Result<Found, Vec<Missing>> {
        let (theirs, ours) = self.results;
        drop(ours);
        let heard = self.plan.as_ref().and_then(|plan| Some((plan, hear(&theirs).ok()?)));
        let Some((plan, (found, listener))) = heard else {
            // without a policy, or before the child got so far
            return if self.hopeless.is_empty() { Ok(Found::default()) } else { Err(self.hopeless) };
        };
        let mut measured = PerLayer::<Measured>::default();
        for layer in Layer::ALL {
            if found[CANARIES + layer as usize] == OPEN {
                let reason = format!(
                    "it was put in force without an error, but what it has to refuse went through ({})",
                    plan.mechanism(layer)
                );
                return Err(vec![Missing::all_of(layer, reason)]);
            }
            measured[layer] = plan.measure(layer, &found);
        }
        let has_failed = !self.hopeless.is_empty() || found.iter().any(|found| *found > GOOD);
        // a filter that the system does not understand is a bug, whether or not it was required
        let malformed = matches!(found[SECCOMP], libc::EINVAL | libc::EFAULT);
        let lacks = |layer: &Layer| {
            let is_required = plan.demands[*layer] == Demand::Required
                || (malformed && BY_SECCOMP.contains(layer) && plan.demands[*layer] != Demand::Off);
            is_required && *layer != Layer::Processes && measured[*layer].enforced != Enforced::Full
        };
        let of_processes = self.hopeless.into_iter().filter(|missing| missing.layer == Layer::Processes);
        let others = Layer::ALL.into_iter().filter(lacks).map(|layer| Missing {
            layer,
            in_part: measured[layer].enforced == Enforced::Partial,
            reason: measured[layer].reason.clone().unwrap_or_default(),
            remedied_as: plan.stands_on(layer, &found),
        });
        let missing: Vec<_> = of_processes.chain(others).collect();
        // a child that has started has stopped for none of these; nothing may go on if it lacks one
        if missing.is_empty() || !(started || has_failed) {
            return Ok(Found { layers: Some(measured), listener });
        }
        Err(missing)
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
