//! The files of a package that npm packs, by the rules of npm's own list (`npm-packlist`, as npm 9 to
//! 11 have it), without starting npm. A package that uses what is not known here is no plain one: for
//! it npm is asked. Where npm packs something else, that shows when it has installed the package.

mod glob;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use glob::Rule;

use crate::specifier::{Origin, origin};

/// Most files and folders of a package that are looked at.
const MOST_ITEMS: usize = 50_000;

/// Deepest folder.
const MOST_LEVELS: usize = 60;

/// Longest `package.json` or list of what is to be ignored.
const MOST_BYTES: u64 = 4 * 1024 * 1024;

/// Left out everywhere, unless something says otherwise.
const DEFAULTS: [&str; 22] = [
    ".npmignore",
    ".gitignore",
    "**/.git",
    "**/.svn",
    "**/.hg",
    "**/CVS",
    "**/.git/**",
    "**/.svn/**",
    "**/.hg/**",
    "**/CVS/**",
    "/.lock-wscript",
    "/.wafpickle-*",
    "/build/config.gypi",
    "npm-debug.log",
    "**/.npmrc",
    ".*.swp",
    ".DS_Store",
    "**/.DS_Store/**",
    "._*",
    "**/._*/**",
    "*.orig",
    "/archived-packages/**",
];

/// What nothing else can change, at the top.
const STRICT: [&str; 13] = [
    "/.git",
    "!/package.json",
    "!/readme{,.*[^~$]}",
    "!/copying{,.*[^~$]}",
    "!/license{,.*[^~$]}",
    "!/licence{,.*[^~$]}",
    "/.git",
    "/node_modules",
    ".npmrc",
    "/package-lock.json",
    "/yarn.lock",
    "/pnpm-lock.yaml",
    "/bun.lockb",
];

/// Fields of `package.json` that decide what npm installs with a package, and which files it packs.
const DECIDING: [&str; 14] = [
    "name",
    "dependencies",
    "optionalDependencies",
    "peerDependencies",
    "peerDependenciesMeta",
    "acceptDependencies",
    "files",
    "main",
    "browser",
    "bin",
    "engines",
    "os",
    "cpu",
    "libc",
];

/// A package of which every file comes out of npm as it goes in, and that asks for nothing but what
/// the registry has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plain {
    /// Paths of the files that npm packs, sorted.
    pub files: Vec<String>,
    /// Those that npm makes programs, whatever they are.
    pub programs: Vec<String>,
    /// What of its `package.json` decides what else is installed.
    pub asks: String,
}

/// Looks at a package. None for one that is not plain.
///
/// # Errors
/// When a file or folder cannot be read.
pub fn plain(root: &Path) -> io::Result<Option<Plain>> {
    let Some(text) = read(&root.join("package.json"))? else { return Ok(None) };
    let Ok(Value::Object(manifest)) = serde_json::from_str::<Value>(&text) else { return Ok(None) };
    if !is_plain(&manifest) {
        return Ok(None);
    }
    let Some(programs) = programs(&manifest) else { return Ok(None) };
    let asks: Map<_, _> = DECIDING
        .iter()
        .filter_map(|field| Some((field.to_string(), manifest.get(*field)?.clone())))
        .collect();
    let Some(top) = top(root, &manifest, &programs) else { return Ok(None) };
    let mut walk = Walk { root, folders: vec![top], files: Vec::new(), seen: 0 };
    if !walk.all()? {
        return Ok(None);
    }
    let mut files = walk.files;
    files.sort();
    // what is built at installation, and what brings versions of its own
    let is_special = |file: &String| file == "binding.gyp" || file == "npm-shrinkwrap.json";
    if files.iter().any(is_special) || !files.iter().any(|file| file == "package.json") {
        return Ok(None);
    }
    Ok(Some(Plain { files, programs, asks: Value::Object(asks).to_string() }))
}

