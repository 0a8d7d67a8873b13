//! Subscriptions when anything may fail at any moment: never two of one account, never somebody without a place, and once nothing fails
//! any more as many are watched as can be, each once.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use presence_gateway::domain::ids::TeamsUserId;
use presence_gateway::domain::subscription::{USERS_PER_SUBSCRIPTION_MAX, Why};
use presence_gateway::store::subscription::{Lists, StoredSubscription};
use proptest::prelude::*;
use reqwest::Method;
use serde_json::{Value, json};

use crate::world::World;

/// What may happen.
#[derive(Clone, Debug)]
enum Event {
    Join(i64),
    Leave(i64),
    Refuse(Refusal),
    /// Graph refuses nothing any more.
    Heal,
    /// There is an account of which Graph lets nothing be made.
    Haunt(usize, &'static str),
    /// An account must sign in again, or does.
    Revoke(usize),
    SignIn(usize),
    /// Graph loses a subscription without a word.
    Lose(usize),
    /// The gateway dies and starts again.
    Crash,
    Pass(i64),
}

/// Graph refuses what is asked of subscriptions with this method: not the first few times, and then so often or always.
#[derive(Clone, Debug)]
struct Refusal {
    method: &'static str,
    status: u16,
    after: u32,
    times: Option<u32>,
}

fn refusal() -> impl Strategy<Value = Refusal> {
    let method = prop::sample::select(vec!["POST", "PATCH", "DELETE", "GET"]);
    let status = prop::sample::select(vec![400, 403, 404, 409, 410, 429, 500, 503]);
    let refusal = |(method, status, after, times)| Refusal { method, status, after, times };
    (method, status, 0..3_u32, prop::option::of(1..4_u32)).prop_map(refusal)
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => prop_oneof![1..30_i64, 400..900_i64].prop_map(Event::Join),
        2 => prop_oneof![1..30_i64, 200..700_i64].prop_map(Event::Leave),
        4 => refusal().prop_map(Event::Refuse),
        2 => Just(Event::Heal),
        1 => (any::<usize>(), prop::sample::select(vec!["ghost", "quota"])).prop_map(|(which, fault)| Event::Haunt(which, fault)),
        1 => any::<usize>().prop_map(Event::Revoke),
        1 => any::<usize>().prop_map(Event::SignIn),
        2 => any::<usize>().prop_map(Event::Lose),
        1 => Just(Event::Crash),
        3 => prop_oneof![10..90_i64, 300..1300_i64, 3000..4000_i64].prop_map(Event::Pass),
    ]
}

/// A tenant and its accounts, and what was done to them.
struct Tenant {
    world: World,
    accounts: Vec<String>,
    refused: Option<Refusal>,
    haunted: BTreeMap<String, &'static str>,
}

impl Tenant {
    async fn new(accounts: usize) -> Self {
        let world = World::new().await;
        world.directory().await;
        world.set_policy("telephony_and_presence", false).await;
        let accounts: Vec<String> = (1..=accounts).map(|number| format!("presence-{number}@example.com")).collect();
        for account in &accounts {
            world.enrol_subscriber(account).await;
        }
        Self { world, accounts, refused: None, haunted: BTreeMap::new() }
    }

    fn account(&self, which: usize) -> &str {
        &self.accounts[which % self.accounts.len()]
    }

    async fn happens(&mut self, event: &Event) {
        match event {
            Event::Join(many) => self.world.crowd_of(*many).await,
            Event::Leave(many) => {
                let leave = "delete from person where guid in (select guid from person order by guid limit $1)";
                sqlx::query(leave).bind(many).execute(&self.world.database().await).await.unwrap();
            }
            Event::Refuse(refusal) => {
                self.refused = Some(refusal.clone());
                self.break_graph().await;
            }
            Event::Heal => {
                (self.refused, self.haunted) = (None, BTreeMap::new());
                self.break_graph().await;
            }
            Event::Haunt(which, fault) => {
                self.haunted.insert(self.account(*which).to_owned(), fault);
                self.break_graph().await;
            }
            Event::Revoke(which) => self.world.revoke(self.account(*which), "AADSTS50173").await,
            Event::SignIn(which) => self.world.sign_in(self.account(*which), self.account(*which)).await.unwrap(),
            Event::Lose(which) => {
                let all = self.world.at_graph().await;
                if let Some(lost) = all.get(which % all.len().max(1)) {
                    let path = format!("subscriptions/{}", lost["id"].as_str().unwrap());
                    self.world.graph_control(Method::DELETE, &path, Value::Null).await;
                }
            }
            Event::Crash => self.world.restart().await,
            Event::Pass(seconds) => self.world.advance(SignedDuration::from_secs(*seconds)),
        }
    }

