//! Why a request failed.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $text:literal => $code:literal,)*) => {
        /// `metav1.StatusReason`. [`Reason::code`] is the usual HTTP code.
        // upstream: apimachinery/pkg/apis/meta/v1/types.go#StatusReason
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub enum Reason {
            /// None given.
            #[default]
            Unknown,
            $($(#[$doc])* $name,)*
        }

        impl Reason {
            /// The text on the wire.
            pub fn as_str(self) -> &'static str {
                match self {
                    Reason::Unknown => "",
                    $(Reason::$name => $text,)*
                }
            }

            /// The HTTP code that goes with it (500 for Unknown).
            pub fn code(self) -> u16 {
                match self {
                    Reason::Unknown => 500,
                    $(Reason::$name => $code,)*
                }
            }

            /// Reads the text on the wire; what isn't known is `Unknown`.
            pub fn from_wire(s: &str) -> Self {
                match s {
                    $($text => Reason::$name,)*
                    _ => Reason::Unknown,
                }
            }
        }
    };
}

reasons! {
    /// 401.
    Unauthorized = "Unauthorized" => 401,
    /// 403.
    Forbidden = "Forbidden" => 403,
    /// 404.
    NotFound = "NotFound" => 404,
    /// 409 on create.
    AlreadyExists = "AlreadyExists" => 409,
    /// 409 on update.
    Conflict = "Conflict" => 409,
    /// 410: the item is gone for good.
    Gone = "Gone" => 410,
    /// 422.
    Invalid = "Invalid" => 422,
    /// 500: couldn't be done in time, may be retried.
    ServerTimeout = "ServerTimeout" => 500,
    /// 500: the object is too large for the store.
    StoreReadError = "StorageReadError" => 500,
    /// 504.
    Timeout = "Timeout" => 504,
    /// 429.
    TooManyRequests = "TooManyRequests" => 429,
    /// 400.
    BadRequest = "BadRequest" => 400,
    /// 405.
    MethodNotAllowed = "MethodNotAllowed" => 405,
    /// 406.
    NotAcceptable = "NotAcceptable" => 406,
    /// 413.
    RequestEntityTooLarge = "RequestEntityTooLarge" => 413,
    /// 415.
    UnsupportedMediaType = "UnsupportedMediaType" => 415,
    /// 500.
    InternalError = "InternalError" => 500,
    /// 410: the resource version or continue token is too old.
    Expired = "Expired" => 410,
    /// 503.
    ServiceUnavailable = "ServiceUnavailable" => 503,
}

impl Reason {
    /// Whether there is none.
    #[allow(clippy::trivially_copy_pass_by_ref)]
    pub fn is_unknown(&self) -> bool {
        *self == Reason::Unknown
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Reason {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Ok(Self::from_wire(&String::deserialize(d)?))
    }
}
