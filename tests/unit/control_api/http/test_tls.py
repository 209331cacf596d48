import ssl

import pytest

from control_api.http.tls import TlsError, TlsFiles
from tests.support.certificates import write_certificate


def served_name(context, trusted):
    """The name in the certificate that a client gets to see, by a handshake in memory."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client_context = ssl.create_default_context(cadata=trusted)
    client_context.check_hostname = False
    client = client_context.wrap_bio(to_client, to_server)
    server = context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return dict(part[0] for part in client.getpeercert()["subject"])["commonName"]


@pytest.fixture
def files(tmp_path):
    return TlsFiles(*write_certificate(tmp_path, "first.example"))


def test_a_renewed_certificate_is_used_from_the_next_handshake_on(files, tmp_path):
    before = files.context
    assert served_name(before, (tmp_path / "cert.pem").read_text()) == "first.example"
    write_certificate(tmp_path, "second.example")
    files.look()
    assert served_name(files.context, (tmp_path / "cert.pem").read_text()) == "second.example"


def test_nothing_is_loaded_anew_without_a_change(files):
    before = files.context
    files.look()
    assert files.context is before


@pytest.mark.parametrize("name", ["cert.pem", "key.pem"])
@pytest.mark.parametrize("content", [b"", b"garbage", None])
def test_broken_files_leave_the_old_certificate_in_use(files, tmp_path, caplog, name, content):
    before, good = files.context, (tmp_path / name).read_bytes()
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    for _ in range(3):
        files.look()
    assert files.context is before
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert name in record.message
    assert "PRIVATE KEY" not in caplog.text
    (tmp_path / name).write_bytes(good)
    files.look()
    assert files.context is not before, "once they are whole again they are used"


def test_a_certificate_that_is_there_before_its_key(files, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    certificate, key = write_certificate(other, "second.example")
    before = files.context
    (tmp_path / "cert.pem").write_bytes(certificate.read_bytes())
    files.look()
    assert files.context is before, "the new certificate does not fit the old key"
    (tmp_path / "key.pem").write_bytes(key.read_bytes())
    files.look()
    assert served_name(files.context, certificate.read_text()) == "second.example"


def test_what_can_not_be_used_is_told_at_the_start(tmp_path):
    certificate, key = write_certificate(tmp_path)
    with pytest.raises(TlsError, match=r"missing\.pem can't be read: No such file"):
        TlsFiles(tmp_path / "missing.pem", key)
    with pytest.raises(TlsError, match="can't be used"):
        TlsFiles(key, certificate)
    write_certificate(tmp_path, password=b"hunter2")
    with pytest.raises(TlsError, match="the TLS key is encrypted"):
        TlsFiles(certificate, key)


def test_old_protocols_are_not_spoken(files):
    assert files.context.minimum_version == ssl.TLSVersion.TLSv1_2
