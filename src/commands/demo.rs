//! `rampart demo`: the real server beside a small function platform, and the story of its faults.

use std::path::PathBuf;
use std::time::Duration;

use model::SystemClock;

use super::{complain, serve, tell};
use crate::app::App;
use crate::args::{DemoArguments, LogFormat};
use crate::config::{Config, ConfigFiles, Overrides, Surroundings, TextFile};
use crate::exit::Exit;
use crate::reload::Origin;
use crate::surroundings;

/// Runs until interrupted, or for as long as was asked.
pub async fn run(arguments: DemoArguments) -> Exit {
    if std::env::var_os("RUST_LOG").is_some() {
        serve::start_log(LogFormat::Text, None);
    }
    let clock = SystemClock::shared();
    let stage = match demo::prepare().await {
        Ok(stage) => stage,
        Err(error) => return complain(&error.to_string(), Exit::Failed),
    };
    let files = files(&stage);
    let own_folder = arguments.data_dir.is_none();
    let data_dir = arguments.data_dir.clone().unwrap_or_else(temporary_folder);
    let overrides = Overrides {
        listen: Some(arguments.listen),
        data_dir: Some(data_dir.clone()),
        ..Overrides::default()
    };
    let around = Surroundings {
        variable: &surroundings::variable,
        secret_file: &surroundings::secret_file,
        now: clock.now(),
    };
    let config = match Config::parse(&files, &overrides, &around) {
        Ok((config, _)) => config,
        Err(problems) => return complain(&problems.to_string(), Exit::InvalidConfiguration),
    };
    let app = match App::start(
        config,
        Origin {
            files,
            overrides,
            ..Origin::default()
        },
        clock,
    )
    .await
    {
        Ok(app) => app,
        Err(error) => return complain(&error.to_string(), Exit::Failed),
    };
    serve::announce(&app);
    tell(&format!(
        "Open {} in a browser: it shows what goes wrong, who is told and when. Rampart's own pages are on http://{}/",
        stage.page_url(),
        app.address()
    ));
    let options = demo::Options {
        rampart_url: format!("http://{}", app.address()),
        out: Box::new(std::io::stdout()),
        seed: arguments.seed,
        stop: Box::pin(stopped(arguments.stop_after)),
    };
    let told = stage.run(options).await;
    app.stop().await;
    if own_folder && let Err(error) = std::fs::remove_dir_all(&data_dir) {
        tell(&format!(
            "the demo's folder {} could not be removed: {error}",
            data_dir.display()
        ));
    }
    match told {
        Ok(()) => Exit::Fine,
        Err(error) => complain(&error.to_string(), Exit::Failed),
    }
}

fn files(stage: &demo::Stage) -> ConfigFiles {
    let texts = stage.configuration();
    let file = |name: &str, text: String| TextFile {
        name: format!("demo/{name}"),
        text,
    };
    ConfigFiles {
        main: Some(file("rampart.yaml", texts.main)),
        rules: vec![file("rules.yaml", texts.rules)],
        alerting: Some(file("alerting.yaml", texts.alerting)),
    }
}

fn temporary_folder() -> PathBuf {
    std::env::temp_dir().join(format!("rampart-demo-{}", std::process::id()))
}

async fn stopped(after: Option<Duration>) {
    let timer = async {
        match after {
            Some(after) => tokio::time::sleep(after).await,
            None => std::future::pending().await,
        }
    };
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = timer => {}
        () = terminate => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
