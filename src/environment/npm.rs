//! Installing with npm.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::unix::pipe;

use super::project::{Lent, Project};
use super::provided::{BUILT_ORIGINAL, Provided};
use super::replaced::Replaced;
use super::script_ground::ScriptGround;
use super::sources::{self, Allowed};
use super::tree::{Remover, Scratch};
use super::{npm_settings, npmrc, own_folder, scripts};
use crate::cancellation::Cancellation;
use crate::error::{Code, Result, RunnerError};
use crate::host::Host;
use crate::isolation::{LayerReport, for_helper};
use crate::manifest::PackageManifest;
use crate::output::Tail;
use crate::process::{self, Cause, Exit, Start};
use crate::specifier::Origin;

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

/// What npm starts for git where repositories are not allowed: versions that do not know
/// `--allow-git` would otherwise start what a repository's own settings name.
const NO_GIT: &str = "/repositories-are-not-allowed";

/// What npm has in its cache is taken unasked, as old as it may be: most environments are made so
/// without a word to the registry.
const CACHED: [&str; 2] = ["--prefer-offline", "--prefer-online=false"];

/// The registry is asked, also for what is in the cache. Where both are set, npm asks nobody.
const FRESH: [&str; 2] = ["--prefer-online", "--prefer-offline=false"];

/// From SIGTERM to SIGKILL for npm, which needs no time to end.
const GRACE: Duration = Duration::from_secs(2);

/// Memory that npm may have, with all that it starts: compilers, too.
const MEMORY_BYTES: u64 = 4 * 1024 * 1024 * 1024;

/// Longest time for one call of npm.
const TIME_LIMIT: Duration = Duration::from_secs(30 * 60);

/// Bytes of npm's output that go into an error.
const OUTPUT_BYTES: usize = 16 * 1024;

/// How to install.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is by itself")]
pub struct Install<'a> {
    /// Exactly what the directory's lockfile says.
    pub pinned: bool,
    /// Whether the registry is asked for versions, also where npm's cache knows some.
    pub is_fresh: bool,
    /// Packages whose install scripts may run; no others do.
    pub scripts: &'a [String],
    /// What may be installed; in a directory of the caller's own, what it says.
    pub allowed: Option<Allowed<'a>>,
    /// What takes the place of originals; none where those are wanted.
    pub provided: Option<&'a Provided>,
    /// What a project elsewhere says of registries; in a directory of the caller's own, it says so
    /// itself.
    pub project: Option<&'a Project>,
    /// Whether npm may do all that its user may, and has all of the host's variables.
    pub is_free: bool,
    /// Whether npm is to run an install script, and do nothing for itself.
    pub is_script: bool,
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
    let npm = process::find_npm(host)?;
    let manifest = std::fs::canonicalize(&npm)
        .ok()
        .and_then(|script| Some(script.parent()?.parent()?.join("package.json")))
        .and_then(|path| std::fs::read(path).ok())
        .and_then(|text| serde_json::from_slice::<PackageManifest>(&text).ok());
    let version =
        manifest.filter(|manifest| manifest.name.as_deref() == Some("npm")).and_then(|npm| npm.version);
    Ok((version, npm))
}

/// What came of an installation.
#[derive(Debug)]
pub struct Done {
    /// What has confined npm.
    pub layers: Vec<LayerReport>,
    /// What a caller should know.
    pub warnings: Vec<String>,
}

/// Installs what the directory's `package.json` names. npm's output is kept for the error, and
/// is never mixed into the connector's. Where a package has come from is looked at before any script
/// runs, and the result is not to be used where that fails.
///
/// # Errors
/// `INVALID_CONFIG` for a package from where none may come, or a script of one.
/// `INSTALL_FAILED`: npm is missing, or `npm install failed: <code>` with npm's output as hint.
/// The error of a run that is asked to stop; then npm and all that it started are gone.
pub async fn install(
    directory: &Path,
    how: Install<'_>,
    host: &Host,
    cancellation: &Cancellation,
) -> Result<Done> {
    let command = if how.pinned { "ci" } else { "install" };
    let mut args: Vec<_> = std::iter::once(command).chain(FLAGS).map(ToOwned::to_owned).collect();
    let replaced = Replaced::on(host);
    if let Some(allowed) = how.allowed {
        own_folder::check(allowed)?;
        if how.pinned {
            let lock = sources::read_json(&directory.join("package-lock.json")).unwrap_or_default();
            sources::check(&sources::of_lockfile(&lock, directory, &replaced), allowed)?;
        }
        args.extend(flags_of(allowed));
    }
    // no script of a package sees it, nor whoever uses what was installed
    let lent = lend(how.project, directory)?;
    let layers = run_twice(&args, directory, how, host, cancellation).await.map_err(explain)?;
    drop(lent);
    let installed = match how.allowed {
        Some(allowed) => {
            let installed = sources::installed(directory, &replaced)?;
            sources::check(&installed, allowed)?;
            installed
        }
        None => sources::installed(directory, &replaced).unwrap_or_default(),
    };
    let originals = how.provided.map_or_else(|| vec![BUILT_ORIGINAL.to_owned()], Provided::scripts);
    if let Some(provided) = how.provided {
        provided.replace_originals(directory)?;
    }
    let choice = scripts::choose(&installed, how.scripts, &originals)?;
    for package in &choice.run {
        build(package, directory, how, host, cancellation).await?;
    }
    Ok(Done { layers, warnings: choice.warnings })
}

