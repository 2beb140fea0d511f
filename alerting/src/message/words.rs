//! The words of messages and of the phone page, in English and Chinese.

use model::Severity;

use crate::delivery::{IncidentStatus, Language};

/// One language's words. `{}` in a word stands for what is put in its place.
pub(crate) struct Words {
    language: Language,
    aside: &'static str,
    brackets: &'static str,
    pub(crate) info: &'static str,
    pub(crate) warning: &'static str,
    pub(crate) critical: &'static str,
    pub(crate) still_open: &'static str,
    pub(crate) resolved: &'static str,
    pub(crate) test: &'static str,
    pub(crate) open: &'static str,
    pub(crate) acknowledged: &'static str,
    pub(crate) since: &'static str,
    pub(crate) ago: &'static str,
    pub(crate) lasted: &'static str,
    pub(crate) status: &'static str,
    pub(crate) place: &'static str,
    pub(crate) suspects: &'static str,
    pub(crate) more: &'static str,
    pub(crate) step: &'static str,
    pub(crate) step_of: &'static str,
    pub(crate) told: &'static str,
    pub(crate) acknowledge: &'static str,
    pub(crate) details: &'static str,
    pub(crate) keys: &'static str,
    pub(crate) colon: &'static str,
    pub(crate) comma: &'static str,
    facts: &'static [(&'static str, &'static str)],
}

impl Words {
    pub(crate) fn language(&self) -> Language {
        self.language
    }

    /// `text (remark)`.
    pub(crate) fn aside(&self, text: &str, remark: &str) -> String {
        fill(self.aside, &[text, remark])
    }

    pub(crate) fn severity(&self, severity: Severity) -> &'static str {
        match severity {
            Severity::Info => self.info,
            Severity::Warning => self.warning,
            Severity::Critical => self.critical,
        }
    }

    pub(crate) fn incident_status(&self, status: IncidentStatus) -> &'static str {
        match status {
            IncidentStatus::Open => self.open,
            IncidentStatus::Acknowledged => self.acknowledged,
            IncidentStatus::Resolved => self.resolved,
        }
    }

    /// A tag before a markdown headline.
    pub(crate) fn in_brackets(&self, tag: &str) -> String {
        fill(self.brackets, &[tag])
    }

    /// The word for a label or annotation; its own name when there is none.
    pub(crate) fn fact<'a>(&self, name: &'a str) -> &'a str {
        let found = self.facts.iter().find(|(key, _)| *key == name);
        found.map_or(name, |(_, word)| *word)
    }
}

pub(crate) fn words(language: Language) -> &'static Words {
    match language {
        Language::En => &ENGLISH,
        Language::Zh => &CHINESE,
    }
}

static ENGLISH: Words = Words {
    language: Language::En,
    aside: "{} ({})",
    brackets: "**{}**",
    info: "Info",
    warning: "Warning",
    critical: "Critical",
    still_open: "{}, still open",
    resolved: "Resolved",
    test: "Test",
    open: "Open",
    acknowledged: "Acknowledged",
    since: "Since",
    ago: "{} ago",
    lasted: "Lasted",
    status: "Status",
    place: "Where",
    suspects: "Suspect",
    more: "and {} more",
    step: "Step",
    step_of: "{} of {}",
    told: "Told",
    acknowledge: "I have it",
    details: "Details",
    keys: "Press 4 to take it, 6 to wake the next one.",
    colon: ": ",
    comma: ", ",
    facts: &[
        ("value", "Value"),
        ("threshold", "Threshold"),
        ("window", "Window"),
        ("calls", "Calls"),
        ("failed", "Failed"),
    ],
};

static CHINESE: Words = Words {
    language: Language::Zh,
    aside: "{}（{}）",
    brackets: "【{}】",
    info: "提示",
    warning: "警告",
    critical: "严重",
    still_open: "{}，仍未恢复",
    resolved: "已恢复",
    test: "测试",
    open: "待处理",
    acknowledged: "已认领",
    since: "开始时间",
    ago: "{}前",
    lasted: "持续",
    status: "状态",
    place: "位置",
    suspects: "疑点",
    more: "另有 {} 条",
    step: "升级步骤",
    step_of: "第 {} 步，共 {} 步",
    told: "已通知",
    acknowledge: "我来处理",
    details: "查看详情",
    keys: "认领请按 4，叫醒下一位请按 6。",
    colon: "：",
    comma: "，",
    facts: &[
        ("value", "当前值"),
        ("threshold", "阈值"),
        ("window", "时间窗"),
        ("calls", "调用数"),
        ("failed", "失败数"),
        ("unit", "单元"),
        ("zone", "机房"),
        ("version", "版本"),
        ("alias", "别名"),
        ("instance", "实例"),
        ("region", "地域"),
    ],
};

/// Puts `parts` in the places of `{}`, in order.
pub(crate) fn fill(word: &str, parts: &[&str]) -> String {
    let mut parts = parts.iter();
    let mut pieces = word.split("{}");
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        text.push_str(parts.next().copied().unwrap_or_default());
        text.push_str(piece);
    }
    text
}
