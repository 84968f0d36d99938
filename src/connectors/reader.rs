//! The process that loads a connectors package and describes it: foreign code, confined and limited.

use std::io::Read;

use super::Package;
use super::catalog::unloadable;
use super::locate::global_folders;
use crate::environment::{Remover, RunFolder};
use crate::error::{Result, RunnerError};
use crate::host::Host;
use crate::isolation::{for_helper, reads_to_load};
use crate::manifest::CONNECTORS_PACKAGE;
use crate::process::{self, Cause, Exit, HELPER_MEMORY_BYTES, Start};

/// What it runs.
pub const SCRIPT: &str = concat!(include_str!("load.js"), include_str!("catalog.js"));

/// Most bytes that it may answer: many times what real packages do.
pub const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// Loads the package, and gives the script's answer.
///
/// # Errors
/// `CONNECTORS_NOT_FOUND` when it does not answer, or more than it may.
pub async fn load(package: &Package, host: &Host, argument: &str) -> Result<Vec<u8>> {
    let failed = |cause: std::io::Error| unloadable(package, &cause);
    let folder = folder_with_link(package, host)?;
    let arguments = [SCRIPT, &package.root.to_string_lossy(), &folder.path().to_string_lossy(), argument];
    let nowhere = || Ok(std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?.into());
    let (mut reader, writer) = std::io::pipe().map_err(failed)?;
    // it is foreign code, and has nothing to do but to answer
    let node = process::find_node(&host.variables, host)?;
    let mut reads = reads_to_load(&package.root, &global_folders(host), &node, host);
    if let Some(reads) = &mut reads {
        reads.push(folder.path().to_owned());
    }
    let confined = for_helper(&package.root, &[], reads.as_deref(), false, host);
    let mut running = process::start(Start {
        supervisor: &host.supervisor,
        program: &node,
        args: ["-e"].into_iter().chain(arguments).map(str::to_owned).collect(),
        directory: &package.root,
        variables: process::variables_for_helper(host),
        held: Vec::new(),
        descriptors: vec![
            nowhere().map_err(failed)?,
            nowhere().map_err(failed)?,
            nowhere().map_err(failed)?,
            writer.into(),
        ],
        supervision: process::watch_helper(HELPER_MEMORY_BYTES),
        policy: confined.policy.clone(),
    })
    .await?;
    let answer = tokio::task::spawn_blocking(move || {
        let mut answer = Vec::new();
        (&mut reader).take(MAX_BYTES + 1).read_to_end(&mut answer).map(|_| answer)
    });
    let ended = async {
        let exit = running.exit().await?;
        running.tree_gone().await.map(|_| exit)
    };
    tokio::pin!(ended, answer);
    // a process that it has started may hold the pipe, and go only when all of its tree does
    let (exit, answer) = tokio::select! {
        answer = &mut answer => (None, answer),
        exit = &mut ended => (Some(exit?), answer.await),
    };
    let answer = answer.map_err(|cause| unloadable(package, &cause))?.map_err(failed)?;
    if answer.len() as u64 > MAX_BYTES {
        // what is dropped here ends the process
        let limit = MAX_BYTES / (1024 * 1024);
        return Err(unloadable(package, &format!("it describes itself with more than {limit} MB")));
    }
    let exit = match exit {
        Some(exit) => exit,
        None => ended.await?,
    };
    check_end(package, exit, &answer)?;
    Ok(answer)
}

/// A folder in whose `node_modules` a link leads to the package: Node.js reads a package's `exports`
/// only where the package is required by name, and this name is the one that environments have it by.
/// It goes when it is dropped.
fn folder_with_link(package: &Package, host: &Host) -> Result<RunFolder> {
    let folder = RunFolder::create(&host.temporary_folder(), "connectors", "look", &Remover::of(host))?;
    let link = folder.path().join("node_modules").join(CONNECTORS_PACKAGE);
    let made = std::fs::create_dir_all(link.parent().unwrap_or(&link))
        .and_then(|()| std::os::unix::fs::symlink(&package.root, &link));
    made.map_err(|cause| RunnerError::file("link the connectors package at", &link, &cause))?;
    Ok(folder)
}

/// Whether it ended as it should.
fn check_end(package: &Package, exit: Exit, answer: &[u8]) -> Result<()> {
    if exit.cause == Cause::Memory {
        let limit = HELPER_MEMORY_BYTES >> 30;
        return Err(unloadable(package, &format!("it used more than {limit} GB of memory")));
    }
    if answer.is_empty() {
        return Err(unloadable(package, &format!("its process ended with {:?}", exit.code.or(exit.signal))));
    }
    Ok(())
}
