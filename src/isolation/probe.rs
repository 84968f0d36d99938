//! What a machine can enforce, without a connector.

use std::fs::File;

use super::{Ground, Isolation, IsolationReport};
use crate::error::{Code, Result, RunnerError};
use crate::host::Host;
use crate::process::{self, Start, Supervision};

/// The helper's word for doing nothing.
const NOTHING: &str = "nothing";

/// Puts every layer in force for a process that does nothing, with the proofs of a real run, and
/// reports what there was. Takes a few milliseconds.
///
/// # Errors
/// `SPAWN_FAILED` when the helper does not start, `ISOLATION_UNAVAILABLE` when a layer is there
/// but does not hold.
pub async fn probe(host: &Host) -> Result<IsolationReport> {
    let failed = |cause: std::io::Error| {
        RunnerError::new(Code::SpawnFailed, format!("isolation cannot be tried: {cause}"))
    };
    let directory = tempfile::tempdir_in(host.temporary_folder()).map_err(failed)?;
    let isolation = Isolation::everything_preferred();
    let ground = Ground {
        directory: directory.path(),
        node: &host.supervisor,
        bootstrap: &host.supervisor,
        grants: &[],
        own: &[],
        shared: &[],
        host,
    };
    let mut confined = isolation.confine(&ground, &mut Vec::new())?;
    let nowhere = || File::options().read(true).write(true).open("/dev/null").map(Into::into);
    let mut running = process::start(Start {
        supervisor: &host.supervisor,
        program: &host.supervisor,
        args: vec![NOTHING.to_owned()],
        directory: directory.path(),
        variables: Vec::new(),
        descriptors: vec![nowhere().map_err(failed)?, nowhere().map_err(failed)?, nowhere().map_err(failed)?],
        held: Vec::new(),
        supervision: Supervision { namespace: isolation.namespace(), ..Supervision::default() },
        policy: confined.policy.take(),
    })
    .await?;
    let containment = std::mem::take(&mut running.containment);
    let report = IsolationReport::new(&isolation, containment, running.layers.as_deref(), None);
    running.exit().await?;
    running.tree_gone().await?;
    Ok(report)
}
