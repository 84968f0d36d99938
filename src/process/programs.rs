//! Finding `node` and `npm`.

use std::fs::canonicalize;
use std::path::{Path, PathBuf};

use rustix::fs::Access;

use crate::context::Variables;
use crate::error::{Code, Result, RunnerError};
use crate::host::Host;

fn is_program(path: &Path) -> bool {
    path.is_file() && rustix::fs::access(path, Access::EXEC_OK).is_ok()
}

/// Programs of this name on the PATH of these variables; relative entries count from `cwd`.
fn on_path<'a>(name: &'a str, variables: &'a Variables, cwd: &'a Path) -> impl Iterator<Item = PathBuf> + 'a {
    let path = variables.iter().rev().find(|(variable, _)| variable == "PATH").map(|(_, path)| path);
    path.into_iter()
        .flat_map(std::env::split_paths)
        .map(move |folder| cwd.join(folder).join(name))
        .filter(|path| is_program(path))
}

/// The `node` that runs a connector: the one that the host names, or else from the PATH of the
/// connector's own environment, as `child_process.spawn('node')` resolves it, or else the one that
/// runs the host. Where the host is no Node.js, neither its program counts, nor a link to it that is
/// called `node` (`bun --bun` puts one first on the PATH).
///
/// # Errors
/// `SPAWN_FAILED` where the named one is no program, or there is none.
pub fn find_node(variables: &Variables, host: &Host) -> Result<PathBuf> {
    if let Some(named) = &host.node_path {
        let node = host.absolute(named);
        if is_program(&node) {
            return Ok(node);
        }
        let message = format!(
            "{} is not an executable file, but was named as the Node.js that runs connectors; correct \
             option nodePath (--node), or leave it out to take node from the PATH",
            node.display()
        );
        return Err(RunnerError::new(Code::SpawnFailed, message));
    }
    let Some(runtime) = &host.runtime else {
        return Ok(on_path("node", variables, &host.cwd).next().unwrap_or_else(|| host.exec_path.clone()));
    };
    let own = canonicalize(&host.exec_path).ok();
    on_path("node", variables, &host.cwd).find(|node| canonicalize(node).ok() != own).ok_or_else(|| {
        let message = format!(
            "Connectors run in Node.js 20.3 or later, the host is {runtime}, and there is no node on the PATH; \
             install Node.js, or name its program: option nodePath (--node)"
        );
        RunnerError::new(Code::SpawnFailed, message)
    })
}

/// Programs beside the Node.js that is the host's, or was named.
fn beside_node(name: &str, host: &Host) -> Option<PathBuf> {
    let named = host.node_path.as_ref().map(|node| host.absolute(node));
    let folders = [named.as_deref(), Some(host.exec_path.as_path())].into_iter().flatten();
    folders.filter_map(Path::parent).map(|folder| folder.join(name)).find(|path| is_program(path))
}

/// The host's `npm`: from its PATH, or else from beside its `node`.
///
/// # Errors
/// `INSTALL_FAILED` where there is none.
pub fn find_npm(host: &Host) -> Result<PathBuf> {
    on_path("npm", &host.variables, &host.cwd).next().or_else(|| beside_node("npm", host)).ok_or_else(|| {
        RunnerError::new(
            Code::InstallFailed,
            "npm was not found on the PATH, nor beside node; the connector's dependencies are \
             installed with it. Install Node.js with npm, or add npm's folder to the PATH",
        )
    })
}