/// Whether nothing is done to a package but that its files are packed.
fn is_plain(manifest: &Map<String, Value>) -> bool {
    let is_set = |field: &str| manifest.get(field).is_some_and(|value| !value.is_null() && *value != false);
    if [
        "bundleDependencies",
        "bundledDependencies",
        "workspaces",
        "directories",
        "gypfile",
        "patchedDependencies",
    ]
    .into_iter()
    .any(is_set)
    {
        return false;
    }
    let scripts = manifest.get("scripts").and_then(Value::as_object);
    if scripts.is_some_and(|scripts| {
        ["preinstall", "install", "postinstall"].iter().any(|name| scripts.contains_key(*name))
    }) {
        return false;
    }
    let fields = ["dependencies", "optionalDependencies", "peerDependencies"];
    fields.iter().filter_map(|field| manifest.get(*field)).all(|asked| {
        asked.as_object().is_some_and(|asked| {
            asked.values().all(|specifier| specifier.as_str().and_then(origin) == Some(Origin::Registry))
        })
    })
}

/// Paths of `bin`, as npm writes them.
fn programs(manifest: &Map<String, Value>) -> Option<Vec<String>> {
    let paths: Vec<&Value> = match manifest.get("bin") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Object(all)) => all.values().collect(),
        Some(one) => vec![one],
    };
    paths
        .into_iter()
        .map(|path| {
            let path = path.as_str()?.trim_start_matches("./").trim_start_matches('/');
            (!path.is_empty() && !path.split('/').any(|part| matches!(part, "" | "." | "..")))
                .then(|| path.to_owned())
        })
        .collect()
}

/// A folder, and the rules that hold in it and below.
#[derive(Debug, Default)]
struct Folder {
    /// Its path from the package, empty or with a slash at the end.
    path: String,
    above: Option<usize>,
    levels: usize,
    /// Whether a rule of this folder may take back what one above says.
    is_exact: bool,
    /// In this order, the last that fits decides: for everything, of `files`, of the file in it, strict.
    rules: [Vec<Rule>; 4],
    /// Files in it that `files` names.
    required: Vec<String>,
}

fn rules<'a>(lines: impl IntoIterator<Item = &'a str>) -> Option<Vec<Rule>> {
    let lines = lines.into_iter().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(Rule::new).collect()
}

/// The package's own folder. None where a rule is not supported.
fn top(root: &Path, manifest: &Map<String, Value>, programs: &[String]) -> Option<Folder> {
    let mut strict: Vec<String> = STRICT.iter().map(ToString::to_string).collect();
    let mut required = Vec::new();
    let mut of_files = Vec::new();
    match manifest.get("files") {
        None | Some(Value::Null) => {}
        Some(files) => {
            of_files.push("*".to_owned());
            for file in files.as_array()? {
                let file = file.as_str()?;
                let mut file =
                    file.strip_prefix('.').filter(|rest| rest.starts_with('/')).unwrap_or(file).to_owned();
                if file.ends_with("/*") {
                    file.push('*');
                }
                let inverse = format!("!{file}");
                let place = file.trim_start_matches('!').trim_start_matches('/');
                match fs::symlink_metadata(root.join(place)) {
                    Ok(metadata) if metadata.is_file() => {
                        strict.insert(0, inverse);
                        required.push(file.strip_prefix('/').unwrap_or(&file).to_owned());
                    }
                    Ok(metadata) if metadata.is_dir() => {
                        of_files.push(inverse.clone());
                        of_files.push(inverse + "/**");
                    }
                    Ok(_) => {}
                    Err(_) => of_files.push(inverse),
                }
            }
        }
    }
    for field in ["browser", "main"] {
        strict.extend(manifest.get(field).and_then(Value::as_str).map(|path| format!("!/{path}")));
    }
    strict.extend(programs.iter().map(|path| format!("!/{path}")));
    let read = |lines: &[String]| rules(lines.iter().map(String::as_str));
    let rules = [rules(DEFAULTS)?, read(&of_files)?, Vec::new(), read(&strict)?];
    Some(Folder { rules, required, ..Folder::default() })
}

struct Walk<'a> {
    root: &'a Path,
    /// Every folder that was entered.
    folders: Vec<Folder>,
    files: Vec<String>,
    seen: usize,
}

