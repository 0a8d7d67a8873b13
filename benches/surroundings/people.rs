//! The people of a scenario, and everything the database must know before notifications about them make sense.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use presence_gateway::domain::directory::{Match, Person, PersonProfile, Seat, XphonePerson, difference};
use presence_gateway::domain::ids::{LocationGuid, PresenceStateGuid, ProfileGuid, TeamsUserId, UserGuid};
use presence_gateway::domain::mapping::StatusKind;
use presence_gateway::domain::policy::{Mode, TeamsSync};
use presence_gateway::domain::reconcile::TEAMS_PROFILE;
use presence_gateway::domain::subscription::AccountId;
use presence_gateway::graph::certificate::NotificationCertificate;
use presence_gateway::store::audit::{Actor, Entry, Target};
use presence_gateway::store::directory::{Location, Missing, Status};
use presence_gateway::store::feed::Feed;
use presence_gateway::store::lease::Lease;
use presence_gateway::store::subscription::StoredSubscription;
use presence_gateway::store::{Store, commit};
use secrecy::SecretString;
use uuid::Uuid;

use super::Failure;

/// Users of one subscription, Graph's own limit.
const USERS_PER_SUBSCRIPTION: usize = 650;

/// The people, known by their place in these lists.
pub struct People {
    /// Their ids in Teams.
    pub teams: Vec<Uuid>,
    /// Their guids in XPhone.
    pub xphone: Vec<Uuid>,
    /// XPhone's status *Available*.
    pub available: Uuid,
    /// XPhone's status *Busy*.
    pub busy: Uuid,
    /// By 650 users each.
    subscriptions: Vec<Subscription>,
}

/// A subscription, as far as its notifications must repeat it.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// Graph's id.
    pub id: Uuid,
    /// Its secret.
    pub client_state: String,
}

impl People {
    /// Invents people.
    pub fn invent(users: usize) -> Self {
        let guids = |count: usize| -> Vec<Uuid> { std::iter::repeat_with(Uuid::new_v4).take(count).collect() };
        let subscription = || Subscription { id: Uuid::new_v4(), client_state: Uuid::new_v4().to_string() };
        Self {
            teams: guids(users),
            xphone: guids(users),
            available: Uuid::new_v4(),
            busy: Uuid::new_v4(),
            subscriptions: std::iter::repeat_with(subscription).take(users.div_ceil(USERS_PER_SUBSCRIPTION)).collect(),
        }
    }

    /// The subscription that watches a person.
    pub fn subscription_of(&self, person: usize) -> &Subscription {
        &self.subscriptions[person / USERS_PER_SUBSCRIPTION]
    }

    /// Tells the database of the people, of the policy that lets everything through, of certificate and subscriptions.
    pub async fn settle_in(&self, store: &Store, certificate: &NotificationCertificate, now: Timestamp) -> Result<(), Failure> {
        let location = LocationGuid(Uuid::new_v4());
        self.tell_of_people(store, location, now).await?;
        let sync =
            TeamsSync { mode: Mode::TelephonyAndPresence, user_may_change: false, remember_login_data: false, shadow: false };
        store.set_teams_sync(location.0, sync, now).await?;
        while store.carry_policy_out(now).await? {}
        store.note_refreshed(Feed::Directory, now).await?;
        let certificate_id = certificate.id.parse()?;
        store.keep_certificate(certificate_id, &certificate.certificate_der, &certificate.private_key_pkcs8_der, now).await?;
        for (subscription, users) in self.subscriptions.iter().zip(self.teams.chunks(USERS_PER_SUBSCRIPTION)) {
            let account = AccountId(Uuid::new_v4());
            let name = format!("subscriber-{}@bench.example", account.0);
            let target = Target { kind: "subscriber_account", id: None };
            let (actor, action) = (&Actor::CommandLine(None), "subscriber account enrolled");
            let entry = Entry { actor, remote: None, action, target, before: None, after: None };
            let mut tx = store.begin().await?;
            store.enrol_account(&mut tx, (account, &name), &SecretString::from("never used"), &entry, now).await?;
            commit(tx).await?;
            let users: BTreeSet<TeamsUserId> = users.iter().copied().map(TeamsUserId).collect();
            let stored = StoredSubscription {
                id: subscription.id,
                account,
                certificate: certificate_id,
                notification_url: "https://gateway.example/graph/notifications".to_owned(),
                users: users.into(),
                created_at: now,
                expires_at: now + SignedDuration::from_mins(57),
                renew_at: now + SignedDuration::from_mins(15),
            };
            store.keep_subscription(&stored, &SecretString::from(subscription.client_state.as_str())).await?;
        }
        Ok(())
    }

    async fn tell_of_people(&self, store: &Store, location: LocationGuid, now: Timestamp) -> Result<(), Failure> {
        let status = |guid, kind: StatusKind| Status { guid: PresenceStateGuid(guid), kind: kind.label().to_owned() };
        let person = |(teams, xphone): (&Uuid, &Uuid)| Person {
            xphone: XphonePerson {
                guid: UserGuid(*xphone),
                name: String::new(),
                email: Some(format!("{xphone}@bench.example")),
                seat: Seat { location: Some(location), group: None },
                profiles: vec![PersonProfile {
                    guid: ProfileGuid(*xphone),
                    name: TEAMS_PROFILE.to_owned(),
                    status: PresenceStateGuid(self.busy),
                    active: true,
                }],
            },
            matched: Match::Matched(TeamsUserId(*teams)),
        };
        let locations = [Location { guid: location, name: "Everybody".to_owned(), groups: Vec::new() }];
        let statuses = [status(self.available, StatusKind::Available), status(self.busy, StatusKind::Busy)];
        let people = difference(&[], self.teams.iter().zip(&self.xphone).map(person).collect(), &[]);
        let lease = Lease { name: "directory", holder: Uuid::new_v4() };
        let is_told = store.hold_lease(lease.name, lease.holder, now, SignedDuration::from_secs(1)).await?
            && store.replace_tree(Some(&locations), &statuses, Missing::Gone, lease).await?
            && store.write_difference(&people, lease, now).await?;
        store.release_lease(lease).await?;
        if is_told { Ok(()) } else { Err("somebody else writes people".into()) }
    }
}
