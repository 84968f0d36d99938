//! One text for each value, however it is written.

use serde_json::Value;

/// One text for all ways to write the same value: keys in order, and what text spells, as forms
/// have it.
pub fn canonical(value: &Value, kind: Option<&str>) -> String {
    match (kind, value) {
        (Some("number"), Value::String(text)) => match text.trim().parse::<f64>() {
            Ok(number) => number_text(number, text.trim()),
            Err(_) => sorted(value).to_string(),
        },
        (Some("number"), Value::Number(number)) => number
            .as_f64()
            .map_or_else(|| number.to_string(), |exact| number_text(exact, &number.to_string())),
        (Some("boolean"), Value::String(text)) if matches!(text.trim(), "true" | "false") => {
            text.trim().to_owned()
        }
        (Some("array"), Value::String(text)) => {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            Value::from(parts.collect::<Vec<_>>()).to_string()
        }
        (Some("string" | "date"), Value::Number(_) | Value::Bool(_)) => {
            Value::String(value.to_string()).to_string()
        }
        _ => sorted(value).to_string(),
    }
}

/// 5 and 5.0 and 5e0 are one; an id of many digits stays as it is written.
fn number_text(number: f64, written: &str) -> String {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.is_finite() && number.abs() < EXACT { format!("{number}") } else { written.to_owned() }
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(sorted).collect(),
        Value::Object(members) => {
            let mut all: Vec<_> = members.iter().map(|(key, value)| (key.clone(), sorted(value))).collect();
            all.sort_by(|one, other| one.0.cmp(&other.0));
            Value::Object(all.into_iter().collect())
        }
        scalar => scalar.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_forms_send_as_text_is_what_it_spells() {
        let same = |kind, one: Value, other: Value| {
            assert_eq!(canonical(&one, Some(kind)), canonical(&other, Some(kind)), "{one} {other}");
        };
        same("number", json!("5"), json!(5.0));
        same("number", json!(" 5e0 "), json!(5));
        same("boolean", json!("true"), json!(true));
        same("array", json!("a, b,"), json!(["a", "b"]));
        same("string", json!(7), json!("7"));
        same(
            "object",
            json!({ "a": 1, "b": { "c": 2, "d": 3 } }),
            json!({ "b": { "d": 3, "c": 2 }, "a": 1 }),
        );
        for (kind, one, other) in [
            ("number", "7012345678901234567", "7012345678901234568"),
            ("number", "five", "six"),
            ("array", "a,b", "b,a"),
            ("string", "true", "false"),
        ] {
            assert_ne!(canonical(&json!(one), Some(kind)), canonical(&json!(other), Some(kind)), "{kind}");
        }
        assert_ne!(canonical(&json!("5"), None), canonical(&json!(5), None));
    }
}
