"""Requests from elsewhere are refused, and answers say nothing to other origins."""

import pytest
from starlette.testclient import TestClient

from charrnn.errors import ConfigError
from charrnn.serve import app


@pytest.fixture
def secret(models):
    with TestClient(app(models, api_key="key"), base_url="http://localhost:8000") as client:
        yield client


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200), ("LOCALHOST:8000", 200), ("127.0.0.1:1", 200), ("[::1]:8000", 200), ("[::1]", 200),
        ("evil.example", 403), ("localhost.evil.example", 403), ("evil.example:8000", 403), ("", 403), ("127.0.0.1.evil.example", 403), ("[::2]", 403),
    ],
)  # fmt: skip
def test_the_host_must_be_this_machine(host, status, client):
    assert client.get("/health", headers={"host": host}).status_code == status


@pytest.mark.parametrize(
    ("origin", "status"),
    [("http://localhost", 200), ("http://evil.example", 403), ("null", 403), ("http://localhost:9999", 403), ("https://localhost.evil.example", 403)],
)  # fmt: skip
def test_the_origin_must_be_the_servers(origin, status, client):
    assert client.get("/health", headers={"origin": origin}).status_code == status


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "multipart/form-data", "application/jsonp"])  # fmt: skip
def test_bodies_must_be_json(kind, client):
    answer = client.post("/v1/completions", content=b"{}", headers={"content-type": kind})
    assert answer.status_code == 415


def test_no_answer_allows_other_origins(client):
    for answer in (client.get("/health"), client.get("/none"), client.options("/v1/completions")):
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("header", [None, "", "key", "Bearer", "Bearer ", "Bearer wrong", "Bearer key2", "Bearer k\u00e9y"])  # fmt: skip
def test_a_key_is_needed_if_there_is_one(header, secret):
    headers = {} if header is None else {"authorization": header.encode()}
    answer = secret.get("/v1/models", headers=headers)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    health = secret.get("/health", headers=headers)
    assert (health.status_code, health.json()) == (200, {"status": "ok"})


def test_the_key_opens(secret):
    assert secret.get("/v1/models", headers={"authorization": "Bearer key"}).status_code == 200


def test_a_page_of_an_origin_that_was_allowed_may_send_requests(models):
    guarded = app(models, api_key="key", origins=["https://example.org/"])
    page = {"origin": "https://example.org"}
    with TestClient(guarded, base_url="http://localhost") as client:
        asked_for = {"access-control-request-headers": "authorization, x-stainless-os"}
        asked = client.options("/v1/completions", headers=page | asked_for)
        assert asked.status_code == 204
        assert asked.headers["access-control-allow-origin"] == "https://example.org"
        assert asked.headers["access-control-allow-headers"] == "authorization, x-stainless-os"
        assert client.post("/v1/completions", json={}, headers=page).status_code == 401
        body = {"max_tokens": 3}
        with_key = page | {"authorization": "Bearer key"}
        answer = client.post("/v1/completions", json=body, headers=with_key)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "https://example.org"
        for other in ("https://example.com", "http://example.org", "null"):
            refused = client.options("/v1/completions", headers={"origin": other})
            assert refused.status_code == 403
            assert "access-control-allow-origin" not in refused.headers


@pytest.mark.parametrize(
    "origin", ["*", "example.org", "https://example.org/page", "", "https://*.org"]
)
def test_an_origin_must_be_one(origin, models):
    with pytest.raises(ConfigError, match="`origins` must have origins such as"):
        app(models, origins=[origin])


def test_the_page_needs_no_key(secret):
    assert secret.get("/").status_code == 200
    assert secret.get("/page/main.js").status_code == 200
