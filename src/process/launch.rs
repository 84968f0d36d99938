//! The host's side of a supervised process.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};

use super::protocol::{Report, StartRequest, frame, frame_length};
use crate::error::{Code, Result, RunnerError};

/// Most descriptors that one process can be given.
const MAX_DESCRIPTORS: usize = 64;

/// What to start.
#[derive(Debug)]
pub struct Start<'a> {
    /// The supervisor helper.
    pub supervisor: &'a Path,
    /// Absolute path of the program.
    pub program: &'a Path,
    /// Arguments.
    pub args: Vec<String>,
    /// Working directory.
    pub directory: &'a Path,
    /// The whole environment.
    pub variables: Vec<(String, String)>,
    /// Descriptors that become 0, 1, 2 … of the process.
    pub descriptors: Vec<OwnedFd>,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    /// Exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// The number of the signal that ended it.
    pub signal: Option<i32>,
    /// CPU time of the process and its children, in milliseconds.
    pub cpu_ms: u64,
    /// Largest resident size of one process among them, in bytes.
    pub peak_rss_bytes: u64,
}

/// A process that runs. Dropping it ends the process and its whole tree.
#[derive(Debug)]
pub struct Running {
    /// Its process id; it leads a session and process group of its own.
    pub pid: u32,
    socket: UnixStream,
    helper: Child,
}

fn failed(cause: impl std::fmt::Display) -> RunnerError {
    RunnerError::new(Code::SpawnFailed, format!("Failed to start connector process: {cause}"))
}

fn supervisor_failed(path: &Path, cause: &io::Error) -> RunnerError {
    let remedy = match cause.kind() {
        io::ErrorKind::NotFound => "it is missing; reinstall the package",
        io::ErrorKind::PermissionDenied => "it must be executable, on a file system without noexec",
        _ => "reinstall the package if this stays",
    };
    failed(format!("the helper {} did not start: {cause} ({remedy})", path.display()))
}

/// Starts a process under a supervisor.
///
/// # Errors
/// `SPAWN_FAILED`, with the reason: a program that is missing, an environment that is too large.
pub async fn start(start: Start<'_>) -> Result<Running> {
    if start.descriptors.len() > MAX_DESCRIPTORS {
        return Err(failed(format!("stdio has more than {MAX_DESCRIPTORS} entries")));
    }
    let request = StartRequest {
        program: text_of(start.program)?,
        args: start.args,
        directory: text_of(start.directory)?,
        variables: start.variables,
        descriptors: start.descriptors.len(),
    };
    let bytes = frame(&request).map_err(failed)?;

    let (ours, theirs) = StdUnixStream::pair().map_err(failed)?;
    let helper = Command::new(start.supervisor)
        .env_clear()
        .stdin(OwnedFd::from(theirs))
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(|cause| supervisor_failed(start.supervisor, &cause))?;

    let descriptors: Vec<_> = start.descriptors.iter().map(AsFd::as_fd).collect();
    send_with_descriptors(&ours, &bytes[..4], &descriptors).map_err(failed)?;
    drop(start.descriptors);
    ours.set_nonblocking(true).map_err(failed)?;
    let mut socket = UnixStream::from_std(ours).map_err(failed)?;
    socket.write_all(&bytes[4..]).await.map_err(failed)?;

    match read_report(&mut socket).await {
        Ok(Some(Report::Started { pid })) => Ok(Running { pid, socket, helper }),
        Ok(Some(Report::Failed { message })) => Err(failed(message)),
        Ok(other) => Err(failed(format!("the helper answered {other:?}"))),
        Err(cause) => Err(failed(format!("the helper did not answer: {cause}"))),
    }
}

impl Running {
    /// Waits until the process has ended.
    ///
    /// # Errors
    /// `INTERNAL` if the supervisor was killed: then nobody knows how the process ended.
    pub async fn exit(&mut self) -> Result<Exit> {
        match read_report(&mut self.socket).await {
            Ok(Some(Report::Exited { code, signal, cpu_ms, peak_rss_bytes })) => {
                Ok(Exit { code, signal, cpu_ms, peak_rss_bytes })
            }
            answer => Err(RunnerError::new(
                Code::Internal,
                match answer {
                    Err(cause) => format!("the connector's supervisor failed: {cause}"),
                    _ => "the connector's supervisor was killed; its process was killed with it".to_owned(),
                },
            )),
        }
    }

    /// Ends the process: SIGTERM, and SIGKILL after `grace`. Then waits as [`Running::exit`] does.
    ///
    /// # Errors
    /// As [`Running::exit`].
    pub async fn end(&mut self, _grace: Duration) -> Result<Exit> {
        // The helper takes a socket that is closed for a host that is gone.
        let _ = self.socket.shutdown().await;
        self.exit().await
    }

    /// Waits until the rest of the tree has been ended, after [`Running::exit`].
    pub async fn tree_gone(&mut self) {
        // The helper closes the socket when nothing is left; what else it says does not matter.
        let _ = read_report(&mut self.socket).await;
        let _ = self.helper.wait().await;
    }
}

fn text_of(path: &Path) -> Result<String> {
    path.to_str()
        .map(ToOwned::to_owned)
        .ok_or_else(|| failed(format!("the path {} is not valid UTF-8", path.display())))
}

fn send_with_descriptors(
    socket: &StdUnixStream,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::other("too many descriptors"));
    }
    let sent = rustix::net::sendmsg(socket, &[io::IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL)?;
    if sent == bytes.len() { Ok(()) } else { Err(io::Error::other("short write to the helper")) }
}

/// The next report, or `None` at the end of the stream.
async fn read_report(socket: &mut UnixStream) -> io::Result<Option<Report>> {
    let mut prefix = [0; 4];
    match socket.read_exact(&mut prefix).await {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let mut content = vec![0; frame_length(prefix)?];
    socket.read_exact(&mut content).await?;
    Ok(Some(serde_json::from_slice(&content)?))
}
