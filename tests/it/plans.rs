//! What the statements of the store cost a large tenant: with fifty thousand users in the database, every statement of the program is
//! planned as the program has it planned, and none may read a table of users from end to end but those that are named here. The same
//! holds for plans made while everything is still empty: a connection keeps them when the burst comes.

use std::collections::BTreeSet;
use std::path::Path;

use presence_gateway::store::PLANNING;
use secrecy::ExposeSecret;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use crate::world::scratch_database;

/// Tables with a row for every user, or more, or for every post of a burst.
const OF_USERS: [&str; 19] = [
    "person",
    "user_state",
    "profile",
    "teams_person",
    "teams_link",
    "teams_sync_choice",
    "kept_login",
    "subscription_user",
    "timeline",
    "slot",
    "outbox",
    "swept_user",
    "missed_change",
    "workstation",
    "microphone_report",
    "imported_seat",
    "teams_unlinked",
    "sign_in_ticket",
    "inbox",
];

/// Indexes over whoever is due, and nobody else.
const OF_THOSE_DUE: [&str; 2] = ["user_state_revisit", "user_state_confirm"];

/// Steps that ask for no more rows than they are asked for.
const PASSES_ON: [&str; 3] = ["LockRows", "Subquery Scan", "Result"];

/// What may read everybody: by words that only that statement has, and why. None of it is done for a notification, an event, a
/// decision, a push or a page of a sweep.
const MAY_READ_EVERYBODY: [(&str, &str); 42] = [
    (
        "select guid, name, email, location_guid, configuration_group_guid, match, teams_id from person",
        "a comparison of the directories, when either tells something new",
    ),
    ("from profile order by user_guid, position", "the same"),
    ("from teams_person order by id", "the same"),
    ("from teams_link order by user_guid", "the same"),
    ("email, location_guid, configuration_group_guid from imported_seat", "the same"),
    ("select user_guid, at from teams_unlinked", "the same"),
    ("delete from imported_seat", "a tree is imported anew"),
    ("(select count(*) from imported_seat) as", "the command line tells what was imported"),
    ("select w.id, w.name, w.user_guid", "an administrator looks at workstations, page by page"),
    ("select guid from person order by guid", "the kinds of presence statuses have changed"),
    ("delete from teams_person where reading <> $1", "the end of a reading of all of Graph's users"),
    ("set revisit_at = least(s.revisit_at, '1980-01-01Z')", "XPhone is heard again after minutes of silence"),
    ("users_to_watch!", "how many users there are, for /metrics when a mark has moved, and for administrators"),
    ("count(distinct u.teams_id) as", "how many are watched, for administrators"),
    ("w.user_principal_name", "an administrator looks at everybody's place, page by page"),
    ("from person group by match", "how many there are of each, for /metrics when a mark has moved, and for the command line"),
    ("where match <> 'matched'", "the command line's list of the unmatched"),
    ("policy_unwoken", "only while a change of policy is carried out; then its own people"),
    ("select s.on_trial from person p", "an administrator looks at a trial"),
    ("p.match as matched, p.teams_id, p.location_guid", "an administrator looks for people"),
    ("union all select 'kept login', refresh_token", "`check` tries whether the keys open what is sealed"),
    ("delete from kept_login k using person_policy e", "once an hour, and after a change of policy"),
    ("greatest(s.teams_observed_at, s.read_at, s.native_since) < $2", "once an hour: what is too old is forgotten"),
    ("s.xphone_observed_at < $2", "the same"),
    ("delete from outbox where decided_at <= $1 and not exists", "the same"),
    ("delete from microphone_report where reported_at <= $1", "the same"),
    ("delete from sign_in_ticket where expires_at <= $1", "the same"),
    ("update user_state set teams_availability = null", "the end of a withdrawal forgets what was observed of everybody"),
    ("as preferred from user_state u where exists", "the beginning of a withdrawal wakes everybody for whom something is shown"),
    ("update outbox set due_at = least(due_at, $1)", "the beginning of a withdrawal"),
    ("select guid from person where teams_id is not null order by guid", "the beginning of a withdrawal"),
    ("full join outbox o on", "the end of a withdrawal names what is left"),
    ("left_over group by name", "a withdrawal tells how far it is"),
    ("from visible group by slot", "each scrape counts what is shown"),
    ("stuck group by slot", "the same"),
    ("select count(*) as \"letters!\"", "each scrape counts what waits to be sent"),
    ("select teams_id, why from swept_user", "whoever is not watched, once at the start"),
    ("from swept_user group by why", "each scrape counts whoever is not watched"),
    ("least(m.times, 4)", "each 10 s: changes of the last hour that a sweep found and no notification told"),
    ("delete from missed_change where first_at <= $3", "the same"),
    ("min(received_at) as oldest from inbox", "each scrape counts the posts that wait"),
    ("delete from inbox", "the end of a withdrawal"),
];

