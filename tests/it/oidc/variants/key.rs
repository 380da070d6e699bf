//! Keys of clients, as openssl makes them and providers are given them.

use std::process::Command;

use serde_json::{Value, json};

/// Algorithm, and what openssl's `genpkey` is told to make a key for it.
pub(super) const KEYS: [(&str, &[&str]); 4] = [
    (
        "ES256",
        &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    ),
    ("EdDSA", &["-algorithm", "ED25519"]),
    (
        "RS256",
        &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    ),
    (
        "PS256",
        &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    ),
];

/// A private key in a file.
pub(super) struct Key {
    alg: &'static str,
    folder: tempfile::TempDir,
    path: String,
}

impl Key {
    pub fn generate(alg: &'static str, arguments: &[&str]) -> Self {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("key.pem").display().to_string();
        openssl(&[&["genpkey", "-out", &path], arguments].concat());
        Self { alg, folder, path }
    }

    /// What tells the bridge of it. An RSA key does not say that it is for PS256.
    pub fn options(&self) -> Vec<&str> {
        let mut options = vec!["--client-assertion-key", &self.path];
        if self.alg == "PS256" {
            options.extend(["--client-assertion-alg", self.alg]);
        }
        options
    }

    /// What the provider is given of it (RFC 7517).
    pub fn public_jwk(&self) -> Value {
        let public = self.folder.path().join("public.pem").display().to_string();
        openssl(&["pkey", "-in", &self.path, "-pubout", "-out", &public]);
        let script = "const { createPublicKey } = require('crypto');
            const key = createPublicKey(require('fs').readFileSync(process.argv[1]));
            console.log(JSON.stringify(key.export({ format: 'jwk' })))";
        let out = Command::new("node")
            .args(["-e", script, &public])
            .output()
            .unwrap();
        let mut jwk: Value = serde_json::from_slice(&out.stdout).expect("node exports the key");
        jwk["alg"] = json!(self.alg);
        jwk["use"] = json!("sig");
        jwk
    }
}

fn openssl(arguments: &[&str]) {
    let out = Command::new("openssl").args(arguments).output().unwrap();
    let errors = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{errors}");
}
