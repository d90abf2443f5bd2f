//! DNS for [`super::own_check`]: the system's resolver, or servers that somebody named.
//!
//! The only file of this room that opens sockets. It must never know what is asked for.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use hickory_resolver::config::{NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::proto::rr::RData;
use mail_auth::spf::verify::SpfParameters;
use mail_auth::{MessageAuthenticator, SpfResult};

use super::own_check::{Hop, Resolver};

/// Records of one name beyond this are not read.
const RECORDS_MAX: usize = 50;
/// A name whose question failed is not asked again for so many times the limit of a question.
const FAILED_FOR: u32 = 2;
/// After so many failures in a row nobody is asked for a while: with DNS down each mail would wait its full time.
const FAILURES_MAX: u32 = 8;
/// Names that failed, remembered at most.
const NAMES_MAX: usize = 10_000;

/// A caching resolver with a time limit for every question. Made within a runtime.
pub struct Dns {
    resolver: MessageAuthenticator,
    wait_max: Duration,
    failures: Mutex<Failures>,
}

#[derive(Default)]
struct Failures {
    names: HashMap<String, Instant>,
    in_a_row: u32,
    last: Option<Instant>,
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
        let resolver = MessageAuthenticator::new(config, options).map_err(|error| error.to_string())?;
        Ok(Dns { resolver, wait_max, failures: Mutex::default() })
    }

    /// Whether a question is worth asking now.
    fn may_ask(&self, name: &str) -> Result<(), String> {
        let Ok(mut failures) = self.failures.lock() else { return Ok(()) };
        if failures.names.get(name).is_some_and(|at| at.elapsed() < self.wait_max * FAILED_FOR) {
            return Err("no answer a moment ago".to_string());
        }
        if failures.in_a_row >= FAILURES_MAX
            && failures.last.is_some_and(|at| at.elapsed() < self.wait_max * FAILED_FOR)
        {
            return Err("DNS does not answer at all".to_string());
        }
        failures.names.remove(name);
        Ok(())
    }

    fn learn(&self, name: &str, answered: bool) {
        let Ok(mut failures) = self.failures.lock() else { return };
        if answered {
            failures.in_a_row = 0;
            return;
        }
        failures.in_a_row = failures.in_a_row.saturating_add(1);
        failures.last = Some(Instant::now());
        if failures.names.len() >= NAMES_MAX {
            failures.names.clear();
        }
        failures.names.insert(name.to_string(), Instant::now());
    }
}

#[async_trait]
impl Resolver for Dns {
    async fn txt(&self, name: &str) -> Result<Vec<Vec<u8>>, String> {
        self.may_ask(name)?;
        let asked = self.resolver.resolver().txt_lookup(format!("{}.", name.trim_end_matches('.')));
        let answer = tokio::time::timeout(self.wait_max, asked).await.map_err(|_| "no answer in time".to_string());
        let answer = match answer {
            Ok(Ok(found)) => {
                let records = found.answers().iter().filter_map(|record| match &record.data {
                    RData::TXT(text) => Some(text.txt_data.iter().flat_map(|piece| piece.iter().copied()).collect()),
                    _ => None,
                });
                Ok(records.take(RECORDS_MAX).collect())
            }
            Ok(Err(error)) if error.is_no_records_found() => Ok(Vec::new()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(late) => Err(late),
        };
        self.learn(name, answer.is_ok());
        answer
    }

    async fn spf(&self, hop: &Hop) -> Result<bool, String> {
        let domain = hop.mail_from.rsplit_once('@').map_or("", |(_, domain)| domain).to_lowercase();
        self.may_ask(&domain)?;
        let asked = SpfParameters::verify_mail_from(hop.address, &hop.helo, &hop.received_by, &hop.mail_from);
        let answer = tokio::time::timeout(self.wait_max, self.resolver.verify_spf(asked)).await;
        let answer = match answer.map(|output| output.result()) {
            Ok(SpfResult::Pass) => Ok(true),
            Ok(SpfResult::TempError) => Err("SPF could not be looked up".to_string()),
            Ok(_) => Ok(false),
            Err(_) => Err("no answer in time".to_string()),
        };
        self.learn(&domain, answer.is_ok());
        answer
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
            let started = Instant::now();
            assert!(dns.txt("shop.example").await.is_err());
            assert!(started.elapsed() < Duration::from_secs(5));
            // A thousand mails of the same or other senders do not each wait once more.
            for n in 0..1_000 {
                assert!(dns.txt("shop.example").await.is_err());
                assert!(dns.txt(&format!("shop{n}.example")).await.is_err());
            }
            assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
        });
    }
}
