use std::{
    collections::BTreeMap,
    fmt, fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::Config;

/// Name of the file that is read when it lies in the working directory.
const DEFAULT_FILE: &str = "image2model.yaml";
const PREFIX: &str = "IMAGE2MODEL_";
/// Names of the service that this one replaces; our own name for the same setting wins over them.
const OLD_NAMES: [(&str, &str); 8] = [
    ("API_KEY", "keys.user"),
    ("ADMIN_API_KEY", "keys.admin"),
    ("REDIS_URL", "store.url"),
    ("RATE_LIMIT_PER_MINUTE", "limits.per_minute"),
    ("RATE_LIMIT_PER_HOUR", "limits.per_hour"),
    ("BACKEND_CORS_ORIGINS", "http.origins"),
    // Folders: uploads and results lie in one here, and where both are named, in that of the results.
    ("UPLOAD_DIR", ARTIFACTS),
    ("OUTPUT_DIR", ARTIFACTS),
];
/// Its old names are given a folder.
const ARTIFACTS: &str = "artifacts.url";
/// Names of the old service that mean nothing here.
const UNUSED_NAMES: [&str; 2] = ["ENVIRONMENT", "FAL_API_KEY"];

/// The effective configuration and where each value came from.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub config: Config,
    /// By dotted key, every leaf.
    pub values: BTreeMap<String, (Value, Origin)>,
    /// Names of the old service in the environment that mean nothing here.
    pub unused: Vec<&'static str>,
}

impl Loaded {
    /// Whether a setting was set anywhere, be it to its default.
    #[must_use]
    pub fn is_given(&self, key: &str) -> bool {
        let origin = self.values.get(key).map(|(_, origin)| origin);
        origin.is_some_and(|origin| *origin != Origin::Default)
    }
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    Default,
    File(PathBuf),
    Environment(String),
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// A setting given on the command line.
#[derive(Debug, Clone)]
pub struct Flag {
    /// Dotted key.
    pub key: &'static str,
    pub value: String,
    /// As typed, for example `--listen`.
    pub name: &'static str,
}

/// Everything that is laid over the defaults.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// `--config`: this file must exist.
    pub file: Option<PathBuf>,
    pub environment: Vec<(String, String)>,
    pub flags: Vec<Flag>,
}

impl Sources {
    /// The process's own environment, and flags; the file is `image2model.yaml` if it lies here.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "this is where the environment is read"
    )]
    pub fn of_process(file: Option<PathBuf>, flags: Vec<Flag>) -> Self {
        // Other variables may hold anything, so only names that are ours must be readable text.
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
            .filter(|(name, _)| name.starts_with(PREFIX) || is_old(name))
            .map(|(name, value)| (name, value.to_string_lossy().into_owned()))
            .collect();
        Self {
            file,
            environment,
            flags,
        }
    }
}

/// A setting that cannot be used: names key, value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

/// Lays file, environment and flags over the defaults.
///
/// # Errors
/// The first unknown key, unreadable value or value out of bounds.
pub fn load(sources: &Sources) -> Result<Loaded, ConfigError> {
    let mut values = defaults()?;
    if let Some((path, content)) = read_file(sources.file.as_deref())? {
        let origin = Origin::File(path);
        flatten("", &content, &mut |key, value| {
            set(&mut values, &key, value.clone(), origin.clone())
        })?;
    }
    let given = |name: &str| {
        let mut all = sources.environment.iter();
        all.find(|(known, text)| known == name && !text.is_empty())
    };
    for (name, key) in OLD_NAMES {
        if let Some((_, text)) = given(name) {
            let origin = Origin::Environment(name.to_owned());
            let text = if key == ARTIFACTS {
                address_of(name, text)?
            } else {
                text.clone()
            };
            set_text(&mut values, key, &text, origin)?;
        }
    }
    for (name, text) in &sources.environment {
        let Some(key) = name.strip_prefix(PREFIX) else {
            continue;
        };
        let key = key.replace("__", ".").to_lowercase();
        set_text(&mut values, &key, text, Origin::Environment(name.clone()))?;
    }
    for flag in &sources.flags {
        set_text(&mut values, flag.key, &flag.value, Origin::Flag(flag.name))?;
    }
    let config = assemble(&values)?;
    config
        .validate()
        .map_err(|(key, rule)| refusal(&values, key, rule))?;
    let unused = UNUSED_NAMES
        .into_iter()
        .filter(|name| given(name).is_some());
    Ok(Loaded {
        config,
        values,
        unused: unused.collect(),
    })
}

