use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};

use async_trait::async_trait;

use super::*;

const PATH: &str = "/api/v1/jobs";
/// Time that the store takes to tell its keys.
const ANSWERS_IN: Duration = Duration::from_millis(10);

/// A store of keys alone, which counts looks and can be away.
#[derive(Default)]
struct Book {
    register: Mutex<Register>,
    looks: AtomicUsize,
    is_away: AtomicBool,
    /// It can be read and not written.
    is_full: AtomicBool,
}

impl Book {
    fn with<T>(&self, change: impl FnOnce(&mut Register) -> T) -> Result<T, StoreError> {
        if self.is_away.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable("away".to_owned()));
        }
        Ok(change(&mut self.register.lock().unwrap()))
    }

    fn used(&self) -> Option<Timestamp> {
        self.register.lock().unwrap().keys[0].used
    }
}

#[async_trait]
impl Keys for Book {
    async fn register(&self) -> Result<Register, StoreError> {
        self.looks.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(ANSWERS_IN).await;
        self.with(|register| register.clone())
    }

    async fn add_key(&self, key: Key) -> Result<(), StoreError> {
        self.with(|register| register.keys.push(key))
    }

    async fn revoke_key(&self, id: &KeyId, at: Timestamp) -> Result<(), StoreError> {
        self.with(|register| {
            let mut keys = register.keys.iter_mut();
            keys.find(|key| key.id == *id).unwrap().revoked = Some(at);
        })
    }

    async fn note_used(&self, uses: &[(KeyId, Timestamp)]) -> Result<(), StoreError> {
        if self.is_full.load(Ordering::Relaxed) {
            return Err(StoreError::Full);
        }
        self.with(|register| {
            for key in &mut register.keys {
                let noted = uses.iter().find(|(id, _)| *id == key.id);
                key.used = noted.map(|(_, at)| *at).or(key.used);
            }
        })
    }

    async fn add_secret(&self, secret: Secret, _: Timestamp) -> Result<(), StoreError> {
        self.with(|register| {
            register.secrets.insert(0, secret);
            register.secrets.truncate(2);
        })
    }

    async fn store_name(&self) -> Result<Option<String>, StoreError> {
        Ok(None)
    }

    async fn name_store(&self, _: &str, _: bool) -> Result<(), StoreError> {
        Ok(())
    }
}

#[derive(Default)]
struct Hand(AtomicI64);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }
}

struct House {
    book: Arc<Book>,
    clock: Arc<Hand>,
    ring: Keyring,
}

impl House {
    fn new(settings: &KeySettings) -> Self {
        let (book, clock) = (Arc::<Book>::default(), Arc::<Hand>::default());
        let ring = Keyring::new(book.clone(), clock.clone(), settings, TaskTracker::new());
        Self { book, clock, ring }
    }

    async fn make(&self, seed: u8) -> Token {
        let token = Token::from_bytes(&[seed; 32]);
        let key = Key::of(&token, Scope::User, Timestamp(0));
        self.book.add_key(key).await.unwrap();
        token
    }

    async fn revoke(&self, token: &Token) {
        let id = token.id();
        self.book.revoke_key(&id, Timestamp(1)).await.unwrap();
    }

    async fn shows(&self, token: &Token) -> Result<(), Closed> {
        self.ring.find(token).await.unwrap().map(drop)
    }

    async fn opens(&self, link: &str) -> bool {
        self.ring.by_link(PATH, link).await.unwrap().is_some()
    }

    /// The link that the holder of `token` gets.
    async fn link(&self, token: &Token) -> String {
        let key = self.ring.find(token).await.unwrap().unwrap();
        let signed = self.ring.signer(&Caller::with(&key)).sign(PATH);
        let (path, link) = signed.split_once("?link=").unwrap();
        assert_eq!(path, PATH);
        link.to_owned()
    }
}

fn house() -> House {
    House::new(&KeySettings::default())
}

#[tokio::test(start_paused = true)]
async fn a_new_key_is_known_within_a_second_and_guesses_cost_one_look_in_it() {
    let house = house();
    house.ring.look().await.unwrap();
    let token = house.make(1).await;
    tokio::time::advance(LOOK_AGAIN).await;
    assert_eq!(house.shows(&token).await, Ok(()));
    let looks = house.book.looks.load(Ordering::Relaxed);
    for seed in 2..60 {
        let guess = Token::from_bytes(&[seed; 32]);
        assert_eq!(house.shows(&guess).await, Err(Closed::Unknown));
        let mistyped = Token::given("i2m_secret");
        assert_eq!(house.shows(&mistyped).await, Err(Closed::Unknown));
    }
    assert_eq!(house.book.looks.load(Ordering::Relaxed), looks);
}

