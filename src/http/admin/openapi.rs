//! The document of the admin API: what the handlers say, and what holds for all of them.

use std::fmt::Write;

use serde_json::{Value, json};
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{SchemaType, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    AllOfBuilder, Content, ContentBuilder, HeaderBuilder, ObjectBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder, Schema,
};
use utoipa::{OpenApi as _, PartialSchema, ToSchema};

use super::microphone_sync::MicrophoneSync;
use crate::http::problem::{Kind, Problem, ProblemDetails};

const MEDIA_TYPE: &str = "application/problem+json";

/// May be answered by whatever wants a token.
const OF_EVERY_OPERATION: [Kind; 7] = [
    Kind::NotSignedIn,
    Kind::WrongRole,
    Kind::TooSlow,
    Kind::TooManyFailures,
    Kind::Internal,
    Kind::DatabaseUnavailable,
    Kind::SignInUnavailable,
];

/// What fields may be together, which types alone do not say.
const ONLY_ONE_OF: [(&str, &str); 2] = [
    (
        "TeamsAccountWanted",
        r#"{"oneOf": [
            {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}, "user_principal_name": {"type": "null"}}},
            {"type": "object", "required": ["user_principal_name"],
                "properties": {"id": {"type": "null"}, "user_principal_name": {"type": "string"}}}]}"#,
    ),
    (
        "CallForwarding",
        r#"{"oneOf": [
            {"type": "object", "required": ["number"],
                "properties": {"mode": {"type": "string", "enum": ["number"]}, "number": {"type": "string"}}},
            {"type": "object",
                "properties": {"mode": {"type": "string", "enum": ["none", "voicemail"]}, "number": {"type": "null"}}}]}"#,
    ),
];

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Presence gateway: admin API"),
    tags(
        (name = "tree", description = "XPhone's locations and configuration groups"),
        (name = "settings", description = "What is set for a location or a configuration group"),
        (name = "users", description = "What is set for a user"),
        (name = "microphone", description = "Who reports that a microphone is in use, and the reports"),
        (name = "subscriptions", description = "Who tells us of presence in Teams, and about whom"),
        (name = "tasks", description = "What runs by itself"),
        (name = "audit", description = "Who changed what"),
        (name = "me", description = "Who the caller is"),
        (name = "health", description = "Without a token: whether the process lives, whether it can work, how it does"),
    )
)]
struct Base;

/// The document that all handlers are added to.
pub fn base() -> OpenApi {
    Base::openapi()
}

/// Adds what holds for all of them.
pub fn complete(mut document: OpenApi) -> OpenApi {
    document.info.description = Some(description());
    // Made up from Cargo.toml otherwise, which names neither.
    (document.info.license, document.info.contact) = (None, None);
    "1".clone_into(&mut document.info.version);
    let components = document.components.get_or_insert_default();
    let inherited = components.schemas.iter_mut().filter(|(name, _)| name.starts_with("Inherited_"));
    inherited.for_each(|(_, schema)| set_may_be_null(schema));
    if let Some(RefOr::T(Schema::Object(table))) = components.schemas.get_mut(MicrophoneSync::name().as_ref())
        && let Some(RefOr::T(Schema::Array(entries))) = table.properties.get_mut("processes")
    {
        entries.unique_items = true;
    }
    for (name, only_one_of) in ONLY_ONE_OF {
        if let Some(schema) = components.schemas.get_mut(name) {
            narrow(schema, only_one_of);
        }
    }
    components.schemas.insert(ProblemDetails::name().into_owned(), ProblemDetails::schema());
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(
        "A token of `presence-gateway token create`, the bootstrap token, an access token of Entra ID, or a workstation's token",
    ));
    components.security_schemes.insert("bearer".to_owned(), RefOr::T(SecurityScheme::Http(bearer.build())));
    for item in document.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            describe_problems(operation);
            leave_out_nulls(operation);
        }
    }
    document
}

fn description() -> String {
    let mut text = "Everything under `/v1` wants `Authorization: Bearer`. Each operation names the least role that may call it; each \
        role may do what those before it may: `viewer`, `operator`, `admin`. A token may be made for one location: it reaches what \
        belongs to that location, and lists show it nothing else. A person of Entra ID without a role reaches the own user only; a \
        workstation's token reports one user's microphone, and nothing else.\n\n\
        Lists are told page by page: `next` is sent as `after` until it is null. Settings carry an `ETag`; `If-Match` makes sure \
        that nothing else is set meanwhile, `If-None-Match: *` that nothing is. What is wrong is told as RFC 9457 problem details; \
        `type` is one of these, and stable:\n\n| type | status | |\n|---|---|---|\n"
        .to_owned();
    for kind in Kind::ALL {
        // Writing to a text does not fail.
        _ = writeln!(text, "| `{}` | {} | {} |", kind.uri(), kind.status().as_u16(), kind.title());
    }
    text
}

