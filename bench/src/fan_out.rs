//! Deliveries to many members: one publisher, a window of outstanding messages.
//! Never: a message published while more than the window is undelivered.

use std::cell::Cell;
use std::rc::Rc;

use anyhow::Result;
use tokio::sync::Notify;
use tokio::task::LocalSet;

use crate::client::{Client, token, unix_s};
use crate::echo_server;
use crate::measure::row;

const MEMBERS: usize = 1_000;

pub(crate) async fn run() -> Result<()> {
    for (window, messages) in [(1_usize, 300_usize), (32, 3_200)] {
        let mut figures = Vec::new();
        for _ in 0..3 {
            figures.push(once(window, messages).await?);
        }
        figures.sort_by(f64::total_cmp);
        let median = figures.get(1).copied().unwrap_or(f64::NAN);
        row(&format!("fan-out to {MEMBERS}, window {window}, CPU a delivery"), median, "us");
    }
    Ok(())
}

async fn once(window: usize, messages: usize) -> Result<f64> {
    let server = echo_server::start()?;
    let address = server.address;
    let now_s = unix_s()?;
    let received = Rc::new(Cell::new(0_usize));
    let progress = Rc::new(Notify::new());
    let local = LocalSet::new();
    for user in 0..MEMBERS {
        let mut member = Client::connect(address, &token(user, now_s)).await?;
        member.send(r#"421["join",{}]"#).await?;
        member.until("431").await?;
        let (received, progress) = (Rc::clone(&received), Rc::clone(&progress));
        local.spawn_local(async move {
            while let Ok(count) = member.count(b"42[\"news\"").await {
                received.set(received.get() + count);
                progress.notify_one();
            }
        });
    }
    let mut publisher = Client::connect(address, &token(MEMBERS, now_s)).await?;
    let text = "x".repeat(100);
    let packet = format!(r#"42["publish",{{"text":"{text}"}}]"#);
    let cpu = local
        .run_until(async {
            let before = server.cpu_us()?;
            let mut sent = 0;
            while received.get() < messages * MEMBERS {
                let delivered = received.get() / MEMBERS;
                let room = (delivered + window).min(messages).saturating_sub(sent);
                if room > 0 {
                    publisher.send_many(&vec![packet.clone(); room]).await?;
                    sent += room;
                }
                progress.notified().await;
            }
            anyhow::Ok(server.cpu_us()? - before)
        })
        .await?;
    Ok(cpu / (messages * MEMBERS) as f64)
}
