//! Whole runs of small connectors, with the `node` and the npm of this machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock, Mutex, Weak};

use owox_connector_runner::cancellation::{Cancellation, StopReason};
use owox_connector_runner::environment::StoreOptions;
use owox_connector_runner::host::Host;
use owox_connector_runner::observer::{Batch, Observer, Phase, Step, StreamKind};
use owox_connector_runner::options::Options;
use owox_connector_runner::process::{Reserved, StdioSpec};
use owox_connector_runner::service::{Names, RunRequest};
use tokio::sync::watch;

use super::SUPERVISOR;

/// Sources of the package: name and what the connector's `run` does.
const SOURCES: &[(&str, &str)] = &[
    ("Ok", "console.log('done');"),
    ("Fails", "throw new Error(`refused: ${this.config.source.config.Token.value}`);"),
    ("Waits", "console.log('waits'); return new Promise(() => setInterval(() => {}, 1000));"),
    (
        "Says",
        "const secret = this.config.source.config.Token.value;
         console.log(`it is ${secret}`);
         console.log(JSON.stringify({ type: 'addWarningToCurrentStatus', warning: `slow: ${secret}` }));
         console.error(secret);",
    ),
    (
        "Writes",
        "const fs = require('node:fs');
         for (const name of ['File', 'Other']) {
           try {
             fs.writeFileSync(this.config.storage.config[name].value, '');
             console.log(`${name} was written`);
           } catch (error) {
             console.log(`${name}: ${error.code}`);
           }
         }",
    ),
];

const TOKEN: &str = "Token: { attributes: ['SECRET'] }";

fn bundle() -> String {
    let sources = SOURCES.iter().map(|(name, run)| {
        format!(
            "{name}: {{
              manifest: {{ parameters: {{ {TOKEN} }} }},
              {name}Source: class {{}},
              {name}Connector: class {{
                constructor(config) {{ this.config = config.json; }}
                async run() {{ {run} }}
              }},
            }},\n"
        )
    });
    format!(
        "const Core = {{
           NodeJsConfig: class {{
             constructor(json) {{ this.json = json; }}
             getSourceName() {{ return this.json.source.name; }}
             getStorageName() {{ return this.json.storage.name; }}
           }},
           AbstractRunConfig: class {{}},
         }};
         const Connectors = {{ {} }};
         const Storages = {{
           Null: {{
             NullStorage: class {{}},
             manifest: {{
               environment: {{ node: {{ enabled: true, dependencies: [] }} }},
               parameters: {{ File: {{ format: 'path', access: 'write' }} }},
             }},
           }},
         }};
         module.exports = {{ Core, Connectors, Storages }};\n",
        sources.collect::<String>()
    )
}

/// `node` of this machine: its path, and its version of native modules.
static NODE: LazyLock<(PathBuf, String)> = LazyLock::new(|| {
    let script = "process.stdout.write(process.execPath + '\\n' + process.versions.modules)";
    let output = Command::new("node").args(["-e", script]).output().expect("node is on the PATH");
    let text = String::from_utf8(output.stdout).expect("text");
    let (path, abi) = text.split_once('\n').expect("two lines");
    (PathBuf::from(path), abi.to_owned())
});

/// A connectors package, and a store that its environment is installed in once for all tests that
/// run at the same time.
pub struct Ground {
    folder: tempfile::TempDir,
}

