//! The service notification protocol of systemd's `sd_notify(3)`, both ends.
//!
//! A role says when it is ready (`READY=1`), what it is doing (`STATUS=…`) and why it failed
//! (`DAAS_ERROR=…`) in a datagram to the socket named by `NOTIFY_SOCKET`. So it works under
//! systemd (`Type=notify`) as it does under `daas up`.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;

/// The environment variable that names the socket.
pub(crate) const SOCKET_VARIABLE: &str = "NOTIFY_SOCKET";

/// Longest datagram that is read, in bytes.
const MAX_DATAGRAM: usize = 4096;

/// What a role said of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Notice {
    /// It does what it is for.
    Ready,
    /// What it is doing, for people.
    Status(String),
    /// Why it is about to exit.
    Error(String),
}

/// Says that this process is ready. Without a supervisor that listens, nothing happens.
pub(crate) fn ready() {
    send("READY=1");
}

/// Says what this process is doing.
pub(crate) fn status(text: &str) {
    send(&format!("STATUS={}", one_line(text)));
}

/// Says why this process is about to exit.
pub(crate) fn error(text: &str) {
    send(&format!("DAAS_ERROR={}", one_line(text)));
}

fn one_line(text: &str) -> String {
    text.replace('\n', " ")
}

fn send(message: &str) {
    let Some(name) = std::env::var_os(SOCKET_VARIABLE) else {
        return;
    };
    let sent = address(name.as_bytes())
        .and_then(|to| Ok((UnixDatagram::unbound()?, to)))
        .and_then(|(socket, to)| socket.send_to_addr(message.as_bytes(), &to));
    if let Err(error) = sent {
        tracing::warn!(%error, "the supervisor could not be notified");
    }
}

/// A path, or a name in the abstract namespace where it begins with `@`.
fn address(name: &[u8]) -> io::Result<SocketAddr> {
    match name.strip_prefix(b"@") {
        Some(abstract_name) => SocketAddr::from_abstract_name(abstract_name),
        None => SocketAddr::from_pathname(Path::new(std::ffi::OsStr::from_bytes(name))),
    }
}

/// The supervisor's end, one for each supervised process.
pub(crate) struct Listener {
    socket: tokio::net::UnixDatagram,
    name: String,
}

impl Listener {
    /// Binds a fresh socket in the abstract namespace: it needs no path, has no length limit of
    /// the data directory's, and is gone with the process.
    ///
    /// # Errors
    /// When the kernel refuses the socket.
    pub(crate) fn bind(part: &str) -> io::Result<Self> {
        let name = format!(
            "daas-{}-{part}-{:016x}",
            std::process::id(),
            rand::random::<u64>()
        );
        let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket: tokio::net::UnixDatagram::from_std(socket)?,
            name,
        })
    }

    /// The value for [`SOCKET_VARIABLE`].
    pub(crate) fn variable(&self) -> String {
        format!("@{}", self.name)
    }

    /// The next notice; fields that this supervisor has no use for are passed over.
    ///
    /// # Errors
    /// When the socket fails.
    pub(crate) async fn next(&self) -> io::Result<Notice> {
        let mut buffer = [0; MAX_DATAGRAM];
        loop {
            let length = self.socket.recv(&mut buffer).await?;
            let text = String::from_utf8_lossy(buffer.get(..length).unwrap_or_default());
            if let Some(notice) = text.lines().find_map(parse) {
                return Ok(notice);
            }
        }
    }
}

fn parse(line: &str) -> Option<Notice> {
    let (key, value) = line.split_once('=')?;
    match key {
        "READY" if value == "1" => Some(Notice::Ready),
        "STATUS" => Some(Notice::Status(value.to_owned())),
        "DAAS_ERROR" => Some(Notice::Error(value.to_owned())),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_sent_arrives_in_order_and_the_rest_is_passed_over() {
        let listener = Listener::bind("test").unwrap();
        let to = address(listener.variable().as_bytes()).unwrap();
        let socket = UnixDatagram::unbound().unwrap();
        for message in [
            "MAINPID=1",
            "STATUS=opening",
            "READY=1",
            "READY=0",
            "DAAS_ERROR=no",
        ] {
            socket.send_to_addr(message.as_bytes(), &to).unwrap();
        }
        assert_eq!(
            listener.next().await.unwrap(),
            Notice::Status("opening".into())
        );
        assert_eq!(listener.next().await.unwrap(), Notice::Ready);
        assert_eq!(listener.next().await.unwrap(), Notice::Error("no".into()));
    }
}
