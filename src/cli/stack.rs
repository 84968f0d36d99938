//! Stacks of errors, as a person reads them on a terminal: where it was, and not how it came there.

/// A line of a stack, shortened; nothing for one in Node.js itself, and `None` for any other line.
///
/// What is in an environment or in the run's directory has a long path that means nothing to
/// anybody: the one is named by its package, the other is gone by then.
pub fn frame(line: &str) -> Option<String> {
    let content = line.trim_end_matches('\n');
    let place = content.strip_prefix("    at ")?;
    if place.starts_with("node:") || place.contains("(node:") {
        return Some(String::new());
    }
    let (before, path) = match place.rfind('(') {
        Some(at) => place.split_at(at + 1),
        None => place.split_at(place.find("file:").or_else(|| place.find('/')).unwrap_or(0)),
    };
    let short = match (path.rsplit_once("/node_modules/"), run_directory(path)) {
        (Some((_, module)), _) => module,
        (None, Some(file)) => file,
        (None, None) => path,
    };
    Some(format!("    at {before}{short}\n"))
}

/// What of a path is in a run's directory.
fn run_directory(path: &str) -> Option<&str> {
    path.split_once("/owox-run-")?.1.split_once('/').map(|(_, file)| file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_short_and_other_lines_are_none() {
        for (line, wanted) in [
            ("Error: at last\n", None),
            ("  at home\n", None),
            (
                "    at readFile (/home/u/.cache/x/v1/environments/1ba/node_modules/@owox/connectors/src/Read.js:71:11)\n",
                Some("    at readFile (@owox/connectors/src/Read.js:71:11)\n"),
            ),
            (
                "    at async f (/a/node_modules/b/node_modules/c/d.js:1:2)\n",
                Some("    at async f (c/d.js:1:2)\n"),
            ),
            (
                "    at start (/tmp/owox-run-cli_runner-93f/main.js:102:18)\n",
                Some("    at start (main.js:102:18)\n"),
            ),
            ("    at /tmp/owox-run-x/main.js:1:2\n", Some("    at main.js:1:2\n")),
            ("    at file:///srv/mine.mjs:3:1\n", Some("    at file:///srv/mine.mjs:3:1\n")),
            ("    at file:///a/node_modules/c/d.mjs:3:1\n", Some("    at c/d.mjs:3:1\n")),
            ("    at mine (/srv/mine.js:3:1)", Some("    at mine (/srv/mine.js:3:1)\n")),
            ("    at new Promise (<anonymous>)\n", Some("    at new Promise (<anonymous>)\n")),
            ("    at node:internal/main/run_main_module:28:49\n", Some("")),
            ("    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)\n", Some("")),
        ] {
            assert_eq!(frame(line).as_deref(), wanted, "{line}");
        }
    }
}
