//! Machines that lack something, for the tests in `__test__`: what they refuse, and a way to run a
//! program on one.

mod common;

use std::os::unix::process::CommandExt;
use std::process::Command;

use common::refuse::{MACHINES, machine, refuse};

/// The result of a system call with such arguments: its error, or 0.
fn errno_of(call: libc::c_long, first: libc::c_long) -> i32 {
    // SAFETY: the calls below get arguments with which they change nothing.
    let result = unsafe { libc::syscall(call, first, 0, 0, 0, 0) };
    if result < 0 { std::io::Error::last_os_error().raw_os_error().unwrap_or(0) } else { 0 }
}

/// A call that belongs to what a machine lacks, with arguments that are harmless, and the error
/// that it gives on a machine that has it.
fn example(name: &str) -> (libc::c_long, libc::c_long, i32) {
    match name {
        "landlock" => (libc::SYS_landlock_create_ruleset, 0, libc::EFAULT),
        "namespaces" => (libc::SYS_setns, -1, libc::EBADF),
        "pidfd" => (libc::SYS_pidfd_open, -1, libc::EINVAL),
        "close_range" => (libc::SYS_close_range, 1000, libc::EINVAL),
        "seccomp" => (libc::SYS_seccomp, -1, libc::EINVAL),
        other => panic!("{other}"),
    }
}

#[test]
fn each_machine_refuses_what_it_lacks_and_nothing_else() {
    let names: Vec<_> = MACHINES.into_iter().filter(|name| *name != "all").collect();
    for name in MACHINES {
        for errno in [libc::ENOSYS, libc::EPERM] {
            let names = names.clone();
            let thread = std::thread::spawn(move || {
                for other in &names {
                    let (call, first, usual) = example(other);
                    assert_eq!(errno_of(call, first), usual, "control: {other} before the filter");
                }
                refuse(&machine(name, errno).expect("a machine"));
                for other in &names {
                    let (call, first, usual) = example(other);
                    let is_refused = name == *other || (name == "all" && *other != "seccomp");
                    let expected = if is_refused { errno } else { usual };
                    assert_eq!(errno_of(call, first), expected, "{other} on a machine without {name}");
                }
                if name == "namespaces" {
                    let flags = libc::c_long::from(libc::CLONE_NEWUSER);
                    assert_eq!(errno_of(libc::SYS_unshare, flags), errno);
                    // ordinary threads and processes still start
                    assert!(std::thread::spawn(|| true).join().expect("a thread"));
                    assert!(Command::new("/bin/true").status().expect("a process").success());
                }
            });
            thread.join().expect("the test");
        }
    }
}

/// Not a test: becomes the program in `DEGRADED_COMMAND` (JSON, an array) on the machine in
/// `DEGRADED_MACHINE`, such as `landlock:ENOSYS`. scripts/degraded.js starts it.
#[test]
#[ignore = "a tool of __test__/degraded.test.js"]
fn become_a_program_on_such_a_machine() {
    let given = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is missing"));
    let wanted = given("DEGRADED_MACHINE");
    let (name, errno) = wanted.split_once(':').expect("MACHINE:ERRNO");
    let errno = if errno == "EPERM" { libc::EPERM } else { libc::ENOSYS };
    let command: Vec<String> = serde_json::from_str(&given("DEGRADED_COMMAND")).expect("an array");
    refuse(&machine(name, errno).expect("a machine"));
    let mut program = Command::new(&command[0]);
    let error = program.args(&command[1..]).env_remove("DEGRADED_COMMAND").exec();
    panic!("{command:?}: {error}");
}
