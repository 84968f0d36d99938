//! Replacing secrets in place: a mark is shorter than any secret, and a line may be as large as what
//! a host may hold at once. For the same reason a long text is searched in parts.

use std::ops::Range;

use super::json::{Decoded, RedactableStrings, escape};
use super::matcher::{MOST_AT_ONCE, Matcher};
use super::stream::MARK;

/// Bytes that are searched at once.
const PART_BYTES: usize = 128 * 1024;

/// Bytes that two parts share at least, so that no secret is cut: six may stand for one.
const SHARED_BYTES: usize = 8 * MOST_AT_ONCE;

/// Replaces secrets inside the strings of a line of JSON objects; gives the length of what is left.
pub fn redact_json(secrets: &Matcher, line: &mut [u8]) -> usize {
    let mut strings = RedactableStrings::default();
    let mut moved = Moved::default();
    while let Some(string) = strings.next(line) {
        let has_escapes = memchr::memchr(b'\\', &line[string.clone()]).is_some();
        let mut found = Found::default();
        let mut next = string.start;
        while next < string.end {
            let part;
            (part, next) = part_at(&line[..string.end], next, has_escapes);
            let content = &line[part.clone()];
            if has_escapes {
                let decoded = Decoded::new(content);
                let ranges = secrets.ranges(&decoded.bytes, 0);
                found.add(ranges.iter().map(|range| decoded.origin(range)), &part);
            } else {
                found.add(secrets.ranges(content, 0).into_iter(), &part);
            }
            for range in found.before(next) {
                moved.replace(line, &range, true);
            }
        }
    }
    moved.finish(line, line.len())
}

/// What became of the beginning of a text.
pub struct Redacted {
    /// Bytes of it that are left.
    pub kept: usize,
    /// Bytes after it that belong to a secret that it ends with.
    pub covered: usize,
    /// Whether the mark of that secret has to follow.
    pub needs_mark: bool,
}

/// Replaces secrets in the first `end` bytes of a text, of which the first `covered` belong to one
/// whose mark has passed. What comes after them stays as it is.
pub fn redact_text(secrets: &Matcher, text: &mut [u8], end: usize, covered: usize) -> Redacted {
    let mut moved = Moved::default();
    let mut found = Found::default();
    if covered > 0 {
        found.ranges.push(0..covered);
    }
    let needs_mark = |range: &Range<usize>| range.start > 0 || covered == 0;
    let mut next = 0;
    while next < text.len() {
        let part;
        (part, next) = part_at(text, next, false);
        found.add(secrets.ranges(&text[part.clone()], 0).into_iter(), &part);
        for range in found.before(next.min(end)) {
            moved.replace(text, &range, needs_mark(&range));
        }
    }
    match found.ranges.first().filter(|range| range.start < end) {
        // there may be less of it than its mark is long
        Some(last) => Redacted {
            kept: moved.finish(text, last.start),
            covered: last.end - end,
            needs_mark: needs_mark(last),
        },
        None => Redacted { kept: moved.finish(text, end), covered: 0, needs_mark: false },
    }
}

/// The part of a text that is searched next, and where the one after it begins: at the text's end,
/// where there is none. Neither cuts an escape.
fn part_at(text: &[u8], start: usize, has_escapes: bool) -> (Range<usize>, usize) {
    let target = start + PART_BYTES;
    if target >= text.len() {
        return (start..text.len(), text.len());
    }
    if !has_escapes {
        return (start..target, target - SHARED_BYTES);
    }
    let mut at = start;
    let mut next = None;
    while let Some(found) = memchr::memchr(b'\\', &text[at..target]) {
        let begins = at + found;
        if begins >= target - SHARED_BYTES {
            next.get_or_insert(at.max(target - SHARED_BYTES));
        }
        at = begins + escape(&text[begins..]).1;
        if at >= target {
            break;
        }
    }
    let end = at.clamp(target, text.len());
    (start..end, next.unwrap_or_else(|| at.clamp(target - SHARED_BYTES, target)))
}

/// Ranges that hold secrets, in order, none of which overlap.
#[derive(Default)]
struct Found {
    ranges: Vec<Range<usize>>,
    /// Where the text ends that has been searched.
    until: usize,
}

