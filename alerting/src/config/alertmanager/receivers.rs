//! Receivers with their `*_configs`: each destination becomes a channel of Rampart's.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use declare::{Level, Node, Problems, Record};
use serde_json::{Map, Value, json};

use super::kinds::{KINDS, Kind};
use super::templates::Files;
use crate::channel::{self, Channel, Look};
use crate::config::Surroundings;
use crate::config::endpoint::{Endpoint, Receiver};

pub(super) fn read(
    node: &Node,
    global: Option<&Node>,
    templates: &Files,
    surroundings: &Surroundings<'_>,
    problems: &mut Problems,
) -> BTreeMap<String, Receiver> {
    let mut receivers = BTreeMap::new();
    for at in node.items_of("receivers") {
        let Some(name) = at.text_of("name").map(str::to_owned) else {
            continue;
        };
        if receivers.contains_key(&name) {
            problems
                .error(at, format!("receiver `{name}` is declared twice"))
                .hint("give each receiver a name of its own");
            continue;
        }
        let configs: Vec<(&Kind, &Node)> = KINDS
            .iter()
            .flat_map(|kind| {
                at.items_of(kind.key)
                    .iter()
                    .map(move |config| (kind, config))
            })
            .collect();
        let only_one = configs.len() == 1;
        let mut endpoints = Vec::new();
        for (index, (kind, config)) in configs.into_iter().enumerate() {
            let own_name = if only_one {
                name.clone()
            } else {
                format!("{name}/{}", index + 1)
            };
            let mut reader = Reader {
                kind,
                config,
                global,
                templates,
                surroundings,
                problems,
            };
            endpoints.extend(reader.endpoint(own_name).map(Arc::new));
        }
        let receiver = Receiver {
            name: name.clone(),
            endpoints,
            language: None,
        };
        receivers.insert(name, receiver);
    }
    receivers
}

/// Reads one destination.
struct Reader<'a> {
    kind: &'a Kind,
    config: &'a Node,
    global: Option<&'a Node>,
    templates: &'a Files,
    surroundings: &'a Surroundings<'a>,
    problems: &'a mut Problems,
}

