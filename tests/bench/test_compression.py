import numpy as np

from bench import compression


def test_a_ratio_of_means_lies_within_its_bounds_and_users_stay_paired():
    """Worked by hand: means 2 and 4; every user has exactly half, so nothing is left to chance."""
    whole = np.array([2.0, 4.0, 6.0])
    found = compression.ratio(whole / 2, whole, seed=1)
    assert (found.value, found.low, found.high, found.n) == (0.5, 0.5, 0.5, 3)
    mixed = compression.ratio(np.array([2.0, 0.0, 4.0]), whole, seed=1)
    assert mixed.low < mixed.value == 0.5 < mixed.high


def test_without_data_nothing_is_measured_and_nothing_fails(tmp_path, capsys):
    assert compression.main(["--data", str(tmp_path)]) == 0
    assert "skipped: no data" in capsys.readouterr().out
