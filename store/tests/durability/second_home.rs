//! Closed hours in a second home: rows are visible exactly once wherever they are, whatever fails on the way,
//! and no object is left that nothing needs.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::stream::BoxStream;
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use model::ManualClock;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt as _, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use store::fs::{DiskFs, Fs};
use store::upkeep::{self, Remedy};
use store::{
    Batch, LogLine, LogRows, MoveError, Options, QueryLimits, Retention, SecondHome, Store, Table,
};

use crate::random::Random;
use crate::rows::{Census, NOW, batch, census};
use crate::sim::{Bug, SimFs};
use crate::store::{clock, open_disk, open_sim_with, options, run};

const HOUR: Duration = Duration::from_secs(3600);
const KEEP_LOCAL: Duration = Duration::from_secs(6 * 3600);

/// An object store in memory; of every hundred requests some fail.
#[derive(Debug, Default)]
struct Flaky {
    objects: InMemory,
    fails_percent: AtomicU64,
    state: AtomicU64,
}

impl Flaky {
    fn answer(&self) -> Result<()> {
        let turn = self.state.fetch_add(1, Ordering::SeqCst);
        if Random::new(turn).below(100) < self.fails_percent.load(Ordering::SeqCst) {
            return Err(object_store::Error::Generic {
                store: "flaky",
                source: "refused".into(),
            });
        }
        Ok(())
    }

    async fn names(&self) -> BTreeSet<String> {
        let listed: Vec<ObjectMeta> = self.objects.list(None).try_collect().await.unwrap();
        listed
            .into_iter()
            .map(|object| object.location.to_string())
            .collect()
    }
}

impl fmt::Display for Flaky {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("flaky")
    }
}

type Later<'a, T> = futures_util::future::BoxFuture<'a, Result<T>>;

// What `async_trait` would write.
impl ObjectStore for Flaky {
    fn put_opts<'a, 'b, 'c>(
        &'a self,
        location: &'b Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Later<'c, PutResult>
    where
        'a: 'c,
        'b: 'c,
    {
        async move {
            self.answer()?;
            let put = self.objects.put_opts(location, payload, options).await;
            // The object is there, and the answer is lost.
            self.answer().and(put)
        }
        .boxed()
    }

    fn put_multipart_opts<'a, 'b, 'c>(
        &'a self,
        location: &'b Path,
        options: PutMultipartOptions,
    ) -> Later<'c, Box<dyn MultipartUpload>>
    where
        'a: 'c,
        'b: 'c,
    {
        async move {
            self.answer()?;
            self.objects.put_multipart_opts(location, options).await
        }
        .boxed()
    }

    fn get_opts<'a, 'b, 'c>(
        &'a self,
        location: &'b Path,
        options: GetOptions,
    ) -> Later<'c, GetResult>
    where
        'a: 'c,
        'b: 'c,
    {
        async move {
            self.answer()?;
            self.objects.get_opts(location, options).await
        }
        .boxed()
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        match self.answer() {
            Ok(()) => self.objects.delete_stream(locations),
            Err(error) => futures_util::stream::once(async { Err(error) }).boxed(),
        }
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.objects.list(prefix)
    }

    fn list_with_delimiter<'a, 'b, 'c>(&'a self, prefix: Option<&'b Path>) -> Later<'c, ListResult>
    where
        'a: 'c,
        'b: 'c,
    {
        self.objects.list_with_delimiter(prefix)
    }

    fn copy_opts<'a, 'b, 'd, 'c>(
        &'a self,
        from: &'b Path,
        to: &'d Path,
        options: CopyOptions,
    ) -> Later<'c, ()>
    where
        'a: 'c,
        'b: 'c,
        'd: 'c,
    {
        self.objects.copy_opts(from, to, options)
    }
}

fn home(objects: &Arc<Flaky>) -> SecondHome {
    let store: Arc<dyn ObjectStore> = Arc::<Flaky>::clone(objects);
    // What moves by itself would not wait for the test.
    SecondHome::over(store, "guard/a", KEEP_LOCAL, "memory").on_request()
}

fn with_home(objects: &Arc<Flaky>, options: Options) -> Options {
    Options {
        second_home: Some(home(objects)),
        ..options
    }
}

async fn count(store: &Store) -> String {
    let answer = store
        .query(
            "select count(*), count(distinct request_id) from invocations",
            &QueryLimits::default(),
        )
        .await
        .unwrap();
    let table = arrow::util::pretty::pretty_format_batches(&answer.batches).unwrap();
    table.to_string().lines().nth(3).unwrap().to_owned()
}

