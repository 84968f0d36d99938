//! Which native addons a `node` can load.

use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::cancellation::Cancellation;
use crate::error::{Code, Result, RunnerError};
use crate::host::Host;
use crate::isolation::{for_helper, reads_to_load};
use crate::process::{self, HELPER_MEMORY_BYTES, Start};

/// A program file, when it was changed, and what it was asked.
type Question = (PathBuf, Option<SystemTime>, &'static [&'static str]);

static KNOWN: LazyLock<Mutex<HashMap<Question, String>>> = LazyLock::new(Mutex::default);

/// `process.versions.modules` of this program. It is only asked where it is not the host's own.
///
/// # Errors
/// `SPAWN_FAILED` when it cannot be started or does not answer like node.
pub async fn abi(node: &Path, host: &Host) -> Result<String> {
    let node = fs::canonicalize(node).unwrap_or_else(|_| node.to_owned());
    let is_hosts = || fs::canonicalize(&host.exec_path).is_ok_and(|own| own == node);
    if host.runtime.is_none() && is_hosts() && !host.node_abi.is_empty() {
        return Ok(host.node_abi.clone());
    }
    let abi = ask(&node, &["-p", "process.versions.modules"], host).await?;
    if abi.is_empty() || !abi.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(failed(&node, &format!("process.versions.modules is {abi:?}")));
    }
    Ok(abi)
}

/// The options that this program knows, as its help has them.
///
/// # Errors
/// `SPAWN_FAILED` when it cannot be started.
pub async fn help(node: &Path, host: &Host) -> Result<String> {
    ask(&fs::canonicalize(node).unwrap_or_else(|_| node.to_owned()), &["--help"], host).await
}

/// What a program answers to these arguments; it is asked once.
async fn ask(node: &Path, args: &'static [&'static str], host: &Host) -> Result<String> {
    let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let changed = fs::metadata(node).and_then(|metadata| metadata.modified()).ok();
    let question = (node.to_owned(), changed, args);
    if let Some(answer) = known().get(&question) {
        return Ok(answer.clone());
    }
    let limit = Cancellation::default();
    let answer = run(node, args, Path::new("/"), &[], None, host, &limit);
    let answer = limit.within(Some(ANSWER_LIMIT), answer).await;
    let answer = answer.map_err(|cause| failed(node, &cause.message))?.trim().to_owned();
    known().insert(question, answer.clone());
    Ok(answer)
}

/// `process.version` of this program, such as `v24.1.0`.
///
/// # Errors
/// `SPAWN_FAILED` when it cannot be started.
pub async fn version(node: &Path, host: &Host) -> Result<String> {
    ask(node, &["-p", "process.version"], host).await
}

fn failed(node: &Path, cause: &dyn std::fmt::Display) -> RunnerError {
    RunnerError::new(Code::SpawnFailed, format!("{} does not answer like Node.js: {cause}", node.display()))
}

/// Runs node to its end, without anything of the host's secrets, and gives what it wrote to stdout.
/// It may write in these folders only, and has no network: packages that it loads are foreign code.
async fn run(
    node: &Path,
    args: &[&str],
    directory: &Path,
    writable: &[PathBuf],
    lock: Option<&OwnedFd>,
    host: &Host,
    cancellation: &Cancellation,
) -> Result<String> {
    let unusable = |cause: std::io::Error| failed(node, &cause);
    let nowhere = || fs::File::options().read(true).write(true).open("/dev/null").map(Into::into);
    let (mut reader, writer) = std::io::pipe().map_err(unusable)?;
    // without packages there is nothing foreign that is loaded
    let mut reads = (!writable.is_empty()).then(|| reads_to_load(directory, &[], node, host)).flatten();
    // packages that the environment has by links
    if let Some(reads) = &mut reads {
        reads.extend(fs::canonicalize(directory.join("shared")));
    }
    let confined = for_helper(directory, writable, reads.as_deref(), false, host);
    let mut running = process::start(Start {
        supervisor: &host.supervisor,
        program: node,
        args: args.iter().map(|arg| (*arg).to_owned()).collect(),
        directory,
        variables: process::variables_for_helper(host),
        descriptors: vec![nowhere().map_err(unusable)?, writer.into(), nowhere().map_err(unusable)?],
        held: lock.and_then(|lock| lock.try_clone().ok()).into_iter().collect(),
        supervision: process::watch_helper(HELPER_MEMORY_BYTES),
        policy: confined.policy.clone(),
    })
    .await?;
    let answer = tokio::task::spawn_blocking(move || {
        let mut answer = String::new();
        (&mut reader).take(MOST_ANSWERED).read_to_string(&mut answer)?;
        // whoever says more is listened to no longer, and not held up
        std::io::copy(&mut reader, &mut std::io::sink()).map(|_| answer)
    });
    running.exit_unless(cancellation, Duration::ZERO).await?;
    running.tree_gone_unless(cancellation, Duration::ZERO).await?;
    answer.await.map_err(|cause| failed(node, &cause))?.map_err(unusable)
}

/// Lets node compile these packages of an environment, and keeps what it made in the environment's
/// folder `compiled`, where it has a compile cache (22.1 and later). Without it runs start a little
/// later and nothing else, so failures do not matter.
///
/// Node writes what it misses into such a folder, which read-only files do not keep root from: a run
/// uses it only where it cannot write there.
pub async fn compile(node: &Path, directory: &Path, packages: &[&str], lock: Option<&OwnedFd>, host: &Host) {
    let args: Vec<_> = ["-e", COMPILE].into_iter().chain(packages.iter().copied()).collect();
    // what is given up must not write any more when the environment is sealed: its end is waited for
    let limit = Cancellation::default();
    let elsewhere = fs::canonicalize(directory.join("compiled")).ok();
    let writable: Vec<_> = std::iter::once(directory.to_owned()).chain(elsewhere).collect();
    let compiled = run(node, &args, directory, &writable, lock, host, &limit);
    let _ = limit.within(Some(COMPILE_LIMIT), compiled).await;
}

/// Most bytes of an answer.
const MOST_ANSWERED: u64 = 1024 * 1024;

/// Longest time for an answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// Longest time that [`compile`] may take.
const COMPILE_LIMIT: Duration = Duration::from_secs(30);

const COMPILE: &str = r"
    const { createRequire, enableCompileCache, flushCompileCache } = require('node:module');
    if (enableCompileCache) {
        enableCompileCache(require('node:path').resolve('compiled'));
        const load = createRequire(process.cwd() + '/main.js');
        for (const name of process.argv.slice(1)) {
            try { load(name); } catch {}
        }
        flushCompileCache?.();
    }
    process.exit();
";
