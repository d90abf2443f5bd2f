//! DNS for [`super::own_check`]: the system's resolver, or servers that somebody named.
//!
//! The only file of this room that opens sockets. It must never know what is asked for.

use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;

use super::own_check::Resolver;

/// Records of one name beyond this are not read.
const RECORDS_MAX: usize = 50;

/// A caching resolver with a time limit for every question.
pub struct Dns {
    resolver: TokioResolver,
    wait_max: Duration,
}

impl Dns {
    /// With the servers of `/etc/resolv.conf`.
    pub fn system(wait_max: Duration) -> Result<Dns, String> {
        let (config, options) = hickory_resolver::system_conf::read_system_conf().map_err(|error| error.to_string())?;
        Dns::with(config, options, wait_max)
    }

    /// With these servers, by UDP and TCP.
    pub fn servers(servers: &[SocketAddr], wait_max: Duration) -> Result<Dns, String> {
        let named = servers.iter().map(|server| {
            let mut config = NameServerConfig::udp_and_tcp(server.ip());
            config.connections.iter_mut().for_each(|connection| connection.port = server.port());
            config
        });
        Dns::with(ResolverConfig::from_name_servers(named.collect()), ResolverOpts::default(), wait_max)
    }

    fn with(config: ResolverConfig, mut options: ResolverOpts, wait_max: Duration) -> Result<Dns, String> {
        options.timeout = wait_max / 2;
        options.attempts = 1;
        let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).with_options(options);
        Ok(Dns { resolver: builder.build().map_err(|error| error.to_string())?, wait_max })
    }
}

#[async_trait]
impl Resolver for Dns {
    async fn txt(&self, name: &str) -> Result<Vec<Vec<u8>>, String> {
        let asked = self.resolver.txt_lookup(format!("{}.", name.trim_end_matches('.')));
        let answer = tokio::time::timeout(self.wait_max, asked).await.map_err(|_| "no answer in time".to_string())?;
        match answer {
            Ok(found) => {
                let records = found.answers().iter().filter_map(|record| match &record.data {
                    RData::TXT(text) => Some(text.txt_data.iter().flat_map(|piece| piece.iter().copied()).collect()),
                    _ => None,
                });
                Ok(records.take(RECORDS_MAX).collect())
            }
            Err(error) if error.is_no_records_found() => Ok(Vec::new()),
            Err(error) => Err(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A dead DNS server would hold every mail for minutes.
    #[test]
    fn a_silent_server_is_an_error_in_time() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            // Nobody answers on this socket.
            let silent = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let dns = Dns::servers(&[silent.local_addr().unwrap()], Duration::from_millis(200)).unwrap();
            let started = std::time::Instant::now();
            assert!(dns.txt("shop.example").await.is_err());
            assert!(started.elapsed() < Duration::from_secs(5));
        });
    }
}
