//! Layers of isolation under the real helper, and where the system lacks or refuses one.

use std::path::PathBuf;

use owox_connector_runner::host::Host;
use owox_connector_runner::isolation::probe;

const SUPERVISOR: &str = env!("CARGO_BIN_EXE_connector-supervisor");

fn host() -> Host {
    Host { supervisor: PathBuf::from(SUPERVISOR), ..Host::default() }
}

#[tokio::test]
async fn this_machine_can_enforce_every_layer() {
    let report = probe(&host()).await.expect("a report");
    for layer in &report.layers {
        assert_eq!(layer.enforced, "full", "{layer:?}");
    }
}
