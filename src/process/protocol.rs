//! What host and supervisor say to each other over their socket: frames of a length (four bytes,
//! little-endian) and JSON.

use std::io::{self, Read};

use serde::{Deserialize, Serialize};

/// Largest frame, in bytes. The variables of a run may be several megabytes.
const MAX_FRAME_BYTES: usize = 256 * 1024 * 1024;

/// What the supervisor shall start.
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
    /// How many descriptors came with the frame; they become 0, 1, 2 … of the process.
    pub descriptors: usize,
}

/// What the supervisor tells the host, in this order: `Started` and later `Exited`, or `Failed`.
/// Then it ends the rest of the tree and closes the socket.
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum Report {
    /// The process runs and leads a session of its own.
    Started {
        /// Its process id.
        pid: u32,
    },
    /// It could not be started.
    Failed {
        /// What failed and why.
        message: String,
    },
    /// It has ended.
    Exited {
        /// Exit code; none if a signal ended it.
        code: Option<i32>,
        /// The number of the signal that ended it.
        signal: Option<i32>,
        /// CPU time of the process and its children, in milliseconds.
        cpu_ms: u64,
        /// Largest resident size of one process among them, in bytes.
        peak_rss_bytes: u64,
    },
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
        let report = Report::Exited { code: None, signal: Some(9), cpu_ms: 12, peak_rss_bytes: 1 << 40 };
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
