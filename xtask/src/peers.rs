//! Installs and builds the servers that benchmarks compare with, as their lock files name them.
//! Never: fails because a peer is not available.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::command::{is_there, must, program, root, step};
use crate::install::node_packages;

/// The crate that carries the C++ sources of uWebSockets.
const SOURCES: &str = "libuwebsockets-sys";

/// Builds every peer. The benchmarks leave out a peer that cannot be built.
pub(crate) fn build() -> Result<()> {
    let target = target()?.join("peers");
    step("build the peers");
    let attempts = [
        ("Socket.IO on Node.js", node_peers()),
        ("socketioxide", socketioxide(&target)),
        ("uWebSockets", uwebsockets(&target.join("uwebsockets"))),
    ];
    for (name, attempt) in attempts {
        if let Err(error) = attempt {
            eprintln!("left out: {name}: {error:#}");
        }
    }
    Ok(())
}

/// The folder that this program was built into: `target`, whatever it is called.
fn target() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    Ok(own.ancestors().nth(2).context("not in a target folder")?.to_owned())
}

fn node_peers() -> Result<()> {
    if !is_there("node") {
        bail!("Node.js is not installed");
    }
    node_packages("bench/peers/node")
}

fn socketioxide(target: &Path) -> Result<()> {
    let mut build =
        program("cargo", &["build", "--release", "--locked"], "bench/peers/socketioxide");
    build.arg("--target-dir").arg(target);
    must(build)
}

/// Compiles uWebSockets with the flags of its own build.
fn uwebsockets(target: &Path) -> Result<()> {
    const FLAGS: [&str; 4] = ["-O3", "-march=native", "-flto=auto", "-DLIBUS_NO_SSL"];
    let built = target.join("uwebsockets");
    let peer = root().join("bench/peers/uwebsockets");
    let newer = |path: &Path| std::fs::metadata(path).and_then(|facts| facts.modified()).ok();
    if newer(&built) > newer(&peer.join("uwebsockets.cpp")).max(newer(&peer.join("Cargo.lock"))) {
        return Ok(());
    }
    let sources = sources()?;
    let sockets = sources.join("uSockets/src");
    std::fs::create_dir_all(target)?;
    let mut compile = program("gcc", &FLAGS, ".");
    compile.current_dir(target).args(["-std=gnu11", "-c", "-I"]).arg(&sockets);
    for file in ["bsd.c", "context.c", "loop.c", "socket.c", "udp.c", "eventing/epoll_kqueue.c"] {
        compile.arg(sockets.join(file));
    }
    must(compile)?;
    let mut link = program("g++", &FLAGS, ".");
    link.current_dir(target).args(["-std=c++20", "-DUWS_NO_ZLIB", "-I"]).arg(&sockets);
    link.arg("-I").arg(sources.join("src")).arg(peer.join("uwebsockets.cpp"));
    link.args(["bsd.o", "context.o", "loop.o", "socket.o", "udp.o", "epoll_kqueue.o"]);
    link.args(["-o", "uwebsockets"]);
    must(link)
}

/// Where Cargo keeps the C++ sources, downloaded and checked against the lock file.
fn sources() -> Result<PathBuf> {
    let folder = "bench/peers/uwebsockets";
    let metadata = ["metadata", "--format-version", "1", "--locked"];
    let output = program("cargo", &metadata, folder).output().context("cannot start cargo")?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr));
    }
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata.get("packages").and_then(|it| it.as_array()).context("no packages")?;
    let package = packages.iter().find(|it| it.get("name").is_some_and(|name| name == SOURCES));
    let manifest = package.and_then(|it| it.get("manifest_path")).and_then(|it| it.as_str());
    let manifest = Path::new(manifest.context("no sources of uWebSockets")?);
    Ok(manifest.with_file_name("uWebSockets"))
}
