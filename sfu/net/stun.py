"""STUN (RFC 8489), as far as an ICE-lite agent speaks it: Binding requests and the answers to them.

A thousand participants who only wait send two hundred checks a second (consent, RFC 7675), which is all that an idle
worker has to do: they are read and answered here in one pass. What is rare goes through aioice's codec.
"""

from __future__ import annotations

import hmac
import socket
import struct
import zlib
from dataclasses import dataclass
from typing import Final

from aioice import stun

BAD_REQUEST: Final = 400
UNAUTHENTICATED: Final = 401
ROLE_CONFLICT: Final = 487
_REASONS: Final = {BAD_REQUEST: "Bad Request", UNAUTHENTICATED: "Unauthenticated", ROLE_CONFLICT: "Role Conflict"}

_HEADER: Final = struct.Struct("!HHI12s")
_ATTRIBUTE: Final = struct.Struct("!HH")
_COOKIE: Final = 0x2112A442
_COOKIE_BYTES: Final = _COOKIE.to_bytes(4)
_FINGERPRINT_XOR: Final = 0x5354554E

_BINDING_REQUEST: Final = 0x0001
_BINDING_SUCCESS: Final = 0x0101
_USERNAME: Final = 0x0006
_MESSAGE_INTEGRITY: Final = 0x0008
_XOR_MAPPED_ADDRESS: Final = 0x0020
_USE_CANDIDATE: Final = 0x0025
_FINGERPRINT: Final = 0x8028
_ICE_CONTROLLED: Final = 0x8029
_PRIORITY: Final = 0x0024
_ICE_CONTROLLING: Final = 0x802A
_INTEGRITY_LEN: Final = 20
_FINGERPRINT_LEN: Final = 4
_INTEGRITY_HEAD: Final = _ATTRIBUTE.pack(_MESSAGE_INTEGRITY, _INTEGRITY_LEN)
_FINGERPRINT_HEAD: Final = _ATTRIBUTE.pack(_FINGERPRINT, _FINGERPRINT_LEN)
_TRANSACTION_ID: Final = 8
"""Where it begins."""
_TRANSACTION_ID_LEN: Final = 12
_IPV4_FAMILY: Final = 1
_IPV6_FAMILY: Final = 2
_LENGTHS: Final = {
    _PRIORITY: 4,
    _USE_CANDIDATE: 0,
    _ICE_CONTROLLED: 8,
    _ICE_CONTROLLING: 8,
    _MESSAGE_INTEGRITY: _INTEGRITY_LEN,
}
"""Of values that have only one."""

MAX_LENGTH: Final = 1280
"""RFC 8489 section 6.1 keeps STUN below the smallest IPv6 MTU; browsers' checks take about 150 bytes."""


@dataclass(slots=True)
class BindingRequest:
    """A connectivity check. Nothing in it may be believed before `verify`."""

    transaction_id: bytes
    username: str = ""
    """`<our ufrag>:<their ufrag>` (RFC 8445 section 7.2.2); empty when there was none."""
    use_candidate: bool = False
    controlled: bool = False
    """The sender believes that it is the controlled agent, too. PRIORITY, ICE-CONTROLLING and its tie-breaker are not
    needed by a lite agent, and FFmpeg leaves them out."""
    signature: bytes = b""
    signed_part: bytes = b""
    """What the signature covers, its header's length adjusted to end with MESSAGE-INTEGRITY (RFC 8489 section 14.5)."""

    @property
    def signed(self) -> bool:
        """It carries MESSAGE-INTEGRITY, good or bad."""
        return bool(self.signature)

    @property
    def local_ufrag(self) -> str:
        """The part of the username that names the receiver of the check."""
        return self.username.partition(":")[0]

    def verify(self, pwd: str) -> bool:
        """Whether MESSAGE-INTEGRITY was made with our password."""
        return self.signed and hmac.compare_digest(self.signature, _integrity(self.signed_part, pwd))


def parse_binding_request(data: bytes) -> BindingRequest | None:
    """Read a datagram classified as STUN. None for other sound STUN messages: indications, and responses to nothing.

    `ValueError` for bad bytes and for a FINGERPRINT that does not match. Attributes after MESSAGE-INTEGRITY are
    ignored.
    """
    size = len(data)
    if not _HEADER.size <= size <= MAX_LENGTH:
        raise ValueError("STUN message is too short or too long")
    kind, length, cookie, transaction_id = _HEADER.unpack_from(data)
    if cookie != _COOKIE:
        raise ValueError("STUN magic cookie is missing")
    if length != size - _HEADER.size or length % 4:
        raise ValueError("STUN message has another length than its header says")
    request = BindingRequest(transaction_id)
    position = _HEADER.size
    while position < size:
        attribute, value_len = _ATTRIBUTE.unpack_from(data, position)
        start = position + _ATTRIBUTE.size
        if start + value_len > size:
            raise ValueError("STUN attribute is truncated")
        if attribute == _FINGERPRINT:
            _check_fingerprint(data, position, data[start : start + value_len])
            break
        if not request.signed:
            _read_attribute(request, data, attribute, position, data[start : start + value_len])
        position = start + (value_len + 3 & ~3)
    return request if kind == _BINDING_REQUEST else None


