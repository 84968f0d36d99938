//! Runs that move the state.

use serde_json::value::RawValue;

/// Run types that move the state. A backfill loads the past, and a custom run whatever was asked
/// for.
const MOVES_STATE: [&str; 2] = ["INCREMENTAL", "FULL_REFRESH"];

/// Whether a run of this configuration (the variable `OW_RUN_CONFIG`) moves the state where it
/// succeeds. Without a type it is an incremental one.
pub fn moves_state(run_config: Option<&str>) -> bool {
    #[derive(serde::Deserialize)]
    struct RunConfig<'a> {
        #[serde(borrow, rename = "type")]
        kind: Option<&'a RawValue>,
    }
    let Some(text) = run_config.filter(|text| !text.trim().is_empty()) else { return true };
    let Ok(RunConfig { kind }) = serde_json::from_str(text) else { return false };
    let Some(kind) = kind.filter(|kind| !["null", "\"\""].contains(&kind.get())) else { return true };
    serde_json::from_str::<String>(kind.get()).is_ok_and(|kind| MOVES_STATE.contains(&kind.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_incremental_runs_and_full_refreshes_move_the_state() {
        for moves in [
            None,
            Some(""),
            Some("{}"),
            Some(r#"{"type":null}"#),
            Some(r#"{"type":"INCREMENTAL"}"#),
            Some(r#"{"type":"FULL_REFRESH"}"#),
        ] {
            assert!(moves_state(moves), "{moves:?}");
        }
        for text in [
            r#"{"type":"MANUAL_BACKFILL"}"#,
            r#"{"type":"CUSTOM"}"#,
            r#"{"type":"other"}"#,
            r#"{"type":5}"#,
            "{",
        ] {
            assert!(!moves_state(Some(text)), "{text}");
        }
    }
}
