//! Supervision where the system lacks or refuses something. The refusals are real: a seccomp
//! filter on the thread that starts the helper, which all its processes inherit.

mod common;

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use common::refuse::{Refusal, with_refused, without_namespaces};
use common::{
    FINDING, Mode, SUPERVISOR, Script, install_program, kill_supervisor_of, nowhere, pipe, start_program,
    wait_until,
};
use owox_connector_runner::cancellation::{Cancellation, StopReason};
use owox_connector_runner::process::{Cause, Containment, Exit};

/// What stays of a tree when nobody ends it: a child in a session of its own.
const TREE: &str = "trap '' TERM; setsid sh -c 'echo child >&3; exec sleep 1000' & echo main >&3; \
    while :; do sleep 1000; done";

/// Runs the tree, ends it, and gives what kept it together.
async fn run_and_end(mode: Mode) -> Containment {
    let (mut lines, writer) = pipe();
    let script = Script::new(mode, TREE);
    let mut running = script.start(vec![writer]).await.expect("started");
    lines.read(2);
    assert!(script.alive().len() >= 2, "the control: it is there");
    let cancellation = Cancellation::default();
    cancellation.request(StopReason::Cancelled, Some(Duration::from_millis(100)));
    let exit = running.exit_unless(&cancellation, Duration::ZERO).await.expect("an exit");
    assert_eq!(exit, Exit { code: None, signal: Some(9), cause: Cause::Stopped });
    running.tree_gone_unless(&cancellation, Duration::ZERO).await.expect("nothing is left");
    assert_eq!(script.alive(), [0; 0]);
    running.containment
}

fn without_new_calls() -> Vec<Refusal> {
    let calls = [libc::SYS_pidfd_open, libc::SYS_pidfd_send_signal, libc::SYS_close_range, libc::SYS_clone3];
    calls.map(|call| Refusal::always(call, libc::ENOSYS)).to_vec()
}

// Case 38.
#[test]
fn without_pidfd_and_close_range_nothing_hangs_and_nothing_is_left() {
    for mode in FINDING {
        let containment = with_refused(without_new_calls(), run_and_end(mode));
        assert_eq!(containment.namespace, mode == Mode::Namespace, "{containment:?}");
        // exit codes still arrive by themselves
        let code = with_refused(without_new_calls(), async move {
            let script = Script::new(mode, "exit 7");
            let mut running = script.start(Vec::new()).await.expect("started");
            running.exit().await.expect("an exit").code
        });
        assert_eq!(code, Some(7));
    }
}

// Case 38: descriptors that a host leaks do not get through either.
#[test]
fn without_close_range_no_descriptor_is_inherited() {
    for mode in FINDING {
        let text = with_refused(without_new_calls(), async move {
            let leaked = rustix::io::fcntl_dupfd_cloexec(nowhere(), 300).expect("a descriptor");
            rustix::io::fcntl_setfd(&leaked, rustix::io::FdFlags::empty()).expect("no close-on-exec");
            let (lines, writer) = pipe();
            let descriptors = vec![nowhere(), writer, nowhere()];
            let mut running = start_program(mode, "/bin/ls", &["/proc/self/fd"], Vec::new(), descriptors)
                .await
                .expect("started");
            running.exit().await.expect("an exit");
            running.tree_gone().await.expect("nothing is left");
            lines.rest()
        });
        assert_eq!(text, "0\n1\n2\n3\n", "{mode:?}");
    }
}

// Trap 12: systems refuse at each of the steps, some only at the last.
#[test]
fn a_namespace_that_is_refused_at_any_step_is_reported_and_done_without() {
    let mount =
        with_refused(vec![Refusal::always(libc::SYS_mount, libc::EPERM)], run_and_end(Mode::Namespace));
    let join =
        with_refused(vec![Refusal::always(libc::SYS_setns, libc::EPERM)], run_and_end(Mode::Namespace));
    let clone = without_namespaces(run_and_end(Mode::Namespace));
    for (step, containment) in [("mount of /proc", mount), ("setns", join), ("clone", clone)] {
        assert!(!containment.namespace && containment.descendants, "{step}: {containment:?}");
        let reason = containment.reason.expect("a reason");
        assert!(reason.contains(step), "{step}: {reason}");
    }
}

