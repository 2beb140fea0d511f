//! Tests of SQL.
