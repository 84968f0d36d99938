//! What is prepared before the fork, and what it means for each layer afterwards.

use std::ffi::CString;
use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use libc::sock_filter;

use super::landlock::{self, Ruleset};
use super::{BY_LANDLOCK, BY_SECCOMP, GOOD, LANDLOCK, PRIVILEGES, SECCOMP, UNTRIED, seccomp};
use crate::protocol::Missing;
use crate::protocol::landlock::version as landlock_version;
use crate::protocol::policy::{Demand, Enforced, Layer, Measured, PerLayer, Policy};

/// What `/proc` tells of the machine, for a process that does not see one of its own.
const OF_THE_MACHINE: [&str; 8] = [
    "/proc/cpuinfo",
    "/proc/filesystems",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/sys/vm",
    "/proc/uptime",
    "/proc/version",
];

/// What will be put in force.
#[derive(Debug)]
pub struct Plan {
    /// How much each layer is wanted.
    pub demands: PerLayer<Demand>,
    /// The version of Landlock, and the rules; or why there are none.
    pub landlock: Result<(u32, Ruleset), String>,
    /// The filter; empty where none is wanted.
    pub program: Vec<sock_filter>,
    /// The same, asking the supervisor about mode and times of files; empty where it is not asked.
    pub asking: Vec<sock_filter>,
    /// Whether reading is limited as well.
    pub reads: bool,
    /// Whether the process has a PID namespace of its own.
    pub in_namespace: bool,
    /// The supervisor's process id.
    pub supervisor: i32,
    /// A file that can be opened now, and must not be later.
    pub sentinel: Option<CString>,
    /// A port that is not listed.
    pub unlisted_port: u16,
}

impl Plan {
    /// Makes rules and filter.
    ///
    /// # Errors
    /// Rules that this system does not take as they are.
    pub fn new(policy: &Policy, in_namespace: bool) -> Result<Self, Missing> {
        let wants = |layer: Layer| policy.demands[layer] != Demand::Off;
        let reads = wants(Layer::Files) && policy.reads.is_some();
        let landlock = if BY_LANDLOCK.into_iter().any(wants) {
            rules(policy, in_namespace)?
        } else {
            Err("it was not asked for".to_owned())
        };
        let filter = seccomp::Wanted {
            system_calls: wants(Layer::SystemCalls),
            no_unix_sockets: wants(Layer::UnixSockets),
            tcp_only: wants(Layer::TcpPorts),
            reads_are_limited: reads,
            attributes: seccomp::Attributes::Free,
        };
        // Without rules for writing there is nothing to be completed. Where nobody can be asked,
        // today's connectors go on as they are, and the report says so.
        let has_rules = landlock.is_ok() && wants(Layer::Files);
        let unasked = if policy.demands[Layer::Files] == Demand::Required {
            seccomp::Attributes::Refused
        } else {
            seccomp::Attributes::Free
        };
        let with = |attributes| seccomp::Wanted { attributes, ..filter }.program();
        Ok(Self {
            demands: policy.demands,
            landlock,
            program: with(if has_rules { unasked } else { seccomp::Attributes::Free }),
            asking: if has_rules { with(seccomp::Attributes::Asked) } else { Vec::new() },
            reads,
            in_namespace,
            supervisor: rustix::process::getpid().as_raw_pid(),
            sentinel: policy.sentinel.as_ref().and_then(|path| sentinel(path)),
            unlisted_port: (1..=u16::MAX).find(|port| !policy.tcp_ports.contains(port)).unwrap_or(0),
        })
    }

    /// Before anything is forked: what is required and cannot be had, as far as that can be told.
    pub fn what_cannot_be(&self) -> Vec<Missing> {
        let mut hopeful = [UNTRIED; super::TRIES];
        hopeful[PRIVILEGES] = GOOD;
        hopeful[SECCOMP] = GOOD;
        hopeful[super::ASKING] = GOOD;
        if self.landlock.is_ok() {
            hopeful[LANDLOCK] = GOOD;
        }
        hopeful[super::CANARIES..].fill(GOOD);
        if self.sentinel.is_none() {
            hopeful[super::CANARIES + Layer::Files as usize] = UNTRIED;
        }
        let required = Layer::ALL.into_iter().filter(|layer| self.demands[*layer] == Demand::Required);
        required
            .map(|layer| (layer, self.measure(layer, &hopeful)))
            .filter(|(_, measured)| measured.enforced != Enforced::Full)
            .map(|(layer, measured)| Missing::all_of(layer, measured.reason.unwrap_or_default()))
            .collect()
    }

