//! What a dependency may ask for in place of a version. A version, range or tag of the registry is
//! always fine. What names a folder, a repository or an address brings in code that no registry
//! has seen, and is refused unless the caller's options allow it.

use std::fs;
use std::path::{Component, Path};

use crate::error::{Code, Result, RunnerError};
use crate::manifest::is_package_name;

/// Longest text; npm's own limit for a version is 256 characters, and addresses are longer.
const MAX_BYTES: usize = 2048;

/// What a specifier names. npm decides by the same marks, in the same order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The registry: a version, a range, a tag, or an alias for one of another package.
    Registry,
    /// A folder or an archive on this machine.
    File,
    /// A git repository.
    Git,
    /// An archive at an address.
    Url,
}

impl Origin {
    const NAMED: [(&'static str, Self); 3] = [("file", Self::File), ("git", Self::Git), ("url", Self::Url)];

    fn name(self) -> &'static str {
        Self::NAMED.iter().find(|(_, origin)| *origin == self).map_or("registry", |(name, _)| name)
    }
}

/// The option `allowSpecs`: origins that are allowed beside the registry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedOrigins(Vec<Origin>);

impl AllowedOrigins {
    /// Reads the option's names.
    ///
    /// # Errors
    /// `INVALID_CONFIG` for a name that is none.
    pub fn from_names(names: &[String]) -> Result<Self> {
        let origin_of = |name: &String| {
            Origin::NAMED.iter().find(|(known, _)| known == name).map(|(_, origin)| *origin).ok_or_else(
                || {
                    RunnerError::new(
                        Code::InvalidConfig,
                        format!("option allowSpecs: {name:?} is unknown; there are 'file', 'git' and 'url'"),
                    )
                },
            )
        };
        names.iter().map(origin_of).collect::<Result<_>>().map(Self)
    }

    /// Whether this origin is allowed.
    pub fn allow(&self, origin: Origin) -> bool {
        origin == Origin::Registry || self.0.contains(&origin)
    }

    /// Names of what is allowed, in a fixed order.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.0.iter().map(|origin| origin.name().to_owned()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Refuses what is not allowed. A folder inside the connectors package is a part of it, and
    /// needs no permission.
    ///
    /// # Errors
    /// `INVALID_CONFIG`, naming the dependency, and the option that would allow it.
    pub fn check(&self, name: &str, specifier: &str, connectors_root: &Path) -> Result<()> {
        let refused =
            |why: String| RunnerError::new(Code::InvalidConfig, format!("dependency {name:?} {why}"));
        let origin = origin(specifier).ok_or_else(|| {
            refused(format!(
                "asks for {specifier:?}, which is neither a version, range or tag nor an address that npm knows"
            ))
        })?;
        let is_allowed =
            self.allow(origin) || (origin == Origin::File && is_part_of(specifier, connectors_root));
        if is_allowed {
            return Ok(());
        }
        let kind = origin.name();
        Err(refused(format!(
            "asks for {specifier:?}, which does not come from the npm registry; if you trust it, allow it with \
             the option allowSpecs: ['{kind}'] or --allow-specs {kind}"
        )))
    }
}

/// Hosts whose web addresses npm takes for repositories.
const GIT_HOSTS: [&str; 5] = ["github.com", "gitlab.com", "bitbucket.org", "gist.github.com", "git.sr.ht"];

const GIT_SCHEMES: [&str; 11] = [
    "git:",
    "git+https:",
    "git+http:",
    "git+ssh:",
    "git+file:",
    "ssh:",
    "github:",
    "gitlab:",
    "bitbucket:",
    "gist:",
    "sourcehut:",
];

/// What the specifier names; `None` for what npm would not understand, or a program that npm
/// starts could take for an option.
pub fn origin(specifier: &str) -> Option<Origin> {
    let is_odd = specifier.len() > MAX_BYTES
        || specifier.trim().is_empty()
        || specifier.chars().any(char::is_control)
        || specifier.starts_with('-');
    if is_odd {
        return None;
    }
    let lower = specifier.to_ascii_lowercase();
    if lower.starts_with("file:") || specifier.starts_with(['.', '/']) || specifier.starts_with("~/") {
        return Some(Origin::File);
    }
    if let Some(alias) = lower.strip_prefix("npm:") {
        return is_alias(alias).then_some(Origin::Registry);
    }
    if let Some(scheme) = GIT_SCHEMES.iter().find(|scheme| lower.starts_with(**scheme)) {
        return is_safe_for_git(&specifier[scheme.len()..]).then_some(Origin::Git);
    }
    if let Some(rest) = lower.strip_prefix("https://").or_else(|| lower.strip_prefix("http://")) {
        return web_origin(rest);
    }
    let place = specifier.split('#').next().unwrap_or_default();
    if place.contains(':') || place.matches('/').count() == 1 {
        let is_known = place.split_once(':').is_none_or(|(login, _)| login.contains('@'));
        return (is_known && is_safe_for_git(specifier)).then_some(Origin::Git);
    }
    if place.contains('/') {
        return Some(Origin::File);
    }
    if is_archive(&lower) {
        return Some(Origin::File);
    }
    is_range(specifier).then_some(Origin::Registry)
}

/// `address` is lower case.
#[expect(clippy::case_sensitive_file_extension_comparisons, reason = "it is lower case")]
fn web_origin(address: &str) -> Option<Origin> {
    if address.contains(char::is_whitespace) {
        return None;
    }
    let path = address.split(['#', '?']).next().unwrap_or_default();
    let authority = path.split('/').next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = host.split(':').next().unwrap_or_default();
    if host.is_empty() || host.starts_with('-') {
        return None;
    }
    let host = host.strip_prefix("www.").unwrap_or(host);
    let is_repository = path.ends_with(".git") || (GIT_HOSTS.contains(&host) && !is_archive(path));
    Some(if is_repository { Origin::Git } else { Origin::Url })
}

/// Whether git, which npm starts with parts of it, cannot take any part for an option.
fn is_safe_for_git(specifier: &str) -> bool {
    let parts = specifier.split(['/', '@', '#', ':']);
    !specifier.contains(char::is_whitespace) && parts.into_iter().all(|part| !part.starts_with('-'))
}

fn is_archive(path: &str) -> bool {
    [".tgz", ".tar.gz", ".tar"].iter().any(|end| path.ends_with(end))
}

/// A version, a range or a tag: nothing in it can be a path or an address.
fn is_range(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".+-~^<>=|*_ ".contains(&byte))
}

