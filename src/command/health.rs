//! Asks the gateway that runs here how it is: a container's image holds no shell and no other program that could.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use reqwest::redirect::Policy;

use super::Failure;
use crate::config::{Config, Sources};

/// Shorter than whoever asks waits for this program: then it can still say what is wrong.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// `presence-gateway health`
#[derive(Debug, Args)]
pub(super) struct Health {
    /// Ask whether it can work (`/readyz`), not only whether it lives (`/healthz`).
    #[arg(long)]
    ready: bool,
}

impl Health {
    pub(super) async fn run(self, sources: &Sources) -> Result<ExitCode, Failure> {
        let path = if self.ready { "readyz" } else { "healthz" };
        let (listen, encrypts) = Config::admin_listen(sources)?;
        let scheme = if encrypts { "https" } else { "http" };
        let url = format!("{scheme}://{}/{path}", reached_at(listen));
        // This machine asks itself, by an address that no certificate names: whose it is need not be proved.
        let http = reqwest::Client::builder().no_proxy().tls_danger_accept_invalid_certs(true);
        let http = http.redirect(Policy::none()).timeout(ANSWER_MAX).build()?;
        let answer = http.get(url).send().await?;
        let status = answer.status();
        let told = answer.text().await?;
        if status.is_success() {
            print!("{told}");
            return Ok(ExitCode::SUCCESS);
        }
        Err(format!("/{path} answers {status}: {}", told.trim_end()).into())
    }
}

/// Where a listener is reached from the machine it runs on: one on all addresses also is on loopback.
fn reached_at(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_all_addresses_is_reached_on_loopback() {
        let check = |listen: &str, expected: &str| assert_eq!(reached_at(listen.parse().unwrap()).to_string(), expected);
        check("127.0.0.1:8081", "127.0.0.1:8081");
        check("0.0.0.0:8081", "127.0.0.1:8081");
        check("[::]:9000", "[::1]:9000");
        check("10.0.0.7:8081", "10.0.0.7:8081");
        check("[fd00::7]:8081", "[fd00::7]:8081");
    }
}
