//! Putting an environment together of what is shared, all packages but the connectors package, and of
//! that package's files: what `npm install --install-links` would have made, by links.
//!
//! ```text
//! <environment>/node_modules/@owox/connectors/…           files of the package
//! <environment>/node_modules/@owox/connectors/node_modules -> what npm put there, in the shared one
//! <environment>/node_modules/NAME                         -> ../../<shared>/node_modules/NAME
//! <environment>/shared                                    -> ../<shared>
//! ```
//!
//! Node.js goes by real paths: what the package requires it finds beside itself, by these links, and
//! what packages require of each other they find where npm put them. Only the connectors package they
//! would not find: where one of them names it, nothing is shared.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use memchr::memmem;

use super::content::{Content, digest_of};
use crate::manifest::CONNECTORS_PACKAGE;

/// Name of the link to the shared environment.
pub const SHARED: &str = "shared";

/// Folder of what Node.js has compiled.
pub const COMPILED: &str = "compiled";

/// Longest file that is searched for the connectors package's name.
const MOST_BYTES: u64 = 16 * 1024 * 1024;

/// Whether what npm has installed can be taken apart: its copy of the connectors package is what is
/// expected, and nothing else names it.
pub fn is_separable(environment: &Path, content: &Content) -> io::Result<bool> {
    let modules = environment.join("node_modules");
    let package = modules.join(CONNECTORS_PACKAGE);
    let Some(plain) = &content.plain else { return Ok(false) };
    let mut there = Vec::new();
    for (name, is_folder) in below(&package, |name| name == "node_modules")? {
        there.extend((!is_folder).then_some(name));
    }
    there.sort();
    if there != plain.files {
        return Ok(false);
    }
    for (name, digest) in plain.files.iter().zip(&content.digests) {
        let copy = digest_of(&package.join(name), None)?;
        let is_program = plain.programs.contains(name);
        if copy != *digest && !(is_program && digest_of(&package.join(name), Some(false))? == *digest) {
            return Ok(false);
        }
    }
    let own = format!("{CONNECTORS_PACKAGE}/");
    let others = below(&modules, |name| name == CONNECTORS_PACKAGE || name == ".package-lock.json")?;
    let nested = package.join("node_modules");
    let nested_files = if nested.is_dir() { below(&nested, |_| false)? } else { Vec::new() };
    let nested_files = nested_files.into_iter().map(|(name, is)| (format!("{own}node_modules/{name}"), is));
    for (name, is_folder) in others.into_iter().chain(nested_files) {
        if !is_folder && names_the_package(&modules.join(name))? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether code or a manifest has the connectors package's name in it.
fn names_the_package(path: &Path) -> io::Result<bool> {
    let is_code = path
        .extension()
        .and_then(|extension| extension.to_str())
        .is_some_and(|extension| matches!(extension, "js" | "cjs" | "mjs" | "json"));
    let metadata = fs::symlink_metadata(path)?;
    if !is_code || !metadata.is_file() {
        return Ok(false);
    }
    // what is longer than any known file is not worth it
    Ok(metadata.len() > MOST_BYTES || memmem::find(&fs::read(path)?, CONNECTORS_PACKAGE.as_bytes()).is_some())
}

/// Everything below a folder, by its path in it, and whether it is a folder. What `skip` names is left
/// out with all that is in it.
fn below(root: &Path, skip: impl Fn(&str) -> bool) -> io::Result<Vec<(String, bool)>> {
    let mut all = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder))? {
            let entry = entry?;
            let path = format!("{folder}{}", entry.file_name().to_string_lossy());
            if skip(&path) {
                continue;
            }
            let is_folder = entry.file_type()?.is_dir();
            if is_folder {
                folders.push(format!("{path}/"));
            }
            all.push((path, is_folder));
        }
    }
    Ok(all)
}

