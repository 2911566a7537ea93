//! Capacity: load levels, admission, connections, files.
//! Never: a sleep; every wait has a deadline.

mod overload; // what each load level admits
mod simulate; // what other limits make of what was counted
mod waiting; // the admission queue
mod admission; // blocked clients, returning clients, evictions
mod connections; // how many at a time
mod files; // a server that may open no more files
