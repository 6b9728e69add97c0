"""bench/rules.py: what a sweep calls met and missed."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))

from rules import (judge_counts, judge_held, judge_least, judge_most, judge_starts, natural_batches, next_count,  # noqa: E402
                   same_tokens)


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


def test_sessions_are_held_when_they_are_on_time_answered_and_no_later_at_the_end():
    assert judge_held(599, 99, 0).missed is False
    for p99, drift, unanswered, told in ((600, 0, 0, "p99 600 ms"), (300, 100, 0, "later"), (300, 0, 1, "1 without answer")):
        found = judge_held(p99, drift, unanswered)
        assert found.missed and told in found.text


def climbed(most: int, ladder: tuple[int, ...] = (1, 8, 32, 64), halvings: int = 3) -> list[int]:
    """The counts that are measured of a server that holds so many."""
    held: dict[int, bool] = {}
    while (n := next_count(held, ladder, halvings)) is not None:
        assert n not in held
        held[n] = n <= most
    return list(held)


def test_counts_climb_until_one_is_not_held_and_close_in_from_there():
    assert climbed(1000) == [1, 8, 32, 64]
    assert climbed(50) == [1, 8, 32, 64, 48, 56, 52]
    assert climbed(50, halvings=1) == [1, 8, 32, 64, 48]
    assert climbed(2) == [1, 8, 4, 2, 3]
    assert climbed(0) == [1]
    assert climbed(8, ladder=(1, 8, 9)) == [1, 8, 9]  # nothing is between


@pytest.mark.parametrize("expected, found, share", [
    ("abcd", "abcd", 1), ("abcd", "abed", 0.75), ("abcd", "abcde", 0.8), ("abcd", "bcd", 0.75), ("", "", 1), ("ab", "", 0)])
def test_tokens_are_equal_but_for_edits(expected, found, share):
    assert same_tokens(list(expected), list(found)) == pytest.approx(share)


def test_targets_count_themselves():
    assert not judge_least(3.0, 3.0).missed and judge_least(2.99, 3.0).missed
    assert not judge_most(12.5, 12.5).missed and judge_most(12.6, 12.5).missed
