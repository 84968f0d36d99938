//! `spec`: sources and storages of the connectors package, and their parameters.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use clap::Args;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::common::{ConnectorsArgs, Printed, Terminal, suggestion};
use super::look::Paint;
use crate::connectors::{Catalog, Depth, Manifests, Parameter, is_constructed, parameters};
use crate::error::{Code, Result, RunnerError};
use crate::host::Host;
use crate::run::describe_connectors;

/// Arguments of `spec`.
#[derive(Debug, Args)]
pub struct SpecArgs {
    /// A source or storage; all of them are listed without one
    #[arg(value_name = "CONNECTOR")]
    pub connector: Option<String>,

    /// Print JSON
    #[arg(long)]
    pub json: bool,

    /// Print the JSON Schema of a configuration, for editors
    #[arg(long, conflicts_with_all = ["json", "connector"])]
    pub schema: bool,

    #[command(flatten)]
    pub connectors: ConnectorsArgs,
}

/// Describes the connectors package.
pub async fn spec(args: &SpecArgs, host: &Host, terminal: Terminal) -> Printed {
    act(args, host, Paint { colours: terminal.colours }).await.unwrap_or_else(Printed::from)
}

async fn act(args: &SpecArgs, host: &Host, paint: Paint) -> Result<Printed> {
    let connectors =
        describe_connectors(args.connectors.connectors.as_deref(), host, Depth::Parameters).await?;
    let catalog = &connectors.catalog;
    let title = connectors.package.title();
    if args.schema {
        return Ok(Printed::ok(pretty(&schema(catalog))));
    }
    let Some(name) = &args.connector else {
        let text = if args.json {
            let all = |manifests| names(manifests).map(|name| described(manifests, name)).collect::<Vec<_>>();
            let (sources, storages) = (all(&catalog.sources), all(&catalog.storages));
            pretty(&json!({ "package": title, "sources": sources, "storages": storages }))
        } else {
            list(&title, catalog, paint)
        };
        return Ok(Printed::ok(text));
    };
    let kinds = [("source", &catalog.sources), ("storage", &catalog.storages)];
    let found: Vec<_> = kinds.into_iter().filter(|(_, manifests)| manifests.contains_key(name)).collect();
    if found.is_empty() {
        let known = || names(&catalog.sources).chain(names(&catalog.storages));
        let there = suggestion(name, known);
        return Err(RunnerError::new(
            Code::InvalidConfig,
            format!("{title} has no source or storage {name:?}; {there}"),
        ));
    }
    let texts = found.into_iter().map(|(kind, manifests)| {
        if args.json {
            let mut one = described(manifests, name);
            one["kind"] = kind.into();
            pretty(&one)
        } else {
            detail(kind, name, manifests, paint)
        }
    });
    Ok(Printed::ok(texts.collect::<Vec<_>>().join("\n")))
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

fn names(manifests: &Manifests) -> impl Iterator<Item = &str> {
    manifests.keys().map(String::as_str)
}

/// A text of a manifest, such as its title.
fn text(manifests: &Manifests, name: &str, field: &str) -> Option<String> {
    let raw = manifests.get(name)?.as_ref()?.get();
    let fields: BTreeMap<String, &RawValue> = serde_json::from_str(raw).ok()?;
    serde_json::from_str(fields.get(field)?.get()).ok()
}

/// What `--json` says of a source or storage.
fn described(manifests: &Manifests, name: &str) -> Value {
    json!({
        "name": name,
        "title": text(manifests, name, "title"),
        "description": text(manifests, name, "description"),
        // a default that is odd JSON must not hide the rest
        "parameters": serde_json::to_value(parameters(manifests, name)).unwrap_or_default(),
    })
}

fn list(title: &str, catalog: &Catalog, paint: Paint) -> String {
    let mut shown = format!("{title}\n");
    for (heading, manifests) in [("Sources", &catalog.sources), ("Storages", &catalog.storages)] {
        let _ = writeln!(shown, "\n{}", paint.bold(heading));
        let width = names(manifests).map(|name| name.chars().count()).max().unwrap_or(0);
        for name in names(manifests) {
            let about = text(manifests, name, "description").or_else(|| text(manifests, name, "title"));
            let line = format!("  {name:<width$}  {}", about.unwrap_or_default());
            let _ = writeln!(shown, "{}", line.trim_end());
        }
    }
    shown + "\nParameters of one: connector-runner spec NAME\n"
}

fn detail(kind: &str, name: &str, manifests: &Manifests, paint: Paint) -> String {
    let about = text(manifests, name, "description").or_else(|| text(manifests, name, "title"));
    let mut shown = format!("{} ({kind})\n", paint.bold(name));
    if let Some(about) = about {
        let _ = writeln!(shown, "{about}");
    }
    let declared = parameters(manifests, name);
    if declared.is_empty() {
        return shown + "\nIts manifest does not declare parameters; see its documentation.\n";
    }
    shown.push('\n');
    each(&mut shown, &declared, 2, paint);
    if is_constructed(manifests, name) {
        shown.push_str("\nFound in its classes, since its manifest declares none; there may be others.\n");
    }
    shown
}

fn each(shown: &mut String, declared: &BTreeMap<String, Parameter>, indent: usize, paint: Paint) {
    let mut sorted: Vec<_> = declared.iter().collect();
    sorted.sort_by_key(|(_, parameter)| !parameter.required); // what is needed comes first
    for (name, parameter) in sorted {
        let mut facts = vec![parameter.kind.clone().unwrap_or_else(|| "choice".to_owned())];
        if parameter.required {
            facts.push("required".to_owned());
        }
        if parameter.secret {
            facts.push("secret".to_owned());
        }
        if let Some(default) = parameter.default.as_ref().filter(|_| !parameter.secret) {
            facts.push(format!("default {}", default.get()));
        }
        if let Some(minimum) = parameter.minimum {
            facts.push(format!("{minimum} or more"));
        }
        let _ = writeln!(shown, "{:indent$}{}  {}", "", paint.bold(name), paint.dim(&facts.join(", ")));
        if let Some(description) = &parameter.description {
            let _ = writeln!(shown, "{:indent$}    {description}", "");
        }
        for choice in &parameter.one_of {
            let _ = writeln!(shown, "{:indent$}    choice {}", "", choice.value);
            each(shown, &choice.items, indent + 6, paint);
        }
    }
}

/// The JSON Schema of a configuration of this package.
fn schema(catalog: &Catalog) -> Value {
    let section = |manifests, choices| {
        let each = names(manifests).map(|name| {
            let declared = parameters(manifests, name);
            let mut config = config_schema(&declared, choices);
            if is_constructed(manifests, name) {
                config["additionalProperties"] = true.into();
                if !choices {
                    config["required"] = json!([]); // its connector may set them itself
                }
            }
            json!({
                "if": { "properties": { "name": { "const": name } }, "required": ["name"] },
                "then": { "properties": { "config": config } },
            })
        });
        json!({
            "type": "object",
            "required": ["name", "config"],
            "properties": {
                // hosts know some storages by other names, so names are offered, not demanded
                "name": { "anyOf": [{ "enum": names(manifests).collect::<Vec<_>>() }, { "type": "string" }] },
                "config": { "type": "object" },
            },
            "allOf": each.collect::<Vec<_>>(),
        })
    };
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Configuration of a connector",
        "type": "object",
        "required": ["name", "source", "storage"],
        "properties": {
            "$schema": { "type": "string" },
            "datamartId": { "type": "string" },
            "name": { "type": "string", "minLength": 1, "description": "Any name" },
            "source": section(&catalog.sources, true),
            "storage": section(&catalog.storages, false),
        },
    })
}

