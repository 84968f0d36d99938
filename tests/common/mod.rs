//! Real processes under the real helper, for the tests of supervision.

#![allow(dead_code, reason = "each test file uses a part")]

pub mod refuse;
pub mod runs;

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use owox_connector_runner::error::RunnerError;
use owox_connector_runner::process::{Namespace, Running, Start, Supervision, start};
use owox_connector_runner::protocol::policy::Policy;
use rustix::process::{Pid, Signal};

/// The helper that Cargo has built.
pub const SUPERVISOR: &str = env!("CARGO_BIN_EXE_connector-supervisor");

/// How long something may take before a test gives up on it.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// What keeps a tree together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Namespace,
    Subreaper,
    Portable,
}

/// The modes that find processes wherever they have gone.
pub const FINDING: [Mode; 2] = [Mode::Namespace, Mode::Subreaper];

pub const ALL: [Mode; 3] = [Mode::Namespace, Mode::Subreaper, Mode::Portable];

impl Mode {
    pub fn supervision(self) -> Supervision {
        Supervision {
            namespace: if self == Mode::Namespace { Namespace::Preferred } else { Namespace::Off },
            portable: self == Mode::Portable,
            memory_limit_bytes: None,
            sample_every_ms: None,
        }
    }
}

pub fn nowhere() -> OwnedFd {
    File::options().read(true).write(true).open("/dev/null").expect("/dev/null").into()
}

/// Descriptors that lead nowhere, for a process that needs no more.
pub fn nothing() -> Vec<OwnedFd> {
    vec![nowhere(), nowhere(), nowhere()]
}

/// Starts a program below `/` that is no [`Script`].
pub async fn start_program(
    mode: Mode,
    program: &str,
    args: &[&str],
    variables: Vec<(String, String)>,
    descriptors: Vec<OwnedFd>,
) -> Result<Running, RunnerError> {
    start(Start {
        supervisor: Path::new(SUPERVISOR),
        program: Path::new(program),
        args: args.iter().map(|arg| (*arg).to_owned()).collect(),
        directory: Path::new("/"),
        variables,
        descriptors,
        held: Vec::new(),
        supervision: mode.supervision(),
        policy: None,
    })
    .await
}

/// A shell script whose processes can be found wherever they are: all inherit a variable of their
/// own.
pub struct Script {
    pub text: String,
    pub mark: String,
    pub supervisor: PathBuf,
    pub supervision: Supervision,
    pub policy: Option<Policy>,
}

impl Script {
    pub fn new(mode: Mode, text: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self {
            text: text.to_owned(),
            mark: format!("SUPERVISION_TEST={}-{number}", std::process::id()),
            supervisor: PathBuf::from(SUPERVISOR),
            supervision: mode.supervision(),
            policy: None,
        }
    }

    pub fn variables(&self) -> Vec<(String, String)> {
        let (name, value) = self.mark.split_once('=').expect("a variable");
        vec![("PATH".into(), "/usr/bin:/bin".into()), (name.into(), value.into())]
    }

    /// Starts it; `more` become its descriptors from 3 on.
    pub async fn start(&self, more: Vec<OwnedFd>) -> Result<Running, RunnerError> {
        self.start_holding(more, Vec::new()).await
    }

    /// The same, under a supervisor that holds these.
    pub async fn start_holding(
        &self,
        more: Vec<OwnedFd>,
        held: Vec<OwnedFd>,
    ) -> Result<Running, RunnerError> {
        let mut descriptors = vec![nowhere(), nowhere(), nowhere()];
        descriptors.extend(more);
        start(Start {
            supervisor: &self.supervisor,
            program: Path::new("/bin/sh"),
            args: vec!["-c".into(), self.text.clone()],
            directory: Path::new("/"),
            variables: self.variables(),
            descriptors,
            held,
            supervision: self.supervision.clone(),
            policy: self.policy.clone(),
        })
        .await
    }

    /// The processes of this script that live, as this process sees them. A zombie has no
    /// variables any more.
    pub fn alive(&self) -> Vec<i32> {
        let Ok(processes) = std::fs::read_dir("/proc") else { panic!("no /proc") };
        processes
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
            .filter(|pid| {
                std::fs::read(format!("/proc/{pid}/environ")).is_ok_and(|variables| {
                    variables.split(|byte| *byte == 0).any(|variable| variable == self.mark.as_bytes())
                })
            })
            .collect()
    }

    /// Kills what a test without supervision has left.
    pub fn kill(&self) {
        for pid in self.alive() {
            let pid = Pid::from_raw(pid).expect("a pid");
            let _ = rustix::process::kill_process(pid, Signal::KILL);
        }
    }
}

/// Whatever happens in a test, nothing of it stays.
impl Drop for Script {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A pipe: its end to read lines from, and its end for the process.
pub fn pipe() -> (Lines, OwnedFd) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    (Lines(reader), writer.into())
}

pub struct Lines(std::io::PipeReader);

impl Lines {
    /// The next lines, which must come.
    pub fn read(&mut self, count: usize) -> Vec<String> {
        let mut text = Vec::new();
        let mut lines = 0;
        while lines < count {
            let mut byte = [0];
            self.0.read_exact(&mut byte).expect("a line");
            lines += usize::from(byte[0] == b'\n');
            text.push(byte[0]);
        }
        String::from_utf8(text).expect("text").lines().map(ToOwned::to_owned).collect()
    }

    /// Everything, once all writers are gone.
    pub fn rest(mut self) -> String {
        let mut text = String::new();
        self.0.read_to_string(&mut text).expect("text");
        text
    }
}

/// Puts a program there, by another process: while this one had it open for writing, a test that
/// runs at the same time might start a process that has it open as well, and it could not be run.
pub fn install_program(path: &Path, text: &str) {
    let script = "printf '%s' \"$2\" > \"$1\" && chmod 755 \"$1\"";
    let status =
        std::process::Command::new("/bin/sh").args(["-c", script, "sh"]).arg(path).arg(text).status();
    assert!(status.expect("a shell").success());
}

pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < PATIENCE, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The state letter of a process, if it is there.
pub fn state_of(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(") ").next()?.chars().next()
}

/// Kills the parent of a process.
pub fn kill_supervisor_of(running: &Running) {
    kill_parent_of(running.pid);
}

/// The same of a process id.
pub fn kill_parent_of(pid: u32) {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("its stat");
    let parent = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1)).expect("a parent");
    let supervisor = Pid::from_raw(parent.parse().expect("a pid")).expect("a pid");
    rustix::process::kill_process(supervisor, Signal::KILL).expect("killed");
}
