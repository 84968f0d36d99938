//! Modules import only from floors below their own: `docs/architecture.md` has the list.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What imports from its own floor or one above, and why it still does.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    (
        "connectors",
        "environment",
        "the process that reads a package runs in a run's directory, and what is remembered lies in the store",
    ),
    ("isolation", "connectors", "what manifests grant is found here"),
    (
        "isolation",
        "environment",
        "a run's folder for temporary files, and what is another run's; `node --help`",
    ),
];

/// Files that tie the modules together, or test several of them.
const APART: [&str; 3] = ["lib.rs", "fuzz.rs", "bin"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Floor of each module; 1 is the top.
fn floors(page: &str) -> BTreeMap<String, usize> {
    let list = page.split("## Floors").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap_or_default();
    let mut floors = BTreeMap::new();
    for line in list.lines() {
        let Some((number, names)) = line.split_once(". ") else { continue };
        let Ok(floor) = number.parse::<usize>() else { continue };
        for name in names.split('`').skip(1).step_by(2) {
            assert_eq!(floors.insert(name.to_owned(), floor), None, "{name} is on two floors");
        }
    }
    floors
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Source without comments, and without the tests at its end, which may look anywhere.
fn code(source: &str) -> String {
    let tests = ["#[cfg(test)]\nmod ", "#[cfg(test)]\npub mod ", "#[cfg(test)]\npub(super) mod "];
    let mut kept = source;
    for start in tests {
        // a module in a file of its own ends with `;`, and code goes on behind it
        while let Some((before, rest)) = kept.split_once(start) {
            if rest.lines().next().is_some_and(|line| line.ends_with(';')) {
                break;
            }
            kept = before;
        }
    }
    kept.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// Modules that are named behind `crate::`, in `use` lines and elsewhere, also several in braces.
fn imported(code: &str) -> BTreeSet<String> {
    let is_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let first =
        |path: &str| path.trim().chars().take_while(|&character| is_name(character)).collect::<String>();
    let mut found = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        let Some(group) = rest.strip_prefix('{') else {
            found.insert(first(rest));
            continue;
        };
        let (mut depth, mut start) = (0_usize, 0);
        for (at, character) in group.char_indices() {
            match character {
                '{' => depth += 1,
                '}' if depth > 0 => depth -= 1,
                ',' | '}' if depth == 0 => {
                    found.insert(first(&group[start..at]));
                    start = at + 1;
                    if character == '}' {
                        break;
                    }
                }
                _ => {}
            }
        }
    }
    found.remove("");
    found
}

/// Each module, and for each that it imports the files that do.
type Imports = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

fn imports() -> Imports {
    let src = root().join("src");
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    let mut imports = Imports::new();
    for file in files {
        let path = file.strip_prefix(&src).unwrap().to_str().unwrap().to_owned();
        let top = path.split('/').next().unwrap();
        if APART.contains(&top) || path.ends_with("tests.rs") {
            continue;
        }
        let module = top.trim_end_matches(".rs").to_owned();
        let of_module = imports.entry(module.clone()).or_default();
        for name in imported(&code(&fs::read_to_string(&file).unwrap())) {
            if name != module {
                of_module.entry(name).or_default().insert(path.clone());
            }
        }
    }
    imports
}

fn is_excepted(module: &str, name: &str) -> bool {
    EXCEPTIONS.iter().any(|(from, to, _)| (*from, *to) == (module, name))
}

#[test]
fn a_module_imports_only_from_floors_below_its_own() {
    let floors = floors(&fs::read_to_string(root().join("docs/architecture.md")).unwrap());
    let imports = imports();
    let mut wrong = Vec::new();
    let modules: BTreeSet<_> = imports.keys().collect();
    let listed: BTreeSet<_> = floors.keys().collect();
    for module in modules.symmetric_difference(&listed) {
        wrong.push(format!("{module} is in src/ or in docs/architecture.md, but not in both"));
    }
    for (module, names) in &imports {
        for (name, files) in names {
            let (Some(own), Some(other)) = (floors.get(module), floors.get(name)) else { continue };
            if other <= own && !is_excepted(module, name) {
                wrong.push(format!("{module} (floor {own}) imports {name} (floor {other}): {files:?}"));
            }
        }
    }
    for (from, to, reason) in EXCEPTIONS {
        assert!(!reason.is_empty(), "{from} → {to} needs a reason");
        let is_used = imports.get(*from).is_some_and(|names| names.contains_key(*to));
        let is_upward = floors.get(*to) <= floors.get(*from);
        if !is_used || !is_upward {
            wrong.push(format!("{from} → {to} is no exception any more: take it out"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The modules of one circle, if there is any among these.
fn circle(edges: &BTreeMap<String, BTreeSet<String>>) -> Option<BTreeSet<String>> {
    let mut left = edges.clone();
    loop {
        let ends: Vec<_> = left
            .iter()
            .filter(|(module, names)| {
                let leads_on = names.iter().any(|name| left.contains_key(name));
                let is_led_to = left.values().any(|names| names.contains(*module));
                !leads_on || !is_led_to
            })
            .map(|(module, _)| module.clone())
            .collect();
        if ends.is_empty() {
            return (!left.is_empty()).then(|| left.into_keys().collect());
        }
        left.retain(|module, _| !ends.contains(module));
    }
}

#[test]
fn there_are_no_circles_but_those_of_the_exceptions() {
    let mut edges = BTreeMap::new();
    for (module, names) in imports() {
        let kept = names.into_keys().filter(|name| !is_excepted(&module, name)).collect();
        edges.insert(module, kept);
    }
    assert_eq!(circle(&edges), None);
}

#[test]
fn what_is_read_is_what_is_written() {
    let names = |code: &str| imported(code).into_iter().collect::<Vec<_>>().join(" ");
    assert_eq!(names("use crate::run::Phase;"), "run");
    assert_eq!(names("pub(crate) use crate::{cli, run::{Phase, Status}, state as kept};"), "cli run state");
    assert_eq!(names("use crate::{\n    cli::{self, A},\n    run,\n};\nuse std::fs;"), "cli run");
    assert_eq!(names("fn at(host: &crate::host::Host) {}"), "host");
    assert_eq!(
        names(&code("// crate::cli\nuse crate::run;\n#[cfg(test)]\nmod tests {\n use crate::cli;\n}")),
        "run"
    );
    assert_eq!(names(&code("#[cfg(test)]\nmod tests;\nuse crate::run;")), "run");

    let edges = |pairs: &[(&str, &str)]| {
        let mut edges = BTreeMap::<String, BTreeSet<String>>::new();
        for (from, to) in pairs {
            edges.entry((*from).to_owned()).or_default().insert((*to).to_owned());
        }
        edges
    };
    assert_eq!(circle(&edges(&[("a", "b"), ("b", "c"), ("d", "a")])), None);
    let found = circle(&edges(&[("a", "b"), ("b", "c"), ("c", "a"), ("e", "f")])).unwrap();
    assert_eq!(found.into_iter().collect::<String>(), "abc");
}
