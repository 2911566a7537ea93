//! Capacity: load levels, admission, connections, files.
//! Never: a sleep; every wait has a deadline.

mod overload; // the clients that each load level admits
mod simulate; // replay of counted attempts under other limits
mod waiting; // the admission queue
mod admission; // blocked clients, returning clients, evictions
mod connections; // limits of connections and rooms
mod files; // a server that may open no more files