fn parquet_below(directory: &FilePath) -> usize {
    std::fs::read_dir(directory).map_or(0, |entries| {
        let entries = entries.map(|entry| entry.unwrap().path());
        entries
            .map(|path| {
                if path.is_dir() {
                    return parquet_below(&path);
                }
                usize::from(path.extension().is_some_and(|it| it == "parquet"))
            })
            .sum()
    })
}

/// As often as it takes to merge every hour of every table.
async fn tidy(store: &Store) {
    for _ in 0..4 {
        store.tidy().await.unwrap();
    }
}

/// Three hours of rows, each in one merged file, on a real disk.
async fn three_hours(options: Options, clock: &Arc<ManualClock>) -> Store {
    let store = open_disk(options, clock).await;
    for hour in 0..3 {
        for number in 0..2 {
            let batch = batch(hour, number, 100, model::Clock::now(clock.as_ref()));
            store.commit(batch).await.unwrap();
            store.flush().await.unwrap();
        }
        clock.advance(HOUR);
    }
    clock.advance(HOUR + HOUR);
    tidy(&store).await;
    assert_eq!(store.snapshot().files_of(Table::Invocations).len(), 3);
    store
}

#[test]
fn closed_hours_move_and_queries_follow_them() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let objects = Arc::<Flaky>::default();
        let clock = clock();
        let options = with_home(&objects, options(directory.path()));
        let store = three_hours(options.clone(), &clock).await;
        let local = parquet_below(directory.path());
        let before = count(&store).await;
        assert!(before.contains("600"), "{before}");

        let moved = store.move_closed_hours().await.unwrap();
        assert_eq!(moved.files as usize, local);
        assert_eq!(moved.left_local, 0, "an hour stays for a while");
        assert_eq!(objects.names().await.len(), local);
        let name = objects.names().await.pop_first().unwrap();
        assert!(name.starts_with("guard/a/tables/invocations/dt="), "{name}");
        assert_eq!(count(&store).await, before);

        clock.advance(KEEP_LOCAL);
        let held = store.snapshot();
        let moved = store.move_closed_hours().await.unwrap();
        let minutes = store.snapshot().files_of(Table::Minutes).len();
        assert_eq!(
            (moved.files, moved.left_local as usize),
            (0, local - minutes)
        );
        store.tidy().await.unwrap();
        assert_eq!(
            parquet_below(directory.path()),
            local,
            "somebody reads them"
        );
        drop(held);
        store.tidy().await.unwrap();
        assert_eq!(
            parquet_below(directory.path()),
            minutes,
            "baselines need them"
        );
        assert_eq!(count(&store).await, before);
        let stats = store.stats().second_home.unwrap();
        assert_eq!(
            (stats.files, stats.away_files),
            (local as u64, (local - minutes) as u64)
        );
        assert_eq!((stats.leaving, stats.failure), (0, None));
        store.close().await;

        let store = open_disk(options.clone(), &clock).await;
        assert_eq!(store.stats().found.missing, 0);
        assert_eq!(count(&store).await, before);
        clock.advance(options.retention.minutes);
        store.tidy().await.unwrap();
        store.move_closed_hours().await.unwrap();
        assert!(
            objects.names().await.is_empty(),
            "retention holds there too"
        );
        store.close().await;
    });
}

#[test]
fn an_hour_that_changes_moves_again_and_leaves_no_object_behind() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let objects = Arc::<Flaky>::default();
        let clock = clock();
        let store = three_hours(with_home(&objects, options(directory.path())), &clock).await;
        store.move_closed_hours().await.unwrap();
        let before = objects.names().await;
        store.commit(batch(7, 0, 50, NOW)).await.unwrap();
        store.flush().await.unwrap();
        tidy(&store).await;
        store.move_closed_hours().await.unwrap();
        let after = objects.names().await;
        assert_eq!(after.len(), before.len());
        assert!(after.difference(&before).count() >= 3, "one of each table");
        assert!(count(&store).await.contains("650"));
        store.close().await;
    });
}

#[test]
fn a_home_that_is_away_changes_nothing_here() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let objects = Arc::<Flaky>::default();
        let clock = clock();
        let store = three_hours(with_home(&objects, options(directory.path())), &clock).await;
        objects.fails_percent.store(100, Ordering::SeqCst);
        for _ in 0..3 {
            let failed = store.move_closed_hours().await.unwrap_err();
            assert!(matches!(failed, MoveError::Home(_)), "{failed}");
        }
        let stats = store.stats().second_home.unwrap();
        assert_eq!(stats.files, 0);
        assert!(stats.failing_since.is_some());
        assert!(stats.failure.unwrap().contains("refused"));
        store.commit(batch(9, 0, 1, NOW)).await.unwrap();
        assert!(count(&store).await.contains("601"));
        objects.fails_percent.store(0, Ordering::SeqCst);
        store.move_closed_hours().await.unwrap();
        assert_eq!(store.stats().second_home.unwrap().failing_since, None);
        store.close().await;
    });
}

