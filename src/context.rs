//! What a run tells its process: the variables of contract section 4.

/// Environment variables, in order.
pub type Variables = Vec<(String, String)>;

/// What identifies a run and tells its process what to do.
#[derive(Debug, Clone)]
pub struct RunTexts {
    /// The data mart's id, as text.
    pub datamart_id: String,
    /// The run's id, as text.
    pub run_id: String,
    /// `JSON.stringify(config.toObject())`, made by JavaScript and passed on unparsed; `None`
    /// where there was nothing to stringify.
    pub config: Option<String>,
    /// `JSON.stringify(runConfig.toObject())`, likewise.
    pub run_config: Option<String>,
}

/// `base` (all of `process.env` as JavaScript sees it) plus the variables that tell the connector
/// about its run, which win over variables of the same name.
pub fn variables(base: Variables, run: &RunTexts) -> Variables {
    let own = [
        ("OW_DATAMART_ID", Some(&run.datamart_id)),
        ("OW_RUN_ID", Some(&run.run_id)),
        ("OW_CONFIG", run.config.as_ref()),
        ("OW_RUN_CONFIG", run.run_config.as_ref()),
    ];
    let mut variables: Variables =
        base.into_iter().filter(|(name, _)| own.iter().all(|(ours, _)| ours != name)).collect();
    variables.extend(own.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.clone()))));
    variables
}

/// The id that stands for a run in names: both ids, joined by a dash.
pub fn unique_id(datamart_id: &str, run_id: &str) -> String {
    format!("{datamart_id}-{run_id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(config: Option<&str>) -> RunTexts {
        RunTexts {
            datamart_id: "dm".into(),
            run_id: "r".into(),
            config: config.map(Into::into),
            run_config: Some("{}".into()),
        }
    }

    #[test]
    fn the_runs_own_variables_win() {
        let base = vec![("A".into(), "1".into()), ("OW_CONFIG".into(), "stale".into())];
        let variables = variables(base, &run(Some("{\"a\":1}")));
        assert_eq!(
            variables,
            [
                ("A", "1"),
                ("OW_DATAMART_ID", "dm"),
                ("OW_RUN_ID", "r"),
                ("OW_CONFIG", "{\"a\":1}"),
                ("OW_RUN_CONFIG", "{}")
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
    }

    #[test]
    fn a_config_without_text_leaves_no_stale_variable() {
        let variables = variables(vec![("OW_CONFIG".into(), "stale".into())], &run(None));
        assert!(variables.iter().all(|(name, _)| name != "OW_CONFIG"));
    }
}