/// Whether the old service knew this name.
fn is_old(name: &str) -> bool {
    OLD_NAMES.iter().any(|(old, _)| *old == name) || UNUSED_NAMES.contains(&name)
}

/// The address of a folder.
fn address_of(name: &str, folder: &str) -> Result<String, ConfigError> {
    let refused = || {
        ConfigError(format!(
            "{name} is {folder:?}, which is no folder of this machine"
        ))
    };
    let whole = std::path::absolute(folder).map_err(|_| refused())?;
    let address = url::Url::from_file_path(whole).map_err(|()| refused())?;
    Ok(address.into())
}

fn defaults() -> Result<Values, ConfigError> {
    let defaults =
        serde_json::to_value(Config::default()).map_err(|e| ConfigError(e.to_string()))?;
    let mut values = Values::new();
    flatten("", &defaults, &mut |key, value| {
        values.insert(key, (value.clone(), Origin::Default));
        Ok(())
    })?;
    Ok(values)
}

fn read_file(explicit: Option<&Path>) -> Result<Option<(PathBuf, Value)>, ConfigError> {
    let path = explicit.unwrap_or(Path::new(DEFAULT_FILE));
    if explicit.is_none() && !path.exists() {
        return Ok(None);
    }
    let shown = path.display();
    let text = fs::read_to_string(path).map_err(|e| {
        ConfigError(format!(
            "the configuration file {shown} cannot be read: {e}"
        ))
    })?;
    if text
        .lines()
        .all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'))
    {
        return Ok(None);
    }
    let content: Value = serde_saphyr::from_str(&text)
        .map_err(|e| ConfigError(format!("the configuration file {shown} is no YAML: {e}")))?;
    if !content.is_object() {
        return Err(ConfigError(format!(
            "the configuration file {shown} must hold `key: value` lines"
        )));
    }
    Ok(Some((path.to_path_buf(), content)))
}

/// Calls `leaf` with the dotted key of everything that is not a table.
fn flatten(
    prefix: &str,
    value: &Value,
    leaf: &mut dyn FnMut(String, &Value) -> Result<(), ConfigError>,
) -> Result<(), ConfigError> {
    let Value::Object(table) = value else {
        return leaf(prefix.to_owned(), value);
    };
    for (name, value) in table {
        let key = if prefix.is_empty() {
            name.clone()
        } else {
            format!("{prefix}.{name}")
        };
        flatten(&key, value, leaf)?;
    }
    Ok(())
}

type Values = BTreeMap<String, (Value, Origin)>;

fn set(values: &mut Values, key: &str, value: Value, origin: Origin) -> Result<(), ConfigError> {
    let Some((known, _)) = values.get(key) else {
        return Err(unknown(values, key, &origin));
    };
    let value = match (known, value) {
        // `keep: 24` and `memory: 2000000000` are written without quotes.
        (Value::String(_), Value::Number(number)) => Value::String(number.to_string()),
        (_, value) => value,
    };
    values.insert(key.to_owned(), (value, origin));
    Ok(())
}

fn set_text(values: &mut Values, key: &str, text: &str, origin: Origin) -> Result<(), ConfigError> {
    let Some((known, _)) = values.get(key) else {
        return Err(unknown(values, key, &origin));
    };
    let value = match known {
        Value::String(_) => Value::String(text.to_owned()),
        // As the settings of the old service are written, too.
        Value::Array(_) if text.trim_start().starts_with('[') => {
            serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
        }
        Value::Array(_) => text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(Value::from)
            .collect(),
        _ => serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned())),
    };
    values.insert(key.to_owned(), (value, origin));
    Ok(())
}

