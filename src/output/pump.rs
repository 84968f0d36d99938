//! Moves one stream of a connector to whoever wants it, at the pace of the slowest reader.

use std::borrow::Cow;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::event::{PollFd, PollFlags};
use tokio::net::unix::pipe;
use tokio::sync::{mpsc, oneshot};

use super::credentials::Credentials;
use super::life::Life;
use super::progress::Progress;
use super::redact::{Redactor, Secrets};
use super::{Framer, Inspector, MAX_LINE_BYTES, MAX_SEEN_LINE_BYTES, Tail, messages};
use crate::observer::{Batch, BatchKind, Observer, Sink, StreamKind, Whole};

/// Bytes read at once: several batches, since each way to JavaScript and back wakes two threads.
const READ_BYTES: usize = 256 * 1024;

/// Reads that may wait for whoever takes the output, while it works on one before them. They
/// bound what a slow one makes the host hold.
const READS_AHEAD: usize = 2;

/// Bytes from which on one read's output is large: a line much longer than what is read at once. It
/// is delivered before there is another read.
const LARGE_BYTES: usize = 1024 * 1024;

/// Pause after a short read. One wake-up a millisecond costs far less than one for each line.
const PAUSE: Duration = Duration::from_millis(1);

/// Bytes of a read after which the next one does not pause: the pipe would be full before it is
/// over, and then the connector waits.
const BULK_BYTES: usize = 64 * 1024;

/// Batches that are handed over together: where text and JSON alternate, a way to JavaScript and
/// back for each line would be most of the work. More would hold up the host's other work.
const BATCHES_AT_ONCE: usize = 256;

/// How long a stream may stay silent after the process and its tree have ended before it is
/// given up: something outside the tree holds it open.
const SILENCE_AFTER_END: Duration = Duration::from_millis(300);

/// Bytes of stderr that go into an error report.
const TAIL_BYTES: usize = 16 * 1024;

/// What was learnt from one stream.
#[derive(Debug)]
pub struct StreamReport {
    /// What the messages said; for stdout.
    pub inspector: Inspector,
    /// The stream's end; for stderr.
    pub tail: Option<String>,
    /// How many lines came in parts, since they were longer than `max_line`, in bytes.
    pub cut_lines: u64,
    /// Longest line that stayed whole, in bytes.
    pub max_line: usize,
}

/// Reads a stream to its end, or until `progress` tells that its writers are gone, and replaces
/// secrets before anybody else sees it. Reading goes on while the observer works on what was read
/// before.
pub async fn pump<O: Observer>(
    stream: StreamKind,
    reader: OwnedFd,
    sink: Sink,
    observer: &O,
    secrets: Option<Arc<Secrets>>,
    progress: &Progress,
) -> io::Result<StreamReport> {
    let reader = pipe::Receiver::from_owned_fd(reader)?;
    let (sender, receiver) = mpsc::channel(READS_AHEAD);
    let wants_messages = observer.wants_messages();
    // whoever takes lines wants them whole
    let is_taken = sink == Sink::Observer || wants_messages;
    let max_line = if is_taken { MAX_LINE_BYTES } else { MAX_SEEN_LINE_BYTES };
    let state = Stream {
        observer,
        kind: stream,
        sink,
        credentials: (stream == StreamKind::Stdout).then(|| Credentials::new(max_line)),
        secrets: secrets.clone(),
        life: progress.is_watched().then(Life::default),
        redactor: Redactor::new(secrets).with_max_line(max_line),
        framer: Framer::with_max_line(max_line),
        inspector: Inspector::default(),
        tail: Tail::new(TAIL_BYTES),
        wants_messages,
        max_line,
        sender,
        progress,
    };
    let (report, ()) = tokio::join!(state.read(reader), deliver(stream, receiver, observer, progress));
    report
}

/// Asks the system itself: the runtime may not have heard of it yet.
fn has_output(reader: &pipe::Receiver) -> bool {
    let mut watched = [PollFd::new(reader, PollFlags::IN)];
    let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    rustix::event::poll(&mut watched, Some(&now)).is_ok_and(|ready| ready > 0)
}

/// What one read gave the observer.
struct Delivery {
    batches: Vec<Batch>,
    /// Messages, each text a JSON array of them.
    arrays: Vec<String>,
    /// What comes after these.
    whole: Option<Whole>,
    /// Told when all of it was taken.
    taken: Option<oneshot::Sender<()>>,
}

impl Delivery {
    fn bytes(&self) -> usize {
        let batches = self.batches.iter().map(|batch| batch.text.len());
        let whole = self.whole.iter().flat_map(Whole::texts).map(String::len);
        batches.chain(self.arrays.iter().map(String::len)).chain(whole).sum()
    }
}

