//! What an HTTP proxy is asked.
//!
//! Invariant: its answer is bounded, and not a byte of the server's is read. What is absent: TLS.

use super::Login;
use crate::adapters::git::error::quoted;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The most bytes of an answer.
const ANSWER: usize = 16 * 1024;

/// Asks for the way to a server: the method `CONNECT` of RFC 9110.
pub(super) async fn ask(
    stream: &mut TcpStream,
    login: Login,
    host: &str,
    port: u16,
) -> Result<(), String> {
    let target = match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    };
    let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
    if let Some((user, password)) = login {
        let login = BASE64_STANDARD.encode(format!("{user}:{password}"));
        request += &format!("Proxy-Authorization: Basic {login}\r\n");
    }
    request += "\r\n";
    let failed = |error: io::Error| error.to_string();
    stream.write_all(request.as_bytes()).await.map_err(failed)?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        // Byte by byte, since what follows belongs to the server.
        answer.push(stream.read_u8().await.map_err(failed)?);
        if answer.len() > ANSWER {
            return Err("its answer is too long".to_owned());
        }
    }
    let line = answer
        .split(|byte| *byte == b'\r')
        .next()
        .unwrap_or_default();
    let words = quoted(line);
    match words.split(' ').nth(1) {
        Some(status) if status.len() == 3 && status.starts_with('2') => Ok(()),
        _ => Err(format!("it answered `{words}`")),
    }
}
