//! The supervisor and the host's side of it, with real processes.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use owox_connector_runner::error::{Code, RunnerError};
use owox_connector_runner::process::{Exit, Running, Start, start};

const SUPERVISOR: &str = env!("CARGO_BIN_EXE_connector-supervisor");

/// How long something may take before the test gives up on it.
const PATIENCE: Duration = Duration::from_secs(20);

fn nowhere() -> OwnedFd {
    File::options().read(true).write(true).open("/dev/null").expect("/dev/null").into()
}

async fn start_shell(script: &str, more: Vec<OwnedFd>) -> Result<Running, RunnerError> {
    start_program("/bin/sh", &["-c", script], vec![("PATH".into(), "/usr/bin:/bin".into())], more).await
}

async fn start_program(
    program: &str,
    args: &[&str],
    variables: Vec<(String, String)>,
    more: Vec<OwnedFd>,
) -> Result<Running, RunnerError> {
    let mut descriptors = vec![nowhere(), nowhere(), nowhere()];
    descriptors.extend(more);
    start(Start {
        supervisor: Path::new(SUPERVISOR),
        program: Path::new(program),
        args: args.iter().map(|arg| (*arg).to_owned()).collect(),
        directory: Path::new("/"),
        variables,
        descriptors,
    })
    .await
}

async fn exit_of(script: &str) -> Exit {
    let mut running = start_shell(script, Vec::new()).await.expect("started");
    running.exit().await.expect("an exit")
}

/// A pipe, and what was written into it when its writers are gone.
fn pipe() -> (impl FnOnce() -> String, OwnedFd) {
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    let read = move || {
        let mut text = String::new();
        reader.read_to_string(&mut text).expect("text");
        text
    };
    (read, writer.into())
}

