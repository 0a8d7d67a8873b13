//! What a page looks like: text, one button at most, and nothing that a browser could run or fetch.

use std::fmt::Write;
use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::language::Language;
use super::words::Message;

const STYLE: &str = "body{margin:0;font:1.05rem/1.55 system-ui,sans-serif;color:#1f2933;background:#f4f6f8}\
    main{max-width:34rem;margin:12vh auto;padding:2rem 2.25rem;background:#fff;border-radius:.6rem;border-top:.3rem solid #b42318}\
    main.good{border-top-color:#1a7f37}h1{font-size:1.4rem;line-height:1.25;margin:0 0 1rem}p{margin:.7rem 0}\
    button{margin-top:.8rem;padding:.6rem 1.4rem;font:inherit;font-weight:600;color:#fff;background:#1f5fbf;border:0;border-radius:.4rem;cursor:pointer}\
    @media(max-width:40rem){main{margin:0;border-radius:0}}\
    @media(prefers-color-scheme:dark){body{color:#e4e7eb;background:#15191e}main{background:#20262d}}";

/// By this hash the page's own style is known.
static STYLE_HASH: LazyLock<String> = LazyLock::new(|| STANDARD.encode(digest(&SHA256, STYLE.as_bytes())));

/// A page about how it went.
pub struct Page {
    pub message: Message,
    pub language: Language,
    pub cookie: Option<HeaderValue>,
    /// What its one button sends; `None`: it has none.
    pub form: Option<Form>,
}

/// A button, and what it sends back to us.
pub struct Form {
    pub action: &'static str,
    pub fields: [(&'static str, String); 2],
    /// The origin of where we send the browser then: browsers hold that against the policy of the page too.
    pub leads_to: String,
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let mut response = (self.message.status(), Html(html(&self.message, self.language, self.form.as_ref()))).into_response();
        let headers = response.headers_mut();
        careful(headers, self.form.as_ref());
        headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(self.language.label()));
        headers.insert(header::VARY, HeaderValue::from_static("Accept-Language"));
        if let Some(wait) = self.message.retry_after() {
            headers.insert(header::RETRY_AFTER, wait.as_secs().max(1).into());
        }
        if let Some(cookie) = self.cookie {
            headers.insert(header::SET_COOKIE, cookie);
        }
        response
    }
}

/// Sends the browser to the login server, with a cookie to come back with.
pub fn leave_for(address: &HeaderValue, cookie: &HeaderValue) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    let headers = response.headers_mut();
    careful(headers, None);
    headers.insert(header::LOCATION, address.clone());
    headers.insert(header::SET_COOKIE, cookie.clone());
    response
}

/// The address of the page before holds the ticket, or the code: it is told to nobody, and nothing is kept.
fn careful(headers: &mut HeaderMap, form: Option<&Form>) {
    headers.insert(header::CONTENT_SECURITY_POLICY, policy(form));
    let mut set = |name: HeaderName, value: &'static str| headers.insert(name, HeaderValue::from_static(value));
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::CACHE_CONTROL, "no-store");
    set(header::REFERRER_POLICY, "no-referrer");
    set(header::X_FRAME_OPTIONS, "DENY");
    set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    set(HeaderName::from_static("x-robots-tag"), "noindex");
}

/// The page's own style, its own form, and nothing else.
fn policy(form: Option<&Form>) -> HeaderValue {
    let action = form.map_or_else(|| "'none'".to_owned(), |form| format!("'self' {}", form.leads_to));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action {action}; frame-ancestors 'none'",
        *STYLE_HASH
    );
    HeaderValue::from_str(&policy).unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'; form-action 'none'"))
}

fn html(message: &Message, language: Language, form: Option<&Form>) -> String {
    let (title, paragraphs) = message.words(language);
    let (title, lang) = (escaped(title), language.label());
    let class = if message.status().is_success() { " class=\"good\"" } else { "" };
    let mut page = format!(
        "<!doctype html>\n<html lang=\"{lang}\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{title}</title>\
         <style>{STYLE}</style></head>\n<body><main{class}><h1>{title}</h1>\n"
    );
    for paragraph in paragraphs {
        // Writing to a text does not fail.
        _ = writeln!(page, "<p>{}</p>", escaped(&paragraph));
    }
    if let (Some(form), Some(label)) = (form, message.button(language)) {
        _ = writeln!(page, "<form method=\"post\" action=\"{}\">", form.action);
        for (name, value) in &form.fields {
            _ = writeln!(page, "<input type=\"hidden\" name=\"{name}\" value=\"{}\">", escaped(value));
        }
        _ = writeln!(page, "<button>{}</button></form>", escaped(label));
    }
    page.push_str("</main></body></html>\n");
    page
}

/// Names come from elsewhere, and must stay text.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            letter => safe.push(letter),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::super::words::{Linked, Login};
    use super::*;

    #[test]
    fn names_stay_text() {
        let name = Some("<script>alert('x')</script>&\"".to_owned());
        let linked = Message::Linked(Linked { account: name.clone(), user: name.clone(), login: Login::Kept });
        for message in [linked, Message::Asked { user: name }] {
            for language in [Language::English, Language::German] {
                let page = html(&message, language, None);
                assert!(
                    !page.contains("<script") && page.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;&quot;"),
                    "{page}"
                );
            }
        }
    }
}
