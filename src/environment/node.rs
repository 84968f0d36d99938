//! Which native addons a `node` can load.

use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::SystemTime;

use crate::error::{Code, Result, RunnerError};
use crate::host::Host;
use crate::process::{self, EnvPolicy, Start, Supervision};

/// A program file and when it was changed.
type Program = (PathBuf, Option<SystemTime>);

static KNOWN: LazyLock<Mutex<HashMap<Program, String>>> = LazyLock::new(Mutex::default);

/// `process.versions.modules` of this program. It is only asked where it is not the host's own.
///
/// # Errors
/// `SPAWN_FAILED` when it cannot be started or does not answer like node.
pub async fn abi(node: &Path, host: &Host) -> Result<String> {
    let node = fs::canonicalize(node).unwrap_or_else(|_| node.to_owned());
    if fs::canonicalize(&host.exec_path).is_ok_and(|own| own == node) && !host.node_abi.is_empty() {
        return Ok(host.node_abi.clone());
    }
    let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let program = (node.clone(), fs::metadata(&node).and_then(|metadata| metadata.modified()).ok());
    if let Some(abi) = known().get(&program) {
        return Ok(abi.clone());
    }
    let abi = ask(&node, host).await?;
    known().insert(program, abi.clone());
    Ok(abi)
}

async fn ask(node: &Path, host: &Host) -> Result<String> {
    let failed = |cause: &dyn std::fmt::Display| {
        RunnerError::new(
            Code::SpawnFailed,
            format!("{} does not answer like Node.js: {cause}", node.display()),
        )
    };
    let nowhere = || fs::File::options().read(true).write(true).open("/dev/null").map(Into::into);
    let (mut reader, writer) = std::io::pipe().map_err(|cause| failed(&cause))?;
    let mut variables = EnvPolicy::Minimal.apply(host.variables.clone());
    variables.retain(|(name, _)| !name.starts_with("OW_"));
    let mut running = process::start(Start {
        supervisor: &host.supervisor,
        program: node,
        args: vec!["-p".into(), "process.versions.modules".into()],
        directory: Path::new("/"),
        variables,
        descriptors: vec![
            nowhere().map_err(|cause| failed(&cause))?,
            writer.into(),
            nowhere().map_err(|cause| failed(&cause))?,
        ],
        supervision: Supervision::default(),
    })
    .await?;
    let answer = tokio::task::spawn_blocking(move || {
        let mut answer = String::new();
        reader.read_to_string(&mut answer).map(|_| answer)
    });
    running.exit().await?;
    running.tree_gone().await?;
    let answer = answer.await.map_err(|cause| failed(&cause))?.map_err(|cause| failed(&cause))?;
    let abi = answer.trim();
    if abi.is_empty() || !abi.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(failed(&format!("process.versions.modules is {abi:?}")));
    }
    Ok(abi.to_owned())
}