/// A namespace whose supervisor is killed ends, though these calls only seem to work: the kernel says
/// that they succeed, with 0, and does nothing.
fn ends_with_its_supervisor_though_these_do_nothing(calls: Vec<Refusal>) {
    with_refused(calls, async {
        let (mut lines, writer) = pipe();
        let script = Script::new(Mode::Namespace, TREE);
        let mut running = script.start(vec![writer]).await.expect("started");
        lines.read(2);
        assert!(running.containment.namespace && script.alive().len() >= 2, "the control: it is there");
        kill_supervisor_of(&running);
        running.exit().await.expect_err("an error");
        wait_until("the end of the tree", || script.alive().is_empty());
    });
}

// Case 23. The first process of a namespace ends with its supervisor for two reasons. Here is one that
// never hears that its socket was closed: the kernel kills it.
#[test]
fn a_first_process_that_hears_nothing_is_killed_with_its_supervisor() {
    ends_with_its_supervisor_though_these_do_nothing(vec![Refusal::always(libc::SYS_ppoll, 0)]);
}

// Case 23. The other: where the kernel was not told to kill it, as when the supervisor dies before that.
#[test]
fn a_first_process_that_nobody_kills_notices_the_end_of_its_supervisor() {
    let unsaid = Refusal::with_argument(libc::SYS_prctl, libc::PR_SET_PDEATHSIG, 0);
    ends_with_its_supervisor_though_these_do_nothing(vec![unsaid]);
}

/// The helper as another user, by way of a script. Only root can test that.
#[tokio::test]
async fn an_unprivileged_host_has_the_namespace_by_a_user_namespace() {
    if !rustix::process::geteuid().is_root() {
        return; // then all other tests are this test
    }
    let folder = tempfile::tempdir().expect("a folder");
    let open = PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).expect("a mode");
    let helper = folder.path().join("helper");
    let copied = std::process::Command::new("/bin/cp").arg(SUPERVISOR).arg(&helper).status();
    assert!(copied.expect("cp").success());
    let wrapper = folder.path().join("wrapper");
    let drop_rights = "setpriv --reuid 65534 --regid 65534 --clear-groups";
    install_program(&wrapper, &format!("#!/bin/sh\nexec {drop_rights} {}\n", helper.display()));

    let (mut lines, writer) = pipe();
    let mut script = Script::new(
        Mode::Namespace,
        "id -u >&3; id -g >&3; grep -c . /proc/self/uid_map >&3; grep CapEff /proc/self/status >&3; \
         ls -d /proc/[0-9]* | wc -l >&3; setsid sh -c 'trap \"\" TERM; echo child >&3; exec sleep 1000' & wait",
    );
    script.supervisor = wrapper;
    let mut running = script.start(vec![writer]).await.expect("started");
    let said = lines.read(6);
    assert!(running.containment.namespace, "{:?}", running.containment);
    // itself, and with no more rights than before; of other processes it sees none
    assert_eq!(said[..3], ["65534", "65534", "1"]);
    assert!(said.iter().any(|line| line.ends_with("0000000000000000")), "{said:?}");
    assert!(script.alive().len() >= 2);
    let cancellation = Cancellation::default();
    cancellation.request(StopReason::Cancelled, Some(Duration::from_millis(50)));
    running.exit_unless(&cancellation, Duration::ZERO).await.expect("an exit");
    running.tree_gone_unless(&cancellation, Duration::ZERO).await.expect("nothing is left");
    assert_eq!(script.alive(), [0; 0]);
}
