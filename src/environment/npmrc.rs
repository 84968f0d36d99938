//! What npm gets of the host: its settings, and what they name; none of the secrets beside them.

use std::fs;
use std::path::{Path, PathBuf};

use super::npm_settings;
use super::project::Project;
use crate::host::Host;
use crate::process::{EnvPolicy, make_absolute, path_for_npm};

/// Further variables of npm, of git, and of what compiles native addons.
const NAMES: [&str; 17] = [
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "TERM",
    "NODE_AUTH_TOKEN",
    "NODE_OPTIONS",
    "SSH_AUTH_SOCK",
    "CC",
    "CXX",
    "CFLAGS",
    "CXXFLAGS",
    "CPPFLAGS",
    "LDFLAGS",
    "MAKEFLAGS",
    "PYTHON",
    "LD_LIBRARY_PATH",
];

const PREFIXES: [&str; 5] = ["npm_", "NPM_", "XDG_", "GIT_", "PKG_CONFIG"];

/// Its variables: what holds its configuration, and what that refers to as `${NAME}`; or with
/// `is_free` all but those of a run. Its script starts `node` by the PATH, so node's folder must be
/// on it.
pub fn variables(
    host: &Host,
    temporary: &Path,
    project: Option<&Project>,
    is_free: bool,
) -> Vec<(String, String)> {
    let configuration = format!("{}\n{}", configuration(host), project.map_or("", Project::text));
    variables_for(&configuration, host, temporary, is_free)
}

/// The same for another configuration than the user's and the project's.
pub fn variables_for(
    configuration: &str,
    host: &Host,
    temporary: &Path,
    is_free: bool,
) -> Vec<(String, String)> {
    let is_wanted = |name: &str| {
        is_free
            || NAMES.contains(&name)
            || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
            || configuration.contains(&format!("${{{name}}}"))
            || configuration.contains(&format!("${{{name}?}}"))
    };
    let passed = EnvPolicy::Minimal.apply(host.variables.clone());
    let mut variables: Vec<_> = host
        .variables
        .iter()
        .filter(|variable| passed.contains(variable) || is_wanted(&variable.0))
        .filter(|(name, _)| {
            !name.starts_with("OW_") && name != "PATH" && name != "TMPDIR" && !npm_settings::is_ours(name)
        })
        .cloned()
        .collect();
    variables.push(("PATH".to_owned(), path_for_npm(host)));
    variables.push(("TMPDIR".to_owned(), temporary.display().to_string()));
    // npm ends where it has no home and where it cannot write its cache, as in many containers
    if host.variable("HOME").is_none() {
        let home = home(host).unwrap_or_else(|| temporary.to_owned());
        variables.push(("HOME".to_owned(), home.display().to_string()));
    }
    if set("cache", configuration, host).is_none()
        && !in_home(".npm", host).is_some_and(|npm| is_usable(&npm))
    {
        variables.push(("npm_config_cache".to_owned(), temporary.join("npm").display().to_string()));
    }
    let has_compile_cache = is_free && host.variable("NODE_COMPILE_CACHE").is_some();
    if !has_compile_cache {
        // from Node.js 22 on npm makes one in the temporary folder: it would be written each time,
        // which takes a tenth of a second, and never be read
        variables.push(("NODE_DISABLE_COMPILE_CACHE".to_owned(), "1".to_owned()));
    }
    make_absolute(&mut variables, &host.cwd); // npm starts in another folder
    variables
}

/// Where it may write: the directory that it fills, its cache, and where node-gyp keeps headers.
/// Made where they are missing, since npm may not make them then.
pub fn writable(directory: &Path, host: &Host) -> Vec<PathBuf> {
    let kept =
        [folder("cache", ".npm", host), folder("devdir", ".cache/node-gyp", host)].into_iter().flatten();
    let kept = kept.filter(|folder| is_usable(folder));
    std::iter::once(directory.to_owned()).chain(kept).collect()
}

/// A folder that a setting names, or else one of the user's.
pub fn folder(name: &str, otherwise: &str, host: &Host) -> Option<PathBuf> {
    let named = set(name, &configuration(host), host).map(|path| host.absolute(path));
    named.or_else(|| in_home(otherwise, host))
}

/// A setting of npm's, where the host has it.
pub fn effective(name: &str, host: &Host) -> Option<String> {
    set(name, &configuration(host), host)
}

/// A setting, by its variable or from the text of the npmrc files.
fn set(name: &str, configuration: &str, host: &Host) -> Option<String> {
    let wanted = format!("npm_config_{name}").replace('-', "_");
    let variable =
        host.variables.iter().rev().find(|(variable, value)| {
            !value.is_empty() && variable.to_lowercase().replace('-', "_") == wanted
        });
    variable.map(|(_, value)| value.clone()).or_else(|| setting(configuration, name, host))
}

/// The user's folder, as npm finds it: by `HOME`, or else in the system's list of users.
pub fn home(host: &Host) -> Option<PathBuf> {
    host.variable("HOME").map(PathBuf::from).or_else(std::env::home_dir)
}

fn in_home(path: &str, host: &Host) -> Option<PathBuf> {
    home(host).map(|home| home.join(path))
}

/// Whether the folder is there, or could be made, and may be written.
fn is_usable(folder: &Path) -> bool {
    (folder.is_dir() || fs::create_dir_all(folder).is_ok())
        && rustix::fs::access(folder, rustix::fs::Access::WRITE_OK).is_ok()
}

