//! declare
