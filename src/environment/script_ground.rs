//! What an install script gets that somebody has allowed: no tokens, its own tree and the tool chain to
//! read, and caches that go with it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::npmrc;
use super::sources::without_login;
use crate::host::Host;
use crate::isolation::{Confined, for_helper, reads_of_node};
use crate::output::redact::is_secret_name;
use crate::process::{find_node, find_npm};
use crate::protocol::policy::{Demand, Layer};

/// Programs and what they consist of, beside libraries.
const OF_TOOLS: [&str; 16] = [
    "/bin",
    "/sbin",
    "/usr/bin",
    "/usr/sbin",
    "/usr/libexec",
    "/usr/include",
    "/usr/share",
    "/usr/local/bin",
    "/usr/local/sbin",
    "/usr/local/libexec",
    "/usr/local/include",
    "/usr/local/share",
    "/opt/rh",
    "/etc/os-release",
    "/etc/debian_version",
    "/etc/alpine-release",
];

/// Programs that build, which may lie anywhere.
const TOOLS: [&str; 18] = [
    "node",
    "npm",
    "python3",
    "python",
    "make",
    "cmake",
    "ninja",
    "cc",
    "c++",
    "gcc",
    "g++",
    "clang",
    "clang++",
    "ld",
    "ar",
    "as",
    "pkg-config",
    "git",
];

/// Managers of tools, whose programs in the PATH are stand-ins: the variable that names their folder, and
/// where it is in the user's.
const MANAGERS: [(&str, &str); 5] = [
    ("PYENV_ROOT", ".pyenv"),
    ("ASDF_DATA_DIR", ".asdf"),
    ("MISE_DATA_DIR", ".local/share/mise"),
    ("VOLTA_HOME", ".volta"),
    ("RUSTUP_HOME", ".rustup"),
];

/// Settings of npm that a script does not get: those of other places, and what logs in.
const NOT_FOR_SCRIPTS: [&str; 11] = [
    "cache",
    "devdir",
    "userconfig",
    "globalconfig",
    "username",
    "email",
    "key",
    "cert",
    "keyfile",
    "certfile",
    "otp",
];

/// Where a script runs.
#[derive(Debug)]
pub struct ScriptGround {
    /// Its variables.
    pub variables: Vec<(String, String)>,
    /// What confines it.
    pub confined: Confined,
}

impl ScriptGround {
    /// Prepares one for the scripts of this environment. `scratch` is a folder in it that goes with them.
    ///
    /// # Errors
    /// Of the system.
    pub fn new(directory: &Path, scratch: &Path, host: &Host) -> io::Result<Self> {
        let settings = settings(&npmrc::configuration(host));
        let [home, cache, headers] = ["home", "npm", "node-gyp"].map(|name| scratch.join(name));
        for folder in [&home, &cache, &headers] {
            fs::create_dir_all(folder)?;
        }
        let own = home.join(".npmrc");
        fs::write(&own, &settings)?;
        let kept = npmrc::folder("devdir", ".cache/node-gyp", host);
        // headers that are there need not be fetched again, and cannot be changed
        for version in kept.iter().filter_map(|kept| fs::read_dir(kept).ok()).flatten().flatten() {
            let _ = std::os::unix::fs::symlink(version.path(), headers.join(version.file_name()));
        }
        let mut variables = npmrc::variables_for(&settings, host, scratch, false);
        variables.retain(|(name, _)| is_for_scripts(name));
        for (name, value) in &mut variables {
            *value = public(name, value);
        }
        let none = home.join("none");
        for (name, path) in [
            ("HOME", &home),
            ("npm_config_userconfig", &own),
            ("npm_config_globalconfig", &none),
            ("npm_config_cache", &cache),
            ("npm_config_devdir", &headers),
        ] {
            variables.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
            variables.push((name.to_owned(), path.display().to_string()));
        }
        let mut reads = tool_chain(&variables, &settings, host);
        // they are found although the user's folder is another
        for (name, otherwise) in MANAGERS {
            let named = host.variable(name).map(PathBuf::from);
            let found = named.or_else(|| Some(npmrc::home(host)?.join(otherwise)));
            if let Some(found) = found.filter(|found| found.is_dir()) {
                variables.retain(|(known, _)| known != name);
                variables.push((name.to_owned(), found.display().to_string()));
                reads.push(found);
            }
        }
        reads.extend(kept);
        reads.push(directory.to_owned());
        let mut confined = for_helper(directory, &[directory.to_owned()], Some(&reads), true, host);
        if let Some(policy) = &mut confined.policy {
            policy.demands[Layer::UnixSockets] = Demand::Preferred;
        }
        Ok(Self { variables, confined })
    }
}

