//! What was asked of isolation and what was found, as `RunResult.isolation` has it.

use serde::Serialize;

use super::Isolation;
use crate::process::{Containment, Running};
use crate::protocol::policy::{Demand, Enforced, Layer, Measured, PerLayer};

/// What was asked of isolation, and what was found to be enforced.
#[derive(Debug, Clone, Serialize)]
pub struct IsolationReport {
    /// `none`, `standard` or `strict`.
    pub mode: &'static str,
    /// One by one.
    pub layers: Vec<LayerReport>,
    /// The same of npm, where it has installed for this run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub install: Option<Vec<LayerReport>>,
}

/// One layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LayerReport {
    /// What it is for.
    pub name: &'static str,
    /// `required`, `preferred` or `off`.
    pub requested: &'static str,
    /// `full`, `partial` or `none`.
    pub enforced: &'static str,
    /// By what.
    pub mechanism: String,
    /// Why it is not all that was asked for.
    pub reason: Option<String>,
}

impl IsolationReport {
    /// The report of a run, from what its supervisor has found. `gap` is what a grant leaves open.
    pub fn new(
        isolation: &Isolation,
        containment: Containment,
        found: Option<&PerLayer<Measured>>,
        gap: Option<&str>,
    ) -> Self {
        let layers = LayerReport::all(|layer| isolation.demand(layer), containment, found, gap);
        Self { mode: isolation.mode.name(), layers, install: None }
    }
}

impl LayerReport {
    /// The reports of all layers, from what a supervisor has found.
    fn all(
        demand: impl Fn(Layer) -> Demand,
        containment: Containment,
        found: Option<&PerLayer<Measured>>,
        gap: Option<&str>,
    ) -> Vec<Self> {
        let mut processes = Some(of_processes(containment));
        let layers = Layer::ALL.map(|layer| {
            let mut measured = match (layer, found) {
                (Layer::Processes, _) => processes.take().unwrap_or_default(),
                (_, Some(found)) => found[layer].clone(),
                (_, None) => Measured::none("it was not asked for"),
            };
            if layer == Layer::Files
                && measured.enforced == Enforced::Full
                && let Some(gap) = gap
            {
                measured = Measured::partial(measured.mechanism, gap);
            }
            Self::new(layer, demand(layer), measured)
        });
        layers.into()
    }

    /// The same of a program of ours that works for runs, with its policy, if it has one.
    pub fn of_helper(demands: Option<PerLayer<Demand>>, running: &mut Running) -> Vec<Self> {
        let demand = |layer: Layer| match demands {
            Some(demands) => demands[layer],
            None if layer == Layer::Processes => Demand::Preferred,
            None => Demand::Off,
        };
        let containment = std::mem::take(&mut running.containment);
        Self::all(demand, containment, running.layers.as_deref(), None)
    }

    /// The report of one layer.
    pub fn new(layer: Layer, demand: Demand, measured: Measured) -> Self {
        let Measured { enforced, mechanism, reason } = measured;
        Self {
            name: layer.name(),
            requested: demand.name(),
            enforced: enforced.name(),
            mechanism: if mechanism.is_empty() { "none".to_owned() } else { mechanism },
            reason,
        }
    }
}

/// Whether processes can outlive their run.
fn of_processes(containment: Containment) -> Measured {
    match (containment.namespace, containment.reason) {
        (true, reason) => {
            let unbounded = (!containment.bounded)
                .then(|| "how many processes there can be is not limited; Linux 6.14 can".to_owned());
            Measured { reason: reason.or(unbounded), ..Measured::full("PID namespace") }
        }
        (false, reason) => {
            let by =
                if containment.descendants { "supervisor that takes in orphans" } else { "process group" };
            Measured { reason, ..Measured::partial(by, String::new()) }
        }
    }
}
