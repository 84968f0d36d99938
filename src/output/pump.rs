//! Moves one stream of a connector to whoever wants it, at the pace of the slowest reader.

use std::future::Future;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use tokio::net::unix::pipe;

use super::progress::Progress;
use super::redact::{Redactor, Secrets};
use super::{Batch, BatchKind, Framer, Inspector, Tail, messages};

/// Bytes read at once.
const READ_BYTES: usize = 64 * 1024;

/// Pause after a short read. One wake-up a millisecond costs far less than one for each line.
const PAUSE: Duration = Duration::from_millis(1);

/// Batches that are handed over together: where text and JSON alternate, a way to JavaScript and
/// back for each line would be most of the work. More would hold up the host's other work.
const BATCHES_AT_ONCE: usize = 256;

/// How long a stream may stay silent after the process and its tree have ended before it is
/// given up: something outside the tree holds it open.
const SILENCE_AFTER_END: Duration = Duration::from_millis(300);

/// Bytes of stderr that go into an error report.
const TAIL_BYTES: usize = 16 * 1024;

/// Which of the two output streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamKind {
    /// Descriptor 1.
    Stdout,
    /// Descriptor 2.
    Stderr,
}

/// Where a stream goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sink {
    /// To the observer, in batches of whole lines.
    Observer,
    /// To the host's own descriptor of the same number, as it comes.
    Host,
    /// Nowhere; it is read all the same, so that the child never blocks.
    Nowhere,
}

/// Whoever watches a run.
pub trait Observer: Send + Sync {
    /// Takes batches. The stream waits until the future is done: that is the back-pressure.
    fn output(&self, stream: StreamKind, batches: Vec<Batch>) -> impl Future<Output = ()> + Send;
    /// Whether [`Observer::messages`] is to be called; where not, nothing is split for it.
    fn wants_messages(&self) -> bool {
        false
    }
    /// Takes messages, each text a JSON array of them, wherever the stream itself goes. The
    /// stream waits for this as well.
    fn messages(&self, arrays: Vec<String>) -> impl Future<Output = ()> + Send {
        let _ = arrays;
        async {}
    }
    /// The process has started, and leads a session and process group of its own.
    fn started(&self, pid: u32) -> impl Future<Output = ()> + Send;
}

/// What was learnt from one stream.
#[derive(Debug)]
pub struct StreamReport {
    /// What the messages said; for stdout.
    pub inspector: Inspector,
    /// The stream's end; for stderr.
    pub tail: Option<String>,
}

/// Reads a stream to its end, or until `progress` tells that its writers are gone, and replaces
/// secrets before anybody else sees it.
pub async fn pump<O: Observer>(
    stream: StreamKind,
    reader: OwnedFd,
    sink: Sink,
    observer: &O,
    secrets: Option<Arc<Secrets>>,
    progress: &Progress,
) -> io::Result<StreamReport> {
    let reader = pipe::Receiver::from_owned_fd(reader)?;
    let mut state = Stream {
        kind: stream,
        sink,
        redactor: Redactor::new(secrets),
        framer: Framer::default(),
        inspector: Inspector::default(),
        tail: Tail::new(TAIL_BYTES),
        progress,
    };
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let silent = async {
            progress.ended().await;
            tokio::time::sleep(SILENCE_AFTER_END).await;
        };
        tokio::select! {
            ready = reader.readable() => ready?,
            () = silent => break,
        }
        let mut filled = 0;
        let mut paused = false;
        let mut at_end = false;
        while filled < buffer.len() {
            match reader.try_read(&mut buffer[filled..]) {
                Ok(0) => {
                    at_end = true;
                    break;
                }
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if paused || filled == 0 {
                        break;
                    }
                    paused = true;
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        progress.read(filled);
        state.take(&buffer[..filled], observer).await;
        if at_end {
            break;
        }
    }
    state.finish(observer).await;
    let tail = (stream == StreamKind::Stderr).then(|| state.tail.into_text());
    Ok(StreamReport { inspector: state.inspector, tail })
}

struct Stream<'a> {
    progress: &'a Progress,
    kind: StreamKind,
    sink: Sink,
    redactor: Redactor,
    framer: Framer,
    inspector: Inspector,
    tail: Tail,
}

impl Stream<'_> {
    async fn take<O: Observer>(&mut self, bytes: &[u8], observer: &O) {
        let bytes = self.redactor.push(bytes);
        self.pass(&bytes, observer).await;
    }

    /// Passes on what holds no secret any more; the fields that the inspector reads are kept.
    async fn pass<O: Observer>(&mut self, bytes: &[u8], observer: &O) {
        if bytes.is_empty() {
            return;
        }
        if self.kind == StreamKind::Stderr {
            self.tail.push(bytes);
        }
        if self.sink == Sink::Host {
            self.progress.deliver(write_to_host(self.kind, bytes.to_vec())).await;
        }
        let mut batches = Vec::new();
        self.framer.push(bytes, &mut batches);
        self.hand_over(batches, observer).await;
    }

    async fn finish<O: Observer>(&mut self, observer: &O) {
        let rest = self.redactor.finish();
        self.pass(&rest, observer).await;
        let mut batches = Vec::new();
        self.framer.finish(&mut batches);
        self.hand_over(batches, observer).await;
    }

    async fn hand_over<O: Observer>(&mut self, batches: Vec<Batch>, observer: &O) {
        if self.kind == StreamKind::Stdout {
            for batch in batches.iter().filter(|batch| batch.kind == BatchKind::Json) {
                self.inspector.read(&batch.text);
            }
        }
        let arrays: Vec<String> = if observer.wants_messages() {
            batches.iter().filter_map(|batch| messages(self.kind, batch)).collect()
        } else {
            Vec::new()
        };
        self.hand_over_lines(batches, observer).await;
        let mut arrays = arrays.into_iter().peekable();
        while arrays.peek().is_some() {
            let together = arrays.by_ref().take(BATCHES_AT_ONCE).collect();
            self.progress.deliver(observer.messages(together)).await;
        }
    }

    async fn hand_over_lines<O: Observer>(&mut self, batches: Vec<Batch>, observer: &O) {
        if self.sink != Sink::Observer {
            return;
        }
        let mut batches = batches.into_iter().peekable();
        while batches.peek().is_some() {
            let together = batches.by_ref().take(BATCHES_AT_ONCE).collect();
            self.progress.deliver(observer.output(self.kind, together)).await;
        }
    }
}

/// Copies bytes to the host's descriptor 1 or 2. A host that has closed it loses the output,
/// as it would with an inherited descriptor; the run goes on.
async fn write_to_host(stream: StreamKind, bytes: Vec<u8>) {
    let _ = tokio::task::spawn_blocking(move || match stream {
        StreamKind::Stdout => write_all(io::stdout().as_fd(), &bytes),
        StreamKind::Stderr => write_all(io::stderr().as_fd(), &bytes),
    })
    .await;
}

fn write_all(descriptor: BorrowedFd<'_>, mut bytes: &[u8]) -> rustix::io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(descriptor, bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(rustix::io::Errno::INTR) => {}
            // Node makes its pipes non-blocking.
            Err(rustix::io::Errno::AGAIN) => {
                rustix::event::poll(&mut [PollFd::new(&descriptor, PollFlags::OUT)], None)?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
