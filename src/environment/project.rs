//! The project's `.npmrc`: what `npm install` beside the configuration would have of it, as far as it
//! says where packages come from. npm runs elsewhere, and is given these settings there as those of a
//! project, so that variables, arguments and the files of the user and the machine keep their places.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::sources::without_login;
use crate::host::Host;

/// Longest file that is read.
const MAX_BYTES: u64 = 1024 * 1024;

const NAME: &str = ".npmrc";

/// Settings that count, beside those of one registry or scope. Everything else could change what npm
/// does or starts.
const SETTINGS: [&str; 10] = [
    "registry",
    "proxy",
    "https-proxy",
    "http-proxy",
    "https_proxy",
    "http_proxy",
    "noproxy",
    "ca",
    "ca[]",
    "cafile",
];

/// Settings that count of one registry: `//HOST/PATH/:NAME`.
const OF_REGISTRY: [&str; 7] =
    ["_authToken", "_auth", "username", "_password", "email", "certfile", "keyfile"];

/// Settings whose values are paths.
const PATHS: [&str; 3] = ["cafile", "certfile", "keyfile"];

/// What counts of a project's `.npmrc`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Project {
    /// Lines as npm reads them. They hold secrets, or name variables that do.
    text: String,
    /// Which registries are asked: part of an environment's key. Without logins.
    registries: Vec<String>,
}

impl Project {
    /// The project that a folder belongs to, as npm finds it: the next folder above that has a
    /// `package.json` or `node_modules`, or else the folder itself.
    pub fn of(folder: &Path, host: &Host) -> Self {
        let is_project =
            |folder: &&Path| ["package.json", "node_modules"].iter().any(|name| folder.join(name).exists());
        let folder = &fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
        let root = folder.ancestors().find(is_project).unwrap_or(folder);
        let path = root.join(NAME);
        let is_short =
            fs::metadata(&path).is_ok_and(|metadata| metadata.is_file() && metadata.len() <= MAX_BYTES);
        match fs::read_to_string(&path) {
            Ok(text) if is_short => Self::read(&text, root, host),
            _ => Self::default(),
        }
    }

    fn read(text: &str, root: &Path, host: &Host) -> Self {
        let mut project = Self::default();
        for line in text.lines().map(str::trim) {
            if line.starts_with('[') && line.ends_with(']') {
                break; // what follows is part of a section, and no setting
            }
            let Some((key, value)) = line.split_once('=').filter(|_| !line.starts_with([';', '#'])) else {
                continue;
            };
            let (key, value) = (expand(unquoted(key.trim()), host), value.trim());
            let name = key.rsplit(':').next().unwrap_or_default();
            let is_of_registry = key.starts_with("//") && OF_REGISTRY.contains(&name);
            let is_of_scope =
                key.starts_with('@') && key.ends_with(":registry") && key.matches(':').count() == 1;
            if !(is_of_registry || is_of_scope || SETTINGS.contains(&key.as_str()))
                || key.contains(['\n', '"', ';', '#'])
            {
                continue;
            }
            if is_of_scope || key == "registry" {
                let address = without_login(&expand(unquoted(value), host));
                project.registries.push(format!("{key}={}", address.trim_end_matches('/')));
            }
            let value =
                if PATHS.contains(&name) { absolute(unquoted(value), root) } else { value.to_owned() };
            project.text.extend([key.as_str(), "=", &value, "\n"]);
        }
        project.registries.sort_unstable();
        project
    }

    /// Its settings, which may name variables.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Which registries are asked, without logins.
    pub fn registries(&self) -> &[String] {
        &self.registries
    }

    /// Gives npm these settings in the folder where it runs, as long as what is returned lives.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn lend(&self, directory: &Path) -> io::Result<Option<Lent>> {
        if self.text.is_empty() {
            return Ok(None);
        }
        let path = directory.join(NAME);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let lent = Lent(path);
        file.write_all(self.text.as_bytes())?;
        Ok(Some(lent))
    }
}

