//! From any Lambda event source to effects that happen exactly once.
#![cfg_attr(docsrs, feature(doc_cfg))]
