"""What MODEL and DEVICE mean, with every kind of library behind them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from stack.parts.foundry.choose import choose
from stack.parts.foundry.model import EMBEDDED, Model
from stack.tools.errors import StackError

PHI_CPU = Model("Phi-4-mini-instruct-generic-cpu:5", "phi-4-mini", "cpu", 4_800_000_000)
PHI_GPU = Model("Phi-4-mini-instruct-generic-gpu:5", "phi-4-mini", "gpu", 3_700_000_000, preferred=True)
REASONING = Model("Phi-4-mini-reasoning-generic-cpu:3", "phi-4-mini-reasoning", "cpu", 4_500_000_000, preferred=True)
QWEN_OLD = Model("qwen2.5-0.5b-instruct-generic-cpu:3", "qwen2.5-0.5b", "cpu", 800_000_000)
QWEN = Model("qwen2.5-0.5b-instruct-generic-cpu:4", "qwen2.5-0.5b", "cpu", 800_000_000)
MISTRAL = Model("mistralai-Mistral-7B-Instruct-v0-2-generic-cpu:2", "mistral-7b-v0.2", "cpu", preferred=True)
CATALOG = [PHI_CPU, PHI_GPU, REASONING, QWEN_OLD, QWEN, MISTRAL]


class Shelf:
    """A library that holds what it is given, and knows whether it was asked."""

    def __init__(self, offered: Sequence[Model] = (), downloaded: Sequence[Model] = ()) -> None:
        self._offered = offered
        self._downloaded = downloaded
        self.asked = False

    def offered(self) -> Sequence[Model]:
        self.asked = True
        return self._offered

    def downloaded(self) -> Sequence[Model]:
        self.asked = True
        return self._downloaded


def test_auto_takes_phi_where_the_catalog_answers() -> None:
    chosen = choose("auto", "auto", Shelf(CATALOG))

    assert (chosen.id, chosen.alias, chosen.device, chosen.catalog) == (PHI_GPU.id, "phi-4-mini", "gpu", "public")
    assert "catalog answers" in chosen.reason


def test_auto_offline_takes_the_embedded_model_and_says_why() -> None:
    chosen = choose("auto", "auto", Shelf())

    assert (chosen.id, chosen.catalog) == (EMBEDDED.id, "embedded")
    assert "does not answer" in chosen.reason


def test_auto_offline_prefers_a_phi_that_was_downloaded_earlier() -> None:
    assert choose("auto", "auto", Shelf(downloaded=[QWEN, PHI_CPU])).id == PHI_CPU.id


def test_auto_with_a_device_that_only_the_embedded_model_serves() -> None:
    chosen = choose("auto", "cpu", Shelf([QWEN]))

    assert chosen.id == EMBEDDED.id
    assert "no phi-4-mini for cpu" in chosen.reason


@pytest.mark.parametrize(
    "wanted",
    [
        "phi-4-mini",
        "PHI-4-Mini",
        "Phi-4-mini-instruct",
        "phi-4-mini-instruct-generic-cpu",
        PHI_CPU.id,
        PHI_CPU.id.upper(),
    ],
)
def test_a_model_goes_by_alias_id_and_name_in_any_case(wanted: str) -> None:
    assert choose(wanted, "cpu", Shelf(CATALOG)).id == PHI_CPU.id


def test_an_alias_that_is_the_beginning_of_another_means_only_itself() -> None:
    assert choose("phi-4-mini", "cpu", Shelf([REASONING, PHI_CPU])).id == PHI_CPU.id
    with pytest.raises(StackError) as missing:
        choose("phi-4-mini", "cpu", Shelf([REASONING, QWEN]))
    assert "phi-4-mini-reasoning" in missing.value.message


def test_a_name_without_its_variant_works_where_the_alias_is_no_part_of_it() -> None:
    assert choose("mistralai-mistral-7b-instruct-v0-2", "auto", Shelf(CATALOG)).id == MISTRAL.id


def test_the_newest_version_wins_unless_one_is_named() -> None:
    assert choose("qwen2.5-0.5b", "auto", Shelf(CATALOG)).id == QWEN.id
    assert choose(QWEN_OLD.id, "auto", Shelf(CATALOG)).id == QWEN_OLD.id


def test_device_picks_the_variant() -> None:
    assert choose("phi-4-mini", "cpu", Shelf(CATALOG)).id == PHI_CPU.id
    assert choose("phi-4-mini", "gpu", Shelf(CATALOG)).id == PHI_GPU.id
    assert choose("phi-4-mini", "auto", Shelf(CATALOG)).id == PHI_GPU.id


@pytest.mark.parametrize("wanted", ["smollm2-135m-instruct", "SmolLM2-135M-Instruct", EMBEDDED.id])
def test_the_embedded_model_by_name_asks_no_catalog(wanted: str) -> None:
    shelf = Shelf(CATALOG)

    assert choose(wanted, "cpu", shelf).catalog == "embedded"
    assert not shelf.asked


def test_an_unknown_name_is_an_error_with_the_nearest() -> None:
    with pytest.raises(StackError) as refused:
        choose("qwen2.5-0.5", "auto", Shelf(CATALOG))

    assert refused.value.cause == "model-unknown"
    assert "qwen2.5-0.5b" in refused.value.message
    assert "MODEL=qwen2.5-0.5b" in refused.value.fix


def test_a_name_near_to_the_embedded_one_leads_to_it() -> None:
    with pytest.raises(StackError) as refused:
        choose("smollm2", "auto", Shelf(CATALOG))

    assert "smollm2-135m-instruct" in refused.value.message


def test_a_name_near_to_nothing_lists_what_there_is() -> None:
    with pytest.raises(StackError) as refused:
        choose("zzzzzz", "auto", Shelf(CATALOG))

    assert "mistral-7b-v0.2" in refused.value.message


@pytest.mark.parametrize(("wanted", "shown"), [("phi-4-mini", PHI_GPU.id), ("smollm2-135m-instruct", EMBEDDED.id)])
def test_a_missing_variant_lists_those_there_are(wanted: str, shown: str) -> None:
    with pytest.raises(StackError) as refused:
        choose(wanted, "npu", Shelf(CATALOG))

    assert refused.value.cause == "model-unknown"
    assert shown in refused.value.message
    assert "DEVICE=npu" in refused.value.message


def test_auto_never_ignores_the_device() -> None:
    with pytest.raises(StackError) as refused:
        choose("auto", "npu", Shelf())

    assert "DEVICE=npu" in refused.value.message


def test_a_named_model_offline_is_an_error_unless_it_is_downloaded() -> None:
    with pytest.raises(StackError) as refused:
        choose("qwen2.5-0.5b", "auto", Shelf(downloaded=[PHI_CPU]))
    assert refused.value.cause == "catalog-unreachable"
    assert "phi-4-mini" in refused.value.fix
    assert EMBEDDED.alias in refused.value.fix

    chosen = choose("qwen2.5-0.5b", "auto", Shelf(downloaded=[PHI_CPU, QWEN]))
    assert chosen.id == QWEN.id
    assert "downloaded earlier" in chosen.reason


@pytest.mark.parametrize(
    ("id", "alias", "device"),
    [
        ("Phi-4-mini-instruct-generic-cpu:5", "Phi-4-mini", "cpu"),
        ("qwen2.5-coder-0.5b-instruct-cuda-gpu:3", "qwen2.5-coder-0.5b", "gpu"),
        ("deepseek-r1-distill-qwen-7b-qnn-npu:1", "deepseek-r1-distill-qwen-7b", "npu"),
        ("something-else", "something-else", ""),
    ],
)
def test_what_an_id_alone_tells(id: str, alias: str, device: str) -> None:  # noqa: A002  (what it is called)
    model = Model.from_id(id)

    assert (model.alias, model.device) == (alias, device)
