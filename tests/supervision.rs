//! The supervisor and the host's side of it, with real processes: starting, and what a process
//! is given. How trees end is in `ending.rs`.

mod common;

use std::path::Path;
use std::time::Duration;

use common::{ALL, Mode, PATIENCE, Script, nothing, nowhere, pipe, start_program, wait_until};
use owox_connector_runner::cancellation::{Cancellation, StopReason};
use owox_connector_runner::error::{Code, RunnerError};
use owox_connector_runner::process::{Cause, Exit, Running, Sample, Start, start};

async fn exit_of(mode: Mode, script: &str) -> Exit {
    let script = Script::new(mode, script);
    let mut running = script.start(Vec::new()).await.expect("started");
    running.exit().await.expect("an exit")
}

#[tokio::test]
async fn exit_codes_and_signals_are_reported() {
    for mode in ALL {
        let exit = |code, signal| Exit { code, signal, cause: Cause::Itself };
        assert_eq!(exit_of(mode, "exit 0").await, exit(Some(0), None));
        assert_eq!(exit_of(mode, "exit 7").await, exit(Some(7), None));
        assert_eq!(exit_of(mode, "kill -TERM $$").await, exit(None, Some(15)));
        assert_eq!(exit_of(mode, "kill -KILL $$").await, exit(None, Some(9)));
    }
}

#[tokio::test]
async fn the_process_leads_a_group_that_the_host_can_reach() {
    for mode in ALL {
        let (mut lines, writer) = pipe();
        let script = Script::new(mode, "sleep 1000 & echo ready >&3; wait");
        let mut running = script.start(vec![writer]).await.expect("started");
        lines.read(1);
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", running.pid)).expect("its stat");
        let fields: Vec<_> = stat.rsplit(") ").next().expect("fields").split(' ').collect();
        let pid = running.pid.to_string();
        assert_eq!(fields[2..4], [pid.clone(), pid], "group and session, {mode:?}");
        // the child may be between fork and exec, where it has no variables
        wait_until("both processes", || script.alive().len() == 2);
        let group = rustix::process::Pid::from_raw(running.pid.cast_signed()).expect("a pid");
        rustix::process::kill_process_group(group, rustix::process::Signal::TERM).expect("signalled");
        assert_eq!(running.exit().await.expect("an exit").signal, Some(15));
        running.tree_gone().await.expect("nothing is left");
        assert_eq!(script.alive(), [0; 0]);
    }
}

#[tokio::test]
async fn the_process_gets_every_descriptor_and_its_directory() {
    for mode in ALL {
        let (lines, writer) = pipe();
        let (other_lines, other) = pipe();
        let script =
            Script::new(mode, "echo through 3 >&3; pwd >&4; ls /proc/$$/fd >/dev/null && echo proc >&4");
        let mut running = script.start(vec![other, writer]).await.expect("started");
        running.exit().await.expect("an exit");
        running.tree_gone().await.expect("nothing is left");
        assert_eq!((other_lines.rest().as_str(), lines.rest().as_str()), ("through 3\n", "/\nproc\n"));
    }
}

