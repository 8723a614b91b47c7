"""Failures inside the shared checks of the contract show their values."""

import pytest

pytest.register_assert_rewrite("contract")
