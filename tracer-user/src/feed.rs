//! What happens, for those who follow it: at the control socket and over HTTP.
//!
//! Nobody who reads holds up the one who tells. Who reads too slowly is told
//! how much it missed.

use std::{collections::VecDeque, sync::Arc};

use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use crate::{
    engine::{Loss, Notice},
    model::Transition,
    view::{
        clock::{Clock, boottime},
        filter::EventName,
        json,
    },
};

/// What happens that a reader may be behind by, until it is told what it missed.
pub const BEHIND: usize = 1024;

/// What happened that is remembered.
pub const PAST: usize = 512;

/// Something that happened: a line of `nslife trace`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are transitions, and remembering one is not to allocate"
)]
pub enum Happening {
    /// In the model.
    Transition(Transition),
    /// To nslife itself.
    Notice {
        /// What.
        notice: Notice,
        /// When, in `CLOCK_BOOTTIME` nanoseconds.
        at: u64,
    },
}

impl Happening {
    /// Something that happens to nslife now.
    pub fn noticed(notice: Notice) -> Self {
        Self::Notice {
            notice,
            at: boottime(),
        }
    }

    /// What a reader is told now that missed so much.
    pub fn missed(count: u64) -> Self {
        Self::noticed(Notice::Lost {
            cause: Loss::SlowReader,
            count,
        })
    }

    /// What it is called.
    pub const fn name(&self) -> EventName {
        match self {
            Self::Transition(transition) => EventName::of(transition),
            Self::Notice { notice, .. } => EventName::of_notice(notice),
        }
    }

    /// Its line of JSON.
    pub fn json(&self, clock: &Clock) -> json::Record {
        match self {
            Self::Transition(transition) => json::transition(transition, clock),
            Self::Notice { notice, at } => json::notice(notice, clock.wall(*at)),
        }
    }
}

/// What comes, and who it is for: those who follow, and those who will.
#[derive(Debug)]
pub struct Feed {
    listeners: broadcast::Sender<Arc<Happening>>,
    past: VecDeque<Happening>,
}

impl Feed {
    /// Of nothing yet, for nobody yet.
    pub fn new() -> Self {
        Self {
            listeners: broadcast::channel(BEHIND).0,
            past: VecDeque::new(),
        }
    }

    /// Where to subscribe without the past, as long as the feed is there.
    pub fn listeners(&self) -> broadcast::WeakSender<Arc<Happening>> {
        self.listeners.downgrade()
    }

    /// Tells those who listen, and remembers it for others.
    pub fn tell(&mut self, happening: Happening) {
        if self.listeners.receiver_count() > 0 {
            // The last one has gone meanwhile if that fails.
            let _ = self.listeners.send(Arc::new(happening.clone()));
        }
        if self.past.len() == PAST {
            self.past.pop_front();
        }
        self.past.push_back(happening);
    }

    /// What is remembered, the oldest first, and all that comes after it.
    pub fn follow(&self) -> (Vec<Happening>, broadcast::Receiver<Arc<Happening>>) {
        let past = self.past.iter().cloned().collect();
        (past, self.listeners.subscribe())
    }
}

impl Default for Feed {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walked(corrections: u64) -> Happening {
        Happening::Notice {
            notice: Notice::Resync { corrections },
            at: corrections,
        }
    }

    #[test]
    fn the_past_is_what_came_last_and_the_rest_follows() {
        let mut feed = Feed::new();
        let count = PAST as u64 + 3;
        (0..count).for_each(|number| feed.tell(walked(number)));
        let (past, mut then) = feed.follow();
        assert_eq!(past, (3..count).map(walked).collect::<Vec<_>>());
        assert!(then.try_recv().is_err(), "told twice");
        feed.tell(walked(count));
        assert_eq!(*then.try_recv().unwrap(), walked(count));
    }
}
