//! The whole gateway behind proxies that delay, cut and corrupt every connection, to Dovecot as to Postfix.

use std::time::Duration;

use postern::demo::load;
use postern::demo::sandbox::proxy::{Proxy, Weather};

use crate::maillab::Lab;
use crate::site::{LAB, Site};

/// From this connection on the weather is fair, so that the test ends.
const CALM: u64 = 400;

/// No connection stays whole for long: about so many bytes from the server or to it. Over TLS, a flipped bit is a broken
/// connection.
fn storm(seed: u64, down: u64, up: u64) -> impl FnMut(u64) -> Weather + Send + 'static {
    let mut random = fastrand::Rng::with_seed(seed);
    move |number| match number % 4 {
        _ if number >= CALM => Weather::default(),
        0 => Weather { cut_down: Some(random.u64(0..down)), ..Weather::default() },
        1 => Weather { corrupt_down: Some(random.u64(0..down)), ..Weather::default() },
        2 => Weather {
            cut_up: Some(random.u64(0..up)),
            cut_down: Some(2 * down),
            delay: Duration::from_millis(2),
            ..Weather::default()
        },
        _ => Weather {
            cut_down: Some(down + random.u64(0..down)),
            delay: Duration::from_millis(1),
            ..Weather::default()
        },
    }
}

/// A bad line, for hours: every mail is processed once, no answer is missing, and a repetition is the same mail.
#[test]
fn bad_weather_loses_and_doubles_nothing() {
    let Some(lab) = Lab::find("bad_weather_loses_and_doubles_nothing") else { return };
    let _one = LAB.lock().unwrap_or_else(|e| e.into_inner());
    let count = if std::env::var_os("POSTERN_LONG").is_some() { 600 } else { 60 };
    let mut site = Site::new(lab);
    let (imap, smtp) = site.runtime.block_on(async {
        let imap = Proxy::start(site.lab.addr("IMAPS"), storm(7, 10_000, 3_000)).await.unwrap();
        let smtp = Proxy::start(site.lab.addr("SUBMISSIONS"), storm(8, 4_000, 12_000)).await.unwrap();
        (imap, smtp)
    });
    let (user, ca) = (site.lab.address("gateway").replace('@', "%40"), site.lab.get("CA"));
    site.configure(&[
        (&format!("localhost:{}", site.lab.get("IMAPS_PORT")), &format!("localhost:{}", imap.addr.port())),
        (
            &format!("urls = [\"smtp://127.0.0.1:{}\"]", site.lab.get("SMTP_PORT")),
            &format!(
                "urls = [\"smtps://{user}@localhost:{}\"]\npassword_file = \"password\"\nca_file = \"{ca}\"\n[limits]\nbatch = 5\n[retries.default]\nmax = 1000\ndelay = \"1s\"\ndelay_max = \"2s\"",
                smtp.addr.port()
            ),
        ),
    ]);
    site.register(&(0..count).map(load::order).collect::<Vec<_>>());
    site.start();
    let gateway = site.lab.address("gateway");
    for number in 0..count {
        let (writing, raw) = load::mail(number).unwrap();
        site.send(writing.sender(), &gateway, &raw);
    }
    let doubled = site.all_came_once(count);
    let (imaps, smtps) = (imap.connections(), smtp.connections());
    println!(
        "{count} mails over {imaps} and {smtps} connections: 0 lost, 0 processed twice, {doubled} sent again identically"
    );
    assert!(imaps >= 5 && smtps >= 5, "the weather was too fair: {imaps}, {smtps}");
}
