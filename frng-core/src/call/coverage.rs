//! The coverage list, `docs/COVERAGE.md`, made from the table.
