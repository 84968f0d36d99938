//! What a program of ours reads that loads a package: Node.js, the package, and what it requires from
//! the folders above it.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::paths::named_by;
use super::policy::reads_of_node;
use crate::host::{HelpersRead, Host};

/// Most packages that are linked from elsewhere; what comes after them is not read.
const MOST_LINKED: usize = 2000;

/// The paths that may be read for this package to be loaded; none where everything may. `shared`: folders
/// of packages for every program.
pub fn reads_to_load(root: &Path, shared: &[PathBuf], node: &Path, host: &Host) -> Option<Vec<PathBuf>> {
    let HelpersRead::Needed(further) = &host.helpers_read else { return None };
    let mut reads = reads_of_node(node);
    reads.extend(named_by(&host.variables, &host.cwd));
    reads.extend(further.iter().map(|path| host.absolute(path)));
    let mut found = Found::default();
    found.add(root);
    for folder in shared {
        found.look_into(folder);
    }
    // a package that is linked has folders above it as well
    while let Some(package) = found.linked.pop() {
        found.add(&package);
    }
    reads.extend(found.reads);
    Some(reads)
}

/// What was found so far.
#[derive(Default)]
struct Found {
    reads: Vec<PathBuf>,
    /// Folders of packages that were looked into.
    known: HashSet<PathBuf>,
    /// Packages that were not looked at yet.
    linked: Vec<PathBuf>,
}

impl Found {
    /// Adds a package and what it finds above itself. Links in the package are its author's, and lead
    /// nowhere; those above it were made by whoever installed it.
    fn add(&mut self, package: &Path) {
        self.reads.push(package.to_owned());
        for above in package.ancestors().skip(1) {
            self.look_into(&above.join("node_modules"));
        }
    }

    fn look_into(&mut self, modules: &Path) {
        let Ok(modules) = fs::canonicalize(modules) else { return };
        if modules.parent().is_none() || !self.known.insert(modules.clone()) {
            return;
        }
        let mut folders = vec![modules.clone()];
        self.reads.push(modules);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let Ok(kind) = entry.file_type() else { continue };
                if kind.is_symlink() {
                    self.follow(&entry.path());
                } else if kind.is_dir() && entry.file_name().as_encoded_bytes().starts_with(b"@") {
                    folders.push(entry.path());
                }
            }
        }
    }

    /// Notes the package that a link leads to. What is no package is not loaded either.
    fn follow(&mut self, link: &Path) {
        let Ok(package) = fs::canonicalize(link) else { return };
        let is_read = self.reads.iter().any(|read| package.starts_with(read));
        let is_package = package.parent().is_some() && package.join("package.json").is_file();
        if !is_read && is_package && self.linked.len() < MOST_LINKED && self.reads.len() < MOST_LINKED {
            self.linked.push(package);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_above_a_package_are_followed_and_those_in_it_are_not() {
        let root = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(root.path()).unwrap();
        let at = |path: &str| root.join(path);
        let package = |path: &str| {
            fs::create_dir_all(at(path)).unwrap();
            fs::write(at(path).join("package.json"), "{}").unwrap();
        };
        for path in
            ["w/packages/own", "w/packages/lib", "far/lib", "far/node_modules/dep", "shared/x", "elsewhere"]
        {
            package(path);
        }
        fs::create_dir_all(at("w/node_modules/@scope")).unwrap();
        fs::create_dir_all(at("w/packages/own/node_modules")).unwrap();
        fs::create_dir_all(at("keys")).unwrap();
        symlink("../../packages/lib", at("w/node_modules/@scope/lib")).unwrap();
        symlink(at("far/lib"), at("w/node_modules/far")).unwrap();
        symlink(at("keys"), at("w/node_modules/keys")).unwrap();
        symlink("/", at("w/node_modules/all")).unwrap();
        symlink(at("elsewhere"), at("w/packages/own/node_modules/elsewhere")).unwrap();
        let host = Host::default();
        let node = Path::new("/bin/sh");
        let reads = reads_to_load(&at("w/packages/own"), &[at("shared")], node, &host).unwrap();
        let mut found: Vec<_> = reads.iter().filter_map(|read| read.strip_prefix(&root).ok()).collect();
        found.sort();
        let wanted =
            ["far/lib", "far/node_modules", "shared", "w/node_modules", "w/packages/lib", "w/packages/own"];
        assert_eq!(found, wanted.map(Path::new));
        assert!(!reads.iter().any(|read| root.starts_with(read)), "{reads:?}");
        let free = Host { helpers_read: HelpersRead::Everything, ..Host::default() };
        assert_eq!(reads_to_load(&at("w/packages/own"), &[], node, &free), None);
    }
}
