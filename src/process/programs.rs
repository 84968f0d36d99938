//! Finding `node` and `npm`.

use std::path::{Path, PathBuf};

use rustix::fs::Access;

use crate::context::Variables;
use crate::error::{Code, Result, RunnerError};

fn is_program(path: &Path) -> bool {
    path.is_file() && rustix::fs::access(path, Access::EXEC_OK).is_ok()
}

/// The program of this name on the PATH of these variables; relative entries count from `cwd`.
fn on_path(name: &str, variables: &Variables, cwd: &Path) -> Option<PathBuf> {
    let (_, path) = variables.iter().rev().find(|(variable, _)| variable == "PATH")?;
    std::env::split_paths(path).map(|folder| cwd.join(folder).join(name)).find(|path| is_program(path))
}

/// The `node` that runs a connector: from the PATH of the connector's own environment, as
/// `child_process.spawn('node')` resolves it, or else the one that runs the host.
pub fn find_node(variables: &Variables, cwd: &Path, exec_path: &Path) -> PathBuf {
    on_path("node", variables, cwd).unwrap_or_else(|| exec_path.to_owned())
}

/// The host's `npm`: from its PATH, or else from beside its `node`.
///
/// # Errors
/// `INSTALL_FAILED` where there is none.
pub fn find_npm(variables: &Variables, cwd: &Path, exec_path: &Path) -> Result<PathBuf> {
    on_path("npm", variables, cwd)
        .or_else(|| exec_path.parent().map(|folder| folder.join("npm")).filter(|path| is_program(path)))
        .ok_or_else(|| {
            RunnerError::new(
                Code::InstallFailed,
                "npm was not found on the PATH, nor beside node; the connector's dependencies are \
                 installed with it. Install Node.js with npm, or add npm's folder to the PATH",
            )
        })
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

    #[test]
    fn the_first_program_on_the_path_wins_then_the_hosts_own() {
        let root = tempfile::tempdir().unwrap();
        let (a, b) = (root.path().join("a"), root.path().join("b"));
        program(&a, "node", 0o644); // not executable: passed over
        let node = program(&b, "node", 0o755);
        let path = |text: String| vec![("PATH".to_owned(), text)];
        let both = path(format!("{}:{}", a.display(), b.display()));
        let host = Path::new("/host/node");
        assert_eq!(find_node(&both, Path::new("/"), host), node);
        assert_eq!(find_node(&path("b".into()), root.path(), host), node);
        assert_eq!(find_node(&Vec::new(), Path::new("/"), host), host);
    }

    #[test]
    fn npm_is_found_beside_node_or_missed_clearly() {
        let root = tempfile::tempdir().unwrap();
        let node = root.path().join("node");
        let error = find_npm(&Vec::new(), Path::new("/"), &node).unwrap_err();
        assert_eq!(error.code, Code::InstallFailed);
        let npm = program(root.path(), "npm", 0o755);
        assert_eq!(find_npm(&Vec::new(), Path::new("/"), &node).unwrap(), npm);
    }
}
