"""Everything that one open data folder consists of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from memos_gov.activation.injecting import Injector
from memos_gov.destroyer import Destroyer
from memos_gov.domain.bundle import PolicyBundle
from memos_gov.erasure import Eraser
from memos_gov.follow import Follower
from memos_gov.governor import Governor
from memos_gov.materializers.plaintext import IndexFollower
from memos_gov.notary import Notary
from memos_gov.ports import CubeIndex, Keyring, LanguageModel, PolicyBundles
from memos_gov.proving import Prover
from memos_gov.recall import Reader
from memos_gov.settings import Settings
from memos_gov.timed import TimedEngine


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """Everything `bootstrap` built for one data folder."""

    settings: Settings
    engine: TimedEngine
    governor: Governor
    destroyer: Destroyer
    eraser: Eraser
    reader: Reader
    language_model: LanguageModel
    injector: Injector
    follower: Follower
    index_follower: IndexFollower
    index: CubeIndex
    bundles: PolicyBundles
    notary: Notary
    prover: Prover
    keyring: Keyring
    verifier_key: str
    recovery_key: Callable[[], str]
    shipped: Callable[[], PolicyBundle]
    close: Callable[[], None]
