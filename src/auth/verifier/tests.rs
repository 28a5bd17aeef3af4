use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};

use super::*;
use crate::auth::TokenIssuer;

const KEY: [u8; KEY_BYTES] = [7; KEY_BYTES];
const NOW: i64 = 1_800_000_000;
/// A P-256 key pair made for this test.
const EC_PRIVATE: &str = include_str!("ec_private.pem");
const EC_PUBLIC: &str = include_str!("ec_public.pem");

struct At(i64);

impl Clock for At {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0 * 1_000)
    }
}

fn verifier() -> TokenVerifier {
    TokenVerifier::hs256(&KEY, "nova-dev", "nova", Arc::new(At(NOW)))
}

fn issuer(key: [u8; KEY_BYTES], iss: &str, aud: &str, now: i64) -> TokenIssuer {
    TokenIssuer::new(&key, iss, aud, Arc::new(At(now)))
}

fn good_claims() -> Value {
    json!({"iss": "nova-dev", "aud": "nova", "sub": "ana", "exp": NOW + 60})
}

fn signed(claims: &Value) -> String {
    jsonwebtoken::encode(
        &Header::new(Algorithm::HS256),
        claims,
        &EncodingKey::from_secret(&KEY),
    )
    .unwrap()
}

/// Header and claims as they stand, with the signature of another token.
fn forged(header: &Value, claims: &Value, signature: &str) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{signature}", part(header), part(claims))
}

fn refused(token: &str) -> String {
    let error = verifier().verify(token).unwrap_err();
    assert_eq!(*error.kind(), Kind::Unauthorized);
    error.message().to_owned()
}

#[test]
fn a_minted_token_names_its_holder_and_its_end() {
    let token = issuer(KEY, "nova-dev", "nova", NOW).mint("ana").unwrap();
    let verified = verifier().verify(&token).unwrap();
    assert_eq!(verified.identity.issuer, "nova-dev");
    assert_eq!(verified.identity.subject, "ana");
    assert_eq!(verified.identity.preferred_username.as_deref(), Some("ana"));
    assert_eq!(verified.expires_at.millis(), (NOW + 7 * 86_400) * 1_000);
}

#[test]
fn only_user_names_get_tokens() {
    for bad in ["", "ab", "Ana", "a b c", "ana\n", &"x".repeat(33)] {
        assert!(issuer(KEY, "nova-dev", "nova", NOW).mint(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn another_key_issuer_or_audience_is_refused() {
    for other in [
        issuer([8; KEY_BYTES], "nova-dev", "nova", NOW),
        issuer(KEY, "someone-else", "nova", NOW),
        issuer(KEY, "nova-dev", "another-service", NOW),
    ] {
        assert_eq!(
            refused(&other.mint("ana").unwrap()),
            "the access token is not valid"
        );
    }
}

#[test]
fn every_claim_is_required_and_typed() {
    assert!(verifier().verify(&signed(&good_claims())).is_ok());
    for claim in ["iss", "aud", "sub", "exp"] {
        let mut claims = good_claims();
        claims.as_object_mut().unwrap().remove(claim);
        refused(&signed(&claims));
        for wrong in [Value::Null, json!({"a": 1}), json!(true), json!("")] {
            claims[claim] = wrong;
            refused(&signed(&claims));
        }
    }
}

#[test]
fn a_token_is_good_from_nbf_to_exp_within_the_leeway() {
    let at = |exp: i64, nbf: i64| {
        let mut claims = good_claims();
        claims["exp"] = json!(NOW + exp);
        claims["nbf"] = json!(NOW + nbf);
        verifier().verify(&signed(&claims))
    };
    assert!(at(60, 0).is_ok());
    assert!(at(-29, 0).is_ok());
    assert!(at(60, 30).is_ok());
    assert_eq!(at(-30, 0).unwrap_err().message(), "the access token has expired");
    assert_eq!(at(60, 31).unwrap_err().message(), "the access token is not valid");
}

#[test]
fn an_expired_token_of_another_key_is_only_invalid() {
    let token = issuer([8; KEY_BYTES], "nova-dev", "nova", NOW - 90 * 86_400)
        .mint("ana")
        .unwrap();
    assert_eq!(refused(&token), "the access token is not valid");
}

#[test]
fn the_header_does_not_choose_the_algorithm() {
    let good = signed(&good_claims());
    let signature = good.rsplit('.').next().unwrap();
    for alg in ["none", "None", "HS384", "HS512", "RS256", "ES256", "EdDSA", ""] {
        for signature in ["", signature] {
            refused(&forged(
                &json!({"alg": alg, "typ": "JWT"}),
                &good_claims(),
                signature,
            ));
        }
    }
}

#[test]
fn a_public_key_is_no_shared_secret() {
    let clock = Arc::new(At(NOW));
    let algorithms = ["RS256".to_owned(), "ES256".to_owned()];
    let verifier =
        TokenVerifier::public_key(EC_PUBLIC.as_bytes(), &algorithms, "nova-dev", "nova", clock).unwrap();
    let key = EncodingKey::from_ec_pem(EC_PRIVATE.as_bytes()).unwrap();
    let real = jsonwebtoken::encode(&Header::new(Algorithm::ES256), &good_claims(), &key).unwrap();
    assert_eq!(verifier.verify(&real).unwrap().identity.subject, "ana");
    // The classic confusion: HMAC with the text of the public key.
    let secret = EncodingKey::from_secret(EC_PUBLIC.as_bytes());
    let mixed = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &good_claims(), &secret).unwrap();
    assert_eq!(*verifier.verify(&mixed).unwrap_err().kind(), Kind::Unauthorized);
    refused(&real);
}

#[test]
fn a_key_file_that_fits_no_algorithm_is_refused() {
    for (pem, algorithms) in [(EC_PUBLIC, "RS256"), (EC_PUBLIC, "HS256"), ("not a key", "ES256")] {
        let clock = Arc::new(At(NOW));
        let outcome = TokenVerifier::public_key(pem.as_bytes(), &[algorithms.to_owned()], "i", "a", clock);
        assert!(
            outcome.unwrap_err().to_string().contains("auth.keys"),
            "{algorithms}"
        );
    }
}

#[test]
fn garbage_is_refused() {
    let good = signed(&good_claims());
    let cut = &good[..good.len() - 1];
    let long = "a".repeat(MAX_TOKEN + 1);
    for bad in [
        "",
        ".",
        "..",
        "a.b.c",
        "Bearer x",
        "\0",
        "ü.ü.ü",
        cut,
        &long,
        &format!("{good}.{good}"),
    ] {
        refused(bad);
    }
    let mut claims = good_claims();
    for sub in [" ".to_owned(), "a\0b".to_owned(), "x".repeat(256)] {
        claims["sub"] = json!(sub);
        refused(&signed(&claims));
    }
}

#[test]
fn a_message_leaks_nothing_of_the_token() {
    let token = issuer([8; KEY_BYTES], "nova-dev", "nova", NOW)
        .mint("ana")
        .unwrap();
    let error = verifier().verify(&token).unwrap_err();
    assert!(!format!("{error} {error:?}").contains(&token[..20]));
}
