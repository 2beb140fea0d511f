//! The platform as a whole: four functions in two units, their pods, the gateway before them, and
//! users.

use std::time::Duration;

use model::{FunctionId, SharedClock};

use crate::DemoError;
use crate::fault::{FAILING_UNIT, Trouble};
use crate::gateway::{Backend, Gateway, Route};
use crate::pod::{Fault, Pod, PodOptions, ServiceTime};
use crate::traffic::{Load, Traffic};

pub(crate) const UNITS: [(&str, &str); 2] = [("a", "zb-1"), ("b", "zb-2")];
pub(crate) const PODS_PER_UNIT: usize = 2;
pub(crate) const VERSION: &str = "12";
const COLD_START: Duration = Duration::from_millis(120);

/// Namespace, name, calls per second, median milliseconds a call.
const FUNCTIONS: [(&str, &str, f64, u64); 4] = [
    ("guide", "wow-video-feed", 40.0, 40),
    ("travel", "rail-recommend", 50.0, 60),
    ("travel", "visa-wifi", 20.0, 25),
    ("store", "coupon", 10.0, 15),
];

pub(crate) struct Platform {
    pods: Vec<(PodOptions, Pod)>,
    gateway: Gateway,
    traffic: Traffic,
}

impl Platform {
    pub(crate) async fn start(
        rampart_url: &str,
        seed: u64,
        clock: &SharedClock,
    ) -> Result<Self, DemoError> {
        let mut pods = Vec::new();
        for options in all_pods(seed) {
            let pod = Pod::start(options.clone()).await?;
            pods.push((options, pod));
        }
        let gateway = Gateway::start(routes(&pods), rampart_url, clock).await?;
        let traffic = Traffic::start(gateway.address(), &loads(), seed, clock)?;
        Ok(Platform {
            pods,
            gateway,
            traffic,
        })
    }

    /// Causes a trouble, or takes it away.
    pub(crate) fn set_trouble(&self, trouble: Trouble, present: bool) {
        let function = trouble.function().unwrap_or_default();
        let share = |share| {
            if present {
                Fault::Fail { share }
            } else {
                Fault::None
            }
        };
        match trouble {
            Trouble::UnitFails => self.set_fault(function, &[FAILING_UNIT], share(1.0)),
            Trouble::FewFail => {
                let units = UNITS.map(|(unit, _)| unit);
                self.set_fault(function, &units, share(Trouble::FEW));
            }
            Trouble::FallsSilent => self.traffic.set_away(function, present),
            Trouble::DataLate => self.gateway.set_late(present),
        }
    }

    fn set_fault(&self, function: &str, units: &[&str], fault: Fault) {
        for (options, pod) in &self.pods {
            let meant = units.contains(&options.unit.as_str());
            if meant && options.function.to_string() == function {
                pod.set_fault(fault);
            }
        }
    }

    /// How many calls users made, and how many records of them were lost.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.traffic.calls_sent(), self.gateway.rows_dropped())
    }

    /// What runs, in one line.
    pub(crate) fn describe(&self) -> String {
        let qps: f64 = loads().iter().map(|load| load.qps).sum();
        format!(
            "{} functions on {} pods in {} units, about {qps} calls per second",
            FUNCTIONS.len(),
            self.pods.len(),
            UNITS.len()
        )
    }

    pub(crate) async fn stop(self) {
        drop(self.traffic);
        self.gateway.stop().await;
    }
}

pub(crate) fn functions() -> impl Iterator<Item = (FunctionId, f64, u64)> {
    FUNCTIONS.iter().map(|(namespace, name, qps, millis)| {
        let function = FunctionId {
            namespace: (*namespace).to_owned(),
            name: (*name).to_owned(),
        };
        (function, *qps, *millis)
    })
}

fn loads() -> Vec<Load> {
    functions()
        .map(|(function, qps, _)| Load { function, qps })
        .collect()
}

fn all_pods(seed: u64) -> Vec<PodOptions> {
    let mut pods = Vec::new();
    for (function, _, millis) in functions() {
        for (unit, zone) in UNITS {
            for number in 1..=PODS_PER_UNIT {
                pods.push(PodOptions {
                    function: function.clone(),
                    version: VERSION.to_owned(),
                    unit: unit.to_owned(),
                    zone: zone.to_owned(),
                    instance: format!("{}-{unit}-{number}", function.name),
                    service_time: ServiceTime {
                        median: Duration::from_millis(millis),
                        ..ServiceTime::default()
                    },
                    cold_start: COLD_START,
                    seed: seed.wrapping_mul(1_000).wrapping_add(pods.len() as u64),
                });
            }
        }
    }
    pods
}

/// One route a function; its pods alternate between the units.
fn routes(pods: &[(PodOptions, Pod)]) -> Vec<Route> {
    let route = |function: FunctionId| {
        let of_unit = |unit: &str| {
            let meant = |(options, _): &&(PodOptions, Pod)| {
                options.function == function && options.unit == unit
            };
            pods.iter().filter(meant).map(backend).collect::<Vec<_>>()
        };
        let units = UNITS.map(|(unit, _)| of_unit(unit));
        let backends = (0..PODS_PER_UNIT)
            .flat_map(|index| {
                units
                    .iter()
                    .filter_map(move |unit| unit.get(index).cloned())
            })
            .collect();
        Route {
            function: function.clone(),
            backends,
        }
    };
    functions().map(|(function, ..)| route(function)).collect()
}

fn backend((options, pod): &(PodOptions, Pod)) -> Backend {
    Backend {
        address: pod.address(),
        version: options.version.clone(),
        unit: options.unit.clone(),
        zone: options.zone.clone(),
        instance: options.instance.clone(),
    }
}

#[cfg(test)]
mod tests {
    use model::SystemClock;

    use super::*;

    #[tokio::test]
    async fn units_alternate_and_faults_meet_one_of_them() {
        let clock = SystemClock::shared();
        let platform = Platform::start("http://127.0.0.1:9", 1, &clock)
            .await
            .unwrap();
        let routes = routes(&platform.pods);
        let units: Vec<_> = routes[0]
            .backends
            .iter()
            .map(|backend| backend.unit.as_str())
            .collect();
        assert_eq!(units, ["a", "b", "a", "b"]);
        platform.set_trouble(Trouble::UnitFails, true);
        assert!(
            platform
                .describe()
                .contains("4 functions on 16 pods in 2 units, about 120 calls")
        );

        let client = crate::loopback_client(Duration::from_secs(20)).unwrap();
        let url = format!("http://{}/guide/wow-video-feed", platform.gateway.address());
        let (mut good, mut bad) = (0, 0);
        while good == 0 || bad == 0 {
            match client.get(&url).send().await.unwrap().status().as_u16() {
                200 => good += 1,
                500 => bad += 1,
                other => panic!("unexpected status {other}"),
            }
        }
        platform.stop().await;
    }
}
