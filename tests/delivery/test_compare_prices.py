"""`make prices`: the seeds agree with the package, and a drift that is planted on either side is told."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.compare_prices import main

ROOT = Path(__file__).resolve().parents[2]
SEED = Path("openai/seed/data/default_pricing.csv")


@pytest.fixture
def compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    for folder in (ROOT / "configs").glob("*/seed/data"):
        shutil.copytree(folder, tmp_path / folder.relative_to(ROOT / "configs"))
    shutil.copy(ROOT / "scripts/judged_prices.csv", tmp_path / "judged.csv")

    def run(*arguments: str, seed: tuple[str, str] = ("", ""), judged: tuple[str, str] = ("", "")) -> tuple[int, str]:
        seeded = tmp_path / seed[0].partition(",")[0] / SEED.relative_to("openai")
        for path, (was, planted) in ((seeded, seed), (tmp_path / "judged.csv", judged)):
            if was:
                text = path.read_text()
                assert text.count(was) == 1
                path.write_text(text.replace(was, planted))
        ended = main(["--configs", str(tmp_path), "--judged", str(tmp_path / "judged.csv"), *arguments])
        return ended, capsys.readouterr().out

    return run


def test_nothing_differs_that_nobody_has_judged(compared):
    ended, said = compared()

    assert ended == 0, said
    assert "0 differences nobody has judged" in said
    assert said.count("\n") == 1


def test_what_was_judged_is_told_with_its_reason_when_asked(compared):
    _, said = compared("--all")

    assert "price    openai gpt-4o-mini-tts output standard: 10 here, 12 there\n         judged: 12 is the audio output" in said


@pytest.mark.parametrize(
    ("was", "planted", "told"),
    [
        (
            "openai,gpt-6-luna,output,standard,0,any,any,0.5,",
            "openai,gpt-6-luna,output,standard,0,any,any,0.05,",
            "price    openai gpt-6-luna output standard: 0.05 here, 0.5 there",
        ),
        (
            "openai,gpt-6-luna,input,priority,272000,any,any,0.4,",
            "openai,gpt-6-luna,input,priority,272000,any,any,0.2,",
            "price    openai gpt-6-luna input priority over 272000: 0.2 here, 0.4 from 2026-10-12 there",
        ),
        (
            "openai,o3,input,standard,0,any,any,2,1000000,token,USD,2025-06-10,",
            "openai,o3,input,standard,0,any,any,2,1000000,token,USD,2025-06-11,",
            "dates    openai o3 input standard: 10 until 2025-06-10, 2 from 2025-06-11 here, 10 until 2025-06-10, 2 from 2025-06-10 there",
        ),
        (
            "openai,gpt-6-sol,output,standard,0,",
            "openai,gpt-6-soul,output,standard,0,",
            "missing  openai gpt-6-sol output standard: nothing here, 10 there",
        ),
        (
            "openai,gpt-6-sol,output,standard,0,",
            "openai,gpt-6-soul,output,standard,0,",
            "gone     openai gpt-6-soul output standard: 10 here, nothing there",
        ),
        (
            "openai,web-search,call,standard,0,any,any,10,",
            "openai,web-search,call,standard,0,any,any,25,",
            "openai web-search call standard: 25 here, 10 there",
        ),
        (
            "openai,whisper-1,duration,standard,0,any,any,0.006,",
            "openai,whisper-1,duration,standard,0,any,any,0.06,",
            "0.06 here, 0.006 there",
        ),
        (
            "anthropic,claude-opus-5-5,cache_write_1h,fast,0,any,any,16,",
            "anthropic,claude-opus-5-5,cache_write_1h,fast,0,any,any,8,",
            "price    anthropic claude-opus-5-5 cache_write_1h fast: 8 here, 16 there",
        ),
        (
            "anthropic,claude-haiku-5-5,input,standard,100000,any,any,0.5,",
            "anthropic,claude-haiku-5-5,input,standard,200000,any,any,0.5,",
            "missing  anthropic claude-haiku-5-5 input standard over 100000: nothing here, 0.5 there",
        ),
        (
            "deepseek,deepseek-flash,output,standard,0,peak,any,1.2,",
            "deepseek,deepseek-flash,output,standard,0,peak,any,0.6,",
            "price    deepseek deepseek-flash output standard peak: 0.6 here, 1.2 there",
        ),
    ],
)
def test_a_planted_drift_is_told_and_ends_with_1(compared, was, planted, told):
    ended, said = compared(seed=(was, planted))

    assert ended == 1
    assert told in said


def test_a_judgement_that_fits_nothing_any_more_is_told(compared):
    ended, said = compared(judged=("gpt-4o-mini-tts,output,standard,0,price,10,12", "gpt-4o-mini-tts,output,standard,0,price,10,11"))

    assert ended == 1
    assert "gpt-4o-mini-tts output standard: 10 here, 12 there" in said
    assert "fits no difference; take it out: openai,gpt-4o-mini-tts,output" in said


def test_a_seed_that_cannot_be_read_is_told_by_line(compared):
    ended, said = compared(seed=("openai,ada,input,standard,0,any,any,0.4,", 'openai,ada,input,standard,0,any,any,"0,4",'))

    assert ended == 1
    assert "default_pricing.csv:2: price: '0,4' is no price" in said
