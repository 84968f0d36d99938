//! The one exit of all text that is shown to people. Names, dates, messages and manifests are
//! others' words; on a terminal they are text, and at most coloured.

use std::fmt::Write as _;

/// Bytes of the longest sequence that changes colours: three colours of 24 bits and some styles.
const LONGEST_SGR: usize = 64;

/// Whether a character is one that a terminal acts upon, or that changes the order in which others
/// are shown (Unicode's `Bidi_Control`, and its deprecated kin).
pub fn is_control(character: char) -> bool {
    let changes_order = matches!(
        character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{206f}'
    );
    changes_order || (character.is_control() && !matches!(character, '\t' | '\n'))
}

/// Text without what would move the cursor or change the terminal: of control characters tabs and
/// line ends stay, of escape sequences well-formed colours, where they are wanted.
pub fn printable(text: &str, colours: bool) -> String {
    if !text.contains(is_control) {
        return text.to_owned();
    }
    let mut shown = String::with_capacity(text.len());
    let mut is_coloured = false;
    let mut rest = text;
    while let Some(at) = rest.find(is_control) {
        shown.push_str(&rest[..at]);
        let control = rest[at..].chars().next().unwrap_or_default();
        rest = &rest[at + control.len_utf8()..];
        if control == '\u{1b}' {
            let (sequence, after) = escape_sequence(rest);
            if colours && is_sgr(sequence) {
                shown.push('\u{1b}');
                shown.push_str(sequence);
                is_coloured = !matches!(sequence, "[m" | "[0m");
            }
            rest = after;
        }
    }
    shown.push_str(rest);
    if is_coloured {
        shown.push_str("\u{1b}[0m");
    }
    shown
}

/// JSON for a terminal: the same values, but what it would act upon is escaped. In text that only
/// looks like JSON it is shown, and does nothing.
pub fn escaped(json: &str) -> String {
    if !json.contains(is_control) {
        return json.to_owned();
    }
    let mut shown = String::with_capacity(json.len());
    for character in json.chars() {
        if is_control(character) {
            // all of them are in the first plane
            let _ = write!(shown, "\\u{:04x}", u32::from(character)); // a String takes everything
        } else {
            shown.push(character);
        }
    }
    shown
}

/// What a command that may answer in JSON prints.
pub fn answer(text: &str, colours: bool) -> String {
    if text.starts_with(['{', '[']) { escaped(text) } else { printable(text, colours) }
}

/// A date as it is shown: what a connector or a file calls one need not be one.
pub fn date(text: &str) -> String {
    let is_date = super::incremental_date(text).is_some()
        && text.len() <= "2026-01-31T00:00:00.000000000+00:00".len()
        && text[10..].bytes().all(|byte| byte.is_ascii_digit() || b"T :.Z+-".contains(&byte));
    if is_date {
        return text.strip_suffix("T00:00:00.000Z").unwrap_or(text).to_owned();
    }
    let words: String = printable(text, false).split_whitespace().collect::<Vec<_>>().join(" ");
    format!("\"{}\" (no date)", words.chars().take(LONGEST_OTHER).collect::<String>())
}

/// Characters that are shown of what is no date.
const LONGEST_OTHER: usize = 40;

/// Whether what follows an escape character changes how text looks, and nothing else
/// (ECMA-48, SGR): private parameters (`CSI > 4 m`) set modes of the keyboard.
fn is_sgr(sequence: &str) -> bool {
    let parameters = sequence.strip_prefix('[').and_then(|rest| rest.strip_suffix('m'));
    sequence.len() <= LONGEST_SGR
        && parameters
            .is_some_and(|all| all.bytes().all(|byte| byte.is_ascii_digit() || b";:".contains(&byte)))
}

