//! Options of list, watch and deletecollection.

use super::Query;
use crate::continue_token::ContinueToken;
use crate::field::{Error, ErrorList, Path};
use crate::fields::FieldSelector;
use crate::labels::Selector;
use crate::{GroupKind, Reason, ResourceVersion, Status};

/// How `resourceVersion` is meant on a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResourceVersionMatch {
    /// At exactly that version.
    Exact,
    /// At least that version.
    NotOlderThan,
}

/// `metav1.ListOptions`, parsed and validated.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListOptions {
    /// Labels selected.
    pub label_selector: Selector,
    /// Fields selected.
    pub field_selector: FieldSelector,
    /// Whether this is a watch.
    pub watch: bool,
    /// Whether bookmarks are wanted.
    pub allow_watch_bookmarks: bool,
    /// `resourceVersion` as given: empty for unset.
    pub resource_version: String,
    /// `resourceVersionMatch`.
    pub resource_version_match: Option<ResourceVersionMatch>,
    /// Seconds after which a list or watch ends.
    pub timeout_seconds: Option<i64>,
    /// Page size; 0 is unlimited.
    pub limit: i64,
    /// Continue token as given, empty for the first page.
    pub continue_token: String,
    /// Whether a watch starts with the present objects.
    pub send_initial_events: Option<bool>,
}

impl ListOptions {
    /// Parses and validates; errors are upstream's 400s and 422s.
    pub fn from_query(query: &Query) -> Result<Self, Status> {
        let mut options = Self {
            watch: query.flag("watch").unwrap_or_default(),
            allow_watch_bookmarks: query.flag("allowWatchBookmarks").unwrap_or_default(),
            resource_version: query.text("resourceVersion"),
            timeout_seconds: query.int("timeoutSeconds")?,
            limit: query.int("limit")?.unwrap_or_default(),
            continue_token: query.text("continue"),
            send_initial_events: query.flag("sendInitialEvents"),
            ..Self::default()
        };
        let bad = |e: String| Status::bad_request(e);
        if let Some(s) = query.get("labelSelector") {
            options.label_selector = Selector::parse(s).map_err(|e| bad(e.to_string()))?;
        }
        if let Some(s) = query.get("fieldSelector") {
            options.field_selector = FieldSelector::parse(s).map_err(|e| bad(e.to_string()))?;
        }
        let matching = query.text("resourceVersionMatch");
        options.resource_version_match = match matching.as_str() {
            "Exact" => Some(ResourceVersionMatch::Exact),
            "NotOlderThan" => Some(ResourceVersionMatch::NotOlderThan),
            _ => None,
        };
        options.validate(&matching)?;
        Ok(options)
    }

    // upstream: apimachinery/pkg/apis/meta/internalversion/validation/validation.go#ValidateListOptions
    fn validate(&self, matching: &str) -> Result<(), Status> {
        let mut errors = ErrorList::new();
        let path = Path::new("resourceVersionMatch");
        let mut forbid = |text: &str| errors.push(Error::forbidden(&path, text));
        let not_older = self.resource_version_match == Some(ResourceVersionMatch::NotOlderThan);
        if self.watch {
            if self.send_initial_events.is_some() && !not_older {
                forbid("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
            }
            if !matching.is_empty() {
                if self.send_initial_events.is_none() {
                    forbid(
                        "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
                    );
                }
                if !not_older {
                    errors.push(Error::not_supported(&path, matching, &["NotOlderThan"]));
                }
                if !self.continue_token.is_empty() {
                    errors.push(Error::forbidden(
                        &path,
                        "resourceVersionMatch is forbidden when continue is provided",
                    ));
                }
            }
        } else {
            if !matching.is_empty() {
                if self.resource_version.is_empty() {
                    forbid("resourceVersionMatch is forbidden unless resourceVersion is provided");
                }
                if !self.continue_token.is_empty() {
                    forbid("resourceVersionMatch is forbidden when continue is provided");
                }
                if self.resource_version_match.is_none() {
                    errors.push(Error::not_supported(
                        &path,
                        matching,
                        &["Exact", "NotOlderThan", ""],
                    ));
                }
                if self.resource_version_match == Some(ResourceVersionMatch::Exact)
                    && self.resource_version == "0"
                {
                    errors.push(Error::forbidden(
                        &path,
                        "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"",
                    ));
                }
            }
            if self.send_initial_events.is_some() {
                errors.push(Error::forbidden(
                    &Path::new("sendInitialEvents"),
                    "sendInitialEvents is forbidden for list",
                ));
            }
        }
        if errors.is_empty() {
            Ok(())
        } else {
            Err(Status::invalid(
                &GroupKind::new("meta.k8s.io", "ListOptions"),
                "",
                &errors,
            ))
        }
    }

    /// `resourceVersion` as a number; `None` when unset.
    // upstream: apiserver/pkg/storage/api_object_versioner.go#ParseResourceVersion
    pub fn revision(&self) -> Result<Option<ResourceVersion>, Status> {
        if self.resource_version.is_empty() {
            return Ok(None);
        }
        ResourceVersion::parse(&self.resource_version)
            .map(Some)
            .map_err(|e| {
                let path = Path::new("resourceVersion");
                let error = Error::invalid(&path, self.resource_version.as_str(), e.to_string());
                if self.watch {
                    Status::failure(500, Reason::Unknown, error.to_string())
                } else {
                    Status::bad_request(format!("invalid resource version: {error}"))
                }
            })
    }

    /// The continue token decoded; `None` on the first page. A resource version beside a token is a 400.
    pub fn continue_at(&self) -> Result<Option<ContinueToken>, Status> {
        if self.continue_token.is_empty() {
            return Ok(None);
        }
        if !self.resource_version.is_empty() && self.resource_version != "0" {
            return Err(Status::bad_request(
                "specifying resource version is not allowed when using continue",
            ));
        }
        Ok(Some(ContinueToken::decode(&self.continue_token)?))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn message(query: &str) -> String {
        ListOptions::from_query(&Query::parse(query))
            .unwrap_err()
            .message
    }

    #[test]
    fn parses() {
        let o = ListOptions::from_query(&Query::parse(
            "labelSelector=a%3Db&limit=5&watch=true&allowWatchBookmarks=1&resourceVersion=7",
        ))
        .unwrap();
        assert!(o.watch && o.allow_watch_bookmarks);
        assert_eq!(
            (o.limit, o.revision().unwrap()),
            (5, Some(ResourceVersion(7)))
        );
        assert_eq!(o.label_selector.to_string(), "a=b");
    }

    #[test]
    fn refuses_in_upstreams_words() {
        assert_eq!(
            message("resourceVersionMatch=Exact"),
            "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"
        );
        assert_eq!(
            message("sendInitialEvents=true"),
            "ListOptions.meta.k8s.io \"\" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list"
        );
        assert!(
            message("watch=1&sendInitialEvents=true")
                .contains("requires setting resourceVersionMatch to NotOlderThan")
        );
        assert_eq!(
            message("limit=x"),
            "strconv.ParseInt: parsing \"x\": invalid syntax"
        );
    }
}
