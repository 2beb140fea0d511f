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
    /// Fields that are templates and followed, each with the template that holds when it is absent.
    pub(super) templates: &'static [(&'static str, &'static str)],
    /// A field of named templates.
    pub(super) details: Option<&'static str>,
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
        templates: &[],
        details: None,
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
        templates: &[],
        details: None,
        looks: &["max_alerts"],
    },
    Kind {
        key: "slack_configs",
        channel: Some("slack"),
        sends_resolved: false,
        followed: &["api_url", "api_url_file"],
        templates: &[
            ("title", "slack.default.title"),
            ("pretext", "slack.default.pretext"),
            ("text", "slack.default.text"),
            ("footer", "slack.default.footer"),
        ],
        details: None,
        looks: &[
            "channel",
            "username",
            "color",
            "title_link",
            "fields",
            "short_fields",
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
        templates: &[
            ("description", "pagerduty.default.description"),
            ("client", "pagerduty.default.client"),
            ("client_url", "pagerduty.default.clientURL"),
            ("severity", ""),
            ("class", ""),
            ("component", ""),
            ("group", ""),
            ("source", ""),
        ],
        details: Some("details"),
        looks: &["images", "links"],
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
        templates: &[
            ("headers.Subject", "email.default.subject"),
            ("html", "email.default.html"),
            ("text", ""),
        ],
        details: None,
        looks: &["hello", "auth_identity"],
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
            "parse_mode",
        ],
        templates: &[("message", "telegram.default.message")],
        details: None,
        looks: &["disable_notifications"],
    },
    Kind {
        key: "msteams_configs",
        channel: Some("teams"),
        sends_resolved: true,
        followed: &["webhook_url", "webhook_url_file"],
        templates: &[
            ("title", "msteams.default.title"),
            ("text", "msteams.default.text"),
        ],
        details: None,
        looks: &["summary"],
    },
    Kind {
        key: "msteamsv2_configs",
        channel: Some("teams"),
        sends_resolved: true,
        followed: &["webhook_url", "webhook_url_file"],
        templates: &[
            ("title", "msteamsv2.default.title"),
            ("text", "msteamsv2.default.text"),
        ],
        details: None,
        looks: &[],
    },
    Kind {
        key: "wechat_configs",
        channel: Some("wecom-app"),
        sends_resolved: false,
        followed: &[
            "api_secret",
            "api_url",
            "corp_id",
            "agent_id",
            "to_user",
            "to_party",
            "to_tag",
        ],
        templates: &[("message", "wechat.default.message")],
        details: None,
        looks: &["message_type"],
    },
    Kind {
        key: "discord_configs",
        channel: Some("discord"),
        sends_resolved: true,
        followed: &["webhook_url", "webhook_url_file"],
        templates: &[
            ("title", "discord.default.title"),
            ("message", "discord.default.message"),
            ("content", "discord.default.content"),
        ],
        details: None,
        looks: &["username", "avatar_url"],
    },
    Kind {
        key: "opsgenie_configs",
        channel: Some("opsgenie"),
        sends_resolved: true,
        followed: &["api_key", "api_key_file", "api_url", "responders"],
        templates: &[
            ("message", "opsgenie.default.message"),
            ("description", "opsgenie.default.description"),
            ("source", "opsgenie.default.source"),
            ("tags", ""),
            ("note", ""),
            ("priority", ""),
            ("entity", ""),
        ],
        details: None,
        looks: &["details", "actions", "update_alerts"],
    },
    without_channel("victorops_configs"),
    without_channel("pushover_configs"),
    without_channel("sns_configs"),
    without_channel("webex_configs"),
    without_channel("jira_configs"),
    without_channel("rocketchat_configs"),
];
