//! A wait that nothing can end, which the runner's own `deasync` tells from within a run. Stderr is the
//! connector's alone, so it leaves an empty file in the run's directory; what it means is written here.

use std::fs;
use std::path::Path;

/// Left by `src/environment/provided/deasync/index.js`.
const ENDLESS_WAIT: &str = ".owox-endless-wait";

/// Takes the file out of the run's directory; gives what it means, where it was there.
pub fn told(directory: &Path) -> Option<String> {
    let path = directory.join(ENDLESS_WAIT);
    let is_there = fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_file());
    let _ = fs::remove_file(&path);
    is_there.then(|| {
        "the connector waited with deasync for something that cannot happen any more: no timer, connection or other \
         work was left; a promise that nobody settles, or a wait begun in a promise callback, is the usual cause"
            .to_owned()
    })
}
