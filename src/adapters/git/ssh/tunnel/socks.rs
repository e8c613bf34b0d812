//! What a proxy of SOCKS 5 is asked: RFC 1928, with the login of RFC 1929.
//!
//! What is absent: logins of other kinds, and addresses that come back, which nobody needs.

use super::Login;
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Asks for the way to a server.
pub(super) async fn ask(
    stream: &mut TcpStream,
    login: Login,
    host: &str,
    port: u16,
) -> Result<(), String> {
    let failed = |error: io::Error| error.to_string();
    let methods: &[u8] = match login {
        Some(_) => &[5, 2, 0, 2],
        None => &[5, 1, 0],
    };
    stream.write_all(methods).await.map_err(failed)?;
    let mut chosen = [0; 2];
    stream.read_exact(&mut chosen).await.map_err(failed)?;
    match (chosen, login) {
        ([5, 0], _) => {}
        ([5, 2], Some((user, password))) => {
            let part = |text: &str| -> Result<Vec<u8>, String> {
                let length = u8::try_from(text.len());
                let length = length.map_err(|_| "its login is too long".to_owned())?;
                Ok([&[length], text.as_bytes()].concat())
            };
            let request = [vec![1], part(&user)?, part(&password)?].concat();
            stream.write_all(&request).await.map_err(failed)?;
            stream.read_exact(&mut chosen).await.map_err(failed)?;
            if chosen[1] != 0 {
                return Err("it does not accept the login".to_owned());
            }
        }
        ([5, _], None) => return Err("it wants a login".to_owned()),
        _ => return Err("it does not speak SOCKS 5".to_owned()),
    }
    let asking = request(host, port).ok_or("the name of the server is too long")?;
    stream.write_all(&asking).await.map_err(failed)?;
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).await.map_err(failed)?;
    if answer[1] != 0 {
        return Err(words(answer[1]).to_owned());
    }
    let left = match answer[3] {
        1 => 4 + 2,
        4 => 16 + 2,
        3 => usize::from(stream.read_u8().await.map_err(failed)?) + 2,
        _ => return Err("it answered with an unknown kind of address".to_owned()),
    };
    let mut rest = vec![0; left];
    stream.read_exact(&mut rest).await.map_err(failed)?;
    Ok(())
}

fn request(host: &str, port: u16) -> Option<Vec<u8>> {
    use std::net::IpAddr;
    let mut request = vec![5, 1, 0];
    match host.parse() {
        Ok(IpAddr::V4(address)) => {
            request.push(1);
            request.extend(address.octets());
        }
        Ok(IpAddr::V6(address)) => {
            request.push(4);
            request.extend(address.octets());
        }
        Err(_) => {
            request.extend([3, u8::try_from(host.len()).ok()?]);
            request.extend(host.as_bytes());
        }
    }
    request.extend(port.to_be_bytes());
    Some(request)
}

fn words(code: u8) -> &'static str {
    match code {
        2 => "its rules forbid it",
        3 => "the network cannot be reached",
        4 => "the host cannot be reached",
        5 => "the server refused the connection",
        6 => "it took too long",
        _ => "it failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_asked_for_as_rfc_1928_has_it() {
        assert_eq!(
            request("h.example", 22),
            Some(b"\x05\x01\x00\x03\x09h.example\x00\x16".to_vec())
        );
        assert_eq!(
            request("192.0.2.1", 7999),
            Some(b"\x05\x01\x00\x01\xc0\x00\x02\x01\x1f\x3f".to_vec())
        );
        assert_eq!(request("::1", 22).map(|request| request[3]), Some(4));
        assert_eq!(request(&"h".repeat(256), 22), None);
    }
}
