//! What a caller may ask for as `stdio` (contract, section 6).

use std::os::fd::RawFd;

use crate::error::{Result, RunnerError};

/// One entry of an array, as it came from JavaScript.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A string.
    Text(String),
    /// A descriptor, or a stream's `fd`.
    Descriptor(RawFd),
    /// `undefined` or `null`.
    Absent,
    /// Anything else.
    Other,
}

/// Where one descriptor of the process comes from or goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stdio {
    /// The host's own of the same number; for output, copied by native code.
    Inherit,
    /// Nowhere: `/dev/null` for input; output is read and dropped.
    Ignore,
    /// This descriptor of the host, straight.
    Descriptor(RawFd),
}

/// The whole request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StdioSpec {
    /// Each descriptor by itself; at least three.
    Each(Vec<Stdio>),
    /// Output goes to callbacks, in whole lines.
    Capture,
}

impl StdioSpec {
    /// The three standard descriptors alike.
    fn all(stdio: Stdio) -> Self {
        Self::Each(vec![stdio; 3])
    }

    /// Whether stdout and stderr are read here, and do not go straight to the caller's descriptors.
    pub fn is_read(&self) -> bool {
        match self {
            Self::Capture => true,
            Self::Each(each) => {
                !each.iter().take(3).skip(1).any(|stdio| matches!(stdio, Stdio::Descriptor(_)))
            }
        }
    }

    /// Reads a string.
    ///
    /// # Errors
    /// A `TypeError` for a string that means nothing here.
    pub fn from_text(text: &str) -> Result<Self> {
        Ok(Self::all(parse(text)?))
    }

    /// Reads an array. Missing entries are as Node has them: `pipe` for the first three.
    ///
    /// # Errors
    /// A `TypeError` for an entry that means nothing here.
    pub fn from_array(entries: &[Source]) -> Result<Self> {
        let mut each = Vec::with_capacity(entries.len().max(3));
        for (index, entry) in entries.iter().enumerate() {
            each.push(match entry {
                Source::Text(text) => parse(text)?,
                Source::Descriptor(descriptor) if *descriptor >= 0 => Stdio::Descriptor(*descriptor),
                Source::Absent => Stdio::Ignore,
                _ => {
                    return Err(RunnerError::wrong_type(format!(
                        "stdio[{index}] must be 'inherit', 'ignore', 'pipe', a file descriptor, or a stream that has one"
                    )));
                }
            });
        }
        while each.len() < 3 {
            each.push(Stdio::Ignore);
        }
        Ok(Self::Each(each))
    }
}

/// The default, also for objects that ask for nothing that is known.
impl Default for StdioSpec {
    fn default() -> Self {
        Self::all(Stdio::Inherit)
    }
}

fn parse(text: &str) -> Result<Stdio> {
    match text {
        "inherit" => Ok(Stdio::Inherit),
        // A pipe that nobody can read is the same as none, but for being drained.
        "ignore" | "pipe" => Ok(Stdio::Ignore),
        "ipc" => Err(RunnerError::wrong_type(
            "stdio 'ipc' is not supported: a connector talks to its host by what it prints",
        )),
        other => Err(RunnerError::wrong_type(format!(
            "stdio {other:?} is not supported; use 'inherit', 'ignore', 'pipe', an array of those \
             or of descriptors, or {{ logCapture: {{ onStdout, onStderr }} }}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_and_arrays_mean_what_node_means() {
        assert_eq!(StdioSpec::from_text("inherit").unwrap(), StdioSpec::default());
        assert_eq!(StdioSpec::from_text("pipe").unwrap(), StdioSpec::Each(vec![Stdio::Ignore; 3]));
        assert_eq!(
            StdioSpec::from_array(&[
                Source::Absent,
                Source::Descriptor(7),
                Source::Text("inherit".into()),
                Source::Descriptor(9)
            ])
            .unwrap(),
            StdioSpec::Each(vec![Stdio::Ignore, Stdio::Descriptor(7), Stdio::Inherit, Stdio::Descriptor(9)])
        );
        assert_eq!(StdioSpec::from_array(&[]).unwrap(), StdioSpec::Each(vec![Stdio::Ignore; 3]));
    }

    #[test]
    fn what_means_nothing_is_a_type_error() {
        for text in ["ipc", "overlapped", "", "Inherit"] {
            assert_eq!(StdioSpec::from_text(text).unwrap_err().kind, crate::error::ErrorKind::Type);
        }
        assert!(StdioSpec::from_array(&[Source::Other]).is_err());
        assert!(StdioSpec::from_array(&[Source::Descriptor(-1)]).is_err());
        assert!(StdioSpec::from_array(&[Source::Text("ipc".into())]).unwrap_err().message.contains("ipc"));
    }
}