/// Takes the connectors package out of what npm has installed, into the folder of the environment that
/// is put together.
///
/// # Errors
/// When the system refuses.
pub fn take_out(shared: &Path, environment: &Path) -> io::Result<()> {
    let from = shared.join("node_modules").join(CONNECTORS_PACKAGE);
    let to = place_of_package(environment)?;
    fs::rename(&from, &to)?;
    let nested = to.join("node_modules");
    if nested.is_dir() {
        DirBuilder::new().mode(0o755).create(&from)?;
        fs::rename(nested, from.join("node_modules"))?;
    }
    Ok(())
}

/// Copies the files of a connectors package. Gives whether they still are what its content says.
///
/// # Errors
/// When the system refuses, or a file is gone.
pub fn copy(root: &Path, content: &Content, environment: &Path) -> io::Result<bool> {
    let to = place_of_package(environment)?;
    DirBuilder::new().mode(0o755).create(&to)?;
    let Some(plain) = &content.plain else { return Ok(false) };
    for (name, digest) in plain.files.iter().zip(&content.digests) {
        let (source, copy) = (root.join(name), to.join(name));
        if let Some(folder) = copy.parent() {
            DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
        }
        // a symlink that took a file's place is never followed
        if !fs::symlink_metadata(&source)?.is_file() {
            return Ok(false);
        }
        fs::copy(source, &copy)?;
        if digest_of(&copy, None)? != *digest {
            return Ok(false);
        }
        let is_program =
            plain.programs.contains(name) || fs::metadata(&copy)?.permissions().mode() & 0o111 != 0;
        fs::set_permissions(&copy, Permissions::from_mode(if is_program { 0o755 } else { 0o644 }))?;
    }
    Ok(true)
}

fn place_of_package(environment: &Path) -> io::Result<PathBuf> {
    let place = environment.join("node_modules").join(CONNECTORS_PACKAGE);
    DirBuilder::new().recursive(true).mode(0o755).create(place.parent().unwrap_or(environment))?;
    Ok(place)
}

/// Links everything of the shared environment into one beside it that has the connectors package.
///
/// # Errors
/// When the system refuses.
pub fn link(shared: &Path, environment: &Path) -> io::Result<()> {
    let name = Path::new(shared.file_name().unwrap_or_default());
    symlink(Path::new("..").join(name), environment.join(SHARED))?;
    let from = shared.join("node_modules");
    let to = environment.join("node_modules");
    let of_shared = Path::new("../..").join(name).join("node_modules");
    let (scope, package) = CONNECTORS_PACKAGE.split_once('/').unwrap_or_default();
    for entry in fs::read_dir(&from)? {
        let name = entry?.file_name();
        match name.to_str() {
            Some(".package-lock.json") => {}
            Some(".bin") => link_programs(&from, &to)?,
            Some(name) if name == scope => {
                for entry in fs::read_dir(from.join(scope))? {
                    let name = entry?.file_name();
                    if name != package {
                        let target = Path::new("..").join(&of_shared).join(scope).join(&name);
                        symlink(target, to.join(scope).join(&name))?;
                    }
                }
            }
            _ => symlink(of_shared.join(&name), to.join(&name))?,
        }
    }
    if from.join(CONNECTORS_PACKAGE).join("node_modules").is_dir() {
        let target = Path::new("../..").join(&of_shared).join(CONNECTORS_PACKAGE).join("node_modules");
        symlink(target, to.join(CONNECTORS_PACKAGE).join("node_modules"))?;
    }
    Ok(())
}

/// The programs of packages: links as npm makes them, which lead to the same names here.
fn link_programs(from: &Path, to: &Path) -> io::Result<()> {
    let folder = to.join(".bin");
    DirBuilder::new().mode(0o755).create(&folder)?;
    for entry in fs::read_dir(from.join(".bin"))? {
        let entry = entry?;
        if entry.file_type()?.is_symlink() {
            symlink(fs::read_link(entry.path())?, folder.join(entry.file_name()))?;
        }
    }
    Ok(())
}

/// Makes the folder of compiled code one for all environments that share the rest.
///
/// # Errors
/// When the system refuses.
pub fn link_compiled(environment: &Path) -> io::Result<()> {
    symlink(Path::new(SHARED).join(COMPILED), environment.join(COMPILED))
}
