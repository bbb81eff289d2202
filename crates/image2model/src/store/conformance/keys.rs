use super::Fixture;
use crate::{
    access::{Key, KeyId, Scope, Token, link::Secret},
    job::Timestamp,
    store::{Keys, Register, StoreError},
};

impl Fixture {
    fn keys(&self) -> &dyn Keys {
        self.store().keys.as_ref()
    }

    async fn register(&self) -> Register {
        self.keys().register().await.unwrap()
    }

    async fn secrets(&self) -> Vec<String> {
        let secrets = self.register().await.secrets;
        secrets.iter().map(|s| s.reveal().to_owned()).collect()
    }
}

fn key(n: u8) -> Key {
    let token = Token::from_bytes(&[n; 32]);
    Key::of(&token, Scope::User, Timestamp(i64::from(n)))
}

pub(crate) async fn a_key_is_kept_as_it_was_made(it: Fixture) {
    assert_eq!(it.register().await, Register::default());
    let mut all = key(2);
    all.label = "the shop's \"page\"".to_owned();
    all.scope = Scope::Admin;
    (all.priority, all.unlimited) = (true, true);
    all.expires = Some(Timestamp(9));
    it.keys().add_key(key(1)).await.unwrap();
    it.keys().add_key(all.clone()).await.unwrap();
    assert_eq!(it.register().await.keys, [key(1), all.clone()]);
    let again = it
        .keys()
        .add_key(Key {
            label: String::new(),
            ..all.clone()
        })
        .await;
    assert!(matches!(again, Err(StoreError::Conflict(_))), "{again:?}");
    assert_eq!(it.register().await.keys, [key(1), all]);
}

pub(crate) async fn a_revoked_key_stays_known(it: Fixture) {
    it.keys().add_key(key(1)).await.unwrap();
    for at in [5, 6] {
        let id = key(1).id;
        it.keys().revoke_key(&id, Timestamp(at)).await.unwrap();
        let revoked = it.register().await.keys.remove(0).revoked;
        assert_eq!(revoked, Some(Timestamp(5)), "the first time counts");
    }
}

pub(crate) async fn an_unknown_key_is_not_revoked(it: Fixture) {
    let nobody = KeyId::given("nobody");
    let refused = it.keys().revoke_key(&nobody, Timestamp(5)).await;
    assert_eq!(refused, Err(StoreError::NotFound));
}

pub(crate) async fn the_last_use_is_noted(it: Fixture) {
    for n in [1, 2] {
        it.keys().add_key(key(n)).await.unwrap();
    }
    let used = |n: u8, at| (key(n).id, Timestamp(at));
    it.keys().note_used(&[]).await.unwrap();
    it.keys()
        .note_used(&[used(1, 7), used(2, 3)])
        .await
        .unwrap();
    it.keys()
        .note_used(&[used(1, 6), used(2, 8)])
        .await
        .unwrap();
    let keys = it.register().await.keys;
    let uses: Vec<_> = keys.iter().map(|key| key.used).collect();
    assert_eq!(uses, [Some(Timestamp(7)), Some(Timestamp(8))]);
}

pub(crate) async fn the_newest_two_secrets_are_valid(it: Fixture) {
    for n in 1..=4 {
        let secret = Secret::from_bytes(&[n; 32]);
        // All at the same time: the order counts.
        it.keys().add_secret(secret, Timestamp(5)).await.unwrap();
    }
    let made = |n: u8| Secret::from_bytes(&[n; 32]).reveal().to_owned();
    assert_eq!(it.secrets().await, [made(4), made(3)]);
}

pub(crate) async fn a_store_has_its_first_name_until_it_is_named_anew(it: Fixture) {
    let keys = it.keys();
    assert_eq!(keys.store_name().await.unwrap(), None);
    for (name, anew, is_then) in [
        ("first", false, "first"),
        ("second", false, "first"),
        ("third", true, "third"),
    ] {
        keys.name_store(name, anew).await.unwrap();
        assert_eq!(keys.store_name().await.unwrap().as_deref(), Some(is_then));
    }
}

pub(crate) async fn a_restart_forgets_no_key(mut it: Fixture) {
    it.keys().add_key(key(1)).await.unwrap();
    it.keys()
        .add_secret(Secret::from_bytes(&[1; 32]), Timestamp(5))
        .await
        .unwrap();
    let before = it.register().await;
    if let Some(reopen) = it.reopen.clone() {
        it.restart(reopen.as_ref());
    }
    assert_eq!(it.register().await, before);
}