#[tokio::test]
async fn no_statement_on_a_hot_path_reads_all_users() {
    let database = scratch_database(true).await;
    let mut connection = PgConnection::connect(database.url().expose_secret()).await.unwrap();
    sqlx::raw_sql(include_str!("plans/tenant.sql")).execute(&mut connection).await.unwrap();
    sqlx::raw_sql("analyze").execute(&mut connection).await.unwrap();
    plan_as_the_program_does(&mut connection).await;
    let found = reading_everybody(&mut connection).await;
    assert!(found.is_empty(), "read from end to end; an index is missing, or a line above:\n{}", found.join("\n"));

    // A queue that autovacuum has found empty, or a night without calls, counts as such until it comes by again.
    sqlx::raw_sql("delete from inbox; delete from outbox; delete from slot").execute(&mut connection).await.unwrap();
    sqlx::raw_sql("vacuum (analyze) inbox, outbox, slot").execute(&mut connection).await.unwrap();
    let mut connection = PgConnection::connect(database.url().expose_secret()).await.unwrap();
    plan_as_the_program_does(&mut connection).await;
    let found = reading_everybody(&mut connection).await;
    assert!(found.is_empty(), "read from end to end once queues were found empty:\n{}", found.join("\n"));
}

#[tokio::test]
async fn no_plan_made_while_tables_are_empty_reads_them_whole() {
    let database = scratch_database(true).await;
    let mut connection = PgConnection::connect(database.url().expose_secret()).await.unwrap();
    plan_as_the_program_does(&mut connection).await;
    let found = reading_everybody(&mut connection).await;
    assert!(found.is_empty(), "would be read from end to end also when full:\n{}", found.join("\n"));
}

async fn plan_as_the_program_does(connection: &mut PgConnection) {
    for (setting, value) in PLANNING {
        sqlx::raw_sql(AssertSqlSafe(format!("set {setting} = {value}"))).execute(&mut *connection).await.unwrap();
    }
}

/// The statements that read a table of users whole and are not named above. The connection finds out one without an index.
async fn reading_everybody(connection: &mut PgConnection) -> Vec<String> {
    let statements = statements();
    assert!(statements.len() > 200, "the statements were not found");
    let mut whole = Vec::new();
    for (number, (statement, parameters)) in statements.iter().enumerate() {
        let read = read_whole(connection, number, statement, *parameters).await;
        let may = MAY_READ_EVERYBODY.iter().any(|(words, _)| one_line(statement).contains(words));
        if !read.is_empty() && !may {
            whole.push(format!("{read:?}: {}", one_line(statement)));
        }
    }
    let found = read_whole(connection, statements.len(), "select guid from person where name = $1", 1).await;
    assert_eq!(found, ["person"], "a statement without an index is found out");
    let all = "select count(*) from (select guid from person order by guid offset 0) p";
    assert_eq!(read_whole(connection, statements.len() + 1, all, 0).await, ["person"], "and one that reads all of an index");
    whole
}

/// Every statement that was checked when the program was compiled, and how many parameters it takes.
fn statements() -> Vec<(String, usize)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(".sqlx");
    let statement = |path: std::path::PathBuf| {
        let told: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let parameters = told["describe"]["parameters"]["Left"].as_array().map_or(0, Vec::len);
        (told["query"].as_str().unwrap().to_owned(), parameters)
    };
    let all = std::fs::read_dir(folder).unwrap().map(|entry| statement(entry.unwrap().path()));
    let first_word = |statement: &str| statement.split_whitespace().next().unwrap_or_default().to_lowercase();
    all.filter(|(statement, _)| ["select", "insert", "update", "delete", "with"].contains(&first_word(statement).as_str()))
        .collect()
}

/// The tables of users that this statement reads from end to end, or an index of theirs.
async fn read_whole(connection: &mut PgConnection, number: usize, statement: &str, parameters: usize) -> Vec<String> {
    let given = if parameters == 0 { String::new() } else { format!("({})", vec!["null"; parameters].join(", ")) };
    let prepare = sqlx::raw_sql(AssertSqlSafe(format!("prepare s{number} as {statement}")));
    prepare.execute(&mut *connection).await.unwrap_or_else(|error| panic!("{error}: {statement}"));
    let explain = sqlx::raw_sql(AssertSqlSafe(format!("explain (costs off, format json) execute s{number}{given}")));
    let plan: Value = explain.fetch_one(&mut *connection).await.unwrap().get(0);
    let mut tables = BTreeSet::new();
    scanned_whole(&plan[0]["Plan"], false, &mut tables);
    tables.into_iter().filter(|table| OF_USERS.contains(&table.as_str())).collect()
}

/// Adds the tables of scans without a condition on an index, but for those of which a limit takes the first few, and those of an index
/// that holds only who is due.
fn scanned_whole(node: &Value, limited: bool, tables: &mut BTreeSet<String>) {
    let text = |name: &str| node[name].as_str().unwrap_or_default();
    let is_whole = match text("Node Type") {
        "Seq Scan" => true,
        "Index Scan" | "Index Only Scan" => {
            node["Index Cond"].is_null() && !limited && !OF_THOSE_DUE.contains(&text("Index Name"))
        }
        _ => false,
    };
    if is_whole {
        tables.insert(text("Relation Name").to_owned());
    }
    let limits = text("Node Type") == "Limit" || (limited && PASSES_ON.contains(&text("Node Type")));
    for below in node["Plans"].as_array().into_iter().flatten() {
        scanned_whole(below, limits, tables);
    }
}

fn one_line(statement: &str) -> String {
    statement.split_whitespace().collect::<Vec<_>>().join(" ")
}
