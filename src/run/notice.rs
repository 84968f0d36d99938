//! What the runner's own modules say from within a run. Its stderr is the connector's alone, so they
//! leave an empty file in its directory; what it means is written here.

use std::fs;
use std::path::Path;

/// Left by `src/environment/provided/deasync/index.js`.
const ENDLESS_WAIT: &str = ".owox-endless-wait";

/// Takes the notices of a run out of its directory.
pub fn taken(directory: &Path) -> Option<String> {
    let path = directory.join(ENDLESS_WAIT);
    let is_there = fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_file());
    let _ = fs::remove_file(&path);
    is_there.then(|| {
        "the connector waited with deasync for something that cannot happen any more: no timer, connection or other \
         work was left; a promise that nobody settles, or a wait begun in a promise callback, is the usual cause"
            .to_owned()
    })
}
