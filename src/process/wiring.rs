//! The descriptors of a process.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};

use super::{Stdio, StdioSpec};
use crate::error::{Code, Result, RunnerError};
use crate::observer::{Sink, StreamKind};

/// What a pipe's buffer should hold, in bytes: few wake-ups for much output.
const PIPE_BYTES: usize = 1024 * 1024;

/// One output stream that is read here.
#[derive(Debug)]
pub struct Output {
    /// Which one.
    pub stream: StreamKind,
    /// The end to read.
    pub reader: OwnedFd,
    /// Where it goes.
    pub sink: Sink,
}

/// What was asked for, with the caller's own descriptors held: a run may have to wait for its turn,
/// and the caller may close them meanwhile. Everything else is opened when it starts.
#[derive(Debug)]
pub struct Reserved(Vec<Slot>);

#[derive(Debug)]
enum Slot {
    Held(OwnedFd),
    Output(Sink),
    Nowhere,
}

/// Everything that connects a process with the host.
#[derive(Debug)]
pub struct Wiring {
    /// Descriptors 0, 1, 2 … of the process.
    pub child: Vec<OwnedFd>,
    /// The streams that are read here. What goes straight to a caller's descriptor is not.
    pub outputs: Vec<Output>,
}

impl Reserved {
    /// Whether stdout and stderr are read here, and do not go straight to the caller's descriptors.
    pub fn is_read(&self) -> bool {
        !self.0.iter().take(3).skip(1).any(|slot| matches!(slot, Slot::Held(_)))
    }

    /// Holds what was asked for. Standard input is `/dev/null` unless `inherit_stdin`.
    ///
    /// # Errors
    /// `SPAWN_FAILED` for a descriptor that is not open.
    pub fn new(spec: &StdioSpec, inherit_stdin: bool) -> Result<Self> {
        let each = match spec {
            StdioSpec::Each(each) => each.as_slice(),
            StdioSpec::Capture => &[Stdio::Ignore; 3],
        };
        let captured = *spec == StdioSpec::Capture;
        let slots = (0..).zip(each).map(|(number, stdio)| {
            Ok(match (number, stdio) {
                (_, Stdio::Descriptor(descriptor)) => Slot::Held(duplicate(number, *descriptor)?),
                (1 | 2, Stdio::Inherit) => Slot::Output(Sink::Host),
                (1 | 2, _) if captured => Slot::Output(Sink::Observer),
                (1 | 2, _) => Slot::Output(Sink::Nowhere),
                (0, Stdio::Inherit) if inherit_stdin => Slot::Held(duplicate(number, 0)?),
                (3.., Stdio::Inherit) => Slot::Held(duplicate(number, number)?),
                _ => Slot::Nowhere,
            })
        });
        slots.collect::<Result<_>>().map(Self)
    }

    /// Opens the rest.
    ///
    /// # Errors
    /// `SPAWN_FAILED` when no more descriptors can be opened.
    pub fn open(self) -> Result<Wiring> {
        let mut wiring = Wiring { child: Vec::with_capacity(self.0.len()), outputs: Vec::new() };
        for (number, slot) in (0..).zip(self.0) {
            let descriptor = match slot {
                Slot::Held(descriptor) => descriptor,
                Slot::Output(sink) => {
                    wiring.open_output(number, sink).map_err(|cause| cannot_open(&cause))?
                }
                Slot::Nowhere => nowhere().map_err(|cause| cannot_open(&cause))?,
            };
            wiring.child.push(descriptor);
        }
        Ok(wiring)
    }
}

impl Wiring {
    fn open_output(&mut self, number: RawFd, sink: Sink) -> io::Result<OwnedFd> {
        let (reader, writer) = io::pipe()?;
        let _ = rustix::pipe::fcntl_setpipe_size(&writer, PIPE_BYTES); // a smaller one works too
        let stream = if number == 1 { StreamKind::Stdout } else { StreamKind::Stderr };
        self.outputs.push(Output { stream, reader: reader.into(), sink });
        Ok(writer.into())
    }
}

fn cannot_open(cause: &io::Error) -> RunnerError {
    RunnerError::new(
        Code::SpawnFailed,
        format!("Failed to start connector process: no descriptor could be opened: {cause}"),
    )
}

fn nowhere() -> io::Result<OwnedFd> {
    Ok(std::fs::File::options().read(true).write(true).open("/dev/null")?.into())
}

fn duplicate(number: RawFd, descriptor: RawFd) -> Result<OwnedFd> {
    // SAFETY: the descriptor is only borrowed for one system call, which fails for one that is
    // not open.
    let borrowed = unsafe { BorrowedFd::borrow_raw(descriptor) };
    rustix::io::fcntl_dupfd_cloexec(borrowed, 3).map_err(|cause| {
        RunnerError::new(
            Code::SpawnFailed,
            format!("Failed to start connector process: stdio[{number}] names the descriptor {descriptor}: {cause}"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_read_unless_they_go_straight() {
        let spec = StdioSpec::Each(vec![Stdio::Ignore, Stdio::Descriptor(2), Stdio::Inherit, Stdio::Ignore]);
        let wiring = Reserved::new(&spec, false).unwrap().open().unwrap();
        assert_eq!(wiring.child.len(), 4);
        assert_eq!(wiring.outputs.len(), 1);
        assert_eq!((wiring.outputs[0].stream, wiring.outputs[0].sink), (StreamKind::Stderr, Sink::Host));

        let sinks: Vec<_> = Reserved::new(&StdioSpec::Capture, false)
            .unwrap()
            .open()
            .unwrap()
            .outputs
            .iter()
            .map(|output| output.sink)
            .collect();
        assert_eq!(sinks, [Sink::Observer; 2]);
    }

    #[test]
    fn a_descriptor_that_is_not_open_is_named() {
        let spec = StdioSpec::Each(vec![Stdio::Ignore, Stdio::Descriptor(9999), Stdio::Ignore]);
        let error = Reserved::new(&spec, false).unwrap_err();
        assert_eq!(error.code, Code::SpawnFailed);
        assert!(error.message.contains("9999"), "{}", error.message);
    }
}
