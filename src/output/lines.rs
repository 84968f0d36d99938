//! Bytes to batches of whole lines.
//!
//! A host parses each call of `onStdout` as JSON objects back to back, and a call that mixes
//! text and JSON loses both (contract, section 6). So a batch holds whole lines, in order, all
//! of one kind.

use std::borrow::Cow;
use std::ops::Range;

use super::inspect::holds_json_objects;
use super::is_json_objects;
use crate::observer::{Batch, BatchKind};

/// Size at which a batch of several lines is handed over, in bytes. Above 128 KiB, V8 puts a
/// string into its large-object space, which costs four times as much.
const BATCH_BYTES: usize = 64 * 1024;

/// Longest line that stays whole for somebody who takes lines, in bytes. A longer one is cut between
/// characters, so that a connector that never ends a line cannot fill the host's memory: it holds a
/// line and JavaScript's copy of it. Where a line is not ASCII, that may have two bytes for each, and
/// half as much stays whole.
pub const MAX_LINE_BYTES: usize = 33 * 1024 * 1024;

/// Most bytes of the parts in which a longer one comes.
const PART_BYTES: usize = 4 * 1024 * 1024;

/// The same where nobody takes them, and they are only looked at.
pub const MAX_SEEN_LINE_BYTES: usize = 4 * 1024 * 1024;

/// Collects bytes and gives batches.
#[derive(Debug)]
pub struct Framer {
    /// The line that has not ended yet.
    partial: Vec<u8>,
    max_line: usize,
    /// Whether a part of that line has been given already.
    is_cut: bool,
    /// How many lines were cut.
    cut_lines: u64,
}

impl Default for Framer {
    fn default() -> Self {
        Self::with_max_line(MAX_LINE_BYTES)
    }
}

impl Framer {
    /// A framer with this limit for one line, in bytes.
    pub fn with_max_line(max_line: usize) -> Self {
        Self { partial: Vec::new(), max_line, is_cut: false, cut_lines: 0 }
    }

    /// How many lines were longer than the limit, and came in parts.
    pub fn cut_lines(&self) -> u64 {
        self.cut_lines
    }

    /// Takes what was read, and gives every line that it completes.
    pub fn push<'a>(&mut self, bytes: impl Into<Cow<'a, [u8]>>, batches: &mut Vec<Batch>) {
        let bytes = bytes.into();
        let Some(last_end) = memchr::memrchr(b'\n', &bytes) else {
            self.keep(bytes, batches);
            return;
        };
        let rest = bytes[last_end + 1..].to_vec();
        if self.partial.is_empty() {
            match bytes {
                Cow::Borrowed(bytes) => append_lines(&bytes[..=last_end], batches),
                Cow::Owned(mut complete) => {
                    complete.truncate(last_end + 1);
                    self.append_owned(complete, batches);
                }
            }
        } else {
            self.partial.extend_from_slice(&bytes[..=last_end]);
            drop(bytes);
            let line = std::mem::take(&mut self.partial);
            self.append_owned(line, batches);
        }
        self.is_cut = false;
        self.keep(rest.into(), batches);
    }

    /// Gives what is left when the stream has ended: a last line without a line end.
    pub fn finish(&mut self, batches: &mut Vec<Batch>) {
        let line = std::mem::take(&mut self.partial);
        self.append_owned(line, batches);
    }

    fn keep(&mut self, bytes: Cow<'_, [u8]>, batches: &mut Vec<Batch>) {
        if self.partial.is_empty() {
            self.partial = bytes.into_owned();
        } else {
            self.partial.extend_from_slice(&bytes);
        }
        if self.partial.len() > self.limit_of(&self.partial) {
            let whole = character_end(&self.partial);
            let rest = self.partial.split_off(whole);
            self.cut(batches);
            self.partial = rest;
        }
    }

    /// How much of a line may stay whole.
    fn limit_of(&self, line: &[u8]) -> usize {
        let wide = self.max_line / 2;
        if line.len() <= wide || line.is_ascii() { self.max_line } else { wide }
    }

    /// Gives what there is of the line in parts, from the last one on: so each goes out of the line's
    /// memory while it is copied.
    fn cut(&mut self, batches: &mut Vec<Batch>) {
        self.cut_lines += u64::from(!std::mem::replace(&mut self.is_cut, true));
        let most = (self.max_line / 2).min(PART_BYTES);
        let mut line = std::mem::take(&mut self.partial);
        let first = batches.len();
        while line.len() > most {
            let start = character_start(&line, line.len() - most);
            let text = into_text(&line.split_off(start));
            line.shrink_to_fit();
            batches.push(Batch { kind: BatchKind::Text, text });
        }
        batches.push(Batch { kind: BatchKind::Text, text: into_text(&line) });
        batches[first..].reverse();
    }

    /// Appends lines that nobody else needs: one that is alone, as long ones are, is not copied.
    fn append_owned(&mut self, bytes: Vec<u8>, batches: &mut Vec<Batch>) {
        let is_alone = memchr::memchr(b'\n', &bytes).is_none_or(|end| end + 1 == bytes.len());
        if bytes.is_empty() || !is_alone {
            return append_lines(&bytes, batches);
        }
        if bytes.len() > self.limit_of(&bytes) {
            self.partial = bytes;
            return self.cut(batches);
        }
        let kind = if is_json_objects(&bytes) { BatchKind::Json } else { BatchKind::Text };
        let text = String::from_utf8(bytes).unwrap_or_else(|odd| into_text(odd.as_bytes()));
        batches.push(Batch { kind, text });
    }
}