/// Gives each refusal its media type and an example of each kind that it may be.
fn describe_problems(operation: &mut Operation) {
    let wants_token = operation.security.as_ref().is_some_and(|security| !security.is_empty());
    if !wants_token {
        return;
    }
    let scope = operation.extensions.as_ref().and_then(|extensions| extensions.get("x-scope")).and_then(Value::as_str);
    let scope = scope.unwrap_or("everything").to_owned();
    let responses = &mut operation.responses.responses;
    for kind in OF_EVERY_OPERATION {
        let status = kind.status().as_u16().to_string();
        responses.entry(status).or_insert_with(|| RefOr::T(ResponseBuilder::new().description(kind.title()).build()));
    }
    for (status, response) in responses {
        let RefOr::T(response) = response else { continue };
        if status == "429" {
            let seconds = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1));
            let header = HeaderBuilder::new().schema(Some(seconds)).description(Some("In how many seconds to try again"));
            response.headers.insert("Retry-After".to_owned(), RefOr::T(header.build()));
        }
        if status.starts_with(['4', '5']) {
            response.content.insert(MEDIA_TYPE.to_owned(), RefOr::T(examples(status, &scope, response)));
        }
    }
}

fn examples(status: &str, scope: &str, response: &Response) -> Content {
    let kinds = Kind::ALL.into_iter().filter(|kind| kind.status().as_str() == status && may_be(*kind, scope, response));
    let example = |kind: Kind| {
        let details = Problem::new(kind, kind.title()).details();
        let value = json!({"type": details.kind, "title": details.title, "status": details.status, "detail": details.detail});
        let name = details.kind.rsplit(':').next().unwrap_or_default().to_owned();
        (name, utoipa::openapi::example::ExampleBuilder::new().value(Some(value)).build())
    };
    let schema = Ref::from_schema_name(ProblemDetails::name());
    ContentBuilder::new().schema(Some(schema)).examples_from_iter(kinds.map(example)).build()
}

/// Lets through only what one of the alternatives lets through as well.
fn narrow(schema: &mut RefOr<Schema>, only_one_of: &str) {
    let Ok(alternatives) = serde_json::from_str::<RefOr<Schema>>(only_one_of) else { return };
    let RefOr::T(Schema::Object(object)) = schema else { return };
    let (description, example) = (object.description.take(), object.example.take());
    let all = AllOfBuilder::new().item(object.clone()).item(alternatives).description(description).examples(example);
    *schema = RefOr::T(Schema::AllOf(all.build()));
}

/// What is made for every kind of setting cannot tell by its type that nothing may be set.
fn set_may_be_null(schema: &mut RefOr<Schema>) {
    let RefOr::T(Schema::Object(schema)) = schema else { return };
    if let Some(RefOr::T(Schema::Object(set))) = schema.properties.get_mut("set") {
        set.schema_type = SchemaType::Array(vec![Type::Object, Type::Null]);
    }
}

/// A parameter that is not sent is left out; none is sent as null.
fn leave_out_nulls(operation: &mut Operation) {
    for parameter in operation.parameters.iter_mut().flatten() {
        let RefOr::T(parameter) = parameter else { continue };
        let Some(RefOr::T(Schema::Object(schema))) = &mut parameter.schema else { continue };
        if let SchemaType::Array(types) = &schema.schema_type {
            let one = types.iter().find(|one| **one != Type::Null).cloned();
            schema.schema_type = one.map_or(SchemaType::AnyValue, SchemaType::Type);
        }
    }
}

/// Not every operation has every kind of its status.
fn may_be(kind: Kind, scope: &str, response: &Response) -> bool {
    let is_named = |name: &str| response.description.contains(name);
    match kind {
        Kind::BadGuid => is_named("bad-guid"),
        Kind::BadQuery => is_named("bad-query"),
        Kind::BadJson => is_named("bad-json"),
        Kind::TeamsAccountUnknown => is_named("teams-account-unknown"),
        Kind::TeamsAccountDisabled => is_named("teams-account-disabled"),
        Kind::TeamsAccountTaken => is_named("teams-account-taken"),
        Kind::NoPublicUrl => is_named("no-public-url"),
        Kind::TooManyChanges => is_named("too-many-changes"),
        Kind::TooManyEnrolments => is_named("too-many-enrolments"),
        Kind::TooManyReports => is_named("too-many-reports"),
        Kind::EntraUnavailable => is_named("entra-unavailable"),
        Kind::WrongLocation => scope != "anybody",
        Kind::NotYours => scope == "user" || is_named("not-yours"),
        Kind::NoChoice => is_named("no-choice"),
        _ => true,
    }
}
