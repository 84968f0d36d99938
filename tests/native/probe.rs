//! Makes system calls that Node.js cannot make, for the tests of isolation: `isolation-probe NAME
//! ARGUMENT…` prints `ok`, or the number of the error. An argument is a number, `s:TEXT` for a text,
//! `z:BYTES` for zeroes in memory, or `q:` for what `sigqueue` sends.

#![allow(clippy::print_stdout, reason = "it is what it is for")]

use std::ffi::CString;
use std::io;

use libc::c_long;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    let outcome = special(&name, &rest).unwrap_or_else(|| call(number(&name), &rest));
    match outcome {
        Ok(()) => println!("ok"),
        Err(error) => println!("{}", error.raw_os_error().unwrap_or(-1)),
    }
}

/// Acts that are more than one call.
fn special(name: &str, arguments: &[String]) -> Option<io::Result<()>> {
    let first = || arguments.first().and_then(|text| text.parse::<c_long>().ok()).unwrap_or(0);
    // SAFETY: calls without memory of ours, but where it says so.
    let outcome = unsafe {
        match name {
            "pidfd_kill" => {
                let descriptor = libc::syscall(libc::SYS_pidfd_open, first(), 0);
                if descriptor < 0 {
                    return Some(Err(io::Error::last_os_error()));
                }
                libc::syscall(libc::SYS_pidfd_send_signal, descriptor, 0, 0, 0)
            }
            "pidfd_getfd_self" => {
                let descriptor = libc::syscall(libc::SYS_pidfd_open, libc::getpid(), 0);
                if descriptor < 0 {
                    return Some(Err(io::Error::last_os_error()));
                }
                libc::syscall(libc::SYS_pidfd_getfd, descriptor, 0, 0)
            }
            "clone_user_namespace" => {
                let flags = libc::CLONE_NEWUSER | libc::SIGCHLD;
                match libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) {
                    0 => libc::_exit(0),
                    pid => pid,
                }
            }
            "x32" => libc::syscall(0x4000_0000 + 39), // getpid
            #[cfg(target_arch = "x86_64")]
            "i386" => {
                let mut result: u64 = 20; // getpid
                // SAFETY: the call of 32 bit programs; it changes the registers that are named.
                std::arch::asm!("int 0x80", inlateout("rax") result, out("r8") _, out("r9") _, out("r10") _, out("r11") _);
                result.cast_signed()
            }
            "tcp_fast_open" => {
                let descriptor = libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0);
                let mut address: libc::sockaddr_in = std::mem::zeroed();
                address.sin_family = u16::try_from(libc::AF_INET).unwrap_or_default();
                address.sin_port = u16::try_from(first()).unwrap_or_default().to_be();
                address.sin_addr.s_addr = u32::from_be_bytes([127, 0, 0, 1]).to_be();
                let length = libc::socklen_t::try_from(std::mem::size_of::<libc::sockaddr_in>());
                // SAFETY: text and address live until the call returns.
                c_long::try_from(libc::sendto(
                    descriptor,
                    c"x".as_ptr().cast(),
                    1,
                    libc::MSG_FASTOPEN,
                    (&raw const address).cast(),
                    length.unwrap_or_default(),
                ))
                .unwrap_or(-1)
            }
            _ => return None,
        }
    };
    Some(if outcome < 0 { Err(io::Error::last_os_error()) } else { Ok(()) })
}

fn call(number: c_long, arguments: &[String]) -> io::Result<()> {
    let mut texts = Vec::new();
    let mut buffers: Vec<Vec<u64>> = Vec::new();
    let mut values = [0; 6];
    for (value, argument) in values.iter_mut().zip(arguments) {
        *value = match argument.split_once(':') {
            Some(("s", text)) => {
                texts.push(CString::new(text)?);
                texts.last().map_or(0, |text| text.as_ptr() as c_long)
            }
            Some((kind, size)) => {
                let mut buffer = vec![0; size.parse::<usize>().unwrap_or(128).div_ceil(8)];
                if kind == "q" {
                    buffer[1] = u64::from(libc::SI_QUEUE.cast_unsigned()); // si_code
                }
                buffers.push(buffer);
                buffers.last().map_or(0, |buffer| buffer.as_ptr() as c_long)
            }
            None => argument.parse().unwrap_or(0),
        };
    }
    let [first, second, third, fourth, fifth, sixth] = values;
    // SAFETY: texts and buffers live until the call returns; tests give calls what they expect.
    let result = unsafe { libc::syscall(number, first, second, third, fourth, fifth, sixth) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

macro_rules! numbers {
    ($name:ident: $($call:ident)*) => {
        $(if $name == stringify!($call).trim_start_matches("SYS_") { return libc::$call; })*
    };
}

fn number(name: &str) -> c_long {
    numbers!(name: SYS_kill SYS_tgkill SYS_rt_sigqueueinfo SYS_prlimit64 SYS_setpriority SYS_sched_setscheduler
        SYS_ioprio_set SYS_ptrace SYS_process_vm_readv SYS_unshare SYS_setns SYS_mount SYS_bpf SYS_keyctl
        SYS_userfaultfd SYS_perf_event_open SYS_open_by_handle_at SYS_io_uring_setup SYS_clone3 SYS_shmget
        SYS_semget SYS_msgget SYS_mq_open SYS_ioctl SYS_prctl SYS_socket SYS_socketpair SYS_setxattr
        SYS_mknodat SYS_openat SYS_close SYS_fchmod SYS_inotify_init1 SYS_inotify_add_watch SYS_truncate SYS_chroot);
    -1
}
