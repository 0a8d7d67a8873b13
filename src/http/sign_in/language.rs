//! In which language a browser wants its pages.

use axum::http::{HeaderMap, header};

use super::text;

/// In which language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    English,
    German,
}

impl Language {
    /// The one that the browser likes better; English, if it likes neither.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut liking = [(Self::English, 0.0), (Self::German, 0.0)];
        for wish in text(headers, &header::ACCEPT_LANGUAGE).flat_map(|line| line.split(',')).take(20) {
            let mut parts = wish.split(';').map(str::trim);
            let tag = parts.next().unwrap_or_default().to_ascii_lowercase();
            let weight: f32 = parts.find_map(|part| part.strip_prefix("q=")).map_or(1.0, |text| text.parse().unwrap_or(0.0));
            for (language, best) in &mut liking {
                if tag.split('-').next() == Some(language.label()) && weight > *best {
                    *best = weight;
                }
            }
        }
        let [(english, liked), (german, liked_more)] = liking;
        if liked_more > liked { german } else { english }
    }

    pub fn label(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_browser_says_which_language() {
        let check = |wish: &str, expected: Language| {
            let headers = HeaderMap::from_iter([(header::ACCEPT_LANGUAGE, wish.parse().unwrap())]);
            assert_eq!(Language::of(&headers), expected, "{wish}");
        };
        assert_eq!(Language::of(&HeaderMap::new()), Language::English);
        check("de", Language::German);
        check("de-AT,de;q=0.9,en;q=0.8", Language::German);
        check("en-GB,en;q=0.9,de;q=0.8", Language::English);
        check("fr, de;q=0.4, en;q=0.3", Language::German);
        check("fr", Language::English);
        check("*", Language::English);
        check("den", Language::English);
        check("de;q=0, en;q=0", Language::English);
        check("de;q=x", Language::English);
        check("DE", Language::German);
    }
}