#[test]
fn who_forgets_to_name_the_home_is_told_so() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let objects = Arc::<Flaky>::default();
        let clock = clock();
        let store = three_hours(with_home(&objects, options(directory.path())), &clock).await;
        store.move_closed_hours().await.unwrap();
        clock.advance(KEEP_LOCAL);
        store.move_closed_hours().await.unwrap();
        store.close().await;

        let store = open_disk(options(directory.path()), &clock).await;
        let limits = QueryLimits::default();
        let refused = store.query("select count(*) from invocations", &limits);
        let refused = refused.await.unwrap_err().to_string();
        assert!(
            refused.contains("set store.object_store as it was"),
            "{refused}"
        );
        let later = "select count(*) from invocations where ts > '2026-11-16T00:00:00Z'";
        assert!(store.query(later, &limits).await.is_ok());
        assert!(store.stats().second_home.unwrap().away_files > 0);
        store.close().await;
    });
}

#[test]
fn damage_does_not_move_and_a_second_place_makes_good_for_it() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let objects = Arc::<Flaky>::default();
        let clock = clock();
        let options = with_home(&objects, options(directory.path()));
        let store = three_hours(options.clone(), &clock).await;
        let files = store.snapshot().files_of(Table::Invocations).to_vec();
        flip(&files[0].path);
        let moved = store.move_closed_hours().await.unwrap();
        assert!(moved.files > 0);
        assert!(count(&store).await.contains("400"), "its rows are damaged");
        store.tidy().await.unwrap();
        store.move_closed_hours().await.unwrap();
        let stats = store.stats().second_home.unwrap();
        assert_eq!(objects.names().await.len() as u64, stats.files);
        store.close().await;

        flip(&files[1].path);
        std::fs::remove_file(&files[2].path).unwrap();
        let fs: Arc<dyn Fs> = Arc::new(DiskFs);
        let found = upkeep::verify(fs.as_ref(), directory.path()).unwrap();
        let lost: Vec<_> = found.findings.iter().filter(|it| !it.harmless).collect();
        assert_eq!(lost.len(), 2, "{lost:?}");
        for finding in lost {
            assert!(finding.lost.contains("the second home has it"), "{finding}");
            assert!(matches!(
                finding.remedy,
                Remedy::Quarantine | Remedy::Forget
            ));
        }
        let repaired = upkeep::repair(&fs, directory.path(), false).unwrap();
        assert_eq!(repaired.left, []);
        let store = open_disk(options, &clock).await;
        assert!(
            count(&store).await.contains("400"),
            "read from the second home"
        );
        assert_eq!(store.stats().second_home.unwrap().away_files, 2);
        store.close().await;
    });
}

fn flip(path: &FilePath) {
    let mut content = std::fs::read(path).unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 1;
    std::fs::write(path, content).unwrap();
}

#[test]
fn a_backup_does_not_count_on_the_originals_objects() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let objects = Arc::<Flaky>::default();
        let clock = clock();
        let store = three_hours(
            with_home(&objects, options(directory.path().join("a/store"))),
            &clock,
        )
        .await;
        store.move_closed_hours().await.unwrap();
        store.close().await;
        let fs: Arc<dyn Fs> = Arc::new(DiskFs);
        let (from, to) = (directory.path().join("a/store"), directory.path().join("b"));
        let backup = upkeep::Backup::begin(&fs, &from, &to).unwrap();
        backup.finish(model::Clock::now(clock.as_ref())).unwrap();
        let back = directory.path().join("c");
        upkeep::restore(fs.as_ref(), &to, &back).unwrap();
        let store = open_disk(options(back.join("store")), &clock).await;
        assert!(count(&store).await.contains("600"));
        assert_eq!(store.stats().second_home, None);
        store.close().await;
    });
}

#[test]
fn a_large_file_arrives_whole() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let objects = Arc::<Flaky>::default();
        let clock = clock();
        let store = open_disk(with_home(&objects, options(directory.path())), &clock).await;
        let mut random = Random::new(1);
        let mut logs = LogRows::new();
        for _ in 0..10_000 {
            let words: Vec<String> = (0..128).map(|_| format!("{:x}", random.next())).collect();
            logs.push(&LogLine {
                ts: NOW,
                namespace: "guide",
                function: "feed",
                request_id: "r",
                message: &words.concat(),
                ..LogLine::default()
            });
        }
        let logs = Some(logs.finish());
        store
            .commit(Batch {
                logs,
                ..Batch::default()
            })
            .await
            .unwrap();
        store.flush().await.unwrap();
        clock.advance(3 * HOUR);
        store.move_closed_hours().await.unwrap();
        let file = store.snapshot().files_of(Table::Logs)[0].clone();
        assert!(
            file.bytes > 9 << 20,
            "{} bytes are no two parts",
            file.bytes
        );
        let name = objects.names().await.pop_last().unwrap();
        let object = objects.objects.get(&Path::from(name)).await.unwrap();
        let there = object.bytes().await.unwrap();
        assert!(there == std::fs::read(&file.path).unwrap());
        store.close().await;
    });
}

