//! Alibaba Cloud's signature, version 3 (`ACS3-HMAC-SHA256`), and what its APIs answer.
//!
//! Parameters stand in the query, the body is empty. Signed are the host and the `x-acs-…` headers;
//! the nonce makes a request good for one use.

use std::time::Duration;

use declare::{Node, Problems, Record, Shape};
use model::{Secret, Timestamp};
use outbound::{Answer, Outbound, OutboundError};
use rand::RngCore;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::answer::{self, Meaning, means};
use super::sign::{hex, hmac_sha256, percent_encoded, sha256_hex};
use super::{ReadSecret, read};
use crate::delivery::{Attempt, Retry};

const ALGORITHM: &str = "ACS3-HMAC-SHA256";

/// An access key and the API it opens.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) url: Secret<String>,
    key_id: Secret<String>,
    key_secret: Secret<String>,
}

/// An API's operation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operation {
    pub(super) action: &'static str,
    pub(super) version: &'static str,
}

/// A request ready to be sent.
#[derive(Debug)]
pub(super) struct Signed {
    pub(super) url: String,
    pub(super) headers: Vec<(String, String)>,
}

/// Codes that every API of this provider answers.
const CODES: &[Meaning<&str>] = &[
    means(
        "SignatureDoesNotMatch",
        Retry::Never,
        "check `access_key_secret`",
    ),
    means(
        "IncompleteSignature",
        Retry::Never,
        "check `access_key_secret`",
    ),
    means(
        "InvalidAccessKeyId.NotFound",
        Retry::Never,
        "check `access_key_id`",
    ),
    means(
        "InvalidAccessKeyId.Inactive",
        Retry::Never,
        "the access key is disabled",
    ),
    means(
        "InvalidTimeStamp.Expired",
        Retry::Never,
        "check this machine's clock",
    ),
    means(
        "InvalidTimeStamp.Format",
        Retry::Never,
        "check this machine's clock",
    ),
    means("SignatureNonceUsed", Retry::Backoff, ""),
    means("Throttling", Retry::Backoff, "the account calls too often"),
    means(
        "NoPermission",
        Retry::Never,
        "the access key may not do this",
    ),
    means(
        "Forbidden.RAM",
        Retry::Never,
        "the access key may not do this",
    ),
    means(
        "Forbidden.AccessKeyDisabled",
        Retry::Never,
        "the access key is disabled",
    ),
    means(
        "isp.RAM_PERMISSION_DENY",
        Retry::Never,
        "the access key may not do this",
    ),
    means(
        "isv.ACCOUNT_NOT_EXISTS",
        Retry::Never,
        "the account does not exist",
    ),
    means(
        "isv.ACCOUNT_ABNORMAL",
        Retry::Never,
        "the account is restricted",
    ),
    means(
        "isv.AMOUNT_NOT_ENOUGH",
        Retry::Never,
        "the account has no money left",
    ),
    means(
        "isv.OUT_OF_SERVICE",
        Retry::Never,
        "the account has no money left",
    ),
    means(
        "isv.PRODUCT_UN_SUBSCRIPT",
        Retry::Never,
        "the product is not activated",
    ),
    means(
        "isv.PRODUCT_UNSUBSCRIBE",
        Retry::Never,
        "the product is not activated",
    ),
    means("isp.SYSTEM_ERROR", Retry::Backoff, ""),
    means(
        "isv.MOBILE_NUMBER_ILLEGAL",
        Retry::Never,
        "check the person's number",
    ),
    means(
        "isv.TEMPLATE_MISSING_PARAMETERS",
        Retry::Never,
        "the template has variables that `variables` does not",
    ),
    means(
        "isv.TEMPLATE_PARAMS_ILLEGAL",
        Retry::Never,
        "check `variables` and `variable_chars_max`",
    ),
    means(
        "isv.PARAM_LENGTH_LIMIT",
        Retry::Never,
        "lower `variable_chars_max`",
    ),
    means("isv.INVALID_JSON_PARAM", Retry::Never, "check `variables`"),
    means(
        "isv.INVALID_PARAMETERS",
        Retry::Never,
        "check the channel's fields",
    ),
    means(
        "isv.BLACK_KEY_CONTROL_LIMIT",
        Retry::Never,
        "a variable holds a forbidden word",
    ),
];

