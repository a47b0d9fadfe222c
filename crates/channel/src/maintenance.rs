//! Maintenance mode and the move from one consensus type to another.
