"""Renders the templates, with every value escaped and a strict Content-Security-Policy."""

import base64
import hashlib
import importlib.util
from importlib import resources
from typing import Any

from charrnn.errors import MissingPackageError


def check_jinja() -> None:
    """Check that pages can be rendered, before anything slow.

    Raises:
        MissingPackageError: Jinja is not installed.
    """
    if importlib.util.find_spec("jinja2") is None:
        raise MissingPackageError(
            "web pages need Jinja; install it with: pip install 'charrnn[report]'"
        )


def render(template: str, css: str = "", **values: Any) -> str:
    """A page.

    Args:
        template: a file in templates/.
        css: what it needs in addition to page.css.
        **values: for the template; strings are escaped, unless they come from ``markup``.

    Raises:
        MissingPackageError: Jinja is not installed.
    """
    check_jinja()
    style = _source("page.css") + css
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    page = _environment(escapes=True).get_template(template)
    rendered: str = page.render(policy=policy, style=markup(style), **values)
    return rendered


def markup(html: str) -> Any:
    """HTML that a template shall not escape."""
    from markupsafe import Markup

    return Markup(html)


def render_markdown(template: str, **values: Any) -> str:
    """A Markdown file from a template; nothing is escaped.

    Raises:
        MissingPackageError: Jinja is not installed.
    """
    check_jinja()
    rendered: str = _environment(escapes=False).get_template(template).render(**values)
    return rendered


def _environment(*, escapes: bool) -> Any:
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FunctionLoader(_source),
        autoescape=escapes,
        finalize=_allowed_value,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def allowed(text: str) -> str:
    """A text without control characters, which HTML does not allow."""
    return "".join(char if char >= " " or char in "\t\n\r" else "\ufffd" for char in text)


def _allowed_value(value: Any) -> Any:
    """What a template shows, without control characters."""
    return allowed(value) if type(value) is str else value


def _source(name: str) -> str:
    """The text of a file in templates/; the package may be in a zip file."""
    return resources.files("charrnn.pages").joinpath("templates", name).read_text("utf-8")
