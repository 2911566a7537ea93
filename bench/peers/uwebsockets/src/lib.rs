//! Locks the package that carries uWebSockets' C++ sources; `cargo xtask bench` compiles those.
//! Never: built itself.