/// Adds the fields of an account.
pub(super) fn with_account(record: Record) -> Record {
    record
        .required("access_key_id", Shape::Text, "the access key's id")
        .field("access_key_secret", Shape::Text, "the access key's secret")
        .field(
            "access_key_secret_file",
            Shape::Text,
            "a file that holds the access key's secret",
        )
        .field("url", Shape::Url, "the API's address, where it is another")
        .field("url_file", Shape::Text, "a file that holds the address")
        .exactly_one(&["access_key_secret", "access_key_secret_file"])
}

impl Account {
    pub(super) fn read(
        node: &Node,
        url: &str,
        problems: &mut Problems,
        secrets: ReadSecret<'_>,
    ) -> Option<Account> {
        let key_secret = read::secret(
            node,
            "access_key_secret",
            "access_key_secret_file",
            problems,
            secrets,
        );
        let url = read::url_or(node, url, problems, secrets);
        if let Some(known) = &url
            && path_of(known.expose()) != "/"
        {
            let at = node.field("url").or(node.field("url_file"))?;
            problems
                .error(at, "the API's address has no path")
                .hint("write scheme and host only, such as https://dysmsapi.aliyuncs.com");
        }
        Some(Account {
            key_id: Secret::new(node.text_of("access_key_id")?.to_owned()),
            url: url?,
            key_secret: key_secret?,
        })
    }

    /// Calls an operation once.
    pub(super) async fn call(
        &self,
        operation: Operation,
        parameters: &[(&str, String)],
        now: Timestamp,
        outbound: &Outbound,
        deadline: Duration,
    ) -> Result<Answer, OutboundError> {
        let mut random = [0; 16];
        rand::rng().fill_bytes(&mut random);
        let signed = self.sign(operation, parameters, now, &hex(&random));
        answer::post(outbound, signed.url, signed.headers, Vec::new(), deadline).await
    }

    /// The request with its signature.
    pub(super) fn sign(
        &self,
        operation: Operation,
        parameters: &[(&str, String)],
        now: Timestamp,
        nonce: &str,
    ) -> Signed {
        let base = self.url.expose().trim_end_matches('/');
        let query = canonical_query(parameters);
        let date = now.to_utc().format("%Y-%m-%dT%H:%M:%SZ").to_string();
        let body_hash = sha256_hex(b"");
        let headers = [
            ("host", authority_of(base)),
            ("x-acs-action", operation.action),
            ("x-acs-content-sha256", body_hash.as_str()),
            ("x-acs-date", date.as_str()),
            ("x-acs-signature-nonce", nonce),
            ("x-acs-version", operation.version),
        ];
        let names = headers.map(|(name, _)| name).join(";");
        let mut lines = String::new();
        for (name, value) in headers {
            lines.extend([name, ":", value, "\n"]);
        }
        let canonical = format!("POST\n/\n{query}\n{lines}\n{names}\n{body_hash}");
        let to_sign = format!("{ALGORITHM}\n{}", sha256_hex(canonical.as_bytes()));
        let key = self.key_secret.expose().as_bytes();
        let tag = hex(&hmac_sha256(key, &[to_sign.as_bytes()]));
        let authorization = format!(
            "{ALGORITHM} Credential={},SignedHeaders={names},Signature={tag}",
            self.key_id.expose()
        );
        let ours = headers.iter().filter(|(name, _)| *name != "host");
        let mut headers: Vec<(String, String)> = ours
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        headers.push(("authorization".to_owned(), authorization));
        Signed {
            url: format!("{base}/?{query}"),
            headers,
        }
    }
}

/// Names and values percent-encoded, sorted by name.
fn canonical_query(parameters: &[(&str, String)]) -> String {
    let encode = |(name, value): &(&str, String)| (percent_encoded(name), percent_encoded(value));
    let mut pairs: Vec<(String, String)> = parameters.iter().map(encode).collect();
    pairs.sort();
    let pairs: Vec<String> = pairs
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join("&")
}

