//! Whose install scripts run: those of packages that a caller has named, and that are what their
//! name says. A name alone is the registry's; of whatever else bears it, the place has to be named.

use std::fs;
use std::path::{Path, PathBuf};

use super::sources::{Installed, Source, without_commit, without_login};
use crate::error::{Code, Result, RunnerError};
use crate::manifest::is_package_name;
use crate::specifier::{Origin, origin};

/// Originals whose install script may run where they are used, by the digest of their archive in the
/// registry: it must be compiled where no binary fits.
const KNOWN: [(&str, &str); 1] = [(
    "@kaciras/deasync",
    "sha512-cuO+rgjwuZxja/F/W+dIqSG8wmci0PM6LLZor/PGhWrRITtIltp0kjiZlaVNSHnbEhPYBG4taOdQBwyKdbA0QQ==",
)];

/// One entry of the option `allowScripts`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permit {
    name: String,
    place: Place,
}

/// Where a package has to come from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// The registry; in this version only, where there is one.
    Registry(Option<String>),
    /// A folder or archive.
    File(PathBuf),
    /// A git repository; any commit of it, unless the address names one.
    Git(String),
    /// An archive.
    Url(String),
}

impl Permit {
    /// Reads `NAME`, or `NAME@` and a version, `file:` with an absolute path, or the address of a
    /// repository or archive as npm's lockfile has it.
    ///
    /// # Errors
    /// `INVALID_CONFIG` for anything else.
    pub fn parse(text: &str) -> Result<Self> {
        let invalid = |why: &str| {
            Err(RunnerError::new(Code::InvalidConfig, format!("option allowScripts: {text:?} {why}")))
        };
        let at = text.get(1..).and_then(|rest| rest.find('@')).map(|at| at + 1);
        let (name, place) = at.map_or((text, None), |at| (&text[..at], Some(&text[at + 1..])));
        if !is_package_name(name) {
            return invalid("is not a valid npm package name");
        }
        let Some(place) = place else {
            return Ok(Self { name: name.to_owned(), place: Place::Registry(None) });
        };
        let place = match origin(place) {
            Some(Origin::Registry) if place.starts_with(|first: char| first.is_ascii_digit()) => {
                Place::Registry(Some(place.to_owned()))
            }
            Some(Origin::File) => match place.strip_prefix("file:").map(Path::new) {
                Some(path) if path.is_absolute() => Place::File(path.to_owned()),
                _ => return invalid("must name its path as NAME@file:/absolute/path"),
            },
            Some(Origin::Git) => Place::Git(place.to_owned()),
            Some(Origin::Url) => Place::Url(place.to_owned()),
            _ => {
                return invalid(
                    "is neither a package's name nor NAME@ with a version, file:/path, or the address of a \
                     repository or archive",
                );
            }
        };
        Ok(Self { name: name.to_owned(), place })
    }

    fn permits(&self, package: &Installed) -> bool {
        self.name == package.name
            && match (&self.place, &package.source) {
                (Place::Registry(version), Source::Registry { is_direct: true }) => {
                    version.as_ref().is_none_or(|version| *version == package.version)
                }
                (Place::File(path), Source::Local(Some(real))) => {
                    fs::canonicalize(path).is_ok_and(|path| path == *real)
                }
                (Place::Git(address), Source::Git(resolved)) => {
                    let (address, resolved) = (without_login(address), without_login(resolved));
                    address == resolved || address == without_commit(&resolved)
                }
                (Place::Url(address), Source::Url(resolved)) => {
                    without_login(address) == without_login(resolved)
                }
                _ => false,
            }
    }
}

/// Whose scripts run in an environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// Folders of packages, from that of the environment.
    pub run: Vec<String>,
    /// What a caller should know of the others that bear an allowed name.
    pub warnings: Vec<String>,
}

/// Chooses among installed packages. `named` is the option `allowScripts`; `originals` are the known
/// packages that are used as they are, which none is where the runner brings its own.
///
/// # Errors
/// `INVALID_CONFIG` for a package that was named and has a script, but comes from elsewhere.
pub fn choose(installed: &[Installed], named: &[String], originals: &[String]) -> Result<Choice> {
    let permits: Vec<_> = named.iter().map(|text| Permit::parse(text)).collect::<Result<_>>()?;
    let mut choice = Choice::default();
    for package in installed {
        if is_known(package, originals) || permits.iter().any(|permit| permit.permits(package)) {
            choice.run.push(package.location.clone());
            continue;
        }
        let folder = package.location.rsplit("node_modules/").next().unwrap_or_default();
        let bears = |name: &str| name == package.name || name == folder;
        let is_named = permits.iter().any(|permit| bears(&permit.name));
        if !package.has_script || !(is_named || originals.iter().any(|name| bears(name))) {
            continue;
        }
        let notice = notice(package, folder);
        if is_named && package.location == format!("node_modules/{folder}") {
            return Err(RunnerError::new(Code::InvalidConfig, notice));
        }
        choice.warnings.push(notice);
    }
    Ok(choice)
}

