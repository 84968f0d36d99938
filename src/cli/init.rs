//! `init`: a configuration to start from.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use clap::Args;
use serde_json::{Map, Value, json};

use super::common::{ConnectorsArgs, NAME, Printed, suggestion};
use crate::config::storage_name;
use crate::connectors::{Depth, Manifests, Parameter, parameters, storage_dependencies};
use crate::error::{Code, Result, RunnerError};
use crate::host::Host;
use crate::run::{Connectors, describe_connectors};

/// Arguments of `init`.
#[derive(Debug, Args)]
#[command(
    after_help = "The file has what is required as null, which is to be replaced, and what is optional with its\n\
        default. JSON has no comments, so the field \"$comment\" says what each parameter is for, also those\n\
        that have no default and are left out. It is not passed on, and may be deleted."
)]
pub struct InitArgs {
    /// Name of the source, as `spec` lists it
    #[arg(long, value_name = "NAME")]
    pub source: String,

    /// Name of the storage, as `spec` lists it
    #[arg(long, value_name = "NAME")]
    pub storage: String,

    /// File to write
    #[arg(long, short, value_name = "FILE", default_value = "config.json")]
    pub output: String,

    /// Overwrite the file if it is there
    #[arg(long)]
    pub force: bool,

    #[command(flatten)]
    pub connectors: ConnectorsArgs,
}

/// Writes a configuration, and says what comes next.
pub async fn init(args: &InitArgs, host: &Host) -> Printed {
    act(args, host).await.unwrap_or_else(Printed::from)
}

async fn act(args: &InitArgs, host: &Host) -> Result<Printed> {
    let connectors =
        describe_connectors(args.connectors.connectors.as_deref(), host, Depth::Parameters).await?;
    let storage = storage_name(&args.storage);
    let draft = draft(&connectors, &args.source, storage)?;
    write(&host.absolute(&args.output), args, &format!("{:#}\n", draft.config))?;
    Ok(Printed::ok(next_steps(args, &draft, &connectors.package.title())))
}

/// A configuration, and what is still to be done.
#[derive(Debug, Default)]
struct Draft {
    config: Value,
    /// Paths of the parameters that are `null`.
    placeholders: Vec<String>,
    /// Names of those whose manifest declares no parameters.
    undeclared: Vec<String>,
}

fn draft(connectors: &Connectors, source: &str, storage: &str) -> Result<Draft> {
    let catalog = &connectors.catalog;
    known(connectors, "source", &catalog.sources, source, Code::InvalidConfig)?;
    known(connectors, "storage", &catalog.storages, storage, Code::StorageNotFound)?;
    storage_dependencies(catalog, &connectors.package, storage)?;
    let mut draft = Draft::default();
    let mut config = json!({ "name": format!("{source} to {storage}") });
    let mut comments = Map::new();
    for (section, manifests, name) in
        [("source", &catalog.sources, source), ("storage", &catalog.storages, storage)]
    {
        let declared = parameters(manifests, name);
        if declared.is_empty() {
            draft.undeclared.push(name.to_owned());
        }
        let path = format!("{section}.config");
        let values = values(&declared, section == "source", &path, &mut draft.placeholders);
        config[section] = json!({ "name": name, "config": values });
        comments.insert(section.to_owned(), Value::Object(explained(&declared)));
    }
    config["$comment"] = Value::Object(comments);
    draft.config = config;
    Ok(draft)
}

fn known(connectors: &Connectors, kind: &str, manifests: &Manifests, name: &str, code: Code) -> Result<()> {
    if manifests.contains_key(name) {
        return Ok(());
    }
    let there = suggestion(name, || manifests.keys().map(String::as_str));
    let title = connectors.package.title();
    Err(RunnerError::new(code, format!("{title} has no {kind} {name:?}; {there}")))
}

/// What is required first, as in `spec`.
fn sorted(declared: &BTreeMap<String, Parameter>) -> Vec<(&String, &Parameter)> {
    let mut sorted: Vec<_> = declared.iter().collect();
    sorted.sort_by_key(|(_, parameter)| !parameter.required);
    sorted
}

/// Required parameters as `null`, which `check` refuses, and the others' defaults. What has
/// neither stays out: a parameter such as `LastRequestedDate` means something by being there.
fn values(
    declared: &BTreeMap<String, Parameter>,
    choices: bool,
    path: &str,
    placeholders: &mut Vec<String>,
) -> Map<String, Value> {
    let mut values = Map::new();
    for (name, parameter) in sorted(declared) {
        let path = format!("{path}.{name}");
        match default(parameter) {
            Some(default) => {
                let value = chosen(parameter, default, choices, &path, placeholders);
                values.insert(name.clone(), value);
            }
            None if parameter.required => {
                placeholders.push(path);
                values.insert(name.clone(), Value::Null);
            }
            None => {}
        }
    }
    values
}

/// A default that may be shown.
fn default(parameter: &Parameter) -> Option<Value> {
    let raw = parameter.default.as_ref().filter(|_| !parameter.secret)?;
    serde_json::from_str(raw.get()).ok().filter(|value: &Value| !value.is_null())
}

/// The default as a configuration has it: a choice that has parameters with these, and an object
/// wrapped, since it would mean a choice.
fn chosen(
    parameter: &Parameter,
    default: Value,
    choices: bool,
    path: &str,
    placeholders: &mut Vec<String>,
) -> Value {
    if default.is_object() {
        return json!({ "value": default });
    }
    let named = parameter.one_of.iter().find(|choice| default == choice.value.as_str());
    match named {
        Some(choice) if choices && !choice.items.is_empty() => {
            let path = format!("{path}.{}", choice.value);
            json!({ choice.value.clone(): values(&choice.items, choices, &path, placeholders) })
        }
        _ => default,
    }
}

