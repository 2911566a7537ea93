//! Keys that issuers publish: pairs of every kind, their key sets, and tokens that they sign.
//! Never: a private key in a set.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{
    Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::tokens::client_key::ClientKey;
use crate::tokens::forge::forge_with;
use crate::tokens::key_forms::jwk_of;

enum Pair {
    Rsa(Box<rsa::KeyPair>),
    Ec(ClientKey),
    Ed(Ed25519KeyPair),
}

/// A key an issuer signs with.
pub struct PublishedKey {
    /// Its name (`kid`).
    pub id: String,
    /// Its algorithm: `RS256`, `PS256`, `ES256` or `EdDSA`.
    pub algorithm: &'static str,
    pair: Pair,
}

impl PublishedKey {
    /// A fresh key for an algorithm; `PS256-3072` is one of that many bits.
    ///
    /// # Panics
    /// When the algorithm is none of these.
    #[must_use]
    pub fn generate(id: &str, algorithm: &'static str) -> Self {
        let rsa = |size| Pair::Rsa(Box::new(rsa::KeyPair::generate(size).unwrap()));
        let pair = match algorithm {
            "RS256" | "PS256" => rsa(rsa::KeySize::Rsa2048),
            "PS256-3072" => rsa(rsa::KeySize::Rsa3072),
            "ES256" => Pair::Ec(ClientKey::generate()),
            "EdDSA" => Pair::Ed(Ed25519KeyPair::generate().unwrap()),
            other => panic!("{other} is none"),
        };
        let algorithm = if algorithm == "PS256-3072" { "PS256" } else { algorithm };
        Self { id: String::from(id), algorithm, pair }
    }

    /// The public half, as a key set lists it.
    #[must_use]
    pub fn jwk(&self) -> Value {
        let mut jwk = match &self.pair {
            Pair::Rsa(pair) => {
                let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
                let public = pair.public_key();
                json!({
                    "kty": "RSA",
                    "n": part(public.modulus().big_endian_without_leading_zero()),
                    "e": part(public.exponent().big_endian_without_leading_zero()),
                })
            }
            Pair::Ec(pair) => pair.jwk(),
            Pair::Ed(pair) => jwk_of(pair),
        };
        jwk["kid"] = json!(self.id);
        jwk["alg"] = json!(self.algorithm);
        jwk["use"] = json!("sig");
        jwk
    }

    /// A token with any claims and header, signed with this key as its algorithm says.
    #[must_use]
    pub fn token(&self, header: &Value, claims: &Value) -> String {
        forge_with(&header.to_string(), &claims.to_string(), |body| match &self.pair {
            Pair::Rsa(pair) if self.algorithm == "PS256" => sign_rsa(pair, &RSA_PSS_SHA256, body),
            Pair::Rsa(pair) => sign_rsa(pair, &RSA_PKCS1_SHA256, body),
            Pair::Ec(pair) => pair.sign_bytes(body),
            Pair::Ed(pair) => pair.sign(body).as_ref().to_vec(),
        })
    }

    /// The header an honest issuer writes.
    #[must_use]
    pub fn header(&self) -> Value {
        json!({ "alg": self.algorithm, "typ": "JWT", "kid": self.id })
    }
}

fn sign_rsa(pair: &rsa::KeyPair, encoding: &'static dyn RsaEncoding, body: &[u8]) -> Vec<u8> {
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(encoding, &SystemRandom::new(), body, &mut signature).unwrap();
    signature
}
