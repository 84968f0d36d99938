//! Which values of a run are secret, and in which forms they may appear (contract, section 11).

use std::collections::BTreeSet;
use std::fmt::Write;

use super::json::{Value, parse, texts};

/// What the name of a secret parameter holds, in any case and with `_` and `-` left out.
const SECRET_NAMES: [&str; 8] =
    ["secret", "token", "password", "apikey", "credential", "privatekey", "accesskey", "serviceaccount"];

/// Most names and schemes before a secret, as in `Authorization: Bearer …`.
const MOST_PREFIXES: usize = 4;

/// Characters of the shortest value that is replaced.
pub const MIN_CHARACTERS: usize = 8;

/// Bytes of a value that are looked for: with all its forms it must neither hold a run up nor fill
/// the memory, and no credential is as long.
const MOST_BYTES: usize = 64 * 1024;

/// Lines of a value that are looked for one by one.
const MOST_LINES: usize = 1000;

/// A name as names are compared.
pub fn comparable(name: &str) -> String {
    name.chars()
        .filter(|character| !matches!(character, '_' | '-') && !character.is_whitespace())
        .flat_map(char::to_lowercase)
        .collect()
}

/// Whether a parameter or variable of this name is taken for secret.
pub fn is_secret_name(name: &str) -> bool {
    let name = comparable(name);
    SECRET_NAMES.iter().any(|part| name.contains(part))
}

/// Whether the name looks secret, and the value could be.
pub fn is_secret_variable(name: &str, value: &str) -> bool {
    is_secret_name(name) && could_be_secret(value)
}

/// As much of a value as is looked for.
fn beginning(text: &str) -> &str {
    let end = (0..=text.len().min(MOST_BYTES)).rev().find(|at| text.is_char_boundary(*at));
    &text[..end.unwrap_or_default()]
}

fn could_be_secret(text: &str) -> bool {
    text.chars().nth(MIN_CHARACTERS - 1).is_some() && !is_number_date_or_boolean(text)
}

/// How members of a key's file or a token's answer end that name addresses, ids and kinds, and no
/// secrets: an error that shows one stays readable.
const PUBLIC_ENDS: [&str; 12] = [
    "uri",
    "url",
    "domain",
    "type",
    "keyid",
    "clientid",
    "projectid",
    "email",
    "scope",
    "scopes",
    "expiry",
    "expiresin",
];

/// Whether a member of a secret's JSON is none itself, though its name may hold `token` or `key`.
fn is_public_member(name: &str) -> bool {
    let name = comparable(name);
    PUBLIC_ENDS.iter().any(|end| name.ends_with(end))
}

/// Whether these are the members of a key's file, such as a service account's: its own, and no
/// parameters.
fn is_key_file(members: &[(String, Value)]) -> bool {
    let is_text =
        |wanted: &str| members.iter().any(|(name, value)| name == wanted && matches!(value, Value::Text(_)));
    ["private_key", "client_secret", "refresh_token"].iter().any(|name| is_text(name))
        && (is_text("type") || is_text("token_uri"))
}

/// Names of parameters that a manifest marks as secret.
#[derive(Debug, Clone, Default)]
pub struct Marked {
    /// Those of the source.
    pub source: Vec<String>,
    /// Those of the storage.
    pub storage: Vec<String>,
}

/// Collects secret values.
#[derive(Debug, Default)]
pub struct Collector {
    values: BTreeSet<String>,
    names: Vec<String>,
}

impl Collector {
    /// Parameters of these names are secret, too.
    pub fn new(names: &[String]) -> Self {
        Self { values: BTreeSet::new(), names: names.iter().map(|name| comparable(name)).collect() }
    }

    /// Takes the secret parameters of `OW_CONFIG`.
    pub fn config(&mut self, text: &str, marked: &Marked) {
        let Some(config) = parse(text) else { return };
        for (section, names) in [("source", &marked.source), ("storage", &marked.storage)] {
            let names: Vec<_> = names.iter().map(|name| comparable(name)).collect();
            if let Some(section) = config.member(section) {
                self.walk(section, &names);
            }
        }
        self.walk(&config, &[]);
    }

    /// Takes the secret fields of `OW_RUN_CONFIG`: `data` names parameters in `configField`.
    pub fn run_config(&mut self, text: &str) {
        let Some(config) = parse(text) else { return };
        self.walk(&config, &[]);
        let Some(Value::Array(fields)) = config.member("data") else { return };
        for field in fields {
            let (Some(Value::Text(name)), Some(value)) = (field.member("configField"), field.member("value"))
            else {
                continue;
            };
            if self.is_secret(name, &[]) {
                self.secret(value, &[]);
            }
        }
    }

