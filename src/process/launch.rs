//! The host's side of a supervised process.

use std::collections::HashSet;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{self, Child};
use std::time::Duration;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;

use crate::cancellation::Cancellation;
use crate::error::{Code, Result, RunnerError};
use crate::protocol::policy::{Measured, PerLayer, Policy};
use crate::protocol::{
    Cause, Command, Containment, MAX_DESCRIPTORS, MAX_HELD, MAX_OPENED, Missing, Opening, Report, Sample,
    StartRequest, Supervision, Usage, frame, frame_length,
};

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
    /// Descriptors that the supervisor holds until the tree is gone, such as those of locks.
    pub held: Vec<OwnedFd>,
    /// How it is watched.
    pub supervision: Supervision,
    /// What it may do; all that its user may, where there is none.
    pub policy: Option<Policy>,
}

/// Memory that a program may have that works for runs and loads foreign code, in bytes.
pub const HELPER_MEMORY_BYTES: u64 = 1024 * 1024 * 1024;

/// How such a program is watched.
pub fn watch_helper(memory_limit_bytes: u64) -> Supervision {
    Supervision { memory_limit_bytes: Some(memory_limit_bytes), ..Supervision::default() }
}

/// How a process ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Exit {
    /// Exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// The number of the signal that ended it.
    pub signal: Option<i32>,
    /// Who began it.
    pub cause: Cause,
}

/// A process that runs. Dropping it ends the process and its whole tree.
#[derive(Debug)]
pub struct Running {
    /// Its process id; it leads a session and process group of its own.
    pub pid: u32,
    /// What keeps its tree together.
    pub containment: Containment,
    /// What the tree uses, where [`Supervision`] asks for it.
    pub samples: watch::Sender<Sample>,
    /// What was found of each layer of its policy, except its processes.
    pub layers: Option<Box<PerLayer<Measured>>>,
    reader: OwnedReadHalf,
    writer: OwnedWriteHalf,
    helper: Helper,
}

/// The helper's process. Its exit status is always taken, so that it does not stay as a zombie;
/// tokio's own children would want SIGCHLD, which belongs to Node.
#[derive(Debug)]
struct Helper(Option<Child>);

impl Helper {
    async fn wait(&mut self) {
        let Some(mut child) = self.0.take() else { return };
        if !matches!(child.try_wait(), Ok(Some(_))) {
            let _ = tokio::task::spawn_blocking(move || child.wait()).await;
        }
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let Some(mut child) = self.0.take() else { return };
        if !matches!(child.try_wait(), Ok(Some(_))) {
            // It ends within seconds, since the socket is closed.
            let _ = std::thread::Builder::new().spawn(move || child.wait());
        }
    }
}

fn failed(cause: impl std::fmt::Display) -> RunnerError {
    RunnerError::new(Code::SpawnFailed, format!("Failed to start connector process: {cause}"))
}