impl Found {
    /// Takes what was found in a part.
    fn add(&mut self, ranges: impl Iterator<Item = Range<usize>>, part: &Range<usize>) {
        let ranges = ranges.map(|range| part.start + range.start..part.start + range.end);
        // the others were found in the part before
        for range in ranges.filter(|range| range.end > self.until) {
            match self.ranges.last_mut() {
                Some(last) if range.start < last.end => last.end = last.end.max(range.end),
                _ => self.ranges.push(range),
            }
        }
        self.until = part.end;
    }

    /// Takes out those that end there or before.
    fn before(&mut self, limit: usize) -> impl Iterator<Item = Range<usize>> {
        let count = self.ranges.partition_point(|range| range.end <= limit);
        self.ranges.drain(..count)
    }
}

/// What stood before `read` is what stands before `written` now.
#[derive(Default)]
struct Moved {
    read: usize,
    written: usize,
}

impl Moved {
    /// Leaves a range out, with a mark in its place where one is needed.
    fn replace(&mut self, text: &mut [u8], range: &Range<usize>, needs_mark: bool) {
        self.finish(text, range.start);
        if needs_mark {
            text[self.written..self.written + MARK.len()].copy_from_slice(MARK);
            self.written += MARK.len();
        }
        self.read = range.end;
    }

    /// Moves what stands before `end`, and gives the length of what is left.
    fn finish(&mut self, text: &mut [u8], end: usize) -> usize {
        let kept = end.saturating_sub(self.read);
        if self.read > self.written {
            text.copy_within(self.read..self.read + kept, self.written);
        }
        self.read += kept;
        self.written += kept;
        self.written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matcher() -> Matcher {
        Matcher::new(
            ["a-secret", "secret-of-more", "\u{1F600}-secret"].map(|text| text.as_bytes().to_vec()).into(),
        )
    }

    /// Secrets at each distance from the ends of parts, among them some that overlap.
    #[test]
    fn a_long_text_is_searched_as_a_short_one() {
        let [one, two] = [PART_BYTES, 2 * PART_BYTES - SHARED_BYTES];
        for edge in [one - SHARED_BYTES, one, two - SHARED_BYTES, two] {
            for distance in [0, 1, 7, 8, 15, 16, 17, SHARED_BYTES] {
                for (secret, left) in
                    [("a-secret", "***"), ("a-secret-of-more", "***"), ("a-secreta-secret", "******")]
                {
                    let before = "x".repeat(edge - distance);
                    let text = format!("{before}{secret}{}", "y".repeat(PART_BYTES));
                    let expected = format!("{before}{left}{}", "y".repeat(PART_BYTES));
                    let mut bytes = text.clone().into_bytes();
                    let length = bytes.len();
                    let redacted = redact_text(&matcher(), &mut bytes, length, 0);
                    bytes.truncate(redacted.kept);
                    assert!(bytes == expected.as_bytes(), "{edge} {distance} {secret}");
                    let mut line = format!("{{\"a\":\"{text}\"}}").into_bytes();
                    let kept = redact_json(&matcher(), &mut line);
                    line.truncate(kept);
                    assert!(line == format!("{{\"a\":\"{expected}\"}}").as_bytes(), "{edge} {distance}");
                }
            }
        }
    }

    #[test]
    fn no_part_cuts_an_escape() {
        let smile = "\\ud83d\\ude00";
        for shift in 0..smile.len() {
            let filler = |count: usize| smile.repeat(count / smile.len());
            let before = "x".repeat(shift) + &filler(PART_BYTES);
            let middle = filler(PART_BYTES);
            let line = format!(r#"{{"a":"{before}{smile}-secr\u0065t{middle}a\u002dsecret{middle}"}}"#);
            let expected = format!(r#"{{"a":"{before}***{middle}***{middle}"}}"#);
            let mut bytes = line.into_bytes();
            let kept = redact_json(&matcher(), &mut bytes);
            bytes.truncate(kept);
            assert!(bytes == expected.as_bytes(), "{shift}");
        }
    }
}