/// What follows an escape character: its sequence, and the text after that (ECMA-48). What is not
/// well-formed ends before the first character that cannot belong to it, and a string with its line
/// at the latest, so that nothing of what follows is lost.
pub fn escape_sequence(text: &str) -> (&str, &str) {
    let bytes = text.as_bytes();
    let run = |from: usize, range: std::ops::RangeInclusive<u8>| {
        let rest = bytes.get(from..).unwrap_or_default();
        from + rest.iter().take_while(|byte| range.contains(byte)).count()
    };
    let end = match bytes.first() {
        Some(b'[') => {
            let end = run(run(1, 0x30..=0x3f), 0x20..=0x2f);
            end + usize::from(bytes.get(end).is_some_and(|last| (0x40..=0x7e).contains(last)))
        }
        // a title, a link or the clipboard, to BEL, ESC \ or its one character
        Some(b']' | b'P' | b'X' | b'_' | b'^') => match text.find(['\u{7}', '\u{1b}', '\n', '\u{9c}']) {
            Some(at) => at + usize::from(bytes[at] == 7),
            None => text.len(),
        },
        Some(0x20..=0x2f) => {
            let end = run(0, 0x20..=0x2f);
            end + usize::from(bytes.get(end).is_some_and(|last| (0x30..=0x7e).contains(last)))
        }
        Some(0x30..=0x7e) => 1,
        _ => 0,
    };
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_change_the_terminal_is_left_out() {
        for (text, with, without) in [
            ("plain\ttext ✓\n", "plain\ttext ✓\n", "plain\ttext ✓\n"),
            ("\u{1b}[31mred\u{1b}[0m", "\u{1b}[31mred\u{1b}[0m", "red"),
            ("\u{1b}[38:2::1:2:3;1mred", "\u{1b}[38:2::1:2:3;1mred\u{1b}[0m", "red"),
            ("a\u{1b}[2J\u{1b}[1;1Hb\r\u{8}c", "abc", "abc"),
            ("\u{1b}]0;title\u{7}x\u{1b}(By", "xy", "xy"),
            ("\u{1b}]52;c;cm0=\u{1b}\\x", "x", "x"),
            ("\u{1b}", "", ""),
            ("\u{1b}[31", "", ""),
            ("\u{9b}2Jx", "2Jx", "2Jx"),
        ] {
            assert_eq!(printable(text, true), with, "{text:?}");
            assert_eq!(printable(text, false), without, "{text:?}");
        }
    }

    #[test]
    fn malformed_colours_are_none_and_hide_nothing_after_them() {
        for (text, shown) in [
            ("a\u{1b}[>4;2mb", "ab"),
            ("a\u{1b}[?25mb", "ab"),
            ("a\u{1b}[ mb", "ab"),
            ("a\u{1b}[31\n\u{1b}[31\u{1b}[2Jmb", "a\nmb"),
            ("a\u{1b}[3éb", "aéb"),
            ("a\u{1b}\nb", "a\nb"),
            ("a\u{1b}]0;title\nthe next line\n", "a\nthe next line\n"),
            ("a\u{1b}P1$r\u{9c}b", "ab"),
        ] {
            assert_eq!(printable(text, true), shown, "{text:?}");
        }
        let long = format!("\u{1b}[{}mx", "1;".repeat(1000));
        assert_eq!(printable(&long, true), "x");
    }

    #[test]
    fn what_would_change_the_order_is_left_out() {
        assert_eq!(printable("a\u{202e}txt.exe\u{202c}\u{2066}b\u{2069}\u{200f}", true), "atxt.exeb");
    }

    #[test]
    fn json_says_the_same_and_does_nothing() {
        let json = "{\"a\":\"\u{9b}2J\u{202e}é\"}\n";
        let shown = escaped(json);
        assert_eq!(shown, "{\"a\":\"\\u009b2J\\u202eé\"}\n");
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(value(&shown), value(json));
        assert_eq!(answer("{x\u{1b}[2J", true), "{x\\u001b[2J");
    }

    #[test]
    fn dates_are_dates() {
        for (text, shown) in [
            ("2026-01-31", "2026-01-31"),
            ("2026-01-31T00:00:00.000Z", "2026-01-31"),
            ("2026-01-31T10:00:00+01:00", "2026-01-31T10:00:00+01:00"),
            ("2026-02-31", "\"2026-02-31\" (no date)"),
            ("2026-01-31\u{1b}]0;x\u{7}", "\"2026-01-31\" (no date)"),
            ("2026-01-31\n  Code  0", "\"2026-01-31 Code 0\" (no date)"),
        ] {
            assert_eq!(date(text), shown);
        }
    }
}
