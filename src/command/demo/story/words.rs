//! What both systems say, in the words that people read.

use serde_json::Value;

/// The bit of the telephone state that says *connected or dialling out*.
const BUSY_LINE: u64 = 4;

/// Availability and activity, as Teams shows them.
pub(in super::super) fn teams_words(user: &Value) -> String {
    match (text(&user["availability"]), text(&user["activity"])) {
        ("Busy", "InACall") => "On the phone".to_owned(),
        ("DoNotDisturb", "Presenting") => "Presenting".to_owned(),
        ("DoNotDisturb", "DoNotDisturb") => "Do not disturb".to_owned(),
        (availability, activity) if availability == activity => availability.to_owned(),
        (availability, activity) => format!("{availability}/{activity}"),
    }
}

/// The presence text, and what the user's line and meeting show beside it.
pub(in super::super) fn xphone_words(entry: &Value) -> String {
    let line = entry["telephoneState"].as_u64().is_some_and(|state| state & BUSY_LINE != 0);
    let meeting = match text(&entry["meeting"]) {
        "none" => "",
        "screenShare" => ", sharing the screen",
        _ => ", in a meeting",
    };
    format!("{}{}{meeting}", text(&entry["presenceText"]), if line { ", in a call" } else { "" })
}

/// What lies there that only the gateway can have put there.
pub(in super::super) fn ours(teams: &Value, xphone: &Value) -> String {
    let session = teams["sessions"]["app"].is_object();
    let appointment = xphone["appointments"].as_array().is_some_and(|all| !all.is_empty());
    match (session, appointment) {
        (false, false) => "nothing",
        (true, false) => "a session in Teams",
        (false, true) => "an appointment in XPhone",
        (true, true) => "a session in Teams and an appointment in XPhone",
    }
    .to_owned()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("?")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_that_differs_reads_the_same() {
        let check = |availability: &str, activity: &str, expected: &str| {
            assert_eq!(teams_words(&json!({"availability": availability, "activity": activity})), expected);
        };
        check("Busy", "InACall", "On the phone");
        check("Busy", "InAConferenceCall", "Busy/InAConferenceCall");
        check("Available", "Available", "Available");
        check("DoNotDisturb", "DoNotDisturb", "Do not disturb");
        let check = |state: u32, meeting: &str, expected: &str| {
            let entry = json!({"presenceText": "Available", "telephoneState": state, "meeting": meeting});
            assert_eq!(xphone_words(&entry), expected);
        };
        check(2, "none", "Available");
        check(12, "none", "Available, in a call");
        check(2, "video", "Available, in a meeting");
        check(4, "screenShare", "Available, in a call, sharing the screen");
    }

    #[test]
    fn what_is_hidden_is_found() {
        let check = |session: Value, appointments: Value, expected: &str| {
            assert_eq!(ours(&json!({"sessions": {"app": session}}), &json!({"appointments": appointments})), expected);
        };
        check(Value::Null, json!([]), "nothing");
        check(json!({}), json!([]), "a session in Teams");
        check(Value::Null, json!([{"shown": false}]), "an appointment in XPhone");
        check(json!({}), json!([{}]), "a session in Teams and an appointment in XPhone");
    }
}