/// The text of the user's and the machine's npmrc.
pub fn configuration(host: &Host) -> String {
    let named = |name: &str| {
        host.variables
            .iter()
            .rev()
            .find(|(variable, value)| !value.is_empty() && variable.to_lowercase() == name)
            .map(|(_, value)| host.absolute(value))
    };
    let user = named("npm_config_userconfig").or_else(|| in_home(".npmrc", host));
    let prefix = named("npm_config_prefix")
        .or_else(|| host.exec_path.parent().and_then(Path::parent).map(Path::to_owned));
    let of_machine =
        named("npm_config_globalconfig").or_else(|| prefix.map(|prefix| prefix.join("etc").join("npmrc")));
    // what is read last is the machine's, which the user's goes before
    let texts = [user, of_machine].into_iter().flatten().filter_map(|file| fs::read_to_string(file).ok());
    texts.collect::<Vec<_>>().join("\n")
}

/// The first value of a setting, with `${NAME}` and `~` replaced.
fn setting(configuration: &str, name: &str, host: &Host) -> Option<String> {
    let value = configuration.lines().find_map(|line| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == name).then(|| value.trim().trim_matches('"').to_owned())
    })?;
    let mut text = value;
    for (variable, value) in &host.variables {
        text = text.replace(&format!("${{{variable}}}"), value);
    }
    match text.strip_prefix("~/").and_then(|rest| in_home(rest, host)) {
        Some(path) => Some(path.display().to_string()),
        None => Some(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(home: &Path, more: &[(&str, &str)]) -> Host {
        let mut variables = vec![("HOME".to_owned(), home.display().to_string())];
        variables.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        Host { variables, exec_path: "/node/bin/node".into(), cwd: "/".into(), ..Host::default() }
    }

    #[test]
    fn npm_gets_its_settings_and_what_they_name_and_no_other_secret() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join(".npmrc"), "//registry/:_authToken=${TEAM_TOKEN}\n").unwrap();
        let given = [
            ("PATH", "/bin"),
            ("npm_config_registry", "r"),
            ("https_proxy", "p"),
            ("TEAM_TOKEN", "t"),
            ("DATABASE_URL", "secret"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("OW_CONFIG", "secret"),
            ("TMPDIR", "/tmp"),
        ];
        let passed = variables(&host(home.path(), &given), Path::new("/staging/.tmp"), None, false);
        let names: Vec<_> = passed.iter().map(|(name, _)| name.as_str()).collect();
        let wanted = ["HOME", "npm_config_registry", "https_proxy", "TEAM_TOKEN", "PATH", "TMPDIR"];
        assert_eq!(names, [&wanted[..], &["NODE_DISABLE_COMPILE_CACHE"]].concat());
        assert_eq!(passed[4].1, "/bin:/node/bin");
        assert_eq!(passed[5].1, "/staging/.tmp");
        let all = variables(&host(home.path(), &given), Path::new("/staging/.tmp"), None, true);
        assert_eq!(all.len(), given.len() + 1, "all but OW_CONFIG, and HOME, and one of ours");
        let cached: Vec<_> = given.into_iter().chain([("NODE_COMPILE_CACHE", "/own")]).collect();
        let all = variables(&host(home.path(), &cached), Path::new("/staging/.tmp"), None, true);
        assert!(all.iter().all(|(name, _)| name != "NODE_DISABLE_COMPILE_CACHE"));
    }

    #[test]
    fn npm_gets_a_cache_where_the_user_has_none_that_can_be_written() {
        let passed = |host: &Host, name: &str| {
            let all = variables(host, Path::new("/staging/.tmp"), None, false);
            all.into_iter().find(|variable| variable.0 == name).map(|variable| variable.1)
        };
        let home = tempfile::tempdir().unwrap();
        assert_eq!(passed(&host(home.path(), &[]), "npm_config_cache"), None, "its own is fine");

        let file = home.path().join("file");
        fs::write(&file, "").unwrap();
        let homeless = host(&file, &[]); // for root, a folder that may not be written is one that may
        assert_eq!(passed(&homeless, "npm_config_cache").as_deref(), Some("/staging/.tmp/npm"));
        assert_eq!(writable(Path::new("/staging"), &homeless), [PathBuf::from("/staging")]);
        let named = host(&file, &[("npm_config_cache", "/named")]);
        assert_eq!(passed(&named, "npm_config_cache").as_deref(), Some("/named"), "what is named is meant");

        let mut none = host(Path::new(""), &[("npm_config_cache", "/named")]);
        none.variables.remove(0);
        let found =
            std::env::home_dir().map_or("/staging/.tmp".to_owned(), |home| home.display().to_string());
        assert_eq!(passed(&none, "HOME"), Some(found), "npm and what it may write agree on it");
    }

    #[test]
    fn npm_writes_in_its_cache_wherever_that_is() {
        let home = tempfile::tempdir().unwrap();
        let at = |path: &str| home.path().join(path);
        let directory = PathBuf::from("/staging");
        let writes = |more: &[(&str, &str)]| writable(&directory, &host(home.path(), more));
        assert_eq!(writes(&[]), [directory.clone(), at(".npm"), at(".cache/node-gyp")]);
        assert!(at(".npm").is_dir());
        fs::write(at(".npmrc"), "registry = x\ncache = ${BASE}/rc\n").unwrap();
        let base = home.path().display().to_string();
        assert_eq!(writes(&[("BASE", &base)])[1], at("rc"));
        let named = at("named").display().to_string();
        assert_eq!(writes(&[("BASE", &base), ("NPM_CONFIG_CACHE", &named)])[1], at("named"));
    }
}