fn lend(project: Option<&Project>, directory: &Path) -> Result<Option<Lent>> {
    let lent = project.map_or(Ok(None), |project| project.lend(directory));
    lent.map_err(|cause| RunnerError::file("write the project's settings of npm in", directory, &cause))
}

/// Runs npm with what it has in its cache, and asks the registry where that is older than the version
/// that is wanted; or at once, where newer versions are. What is pinned is the same everywhere.
async fn run_twice(
    args: &[String],
    directory: &Path,
    how: Install<'_>,
    host: &Host,
    cancellation: &Cancellation,
) -> Result<Vec<LayerReport>> {
    let with = |metadata| -> Vec<&str> { args.iter().map(String::as_str).chain(metadata).collect() };
    if how.is_fresh && !how.pinned {
        return run(&with(FRESH), directory, how, host, cancellation).await;
    }
    match run(&with(CACHED), directory, how, host, cancellation).await {
        Err(error) if !how.pinned && error.hint.as_deref().is_some_and(is_unknown) => {
            run(&with(FRESH), directory, how, host, cancellation).await
        }
        ran => ran,
    }
}

/// What keeps npm itself from repositories that are not allowed: to look at one it starts git, and
/// more. Of addresses it would also refuse those that the registry names on another host.
fn flags_of(allowed: Allowed<'_>) -> Vec<String> {
    let mut flags = vec!["--allow-remote=all".to_owned()];
    if allowed.origins.allow(Origin::Git) {
        flags.push("--allow-git=all".to_owned());
    } else {
        flags.extend(["--allow-git=none".to_owned(), format!("--git={NO_GIT}")]);
    }
    flags
}

/// npm's refusal of a repository, with the remedy.
fn explain(error: RunnerError) -> RunnerError {
    let output = error.hint.as_deref().unwrap_or_default();
    if !output.contains("EALLOWGIT") && !output.contains(NO_GIT) {
        return error;
    }
    RunnerError::new(
        Code::InvalidConfig,
        "a dependency comes from a git repository, which is not the npm registry; if you trust it, allow it with the \
         option allowSpecs: ['git'] or --allow-specs git",
    )
    .with_hint(error.hint.unwrap_or_default())
}

/// Runs the install script of the package in one folder; by its name npm would take all that bear it.
async fn build(
    package: &str,
    directory: &Path,
    how: Install<'_>,
    host: &Host,
    cancellation: &Cancellation,
) -> Result<()> {
    let folder = format!("./{package}");
    // versions that ask for a permission of their own would leave it out
    let args = [
        "rebuild",
        "--ignore-scripts=false",
        "--foreground-scripts",
        "--dangerously-allow-all-scripts",
        &folder,
    ];
    let how = Install { is_script: true, ..how };
    let built = run(&args, directory, how, host, cancellation).await;
    let package = package.rsplit("node_modules/").next().unwrap_or(package);
    cancellation.check()?;
    built.map(drop).map_err(|error| {
        let output = error.hint.as_deref().unwrap_or_default();
        let is_refused = !how.is_free && ["EACCES", "ermission denied"].iter().any(|text| output.contains(text));
        let refused = if is_refused { REFUSED } else { "" };
        RunnerError::new(
            error.code,
            format!(
                "{package} could not be built ({}); it needs a C++ compiler, make, python3 and the headers of \
                 Node.js (npm_config_nodedir names them){refused}",
                error.message
            ),
        )
        .with_hint(error.hint.unwrap_or_default())
    })
}

/// Added where the system has refused something to an install script.
const REFUSED: &str = "; an install script reads the environment and the tool chain, and writes in the environment \
                       alone, but in isolation 'none'";

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

