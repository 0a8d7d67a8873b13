//! Numbers for people: quantiles and units.

use std::time::Duration;

/// Numbers of this program are small enough to be told exactly.
pub fn float(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::MAX, f64::from)
}

/// The value that so many in a thousand of the sorted values do not exceed.
pub fn quantile(sorted: &[Duration], per_mille: usize) -> Duration {
    let place = (sorted.len() * per_mille).div_ceil(1000).saturating_sub(1);
    sorted.get(place).copied().unwrap_or_default()
}

/// With one digit after the point.
pub fn milliseconds(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1e3)
}