/// Hands over what was read, in order, until there is no more.
async fn deliver<O: Observer>(
    stream: StreamKind,
    mut receiver: mpsc::Receiver<Delivery>,
    observer: &O,
    progress: &Progress,
) {
    while let Some(Delivery { batches, arrays, whole, taken }) = receiver.recv().await {
        for together in in_groups(batches, |batch| batch.text.len()) {
            progress.deliver(observer.output(stream, together)).await;
        }
        for together in in_groups(arrays, String::len) {
            progress.deliver(observer.messages(together)).await;
        }
        if let Some(whole) = whole {
            progress.deliver(observer.whole(whole)).await;
        }
        if let Some(taken) = taken {
            let _ = taken.send(());
        }
    }
}

/// Up to [`BATCHES_AT_ONCE`] at a time, and no more after what is large.
fn in_groups<T>(all: Vec<T>, bytes: impl Fn(&T) -> usize) -> impl Iterator<Item = Vec<T>> {
    let mut rest = all.into_iter();
    std::iter::from_fn(move || {
        let mut group = vec![rest.next()?];
        let mut size = bytes(&group[0]);
        while size < LARGE_BYTES
            && group.len() < BATCHES_AT_ONCE
            && let Some(next) = rest.next()
        {
            size += bytes(&next);
            group.push(next);
        }
        Some(group)
    })
}

struct Stream<'a, O> {
    observer: &'a O,
    progress: &'a Progress,
    kind: StreamKind,
    sink: Sink,
    /// Masks the messages that only the caller may have; for stdout.
    credentials: Option<Credentials>,
    secrets: Option<Arc<Secrets>>,
    /// Signs of life, where somebody waits for silence.
    life: Option<Life>,
    redactor: Redactor,
    framer: Framer,
    inspector: Inspector,
    tail: Tail,
    wants_messages: bool,
    max_line: usize,
    sender: mpsc::Sender<Delivery>,
}

impl<O: Observer> Stream<'_, O> {
    async fn read(mut self, mut reader: pipe::Receiver) -> io::Result<StreamReport> {
        let mut buffer = vec![0; READ_BYTES];
        let mut may_pause = true;
        loop {
            let silent = async {
                self.progress.ended().await;
                tokio::time::sleep(SILENCE_AFTER_END).await;
            };
            // Whoever comes late, since the machine was busy, finds both true: then there is output.
            let is_silent = tokio::select! {
                biased;
                ready = reader.readable() => {
                    ready?;
                    false
                }
                () = silent => true,
            };
            if is_silent && !has_output(&reader) {
                break;
            }
            let (filled, at_end);
            (reader, filled, at_end) = fill(reader, &mut buffer, may_pause).await?;
            may_pause = filled < BULK_BYTES;
            if let Some(life) = &mut self.life {
                self.progress.shows(life.push(&buffer[..filled], now_ms()));
            }
            self.take(&buffer[..filled]).await;
            if at_end {
                break;
            }
        }
        self.finish().await;
        let tail = (self.kind == StreamKind::Stderr).then(|| self.tail.into_text());
        let (cut_lines, max_line) = (self.framer.cut_lines(), self.max_line);
        Ok(StreamReport { inspector: self.inspector, tail, cut_lines, max_line })
    }

    async fn take(&mut self, bytes: &[u8]) {
        let mut found = Vec::new();
        let bytes = match &mut self.credentials {
            Some(credentials) => credentials.push(bytes, &mut found),
            None => Cow::Borrowed(bytes),
        };
        self.learn(&found);
        let bytes = self.redactor.push(bytes);
        self.pass(bytes).await;
    }

    /// What messages say of credentials is secret from now on.
    fn learn(&self, messages: &[String]) {
        if let Some(secrets) = &self.secrets {
            for message in messages {
                secrets.learn(message);
            }
        }
    }

    /// Passes on what holds no secret any more; the fields that the inspector reads are kept.
    async fn pass(&mut self, bytes: Cow<'_, [u8]>) {
        if bytes.is_empty() {
            return;
        }
        if self.kind == StreamKind::Stderr {
            self.tail.push(&bytes);
        }
        if self.sink == Sink::Host {
            self.progress.deliver(write_to_host(self.kind, bytes.to_vec())).await;
        }
        let mut batches = Vec::new();
        self.framer.push(bytes, &mut batches);
        self.hand_over(batches).await;
    }

    async fn finish(&mut self) {
        if let Some(credentials) = &mut self.credentials {
            let mut found = Vec::new();
            let bytes = credentials.finish(&mut found);
            self.learn(&found);
            let bytes = self.redactor.push(bytes);
            self.pass(bytes).await;
        }
        let rest = self.redactor.finish();
        self.pass(rest.into()).await;
        let mut batches = Vec::new();
        self.framer.finish(&mut batches);
        self.hand_over(batches).await;
    }

    async fn hand_over(&mut self, mut batches: Vec<Batch>) {
        self.observer.passes(self.kind, &batches);
        if self.kind == StreamKind::Stdout {
            for batch in batches.iter().filter(|batch| batch.kind == BatchKind::Json) {
                self.inspector.read(&batch.text);
            }
        }
        if self.credentials.as_ref().is_some_and(Credentials::is_waiting) {
            return self.hand_over_whole(batches).await;
        }
        let arrays: Vec<String> = if self.wants_messages {
            batches.iter().filter_map(|batch| messages(self.kind, batch)).collect()
        } else {
            Vec::new()
        };
        if self.sink != Sink::Observer {
            batches.clear();
        }
        if batches.is_empty() && arrays.is_empty() {
            return;
        }
        self.send(Delivery { batches, arrays, whole: None, taken: None }).await;
    }

    async fn send(&self, mut delivery: Delivery) {
        let taken = (delivery.bytes() > LARGE_BYTES).then(|| {
            let (taken, waiting) = oneshot::channel();
            delivery.taken = Some(taken);
            waiting
        });
        // the receiver is only gone when the whole run is
        if self.sender.send(delivery).await.is_ok()
            && let Some(taken) = taken
        {
            let _ = taken.await;
        }
    }

    /// The same of batches among which are credentials: one at a time, as all may have it and whole.
    async fn hand_over_whole(&mut self, batches: Vec<Batch>) {
        for batch in batches {
            let Some(credentials) = &mut self.credentials else { return };
            let whole = Batch { kind: batch.kind, text: credentials.unmasked(&batch.text) };
            let both = |batch: &Batch| messages(self.kind, batch).unwrap_or_else(|| "[]".to_owned());
            let arrays = self.wants_messages.then(|| [both(&batch), both(&whole)]);
            let lines = (self.sink == Sink::Observer).then_some([batch.text, whole.text]);
            let whole = Some(Whole { lines, messages: arrays });
            self.send(Delivery { batches: Vec::new(), arrays: Vec::new(), whole, taken: None }).await;
        }
    }
}

