//! Whether a password is right, without anybody being able to keep the daemon
//! busy with wrong ones.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use ring::{hmac, rand::SystemRandom};
use tokio::{sync::Semaphore, task::spawn_blocking, time::sleep};
use tracing::error;

use super::{listen::Peer, web_config::Users};

/// Passwords of one client that wait to be looked at. bcrypt is slow on
/// purpose, so nobody is let in line without end.
const OF_ONE: usize = 4;

/// Those of all clients.
const OF_ALL: usize = 64;

/// Nothing is looked at after a wrong password for so many times as long as it
/// took, so that guessing takes a fifth of one processor at most.
const REST: u32 = 4;

/// Passwords that are known to be right: more than there are users. Beyond it,
/// when passwords have been changed very often, all are looked at again.
const KNOWN: usize = 1024;

/// What became of a name and a password.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// They fit.
    Right,
    /// They do not.
    Wrong,
    /// Too many are to be looked at.
    Busy,
}

/// Looks at passwords, and remembers which were right: a scrape every few
/// seconds must not cost a look each time.
#[derive(Debug)]
pub(super) struct Passwords {
    /// Of this process alone: what is remembered are no passwords.
    key: hmac::Key,
    known: Mutex<HashSet<[u8; 32]>>,
    waiting: Mutex<HashMap<Peer, usize>>,
    one_at_a_time: Arc<Semaphore>,
}

impl Passwords {
    /// None is known. `None` if the system has no random numbers.
    pub(super) fn new() -> Option<Self> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).ok()?;
        Some(Self {
            key,
            known: Mutex::default(),
            waiting: Mutex::default(),
            one_at_a_time: Arc::new(Semaphore::new(1)),
        })
    }

    /// Whether this is the password of that user.
    pub(super) async fn check(
        &self,
        users: &Users,
        (user, password): (&str, &str),
        peer: Peer,
    ) -> Verdict {
        let hash = users.hash_of(user).to_owned();
        let mark = self.mark(&[user, &hash, password]);
        if self.is_known(&mark) {
            return Verdict::Right;
        }
        let Some(_line) = self.stand_in_line(peer) else {
            return Verdict::Busy;
        };
        let Ok(turn) = Arc::clone(&self.one_at_a_time).acquire_owned().await else {
            return Verdict::Busy;
        };
        // Another request may have had the same.
        if self.is_known(&mark) {
            return Verdict::Right;
        }
        let password = password.to_owned();
        let began = Instant::now();
        let looked = spawn_blocking(move || bcrypt::verify(password, &hash)).await;
        let took = began.elapsed();
        match looked {
            Ok(Ok(true)) => {
                let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                if known.len() >= KNOWN {
                    known.clear();
                }
                known.insert(mark);
                return Verdict::Right;
            }
            Ok(Ok(false)) => {}
            Ok(Err(error)) => error!(%error, "cannot look at a password"),
            Err(error) => error!(%error, "cannot look at a password"),
        }
        rest(took, turn);
        Verdict::Wrong
    }

    /// What stands for these words, in this process alone.
    fn mark(&self, words: &[&str]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.key);
        for word in words {
            context.update(&word.len().to_le_bytes());
            context.update(word.as_bytes());
        }
        let mut mark = [0; 32];
        mark.copy_from_slice(context.sign().as_ref());
        mark
    }

    fn is_known(&self, mark: &[u8; 32]) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.contains(mark)
    }

    fn stand_in_line(&self, peer: Peer) -> Option<InLine<'_>> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = waiting.values().sum();
        let own = waiting.get(&peer).copied().unwrap_or_default();
        if all >= OF_ALL || own >= OF_ONE {
            return None;
        }
        waiting.insert(peer, own + 1);
        Some(InLine { all: self, peer })
    }
}

/// Keeps everybody's turn from coming for a while.
fn rest(took: Duration, turn: tokio::sync::OwnedSemaphorePermit) {
    tokio::spawn(async move {
        sleep(took * REST).await;
        drop(turn);
    });
}