/// The last place at or before `at` where a UTF-8 character begins; at least one byte is taken.
fn character_start(bytes: &[u8], at: usize) -> usize {
    (at.saturating_sub(3).max(1)..=at).rev().find(|&index| bytes[index] & 0xC0 != 0x80).unwrap_or(at)
}

/// Where the characters end that are whole.
fn character_end(bytes: &[u8]) -> usize {
    let end = bytes.len().saturating_sub(8);
    match bytes[end..].utf8_chunks().last() {
        Some(last) if !last.invalid().is_empty() && last.invalid().len() < 4 => {
            bytes.len() - last.invalid().len()
        }
        _ => bytes.len(),
    }
}

/// Appends whole lines, starting a new batch where the kind changes or the batch is full.
fn append_lines(bytes: &[u8], batches: &mut Vec<Batch>) {
    // all at once is faster than line by line
    let valid = std::str::from_utf8(bytes).ok();
    let kind_of = |line: &[u8]| {
        let is_json = if valid.is_some() { holds_json_objects(line) } else { is_json_objects(line) };
        if is_json { BatchKind::Json } else { BatchKind::Text }
    };
    let text_of = |lines: Range<usize>| match valid {
        Some(text) => text[lines].to_owned(),
        None => into_text(&bytes[lines]),
    };
    let mut batch_start = 0;
    let mut batch_kind = None;
    let mut line_start = 0;
    let ends = memchr::memchr_iter(b'\n', bytes).map(|end| end + 1);
    let last = (!bytes.ends_with(b"\n") && !bytes.is_empty()).then_some(bytes.len());
    for line_end in ends.chain(last) {
        let kind = kind_of(&bytes[line_start..line_end]);
        let full = line_end - batch_start > BATCH_BYTES && line_start > batch_start;
        if let Some(before) = batch_kind.filter(|before| *before != kind || full) {
            batches.push(Batch { kind: before, text: text_of(batch_start..line_start) });
            batch_start = line_start;
        }
        batch_kind = Some(kind);
        line_start = line_end;
    }
    if let Some(kind) = batch_kind {
        batches.push(Batch { kind, text: text_of(batch_start..bytes.len()) });
    }
}

