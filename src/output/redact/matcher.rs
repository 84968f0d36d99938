//! Finding secrets in bytes.

use std::collections::BTreeSet;
use std::ops::Range;

use aho_corasick::{AhoCorasick, Input, MatchKind};

/// Bytes of a secret that are searched for; the rest is compared where they are found. Whole
/// secrets (a key has thousands of bytes, times its encodings) would make a large automaton for
/// each run.
const ANCHOR_BYTES: usize = 8;

/// Bytes of the longest needle. A longer one is searched for in pieces, so that neither a place in
/// the text nor an end that is held back costs more than this, whatever the secret is like.
const LONGEST: usize = 256;

/// Bytes that hold any needle whole.
pub const MOST_AT_ONCE: usize = LONGEST + 3;

/// Bytes that a piece shares with the next at least: what overlaps is one range.
const SHARED: usize = ANCHOR_BYTES;

/// Finds any of a set of byte strings.
#[derive(Debug)]
pub struct Matcher {
    /// None where there are no needles.
    anchors: Option<AhoCorasick>,
    /// All needles in order.
    sorted: Vec<Box<[u8]>>,
    /// Which bytes a needle can start with.
    firsts: [bool; 256],
    longest: usize,
}

impl Matcher {
    /// A matcher of these needles; shorter ones than 8 bytes are left out.
    #[expect(clippy::needless_pass_by_value, reason = "secrets are not kept twice")]
    pub fn new(needles: BTreeSet<Vec<u8>>) -> Self {
        let long = needles.iter().filter(|needle| needle.len() >= ANCHOR_BYTES);
        let pieces: BTreeSet<&[u8]> = long.flat_map(|needle| pieces(needle)).collect();
        let sorted: Vec<Box<[u8]>> = pieces.into_iter().map(Box::from).collect();
        let longest = sorted.iter().map(|needle| needle.len()).max().unwrap_or(1);
        let mut firsts = [false; 256];
        let mut anchors: Vec<&[u8]> = Vec::new();
        for needle in &sorted {
            firsts[usize::from(needle[0])] = true;
            let anchor = &needle[..ANCHOR_BYTES];
            if anchors.last() != Some(&anchor) {
                anchors.push(anchor); // in order, equal ones follow each other
            }
        }
        let mut builder = AhoCorasick::builder();
        let anchors = (!anchors.is_empty())
            .then(|| builder.match_kind(MatchKind::LeftmostFirst).build(&anchors).ok())
            .flatten();
        Self { anchors, sorted, firsts, longest }
    }

    /// Whether there is nothing to find.
    pub fn is_empty(&self) -> bool {
        self.anchors.is_none()
    }

    /// What is found at or after `from`: its range.
    fn next(&self, text: &[u8], from: usize) -> Option<Range<usize>> {
        let mut at = from;
        let anchors = self.anchors.as_ref()?;
        while let Some(found) = anchors.find(Input::new(text).range(at..)) {
            let start = found.start();
            if let Some(length) = self.longest_at(&text[start..]) {
                return Some(start..start + length);
            }
            at = start + 1;
        }
        None
    }

    /// The length of the longest needle that the text starts with.
    fn longest_at(&self, text: &[u8]) -> Option<usize> {
        let mut beginning = &text[..text.len().min(self.longest)];
        // Of the needles that it starts with none is longer than what it shares with its
        // predecessor: it would stand between them.
        while beginning.len() >= ANCHOR_BYTES {
            let before = self.sorted.partition_point(|needle| **needle <= *beginning);
            let needle = &self.sorted[before.checked_sub(1)?];
            if beginning.starts_with(needle) {
                return Some(needle.len());
            }
            let shared = needle.iter().zip(beginning).take_while(|(one, other)| one == other).count();
            beginning = &beginning[..shared];
        }
        None
    }

    /// Whether any needle is in the text.
    pub fn is_in(&self, text: &[u8]) -> bool {
        self.next(text, 0).is_some()
    }

    /// The ranges that hold needles, in order; those that overlap are one. The first `covered`
    /// bytes count as held already.
    pub fn ranges(&self, text: &[u8], covered: usize) -> Vec<Range<usize>> {
        let mut ranges = Vec::new();
        if covered > 0 {
            ranges.push(0..covered);
        }
        let mut at = 0;
        while let Some(found) = self.next(text, at) {
            at = found.start + 1;
            match ranges.last_mut() {
                Some(last) if found.start < last.end => last.end = last.end.max(found.end),
                _ => ranges.push(found),
            }
        }
        ranges
    }

    /// Where the longest end of the text starts that may be the beginning of a needle; the text's
    /// length where there is none.
    pub fn unfinished(&self, text: &[u8]) -> usize {
        let first = text.len().saturating_sub(self.longest - 1);
        (first..text.len())
            .find(|&start| self.firsts[usize::from(text[start])] && self.begins_needle(&text[start..]))
            .unwrap_or(text.len())
    }

