//! Finding secrets in bytes.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use aho_corasick::{AhoCorasick, Input, MatchKind};

/// Bytes of a secret that are searched for; the rest is compared where they are found. Whole
/// secrets (a key has thousands of bytes, times its encodings) would make a large automaton for
/// each run.
const ANCHOR_BYTES: usize = 8;

/// Finds any of a set of byte strings.
#[derive(Debug)]
pub struct Matcher {
    /// None where there are no needles.
    anchors: Option<AhoCorasick>,
    /// For each anchor the needles that start with it, longest first.
    by_anchor: Vec<Vec<Box<[u8]>>>,
    /// All needles in order, to find what a text's end may begin.
    sorted: Vec<Box<[u8]>>,
    /// Which bytes a needle can start with.
    firsts: [bool; 256],
    longest: usize,
}

impl Matcher {
    /// A matcher of these needles; shorter ones than 8 bytes are left out.
    pub fn new(needles: BTreeSet<Vec<u8>>) -> Self {
        let sorted: Vec<Box<[u8]>> = needles
            .into_iter()
            .filter(|needle| needle.len() >= ANCHOR_BYTES)
            .map(Vec::into_boxed_slice)
            .collect();
        let longest = sorted.iter().map(|needle| needle.len()).max().unwrap_or(1);
        let mut firsts = [false; 256];
        for needle in &sorted {
            firsts[usize::from(needle[0])] = true;
        }
        let mut places: HashMap<&[u8], usize> = HashMap::new();
        let mut anchors: Vec<&[u8]> = Vec::new();
        let mut by_anchor: Vec<Vec<Box<[u8]>>> = Vec::new();
        for needle in &sorted {
            let anchor = &needle[..ANCHOR_BYTES];
            let place = *places.entry(anchor).or_insert_with(|| {
                anchors.push(anchor);
                by_anchor.push(Vec::new());
                anchors.len() - 1
            });
            by_anchor[place].push(needle.clone());
        }
        for needles in &mut by_anchor {
            needles.sort_by_key(|needle| std::cmp::Reverse(needle.len()));
        }
        let mut builder = AhoCorasick::builder();
        let anchors = (!anchors.is_empty())
            .then(|| builder.match_kind(MatchKind::LeftmostFirst).build(&anchors).ok())
            .flatten();
        Self { anchors, by_anchor, sorted, firsts, longest }
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
            let needles = &self.by_anchor[found.pattern().as_usize()];
            if let Some(needle) = needles.iter().find(|needle| text[start..].starts_with(needle)) {
                return Some(start..start + needle.len());
            }
            at = start + 1;
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
            && self.sorted.iter().any(|needle| {
                let shared = needle.len().min(text.len());
                needle.len() > count && needle[..shared] == text[..shared]
            })
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
}
