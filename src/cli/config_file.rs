//! The configuration file: where it is malformed, which field it lacks, which of its parameters
//! are paths.

use std::io::IsTerminal;
use std::path::Path;

use serde::de::IgnoredAny;

use crate::connectors::{Catalog, parameters};
use crate::error::{Code, Result, RunnerError};
use crate::foreign::read_text;
use crate::host::Host;
use crate::state::STANDARD_INPUT;
use crate::suggest::nearest;

/// Most bytes that are read from standard input.
const MAX_INPUT: u64 = 16 * 1024 * 1024;

/// Standard input to its end. Its descriptor is read as it is: a socket has no path to open, and
/// what another program has made non-blocking is waited for.
fn read_input() -> std::io::Result<String> {
    let input = std::io::stdin();
    if input.is_terminal() {
        return Err(std::io::Error::other(
            "standard input is a terminal; pipe it in, as in: cat config.json | … -",
        ));
    }
    let mut bytes = Vec::new();
    let mut piece = [0; 16 * 1024];
    loop {
        match rustix::io::read(&input, &mut piece) {
            Ok(0) => break,
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => {
                let mut waited = [rustix::event::PollFd::new(&input, rustix::event::PollFlags::IN)];
                rustix::event::poll(&mut waited, None)?;
            }
            Err(cause) => return Err(cause.into()),
        }
        if bytes.len() as u64 > MAX_INPUT {
            return Err(std::io::Error::other(
                "standard input has more than 16 MiB, which no configuration has",
            ));
        }
    }
    String::from_utf8(bytes).map_err(|_| std::io::Error::other("stream did not contain valid UTF-8"))
}

/// The text of a configuration's file, or of standard input, without a byte order mark.
///
/// # Errors
/// `INVALID_CONFIG`, for a file that is not there with what its folder has instead.
pub fn read_config(config: &str, host: &Host) -> Result<String> {
    let path = host.absolute(config);
    let text = if config == STANDARD_INPUT { read_input() } else { read_text(&path) };
    let text = text.map_err(|cause| {
        if cause.kind() != std::io::ErrorKind::NotFound {
            let message = format!("the configuration {config} cannot be read: {cause}");
            return RunnerError::new(Code::InvalidConfig, message);
        }
        let there = beside(&path).map(|there| format!("; {there}")).unwrap_or_default();
        RunnerError::new(Code::InvalidConfig, format!("there is no configuration {config}{there}"))
    })?;
    Ok(text.strip_prefix('\u{FEFF}').map(ToOwned::to_owned).unwrap_or(text))
}

/// Most files that are listed.
const LISTED: usize = 8;

/// What there is beside a file that is not there.
fn beside(missing: &Path) -> Option<String> {
    let folder = missing.parent()?;
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Some(format!("its folder {} is not there either", folder.display()));
    };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<_> = names
        .filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "json"))
        .filter(|name| !matches!(name.as_str(), "package.json" | "package-lock.json" | "tsconfig.json"))
        .filter(|name| !name.ends_with(".lock.json") && !name.starts_with('.'))
        .collect();
    names.sort();
    let wanted = missing.file_name()?.to_string_lossy();
    // what all of them end with makes no name nearer
    let stem = |name: &'_ str| name.strip_suffix(".json").unwrap_or(name).to_owned();
    let stems: Vec<_> = names.iter().map(|name| stem(name)).collect();
    if let Some(meant) = nearest(&stem(&wanted), stems.iter().map(String::as_str)) {
        return Some(format!("did you mean {meant}.json?"));
    }
    names.truncate(LISTED);
    if names.is_empty() { None } else { Some(format!("its folder has {}", names.join(", "))) }
}

/// Why a text is not JSON, with line and column; `None` where it is.
pub fn explain(text: &str) -> Option<String> {
    let error = serde_json::from_str::<IgnoredAny>(text).err()?;
    let (line, column) = (error.line(), error.column());
    let full = error.to_string();
    // serde_json ends its messages with the place
    let reason = full.split(" at line ").next().unwrap_or(&full);
    let before = text_before(text, line, column);
    let hint = if before.trim_end().ends_with(',') { " (is there a comma too many?)" } else { "" };
    let source = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    let before: String = source.chars().take(column.saturating_sub(1)).collect();
    let marker = " ".repeat(before.chars().count());
    Some(format!("line {line}, column {column}: {reason}{hint}\n  {source}\n  {marker}^"))
}

