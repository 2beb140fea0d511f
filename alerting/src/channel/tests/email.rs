//! Mail: both parts, headers that thread and collapse, injection, every way a server can refuse.

use fakes::{Smtp, SmtpBehaviour, Stage};

use super::*;

async fn sink(more: &str) -> (Smtp, Channel) {
    let fake = Smtp::start().await.unwrap();
    let channel = channel_of(&fake, more);
    (fake, channel)
}

fn channel_of(fake: &Smtp, more: &str) -> Channel {
    read(&format!(
        "email: {{host: 127.0.0.1, port: {}, tls: none, from: 'Rampart 护栏 <rampart@example.com>', \
         time_zone: Asia/Shanghai{more}}}",
        fake.address().port()
    ))
}

fn to_person(mut delivery: Delivery) -> Delivery {
    delivery.recipient.person = Some(sample::person("first", "第一 \"值班\"", "13800000001"));
    delivery
}

#[tokio::test]
async fn a_mail_has_text_and_html_and_reaches_the_person() {
    let (fake, channel) = sink("").await;
    assert_eq!(
        channel.needs_address(),
        Some(crate::delivery::AddressKind::Email)
    );
    let attempt = send(
        &channel,
        &to_person(delivery(MessageKind::Firing, Language::Zh)),
    )
    .await;
    let Attempt::Accepted { provider_id, .. } = &attempt else {
        panic!("{attempt:?}");
    };
    assert_eq!(provider_id.as_deref(), Some("2.0.0 queued as fake-1"));
    let mail = fake.mails().pop().unwrap();
    assert_eq!(
        (mail.from.as_str(), mail.to.as_slice()),
        ("rampart@example.com", &["first@example.com".to_owned()][..])
    );
    assert_eq!(
        mail.header("Subject"),
        Some("【严重】guide/wow-video-feed：SuccessRateLow")
    );
    assert_eq!(mail.header("Auto-Submitted"), Some("auto-generated"));
    assert!(
        mail.header("From").unwrap().contains("Rampart 护栏"),
        "{:?}",
        mail.header("From")
    );
    assert!(
        mail.header("To").unwrap().contains("第一"),
        "{:?}",
        mail.header("To")
    );
    let text = mail.part("text/plain").unwrap();
    assert!(
        text.contains("开始时间：2026-11-11 02:10:00 +08:00"),
        "{text}"
    );
    assert!(
        text.contains("我来处理： https://rampart.example.com/guard/a/token"),
        "{text}"
    );
    let html = mail.part("text/html").unwrap();
    assert!(
        html.contains("<a href=\"https://rampart.example.com/guard/a/token\""),
        "{html}"
    );
    assert!(mail.raw.is_ascii() && mail.raw.lines().all(|line| line.len() <= 998));
}

#[tokio::test]
async fn repeated_attempts_collapse_and_an_incident_is_one_thread() {
    let (fake, channel) = sink(", to: [team@example.com, lead@example.com]").await;
    assert_eq!(channel.needs_address(), None);
    let firing = delivery(MessageKind::Firing, Language::En);
    let mut resolved = delivery(MessageKind::Resolved, Language::En);
    resolved.key = "k3x9/resolved/team".to_owned();
    for delivery in [&firing, &firing, &resolved] {
        assert_accepted(&send(&channel, delivery).await);
    }
    let mails = fake.mails();
    let header = |index: usize, name: &str| mails[index].header(name).unwrap().to_owned();
    assert_eq!(header(0, "Message-ID"), header(1, "Message-ID"));
    assert_ne!(header(0, "Message-ID"), header(2, "Message-ID"));
    assert!(header(0, "Message-ID").ends_with("@example.com>"));
    assert_eq!(header(0, "In-Reply-To"), header(2, "In-Reply-To"));
    assert_eq!(header(0, "References"), header(0, "In-Reply-To"));
    assert_eq!(mails[0].to, ["team@example.com", "lead@example.com"]);
}

