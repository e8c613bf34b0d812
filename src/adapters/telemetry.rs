//! Logs: JSON lines for machines or text for people, on stderr.
//!
//! Invariant: standard output stays free for data. What is absent: sending logs anywhere.

use std::fmt;
use std::str::FromStr;
use tracing_subscriber::EnvFilter;

/// How log lines look: Flux's `--log-encoding`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// One JSON object a line.
    Json,
    /// Text for people; Flux calls it `console`.
    Console,
}

impl FromStr for Encoding {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "json" => Ok(Self::Json),
            "console" | "text" => Ok(Self::Console),
            _ => Err("expected `json` or `console`".to_owned()),
        }
    }
}

/// The lowest level that is written: Flux's `--log-level`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Everything.
    Trace,
    /// What helps to understand a fault.
    Debug,
    /// What happened.
    Info,
    /// Only faults.
    Error,
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "trace" => Ok(Self::Trace),
            "debug" => Ok(Self::Debug),
            "info" => Ok(Self::Info),
            "error" => Ok(Self::Error),
            _ => Err("expected `trace`, `debug`, `info` or `error`".to_owned()),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Error => "error",
        })
    }
}

/// Starts logging. A second call in one process does nothing.
pub fn start(level: Level, encoding: Encoding) {
    // Libraries talk too much below the level of a warning, and what kube's client says of a request
    // that failed is said again by whoever made it.
    let filter = EnvFilter::new(format!(
        "warn,kube_client::client::builder=off,highwater={level}"
    ));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let _ = match encoding {
        Encoding::Json => builder.json().flatten_event(true).try_init(),
        Encoding::Console => builder.with_target(false).try_init(),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_encodings_are_those_of_flux() {
        for level in ["trace", "debug", "info", "error"] {
            assert_eq!(
                level.parse::<Level>().map(|level| level.to_string()),
                Ok(level.to_owned())
            );
        }
        assert_eq!("json".parse(), Ok(Encoding::Json));
        assert_eq!("console".parse(), Ok(Encoding::Console));
        assert!("yaml".parse::<Encoding>().is_err() && "loud".parse::<Level>().is_err());
    }
}
