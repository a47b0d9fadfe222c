//! A client that can send anything.

use std::{path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use channel::envelope::Draft;
use futures::StreamExt;
use identity::signing::SigningIdentity;
use orderer::{
    grpc::{Connection, Frame, codec::BytesCodec},
    tls::{
        dialer::{DialError, Dialer},
        keys::{KeyPair, certificates},
        trust::Roots,
    },
};
use prost::Message;
use protos::{
    common::{self, Envelope, HeaderType},
    orderer::{
        BroadcastResponse, DeliverResponse, SeekInfo, SeekPosition, SeekSpecified, deliver_response,
        seek_position,
    },
};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tonic::{Request, Status, Streaming, client::Grpc};

use crate::{
    material::{Org, now_unix},
    node::{CHANNEL, LIMIT},
};

/// A connection to a node.
pub(crate) struct Client {
    connection: Connection,
    pub(crate) certificate: Vec<u8>,
}

/// A bidirectional stream.
pub(crate) struct Call {
    pub(crate) requests: mpsc::UnboundedSender<Frame>,
    responses: Streaming<Bytes>,
    _connection: Connection,
}

pub(crate) fn dialer(keys: Option<KeyPair>) -> Dialer {
    Dialer::new(keys, Duration::ZERO, LIMIT)
}

pub(crate) fn roots(org: &Org) -> Arc<Roots> {
    Arc::new(Roots::new(&certificates(org.tls_ca.certificate_pem().as_bytes())))
}

impl Client {
    pub(crate) async fn connect(org: &Org, directory: &Path, port: u16) -> Result<Self, DialError> {
        let files = org.tls_files(directory, "client");
        let keys = KeyPair::read(&files.certificate, &files.key).unwrap();
        Self::connect_as(org, Some(keys), port).await
    }

    pub(crate) async fn connect_as(org: &Org, keys: Option<KeyPair>, port: u16) -> Result<Self, DialError> {
        let certificate = keys.as_ref().map(|keys| keys.leaf().to_vec()).unwrap_or_default();
        let stream = dialer(keys).dial("127.0.0.1", port, roots(org), None).await?;
        let connection = Connection::begin(stream, &format!("127.0.0.1:{port}")).await.unwrap();
        Ok(Self { connection, certificate })
    }

    pub(crate) async fn call(&self, path: &'static str) -> Result<Call, Status> {
        let mut grpc = Grpc::with_origin(self.connection.clone(), self.connection.origin().clone());
        grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let (requests, mut queued) = mpsc::unbounded_channel();
        let body = futures::stream::poll_fn(move |context| queued.poll_recv(context));
        let path = http::uri::PathAndQuery::from_static(path);
        let responses = grpc.streaming(Request::new(body), path, BytesCodec).await?.into_inner();
        Ok(Call { requests, responses, _connection: self.connection.clone() })
    }

    pub(crate) async fn broadcast(&self) -> Call {
        self.call("/orderer.AtomicBroadcast/Broadcast").await.unwrap()
    }

    pub(crate) async fn deliver(&self) -> Call {
        self.call("/orderer.AtomicBroadcast/Deliver").await.unwrap()
    }

    /// The tls_cert_hash of this client.
    pub(crate) fn binding(&self) -> Bytes {
        Bytes::copy_from_slice(&Sha256::digest(&self.certificate))
    }
}

impl Call {
    pub(crate) fn send(&self, message: &impl Message) {
        self.send_raw(message.encode_to_vec().into());
    }

    pub(crate) fn send_raw(&self, message: Bytes) {
        // The server may have ended the call; what it answered is looked at instead.
        let _ = self.requests.send(Frame::Message(message));
    }

    /// The next response; `None` when the server ended the call with status OK.
    pub(crate) async fn next<M: Message + Default>(&mut self) -> Option<Result<M, Status>> {
        let next = tokio::time::timeout(LIMIT, self.responses.next()).await.expect("no answer in time");
        next.map(|answer| answer.map(|bytes| M::decode(bytes).unwrap()))
    }

    /// Status and info of the next Broadcast response.
    pub(crate) async fn answer(&mut self) -> (common::Status, String) {
        let response: BroadcastResponse = self.next().await.expect("the stream ended").unwrap();
        (response.status(), response.info)
    }

    /// The next Deliver response: the number of a block, or a status.
    pub(crate) async fn block_or_status(&mut self) -> Result<u64, common::Status> {
        let response: DeliverResponse = self.next().await.expect("the stream ended").unwrap();
        match response.r#type.unwrap() {
            deliver_response::Type::Block(block) => Ok(block.header.unwrap().number),
            deliver_response::Type::Status(status) => Err(status.try_into().unwrap()),
        }
    }

    /// Whether the server has ended the call with status OK.
    pub(crate) async fn has_ended(&mut self) -> bool {
        self.next::<BroadcastResponse>().await.is_none()
    }
}

pub(crate) fn transaction(signer: &SigningIdentity, payload: &[u8]) -> Envelope {
    transaction_for(CHANNEL, signer, payload)
}

pub(crate) fn transaction_for(channel_id: &str, signer: &SigningIdentity, payload: &[u8]) -> Envelope {
    let data = Bytes::copy_from_slice(payload);
    Draft::new(HeaderType::EndorserTransaction, channel_id, data, now_unix())
        .with_tx_id()
        .sign(signer)
        .unwrap()
}

pub(crate) fn at(number: u64) -> Option<SeekPosition> {
    position(seek_position::Type::Specified(SeekSpecified { number }))
}

pub(crate) fn position(position: seek_position::Type) -> Option<SeekPosition> {
    Some(SeekPosition { r#type: Some(position) })
}

pub(crate) fn seek(signer: &SigningIdentity, info: &SeekInfo) -> Envelope {
    seek_draft(CHANNEL, info).sign(signer).unwrap()
}

pub(crate) fn seek_draft(channel_id: &str, info: &SeekInfo) -> Draft {
    Draft::new(HeaderType::DeliverSeekInfo, channel_id, info.encode_to_vec().into(), now_unix())
}
