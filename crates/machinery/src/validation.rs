//! Validation of names, labels and addresses.
// upstream: apimachinery/pkg/util/validation/validation.go, apimachinery/pkg/api/validation

mod meta;
mod names;
mod net;
mod syntax;

pub use meta::{
    TOTAL_ANNOTATION_SIZE_LIMIT, validate_annotations, validate_finalizer_name,
    validate_label_name, validate_labels, validate_object_meta, validate_object_meta_update,
};
pub use names::{
    NameCheck, is_c_identifier, is_config_map_key, is_dns1035_label, is_dns1123_label,
    is_dns1123_subdomain, is_env_var_name, is_fully_qualified_domain_name, is_fully_qualified_name,
    is_http_header_name, is_label_value, is_path_segment_name, is_qualified_name,
    is_relaxed_env_var_name, is_wildcard_dns1123_subdomain, name_is_dns_label,
    name_is_dns_subdomain, name_is_dns1035_label, path_segment_name,
};
pub use net::{
    is_in_range, is_valid_cidr, is_valid_ip, is_valid_ipv4, is_valid_percent, is_valid_port_name,
    is_valid_port_num, validate_non_negative,
};
