//! What the destinations of an `alertmanager.yml` are called, and which of their fields Rampart
//! follows.

/// A kind of destination.
pub(super) struct Kind {
    /// The receiver's field.
    pub(super) key: &'static str,
    /// Rampart's channel for it, when there is one.
    pub(super) channel: Option<&'static str>,
    /// Whether it tells of the end when nothing is said.
    pub(super) sends_resolved: bool,
    /// Fields that are followed.
    pub(super) followed: &'static [&'static str],
    /// Fields that are only about how a message looks, which is Rampart's own.
    pub(super) looks: &'static [&'static str],
}

/// Defaults of receivers; `resolve_timeout` stands beside them.
pub(super) const GLOBAL: &[&str] = &[
    "smtp_from",
    "smtp_hello",
    "smtp_smarthost",
    "smtp_auth_username",
    "smtp_auth_password",
    "smtp_auth_password_file",
    "smtp_auth_secret",
    "smtp_auth_identity",
    "smtp_require_tls",
    "slack_api_url",
    "slack_api_url_file",
    "pagerduty_url",
    "opsgenie_api_url",
    "opsgenie_api_key",
    "opsgenie_api_key_file",
    "victorops_api_url",
    "victorops_api_key",
    "victorops_api_key_file",
    "wechat_api_url",
    "wechat_api_secret",
    "wechat_api_corp_id",
    "telegram_api_url",
    "webex_api_url",
    "http_config",
];

const fn without_channel(key: &'static str) -> Kind {
    Kind {
        key,
        channel: None,
        sends_resolved: true,
        followed: &[],
        looks: &[],
    }
}

/// Every kind that Alertmanager knows.
pub(super) const KINDS: &[Kind] = &[
    Kind {
        key: "webhook_configs",
        channel: Some("webhook"),
        sends_resolved: true,
        followed: &["url", "url_file", "http_config", "timeout"],
        looks: &["max_alerts"],
    },
    Kind {
        key: "slack_configs",
        channel: Some("slack"),
        sends_resolved: false,
        followed: &["api_url", "api_url_file"],
        looks: &[
            "channel",
            "username",
            "color",
            "title",
            "title_link",
            "pretext",
            "text",
            "fields",
            "short_fields",
            "footer",
            "fallback",
            "callback_id",
            "icon_emoji",
            "icon_url",
            "image_url",
            "thumb_url",
            "link_names",
            "mrkdwn_in",
            "actions",
        ],
    },
    Kind {
        key: "pagerduty_configs",
        channel: Some("pagerduty"),
        sends_resolved: true,
        followed: &["routing_key", "routing_key_file", "url"],
        looks: &[
            "client",
            "client_url",
            "description",
            "details",
            "images",
            "links",
            "severity",
            "class",
            "component",
            "group",
            "source",
        ],
    },
    Kind {
        key: "email_configs",
        channel: Some("email"),
        sends_resolved: false,
        followed: &[
            "to",
            "from",
            "smarthost",
            "auth_username",
            "auth_password",
            "auth_password_file",
            "require_tls",
            "tls_config",
        ],
        looks: &["headers", "html", "text", "hello", "auth_identity"],
    },
    Kind {
        key: "telegram_configs",
        channel: Some("telegram"),
        sends_resolved: true,
        followed: &[
            "bot_token",
            "bot_token_file",
            "chat_id",
            "message_thread_id",
            "api_url",
        ],
        looks: &["message", "disable_notifications", "parse_mode"],
    },
    Kind {
        key: "msteams_configs",
        channel: Some("teams"),
        sends_resolved: true,
        followed: &["webhook_url", "webhook_url_file"],
        looks: &["title", "summary", "text"],
    },
    Kind {
        key: "msteamsv2_configs",
        channel: Some("teams"),
        sends_resolved: true,
        followed: &["webhook_url", "webhook_url_file"],
        looks: &["title", "text"],
    },
    without_channel("wechat_configs"),
    without_channel("discord_configs"),
    without_channel("opsgenie_configs"),
    without_channel("victorops_configs"),
    without_channel("pushover_configs"),
    without_channel("sns_configs"),
    without_channel("webex_configs"),
    without_channel("jira_configs"),
    without_channel("rocketchat_configs"),
];
