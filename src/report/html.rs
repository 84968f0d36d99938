//! Writing HTML in which foreign text can only be text.

use std::fmt::Write;

/// A page that is being written. Markup is only what stands in this program (`&'static str`);
/// everything else goes through [`Html::text`].
#[derive(Debug, Default)]
pub struct Html(String);

impl Html {
    /// Markup of ours.
    pub fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Text, or the value of an attribute in quotes. Escape sequences of terminals are left out;
    /// characters that hide or turn around what stands beside them become U+FFFD.
    pub fn text(&mut self, text: &str) -> &mut Self {
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                '\u{1b}' => {
                    let rest = characters.as_str();
                    let length = escape_sequence(rest);
                    if length == 0 {
                        self.0.push('\u{FFFD}');
                    }
                    characters = rest[length..].chars();
                }
                '\n' | '\t' => self.0.push(character),
                _ if is_deceiving(character) => self.0.push('\u{FFFD}'),
                _ => self.0.push(character),
            }
        }
        self
    }

    /// A number with up to two decimals.
    pub fn number(&mut self, number: f64) -> &mut Self {
        let number = if number.is_finite() { number } else { 0.0 };
        let rounded = (number * 100.0).round() / 100.0;
        let _ = write!(self.0, "{rounded}"); // a String takes everything
        self
    }

    /// A whole number, as part of an id.
    pub fn integer(&mut self, number: u64) -> &mut Self {
        let _ = write!(self.0, "{number}");
        self
    }

    /// The page.
    pub fn into_string(self) -> String {
        self.0
    }
}

/// Bytes of a terminal's control sequence (`ESC [ … letter`) after its escape.
fn escape_sequence(rest: &str) -> usize {
    if !rest.starts_with('[') {
        return 0;
    }
    let parameters = |byte: &u8| (0x20..0x40).contains(byte);
    let length = 1 + rest.bytes().skip(1).take_while(parameters).count();
    match rest.as_bytes().get(length) {
        Some(0x40..=0x7e) => length + 1,
        _ => 0,
    }
}

/// Controls, and those of Unicode that change the direction of what follows.
fn is_deceiving(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> String {
        let mut html = Html::default();
        html.text(text);
        html.into_string()
    }

    #[test]
    fn foreign_text_stays_text() {
        assert_eq!(written("<script>\"'&</style>"), "&lt;script&gt;&quot;&#39;&amp;&lt;/style&gt;");
        assert_eq!(written("a\u{1b}[1;31mred\u{1b}[0m\u{1b}]0;t\u{7}"), "ared\u{FFFD}]0;t\u{FFFD}");
        assert_eq!(written("\0\r\u{202E}x\n\tж"), "\u{FFFD}\u{FFFD}\u{FFFD}x\n\tж");
        assert_eq!(written("\u{1b}["), "\u{FFFD}[");
    }

    #[test]
    fn numbers_are_short() {
        let mut html = Html::default();
        html.number(1.0).raw(" ").number(2.345).raw(" ").number(f64::NAN).raw(" ").integer(7);
        assert_eq!(html.into_string(), "1 2.35 0 7");
    }
}
