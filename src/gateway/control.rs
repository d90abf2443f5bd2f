//! The control socket: while `run` holds the store, the other commands talk to it here.
//!
//! `<data_dir>/postern.sock`, readable by its owner only; one JSON request a line, one JSON reply a
//! line ([`Request`], [`Reply`]).

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

use super::Gateway;
use super::desk::{Reply, Request};

/// A request is a file of orders at most.
const REQUEST_BYTES_MAX: u64 = 256 << 20;

pub fn socket_path(data_dir: &Path) -> PathBuf {
    data_dir.join("postern.sock")
}

impl Gateway {
    /// Serves the control socket until `stop`.
    pub async fn serve_control(&self, data_dir: &Path, stop: CancellationToken) -> std::io::Result<()> {
        use std::os::unix::fs::PermissionsExt as _;
        let path = socket_path(data_dir);
        // Whoever holds the store owns the socket; what lies there is from a crash.
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                accepted = listener.accept() => {
                    let Ok((stream, _)) = accepted else { continue };
                    let gateway = self.clone();
                    tokio::spawn(async move {
                        if let Err(error) = gateway.serve_client(stream).await {
                            tracing::debug!(%error, "a control client went away");
                        }
                    });
                }
            }
        }
        let _ = std::fs::remove_file(&path);
        Ok(())
    }

    async fn serve_client(&self, stream: UnixStream) -> std::io::Result<()> {
        use tokio::io::AsyncReadExt as _;
        let (read, mut write) = stream.into_split();
        let mut lines = BufReader::new(read.take(REQUEST_BYTES_MAX));
        let mut line = String::new();
        loop {
            line.clear();
            if lines.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            let reply = match serde_json::from_str::<Request>(&line) {
                Err(error) => Reply::refused(format!("not a request: {error}")),
                Ok(request) => {
                    let gateway = self.clone();
                    tokio::task::spawn_blocking(move || gateway.handle(request))
                        .await
                        .unwrap_or_else(|error| Reply::refused(format!("the request could not be served: {error}")))
                }
            };
            let mut bytes = serde_json::to_vec(&reply).unwrap_or_else(|_| b"{\"ok\":false}".to_vec());
            bytes.push(b'\n');
            write.write_all(&bytes).await?;
        }
    }
}

/// Asks a running gateway; `None` when nobody listens there.
pub fn ask(data_dir: &Path, request: &Request) -> Option<std::io::Result<Reply>> {
    use std::io::{BufRead as _, Write as _};
    let stream = std::os::unix::net::UnixStream::connect(socket_path(data_dir)).ok()?;
    Some((|| {
        stream.set_read_timeout(Some(Duration::from_secs(300)))?;
        let mut bytes = serde_json::to_vec(request)?;
        bytes.push(b'\n');
        (&stream).write_all(&bytes)?;
        let mut line = String::new();
        std::io::BufReader::new(&stream).read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    })())
}