impl Ground {
    pub fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Ground>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(ground) = shared.upgrade() {
            return ground;
        }
        let ground = Arc::new(Self::new());
        *shared = Arc::downgrade(&ground);
        ground
    }

    /// One of its own, where nothing is installed.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["package", "store", "runs", "home", "tmp"] {
            fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        let manifest = r#"{ "name": "@test/connectors", "version": "1.2.3", "main": "index.js",
            "owox": { "runnerDependencies": [] } }"#;
        fs::write(folder.path().join("package/package.json"), manifest).expect("written");
        fs::write(folder.path().join("package/index.js"), bundle()).expect("written");
        Self { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    pub fn host(&self) -> Host {
        let (node, abi) = &*NODE;
        let variables = [
            ("PATH", std::env::var("PATH").expect("a PATH")),
            ("HOME", self.text("home")),
            ("TMPDIR", self.text("tmp")),
        ];
        Host {
            variables: variables.map(|(name, value)| (name.to_owned(), value)).to_vec(),
            exec_path: node.clone(),
            cwd: self.path(""),
            node_abi: abi.clone(),
            package_root: Path::new(env!("CARGO_MANIFEST_DIR")).to_owned(),
            supervisor: PathBuf::from(SUPERVISOR),
            ..Host::default()
        }
    }

    pub fn options(&self) -> Options {
        Options {
            connectors_package: Some(self.text("package")),
            runs_dir: Some(self.text("runs")),
            store: StoreOptions { dir: Some(self.text("store")), ..StoreOptions::default() },
            ..Options::default()
        }
    }

    /// Folders of runs that are still there.
    pub fn folders(&self) -> usize {
        let entries = fs::read_dir(self.path("runs")).expect("a folder").flatten();
        entries.filter(|entry| entry.path().is_dir()).count()
    }

    /// A run of this source with these parameters of source and storage.
    pub fn request(&self, source: &str, given: &serde_json::Value) -> RunRequest {
        let config = serde_json::json!({
            "name": "Test", "datamartId": "mart",
            "source": { "name": source, "config": given },
            "storage": { "name": "Null", "config": given },
        });
        let mut variables = self.host().variables;
        for (name, value) in
            [("OW_DATAMART_ID", "mart"), ("OW_RUN_ID", "run"), ("OW_CONFIG", &config.to_string())]
        {
            variables.push((name.to_owned(), value.to_owned()));
        }
        RunRequest {
            ids: ("mart".into(), "run".into()),
            names: Names { storage: "Null".into(), source: Some(source.into()) },
            variables,
            stdio: Reserved::new(&StdioSpec::Capture, false).expect("descriptors"),
            report: None,
            state: None,
        }
    }
}

/// What is to happen when a run is somewhere.
#[derive(Clone, Copy, PartialEq)]
pub enum At {
    Phase(Phase),
    /// npm installs.
    Installing,
    /// The connector has printed something.
    Output,
}

type Act = Box<dyn Fn(u32) + Send + Sync>;

/// Watches a run, and does something at one place: it is given the process id, where there is one.
#[derive(Default)]
pub struct Watcher {
    pub phases: Mutex<Vec<Phase>>,
    pub output: Mutex<String>,
    pid: watch::Sender<u32>,
    act: Option<(At, Act)>,
    /// What a place is left after.
    until: Option<(At, Cancellation)>,
}

impl Watcher {
    pub fn at(at: At, act: impl Fn(u32) + Send + Sync + 'static) -> Self {
        Self { act: Some((at, Box::new(act))), ..Self::default() }
    }

    /// Asks the run to stop.
    pub fn stopping(at: At, cancellation: &Cancellation, reason: StopReason) -> Self {
        let cancellation = cancellation.clone();
        Self::at(at, move |_| cancellation.request(reason, None))
    }

    /// Holds the run up until it is asked to stop.
    pub fn holding(at: At, cancellation: &Cancellation) -> Self {
        Self { until: Some((at, cancellation.clone())), ..Self::default() }
    }

    async fn reached(&self, place: At) {
        if let Some((_, act)) = self.act.as_ref().filter(|(at, _)| *at == place) {
            act(*self.pid.borrow());
        }
        if let Some((_, cancellation)) = self.until.as_ref().filter(|(at, _)| *at == place) {
            cancellation.wait().await;
        }
    }

    pub fn pid(&self) -> u32 {
        *self.pid.borrow()
    }

    pub fn phases(&self) -> Vec<Phase> {
        self.phases.lock().expect("phases").clone()
    }

    pub fn output(&self) -> String {
        self.output.lock().expect("output").clone()
    }
}

impl Observer for Watcher {
    async fn output(&self, _: StreamKind, batches: Vec<Batch>) {
        let text: String = batches.into_iter().map(|batch| batch.text).collect();
        self.output.lock().expect("output").push_str(&text);
        self.reached(At::Output).await;
    }

    async fn started(&self, pid: u32) {
        self.pid.send_replace(pid);
    }

    async fn step(&self, step: Step) {
        if step == Step::Installing {
            self.reached(At::Installing).await;
        }
    }

    async fn phase(&self, phase: Phase) {
        self.phases.lock().expect("phases").push(phase);
        self.reached(At::Phase(phase)).await;
    }
}
