//! Where a path leads, found once and step by step: each step is a descriptor of the one before, so
//! nobody can exchange what has been looked at, and what comes of it is a descriptor as well. A link says
//! what its maker wants: it is followed where an administrator has made it, and not where a run may
//! have, to be led elsewhere by the next one.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Access, AtFlags, FileType, Mode, OFlags, accessat, fstat, openat, readlinkat};
use rustix::io::Errno;

/// Links after which a path is taken for a circle, as the kernel does.
const MOST_LINKS: usize = 40;

/// A file or folder on the machine: device and number.
type Identity = (u64, u64);

/// A file or folder that was found. What is decided of it holds for its descriptor, whatever becomes of
/// its path.
#[derive(Debug, Clone)]
pub struct Place {
    /// The path without links.
    pub path: PathBuf,
    /// What was there; opened for nothing but to be named.
    pub descriptor: Arc<OwnedFd>,
    /// Those of `/` and each folder down to it, and its own.
    identities: Vec<Identity>,
    kind: FileType,
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path && self.identities == other.identities
    }
}

impl Eq for Place {}

impl Place {
    /// Finds what a path leads to, by all of its links; `None` where it leads nowhere.
    pub fn find(path: &Path) -> Option<Self> {
        follow(path, &[], Last::Folder).map(|followed| followed.place)
    }

    /// Whether it is one of these folders, or lies below one.
    pub fn is_in(&self, folders: &[Self]) -> bool {
        folders.iter().filter_map(|folder| folder.identities.last()).any(|id| self.identities.contains(id))
    }

    /// Whether it is a folder.
    pub fn is_folder(&self) -> bool {
        self.kind == FileType::Directory
    }

    /// Whether it is a file like most.
    pub fn is_file(&self) -> bool {
        self.kind == FileType::RegularFile
    }
}

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
    /// What is there.
    pub place: Place,
    /// The folder that holds it.
    pub folder: Option<Place>,
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
    pub fn leads_out(&self, writable: &[Place]) -> Option<String> {
        let link = self.doubtful.as_ref()?;
        if self.place.is_in(writable) {
            return None;
        }
        let (link, path) = (link.display(), self.place.path.display());
        Some(format!("{link} is a symbolic link to {path} in a folder that runs may write"))
    }
}

/// One step down.
struct Step {
    name: OsString,
    descriptor: OwnedFd,
    identity: Identity,
    kind: FileType,
}

impl Step {
    /// What bears the name in a folder, not followed if it is a link.
    fn into(folder: BorrowedFd<'_>, name: &OsStr) -> Option<Self> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let descriptor = openat(folder, name, flags, Mode::empty()).ok()?;
        let status = fstat(&descriptor).ok()?;
        let kind = FileType::from_raw_mode(status.st_mode);
        Some(Self { name: name.to_owned(), descriptor, identity: (status.st_dev, status.st_ino), kind })
    }
}

/// The steps from `/` to where a walk is.
struct Walk(Vec<Step>);

impl Walk {
    fn begin() -> Option<Self> {
        Some(Self(vec![Step::into(rustix::fs::CWD, OsStr::new("/"))?]))
    }

    fn last(&self) -> Option<&Step> {
        self.0.last()
    }

    fn up(&mut self) {
        self.0.truncate(self.0.len().saturating_sub(1).max(1));
    }

    fn path(&self) -> PathBuf {
        self.0.iter().map(|step| step.name.as_os_str()).collect()
    }

    fn identities(&self) -> Vec<Identity> {
        self.0.iter().map(|step| step.identity).collect()
    }

    fn is_in(&self, folders: &[Place]) -> bool {
        let mut own = folders.iter().filter_map(|folder| folder.identities.last());
        own.any(|own| self.0.iter().any(|step| step.identity == *own))
    }

    /// The place where it ends.
    fn end(&mut self) -> Option<Place> {
        let (path, identities) = (self.path(), self.identities());
        let Step { descriptor, kind, .. } = self.0.pop()?;
        Some(Place { path, descriptor: descriptor.into(), identities, kind })
    }
}

/// Follows an absolute path, step by step; `None` where it leads nowhere. `writable`: folders that this
/// run writes, as its like before it did.
pub fn follow(path: &Path, writable: &[Place], last: Last) -> Option<Followed> {
    fs::metadata(path).ok()?; // what is mounted when it is asked for, is mounted by this
    let mut rest = Vec::new();
    push(&mut rest, path);
    let mut walk = Walk::begin()?;
    let (mut links, mut doubtful) = (0, None);
    while let Some(part) = rest.pop() {
        if part == ".." {
            walk.up();
            continue;
        }
        let at = walk.last()?;
        let next = Step::into(at.descriptor.as_fd(), &part)?;
        if next.kind != FileType::Symlink {
            walk.0.push(next);
            continue;
        }
        links += 1;
        if links > MOST_LINKS {
            return None;
        }
        let is_in_place_of_a_file = last == Last::File && rest.is_empty();
        let is_made_by_runs =
            walk.is_in(writable) || (is_in_place_of_a_file && may_write(at.descriptor.as_fd()));
        if doubtful.is_none() && is_made_by_runs {
            doubtful = Some(walk.path().join(&part));
        }
        let target = readlinkat(&next.descriptor, c"", Vec::new()).ok()?;
        let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
        if target.is_absolute() {
            walk.0.truncate(1);
        }
        push(&mut rest, &target);
    }
    let place = walk.end()?;
    Some(Followed { place, folder: walk.end(), doubtful })
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

/// Whether this user may write a folder, as far as its mode and its mount say; also where the system
/// does not tell.
fn may_write(folder: BorrowedFd<'_>) -> bool {
    let may = accessat(folder, c".", Access::WRITE_OK, AtFlags::EACCESS);
    !matches!(may, Err(Errno::ACCESS | Errno::ROFS))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;
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
            assert_eq!((followed.place.path.clone(), followed.leads_out(&[])), (end.clone(), None), "{path}");
            assert_eq!(followed.folder.unwrap().path, root.join("a/b"));
        }
        assert!(of("circle", Last::File).is_none() && of("a/none", Last::File).is_none());
        assert_eq!(Place::find(Path::new("/../..")).unwrap().path, Path::new("/"));
        let written = [Place::find(&root.join("a")).unwrap()];
        assert!(
            follow(&root.join("a/relative/file"), &written, Last::File)
                .unwrap()
                .leads_out(&written)
                .is_none()
        );
        let out = follow(&root.join("absolute/relative"), &written, Last::Folder).unwrap();
        assert!(out.leads_out(&[]).unwrap().contains("a/relative is a symbolic link"));
    }

    #[test]
    fn what_was_found_stays_what_it_is_when_its_path_is_exchanged() {
        let root = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(root.path()).unwrap();
        fs::create_dir_all(root.join("granted/folder")).unwrap();
        fs::create_dir_all(root.join("secret")).unwrap();
        let found = Place::find(&root.join("granted/folder")).unwrap();
        fs::rename(root.join("granted/folder"), root.join("granted/away")).unwrap();
        symlink(root.join("secret"), root.join("granted/folder")).unwrap();
        let now = fs::read_link(format!("/proc/self/fd/{}", found.descriptor.as_raw_fd())).unwrap();
        assert_eq!(now, root.join("granted/away"));
        // and a link in a folder that is written is known by the folder, whatever it is called
        let written = [Place::find(&root.join("granted")).unwrap()];
        fs::rename(root.join("granted"), root.join("renamed")).unwrap();
        let followed = follow(&root.join("renamed/folder"), &written, Last::Folder).unwrap();
        assert!(followed.leads_out(&written).is_some());
    }
}