fn unknown(values: &Values, key: &str, origin: &Origin) -> ConfigError {
    let table = key.rsplit_once('.').map_or("", |(table, _)| table);
    let known: Vec<_> = values
        .keys()
        .filter_map(|known| match table {
            "" => Some(known.as_str()),
            table => known.strip_prefix(table)?.strip_prefix('.'),
        })
        .filter_map(|rest| rest.split('.').next())
        .collect();
    let mut known = if known.is_empty() {
        values.keys().filter_map(|k| k.split('.').next()).collect()
    } else {
        known
    };
    known.dedup();
    ConfigError(format!(
        "there is no setting {key} ({origin}); known here: {}",
        known.join(", ")
    ))
}

/// The dotted keys as nested tables again.
fn nested(values: &Values) -> Value {
    let mut root = Value::Object(serde_json::Map::new());
    for (key, (value, _)) in values {
        let mut place = &mut root;
        for part in key.split('.') {
            place = &mut place[part];
        }
        *place = value.clone();
    }
    root
}

fn assemble(values: &Values) -> Result<Config, ConfigError> {
    serde_json::from_value(nested(values))
        .map_err(|error| first_bad_leaf(values, &error.to_string()))
}

/// serde names the expected type, in its own words, but not the key, so each leaf is tried alone over the defaults.
fn first_bad_leaf(values: &Values, message: &str) -> ConfigError {
    let changed = values
        .iter()
        .filter(|(_, (_, origin))| *origin != Origin::Default);
    for (key, (value, origin)) in changed {
        let Ok(mut alone) = defaults() else { break };
        let usual = alone.insert(key.clone(), (value.clone(), Origin::Default));
        if let Err(error) = serde_json::from_value::<Config>(nested(&alone)) {
            let wanted = match usual {
                Some((Value::Bool(_), _)) => "true or false",
                Some((Value::Number(usual), _)) if usual.is_f64() => "a number",
                Some((Value::Number(_), _)) if value.is_u64() => "a smaller number",
                Some((Value::Number(_), _)) => "a whole number, 0 or more",
                _ => return ConfigError(format!("{key} is {value} ({origin}): {error}")),
            };
            return refusal(values, key, wanted);
        }
    }
    ConfigError(message.to_owned())
}

