//! Bytes to events. Skeleton: see the model's needs.