impl Walk<'_> {
    /// Gives whether everything that was found is supported.
    fn all(&mut self) -> io::Result<bool> {
        let mut next = 0;
        while next < self.folders.len() {
            if !self.enter(next)? {
                return Ok(false);
            }
            next += 1;
        }
        Ok(true)
    }

    fn enter(&mut self, folder: usize) -> io::Result<bool> {
        let place = self.root.join(&self.folders[folder].path);
        let mut entries = Vec::new();
        for entry in fs::read_dir(&place)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { return Ok(false) };
            entries.push((name, entry.file_type()?));
        }
        self.seen += entries.len();
        if self.seen > MOST_ITEMS || self.folders[folder].levels > MOST_LEVELS {
            return Ok(false);
        }
        // `files` goes before both, and .npmignore before .gitignore
        let has = |name: &str| entries.iter().any(|(entry, _)| entry == name);
        let ignoring = [".npmignore", ".gitignore"].into_iter().find(|name| has(name));
        if let Some(name) = ignoring.filter(|_| self.folders[folder].rules[1].is_empty()) {
            let Some(text) = read(&place.join(name))? else { return Ok(false) };
            let Some(rules) = rules(text.lines()) else { return Ok(false) };
            self.folders[folder].rules[2] = rules;
        }
        for (name, kind) in entries.into_iter().filter(|(name, _)| !name.contains('*')) {
            let path = format!("{}{name}", self.folders[folder].path);
            if kind.is_file() && self.is_packed(folder, &name, false) {
                self.files.push(path);
            } else if kind.is_dir() && self.is_packed(folder, &name, true) {
                let is_exact = self.is_packed(folder, &name, false)
                    || self.is_packed(folder, &format!("{name}/"), false);
                self.push(folder, &name, path + "/", is_exact);
            }
        }
        Ok(true)
    }

    fn push(&mut self, above: usize, name: &str, path: String, is_exact: bool) {
        let Folder { levels, required, rules: of_above, .. } = &self.folders[above];
        let in_it = |file: &String| file.strip_prefix(name)?.strip_prefix('/').map(ToOwned::to_owned);
        let required: Vec<_> = required.iter().filter_map(in_it).filter(|file| !file.contains('/')).collect();
        let mut strict = rules(["/.git"]).unwrap_or_default();
        // what is not supported was refused at the top
        strict.extend(required.iter().filter_map(|file| Rule::new(&format!("!{file}"))));
        let rules = [of_above[0].clone(), Vec::new(), Vec::new(), strict];
        self.folders.push(Folder { path, above: Some(above), levels: levels + 1, is_exact, rules, required });
    }

    /// Whether an entry is packed, or with `is_partial` could be a folder in which something is.
    fn is_packed(&self, folder: usize, entry: &str, is_partial: bool) -> bool {
        // from the entry's own folder to the package's, and back down: what is above is asked first
        let mut ways = vec![(folder, entry.to_lowercase())];
        let mut of = folder;
        while let Some(above) = self.folders[of].above {
            let path = &self.folders[of].path;
            let name = path[self.folders[above].path.len()..].to_lowercase();
            ways.push((above, format!("{name}{}", ways.last().map_or("", |way| way.1.as_str()))));
            of = above;
        }
        let base = entry.to_lowercase();
        let mut is_included = true;
        for (level, (folder, path)) in ways.iter().enumerate().rev() {
            // what those above leave out is only looked at where this one may take it back
            if !is_included && !self.folders[*folder].is_exact {
                return false;
            }
            let name = (level > 0).then_some(base.as_str());
            is_included = self.folders[*folder].decide(path, name, is_partial, is_included);
        }
        is_included
    }
}

impl Folder {
    /// What the rules of this folder make of an entry in it or below, `name` being its last part.
    fn decide(&self, path: &str, name: Option<&str>, is_partial: bool, mut is_included: bool) -> bool {
        let ways = Ways::of(path);
        let by_name = name.map(Ways::of);
        for rule in self.rules.iter().flatten() {
            // a rule that would change nothing need not fit
            if rule.is_negated == is_included {
                continue;
            }
            let by_name = by_name.as_ref().filter(|_| rule.is_relative && is_partial);
            if ways.fit(rule, is_partial) || by_name.is_some_and(|name| name.fit_as_folder(rule)) {
                is_included = rule.is_negated;
            }
        }
        is_included
    }
}

