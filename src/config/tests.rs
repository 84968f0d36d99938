use std::rc::Rc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::tree::{Handle, Tree, from_json, member, to_json};
use super::*;
use crate::error::RunnerError;
use crate::fuzz::cases;

fn field(object: &Handle, name: &str) -> Field {
    let value = member(object, name);
    Field { kind: Tree.kind(&value).unwrap(), truthy: Tree.truthy(&value).unwrap() }
}

/// What the binding does for `new SourceConfig(input)` or `new StorageConfig(input)`.
fn build_section(section: Section, input: &Handle) -> Result<Value, RunnerError> {
    let facts = Tree
        .truthy(input)
        .unwrap()
        .then(|| SectionFacts { name: field(input, "name"), config: field(input, "config") });
    check_section(section, facts.as_ref())?;
    let config = transform(&Tree, section, &member(input, "config"))?;
    let name = to_json(&member(input, "name"));
    let name = match (section, name) {
        (Section::Storage, Value::String(name)) => storage_name(&name).into(),
        (_, name) => name,
    };
    Ok(json!({ "name": name, "config": to_json(&config) }))
}

/// What the binding does for `new Config(input)`.
fn build_config(input: &Handle) -> Result<Value, RunnerError> {
    let facts = Tree.truthy(input).unwrap().then(|| ConfigFacts {
        datamart_id: field(input, "datamartId"),
        name: field(input, "name"),
        source: field(input, "source"),
        storage: field(input, "storage"),
    });
    check_config(facts.as_ref())?;
    let source = build_section(Section::Source, &member(input, "source"))?;
    let storage = build_section(Section::Storage, &member(input, "storage"))?;
    check_types(&facts.unwrap())?;
    let mut built = json!({ "name": to_json(&member(input, "name")), "source": source, "storage": storage });
    if let id @ Value::String(_) = to_json(&member(input, "datamartId")) {
        built["datamartId"] = id;
    }
    Ok(built)
}

#[test]
fn every_recorded_case_passes() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("../../__test__/config-vectors.json")).unwrap();
    let mut checked = 0;
    for case in &cases {
        let input = from_json(&case["input"]);
        let result = match case["class"].as_str().unwrap() {
            "Config" => build_config(&input),
            "SourceConfig" => build_section(Section::Source, &input),
            "StorageConfig" => build_section(Section::Storage, &input),
            _ => continue, // RunContext needs JSON.stringify: __test__/vectors.test.js
        };
        match case.get("error") {
            Some(message) => assert_eq!(result.unwrap_err().message, *message, "{case}"),
            None => assert_eq!(result.unwrap(), case["result"], "{case}"),
        }
        checked += 1;
    }
    assert_eq!(checked, 400);
}

#[test]
fn values_that_the_original_mangled() {
    let source = json!({ "name": "S", "config": {
        "null": null, "array": [1, 2], "empty": {}, "scalarChoice": { "k": 1 }, "nullChoice": { "k": null },
    }});
    assert_eq!(
        build_section(Section::Source, &from_json(&source)).unwrap()["config"],
        json!({
            "null": { "value": null }, "array": { "value": [1, 2] }, "empty": {},
            "scalarChoice": { "value": "k", "items": {} }, "nullChoice": { "value": "k", "items": {} },
        })
    );
    let storage = json!({ "name": "S", "config": { "null": null, "array": [1], "choice": { "k": {} } } });
    assert_eq!(
        build_section(Section::Storage, &from_json(&storage)).unwrap()["config"],
        json!({ "null": { "value": null }, "array": [1], "choice": { "k": {} } })
    );
}

#[test]
fn undefined_is_wrapped_and_its_key_stays() {
    let config = Tree.object().unwrap();
    Tree.define(&config, &Tree.text("k").unwrap(), &Rc::new(tree::Node::Undefined)).unwrap();
    let transformed = transform(&Tree, Section::Source, &config).unwrap();
    assert_eq!(to_json(&transformed), json!({ "k": {} }));
}

#[test]
fn a_cycle_is_an_error_not_an_overflow() {
    let config = Tree.object().unwrap();
    Tree.define(&config, &Tree.text("self").unwrap(), &config.clone()).unwrap();
    let error = transform(&Tree, Section::Source, &config).unwrap_err();
    assert_eq!(error.code, crate::error::Code::InvalidConfig);
    assert!(error.message.contains("refer to itself"), "{}", error.message);
}

#[test]
fn storage_names_map_exactly() {
    assert_eq!(storage_name("GOOGLE_BIGQUERY"), "GoogleBigQuery");
    assert_eq!(storage_name("AWS_ATHENA"), "AwsAthena");
    assert_eq!(storage_name("google_bigquery"), "google_bigquery");
    assert_eq!(storage_name(""), "");
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        ".{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::vec(("value|[a-c]|__proto__", inner), 0..4)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(cases(256))]

    /// Transforming what is already transformed changes nothing, for both halves.
    #[test]
    fn transforming_twice_changes_nothing(
        parameters in prop::collection::vec(("[a-d]{1,2}|__proto__", any_json()), 0..5),
        is_source in any::<bool>(),
    ) {
        let section = if is_source { Section::Source } else { Section::Storage };
        let input = Value::Object(parameters.into_iter().collect());
        let once = transform(&Tree, section, &from_json(&input)).unwrap();
        let twice = transform(&Tree, section, &once).unwrap();
        prop_assert_eq!(to_json(&once), to_json(&twice));
    }

    /// Every key survives, and what has a value of its own stays the same reference.
    #[test]
    fn keys_and_references_survive(
        parameters in prop::collection::vec(("[a-d]{1,2}", any_json()), 0..5),
    ) {
        let input = from_json(&Value::Object(parameters.into_iter().collect()));
        let output = transform(&Tree, Section::Source, &input).unwrap();
        for key in Tree.keys(&input).unwrap() {
            let before = Tree.get(&input, &key).unwrap();
            let after = Tree.get(&output, &key).unwrap();
            prop_assert_eq!(Tree.kind(&after).unwrap(), Kind::Object);
            if Tree.has_own(&before, "value").unwrap() {
                prop_assert!(Rc::ptr_eq(&before, &after));
            }
        }
        prop_assert_eq!(Tree.keys(&input).unwrap().len(), Tree.keys(&output).unwrap().len());
    }

    /// Whatever stands where a configuration is expected: a configuration, or one of the
    /// documented messages. What is built can be built again, and is the same.
    #[test]
    fn any_json_is_a_configuration_or_an_error(
        whole in any_json(),
        parts in prop::collection::vec(("datamartId|name|source|storage|x|__proto__", any_json()), 0..6),
        section in prop::collection::vec(("name|config|value|__proto__", any_json()), 0..4),
        kind in 0..3,
    ) {
        let mut object: serde_json::Map<String, Value> = parts.into_iter().collect();
        if kind == 0 {
            let section = Value::Object(section.into_iter().collect());
            object.extend([("source".to_owned(), section.clone()), ("storage".to_owned(), section)]);
        }
        let input = if kind == 2 { whole } else { Value::Object(object) };
        match build_config(&from_json(&input)) {
            Ok(built) => prop_assert_eq!(build_config(&from_json(&built)).unwrap(), built),
            Err(error) => {
                prop_assert_eq!(error.code, crate::error::Code::InvalidConfig);
                let endings = [" is required", "Invalid data mart ID", "Invalid run configuration name"];
                prop_assert!(endings.iter().any(|end| error.message.ends_with(end)), "{}", error.message);
            }
        }
    }
}
