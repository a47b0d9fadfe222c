"""A Fabric client that is not ours: Broadcast and Deliver over mutual TLS with grpcio and
hyperledger-fabric-protos. Orders transactions, reads the chain back, checks it, prints JSON.

    fabric_client.py order   SETTINGS.json COUNT      one line: {"statuses": [...], "blocks": [...]}
    fabric_client.py garbage SETTINGS.json            one line: {"cases": {name: [status, info]}}

SETTINGS.json: {"orderers": ["host:port", ...], "channel", "mspid", "certificate", "key",
"tls_ca", "tls_certificate", "tls_key"}; the last six but mspid are paths.
"""

import hashlib
import json
import os
import sys
import time

import grpc
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.x509 import load_pem_x509_certificate
from fabric_protos.common import common_pb2
from fabric_protos.msp import identities_pb2
from fabric_protos.orderer import ab_pb2, ab_pb2_grpc

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def read(path):
    with open(path, "rb") as file:
        return file.read()


class Client:
    def __init__(self, settings, orderer):
        self.channel_id = settings["channel"]
        self.key = serialization.load_pem_private_key(read(settings["key"]), password=None)
        self.creator = identities_pb2.SerializedIdentity(
            mspid=settings["mspid"], id_bytes=read(settings["certificate"])
        ).SerializeToString()
        tls_certificate = read(settings["tls_certificate"])
        self.tls_cert_hash = hashlib.sha256(
            load_pem_x509_certificate(tls_certificate).public_bytes(serialization.Encoding.DER)
        ).digest()
        credentials = grpc.ssl_channel_credentials(
            root_certificates=read(settings["tls_ca"]),
            private_key=read(settings["tls_key"]),
            certificate_chain=tls_certificate,
        )
        limits = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        self.connection = grpc.secure_channel(orderer, credentials, options=limits)
        self.stub = ab_pb2_grpc.AtomicBroadcastStub(self.connection)

    def sign(self, message):
        r, s = decode_dss_signature(self.key.sign(message, ec.ECDSA(hashes.SHA256())))
        # Fabric accepts the lower of the two equivalent values of s alone.
        return encode_dss_signature(r, min(s, P256_ORDER - s))

    def envelope(self, header_type, data, channel_id=None, sign=True):
        nonce = os.urandom(24)
        channel_header = common_pb2.ChannelHeader(
            type=header_type,
            channel_id=self.channel_id if channel_id is None else channel_id,
            tx_id=hashlib.sha256(nonce + self.creator).hexdigest(),
            tls_cert_hash=self.tls_cert_hash,
        )
        channel_header.timestamp.GetCurrentTime()
        payload = common_pb2.Payload(
            header=common_pb2.Header(
                channel_header=channel_header.SerializeToString(),
                signature_header=common_pb2.SignatureHeader(
                    creator=self.creator, nonce=nonce
                ).SerializeToString(),
            ),
            data=data,
        ).SerializeToString()
        return common_pb2.Envelope(payload=payload, signature=self.sign(payload) if sign else b"")

    def broadcast(self, envelopes):
        return [(r.status, r.info) for r in self.stub.Broadcast(iter(envelopes), timeout=60)]

    def deliver(self, start, stop):
        """The blocks from start to stop, numbers; ends with the status that Deliver gives."""
        seek = ab_pb2.SeekInfo(
            start=ab_pb2.SeekPosition(specified=ab_pb2.SeekSpecified(number=start)),
            stop=ab_pb2.SeekPosition(specified=ab_pb2.SeekSpecified(number=stop)),
            behavior=ab_pb2.SeekInfo.BLOCK_UNTIL_READY,
        )
        request = self.envelope(common_pb2.DELIVER_SEEK_INFO, seek.SerializeToString())
        blocks, status = [], None
        for response in self.stub.Deliver(iter([request]), timeout=60):
            if response.WhichOneof("Type") == "status":
                status = response.status
                break
            blocks.append(response.block)
        return blocks, status


def der_integer(value):
    body = value.to_bytes(value.bit_length() // 8 + 1, "big")
    return bytes([2, len(body)]) + body


def header_hash(header):
    body = der_integer(header.number)
    for octets in (header.previous_hash, header.data_hash):
        body += bytes([4, len(octets)]) + octets
    return hashlib.sha256(bytes([0x30, len(body)]) + body).digest()


def wait_for_leader(client):
    """Orders one transaction as soon as the network takes it."""
    deadline = time.monotonic() + 60
    while True:
        answers = client.broadcast([client.envelope(common_pb2.ENDORSER_TRANSACTION, b"first")])
        if answers and answers[0][0] == common_pb2.SUCCESS:
            return
        if time.monotonic() > deadline:
            raise SystemExit(f"no leader within 60 s: {answers}")
        time.sleep(0.2)


def order(settings, count):
    clients = [Client(settings, orderer) for orderer in settings["orderers"]]
    wait_for_leader(clients[0])
    wanted, statuses = [], []
    for index in range(count):
        wanted.append(clients[0].envelope(common_pb2.ENDORSER_TRANSACTION, f"transaction {index}".encode()))
    for offset, client in enumerate(clients):
        statuses += [status for status, _ in client.broadcast(wanted[offset :: len(clients)])]
    missing = {envelope.SerializeToString() for envelope in wanted}
    blocks, previous, number = [], b"", 0
    while missing:
        received, _ = clients[number % len(clients)].deliver(number, number)
        block = received[0]
        assert block.header.number == number
        assert block.header.previous_hash == previous
        assert block.header.data_hash == hashlib.sha256(b"".join(block.data.data)).digest()
        previous = header_hash(block.header)
        blocks.append(previous.hex())
        missing -= set(block.data.data)
        number += 1
    tip = number - 1
    every = [client.deliver(0, tip) for client in clients]
    print(
        json.dumps(
            {
                "statuses": statuses,
                "blocks": blocks,
                "chains": [[header_hash(b.header).hex() for b in chain] for chain, _ in every],
                "deliver_statuses": [status for _, status in every],
            }
        )
    )


def garbage(settings):
    client = Client(settings, settings["orderers"][0])
    wait_for_leader(client)
    message = common_pb2.ENDORSER_TRANSACTION
    cases = {
        "empty": common_pb2.Envelope(),
        "garbage_payload": common_pb2.Envelope(payload=b"\xff\xff\xff"),
        "wrong_channel": client.envelope(message, b"x", channel_id="nosuchchannel"),
        "unsigned": client.envelope(message, b"x", sign=False),
        "config": client.envelope(common_pb2.CONFIG, b"x"),
        "good": client.envelope(message, b"x"),
    }
    print(json.dumps({"cases": {name: client.broadcast([envelope])[0] for name, envelope in cases.items()}}))


def main():
    settings = json.loads(read(sys.argv[2]))
    if sys.argv[1] == "order":
        order(settings, int(sys.argv[3]))
    elif sys.argv[1] == "garbage":
        garbage(settings)
    else:
        raise SystemExit(__doc__)


main()
