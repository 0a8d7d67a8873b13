//! Watches XPhone for the gateway's pushes, and tells how long each took from the change that it follows.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::emulators::Emulators;
use crate::surroundings::Failure;
use crate::tenant::Tenant;

/// How XPhone's events say who they are about, and that what is shown is the gateway's.
const WHO: &str = "\"userGuid\":\"";
const OURS: &str = "\"origin\":\"MSTeams\"";
/// How often we look whether everything has arrived.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What is still to be seen, and what was.
pub struct Watch {
    ledger: Arc<Mutex<Ledger>>,
    following: tokio::task::JoinSet<Result<(), Failure>>,
}

#[derive(Default)]
struct Ledger {
    /// By place: since when a push is awaited, and whether it shows something.
    awaited: Vec<Option<(Instant, bool)>>,
    waiting: usize,
    /// Changed again before the push of the change before was seen.
    overtaken: usize,
    took: Vec<Duration>,
}

/// What came of a part's changes.
pub struct Seen {
    /// How long each took; sorted.
    pub took: Vec<Duration>,
    /// Changes that the same person's next one caught up with.
    pub overtaken: usize,
    /// Changes that nothing was ever seen of.
    pub missing: usize,
}

impl Watch {
    /// Follows XPhone's events from now on.
    pub async fn begin(emulators: &Emulators, tenant: Arc<Tenant>) -> Result<Self, Failure> {
        let ledger = Ledger { awaited: vec![None; tenant.teams.len()], ..Ledger::default() };
        let ledger = Arc::new(Mutex::new(ledger));
        let (mut events, seen) = (emulators.events().await?, Arc::clone(&ledger));
        let mut following = tokio::task::JoinSet::new();
        following.spawn(async move {
            let mut rest = Vec::new();
            while let Some(chunk) = events.chunk().await? {
                let now = Instant::now();
                rest.extend_from_slice(&chunk);
                let whole = rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
                for line in rest[..whole].split(|byte| *byte == b'\n') {
                    lock(&seen).see(&tenant, std::str::from_utf8(line)?, now);
                }
                rest.drain(..whole);
            }
            Err("XPhone's events ended".into())
        });
        Ok(Self { ledger, following })
    }

    /// These people are about to change.
    pub fn expect(&self, people: &[(usize, bool)]) {
        let (now, mut ledger) = (Instant::now(), lock(&self.ledger));
        for (place, in_a_call) in people {
            match ledger.awaited[*place].replace((now, *in_a_call)) {
                Some(_) => ledger.overtaken += 1,
                None => ledger.waiting += 1,
            }
        }
    }

    /// Waits until everything has arrived, but no longer than this; what came of it all.
    pub async fn close(&mut self, max: Duration) -> Result<Seen, Failure> {
        let began = Instant::now();
        while lock(&self.ledger).waiting > 0 && began.elapsed() < max {
            if let Some(ended) = self.following.try_join_next() {
                ended??;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let mut ledger = lock(&self.ledger);
        let mut took = std::mem::take(&mut ledger.took);
        took.sort_unstable();
        let seen = Seen { took, overtaken: ledger.overtaken, missing: ledger.waiting };
        ledger.awaited.fill(None);
        (ledger.overtaken, ledger.waiting) = (0, 0);
        Ok(seen)
    }
}

impl Ledger {
    fn see(&mut self, tenant: &Tenant, line: &str, now: Instant) {
        let Some((_, rest)) = line.split_once(WHO) else { return };
        let guid = rest.split('"').next().and_then(|guid| guid.parse::<Uuid>().ok());
        let Some(place) = guid.and_then(|guid| tenant.place(guid)) else { return };
        let shows = line.contains(OURS);
        if let Some((since, _)) = self.awaited[place].take_if(|(_, in_a_call)| *in_a_call == shows) {
            self.took.push(now - since);
            self.waiting -= 1;
        }
    }
}

fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}
