//! One advisory in the format OSV (Open Source Vulnerability format 1.6).
//! Never: a network request; a member that this server does not need is not read.

use serde::Deserialize;

use super::version::Version;

/// What an advisory says about the dependencies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Concern<'d> {
    /// It is about none of them.
    None,
    /// It is about a version in use; the version that mends it.
    Affected { name: &'d str, version: &'d str, fixed: Option<String> },
    /// It is about a package in use, and its versions cannot be read.
    Unreadable { name: &'d str },
}

/// The ecosystem of the dependencies of this binary.
const ECOSYSTEM: &str = "crates.io";

/// An advisory.
#[derive(Debug, Deserialize)]
pub(super) struct Advisory {
    pub(super) id: String,
    #[serde(default)]
    pub(super) modified: String,
    /// When it was found to be wrong.
    #[serde(default)]
    withdrawn: Option<String>,
    #[serde(default)]
    pub(super) summary: Option<String>,
    #[serde(default)]
    affected: Vec<AffectedPackage>,
    #[serde(default)]
    severity: Vec<Score>,
}

#[derive(Debug, Deserialize)]
struct AffectedPackage {
    package: Package,
    #[serde(default)]
    ranges: Vec<Range>,
    #[serde(default)]
    versions: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Package {
    ecosystem: String,
    name: String,
}

#[derive(Debug, Deserialize)]
struct Range {
    #[serde(rename = "type")]
    kind: String,
    events: Vec<Bound>,
}

/// The start or the end of a range of versions.
#[derive(Debug, Deserialize)]
struct Bound {
    introduced: Option<String>,
    fixed: Option<String>,
    last_affected: Option<String>,
}

/// A score, such as a vector of CVSS.
#[derive(Debug, Deserialize)]
struct Score {
    score: String,
}

impl Advisory {
    /// The dependency that it concerns.
    pub(super) fn concerns<'d>(&self, dependencies: &'d [(&'d str, &'d str)]) -> Concern<'d> {
        if self.withdrawn.is_some() {
            return Concern::None;
        }
        let mut concern = Concern::None;
        for affected in self.affected.iter().filter(|one| one.package.ecosystem == ECOSYSTEM) {
            let of_name = |(name, _): &&(&str, &str)| *name == affected.package.name;
            for (name, version) in dependencies.iter().filter(of_name) {
                match affected.has(version) {
                    Some(true) => {
                        let fixed = affected.mended_by(version);
                        return Concern::Affected { name, version, fixed };
                    }
                    Some(false) => {}
                    None => concern = Concern::Unreadable { name },
                }
            }
        }
        concern
    }

    /// Whether attackers without an account can use it over the network, with a high impact.
    pub(super) fn is_severe(&self) -> bool {
        self.severity.iter().any(|one| {
            let has = |part: &str| one.score.split('/').any(|metric| metric == part);
            let impact = ["C:H", "I:H", "A:H", "VC:H", "VI:H", "VA:H"];
            has("AV:N") && has("PR:N") && impact.iter().any(|part| has(part))
        })
    }
}

impl AffectedPackage {
    /// Whether a version is affected; `None` when that cannot be said.
    fn has(&self, version: &str) -> Option<bool> {
        if self.versions.iter().any(|listed| listed == version) {
            return Some(true);
        }
        // Without both, it does not say which versions are affected.
        if self.versions.is_empty() && self.ranges.is_empty() {
            return None;
        }
        let version = Version::parse(version)?;
        let ranges = self.ranges.iter().map(|range| range.has(&version));
        let results: Vec<Option<bool>> = ranges.collect();
        if results.contains(&Some(true)) {
            return Some(true);
        }
        (!results.contains(&None)).then_some(false)
    }

    /// The first version after this one that is not affected.
    fn mended_by(&self, version: &str) -> Option<String> {
        let version = Version::parse(version)?;
        let fixed = self.ranges.iter().flat_map(|range| &range.events);
        let fixed = fixed.filter_map(|event| event.fixed.as_ref());
        let later = fixed.filter_map(|text| Some((Version::parse(text)?, text)));
        later.filter(|(fixed, _)| *fixed > version).min().map(|(_, text)| text.clone())
    }
}

