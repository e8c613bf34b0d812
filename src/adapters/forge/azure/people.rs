//! Who is asked for a review.
//!
//! Invariant: only the API's own host is asked, so people are looked for in the project's teams; anybody else is named by id.

use super::answers::{Identity, List, Member, Team};
use super::{Azure, PREVIEW};
use crate::adapters::forge::error::{ErrorClass, ForgeError};
use reqwest::Method;
use serde_json::json;

/// Most teams in which a person is looked for.
const MOST_TEAMS: usize = 20;

impl Azure {
    pub(super) async fn ask_for_review(&self, number: u64, who: &str) -> Result<(), ForgeError> {
        let what = "ask for a review";
        let id = match is_id(who) {
            true => Some(who.to_owned()),
            false => self.person(who).await?,
        };
        let id = id.ok_or_else(|| {
            let reason = "nobody in the project's teams has this name";
            self.http.error(what, ErrorClass::NotFound, reason)
        })?;
        let path = ["pullrequests", &number.to_string(), "reviewers", &id];
        let question = self.ask(Method::PUT, what, &path);
        question.sending(&json!({"vote": 0})).done().await
    }

    /// The id of a person in one of the project's teams, by address or name.
    async fn person(&self, name: &str) -> Result<Option<String>, ForgeError> {
        let what = "look for a person";
        let teams = [
            self.organization.as_str(),
            "_apis",
            "projects",
            &self.project,
            "teams",
        ];
        let list = |path: &[&str]| self.http.get(what, path).with("api-version", PREVIEW);
        let found: List<Team> = list(&teams)
            .with("$top", &MOST_TEAMS.to_string())
            .json()
            .await?;
        for team in found.value.iter().take(MOST_TEAMS) {
            let mut path = teams.to_vec();
            path.extend([team.id.as_str(), "members"]);
            let members: List<Member> = list(&path).with("$top", "500").json().await?;
            let is_meant = |person: &Identity| {
                let names = [&person.unique_name, &person.display_name];
                names
                    .into_iter()
                    .flatten()
                    .any(|known| known.eq_ignore_ascii_case(name))
            };
            let mut members = members.value.into_iter().map(|member| member.identity);
            if let Some(person) = members.find(is_meant) {
                return Ok(person.id);
            }
        }
        Ok(None)
    }
}

/// Whether a text is an identity's id: 8-4-4-4-12 hexadecimal digits.
fn is_id(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    lengths == [8, 4, 4, 4, 12]
        && parts
            .iter()
            .all(|part| part.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::is_id;

    #[test]
    fn an_id_is_told_from_a_name() {
        assert!(is_id("d6245f20-2af8-44f4-9451-8107cb2767db"));
        for name in [
            "",
            "jane@example.com",
            "d6245f20-2af8-44f4-9451-8107cb2767dz",
            "d6245f202af844f494518107cb2767db",
        ] {
            assert!(!is_id(name), "{name}");
        }
    }
}
