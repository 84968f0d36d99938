//! A control group (version 2) for one tree, where the system has delegated such groups to the
//! host: then the kernel itself keeps the limit of memory, between two samples as well.
//!
//! A group of a service that shares its memory out cannot hold processes itself, so the host lives
//! in a group below it (systemd: `Delegate=memory` with `DelegateSubgroup=`), and the tree's group
//! becomes the neighbour of the host's.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long the kernel may take to let go of processes that were killed.
const PATIENCE: Duration = Duration::from_secs(1);

/// A group with a limit of memory. Dropping it kills whoever is in it.
#[derive(Debug)]
pub struct Group {
    folder: PathBuf,
}

impl Group {
    /// A group beside this process's own, if that is delegated.
    pub fn delegated(limit: u64) -> Option<Self> {
        let own = own_group()?;
        let parent = own.parent()?;
        let shared = fs::read_to_string(parent.join("cgroup.subtree_control")).ok()?;
        if !shared.split_whitespace().any(|controller| controller == "memory") {
            return None;
        }
        Self::create(parent, limit).ok()
    }

    fn create(parent: &Path, limit: u64) -> io::Result<Self> {
        let folder = parent.join(format!("owox-run-{}", std::process::id()));
        fs::create_dir(&folder)?;
        let group = Self { folder };
        group.set("memory.max", &limit.to_string())?;
        // all or none: half a tree can do no work
        group.set("memory.oom.group", "1")?;
        // not everywhere there is swap to be limited
        let _ = group.set("memory.swap.max", "0");
        Ok(group)
    }

    fn set(&self, name: &str, value: &str) -> io::Result<()> {
        File::options().write(true).open(self.folder.join(name))?.write_all(value.as_bytes())
    }

    /// Where a process writes `0` to come in.
    pub fn door(&self) -> io::Result<File> {
        File::options().write(true).open(self.folder.join("cgroup.procs"))
    }

    /// Whether the kernel has killed somebody here for want of memory.
    pub fn has_killed(&self) -> bool {
        let events = fs::read_to_string(self.folder.join("memory.events")).unwrap_or_default();
        events.lines().any(|line| line.strip_prefix("oom_kill ").is_some_and(|count| count.trim() != "0"))
    }

    /// The most memory that was used here at a time, in bytes (since Linux 5.19).
    pub fn peak(&self) -> Option<u64> {
        fs::read_to_string(self.folder.join("memory.peak")).ok()?.trim().parse().ok()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = self.set("cgroup.kill", "1"); // since Linux 5.14
        let deadline = Instant::now() + PATIENCE;
        while fs::remove_dir(&self.folder).is_err() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// The folder of this process's own group.
fn own_group() -> Option<PathBuf> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let mount = mounts.lines().find_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        kind.starts_with("cgroup2 ").then(|| place.split(' ').nth(4))?
    })?;
    Some(Path::new(mount).join(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What can be run where the memory controller belongs to version 1, as root: everything but
    /// the limit itself, whose files only that controller has.
    #[test]
    fn who_came_in_is_killed_with_the_group_and_a_group_without_its_limit_is_none() {
        let Some(own) =
            own_group().filter(|own| File::options().write(true).open(own.join("cgroup.procs")).is_ok())
        else {
            return; // no control groups of version 2 that this user may change
        };
        let folder = own.join(format!("owox-test-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let group = Group { folder: folder.clone() };
        assert!(!group.has_killed());
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        group.door().unwrap().write_all(child.id().to_string().as_bytes()).unwrap();
        drop(group);
        assert!(!child.wait().unwrap().success() && !folder.exists());

        if !own.join("memory.max").exists() && !folder.join("memory.max").exists() {
            assert!(Group::create(&own, 1 << 30).is_err(), "it would not limit anything");
            assert!(!own.join(format!("owox-run-{}", std::process::id())).exists());
        }
    }

    #[test]
    fn limits_and_events_are_where_the_kernel_has_them() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("group");
        fs::create_dir(&folder).unwrap();
        for (name, content) in [
            ("memory.max", "max\n"),
            ("memory.events", "low 0\nhigh 0\nmax 3\noom 1\noom_kill 2\noom_group_kill 1\n"),
            ("memory.peak", "4096\n"),
        ] {
            fs::write(folder.join(name), content).unwrap();
        }
        let group = Group { folder: folder.clone() };
        group.set("memory.max", "1234").unwrap();
        assert_eq!(fs::read_to_string(folder.join("memory.max")).unwrap(), "1234");
        assert!(group.has_killed());
        assert_eq!(group.peak(), Some(4096));
        fs::write(folder.join("memory.events"), "oom 1\noom_kill 0\n").unwrap();
        assert!(!group.has_killed());
        std::mem::forget(group); // these are plain files
    }
}