/// A path as rules are held against it: with a slash before, without, and as a folder.
struct Ways<'a>(Vec<&'a str>);

impl<'a> Ways<'a> {
    fn of(path: &'a str) -> Self {
        Self([""].into_iter().chain(path.split('/')).chain([""]).collect())
    }

    fn fit(&self, rule: &Rule, is_partial: bool) -> bool {
        let (rooted, plain) = (&self.0[..self.0.len() - 1], &self.0[1..self.0.len() - 1]);
        rule.fits(rooted, false) || rule.fits(plain, false) || is_partial && self.fit_as_folder(rule)
    }

    fn fit_as_folder(&self, rule: &Rule) -> bool {
        let (rooted, plain) = (&self.0[..self.0.len() - 1], &self.0[1..self.0.len() - 1]);
        rule.fits(&self.0, false)
            || rule.fits(&self.0[1..], false)
            || rule.is_negated && (rule.fits(rooted, true) || rule.fits(plain, true))
    }
}

/// The text of a file; none where it is no file, too long, or no text.
fn read(path: &PathBuf) -> io::Result<Option<String>> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if !metadata.is_file() || metadata.len() > MOST_BYTES {
        return Ok(None);
    }
    Ok(String::from_utf8(fs::read(path)?).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(manifest: &str, files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files.iter().chain([&("package.json", manifest)]) {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    fn list(manifest: &str, files: &[(&str, &str)]) -> Vec<String> {
        let plain = plain(package(manifest, files).path()).unwrap().unwrap();
        plain.files.into_iter().filter(|file| file != "package.json").collect()
    }

    // `__test__/edits.test.js` compares with npm itself
    #[test]
    fn files_are_those_that_npm_packs() {
        let tree = [
            ("README.md", ""),
            ("a.js", ""),
            ("dist/a.js", ""),
            ("dist/a.test.js", ""),
            ("dist/.npmignore", "*.test.js"),
            ("src/deep/b.js", ""),
            (".npmrc", ""),
            ("node_modules/x/index.js", ""),
            ("package-lock.json", ""),
        ];
        assert_eq!(list(r#"{"files":["dist"]}"#, &tree), ["README.md", "dist/a.js"]);
        assert_eq!(
            list(r#"{"files":["src/**/*.js"],"main":"a.js"}"#, &tree),
            ["README.md", "a.js", "src/deep/b.js"]
        );
        assert_eq!(list("{}", &tree), ["README.md", "a.js", "dist/a.js", "src/deep/b.js"]);
        let ignoring =
            [&tree[..], &[(".gitignore", "dist\nnode_modules\n"), (".npmignore", "/src/\n")]].concat();
        assert_eq!(list("{}", &ignoring), ["README.md", "a.js", "dist/a.js"]);
    }

    #[test]
    fn what_npm_does_more_with_is_not_plain() {
        for manifest in [
            "[]",
            r#"{"scripts":{"postinstall":"x"}}"#,
            r#"{"bundleDependencies":["a"]}"#,
            r#"{"workspaces":["a"]}"#,
            r#"{"dependencies":{"a":"file:./a"}}"#,
            r#"{"dependencies":{"a":"git+https://host/a"}}"#,
            r#"{"files":["+(a|b)"]}"#,
            r#"{"files":["../x"]}"#,
            r#"{"bin":"../x"}"#,
        ] {
            assert_eq!(plain(package(manifest, &[]).path()).unwrap(), None, "{manifest}");
        }
        for file in ["binding.gyp", "npm-shrinkwrap.json"] {
            assert_eq!(plain(package("{}", &[(file, "{}")]).path()).unwrap(), None, "{file}");
        }
        let versions = r#"{"version":"1","dependencies":{"a":"^1"}}"#;
        let next = r#"{"version":"2","dependencies":{"a":"^1"}}"#;
        let asks = |manifest| plain(package(manifest, &[]).path()).unwrap().unwrap().asks;
        assert_eq!(asks(versions), asks(next));
        assert_ne!(asks(versions), asks(r#"{"version":"1","dependencies":{"a":"^2"}}"#));
    }
}
