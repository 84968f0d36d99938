//! Patterns as npm's list of packed files has them: those of `minimatch`, without the parts that
//! hardly any package uses. What is left out is refused, never guessed.

/// Longest pattern.
const MOST_BYTES: usize = 1024;

/// Most `**` of a pattern: each multiplies what has to be tried.
const MOST_ANY: usize = 3;

/// Most patterns that the braces of one stand for.
const MOST_ALTERNATIVES: usize = 64;

/// One line of rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Whether it begins with `!`.
    pub is_negated: bool,
    /// Whether it is compared with names, wherever they are.
    pub is_relative: bool,
    alternatives: Vec<Vec<Part>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// `**`.
    Any,
    /// The text between two slashes, if it has nothing special.
    Text(String),
    /// The same with something special.
    Glob(Vec<Token>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Letter(char),
    /// `?`.
    One,
    /// `*`.
    Many,
    /// `[…]`, and whether it begins with `!` or `^`.
    Class(bool, Vec<(char, char)>),
}

impl Rule {
    /// Reads a pattern; none where it has what is not supported.
    pub fn new(pattern: &str) -> Option<Self> {
        let text = pattern.trim_start_matches('!');
        let is_negated = (pattern.len() - text.len()) % 2 == 1;
        // extended globs and escapes
        if text.is_empty() || text.len() > MOST_BYTES || text.contains(['(', '\\', '\n']) {
            return None;
        }
        let mut alternatives = Vec::new();
        let mut is_relative = false;
        for text in expand(text)? {
            let mut pieces: Vec<&str> = text.split('/').collect();
            let ends = [0, pieces.len() - 1];
            let mut place = 0..;
            pieces.retain(|piece| {
                let is_end = place.next().is_some_and(|place| ends.contains(&place));
                is_end || !piece.is_empty()
            });
            pieces.dedup_by(|one, other| *one == "**" && *other == "**");
            let is_name =
                pieces.len() <= if pieces.last().is_some_and(|last| last.is_empty()) { 2 } else { 1 };
            is_relative |= is_name;
            let parts = pieces.into_iter().map(Part::new).collect::<Option<Vec<_>>>()?;
            if parts.iter().filter(|part| **part == Part::Any).count() > MOST_ANY {
                return None;
            }
            alternatives.push(parts);
        }
        Some(Self { is_negated, is_relative, alternatives })
    }

    /// Whether it fits this path, whose parts are in small letters; with `is_partial` also where the path
    /// may be on the way to one that it fits.
    pub fn fits(&self, path: &[&str], is_partial: bool) -> bool {
        if *path == ["", ""] && is_partial {
            return true;
        }
        self.alternatives.iter().any(|parts| {
            let name = path.iter().rposition(|part| !part.is_empty());
            match name {
                Some(at) if parts.len() == 1 => fits(&path[at..=at], parts, is_partial),
                _ => fits(path, parts, is_partial),
            }
        })
    }
}

/// What a pattern's braces stand for; none for those within others, ranges, and such.
fn expand(text: &str) -> Option<Vec<String>> {
    let mut all = vec![String::new()];
    let mut rest = text;
    while let Some(start) = rest.find('{') {
        let length = rest[start..].find('}')?;
        let inside = &rest[start + 1..start + length];
        let before = &rest[..start];
        if !inside.contains(',') || inside.contains('{') || before.contains('}') || before.ends_with('$') {
            return None;
        }
        let choices: Vec<_> = inside.split(',').collect();
        if all.len() * choices.len() > MOST_ALTERNATIVES {
            return None;
        }
        let longer = |one: &String| choices.iter().map(|choice| format!("{one}{before}{choice}")).collect();
        all = all.iter().flat_map(|one| -> Vec<String> { longer(one) }).collect();
        rest = &rest[start + length + 1..];
    }
    (!rest.contains('}')).then(|| all.into_iter().map(|one| one + rest).collect())
}

impl Part {
    fn new(text: &str) -> Option<Self> {
        if text == "**" {
            return Some(Self::Any);
        }
        // `..` would be taken together with what is before it
        if text == ".." {
            return None;
        }
        let text = text.to_lowercase();
        if !text.contains(['*', '?', '[', ']']) {
            return Some(Self::Text(text));
        }
        let mut tokens = Vec::new();
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            tokens.push(match letter {
                '?' => Token::One,
                '*' => Token::Many,
                '[' => class(&mut letters)?,
                ']' => return None,
                letter => Token::Letter(letter),
            });
        }
        tokens.dedup_by(|one, other| *one == Token::Many && *other == Token::Many);
        Some(Self::Glob(tokens))
    }

    fn fits(&self, name: &str) -> bool {
        match self {
            Self::Any => false,
            Self::Text(text) => text == name,
            Self::Glob(tokens) => !name.is_empty() && name != "." && name != ".." && glob(tokens, name),
        }
    }
}