/// The text before a place.
fn text_before(text: &str, line: usize, column: usize) -> &str {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    text.get(..start + column.saturating_sub(1)).unwrap_or(text)
}

/// The path of the field that a message of the configuration rules is about.
pub fn missing_field(message: &str) -> Option<&'static str> {
    Some(match message {
        "Run configuration name is required" | "Invalid run configuration name" => "name",
        "Source configuration is required" => "source",
        "Storage configuration is required" => "storage",
        "Source name is required" => "source.name",
        "Storage name is required" => "storage.name",
        "Source config object is required" => "source.config",
        "Storage config object is required" => "storage.config",
        "Data mart ID is required" | "Invalid data mart ID" => "datamartId",
        _ => return None,
    })
}

/// The parameters of this source and storage that are paths: (`source` or `storage`, name).
pub fn path_parameters(catalog: &Catalog, source: &str, storage: &str) -> Vec<(&'static str, String)> {
    let of = |section, manifests, name| {
        let all = parameters(manifests, name).into_iter();
        all.filter(|(_, parameter)| parameter.format.as_deref() == Some("path"))
            .map(move |(name, _)| (section, name))
            .collect::<Vec<_>>()
    };
    let mut paths = of("source", &catalog.sources, source);
    paths.extend(of("storage", &catalog.storages, storage));
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_file_is_explained_by_line_and_column() {
        let explained = explain("{\n  \"name\": \"x\",\n  \"source\": }\n").unwrap();
        assert_eq!(explained, "line 3, column 13: expected value\n    \"source\": }\n              ^");
        assert!(
            explain("{\"a\": 1,}")
                .unwrap()
                .starts_with("line 1, column 9: key must be a string (is there a comma too many?)")
        );
        assert!(explain("").unwrap().starts_with("line 1, column 0: EOF"));
        assert_eq!(explain("{}"), None);
    }

    #[test]
    fn a_file_that_is_missing_is_told_with_what_there_is() {
        let folder = tempfile::tempdir().unwrap();
        let host = Host { cwd: folder.path().to_owned(), ..Host::default() };
        let read = |config| read_config(config, &host);
        let missing = |config| read(config).unwrap_err().message;
        assert_eq!(missing("a.json"), "there is no configuration a.json");
        assert!(missing("no/a.json").ends_with("no is not there either"));
        for name in ["config.json", "other.json", "package.json", "config.lock.json", "x.txt"] {
            std::fs::write(folder.path().join(name), "\u{FEFF}{}").unwrap();
        }
        assert!(missing("confg.json").ends_with("confg.json; did you mean config.json?"));
        assert!(missing("a.json").ends_with("a.json; its folder has config.json, other.json"));
        assert_eq!(read("config.json").unwrap(), "{}");
        std::fs::write(folder.path().join("x.txt"), [0xFF]).unwrap();
        assert!(missing("x.txt").starts_with("the configuration x.txt cannot be read: "));
    }

    #[test]
    fn every_rule_message_names_its_field() {
        assert_eq!(missing_field("Source name is required"), Some("source.name"));
        assert_eq!(missing_field("Storage config object is required"), Some("storage.config"));
        assert_eq!(missing_field("something else"), None);
    }

    #[test]
    fn path_parameters_come_from_the_manifests() {
        let json = serde_json::json!({
            "sources": { "S": { "parameters": { "Path": { "format": "path" }, "Other": {} } } },
            "storages": { "T": { "parameters": { "File": { "format": "path" } } }, "U": null },
        });
        let catalog: Catalog = serde_json::from_str(&json.to_string()).unwrap();
        assert_eq!(
            path_parameters(&catalog, "S", "T"),
            [("source", "Path".into()), ("storage", "File".into())]
        );
        assert_eq!(path_parameters(&catalog, "X", "U"), []);
    }
}
