//! What host and supervisor say to each other over their socket: frames of a length (four bytes,
//! little-endian) and JSON.

pub mod landlock;
pub mod policy;

use std::io::{self, Read};

use serde::{Deserialize, Serialize};

use policy::{Layer, Measured, PerLayer, Policy};

/// Largest frame, in bytes. The variables of a run may be several megabytes.
const MAX_FRAME_BYTES: usize = 256 * 1024 * 1024;

/// Most descriptors that one process can be given.
pub const MAX_DESCRIPTORS: usize = 64;

/// Most descriptors that the supervisor itself can be given to hold.
pub const MAX_HELD: usize = 4;

/// Most places that a policy can grant by descriptor. All descriptors go in one message, which has room
/// for 253.
pub const MAX_OPENED: usize = 128;

/// Whether the process gets a PID namespace of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Namespace {
    /// Where the system allows it; otherwise the report says why not.
    #[default]
    Preferred,
    /// Nothing starts without it.
    Required,
    /// No.
    Off,
}

/// How a process is watched.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Supervision {
    /// The namespace.
    pub namespace: Namespace,
    /// Only what every Unix has: process group, kill and polling. For tests of the fallback.
    pub portable: bool,
    /// Resident memory that the whole tree may have, in bytes.
    pub memory_limit_bytes: Option<u64>,
    /// From one [`Report::Sample`] to the next, in milliseconds; none where nobody wants them. Up
    /// to a second it grows with the run's age.
    pub sample_every_ms: Option<u64>,
}

/// The first frame, which comes with the process's descriptors. What is secret comes later, so
/// that the namespace's first process never has it in its memory.
#[derive(Debug, Serialize, Deserialize)]
pub struct Opening {
    /// How to watch.
    pub supervision: Supervision,
    /// The host's process id.
    pub host: u32,
    /// How many descriptors come with the frame; they become 0, 1, 2 … of the process.
    pub descriptors: usize,
    /// How many more come after them. The supervisor holds them until the tree is gone: locks on
    /// what the tree uses, which must outlive a host that is killed. The last of them are those of
    /// the policy's places.
    pub held: usize,
}

/// The second frame: what the supervisor shall start.
#[derive(Debug, Serialize, Deserialize)]
pub struct StartRequest {
    /// Absolute path of the program.
    pub program: String,
    /// Arguments after the program's name.
    pub args: Vec<String>,
    /// Working directory.
    pub directory: String,
    /// The whole environment.
    pub variables: Vec<(String, String)>,
    /// What the process may do; all that its user may, where there is none.
    pub policy: Option<Policy>,
}

/// What the host may say afterwards, any number of times.
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum Command {
    /// SIGTERM to the whole tree, and SIGKILL to what is left of it later. Saying it again can
    /// only bring SIGKILL forward.
    Terminate {
        /// From now to SIGKILL, in milliseconds.
        grace_ms: u64,
    },
}

/// Who keeps a tree together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Containment {
    /// The PID namespace is there: nothing outlives the supervisor, however that ends.
    pub namespace: bool,
    /// Descendants that left the process group are found and ended.
    pub descendants: bool,
    /// There can only be so many of them.
    pub bounded: bool,
    /// Why something is missing.
    pub reason: Option<String>,
}

/// What ended a process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Cause {
    /// Itself, or somebody outside.
    #[default]
    Itself,
    /// The supervisor, since the host asked for it.
    Stopped,
    /// The supervisor, since its tree used more memory than it may have.
    Memory,
    /// The supervisor, since the host was gone.
    HostGone,
}