    /// Takes a variable, where its name is one that was asked for.
    pub fn variable(&mut self, name: &str, value: &str) {
        if self.names.contains(&comparable(name)) {
            self.value(value);
        }
    }

    /// Takes a secret that the caller names: it is one also where it looks like a number or a date.
    pub fn given(&mut self, text: &str) {
        if text.chars().nth(MIN_CHARACTERS - 1).is_some() {
            self.values.insert(beginning(text).to_owned());
        }
        self.value(text);
    }

    /// Takes one secret.
    pub fn value(&mut self, text: &str) {
        self.value_at(text, 0);
    }

    /// One that stood in so many others.
    fn value_at(&mut self, text: &str, depth: usize) {
        self.insert(text);
        let trimmed = text.trim();
        self.insert(trimmed);
        // "X-Api-Key: …" and "Bearer …" are written in one, and printed in two
        let name_and_rest = trimmed.split_once(": ").filter(|(name, _)| {
            name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        });
        let schemes = ["Bearer ", "Basic ", "Token "];
        let rests = schemes.iter().filter_map(|scheme| trimmed.strip_prefix(scheme));
        for rest in name_and_rest.map(|(_, rest)| rest).into_iter().chain(rests) {
            if depth < MOST_PREFIXES {
                self.value_at(rest, depth + 1);
            }
        }
        match parse(trimmed) {
            Some(Value::Object(members, _)) => self.members_of(&members, &[]),
            Some(Value::Array(items)) => items.iter().for_each(|item| self.secret(item, &[])),
            // the lines of a key may be printed one by one
            _ => {
                let lines = trimmed.lines().filter(|line| !line.starts_with("-----"));
                lines.take(MOST_LINES).for_each(|line| self.insert(line.trim()));
            }
        }
    }

    fn insert(&mut self, text: &str) {
        if could_be_secret(text) {
            self.values.insert(beginning(text).to_owned());
        }
    }

    fn is_secret(&self, name: &str, marked: &[String]) -> bool {
        let comparable = comparable(name);
        is_secret_name(name) || marked.contains(&comparable) || self.names.contains(&comparable)
    }

