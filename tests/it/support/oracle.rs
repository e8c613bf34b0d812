//! The Go program that answers for the real libraries (`tests/oracle`): one process for the whole run, asked in batches.
//!
//! It ends when its standard input closes, which happens when this process is gone, however it went.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

struct Oracle {
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    _child: Child,
}

/// Asks for one kind of answer (see `tests/oracle/main.go`); panics, with the request, when there is none.
pub fn ask<O: DeserializeOwned>(kind: &str, input: &impl Serialize) -> O {
    static ORACLE: OnceLock<Mutex<Oracle>> = OnceLock::new();
    let oracle = ORACLE.get_or_init(|| Mutex::new(start()));
    let request = json!({ "kind": kind, "input": input }).to_string();
    // A panic of another test leaves the program as it was: between two lines.
    let mut answer = exchange(
        &mut oracle.lock().unwrap_or_else(PoisonError::into_inner),
        &request,
    );
    let output = answer.get_mut("output").map(Value::take);
    let output = output.unwrap_or_else(|| panic!("the oracle refused {request}: {answer}"));
    serde_json::from_value(output)
        .unwrap_or_else(|error| panic!("unexpected answer to {request}: {error}"))
}

fn start() -> Oracle {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle");
    let program = super::build::go_build(&module, "oracle").join("oracle");
    let mut child = Command::new(&program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {}: {error}", program.display()));
    let input = child.stdin.take().expect("piped");
    let output = BufReader::new(child.stdout.take().expect("piped"));
    Oracle {
        input,
        output,
        _child: child,
    }
}

fn exchange(oracle: &mut Oracle, request: &str) -> Value {
    writeln!(oracle.input, "{request}").expect("the oracle reads its input");
    let mut line = String::new();
    let length = oracle
        .output
        .read_line(&mut line)
        .expect("the oracle writes UTF-8");
    assert!(length > 0, "the oracle ended at {request}");
    serde_json::from_str(&line).expect("the oracle writes JSON")
}
