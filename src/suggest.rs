//! What was probably meant by a name that is not there.

/// The name that was probably meant; `None` where nothing is near.
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let simple = |name: &str| name.to_lowercase().replace(['_', '-', ' '], "");
    let wanted = simple(given);
    let score = |name: &str| match simple(name) {
        // in a short name one slip of the pen changes much
        name if wanted.len() > 2 && strsim::osa_distance(&wanted, &name) == 1 => 1.0,
        name => strsim::jaro_winkler(&wanted, &name),
    };
    let scored = known.into_iter().map(|name| (score(name), name));
    scored.filter(|(score, _)| *score >= 0.8).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
}

/// What to say of a name that is not there: the one that was probably meant, or all there are.
pub fn suggestion<'a, N: IntoIterator<Item = &'a str>>(given: &str, known: impl Fn() -> N) -> String {
    match nearest(given, known()) {
        Some(meant) => format!("did you mean {meant}?"),
        None => format!("there are {}", known().into_iter().collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_the_one_that_was_meant() {
        let known = ["StartDate", "EndDate", "Path", "UniqueKeys"];
        for (given, meant) in [
            ("start_date", Some("StartDate")),
            ("StratDate", Some("StartDate")),
            ("endDate", Some("EndDate")),
            ("UniqueKey", Some("UniqueKeys")),
            ("path", Some("Path")),
            ("ptah", Some("Path")),
            ("pat", Some("Path")),
            ("Colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(given, known), meant, "{given}");
        }
    }
}
