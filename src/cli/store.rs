//! `store`: the shared store of environments.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand};
use serde::Serialize;

use super::common::{ConnectorsArgs, EnvironmentArgs, Printed, Terminal, lockfile_beside, project_of};
use super::look::grouped;
use crate::cancellation::Cancellation;
use crate::connectors::storage_dependencies;
use crate::environment::store::{Checked, Lease, Limits, Pruned, Store, Stored, store_root};
use crate::environment::{Purpose, Remover, StoreOptions, node_for, portable_lockfile};
use crate::error::{Code, Result, RunnerError};
use crate::host::Host;
use crate::options::{OptionValue, Options};
use crate::run::find_connectors;
use crate::template::Script;

/// Arguments of `store`.
#[derive(Debug, Args)]
pub struct StoreArgs {
    /// What to do
    #[command(subcommand)]
    pub action: StoreAction,

    /// Print JSON
    #[arg(long, global = true)]
    pub json: bool,
}

/// Which store is meant.
#[derive(Debug, Args)]
pub struct FolderArgs {
    /// Folder of the store [default: the variable `OWOX_RUNNER_STORE`, else in the user's cache folder]
    #[arg(long, value_name = "DIR")]
    store: Option<String>,
}

/// What `store` can do.
#[derive(Debug, Subcommand)]
pub enum StoreAction {
    /// List the environments in the store: their own size, what they share with others, when they were
    /// used last
    #[command(visible_alias = "du")]
    List(FolderArgs),
    /// Check every file of the environments against what was installed; what is damaged is
    /// installed anew by its next run
    Verify(FolderArgs),
    /// Remove environments that nothing uses
    Prune {
        /// Which store is meant
        #[command(flatten)]
        folder: FolderArgs,

        /// Remove what was not used for so many days
        #[arg(long, visible_alias = "older-than", value_name = "DAYS", default_value = "30")]
        max_age: u32,

        /// Remove the least recently used until at most so many megabytes are left
        #[arg(long, value_name = "MB")]
        max_size: Option<u64>,

        /// Remove everything that is not in use
        #[arg(long)]
        all: bool,
    },
    /// Prepare the environments of configurations, so that their first runs need not
    Warm(ConfigsArgs),
    /// Write which versions each configuration's environment has into a lockfile beside it,
    /// which its runs then keep to
    Lock(ConfigsArgs),
}

/// Configurations, and how their environments are made.
#[derive(Debug, Args)]
pub struct ConfigsArgs {
    /// Connectors' configurations, JSON files
    #[arg(value_name = "CONFIG", required = true)]
    configs: Vec<String>,

    /// Connectors package
    #[command(flatten)]
    connectors: ConnectorsArgs,

    /// How environments are made
    #[command(flatten)]
    environment: EnvironmentArgs,
}

/// Looks after the store.
pub async fn store(args: &StoreArgs, host: &Host, _: Terminal) -> Printed {
    let done = match &args.action {
        StoreAction::List(folder) => {
            open(folder, host).and_then(|store| answer(args, &store.list(), list_text))
        }
        StoreAction::Verify(folder) => open(folder, host).and_then(|store| {
            let checked = store.verify();
            let mut printed = answer(args, &checked, |checked| verify_text(checked))?;
            printed.exit_code = i32::from(checked.iter().any(|one| !one.damaged.is_empty()));
            Ok(printed)
        }),
        StoreAction::Prune { folder, max_age, max_size, all } => open(folder, host).and_then(|store| {
            let limits = Limits {
                unused_for: Some(Duration::from_secs(u64::from(*max_age) * 24 * 60 * 60)),
                max_bytes: max_size.map(|megabytes| megabytes.saturating_mul(1_000_000)),
                all: *all,
            };
            answer(args, &store.prune(&limits), prune_text)
        }),
        StoreAction::Warm(configs) => warm(args, configs, host).await,
        StoreAction::Lock(configs) => lock(args, configs, host).await,
    };
    done.unwrap_or_else(Printed::from)
}

fn open(folder: &FolderArgs, host: &Host) -> Result<Store> {
    Store::open(&store_root(folder.store.as_deref(), host)?, Remover::of(host))
}

fn answer<T: Serialize + ?Sized>(
    args: &StoreArgs,
    facts: &T,
    text: impl FnOnce(&T) -> String,
) -> Result<Printed> {
    if !args.json {
        return Ok(Printed::ok(text(facts)));
    }
    let json = serde_json::to_string(facts)
        .map_err(|cause| RunnerError::new(Code::Internal, format!("failed to print JSON: {cause}")))?;
    Ok(Printed::ok(json + "\n"))
}

