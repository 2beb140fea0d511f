//! `rampart loadtest serve-null` and `serve-model`: targets of known behaviour.

use std::net::SocketAddr;
use std::sync::Arc;

use ::model::{Ratio, parse_duration};
use loadtest::engine::{RunClock, Stop};
use loadtest::plan::Arrivals;
use loadtest::serve::model::{self, Leak, ModelPlan, ServiceTime, Shed, Stall};
use loadtest::serve::{ServeError, null};

use crate::args::{ServeModelArguments, ServeNullArguments, ShedKind};
use crate::commands::{complain, tell};
use crate::exit::Exit;

/// Serves nothing, fast.
pub(super) async fn null(arguments: ServeNullArguments) -> Exit {
    serve(move |stop| null::run(arguments.listen, arguments.threads, stop, listening)).await
}

/// Serves as a pod of known capacity would.
pub(super) async fn model(arguments: ServeModelArguments) -> Exit {
    if let Some(rate) = arguments.capacity {
        tell(&format!(
            "looking for a pod that carries {:.0}/s",
            rate.get()
        ));
    }
    let plan = match plan(&arguments) {
        Ok(plan) => plan,
        Err(sentence) => return complain(&sentence, Exit::Usage),
    };
    let about = format!(
        "{} workers, {:.0} calls per second when all are always busy",
        plan.workers,
        plan.capacity()
    );
    let ready = move |address| {
        tell(&about);
        listening(address);
    };
    let listen = arguments.listen;
    serve(move |stop| model::run(listen, plan, RunClock::start(), stop, ready)).await
}

fn listening(address: SocketAddr) {
    tell(&format!("Listening on http://{address} address={address}"));
}

async fn serve(work: impl FnOnce(Arc<Stop>) -> Result<(), ServeError> + Send + 'static) -> Exit {
    let stop = Stop::new();
    let told = Arc::clone(&stop);
    let signals = tokio::spawn(async move {
        if crate::commands::interrupted().await.is_ok() {
            told.raise("interrupted");
        }
    });
    let done = tokio::task::spawn_blocking(move || work(stop)).await;
    signals.abort();
    match done {
        Ok(Ok(())) => Exit::Fine,
        Ok(Err(error)) => complain(&error.to_string(), Exit::Failed),
        Err(error) => complain(&format!("the server broke off: {error}"), Exit::Failed),
    }
}

fn plan(arguments: &ServeModelArguments) -> Result<ModelPlan, String> {
    let base = match arguments.capacity {
        Some(rate) => model::carrying(rate.get(), Arrivals::Poisson, 0.99, arguments.p99)
            .ok_or_else(|| {
                "no pod of this kind carries that rate within that latency; give --p99 more time"
                    .to_owned()
            })?,
        None => ModelPlan {
            workers: arguments.pool,
            service: service(&arguments.service)?,
            ..ModelPlan::default()
        },
    };
    Ok(ModelPlan {
        queue_max: arguments.queue,
        shed: match arguments.shed {
            ShedKind::Never => Shed::Never,
            ShedKind::Unavailable => Shed::Unavailable,
            ShedKind::TooManyRequests => Shed::TooManyRequests,
        },
        leak: arguments.leak.map(|percent| Leak::Time {
            percent_per_thousand: percent,
        }),
        stall: arguments.stall.as_deref().map(stall).transpose()?,
        fail_share: arguments.fail,
        seed: arguments.seed,
        log: arguments.log.clone(),
        ..base
    })
}

/// `10ms`, `exponential:10ms`, `bimodal:5ms,80ms,10%`.
fn service(text: &str) -> Result<ServiceTime, String> {
    let time =
        |text: &str| parse_duration(text.trim()).map_err(|error| format!("--service: {error}"));
    match text.split_once(':') {
        None => Ok(ServiceTime::Constant(time(text)?)),
        Some(("constant", mean)) => Ok(ServiceTime::Constant(time(mean)?)),
        Some(("exponential", mean)) => Ok(ServiceTime::Exponential { mean: time(mean)? }),
        Some(("bimodal", parts)) => match parts.split(',').collect::<Vec<_>>().as_slice() {
            [fast, slow, share] => Ok(ServiceTime::Bimodal {
                fast: time(fast)?,
                slow: time(slow)?,
                slow_share: Ratio::parse(share).map_err(|error| format!("--service: {error}"))?,
            }),
            _ => Err("--service bimodal is written bimodal:FAST,SLOW,SHARE, such as bimodal:5ms,80ms,10%".to_owned()),
        },
        Some((kind, _)) => Err(format!("--service knows constant, exponential and bimodal, not `{kind}`")),
    }
}

/// `30s,500ms`.
fn stall(text: &str) -> Result<Stall, String> {
    let (every, pause) = text
        .split_once(',')
        .ok_or("--stall is written EVERY,PAUSE, such as 30s,500ms")?;
    let time =
        |text: &str| parse_duration(text.trim()).map_err(|error| format!("--stall: {error}"));
    Ok(Stall {
        every: time(every)?,
        pause: time(pause)?,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn service_times_as_they_are_written() {
        let ms = Duration::from_millis;
        assert_eq!(service("10ms"), Ok(ServiceTime::Constant(ms(10))));
        assert_eq!(
            service("exponential:20ms"),
            Ok(ServiceTime::Exponential { mean: ms(20) })
        );
        let bimodal = service("bimodal:5ms, 80ms, 10%").unwrap();
        assert!((bimodal.mean_nanos() - 12.5e6).abs() < 1.0);
        for wrong in [
            "",
            "10",
            "pareto:10ms",
            "bimodal:5ms,80ms",
            "bimodal:5ms,80ms,200%",
        ] {
            assert!(service(wrong).is_err(), "{wrong}");
        }
        assert_eq!(
            stall("30s,500ms"),
            Ok(Stall {
                every: ms(30_000),
                pause: ms(500)
            })
        );
        assert!(stall("30s").is_err());
    }
}
