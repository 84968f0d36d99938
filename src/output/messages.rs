//! Messages: what a connector prints, split into JSON objects and lines of text.
//!
//! The splitting happens here, away from JavaScript's thread. What is handed over is the text of
//! a JSON array, which `JSON.parse` turns into objects faster than handles could be made one by
//! one, and without changing what the connector wrote.

use std::ops::ControlFlow;

use serde::Serialize;
use serde::de::IgnoredAny;

use crate::observer::{Batch, BatchKind, StreamKind};

/// A line, or what is left of one, that is no message.
#[derive(Serialize)]
struct Text<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    stream: &'static str,
    #[serde(rename = "text")]
    line: &'a str,
}

/// The messages of a batch, as the text of a JSON array; `None` where there are none. Objects are
/// kept byte for byte. Any other line becomes `{"type":"text","stream":…,"text":…}` without its
/// line end, and so does all of stderr; empty lines are left out. Where objects are followed by
/// something else on their line, such as one that was cut off, the objects are still messages.
pub fn messages(stream: StreamKind, batch: &Batch) -> Option<String> {
    let mut array = Vec::with_capacity(batch.text.len() + batch.text.len() / 8 + 2);
    for line in batch.text.split_inclusive('\n') {
        let line = line.strip_suffix('\n').map_or(line, |line| line.strip_suffix('\r').unwrap_or(line));
        let mut rest = line;
        if stream == StreamKind::Stdout && batch.kind == BatchKind::Json && holds_one(line) {
            separate(&mut array);
            array.extend_from_slice(line.trim_ascii().as_bytes());
            continue;
        }
        if stream == StreamKind::Stdout
            && (batch.kind == BatchKind::Json || line.trim_start().starts_with('{'))
        {
            while let ControlFlow::Continue((object, after)) = first_object(rest) {
                separate(&mut array);
                array.extend_from_slice(object.as_bytes());
                rest = after;
            }
        }
        if rest.len() < line.len() {
            rest = rest.trim_ascii();
        }
        if !rest.is_empty() {
            separate(&mut array);
            let stream = if stream == StreamKind::Stdout { "stdout" } else { "stderr" };
            // a struct of texts always has a JSON form
            let _ = serde_json::to_writer(&mut array, &Text { kind: "text", stream, line: rest });
        }
    }
    if array.is_empty() {
        return None;
    }
    array.push(b']');
    // made of whole parts of texts
    String::from_utf8(array).ok()
}

/// Whether a line of objects surely holds one: then it need not be parsed a second time.
fn holds_one(line: &str) -> bool {
    let bytes = line.as_bytes();
    let begins_another = |end: usize| bytes[end + 1..].trim_ascii_start().first() == Some(&b'{');
    !bytes.trim_ascii().is_empty() && !memchr::memchr_iter(b'}', bytes).any(begins_another)
}

fn separate(array: &mut Vec<u8>) {
    array.push(if array.is_empty() { b'[' } else { b',' });
}

