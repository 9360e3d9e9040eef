"""charrnn inspect: find what may be wrong with a text before a model is trained on it.

Needs no PyTorch.
"""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from charrnn.cli.console import progress_bar, shown, tell
from charrnn.cli.options import json_option, quiet_option
from charrnn.cli.output import into_file
from charrnn.cli.paths import check_outputs
from charrnn.cli.short_paths import is_long
from charrnn.config.run_config import DataConfig
from charrnn.config.shell import command, option
from charrnn.corpus.encoding import check_encoding
from charrnn.corpus.files import check_files, corpus_files
from charrnn.doctor.finding import Finding, counted
from charrnn.doctor.inspection import Inspection, inspect_sources
from charrnn.doctor.repair import REPAIRS, Repair
from charrnn.doctor.source import UTF_8, Source
from charrnn.errors import ConfigError, CorpusError

OF_INSPECT = "--fix "  # what a fix begins with that this command makes


@click.command(name="inspect", context_settings={"max_content_width": 110})
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--encoding",
    metavar="NAME",
    help="encoding of the files  [default: UTF-8, or what fits best]",
)
@click.option(
    "--write",
    metavar="PATH",
    help="write the text with the repairs of --fix to this file, in UTF-8",
)
@click.option(
    "--fix",
    metavar="KINDS",
    help="what to repair in that file: kinds of findings, separated by commas",
)
@json_option(
    "inspect",
    "print a JSON object: files, characters, and findings, each with kind, message, count, places "
    "and fix",
)
@quiet_option
def inspect(
    files: tuple[str, ...],
    encoding: str | None,
    write: str | None,
    fix: str | None,
    as_json: bool,
) -> None:
    """Find what may be wrong with text files, and repair it in a copy.

    Looked for are a wrong encoding, odd and rare characters, letters of another script, line ends,
    repeated lines, the heads and numbers of pages, hyphenated words, wrapped lines, passages that
    occur twice, and files that are a list, a table or markup. FILE is a text file, a directory with
    *.txt files, or - for standard input. The files themselves are never changed.

    Kinds that can be repaired are bom, line-ends, encoding, control-characters, normalization,
    mixed-script, rare-characters, markup, hyphenation, wrapped-lines, repeated-lines and
    duplicates.

    \b
      charrnn inspect my.txt
      charrnn inspect my.txt --write fixed.txt --fix encoding,hyphenation
    """
    fixes = _fixes(write, fix)
    if encoding is not None:
        check_encoding(DataConfig(encoding=encoding))
    check_outputs({"--write": write}, {f"FILE {file}": file for file in files})
    check_files(files)
    sources = [Source(file, encoding) for file in corpus_files(files, [])]
    size = sum(source.size for source in sources)
    with progress_bar(2 * size, delay=1, unit="B") as bar:
        inspection = inspect_sources(sources, bar.update)
    if as_json:
        click.echo(json.dumps(_as_dict(inspection)))
    else:
        click.echo("\n".join(_lines(inspection, files, _encoding_flags(sources))))
    if write is not None:
        _write(sources, fixes, write, size)


def _fixes(write: str | None, fix: str | None) -> list[str]:
    """The repairs to make.

    Raises:
        ConfigError: an unknown one, or one of the two options without the other.
    """
    if fix is None and write is None:
        return []
    if fix is None:
        raise ConfigError("--write needs --fix, which says what to repair; give both")
    if write == "-":
        raise ConfigError("--write needs the name of a file, got -; give one")
    if write is None:
        raise ConfigError("--fix needs --write, since no file is changed in place; give both")
    fixes = [word.strip() for word in fix.split(",") if word.strip()]
    for word in fixes:
        if word not in REPAIRS:
            raise ConfigError(f"--fix must be some of {', '.join(REPAIRS)}, got {word!r}")
    return fixes


def _write(sources: Sequence[Source], fixes: Sequence[str], path: str, size: int) -> None:
    """Write the repaired text, and tell what was changed."""
    if not any(source.is_text for source in sources):
        raise CorpusError("nothing was written: no file is plain text")
    with progress_bar(2 * size, delay=1, unit="B") as bar:
        repair = Repair(sources, fixes, bar.update)
        into_file("--write", Path(path), (block.encode() for block in repair.blocks()))
    for source in repair.sources:
        if source.encoding != UTF_8:
            tell(f"{source.path} was read as {source.encoding}")
        if source.faults is not None and source.encoding in (UTF_8, source.given):
            invalid = counted(source.faults.number, "invalid byte sequence")
            tell(f"{invalid} of {source.path} became U+FFFD")
    changes = []
    for kind in REPAIRS:
        number = repair.changes[kind]
        if number:
            changes.append(f"{kind}: {counted(number, *REPAIRS[kind])}")
    tell(f"wrote {path} in UTF-8; changed {', '.join(changes) or 'nothing'}")


def _as_dict(inspection: Inspection) -> dict[str, Any]:
    """The inspection as ``--json`` prints it."""
    result = asdict(inspection)
    for finding, described in zip(inspection.findings, result["findings"], strict=True):
        described["places"] = [place._asdict() for place in finding.places]
    return result


def _encoding_flags(sources: Sequence[Source]) -> list[str]:
    """The option for the encoding that the files need, if it is the same one for all."""
    encodings = {source.encoding for source in sources if source.is_text}
    if len(encodings) != 1 or UTF_8 in encodings:
        return []
    return option("--encoding", encodings.pop())


def _lines(
    inspection: Inspection,
    files: Sequence[str],
    encoding: Sequence[str],
) -> Iterator[str]:
    """The report for people."""
    read = counted(inspection.characters, "character")
    where = "" if len(inspection.files) == 1 else f" in {len(inspection.files):,} files"
    if not inspection.findings:
        yield f"nothing was found in {read}{where}"
        return
    yield f"{counted(len(inspection.findings), 'finding')} in {read}{where}"
    for finding in inspection.findings:
        yield ""
        yield from _described(finding, files, encoding)


def _described(
    finding: Finding,
    files: Sequence[str],
    encoding: Sequence[str],
) -> Iterator[str]:
    yield shown(f"{finding.kind}: {finding.message}")
    for place in finding.places:
        text = place.text.strip()
        yield shown(f"  {place}  {text}" if text else f"  {place}")
    if finding.fix is not None:
        yield shown(f"  fix: {_fix_command(finding.fix, files, encoding)}")


def _fix_command(fix: str, files: Sequence[str], encoding: Sequence[str]) -> str:
    """What a fix is on the command line, with the encoding that the files need."""
    paths = ["FILE..."] if is_long(files) else list(files)
    if fix.startswith(OF_INSPECT):
        flags = option("--fix", fix.removeprefix(OF_INSPECT))
        return command(["inspect"], paths, [*encoding, *flags, "--write", _new_file(files[0])])
    if fix.startswith("--"):
        flag, _, value = fix.partition(" ")
        flags = option(flag, value) if value else [flag]
        if flag != "--encoding":
            flags = [*encoding, *flags]
        return command(["train"], paths, flags)
    return fix


def _new_file(path: str) -> str:
    """A name for a repaired copy of a file."""
    stem, _ = os.path.splitext(path.removesuffix(".gz").rstrip("/"))
    return f"{stem if path != '-' else 'stdin'}-fixed.txt"
