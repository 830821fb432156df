//! What a new cluster has, reconciled at each start.