/// The JSON object at the beginning, and what follows it.
fn first_object(text: &str) -> ControlFlow<(), (&str, &str)> {
    let text = text.trim_ascii_start();
    if !text.starts_with('{') {
        return ControlFlow::Break(());
    }
    let mut parser = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    match parser.next() {
        Some(Ok(_)) => ControlFlow::Continue(text.split_at(parser.byte_offset())),
        _ => ControlFlow::Break(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::fuzz::{cases, split};
    use crate::output::Framer;

    /// All messages of a stream that arrives in these pieces.
    fn read(stream: StreamKind, pieces: &[&[u8]]) -> Vec<Value> {
        let mut framer = Framer::default();
        let mut batches = Vec::new();
        for piece in pieces {
            framer.push(*piece, &mut batches);
        }
        framer.finish(&mut batches);
        let arrays = batches.iter().filter_map(|batch| messages(stream, batch));
        arrays.flat_map(|array| serde_json::from_str::<Vec<Value>>(&array).unwrap()).collect()
    }

    fn text(text: &str) -> Value {
        json!({ "type": "text", "stream": "stdout", "text": text })
    }

    #[test]
    fn objects_and_text_come_in_order() {
        let given = concat!(
            "plain {not json}\r\n",
            "{\"type\":\"log\",\"message\":\"} { \\\" }\"}{\"type\":\"x\"} {}\n",
            "\n",
            "  {\"a\":1}  \r\n",
            "[1]\n",
            "{\"b\":2} and more\n",
            "{\"c\":3}{\"cut\":\"of",
        );
        assert_eq!(
            read(StreamKind::Stdout, &[given.as_bytes()]),
            [
                text("plain {not json}"),
                json!({ "type": "log", "message": "} { \" }" }),
                json!({ "type": "x" }),
                json!({}),
                json!({ "a": 1 }),
                text("[1]"),
                json!({ "b": 2 }),
                text("and more"),
                json!({ "c": 3 }),
                text("{\"cut\":\"of"),
            ]
        );
    }

    #[test]
    fn stderr_is_text() {
        let expected = json!({ "type": "text", "stream": "stderr", "text": "{}" });
        assert_eq!(read(StreamKind::Stderr, &[b"{}\n"]), [expected]);
        assert_eq!(read(StreamKind::Stderr, &[b"\n\n"]), Vec::<Value>::new());
    }

    #[test]
    fn objects_are_kept_byte_for_byte() {
        let object = "{\"n\":1.0e3,\"big\":12345678901234567890123,\"s\":\"\\ud800\",\"n\":1}";
        let batch = Batch { kind: BatchKind::Json, text: format!("{object}\n") };
        assert_eq!(messages(StreamKind::Stdout, &batch), Some(format!("[{object}]")));
    }

    #[test]
    fn a_deep_object_and_a_large_one_are_messages() {
        let deep = "{\"a\":".repeat(100_000) + "1" + &"}".repeat(100_000) + "\n";
        let batch = Batch { kind: BatchKind::Json, text: deep.clone() };
        assert_eq!(messages(StreamKind::Stdout, &batch).unwrap(), format!("[{}]", deep.trim_end()));
        let large = format!("{{\"k\":\"{}\"}}", "}{".repeat(5_000_000));
        let read = read(StreamKind::Stdout, &[large.as_bytes()]);
        assert_eq!((read.len(), read[0]["k"].as_str().unwrap().len()), (1, 10_000_000));
    }

    proptest! {
        #![proptest_config(cases(256))]

        /// However lines are made up and cut by reads, each object is one message and each other
        /// line one text, in order.
        #[test]
        fn nothing_is_lost_added_or_reordered(
            lines in prop::collection::vec(
                prop_oneof![
                    prop::collection::vec("[^\\x00-\\x1f]{0,6}", 1..4).prop_map(Ok),
                    "[a-z✓ж \\[\\]}\",:]{1,8}".prop_filter("text", |text| !text.trim().is_empty()).prop_map(Err),
                ],
                0..12,
            ),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let mut stream = String::new();
            let mut expected = Vec::new();
            for line in &lines {
                match line {
                    Ok(objects) => for value in objects {
                        let object = json!({ "type": "log", "message": value });
                        stream.push_str(&object.to_string());
                        expected.push(object);
                    },
                    Err(plain) => {
                        stream.push_str(plain);
                        expected.push(text(plain));
                    }
                }
                stream.push('\n');
            }
            let bytes = stream.as_bytes();
            let pieces = split(bytes, &cuts);
            prop_assert_eq!(read(StreamKind::Stdout, &pieces), expected);
        }

        /// Whatever bytes a connector prints, what is handed over is an array of objects.
        #[test]
        fn any_bytes_give_objects(
            bytes in prop::collection::vec(prop_oneof![Just(b'{'), Just(b'}'), Just(b'"'), Just(b':'), Just(b'\\'), Just(b'\n'), any::<u8>()], 0..200)
        ) {
            for stream in [StreamKind::Stdout, StreamKind::Stderr] {
                for message in read(stream, &[&bytes]) {
                    prop_assert!(message.is_object());
                }
            }
        }
    }
}