fn is_alive(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z')))
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < PATIENCE, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[tokio::test]
async fn exit_codes_and_signals_are_reported() {
    assert_eq!((exit_of("exit 0").await.code, exit_of("exit 7").await.code), (Some(0), Some(7)));
    let killed = exit_of("kill -TERM $$").await;
    assert_eq!((killed.code, killed.signal), (None, Some(15)));
    assert!(killed.peak_rss_bytes > 100_000);
}

#[tokio::test]
async fn the_process_leads_a_session_and_gets_every_descriptor() {
    let (read, writer) = pipe();
    // fields 5 and 6 of stat are the process group and the session
    let script = "cut -d' ' -f5,6 /proc/$$/stat >&4; echo $$ >&4; echo through 3 >&3; pwd >&4";
    let (read_other, other) = pipe();
    let mut running = start_shell(script, vec![other, writer]).await.expect("started");
    let pid = running.pid;
    running.exit().await.expect("an exit");
    running.tree_gone().await;
    assert_eq!(read(), format!("{pid} {pid}\n{pid}\n/\n"));
    assert_eq!(read_other(), "through 3\n");
}

#[tokio::test]
async fn nothing_but_the_wanted_descriptors_and_variables_is_inherited() {
    // descriptors that programs leak into their children
    let leaked = rustix::io::dup(nowhere()).expect("a descriptor");
    let leaked_high = rustix::io::fcntl_dupfd_cloexec(nowhere(), 300).expect("a descriptor");
    rustix::io::fcntl_setfd(&leaked_high, rustix::io::FdFlags::empty()).expect("no close-on-exec");

    for (program, args, expected) in [
        // 4 is the folder that ls itself reads
        ("/bin/ls", &["/proc/self/fd"][..], "0\n1\n2\n3\n4\n"),
        ("/usr/bin/env", &[], "ONLY=this one\n"),
    ] {
        let (read, writer) = pipe();
        let mut running = start(Start {
            supervisor: Path::new(SUPERVISOR),
            program: Path::new(program),
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            directory: Path::new("/"),
            variables: vec![("ONLY".to_owned(), "this one".to_owned())],
            descriptors: vec![nowhere(), writer, nowhere(), nowhere()],
        })
        .await
        .expect("started");
        running.exit().await.expect("an exit");
        running.tree_gone().await;
        assert_eq!(read(), expected);
    }
    drop((leaked, leaked_high));
}

#[tokio::test]
async fn what_cannot_start_says_why() {
    let reason = |result: Result<Running, RunnerError>| {
        let error = result.map(|running| running.pid).expect_err("an error");
        assert_eq!(error.code, Code::SpawnFailed);
        error.message
    };
    let missing = reason(start_program("/no/such/program", &[], Vec::new(), Vec::new()).await);
    assert!(
        missing.starts_with("Failed to start connector process: spawn /no/such/program ENOENT"),
        "{missing}"
    );

    let large = vec![("SMALL".to_owned(), "x".to_owned()), ("LARGE".to_owned(), "x".repeat(200_000))];
    let too_big = reason(start_program("/bin/true", &[], large, Vec::new()).await);
    assert!(too_big.contains("E2BIG") && too_big.contains("LARGE with 200000 bytes"), "{too_big}");

    let nul = vec![("A".to_owned(), "a\0b".to_owned())];
    assert!(reason(start_program("/bin/true", &[], nul, Vec::new()).await).contains("nul byte"));

    let no_helper = start(Start {
        supervisor: Path::new("/no/such/helper"),
        program: Path::new("/bin/true"),
        args: Vec::new(),
        directory: Path::new("/"),
        variables: Vec::new(),
        descriptors: vec![nowhere(), nowhere(), nowhere()],
    });
    let message = reason(no_helper.await);
    assert!(message.contains("/no/such/helper") && message.contains("reinstall"), "{message}");
}

/// A tree of a child, a child in a session of its own, and a daemon that ignores signals. Each
/// writes its pid to descriptor 3.
const TREE: &str = "sleep 1000 & echo $! >&3; \
    setsid sh -c 'echo $$ >&3; exec sleep 1000' & \
    ( setsid sh -c 'trap \"\" TERM INT HUP; echo $$ >&3; while :; do sleep 1000; done' & ) ;";

/// Reads this many pids, which must come.
fn read_pids(reader: &mut impl Read, count: usize) -> Vec<String> {
    let mut text = Vec::new();
    #[expect(clippy::naive_bytecount, reason = "a handful of bytes")]
    while text.iter().filter(|byte| **byte == b'\n').count() < count {
        let mut byte = [0];
        reader.read_exact(&mut byte).expect("a pid");
        text.push(byte[0]);
    }
    String::from_utf8(text).expect("text").lines().map(ToOwned::to_owned).collect()
}

#[tokio::test]
async fn when_the_process_ends_nothing_of_its_tree_is_left() {
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    let (gate, opener) = std::io::pipe().expect("a pipe");
    // the process ends only after all pids have been read, so that they are known to have lived
    let script = format!("{TREE} read line <&4; exit 0");
    let mut running = start_shell(&script, vec![writer.into(), gate.into()]).await.expect("started");
    let pids = read_pids(&mut reader, 3);
    assert!(pids.iter().all(|pid| is_alive(pid)), "{pids:?}");
    drop(opener);
    assert_eq!(running.exit().await.expect("an exit").code, Some(0));
    running.tree_gone().await;
    assert!(pids.iter().all(|pid| !is_alive(pid)), "{pids:?}");
}

#[tokio::test]
async fn when_the_host_lets_go_the_whole_tree_ends() {
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    let script = format!("trap '' TERM; {TREE} echo $$ >&3; while :; do sleep 1000; done");
    let running = start_shell(&script, vec![writer.into()]).await.expect("started");
    let pids = read_pids(&mut reader, 4);
    drop(running);
    wait_until("the end of the tree", || pids.iter().all(|pid| !is_alive(pid)));
}

#[tokio::test]
async fn a_process_gets_the_chance_to_end_by_itself_when_the_host_lets_go() {
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    let script = "trap 'echo clean >&3; exit 0' TERM; echo ready >&3; while :; do sleep 0.05; done";
    let running = start_shell(script, vec![writer.into()]).await.expect("started");
    assert_eq!(read_pids(&mut reader, 1), ["ready"]);
    drop(running);
    assert_eq!(read_pids(&mut reader, 1), ["clean"]);
}

#[tokio::test]
async fn when_the_supervisor_is_killed_the_process_ends_and_the_host_is_told() {
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    let mut running = start_shell("echo $PPID >&3; echo $$ >&3; exec sleep 1000", vec![writer.into()])
        .await
        .expect("started");
    let pids = read_pids(&mut reader, 2);
    let supervisor: i32 = pids[0].parse().expect("a pid");
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(supervisor).expect("a pid"),
        rustix::process::Signal::KILL,
    )
    .expect("killed");
    assert_eq!(running.exit().await.expect_err("an error").code, Code::Internal);
    wait_until("the end of the process", || !is_alive(&pids[1]));
}
