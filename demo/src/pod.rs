//! One pod of a function: a real HTTP server that answers any path after a service time, and a switch
//! that makes it fail.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use model::FunctionId;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::{Semaphore, watch};

use crate::DemoError;
use crate::listening::Listening;

/// Header of an answer: the pod's name.
pub const INSTANCE_HEADER: &str = "x-instance";
/// Header of an answer: `1` when this call started the pod.
pub const COLD_START_HEADER: &str = "x-cold-start";
/// Header of a failed answer: what went wrong, in one word.
pub const ERROR_TYPE_HEADER: &str = "x-error-type";

/// The most calls a pod works on at once; further ones get 503, as from a real pod.
const CALLS_IN_FLIGHT_MAX: usize = 1_024;

/// Who a pod is and how fast.
#[derive(Clone, Debug)]
pub struct PodOptions {
    /// The function it runs.
    pub function: FunctionId,
    /// The deployed version.
    pub version: String,
    /// The cell it belongs to.
    pub unit: String,
    /// The data centre.
    pub zone: String,
    /// Its own name.
    pub instance: String,
    /// How long calls take.
    pub service_time: ServiceTime,
    /// How much longer the first call takes.
    pub cold_start: Duration,
    /// Seed of service times and of which calls fail.
    pub seed: u64,
}

impl Default for PodOptions {
    fn default() -> Self {
        PodOptions {
            function: FunctionId {
                namespace: "demo".to_owned(),
                name: "hello".to_owned(),
            },
            version: "1".to_owned(),
            unit: "a".to_owned(),
            zone: "z-1".to_owned(),
            instance: "pod-1".to_owned(),
            service_time: ServiceTime::default(),
            cold_start: Duration::ZERO,
            seed: 1,
        }
    }
}

/// A log-normal distribution, which service times resemble: most near the median, few much longer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ServiceTime {
    /// Half of the calls take less.
    pub median: Duration,
    /// Standard deviation of the logarithm; 0 makes all calls alike.
    pub spread: f64,
}

impl Default for ServiceTime {
    fn default() -> Self {
        ServiceTime {
            median: Duration::from_millis(5),
            spread: 0.3,
        }
    }
}

impl ServiceTime {
    /// The longest a call takes, whatever the draw.
    const TIMES_MEDIAN_MAX: f64 = 20.0;

    /// One draw.
    pub fn sample(&self, rng: &mut impl Rng) -> Duration {
        let factor = (self.spread * standard_normal(rng)).exp();
        self.median.mul_f64(factor.min(Self::TIMES_MEDIAN_MAX))
    }
}

/// Box and Muller's transform of two uniform draws.
fn standard_normal(rng: &mut impl Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()
}

/// What is wrong with a pod.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// This share of calls is answered 500.
    Fail {
        /// Between 0 and 1.
        share: f64,
    },
    /// Every call takes longer.
    Slow {
        /// By how much.
        by: Duration,
    },
    /// Calls are taken and never answered, until the fault ends.
    Silent,
}

/// A running pod. Dropping it stops it.
#[derive(Debug)]
pub struct Pod {
    listening: Listening,
    fault: watch::Sender<Fault>,
    served: Arc<AtomicU64>,
}

impl Pod {
    /// Starts a pod on a free loopback port.
    pub async fn start(options: PodOptions) -> Result<Pod, DemoError> {
        let (fault, faults) = watch::channel(Fault::None);
        let served = Arc::new(AtomicU64::new(0));
        let what = format!("pod {} of {}", options.instance, options.function);
        let inside = Arc::new(Inside {
            rng: Mutex::new(StdRng::seed_from_u64(options.seed)),
            room: Semaphore::new(CALLS_IN_FLIGHT_MAX),
            warm: AtomicBool::new(options.cold_start.is_zero()),
            served: Arc::clone(&served),
            faults,
            options,
        });
        let router = Router::new().fallback(answer).with_state(inside);
        Ok(Pod {
            listening: Listening::start(&what, router).await?,
            fault,
            served,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.listening.address()
    }

    /// Turns the fault switch; also for calls that wait in silence.
    pub fn set_fault(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }

    /// How many calls were answered, with whatever status.
    pub fn calls_served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }
}

struct Inside {
    options: PodOptions,
    rng: Mutex<StdRng>,
    room: Semaphore,
    warm: AtomicBool,
    served: Arc<AtomicU64>,
    faults: watch::Receiver<Fault>,
}

impl Inside {
    /// How long this call takes, and a draw that decides whether it fails.
    fn draw(&self) -> (Duration, f64) {
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        (self.options.service_time.sample(&mut *rng), rng.random())
    }

