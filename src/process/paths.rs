//! Paths in variables: a child starts in a folder of its own, where a relative one leads elsewhere.

use std::path::Path;

use crate::context::Variables;

/// Variables that are one path.
const FILES: [&str; 16] = [
    "AWS_CA_BUNDLE",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "CLOUDSDK_CONFIG",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "NODE_COMPILE_CACHE",
    "NODE_EXTRA_CA_CERTS",
    "NODE_ICU_DATA",
    "NODE_REDIRECT_WARNINGS",
    "NODE_V8_COVERAGE",
    "OPENSSL_CONF",
    "SSL_CERT_FILE",
    "npm_config_cache",
    "npm_config_cafile",
    "npm_config_userconfig",
];

/// Variables that are several, with a colon between them.
const LISTS: [&str; 3] = ["NODE_PATH", "PATH", "SSL_CERT_DIR"];

/// Options in `NODE_OPTIONS` whose value is a path.
const PATH_OPTIONS: [&str; 9] = [
    "--cpu-prof-dir",
    "--diagnostic-dir",
    "--env-file",
    "--heap-prof-dir",
    "--icu-data-dir",
    "--openssl-config",
    "--redirect-warnings",
    "--report-dir",
    "--report-directory",
];

/// Options in it whose value is a module: a path where it begins like one, else a package's name.
const MODULE_OPTIONS: [&str; 5] = ["--experimental-loader", "--import", "--loader", "--require", "-r"];

/// Makes the paths in these variables absolute, from this folder.
pub fn make_absolute(variables: &mut Variables, from: &Path) {
    for (name, value) in variables.iter_mut() {
        if value.is_empty() {
            continue;
        }
        if name == "NODE_OPTIONS" {
            *value = options(value, from);
        } else if LISTS.contains(&name.as_str()) {
            if value.split(':').any(|part| !part.is_empty() && !part.starts_with('/')) {
                *value = value.split(':').map(|part| absolute(part, from)).collect::<Vec<_>>().join(":");
            }
        } else if FILES.iter().any(|known| {
            // npm takes its own in any case
            known == name || known.starts_with("npm_") && known.eq_ignore_ascii_case(name)
        }) {
            *value = absolute(value, from);
        }
    }
}

/// A path from this folder; nothing stays nothing.
fn absolute(path: &str, from: &Path) -> String {
    if path.is_empty() || path.starts_with('/') {
        return path.to_owned();
    }
    let path = path.strip_prefix("./").unwrap_or(path);
    from.join(path).display().to_string()
}

/// The text of `NODE_OPTIONS` with absolute paths. What has none stays as it is written.
fn options(text: &str, from: &Path) -> String {
    let mut out = String::with_capacity(text.len());
    let mut expects: Option<String> = None; // an option whose value is the next word
    for word in words(text) {
        let Word::Text { raw, value } = word else {
            out.push(' ');
            continue;
        };
        let (option, given) = match (expects.take(), value.split_once('=')) {
            (Some(option), _) => (option, value.as_str()),
            (None, Some((option, given))) => (option.to_owned(), given),
            (None, None) => {
                if is_known(&value) {
                    expects = Some(value);
                }
                out.push_str(raw);
                continue;
            }
        };
        match replaced(&option, given, from) {
            Some(path) if given.len() == value.len() => out.push_str(&quoted(&path)),
            Some(path) => out.push_str(&quoted(&format!("{option}={path}"))),
            None => out.push_str(raw),
        }
    }
    out
}

fn is_known(option: &str) -> bool {
    PATH_OPTIONS.contains(&option) || MODULE_OPTIONS.contains(&option)
}

/// The value of an option as an absolute path, where it is a relative one.
fn replaced(option: &str, value: &str, from: &Path) -> Option<String> {
    let is_path = PATH_OPTIONS.contains(&option) && !value.is_empty() && !value.starts_with('/');
    let is_module =
        MODULE_OPTIONS.contains(&option) && ["./", "../"].iter().any(|start| value.starts_with(start));
    (is_path || is_module).then(|| absolute(value, from))
}

enum Word<'a> {
    Space,
    /// As it is written, and without quotes.
    Text {
        raw: &'a str,
        value: String,
    },
}

/// Words as Node.js splits them: at spaces outside double quotes, with backslashes inside them.
fn words(text: &str) -> Vec<Word<'_>> {
    let (mut words, mut begun, mut value, mut is_quoted) = (Vec::new(), None, String::new(), false);
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        if character == ' ' && !is_quoted {
            if let Some(start) = begun.take() {
                words.push(Word::Text { raw: &text[start..at], value: std::mem::take(&mut value) });
            }
            words.push(Word::Space);
            continue;
        }
        begun.get_or_insert(at);
        match character {
            '"' => is_quoted = !is_quoted,
            '\\' if is_quoted => value.extend(characters.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    if let Some(start) = begun {
        words.push(Word::Text { raw: &text[start..], value });
    }
    words
}

/// A word as Node.js reads it back.
fn quoted(word: &str) -> String {
    if !word.contains([' ', '"', '\\']) {
        return word.to_owned();
    }
    format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(name: &str, value: &str, from: &str) -> String {
        let mut variables = vec![(name.to_owned(), value.to_owned())];
        make_absolute(&mut variables, Path::new(from));
        variables.remove(0).1
    }

    #[test]
    fn relative_paths_count_from_the_hosts_folder() {
        for (name, value, expected) in [
            ("NODE_EXTRA_CA_CERTS", "./ca.pem", "/srv/ca.pem"),
            ("NODE_EXTRA_CA_CERTS", "/etc/ca.pem", "/etc/ca.pem"),
            ("GOOGLE_APPLICATION_CREDENTIALS", "key.json", "/srv/key.json"),
            ("NPM_CONFIG_CAFILE", "../ca.pem", "/srv/../ca.pem"),
            ("NODE_PATH", "lib:/usr/lib:", "/srv/lib:/usr/lib:"),
            ("PATH", "/bin:node_modules/.bin", "/bin:/srv/node_modules/.bin"),
            ("DATABASE", "./ca.pem", "./ca.pem"),
            ("SSL_CERT_FILE", "", ""),
        ] {
            assert_eq!(after(name, value, "/srv"), expected, "{name}={value}");
        }
    }

    #[test]
    fn node_options_keep_all_but_their_relative_paths() {
        for (value, expected) in [
            ("--require ./i.cjs", "--require /srv/i.cjs"),
            ("-r ../i.cjs  --no-warnings", "-r /srv/../i.cjs  --no-warnings"),
            ("--import=./i.mjs", "--import=/srv/i.mjs"),
            ("--require dotenv/config", "--require dotenv/config"),
            ("--import data:text/javascript,1", "--import data:text/javascript,1"),
            ("--max-old-space-size=100", "--max-old-space-size=100"),
            ("--icu-data-dir=icu", "--icu-data-dir=/srv/icu"),
            ("--icu-data-dir=/icu --title ./x", "--icu-data-dir=/icu --title ./x"),
            (r#"--require "./a b.cjs" -r "c""#, r#"--require "/srv/a b.cjs" -r "c""#),
            (r#""--require=./a\"b.cjs""#, r#""--require=/srv/a\"b.cjs""#),
            ("--require", "--require"),
            (" ", " "),
        ] {
            assert_eq!(after("NODE_OPTIONS", value, "/srv"), expected, "{value}");
        }
        assert_eq!(after("NODE_OPTIONS", "-r ./i.cjs", "/a b"), r#"-r "/a b/i.cjs""#);
    }
}
