//! Makes, lists and revokes tokens for the admin API.

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use secrecy::ExposeSecret;
use uuid::Uuid;

use super::Failure;
use super::output::say;
use crate::clock::Clock;
use crate::config::Sources;
use crate::domain::ids::LocationGuid;
use crate::store::Store;
use crate::store::api_token::{self, ApiToken};
use crate::store::audit::Actor;
use crate::store::tree::PlaceKind;

const NAME_CHARACTERS_MAX: usize = 64;

/// `presence-gateway token`
#[derive(Debug, Args)]
pub(super) struct Token {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a token and print it, this once.
    Create(Create),
    /// List all tokens, without what is secret about them.
    List,
    /// Let nobody in with a token any more.
    Revoke {
        /// The token's name.
        name: String,
    },
}

#[derive(Debug, Args)]
struct Create {
    /// What the audit log calls whoever uses the token: letters, digits, `.`, `_` and `-`.
    #[arg(long, value_parser = name)]
    name: String,
    /// What its holder may do; each role may also do what those above it may.
    #[arg(long)]
    role: Role,
    /// The one location that it reaches, by XPhone's guid, with everybody in it. Without this it reaches everything.
    #[arg(long, value_name = "GUID")]
    location: Option<Uuid>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Role {
    /// See the tree, what is set, users and why they show what they show.
    Viewer,
    /// Change what is set, link users by hand, run tasks.
    Operator,
    /// Enrol and remove subscriber accounts, read the audit log.
    Admin,
}

impl From<Role> for api_token::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Viewer => Self::Viewer,
            Role::Operator => Self::Operator,
            Role::Admin => Self::Admin,
        }
    }
}

fn name(text: &str) -> Result<String, String> {
    let is_fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if !text.is_empty() && text.len() <= NAME_CHARACTERS_MAX && text.chars().all(is_fit) {
        return Ok(text.to_owned());
    }
    Err(format!("it must have 1 to {NAME_CHARACTERS_MAX} letters, digits, `.`, `_` or `-`"))
}

impl Token {
    pub(super) async fn run(self, sources: &Sources, by: &Actor) -> Result<ExitCode, Failure> {
        let (_, store) = super::open_migrated(sources).await?;
        match self.action {
            Action::Create(create) => create.run(&store, by).await,
            Action::List => list(&store).await,
            Action::Revoke { name } => revoke(&store, &name, by).await,
        }
    }
}

impl Create {
    async fn run(self, store: &Store, by: &Actor) -> Result<ExitCode, Failure> {
        if let Some(guid) = self.location
            && store.place(PlaceKind::Location, guid).await?.is_none()
        {
            eprintln!("presence-gateway: no location {guid} has been read from XPhone yet: until then the token reaches nothing");
        }
        let location = self.location.map(LocationGuid);
        let made = store.create_api_token(&self.name, self.role.into(), location, by, Clock::system().now()).await?;
        let Some(token) = made else {
            eprintln!("presence-gateway: a token of this name is valid; revoke it first, or take another name");
            return Ok(ExitCode::FAILURE);
        };
        say!("{}", token.expose_secret());
        Ok(ExitCode::SUCCESS)
    }
}

async fn list(store: &Store) -> Result<ExitCode, Failure> {
    for token in store.api_tokens().await? {
        say!("{}", line(&token));
    }
    Ok(ExitCode::SUCCESS)
}

fn line(token: &ApiToken) -> String {
    let location = token.location.map_or("everywhere".to_owned(), |guid| guid.to_string());
    let used = token.last_used_at.map_or("never used".to_owned(), |at| format!("last used {at}"));
    let revoked = token.revoked_at.map_or(String::new(), |at| format!(", revoked {at}"));
    format!("{:<24} {:<8} {location:<36} made {}, {used}{revoked}", token.name, token.role.label(), token.created_at)
}

async fn revoke(store: &Store, name: &str, by: &Actor) -> Result<ExitCode, Failure> {
    if store.revoke_api_token(name, by, Clock::system().now()).await? {
        eprintln!("presence-gateway: {name} is revoked");
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("presence-gateway: no valid token has this name; `presence-gateway token list` tells them all");
    Ok(ExitCode::FAILURE)
}