#[tokio::test]
async fn nothing_foreign_becomes_a_header() {
    let (fake, channel) = sink("").await;
    let attack = "x\r\nBcc: evil@example.com\r\n\r\n.\r\nMAIL FROM:<a@b>";
    let mut hostile = to_person(delivery(MessageKind::Firing, Language::En));
    hostile.key = attack.to_owned();
    hostile.incident.id = attack.to_owned();
    hostile.incident.title = attack.to_owned();
    hostile.incident.note = Some(attack.to_owned());
    hostile.recipient.person.as_mut().unwrap().name = attack.to_owned();
    assert_accepted(&send(&channel, &hostile).await);
    let mail = fake.mails().pop().unwrap();
    assert_eq!(mail.header("Bcc"), None);
    assert_eq!(mail.to, ["first@example.com"]);
    assert!(
        mail.header("Subject")
            .unwrap()
            .contains("x Bcc: evil@example.com . MAIL")
    );
    assert!(
        mail.part("text/plain")
            .unwrap()
            .contains("Bcc: evil@example.com")
    );
}

#[tokio::test]
async fn addresses_that_are_none_are_refused_for_good() {
    let (fake, channel) = sink("").await;
    for (address, part) in [
        ("first@example.com\r\nRCPT TO:<evil@example.com>", "first"),
        ("a b", "first"),
        ("", "first"),
    ] {
        let mut bad = to_person(delivery(MessageKind::Firing, Language::En));
        bad.recipient.person.as_mut().unwrap().email = Some(address.to_owned());
        assert_refused(&send(&channel, &bad).await, Retry::Never, part);
    }
    assert_refused(
        &send_firing(&channel).await,
        Retry::Never,
        "no `to` is configured",
    );
    assert_eq!(fake.count(), 0);
}

#[tokio::test]
async fn transient_refusals_come_back_and_permanent_ones_do_not() {
    let (fake, channel) = sink(", to: team@example.com").await;
    for stage in [
        Stage::Greeting,
        Stage::Mail,
        Stage::Recipient,
        Stage::Data,
        Stage::Body,
    ] {
        for (line, wanted, part) in [
            ("451 4.7.1 try later", Retry::Backoff, "451"),
            ("554 5.7.1 not here", Retry::Never, "554"),
        ] {
            fake.behave_next([SmtpBehaviour::Refuse(stage, line.to_owned())]);
            assert_refused(&send_firing(&channel).await, wanted, part);
        }
    }
    assert_eq!(fake.count(), 0);
}

#[tokio::test]
async fn what_breaks_before_the_mail_is_refused_and_after_it_unknown() {
    let (fake, channel) = sink(", to: team@example.com, deadline: 2s").await;
    for stage in [Stage::Greeting, Stage::Mail, Stage::Data] {
        fake.behave_next([SmtpBehaviour::Drop(stage)]);
        assert_refused(&send_firing(&channel).await, Retry::Backoff, "");
    }
    fake.behave_next([SmtpBehaviour::Hang(Stage::Mail)]);
    assert_refused(&send_firing(&channel).await, Retry::Backoff, "in time");
    fake.behave_next([
        SmtpBehaviour::Drop(Stage::Body),
        SmtpBehaviour::Hang(Stage::Body),
    ]);
    assert_unknown(&send_firing(&channel).await);
    assert_unknown(&send_firing(&channel).await);
    assert_eq!(fake.count(), 2);
    let port = closed_port().await;
    let nobody = read(&format!(
        "email: {{host: 127.0.0.1, port: {port}, tls: none, from: a@example.com, to: b@example.com}}"
    ));
    assert_refused(&send_firing(&nobody).await, Retry::Backoff, "");
}

#[tokio::test]
async fn logging_in_works_and_a_wrong_password_is_said_to_be_one() {
    let fake = Smtp::start_with_login("rampart", "s3cret").await.unwrap();
    let channel = channel_of(
        &fake,
        ", to: t@example.com, user: rampart, password: s3cret",
    );
    assert_accepted(&send_firing(&channel).await);
    let wrong = channel_of(&fake, ", to: t@example.com, user: rampart, password: wr0ng");
    let attempt = send_firing(&wrong).await;
    assert_refused(&attempt, Retry::Never, "check `user` and `password`");
    assert!(!format!("{attempt:?} {wrong:?}").contains("wr0ng"));
    let anonymous = channel_of(&fake, ", to: t@example.com");
    assert_refused(&send_firing(&anonymous).await, Retry::Never, "530");
}

#[tokio::test]
async fn a_server_without_starttls_gets_no_mail_in_the_clear() {
    let fake = Smtp::start().await.unwrap();
    let channel = read(&format!(
        "email: {{host: 127.0.0.1, port: {}, tls: starttls, from: a@example.com, to: b@example.com}}",
        fake.address().port()
    ));
    assert_refused(&send_firing(&channel).await, Retry::Never, "STARTTLS");
    assert_eq!(fake.count(), 0);
}
