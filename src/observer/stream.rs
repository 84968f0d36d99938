//! Output on its way to whoever wants it.

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

/// What the lines of a batch are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchKind {
    /// Each line is one or more JSON objects.
    Json,
    /// No line is.
    Text,
}

/// Whole lines of one kind, with their line ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// What the lines are.
    pub kind: BatchKind,
    /// The lines; bytes that are not UTF-8 are replaced by U+FFFD.
    pub text: String,
}

/// Output that holds credentials: as all may have it, and whole.
#[derive(Debug, Default)]
pub struct Whole {
    /// Lines, where they go to the observer.
    pub lines: Option<[String; 2]>,
    /// The same as JSON arrays of messages, where those are wanted.
    pub messages: Option<[String; 2]>,
}

impl Whole {
    /// All texts, for as all may have them and whole.
    pub fn texts(&self) -> impl Iterator<Item = &String> {
        self.lines.iter().chain(&self.messages).flatten()
    }
}
