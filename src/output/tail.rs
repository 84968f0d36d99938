//! The end of a stream, for error reports.

use std::collections::VecDeque;

/// Keeps the last bytes of a stream.
#[derive(Debug)]
pub struct Tail {
    bytes: VecDeque<u8>,
    capacity: usize,
    cut: bool,
}

impl Tail {
    /// A tail of at most `capacity` bytes.
    pub fn new(capacity: usize) -> Self {
        Self { bytes: VecDeque::new(), capacity, cut: false }
    }

    /// Takes what was read.
    pub fn push(&mut self, bytes: &[u8]) {
        self.cut |= self.bytes.len() + bytes.len() > self.capacity;
        let kept = &bytes[bytes.len().saturating_sub(self.capacity)..];
        let excess = (self.bytes.len() + kept.len()).saturating_sub(self.capacity);
        self.bytes.drain(..excess);
        self.bytes.extend(kept);
    }

    /// The text; where the beginning is missing, it starts at a line, or else at a character.
    pub fn into_text(self) -> String {
        let bytes = Vec::from(self.bytes);
        let mut start = 0;
        if self.cut {
            start = match memchr::memchr(b'\n', &bytes) {
                Some(end) if end + 1 < bytes.len() => end + 1,
                _ => bytes.iter().position(|byte| byte & 0xC0 != 0x80).unwrap_or(0),
            };
        }
        String::from_utf8_lossy(&bytes[start..]).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail(capacity: usize, chunks: &[&str]) -> String {
        let mut tail = Tail::new(capacity);
        for chunk in chunks {
            tail.push(chunk.as_bytes());
        }
        tail.into_text()
    }

    #[test]
    fn keeps_the_end_at_a_line() {
        assert_eq!(tail(100, &["a\n", "b"]), "a\nb");
        assert_eq!(tail(8, &["first\n", "second\n"]), "second\n");
        assert_eq!(tail(6, &["one\ntwo\n", "three\n"]), "three\n");
    }

    #[test]
    fn never_starts_inside_a_character() {
        assert_eq!(tail(5, &["жжжж"]), "жж");
    }
}