/// The package and the version that the registry lacks, where npm's output says so.
pub fn missing_version(output: &str) -> Option<(String, String)> {
    let after = |words: &str| output.lines().find_map(|line| Some(line.split_once(words)?.1));
    // "notarget No matching version found for NAME@RANGE." and "404  'NAME@RANGE' is not in …"
    let wanted = match after("No matching version found for ") {
        Some(rest) => rest.trim_end().trim_end_matches('.'),
        None => output.lines().find_map(|line| {
            let rest = line.split_once(" 404 ")?.1.trim_start().strip_prefix('\'')?;
            rest.split_once("' is not in ").map(|(wanted, _)| wanted)
        })?,
    };
    let at = wanted.get(1..)?.find('@')? + 1;
    let (name, version) = wanted.split_at(at);
    Some((name.to_owned(), version.trim_start_matches('@').to_owned()))
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
pub async fn published(name: &str, version: &str, project: &Project, host: &Host) -> Result<Published> {
    let npm = process::find_npm(host)?;
    let failed = |cause: std::io::Error| RunnerError::new(Code::InstallFailed, cause.to_string());
    let directory = Scratch::new(&host.temporary_folder(), Remover::of(host)).map_err(failed)?;
    let _lent = lend(Some(project), directory.path())?;
    let wanted = format!("{name}@{version}");
    let only = ["install", "--package-lock-only"];
    let args: Vec<_> = only.into_iter().chain(FLAGS).chain(FRESH).chain([wanted.as_str()]).collect();
    let (how, nobody) = (Install { project: Some(project), ..Install::default() }, Cancellation::default());
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
    let npm = process::find_npm(host)?;
    let ended = capture(&npm, args, directory, how, host, cancellation).await.map_err(|error| {
        RunnerError::new(Code::InstallFailed, format!("npm could not be started: {}", error.message))
    })?;
    cancellation.check()?;
    if ended.exit.cause == Cause::Memory {
        let limit = MEMORY_BYTES >> 30;
        let message = format!("npm install failed: it used more than {limit} GB of memory, and was ended");
        return Err(RunnerError::new(Code::InstallFailed, message).with_hint(ended.output));
    }
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
    let temporary = Scratch::new(directory, Remover::of(host)).map_err(failed)?;
    let (variables, confined) = if how.is_script && !how.is_free {
        let ScriptGround { variables, confined } =
            ScriptGround::new(directory, temporary.path(), host).map_err(failed)?;
        (variables, confined)
    } else {
        let confined = (!how.is_free)
            .then(|| for_helper(directory, &npmrc::writable(directory, host), None, true, host));
        (npmrc::variables(host, temporary.path(), how.project, how.is_free), confined.unwrap_or_default())
    };
    let demands = confined.policy.as_ref().map(|policy| policy.demands);
    let (reader, writer) = std::io::pipe().map_err(failed)?;
    let writer = OwnedFd::from(writer);
    let mut running = process::start(Start {
        supervisor: &host.supervisor,
        program: npm,
        args: args.iter().map(|arg| (*arg).to_owned()).chain(npm_settings::arguments(args)).collect(),
        directory,
        variables,
        descriptors: vec![nothing.into(), writer.try_clone().map_err(failed)?, writer],
        held: how.lock.and_then(|lock| lock.try_clone().ok()).into_iter().collect(),
        supervision: process::watch_helper(MEMORY_BYTES),
        policy: confined.policy.clone(),
    })
    .await?;
    let layers = LayerReport::of_helper(demands, &mut running);
    let output = tokio::spawn(read_tail(reader.into()));
    let Ok(exit) = tokio::time::timeout(TIME_LIMIT, running.exit_unless(cancellation, GRACE)).await else {
        // its end ends npm, and all that npm started
        let minutes = TIME_LIMIT.as_secs() / 60;
        let message = format!("npm took longer than {minutes} minutes, and was ended");
        return Err(RunnerError::new(Code::InstallFailed, message));
    };
    let exit = exit?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_that_the_registry_lacks_is_found_in_npms_output() {
        for (output, expected) in [
            (
                "npm error code ETARGET\nnpm error notarget No matching version found for @a/b@99.0.0.\nnpm error notarget In most cases",
                Some(("@a/b", "99.0.0")),
            ),
            ("npm ERR! notarget No matching version found for left-pad@^7 .", Some(("left-pad", "^7 "))),
            (
                "npm error 404 Not Found - GET http://r/x - Not found\nnpm error 404\nnpm error 404  'x@1.0.0' is not in this registry.",
                Some(("x", "1.0.0")),
            ),
            ("npm error code EACCES", None),
            ("No matching version found for nothing", None),
        ] {
            let expected = expected.map(|(name, version)| (name.to_owned(), version.to_owned()));
            assert_eq!(missing_version(output), expected, "{output}");
        }
    }
}
