//! Which of the host's variables a connector gets (`RunOptions.env`, contract section 11).

use super::paths::make_absolute;
use crate::context::Variables;
use crate::host::Host;

/// What `minimal` passes on, beside `LC_*`, `OW_*` and `AWS_ENDPOINT_URL*`.
const MINIMAL: [&str; 8] = [
    "PATH",
    "LANG",
    "TZ",
    "TMPDIR",
    "NODE_EXTRA_CA_CERTS",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "BIGQUERY_EMULATOR_HOST",
];

/// Which variables to pass on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum EnvPolicy {
    /// All of them.
    #[default]
    Inherit,
    /// What programs need to find programs, certificates, proxies and emulators.
    Minimal,
    /// The variables of these names.
    Names(Vec<String>),
}

impl EnvPolicy {
    /// The variables that pass. The run's own (`OW_*`) always do.
    pub fn apply(&self, variables: Variables) -> Variables {
        variables.into_iter().filter(|(name, _)| name.starts_with("OW_") || self.passes(name)).collect()
    }

    fn passes(&self, name: &str) -> bool {
        match self {
            EnvPolicy::Inherit => true,
            EnvPolicy::Names(names) => names.iter().any(|wanted| wanted == name),
            EnvPolicy::Minimal => {
                MINIMAL.contains(&name)
                    || name.starts_with("LC_")
                    || name.starts_with("AWS_ENDPOINT_URL")
                    || name.ends_with("_PROXY")
                    || name.ends_with("_proxy")
            }
        }
    }
}

/// Variables of a process that only looks at packages: what programs need, with absolute paths, and
/// nothing of a run.
pub fn for_helper(host: &Host) -> Variables {
    let mut variables = EnvPolicy::Minimal.apply(host.variables.clone());
    variables.retain(|(name, _)| !name.starts_with("OW_"));
    make_absolute(&mut variables, &host.cwd);
    variables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_policy_passes_what_it_says() {
        let names = [
            "PATH",
            "HOME",
            "LC_ALL",
            "https_proxy",
            "AWS_ENDPOINT_URL_S3",
            "AWS_SECRET_ACCESS_KEY",
            "OW_CONFIG",
        ];
        let passed = |policy: &EnvPolicy| -> Vec<String> {
            let all = names.iter().map(|name| ((*name).to_owned(), String::new())).collect();
            policy.apply(all).into_iter().map(|(name, _)| name).collect()
        };
        assert_eq!(passed(&EnvPolicy::Inherit), names);
        assert_eq!(
            passed(&EnvPolicy::Minimal),
            ["PATH", "LC_ALL", "https_proxy", "AWS_ENDPOINT_URL_S3", "OW_CONFIG"]
        );
        assert_eq!(passed(&EnvPolicy::Names(vec!["HOME".into()])), ["HOME", "OW_CONFIG"]);
    }
}
