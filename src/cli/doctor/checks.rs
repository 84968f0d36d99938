//! What a run needs beside isolation: programs, folders, a connectors package.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{Check, DoctorArgs, Status};
use crate::connectors::locate;
use crate::environment::store::{self, store_root};
use crate::environment::{Remover, is_noexec, node_for, node_version, npm_version, runs_root};
use crate::host::Host;
use crate::state::{Store, state_folder};

/// The oldest Node.js that is supported.
const OLDEST_NODE: (u32, u32) = (20, 3);

/// All of them.
pub async fn all(args: &DoctorArgs, host: &Host) -> Vec<Check> {
    vec![
        node(host).await,
        npm(host),
        supervisor(host),
        runs(args, host),
        store(args, host),
        connectors(args, host),
        state(host),
    ]
}

async fn node(host: &Host) -> Check {
    const NAME: &str = "Node.js";
    let remedy = "Install Node.js 20.3 or later, put its folder first on the PATH, or name it with --node";
    let path = match node_for(&host.variables, host) {
        Ok(path) => path,
        Err(error) => return Check::bad(NAME, Status::Error, error.message, remedy),
    };
    let version = match node_version(&path, host).await {
        Ok(version) => version,
        Err(error) => return Check::bad(NAME, Status::Error, error.message, remedy),
    };
    let found = format!("{version} at {}", path.display());
    let mut parts = version.trim_start_matches('v').split('.').map_while(|part| part.parse::<u32>().ok());
    match (parts.next(), parts.next()) {
        (Some(major), Some(minor)) if (major, minor) >= OLDEST_NODE => Check::ok(NAME, found),
        _ => Check::bad(NAME, Status::Error, format!("{found} is too old"), remedy),
    }
}

fn npm(host: &Host) -> Check {
    match npm_version(host) {
        Ok((version, path)) => {
            let version = version.unwrap_or_else(|| "of unknown version".to_owned());
            Check::ok("npm", format!("{version} at {}", path.display()))
        }
        // what is in the store needs none
        Err(error) => Check::bad(
            "npm",
            Status::Warning,
            error.message,
            "Without it only environments that are in the store can be used (store warm on another machine)",
        ),
    }
}

fn supervisor(host: &Host) -> Check {
    const NAME: &str = "supervisor";
    let path = &host.supervisor;
    let is_program = fs::metadata(path)
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0);
    if is_program {
        return Check::ok(NAME, path.display().to_string());
    }
    let detail = format!("{} is not there, or is no program", path.display());
    Check::bad(
        NAME,
        Status::Error,
        detail,
        "Install the platform's package anew, or npm run build in a clone",
    )
}

/// Whether a file can be made there.
fn can_write(folder: &Path) -> std::io::Result<()> {
    tempfile::Builder::new().prefix(".doctor-").tempfile_in(folder).map(drop)
}

/// A folder that runs need; `if_noexec` is how bad it is where nothing in it can be loaded as a program.
fn folder(
    name: &'static str,
    folder: Result<std::path::PathBuf, String>,
    if_noexec: Status,
    remedy: &str,
) -> Check {
    let checked = folder.and_then(|path| {
        can_write(&path).map_err(|cause| format!("{} cannot be written: {cause}", path.display()))?;
        Ok(path)
    });
    match checked {
        Ok(path) if is_noexec(&path) => {
            let detail = format!(
                "{} is mounted noexec: native packages, such as DuckDB's, cannot be loaded from there",
                path.display()
            );
            Check::bad(name, if_noexec, detail, remedy)
        }
        Ok(path) => Check::ok(name, format!("{} can be written{}", path.display(), free(&path))),
        Err(why) => Check::bad(name, Status::Error, why, remedy),
    }
}

/// Free space, where the system tells.
fn free(path: &Path) -> String {
    let Ok(stat) = rustix::fs::statvfs(path) else { return String::new() };
    let megabytes = stat.f_bavail.saturating_mul(stat.f_frsize) / 1_000_000;
    if megabytes >= 10_000 {
        format!(", {} GB free", megabytes / 1000)
    } else {
        format!(", {megabytes} MB free")
    }
}

fn runs(args: &DoctorArgs, host: &Host) -> Check {
    let root = runs_root(args.runs_dir.as_deref(), host).map_err(|error| error.message);
    // without the store, packages are installed there
    folder(
        "runs folder",
        root,
        Status::Warning,
        "Name another with runsDir, --runs-dir or OWOX_RUNNER_RUNS_DIR",
    )
}

fn store(args: &DoctorArgs, host: &Host) -> Check {
    let root = store_root(args.store.as_deref(), host)
        .and_then(|root| store::Store::open(&root, Remover::of(host)).map(|_| root))
        .map_err(|error| error.message);
    folder("store", root, Status::Error, "Name another with storeDir, --store or OWOX_RUNNER_STORE")
}

fn state(host: &Host) -> Check {
    const NAME: &str = "state";
    let Some(folder) = state_folder(host) else {
        let detail = "no folder: neither XDG_STATE_HOME nor HOME is set, and the user database has no home of this \
                      user. Each incremental run of the command line loads everything";
        let remedy = "Set one of them, or name a file with run --state FILE";
        return Check::bad(NAME, Status::Warning, detail, remedy);
    };
    match Store::in_file(&folder.join("any.json").display().to_string(), host)
        .and_then(|store| store.try_out())
    {
        Ok(()) => Check::ok(NAME, format!("{} can be written", folder.display())),
        Err(error) => {
            let cause = error.message.rsplit_once(": ").map_or("", |(_, cause)| cause);
            let detail = format!("{} cannot be written: {cause}", folder.display());
            let remedy = "Name another with XDG_STATE_HOME, or run with --state FILE or --no-state";
            Check::bad(NAME, Status::Error, detail, remedy)
        }
    }
}

fn connectors(args: &DoctorArgs, host: &Host) -> Check {
    const NAME: &str = "connectors";
    match locate(args.connectors.as_deref(), host) {
        Ok(package) if package.is_fallback => Check::bad(
            NAME,
            Status::Warning,
            format!("only the reference package, {}", package.title()),
            "npm install @owox/connectors, or name a package with --connectors or OWOX_CONNECTORS_PACKAGE",
        ),
        Ok(package) => Check::ok(NAME, format!("{} at {}", package.title(), package.root.display())),
        Err(error) => {
            Check::bad(NAME, Status::Error, error.message, "Install the package, or name another one")
        }
    }
}
