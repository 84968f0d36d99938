//! How far a run came that did not come to its end, for one that goes on there.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::output::State;

/// A checkpoint, and the run that it is of: only the same one goes on from it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Checkpoint {
    /// The run's type.
    pub run_type: String,
    /// A hash of its data, which may hold secrets.
    #[serde(default)]
    pub data: String,
    /// How far it came.
    pub state: State,
}

impl Checkpoint {
    /// What is kept of a run's data.
    pub fn hash_of(data: &[Value]) -> String {
        let text = serde_json::to_vec(data).unwrap_or_default();
        blake3::hash(&text).to_hex()[..32].to_owned()
    }

    /// Whether it is of the same run as another one.
    pub fn is_of(&self, other: &Self) -> bool {
        (&self.run_type, &self.data) == (&other.run_type, &other.data)
    }

    /// Whether nothing is left of another one when this run has succeeded: it is the same, or what
    /// that one had saved was replaced.
    pub fn ends(&self, other: &Self) -> bool {
        self.is_of(other) || self.run_type == "FULL_REFRESH"
    }
}