def _read_attribute(request: BindingRequest, data: bytes, attribute: int, position: int, value: bytes) -> None:
    if len(value) != _LENGTHS.get(attribute, len(value)):
        raise ValueError("STUN attribute has a length that its kind never has")
    if attribute == _USERNAME:
        request.username = value.decode()
    elif attribute == _USE_CANDIDATE:
        request.use_candidate = True
    elif attribute == _ICE_CONTROLLED:
        request.controlled = True
    elif attribute == _MESSAGE_INTEGRITY:
        request.signature = value
        request.signed_part = _ending_at(data[:position], position + _ATTRIBUTE.size + _INTEGRITY_LEN)


def _check_fingerprint(data: bytes, position: int, value: bytes) -> None:
    covered = _ending_at(data[:position], position + _ATTRIBUTE.size + _FINGERPRINT_LEN)
    if value != _fingerprint(covered):
        raise ValueError("STUN FINGERPRINT does not match")


def _ending_at(part: bytes, end: int) -> bytes:
    """The beginning of a message as if the whole one ended at `end`."""
    return part[:2] + (end - _HEADER.size).to_bytes(2) + part[4:]


def _integrity(covered: bytes, pwd: str) -> bytes:
    return hmac.digest(pwd.encode(), covered, "sha1")


def _fingerprint(covered: bytes) -> bytes:
    return (zlib.crc32(covered) ^ _FINGERPRINT_XOR).to_bytes(4)


def success_response(request: BindingRequest, mapped: tuple[str, int], pwd: str) -> bytes:
    """A signed success response that tells the peer the address it was seen at."""
    return _success(request.transaction_id, _mapped_address(request.transaction_id, mapped), pwd)


def _mapped_address(transaction_id: bytes, mapped: tuple[str, int]) -> bytes:
    host, port = mapped
    family = _IPV6_FAMILY if ":" in host else _IPV4_FAMILY
    address = socket.inet_pton(socket.AF_INET6 if family == _IPV6_FAMILY else socket.AF_INET, host)
    mask = (_COOKIE_BYTES + transaction_id)[: len(address)]
    masked = (int.from_bytes(address) ^ int.from_bytes(mask)).to_bytes(len(address))
    value = struct.pack("!HH", family, port ^ _COOKIE >> 16) + masked
    return _ATTRIBUTE.pack(_XOR_MAPPED_ADDRESS, len(value)) + value


def _success(transaction_id: bytes, attributes: bytes, pwd: str) -> bytes:
    signed_len = len(attributes) + _ATTRIBUTE.size + _INTEGRITY_LEN
    message = _HEADER.pack(_BINDING_SUCCESS, signed_len, _COOKIE, transaction_id) + attributes
    signature = _INTEGRITY_HEAD + _integrity(message, pwd)
    whole_len = signed_len + _ATTRIBUTE.size + _FINGERPRINT_LEN
    message = _HEADER.pack(_BINDING_SUCCESS, whole_len, _COOKIE, transaction_id) + attributes + signature
    return message + _FINGERPRINT_HEAD + _fingerprint(message)


class RepeatedCheck:
    """A check that was good, and will come again every few seconds with nothing changed but its transaction id,
    signature and fingerprint: the next ones need no reading, only their signature verified."""

    __slots__ = ("_beginning", "_mapped", "_middle", "_pwd", "_signed_beginning", "_size")

    def __init__(self, request: BindingRequest, mapped: tuple[str, int], pwd: str) -> None:
        """`request` was verified with `pwd`; its sender is `mapped` as text."""
        signed = request.signed_part
        self._size = len(signed) + len(_INTEGRITY_HEAD) + _INTEGRITY_LEN + len(_FINGERPRINT_HEAD) + _FINGERPRINT_LEN
        self._beginning = _ending_at(signed[:_TRANSACTION_ID], self._size)
        self._signed_beginning = signed[:_TRANSACTION_ID]
        self._middle = signed[_HEADER.size :]
        # What is masked with the transaction id has to be made anew.
        self._mapped = mapped if ":" in mapped[0] else _mapped_address(request.transaction_id, mapped)
        self._pwd = pwd

    def answer(self, data: bytes) -> bytes | None:
        """The success response to a check that repeats this one; None for anything else, which has to be read."""
        end = self._size - len(_FINGERPRINT_HEAD) - _FINGERPRINT_LEN
        integrity = end - _INTEGRITY_LEN
        part = data[_TRANSACTION_ID : integrity - len(_INTEGRITY_HEAD)]
        transaction_id = part[:_TRANSACTION_ID_LEN]
        repeated = (
            len(data) == self._size
            and data.startswith(self._beginning)
            and part[_TRANSACTION_ID_LEN:] == self._middle
            and data[integrity - len(_INTEGRITY_HEAD) : integrity] == _INTEGRITY_HEAD
            and data[end:] == _FINGERPRINT_HEAD + _fingerprint(data[:end])
            and hmac.compare_digest(data[integrity:end], _integrity(self._signed_beginning + part, self._pwd))
        )
        if not repeated:
            return None
        mapped = self._mapped if isinstance(self._mapped, bytes) else _mapped_address(transaction_id, self._mapped)
        return _success(transaction_id, mapped, self._pwd)


def error_response(request: BindingRequest, code: int, pwd: str | None) -> bytes:
    """An error response; signed when `pwd` is given, which RFC 8489 section 9.1.3 forbids for 400 and 401."""
    message = stun.Message(
        stun.Method.BINDING,
        stun.Class.ERROR,
        request.transaction_id,
        {"ERROR-CODE": (code, _REASONS[code])},
    )
    if pwd is None:
        message.add_fingerprint()
    else:
        message.add_message_integrity(pwd.encode())
    return bytes(message)
