//! What is asked of a run.

use std::path::PathBuf;
use std::sync::Arc;

use crate::connectors::{Catalog, parameters, secret_names};
use crate::output::redact::Marked;
use crate::process::Reserved;
use crate::state::StateRun;

/// What is asked of a run, beside its options.
#[derive(Debug)]
pub struct RunRequest {
    /// The data mart's id and the run's.
    pub ids: (String, String),
    /// The source and the storage.
    pub names: Names,
    /// The connector's variables.
    pub variables: Vec<(String, String)>,
    /// Its descriptors.
    pub stdio: Reserved,
    /// Where the page about the run is written, if one is wanted.
    pub report: Option<PathBuf>,
    /// The state that was taken for it.
    pub state: Option<Arc<StateRun>>,
}

/// What a run needs to know of its configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The storage's name.
    pub storage: String,
    /// The source's name, where there is one.
    pub source: Option<String>,
}

impl Names {
    /// What the manifests mark as secret.
    pub(super) fn marked(&self, catalog: &Catalog) -> Marked {
        let of = |manifests, name| secret_names(&parameters(manifests, name));
        Marked {
            source: self.source.as_deref().map(|name| of(&catalog.sources, name)).unwrap_or_default(),
            storage: of(&catalog.storages, &self.storage),
        }
    }
}
