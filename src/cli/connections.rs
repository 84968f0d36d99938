//! What `check --connect` shows of what source and storage have said.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::common::Printed;
use super::look::{Paint, printable};

/// What one of them has said.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Said {
    kind: String,
    name: String,
    status: Status,
    #[serde(default)]
    message: String,
    /// Whether it is an error whose message says the remedy itself.
    #[serde(default)]
    is_expected: bool,
    /// Codes and names of the error and its causes.
    #[serde(default)]
    codes: Vec<String>,
    #[serde(default)]
    http_status: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Status {
    /// A run could begin.
    Ok,
    /// It could not.
    Failed,
    /// It has no way to say so.
    NotAsked,
}

/// One line of the answer.
#[derive(Debug, Serialize)]
struct Connection {
    /// `source`, `storage` or `environment`.
    kind: String,
    name: String,
    status: Status,
    /// What was found, or the cause and the remedy.
    message: String,
}

/// What came of the process that was to ask them.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    /// What it printed, line by line.
    pub lines: String,
    /// Why it did not come to its end: the error's message and hint.
    pub error: Option<(String, Option<String>)>,
    /// The source's name and the storage's.
    pub names: (String, String),
    /// The answer of `check --json`; none for a person.
    pub answer: Option<String>,
}

/// What to print of it. The exit code is 1 where a run would fail.
pub fn connections(config: &str, asked: &Asked, paint: Paint) -> Printed {
    let all = read(asked);
    let failed = all.iter().filter(|one| one.status == Status::Failed).count();
    let exit_code = i32::from(failed > 0);
    if let Some(answer) = &asked.answer {
        let mut answer: Value = serde_json::from_str(answer).unwrap_or_default();
        answer["ok"] = json!(failed == 0);
        answer["connections"] = json!(all);
        return Printed { stdout: format!("{answer}\n"), exit_code, ..Printed::default() };
    }
    let mut stdout = String::new();
    for Connection { kind, name, status, message } in &all {
        let (word, colour): (_, fn(Paint, &str) -> String) = match status {
            Status::Ok => ("ok", Paint::good),
            Status::Failed => ("failed", Paint::error),
            Status::NotAsked => ("not asked", Paint::warning),
        };
        let name = if name.is_empty() { String::new() } else { format!(" {name}") };
        let word = colour(paint, &format!("{word:<9}"));
        let _ = writeln!(stdout, "{word} {kind}{name}: {message}"); // a String takes everything
    }
    let verdict = match failed {
        0 => paint.good(&format!("{config}: a run could begin")),
        _ => format!("{config}: a run would fail"),
    };
    let _ = writeln!(stdout, "{verdict}");
    Printed { stdout, exit_code, ..Printed::default() }
}

fn read(asked: &Asked) -> Vec<Connection> {
    let mut all = Vec::new();
    for line in asked.lines.lines().filter(|line| line.contains("\"connection\"")) {
        let Ok(value) = serde_json::from_str::<Value>(line) else { continue };
        if value["type"] != "connection" {
            continue;
        }
        let Ok(said) = serde_json::from_value::<Said>(value) else { continue };
        let message = match said.status {
            Status::Ok => said.message,
            Status::Failed if said.is_expected => said.message,
            Status::Failed => with_remedy(&said),
            Status::NotAsked => "has no check() that could tell".to_owned(),
        };
        let Said { kind, name, status, .. } = said;
        all.push(Connection { kind, name, status, message: one_line(&message) });
    }
    let Some((message, hint)) = &asked.error else { return all };
    let kinds = [("source", &asked.names.0), ("storage", &asked.names.1)];
    let silent = kinds.iter().find(|(kind, _)| !all.iter().any(|one| one.kind == *kind));
    let last = hint.iter().flat_map(|hint| hint.lines()).rfind(|line| !line.trim().is_empty());
    let message = match last {
        Some(last) => format!("{message}; {}", last.trim()),
        None => message.clone(),
    };
    let (kind, name) = match silent {
        // the first that said nothing is the one that ended the process
        Some((kind, name)) if !asked.lines.is_empty() => (*kind, (*name).clone()),
        _ => ("environment", String::new()),
    };
    let message = one_line(&message);
    all.push(Connection { kind: kind.to_owned(), name, status: Status::Failed, message });
    all
}

