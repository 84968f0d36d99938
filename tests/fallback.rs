//! Supervision where the system lacks or refuses something. The refusals are real: a seccomp
//! filter on the thread that starts the helper, which all its processes inherit.

mod common;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use common::{FINDING, Mode, SUPERVISOR, Script, install_program, nowhere, pipe};
use owox_connector_runner::process::{Cause, Containment, Exit, Start, start};
use owox_connector_runner::run::{Cancellation, StopReason};

/// What stays of a tree when nobody ends it: a child in a session of its own.
const TREE: &str = "trap '' TERM; setsid sh -c 'echo child >&3; exec sleep 1000' & echo main >&3; \
    while :; do sleep 1000; done";

/// One instruction of a filter: code, operand, and how far to jump if true and if not.
type Instruction = (u32, u32, u8, u8);

const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const IF_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const IF_ANY_BIT: u32 = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;

/// Where the filter finds the first argument of a system call.
const FIRST_ARGUMENT: u32 = 16;

fn number(call: libc::c_long) -> u32 {
    u32::try_from(call).expect("a number")
}

fn fails_with(errno: i32) -> Instruction {
    (RETURN, libc::SECCOMP_RET_ERRNO | errno.cast_unsigned(), 0, 0)
}

/// Runs `work` on a thread of its own, under a filter.
fn filtered<T: Send + 'static>(
    instructions: Vec<Instruction>,
    work: impl Future<Output = T> + Send + 'static,
) -> T {
    let thread = std::thread::spawn(move || {
        install(&instructions);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(work)
    });
    thread.join().expect("the test")
}

fn install(instructions: &[Instruction]) {
    let mut program: Vec<_> = instructions
        .iter()
        .map(|&(code, k, jt, jf)| libc::sock_filter { code: u16::try_from(code).expect("a code"), jt, jf, k })
        .collect();
    let length = u16::try_from(program.len()).expect("a length");
    let filter = libc::sock_fprog { len: length, filter: program.as_mut_ptr() };
    // SAFETY: the filter and its program live until the call returns.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        assert_eq!(libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const filter), 0);
    }
}

/// Runs `work` where these system calls fail with this error.
fn with_refused<T: Send + 'static>(
    refused: &[(libc::c_long, i32)],
    work: impl Future<Output = T> + Send + 'static,
) -> T {
    let mut program = vec![(LOAD, 0, 0, 0)];
    for (call, errno) in refused {
        program.extend([(IF_EQUAL, number(*call), 0, 1), fails_with(*errno)]);
    }
    program.push((RETURN, libc::SECCOMP_RET_ALLOW, 0, 0));
    filtered(program, work)
}

/// Runs `work` where there are no new namespaces. What the C library forks with is `clone` too.
fn without_namespaces<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    let namespaces = (libc::CLONE_NEWUSER | libc::CLONE_NEWPID).cast_unsigned();
    let program = vec![
        (LOAD, 0, 0, 0),
        (IF_EQUAL, number(libc::SYS_clone), 0, 3),
        (LOAD, FIRST_ARGUMENT, 0, 0),
        (IF_ANY_BIT, namespaces, 0, 1),
        fails_with(libc::EPERM),
        (RETURN, libc::SECCOMP_RET_ALLOW, 0, 0),
    ];
    filtered(program, work)
}

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

const NEW_CALLS: [(libc::c_long, i32); 4] = [
    (libc::SYS_pidfd_open, libc::ENOSYS),
    (libc::SYS_pidfd_send_signal, libc::ENOSYS),
    (libc::SYS_close_range, libc::ENOSYS),
    (libc::SYS_clone3, libc::ENOSYS),
];

// Case 38.
#[test]
fn without_pidfd_and_close_range_nothing_hangs_and_nothing_is_left() {
    for mode in FINDING {
        let containment = with_refused(&NEW_CALLS, run_and_end(mode));
        assert_eq!(containment.namespace, mode == Mode::Namespace, "{containment:?}");
        // exit codes still arrive by themselves
        let code = with_refused(&NEW_CALLS, async move {
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
        let text = with_refused(&NEW_CALLS, async move {
            let leaked = rustix::io::fcntl_dupfd_cloexec(nowhere(), 300).expect("a descriptor");
            rustix::io::fcntl_setfd(&leaked, rustix::io::FdFlags::empty()).expect("no close-on-exec");
            let (lines, writer) = pipe();
            let mut running = start(Start {
                supervisor: Path::new(SUPERVISOR),
                program: Path::new("/bin/ls"),
                args: vec!["/proc/self/fd".into()],
                directory: Path::new("/"),
                variables: Vec::new(),
                descriptors: vec![nowhere(), writer, nowhere()],
                held: Vec::new(),
                supervision: mode.supervision(),
            })
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
    let mount = with_refused(&[(libc::SYS_mount, libc::EPERM)], run_and_end(Mode::Namespace));
    let join = with_refused(&[(libc::SYS_setns, libc::EPERM)], run_and_end(Mode::Namespace));
    let clone = without_namespaces(run_and_end(Mode::Namespace));
    for (step, containment) in [("mount of /proc", mount), ("setns", join), ("clone", clone)] {
        assert!(!containment.namespace && containment.descendants, "{step}: {containment:?}");
        let reason = containment.reason.expect("a reason");
        assert!(reason.contains(step), "{step}: {reason}");
    }
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
