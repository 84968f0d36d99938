//! What was asked of isolation and what was found, as `RunResult.isolation` has it.

use serde::Serialize;

use super::Isolation;
use crate::process::Containment;
use crate::process::policy::{Demand, Enforced, Layer, Measured, PerLayer};

/// What was asked of isolation, and what was found to be enforced.
#[derive(Debug, Clone, Serialize)]
pub struct IsolationReport {
    /// `none`, `standard` or `strict`.
    pub mode: &'static str,
    /// One by one.
    pub layers: Vec<LayerReport>,
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
            LayerReport::new(layer, isolation.demand(layer), measured)
        });
        Self { mode: isolation.mode.name(), layers: layers.into() }
    }
}

impl LayerReport {
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
