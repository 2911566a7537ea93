//! Reads the files of the log, with or without a running server.
//! Never: changes a file, or holds more than a bounded part of one in memory.

pub(crate) mod line_reader; // the lines of one file, plain or compressed
pub(crate) mod line_text; // time and number of a line, without a JSON parser
pub(crate) mod log_files; // all files of a log, in the order of their lines
pub(crate) mod newest_time; // the newest time in the last lines
pub(crate) mod follower; // the lines after a number, also those written later
pub(crate) mod reference; // finds the record of a reference
