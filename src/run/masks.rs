//! Secrets that a connector derives, such as an access token: it names them over a socket of its own,
//! never over stdout, and waits for the answer, so that nothing that it writes later shows them.

use std::convert::Infallible;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use zeroize::Zeroizing;

use crate::output::redact::Secrets;

/// Bytes of the longest value, as in `bootstrap.js`.
const LONGEST: usize = 16 * 1024;

/// Values that are listened to. Fewer of them are kept (`Secrets`); whoever names more is not answered.
const MOST: usize = 4096;

/// What the process is told of a value.
const HIDDEN: u8 = 1;

/// The host's end.
#[derive(Debug)]
pub struct Masks {
    socket: UnixStream,
    secrets: Arc<Secrets>,
}

impl Masks {
    /// A socket, and the process's end of it; none where there is nothing to hide, or the system has no
    /// descriptors left, since a run can do without.
    pub fn open(secrets: Option<&Arc<Secrets>>) -> Option<(Self, OwnedFd)> {
        let secrets = Arc::clone(secrets?);
        let (ours, theirs) = StdUnixStream::pair().ok()?;
        ours.set_nonblocking(true).ok()?;
        let socket = UnixStream::from_std(ours).ok()?;
        Some((Self { socket, secrets }, theirs.into()))
    }

    /// Takes values for as long as the process names some.
    pub async fn serve(mut self) -> Infallible {
        for _ in 0..MOST {
            if self.take().await.is_err() {
                break;
            }
        }
        drop(self);
        std::future::pending().await
    }

    /// One value: its length, four bytes, little-endian, and UTF-8.
    async fn take(&mut self) -> io::Result<()> {
        let length = usize::try_from(self.socket.read_u32_le().await?).unwrap_or(usize::MAX);
        if length > LONGEST {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut bytes = Zeroizing::new(vec![0; length]);
        self.socket.read_exact(&mut bytes).await?;
        let is_hidden = std::str::from_utf8(&bytes).is_ok_and(|value| self.secrets.learn_value(value));
        self.socket.write_u8(if is_hidden { HIDDEN } else { 0 }).await
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;
    use crate::output::redact::{Marked, Redaction};

    fn tell(socket: &mut StdUnixStream, value: &[u8]) -> io::Result<u8> {
        let length = u32::try_from(value.len()).unwrap();
        socket.write_all(&length.to_le_bytes())?;
        socket.write_all(value)?;
        let mut answer = [0];
        socket.read_exact(&mut answer)?;
        Ok(answer[0])
    }

    #[tokio::test]
    async fn a_value_is_hidden_before_its_answer_and_what_is_no_value_ends_it() {
        let secrets = Secrets::find(&Redaction::default(), &[], &Marked::default()).unwrap();
        assert!(Masks::open(None).is_none());
        let (masks, theirs) = Masks::open(Some(&secrets)).unwrap();
        let known = Arc::clone(&secrets);
        let told = tokio::task::spawn_blocking(move || {
            let mut socket = StdUnixStream::from(theirs);
            let first = tell(&mut socket, b"derived-token").unwrap();
            let shown = known.redact("a derived-token b");
            let others: Vec<_> = [&b"short"[..], b"12345678", b"\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8", b""]
                .into_iter()
                .map(|value| tell(&mut socket, value).unwrap())
                .collect();
            (first, shown, others, tell(&mut socket, &vec![b'x'; LONGEST + 1]).is_err())
        });
        tokio::select! {
            never = masks.serve() => match never {},
            told = told => {
                assert_eq!(told.unwrap(), (HIDDEN, "a *** b".to_owned(), vec![0, 0, 0, 0], true));
            }
        }
    }
}
