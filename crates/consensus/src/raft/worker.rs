//! Blocking work in order: jobs are done one after the other on the runtime's blocking threads, all
//! that wait in one go, and no thread is held while there are none.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;
use tokio::{runtime::Handle, sync::watch};

type Handler<J> = Box<dyn FnMut(Vec<J>) + Send>;

/// Does jobs in the order in which they were handed in.
pub(crate) struct Worker<J> {
    shared: Arc<Shared<J>>,
    runtime: Handle,
}

struct Shared<J> {
    waiting: Mutex<Waiting<J>>,
    handler: Mutex<Handler<J>>,
    idle: watch::Sender<bool>,
}

struct Waiting<J> {
    jobs: VecDeque<J>,
    is_running: bool,
}

impl<J> Clone for Worker<J> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), runtime: self.runtime.clone() }
    }
}

impl<J: Send + 'static> Worker<J> {
    /// A worker on the current runtime. The handler gets all jobs that wait.
    pub(crate) fn new(handler: impl FnMut(Vec<J>) + Send + 'static) -> Self {
        let waiting = Waiting { jobs: VecDeque::new(), is_running: false };
        let shared = Shared {
            waiting: Mutex::new(waiting),
            handler: Mutex::new(Box::new(handler)),
            idle: watch::Sender::new(true),
        };
        Self { shared: Arc::new(shared), runtime: Handle::current() }
    }

    /// Hands a job in.
    pub(crate) fn push(&self, job: J) {
        let mut waiting = self.shared.waiting.lock();
        waiting.jobs.push_back(job);
        if waiting.is_running {
            return;
        }
        waiting.is_running = true;
        self.shared.idle.send_replace(false);
        drop(waiting);
        let shared = self.shared.clone();
        self.runtime.spawn_blocking(move || shared.run());
    }

    /// Waits until nothing is left to do.
    pub(crate) async fn finish(&self) {
        self.idle_probe().idle().await;
    }

    /// For waiting somewhere else.
    pub(crate) fn idle_probe(&self) -> IdleProbe {
        IdleProbe(self.shared.idle.subscribe())
    }
}

/// Tells when a worker has nothing to do.
#[derive(Clone, Debug)]
pub(crate) struct IdleProbe(watch::Receiver<bool>);

impl IdleProbe {
    /// Waits until nothing is left to do.
    pub(crate) async fn idle(&mut self) {
        // An error means that the worker is gone, with nothing left to do.
        let _ = self.0.wait_for(|idle| *idle).await;
    }
}

impl<J> Shared<J> {
    fn run(&self) {
        let mut handler = self.handler.lock();
        loop {
            let jobs = {
                let mut waiting = self.waiting.lock();
                if waiting.jobs.is_empty() {
                    waiting.is_running = false;
                    self.idle.send_replace(true);
                    return;
                }
                std::mem::take(&mut waiting.jobs)
            };
            handler(jobs.into());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn jobs_are_done_in_order_and_all() {
        let done = Arc::new(Mutex::new(Vec::new()));
        let worker = Worker::new({
            let done = done.clone();
            move |jobs: Vec<u32>| done.lock().extend(jobs)
        });
        (0..1000).for_each(|job| worker.push(job));
        worker.finish().await;
        assert_eq!(*done.lock(), (0..1000).collect::<Vec<_>>());
    }
}
