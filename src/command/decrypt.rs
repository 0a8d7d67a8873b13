//! Opens an encrypted change notification and prints what it says, or which check it failed.

use std::fs;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::Failure;
use crate::graph::certificate::{PrivateKey, private_key_from_pem, private_key_from_pkcs12};
use crate::graph::decrypt::decrypt;

/// `presence-gateway decrypt`
#[derive(Debug, Args)]
pub(super) struct Decrypt {
    /// The private key: PEM (PKCS #8 or PKCS #1), or a PKCS #12 file (.p12, .pfx).
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// A file with the password of the PKCS #12 file; else the password is empty.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// The notification as JSON: a whole post of Graph, one notification, or just its encryptedContent; else standard input.
    file: Option<PathBuf>,
}

impl Decrypt {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let key = self.private_key()?;
        let mut json = Vec::new();
        if let Some(file) = &self.file {
            json = fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
        } else {
            io::stdin().read_to_end(&mut json)?;
        }
        let mut out = io::stdout().lock();
        for plain in decrypt(&json, &key)? {
            out.write_all(&plain)?;
            out.write_all(b"\n")?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn private_key(&self) -> Result<PrivateKey, Failure> {
        let bytes = fs::read(&self.key).map_err(|error| format!("{}: {error}", self.key.display()))?;
        // A PEM file is text with a marker; PKCS #12 is binary.
        if bytes.windows(b"-----BEGIN".len()).any(|window| window == b"-----BEGIN") {
            return Ok(private_key_from_pem(&bytes)?);
        }
        let password = match &self.password_file {
            Some(file) => fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?,
            None => String::new(),
        };
        Ok(private_key_from_pkcs12(&bytes, password.trim_end_matches(['\r', '\n']))?)
    }
}
