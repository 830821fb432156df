//! What the test's executable does inside a container.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};

/// Blocks SIGTERM for all threads to come and calls `then` when it arrives.
fn on_term(then: impl FnOnce() + Send + 'static) {
    let mut set = SigSet::empty();
    set.add(Signal::SIGTERM);
    set.thread_block().unwrap();
    std::thread::spawn(move || {
        set.wait().unwrap();
        then();
    });
}

fn say(text: &str) {
    println!("{text}");
    std::io::stdout().flush().unwrap();
}

/// Runs the act named by the arguments and returns its exit code.
pub fn run(arguments: &[String]) -> i32 {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["pause"] => {
            on_term(|| std::process::exit(0));
            loop {
                std::thread::park();
            }
        }
        ["exit", code] => {
            say("about to exit");
            std::fs::write("/dev/termination-log", "last words").unwrap();
            code.parse().unwrap()
        }
        ["write", path, text] => {
            std::fs::write(path, text).unwrap();
            0
        }
        ["read", path] => {
            say(&std::fs::read_to_string(path).unwrap_or_else(|e| e.to_string()));
            0
        }
        ["exists", path] => i32::from(!Path::new(path).exists()),
        ["env", name] => {
            say(&std::env::var(name).unwrap_or_else(|e| e.to_string()));
            0
        }
        // Copies its input, then says that it ended: only a half-closed input gets there.
        ["cat"] => {
            let mut text = Vec::new();
            std::io::stdin().read_to_end(&mut text).unwrap();
            std::io::stdout().write_all(&text).unwrap();
            say("<end of input>");
            0
        }
        ["terminal"] => {
            use std::io::IsTerminal;
            say(&format!("terminal: {}", std::io::stdout().is_terminal()));
            0
        }
        ["fail", text, code] => {
            eprintln!("{text}");
            code.parse().unwrap()
        }
        // Takes more memory than it may have.
        ["eat"] => {
            let mut eaten: Vec<Vec<u8>> = Vec::new();
            loop {
                eaten.push(vec![1; 8 << 20]);
                std::hint::black_box(&eaten);
            }
        }
        ["serve", port] => serve(port),
        other => {
            eprintln!("unknown act {other:?}");
            64
        }
    }
}

/// Answers every request with its host name; unhealthy while `/tmp/sick` exists.
fn serve(port: &str) -> i32 {
    on_term(|| {
        say("got SIGTERM");
        std::thread::sleep(Duration::from_millis(200));
        say("goodbye");
        std::process::exit(0);
    });
    let listener = TcpListener::bind(format!("0.0.0.0:{port}")).unwrap();
    say(&format!("serving on {port}"));
    for stream in listener.incoming() {
        let Ok(mut stream) = stream else { continue };
        let mut request = [0; 1024];
        let _ = stream.read(&mut request);
        let code = if Path::new("/tmp/sick").exists() {
            "500 Sick"
        } else {
            "200 OK"
        };
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let body = host.trim();
        let _ = write!(
            stream,
            "HTTP/1.1 {code}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
    }
    0
}