/// What a person reads on one line.
fn one_line(text: &str) -> String {
    printable(text, false).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The message of an error that was not made for people, and what to do about it.
fn with_remedy(said: &Said) -> String {
    let facts = format!("{} {}", said.codes.join(" "), said.message);
    let is_among = |names: &[&str]| names.iter().any(|name| facts.contains(name));
    let status = said.http_status.unwrap_or_default();
    let is_status = |wanted: f64| (status - wanted).abs() < 0.5;
    let remedy = if is_among(&["ENOTFOUND", "EAI_AGAIN", "EAI_NONAME"]) {
        "the name is not known: check the address, and the DNS of this machine"
    } else if is_among(&["ECONNREFUSED"]) {
        "nothing listens there: check address and port, and whether the server runs"
    } else if is_among(&[
        "ETIMEDOUT",
        "UND_ERR_CONNECT_TIMEOUT",
        "TimeoutError",
        "ENETUNREACH",
        "EHOSTUNREACH",
    ]) {
        "there is no way to it: check the address, a firewall and a proxy"
    } else if is_among(&["ECONNRESET", "EPIPE", "UND_ERR_SOCKET"]) {
        "the connection was cut: check a proxy, and whether it is http or https"
    } else if is_among(&["SELF_SIGNED", "UNABLE_TO_", "CERT_", "ALTNAME", "ERR_TLS", "ERR_SSL", "EPROTO"]) {
        "its certificate is not trusted: where a CA of your own signs, NODE_EXTRA_CA_CERTS names it"
    } else if is_status(401.0) || is_among(&["InvalidAccessKeyId", "SignatureDoesNotMatch", "invalid_grant"])
    {
        "the credentials are not accepted: check them, and whether they have expired"
    } else if is_status(403.0) || is_among(&["AccessDenied", "PERMISSION_DENIED"]) {
        "the account may not do it: give it the right"
    } else if is_status(404.0) || is_among(&["NoSuchBucket", "NotFound"]) {
        "it is not there: check the name, or make it"
    } else if is_status(429.0) || (500.0..600.0).contains(&status) {
        "the service is busy or out of order: try again later"
    } else if is_among(&["EACCES", "EPERM"]) {
        "check the permissions, and what --allow-read, --allow-write and --allow-port grant"
    } else if is_among(&["ENOENT"]) {
        "it is not there: check the path"
    } else {
        "mend what it says"
    };
    format!("{}; {remedy}", said.message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(all: &[Value]) -> String {
        all.iter().fold(String::new(), |text, one| text + &one.to_string() + "\n")
    }

    fn asked(lines: &str) -> Asked {
        Asked { lines: lines.to_owned(), names: ("S".into(), "T".into()), ..Asked::default() }
    }

    fn said(status: &str, more: &Value) -> Value {
        let mut said = json!({ "type": "connection", "kind": "source", "name": "S", "status": status });
        for (name, value) in more.as_object().into_iter().flatten() {
            said[name.as_str()] = value.clone();
        }
        said
    }

    #[test]
    fn each_is_one_line_and_one_failure_is_enough() {
        let storage = json!({ "type": "connection", "kind": "storage", "name": "T", "status": "notAsked" });
        let ok = said("ok", &json!({ "message": "two\nlines\u{1b}[2J" }));
        let printed = connections(
            "c.json",
            &asked(&format!("noise\n{{\"type\":\"log\"}}\n{}", lines(&[ok, storage.clone()]))),
            Paint::default(),
        );
        assert_eq!(
            printed.stdout,
            "ok        source S: two lines\nnot asked storage T: has no check() that could tell\n\
             c.json: a run could begin\n"
        );
        assert_eq!(printed.exit_code, 0);
        let failed = said("failed", &json!({ "message": "m; remedy", "isExpected": true }));
        let answer = Some(r#"{"ok":true,"findings":[]}"#.to_owned());
        let asked = Asked { answer, ..asked(&lines(&[failed, storage])) };
        let printed = connections("c.json", &asked, Paint::default());
        let answer: Value = serde_json::from_str(&printed.stdout).unwrap();
        assert_eq!((answer["ok"].as_bool(), printed.exit_code), (Some(false), 1));
        assert_eq!(answer["connections"][0]["message"], "m; remedy");
        assert_eq!(answer["connections"][1]["status"], "notAsked");
    }

    #[test]
    fn errors_of_clients_get_a_remedy() {
        for (error, remedy) in [
            (json!({ "codes": ["TypeError", "ENOTFOUND"] }), "DNS"),
            (json!({ "codes": ["ECONNREFUSED"] }), "nothing listens"),
            (json!({ "codes": ["DEPTH_ZERO_SELF_SIGNED_CERT"] }), "NODE_EXTRA_CA_CERTS"),
            (json!({ "codes": ["ETIMEDOUT"] }), "firewall"),
            (json!({ "httpStatus": 401 }), "credentials"),
            (json!({ "httpStatus": 403 }), "right"),
            (json!({ "httpStatus": 404 }), "not there"),
            (json!({ "httpStatus": 503 }), "later"),
            (json!({ "codes": ["EACCES"] }), "--allow-read"),
        ] {
            let mut more = error;
            more["message"] = "it failed".into();
            let printed = connections("c", &asked(&lines(&[said("failed", &more)])), Paint::default()).stdout;
            assert!(printed.starts_with("failed    source S: it failed; "), "{printed}");
            assert!(printed.contains(remedy), "{printed}");
        }
    }

    #[test]
    fn a_process_that_ended_too_early_is_a_failure_of_whom_it_had_come_to() {
        let error = Some(("it ended with 7".to_owned(), Some("npm error\nlast\n\n".to_owned())));
        let early = Asked { error: error.clone(), ..asked("") };
        let printed = connections("c", &early, Paint::default());
        assert!(printed.stdout.starts_with("failed    environment: it ended with 7; last\n"));
        assert_eq!(printed.exit_code, 1);
        let ok = said("ok", &json!({ "message": "fine" }));
        let late = Asked { error, ..asked(&lines(&[ok])) };
        let text = connections("c", &late, Paint::default()).stdout;
        assert!(text.contains("failed    storage T: it ended with 7; last\n"), "{text}");
    }
}