/// The time since 1970.
fn now_ms() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1000.0
}

/// Fills the buffer, waiting once for a moment after a short read where that is wanted; gives how
/// many bytes there are, and whether the stream has ended.
async fn fill(
    reader: pipe::Receiver,
    buffer: &mut [u8],
    may_pause: bool,
) -> io::Result<(pipe::Receiver, usize, bool)> {
    let (filled, at_end) = read_all(buffer, |rest| reader.try_read(rest))?;
    if !may_pause || at_end || filled == 0 || filled == buffer.len() {
        return Ok((reader, filled, at_end));
    }
    // as long as the runtime has the pipe, each line that arrives wakes a thread of it
    let descriptor = reader.into_nonblocking_fd()?;
    tokio::time::sleep(PAUSE).await;
    let (more, at_end) = read_all(&mut buffer[filled..], |rest| Ok(rustix::io::read(&descriptor, rest)?))?;
    Ok((pipe::Receiver::from_owned_fd_unchecked(descriptor)?, filled + more, at_end))
}

/// Reads what is there; gives how many bytes that is, and whether the stream has ended.
fn read_all(
    buffer: &mut [u8],
    mut read: impl FnMut(&mut [u8]) -> io::Result<usize>,
) -> io::Result<(usize, bool)> {
    let mut filled = 0;
    while filled < buffer.len() {
        match read(&mut buffer[filled..]) {
            Ok(0) => return Ok((filled, true)),
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok((filled, false))
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

#[cfg(test)]
mod tests {
    use super::*;

    struct Ignore;

    impl Observer for Ignore {
        async fn output(&self, _: StreamKind, _: Vec<Batch>) {}
        async fn started(&self, _: u32) {}
    }

    /// A machine that is so busy that the wait for silence is over before the output was read.
    #[tokio::test]
    async fn output_that_was_there_in_time_is_read_however_late() {
        let progress = Progress::default();
        progress.end();
        let pipes: Vec<_> = (0..16).map(|_| io::pipe().unwrap()).collect();
        let (readers, writers): (Vec<OwnedFd>, Vec<_>) =
            pipes.into_iter().map(|(reader, writer)| (reader.into(), writer)).unzip();
        let mut waiting = Vec::new();
        for reader in readers {
            let mut pump =
                Box::pin(pump(StreamKind::Stderr, reader, Sink::Nowhere, &Ignore, None, &progress));
            // it has begun to wait for silence
            assert!(tokio::time::timeout(Duration::ZERO, &mut pump).await.is_err());
            waiting.push(pump);
        }
        std::thread::sleep(SILENCE_AFTER_END * 2); // holds the whole runtime up
        for writer in &writers {
            rustix::io::write(writer, b"late\n").unwrap();
        }
        drop(writers);
        for pump in waiting {
            assert_eq!(pump.await.unwrap().tail.as_deref(), Some("late\n"));
        }
    }
}