    async fn break_graph(&self) {
        let deny = |Refusal { method, status, after, times }: &Refusal| json!({"endpoint": "subscriptions", "method": method, "status": status, "after": after, "times": times});
        let deny: Vec<Value> = self.refused.iter().map(deny).collect();
        self.world.graph_faults(json!({"deny": deny, "accounts": self.haunted})).await;
    }

    async fn stored(&self) -> Vec<StoredSubscription> {
        self.world.app.store.subscriptions(&mut Lists::default()).await.unwrap()
    }

    /// Tends what there is, whatever fails, and holds it to what must always be.
    async fn tend(&self) -> Result<(), TestCaseError> {
        _ = self.world.try_tend_subscriptions().await;
        let (now, store) = (self.world.clock.now(), &self.world.app.store);
        let (wanted, swept) = (store.users_to_watch().await.unwrap(), store.swept_users().await.unwrap());
        let stored = self.stored().await;
        let live = || stored.iter().filter(|stored| stored.expires_at > now);
        let owners: BTreeSet<_> = live().map(|stored| stored.account).collect();
        prop_assert_eq!(owners.len(), live().count(), "one of each account: {:?}", owners);
        prop_assert!(live().all(|stored| stored.users.len() <= USERS_PER_SUBSCRIPTION_MAX));
        let watched: BTreeSet<TeamsUserId> = live().flat_map(|stored| stored.users.iter().copied()).collect();
        let nowhere = wanted.iter().filter(|user| !watched.contains(user) && !swept.contains_key(user)).count();
        prop_assert_eq!(nowhere, 0, "whoever is not watched is swept");
        Ok(())
    }

    /// Nothing fails any more, and more than an hour passes: after that nobody who left is on a list still.
    async fn recover(&mut self) -> Result<(), TestCaseError> {
        self.happens(&Event::Heal).await;
        for which in 0..self.accounts.len() {
            self.happens(&Event::SignIn(which)).await;
        }
        for seconds in [[30; 6].as_slice(), &[300; 16], &[30; 6]].concat() {
            self.world.advance(SignedDuration::from_secs(seconds));
            self.tend().await?;
        }
        Ok(())
    }

    /// As many are watched as can be, each once, and what stands at Graph is what is known here.
    async fn is_settled(&self) -> Result<(), TestCaseError> {
        let (stored, at_graph) = (self.stored().await, self.world.at_graph().await);
        let known: BTreeSet<String> = stored.iter().map(|stored| stored.id.to_string()).collect();
        let stands: BTreeSet<String> = at_graph.iter().map(|stands| stands["id"].as_str().unwrap().to_owned()).collect();
        prop_assert_eq!(&known, &stands);
        let wanted = self.world.app.store.users_to_watch().await.unwrap();
        let places: Vec<TeamsUserId> = stored.iter().flat_map(|stored| stored.users.iter().copied()).collect();
        let watched: BTreeSet<TeamsUserId> = places.iter().copied().collect();
        prop_assert_eq!(places.len(), watched.len(), "nobody is watched twice");
        prop_assert!(watched.is_subset(&wanted), "nobody who left");
        prop_assert_eq!(watched.len(), wanted.len().min(self.accounts.len() * USERS_PER_SUBSCRIPTION_MAX), "as many as can be");
        let swept = self.world.app.store.swept_users().await.unwrap();
        let expected: BTreeMap<TeamsUserId, Why> = wanted.difference(&watched).map(|user| (*user, Why::NoRoom)).collect();
        prop_assert_eq!(swept, expected);
        let made = self.world.asked_graph("createSubscription", 201).await;
        self.world.advance(SignedDuration::from_secs(30));
        self.tend().await?;
        prop_assert_eq!(self.world.asked_graph("createSubscription", 201).await, made, "and stays so");
        Ok(())
    }
}

async fn play(accounts: usize, people: i64, events: &[Event]) -> Result<(), TestCaseError> {
    let mut tenant = Tenant::new(accounts).await;
    tenant.happens(&Event::Join(people)).await;
    tenant.tend().await?;
    for event in events {
        tenant.happens(event).await;
        tenant.tend().await?;
        tenant.world.advance(SignedDuration::from_secs(31));
        tenant.tend().await?;
    }
    tenant.recover().await?;
    tenant.is_settled().await
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, max_shrink_iters: 60, ..ProptestConfig::default() })]

    #[test]
    fn whatever_fails_in_whatever_order_everybody_is_watched_in_the_end(
        accounts in 1..5_usize, people in 1..1500_i64, events in prop::collection::vec(event(), 1..20),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(Box::pin(play(accounts, people, &events)))?;
    }
}
