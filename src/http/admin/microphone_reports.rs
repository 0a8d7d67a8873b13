//! Reports of workstations: which programs use somebody's microphone now.

mod throttle;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::auth::Reporter;
use super::extract::Body;
use super::workstations::{NAME_CHARACTERS_MAX, is_name};
use crate::domain::ids::UserGuid;
use crate::http::Admin;
use crate::http::problem::{Kind, Problem};
use crate::store::microphone::{Report, Reported, WORKSTATIONS_MAX};

pub use throttle::Reports;

/// A report with more programs than anybody runs, each with its folder.
const BODY_BYTES_MAX: usize = 32 * 1024;
/// So many programs a report has at most.
const PROGRAMS_MAX: usize = 100;
/// So many characters a program has at most, folder included.
const PROGRAM_CHARACTERS_MAX: usize = 260;

/// What uses the microphone of a workstation now.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"user": "anna@example.com", "workstation": "PC-0815", "programs": ["Zoom.exe"]}))]
pub struct MicrophoneReport {
    /// Whose microphone: the e-mail address, in any case, or XPhone's guid. A workstation may leave it out: it is that of its token.
    #[schema(max_length = 320)]
    user: Option<String>,
    /// Which of the user's workstations, by any name that stays the same.
    #[schema(min_length = 1, max_length = 100)]
    workstation: String,
    /// All programs that use it, as their files are called; none: nothing does.
    #[schema(max_items = 100)]
    programs: Vec<String>,
}

pub fn router() -> OpenApiRouter<Admin> {
    OpenApiRouter::new().routes(routes!(report)).layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
}

/// Report what uses a microphone now
///
/// The agent of a workstation does, every 30 s and at each change. What was reported ends after 90 s without a report. Of programs that
/// are not told of nothing is kept. Take a workstation's token, or the role operator. Of one user 60 reports a minute are taken.
#[utoipa::path(post, path = "/v1/microphone-reports", operation_id = "reportMicrophone", tag = "microphone",
    security(("bearer" = ["operator"])), extensions(("x-scope" = json!("location"))), request_body = MicrophoneReport,
    responses((status = 204, description = "It is recorded"), (status = 400, description = "bad-json"),
        (status = 403, description = "not-yours: the workstation is another user's"),
        (status = 404, description = "No user, or more than one, has this address"),
        (status = 413, description = "The body is too long"), (status = 415, description = "The body is not JSON"),
        (status = 422, description = "The body is not of this form"), (status = 429, description = "too-many-reports")))]
async fn report(
    reporter: Reporter,
    State(admin): State<Admin>,
    Body(report): Body<MicrophoneReport>,
) -> Result<StatusCode, Problem> {
    let user = whose(&reporter, &admin, report.user.as_deref()).await.inspect_err(|_| count(&admin, "refused"))?;
    check(&report).inspect_err(|_| count(&admin, "refused"))?;
    admin.reports.pass(user).map_err(|wait| {
        count(&admin, "throttled");
        Problem::new(Kind::TooManyReports, "this user's microphone is reported too often: wait").retry_after(wait)
    })?;
    let MicrophoneReport { workstation, programs, .. } = &report;
    let report = Report { user, workstation: workstation.trim(), enrolled: reporter.workstation(), programs };
    match admin.store.report_microphone(report, admin.clock.now()).await? {
        Reported::Changed => {
            count(&admin, "changed");
            admin.activators.reconciler.wake();
            Ok(StatusCode::NO_CONTENT)
        }
        Reported::Unchanged => {
            count(&admin, "unchanged");
            Ok(StatusCode::NO_CONTENT)
        }
        Reported::TooMany => {
            count(&admin, "throttled");
            let detail = format!("{WORKSTATIONS_MAX} workstations of this user have the microphone in use already");
            Err(Problem::new(Kind::TooManyReports, detail))
        }
        Reported::Gone => Err(unknown()),
    }
}

fn count(admin: &Admin, result: &'static str) {
    admin.metrics.count_microphone_report(result);
}

/// Whose microphone it is, if the reporter may say so. A workstation learns nothing of others.
async fn whose(reporter: &Reporter, admin: &Admin, named: Option<&str>) -> Result<UserGuid, Problem> {
    let own = reporter.own();
    let named = named.map(str::trim);
    if let Some(own) = own {
        let is_own = |named: &str| {
            own.email.as_deref().is_some_and(|email| email.to_lowercase() == named.to_lowercase())
                || named.parse::<Uuid>().is_ok_and(|guid| guid == own.user.0)
        };
        return match named {
            Some(named) if !is_own(named) => {
                Err(Problem::new(Kind::NotYours, "the workstation's token is good for its own user's reports only"))
            }
            _ => Ok(own.user),
        };
    }
    let named =
        named.ok_or_else(|| Problem::new(Kind::BadBody, "user is missing: only a workstation's token says whose it is"))?;
    let user = super::workstations::user_named(admin, named).await?.ok_or_else(unknown)?;
    reporter.at(user.location)?;
    Ok(user.user)
}

fn unknown() -> Problem {
    Problem::not_found("XPhone has no user with this address, or more than one")
}

fn check(report: &MicrophoneReport) -> Result<(), Problem> {
    let bad = |detail: String| Err(Problem::new(Kind::BadBody, detail));
    if !is_name(&report.workstation) {
        return bad(format!("workstation must have 1 to {NAME_CHARACTERS_MAX} characters, none of them a control character"));
    }
    if report.programs.len() > PROGRAMS_MAX {
        return bad(format!("programs has {} entries; {PROGRAMS_MAX} are the most", report.programs.len()));
    }
    if report.programs.iter().any(|program| program.chars().count() > PROGRAM_CHARACTERS_MAX) {
        return bad(format!("a program has more than {PROGRAM_CHARACTERS_MAX} characters"));
    }
    Ok(())
}