/// Everything a snapshot shows, wherever it is.
async fn everywhere(fs: &SimFs, objects: &Flaky, store: &Store) -> Census {
    let snapshot = store.snapshot();
    let gathered = fs.copy();
    for table in Table::ALL {
        for file in snapshot.files_of(table) {
            if let Some(away) = &file.away {
                let object = Path::from(format!("guard/a/{away}"));
                let object = objects.objects.get(&object).await.unwrap();
                write(&gathered, &file.path, &object.bytes().await.unwrap());
            }
        }
    }
    census(&gathered, &snapshot)
}

fn write(fs: &SimFs, path: &FilePath, content: &[u8]) {
    let mut above: Vec<_> = path.ancestors().skip(1).collect();
    above.reverse();
    for directory in above {
        let _ = fs.create_dir(directory);
    }
    let _ = fs.remove(path);
    fs.create(path).unwrap().write(content).unwrap();
}

/// A life with losses of power and refusals of the home; gives how many objects came to be.
async fn live(seed: u64) -> usize {
    let mut random = Random::new(seed);
    let fs = SimFs::new(Bug::None);
    let objects = Arc::<Flaky>::default();
    objects.state.store(seed << 20, Ordering::SeqCst);
    let clock = clock();
    let days = Duration::from_secs(30 * 3600);
    let options = Options {
        retention: Retention {
            invocations: days,
            logs: days,
            samples: days,
            ..Retention::default()
        },
        ..with_home(&objects, options("/data"))
    };
    let mut sent = std::collections::BTreeMap::new();
    let mut number = 0;
    for _ in 0..5 {
        objects
            .fails_percent
            .store([0, 20, 60][random.below(3) as usize], Ordering::SeqCst);
        let Ok(store) = open_sim_with(&fs, &clock, options.clone()).await else {
            fs.lose_power(&mut random);
            continue;
        };
        fs.power_off_after(40 + random.below(400));
        for _ in 0..random.below(40) {
            match random.below(8) {
                0 | 1 => drop(store.flush().await),
                2 => drop(store.tidy().await),
                3 => clock.advance(Duration::from_secs(random.below(3 * 3600))),
                4 | 5 => drop(store.move_closed_hours().await),
                _ => {
                    let at = model::Clock::now(clock.as_ref());
                    let rows = 1 + random.below(9) as usize;
                    let told = store.commit(batch(0, number, rows, at)).await;
                    sent.insert(number, (rows, told.is_ok(), at));
                    number += 1;
                }
            }
        }
        store.close().await;
        fs.lose_power(&mut random);
    }
    objects.fails_percent.store(0, Ordering::SeqCst);
    let store = open_sim_with(&fs, &clock, options).await.unwrap();
    let now = model::Clock::now(clock.as_ref());
    let census = everywhere(&fs, &objects, &store).await;
    assert_eq!(census.twice, Vec::<String>::new());
    for (number, (rows, acknowledged, at)) in sent {
        let found = census.invocations.get(&crate::rows::name(0, number));
        let may_be_gone = !acknowledged || at + days < now;
        assert!(
            found == Some(&rows) || (found.is_none() && may_be_gone),
            "batch {number} of {rows} rows: {found:?}"
        );
    }
    store.flush().await.unwrap();
    clock.advance(3 * HOUR);
    store.tidy().await.unwrap();
    store.move_closed_hours().await.unwrap();
    store.tidy().await.unwrap();
    store.move_closed_hours().await.unwrap();
    let stats = store.stats().second_home.unwrap();
    let there = objects.names().await.len();
    assert_eq!((stats.files, stats.leaving), (there as u64, 0));
    store.close().await;
    there
}

#[test]
fn no_loss_of_power_or_refusal_loses_a_row_or_leaves_an_object() {
    let seeds = if crate::soaks() { 0..2_000 } else { 0..60 };
    let mut objects = 0;
    for seed in seeds {
        println!("seed {seed}");
        objects += run(live(seed));
    }
    assert!(objects > 60, "hardly anything moved: {objects}");
}
