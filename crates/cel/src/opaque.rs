//! Values of the libraries.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use machinery::Quantity;

use crate::authorizer::{Authorizer, Decision, PathCheck, ResourceCheck};
use crate::functions::format::Named;
use crate::functions::semver::Version;
use crate::functions::url::Url;

pub(crate) const URL: &str = "kubernetes.URL";
pub(crate) const QUANTITY: &str = "kubernetes.Quantity";
pub(crate) const SEMVER: &str = "kubernetes.Semver";
pub(crate) const FORMAT: &str = "kubernetes.NamedFormat";
pub(crate) const IP: &str = "net.IP";
pub(crate) const CIDR: &str = "net.CIDR";
pub(crate) const AUTHORIZER: &str = "kubernetes.authorization.Authorizer";
pub(crate) const PATH_CHECK: &str = "kubernetes.authorization.PathCheck";
pub(crate) const GROUP_CHECK: &str = "kubernetes.authorization.GroupCheck";
pub(crate) const RESOURCE_CHECK: &str = "kubernetes.authorization.ResourceCheck";
pub(crate) const DECISION: &str = "kubernetes.authorization.Decision";

/// All names of such types.
pub(crate) const NAMES: &[&str] = &[
    URL,
    QUANTITY,
    SEMVER,
    FORMAT,
    IP,
    CIDR,
    AUTHORIZER,
    PATH_CHECK,
    GROUP_CHECK,
    RESOURCE_CHECK,
    DECISION,
];

/// A network and the address in it that was written: `10.1.2.3/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    /// The address as written.
    pub address: IpAddr,
    /// How many bits are the network's.
    pub prefix: u8,
}

/// A value of a library.
#[derive(Clone)]
pub enum Opaque {
    /// `url('https://a')`
    Url(Arc<Url>),
    /// `quantity('1Gi')`
    Quantity(Quantity),
    /// `semver('1.2.3')`
    Semver(Arc<Version>),
    /// `format.dns1123Label()`
    Format(Named),
    /// `ip('10.0.0.1')`
    Ip(IpAddr),
    /// `cidr('10.0.0.0/8')`
    Cidr(Cidr),
    /// `authorizer`
    Authorizer(Arc<dyn Authorizer>),
    /// `authorizer.path('/healthz')`
    Path(Arc<PathCheck>),
    /// `authorizer.group('apps')`
    Group(Arc<dyn Authorizer>, Arc<str>),
    /// `authorizer.group('apps').resource('deployments')`
    Resource(Arc<ResourceCheck>),
    /// The answer of a check.
    Decision(Arc<Decision>),
}

impl Opaque {
    /// The type's name.
    pub fn type_name(&self) -> &'static str {
        match self {
            Opaque::Url(_) => URL,
            Opaque::Quantity(_) => QUANTITY,
            Opaque::Semver(_) => SEMVER,
            Opaque::Format(_) => FORMAT,
            Opaque::Ip(_) => IP,
            Opaque::Cidr(_) => CIDR,
            Opaque::Authorizer(_) => AUTHORIZER,
            Opaque::Path(_) => PATH_CHECK,
            Opaque::Group(..) => GROUP_CHECK,
            Opaque::Resource(_) => RESOURCE_CHECK,
            Opaque::Decision(_) => DECISION,
        }
    }

    /// Whether both are the same.
    pub(crate) fn equals(&self, other: &Opaque) -> bool {
        match (self, other) {
            (Opaque::Url(a), Opaque::Url(b)) => a.text == b.text,
            (Opaque::Quantity(a), Opaque::Quantity(b)) => a == b,
            (Opaque::Semver(a), Opaque::Semver(b)) => a.same(b),
            (Opaque::Format(a), Opaque::Format(b)) => a == b,
            (Opaque::Ip(a), Opaque::Ip(b)) => a == b,
            (Opaque::Cidr(a), Opaque::Cidr(b)) => a == b,
            _ => false,
        }
    }
}

impl fmt::Debug for Opaque {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.type_name())
    }
}
