//! One request and its answer: sent when the answer is first read, bounded in time and bytes.

use crate::adapters::git::error::{GitError, sources};
use crate::adapters::git::session::{Deadline, Failure};
use crate::domain::redact::SafeUrl;
use reqwest::blocking::{RequestBuilder, Response};
use std::io::{self, BufRead, BufReader, Cursor, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is needed to send one request and to judge its answer.
pub(super) struct Exchange {
    pub(super) url: Arc<SafeUrl>,
    pub(super) deadline: Deadline,
    pub(super) limit: u64,
    pub(super) failure: Failure,
}

pub(super) struct Answer {
    pub(super) response: Response,
    exchange: Exchange,
}

impl Exchange {
    pub(super) fn send(self, request: RequestBuilder, body: Option<Vec<u8>>) -> io::Result<Answer> {
        let Some(left) = self.deadline.left() else {
            return Err(self.failure.set(self.deadline.timeout(&self.url)));
        };
        let request = match body {
            Some(body) => request.body(body),
            None => request,
        };
        let response = request
            .timeout(left)
            .send()
            .map_err(|error| self.failure.set(self.unanswered(&error)))?;
        let status = response.status().as_u16();
        let url = self.url.clone();
        let error = match status {
            200..=299 => {
                return Ok(Answer {
                    response,
                    exchange: self,
                });
            }
            401 | 403 => GitError::AuthenticationFailed { url, status },
            404 | 410 => GitError::RepositoryNotFound { url },
            _ => GitError::Server { url, status },
        };
        Err(self.failure.set(error))
    }

    fn unanswered(&self, error: &reqwest::Error) -> GitError {
        if error.is_timeout() && self.deadline.left().is_none() {
            return self.deadline.timeout(&self.url);
        }
        let reason = error.without_url_words();
        GitError::Unreachable {
            url: self.url.clone(),
            reason,
        }
    }
}

/// The words of an error without the URL, which may hold a query with a token.
trait WithoutUrl {
    fn without_url_words(&self) -> String;
}

impl WithoutUrl for reqwest::Error {
    fn without_url_words(&self) -> String {
        match std::error::Error::source(self) {
            Some(source) => sources(source),
            None if self.is_timeout() => "the connection timed out".to_owned(),
            None => "the request failed".to_owned(),
        }
    }
}

/// A request on its way: first its body is written, then the answer is read.
pub(super) enum Slot {
    Writing(Option<(Exchange, RequestBuilder, Vec<u8>)>),
    Answered(Option<Answer>),
}

pub(super) type Shared = Arc<Mutex<Slot>>;

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sends the request if that has not happened yet.
fn settle(slot: &mut Slot) -> io::Result<()> {
    if let Slot::Writing(pending) = slot {
        let (exchange, request, body) = pending
            .take()
            .ok_or_else(|| io::Error::other("the request failed before"))?;
        *slot = Slot::Answered(Some(exchange.send(request, Some(body))?));
    }
    Ok(())
}

/// Collects the body of a request.
pub(in crate::adapters::git) struct Outgoing(pub(super) Shared);

impl Write for Outgoing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut *lock(&self.0) {
            Slot::Writing(Some((_, _, body))) => {
                body.extend_from_slice(bytes);
                Ok(bytes.len())
            }
            _ => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The headers of an answer, one `name: value` a line.
pub(in crate::adapters::git) struct Headers {
    slot: Shared,
    text: Option<Cursor<Vec<u8>>>,
}

impl Headers {
    pub(super) fn new(slot: Shared) -> Self {
        Self { slot, text: None }
    }

    fn text(&mut self) -> io::Result<&mut Cursor<Vec<u8>>> {
        if self.text.is_none() {
            let mut slot = lock(&self.slot);
            settle(&mut slot)?;
            let mut lines = Vec::new();
            if let Slot::Answered(Some(answer)) = &*slot {
                for (name, value) in answer.response.headers() {
                    lines.extend_from_slice(name.as_str().as_bytes());
                    lines.extend_from_slice(b": ");
                    // The transport reads lines as UTF-8.
                    lines.extend_from_slice(String::from_utf8_lossy(value.as_bytes()).as_bytes());
                    lines.push(b'\n');
                }
            }
            self.text = Some(Cursor::new(lines));
        }
        self.text
            .as_mut()
            .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

impl Read for Headers {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.text()?.read(buffer)
    }
}

impl BufRead for Headers {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.text()?.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        if let Some(text) = &mut self.text {
            text.consume(amount);
        }
    }
}

/// The body of an answer, bounded in bytes and time.
pub(in crate::adapters::git) struct Body {
    slot: Shared,
    reader: Option<BufReader<Bounded>>,
}

impl Body {
    pub(super) fn new(slot: Shared) -> Self {
        Self { slot, reader: None }
    }

    fn reader(&mut self) -> io::Result<&mut BufReader<Bounded>> {
        if self.reader.is_none() {
            let mut slot = lock(&self.slot);
            settle(&mut slot)?;
            if let Slot::Answered(answer) = &mut *slot
                && let Some(answer) = answer.take()
            {
                let bounded = Bounded { answer, seen: 0 };
                self.reader = Some(BufReader::with_capacity(64 * 1024, bounded));
            }
        }
        self.reader
            .as_mut()
            .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader()?.read(buffer)
    }
}

impl BufRead for Body {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.reader()?.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        if let Some(reader) = &mut self.reader {
            reader.consume(amount);
        }
    }
}

struct Bounded {
    answer: Answer,
    seen: u64,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let exchange = &self.answer.exchange;
        if exchange.deadline.left().is_none() {
            return Err(exchange
                .failure
                .set(exchange.deadline.timeout(&exchange.url)));
        }
        let read = self.answer.response.read(buffer).map_err(|error| {
            let url = exchange.url.clone();
            exchange.failure.set(match exchange.deadline.left() {
                None => exchange.deadline.timeout(&url),
                Some(_) => GitError::Unreachable {
                    url,
                    reason: format!("the connection broke: {}", sources(&error)),
                },
            })
        })?;
        self.seen += read as u64;
        if self.seen > exchange.limit {
            return Err(exchange.failure.set(GitError::TooLarge {
                url: exchange.url.clone(),
                limit: exchange.limit,
            }));
        }
        Ok(read)
    }
}
