//! What a process may do: what the host asks for, layer by layer, and what the supervisor has
//! measured of it. Both sides share this file.

use std::ops::{Index, IndexMut};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// One layer of isolation. Each can be enforced, or missing, by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Layer {
    /// No process outlives its run, or sees those of others.
    Processes,
    /// No capabilities, none to be had by exec, no core files.
    Privileges,
    /// Files are written, and in strict read, only where that is granted.
    Files,
    /// No signals to processes outside.
    Signals,
    /// No unix sockets to processes outside.
    UnixSockets,
    /// TCP connections to listed ports only.
    TcpPorts,
    /// System calls that no connector needs are refused.
    SystemCalls,
}

impl Layer {
    /// All of them, in the order of a report.
    pub const ALL: [Layer; 7] = [
        Layer::Processes,
        Layer::Privileges,
        Layer::Files,
        Layer::Signals,
        Layer::UnixSockets,
        Layer::TcpPorts,
        Layer::SystemCalls,
    ];

    /// Its name in options and reports.
    pub fn name(self) -> &'static str {
        match self {
            Layer::Processes => "processes",
            Layer::Privileges => "privileges",
            Layer::Files => "files",
            Layer::Signals => "signals",
            Layer::UnixSockets => "unixSockets",
            Layer::TcpPorts => "tcpPorts",
            Layer::SystemCalls => "systemCalls",
        }
    }

    /// What a machine needs for it.
    pub fn remedy(self) -> &'static str {
        match self {
            Layer::Processes => {
                "Allow user namespaces (kernel.unprivileged_userns_clone=1, \
                 kernel.apparmor_restrict_unprivileged_userns=0; in a container, a seccomp profile that \
                 allows clone with CLONE_NEWUSER and mount)"
            }
            Layer::Privileges => "Allow capset and prctl in the container's seccomp profile",
            Layer::Files => "Use Linux 6.2 or later with Landlock switched on (lsm=landlock,…)",
            Layer::Signals => "Use Linux 6.12 or later with Landlock switched on (lsm=landlock,…)",
            Layer::TcpPorts => "Use Linux 6.7 or later with Landlock switched on (lsm=landlock,…)",
            Layer::UnixSockets | Layer::SystemCalls => {
                "Use a kernel with CONFIG_SECCOMP_FILTER, and allow seccomp in the container's profile"
            }
        }
    }
}

/// One thing for each layer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PerLayer<T>([T; Layer::ALL.len()]);

impl<T: Copy> PerLayer<T> {
    /// The same for all.
    pub fn all(value: T) -> Self {
        Self([value; Layer::ALL.len()])
    }
}

impl<T> Index<Layer> for PerLayer<T> {
    type Output = T;

    fn index(&self, layer: Layer) -> &T {
        &self.0[layer as usize]
    }
}

impl<T> IndexMut<Layer> for PerLayer<T> {
    fn index_mut(&mut self, layer: Layer) -> &mut T {
        &mut self.0[layer as usize]
    }
}

/// How much a layer is wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Demand {
    /// Nothing starts without it.
    Required,
    /// Where the system allows it; otherwise the report says why not.
    Preferred,
    /// No.
    #[default]
    Off,
}

impl Demand {
    /// The word for it in options and reports.
    pub fn name(self) -> &'static str {
        match self {
            Demand::Required => "required",
            Demand::Preferred => "preferred",
            Demand::Off => "off",
        }
    }
}

/// A file or folder that the host has found for a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// Where it was, for what knows nothing but paths.
    pub path: String,
    /// Whether it may be written, or else read.
    pub is_written: bool,
}

/// What a process may do. Without one it may do all that its user may.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Policy {
    /// How much each layer is wanted.
    pub demands: PerLayer<Demand>,
    /// Files and folders, with all that is in them, that may be read; `None`: everything.
    pub reads: Option<Vec<String>>,
    /// Those that may be written, too.
    pub writes: Vec<String>,
    /// Ports that TCP may connect to, where that layer is wanted.
    pub tcp_ports: Vec<u16>,
    /// A file that can be opened, and that nothing here grants: the process must fail to open it
    /// before it starts.
    pub sentinel: Option<String>,
    /// Further ones that may be read or written: these are granted by descriptor, since a path may lead
    /// elsewhere by the time that it is looked at.
    #[serde(default)]
    pub opened: Vec<Opened>,
    /// Their descriptors, in the same order. They go beside the frame.
    #[serde(skip)]
    pub descriptors: Vec<Arc<OwnedFd>>,
}

impl Policy {
    /// What was opened, with its descriptors.
    pub fn places(&self) -> impl Iterator<Item = (&Opened, &Arc<OwnedFd>)> {
        self.opened.iter().zip(&self.descriptors)
    }
}

/// How much of a layer is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Enforced {
    /// All that was asked for.
    Full,
    /// A part; the reason says what is missing.
    Partial,
    /// Nothing.
    #[default]
    None,
}

impl Enforced {
    /// The word for it in a report.
    pub fn name(self) -> &'static str {
        match self {
            Enforced::Full => "full",
            Enforced::Partial => "partial",
            Enforced::None => "none",
        }
    }
}

/// What was found of a layer, by trying.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// How much of it is there.
    pub enforced: Enforced,
    /// By what.
    pub mechanism: String,
    /// Why it is not all that was asked for, or what it leaves open.
    pub reason: Option<String>,
}

impl Measured {
    /// A layer that is there.
    pub fn full(mechanism: impl Into<String>) -> Self {
        Self { enforced: Enforced::Full, mechanism: mechanism.into(), reason: None }
    }

    /// A layer that is not there.
    pub fn none(reason: impl Into<String>) -> Self {
        Self { enforced: Enforced::None, mechanism: String::new(), reason: Some(reason.into()) }
    }

    /// A part of a layer.
    pub fn partial(mechanism: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { enforced: Enforced::Partial, mechanism: mechanism.into(), reason: Some(reason.into()) }
    }
}