    /// The layer that a layer which is not whole is missing for: itself, or that of the filter.
    pub fn stands_on(&self, layer: Layer, found: &[i32; super::TRIES]) -> Layer {
        let by_landlock = self.of_landlock(found[LANDLOCK]).is_ok();
        if found[SECCOMP] != GOOD && by_landlock && BY_SECCOMP.contains(&layer) {
            return Layer::SystemCalls;
        }
        layer
    }

    /// Whether any of these is required.
    pub fn is_required(&self, layers: &[Layer]) -> bool {
        layers.iter().any(|layer| self.demands[*layer] == Demand::Required)
    }

    /// Whether nothing may start without Landlock: in a namespace signals find nobody anyway, and the
    /// filter by itself keeps from sockets.
    pub fn needs_landlock(&self) -> bool {
        self.is_required(&[Layer::Files, Layer::TcpPorts])
            || (!self.in_namespace && self.is_required(&[Layer::Signals]))
    }

    /// Adds what only the child can name: its own files in `/proc`.
    pub fn name_itself(&self, ruleset: &Ruleset) -> io::Result<()> {
        if !self.reads {
            return Ok(());
        }
        if self.in_namespace {
            // it shows no processes but those of this run
            return ruleset.allow_reading_of(c"/proc");
        }
        ruleset.allow_reading_of(c"/proc/self")
    }

    /// Puts the asking filter in force, where there is one and `has_rules`; gives whom it asks.
    pub fn ask(&mut self, has_rules: bool) -> Option<io::Result<OwnedFd>> {
        (has_rules && !self.asking.is_empty()).then(|| seccomp::install_asking(&mut self.asking))
    }

    /// Names what a layer is enforced by.
    pub fn mechanism(&self, layer: Layer) -> String {
        let landlock = match &self.landlock {
            Ok((version, _)) => format!("Landlock (ABI {version})"),
            Err(_) => "Landlock".to_owned(),
        };
        match layer {
            Layer::Processes => "PID namespace".to_owned(),
            Layer::Privileges => "no capabilities, no_new_privs".to_owned(),
            Layer::Files | Layer::Signals => landlock,
            Layer::UnixSockets | Layer::SystemCalls => "seccomp".to_owned(),
            Layer::TcpPorts => format!("{landlock}, seccomp"),
        }
    }

    /// What these results say of a layer.
    pub fn measure(&self, layer: Layer, found: &[i32; super::TRIES]) -> Measured {
        if self.demands[layer] == Demand::Off {
            return Measured::none("it was not asked for");
        }
        let mechanism = self.mechanism(layer);
        let by_landlock = self.of_landlock(found[LANDLOCK]);
        let by_seccomp = of_call("seccomp", found[SECCOMP]);
        let canary = found[super::CANARIES + layer as usize];
        match layer {
            Layer::Processes => Measured::full(mechanism), // the keeper of the tree knows better
            Layer::Privileges => match of_call("capset", found[PRIVILEGES]) {
                Ok(()) => Measured::full(mechanism),
                Err(reason) => Measured::partial("no_new_privs", format!("capabilities are left: {reason}")),
            },
            Layer::Files => match by_landlock {
                Err(reason) => Measured::none(reason),
                Ok(_) if canary == UNTRIED => Measured::partial(
                    mechanism,
                    "it is in force, but no file was found with which to prove it",
                ),
                Ok(version) => match (landlock::gap_in_files(version), self.of_attributes(found)) {
                    (Some(gap), _) => Measured::partial(mechanism, gap),
                    (_, Err(gap)) => Measured::partial(mechanism, gap),
                    (None, Ok(())) => Measured::full(mechanism),
                },
            },
            Layer::Signals => match by_landlock.and_then(with_scopes) {
                Ok(()) => Measured::full(mechanism),
                Err(_) if self.in_namespace => Measured::full("PID namespace"),
                Err(reason) => Measured::none(reason),
            },
            Layer::UnixSockets => match (by_seccomp, by_landlock.and_then(with_scopes)) {
                (Ok(()), _) => Measured::full(mechanism),
                (Err(reason), Ok(())) => Measured::partial(
                    self.mechanism(Layer::Files),
                    format!("sockets with a path stay open: {reason}"),
                ),
                (Err(reason), Err(_)) => Measured::none(reason),
            },
            Layer::TcpPorts => match (by_landlock.and_then(with_ports), by_seccomp) {
                (Ok(()), Ok(())) => Measured {
                    reason: Some("UDP stays open: this kernel's rules are for TCP only".to_owned()),
                    ..Measured::full(mechanism)
                },
                (Ok(()), Err(reason)) => Measured::partial(
                    self.mechanism(Layer::Files),
                    format!("multipath TCP and TCP Fast Open stay open, and UDP: {reason}"),
                ),
                (Err(reason), _) => Measured::none(reason),
            },
            Layer::SystemCalls => match by_seccomp {
                Ok(()) => Measured::full(mechanism),
                Err(reason) => Measured::none(reason),
            },
        }
    }

