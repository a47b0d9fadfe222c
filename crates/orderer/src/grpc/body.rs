//! Messages as the body of an HTTP/2 request or response, large ones without copying them.
//!
//! Small messages that are ready together leave in one piece; blocks and Raft entries leave as the
//! bytes that log, ledger and other streams share.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{BufMut, Bytes, BytesMut};
use futures::Stream;
use http::HeaderMap;
use hyper::body::Frame as HttpFrame;
use tonic::{Code, Status};

use super::Frame;

/// What is smaller is cheaper to copy than to send on its own.
const SHARED_BYTES: usize = 16 << 10;
/// Small messages are gathered up to this size.
const GATHERED_BYTES: usize = 32 << 10;

/// A stream of messages as an HTTP/2 body.
pub(crate) struct MessageBody<S> {
    messages: S,
    max_send_bytes: usize,
    /// Servers tell the outcome after the last message.
    has_trailers: bool,
    pieces: VecDeque<Bytes>,
    outcome: Option<Status>,
    is_finished: bool,
}

impl<S: Stream<Item = Result<Frame, Status>> + Unpin> MessageBody<S> {
    /// The body of a response; the status comes last.
    pub(crate) fn response(messages: S, max_send_bytes: usize) -> Self {
        Self::new(messages, max_send_bytes, true)
    }

    /// The body of a request.
    pub(crate) fn request(messages: S, max_send_bytes: usize) -> Self {
        Self::new(messages, max_send_bytes, false)
    }

    fn new(messages: S, max_send_bytes: usize, has_trailers: bool) -> Self {
        let pieces = VecDeque::new();
        Self { messages, max_send_bytes, has_trailers, pieces, outcome: None, is_finished: false }
    }

    /// Takes in what is ready, until there is enough for one piece.
    fn gather(&mut self, context: &mut Context<'_>) {
        let mut gathered = BytesMut::new();
        while self.outcome.is_none() && self.pieces.is_empty() && gathered.len() < GATHERED_BYTES {
            match Pin::new(&mut self.messages).poll_next(context) {
                Poll::Pending => break,
                Poll::Ready(None) => self.outcome = Some(Status::ok("")),
                Poll::Ready(Some(Err(status))) => self.outcome = Some(status),
                Poll::Ready(Some(Ok(message))) => {
                    if let Err(status) = self.put(message, &mut gathered) {
                        self.outcome = Some(status);
                    }
                }
            }
        }
        if !gathered.is_empty() {
            self.pieces.push_back(gathered.freeze());
        }
    }

    /// Writes gRPC's prefix (not compressed, length) and the message; shared parts become pieces of
    /// their own.
    fn put(&mut self, message: Frame, gathered: &mut BytesMut) -> Result<(), Status> {
        let (head, parts) = message.into_parts();
        let length = head.len() + parts.iter().map(Bytes::len).sum::<usize>();
        let prefix = u32::try_from(length).ok().filter(|_| length <= self.max_send_bytes);
        let prefix = prefix.ok_or_else(|| {
            let max = self.max_send_bytes;
            Status::resource_exhausted(format!("trying to send message larger than max ({length} vs. {max})"))
        })?;
        gathered.put_u8(0);
        gathered.put_u32(prefix);
        gathered.put(head);
        for part in parts {
            if part.len() < SHARED_BYTES {
                gathered.put(part);
            } else {
                self.pieces.push_back(gathered.split().freeze());
                self.pieces.push_back(part);
            }
        }
        Ok(())
    }
}