/// Whether a script gets a variable.
fn is_for_scripts(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let is_of_others = ["git_", "xdg_"].iter().any(|prefix| lower.starts_with(prefix))
        || ["SSH_AUTH_SOCK", "NODE_OPTIONS"].contains(&name);
    !is_of_others && lower.strip_prefix("npm_config_").map_or(!is_secret_name(name), is_public_setting)
}

/// Whether a setting is nobody's secret, and no place of the user's.
fn is_public_setting(name: &str) -> bool {
    let name = name.trim().to_ascii_lowercase();
    !name.contains("//")
        && !name.contains("auth")
        && !is_secret_name(&name)
        && !NOT_FOR_SCRIPTS.contains(&name.trim_end_matches("[]"))
}

/// A value without the login in it; only proxies need theirs.
fn public(name: &str, value: &str) -> String {
    let is_address = value.contains("://") && !name.to_ascii_lowercase().contains("proxy");
    if is_address { without_login(value) } else { value.to_owned() }
}

/// The settings of npmrc files that a script gets.
fn settings(configuration: &str) -> String {
    let public = configuration.lines().filter_map(|line| {
        let (name, value) = line.split_once('=')?;
        is_public_setting(name).then(|| format!("{}={}\n", name.trim(), public(name, value.trim())))
    });
    public.collect()
}

/// What compilers, Python and Node.js consist of.
fn tool_chain(variables: &[(String, String)], settings: &str, host: &Host) -> Vec<PathBuf> {
    let node = find_node(&host.variables, host).unwrap_or_default();
    let mut reads = reads_of_node(&node);
    reads.extend(OF_TOOLS.map(PathBuf::from));
    // what Debian's Python reads at each start
    let etc = fs::read_dir("/etc").into_iter().flatten().flatten();
    reads.extend(
        etc.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"python3"))
            .map(|entry| entry.path()),
    );
    let value = |name: &str| {
        let found = variables.iter().rev().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.clone())
    };
    let home = npmrc::home(host).and_then(|home| fs::canonicalize(home).ok());
    // a folder above everything of the user's is no tool chain
    let is_narrow = |folder: &Path| {
        folder.is_absolute()
            && folder.parent().is_some()
            && !home.as_ref().is_some_and(|home| home.starts_with(folder))
    };
    let path = value("PATH").unwrap_or_default();
    let folders: Vec<_> =
        std::env::split_paths(&path).filter_map(|folder| fs::canonicalize(folder).ok()).collect();
    let named = ["PYTHON", "CC", "CXX", "npm_config_python"].into_iter().filter_map(value).map(PathBuf::from);
    let tools = folders.iter().flat_map(|folder| TOOLS.map(|tool| folder.join(tool)));
    let programs = named.chain(tools).chain([node, find_npm(host).unwrap_or_default()]);
    for program in programs.filter_map(|program| fs::canonicalize(program).ok()) {
        reads.extend(belongings(&program).into_iter().filter(|folder| is_narrow(folder)));
        reads.push(program);
    }
    reads.extend(folders.into_iter().filter(|folder| is_narrow(folder)));
    let files = ["nodedir", "cafile"].map(|name| {
        let set = settings.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        value(&format!("npm_config_{name}")).or_else(|| set.map(ToOwned::to_owned))
    });
    reads.extend(files.into_iter().flatten().map(|path| host.absolute(path)));
    reads.extend(crate::isolation::named_by(&host.variables, &host.cwd));
    reads
}

/// Folders that a program needs: those beside its own in an installation by itself, and the package of a
/// script such as npm's.
fn belongings(program: &Path) -> Vec<PathBuf> {
    let Some(folder) = program.parent() else { return Vec::new() };
    let Some(above) = folder.parent().filter(|_| folder.ends_with("bin")) else { return Vec::new() };
    if above.join("package.json").is_file() {
        return vec![above.to_owned()];
    }
    ["lib", "lib64", "libexec", "include", "share"].map(|name| above.join(name)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_get_settings_and_no_logins() {
        let text = "registry = https://u:p@r/\n//r/:_authToken=t\n_auth=x\n@s:registry=https://r/s\n; note\n\
                    proxy=http://u:p@proxy\ncache=/c\nemail=e\nsharp_binary_host=https://m/\n//r/:username=u\n\
                    key=k\nca[]=c\ncert=c\n";
        assert_eq!(
            settings(text),
            "registry=https://r/\n@s:registry=https://r/s\nproxy=http://u:p@proxy\n\
             sharp_binary_host=https://m/\nca[]=c\n"
        );
        for name in
            ["NODE_AUTH_TOKEN", "NPM_TOKEN", "npm_config__auth", "npm_config_//r/:_authToken", "GIT_ASKPASS"]
        {
            assert!(!is_for_scripts(name), "{name}");
        }
        for name in
            ["PATH", "CC", "https_proxy", "npm_config_registry", "npm_config_build_from_source", "TMPDIR"]
        {
            assert!(is_for_scripts(name), "{name}");
        }
    }
}
