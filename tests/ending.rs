//! How trees of processes end: by themselves, when the run is asked to stop, when the host or the
//! supervisor dies. Numbers are those of the acceptance cases in the design notes.

mod common;

use std::io::{Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::time::Duration;

use common::{
    ALL, FINDING, Lines, Mode, PATIENCE, SUPERVISOR, Script, install_program, kill_supervisor_of, nowhere,
    pipe, state_of, wait_until,
};
use owox_connector_runner::cancellation::{Cancellation, StopReason};
use owox_connector_runner::process::{Cause, Exit, Running};
use owox_connector_runner::protocol::{Opening, Report, StartRequest, frame, read_content};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};

/// A child, a child in a session of its own, and a daemon that ignores signals; each says that it
/// is there.
const TREE: &str = "sh -c 'echo a >&3; exec sleep 1000' & \
    setsid sh -c 'echo b >&3; exec sleep 1000' & \
    ( setsid sh -c 'trap \"\" TERM INT HUP; echo c >&3; while :; do sleep 1000; done' & ) ; ";

/// At least so many processes the tree has, without the main one.
const TREE_SIZE: usize = 3;

fn cancelled(grace: Duration) -> Cancellation {
    let cancellation = Cancellation::default();
    cancellation.request(StopReason::Cancelled, Some(grace));
    cancellation
}

const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(600);

/// Starts a script with descriptor 3 as the way to say something.
async fn talking(mode: Mode, text: &str) -> (Script, Running, Lines) {
    let (lines, writer) = pipe();
    let script = Script::new(mode, text);
    let running = script.start(vec![writer]).await.expect("started");
    (script, running, lines)
}

async fn end(running: &mut Running, cancellation: &Cancellation) -> Exit {
    let exit = running.exit_unless(cancellation, LONG).await.expect("an exit");
    running.tree_gone_unless(cancellation, LONG).await.expect("nothing is left");
    exit
}

#[tokio::test]
async fn when_the_process_ends_nothing_of_its_tree_is_left() {
    for mode in FINDING {
        let (gate, opener) = std::io::pipe().expect("a pipe");
        let (mut lines, writer) = pipe();
        // the process ends only after all have been seen alive
        let script = Script::new(mode, &format!("{TREE} read line <&4; exit 0"));
        let mut running = script.start(vec![writer, gate.into()]).await.expect("started");
        lines.read(TREE_SIZE);
        assert!(script.alive().len() > TREE_SIZE, "{mode:?}");
        drop(opener);
        assert_eq!(running.exit().await.expect("an exit").code, Some(0));
        let usage = running.tree_gone().await.expect("nothing is left");
        assert_eq!((script.alive(), usage.left), (Vec::new(), 0), "{mode:?}");
    }
}

#[tokio::test]
async fn when_the_host_lets_go_the_whole_tree_ends() {
    for mode in FINDING {
        let text = format!("trap '' TERM; {TREE} echo m >&3; while :; do sleep 1000; done");
        let (script, running, mut lines) = talking(mode, &text).await;
        lines.read(TREE_SIZE + 1);
        assert!(script.alive().len() > TREE_SIZE);
        drop(running);
        wait_until("the end of the tree", || script.alive().is_empty());
    }
}

#[tokio::test]
async fn a_process_gets_the_chance_to_end_by_itself_when_the_host_lets_go() {
    for mode in ALL {
        let text = "trap 'echo clean >&3; exit 0' TERM; echo ready >&3; while :; do sleep 0.05; done";
        let (_script, running, mut lines) = talking(mode, text).await;
        assert_eq!(lines.read(1), ["ready"]);
        drop(running);
        assert_eq!(lines.read(1), ["clean"], "{mode:?}");
    }
}

// Case 26.
#[tokio::test]
async fn a_busy_process_that_ignores_sigterm_is_killed_after_the_grace() {
    for mode in ALL {
        let (script, mut running, mut lines) =
            talking(mode, "trap '' TERM; echo ready >&3; while :; do :; done").await;
        lines.read(1);
        let exit = end(&mut running, &cancelled(SHORT)).await;
        assert_eq!(exit, Exit { code: None, signal: Some(9), cause: Cause::Stopped }, "{mode:?}");
        assert_eq!(script.alive(), [0; 0]);
    }
}