    /// Whether mode and times of files are covered as well.
    fn of_attributes(&self, found: &[i32; super::TRIES]) -> Result<(), String> {
        let why = match (found[super::ASKING], found[SECCOMP]) {
            (GOOD, GOOD) => return Ok(()),
            (_, GOOD) if self.demands[Layer::Files] == Demand::Required => return Ok(()),
            (asking, GOOD) => of_call("seccomp with a listener", asking),
            (_, seccomp) => of_call("seccomp", seccomp),
        };
        let why = why.err().unwrap_or_default();
        Err(format!("mode and times of files of the same user can be changed everywhere: {why}"))
    }

    /// The version in force, or why there is none.
    fn of_landlock(&self, found: i32) -> Result<u32, String> {
        let (version, _) = self.landlock.as_ref().map_err(Clone::clone)?;
        of_call("landlock_restrict_self", found).map(|()| *version)
    }
}

fn with_scopes(version: u32) -> Result<(), String> {
    if landlock::has_scopes(version) {
        return Ok(());
    }
    Err(format!("Landlock has no scopes here (ABI {version}); Linux 6.12 has them"))
}

fn with_ports(version: u32) -> Result<(), String> {
    if landlock::has_ports(version) {
        return Ok(());
    }
    Err(format!("Landlock has no rules for ports here (ABI {version}); Linux 6.7 has them"))
}

fn of_call(call: &str, found: i32) -> Result<(), String> {
    match found {
        GOOD => Ok(()),
        UNTRIED => Err(format!("{call} was not reached")),
        error => Err(format!("{call}: {}", io::Error::from_raw_os_error(error))),
    }
}

/// The rules; or why this system has none for anything.
fn rules(policy: &Policy, in_namespace: bool) -> Result<Result<(u32, Ruleset), String>, Missing> {
    let wants = |layer: Layer| policy.demands[layer] != Demand::Off;
    let version = match landlock_version() {
        Ok(version) => version,
        Err(error) => {
            let why = match error.raw_os_error() {
                Some(libc::ENOSYS) => "this kernel has no Landlock (Linux 5.13 has), or a sandbox hides it",
                Some(libc::EOPNOTSUPP) => {
                    "Landlock is switched off; the kernel's parameter lsm= must list landlock"
                }
                _ => "Landlock is refused",
            };
            return Ok(Err(format!("{why}: landlock_create_ruleset: {error}")));
        }
    };
    let wanted = landlock::Wanted {
        writes: wants(Layer::Files),
        reads: wants(Layer::Files) && policy.reads.is_some(),
        ports: wants(Layer::TcpPorts) && landlock::has_ports(version),
        signals: wants(Layer::Signals) && landlock::has_scopes(version),
        abstract_sockets: wants(Layer::UnixSockets) && landlock::has_scopes(version),
    };
    if !wanted.anything() {
        return Ok(Err(format!("Landlock (ABI {version}) knows nothing of what is wanted")));
    }
    let ruleset = match Ruleset::new(wanted, version) {
        Ok(ruleset) => ruleset,
        Err(error) => return Ok(Err(format!("landlock_create_ruleset: {error}"))),
    };
    let add = || {
        for path in policy.reads.iter().flatten() {
            ruleset.allow_reading(path)?;
        }
        if wanted.reads && !in_namespace {
            OF_THE_MACHINE.into_iter().try_for_each(|path| ruleset.allow_reading(path))?;
        }
        for path in &policy.writes {
            ruleset.allow_writing(path)?;
        }
        for (place, descriptor) in policy.places() {
            ruleset.allow_opened(descriptor.as_fd(), place.is_written)?;
        }
        if wanted.ports {
            policy.tcp_ports.iter().try_for_each(|port| ruleset.allow_port(*port))?;
        }
        Ok::<_, io::Error>(())
    };
    // rules that the kernel does not take would leave less than was granted
    add().map_err(|error| Missing::all_of(Layer::Files, format!("landlock_add_rule: {error}")))?;
    Ok(Ok((version, ruleset)))
}

/// The file, if it can be opened to read and write now.
fn sentinel(path: &str) -> Option<CString> {
    OpenOptions::new().read(true).write(true).open(path).ok()?;
    CString::new(path).ok()
}
