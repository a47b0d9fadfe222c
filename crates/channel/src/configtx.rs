//! Configuration updates: authorisation, application, and their computation.