/// The rest of `[…]`.
fn class(letters: &mut std::str::Chars<'_>) -> Option<Token> {
    let (inside, rest) = letters.as_str().split_once(']')?;
    *letters = rest.chars();
    let content = inside.strip_prefix(['!', '^']);
    let (is_negated, content) = (content.is_some(), content.unwrap_or(inside));
    if content.is_empty() || content.contains('[') {
        return None;
    }
    let mut ranges = Vec::new();
    let mut letters = content.chars().peekable();
    while let Some(first) = letters.next() {
        let mut last = first;
        if letters.peek() == Some(&'-') {
            letters.next();
            last = letters.next()?;
        }
        if last < first {
            return None;
        }
        ranges.push((first, last));
    }
    Some(Token::Class(is_negated, ranges))
}

/// A part with stars: the last one that could take more does, so that this takes no longer than name
/// times pattern.
fn glob(tokens: &[Token], name: &str) -> bool {
    let name: Vec<_> = name.chars().collect();
    let (mut token, mut at) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    loop {
        let fits = match (tokens.get(token), name.get(at)) {
            (None, None) => return true,
            (Some(Token::Many), _) => {
                star = Some((token, at));
                token += 1;
                continue;
            }
            (Some(Token::One), Some(_)) => true,
            (Some(Token::Letter(wanted)), Some(letter)) => wanted == letter,
            (Some(Token::Class(is_negated, ranges)), Some(letter)) => {
                ranges.iter().any(|(first, last)| (first..=last).contains(&letter)) != *is_negated
            }
            _ => false,
        };
        match (fits, &mut star) {
            (true, _) => (token, at) = (token + 1, at + 1),
            (false, Some((many, begun))) if *begun < name.len() => {
                *begun += 1;
                (token, at) = (*many + 1, *begun);
            }
            _ => return false,
        }
    }
}

fn fits(path: &[&str], parts: &[Part], is_partial: bool) -> bool {
    let (mut at, mut part) = (0, 0);
    while at < path.len() && part < parts.len() {
        if parts[part] == Part::Any {
            let rest = &parts[part + 1..];
            if rest.is_empty() {
                return true;
            }
            return (at..path.len()).any(|from| fits(&path[from..], rest, is_partial)) || is_partial;
        }
        if !parts[part].fits(path[at]) {
            return false;
        }
        (at, part) = (at + 1, part + 1);
    }
    match (at == path.len(), part == parts.len()) {
        (true, true) => true,
        (true, false) => is_partial,
        // `a/*` fits `a/b/`
        _ => at + 1 == path.len() && path[at].is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_what_they_fit_in_npm() {
        for (pattern, path, expected) in [
            ("dist", "a/dist", true), // a name, wherever it is
            ("dist/", "dist/", true),
            ("dist/", "dist", false),
            ("/dist", "dist", false),
            ("/dist", "/DIST", true),
            ("a/*", "a/b/", true),
            ("a/**", "a", false),
            ("a/**", "a/b/.c", true),
            ("**/x/**", "q/x/y", true),
            ("**/*.js", "a/b/c.js", true),
            ("a/**/b/**/c", "a/1/b/2/3/c", true),
            ("*.{js,d.ts}", "x.d.ts", true),
            ("*.{js,d.ts}", "x.ts", false),
            ("readme.*[^~$]", "readme.md", true),
            ("readme.*[^~$]", "readme.md~", false),
            ("._*", "._x", true),
            ("[a-c]?.txt", "bz.txt", true),
            ("*a*b*c", "xxaxxbxxbc", true),
            ("*a*b*c", "xxaxxbxxb", false),
        ] {
            let lower = path.to_lowercase();
            let parts: Vec<_> = lower.split('/').collect();
            assert_eq!(Rule::new(pattern).unwrap().fits(&parts, false), expected, "{pattern} {path}");
        }
        let on_the_way = Rule::new("!/src/**/*.js").unwrap();
        assert!(on_the_way.is_negated);
        assert!(on_the_way.fits(&["", "src"], true) && !on_the_way.fits(&["", "test"], true));
    }

    #[test]
    fn what_is_not_supported_is_refused_and_nothing_takes_long() {
        for pattern in
            ["", "!", "+(a|b)", "a\\b", "{a,{b,c}}", "{1..3}", "[", "[]", "a/../b", "**/a/**/b/**/c/**/d"]
        {
            assert_eq!(Rule::new(pattern), None, "{pattern}");
        }
        let stars = Rule::new(&"*a".repeat(400)).unwrap();
        assert!(!stars.fits(&["b".repeat(4000).as_str()], false));
        let deep = Rule::new("**/a/**/b/**/c").unwrap();
        assert!(!deep.fits(&["x"; 100], false));
    }
}