fn refusal(values: &Values, key: &str, rule: &str) -> ConfigError {
    match values.get(key) {
        Some((value, origin)) => {
            ConfigError(format!("{key} is {value} ({origin}); it must be {rule}"))
        }
        None => ConfigError(format!("{key} must be {rule}")),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn with_file(text: &str) -> Result<Loaded, String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let sources = Sources {
            file: Some(file.path().to_path_buf()),
            ..Sources::default()
        };
        load(&sources).map_err(|e| {
            e.to_string()
                .replace(&file.path().display().to_string(), "FILE")
        })
    }

    fn with_environment(name: &str, value: &str) -> Result<Loaded, String> {
        let environment = vec![(name.to_owned(), value.to_owned())];
        load(&Sources {
            environment,
            ..Sources::default()
        })
        .map_err(|e| e.to_string())
    }

    #[test]
    fn flags_win_over_environment_over_file_over_defaults() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(
            file,
            "listen: 127.0.0.1:1\nlog:\n  level: debug\nworkers:\n  priority:\n    concurrency: 7"
        )
        .unwrap();
        let loaded = load(&Sources {
            file: Some(file.path().to_path_buf()),
            environment: vec![
                ("IMAGE2MODEL_LISTEN".into(), "127.0.0.1:2".into()),
                ("IMAGE2MODEL_LOG__LEVEL".into(), "warn".into()),
                (
                    "IMAGE2MODEL_HTTP__HOSTS".into(),
                    "a.example, b.example".into(),
                ),
            ],
            flags: vec![Flag {
                key: "listen",
                value: "127.0.0.1:3".into(),
                name: "--listen",
            }],
        })
        .unwrap();
        assert_eq!(loaded.config.listen, "127.0.0.1:3");
        assert_eq!(loaded.config.log.level, "warn");
        assert_eq!(loaded.config.workers.priority.concurrency, 7);
        assert_eq!(loaded.config.workers.priority.max_tasks_per_child, 100);
        assert_eq!(loaded.config.http.hosts, ["a.example", "b.example"]);
        assert_eq!(loaded.values["listen"].1, Origin::Flag("--listen"));
        assert_eq!(loaded.values["retry.cap"].1, Origin::Default);
    }

    #[test]
    fn refusals_name_key_value_and_place() {
        let file = |text| with_file(text).unwrap_err();
        assert_eq!(
            file("workers: {priority: {concurrency: many}}"),
            "workers.priority.concurrency is \"many\" (file FILE); it must be a whole number, 0 or more"
        );
        assert_eq!(
            file("workers: {priority: {concurrency: 0}}"),
            "workers.priority.concurrency is 0 (file FILE); it must be from 1 to 1024"
        );
        assert!(file("log: {colour: red}").starts_with(
            "there is no setting log.colour (file FILE); known here: files, format, keep_days"
        ));
        assert_eq!(
            file("store: {shards: 70000}"),
            "store.shards is 70000 (file FILE); it must be a smaller number"
        );
        let worker = file("worker: {threds: 4}");
        assert!(worker.ends_with("threads, time_limit"), "{worker}");
        assert!(file("- a\n- b").contains("must hold `key: value` lines"));
        assert!(file("a: [").contains("is no YAML"));
        let environment = with_environment("IMAGE2MODEL_WORKER__MEMORY", "lots").unwrap_err();
        assert!(
            environment
                .contains("worker.memory is \"lots\" (environment IMAGE2MODEL_WORKER__MEMORY)"),
            "{environment}"
        );
    }

    #[test]
    fn an_amount_may_be_written_without_quotes() {
        let loaded = with_file("worker: {memory: 2000000000}\nresults: {keep: 48}").unwrap();
        assert_eq!(
            loaded.config.worker.memory,
            super::super::Memory::Bytes(2_000_000_000)
        );
        assert_eq!(loaded.config.results.keep, super::super::Keep::Hours(48));
    }

    #[test]
    fn origins_are_listed_with_commas_or_as_the_old_service_had_them() {
        let both = ["http://a.example", "https://b.example:8443"];
        for text in [
            "http://a.example, https://b.example:8443",
            r#"["http://a.example", "https://b.example:8443"]"#,
        ] {
            let loaded = with_environment("BACKEND_CORS_ORIGINS", text).unwrap();
            assert_eq!(loaded.config.http.origins, both);
        }
        for wrong in ["a.example", "http://a.example/", "[http://a.example]", "*"] {
            let said = with_environment("BACKEND_CORS_ORIGINS", wrong).unwrap_err();
            assert!(said.contains("http.origins"), "{wrong}: {said}");
        }
    }

    #[test]
    fn an_empty_file_is_no_configuration() {
        assert_eq!(
            with_file("# nothing yet\n\n").unwrap().config,
            Config::default()
        );
    }

    #[test]
    fn the_old_folders_are_where_files_lie_and_other_old_names_are_told() {
        let environment = [
            ("OUTPUT_DIR", "/srv/results"),
            ("UPLOAD_DIR", "/srv/uploads"),
            ("FAL_API_KEY", "secret"),
            ("ENVIRONMENT", ""),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut sources = Sources {
            environment: environment.to_vec(),
            ..Sources::default()
        };
        let loaded = load(&sources).unwrap();
        assert_eq!(loaded.config.artifacts.url, "file:///srv/results");
        assert_eq!(loaded.unused, ["FAL_API_KEY"]);
        sources.environment.remove(0);
        let loaded = load(&sources).unwrap();
        assert_eq!(loaded.config.artifacts.url, "file:///srv/uploads");
        let own = "IMAGE2MODEL_ARTIFACTS__URL".to_owned();
        sources.environment.push((own, "s3://models".to_owned()));
        let loaded = load(&sources).unwrap();
        assert_eq!(loaded.config.artifacts.url, "s3://models");
    }
}
