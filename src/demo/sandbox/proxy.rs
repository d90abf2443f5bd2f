//! A TCP proxy that stands before any server, real or sandbox, and delays, cuts or corrupts what passes.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What happens to the bytes of one connection. Offsets count from the connection's first byte in that direction.
#[derive(Clone, Debug, Default)]
pub struct Weather {
    /// Both directions wait as long before each piece.
    pub delay: Duration,
    /// Hang up after so many bytes from the server.
    pub cut_down: Option<u64>,
    /// Hang up after so many bytes from the client.
    pub cut_up: Option<u64>,
    /// Flip the lowest bit of this byte from the server.
    pub corrupt_down: Option<u64>,
    /// Nothing passes after so many bytes from the server, and nobody is told.
    pub stall_down: Option<u64>,
}

/// A running proxy. It ends when it is dropped.
pub struct Proxy {
    pub addr: SocketAddr,
    state: Arc<State>,
    task: JoinHandle<()>,
}

struct State {
    target: SocketAddr,
    weather: Mutex<Box<dyn FnMut(u64) -> Weather + Send>>,
    connections: AtomicU64,
    up: AtomicU64,
    down: AtomicU64,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    /// A proxy on a free loopback port. `weather` is asked for each connection, with its number from 0 on.
    pub async fn start(target: SocketAddr, weather: impl FnMut(u64) -> Weather + Send + 'static) -> io::Result<Proxy> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?;
        let state = Arc::new(State {
            target,
            weather: Mutex::new(Box::new(weather)),
            connections: AtomicU64::new(0),
            up: AtomicU64::new(0),
            down: AtomicU64::new(0),
        });
        let task = tokio::spawn(listen(listener, state.clone()));
        Ok(Proxy { addr, state, task })
    }

    /// The weather for the connections to come.
    pub fn set_weather(&self, weather: impl FnMut(u64) -> Weather + Send + 'static) {
        *self.state.weather.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(weather);
    }

    pub fn connections(&self) -> u64 {
        self.state.connections.load(Ordering::Relaxed)
    }

    /// Bytes passed so far: from clients, from the server.
    pub fn passed(&self) -> (u64, u64) {
        (self.state.up.load(Ordering::Relaxed), self.state.down.load(Ordering::Relaxed))
    }
}

async fn listen(listener: TcpListener, state: Arc<State>) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((client, _)) = accepted else { return };
                let number = state.connections.fetch_add(1, Ordering::Relaxed);
                let weather = (state.weather.lock().unwrap_or_else(PoisonError::into_inner))(number);
                connections.spawn(pass(client, state.clone(), weather));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn pass(client: TcpStream, state: Arc<State>, weather: Weather) -> io::Result<()> {
    let server = TcpStream::connect(state.target).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let up = Lane { cut: weather.cut_up, corrupt: None, stall: None, delay: weather.delay };
    let down =
        Lane { cut: weather.cut_down, corrupt: weather.corrupt_down, stall: weather.stall_down, delay: weather.delay };
    let mut up = std::pin::pin!(up.carry(from_client, to_server, &state.up));
    let mut down = std::pin::pin!(down.carry(from_server, to_client, &state.down));
    // A lane that was cut takes the other with it; one that came to its end leaves the other to its own.
    tokio::select! {
        end = &mut up => if end? == End::Finished { down.await?; },
        end = &mut down => if end? == End::Finished { up.await?; },
    }
    Ok(())
}

#[derive(PartialEq)]
enum End {
    Finished,
    Cut,
}

struct Lane {
    cut: Option<u64>,
    corrupt: Option<u64>,
    stall: Option<u64>,
    delay: Duration,
}

impl Lane {
    async fn carry(
        &self,
        mut from: tokio::net::tcp::OwnedReadHalf,
        mut to: tokio::net::tcp::OwnedWriteHalf,
        passed: &AtomicU64,
    ) -> io::Result<End> {
        let mut at = 0u64;
        let mut buffer = vec![0; 16 << 10];
        loop {
            let count = from.read(&mut buffer).await?;
            if count == 0 {
                to.shutdown().await?;
                return Ok(End::Finished);
            }
            if !self.delay.is_zero() {
                tokio::time::sleep(self.delay).await;
            }
            let piece = buffer.get_mut(..count).unwrap_or_default();
            let start = at;
            at += u64::try_from(count).unwrap_or(0);
            if let Some(corrupt) = self.corrupt.and_then(|corrupt| corrupt.checked_sub(start))
                && let Some(byte) = usize::try_from(corrupt).ok().and_then(|corrupt| piece.get_mut(corrupt))
            {
                *byte ^= 1;
            }
            let end = self.cut.into_iter().chain(self.stall).min().unwrap_or(u64::MAX);
            let keep = usize::try_from(end.saturating_sub(start)).unwrap_or(count).min(count);
            let piece = piece.get(..keep).unwrap_or_default();
            to.write_all(piece).await?;
            passed.fetch_add(u64::try_from(keep).unwrap_or(0), Ordering::Relaxed);
            if self.stall.is_some_and(|stall| at >= stall) {
                // Takes what comes and passes nothing on.
                while from.read(&mut buffer).await? > 0 {}
                return Ok(End::Finished);
            }
            if self.cut.is_some_and(|cut| at >= cut) {
                return Ok(End::Cut);
            }
        }
    }
}
