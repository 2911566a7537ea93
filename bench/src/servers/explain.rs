//! Rejections of a server while a row was measured: for the error of a row that fails.
//! Never: part of a measurement that succeeds.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Error, Result, anyhow};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::servers::measure::MeasuredServer;

/// A measurement that takes longer fails.
const DEADLINE: Duration = Duration::from_secs(600);
/// Longest wait for the metrics of a server that has just failed.
const METRICS_TIMEOUT: Duration = Duration::from_secs(5);
/// The counter of rejections; its labels name the rule, the code and the key.
const COUNTER: &str = "portcullis_refusals_total{";

/// Runs a measurement within the deadline. Its error names the limits the server applied.
pub(crate) async fn attempt<T>(
    served: &MeasuredServer,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let error = match timeout(DEADLINE, work).await {
        Ok(Ok(figure)) => return Ok(figure),
        Ok(Err(error)) => error,
        Err(_elapsed) => anyhow!("it takes longer than {} s", DEADLINE.as_secs()),
    };
    Err(explained(served, error).await)
}

/// The text of the metrics of a server.
pub(crate) async fn metrics_of(served: &MeasuredServer) -> Result<String> {
    metrics(private(served).context("the server has no private listener")?).await
}

fn private(served: &MeasuredServer) -> Option<&str> {
    let mut lines = served.before.iter();
    let address = lines.find_map(|line| line.strip_prefix("listening private http://"))?;
    Some(address.trim_end_matches('/'))
}

async fn explained(served: &MeasuredServer, error: Error) -> Error {
    let Some(address) = private(served) else { return error };
    match timeout(METRICS_TIMEOUT, metrics(address)).await {
        Ok(Ok(text)) => error.context(rejections(&text)),
        Ok(Err(unread)) => error.context(format!("its metrics cannot be read: {unread:#}")),
        Err(_elapsed) => error.context("its metrics cannot be read in time"),
    }
}

async fn metrics(address: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// The number of rejections by each rule, from the text of the metrics.
pub(crate) fn rejections_by_rule(metrics: &str) -> BTreeMap<String, u64> {
    let mut rules = BTreeMap::new();
    for line in metrics.lines() {
        let counted = line.strip_prefix(COUNTER).and_then(|rest| rest.rsplit_once("} "));
        let Some((labels, count)) = counted else { continue };
        let rule = labels.split('"').nth(1).unwrap_or(labels);
        let count = count.parse::<f64>().unwrap_or_default() as u64;
        if count > 0 {
            *rules.entry(String::from(rule)).or_default() += count;
        }
    }
    rules
}

/// The rules in the text of the metrics that rejected something, with their counts.
fn rejections(metrics: &str) -> String {
    let counted = metrics.lines().filter_map(|line| {
        let (labels, count) = line.strip_prefix(COUNTER)?.rsplit_once("} ")?;
        (count != "0").then(|| format!("{labels}: {count}"))
    });
    match counted.collect::<Vec<_>>() {
        none if none.is_empty() => String::from("the server rejected nothing"),
        some => format!("the server rejected: {}", some.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejections_name_the_limit_and_the_count() {
        let rule = r#"rule="message_per_prefix",code="RATE_LIMIT_EXCEEDED",key="prefix""#;
        let text =
            format!("# TYPE x\n{COUNTER}{rule}}} 12\n{COUNTER}rule=\"a\"}} 0\nother{{}} 3\n");
        assert_eq!(rejections(&text), format!("the server rejected: {rule}: 12"));
        assert_eq!(rejections("other 3\n"), "the server rejected nothing");
        let expect = BTreeMap::from([(String::from("message_per_prefix"), 12)]);
        assert_eq!(rejections_by_rule(&text), expect);
    }
}
