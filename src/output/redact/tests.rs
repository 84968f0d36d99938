//! Whole streams: nothing leaks, nothing else changes, however the bytes arrive.

use proptest::prelude::*;

use super::*;
use crate::fuzz::{cases, split};

fn secrets(values: &[&str]) -> Arc<Secrets> {
    let redaction = Redaction {
        values: values.iter().map(|value| (*value).to_owned()).collect(),
        ..Redaction::default()
    };
    Secrets::find(&redaction, &[], &Marked::default()).expect("secrets")
}

/// What passes when the stream arrives in these pieces.
fn pass(secrets: &Arc<Secrets>, pieces: &[&[u8]]) -> Vec<u8> {
    let mut redactor = Redactor::new(Some(secrets.clone()));
    let mut passed = Vec::new();
    for piece in pieces {
        passed.extend_from_slice(&redactor.push(*piece));
    }
    passed.extend(redactor.finish());
    passed
}

fn pass_text(values: &[&str], text: &str) -> String {
    String::from_utf8(pass(&secrets(values), &[text.as_bytes()])).unwrap()
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
        let group = group << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            text.push(char::from(ALPHABET[group >> (18 - 6 * place) & 63]));
        }
        text.push_str(&"=".repeat(3 - chunk.len()));
    }
    text
}