/// Host, and the port where it is not the scheme's own: what the `Host` header will say.
fn authority_of(url: &str) -> &str {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let usual = if scheme.eq_ignore_ascii_case("https") {
        ":443"
    } else {
        ":80"
    };
    authority.strip_suffix(usual).unwrap_or(authority)
}

fn path_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    match rest.find(['/', '?', '#']).map(|at| rest.split_at(at).1) {
        None => "/",
        Some(path) => path,
    }
}

/// The body of an answer; `None` when it is not this provider's.
pub(super) fn body<T: DeserializeOwned>(answer: &Answer) -> Option<T> {
    serde_json::from_slice(&answer.body).ok()
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Verdict {
    code: String,
    #[serde(default)]
    message: String,
    #[serde(alias = "CallId")]
    biz_id: Option<String>,
}

/// What an answer means; `own` are the operation's own codes. The provider's word is a code, with HTTP
/// 200 or 4xx. A 5xx says nothing about what was asked.
pub(super) fn judge(
    answer: &Answer,
    now: Timestamp,
    own: &'static [Meaning<&'static str>],
) -> Attempt {
    match body::<Verdict>(answer) {
        Some(verdict) if verdict.code == "OK" && answer.status == 200 => {
            answer::accepted("code OK", verdict.biz_id)
        }
        Some(verdict) if answer.status < 500 => refused(&verdict.code, &verdict.message, own),
        _ if (300..500).contains(&answer.status) => answer::refusal(answer, now),
        _ => answer::unreadable(answer),
    }
}

/// A refusal by the operation's own codes, then by those of all.
fn refused(code: &str, said: &str, own: &'static [Meaning<&'static str>]) -> Attempt {
    let is_own = own.iter().any(|meaning| meaning.code == code);
    let table = if is_own { own } else { CODES };
    // A family of codes says the same: `Throttling.…`.
    if !is_own && code.starts_with("Throttling") {
        return answer::refused(
            &format!("code {code},"),
            &"Throttling",
            said,
            CODES,
            Retry::Backoff,
        );
    }
    answer::refused("code", &code, said, table, Retry::Never)
}

#[cfg(test)]
mod vectors {
    use super::*;

    /// The example of the provider's own documentation.
    #[test]
    fn signature_is_the_published_one() {
        let account = Account {
            url: Secret::new("https://ecs.cn-shanghai.aliyuncs.com".to_owned()),
            key_id: Secret::new("YourAccessKeyId".to_owned()),
            key_secret: Secret::new("YourAccessKeySecret".to_owned()),
        };
        let operation = Operation {
            action: "RunInstances",
            version: "2014-05-26",
        };
        let image = "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd";
        let parameters = [
            ("RegionId", "cn-shanghai".to_owned()),
            ("ImageId", image.to_owned()),
        ];
        let now = "2023-10-26T10:22:32Z".parse().unwrap();
        let nonce = "3156853299f313e23d1673dc12e1703d";
        let signed = account.sign(operation, &parameters, now, nonce);
        let authorization = &signed.headers.last().unwrap().1;
        assert_eq!(
            authorization,
            "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,SignedHeaders=host;x-acs-action;\
             x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version,\
             Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
        );
        assert_eq!(
            signed.url,
            format!("https://ecs.cn-shanghai.aliyuncs.com/?ImageId={image}&RegionId=cn-shanghai")
        );
        assert!(!format!("{account:?}").contains("YourAccessKey"));
    }

    #[test]
    fn queries_are_encoded_and_sorted_as_the_provider_does() {
        let parameters = [("b", "a b*~+/成".to_owned()), ("a", String::new())];
        assert_eq!(
            canonical_query(&parameters),
            "a=&b=a%20b%2A~%2B%2F%E6%88%90"
        );
        assert_eq!(authority_of("https://h.example.com:443"), "h.example.com");
        assert_eq!(authority_of("http://127.0.0.1:80"), "127.0.0.1");
        assert_eq!(authority_of("http://127.0.0.1:8080/"), "127.0.0.1:8080");
    }
}