impl Range {
    /// Whether a version is in the range: after a start that no end follows.
    ///
    /// `None` when a bound cannot be read, or when the range has no versions: other kinds have
    /// commits, of which a version says nothing.
    fn has(&self, version: &Version) -> Option<bool> {
        if self.kind != "SEMVER" {
            return if self.kind == "GIT" { Some(false) } else { None };
        }
        let parse = |text: &Option<String>| text.as_deref().map(Version::parse);
        let bounds = self.events.iter().map(|event| {
            Some((
                parse(&event.introduced).map_or(Some(None), |start| start.map(Some))?,
                parse(&event.fixed).map_or(Some(None), |end| end.map(Some))?,
                parse(&event.last_affected).map_or(Some(None), |end| end.map(Some))?,
            ))
        });
        let bounds: Vec<_> = bounds.collect::<Option<_>>()?;
        let starts = bounds.iter().filter_map(|(introduced, ..)| introduced.as_ref());
        let Some(start) = starts.filter(|start| *start <= version).max() else {
            return Some(false);
        };
        Some(bounds.iter().all(|(_, fixed, last)| {
            let is_fixed = fixed.as_ref().is_some_and(|end| start < end && end <= version);
            !is_fixed && !last.as_ref().is_some_and(|end| start <= end && end < version)
        }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn advisory(events: serde_json::Value) -> Advisory {
        let value = json!({
            "schema_version": "1.6.1", "id": "RUSTSEC-2026-0001",
            "modified": "2026-11-01T00:00:00Z",
            "affected": [{
                "package": {"ecosystem": "crates.io", "name": "tokio", "purl": "pkg:cargo/tokio"},
                "ranges": [{"type": "SEMVER", "events": events}],
            }],
        });
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn version_in_a_range_is_affected() {
        let two = json!([
            {"introduced": "0.0.0-0"}, {"fixed": "1.2.0"},
            {"introduced": "1.5.0"}, {"fixed": "1.6.1"},
        ]);
        let last = json!([{"introduced": "1.0.0"}, {"last_affected": "1.4.0"}]);
        let open = json!([{"introduced": "0"}]);
        for (events, version, expect) in [
            (&two, "1.1.9", Some(Some("1.2.0"))),
            (&two, "1.2.0", None),
            (&two, "1.4.9", None),
            (&two, "1.5.0", Some(Some("1.6.1"))),
            (&two, "1.6.1", None),
            (&last, "0.9.0", None),
            (&last, "1.4.0", Some(None)),
            (&last, "1.4.1", None),
            (&open, "9.0.0", Some(None)),
        ] {
            let dependencies = [("serde", "1.1.9"), ("tokio", version)];
            let advisory = advisory(events.clone());
            let found = advisory.concerns(&dependencies);
            let expect = expect.map_or(Concern::None, |fixed: Option<&str>| Concern::Affected {
                name: "tokio",
                version,
                fixed: fixed.map(String::from),
            });
            assert_eq!(found, expect, "{version} {events}");
        }
    }

    #[test]
    fn advisory_with_a_version_that_cannot_be_read_is_not_silently_harmless() {
        let dependencies = [("tokio", "1.4.0")];
        let unreadable = Concern::Unreadable { name: "tokio" };
        for events in [
            json!([{"introduced": "one"}]),
            json!([{"introduced": "1.0"}, {"fixed": "2.0.0"}]),
            json!([{"introduced": "0"}, {"fixed": "soon"}]),
            json!([{"introduced": "0"}, {"last_affected": "x"}]),
        ] {
            assert_eq!(advisory(events.clone()).concerns(&dependencies), unreadable, "{events}");
            let other = [("serde", "1.4.0")];
            assert_eq!(advisory(events).concerns(&other), Concern::None, "another package");
        }
        // A range of commits says nothing about versions; other kinds are not known.
        for (kind, expect) in [("GIT", Concern::None), ("ECOSYSTEM", unreadable)] {
            let mut advisory = advisory(json!([{"introduced": "0"}]));
            advisory.affected[0].ranges[0].kind = String::from(kind);
            assert_eq!(advisory.concerns(&dependencies), expect, "{kind}");
        }
    }

    #[test]
    fn withdrawn_or_foreign_advisory_concerns_nothing() {
        let dependencies = [("tokio", "1.0.0")];
        let mut withdrawn = advisory(json!([{"introduced": "0"}]));
        withdrawn.withdrawn = Some(String::from("2026-01-01T00:00:00Z"));
        assert_eq!(withdrawn.concerns(&dependencies), Concern::None);
        let mut foreign = advisory(json!([{"introduced": "0"}]));
        foreign.affected[0].package.ecosystem = String::from("npm");
        assert_eq!(foreign.concerns(&dependencies), Concern::None);
        let mut listed = advisory(json!([]));
        listed.affected[0].versions.push(String::from("1.0.0"));
        assert!(matches!(listed.concerns(&dependencies), Concern::Affected { .. }));
    }

    #[test]
    fn advisory_is_severe_by_its_vector() {
        for (score, expect) in [
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H", true),
            ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:N/VA:N/SC:N/SI:N/SA:N", true),
            ("CVSS:3.1/AV:L/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", false),
            ("CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H", false),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:L/I:L/A:L", false),
            ("", false),
        ] {
            let mut advisory = advisory(json!([]));
            advisory.severity.push(Score { score: String::from(score) });
            assert_eq!(advisory.is_severe(), expect, "{score}");
        }
    }
}
