#!/usr/bin/env python3
"""ClickHouse's HTTP interface over the engine in the PyPI package `chdb`, for tests on machines without Docker.

It is the engine (MergeTree family, materialised views, FINAL, deduplication windows, settings, parameters), not the
server: no users, quotas, replication or compression of bodies. Statements run side by side in a few sessions of one
engine; a request body is taken whole before the engine sees it, so that a request cut half-way leaves nothing behind.

Usage: clickhouse_front.py --data DIR --port PORT
"""

import argparse
import contextlib
import json
import os
import queue
import re
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from chdb import session

SESSIONS = 4
MAX_BODY = 512 * 1024 * 1024
# Waiting for a session, and for the next byte of a request or an idle connection, in seconds.
SESSION_WAIT = 60
SILENCE = 60

# Parameters of the HTTP interface itself; every other one is a setting of the statement.
NOT_SETTINGS = {
    "query", "database", "default_format", "query_id", "session_id", "session_timeout", "session_check", "user",
    "password", "quota_key", "role", "wait_end_of_query", "buffer_size", "stacktrace", "client_protocol_version",
}
INSERT_WITH_FORMAT = re.compile(
    rb"\A(?P<head>\s*INSERT\s+INTO\s+(?:TABLE\s+)?[^\s(]+\s*(?:\([^)]*\))?\s*(?:SETTINGS\s[^;]*?\s)?)"
    rb"FORMAT\s+(?P<format>\w+)(?:\s*\Z|\r?\n|[ \t])",
    re.IGNORECASE,
)
QUOTED_OR_COMMENT = re.compile(
    r"'(?:[^'\\]|\\.|'')*'|`(?:[^`\\]|\\.)*`|\"(?:[^\"\\]|\\.)*\"|--[^\n]*|/\*.*?\*/", re.DOTALL
)
EXCEPTION = re.compile(r"Code: (\d+)\. DB::Exception: .*", re.DOTALL)


class Refused(Exception):
    """What the front itself refuses, in the engine's own words."""

    def __init__(self, code, text):
        super().__init__(f"Code: {code}. DB::Exception: {text}")


class Engine:
    """A few sessions of one engine; each runs one statement at a time."""

    def __init__(self, path):
        self._idle = queue.LifoQueue()
        for _ in range(SESSIONS):
            self._idle.put((session.Session(path), {}))
        connection, _ = self._idle.queue[0]
        self.version = str(connection.query("SELECT version()", "TabSeparatedRaw")).strip()

    @contextlib.contextmanager
    def _session(self, database, settings):
        try:
            connection, applied = self._idle.get(timeout=SESSION_WAIT)
        except queue.Empty:
            raise Refused(202, "Too many simultaneous queries. (TOO_MANY_SIMULTANEOUS_QUERIES)") from None
        try:
            self._apply(connection, applied, settings)
            connection.query("USE " + quote_name(database))
            yield connection
        finally:
            self._idle.put((connection, applied))

    @staticmethod
    def _apply(connection, applied, settings):
        changes = [f"{name}={quote(value)}" for name, value in settings.items() if applied.get(name) != value]
        changes += [f"{name}=DEFAULT" for name in applied if name not in settings]
        if not changes:
            return
        before = set(applied)
        # Should it fail half-way, the next statement sets every one of them again.
        applied.update({name: None for name in settings})
        connection.query("SET " + ", ".join(changes))
        for name in before - set(settings):
            del applied[name]
        applied.update(settings)

    def query(self, sql, output_format, database, settings, params):
        with self._session(database, settings) as connection:
            return connection.query(sql, output_format, params=params or None)

    def insert(self, sql, input_format, body, database, settings):
        with self._session(database, settings) as connection:
            inserter = connection.send_insert(sql, input_format)
            if body:
                inserter.append(body)
            return inserter.finish()


def rows_written(result):
    count = getattr(result, "rows_written", 0)
    return count() if callable(count) else count


