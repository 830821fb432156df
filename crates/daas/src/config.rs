//! Configuration of a role: a YAML or JSON file, over it `DAAS_…` variables, over these flags.
//!
//! Flags and variables are a clap struct whose set fields, serialised, overlay the file's keys;
//! so every source goes through the one strict deserialisation of the role's own type.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Largest configuration file that is read, in bytes.
const MAX_FILE: u64 = 1024 * 1024;

/// Why a configuration can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file can't be read.
    #[error("the configuration file {} can't be read: {why}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        why: std::io::Error,
    },
    /// The file is far too large to be one.
    #[error("{} is larger than a configuration file can be (1 MiB)", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// It is neither YAML nor JSON, or not a mapping.
    #[error("{} is not a YAML or JSON mapping: {why}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The parser's words.
        why: String,
    },
    /// A key is unknown, missing or has an impossible value.
    #[error("{origin}: {key}{why}")]
    Key {
        /// The file, or `flags`.
        origin: String,
        /// Path of the key with `: `, or empty.
        key: String,
        /// What is wrong, and what would be right.
        why: String,
    },
}

/// Reads `file` (if any), lays `overlay`'s set fields over it and checks the whole.
///
/// # Errors
/// [`ConfigError`], naming file and key.
pub(crate) fn load<T: DeserializeOwned>(
    file: Option<&Path>,
    overlay: &impl Serialize,
) -> Result<T, ConfigError> {
    let mut keys = match file {
        Some(path) => read(path)?,
        None => Map::new(),
    };
    let origin = file.map_or_else(|| "flags".to_owned(), |p| p.display().to_string());
    if let Ok(Value::Object(set)) = serde_json::to_value(overlay) {
        keys.extend(set.into_iter().filter(|(_, v)| !v.is_null()));
    }
    serde_path_to_error::deserialize(Value::Object(keys)).map_err(|e| {
        let path = e.path().to_string();
        ConfigError::Key {
            origin,
            key: if path == "." {
                String::new()
            } else {
                format!("{path}: ")
            },
            why: e.into_inner().to_string(),
        }
    })
}

fn read(path: &Path) -> Result<Map<String, Value>, ConfigError> {
    let unreadable = |why| ConfigError::Read {
        path: path.to_owned(),
        why,
    };
    if fs::metadata(path).map_err(unreadable)?.len() > MAX_FILE {
        return Err(ConfigError::TooLarge {
            path: path.to_owned(),
        });
    }
    let text = fs::read_to_string(path).map_err(unreadable)?;
    let syntax = |why: String| ConfigError::Syntax {
        path: path.to_owned(),
        why,
    };
    if text.trim().is_empty() {
        return Ok(Map::new());
    }
    // JSON is YAML too, so one parser reads both; a repeated key is an error.
    match serde_saphyr::from_str::<Value>(&text) {
        Ok(Value::Object(keys)) => Ok(keys),
        Ok(Value::Null) => Ok(Map::new()),
        Ok(_) => Err(syntax("keys with values are expected".to_owned())),
        Err(e) => Err(syntax(e.to_string())),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Role {
        listen: std::net::SocketAddr,
        #[serde(default)]
        node_name: Option<String>,
    }

    #[derive(Default, Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Flags {
        node_name: Option<String>,
    }

    fn from(text: &str, flags: &Flags) -> Result<Role, ConfigError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        load(Some(file.path()), flags)
    }

    #[test]
    fn flags_lie_over_the_file_which_may_be_yaml_or_json() {
        let flags = Flags {
            node_name: Some("b".into()),
        };
        for text in [
            "listen: 127.0.0.1:1\nnodeName: a\n",
            r#"{"listen": "127.0.0.1:1"}"#,
        ] {
            assert_eq!(
                from(text, &flags).unwrap(),
                Role {
                    listen: "127.0.0.1:1".parse().unwrap(),
                    node_name: Some("b".into())
                }
            );
        }
    }

    #[test]
    fn errors_name_the_key_and_what_would_be_right() {
        let none = Flags::default();
        let said = |text: &str| from(text, &none).unwrap_err().to_string();
        let unknown = said("listen: 127.0.0.1:1\nnodename: a\n");
        assert!(
            unknown.contains("`nodename`") && unknown.contains("`nodeName`"),
            "{unknown}"
        );
        let wrong = said("listen: 127.0.0.1\n");
        assert!(wrong.contains("listen: "), "{wrong}");
        let kind = said("listen: 127.0.0.1:1\nnodeName: [1]\n");
        assert!(kind.contains("nodeName"), "{kind}");
        let twice = said("listen: 127.0.0.1:1\nlisten: 127.0.0.1:2\n");
        assert!(twice.contains("listen"), "{twice}");
        assert!(said("- a\n").contains("mapping"));
        let absent = load::<Role>(Some(Path::new("/nonexistent")), &none).unwrap_err();
        assert!(absent.to_string().contains("/nonexistent"));
    }
}