#[tokio::test]
async fn every_process_gets_sigterm_exactly_once() {
    let member = |name: &str| {
        format!(
            "sh -c 'trap \"echo {name} >&3\" TERM; echo ready >&3; for i in 1 2 3 4; do sleep 0.1; done' & "
        )
    };
    let text = format!(
        "trap 'echo main >&3' TERM; {}{}( {} ) ; echo ready >&3; for i in 1 2 3 4 5 6 7 8; do sleep 0.1; done; wait",
        member("child"),
        member("session").replacen("sh", "setsid sh", 1),
        member("orphan").replacen("sh", "setsid sh", 1),
    );
    for mode in FINDING {
        let (script, mut running, mut lines) = talking(mode, &text).await;
        lines.read(4);
        // asked twice, as somebody who loses patience
        let cancellation = cancelled(LONG);
        cancellation.request(StopReason::Cancelled, Some(LONG / 2));
        end(&mut running, &cancellation).await;
        let rest = lines.rest();
        let mut heard: Vec<_> = rest.lines().collect();
        heard.sort_unstable();
        assert_eq!(heard, ["child", "main", "orphan", "session"], "{mode:?}");
        drop(script);
    }
}

#[tokio::test]
async fn the_rest_of_a_tree_has_the_grace_too_and_the_id_stays_taken() {
    for mode in FINDING {
        // the main process ends at once, and its child needs a moment
        let (gate, opener) = std::io::pipe().expect("a pipe");
        let (mut lines, writer) = pipe();
        let text = "setsid sh -c 'trap \"read line <&4; echo cleaned >&3; exit\" TERM; echo ready >&3; \
                    while :; do sleep 0.05; done' & read line <&5";
        let script = Script::new(mode, text);
        let (never, _held) = std::io::pipe().expect("a pipe");
        let mut running = script.start(vec![writer, gate.into(), never.into()]).await.expect("started");
        lines.read(1);
        let cancellation = cancelled(LONG);
        let exit = running.exit_unless(&cancellation, LONG).await.expect("an exit");
        assert_eq!((exit.signal, exit.cause), (Some(15), Cause::Stopped), "{mode:?}");
        // While anything of the tree lives, nobody else can get this id.
        assert_eq!(state_of(running.pid), Some('Z'));
        drop(opener);
        assert_eq!(lines.read(1), ["cleaned"]);
        running.tree_gone_unless(&cancellation, LONG).await.expect("nothing is left");
        assert_eq!(state_of(running.pid), None);
    }
}

#[tokio::test]
async fn asking_again_can_make_it_harder() {
    for grace in [Duration::ZERO, SHORT] {
        let (script, mut running, mut lines) = talking(
            Mode::Namespace,
            "trap 'echo asked >&3' TERM; echo ready >&3; while :; do sleep 0.1; done",
        )
        .await;
        lines.read(1);
        let cancellation = cancelled(LONG);
        let again = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            cancellation.request(StopReason::Cancelled, Some(grace));
        };
        let both = async { tokio::join!(end(&mut running, &cancellation), again).0 };
        let exit = tokio::time::timeout(PATIENCE, both).await.expect("it does not take the first grace");
        assert_eq!((exit.signal, exit.cause), (Some(9), Cause::Stopped));
        assert_eq!(script.alive(), [0; 0]);
        if !grace.is_zero() {
            assert_eq!(lines.rest(), "asked\n", "once");
        }
    }
}

// Case 29, after the exit: asked too late, it had ended by itself.
#[tokio::test]
async fn who_is_asked_too_late_has_ended_by_itself() {
    let (script, mut running, lines) = talking(Mode::Namespace, "exit 3").await;
    assert_eq!(lines.rest(), "");
    wait_until("the end", || script.alive().is_empty());
    // the supervisor has noticed, too
    wait_until("the helper's end", || state_of(running.pid).is_none());
    let exit = end(&mut running, &cancelled(SHORT)).await;
    assert_eq!(exit, Exit { code: Some(3), signal: None, cause: Cause::Itself });
}

