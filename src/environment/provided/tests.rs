use std::os::unix::fs::symlink;

use super::*;

struct Tree {
    root: tempfile::TempDir,
    provided: Provided,
}

impl Tree {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let addon = root.path().join("built.node");
        fs::write(&addon, "addon").unwrap();
        Self { root, provided: Provided { addon: Some(addon), originals: Vec::new() } }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn package(&self, at: &str, name: &str, version: &str) {
        let manifest = serde_json::json!({ "name": name, "version": version, "scripts": { "install": "x" } });
        self.write(&format!("{at}/package.json"), &manifest.to_string());
        for file in ["index.js", "binding.gyp", "lib/index.js", "lib/worker.js", "lib/FormData.js"] {
            self.write(&format!("{at}/{file}"), "original");
        }
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    fn replace(&self) {
        self.provided.replace_originals(self.root.path()).unwrap();
    }
}

#[test]
fn originals_are_replaced_wherever_npm_has_put_them() {
    let tree = Tree::new();
    let nested = "node_modules/@owox/connectors/node_modules";
    for place in ["node_modules", nested, "node_modules/a/node_modules/b/node_modules"] {
        tree.package(&format!("{place}/@kaciras/deasync"), "@kaciras/deasync", "1.1.0");
        tree.package(&format!("{place}/sync-request"), "sync-request", "6.1.0");
    }
    tree.replace();
    tree.replace(); // a second time changes nothing
    for place in ["node_modules", nested, "node_modules/a/node_modules/b/node_modules"] {
        let deasync = format!("{place}/@kaciras/deasync");
        assert_eq!(tree.text(&format!("{deasync}/index.js")), DEASYNC.sources[0]);
        assert_eq!(tree.text(&format!("{deasync}/event-loop.node")), "addon");
        assert!(!tree.path(&format!("{deasync}/binding.gyp")).exists(), "npm would build it");
        let manifest = tree.text(&format!("{deasync}/package.json"));
        assert!(manifest.contains(r#""version": "1.1.0""#) && !manifest.contains("scripts"), "{manifest}");
        let request = format!("{place}/sync-request/lib");
        assert_eq!(tree.text(&format!("{request}/index.js")), SYNC_REQUEST.sources[0]);
        assert_eq!(tree.text(&format!("{request}/original.js")), "original");
        assert_eq!(tree.text(&format!("{request}/worker.js")), "original");
    }
}

#[test]
fn what_is_not_the_original_stays() {
    let tree = Tree::new();
    tree.package("node_modules/@kaciras/deasync", "@kaciras/deasync", "2.0.0");
    tree.package("node_modules/sync-request", "another-package", "6.1.0");
    tree.package("node_modules/a/test/sync-request", "sync-request", "6.1.0");
    tree.package("elsewhere/sync-request", "sync-request", "6.1.0");
    tree.package("elsewhere/linked", "@kaciras/deasync", "1.1.0");
    fs::create_dir_all(tree.path("node_modules/b/node_modules/@kaciras")).unwrap();
    symlink(tree.path("elsewhere"), tree.path("node_modules/c")).unwrap();
    symlink(tree.path("elsewhere"), tree.path("node_modules/a/node_modules")).unwrap();
    symlink(tree.path("elsewhere/linked"), tree.path("node_modules/b/node_modules/@kaciras/deasync"))
        .unwrap();
    tree.package("node_modules/d/node_modules/sync-request", "sync-request", "6.1.0");
    let entry = tree.path("node_modules/d/node_modules/sync-request/lib/index.js");
    fs::remove_file(&entry).unwrap();
    symlink(tree.path("elsewhere/linked/index.js"), &entry).unwrap();
    tree.replace();
    for path in [
        "node_modules/@kaciras/deasync/index.js",
        "node_modules/sync-request/lib/index.js",
        "node_modules/a/test/sync-request/lib/index.js",
        "elsewhere/sync-request/lib/index.js",
        "elsewhere/linked/index.js",
        "node_modules/d/node_modules/sync-request/lib/index.js",
    ] {
        assert_eq!(tree.text(path), "original", "{path}");
    }
    assert!(!tree.path("elsewhere/linked/event-loop.node").exists());
}

#[test]
fn an_original_that_is_used_is_built_and_named() {
    let tree = Tree::new();
    let host = |variables: &[(&str, &str)]| Host {
        supervisor: tree.path("connector-supervisor"),
        variables: variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        ..Host::default()
    };
    tree.package("node_modules/@kaciras/deasync", "@kaciras/deasync", "1.1.0");
    let missing = Provided::by(&host(&[]));
    assert_eq!((missing.marks().len(), missing.scripts()), (1, vec!["@kaciras/deasync".to_owned()]));
    let notices = missing.notices(tree.root.path());
    assert!(notices.len() == 1 && notices[0].contains("event-loop.node is missing"), "{notices:?}");
    assert!(missing.notices(&tree.path("elsewhere")).is_empty(), "nobody uses it");

    fs::rename(tree.path("built.node"), tree.path("event-loop.node")).unwrap();
    let all = Provided::by(&host(&[]));
    assert_eq!((all.marks().len(), all.scripts().len(), all.notices(tree.root.path()).len()), (2, 0, 0));
    let asked = Provided::by(&host(&[(ORIGINALS, "sync-request, @kaciras/deasync")]));
    assert_eq!(
        (asked.marks().len(), asked.scripts().len(), asked.notices(tree.root.path()).len()),
        (0, 1, 0)
    );
}
