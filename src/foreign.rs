//! Limits for what others have written: packages, registries, connectors. What is beyond them is
//! refused or cut, so that none of it can fill the host's memory or its stack.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Deepest nesting of arrays and objects in a manifest, a `package.json`, a lockfile or a state.
pub const MAX_DEPTH: usize = 64;

/// Most bytes of such a file.
pub const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// How deep arrays and objects are nested in JSON.
pub fn nesting(json: &[u8]) -> usize {
    let (mut depth, mut deepest, mut at) = (0_usize, 0, 0);
    while at < json.len() {
        match json[at] {
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => match string_end(json, at + 1) {
                Some(end) => at = end,
                None => return deepest,
            },
            _ => {}
        }
        at += 1;
    }
    deepest
}

/// The string that starts after the quote before `start`: the index of its closing quote.
pub fn string_end(json: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    loop {
        let found = at + memchr::memchr2(b'"', b'\\', json.get(at..)?)?;
        if json[found] == b'"' {
            return Some(found);
        }
        at = found + 2;
    }
}

/// Refuses JSON that is nested too deep, `extra` levels of ours aside.
///
/// # Errors
/// Why, in words.
pub fn refuse_depth(json: &[u8], extra: usize) -> Result<(), String> {
    let depth = nesting(json).saturating_sub(extra);
    if depth <= MAX_DEPTH {
        return Ok(());
    }
    Err(format!("its arrays and objects are nested {depth} levels deep; {MAX_DEPTH} are read"))
}

/// The text of a file of others.
///
/// # Errors
/// When it cannot be read, is no UTF-8, or is larger than [`MAX_FILE_BYTES`].
pub fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        let limit = MAX_FILE_BYTES / (1024 * 1024);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {limit} MB")));
    }
    Ok(text)
}

/// A text of at most so many bytes, and how much of it was cut.
pub fn cut(text: String, most: usize) -> String {
    // a copy: what is kept of a long text must not hold its memory
    if text.len() > most { beginning(&text, most, 0) } else { text }
}

/// The same of a text that has `more` bytes which are not there.
pub fn beginning(text: &str, most: usize, more: usize) -> String {
    if text.len() <= most && more == 0 {
        return text.to_owned();
    }
    let most = most.min(text.len());
    let end = (0..=most).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    format!("{}… ({} more bytes were cut)", &text[..end], text.len() - end + more)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nesting_is_counted_outside_of_strings() {
        for (json, depth) in [
            ("", 0),
            ("1", 0),
            ("{}", 1),
            (r#"{"a":[1,{"b":"[[[[\"[["}],"c":[]}"#, 3),
            ("[[[", 3),
            ("]]][", 1),
            ("\"[[[", 0),
        ] {
            assert_eq!(nesting(json.as_bytes()), depth, "{json}");
        }
        assert!(refuse_depth("[".repeat(64).as_bytes(), 0).is_ok());
        assert!(refuse_depth("[".repeat(66).as_bytes(), 2).is_ok());
        assert!(refuse_depth("[".repeat(10_000_000).as_bytes(), 0).unwrap_err().contains("10000000 levels"));
    }

    #[test]
    fn what_is_cut_says_so_and_stays_text() {
        assert_eq!(cut("жжж".into(), 6), "жжж");
        assert_eq!(cut("жжж".into(), 5), "жж… (2 more bytes were cut)");
        assert_eq!(cut("жжж".into(), 0), "… (6 more bytes were cut)");
    }

    #[test]
    fn a_file_that_is_too_large_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(MAX_FILE_BYTES).unwrap();
        assert_eq!(read_text(file.path()).unwrap().len() as u64, MAX_FILE_BYTES);
        file.as_file().set_len(1 << 40).unwrap();
        assert_eq!(read_text(file.path()).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