fn is_known(package: &Installed, originals: &[String]) -> bool {
    let is_of_registry = matches!(package.source, Source::Registry { .. });
    let integrity = package.integrity.as_deref();
    is_of_registry
        && originals.contains(&package.name)
        && KNOWN.iter().any(|known| known.0 == package.name && Some(known.1) == integrity)
}

/// Why the script of a package with an allowed name does not run, and what to write.
fn notice(package: &Installed, folder: &str) -> String {
    let Installed { name, version, source, .. } = package;
    let allow = match source {
        Source::Registry { is_direct: true } => Some(name.clone()),
        source => source.specifier().map(|place| format!("{name}@{place}")),
    };
    let what = if name == folder { name.clone() } else { format!("{folder}, which is {name},") };
    let remedy = allow.map_or_else(
        || "scripts of such packages never run".to_owned(),
        |allow| {
            format!("if you trust it, allow it with the option allowScripts: [{allow:?}] or --allow-scripts")
        },
    );
    format!(
        "the install script of {what} {version} was not allowed, since it comes from {}; {remedy}",
        source.describe()
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::replaced::Replaced;
    use super::super::sources::of_lockfile;
    use super::*;

    /// Packages of which `other` has an alias for `needed`, and all have scripts.
    fn packages(resolved: &str) -> Vec<Installed> {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("local")).unwrap();
        let lock = json!({ "packages": {
            "node_modules/other": { "resolved": "https://r/o.tgz", "dependencies": { "needed": resolved } },
            "node_modules/needed": {
                "version": "1.0.0", "hasInstallScript": true,
                "resolved": if resolved.contains(':') { resolved } else { "https://r/needed.tgz" },
            },
        } });
        of_lockfile(&lock, folder.path(), &Replaced::None)
    }

    fn runs(resolved: &str, permit: &str) -> bool {
        choose(&packages(resolved), &[permit.to_owned()], &[]).is_ok_and(|choice| !choice.run.is_empty())
    }

    #[test]
    fn a_name_is_the_registrys_and_other_places_are_named() {
        assert!(runs("^1", "needed"));
        assert!(runs("^1", "needed@1.0.0"));
        assert!(!runs("^1", "needed@1.0.1"));
        assert!(!runs("^1", "needed@https://r/needed.tgz"));
        let git = "git+ssh://git@host/a.git#0123";
        assert!(!runs(git, "needed"));
        assert!(runs(git, "needed@git+ssh://git@host/a.git"));
        assert!(runs(git, "needed@git+ssh://git@host/a.git#0123"));
        assert!(!runs(git, "needed@git+ssh://git@host/a.git#4567"));
        assert!(!runs(git, "needed@git+ssh://git@host/b.git"));
        let url = "https://login:secret@host/needed.tgz";
        assert!(!runs(url, "needed"));
        assert!(runs(url, "needed@https://host/needed.tgz"));
        let error = choose(&packages(url), &["needed".to_owned()], &[]).unwrap_err();
        assert_eq!(error.code, Code::InvalidConfig);
        assert!(error.message.contains("\"needed@https://host/needed.tgz\""), "{}", error.message);
        assert!(!error.message.contains("secret"));
    }

    #[test]
    fn what_names_no_place_is_refused() {
        for good in ["a", "@a/b", "a@1.0.0", "@a/b@file:/x", "a@git+https://h/a.git", "a@https://h/a.tgz"] {
            Permit::parse(good).unwrap();
        }
        for bad in [
            "",
            "@",
            "é",
            "-g",
            "--global",
            "../x",
            "a@",
            "a@^1",
            "a@latest",
            "a@file:x",
            "a@/x",
            "a@--x",
            "a@npm:b@1",
            "a b",
            "a@1.0.0\n",
        ] {
            assert_eq!(Permit::parse(bad).unwrap_err().code, Code::InvalidConfig, "{bad:?}");
        }
    }
}
