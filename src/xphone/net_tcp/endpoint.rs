//! The endpoints that servers have, in the order in which they are tried.

use url::Url;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// Today's contract over TLS.
    V2Secure,
    /// Today's contract; without encryption on some servers.
    V2,
    /// The contract before it, over TLS.
    Secure,
    /// The contract before it.
    Plain,
}

impl Endpoint {
    /// From the best on.
    pub(super) const ALL: [Self; 4] = [Self::V2Secure, Self::V2, Self::Secure, Self::Plain];

    /// The last part of its address.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::V2Secure => "IntegrationEndpointV2Secure",
            Self::V2 => "IntegrationEndpointV2",
            Self::Secure => "IntegrationEndpointSecure",
            Self::Plain => "IntegrationEndpoint",
        }
    }

    /// Whether it goes on in TLS.
    pub(super) fn is_secure(self) -> bool {
        matches!(self, Self::V2Secure | Self::Secure)
    }

    /// The contract that its actions name.
    pub(super) fn contract(self) -> &'static str {
        match self {
            Self::V2Secure | Self::V2 => "IIntegrationClientContract_v2",
            Self::Secure | Self::Plain => "IIntegrationClientContract",
        }
    }

    /// Its address on a server.
    pub(super) fn address(self, server: &Url) -> String {
        format!("{}/{}", server.as_str().trim_end_matches('/'), self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_lie_below_the_servers() {
        for server in ["net.tcp://xphone.example:3344/", "net.tcp://xphone.example:3344"] {
            let address = Endpoint::V2Secure.address(&server.parse().unwrap());
            assert_eq!(address, "net.tcp://xphone.example:3344/IntegrationEndpointV2Secure");
        }
    }
}
