"""Which files a parser needs from the hub, and what is known of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from parser_model.biomedparse.config import BiomedParseConfig


@dataclass(frozen=True)
class HubFile:
    """A file of a repository on the hub.

    Attributes
    ----------
    repository, name : str
    sha256 : tuple of str
        Contents known to be right; the hub may hold a newer one and vouch for it.
    """

    repository: str
    name: str
    sha256: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name} ({self.repository})"


@dataclass(frozen=True)
class Source:
    """All that makes up a parser's weights.

    Attributes
    ----------
    name : str
        Of the parser.
    checkpoint, distributions : HubFile
    tokenizer : tuple of HubFile
        The merges, and the vocabulary that must follow from them.
    merges_sha256 : str or None
        Of the merges alone, one on a line, without the version in the first line.
    config : BiomedParseConfig
        Sizes the checkpoint must have.
    """

    name: str
    checkpoint: HubFile
    distributions: HubFile
    tokenizer: tuple[HubFile, HubFile]
    merges_sha256: str | None
    config: BiomedParseConfig = field(default_factory=BiomedParseConfig)

    @property
    def weights_file(self) -> str:
        """Name of the converted weights."""
        return self.checkpoint.name.rpartition(".")[0] + ".safetensors"

    @property
    def files(self) -> tuple[HubFile, ...]:
        """Everything to fetch."""
        return (*self.tokenizer, self.distributions, self.checkpoint)


_CLIP = "openai/clip-vit-base-patch32"
_BIOMEDPARSE = "microsoft/BiomedParse"

SOURCES: dict[str, Source] = {
    "biomedparse": Source(
        name="biomedparse",
        checkpoint=HubFile(_BIOMEDPARSE, "biomedparse_v1.pt"),
        distributions=HubFile(
            _BIOMEDPARSE,
            "target_dist.json",
            (
                "1ef667c043867efc28b0c217448f99c0a8f24f11ffceb02923eaf7e4c39038ed",
                "657ccaa40439e398b1ad9a39301f0eb013e158700204e0236eecbfc071ccd5b1",
            ),
        ),
        tokenizer=(HubFile(_CLIP, "merges.txt"), HubFile(_CLIP, "vocab.json")),
        merges_sha256="f61f2adf497e6f5357c347aeb4646fabe82f341e946de5bdec5d2858e41bef4a",
    )
}
