use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;

use super::pulse::Pulse;

/// What every connection over HTTP/2 begins with.
const PREFACE: [u8; 24] = *b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Of both kinds one type, so that everything above exists once.
pub(super) enum Stream {
    Plain(TcpStream),
    Secured(Box<TlsStream<TcpStream>>),
}

/// Which of its versions the client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    One,
    Two,
}

/// Bytes to and from a client; tells the connection's pulse of them.
pub(super) struct Wire {
    stream: Stream,
    pulse: Arc<Pulse>,
    /// What was read to tell the versions apart, and how much of it waits to be read again.
    first: [u8; PREFACE.len()],
    waiting: std::ops::Range<u8>,
}

impl Wire {
    pub(super) fn new(stream: Stream, pulse: Arc<Pulse>) -> Self {
        Self {
            stream,
            pulse,
            first: [0; PREFACE.len()],
            waiting: 0..0,
        }
    }

    /// Which version the client speaks: what was agreed on with TLS, or what its first bytes say.
    ///
    /// # Errors
    /// The connection broke, or ended before it said so.
    pub(super) async fn version(&mut self) -> io::Result<Version> {
        if let Stream::Secured(stream) = &self.stream {
            let agreed = stream.get_ref().1.alpn_protocol();
            return Ok(match agreed {
                Some(b"h2") => Version::Two,
                _ => Version::One,
            });
        }
        let mut count = 0;
        while count < PREFACE.len() {
            let came = self.stream.read(&mut self.first[count..]).await?;
            if came == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            count += came;
            self.waiting.end = count as u8;
            if self.first[..count] != PREFACE[..count] {
                return Ok(Version::One);
            }
        }
        Ok(Version::Two)
    }

    /// Hands on what was read before; whether there was any.
    fn read_again(&mut self, buffer: &mut ReadBuf<'_>) -> bool {
        let waiting = usize::from(self.waiting.start)..usize::from(self.waiting.end);
        let count = waiting.len().min(buffer.remaining());
        buffer.put_slice(&self.first[waiting][..count]);
        self.waiting.start += count as u8;
        count > 0
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let again = self.read_again(buffer);
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.pulse.bytes_came();
        }
        match read {
            Poll::Pending if again => Poll::Ready(Ok(())),
            read => read,
        }
    }
}

impl Wire {
    fn told<T>(&self, written: Poll<T>) -> Poll<T> {
        self.pulse.writes(written.is_ready());
        written
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.told(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.told(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_flush(context) {
            // What is flushed was written before: alone it is no sign that the client takes anything.
            Poll::Ready(flushed) => Poll::Ready(flushed),
            Poll::Pending => self.told(Poll::Pending),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(context);
        self.told(shut)
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Secured(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Secured(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(context, parts),
            Self::Secured(stream) => Pin::new(stream).poll_write_vectored(context, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Secured(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Secured(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Secured(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