impl Reader<'_> {
    fn endpoint(&mut self, name: String) -> Option<Endpoint> {
        let Some(channel) = self.kind.channel else {
            let what = self.kind.key.trim_end_matches("_configs");
            self.problems
                .error(
                    self.config,
                    format!("Rampart has no channel for {what}, so nobody would be told by it"),
                )
                .hint("take it out, or use a webhook in between");
            return None;
        };
        self.look_at_fields();
        let mut fields = Map::new();
        match channel {
            "webhook" => self.webhook(&mut fields),
            "slack" => self.address(
                &mut fields,
                ("api_url", "api_url_file"),
                Some("slack_api_url"),
            ),
            "pagerduty" => self.pagerduty(&mut fields),
            "email" => self.email(&mut fields),
            "telegram" => self.telegram(&mut fields),
            "discord" => self.address(&mut fields, ("webhook_url", "webhook_url_file"), None),
            "opsgenie" => self.opsgenie(&mut fields),
            "wecom-app" => self.wechat(&mut fields),
            _ => self.teams(&mut fields),
        }
        let sends_resolved = self.config.boolean_of("send_resolved");
        let look = if self.writes_html() {
            self.templates.look(self.kind, self.config, self.problems)
        } else {
            Look::default()
        };
        let mut channel = self.channel(channel, fields)?;
        channel.set_default_time_zone(self.surroundings.time_zone);
        channel.set_look(look);
        Some(Endpoint {
            name,
            limits: channel.limits(),
            quotas: channel.quotas(),
            once_only: channel.is_once_only(),
            sends_resolved: sends_resolved.unwrap_or(self.kind.sends_resolved),
            language: None,
            channel,
        })
    }

    /// Says what is not followed and what is not known.
    fn look_at_fields(&mut self) {
        for (key, _) in self.config.fields() {
            let name = key.key_text().unwrap_or_default();
            let is_template = self.kind.templates.iter().any(|(field, _)| {
                let (field, _) = field.split_once('.').unwrap_or((field, ""));
                field == name
            });
            let is_details = self.kind.details == Some(name);
            let is_followed = self.kind.followed.contains(&name) || name == "send_resolved";
            if is_followed || is_template || is_details {
                continue;
            }
            if self.kind.looks.contains(&name) {
                self.problems
                    .advice(key, format!("`{name}` is not followed"))
                    .hint("Rampart has its own way for this");
            } else if name == "http_config" {
                self.problems
                    .error(key, "`http_config` is followed for webhooks only")
                    .hint("take it out");
            } else {
                let templates = self.kind.templates.iter().map(|(field, _)| *field);
                let known = self.kind.followed.iter().chain(self.kind.looks).copied();
                let known = known.chain(templates).chain(self.kind.details);
                let near = declare::closest(name, known);
                self.problems
                    .error(key, format!("Rampart does not know `{name}` here"))
                    .maybe_hint(near.map(|near| format!("did you mean `{near}`?")));
            }
        }
    }

    /// A template for Telegram is HTML; what is written for another mark-up would be refused at night.
    fn writes_html(&mut self) -> bool {
        let mode = self.config.field("parse_mode");
        let Some(mode) = mode.filter(|mode| mode.text() != Some("HTML")) else {
            return true;
        };
        self.problems
            .advice(mode, "`message` is followed with `parse_mode: HTML` only")
            .hint("Rampart writes this destination's messages itself");
        false
    }

    /// A channel from fields in Rampart's notation. What is wrong with them is said at this place.
    fn channel(&mut self, kind: &'static str, fields: Map<String, Value>) -> Option<Channel> {
        let document = json!({ kind: fields }).to_string();
        let mut found = Problems::new();
        let channel = match declare::read("", &document) {
            Ok(node) => {
                let mut record = Record::new("receiver", "a destination");
                record.fields = channel::fields();
                declare::check(&node, &record.into(), &mut found);
                Channel::read(&node, &mut found, self.surroundings.secrets)
            }
            Err(broken) => {
                found.extend(broken);
                None
            }
        };
        for problem in found.into_vec() {
            let said = self.config.problem(problem.level, problem.message);
            self.problems.push(said).maybe_hint(problem.hint);
        }
        channel
    }

    /// A value of the destination, or the default that `global` has for it.
    fn value(&self, name: &str, global: Option<&str>) -> Option<Value> {
        let own = self.config.field(name);
        let default = || self.global?.field(global?);
        let text = own.or_else(default)?.text()?;
        Some(text.into())
    }

    /// An address or the file that holds it, as `url` or `url_file`.
    fn address(
        &mut self,
        fields: &mut Map<String, Value>,
        (direct, file): (&str, &str),
        global: Option<&str>,
    ) {
        let global_file = global.map(|global| format!("{global}_file"));
        let own_file = self.value(file, None);
        let own = self.value(direct, None).map(|url| ("url", url));
        let own = own.or(own_file.map(|file| ("url_file", file)));
        let default = || {
            let url = self.value("", global).map(|url| ("url", url));
            url.or_else(|| {
                self.value("", global_file.as_deref())
                    .map(|file| ("url_file", file))
            })
        };
        if let Some((name, value)) = own.or_else(default) {
            fields.insert(name.to_owned(), value);
        }
    }

    fn webhook(&mut self, fields: &mut Map<String, Value>) {
        self.address(fields, ("url", "url_file"), None);
        fields.insert("payload".into(), "alertmanager".into());
        put(fields, "deadline", self.value("timeout", None));
        let global = self.global.and_then(|global| global.field("http_config"));
        let Some(http) = self.config.field("http_config").or(global) else {
            return;
        };
        for (key, value) in http.fields() {
            match key.key_text().unwrap_or_default() {
                // How a connection is made is Rampart's own affair.
                "follow_redirects" | "enable_http2" => {}
                "bearer_token" => put(fields, "bearer_token", value.text().map(Value::from)),
                "bearer_token_file" => {
                    put(fields, "bearer_token_file", value.text().map(Value::from));
                }
                "authorization" => authorization(value, fields),
                "basic_auth" => self.basic_auth(value, fields),
                name => {
                    self.problems
                        .error(
                            key,
                            format!("Rampart does not do `{name}` of `http_config`"),
                        )
                        .hint("it does authorization, basic_auth and bearer_token");
                }
            }
        }
    }

    fn basic_auth(&mut self, node: &Node, fields: &mut Map<String, Value>) {
        let secret = match (node.text_of("password"), node.text_of("password_file")) {
            (Some(password), _) => Ok(password.to_owned()),
            (None, Some(file)) => (self.surroundings.secrets)(file),
            (None, None) => Ok(String::new()),
        };
        match secret {
            Ok(password) => {
                let user = node.text_of("username").unwrap_or_default();
                let pair = format!("{user}:{}", password.trim_end_matches(['\r', '\n']));
                let pair = base64::engine::general_purpose::STANDARD.encode(pair);
                fields.insert(
                    "headers".into(),
                    json!({"Authorization": format!("Basic {pair}")}),
                );
            }
            Err(reason) => {
                let said =
                    node.problem(Level::Error, format!("cannot read the password: {reason}"));
                self.problems.push(said);
            }
        }
    }

    fn pagerduty(&mut self, fields: &mut Map<String, Value>) {
        put(fields, "routing_key", self.value("routing_key", None));
        put(
            fields,
            "routing_key_file",
            self.value("routing_key_file", None),
        );
        put(fields, "url", self.value("url", Some("pagerduty_url")));
    }

    fn telegram(&mut self, fields: &mut Map<String, Value>) {
        put(fields, "token", self.value("bot_token", None));
        put(fields, "token_file", self.value("bot_token_file", None));
        put(fields, "chat_id", self.value("chat_id", None));
        let thread = self.config.integer_of("message_thread_id");
        put(
            fields,
            "message_thread_id",
            thread.filter(|thread| *thread != 0).map(Value::from),
        );
        put(
            fields,
            "url",
            self.value("api_url", Some("telegram_api_url")),
        );
    }

    fn opsgenie(&mut self, fields: &mut Map<String, Value>) {
        let key = self.value("api_key", None);
        let file = self.value("api_key_file", None);
        let key = key.or_else(|| {
            self.value("", Some("opsgenie_api_key"))
                .filter(|_| file.is_none())
        });
        let file = file.or_else(|| self.value("", Some("opsgenie_api_key_file")));
        put(fields, "api_key_file", file.filter(|_| key.is_none()));
        put(fields, "api_key", key);
        put(
            fields,
            "url",
            self.value("api_url", Some("opsgenie_api_url")),
        );
        let mut teams = Vec::new();
        for responder in self.config.items_of("responders") {
            match (responder.text_of("type"), responder.text_of("name")) {
                (Some("team"), Some(name)) if !name.contains("{{") => teams.push(name.to_owned()),
                _ => {
                    self.problems
                        .error(responder, "Rampart asks teams by their name to respond")
                        .hint("write {type: team, name: …}, or let Opsgenie's routing decide");
                }
            }
        }
        fields.insert("teams".into(), teams.into());
    }

    fn wechat(&mut self, fields: &mut Map<String, Value>) {
        put(
            fields,
            "secret",
            self.value("api_secret", Some("wechat_api_secret")),
        );
        put(
            fields,
            "corp_id",
            self.value("corp_id", Some("wechat_api_corp_id")),
        );
        put(fields, "url", self.value("api_url", Some("wechat_api_url")));
        let agent = self.config.text_of("agent_id").map(|agent| {
            let number = agent.trim().parse::<i64>().map(Value::from);
            number.unwrap_or_else(|_| agent.into())
        });
        put(fields, "agent_id", agent);
        for name in ["to_user", "to_party", "to_tag"] {
            let Some(to) = self.config.field(name) else {
                continue;
            };
            if to.text().is_some_and(|text| text.contains("{{")) {
                self.problems
                    .error(to, format!("`{name}` is no template in Rampart"))
                    .hint("write whom to tell, or use routes to receivers of their own");
            }
            put(fields, name, to.text().map(Value::from));
        }
    }

    fn teams(&mut self, fields: &mut Map<String, Value>) {
        self.address(fields, ("webhook_url", "webhook_url_file"), None);
        if self.kind.key == "msteams_configs" {
            self.problems
                .advice(
                    self.config,
                    "connectors of Microsoft Teams are being retired",
                )
                .hint("make a workflow and put its address into `msteamsv2_configs`");
        }
    }

    fn email(&mut self, fields: &mut Map<String, Value>) {
        let smarthost = self.value("smarthost", Some("smtp_smarthost"));
        let smarthost = smarthost
            .as_ref()
            .and_then(Value::as_str)
            .unwrap_or_default();
        let (host, port) = smarthost.rsplit_once(':').unwrap_or((smarthost, "25"));
        let wanted = self.config.field("require_tls");
        let wanted = wanted.or_else(|| self.global?.field("smtp_require_tls"));
        let tls = match (port, wanted.and_then(Node::boolean).unwrap_or(true)) {
            ("465", _) => "tls",
            (_, true) => "starttls",
            (_, false) => "none",
        };
        fields.insert("host".into(), host.into());
        put(fields, "port", port.parse::<u16>().ok().map(Value::from));
        fields.insert("tls".into(), tls.into());
        if tls == "none" {
            fields.insert("insecure".into(), true.into());
        }
        put(fields, "from", self.value("from", Some("smtp_from")));
        put(
            fields,
            "user",
            self.value("auth_username", Some("smtp_auth_username")),
        );
        let password = self.value("auth_password", Some("smtp_auth_password"));
        let file = self.value("auth_password_file", Some("smtp_auth_password_file"));
        if password.is_none() {
            put(fields, "password_file", file);
        }
        put(fields, "password", password);
        let to = self.config.text_of("to").unwrap_or_default();
        let to: Vec<&str> = to
            .split(',')
            .map(str::trim)
            .filter(|to| !to.is_empty())
            .collect();
        fields.insert("to".into(), to.into());
        if let Some(tls) = self.config.field("tls_config") {
            put(fields, "ca_file", tls.text_of("ca_file").map(Value::from));
            for (key, _) in tls
                .fields()
                .filter(|(key, _)| key.key_text() != Some("ca_file"))
            {
                let name = key.key_text().unwrap_or_default();
                self.problems
                    .error(key, format!("Rampart does not do `{name}` of `tls_config`"));
            }
        }
    }
}

fn put(fields: &mut Map<String, Value>, name: &str, value: Option<Value>) {
    fields.extend(value.map(|value| (name.to_owned(), value)));
}

fn authorization(node: &Node, fields: &mut Map<String, Value>) {
    match node.text_of("type") {
        None | Some("Bearer") => {
            put(
                fields,
                "bearer_token",
                node.text_of("credentials").map(Value::from),
            );
            let file = node.text_of("credentials_file").map(Value::from);
            put(fields, "bearer_token_file", file);
        }
        Some(other) => {
            let credentials = node.text_of("credentials").unwrap_or_default();
            let value = format!("{other} {credentials}");
            fields.insert("headers".into(), json!({"Authorization": value}));
        }
    }
}