/// Layers that are required cannot be enforced: which, why, and what can be done.
fn unavailable(mut missing: Vec<Missing>) -> RunnerError {
    missing.sort_by_key(|layer| layer.in_part); // first what is not there at all
    let list = |texts: Vec<String>| texts.join(", ");
    let names = list(missing.iter().map(|missing| missing.layer.name().to_owned()).collect());
    let without =
        list(missing.iter().map(|missing| format!("{}: 'preferred'", missing.layer.name())).collect());
    let mut remedies: Vec<_> = missing.iter().map(|missing| missing.remedied_as.remedy()).collect();
    let mut seen = HashSet::new();
    remedies.retain(|remedy| seen.insert(*remedy));
    let remedies = remedies.join(". ");
    let what = match missing.as_slice() {
        [one] => format!("the layer {names} cannot be enforced: {}", one.reason),
        several => {
            let reasons = several.iter().map(|Missing { layer, in_part, reason, .. }| {
                format!("{}{}: {reason}", layer.name(), if *in_part { ", in part" } else { "" })
            });
            format!("the layers {names} cannot be enforced ({})", reasons.collect::<Vec<_>>().join("; "))
        }
    };
    let them = if missing.len() == 1 { "it" } else { "them" };
    RunnerError::new(
        Code::IsolationUnavailable,
        format!(
            "isolation: {what}. Nothing was started. {remedies}; or do without {them}: isolation: {{ layers: {{ \
             {without} }} }}"
        ),
    )
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
    let places = start.policy.as_ref().map(|policy| policy.descriptors.clone()).unwrap_or_default();
    let request = StartRequest {
        program: text_of(start.program)?,
        args: start.args,
        directory: text_of(start.directory)?,
        variables: start.variables,
        policy: start.policy,
    };
    let opening = Opening {
        supervision: start.supervision,
        host: process::id(),
        descriptors: start.descriptors.len(),
        held: start.held.len() + places.len(),
    };
    let mut bytes = frame(&opening).map_err(failed)?;
    bytes.extend(frame(&request).map_err(failed)?);

    let (ours, theirs) = StdUnixStream::pair().map_err(failed)?;
    let helper = process::Command::new(start.supervisor)
        .env_clear()
        .stdin(OwnedFd::from(theirs))
        .stdout(process::Stdio::null())
        .stderr(process::Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(|cause| supervisor_failed(start.supervisor, &cause))?;
    let helper = Helper(Some(helper));

    let descriptors: Vec<_> = start.descriptors.iter().chain(&start.held).map(AsFd::as_fd).collect();
    let descriptors: Vec<_> = descriptors.into_iter().chain(places.iter().map(AsFd::as_fd)).collect();
    send_with_descriptors(&ours, &bytes[..4], &descriptors).map_err(failed)?;
    drop((start.descriptors, start.held));
    ours.set_nonblocking(true).map_err(failed)?;
    let (mut reader, mut writer) = UnixStream::from_std(ours).map_err(failed)?.into_split();
    let written = writer.write_all(&bytes[4..]).await;

    let report = read_report(&mut reader).await;
    if !matches!(report, Ok(Some(_))) {
        // a helper that takes no more may have said why
        written.map_err(failed)?;
    }
    match report {
        Ok(Some(Report::Started { pid, containment, layers })) => Ok(Running {
            pid,
            containment,
            samples: watch::Sender::default(),
            layers,
            reader,
            writer,
            helper,
        }),
        Ok(Some(Report::Refused(missing))) => Err(unavailable(missing)),
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
        self.exit_unless(&Cancellation::default(), Duration::ZERO).await
    }

    /// The same. When the run is asked to stop, the tree gets SIGTERM, and SIGKILL after the
    /// request's grace, or else this one.
    ///
    /// # Errors
    /// As [`Running::exit`].
    pub async fn exit_unless(&mut self, cancellation: &Cancellation, grace: Duration) -> Result<Exit> {
        match self.report_unless(cancellation, grace).await {
            Ok(Some(Report::Exited { code, signal, cause })) => Ok(Exit { code, signal, cause }),
            Err(cause) => Err(lost(&format!("failed: {cause}"))),
            Ok(_) => Err(lost("was killed")),
        }
    }

    /// Waits until the rest of the tree has been ended, after [`Running::exit`].
    ///
    /// # Errors
    /// As [`Running::exit`].
    pub async fn tree_gone(&mut self) -> Result<Usage> {
        self.tree_gone_unless(&Cancellation::default(), Duration::ZERO).await
    }

    /// The same; a run that is asked to stop may bring the end forward.
    ///
    /// # Errors
    /// As [`Running::exit`].
    pub async fn tree_gone_unless(&mut self, cancellation: &Cancellation, grace: Duration) -> Result<Usage> {
        let report = self.report_unless(cancellation, grace).await;
        self.helper.wait().await;
        match report {
            Ok(Some(Report::Finished(usage))) => Ok(usage),
            Err(cause) => Err(lost(&format!("failed: {cause}"))),
            Ok(_) => Err(lost("was killed")),
        }
    }

    /// The next report other than samples. Requests to stop are passed on meanwhile.
    async fn report_unless(
        &mut self,
        cancellation: &Cancellation,
        grace: Duration,
    ) -> io::Result<Option<Report>> {
        let mut stops = cancellation.watch();
        let (reader, samples) = (&mut self.reader, &self.samples);
        // half a frame must not be lost
        let report = async {
            loop {
                match read_report(reader).await {
                    Ok(Some(Report::Sample(sample))) => drop(samples.send_replace(sample)),
                    report => return report,
                }
            }
        };
        tokio::pin!(report);
        let mut stop = *stops.borrow_and_update();
        loop {
            if let Some(stop) = stop {
                let grace = stop.grace.unwrap_or(grace);
                let command =
                    Command::Terminate { grace_ms: u64::try_from(grace.as_millis()).unwrap_or(u64::MAX) };
                // A supervisor that is gone is noticed by reading.
                let _ = self.writer.write_all(&frame(&command)?).await;
            }
            tokio::select! {
                report = &mut report => return report,
                Ok(()) = stops.changed() => stop = *stops.borrow_and_update(),
            }
        }
    }
}

fn lost(what: &str) -> RunnerError {
    RunnerError::new(
        Code::Internal,
        format!("the connector's supervisor {what}; nobody knows how the connector ended"),
    )
}

fn text_of(path: &Path) -> Result<String> {
    path.to_str()
        .map(ToOwned::to_owned)
        .ok_or_else(|| failed(format!("the path {} is not valid UTF-8", path.display())))
}

/// Most descriptors that go in one message.
const MAX_SENT: usize = MAX_DESCRIPTORS + MAX_HELD + MAX_OPENED;

fn send_with_descriptors(
    socket: &StdUnixStream,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_SENT))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::other("too many descriptors"));
    }
    let sent = rustix::net::sendmsg(socket, &[io::IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL)?;
    if sent == bytes.len() { Ok(()) } else { Err(io::Error::other("short write to the helper")) }
}

/// The next report, or `None` at the end of the stream.
async fn read_report(socket: &mut OwnedReadHalf) -> io::Result<Option<Report>> {
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