/// What the supervisor tells the host, in this order: `Started`, `Exited` and `Finished`, or only
/// `Refused` or `Failed`. Then it closes the socket. Samples come between `Started` and `Finished`.
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum Report {
    /// The process runs and leads a session of its own.
    Started {
        /// Its process id, as the host sees it.
        pid: u32,
        /// What keeps its tree together.
        containment: Containment,
        /// What was found of each layer of its policy, except its processes.
        layers: Option<Box<PerLayer<Measured>>>,
    },
    /// It was not started, since layers that are required cannot be enforced: all of these.
    Refused(Vec<Missing>),
    /// It could not be started.
    Failed {
        /// What failed and why.
        message: String,
    },
    /// What its tree uses at the moment.
    Sample(Sample),
    /// It has ended.
    Exited {
        /// Exit code; none if a signal ended it.
        code: Option<i32>,
        /// The number of the signal that ended it.
        signal: Option<i32>,
        /// Who began it.
        cause: Cause,
    },
    /// The rest of its tree is gone as well.
    Finished(Usage),
}

/// A layer that nothing starts without, and that cannot be enforced.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct Missing {
    /// The layer.
    pub layer: Layer,
    /// Whether a part of it is there.
    pub in_part: bool,
    /// Why not.
    pub reason: String,
    /// The layer whose remedy helps: another one where that is what this one stands on.
    pub remedied_as: Layer,
}

impl Missing {
    /// A layer of which nothing is there.
    pub fn all_of(layer: Layer, reason: impl Into<String>) -> Self {
        Self { layer, in_part: false, reason: reason.into(), remedied_as: layer }
    }
}

/// What a tree of processes uses at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// Since the start, in milliseconds.
    pub at_ms: u64,
    /// Largest resident size of all its processes together since the sample before, in bytes.
    pub rss_bytes: u64,
    /// CPU time of all its processes since the start, also of those that have been waited for, in
    /// milliseconds.
    pub cpu_ms: u64,
    /// How many processes there are.
    pub processes: u32,
}

/// What a tree of processes used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// CPU time of all processes that were waited for, in milliseconds.
    pub cpu_ms: u64,
    /// Largest resident size of all processes together, in bytes, as far as sampling saw it; at
    /// least that of the largest one.
    pub peak_rss_bytes: u64,
    /// How many processes there were at that moment.
    pub peak_processes: u32,
    /// The kernel killed processes meanwhile because memory ran out.
    pub out_of_memory: bool,
    /// Processes that did not go within the time that the supervisor takes for it.
    pub left: u32,
}

/// A frame with this content.
///
/// # Errors
/// When the content cannot be JSON or is larger than a frame may be.
pub fn frame<T: Serialize>(content: &T) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; 4];
    serde_json::to_writer(&mut bytes, content)?;
    let length = bytes.len() - 4;
    if length > MAX_FRAME_BYTES {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the run's variables are larger than 256 MB",
        ));
    }
    let prefix = u32::try_from(length).map_err(io::Error::other)?.to_le_bytes();
    bytes[..4].copy_from_slice(&prefix);
    Ok(bytes)
}

/// The length that a frame's prefix announces.
///
/// # Errors
/// When it is larger than a frame may be.
pub fn frame_length(prefix: [u8; 4]) -> io::Result<usize> {
    let length = u32::from_le_bytes(prefix) as usize;
    if length > MAX_FRAME_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "frame too large"));
    }
    Ok(length)
}

/// Reads the rest of a frame whose prefix has been read.
///
/// # Errors
/// When the stream ends early or the content is not what was expected.
pub fn read_content<T: for<'de> Deserialize<'de>>(mut stream: impl Read, prefix: [u8; 4]) -> io::Result<T> {
    let mut content = vec![0; frame_length(prefix)?];
    stream.read_exact(&mut content)?;
    Ok(serde_json::from_slice(&content)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_survive_the_way() {
        let report = Report::Exited { code: None, signal: Some(9), cause: Cause::Memory };
        let bytes = frame(&report).unwrap();
        let (prefix, content) = bytes.split_at(4);
        let read: Report = read_content(content, prefix.try_into().unwrap()).unwrap();
        assert_eq!(read, report);
    }

    #[test]
    fn a_frame_that_is_too_large_or_cut_is_refused() {
        assert!(frame_length(u32::MAX.to_le_bytes()).is_err());
        assert!(read_content::<Report>(&b"{}"[..], 10u32.to_le_bytes()).is_err());
    }
}
