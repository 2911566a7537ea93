//! References that clients were given, explained beside the server.
//! Never: a reference that cannot be looked up.

use portcullis_test::{Config, Request};

use crate::{done, refused, start};

// T-377
#[test]
fn t377_every_reference_is_explained_also_when_its_record_was_sampled_away() {
    let server = start(&Config::default());
    let references: Vec<String> = (0..12)
        .map(|number| {
            let request = Request::get(&server, &format!("/nothing-{number}"));
            let answer = request.ask(&server);
            assert_eq!(answer.status, 404);
            String::from(answer.json()["ref"].as_str().unwrap())
        })
        .collect();
    let mut in_log = 0;
    for reference in &references {
        let response = done(&server, &["why", reference], "");
        assert!(response.contains("rule        not_found\n"), "{response}");
        assert!(response.contains("malicious_excess_404"), "{response}");
        in_log += usize::from(response.contains("address     \"127.0.0.1\""));
        assert!(response.contains("address") || response.contains("no record"), "{response}");
    }
    assert_eq!(in_log, 5, "five of a minute are in the log, the others are counted");
}

#[test]
fn t377_reference_is_explained_after_a_restart() {
    let server = start(&Config::default());
    let answer = Request::get(&server, "/nothing").ask(&server);
    let reference = String::from(answer.json()["ref"].as_str().unwrap());
    let server = server.restart();
    let spoken = reference.to_uppercase();
    assert!(done(&server, &["why", &spoken], "").contains("not_found"), "{spoken}");
    assert!(refused(&server, &["why", "000000000000"], "").contains("not made this reference"));
    assert!(refused(&server, &["why", "abc"], "").contains("12 characters"));
}
