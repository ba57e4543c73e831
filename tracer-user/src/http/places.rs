//! How many connections there are at a time, and which one has to go when
//! another one comes.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use super::listen::Peer;

/// Nobody who came is sent away so soon: it takes a while to ask.
const ARRIVAL: Duration = Duration::from_millis(500);

/// Nor is who asked: an answer takes milliseconds.
const ANSWER: Duration = Duration::from_secs(5);

/// The places for connections.
#[derive(Debug)]
pub struct Places {
    most: usize,
    taken: Mutex<Taken>,
}

#[derive(Default, Debug)]
struct Taken {
    next: u64,
    /// In the order in which they came.
    by_number: BTreeMap<u64, Connection>,
}

#[derive(Debug)]
struct Connection {
    peer: Peer,
    came: Instant,
    /// When it asked for something last.
    asked: Option<Instant>,
    leave: Arc<Notify>,
}

impl Places {
    /// So many.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            taken: Mutex::default(),
        })
    }

    /// A place for somebody, if need be at the cost of another: of who has
    /// most of them, that connection which has not asked for anything for the
    /// longest time. `None` as long as all of them have only just come, or
    /// asked.
    pub(super) fn take(self: &Arc<Self>, peer: Peer, now: Instant) -> Option<Place> {
        let mut taken = self.lock();
        if taken.by_number.len() >= self.most {
            let number = taken.dispensable(peer, now)?;
            let gone = taken.by_number.remove(&number)?;
            gone.leave.notify_one();
        }
        let number = taken.next;
        taken.next += 1;
        let leave = Arc::new(Notify::new());
        let connection = Connection {
            peer,
            came: now,
            asked: None,
            leave: Arc::clone(&leave),
        };
        taken.by_number.insert(number, connection);
        Some(Place {
            places: Arc::clone(self),
            number,
            leave,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn dispensable(&self, newcomer: Peer, now: Instant) -> Option<u64> {
        let mut counts = HashMap::<_, usize>::new();
        for connection in self.by_number.values() {
            *counts.entry(connection.peer).or_default() += 1;
        }
        let (&greediest, &most) = counts.iter().max_by_key(|&(_, count)| count)?;
        let own = counts.get(&newcomer).copied().unwrap_or_default();
        let candidates = self.by_number.iter();
        let (number, connection) = candidates
            .filter(|(_, connection)| connection.peer == greediest)
            // Those who never asked first, the oldest before the others.
            .min_by_key(|(number, connection)| (connection.asked, *number))?;
        let had_his_time = match connection.asked {
            None => now >= connection.came + ARRIVAL,
            Some(asked) => now >= asked + ANSWER,
        };
        // Whoever has far more than his share has no right to be heard out.
        (had_his_time || own < most / 2).then_some(*number)
    }
}

/// The place of one connection, which is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    number: u64,
    leave: Arc<Notify>,
}

impl Place {
    /// Another one needs it more. Cancel-safe.
    pub(super) async fn lost(&self) {
        self.leave.notified().await;
    }

    /// It asks for something.
    pub(super) fn asks(&self, now: Instant) {
        let mut taken = self.places.lock();
        if let Some(connection) = taken.by_number.get_mut(&self.number) {
            connection.asked = Some(now);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.lock().by_number.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use super::*;

    const HOSTILE: Peer = Peer::User(1);
    const HONEST: Peer = Peer::User(2);

    fn is_lost(place: &Place) -> bool {
        let mut lost = std::pin::pin!(place.lost());
        lost.as_mut().poll(&mut Context::from_waker(Waker::noop())) == Poll::Ready(())
    }

    fn lost(places: &[Place]) -> Vec<usize> {
        let numbered = places.iter().enumerate();
        let lost = numbered.filter(|(_, place)| is_lost(place));
        lost.map(|(at, _)| at).collect()
    }

    #[test]
    fn who_never_asked_goes_first_and_the_oldest_of_those() {
        let places = Places::new(3);
        let came = Instant::now();
        let all: Vec<_> = (0..3)
            .map(|_| places.take(HOSTILE, came).unwrap())
            .collect();
        all[0].asks(came);
        let now = came + ARRIVAL;
        let more = places.take(HOSTILE, now).unwrap();
        assert_eq!(lost(&all), [1]);
        more.asks(now);
        let _another = places.take(HOSTILE, now).unwrap();
        assert_eq!(lost(&all), [2]);
        assert_eq!(places.lock().by_number.len(), 3);
    }

    #[test]
    fn who_came_or_asked_just_now_is_heard_out_by_equals() {
        let places = Places::new(2);
        let now = Instant::now();
        let all: Vec<_> = (0..2).map(|_| places.take(HOSTILE, now).unwrap()).collect();
        assert!(places.take(HOSTILE, now).is_none());
        all.iter().for_each(|place| place.asks(now));
        assert!(places.take(HOSTILE, now + ARRIVAL).is_none());
        assert!(lost(&all).is_empty());
        let late = places.take(HOSTILE, now + ANSWER);
        assert!(late.is_some());
        assert_eq!(lost(&all), [0]);
    }

    #[test]
    fn who_has_most_makes_room_for_the_others() {
        let places = Places::new(10);
        let now = Instant::now();
        let honest = places.take(HONEST, now).unwrap();
        let hostile: Vec<_> = (0..9).map(|_| places.take(HOSTILE, now).unwrap()).collect();
        hostile.iter().for_each(|place| place.asks(now));
        // Even though it never asked, and is older.
        let _second = places.take(HONEST, now).unwrap();
        assert!(!is_lost(&honest));
        assert_eq!(lost(&hostile), [0]);
    }

    #[test]
    fn places_come_back() {
        let places = Places::new(1);
        for _ in 0..3 {
            let place = places.take(HONEST, Instant::now()).unwrap();
            place.asks(Instant::now());
        }
        assert!(places.lock().by_number.is_empty());
    }
}