// Case 27.
#[tokio::test]
async fn processes_that_fork_all_the_time_do_not_get_away() {
    let folder = tempfile::tempdir().expect("a folder");
    let chain = folder.path().join("chain");
    install_program(&chain, "#!/bin/sh\nsetsid \"$0\" &\n");
    for mode in FINDING {
        let text = format!(
            "trap '' TERM; for i in 1 2 3; do {} & done; echo ready >&3; sleep 1000",
            chain.display()
        );
        let (script, mut running, mut lines) = talking(mode, &text).await;
        lines.read(1);
        let seen = std::cell::RefCell::new(std::collections::BTreeSet::new());
        wait_until("forking", || {
            seen.borrow_mut().extend(script.alive());
            seen.borrow().len() > 10
        });
        let exit = end(&mut running, &cancelled(SHORT)).await;
        assert_eq!(exit.cause, Cause::Stopped);
        assert_eq!(script.alive(), [0; 0], "{mode:?}");
    }
}

// Case 23.
#[tokio::test]
async fn when_the_supervisor_is_killed_the_namespace_ends_and_the_host_is_told() {
    let text = format!("trap '' TERM; {TREE} echo m >&3; while :; do sleep 1000; done");
    let (script, mut running, mut lines) = talking(Mode::Namespace, &text).await;
    lines.read(TREE_SIZE + 1);
    assert!(running.containment.namespace);
    kill_supervisor_of(&running);
    assert!(running.exit().await.expect_err("an error").message.contains("was killed"));
    wait_until("the end of the tree", || script.alive().is_empty());
}

// Case 23, the control: without the namespace only the process itself ends, and the run has said
// that it would be so.
#[tokio::test]
async fn without_a_namespace_a_killed_supervisor_leaves_what_had_gone_its_own_way() {
    let text = format!("{TREE} echo m >&3; while :; do sleep 1000; done");
    let (script, mut running, mut lines) = talking(Mode::Subreaper, &text).await;
    lines.read(TREE_SIZE + 1);
    assert!(!running.containment.namespace && running.containment.reason.is_some());
    kill_supervisor_of(&running);
    running.exit().await.expect_err("an error");
    let main = running.pid.cast_signed();
    wait_until("the end of the process", || !script.alive().contains(&main));
    assert!(!script.alive().is_empty(), "the daemon lives; nothing here ends it");
}

#[tokio::test]
async fn what_the_supervisor_holds_is_held_until_the_tree_is_gone_and_no_longer() {
    for mode in ALL {
        for host_stays in [true, false] {
            let (mut lines, writer) = pipe();
            let (held, holder) = pipe();
            let script =
                Script::new(mode, "trap '' TERM; echo ready >&3; read line </dev/zero & wait; sleep 1000");
            let mut running = script.start_holding(vec![writer], vec![holder]).await.expect("started");
            lines.read(1);
            if host_stays {
                end(&mut running, &cancelled(Duration::ZERO)).await;
            } else {
                drop(running); // as a host that dies: SIGKILL comes a second later
            }
            assert_eq!(held.rest(), "", "the process itself never gets it");
            assert_eq!(script.alive(), [0; 0], "{mode:?}");
        }
    }
}

/// Says to the helper behind a socket what the host with this id would.
fn order(socket: &UnixStream, host: u32, script: &Script) {
    let opening = Opening { supervision: script.supervision.clone(), host, descriptors: 3, held: 0 };
    let request = StartRequest {
        program: "/bin/sh".into(),
        args: vec!["-c".into(), script.text.clone()],
        directory: "/".into(),
        variables: script.variables(),
        policy: None,
    };
    let mut bytes = frame(&opening).expect("a frame");
    bytes.extend(frame(&request).expect("a frame"));
    send(socket, &bytes);
}

/// Sends these to the helper behind a socket, with three descriptors.
fn send(socket: &UnixStream, bytes: &[u8]) {
    let descriptors = [nowhere(), nowhere(), nowhere()];
    let borrowed: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    assert!(ancillary.push(SendAncillaryMessage::ScmRights(&borrowed)));
    let first = [std::io::IoSlice::new(&bytes[..4])];
    rustix::net::sendmsg(socket, &first, &mut ancillary, SendFlags::empty()).expect("sent");
    let mut socket = socket;
    socket.write_all(&bytes[4..]).expect("sent");
}

