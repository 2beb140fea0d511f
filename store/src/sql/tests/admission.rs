//! Which texts are answered, and what is said of the others.

use proptest::prelude::*;

use super::*;

#[tokio::test]
async fn whatever_is_not_one_select_over_the_tables_is_refused() {
    let directory = TempDir::new().unwrap();
    let snapshot = snapshot(directory.path());
    let file = directory.path().join("a.parquet").display().to_string();
    let from_file = format!("select * from '{file}'");
    let external = format!("create external table x stored as parquet location '{file}'");
    let copied = format!("copy (select * from invocations) to '{file}.copy'");
    for sql in [
        "",
        ";",
        "select 1; select 2",
        "select 1; drop table invocations",
        "drop table invocations",
        "create table x as select * from invocations",
        "create view x as select * from invocations",
        "create or replace function f() returns int return 1",
        "insert into logs select * from logs",
        "insert into invocations values (1)",
        "update invocations set function = 'x'",
        "delete from invocations",
        "truncate table invocations",
        "merge into logs using logs as l on true when matched then delete",
        "with x as (delete from logs returning *) select * from x",
        "with x as (insert into logs select * from logs) select 1",
        "select * into x from invocations",
        "explain select * from invocations",
        "explain analyze select * from invocations",
        "describe invocations",
        "show tables",
        "show all",
        "set datafusion.execution.batch_size = 1",
        "reset datafusion.execution.batch_size",
        "begin",
        "prepare x as select 1",
        "execute x",
        "grant all on invocations to public",
        "use other",
        "analyze table invocations",
        "select * from information_schema.tables",
        "select * from datafusion.public.invocations",
        "select * from public.invocations",
        "select * from generate_series(1, 1000000000)",
        "select * from range(1, 10)",
        "select range(1, 1000000000000)",
        "select repeat('x', 2000000000)",
        "select lpad('x', 2000000000)",
        "select array_repeat(1, 2000000000)",
        "select * from read_csv('/etc/passwd')",
        "select * from '/etc/passwd'",
        "select * from 'http://127.0.0.1/x.parquet'",
        "with recursive x as (select 1 as n union all select n + 1 from x) select * from x",
        "select * from invocations for update",
        "select pg_read_file('/etc/passwd')",
        "select nonsense(1)",
        "select $1",
        "select @@version",
        "select * from lateral flatten(input => attrs)",
        from_file.as_str(),
        external.as_str(),
        copied.as_str(),
    ] {
        match ask(&snapshot, sql).await {
            Ok(rows) => panic!("{sql} was answered with {rows:?}"),
            Err(error) => {
                assert!(error.is_mistake(), "{sql}: {error}");
                assert!(
                    !matches!(error, QueryError::Deadline(_) | QueryError::Memory { .. }),
                    "{sql}: {error}"
                );
            }
        }
    }
    assert!(!directory.path().join("a.parquet.copy").exists());
}

#[tokio::test]
async fn long_and_deep_texts_are_refused_and_break_nothing() {
    let snapshot = Snapshot::default();
    let chain = |operator: &str| format!("select {}", vec!["1"; 9_000].join(operator));
    let nested = format!("select {}1{}", "(".repeat(5_000), ")".repeat(5_000));
    let negated = format!("select {}1", "- ".repeat(9_000));
    let not = format!("select {}true", "not ".repeat(9_000));
    let within = (0..200).fold("select 1".to_owned(), |inner, at| {
        format!("select * from ({inner}) as t{at}")
    });
    let joined = format!(
        "select 1 from logs {}",
        "cross join logs as l ".repeat(2_500)
    );
    let unions = vec!["select 1"; 5_000].join(" union all ");
    let cases = "case when true then ".repeat(3_000);
    for sql in [
        chain("+"),
        chain(" or "),
        chain("||"),
        nested,
        negated,
        not,
        within,
        joined,
        unions,
        cases,
    ] {
        let error = ask(&snapshot, &sql).await.unwrap_err();
        assert!(error.is_mistake(), "{} …: {error}", &sql[..40]);
    }
    let long = format!("select '{}'", "x".repeat(TEXT_BYTES_MAX));
    assert!(matches!(
        ask(&snapshot, &long).await,
        Err(QueryError::TooLong { .. })
    ));
    let fine = format!(
        "select count(*) from logs where level in ({})",
        vec!["'x'"; 5_000].join(",")
    );
    assert_eq!(ask(&snapshot, &fine).await.unwrap(), [json!([0])]);
}

#[tokio::test]
async fn mistakes_are_told_with_the_way_out() {
    let directory = TempDir::new().unwrap();
    let snapshot = snapshot(directory.path());
    for (sql, expected) in [
        (
            "select functoin from invocations",
            "there is no column \"functoin\", did you mean \"function\"?; the columns are ts, namespace",
        ),
        (
            "select * from invocation",
            "there is no table \"invocation\", did you mean \"invocations\"?; the tables are",
        ),
        (
            "select * from users",
            "there is no table \"users\"; the tables are invocations, logs, samples, minutes, loadtests and seconds",
        ),
        ("drop table logs", "DROP is not allowed; write one SELECT"),
        ("selec 1", "not valid SQL"),
        (
            "select sum(function) from invocations",
            "cannot be answered",
        ),
        (
            "select 1 from invocations a, invocations b, invocations c, invocations d, invocations e, invocations f",
            "joins every row with every row",
        ),
    ] {
        let error = ask(&snapshot, sql).await.unwrap_err().to_string();
        let plain = error.replace("\"?", "\"");
        assert!(
            plain.contains(&expected.replace("\"?", "\"")),
            "{sql}: {error}"
        );
    }
}

proptest! {
    #[test]
    fn any_text_is_admitted_or_refused(words in prop::collection::vec(prop::sample::select(vec![
        "select", "*", "from", "invocations", "logs", "where", "(", ")", ",", "with", "as", "x", "union", "all", "'a'", "\"", "'",
        "1", "=", "in", "and", "not", "case", "when", "end", "over", "[", "]", "insert", "into", ";", "--", "/*", "*/", "$1", "\u{0}",
        "é", "ts", "::", "interval", "join", "on", "lateral", "values", "group by", "pivot", "for", "explain", "copy", "{", "}",
    ]), 0..40)) {
        let text = words.join(" ");
        if let Ok((_, tables)) = guard::admit(&text) {
            prop_assert!(tables.len() <= 2, "{}", text);
        }
        let _ = guard::admit(&words.concat());
    }
}
