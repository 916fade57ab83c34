"""
What every LanguageModel promises, proved against any backend.

A subclass gives the fixtures `language_model`, `another` (of other weights) and
`broken` (one whose base model is not on this machine).
"""

import pytest

from memos_gov.errors import SettingsError
from memos_gov.ports import LanguageModel


class LanguageModelContract:
    """The rules of the port `LanguageModel`, as tests."""

    def test_preparing_again_finds_the_files_that_are_there(
        self, language_model: LanguageModel
    ) -> None:
        """However often it is asked for, nothing is made twice."""
        first, second = language_model.prepare(), language_model.prepare()

        assert (first.folder, False) == (second.folder, second.made)

    def test_fingerprint_is_the_same_whenever_it_is_asked_for(
        self, language_model: LanguageModel
    ) -> None:
        """It is what tensors are bound to."""
        assert language_model.fingerprint() == language_model.fingerprint()

    def test_base_models_of_other_weights_have_other_fingerprints(
        self, language_model: LanguageModel, another: LanguageModel
    ) -> None:
        """Their tensors do not fit each other, whatever else they have in common."""
        one, other = language_model.fingerprint(), another.fingerprint()

        assert one.weights != other.weights
        assert one.digest != other.digest
        assert one.tokenizer == other.tokenizer

    def test_base_model_that_is_not_there_is_a_setting_to_mend(self, broken: LanguageModel) -> None:
        """The error says what to do."""
        with pytest.raises(SettingsError, match=r"base model|base_model") as caught:
            broken.fingerprint()

        assert caught.value.remedy