fn into_text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fuzz::{cases, split};

    fn frame(chunks: &[&[u8]]) -> Vec<Batch> {
        let mut framer = Framer::default();
        let mut batches = Vec::new();
        for chunk in chunks {
            framer.push(*chunk, &mut batches);
        }
        framer.finish(&mut batches);
        batches
    }

    fn texts(batches: &[Batch]) -> Vec<&str> {
        batches.iter().map(|batch| batch.text.as_str()).collect()
    }

    #[test]
    fn json_and_text_never_share_a_batch() {
        let batches = frame(&[b"{\"a\":1}\nplain\n{\"a\":2}\n{\"a\":3}{\"a\":4}\nplain"]);
        assert_eq!(texts(&batches), ["{\"a\":1}\n", "plain\n", "{\"a\":2}\n{\"a\":3}{\"a\":4}\n", "plain"]);
        let kinds: Vec<_> = batches.iter().map(|batch| batch.kind).collect();
        assert_eq!(kinds, [BatchKind::Json, BatchKind::Text, BatchKind::Json, BatchKind::Text]);
    }

    #[test]
    fn a_character_split_between_reads_stays_whole() {
        let text = "Київ ✓\n".as_bytes();
        for cut in 0..text.len() {
            assert_eq!(texts(&frame(&[&text[..cut], &text[cut..]])), ["Київ ✓\n"], "cut at {cut}");
        }
    }

    #[test]
    fn a_long_line_is_one_batch_and_many_lines_are_several() {
        let long = format!("{{\"k\":\"{}\"}}\n", "ж".repeat(1_000_000));
        assert_eq!(texts(&frame(&[long.as_bytes()])), [long.as_str()]);

        let lines = "x".repeat(999) + "\n";
        let batches = frame(&[lines.repeat(1000).as_bytes()]);
        assert!(batches.len() >= 15 && batches.iter().all(|batch| batch.text.len() <= BATCH_BYTES));
    }

    #[test]
    fn a_line_beyond_the_limit_is_cut_between_characters() {
        let mut framer = Framer::with_max_line(10);
        let mut batches = Vec::new();
        framer.push("ж".repeat(20).as_bytes(), &mut batches);
        framer.push(b"\n", &mut batches);
        assert_eq!(texts(&batches).concat(), "ж".repeat(20) + "\n");
        assert!(batches.len() > 3 && batches.iter().all(|batch| !batch.text.contains('\u{FFFD}')));
        assert_eq!(framer.cut_lines(), 1);
        framer.push(b"short\nand long, without any end\n", &mut batches);
        framer.push(b"never an end", &mut batches);
        assert_eq!(framer.cut_lines(), 2);
    }

    #[test]
    fn bytes_that_are_not_text_are_replaced() {
        assert_eq!(texts(&frame(&[b"a\xFFb\n"])), ["a\u{FFFD}b\n"]);
    }

    proptest! {
        #![proptest_config(cases(256))]

        /// However the bytes arrive, the batches are the same text in the same order, each of
        /// one kind, and cut only after a line end.
        #[test]
        fn framing_does_not_depend_on_how_bytes_arrive(
            lines in prop::collection::vec("(\\{\"k\":\"[^\"\\\\\\x00-\\x1f]{0,5}\"\\}){1,2}|[ -~ж✓]{0,8}|\\{", 0..20),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
            ends_with_newline in any::<bool>(),
        ) {
            let mut text = lines.join("\n");
            if ends_with_newline { text.push('\n'); }
            let bytes = text.as_bytes();
            let chunks = split(bytes, &cuts);
            let batches = frame(&chunks);
            prop_assert_eq!(texts(&batches).concat(), text.clone());
            for (index, batch) in batches.iter().enumerate() {
                prop_assert!(index + 1 == batches.len() || batch.text.ends_with('\n'));
                for line in batch.text.split_inclusive('\n') {
                    prop_assert_eq!(is_json_objects(line.as_bytes()), batch.kind == BatchKind::Json, "{:?}", line);
                }
            }
        }
    }
}
