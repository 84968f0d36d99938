//! Properties of everything that parses bytes of others: it never panics, loses or adds nothing,
//! and does not care how the bytes arrive. Further ones stand beside the code that they are about.
//!
//! `npm test` tries some hundred cases of each; `FUZZ_CASES=1000000 cargo test --release fuzz`
//! tries more, and `npm run test:heavy -- fuzz` tries each property for a while.

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::cli::{Facts, RunPlan, Session, explain};
use crate::connectors::{Catalog, parameters, secret_names};
use crate::observer::{BatchKind, StreamKind};
use crate::output::redact::{Marked, Redaction, Secrets, is_secret_variable};
use crate::output::{Framer, Inspector, is_json_objects, messages};
use crate::protocol::{Command, Opening, Report, StartRequest, frame, frame_length, read_content};
use crate::report::Recorder;

/// So many cases, or as many as `FUZZ_CASES` says where that is more. Failing cases are printed,
/// not kept in files.
pub fn cases(count: u32) -> ProptestConfig {
    let wanted = std::env::var("FUZZ_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    ProptestConfig { cases: count.max(wanted), failure_persistence: None, ..ProptestConfig::default() }
}

/// The bytes in pieces, cut at these places.
pub fn split<'a>(bytes: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

/// Places to cut at.
pub fn any_cuts() -> impl Strategy<Value = Vec<Index>> {
    prop::collection::vec(any::<Index>(), 0..10)
}

/// What a connector may print: messages, halves of messages, text, and what is none of these.
fn any_output() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        4 => prop::sample::select(vec![
            "{", "}", "[", "]", "\"", ":", ",", "\\", "\n", "\r\n", " ", "\\u", "\\ud800", "{}", "{\"a\":1}", "null",
            "{\"type\":\"updateCurrentStatus\",\"status\":5}", "{\"type\":\"updateLastRequstedDate\",\"date\":\"2026-01-01\"}",
            "{\"type\":\"addWarningToCurrentStatus\",\"warning\":\"w\"}", "{\"type\":\"log\",\"message\":\"", "\"}",
            "{\"__proto__\":", "1e999", "-0", "✓", "\u{2028}", "\0",
        ]).prop_map(|text| text.as_bytes().to_vec()),
        1 => any::<u8>().prop_map(|byte| vec![byte]),
        1 => "[a-z ]{0,8}".prop_map(String::into_bytes),
    ];
    prop::collection::vec(token, 0..60).prop_map(|tokens| tokens.concat())
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        "\\PC{0,8}".prop_map(Value::from),
        prop::sample::select(vec!["exited", "started", "failed", "finished", "terminate", "memory", "path"])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        let key = prop_oneof![
            "[a-z]{0,4}|__proto__|constructor",
            prop::sample::select(
                [
                    "exited",
                    "started",
                    "failed",
                    "finished",
                    "terminate",
                    "graceMs",
                    "grace_ms",
                    "pid",
                    "code",
                    "signal",
                    "cause",
                    "message",
                    "containment",
                    "sources",
                    "storages",
                    "parameters",
                    "environment",
                    "node",
                    "enabled",
                    "dependencies",
                    "name",
                    "version",
                    "global",
                    "type",
                    "secret",
                    "oneOf",
                    "value",
                    "items",
                    "format",
                    "supervision",
                    "host",
                    "descriptors",
                    "program",
                    "args",
                    "directory",
                    "variables",
                ]
                .map(str::to_owned)
                .to_vec()
            ),
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..5)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// A text that is JSON, or was before something was done to it.
fn any_json_text() -> impl Strategy<Value = String> {
    (any_json(), any::<Option<Index>>(), "\\PC{0,3}", any::<bool>()).prop_map(|(value, cut, more, ends)| {
        let text = value.to_string();
        let Some(cut) = cut else { return text };
        let mut at = cut.index(text.len() + 1);
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        let (before, after) = text.split_at(at);
        format!("{before}{more}{}", if ends { "" } else { after })
    })
}

