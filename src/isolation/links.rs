//! Where a path leads. A link says what its maker wants: it is followed where an administrator has
//! made it, and not where a run may have, to be led elsewhere by the next one.

use std::ffi::OsString;
use std::fs;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, accessat};

/// Links after which a path is taken for a circle, as the kernel does.
const MOST_LINKS: usize = 40;

/// What a path names at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Last {
    /// A folder.
    Folder,
    /// A file: a link in its place is the easiest to make, so it counts only in a folder that this user
    /// may not write at all.
    File,
}

/// Where a path leads.
#[derive(Debug)]
pub struct Followed {
    /// The path without links.
    pub path: PathBuf,
    /// The first link that a run may have made.
    doubtful: Option<PathBuf>,
}

impl Followed {
    /// Whether a run may have made a link on the way.
    pub fn is_doubtful(&self) -> bool {
        self.doubtful.is_some()
    }

    /// What is said of a path that leaves these folders by a link that a run may have made; `None` where
    /// it does not.
    pub fn leads_out(&self, writable: &[PathBuf]) -> Option<String> {
        let link = self.doubtful.as_ref()?;
        if writable.iter().any(|folder| self.path.starts_with(folder)) {
            return None;
        }
        let (link, path) = (link.display(), self.path.display());
        Some(format!("{link} is a symbolic link to {path} in a folder that runs may write"))
    }
}

/// Follows an absolute path, step by step; `None` where it leads nowhere. `writable`: folders that this
/// run writes, as its like before it did.
pub fn follow(path: &Path, writable: &[PathBuf], last: Last) -> Option<Followed> {
    let mut rest = Vec::new();
    push(&mut rest, path);
    let mut at = PathBuf::from("/");
    let (mut links, mut doubtful) = (0, None);
    while let Some(part) = rest.pop() {
        if part == ".." {
            at.pop();
            continue;
        }
        let next = at.join(&part);
        if !fs::symlink_metadata(&next).ok()?.is_symlink() {
            at = next;
            continue;
        }
        links += 1;
        if links > MOST_LINKS {
            return None;
        }
        let is_in_place_of_a_file = last == Last::File && rest.is_empty();
        let is_written = writable.iter().any(|folder| at.starts_with(folder));
        if doubtful.is_none() && (is_written || (is_in_place_of_a_file && may_write(&at))) {
            doubtful = Some(next.clone());
        }
        let target = fs::read_link(&next).ok()?;
        if target.is_absolute() {
            at = PathBuf::from("/");
        }
        push(&mut rest, &target);
    }
    Some(Followed { path: at, doubtful })
}

/// Puts the parts of a path before the rest, which is in reverse order.
fn push(rest: &mut Vec<OsString>, path: &Path) {
    let parts = path.components().rev().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    rest.extend(parts);
}

/// Whether this user may write a folder, as far as its mode and its mount say.
fn may_write(folder: &Path) -> bool {
    accessat(CWD, folder, Access::WRITE_OK, AtFlags::EACCESS).is_ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_followed_to_their_end_and_circles_are_none() {
        let root = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(root.path()).unwrap();
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::write(root.join("a/b/file"), "").unwrap();
        symlink("b", root.join("a/relative")).unwrap();
        symlink(root.join("a"), root.join("absolute")).unwrap();
        symlink("circle", root.join("circle")).unwrap();
        let of = |path: &str, last| follow(&root.join(path), &[], last);
        let end = root.join("a/b/file");
        for path in ["a/b/file", "a/relative/file", "absolute/relative/../b/./file"] {
            let followed = of(path, Last::Folder).unwrap();
            assert_eq!((followed.path.clone(), followed.leads_out(&[])), (end.clone(), None), "{path}");
        }
        assert!(of("circle", Last::File).is_none() && of("a/none", Last::File).is_none());
        let written = [root.join("a")];
        assert!(
            follow(&root.join("a/relative/file"), &written, Last::File)
                .unwrap()
                .leads_out(&written)
                .is_none()
        );
        let out = follow(&root.join("absolute/relative"), &written, Last::Folder).unwrap();
        assert!(out.leads_out(&[]).unwrap().contains("a/relative is a symbolic link"));
    }
}
