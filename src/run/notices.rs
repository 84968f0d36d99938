//! What Node.js itself has to say of a run, such as that something is deprecated. It is none of what
//! the connector writes, so it does not come by stderr: `bootstrap.js` writes it into a file in
//! memory, and it becomes warnings of the run.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use rustix::fs::{MemfdFlags, SealFlags};

/// Bytes of the file. Nobody can make it longer, and what does not fit is not told.
const BYTES: u64 = 16 * 1024;

/// The host's end.
#[derive(Debug)]
pub struct Notices(File);

impl Notices {
    /// A file, and the process's end of it; none where the system has no memory for it, since a run
    /// can do without.
    pub fn open() -> Option<(Self, OwnedFd)> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let file = File::from(rustix::fs::memfd_create("notices", flags).ok()?);
        file.set_len(BYTES).ok()?;
        rustix::fs::fcntl_add_seals(&file, SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL).ok()?;
        let theirs = file.try_clone().ok()?;
        Some((Self(file), theirs.into()))
    }

    /// One line a notice. Whatever a process may have written there is text.
    pub fn read(self) -> Vec<String> {
        let mut bytes = vec![0; usize::try_from(BYTES).unwrap_or_default()];
        let count = self.0.read_at(&mut bytes, 0).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes[..count]);
        let lines = text.split(['\n', '\0']).map(|line| line.replace(char::is_control, " "));
        let told = lines.map(|line| line.trim().to_owned()).filter(|line| !line.is_empty());
        told.map(|line| format!("Node.js: {line}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn what_fits_is_told_and_no_more() {
        let (notices, theirs) = Notices::open().unwrap();
        let mut theirs = File::from(theirs);
        theirs.write_all("one ✓\n\u{1b}[2Jtwo\n\n".as_bytes()).unwrap();
        assert!(theirs.set_len(BYTES * 2).is_err());
        assert!(theirs.write_all(&vec![b'x'; usize::try_from(BYTES).unwrap()]).is_err());
        let told = notices.read();
        assert_eq!(told[..2], ["Node.js: one ✓".to_owned(), "Node.js: [2Jtwo".to_owned()]);
        assert!(told.iter().map(String::len).sum::<usize>() < 20_000);
        assert_eq!(Notices::open().unwrap().0.read(), Vec::<String>::new());
    }
}
