//! How long a thread works, and how many times as fast as a peer we are.

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{BenchmarkGroup, Criterion, Throughput};
use rustix::time::{ClockId, clock_gettime};
use std::hint::black_box;
use std::sync::Mutex;
use std::time::Duration;

const SAMPLES: usize = 10;

/// One of the system's clocks. A thread's own does not run while other programs have the processor.
#[derive(Clone, Copy)]
pub struct Clock(pub ClockId);

impl Clock {
    fn now(self) -> Duration {
        let t = clock_gettime(self.0);
        Duration::new(t.tv_sec.unsigned_abs(), t.tv_nsec as u32)
    }

    fn time<T>(self, f: impl FnOnce() -> T) -> Duration {
        let start = self.now();
        black_box(f());
        self.now() - start
    }
}

impl Measurement for Clock {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        self.now()
    }

    fn end(&self, start: Duration) -> Duration {
        self.now() - start
    }

    fn add(&self, a: &Duration, b: &Duration) -> Duration {
        *a + *b
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        value.as_nanos() as f64
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}

/// The command line's wishes come last, so that a run can be made shorter or longer.
pub fn criterion(clock: ClockId) -> Criterion<Clock> {
    let short = Criterion::default()
        .sample_size(SAMPLES)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3));
    short.with_measurement(Clock(clock)).configure_from_args()
}

/// What the races of this run have found, for the table at its end.
static RATIOS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Prints how fast each was, and how many times as fast ours was.
pub fn print_ratios() {
    let lines = RATIOS.lock().expect("one thread");
    if !lines.is_empty() {
        println!("{:56} {:>12} {:>12} {:>8} {:>8} {:>8}", "ours: theirs", "ours", "theirs", "ratio", "lowest", "highest");
        println!("{}", lines.join("\n"));
    }
}

/// Work, and how much of it one call does: bytes, or elements.
pub struct Entrant<F> {
    pub units: u64,
    pub work: F,
}

/// Ours against peers. Each peer takes turns with ours, call by call, so that what slows the machine down slows both.
pub struct Race<'c, F> {
    name: String,
    group: BenchmarkGroup<'c, Clock>,
    clock: Clock,
    throughput: fn(u64) -> Throughput,
    ours: Entrant<F>,
}

impl<'c, T, F: FnMut() -> T> Race<'c, F> {
    pub fn new(
        c: &'c mut Criterion<Clock>,
        clock: ClockId,
        name: &str,
        throughput: fn(u64) -> Throughput,
        ours: Entrant<F>,
    ) -> Self {
        let mut race = Self { name: name.to_owned(), group: c.benchmark_group(name), clock: Clock(clock), throughput, ours };
        race.group.throughput(throughput(race.ours.units));
        let work = &mut race.ours.work;
        race.group.bench_function("ours", |b| b.iter(|| black_box(work())));
        race
    }

    pub fn against<U>(&mut self, peer: &str, mut theirs: Entrant<impl FnMut() -> U>) -> &mut Self {
        let (clock, ours) = (self.clock, &mut self.ours);
        let mut samples = Vec::new();
        self.group.throughput((self.throughput)(theirs.units)).bench_function(peer, |b| {
            b.iter_custom(|times| {
                let (mut we, mut they) = (Duration::ZERO, Duration::ZERO);
                for _ in 0..times {
                    we += clock.time(&mut ours.work);
                    they += clock.time(&mut theirs.work);
                }
                let each = |time: Duration, units| time.as_nanos() as f64 / (times * units) as f64;
                samples.push((each(we, ours.units), each(they, theirs.units)));
                they
            });
        });
        // The calls before the last samples are the warm-up's.
        let last = &samples[samples.len().saturating_sub(SAMPLES)..];
        let sorted = |of: fn(&(f64, f64)) -> f64| {
            let mut values: Vec<f64> = last.iter().map(of).collect();
            values.sort_unstable_by(f64::total_cmp);
            values
        };
        if let [lowest, .., highest] = sorted(|(we, they)| they / we)[..] {
            let median = |of| sorted(of)[last.len() / 2];
            let (we, they, ratio) = (self.speed(median(|s| s.0)), self.speed(median(|s| s.1)), median(|(we, they)| they / we));
            let what = format!("{}: {peer}", self.name);
            RATIOS
                .lock()
                .expect("one thread")
                .push(format!("{what:56} {we:>12} {they:>12} {ratio:>8.3} {lowest:>8.3} {highest:>8.3}"));
        }
        self
    }

    fn speed(&self, ns: f64) -> String {
        let formatter = self.clock.formatter();
        match (self.throughput)(1) {
            Throughput::Elements(_) => formatter.format_value(ns),
            bytes => formatter.format_throughput(&bytes, ns),
        }
    }
}
