//! Runs a program on a terminal of its own, for tests: `pty COLUMNS ROWS PROGRAM [ARGUMENT…]`. What
//! comes on stdin is typed there (byte 3 is Ctrl-C), what the terminal shows goes to stdout, and the
//! exit code is the program's, or 128 and the number of the signal that ended it.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitCode};
use std::{env, ptr, thread};

fn main() -> io::Result<ExitCode> {
    let mut arguments = env::args_os().skip(1);
    let mut size = || number(arguments.next());
    let (columns, rows) = (size()?, size()?);
    let program = arguments.next().ok_or_else(usage)?;
    let (master, terminal) = open(columns, rows)?;

    let mut command = Command::new(program);
    command.args(arguments);
    command.stdin(terminal.try_clone()?).stdout(terminal.try_clone()?).stderr(terminal);
    // SAFETY: setsid and ioctl may be called between fork and exec.
    unsafe {
        command.pre_exec(|| {
            if libc::setsid() < 0 || libc::ioctl(0, libc::TIOCSCTTY, 0) < 0 {
                return Err(io::Error::last_os_error());
            }
            Ok(())
        });
    }
    let mut child = command.spawn()?;
    drop(command); // it holds the terminal, whose end is seen when nobody has it any more

    let mut keyboard = master.try_clone()?;
    thread::spawn(move || io::copy(&mut io::stdin(), &mut keyboard));
    show(master)?;
    let status = child.wait()?;
    let code = status.code().or_else(|| Some(128 + status.signal()?)).unwrap_or(1);
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}

fn usage() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "usage: pty COLUMNS ROWS PROGRAM [ARGUMENT…]")
}

fn number(argument: Option<OsString>) -> io::Result<u16> {
    argument.and_then(|text| text.to_str()?.parse().ok()).ok_or_else(usage)
}

/// Both ends of a new terminal.
fn open(columns: u16, rows: u16) -> io::Result<(File, OwnedFd)> {
    let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let (mut master, mut terminal) = (-1, -1);
    // SAFETY: the pointers are to variables that live, or null where that means nothing is wanted.
    let result = unsafe {
        libc::openpty(&raw mut master, &raw mut terminal, ptr::null_mut(), ptr::null(), &raw const size)
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: openpty has just opened both, and nobody else knows them.
    let both = unsafe { (File::from_raw_fd(master), OwnedFd::from_raw_fd(terminal)) };
    for descriptor in [master, terminal] {
        // SAFETY: fcntl with a flag that is valid for every descriptor.
        unsafe { libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
    Ok(both)
}

/// Copies what is shown until nobody has the terminal open.
fn show(mut master: File) -> io::Result<()> {
    let mut buffer = [0; 8192];
    let mut stdout = io::stdout();
    loop {
        match master.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => {
                stdout.write_all(&buffer[..count])?;
                stdout.flush()?;
            }
            // how Linux says that the other end is closed
            Err(error) if error.raw_os_error() == Some(libc::EIO) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
