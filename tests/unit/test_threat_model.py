"""Each claim of docs/threat-model.md names tests, and each test that it names is there."""

from __future__ import annotations

import ast
import re

import pytest

from stack.settings import ROOT

PAGE = ROOT / "docs" / "threat-model.md"
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
CLAIM = re.compile(r"^\| (?!it |they |---).*\|$", re.MULTILINE)


def text() -> str:
    return PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize(("path", "name"), sorted(set(NAMED.findall(text()))), ids="::".join)
def test_a_test_that_is_named_exists(path: str, name: str) -> None:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_claim_names_a_test() -> None:
    claims = CLAIM.findall(text())
    assert len(claims) > 20
    assert [claim for claim in claims if not NAMED.search(claim.split(" | ")[-1])] == []


def test_nothing_that_looks_like_a_test_is_overlooked() -> None:
    assert len(NAMED.findall(text())) == text().count("::") - 1  # one stands for all: `path::name`
