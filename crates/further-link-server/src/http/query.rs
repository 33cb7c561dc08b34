//! Query strings: what stands behind the `?`.

use axum::extract::FromRequestParts;
use http::request::Parts;
use std::convert::Infallible;

/// The parameters of a request. Of a name that comes twice the first counts; unknown ones are
/// ignored.
#[derive(Debug, Default)]
pub(crate) struct QueryString(Vec<(String, String)>);

impl QueryString {
    /// Parses `name=value&…`, percent-encoded as forms are. There is nothing that cannot be parsed.
    pub(crate) fn parse(query: Option<&str>) -> Self {
        let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        Self(pairs.into_owned().collect())
    }

    /// Returns the value of a parameter, which may be empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(found, _)| found == name)?;
        Some(value)
    }

    /// Returns whether there is a parameter of this name.
    pub(crate) fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Returns whether a switch is on, that is there and neither `0` nor `false`; `None` if it is
    /// not there.
    pub(crate) fn switch(&self, name: &str) -> Option<bool> {
        self.get(name).map(|value| value != "0" && value != "false")
    }

    /// Returns the account that is asked for, if it is not the default one.
    pub(crate) fn user(&self) -> Option<String> {
        self.get("user")
            .filter(|user| !user.is_empty())
            .map(str::to_owned)
    }
}

impl<S: Sync> FromRequestParts<S> for QueryString {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::parse(parts.uri.query()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_of_repeated_parameters_counts() {
        let query = QueryString::parse(Some("a=1&a=2&b&c=x%20y+z&d=%ff"));
        assert_eq!(query.get("a"), Some("1"));
        assert_eq!(query.get("b"), Some(""));
        assert_eq!(query.get("c"), Some("x y z"));
        assert_eq!(query.get("d"), Some("\u{fffd}"));
        assert!(!query.contains("e"));
        assert!(!QueryString::parse(None).contains(""));
    }

    #[test]
    fn switch_is_on_unless_it_says_otherwise() {
        let query = QueryString::parse(Some("a&b=1&c=0&d=false&e=no"));
        let switches = ["a", "b", "c", "d", "e", "f"].map(|name| query.switch(name));
        let expected = [
            Some(true),
            Some(true),
            Some(false),
            Some(false),
            Some(true),
            None,
        ];
        assert_eq!(switches, expected);
    }

    #[test]
    fn empty_user_is_default_account() {
        assert_eq!(QueryString::parse(Some("user=")).user(), None);
        let user = QueryString::parse(Some("user=ann")).user();
        assert_eq!(user.as_deref(), Some("ann"));
    }
}
