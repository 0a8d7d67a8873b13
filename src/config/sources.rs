//! Where settings come from: the defaults compiled in, then a TOML file, then the environment; the later wins.

use std::collections::HashMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};

use config::{Environment, File, FileFormat, Map, Source, Value, ValueKind};
use secrecy::SecretString;
use serde::Deserialize;

use super::ConfigError;
use super::raw::Raw;

/// The defaults, as the operator can read them.
pub const DEFAULTS: &str = include_str!("../../config.default.toml");

const PREFIX: &str = "GATEWAY";
const FILE_SUFFIX: &str = "_FILE";
/// Settings that are files by their nature: the path itself is the value.
const PATHS: [&str; 9] = [
    "GATEWAY__GRAPH__CLIENT_CERTIFICATE_FILE",
    "GATEWAY__GRAPH__CLIENT_KEY_FILE",
    "GATEWAY__GRAPH__FEDERATED_TOKEN_FILE",
    "GATEWAY__HTTP__PUBLIC_TLS_CERTIFICATE_FILE",
    "GATEWAY__HTTP__PUBLIC_TLS_KEY_FILE",
    "GATEWAY__HTTP__ADMIN_TLS_CERTIFICATE_FILE",
    "GATEWAY__HTTP__ADMIN_TLS_KEY_FILE",
    "GATEWAY__XPHONE__CA_FILE",
    "GATEWAY__XPHONE__NET_TCP__AUTHORITY_FILE",
];
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

    /// The same without a variable.
    #[must_use]
    pub fn without(mut self, key: &str) -> Self {
        self.environment.remove(key);
        self
    }

    /// The same with the variables of one section only.
    pub(super) fn of_section(&self, section: &str) -> Self {
        let prefix = format!("{PREFIX}__{section}__");
        let of_section = |(key, _): &(&String, &String)| key.starts_with(&prefix);
        let environment = self.environment.iter().filter(of_section).map(|(key, value)| (key.clone(), value.clone()));
        Self { file: self.file.clone(), environment: environment.collect() }
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
            builder = builder.add_source(SettingsFile::read(file)?);
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
            match kept_in_file(key) {
                Some(plain) if self.environment.contains_key(plain) => return Err(both_set(plain, key)),
                Some(plain) => _ = read.insert(plain.to_owned(), content(key, value)?),
                None => _ = read.insert(key.clone(), value.clone()),
            }
        }
        Ok(read)
    }
}

/// The settings file, its settings that name a file replaced by what that file says.
#[derive(Clone, Debug)]
struct SettingsFile(Map<String, Value>);

impl SettingsFile {
    fn read(path: &Path) -> Result<Self, ConfigError> {
        let complaint =
            |error: &dyn Display| ConfigError::one(format!("{}: {error}; name a TOML file that can be read", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| complaint(&error))?;
        let sections = File::from_str(&text, FileFormat::Toml).collect();
        let mut sections = sections.map_err(|error| complaint(&without_quotes(&error.to_string())))?;
        for (section, settings) in &mut sections {
            if let ValueKind::Table(settings) = &mut settings.kind {
                read_named_files(section, settings)?;
            }
        }
        Ok(Self(sections))
    }
}

impl Source for SettingsFile {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        Ok(self.0.clone())
    }
}

/// Leaves out the line of the file that a parser's complaint quotes below its number: there may be a secret in it.
fn without_quotes(complaint: &str) -> String {
    let quoted = |line: &&str| line.trim_start_matches([' ', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']).starts_with('|');
    complaint.lines().filter(|line| !quoted(line)).collect::<Vec<_>>().join(" ")
}

fn read_named_files(section: &str, settings: &mut Map<String, Value>) -> Result<(), ConfigError> {
    let names_a_file = |key: &String| kept_in_file(&format!("{PREFIX}__{section}__{key}").to_uppercase()).is_some();
    let keys: Vec<String> = settings.keys().filter(|key| names_a_file(key)).cloned().collect();
    for key in keys {
        let plain = &key[..key.len() - FILE_SUFFIX.len()];
        let named = format!("{section}.{key}");
        if settings.contains_key(plain) {
            return Err(both_set(&format!("{section}.{plain}"), &named));
        }
        let Some(path) = settings.remove(&key) else { continue };
        settings.insert(plain.to_owned(), content(&named, &path.to_string())?.into());
    }
    Ok(())
}

/// The variable whose value lies in the file that this one names.
fn kept_in_file(variable: &str) -> Option<&str> {
    variable.strip_suffix(FILE_SUFFIX).filter(|_| !PATHS.contains(&variable))
}

fn content(key: &str, path: &str) -> Result<String, ConfigError> {
    let text = std::fs::read_to_string(path);
    let text = text
        .map_err(|error| ConfigError::one(format!("{key} is {path:?}, which cannot be read ({error}); name a file that can")))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

fn both_set(plain: &str, file: &str) -> ConfigError {
    ConfigError::one(format!("{plain} and {file} are both set; keep one of them"))
}
