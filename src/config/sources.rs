//! Where settings come from: the defaults compiled in, then a TOML file, then the environment; the later wins.

use std::collections::HashMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};

use config::{Environment, File, FileFormat};
use secrecy::SecretString;
use serde::Deserialize;

use super::ConfigError;
use super::raw::Raw;

/// The defaults, as the operator can read them.
pub const DEFAULTS: &str = include_str!("../../config.default.toml");

const PREFIX: &str = "GATEWAY";
const FILE_SUFFIX: &str = "_FILE";
/// Settings that are files by their nature: the path itself is the value.
const PATHS: [&str; 3] =
    ["GATEWAY__GRAPH__CLIENT_CERTIFICATE_FILE", "GATEWAY__GRAPH__CLIENT_KEY_FILE", "GATEWAY__GRAPH__FEDERATED_TOKEN_FILE"];
/// Read when no file is named and this one is there.
const USUAL_FILE: &str = "gateway.toml";

/// A file, if any, and an environment.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    file: Option<PathBuf>,
    environment: HashMap<String, String>,
}

impl Sources {
    /// Settings from `file` (else `gateway.toml` in the working folder, if there) under those of `environment`.
    #[must_use]
    pub fn new(file: Option<PathBuf>, environment: impl IntoIterator<Item = (String, String)>) -> Self {
        let file = file.or_else(|| Path::new(USUAL_FILE).exists().then(|| USUAL_FILE.into()));
        let ours = environment.into_iter().filter(|(key, _)| key.starts_with("GATEWAY__"));
        Self { file, environment: ours.collect() }
    }

    /// The same with one more variable, which wins over what was there.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Display) -> Self {
        self.environment.insert(key.to_owned(), value.to_string());
        self
    }

    /// Where the operator's Postgres is, whatever else the settings say; for demo and tests, which need nothing else.
    #[must_use]
    pub fn database_url(&self) -> Option<SecretString> {
        let variables = self.variables().ok()?;
        variables.get("GATEWAY__DATABASE__URL").filter(|url| !url.is_empty()).cloned().map(SecretString::from)
    }

    pub(super) fn read(&self) -> Result<Raw, ConfigError> {
        let mut builder = config::Config::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml));
        if let Some(file) = &self.file {
            let text = std::fs::read_to_string(file)
                .map_err(|error| ConfigError::one(format!("{}: {error}; name a TOML file that can be read", file.display())))?;
            builder = builder.add_source(File::from_str(&text, FileFormat::Toml));
        }
        let variables = self.variables()?;
        let environment = Environment::with_prefix(PREFIX).prefix_separator("__").separator("__").source(Some(variables));
        let merged = builder.add_source(environment).build().map_err(|error| ConfigError::one(error.to_string()))?;
        Raw::deserialize(merged).map_err(|error| ConfigError::one(error.to_string()))
    }

    /// The variables, those that name a file replaced by what the file says.
    fn variables(&self) -> Result<HashMap<String, String>, ConfigError> {
        let mut read = HashMap::new();
        for (key, value) in &self.environment {
            match key.strip_suffix(FILE_SUFFIX) {
                Some(plain) if !PATHS.contains(&key.as_str()) => {
                    let text = std::fs::read_to_string(value)
                        .map_err(|error| ConfigError::one(format!("{key}: cannot read the file it names: {error}")))?;
                    read.insert(plain.to_owned(), text.trim_end_matches(['\r', '\n']).to_owned());
                }
                _ => _ = read.insert(key.clone(), value.clone()),
            }
        }
        Ok(read)
    }
}