/// A PATH on which npm, whose first line asks for `node`, finds a Node.js: the host's, with the folder
/// of `node` behind it, or before it where the first `node` on it may be another one.
pub fn path_for_npm(host: &Host) -> String {
    let is_other = host.node_path.is_some() || host.runtime.is_some();
    let node = if is_other { find_node(&host.variables, host).ok() } else { Some(host.exec_path.clone()) };
    let folder = node.as_deref().and_then(Path::parent);
    let folder = folder.map(|folder| folder.display().to_string()).unwrap_or_default();
    match host.variable("PATH") {
        Some(path) if is_other => format!("{folder}:{path}"),
        Some(path) => format!("{path}:{folder}"),
        None => folder,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn program(folder: &Path, name: &str, mode: u32) -> PathBuf {
        std::fs::create_dir_all(folder).unwrap();
        let path = folder.join(name);
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn host(exec_path: &Path, path: &[&Path]) -> Host {
        let path = path.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(":");
        let variables = if path.is_empty() { Vec::new() } else { vec![("PATH".to_owned(), path)] };
        Host { variables, exec_path: exec_path.into(), cwd: "/".into(), ..Host::default() }
    }

    fn found(host: &Host) -> Result<PathBuf> {
        find_node(&host.variables, host)
    }

    #[test]
    fn the_first_program_on_the_path_wins_then_the_hosts_own() {
        let root = tempfile::tempdir().unwrap();
        let (a, b) = (root.path().join("a"), root.path().join("b"));
        program(&a, "node", 0o644); // not executable: passed over
        let node = program(&b, "node", 0o755);
        let own = Path::new("/host/node");
        assert_eq!(found(&host(own, &[&a, &b])).unwrap(), node);
        let relative = Host { cwd: root.path().into(), ..host(own, &[Path::new("b")]) };
        assert_eq!(found(&relative).unwrap(), node);
        assert_eq!(found(&host(own, &[])).unwrap(), own);
    }

    #[test]
    fn another_runtime_is_not_taken_for_node_not_even_by_that_name() {
        let root = tempfile::tempdir().unwrap();
        let (fake, real) = (root.path().join("fake"), root.path().join("real"));
        let bun = program(&root.path().join("bun"), "bun", 0o755);
        std::fs::create_dir(&fake).unwrap();
        std::os::unix::fs::symlink(&bun, fake.join("node")).unwrap();
        let under_bun = |path: &[&Path]| Host { runtime: Some("Bun 1.4.5".into()), ..host(&bun, path) };
        let error = found(&under_bun(&[&fake])).unwrap_err();
        assert_eq!(error.code, Code::SpawnFailed);
        assert!(error.message.contains("Bun 1.4.5") && error.message.contains("--node"), "{}", error.message);
        let node = program(&real, "node", 0o755);
        let both = under_bun(&[&fake, &real]);
        assert_eq!(found(&both).unwrap(), node);
        assert!(path_for_npm(&both).starts_with(real.to_str().unwrap()));
    }

    #[test]
    fn a_named_program_wins_and_has_to_be_one() {
        let root = tempfile::tempdir().unwrap();
        let on_path = program(&root.path().join("a"), "node", 0o755);
        let named = program(&root.path().join("b"), "node-26", 0o755);
        let by = |node: &str| Host {
            node_path: Some(node.into()),
            cwd: root.path().into(),
            ..host(&on_path, &[on_path.parent().unwrap()])
        };
        assert_eq!(found(&by("b/node-26")).unwrap(), named);
        assert_eq!(find_npm(&by("b/node-26")).unwrap_err().code, Code::InstallFailed);
        let npm = program(&root.path().join("b"), "npm", 0o755);
        assert_eq!(find_npm(&by("b/node-26")).unwrap(), npm);
        for wrong in ["b/none", "b"] {
            let error = found(&by(wrong)).unwrap_err();
            assert!(error.message.contains(wrong) && error.message.contains("nodePath"), "{}", error.message);
        }
    }

    #[test]
    fn npm_is_found_beside_node_or_missed_clearly() {
        let root = tempfile::tempdir().unwrap();
        let host = host(&root.path().join("node"), &[]);
        let error = find_npm(&host).unwrap_err();
        assert_eq!(error.code, Code::InstallFailed);
        let npm = program(root.path(), "npm", 0o755);
        assert_eq!(find_npm(&host).unwrap(), npm);
    }
}
