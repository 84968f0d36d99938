//! Installing with npm.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::unix::pipe;

use super::npmrc;
use crate::error::{Code, Result, RunnerError};
use crate::host::Host;
use crate::isolation::{Confined, LayerReport, for_helper};
use crate::manifest::PackageManifest;
use crate::output::Tail;
use crate::process::{self, Exit, Start, Supervision};
use crate::run::Cancellation;

/// Packages whose install script always may run: 0.11 needs this one, and it must be compiled
/// where no binary fits.
const MAY_BUILD: [&str; 1] = ["@kaciras/deasync"];

/// Flags of every install. Scripts of dependencies do not run; `--install-links` copies the
/// connectors package, since a linked one would leave its own dependencies out.
const FLAGS: [&str; 7] = [
    "--ignore-scripts",
    "--install-links",
    "--omit=dev",
    "--no-audit",
    "--no-fund",
    "--no-progress",
    "--no-update-notifier",
];

/// What npm has in its cache is taken unasked, as old as it may be: most environments are made so
/// without a word to the registry.
const CACHED: &str = "--prefer-offline";

/// The registry is asked, also for what is in the cache.
const FRESH: &str = "--prefer-online";

/// From SIGTERM to SIGKILL for npm, which needs no time to end.
const GRACE: Duration = Duration::from_secs(2);

/// Bytes of npm's output that go into an error.
const OUTPUT_BYTES: usize = 16 * 1024;

/// How to install.
#[derive(Debug, Clone, Copy, Default)]
pub struct Install<'a> {
    /// Exactly what the directory's lockfile says.
    pub pinned: bool,
    /// Further packages whose install scripts may run.
    pub scripts: &'a [String],
    /// Whether npm may do all that its user may, and has all of the host's variables.
    pub is_free: bool,
    /// The lock on the directory. npm's supervisor holds it as well, so that nobody takes the directory
    /// for left behind while npm outlives a host that was killed.
    pub lock: Option<&'a OwnedFd>,
}

/// npm's major version, read from its folder without starting it; `None` where there is no npm.
/// 0 where it is not laid out as npm is.
pub fn major_version(host: &Host) -> Option<u32> {
    let (version, _) = version(host).ok()?;
    Some(version.and_then(|version| version.split('.').next()?.parse().ok()).unwrap_or(0))
}

/// npm's version, where it is laid out as npm is, and where it was found.
///
/// # Errors
/// `INSTALL_FAILED` where there is no npm.
pub fn version(host: &Host) -> Result<(Option<String>, PathBuf)> {
    let npm = process::find_npm(&host.variables, &host.cwd, &host.exec_path)?;
    let manifest = std::fs::canonicalize(&npm)
        .ok()
        .and_then(|script| Some(script.parent()?.parent()?.join("package.json")))
        .and_then(|path| std::fs::read(path).ok())
        .and_then(|text| serde_json::from_slice::<PackageManifest>(&text).ok());
    let version =
        manifest.filter(|manifest| manifest.name.as_deref() == Some("npm")).and_then(|npm| npm.version);
    Ok((version, npm))
}

/// Installs what the directory's `package.json` names. npm's output is kept for the error, and
/// is never mixed into the connector's. Gives what has confined it.
///
/// # Errors
/// `INSTALL_FAILED`: npm is missing, or `npm install failed: <code>` with npm's output as hint.
/// The error of a run that is asked to stop; then npm and all that it started are gone.
pub async fn install(
    directory: &Path,
    how: Install<'_>,
    host: &Host,
    cancellation: &Cancellation,
) -> Result<Vec<LayerReport>> {
    let command = if how.pinned { "ci" } else { "install" };
    let args = |metadata| -> Vec<_> { std::iter::once(command).chain(FLAGS).chain([metadata]).collect() };
    let layers = match run(&args(CACHED), directory, how, host, cancellation).await {
        // what the cache knows of a package may be older than the version that is wanted
        Err(error) if !how.pinned && error.hint.as_deref().is_some_and(is_unknown) => {
            run(&args(FRESH), directory, how, host, cancellation).await?
        }
        ran => ran?,
    };
    for package in MAY_BUILD.into_iter().chain(how.scripts.iter().map(String::as_str)) {
        if directory.join("node_modules").join(package).join("package.json").is_file() {
            build(package, directory, how, host, cancellation).await?;
        }
    }
    Ok(layers)
}

/// Runs the install script of one package.
async fn build(
    package: &str,
    directory: &Path,
    how: Install<'_>,
    host: &Host,
    cancellation: &Cancellation,
) -> Result<()> {
    let built = run(&["rebuild", "--foreground-scripts", package], directory, how, host, cancellation).await;
    cancellation.check()?;
    built.map(drop).map_err(|error| {
        RunnerError::new(
            error.code,
            format!(
                "{package} could not be built ({}); it needs a C++ compiler, make, python3 and the headers of \
                 Node.js (npm_config_nodedir names them)",
                error.message
            ),
        )
        .with_hint(error.hint.unwrap_or_default())
    })
}

/// What npm's registry says of a package and a version or range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Published {
    /// There is such a version.
    Yes,
    /// There is none, or none of something that it needs; with what npm says.
    No(String),
    /// npm could not tell; with the end of its output.
    Unknown(String),
}

