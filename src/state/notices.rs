//! What whoever starts a run has to know of its state, in words.

use super::file::Found;
use super::store::Store;
use crate::output::State;

/// A state's date, as it is shown.
pub fn date(state: &State) -> &str {
    let date = state.date.as_deref().unwrap_or("none");
    date.strip_suffix("T00:00:00.000Z").unwrap_or(date)
}

/// What has to be said of a checkpoint that a run is to go on from. Connectors of 0.11 print one date
/// for all that they load; many do so for each account or node, one after the other, and none of
/// them reads a state in a backfill.
pub fn resuming(kept: Option<&State>, is_incremental: bool) -> Option<String> {
    let kept = match kept {
        None => {
            return Some(
                "no run of this type and data was interrupted since the last that succeeded, so there is \
                 nothing to resume: this one begins where any other does"
                    .to_owned(),
            );
        }
        Some(kept) if kept.tables.is_empty() => date(kept),
        Some(_) => return None,
    };
    Some(if is_incremental {
        format!(
            "the connector gave one date ({kept}) for all that it was loading, and not one for each table. If it \
             loads accounts or tables one after the other, this run leaves out what the later ones have before \
             that: without --resume nothing is left out"
        )
    } else {
        format!(
            "the connector gave one date ({kept}) for all that it was loading, and not one for each table: that \
             is not enough to go on, and this run begins where any other does. A later StartDate spares it what \
             is known to be there"
        )
    })
}

/// What has to be said of a state that was found.
pub fn notice(found: &Found, store: &Store, config: &str) -> Option<String> {
    let file = store.current_path().display();
    match found {
        Found::Unclaimed(state) => Some(format!(
            "the state in {file} ({}) does not say which source and table it belongs to, as those of earlier versions; \
             it is taken for this configuration's",
            date(state)
        )),
        Found::Other { changes, state } => {
            let changes =
                if changes.is_empty() { "it loads something else".to_owned() } else { changes.join(", ") };
            Some(format!(
                "the state that is kept ({}) belongs to what {config} loaded before: {changes}. This run begins anew; \
                 that state is kept too, and counts again where the change is undone. To go on from it instead: state \
                 set {config} {}",
                date(state),
                date(state)
            ))
        }
        Found::Own(_) | Found::Nothing => None,
    }
}