/// A place in line.
struct InLine<'a> {
    all: &'a Passwords,
    peer: Peer,
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        let waiting = &self.all.waiting;
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = waiting.get_mut(&self.peer) {
            *own -= 1;
            if *own == 0 {
                waiting.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: Peer = Peer::User(1);

    fn users(cost: u32) -> Users {
        let hash = bcrypt::hash("secret", cost).unwrap();
        Users::new([("somebody".to_owned(), hash)].into()).unwrap()
    }

    #[tokio::test]
    async fn only_the_password_of_the_user_is_right() {
        let users = users(4);
        let passwords = Passwords::new().unwrap();
        let check = async |user, password| passwords.check(&users, (user, password), PEER).await;
        for _ in 0..2 {
            assert_eq!(check("somebody", "secret").await, Verdict::Right);
            assert_eq!(check("somebody", "Secret").await, Verdict::Wrong);
            assert_eq!(check("somebody", "").await, Verdict::Wrong);
            assert_eq!(check("nobody", "secret").await, Verdict::Wrong);
            assert_eq!(check("", "").await, Verdict::Wrong);
        }
        // The same once more, with another password: what was right is not.
        let hash = bcrypt::hash("other", 4).unwrap();
        let changed = Users::new([("somebody".to_owned(), hash)].into()).unwrap();
        let old = passwords.check(&changed, ("somebody", "secret"), PEER);
        assert_eq!(old.await, Verdict::Wrong);
    }

    /// With a hash that takes tens of milliseconds, a thousand looks at it would take far longer.
    #[tokio::test]
    async fn what_was_right_costs_nothing_from_then_on() {
        let users = users(8);
        let passwords = Passwords::new().unwrap();
        let began = Instant::now();
        let first = passwords.check(&users, ("somebody", "secret"), PEER).await;
        let once = began.elapsed();
        assert_eq!(first, Verdict::Right);
        let began = Instant::now();
        for _ in 0..1000 {
            let again = passwords.check(&users, ("somebody", "secret"), PEER).await;
            assert_eq!(again, Verdict::Right);
        }
        assert!(
            began.elapsed() < once * 100,
            "{:?}, once {once:?}",
            began.elapsed()
        );
    }

    #[tokio::test]
    async fn unknown_users_cost_what_known_ones_do() {
        let users = users(8);
        let passwords = Passwords::new().unwrap();
        // The work itself, not the rest after it.
        let quickest = async |user: &str| {
            let mut quickest = Duration::MAX;
            for _ in 0..5 {
                drop(passwords.one_at_a_time.acquire().await.unwrap());
                let began = Instant::now();
                let wrong = passwords.check(&users, (user, "guess"), PEER).await;
                quickest = quickest.min(began.elapsed());
                assert_eq!(wrong, Verdict::Wrong);
            }
            quickest
        };
        let (known, unknown) = (quickest("somebody").await, quickest("nobody").await);
        assert!(
            known < unknown * 3 && unknown < known * 3,
            "{known:?}, {unknown:?}"
        );
    }

    #[tokio::test]
    async fn one_who_guesses_keeps_others_waiting_a_little_and_only_himself_out() {
        let users = users(6);
        let passwords = Arc::new(Passwords::new().unwrap());
        let guess = |peer| {
            let (users, passwords) = (users.clone(), Arc::clone(&passwords));
            tokio::spawn(async move { passwords.check(&users, ("somebody", "guess"), peer).await })
        };
        let guesses: Vec<_> = (0..100).map(|_| guess(PEER)).collect();
        let honest = passwords.check(&users, ("somebody", "secret"), Peer::User(2));
        let mut busy = 0;
        for guess in guesses {
            busy += usize::from(guess.await.unwrap() == Verdict::Busy);
        }
        assert_eq!(busy, 100 - OF_ONE);
        assert_eq!(honest.await, Verdict::Right);
        assert!(passwords.waiting.lock().unwrap().is_empty());
    }
}
