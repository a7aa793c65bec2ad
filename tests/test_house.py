"""The project's own rules, kept by tests: imports, sizes, words, and references that lead somewhere."""

import ast
import io
import re
import statistics
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "tdx_dagster"
MOST_LINES = 400
MEDIAN_FUNCTION = 8

CASE = re.compile(r"(?<![\w-])[A-F]\d\d(?![\w-])")
CASE_IN_NAME = re.compile(r"\btest_((?:[a-f]\d\d_)+)")
SENT_TO = re.compile(r"\(`([a-z_.]+)`\)")
DEAD_REFERENCE = re.compile(
    r"\bDESIGN\b|\breference \d+\.\d+|dagster-notes|\bSTYLE \d+|\bHOUSE\.md|\brules? \d"
)

# Words of an earlier vocabulary; what is said instead is in the glossary of `tdx_dagster/__init__.py`.
OLD_NAMES = re.compile(
    r"^(Hands|RealHands|RehearsingHands|Shelf|Polling|Pulse|TicketTools|InventoryVariables|own_words|in_hand"
    r"|last_resort|take_out_addresses|quiet_about_previews|doubts|is_lost)$"
    r"|(^|_)(hands|shelf|told|untold|patience|mend|befalls?|believed)(_|$)"
)
# Plain English: records of one name are told apart by another field.
USUAL = {"told_apart"}
OLD_WORDS = re.compile(
    r"\b(sign of life|taken at its word|mend(?:s|ed|ing)?|kept out|befalls?|shelf|untold|own words)\b"
    r"|\bis believed\b|\bhand(?:s|ed)? (?:back|on|out|over)\b",
    re.IGNORECASE,
)


def sources(*folders: str) -> Iterator[Path]:
    for folder in folders:
        for file in sorted((ROOT / folder).rglob("*")):
            if file.suffix in {".py", ".sql", ".md"} and "__pycache__" not in file.parts:
                yield file


def found(pattern: re.Pattern[str], *folders: str) -> list[str]:
    return [
        f"{file.relative_to(ROOT)}:{number}: {line.strip()}"
        for file in sources(*folders)
        if file != Path(__file__)
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if pattern.search(line)
    ]


def test_no_import_goes_upwards_or_in_a_circle() -> None:
    """The contracts of pyproject.toml, so that `make test` alone finds a breach."""
    script = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_no_file_is_longer_than_400_lines() -> None:
    """A file that needs more holds two things."""
    lengths = {
        str(file.relative_to(ROOT)): len(file.read_text(encoding="utf-8").splitlines())
        for file in PACKAGE.rglob("*.py")
    }
    assert {name: length for name, length in lengths.items() if length > MOST_LINES} == {}


def test_half_of_all_functions_have_at_most_8_lines() -> None:
    """Counted from `def` to the last line, without the docstring."""
    sizes = []
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                first = body[0].lineno if body else node.end_lineno
                head = node.body[0].lineno - node.lineno
                sizes.append((node.end_lineno or 0) - (first or 0) + 1 + head)
    assert statistics.median(sizes) <= MEDIAN_FUNCTION


def test_every_module_opens_with_what_it_holds() -> None:
    """The first line of a listing is how a stranger finds things."""
    silent = [
        str(file.relative_to(ROOT))
        for file in PACKAGE.rglob("*.py")
        if not ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
    ]
    assert silent == []


def test_every_module_that_a_first_docstring_sends_to_exists() -> None:
    """`Does not: … (`place`)` names a module beside it or from the top of the package, or a file."""
    modules = {
        file.relative_to(ROOT).with_suffix("").as_posix().removesuffix("/__init__")
        for file in PACKAGE.rglob("*.py")
    }
    files = {file.name for file in PACKAGE.rglob("*")}
    lost = [
        f"{file.relative_to(ROOT)}: {name}"
        for file in PACKAGE.rglob("*.py")
        for name in SENT_TO.findall(ast.get_docstring(ast.parse(file.read_text())) or "")
        if name not in files
        and not any(
            (folder / name.replace(".", "/")).as_posix() in modules
            for folder in file.relative_to(ROOT).parents
        )
    ]
    assert lost == []


def test_every_case_that_is_cited_is_described() -> None:
    """An id without a story is a dead reference."""
    cases = (ROOT / "docs/development/cases.md").read_text(encoding="utf-8")
    described = set(re.findall(r"^\*\*([A-F]\d\d) ", cases, re.MULTILINE))
    cited: dict[str, str] = {}
    for file in sources("tdx_dagster", "tests", "docs", "sql", "benchmarks"):
        text = file.read_text(encoding="utf-8")
        if not (CASE.search(text) or CASE_IN_NAME.search(text)):
            continue
        said = "\n".join(prose(text)) if file.suffix == ".py" else text
        names = [it.upper() for it in CASE_IN_NAME.findall(text)]
        for case in [*CASE.findall(said), *re.findall(r"[A-F]\d\d", " ".join(names))]:
            cited[case] = str(file.relative_to(ROOT))
    assert {case: file for case, file in cited.items() if case not in described} == {}


def prose(text: str) -> Iterator[str]:
    """Give the comments and docstrings of Python source."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT or token.string.startswith('"""'):
            yield token.string


def test_no_reference_leads_out_of_the_repository() -> None:
    """What a comment cites is here."""
    assert found(DEAD_REFERENCE, "tdx_dagster", "tests", "docs", "sql", "benchmarks") == []


def test_no_word_of_the_old_vocabulary_is_left() -> None:
    """One word for one thing, and the field's own."""
    assert found(OLD_WORDS, "tdx_dagster", "docs", "tests") == []


def test_nothing_has_a_name_of_the_old_vocabulary() -> None:
    """Functions, classes, parameters, variables."""
    old = {
        f"{file.relative_to(ROOT)}: {name}"
        for file in PACKAGE.rglob("*.py")
        for name in names_of(ast.parse(file.read_text(encoding="utf-8")))
        if OLD_NAMES.search(name) and name not in USUAL
    }
    assert old == set()


def names_of(tree: ast.AST) -> Iterator[str]:
    """Give the names that a module gives."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr


def test_the_files_of_the_architecture_page_exist() -> None:
    """The way of a ticket is read with the files open."""
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    files = re.findall(r"`([\w/]+(?:\.py|\.sql|/))`", page)
    assert len(files) > 40
    assert [file for file in files if not (PACKAGE / file).exists()] == []


def test_links_of_the_documentation_lead_to_files() -> None:
    """Also those between pages."""
    dead = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]
    assert dead == []