/// The file that npm reads; it goes when this is dropped.
#[derive(Debug)]
pub struct Lent(PathBuf);

impl Drop for Lent {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn unquoted(text: &str) -> &str {
    let inside = |quote| text.strip_prefix(quote).and_then(|rest: &str| rest.strip_suffix(quote));
    inside('"').or_else(|| inside('\'')).unwrap_or(text)
}

/// A path as npm would take it in the project.
fn absolute(path: &str, root: &Path) -> String {
    if path.starts_with(['/', '~', '$']) { path.to_owned() } else { root.join(path).display().to_string() }
}

/// A text with `${NAME}` replaced where there is such a variable.
fn expand(text: &str, host: &Host) -> String {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        expanded.push_str(before);
        let Some((name, behind)) = after.split_once('}') else {
            expanded.push_str("${");
            rest = after;
            continue;
        };
        match host.variable(name.trim_end_matches('?')) {
            Some(value) => expanded.push_str(value),
            None if name.ends_with('?') => {}
            None => expanded.extend(["${", name, "}"]),
        }
        rest = behind;
    }
    expanded + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> Host {
        let variables = vec![("TEAM".into(), "team.test".into()), ("TOKEN".into(), "secret".into())];
        Host { variables, ..Host::default() }
    }

    #[test]
    fn only_where_packages_come_from_counts() {
        let text = "\
            registry = https://user:pw@${TEAM}/npm/\n\
            @team:registry=https://${TEAM}/scope\n\
            //${TEAM}/npm/:_authToken=${TOKEN}\n\
            //team.test/scope/:certfile=certs/a.pem\n\
            ; registry=x\n\
            'proxy'=http://proxy\n\
            ca[]=\"-----BEGIN\\n-----END\"\n\
            cafile=./ca.pem\n\
            script-shell=/bin/evil\n\
            node-options=--require ./evil.js\n\
            git=/bin/evil\n\
            cache=/elsewhere\n\
            //team.test/:tokenHelper=/bin/evil\n\
            @team:registry:x=y\n\
            [section]\n\
            registry=https://other\n";
        let project = Project::read(text, Path::new("/project"), &host());
        assert_eq!(
            project.text(),
            "registry=https://user:pw@${TEAM}/npm/\n\
             @team:registry=https://${TEAM}/scope\n\
             //team.test/npm/:_authToken=${TOKEN}\n\
             //team.test/scope/:certfile=/project/certs/a.pem\n\
             proxy=http://proxy\n\
             ca[]=\"-----BEGIN\\n-----END\"\n\
             cafile=/project/./ca.pem\n"
        );
        assert_eq!(
            project.registries(),
            ["@team:registry=https://team.test/scope", "registry=https://team.test/npm"]
        );
    }

    #[test]
    fn it_is_found_as_npm_finds_it_and_lent_for_a_while() {
        let base = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(base.path()).unwrap();
        fs::create_dir_all(root.join("configs/deep")).unwrap();
        fs::write(root.join("package.json"), "{}").unwrap();
        fs::write(root.join(NAME), "registry=http://r\n").unwrap();
        let project = Project::of(&root.join("configs/deep"), &host());
        assert_eq!(project.text(), "registry=http://r\n");
        fs::write(root.join("configs/package.json"), "{}").unwrap();
        assert_eq!(Project::of(&root.join("configs/deep"), &host()), Project::default());
        assert!(Project::default().lend(&root.join("configs")).unwrap().is_none());
        let lent = project.lend(&root.join("configs")).unwrap();
        assert_eq!(fs::read_to_string(root.join("configs/.npmrc")).unwrap(), "registry=http://r\n");
        drop(lent);
        assert!(!root.join("configs/.npmrc").exists());
        fs::write(root.join("configs/.npmrc"), "kept").unwrap();
        assert!(project.lend(&root.join("configs")).is_err());
    }
}
