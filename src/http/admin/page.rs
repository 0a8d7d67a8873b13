//! Lists, told page by page.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::http::problem::{Kind, Problem};

const LIMIT_DEFAULT: usize = 100;
const LIMIT_MAX: usize = 1000;

/// Part of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// In a stable order.
    pub items: Vec<T>,
    /// What to send as `after` for the next page; null: this is the last one.
    #[schema(required)]
    pub next: Option<String>,
}

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    /// The `next` of the page before.
    #[param(pattern = r"^[^\x00]*$", max_length = 256)]
    pub after: Option<String>,
    /// How many, at most.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    pub limit: Option<usize>,
}

/// Which page, going back in time.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Past {
    /// The `next` of the page before.
    pub after: Option<i64>,
    /// How many, at most.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    pub limit: Option<usize>,
}

/// How many a query asks for.
pub fn limit(asked: Option<usize>) -> Result<usize, Problem> {
    match asked.unwrap_or(LIMIT_DEFAULT) {
        limit @ 1..=LIMIT_MAX => Ok(limit),
        _ => Err(Problem::new(Kind::BadQuery, format!("limit must be 1 to {LIMIT_MAX}"))),
    }
}

impl<T> Page<T> {
    /// A page of what was read; one more was asked for than `limit`, to see whether there is a next.
    pub fn cut(mut items: Vec<T>, limit: usize, mark: impl Fn(&T) -> String) -> Self {
        let is_more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| is_more).map(mark);
        Self { items, next }
    }
}
