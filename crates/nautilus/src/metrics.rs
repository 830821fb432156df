//! What `/metrics` says of the control plane itself.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tee::Provider;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TeeLabels {
    kind: String,
    hardware_rooted: String,
    measurement: String,
}

/// A registry that says which TEE is in use, so that a simulated one shows on every dashboard.
pub(crate) fn of_tee(tee: &dyn Provider) -> Registry {
    let info = Family::<TeeLabels, Gauge>::default();
    info.get_or_create(&TeeLabels {
        kind: tee.kind().to_string(),
        hardware_rooted: tee.capabilities().hardware_rooted.to_string(),
        measurement: tee.measurement().to_string(),
    })
    .set(1);
    let mut registry = Registry::default();
    registry.register(
        "daas_tee_info",
        "The TEE that the control plane runs in; kind simulated proves nothing",
        info,
    );
    registry
}
