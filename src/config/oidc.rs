//! Where the issuer of administrators' tokens tells about its keys.

use url::Url;

use super::Cloud;

/// The issuer's metadata: at the issuer's own address, or, if the issuer is the cloud's Entra ID, where `login_url` says that it is.
pub(super) fn metadata_url(issuer: &Url, cloud: Cloud, login_url: &Url) -> Option<Url> {
    let issuer = issuer.as_str().trim_end_matches('/');
    let elsewhere = issuer.strip_prefix(cloud.login_url()).filter(|path| path.starts_with('/'));
    let base = match elsewhere {
        Some(path) => format!("{}{path}", login_url.as_str().trim_end_matches('/')),
        None => issuer.to_owned(),
    };
    format!("{base}/.well-known/openid-configuration").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clouds_issuer_is_asked_where_the_login_url_says() {
        let check = |issuer: &str, login: &str, expected: &str| {
            let found = metadata_url(&issuer.parse().unwrap(), Cloud::Global, &login.parse().unwrap()).unwrap();
            assert_eq!(found.as_str(), format!("{expected}/.well-known/openid-configuration"));
        };
        let cloud = "https://login.microsoftonline.com";
        check(&format!("{cloud}/t/v2.0"), cloud, "https://login.microsoftonline.com/t/v2.0");
        check(&format!("{cloud}/t/v2.0"), "http://127.0.0.1:1", "http://127.0.0.1:1/t/v2.0");
        check("https://sts.windows.net/t/", "http://127.0.0.1:1", "https://sts.windows.net/t");
        check(
            "https://login.microsoftonline.com.evil.example/t",
            "http://127.0.0.1:1",
            "https://login.microsoftonline.com.evil.example/t",
        );
    }
}