/// One configuration's environment.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Warmed {
    config: String,
    key: String,
    cached: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    lockfile: Option<String>,
}

async fn warm(args: &StoreArgs, configs: &ConfigsArgs, host: &Host) -> Result<Printed> {
    let mut all = Vec::new();
    for config in &configs.configs {
        let lockfile = configs.environment.lockfile_for(Path::new(config));
        let mut lease = obtain(config, configs, lockfile, host).await?;
        lease.synced().await;
        all.push(Warmed {
            config: config.clone(),
            key: lease.key.clone(),
            cached: lease.cached,
            lockfile: None,
        });
    }
    answer(args, all.as_slice(), |all| {
        all.iter().fold(String::new(), |mut text, one| {
            let how = if one.cached { "was there already" } else { "installed" };
            let _ = writeln!(text, "{}: environment {} {how}", one.config, one.key);
            text
        })
    })
}

async fn lock(args: &StoreArgs, configs: &ConfigsArgs, host: &Host) -> Result<Printed> {
    let mut all = Vec::new();
    for config in &configs.configs {
        let path = match &configs.environment.lockfile {
            Some(named) => host.absolute(named),
            None => lockfile_beside(&host.absolute(config)),
        };
        let lease = obtain(config, configs, None, host).await?;
        crate::environment::write(&path, &portable_lockfile(&lease.installed)?)?;
        let lockfile = Some(path.display().to_string());
        all.push(Warmed { config: config.clone(), key: lease.key.clone(), cached: lease.cached, lockfile });
    }
    answer(args, all.as_slice(), |all| {
        all.iter().fold(String::new(), |mut text, one| {
            let _ = writeln!(text, "{}: wrote {}", one.config, one.lockfile.as_deref().unwrap_or_default());
            text
        })
    })
}

async fn obtain(config: &str, configs: &ConfigsArgs, lockfile: Option<String>, host: &Host) -> Result<Lease> {
    let storage = storage_of(config, host)?;
    let connectors = find_connectors(configs.connectors.connectors.as_deref(), host).await?;
    let dependencies = storage_dependencies(&connectors.catalog, &connectors.package, &storage)?;
    let EnvironmentArgs { store, refresh, allow_scripts, allow_specs, .. } = &configs.environment;
    let checked = Options::default().with(vec![
        ("allowScripts".into(), OptionValue::Texts(allow_scripts.clone())),
        ("allowSpecs".into(), OptionValue::Texts(allow_specs.clone())),
    ])?;
    let store = StoreOptions {
        dir: store.clone(),
        refresh: *refresh,
        lockfile,
        project: project_of(config),
        ..checked.store
    };
    let node = node_for(&host.variables, host)?;
    let purpose = Purpose {
        package: &connectors.package,
        storage_dependencies: &dependencies,
        node: &node,
        script: Script::default(),
        store: &store,
        host,
    };
    purpose.obtain(&Cancellation::default(), &()).await
}

/// The storage's name in a configuration's file.
fn storage_of(config: &str, host: &Host) -> Result<String> {
    let invalid = |cause: &str| {
        RunnerError::new(Code::InvalidConfig, format!("the configuration {config} cannot be used: {cause}"))
    };
    let text = super::read_config(config, host)?;
    if let Some(why) = super::explain(&text) {
        return Err(invalid(&why));
    }
    let config: serde_json::Value =
        serde_json::from_str(&text).map_err(|cause| invalid(&cause.to_string()))?;
    let name = config["storage"]["name"].as_str().filter(|name| !name.is_empty());
    name.map(|name| crate::config::storage_name(name).to_owned())
        .ok_or_else(|| invalid("Storage name is required"))
}

fn list_text(all: &Vec<Stored>) -> String {
    if all.is_empty() {
        return "The store is empty.\n".to_owned();
    }
    let mut text = format!("{:>9}  {:<12}  {}\n", "SIZE", "LAST USED", "ENVIRONMENT");
    for stored in all {
        let state = match (stored.current, stored.in_use) {
            (_, true) => " (in use)",
            (false, _) => " (no run can use it)",
            _ => "",
        };
        let names = stored.dependencies.as_object().into_iter().flatten();
        let names: Vec<_> =
            names.filter(|(name, _)| *name != "@owox/connectors").map(|(name, _)| name.as_str()).collect();
        let wanted = if names.is_empty() {
            stored.connectors.clone()
        } else {
            format!("{} + {}", stored.connectors, names.join(", "))
        };
        let _ = writeln!(text, "{:>9}  {:<12}  {wanted}{state}", size(stored.bytes), age(stored.used_ms));
        let files = grouped(stored.files.try_into().unwrap_or_default());
        let shares = shared_text(stored, all);
        let _ = writeln!(text, "{:25}{}, {files} files{shares}", "", stored.name);
    }
    // what is shared is there once
    let shared: HashMap<_, _> = all.iter().map(|stored| (&stored.shared, stored.shared_bytes)).collect();
    let total = all.iter().map(|stored| stored.bytes).chain(shared.into_values()).sum();
    let _ = writeln!(text, "{} in {}", size(total), environments(all.len()));
    text
}

