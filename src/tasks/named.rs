//! Tasks by their names, for whoever wants one to run now.

use super::{Activator, Activators};

impl Activators {
    /// Every task that runs by itself: its name, what it does, how to wake it; in the order in which a change passes through them.
    #[must_use]
    pub fn named(&self) -> [(&'static str, &'static str, &Activator); 16] {
        [
            ("directory", "reads people, profiles and the tree", &self.directory),
            ("listener", "reads what XPhone shows, and follows its events", &self.listener),
            ("appointments", "compares our appointments in XPhone with what is recorded", &self.appointments),
            ("subscriptions", "keeps Graph telling us", &self.subscriptions),
            ("intake", "turns posts into observations, or into refusals", &self.intake),
            ("lifecycle", "lets lifecycle notifications wake the renewal of their subscription", &self.lifecycle),
            ("policies", "wakes whom a change of policy concerns", &self.policies),
            ("reconciler", "decides for whoever's time has come", &self.reconciler),
            ("xphone_dispatcher", "sends what was decided to XPhone", &self.xphone_dispatcher),
            ("teams_dispatcher", "sends what was decided to Teams", &self.teams_dispatcher),
            ("confirmer", "reads again what notifications told", &self.confirmer),
            ("sweep", "reads everybody in turn", &self.sweep),
            ("templates", "makes, adapts and removes profile templates in XPhone", &self.templates),
            ("logins", "proves links anew with the login data that users left", &self.logins),
            ("heartbeat", "says that this gateway lives, and divides Graph's request budget", &self.heartbeat),
            ("upkeep", "forgets what has served its time", &self.upkeep),
        ]
    }
}