fn any_report() -> impl Strategy<Value = Report> {
    let ended = (any::<Option<i32>>(), any::<Option<i32>>(), 0_usize..4).prop_map(|(code, signal, cause)| {
        let cause = ["itself", "stopped", "memory", "hostGone"][cause];
        json!({ "exited": { "code": code, "signal": signal, "cause": cause } })
    });
    let used = (any::<u64>(), any::<u64>(), any::<u32>(), any::<bool>()).prop_map(|(cpu, peak, count, out)| {
        json!({ "finished": {
            "cpu_ms": cpu, "peak_rss_bytes": peak, "peak_processes": count, "out_of_memory": out, "left": count,
        } })
    });
    let failed = any::<String>().prop_map(|message| json!({ "failed": { "message": message } }));
    prop_oneof![ended, used, failed].prop_map(|value| serde_json::from_value(value).expect("a report"))
}

/// A frame as it arrives.
fn arrived<T: for<'de> serde::Deserialize<'de>>(bytes: &[u8]) -> std::io::Result<T> {
    let (prefix, content) = bytes.split_first_chunk::<4>().ok_or(std::io::ErrorKind::UnexpectedEof)?;
    read_content(content, *prefix)
}

/// The batches of a stream that arrives in these pieces.
fn frame_lines(pieces: &[&[u8]]) -> Vec<crate::observer::Batch> {
    let mut framer = Framer::default();
    let mut batches = Vec::new();
    for piece in pieces {
        framer.push(*piece, &mut batches);
    }
    framer.finish(&mut batches);
    batches
}

/// The messages of a stream that arrives in these pieces. Their content stays unread: JavaScript
/// reads it, and takes lone surrogates, which Rust does not.
fn read_messages(stream: StreamKind, pieces: &[&[u8]]) -> Vec<String> {
    let batches = frame_lines(pieces);
    let arrays = batches.iter().filter_map(|batch| messages(stream, batch));
    let parsed = arrays.map(|array| serde_json::from_str::<Vec<Box<RawValue>>>(&array).expect("an array"));
    parsed.flatten().map(|message| message.get().to_owned()).collect()
}