fn config_schema(declared: &BTreeMap<String, Parameter>, choices: bool) -> Value {
    if declared.is_empty() {
        return json!({ "type": "object" });
    }
    let properties =
        declared.iter().map(|(name, parameter)| (name.clone(), value_schema(parameter, choices)));
    let required = declared.iter().filter(|(_, parameter)| parameter.required);
    json!({
        "type": "object",
        "properties": properties.collect::<serde_json::Map<_, _>>(),
        "required": required.map(|(name, _)| name).collect::<Vec<_>>(),
        "additionalProperties": false,
    })
}

/// A value as it is, or wrapped, or a one-of's choice. Text stands for what it spells.
fn value_schema(parameter: &Parameter, choices: bool) -> Value {
    let bare = match parameter.kind.as_deref() {
        Some("number") => number_schema(parameter.minimum),
        Some("boolean") => json!({ "enum": [true, false, "true", "false"] }),
        Some("date") => json!({ "type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}" }),
        Some("array") => json!({ "type": ["array", "string"] }),
        Some("object") => json!({ "type": "object" }),
        Some("string") => json!({ "type": ["string", "number", "boolean"] }),
        _ => json!({}),
    };
    let wrapped = json!({ "type": "object", "properties": { "value": bare.clone() }, "required": ["value"] });
    let mut any =
        if parameter.kind.as_deref() == Some("object") { vec![wrapped] } else { vec![bare, wrapped] };
    if choices && !parameter.one_of.is_empty() {
        any = parameter.one_of.iter().map(|choice| {
            let items = config_schema(&choice.items, true);
            json!({ "type": "object", "properties": { choice.value.clone(): items }, "required": [choice.value] })
        }).collect();
        any.push(json!({ "enum": parameter.one_of.iter().map(|choice| &choice.value).collect::<Vec<_>>() }));
    }
    let mut schema = json!({ "anyOf": any });
    if let Some(description) = &parameter.description {
        schema["description"] = description.as_str().into();
    }
    schema
}

fn number_schema(minimum: Option<f64>) -> Value {
    let mut schema = json!({ "type": ["number", "string"] });
    if let Some(minimum) = minimum {
        schema["minimum"] = minimum.into();
    }
    schema
}