/// What an environment has in common with others.
fn shared_text(stored: &Stored, all: &[Stored]) -> String {
    if stored.shared.is_none() {
        return String::new();
    }
    let others = all.iter().filter(|other| other.shared == stored.shared).count() - 1;
    let with = match others {
        0 => String::new(),
        1 => ", shared with another environment".to_owned(),
        others => format!(", shared with {others} other environments"),
    };
    format!(", and packages of {}{with}", size(stored.shared_bytes))
}

fn verify_text(all: &[Checked]) -> String {
    let mut text = String::new();
    for one in all.iter().filter(|one| !one.damaged.is_empty()) {
        let _ = writeln!(text, "{}: damaged, its next run installs it anew", one.name);
        for path in one.damaged.iter().take(10) {
            let _ = writeln!(text, "  {path}");
        }
        if one.damaged.len() > 10 {
            let _ = writeln!(text, "  and {} more", one.damaged.len() - 10);
        }
    }
    let intact = all.iter().filter(|one| one.damaged.is_empty()).count();
    let _ = match (intact, all.len()) {
        (_, 0) => writeln!(text, "The store is empty."),
        (1, 1) => writeln!(text, "1 environment is intact"),
        (intact, all) if intact == all => writeln!(text, "all {all} environments are intact"),
        (intact, all) => writeln!(text, "{intact} of {all} environments are intact"),
    };
    text
}

fn prune_text(pruned: &Pruned) -> String {
    let mut text = String::new();
    for stored in &pruned.removed {
        let _ = writeln!(text, "removed {} ({})", stored.name, size(stored.bytes));
    }
    for name in &pruned.in_use {
        let _ = writeln!(text, "kept {name}: it is in use");
    }
    let _ = match &pruned.removed[..] {
        [] => writeln!(text, "Nothing to remove"),
        _ => writeln!(text, "{} freed", size(pruned.freed_bytes)),
    };
    text
}

fn environments(count: usize) -> String {
    format!("{count} environment{}", if count == 1 { "" } else { "s" })
}

/// Bytes for people, in powers of ten.
fn size(bytes: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB"];
    let mut whole = bytes;
    let mut tenths = 0;
    let mut unit = 0;
    while whole >= 1000 && unit + 1 < units.len() {
        tenths = whole % 1000 / 100;
        whole /= 1000;
        unit += 1;
    }
    if unit == 0 || whole >= 100 {
        format!("{whole} {}", units[unit])
    } else {
        format!("{whole}.{tenths} {}", units[unit])
    }
}

/// How long ago, for people.
fn age(since_ms: u64) -> String {
    let since = UNIX_EPOCH + Duration::from_millis(since_ms);
    let seconds = SystemTime::now().duration_since(since).unwrap_or_default().as_secs();
    match seconds {
        0..60 => "just now".to_owned(),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..172_800 => format!("{} h ago", seconds / 3600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_ages_are_for_people() {
        let sizes = [0, 999, 1000, 28_400_000, 812_000_000, 3_250_000_000].map(size);
        assert_eq!(sizes, ["0 B", "999 B", "1.0 kB", "28.4 MB", "812 MB", "3.2 GB"]);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let ago = |seconds: u64| age(u64::try_from(now.as_millis()).unwrap() - seconds * 1000);
        assert_eq!([1, 120, 7200, 864_000].map(ago), ["just now", "2 min ago", "2 h ago", "10 days ago"]);
    }

    #[test]
    fn the_storage_of_a_configuration_is_named_as_the_package_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.json");
        std::fs::write(&path, r#"{"storage":{"name":"AWS_ATHENA"}}"#).unwrap();
        let host = Host { cwd: folder.path().to_owned(), ..Host::default() };
        assert_eq!(storage_of("c.json", &host).unwrap(), "AwsAthena");
        for text in ["{", "{}", r#"{"storage":{"name":""}}"#] {
            std::fs::write(&path, text).unwrap();
            assert!(storage_of("c.json", &host).unwrap_err().message.contains("c.json"), "{text}");
        }
        assert_eq!(storage_of("none", &host).unwrap_err().code, Code::InvalidConfig);
    }
}