/// Whether npm says that there is no such package or version.
fn is_unknown(output: &str) -> bool {
    ["E404", "ETARGET", "notarget"].iter().any(|code| output.contains(code))
}

/// Asks npm's registry for `name@version` and all that it needs, as an install does: what a registry
/// answers to other questions, or the cache, may be of another time.
///
/// # Errors
/// `INSTALL_FAILED` where there is no npm, or it cannot be started.
pub async fn published(name: &str, version: &str, host: &Host) -> Result<Published> {
    let npm = process::find_npm(&host.variables, &host.cwd, &host.exec_path)?;
    let failed = |cause: std::io::Error| RunnerError::new(Code::InstallFailed, cause.to_string());
    let directory = tempfile::tempdir_in(host.temporary_folder()).map_err(failed)?;
    let wanted = format!("{name}@{version}");
    let only = ["install", "--package-lock-only"];
    let args: Vec<_> = only.into_iter().chain(FLAGS).chain([FRESH, &wanted]).collect();
    let (how, nobody) = (Install::default(), Cancellation::default());
    let Ended { exit, output, .. } = capture(&npm, &args, directory.path(), how, host, &nobody).await?;
    let output = output.trim();
    // the first line that has the first of these words that any has
    let line_with = |words: &[&str]| {
        let lines = || output.lines().map(|line| line.trim_start_matches("npm error").trim());
        words.iter().find_map(|word| lines().find(|line| line.contains(word))).unwrap_or_default().to_owned()
    };
    Ok(match exit.code {
        Some(0) => Published::Yes,
        _ if is_unknown(output) => Published::No(line_with(&["No matching version", "404 Not Found", "404"])),
        _ => Published::Unknown(line_with(&[""])),
    })
}

async fn run(
    args: &[&str],
    directory: &Path,
    how: Install<'_>,
    host: &Host,
    cancellation: &Cancellation,
) -> Result<Vec<LayerReport>> {
    cancellation.check()?;
    let npm = process::find_npm(&host.variables, &host.cwd, &host.exec_path)?;
    let ended = capture(&npm, args, directory, how, host, cancellation).await.map_err(|error| {
        RunnerError::new(Code::InstallFailed, format!("npm could not be started: {}", error.message))
    })?;
    cancellation.check()?;
    match (ended.exit.code, ended.exit.signal) {
        (Some(0), _) => Ok(ended.layers),
        (code, signal) => {
            let ending = code
                .map_or_else(|| format!("signal {}", signal.unwrap_or_default()), |code| code.to_string());
            Err(RunnerError::new(Code::InstallFailed, format!("npm install failed: {ending}"))
                .with_hint(ended.output))
        }
    }
}

/// What came of npm.
struct Ended {
    exit: Exit,
    /// The end of what it wrote.
    output: String,
    /// What has confined it.
    layers: Vec<LayerReport>,
}

async fn capture(
    npm: &Path,
    args: &[&str],
    directory: &Path,
    how: Install<'_>,
    host: &Host,
    cancellation: &Cancellation,
) -> Result<Ended> {
    let failed = |cause: std::io::Error| RunnerError::new(Code::InstallFailed, cause.to_string());
    if !directory.is_dir() {
        let message = format!("the directory {} does not exist", directory.display());
        return Err(RunnerError::new(Code::InstallFailed, message));
    }
    let nothing = std::fs::File::open("/dev/null").map_err(failed)?;
    let temporary = tempfile::Builder::new().prefix(".tmp-").tempdir_in(directory).map_err(failed)?;
    let confined = if how.is_free {
        Confined::default()
    } else {
        for_helper(directory, &npmrc::writable(directory, host), true, host)
    };
    let demands = confined.policy.as_ref().map(|policy| policy.demands);
    let (reader, writer) = std::io::pipe().map_err(failed)?;
    let writer = OwnedFd::from(writer);
    let mut running = process::start(Start {
        supervisor: &host.supervisor,
        program: npm,
        args: args.iter().map(|arg| (*arg).to_owned()).collect(),
        directory,
        variables: npmrc::variables(host, temporary.path(), how.is_free),
        descriptors: vec![nothing.into(), writer.try_clone().map_err(failed)?, writer],
        held: how.lock.and_then(|lock| lock.try_clone().ok()).into_iter().collect(),
        supervision: Supervision::default(),
        policy: confined.policy.clone(),
    })
    .await?;
    let layers = LayerReport::of_helper(demands, &mut running);
    let output = tokio::spawn(read_tail(reader.into()));
    let exit = running.exit_unless(cancellation, GRACE).await?;
    // the folder may be removed next: nothing may write there any more
    running.tree_gone_unless(cancellation, GRACE).await?;
    let output = output.await.map_err(|cause| failed(std::io::Error::other(cause)))?;
    Ok(Ended { exit, output: output.map_err(failed)?, layers })
}

async fn read_tail(reader: OwnedFd) -> std::io::Result<String> {
    use tokio::io::AsyncReadExt;
    let mut reader = pipe::Receiver::from_owned_fd(reader)?;
    let mut tail = Tail::new(OUTPUT_BYTES);
    let mut buffer = vec![0; 8192];
    loop {
        match reader.read(&mut buffer).await? {
            0 => return Ok(tail.into_text()),
            count => tail.push(&buffer[..count]),
        }
    }
}
