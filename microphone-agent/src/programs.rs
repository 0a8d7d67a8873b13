//! What is in use, as it is told: names of programs' files.

use std::collections::BTreeSet;

use serde::Serialize;
use tokio::sync::watch;

/// The gateway takes no more programs in a report.
const PROGRAMS_MAX: usize = 100;
/// Nor a longer name.
const CHARACTERS_MAX: usize = 260;

/// Names of programs that use the microphone now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Programs(BTreeSet<String>);

impl Programs {
    /// Whether nothing is in use.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether all that the other names are among these.
    pub fn has_all_of(&self, other: &Self) -> bool {
        self.0.is_superset(&other.0)
    }

    /// Tells it to whoever reports, if it is news.
    pub fn tell(self, told: &watch::Sender<Option<Self>>) {
        told.send_if_modified(|before| {
            let differs = before.as_ref() != Some(&self);
            *before = Some(self);
            differs
        });
    }
}

/// Of paths only the last part is told.
impl FromIterator<String> for Programs {
    fn from_iter<T: IntoIterator<Item = String>>(paths: T) -> Self {
        let names: BTreeSet<String> = paths.into_iter().filter_map(|path| name(&path)).collect();
        Self(names.into_iter().take(PROGRAMS_MAX).collect())
    }
}

fn name(path: &str) -> Option<String> {
    let name = path.rsplit(['/', '\\']).next()?.trim();
    (!name.is_empty()).then(|| name.chars().filter(|character| !character.is_control()).take(CHARACTERS_MAX).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_files_are_told_and_not_too_many() {
        let told = |paths: &[&str]| -> Vec<String> {
            paths.iter().map(|path| (*path).to_owned()).collect::<Programs>().0.into_iter().collect()
        };
        assert_eq!(told(&["/home/anna/secret/zoom", r"C:\Zoom\Zoom.exe", "zoom", "", "/opt/"]), ["Zoom.exe", "zoom"]);
        assert_eq!(told(&[&"x".repeat(300)]), ["x".repeat(260)]);
        assert_eq!((0..200).map(|number| format!("{number}")).collect::<Programs>().0.len(), 100);
    }

    #[test]
    fn what_is_no_news_wakes_nobody() {
        let (told, mut heard) = watch::channel(None);
        let zoom: Programs = ["zoom".to_owned()].into_iter().collect();
        Programs::default().tell(&told);
        assert!(heard.has_changed().unwrap(), "before, nothing was known");
        assert_eq!(*heard.borrow_and_update(), Some(Programs::default()));
        zoom.clone().tell(&told);
        assert!(heard.has_changed().unwrap());
        assert_eq!(*heard.borrow_and_update(), Some(zoom.clone()));
        zoom.tell(&told);
        assert!(!heard.has_changed().unwrap());
    }
}