/// `name` or `name@range`.
fn is_alias(text: &str) -> bool {
    let at = text.get(1..).and_then(|rest| rest.rfind('@')).map(|at| at + 1);
    let (name, range) = at.map_or((text, ""), |at| (&text[..at], &text[at + 1..]));
    is_package_name(name) && is_range(range) && !range.starts_with(['.', '-'])
}

/// Whether a `file:` specifier is the path of something inside the connectors package, links
/// resolved. Characters that mean something in an address are not looked through. The root has no links.
fn is_part_of(specifier: &str, connectors_root: &Path) -> bool {
    let Some(path) = specifier.strip_prefix("file:") else { return false };
    let is_plain = !path.contains(['%', '?', '#', '\\']);
    let path = Path::new(path);
    is_plain
        && path.starts_with(connectors_root)
        && path.components().all(|part| part != Component::ParentDir)
        && fs::canonicalize(path).is_ok_and(|real| real.starts_with(connectors_root))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fuzz::cases;

    #[test]
    fn origins_are_told_apart() {
        let cases: [(Origin, &[&str]); 4] = [
            (
                Origin::Registry,
                &[
                    "1.0.0",
                    "^1.2",
                    "~1",
                    ">=1 <2 || 3.x",
                    "1.0.0-beta.1+build",
                    "latest",
                    "*",
                    "next-11",
                    "npm:other@^1",
                    "npm:@scope/other@1.x",
                    "npm:other",
                ],
            ),
            (
                Origin::File,
                &["file:/a", "FILE:../a", "./a", "../a", "/a/b", "~/a", "a/b/c", "a.tgz", "a.tar.gz", ".."],
            ),
            (
                Origin::Git,
                &[
                    "git+ssh://git@github.com/a/b.git#v1",
                    "git://host/a",
                    "GitHub:a/b",
                    "a/b",
                    "a/b#semver:^1",
                    "git@github.com:a/b.git",
                    "https://github.com/a/b",
                    "https://www.github.com/a/b",
                    "https://user@github.com:443/a/b#main.tgz",
                    "https://host/a.git",
                    "git+file:///a",
                ],
            ),
            (
                Origin::Url,
                &["https://host/a.tgz", "http://host/a", "https://github.com/a/b/archive/v1.tar.gz"],
            ),
        ];
        for (expected, specifiers) in cases {
            for specifier in specifiers {
                assert_eq!(origin(specifier), Some(expected), "{specifier}");
            }
        }
    }

    #[test]
    fn what_npm_or_git_could_take_for_something_else_is_refused() {
        for specifier in [
            "",
            "  ",
            "1.0.0\n",
            "1\0",
            "--registry=http://evil",
            "-1",
            "$(id)",
            "1;id",
            "`id`",
            "1 && id",
            "git+ssh://-oProxyCommand=id/a",
            "git+ssh://git@-oProxyCommand=id/a",
            "git+https://host/a#--upload-pack=id",
            "a/b#-x",
            "-a/b",
            "git+ext::sh -c id",
            "ext::sh -c id",
            "data:text/plain,x",
            "javascript:1",
            "workspace:*",
            "https://",
            "https://-host/a.tgz",
            "https://host/a b",
            "npm:../x@1",
            "npm:a@file:/x",
            "npm:a@-x",
            "npm:",
            "C:\\a",
            "1\u{202e}0",
        ] {
            assert_eq!(origin(specifier), None, "{specifier:?}");
        }
        assert_eq!(origin(&"1".repeat(MAX_BYTES + 1)), None);
    }

    #[test]
    fn only_the_registry_is_allowed_unless_said_otherwise() {
        let root = Path::new("/connectors");
        let none = AllowedOrigins::default();
        none.check("a", "^1", root).unwrap();
        for (specifier, kind) in [("file:/elsewhere", "file"), ("a/b", "git"), ("https://host/a.tgz", "url")]
        {
            let error = none.check("some-package", specifier, root).unwrap_err();
            assert_eq!(error.code, Code::InvalidConfig);
            for part in ["some-package", specifier, "allowSpecs", &format!("--allow-specs {kind}")] {
                assert!(error.message.contains(part), "{part} in {}", error.message);
            }
            AllowedOrigins::from_names(&[kind.to_owned()]).unwrap().check("a", specifier, root).unwrap();
        }
        let error = AllowedOrigins::from_names(&["ftp".into()]).unwrap_err();
        assert!(error.message.contains("\"ftp\""), "{}", error.message);
    }

    #[test]
    fn a_folder_of_the_connectors_package_needs_no_permission() {
        let folder = tempfile::tempdir().unwrap();
        let base = fs::canonicalize(folder.path()).unwrap();
        let root = &base.join("connectors");
        for made in ["connectors/vendor/a", "connectors-other/a"] {
            fs::create_dir_all(base.join(made)).unwrap();
        }
        std::os::unix::fs::symlink(base.join("connectors-other"), root.join("vendor/link")).unwrap();
        let none = AllowedOrigins::default();
        let base = base.display();
        none.check("a", &format!("file:{base}/connectors/vendor/a"), root).unwrap();
        for outside in [
            format!("file:{base}/connectors/../connectors-other/a"),
            format!("file:{base}/connectors/vendor/link/a"),
            format!("file:{base}/connectors/vendor/link"),
            format!("file:{base}/connectors/missing"),
            format!("file:{base}/connectors/%2e%2e/etc"),
            format!("file:{base}/connectors-other/a"),
            "file:vendor/a".to_owned(),
            format!("file://{base}/connectors/a?/../../etc"),
            format!("file:{base}/connectors\\..\\etc"),
            format!("{base}/connectors/vendor/a"),
        ] {
            assert!(none.check("a", &outside, root).is_err(), "{outside}");
        }
    }

    proptest! {
        #![proptest_config(cases(1000))]

        /// What passes as the registry's holds nothing that could name another place.
        #[test]
        fn the_registrys_specifiers_name_no_other_place(specifier in "[ -~]{0,16}|npm:[ -~]{0,12}|\\PC{0,8}") {
            if origin(&specifier) == Some(Origin::Registry) {
                let range = specifier.strip_prefix("npm:").unwrap_or(&specifier);
                prop_assert!(!range.contains([':', '\\', '$', '`', ';', '&', '\'', '"', '#', '?', '%']), "{specifier}");
                prop_assert!(range.starts_with('@') || !range.contains('/'), "{specifier}");
                prop_assert!(!range.starts_with(['.', '-', '/']), "{specifier}");
            }
        }
    }
}
