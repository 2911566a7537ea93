//! Deliveries to many members: one publisher, a window of outstanding messages.
//! Never: a message published while more than the window is undelivered.

use std::cell::Cell;
use std::rc::Rc;

use anyhow::Result;
use tokio::sync::Notify;
use tokio::task::LocalSet;

use crate::clients::client::Client;
use crate::rows::effort::Effort;
use crate::servers::contender::Running;

/// Deliveries between two samples of the processor time, about.
const CHUNK_DELIVERIES: usize = 20_000;
/// Windows between them, at least, so that filling and draining the window weighs little.
const CHUNK_WINDOWS: usize = 8;

/// The members of a room, each read by a task of its own.
struct ClientGroup {
    members: usize,
    received: Rc<Cell<usize>>,
    progress: Rc<Notify>,
    publisher: Client,
    packet: String,
}

/// CPU of one delivery to `members`, for each window, in microseconds.
pub(crate) async fn measure(
    running: &Running,
    members: usize,
    windows: &[usize],
    effort: &Effort,
) -> Result<Vec<f64>> {
    let local = LocalSet::new();
    let mut group = collect(running, members, &local).await?;
    let work = async {
        let mut figures = Vec::new();
        for window in windows {
            figures.push(one_window(running, &mut group, *window, effort).await?);
        }
        anyhow::Ok(figures)
    };
    local.run_until(work).await
}

async fn collect(running: &Running, members: usize, local: &LocalSet) -> Result<ClientGroup> {
    let dialect = running.door.dialect;
    let received = Rc::new(Cell::new(0_usize));
    let progress = Rc::new(Notify::new());
    for user in 0..members {
        let mut member = Client::connect(&running.door, user).await?;
        member.send(dialect.join()).await?;
        member.until(dialect.joined()).await?;
        let (received, progress) = (Rc::clone(&received), Rc::clone(&progress));
        local.spawn_local(async move {
            while let Ok(count) = member.count(dialect.published()).await {
                received.set(received.get() + count);
                progress.notify_one();
            }
        });
    }
    let publisher = Client::connect(&running.door, members).await?;
    Ok(ClientGroup { members, received, progress, publisher, packet: dialect.publish() })
}

async fn one_window(
    running: &Running,
    group: &mut ClientGroup,
    window: usize,
    effort: &Effort,
) -> Result<f64> {
    let chunk = (CHUNK_DELIVERIES / group.members).max(CHUNK_WINDOWS * window);
    // The first chunk warms caches and just-in-time compilers.
    group.publish(chunk, window).await?;
    let before = running.served.cpu_us()?;
    let mut deliveries = 0;
    loop {
        group.publish(chunk, window).await?;
        deliveries += chunk * group.members;
        let cpu = running.served.cpu_us()? - before;
        if cpu >= effort.cpu_us {
            return Ok(cpu / deliveries as f64);
        }
    }
}

impl ClientGroup {
    /// Publishes `messages`, and waits until every member has them all.
    async fn publish(&mut self, messages: usize, window: usize) -> Result<()> {
        self.received.set(0);
        let mut sent = 0;
        while self.received.get() < messages * self.members {
            let delivered = self.received.get() / self.members;
            let room = (delivered + window).min(messages).saturating_sub(sent);
            if room > 0 {
                self.publisher.send_many(&vec![self.packet.clone(); room]).await?;
                sent += room;
            }
            self.progress.notified().await;
        }
        Ok(())
    }
}