proptest! {
    #![proptest_config(cases(400))]

    /// Framing: all text, in order, each batch of one kind, whatever the bytes and their pieces.
    #[test]
    fn lines_of_any_bytes(output in any_output(), cuts in any_cuts()) {
        let batches = frame_lines(&split(&output, &cuts));
        let text: String = batches.iter().map(|batch| batch.text.as_str()).collect();
        prop_assert_eq!(&text, &String::from_utf8_lossy(&output));
        for batch in &batches {
            for line in batch.text.split_inclusive('\n') {
                let is_json = is_json_objects(line.as_bytes());
                prop_assert!(is_json == (batch.kind == BatchKind::Json) || line.contains('\u{fffd}'), "{:?}", line);
            }
        }
    }

    /// Messages: the same however the bytes arrive, and nothing of a line is lost.
    #[test]
    fn messages_of_any_bytes(output in any_output(), cuts in any_cuts()) {
        for stream in [StreamKind::Stdout, StreamKind::Stderr] {
            let whole = read_messages(stream, &[&output]);
            prop_assert_eq!(&read_messages(stream, &split(&output, &cuts)), &whole);
            let all_are_objects = whole.iter().all(|message| message.starts_with('{') && message.ends_with('}'));
            prop_assert!(all_are_objects);
        }
    }

    /// What is read of messages, and what a terminal is shown, does not depend on the pieces either.
    #[test]
    fn verdicts_of_any_bytes(output in any_output(), cuts in any_cuts()) {
        let read = |pieces: &[&[u8]]| {
            let mut inspector = Inspector::default();
            let terminal = Facts { stdout: true, stderr: true, ..Facts::default() };
            let mut session = Session::new(&RunPlan::default(), terminal);
            let recorder = Recorder::default();
            for batch in frame_lines(pieces) {
                if batch.kind == BatchKind::Json {
                    inspector.read(&batch.text);
                }
                session.stdout(&batch.text, "");
                session.line(0, 80);
                recorder.lines(StreamKind::Stdout, std::slice::from_ref(&batch));
            }
            (inspector.last_status, inspector.reached, inspector.warnings)
        };
        prop_assert_eq!(read(&split(&output, &cuts)), read(&[&output]));
    }

    /// Configurations, manifests and state from any JSON, and what is no JSON any more.
    #[test]
    fn documents_of_any_text(text in any_json_text(), name in "[a-z]{0,4}|__proto__") {
        prop_assert_eq!(explain(&text).is_none(), serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok());
        if let Ok(catalog) = serde_json::from_str::<Catalog>(&text) {
            secret_names(&parameters(&catalog.sources, &name));
        }
        let _ = serde_json::from_str::<crate::manifest::PackageManifest>(&text)
            .map(|manifest| manifest.runner_dependencies());
        let _ = serde_json::from_str::<Vec<crate::manifest::Dependency>>(&text)
            .map(|all| all.iter().filter(|one| one.check().is_ok()).count());
    }

    /// Whatever a configuration looks like, its secrets can be looked for, and what is not secret
    /// stays.
    #[test]
    fn secrets_of_any_configuration(text in any_json_text(), plain in "[a-z]{0,20}") {
        let variables = ["OW_CONFIG", "OW_RUN_CONFIG", "MY_TOKEN"].map(|name| (name.to_owned(), text.clone()));
        if let Some(secrets) = Secrets::find(&Redaction::default(), &variables[..2], &Marked::default()) {
            secrets.redact(&plain);
            secrets.redact(&text);
        }
        let named = Redaction { names: vec!["MY_TOKEN".into()], ..Redaction::default() };
        if let Some(secrets) = Secrets::find(&named, &variables[2..], &Marked::default()) {
            let is_secret = is_secret_variable("token", text.trim());
            prop_assert!(!is_secret || !secrets.redact(&format!("{plain}\n{text}\n")).contains(&text), "{}", text);
        }
    }

    /// The protocol between host and supervisor: what is sent arrives.
    #[test]
    fn frames_survive(
        report in any_report(),
        grace_ms in any::<u64>(),
        texts in prop::collection::vec(any::<String>(), 0..4),
        descriptors in any::<usize>(),
    ) {
        prop_assert_eq!(&arrived::<Report>(&frame(&report).unwrap()).unwrap(), &report);
        let command = Command::Terminate { grace_ms };
        prop_assert_eq!(&arrived::<Command>(&frame(&command).unwrap()).unwrap(), &command);
        let request = StartRequest {
            program: texts.concat(),
            args: texts.clone(),
            directory: texts.concat(),
            variables: texts.iter().map(|text| (text.clone(), text.clone())).collect(),
            policy: None,
        };
        let sent = frame(&request).unwrap();
        prop_assert_eq!(frame(&arrived::<StartRequest>(&sent).unwrap()).unwrap(), sent);
        let opening = Opening { supervision: crate::process::Supervision::default(), host: 1, descriptors, held: 0 };
        let sent = frame(&opening).unwrap();
        prop_assert_eq!(frame(&arrived::<Opening>(&sent).unwrap()).unwrap(), sent);
    }

    /// A frame that is cut off, damaged or no frame at all is an error, and never more.
    #[test]
    fn damaged_frames_are_refused(
        report in any_report(),
        place in any::<Index>(),
        byte in any::<u8>(),
        noise in prop::collection::vec(any::<u8>(), 0..40),
        text in any_json_text(),
    ) {
        let mut bytes = frame(&report).unwrap();
        let cut = place.index(bytes.len());
        prop_assert!(arrived::<Report>(&bytes[..cut]).is_err());
        // the length stays as it is: a large one would only be waited for
        let at = 4 + place.index(bytes.len() - 4);
        bytes[at] = byte;
        let _ = arrived::<Report>(&bytes);
        let mut made = u32::try_from(text.len()).unwrap().to_le_bytes().to_vec();
        made.extend_from_slice(text.as_bytes());
        for bytes in [&made, &noise] {
            if bytes.first_chunk::<4>().is_none_or(|prefix| frame_length(*prefix).is_ok_and(|length| length < 1 << 20)) {
                let _ = (arrived::<Report>(bytes), arrived::<Command>(bytes));
                let _ = (arrived::<StartRequest>(bytes), arrived::<Opening>(bytes));
            }
        }
    }
}