    /// Looks at every member below a value.
    fn walk(&mut self, value: &Value, marked: &[String]) {
        match value {
            Value::Object(members, _) if is_key_file(members) => self.members_of(members, marked),
            Value::Object(members, _) => {
                for (name, value) in members {
                    if self.is_secret(name, marked) {
                        self.secret(value, marked);
                    } else {
                        self.walk(value, marked);
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.walk(item, marked)),
            Value::Text(text) => self.password_in(text),
            Value::Other(_) => {}
            Value::Deep(raw) => self.everything_in(raw),
        }
    }

    /// Takes all texts of what lies too deep: what is secret there is not known.
    fn everything_in(&mut self, raw: &str) {
        texts(raw).for_each(|text| self.insert(&text));
    }

    fn password_in(&mut self, text: &str) {
        if let Some(password) = password_of(text) {
            self.insert(password);
            self.insert(&percent_decoded(password).unwrap_or_default());
        }
    }

    /// Takes the values of a message with new credentials: every text but addresses and kinds, and
    /// numbers where their names are secret.
    pub fn credentials(&mut self, message: &str) {
        if let Some(Value::Object(members, _)) = parse(message) {
            for (name, value) in &members {
                if !matches!(name.as_str(), "type" | "at" | "status" | "date") {
                    self.credential(name, value);
                }
            }
        }
    }

    fn credential(&mut self, name: &str, value: &Value) {
        match value {
            Value::Object(members, _) => {
                for (name, value) in members {
                    self.credential(name, value);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.credential(name, item)),
            Value::Text(text) if is_public_member(name) => self.password_in(text),
            Value::Text(text) if is_secret_name(name) => self.given(text),
            Value::Text(text) => self.value(text),
            Value::Other(text) if is_secret_name(name) && !is_public_member(name) => self.given(text),
            Value::Other(_) => {}
            Value::Deep(raw) => self.everything_in(raw),
        }
    }

    /// Takes what lies below a secret object: all but addresses and kinds. Of a key's file, the
    /// members whose names are secret, since the others tell whose it is.
    fn members_of(&mut self, members: &[(String, Value)], marked: &[String]) {
        for (name, member) in members {
            let is_asked_for = self.names.contains(&comparable(name));
            let is_secret = is_asked_for || !is_public_member(name);
            match member {
                _ if is_secret && (is_secret_name(name) || !is_key_file(members)) => {
                    self.secret(member, marked);
                }
                Value::Text(text) => self.password_in(text),
                Value::Array(_) | Value::Object(..) | Value::Deep(_) => self.walk(member, marked),
                Value::Other(_) => {}
            }
        }
    }

    /// Takes the value of a secret parameter. Of an object it is the whole, and what lies below it.
    fn secret(&mut self, value: &Value, marked: &[String]) {
        match value {
            Value::Text(text) => self.value(text),
            Value::Array(items) => items.iter().for_each(|item| self.secret(item, marked)),
            Value::Object(members, raw) => {
                match value.member("value") {
                    // the name of a choice; the choice's own parameters are under `items`
                    Some(_) if value.member("items").is_some() => {}
                    Some(inner @ Value::Object(..)) => return self.secret(inner, marked),
                    Some(inner) => self.secret(inner, marked),
                    None => {
                        self.insert(raw);
                        self.members_of(members, marked);
                        return;
                    }
                }
                self.walk(value, marked);
            }
            Value::Other(_) => {}
            Value::Deep(_) => self.walk(value, marked),
        }
    }

    /// The same of so many secrets at most, none of them longer than this; and how many they are.
    pub fn into_some_needles(mut self, most: usize, longest: usize) -> (usize, BTreeSet<Vec<u8>>) {
        self.values.retain(|value| value.len() <= longest);
        while self.values.len() > most {
            self.values.pop_last();
        }
        (self.values.len(), self.into_needles())
    }

    /// Every form in which the secrets may appear.
    pub fn into_needles(self) -> BTreeSet<Vec<u8>> {
        let mut needles = BTreeSet::new();
        for value in &self.values {
            add_forms(value, &mut needles);
            if value.contains('\n') && !value.contains('\r') {
                add_forms(&value.replace('\n', "\r\n"), &mut needles);
            }
        }
        needles
    }
}

/// The password in an address such as `https://user:password@host/path`, as it is written there.
fn password_of(text: &str) -> Option<&str> {
    let (scheme, rest) = text.trim_start().split_once("://")?;
    let is_scheme = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    if scheme.is_empty() || !scheme.bytes().all(is_scheme) {
        return None;
    }
    let authority = rest.split(['/', '?', '#']).next()?;
    let (user, _) = authority.rsplit_once('@')?;
    user.split_once(':').map(|(_, password)| password)
}

/// Text with `%41` and the like replaced; `None` where that is no text.
pub fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|two| *first == b'%' && two.iter().all(u8::is_ascii_hexdigit));
        let code = digits.and_then(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(bytes).ok()
}

/// Values that say nothing secret, and that would be found in every line.
fn is_number_date_or_boolean(text: &str) -> bool {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte))
        && text.parse::<f64>().is_ok();
    let bytes = text.as_bytes();
    let is_day = bytes.len() >= 10
        && bytes[..10].iter().enumerate().all(|(index, byte)| match index {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    let is_date = is_day
        && (bytes.len() == 10 || b"T ".contains(&bytes[10]))
        && bytes[10..].iter().all(|byte| byte.is_ascii_digit() || b"T :.Z+-".contains(byte));
    is_number || is_date // booleans are shorter than any secret
}

/// A value as it is, JSON-escaped once and twice (JSON in a JSON string), and those URL-encoded
/// and in base64.
fn add_forms(value: &str, needles: &mut BTreeSet<Vec<u8>>) {
    let escaped = json_escaped(value);
    let forms = [value, &escaped];
    for form in &forms[..if escaped == value { 1 } else { 2 }] {
        needles.insert(form.as_bytes().to_vec());
        add_url_encodings(form, needles);
        add_base64(form.as_bytes(), needles);
    }
    needles.insert(json_escaped(&escaped).into_bytes());
    if value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._=".contains(&byte)) {
        return; // no encoder of JSON escapes any of it
    }
    for slashed in [&escaped, &escaped.replace('/', "\\/")] {
        for in_hexadecimal in HEXADECIMAL {
            for (is_upper, others) in
                [(false, None), (true, None), (false, Some(false)), (true, Some(true)), (true, Some(false))]
            {
                let escaped = escaped_as(slashed, in_hexadecimal, is_upper, others);
                needles.insert(json_escaped(&escaped).into_bytes());
                needles.insert(escaped.into_bytes());
            }
        }
    }
}

/// As `JSON.stringify` writes it, without the quotes.
fn json_escaped(text: &str) -> String {
    // a string always has a JSON form
    let quoted = serde_json::to_string(text).unwrap_or_default();
    quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default().to_owned()
}

/// Characters that encoders of JSON write as `\u0026`, beside those that have to be: none, those of
/// Go, of scripts in pages, of .NET, of PHP.
const HEXADECIMAL: [&str; 5] = ["", "<>&", "<>/", "<>&'+`\"", "<>&'\""];

/// JSON-escaped text as other encoders write it: `others` is what is not ASCII, in capitals or not
/// (PHP has capitals for `<` alone).
fn escaped_as(escaped: &str, in_hexadecimal: &str, is_upper: bool, others: Option<bool>) -> String {
    let mut text = String::with_capacity(escaped.len());
    let add = |text: &mut String, character: char, is_upper: bool| {
        for unit in character.encode_utf16(&mut [0; 2]) {
            // writing into a String cannot fail
            let _ = if is_upper { write!(text, "\\u{unit:04X}") } else { write!(text, "\\u{unit:04x}") };
        }
    };
    let mut characters = escaped.chars();
    while let Some(character) = characters.next() {
        if character == '\\' {
            let Some(next) = characters.next() else { break };
            if in_hexadecimal.contains(next) && matches!(next, '"' | '/') {
                add(&mut text, next, is_upper);
            } else if next == 'u' {
                // a control character: four digits follow
                let digits: String = characters.by_ref().take(4).collect();
                text.push_str("\\u");
                text.push_str(&if is_upper { digits.to_ascii_uppercase() } else { digits });
            } else {
                text.extend([character, next]);
            }
        } else if in_hexadecimal.contains(character) {
            add(&mut text, character, is_upper);
        } else if let Some(is_upper) = others.filter(|_| !character.is_ascii()) {
            add(&mut text, character, is_upper);
        } else {
            text.push(character);
        }
    }
    text
}

/// What the usual encoders leave as it is, beside letters, digits, `-`, `.` and `_`.
const UNESCAPED: [&[u8]; 15] = [
    b"~!*'()",                     // encodeURIComponent, querystring
    b"~",                          // RFC 3986
    b"~()",                        // qs, as RFC 1738 has it
    b"*",                          // forms and URLSearchParams
    b"~!*'():$,",                  // axios
    b"~!*'():$,[]",                // axios before 1.8
    b"~!$&'()*+,%",                // user name and password of a URL object
    b"@*+/",                       // escape()
    b"~!*'();/?:@&=+$,#",          // encodeURI
    b"~!*'();/?:@&=+$,#[]",        // the same, with addresses of IPv6
    b"~!*();/?:@&=+$,%[]\\^`{|}'", // the query of a URL object
    b"~!*();/?:@&=+$,%[]\\^`{|}",  // of one whose scheme is special
    b"~!*();/:@&=+$,%[]\\|'",      // its path
    b"~!*();/:@&=+$,%[]\\^|'",     // before 2024
    b"~!*();/?:@&=+$,%[]\\^{|}'#", // its fragment
];

fn add_url_encodings(text: &str, needles: &mut BTreeSet<Vec<u8>>) {
    const UPPER: &[u8; 16] = b"0123456789ABCDEF";
    const LOWER: &[u8; 16] = b"0123456789abcdef";
    let spaces: &[bool] = if text.contains(' ') { &[false, true] } else { &[false] };
    for unescaped in UNESCAPED {
        let is_kept =
            |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte) || unescaped.contains(&byte);
        if text.bytes().all(is_kept) {
            continue; // it is the text
        }
        for (digits, space_is_plus) in
            [UPPER, LOWER].into_iter().flat_map(|digits| spaces.iter().map(move |plus| (digits, *plus)))
        {
            let mut encoded = Vec::with_capacity(text.len() * 2);
            for byte in text.bytes() {
                if is_kept(byte) {
                    encoded.push(byte);
                } else if byte == b' ' && space_is_plus {
                    encoded.push(b'+');
                } else {
                    let (high, low) = (byte >> 4, byte & 15);
                    encoded.extend([b'%', digits[usize::from(high)], digits[usize::from(low)]]);
                }
            }
            needles.insert(encoded);
        }
    }
}

/// The characters of base64 that depend on nothing but the secret, for each of the three places
/// at which it may start, in both alphabets.
fn add_base64(secret: &[u8], needles: &mut BTreeSet<Vec<u8>>) {
    const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for alphabet in [STANDARD, URL_SAFE] {
        for before in 0..3 {
            // bits of the first character that the bytes before fill, and of the whole
            let skipped = (before * 8_usize).div_ceil(6) * 6 - before * 8;
            let bits = secret.len() * 8;
            let bit = |at: usize| secret[at / 8] >> (7 - at % 8) & 1;
            let characters = (skipped..bits).step_by(6).take_while(|start| start + 6 <= bits).map(|start| {
                let index = (start..start + 6).fold(0, |index, at| index << 1 | bit(at));
                alphabet[usize::from(index)]
            });
            needles.insert(characters.collect());
        }
    }
}
