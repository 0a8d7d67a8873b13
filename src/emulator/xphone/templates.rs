//! Central profile templates of locations and configuration groups.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, put};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::extract::{Body, InPath};
use super::guid::Guid;
use super::kind::Kind;
use super::refusal::Refusal;
use super::server::Server;
use super::state::State as Memory;

const IN_USE: Refusal = Refusal::Conflict("the template is in use by automatic activation or calendar synchronisation");

pub fn router() -> Router<Arc<Server>> {
    under("/api/v1")
}

/// The same by an administrator's hand, whatever is wrong with the server.
pub fn by_hand() -> Router<Arc<Server>> {
    under("")
}

fn under(prefix: &str) -> Router<Arc<Server>> {
    of(prefix, "locations", Place::Location).merge(of(prefix, "configurationGroups", Place::ConfigurationGroup))
}

fn listed(place: Place, server: &Server) -> Result<Json<Vec<Template>>, Refusal> {
    server.look(|state, _| state.templates_at(place).map(|known| Json(known.values().cloned().collect())))
}

fn of(prefix: &str, segment: &str, place: fn(Guid) -> Place) -> Router<Arc<Server>> {
    let all = move |State(server): State<Arc<Server>>, InPath(guid): InPath<Guid>| async move { listed(place(guid), &server) };
    let set = move |State(server): State<Arc<Server>>,
                    InPath((guid, name)): InPath<(Guid, String)>,
                    Body(body): Body<TemplateBody>| async move {
        server.look(|state, _| state.set_template(place(guid), name, body))
    };
    let delete = move |State(server): State<Arc<Server>>, InPath((guid, name)): InPath<(Guid, String)>| async move {
        server.look(|state, _| state.delete_template(place(guid), &name))
    };
    let path = format!("{prefix}/{segment}/{{guid}}/profileTemplates");
    Router::new().route(&path, get(all)).route(&format!("{path}/{{name}}"), put(set).delete(delete))
}

/// Where templates hang.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    Location(Guid),
    ConfigurationGroup(Guid),
}

/// The templates of every place, by name.
pub type Templates = BTreeMap<Place, BTreeMap<String, Template>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum ForwardingMode {
    None,
    Voicemail,
    Number,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CallForwarding {
    mode: ForwardingMode,
    number: Option<String>,
}

/// A profile that everybody at a place is offered.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Template {
    name: String,
    presence_state_guid: Guid,
    call_forwarding: CallForwarding,
    active: bool,
    #[serde(skip)]
    in_use: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TemplateBody {
    /// As in the path, or left out.
    name: Option<String>,
    presence_state_guid: Guid,
    call_forwarding: CallForwarding,
    active: bool,
}

impl TemplateBody {
    fn check(&self, name: &str) -> Result<(), Refusal> {
        if self.name.as_ref().is_some_and(|given| given != name) {
            return Err(Refusal::bad("name must be the one in the path"));
        }
        let wants_number = self.call_forwarding.mode == ForwardingMode::Number;
        if wants_number != self.call_forwarding.number.as_ref().is_some_and(|number| !number.is_empty()) {
            return Err(Refusal::bad("number is given with the mode number, and only then"));
        }
        Kind::of(self.presence_state_guid).map(|_| ()).ok_or(Refusal::Unprocessable("there is no such presence status"))
    }
}

impl Memory {
    fn templates_at(&mut self, place: Place) -> Result<&mut BTreeMap<String, Template>, Refusal> {
        let known = match place {
            Place::Location(guid) => self.locations.contains_key(&guid),
            Place::ConfigurationGroup(guid) => {
                self.locations.values().flat_map(|location| &location.configuration_groups).any(|group| group.guid == guid)
            }
        };
        if known { Ok(self.templates.entry(place).or_default()) } else { Err(Refusal::NotFound("place")) }
    }

    fn set_template(&mut self, place: Place, name: String, body: TemplateBody) -> Result<StatusCode, Refusal> {
        let known = self.templates_at(place)?;
        body.check(&name)?;
        let in_use = known.get(&name).is_some_and(|template| template.in_use);
        if in_use && !body.active {
            return Err(IN_USE);
        }
        let TemplateBody { presence_state_guid, call_forwarding, active, .. } = body;
        let template = Template { name: name.clone(), presence_state_guid, call_forwarding, active, in_use };
        let replaced = known.insert(name, template).is_some();
        Ok(if replaced { StatusCode::OK } else { StatusCode::CREATED })
    }

    fn delete_template(&mut self, place: Place, name: &str) -> Result<StatusCode, Refusal> {
        let known = self.templates_at(place)?;
        let template = known.get(name).ok_or(Refusal::NotFound("template"))?;
        if template.in_use {
            return Err(IN_USE);
        }
        known.remove(name);
        Ok(StatusCode::NO_CONTENT)
    }

    /// Says whether something in the server uses the template.
    pub fn use_template(&mut self, place: Place, name: &str, in_use: bool) -> Result<(), Refusal> {
        let template = self.templates_at(place)?.get_mut(name).ok_or(Refusal::NotFound("template"))?;
        template.in_use = in_use;
        Ok(())
    }
}
