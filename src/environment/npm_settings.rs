//! Settings of npm that are ours, whatever the machine says: those that change what is installed, or
//! hide why nothing is.

/// What every call says. Versions of npm ignore what they do not know.
const OURS: [&str; 20] = [
    "--dry-run=false",
    "--global=false",
    "--location=project",
    "--package-lock=true",
    "--lockfile-version=3",
    "--omit-lockfile-registry-resolved=false",
    "--save=true",
    "--install-strategy=hoisted",
    "--legacy-peer-deps=false",
    "--bin-links=true",
    // what is included is not omitted, by whatever older setting
    "--include=prod",
    "--include=optional",
    "--include=peer",
    "--workspaces=false",
    "--before=null",
    // an error is told in words, which are read
    "--loglevel=notice",
    "--heading=npm",
    "--color=false",
    "--json=false",
    "--timing=false",
];

/// What is said in every call but one that asks for the lockfile alone.
const ALL: &str = "--package-lock-only=false";

/// Arguments for a call beside its own. They go before the settings of variables and of all files.
pub fn arguments(own: &[&str]) -> impl Iterator<Item = String> + use<> {
    let is_all = !own.contains(&"--package-lock-only");
    OURS.into_iter().chain(is_all.then_some(ALL)).map(ToOwned::to_owned)
}

/// Settings that npm does not get from its variables: those that change what is installed, beside
/// what its arguments say. Some cannot be unset by an argument, or are refused beside another.
const NOT_PASSED: [&str; 35] = [
    "also",
    "before",
    "bin_links",
    "color",
    "cpu",
    "dev",
    "dry_run",
    "global",
    "global_style",
    "heading",
    "ignore_scripts",
    "include",
    "install_strategy",
    "json",
    "legacy_bundling",
    "legacy_peer_deps",
    "libc",
    "location",
    "lockfile_version",
    "loglevel",
    "omit",
    "omit_lockfile_registry_resolved",
    "only",
    "optional",
    "os",
    "package_lock",
    "package_lock_only",
    "prefer_offline",
    "prefer_online",
    "production",
    "save",
    "usage",
    "version",
    "workspace",
    "workspaces",
];

/// Whether a variable is a setting that npm does not get. npm takes names in capitals and small
/// letters, with `-` and `_`.
pub fn is_ours(variable: &str) -> bool {
    let name = variable.to_ascii_lowercase().replace('-', "_");
    name.strip_prefix("npm_config_").is_some_and(|name| NOT_PASSED.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_as_npm_takes_them() {
        for name in ["npm_config_dry_run", "NPM_CONFIG_DRY_RUN", "npm_config_dry-run", "npm_config_loglevel"]
        {
            assert!(is_ours(name), "{name}");
        }
        for name in
            ["npm_config_registry", "npm_config_cache", "npm_config_prefix", "npm_package_version", "omit"]
        {
            assert!(!is_ours(name), "{name}");
        }
    }

    #[test]
    fn a_call_for_the_lockfile_alone_stays_one() {
        assert!(arguments(&["install"]).any(|argument| argument == ALL));
        assert!(arguments(&["install", "--package-lock-only"]).all(|argument| argument != ALL));
    }
}
