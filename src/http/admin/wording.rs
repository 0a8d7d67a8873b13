//! What is wrong with a body or a query, in our words: which field, and what is allowed there.
//!
//! What reads them says so in words of its own that name types of the program; they are translated here, and none gets through untranslated.

/// Says what serde found wrong: `path: message`, the path left out where all of it is wrong.
pub fn say(found: &str) -> String {
    let found = found.split(" at line ").next().unwrap_or(found);
    let (path, message) = match found.split_once(": ") {
        Some((path, message)) if is_path(path) => (Some(path).filter(|path| *path != "."), message),
        _ => (None, found),
    };
    let subject = path.unwrap_or("this");
    if let Some(rest) = message.strip_prefix("unknown variant ") {
        let (_, allowed) = rest.split_once(", expected ").unwrap_or((rest, "one that is documented"));
        return format!("{subject} must be {allowed}");
    }
    if let Some(rest) = message.strip_prefix("unknown field ") {
        return unknown_field(path, rest);
    }
    if let Some(field) = message.strip_prefix("missing field ") {
        return format!("the field {field}{} is missing", within(path));
    }
    if let Some(field) = message.strip_prefix("duplicate field ") {
        return format!("{field}{} is there twice", within(path));
    }
    if let Some((_, expected)) = message.strip_prefix("invalid ").and_then(|rest| rest.split_once(", expected ")) {
        return format!("{subject} must be {}", kind(expected));
    }
    other(subject, message)
}

/// Where a text is no JSON.
pub fn say_where(found: &str) -> String {
    let place = found.rsplit_once(" at line ").map(|(_, place)| place.replace(" column", ", column"));
    place.map_or_else(|| "the body is no JSON".to_owned(), |place| format!("the body is no JSON: see line {place}"))
}

/// A field, and not the beginning of a sentence.
fn is_path(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '[' | ']' | '?' | '-'))
}

fn within(path: Option<&str>) -> String {
    path.map(|path| format!(" of {path}")).unwrap_or_default()
}

/// What serde says of a field that is not there: its name, and what is.
fn unknown_field(path: Option<&str>, rest: &str) -> String {
    // The path of an unknown field ends with itself.
    let above = path.and_then(|path| path.rsplit_once('.')).map(|(above, _)| above);
    match rest.split_once(", expected ") {
        Some((field, known)) => {
            let known = known.trim_start_matches("one of ");
            format!("there is no field {field}{}; there are {known}", within(above))
        }
        None => format!("there is no field {}{}", rest.split(',').next().unwrap_or(rest), within(above)),
    }
}

/// What serde wants, which may be the name of a type.
fn kind(expected: &str) -> &'static str {
    match expected {
        "a boolean" => "true or false",
        "a string" | "string or map" | "a borrowed string" => "a text",
        "a sequence" => "a list",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        _ if expected.contains("UUID") => "a GUID",
        _ if expected.starts_with("struct ") || expected.contains("map") => "an object",
        _ if expected.contains("enum ") || expected.contains("variant") => "a text",
        _ => "something else: see the documentation",
    }
}

/// What our own rules say stays; what reads numbers and GUIDs is translated.
fn other(subject: &str, message: &str) -> String {
    if message.starts_with("UUID parsing failed") {
        return format!("{subject} must be a GUID, with hyphens");
    }
    if ["invalid digit", "number too", "cannot parse integer"].iter().any(|start| message.starts_with(start)) {
        return format!("{subject} must be a whole number that is not too large");
    }
    if message == "expected value" {
        return format!("{subject} must be {}", kind(""));
    }
    if subject == "this" { message.to_owned() } else { format!("{subject}: {message}") }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use uuid::Uuid;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Word {
        NotOne,
        Another,
        Third,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only what is wrong is looked at")]
    struct Inner {
        count: u8,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only what is wrong is looked at")]
    struct Outer {
        word: Word,
        is_on: bool,
        name: Option<String>,
        guid: Option<Uuid>,
        #[serde(default)]
        list: Vec<Inner>,
    }

    /// As axum reads bodies.
    fn of_body(body: &str) -> String {
        let refused = axum::Json::<Outer>::from_bytes(body.as_bytes()).unwrap_err();
        say(&std::error::Error::source(&refused).unwrap().to_string())
    }

    #[test]
    fn what_is_wrong_with_a_body_is_said_with_the_field_and_what_is_allowed() {
        let check = |body: &str, expected: &str| assert_eq!(of_body(body), expected, "{body}");
        check(r#"{"word":"fourth","is_on":true}"#, "word must be one of `not_one`, `another`, `third`");
        check(r#"{"word":1,"is_on":true}"#, "word must be something else: see the documentation");
        check(r#"{"word":"third","is_on":"yes"}"#, "is_on must be true or false");
        check(r#"{"word":"third"}"#, "the field `is_on` is missing");
        check(
            r#"{"word":"third","is_on":true,"no":1}"#,
            "there is no field `no`; there are `word`, `is_on`, `name`, `guid`, `list`",
        );
        check(r#"{"word":"third","is_on":true,"is_on":true}"#, "`is_on` is there twice");
        check(r#"{"word":"third","is_on":true,"name":5}"#, "name must be a text");
        check(r#"{"word":"third","is_on":true,"guid":"x"}"#, "guid must be a GUID, with hyphens");
        check(r#"{"word":"third","is_on":true,"guid":7}"#, "guid must be a GUID");
        check(r#"{"word":"third","is_on":true,"list":{}}"#, "list must be a list");
        check(r#"{"word":"third","is_on":true,"list":[{"count":300}]}"#, "list[0].count must be a whole number, 0 or more");
        check(r#"{"word":"third","is_on":true,"list":[{"count":1},{}]}"#, "the field `count` of list[1] is missing");
        check(r#"{"word":"third","is_on":true,"list":[{"x":1}]}"#, "there is no field `x` of list[0]; there are `count`");
        check(r#"{"word":"third","is_on":true,"list":[7]}"#, "list[0] must be an object");
    }

    #[test]
    fn what_else_is_said() {
        let check = |found: &str, expected: &str| assert_eq!(say(found), expected);
        check("limit: invalid digit found in string", "limit must be a whole number that is not too large");
        check("entry 2 has no name", "entry 2 has no name");
        check("processes: entry 2 has no name at line 1 column 9", "processes: entry 2 has no name");
        check(".: invalid type: map, expected struct Outer", "this must be an object");
        assert_eq!(say_where("expected value at line 2 column 7"), "the body is no JSON: see line 2, column 7");
        assert_eq!(say_where("EOF"), "the body is no JSON");
    }
}
