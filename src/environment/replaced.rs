//! Hosts in lockfiles that npm replaces by the registry's: packages are published with lockfiles that
//! name the host of npm's own default registry, and a machine with a mirror asks that instead.

use std::fs;

use super::npmrc;
use crate::host::Host;
use crate::process;

/// What of npm's own code is read, in bytes.
const MAX_BYTES: u64 = 1024 * 1024;

/// Hosts that npm replaces by that of the registry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Replaced {
    /// Of no address.
    #[default]
    None,
    /// Of each.
    All,
    /// This one, whatever the port.
    Host(String),
}

impl Replaced {
    /// What npm's setting `replace-registry-host` says on this machine. Where npm's own default is not
    /// to be found, or an address is named, which not all versions know, none is.
    pub fn on(host: &Host) -> Self {
        match npmrc::effective("replace-registry-host", host).as_deref() {
            Some("never") => Self::None,
            Some("always") => Self::All,
            None | Some("") => default_registry(host).map_or(Self::None, Self::Host),
            // npm's word for its own
            Some(name)
                if definitions(host)
                    .is_some_and(|code| default_of("replace-registry-host", &code) == Some(name)) =>
            {
                default_registry(host).map_or(Self::None, Self::Host)
            }
            Some(name) if name.contains(['/', ':']) => Self::None,
            Some(name) => Self::Host(name.to_ascii_lowercase()),
        }
    }

    /// Whether it is this one, given with its port.
    pub fn covers(&self, host: &str) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Host(name) => host.split(':').next() == Some(name),
        }
    }
}

/// The host of the registry that npm asks without any setting, as npm's own code has it.
fn default_registry(host: &Host) -> Option<String> {
    let code = definitions(host)?;
    let (_, rest) = default_of("registry", &code)?.split_once("://")?;
    let host = rest.split('/').next()?.to_ascii_lowercase();
    (!host.is_empty() && !host.contains(['@', ':'])).then_some(host)
}

/// The code in which npm defines its settings.
fn definitions(host: &Host) -> Option<String> {
    let script = fs::canonicalize(process::find_npm(host).ok()?).ok()?;
    let file = script.parent()?.parent()?.join("node_modules/@npmcli/config/lib/definitions/definitions.js");
    if fs::metadata(&file).ok()?.len() > MAX_BYTES {
        return None;
    }
    fs::read_to_string(file).ok()
}

/// The text that a setting has by default.
fn default_of<'a>(name: &str, code: &'a str) -> Option<&'a str> {
    let (_, definition) = code.split_once(&format!("('{name}', {{"))?;
    let (_, value) = definition.split_once("default: '")?;
    Some(value.split_once('\'')?.0)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::*;

    /// A machine whose npm has this default.
    fn machine(folder: &Path, definition: &str, settings: &[(&str, &str)]) -> Host {
        let definitions = folder.join("node_modules/@npmcli/config/lib/definitions");
        fs::create_dir_all(&definitions).unwrap();
        fs::create_dir_all(folder.join("bin")).unwrap();
        fs::write(definitions.join("definitions.js"), definition).unwrap();
        fs::write(folder.join("bin/npm"), "").unwrap();
        fs::set_permissions(folder.join("bin/npm"), fs::Permissions::from_mode(0o755)).unwrap();
        let path = folder.join("bin").display().to_string();
        let own = [("PATH", path.as_str()), ("HOME", path.as_str())];
        let all = own.iter().chain(settings).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Host { variables: all.collect(), cwd: "/".into(), ..Host::default() }
    }

    #[test]
    fn npms_own_default_and_its_setting_decide() {
        let folder = tempfile::tempdir().unwrap();
        let new = "x: new Definition('x', {\n default: 'https://no/',\n}),\n registry: new Definition('registry', {\n    default: 'https://Default.host/',\n('replace-registry-host', {\n default: 'own',";
        let old = "define('registry', {\n  default: 'https://default.host/',\n  type: url,";
        let of = |host: &str| Replaced::Host(host.into());
        for definition in [new, old] {
            assert_eq!(Replaced::on(&machine(folder.path(), definition, &[])), of("default.host"));
        }
        for (value, expected) in [
            ("own", of("default.host")),
            ("never", Replaced::None),
            ("always", Replaced::All),
            ("Other.host", of("other.host")),
            ("https://other.host/path", Replaced::None),
        ] {
            for name in ["npm_config_replace_registry_host", "NPM_CONFIG_REPLACE-REGISTRY-HOST"] {
                let host = machine(folder.path(), new, &[(name, value)]);
                assert_eq!(Replaced::on(&host), expected, "{name}={value}");
            }
        }
        for odd in ["", "('registry', { default: 'odd'", "('registry', { default: 'https:///'"] {
            assert_eq!(Replaced::on(&machine(folder.path(), odd, &[])), Replaced::None, "{odd}");
        }
        let host = of("default.host");
        assert!(host.covers("default.host") && host.covers("default.host:8080"));
        assert!(!host.covers("default.host.evil") && !host.covers("evil") && !Replaced::None.covers("a"));
    }
}
