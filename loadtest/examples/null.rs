//! Serves the null server until it is killed: `cargo run --release -p loadtest --example null -- 127.0.0.1:8080 1`.

#![allow(clippy::print_stderr)] // an example talks to a person

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments
        .next()
        .unwrap_or_else(|| "127.0.0.1:8080".to_owned())
        .parse()?;
    let threads = arguments.next().map_or(Ok(1), |threads| threads.parse())?;
    let stop = loadtest::engine::Stop::new();
    loadtest::serve::null::run(address, threads, stop, |address| {
        eprintln!("the null server listens on {address}");
    })?;
    Ok(())
}