impl<S: Stream<Item = Result<Frame, Status>> + Unpin> hyper::body::Body for MessageBody<S> {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<HttpFrame<Bytes>, Status>>> {
        if self.pieces.is_empty() {
            self.gather(context);
        }
        if let Some(piece) = self.pieces.pop_front() {
            return Poll::Ready(Some(Ok(HttpFrame::data(piece))));
        }
        let Some(status) = self.outcome.clone() else { return Poll::Pending };
        if self.is_finished {
            return Poll::Ready(None);
        }
        self.is_finished = true;
        if self.has_trailers {
            let mut trailers = HeaderMap::new();
            status.add_header(&mut trailers)?;
            return Poll::Ready(Some(Ok(HttpFrame::trailers(trailers))));
        }
        // A request has no status of its own; what went wrong resets the stream.
        Poll::Ready((status.code() != Code::Ok).then_some(Err(status)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use channel::block::{EncodedBlock, new_block};
    use futures::stream;
    use hyper::body::Body as _;
    use prost::Message as _;
    use protos::orderer::{
        ConsensusRequest, DeliverResponse, StepRequest, deliver_response, step_request::Payload,
    };
    use std::sync::Arc;

    /// The body's pieces, and the trailers.
    fn pieces(frames: Vec<Frame>, max: usize) -> (Vec<Bytes>, Option<HeaderMap>) {
        let mut body = MessageBody::response(stream::iter(frames.into_iter().map(Ok)), max);
        let mut context = Context::from_waker(futures::task::noop_waker_ref());
        let mut data = Vec::new();
        while let Poll::Ready(Some(frame)) = Pin::new(&mut body).poll_frame(&mut context) {
            match frame.unwrap().into_data() {
                Ok(piece) => data.push(piece),
                Err(frame) => return (data, frame.into_trailers().ok()),
            }
        }
        (data, None)
    }

    fn framed(message: &impl prost::Message) -> Vec<u8> {
        let message = message.encode_to_vec();
        [&[0][..], &u32::try_from(message.len()).unwrap().to_be_bytes(), &message].concat()
    }

    #[test]
    fn small_messages_leave_together_and_blocks_are_shared() {
        let small = Frame::Message(Bytes::from_static(&[7; 100]));
        let (data, trailers) = pieces(vec![small.clone(), small.clone(), small], 1 << 20);
        assert_eq!(data.iter().map(Bytes::len).collect::<Vec<_>>(), [3 * 105]);
        assert_eq!(trailers.unwrap()["grpc-status"], "0");

        let block = new_block(3, Bytes::from_static(&[1; 32]), vec![Bytes::from(vec![2; 100_000])]);
        let shared = Arc::new(EncodedBlock::from_block(block.clone()));
        let (data, _) = pieces(vec![Frame::Block(shared.clone())], 1 << 20);
        let response = DeliverResponse { r#type: Some(deliver_response::Type::Block(block)) };
        assert_eq!(data.concat(), framed(&response));
        assert!(
            data.iter().any(|piece| piece.as_ptr() == shared.parts()[0].as_ptr()),
            "the block was copied"
        );
    }

    #[test]
    fn consensus_messages_are_shared() {
        let payload = Bytes::from(vec![5; 100_000]);
        let request = ConsensusRequest {
            channel: "ch1".to_owned(),
            payload: payload.clone(),
            metadata: Bytes::from_static(b"nodes"),
            ..ConsensusRequest::default()
        };
        let request = StepRequest { payload: Some(Payload::ConsensusRequest(request)) };
        let (data, _) = pieces(vec![Frame::Step(request.clone())], 1 << 20);
        let bytes = data.concat();
        assert_eq!(
            usize::try_from(u32::from_be_bytes(bytes[1..5].try_into().unwrap())).unwrap(),
            bytes.len() - 5
        );
        assert_eq!(StepRequest::decode(&bytes[5..]).unwrap(), request);
        assert!(data.iter().any(|piece| piece.as_ptr() == payload.as_ptr()), "the payload was copied");
    }

    #[test]
    fn what_is_too_large_is_not_sent() {
        let (data, trailers) = pieces(vec![Frame::Message(Bytes::from_static(&[7; 100]))], 99);
        assert_eq!(data, Vec::<Bytes>::new());
        let status = Status::from_header_map(&trailers.unwrap()).unwrap();
        assert_eq!(status.message(), "trying to send message larger than max (100 vs. 99)");
    }
}
