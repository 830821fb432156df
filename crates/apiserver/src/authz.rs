//! Who may do what: RBAC and the Node authoriser.
