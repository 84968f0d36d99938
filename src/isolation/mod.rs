//! Isolation: what is asked for, by mode and layer, and what of the file system a run gets.

mod grants;
mod links;
mod loading;
mod paths;
mod policy;
mod probe;
mod report;
mod seat_belt;

pub use grants::{Access, Grant, granted_by, manifest_grants};
pub use loading::reads_to_load;
pub use paths::named_by;
pub use policy::{Confined, Ground, for_helper, reads_of_node};
pub use probe::{probe, probe_helper};
pub use report::{IsolationReport, LayerReport};
pub use seat_belt::SeatBelt;

use crate::host::HelpersRead;
use crate::process::Namespace;
use crate::protocol::policy::{Demand, Layer};

/// How strictly a run is isolated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// As the original: a process, a session and a directory of its own.
    None,
    /// What today's connectors and hosts run under unchanged: each layer where the system has it.
    #[default]
    Standard,
    /// Only what is needed and granted; nothing starts without all layers.
    Strict,
}

impl Mode {
    /// Its name in options and reports.
    pub fn name(self) -> &'static str {
        match self {
            Mode::None => "none",
            Mode::Standard => "standard",
            Mode::Strict => "strict",
        }
    }

    /// The mode of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Mode::None, Mode::Standard, Mode::Strict].into_iter().find(|mode| mode.name() == name)
    }

    fn demand(self, layer: Layer) -> Demand {
        match (self, layer) {
            // today's connectors may use unix sockets
            (Mode::None, _) | (Mode::Standard, Layer::UnixSockets) => Demand::Off,
            (Mode::Standard, _) => Demand::Preferred,
            (Mode::Strict, _) => Demand::Required,
        }
    }
}

/// The option `isolation`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Isolation {
    /// What holds where nothing else is said.
    pub mode: Mode,
    /// Layers of which something else is said.
    pub demands: Vec<(Layer, Demand)>,
    /// Paths that may be read, as given.
    pub read: Vec<String>,
    /// Paths that may be read and written, as given.
    pub write: Vec<String>,
    /// Ports that TCP may connect to; all of them where absent.
    pub tcp_ports: Option<Vec<u16>>,
}

impl From<Mode> for Isolation {
    fn from(mode: Mode) -> Self {
        Self { mode, ..Self::default() }
    }
}

impl Isolation {
    /// What is said of a layer by itself.
    pub fn said_of(&self, layer: Layer) -> Option<Demand> {
        self.demands.iter().rev().find(|(said, _)| *said == layer).map(|(_, demand)| *demand)
    }

    /// How much a layer is wanted.
    pub fn demand(&self, layer: Layer) -> Demand {
        if layer == Layer::TcpPorts && self.tcp_ports.is_none() {
            return Demand::Off;
        }
        self.said_of(layer).unwrap_or_else(|| self.mode.demand(layer))
    }

    /// What programs may read that load a package's code before it runs: in every mode but `none` what
    /// `strict` lets a run read.
    pub fn helpers_read(&self) -> HelpersRead {
        match self.mode {
            Mode::None => HelpersRead::Everything,
            Mode::Standard | Mode::Strict => HelpersRead::Needed(self.read.clone()),
        }
    }

    /// Whether paths that a configuration names need to be granted.
    pub fn needs_grants(&self) -> bool {
        self.demand(Layer::Files) != Demand::Off
    }

    /// The namespace that the layer of the processes asks for.
    pub fn namespace(&self) -> Namespace {
        match self.demand(Layer::Processes) {
            Demand::Required => Namespace::Required,
            Demand::Preferred => Namespace::Preferred,
            Demand::Off => Namespace::Off,
        }
    }

    /// The same for every layer, none of them required: to see what a machine has.
    pub fn everything_preferred() -> Self {
        Self {
            mode: Mode::Strict,
            demands: Layer::ALL.map(|layer| (layer, Demand::Preferred)).to_vec(),
            tcp_ports: Some(Vec::new()),
            ..Self::default()
        }
    }
}
