//! Keeps the sign up that a gateway serves, for as long as it does: nobody may take everything back meanwhile.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::store::StoreError;
use crate::store::sign::{Saying, Sign};
use crate::tasks::driver::chain;

/// How often it is made sure that the sign still stands.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// A look that takes longer tells nothing.
const LOOK_MAX: Duration = Duration::from_secs(5);

/// Keeps the sign up until `stop`. If it fell, because Postgres went, and everything is being taken back by the time it could be put
/// up again, `evicted` says so: this gateway must end.
pub(super) async fn keep(mut sign: Sign, stop: CancellationToken, evicted: CancellationToken) {
    loop {
        tokio::select! { () = stop.cancelled() => break, () = tokio::time::sleep(LOOK_EVERY) => () }
        if stands(&mut sign).await {
            continue;
        }
        match tokio::time::timeout(LOOK_MAX, sign.put_up_again(Saying::Serving)).await {
            Ok(Ok(true)) => tracing::info!("the connection that says that this gateway serves was lost, and is there again"),
            Ok(Ok(false)) => {
                tracing::error!("everything is being taken back (presence-gateway withdraw): this gateway stops");
                evicted.cancel();
                return;
            }
            Ok(Err(error)) => note_failure(&error),
            // It may stand all the same; the next look tells.
            Err(_) => tracing::warn!("Postgres does not answer whether it knows that this gateway serves"),
        }
    }
    sign.take_down().await;
}

async fn stands(sign: &mut Sign) -> bool {
    matches!(tokio::time::timeout(LOOK_MAX, sign.look()).await, Ok(Ok(())))
}

fn note_failure(error: &StoreError) {
    tracing::warn!(error = %chain(error), "Postgres cannot be told that this gateway serves; it will be tried again");
}
