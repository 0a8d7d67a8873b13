//! The one place where the server's memory is locked, brought up to the present, and its listeners are woken.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::state::State;
use crate::emulator::clock::EmulatedClock;

/// How often ends of appointments are looked for when nobody asks anything.
const TICK: Duration = Duration::from_millis(100);

/// The server behind all requests.
pub struct Server {
    pub clock: EmulatedClock,
    pub stop: CancellationToken,
    state: Mutex<State>,
    /// Carries the sequence; event streams wait on it.
    woken: watch::Sender<u64>,
}

impl Server {
    pub fn new(clock: EmulatedClock, account_name: String, password: String, stop: CancellationToken) -> Self {
        let state = State::new(account_name, password, stop.child_token());
        Self { clock, stop, state: Mutex::new(state), woken: watch::Sender::new(0) }
    }

    /// Looks at the memory as it is now, or changes it; whoever follows events learns what came of it.
    pub fn look<R>(&self, act: impl FnOnce(&mut State, Timestamp) -> R) -> R {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        state.settle(now);
        let result = act(&mut state, now);
        let sequence = state.feed.sequence();
        self.woken.send_if_modified(|known| std::mem::replace(known, sequence) != sequence);
        result
    }

    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.woken.subscribe()
    }

    /// Wakes the event streams though nothing was raised: what they may say has changed.
    pub fn wake_streams(&self) {
        self.woken.send_modify(|_| {});
    }

    /// Breaks every event stream that is open.
    pub fn break_streams(&self) {
        let fresh = self.stop.child_token();
        self.look(|state, _| std::mem::replace(&mut state.streams, fresh)).cancel();
    }
}

/// Lets time pass: what ends by the clock ends even if nobody asks.
pub async fn tick(server: Arc<Server>) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while server.stop.run_until_cancelled(ticks.tick()).await.is_some() {
        server.look(|_, _| ());
    }
}
