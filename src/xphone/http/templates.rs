//! The calls about central profile templates.

use reqwest::{Method, StatusCode};

use super::gate::Kind;
use super::transport::{Concerns, Question, contract, drain, json};
use super::{XPhone, wire};
use crate::domain::template::Template;
use crate::xphone::Error;
use crate::xphone::values::{ListedTemplate, Place, Put};

impl XPhone {
    /// The central profile templates of a place.
    ///
    /// # Errors
    /// `Refused`, about this place: 404 there is no such place; and as all calls fail.
    pub(in crate::xphone) async fn profile_templates(&self, place: Place) -> Result<Vec<ListedTemplate>, Error> {
        let question = self.about_templates("profileTemplates", Method::GET, place, None, None);
        let response = self.answer(&question, Some(self.transport.patience.request)).await?;
        let listed: Vec<wire::Template> = json(&question, self.transport.sorted(&question, response).await?).await?;
        Ok(listed.into_iter().map(Into::into).collect())
    }

    /// Sets the template of this name, for users to be offered, in place of what was there; may be repeated.
    ///
    /// # Errors
    /// `Refused`, about this place: 404 there is no such place, 409 and 422 the server does not accept it; and as all calls fail.
    pub(in crate::xphone) async fn put_profile_template(
        &self,
        place: Place,
        name: &str,
        template: &Template,
    ) -> Result<Put, Error> {
        const CALL: &str = "put profile template";
        let body = serde_json::to_vec(&wire::Template::active(name, template))
            .map_err(|_| contract(CALL, "our own question cannot be written"))?;
        let question = self.about_templates(CALL, Method::PUT, place, Some(name), Some(body));
        let response = self.answer(&question, Some(self.transport.patience.request)).await?;
        let response = self.transport.sorted(&question, response).await?;
        let put = if response.status() == StatusCode::CREATED { Put::Made } else { Put::Replaced };
        drain(response).await;
        Ok(put)
    }

    /// Removes the template of this name; may be repeated, and is done where nothing was there.
    ///
    /// # Errors
    /// `Refused`, about this place: 409 the template is in use; and as all calls fail.
    pub(in crate::xphone) async fn delete_profile_template(&self, place: Place, name: &str) -> Result<(), Error> {
        let question = self.about_templates("delete profile template", Method::DELETE, place, Some(name), None);
        let response = self.answer(&question, Some(self.transport.patience.request)).await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(());
        }
        drain(self.transport.sorted(&question, response).await?).await;
        Ok(())
    }

    fn about_templates(
        &self,
        call: &'static str,
        method: Method,
        place: Place,
        name: Option<&str>,
        body: Option<Vec<u8>>,
    ) -> Question {
        let (places, guid) = match place {
            Place::Location(guid) => ("locations", guid.to_string()),
            Place::ConfigurationGroup(guid) => ("configurationGroups", guid.to_string()),
        };
        let mut path = vec![places, &guid, "profileTemplates"];
        path.extend(name);
        let kind = if method == Method::GET { Kind::Reading } else { Kind::TemplateWrites };
        Question { call, method, url: self.transport.url(&path), body, concerns: Concerns::One, kind }
    }
}