/// `encodeURIComponent`.
fn url(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => char::from(byte).to_string(),
            byte if b"-_.!~*'()".contains(&byte) => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

fn json(text: &str) -> String {
    let quoted = serde_json::to_string(text).unwrap();
    quoted[1..quoted.len() - 1].to_owned()
}

#[test]
fn each_form_of_a_secret_is_replaced() {
    let secret = "p/ss\"w\u{f6}rd\nline two";
    for form in
        [secret.to_owned(), json(secret), json(&json(secret)), url(secret), json(secret).replace('/', "\\/")]
    {
        assert_eq!(pass_text(&[secret], &format!("a {form} z\n")), "a *** z\n", "{form}");
    }
    for before in ["", "u", "us", "user:"] {
        let encoded = base64(format!("{before}{secret}:and more").as_bytes());
        let passed = pass_text(&[secret], &format!("Basic {encoded}\n"));
        assert!(passed.contains("***"), "{passed}");
        // at most one character each side depends on a neighbour
        let whole = base64(secret.as_bytes());
        assert!(!passed.contains(&whole[4..whole.len() - 4]), "{passed}");
    }
    assert_eq!(
        pass_text(&[secret], "{\"m\":\"p\\u002Fss\\\"w\\u00f6rd\\nline two\"}\n"),
        "{\"m\":\"***\"}\n"
    );
}

#[test]
fn json_lines_stay_json_and_keep_what_tells_of_the_run() {
    // written plainly, this secret would be found across the strings of the line
    assert_eq!(
        pass_text(&["\",\"message\":\""], "{\"a\":\"\",\"message\":\"x\"}\n"),
        "{\"a\":\"\",\"message\":\"x\"}\n"
    );
    assert_eq!(pass_text(&["ends with \\"], "{\"a\":\"ends with \\\"\"}\n"), "{\"a\":\"ends with \\\"\"}\n");
    assert_eq!(pass_text(&["ends with \\"], "{\"a\":\"ends with \\\\\"}\n"), "{\"a\":\"***\"}\n");
    let line = "{\"type\":\"updateCurrentStatus\",\"date\":\"2026-01-01T00:00:00.000Z\",\"x\":\"updateCurrentStatus\"}\n";
    assert_eq!(
        pass_text(&["updateCurrentStatus"], line),
        line.replace("\"x\":\"updateCurrentStatus", "\"x\":\"***")
    );
    assert_eq!(
        pass_text(&["abcdefgh"], "{\"abcdefgh\":1}{\"b\":\"-abcdefgh-\"}\n"),
        "{\"***\":1}{\"b\":\"-***-\"}\n"
    );
    assert_eq!(
        pass_text(&["abcdefgh"], "{\"n\":12345678901,\"t\":true}\n"),
        "{\"n\":12345678901,\"t\":true}\n"
    );
}

#[test]
fn text_passes_before_its_line_ends() {
    let secrets = secrets(&["abcdefgh"]);
    let mut redactor = Redactor::new(Some(secrets));
    assert_eq!(&*redactor.push(b"10 %"), b"10 %");
    assert_eq!(&*redactor.push(b" abc"), b" ");
    assert_eq!(&*redactor.push(b"d."), b"abcd.");
    assert_eq!(&*redactor.push(b"\n{\"a\":"), b"\n");
    assert_eq!(&*redactor.push(b"1}\n"), b"{\"a\":1}\n");
    // an endless secret holds back no more than its length
    let before = redactor.push(b"abcdefgh".repeat(1000)).len();
    assert!(before >= 3000 - 3, "{before}");
}

#[test]
fn secrets_over_several_lines_are_found_between_other_lines() {
    let key = "-----BEGIN KEY-----\nMIIabcdefgh\nshort\n-----END KEY-----\n";
    assert_eq!(pass_text(&[key], &format!("a\n{key}b\n")), "a\n***b\n");
    assert_eq!(pass_text(&[key], "> MIIabcdefgh\n"), "> ***\n");
    assert_eq!(pass_text(&[key], "-----BEGIN KEY-----\n"), "-----BEGIN KEY-----\n");
}

#[test]
fn lines_of_a_secret_that_are_json_are_no_messages() {
    // lines of 8 characters would be secrets themselves
    for secret in ["one two\n{}", "one\n{\"a\":1}\ntwo", "{}\none two"] {
        assert_eq!(pass_text(&[secret], &format!("a\n{secret}\nb\n")), "a\n***\nb\n");
        assert_eq!(pass_text(&[secret], secret), "***");
        let (first, _) = secret.split_once('\n').unwrap();
        let other = format!("{first}\n{{\"other\":2}}\n");
        assert_eq!(pass_text(&[secret], &other), other);
    }
}

#[test]
fn a_value_that_is_named_is_secret_whatever_it_looks_like() {
    let line =
        "{\"type\":\"log\",\"at\":\"2026-01-31\",\"message\":\"2026-01-31 1234567890\",\"id\":1234567890}\n";
    let expected = "{\"type\":\"log\",\"at\":\"2026-01-31\",\"message\":\"*** ***\",\"id\":1234567890}\n";
    assert_eq!(pass_text(&["1234567890", "2026-01-31"], line), expected);
}

#[test]
fn the_secret_parameters_of_a_run_are_found() {
    let config = serde_json::json!({
        "datamartId": "d", "name": "n",
        "source": { "name": "S", "config": {
            "Access_Token": { "value": "token-value-1" },
            "AuthType": { "value": "oauth2-choice", "items": {
                "ClientSecret": { "value": "client-secret-1" }, "ClientId": { "value": "client-id-public" },
            } },
            "CredentialKind": { "value": "service-choice", "items": { "Email": { "value": "mail@example.com" } } },
            "Headers": { "value": ["X-Other: header-value-1", "Authorization: Bearer bearer-value-1"] },
            "ServiceAccountJson": { "value": "{\"type\":\"service_account\",\"project_id\":\"project-name\",\"private_key\":\"-----BEGIN\\nkey-line-number-1\\n\"}" },
            "Account": { "value": "public-account" }, "TokenCount": { "value": 12_345_678 },
            "TokenDate": { "value": "2026-01-01T00:00:00Z" }, "TokenNumber": { "value": "1234567890" },
            "Short-Password": { "value": "short" },
            "Path": { "value": "https://user-name:path%20word-1@host.example/a@b:c" },
            "List": { "value": ["jdbc+x://u:p@ss-list-word@h:5432/database"] },
            "Plain": { "value": "https://host.example/user:not-a-password@x" },
        } },
        "storage": { "name": "T", "config": { "Credentials": { "client_email": "mail@example.org", "private_key": "storage-key-1" } } },
    });
    let run_config = r#"{"data":[{"configField":"ApiKey","value":"run-data-key-1"},{"configField":"Other","value":"run-data-other"}]}"#;
    let variables = [
        ("OW_CONFIG", config.to_string()),
        ("OW_RUN_CONFIG", run_config.to_owned()),
        ("MY_KEY", "environment-1".into()),
    ]
    .map(|(name, value)| (name.to_owned(), value));
    let redaction = Redaction { names: vec!["my-key".into()], ..Redaction::default() };
    let marked = Marked { source: vec!["Headers".into()], storage: Vec::new() };
    let secrets = Secrets::find(&redaction, &variables, &marked).unwrap();
    for secret in [
        "token-value-1",
        "client-secret-1",
        "header-value-1",
        "bearer-value-1",
        "key-line-number-1",
        "storage-key-1",
        "run-data-key-1",
        "environment-1",
        "path%20word-1",
        "path word-1",
        "p@ss-list-word",
    ] {
        assert_eq!(secrets.redact(&format!("<{secret}>")), "<***>", "{secret}");
    }
    let whole = config["storage"]["config"]["Credentials"].to_string();
    assert_eq!(secrets.redact(&whole), "***");
    for public in [
        "oauth2-choice",
        "client-id-public",
        "service-choice",
        "mail@example.com",
        "project-name",
        "public-account",
        "12345678",
        "1234567890",
        "2026-01-01T00:00:00Z",
        "short",
        "mail@example.org",
        "run-data-other",
        "service_account",
        "user-name",
        "host.example",
        "not-a-password",
    ] {
        assert_eq!(secrets.redact(public), public);
    }
}

#[test]
fn nothing_is_replaced_where_nothing_is_secret_or_wanted() {
    let variables =
        [("OW_CONFIG".to_owned(), r#"{"source":{"config":{"Token":{"value":"token-value"}}}}"#.to_owned())];
    let off = Redaction { enabled: false, ..Redaction::default() };
    assert!(Secrets::find(&off, &variables, &Marked::default()).is_none());
    assert!(Secrets::find(&Redaction::default(), &variables, &Marked::default()).is_some());
    let none = Secrets::find(&Redaction::default(), &variables[..0], &Marked::default()).unwrap();
    assert_eq!(none.redact("token-value"), "token-value");
    // a lone surrogate elsewhere does not hide the secret
    let odd = [(variables[0].0.clone(), variables[0].1.replace("{\"Token", "{\"a\":\"\\ud800\",\"Token"))];
    assert!(Secrets::find(&Redaction::default(), &odd, &Marked::default()).is_some());
}

#[test]
fn of_a_keys_file_only_what_is_secret_is() {
    let key = serde_json::json!({
        "type": "service_account", "project_id": "my-project-id", "private_key_id": "0123456789abcdef",
        "private_key": "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\n-----END PRIVATE KEY-----\n",
        "client_email": "me@my-project-id.iam.gserviceaccount.com", "client_secret": "GOCSPX-secret",
        "refresh_token": "1//refresh-token", "token_uri": "https://oauth2.googleapis.com/token",
    });
    let as_text = serde_json::json!({ "source": { "config": { "ServiceAccountJson": key.to_string() } } });
    let as_object = serde_json::json!({ "storage": { "config": { "MyKey": { "value": key.clone() } } } });
    let marked = Marked { source: Vec::new(), storage: vec!["MyKey".to_owned()] };
    for config in [as_text, as_object] {
        let variables = [("OW_CONFIG".to_owned(), config.to_string())];
        let secrets = Secrets::find(&Redaction::default(), &variables, &marked).unwrap();
        for (text, redacted) in [
            (
                "POST https://oauth2.googleapis.com/token failed",
                "POST https://oauth2.googleapis.com/token failed",
            ),
            ("me@my-project-id.iam.gserviceaccount.com", "me@my-project-id.iam.gserviceaccount.com"),
            ("key 0123456789abcdef of service_account", "key 0123456789abcdef of service_account"),
            ("GOCSPX-secret 1//refresh-token MIIEvQIBADANBg", "*** *** ***"),
        ] {
            assert_eq!(secrets.redact(text), redacted);
        }
        assert_eq!(secrets.redact(&key.to_string()), "***");
    }
}

#[test]
fn what_a_run_learns_is_bounded_and_found_like_everything_else() {
    let secrets = Secrets::find(&Redaction::default(), &[], &Marked::default()).unwrap();
    secrets.learn(
        r#"{"type":"updateCredentials","credentials":{"token":"learnt-token","pin_token":12345678,
        "expiresAt":1767225600000,"token_uri":"https://u:pass-word@host/token","scope":"read_only"}}"#,
    );
    for (text, redacted) in [
        ("learnt-token, 12345678, pass-word", "***, ***, ***"),
        (
            "1767225600000 host/token read_only updateCredentials",
            "1767225600000 host/token read_only updateCredentials",
        ),
        ("bGVhcm50LXRva2Vu", "***"),
    ] {
        assert_eq!(secrets.redact(text), redacted);
    }
    secrets.learn(&format!(r#"{{"a":"{}","b":"short","c":"another-one"}}"#, "x".repeat(LONGEST_LEARNT + 1)));
    assert_eq!(secrets.redact("another-one"), "***");
    assert!(secrets.redact(&"x".repeat(LONGEST_LEARNT + 1)).starts_with('x'));
    let many = (0..MOST_LEARNT * 2).map(|number| format!("\"k{number}\":\"value-{number:06}\""));
    secrets.learn(&format!("{{{}}}", many.collect::<Vec<_>>().join(",")));
    let found = (0..MOST_LEARNT * 2).filter(|number| secrets.redact(&format!("value-{number:06}")) == "***");
    assert!((1..=MOST_LEARNT).contains(&found.count()));
}

#[test]
fn what_a_connector_names_is_hidden_or_it_is_told_that_it_is_not() {
    let secrets = Secrets::find(&Redaction::default(), &[], &Marked::default()).unwrap();
    for value in ["short", "", "1234567890", "2026-01-01", &"x".repeat(LONGEST_LEARNT + 1)] {
        assert!(!secrets.learn_value(value), "{value}");
        assert_eq!(secrets.redact(value), value);
    }
    assert!(secrets.learn_value("Bearer derived-token"));
    assert_eq!(secrets.redact("derived-token derived\\u002dtoken"), "*** derived\\u002dtoken");
    for number in 1..MOST_LEARNT * 2 {
        let value = format!("value-{number:06}");
        assert_eq!(secrets.learn_value(&value), secrets.redact(&value) == "***");
    }
    assert!(!secrets.learn_value("one-too-many"));
    assert!(secrets.learn_value("value-000001"), "it is known");
}

/// A secret: any characters, lines included, but nothing of the mark itself.
fn any_secret() -> impl Strategy<Value = String> {
    let characters = prop_oneof![
        6 => prop::char::range('!', '~'),
        1 => Just('"'), 1 => Just('\\'), 1 => Just('/'), 1 => Just('\n'), 1 => Just(' '),
        1 => prop::char::range('\u{a1}', '\u{4ff}'), 1 => Just('😀'),
    ];
    prop::collection::vec(characters, 8..40)
        .prop_map(|characters| {
            characters.into_iter().filter(|character| *character != '*').collect::<String>()
        })
        .prop_filter("long enough", |text| text.trim().chars().count() >= 8 && text.parse::<f64>().is_err())
}

#[derive(Debug, Clone)]
enum Piece {
    Plain(String),
    Secret(usize, usize),
    JsonLine(String, usize, usize),
}

fn any_piece() -> impl Strategy<Value = Piece> {
    prop_oneof![
        "[ -)+-~\u{e9}ж\n]{0,12}".prop_map(Piece::Plain),
        (0_usize..8, 0_usize..6).prop_map(|(which, form)| Piece::Secret(which, form)),
        ("[a-z ]{0,6}", 0_usize..8, 0_usize..6)
            .prop_map(|(text, which, form)| Piece::JsonLine(text, which, form)),
    ]
}

fn form_of(secret: &str, form: usize) -> String {
    match form {
        0 => secret.to_owned(),
        1 => json(secret),
        2 => url(secret),
        3 => json(&json(secret)),
        _ => base64(secret.as_bytes()),
    }
}

/// What of a form depends on nothing but the secret: the last group of base64 may be padded.
fn essence(secret: &str, form: usize) -> String {
    let text = form_of(secret, form);
    if form < 4 { text } else { text.trim_end_matches('=')[..secret.len() * 8 / 6].to_owned() }
}

proptest! {
    #![proptest_config(cases(10_000))]

    /// Ten thousand secrets and streams: no form of a secret passes, however the stream is split,
    /// what is a line of JSON stays one, and the split changes nothing.
    #[test]
    fn no_secret_leaks(
        values in prop::collection::vec(any_secret(), 1..4),
        pieces in prop::collection::vec(any_piece(), 1..12),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
    ) {
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let mut stream = String::new();
        let mut json_lines = 0;
        for piece in &pieces {
            match piece {
                Piece::Plain(text) => stream.push_str(text),
                Piece::Secret(which, form) => stream.push_str(&form_of(values[which % values.len()], *form)),
                Piece::JsonLine(text, which, form) => {
                    let message = format!("{text}{}{text}", form_of(values[which % values.len()], *form));
                    let line = serde_json::json!({ "type": "log", "message": message });
                    stream.extend(["\n", &line.to_string(), "\n"]);
                    json_lines += 1;
                }
            }
        }
        let secrets = secrets(&values);
        let whole = pass(&secrets, &[stream.as_bytes()]);
        let passed = pass(&secrets, &split(stream.as_bytes(), &cuts));
        prop_assert_eq!(&passed, &whole, "the split matters");
        let passed = String::from_utf8(passed).expect("text");
        for value in &values {
            for form in 0..5 {
                let essence = essence(value, form);
                prop_assert!(!passed.contains(&essence), "{essence:?} leaked in {passed:?}");
            }
        }
        let still = passed.lines().filter(|line| line.starts_with("{\"type\":\"log\",\"message\":")
            && serde_json::from_str::<serde_json::Value>(line).is_ok()).count();
        prop_assert!(still >= json_lines, "{json_lines} lines of JSON became {still}: {passed:?}");
    }
}

proptest! {
    #![proptest_config(cases(256))]

    /// What holds no secret passes byte for byte, also what is no text at all.
    #[test]
    fn nothing_else_changes(
        value in "[a-z]{20,30}",
        bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'\n'), Just(b'"'), Just(b'{'), Just(b'\\'), Just(b'}')], 0..200),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
    ) {
        prop_assert_eq!(pass(&secrets(&[&value]), &split(&bytes, &cuts)), bytes);
    }
}