def quote(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def quote_name(name):
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def refuse_second_statement(sql):
    if ";" in sql and ";" in QUOTED_OR_COMMENT.sub("", sql).strip().rstrip(";"):
        raise Refused(62, "Syntax error (Multi-statements are not allowed). (SYNTAX_ERROR)")


class Front(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body of an answer leave in one write, and nothing waits for a late acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True
    timeout = SILENCE
    engine = None

    def do_GET(self):
        url = urlsplit(self.path)
        if url.path == "/ping":
            return self.answer(200, b"Ok.\n")
        return self.statement(url)

    def do_POST(self):
        return self.statement(urlsplit(self.path))

    def statement(self, url):
        try:
            body = self.body()
        except ValueError as problem:
            self.close_connection = True
            return self.answer(400, f"{problem}\n".encode())
        try:
            self.run(dict(parse_qsl(url.query, keep_blank_values=True)), body)
        except (Refused, RuntimeError, ValueError) as problem:
            self.fail(str(problem))

    def run(self, params, body):
        content_type = self.headers.get("Content-Type", "")
        if content_type.startswith("multipart/form-data"):
            form = parse_form(content_type, body)
            body = form.pop("query", "").encode()
            params.update(form)
        for name in ("compress", "decompress"):
            if params.pop(name, "0") not in ("0", "false"):
                raise Refused(344, f"{name} is not supported by this front: turn the client's compression off")
        if self.headers.get("Content-Encoding", "identity") != "identity":
            raise Refused(344, "Content-Encoding is not supported by this front: turn the client's compression off")
        database = params.get("database") or self.headers.get("X-ClickHouse-Database") or "default"
        named = {name[6:]: value for name, value in params.items() if name.startswith("param_")}
        settings = {
            name: value
            for name, value in params.items()
            if name not in NOT_SETTINGS and not name.startswith("param_")
        }
        if unknown := [name for name in settings if not re.fullmatch(r"\w+", name)]:
            raise Refused(115, f"Unknown setting {unknown[0]!r}. (UNKNOWN_SETTING)")

        query = params.get("query", "").encode()
        insert = INSERT_WITH_FORMAT.match(query) or (None if query else INSERT_WITH_FORMAT.match(body))
        if insert:
            # What follows the statement is data, as is the body of a statement that came in the URL.
            data = query[insert.end():] + body if insert.string is query else body[insert.end():]
            head = insert["head"].decode().rstrip()
            result = self.engine.insert(head, insert["format"].decode(), data, database, settings)
            return self.answer(200, b"", rows_written=rows_written(result))

        sql = b"\n".join(part for part in (query, body) if part).decode()
        if not sql.strip():
            raise Refused(62, "Syntax error: empty query. (SYNTAX_ERROR)")
        if not re.match(r"\s*INSERT\b", sql, re.IGNORECASE):
            refuse_second_statement(sql)
        output = params.get("default_format") or self.headers.get("X-ClickHouse-Format") or "TabSeparated"
        result = self.engine.query(sql.strip().rstrip(";"), output, database, settings, named)
        return self.answer(200, result.bytes(), rows_written=rows_written(result))

    def body(self):
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return self.chunked_body()
        length = int(self.headers.get("Content-Length") or 0)
        if not 0 <= length <= MAX_BODY:
            raise ValueError("body too large")
        body = self.rfile.read(length)
        if len(body) != length:
            raise ValueError("body cut short")
        return body

    def chunked_body(self):
        chunks, total = [], 0
        while True:
            size = int(self.rfile.readline(64).split(b";")[0], 16)
            total += size
            if size < 0 or total > MAX_BODY:
                raise ValueError("body too large")
            chunk = self.rfile.read(size)
            if len(chunk) != size or self.rfile.readline(64).strip():
                raise ValueError("body cut short")
            if size == 0:
                return b"".join(chunks)
            chunks.append(chunk)

    def fail(self, text):
        found = EXCEPTION.search(text)
        code, text = (found[1], found[0]) if found else ("1002", f"Code: 1002. DB::Exception: {text}")
        if "(version " not in text:
            text = f"{text.strip()} (version {self.engine.version})"
        self.answer(500, text.encode() + b"\n", code=code)

    def answer(self, status, body, code=None, rows_written=0):
        self.send_response(status)
        self.send_header("Content-Type", "application/octet-stream" if code is None else "text/plain")
        self.send_header("Content-Length", str(len(body)))
        if code is not None:
            self.send_header("X-ClickHouse-Exception-Code", code)
        else:
            self.send_header("X-ClickHouse-Summary", json.dumps({"written_rows": str(rows_written)}))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def parse_form(content_type, body):
    """The fields of a multipart form, to the byte."""
    boundary = re.search(r'boundary="?([^";]+)', content_type)
    if not boundary:
        raise Refused(36, "The multipart form names no boundary. (BAD_ARGUMENTS)")
    form = {}
    for part in (b"\r\n" + body).split(b"\r\n--" + boundary[1].encode())[1:]:
        if part.startswith(b"--"):
            return form
        head, separator, value = part.partition(b"\r\n\r\n")
        name = re.search(rb'name="([^"]+)"', head)
        if not separator or not name:
            break
        form[name[1].decode()] = value.decode()
    raise Refused(36, "The multipart form cannot be read. (BAD_ARGUMENTS)")


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def handle_error(self, request, client_address):
        # A client that went away is none of the front's business; anything else is.
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    Front.engine = Engine(arguments.data)
    server = Server(("127.0.0.1", arguments.port), Front)
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"ClickHouse engine {Front.engine.version} on 127.0.0.1:{server.server_port}", flush=True)
    stop.wait()
    # The engine's own threads do not end by themselves; its files survive a kill.
    os._exit(0)


if __name__ == "__main__":
    main()
