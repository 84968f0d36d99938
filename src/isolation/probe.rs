//! What a machine can enforce, without a connector.

use std::fs::File;
use std::path::Path;

use super::{Ground, Isolation, IsolationReport, LayerReport, for_helper, reads_to_load};
use crate::error::{Code, Result, RunnerError};
use crate::host::Host;
use crate::process::{self, Namespace, Running, Start, Supervision};
use crate::protocol::policy::Policy;

/// The helper's word for doing nothing.
const NOTHING: &str = "nothing";

/// Puts every layer in force for a process that does nothing, with the proofs of a real run, and
/// reports what there was. Takes a few milliseconds.
///
/// # Errors
/// `SPAWN_FAILED` when the helper does not start, `ISOLATION_UNAVAILABLE` when a layer is there
/// but does not hold.
pub async fn probe(host: &Host) -> Result<IsolationReport> {
    let directory = tempfile::tempdir_in(host.temporary_folder()).map_err(|cause| failed(&cause))?;
    let isolation = Isolation::everything_preferred();
    let ground = Ground {
        directory: directory.path(),
        node: &host.supervisor,
        bootstrap: &host.supervisor,
        grants: &[],
        environment: None,
        own: &[],
        shared: &[],
        host,
    };
    let confined = isolation.confine(&ground, &mut Vec::new())?;
    let mut running = start(confined.policy.as_ref(), isolation.namespace(), directory.path(), host).await?;
    let containment = std::mem::take(&mut running.containment);
    let report = IsolationReport::new(&isolation, containment, running.layers.as_deref(), None);
    end(running).await?;
    Ok(report)
}

/// The same for a program of ours that works for runs, with the network or without.
///
/// # Errors
/// As [`probe`].
pub async fn probe_helper(has_network: bool, host: &Host) -> Result<Vec<LayerReport>> {
    let directory = tempfile::tempdir_in(host.temporary_folder()).map_err(|cause| failed(&cause))?;
    let own = [directory.path().to_owned()];
    let reads = (!has_network).then(|| reads_to_load(directory.path(), &[], &host.supervisor, host));
    let confined = for_helper(directory.path(), &own, reads.flatten().as_deref(), has_network, host);
    let policy = confined.policy.as_ref();
    let mut running = start(policy, Namespace::Preferred, directory.path(), host).await?;
    let layers = LayerReport::of_helper(policy.map(|policy| policy.demands), &mut running);
    end(running).await?;
    Ok(layers)
}

fn failed(cause: &std::io::Error) -> RunnerError {
    RunnerError::new(Code::SpawnFailed, format!("isolation cannot be tried: {cause}"))
}

async fn start(
    policy: Option<&Policy>,
    namespace: Namespace,
    directory: &Path,
    host: &Host,
) -> Result<Running> {
    let nowhere = || {
        let opened = File::options().read(true).write(true).open("/dev/null");
        opened.map(Into::into).map_err(|cause| failed(&cause))
    };
    process::start(Start {
        supervisor: &host.supervisor,
        program: &host.supervisor,
        args: vec![NOTHING.to_owned()],
        directory,
        variables: Vec::new(),
        descriptors: vec![nowhere()?, nowhere()?, nowhere()?],
        held: Vec::new(),
        supervision: Supervision { namespace, ..Supervision::default() },
        policy: policy.cloned(),
    })
    .await
}

async fn end(mut running: Running) -> Result<()> {
    running.exit().await?;
    running.tree_gone().await?;
    Ok(())
}