    /// Whether a needle may start where the text does, and reach beyond its first `count` bytes.
    pub fn reaches(&self, text: &[u8], count: usize) -> bool {
        text.first().is_some_and(|&first| self.firsts[usize::from(first)])
            && (self.longest_at(text).is_some_and(|length| length > count) || self.begins_needle(text))
    }

    fn begins_needle(&self, beginning: &[u8]) -> bool {
        let at = self.sorted.partition_point(|needle| **needle < *beginning);
        // the needle that equals it is no unfinished one, but a longer one may follow
        self.sorted[at..]
            .iter()
            .take(2)
            .any(|needle| needle.len() > beginning.len() && needle.starts_with(beginning))
    }
}

/// A needle as it is searched for: whole, or in pieces that overlap. What is text is cut between
/// characters.
fn pieces(needle: &[u8]) -> Vec<&[u8]> {
    let is_inside = |at: usize| needle.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
    let boundary = |at: usize| (at.saturating_sub(3)..=at).rev().find(|at| !is_inside(*at)).unwrap_or(at);
    let mut pieces = Vec::new();
    let mut start = 0;
    while needle.len() - start > MOST_AT_ONCE {
        let end = boundary(start + LONGEST);
        pieces.push(&needle[start..end]);
        // the last one is as long as the others: a short end would be found where it is none
        start = boundary((end - SHARED).min(needle.len() - LONGEST));
    }
    pieces.push(&needle[start..]);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matcher(needles: &[&str]) -> Matcher {
        Matcher::new(needles.iter().map(|needle| needle.as_bytes().to_vec()).collect())
    }

    #[test]
    fn the_longest_wins_and_overlapping_ones_are_one() {
        let found = |needles: &[&str], text: &str| -> Vec<(usize, usize)> {
            let ranges = matcher(needles).ranges(text.as_bytes(), 0);
            ranges.into_iter().map(|range| (range.start, range.end)).collect()
        };
        assert_eq!(found(&["abcdefgh", "abcdefghij"], "-abcdefghijk abcdefghi"), [(1, 11), (13, 21)]);
        assert_eq!(found(&["abcdefgh", "efghijkl"], "abcdefghijkl"), [(0, 12)]);
        assert_eq!(found(&["abcdefgh"], "abcdefgabcdefgh"), [(7, 15)]);
        assert_eq!(found(&["aaaaaaaa"], &"a".repeat(20)), [(0, 20)]);
        assert!(found(&["abcdefgh"], "abcdefg").is_empty());
    }

    #[test]
    fn an_end_that_may_begin_a_needle_is_found() {
        let matcher = matcher(&["abcdefgh", "abcdefghij", "xyzxyzxyz"]);
        let end = |text: &str| matcher.unfinished(text.as_bytes());
        assert_eq!((end("--abc"), end("abcdefgh"), end("abcdefghij"), end("")), (2, 0, 10, 0));
        assert_eq!((end("xyzxyzxyzxyz"), end("--")), (6, 2));
    }

    #[test]
    fn a_needle_that_goes_on_is_found() {
        let matcher = matcher(&["abcdefgh", "xyzxyzxyz"]);
        let reaches = |text: &str, count| matcher.reaches(text.as_bytes(), count);
        assert!(reaches("abcdefgh--", 7) && !reaches("abcdefgh--", 8) && !reaches("-abcdefgh", 2));
        assert!(reaches("xyz", 3) && !reaches("xyzxyzxyz", 9) && !reaches("xyy", 1) && !reaches("", 0));
    }

    #[test]
    fn short_needles_are_left_out() {
        assert!(Matcher::new([b"short".to_vec()].into()).is_empty());
        assert!(matcher(&[]).ranges(b"anything", 0).is_empty() && !matcher(&[]).is_in(b""));
    }

    #[test]
    fn pieces_overlap_end_between_characters_and_are_bounded() {
        for text in ["x".repeat(1_000_000), "aé😀".repeat(700), "b".repeat(257), "c".repeat(256)] {
            let pieces = pieces(text.as_bytes());
            let place = |piece: &[u8]| piece.as_ptr() as usize - text.as_ptr() as usize;
            assert_eq!(place(pieces[0]), 0);
            for pair in pieces.windows(2) {
                let (end, next) = (place(pair[0]) + pair[0].len(), place(pair[1]));
                assert!(next > place(pair[0]) && next + ANCHOR_BYTES <= end, "{next} {end}");
            }
            assert!(
                pieces.iter().all(|piece| piece.len() <= LONGEST + 3 && std::str::from_utf8(piece).is_ok())
            );
            assert_eq!(pieces.last().map(|last| place(last) + last.len()), Some(text.len()));
            let found = matcher(&[&text]).ranges(format!("-{text}-").as_bytes(), 0);
            assert!(found.len() == 1 && found[0] == (1..text.len() + 1));
        }
    }
}