/// A line for each parameter; a choice's own below `NAME.CHOICE`.
fn explained(declared: &BTreeMap<String, Parameter>) -> Map<String, Value> {
    let mut comments = Map::new();
    for (name, parameter) in sorted(declared) {
        let mut facts = vec![parameter.kind.as_deref().unwrap_or("choice")];
        facts.push(if parameter.required { "required" } else { "optional" });
        if parameter.secret {
            facts.push("secret");
        }
        let choices: Vec<_> = parameter.one_of.iter().map(|choice| choice.value.as_str()).collect();
        let choices = choices.join(" | ");
        if !choices.is_empty() {
            facts.push(&choices);
        }
        let mut line = facts.join(", ");
        if let Some(description) = &parameter.description {
            let _ = write!(line, ": {description}");
        }
        comments.insert(name.clone(), line.into());
        for choice in parameter.one_of.iter().filter(|choice| !choice.items.is_empty()) {
            let items = Value::Object(explained(&choice.items));
            comments.insert(format!("{name}.{}", choice.value), items);
        }
    }
    comments
}

/// Writes the file in one step, for its user only, since secrets will be filled in.
fn write(path: &Path, args: &InitArgs, text: &str) -> Result<()> {
    let failed = |cause: &std::io::Error| {
        let message = match cause.kind() {
            std::io::ErrorKind::AlreadyExists => {
                format!("{} is there already; name another --output, or --force to overwrite it", args.output)
            }
            _ => format!("{} cannot be written: {cause}", args.output),
        };
        RunnerError::new(Code::InvalidConfig, message)
    };
    // a symbolic link counts as well, wherever it leads
    if !args.force && path.symlink_metadata().is_ok() {
        return Err(failed(&std::io::ErrorKind::AlreadyExists.into()));
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|cause| failed(&cause))?;
    file.write_all(text.as_bytes()).map_err(|cause| failed(&cause))?;
    let persisted = if args.force { file.persist(path) } else { file.persist_noclobber(path) };
    persisted.map(drop).map_err(|cause| failed(&cause.error))
}

fn next_steps(args: &InitArgs, draft: &Draft, title: &str) -> String {
    let file = quoted(&args.output);
    let package = args.connectors.connectors.as_deref();
    let package = package.map(|package| format!(" --connectors {}", quoted(package))).unwrap_or_default();
    let mut shown = format!("Wrote {}, with the parameters that {title} declares\n", args.output);
    for name in &draft.undeclared {
        let _ = writeln!(
            shown,
            "  Add      the parameters of {name}: its manifest declares none; see its documentation"
        );
    }
    if !draft.placeholders.is_empty() {
        let _ = writeln!(shown, "  Fill in  {}", draft.placeholders.join("\n           "));
    }
    let _ = writeln!(shown, "  Check    {NAME} check {file}{package}");
    let _ = writeln!(shown, "  Run      {NAME} run {file}{package}");
    shown
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "@%_-+=:,./".contains(character);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared() -> BTreeMap<String, Parameter> {
        let json = json!({
            "Zone": { "type": "string", "required": true, "description": "Which zone." },
            "Days": { "type": "number", "default": 2 },
            "Given": { "type": "string", "required": true, "default": "x" },
            "Token": { "type": "string", "secret": true, "default": "hidden" },
            "Last": { "type": "date" },
            "None": { "type": "string", "default": null },
            "Map": { "type": "object", "default": { "a": 1 } },
            "Auth": { "required": true, "default": "key", "oneOf": [
                { "value": "none" },
                { "value": "key", "items": { "Key": { "type": "string", "required": true }, "Size": { "default": 7 } } } ] },
            "Mode": { "default": "none", "oneOf": [{ "value": "none" }] },
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn required_parameters_are_null_and_others_have_their_defaults() {
        let mut placeholders = Vec::new();
        let values = values(&declared(), true, "source.config", &mut placeholders);
        let expected = json!({
            "Auth": { "key": { "Key": null, "Size": 7 } }, "Given": "x", "Zone": null,
            "Days": 2, "Map": { "value": { "a": 1 } }, "Mode": "none",
        });
        assert_eq!(Value::Object(values).to_string(), expected.to_string(), "what is required comes first");
        assert_eq!(placeholders, ["source.config.Auth.key.Key", "source.config.Zone"]);
    }

    #[test]
    fn a_storage_has_no_groups_of_parameters() {
        assert_eq!(values(&declared(), false, "storage.config", &mut Vec::new())["Auth"], "key");
    }

    #[test]
    fn every_parameter_is_explained() {
        let comments = explained(&declared());
        assert_eq!(comments["Zone"], "string, required: Which zone.");
        assert_eq!(comments["Token"], "string, optional, secret");
        assert_eq!(comments["Auth"], "choice, required, none | key");
        assert_eq!(comments["Auth.key"]["Key"], "string, required");
        assert_eq!(comments.len(), declared().len() + 1);
        assert!(!Value::Object(comments).to_string().contains("hidden"));
    }

    #[test]
    fn words_are_quoted_where_a_shell_would_split_them() {
        for (word, shown) in
            [("a/b.json", "a/b.json"), ("my file", "'my file'"), ("it's", r"'it'\''s'"), ("", "''")]
        {
            assert_eq!(quoted(word), shown);
        }
    }
}
