"""SAM and MedSAM through transformers: they outline what is inside a box that they are given.

They know no words, so they are no `Parser`; they are here to be scored beside parsers.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parser_model.errors import SetupError

Box = tuple[int, int, int, int]
"""First and last column and row of an object: (left, top, right, bottom), in pixels."""

_AT_ONCE = 16  # boxes; their masks are brought to 1024 x 1024 before they are cut to size


class BoxPrompted:
    """A SAM-like model that outlines what is inside boxes.

    Parameters
    ----------
    model, processor
        `SamModel` and `SamProcessor` of transformers.
    """

    def __init__(self, model: Any, processor: Any) -> None:
        self._model = model.eval()
        self._processor = processor

    def outline(self, image: NDArray[np.uint8], boxes: Sequence[Box]) -> NDArray[np.bool_]:
        """Masks of what the boxes enclose, one a box; the image is encoded once.

        Parameters
        ----------
        image : (H, W, 3) ndarray of uint8
        boxes : sequence of (left, top, right, bottom)

        Returns
        -------
        (B, H, W) ndarray of bool
        """
        import torch

        given = [[[float(edge) for edge in box] for box in boxes]]
        inputs = self._processor(images=image, input_boxes=given, return_tensors="pt")
        sizes = (inputs["original_sizes"], inputs["reshaped_input_sizes"])
        device, found = self._model.device, []
        with torch.inference_mode():
            pixels = inputs["pixel_values"].to(device, torch.float32)
            seen = self._model.get_image_embeddings(pixels)
            prompts = inputs["input_boxes"].to(device, torch.float32)
            for start in range(0, len(boxes), _AT_ONCE):
                some = prompts[:, start : start + _AT_ONCE]
                answer = self._model(
                    image_embeddings=seen, input_boxes=some, multimask_output=False
                )
                full = self._processor.image_processor.post_process_masks(
                    answer.pred_masks.float().cpu(), *sizes
                )[0]
                found.append(full[:, 0].numpy().astype(bool))
        return np.concatenate(found)


def load_box_prompted(name: str) -> BoxPrompted:
    """A SAM-like model from a folder, or by its name on the model hub.

    Parameters
    ----------
    name : str
        A folder with config.json, model.safetensors and preprocessor_config.json, or a name such
        as "facebook/sam-vit-base", which is fetched once and then kept by transformers.

    Raises
    ------
    SetupError
        If transformers or torch is missing, or there is no such model.
    """
    if find_spec("transformers") is None or find_spec("torch") is None:
        raise SetupError(
            "Box-prompted models run on transformers, which is not installed; run "
            ".venv/bin/pip install -e '.[torch,sam]' -c constraints.txt"
        )
    import torch

    library: Any = import_module("transformers")
    library.logging.set_verbosity_error()  # it greets with advice about its own back ends
    library.logging.disable_progress_bar()
    here = Path(name).is_dir()
    if not here and name.startswith(("/", ".", "~")):
        raise SetupError(f"The folder '{name}' is not there.")
    try:
        kind = library.AutoConfig.from_pretrained(name, local_files_only=here).model_type
        if kind != "sam":
            raise SetupError(f"'{name}' holds a model of kind '{kind}', not one like SAM.")
        processor = library.SamProcessor.from_pretrained(name, local_files_only=here)
        model, loaded = library.SamModel.from_pretrained(
            name, local_files_only=here, use_safetensors=True, output_loading_info=True
        )
    except (OSError, ValueError, KeyError) as error:
        said = " ".join(str(error).split())[:160]
        raise SetupError(f"No model like SAM could be loaded from '{name}': {said}") from error
    if loaded["missing_keys"] or loaded["mismatched_keys"]:
        raise SetupError(f"The weights in '{name}' are not complete for a model like SAM.")
    return BoxPrompted(model.to("cuda" if torch.cuda.is_available() else "cpu"), processor)
