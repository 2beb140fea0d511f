//! How a call ended, and whose call it was.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A word that is not in the vocabulary; the message lists what is.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("unknown value {word:?}, expected one of {expected}")]
pub struct UnknownWord {
    word: String,
    expected: String,
}

macro_rules! vocabulary {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident => $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            /// Every value, in declaration order; `as usize` is the index into it.
            pub const ALL: &'static [$name] = &[$($name::$variant,)+];

            /// The word as it stands in formats and configuration.
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word,)+ }
            }

            /// The value with this word, if there is one.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some($name::$variant),)+ _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(self.as_str()) }
        }

        impl FromStr for $name {
            type Err = UnknownWord;
            fn from_str(word: &str) -> Result<Self, Self::Err> {
                Self::from_word(word).ok_or_else(|| UnknownWord {
                    word: word.chars().take(64).collect(),
                    expected: [$($word,)+].join(", "),
                })
            }
        }
    };
}

vocabulary! {
    /// How one call ended. `client_error` and `limited` never count against the success rate.
    Outcome {
        /// Answered as it should.
        Ok => "ok",
        /// The function's own code failed.
        FunctionError => "function_error",
        /// It ran out of time.
        Timeout => "timeout",
        /// It ran out of memory.
        Oom => "oom",
        /// The platform failed before or around the function.
        PlatformError => "platform_error",
        /// The caller was at fault (4xx).
        ClientError => "client_error",
        /// Turned away by a flow limit (429).
        Limited => "limited",
    }
}

impl Outcome {
    /// Whether calls with this outcome are part of the success rate at all.
    pub const fn counts(self) -> bool {
        !matches!(self, Outcome::ClientError | Outcome::Limited)
    }

    /// Whether it counts as a failure.
    pub const fn failed(self) -> bool {
        self.counts() && !matches!(self, Outcome::Ok)
    }

    /// What an HTTP status means where the platform says nothing better: 2xx and 3xx ok, 429
    /// limited, other 4xx the client's, 504 timeout, 502 and 503 the platform's, other 5xx the
    /// function's; 0 (no response begun) the platform's. `None` outside 0 and 100..=599.
    pub const fn from_http_status(status: u16) -> Option<Self> {
        Some(match status {
            100..=399 => Outcome::Ok,
            429 => Outcome::Limited,
            400..=499 => Outcome::ClientError,
            504 => Outcome::Timeout,
            0 | 502 | 503 => Outcome::PlatformError,
            500..=599 => Outcome::FunctionError,
            _ => return None,
        })
    }
}

vocabulary! {
    /// Whose traffic a call was. Rules look at `live` unless told otherwise.
    Traffic {
        /// Real users.
        Live => "live",
        /// A load test.
        Stress => "stress",
        /// A health check or synthetic probe.
        Probe => "probe",
        /// A crawler.
        Bot => "bot",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_round_trip_and_mistakes_list_the_vocabulary() {
        for outcome in Outcome::ALL {
            assert_eq!(outcome.as_str().parse::<Outcome>().unwrap(), *outcome);
        }
        let mistake = "okk".parse::<Outcome>().unwrap_err().to_string();
        assert!(
            mistake.contains("\"okk\"") && mistake.contains("platform_error"),
            "{mistake}"
        );
    }

    #[test]
    fn only_failures_of_the_service_count_against_it() {
        let failing: Vec<_> = Outcome::ALL
            .iter()
            .filter(|outcome| outcome.failed())
            .map(|outcome| outcome.as_str())
            .collect();
        assert_eq!(
            failing,
            ["function_error", "timeout", "oom", "platform_error"]
        );
        assert_eq!(Outcome::from_http_status(429), Some(Outcome::Limited));
        assert_eq!(Outcome::from_http_status(302), Some(Outcome::Ok));
        assert_eq!(Outcome::from_http_status(700), None);
    }
}
