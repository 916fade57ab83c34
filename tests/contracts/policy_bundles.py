"""
What every PolicyBundles promises, proved against any backend.

A subclass gives the fixtures `bundles`, `broken` (a store that cannot be
written) and the probe `spoil`, which changes a byte of a kept bundle behind
the port's back.
"""

from abc import abstractmethod

import pytest

from memos_gov.domain.bundle import PolicyBundle
from memos_gov.errors import CorruptionError, PolicyUnavailableError, UnavailableError
from memos_gov.ports import PolicyBundles

FILES = {"policy.wasm": b"\0asm", "data.json": b"{}", "rego/a/b.rego": b"package b\n"}


class PolicyBundlesContract:
    """The rules of the port `PolicyBundles`, as tests."""

    @abstractmethod
    def spoil(self, digest: str) -> None:
        """Change a byte of the kept bundle."""

    def test_bundle_that_was_put_comes_back_equal(self, bundles: PolicyBundles) -> None:
        """Every file comes back, under the digest that `put` returned."""
        digest = bundles.put(PolicyBundle(FILES))

        assert bundles.get(digest).files == FILES
        assert bundles.get(digest).digest == digest

    def test_bundle_put_twice_is_kept_once(self, bundles: PolicyBundles) -> None:
        """Putting again changes nothing and returns the same digest."""
        digests = {bundles.put(PolicyBundle(FILES)) for _ in range(2)}

        assert {PolicyBundle(FILES).digest} == digests

    def test_digests_of_kept_bundles_are_listed_in_order(self, bundles: PolicyBundles) -> None:
        """An examiner finds each, whether it ever decided or not; an empty store has none."""
        assert [] == bundles.digests()

        made = {bundles.put(PolicyBundle(FILES | {"data.json": text})) for text in (b"1", b"2")}

        assert sorted(made) == bundles.digests()

    def test_bundles_that_differ_are_kept_side_by_side(self, bundles: PolicyBundles) -> None:
        """An old bundle stays readable after a new one came."""
        old = bundles.put(PolicyBundle(FILES))
        new = bundles.put(PolicyBundle({**FILES, "data.json": b"[]"}))

        assert (bundles.get(old).data, bundles.get(new).data) == (b"{}", b"[]")

    @pytest.mark.parametrize("digest", ["0" * 64, "", "..", "nothing"])
    def test_bundle_that_was_never_put_is_unavailable(
        self, bundles: PolicyBundles, digest: str
    ) -> None:
        """No digest, however odd, finds what was not put."""
        with pytest.raises(PolicyUnavailableError):
            bundles.get(digest)

    def test_bundle_that_was_spoilt_is_not_returned(self, bundles: PolicyBundles) -> None:
        """What has another digest than its name is corruption, never policy."""
        digest = bundles.put(PolicyBundle(FILES))
        self.spoil(digest)

        with pytest.raises(CorruptionError):
            bundles.get(digest)

    def test_store_that_cannot_be_written_says_so(self, broken: PolicyBundles) -> None:
        """The driver's error is translated, and kept as the cause."""
        with pytest.raises(UnavailableError) as caught:
            broken.put(PolicyBundle(FILES))

        assert caught.value.__cause__ is not None
