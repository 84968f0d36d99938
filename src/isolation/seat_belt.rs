//! Node's permission model, for files, where the kernel has no rules for them. It is a seat belt and
//! no wall: JavaScript's own file functions keep to it, in the connector and its worker threads;
//! native addons and programs that the connector starts do not. Node.js 22 and later would hand its
//! flags on to programs by `NODE_OPTIONS`, and with them warnings on the connector's stderr; the
//! bootstrap keeps them out of `process.execArgv`, from where they would come.

use std::fs;
use std::path::Path;

use crate::environment::node_help;
use crate::host::Host;
use crate::protocol::landlock;
use crate::protocol::policy::{Demand, Enforced, Layer, Measured, Policy};

/// Its name in reports.
const MECHANISM: &str = "Node.js permission model (seat belt)";

/// What it leaves open, for reports.
const GAP: &str = "it binds JavaScript's own file functions only, not native addons or started programs";

/// What was tried for a run without Landlock: flags for node, or why there are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeatBelt(Result<Vec<String>, String>);

impl SeatBelt {
    /// The seat belt for a run; none where its files are nobody's business, or the kernel has rules.
    pub async fn fasten(policy: Option<&Policy>, node: &Path, host: &Host) -> Option<Self> {
        let policy = policy.filter(|policy| policy.demands[Layer::Files] != Demand::Off)?;
        if landlock::version().is_ok_and(|version| version > 0) {
            return None;
        }
        Some(Self(match node_help(node, host).await {
            Ok(help) => flags(policy, &help),
            Err(error) => Err(error.message),
        }))
    }

    /// Arguments for node.
    pub fn flags(&self) -> &[String] {
        self.0.as_deref().unwrap_or_default()
    }

    /// What is enforced of the layer of files, where the kernel enforces nothing.
    pub fn improve(&self, measured: &mut Measured) {
        if measured.enforced != Enforced::None {
            return;
        }
        let kernel = measured.reason.take().unwrap_or_default();
        match &self.0 {
            Ok(_) => *measured = Measured::partial(MECHANISM, format!("{GAP}: {kernel}")),
            Err(why) => measured.reason = Some(format!("{kernel}; nor is there a seat belt: {why}")),
        }
    }
}

/// The flags that bind node to a policy's files and nothing else. `help` is node's own: which
/// permissions it asks for differs from version to version, and all but files are given.
fn flags(policy: &Policy, help: &str) -> Result<Vec<String>, String> {
    let words = || help.split([' ', ',', '\n']).map(str::trim);
    let knows = |flag: &str| words().any(|word| word.split('=').next() == Some(flag));
    let switch = ["--permission", "--experimental-permission"].into_iter().find(|flag| knows(flag));
    let (Some(switch), true) = (switch, knows("--disable-warning")) else {
        return Err("this Node.js has no permission model; 20.16 or later has".to_owned());
    };
    let mut flags = vec![switch.to_owned()];
    // what node says about its own flags is not the connector's
    flags.extend(["SecurityWarning", "ExperimentalWarning"].map(|kind| format!("--disable-warning={kind}")));
    let mut allowed: Vec<_> =
        words().filter(|word| word.starts_with("--allow-") && !word.contains('=')).collect();
    allowed.sort_unstable();
    allowed.dedup();
    flags.extend(allowed.into_iter().map(ToOwned::to_owned));
    let opened = || policy.opened.iter().map(|place| (&place.path, place.is_written));
    let writes = || opened().filter(|place| place.1).map(|place| place.0).chain(&policy.writes);
    match &policy.reads {
        None => flags.push("--allow-fs-read=*".to_owned()),
        Some(reads) => {
            let opened = opened().map(|place| place.0);
            allow("--allow-fs-read", reads.iter().chain(opened).chain(&policy.writes), &mut flags)?;
        }
    }
    allow("--allow-fs-write", writes(), &mut flags)?;
    Ok(flags)
}

fn allow<'a>(
    flag: &str,
    paths: impl Iterator<Item = &'a String>,
    flags: &mut Vec<String>,
) -> Result<(), String> {
    for path in paths {
        // they would mean something else
        if path.contains(['*', ',']) {
            return Err(format!("{path} holds a character that Node.js takes for a pattern or a list"));
        }
        if path == "/" {
            return Err("a grant holds everything".to_owned());
        }
        // a folder both by itself and with its content crashes Node.js 20
        let is_folder = fs::metadata(path).is_ok_and(|metadata| metadata.is_dir());
        let content = if is_folder { "/*" } else { "" };
        flags.push(format!("{flag}={}{content}", path.trim_end_matches('/')));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::policy::PerLayer;

    const HELP: &str = "  --allow-addons              allow use of addons when any\n  --allow-fs-read=...  x\n  \
                        --allow-fs-write=...  x\n  --allow-worker   x\n  --disable-warning=...  x\n  \
                        --experimental-permission, --permission\n";

    fn policy(reads: Option<&[&str]>, writes: &[&str]) -> Policy {
        let texts = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect();
        Policy {
            demands: PerLayer::all(Demand::Preferred),
            reads: reads.map(texts),
            writes: texts(writes),
            ..Policy::default()
        }
    }

    #[test]
    fn all_but_files_is_allowed_and_of_files_what_is_granted() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().to_str().unwrap();
        let expected = [
            "--permission".to_owned(),
            "--disable-warning=SecurityWarning".to_owned(),
            "--disable-warning=ExperimentalWarning".to_owned(),
            "--allow-addons".to_owned(),
            "--allow-worker".to_owned(),
            "--allow-fs-read=*".to_owned(),
            format!("--allow-fs-write={folder}/*"),
            "--allow-fs-write=/dev/null".to_owned(),
        ];
        assert_eq!(flags(&policy(None, &[folder, "/dev/null"]), HELP).unwrap(), expected);
        let strict = flags(&policy(Some(&["/dev/zero"]), &["/dev/null"]), HELP).unwrap();
        assert!(strict.ends_with(&[
            "--allow-fs-read=/dev/zero".to_owned(),
            "--allow-fs-read=/dev/null".to_owned(),
            "--allow-fs-write=/dev/null".to_owned(),
        ]));
        let old = HELP.replace(", --permission", "");
        assert_eq!(flags(&policy(None, &[]), &old).unwrap()[0], "--experimental-permission");
    }

    #[test]
    fn where_it_cannot_be_the_report_says_why() {
        assert!(flags(&policy(None, &["/"]), HELP).unwrap_err().contains("everything"));
        assert!(flags(&policy(None, &["/a,b"]), HELP).unwrap_err().contains("/a,b"));
        let too_old = flags(&policy(None, &[]), "  --allow-fs-read=...").unwrap_err();
        let mut measured = Measured::none("no Landlock");
        SeatBelt(Err(too_old)).improve(&mut measured);
        assert_eq!(measured.enforced, Enforced::None);
        assert!(measured.reason.unwrap().contains("no Landlock; nor is there a seat belt: this Node.js"));
        let mut measured = Measured::none("no Landlock");
        SeatBelt(Ok(Vec::new())).improve(&mut measured);
        assert_eq!(measured.enforced, Enforced::Partial);
        assert!(
            measured.mechanism.contains("seat belt") && measured.reason.unwrap().ends_with("no Landlock")
        );
        let mut enforced = Measured::full("Landlock");
        SeatBelt(Ok(Vec::new())).improve(&mut enforced);
        assert_eq!(enforced, Measured::full("Landlock"));
    }
}
