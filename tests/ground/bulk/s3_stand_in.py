"""As much of S3 as pyarrow speaks: objects in memory behind the protocol's HTTP; signatures are not looked at."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

_XML = '<?xml version="1.0" encoding="UTF-8"?>'


class Objects:
    """The objects of a bucket, each with its bytes and the second in which it was written; and which were read."""

    def __init__(self) -> None:
        self.held: dict[str, tuple[bytes, int]] = {}
        self.parts: dict[str, dict[int, bytes]] = {}
        self.read: list[str] = []

    def put(self, name: str, data: bytes, when_s: int | None = None) -> None:
        """Write an object."""
        self.held[name] = (data, when_s or int(time.time()))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        """An object, or the bucket."""
        name = self._name()
        if not name:
            self._answer(200)
        elif name in self.server.objects.held:
            self._answer(200, *self._described(name), is_head=True)
        else:
            self._answer(404)

    def do_GET(self) -> None:
        """A listing, or the bytes of an object."""
        name, objects = self._name(), self.server.objects
        if not name:
            self._answer(200, self._listing().encode())
        elif name not in objects.held:
            self._answer(404, f"{_XML}<Error><Code>NoSuchKey</Code></Error>".encode())
        else:
            objects.read.append(name)
            data, headers = self._described(name)
            span = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
            if span:
                first, last = int(span[1]), min(int(span[2]), len(data) - 1)
                headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
                self._answer(206, data[first : last + 1], headers)
            else:
                self._answer(200, data, headers)

    def do_PUT(self) -> None:
        """An object, a part of one, or a copy."""
        query, body, copied = self._query(), self._body(), self.headers.get("x-amz-copy-source")
        if copied:
            self.server.objects.put(
                self._name(), self.server.objects.held[unquote(copied).strip("/").partition("/")[2]][0]
            )
            self._answer(200, f"{_XML}<CopyObjectResult><ETag>x</ETag></CopyObjectResult>".encode())
            return
        if "uploadId" in query:
            self.server.objects.parts[query["uploadId"]][int(query["partNumber"])] = body
        else:
            self.server.objects.put(self._name(), body)
        self._answer(200, b"", {"ETag": f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'})

    def do_DELETE(self) -> None:
        """An object goes, if it is there."""
        self.server.objects.held.pop(self._name(), None)
        self._answer(204)

    def do_POST(self) -> None:
        """Begin an object of several parts, or end it."""
        query, name, objects = self._query(), self._name(), self.server.objects
        self._body()
        if "uploads" in query:
            upload = f"u{len(objects.parts)}"
            objects.parts[upload] = {}
            result = "InitiateMultipartUploadResult"
            text = f"<Bucket>b</Bucket><Key>{escape(name)}</Key><UploadId>{upload}</UploadId>"
        else:
            result, text = "CompleteMultipartUploadResult", '<ETag>"whole"</ETag>'
            objects.put(name, b"".join(data for _, data in sorted(objects.parts[query["uploadId"]].items())))
        self._answer(200, f"{_XML}<{result}>{text}</{result}>".encode())

    def _name(self) -> str:
        return unquote(urlsplit(self.path).path).strip("/").partition("/")[2]

    def _query(self) -> dict[str, str]:
        return {key: values[0] for key, values in parse_qs(urlsplit(self.path).query, keep_blank_values=True).items()}

    def _listing(self) -> str:
        prefix = self._query().get("prefix", "")
        contents = "".join(
            f"<Contents><Key>{escape(name)}</Key><Size>{len(data)}</Size>"
            f"<LastModified>{time.strftime('%Y-%m-%dT%H:%M:%S.000Z', time.gmtime(when_s))}</LastModified></Contents>"
            for name, (data, when_s) in sorted(self.server.objects.held.items())
            if name.startswith(prefix)
        )
        count = contents.count("<Contents>")
        return (
            f"{_XML}<ListBucketResult><Name>b</Name><Prefix>{escape(prefix)}</Prefix><KeyCount>{count}</KeyCount>"
            f"<IsTruncated>false</IsTruncated>{contents}</ListBucketResult>"
        )

    def _described(self, name: str) -> tuple[bytes, dict[str, str]]:
        data, when_s = self.server.objects.held[name]
        return data, {"Last-Modified": formatdate(when_s, usegmt=True), "Content-Type": "binary/octet-stream"}

    def _body(self) -> bytes:
        if "aws-chunked" not in self.headers.get("Content-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        raw = self._chunked() if self.headers.get("Transfer-Encoding") else self.rfile.read(
            int(self.headers["Content-Length"])
        )  # fmt: skip
        data = b""
        while True:
            size, _, raw = raw.partition(b"\r\n")
            n = int(size.partition(b";")[0], 16)
            if not n:
                return data
            data, raw = data + raw[:n], raw[n + 2 :]

    def _chunked(self) -> bytes:
        data = b""
        while n := int(self.rfile.readline().split(b";")[0], 16):
            data += self.rfile.read(n)
            self.rfile.readline()
        self.rfile.readline()
        return data

    def _answer(
        self, code: int, body: bytes = b"", headers: dict[str, str] | None = None, *, is_head: bool = False
    ) -> None:
        self.send_response(code)
        for key, value in ({"Content-Length": str(len(body))} | (headers or {})).items():
            self.send_header(key, value)
        self.end_headers()
        if not is_head:
            self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects = Objects()


@contextmanager
def running_s3() -> Iterator[tuple[str, Objects]]:
    """A bucket ``b`` while the block runs: the end of its URLs, and its objects."""
    server = _Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"?scheme=http&endpoint_override=127.0.0.1:{server.server_port}&region=eu-west-1", server.objects
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
