"""bench/rules.py: what a sweep calls met and missed."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))

from rules import judge_counts, judge_starts, natural_batches  # noqa: E402


@pytest.mark.parametrize("clients, slots, batches", [
    (1, 2, [1]), (2, 2, [1, 1]), (3, 2, [2, 1]), (31, 2, [16, 15]), (32, 2, [16, 16]), (33, 2, [17, 16]),
    (64, 2, [32, 32]), (65, 2, [32, 32]), (256, 2, [32, 32]), (5, 16, [1] * 5), (32, 16, [2] * 16), (48, 1, [32])])
def test_clients_are_dealt_out_evenly_up_to_a_full_batch(clients, slots, batches):
    assert natural_batches(clients, slots, 32) == batches


def missed(shares: dict[int, float], slots: int = 2) -> list[int]:
    return [c for c, v in zip(sorted(shares), judge_counts(shares, slots)) if v.missed]


def test_a_dip_is_missed_and_what_comes_after_it_is_not():
    assert missed({1: 1.0, 2: 0.95, 32: 0.5, 33: 0.96}) == [32]


def test_the_best_share_at_fewer_clients_counts_and_not_the_last():
    # A slow decline, each step above 0.9 of the one before it.
    assert missed({8: 1.2, 16: 1.1, 24: 1.05, 32: 1.0}) == [24, 32]


def test_the_limit_counts_from_two_clients_a_slot_on():
    assert missed({1: 0.8, 3: 0.8, 4: 0.8, 8: 0.91}) == [4]
    assert missed({1: 0.8, 3: 0.8, 4: 0.8, 8: 0.85}, slots=4) == [8]


def test_both_faults_are_told():
    text = judge_counts({1: 1.0, 32: 0.45}, 2)[1].text
    assert "0.45 of the best share at fewer clients" in text and "0.45 of the limit" in text


def test_starts_are_judged_by_the_lowest_and_the_highest():
    assert judge_starts([1.0, 0.91, 0.95]).missed is False
    found = judge_starts([0.95, 1.0, 0.53])
    assert found.missed and found.value == pytest.approx(0.53)
    assert judge_starts([0.0, 0.0]).missed  # nothing was answered