#[tokio::test]
async fn nothing_but_the_wanted_descriptors_and_variables_is_inherited() {
    // descriptors that programs leak into their children
    let leaked = rustix::io::dup(nowhere()).expect("a descriptor");
    let leaked_high = rustix::io::fcntl_dupfd_cloexec(nowhere(), 300).expect("a descriptor");
    rustix::io::fcntl_setfd(&leaked_high, rustix::io::FdFlags::empty()).expect("no close-on-exec");

    for mode in ALL {
        for (program, args, expected) in [
            // 4 is the folder that ls itself reads
            ("/bin/ls", &["/proc/self/fd"][..], "0\n1\n2\n3\n4\n"),
            ("/usr/bin/env", &[], "ONLY=this one\n"),
        ] {
            let (lines, writer) = pipe();
            let variables = vec![("ONLY".to_owned(), "this one".to_owned())];
            let descriptors = vec![nowhere(), writer, nowhere(), nowhere()];
            let mut running =
                start_program(mode, program, args, variables, descriptors).await.expect("started");
            running.exit().await.expect("an exit");
            running.tree_gone().await.expect("nothing is left");
            assert_eq!(lines.rest(), expected, "{mode:?}");
        }
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
    let missing =
        reason(start_program(Mode::Namespace, "/no/such/program", &[], Vec::new(), nothing()).await);
    assert!(
        missing.starts_with("Failed to start connector process: spawn /no/such/program ENOENT"),
        "{missing}"
    );

    let large = vec![("SMALL".to_owned(), "x".to_owned()), ("LARGE".to_owned(), "x".repeat(200_000))];
    let too_big = reason(start_program(Mode::Namespace, "/bin/true", &[], large, nothing()).await);
    assert!(too_big.contains("E2BIG") && too_big.contains("LARGE with 200000 bytes"), "{too_big}");

    let nul = vec![("A".to_owned(), "a\0b".to_owned())];
    assert!(
        reason(start_program(Mode::Namespace, "/bin/true", &[], nul, nothing()).await).contains("nul byte")
    );

    let no_helper = start(Start {
        supervisor: Path::new("/no/such/helper"),
        program: Path::new("/bin/true"),
        args: Vec::new(),
        directory: Path::new("/"),
        variables: Vec::new(),
        descriptors: vec![nowhere(), nowhere(), nowhere()],
        held: Vec::new(),
        supervision: Mode::Namespace.supervision(),
        policy: None,
    });
    let message = reason(no_helper.await);
    assert!(message.contains("/no/such/helper") && message.contains("reinstall"), "{message}");
}

#[tokio::test]
async fn what_is_missing_is_said() {
    for (mode, expected) in ALL.into_iter().zip([(true, true), (false, true), (false, false)]) {
        let script = Script::new(mode, "exit 0");
        let mut running = script.start(Vec::new()).await.expect("started");
        let containment = &running.containment;
        assert_eq!((containment.namespace, containment.descendants), expected, "{mode:?} {containment:?}");
        assert_eq!(containment.reason.is_some(), mode != Mode::Namespace);
        running.exit().await.expect("an exit");
    }
}

#[tokio::test]
async fn samples_come_while_it_runs_where_they_are_asked_for() {
    for mode in ALL {
        // CPU time of a child that ends before its parent does
        let text = "sh -c 'i=0; while [ $i -lt 400000 ]; do i=$((i+1)); done'; echo done >&3; sleep 1000";
        for every in [None, Some(1)] {
            let (mut lines, writer) = pipe();
            let mut script = Script::new(mode, text);
            script.supervision.sample_every_ms = every;
            let mut running = script.start(vec![writer]).await.expect("started");
            let mut samples = running.samples.subscribe();
            let stop = Cancellation::default();
            let watch = async {
                tokio::task::spawn_blocking(move || lines.read(1)).await.expect("a line");
                let mut seen = vec![*samples.borrow_and_update()];
                // until the shell's next child is there
                while every.is_some() && seen.last().is_none_or(|sample| sample.processes < 2) {
                    tokio::time::timeout(PATIENCE, samples.changed()).await.expect("in time").expect("one");
                    seen.push(*samples.borrow_and_update());
                }
                stop.request(StopReason::Cancelled, Some(Duration::ZERO));
                seen
            };
            let (exit, seen) = tokio::join!(running.exit_unless(&stop, Duration::ZERO), watch);
            exit.expect("an exit");
            running.tree_gone().await.expect("nothing is left");
            let last = seen[seen.len() - 1];
            if every.is_none() {
                assert_eq!(last, Sample::default(), "{mode:?}");
                continue;
            }
            assert!(seen.is_sorted_by(|one, other| one.at_ms <= other.at_ms && one.cpu_ms <= other.cpu_ms));
            assert!(last.rss_bytes > 100_000, "{mode:?} {last:?}");
            assert!(last.cpu_ms >= 50, "what a child has used stays counted: {mode:?} {last:?}");
        }
    }
}
