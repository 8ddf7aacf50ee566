import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recommender.ml.axes import user_basis


@given(st.integers(1, 6), st.integers(0, 2**31))
def test_axes_are_at_right_angles_and_keep_what_users_use(k, seed):
    rng = np.random.default_rng(seed)
    items = rng.normal(size=(20, 6))
    users = rng.normal(size=(30, k)) @ rng.normal(size=(k, 6))  # of rank k
    basis = user_basis(items, users, k)
    np.testing.assert_allclose(basis.T @ basis, np.eye(k), atol=1e-9)
    lost = np.linalg.norm(users - users @ basis @ basis.T) / np.linalg.norm(users)
    assert lost < 0.25  # the items' own spread turns the axes a little


def test_without_users_the_items_own_axes_are_kept():
    items = np.diag([3.0, 1.0, 2.0])
    assert np.abs(user_basis(items, np.zeros((0, 3)), 2)).argmax(axis=0).tolist() == [0, 2]