    /// Waits while the pod is silent; gives the fault in force then.
    async fn fault(&self) -> Fault {
        let mut faults = self.faults.clone();
        let audible = faults.wait_for(|fault| *fault != Fault::Silent).await;
        // An error means that the pod is gone, and with it whoever waits.
        audible.map_or(Fault::None, |fault| *fault)
    }
}

async fn answer(State(pod): State<Arc<Inside>>) -> Response {
    let Ok(_permit) = pod.room.try_acquire() else {
        return pod.respond(StatusCode::SERVICE_UNAVAILABLE, false, Some("Overloaded"));
    };
    let cold = !pod.warm.swap(true, Ordering::Relaxed);
    let fault = pod.fault().await;
    let (mut takes, draw) = pod.draw();
    if cold {
        takes += pod.options.cold_start;
    }
    if let Fault::Slow { by } = fault {
        takes += by;
    }
    tokio::time::sleep(takes).await;
    match fault {
        Fault::Fail { share } if draw < share => pod.respond(
            StatusCode::INTERNAL_SERVER_ERROR,
            cold,
            Some("RecommenderUnreachable"),
        ),
        _ => pod.respond(StatusCode::OK, cold, None),
    }
}

impl Inside {
    fn respond(&self, status: StatusCode, cold: bool, error: Option<&'static str>) -> Response {
        self.served.fetch_add(1, Ordering::Relaxed);
        let PodOptions {
            function,
            version,
            unit,
            zone,
            instance,
            ..
        } = &self.options;
        let body = serde_json::json!({
            "function": function, "version": version, "unit": unit, "zone": zone,
            "instance": instance, "error": error,
        });
        let mut response = (status, axum::Json(body)).into_response();
        let headers = response.headers_mut();
        let mut set = |name: &'static str, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        };
        set(INSTANCE_HEADER, instance);
        if cold {
            set(COLD_START_HEADER, "1");
        }
        if let Some(error) = error {
            set(ERROR_TYPE_HEADER, error);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn get(pod: &Pod, deadline: Duration) -> Result<reqwest::Response, reqwest::Error> {
        let client = crate::loopback_client(deadline).unwrap();
        let url = format!("http://{}/any/path?x=1", pod.address());
        client.get(url).send().await
    }

    const SOON: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn answers_any_path_and_says_who_it_is() {
        let pod = Pod::start(PodOptions {
            unit: "b".to_owned(),
            instance: "pod-7".to_owned(),
            cold_start: Duration::from_millis(1),
            ..PodOptions::default()
        })
        .await
        .unwrap();
        let first = get(&pod, SOON).await.unwrap();
        assert_eq!(first.status(), 200);
        assert_eq!(first.headers()[INSTANCE_HEADER], "pod-7");
        assert_eq!(first.headers()[COLD_START_HEADER], "1");
        let body: serde_json::Value = first.json().await.unwrap();
        assert_eq!(
            (&body["function"], &body["unit"]),
            (&"demo/hello".into(), &"b".into())
        );
        let second = get(&pod, SOON).await.unwrap();
        assert!(!second.headers().contains_key(COLD_START_HEADER));
        assert_eq!(pod.calls_served(), 2);
    }

    #[tokio::test]
    async fn the_switch_makes_it_fail_and_heal() {
        let pod = Pod::start(PodOptions::default()).await.unwrap();
        pod.set_fault(Fault::Fail { share: 1.0 });
        let failed = get(&pod, SOON).await.unwrap();
        assert_eq!(failed.status(), 500);
        assert_eq!(
            failed.headers()[ERROR_TYPE_HEADER],
            "RecommenderUnreachable"
        );
        pod.set_fault(Fault::Slow {
            by: Duration::from_millis(1),
        });
        assert_eq!(get(&pod, SOON).await.unwrap().status(), 200);
    }

    #[tokio::test]
    async fn a_silent_pod_answers_when_it_heals() {
        let pod = Pod::start(PodOptions::default()).await.unwrap();
        pod.set_fault(Fault::Silent);
        assert!(
            get(&pod, Duration::from_millis(50))
                .await
                .unwrap_err()
                .is_timeout()
        );
        let waiting = get(&pod, SOON);
        let healing = async {
            tokio::task::yield_now().await;
            pod.set_fault(Fault::None);
        };
        let (answered, ()) = tokio::join!(waiting, healing);
        assert_eq!(answered.unwrap().status(), 200);
    }

    #[tokio::test]
    async fn a_dropped_pod_no_longer_listens() {
        let pod = Pod::start(PodOptions::default()).await.unwrap();
        let address = pod.address();
        drop(pod);
        let closed = async {
            while tokio::net::TcpStream::connect(address).await.is_ok() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(SOON, closed).await.unwrap();
    }

    #[test]
    fn service_times_are_seeded_and_centred_on_the_median() {
        let time = ServiceTime {
            median: Duration::from_millis(40),
            spread: 0.4,
        };
        let draw = |seed| {
            let mut rng = StdRng::seed_from_u64(seed);
            let mut draws: Vec<_> = (0..2_001).map(|_| time.sample(&mut rng)).collect();
            draws.sort();
            draws
        };
        let draws = draw(7);
        assert_eq!(draws, draw(7));
        let median = draws[1_000].as_secs_f64();
        assert!((0.037..0.043).contains(&median), "{median}");
        assert!(draws[1_980] > draws[1_000].mul_f64(2.0), "a long tail");
    }
}