#[test]
fn what_lies_deep_in_a_configuration_hides_nothing_beside_it() {
    for levels in [70, 5000] {
        let deep = "[".repeat(levels) + "{\"Key\":\"deep-secret-value\"}" + &"]".repeat(levels);
        let config = format!(
            r#"{{"source":{{"config":{{"Fields":{{"value":{deep}}},"AccessToken":{{"value":"plain-secret-value"}},"ApiToken":{{"value":{deep}}}}}}}}}"#
        );
        let variables = [("OW_CONFIG".to_owned(), config)];
        let secrets = Secrets::find(&Redaction::default(), &variables, &Marked::default()).unwrap();
        assert_eq!(secrets.redact("plain-secret-value, deep-secret-value"), "***, ***", "{levels} levels");
    }
    let many = "Bearer ".repeat(1000) + "token-token";
    let variables = [("OW_CONFIG".to_owned(), format!(r#"{{"AccessToken":"{many}"}}"#))];
    Secrets::find(&Redaction::default(), &variables, &Marked::default()).unwrap();
}

#[test]
fn a_secret_of_a_million_equal_characters_costs_no_more_than_a_short_one() {
    let long = "a".repeat(1_000_000);
    let secrets = secrets(&[&long]);
    let short = &long[..100_000];
    let text = format!("- {short} -\n{{\"type\":\"log\",\"message\":\"{short}\"}}\n");
    let pieces: Vec<&[u8]> = text.as_bytes().chunks(4096).collect();
    let passed = String::from_utf8(pass(&secrets, &pieces)).unwrap();
    assert_eq!(passed, "- *** -\n{\"type\":\"log\",\"message\":\"***\"}\n");
    assert_eq!(secrets.redact(short), "***");
}

#[test]
#[expect(clippy::format_collect, reason = "a few lines")]
fn a_long_secret_is_one_however_it_arrives() {
    let long: String = (0..120).map(|number| format!("{number}é{}\n", number * 7)).collect();
    let text = format!("a {long} b\n{{\"m\":1}}\n");
    let secrets = secrets(&[&long]);
    for size in [7, 255, 257, 5000] {
        let pieces: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
        let passed = String::from_utf8(pass(&secrets, &pieces)).unwrap();
        assert_eq!(passed, "a *** b\n{\"m\":1}\n", "{size}");
    }
}

#[test]
fn the_forms_of_encoders_are_found_in_both_cases() {
    let secret = "p&s+w<o>'r d/:$,[x]=ö@";
    for form in [
        // JSON: Go, scripts in pages, .NET, PHP
        "p\\u0026s+w\\u003co\\u003e'r d/:$,[x]=ö@",
        "p\\u0026s+w\\u003Co\\u003E'r d/:$,[x]=\\u00F6@",
        "p&s+w\\u003Co\\u003E'r d\\u002F:$,[x]=ö@",
        "p\\u0026s\\u002Bw\\u003Co\\u003E\\u0027r d/:$,[x]=\\u00F6@",
        "p\\u0026s+w\\u003Co\\u003E\\u0027r d\\/:$,[x]=\\u00f6@",
        // within a string of JSON
        "p\\\\u0026s+w\\\\u003co\\\\u003e'r d/:$,[x]=ö@",
        // Node.js: encodeURIComponent, URLSearchParams, URL.password, URL.search, URL.hash, escape
        "p%26s%2Bw%3Co%3E'r%20d%2F%3A%24%2C%5Bx%5D%3D%C3%B6%40",
        "p%26s%2Bw%3Co%3E%27r+d%2F%3A%24%2C%5Bx%5D%3D%C3%B6%40",
        "p&s+w%3Co%3E'r%20d%2F%3A$,%5Bx%5D%3D%C3%B6%40",
        "p&s+w%3Co%3E%27r%20d/:$,[x]=%C3%B6@",
        "p&s+w%3Co%3E'r%20d/:$,[x]=%C3%B6@",
        // axios of today, and before
        "p%26s%2Bw%3Co%3E'r+d%2F:$,%5Bx%5D%3D%C3%B6%40",
        "p%26s%2Bw%3Co%3E'r+d%2F:$,[x]%3D%C3%B6%40",
        "p%26s%2bw%3co%3e%27r+d%2f%3a%24%2c%5bx%5d%3d%c3%b6%40",
    ] {
        assert_eq!(pass_text(&[secret], &format!("a {form} z\n")), "a *** z\n", "{form}");
    }
}

#[test]
fn what_lies_below_a_secret_object_is_secret() {
    let login = serde_json::json!({ "user": "user-of-mine", "pass": "hunter-of-two", "in": { "x": ["deep-value-1"] },
        "token_uri": "https://host.example/token" });
    for credentials in [login.clone(), login.to_string().into(), serde_json::json!({ "value": login })] {
        let config = serde_json::json!({ "source": { "config": { "Credentials": credentials } } });
        let variables = [("OW_CONFIG".to_owned(), config.to_string())];
        let secrets = Secrets::find(&Redaction::default(), &variables, &Marked::default()).unwrap();
        assert_eq!(
            secrets.redact("user-of-mine hunter-of-two deep-value-1 https://host.example/token"),
            "*** *** *** https://host.example/token",
            "{config}"
        );
    }
}

#[test]
fn fields_are_in_clear_only_where_they_are_what_they_say() {
    let line = "{\"type\":\"s3cret-value\",\"at\":\"2026-01-31 s3cret-value\",\"status\":\"s3cret-value\",\"date\":\"s3cret-value\"}\n";
    assert_eq!(
        pass_text(&["s3cret-value"], line),
        "{\"type\":\"***\",\"at\":\"2026-01-31 ***\",\"status\":\"***\",\"date\":\"***\"}\n"
    );
}
