//! The page's own words; facts share theirs with the messages.

use super::Notice;
use crate::delivery::Language;

pub(super) struct PageWords {
    pub(super) language: &'static str,
    pub(super) i_have_it: &'static str,
    pub(super) i_take_over: &'static str,
    pub(super) wake_next: &'static str,
    pub(super) wake: &'static str,
    pub(super) false_alarm: &'static str,
    pub(super) false_alarm_sure: &'static str,
    pub(super) false_alarm_yes: &'static str,
    pub(super) more_acts: &'static str,
    pub(super) snooze: &'static str,
    pub(super) fixed: &'static str,
    pub(super) note: &'static str,
    pub(super) note_add: &'static str,
    pub(super) code: &'static str,
    pub(super) code_open: &'static str,
    pub(super) nobody_yet: &'static str,
    pub(super) has_it: &'static str,
    pub(super) who: &'static str,
    pub(super) made_for: &'static str,
    pub(super) timeline: &'static str,
    pub(super) alerts: &'static str,
    pub(super) page: &'static str,
    pub(super) rampart: &'static str,
    notices: [&'static str; 14],
}

impl PageWords {
    pub(super) fn notice(&self, notice: Notice) -> &'static str {
        self.notices[notice as usize]
    }
}

pub(super) fn page_words(language: Language) -> &'static PageWords {
    match language {
        Language::En => &ENGLISH,
        Language::Zh => &CHINESE,
    }
}

static ENGLISH: PageWords = PageWords {
    language: "en",
    i_have_it: "I have it",
    i_take_over: "I take over",
    wake_next: "Wake the next person",
    wake: "Wake {}",
    false_alarm: "It is a false alarm",
    false_alarm_sure: "This closes the incident and keeps this alert quiet until it has recovered.",
    false_alarm_yes: "Yes, false alarm",
    more_acts: "More",
    snooze: "Quiet for 30 minutes",
    fixed: "It is fixed, close it",
    note: "What did you see or do?",
    note_add: "Add to the timeline",
    code: "Code from the text message",
    code_open: "Open",
    nobody_yet: "nobody yet",
    has_it: "{}, since {}",
    who: "Who has it",
    made_for: "This link was made for {}.",
    timeline: "What happened",
    alerts: "Alerts",
    page: "All details",
    rampart: "Rampart",
    notices: [
        "This link has expired. Open the newest message, or sign in to the web page.",
        "This link is damaged or incomplete. Open it from the message itself.",
        "This incident is no longer known here.",
        "You have it. Nobody else will be woken.",
        "The next person is being told.",
        "There is nobody left to wake: everybody on the list has been told.",
        "Noted as a false alarm. It stays quiet until it has recovered.",
        "This code opens nothing. Look at the newest message; a code is good for two days.",
        "Too many wrong codes. Wait ten minutes, or open the link in the chat.",
        "You have it. It rings again in 30 minutes unless it is resolved.",
        "Closed. What still fires stays quiet until it has recovered.",
        "Your note stands on the timeline.",
        "It has already resolved. Nothing to do.",
        "That could not be recorded. Press the button again; if it fails again, call the next person.",
    ],
};

static CHINESE: PageWords = PageWords {
    language: "zh-CN",
    i_have_it: "我来处理",
    i_take_over: "我来接手",
    wake_next: "叫醒下一位",
    wake: "叫醒 {}",
    false_alarm: "这是误报",
    false_alarm_sure: "故障将被关闭，这条告警在恢复之前不再打扰任何人。",
    false_alarm_yes: "确认误报",
    more_acts: "更多",
    snooze: "30 分钟内不再提醒",
    fixed: "已修复，关闭故障",
    note: "你看到或做了什么？",
    note_add: "写入经过",
    code: "短信中的代码",
    code_open: "打开",
    nobody_yet: "还没有人",
    has_it: "{}，{} 起",
    who: "处理人",
    made_for: "此链接发给 {}。",
    timeline: "经过",
    alerts: "告警",
    page: "查看全部详情",
    rampart: "Rampart 护栏",
    notices: [
        "链接已过期。请打开最新的消息，或登录网页。",
        "链接不完整或已损坏。请从消息中直接打开。",
        "这里已没有这个故障的记录。",
        "已由你处理，不会再叫醒其他人。",
        "正在通知下一位。",
        "没有可以再叫的人：名单上的人都已通知。",
        "已记为误报，恢复之前不再打扰。",
        "此代码无效。请查看最新的短信；代码两天内有效。",
        "错误的代码过多。请等十分钟，或打开群里的链接。",
        "已由你处理。30 分钟后若未恢复会再次提醒。",
        "已关闭。仍在触发的告警在恢复之前不再打扰。",
        "已写入经过。",
        "故障已经恢复，无需处理。",
        "没有记录成功。请再按一次；若仍失败，请直接打电话给下一位。",
    ],
};
