//! A DNS server of the test's own.
#![allow(dead_code, reason = "each test file uses its share")]

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

const PUBLIC: &str = include_str!("../keys/dkim-rsa.pub");

/// Answers TXT questions over UDP from a table; says nothing at all while it is silent.
pub struct Dns {
    pub address: SocketAddr,
    records: Arc<Mutex<BTreeMap<String, Vec<String>>>>,
    silent: Arc<AtomicBool>,
    pub asked: Arc<AtomicUsize>,
}

impl Dns {
    pub fn start() -> Dns {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let dns = Dns {
            address: socket.local_addr().unwrap(),
            records: Arc::default(),
            silent: Arc::default(),
            asked: Arc::default(),
        };
        let key = PUBLIC.lines().filter(|line| !line.starts_with('-')).collect::<String>();
        for domain in ["shop.example", "nord.example", "evil.example", "list.example", "lab.test"] {
            dns.set(&format!("s1._domainkey.{domain}"), &[&format!("v=DKIM1; k=rsa; p={key}")]);
        }
        dns.set("_dmarc.shop.example", &["v=DMARC1; p=reject"]);
        dns.set("shop.example", &["v=spf1 ip4:203.0.113.5 -all", "another=1"]);
        let (records, silent, asked) = (dns.records.clone(), dns.silent.clone(), dns.asked.clone());
        std::thread::spawn(move || {
            let mut packet = [0_u8; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut packet) {
                asked.fetch_add(1, Ordering::SeqCst);
                if !silent.load(Ordering::SeqCst) {
                    let _ = socket.send_to(&answer(&packet[..length], &records.lock().unwrap()), from);
                }
            }
        });
        dns
    }

    pub fn set(&self, name: &str, texts: &[&str]) {
        self.records.lock().unwrap().insert(name.to_string(), texts.iter().map(ToString::to_string).collect());
    }

    pub fn silence(&self, silent: bool) {
        self.silent.store(silent, Ordering::SeqCst);
    }
}

/// A response to one question: the TXT records of its name, or that there is no such name (RFC 1035).
fn answer(question: &[u8], records: &BTreeMap<String, Vec<String>>) -> Vec<u8> {
    let mut labels = Vec::new();
    let mut at = 12;
    while question[at] != 0 {
        let length = usize::from(question[at]);
        labels.push(String::from_utf8_lossy(&question[at + 1..at + 1 + length]).to_lowercase());
        at += length + 1;
    }
    let kind = u16::from_be_bytes([question[at + 1], question[at + 2]]);
    let end = at + 5;
    let texts = records.get(&labels.join(".")).filter(|_| kind == 16).cloned().unwrap_or_default();
    let code = if records.contains_key(&labels.join(".")) { 0 } else { 3 };
    let mut out = question[..2].to_vec();
    out.extend([0x81, 0x80 | code, 0, 1, 0, texts.len() as u8, 0, 0, 0, 0]);
    out.extend(&question[12..end]);
    for text in texts {
        let data: Vec<u8> =
            text.as_bytes().chunks(255).flat_map(|piece| [&[piece.len() as u8][..], piece].concat()).collect();
        out.extend([0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 60]);
        out.extend((data.len() as u16).to_be_bytes());
        out.extend(data);
    }
    out
}
