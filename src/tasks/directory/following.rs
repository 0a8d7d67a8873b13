//! Follows what Graph tells of the people of Teams, page by page, from wherever the last page led.

use super::Directory;
use crate::domain::directory::fold;
use crate::graph::client::{Next, NextLink};
use crate::store::directory::Position;
use crate::tasks::TaskError;

/// A hundred people a page and more: two million, and an end to whatever keeps naming next pages.
const PAGES_MAX: usize = 20_000;

impl Directory {
    /// Stores what changed until Graph says that this was all; `false`: the lease was lost on the way.
    pub(super) async fn follow_teams(&self) -> Result<bool, TaskError> {
        let mut position = self.store.teams_position(self.tenant).await?;
        for _ in 0..PAGES_MAX {
            if !self.keep_lease().await? {
                return Ok(false);
            }
            let Some(at) = position else {
                position = self.store.begin_teams_reading(self.tenant, self.lease()).await?;
                continue;
            };
            let Some(next) = self.follow_page(&at).await? else {
                position = None;
                continue;
            };
            if next.complete {
                return Ok(true);
            }
            position = Some(next);
        }
        Err(TaskError::Implausible("Graph names more pages of users than there can be"))
    }

    /// Stores one page; `None`: Graph no longer knows where we are, or we have lost the lease.
    async fn follow_page(&self, at: &Position) -> Result<Option<Position>, TaskError> {
        let Ok(from) = at.link.as_deref().map(|link| self.graph.next_link(link)).transpose() else {
            tracing::warn!("graph.base_url has changed: all users are read anew");
            return Ok(None);
        };
        let page = match self.graph.users_changes(from.as_ref()).await {
            Err(error) if from.is_some() && error.is_about_a_lost_place() => {
                tracing::warn!(%error, "Graph cannot tell any more what changed about users: all are read anew");
                return Ok(None);
            }
            page => page?,
        };
        let (link, complete) = match &page.next {
            Next::Page(link) => (link, false),
            Next::Later(link) => (link, true),
        };
        let next = Position { reading: at.reading, link: Some(kept(link)), complete };
        let is_stored = self.store.store_teams_page(&fold(page.users), &next, self.lease()).await?;
        Ok(is_stored.then_some(next))
    }
}

fn kept(link: &NextLink) -> String {
    link.expose().to_owned()
}