#[tokio::test(start_paused = true)]
async fn a_revoked_key_is_refused_after_the_next_look_and_the_service_stays_closed() {
    let house = house();
    assert!(house.ring.is_open().await.unwrap());
    let token = house.make(1).await;
    house.ring.look().await.unwrap();
    assert!(!house.ring.is_open().await.unwrap());
    assert_eq!(house.shows(&token).await, Ok(()));
    house.revoke(&token).await;
    house.ring.look().await.unwrap();
    assert_eq!(house.shows(&token).await, Err(Closed::Revoked));
    assert!(!house.ring.is_open().await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_register_that_has_lost_its_keys_opens_nothing_until_it_has_one_again() {
    let house = house();
    let token = house.make(1).await;
    house.ring.look().await.unwrap();
    assert!(!house.ring.has_lost_its_keys());
    *house.book.register.lock().unwrap() = Register::default();
    house.ring.look().await.unwrap();
    let anyone = Caller::anyone("192.0.2.1".to_owned(), false);
    assert!(!house.ring.is_open().await.unwrap());
    assert!(!house.ring.still_opens(&anyone));
    assert!(house.ring.has_lost_its_keys());
    assert_eq!(house.shows(&token).await, Err(Closed::Unknown));

    let other = house.make(2).await;
    house.ring.look().await.unwrap();
    assert_eq!(house.shows(&other).await, Ok(()));
    assert!(!house.ring.has_lost_its_keys());
}

#[tokio::test(start_paused = true)]
async fn who_is_told_to_stay_closed_opens_nothing_though_no_key_was_ever_seen() {
    let house = house();
    house.ring.stay_closed();
    assert!(!house.ring.has_lost_its_keys(), "nothing is known yet");
    assert!(!house.ring.is_open().await.unwrap());
    assert!(house.ring.has_lost_its_keys());
}

#[tokio::test(start_paused = true)]
async fn a_register_that_cannot_be_read_is_gone_by_for_half_a_minute_and_never_opens_anything() {
    let house = house();
    let token = house.make(1).await;
    house.ring.look().await.unwrap();
    house.book.is_away.store(true, Ordering::Relaxed);
    tokio::time::advance(STALE - Duration::from_secs(1)).await;
    assert_eq!(house.shows(&token).await, Ok(()));
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(house.ring.find(&token).await.is_err());
    assert!(house.ring.is_open().await.is_err());
    assert!(house.ring.by_link(PATH, "1.a.b").await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_crowd_at_a_store_that_is_away_is_told_so_by_one_look() {
    let house = house();
    let token = house.make(1).await;
    house.book.is_away.store(true, Ordering::Relaxed);
    let crowd = (0..50).map(|_| house.ring.find(&token));
    let told = futures::future::join_all(crowd).await;
    assert!(told.iter().all(Result::is_err));
    assert_eq!(house.book.looks.load(Ordering::Relaxed), 1);
    house.book.is_away.store(false, Ordering::Relaxed);
    tokio::time::advance(LOOK_AGAIN).await;
    assert_eq!(house.shows(&token).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn guesses_of_clients_that_leave_at_once_cost_one_look_too() {
    let house = house();
    house.ring.look().await.unwrap();
    tokio::time::advance(LOOK_AGAIN).await;
    let looks = house.book.looks.load(Ordering::Relaxed);
    for seed in 2..60 {
        let guess = Token::from_bytes(&[seed; 32]);
        let asked = house.ring.find(&guess);
        let _ = tokio::time::timeout(ANSWERS_IN / 20, asked).await;
    }
    assert_eq!(house.book.looks.load(Ordering::Relaxed), looks + 1);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_can_be_read_alone_shuts_nobody_out() {
    let house = house();
    let (token, other) = (house.make(1).await, house.make(2).await);
    house.ring.look().await.unwrap();
    assert_eq!(house.shows(&token).await, Ok(()));
    house.book.is_full.store(true, Ordering::Relaxed);
    house.revoke(&other).await;
    tokio::time::advance(STALE).await;
    house.ring.look().await.unwrap();
    assert_eq!(house.shows(&token).await, Ok(()));
    assert_eq!(house.shows(&other).await, Err(Closed::Revoked));
    assert_eq!(house.book.used(), None);
    house.book.is_full.store(false, Ordering::Relaxed);
    house.ring.look().await.unwrap();
    assert!(house.book.used().is_some(), "what could not be noted is");
}

#[tokio::test]
async fn a_configured_key_is_good_without_a_store_and_has_the_jobs_of_everybody() {
    let house = House::new(&KeySettings {
        user: "a secret".to_owned(),
        admin: "another".to_owned(),
    });
    house.book.is_away.store(true, Ordering::Relaxed);
    assert!(!house.ring.is_open().await.unwrap());
    for (text, is_admin) in [("a secret", false), ("another", true)] {
        let key = house.ring.find(&Token::given(text)).await.unwrap().unwrap();
        assert_eq!(key.owner, Owner::open());
        assert_eq!(Caller::with(&key).is_admin, is_admin);
    }
    for wrong in ["", "a secre", "a secret "] {
        let found = house.shows(&Token::given(wrong)).await;
        assert_eq!(found, Err(Closed::Unknown), "{wrong:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_link_outlives_one_change_of_the_secret_and_not_two() {
    let house = house();
    let token = house.make(1).await;
    house.ring.look().await.unwrap();
    let link = house.link(&token).await;
    for (seed, opens) in [(1, true), (2, false)] {
        let secret = Secret::from_bytes(&[seed; 32]);
        house.book.add_secret(secret, Timestamp(0)).await.unwrap();
        house.ring.look().await.unwrap();
        assert_eq!(house.opens(&link).await, opens, "after {seed}");
    }
    // What another process signs with a secret that this one does not know yet.
    let secret = Secret::from_bytes(&[3; 32]);
    let owner = Owner(token.id().as_str().to_owned());
    let link = link::sign(&secret, PATH, &owner, Timestamp(9));
    house.book.add_secret(secret, Timestamp(0)).await.unwrap();
    tokio::time::advance(LOOK_AGAIN).await;
    assert!(house.opens(&link).await);
}

#[tokio::test(start_paused = true)]
async fn a_link_ends_with_its_hour_and_with_its_owners_last_key() {
    let house = house();
    let (token, other) = (house.make(1).await, house.make(2).await);
    let mut second = Key::of(&Token::from_bytes(&[3; 32]), Scope::User, Timestamp(0));
    second.owner = Owner(token.id().as_str().to_owned());
    second.expires = Some(Timestamp(1000));
    house.book.add_key(second).await.unwrap();
    house.ring.look().await.unwrap();
    let (link, foreign) = (house.link(&token).await, house.link(&other).await);
    house.revoke(&token).await;
    house.ring.look().await.unwrap();
    assert!(house.opens(&link).await, "the second key is good");
    house.clock.0.store(1000, Ordering::Relaxed);
    assert!(!house.opens(&link).await, "the last key has expired");
    assert!(house.opens(&foreign).await);
    house.clock.0.store(link::LIFETIME_MS, Ordering::Relaxed);
    assert!(!house.opens(&foreign).await, "its hour is over");
}

#[tokio::test(start_paused = true)]
async fn uses_are_noted_at_the_next_look_or_the_end_and_kept_while_the_store_is_away() {
    let house = house();
    let token = house.make(1).await;
    house.ring.look().await.unwrap();
    house.clock.0.store(7, Ordering::Relaxed);
    house.shows(&token).await.unwrap();
    house.book.is_away.store(true, Ordering::Relaxed);
    assert!(house.ring.look().await.is_err());
    house.book.is_away.store(false, Ordering::Relaxed);
    house.ring.look().await.unwrap();
    assert_eq!(house.book.used(), Some(Timestamp(7)));

    house.clock.0.store(9, Ordering::Relaxed);
    house.shows(&token).await.unwrap();
    let shutdown = CancellationToken::new();
    shutdown.cancel();
    house.ring.clone().keep_up(shutdown).await;
    assert_eq!(house.book.used(), Some(Timestamp(9)));
}

#[tokio::test(start_paused = true)]
async fn what_stays_open_is_reviewed_by_what_is_known() {
    let house = house();
    let anyone = Caller::anyone("192.0.2.1".to_owned(), false);
    assert!(!house.ring.still_opens(&anyone), "nothing is known yet");
    house.ring.look().await.unwrap();
    assert!(house.ring.still_opens(&anyone));

    let token = house.make(1).await;
    house.ring.look().await.unwrap();
    let key = house.ring.find(&token).await.unwrap().unwrap();
    let (holder, linked) = (Caller::with(&key), Caller::of(key.owner.clone()));
    let opens = || [&anyone, &holder, &linked].map(|caller| house.ring.still_opens(caller));
    assert_eq!(opens(), [false, true, true], "the first key closes it");
    house.revoke(&token).await;
    house.ring.look().await.unwrap();
    assert_eq!(opens(), [false; 3]);

    let other = house.make(2).await;
    house.ring.look().await.unwrap();
    let holder = Caller::with(&house.ring.find(&other).await.unwrap().unwrap());
    assert!(house.ring.still_opens(&holder));
    tokio::time::advance(STALE - REVIEW).await;
    assert!(!house.ring.still_opens(&holder), "it is not known any more");

    let settings = KeySettings {
        user: "a-configured-key".to_owned(),
        ..KeySettings::default()
    };
    let ring = House::new(&settings).ring;
    let key = ring.find(&Token::given("a-configured-key")).await;
    let holder = Caller::with(&key.unwrap().unwrap());
    assert!(ring.still_opens(&holder), "it needs no store");
}
