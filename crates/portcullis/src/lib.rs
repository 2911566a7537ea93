//! The server binary: configuration, command line, wiring, signals.
//! Never: logic of its own.