#[test]
fn a_helper_that_cannot_take_its_order_says_why() {
    // descriptors that do not come, and a frame that says nothing
    let opening = |descriptors| Opening {
        supervision: Mode::Portable.supervision(),
        host: std::process::id(),
        descriptors,
        held: 0,
    };
    let garbled = |of: &str| frame(&serde_json::Value::from(of)).expect("a frame");
    for (bytes, reason) in [
        (frame(&opening(5)).expect("a frame"), "descriptors are missing"),
        (garbled("no opening"), "invalid type"),
        ([frame(&opening(3)).expect("a frame"), garbled("no order")].concat(), "invalid type"),
    ] {
        let (ours, mut helper) = helper_alone();
        send(&ours, &bytes);
        let mut prefix = [0; 4];
        (&ours).read_exact(&mut prefix).expect("an answer");
        let report = read_content(&ours, prefix).expect("a report");
        let Report::Failed { message } = report else { panic!("{report:?}") };
        assert!(message.contains(reason), "{message}");
        wait_until("the helper's end", || helper.try_wait().is_ok_and(|status| status.is_some()));
    }
}

/// Starts the helper as the host does, and gives the host's end of its socket.
fn helper_alone() -> (UnixStream, std::process::Child) {
    let (ours, theirs) = UnixStream::pair().expect("a socket");
    let helper = std::process::Command::new(SUPERVISOR)
        .env_clear()
        .stdin(OwnedFd::from(theirs))
        .process_group(0)
        .spawn()
        .expect("the helper");
    (ours, helper)
}

/// Starts the helper as the host does, and dies at once.
fn host_that_dies_early(script: &Script) {
    let (ours, mut helper) = helper_alone();
    order(&ours, std::process::id(), script);
    drop(ours);
    wait_until("the helper's end", || helper.try_wait().is_ok_and(|status| status.is_some()));
}

// Hosts start other processes too, and one of them may have got the socket.
#[test]
fn a_host_that_dies_is_noticed_though_its_socket_stays_open() {
    for mode in FINDING {
        let script = Script::new(mode, "sleep 1000 & wait");
        let (ours, theirs) = UnixStream::pair().expect("a socket");
        let mut host = std::process::Command::new("/bin/sh")
            .args(["-c", "exec 4<&0; \"$0\" <&4 & exec 4<&- </dev/null; wait", SUPERVISOR])
            .stdin(OwnedFd::from(theirs))
            .spawn()
            .expect("a shell");
        order(&ours, host.id(), &script);
        wait_until("the start", || script.alive().len() == 2);
        host.kill().expect("killed");
        host.wait().expect("the shell's end");
        wait_until("the end of the tree", || script.alive().is_empty());
        drop(ours);
    }
}

// Case 28.
#[test]
fn when_the_host_dies_between_start_and_watch_nothing_is_left() {
    for mode in FINDING {
        for _ in 0..10 {
            let script = Script::new(mode, &format!("{} sleep 1000", TREE.replace(">&3", ">/dev/null")));
            host_that_dies_early(&script);
            assert_eq!(script.alive(), [0; 0], "{mode:?}");
        }
    }
}

#[tokio::test]
async fn a_tree_that_takes_too_much_memory_is_ended() {
    // tail keeps a line without an end in memory
    let hungry = "head -c 200000000 /dev/zero | tail -n 1 | sleep 1000";
    for mode in ALL {
        for (limit, expected) in [(100 << 20, Some(Cause::Memory)), (4 << 30, None)] {
            let mut script = Script::new(mode, &format!("echo ready >&3; {hungry}"));
            script.supervision.memory_limit_bytes = Some(limit);
            let (mut lines, writer) = pipe();
            let mut running = script.start(vec![writer]).await.expect("started");
            lines.read(1);
            if let Some(expected) = expected {
                assert_eq!(running.exit().await.expect("an exit").cause, expected, "{mode:?}");
                let usage = running.tree_gone().await.expect("nothing is left");
                assert!(usage.peak_rss_bytes > limit && usage.peak_processes > 1, "{usage:?}");
                assert_eq!(script.alive(), [0; 0]);
            } else {
                // the control: it may have as much, and lives
                wait_until("a large process", || {
                    script.alive().iter().any(|pid| {
                        std::fs::read_to_string(format!("/proc/{pid}/statm")).is_ok_and(|text| {
                            text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0)
                                > 190_000_000 / 4096
                        })
                    })
                });
                let usage = {
                    let cancellation = cancelled(Duration::ZERO);
                    running.exit_unless(&cancellation, LONG).await.expect("an exit");
                    running.tree_gone_unless(&cancellation, LONG).await.expect("nothing is left")
                };
                assert!(usage.peak_rss_bytes > 190_000_000, "{mode:?} {usage:?}");
            }
        }
    }
}
