"""Training tables from folders as people have them: names, wholes, splits, and no patients."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image

from parser_model import FileError, RequestError
from parser_model.ontology import ontology
from parser_model.training.survey import survey
from tests.tools.reading_files import item, sequence, write_dicom
from tools.building import Wishes, build, parse_names
from tools.building.harmonise import Labels, lobe_of, site_groups, target_of

AXIAL = [1, 0, 0, 0, 1, 0]
SIDE, DEPTH = 40, 6


def box(rows, columns, planes=slice(None)):
    mask = np.zeros((SIDE, SIDE, DEPTH), bool)
    mask[rows, columns, planes] = True
    return mask


LEFT, RIGHT = box(slice(5, 15), slice(22, 32)), box(slice(5, 15), slice(5, 15), slice(0, 3))
LIVER = box(slice(20, 35), slice(5, 30), slice(2, 6))


def save_nifti(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    # Columns to the left and rows to the back, as radiologists look at it: (i, j) is (column, row).
    affine = np.diag([-0.5, -0.5, 2.0, 1.0])
    nibabel.save(nibabel.Nifti1Image(array.transpose(1, 0, 2), affine), path)


def ct(seed=0):
    return np.random.default_rng(seed).integers(-900, 400, (SIDE, SIDE, DEPTH)).astype(np.int16)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def mask_of(out: Path, row: dict[str, str]) -> np.ndarray:
    return np.asarray(Image.open(out / row["mask"])) > 127


@pytest.fixture
def nnunet(tmp_path):
    """Two patients in nnU-Net's layout; the patients' names are in the names of files."""
    root = tmp_path / "raw"
    labels = (1 * RIGHT + 2 * LEFT + 3 * LIVER + 4 * box(0, 0)).astype(np.uint8)
    for number, name in enumerate(("doe_jane", "doe_john")):
        save_nifti(root / "imagesTr" / f"{name}_0000.nii.gz", ct(number))
        save_nifti(root / "labelsTr" / f"{name}.nii.gz", labels)
    names = {"background": 0, "kidney_right": 1, "kidney_left": 2, "Liver": 3, "flux unit": 4}
    (root / "dataset.json").write_text(json.dumps({"labels": names}))
    return root


def test_label_volumes_become_slices_in_the_naming(nnunet, tmp_path):
    out = tmp_path / "out"
    built = build(nnunet, out, ontology(), Wishes(slices=3, val=0.5, source="S"), modality="ct")
    rows = rows_of(out / "manifest.csv")
    assert built.cases == 2
    assert built.counts.images == 6
    assert {row["split"] for row in rows} == {"train", "val"}
    assert {row["target"] for row in rows} == {"left kidney", "right kidney", "kidney", "liver"}
    first = [r for r in rows if r["image"].endswith("c0001-000_CT_abdomen.png")]
    assert {r["target"] for r in first} == {"left kidney", "right kidney", "kidney"}
    for row in first:
        expected = {"left kidney": LEFT, "right kidney": RIGHT, "kidney": LEFT | RIGHT}
        assert np.array_equal(mask_of(out, row), expected[row["target"]][:, :, 0])
        assert int(row["mask_px"]) == expected[row["target"]][:, :, 0].sum()
        assert row["pixel_spacing_mm"] == "0.5 0.5"
        assert row["phrase"] == f"{row['target']} in abdomen CT"
        assert row["source"] == "S"
    # Soft tissue of a CT runs from -150 to 250 HU (Scan.display): the middle, 50, is grey 127.5.
    shown = np.asarray(Image.open(out / first[0]["image"])).astype(float)
    assert np.abs(shown - np.clip((ct(0)[:, :, 0] + 150) / 400, 0, 1) * 255).max() <= 1
    assert built.counts.unknown == {"(words that are not known)": 6}  # once a picture


def test_nothing_written_names_a_patient_or_a_file(nnunet, tmp_path):
    out = tmp_path / "out"
    built = build(nnunet, out, ontology(), Wishes(keep_unknown=True), modality="CT")
    written = " ".join(str(p.relative_to(out)) for p in out.rglob("*"))
    for path in out.glob("*.csv"):
        written += path.read_text()
    written += str(built)
    for word in ("doe", "jane", "john", "flux", "0000.nii"):
        assert word not in written.lower(), word
    assert {row["patient"] for row in rows_of(out / "manifest.csv")} == {"p0001", "p0002"}


def test_what_is_built_can_be_trained_on(nnunet, tmp_path):
    out = tmp_path / "out"
    build(nnunet, out, ontology(), Wishes(complete=True, val=0.5), modality="CT")
    for split in ("train", "val"):
        found = survey(out, split, ontology())
        assert found.skipped == 0
        assert len(found.samples) == 6
        # In the last planes there is no right kidney, and the source labels all of its kinds.
        assert found.samples[5].absent == ("right kidney",)
        assert found.counts == {"empty mask": 5}  # liver in 2 planes, right kidney in 3


def test_every_phrase_of_a_mask_means_it_and_absences_are_said(nnunet, tmp_path):
    out = tmp_path / "out"
    wishes = Wishes(phrases=5, complete=True)
    build(nnunet, out, ontology(), wishes, modality="CT", paraphrases=lambda t: [f"{t} organ"])
    rows = rows_of(out / "triples.csv")
    there = [row for row in rows if row["present"] == "yes"]
    absent = [row for row in rows if row["present"] == "no"]
    by_mask: dict[str, list[str]] = {}
    for row in there:
        by_mask.setdefault(row["mask"], []).append(row["phrase"])
        if not row["phrase"].endswith("organ"):
            meant = ontology().resolve(row["phrase"], row["modality"])
            assert meant == row["target"], row["phrase"]
    assert all(len(set(phrases)) == len(phrases) >= 3 for phrases in by_mask.values())
    assert all(f"{row['target']} organ" in by_mask[row["mask"]] for row in there)
    in_image = {(row["image"], row["target"]) for row in there}
    assert not in_image & {(row["image"], row["target"]) for row in absent}
    assert any(row["target"] == "right kidney" and row["mask"] for row in absent)
    assert any(row["target"] not in ontology().targets_in("CT") for row in absent)
    assert json.loads((out / "paraphrases.json").read_text())["liver"] == ["liver organ"]


def test_a_folder_of_binary_volumes_beside_the_image(tmp_path):
    case = tmp_path / "raw" / "s0001"
    save_nifti(case / "ct.nii.gz", ct())
    names = {
        "lung_upper_lobe_left": LEFT,
        "lung_lower_lobe_left": box(slice(20, 25), slice(22, 32)),
        "lung_upper_lobe_right": RIGHT,
        "vertebrae_L1": box(slice(30, 35), slice(18, 22), slice(0, 3)),
        "vertebrae_L2": box(slice(30, 35), slice(18, 22), slice(3, 6)),
        "adrenal_gland_left": box(slice(0, 4), slice(0, 4)),
    }
    for name, mask in names.items():
        save_nifti(case / "segmentations" / f"{name}.nii.gz", mask.astype(np.uint8))
    out = tmp_path / "out"
    build(tmp_path / "raw", out, ontology(), Wishes(slices=1), modality="CT")
    rows = {row["target"]: row for row in rows_of(out / "manifest.csv")}
    # Two of three lobes are no right lung, so there is no whole lung either.
    assert set(rows) == {"left lung", "vertebrae"}
    assert rows["left lung"]["site"] == "lung"
    assert rows["vertebrae"]["site"] in ("abdomen", "chest")
    k = int(rows["left lung"]["image"].split("-")[1][:3])
    lobes = names["lung_upper_lobe_left"] | names["lung_lower_lobe_left"]
    assert np.array_equal(mask_of(out, rows["left lung"]), lobes[:, :, k])
    kept = tmp_path / "kept"
    build(tmp_path / "raw", kept, ontology(), Wishes(slices=1, keep_unknown=True), modality="CT")
    assert "adrenal gland left" in {row["target"] for row in rows_of(kept / "manifest.csv")}


def test_pairs_in_one_folder_and_labels_by_number(tmp_path):
    root = tmp_path / "raw"
    save_nifti(root / "a.nii.gz", ct())
    save_nifti(root / "a_seg.nii.gz", (1 * LEFT + 2 * LIVER).astype(np.uint8))
    save_nifti(root / "alone.nii.gz", ct())
    out = tmp_path / "out"
    names = parse_names("1=left kidney, 2=liver")
    built = build(root, out, ontology(), Wishes(slices=2), modality="CT", names=names)
    assert built.cases == 1
    assert {row["target"] for row in rows_of(out / "manifest.csv")} == {"left kidney", "liver"}
    with pytest.raises(FileError, match="no label names a known target"):
        build(root, tmp_path / "other", ontology(), modality="CT")
    with pytest.raises(FileError, match="name it with --modality"):
        build(root, tmp_path / "third", ontology(), names=names)
    with pytest.raises(RequestError, match="no such pair"):
        parse_names("liver")


def write_series(folder: Path):
    folder.mkdir(parents=True)
    pixels = ct()
    for k in range(DEPTH):
        write_dicom(
            folder / f"{k}.dcm",
            pixels[:, :, k],
            Modality="CT",
            PatientName="Doe^Jane",
            PatientID="123-45-678",
            StudyDate="20200131",
            SeriesInstanceUID="1.2.3",
            SOPInstanceUID=f"1.2.3.{k}",
            RescaleSlope=1,
            RescaleIntercept=0,
            ImagePositionPatient=[0, 0, 2.0 * k],
            ImageOrientationPatient=AXIAL,
            PixelSpacing=[0.5, 0.5],
            SliceThickness=2,
            PixelRepresentation=1,
        )


def write_segmentation(path: Path):
    frames = [(1, k, LEFT[:, :, k]) for k in range(DEPTH)]
    frames += [(2, k, LIVER[:, :, k]) for k in range(2, DEPTH)]
    groups = [
        item(
            SegmentIdentificationSequence=sequence(item(ReferencedSegmentNumber=number)),
            PlanePositionSequence=sequence(item(ImagePositionPatient=[0, 0, 2.0 * k])),
        )
        for number, k, _ in frames
    ]
    shared = item(
        PixelMeasuresSequence=sequence(item(PixelSpacing=[0.5, 0.5], SliceThickness=2)),
        PlaneOrientationSequence=sequence(item(ImageOrientationPatient=AXIAL)),
    )
    path.parent.mkdir(parents=True)
    write_dicom(
        path,
        np.stack([mask for _, _, mask in frames]).astype(np.uint8),
        Modality="SEG",
        PatientName="Doe^Jane",
        SegmentationType="BINARY",
        SegmentSequence=sequence(
            item(SegmentNumber=1, SegmentLabel="Left Kidney"),
            item(SegmentNumber=2, SegmentLabel="Liver"),
        ),
        SharedFunctionalGroupsSequence=sequence(shared),
        PerFrameFunctionalGroupsSequence=sequence(*groups),
        NumberOfFrames=len(frames),
    )


def test_dicom_series_with_segmentations(tmp_path):
    root = tmp_path / "raw"
    write_series(root / "Doe_Jane" / "series")
    write_segmentation(root / "Doe_Jane" / "seg" / "seg.dcm")
    out = tmp_path / "out"
    built = build(root, out, ontology(), Wishes(slices=2))
    rows = rows_of(out / "manifest.csv")
    assert built.problems == ()
    assert {(r["image"], r["target"]) for r in rows} == {
        ("train/c0001-000_CT_abdomen.png", "left kidney"),
        ("train/c0001-005_CT_abdomen.png", "left kidney"),
        ("train/c0001-005_CT_abdomen.png", "liver"),
    }
    expected = {"left kidney": LEFT, "liver": LIVER}
    for row in rows:
        k = int(row["image"].split("-")[1][:3])
        assert np.array_equal(mask_of(out, row), expected[row["target"]][:, :, k])
    written = "".join(p.read_text() for p in out.glob("*.csv"))
    written += " ".join(p.name for p in out.rglob("*"))
    assert not any(word in written for word in ("Doe", "Jane", "123-45", "20200131"))


def save_picture(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def test_a_folder_in_the_naming_is_harmonised(tmp_path):
    root = tmp_path / "raw"
    grey = np.full((30, 30), 90, np.uint8)
    masks = {"tumour": slice(0, 10), "Left+Lung": slice(10, 20), "right+lung": slice(20, 30)}
    for name, rows in masks.items():
        mask = np.zeros((30, 30), np.uint8)
        mask[rows] = 255
        save_picture(root / "train_mask" / f"doe-1_ct_thorax_{name}.png", mask)
    save_picture(root / "train" / "doe-1_ct_thorax.png", grey)
    save_picture(root / "train" / "unnamed.png", grey)
    save_picture(root / "test" / "x_CT_knee.png", grey)
    save_picture(root / "test_mask" / "x_CT_knee_tumor.png", grey)
    out = tmp_path / "out"
    built = build(root, out, ontology(), Wishes(site="lung"))
    rows_ = rows_of(out / "manifest.csv")
    assert {(r["site"], r["target"]) for r in rows_} == {
        ("lung", t) for t in ("tumor", "left lung", "right lung", "lung")
    }
    whole = next(r for r in rows_ if r["target"] == "lung")
    assert mask_of(out, whole).sum() == 600
    assert built.problems == (
        "Case 1 is left out: its name holds an unknown site; there are "
        f"{', '.join(ontology().sites)}.",
    )


def test_the_data_of_this_project_builds_again_as_it_was(data_root, tmp_path):
    """Its own validation set: every mask is found again, under its own name, bit for bit."""
    source = data_root / "data"
    root = tmp_path / "raw"
    root.mkdir()
    for name in ("val", "val_mask", "manifest.csv"):
        (root / name).symlink_to(source / name)
    out = tmp_path / "out"
    built = build(root, out, ontology(), Wishes(phrases=1))
    given = [row for row in rows_of(source / "manifest.csv") if row["split"] == "val"]
    assert (built.counts.images, built.counts.masks) == (360, len(given)) == (360, 694)
    assert built.counts.small == 0
    assert built.counts.absent.total() == 57
    found = rows_of(out / "manifest.csv")
    pairs = sorted((r["modality"], r["site"], r["target"], r["mask_px"], r["nc"]) for r in found)
    assert pairs == sorted(
        (r["modality"], r["site"], r["target"], r["mask_px"], r["nc"]) for r in given
    )
    assert len({r["patient"] for r in found}) == len({r["patient"] for r in given})


def test_an_out_folder_with_something_in_it_is_refused(nnunet, tmp_path):
    with pytest.raises(FileError, match="not empty"):
        build(nnunet, nnunet, ontology(), modality="CT")
    with pytest.raises(FileError, match="No images with masks"):
        build(tmp_path / "raw" / "imagesTr", tmp_path / "out", ontology(), modality="CT")
    with pytest.raises(FileError, match="no such folder"):
        build(tmp_path / "nowhere", tmp_path / "out", ontology())


@pytest.mark.parametrize(
    ("label", "target"),
    [
        ("kidney_left", "left kidney"),
        ("heart_atrium_left", "left heart atrium"),
        ("heart_myocardium", "myocardium"),
        ("inferior_vena_cava", "postcava"),
        ("urinary_bladder", "bladder"),
        ("vertebrae_T12", "vertebrae"),
        ("Liver", "liver"),
        ("adrenal_gland_left", None),
        ("portal_vein_and_splenic_vein", None),
        ("kidney_cyst_left", None),
        ("heart_atrium_right", None),
        ("label 3", None),
        ("", None),
    ],
)
def test_labels_of_others_are_understood_or_left(label, target):
    assert target_of(label, ontology(), "CT") == target


def test_wholes_need_all_their_parts():
    names = ontology()
    assert lobe_of("lung_upper_lobe_left") == ("left", "upper")
    assert lobe_of("left lung") is None
    both = Labels.of(["left lung", "right lung"], names, "CT")
    assert both.wholes == {"lung": ("left lung", "right lung")}
    assert Labels.of(["left lung"], names, "CT").wholes == {}
    assert Labels.of(["left lung", "right lung", "lung"], names, "CT").wholes == {}
    one = np.ones((2, 2), bool)
    assert set(both.masks({"left lung": one})) == {"left lung", "lung"}  # the other is elsewhere
    assert both.all_targets == {"left lung", "right lung", "lung"}


def test_targets_are_put_where_the_catalogue_has_them():
    groups = site_groups(["left lung", "right lung", "liver", "aorta"], "CT", ontology())
    assert {site: set(held) for site, held in groups} == {
        "lung": {"left lung", "right lung"},
        groups[0][0] if groups[0][0] != "lung" else groups[1][0]: {"liver", "aorta"},
    }
    assert site_groups(["polyp"], "CT", ontology()) == []
    assert site_groups(["liver", "tumor"], "CT", ontology(), "kidney") == [("kidney", ("tumor",))]
