//! Kubernetes' protobuf.
